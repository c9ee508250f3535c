"""erf and erfc.

erf |x| = -expm1(log erfc |x|), and log erfc a = a (c + a p(a)) with a polynomial p: where erf is small, c
decides; where it is near 1, errors of the logarithm are multiplied by erfc. The logarithm is carried in two
parts.

erfc a = e^(-a^2) F / (1 + 2 a) for a >= 0 (M. M. Shepherd and J. G. Laframboise, Chebyshev approximation of
(1 + 2x) exp(x^2) erfc x in 0 <= x < infinity, Mathematics of Computation 36, 1981), where
F = 1 + s p(s - 3/2), s = 2 a / (a + 4), is within 1 and 1.3. The square is carried in two parts; 2^k comes
last, so that subnormal results are rounded once.
"""

from __future__ import annotations

from tensorc.ops.scalar import S, ScalarBuilder
from tensorc.passes.math.error_constants import ERF_F32, ERF_F64, ERFC_F32, ERFC_F64, SLOPE_F32, SLOPE_F64
from tensorc.passes.math.exponential import exp_pair, exp_remainder, reduce_once
from tensorc.passes.math.scalars import (
    BINARY32,
    at_least,
    at_most,
    exponent_field,
    fast_two_sum,
    format_of,
    quarters,
)

FULL = {23: 3.95, 52: 5.9}
"""erf(x) rounds to 1 before, by fraction digits."""

GONE = {23: 10.5, 52: 27.5}
"""erfc(x) rounds to 0 before."""


CENTRE = 1.5
"""Of the polynomial in s, which reaches 1.75; where s is small, errors of the polynomial are, too."""


def log_erfc(b: ScalarBuilder[S], a: S) -> tuple[S, S]:
    """log erfc a for 0 <= a <= FULL, high + low; the error is relative to erf a."""
    single = format_of(a) is BINARY32
    slope, slope_low = (b.constant(c, a.type) for c in (SLOPE_F32 if single else SLOPE_F64))
    tail = quarters(b, a, ERF_F32 if single else ERF_F64)
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
    # 2^k e^r - 1 with k <= 0: the first difference is exact, and errors of `grown` are divided by 2^-k.
    value = b.fma(scale, grown, b.subf(scale, b.constant(1.0, fmt.type)))
    return b.copysign(value, x)


def scaled_parts(b: ScalarBuilder[S], a: S, s: S) -> tuple[S, S]:
    """F = 1 + s p(s - 3/2), high + low."""
    one = b.constant(1.0, a.type)
    coefficients = ERFC_F32 if format_of(a) is BINARY32 else ERFC_F64
    tail = quarters(b, b.subf(s, b.constant(CENTRE, a.type)), coefficients)
    high = b.fma(s, tail, one)
    return high, b.fma(s, tail, b.subf(one, high))


def erfc(b: ScalarBuilder[S], x: S) -> S:
    """1 - erf(x), accurate for large x. erfc(-inf) = 2, erfc(inf) = 0, subnormal results are kept."""
    fmt = format_of(x)
    one = b.constant(1.0, fmt.type)
    a = at_most(b, b.absf(x), GONE[fmt.digits])
    double = b.addf(a, a)
    d, d_low = fast_two_sum(b, at_least(b, double, 1.0), at_most(b, double, 1.0))
    shifted = b.addf(a, b.constant(4.0, fmt.type))
    # One division for both quotients; each is corrected with the reciprocal that it leaves.
    both = b.divf(one, b.mulf(d, shifted))
    s_factor, d_reciprocal = b.mulf(both, d), b.mulf(both, shifted)
    s = b.mulf(double, s_factor)
    s = b.fma(b.fma(b.negf(s), shifted, double), s_factor, s)
    f, f_low = scaled_parts(b, a, s)
    square = b.mulf(a, a)
    minus_square = b.negf(square)
    minus_low = b.fma(b.negf(a), a, square)
    bell = exp_pair(b, minus_square, minus_low)
    n = b.mulf(bell.high, f)
    n_low = b.fma(bell.high, f, b.negf(n))
    n_low = b.fma(bell.low, b.addf(f, f_low), b.fma(bell.high, f_low, n_low))
    guess = b.mulf(n, d_reciprocal)
    minus_guess = b.negf(guess)
    remainder = b.fma(minus_guess, d_low, b.addf(b.fma(minus_guess, d, n), n_low))
    quotient = b.fma(remainder, d_reciprocal, guess)
    value = b.mulf(b.mulf(quotient, bell.first), bell.second)
    below = b.cmpf("olt", x, b.constant(0.0, fmt.type))
    return b.select(below, b.subf(b.constant(2.0, fmt.type), value), value)
