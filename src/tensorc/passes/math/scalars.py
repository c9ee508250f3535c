"""The vocabulary of the expansions: the two floating-point formats, and steps they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tensorc.ir.types import FloatType, IntegerType, f32, f64, i32, i64
from tensorc.ops.scalar import S, ScalarBuilder, ScalarValue

INF = float("inf")
NAN = float("nan")


@dataclass(frozen=True)
class Format:
    """An IEEE format: `digits` explicit fraction bits, exponent `bias`, `bits` the integer of that width."""

    type: FloatType
    bits: IntegerType
    digits: int
    bias: int

    @property
    def width(self) -> int:
        """Bits of the format."""
        return self.bits.width

    @property
    def shifter(self) -> int:
        """1.5 * 2^digits: adding it to |x| < 2^(digits-1) rounds x to nearest even, held in the low bits."""
        return 3 << (self.digits - 1)

    @property
    def tiny(self) -> float:
        """2^-(digits+2): below it x and x +- x^2/2 round alike."""
        return 2.0 ** -(self.digits + 2)

    @property
    def smallest_normal(self) -> float:
        return 2.0 ** (1 - self.bias)


BINARY32 = Format(f32, i32, 23, 127)
BINARY64 = Format(f64, i64, 52, 1023)


def format_of(x: ScalarValue) -> Format:
    """The format of a value.

    Raises TypeError for anything but f32 and f64: the expansions are accurate for these two formats only.
    """
    if x.type == f32:
        return BINARY32
    if x.type == f64:
        return BINARY64
    raise TypeError(f"no expansion for {x.type}: convert to f32 or f64 first")


def horner(b: ScalarBuilder[S], x: S, coefficients: Sequence[float]) -> S:
    """The polynomial with these coefficients, lowest order first, one fma per degree.

    Horner's scheme and not Estrin's: the loops are wide enough to hide latency, and it is the shortest.
    """
    result = b.constant(coefficients[-1], x.type)
    for coefficient in reversed(coefficients[:-1]):
        result = b.fma(result, x, b.constant(coefficient, x.type))
    return result


def even_odd(b: ScalarBuilder[S], x: S, square: S, coefficients: Sequence[float]) -> S:
    """The polynomial as even(x^2) + x odd(x^2), given x^2: half the latency of `horner`, for long bodies.

    A processor looks ahead a few hundred instructions: few turns of a loop, where the body is that long.
    """
    return b.fma(x, horner(b, square, coefficients[1::2]), horner(b, square, coefficients[::2]))


def at_most(b: ScalarBuilder[S], x: S, bound: float) -> S:
    """min(x, bound), NaN kept; the operand order is that of x86's `minps`, so that it is one instruction."""
    limit = b.constant(bound, x.type)
    return b.select(b.cmpf("olt", limit, x), limit, x)


def at_least(b: ScalarBuilder[S], x: S, bound: float) -> S:
    """max(x, bound), NaN kept."""
    limit = b.constant(bound, x.type)
    return b.select(b.cmpf("ogt", limit, x), limit, x)


def negative_abs(b: ScalarBuilder[S], x: S) -> S:
    """-|x|."""
    return b.copysign(x, b.constant(-1.0, x.type))


def exponent_field(b: ScalarBuilder[S], biased: S, fmt: Format) -> S:
    """The power of two whose biased exponent is in the low bits of `biased`; higher bits are shifted out."""
    return b.bitcast(b.shli(biased, b.constant(fmt.digits, fmt.bits)), fmt.type)


def nearest_integer(b: ScalarBuilder[S], x: S) -> S:
    """The nearest integral number, for |x| < 2^(digits-1)."""
    shifter = b.constant(float(format_of(x).shifter), x.type)
    return b.subf(b.addf(x, shifter), shifter)


def fast_two_sum(b: ScalarBuilder[S], a: S, c: S) -> tuple[S, S]:
    """(s, e) with s = fl(a + c) and s + e = a + c exactly, for |a| >= |c| or a = 0 (T. J. Dekker, 1971)."""
    s = b.addf(a, c)
    return s, b.subf(c, b.subf(s, a))


def two_sum(b: ScalarBuilder[S], a: S, c: S) -> tuple[S, S]:
    """(s, e), s = fl(a + c), s + e = a + c exactly for finite s (D. E. Knuth, TAOCP 2, section 4.2.2)."""
    s = b.addf(a, c)
    c_part = b.subf(s, a)
    a_part = b.subf(s, c_part)
    return s, b.addf(b.subf(a, a_part), b.subf(c, c_part))
