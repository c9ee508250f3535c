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
    LN2_BELOW_F32,
    LN2_BELOW_F64,
    LOG2E_F32,
    LOG2E_F64,
    LOG_F32,
)
from tensorc.passes.math.inverse_constants import LOG10_2_BELOW_F32, LOG10_2_BELOW_F64, LOG10E_F32, LOG10E_F64
from tensorc.passes.math.scalars import BINARY32, INF, Format, at_least, even_odd, format_of, horner
from tensorc.passes.math.steps import exponent, scaled, significand

ROOT = 1.41421356
"""About sqrt(2)."""


@dataclass(frozen=True)
class Split(Generic[S]):
    """A positive number as 2^k m, sqrt(1/2) <= m < sqrt(2). Of zeros k is -inf and m 1, of inf k is inf and m
    1; below zero m is NaN.
    """

    k: S
    m: S


def split(b: ScalarBuilder[S], x: S) -> Split[S]:
    """Split a number, subnormals included. A NaN is one in both."""
    m, k = significand(b, x), exponent(b, x)
    upper = b.cmpf("ogt", m, b.constant(ROOT, x.type))
    one, half = b.constant(1.0, x.type), b.constant(0.5, x.type)
    return Split(b.select(upper, b.addf(k, one), k), b.select(upper, b.mulf(m, half), m))


def log1p_remainder(b: ScalarBuilder[S], f: S) -> S:
    """log(1 + f) - f for sqrt(1/2) <= 1 + f <= sqrt(2)."""
    fmt = format_of(f)
    if fmt is BINARY32:
        square = b.mulf(f, f)
        return b.mulf(square, even_odd(b, f, square, LOG_F32))
    s = b.divf(f, b.addf(b.constant(2.0, fmt.type), f))
    z = b.mulf(s, s)
    half_square = b.mulf(b.mulf(b.constant(0.5, fmt.type), f), f)
    # log(1+f) = 2 atanh(s) = 2s + s z P(z), and 2s = f - s f, s f = f^2/2 - s f^2/2.
    inner = b.fma(z, horner(b, z, ATANH_F64), half_square)
    return b.subf(b.mulf(s, inner), half_square)


def add_exponent(b: ScalarBuilder[S], k: S, f: S, rest: S) -> S:
    """k ln 2 + f + rest, smallest first; k * ln2_high is exact under fma, and infinities are of one sign."""
    high, low = ln2(format_of(f))
    inner = b.addf(f, b.fma(k, b.constant(low, f.type), rest))
    return b.fma(k, b.constant(high, f.type), inner)


def ln2(fmt: Format) -> tuple[float, float]:
    """ln 2 = high + low, both positive."""
    return LN2_BELOW_F32 if fmt is BINARY32 else LN2_BELOW_F64


def log(b: ScalarBuilder[S], x: S) -> S:
    """log x. log(+-0) = -inf, log(x < 0) = NaN, log(inf) = inf."""
    parts = split(b, x)
    f = b.subf(parts.m, b.constant(1.0, x.type))
    return add_exponent(b, parts.k, f, log1p_remainder(b, f))


def log2(b: ScalarBuilder[S], x: S) -> S:
    """log2 x, exact for powers of two. log2(+-0) = -inf, log2(x < 0) = NaN, log2(inf) = inf."""
    parts = split(b, x)
    f = b.subf(parts.m, b.constant(1.0, x.type))
    # The sum loses little: for k other than 0 it is twice as large as what is added to k, or equal to it.
    return b.addf(parts.k, in_base(b, f, LOG2E_F32 if format_of(x) is BINARY32 else LOG2E_F64))


def in_base(b: ScalarBuilder[S], f: S, factor: tuple[float, float], more: S | None = None) -> S:
    """log(1 + f) (high + low) + more, rounded once but for what is much smaller than f: as f high + (...)."""
    high, low = (b.constant(c, f.type) for c in factor)
    small = b.mulf(f, low) if more is None else b.fma(f, low, more)
    return b.fma(f, high, b.fma(log1p_remainder(b, f), high, small))


def log10(b: ScalarBuilder[S], x: S) -> S:
    """log10 x, exact for powers of ten. log10(+-0) = -inf, log10(x < 0) = NaN, log10(inf) = inf.

    Two logarithms of powers of ten differ by an ulp of either at least, and all that is rounded before the
    last step is far below that.
    """
    single = format_of(x) is BINARY32
    high, low = LOG10_2_BELOW_F32 if single else LOG10_2_BELOW_F64
    parts = split(b, x)
    f = b.subf(parts.m, b.constant(1.0, x.type))
    small = b.mulf(parts.k, b.constant(low, x.type))
    inner = in_base(b, f, LOG10E_F32 if single else LOG10E_F64, small)
    return b.fma(parts.k, b.constant(high, x.type), inner)


def log1p(b: ScalarBuilder[S], x: S) -> S:
    """log(1 + x), accurate near 0. log1p(-0) = -0, log1p(-1) = -inf, log1p(x < -1) = NaN, log1p(inf) = inf.

    u = fl(1 + x) is split, and what its rounding lost comes back in first order as lost / u. The loss x - (u
    - 1) is exact for -1 < x < 2^digits (u - 1 is then representable, and so is the error of a sum); beyond,
    it no longer counts.
    """
    fmt = format_of(x)
    one = b.constant(1.0, fmt.type)
    u = b.addf(one, x)
    lost = b.subf(x, b.subf(u, one))
    parts = split(b, u)
    f = b.subf(parts.m, one)
    # 1/u = 2^-k / (1 + f), and 1 - f + f^2 is close enough; u is 0 or not less than 2^-(digits+1).
    scale = b.negf(at_least(b, parts.k, -float(fmt.bias)))
    f_low = b.mulf(scaled(b, lost, scale), b.fma(f, f, b.subf(one, f)))
    result = add_exponent(b, parts.k, f, b.addf(log1p_remainder(b, f), f_low))
    result = b.select(b.cmpf("oeq", x, b.constant(INF, fmt.type)), x, result)
    return b.copysign(result, x)
