"""Object code as a value, and as bytes that a file may hold.

Bytes written by one version of this module are read by no other: nothing is guessed. Reading executes nothing
and trusts nothing but what the checksum covers; it is no protection against an author who makes checksums.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tensorc.codegen_llvm.digest import sha256

_MAGIC: Final = b"tensorc\0"
_VERSION: Final = 1
_HEAD: Final = struct.Struct("<8s8sIQ")
"""Magic, kind, version, length of the content; a SHA-256 of all that and of the content follows."""
_CHECKSUM: Final = 32
_LENGTH: Final = struct.Struct("<I")
FRAME: Final = _HEAD.size + _CHECKSUM
"""Bytes that `frame` puts before the content."""


@dataclass(frozen=True, slots=True)
class ObjectCode:
    """Relocatable machine code: the bytes of an object file, the symbols it defines for us and those it
    needs.
    """

    data: bytes
    exports: tuple[str, ...]
    imports: tuple[str, ...]

    def to_bytes(self) -> bytes:
        """These three with version, length and checksum, for `from_bytes`."""
        return frame("object", self.content())

    @classmethod
    def from_bytes(cls, data: bytes) -> ObjectCode:
        """What `to_bytes` made. Raises ValueError for anything else, a damaged file included."""
        return cls.of_content(unframe("object", data))

    def content(self) -> bytes:
        """These three, for a file that has a checksum of its own."""
        return b"".join((pack(self.exports), pack(self.imports), self.data))

    @classmethod
    def of_content(cls, content: bytes) -> ObjectCode:
        """What `content` made. Raises ValueError where it is cut off."""
        exports, place = unpack(content, 0)
        imports, place = unpack(content, place)
        return cls(content[place:], exports, imports)


def frame(kind: str, content: bytes) -> bytes:
    """The content with magic, kind (at most 8 letters), version, length and checksum before it."""
    head = _HEAD.pack(_MAGIC, kind.encode("ascii"), _VERSION, len(content))
    return b"".join((head, _checksum(head, content), content))


def unframe(kind: str, data: bytes) -> bytes:
    """The content of a frame of that kind. Raises ValueError, which says what is wrong, for other bytes."""
    if len(data) < FRAME:
        raise ValueError(f"{len(data)} bytes are too few for a file of ours")
    head, checksum, content = data[: _HEAD.size], data[_HEAD.size : FRAME], data[FRAME:]
    magic, found, version, length = _HEAD.unpack(head)
    if magic != _MAGIC or found.rstrip(b"\0") != kind.encode("ascii"):
        raise ValueError(f"not a file of ours with {kind} code")
    if version != _VERSION:
        raise ValueError(f"format version {version}, this is version {_VERSION}")
    if length != len(content):
        raise ValueError(f"{len(content)} bytes of content where {length} are announced")
    if checksum != _checksum(head, content):
        raise ValueError("the checksum is wrong")
    return content


def _checksum(head: bytes, content: bytes) -> bytes:
    digest = sha256(head)
    digest.update(content)
    return digest.digest()


def pack(texts: Sequence[str]) -> bytes:
    """A list of texts as bytes from which `unpack` tells them apart."""
    encoded = [text.encode("utf-8") for text in texts]
    parts = [part for text in encoded for part in (_LENGTH.pack(len(text)), text)]
    return b"".join([_LENGTH.pack(len(texts)), *parts])


def unpack(content: bytes, place: int) -> tuple[tuple[str, ...], int]:
    """The texts at `place`, and where what follows begins. Raises ValueError where they are cut off."""

    texts = []
    try:
        (count,) = _LENGTH.unpack_from(content, place)
        place += _LENGTH.size
        for _ in range(count):
            (length,) = _LENGTH.unpack_from(content, place)
            start, place = place + _LENGTH.size, place + _LENGTH.size + length
            if place > len(content):
                raise ValueError("the list of texts is cut off")
            texts.append(content[start:place].decode("utf-8"))  # UnicodeDecodeError is a ValueError
    except struct.error:
        raise ValueError("the list of texts is cut off") from None
    return tuple(texts), place
