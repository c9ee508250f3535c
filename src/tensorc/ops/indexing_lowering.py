"""Loops of the ops in `indexing.py`: joining, updating parts, integer-array indexing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np

from tensorc.ir.attributes import IntegerAttr, StringAttr
from tensorc.ir.core import Operation, Value
from tensorc.ir.types import FloatType, IntegerType, ScalarType, ShapedType, Type, i32, i64, index
from tensorc.ops import buffer_views
from tensorc.ops.dtypes import is_floating
from tensorc.ops.faults_lowering import error_cell, record
from tensorc.ops.loops.base import memory_type
from tensorc.ops.loops.builder import LoopBuilder
from tensorc.ops.loops.memref import Prefetch, PrefetchAttrs
from tensorc.ops.loops.nests import Index, cells, fill, lanes, nest, rolled

STEP: Final = "tensorc.step"
"""Attribute of a scatter on buffers that is done in two steps: `CHECK` looks for faults and writes nothing,
`WRITE` trusts it.
"""
AHEAD: Final = 16
"""How many rows before it is read a row is asked for. Measured with rows of 256 bytes at random places of a
table of 12 MB: half the time.
"""
LINE, LINES = 64, 8
"""Bytes of a line of the caches, and how many of a row are asked for; what follows comes by itself."""
SCATTERED: Final = 1 << 18
"""Elements of a table from which on rows are asked for: smaller ones stay in the caches."""
_FETCH: Final = PrefetchAttrs(isWrite=False, localityHint=IntegerAttr(3, i32), isDataCache=True)
CHECK, WRITE = StringAttr("check"), StringAttr("write")


def element(type: Type) -> ScalarType:
    assert isinstance(type, ShapedType)
    return type.element


def concatenate(b: LoopBuilder, parts: Sequence[Value], out: Value, axis: int) -> None:
    rank = len(b.dims(out))
    position: Index = 0
    for part in parts:
        starts: list[Index] = [0] * rank
        starts[axis] = position
        extents = b.dims(part)
        b.copy(part, buffer_views.section(b, out, starts, extents, [1] * rank))
        position = b.add(position, extents[axis])


def update_slice(
    b: LoopBuilder,
    x: Value,
    updates: Value,
    starts: Sequence[Index],
    out: Value,
    steps: Sequence[int],
    kind: ScalarType | None,
) -> None:
    """`kind`: the element type where updates are added, None where they replace."""
    b.copy(x, out)
    extents = b.dims(updates)
    part = buffer_views.section(b, out, starts, extents, steps)
    if kind is None:
        b.copy(updates, part)
        return
    with cells(b, extents) as at:
        b.store(plus(b, kind, b.load(part, at), b.load(updates, at)), part, at)


def plus(b: LoopBuilder, kind: ScalarType, x: Value, y: Value) -> Value:
    return b.addf(x, y) if is_floating(kind) else b.addi(x, y)


def position(b: LoopBuilder, stored: Value, kind: ScalarType, extent: Index) -> Value:
    """The place an index element means: a negative one counts from the end; `ui64` beyond `index` is outside.
    """
    assert isinstance(kind, IntegerType)
    value = b.index_castui(stored, index) if kind.unsigned else b.index_cast(stored, index)
    if kind.unsigned:
        return value
    behind = b.addi(value, b.index(extent))
    return b.select(b.cmpi("slt", value, b.index(0)), behind, value)


def check_indices(
    b: LoopBuilder,
    op: Operation,
    indices: Sequence[Value],
    kinds: Sequence[ScalarType],
    extents: Sequence[Index],
    axis: int,
) -> Value:
    """Record the first index outside its axis; returns whether no fault is recorded."""
    with nest(b, b.dims(indices[0])) as at:
        for number, (buffer, kind, extent) in enumerate(zip(indices, kinds, extents, strict=True)):
            stored = b.load(buffer, at)
            place = position(b, stored, kind, extent)
            bad = b.cmpi("uge", place, b.index(extent))
            assert isinstance(kind, IntegerType)
            shown = b.index_castui(stored, index) if kind.unsigned else b.index_cast(stored, index)
            record(b, op, bad, shown, b.index(extent), b.index(axis + number))
    return b.cmpi("eq", b.load(error_cell(b), [0]), b.constant(0, i64))


def gather(b: LoopBuilder, op: Operation, types: Sequence[Type], axis: int) -> None:
    """After a fault the result is all zeros: no extent or index computed from it can run wild."""
    x, *indices, out = op.operands
    kinds = [element(t) for t in types[1:-1]]
    extents = b.dims(x)[axis : axis + len(indices)]
    sound = check_indices(b, op, indices, kinds, extents, axis)
    with b.if_(sound) as branch, _rows(b, x, out, indices, kinds, axis, parallel=True) as at:
        b.store(b.load(x, _places(b, at, indices, kinds, extents, axis)), out, at)
    with branch.else_():
        _zero(b, out, element(types[0]))


def scatter(
    b: LoopBuilder,
    op: Operation,
    types: Sequence[Type],
    axis: int,
    combine: Callable[[LoopBuilder, Value, Value], Value],
) -> None:
    """x, then every update in row-major order: `combine(b, old, update)`."""
    x, *indices, updates, out = op.operands
    kinds = [element(t) for t in types[1:-2]]
    extents = b.dims(x)[axis : axis + len(indices)]

    def write() -> None:
        b.copy(x, out)
        with _rows(b, out, updates, indices, kinds, axis) as at:
            place = _places(b, at, indices, kinds, extents, axis)
            b.store(combine(b, b.load(out, place), b.load(updates, at)), out, place)

    if op.attributes.get(STEP) == WRITE:
        write()
        return
    sound = check_indices(b, op, indices, kinds, extents, axis)
    if op.attributes.get(STEP) == CHECK:
        return
    with b.if_(sound) as branch:
        write()
    with branch.else_():
        _zero(b, out, element(types[0]))


@contextmanager
def _rows(
    b: LoopBuilder,
    x: Value,
    part: Value,
    indices: Sequence[Value],
    kinds: Sequence[ScalarType],
    axis: int,
    *,
    parallel: bool = False,
) -> Iterator[list[Index]]:
    """Every index of the gathered part of x: in row-major order, or in any if `parallel`. If the last axis is
    no indexed one its places never meet, so that they are lanes.
    """
    extents, rank = b.dims(part), len(b.dims(indices[0]))
    if len(extents) == axis + rank:
        with cells(b, extents) if parallel else nest(b, extents) as at:
            yield at
        return
    reach = _reach(b, x) if rank and len(extents) == axis + rank + 1 else 0
    with nest(b, extents[:-1], parallel) as leading:
        if reach != 0:
            _fetch_row(b, x, indices, kinds, axis, leading, reach)
        with lanes(b, extents[-1]) as last:
            yield [*leading, last]


def _fetch_row(
    b: LoopBuilder,
    x: Value,
    indices: Sequence[Value],
    kinds: Sequence[ScalarType],
    axis: int,
    leading: Sequence[Index],
    reach: Index,
) -> None:
    """Ask for the first `reach` elements of a row of x that comes soon: where it lies no processor can guess.
    """
    extents = b.dims(x)[axis : axis + len(indices)]
    following = b.minimum(b.add(leading[-1], AHEAD), b.sub(b.dims(indices[0])[-1], 1))
    row = _places(b, [*leading[:-1], following], indices, kinds, extents, axis)
    with rolled(b, 0, reach, _per_line(x)) as place:
        b.create_op(Prefetch, [x, *map(b.index, row), place], _FETCH)


def _reach(b: LoopBuilder, x: Value) -> Index:
    """How many elements of a row to ask for; none in a small table."""
    extents = b.dims(x)
    elements: Index = 1
    for extent in extents:
        elements = b.mul(elements, extent)
    wanted = b.minimum(extents[-1], LINES * _per_line(x))
    if isinstance(elements, int):
        return wanted if elements >= SCATTERED else 0
    return b.select(b.cmpi("sge", elements, b.index(SCATTERED)), b.index(wanted), b.index(0))


def _per_line(x: Value) -> int:
    """Elements in a line of the caches."""
    kind = element(x.type)
    assert isinstance(kind, IntegerType | FloatType)
    return LINE * 8 // kind.width


def _zero(b: LoopBuilder, out: Value, kind: ScalarType) -> None:
    fill(b, out, b.constant(np.zeros((), np.int64), memory_type(kind)))


def _places(
    b: LoopBuilder,
    at: Sequence[Index],
    indices: Sequence[Value],
    kinds: Sequence[ScalarType],
    extents: Sequence[Index],
    axis: int,
) -> list[Index]:
    """The indices into x that belong to the indices `at` of the gathered part."""
    rank = len(b.dims(indices[0]))
    inner = at[axis : axis + rank]
    found = [
        position(b, b.load(buffer, inner), kind, extent)
        for buffer, kind, extent in zip(indices, kinds, extents, strict=True)
    ]
    return [*at[:axis], *found, *at[axis + rank :]]
