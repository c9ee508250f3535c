"""The one emitter of kernels: outer parallel axes, then stages over the outer axes or over outer and inner
axes.

- elementwise form: no inner axes, lanes along the last axis (`rows.py`);
- row form: the contiguous axis is an inner one. One outer iteration at a time, lanes along the row; results
  without inner axes are registers (`rows.py`);
- column form: the contiguous axis is an outer one, or the rows are very short. Lanes along that axis, so that
  reductions walk memory in order; results without inner axes are small buffers (`columns.py`, `tall.py` for
  few columns of many rows).
"""

from __future__ import annotations

from dataclasses import replace

from tensorc.passes.lowering.columns import Columns
from tensorc.passes.lowering.nest import Access, Lowerer, merge, mergeable
from tensorc.passes.lowering.rows import Rows
from tensorc.passes.lowering.space import Body, Space, Stage, across, is_short, with_accesses
from tensorc.passes.lowering.tall import Tall, is_tall


def emit_kernel(b: Lowerer, space: Space) -> None:
    """Emit the loops of a kernel."""
    space = _merged(b, space)
    lane = _lane_axis(space)
    if lane is None:
        Rows(b, space).emit()
    else:
        space = _lane_last(space, lane)
        (Tall if is_tall(space) else Columns)(b, space).emit()


def _merged(b: Lowerer, space: Space) -> Space:
    """Merge neighbouring axes wherever all buffers allow it."""
    if any(s.indexed for s in space.stages):
        return space
    axis = 0
    while axis + 1 < len(space.extents):
        accesses = [a for s in space.stages for a in s.accesses()]
        if axis + 1 == space.outer or not all(mergeable(a, axis) for a in accesses):
            axis += 1
            continue
        space = _merge_axis(b, space, axis)
    return space


def _merge_axis(b: Lowerer, space: Space, axis: int) -> Space:
    done: dict[Access, Access] = {}

    def merged(access: Access) -> Access:
        if access not in done:
            done[access] = merge(b, access, axis)
        return done[access]

    extents = [*space.extents[:axis], b.mul(*space.extents[axis : axis + 2]), *space.extents[axis + 2 :]]
    return Space(
        extents, space.outer - (axis < space.outer), [with_accesses(s, merged) for s in space.stages]
    )


def _lane_axis(space: Space) -> int | None:
    """The outer axis to put lanes on: the one along which most buffers of the inner stages are contiguous, if
    it is not an inner axis.
    """
    if space.outer == 0 or space.outer == len(space.extents) or across(space):
        return None
    votes = [0] * len(space.extents)
    for stage in space.stages:
        for access in stage.accesses() if stage.full else ():
            moving = [a for a in access.axes if a >= 0]
            if len(moving) == len(space.extents) and access.type.strides[-1] in (1, None):
                votes[moving[-1]] += 1
    axes = range(space.outer if _short(space) else len(votes))
    best = max(axes, key=lambda axis: (votes[axis], axis))
    return best if best < space.outer else None


def _short(space: Space) -> bool:
    """Whether rows are known to be very short, and there are others."""
    return any(n != 1 for n in space.extents[: space.outer]) and is_short(space.inner)


def _lane_last(space: Space, lane: int) -> Space:
    """The same kernel with `lane` as the last outer axis."""
    order = [a for a in range(space.outer) if a != lane] + [lane, *range(space.outer, len(space.extents))]
    if order == list(range(len(space.extents))):
        return space
    place = {old: new for new, old in enumerate(order)} | {-1: -1}

    def moved(access: Access) -> Access:
        return replace(access, axes=tuple(place[a] for a in access.axes))

    def body_of(stage: Stage) -> Body:
        return lambda b, indices, xs: stage.body(b, [indices[place[a]] for a in range(len(order))], xs)

    stages = [replace(with_accesses(s, moved), body=body_of(s)) for s in space.stages]
    return Space([space.extents[a] for a in order], space.outer, stages)
