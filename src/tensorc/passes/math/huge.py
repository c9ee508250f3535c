"""sin, cos and tan of huge arguments: M. H. Payne and R. N. Hanek, Radian reduction for trigonometric
functions, ACM SIGNUM Newsletter 18, 1983.

x = m 2^e with an integer m below 2^53. Places of 1/pi whose product with x is a multiple of 2 do not matter
and are left out; the next 192 suffice, because no double beyond 2^17 comes nearer to a multiple of pi/2 than
2^-61 (J.-M. Muller, Elementary Functions, 3rd ed., section 11.3.3): 128 places of the product are used, 65
of them then count. float32 arguments are computed as float64 and rounded once more.

Straight-line code in 64-bit integers whose digits have 32 bits. It is right for |x| >= 1 and gives NaN for
infinities.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic

from tensorc.ir.types import f64, i64
from tensorc.ops.scalar import S, ScalarBuilder
from tensorc.passes.math.circular_constants import INVERSE_PI_BITS, PI_F64
from tensorc.passes.math.scalars import fast_two_sum, format_of
from tensorc.passes.math.trigonometric import Rest, sine_of, tangent_of, with_sign

LOW_DIGIT = 0xFFFFFFFF
FIRST_EXPONENT = 1013
"""The biased exponent of the x that would multiply the table from its very first bit."""

WINDOW = 6
"""Digits of 1/pi multiplied by x."""


@dataclass(frozen=True)
class Turns(Generic[S]):
    """|x| / pi modulo 2 as a binary fraction: the top bit of `high` is worth 1, `low` continues it."""

    high: S
    low: S


def number(b: ScalarBuilder[S], value: int) -> S:
    """A constant of 64 bits."""
    return b.constant(value, i64)


def digits_from(b: ScalarBuilder[S], start: S) -> list[S]:
    """The digits `start` to `start` + WINDOW of the table, for 0 <= start < 64; zeros beyond its end.

    The list is halved by one bit of `start` after the other, which needs no memory.
    """
    digits = [number(b, digit) for digit in INVERSE_PI_BITS]
    zero = number(b, 0)
    for step in (32, 16, 8, 4, 2, 1):
        set_ = b.cmpi("ne", b.andi(start, number(b, step)), zero)
        kept = min(step + WINDOW, len(digits))
        moved = digits[step:] + [zero] * kept
        digits = [b.select(set_, moved[i], digits[i]) for i in range(kept)]
    return digits


def window(b: ScalarBuilder[S], place: S) -> list[S]:
    """WINDOW digits of 1/pi from bit `place` of the table on."""
    digits = digits_from(b, b.andi(b.shrui(place, number(b, 5)), number(b, 63)))
    shift = b.andi(place, number(b, 31))
    back = b.subi(number(b, 32), shift)
    mask = number(b, LOW_DIGIT)
    pairs = pairwise(digits)
    joined = (b.ori(b.shli(first, number(b, 32)), second) for first, second in pairs)
    return [b.andi(b.shrui(pair, back), mask) for pair in joined]


def multiplied(b: ScalarBuilder[S], digits: list[S], factor: S, onto: list[S]) -> list[S]:
    """digits * factor + onto modulo 2^(32 len), for digits and a factor below 2^32, highest first."""
    mask, carry, found = number(b, LOW_DIGIT), number(b, 0), []
    for digit, addend in zip(reversed(digits), reversed(onto), strict=True):
        total = b.addi(b.addi(b.muli(digit, factor), addend), carry)
        found.append(b.andi(total, mask))
        carry = b.shrui(total, number(b, 32))
    return found[::-1]


def turns(b: ScalarBuilder[S], x: S) -> Turns[S]:
    """|x| / pi modulo 2, for a float64 |x| >= 1."""
    bits = b.bitcast(x, i64)
    biased = b.andi(b.shrui(bits, number(b, 52)), number(b, 0x7FF))
    m = b.ori(b.andi(bits, number(b, (1 << 52) - 1)), number(b, 1 << 52))
    digits = window(b, b.subi(biased, number(b, FIRST_EXPONENT)))
    low, high = b.andi(m, number(b, LOW_DIGIT)), b.shrui(m, number(b, 32))
    product = multiplied(b, digits, low, [number(b, 0)] * WINDOW)
    # `high` counts one digit more: its product's first digit, a multiple of 2, goes.
    product = [*multiplied(b, digits[1:], high, product[:-1]), product[-1]]
    joined = [b.ori(b.shli(product[i], number(b, 32)), product[i + 1]) for i in (0, 2)]
    return Turns(*joined)


def scaled(b: ScalarBuilder[S], high: S, low: S, unit: float) -> Rest[S]:
    """pi times the fraction high:low, whose first bit is 0 and whose top bit is worth `unit`, in parts."""
    kept = (1 << 63) - (1 << 10)
    first = b.sitofp(b.andi(high, number(b, kept)), f64)
    rest = b.ori(b.shli(b.andi(high, number(b, 1023)), number(b, 53)), b.shrui(low, number(b, 11)))
    second = b.mulf(b.sitofp(rest, f64), b.constant(unit * 2.0**-116, f64))
    g, g_low = fast_two_sum(b, b.mulf(first, b.constant(unit * 2.0**-63, f64)), second)
    pi, pi_low = b.constant(PI_F64[0], f64), b.constant(PI_F64[1], f64)
    product = b.mulf(g, pi)
    missing = b.fma(g, pi, b.negf(product))
    return Rest(*fast_two_sum(b, product, b.fma(g_low, pi, b.fma(g, pi_low, missing))))


def half_turn_sine(b: ScalarBuilder[S], t: Turns[S]) -> tuple[S, S]:
    """sin(pi t), as its absolute value and an integer whose top bit is its sign."""
    one = number(b, 1)
    high = b.ori(b.shli(t.high, one), b.shrui(t.low, number(b, 63)))
    low = b.shli(t.low, one)
    # sin(pi (1 - f)) = sin(pi f): the complement of the bits is 1 - f, but for the last place.
    flip = b.shrsi(high, number(b, 63))
    return sine_of(b, scaled(b, b.xori(high, flip), b.xori(low, flip), 0.5)), t.high


def sine(b: ScalarBuilder[S], x: S) -> S:
    value, sign = half_turn_sine(b, turns(b, x))
    return with_sign(b, value, sign, b.bitcast(x, i64))


def cosine(b: ScalarBuilder[S], x: S) -> S:
    t = turns(b, x)
    value, sign = half_turn_sine(b, Turns(b.addi(t.high, number(b, 1 << 62)), t.low))
    return with_sign(b, value, sign)


def tangent(b: ScalarBuilder[S], x: S) -> S:
    t = turns(b, x)
    # f = |x| / pi modulo 1 lies nearest to k / 2; the top bit of f + 1/4 is the low one of k.
    two, low_bit = number(b, 2), number(b, 63)
    odd = b.andi(b.addi(t.high, number(b, 1 << 61)), number(b, 1 << 62))
    high = b.ori(b.shli(t.high, two), b.shrui(t.low, number(b, 62)))
    low = b.shli(t.low, two)
    sign = b.shrsi(high, low_bit)
    rest = scaled(b, b.xori(high, sign), b.xori(low, sign), 0.25)
    return with_sign(b, tangent_of(b, rest, odd), sign, b.bitcast(x, i64))


def huge(b: ScalarBuilder[S], function: Callable[[ScalarBuilder[S], S], S], x: S) -> S:
    """The function of a float32 or float64 x, NaN for infinities."""
    kind = format_of(x).type
    wide = x if kind == f64 else b.extf(x, f64)
    value = function(b, wide)
    value = value if kind == f64 else b.truncf(value, kind)
    # inf - inf: an infinite x has no finite bits, and NaN stays NaN.
    return b.addf(value, b.subf(x, x))


def huge_sin(b: ScalarBuilder[S], x: S) -> S:
    return huge(b, sine, x)


def huge_cos(b: ScalarBuilder[S], x: S) -> S:
    return huge(b, cosine, x)


def huge_tan(b: ScalarBuilder[S], x: S) -> S:
    return huge(b, tangent, x)
