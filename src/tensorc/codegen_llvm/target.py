"""What object code in a file is for: it may be loaded where all of this is equal."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

from tensorc.codegen_llvm import cache as object_cache
from tensorc.codegen_llvm.folder import Unusable
from tensorc.version import __version__


@dataclass(frozen=True)
class Target:
    """The machine and the libraries whose interfaces the code relies on, by name, and the compiler that made
    it: its version, and a digest of its sources.
    """

    environment: dict[str, str]
    tensorc: str
    sources: str


@cache
def target() -> Target:
    """That of this process."""
    return Target(object_cache.environment(), __version__, _sources())


def _sources() -> str:
    try:
        return object_cache.compiler().hex()
    except Unusable:  # they change under our feet: what is compiled now is for this process only
        return f"unknown {os.urandom(16).hex()}"
