"""Products along axes, and the linear recurrence their gradient is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import Attrs
from tensorc.ir.types import FloatType, ScalarType, ShapedType, TensorType, Type, f32, f64, i64
from tensorc.ops import checks, dtypes, emit, index
from tensorc.ops.attrs import AxesAttrs, RecurrenceAttrs
from tensorc.ops.base import Creator, ErrorSample, Fact, Sample, V, register
from tensorc.ops.dtypes import is_floating, to_dtype
from tensorc.ops.families import Opaque, Reduction, axes_of, sample_array
from tensorc.ops.loops.builder import LoopBuilder
from tensorc.ops.loops.nests import nest

if TYPE_CHECKING:
    from tensorc.ir.builder import Builder


@register
class Prod(Reduction):
    """The product along `axes`, 1 for none; integers wrap. The gradient is the product of the other elements,
    zeros or not.
    """

    name = "tensorc.prod"
    accepts = dtypes.NUMBERS
    combiner = "mul"

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        return np.asarray(np.multiply.reduce(operands[0], axis=axes_of(attrs), dtype=operands[0].dtype))

    @classmethod
    def initial(cls, element: ScalarType) -> Any:
        return to_dtype(element).type(1)

    @staticmethod
    def combine(s: Any, element: ScalarType, acc: Any, x: Any) -> Any:
        return s.mulf(acc, x) if is_floating(element) else s.muli(acc, x)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        (x,), (g,), axes = op.operands, cotangents, axes_of(op.attrs)
        if not axes:
            return (g,)
        others = _apart(b, x, axes, _product_of_others)
        return (emit.chain_mul(b, emit.spread(b, g, axes, x), others),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from super().samples()
        yield Sample((np.array([[0.0, 2, 3], [0, 0, 5], [1, 2, 4]]),), AxesAttrs((1,)), label="zeros")
        yield Sample((np.array([[0.0, 2, 3], [1, 2, 4]]),), AxesAttrs((0, 1)), label="zeros, two axes")


def _apart(b: Builder, x: Value, axes: Sequence[int], function: Any) -> Value:
    """`function(b, y, axis)` on x with `axes` moved to the end and merged into one; brought back to x's
    shape.
    """
    rank = index.shaped(x).rank
    kept = [axis for axis in range(rank) if axis not in axes]
    perm = [*kept, *axes]
    moved = emit.transpose(b, x, perm)
    merged = index.product(b, [index.dim(b, x, axis) for axis in axes])
    flat = (
        emit.reshape(b, moved, [*(index.dim(b, x, axis) for axis in kept), merged])
        if len(axes) > 1
        else moved
    )
    made = function(b, flat, len(kept))
    unflat = emit.reshape_like(b, made, moved) if len(axes) > 1 else made
    return emit.transpose(b, unflat, sorted(range(rank), key=perm.__getitem__))


def _product_of_others(b: Builder, x: Value, axis: int) -> Value:
    """Per element, the product of all before it times the product of all after it along `axis`."""
    before = emit.recurrence(b, _moved(b, x, axis, 1), _one_at(b, x, axis, 0), axis)
    end = index.sub(b, index.dim(b, x, axis), 1)
    after = emit.recurrence(b, _moved(b, x, axis, -1), _one_at(b, x, axis, end), axis, reverse=True)
    return emit.mul(b, before, after)


def _one_at(b: Builder, x: Value, axis: int, position: int | Value) -> Value:
    """1 at `position` of `axis`, 0 elsewhere, in x's shape and element type."""
    counted = emit.iota(b, i64, index.extents_of(b, x), axis)
    wanted = emit.full_like(b, counted, position) if isinstance(position, int) else None
    if wanted is None:
        wanted = emit.broadcast_like(b, emit.op(b, "from_index", index.value(b, position)), counted)
    return emit.cast(b, emit.eq(b, counted, wanted), emit.element(x))


def _moved(b: Builder, x: Value, axis: int, by: int) -> Value:
    """x moved one place along `axis`, towards the end (by=1) or the start (by=-1); 0 moves in."""
    extents = index.extents_of(b, x)
    rank = len(extents)
    sizes = list(extents)
    sizes[axis] = index.maximum(b, index.sub(b, extents[axis], 1), 0)
    source, target = [0] * rank, [0] * rank
    (source if by < 0 else target)[axis] = 1
    part = emit.slice(b, x, source, sizes, (1,) * rank)
    return emit.update_slice(b, emit.zeros_like(b, x), part, target, (1,) * rank)


@register
class Recurrence(Opaque):
    """h[0] = u[0] and h[j] = a[j] h[j-1] + u[j] along `axis`; from the end backwards with `reverse`.
    Operands: a, u.

    Closed under differentiation: the gradient of a recurrence is a recurrence the other way.
    C1: a and u have one shape. C2: and one element type, f32 or f64. C3: `axis` is within the rank.
    """

    name = "tensorc.recurrence"
    attrs_type = RecurrenceAttrs
    accepts = dtypes.FLOATS

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        assert isinstance(attrs, RecurrenceAttrs)
        types = checks.tensors(cls.name, operands, 2)
        element = checks.same_elements(cls.name, types, "C2")
        checks.accepted(cls.name, types[0], cls.accepts, "C2")
        shape = checks.unify(cls.name, types, "C1")
        checks.axis(cls.name, attrs.axis, len(shape), "C3")
        return (TensorType(shape, element),)

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        return [index.common_extents(b, operands)]

    @classmethod
    def facts(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[Fact[V]]:
        return index.equal_shapes(b, operands)

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        assert isinstance(attrs, RecurrenceAttrs)
        a, u = (np.moveaxis(x, attrs.axis, 0) for x in operands)
        h = np.array(u, copy=True)
        order = range(len(h) - 1, -1, -1) if attrs.reverse else range(len(h))
        previous: int | None = None
        for j in order:
            if previous is not None:
                h[j] = a[j] * h[previous] + u[j]
            previous = j
        return np.ascontiguousarray(np.moveaxis(h, 0, attrs.axis))

    @classmethod
    def lower(cls, b: LoopBuilder, op: Operation, types: Sequence[Type]) -> None:
        """One sequential loop along `axis` for each place of the other axes."""
        attrs = op.attrs
        assert isinstance(attrs, RecurrenceAttrs)
        a, u, out = op.operands
        assert isinstance(types[0], ShapedType)
        extents = b.dims(out)
        last = b.index(b.sub(extents[attrs.axis], 1))
        others = [1 if axis == attrs.axis else e for axis, e in enumerate(extents)]
        start = b.constant(0.0, types[0].element)
        with nest(b, others, parallel=True) as at, b.for_(0, extents[attrs.axis], init=[start]) as loop:
            place = list(at)
            place[attrs.axis] = b.subi(last, loop.iv) if attrs.reverse else loop.iv
            term = b.load(u, place)
            further = b.addf(b.mulf(b.load(a, place), loop.args[0]), term)
            value = b.select(b.cmpi("eq", loop.iv, b.index(0)), term, further)
            b.store(value, out, place)
            loop.yield_(value)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        """With l the recurrence of the cotangents the other way, coefficients moved by one: du = l, da = l
        h[j-1].
        """
        attrs = op.attrs
        assert isinstance(attrs, RecurrenceAttrs)
        towards = -1 if attrs.reverse else 1
        coefficients = _moved(b, op.operands[0], attrs.axis, -towards)
        du = emit.recurrence(b, coefficients, cotangents[0], attrs.axis, not attrs.reverse)
        return emit.chain_mul(b, du, _moved(b, op.result, attrs.axis, towards)), du

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for element in cls.accepts:
            a, u = sample_array("a", element, (2, 4, 3)), sample_array("u", element, (2, 4, 3))
            for axis in range(3):
                for reverse in (False, True):
                    yield Sample(
                        (a, u), RecurrenceAttrs(axis, reverse), differentiable=isinstance(element, FloatType)
                    )
            yield Sample((a[:, :0], u[:, :0]), RecurrenceAttrs(1, False), label="empty")
            yield Sample((a[:, :1], u[:, :1]), RecurrenceAttrs(1, True), label="one")

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        x = TensorType((2, 3), f64)
        yield ErrorSample((x, TensorType((2, 4), f64)), RecurrenceAttrs(0, False), checks.SHAPES, "C1")
        yield ErrorSample(
            (x, TensorType((2, 3), f32)), RecurrenceAttrs(0, False), checks.ELEMENTS_DIFFER, "C2"
        )
        yield ErrorSample((TensorType((2, 3), i64),) * 2, RecurrenceAttrs(0, False), checks.ELEMENT, "C2")
        yield ErrorSample((x, x), RecurrenceAttrs(2, False), checks.AXIS, "C3")
