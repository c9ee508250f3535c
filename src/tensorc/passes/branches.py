"""Branches that are decided: a condition which holds, or does not, because of the branch around it.

What a function assumes and what it checks are conditions on the same extents, as a rule: where the assumption
`n == m` holds, the check that `n == m or n == 1` cannot fail.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from tensorc.ir.builtin import functions
from tensorc.ir.core import Block, Operation, Value
from tensorc.ops.loops import arith, scf
from tensorc.ops.loops.fold import constant_value
from tensorc.passes.manager import Budget

Facts = dict[Hashable, bool]
DEPTH: Final = 5
"""Conditions of conditions that are looked at."""


def inline_decided(module: Operation, budget: Budget) -> None:
    """Put the region that runs in the place of a decided `scf.if` that is not in a loop."""
    todo: list[tuple[Block, Facts]] = [
        (block, {})
        for function in functions(module)
        for region in function.regions
        for block in region.blocks
    ]
    while todo:
        block, facts = todo.pop()
        op = block.first
        while op is not None:
            following = op.next
            if op.isa(scf.If):
                decided = _value(op.operands[0], facts)
                if decided is not None and budget.take("decided_branch"):
                    following = _inline(op, decided)
                else:
                    todo += _inside(op, facts)
            op = following


def _inside(op: Operation, facts: Facts) -> list[tuple[Block, Facts]]:
    found = []
    for region, holds in zip(op.regions, (True, False), strict=True):
        known = dict(facts)
        _learn(op.operands[0], holds, known)
        found += [(block, known) for block in region.blocks]
    return found


def _inline(op: Operation, holds: bool) -> Operation | None:
    """The first op that stands where the branch was."""
    block, region, following = op.block, op.regions[0 if holds else 1], op.next
    assert block is not None
    if not region.blocks:
        op.erase()
        return following
    first, inner = region.block.first, region.block
    terminator = inner.terminator
    for moved in inner:
        if moved is not terminator:
            moved.detach()
            block.insert_before(moved, op)
    for old, new in zip(op.results, terminator.operands, strict=True):
        old.replace_all_uses_with(new)
    op.erase()
    return following if first is terminator else first


def _learn(condition: Value, holds: bool, facts: Facts) -> None:
    """Enter a condition, and the parts of it that follow."""
    todo = [(condition, holds)]
    while todo:
        value, holds = todo.pop()
        fact, same = _fact(value)
        facts[fact] = holds == same
        owner = value.defining(arith.AndI if holds else arith.OrI)
        if owner is not None:
            todo += [(operand, holds) for operand in owner.operands]


def _value(condition: Value, facts: Facts, depth: int = DEPTH) -> bool | None:
    """What a condition is known to be."""
    known = constant_value(condition)
    if known is not None:
        return bool(known)
    fact, same = _fact(condition)
    if fact in facts:
        return facts[fact] == same
    owner = condition.owner
    if owner is None or depth == 0 or owner.definition not in (arith.AndI, arith.OrI):
        return None
    parts = [_value(operand, facts, depth - 1) for operand in owner.operands]
    decisive = owner.isa(arith.OrI)
    if decisive in parts:
        return decisive
    return None if None in parts else not decisive


def _fact(condition: Value) -> tuple[Hashable, bool]:
    """What a condition says, and whether it says that or the opposite: `a == b` and `b != a` are one fact."""
    op = condition.defining(arith.CmpI)
    if op is None or not isinstance(op.attrs, arith.PredicateAttrs):
        return condition, True
    name = arith.CmpI.predicate_name(op.attrs)
    return (frozenset(op.operands), name == "eq") if name in ("eq", "ne") else (condition, True)
