"""Division of all lanes by one number, correctly rounded, in half the time of a division.

What depends on the divisor `s` alone is computed once, where `s` is: `zh`, which is 1/s rounded, and `zl`,
the rest of 1/s. Then of every `x`, with fused multiply-adds:

    q = fma(x, zh, x * zl)      within an ulp of x/s: x * (zh + zl) has twice the digits
    r = fma(-q, s, x)           exact
    fma(r, zh, q)               x/s, rounded once

The last step is Markstein's theorem (Muller et al., Handbook of Floating-Point Arithmetic, section 4.7), the
first one is from Brisebarre, Muller and Raina (Accelerating Correctly Rounded Floating-Point Division when
the Divisor Is Known in Advance, IEEE Transactions on Computers 53, 2004). Both hold as long as nothing
overflows or loses digits below the normal numbers: for divisors and quotients of ordinary size. Where a lane
leaves that range, all are divided; zeros keep their signs and stay.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Final

from tensorc.ir.core import Operation, Value
from tensorc.ir.types import FloatType, IntegerType, ScalarType, VectorType, f32, f64
from tensorc.ops.loops import arith, vector
from tensorc.ops.loops.builder import LoopBuilder

LIMITS: Final = {f32: (20, 100, 120), f64: (100, 900, 1000)}
"""Exponents: divisors within 2 ** -a and 2 ** a; |x| and |x/s| within 2 ** -b and 2 ** c. So the products of
the last digits of q and s are multiples of the least number, and rounding x * zl below the normal numbers
is less than what its last digit is.
"""


def divides(op: Operation, kinds: Container[Value]) -> bool:
    """Whether an op of a loop's body, whose values `kinds` has, divides by a number that is computed outside.
    """
    if not op.isa(arith.DivF) or op.result.type not in LIMITS:
        return False
    divisor = op.operands[1]
    return divisor not in kinds and divisor.owner is not None and not divisor.owner.isa(arith.Constant)


@dataclass(frozen=True)
class Divisor:
    """What is kept of one divisor. |x| is ordinary if its bits less `least` are at most `span`, as unsigned
    numbers; `zero` is 0, or NaN where nothing is ordinary.
    """

    value: Value
    inverse: Value
    rest: Value
    least: Value
    span: Value
    zero: Value

    def spread(self, b: LoopBuilder, lanes: int) -> Divisor:
        """The same in all lanes of vectors."""

        def everywhere(part: Value) -> Value:
            assert isinstance(part.type, ScalarType)
            kind = VectorType((lanes,), part.type)
            return b.create_op(vector.Broadcast, [part], results=[kind]).result

        parts = (self.value, self.inverse, self.rest, self.least, self.span, self.zero)
        return Divisor(*map(everywhere, parts))

    def quotient(self, b: LoopBuilder, x: Value) -> tuple[Value, Value]:
        """`x` over the divisor, and the lanes where that is not so. Of a divisor in all lanes."""
        near = b.fma(x, self.inverse, b.mulf(x, self.rest))
        left = b.fma(b.negf(near), self.value, x)
        found = b.copysign(b.fma(left, self.inverse, near), x)
        past = b.subi(b.bitcast(b.absf(x), self.least.type), self.least)
        return found, b.andi(b.cmpi("ugt", past, self.span), b.cmpf("une", x, self.zero))


def prepare(s: Value) -> Divisor:
    """What a divisor of type f32 or f64 needs, built right behind its definition."""
    kind, owner = s.type, s.owner
    assert isinstance(kind, FloatType) and owner is not None and owner.block is not None
    b = LoopBuilder(owner.block, owner.next, owner.location)
    size, small, large = LIMITS[kind]
    bits = IntegerType(kind.width)

    def number(exponent: int) -> Value:
        return b.constant(2.0**exponent, kind)

    one = number(0)
    inverse = b.divf(one, s)
    rest = b.mulf(b.fma(b.negf(s), inverse, one), inverse)
    good = b.andi(b.cmpf("oge", s, number(-size)), b.cmpf("ole", s, number(size)))
    least = _greater(b, number(-small), b.mulf(s, number(-small)))
    most = _less(b, number(large), b.mulf(s, number(large)))
    first = b.bitcast(least, bits)
    span = b.subi(b.bitcast(most, bits), first)
    return Divisor(
        s,
        inverse,
        rest,
        b.select(good, first, b.constant(-1, bits)),
        b.select(good, span, b.constant(0, bits)),
        b.select(good, b.constant(0.0, kind), b.constant(float("nan"), kind)),
    )


def _greater(b: LoopBuilder, x: Value, y: Value) -> Value:
    return b.select(b.cmpf("ogt", x, y), x, y)


def _less(b: LoopBuilder, x: Value, y: Value) -> Value:
    return b.select(b.cmpf("olt", x, y), x, y)
