"""SHA-256 as CPython has it itself: `hashlib` loads OpenSSL, which takes longer than loading a function from
the cache.
"""

from __future__ import annotations

import importlib
from typing import Any, Final, Protocol


class Digest(Protocol):
    """What is known of `hashlib`'s objects here."""

    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...

    def hexdigest(self) -> str: ...


def _implementation() -> Any:
    for module in ("_sha2", "_sha256"):  # since CPython 3.12, and before
        try:
            return importlib.import_module(module).sha256
        except ImportError:
            continue
    return importlib.import_module("hashlib").sha256


_SHA256: Final = _implementation()


def sha256(data: bytes = b"") -> Digest:
    """A digest that begins with `data`."""
    made: Digest = _SHA256(data)
    return made
