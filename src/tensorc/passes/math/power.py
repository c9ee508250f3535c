"""pow.

x^y = 2^(y log2|x|), and the exponent needs ten bits beyond the format, because it reaches 1024. log2 |x| =
k + log2 m and log2 m = (2 / ln 2) atanh(s), s = (m - 1) / (m + 1): in float64 all of it is carried in two
parts (T. J. Dekker, A floating-point technique for extending the available precision, 1971), but for the
terms from s^5 on. float32 goes through float64, where one part is enough. Special values are those of C99,
annex F.10.4.4.
"""

from __future__ import annotations

from tensorc.ir.types import f64
from tensorc.ops.scalar import S, ScalarBuilder
from tensorc.passes.math.coefficients import EXP2_F32, EXP2_F64, LN2_F64
from tensorc.passes.math.logarithm import Split, split
from tensorc.passes.math.power_constants import LOG2_FIRST, LOG2_SHORT, LOG2_TAIL, LOG2_THIRD
from tensorc.passes.math.scalars import (
    BINARY32,
    BINARY64,
    INF,
    NAN,
    at_least,
    at_most,
    exponent_field,
    fast_two_sum,
    format_of,
    horner,
    nearest_integer,
)
from tensorc.passes.math.steps import scaled
from tensorc.passes.math.trigonometric import with_sign

LARGEST = 2.0**70
"""From here on y decides alone: unless |x| is 1, |log2 |x|| is at least 2^-53."""


def product(b: ScalarBuilder[S], x: S, x_low: S, y: S, y_low: S) -> tuple[S, S]:
    """(x + x_low) (y + y_low), without the product of the low parts."""
    high = b.mulf(x, y)
    return high, b.fma(x_low, y, b.fma(x, y_low, b.fma(x, y, b.negf(high))))


def log2_parts(b: ScalarBuilder[S], parts: Split[S]) -> tuple[S, S]:
    """log2 of a split float64 as high + low, its error below 2^-64 of itself."""
    one = b.constant(1.0, f64)
    f = b.subf(parts.m, one)
    d = b.addf(parts.m, one)
    d_low = b.subf(parts.m, b.subf(d, one))
    reciprocal = b.divf(one, d)
    s = b.mulf(f, reciprocal)
    minus_s = b.negf(s)
    s_low = b.mulf(b.fma(minus_s, d_low, b.fma(minus_s, d, f)), reciprocal)
    z, z_low = product(b, s, s_low, s, s_low)
    third, third_low = (b.constant(c, f64) for c in LOG2_THIRD)
    inner, inner_low = fast_two_sum(b, third, b.mulf(z, horner(b, z, LOG2_TAIL)))
    inner, inner_low = product(b, z, z_low, inner, b.addf(inner_low, third_low))
    first, first_low = (b.constant(c, f64) for c in LOG2_FIRST)
    outer, outer_low = fast_two_sum(b, first, inner)
    outer_low = b.addf(outer_low, b.addf(first_low, inner_low))
    log, log_low = product(b, s, s_low, outer, outer_low)
    high, low = fast_two_sum(b, parts.k, log)
    return high, b.addf(low, log_low)


def power_double(b: ScalarBuilder[S], size: S, y: S) -> S:
    """size^y for positive finite float64 `size` and any y but NaN."""
    y = at_least(b, at_most(b, y, LARGEST), -LARGEST)
    log, log_low = log2_parts(b, split(b, size))
    high = b.mulf(y, log)
    low = b.fma(y, log_low, b.fma(y, log, b.negf(high)))
    inside = at_least(b, at_most(b, high, 1030.0), -1080.0)
    low = b.select(b.cmpf("oeq", inside, high), low, b.constant(0.0, f64))
    k = nearest_integer(b, inside)
    r, r_low = fast_two_sum(b, b.subf(inside, k), low)
    ln2 = b.constant(LN2_F64[0], f64)
    rest = b.fma(r_low, ln2, b.mulf(b.mulf(r, r), horner(b, r, EXP2_F64)))
    grown = b.addf(b.constant(1.0, f64), b.fma(r, ln2, rest))
    return scaled(b, grown, k)


def power_single(b: ScalarBuilder[S], size: S, y: S) -> S:
    """size^y for positive finite float32 `size` and any y but NaN."""
    wide, exponent = b.extf(size, f64), b.extf(y, f64)
    one = b.constant(1.0, f64)
    parts = split(b, wide)
    s = b.divf(b.subf(parts.m, one), b.addf(parts.m, one))
    log = b.fma(s, horner(b, b.mulf(s, s), LOG2_SHORT), parts.k)
    exponent = at_least(b, at_most(b, exponent, LARGEST), -LARGEST)
    inside = at_least(b, at_most(b, b.mulf(exponent, log), 130.0), -160.0)
    shifter = b.constant(float(BINARY64.shifter + BINARY64.bias), f64)
    shifted = b.addf(inside, shifter)
    r = b.subf(inside, b.subf(shifted, shifter))
    rest = b.mulf(b.mulf(r, r), horner(b, r, EXP2_F32))
    grown = b.addf(one, b.fma(r, b.constant(LN2_F64[0], f64), rest))
    scale = exponent_field(b, b.bitcast(shifted, BINARY64.bits), BINARY64)
    return b.truncf(b.mulf(grown, scale), BINARY32.type)


def powf(b: ScalarBuilder[S], x: S, y: S) -> S:
    """x^y. pow(x, +-0) = pow(1, y) = 1, also for NaN; pow(x < 0, y) = NaN unless y is an integer."""
    fmt = format_of(x)
    zero, one, infinity = (b.constant(c, fmt.type) for c in (0.0, 1.0, INF))
    size = b.absf(x)
    value = (power_single if fmt is BINARY32 else power_double)(b, size, y)
    # Zero and infinity: the larger of the two where x and y point the same way.
    at_zero, at_infinity = b.cmpf("oeq", size, zero), b.cmpf("oeq", size, infinity)
    rising = b.cmpf("ogt", y, zero)
    ends = b.select(b.xori(at_zero, rising), infinity, zero)
    value = b.select(b.ori(at_zero, at_infinity), ends, value)
    # Below zero only integers, and odd ones give the sign.
    half = b.mulf(y, b.constant(0.5, fmt.type))
    whole, even = b.cmpf("oeq", b.trunc(y), y), b.cmpf("oeq", b.trunc(half), half)
    finite_below = b.cmpf("olt", b.select(at_infinity, zero, x), zero)
    bits = b.bitcast(x, fmt.bits)
    sign = b.select(whole, b.select(even, b.constant(0, fmt.bits), bits), b.constant(0, fmt.bits))
    value = with_sign(b, value, sign)
    false = b.constant(False, whole.type)
    value = b.select(b.select(whole, false, finite_below), b.constant(NAN, fmt.type), value)
    value = b.select(b.cmpf("uno", x, y), b.constant(NAN, fmt.type), value)
    trivial = b.ori(b.cmpf("oeq", y, zero), b.cmpf("oeq", x, one))
    return b.select(trivial, one, value)
