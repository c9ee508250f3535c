"""Indexing: `x[key]`, and functional updates `x[key].set(v)`, `x[key].add(v)`.

A key is analysed once into steps on axes: basic parts (integers, slices, None, Ellipsis) become one `slice`
plus dropped and inserted axes; integer-array parts become one
gather over the flattened positions they broadcast to. A boolean array of known values is turned into its
positions; a symbolic one has no shape before the program runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tensorc.api import advice, convert, extents, leaves, shapes
from tensorc.api.broadcast import broadcast_to as broadcast_to_extents
from tensorc.api.broadcast import broadcast_together
from tensorc.api.expr import Expr, TensorLike, apply, make
from tensorc.api.methods import Tensor
from tensorc.ir.errors import TensorcIndexError, TensorcTypeError, TensorcValueError
from tensorc.ir.location import NamedLocation, caller_location
from tensorc.ops.attrs import AxisAttrs, ShapeAttrs, SliceAttrs, UpdateSliceAttrs
from tensorc.ops.indexing import Gather, ScatterAdd, ScatterSet, Slice, UpdateSlice
from tensorc.ops.views import Reshape

fail = shapes.fail
INT64 = np.dtype("int64")


@dataclass(frozen=True)
class Span:
    """A slice of one axis: start, number of elements (ints or index values), step (an int, not 0)."""

    start: Any
    count: Any
    step: int


@dataclass(frozen=True)
class Key:
    """A key in normal form over the axes of one array.

    `spans` has one entry an axis (None: untouched); `dropped` axes were indexed by an integer; `arrays` maps
    axes to integer-array expressions;
    `inserted` are positions of None in the result of the basic part.
    """

    spans: tuple[Span | None, ...]
    dropped: frozenset[int]
    arrays: dict[int, Any]
    layout: tuple[Any, ...]
    """Result order of the parts: an axis number, or None for an inserted axis; array axes appear where
    written.
    """
    separated: bool
    """Array parts with a slice or None between them: their axes come first, as in NumPy."""
    lengths: dict[int, int]
    """What boolean masks say of axes whose extent is known at run time only."""


@dataclass(frozen=True)
class _Mask:
    """The positions a boolean array picks along one of its axes, and the extent of that axis."""

    positions: Any
    extent: int


class Indexed(Tensor):
    """The result of `x[key]`; remembers both for `.set` and `.add`."""

    __slots__ = ("base", "key")

    base: Any
    key: Key


def getitem(x: Any, key: object) -> Any:
    """`x[key]` with NumPy's meaning. Raises TensorcIndexError naming the array's type and the key."""
    normal = normalize(x, key)
    if normal.lengths:
        x = _masked(x, normal.lengths)
    value = _read(x, normal)
    if value is x:  # an indexed expression is a node of its own, so that it never stands for `x` itself
        value = apply(
            Reshape,
            x,
            *[e for e in x.extents if isinstance(e, Expr)],
            attrs=ShapeAttrs(tuple(e if isinstance(e, int) else -1 for e in x.extents)),
        )
    result = Indexed(value.type, value.node, value.index)
    result.extents = value.extents
    result.base, result.key = x, normal
    return result


def normalize(x: Any, key: object) -> Key:
    """The normal form of a key for `x`."""
    parts = [_part(p) for p in (key if isinstance(key, tuple) else (key,))]
    parts = [piece for part in parts for piece in (part if isinstance(part, list) else [part])]
    used = sum(p is not None and p is not Ellipsis for p in parts)
    if sum(p is Ellipsis for p in parts) > 1:
        raise fail(
            TensorcIndexError,
            "an index can have one ellipsis ('...') only",
            "TC0380",
            "write ':' for the axes in between",
        )
    if used > x.ndim:
        raise fail(
            TensorcIndexError,
            f"too many indices: {used} for {advice.quoted(x)}, which has {_counted(x.ndim)}",
            "TC0381",
            "a scalar is not indexed" if x.ndim == 0 else f"give at most {x.ndim}",
        )
    at = next((i for i, p in enumerate(parts) if p is Ellipsis), None)
    fill: list[Any] = [slice(None)] * (x.ndim - used)
    full = [*parts, *fill] if at is None else [*parts[:at], *fill, *parts[at + 1 :]]
    return _assign(x, full)


def _counted(axes: int) -> str:
    return "no axes" if axes == 0 else "one axis" if axes == 1 else f"{axes} axes"


def _bounds_help(extent: int) -> str:
    if extent == 0:
        return "the axis is empty"
    return f"from 0 to {extent - 1}, or from -{extent} to -1 counted from the end"


def _part(part: Any) -> Any:
    """One part of a key: None, Ellipsis, slice, int, 0-d integer expression, or an integer-array expression
    (a list of them for a boolean array).
    """
    if part is None or part is Ellipsis or isinstance(part, slice):
        return part
    if isinstance(part, bool | np.bool_):
        raise fail(
            TensorcIndexError,
            f"a boolean scalar ({part}) as an index is not supported",
            "TC0382",
            "use tc.where",
        )
    if isinstance(part, int | np.integer):
        return int(part)
    if isinstance(part, str | float | bytes | dict):
        raise fail(
            TensorcIndexError,
            f"an index is an integer, slice, None, '...' or integer array, got {part!r}",
            "TC0383",
            f"write {int(part)}, or int(...) around the number"
            if isinstance(part, float) and part.is_integer()
            else "elements are numbered from 0: x[0] is the first row, x[:, 0] the first column",
        )
    expr = convert.asarray(np.asarray(part, dtype=np.int64) if isinstance(part, list) and not part else part)
    if expr.dtype == np.bool_:
        return _mask_positions(expr)
    if expr.dtype.kind not in "iu":
        raise fail(
            TensorcIndexError,
            f"an index array holds integers, got {advice.listed([expr])}",
            "TC0384",
            "convert it with .astype('int64')",
        )
    if expr.ndim == 0 and isinstance(expr, leaves.Constant):
        return int(expr.value)
    return convert.cast(expr, INT64)


def _mask_positions(mask: Any) -> list[Any]:
    if isinstance(mask, leaves.Constant) and mask.ndim:
        found = zip(np.nonzero(mask.value), mask.value.shape, strict=True)
        return [_Mask(convert.asarray(positions), extent) for positions, extent in found]
    raise fail(
        TensorcIndexError,
        f"the mask {advice.quoted(mask)} cannot index: how many elements it picks is not known before the "
        "program runs",
        "TC0385",
        "keep the shape: tc.where(mask, x, 0), and tc.sum(mask) to count",
    )


def _assign(x: Any, parts: list[Any]) -> Key:
    spans: list[Span | None] = []
    dropped: set[int] = set()
    arrays: dict[int, Any] = {}
    layout: list[Any] = []
    positions: list[int] = []
    scalar_positions: list[int] = []
    lengths: dict[int, int] = {}
    for place, part in enumerate(parts):
        axis = len(spans)
        if isinstance(part, _Mask):
            lengths |= _mask_length(x, axis, part.extent)
            part = part.positions
        if part is None:
            layout.append(None)
        elif isinstance(part, slice):
            spans.append(_span(x, axis, part))
            layout.append(axis)
        elif isinstance(part, Expr) and part.ndim > 0:
            spans.append(None)
            arrays[axis] = part
            positions.append(place)
            layout.append(axis)
        else:
            spans.append(_point(x, axis, part))
            dropped.add(axis)
            scalar_positions.append(place)
    if arrays:
        # NumPy counts integers as index arrays of rank 0 when it looks for a gap between array parts
        positions = sorted(positions + scalar_positions)
    separated = bool(arrays) and positions != list(range(positions[0], positions[0] + len(positions)))
    return Key(tuple(spans), frozenset(dropped), arrays, tuple(layout), separated, lengths)


def _masked(x: Any, lengths: dict[int, int]) -> Any:
    """`x` with the extents that masks have: a reshape that changes nothing, or fails in the call."""
    wanted = [lengths.get(axis, extent) for axis, extent in enumerate(x.extents)]
    shown = " and ".join(f"{extent} along axis {axis}" for axis, extent in lengths.items())
    place = NamedLocation(f"a mask of extent {shown}", caller_location())
    shape = ShapeAttrs(tuple(e if isinstance(e, int) else -1 for e in wanted))
    return make(Reshape, (x, *[e for e in wanted if isinstance(e, Expr)]), shape, place)[0]


def _mask_length(x: Any, axis: int, extent: int) -> dict[int, int]:
    """What remains to be checked when the program runs."""
    actual = x.extents[axis]
    if not isinstance(actual, int):
        return {axis: extent}
    if actual != extent:
        raise fail(
            TensorcIndexError,
            f"a mask of extent {extent} for axis {axis} of {advice.quoted(x)}, which has extent {actual}",
            "TC0389",
            "a mask has the shape of the axes that it picks from",
        )
    return {}


def _point(x: Any, axis: int, position: Any) -> Span:
    """One element of an axis; a constant position is checked now if the extent is known, any other when the
    program runs.
    """
    extent = x.extents[axis]
    if isinstance(position, int) and isinstance(extent, int):
        if not -extent <= position < extent:
            raise fail(
                TensorcIndexError,
                f"index {position} is out of bounds for axis {axis} of {advice.quoted(x)}, which has extent "
                f"{extent}",
                "TC0386",
                _bounds_help(extent),
            )
        return Span(position % extent, 1, 1)
    index = position if isinstance(position, int) else shapes.as_extent(position, "index")
    return Span(extents.wrap(index, extent), 1, 1)


def _span(x: Any, axis: int, part: slice) -> Span | None:
    if part.start is None and part.stop is None and part.step is None:
        return None
    step = 1 if part.step is None else part.step
    if isinstance(step, Expr | bool) or not isinstance(step, int | np.integer):
        raise fail(
            TensorcTypeError,
            "a slice step is a Python int, got "
            f"{advice.quoted(step) if isinstance(step, Expr) else repr(step)}",
            "TC0387",
            "x[tc.arange(n) * step] takes every step-th element for a symbolic step",
        )
    if step == 0:
        raise fail(TensorcIndexError, "a slice step cannot be 0", "TC0388", "x[::1] is all, x[::-1] reverses")
    extent = x.extents[axis]
    start = None if part.start is None else shapes.as_extent(part.start, "slice")
    stop = None if part.stop is None else shapes.as_extent(part.stop, "slice")
    if isinstance(extent, int) and not isinstance(start, Expr) and not isinstance(stop, Expr):
        low, high, by = slice(start, stop, int(step)).indices(extent)
        return Span(low, len(range(low, high, by)), by)
    low, count = extents.slice_bounds(start, stop, int(step), extent)
    return Span(low, count, int(step))


def _read(x: Any, key: Key) -> Any:
    if key.arrays:
        return _gather(_basic(x, key), key)
    return _lay_out(_basic(x, key), key)


def _basic(x: Any, key: Key) -> Any:
    """The sliced array, all axes still there (dropped ones with extent 1)."""
    if all(s is None for s in key.spans):
        return x
    spans = _all_spans(x, key)
    starts, first = _static_or_operands([s.start for s in spans])
    sizes, second = _static_or_operands([s.count for s in spans])
    attrs = SliceAttrs(starts, sizes, tuple(s.step for s in spans))
    return apply(Slice, x, *first, *second, attrs=attrs)


def _lay_out(sliced: Any, key: Key) -> Any:
    """Drops indexed axes and inserts new ones."""
    inserted = [n for n, part in enumerate(key.layout) if part is None]
    return shapes.insert_axes(shapes.drop_axes(sliced, sorted(key.dropped)), inserted)


@dataclass(frozen=True)
class _Gathering:
    """How the array part of a key becomes one gather: index arrays on consecutive axes of `source` from
    `axis` on.

    `taken` labels the axes of the gathered array, `wanted` those of the result in NumPy's order: an axis
    number of the indexed array, or -1 - k for axis k of the index arrays. `order` is the transposition of the
    array, if one was needed.
    """

    arrays: tuple[Any, ...]
    axis: int
    order: tuple[int, ...] | None
    taken: tuple[int, ...]
    wanted: tuple[int, ...]
    inserted: tuple[int, ...]

    def source(self, sliced: Any) -> Any:
        return sliced if self.order is None else shapes.transpose(sliced, self.order)


def _gathering(sliced: Any, key: Key) -> _Gathering:
    axes = sorted(key.arrays)
    arrays = tuple(broadcast_together([key.arrays[a] for a in axes], "index"))
    rest = [a for a in range(sliced.ndim) if a not in axes]
    index_labels = [-1 - k for k in range(arrays[0].ndim)]
    consecutive = axes == list(range(axes[0], axes[0] + len(axes)))
    lead = [a for a in rest if a < axes[0]] if consecutive else []
    taken = [*lead, *index_labels, *[a for a in rest if a not in lead]]
    wanted: list[int] = list(index_labels) if key.separated else []
    inserted: list[int] = []
    placed = key.separated
    for part in key.layout:
        if part is None:
            inserted.append(len(wanted) + len(inserted))
        elif part not in axes:
            wanted.append(part)
        elif not placed:
            wanted += index_labels
            placed = True
    order = None if consecutive else (*axes, *rest)
    return _Gathering(arrays, len(lead), order, tuple(taken), tuple(wanted), tuple(inserted))


def _gather(sliced: Any, key: Key) -> Any:
    """The array part of a key: one gather, then axes dropped, ordered and inserted as NumPy does."""
    plan = _gathering(sliced, key)
    taken = apply(Gather, plan.source(sliced), *plan.arrays, attrs=AxisAttrs(plan.axis))
    kept = [label for label in plan.taken if label not in key.dropped]
    taken = shapes.drop_axes(taken, [n for n, label in enumerate(plan.taken) if label in key.dropped])
    return shapes.insert_axes(
        shapes.transpose(taken, [kept.index(label) for label in plan.wanted]), plan.inserted
    )


def _scatter(base: Any, key: Key, new: Any, add: bool) -> Any:
    """Integer-array update: the value takes the layout of the gathered part, is scattered, and goes back
    where it was.
    """
    sliced = _basic(base, key)
    plan = _gathering(sliced, key)
    kept = [label for label in plan.taken if label not in key.dropped]
    rows = shapes.transpose(
        shapes.drop_axes(new, plan.inserted), [plan.wanted.index(label) for label in kept]
    )
    rows = shapes.insert_axes(rows, [n for n, label in enumerate(plan.taken) if label in key.dropped])
    op = ScatterAdd if add else ScatterSet
    written = apply(op, plan.source(sliced), *plan.arrays, rows, attrs=AxisAttrs(plan.axis))
    if plan.order is not None:
        written = shapes.transpose(written, [plan.order.index(a) for a in range(len(plan.order))])
    return written if all(s is None for s in key.spans) else _update_slice(base, key, written, add=False)


def set_subtensor(target: Any, value: TensorLike) -> Any:
    """For `set_subtensor(x[key], v)` or `x[key].set(v)`: x with that part replaced. With repeated indices the
    last value wins.
    """
    return _update(target, value, add=False)


def inc_subtensor(target: Any, value: TensorLike) -> Any:
    """For `inc_subtensor(x[key], v)` or `x[key].add(v)`: x with v added there. Repeated indices add up."""
    return _update(target, value, add=True)


def _update(target: Any, value: TensorLike, add: bool) -> Any:
    if not isinstance(target, Indexed):
        raise fail(
            TensorcTypeError,
            "set and add work on an indexed expression",
            "TC0390",
            "write x[i].set(v) or tc.set_subtensor(x[i], v), with x[i] directly from x",
        )
    base, key = target.base, target.key
    new = convert.asarray(value)
    wanted = convert.common_dtype([base, new])
    if wanted != base.dtype:
        raise fail(
            TensorcTypeError,
            f"cannot write {advice.listed([new])} into {advice.quoted(base)}: that would lose digits",
            "TC0391",
            f"convert the array, {advice.label(base) or 'x'}.astype('{wanted}'), or the value, "
            f"tc.asarray(v).astype('{base.dtype}')",
        )
    _check_fits(new, target)
    new = broadcast_to_extents(convert.cast(new, base.dtype), target.extents)
    if key.arrays:
        return _scatter(base, key, new, add)
    inserted = [n for n, part in enumerate(key.layout) if part is None]
    sliced = shapes.insert_axes(shapes.drop_axes(new, inserted), sorted(key.dropped))
    return _update_slice(base, key, sliced, add)


def _check_fits(new: Any, target: Any) -> None:
    meeting = zip(reversed(new.extents), reversed(target.extents), strict=False)
    known = [(a, b) for a, b in meeting if isinstance(a, int) and isinstance(b, int)]
    if new.ndim <= target.ndim and all(a in (1, b) for a, b in known):
        return
    raise fail(
        TensorcValueError,
        f"a value {advice.listed([new])} does not fit into {advice.quoted(target)}",
        "TC0392",
        "lined up at the right, each extent of the value must be 1 or that of the part it is written to",
    )


def _update_slice(base: Any, key: Key, value: Any, add: bool) -> Any:
    spans = _all_spans(base, key)
    starts, dynamic = _static_or_operands([s.start for s in spans])
    attrs = UpdateSliceAttrs(starts, tuple(s.step for s in spans), add)
    return apply(UpdateSlice, base, value, *dynamic, attrs=attrs)


def _all_spans(base: Any, key: Key) -> list[Span]:
    return [Span(0, base.extents[a], 1) if s is None else s for a, s in enumerate(key.spans)]


def _static_or_operands(values: list[Any]) -> tuple[tuple[int, ...], list[Expr]]:
    """Known values with -1 for the others, and those as operands."""
    return tuple(v if isinstance(v, int) else -1 for v in values), [v for v in values if isinstance(v, Expr)]
