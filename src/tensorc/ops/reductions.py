"""Reductions along axes. They keep the element type: the caller casts integers and bools first where NumPy
widens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import Attrs
from tensorc.ir.types import FloatType, ScalarType, TensorType, Type, f64, i1, i64
from tensorc.ops import checks, dtypes, emit, extremes_lowering
from tensorc.ops.accumulators import Accumulator, Extremes
from tensorc.ops.attrs import AxesAttrs, AxisAttrs
from tensorc.ops.base import Creator, ErrorSample, Fact, Sample, V, register
from tensorc.ops.dtypes import integer_range, is_floating, is_signed_integer, to_dtype
from tensorc.ops.families import (
    Composite,
    Opaque,
    Reduction,
    axes_of,
    check_nonempty,
    nonempty_facts,
    reduced_extents,
    reduced_type,
    reduction_error_samples,
    reduction_samples,
    sample_array,
)

if TYPE_CHECKING:
    from tensorc.ir.builder import Builder
    from tensorc.ops.loops.builder import LoopBuilder


@register
class Sum(Reduction):
    """The sum along `axes`, 0 for none; integers wrap; floats are added in blocks, pairwise, with an error no
    worse than NumPy's.
    """

    name = "tensorc.sum"
    accepts = dtypes.NUMBERS
    combiner = "add"

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        return np.asarray(np.add.reduce(operands[0], axis=axes_of(attrs), dtype=operands[0].dtype))

    @classmethod
    def initial(cls, element: ScalarType) -> Any:
        return to_dtype(element).type(0)

    @staticmethod
    def combine(s: Any, element: ScalarType, acc: Any, x: Any) -> Any:
        return s.addf(acc, x) if is_floating(element) else s.addi(acc, x)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        return (emit.spread(b, cotangents[0], axes_of(op.attrs), op.operands[0]),)


class _Extremum(Reduction):
    """Greatest or least along `axes`; NaN if there is one; the gradient is shared equally among the elements
    that attain it.
    """

    accepts: ClassVar[tuple[ScalarType, ...]] = dtypes.NUMBERS
    nonempty = True

    @classmethod
    def accumulator(cls, element: ScalarType) -> Accumulator:
        if is_floating(element):
            return Extremes(cls, element, cls.combiner == "maximum")
        return super().accumulator(element)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        (x,), axes = op.operands, axes_of(op.attrs)
        element = emit.element(x)
        attained = emit.either(b, emit.eq(b, x, emit.spread(b, op.result, axes, x)), emit.isnan(b, x))
        count = emit.sum(b, emit.cast(b, attained, element), axes)
        share = emit.spread(b, emit.div(b, cotangents[0], count), axes, x)
        return (emit.where(b, attained, share, emit.zeros_like(b, x)),)


@register
class Max(_Extremum):
    """The greatest element along `axes`; NaN if there is one; +0 is greater than -0. Equal greatest elements
    share the gradient equally.
    """

    name = "tensorc.max"
    combiner = "maximum"

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        x, axes = operands[0], axes_of(attrs)
        found = np.asarray(np.maximum.reduce(x, axis=axes)) if x.ndim else x.copy()
        if x.dtype.kind != "f":
            return found
        positive = np.logical_or.reduce((x == 0) & ~np.signbit(x), axis=axes) if x.ndim else ~np.signbit(x)
        return np.where(found == 0, np.where(positive, 0.0, -0.0), found).astype(x.dtype)

    @classmethod
    def initial(cls, element: ScalarType) -> Any:
        return to_dtype(element).type(-np.inf if is_floating(element) else integer_range(element)[0])  # type: ignore[arg-type]

    @staticmethod
    def combine(s: Any, element: ScalarType, acc: Any, x: Any) -> Any:
        if is_floating(element):
            return s.maximumf(acc, x)
        return s.maxsi(acc, x) if is_signed_integer(element) else s.maxui(acc, x)


@register
class Peak(Max):
    """The greatest element along `axes` as `max`; -inf for none. For sums of exponentials."""

    name = "tensorc.peak"
    accepts = dtypes.FLOATS
    nonempty = False

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        x, axes = operands[0], axes_of(attrs)
        if 0 not in [x.shape[axis] for axis in axes]:
            return super().reference(attrs, x)
        return np.full([e for axis, e in enumerate(x.shape) if axis not in axes], -np.inf, x.dtype)


@register
class Min(_Extremum):
    """The least element along `axes`; NaN if there is one; -0 is less than +0. Equal least elements share the
    gradient equally.
    """

    name = "tensorc.min"
    combiner = "minimum"

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        x, axes = operands[0], axes_of(attrs)
        found = np.asarray(np.minimum.reduce(x, axis=axes)) if x.ndim else x.copy()
        if x.dtype.kind != "f":
            return found
        negative = np.logical_or.reduce((x == 0) & np.signbit(x), axis=axes) if x.ndim else np.signbit(x)
        return np.where(found == 0, np.where(negative, -0.0, 0.0), found).astype(x.dtype)

    @classmethod
    def initial(cls, element: ScalarType) -> Any:
        return to_dtype(element).type(np.inf if is_floating(element) else integer_range(element)[1])  # type: ignore[arg-type]

    @staticmethod
    def combine(s: Any, element: ScalarType, acc: Any, x: Any) -> Any:
        if is_floating(element):
            return s.minimumf(acc, x)
        return s.minsi(acc, x) if is_signed_integer(element) else s.minui(acc, x)


class _Logic(Reduction):
    accepts = (i1,)
    not_differentiable = "bools have no gradient"
    neutral: ClassVar[bool]

    @classmethod
    def initial(cls, element: ScalarType) -> Any:
        return np.bool_(cls.neutral)


@register
class Any_(_Logic):
    """Whether any bool along `axes` holds; false for none."""

    name = "tensorc.any"
    combiner = "or"
    neutral = False

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        return np.asarray(
            np.logical_or.reduce(operands[0], axis=axes_of(attrs)) if operands[0].ndim else operands[0].copy()
        )

    @staticmethod
    def combine(s: Any, element: ScalarType, acc: Any, x: Any) -> Any:
        return s.ori(acc, x)


@register
class All_(_Logic):
    """Whether all bools along `axes` hold; true for none."""

    name = "tensorc.all"
    combiner = "and"
    neutral = True

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        return np.asarray(
            np.logical_and.reduce(operands[0], axis=axes_of(attrs))
            if operands[0].ndim
            else operands[0].copy()
        )

    @staticmethod
    def combine(s: Any, element: ScalarType, acc: Any, x: Any) -> Any:
        return s.andi(acc, x)


@register
class Mean(Composite):
    """The mean along `axes`: sum divided by count, NaN for none.

    C1: `axes` are ascending, unique and within the rank. C2: the element type is f32 or f64.
    """

    name = "tensorc.mean"
    attrs_type = AxesAttrs
    accepts = dtypes.FLOATS

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        return (reduced_type(cls, operands, attrs, nonempty=False),)

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        return [reduced_extents(b, operands[0], axes_of(attrs))]

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        x, axes = operands[0], axes_of(attrs)
        total = np.asarray(np.add.reduce(x, axis=axes, dtype=x.dtype))
        count = np.prod([x.shape[axis] for axis in axes], dtype=np.int64).astype(x.dtype)
        return total / count

    @classmethod
    def decompose(cls, b: Builder, op: Operation) -> Sequence[Value]:
        (x,), axes = op.operands, axes_of(op.attrs)
        total = emit.sum(b, x, axes)
        count = emit.size(b, x, axes, emit.element(x))
        return (emit.div(b, total, emit.broadcast_like(b, count, total)),)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        (x,), (g,), axes = op.operands, cotangents, axes_of(op.attrs)
        count = emit.size(b, x, axes, emit.element(x))
        return (emit.spread(b, emit.div(b, g, emit.broadcast_like(b, count, g)), axes, x),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        return reduction_samples(cls)

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        return reduction_error_samples(cls)


class _Extreme(Opaque):
    """The position of an extreme along one axis, as `i64`: the first of equal ones, the first NaN if there is
    one.
    """

    attrs_type = AxisAttrs
    accepts = dtypes.ALL
    not_differentiable = "positions are integers"

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        assert isinstance(attrs, AxisAttrs)
        (x,) = checks.tensors(cls.name, operands, 1)
        axis = checks.axis(cls.name, attrs.axis, x.rank, "C1")
        checks.accepted(cls.name, x, cls.accepts, "C2")
        check_nonempty(cls.name, x, (axis,))
        return (TensorType(x.shape[:axis] + x.shape[axis + 1 :], i64),)

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        assert isinstance(attrs, AxisAttrs)
        return [reduced_extents(b, operands[0], (attrs.axis,))]

    @classmethod
    def facts(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[Fact[V]]:
        assert isinstance(attrs, AxisAttrs)
        return nonempty_facts(b, operands[0], (attrs.axis,))

    @staticmethod
    def better(s: Any, element: ScalarType, x: Any, best: Any) -> Any:
        """Whether `x` replaces the best so far, on scalars."""
        raise NotImplementedError

    @classmethod
    def lower(cls, b: LoopBuilder, op: Operation, types: Sequence[Type]) -> None:
        assert isinstance(op.attrs, AxisAttrs)
        extremes_lowering.extreme(b, op, types, op.attrs.axis, cls.better)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for element in cls.accepts:
            x = sample_array(cls.name, element, (2, 3, 4))
            for axis in range(3):
                yield Sample((x,), AxisAttrs(axis), differentiable=False)
            yield Sample((np.array([[1, 0, 1], [0, 1, 1]], x.dtype),), AxisAttrs(1), label="ties")
        rows = [
            [1, np.nan, 2, np.nan],
            [np.inf, -np.inf, 0, np.inf],
            [-np.inf] * 4,
            [np.nan] * 4,
            [0.0, -0.0, 0, -0.0],
        ]
        yield Sample((np.array(rows),), AxisAttrs(1), label="special")
        yield Sample((np.zeros((0, 3), np.float32),), AxisAttrs(1), label="empty")

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        yield ErrorSample((TensorType((2,), f64),), AxisAttrs(1), checks.AXIS, "C1")
        yield ErrorSample((TensorType((2,), FloatType("f16", 16)),), AxisAttrs(0), checks.ELEMENT, "C2")
        yield ErrorSample((TensorType((2, 0), f64),), AxisAttrs(1), checks.EMPTY, "C3")


def _float_better(s: Any, predicate: str, x: Any, best: Any) -> Any:
    """Better, or the first NaN; `predicate` holds of NaN, too."""
    return s.andi(s.cmpf(predicate, x, best), s.cmpf("ord", best, best))


@register
class ArgMax(_Extreme):
    """The position of the greatest element along `axis`, as `i64`: the first of equal ones; the first NaN if
    there is one.

    C1: `axis` is within the rank. C2: the element type is bool, an integer, f32 or f64. C3: the axis is not
    empty (at run time an error
    where unknown).
    """

    name = "tensorc.argmax"

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        assert isinstance(attrs, AxisAttrs)
        return np.asarray(np.argmax(operands[0], axis=attrs.axis), np.int64)

    @staticmethod
    def better(s: Any, element: ScalarType, x: Any, best: Any) -> Any:
        if is_floating(element):
            return _float_better(s, "ugt", x, best)
        return s.cmpi("sgt" if is_signed_integer(element) else "ugt", x, best)


@register
class ArgMin(_Extreme):
    """The position of the least element along `axis`, as `i64`: the first of equal ones; the first NaN if
    there is one.

    C1: `axis` is within the rank. C2: the element type is bool, an integer, f32 or f64. C3: the axis is not
    empty (at run time an error
    where unknown).
    """

    name = "tensorc.argmin"

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        assert isinstance(attrs, AxisAttrs)
        return np.asarray(np.argmin(operands[0], axis=attrs.axis), np.int64)

    @staticmethod
    def better(s: Any, element: ScalarType, x: Any, best: Any) -> Any:
        if is_floating(element):
            return _float_better(s, "ult", x, best)
        return s.cmpi("slt" if is_signed_integer(element) else "ult", x, best)
