"""What object code is for: it runs where all of this is equal."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from tensorc.codegen_llvm import jit
from tensorc.version import __version__


@dataclass(frozen=True)
class Target:
    """Machine, processor and its features, the interpreter and NumPy whose objects the code's caller reads,
    and the compiler that made it.
    """

    triple: str
    cpu: str
    features: str
    abi: str
    compiler: str


@cache
def target() -> Target:
    """That of this process."""
    triple, cpu, features = jit.host()
    abi = f"{sys.implementation.cache_tag} numpy{np.__version__.partition('.')[0]}"
    return Target(triple, cpu, features, abi, f"tensorc {__version__} llvmlite {_version('llvmlite')}")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "?"
