"""log, log2 and log1p, and the core that softplus, logaddexp and log1mexp share with them.

x = 2^k (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2), log x = k ln 2 + f + g(f) (Cody and Waite, 1980, chapter
5). In double precision g comes from log(1 + f) = 2 atanh(s), s = f / (2 + f), whose series needs seven terms
for one division; f itself stays outside the rounding of s (P. T. P. Tang, Table-driven implementation of the
logarithm function, ACM TOMS 16, 1990, and J.-M. Muller, Elementary Functions, 3rd ed., section 4.2, discuss
the arrangement). In single precision a polynomial in f of degree ten is as short and divides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

from tensorc.ops.scalar import S, ScalarBuilder
from tensorc.passes.math.coefficients import (
    ATANH_F64,
    LN2_F32,
    LN2_F64,
    LOG2E_F32,
    LOG2E_F64,
    LOG_F32,
)
from tensorc.passes.math.inverse_constants import LOG10_2_F32, LOG10_2_F64, LOG10E_F32, LOG10E_F64
from tensorc.passes.math.scalars import BINARY32, Format, exponent_field, fast_two_sum, format_of, horner

INF = float("inf")
NAN = float("nan")
HALF_ROOT_BITS = {23: 0x3F3504F3, 52: 0x3FE6A09E667F3BCD}
"""sqrt(1/2) as an integer, by fraction digits."""


@dataclass(frozen=True)
class Split(Generic[S]):
    """A positive number as 2^k m, sqrt(1/2) <= m < sqrt(2); `biased` holds k + bias, `k` is floating."""

    biased: S
    k: S
    m: S


def split_normal(b: ScalarBuilder[S], x: S, bias: S | None = None) -> Split[S]:
    """Split a positive normal x; garbage, but nothing undefined, for any other. k is relative to `bias`
    (default: the format's).

    The exponent becomes a floating number by pasting it into the fraction of 2^digits: the conversion
    instruction of 64-bit integers is missing before AVX-512.
    """
    fmt = format_of(x)
    half_root = HALF_ROOT_BITS[fmt.digits]
    one = fmt.bias << fmt.digits
    moved = b.addi(b.bitcast(x, fmt.bits), b.constant(one - half_root, fmt.bits))
    biased = b.shrui(moved, b.constant(fmt.digits, fmt.bits))
    fraction = b.andi(moved, b.constant((1 << fmt.digits) - 1, fmt.bits))
    m = b.bitcast(b.addi(fraction, b.constant(half_root, fmt.bits)), fmt.type)
    pasted = b.bitcast(b.ori(biased, b.constant((fmt.bias + fmt.digits) << fmt.digits, fmt.bits)), fmt.type)
    origin = b.constant(2.0**fmt.digits + fmt.bias, fmt.type) if bias is None else bias
    return Split(biased, b.subf(pasted, origin), m)


def split(b: ScalarBuilder[S], x: S) -> Split[S]:
    """Split a positive finite x, subnormals included."""
    fmt = format_of(x)
    up = fmt.digits + 2
    small = b.cmpf("olt", x, b.constant(fmt.smallest_normal, fmt.type))
    scaled = b.select(small, b.mulf(x, b.constant(2.0**up, fmt.type)), x)
    origin = 2.0**fmt.digits + fmt.bias
    return split_normal(
        b, scaled, b.select(small, b.constant(origin + up, fmt.type), b.constant(origin, fmt.type))
    )


def log1p_remainder(b: ScalarBuilder[S], f: S) -> S:
    """log(1 + f) - f for sqrt(1/2) <= 1 + f <= sqrt(2)."""
    fmt = format_of(f)
    if fmt is BINARY32:
        return b.mulf(b.mulf(f, f), horner(b, f, LOG_F32))
    s = b.divf(f, b.addf(b.constant(2.0, fmt.type), f))
    z = b.mulf(s, s)
    half_square = b.mulf(b.mulf(b.constant(0.5, fmt.type), f), f)
    # log(1+f) = 2 atanh(s) = 2s + s z P(z), and 2s = f - s f, s f = f^2/2 - s f^2/2.
    inner = b.fma(z, horner(b, z, ATANH_F64), half_square)
    return b.subf(b.mulf(s, inner), half_square)


def add_exponent(b: ScalarBuilder[S], k: S, f: S, rest: S) -> S:
    """k ln 2 + f + rest, smallest first; k * ln2_high is exact under fma."""
    high, low = ln2(format_of(f))
    inner = b.addf(f, b.fma(k, b.constant(low, f.type), rest))
    return b.fma(k, b.constant(high, f.type), inner)


def ln2(fmt: Format) -> tuple[float, float]:
    """ln 2 = high + low."""
    return LN2_F32 if fmt is BINARY32 else LN2_F64


def outside_domain(b: ScalarBuilder[S], x: S, zero_at: float, result: S) -> S:
    """`result` in the domain (zero_at, inf); -inf at `zero_at`, NaN below it, x itself for inf and NaN."""
    pole = b.constant(zero_at, x.type)
    result = b.select(b.cmpf("olt", x, b.constant(INF, x.type)), result, x)
    result = b.select(b.cmpf("olt", x, pole), b.constant(NAN, x.type), result)
    return b.select(b.cmpf("oeq", x, pole), b.constant(-INF, x.type), result)


def log(b: ScalarBuilder[S], x: S) -> S:
    """log x. log(+-0) = -inf, log(x < 0) = NaN, log(inf) = inf."""
    parts = split(b, x)
    f = b.subf(parts.m, b.constant(1.0, x.type))
    return outside_domain(b, x, 0.0, add_exponent(b, parts.k, f, log1p_remainder(b, f)))


def log2(b: ScalarBuilder[S], x: S) -> S:
    """log2 x, exact for powers of two. log2(+-0) = -inf, log2(x < 0) = NaN, log2(inf) = inf."""
    high, low = LOG2E_F32 if format_of(x) is BINARY32 else LOG2E_F64
    parts = split(b, x)
    f = b.subf(parts.m, b.constant(1.0, x.type))
    rest = log1p_remainder(b, f)
    # (f + rest) log2(e) with the product f log2(e) to twice the precision: near x = 1 the result is that
    # product.
    log2e = b.constant(high, x.type)
    product = b.mulf(f, log2e)
    missing = b.fma(f, b.constant(low, x.type), b.fma(f, log2e, b.negf(product)))
    head, tail = fast_two_sum(b, parts.k, product)
    result = b.addf(head, b.addf(tail, b.fma(rest, log2e, missing)))
    return outside_domain(b, x, 0.0, result)


def log10(b: ScalarBuilder[S], x: S) -> S:
    """log10 x, exact for powers of ten. log10(+-0) = -inf, log10(x < 0) = NaN, log10(inf) = inf.

    As log2, with k log10(2) in two parts: all that is rounded before the last sum is far below its ulp.
    """
    single = format_of(x) is BINARY32
    high, low = LOG10E_F32 if single else LOG10E_F64
    two_high, two_low = LOG10_2_F32 if single else LOG10_2_F64
    parts = split(b, x)
    f = b.subf(parts.m, b.constant(1.0, x.type))
    rest = log1p_remainder(b, f)
    log10e, log10_2 = b.constant(high, x.type), b.constant(two_high, x.type)
    product = b.mulf(f, log10e)
    missing = b.fma(f, b.constant(low, x.type), b.fma(f, log10e, b.negf(product)))
    whole = b.mulf(parts.k, log10_2)
    missing = b.addf(missing, b.fma(parts.k, log10_2, b.negf(whole)))
    missing = b.fma(parts.k, b.constant(two_low, x.type), missing)
    head, tail = fast_two_sum(b, whole, product)
    result = b.addf(head, b.addf(tail, b.fma(rest, log10e, missing)))
    return outside_domain(b, x, 0.0, result)


def log1p(b: ScalarBuilder[S], x: S) -> S:
    """log(1 + x), accurate near 0. log1p(-0) = -0, log1p(-1) = -inf, log1p(x < -1) = NaN, log1p(inf) = inf.

    u = fl(1 + x) is split, and what its rounding lost comes back in first order as lost / u. The loss x - (u
    - 1) is exact for -1 < x < 2^digits (u - 1 is then representable, and so is the error of a sum); beyond,
    it no longer counts.
    """
    fmt = format_of(x)
    one, half = b.constant(1.0, fmt.type), b.constant(0.5, fmt.type)
    u = b.addf(one, x)
    lost = b.subf(x, b.subf(u, one))
    parts = split_normal(b, u)
    f = b.subf(parts.m, one)
    # 2 2^-k, and 0 where that is subnormal; 1/u = 2^-k / (1 + f), and 1 - f + f^2 is close enough.
    scale = exponent_field(b, b.subi(b.constant(2 * fmt.bias + 1, fmt.bits), parts.biased), fmt)
    half_inverse = b.fma(f, b.fma(f, half, b.negf(half)), half)
    f_low = b.mulf(b.mulf(lost, scale), half_inverse)
    result = add_exponent(b, parts.k, f, b.addf(log1p_remainder(b, f), f_low))
    own = b.cmpf("olt", b.absf(x), b.constant(fmt.tiny, fmt.type))
    return outside_domain(b, x, -1.0, b.select(own, x, result))
