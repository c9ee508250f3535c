"""The cube root and the hypotenuse."""

from __future__ import annotations

from tensorc.ops.scalar import S, ScalarBuilder
from tensorc.passes.math.inverse_constants import CBRT_F32, CBRT_F64
from tensorc.passes.math.logarithm import split
from tensorc.passes.math.scalars import BINARY32, INF, at_least, format_of, horner
from tensorc.passes.math.steps import exponent, scaled


def cbrt(b: ScalarBuilder[S], x: S) -> S:
    """The real cube root. cbrt(+-0) = +-0, cbrt(+-inf) = +-inf.

    |x| = 8^q m with 0.35 <= m < 2.83. A polynomial gives r close to m^(-1/3); with h = 1 - m r^3 the root is
    m r^2 (1 - h)^(-2/3), of which the series needs two terms, and m r^2 is kept in two parts.
    """
    fmt = format_of(x)
    coefficients = CBRT_F32 if fmt is BINARY32 else CBRT_F64
    one = b.constant(1.0, fmt.type)
    magnitude = b.absf(x)
    parts = split(b, magnitude)
    # q = k / 3 rounded, and k - 3 q is -1, 0 or 1: its digit of the exponent goes to m.
    shifter = b.constant(float(fmt.shifter), fmt.type)
    q = b.subf(b.fma(parts.k, b.constant(1 / 3, fmt.type), shifter), shifter)
    digit = b.fma(q, b.constant(-3.0, fmt.type), parts.k)
    above = b.cmpf("ogt", digit, b.constant(0.0, fmt.type))
    below = b.cmpf("olt", digit, b.constant(0.0, fmt.type))

    def by_digit(low: float, high: float) -> S:
        unequal = b.select(above, b.constant(high, fmt.type), one)
        return b.select(below, b.constant(low, fmt.type), unequal)

    m = b.mulf(parts.m, by_digit(0.5, 2.0))
    r = b.mulf(horner(b, parts.m, coefficients), by_digit(2.0 ** (1 / 3), 2.0 ** (-1 / 3)))
    square = b.mulf(r, r)
    square_low = b.fma(r, r, b.negf(square))
    y = b.mulf(m, square)
    y_low = b.fma(m, square_low, b.fma(m, square, b.negf(y)))
    h = b.fma(b.negf(y_low), r, b.fma(b.negf(y), r, one))
    series = b.mulf(h, b.fma(h, b.constant(5 / 9, fmt.type), b.constant(2 / 3, fmt.type)))
    root = b.addf(y, b.fma(y, series, y_low))
    # Zeros, infinities and NaN are their own roots.
    same = b.cmpf("ueq", magnitude, b.addf(magnitude, magnitude))
    return b.select(same, x, b.copysign(scaled(b, root, q), x))


def root_by_steps(b: ScalarBuilder[S], x: S) -> S:
    """sqrt(x) of a float64 from 2^-126 to 2^127, within 0.51 ulp; of a smaller one at most 2^-63.

    The root and its inverse in float32 take half the time of one root in float64; two of Newton's steps for
    the residual x - g^2, which fma gives exactly, leave one rounding.
    """
    x = at_least(b, x, 2.0**-126)
    start = b.sqrt(b.truncf(x, BINARY32.type))
    inverse = b.extf(b.divf(b.constant(1.0, BINARY32.type), start), x.type)
    half = b.mulf(inverse, b.constant(0.5, x.type))
    guess = b.mulf(x, inverse)
    for _ in range(2):
        guess = b.fma(b.fma(b.negf(guess), guess, x), half, guess)
    return guess


def hypot(b: ScalarBuilder[S], x: S, y: S) -> S:
    """sqrt(x^2 + y^2), inf where either is infinite.

    Both are scaled by the power of two that takes the larger to [1, 2), so that no square overflows and none
    that counts underflows.
    """
    fmt = format_of(x)
    infinity = b.constant(INF, fmt.type)
    x_size, y_size = b.absf(x), b.absf(y)
    swap = b.cmpf("ogt", y_size, x_size)
    larger, smaller = b.select(swap, y_size, x_size), b.select(swap, x_size, y_size)
    k = at_least(b, exponent(b, larger), -float(fmt.bias))
    down = b.negf(k)
    a, c = scaled(b, larger, down), scaled(b, smaller, down)
    square = b.fma(a, a, b.mulf(c, c))
    root = scaled(b, b.sqrt(square) if fmt is BINARY32 else root_by_steps(b, square), k)
    root = b.select(b.cmpf("oeq", x_size, infinity), infinity, root)
    return b.select(b.cmpf("oeq", y_size, infinity), infinity, root)
