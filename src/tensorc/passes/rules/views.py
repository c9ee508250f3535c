"""Broadcasts, reshapes, transposes: one view for a view of a view, none for one that changes nothing.

A view that fails at run time must go on failing: an inner view is left out only where its own shapes are
known to fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import Trait
from tensorc.ir.rewriter import Rewriter, pattern
from tensorc.ir.types import TensorType
from tensorc.ops import emit, index
from tensorc.ops.attrs import AxesAttrs, PermAttrs
from tensorc.ops.families import Pointwise, Reduction
from tensorc.ops.reductions import Sum
from tensorc.ops.views import BroadcastTo, ExpandDims, Reshape, Squeeze, SumTo, Transpose
from tensorc.passes.fold import uniform
from tensorc.passes.rules.match import is_float, replace
from tensorc.passes.shapes import Shapes, Symbol, shapes_of


@pattern(
    BroadcastTo, SumTo, Reshape, law="a view to the shape it has is nothing", example="broadcast_to(x, n, 3)"
)
def view_to_same_shape(op: Operation, rewriter: Rewriter) -> None:
    x = op.operands[0]
    if x.type == op.result.type and shapes_of(rewriter).same(x, op.result):
        replace(op, rewriter, x)


def broadcast_fits(shapes: Shapes, op: Operation) -> bool:
    """Whether the check of a `broadcast_to` is known to hold."""
    source, target = shapes.extents(op.operands[0]), shapes.extents(op.result)
    lead = len(target) - len(source)
    return all(e.number == 1 or e.key == target[lead + axis].key for axis, e in enumerate(source))


@pattern(
    BroadcastTo,
    law="a broadcast of a broadcast is one broadcast",
    example="broadcast_to(broadcast_to(s, 3), n, 3)",
)
def broadcast_of_broadcast(op: Operation, rewriter: Rewriter) -> None:
    inner = op.operands[0].defining(BroadcastTo)
    if inner is not None and broadcast_fits(shapes_of(rewriter), inner):
        rewriter.set_operands(op, [inner.operands[0], *op.operands[1:]])


@pattern(
    BroadcastTo,
    law="broadcasting adds leading unit axes itself",
    example="broadcast_to(expand_dims(v, 0), n, 3)",
)
def broadcast_of_expanded(op: Operation, rewriter: Rewriter) -> None:
    inner = op.operands[0].defining(ExpandDims)
    if inner is None:
        return
    axes = _axes(inner)
    if axes and axes == tuple(range(len(axes))):
        rewriter.set_operands(op, [inner.operands[0], *op.operands[1:]])


@pattern(
    Pointwise,
    law="f of broadcasts = broadcast of f",
    example="broadcast_to(v, n, 3) * broadcast_to(exp(v), n, 3) + x",
)
def pointwise_of_broadcasts(op: Operation, rewriter: Rewriter) -> None:
    """Less is computed, and patterns meet the value itself."""
    views = [view for v in op.operands if (view := v.defining(BroadcastTo)) is not None]
    first = next((view for view in views if uniform(view.result) is None), None)
    if first is None or op.definition is None or not op.has_trait(Trait.PURE):
        return
    source = first.operands[0]
    if len(views) < len(op.operands) or source.type == first.result.type:
        return
    sources = [_before_broadcast(v, first, rewriter) for v in op.operands]
    operands = [v for v in sources if v is not None]
    if len(operands) < len(sources):
        return
    like = [v if index.shaped(v).rank else emit.broadcast_like(rewriter, v, source) for v in operands]
    inner = rewriter.create(op.definition, like, op.attrs)[0]
    replace(op, rewriter, rewriter.create(BroadcastTo, [inner, *first.operands[1:]], first.attrs)[0])


def _before_broadcast(value: Value, like: Operation, rewriter: Rewriter) -> Value | None:
    """What `value` repeats just as `like` does; a 0-d value if it is uniform; else None."""
    view = value.defining(BroadcastTo)
    if view is None or list(view.operands[1:]) != list(like.operands[1:]) or view.attrs != like.attrs:
        return None
    source = view.operands[0]
    if uniform(value) is not None and index.shaped(source).rank == 0:
        return source
    known = source is like.operands[0] or shapes_of(rewriter).same(source, like.operands[0])
    return source if known else None


@pattern(Transpose, law="the identical permutation is nothing", example="transpose(x, 0, 1)")
def transpose_identity(op: Operation, rewriter: Rewriter) -> None:
    if _perm(op) == tuple(range(len(_perm(op)))):
        replace(op, rewriter, op.operands[0])


@pattern(Transpose, law="two permutations are one", example="transpose(transpose(x, 1, 0), 1, 0)")
def transpose_of_transpose(op: Operation, rewriter: Rewriter) -> None:
    inner = op.operands[0].defining(Transpose)
    if inner is not None:
        perm = tuple(_perm(inner)[axis] for axis in _perm(op))
        rewriter.replace_op(op, Transpose, [inner.operands[0]], PermAttrs(perm))


@pattern(
    Reshape, law="a reshape of a reshape is one reshape", example="reshape(reshape(x, n, 1, 3), n, 3, 1)"
)
def reshape_of_reshape(op: Operation, rewriter: Rewriter) -> None:
    inner = op.operands[0].owner
    if inner is None or inner.definition not in (Reshape, ExpandDims, Squeeze):
        return
    if inner.definition is ExpandDims or _same_size(shapes_of(rewriter), inner):
        rewriter.set_operands(op, [inner.operands[0], *op.operands[1:]])


def _same_size(shapes: Shapes, op: Operation) -> bool:
    """Whether operand and result are known to have one number of elements."""
    return _product(shapes.extents(op.operands[0])) == _product(shapes.extents(op.result))


def _product(extents: Sequence[Symbol]) -> tuple[int, list[str]]:
    known = 1
    for e in extents:
        known *= 1 if e.number is None else e.number
    return known, sorted(str(e.key) for e in extents if e.number is None)


@pattern(
    Reshape,
    law="a reshape that inserts unit axes is expand_dims, one that drops them squeeze",
    example="reshape(x, n, 1, 3)",
)
def reshape_of_unit_axes(op: Operation, rewriter: Rewriter) -> None:
    shapes, x = shapes_of(rewriter), op.operands[0]
    source, target = shapes.extents(x), shapes.extents(op.result)
    if len(target) > len(source):
        axes = _unit_axes(source, target)
        made = None if axes is None else emit.expand_dims(rewriter, x, axes)
    else:
        axes = _unit_axes(target, source)
        made = None if axes is None else emit.squeeze(rewriter, x, axes)
    if made is not None and made is not x:
        replace(op, rewriter, made)


def _unit_axes(fewer: Sequence[Symbol], more: Sequence[Symbol]) -> tuple[int, ...] | None:
    """Positions in `more` of unit axes without which it is `fewer`, or None."""
    axes: list[int] = []
    rest = list(fewer)[::-1]
    for axis, extent in enumerate(more):
        if rest and rest[-1].key == extent.key:
            rest.pop()
        elif extent.number == 1:
            axes.append(axis)
        else:
            return None
    return tuple(axes) if not rest else None


@pattern(ExpandDims, Squeeze, law="no axes: nothing", example="expand_dims(x)")
def no_axes(op: Operation, rewriter: Rewriter) -> None:
    if not _axes(op):
        replace(op, rewriter, op.operands[0])


@pattern(Squeeze, law="squeeze undoes expand_dims", example="squeeze(expand_dims(x, 1), 1)")
def squeeze_of_expanded(op: Operation, rewriter: Rewriter) -> None:
    inner = op.operands[0].defining(ExpandDims)
    if inner is not None and _axes(inner) == _axes(op):
        replace(op, rewriter, inner.operands[0])


@pattern(
    ExpandDims,
    law="expand_dims undoes squeeze",
    example="expand_dims(squeeze(broadcast_to(v, 1, 3), 0), 0)",
)
def expand_of_squeezed(op: Operation, rewriter: Rewriter) -> None:
    inner = op.operands[0].defining(Squeeze)
    if inner is None or _axes(inner) != _axes(op):
        return
    source = cast(TensorType, inner.operands[0].type)
    if all(source.shape[axis] == 1 for axis in _axes(inner)):
        replace(op, rewriter, inner.operands[0])


@pattern(
    ExpandDims,
    law="expand_dims of expand_dims inserts all axes at once",
    example="expand_dims(expand_dims(x, 1), 0)",
)
def expand_of_expanded(op: Operation, rewriter: Rewriter) -> None:
    inner = op.operands[0].defining(ExpandDims)
    if inner is None:
        return
    outer = _axes(op)
    kept = [axis for axis in range(cast(TensorType, op.result.type).rank) if axis not in outer]
    axes = tuple(sorted([*outer, *(kept[axis] for axis in _axes(inner))]))
    rewriter.replace_op(op, ExpandDims, [inner.operands[0]], AxesAttrs(axes))


@pattern(Reduction, law="a reduction along no axis is nothing", example="amax(x)")
def reduce_nothing(op: Operation, rewriter: Rewriter) -> None:
    # A float sum of one element is 0 + x, which is not x for -0.0.
    if not _axes(op) and not (op.isa(Sum) and is_float(op.result)):
        replace(op, rewriter, op.operands[0])


@pattern(Sum, law="a sum of nothing is 0", example="sum(e, 0)")
def sum_of_nothing(op: Operation, rewriter: Rewriter) -> None:
    x = cast(TensorType, op.operands[0].type)
    kept = [e for axis, e in enumerate(x.shape) if axis not in _axes(op)]
    if 0 in [x.shape[axis] for axis in _axes(op)] and None not in kept:
        replace(op, rewriter, emit.full(rewriter, x.element, cast(list["int | Value"], kept), 0))


def _axes(op: Operation) -> tuple[int, ...]:
    return cast(AxesAttrs, op.attrs).axes


def _perm(op: Operation) -> tuple[int, ...]:
    return cast(PermAttrs, op.attrs).perm


PATTERNS = (
    view_to_same_shape,
    broadcast_of_broadcast,
    broadcast_of_expanded,
    pointwise_of_broadcasts,
    transpose_identity,
    transpose_of_transpose,
    reshape_of_reshape,
    reshape_of_unit_axes,
    no_axes,
    squeeze_of_expanded,
    expand_of_squeezed,
    expand_of_expanded,
    reduce_nothing,
    sum_of_nothing,
)
