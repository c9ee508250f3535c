"""`cse`: one op for ops that compute the same: same class, operands, attributes and result types.

The first of them stays. Besides pure ops, checks are merged: after `tensorc.require` or
`tensorc.broadcast_extents` has held once, an equal one holds too. Ops with regions are left alone. A value of
an outer block serves in inner blocks, not the other way round.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from tensorc.ir.core import Block, Operation
from tensorc.ir.definition import OpDefinition, Trait
from tensorc.ops.index import Assume, BroadcastExtents, Require
from tensorc.passes.manager import Budget, RewritePass

CHECKS: tuple[type[OpDefinition], ...] = (BroadcastExtents, Require, Assume)
"""Ops whose only effect is to stop the computation: repeating one with the same operands changes nothing."""

Table = dict[Hashable, Operation]


@dataclass(frozen=True)
class Cse(RewritePass):
    """Merge equal ops."""

    name: ClassVar[str] = "cse"
    rewrites: ClassVar[Mapping[str, str]] = {"cse": "ops that compute the same are one op"}

    def rewrite(self, module: Operation, budget: Budget) -> None:
        # One table for all that is visible; what a block entered is taken out when the block is left.
        stack: list[tuple[Iterator[Operation], Table, list[Hashable]]] = [(iter((module,)), {}, [])]
        while stack:
            ops, table, entered = stack[-1]
            op = next(ops, None)
            if op is None:
                stack.pop()
                for key in entered:
                    del table[key]
                continue
            if op.regions:
                visible = {} if op.has_trait(Trait.ISOLATED) else table
                blocks = [block for region in op.regions for block in region.blocks]
                stack.extend((iter(block), visible, []) for block in reversed(blocks))
                continue
            _visit(op, table, entered, budget)


def _visit(op: Operation, table: Table, entered: list[Hashable], budget: Budget) -> None:
    if not (op.has_trait(Trait.PURE) or op.definition in CHECKS) or op.has_trait(Trait.TERMINATOR):
        return
    key = _key(op)
    earlier = table.setdefault(key, op)
    if earlier is op:
        entered.append(key)
        return
    if not budget.take("cse"):
        return
    for old, new in zip(op.results, earlier.results, strict=True):
        old.replace_all_uses_with(new)
    op.erase()


def _key(op: Operation) -> Hashable:
    operands = list(op.operands)
    if op.has_trait(Trait.COMMUTATIVE):
        operands.sort(key=id)
    attributes = (
        tuple(sorted((n, a) for n, a in op.attributes.items() if "." not in n)) if op.attributes else ()
    )
    return op.name, tuple(operands), attributes, tuple([r.type for r in op.results])


__all__ = ["CHECKS", "Block", "Cse"]
