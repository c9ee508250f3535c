"""Memory of compiled functions: blocks that are kept when they are freed, for the next call.

A page of fresh memory costs more than most kernels need to fill it. Temporaries and results of at least
`KEEP_FROM` bytes therefore come from blocks of our own (`codegen_llvm/memory.ll`): when the last reference to
such a result goes, its block is kept and serves the next call. Blocks of `MAP_FROM` bytes and more are
mappings that ask for huge pages, where there are such.

What is kept is bounded: 256 MiB or a sixteenth of the machine's memory, whichever is less, or the environment
variable `TENSORC_KEPT_MEMORY`, in bytes or as `100M`, `2G`; 0 keeps nothing. The blocks that were freed first
go first. `release()` gives all of them back at once.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from typing import Final

KEEP_FROM: Final = 1 << 16
MAP_FROM: Final = 1 << 21
SLOTS: Final = 256
"""How many blocks are kept at most."""

FIGURES: Final = ("limit", "kept", "fresh", "reused", "clock")
"""Words of the allocator's record: bytes it may keep and bytes it keeps; how many large blocks came from the
system and how many from those kept; how many have been kept so far.
"""
_DEFAULT_LIMIT, _SHARE = 1 << 28, 16
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

_api = ctypes.pythonapi
_library: list[_Library] = []


class _Library:
    """The allocator's machine code, which lives as long as the process."""

    def __init__(self, addresses: Mapping[str, int]) -> None:
        self.figures = (ctypes.c_int64 * len(FIGURES)).from_address(addresses["tensorc_memory_figures"])
        self.release = ctypes.CFUNCTYPE(None)(addresses["tensorc_memory_release"])
        self.hold = ctypes.PYFUNCTYPE(ctypes.c_int32, ctypes.c_int32)(addresses["tensorc_memory_hold"])


def use(addresses: Mapping[str, int], *, hand_out: bool) -> None:
    """Take machine code from the native entry; with `hand_out`, results may lie in our blocks, too."""
    library = _Library(addresses)
    library.figures[0] = _limit()
    if hand_out:
        handler = _handler(addresses["tensorc_memory_handler_record"])
        ctypes.c_void_p.from_address(addresses["tensorc_memory_handler"]).value = handler
    _library[:] = [library]


def figures() -> dict[str, int]:
    """What the allocator has counted: `limit` and `kept` in bytes, `fresh` and `reused` in large blocks.
    Before the first compile, nothing.
    """
    words = _library[0].figures if _library else [0] * len(FIGURES)
    return {name: int(words[n]) for n, name in enumerate(FIGURES) if name != "clock"}


def release() -> None:
    """Give the memory that is kept for later calls back to the system. Arrays that exist stay."""
    if _library:
        _library[0].release()


def set_limit(size: int) -> int:
    """Bytes that may be kept from now on; returns what it was. Raises ValueError for a negative number."""
    if size < 0:
        raise ValueError(f"{size} bytes cannot be kept")
    if not _library:
        raise RuntimeError("no function has been compiled yet: set TENSORC_KEPT_MEMORY instead")
    before = int(_library[0].figures[0])
    _library[0].figures[0] = size
    if size < before:
        release()
    return before


def _limit() -> int:
    """What may be kept, as the environment has it or else from the size of the machine."""
    text = os.environ.get("TENSORC_KEPT_MEMORY", "").strip().upper().removesuffix("B")
    unit = text[-1:] if text[-1:] in _UNITS else ""
    number = text.removesuffix(unit)
    if number.isdecimal() and number.isascii():
        return min(int(number) * _UNITS[unit], 1 << 60)
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not a Unix
        return _DEFAULT_LIMIT
    return min(_DEFAULT_LIMIT, memory // _SHARE) if memory > 0 else _DEFAULT_LIMIT


_KIND = ctypes.create_string_buffer(b"mem_handler")


def _handler(record: int) -> int:
    """The address of NumPy's capsule around our handler. It is never dropped: arrays may be freed while the
    interpreter shuts down.
    """
    new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(
        ("PyCapsule_New", _api)
    )
    # The capsule keeps the address of its kind, so that must not go either.
    _api.Py_IncRef(ctypes.py_object(_KIND))
    capsule = new(record, ctypes.addressof(_KIND), None)
    _api.Py_IncRef(ctypes.py_object(capsule))
    return id(capsule)


_held: list[_Library] = []


def _before_fork() -> None:
    """No block is on its way into or out of the table when a process forks: the child has no thread to end
    that.
    """
    for library in _library:
        while not library.hold(1):
            pass
        _held.append(library)


def _after_fork() -> None:
    while _held:
        _held.pop().hold(0)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
