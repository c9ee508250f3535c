"""`unroll`: loops of few, known iterations become straight-line code, the inner ones first.

What it buys: `vectorize` can write a body for all lanes only if there is no loop in it, and sums over an axis
of extent 3 are three additions. Loops that are marked to stay, to become vectors, or to run in parallel are
left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tensorc.ir.clone import clone_into
from tensorc.ir.core import Operation
from tensorc.ops.loops import arith, scf
from tensorc.ops.loops.builder import LoopBuilder
from tensorc.ops.loops.fold import constant_value
from tensorc.ops.loops.nests import LANES, PARALLEL, ROLLED


@dataclass(frozen=True)
class Unroll:
    """Loops of at most `trips` iterations that become at most `ops` ops."""

    name: ClassVar[str] = "unroll"
    trips: int = 8
    ops: int = 96

    def run(self, module: Operation) -> None:
        """Rewrite the module in place."""
        for loop in reversed([op for op in module.walk() if op.isa(scf.For)]):
            numbers = _numbers(loop, self.trips)
            if numbers is not None and len(numbers) * _size(loop) <= self.ops:
                _unroll(loop, numbers)


def _numbers(loop: Operation, most: int) -> range | None:
    """The values of the induction variable, if they are few and known."""
    if any(mark in loop.attributes for mark in (LANES, PARALLEL, ROLLED)):
        return None
    bounds = [constant_value(v) for v in loop.operands[:3]]
    if any(n is None for n in bounds) or bounds[2] < 1:
        return None
    numbers = range(*map(int, bounds))
    return numbers if len(numbers) <= most else None


def _size(loop: Operation) -> int:
    """Ops of the body that machine code is made of."""
    return sum(1 for op in loop.walk() if not op.isa(arith.Constant)) - 1


def _unroll(loop: Operation, numbers: range) -> None:
    assert loop.block is not None
    b = LoopBuilder(loop.block, loop, loop.location)
    kind = loop.operands[0].type
    carried = list(loop.operands[3:])
    for number in numbers:
        with b.located(loop.location):
            at = b.constant(number, kind)
        carried = clone_into(loop.regions[0].block, [at, *carried], loop.block, loop)
    for result, value in zip(loop.results, carried, strict=True):
        result.replace_all_uses_with(value)
    loop.erase()
