"""`vectorize`: loops marked `tensorc.lanes` (`ops/loops/nests.py`) become vector code.

| trip count | code |
|---|---|
| known and small, or bounded | straight-line, masked where it does not fill the vectors |
| any, light body | a loop of full vectors, then a loop of masked ones |
| any, heavy body | one loop, gone through twice: for full vectors, then for what is left, under a mask |

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
from tensorc.ir.types import FloatType, IndexType, IntegerType, VectorType, i1
from tensorc.ops import transposition
from tensorc.ops.loops import arith, memref, scf, vector
from tensorc.ops.loops.base import lane, power_of_two, width
from tensorc.ops.loops.builder import Index, LoopBuilder
from tensorc.ops.loops.fold import constant_value
from tensorc.ops.loops.nests import LANES, ROLLED, ROUNDS, TRANSPOSES, rolled
from tensorc.passes.lanes import Kind, VectorBody, classify, is_called, is_step, read_and_written
from tensorc.passes.quotients import Divisor, divides, prepare

REGISTERS: Final = ((10, 4), (32, 2), (100, 1), (320, 2))
"""(ops of a body, registers at once): up to so many ops so many registers; beyond, one. A processor looks a
few hundred instructions ahead: past one turn of a body of 100 ops, into the next of a longer one, but not far
enough to fill the time that chains of dependent instructions take. Measured: Black and Scholes' formula, 140
ops, takes three quarters of the time with two registers, functions of up to 100 ops as long as with one.
"""
LIGHT: Final = 32
"""Ops of a body up to which it is written twice: with masks on its loads and stores it would take up to a
fifth longer. Of longer ones, measured, it is one in fifty, and the second body a fourth of LLVM's time.
"""
CALL: Final = 16
"""How many ops a call counts for, but for steps of functions, which are instructions or nearly so."""
QUOTIENT: Final = 12
"""How many ops a division by a number counts for that is known before the loop."""
STRAIGHT: Final = 128
"""Ops of straight-line code that a loop of few iterations may become."""
FEW: Final = 96
"""Instructions of it, where the number of iterations is known and leaves a loop without a tail."""


@dataclass(frozen=True)
class Vectorize:
    """Vectors of `bits` bits."""

    name: ClassVar[str] = "vectorize"
    bits: int = 512

    def run(self, module: Operation) -> None:
        """Rewrite the module in place."""
        for op in [op for op in module.walk() if op.isa(scf.For) and TRANSPOSES in op.attributes]:
            _transpose(op)
        divisors: dict[Value, Divisor] = {}
        for op in [op for op in module.walk() if op.isa(scf.For) and LANES in op.attributes]:
            kinds = classify(op)
            if kinds is not None:
                _Loop(op, kinds, self.bits, divisors).vectorize()


class _Loop:
    """One loop and the shape of the code it becomes."""

    def __init__(
        self, op: Operation, kinds: dict[Value, Kind], bits: int, divisors: dict[Value, Divisor]
    ) -> None:
        assert op.block is not None
        self.op = op
        self.kinds = kinds
        self.divisors = self._divisors(divisors)
        self.b = LoopBuilder(op.block, op, op.location)
        self.weight = sum([_weight(inner, kinds) for inner in op.regions[0].block])
        self.lanes = max(1, bits // self._widest())
        self.width = self.lanes * self._registers()

    def _divisors(self, known: dict[Value, Divisor]) -> list[Divisor]:
        """Of this loop; `known` are those of the function."""
        found = [op.operands[1] for op in self.op.regions[0].block if divides(op, self.kinds)]
        for value in found:
            if value not in known:
                known[value] = prepare(value)
        return [known[value] for value in dict.fromkeys(found)]

    def _registers(self) -> int:
        """How many registers the lanes take."""
        if self.weight > LIGHT and any([is_called(op) for op in self.op.regions[0].block]):
            return 1  # what is called has no more of them
        return next((n for ops, n in REGISTERS if self.weight <= ops), 1)

    def _widest(self) -> int:
        """Bits of the widest type in the lanes; truth values and indices follow the others."""
        varying = [v.type for v, kind in self.kinds.items() if kind is Kind.VARYING]
        read = [v.type for op in self.op.regions[0].block for v in op.operands]
        types = {id(t): lane(t) for t in varying} | {id(t): t for t in read}
        counted = [t for t in types.values() if isinstance(t, FloatType | IntegerType) and t != i1]
        return max((width(t) for t in counted), default=64)

    def vectorize(self) -> None:
        lower, upper, _ = (_number(v) for v in self.op.operands)
        most, exact = self._most(lower, upper), isinstance(upper, int)
        if most is not None and self._straight(most, exact):
            self._few(lower, upper, most)
        elif self.weight > LIGHT:
            self._once(lower, upper)
        else:
            self._main_and_tail(lower, upper)
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

    def _straight(self, most: int, exact: bool) -> bool:
        """Whether `most` iterations are written out. Less readily where that is their number, so that a loop
        is short, too; unless they add to what is on the stack, which values take the place of then
        (`carry.py`).
        """
        weight = max(1, self.weight)  # a body that only stores what is known is code all the same
        if exact and not read_and_written(self.op):
            return -(-most // self.lanes) * weight <= FEW
        return -(-most // self.width) * weight <= STRAIGHT and most <= 8 * self.width

    def _few(self, lower: Index, upper: Index, most: int) -> None:
        b, done = self.b, 0
        while done < most:
            lanes = min(self.width, power_of_two(most - done))
            left = b.sub(upper, b.add(lower, done))
            whole = isinstance(left, int) and left >= lanes
            self._step(b.add(lower, done), lanes, None if whole else left, self._spread(lanes))
            done += lanes

    def _once(self, lower: Index, upper: Index) -> None:
        """Whole vectors, then what is left, in one loop that is gone through twice: its mask is the same for
        all vectors of a round.
        """
        b, lanes = self.b, self.width
        rest, end = self._rest(lower, upper)
        if rest == 0:
            self._rolled(lower, end, lanes, masked=False)
            return
        with b.for_(0, 2) as rounds:
            for mark in (ROLLED, ROUNDS):
                rounds.op.set_attribute(mark, UNIT)
            whole = b.cmpi("eq", rounds.iv, b.index(0))
            first, last, active = (
                b.select(whole, b.index(x), b.index(y))
                for x, y in ((lower, end), (end, upper), (lanes, rest))
            )
            mask = b.create_op(vector.CreateMask, [active], results=[VectorType((lanes,), i1)]).result
            divisors = self._spread(lanes)
            with rolled(b, first, last, lanes) as at:
                body = VectorBody(b, self.kinds, lanes, active, mask, ahead=True, divisors=divisors)
                body.write(self.op, at)

    def _main_and_tail(self, lower: Index, upper: Index) -> None:
        rest, end = self._rest(lower, upper)
        self._rolled(lower, end, self.width, masked=False)
        if rest != 0:
            self._rolled(end, upper, self.lanes, masked=True)

    def _rest(self, lower: Index, upper: Index) -> tuple[Index, Index]:
        """How many iterations whole vectors leave, and where those begin."""
        b = self.b
        if isinstance(lower, int) and isinstance(upper, int):
            rest = max(0, upper - lower) % self.width
            return rest, max(lower, upper - rest)
        some = b.andi(b.index(b.sub(upper, lower)), b.index(self.width - 1))
        return some, b.maximum(lower, b.sub(upper, some))  # upper may lie below lower

    def _rolled(self, lower: Index, upper: Index, lanes: int, masked: bool) -> None:
        divisors = self._spread(lanes)
        with rolled(self.b, lower, upper, lanes, rest=masked) as at:
            self._step(at, lanes, self.b.sub(upper, at) if masked else None, divisors)

    def _spread(self, lanes: int) -> dict[Value, Divisor]:
        """The divisors in all lanes, outside of the loop that uses them."""
        return {divisor.value: divisor.spread(self.b, lanes) for divisor in self.divisors}

    def _step(
        self, first: Index, lanes: int, active: Index | None, divisors: dict[Value, Divisor]
    ) -> None:
        """The body for `lanes` iterations from `first` on; of them the first `active` ones, if not all."""
        body = VectorBody(self.b, self.kinds, lanes, active, ahead=active is None, divisors=divisors)
        body.write(self.op, self.b.index(first))


def _transpose(op: Operation) -> None:
    """A call for a loop that transposes."""
    assert op.block is not None
    loops = list(op.walk())
    source = next(inner.operands[0] for inner in loops if inner.isa(memref.Load))
    target = next(inner.operands[1] for inner in loops if inner.isa(memref.Store))
    transposition.call(LoopBuilder(op.block, op, op.location), source, target)
    op.erase()


def _weight(op: Operation, kinds: dict[Value, Kind]) -> int:
    """Instructions of an op that every lane computes."""
    if op.definition is arith.Constant or all([kinds[r] is not Kind.VARYING for r in op.results]):
        return 0
    if op.isa(Call):
        return 1 if is_step(op) else CALL
    return QUOTIENT if divides(op, kinds) else 1


def _number(value: Value) -> Index:
    """The integer an index is known to be, or the index."""
    known = constant_value(value) if isinstance(value.type, IndexType) else None
    return value if known is None else int(known)
