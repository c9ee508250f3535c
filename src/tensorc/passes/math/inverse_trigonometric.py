"""arcsin, arccos, arctan and arctan2.

arctan of a quotient at most 1 is one polynomial, beyond it is pi/2 - arctan of the reciprocal; arcsin beyond
1/2 is pi/2 - 2 arcsin sqrt((1 - x) / 2) (J.-M. Muller, Elementary Functions, 3rd ed., section 11; W. Kahan,
Branch cuts for complex elementary functions, or Much ado about nothing's sign bit, 1987, for the signs of
zeros). Angles are added to pi and pi/2 in two parts.
"""

from __future__ import annotations

from tensorc.ops.scalar import S, ScalarBuilder
from tensorc.passes.math.inverse_constants import (
    ASIN_F32,
    ASIN_F64,
    ATAN_F32,
    ATAN_F64,
    HALF_PI_F32,
    HALF_PI_F64,
    PI_F32,
    PI_F64,
)
from tensorc.passes.math.scalars import BINARY32, format_of, horner


def tail_of(b: ScalarBuilder[S], t: S, z: S, coefficients: tuple[float, ...]) -> S:
    """t z P(z)."""
    return b.mulf(b.mulf(t, z), horner(b, z, coefficients))


def add_angle(b: ScalarBuilder[S], high: S, low: S, t: S, rest: S) -> S:
    """high + low + t + rest for |t| <= high or high = 0, where `rest` is small against t."""
    head = b.addf(high, t)
    lost = b.subf(t, b.subf(head, high))
    return b.addf(head, b.addf(lost, b.addf(rest, low)))


def atan(b: ScalarBuilder[S], x: S) -> S:
    """arctan x. arctan(+-0) = +-0, arctan(+-inf) = +-pi/2."""
    fmt = format_of(x)
    half_pi, coefficients = (HALF_PI_F32, ATAN_F32) if fmt is BINARY32 else (HALF_PI_F64, ATAN_F64)
    zero, one = b.constant(0.0, fmt.type), b.constant(1.0, fmt.type)
    magnitude = b.absf(x)
    beyond = b.cmpf("ogt", magnitude, one)
    t = b.select(beyond, b.divf(b.constant(-1.0, fmt.type), magnitude), magnitude)
    rest = tail_of(b, t, b.mulf(t, t), coefficients)
    high = b.select(beyond, b.constant(half_pi[0], fmt.type), zero)
    low = b.select(beyond, b.constant(half_pi[1], fmt.type), zero)
    return b.copysign(add_angle(b, high, low, t, rest), x)


def atan2(b: ScalarBuilder[S], y: S, x: S) -> S:
    """The angle of (x, y), with the signs and infinities of IEEE 754-2019, section 9.2.1."""
    fmt = format_of(x)
    (pi, pi_low), (half_pi, half_pi_low), coefficients = (
        (PI_F32, HALF_PI_F32, ATAN_F32) if fmt is BINARY32 else (PI_F64, HALF_PI_F64, ATAN_F64)
    )
    zero, one = b.constant(0.0, fmt.type), b.constant(1.0, fmt.type)
    left = b.cmpf("olt", b.copysign(one, x), zero)
    x_size, y_size = b.absf(x), b.absf(y)
    steep = b.cmpf("ogt", y_size, x_size)
    n, d = b.select(steep, x_size, y_size), b.select(steep, y_size, x_size)
    # Two infinities are a diagonal, and 0 / 0 is an angle of 0.
    diagonal = b.cmpf("oeq", n, d)
    t = b.select(diagonal, one, b.divf(n, d))
    t = b.select(b.cmpf("oeq", d, zero), n, t)
    # The angle is t, pi/2 - t, pi/2 + t or pi - t.
    minus = b.negf(t)
    t = b.select(left, b.select(steep, t, minus), b.select(steep, minus, t))
    high = b.select(left, b.constant(pi, fmt.type), zero)
    low = b.select(left, b.constant(pi_low, fmt.type), zero)
    high = b.select(steep, b.constant(half_pi, fmt.type), high)
    low = b.select(steep, b.constant(half_pi_low, fmt.type), low)
    z = b.mulf(t, t)
    relative = b.mulf(z, horner(b, z, coefficients))
    # Multiples of pi/4 come out rounded correctly.
    relative = b.select(diagonal, b.constant(half_pi / 2 - 1, fmt.type), relative)
    return b.copysign(add_angle(b, high, low, t, b.mulf(t, relative)), y)


def asin(b: ScalarBuilder[S], x: S) -> S:
    """arcsin x. arcsin(+-0) = +-0, NaN where |x| > 1."""
    fmt = format_of(x)
    half_pi, coefficients = (HALF_PI_F32, ASIN_F32) if fmt is BINARY32 else (HALF_PI_F64, ASIN_F64)
    zero, half = b.constant(0.0, fmt.type), b.constant(0.5, fmt.type)
    magnitude = b.absf(x)
    outer = b.cmpf("ogt", magnitude, half)
    # (1 - |x|) / 2 is exact there.
    outer_z = b.fma(magnitude, b.negf(half), half)
    root = b.sqrt(outer_z)
    z = b.select(outer, outer_z, b.mulf(magnitude, magnitude))
    t = b.select(outer, b.mulf(b.constant(-2.0, fmt.type), root), magnitude)
    rest = tail_of(b, t, z, coefficients)
    high = b.select(outer, b.constant(half_pi[0], fmt.type), zero)
    low = b.select(outer, b.constant(half_pi[1], fmt.type), zero)
    return b.copysign(add_angle(b, high, low, t, rest), x)


def acos(b: ScalarBuilder[S], x: S) -> S:
    """arccos x: pi/2 - arcsin x inside, 2 arcsin sqrt((1 - |x|) / 2) or pi minus that outside. NaN where
    |x| > 1.
    """
    fmt = format_of(x)
    (pi, pi_low), (half_pi, half_pi_low), coefficients = (
        (PI_F32, HALF_PI_F32, ASIN_F32) if fmt is BINARY32 else (PI_F64, HALF_PI_F64, ASIN_F64)
    )
    zero, half = b.constant(0.0, fmt.type), b.constant(0.5, fmt.type)
    magnitude = b.absf(x)
    outer = b.cmpf("ogt", magnitude, half)
    outer_z = b.fma(magnitude, b.negf(half), half)
    root = b.sqrt(outer_z)
    z = b.select(outer, outer_z, b.mulf(magnitude, magnitude))
    # Outside: 2 root at the right end, pi - 2 root at the left one.
    t = b.select(outer, b.copysign(b.addf(root, root), x), b.negf(x))
    left = b.cmpf("olt", x, zero)
    high = b.select(left, b.constant(pi, fmt.type), zero)
    low = b.select(left, b.constant(pi_low, fmt.type), zero)
    high = b.select(outer, high, b.constant(half_pi, fmt.type))
    low = b.select(outer, low, b.constant(half_pi_low, fmt.type))
    return add_angle(b, high, low, t, tail_of(b, t, z, coefficients))
