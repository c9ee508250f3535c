"""The zip file of a saved function: arrays as `.npy`, texts and code, each with its SHA-256 in the manifest.

Members are stored, not compressed: what a reader allocates is bounded by the size of the file, and
`numpy.load` maps the arrays as it does those of an `.npz`. The reader takes nothing on trust: whatever it
does not expect, it refuses with one error and without having executed or unpickled anything.
"""

from __future__ import annotations

import hashlib
import math
import os
import stat
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO, Any, Final

import numpy as np
from numpy.lib import format as npy

from tensorc.ir.errors import TensorcValueError
from tensorc.ops.dtypes import from_dtype, to_dtype

Array = np.ndarray[Any, np.dtype[Any]]
MANIFEST: Final = "manifest.json"
MOST_MEMBERS: Final = 100_000
LONGEST_NAME: Final = 100
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_ENCRYPTED: Final = 1
_LONGEST_HEADER: Final = 4096
_PIECE: Final = 1 << 20
_LARGE: Final = 1 << 30


def refusal(reason: str, code: str = "TC0470") -> TensorcValueError:
    """The error for a file that is not loaded."""
    return TensorcValueError(
        reason,
        code=code,
        help="the file was not written by save(), or has been changed since: save the function again",
    )


class _Hashed:
    """A stream that computes the SHA-256 of what passes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()

    def write(self, data: Any) -> int:
        self._digest.update(data)
        return self._stream.write(data)

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._digest.update(data)
        return data

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


class Writer:
    """Writes members to a file open for writing, in a `with` block; `members` has their digests, for the
    manifest.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)
        self.members: dict[str, str] = {}

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self._zip.close()
        with suppress(Exception):  # what went wrong before is what counts
            self._zip.close()

    def add(self, name: str, data: bytes) -> None:
        """A member of these bytes."""
        self._member(name, len(data), lambda stream: stream.write(data))

    def add_array(self, name: str, array: Array) -> None:
        """An array, as `numpy.save` writes it, in row-major order."""
        plain = np.array(array, order="C", copy=None, subok=False)

        def write(stream: Any) -> None:
            npy.write_array(stream, plain, version=(1, 0), allow_pickle=False)

        self._member(name, plain.nbytes, write)

    def finish(self, manifest: bytes) -> None:
        """The manifest, which comes last: a file without it is not complete."""
        self.add(MANIFEST, manifest)

    def _member(self, name: str, size: int, write: Callable[[Any], object]) -> None:
        entry = zipfile.ZipInfo(name, _EPOCH)
        entry.external_attr = 0o644 << 16
        with self._zip.open(entry, "w", force_zip64=size >= _LARGE) as stream:
            hashed = _Hashed(stream)
            write(hashed)
        self.members[name] = hashed.hexdigest()


class Reader:
    """The members of a file. Raises TensorcValueError (TC0470, TC0473) for what no writer makes."""

    def __init__(self, file: IO[bytes]) -> None:
        length = file.seek(0, os.SEEK_END)
        file.seek(0)
        try:
            self._zip = zipfile.ZipFile(file)
        except Exception as error:  # zipfile lets many kinds through
            raise refusal(f"not a saved function: {error or type(error).__name__}") from None
        entries = self._zip.infolist()
        if len(entries) > MOST_MEMBERS:
            raise refusal(f"{len(entries)} members")
        self._entries = {entry.filename: entry for entry in entries}
        if len(self._entries) != len(entries):
            raise refusal("two members have one name")
        for entry in entries:
            _check_entry(entry)
        if sum(entry.file_size for entry in entries) > length:
            raise refusal("the members are larger than the file")
        self._digests: Mapping[str, str] = {}

    def expect(self, digests: Mapping[str, str]) -> None:
        """The members that there must be besides the manifest, with their digests."""
        found, wanted = self._entries.keys() - {MANIFEST}, set(digests)
        for names, what in ((wanted - found, "is missing"), (found - wanted, "is not in the manifest")):
            if names:
                raise refusal(f"the member {min(names)!r} {what}")
        self._digests = digests

    def manifest(self, limit: int) -> bytes:
        """The manifest; nothing vouches for it but the checks of what it says."""
        return self._bytes(MANIFEST, limit, None)

    def content(self, name: str, limit: int) -> bytes:
        """The content of a member of at most `limit` bytes."""
        return self._bytes(name, limit, self._digests.get(name))

    def array(self, name: str) -> Array:
        """The array in a member, in memory of its own."""
        with self._opened(name) as stream:
            hashed = _Hashed(stream)
            try:
                array = _read_array(hashed, self._entries[name].file_size, name)
            except TensorcValueError:
                raise
            except Exception as error:
                raise refusal(f"the array {name!r}: {error}", "TC0473") from None
            if hashed.hexdigest() != self._digests.get(name):
                raise refusal(f"the checksum of {name!r} is wrong")
        return array

    def _opened(self, name: str) -> IO[bytes]:
        if name not in self._entries:
            raise refusal(f"the member {name!r} is missing")
        try:
            return self._zip.open(self._entries[name])
        except Exception as error:
            raise refusal(f"the member {name!r} cannot be read: {error}") from None

    def _bytes(self, name: str, limit: int, digest: str | None) -> bytes:
        with self._opened(name) as stream:
            size = self._entries[name].file_size
            if size > limit:
                raise refusal(f"the member {name!r} has {size} bytes, at most {limit} are read")
            try:
                data = stream.read()
            except Exception as error:
                raise refusal(f"the member {name!r} cannot be read: {error}") from None
        if name != MANIFEST and hashlib.sha256(data).hexdigest() != digest:
            raise refusal(f"the checksum of {name!r} is wrong")
        return data


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    parts = name.split("/")
    if name != entry.orig_filename or "\\" in name or ":" in name or {"", ".", ".."} & {*parts}:
        raise refusal(f"{name!r} is no name for a member")
    if entry.flag_bits & _ENCRYPTED:
        raise refusal(f"the member {name!r} is encrypted")
    if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
        raise refusal(f"the member {name!r} is compressed, which save() never does")
    mode = entry.external_attr >> 16
    if mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
        raise refusal(f"the member {name!r} is no regular file")


def _read_array(stream: _Hashed, size: int, name: str) -> Array:
    """`numpy.load` without its exceptions: no objects, no other byte order, the very number of bytes."""
    counted = _Counted(stream)
    if npy.read_magic(counted) != (1, 0):
        raise refusal(f"the array {name!r} has an unknown version of the .npy format", "TC0473")
    shape, fortran, dtype = npy.read_array_header_1_0(counted, max_header_size=_LONGEST_HEADER)
    own = _own_dtype(dtype, name)
    if fortran or any(type(n) is not int or n < 0 for n in shape):
        raise refusal(f"the array {name!r} has shape {shape}, fortran_order={fortran}", "TC0473")
    count, held = math.prod(shape), size - counted.count
    if count * own.itemsize != held:
        raise refusal(
            f"the array {name!r} of shape {shape} takes {count * own.itemsize} bytes, not {held}", "TC0473"
        )
    flat = np.empty(count, own)
    view = memoryview(flat.view(np.uint8))  # type: ignore[arg-type]
    while view:
        piece = stream.read(min(len(view), _PIECE))
        if not piece:
            raise refusal(f"the array {name!r} is cut off", "TC0473")
        view[: len(piece)] = piece
        view = view[len(piece) :]
    stream.read()  # the end, where zipfile compares its own checksum
    if own == np.bool_ and (flat.view(np.uint8) > 1).any():
        raise refusal(f"the array {name!r} holds bytes that are no booleans", "TC0473")
    return flat.reshape(shape)


def _own_dtype(dtype: np.dtype[Any], name: str) -> np.dtype[Any]:
    if dtype.hasobject or not dtype.isnative:
        raise refusal(f"the array {name!r} has dtype {dtype}", "TC0473")
    try:
        return to_dtype(from_dtype(dtype))
    except TypeError as error:
        raise refusal(f"the array {name!r}: {error}", "TC0473") from None


class _Counted:
    """A stream that counts what is read."""

    def __init__(self, stream: _Hashed) -> None:
        self._stream = stream
        self.count = 0

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self.count += len(data)
        return data
