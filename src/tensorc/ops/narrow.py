"""An integer that must fit an element type: how a Python integer, known only at run time, meets an array."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import NO_ATTRS, Attrs
from tensorc.ir.types import TensorType, Type, f64, i8, i64
from tensorc.ir.types import index as index_type
from tensorc.ops import checks, dtypes, emit, index
from tensorc.ops.attrs import CastAttrs
from tensorc.ops.base import Creator, ErrorSample, Fact, Sample, V, register
from tensorc.ops.families import Composite
from tensorc.ops.faults import fault

if TYPE_CHECKING:
    from tensorc.ir.builder import Builder


def _target(attrs: Attrs) -> np.iinfo[Any]:
    assert isinstance(attrs, CastAttrs)
    return np.iinfo(dtypes.to_dtype(attrs.to))


@register
class Narrow(Composite):
    """An index as a 0-d tensor of integers `to`, if it is in their range; otherwise a run-time error here.

    C1: the operand is an index. C2: `to` is an integer type.
    """

    name = "tensorc.narrow"
    attrs_type = CastAttrs
    accepts = dtypes.INTEGERS
    not_differentiable = "an integer"

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        assert isinstance(attrs, CastAttrs)
        checks.count(cls.name, operands, 1)
        if operands[0] != index_type:
            checks.type_error(
                cls.name,
                f"needs an index, got {checks.types_text(operands)}",
                checks.EXTENT_OPERANDS,
                "C1",
            )
        result = TensorType((), attrs.to)
        checks.accepted(cls.name, result, cls.accepts, "C2")
        return (result,)

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        return [[]]

    @classmethod
    def facts(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[Fact[V]]:
        (x,), bounds = operands, _target(attrs)
        found = index.fact(b, "narrow", index.compare(b, "sge", x, int(bounds.min)), x, int(bounds.min))
        if int(bounds.max) < 2**63:
            high = int(bounds.max)
            found += index.fact(b, "narrow", index.compare(b, "sle", x, high), x, high)
        return found

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        (x,), bounds = operands, _target(attrs)
        for limit in (int(bounds.min), int(bounds.max)):
            if x < limit if limit == bounds.min else x > limit:
                raise fault("narrow", cls.name, x, limit)
        return np.array(x, bounds.dtype)

    @classmethod
    def decompose(cls, b: Builder, op: Operation) -> Sequence[Value]:
        assert isinstance(op.attrs, CastAttrs)
        whole = b.create(index.FromIndex, [op.operands[0]], NO_ATTRS)[0]
        return (emit.cast(b, whole, op.attrs.to),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for element in dtypes.INTEGERS:
            bounds = np.iinfo(dtypes.to_dtype(element))
            for x in (0, int(bounds.min), min(int(bounds.max), 2**63 - 1)):
                yield Sample((x,), CastAttrs(element), differentiable=False)

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        yield ErrorSample((TensorType((), i64),), CastAttrs(i8), checks.EXTENT_OPERANDS, "C1")
        yield ErrorSample((index_type,), CastAttrs(f64), checks.ELEMENT, "C2")
