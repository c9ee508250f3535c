"""Combining many values with little error: the blocked pairwise scheme for sums and products of floats.

A block of at most `BLOCK` values is combined in `LANES` independent accumulators (plain loops over the lanes,
so LLVM vectorises them without reassociating anything), then by halving; blocks are combined like the digits
of a binary counter, which is pairwise summation (Higham, Accuracy and Stability of Numerical Algorithms,
section 4.2). Depth: BLOCK / LANES + log2(LANES) + log2(n / BLOCK) additions, as NumPy's `pairwise_sum`. The
order depends on extents only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from tensorc.ir.core import Value
from tensorc.ir.definition import REGISTRY
from tensorc.ir.types import FloatType, ScalarType, i1, index
from tensorc.ops.families import Reduction
from tensorc.ops.loops.base import memory_type, register_type
from tensorc.ops.loops.nests import rolled
from tensorc.passes.lowering.nest import Index, Lowerer

LANES: Final = 64
WAYS: Final = 8
BLOCK: Final = 1024
SHORT: Final = 16
LEVELS: Final = 40


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

    def combine(self, b: Lowerer, a: Value, x: Value) -> Value:
        joined: Value = self.definition.combine(b, self.element, a, x)
        return joined

    def read(self, b: Lowerer, buffer: Value, indices: Sequence[Index]) -> Value:
        """An accumulator in memory as a register value."""
        value = b.load(buffer, indices)
        return b.to_bool(value) if self.element == i1 else value

    def write(self, b: Lowerer, value: Value, buffer: Value, indices: Sequence[Index]) -> None:
        b.store(b.from_bool(value) if self.element == i1 else value, buffer, indices)


@cache
def reduction_for(combiner: str) -> type[Reduction]:
    """The reduction op class with this combiner. Raises KeyError for a name no op class has."""
    for definition in REGISTRY.values():
        if issubclass(definition, Reduction) and definition.combiner == combiner:
            return definition
    raise KeyError(combiner)


class Counter:
    """A binary counter of partial results, one stack a result; `width` lanes a stack entry (0: scalars)."""

    def __init__(self, b: Lowerer, combiners: Sequence[Combiner], width: int = 0) -> None:
        self.b = b
        self.combiners = combiners
        self.width = width
        shape = [LEVELS, width] if width else [LEVELS]
        self.stacks = [b.scratch(memory_type(c.element), shape) for c in combiners]

    def push(self, parts: Sequence[Value], count: Value) -> Value:
        """Add one block's results (scalars); `count` blocks are in already. Returns the new count."""
        b = self.b
        with b.while_([count, b.index(0), *parts]) as loop:
            rest, level, *values = loop.args
            odd = b.cmpi("ne", b.andi(rest, b.index(1)), b.index(0))
            loop.condition(odd, rest, level, *values)
            with loop.do() as (rest, level, *values):
                joined = [
                    c.combine(b, c.read(b, s, [level]), v)
                    for c, s, v in zip(self.combiners, self.stacks, values, strict=True)
                ]
                loop.yield_(b.shrui(rest, b.index(1)), b.addi(level, b.index(1)), *joined)
        _, level, *kept = loop.results
        for c, stack, value in zip(self.combiners, self.stacks, kept, strict=True):
            c.write(b, value, stack, [level])
        return b.addi(count, b.index(1))

    def total(self, count: Value) -> list[Value]:
        """All blocks together (scalars); the identity when there are none."""
        b = self.b
        start = [c.identity(b) for c in self.combiners]
        with b.while_([count, b.index(0), *start]) as loop:
            rest, level, *values = loop.args
            loop.condition(b.cmpi("ne", rest, b.index(0)), rest, level, *values)
            with loop.do() as (rest, level, *values):
                odd = b.cmpi("ne", b.andi(rest, b.index(1)), b.index(0))
                with b.if_(odd, [v.type for v in values]) as branch:
                    branch.yield_(
                        *(
                            c.combine(b, c.read(b, s, [level]), v)
                            for c, s, v in zip(self.combiners, self.stacks, values, strict=True)
                        )
                    )
                with branch.else_():
                    branch.yield_(*values)
                loop.yield_(b.shrui(rest, b.index(1)), b.addi(level, b.index(1)), *branch.results)
        return list(loop.results[2:])

    def push_lanes(self, parts: Sequence[Value], count: Value, lanes: Index) -> Value:
        """`push` for buffers of `lanes` partial results; the buffers are overwritten."""
        b = self.b
        with b.while_([count, b.index(0)]) as loop:
            rest, level = loop.args
            loop.condition(b.cmpi("ne", b.andi(rest, b.index(1)), b.index(0)), rest, level)
            with loop.do() as (rest, level):
                self._join(parts, level, lanes)
                loop.yield_(b.shrui(rest, b.index(1)), b.addi(level, b.index(1)))
        level = loop.results[1]
        with rolled(b, 0, lanes) as lane:
            for stack, part in zip(self.stacks, parts, strict=True):
                b.store(b.load(part, [lane]), stack, [level, lane])
        return b.addi(count, b.index(1))

    def total_lanes(self, parts: Sequence[Value], count: Value, lanes: Index) -> None:
        """All blocks together, left in the buffers `parts`."""
        b = self.b
        fill(b, self.combiners, parts, lanes)
        with b.while_([count, b.index(0)]) as loop:
            rest, level = loop.args
            loop.condition(b.cmpi("ne", rest, b.index(0)), rest, level)
            with loop.do() as (rest, level):
                with b.if_(b.cmpi("ne", b.andi(rest, b.index(1)), b.index(0))):
                    self._join(parts, level, lanes)
                loop.yield_(b.shrui(rest, b.index(1)), b.addi(level, b.index(1)))

    def _join(self, parts: Sequence[Value], level: Value, lanes: Index) -> None:
        b = self.b
        with rolled(b, 0, lanes) as lane:
            for combiner, stack, part in zip(self.combiners, self.stacks, parts, strict=True):
                earlier = combiner.read(b, stack, [level, lane])
                joined = combiner.combine(b, earlier, combiner.read(b, part, [lane]))
                combiner.write(b, joined, part, [lane])


def fill(b: Lowerer, combiners: Sequence[Combiner], parts: Sequence[Value], lanes: Index) -> None:
    """Identities into `lanes` accumulators."""
    with rolled(b, 0, lanes) as lane:
        for combiner, part in zip(combiners, parts, strict=True):
            combiner.write(b, combiner.identity(b), part, [lane])


def gather_lanes(b: Lowerer, combiners: Sequence[Combiner], parts: Sequence[Value]) -> list[Value]:
    """The `LANES` accumulators of each result combined pairwise: a loop over `WAYS` neighbours, then them."""
    with rolled(b, 0, WAYS) as lane:
        for combiner, part in zip(combiners, parts, strict=True):
            places = [b.add(lane, start) for start in range(0, LANES, WAYS)]
            values = [combiner.read(b, part, [place]) for place in places]
            combiner.write(b, _pairwise(b, combiner, values), part, [lane])
    return [
        _pairwise(b, c, [c.read(b, part, [lane]) for lane in range(WAYS)])
        for c, part in zip(combiners, parts, strict=True)
    ]


def _pairwise(b: Lowerer, combiner: Combiner, values: list[Value]) -> Value:
    while len(values) > 1:
        half = len(values) // 2
        values = [combiner.combine(b, values[k], values[k + half]) for k in range(half)]
    return values[0]


def start_count(b: Lowerer) -> Value:
    return b.constant(0, index)
