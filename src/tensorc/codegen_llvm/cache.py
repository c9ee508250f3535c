"""Object code kept between processes, in files under a key that says all that decides it.

The key is a digest of what the caller compiles (for a function: its location-free text, body and pipeline)
and of what compiles it: our own sources, Python's binary interface, NumPy, SciPy, the C library, LLVM, and
the machine. An entry holds its key again, so that a file under another's name is not taken for it.

Nothing here is ever an error for the caller: without a folder that can be trusted, with a full disk or a
damaged file, everything is compiled as if there were no cache. `describe` says why.
"""

from __future__ import annotations

import importlib.machinery
import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import numpy as np

from tensorc.codegen_llvm import folder
from tensorc.codegen_llvm import host as machine
from tensorc.codegen_llvm import sources as own_sources
from tensorc.codegen_llvm.digest import sha256
from tensorc.codegen_llvm.folder import File, Unusable
from tensorc.codegen_llvm.objects import FRAME, ObjectCode, frame, pack, unframe, unpack
from tensorc.codegen_llvm.places import Settings, settings
from tensorc.ir.errors import InternalError

SUFFIX: Final = ".o"
MOST: Final = 1 << 14
"""Files at most, however small: looking through them must not take longer than compiling."""
FOLDERS: Final = frozenset(f"{n:02x}" for n in range(256))
"""Files lie in folders named after the first two digits of their keys."""
_FORMAT: Final = "2"
_KIND: Final = "entry"
_KEY: Final = 32
_SUFFIXES: Final = (SUFFIX, own_sources.SUFFIX, machine.SUFFIX)
_NAME: Final = rf"[0-9a-f]{{64}}({'|'.join(map(re.escape, _SUFFIXES))})"
_LARGEST: Final = 1 << 30
_LONGEST_NAME: Final = 100
T = TypeVar("T")


# ---------------------------------------------------------------------------------------------------- the key


def environment() -> dict[str, str]:
    """What code depends on besides what is compiled, but for our own sources."""
    host = machine.host()
    return {
        "format": _FORMAT,
        "python": importlib.machinery.EXTENSION_SUFFIXES[0],  # names the binary interface
        "numpy": np.__version__,  # constants are folded with its functions
        "libc": _libc(),
        "scipy": _scipy(),
        "llvmlite": host.llvmlite,
        "llvm": host.llvm,
        "triple": host.triple,
        "cpu": host.cpu,
        "features": host.features,
    }


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, OSError, ValueError):  # another library, which has no such name
        return ""


def _scipy() -> str:
    """The installed SciPy, without importing it: compiled code may call its LAPACK by name."""
    try:
        spec = find_spec("scipy")
        if spec is None or not spec.submodule_search_locations:
            return "none"
        version = Path(spec.submodule_search_locations[0], "version.py").read_bytes()
    except (OSError, ValueError):  # one that does not say which it is: equal to none, itself included
        return f"unknown {os.urandom(16).hex()}"
    return sha256(version).hexdigest()


@cache
def _environment() -> str:
    return "\n".join(f"{name} {value}" for name, value in environment().items())


@cache
def _listing() -> bytes:
    """The sources as they are when the first key is made."""
    return own_sources.listing()


@cache
def _sources(path: Path) -> bytes:
    with folder.opened(path, create=True) as root:
        return own_sources.digest(root, _listing())


def compiler() -> bytes:
    """A digest of our own sources. Raises Unusable where they cannot be listed or are changing."""
    try:
        return _sources(settings().path)
    except Unusable:
        return own_sources.content(_listing())


def key_of(what: Sequence[str], environment: str, sources: bytes) -> str:
    """The key of what is compiled from these texts there."""
    return sha256(pack([*what, environment]) + sources).hexdigest()


# -------------------------------------------------------------------------------------------------- one entry


class Entry(NamedTuple):
    """Object code under its key. `name` and `about` are for people."""

    key: str
    name: str
    about: str
    parts: tuple[ObjectCode, ...]

    def to_bytes(self) -> bytes:
        """The content of its file."""
        parts = [part.content() for part in self.parts]
        head = pack([_printable(self.name), self.about, *(str(len(part)) for part in parts)])
        return frame(_KIND, b"".join([bytes.fromhex(self.key), head, *parts]))

    @classmethod
    def from_bytes(cls, key: str, data: bytes) -> Entry:
        """The entry of that key. Raises ValueError for a file that is damaged or of another key."""
        content = unframe(_KIND, data)
        if content[:_KEY].hex() != key:
            raise ValueError("the entry is of another key")
        (name, about, *lengths), place = unpack(content, _KEY)
        parts = []
        for length in map(int, lengths):
            parts.append(ObjectCode.of_content(content[place : place + length]))
            place += length
        if place != len(content):
            raise ValueError("the parts do not fill the entry")
        return cls(key, name, about, tuple(parts))


def _printable(name: str) -> str:
    return ascii(name[:_LONGEST_NAME])[1:-1]


def title(data: bytes) -> tuple[str, str]:
    """Name and description of an entry, from the first kilobytes of its file. Raises ValueError."""
    (name, about, *_), _ = unpack(data, FRAME + _KEY)
    return name, about


# ---------------------------------------------------------------------------------------------------- its use


def obtain(
    what: Callable[[], Sequence[str] | None],
    name: str,
    about: str,
    compile: Callable[[], tuple[ObjectCode, ...]],
    load: Callable[[tuple[ObjectCode, ...]], T],
) -> tuple[T, bool]:
    """`load(parts)` of what `compile()` gives, or gave another process for the same texts `what()`; and
    whether it was that. None for `what` is code of which the texts do not say all. `name` and `about` are
    shown by `tensorc cache ls`.

    Raises what `compile` and `load` raise for code that was compiled just now.
    """
    try:
        place = settings()
        digest = _sources(place.path)
    except Unusable:
        return load(compile()), False
    texts = what()
    if texts is None:
        return load(compile()), False
    key = key_of(texts, _environment(), digest)
    cached = _get(place, key)
    if cached is not None:
        try:
            return load(cached.parts), True
        except (InternalError, ValueError):  # a symbol is missing, or the loader does not take it
            _forget(place, key)
    parts = compile()
    loaded = load(parts)
    _put(place, Entry(key, name, about, parts))
    return loaded, False


def _get(place: Settings, key: str) -> Entry | None:
    with suppress(Unusable), folder.opened(place.path) as root:
        data = folder.read(root, key[:2], key + SUFFIX, _LARGEST)
        if data is None:
            return None
        try:
            return Entry.from_bytes(key, data)
        except ValueError:
            folder.remove(root, key[:2], key + SUFFIX)
    return None


def _forget(place: Settings, key: str) -> None:
    with suppress(Unusable), folder.opened(place.path) as root:
        folder.remove(root, key[:2], key + SUFFIX)


def _put(place: Settings, entry: Entry) -> None:
    data = entry.to_bytes()
    if len(data) > min(_LARGEST, place.limit):
        return
    with suppress(Unusable, OSError), folder.opened(place.path, create=True) as root:
        # Passes are imported when they are first needed: if files have changed since the key was made, this
        # code may come from the new ones.
        if own_sources.listing() != _listing() or not machine.confirmed():
            return
        _room.take(root, place, folder.space(len(data)))
        folder.write(root, entry.key[:2], entry.key + SUFFIX, data)


class _Room:
    """How much this process may still write before it looks at the whole folder again. An estimate: threads
    that meet here look twice, which a lock that a fork may leave taken is not worth.
    """

    def __init__(self) -> None:
        self._place: Settings | None = None
        self._left = 0

    def take(self, root: int, place: Settings, size: int) -> None:
        """Room for one more file of that size."""
        if place != self._place or size > self._left:
            found = folder.files(root, FOLDERS, _NAME)
            fits = sum(file.size for file in found) + size <= place.limit and len(found) < MOST
            # If anything must go, a tenth goes at once, so that the next files need no look.
            limit, most = (n if fits else n * 9 // 10 for n in (place.limit, MOST))
            total = size + folder.shrink(root, found, max(limit - size, 0), most)
            # Other processes write too: none may fill by itself what is free.
            free = min(place.limit - total, (most - len(found)) * folder.BLOCK)
            self._place, self._left = place, max(free, 0) // 8
        self._left -= size


_room = _Room()


# ------------------------------------------------------------------------------------------------- for people


class Contents(NamedTuple):
    """A folder that can be used: where, what it may take, what is in it."""

    place: Settings
    files: tuple[File, ...]

    @property
    def entries(self) -> list[File]:
        """Object code, last used first."""
        return sorted((f for f in self.files if f.name.endswith(SUFFIX)), key=lambda f: -f.used)

    @property
    def size(self) -> int:
        return sum(f.size for f in self.files)


def contents() -> Contents:
    """What is in the cache now; an empty one where the folder is still missing. Raises Unusable, which says
    why there is no cache.
    """
    place = settings()
    own_sources.listing()
    try:
        with folder.opened(place.path) as root:
            return Contents(place, tuple(folder.files(root, FOLDERS, _NAME)))
    except Unusable:
        if os.path.lexists(place.path):
            raise
        folder.check_place(place.path)
        return Contents(place, ())


def titles(found: Contents) -> dict[File, tuple[str, str]]:
    """Name and description of the entries that can be read, which does not count as use. Raises Unusable."""
    known = {}
    with folder.opened(found.place.path) as root:
        for file in found.entries:
            data = folder.read(root, file.folder, file.name, _LARGEST, first=4096, touch=False)
            with suppress(ValueError):
                known[file] = title(data or b"")
    return known


def clear() -> int:
    """Remove every file of the cache, and nothing else; how many. Raises Unusable."""
    with folder.opened(settings().path) as root:
        removed = [folder.remove(root, f.folder, f.name) for f in folder.files(root, FOLDERS, _NAME)]
        for name in FOLDERS:
            with suppress(OSError):
                os.rmdir(name, dir_fd=root)
    return sum(removed)
