"""What this machine is to LLVM, without loading it: that takes longer than loading a function from the cache.

LLVM's answer is remembered in the folder of the cache, under all that it follows from: what the processor
says of itself, and which files llvmlite is. Where one of these cannot be told, or there is no such folder,
LLVM is asked.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from typing import Final, NamedTuple

from tensorc.codegen_llvm import folder, processor
from tensorc.codegen_llvm.digest import sha256
from tensorc.codegen_llvm.folder import Unusable
from tensorc.codegen_llvm.objects import frame, pack, unframe, unpack
from tensorc.codegen_llvm.places import settings

SUFFIX: Final = ".cpu"
_KIND: Final = "host"
_FILES: Final = ("__init__.py", "_version.py", "binding/libllvmlite.so")
"""Of llvmlite: exchanged, any of them is another file, or changed at another time."""


class Host(NamedTuple):
    """Versions of llvmlite and LLVM, and this machine's triple, CPU and features, in LLVM's words."""

    llvmlite: str
    llvm: str
    triple: str
    cpu: str
    features: str


@cache
def host() -> Host:
    """This machine, from memory or from LLVM."""
    known = _identity()
    if known is None:
        return asked()
    name = sha256(known).hexdigest()
    return _remembered(name) or _asked_now(name)


@cache
def asked() -> Host:
    """What LLVM says."""
    import llvmlite
    import llvmlite.binding as llvm

    try:
        features = str(llvm.get_host_cpu_features().flatten())
    except RuntimeError:  # a CPU LLVM does not know: its name alone decides
        features = ""
    return Host(
        str(llvmlite.__version__),
        ".".join(map(str, llvm.llvm_version_info)),
        str(llvm.get_process_triple()),
        str(llvm.get_host_cpu_name()),
        features,
    )


def confirmed() -> bool:
    """Whether LLVM, loaded by now, says what is remembered. If not, it is forgotten: this process goes on
    with what it has taken for true, but must not leave code for others.
    """
    if asked() == host():
        return True
    known = _identity()
    if known is not None:
        _forget(sha256(known).hexdigest())
    return False


def _asked_now(name: str) -> Host:
    answer = asked()
    with suppress(OSError, Unusable), folder.opened(settings().path, create=True) as root:
        folder.write(root, name[:2], name + SUFFIX, frame(_KIND, pack(answer)))
    return answer


def _remembered(name: str) -> Host | None:
    with suppress(Unusable, ValueError), folder.opened(settings().path) as root:
        data = folder.read(root, name[:2], name + SUFFIX, 1 << 16)
        if data is None:
            return None
        texts, _ = unpack(unframe(_KIND, data), 0)
        return Host(*texts) if len(texts) == len(Host._fields) else None
    return None


def _forget(name: str) -> None:
    with suppress(Unusable), folder.opened(settings().path) as root:
        folder.remove(root, name[:2], name + SUFFIX)


def _identity() -> bytes | None:
    """What the answer follows from, or None where that cannot be told."""
    found = processor.identity()
    spec = find_spec("llvmlite")
    if found is None or spec is None or not spec.submodule_search_locations:
        return None
    place = spec.submodule_search_locations[0]
    try:
        files = [os.stat(os.path.join(place, name)) for name in _FILES]
    except OSError:
        return None
    stamps = [f"{s.st_size} {s.st_mtime_ns} {s.st_ctime_ns} {s.st_ino} {s.st_dev}" for s in files]
    return b"\n".join([os.fsencode(place), *map(str.encode, stamps), found])
