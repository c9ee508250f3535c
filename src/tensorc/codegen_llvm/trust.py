"""Whose machine code may be run: that which this user's own compiler made, on this machine or another that
shares the key.

Whoever can write a file can also write checksums into it. Object code in a file therefore carries a seal, an
HMAC-SHA256 under a random key that only this user can read. The key is made when it is first needed, as
`key` in the folder of the object cache (mode 0600, the folder 0700). Where there can be no key, there are no
seals.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from tensorc.codegen_llvm.objects import ObjectCode

_NAME: Final = "key"
_BYTES: Final = 32
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def folder() -> Path | None:
    """The folder of the key: TENSORC_CACHE_DIR, or `tensorc` in XDG_CACHE_HOME or in `~/.cache`."""
    named = os.environ.get("TENSORC_CACHE_DIR")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "tensorc"
    except RuntimeError:  # no home
        return None


def seal(code: ObjectCode, purpose: bytes) -> str | None:
    """The seal of object code that does what `purpose` says, or None where there is no key."""
    key = _key(create=True)
    return None if key is None else _mac(key, code, purpose)


def sealed(code: ObjectCode, purpose: bytes, found: str | None) -> bool:
    """Whether `found` is this user's seal of the code for that purpose."""
    if found is None:
        return False
    key = _key(create=False)
    return key is not None and hmac.compare_digest(_mac(key, code, purpose).encode(), found.encode())


def _mac(key: bytes, code: ObjectCode, purpose: bytes) -> str:
    content = hashlib.sha256(purpose).digest() + hashlib.sha256(code.to_bytes()).digest()
    return hmac.new(key, b"tensorc object code\0" + content, hashlib.sha256).hexdigest()


def _key(create: bool) -> bytes | None:
    place = folder()
    if place is None or not hasattr(os, "geteuid"):  # Windows: no owner and mode that could be judged here
        return None
    try:
        found = _read(place)
        return _made(place) if found is None and create else found
    except OSError:
        return None


def _read(place: Path) -> bytes | None:
    """The key, if there is one that only this user can have written and read."""
    try:
        inner = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        _judge(os.fstat(inner), stat.S_IWGRP | stat.S_IWOTH)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            file = os.open(_NAME, flags, dir_fd=inner)
        except FileNotFoundError:
            return None
        try:
            status = os.fstat(file)
            _judge(status, _OTHERS)
            data = os.read(file, _BYTES + 1) if stat.S_ISREG(status.st_mode) else b""
        finally:
            os.close(file)
    finally:
        os.close(inner)
    if len(data) != _BYTES:
        raise OSError("not a key")
    return data


def _judge(status: os.stat_result, forbidden: int) -> None:
    if status.st_uid != os.geteuid() or status.st_mode & forbidden:
        raise OSError("not this user's alone")


def _made(place: Path) -> bytes | None:
    """A new key, in place complete or not at all; of several processes that make one, the first wins."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        place.mkdir(mode=0o700)
    temporary = place / f"{_NAME}.{secrets.token_hex(8)}.tmp"
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(secrets.token_bytes(_BYTES))
        with suppress(FileExistsError):
            os.link(temporary, place / _NAME)
    finally:
        os.unlink(temporary)
    return _read(place)
