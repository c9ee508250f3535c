"""Shape functions: extents as values, reshape, transpose, inserting and dropping axes, joining and splitting
arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from tensorc.api import advice, convert, leaves
from tensorc.api import extents as extents_
from tensorc.api.broadcast import broadcast_extents, same_extent
from tensorc.api.broadcast import broadcast_to as broadcast_to_extents
from tensorc.api.expr import BUILDER, Expr, TensorLike, apply
from tensorc.ir.errors import TensorcError, TensorcIndexError, TensorcTypeError, TensorcValueError
from tensorc.ir.location import caller_location
from tensorc.ir.types import IndexType
from tensorc.ops import index as ix
from tensorc.ops.attrs import AxesAttrs, AxisAttrs, PermAttrs, ShapeAttrs
from tensorc.ops.indexing import Concatenate
from tensorc.ops.views import ExpandDims, Reshape, Squeeze, Transpose

__all__ = [
    "broadcast_arrays",
    "broadcast_to",
    "concat",
    "concatenate",
    "dimshuffle",
    "expand_dims",
    "flatten",
    "matrix_transpose",
    "moveaxis",
    "permute_dims",
    "ravel",
    "reshape",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "transpose",
]


def fail(kind: type[TensorcError], message: str, code: str, help: str | None = None) -> TensorcError:
    """An error at the caller's line."""
    return kind(message, code=code, location=caller_location(), help=help)


def normalize_axis(axis: object, rank: int, what: str) -> int:
    """A non-negative axis number; raises TensorcIndexError naming the rank."""
    try:
        number = axis.__index__()  # type: ignore[attr-defined]
    except (AttributeError, TensorcError):
        raise fail(
            TensorcTypeError,
            f"{what}: an axis is an int, got {axis!r}",
            "TC0351",
            "axes are counted from 0, or with negative numbers from the end: axis=-1 is the last one",
        ) from None
    if not -rank <= number < rank:
        raise fail(
            TensorcIndexError,
            f"{what}: there is no axis {number}, {_axes_of(rank)}",
            "TC0352",
            _axis_help(rank),
        )
    return number % rank if rank else 0


def _axes_of(rank: int) -> str:
    return "a scalar has no axes" if rank == 0 else f"the array has {rank} ax{'i' if rank == 1 else 'e'}s"


def _axis_help(rank: int) -> str | None:
    if rank == 0:
        return None
    return "axis=0 or -1" if rank == 1 else f"axis=0 to {rank - 1}, or -{rank} to -1 from the end"


def normalize_axes(axis: object, rank: int, what: str) -> tuple[int, ...]:
    """Sorted unique axis numbers; None means all."""
    if axis is None:
        return tuple(range(rank))
    many: Iterable[object] = axis if isinstance(axis, tuple | list) else (axis,)
    axes = [normalize_axis(a, rank, what) for a in many]
    if len(set(axes)) != len(axes):
        raise fail(TensorcValueError, f"{what}: {axis} names an axis twice", "TC0353", "name each axis once")
    return tuple(sorted(axes))


def extent_as_tensor(extent: Any) -> Any:
    """An extent for the user: the int itself, or a weak 0-d integer expression."""
    if isinstance(extent, int):
        return extent
    result = apply(ix.FromIndex, extent)
    result.weak = "int"
    return result


_EXTENT_HELP = "an int, x.shape[i], or another integer expression without axes"


def as_extent(value: Any, what: str) -> Any:
    """An extent from what a user gives: an int, or a 0-d integer expression (made an `index`)."""
    if isinstance(value, bool | np.bool_):
        raise fail(
            TensorcTypeError, f"{what}: an extent is an integer, got {value!r}", "TC0354", _EXTENT_HELP
        )
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, Expr):
        if isinstance(value.type, IndexType):
            return value
        if value.node is not None and value.node.definition is ix.FromIndex:
            return value.node.operands[0]
        if isinstance(value, leaves.Constant) and value.ndim == 0 and value.dtype.kind in "iu":
            return int(value.value)
        if value.ndim == 0 and value.dtype.kind in "iu":
            return apply(ix.ToIndex, convert.cast(value, np.dtype("int64")))
        raise fail(
            TensorcTypeError,
            f"{what}: an extent is an integer without axes, got {advice.quoted(value)}",
            "TC0354",
            _EXTENT_HELP,
        )
    raise fail(TensorcTypeError, f"{what}: an extent is an integer, got {value!r}", "TC0354", _EXTENT_HELP)


def product(extents: Sequence[Any]) -> Any:
    """Number of elements of these extents."""
    return ix.product(BUILDER, extents)


def transpose(x: TensorLike, axes: Sequence[int] | None = None) -> Any:
    """numpy.transpose: axes reversed, or in the order given."""
    x = convert.asarray(x)
    rank = x.ndim
    order = (
        tuple(reversed(range(rank)))
        if axes is None
        else tuple(normalize_axis(a, rank, "transpose") for a in axes)
    )
    if sorted(order) != list(range(rank)):
        raise fail(
            TensorcValueError,
            f"transpose: {tuple(axes or ())} does not name each axis of {advice.quoted(x)} once",
            "TC0355",
            f"an order of the axes {', '.join(map(str, range(rank)))}; without arguments they are reversed",
        )
    return x if order == tuple(range(rank)) else apply(Transpose, x, attrs=PermAttrs(order))


permute_dims = transpose


def matrix_transpose(x: TensorLike) -> Any:
    """The last two axes exchanged (Array API)."""
    return swapaxes(x, -1, -2)


def swapaxes(x: TensorLike, axis1: int, axis2: int) -> Any:
    """numpy.swapaxes: two axes exchanged."""
    x = convert.asarray(x)
    order = list(range(x.ndim))
    a, b = normalize_axis(axis1, x.ndim, "swapaxes"), normalize_axis(axis2, x.ndim, "swapaxes")
    order[a], order[b] = order[b], order[a]
    return transpose(x, order)


def moveaxis(x: TensorLike, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """numpy.moveaxis: axes moved to other positions; the rest keep their order."""
    x = convert.asarray(x)
    sources = [
        normalize_axis(a, x.ndim, "moveaxis")
        for a in (source if isinstance(source, tuple | list) else (source,))
    ]
    targets = [
        normalize_axis(a, x.ndim, "moveaxis")
        for a in (destination if isinstance(destination, tuple | list) else (destination,))
    ]
    if len(sources) != len(targets) or len(set(sources)) != len(sources) or len(set(targets)) != len(targets):
        raise fail(
            TensorcValueError,
            f"moveaxis: {source} and {destination} do not pair up",
            "TC0356",
            "as many destinations as sources, each once: tc.moveaxis(x, [0, 1], [-1, -2])",
        )
    order = [a for a in range(x.ndim) if a not in sources]
    for target, origin in sorted(zip(targets, sources, strict=True)):
        order.insert(target, origin)
    return transpose(x, order)


def reshape_extents(x: Any, extents: Sequence[Any]) -> Any:
    """`x` under other extents (ints or index values) known to hold as many elements."""
    if len(extents) == x.ndim and all(map(same_extent, x.extents, extents)):
        return x
    shape = tuple(e if isinstance(e, int) else -1 for e in extents)
    return apply(Reshape, x, *[e for e in extents if isinstance(e, Expr)], attrs=ShapeAttrs(shape))


def reshape(x: TensorLike, shape: Any, ndim: int | None = None) -> Any:
    """numpy.reshape in row-major order; one extent may be -1. Extents may be symbolic integers."""
    x = convert.asarray(x)
    wanted = list(shape) if isinstance(shape, tuple | list) else [shape]
    unknown = [i for i, e in enumerate(wanted) if isinstance(e, int | np.integer) and e == -1]
    if len(unknown) > 1:
        raise fail(
            TensorcValueError,
            f"reshape: more than one extent is -1 in {tuple(wanted)}",
            "TC0357",
            "state all but one; x.shape[0] can stand for an unknown one",
        )
    extents = [e if i in unknown else as_extent(e, "reshape") for i, e in enumerate(wanted)]
    if any(isinstance(e, int) and e < -1 for e in extents):
        raise fail(
            TensorcValueError,
            f"reshape: negative extent in {tuple(wanted)}",
            "TC0379",
            "extents are 0 or more; one may be -1 for what the others leave",
        )
    if unknown:
        position = unknown[0]
        extents[position] = _inferred(x, extents[:position] + extents[position + 1 :])
    if all(isinstance(e, int) for e in (*x.extents, *extents)) and prod(x.extents) != prod(extents):
        shown = ", ".join(map(str, extents)) + ("," if len(extents) == 1 else "")
        raise fail(
            TensorcValueError,
            f"reshape: {advice.quoted(x)} has {prod(x.extents)} elements, the shape ({shown}) has "
            f"{prod(extents)}",
            "TC0369",
            "one extent may be -1: it takes what the others leave",
        )
    return reshape_extents(x, extents)


def _inferred(x: Any, others: list[Any]) -> Any:
    """The extent that -1 stands for: what the other extents leave of the elements."""
    remaining = list(x.extents)
    left = []
    for extent in others:
        match = next((i for i, e in enumerate(remaining) if same_extent(e, extent)), None)
        if match is None:
            left.append(extent)
        else:
            del remaining[match]
    total, known = product(remaining), product(left)
    if isinstance(known, int) and isinstance(total, int):
        if known == 0 or total % known:
            shown = ", ".join("?" if isinstance(e, Expr) else str(e) for e in others)
            raise fail(
                TensorcValueError,
                f"reshape: {advice.quoted(x)} has {total} elements, which do not divide into extents "
                f"({shown}) and -1",
                "TC0358",
                "the other extents must multiply to a divisor of the number of elements",
            )
        return total // known
    return total if isinstance(known, int) and known == 1 else extents_.floordiv(total, known)


def flatten(x: TensorLike, ndim: int = 1) -> Any:
    """The elements with `ndim` axes: the trailing ones are joined (Theano's flatten)."""
    x = convert.asarray(x)
    if ndim < 1:
        raise fail(
            TensorcValueError,
            f"flatten: ndim is at least 1, got {ndim}",
            "TC0367",
            "x.flatten() gives one axis",
        )
    if x.ndim <= 1 and ndim == 1:
        return reshape_extents(x, [product(x.extents)])
    if ndim > x.ndim:
        raise fail(
            TensorcValueError,
            f"flatten: {advice.quoted(x)} has fewer than {ndim} axes",
            "TC0359",
            "x[None] adds an axis",
        )
    return reshape_extents(x, [*x.extents[: ndim - 1], product(x.extents[ndim - 1 :])])


def ravel(x: TensorLike) -> Any:
    """numpy.ravel: all elements along one axis, in row-major order."""
    return flatten(x)


def expand_dims(x: TensorLike, axis: int | Sequence[int]) -> Any:
    """numpy.expand_dims: axes of extent 1, at these positions of the result."""
    x = convert.asarray(x)
    axes = normalize_axes(axis, x.ndim + (len(axis) if isinstance(axis, tuple | list) else 1), "expand_dims")
    return insert_axes(x, axes)


def insert_axes(x: Any, axes: Sequence[int]) -> Any:
    """`x` with axes of extent 1 at these positions of the result."""
    return apply(ExpandDims, x, attrs=AxesAttrs(tuple(sorted(axes)))) if axes else x


def drop_axes(x: Any, axes: Sequence[int]) -> Any:
    """`x` without these axes, whose extent is 1 (checked at run time where unknown)."""
    return apply(Squeeze, x, attrs=AxesAttrs(tuple(sorted(axes)))) if axes else x


def squeeze(x: TensorLike, axis: object = None) -> Any:
    """numpy.squeeze; without `axis` only axes known to have extent 1 are dropped."""
    x = convert.asarray(x)
    if axis is None:
        axes = tuple(i for i, e in enumerate(x.extents) if isinstance(e, int) and e == 1)
    else:
        axes = normalize_axes(axis, x.ndim, "squeeze")
    for a in axes:
        extent = x.extents[a]
        if isinstance(extent, int) and extent != 1:
            raise fail(
                TensorcValueError,
                f"squeeze: axis {a} of {advice.quoted(x)} has extent {extent}, not 1",
                "TC0360",
                "only axes of extent 1 can be dropped; x[0] takes the first element of an axis",
            )
    return drop_axes(x, axes)


def dimshuffle(x: TensorLike, pattern: Sequence[int | str]) -> Any:
    """Theano's dimshuffle: axes in a new order, 'x' inserts one of extent 1, an axis left out must have
    extent 1.
    """
    x = convert.asarray(x)
    for item in pattern:
        if item != "x":
            normalize_axis(item, x.ndim, "dimshuffle")
    kept = [int(i) for i in pattern if i != "x"]
    if len(set(kept)) != len(kept):
        raise fail(
            TensorcValueError,
            f"dimshuffle: {tuple(pattern)} names an axis twice",
            "TC0361",
            "name each axis once, and 'x' where one is inserted",
        )
    dropped = tuple(a for a in range(x.ndim) if a not in kept)
    squeezed = squeeze(x, dropped) if dropped else x
    order = [sorted(kept).index(a) for a in kept]
    return insert_axes(transpose(squeezed, order), [i for i, p in enumerate(pattern) if p == "x"])


def broadcast_to(x: TensorLike, shape: Any) -> Any:
    """numpy.broadcast_to; extents may be symbolic integers."""
    x = convert.asarray(x)
    wanted = shape if isinstance(shape, tuple | list) else (shape,)
    extents = tuple(as_extent(e, "broadcast_to") for e in wanted)
    if any(isinstance(e, int) and e < 0 for e in extents):
        raise fail(
            TensorcValueError,
            f"broadcast_to: negative extent in {tuple(wanted)}",
            "TC0347",
            "extents are 0 or more",
        )
    for mine, theirs in zip(reversed(x.extents), reversed(extents), strict=False):
        if isinstance(mine, int) and isinstance(theirs, int) and mine not in (1, theirs):
            raise fail(
                TensorcValueError,
                f"broadcast_to: {advice.quoted(x)} does not broadcast to shape {tuple(wanted)}",
                "TC0362",
                "lined up at the right, an extent must be 1 or stay as it is",
            )
    if x.ndim > len(extents):
        raise fail(
            TensorcValueError,
            f"broadcast_to: {advice.quoted(x)} has more axes than shape {tuple(wanted)}",
            "TC0368",
            "x.reshape(...) removes axes",
        )
    return broadcast_to_extents(x, extents)


def broadcast_arrays(*arrays: object) -> list[Any]:
    """numpy.broadcast_arrays: all arrays with the shape they have together."""
    exprs = [convert.asarray(a) for a in arrays]
    extents = broadcast_extents([e.extents for e in exprs], exprs, "broadcast_arrays")
    return [broadcast_to_extents(e, extents) for e in exprs]


def concatenate(arrays: Sequence[object], axis: int | None = 0) -> Any:
    """numpy.concatenate: along an existing axis; None flattens first. Other extents must agree."""
    exprs = [convert.asarray(a) for a in arrays]
    if not exprs:
        raise fail(
            TensorcValueError, "concatenate: needs at least one array", "TC0378", "tc.concatenate([x, y])"
        )
    if axis is None:
        exprs, axis = [ravel(e) for e in exprs], 0
    dtype = convert.common_dtype(exprs)
    ranks = {e.ndim for e in exprs}
    if len(ranks) != 1 or ranks == {0}:
        shown = advice.listed(exprs)
        raise fail(
            TensorcValueError,
            f"concatenate: the arrays must have equally many axes, at least one ({shown})",
            "TC0363",
            "add an axis where one is missing: x[None, :]; tc.stack joins along a new axis",
        )
    number = normalize_axis(axis, exprs[0].ndim, "concatenate")
    _check_joined(exprs, number)
    exprs = [convert.cast(e, dtype) for e in exprs]
    return exprs[0] if len(exprs) == 1 else apply(Concatenate, *exprs, attrs=AxisAttrs(number))


def _check_joined(exprs: Sequence[Any], number: int) -> None:
    for axis in range(exprs[0].ndim):
        known = sorted({e.extents[axis] for e in exprs if isinstance(e.extents[axis], int)})
        if axis != number and len(known) > 1:
            raise fail(
                TensorcValueError,
                f"concatenate: extents {known[0]} and {known[1]} differ on axis {axis} "
                f"({advice.listed(exprs)})",
                "TC0377",
                f"arrays joined along axis {number} must agree on all others; axis= chooses another",
            )


concat = concatenate


def stack(arrays: Sequence[object], axis: int = 0) -> Any:
    """numpy.stack: arrays of one shape along a new axis."""
    exprs = broadcast_shapes_equal([convert.asarray(a) for a in arrays], "stack")
    if not exprs:
        raise fail(TensorcValueError, "stack: needs at least one array", "TC0364", "tc.stack([x, y])")
    number = normalize_axis(axis, exprs[0].ndim + 1, "stack")
    return concatenate([insert_axes(e, [number]) for e in exprs], number)


def broadcast_shapes_equal(exprs: list[Any], what: str) -> list[Any]:
    """Refuses operands of different shape (stack does not broadcast)."""
    if len({e.ndim for e in exprs}) > 1:
        raise fail(
            TensorcValueError,
            f"{what}: the arrays must have equally many axes ({advice.listed(exprs)})",
            "TC0366",
            "add an axis where one is missing: x[None, :]",
        )
    for axis, column in enumerate(zip(*[e.extents for e in exprs], strict=True)):
        known = sorted({e for e in column if isinstance(e, int)})
        if len(known) > 1:
            raise fail(
                TensorcValueError,
                f"{what}: extents {known[0]} and {known[1]} differ on axis {axis} ({advice.listed(exprs)})",
                "TC0348",
                "arrays of one shape are stacked; tc.concatenate joins along an axis that is there",
            )
    return exprs


def split(x: TensorLike, sections: int | Sequence[Any], axis: int = 0) -> list[Any]:
    """numpy.split: into equal parts, or at the given positions."""
    x = convert.asarray(x)
    number = normalize_axis(axis, x.ndim, "split")
    extent = x.extents[number]
    if isinstance(sections, int):
        if not isinstance(extent, int):
            raise fail(
                TensorcValueError,
                f"split: into {sections} equal parts, but the extent of axis {number} of {advice.quoted(x)} "
                "is known at run time only",
                "TC0396",
                "give the positions instead, which may be symbolic: n = x.shape[0] // 3, then "
                "tc.split(x, [n, 2 * n])",
            )
        if sections <= 0 or extent % sections:
            raise fail(
                TensorcValueError,
                f"split: axis {number} of {advice.quoted(x)} does not divide into {sections} equal parts",
                "TC0365",
                "give the positions instead: tc.split(x, [2, 5])",
            )
        sections = [extent // sections * i for i in range(1, sections)]
    borders = [0, *sections, None]
    key = [slice(None)] * x.ndim
    parts = []
    for start, stop in pairwise(borders):
        key[number] = slice(start, stop)
        parts.append(x[tuple(key)])
    return parts
