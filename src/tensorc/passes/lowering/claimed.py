"""Loops behind a claim (`ops/loops/claims.py`) ask for no memory: what they need is allocated before it, and
freed behind the branch, whichever way that went.
"""

from __future__ import annotations

from tensorc.ir.builtin import arg_attributes, body
from tensorc.ir.clone import clone_op
from tensorc.ir.core import Block, BlockArgument, Operation, Value
from tensorc.ir.definition import Trait
from tensorc.ir.errors import InternalError
from tensorc.ops.loops import memref, scf
from tensorc.ops.loops.claims import OVER, behind_claim, is_claim


def allocate_before_claims(function: Operation) -> None:
    """Move allocations of a block behind a claim, and what their extents are computed from. Raises
    InternalError for extents that are not known before.
    """
    todo = [body(function)]
    while todo:
        for op in list(todo.pop()):
            if not op.isa(scf.If):
                continue
            block = op.regions[0].block
            if behind_claim(block):
                _move(function, op, block)
            todo += [inner for region in op.regions for inner in region.blocks]


def _move(function: Operation, branch: Operation, block: Block) -> None:
    claim = branch
    while not is_claim(claim):
        assert claim.prev is not None
        claim = claim.prev
    copies: dict[Value, Value] = {}
    for op in _allocations(block):
        for number, extent in enumerate(op.operands):
            op.set_operand(number, _before(function, claim, block, extent, copies))
        freed = [user for user in op.result.users if user.isa(memref.Dealloc)]
        op.detach()
        _insert(claim, op)
        for dealloc in freed:
            dealloc.detach()
            assert branch.block is not None and branch.next is not None
            branch.block.insert_before(dealloc, branch.next)


def _allocations(block: Block) -> list[Operation]:
    """Those of a block and of branches in it. Loops have none that are not the loop's own affair."""
    found, todo = [], [block]
    while todo:
        for op in todo.pop():
            if op.isa(memref.Alloc):
                found.append(op)
            elif op.isa(scf.If):
                todo += [inner for region in op.regions for inner in region.blocks]
    return found


def _insert(claim: Operation, op: Operation) -> None:
    assert claim.block is not None
    claim.block.insert_before(op, claim)


def _before(
    function: Operation, claim: Operation, block: Block, value: Value, copies: dict[Value, Value]
) -> Value:
    """The value, computed before the claim."""
    todo = [value]
    while todo:
        op = todo[-1].owner
        if op is None or todo[-1] in copies or not _inside(op, block):
            todo.pop()
            continue
        if not _is_number(function, op):
            raise InternalError(f"{op.name} behind a claim decides how much memory is needed")
        inside = [v for v in op.operands if v.owner is not None and _inside(v.owner, block)]
        missing = [v for v in inside if v not in copies]
        if missing:
            todo += missing
            continue
        made = clone_op(op, copies)
        _insert(claim, made)
        copies.update(zip(op.results, made.results, strict=True))
    return copies.get(value, value)


def _inside(op: Operation, block: Block) -> bool:
    """Whether an op stands in a block, or in something that does."""
    at: Block | None = op.block
    while at is not None and at is not block:
        parent = at.region.parent if at.region is not None else None
        at = None if parent is None else parent.block
    return at is block


def _is_number(function: Operation, op: Operation) -> bool:
    """Whether an op computes with extents alone: an output behind a claim has no address before it."""
    if op.regions or not op.has_trait(Trait.PURE):
        return False
    given = (v for v in op.operands if isinstance(v, BlockArgument))
    return op.isa(memref.Dim) or not any(OVER in arg_attributes(function, v.index) for v in given)
