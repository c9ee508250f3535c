"""A folder of files that only this user can have written: what is read from it may be run as machine code.

Folder and files are opened without following a link, then judged by what was opened, so that nothing can be
exchanged between looking and reading. Files appear complete or not at all: they are written under a name of
their own and renamed. Nothing here waits for another process or takes a lock.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

SUPPORTED: Final = hasattr(os, "geteuid") and os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_TEMPORARY: Final = r"\.[0-9a-f]{16}\.tmp$"
BLOCK: Final = 4096
"""What a file takes is a multiple of this."""
_ABANDONED: Final = 3600.0
"""Seconds after which a file under a temporary name has no writer any more."""


class Unusable(Exception):
    """There is no such folder, or it cannot be trusted; the text says why."""


class File(NamedTuple):
    """A file of a folder: `folder/name`, the disk space it takes and when it was last used."""

    folder: str
    name: str
    size: int
    used: float

    @property
    def temporary(self) -> bool:
        """Whether it is still being written, or was when its writer died."""
        return re.search(_TEMPORARY, self.name) is not None


@contextmanager
def opened(path: Path, create: bool = False) -> Iterator[int]:
    """A descriptor of a folder that belongs to this user and that nobody else can write to.

    With `create`, it is made if it is missing, and its parent too, for this user alone. Raises Unusable.
    """
    _check_platform()
    try:
        descriptor = _opened_folder(path, None)
    except FileNotFoundError:
        if not create:
            raise Unusable(f"{path} does not exist") from None
        descriptor = _made(path)
    except OSError as error:
        raise Unusable(_reason(path, error)) from None
    try:
        _trust(os.fstat(descriptor), path)
        yield descriptor
    finally:
        os.close(descriptor)


def _check_platform() -> None:
    if not SUPPORTED:
        raise Unusable("this platform cannot open files relative to a folder")


def _made(path: Path) -> int:
    check_place(path)
    try:
        with suppress(FileExistsError):  # another process may be quicker
            path.parent.mkdir(mode=0o700)
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
        return _opened_folder(path, None)
    except OSError as error:
        raise Unusable(_reason(path, error)) from None


def check_place(path: Path) -> None:
    """Raises Unusable if a folder that is missing cannot be made, or must not be: not among somebody else's
    files, where a program run as root would leave one that the user could not write to.
    """
    _check_platform()
    try:
        place = path.parent if path.parent.exists() else path.parent.parent
        owner = place.stat().st_uid
    except OSError as error:
        raise Unusable(_reason(path.parent, error)) from None
    if owner not in (0, os.geteuid()):
        raise Unusable(f"{place} belongs to another user")
    if not os.access(place, os.W_OK | os.X_OK):
        raise Unusable(f"{place} cannot be written to")


def _opened_folder(path: Path | str, parent: int | None) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)


def _reason(path: Path, error: OSError) -> str:
    with suppress(OSError):
        if path.is_symlink():
            return f"{path} is a symbolic link"
    return f"{path}: {error.strerror or error}"


def _trust(found: os.stat_result, what: object) -> None:
    if found.st_uid != os.geteuid():
        raise Unusable(f"{what} belongs to another user")
    if found.st_mode & _WRITABLE_BY_OTHERS:
        raise Unusable(f"{what} can be written by other users")


def read(
    root: int, folder: str, name: str, limit: int, first: int = -1, touch: bool = True
) -> bytes | None:
    """The content of a file, or its `first` bytes; it counts as used now, if `touch`. None if there is no
    file that can be read and trusted, or if it has more than `limit` bytes.
    """
    try:
        inner = _opened_folder(folder, root)
    except OSError:
        return None
    try:
        _trust(os.fstat(inner), folder)
        # A pipe in place of a file must not make us wait for its writer.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(name, flags, dir_fd=inner)
    except (OSError, Unusable):
        return None
    finally:
        os.close(inner)
    try:
        found = os.fstat(descriptor)
        _trust(found, name)
        if not stat.S_ISREG(found.st_mode) or found.st_size > limit:
            return None
        if touch:
            with suppress(OSError):  # a disk that is read-only, say
                os.utime(descriptor)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(first)
    except (OSError, Unusable):
        return None
    finally:
        os.close(descriptor)


def write(root: int, folder: str, name: str, content: bytes) -> None:
    """Put a file in place, complete. Raises OSError or Unusable, and then leaves nothing behind."""
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700, dir_fd=root)
    inner = _opened_folder(folder, root)
    try:
        _trust(os.fstat(inner), folder)
        temporary = f"{name}.{os.urandom(8).hex()}.tmp"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, 0o600, dir_fd=inner)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            os.replace(temporary, name, src_dir_fd=inner, dst_dir_fd=inner)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=inner)
            raise
    finally:
        os.close(inner)


def remove(root: int, folder: str, name: str) -> bool:
    """Remove a file; whether it was there and could be."""
    try:
        os.unlink(f"{folder}/{name}", dir_fd=root)
    except OSError:
        return False
    return True


def space(size: int) -> int:
    """The disk space that a file of so many bytes takes."""
    return -(-size // BLOCK) * BLOCK


def files(root: int, folders: frozenset[str], names: str) -> list[File]:
    """The files with such names in such inner folders, those that are being written included; what vanishes
    meanwhile is left out.
    """
    found: list[File] = []
    for folder in os.listdir(root):
        if folder not in folders:
            continue
        try:
            inner = _opened_folder(folder, root)
        except OSError:
            continue
        try:
            with suppress(OSError):
                found += _files(inner, folder, names)
        finally:
            os.close(inner)
    return found


def _files(inner: int, folder: str, names: str) -> list[File]:
    found = []
    with os.scandir(inner) as entries:
        for entry in entries:
            if re.fullmatch(names, re.sub(_TEMPORARY, "", entry.name)) is None:  # somebody else's
                continue
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    found.append(File(folder, entry.name, space(status.st_size), status.st_mtime))
    return found


def shrink(root: int, found: list[File], limit: int, most: int) -> int:
    """Remove what was not used for longest until there are at most `most` files, which take at most `limit`
    bytes; how many they take then. What writers that died have left goes first.
    """
    now = time.time()
    total, count = sum(file.size for file in found), len(found)
    # A time in the future is of a clock that was wrong: it says nothing about use.
    aged = sorted(found, key=lambda f: (not _abandoned(f, now), f.used if f.used <= now + 60 else 0.0))
    for file in aged:
        if total <= limit and count <= most and not _abandoned(file, now):
            break
        remove(root, file.folder, file.name)
        total, count = total - file.size, count - 1
    return total


def _abandoned(file: File, now: float) -> bool:
    return file.temporary and abs(now - file.used) > _ABANDONED
