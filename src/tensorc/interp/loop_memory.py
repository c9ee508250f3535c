"""Buffers of the loop interpreter: allocations that know what has been written, and views that check every
access.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tensorc.ir.core import Operation
from tensorc.ir.errors import InternalError
from tensorc.ir.location import file_location
from tensorc.ir.types import MemRefType, i8
from tensorc.ops.loops.base import numpy_dtype


class LoopError(InternalError):
    """Loop-level code did what machine code must never do: a defect of whoever built it."""

    def __init__(self, message: str, op: Operation | None) -> None:
        self.what = message
        self.op = op
        super().__init__(message if op is None else f"{_place(op)}{message}")

    def at_op(self, op: Operation) -> LoopError:
        """This error at `op`, if it had no place yet."""
        return self if self.op is not None else LoopError(self.what, op)


def _place(op: Operation) -> str:
    position = file_location(op.location)
    where = "" if position is None else f"{position.file}:{position.line}:{position.column}: "
    return f"{where}{op.name}: "


@dataclass(eq=False)
class Allocation:
    """Elements in one piece. `origin` is the position offset 0 means; `written` is None where all hold
    values.
    """

    flat: npt.NDArray[Any]
    origin: int = 0
    written: npt.NDArray[np.bool_] | None = None
    live: bool = True
    origin_op: Operation | None = None
    watch: Watch | None = None

    @classmethod
    def fresh(cls, dtype: np.dtype[Any], size: int, op: Operation | None) -> Allocation:
        """Elements not yet written."""
        return cls(np.zeros(size, dtype), 0, np.zeros(size, np.bool_), True, op)


class Watch:
    """Finds races among the threads of one launch: two touch an element and one of them writes it."""

    def __init__(self, allocations: Sequence[Allocation]) -> None:
        self.thread = 0
        self._allocations = allocations
        self._writers: dict[tuple[int, int], int] = {}
        self._readers: dict[tuple[int, int], int] = {}
        for allocation in allocations:
            allocation.watch = self

    def end(self) -> None:
        for allocation in self._allocations:
            allocation.watch = None

    def read(self, allocation: Allocation, place: int, op: Operation) -> None:
        key = id(allocation), place
        self._clash(self._writers.get(key, self.thread), place, op)
        if self._readers.setdefault(key, self.thread) != self.thread:
            self._readers[key] = -1

    def write(self, allocation: Allocation, place: int, op: Operation) -> None:
        key = id(allocation), place
        self._clash(self._readers.get(key, self.thread), place, op)
        self._clash(self._writers.setdefault(key, self.thread), place, op)

    def _clash(self, other: int, place: int, op: Operation) -> None:
        if other == self.thread:
            return
        whom = "several others" if other < 0 else f"thread {other}"
        raise LoopError(f"race: thread {self.thread} and {whom} touch element {place}, and one writes it", op)


@dataclass(slots=True, eq=False)
class View:
    """A memref: offset and strides in elements."""

    allocation: Allocation
    offset: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]

    @classmethod
    def row_major(cls, allocation: Allocation, sizes: Sequence[int]) -> View:
        strides, step = [], 1
        for n in reversed(sizes):
            strides.append(step)
            step *= n
        return cls(allocation, 0, tuple(sizes), tuple(reversed(strides)))

    def position(self, indices: Sequence[Any], op: Operation) -> int:
        """Where an element lies in the allocation. Raises LoopError outside the extents, the allocation or
        its life.
        """
        place = self.offset + self.allocation.origin
        for axis, (i, n, step) in enumerate(zip(indices, self.sizes, self.strides, strict=True)):
            if not 0 <= i < n:
                raise LoopError(f"index {int(i)} on axis {axis} is outside extent {n}", op)
            place += int(i) * step
        if not 0 <= place < self.allocation.flat.size:
            raise LoopError(f"element {place} is outside an allocation of {self.allocation.flat.size}", op)
        if not self.allocation.live:
            raise LoopError("the buffer has been deallocated", op)
        return place

    def read(self, indices: Sequence[Any], op: Operation) -> Any:
        place = self.position(indices, op)
        written = self.allocation.written
        if written is not None and not written[place]:
            raise LoopError(f"element {[int(i) for i in indices]} is read before it is written", op)
        if self.allocation.watch is not None:
            self.allocation.watch.read(self.allocation, place, op)
        return self.allocation.flat[place]

    def write(self, indices: Sequence[Any], value: Any, op: Operation) -> None:
        place = self.position(indices, op)
        if self.allocation.watch is not None:
            self.allocation.watch.write(self.allocation, place, op)
        self.allocation.flat[place] = value
        if self.allocation.written is not None:
            self.allocation.written[place] = True

    def matrix(
        self, rows: int, columns: int, leading: int
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
        """A column-major matrix that starts at this view's first element, as BLAS sees it, and its written
        marks.

        Raises LoopError when it does not lie inside the allocation.
        """
        start = self.offset + self.allocation.origin
        last = start + (rows - 1) + (columns - 1) * leading
        if rows and columns and not 0 <= start <= last < self.allocation.flat.size:
            raise LoopError(
                f"a {rows} x {columns} matrix at {start} is outside {self.allocation.flat.size}", None
            )
        return tuple(  # type: ignore[return-value]
            None if part is None else _columns(part, start, rows, columns, leading)
            for part in (self.allocation.flat, self.allocation.written)
        )


def _columns(flat: npt.NDArray[Any], start: int, rows: int, columns: int, leading: int) -> npt.NDArray[Any]:
    if rows == 0 or columns == 0:
        return np.zeros((rows, columns), flat.dtype)
    width = flat.itemsize
    return np.lib.stride_tricks.as_strided(flat[start:], (rows, columns), (width, width * leading))


def argument_view(array: npt.NDArray[Any], type: MemRefType, what: str, defined: bool) -> View:
    """An array as a memref of `type`; bool arrays are `i8` memory, unsigned ones signless. Raises ValueError
    if it does not fit.
    """
    wanted = numpy_dtype(type.element)
    dtype = array.dtype
    if dtype == np.bool_ and type.element == i8:
        dtype = np.dtype(np.int8)
    if dtype.kind == "u":
        dtype = np.dtype(f"i{dtype.itemsize}")
    if dtype != wanted or not array.dtype.isnative:
        raise ValueError(f"{what}: dtype {array.dtype} for {type}")
    if any(step % dtype.itemsize for step in array.strides):
        raise ValueError(f"{what}: strides {array.strides} are not whole elements of {array.dtype}")
    if array.ndim != type.rank:
        raise ValueError(f"{what}: rank {array.ndim} for {type}")
    flat, origin = _flat(array, dtype)
    written = None if defined else np.zeros(flat.size, np.bool_)
    strides = _strides(array, type)
    promised, actual = (*type.shape, *type.strides), (*array.shape, *strides)
    if any(n is not None and n != m for n, m in zip(promised, actual, strict=True)):
        raise ValueError(f"{what}: shape {array.shape}, strides {strides} for {type}")
    if type.layout is None and not array.flags.c_contiguous:
        raise ValueError(f"{what}: a contiguous {type} is needed, the array's strides are {strides}")
    return View(Allocation(flat, origin, written), 0, array.shape, strides)


def _strides(array: npt.NDArray[Any], type: MemRefType) -> tuple[int, ...]:
    """Strides in elements. Those nobody follows (of an axis of extent 1, of an empty array) are what the type
    says.
    """
    if array.flags.c_contiguous and type.layout is None:
        return View.row_major(Allocation(array.reshape(-1)), array.shape).strides
    steps = [step // array.itemsize for step in array.strides]
    free = [array.size == 0 or n == 1 for n in array.shape]
    return tuple(
        said if anything and said is not None else step
        for said, anything, step in zip(type.strides, free, steps, strict=True)
    )


def _flat(array: npt.NDArray[Any], dtype: np.dtype[Any]) -> tuple[npt.NDArray[Any], int]:
    """The memory an array spans, shared, as one row of elements; the position of its first element."""
    if array.size == 0:
        return np.zeros(0, dtype), 0
    low = sum(min(0, step * (n - 1)) for step, n in zip(array.strides, array.shape, strict=True))
    high = sum(max(0, step * (n - 1)) for step, n in zip(array.strides, array.shape, strict=True))
    flips = tuple(slice(None, None, -1) if step < 0 else slice(None) for step in array.strides)
    lowest = np.atleast_1d(array[(..., *flips)]).view(dtype)
    count = (high - low) // dtype.itemsize + 1
    flat = np.lib.stride_tricks.as_strided(lowest, (count,), (dtype.itemsize,))
    return flat, -low // dtype.itemsize
