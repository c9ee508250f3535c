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
from tensorc.passes.math.scalars import BINARY32, BINARY64, exponent_field, format_of


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


STEPS: dict[str, Step] = {
    f"tensorc_step_{name}_{fmt.type}": Step(name, fmt.type, value, operands)
    for name, value, operands in (("scaled", _scaled, 2),)
    for fmt in (BINARY32, BINARY64)
}
"""By the name of the function."""


def scaled(b: ScalarBuilder[S], x: S, k: S) -> S:
    """x 2^k, rounded once, for an integral |k| < 2 * bias and 1/4 <= |x| <= 4. Either may be NaN, and then
    the result is. An x outside does as well where neither x nor x 2^(k/2) is subnormal or overflows.
    """
    return b.call(f"tensorc_step_scaled_{x.type}", [x, k], x.type)
