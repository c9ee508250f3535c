"""Arithmetic on extents that indexing needs: positions that count from the end, the bounds of a slice."""

from __future__ import annotations

from typing import Any

from tensorc.api.expr import BUILDER, apply
from tensorc.ops import index as ix
from tensorc.ops.loops import arith

Extent = Any
"""An int, or an expression of type `index`."""


def ceildiv(x: Extent, y: int) -> Extent:
    """x / y rounded up, for a positive known y."""
    if isinstance(x, int):
        return -(-x // y)
    return x if y == 1 else apply(arith.CeilDivSI, x, ix.value(BUILDER, y))


def floordiv(x: Extent, y: Extent) -> Extent:
    """x / y rounded down; an unknown y that is 0 at run time gives 0."""
    if isinstance(y, int) and y:
        return ix.floordiv(BUILDER, x, y)
    positive = ix.maximum(BUILDER, y, 1)
    quotient = apply(arith.FloorDivSI, ix.value(BUILDER, x), ix.value(BUILDER, positive))
    return ix.select(BUILDER, ix.compare(BUILDER, "eq", y, 0), 0, quotient)


def wrap(position: Extent, extent: Extent) -> Extent:
    """A position counted from the end when negative, as the same position counted from the start."""
    if isinstance(position, int):
        return position if position >= 0 else ix.add(BUILDER, extent, position)
    negative = ix.compare(BUILDER, "slt", position, 0)
    return ix.select(BUILDER, negative, ix.add(BUILDER, position, extent), position)


def slice_bounds(
    start: Extent | None, stop: Extent | None, step: int, extent: Extent
) -> tuple[Extent, Extent]:
    """First position and number of elements of `start:stop:step` along an axis (Python's slice.indices)."""
    low, high = (0, extent) if step > 0 else (-1, ix.sub(BUILDER, extent, 1))
    first = (low if step > 0 else high) if start is None else _clamp(wrap(start, extent), low, high)
    last = (high if step > 0 else low) if stop is None else _clamp(wrap(stop, extent), low, high)
    span = ix.sub(BUILDER, last, first) if step > 0 else ix.sub(BUILDER, first, last)
    count = ix.maximum(BUILDER, ceildiv(span, abs(step)), 0)
    if isinstance(first, int) and first >= 0 and step > 0:
        return ix.minimum(BUILDER, first, extent), count
    empty = ix.compare(BUILDER, "eq", count, 0)
    return ix.select(BUILDER, empty, 0, first), count


def _clamp(position: Extent, low: Extent, high: Extent) -> Extent:
    return ix.minimum(BUILDER, ix.maximum(BUILDER, position, low), high)
