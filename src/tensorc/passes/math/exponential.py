"""exp, exp2 and expm1, and the reduction that tanh, sigmoid and softplus share with them.

x = k ln 2 + r with |r| <= ln(2)/2 (W. J. Cody and W. Waite, Software Manual for the Elementary Functions,
1980, chapter 6); e^r = 1 + r + r^2 q(r), and 2^k comes in last (`steps.scaled`). The product k * ln2 is
exact under fma, and because r is short, x - k * ln2_high is exact as well: it is a multiple of an ulp of
ln2_high or of x, whichever is finer, and less than 2^(digits+1) of them. What is left to lose is the rounding
of r itself; `tail` holds it where a function needs it (P. T. P. Tang, Table-driven implementation of the
expm1 function, ACM TOMS 18, 1992, keeps the same two-part r).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

from tensorc.ops.scalar import S, ScalarBuilder
from tensorc.passes.math.coefficients import (
    EXP2_F32,
    EXP2_F64,
    EXP_F32,
    EXP_F64,
    LN2_F32,
    LN2_F64,
    LOG2E_F32,
    LOG2E_F64,
)
from tensorc.passes.math.scalars import (
    BINARY32,
    Format,
    at_least,
    at_most,
    even_odd,
    exponent_field,
    fast_two_sum,
    format_of,
    horner,
    nearest_integer,
)
from tensorc.passes.math.steps import scaled


@dataclass(frozen=True)
class Limits:
    """Arguments beyond which a result no longer changes. The reduction stays in range between them.

    `under`: e^x rounds to 0 below. `over`: e^x overflows above. `minus_one`: expm1(x) rounds to -1 below.
    `under2`, `over2`: the same for 2^x.
    """

    under: float
    over: float
    minus_one: float
    under2: float
    over2: float


LIMITS = {24: Limits(-104.5, 89.0, -20.0, -151.0, 128.5), 53: Limits(-746.0, 709.8, -40.0, -1076.0, 1024.5)}


def limits(fmt: Format) -> Limits:
    """The limits of a format."""
    return LIMITS[fmt.digits + 1]


@dataclass(frozen=True)
class Reduced(Generic[S]):
    """x = k ln 2 + r + tail. `shifted` holds k + offset in its low bits."""

    shifted: S
    k: S
    r: S
    tail: S


def reduce_once(b: ScalarBuilder[S], x: S, x_low: S, offset: int) -> Reduced[S]:
    """Split a clamped (or NaN) x + x_low into an exact r and a tail, below k and x_low's ulps: the shortest.

    `offset` is added to k in `shifted` and nowhere else.
    """
    shifted, k, near = _nearest(b, x, offset)
    low = LN2_F32[1] if format_of(x) is BINARY32 else LN2_F64[1]
    return Reduced(shifted, k, near, b.fma(k, b.constant(-low, x.type), x_low))


def reduce(b: ScalarBuilder[S], x: S, offset: int = 0) -> Reduced[S]:
    """Split a clamped (or NaN) x, the tail below an ulp of r. `offset` is as for `reduce_once`."""
    shifted, k, near = _nearest(b, x, offset)
    low = LN2_F32[1] if format_of(x) is BINARY32 else LN2_F64[1]
    minus_low = b.constant(-low, x.type)
    r = b.fma(k, minus_low, near)
    tail = b.fma(k, minus_low, b.subf(near, r))
    return Reduced(shifted, k, r, tail)


def _nearest(b: ScalarBuilder[S], x: S, offset: int) -> tuple[S, S, S]:
    """The bits of k + offset, k and x - k ln2_high."""
    fmt = format_of(x)
    log2e, high = (LOG2E_F32[0], LN2_F32[0]) if fmt is BINARY32 else (LOG2E_F64[0], LN2_F64[0])
    shifter = b.constant(float(fmt.shifter + offset), fmt.type)
    shifted = b.fma(x, b.constant(log2e, fmt.type), shifter)
    k = b.subf(shifted, shifter)
    return b.bitcast(shifted, fmt.bits), k, b.fma(k, b.constant(-high, fmt.type), x)


def exp_remainder(b: ScalarBuilder[S], r: S, tail: S | None = None) -> S:
    """e^(r + tail) - 1 - r."""
    coefficients = EXP_F32 if format_of(r) is BINARY32 else EXP_F64
    square = b.mulf(r, r)
    q = even_odd(b, r, square, coefficients)
    return b.mulf(square, q) if tail is None else b.fma(square, q, tail)


def short_expm1(b: ScalarBuilder[S], r: S) -> S:
    """e^r - 1."""
    coefficients = EXP_F32 if format_of(r) is BINARY32 else EXP_F64
    square = b.mulf(r, r)
    return b.fma(square, even_odd(b, r, square, coefficients), r)


def exp(b: ScalarBuilder[S], x: S) -> S:
    """e^x. exp(-inf) = 0, exp(inf) = inf, subnormal results are kept."""
    fmt = format_of(x)
    reach = limits(fmt)
    inside = at_least(b, at_most(b, x, reach.over), reach.under)
    reduced = reduce(b, inside)
    grown = horner(b, reduced.r, (1.0, 1.0, *(EXP_F32 if fmt is BINARY32 else EXP_F64)))
    return scaled(b, grown, reduced.k)


def exp2(b: ScalarBuilder[S], x: S) -> S:
    """2^x, exact for integral x. exp2(-inf) = 0, exp2(inf) = inf."""
    fmt = format_of(x)
    reach = limits(fmt)
    inside = at_least(b, at_most(b, x, reach.over2), reach.under2)
    k = nearest_integer(b, inside)
    ln2, coefficients = (LN2_F32[0], EXP2_F32) if fmt is BINARY32 else (LN2_F64[0], EXP2_F64)
    return scaled(b, horner(b, b.subf(inside, k), (1.0, ln2, *coefficients)), k)


def expm1(b: ScalarBuilder[S], x: S) -> S:
    """e^x - 1, accurate near 0. expm1(-0) = -0, expm1(-inf) = -1, expm1(inf) = inf."""
    fmt = format_of(x)
    reach = limits(fmt)
    inside = at_least(b, at_most(b, x, reach.over), reach.minus_one)
    reduced = reduce(b, inside, fmt.bias - 1)
    scale = exponent_field(b, reduced.shifted, fmt)
    # (2^(k-1) - 1/2) + 2^(k-1) r + 2^(k-1) (e^r - 1 - r): halves, because 2^k may overflow where the result
    # does not.
    gap = b.subf(scale, b.constant(0.5, fmt.type))
    head = b.fma(scale, reduced.r, gap)
    lost = b.fma(scale, reduced.r, b.subf(gap, head))
    half = b.addf(head, b.fma(scale, exp_remainder(b, reduced.r, reduced.tail), lost))
    # Where x is its own result, halving could drop its last bit (subnormals), and -0 would come out as +0.
    own = b.cmpf("olt", b.absf(x), b.constant(fmt.tiny, fmt.type))
    return b.select(own, x, b.addf(half, half))


@dataclass(frozen=True)
class ScaledPair(Generic[S]):
    """e^x = (high + low) 2^k, |low| <= 0.08 |high|."""

    high: S
    low: S
    k: S


def exp_pair(b: ScalarBuilder[S], x: S, x_low: S | None = None) -> ScaledPair[S]:
    """e^(x + x_low) for x <= 0 (or NaN), |x_low| below an ulp of x, with several bits beyond the format."""
    fmt = format_of(x)
    reduced = reduce(b, at_least(b, x, limits(fmt).under))
    high, low = fast_two_sum(b, b.constant(1.0, fmt.type), reduced.r)
    low = b.addf(low, exp_remainder(b, reduced.r, reduced.tail))
    if x_low is not None:
        low = b.fma(high, x_low, low)
    return ScaledPair(high, low, reduced.k)
