"""Whose machine code may be run: that which this user's own compiler made.

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
from typing import Final

from tensorc.codegen_llvm import folder, places
from tensorc.codegen_llvm.folder import Unusable
from tensorc.codegen_llvm.objects import ObjectCode

_NAME: Final = "key"
_BYTES: Final = 32
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


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
    try:
        with folder.opened(places.folder_path(), create) as root:
            found = _read(root)
            return _made(root) if found is None and create else found
    except (OSError, Unusable):
        return None


def _read(root: int) -> bytes | None:
    """The key, if there is one that only this user can have written and read; None if there is none."""
    try:
        file = os.open(_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=root)
    except FileNotFoundError:
        return None
    try:
        found = os.fstat(file)
        if found.st_uid != os.geteuid() or found.st_mode & _OTHERS or not stat.S_ISREG(found.st_mode):
            raise Unusable("others may know the key")
        data = os.read(file, _BYTES + 1)
    finally:
        os.close(file)
    if len(data) != _BYTES:
        raise Unusable("the key is damaged")
    return data


def _made(root: int) -> bytes | None:
    """A new key, in place complete or not at all; of several processes that make one, the first wins."""
    temporary = f"{_NAME}.{secrets.token_hex(8)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(temporary, flags, 0o600, dir_fd=root)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(secrets.token_bytes(_BYTES))
        with suppress(FileExistsError):
            os.link(temporary, _NAME, src_dir_fd=root, dst_dir_fd=root)
    finally:
        os.unlink(temporary, dir_fd=root)
    return _read(root)
