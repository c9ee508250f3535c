"""The `vector` ops in the loop interpreter: vectors are NumPy arrays of the lanes, memory is touched lane by
lane, in order, with the checks that single elements get.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tensorc.interp.loop_memory import LoopError, View
from tensorc.ir.core import Operation
from tensorc.ir.definition import OpDefinition
from tensorc.ops.loops import vector
from tensorc.ops.loops.base import numpy_dtype
from tensorc.ops.loops.nests import PARTIAL
from tensorc.ops.loops.vector import lanes

Frame = list[Any]
Instruction = Callable[[Frame], None]
Slots = Sequence[int]


def _broadcast(op: Operation, operands: Slots, results: Slots) -> Instruction:
    (source,), (result,) = operands, results
    count, dtype = lanes(op.result.type), numpy_dtype(op.result.type)

    def broadcast(frame: Frame) -> None:
        frame[result] = np.full(count, frame[source], dtype)

    return broadcast


def _step(op: Operation, operands: Slots, results: Slots) -> Instruction:
    (result,), count = results, lanes(op.result.type)

    def step(frame: Frame) -> None:
        frame[result] = np.arange(count, dtype=np.int64)

    return step


def _create_mask(op: Operation, operands: Slots, results: Slots) -> Instruction:
    (active,), (result,), count = operands, results, lanes(op.result.type)

    def create(frame: Frame) -> None:
        frame[result] = np.arange(count) < frame[active]

    return create


def _read(
    view: View, start: Sequence[Any], wanted: Iterable[int], into: npt.NDArray[Any], op: Operation
) -> None:
    *lead, last = start
    for k in wanted:
        into[k] = view.read([*lead, last + k], op)


def _write(view: View, start: Sequence[Any], wanted: Iterable[int], values: Any, op: Operation) -> None:
    *lead, last = start
    for k in wanted:
        view.write([*lead, last + k], values[k], op)


def _load(op: Operation, operands: Slots, results: Slots) -> Instruction:
    (buffer, *indices), (result,) = operands, results
    count, dtype = lanes(op.result.type), numpy_dtype(op.result.type)

    def load(frame: Frame) -> None:
        found = np.empty(count, dtype)
        _read(frame[buffer], [frame[i] for i in indices], range(count), found, op)
        frame[result] = found

    def load_partial(frame: Frame) -> None:
        view, (*lead, last) = frame[buffer], [frame[i] for i in indices]
        places = [view.position([*lead, last + k], op) for k in range(count)]
        frame[result] = view.allocation.flat[places]

    return load_partial if PARTIAL in op.attributes else load


def _store(op: Operation, operands: Slots, results: Slots) -> Instruction:
    value, buffer, *indices = operands

    def store(frame: Frame) -> None:
        _write(frame[buffer], [frame[i] for i in indices], range(len(frame[value])), frame[value], op)

    return store


def _masked_load(op: Operation, operands: Slots, results: Slots) -> Instruction:
    (buffer, *indices, mask, other), (result,) = operands, results

    def load(frame: Frame) -> None:
        found = frame[other].copy()
        _read(frame[buffer], [frame[i] for i in indices], np.flatnonzero(frame[mask]), found, op)
        frame[result] = found

    return load


def _masked_store(op: Operation, operands: Slots, results: Slots) -> Instruction:
    buffer, *indices, mask, value = operands

    def store(frame: Frame) -> None:
        _write(frame[buffer], [frame[i] for i in indices], np.flatnonzero(frame[mask]), frame[value], op)

    return store


def _element(view: View, start: Sequence[Any], place: int, op: Operation) -> View:
    """The element `place` elements from the one at `start`, as a view: it must lie in the allocation."""
    offset = view.offset + sum(int(i) * n for i, n in zip(start, view.strides, strict=True)) + int(place)
    if not view.allocation.live:
        raise LoopError("the buffer has been deallocated", op)
    return View(view.allocation, offset, (), ())


def _gather(op: Operation, operands: Slots, results: Slots) -> Instruction:
    (buffer, *indices, places, mask, other), (result,) = operands, results

    def gather(frame: Frame) -> None:
        found, start = frame[other].copy(), [frame[i] for i in indices]
        for k in np.flatnonzero(frame[mask]):
            found[k] = _element(frame[buffer], start, frame[places][k], op).read([], op)
        frame[result] = found

    return gather


def _scatter(op: Operation, operands: Slots, results: Slots) -> Instruction:
    buffer, *indices, places, mask, value = operands

    def scatter(frame: Frame) -> None:
        start = [frame[i] for i in indices]
        for k in np.flatnonzero(frame[mask]):
            _element(frame[buffer], start, frame[places][k], op).write([], frame[value][k], op)

    return scatter


def _position(op: Operation, at: Any, count: int) -> int:
    if not 0 <= at < count:
        raise LoopError(f"lane {int(at)} of {count}", op)
    return int(at)


def _extract(op: Operation, operands: Slots, results: Slots) -> Instruction:
    (source, at), (result,) = operands, results

    def extract(frame: Frame) -> None:
        frame[result] = frame[source][_position(op, frame[at], len(frame[source]))]

    return extract


def _insert(op: Operation, operands: Slots, results: Slots) -> Instruction:
    (value, target, at), (result,) = operands, results

    def insert(frame: Frame) -> None:
        changed = frame[target].copy()
        changed[_position(op, frame[at], len(changed))] = frame[value]
        frame[result] = changed

    return insert


def _slice(op: Operation, operands: Slots, results: Slots) -> Instruction:
    (source,), (result,), attrs = operands, results, op.attrs
    assert isinstance(attrs, vector.SliceAttrs)
    first, count = attrs.span() or (0, 0)

    def cut(frame: Frame) -> None:
        frame[result] = frame[source][first : first + count]

    return cut


def _interleave(op: Operation, operands: Slots, results: Slots) -> Instruction:
    (first, second), (result,) = operands, results

    def interleave(frame: Frame) -> None:
        frame[result] = np.stack([frame[first], frame[second]], axis=1).ravel()

    return interleave


def _any(op: Operation, operands: Slots, results: Slots) -> Instruction:
    (mask,), (result,) = operands, results

    def reduce(frame: Frame) -> None:
        frame[result] = frame[mask].any()

    return reduce


VECTOR_HANDLERS: Final[dict[type[OpDefinition] | None, Callable[[Operation, Slots, Slots], Instruction]]] = {
    vector.Broadcast: _broadcast,
    vector.Step: _step,
    vector.CreateMask: _create_mask,
    vector.Load: _load,
    vector.Store: _store,
    vector.MaskedLoad: _masked_load,
    vector.MaskedStore: _masked_store,
    vector.Gather: _gather,
    vector.Scatter: _scatter,
    vector.Extract: _extract,
    vector.Insert: _insert,
    vector.ExtractStridedSlice: _slice,
    vector.Interleave: _interleave,
    vector.Reduction: _any,
}
