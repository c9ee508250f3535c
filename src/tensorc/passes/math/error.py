"""erf and erfc.

erf |x| = -expm1(log erfc |x|), and log erfc a = a (c + a R(a)) with a quotient R of polynomials: where erf is
small, c decides; where it is near 1, errors of the logarithm are multiplied by erfc. The product by a is
carried in two parts.

erfc a = e^(-a^2) (1 + a R(a)) / (1 + 2 a) for a >= 0 (M. M. Shepherd and J. G. Laframboise, Chebyshev
approximation of (1 + 2x) exp(x^2) erfc x in 0 <= x < infinity, Mathematics of Computation 36, 1981), with
another R; a R(a) is within 0 and 0.29, so that its errors count a quarter. The square, the exponential and
the numerator are carried in two parts; the power of two comes last, so that subnormal results are rounded
once.

The coefficients of each numerator and denominator have one sign: nothing cancels. A quotient takes fewer
operations than a polynomial, and dividers work beside the multipliers.
"""

from __future__ import annotations

from tensorc.ops.scalar import S, ScalarBuilder
from tensorc.passes.math.error_constants import (
    ERF_F32_D,
    ERF_F32_N,
    ERF_F64_D,
    ERF_F64_N,
    ERFC_F32_D,
    ERFC_F32_N,
    ERFC_F64_D,
    ERFC_F64_N,
    SLOPE_F32,
    SLOPE_F64,
)
from tensorc.passes.math.exponential import ScaledPair, exp_remainder, reduce_once
from tensorc.passes.math.scalars import (
    BINARY32,
    at_most,
    even_odd,
    exponent_field,
    fast_two_sum,
    format_of,
    horner,
)
from tensorc.passes.math.steps import scaled

FULL = {23: 3.95, 52: 5.9}
"""erf(x) rounds to 1 before, by fraction digits."""

GONE = {23: 10.2, 52: 27.3}
"""erfc(x) rounds to 0 before."""


def log_erfc(b: ScalarBuilder[S], a: S) -> tuple[S, S]:
    """log erfc a for 0 <= a <= FULL, high + low; the error is relative to erf a."""
    single = format_of(a) is BINARY32
    slope, slope_low = (b.constant(c, a.type) for c in (SLOPE_F32 if single else SLOPE_F64))
    coefficients = (ERF_F32_N, ERF_F32_D) if single else (ERF_F64_N, ERF_F64_D)
    if single:
        over, under = (horner(b, a, c) for c in coefficients)
    else:
        square = b.mulf(a, a)
        over, under = (even_odd(b, a, square, c) for c in coefficients)
    tail = b.divf(over, under)
    ratio = b.fma(a, tail, slope)
    log = b.mulf(a, ratio)
    log_low = b.fma(a, ratio, b.negf(log))
    if not single:
        return log, log_low
    # The slope is close to a double by chance, but far from a single; what `ratio` lost goes with it.
    ratio_low = b.addf(b.fma(a, tail, b.subf(slope, ratio)), slope_low)
    return log, b.fma(a, ratio_low, log_low)


def erf(b: ScalarBuilder[S], x: S) -> S:
    """The error function. erf(+-0) = +-0, erf(+-inf) = +-1."""
    fmt = format_of(x)
    log, log_low = log_erfc(b, at_most(b, b.absf(x), FULL[fmt.digits]))
    reduced = reduce_once(b, log, log_low, fmt.bias)
    scale = exponent_field(b, reduced.shifted, fmt)
    grown = b.addf(reduced.r, exp_remainder(b, reduced.r, reduced.tail))
    # 2^k e^r - 1 with k <= 0: the difference is exact, and errors of `grown` are divided by 2^-k.
    value = b.fma(scale, grown, b.subf(scale, b.constant(1.0, fmt.type)))
    return b.copysign(value, x)


def bell(b: ScalarBuilder[S], a: S, square: S) -> ScaledPair[S]:
    """e^(-a^2) for 0 <= a <= GONE and a rounded square."""
    fmt = format_of(a)
    reduced = reduce_once(b, b.negf(square), b.fma(b.negf(a), a, square), 0)
    high, low = fast_two_sum(b, b.constant(1.0, fmt.type), reduced.r)
    low = exp_remainder(b, reduced.r, low)
    low = b.fma(b.addf(high, low), reduced.tail, low)
    return ScaledPair(high, low, reduced.k)


def erfc(b: ScalarBuilder[S], x: S) -> S:
    """1 - erf(x), accurate for large x. erfc(-inf) = 2, erfc(inf) = 0, subnormal results are kept."""
    fmt = format_of(x)
    single = fmt is BINARY32
    a = at_most(b, b.absf(x), GONE[fmt.digits])
    square = b.mulf(a, a)
    coefficients = (ERFC_F32_N, ERFC_F32_D) if single else (ERFC_F64_N, ERFC_F64_D)
    over, under = (even_odd(b, a, square, c) for c in coefficients)
    one, two = b.constant(1.0, fmt.type), b.constant(2.0, fmt.type)
    d = b.fma(a, two, one)
    d_low = b.fma(a, two, b.subf(one, d))
    reciprocal = b.divf(one, d)
    part = b.divf(b.mulf(a, over), under)
    # (1 + part) / d, and what its rounding lost: 1 - guess d is close to -part.
    guess = b.fma(part, reciprocal, reciprocal)
    minus = b.negf(guess)
    rest = b.addf(b.fma(minus, d, one), b.fma(minus, d_low, part))
    pair = bell(b, a, square)
    small = b.fma(pair.high, b.mulf(rest, reciprocal), b.mulf(pair.low, guess))
    quotient = b.fma(pair.high, guess, small)
    value = scaled(b, quotient, pair.k)
    below = b.cmpf("olt", x, b.constant(0.0, fmt.type))
    return b.select(below, b.subf(two, value), value)
