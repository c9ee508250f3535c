"""The cube root and the hypotenuse."""

from __future__ import annotations

from tensorc.ops.scalar import S, ScalarBuilder
from tensorc.passes.math.inverse_constants import CBRT_F32, CBRT_F64
from tensorc.passes.math.logarithm import split
from tensorc.passes.math.scalars import BINARY32, at_least, exponent_field, format_of, horner

INF = float("inf")


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
    shifter = b.constant(float(fmt.shifter + fmt.bias), fmt.type)
    shifted = b.fma(parts.k, b.constant(1 / 3, fmt.type), shifter)
    digit = b.fma(b.subf(shifted, shifter), b.constant(-3.0, fmt.type), parts.k)
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
    scaled = b.mulf(root, exponent_field(b, b.bitcast(shifted, fmt.bits), fmt))
    # Zeros, infinities and NaN are their own roots.
    same = b.cmpf("ueq", magnitude, b.addf(magnitude, magnitude))
    return b.select(same, x, b.copysign(scaled, x))


def hypot(b: ScalarBuilder[S], x: S, y: S) -> S:
    """sqrt(x^2 + y^2), inf where either is infinite.

    Both are scaled by the power of two that takes the larger to [2, 4), so that no square overflows and none
    that counts underflows.
    """
    fmt = format_of(x)
    infinity = b.constant(INF, fmt.type)
    x_size, y_size = b.absf(x), b.absf(y)
    swap = b.cmpf("ogt", y_size, x_size)
    larger, smaller = b.select(swap, y_size, x_size), b.select(swap, x_size, y_size)
    # From here on up, 2^(1-e) and 2^(e-1) are both normal.
    scalable = at_least(b, larger, 2.0 * fmt.smallest_normal)
    exponent = b.shrui(b.bitcast(scalable, fmt.bits), b.constant(fmt.digits, fmt.bits))
    down = exponent_field(b, b.subi(b.constant(2 * fmt.bias + 1, fmt.bits), exponent), fmt)
    up = exponent_field(b, b.subi(exponent, b.constant(1, fmt.bits)), fmt)
    a, c = b.mulf(larger, down), b.mulf(smaller, down)
    root = b.mulf(b.sqrt(b.fma(a, a, b.mulf(c, c))), up)
    root = b.select(b.cmpf("oeq", x_size, infinity), infinity, root)
    return b.select(b.cmpf("oeq", y_size, infinity), infinity, root)
