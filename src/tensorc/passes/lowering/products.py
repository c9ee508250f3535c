"""A kernel that begins with a matrix product: a parallel loop over blocks of it (`ops/product_library.py`).
The stages follow for each block at once, as a kernel of its own, while the block is in the cache.

The product is kept where a result of the kernel goes, if that is written when nobody needs the product any
more, else in scratch of the block's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from tensorc.ir.core import Value
from tensorc.ir.types import ScalarType
from tensorc.ops.loops.base import memory_type
from tensorc.ops.loops.claims import behind_claim
from tensorc.ops.product_kernels import Matrix, lanes_of
from tensorc.ops.product_library import UNPACKED, Truth, choose, in_blocks, is_large, without_memory
from tensorc.passes.lowering.kernel import emit_kernel
from tensorc.passes.lowering.nest import Access, Index, Lowerer
from tensorc.passes.lowering.space import Body, Earlier, Space, Stage, with_accesses

PRODUCT: Final = Earlier(-1, 0)
"""An input that is the product."""


@dataclass(frozen=True)
class _Product:
    """x @ y, whose axes are the iteration axes `place`."""

    x: Value
    y: Value
    kind: ScalarType
    place: Sequence[int]


def emit_product(
    b: Lowerer, x: Value, y: Value, kind: ScalarType, place: Sequence[int], space: Space
) -> None:
    """The kernel of `space` with x @ y as `PRODUCT`, whose axes are the iteration axes `place`. Behind a
    claim, where results may lie over what is read, blocks that ask for no memory have the stack; the others
    run only if the results have memory of their own (`passes/claims.py`).
    """
    p, host = _Product(x, y, kind, place), _host(space, kind, place[-1])
    large = is_large(b, Matrix.of(b, x), Matrix.of(b, y), kind)
    if behind_claim(b.block):
        assert host is not None
        free = without_memory(b, x, y, kind)
        choose(b, free, partial(_on_stack, b, p, space), partial(_emit, b, p, space, large, host))
    else:
        _emit(b, p, space, large, host)


def _emit(b: Lowerer, p: _Product, space: Space, large: Truth, host: Access | None) -> None:
    whole = len(space.inner) > 0
    with in_blocks(b, p.x, p.y, p.kind, large=large, whole_rows=whole) as (at, rows, columns, compute):
        *batch, row, column = p.place
        fixed = dict(zip(batch, at, strict=True))
        part = _Part(b, fixed, {row: rows, column: columns})
        if host is not None:
            kept = part.access(host)
        else:
            kept = Access(b.alloc(memory_type(p.kind), [rows[1], columns[1]]), (0, 1), p.kind)
        compute(_matrix(b, kept))
        emit_kernel(b, part.space(space, kept))
        if host is None:
            b.dealloc(kept.buffer)


def _on_stack(b: Lowerer, p: _Product, space: Space) -> None:
    """A product of two axes, with nothing packed."""
    with in_blocks(b, p.x, p.y, p.kind, large=False) as (_, rows, columns, compute):
        room = b.scratch(memory_type(p.kind), [UNPACKED * lanes_of(p.kind)])
        block = b.reinterpret_cast(room, 0, [rows[1], columns[1]], [columns[1], 1])
        kept = Access(block, (0, 1), p.kind)
        compute(_matrix(b, kept))
        part = _Part(b, {}, dict(zip(p.place, (rows, columns), strict=True)))
        emit_kernel(b, part.space(space, kept))


def _matrix(b: Lowerer, access: Access) -> Matrix:
    """A buffer of two axes, in whatever order, as rows and columns."""
    found = Matrix.of(b, access.buffer)
    return found if access.axes == (0, 1) else found.turned


def _host(space: Space, kind: ScalarType, column: int) -> Access | None:
    """A result in whose place the product is kept. Nothing else is, before the product was read last."""
    everywhere = list(range(len(space.extents)))
    last = max(number for number, stage in enumerate(space.stages) if PRODUCT in stage.inputs)
    before = [r for stage in space.stages[:last] for r in stage.results]
    if any(r.combiner is None and (r.kept or r.out is not None) for r in before):
        return None
    for stage in space.stages[last:]:
        for result in stage.results:
            out = result.out
            if result.combiner is not None or out is None or sorted(out.axes) != everywhere:
                continue
            if result.element == kind and out.axes[-1] == column:
                return out
    return None


@dataclass(frozen=True)
class _Part:
    """Of an iteration space, the part at fixed places of some axes and in ranges of two, which become the
    only axes.
    """

    b: Lowerer
    fixed: dict[int, Index]
    ranges: dict[int, tuple[Index, Index]]

    def access(self, access: Access) -> Access:
        """The elements of a buffer that belong to the part."""
        b = self.b
        _, offset, _, strides = b.metadata(access.buffer)
        number = {axis: k for k, axis in enumerate(self.ranges)}
        kept: list[tuple[Index, Index, int]] = []
        for axis, stride in zip(access.axes, strides, strict=True):
            if axis in self.fixed:
                offset = b.add(offset, b.mul(self.fixed[axis], stride))
            elif axis in self.ranges:
                start, size = self.ranges[axis]
                offset = b.add(offset, b.mul(start, stride))
                kept.append((size, stride, number[axis]))
        view = b.reinterpret_cast(access.buffer, offset, [k[0] for k in kept], [k[1] for k in kept])
        return replace(access, buffer=view, axes=tuple(k[2] for k in kept))

    def space(self, space: Space, product: Access) -> Space:
        """The kernel of the part."""
        extents = [size for _, size in self.ranges.values()]
        stages = [self._stage(stage, product, len(space.extents)) for stage in space.stages]
        return Space(extents, 1 if space.inner else 2, stages)

    def _stage(self, stage: Stage, product: Access, rank: int) -> Stage:
        moved = with_accesses(stage, self.access)
        inputs = tuple(product if x == PRODUCT else x for x in moved.inputs)
        body = self._body(stage.body, rank) if stage.indexed else stage.body
        return replace(moved, inputs=inputs, body=body)

    def _body(self, body: Body, rank: int) -> Body:
        """With the indices of the whole space."""
        number = {axis: k for k, axis in enumerate(self.ranges)}

        def placed(b: Lowerer, indices: Sequence[Index], xs: Sequence[Value]) -> list[Value]:
            def index(axis: int) -> Index:
                fixed = self.fixed.get(axis)
                return b.add(self.ranges[axis][0], indices[number[axis]]) if fixed is None else fixed

            return body(b, [index(axis) for axis in range(rank)], xs)

        return placed
