"""Parts of tensors: slices and their dual, joining, integer-array indexing and its duals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import Attrs
from tensorc.ir.types import Extent, FloatType, ScalarType, TensorType, Type, f32, f64, i1, i16, i32, i64, ui8
from tensorc.ir.types import index as index_type
from tensorc.ops import buffer_views, checks, dtypes, emit, index, indexing_lowering
from tensorc.ops.attrs import AxisAttrs, SliceAttrs, UpdateSliceAttrs
from tensorc.ops.base import Array, Creator, ErrorSample, Fact, Sample, V, register
from tensorc.ops.families import Opaque, View, sample_array
from tensorc.ops.faults import fault

if TYPE_CHECKING:
    from tensorc.ir.builder import Builder
    from tensorc.ops.loops.builder import LoopBuilder


@dataclass(frozen=True)
class Range:
    """What a slice takes of one axis: positions start, start + step, ..., `size` of them."""

    start: int
    size: int
    step: int

    def as_slice(self) -> slice:
        if self.size == 0:
            return slice(0, 0, self.step)
        stop = self.start + (self.size - 1) * self.step + (1 if self.step > 0 else -1)
        return slice(self.start, None if stop < 0 else stop, self.step)

    def check(self, name: str, extent: int, axis: int) -> None:
        """Raises the `slice` fault unless all positions are inside the extent."""
        if self.size < 0:
            raise fault("extent", name, self.size, 0)
        if self.size == 0:
            return
        for position in (self.start, self.start + (self.size - 1) * self.step):
            if not 0 <= position < extent:
                raise fault("slice", name, position, extent, axis)


def _check_ranges(
    name: str,
    shape: Sequence[Extent],
    starts: Sequence[Extent],
    sizes: Sequence[Extent],
    steps: Sequence[int],
) -> None:
    """C2 and, where everything is static, C3."""
    if not len(starts) == len(sizes) == len(steps) == len(shape):
        checks.value_error(
            name, f"needs a start, size and step for each of {len(shape)} axes", checks.ATTRIBUTE, "C2"
        )
    if 0 in steps:
        checks.value_error(name, f"steps {list(steps)} must not be 0", checks.ATTRIBUTE, "C2")
    for axis, (extent, start, size, step) in enumerate(zip(shape, starts, sizes, steps, strict=True)):
        if extent is None or start is None or size is None or size == 0:
            continue
        last = start + (size - 1) * step
        if not (0 <= start < extent and 0 <= last < extent):
            checks.value_error(
                name,
                f"positions {start} to {last} are outside axis {axis} of extent {extent}",
                checks.RANGE,
                "C3",
            )


def _range_facts(
    b: Creator[V],
    extents: Sequence[int | V],
    starts: Sequence[int | V],
    sizes: Sequence[int | V],
    steps: Sequence[int],
) -> list[Fact[V]]:
    """C3 for what is unknown; by division, so that no product can wrap."""
    found: list[Fact[V]] = []
    for axis, (extent, start, size, step) in enumerate(zip(extents, starts, sizes, steps, strict=True)):
        found += index.not_negative(b, [size])
        none = index.compare(b, "eq", size, 0)
        inside = index.both(b, index.compare(b, "sge", start, 0), index.compare(b, "slt", start, extent))
        found += index.fact(b, "slice", index.either(b, none, inside), start, extent, axis)
        room = index.sub(b, index.sub(b, extent, 1), start) if step > 0 else start
        reach = index.sub(b, size, 1)
        fits = index.compare(b, "sle", reach, index.floordiv(b, room, abs(step)))
        last = index.add(b, start, index.mul(b, reach, step))
        found += index.fact(b, "slice", index.either(b, none, fits), last, extent, axis)
    return found


@register
class Slice(View):
    """Part of x: along each axis `sizes` positions from `starts` by `steps` (negative ones go backwards).

    Operands: x, then one index for every -1 of `starts`, then one for every -1 of `sizes`.
    C1: as many index operands. C2: one start, size and non-zero step an axis. C3: all positions are inside
    the axis (at run time an error
    where unknown; an empty slice may start anywhere). C4: the element type is bool, an integer, f32 or f64.
    """

    name = "tensorc.slice"
    attrs_type = SliceAttrs

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        assert isinstance(attrs, SliceAttrs)
        checks.at_least(cls.name, operands, 1)
        x = checks.tensor(cls.name, operands[0])
        checks.accepted(cls.name, x, cls.accepts, "C4")
        checks.extent_operands(cls.name, operands[1:], attrs.starts + attrs.sizes, "C1")
        sizes = checks.static_shape(attrs.sizes)
        _check_ranges(cls.name, x.shape, checks.static_shape(attrs.starts), sizes, attrs.steps)
        return (TensorType(sizes, x.element),)

    @classmethod
    def ranges(cls, operands: Sequence[V], attrs: Attrs) -> tuple[list[int | V], list[int | V]]:
        """Starts and sizes, static or operands."""
        assert isinstance(attrs, SliceAttrs)
        merged = index.merge(attrs.starts + attrs.sizes, operands[1:])
        return merged[: len(attrs.starts)], merged[len(attrs.starts) :]

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        return [cls.ranges(operands, attrs)[1]]

    @classmethod
    def facts(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[Fact[V]]:
        assert isinstance(attrs, SliceAttrs)
        starts, sizes = cls.ranges(operands, attrs)
        return _range_facts(b, index.extents_of(b, operands[0]), starts, sizes, attrs.steps)

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        assert isinstance(attrs, SliceAttrs)
        starts, sizes = cls.ranges(operands, attrs)
        return operands[0][_slices(cls.name, operands[0].shape, starts, sizes, attrs.steps)].copy()

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        attrs = op.attrs
        assert isinstance(attrs, SliceAttrs)
        starts, _ = cls.ranges(op.operands, attrs)
        dx = emit.update_slice(b, emit.zeros_like(b, op.operands[0]), cotangents[0], starts, attrs.steps)
        return [dx] + [None] * (len(op.operands) - 1)

    @classmethod
    def view(
        cls,
        b: LoopBuilder,
        attrs: Attrs,
        operands: Sequence[Value],
        sizes: Sequence[int | Value],
        shape: Sequence[int | Value],
    ) -> Value | None:
        assert isinstance(attrs, SliceAttrs)
        starts, _ = cls.ranges(operands, attrs)
        return buffer_views.section(b, operands[0], starts, shape, attrs.steps)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for element in dtypes.ALL:
            x = sample_array(cls.name, element, (4, 5))
            attrs = SliceAttrs((1, 4), (2, 3), (2, -2))
            yield Sample((x,), attrs, differentiable=isinstance(element, FloatType))
        x = sample_array(cls.name, f64, (4, 5))
        yield Sample((x, 1, 4, 2, 3), SliceAttrs((-1, -1), (-1, -1), (2, -2)))
        yield Sample((x, 3), SliceAttrs((0, 2), (4, -1), (1, 1)))
        yield Sample((x, 7), SliceAttrs((0, -1), (4, 0), (1, 1)), label="empty")
        yield Sample((x,), SliceAttrs((0, 0), (4, 5), (1, 1)), label="all")
        yield Sample((x,), SliceAttrs((3, 4), (4, 5), (-1, -1)), label="reversed")
        yield Sample((x[:0],), SliceAttrs((0, 0), (0, 5), (1, 1)), label="of empty")
        yield Sample((np.array(x[0, 0]),), SliceAttrs((), (), ()), label="0-d")

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        x = TensorType((4,), f64)
        yield ErrorSample((x,), SliceAttrs((-1,), (2,), (1,)), checks.EXTENT_OPERANDS, "C1")
        yield ErrorSample((x,), SliceAttrs((0,), (2,), (0,)), checks.ATTRIBUTE, "C2")
        yield ErrorSample((x,), SliceAttrs((0, 0), (2, 1), (1, 1)), checks.ATTRIBUTE, "C2")
        yield ErrorSample((x,), SliceAttrs((2,), (3,), (1,)), checks.RANGE, "C3")
        yield ErrorSample((x,), SliceAttrs((1,), (3,), (-1,)), checks.RANGE, "C3")
        yield ErrorSample(
            (TensorType((4,), FloatType("f16", 16)),), SliceAttrs((0,), (2,), (1,)), checks.ELEMENT, "C4"
        )


def _slices(
    name: str, shape: Sequence[int], starts: Sequence[int], sizes: Sequence[int], steps: Sequence[int]
) -> tuple[slice, ...]:
    found = []
    for axis, (start, size, step) in enumerate(zip(starts, sizes, steps, strict=True)):
        taken = Range(start, size, step)
        taken.check(name, shape[axis], axis)
        found.append(taken.as_slice())
    return tuple(found)


@register
class UpdateSlice(Opaque):
    """x with the slice of u's shape, from `starts` by `steps`, replaced by u, or increased by it (`add`).

    Operands: x, u, then one index for every -1 of `starts`.
    C1: as many index operands. C2: one start and non-zero step an axis. C3: all positions are inside the axis
    (at run time an error where
    unknown). C4: x and u have one rank and element type: bool (not with `add`), an integer, f32 or f64.
    """

    name = "tensorc.update_slice"
    overwrites = True
    attrs_type = UpdateSliceAttrs
    accepts = dtypes.ALL

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        assert isinstance(attrs, UpdateSliceAttrs)
        checks.at_least(cls.name, operands, 2)
        x, u = (checks.tensor(cls.name, t) for t in operands[:2])
        checks.accepted(cls.name, x, dtypes.NUMBERS if attrs.add else cls.accepts, "C4")
        checks.same_elements(cls.name, [x, u], "C4")
        if x.rank != u.rank:
            checks.value_error(cls.name, f"ranks differ: {checks.types_text([x, u])}", checks.RANK, "C4")
        checks.extent_operands(cls.name, operands[2:], attrs.starts, "C1")
        _check_ranges(cls.name, x.shape, checks.static_shape(attrs.starts), u.shape, attrs.steps)
        return (x,)

    @classmethod
    def starts(cls, operands: Sequence[V], attrs: Attrs) -> list[int | V]:
        """The starts, static or operands."""
        assert isinstance(attrs, UpdateSliceAttrs)
        return index.merge(attrs.starts, operands[2:])

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        return [index.extents_of(b, operands[0])]

    @classmethod
    def facts(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[Fact[V]]:
        assert isinstance(attrs, UpdateSliceAttrs)
        extents, sizes = index.extents_of(b, operands[0]), index.extents_of(b, operands[1])
        return _range_facts(b, extents, cls.starts(operands, attrs), sizes, attrs.steps)

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        assert isinstance(attrs, UpdateSliceAttrs)
        x, u = operands[:2]
        where = _slices(cls.name, x.shape, cls.starts(operands, attrs), u.shape, attrs.steps)
        result = np.array(x, copy=True)
        result[where] = result[where] + u if attrs.add else u
        return result

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        attrs = op.attrs
        assert isinstance(attrs, UpdateSliceAttrs)
        (g,), u = cotangents, op.operands[1]
        starts = cls.starts(op.operands, attrs)
        du = emit.slice(b, g, starts, index.extents_of(b, u), attrs.steps)
        dx = g if attrs.add else emit.update_slice(b, g, emit.zeros_like(b, u), starts, attrs.steps)
        return [dx, du] + [None] * (len(op.operands) - 2)

    @classmethod
    def lower(cls, b: LoopBuilder, op: Operation, types: Sequence[Type]) -> None:
        attrs = op.attrs
        assert isinstance(attrs, UpdateSliceAttrs)
        x, updates, *_, out = op.operands
        kind = indexing_lowering.element(types[0]) if attrs.add else None
        starts = cls.starts(op.operands[:-1], attrs)
        indexing_lowering.update_slice(b, x, updates, starts, out, attrs.steps, kind)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for element in dtypes.ALL:
            x, u = sample_array(cls.name, element, (4, 5)), sample_array("u", element, (2, 3))
            for add in (False, True) if element != i1 else (False,):
                attrs = UpdateSliceAttrs((1, 4), (2, -2), add)
                yield Sample((x, u), attrs, differentiable=isinstance(element, FloatType))
        x, u = sample_array(cls.name, f64, (4, 5)), sample_array("u", f64, (2, 3))
        yield Sample((x, u, 1, 4), UpdateSliceAttrs((-1, -1), (2, -2), True))
        yield Sample((x, u, 2), UpdateSliceAttrs((0, -1), (1, 1), False))
        yield Sample((x, u[:0], 9), UpdateSliceAttrs((-1, 0), (1, 1), False), label="nothing")
        yield Sample((np.array(x[0, 0]), np.array(u[0, 0])), UpdateSliceAttrs((), (), True), label="0-d")

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        x, u = TensorType((4,), f64), TensorType((2,), f64)
        yield ErrorSample((x, u), UpdateSliceAttrs((-1,), (1,), False), checks.EXTENT_OPERANDS, "C1")
        yield ErrorSample((x, u), UpdateSliceAttrs((0,), (0,), False), checks.ATTRIBUTE, "C2")
        yield ErrorSample((x, u), UpdateSliceAttrs((3,), (1,), False), checks.RANGE, "C3")
        yield ErrorSample(
            (x, TensorType((2,), f32)), UpdateSliceAttrs((0,), (1,), False), checks.ELEMENTS_DIFFER, "C4"
        )
        yield ErrorSample((x, TensorType((), f64)), UpdateSliceAttrs((0,), (1,), False), checks.RANK, "C4")
        bools = TensorType((2,), i1)
        yield ErrorSample((bools, bools), UpdateSliceAttrs((0,), (1,), True), checks.ELEMENT, "C4")


@register
class Concatenate(Opaque):
    """The operands one after the other along `axis`.

    C1: at least one operand, all of one rank, `axis` within it. C2: one element type: bool, an integer, f32
    or f64.
    C3: the other extents are equal (at run time an error where unknown).
    """

    name = "tensorc.concatenate"
    attrs_type = AxisAttrs
    accepts = dtypes.ALL

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        assert isinstance(attrs, AxisAttrs)
        checks.at_least(cls.name, operands, 1)
        types = [checks.tensor(cls.name, t) for t in operands]
        axis = checks.axis(cls.name, attrs.axis, types[0].rank, "C1")
        if any(t.rank != types[0].rank for t in types):
            checks.value_error(cls.name, f"ranks differ: {checks.types_text(types)}", checks.RANK, "C1")
        checks.accepted(cls.name, types[0], cls.accepts, "C2")
        checks.same_elements(cls.name, types, "C2")
        others = [TensorType((*t.shape[:axis], None, *t.shape[axis + 1 :]), t.element) for t in types]
        shape = list(checks.unify(cls.name, others, "C3"))
        shape[axis] = _total([t.shape[axis] for t in types])
        return (TensorType(tuple(shape), types[0].element),)

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        assert isinstance(attrs, AxisAttrs)
        found: list[int | V] = []
        for axis in range(index.shaped(operands[0]).rank):
            if axis == attrs.axis:
                found.append(index.total(b, [index.dim(b, x, axis) for x in operands]))
                continue
            known = [e for e in (index.shaped(x).shape[axis] for x in operands) if e is not None]
            found.append(known[0] if known else index.dim(b, operands[0], axis))
        return [found]

    @classmethod
    def facts(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[Fact[V]]:
        assert isinstance(attrs, AxisAttrs)
        return index.equal_shapes(b, operands, skip=(attrs.axis,))

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        assert isinstance(attrs, AxisAttrs)
        return np.concatenate(operands, axis=attrs.axis)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        attrs = op.attrs
        assert isinstance(attrs, AxisAttrs)
        (g,) = cotangents
        rank = index.shaped(g).rank
        found: list[Value] = []
        position: int | Value = 0
        for x in op.operands:
            starts: list[int | Value] = [0] * rank
            starts[attrs.axis] = position
            found.append(emit.slice(b, g, starts, index.extents_of(b, x), (1,) * rank))
            position = index.add(b, position, index.dim(b, x, attrs.axis))
        return found

    @classmethod
    def lower(cls, b: LoopBuilder, op: Operation, types: Sequence[Type]) -> None:
        assert isinstance(op.attrs, AxisAttrs)
        indexing_lowering.concatenate(b, op.operands[:-1], op.operands[-1], op.attrs.axis)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for element in dtypes.ALL:
            x, y = sample_array(cls.name, element, (2, 3)), sample_array("y", element, (2, 2))
            yield Sample((x, y, x), AxisAttrs(1), differentiable=isinstance(element, FloatType))
        x = sample_array(cls.name, f64, (2, 3))
        yield Sample((x, x[:0], x[:1]), AxisAttrs(0), label="one empty")
        yield Sample((x[:0], x[:0]), AxisAttrs(0), label="all empty")
        yield Sample((x,), AxisAttrs(0), label="one")

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        x = TensorType((2, 3), f64)
        yield ErrorSample((), AxisAttrs(0), checks.COUNT)
        yield ErrorSample((x, x), AxisAttrs(2), checks.AXIS, "C1")
        yield ErrorSample((x, TensorType((3,), f64)), AxisAttrs(0), checks.RANK, "C1")
        yield ErrorSample((x, TensorType((2, 3), f32)), AxisAttrs(0), checks.ELEMENTS_DIFFER, "C2")
        yield ErrorSample((x, TensorType((3, 3), f64)), AxisAttrs(1), checks.SHAPES, "C3")


def _total(extents: Sequence[Extent]) -> Extent:
    total = 0
    for extent in extents:
        if extent is None:
            return None
        total += extent
    return total


def _indexed(name: str, x: TensorType, indices: Sequence[Type], axis: int) -> tuple[Extent, ...]:
    """C1 and C2; gives the shape of x[..., indices, ...]."""
    checks.at_least(name, [x, *indices], 2)
    types = [checks.tensor(name, t) for t in indices]
    if not 0 <= axis <= x.rank - len(types):
        checks.value_error(name, f"{len(types)} indices from axis {axis} do not fit {x}", checks.AXIS, "C1")
    for t in types:
        checks.index_tensor(name, t, "C2")
    shape = checks.unify(name, types, "C2")
    return (*x.shape[:axis], *shape, *x.shape[axis + len(types) :])


def _indexed_extents(b: Creator[V], x: V, indices: Sequence[V], axis: int) -> list[int | V]:
    extents = index.extents_of(b, x)
    return [*extents[:axis], *index.common_extents(b, indices), *extents[axis + len(indices) :]]


def wrapped(name: str, shape: Sequence[int], indices: Sequence[Array], axis: int) -> tuple[Any, ...]:
    """NumPy's index for the indexed axes; negative indices count from the end, once.

    Raises the `gather` fault for the first position (row-major) with an index outside its axis.
    """
    positions: list[Array] = []
    outside: list[Array] = []
    for number, i in enumerate(indices):
        extent = shape[axis + number]
        big = i > np.iinfo(np.int64).max if i.dtype == np.uint64 else np.zeros(i.shape, bool)
        position = i.astype(np.int64)
        position = np.where((position < 0) & ~big, position + extent, position)
        outside.append(big | (position < 0) | (position >= extent))
        positions.append(position)
    wrong = np.stack(outside).reshape(len(indices), -1)
    if wrong.any():
        first = int(wrong.any(axis=0).argmax())
        number = int(wrong[:, first].argmax())
        raise fault(
            "gather", name, int(indices[number].reshape(-1)[first]), shape[axis + number], axis + number
        )
    return (*[slice(None)] * axis, *positions)


_INDEXED_SHAPES = (
    ((5,), (4,), 0, 1),
    ((3, 4, 2), (2, 2), 1, 1),
    ((3, 4), (5,), 0, 2),
    ((2, 3, 4, 2), (2,), 1, 2),
)


def _indexed_samples(element: Any, updates: bool) -> Iterable[Sample]:
    for number, (shape, index_shape, axis, count) in enumerate(_INDEXED_SHAPES):
        if number and element not in (f64, i64):
            continue
        x = sample_array("x", element, shape)
        rng = np.random.default_rng(number)
        indices = [rng.integers(-e, e, index_shape) for e in shape[axis : axis + count]]
        chosen: tuple[Any, ...] = (*[slice(None)] * axis, *indices)
        operands = (
            [x, *indices, sample_array("updates", element, x[chosen].shape)] if updates else [x, *indices]
        )
        yield Sample(tuple(operands), AxisAttrs(axis), differentiable=isinstance(element, FloatType))


def _index_kinds(updates: bool) -> Iterable[Sample]:
    """Every integer type as index, no index, repeated indices, a 0-d index, nothing to index."""
    x = sample_array("x", f64, (5, 2))

    def sample(i: Array, source: Array = x, label: str = "") -> Sample:
        u = sample_array("u", f64, (*i.shape, 2))
        return Sample((source, i, u) if updates else (source, i), AxisAttrs(0), label=label)

    for element in dtypes.INTEGERS:
        yield sample(np.array([4, 0, 4], dtypes.to_dtype(element)), label=str(element))
    yield sample(np.zeros((0,), np.int64), label="none")
    yield sample(np.array(-1), label="0-d")
    yield sample(np.zeros((0, 3), np.int64), x[:0], label="of empty")


@register
class Gather(Opaque):
    """x[..., i, j, ..., :]: integer arrays of one shape index consecutive axes of x from `axis` on; negative
    indices count from the end.

    Operands: x, then the index arrays. The result has x's leading axes, the index shape, x's trailing axes.
    C1: the indices fit the rank. C2: indices are integer tensors of one shape. C3: the element type is bool,
    an integer, f32 or f64.
    An index outside its axis is a run-time error.
    """

    name = "tensorc.gather"
    data_fault = "gather"
    attrs_type = AxisAttrs
    accepts = dtypes.ALL

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        assert isinstance(attrs, AxisAttrs)
        checks.at_least(cls.name, operands, 2)
        x = checks.tensor(cls.name, operands[0])
        checks.accepted(cls.name, x, cls.accepts, "C3")
        return (TensorType(_indexed(cls.name, x, operands[1:], attrs.axis), x.element),)

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        assert isinstance(attrs, AxisAttrs)
        return [_indexed_extents(b, operands[0], operands[1:], attrs.axis)]

    @classmethod
    def facts(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[Fact[V]]:
        return index.equal_shapes(b, operands[1:])

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        assert isinstance(attrs, AxisAttrs)
        x, *indices = operands
        return np.array(x[wrapped(cls.name, x.shape, indices, attrs.axis)], copy=True)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        x, *indices = op.operands
        dx = emit.op(b, "scatter_add", emit.zeros_like(b, x), *indices, cotangents[0], attrs=op.attrs)
        return [dx] + [None] * len(indices)

    @classmethod
    def lower(cls, b: LoopBuilder, op: Operation, types: Sequence[Type]) -> None:
        assert isinstance(op.attrs, AxisAttrs)
        indexing_lowering.gather(b, op, types, op.attrs.axis)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for element in dtypes.ALL:
            yield from _indexed_samples(element, updates=False)
        yield from _index_kinds(updates=False)

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        x, i = TensorType((3, 4), f64), TensorType((2,), i32)
        yield ErrorSample((x,), AxisAttrs(0), checks.COUNT)
        yield ErrorSample((x, i), AxisAttrs(2), checks.AXIS, "C1")
        yield ErrorSample((x, i, i, i), AxisAttrs(0), checks.AXIS, "C1")
        yield ErrorSample((x, TensorType((2,), f64)), AxisAttrs(0), checks.ELEMENT, "C2")
        yield ErrorSample((x, i, TensorType((3,), i64)), AxisAttrs(0), checks.SHAPES, "C2")
        yield ErrorSample((TensorType((3,), FloatType("f16", 16)), i), AxisAttrs(0), checks.ELEMENT, "C3")


class _Scatter(Opaque):
    """x with the places `x[..., i, j, ..., :]` changed by `updates`, which has the shape `gather` gives.

    Operands: x, the index arrays, updates.
    """

    data_fault = "gather"
    overwrites = True
    attrs_type = AxisAttrs

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        assert isinstance(attrs, AxisAttrs)
        checks.at_least(cls.name, operands, 3)
        x, updates = checks.tensor(cls.name, operands[0]), checks.tensor(cls.name, operands[-1])
        checks.accepted(cls.name, x, cls.accepts, "C3")
        shape = _indexed(cls.name, x, operands[1:-1], attrs.axis)
        checks.same_elements(cls.name, [x, updates], "C4")
        checks.unify(cls.name, [TensorType(shape, x.element), updates], "C4")
        return (x,)

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        return [index.extents_of(b, operands[0])]

    @classmethod
    def facts(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[Fact[V]]:
        assert isinstance(attrs, AxisAttrs)
        indices, updates = operands[1:-1], operands[-1]
        found = index.equal_shapes(b, indices)
        for axis, extent in enumerate(_indexed_extents(b, operands[0], indices, attrs.axis)):
            have = index.dim(b, updates, axis)
            found += index.fact(b, "equal", index.compare(b, "eq", extent, have), extent, have, axis)
        return found

    @classmethod
    def lower(cls, b: LoopBuilder, op: Operation, types: Sequence[Type]) -> None:
        assert isinstance(op.attrs, AxisAttrs)
        kind = indexing_lowering.element(types[0])
        indexing_lowering.scatter(
            b, op, types, op.attrs.axis, lambda b, old, new: cls.combined(b, kind, old, new)
        )

    @staticmethod
    def combined(b: LoopBuilder, kind: ScalarType, old: Value, new: Value) -> Value:
        """What a place holds after an update, as memory holds it."""
        raise NotImplementedError

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for element in cls.accepts:
            yield from _indexed_samples(element, updates=True)
        yield from _index_kinds(updates=True)

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        x, i = TensorType((3, 4), f64), TensorType((2,), i16)
        u = TensorType((2, 4), f64)
        yield ErrorSample((x, u), AxisAttrs(0), checks.COUNT)
        yield ErrorSample((x, i, u), AxisAttrs(2), checks.AXIS, "C1")
        yield ErrorSample((x, TensorType((2,), f64), u), AxisAttrs(0), checks.ELEMENT, "C2")
        yield ErrorSample((TensorType((3,), FloatType("f16", 16)), i, u), AxisAttrs(0), checks.ELEMENT, "C3")
        yield ErrorSample((x, i, TensorType((2, 5), f64)), AxisAttrs(0), checks.SHAPES, "C4")
        yield ErrorSample(
            (x, TensorType((2,), ui8), TensorType((2, 4), f32)), AxisAttrs(0), checks.ELEMENTS_DIFFER, "C4"
        )
        yield ErrorSample((index_type, i, u), AxisAttrs(0), checks.NOT_TENSOR)


@register
class ScatterAdd(_Scatter):
    """x with `updates` added at the places indexed as in `gather`, one after the other in row-major order:
    repeated indices add up.

    Operands: x, the index arrays, updates. C1: the indices fit the rank. C2: indices are integer tensors of
    one shape.
    C3: the element type is an integer, f32 or f64. C4: `updates` has the shape and element type of the
    gathered part.
    An index outside its axis is a run-time error.
    """

    name = "tensorc.scatter_add"
    accepts = dtypes.NUMBERS

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        assert isinstance(attrs, AxisAttrs)
        x, *indices, updates = operands
        result = np.array(x, copy=True)
        np.add.at(result, wrapped(cls.name, x.shape, indices, attrs.axis), updates)
        return result

    @staticmethod
    def combined(b: LoopBuilder, kind: ScalarType, old: Value, new: Value) -> Value:
        return indexing_lowering.plus(b, kind, old, new)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        (g,), indices = cotangents, op.operands[1:-1]
        du = emit.op(b, "gather", g, *indices, attrs=op.attrs)
        return [g, *[None] * len(indices), du]


@register
class ScatterSet(_Scatter):
    """x with the places indexed as in `gather` replaced by `updates`; of repeated indices the last, in
    row-major order, wins.

    Operands: x, the index arrays, updates. C1: the indices fit the rank. C2: indices are integer tensors of
    one shape.
    C3: the element type is bool, an integer, f32 or f64. C4: `updates` has the shape and element type of the
    gathered part.
    An index outside its axis is a run-time error.
    """

    name = "tensorc.scatter_set"
    accepts = dtypes.ALL

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        assert isinstance(attrs, AxisAttrs)
        x, *indices, updates = operands
        where = wrapped(cls.name, x.shape, indices, attrs.axis)
        result = np.array(x, order="C", copy=True)
        _assign_in_order(result, attrs.axis, where[attrs.axis :], updates)
        return result

    @staticmethod
    def combined(b: LoopBuilder, kind: ScalarType, old: Value, new: Value) -> Value:
        return new

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        """x keeps the cotangent where nothing was written; an update gets it where it was the last to write
        its place.
        """
        attrs = op.attrs
        assert isinstance(attrs, AxisAttrs)
        (g,), (x, *indices, updates) = cotangents, op.operands
        dx = emit.op(b, "scatter_set", g, *indices, emit.zeros_like(b, updates), attrs=attrs)
        du = emit.op(b, "gather", g, *indices, attrs=attrs)
        won = _last_writers(b, x, indices, attrs.axis)
        trailing = index.shaped(x).rank - attrs.axis - len(indices)
        rank = index.shaped(won).rank
        won = emit.expand_dims(b, won, range(rank, rank + trailing))
        du = emit.where(b, emit.broadcast_like(b, won, du), du, emit.zeros_like(b, du))
        return [dx, *[None] * len(indices), du]


def _assign_in_order(result: Array, axis: int, positions: Sequence[Array], updates: Array) -> None:
    """`result[:, ..., positions] = updates`, the last of equal positions winning (NumPy leaves that open)."""
    if not result.size or not updates.size:
        return
    lead, indexed, rest = np.split(np.array(result.shape, int), [axis, axis + len(positions)])
    places = np.ravel_multi_index(tuple(positions), tuple(indexed)).reshape(-1)
    last = {int(place): number for number, place in enumerate(places)}
    view = result.reshape(*lead, int(np.prod(indexed)), *rest)
    source = updates.reshape(*lead, places.size, *rest)
    front: tuple[Any, ...] = (slice(None),) * axis
    view[(*front, np.array(list(last.keys())))] = source[(*front, np.array(list(last.values())))]


def _last_writers(b: Builder, x: Value, indices: Sequence[Value], axis: int) -> Value:
    """Per position of the index arrays: whether no later position has equal indices."""
    shape = index.common_extents(b, indices)
    numbers = emit.reshape(b, emit.iota(b, i64, [index.product(b, shape)], 0), shape)
    extents = [index.dim(b, x, axis + k) for k in range(len(indices))]
    board = emit.full(b, i64, extents, 0)
    written = emit.op(b, "scatter_set", board, *indices, numbers, attrs=AxisAttrs(0))
    return emit.eq(b, emit.op(b, "gather", written, *indices, attrs=AxisAttrs(0)), numbers)
