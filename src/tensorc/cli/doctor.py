"""`tensorc doctor`: what is installed, and whether it works here."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from typing import Any, Final, Literal

from tensorc.cli.text import write_text
from tensorc.version import __version__

State = Literal["ok", "absent", "FAILED"]
_OLDEST: Final = {"numpy": "2", "llvmlite": "0.47", "scipy": "1.11"}
_EXTRAS: Final = {
    "demo": {"scikit-learn": "sklearn", "rich": "rich"},
    "cuda": {"numba-cuda": "numba_cuda", "cupy": "cupy"},
}


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    state: State
    what: str
    text: str


def add(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "doctor",
        help="check the installation",
        description="Report versions, CPU, LLVM, BLAS and extras, and test that compiled code works here.",
        allow_abbrev=False,
    )
    parser.set_defaults(handler=examine)


def examine(options: argparse.Namespace) -> int:
    """Run the command; exit status 1 when something required fails."""
    failed = False
    for finding in findings():
        write_text(f"{finding.state:<7} {finding.what:<14} {finding.text}\n")
        failed = failed or finding.state == "FAILED"
    return int(failed)


def findings() -> Iterator[Finding]:
    """All checks, in order; none of them raises."""
    yield Finding("ok", "tensorc", __version__)
    yield Finding(
        "ok", "Python", f"{platform.python_version()} ({platform.python_implementation()}) {sys.executable}"
    )
    for package, oldest in _OLDEST.items():
        yield _package(package, oldest)
    for what, check in _CHECKS.items():
        yield _guarded(what, check)
    yield _cache()
    for extra, packages in _EXTRAS.items():
        yield _extra(extra, packages)


def _package(name: str, oldest: str) -> Finding:
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding("FAILED", name, f"not installed: pip install '{name}>={oldest}'")
    if _numbers(version) < _numbers(oldest):
        return Finding("FAILED", name, f"{version} is too old: pip install '{name}>={oldest}'")
    return Finding("ok", name, version)


def _numbers(version: str) -> list[int]:
    return [int(part) if part.isdigit() else 0 for part in version.split(".")[:2]]


def _guarded(what: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding("ok", what, check())
    except Exception as error:  # a report names what is broken and goes on
        return Finding("FAILED", what, " ".join(f"{type(error).__name__}: {error}".split())[:300])


def _extra(extra: str, packages: dict[str, str]) -> Finding:
    missing = [package for package, module in packages.items() if find_spec(module) is None]
    if missing:
        return Finding("absent", f"extra {extra}", f"{', '.join(missing)}: pip install 'tensorc[{extra}]'")
    return Finding("ok", f"extra {extra}", ", ".join(f"{p} {_version(p)}".rstrip() for p in packages))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # cupy's wheels are named after the CUDA version
        return ""


def _cpu() -> str:
    from tensorc.codegen_llvm.host import asked

    features = asked().features.split(",")
    widest = next((w for f, w in (("+avx512f", 512), ("+avx2", 256)) if f in features), 128)
    return f"{asked().cpu}, {platform.machine()}, {os.cpu_count()} logical cores, vectors of {widest} bits"


def _llvm() -> str:
    from tensorc.codegen_llvm.host import asked

    return f"{asked().llvm}, {asked().triple}"


def _blas() -> str:
    """SciPy's dgemm through its pointer, on a product whose result is known."""
    import ctypes

    import numpy as np
    import scipy

    from tensorc.codegen_llvm.runtime_symbols import address_of

    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    out = np.full((2, 4), np.nan)
    pointer = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 13)(address_of("tensorc_blas_dgemm"))
    # Fortran's order: the transposed product of transposed operands is what C's order needs.
    m, n, k, one, zero = (np.int32(4), np.int32(2), np.int32(3), np.float64(1), np.float64(0))
    cells = [np.array([x]) for x in (m, n, k, one, zero)]
    text = np.frombuffer(b"N", np.int8).copy()
    at = [x.ctypes.data for x in (text, *cells, a, b, out)]
    letter, m_, n_, k_, one_, zero_, a_, b_, out_ = at
    pointer(letter, letter, m_, n_, k_, one_, b_, m_, a_, k_, zero_, out_, m_)
    if not np.array_equal(out, a @ b):
        raise ArithmeticError(f"dgemm gives {out.tolist()}, not {(a @ b).tolist()}")
    return f"dgemm of SciPy {scipy.__version__} found and tested"


def _entry() -> str:
    from tensorc.codegen_llvm.entry_layout import unsupported

    reason = unsupported()
    return "native: the layout of ndarray agrees" if reason is None else f"Python path: {reason}"


def _compile() -> str:
    """Compile and call a function in a slow and a fast mode; the results must be NumPy's."""
    import time

    import numpy as np

    from tensorc.api.function import function
    from tensorc.api.symbols import tensor

    x = np.linspace(-3, 3, 12).reshape(3, 4)
    times = []
    for mode in ("O0", "fast"):
        start = time.perf_counter()
        symbol = tensor("x", shape=(None, None))
        found = function([symbol], (symbol * 2 + 1).sum(axis=1), mode=mode)(x)
        times.append(f"{mode} in {(time.perf_counter() - start) * 1e3:.0f} ms")
        if not np.allclose(found, (x * 2 + 1).sum(axis=1), rtol=1e-14):
            raise ArithmeticError(f"mode {mode} gives {found.tolist()}")
    return f"compiled code gives NumPy's results ({', '.join(times)})"


def _cache() -> Finding:
    """Whether compiled code is kept; doing without is slower, no failure."""
    from tensorc.cli.cache import summary
    from tensorc.codegen_llvm import cache
    from tensorc.codegen_llvm.folder import Unusable

    try:
        return Finding("ok", "cache", summary(cache.contents()))
    except Unusable as reason:
        return Finding("absent", "cache", str(reason))


_CHECKS: Final = {"CPU": _cpu, "LLVM": _llvm, "BLAS": _blas, "entry": _entry, "self-test": _compile}
