"""Steps of expansions for which some processors have an instruction, written out for all others.

An expansion calls `@tensorc_step_<name>_<type>`, which `expand-math` defines in the module with the body
given here. Vector code calls it with vectors (`ELEMENTWISE` in `ops/loops/nests.py`), and code for a machine
with the instruction has that in place of the call: the bits are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tensorc.ir.types import FloatType
from tensorc.ops.scalar import S, ScalarBuilder
from tensorc.passes.math.scalars import BINARY32, BINARY64, INF, NAN, Format, exponent_field, format_of


@dataclass(frozen=True)
class Step:
    """`value(builder, *operands)` is what `@tensorc_step_<name>_<type>` computes."""

    name: str
    type: FloatType
    value: Callable[..., Any]
    operands: int


def _scaled(b: ScalarBuilder[S], x: S, k: S) -> S:
    fmt = format_of(x)
    shifted = b.bitcast(b.addf(k, b.constant(float(fmt.shifter + 2 * fmt.bias), fmt.type)), fmt.bits)
    # Two powers, because 2^k may be subnormal or overflow where the result does not; the first product is
    # exact, so that the result is rounded once, into the subnormals too.
    half = b.shrui(shifted, b.constant(1, fmt.bits))
    first, second = exponent_field(b, half, fmt), exponent_field(b, b.subi(shifted, half), fmt)
    return b.mulf(b.mulf(x, first), second)


def _lifted(b: ScalarBuilder[S], x: S) -> tuple[S, S]:
    """(x times a power of two, if it is subnormal; whether it is), for x >= 0."""
    fmt = format_of(x)
    small = b.cmpf("olt", x, b.constant(fmt.smallest_normal, fmt.type))
    return b.select(small, b.mulf(x, b.constant(2.0 ** _lift(fmt), fmt.type)), x), small


def _lift(fmt: Format) -> int:
    return fmt.digits + 2


def _exponent(b: ScalarBuilder[S], x: S) -> S:
    """The exponent becomes a floating number by pasting it into the fraction of 2^digits: the conversion
    instruction of 64-bit integers is missing before AVX-512.
    """
    fmt = format_of(x)
    size = b.absf(x)
    lifted, small = _lifted(b, size)
    field = b.shrui(b.bitcast(lifted, fmt.bits), b.constant(fmt.digits, fmt.bits))
    pasted = b.bitcast(b.ori(field, b.constant((fmt.bias + fmt.digits) << fmt.digits, fmt.bits)), fmt.type)
    origin = 2.0**fmt.digits + fmt.bias
    k = b.subf(
        pasted, b.select(small, b.constant(origin + _lift(fmt), fmt.type), b.constant(origin, fmt.type))
    )
    k = b.select(b.cmpf("olt", size, b.constant(INF, fmt.type)), k, size)
    zero = b.cmpf("oeq", size, b.constant(0.0, fmt.type))
    return b.select(zero, b.constant(-INF, fmt.type), k)


def _significand(b: ScalarBuilder[S], x: S) -> S:
    fmt = format_of(x)
    bits = b.bitcast(_lifted(b, x)[0], fmt.bits)
    fraction = b.andi(bits, b.constant((1 << fmt.digits) - 1, fmt.bits))
    m = b.bitcast(b.ori(fraction, b.constant(fmt.bias << fmt.digits, fmt.bits)), fmt.type)
    # The NaN that x86 makes of an invalid operation has its sign set.
    return b.select(b.cmpf("oge", x, b.constant(0.0, fmt.type)), m, b.constant(-NAN, fmt.type))


STEPS: dict[str, Step] = {
    f"tensorc_step_{name}_{fmt.type}": Step(name, fmt.type, value, operands)
    for name, value, operands in (
        ("scaled", _scaled, 2),
        ("exponent", _exponent, 1),
        ("significand", _significand, 1),
    )
    for fmt in (BINARY32, BINARY64)
}
"""By the name of the function."""


def scaled(b: ScalarBuilder[S], x: S, k: S) -> S:
    """x 2^k, rounded once, for an integral |k| < 2 * bias and 1/4 <= |x| <= 4. Either may be NaN, and then
    the result is. An x outside does as well where neither x nor x 2^(k/2) is subnormal or overflows.
    """
    return b.call(f"tensorc_step_scaled_{x.type}", [x, k], x.type)


def exponent(b: ScalarBuilder[S], x: S) -> S:
    """The largest integer k with 2^k <= |x|, as a floating number; -inf for zeros, inf for infinities."""
    return b.call(f"tensorc_step_exponent_{x.type}", [x], x.type)


def significand(b: ScalarBuilder[S], x: S) -> S:
    """x 2^-exponent(x), from 1 up to 2, for x > 0; 1 for zeros and inf; NaN below 0."""
    return b.call(f"tensorc_step_significand_{x.type}", [x], x.type)
