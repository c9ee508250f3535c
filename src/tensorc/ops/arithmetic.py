"""Arithmetic on numbers: sums, products, quotients, rounding, casts. Integers wrap; semantics are NumPy's on
x86-64.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import Attrs, Trait
from tensorc.ir.types import FloatType, IntegerType, ScalarType, TensorType, f32, f64, i32, ui32, ui64
from tensorc.ops import checks, dtypes, emit, guards
from tensorc.ops.attrs import CastAttrs
from tensorc.ops.base import ErrorSample, Sample, register
from tensorc.ops.dtypes import is_floating, is_signed_integer
from tensorc.ops.families import Pointwise, sample_array

if TYPE_CHECKING:
    from tensorc.ir.builder import Builder

COMMUTATIVE = frozenset({Trait.PURE, Trait.COMMUTATIVE})


@register
class Add(Pointwise):
    """x + y; integers wrap."""

    name = "tensorc.add"
    public = "add"
    arity = 2
    accepts = dtypes.NUMBERS
    traits = COMMUTATIVE
    ufunc = np.add
    bounded = True

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        return s.addf(*xs) if is_floating(elements[0]) else s.addi(*xs)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        return cotangents[0], cotangents[0]


@register
class Sub(Pointwise):
    """x - y; integers wrap."""

    name = "tensorc.sub"
    public = "subtract"
    aliases = ("sub",)
    arity = 2
    accepts = dtypes.NUMBERS
    ufunc = np.subtract

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        return s.subf(*xs) if is_floating(elements[0]) else s.subi(*xs)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        return cotangents[0], emit.neg(b, cotangents[0])


@register
class Mul(Pointwise):
    """x * y; integers wrap."""

    name = "tensorc.mul"
    public = "multiply"
    aliases = ("mul",)
    arity = 2
    accepts = dtypes.NUMBERS
    traits = COMMUTATIVE
    ufunc = np.multiply

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        return s.mulf(*xs) if is_floating(elements[0]) else s.muli(*xs)

    @classmethod
    def partials(cls, b: Builder, xs: Sequence[Value], y: Value) -> Sequence[Value | None]:
        return xs[1], xs[0]


@register
class Div(Pointwise):
    """x / y, IEEE: x/0 is ±inf or NaN. Integers are cast to floats by the caller."""

    name = "tensorc.div"
    public = "divide"
    aliases = ("true_divide", "div")
    arity = 2
    accepts = dtypes.FLOATS
    ufunc = np.divide
    domain = (0.5, 3.0)

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        return s.divf(*xs)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        """d(x/y) = dx/y - (x/y)/y dy."""
        dx = emit.chain_div(b, cotangents[0], op.operands[1])
        return dx, emit.neg(b, emit.chain_mul(b, dx, op.result))


def _zeros(b: Builder, op: Operation) -> Sequence[Value | None]:
    """The gradient of a piecewise constant function: zero, not disconnected."""
    return [emit.zeros_like(b, x) for x in op.operands]


@register
class FloorDiv(Pointwise):
    """The quotient rounded down; integers by zero give 0, INT_MIN // -1 is INT_MIN; floats by zero give x /
    0. Its gradient is zero.
    """

    name = "tensorc.floor_div"
    public = "floor_divide"
    arity = 2
    accepts = dtypes.NUMBERS
    ufunc = np.floor_divide
    domain = (0.6, 7.3)

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        if is_floating(elements[0]):
            return guards.float_divide_floor(s, *xs)[0]
        return guards.divide_floor(s, xs[0], xs[1], is_signed_integer(elements[0]))[0]

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        return _zeros(b, op)


@register
class Mod(Pointwise):
    """The remainder of floor division, with the divisor's sign; by zero: 0 for integers, NaN for floats."""

    name = "tensorc.mod"
    public = "remainder"
    aliases = ("mod",)
    arity = 2
    accepts = dtypes.NUMBERS
    ufunc = np.remainder
    domain = (0.6, 7.3)

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        if is_floating(elements[0]):
            return guards.float_divide_floor(s, *xs)[1]
        return guards.divide_floor(s, xs[0], xs[1], is_signed_integer(elements[0]))[1]

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        """x mod y = x - floor(x/y) y with a piecewise constant floor."""
        (g,) = cotangents
        quotient = emit.op(b, "floor_div", *op.operands)
        return g, emit.neg(b, emit.chain_mul(b, g, quotient))


@register
class Neg(Pointwise):
    """-x; integers wrap (unsigned ones to 2**w - x); flips the sign of zero, inf and NaN."""

    name = "tensorc.neg"
    public = "negative"
    aliases = ("neg",)
    accepts = dtypes.NUMBERS
    ufunc = np.negative
    bounded = True

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        (x,) = xs
        return s.negf(x) if is_floating(elements[0]) else s.subi(guards.zero(s, x), x)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        return (emit.neg(b, cotangents[0]),)


@register
class Abs(Pointwise):
    """|x|; the least integer stays as it is. The gradient at 0 is 0."""

    name = "tensorc.abs"
    public = "absolute"
    aliases = ("abs",)
    accepts = dtypes.NUMBERS
    ufunc = np.absolute
    bounded = True
    domain = (0.3, 2.0)

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        (x,) = xs
        if is_floating(elements[0]):
            return s.absf(x)
        if not is_signed_integer(elements[0]):
            return x
        none = guards.zero(s, x)
        return s.select(s.cmpi("slt", x, none), s.subi(none, x), x)

    @classmethod
    def partials(cls, b: Builder, xs: Sequence[Value], y: Value) -> Sequence[Value | None]:
        return (emit.op(b, "sign", xs[0]),)


@register
class Sign(Pointwise):
    """-1, 0 or 1; 0 for both zeros, NaN for NaN. Its gradient is zero."""

    name = "tensorc.sign"
    public = "sign"
    accepts = dtypes.NUMBERS
    ufunc = np.sign
    domain = (0.3, 2.0)

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        (x,) = xs
        if is_floating(elements[0]):
            none = s.constant(0.0, x.type)
            unit = s.copysign(s.constant(1.0, x.type), x)
            return s.select(s.cmpf("une", x, x), x, s.select(s.cmpf("oeq", x, none), none, unit))
        none, one = guards.zero(s, x), s.constant(1, x.type)
        if not is_signed_integer(elements[0]):
            return s.select(s.cmpi("eq", x, none), none, one)
        positive = s.select(s.cmpi("sgt", x, none), one, none)
        return s.select(s.cmpi("slt", x, none), s.constant(-1, x.type), positive)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        return _zeros(b, op)


class _Rounding(Pointwise):
    """Floats to whole floats; the gradient is zero."""

    accepts = dtypes.FLOATS
    domain = (0.1, 0.4)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        return _zeros(b, op)


@register
class Floor(_Rounding):
    """The greatest whole number not above x. Its gradient is zero."""

    name = "tensorc.floor"
    public = "floor"
    ufunc = np.floor

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        return s.floor(*xs)


@register
class Ceil(_Rounding):
    """The least whole number not below x. Its gradient is zero."""

    name = "tensorc.ceil"
    public = "ceil"
    ufunc = np.ceil

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        return s.ceil(*xs)


@register
class Trunc(_Rounding):
    """x without its fraction. Its gradient is zero."""

    name = "tensorc.trunc"
    public = "trunc"
    ufunc = np.trunc

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        return s.trunc(*xs)


@register
class Round(_Rounding):
    """The nearest whole number, halves to even. Its gradient is zero."""

    name = "tensorc.round"
    public = "round"
    aliases = ("rint",)
    ufunc = np.rint

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        return s.roundeven(*xs)


@register
class Square(Pointwise):
    """x * x; integers wrap."""

    name = "tensorc.square"
    public = "square"
    accepts = dtypes.NUMBERS
    ufunc = np.square

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        (x,) = xs
        return s.mulf(x, x) if is_floating(elements[0]) else s.muli(x, x)

    @classmethod
    def partials(cls, b: Builder, xs: Sequence[Value], y: Value) -> Sequence[Value | None]:
        return (emit.scale(b, xs[0], 2),)


@register
class Sqrt(Pointwise):
    """The square root, correctly rounded; NaN below 0; -0 stays."""

    name = "tensorc.sqrt"
    public = "sqrt"
    accepts = dtypes.FLOATS
    ufunc = np.sqrt
    domain = (0.2, 4.0)

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        return s.sqrt(*xs)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        """d sqrt(x) = dx / (2 sqrt(x))."""
        return (emit.chain_div(b, cotangents[0], emit.scale(b, op.result, 2)),)


class _Extremum(Pointwise):
    arity = 2
    accepts = dtypes.NUMBERS

    @classmethod
    def _prefers_first(cls, b: Builder, x: Value, y: Value) -> Value:
        raise NotImplementedError

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        """The cotangent goes to the operand taken (NaN wins, the first of two), half to each of two equal
        ones.
        """
        (g,) = cotangents
        x, y = op.operands
        zeros, half = emit.zeros_like(b, g), emit.scale(b, g, 0.5)
        first = emit.either(b, cls._prefers_first(b, x, y), emit.isnan(b, x))
        tie = emit.eq(b, x, y)
        dx = emit.where(b, tie, half, emit.where(b, first, g, zeros))
        dy = emit.where(b, tie, half, emit.where(b, first, zeros, g))
        return dx, dy


def _extreme(s: Any, before: str, x: Any, y: Any) -> Any:
    """x if it comes `before` y or is NaN, else y. Shorter for a y that is known not to be NaN; and of two
    equal numbers but zeros either will do, which makes it one instruction where the second operand wins.
    """
    from tensorc.ops.loops.fold import constant_value

    known = constant_value(y) if isinstance(y, Value) else None
    if known is None or known != known:
        return s.select(s.ori(s.cmpf(f"o{before}", x, y), s.cmpf("une", x, x)), x, y)
    if known == 0:
        return s.select(s.cmpf(f"u{before}", x, y), x, y)
    return s.select(s.cmpf(f"o{before}", y, x), y, x)


@register
class Maximum(_Extremum):
    """The greater of x and y; NaN if either is NaN; y for zeros of either sign. Equal operands share the
    gradient.
    """

    name = "tensorc.maximum"
    public = "maximum"
    ufunc = np.maximum

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        x, y = xs
        if is_floating(elements[0]):
            return _extreme(s, "gt", x, y)
        return s.maxsi(x, y) if is_signed_integer(elements[0]) else s.maxui(x, y)

    @classmethod
    def _prefers_first(cls, b: Builder, x: Value, y: Value) -> Value:
        return emit.gt(b, x, y)


@register
class Minimum(_Extremum):
    """The lesser of x and y; NaN if either is NaN; y for zeros of either sign. Equal operands share the
    gradient.
    """

    name = "tensorc.minimum"
    public = "minimum"
    ufunc = np.minimum

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        x, y = xs
        if is_floating(elements[0]):
            return _extreme(s, "lt", x, y)
        return s.minsi(x, y) if is_signed_integer(elements[0]) else s.minui(x, y)

    @classmethod
    def _prefers_first(cls, b: Builder, x: Value, y: Value) -> Value:
        return emit.lt(b, x, y)


@register
class Cast(Pointwise):
    """x as element type `to`, with the values of NumPy's `astype` on x86-64.

    Integers wrap; floats are truncated towards zero; NaN and what does not fit become the least 32-bit
    integer (cut to 8 or 16 bits for
    narrow targets) or the least 64-bit integer; `ui32`/`ui64` targets wrap negative numbers, turn NaN into
    2**(w-1) and too large ones
    into 0; bool is x != 0.

    C3: both element types are bool, an integer, f32 or f64.
    """

    name = "tensorc.cast"
    attrs_type = CastAttrs
    accepts = dtypes.ALL
    bounded = True

    @classmethod
    def check_elements(cls, types: Sequence[TensorType], attrs: Attrs) -> ScalarType:
        assert isinstance(attrs, CastAttrs)
        checks.accepted(cls.name, types[0], cls.accepts, "C3")
        if attrs.to not in cls.accepts:
            checks.type_error(cls.name, f"cannot cast to {attrs.to}", checks.ELEMENT, "C3")
        return attrs.to

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        assert isinstance(attrs, CastAttrs)
        x = np.asarray(operands[0])
        target = dtypes.to_dtype(attrs.to)
        if x.dtype.kind == "f" and attrs.to in (ui32, ui64):
            return _unsigned_from_float(x, target)
        if x.dtype.kind == "f" and isinstance(attrs.to, IntegerType) and attrs.to.width in (8, 16):
            return x.astype(np.int32).astype(target)
        return x.astype(target)

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        return guards.convert(s, xs[0], elements[0], elements[-1])

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        source = emit.element(op.operands[0])
        return (emit.cast(b, cotangents[0], source) if is_floating(source) else None,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for source in dtypes.ALL:
            for target in dtypes.ALL:
                x = sample_array(
                    cls.name,
                    source,
                    (2, 3),
                    (-3, 3) if is_signed_integer(target) or is_floating(target) else (0, 3),
                )
                differentiable = is_floating(source) and is_floating(target)
                yield Sample(
                    (x,), CastAttrs(target), differentiable=differentiable, label=f"{source} to {target}"
                )

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        yield ErrorSample((TensorType((2,), FloatType("bf16", 16)),), CastAttrs(f64), checks.ELEMENT, "C3")
        yield ErrorSample((TensorType((2,), f64),), CastAttrs(FloatType("f16", 16)), checks.ELEMENT, "C3")
        yield ErrorSample((i32,), CastAttrs(f32), checks.NOT_TENSOR)


def _unsigned_from_float(x: Any, target: np.dtype[Any]) -> Any:
    """What C gives on x86-64. NumPy's own loops disagree out of range (NaN to uint32 is 0 in an array of 3
    and
    2147483648 in one of 4, on a machine with AVX-512), so the reference cannot be `astype`.
    """
    if target.itemsize == 4:
        return x.astype(np.int64).astype(target)
    signed = np.dtype(f"i{target.itemsize}")
    half = x.dtype.type(2.0 ** (8 * target.itemsize - 1))
    big = x >= half
    low = np.where(big, x - half, x).astype(x.dtype).astype(signed)
    return np.where(big, low ^ np.iinfo(signed).min, low).astype(signed).view(target)
