"""Exponentials, logarithms, powers, trigonometric and error functions, on floats (`pow` also on integers).

Scalar values come from the table in `scalar.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import Attrs
from tensorc.ir.types import ScalarType
from tensorc.ops import dtypes, emit, scalar
from tensorc.ops.base import Array, Sample, register
from tensorc.ops.dtypes import is_floating, is_signed_integer
from tensorc.ops.families import Pointwise, sample_array

if TYPE_CHECKING:
    from tensorc.ir.builder import Builder


class TableFunction(Pointwise):
    """A float function of the scalar table."""

    accepts = dtypes.FLOATS
    row: ClassVar[str]

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        return scalar.FUNCTIONS[cls.row].reference(*operands)

    @classmethod
    def scalar(cls, s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        return scalar.apply(s, cls.row, *xs)


@register
class Exp(TableFunction):
    """e**x: 0 at -inf, inf where it overflows (from about 709.8 in float64, 88.7 in float32)."""

    name = "tensorc.exp"
    public = "exp"
    row = "exp"

    @classmethod
    def partials(cls, b: Builder, xs: Sequence[Value], y: Value) -> Sequence[Value | None]:
        return (y,)


@register
class Exp2(TableFunction):
    """2**x: 0 at -inf, inf where it overflows (from 1024 in float64, 128 in float32)."""

    name = "tensorc.exp2"
    public = "exp2"
    row = "exp2"

    @classmethod
    def partials(cls, b: Builder, xs: Sequence[Value], y: Value) -> Sequence[Value | None]:
        return (emit.scale(b, y, math.log(2)),)


@register
class Expm1(TableFunction):
    """e**x - 1, accurate near 0."""

    name = "tensorc.expm1"
    public = "expm1"
    row = "expm1"

    @classmethod
    def partials(cls, b: Builder, xs: Sequence[Value], y: Value) -> Sequence[Value | None]:
        """e**x anew: y + 1 would lose it where y is close to -1."""
        return (emit.exp(b, xs[0]),)


class _Logarithm(TableFunction):
    domain = (0.2, 4.0)
    slope: ClassVar[float] = 1.0
    """The derivative is slope / x."""

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        (x,) = op.operands
        divisor = x if cls.slope == 1.0 else emit.scale(b, x, 1 / cls.slope)
        return (emit.chain_div(b, cotangents[0], divisor),)


@register
class Log(_Logarithm):
    """The natural logarithm: -inf at 0, NaN below."""

    name = "tensorc.log"
    public = "log"
    row = "log"


@register
class Log2(_Logarithm):
    """The binary logarithm: -inf at 0, NaN below."""

    name = "tensorc.log2"
    public = "log2"
    row = "log2"
    slope = 1 / math.log(2)


@register
class Log10(_Logarithm):
    """The decimal logarithm: -inf at 0, NaN below."""

    name = "tensorc.log10"
    public = "log10"
    row = "log10"
    slope = 1 / math.log(10)


@register
class Log1p(TableFunction):
    """log(1 + x), accurate near 0: -inf at -1, NaN below."""

    name = "tensorc.log1p"
    public = "log1p"
    row = "log1p"
    domain = (-0.7, 3.0)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        return (emit.chain_div(b, cotangents[0], emit.plus(b, op.operands[0], 1)),)


@register
class Sin(TableFunction):
    """The sine of x in radians."""

    name = "tensorc.sin"
    public = "sin"
    row = "sin"
    bounded = True

    @classmethod
    def partials(cls, b: Builder, xs: Sequence[Value], y: Value) -> Sequence[Value | None]:
        return (emit.op(b, "cos", xs[0]),)


@register
class Cos(TableFunction):
    """The cosine of x in radians."""

    name = "tensorc.cos"
    public = "cos"
    row = "cos"
    bounded = True

    @classmethod
    def partials(cls, b: Builder, xs: Sequence[Value], y: Value) -> Sequence[Value | None]:
        return (emit.neg(b, emit.op(b, "sin", xs[0])),)


@register
class Tan(TableFunction):
    """The tangent of x in radians."""

    name = "tensorc.tan"
    public = "tan"
    row = "tan"
    domain = (-1.2, 1.2)

    @classmethod
    def partials(cls, b: Builder, xs: Sequence[Value], y: Value) -> Sequence[Value | None]:
        return (emit.plus(b, emit.mul(b, y, y), 1),)


@register
class Tanh(TableFunction):
    """The hyperbolic tangent."""

    name = "tensorc.tanh"
    public = "tanh"
    row = "tanh"
    bounded = True

    @classmethod
    def partials(cls, b: Builder, xs: Sequence[Value], y: Value) -> Sequence[Value | None]:
        """1 - tanh² as (1 - y)(1 + y), which keeps its digits where y is close to ±1."""
        return (emit.one_minus_square(b, y),)


@register
class Sigmoid(TableFunction):
    """1 / (1 + e**-x), without overflow."""

    name = "tensorc.sigmoid"
    public = "sigmoid"
    row = "sigmoid"
    bounded = True

    @classmethod
    def partials(cls, b: Builder, xs: Sequence[Value], y: Value) -> Sequence[Value | None]:
        """s(x) s(-x): 1 - s(x) would be 0 too early."""
        return (emit.mul(b, y, emit.sigmoid(b, emit.neg(b, xs[0]))),)


@register
class Softplus(TableFunction):
    """log(1 + e**x), without overflow."""

    name = "tensorc.softplus"
    public = "softplus"
    row = "softplus"
    bounded = True

    @classmethod
    def partials(cls, b: Builder, xs: Sequence[Value], y: Value) -> Sequence[Value | None]:
        return (emit.sigmoid(b, xs[0]),)


def _gauss(b: Builder, x: Value, factor: float) -> Value:
    """factor · 2/sqrt(pi) · e**(-x²)."""
    bell = emit.exp(b, emit.neg(b, emit.mul(b, x, x)))
    return emit.scale(b, bell, factor * 2 / math.sqrt(math.pi))


@register
class Erf(TableFunction):
    """The error function, 2/sqrt(pi) times the integral of e**(-t²) from 0 to x."""

    name = "tensorc.erf"
    public = "erf"
    row = "erf"
    bounded = True

    @classmethod
    def partials(cls, b: Builder, xs: Sequence[Value], y: Value) -> Sequence[Value | None]:
        return (_gauss(b, xs[0], 1),)


@register
class Erfc(TableFunction):
    """1 - erf(x), accurate where erf is close to 1."""

    name = "tensorc.erfc"
    public = "erfc"
    row = "erfc"
    bounded = True

    @classmethod
    def partials(cls, b: Builder, xs: Sequence[Value], y: Value) -> Sequence[Value | None]:
        return (_gauss(b, xs[0], -1),)


@register
class Log1mExp(TableFunction):
    """log(1 - e**x) for x <= 0, accurate everywhere: -inf at 0, NaN above (Mächler 2012)."""

    name = "tensorc.log1mexp"
    public = "log1mexp"
    row = "log1mexp"
    domain = (-3.0, -0.2)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        """d log(1 - e**x) = -dx / (e**-x - 1)."""
        divisor = emit.op(b, "expm1", emit.neg(b, op.operands[0]))
        return (emit.neg(b, emit.chain_div(b, cotangents[0], divisor)),)


@register
class LogAddExp(TableFunction):
    """`log(e**x + e**y)`, without overflow."""

    name = "tensorc.logaddexp"
    public = "logaddexp"
    row = "logaddexp"
    arity = 2
    bounded = True

    @classmethod
    def partials(cls, b: Builder, xs: Sequence[Value], y: Value) -> Sequence[Value | None]:
        """e**x / (e**x + e**y) = sigmoid(x - y); operands that are equal (also infinite) share the gradient,
        so x - y is taken as 0 there.
        """
        tie = emit.eq(b, xs[0], xs[1])
        difference = emit.where(b, tie, emit.zeros_like(b, y), emit.sub(b, xs[0], xs[1]))
        return emit.sigmoid(b, difference), emit.sigmoid(b, emit.neg(b, difference))


@register
class Pow(Pointwise):
    """x ** y. Floats as C's `pow`. Integers wrap; a negative exponent gives 1 / x**-y rounded towards zero.

    That is ±1 for x = ±1 and 0 otherwise, also for x = 0 (NumPy refuses arrays with negative exponents;
    compiled code must have a value).
    """

    name = "tensorc.pow"
    public = "pow"
    aliases = ("power",)
    arity = 2
    accepts = dtypes.NUMBERS
    domain = (0.3, 2.5)

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        x, y = map(np.asarray, operands)
        return scalar.ipow(x, y) if x.dtype.kind == "i" else np.power(x, y)

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        if is_floating(elements[0]):
            return scalar.apply(s, "pow", *xs)
        return scalar.apply(s, "ipow" if is_signed_integer(elements[0]) else "upow", *xs)

    @classmethod
    def partials(cls, b: Builder, xs: Sequence[Value], y: Value) -> Sequence[Value | None]:
        """y x**(y-1), 0 where both are 0; x**y log x, 0 where x is 0 and y is not negative."""
        base, exponent = xs
        zeros = emit.zeros_like(b, y)
        base_is_zero = emit.eq(b, base, zeros)
        power = emit.pow(b, base, emit.plus(b, exponent, -1))
        flat = emit.both(b, base_is_zero, emit.eq(b, exponent, zeros))
        by_base = emit.where(b, flat, zeros, emit.mul(b, exponent, power))
        if emit.constant_of(exponent) is not None:
            return by_base, None
        vanishing = emit.both(b, base_is_zero, emit.negate(b, emit.lt(b, exponent, zeros)))
        logarithm = emit.log(b, emit.where(b, vanishing, emit.ones_like(b, y), base))
        return by_base, emit.where(b, vanishing, zeros, emit.mul(b, y, logarithm))

    @classmethod
    def sample_operand(cls, element: ScalarType, number: int) -> Array:
        x = super().sample_operand(element, number)
        if number == 1 and not is_floating(element):
            return sample_array(cls.name, element, (2, 3)) % 5
        return x

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from super().samples()
        corners = (np.array([0.0, 0.0, -2.0, 1.5]), np.array([2.0, 3.0, 3.0, 0.0]))
        yield Sample(corners, differentiable=False, label="corners")
