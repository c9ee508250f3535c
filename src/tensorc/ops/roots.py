"""Roots that are no instruction: the cube root and the hypotenuse, on floats.

Scalar values come from the table in `scalar.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tensorc.ir.core import Operation, Value
from tensorc.ops import emit
from tensorc.ops.base import Sample, register
from tensorc.ops.transcendental import TableFunction

if TYPE_CHECKING:
    from tensorc.ir.builder import Builder


@register
class Cbrt(TableFunction):
    """The real cube root: odd, also of negative numbers."""

    name = "tensorc.cbrt"
    public = "cbrt"
    row = "cbrt"
    domain = (0.2, 4.0)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        """dx / (3 y²)."""
        y = op.result
        return (emit.chain_div(b, cotangents[0], emit.scale(b, emit.mul(b, y, y), 3)),)


@register
class Hypot(TableFunction):
    """sqrt(x² + y²) without overflow or underflow in between; inf where x or y is infinite, whatever the
    other is (also NaN).
    """

    name = "tensorc.hypot"
    public = "hypot"
    row = "hypot"
    arity = 2
    bounded = True

    @classmethod
    def partials(cls, b: Builder, xs: Sequence[Value], y: Value) -> Sequence[Value | None]:
        """x / h and y / h; 0 at the origin, as the derivative of |x|."""
        zero = emit.eq(b, y, emit.zeros_like(b, y))
        h = emit.where(b, zero, emit.ones_like(b, y), y)
        return [emit.div(b, x, h) for x in xs]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from super().samples()
        x, y = np.array([3.0, 1e300, 1e-300, np.inf, np.nan]), np.array([4.0, 1e300, 1e-300, np.nan, 1.0])
        yield Sample((x, y), differentiable=False, label="extremes")
