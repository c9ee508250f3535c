"""Where things lie in memory: objects of CPython and NumPy, measured and proved at start-up, and the entry's
own context and frame.

All numbers are byte offsets. `entry.ll` uses them by name.
"""

from __future__ import annotations

import ctypes
import platform
import sys
import weakref
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from tensorc.codegen_llvm import runtime_symbols
from tensorc.codegen_llvm.abi import (
    CLAIM_LIMIT,
    ERROR_CELL,
    GIL_KEPT,
    NO_POLL_CHUNK,
    OVERTAKEN,
    POLL,
    THREADS_FROM,
    ArraySpec,
    Node,
    canonical,
)
from tensorc.passes.sites import NOTE_CLAIMS, NOTE_SURE
from tensorc.runtime import threads
from tensorc.runtime.cell import BOX
from tensorc.runtime.memory import FIGURES, KEEP_FROM, MAP_FROM, SLOTS

WORD = 8
NPY_C_CONTIGUOUS, NPY_OWNDATA, NPY_ALIGNED, NPY_WRITEABLE, NPY_CARRAY = 0x1, 0x4, 0x100, 0x400, 0x501
LENT = NPY_C_CONTIGUOUS | NPY_ALIGNED | NPY_WRITEABLE
OWN = LENT | NPY_OWNDATA
"""Flags of an array whose memory may be written anew: of a mutable argument, of a shared variable."""
NPY_TRACE_DOMAIN = 389047
"""Under which NumPy reports the memory of arrays to `tracemalloc`."""
STACK_FRAME_LIMIT = 1 << 16
RESULT_FORMS = {"none": 0, "one": 1, "tuple": 2, "list": 3, "dict": 5}
RESULT_ONE_BARE = 4
"""One array, with no wrapper to call: the entry's short way."""
RESULT_TREE = 6
"""Containers in containers, which the entry builds after a list of nodes."""

MOST_TRIED = 8
"""Functions that a dispatcher tries before it asks Python."""

_ARRAY_FIELDS = ("DATA", "ND", "DIMENSIONS", "STRIDES", "BASE", "DESCR", "FLAGS")

_CONTEXT = """
    FAST_SHAPES FAST_BODY GENERIC_SHAPES GENERIC_BODY
    N_INPUTS N_CELLS N_CONSTANTS N_ARGUMENTS N_OUTPUTS N_RESULTS N_UPDATES N_BOXES N_EXTENTS N_WORDS
    RESULT_FORM INPUT_SPECS OUTPUT_SPECS CELLS CONSTANTS UPDATES BOXES CLOSED_GATE LOADER ON_ERROR WRAP NAME
    NAMES DEFAULTS OUT_NAME KEYS GIL_BYTES FRAME_BYTES EXTENTS_AT REFS_AT BOUND_AT
    COUNT_FAST COUNT_GENERIC COUNT_SLOW SIBLING WATCH WATCHED
""".split()  # noqa: SIM905 - a table, more readable so
CONTEXT = {name: WORD * n for n, name in enumerate(_CONTEXT)}
"""Fields of the per-function context."""

SPEC = {name: WORD * n for n, name in enumerate(("DESCR", "ND", "SHIFT", "EXTENTS", "PLACE", "SCALAR"))}
"""Fields of the record that describes one argument or output: dtype, rank, log2 of the item size, extents
(-1: any), place in the frame, which Python numbers it takes (`SCALARS`, 0: none).
"""

SCALARS = {"f8": 1, "f4": 2, "i8": 3, "b1": 4}
"""Dtypes of arguments without axes for which a Python number needs no Python code."""

DESCRIPTOR = {"ALLOCATED": 0, "ALIGNED": 8, "OFFSET": 16, "SIZES": 24, "STRIDE_1D": 32}
"""An MLIR strided memref descriptor; strides follow the sizes."""

_VECTOR_DESCRIPTOR = 40
FRAME_ERROR = 0
FRAME_HAS_CELLS = FRAME_ERROR + WORD * len(ERROR_CELL)
FRAME_OUTS = FRAME_HAS_CELLS + WORD
FRAME_POLL = FRAME_OUTS + WORD
FRAME_ERROR_DESC = FRAME_POLL + WORD * len(POLL)
FRAME_EXTENTS_DESC = FRAME_ERROR_DESC + _VECTOR_DESCRIPTOR
FRAME_HEAD = FRAME_EXTENTS_DESC + _VECTOR_DESCRIPTOR
"""The fixed head of a call's frame; then come the argument pointers, extents, object references and
descriptors.
"""


def array_handler_offset() -> int:
    """The offset of an array's memory handler, a field since NumPy 1.22: after the list of weak references
    and the record of buffers.
    """
    return _object_head() + WORD * (len(_ARRAY_FIELDS) + 2)


@cache
def handlers_agree() -> bool:
    """Whether arrays that own their memory name its handler there, and others none."""
    current, own = runtime_symbols.current_handler(), np.zeros(3)
    offset = array_handler_offset()
    return _word(id(own) + offset) == id(current) and _word(id(own[1:]) + offset) == 0


def weak_references_offset() -> int:
    """The offset of an array's list of weak references, after the fields that NumPy documents."""
    return _object_head() + WORD * len(_ARRAY_FIELDS)


def references_offset() -> int:
    """The offset of an object's count of references: a number of 32 bits, or the lower half of one of 64, in
    CPython of all versions.
    """
    return _object_head() - 2 * WORD


@cache
def owners_agree() -> bool:
    """Whether an array's count of references and its weak ones are where we look for them."""
    array = np.zeros(3)
    count, weak = id(array) + references_offset(), id(array) + weak_references_offset()
    before = _word(count, ctypes.c_int32), _word(weak)
    held, watcher = [array] * 5, weakref.ref(array)
    after = _word(count, ctypes.c_int32), _word(weak)
    return before == (1, 0) and after == (1 + len(held), id(watcher))


def _object_head() -> int:
    return int(object.__basicsize__)


def array_fields() -> dict[str, int]:
    """Offsets in a PyArrayObject: every field is one word, by NumPy's ABI since 1.0."""
    return {name: _object_head() + WORD * n for n, name in enumerate(_ARRAY_FIELDS)}


@cache
def unsupported() -> str | None:
    """Why the native entry cannot be used in this process, or None. Then every call takes the Python path."""
    if sys.implementation.name != "cpython":
        return f"{sys.implementation.name} is not CPython"
    if ctypes.sizeof(ctypes.c_void_p) != WORD or sys.byteorder != "little":
        return "not a 64-bit little-endian machine"
    if "free-threading" in sys.version:  # as CPython documents; asking sysconfig takes milliseconds
        return "free-threaded build"
    if _flags_word(int).value != int.__flags__:
        return "unknown layout of types"
    probes = [
        np.zeros((2, 3, 5))[::2, :, ::-1],
        np.array(1.5),
        np.ones((4, 3), np.int32).T,
        np.zeros((0, 7), np.bool_),
    ]
    wrong = [probe.shape for probe in probes if not _fields_agree(probe)]
    return f"unknown layout of numpy.ndarray (shapes {wrong})" if wrong else None


def _flags_word(kind: type) -> ctypes.c_ulong:
    """The memory of a type's flags: after the head, the size, and 18 words that never changed."""
    return ctypes.c_ulong.from_address(id(kind) + _object_head() + 19 * WORD)


def set_flags(kind: type, flags: int) -> None:
    """Set flags of a type that was just made."""
    _flags_word(kind).value |= flags


def _word(address: int, kind: Any = ctypes.c_int64) -> int:
    return int(kind.from_address(address).value or 0)


def _fields_agree(array: np.ndarray[Any, Any]) -> bool:
    """Whether reading the object's memory at our offsets gives what NumPy says."""
    at = {name: id(array) + offset for name, offset in array_fields().items()}
    if _word(id(array) + _object_head() - WORD) != id(type(array)) or _word(at["DESCR"]) != id(array.dtype):
        return False
    if _word(at["ND"], ctypes.c_int32) != array.ndim or _word(at["DATA"]) != array.ctypes.data:
        return False
    flags = _word(at["FLAGS"], ctypes.c_int32)
    if (
        bool(flags & NPY_C_CONTIGUOUS) != array.flags.c_contiguous
        or bool(flags & NPY_ALIGNED) != array.flags.aligned
    ):
        return False
    return (
        _words(at["DIMENSIONS"], array.ndim) == array.shape
        and _words(at["STRIDES"], array.ndim) == array.strides
        and _word(at["BASE"]) == (0 if array.base is None else id(array.base))
    )


def _words(pointer_at: int, count: int) -> tuple[int, ...]:
    if count == 0:
        return ()
    return tuple((ctypes.c_int64 * count).from_address(_word(pointer_at)))


def slot_offset(owner: type, name: str) -> int:
    """The offset of a `__slots__` entry in instances of a class, found by planting an object and looking for
    it.
    """
    instance: object = object.__new__(owner)
    planted = object()
    setattr(instance, name, planted)
    words = range(_object_head(), int(owner.__basicsize__), WORD)
    return next(at for at in words if _word(id(instance) + at) == id(planted))


def capsule_pointer_offset() -> int:
    """The offset of the pointer in a PyCapsule: its first field, proved on NumPy's own capsule."""
    capsule = np.zeros(1).__array_struct__
    offset = _object_head()
    if _word(id(capsule) + offset) != runtime_symbols.capsule_pointer(capsule, None):
        raise RuntimeError("unknown layout of PyCapsule")
    return offset


def names(function_base: type) -> dict[str, int | str]:
    """Everything `entry.ll` refers to by name."""
    windows = sys.platform == "win32"
    return {
        "OBJECT_TYPE": _object_head() - WORD,
        **{f"ARRAY_{name}": offset for name, offset in array_fields().items()},
        **CONTEXT,
        **{f"SPEC_{name}": offset for name, offset in SPEC.items()},
        "SPEC_BYTES": WORD * len(SPEC),
        **{f"DESC_{name}": offset for name, offset in DESCRIPTOR.items()},
        **{f"ERR_{name.upper()}": WORD * n for n, name in enumerate(ERROR_CELL)},
        "RESULT_ONE_BARE": RESULT_ONE_BARE,
        "RESULT_TREE": RESULT_TREE,
        "MOST_TRIED": MOST_TRIED,
        **{f"NODE_{node.name}": node.value for node in Node},
        **{f"BOX_{name}": WORD * n for n, name in enumerate(BOX)},
        "FRAME_ERROR": FRAME_ERROR,
        "FRAME_HAS_CELLS": FRAME_HAS_CELLS,
        "FRAME_OUTS": FRAME_OUTS,
        "NOTE_SURE": NOTE_SURE,
        "NOTE_CLAIMS": NOTE_CLAIMS if owners_agree() else 0,
        "CLAIM_LIMIT": CLAIM_LIMIT,
        "GIL_KEPT": GIL_KEPT,
        "OVERTAKEN": OVERTAKEN,
        "THREADS_FROM": THREADS_FROM,
        "OBJECT_REFERENCES": references_offset(),
        "ARRAY_WEAK": weak_references_offset(),
        "ARRAY_OWN": OWN,
        "ARRAY_LENT": LENT,
        **{
            f"SCALAR_{kind.upper()}": n
            for kind, n in zip(("f64", "f32", "i64", "bool"), SCALARS.values(), strict=True)
        },
        "NPY_WRITEABLE": NPY_WRITEABLE,
        "FRAME_POLL": FRAME_POLL,
        **{f"POLL_{name}": WORD * n for n, name in enumerate(POLL)},
        "NO_POLL_CHUNK": NO_POLL_CHUNK,
        "CLOCK": "_timespec64_get" if windows else "timespec_get",
        "FRAME_ERROR_DESC": FRAME_ERROR_DESC,
        "FRAME_EXTENTS_DESC": FRAME_EXTENTS_DESC,
        "FRAME_HEAD": FRAME_HEAD,
        "STACK_FRAME_LIMIT": STACK_FRAME_LIMIT,
        "NPY_C_CONTIGUOUS": NPY_C_CONTIGUOUS,
        "NPY_ALIGNED": NPY_ALIGNED,
        "FUNCTION_CONTEXT": slot_offset(function_base, "_context"),
        "FUNCTION_SLOW": slot_offset(function_base, "_slow"),
        "FUNCTION_FORM": slot_offset(function_base, "_form"),
        "FUNCTION_DIRECT": slot_offset(function_base, "_direct"),
        "CAPSULE_POINTER": capsule_pointer_offset(),
        "ARRAY_HANDLER": array_handler_offset(),
        "NPY_CARRAY": NPY_CARRAY,
        "NPY_OWNDATA": NPY_OWNDATA,
        "NPY_TRACE_DOMAIN": NPY_TRACE_DOMAIN,
        **{f"FIGURE_{name.upper()}": WORD * n for n, name in enumerate(FIGURES)},
        "FIGURES": len(FIGURES),
        "BLOCK_START": -2 * WORD,
        "BLOCK_CAPACITY": -WORD,
        "KEEP_FROM": KEEP_FROM,
        "MAP_FROM": MAP_FROM,
        "SLOTS": SLOTS,
        "MOST_OTHERS": SLOTS - 1,
        **threads.names(),
        **_pause(),
    }


def _pause() -> dict[str, int | str]:
    """What a thread that looks out for another's word does between two looks."""
    machine = platform.machine().lower()
    if machine in ("x86_64", "amd64"):
        return {
            "PAUSE_DECLARATION": "declare void @llvm.x86.sse2.pause()",
            "PAUSE": "call void @llvm.x86.sse2.pause()",
        }
    if machine in ("aarch64", "arm64"):
        return {
            "PAUSE_DECLARATION": "declare void @llvm.aarch64.hint(i32)",
            "PAUSE": "call void @llvm.aarch64.hint(i32 1)",
        }
    return {"PAUSE_DECLARATION": "", "PAUSE": ""}


def spec_words(specs: Sequence[ArraySpec], extents_at: int, place: int) -> tuple[list[int], list[int]]:
    """The records of several arrays, and the table of extents they point into, which will lie at address
    `extents_at`. The descriptors get places in the frame one after the other from `place`.
    """
    records: list[int] = []
    table: list[int] = []
    for spec in specs:
        shift = spec.dtype.itemsize.bit_length() - 1
        scalar = SCALARS.get(spec.dtype.str[1:], 0) if spec.numbers else 0
        records += [id(spec.dtype), spec.rank, shift, extents_at + WORD * len(table), place, scalar]
        table += [-1 if n is None else n for n in spec.shape]
        place += room(spec)
    return records, table


def room(spec: ArraySpec) -> int:
    """Bytes in the frame for one descriptor, and for the number that may stand in place of an array."""
    return spec.descriptor_bytes + (WORD if spec.numbers else 0)


def descriptor(array: np.ndarray[Any, Any]) -> list[int]:
    """The words of the memref descriptor of an array in native form."""
    data, item = array.ctypes.data, array.itemsize
    if array.flags.c_contiguous:
        strides, step = [0] * array.ndim, 1
        for axis in reversed(range(array.ndim)):
            strides[axis], step = step, step * array.shape[axis]
    else:
        strides = [0 if n <= 1 else s // item for n, s in zip(array.shape, array.strides, strict=True)]
    return [data, data, 0, *array.shape, *strides]


def native_form(array: object, spec: ArraySpec) -> str | None:
    """What keeps an argument from being passed as it is, or None: the rule of `entry.ll`'s `@native_form`, in
    Python.
    """
    if type(array) is not np.ndarray:
        return f"a {type(array).__name__}, not a numpy.ndarray"
    if array.dtype is not spec.dtype:
        return f"dtype {array.dtype}, not {spec.dtype}"
    if array.ndim != spec.rank:
        return f"rank {array.ndim}, not {spec.rank}"
    if any(want not in (None, have) for want, have in zip(spec.shape, array.shape, strict=True)):
        return f"shape {array.shape}, not {spec.shape}"
    if not array.flags.aligned:
        return "data that is not aligned"
    pairs = zip(array.shape, array.strides, strict=True)
    if not array.flags.c_contiguous and any(n > 1 and stride % array.itemsize for n, stride in pairs):
        return f"strides {array.strides} that are no whole elements"
    return None


def make_native(array: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> np.ndarray[Any, np.dtype[Any]]:
    """A C-contiguous copy in native form, of an array of any kind that NumPy casts to `dtype` (unsafely).

    `np.array(x, dtype)` is not enough: it keeps a dtype object that compares equal but is another one, for
    instance with metadata.
    """
    copy = np.empty(array.shape, canonical(np.dtype(dtype)))
    np.copyto(copy, array, casting="unsafe")
    return copy
