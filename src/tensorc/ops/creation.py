"""Tensors out of nothing: constants and counting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from tensorc.ir.attributes import DenseAttr
from tensorc.ir.core import Value
from tensorc.ir.definition import Attrs, Trait
from tensorc.ir.types import TensorType, Type, f64, i1, i8, i64
from tensorc.ir.types import index as index_type
from tensorc.ops import checks, dtypes, index
from tensorc.ops.attrs import ConstantAttrs, IotaAttrs
from tensorc.ops.base import Creator, ErrorSample, Fact, OpDef, Sample, V, register

LARGEST_CONSTANT: Final = 16
"""Elements a constant may have; larger ones are function arguments."""


@register
class Constant(OpDef):
    """A literal of at most 16 elements.

    C1: the value is a static tensor of at most 16 elements. C2: its element type is bool, an integer, f32 or
    f64.
    """

    name = "tensorc.constant"
    attrs_type = ConstantAttrs
    accepts = dtypes.ALL
    traits = frozenset({Trait.PURE, Trait.CONSTANT})

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        assert isinstance(attrs, ConstantAttrs)
        checks.count(cls.name, operands, 0)
        type = attrs.value.type
        if (
            not isinstance(type, TensorType)
            or None in type.shape
            or attrs.value.value.size > LARGEST_CONSTANT
        ):
            checks.value_error(
                cls.name,
                f"needs a static tensor of at most {LARGEST_CONSTANT} elements, got {type}",
                checks.SIZE,
                "C1",
            )
        checks.accepted(cls.name, type, cls.accepts, "C2")
        return (type,)

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        assert isinstance(attrs, ConstantAttrs)
        return [list(attrs.value.value.shape)]

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        assert isinstance(attrs, ConstantAttrs)
        return np.array(attrs.value.value, copy=True)

    @classmethod
    def vjp(cls, b: Any, op: Any, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        return ()

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for element in dtypes.ALL:
            value = np.array([[1, 0, 1], [0, 1, 1]], dtypes.to_dtype(element))
            yield Sample(
                (), ConstantAttrs(DenseAttr(TensorType((2, 3), element), value)), differentiable=False
            )
        yield Sample((), ConstantAttrs(DenseAttr(TensorType((), f64), np.array(-0.0))), differentiable=False)
        special = np.array([np.nan, np.inf, -np.inf, 5e-324])
        yield Sample((), ConstantAttrs(DenseAttr(TensorType((4,), f64), special)), differentiable=False)
        yield Sample(
            (), ConstantAttrs(DenseAttr(TensorType((0, 3), f64), np.zeros((0, 3)))), differentiable=False
        )

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        yield ErrorSample(
            (), ConstantAttrs(DenseAttr(TensorType((17,), f64), np.zeros(17))), checks.SIZE, "C1"
        )
        wrong = TensorType((1,), index_type)
        yield ErrorSample((), ConstantAttrs(DenseAttr(wrong, np.zeros(1, np.int64))), checks.ELEMENT, "C2")


@register
class Iota(OpDef):
    """Counts 0, 1, 2, ... along `axis` of a tensor of extents `shape` (-1: given by an operand); integers
    wrap, floats are rounded.

    C1: one index operand for every -1. C2: `axis` is within the rank. C3: the element is an integer, f32 or
    f64.
    """

    name = "tensorc.iota"
    attrs_type = IotaAttrs
    accepts = dtypes.NUMBERS

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        assert isinstance(attrs, IotaAttrs)
        checks.extent_operands(cls.name, operands, attrs.shape, "C1")
        checks.axis(cls.name, attrs.axis, len(attrs.shape), "C2")
        type = TensorType(checks.static_shape(attrs.shape), attrs.element)
        checks.accepted(cls.name, type, cls.accepts, "C3")
        return (type,)

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        assert isinstance(attrs, IotaAttrs)
        return [index.merge(attrs.shape, operands)]

    @classmethod
    def facts(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[Fact[V]]:
        return index.not_negative(b, operands)

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        assert isinstance(attrs, IotaAttrs)
        shape = index.reference_shape(attrs.shape, operands)
        count = np.arange(shape[attrs.axis]).astype(dtypes.to_dtype(attrs.element))
        alone = [1] * len(shape)
        alone[attrs.axis] = shape[attrs.axis]
        return np.broadcast_to(count.reshape(alone), shape).copy()

    @classmethod
    def vjp(cls, b: Any, op: Any, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        return [None] * len(op.operands)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for element in dtypes.NUMBERS:
            yield Sample((4,), IotaAttrs((2, -1), 1, element), differentiable=False)
            yield Sample((3,), IotaAttrs((-1, 2), 0, element), differentiable=False)
        yield Sample((300,), IotaAttrs((-1,), 0, i8), differentiable=False, label="wraps")
        yield Sample((0,), IotaAttrs((-1,), 0, i64), differentiable=False, label="empty")
        yield Sample((), IotaAttrs((5,), 0, i64), differentiable=False)

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        yield ErrorSample((), IotaAttrs((-1,), 0, i64), checks.EXTENT_OPERANDS, "C1")
        yield ErrorSample((), IotaAttrs((-2,), 0, i64), checks.ATTRIBUTE, "C1")
        yield ErrorSample((), IotaAttrs((3,), 1, i64), checks.AXIS, "C2")
        yield ErrorSample((), IotaAttrs((3,), 0, i1), checks.ELEMENT, "C3")
