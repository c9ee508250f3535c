"""Combining many values with little error, in vectors: the blocked pairwise scheme.

A block of values is combined in at most `LANES` independent accumulators, 16 additions each (`strands.py`
says which values these are), which are then halved; blocks are combined like the digits of a binary counter,
which is pairwise summation (Higham, Accuracy and Stability of Numerical Algorithms, section 4.2). Depth:
16 + log2(n / 16) additions, as NumPy's `pairwise_sum`. The order depends on the kernel and on extents, never
on the width of vectors or the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, cast

from tensorc.ir.core import Value
from tensorc.ir.definition import REGISTRY
from tensorc.ir.types import FloatType, ScalarType, i1, i64, index
from tensorc.ops.accumulators import Accumulator
from tensorc.ops.families import Reduction
from tensorc.ops.loops.base import memory_type, register_type
from tensorc.ops.loops.nests import lanes
from tensorc.passes.lowering.nest import Index, Lowerer

LANES: Final = 64
LEVELS: Final = 64
_SCALARS: Final = 4
"""Accumulators that are combined one by one at the end."""


@dataclass(frozen=True)
class Combiner:
    """How one result of a stage is combined: the reduction's class and the tensor-level element type."""

    definition: type[Reduction]
    element: ScalarType

    @property
    def exact(self) -> bool:
        """Whether the order of combination cannot change the value."""
        return not isinstance(self.element, FloatType) or self.definition.combiner in ("maximum", "minimum")

    def identity(self, b: Lowerer) -> Value:
        return b.constant(self.definition.initial(self.element), register_type(self.element))

    @property
    def accumulator(self) -> Accumulator:
        return self.definition.accumulator(self.element)

    def combine(self, b: Lowerer, a: Value, x: Value) -> Value:
        joined: Value = self.definition.combine(b, self.element, a, x)
        return joined

    def read(self, b: Lowerer, buffer: Value, indices: Sequence[Index]) -> Value:
        """An accumulator in memory as a register value."""
        value = b.load(buffer, indices)
        return b.to_bool(value) if self.element == i1 else value

    def write(self, b: Lowerer, value: Value, buffer: Value, indices: Sequence[Index]) -> None:
        b.store(b.from_bool(value) if self.element == i1 else value, buffer, indices)

    def accumulate(self, b: Lowerer, value: Value, buffer: Value, indices: Sequence[Index]) -> None:
        """Combine a value into an accumulator in memory."""
        self.write(b, self.combine(b, self.read(b, buffer, indices), value), buffer, indices)


@dataclass(frozen=True)
class Accumulators:
    """Accumulators of one result in memory: a buffer for each part of what is kept. The first one has the
    result in the end.
    """

    combiner: Combiner
    buffers: tuple[Value, ...]

    @classmethod
    def make(cls, b: Lowerer, combiner: Combiner, shape: Sequence[int]) -> Accumulators:
        parts = combiner.accumulator.parts
        return cls(combiner, tuple(b.scratch(memory_type(part), shape) for part in parts))

    @property
    def result(self) -> Value:
        return self.buffers[0]

    def reset(self, b: Lowerer, at: Sequence[Index]) -> None:
        self.write(b, self.combiner.accumulator.start(b), at)

    def take(self, b: Lowerer, values: Sequence[Value], at: Sequence[Index]) -> None:
        """Combine some values into the accumulator at a place."""
        self.write(b, self.combiner.accumulator.take(b, self.read(b, at), values), at)

    def put(self, b: Lowerer, other: Sequence[Value], at: Sequence[Index]) -> None:
        """Combine what another accumulator keeps into that at a place."""
        self.write(b, self.combiner.accumulator.join(b, self.read(b, at), other), at)

    def join(self, b: Lowerer, other: Sequence[Index], at: Sequence[Index]) -> None:
        """Combine the accumulator at one place into that at another."""
        self.put(b, self.read(b, other), at)

    def value(self, b: Lowerer, at: Sequence[Index]) -> Value:
        return cast(Value, self.combiner.accumulator.value(b, self.read(b, at)))

    def read(self, b: Lowerer, at: Sequence[Index]) -> list[Value]:
        first, *others = self.buffers
        return [self.combiner.read(b, first, at), *(b.load(buffer, at) for buffer in others)]

    def write(self, b: Lowerer, kept: Sequence[Value], at: Sequence[Index]) -> None:
        for value, buffer in zip(kept[1:], self.buffers[1:], strict=True):
            b.store(value, buffer, at)
        self.combiner.write(b, kept[0], self.buffers[0], at)


@cache
def reduction_for(combiner: str) -> type[Reduction]:
    """The reduction op class with this combiner. Raises KeyError for a name no op class has."""
    for definition in REGISTRY.values():
        if issubclass(definition, Reduction) and definition.combiner == combiner:
            return definition
    raise KeyError(combiner)


def reset(b: Lowerer, parts: Sequence[Accumulators], width: Index, level: Sequence[Index] = ()) -> None:
    """`width` accumulators of each result are as of no values."""
    with lanes(b, width) as lane:
        for part in parts:
            part.reset(b, [*level, lane])


def halve(b: Lowerer, parts: Sequence[Accumulators], width: int) -> list[Value]:
    """`width` accumulators of each result, a power of two of them, combined pairwise."""
    fold(b, parts, width, _SCALARS)
    return [_last(b, part, min(width, _SCALARS)) for part in parts]


def fold(b: Lowerer, parts: Sequence[Accumulators], width: int, until: int) -> None:
    """`width` accumulators of each result combined pairwise until so many are left."""
    while width > until:
        width //= 2
        with lanes(b, width) as lane:
            for part in parts:
                part.join(b, [b.add(lane, width)], [lane])


def _last(b: Lowerer, part: Accumulators, width: int) -> Value:
    """The value of so many accumulators."""
    how = part.combiner.accumulator
    kept = [part.read(b, [lane]) for lane in range(width)]
    while len(kept) > 1:
        half = len(kept) // 2
        kept = [how.join(b, one, other) for one, other in zip(kept, kept[half:], strict=False)]
    return cast(Value, how.value(b, kept[0]))


class Counter:
    """A binary counter of the results of blocks, one stack a result: block `n` comes to lie at the level that
    is the number of ones in n, then as many levels are combined as n ends in ones; the last block combines
    them all, so that the whole is at level 0.
    """

    def __init__(self, b: Lowerer, combiners: Sequence[Combiner], total: Index) -> None:
        self.b = b
        self.combiners = combiners
        self.total = total
        self.stacks = [b.scratch(memory_type(c.element), [LEVELS]) for c in combiners]
        for combiner, stack in zip(combiners, self.stacks, strict=True):
            combiner.write(b, combiner.identity(b), stack, [0])

    def push(self, parts: Sequence[Value], number: Value) -> None:
        """Add block `number`'s results."""
        b = self.b
        level, merges = levels(b, number, self.total)
        with b.for_(0, merges, init=parts) as loop:
            below = b.subi(b.subi(level, loop.iv), b.index(1))
            loop.yield_(
                *(
                    c.combine(b, c.read(b, stack, [below]), value)
                    for c, stack, value in zip(self.combiners, self.stacks, loop.args, strict=True)
                )
            )
        for c, stack, value in zip(self.combiners, self.stacks, loop.results, strict=True):
            c.write(b, value, stack, [b.subi(level, merges)])

    def result(self) -> list[Value]:
        """All blocks together; the identity if there are none."""
        return [
            c.read(self.b, stack, [0]) for c, stack in zip(self.combiners, self.stacks, strict=True)
        ]


def levels(b: Lowerer, number: Value, total: Index) -> tuple[Value, Value]:
    """Where block `number` of `total` lies, and how many levels are combined once it is there."""
    bits = b.index_cast(number, i64)
    following = b.addi(number, b.index(1))
    level = b.index_cast(b.ctpop(bits), index)
    ones = b.index_cast(b.cttz(b.index_cast(following, i64)), index)
    return level, b.select(b.cmpi("eq", following, b.index(total)), level, ones)


def join_parts(b: Lowerer, combiners: Sequence[Combiner], buffers: Sequence[Value], count: Value) -> None:
    """Combine the first `count` rows of buffers pairwise into row 0: neighbours, then pairs, and so on. A row
    is one value, or an axis of values.
    """
    widths = b.dims(buffers[0])[1:]
    with b.while_([b.index(1)]) as loop:
        (step,) = loop.args
        loop.condition(b.cmpi("slt", step, count), step)
        with loop.do() as (step,):
            twice = b.addi(step, step)
            with b.for_(0, b.subi(count, step), twice) as row:
                _join_rows(b, combiners, buffers, widths, row.iv, b.addi(row.iv, step))
            loop.yield_(twice)


def _join_rows(
    b: Lowerer,
    combiners: Sequence[Combiner],
    buffers: Sequence[Value],
    widths: Sequence[Index],
    row: Value,
    other: Value,
) -> None:
    if not widths:
        for combiner, buffer in zip(combiners, buffers, strict=True):
            combiner.accumulate(b, combiner.read(b, buffer, [other]), buffer, [row])
        return
    with lanes(b, widths[0]) as lane:
        for combiner, buffer in zip(combiners, buffers, strict=True):
            combiner.accumulate(b, combiner.read(b, buffer, [other, lane]), buffer, [row, lane])
