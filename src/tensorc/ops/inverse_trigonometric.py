"""Inverse trigonometric functions, in radians, on floats.

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
class Arcsin(TableFunction):
    """The inverse of the sine, from -pi/2 to pi/2: NaN where |x| > 1."""

    name = "tensorc.arcsin"
    public = "arcsin"
    aliases = ("asin",)
    row = "asin"
    domain = (-0.8, 0.8)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        """dx / sqrt((1 - x)(1 + x)), which keeps its digits where x is close to ±1."""
        slope = emit.sqrt(b, emit.one_minus_square(b, op.operands[0]))
        return (emit.chain_div(b, cotangents[0], slope),)


@register
class Arccos(TableFunction):
    """The inverse of the cosine, from pi at -1 to 0 at 1: NaN where |x| > 1."""

    name = "tensorc.arccos"
    public = "arccos"
    aliases = ("acos",)
    row = "acos"
    domain = (-0.8, 0.8)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        """-dx / sqrt((1 - x)(1 + x))."""
        slope = emit.sqrt(b, emit.one_minus_square(b, op.operands[0]))
        return (emit.neg(b, emit.chain_div(b, cotangents[0], slope)),)


@register
class Arctan(TableFunction):
    """The inverse of the tangent, from -pi/2 at -inf to pi/2 at inf."""

    name = "tensorc.arctan"
    public = "arctan"
    aliases = ("atan",)
    row = "atan"

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        """dx / (1 + x²): where x² overflows, 0 is right."""
        (x,) = op.operands
        return (emit.div(b, cotangents[0], emit.plus(b, emit.mul(b, x, x), 1)),)


@register
class Arctan2(TableFunction):
    """The angle of the point (x, y), given as `arctan2(y, x)`, from -pi to pi.

    Zeros have signs here: arctan2(±0, x) is ±0 for x >= +0 and ±pi for x <= -0. Two infinities are a
    diagonal: ±pi/4 or ±3pi/4 (IEEE 754-2019, section 9.2.1).
    """

    name = "tensorc.arctan2"
    public = "arctan2"
    aliases = ("atan2",)
    row = "atan2"
    arity = 2
    domain = (0.3, 2.5)

    @classmethod
    def partials(cls, b: Builder, xs: Sequence[Value], y: Value) -> Sequence[Value | None]:
        """x / r² and -y / r² with r = hypot(x, y), divided twice: r² may overflow or vanish.

        NaN at the origin, where the angle has no derivative.
        """
        r = emit.op(b, "hypot", *xs)
        by_y, by_x = (emit.div(b, emit.div(b, v, r), r) for v in (xs[1], xs[0]))
        return by_y, emit.neg(b, by_x)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from super().samples()
        quadrants = (np.array([1.0, 1.0, -1.0, -1.0]), np.array([2.0, -2.0, 2.0, -2.0]))
        yield Sample(quadrants, differentiable=True, label="quadrants")
        special = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan])
        every = np.meshgrid(special, special)
        yield Sample((every[0].ravel(), every[1].ravel()), differentiable=False, label="special values")
