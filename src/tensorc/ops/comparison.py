"""Comparisons, tests on floats, and choice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import Attrs
from tensorc.ir.types import FloatType, ScalarType, TensorType, f32, f64, i1
from tensorc.ops import arithmetic, checks, dtypes, emit
from tensorc.ops.base import ErrorSample, register
from tensorc.ops.dtypes import is_floating, is_signed_integer
from tensorc.ops.families import Pointwise

if TYPE_CHECKING:
    from tensorc.ir.builder import Builder


class Comparison(Pointwise):
    """Two operands of one type to bool; signed, unsigned or IEEE by element type. NaN is equal to nothing,
    itself included.
    """

    arity = 2
    accepts = dtypes.ALL
    not_differentiable = "a comparison's result is bool"
    float_predicate: ClassVar[str]
    integer_predicate: ClassVar[str]

    @classmethod
    def result_element(cls, elements: Sequence[ScalarType]) -> ScalarType:
        return i1

    @classmethod
    def scalar(cls, s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        if is_floating(elements[0]):
            return s.cmpf(cls.float_predicate, *xs)
        if cls.integer_predicate in ("eq", "ne"):
            return s.cmpi(cls.integer_predicate, *xs)
        prefix = "s" if is_signed_integer(elements[0]) else "u"
        return s.cmpi(prefix + cls.integer_predicate, *xs)


@register
class Eq(Comparison):
    """x == y; false for NaN."""

    name = "tensorc.eq"
    public = "equal"
    aliases = ("eq",)
    traits = arithmetic.COMMUTATIVE
    ufunc = np.equal
    float_predicate, integer_predicate = "oeq", "eq"


@register
class Ne(Comparison):
    """x != y; true for NaN."""

    name = "tensorc.ne"
    public = "not_equal"
    aliases = ("neq",)
    traits = arithmetic.COMMUTATIVE
    ufunc = np.not_equal
    float_predicate, integer_predicate = "une", "ne"


@register
class Lt(Comparison):
    """x < y; false for NaN."""

    name = "tensorc.lt"
    public = "less"
    aliases = ("lt",)
    ufunc = np.less
    float_predicate, integer_predicate = "olt", "lt"


@register
class Le(Comparison):
    """x <= y; false for NaN."""

    name = "tensorc.le"
    public = "less_equal"
    aliases = ("le",)
    ufunc = np.less_equal
    float_predicate, integer_predicate = "ole", "le"


@register
class Gt(Comparison):
    """x > y; false for NaN."""

    name = "tensorc.gt"
    public = "greater"
    aliases = ("gt",)
    ufunc = np.greater
    float_predicate, integer_predicate = "ogt", "gt"


@register
class Ge(Comparison):
    """x >= y; false for NaN."""

    name = "tensorc.ge"
    public = "greater_equal"
    aliases = ("ge",)
    ufunc = np.greater_equal
    float_predicate, integer_predicate = "oge", "ge"


class _FloatTest(Pointwise):
    accepts = dtypes.FLOATS
    not_differentiable = "a test's result is bool"

    @classmethod
    def result_element(cls, elements: Sequence[ScalarType]) -> ScalarType:
        return i1


@register
class IsNan(_FloatTest):
    """Whether x is NaN."""

    name = "tensorc.isnan"
    public = "isnan"
    ufunc = np.isnan

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        return s.cmpf("uno", xs[0], xs[0])


@register
class IsInf(_FloatTest):
    """Whether x is inf or -inf."""

    name = "tensorc.isinf"
    public = "isinf"
    ufunc = np.isinf

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        return s.cmpf("oeq", s.absf(xs[0]), s.constant(np.inf, xs[0].type))


@register
class IsFinite(_FloatTest):
    """Whether x is neither NaN nor infinite."""

    name = "tensorc.isfinite"
    public = "isfinite"
    ufunc = np.isfinite

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        return s.cmpf("olt", s.absf(xs[0]), s.constant(np.inf, xs[0].type))


@register
class Where(Pointwise):
    """x where the condition holds, else y; what is not taken contributes nothing to the gradient, NaN and inf
    included.

    C2: the condition is bool, x and y have one element type. C3: that is bool, an integer, f32 or f64.
    """

    name = "tensorc.where"
    public = "where"
    aliases = ("switch",)
    arity = 3
    accepts = dtypes.ALL

    @classmethod
    def operand_elements(cls, element: ScalarType) -> tuple[ScalarType, ...]:
        return i1, element, element

    @classmethod
    def check_elements(cls, types: Sequence[TensorType], attrs: Attrs) -> ScalarType:
        condition, x, y = types
        if condition.element != i1:
            checks.type_error(
                cls.name,
                f"the condition must be bool, got {condition}",
                checks.ELEMENT,
                "C2",
                "compare, as in x != 0",
            )
        checks.same_elements(cls.name, [x, y], "C2")
        checks.accepted(cls.name, x, cls.accepts, "C3")
        return x.element

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        return np.where(*operands)

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        return s.select(*xs)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        (g,) = cotangents
        if not is_floating(emit.element(g)):
            return None, None, None
        zeros = emit.zeros_like(b, g)
        return None, emit.where(b, op.operands[0], g, zeros), emit.where(b, op.operands[0], zeros, g)

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        bools, floats = TensorType((2,), i1), TensorType((2,), f64)
        halves = TensorType((2,), FloatType("f16", 16))
        yield ErrorSample((bools, floats), code=checks.COUNT)
        yield ErrorSample((floats, floats, floats), code=checks.ELEMENT, match="C2")
        yield ErrorSample((bools, floats, TensorType((2,), f32)), code=checks.ELEMENTS_DIFFER, match="C2")
        yield ErrorSample(
            (bools, TensorType((2,), f32), TensorType((3,), f32)), code=checks.SHAPES, match="C1"
        )
        yield ErrorSample((bools, halves, halves), code=checks.ELEMENT, match="C3")
