"""Loops of argmax and argmin: lanes of the best value so far and of the step that brought it.

Along the axis, or, where neighbours lie on another axis, across it; everything at once in parts. Steps are
32-bit numbers, so that they are as wide as most values; a block ends before they overflow. At the end the
lanes are joined: the better value, of equal ones the one at the smaller position.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tensorc.ir.attributes import UNIT
from tensorc.ir.core import Operation, Value
from tensorc.ir.types import MemRefType, ScalarType, ShapedType, Type, i1, i32, i64
from tensorc.ops.loops.base import memory_type, power_of_two
from tensorc.ops.loops.builder import LoopBuilder
from tensorc.ops.loops.nests import PARALLEL, STREAM, Index, lanes, nest, tiles

LANES: Final = 64
WAYS: Final = 4
"""Rows that are read at a time across the axis."""
COLUMNS: Final = 512
PART: Final = 1 << 16
"""Elements of a part where everything is searched."""
BLOCK: Final = 1 << 30
"""Steps until 32 bits might overflow."""
SHORT: Final = 8
"""Elements of a row up to which neighbouring rows make better lanes than the row."""
Found = tuple[Value, Value]
"""A value and its position, as `i64`."""


def extreme(
    b: LoopBuilder, op: Operation, types: Sequence[Type], axis: int, better: Callable[..., Value]
) -> None:
    """The first position along `axis` that none is `better` than."""
    assert isinstance(types[0], ShapedType)
    x, out = op.operands
    search = _Search(b, x, out, types[0].element, axis, better)
    across = search.lane_axis()
    if across is not None:
        search.columns(across)
    elif any(n != 1 for a, n in enumerate(search.extents) if a != axis):
        search.rows()
    else:
        search.everything()


class _Search:
    def __init__(
        self,
        b: LoopBuilder,
        x: Value,
        out: Value,
        kind: ScalarType,
        axis: int,
        better: Callable[..., Value],
    ) -> None:
        self.b = b
        self.x = x
        self.out = out
        self.kind = kind
        self.axis = axis
        self.extents = b.dims(x)
        self._better = better

    def lane_axis(self) -> int | None:
        """Another axis, if neighbours lie along it rather than along the axis searched."""
        assert isinstance(self.x.type, MemRefType)
        moving = [a for a, n in enumerate(self.extents) if n != 1 and a != self.axis]
        length = self.extents[self.axis]
        if not moving:
            return None
        if isinstance(length, int) and length <= SHORT:
            return moving[-1]
        strides = self.x.type.strides
        if strides[self.axis] == 1:
            return None
        near = [a for a in moving if strides[a] == 1]
        return near[-1] if near else moving[-1] if moving[-1] > self.axis else None

    # values

    def better(self, x: Value, y: Value) -> Value:
        return self._better(self.b, self.kind, x, y)

    def read(self, outer: Sequence[Index], place: Index, stream: bool = False) -> Value:
        """The element at a place along the axis; `outer` are the other indices."""
        return self.load(self.x, [*outer[: self.axis], place, *outer[self.axis :]], stream)

    def load(self, buffer: Value, indices: Sequence[Index], stream: bool = False) -> Value:
        value = self.b.load(buffer, indices)
        if stream and value.owner is not None:
            value.owner.set_attribute(STREAM, UNIT)
        return self.b.to_bool(value) if self.kind == i1 else value

    def store(self, value: Value, buffer: Value, indices: Sequence[Index]) -> None:
        self.b.store(self.b.from_bool(value) if self.kind == i1 else value, buffer, indices)

    def sooner(self, one: Found, other: Found) -> Found:
        """The better of two; of equal ones, the one at the smaller position."""
        b = self.b
        equal = b.cmpi("eq", self.better(one[0], other[0]), self.better(other[0], one[0]))
        before = b.andi(equal, b.cmpi("slt", other[1], one[1]))
        wins = b.ori(self.better(other[0], one[0]), before)
        return b.select(wins, other[0], one[0]), b.select(wins, other[1], one[1])

    def later(self, one: Found, other: Found) -> Found:
        """The better of two, where the other one's position is larger."""
        wins = self.better(other[0], one[0])
        return self.b.select(wins, other[0], one[0]), self.b.select(wins, other[1], one[1])

    # forms

    def rows(self) -> None:
        b = self.b
        with nest(b, [n for a, n in enumerate(self.extents) if a != self.axis], parallel=True) as outer:
            _, place = self.span(outer, 0, self.extents[self.axis])
            b.store(place, self.out, outer)

    def everything(self) -> None:
        """Parts, each into one element of a buffer; then those in order."""
        b = self.b
        outer = [0] * (len(self.extents) - 1)
        length = self.extents[self.axis]
        if isinstance(length, int) and length <= PART:
            b.store(self.along(outer, 0, length)[1], self.out, outer)
            return
        parts = b.ceildiv(length, PART)
        values, places = b.alloc(memory_type(self.kind), [parts]), b.alloc(i64, [parts])
        with b.for_(0, parts) as part:
            part.op.set_attribute(PARALLEL, UNIT)
            lower = b.mul(part.iv, PART)
            value, place = self.along(outer, lower, b.minimum(b.add(lower, PART), length))
            self.store(value, values, [part.iv])
            b.store(place, places, [part.iv])
        first = (self.load(values, [0]), b.load(places, [0]))
        with b.for_(1, parts, init=first) as loop:
            found = (self.load(values, [loop.iv]), b.load(places, [loop.iv]))
            loop.yield_(*self.later((loop.args[0], loop.args[1]), found))
        b.store(loop.results[1], self.out, outer)
        b.dealloc(values)
        b.dealloc(places)

    def span(self, outer: Sequence[Index], lower: Index, upper: Index) -> Found:
        """`along` for any length."""
        b = self.b
        if isinstance(upper, int) and isinstance(lower, int) and upper - lower <= BLOCK:
            return self.along(outer, lower, upper)
        first = (self.read(outer, lower), b.index_cast(b.index(lower), i64))
        with b.for_(lower, upper, BLOCK, init=first) as loop:
            found = self.along(outer, loop.iv, b.minimum(b.add(loop.iv, BLOCK), upper))
            loop.yield_(*self.later((loop.args[0], loop.args[1]), found))
        return loop.results[0], loop.results[1]

    def along(self, outer: Sequence[Index], lower: Index, upper: Index) -> Found:
        """Lanes along the axis; every lane begins with the first element."""
        b = self.b
        extent = b.sub(upper, lower)
        width = min(LANES, power_of_two(extent)) if isinstance(extent, int) else LANES
        found = _Lanes(b.alloca(memory_type(self.kind), [width]), b.alloca(i32, [width]))
        first = self.read(outer, lower)
        with lanes(b, width) as lane:
            self.store(first, found.values, [lane])
            b.store(b.constant(-1, i32), found.steps, [lane])
        full = extent - extent % width if isinstance(extent, int) else b.andi(extent, b.index(-width))
        with b.for_(0, full, width) as step, lanes(b, width) as lane:
            self.update(outer, b.add(b.add(lower, step.iv), lane), step.iv, found, lane)
        if full != extent:
            start = b.index(full)
            with lanes(b, b.minimum(b.sub(extent, full), width)) as lane:
                self.update(outer, b.add(b.add(lower, start), lane), start, found, lane)
        return self.join(found, width, b.index_cast(b.index(lower), i64))

    def update(
        self, outer: Sequence[Index], place: Index, step: Value, found: _Lanes, lane: Value
    ) -> None:
        """One element against its lane."""
        b = self.b
        value, best = self.read(outer, place, stream=True), self.load(found.values, [lane])
        wins = self.better(value, best)
        self.store(b.select(wins, value, best), found.values, [lane])
        kept = b.load(found.steps, [lane])
        b.store(b.select(wins, b.index_cast(step, i32), kept), found.steps, [lane])

    def join(self, found: _Lanes, width: int, base: Value) -> Found:
        """The best of all lanes."""
        b = self.b
        places = b.alloca(i64, [width])
        with lanes(b, width) as lane:
            step = b.load(found.steps, [lane])
            place = b.addi(b.extsi(step, i64), b.index_cast(lane, i64))
            none = b.cmpi("slt", step, b.constant(0, i32))
            b.store(b.select(none, b.constant(0, i64), place), places, [lane])
        while width > 2:
            width //= 2
            with lanes(b, width) as lane:
                one, other = (self._at(found.values, places, b.add(lane, n)) for n in (0, width))
                value, place = self.sooner(one, other)
                self.store(value, found.values, [lane])
                b.store(place, places, [lane])
        best = self._at(found.values, places, 0)
        for lane_number in range(1, width):
            best = self.sooner(best, self._at(found.values, places, lane_number))
        return best[0], b.addi(base, best[1])

    def _at(self, values: Value, places: Value, lane: Index) -> Found:
        return self.load(values, [lane]), self.b.load(places, [lane])

    def columns(self, across: int) -> None:
        """Lanes across the axis, a chunk of columns at a time, `WAYS` rows at a time."""
        b = self.b
        rest = [1 if a == across else n for a, n in enumerate(self.extents) if a != self.axis]
        at = across - (across > self.axis)
        with nest(b, rest, parallel=True) as outer, tiles(b, self.extents[across], COLUMNS) as chunk:
            found = _Lanes(b.alloca(memory_type(self.kind), [COLUMNS]), b.alloca(i32, [COLUMNS]))
            column = _Column(outer, at, chunk[0])
            length = self.extents[self.axis]
            with lanes(b, chunk[1]) as lane:
                self.store(self.read(column.indices(b, lane), 0), found.values, [lane])
                b.store(b.constant(0, i64), self.out, column.indices(b, lane))
            if isinstance(length, int) and length <= BLOCK:
                self.block(column, chunk[1], found, 0, length)
                return
            with b.for_(0, length, BLOCK) as block:
                end = b.minimum(b.add(block.iv, BLOCK), length)
                self.block(column, chunk[1], found, block.iv, end)

    def block(self, column: _Column, width: Index, found: _Lanes, lower: Index, upper: Index) -> None:
        """Rows whose numbers, counted from `lower`, fit into steps."""
        b = self.b
        with lanes(b, width) as lane:
            b.store(b.constant(-1, i32), found.steps, [lane])
        extent = b.sub(upper, lower)
        full = extent - extent % WAYS if isinstance(extent, int) else b.andi(extent, b.index(-WAYS))
        for first, last, ways in ((0, full, WAYS), (full, extent, 1)):
            if first == last:
                continue
            with b.for_(first, last, ways) as step, lanes(b, width) as lane:
                self.take(column, found, lane, lower, [b.add(step.iv, way) for way in range(ways)])
        with lanes(b, width) as lane:
            indices, last = column.indices(b, lane), b.load(found.steps, [lane])
            none = b.cmpi("slt", last, b.constant(0, i32))
            place = b.addi(b.extsi(last, i64), b.index_cast(b.index(lower), i64))
            b.store(b.select(none, b.load(self.out, indices), place), self.out, indices)

    def take(
        self, column: _Column, found: _Lanes, lane: Value, lower: Index, steps: Sequence[Index]
    ) -> None:
        """Some rows against the lanes."""
        b = self.b
        best, kept = self.load(found.values, [lane]), b.load(found.steps, [lane])
        indices = column.indices(b, lane)
        for step in steps:
            value = self.read(indices, b.add(lower, step))
            wins = self.better(value, best)
            best = b.select(wins, value, best)
            kept = b.select(wins, b.index_cast(b.index(step), i32), kept)
        self.store(best, found.values, [lane])
        b.store(kept, found.steps, [lane])


@dataclass(frozen=True)
class _Lanes:
    """Of every lane the best value so far, and the step that brought it; -1 for the one it began with."""

    values: Value
    steps: Value


@dataclass(frozen=True)
class _Column:
    """Indices of a chunk of columns: `outer` with the chunk's lanes from `base` on at place `at`."""

    outer: Sequence[Index]
    at: int
    base: Index

    def indices(self, b: LoopBuilder, lane: Value) -> list[Index]:
        return [*self.outer[: self.at], b.add(self.base, lane), *self.outer[self.at + 1 :]]
