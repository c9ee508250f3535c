"""`vectorize`: loops marked `tensorc.lanes` (`ops/loops/nests.py`) become vector code.

| trip count | code |
|---|---|
| known and small, or bounded | straight-line, masked where it does not fill the vectors |
| any, light body | a loop of full vectors, then a loop of masked ones |
| any, heavy body | one loop of masked vectors |

`lanes.py` tells what each value of a body is in a vector: the same in all lanes, an index that grows from
lane to lane, or anything. A body it does not know stays a loop. The order in which a lane computes is not
changed, and lanes are independent, so results are bit for bit those of the loop.

How wide: `bits` hold one lane each of the widest type the body computes with; light bodies, which wait for
memory or for chains of dependent instructions, take several registers at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from tensorc.ir.attributes import UNIT
from tensorc.ir.builtin import Call
from tensorc.ir.core import Operation, Value
from tensorc.ir.types import FloatType, IndexType, IntegerType, i1
from tensorc.ops.loops import arith, scf
from tensorc.ops.loops.base import lane, width
from tensorc.ops.loops.builder import Index, LoopBuilder
from tensorc.ops.loops.fold import constant_value
from tensorc.ops.loops.nests import LANES, ROLLED
from tensorc.passes.lanes import Kind, VectorBody, classify

REGISTERS: Final = ((10, 4), (32, 2))
"""(ops of a body, registers at once): up to so many ops so many registers; beyond, one."""
HEAVY: Final = 48
"""Ops of a body from which on it is written once only."""
CALL: Final = 16
"""How many ops a call counts for."""
STRAIGHT: Final = 128
"""Ops of straight-line code that a loop of few iterations may become."""


@dataclass(frozen=True)
class Vectorize:
    """Vectors of `bits` bits."""

    name: ClassVar[str] = "vectorize"
    bits: int = 512

    def run(self, module: Operation) -> None:
        """Rewrite the module in place."""
        for op in [op for op in module.walk() if op.isa(scf.For) and LANES in op.attributes]:
            kinds = classify(op)
            if kinds is not None:
                _Loop(op, kinds, self.bits).vectorize()


class _Loop:
    """One loop and the shape of the code it becomes."""

    def __init__(self, op: Operation, kinds: dict[Value, Kind], bits: int) -> None:
        assert op.block is not None
        self.op = op
        self.kinds = kinds
        self.b = LoopBuilder(op.block, op, op.location)
        self.weight = sum([_weight(inner, kinds) for inner in op.regions[0].block])
        self.lanes = max(1, bits // self._widest())
        self.width = self.lanes * next((n for ops, n in REGISTERS if self.weight <= ops), 1)

    def _widest(self) -> int:
        """Bits of the widest type in the lanes; truth values and indices follow the others."""
        varying = [v.type for v, kind in self.kinds.items() if kind is Kind.VARYING]
        read = [v.type for op in self.op.regions[0].block for v in op.operands]
        types = {id(t): lane(t) for t in varying} | {id(t): t for t in read}
        counted = [t for t in types.values() if isinstance(t, FloatType | IntegerType) and t != i1]
        return max((width(t) for t in counted), default=64)

    def vectorize(self) -> None:
        lower, upper, _ = (_number(v) for v in self.op.operands)
        most = self._most(lower, upper)
        if most is not None and self._straight(most):
            self._few(lower, upper, most)
        elif self.weight > HEAVY:
            self._masked(lower, upper, self.lanes)
        else:
            self._masked(self._full(lower, upper), upper, self.lanes)
        self.op.erase()

    def _most(self, lower: Index, upper: Index) -> int | None:
        """A bound on the number of iterations: `upper` is a number, or `minsi` of one."""
        if not isinstance(lower, int):
            return None
        if isinstance(upper, int):
            return max(0, upper - lower)
        op = upper.defining(arith.MinSI)
        bounds = [] if op is None else [n for n in map(_number, op.operands) if isinstance(n, int)]
        return max(0, min(bounds) - lower) if bounds else None

    def _straight(self, most: int) -> bool:
        """Whether `most` iterations are written out."""
        return -(-most // self.width) * self.weight <= STRAIGHT and most <= 8 * self.width

    def _few(self, lower: Index, upper: Index, most: int) -> None:
        b, done = self.b, 0
        while done < most:
            lanes = min(self.width, _power(most - done))
            left = b.sub(upper, b.add(lower, done))
            whole = isinstance(left, int) and left >= lanes
            self._step(b.add(lower, done), lanes, None if whole else left)
            done += lanes

    def _full(self, lower: Index, upper: Index) -> Index:
        """A loop of whole vectors; gives where it ends."""
        b = self.b
        rest = b.andi(b.index(b.sub(upper, lower)), b.index(self.width - 1))
        end = b.maximum(lower, b.sub(upper, rest))  # upper may lie below lower
        self._rolled(lower, end, self.width, masked=False)
        return end

    def _masked(self, lower: Index, upper: Index, lanes: int) -> None:
        self._rolled(lower, upper, lanes, masked=True)

    def _rolled(self, lower: Index, upper: Index, lanes: int, masked: bool) -> None:
        with self.b.for_(lower, upper, lanes) as loop:
            loop.op.set_attribute(ROLLED, UNIT)
            self._step(loop.iv, lanes, self.b.sub(upper, loop.iv) if masked else None)

    def _step(self, first: Index, lanes: int, active: Index | None) -> None:
        """The body for `lanes` iterations from `first` on; of them the first `active` ones, if not all."""
        ahead = active is None or self.weight > HEAVY
        VectorBody(self.b, self.kinds, lanes, active, ahead).write(self.op, self.b.index(first))


def _weight(op: Operation, kinds: dict[Value, Kind]) -> int:
    """Instructions of an op that every lane computes."""
    if op.definition is arith.Constant or all([kinds[r] is not Kind.VARYING for r in op.results]):
        return 0
    return CALL if op.isa(Call) else 1


def _number(value: Value) -> Index:
    """The integer an index is known to be, or the index."""
    known = constant_value(value) if isinstance(value.type, IndexType) else None
    return value if known is None else int(known)


def _power(n: int) -> int:
    """The least power of two from `n` on."""
    return 1 << (n - 1).bit_length() if n > 1 else 1
