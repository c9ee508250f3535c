"""Hyperbolic functions and their inverses, on floats; `tanh` stands with the exponentials.

Scalar values come from the table in `scalar.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tensorc.ir.core import Operation, Value
from tensorc.ops import emit
from tensorc.ops.base import register
from tensorc.ops.transcendental import TableFunction

if TYPE_CHECKING:
    from tensorc.ir.builder import Builder


@register
class Sinh(TableFunction):
    """The hyperbolic sine, (e**x - e**-x) / 2: ±inf where it overflows (from about ±710.5 in float64, ±89.4
    in float32).
    """

    name = "tensorc.sinh"
    public = "sinh"
    row = "sinh"

    @classmethod
    def partials(cls, b: Builder, xs: Sequence[Value], y: Value) -> Sequence[Value | None]:
        return (emit.op(b, "cosh", xs[0]),)


@register
class Cosh(TableFunction):
    """The hyperbolic cosine, (e**x + e**-x) / 2: inf where it overflows (from about ±710.5 in float64, ±89.4
    in float32).
    """

    name = "tensorc.cosh"
    public = "cosh"
    row = "cosh"

    @classmethod
    def partials(cls, b: Builder, xs: Sequence[Value], y: Value) -> Sequence[Value | None]:
        return (emit.op(b, "sinh", xs[0]),)


@register
class Arcsinh(TableFunction):
    """The inverse of sinh: odd, finite for every finite x."""

    name = "tensorc.arcsinh"
    public = "arcsinh"
    aliases = ("asinh",)
    row = "asinh"

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        """dx / sqrt(1 + x²), the root as a hypotenuse: x² may overflow."""
        (x,) = op.operands
        return (emit.div(b, cotangents[0], emit.op(b, "hypot", emit.ones_like(b, x), x)),)


@register
class Arccosh(TableFunction):
    """The non-negative inverse of cosh: 0 at 1, NaN below."""

    name = "tensorc.arccosh"
    public = "arccosh"
    aliases = ("acosh",)
    row = "acosh"
    domain = (1.2, 4.0)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        """dx / (sqrt(x - 1) sqrt(x + 1)): x² - 1 would lose the digits near 1 and overflow far out."""
        (x,) = op.operands
        roots = [emit.sqrt(b, emit.plus(b, x, number)) for number in (-1, 1)]
        return (emit.chain_div(b, cotangents[0], emit.mul(b, *roots)),)


@register
class Arctanh(TableFunction):
    """The inverse of tanh: ±inf at ±1, NaN beyond."""

    name = "tensorc.arctanh"
    public = "arctanh"
    aliases = ("atanh",)
    row = "atanh"
    domain = (-0.8, 0.8)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        """dx / ((1 - x)(1 + x)), which keeps its digits where x is close to ±1."""
        (x,) = op.operands
        return (emit.chain_div(b, cotangents[0], emit.one_minus_square(b, x)),)
