"""Bugs to plant, each in one lowering: what the fuzzer must find; `benchmarks/planted_bug.py` shows how soon.

Every function changes the compiler of the process it is called in.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any


def segmentation_fault() -> None:
    """Compiled functions read address 0."""
    import tests.fuzz.judge as judge

    def compile_function(*_: Any) -> Callable[..., Any]:
        return lambda *arrays: ctypes.string_at(0)

    judge.compile_function = compile_function


def slice_start() -> None:
    """A slice with a step other than 1 starts one place late."""
    from tensorc.ops import buffer_views

    right = buffer_views.section

    def wrong(b: Any, x: Any, starts: Any, shape: Any, steps: Any) -> Any:
        moved = [b.add(s, 1) if step != 1 else s for s, step in zip(starts, steps, strict=True)]
        return right(b, x, moved, shape, steps)

    buffer_views.section = wrong


def concatenate_position() -> None:
    """The third part of a concatenation begins one place early."""
    from tensorc.ops import buffer_views, indexing_lowering

    def wrong(b: Any, parts: Any, out: Any, axis: int) -> None:
        position: Any = 0
        for number, part in enumerate(parts):
            starts: list[Any] = [0] * len(b.dims(out))
            starts[axis] = b.add(position, -1) if number == 2 else position
            extents = b.dims(part)
            b.copy(part, buffer_views.section(b, out, starts, extents, [1] * len(starts)))
            position = b.add(position, extents[axis])

    indexing_lowering.concatenate = wrong


def argmax_first() -> None:
    """argmax and argmin leave out position 1."""
    from tensorc.ops import indexing_lowering
    from tensorc.ops.loops.builder import LoopBuilder

    right = indexing_lowering.extreme

    def wrong(b: Any, *rest: Any) -> None:
        for_ = LoopBuilder.for_
        LoopBuilder.for_ = lambda self, low, *a, **k: for_(self, 2 if low == 1 else low, *a, **k)  # type: ignore[method-assign, assignment, misc]
        try:
            right(b, *rest)
        finally:
            LoopBuilder.for_ = for_  # type: ignore[method-assign]

    indexing_lowering.extreme = wrong


def negative_index() -> None:
    """A negative index counts from one before the end."""
    from tensorc.ops import indexing_lowering

    right = indexing_lowering.position

    def wrong(b: Any, stored: Any, kind: Any, extent: Any) -> Any:
        place = right(b, stored, kind, extent)
        if kind.unsigned:
            return place
        negative = b.cmpi("slt", b.index_cast(stored, place.type), b.index(0))
        return b.select(b.andi(negative, b.cmpi("sgt", place, b.index(0))), b.subi(place, b.index(1)), place)

    indexing_lowering.position = wrong


def reduced_extent() -> None:
    """Reductions outside kernels leave out the last element of their last axis."""
    from tensorc.ops import buffer_views
    from tensorc.passes.lowering import families

    right = families.reduce

    def wrong(b: Any, source: Any, out: Any, axes: Any, *rest: Any) -> None:
        shape = list(b.dims(source))
        if axes:
            extent, one = b.index(shape[axes[-1]]), b.index(1)
            shape[axes[-1]] = b.select(b.cmpi("sgt", extent, one), b.subi(extent, one), extent)
            source = buffer_views.section(b, source, [0] * len(shape), shape, [1] * len(shape))
        right(b, source, out, axes, *rest)

    families.reduce = wrong


PLANTS: tuple[Callable[[], None], ...] = (
    slice_start,
    concatenate_position,
    argmax_first,
    negative_index,
    reduced_extent,
)
