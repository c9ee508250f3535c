"""Elementwise and row form: lanes along the last axis. A long reduction of everything is done in parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from math import prod
from typing import Final

from tensorc.ir.attributes import UNIT
from tensorc.ir.core import Value
from tensorc.ops.loops.base import memory_type, width
from tensorc.ops.loops.nests import PARALLEL, TRANSPOSES, cells, lanes, tiles
from tensorc.passes.lowering.across import CHUNK, Across
from tensorc.passes.lowering.nest import Access, Index, Lowerer, load, nest, store
from tensorc.passes.lowering.space import LIGHT, Earlier, Emitter, Space, combined, combiners_of
from tensorc.passes.lowering.strands import Row
from tensorc.passes.lowering.sums import Combiner, Counter, join_parts

FEW: Final = 16
"""Elements that are combined one after the other."""
PART: Final = 65 << 10
"""Elements of a part of a long reduction: 65 blocks, see `strands.py`."""
ROWS: Final = 16
"""Rows that share one scratch buffer, one after the other."""
NEAR: Final = 1 << 18
"""Bytes of a buffer that may well lie in a cache."""
TALL: Final = 512
WIDE: Final = 64
PAD: Final = 16
"""Bytes of rows, and columns, of a tile whose elements lie in rows in some buffers and in columns in others:
what is read against its order is read in pieces of so many bytes. Elements between rows of a copy of such a
tile.
"""
Bounds = list[tuple[Index, Index]]


class Rows(Emitter):
    """Lanes along the last axis."""

    def __init__(self, b: Lowerer, space: Space) -> None:
        super().__init__(b, space)
        self.registers: dict[tuple[int, int], Value] = {}
        self.streams = _streams(space)
        self.across = Across(b, space)

    def emit(self) -> None:
        crossing = _crossing(self.space)
        if crossing is not None:
            self.crossed(crossing)
        elif not self.space.inner:
            with cells(self.b, self.space.extents) as indices:
                self.stages(indices)
        elif self.across.found:
            self.rows_and_across()
        elif not self.space.outer:
            self.make_tiles([])
            self.stages([])
            self.drop_tiles()
        elif not self.needs_scratch():
            self.make_tiles([])
            with nest(self.b, self.space.extents[: self.space.outer], parallel=True) as indices:
                self.stages(indices)
        else:
            self.rows_with_scratch()

    def crossed(self, axis: int) -> None:
        """Elementwise, where some buffer is contiguous along `axis`: tiles that stay in the cache whichever
        way they are read. What is read against its order is first copied in its order: rows of a large power
        of two elements would fall into the same few places of the cache.
        """
        b, extents = self.b, self.space.extents
        last = len(extents) - 1
        self.streams = [set() for _ in self.space.stages]
        others = [a for a in range(last) if a != axis]
        with ExitStack() as loops:
            leading = nest(b, [extents[a] for a in others], parallel=True)
            place = dict(zip(others, loops.enter_context(leading), strict=True))
            crossed = self._against(axis)
            tall = TALL // max((width(memory_type(x.element)) // 8 for x in crossed), default=8)
            first, count = loops.enter_context(tiles(b, extents[axis], tall))
            column = loops.enter_context(b.for_(0, extents[last], WIDE)).iv
            # Not as a minimum, so that it becomes a loop of whole vectors, which may be streamed, and a tail.
            left = b.index(b.sub(extents[last], column))
            wide = b.select(b.cmpi("sge", left, b.index(WIDE)), b.index(WIDE), left)
            place[axis], place[last] = first, column
            copies = {x: self._transposed(x, axis, place, tall, count, wide) for x in crossed}
            for number, stage in enumerate(self.space.stages):
                inputs = tuple(copies.get(x, x) if isinstance(x, Access) else x for x in stage.inputs)
                self.space.stages[number] = replace(stage, inputs=inputs)
            row = loops.enter_context(b.for_(0, count)).iv
            lane = loops.enter_context(lanes(b, wide))
            place[axis], place[last] = b.add(first, row), b.add(column, lane)
            self.stages([*(place[a] for a in range(last + 1)), lane, row])

    def _against(self, axis: int) -> list[Access]:
        """The inputs that are contiguous along `axis` and move with the last one, too."""
        last = len(self.space.extents) - 1
        found = [x for stage in self.space.stages for x in stage.inputs if isinstance(x, Access)]
        return [x for x in dict.fromkeys(found) if last in x.axes and _contiguous_axis(x) == axis]

    def _transposed(
        self, access: Access, axis: int, place: dict[int, Index], tall: int, count: Index, wide: Index
    ) -> Access:
        """A transposed copy of the tile of an input that begins at `place`. There the lane and the row within
        the tile are two iteration indices more.
        """
        b, last = self.b, len(self.space.extents) - 1
        buffer = b.scratch(memory_type(access.element), [tall, WIDE + PAD])
        _, offset, _, strides = b.metadata(access.buffer)
        for a, stride in zip(access.axes, strides, strict=True):
            offset = b.add(offset, b.mul(place[a] if a >= 0 else 0, stride))
        step = strides[access.axes.index(last)]
        tile = b.reinterpret_cast(access.buffer, offset, [wide, count], [step, 1])
        with b.for_(0, wide) as lane, lanes(b, count) as row:
            lane.op.set_attribute(TRANSPOSES, UNIT)
            b.store(b.load(tile, [lane.iv, row]), buffer, [row, lane.iv])
        return Access(buffer, (last + 2, last + 1), access.element)

    def rows_with_scratch(self) -> None:
        """A few rows at a time have one allocation."""
        *leading, last = self.space.extents[: self.space.outer]
        with nest(self.b, leading, parallel=True) as at, tiles(self.b, last, ROWS) as (start, count):
            self.make_tiles([])
            with self.b.for_(0, count) as row:
                self.stages([*at, self.b.add(start, row.iv)])
            self.drop_tiles()

    def rows_and_across(self) -> None:
        """Chunks of rows, each with partial results of what is combined over rows."""
        self.across.make()
        with tiles(self.b, self.across.rows, CHUNK) as (start, count):
            self.across.begin(start)
            self.make_tiles([])
            with self.b.for_(0, count) as row:
                self.stages(self._unravelled(self.b.add(start, row.iv)))
            self.drop_tiles()
        self.across.finish()

    def _unravelled(self, row: Index) -> list[Index]:
        """The outer indices of a row, counted in order."""
        b = self.b
        found: list[Index] = []
        for extent in reversed(self.space.extents[1 : self.space.outer]):
            found.insert(0, b.remui(b.index(row), b.index(extent)))
            row = b.divui(b.index(row), b.index(extent))
        return [row, *found]

    def stages(self, indices: list[Index]) -> None:
        for number, stage in enumerate(self.space.stages):
            if not stage.full:
                self.outer_stage(number, indices)
            elif combiners_of(stage):
                self.reduction(number, indices)
            else:
                self.row(number, indices)

    def register(self, place: Earlier, indices: Sequence[Index]) -> Value:
        return self.registers[place.stage, place.result]

    def compute(self, number: int, indices: Sequence[Index], stream: bool = True) -> list[Value]:
        """The body at these indices; plain results are stored, all results returned. `stream`: what is read
        in order is marked.
        """
        stage = self.space.stages[number]
        streams = self.streams[number] if stream else set()
        xs = [
            load(self.b, x, indices, stream=True) if x in streams else self.input(x, indices)
            for x in stage.inputs
        ]
        values = stage.body(self.b, indices, xs)
        for k, (result, value) in enumerate(zip(stage.results, values, strict=True)):
            if result.across:
                self.across.take(number, k, value, indices[self.space.outer :])
            elif result.combiner is None and stage.full:
                self.store_all(value, [result.out, self.tiles.get((number, k))], indices)
        return values

    def outer_stage(self, number: int, outer: list[Index]) -> None:
        values = self.compute(number, outer)
        for k, result in enumerate(self.space.stages[number].results):
            if result.combiner is not None:  # a reduction over axes of extent 1
                start = result.combiner.identity(self.b)
                values[k] = result.combiner.combine(self.b, start, values[k])
        self.keep(number, outer, range(len(values)), values)

    def row(self, number: int, outer: list[Index]) -> None:
        """One value an inner iteration."""
        inner = self.space.inner
        if not outer:
            with cells(self.b, inner) as at:
                self.compute(number, at)
            return
        with nest(self.b, inner[:-1]) as at, lanes(self.b, inner[-1]) as lane:
            self.compute(number, [*outer, *at, lane])

    def reduction(self, number: int, outer: list[Index]) -> None:
        stage = self.space.stages[number]
        combiners = combiners_of(stage)
        if outer:
            values = self.reduce(number, outer, combiners, [(0, n) for n in self.space.inner])
        else:
            values = self.in_parts(number, combiners)
        places = [k for k, r in enumerate(stage.results) if r.combiner is not None and not r.across]
        self.keep(number, outer, places, values)

    def keep(self, number: int, outer: list[Index], places: Sequence[int], values: Sequence[Value]) -> None:
        results = self.space.stages[number].results
        for k, value in zip(places, values, strict=True):
            self.registers[number, k] = value
            target = results[k].out
            if target is not None:
                store(self.b, value, target, outer)

    def in_parts(self, number: int, combiners: list[Combiner]) -> list[Value]:
        """Everything combined: parts of about `PART` elements, then their results pairwise."""
        b = self.b
        first, *rest = self.space.inner
        size = _part(b, b.product(rest))
        if isinstance(first, int) and isinstance(size, int) and first <= size:
            return self.reduce(number, [], combiners, [(0, n) for n in self.space.inner])
        parts = b.maxsi(b.ceildivsi(b.index(first), b.index(size)), b.index(1))
        buffers = [b.alloc(memory_type(c.element), [parts]) for c in combiners]
        with b.for_(0, parts) as part:
            part.op.set_attribute(PARALLEL, UNIT)
            lower = b.mul(part.iv, size)
            upper = b.minimum(b.add(lower, size), first)
            values = self.reduce(number, [], combiners, [(lower, upper), *((0, n) for n in rest)])
            for combiner, buffer, value in zip(combiners, buffers, values, strict=True):
                combiner.write(b, value, buffer, [part.iv])
        join_parts(b, combiners, buffers, parts)
        values = [c.read(b, buffer, [0]) for c, buffer in zip(combiners, buffers, strict=True)]
        for buffer in buffers:
            b.dealloc(buffer)
        return values

    def reduce(
        self, number: int, outer: list[Index], combiners: list[Combiner], bounds: Bounds
    ) -> list[Value]:
        """The inner iterations within `bounds` combined."""
        b = self.b
        extents = [b.sub(upper, lower) for lower, upper in bounds]
        static = [n for n in extents if isinstance(n, int)]
        if len(static) == len(extents) and prod(static) <= FEW:
            return self.sequential(number, outer, combiners, bounds, [c.identity(b) for c in combiners])
        stage = self.space.stages[number]
        light = stage.weight <= LIGHT
        row = Row(b, combiners, bounds[-1], strands=light and not outer, light=light)

        def values(at: Sequence[Index], place: Index, stream: bool) -> list[Value]:
            return combined(stage, self.compute(number, [*outer, *at, place], stream))

        if not row.in_one or (len(bounds) > 1 and not all(c.exact for c in combiners)):
            return self.blocks(row, bounds[:-1], values)
        row.reset()
        with _spans(b, bounds[:-1]) as at:
            row.all(partial(values, at))
        return row.result()

    def sequential(
        self,
        number: int,
        indices: list[Index],
        combiners: list[Combiner],
        bounds: Bounds,
        carried: Sequence[Value],
    ) -> list[Value]:
        """One accumulator a result, in order."""
        b = self.b
        if not bounds:
            found = combined(self.space.stages[number], self.compute(number, indices))
            return [c.combine(b, a, v) for c, a, v in zip(combiners, carried, found, strict=True)]
        (lower, upper), *rest = bounds
        with b.for_(lower, upper, init=carried) as loop:
            loop.yield_(*self.sequential(number, [*indices, loop.iv], combiners, rest, loop.args))
        return list(loop.results)

    def blocks(self, row: Row, around: Bounds, values: Callable[..., list[Value]]) -> list[Value]:
        """Blocks of rows, combined pairwise. `values`: at other indices and a place along the row."""
        b = self.b
        extents = [*(b.sub(last, first) for first, last in around), row.blocks()]
        counter = Counter(b, row.combiners, b.product(extents))
        with _spans(b, around) as at, b.for_(0, extents[-1]) as block:
            row.reset()
            row.block(block.iv, partial(values, at))
            place: Index = 0
            for index, (first, _), extent in zip(at, around, extents, strict=False):
                place = b.add(b.mul(place, extent), b.sub(index, first))
            counter.push(row.result(), b.index(b.add(b.mul(place, extents[-1]), block.iv)))
        return counter.result()


def _crossing(space: Space) -> int | None:
    """In an elementwise kernel: an axis, not the last, along which a buffer is contiguous that the last axis
    moves, too.
    """
    last = len(space.extents) - 1
    for stage in space.stages if not space.inner else ():
        for access in stage.accesses():
            near = _contiguous_axis(access)
            if last in access.axes and near not in (None, last):
                return near
    return None


def _streams(space: Space) -> list[set[Access]]:
    """Of each stage, the inputs that no stage before it reads, with as many elements as there are iterations,
    if they may not all lie in a cache.
    """
    moving = {axis for axis, extent in enumerate(space.extents) if extent != 1}
    seen: set[Value] = set()
    found: list[set[Access]] = []
    for stage in space.stages:
        inputs = [x for x in stage.inputs if isinstance(x, Access)]
        found.append({x for x in inputs if x.buffer not in seen and moving <= set(x.axes) and not _near(x)})
        seen.update(x.buffer for x in inputs)
    return found


def _near(access: Access) -> bool:
    """Whether a buffer is known to be small."""
    extents = [n for n in access.type.shape if n is not None]
    return len(extents) == access.type.rank and prod(extents) * width(access.type.element) <= 8 * NEAR


def _contiguous_axis(access: Access) -> int | None:
    """The iteration axis along which a buffer is known to be contiguous."""
    near = [a for a, step in zip(access.axes, access.type.strides, strict=True) if step == 1]
    return near[0] if near and near[0] >= 0 else None


def _part(b: Lowerer, row: Index) -> Index:
    """How many rows of so many elements make a part."""
    if isinstance(row, int):
        return max(1, PART // max(1, row))
    one = b.index(1)
    return b.maxsi(b.divsi(b.index(PART), b.maxsi(row, one)), one)


@contextmanager
def _spans(b: Lowerer, bounds: Bounds) -> Iterator[list[Index]]:
    """Loops from each lower bound to its upper bound, outermost first."""
    with ExitStack() as stack:
        yield [stack.enter_context(b.for_(lower, upper)).iv for lower, upper in bounds]
