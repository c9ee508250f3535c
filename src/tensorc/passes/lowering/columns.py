"""Column form: lanes along the last outer axis, a chunk of neighbouring columns at a time. Memory is walked
in order, several rows at a time where the body is light: their values meet each other before they meet the
accumulators.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import ClassVar, Final

from tensorc.ir.core import Value
from tensorc.ops.loops.base import memory_type, width
from tensorc.ops.loops.nests import lanes, tiles
from tensorc.passes.lowering.nest import Access, Index, Lowerer, load, nest, store
from tensorc.passes.lowering.space import LIGHT, Earlier, Emitter, Space, combined, combiners_of
from tensorc.passes.lowering.sums import Accumulators, levels, reset

BLOCK: Final = 128
"""Rows that are combined before the pairwise scheme takes over."""
WAYS: Final = 8
"""Rows that are read at a time."""
NARROW: Final = 64
"""Columns of a chunk with scratch of its own."""
BYTES: Final = 4096
"""What the accumulators of one chunk of columns may take."""
LEVELS: Final = 12
"""Of the pairwise scheme: blocks are grouped where there are more than 2 ** (LEVELS - 1)."""


def columns_at_a_time(space: Space) -> int:
    """How many columns' accumulators take no more than `BYTES`."""
    elements = [r.element for s in space.stages for r in s.results if not s.full or r.combiner]
    size = sum(max(8, width(memory_type(e))) // 8 for e in elements)
    return int(min(1024, max(NARROW, 1 << (BYTES // max(1, size)).bit_length() - 1)))


class Columns(Emitter):
    """Lanes along the last outer axis; iteration indices have the lane within the chunk as one more."""

    levels: ClassVar[int] = LEVELS

    def __init__(self, b: Lowerer, space: Space) -> None:
        super().__init__(b, space)
        self.registers: dict[tuple[int, int], Access] = {}
        self.parts: dict[int, list[Accumulators]] = {}
        self.chunk = self._chunk()
        self.width: Index = self.chunk
        self.base: Index = 0
        self.span: tuple[Index, Index] = (0, space.inner[-1])
        """The places along the last inner axis that are walked."""

    def _chunk(self) -> int:
        """How many columns at a time: few where every column has scratch of its own."""
        return NARROW if self.needs_scratch() else columns_at_a_time(self.space)

    def emit(self) -> None:
        *leading, last = self.space.extents[: self.space.outer]
        with nest(self.b, leading, parallel=True) as indices, tiles(self.b, last, self.chunk) as chunk:
            self.base, self.width = chunk
            self.make_registers()
            self.make_tiles([self.chunk])
            for number, stage in enumerate(self.space.stages):
                if combiners_of(stage):
                    self.reduction(number, indices)
                else:
                    self.plain(number, indices)
            self.drop_tiles()

    def make_registers(self, start: int = 0) -> None:
        """Results without inner axes, of the stages from `start` on: a buffer of one value a column."""
        rank = len(self.space.extents)
        for number, stage in enumerate(self.space.stages[start:], start):
            self.parts[number] = []
            shape = [self.levels if stage.full and self._in_blocks(number) else 1, self.chunk]
            for k, result in enumerate(stage.results):
                if result.combiner is not None:
                    self.parts[number].append(Accumulators.make(self.b, result.combiner, shape))
                    buffer = self.parts[number][-1].result
                elif stage.full or not result.kept:
                    continue
                else:
                    buffer = self.b.scratch(memory_type(result.element), shape)
                self.registers[number, k] = Access(buffer, (-1, rank), result.element)

    def register(self, place: Earlier, indices: Sequence[Index]) -> Value:
        return load(self.b, self.registers[place.stage, place.result], indices)

    def at(self, outer: list[Index], inner: Sequence[Index], lane: Value) -> list[Index]:
        """Iteration indices, and the lane as one index more."""
        return [*outer, self.b.add(self.base, lane), *inner, lane]

    def compute(self, number: int, indices: Sequence[Index]) -> list[Value]:
        """The body at these indices; plain results are stored, all results returned."""
        stage = self.space.stages[number]
        values = stage.body(self.b, indices[:-1], [self.input(x, indices) for x in stage.inputs])
        for k, (result, value) in enumerate(zip(stage.results, values, strict=True)):
            if result.combiner is None:
                places = [result.out, self.tiles.get((number, k)), self.registers.get((number, k))]
                self.store_all(value, places, indices)
        return values

    def plain(self, number: int, outer: list[Index]) -> None:
        inner = self.space.inner if self.space.stages[number].full else []
        with nest(self.b, inner) as at, lanes(self.b, self.width) as lane:
            filled = at if inner else [0] * len(self.space.inner)
            self.compute(number, self.at(outer, filled, lane))

    def reduction(self, number: int, outer: list[Index]) -> None:
        """Accumulators at level 0 end up with the results, which are stored where they are wanted."""
        self.combine(number, outer)
        self.store_results(number, outer)

    def combine(self, number: int, outer: list[Index]) -> None:
        """What is walked into the accumulators at level 0."""
        stage = self.space.stages[number]
        if stage.full and self._in_blocks(number):
            self.blocks(number, outer)
        else:
            inner = self.space.inner if stage.full else [1] * len(self.space.inner)
            reset(self.b, self.parts[number], self.width, [0])
            with nest(self.b, inner[:-1]) as at:
                self.walk(number, [outer, at], 0, self.span if stage.full else (0, 1))
        self.settle(number)

    def store_results(self, number: int, outer: list[Index]) -> None:
        """What is combined, from its registers to where it is wanted."""
        stage = self.space.stages[number]
        wanted = [k for k, r in enumerate(stage.results) if r.combiner is not None and r.out is not None]
        if not wanted:
            return
        with lanes(self.b, self.width) as lane:
            indices = self.at(outer, [0] * len(self.space.inner), lane)
            for k in wanted:
                target = stage.results[k].out
                assert target is not None
                store(self.b, load(self.b, self.registers[number, k], indices), target, indices)

    def _in_blocks(self, number: int) -> bool:
        """Whether the order of combination matters and there are more rows than a block has."""
        combiners = combiners_of(self.space.stages[number])
        total = self.b.product([n for n in self.space.inner if isinstance(n, int)])
        known = all(isinstance(n, int) for n in self.space.inner)
        few = known and isinstance(total, int) and total <= BLOCK
        return not few and not all(c.exact for c in combiners)

    def settle(self, number: int) -> None:
        """Make the first parts of accumulators the values."""
        several = [part for part in self.parts[number] if len(part.buffers) > 1]
        if not several:
            return
        with lanes(self.b, self.width) as lane:
            for part in several:
                part.combiner.write(self.b, part.value(self.b, [0, lane]), part.result, [0, lane])

    def blocks(self, number: int, outer: list[Index]) -> None:
        """Blocks of rows, combined pairwise: block `n` is at the level that is the number of ones in n."""
        b = self.b
        if len(self.space.inner) > 1:
            self.grouped(number, outer)
            return
        start, end = self.span
        rows = b.sub(end, start)
        size = _rows_of_block(b, rows)
        count = b.maximum(_ceildiv(b, rows, size), 1)
        with b.for_(0, count) as block:
            level, merges = levels(b, block.iv, count)
            reset(b, self.parts[number], self.width, [level])
            lower = b.add(start, b.mul(block.iv, size))
            bounds = (lower, b.minimum(b.add(lower, size), end))
            self.walk(number, [outer, []], level, bounds)
            self.merge(number, level, merges)

    def grouped(self, number: int, outer: list[Index]) -> None:
        """Several inner axes: a few blocks of the last one make a group, and groups are combined pairwise."""
        b = self.b
        *leading, last = self.space.inner
        blocks = b.ceildiv(last, BLOCK)
        total = b.index(b.product([*leading, blocks]))
        size = b.index(self._blocks_of_group(total))
        groups = b.ceildivsi(total, size)
        reset(b, self.parts[number], self.width, [0])
        with nest(b, leading) as at, b.for_(0, last, BLOCK) as start:
            place: Index = 0
            for index, extent in zip(at, leading, strict=True):
                place = b.add(b.mul(place, extent), index)
            past = b.divui(start.iv, b.index(BLOCK))
            block = b.index(b.add(b.mul(place, blocks), past))
            group = b.divui(block, size)
            begin = b.muli(group, size)
            end = b.minsi(b.addi(begin, size), total)
            level, merges = levels(b, group, groups)
            zero = b.index(0)
            first = b.select(b.cmpi("eq", block, begin), b.index(self.width), zero)
            reset(b, self.parts[number], first, [level])
            bounds = (start.iv, b.minimum(b.add(start.iv, BLOCK), last))
            self.walk(number, [outer, at], level, bounds)
            final = b.cmpi("eq", b.addi(block, b.index(1)), end)
            self.merge(number, level, b.select(final, merges, zero))

    def _blocks_of_group(self, total: Value) -> Index:
        """Groups have about `BLOCK` rows at least; there are at most 2 ** (LEVELS - 1)."""
        b, last = self.b, self.space.inner[-1]
        rows = b.maximum(b.minimum(last, BLOCK), 1)
        size = BLOCK // rows if isinstance(rows, int) else b.divui(b.index(BLOCK), rows)
        return b.add(size, b.shrui(total, b.index(LEVELS - 1)))

    def merge(self, number: int, level: Value, merges: Value) -> None:
        """Combine so many levels from `level` down."""
        b = self.b
        with b.for_(0, merges) as merge, lanes(b, self.width) as lane:
            top = b.subi(level, merge.iv)
            for part in self.parts[number]:
                part.join(b, [top, lane], [b.subi(top, b.index(1)), lane])

    def walk(
        self,
        number: int,
        around: list[list[Index]],
        level: Index,
        bounds: tuple[Index, Index],
    ) -> None:
        """Rows within `bounds` into the accumulators of a level: `WAYS` at a time, then the rest."""
        b = self.b
        lower, upper = bounds
        extent = b.sub(upper, lower)
        ways = WAYS if self.space.stages[number].weight <= LIGHT else 1
        end: Index = lower
        if ways > 1:
            full = extent - extent % ways if isinstance(extent, int) else b.andi(extent, b.index(-ways))
            end = b.add(lower, full)
            self._rows(number, around, level, (lower, end), ways)
        if end is not upper and end != upper:
            rest = b.sub(upper, end)
            few = rest if isinstance(rest, int) and rest < WAYS else 1
            self._rows(number, around, level, (end, upper), few)

    def _rows(
        self,
        number: int,
        around: list[list[Index]],
        level: Index,
        bounds: tuple[Index, Index],
        ways: int,
    ) -> None:
        b, stage = self.b, self.space.stages[number]
        lower, upper = bounds
        if lower == upper:
            return
        with ExitStack() as loops:
            start: Index = lower
            if not (isinstance(lower, int) and upper == lower + ways):
                start = loops.enter_context(b.for_(lower, upper, ways)).iv
            lane = loops.enter_context(lanes(b, self.width))
            outer, inner = around
            rows = [
                combined(stage, self.compute(number, self.at(outer, [*inner, b.add(start, way)], lane)))
                for way in range(ways)
            ]
            for k, part in enumerate(self.parts[number]):
                part.take(b, [values[k] for values in rows], [level, lane])


def _rows_of_block(b: Lowerer, rows: Index) -> Index:
    """`BLOCK`, and more where more than 2 ** (LEVELS - 1) blocks would be needed."""
    shift = LEVELS - 1 + BLOCK.bit_length() - 1
    if isinstance(rows, int):
        return BLOCK * (1 + (rows >> shift))
    return b.muli(b.addi(b.shrui(rows, b.index(shift)), b.index(1)), b.index(BLOCK))


def _ceildiv(b: Lowerer, n: Index, size: Index) -> Index:
    if isinstance(n, int) and isinstance(size, int):
        return -(-n // size)
    return b.ceildivsi(b.index(n), b.index(size))
