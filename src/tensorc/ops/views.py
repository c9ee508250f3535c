"""Ops that move no arithmetic: broadcasting and its transpose, reshape, transpose, unit axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import Attrs
from tensorc.ir.types import Extent, FloatType, TensorType, Type, f64, i1
from tensorc.ir.types import index as index_type
from tensorc.ops import buffer_views, checks, dtypes, emit, index, linalg
from tensorc.ops.attrs import AxesAttrs, PermAttrs, ShapeAttrs
from tensorc.ops.base import Creator, ErrorSample, Fact, OpDef, Sample, V, register
from tensorc.ops.families import View, axes_of, sample_array
from tensorc.ops.faults import fault

if TYPE_CHECKING:
    from tensorc.ir.builder import Builder
    from tensorc.ops.loops.builder import LoopBuilder


def _split(name: str, operands: Sequence[Type], attrs: Attrs) -> tuple[TensorType, tuple[int, ...]]:
    assert isinstance(attrs, ShapeAttrs)
    checks.at_least(name, operands, 1)
    x = checks.tensor(name, operands[0])
    checks.accepted(name, x, dtypes.ALL, "C3")
    checks.extent_operands(name, operands[1:], attrs.shape, "C1")
    return x, attrs.shape


def _target(attrs: Attrs, operands: Sequence[V]) -> list[int | V]:
    assert isinstance(attrs, ShapeAttrs)
    return index.merge(attrs.shape, operands[1:])


def _samples(name: str, shapes: Iterable[tuple[tuple[int, ...], tuple[int, ...]]]) -> Iterable[Sample]:
    """Samples for (operand shape, target shape), with targets static, mixed and dynamic; all element types on
    the first pair.
    """
    for number, (shape, target) in enumerate(shapes):
        for element in dtypes.ALL if number == 0 else (f64,):
            x = sample_array(name, element, shape)
            differentiable = isinstance(element, FloatType)
            yield Sample((x,), ShapeAttrs(target), differentiable=differentiable)
            yield Sample((x, *target), ShapeAttrs((-1,) * len(target)), differentiable=differentiable)
            if target:
                yield Sample((x, target[-1]), ShapeAttrs((*target[:-1], -1)), differentiable=differentiable)


@register
class BroadcastTo(View):
    """x repeated along new leading axes and along axes of extent 1, to the extents `shape` (-1: given by an
    operand).

    C1: one index operand for every -1. C2: the rank does not shrink; right-aligned, an extent is 1 or stays
    as it is (at run time an error
    where unknown). C3: the element type is bool, an integer, f32 or f64.
    """

    name = "tensorc.broadcast_to"
    attrs_type = ShapeAttrs

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        x, shape = _split(cls.name, operands, attrs)
        _check_broadcast(cls.name, x.shape, checks.static_shape(shape), f"{x} cannot become {list(shape)}")
        return (TensorType(checks.static_shape(shape), x.element),)

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        return [_target(attrs, operands)]

    @classmethod
    def facts(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[Fact[V]]:
        target = _target(attrs, operands)
        return index.not_negative(b, target) + _broadcast_facts(b, index.extents_of(b, operands[0]), target)

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        assert isinstance(attrs, ShapeAttrs)
        shape = index.reference_shape(attrs.shape, operands[1:])
        _reference_broadcast(cls.name, operands[0].shape, shape)
        return np.broadcast_to(operands[0], shape).copy()

    @classmethod
    def view(
        cls,
        b: LoopBuilder,
        attrs: Attrs,
        operands: Sequence[Value],
        sizes: Sequence[int | Value],
        shape: Sequence[int | Value],
    ) -> Value | None:
        return buffer_views.broadcast(b, operands[0], sizes, shape)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        (g,) = cotangents
        dx = emit.sum_to_like(b, linalg.added_over_batch(b, g) or g, op.operands[0])
        return [dx] + [None] * (len(op.operands) - 1)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        pairs = [
            ((3, 1), (2, 3, 4)),
            ((), ()),
            ((), (2,)),
            ((1,), (0,)),
            ((2, 3), (2, 3)),
            ((1, 1), (3, 1)),
            ((0,), (2, 0)),
        ]
        return _samples(cls.name, pairs)

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        x = TensorType((3,), f64)
        yield ErrorSample((x,), ShapeAttrs((-1,)), checks.EXTENT_OPERANDS, "C1")
        yield ErrorSample((x, index_type), ShapeAttrs((3,)), checks.EXTENT_OPERANDS, "C1")
        yield ErrorSample((x,), ShapeAttrs((-2,)), checks.ATTRIBUTE, "C1")
        yield ErrorSample((x,), ShapeAttrs((4,)), checks.SHAPES, "C2")
        yield ErrorSample((x,), ShapeAttrs(()), checks.RANK, "C2")
        yield ErrorSample((TensorType((3,), FloatType("bf16", 16)),), ShapeAttrs((3,)), checks.ELEMENT, "C3")


def _check_broadcast(name: str, source: Sequence[Extent], target: Sequence[Extent], what: str) -> None:
    lead = len(target) - len(source)
    if lead < 0:
        checks.value_error(name, f"{what}: the rank would shrink", checks.RANK, "C2")
    for axis, extent in enumerate(source):
        wanted = target[lead + axis]
        if extent is not None and wanted is not None and extent not in (1, wanted):
            checks.value_error(name, f"{what}: extent {extent} cannot become {wanted}", checks.SHAPES, "C2")


def _broadcast_facts(b: Creator[V], source: Sequence[int | V], target: Sequence[int | V]) -> list[Fact[V]]:
    lead = len(target) - len(source)
    found: list[Fact[V]] = []
    for axis, extent in enumerate(source):
        wanted = target[lead + axis]
        fits = index.either(b, index.compare(b, "eq", extent, wanted), index.compare(b, "eq", extent, 1))
        found += index.fact(b, "broadcast-to", fits, extent, wanted, axis)
    return found


def _reference_broadcast(name: str, source: Sequence[int], target: Sequence[int]) -> None:
    lead = len(target) - len(source)
    for axis, extent in enumerate(source):
        if extent not in (1, target[lead + axis]):
            raise fault("broadcast-to", name, extent, target[lead + axis], axis)


@register
class SumTo(OpDef):
    """The transpose of `broadcast_to`: sums x over what broadcasting an operand of extents `shape` (-1:
    given) to x's shape would repeat.

    C1: one index operand for every -1. C2: `shape` broadcasts to x's shape (at run time an error where
    unknown).
    C3: the element type is an integer, f32 or f64. Sums keep the element type; integers wrap.
    """

    name = "tensorc.sum_to"
    attrs_type = ShapeAttrs
    accepts = dtypes.NUMBERS

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        x, shape = _split(cls.name, operands, attrs)
        checks.accepted(cls.name, x, cls.accepts, "C3")
        _check_broadcast(
            cls.name, checks.static_shape(shape), x.shape, f"{list(shape)} does not broadcast to {x}"
        )
        return (TensorType(checks.static_shape(shape), x.element),)

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        return [_target(attrs, operands)]

    @classmethod
    def facts(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[Fact[V]]:
        target = _target(attrs, operands)
        return index.not_negative(b, target) + _broadcast_facts(b, target, index.extents_of(b, operands[0]))

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        assert isinstance(attrs, ShapeAttrs)
        x = operands[0]
        shape = index.reference_shape(attrs.shape, operands[1:])
        _reference_broadcast(cls.name, shape, x.shape)
        lead = x.ndim - len(shape)
        stretched = tuple(lead + axis for axis, e in enumerate(shape) if e == 1 and x.shape[lead + axis] != 1)
        kept = np.add.reduce(x, axis=stretched, dtype=x.dtype, keepdims=True)
        return np.asarray(np.add.reduce(kept, axis=tuple(range(lead)), dtype=x.dtype))

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        dx = emit.broadcast_like(b, cotangents[0], op.operands[0])
        return [dx] + [None] * (len(op.operands) - 1)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        pairs = [
            ((2, 3, 4), (3, 1)),
            ((), ()),
            ((2,), ()),
            ((0,), (1,)),
            ((2, 3), (2, 3)),
            ((3, 1), (1, 1)),
            ((2, 0), (0,)),
            ((3, 0), (1, 1)),
        ]
        for sample in _samples(cls.name, pairs):
            if sample.operands[0].dtype != bool:  # type: ignore[union-attr]
                yield sample

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        x = TensorType((2, 3), f64)
        yield ErrorSample((x,), ShapeAttrs((-1,)), checks.EXTENT_OPERANDS, "C1")
        yield ErrorSample((x,), ShapeAttrs((2,)), checks.SHAPES, "C2")
        yield ErrorSample((x,), ShapeAttrs((1, 2, 3)), checks.RANK, "C2")
        yield ErrorSample((TensorType((2, 3), i1),), ShapeAttrs((3,)), checks.ELEMENT, "C3")


@register
class Reshape(View):
    """x's elements in row-major order under the extents `shape` (-1: given by an operand, not guessed).

    C1: one index operand for every -1. C2: the number of elements stays (at run time an error where unknown).
    C3: the element type is bool, an integer, f32 or f64.
    """

    name = "tensorc.reshape"
    attrs_type = ShapeAttrs

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        x, shape = _split(cls.name, operands, attrs)
        target = checks.static_shape(shape)
        if None not in x.shape and None not in target:
            have, want = math.prod(x.shape), math.prod(target)  # type: ignore[arg-type]
            if have != want:
                checks.value_error(
                    cls.name, f"{x} has {have} elements, {list(shape)} has {want}", checks.SIZE, "C2"
                )
        return (TensorType(target, x.element),)

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        return [_target(attrs, operands)]

    @classmethod
    def facts(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[Fact[V]]:
        target = _target(attrs, operands)
        have, want = index.product(b, index.extents_of(b, operands[0])), index.product(b, target)
        same = index.compare(b, "eq", have, want)
        return [
            *index.not_negative(b, target),
            *_fits(b, have, target, same),
            *index.fact(b, "reshape", same, have, want),
        ]

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        assert isinstance(attrs, ShapeAttrs)
        shape = index.reference_shape(attrs.shape, operands[1:])
        if math.prod(shape) > index.LARGEST:
            raise fault("reshape-large", cls.name, operands[0].size, max(shape))
        if math.prod(shape) != operands[0].size:
            raise fault("reshape", cls.name, operands[0].size, math.prod(shape))
        return operands[0].reshape(shape).copy()

    @classmethod
    def view(
        cls,
        b: LoopBuilder,
        attrs: Attrs,
        operands: Sequence[Value],
        sizes: Sequence[int | Value],
        shape: Sequence[int | Value],
    ) -> Value | None:
        return buffer_views.reshape(b, operands[0], sizes, shape)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        return [emit.reshape_like(b, cotangents[0], op.operands[0])] + [None] * (len(op.operands) - 1)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        pairs = [
            ((2, 3), (3, 2)),
            ((), (1, 1)),
            ((1,), ()),
            ((2, 0), (0, 5)),
            ((2, 3, 4), (6, 4)),
            ((24,), (2, 3, 4)),
            ((2, 1, 3), (2, 3)),
        ]
        return _samples(cls.name, pairs)

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        x = TensorType((2, 3), f64)
        yield ErrorSample((x,), ShapeAttrs((-1,)), checks.EXTENT_OPERANDS, "C1")
        yield ErrorSample((x,), ShapeAttrs((5,)), checks.SIZE, "C2")
        yield ErrorSample((TensorType((3,), FloatType("f16", 16)),), ShapeAttrs((3,)), checks.ELEMENT, "C3")


def _fits(b: Creator[V], have: int | V, target: Sequence[int | V], same: bool | V) -> list[Fact[V]]:
    """That the product of the extents does not wrap round to the number of elements, as that of 2**32 and
    2**32 does to 0.
    """
    dynamic = [extent for extent in target if not isinstance(extent, int)]
    fits = index.no_wrap(b, target)
    if isinstance(fits, bool) or not dynamic or isinstance(same, bool):
        return []
    return [Fact("reshape-large", fits, have, dynamic[-1], implied_by=same)]


@register
class Transpose(View):
    """x with its axes permuted: axis k of the result is axis perm[k] of x.

    C1: `perm` is a permutation of x's axes. C2: the element type is bool, an integer, f32 or f64.
    """

    name = "tensorc.transpose"
    attrs_type = PermAttrs

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        assert isinstance(attrs, PermAttrs)
        (x,) = checks.tensors(cls.name, operands, 1)
        if sorted(attrs.perm) != list(range(x.rank)):
            checks.value_error(
                cls.name, f"{list(attrs.perm)} is not a permutation of the axes of {x}", checks.AXIS, "C1"
            )
        checks.accepted(cls.name, x, cls.accepts, "C2")
        return (TensorType(tuple(x.shape[axis] for axis in attrs.perm), x.element),)

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        assert isinstance(attrs, PermAttrs)
        return [[index.dim(b, operands[0], axis) for axis in attrs.perm]]

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        assert isinstance(attrs, PermAttrs)
        return np.transpose(operands[0], attrs.perm).copy()

    @classmethod
    def view(
        cls,
        b: LoopBuilder,
        attrs: Attrs,
        operands: Sequence[Value],
        sizes: Sequence[int | Value],
        shape: Sequence[int | Value],
    ) -> Value | None:
        assert isinstance(attrs, PermAttrs)
        return buffer_views.permute(b, operands[0], attrs.perm)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        attrs = op.attrs
        assert isinstance(attrs, PermAttrs)
        inverse = sorted(range(len(attrs.perm)), key=attrs.perm.__getitem__)
        return (emit.transpose(b, cotangents[0], inverse),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for element in dtypes.ALL:
            yield Sample(
                (sample_array(cls.name, element, (2, 3, 4)),),
                PermAttrs((2, 0, 1)),
                differentiable=isinstance(element, FloatType),
            )
        for shape, perm in (
            ((), ()),
            ((3,), (0,)),
            ((2, 3), (1, 0)),
            ((0, 2), (1, 0)),
            ((1, 2, 1), (2, 1, 0)),
        ):
            yield Sample((sample_array(cls.name, f64, shape),), PermAttrs(perm))

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        yield ErrorSample((TensorType((2, 3), f64),), PermAttrs((0,)), checks.AXIS, "C1")
        yield ErrorSample((TensorType((2, 3), f64),), PermAttrs((0, 0)), checks.AXIS, "C1")
        yield ErrorSample((TensorType((3,), FloatType("f16", 16)),), PermAttrs((0,)), checks.ELEMENT, "C2")


class _UnitAxes(View):
    """Inserting or dropping axes of extent 1."""

    attrs_type = AxesAttrs
    _refused = TensorType((1,), FloatType("f16", 16))

    @classmethod
    def _checked(
        cls, operands: Sequence[Type], attrs: Attrs, grow: bool
    ) -> tuple[TensorType, tuple[int, ...]]:
        (x,) = checks.tensors(cls.name, operands, 1)
        rank = x.rank + (len(axes_of(attrs)) if grow else 0)
        axes = checks.axes(cls.name, axes_of(attrs), rank, "C1")
        checks.accepted(cls.name, x, cls.accepts, "C2")
        return x, axes

    @classmethod
    def _samples(cls, cases: Iterable[tuple[tuple[int, ...], tuple[int, ...]]]) -> Iterable[Sample]:
        for number, (shape, axes) in enumerate(cases):
            for element in dtypes.ALL if number == 0 else (f64,):
                differentiable = isinstance(element, FloatType)
                yield Sample(
                    (sample_array(cls.name, element, shape),), AxesAttrs(axes), differentiable=differentiable
                )


@register
class ExpandDims(_UnitAxes):
    """x with new axes of extent 1 at the positions `axes` of the result.

    C1: `axes` are ascending, unique and within the result's rank. C2: the element type is bool, an integer,
    f32 or f64.
    """

    name = "tensorc.expand_dims"

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        x, axes = cls._checked(operands, attrs, True)
        return (TensorType(tuple(inserted(x.shape, axes)), x.element),)

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        return [inserted(index.extents_of(b, operands[0]), axes_of(attrs))]

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        return np.expand_dims(operands[0], axes_of(attrs)).copy()

    @classmethod
    def view(
        cls,
        b: LoopBuilder,
        attrs: Attrs,
        operands: Sequence[Value],
        sizes: Sequence[int | Value],
        shape: Sequence[int | Value],
    ) -> Value | None:
        return buffer_views.expand(b, operands[0], axes_of(attrs))

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        return (emit.squeeze(b, cotangents[0], axes_of(op.attrs)),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        return cls._samples([((2, 3), (1,)), ((), (0, 1)), ((3,), ()), ((2, 0), (0, 3))])

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        yield ErrorSample((TensorType((2,), f64),), AxesAttrs((2,)), checks.AXIS, "C1")
        yield ErrorSample((TensorType((2,), f64),), AxesAttrs((1, 0)), checks.AXIS, "C1")
        yield ErrorSample((cls._refused,), AxesAttrs((0,)), checks.ELEMENT, "C2")


def inserted(extents: Sequence[Any], axes: Sequence[int]) -> list[Any]:
    """`extents` with 1 at the positions `axes` of the result."""
    rest = iter(extents)
    return [1 if axis in axes else next(rest) for axis in range(len(extents) + len(axes))]


@register
class Squeeze(_UnitAxes):
    """x without its axes `axes`, each of extent 1.

    C1: `axes` are ascending, unique and within the rank. C2: the element type is bool, an integer, f32 or
    f64.
    C3: the dropped extents are 1 (at run time an error where unknown).
    """

    name = "tensorc.squeeze"

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        x, axes = cls._checked(operands, attrs, False)
        for axis in axes:
            if x.shape[axis] not in (1, None):
                checks.value_error(
                    cls.name, f"axis {axis} of {x} has extent {x.shape[axis]}, not 1", checks.SHAPES, "C3"
                )
        return (TensorType(tuple(e for axis, e in enumerate(x.shape) if axis not in axes), x.element),)

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        rank, axes = index.shaped(operands[0]).rank, axes_of(attrs)
        return [[index.dim(b, operands[0], axis) for axis in range(rank) if axis not in axes]]

    @classmethod
    def facts(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[Fact[V]]:
        found: list[Fact[V]] = []
        for axis in axes_of(attrs):
            extent = index.dim(b, operands[0], axis)
            found += index.fact(b, "squeeze", index.compare(b, "eq", extent, 1), extent, 1, axis)
        return found

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        return np.squeeze(operands[0], axes_of(attrs)).copy()

    @classmethod
    def view(
        cls,
        b: LoopBuilder,
        attrs: Attrs,
        operands: Sequence[Value],
        sizes: Sequence[int | Value],
        shape: Sequence[int | Value],
    ) -> Value | None:
        return buffer_views.drop(b, operands[0], axes_of(attrs))

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        return (emit.expand_dims(b, cotangents[0], axes_of(op.attrs)),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        return cls._samples([((2, 1, 3), (1,)), ((1, 1), (0, 1)), ((3,), ()), ((1, 2, 0, 1), (0, 3))])

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        yield ErrorSample((TensorType((1,), f64),), AxesAttrs((1,)), checks.AXIS, "C1")
        yield ErrorSample((cls._refused,), AxesAttrs((0,)), checks.ELEMENT, "C2")
        yield ErrorSample((TensorType((2, 3), f64),), AxesAttrs((1,)), checks.SHAPES, "C3")
