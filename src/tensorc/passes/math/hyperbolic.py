"""sinh, cosh and tanh.

With |x| = k ln 2 + r, sinh |x| = A cosh r + B sinh r and cosh |x| = B cosh r + A sinh r, where A and B are
2^(k-1) -+ 2^(-k-1): no division, and nothing cancels, since A is 0 for k = 0.

tanh: with -2|x| = k ln 2 + r and t = expm1(r), tanh|x| = ((1 - 2^k) - 2^k t) / ((1 + 2^k) + 2^k t). Powers
and their sums are exact wherever they count, so that numerator and denominator are rounded once each, and a
step of correction takes back what the denominator lost.
"""

from __future__ import annotations

from tensorc.ops.scalar import S, ScalarBuilder
from tensorc.passes.math.exponential import Reduced, reduce, short_expm1
from tensorc.passes.math.inverse_constants import COSH_F32, COSH_F64, SINH_F32, SINH_F64
from tensorc.passes.math.scalars import (
    BINARY32,
    at_least,
    at_most,
    exponent_field,
    fast_two_sum,
    format_of,
    horner,
    negative_abs,
)

SATURATED = {23: 10.0, 52: 22.0}
"""tanh(x) rounds to 1 from here on, by fraction digits."""

OVERFLOWN = {23: 89.5, 52: 710.6}
"""sinh(x) and cosh(x) overflow before, and 2^(k-2) does not yet."""


def quotient_rest(b: ScalarBuilder[S], guess: S, n: S, d: S, d_low: S) -> S:
    """n - guess (d + d_low)."""
    minus_guess = b.negf(guess)
    return b.fma(minus_guess, d_low, b.fma(minus_guess, d, n))


def tanh(b: ScalarBuilder[S], x: S) -> S:
    """tanh x. tanh(+-0) = +-0, tanh(+-inf) = +-1."""
    fmt = format_of(x)
    one = b.constant(1.0, fmt.type)
    inside = at_least(b, negative_abs(b, x), -SATURATED[fmt.digits])
    reduced = reduce(b, b.addf(inside, inside), fmt.bias)
    power = exponent_field(b, reduced.shifted, fmt)
    grown = short_expm1(b, reduced.r)
    minus_power, difference = b.negf(power), b.subf(one, power)
    n = b.fma(minus_power, grown, difference)
    d = b.fma(power, grown, b.addf(one, power))
    d_low = b.fma(power, grown, b.subf(power, b.subf(d, one)))
    reciprocal = b.divf(one, d)
    guess = b.mulf(n, reciprocal)
    rest = quotient_rest(b, guess, n, d, d_low)
    if fmt is not BINARY32:
        # What the numerator lost could make 2 ulp; in float32 it makes no more than 1.74.
        rest = b.addf(rest, b.fma(minus_power, grown, b.subf(difference, n)))
    return b.copysign(b.fma(rest, reciprocal, guess), x)


def halves(b: ScalarBuilder[S], reduced: Reduced[S]) -> tuple[S, S, S]:
    """2^(k-2) and +-2^(-k-2), which make A/2 and B/2; `shifted` holds k - 2 + bias.

    2^(2-k) is 0 instead of subnormal, which no longer counts.
    """
    fmt = format_of(reduced.r)
    power = exponent_field(b, reduced.shifted, fmt)
    inverse = exponent_field(b, b.subi(b.constant(2 * fmt.bias, fmt.bits), reduced.shifted), fmt)
    small = b.mulf(inverse, b.constant(0.0625, fmt.type))
    return power, small, b.negf(small)


def combine(b: ScalarBuilder[S], reduced: Reduced[S], power: S, small: S, opposite: S) -> S:
    """2 (even cosh(r + tail) + odd sinh(r + tail)) with even = power + small, odd = power + opposite."""
    r = reduced.r
    sinh, cosh = (SINH_F32, COSH_F32) if format_of(r) is BINARY32 else (SINH_F64, COSH_F64)
    even, even_low = fast_two_sum(b, power, small)
    odd = b.addf(power, opposite)
    z = b.mulf(r, r)
    sinh_rest = b.fma(b.mulf(r, z), horner(b, z, sinh), reduced.tail)
    cosh_rest = b.mulf(z, horner(b, z, cosh))
    head = b.fma(odd, r, even)
    lost = b.addf(b.fma(odd, r, b.subf(even, head)), even_low)
    half = b.addf(head, b.fma(odd, sinh_rest, b.fma(even, cosh_rest, lost)))
    return b.addf(half, half)


def sinh(b: ScalarBuilder[S], x: S) -> S:
    """sinh x. sinh(+-0) = +-0, sinh(+-inf) = +-inf."""
    fmt = format_of(x)
    magnitude = b.absf(x)
    reduced = reduce(b, at_most(b, magnitude, OVERFLOWN[fmt.digits]), fmt.bias - 2)
    power, small, minus_small = halves(b, reduced)
    result = combine(b, reduced, power, minus_small, small)
    # Where x is its own result, halving could drop its last bit (subnormals).
    own = b.cmpf("olt", magnitude, b.constant(fmt.tiny, fmt.type))
    return b.copysign(b.select(own, x, result), x)


def cosh(b: ScalarBuilder[S], x: S) -> S:
    """cosh x. cosh(+-inf) = inf."""
    fmt = format_of(x)
    reduced = reduce(b, at_most(b, b.absf(x), OVERFLOWN[fmt.digits]), fmt.bias - 2)
    power, small, minus_small = halves(b, reduced)
    return combine(b, reduced, power, small, minus_small)
