"""log1mexp.

The two regimes are those of M. Maechler, Accurately computing log(1 - exp(-|a|)) (vignette of the R package
Rmpfr, 2012): log(-expm1(x)) near 0 and log1p(-e^x) further out. Here they share one exponential and one
logarithm: they differ only in what is handed from the one to the other.
"""

from __future__ import annotations

from tensorc.ops.scalar import S, ScalarBuilder
from tensorc.passes.math.exponential import exp_remainder, limits, reduce
from tensorc.passes.math.logarithm import add_exponent, log1p_remainder, split
from tensorc.passes.math.scalars import INF, NAN, at_least, fast_two_sum, format_of
from tensorc.passes.math.steps import scaled

ONE_MINUS_HALF_ROOT = 0.29289322
"""About 1 - sqrt(1/2): up to here 1 - z needs no reduction."""


def log1mexp(b: ScalarBuilder[S], x: S) -> S:
    """log(1 - e^x) for x <= 0. log1mexp(+-0) = -inf, log1mexp(-inf) = -0, log1mexp(x > 0) = NaN."""
    fmt = format_of(x)
    zero, one = b.constant(0.0, fmt.type), b.constant(1.0, fmt.type)
    reduced = reduce(b, at_least(b, x, limits(fmt).under))
    rest = exp_remainder(b, reduced.r, reduced.tail)

    # Far: f = -e^x, log(1 + f).
    z = scaled(b, b.addf(one, b.addf(reduced.r, rest)), reduced.k)
    far = b.cmpf("olt", z, b.constant(ONE_MINUS_HALF_ROOT, fmt.type))

    # Near: y = -expm1(x) = (1 - 2^k) - 2^k r - 2^k rest in parts, y = 2^j (1 + f).
    minus_scale = scaled(b, b.constant(-1.0, fmt.type), reduced.k)
    gap = b.addf(one, minus_scale)
    head = b.fma(minus_scale, reduced.r, gap)
    lost = b.fma(minus_scale, reduced.r, b.subf(gap, head))
    y, y_low = fast_two_sum(b, head, b.fma(minus_scale, rest, lost))
    # For subnormal y and 0, y_low is 0.
    parts = split(b, y)
    near_f = b.subf(parts.m, one)
    near_low = scaled(b, y_low, b.negf(at_least(b, parts.k, -float(fmt.bias))))

    f = b.select(far, b.negf(z), near_f)
    f_low = b.select(far, zero, near_low)
    j = b.select(far, zero, parts.k)
    result = add_exponent(b, j, f, b.addf(log1p_remainder(b, f), f_low))
    result = b.copysign(result, b.constant(-1.0, fmt.type))
    result = b.select(b.cmpf("ogt", x, zero), b.constant(NAN, fmt.type), result)
    return b.select(b.cmpf("oeq", x, zero), b.constant(-INF, fmt.type), result)
