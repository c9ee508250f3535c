"""Addresses of what machine code calls by name. Nothing is looked up before some code needs it.

| names | what |
|---|---|
| `tensorc_alloc`, `tensorc_free`, … | what bodies have in common, in the native entry's library |
| `tensorc_blas_NAME`, `tensorc_lapack_NAME` | SciPy's BLAS and LAPACK: Fortran convention, 32-bit integers |
| `tensorc_{product,matmul,pack,block}_TYPE` | matrix products: `libraries.py` |
| `tensorc_transpose_TYPE` | transposes of tiles: `libraries.py` |
| `tensorc_rare_NAME_TYPE` | mathematical functions of arguments that are rare: `libraries.py` |
| `tensorc_np_NAME`, `tensorc_ndarray_type` | NumPy's C API |
| `Py*`, `_Py*` | CPython's C API |
| anything else | the C library and its mathematics |
"""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
from collections.abc import Callable
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tensorc.ir.errors import InternalError
from tensorc.runtime import threads

NUMPY_TABLE = {"NewFromDescr": 94, "GetNDArrayCVersion": 0, "GetHandler": 305}
"""Indices into NumPy's `_ARRAY_API`, part of its ABI since 1.0."""

_TYPES = {"tensorc_ndarray_type": np.ndarray, "tensorc_float64_type": np.float64}
BLAS_THREADS = ("scipy_openblas_set_num_threads", "openblas_set_num_threads")
"""What sets OpenBLAS's number of threads, as SciPy's wheels name it and as others do."""

_providers: dict[str, Callable[[], dict[str, int]]] = {}


def provide(names: tuple[str, ...], addresses: Callable[[], dict[str, int]]) -> None:
    """Have `addresses()` answer for `names`, when one of them is first needed."""
    for name in names:
        _providers[name] = addresses


@cache
def address_of(name: str) -> int:
    """The address of an external symbol. Raises InternalError if nothing provides it."""
    if name in _providers:
        return _providers[name]()[name]
    if name in _TYPES:
        return id(_TYPES[name])
    if name.startswith(("Py", "_Py")):
        return _exported(ctypes.pythonapi, name)
    for prefix, resolve in _PREFIXES.items() if name.startswith("tensorc_") else ():
        if name.startswith(prefix):
            return resolve(name.removeprefix(prefix))
    return _c_library(name)


def _exported(library: ctypes.CDLL, name: str) -> int:
    try:
        return ctypes.addressof(ctypes.c_char.in_dll(library, name))
    except ValueError:
        return 0


def _c_library(name: str) -> int:
    for library in _c_libraries():
        address = _exported(library, name)
        if address:
            return address
    raise InternalError(f"no library provides the symbol {name!r} that compiled code calls")


@cache
def _c_libraries() -> tuple[ctypes.CDLL, ...]:
    if sys.platform == "win32":
        return ctypes.CDLL("ucrtbase"), ctypes.CDLL("vcruntime140")
    if sys.platform == "darwin":
        return (ctypes.CDLL("/usr/lib/libSystem.B.dylib"),)
    return ctypes.CDLL("libm.so.6"), ctypes.CDLL("libc.so.6")


# ----------------------------------------------------------------------------------------------------- NumPy


def _numpy(name: str) -> int:
    umath = importlib.import_module("numpy._core._multiarray_umath")
    table = capsule_pointer(umath._ARRAY_API, None)
    return int(
        ctypes.c_void_p.from_address(table + NUMPY_TABLE[name] * ctypes.sizeof(ctypes.c_void_p)).value or 0
    )


def current_handler() -> object:
    """The capsule of the functions with which NumPy allocates arrays now (NEP 49)."""
    return ctypes.PYFUNCTYPE(ctypes.py_object)(_numpy("GetHandler"))()


def capsule_pointer(capsule: Any, name: bytes | None) -> int:
    """The pointer in a PyCapsule of that name."""
    get = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", ctypes.pythonapi)
    )
    return int(get(capsule, name) or 0)


def _capsule_name(capsule: Any) -> bytes | None:
    get = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", ctypes.pythonapi))
    name: bytes | None = get(capsule)
    return name


# ----------------------------------------------------------------------------------------------------- SciPy


def _scipy_pointer(extension: ModuleType, name: str) -> int:
    exports = extension.__pyx_capi__
    if name not in exports:
        raise InternalError(f"{extension.__name__} has no {name!r}")
    capsule = exports[name]
    return capsule_pointer(capsule, _capsule_name(capsule))


@cache
def _governed(name: str) -> ModuleType:
    """`scipy_extension`, on as many threads as `TENSORC_NUM_THREADS` says, if it says anything.

    The library has one number of threads for all its users in a process; it is left alone unless the user
    asked for a number, so that SciPy is not slowed down by a program that compiles something, too. Without
    one, OpenBLAS uses all CPUs, as we do. Nothing is set in a BLAS that is not OpenBLAS.
    """
    extension = scipy_extension(name)
    if os.environ.get(threads.VARIABLE, "").strip() and extension.__file__ is not None:
        library = ctypes.CDLL(extension.__file__)  # symbols of the libraries it needs are found through it
        for symbol in BLAS_THREADS:
            if hasattr(library, symbol):
                getattr(library, symbol)(threads.wanted())
                break
    return extension


@cache
def scipy_extension(name: str) -> ModuleType:
    """`scipy.linalg.NAME`, without importing all of `scipy.linalg`, which takes ten times as long.

    The module is registered under its own name, because an extension can be initialised only once: a later
    `import scipy.linalg` finds it.
    """
    full = f"scipy.linalg.{name}"
    if full in sys.modules:
        return sys.modules[full]
    path = _extension_file(name)
    if path is None or sys.platform == "win32":  # there scipy's own import finds the folder of DLLs
        return importlib.import_module(full)
    spec = spec_from_file_location(full, path, loader=ExtensionFileLoader(full, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[full] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[full]
        raise
    return module


def _extension_file(name: str) -> Path | None:
    spec = find_spec("scipy")
    if spec is None or not spec.submodule_search_locations:
        raise InternalError("SciPy is not installed; this code calls its BLAS or LAPACK")
    folder = Path(spec.submodule_search_locations[0]) / "linalg"
    files = (folder / (name + suffix) for suffix in EXTENSION_SUFFIXES)
    return next((file for file in files if file.exists()), None)


def _library(name: str) -> int:
    from tensorc.codegen_llvm import libraries  # which loads code, and comes here for what that calls

    return libraries.address_of(name)


_PREFIXES: dict[str, Callable[[str], int]] = {
    "tensorc_direct_": lambda name: _library(f"tensorc_direct_{name}"),
    "tensorc_vector_": lambda name: _library(f"tensorc_vector_{name}"),
    "tensorc_matmul_": lambda name: _library(f"tensorc_matmul_{name}"),
    "tensorc_pack_": lambda name: _library(f"tensorc_pack_{name}"),
    "tensorc_block_": lambda name: _library(f"tensorc_block_{name}"),
    "tensorc_transpose_": lambda name: _library(f"tensorc_transpose_{name}"),
    "tensorc_rare_": lambda name: _library(f"tensorc_rare_{name}"),
    "tensorc_np_": _numpy,
    "tensorc_blas_": lambda name: _scipy_pointer(_governed("cython_blas"), name),
    "tensorc_lapack_": lambda name: _scipy_pointer(_governed("cython_lapack"), name),
}
