"""Cells: the storage behind shared variables, read and replaced by compiled code."""

from __future__ import annotations

import ctypes
import itertools
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_numbers = itertools.count()
_cells: weakref.WeakSet[Cell] = weakref.WeakSet()

_api = ctypes.pythonapi
_api.PyThread_allocate_lock.restype = ctypes.c_void_p
_api.PyThread_allocate_lock.argtypes = []
_api.PyThread_free_lock.restype = None
_api.PyThread_free_lock.argtypes = [ctypes.c_void_p]
_api.PyThread_release_lock.restype = None
_api.PyThread_release_lock.argtypes = [ctypes.c_void_p]
_acquire = _api.PyThread_acquire_lock
_acquire.argtypes = [ctypes.c_void_p, ctypes.c_int]
_acquire.restype = ctypes.c_int
# The same C function called with the GIL released, for waiting.
_wait = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)(
    ctypes.cast(_acquire, ctypes.c_void_p).value or 0
)


class Cell(list[Array]):
    """A list of exactly one ndarray, with the lock that functions updating it hold.

    Compiled code reads the list and takes its own reference; an update replaces the element. Nothing ever
    writes into the array itself. Cells are compared by identity. `number` orders the locks.
    """

    __slots__ = ("__weakref__", "_lock", "number")

    def __init__(self, value: Array) -> None:
        super().__init__((value,))
        self.number = next(_numbers)
        self._lock = ctypes.c_void_p(_new_lock())
        _cells.add(self)

    __hash__ = object.__hash__  # type: ignore[assignment]  # lists have none; cells are compared by identity
    __eq__ = object.__eq__
    __ne__ = object.__ne__

    def __repr__(self) -> str:
        return f"Cell({self[0]!r})"

    def __reduce__(self) -> tuple[type[Cell], tuple[Array]]:
        return Cell, (self[0],)

    @property
    def lock_box(self) -> int:
        """The address of the pointer to the lock; it stays for the life of the cell, the lock is a new one
        after a fork.
        """
        return ctypes.addressof(self._lock)

    def get(self) -> Array:
        """The array held now. It is not a copy: do not write into it."""
        return self[0]

    def set(self, value: Array) -> None:
        """Replace the array, after any running function that updates this cell has committed."""
        with locked([self]):
            self[0] = value

    def __del__(self) -> None:
        lock = getattr(self, "_lock", None)
        if lock is not None and lock.value:
            _api.PyThread_free_lock(lock.value)


@contextmanager
def locked(cells: list[Cell]) -> Iterator[None]:
    """Hold the locks of several cells, taken in the one order all compiled functions use. Not re-entrant:
    call no function that updates one of them inside.
    """
    held = sorted(set(cells), key=lambda cell: cell.number)
    for cell in held:
        if not _acquire(cell._lock.value, 0):
            _wait(cell._lock.value, 1)
    try:
        yield
    finally:
        for cell in reversed(held):
            _api.PyThread_release_lock(cell._lock.value)


def _new_lock() -> int:
    lock = _api.PyThread_allocate_lock()
    if not lock:
        raise MemoryError("no memory for a lock")
    return int(lock)


def _renew_locks() -> None:
    """In the child of a fork: threads that held locks are gone, so nobody would ever release them."""
    for cell in _cells:
        cell._lock.value = _new_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
