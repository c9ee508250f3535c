"""tanh.

With 2|x| = k ln 2 + r and t = expm1(r), tanh|x| = ((1 - 2^-k) + t) / ((1 + 2^-k) + t). Both sums are kept as
high + low and the quotient gets one correction step with the reciprocal at hand, so that the result is nearly
correctly rounded although the two sums are not (T. J. Dekker, 1971, for the parts; J.-M. Muller et al.,
Handbook of Floating-Point Arithmetic, 2nd ed., section 4.7, for the corrected quotient).
"""

from __future__ import annotations

from tensorc.ops.scalar import S, ScalarBuilder
from tensorc.passes.math.exponential import exp_remainder, reduce
from tensorc.passes.math.scalars import at_most, exponent_field, fast_two_sum, format_of

SATURATED = {23: 10.0, 52: 22.0}
"""tanh(x) rounds to 1 from here on, by fraction digits."""


def corrected_quotient(b: ScalarBuilder[S], n: S, n_low: S, d: S, d_low: S) -> S:
    """(n + n_low) / (d + d_low), for parts that need not be normalised; one division."""
    reciprocal = b.divf(b.constant(1.0, n.type), b.addf(d, d_low))
    guess = b.mulf(n, reciprocal)
    minus_guess = b.negf(guess)
    remainder = b.fma(minus_guess, d_low, b.addf(b.fma(minus_guess, d, n), n_low))
    return b.fma(remainder, reciprocal, guess)


def sum_of_three(b: ScalarBuilder[S], one: S, power: S, r: S, rest: S) -> tuple[S, S]:
    """1 + power + r + rest as (high, low); where 1 + power is inexact, tanh is near 1 and would show it."""
    base, lost = fast_two_sum(b, one, power)
    high, low = fast_two_sum(b, base, r)
    return high, b.addf(b.addf(low, rest), lost)


def tanh(b: ScalarBuilder[S], x: S) -> S:
    """tanh x. tanh(+-0) = +-0, tanh(+-inf) = +-1."""
    fmt = format_of(x)
    one = b.constant(1.0, fmt.type)
    inside = at_most(b, b.absf(x), SATURATED[fmt.digits])
    reduced = reduce(b, b.addf(inside, inside), 0)
    rest = exp_remainder(b, reduced.r, reduced.tail)
    shrink = exponent_field(b, b.subi(b.constant(fmt.bias, fmt.bits), reduced.shifted), fmt)
    n, n_low = sum_of_three(b, one, b.negf(shrink), reduced.r, rest)
    d, d_low = sum_of_three(b, one, shrink, reduced.r, rest)
    quotient = corrected_quotient(b, n, n_low, d, d_low)
    return b.copysign(quotient, x)
