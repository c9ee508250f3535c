"""How to apply each op to what a program has so far. Families have one recipe for all their ops, so that a
new pointwise op, reduction or composite is fuzzed without a word here; an op of no family and without a
recipe is fuzzed on its own samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tensorc.ir.core import Value
from tensorc.ir.definition import NO_ATTRS, REGISTRY, Attrs
from tensorc.ir.types import ScalarType, TensorType, i64
from tensorc.ops import creation, dtypes, emit, index, indexing, linalg, narrow, products, reductions, views
from tensorc.ops.arithmetic import Cast
from tensorc.ops.attrs import (
    AxesAttrs,
    AxisAttrs,
    CastAttrs,
    IotaAttrs,
    PermAttrs,
    RecurrenceAttrs,
    SliceAttrs,
    UpdateSliceAttrs,
)
from tensorc.ops.base import OpDef
from tensorc.ops.families import Pointwise
from tests.fuzz.sketch import LARGEST, Sketch, Tensor
from tests.strategies import Content

Shape = tuple[int, ...]


def apply(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    """Append `op` on operands of `element` (see `cell_of`); None where this time there is no valid use."""
    recipe = next((r for kind, r in _RECIPES if issubclass(op, kind)), None)
    if recipe is None and issubclass(op, Pointwise):
        recipe = _pointwise
    if recipe is None and op.attrs_type is AxesAttrs:
        recipe = _reduction
    return (recipe or _sampled)(s, op, element)


def _made(s: Sketch, op: type[OpDef], operands: Sequence[Value], attrs: Attrs, shape: Shape) -> Tensor | None:
    return Tensor(s.b.create(op, operands, attrs)[0], shape)


def _pointwise(s: Sketch, op: Any, element: ScalarType) -> Tensor | None:
    elements = op.operand_elements(element)
    first = s.operand(elements[-1])
    others = [s.partner(e, first.shape) for e in elements[:-1]]
    try:
        values, shape = s.same_shape([first, *others])
    except ValueError:  # two partners that do not go together
        return None
    if np.prod(shape, dtype=int) > LARGEST:
        return None
    attrs = CastAttrs(s.pick(dtypes.ALL)) if op is Cast else NO_ATTRS
    return _made(s, op, [*values[1:], values[0]], attrs, shape)


def _reduction(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    x = s.operand(element)
    rank = len(x.shape)
    axes = tuple(s.some(range(rank))) if s.chance(2) else (rank - 1,) if rank else ()
    if getattr(op, "nonempty", False) and any(x.shape[a] == 0 for a in axes) and not s.chance(8):
        return None
    infered = op.infer([x.value.type], AxesAttrs(axes))
    assert infered is not None
    assert isinstance(infered[0], TensorType)
    kept = infered[0].rank == rank and bool(axes)
    shape = x.shape if kept else tuple(e for a, e in enumerate(x.shape) if a not in axes)
    return _made(s, op, [x.value], AxesAttrs(axes), shape)


def _extreme(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    x = s.operand(element, 1)
    axis = s.number(0, len(x.shape) - 1)
    if x.shape[axis] == 0 and not s.chance(8):
        return None
    return _made(s, op, [x.value], AxisAttrs(axis), x.shape[:axis] + x.shape[axis + 1 :])


def _broadcast_to(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    x = s.operand(element)
    stretched = [s.pick((3, 1, 17, 0, 2)) if e == 1 and not s.chance(3) else e for e in x.shape]
    lead = [s.pick((2, 3, 1, 0))] if len(x.shape) < 4 and s.chance(2) else []
    shape = (*lead, *stretched)
    if np.prod(shape, dtype=int) > LARGEST:
        return None
    return Tensor(_shaped(s, op, x.value, shape), shape)


def _sum_to(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    x = s.operand(element)
    lead = s.number(1, len(x.shape)) if x.shape and s.chance(2) else 0
    shape = tuple(1 if s.chance(2) else e for e in x.shape[lead:])
    return Tensor(_shaped(s, op, x.value, shape), shape)


def _reshape(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    x = s.operand(element)
    size = int(np.prod(x.shape, dtype=int))
    options: list[Shape] = [(size,), x.shape[::-1], (1, *x.shape)[:5]]
    options += [
        (*x.shape[:k], x.shape[k] * x.shape[k + 1], *x.shape[k + 2 :]) for k in range(len(x.shape) - 1)
    ]
    options += [(size // k, k) for k in (2, 3, 17) if size % k == 0]
    options += [tuple(e for e in x.shape if e != 1)]
    options += [(0, 3), (2, 0, 1)] if size == 0 else []
    shape = s.pick(options)
    return Tensor(_shaped(s, op, x.value, shape), shape)


def _shaped(s: Sketch, op: type[OpDef], x: Value, shape: Shape) -> Value:
    """`op` with the target `shape`, its extents given in various ways."""
    entries, operands = index.entries([s.extent(e) for e in shape])
    return s.b.create(op, [x, *operands], views.ShapeAttrs(entries))[0]


def _transpose(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    x = s.operand(element)
    left, perm = list(range(len(x.shape))), []
    while left:
        perm.append(left.pop(s.number(0, len(left) - 1)))
    return _made(s, op, [x.value], PermAttrs(tuple(perm)), tuple(x.shape[a] for a in perm))


def _expand_dims(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    x = s.operand(element)
    count = s.number(0, 2) if len(x.shape) < 4 else 0
    axes = tuple(sorted({s.number(0, len(x.shape)) for _ in range(count)}))
    return _made(s, op, [x.value], AxesAttrs(axes), tuple(views.inserted(x.shape, axes)))


def _squeeze(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    x = s.operand(element)
    if 1 not in x.shape:
        x = s.fresh(element, (*x.shape[:2], 1))
    ones = [a for a, e in enumerate(x.shape) if e == 1]
    axes = tuple(s.some(ones)) or (ones[0],)
    return _made(s, op, [x.value], AxesAttrs(axes), tuple(e for a, e in enumerate(x.shape) if a not in axes))


def _range(s: Sketch, extent: int) -> tuple[int, int, int]:
    """A start, size and step inside an axis; rarely outside."""
    step = s.pick((1, 2, -1, 3, -2))
    if s.chance(40):
        return s.number(0, 4), s.number(1, 6), step
    if extent == 0 or s.chance(12):
        return s.number(0, 3), 0, step
    start = s.number(0, extent - 1)
    room = (extent - 1 - start) // step if step > 0 else start // -step
    return start, 1 + s.number(0, room), step


def _slice(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    x = s.operand(element)
    ranges = [_range(s, e) for e in x.shape]
    starts, given_starts = index.entries([s.extent(r[0]) for r in ranges])
    sizes, given_sizes = index.entries([s.extent(r[1]) for r in ranges])
    attrs = SliceAttrs(starts, sizes, tuple(r[2] for r in ranges))
    return _made(s, op, [x.value, *given_starts, *given_sizes], attrs, tuple(r[1] for r in ranges))


def _update_slice(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    x = s.operand(element)
    ranges = [_range(s, e) for e in x.shape]
    update = s.fresh(element, tuple(r[1] for r in ranges))
    starts, given = index.entries([s.extent(r[0]) for r in ranges])
    add = element in dtypes.NUMBERS and s.chance(2)
    attrs = UpdateSliceAttrs(starts, tuple(r[2] for r in ranges), add)
    return _made(s, op, [x.value, update.value, *given], attrs, x.shape)


def _concatenate(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    x = s.operand(element, 1)
    axis = s.number(0, len(x.shape) - 1)
    parts = [x]
    for _ in range(s.number(0, 2)):
        other = s.partner(element, x.shape)
        alike = len(other.shape) == len(x.shape)
        if not alike or any(x.shape[a] != other.shape[a] for a in range(len(x.shape)) if a != axis):
            other = s.fresh(element, (*x.shape[:axis], s.pick((2, 1, 0)), *x.shape[axis + 1 :]))
        parts.append(other)
    total = sum(p.shape[axis] for p in parts)
    if s.chance(2):
        parts.reverse()
    return _made(
        s, op, [p.value for p in parts], AxisAttrs(axis), (*x.shape[:axis], total, *x.shape[axis + 1 :])
    )


def _indices(s: Sketch, x: Tensor) -> tuple[int, list[Tensor], Shape]:
    """An axis, index arrays from there on, and the shape of the gathered part."""
    axis = s.number(0, len(x.shape) - 1)
    count = 1 + (s.number(0, 1) if axis + 1 < len(x.shape) else 0)
    indexed = x.shape[axis : axis + count]
    shape: Shape = s.pick(((4,), (), (2, 3), (1,), (0,)))
    if 0 in indexed:
        shape = (0,)
    element = s.pick((i64, *dtypes.INTEGERS))
    arrays = []
    for extent in indexed:
        limit = extent + (1 if s.chance(30) else 0)
        arrays.append(s.argument(element, shape, Content("index", s.number(0, 255), limit)))
    return axis, arrays, (*x.shape[:axis], *shape, *x.shape[axis + count :])


def _gather(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    x = s.operand(element, 1)
    axis, arrays, shape = _indices(s, x)
    return _made(s, op, [x.value, *(i.value for i in arrays)], AxisAttrs(axis), shape)


def _scatter(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    x = s.operand(element, 1)
    axis, arrays, shape = _indices(s, x)
    updates = s.fresh(element, shape)
    return _made(s, op, [x.value, *(i.value for i in arrays), updates.value], AxisAttrs(axis), x.shape)


def _recurrence(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    x = s.operand(element, 1)
    values, shape = s.same_shape([x, s.partner(element, x.shape)])
    if np.prod(shape, dtype=int) > LARGEST:
        return None
    attrs = RecurrenceAttrs(s.number(0, len(shape) - 1), s.chance(2))
    return _made(s, op, values, attrs, shape)


def _matmul(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    x = s.operand(element, 2)
    if s.chance(3):
        swapped = (*range(len(x.shape) - 2), len(x.shape) - 1, len(x.shape) - 2)
        x = Tensor(emit.transpose(s.b, x.value, swapped), tuple(x.shape[a] for a in swapped))
    columns = s.pick((2, 1, 17, 3, 0))
    shape = (*x.shape[:-2], x.shape[-1], columns)
    matching = [t for t in s.tensors[-6:] if t.element == element and t.shape[:-1] == shape[:-1] and t.shape]
    y = s.pick(matching) if matching and not s.chance(3) else s.fresh(element, shape)
    if np.prod((*x.shape, y.shape[-1]), dtype=int) > 40 * LARGEST:
        return None
    return _made(s, op, [x.value, y.value], NO_ATTRS, (*x.shape[:-1], y.shape[-1]))


def _iota(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    shape = s.shape(1)
    entries, operands = index.entries([s.extent(e) for e in shape])
    attrs = IotaAttrs(entries, s.number(0, len(shape) - 1), element)
    return _made(s, op, operands, attrs, shape)


def _constant(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    return s.constant(element, s.pick(((), (3,), (2, 3), (1, 1), (0,), (16,))))


def _dim(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    """The extent of an axis, as a number one can see."""
    x = s.operand(element, 1)
    extent = s.b.create(op, [x.value], AxisAttrs(s.number(0, len(x.shape) - 1)))[0]
    return Tensor(s.b.create(index.FromIndex, [extent])[0], ())


def _to_index(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    extent = s.counted(s.pick((3, 1, 0, 17)), element)
    return Tensor(s.b.create(index.FromIndex, [extent])[0], ())


def _from_index(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    return _dim(s, index.Dim, s.pick(dtypes.ALL))


def _narrow(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    """Mostly of what fits; past the narrow types' limits, every witness must raise."""
    number = s.counted(s.pick((3, 0, 1, 17, 127, 255, 128, 70_000, -1, -129)))
    return _made(s, op, [number], CastAttrs(element), ())


def _broadcast_extents(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    one, other = s.pick(((3, 3), (3, 1), (1, 3), (0, 1), (1, 1), (0, 0), (2, 3)))
    extent = s.b.create(op, [s.counted(one), s.counted(other)])[0]
    return Tensor(s.b.create(index.FromIndex, [extent])[0], ())


def _require(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    one, other = s.counted(3), s.counted(2 if s.chance(6) else 3)
    index.require(s.b, "equal", index.compare(s.b, "eq", one, other), one, other)
    return Tensor(s.b.create(index.FromIndex, [one])[0], ())


def _nothing(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    return None


def _sampled(s: Sketch, op: type[OpDef], element: ScalarType) -> Tensor | None:
    """On operands like one of its samples'."""
    samples = [
        sample
        for sample in op.samples()
        if any(isinstance(x, np.ndarray) and x.dtype == dtypes.to_dtype(element) for x in sample.operands)
    ]
    sample = s.pick(samples or list(op.samples()))
    operands: list[Value] = []
    for x in sample.operands:
        if isinstance(x, int):
            operands.append(s.counted(x))
            continue
        operands.append(s.argument(dtypes.from_dtype(x.dtype), x.shape).value)
    with np.errstate(all="ignore"):
        shape = np.shape(op.reference(sample.attrs, *sample.operands))
    return _made(s, op, operands, sample.attrs, shape)


Recipe = Callable[[Sketch, Any, ScalarType], Tensor | None]
_RECIPES: tuple[tuple[type, Recipe], ...] = (
    (reductions.ArgMax, _extreme),
    (reductions.ArgMin, _extreme),
    (views.BroadcastTo, _broadcast_to),
    (views.SumTo, _sum_to),
    (views.Reshape, _reshape),
    (views.Transpose, _transpose),
    (views.ExpandDims, _expand_dims),
    (views.Squeeze, _squeeze),
    (indexing.Slice, _slice),
    (indexing.UpdateSlice, _update_slice),
    (indexing.Concatenate, _concatenate),
    (indexing.Gather, _gather),
    (indexing.ScatterAdd, _scatter),
    (indexing.ScatterSet, _scatter),
    (products.Recurrence, _recurrence),
    (linalg.Matmul, _matmul),
    (creation.Iota, _iota),
    (creation.Constant, _constant),
    (index.Dim, _dim),
    (index.ToIndex, _to_index),
    (index.FromIndex, _from_index),
    (index.BroadcastExtents, _broadcast_extents),
    (narrow.Narrow, _narrow),
    (index.Require, _require),
    (index.Assume, _nothing),  # of specialised bodies: compiled code answers it with the generic body
)

OPS: list[type[OpDef]] = sorted((d for d in REGISTRY.values() if issubclass(d, OpDef)), key=lambda d: d.name)
CELLS: list[tuple[type[OpDef], ScalarType]] = [(op, element) for op in OPS for element in op.accepts]
"""Every op with every element type it accepts."""


def short(op: type[OpDef]) -> str:
    return op.name.removeprefix("tensorc.")


def is_reduction(op: type[OpDef]) -> bool:
    """Whether many elements become one somewhere in it."""
    several = (views.SumTo, linalg.Matmul, reductions.ArgMax, reductions.ArgMin, products.Recurrence)
    return issubclass(op, several) or (
        op.attrs_type is AxesAttrs and not issubclass(op, views.ExpandDims | views.Squeeze)
    )
