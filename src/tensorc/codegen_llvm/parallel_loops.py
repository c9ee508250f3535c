"""Which loops of a function may run in several threads, and what each thread then needs for itself.

A loop with `tensorc.parallel` promises independent iterations. What the promise does not cover is scratch
memory that the iterations share in the text: a store whose place does not depend on the loop's index would
be a race. Such a buffer is made again for each thread, if it is an allocation of this function that serves
nothing but parallel loops; otherwise the loop runs in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tensorc.ir.core import Block, Operation, Value
from tensorc.ir.types import IndexType, MemRefType
from tensorc.ops.loops import memref, scf, vector
from tensorc.ops.loops.base import ScalarOp
from tensorc.ops.loops.fold import constant_value
from tensorc.ops.loops.nests import PARALLEL, PRODUCT, WRITES_LAST

_VIEWS = (memref.ReinterpretCast, memref.Cast, memref.ExtractStridedMetadata)
_ALLOCATIONS = (memref.Alloc, memref.Alloca)
_READERS = (memref.Load, memref.Dim, memref.Prefetch, vector.Load, vector.MaskedLoad, vector.Gather)
_WRITERS = (memref.Store, memref.Copy, vector.Store, vector.MaskedStore, vector.Scatter)
_KNOWN = frozenset((*_VIEWS, *_READERS, *_WRITERS, memref.Dealloc))
"""Ops that take buffers and do no more with them than `stores` tells."""


@dataclass(frozen=True)
class ParallelLoop:
    """A loop and the allocations that every thread makes for itself."""

    op: Operation
    private: tuple[Operation, ...]


def parallel_loops(block: Block) -> dict[Operation, ParallelLoop]:
    """The loops of a function's body that may run in several threads: none is inside another loop."""
    candidates = [op for op in _top_level(block) if _is_parallel(op)]
    shared = [shared_scratch(op) for op in candidates]
    loops = set(candidates)
    found = {}
    for op, allocations in zip(candidates, shared, strict=True):
        if allocations is not None and all(_is_scratch(a, op, loops) for a in allocations):
            found[op] = ParallelLoop(op, tuple(allocations))
    return found


def _top_level(block: Block) -> Iterator[Operation]:
    """Ops that are in no loop."""
    todo = [iter(block)]
    while todo:
        op = next(todo[-1], None)
        if op is None:
            todo.pop()
        else:
            yield op
            if op.isa(scf.If):
                todo += [iter(b) for region in op.regions for b in region.blocks]


def _is_parallel(op: Operation) -> bool:
    if not op.isa(scf.For) or PARALLEL not in op.attributes or op.results:
        return False
    return isinstance(op.operands[0].type, IndexType) and constant_value(op.operands[2]) == 1


def shared_scratch(loop: Operation) -> list[Operation] | None:
    """Allocations outside the loop to which it stores at places that do not depend on its index; None if it
    stores so to anything else, or calls what might.
    """
    varying: set[Value] = set(loop.regions[0].block.args)
    inside: set[Operation] = set()
    scratch: dict[Operation, None] = {}
    for op in loop.walk():
        if op is loop:
            continue
        inside.add(op)
        if not varying.isdisjoint(op.operands):
            varying.update(op.results)
            for region in op.regions:
                for block in region.blocks:
                    varying.update(block.args)
        if op.definition is not None and issubclass(op.definition, ScalarOp):
            continue
        for target, at in stores(op):
            root = _root(target)
            if root in inside or target in varying or any(v in varying for v in at):
                continue
            if root is None or root.definition not in _ALLOCATIONS:
                return None
            scratch[root] = None
        known = op.definition in _KNOWN or op.regions or _writes_last(op)
        if not known and any(isinstance(v.type, MemRefType) for v in op.operands):
            return None
    return list(scratch)


def stores(op: Operation) -> list[tuple[Value, Sequence[Value]]]:
    """What an op stores to, and the values that say where."""
    if op.definition in (memref.Store, vector.Store):
        return [(op.operands[1], op.operands[2:])]
    if op.definition in (vector.MaskedStore, vector.Scatter):
        return [(op.operands[0], op.operands[1:-2])]
    if op.isa(memref.Copy):
        return [(op.operands[1], ())]
    if _writes_last(op):
        return [(op.operands[-1], ())]
    return []


def _writes_last(op: Operation) -> bool:
    return PRODUCT in op.attributes or WRITES_LAST in op.attributes


def _root(buffer: Value) -> Operation | None:
    """The allocation a buffer lies in; None for an argument."""
    owner = buffer.owner
    while owner is not None and owner.definition in _VIEWS:
        owner = owner.operands[0].owner
    return owner


def _is_scratch(allocation: Operation, loop: Operation, loops: set[Operation]) -> bool:
    """Whether nobody outside needs what `loop` leaves in the buffer. One on the stack may serve several
    parallel loops, one after the other.
    """
    return _serves_only(allocation, {loop} if allocation.isa(memref.Alloc) else loops)


def _serves_only(allocation: Operation, loops: set[Operation]) -> bool:
    """Whether nothing but `loops` reads or writes the buffer, and they know it under no other name: no view
    of it is made outside. Then what it holds between two of them is of no use to anybody.
    """
    for user in allocation.result.users:
        if user.isa(memref.Dealloc):
            continue
        outer: Operation | None = user
        while outer is not None and outer not in loops:
            outer = outer.parent
        if outer is None:
            return False
    return True
