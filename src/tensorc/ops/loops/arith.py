"""`arith`: constants, arithmetic, bits, comparisons, select. Casts are in `casts.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tensorc.ir.attributes import Attribute, BoolAttr, FloatAttr, IntegerAttr
from tensorc.ir.definition import Attrs, Trait, register
from tensorc.ir.errors import TensorcTypeError, TensorcValueError
from tensorc.ir.types import FloatType, IndexType, ShapedType, Type, i1
from tensorc.ops.loops.base import (
    COMMUTATIVE,
    FloatOp,
    ScalarOp,
    SignedOp,
    UnsignedOp,
    is_int,
    lane,
    like,
    numpy_dtype,
    signed,
    unsigned,
    width,
    wrong_types,
)


@dataclass(frozen=True)
class ConstantAttrs(Attrs):
    value: Attribute


@register
class Constant(ScalarOp):
    """`arith.constant`: a scalar. Integers may be given signed or unsigned; they are taken modulo their
    width.
    """

    name = "arith.constant"
    attrs_type = ConstantAttrs
    traits = frozenset({Trait.PURE, Trait.CONSTANT})

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        assert isinstance(attrs, ConstantAttrs)
        if operands:
            raise wrong_types(cls.name, "no operands", operands)
        value = attrs.value
        if isinstance(value, BoolAttr):
            return (i1,)
        if isinstance(value, IntegerAttr):
            return (_checked_integer(value),)
        if isinstance(value, FloatAttr):
            return (value.type,)
        raise TensorcTypeError(
            f"{cls.name}: `value` must be an integer, float or bool attribute", code="TC0611"
        )

    @classmethod
    def evaluate(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        assert isinstance(attrs, ConstantAttrs)
        return attribute_value(attrs.value)


def _checked_integer(value: IntegerAttr) -> Type:
    if not is_int(value.type):
        raise wrong_types("arith.constant", "a signless integer type", [value.type])
    bits = width(value.type)
    if not -(1 << (bits - 1)) <= value.value < 1 << bits:
        raise TensorcValueError(f"arith.constant: {value.value} does not fit {value.type}", code="TC0611")
    return value.type


def attribute_value(value: Attribute) -> Any:
    """The NumPy scalar of a scalar attribute."""
    if isinstance(value, BoolAttr):
        return np.bool_(value.value)
    if isinstance(value, IntegerAttr):
        if isinstance(value.type, IndexType) and -(1 << 63) <= value.value < 1 << 63:
            return np.int64(value.value)  # most of them
        bits = width(value.type)
        wrapped = value.value & ((1 << bits) - 1)
        if bits > 1 and wrapped >> (bits - 1):
            wrapped -= 1 << bits
        return numpy_dtype(value.type).type(wrapped)
    if isinstance(value, FloatAttr):
        return numpy_dtype(value.type).type(value.value)
    raise TypeError(f"{value} is not a scalar attribute")


def scalar_attribute(value: Any, type: Type) -> Attribute:
    """The attribute of a Python or NumPy number as a constant of `type`; integers wrap, floats round to the
    width of `type`.
    """
    if type == i1:
        return BoolAttr(bool(value))
    if isinstance(type, FloatType):
        with np.errstate(all="ignore"):
            return FloatAttr(float(numpy_dtype(type).type(value)), type)
    bits = width(type)
    wrapped = int(value) & ((1 << bits) - 1)
    if wrapped >> (bits - 1):
        wrapped -= 1 << bits
    return IntegerAttr(wrapped, type)  # type: ignore[arg-type]


@register
class AddF(FloatOp):
    """`arith.addf`: IEEE sum."""

    name = "arith.addf"
    traits = COMMUTATIVE
    function = np.add


@register
class SubF(FloatOp):
    """`arith.subf`: IEEE difference."""

    name = "arith.subf"
    function = np.subtract


@register
class MulF(FloatOp):
    """`arith.mulf`: IEEE product."""

    name = "arith.mulf"
    traits = COMMUTATIVE
    function = np.multiply


@register
class DivF(FloatOp):
    """`arith.divf`: IEEE quotient; x/0 is ±inf or NaN."""

    name = "arith.divf"
    function = np.divide


@register
class RemF(FloatOp):
    """`arith.remf`: C's `fmod`: the sign of the dividend."""

    name = "arith.remf"
    function = np.fmod


@register
class NegF(FloatOp):
    """`arith.negf`: flips the sign bit, also of NaN."""

    name = "arith.negf"
    arity = 1
    function = np.negative


def _maximum(a: Any, b: Any) -> Any:
    zeros = (a == 0) & (b == 0)
    return np.where(zeros, np.where(np.signbit(a), b, a), np.maximum(a, b))[()]


def _minimum(a: Any, b: Any) -> Any:
    zeros = (a == 0) & (b == 0)
    return np.where(zeros, np.where(np.signbit(a), a, b), np.minimum(a, b))[()]


@register
class MaximumF(FloatOp):
    """`arith.maximumf`: NaN if either is NaN; -0 < +0 (IEEE 754-2019 maximum)."""

    name = "arith.maximumf"
    traits = COMMUTATIVE
    function = staticmethod(_maximum)


@register
class MinimumF(FloatOp):
    """`arith.minimumf`: NaN if either is NaN; -0 < +0 (IEEE 754-2019 minimum)."""

    name = "arith.minimumf"
    traits = COMMUTATIVE
    function = staticmethod(_minimum)


@register
class AddI(SignedOp):
    """`arith.addi`: wraps."""

    name = "arith.addi"
    traits = COMMUTATIVE
    function = np.add


@register
class SubI(SignedOp):
    """`arith.subi`: wraps."""

    name = "arith.subi"
    function = np.subtract


@register
class MulI(SignedOp):
    """`arith.muli`: wraps."""

    name = "arith.muli"
    traits = COMMUTATIVE
    function = np.multiply


def _divide_toward_zero(a: Any, b: Any) -> Any:
    q = np.floor_divide(a, b)
    return q + ((q < 0) & (q * b != a)).astype(q.dtype)


def _divide_up(a: Any, b: Any) -> Any:
    q = np.floor_divide(a, b)
    return q + (q * b != a).astype(q.dtype)


class _SignedDivision(SignedOp):
    """Undefined for a zero divisor and for INT_MIN / -1."""

    @classmethod
    def defined(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        a, b = map(signed, xs)
        lowest = -1 if lane(result) == i1 else np.iinfo(a.dtype).min
        return (b != 0) & ~((a == lowest) & (b == -1))


class _UnsignedDivision(UnsignedOp):
    """Undefined for a zero divisor."""

    @classmethod
    def defined(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        return xs[1] != 0


@register
class DivSI(_SignedDivision):
    """`arith.divsi`: quotient towards zero. Undefined for a zero divisor and for INT_MIN / -1."""

    name = "arith.divsi"
    function = staticmethod(_divide_toward_zero)


@register
class FloorDivSI(_SignedDivision):
    """`arith.floordivsi`: quotient towards minus infinity. Undefined as `arith.divsi`."""

    name = "arith.floordivsi"
    function = np.floor_divide


@register
class CeilDivSI(_SignedDivision):
    """`arith.ceildivsi`: quotient towards plus infinity. Undefined as `arith.divsi`."""

    name = "arith.ceildivsi"
    function = staticmethod(_divide_up)


@register
class RemSI(_SignedDivision):
    """`arith.remsi`: remainder with the sign of the dividend. Undefined for a zero divisor and for INT_MIN %
    -1.
    """

    name = "arith.remsi"
    function = np.fmod


@register
class DivUI(_UnsignedDivision):
    """`arith.divui`: unsigned quotient. Undefined for a zero divisor."""

    name = "arith.divui"
    function = np.floor_divide


@register
class RemUI(_UnsignedDivision):
    """`arith.remui`: unsigned remainder. Undefined for a zero divisor."""

    name = "arith.remui"
    function = np.remainder


@register
class MaxSI(SignedOp):
    """`arith.maxsi`."""

    name = "arith.maxsi"
    traits = COMMUTATIVE
    function = np.maximum


@register
class MinSI(SignedOp):
    """`arith.minsi`."""

    name = "arith.minsi"
    traits = COMMUTATIVE
    function = np.minimum


@register
class MaxUI(UnsignedOp):
    """`arith.maxui`."""

    name = "arith.maxui"
    traits = COMMUTATIVE
    function = np.maximum


@register
class MinUI(UnsignedOp):
    """`arith.minui`."""

    name = "arith.minui"
    traits = COMMUTATIVE
    function = np.minimum


@register
class AndI(SignedOp):
    """`arith.andi`: bitwise and."""

    name = "arith.andi"
    traits = COMMUTATIVE
    function = np.bitwise_and


@register
class OrI(SignedOp):
    """`arith.ori`: bitwise or."""

    name = "arith.ori"
    traits = COMMUTATIVE
    function = np.bitwise_or


@register
class XOrI(SignedOp):
    """`arith.xori`: bitwise exclusive or."""

    name = "arith.xori"
    traits = COMMUTATIVE
    function = np.bitwise_xor


def _shift_defined(result: Type, amount: Any) -> Any:
    return unsigned(amount) < width(result)


class _SignedShift(SignedOp):
    """Poison when the amount, read as unsigned, reaches the width."""

    @classmethod
    def defined(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        return _shift_defined(result, xs[1])


@register
class ShLI(_SignedShift):
    """`arith.shli`. Poison when the amount, read as unsigned, reaches the width."""

    name = "arith.shli"
    function = np.left_shift


@register
class ShRSI(_SignedShift):
    """`arith.shrsi`: copies the sign bit. Poison when the amount, read as unsigned, reaches the width."""

    name = "arith.shrsi"
    function = np.right_shift


@register
class ShRUI(UnsignedOp):
    """`arith.shrui`: shifts zeros in. Poison when the amount, read as unsigned, reaches the width."""

    name = "arith.shrui"
    function = np.right_shift

    @classmethod
    def defined(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        return _shift_defined(result, xs[1])


@dataclass(frozen=True)
class PredicateAttrs(Attrs):
    predicate: int


class _Comparison(ScalarOp):
    attrs_type = PredicateAttrs
    predicates: ClassVar[tuple[str, ...]]

    @classmethod
    def accepts(cls, type: Type) -> bool:
        raise NotImplementedError(cls.name)

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        if len(operands) != 2 or operands[0] != operands[1] or not cls.accepts(lane(operands[0])):
            kind = "floats" if cls is CmpF else "signless integers"
            raise wrong_types(cls.name, f"two {kind} of one type", operands)
        cls.predicate_name(attrs)
        return (like(operands[0], i1),)

    @classmethod
    def predicate_name(cls, attrs: Attrs) -> str:
        assert isinstance(attrs, PredicateAttrs)
        if not 0 <= attrs.predicate < len(cls.predicates):
            raise TensorcValueError(f"{cls.name}: no predicate {attrs.predicate}", code="TC0611")
        return cls.predicates[attrs.predicate]


_COMPARE = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


@register
class CmpI(_Comparison):
    """`arith.cmpi`: `predicate` numbers `eq ne slt sle sgt sge ult ule ugt uge`."""

    name = "arith.cmpi"
    predicates = ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")

    @classmethod
    def accepts(cls, type: Type) -> bool:
        return is_int(type)

    @classmethod
    def evaluate(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        predicate = cls.predicate_name(attrs)
        view = unsigned if predicate[0] == "u" else signed
        return _COMPARE[predicate[-2:]](*map(view, xs))


@register
class CmpF(_Comparison):
    """`arith.cmpf`: `predicate` numbers `false oeq ogt oge olt ole one ord ueq ugt uge ult ule une uno true`;
    `o` is false on NaN, `u` true.
    """

    name = "arith.cmpf"
    predicates = (
        *("false", "oeq", "ogt", "oge", "olt", "ole", "one", "ord"),
        *("ueq", "ugt", "uge", "ult", "ule", "une", "uno", "true"),
    )

    @classmethod
    def accepts(cls, type: Type) -> bool:
        return isinstance(type, FloatType)

    @classmethod
    def evaluate(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        predicate = cls.predicate_name(attrs)
        a, b = xs
        unordered = np.isnan(a) | np.isnan(b)
        if predicate in ("false", "true"):
            return unordered | True if predicate == "true" else unordered & False
        if predicate in ("ord", "uno"):
            return unordered if predicate == "uno" else ~unordered
        answer = _COMPARE[predicate[1:]](a, b)
        return answer | unordered if predicate[0] == "u" else answer & ~unordered


@register
class Select(ScalarOp):
    """`arith.select`: the second operand where the first (`i1`, for vectors one a lane) is true, else the
    third.
    """

    name = "arith.select"

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        if (
            len(operands) != 3
            or operands[1] != operands[2]
            or isinstance(lane(operands[1]), ShapedType)
            or operands[0] != like(operands[1], i1)
        ):
            raise wrong_types(cls.name, "i1 and two scalars of one type", operands)
        return (operands[1],)

    @classmethod
    def evaluate(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        condition, yes, no = xs
        if condition.ndim == 0:
            return yes if condition else no
        return np.where(condition, yes, no)
