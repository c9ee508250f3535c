"""A digest of the package's own sources: code made by another compiler than this one is of no use.

Reading every file would take longer than loading a function from the cache, so the digest is remembered
beside it under what `stat` says of the files. The time of the last change of an inode, which no installer or
archive can set, is part of that.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from tensorc.codegen_llvm import folder
from tensorc.codegen_llvm.digest import sha256
from tensorc.codegen_llvm.folder import Unusable
from tensorc.codegen_llvm.objects import frame, unframe
from tensorc.version import LOADED

PACKAGE: Final = Path(__file__).resolve().parent.parent
SUFFIX: Final = ".src"
_SETTLED: Final = 0.1
"""Seconds before the package was loaded in which nothing may have changed: the clocks of files are coarse."""
_SOURCES: Final = (".py", ".ll")
_KIND: Final = "sources"
_DIGEST: Final = 32


def digest(root: int, files: bytes) -> bytes:
    """A digest of the source files in a listing, remembered in the folder `root`. Raises Unusable where they
    cannot be read or have changed.
    """
    name = sha256(files).hexdigest()
    found = folder.read(root, name[:2], name + SUFFIX, 4096)
    known = None if found is None else _remembered(found)
    if known is not None:
        return known
    made = content(files)
    if listing() != files:
        raise Unusable("the sources of tensorc are changing")
    with suppress(OSError, Unusable):  # it will be made again
        folder.write(root, name[:2], name + SUFFIX, frame(_KIND, made))
    return made


def _remembered(data: bytes) -> bytes | None:
    try:
        content = unframe(_KIND, data)
    except ValueError:
        return None
    return content if len(content) == _DIGEST else None


def listing() -> bytes:
    """A line for every source file, in order: its path, and what tells that it was exchanged.

    Raises Unusable where the files cannot be listed, or are perhaps not those that this process has loaded.
    """
    try:
        return _listing(PACKAGE, LOADED - _SETTLED)
    except OSError as error:
        raise Unusable(f"the sources of tensorc cannot be listed: {error}") from None


def _listing(package: Path, latest: float) -> bytes:
    top = str(package)
    lines, todo = [], [""]
    while todo:
        inside = todo.pop()
        with os.scandir(f"{top}/{inside}") as entries:
            for entry in entries:
                name = entry.name
                if entry.is_dir():
                    todo += [] if name.startswith(("__pycache__", ".")) else [f"{inside}{name}/"]
                elif name.endswith(_SOURCES):
                    s = entry.stat()
                    if s.st_ctime > latest:
                        raise Unusable(f"{entry.path} changed after this process began, or just before")
                    lines.append(
                        f"{inside}{name}\t{s.st_size}\t{s.st_mtime_ns}\t{s.st_ctime_ns}\t{s.st_ino}\t{s.st_dev}"
                    )
    return os.fsencode("\n".join([top, *sorted(lines)]))


def content(files: bytes) -> bytes:
    """A digest of names and contents alone: the same wherever the package lies."""
    total = sha256()
    try:
        for line in files.split(b"\n")[1:]:
            path = line.split(b"\t")[0]
            content = (PACKAGE / os.fsdecode(path)).read_bytes()
            total.update(path + b"\0" + sha256(content).digest())
    except OSError as error:
        raise Unusable(f"the sources of tensorc cannot be read: {error}") from None
    return total.digest()
