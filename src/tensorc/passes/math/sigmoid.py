"""The logistic function and its integral: sigmoid and softplus, and logaddexp, which is softplus of a
difference.

All go through z = e^-|x| <= 1, so that no intermediate overflows and both tails keep their relative accuracy.
"""

from __future__ import annotations

from tensorc.ops.scalar import S, ScalarBuilder
from tensorc.passes.math.exponential import ScaledPair, exp_pair, limits, reduce, short_expm1
from tensorc.passes.math.hyperbolic import quotient_rest
from tensorc.passes.math.logarithm import ln2, log1p_remainder
from tensorc.passes.math.scalars import at_least, fast_two_sum, format_of, negative_abs, two_sum
from tensorc.passes.math.steps import scaled

ROOT_MINUS_ONE = 0.41421356
"""About sqrt(2) - 1: beyond it log(1 + z) is taken around 2."""


def sigmoid(b: ScalarBuilder[S], x: S) -> S:
    """1 / (1 + e^-x). sigmoid(-inf) = 0, sigmoid(inf) = 1; tiny results stay accurate down into the
    subnormals.

    With e^-|x| = 2^k p: 1 / (1 + 2^k p) for x >= 0, and 2^k (p / (1 + 2^k p)) for x < 0: one quotient for
    both, with a step of correction for what the rounding of the denominator lost.
    """
    fmt = format_of(x)
    one, zero = b.constant(1.0, fmt.type), b.constant(0.0, fmt.type)
    reduced = reduce(b, at_least(b, negative_abs(b, x), limits(fmt).under))
    grown = short_expm1(b, reduced.r)
    power = scaled(b, one, reduced.k)
    d = b.fma(power, grown, b.addf(one, power))
    d_low = b.fma(power, grown, b.subf(power, b.subf(d, one)))
    right = b.cmpf("oge", x, zero)
    n = b.select(right, one, b.addf(one, grown))
    reciprocal = b.divf(one, d)
    guess = b.mulf(n, reciprocal)
    quotient = b.fma(quotient_rest(b, guess, n, d, d_low), reciprocal, guess)
    return scaled(b, quotient, b.select(right, zero, reduced.k))


def log1p_of_pair(b: ScalarBuilder[S], pair: ScaledPair[S]) -> tuple[S, S]:
    """log(1 + z) for 0 <= z <= 1 given in parts, as (high, low); high is 0 or ln 2."""
    fmt = format_of(pair.high)
    high, low = ln2(fmt)
    half, zero = b.constant(0.5, fmt.type), b.constant(0.0, fmt.type)
    p, p_low = fast_two_sum(b, pair.high, pair.low)
    z, z_low = scaled(b, p, pair.k), scaled(b, p_low, pair.k)
    upper = b.cmpf("ogt", z, b.constant(ROOT_MINUS_ONE, fmt.type))
    f = b.select(upper, b.fma(z, half, b.constant(-0.5, fmt.type)), z)
    f_low = b.select(upper, b.fma(z_low, half, b.constant(low, fmt.type)), z_low)
    # The derivative of log(1 + f) at f, near 1, is left off f_low: it would move the result by less than 0.2
    # ulp.
    rest = b.addf(f, b.addf(log1p_remainder(b, f), f_low))
    return b.select(upper, b.constant(high, fmt.type), zero), rest


def softplus(b: ScalarBuilder[S], x: S) -> S:
    """log(1 + e^x). softplus(-inf) = 0, softplus(inf) = inf; tiny results stay accurate."""
    zero = b.constant(0.0, x.type)
    high, low = log1p_of_pair(b, exp_pair(b, negative_abs(b, x)))
    positive = b.select(b.cmpf("olt", x, zero), zero, x)
    return b.addf(positive, b.addf(high, low))


def logaddexp(b: ScalarBuilder[S], x: S, y: S) -> S:
    """log(e^x + e^y) = max + log1p(e^-|x-y|), within 2 ulp of the largest of |max|, the logarithm, and
    |result|.

    Where max is negative and the result passes through 0, the two terms cancel and their rounding remains;
    every formula in working precision has this, NumPy's too. Equal infinities give themselves, NaN gives NaN.
    """
    zero = b.constant(0.0, x.type)
    swap = b.cmpf("ogt", x, y)
    larger, smaller = b.select(swap, x, y), b.select(swap, y, x)
    difference, lost = two_sum(b, smaller, b.negf(larger))
    difference = b.select(b.cmpf("oeq", x, y), zero, difference)
    # What the subtraction lost counts where max is small and the result smaller; beyond overflow it is not a
    # number.
    small = b.cmpf("olt", b.absf(lost), b.constant(1.0, x.type))
    high, low = log1p_of_pair(b, exp_pair(b, difference, b.select(small, lost, zero)))
    # A NaN in x alone is not in `larger`, but it is in the difference.
    return b.addf(larger, b.addf(high, low))
