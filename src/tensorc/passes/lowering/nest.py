"""Buffers in loop nests: which iteration axis moves which buffer axis, and merging of axes that lie
contiguously in every buffer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from tensorc.ir.attributes import UNIT, IntegerAttr
from tensorc.ir.builtin import arg_attributes, body
from tensorc.ir.core import Block, BlockArgument, Operation, Value
from tensorc.ir.types import MemRefType, ScalarType, i1
from tensorc.ops.loops.builder import LoopBuilder
from tensorc.ops.loops.claims import OVER
from tensorc.ops.loops.memref import Cast, ExtractStridedMetadata, ReinterpretCast
from tensorc.ops.loops.nests import PARALLEL, STREAM, Index, nest

__all__ = ["Access", "Index", "Lowerer", "load", "merge", "mergeable", "nest", "store"]



class Lowerer(LoopBuilder):
    """A loop builder that hands out stack buffers. Those asked for inside a parallel loop belong to its
    iteration; the others come from a pool shared by all kernels of a function, which run one after the other.
    """

    def __init__(self, function: Operation) -> None:
        super().__init__(body(function))
        self._entry = self.block
        self._pool: dict[tuple[ScalarType, tuple[int, ...]], list[Value]] = {}
        self._taken: dict[tuple[ScalarType, tuple[int, ...]], int] = {}

    def move(self, op: Operation) -> None:
        """Build before `op` from here on; pooled buffers handed out so far are free again."""
        assert op.block is not None
        self.block, self.anchor, self.location = op.block, op, op.location
        self._taken.clear()

    def scratch(self, element: ScalarType, shape: Sequence[int]) -> Value:
        """A stack buffer, undefined, until the parallel loop's iteration ends, or else the next `move`."""
        home = self._private()
        if home is not None:
            with self.at(home, home.first):
                return self.alloca(element, shape)
        key = (element, tuple(shape))
        number = self._taken.get(key, 0)
        self._taken[key] = number + 1
        made = self._pool.setdefault(key, [])
        if number == len(made):
            with self.at(self._entry, self._entry.first):
                made.append(self.alloca(element, shape))
        return made[number]

    def _private(self) -> Block | None:
        """The body of the outermost parallel loop around the place where ops are built."""
        found = None
        block: Block | None = self.block
        while block is not None and block.region is not None and block.region.parent is not None:
            op = block.region.parent
            if PARALLEL in op.attributes:
                found = block
            block = op.block
        return found


@dataclass(frozen=True)
class Access:
    """A buffer read or written in a nest: `axes[k]` is the iteration axis that moves axis k, -1 for none
    (extent 1). `element` is the tensor-level element type, which the buffer's signless type no longer tells.
    """

    buffer: Value
    axes: tuple[int, ...]
    element: ScalarType

    @property
    def type(self) -> MemRefType:
        kind = self.buffer.type
        assert isinstance(kind, MemRefType)
        return kind

    @property
    def memory(self) -> Value:
        """The buffer it is a view of; for an output that may lie over an argument, that argument."""
        value = self.buffer
        while (op := value.owner) is not None and op.definition in _VIEWS:
            value = op.operands[0]
        region = value.block.region if isinstance(value, BlockArgument) else None
        if region is None or region.parent is None or not isinstance(value, BlockArgument):
            return value
        over = arg_attributes(region.parent, value.index).get(OVER)
        return value.block.args[over.value] if isinstance(over, IntegerAttr) else value


_VIEWS: Final = (ReinterpretCast, Cast, ExtractStridedMetadata)


def load(b: LoopBuilder, access: Access, indices: Sequence[Index], stream: bool = False) -> Value:
    """The element at these iteration indices, as a register value."""
    value = b.load(access.buffer, [indices[a] if a >= 0 else 0 for a in access.axes])
    if stream and value.owner is not None:
        value.owner.set_attribute(STREAM, UNIT)
    return b.to_bool(value) if access.element == i1 else value


def store(b: LoopBuilder, value: Value, access: Access, indices: Sequence[Index]) -> None:
    if access.element == i1:
        value = b.from_bool(value)
    b.store(value, access.buffer, [indices[a] if a >= 0 else 0 for a in access.axes])


def mergeable(access: Access, axis: int) -> bool:
    """Whether iteration axes `axis` and `axis + 1` move this buffer as one axis of the product of their
    extents.
    """
    used = [a for a in access.axes if a in (axis, axis + 1)]
    if not used:
        return True
    if used != [axis, axis + 1]:
        return False
    first = access.axes.index(axis)
    if access.axes[first + 1] != axis + 1:
        return False
    kind = access.type
    if kind.layout is None:
        return True
    outer, inner, extent = kind.strides[first], kind.strides[first + 1], kind.shape[first + 1]
    if outer == 0 and inner == 0:
        return True
    return None not in (outer, inner, extent) and outer == inner * extent  # type: ignore[operator]


def merge(b: LoopBuilder, access: Access, axis: int) -> Access:
    """The access after `axis` and `axis + 1` became one."""
    moved = tuple(a - 1 if a > axis else a for a in access.axes)
    if axis not in access.axes:
        return replace(access, axes=moved)
    first = access.axes.index(axis)
    _, offset, sizes, strides = b.metadata(access.buffer)
    merged = [*sizes[:first], b.mul(sizes[first], sizes[first + 1]), *sizes[first + 2 :]]
    kept = [*strides[:first], *strides[first + 1 :]]
    view = b.reinterpret_cast(access.buffer, offset, merged, kept)
    if access.type.layout is None:
        view = b.cast(
            view, MemRefType(tuple(n if isinstance(n, int) else None for n in merged), access.type.element)
        )
    return replace(access, buffer=view, axes=moved[:first] + moved[first + 1 :])
