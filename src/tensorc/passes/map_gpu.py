"""`map-gpu`: every outermost parallel loop nest of an L2 function becomes a `gpu.launch`, one thread an
iteration.

    scf.for %i = 0 to %n {tensorc.parallel} {body}
    →  gpu.launch blocks (max(1, ceil(n / block)), 1, 1) threads (block, 1, 1) {
         %linear = block id * block size + thread id;  scf.if %linear < n {body with %i = %linear}
       }

A perfect nest of parallel loops and lanes is one grid over the product of their extents; a tile of lanes is
as many threads. Sequential loops stay inside the thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tensorc.ir.builtin import functions
from tensorc.ir.core import Block, Operation, Region, Value
from tensorc.ir.definition import Trait
from tensorc.ir.errors import TensorcValueError
from tensorc.ir.types import MemRefType
from tensorc.ops.loops import LoopBuilder, arith, gpu, memref, scf
from tensorc.ops.loops.memref import segments
from tensorc.ops.loops.nests import LANES, PARALLEL, PRODUCT


@dataclass(frozen=True)
class MapGpu:
    """`block`: threads in a block."""

    name: ClassVar[str] = "map-gpu"
    block: int = 256

    def run(self, module: Operation) -> None:
        if not 1 <= self.block <= 1024:
            raise TensorcValueError(
                f"map-gpu: a block of {self.block} threads", help="give 1 to 1024", code="TC0602"
            )
        for function in functions(module):
            for loop in list(_outermost(function)):
                _untile(loop)
                _hoist(loop)
                map_nest(loop, self.block)


def _outermost(function: Operation) -> Iterator[Operation]:
    """Parallel loops not inside another one."""
    stack = [op for region in function.regions for block in region.blocks for op in reversed(list(block))]
    while stack:
        op = stack.pop()
        if _is_parallel(op):
            yield op
        elif not op.isa(gpu.Launch):
            stack.extend(
                o for r in reversed(op.regions) for b in reversed(r.blocks) for o in reversed(list(b))
            )


def _is_parallel(op: Operation) -> bool:
    marked = PARALLEL in op.attributes or LANES in op.attributes
    # Products are calls of the host's library.
    return (
        op.isa(scf.For)
        and marked
        and not op.results
        and not any(PRODUCT in inner.attributes for inner in op.walk())
    )


def _untile(loop: Operation) -> None:
    """A loop over tiles that holds nothing but the lanes of one, which add its beginning to theirs, becomes
    a loop over all of them.
    """
    assert loop.block is not None
    block = loop.regions[0].block
    tile = block.args[0]
    *before, inner = [op for op in block if not op.isa(scf.Yield)] or [loop]
    if LANES not in inner.attributes or not all(op.has_trait(Trait.PURE) for op in before):
        return
    starts = [op.result for op in tile.users if op.isa(arith.MulI)]
    rests = [op for op in before if op.isa(arith.SubI) and op.operands[1] in starts]
    if len(tile.users) != 1 or len(starts) != 1 or len(rests) != 1:
        return
    lane, (start,), extent = inner.regions[0].block.args[0], starts, rests[0].operands[0]
    sums = [op for op in lane.users if op.isa(arith.AddI) and set(op.operands) == {start, lane}]
    if len(sums) != len(lane.users) or any(u not in (*rests, *sums) for u in start.users):
        return
    for op in sums:
        op.result.replace_all_uses_with(tile)
        op.erase()
    if extent.owner in before:
        extent.owner.detach()
        loop.block.insert_before(extent.owner, loop)
    loop.set_operand(1, extent)
    for op in list(inner.regions[0].block):
        if not op.isa(scf.Yield):
            op.detach()
            block.insert_before(op, inner)
    inner.erase()


def map_nest(loop: Operation, threads: int) -> None:
    """Replace one nest by a launch. Raises TensorcValueError where threads would share a scratch buffer."""
    nest = _perfect_nest(loop)
    stack, heap = _scratch(loop)
    b = LoopBuilder.before(loop)
    extents = [_trip_count(b, op) for op in nest]
    total = b.index(b.product(extents))
    shares = [_enlarge(b, buffer, total) for buffer in heap]
    grid = b.maxsi(b.ceildivsi(total, b.index(threads)), b.index(1))
    one = b.index(1)
    kernel = Block([one.type] * 12)
    attrs = gpu.LaunchAttrs(segments(*gpu.SEGMENTS))
    b.create_op(gpu.Launch, [grid, one, one, b.index(threads), one, one], attrs, regions=[Region([kernel])])
    with b.at(kernel):
        for buffer in stack:
            buffer.detach()
            kernel.append(buffer)
        block_id, thread_id, block_size = kernel.args[0], kernel.args[3], kernel.args[9]
        linear = b.addi(b.muli(block_id, block_size), thread_id)
        with b.if_(b.cmpi("slt", linear, total)):
            for buffer, share in zip(heap, shares, strict=True):
                _use_share(b, buffer, share, linear)
            _replace_ivs(b, nest, _delinearised(b, linear, extents))
            _move_body(nest[-1].regions[0].block, b.block)
        b.create_op(gpu.Terminator, [])
    loop.erase()


def _hoist(loop: Operation) -> None:
    """Scratch that every iteration allocates and frees moves around the loop, where `_scratch` finds it."""
    nested = list(loop.walk())
    inside = set(nested)
    for op in nested:
        if not op.isa(memref.Alloc):
            continue
        for value in op.operands:
            _move_out(loop, value, inside)
        op.detach()
        assert loop.block is not None
        loop.block.insert_before(op, loop)
        for user in op.result.users:
            if user.isa(memref.Dealloc) and user in inside:
                user.detach()
                loop.block.insert_before(user, loop.next)


def _move_out(loop: Operation, value: Value, inside: set[Operation]) -> None:
    """An extent that does not change with the loop is computed in front of it."""
    owner = value.owner
    if owner is None or owner not in inside:
        return
    if not owner.has_trait(Trait.PURE) or owner.operands:
        raise _shared(loop, "an allocation's size changes from iteration to iteration")
    owner.detach()
    assert loop.block is not None
    loop.block.insert_before(owner, loop)


def _perfect_nest(loop: Operation) -> list[Operation]:
    """The loop and the parallel loops it holds directly, as long as each stands alone but for pure ops that
    do not change with the loops around it; those move in front.
    """
    nest = [loop]
    while True:
        block = nest[-1].regions[0].block
        *before, inner = [op for op in block if not op.isa(scf.Yield)] or [loop]
        ivs = {op.regions[0].block.args[0] for op in nest}
        fixed = all(op.has_trait(Trait.PURE) for op in before)
        if not fixed or not _is_parallel(inner) or inner is loop:
            return nest
        if any(v in ivs for op in (*before, inner) for v in op.operands):
            return nest
        for op in before:
            op.detach()
            assert loop.block is not None
            loop.block.insert_before(op, loop)
        nest.append(inner)


def _scratch(loop: Operation) -> tuple[list[Operation], list[Operation]]:
    """Buffers from outside that only the loop uses: `memref.alloca`s, and `memref.alloc`s that are freed
    after it.

    The iterations are independent, so each may have its own. A stack buffer used outside too is refused.
    """
    nested = list(loop.walk())
    inside = set(nested)
    owners = dict.fromkeys(v.owner for op in nested for v in op.operands if v.owner not in inside)
    stack, heap = [], []
    for owner in owners:
        if owner is None or owner.definition not in (memref.Alloca, memref.Alloc):
            continue
        outside = [user for user in owner.result.users if user not in inside]
        if owner.isa(memref.Alloca):
            if outside:
                raise _shared(loop, "a stack buffer is used both inside and outside a parallel loop")
            stack.append(owner)
        elif all(user.isa(memref.Dealloc) for user in outside):
            heap.append(_checked_scratch(loop, owner))
    return stack, heap


def _checked_scratch(loop: Operation, owner: Operation) -> Operation:
    for user in owner.result.users:
        if user.isa(memref.Dealloc) and user.block is loop.block:
            continue
        if user.definition not in (memref.Load, memref.Store, memref.Dim):
            raise _shared(
                loop, f"scratch of a parallel loop is used by {user.name}, which cannot be redirected"
            )
    return owner


def _shared(loop: Operation, what: str) -> TensorcValueError:
    return TensorcValueError(f"map-gpu: {what}", code="TC0603", location=loop.location)


def _extents(buffer: Operation) -> list[int | Value]:
    """The extents an allocation was asked for."""
    kind = buffer.result.type
    assert isinstance(kind, MemRefType)
    dynamic = iter(buffer.operands)
    return [next(dynamic) if n is None else n for n in kind.shape]


def _enlarge(b: LoopBuilder, buffer: Operation, total: Value) -> tuple[Value, Value]:
    """A buffer with one share for every thread, freed where the old one was; and the size of a share."""
    kind = buffer.result.type
    assert isinstance(kind, MemRefType)
    share = b.index(b.product(_extents(buffer)))
    large = b.alloc(kind.element, [b.muli(total, share)])
    for user in buffer.result.users:
        if user.isa(memref.Dealloc):
            user.set_operand(0, large)
    return large, share


def _use_share(b: LoopBuilder, buffer: Operation, share: tuple[Value, Value], thread: Value) -> None:
    """Let the body use the thread's share instead of `buffer`, which goes."""
    large, size = share
    extents = _extents(buffer)
    strides: list[int | Value] = []
    step: int | Value = 1
    for extent in reversed(extents):
        strides.insert(0, step)
        step = b.mul(step, extent)
    view = b.reinterpret_cast(large, b.muli(thread, size), extents, strides)
    buffer.result.replace_all_uses_with(view)
    buffer.erase()


def _trip_count(b: LoopBuilder, loop: Operation) -> int | Value:
    lower, upper, step = loop.operands
    span = b.maxsi(b.subi(upper, lower), b.index(0))
    return b.ceildivsi(span, step)


def _delinearised(b: LoopBuilder, linear: Value, extents: list[int | Value]) -> list[Value]:
    """Row-major indices; inside the guard no extent is 0."""
    indices: list[Value] = []
    for extent in reversed(extents[1:]):
        indices.append(b.remui(linear, b.index(extent)))
        linear = b.divui(linear, b.index(extent))
    return [linear, *reversed(indices)]


def _replace_ivs(b: LoopBuilder, nest: list[Operation], indices: list[Value]) -> None:
    for loop, n in zip(nest, indices, strict=True):
        lower, _, step = loop.operands
        iv = b.addi(lower, b.muli(n, step))
        loop.regions[0].block.args[0].replace_all_uses_with(iv)


def _move_body(source: Block, target: Block) -> None:
    for op in list(source):
        if op.isa(scf.Yield):
            continue
        op.detach()
        target.append(op)
