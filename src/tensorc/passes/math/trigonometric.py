"""sin, cos and tan.

|x| = n pi + r for sin, (n + 1/2) pi + r for cos, both with |r| <= pi/2, so that one polynomial and a sign
serve for every n; tan takes x = n pi/2 + r, |r| <= pi/4, and a polynomial for r cot r, which needs fewer
terms than one for tan r: the next pole is twice as far. pi has three parts (W. J. Cody and W. Waite, Software
Manual for the Elementary Functions, 1980, chapter 8): under fma, x - n high is exact, as a multiple of an ulp
of `high` or of x that is below 4, and n middle comes off in two parts, with a rounding that `tail` keeps:
near a multiple of pi nothing else may be left.

Up to `reach` in |x| this is all. For a larger one the result is made again from the bits of 1/pi (`huge`):
the call of a rare function, which a vectorised loop branches around while no lane of a vector needs it (see
`rare`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

from tensorc.ops.scalar import S, ScalarBuilder
from tensorc.passes.math import circular_constants as constants
from tensorc.passes.math.inverse_constants import COT_F32, COT_F64
from tensorc.passes.math.scalars import BINARY32, Format, even_odd, format_of, horner

REACH = {23: 2.0**17, 52: 2.0**40}
"""Largest |x| of the three-part reduction, by fraction digits."""


@dataclass(frozen=True)
class Circular:
    """The constants of one format. `sine` is for |r| <= pi/2, `cotangent` for |r| <= pi/4."""

    pi: tuple[float, float, float]
    inverse_pi: float
    sine: tuple[float, ...]
    cotangent: tuple[float, ...]


SINGLE = Circular(
    constants.PI_F32,
    constants.INVERSE_PI_F32,
    constants.SIN_F32,
    COT_F32,
)
DOUBLE = Circular(
    constants.PI_F64,
    constants.INVERSE_PI_F64,
    constants.SIN_F64,
    COT_F64,
)


def circular(fmt: Format) -> Circular:
    """The constants of a format."""
    return SINGLE if fmt is BINARY32 else DOUBLE


@dataclass(frozen=True)
class Rest(Generic[S]):
    """What a reduction leaves: r + tail."""

    r: S
    tail: S


def subtract(b: ScalarBuilder[S], x: S, n: S, share: float) -> Rest[S]:
    """x - n share pi, for `share` a power of two."""
    minus = b.negf(n)
    high, middle, low = (b.constant(part * share, x.type) for part in circular(format_of(x)).pi)
    near = b.fma(minus, high, x)
    r = b.addf(near, b.mulf(minus, middle))
    # near - r is exact, although r is rounded: both are multiples of the product's last place.
    return Rest(r, b.fma(minus, low, b.fma(minus, middle, b.subf(near, r))))


def sine_of(b: ScalarBuilder[S], rest: Rest[S]) -> S:
    """sin(r + tail) for |r| <= pi/2."""
    r, kind = rest.r, rest.r.type
    first, *others = circular(format_of(r)).sine
    z = b.mulf(r, r)
    cube = b.mulf(r, z)
    # r - r^3/6 is the larger part of the result near pi/2; what its rounding lost comes back.
    lead = b.constant(first, kind)
    head = b.fma(cube, lead, r)
    lost = b.fma(cube, lead, b.subf(r, head))
    slope = b.fma(z, b.constant(-0.5, kind), b.constant(1.0, kind))
    small = b.fma(rest.tail, slope, lost)
    rest_of_series = b.mulf(z, horner(b, z, others))
    return b.addf(head, b.fma(cube, rest_of_series, small))


def with_sign(b: ScalarBuilder[S], value: S, *signs: S) -> S:
    """`value` with its sign changed by the top bit of each of `signs`, integers of its width."""
    fmt = format_of(value)
    bits = b.bitcast(value, fmt.bits)
    for sign in signs:
        bits = b.xori(bits, b.andi(sign, b.constant(-1 << fmt.width - 1, fmt.bits)))
    return b.bitcast(bits, fmt.type)


def parity(b: ScalarBuilder[S], shifted: S) -> S:
    """The low bit of a number held in the low bits of `shifted`, as the top bit of an integer."""
    fmt = format_of(shifted)
    return b.shli(b.bitcast(shifted, fmt.bits), b.constant(fmt.width - 1, fmt.bits))


def sin(b: ScalarBuilder[S], x: S) -> S:
    """sin x. sin(+-0) = +-0, sin(+-inf) = NaN."""
    fmt = format_of(x)
    size = b.absf(x)
    shifter = b.constant(float(fmt.shifter), fmt.type)
    shifted = b.fma(size, b.constant(circular(fmt).inverse_pi, fmt.type), shifter)
    value = sine_of(b, subtract(b, size, b.subf(shifted, shifter), 1.0))
    value = with_sign(b, value, parity(b, shifted), b.bitcast(x, fmt.bits))
    return b.call(f"tensorc_rare_sin_{fmt.type}", [x, value], fmt.type)


def cos(b: ScalarBuilder[S], x: S) -> S:
    """cos x. cos(+-0) = 1, cos(+-inf) = NaN."""
    fmt = format_of(x)
    size = b.absf(x)
    half = b.constant(0.5, fmt.type)
    scaled = b.fma(size, b.constant(circular(fmt).inverse_pi, fmt.type), b.constant(-0.5, fmt.type))
    # cos((n + 1/2) pi + r) = (-1)^(n+1) sin r: an odd shifter makes the low bit that of n + 1.
    shifter = b.constant(float(fmt.shifter + 1), fmt.type)
    shifted = b.addf(scaled, shifter)
    n = b.addf(b.subf(shifted, shifter), half)
    value = with_sign(b, sine_of(b, subtract(b, size, n, 1.0)), parity(b, shifted))
    return b.call(f"tensorc_rare_cos_{fmt.type}", [x, value], fmt.type)


def tangent_of(b: ScalarBuilder[S], rest: Rest[S], odd: S) -> S:
    """tan(r + tail) for |r| <= pi/4, or -1 / tan(r + tail) where `odd` is not 0.

    With E = 1 - r cot r, which is at most 0.22, tan r is r + r E / (1 - E), and cot r is (1 - E) / r: one
    division serves for both, and what it is multiplied by is small, so that its rounding counts little.
    """
    r, tail = rest.r, rest.tail
    fmt = format_of(r)
    one = b.constant(1.0, fmt.type)
    z = b.mulf(r, r)
    coefficients = circular(fmt).cotangent
    single = fmt is BINARY32
    series = horner(b, z, coefficients) if single else even_odd(b, z, b.mulf(z, z), coefficients)
    missing = b.mulf(z, series)
    is_odd = b.cmpi("ne", odd, b.constant(0, fmt.bits))
    whole = b.addf(r, tail)
    inverse = b.divf(one, b.select(is_odd, b.negf(whole), b.subf(one, missing)))
    # 1 + inverse (r + tail) is what the inverse lacks.
    lacking = b.fma(inverse, tail, b.fma(inverse, r, one))
    # A tail counts 1 + tan^2 r times, which is close to (1 + r^2) / (1 - E). The signs keep that of -0.
    more = b.fma(b.negf(r), missing, b.negf(b.fma(tail, z, tail)))
    factor = b.select(is_odd, b.subf(missing, lacking), more)
    return b.fma(b.negf(inverse), factor, b.select(is_odd, inverse, r))


def tan(b: ScalarBuilder[S], x: S) -> S:
    """tan x. tan(+-0) = +-0, tan(+-inf) = NaN."""
    fmt = format_of(x)
    shifter = b.constant(float(fmt.shifter), fmt.type)
    shifted = b.fma(x, b.constant(2 * circular(fmt).inverse_pi, fmt.type), shifter)
    rest = subtract(b, x, b.subf(shifted, shifter), 0.5)
    odd = b.andi(b.bitcast(shifted, fmt.bits), b.constant(1, fmt.bits))
    return b.call(f"tensorc_rare_tan_{fmt.type}", [x, tangent_of(b, rest, odd)], fmt.type)
