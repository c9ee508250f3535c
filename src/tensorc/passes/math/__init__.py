"""Math functions as branch-free sequences of `arith` and `math.fma` on scalars, for f32 and f64.

They exist so that a loop containing exp or log stays one loop that LLVM vectorises whole: no calls, no
tables, no gathers, no branches. They assume a fused multiply-add; without the instruction they stay right and
get slow. Nothing in them is undefined for any input: bit patterns are shifted by constants, and floating
numbers become integers only through the bits of a sum, never through a conversion.

Arguments that need much longer code are left to `rare` functions, which vector code branches around. What
some machines have an instruction for is a function of its own (`steps`).

Here: one file per family (`exponential`, `logarithm`, `hyperbolic`, `inverse_hyperbolic`, `trigonometric`
with `huge`, `inverse_trigonometric`, `roots`, `error`, `power`, `half_power`, `sigmoid`, `log1mexp`),
`scalars` and `steps` (what they are written against), `coefficients` and the `*_constants` (made by
`tools/minimax*.py`). May import `ir` and `ops.scalar`; imported by `passes/expand_math.py` alone. To add a
function: write it over `ScalarBuilder`, enter it in `EXPANSIONS` with the error it reaches, run
`benchmarks/accuracy.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tensorc.passes.math.error import erf, erfc
from tensorc.passes.math.exponential import exp, exp2, expm1
from tensorc.passes.math.hyperbolic import cosh, sinh, tanh
from tensorc.passes.math.inverse_hyperbolic import acosh, asinh, atanh
from tensorc.passes.math.inverse_trigonometric import acos, asin, atan, atan2
from tensorc.passes.math.log1mexp import log1mexp
from tensorc.passes.math.logarithm import log, log1p, log2, log10
from tensorc.passes.math.power import powf
from tensorc.passes.math.rare import RARE, Rare
from tensorc.passes.math.roots import cbrt, hypot
from tensorc.passes.math.sigmoid import logaddexp, sigmoid, softplus
from tensorc.passes.math.steps import STEPS, Step
from tensorc.passes.math.trigonometric import cos, sin, tan


@dataclass(frozen=True)
class Expansion:
    """A function `expand(builder, *operands)` and its largest error, in ulps of the exact result."""

    name: str
    expand: Callable[..., Any]
    ulp: float
    operands: int = 1


EXPANSIONS: dict[str, Expansion] = {
    row.name: row
    for row in (
        Expansion("exp", exp, 1.1),
        Expansion("exp2", exp2, 1.0),
        Expansion("expm1", expm1, 1.5),
        Expansion("log", log, 1.25),
        Expansion("log1p", log1p, 1.25),
        Expansion("log2", log2, 1.5),
        Expansion("log10", log10, 1.5),
        Expansion("sinh", sinh, 1.25),
        Expansion("cosh", cosh, 1.25),
        Expansion("asinh", asinh, 1.5),
        Expansion("acosh", acosh, 1.5),
        Expansion("atanh", atanh, 1.5),
        Expansion("asin", asin, 1.5),
        Expansion("acos", acos, 1.5),
        Expansion("atan", atan, 1.5),
        Expansion("atan2", atan2, 1.5, operands=2),
        Expansion("cbrt", cbrt, 1.0),
        Expansion("hypot", hypot, 1.25, operands=2),
        Expansion("tanh", tanh, 1.9),
        Expansion("sigmoid", sigmoid, 1.75),
        Expansion("softplus", softplus, 1.75),
        Expansion("log1mexp", log1mexp, 1.75),
        Expansion("logaddexp", logaddexp, 2.0, operands=2),
        Expansion("sin", sin, 1.7),
        Expansion("cos", cos, 1.7),
        Expansion("tan", tan, 1.5),
        Expansion("powf", powf, 1.25, operands=2),
        Expansion("erf", erf, 1.9),
        Expansion("erfc", erfc, 1.75),
    )
}

__all__ = ["EXPANSIONS", "RARE", "STEPS", "Expansion", "Rare", "Step"]
