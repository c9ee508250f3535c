"""`simplify`: what `canonicalize` does to loops, in one walk forward and one back.

Scalar rules of `passes/fold.py` look at an op and its operands only, and values come before their users. So
when an op is met, its operands have their final form: it is folded, put into the canonical form and merged
with an equal one at once, where `canonicalize` has to come back until nothing changes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, cast

from tensorc.ir.attributes import Attribute
from tensorc.ir.builder import Builder
from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import OpDefinition, Trait
from tensorc.ops.loops import arith
from tensorc.ops.loops.base import SameTypeOp, ScalarOp
from tensorc.ops.loops.fold import constant_value, fold, identity
from tensorc.passes.branches import inline_decided
from tensorc.passes.dce import Dce
from tensorc.passes.manager import Budget, RewritePass

Table = dict[Hashable, Operation]
_PURE: Final = Trait.PURE


@dataclass(frozen=True)
class Simplify(RewritePass):
    """Constants folded and on the right, nothing twice, nothing dead, no branch decided before; for loops."""

    name: ClassVar[str] = "simplify"
    rewrites: ClassVar[Mapping[str, str]] = {
        "decided_branch": "a branch on what the branch around it says is the code that runs"
    }

    def rewrite(self, module: Operation, budget: Budget) -> None:
        inline_decided(module, budget)
        _Walk(budget).run(module)
        Dce().rewrite(module, budget)


class _Walk:
    """The walk forward. `table` holds what is visible; what a block entered goes when the block is left."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.table: Table = {}
        self.entered: list[Hashable] = []

    def run(self, module: Operation) -> None:
        stack: list[tuple[Iterator[Operation], Table, list[Hashable]]] = [(iter((module,)), {}, [])]
        while stack:
            ops, self.table, self.entered = stack[-1]
            for op in ops:
                if op.regions:
                    visible = {} if op.has_trait(Trait.ISOLATED) else self.table
                    blocks = [block for region in op.regions for block in region.blocks]
                    stack += [(iter(block), visible, []) for block in reversed(blocks)]
                    break
                self.visit(op)
            else:
                stack.pop()
                for key in self.entered:
                    del self.table[key]

    def visit(self, op: Operation) -> None:
        definition = op.definition
        if definition is None or _PURE not in definition.traits or Trait.TERMINATOR in definition.traits:
            return
        if definition is not arith.Constant and issubclass(definition, ScalarOp):
            left = self._reduced(op, definition)
            if left is None:
                return
            op = left
        key = _key(op)
        earlier = self.table.setdefault(key, op)
        if earlier is op:
            self.entered.append(key)
        elif self.budget.take("cse"):
            for old, new in zip(op.results, earlier.results, strict=True):
                old.replace_all_uses_with(new)
            op.erase()

    def _reduced(self, op: Operation, definition: type[OpDefinition]) -> Operation | None:
        """The op in canonical form, a constant in its place, or None when an operand took it."""
        operands = op.operands
        known = [_is_constant(v) for v in operands]
        if all(known):
            attribute = fold(op)
            if attribute is not None and self.budget.take("fold_scalar"):
                return self._constant(op, attribute)
        elif (
            known[0]
            and not known[1]
            and Trait.COMMUTATIVE in definition.traits
            and self.budget.take("scalar_constant_right")
        ):
            op.set_operands([operands[1], operands[0], *operands[2:]])
            known[:2] = [False, True]
        same = identity(op)
        if same is not None and self.budget.take("scalar_identity"):
            op.result.replace_all_uses_with(same)
            op.erase()
            return None
        if definition is arith.AddI and known[1] and not known[0] and self._merged(op):
            return self._reduced(op, definition)
        return op

    def _constant(self, op: Operation, attribute: Attribute) -> Operation:
        made = Builder.before(op).create_op(arith.Constant, [], arith.ConstantAttrs(attribute))
        op.result.replace_all_uses_with(made.result)
        op.erase()
        return made

    def _merged(self, op: Operation) -> bool:
        """`(x + a) + b` becomes `x + (a + b)`; whether it did."""
        inner = op.operands[0].defining(arith.AddI)
        if inner is None or not _is_constant(inner.operands[1]):
            return False
        if not self.budget.take("merge_added_constants"):
            return False
        a, b = (constant_value(v) for v in (inner.operands[1], op.operands[1]))
        total = arith.scalar_attribute(int(a) + int(b), op.result.type)
        made = Builder.before(op).create_op(arith.Constant, [], arith.ConstantAttrs(total))
        op.set_operands([inner.operands[0], made.result])
        self.visit(made)
        return True


def _is_constant(value: Value) -> bool:
    owner = value.owner
    return owner is not None and owner.definition is arith.Constant


def _key(op: Operation) -> Hashable:
    """Equal for ops that compute the same."""
    definition = cast(type[OpDefinition], op.definition)
    operands = op.operands
    if len(operands) == 2 and Trait.COMMUTATIVE in definition.traits and id(operands[0]) > id(operands[1]):
        operands = operands[::-1]
    if not op.attributes and issubclass(definition, SameTypeOp):
        return definition, *operands
    attributes = tuple(sorted([(n, a) for n, a in op.attributes.items() if "." not in n]))
    return definition, *operands, attributes, *[r.type for r in op.results]
