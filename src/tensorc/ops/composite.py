"""Softmax and relatives: kept whole for rewriting and for stable gradients, decomposed before fusion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import Attrs
from tensorc.ir.types import Type
from tensorc.ops import dtypes, emit, index
from tensorc.ops.attrs import AxesAttrs
from tensorc.ops.base import Array, Creator, ErrorSample, Sample, V, register
from tensorc.ops.families import (
    Composite,
    axes_of,
    reduced_extents,
    reduced_type,
    reduction_error_samples,
    sample_array,
)

if TYPE_CHECKING:
    from tensorc.ir.builder import Builder


def _finite_peak(x: Array, axes: tuple[int, ...]) -> Array:
    peak = np.max(x, axis=axes, keepdims=True, initial=-np.inf)
    return np.where(np.isfinite(peak), peak, np.zeros((), x.dtype))


def _finite_or_zero(b: Builder, x: Value) -> Value:
    return emit.where(b, emit.isfinite(b, x), x, emit.zeros_like(b, x))


class _OverAxes(Composite):
    """Attributes, constraints and samples of functions that look along axes."""

    attrs_type = AxesAttrs
    accepts = dtypes.FLOATS
    nonempty = False

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for element in cls.accepts:
            x = sample_array(cls.name, element, (2, 3, 4))
            for axes in ((2,), (0,), (0, 2), (0, 1, 2)):
                yield Sample((x,), AxesAttrs(axes))
            yield Sample((x[:0],), AxesAttrs((1,)), label="empty")
            yield Sample((x[:, :0],), AxesAttrs((1,)), label="nothing to add")
            yield Sample((x[:, :, :1],), AxesAttrs((2,)), label="one")
            huge = np.array([[1000, -1000, 999.5], [-1000, -1001, -1000]], x.dtype)
            yield Sample((huge,), AxesAttrs((1,)), differentiable=False, label="large")
            inf, nan = np.inf, np.nan
            rows = [
                [-inf, -inf, -inf],
                [-inf, 0, 1],
                [inf, 0, 1],
                [nan, 0, 1],
                [inf, -inf, nan],
                [inf, inf, 0],
            ]
            yield Sample((np.array(rows, x.dtype),), AxesAttrs((1,)), differentiable=False, label="special")

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        yield from reduction_error_samples(cls)


class _Normalising(_OverAxes):
    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        reduced_type(cls, operands, attrs, nonempty=False)
        return (operands[0],)

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        return [index.extents_of(b, operands[0])]


@register
class Softmax(_Normalising):
    """e**x divided by its sum along `axes`, without overflow: computed from x less its greatest element.

    Infinities and NaN give what the quotient as written gives: inf/inf and 0/0 are NaN.
    C1: `axes` are ascending, unique and within the rank. C2: the element type is f32 or f64.
    """

    name = "tensorc.softmax"

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        x, axes = operands[0], axes_of(attrs)
        powers = np.exp(x - _finite_peak(x, axes))
        return powers / np.sum(powers, axis=axes, keepdims=True)

    @classmethod
    def decompose(cls, b: Builder, op: Operation) -> Sequence[Value]:
        (x,), axes = op.operands, axes_of(op.attrs)
        peak = _finite_or_zero(b, emit.peak(b, x, axes))
        powers = emit.exp(b, emit.sub(b, x, emit.spread(b, peak, axes, x)))
        # One division a row: a rounding more, and a sum of 0 or inf makes NaN all the same. The sum is one of
        # those, or at least 1.
        total = emit.sum(b, powers, axes)
        share = emit.div(b, emit.full_like(b, total, 1), total)
        return (emit.mul(b, powers, emit.spread(b, share, axes, x)),)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        """y (g - sum(g y))."""
        (g,), y, axes = cotangents, op.result, axes_of(op.attrs)
        inner = emit.sum(b, emit.mul(b, g, y), axes)
        return (emit.mul(b, y, emit.sub(b, g, emit.spread(b, inner, axes, g))),)


@register
class LogSoftmax(_Normalising):
    """log(softmax(x)) along `axes`, without overflow or lost digits.

    C1: `axes` are ascending, unique and within the rank. C2: the element type is f32 or f64.
    """

    name = "tensorc.log_softmax"

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        x, axes = operands[0], axes_of(attrs)
        shifted = x - _finite_peak(x, axes)
        return shifted - np.log(np.sum(np.exp(shifted), axis=axes, keepdims=True))

    @classmethod
    def decompose(cls, b: Builder, op: Operation) -> Sequence[Value]:
        (x,), axes = op.operands, axes_of(op.attrs)
        peak = _finite_or_zero(b, emit.peak(b, x, axes))
        shifted = emit.sub(b, x, emit.spread(b, peak, axes, x))
        total = emit.sum(b, emit.exp(b, shifted), axes)
        return (emit.sub(b, shifted, emit.spread(b, emit.log(b, total), axes, x)),)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        """g - softmax(x) sum(g)."""
        (x,), (g,), axes = op.operands, cotangents, axes_of(op.attrs)
        weights = emit.op(b, "softmax", x, attrs=op.attrs)
        return (emit.sub(b, g, emit.mul(b, weights, emit.spread(b, emit.sum(b, g, axes), axes, g))),)


@register
class LogSumExp(_OverAxes):
    """log(sum(e**x)) along `axes`, without overflow; -inf where all are -inf.

    C1: `axes` are ascending, unique and within the rank. C2: the element type is f32 or f64.
    """

    name = "tensorc.logsumexp"

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        return (reduced_type(cls, operands, attrs, nonempty=False),)

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        return [reduced_extents(b, operands[0], axes_of(attrs))]

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        x, axes = operands[0], axes_of(attrs)
        peak = _finite_peak(x, axes)
        total = np.sum(np.exp(x - peak), axis=axes, keepdims=True)
        return np.asarray(np.squeeze(np.log(total) + peak, axis=axes))

    @classmethod
    def decompose(cls, b: Builder, op: Operation) -> Sequence[Value]:
        (x,), axes = op.operands, axes_of(op.attrs)
        peak = _finite_or_zero(b, emit.peak(b, x, axes))
        powers = emit.exp(b, emit.sub(b, x, emit.spread(b, peak, axes, x)))
        return (emit.add(b, emit.log(b, emit.sum(b, powers, axes)), peak),)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        """g e**(x - y): the softmax from the result; 0 where all are -inf."""
        (x,), (g,), axes, y = op.operands, cotangents, axes_of(op.attrs), op.result
        empty = emit.eq(b, y, emit.full_like(b, y, -np.inf))
        shift = emit.where(b, empty, emit.zeros_like(b, y), y)  # not of inf and NaN: they stay visible
        weights = emit.exp(b, emit.sub(b, x, emit.spread(b, shift, axes, x)))
        return (emit.mul(b, emit.spread(b, g, axes, x), weights),)
