"""The one emitter of kernels: outer parallel axes, then stages over the outer axes or over outer and inner
axes.

- elementwise form: no inner axes, one nest;
- row form: the contiguous axis is an inner one. One outer iteration at a time; results without inner axes are
  registers;
- column form: the contiguous axis is the last outer one. `LANES` neighbouring outer iterations at a time,
  results without inner axes are small
  buffers of lanes, so that reductions walk memory in order and vectorise over the lanes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from tensorc.ir.core import Value
from tensorc.ir.types import ScalarType
from tensorc.ops.loops.base import memory_type
from tensorc.ops.loops.nests import rolled
from tensorc.passes.lowering.nest import Access, Index, Lowerer, load, merge, mergeable, nest, store
from tensorc.passes.lowering.sums import (
    BLOCK,
    LANES,
    SHORT,
    Combiner,
    Counter,
    fill,
    gather_lanes,
    start_count,
)

COLUMN_BLOCK = 128
Body = Callable[[Lowerer, Sequence[Index], Sequence[Value]], list[Value]]


@dataclass(frozen=True)
class Earlier:
    """An input that is the result of an earlier stage."""

    stage: int
    result: int


@dataclass(frozen=True)
class Result:
    """`combiner` None: one value an iteration. `out`: where it is stored, if the kernel yields it. `kept`: a
    later stage reads it.
    """

    element: ScalarType
    combiner: Combiner | None = None
    out: Access | None = None
    kept: bool = False


@dataclass(frozen=True)
class Stage:
    """`full`: iterates over outer and inner axes, otherwise over the outer axes alone. `indexed`: the body
    uses the iteration indices.
    """

    full: bool
    inputs: tuple[Access | Earlier, ...]
    body: Body
    results: tuple[Result, ...]
    indexed: bool = False

    def accesses(self) -> list[Access]:
        outs = [r.out for r in self.results if r.out is not None]
        return [a for a in self.inputs if isinstance(a, Access)] + outs


@dataclass
class Space:
    """Iteration extents, the first `outer` of them parallel, and the stages over them."""

    extents: list[Index]
    outer: int
    stages: list[Stage] = field(default_factory=list)

    @property
    def inner(self) -> list[Index]:
        return self.extents[self.outer :]


def emit_kernel(b: Lowerer, space: Space) -> None:
    """Emit the loops of a kernel."""
    space = _merged(b, space)
    lane = _lane_axis(space)
    if lane is None:
        _Rows(b, space).emit()
    else:
        _Columns(b, _lane_last(space, lane)).emit()


def _merged(b: Lowerer, space: Space) -> Space:
    """Merge neighbouring axes wherever all buffers allow it."""
    if any(s.indexed for s in space.stages):
        return space
    axis = 0
    while axis + 1 < len(space.extents):
        accesses = [a for s in space.stages for a in s.accesses()]
        if axis + 1 == space.outer or not all(mergeable(a, axis) for a in accesses):
            axis += 1
            continue
        space = _merge_axis(b, space, axis)
    return space


def _merge_axis(b: Lowerer, space: Space, axis: int) -> Space:
    done: dict[Access, Access] = {}

    def merged(access: Access) -> Access:
        if access not in done:
            done[access] = merge(b, access, axis)
        return done[access]

    extents = [*space.extents[:axis], b.mul(*space.extents[axis : axis + 2]), *space.extents[axis + 2 :]]
    return Space(
        extents, space.outer - (axis < space.outer), [_with_accesses(s, merged) for s in space.stages]
    )


def _with_accesses(stage: Stage, change: Callable[[Access], Access]) -> Stage:
    inputs = tuple(change(a) if isinstance(a, Access) else a for a in stage.inputs)
    results = tuple(r if r.out is None else replace(r, out=change(r.out)) for r in stage.results)
    return replace(stage, inputs=inputs, results=results)


def _lane_axis(space: Space) -> int | None:
    """The outer axis to put lanes on: the one along which most buffers of the inner stages are contiguous, if
    it is not an inner axis.
    """
    if space.outer == 0 or space.outer == len(space.extents):
        return None
    votes = [0] * len(space.extents)
    for stage in space.stages:
        for access in stage.accesses() if stage.full else ():
            moving = [a for a in access.axes if a >= 0]
            if len(moving) == len(space.extents) and access.type.strides[-1] in (1, None):
                votes[moving[-1]] += 1
    best = max(range(len(votes)), key=lambda axis: (votes[axis], axis))
    return best if best < space.outer else None


def _lane_last(space: Space, lane: int) -> Space:
    """The same kernel with `lane` as the last outer axis."""
    order = [a for a in range(space.outer) if a != lane] + [lane, *range(space.outer, len(space.extents))]
    if order == list(range(len(space.extents))):
        return space
    place = {old: new for new, old in enumerate(order)} | {-1: -1}

    def moved(access: Access) -> Access:
        return replace(access, axes=tuple(place[a] for a in access.axes))

    def body_of(stage: Stage) -> Body:
        return lambda b, indices, xs: stage.body(b, [indices[place[a]] for a in range(len(order))], xs)

    stages = [replace(_with_accesses(s, moved), body=body_of(s)) for s in space.stages]
    return Space([space.extents[a] for a in order], space.outer, stages)


class _Emitter:
    """What row and column form share: where the results of stages are kept."""

    def __init__(self, b: Lowerer, space: Space) -> None:
        self.b = b
        self.space = space
        self.tiles: dict[tuple[int, int], Access] = {}
        self.scratch: list[Value] = []

    def make_tiles(self, lanes: list[Index]) -> None:
        """Buffers for results with inner axes that a later stage reads: the output itself, or scratch."""
        outer, rank = self.space.outer, len(self.space.extents)
        for number, stage in enumerate(self.space.stages):
            for k, result in enumerate(stage.results):
                if not stage.full or result.combiner is not None or not result.kept:
                    continue
                if result.out is not None:
                    self.tiles[number, k] = result.out
                    continue
                buffer = self.b.alloc(memory_type(result.element), [*self.space.inner, *lanes])
                self.scratch.append(buffer)
                axes = (*range(outer, rank), *([rank] if lanes else []))
                self.tiles[number, k] = Access(buffer, axes, result.element)

    def drop_tiles(self) -> None:
        for buffer in self.scratch:
            self.b.dealloc(buffer)

    def register(self, place: Earlier, indices: Sequence[Index]) -> Value:
        raise NotImplementedError

    def compute(self, number: int, indices: Sequence[Index]) -> list[Value]:
        """The body at these indices; plain results are stored, all results returned."""
        stage = self.space.stages[number]
        inputs = [self._input(x, indices) for x in stage.inputs]
        values = stage.body(self.b, indices, inputs)
        for k, (result, value) in enumerate(zip(stage.results, values, strict=True)):
            if result.combiner is not None or not stage.full:
                continue
            targets = {id(t): t for t in (result.out, self.tiles.get((number, k))) if t is not None}
            for target in targets.values():
                store(self.b, value, target, indices)
        return values

    def _input(self, x: Access | Earlier, indices: Sequence[Index]) -> Value:
        if isinstance(x, Access):
            return load(self.b, x, indices)
        tile = self.tiles.get((x.stage, x.result))
        return self.register(x, indices) if tile is None else load(self.b, tile, indices)

    def combiners(self, stage: Stage) -> list[Combiner]:
        return [r.combiner for r in stage.results if r.combiner is not None]

    def combined(self, stage: Stage, values: Sequence[Value]) -> list[Value]:
        """Of a body's values, those that are combined."""
        return [v for r, v in zip(stage.results, values, strict=True) if r.combiner is not None]


class _Rows(_Emitter):
    """Elementwise and row form."""

    def __init__(self, b: Lowerer, space: Space) -> None:
        super().__init__(b, space)
        self.registers: dict[tuple[int, int], Value] = {}

    def emit(self) -> None:
        outer = self.space.outer
        self.make_tiles([])
        with nest(self.b, self.space.extents[:outer], parallel=True) as indices:
            for number in range(len(self.space.stages)):
                self.stage(number, indices)
        self.drop_tiles()

    def register(self, place: Earlier, indices: Sequence[Index]) -> Value:
        return self.registers[place.stage, place.result]

    def stage(self, number: int, outer: list[Index]) -> None:
        stage = self.space.stages[number]
        combiners = self.combiners(stage)
        if not stage.full:
            values = self.compute(number, outer)
            for k, result in enumerate(stage.results):  # a reduction over axes of extent 1
                if result.combiner is not None:
                    start = result.combiner.identity(self.b)
                    values[k] = result.combiner.combine(self.b, start, values[k])
            self.keep(number, outer, range(len(values)), values)
            return
        if not combiners:
            with nest(self.b, self.space.inner) as inner:
                self.compute(number, [*outer, *inner])
            return
        places = [k for k, r in enumerate(stage.results) if r.combiner is not None]
        self.keep(number, outer, places, self.reduce(number, outer, combiners))

    def keep(self, number: int, outer: list[Index], places: Sequence[int], values: Sequence[Value]) -> None:
        results = self.space.stages[number].results
        for k, value in zip(places, values, strict=True):
            self.registers[number, k] = value
            target = results[k].out
            if target is not None:
                store(self.b, value, target, outer)

    def reduce(self, number: int, outer: list[Index], combiners: list[Combiner]) -> list[Value]:
        inner = self.space.inner
        start = [c.identity(self.b) for c in combiners]
        if all(c.exact for c in combiners) or not inner:
            return self.sequential(number, outer, combiners, [(0, n) for n in inner], start)
        *leading, last = inner
        if not leading and isinstance(last, int) and last <= BLOCK:
            return self.block(number, outer, combiners, 0, last)
        counter = Counter(self.b, combiners)
        count = self.leading(number, outer, combiners, counter, leading, start_count(self.b))
        return counter.total(count)

    def sequential(
        self,
        number: int,
        indices: list[Index],
        combiners: list[Combiner],
        bounds: list[tuple[Index, Index]],
        carried: Sequence[Value],
    ) -> list[Value]:
        """One accumulator a result, in order."""
        b = self.b
        if not bounds:
            found = self.combined(self.space.stages[number], self.compute(number, indices))
            return [c.combine(b, a, v) for c, a, v in zip(combiners, carried, found, strict=True)]
        (lower, upper), *rest = bounds
        with b.for_(lower, upper, init=carried) as loop:
            loop.yield_(*self.sequential(number, [*indices, loop.iv], combiners, rest, loop.args))
        return list(loop.results)

    def leading(
        self,
        number: int,
        indices: list[Index],
        combiners: list[Combiner],
        counter: Counter,
        extents: list[Index],
        count: Value,
    ) -> Value:
        """All inner axes but the last one by one; the last in blocks."""
        b = self.b
        if extents:
            with b.for_(0, extents[0], init=[count]) as loop:
                args = (number, [*indices, loop.iv], combiners, counter, extents[1:], loop.args[0])
                loop.yield_(self.leading(*args))
            return loop.results[0]
        last = self.space.extents[-1]
        with b.for_(0, last, BLOCK, init=[count]) as loop:
            upper = b.minimum(b.add(loop.iv, BLOCK), last)
            parts = self.block(number, indices, combiners, loop.iv, upper)
            loop.yield_(counter.push(parts, loop.args[0]))
        return loop.results[0]

    def block(
        self, number: int, indices: list[Index], combiners: list[Combiner], lower: Index, upper: Index
    ) -> list[Value]:
        """At most `BLOCK` neighbours: few of them in order, more in lanes."""
        b = self.b
        start = [c.identity(b) for c in combiners]
        if isinstance(lower, int) and isinstance(upper, int):
            if upper - lower <= SHORT:
                return self.sequential(number, indices, combiners, [(lower, upper)], start)
            return self.lanes(number, indices, combiners, lower, upper)
        if not self.space.outer:  # one long sum: short ones are not worth code of their own
            return self.lanes(number, indices, combiners, lower, upper)
        short = b.cmpi("sle", b.index(b.sub(upper, lower)), b.index(SHORT))
        with b.if_(short, [v.type for v in start]) as branch:
            branch.yield_(*self.sequential(number, indices, combiners, [(lower, upper)], start))
        with branch.else_():
            branch.yield_(*self.lanes(number, indices, combiners, lower, upper))
        return list(branch.results)

    def lanes(
        self, number: int, indices: list[Index], combiners: list[Combiner], lower: Index, upper: Index
    ) -> list[Value]:
        b = self.b
        parts = [b.scratch(memory_type(c.element), [LANES]) for c in combiners]
        fill(b, combiners, parts, LANES)
        with rolled(b, lower, upper, LANES) as row:
            width = b.minimum(b.sub(upper, row), LANES)
            with rolled(b, 0, width) as lane:
                at = [*indices, b.addi(row, lane)]
                self.accumulate(number, at, combiners, parts, lane)
        return gather_lanes(b, combiners, parts)

    def accumulate(
        self, number: int, indices: list[Index], combiners: list[Combiner], parts: list[Value], lane: Value
    ) -> None:
        b = self.b
        found = self.combined(self.space.stages[number], self.compute(number, indices))
        for combiner, part, value in zip(combiners, parts, found, strict=True):
            combiner.write(b, combiner.combine(b, combiner.read(b, part, [lane]), value), part, [lane])


class _Columns(_Emitter):
    """Column form: lanes on the last outer axis."""

    def __init__(self, b: Lowerer, space: Space) -> None:
        super().__init__(b, space)
        self.registers: dict[tuple[int, int], Access] = {}
        self.lanes: Index = LANES
        self.base: Index = 0

    def emit(self) -> None:
        b, outer = self.b, self.space.outer
        rank = len(self.space.extents)
        for number, stage in enumerate(self.space.stages):
            for k, result in enumerate(stage.results):
                if not stage.full or result.combiner is not None:
                    buffer = b.scratch(memory_type(result.element), [LANES])
                    self.registers[number, k] = Access(buffer, (rank,), result.element)
        self.make_tiles([LANES])
        last = self.space.extents[outer - 1]
        rows = nest(b, self.space.extents[: outer - 1], parallel=True)
        with rows as indices, b.for_(0, last, LANES) as block:
            self.base = block.iv
            self.lanes = b.minimum(b.sub(last, block.iv), LANES)
            for number in range(len(self.space.stages)):
                self.stage(number, indices)
        self.drop_tiles()

    def register(self, place: Earlier, indices: Sequence[Index]) -> Value:
        return load(self.b, self.registers[place.stage, place.result], indices)

    def at(self, outer: list[Index], inner: Sequence[Index], lane: Value) -> list[Index]:
        """Iteration indices, and the lane as one index more."""
        return [*outer, self.b.add(self.base, lane), *inner, lane]

    def compute(self, number: int, indices: Sequence[Index]) -> list[Value]:
        stage = self.space.stages[number]
        inputs = [self._input(x, indices) for x in stage.inputs]
        values = stage.body(self.b, indices[:-1], inputs)
        for k, (result, value) in enumerate(zip(stage.results, values, strict=True)):
            if result.combiner is not None:
                continue
            places = [result.out, self.tiles.get((number, k)), self.registers.get((number, k))]
            for target in {id(t): t for t in places if t is not None}.values():
                store(self.b, value, target, indices)
        return values

    def stage(self, number: int, outer: list[Index]) -> None:
        b, stage = self.b, self.space.stages[number]
        combiners = self.combiners(stage)
        if not combiners:
            with nest(b, self.space.inner if stage.full else []) as inner, b.for_(0, self.lanes) as lane:
                filled = inner if stage.full else [0] * len(self.space.inner)
                self.compute(number, self.at(outer, filled, lane.iv))
            return
        places = [k for k, r in enumerate(stage.results) if r.combiner is not None]
        parts = [self.registers[number, k].buffer for k in places]
        self.reduce(number, outer, combiners, parts)
        for k in places:
            target = stage.results[k].out
            if target is not None:
                self.store_row(self.registers[number, k], target, outer)

    def store_row(self, source: Access, target: Access, outer: list[Index]) -> None:
        b = self.b
        with b.for_(0, self.lanes) as lane:
            at = self.at(outer, [0] * len(self.space.inner), lane.iv)
            store(b, load(b, source, at), target, at)

    def reduce(self, number: int, outer: list[Index], combiners: list[Combiner], parts: list[Value]) -> None:
        b, inner = self.b, self.space.inner
        *leading, last = inner
        one_block = not leading and isinstance(last, int) and last <= COLUMN_BLOCK
        if one_block or all(c.exact for c in combiners):
            fill(b, combiners, parts, self.lanes)
            with nest(b, inner) as indices:
                self.accumulate(number, outer, indices, combiners, parts)
            return
        counter = Counter(b, combiners, LANES)
        count = self.leading(number, outer, [], combiners, counter, parts, leading, start_count(b))
        counter.total_lanes(parts, count, self.lanes)

    def leading(
        self,
        number: int,
        outer: list[Index],
        indices: list[Index],
        combiners: list[Combiner],
        counter: Counter,
        parts: list[Value],
        extents: list[Index],
        count: Value,
    ) -> Value:
        """All inner axes but the last one by one; the last in blocks of `COLUMN_BLOCK` steps."""
        b = self.b
        if extents:
            with b.for_(0, extents[0], init=[count]) as loop:
                at = [*indices, loop.iv]
                loop.yield_(
                    self.leading(number, outer, at, combiners, counter, parts, extents[1:], loop.args[0])
                )
            return loop.results[0]
        last = self.space.extents[-1]
        with b.for_(0, last, COLUMN_BLOCK, init=[count]) as loop:
            fill(b, combiners, parts, self.lanes)
            with b.for_(loop.iv, b.minimum(b.add(loop.iv, COLUMN_BLOCK), last)) as step:
                self.accumulate(number, outer, [*indices, step.iv], combiners, parts)
            loop.yield_(counter.push_lanes(parts, loop.args[0], self.lanes))
        return loop.results[0]

    def accumulate(
        self,
        number: int,
        outer: list[Index],
        inner: Sequence[Index],
        combiners: list[Combiner],
        parts: list[Value],
    ) -> None:
        b = self.b
        with b.for_(0, self.lanes) as lane:
            found = self.combined(
                self.space.stages[number], self.compute(number, self.at(outer, inner, lane.iv))
            )
            for combiner, part, value in zip(combiners, parts, found, strict=True):
                joined = combiner.combine(b, combiner.read(b, part, [lane.iv]), value)
                combiner.write(b, joined, part, [lane.iv])
