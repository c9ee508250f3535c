"""Cells: the storage behind shared variables, read and replaced by compiled code.

Nobody ever holds a lock while Python code can run. A call reads all its cells in one moment, computes, and
puts the new values in, all in one moment, if the cells still hold what it read; else it begins again. So
that calls do not work in vain, a call of a function with updates *has* its cells meanwhile (`BOX`), and
others wait; but nothing depends on that: a signal handler, a finalizer, the child of a fork may call and set
whatever they like.
"""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

BOX = ("OWNER", "WAITERS", "GATE")
"""Words of a cell's box: the thread whose call has the cell, or 0; how many threads wait; the lock at which
they do, which is closed except for a moment.
"""
_OWNER, _WAITERS, _GATE = range(3)

_cells: weakref.WeakSet[Cell] = weakref.WeakSet()
_api = ctypes.pythonapi
_api.PyThread_allocate_lock.restype = ctypes.c_void_p
_api.PyThread_allocate_lock.argtypes = []
_api.PyThread_free_lock.restype = None
_api.PyThread_free_lock.argtypes = [ctypes.c_void_p]
_api.PyThread_acquire_lock.restype = ctypes.c_int
_api.PyThread_acquire_lock.argtypes = [ctypes.c_void_p, ctypes.c_int]

one_moment = threading.RLock()
"""Held for what reads or writes several cells in one moment, where the GIL is not enough to make it one: in
the Python entry. Re-entrant, because a signal handler may come between; what happens inside is one call of
machine code.
"""


class Helpers(NamedTuple):
    """Machine code that does in one step what Python code would do in several."""

    wait: Callable[[int], int]
    snapshot: Callable[[Any, int], tuple[Array, ...]]
    commit: Callable[[Any, int, Any, Any, int, Any], int]


_helpers: list[Helpers] = []


def use_helpers(addresses: Mapping[str, int]) -> None:
    """Take machine code from the native entry, which is there as soon as any call can be."""
    word, number = ctypes.c_void_p, ctypes.c_int64
    wait = ctypes.PYFUNCTYPE(ctypes.c_int, word)
    snapshot = ctypes.PYFUNCTYPE(ctypes.py_object, word, number)
    commit = ctypes.PYFUNCTYPE(ctypes.c_int, word, number, word, word, number, word)
    _helpers[:] = [
        Helpers(
            wait(addresses["tensorc_wait"]),
            snapshot(addresses["tensorc_snapshot"]),
            commit(addresses["tensorc_commit"]),
        )
    ]


class Cell(list[Array]):
    """A list of exactly one ndarray.

    Compiled code reads the list and takes its own reference; an update replaces the element, or writes into
    it if nobody else has a reference (`codegen_llvm/entry_claim.ll`). Cells are compared by identity.
    """

    __slots__ = ("__weakref__", "_box", "turn")

    def __init__(self, value: Array) -> None:
        super().__init__((value,))
        self.turn = threading.RLock()
        self._box = (ctypes.c_int64 * len(BOX))(0, 0, _closed_lock())
        _cells.add(self)

    __hash__ = object.__hash__  # type: ignore[assignment]  # lists have none; cells are compared by identity
    __eq__ = object.__eq__
    __ne__ = object.__ne__

    def __repr__(self) -> str:
        return f"Cell({self[0]!r})"

    def __reduce__(self) -> tuple[type[Cell], tuple[Array]]:
        return Cell, (self[0],)

    @property
    def box(self) -> int:
        """The address of the cell's box."""
        return ctypes.addressof(self._box)

    def get(self) -> Array:
        """The array held now. It is not a copy: do not write into it."""
        return self[0]

    def set(self, value: Array) -> None:
        """Replace the array, after any running function that updates this cell has committed. Called from
        within such a call, in a signal handler, it replaces at once, and the call begins again.
        """
        self.wait()
        old = self[:1]  # dropped at the end: that can run Python code
        with one_moment:
            self[:] = (value,)
        del old

    def wait(self) -> None:
        """Return when no call in another thread has this cell. Raises what a signal handler raises."""
        if self._box[_OWNER] and _helpers:
            _helpers[0].wait(self.box)

    def __del__(self) -> None:
        box = getattr(self, "_box", None)
        if box is not None and box[_GATE]:
            _api.PyThread_free_lock(box[_GATE])


def snapshot(cells: Sequence[Cell]) -> Sequence[Array]:
    """What several cells hold, all of one moment. TypeError if one has been emptied."""
    if not (cells and _helpers):  # without machine code there is no call that could write
        return [cell[0] for cell in cells]
    with one_moment:
        return _helpers[0].snapshot(_words(map(id, cells)), len(cells))


def commit(
    cells: Sequence[Cell],
    read: Sequence[Array],
    updates: Sequence[tuple[int, int]],
    outs: Sequence[Array],
) -> bool:
    """For every pair (cell, output) put the output into the cell, all in one moment, if all cells still hold
    what was `read`. False: somebody has written meanwhile.
    """
    held, seen, made = (_words(map(id, objects)) for objects in (cells, read, outs))
    pairs = _words(n for pair in updates for n in pair)
    with one_moment:
        return _helpers[0].commit(held, len(cells), seen, pairs, len(updates), made) == 1


def _words(values: Iterable[int]) -> ctypes.Array[ctypes.c_int64]:
    listed = list(values)
    return (ctypes.c_int64 * len(listed))(*listed)


@cache
def closed_gate() -> int:
    """A lock that nobody opens: waiting for it is sleeping."""
    return _closed_lock()


def _closed_lock() -> int:
    lock = _api.PyThread_allocate_lock()
    if not lock:
        raise MemoryError("no memory for a lock")
    _api.PyThread_acquire_lock(lock, 0)
    return int(lock)


def _renew() -> None:
    """In the child of a fork: the other threads are gone, with all they had."""
    one_moment._at_fork_reinit()  # type: ignore[attr-defined]
    me = threading.get_ident()
    for cell in _cells:
        if cell._box[_OWNER] != me:
            cell._box[_OWNER] = 0
        cell._box[_WAITERS] = 0
        cell._box[_GATE] = _closed_lock()
        cell.turn = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
