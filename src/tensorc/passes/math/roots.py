"""The cube root and the hypotenuse."""

from __future__ import annotations

from tensorc.ops.scalar import S, ScalarBuilder
from tensorc.passes.math.inverse_constants import CBRT_F32, CBRT_F64
from tensorc.passes.math.logarithm import split
from tensorc.passes.math.scalars import BINARY32, INF, format_of, horner
from tensorc.passes.math.steps import scaled


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
    """sqrt(x) of a float64 from 2^-126 to 2^127, within 0.51 ulp.

    The root and its inverse in float32 take half the time of one root in float64. For a guess g there is d =
    x - g^2, which fma gives exactly, and sqrt(g^2 + d) = g + d/(2g) - d^2/(8g^3) + ..., where 1/g is close to
    the inverse y: closer still, it is y (1 + r/2) with r = 1 - g y, and d/g is r but for what y lacks.
    """
    start = b.sqrt(b.truncf(x, BINARY32.type))
    inverse = b.extf(b.divf(b.constant(1.0, BINARY32.type), start), x.type)
    guess = b.mulf(x, inverse)
    minus = b.negf(guess)
    rest = b.fma(minus, guess, x)
    lacking = b.fma(minus, inverse, b.constant(1.0, x.type))
    factor = b.fma(lacking, b.constant(0.375, x.type), b.constant(0.5, x.type))
    return b.fma(b.mulf(rest, inverse), factor, guess)


def hypot(b: ScalarBuilder[S], x: S, y: S) -> S:
    """sqrt(x^2 + y^2), inf where either is infinite.

    Both are scaled by a power of two that takes the larger to [1/2, 8), so that no square overflows and none
    that counts underflows.
    """
    fmt = format_of(x)
    infinity = b.constant(INF, fmt.type)
    x_size, y_size = b.absf(x), b.absf(y)
    swap = b.cmpf("ogt", y_size, x_size)
    larger, smaller = b.select(swap, y_size, x_size), b.select(swap, x_size, y_size)
    # An exponent as it stands in a number, 4 n + 2 with the n of the larger: so that neither 2^(1-k) nor
    # 2^(k-1) is subnormal.
    field = b.andi(b.bitcast(larger, fmt.bits), b.constant((2 * fmt.bias - 2) << fmt.digits, fmt.bits))
    field = b.ori(field, b.constant(2 << fmt.digits, fmt.bits))
    down = b.subi(b.constant((2 * fmt.bias + 1) << fmt.digits, fmt.bits), field)
    up = b.subi(field, b.constant(1 << fmt.digits, fmt.bits))
    a, c = (b.mulf(v, b.bitcast(down, fmt.type)) for v in (larger, smaller))
    if fmt is BINARY32:
        root = b.sqrt(b.fma(a, a, b.mulf(c, c)))
    else:
        # Without what is added, the sum is 0 or at least 2^-106; 0 gives 2^-63 times 2^-1022 and less.
        root = root_by_steps(b, b.fma(a, a, b.fma(c, c, b.constant(2.0**-126, fmt.type))))
    finite = b.andi(b.cmpf("une", x_size, infinity), b.cmpf("une", y_size, infinity))
    return b.select(finite, b.mulf(root, b.bitcast(up, fmt.type)), infinity)
