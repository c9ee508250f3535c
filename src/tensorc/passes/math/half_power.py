"""x to the power of 1/2, -1/2, 3/2 and -3/2: roots and quotients instead of a logarithm.

pow is not quite sqrt: of -inf and -0 it makes what it makes of inf and 0. Products x sqrt(x) are taken of an
x near 1 in size, scaled by a power of 4 whose 3/2 is exact, so that no intermediate result leaves the normal
range where the result does not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from tensorc.ops.scalar import S, ScalarBuilder
from tensorc.passes.math.scalars import format_of

HALVES: Final = (0.5, -0.5, 1.5, -1.5)
ULP: Final = 2.0


@dataclass(frozen=True)
class Scale:
    """Beyond `limit`, or below its inverse, x is multiplied by 1 / `factor` or by `factor`."""

    limit: float
    factor: float


SCALES: Final = {23: Scale(2.0**60, 2.0**60), 52: Scale(2.0**500, 2.0**500)}
"""By fraction digits: 3/2 of what is left stays below the largest exponent, and so does 3/2 of the factor."""


def half_power(b: ScalarBuilder[S], x: S, exponent: float) -> S:
    """x ** exponent for an exponent of `HALVES`; NaN below 0, but for -inf."""
    kind = x.type
    inf, one = b.constant(math.inf, kind), b.constant(1.0, kind)
    negative = b.cmpf("oeq", x, b.constant(-math.inf, kind))
    base = b.select(negative, inf, b.addf(x, b.constant(0.0, kind)))
    if exponent == 0.5:
        return b.sqrt(base)
    if exponent == -0.5:
        return b.divf(one, b.sqrt(base))
    scale = SCALES[format_of(x).digits]
    factor, inverse = b.constant(scale.factor, kind), b.constant(1 / scale.factor, kind)
    large = b.cmpf("ogt", base, b.constant(scale.limit, kind))
    small = b.cmpf("olt", base, b.constant(1 / scale.limit, kind))
    near = b.mulf(base, b.select(large, inverse, b.select(small, factor, one)))
    root = b.sqrt(near)
    product = b.mulf(near, root)
    # (x / f) ** 1.5 = x ** 1.5 / f ** 1.5; both powers of the factor are exact.
    up, down = b.constant(scale.factor**1.5, kind), b.constant(scale.factor**-1.5, kind)
    if exponent == 1.5:
        return b.mulf(product, b.select(large, up, b.select(small, down, one)))
    # One step of Newton's with what the product lost leaves the error of the root and of one rounding; at 0
    # and inf the step is NaN.
    quotient = b.divf(one, product)
    lost = b.fma(near, root, b.negf(product))
    step = b.fma(b.negf(lost), quotient, b.fma(b.negf(product), quotient, one))
    better = b.select(b.cmpf("olt", b.absf(step), one), b.fma(quotient, step, quotient), quotient)
    return b.mulf(better, b.select(large, down, b.select(small, up, one)))
