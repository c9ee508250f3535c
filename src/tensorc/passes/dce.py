"""`dce`: remove ops that have no effect and whose results nobody uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from tensorc.ir.core import Operation
from tensorc.ir.definition import Trait
from tensorc.passes.manager import Budget, RewritePass


@dataclass(frozen=True)
class Dce(RewritePass):
    """Remove dead pure ops, users before producers, in one walk."""

    name: ClassVar[str] = "dce"
    rewrites: ClassVar[Mapping[str, str]] = {"dce": "what nobody uses and has no effect is nothing"}

    def rewrite(self, module: Operation, budget: Budget) -> None:
        # A producer stands before its users, so that walking backwards meets it when they are gone.
        for op in reversed(list(module.walk())):
            if is_dead(op) and budget.take("dce"):
                op.erase()


def is_dead(op: Operation) -> bool:
    """Whether an op may be removed: pure, in a block, no result in use."""
    if not op.has_trait(Trait.PURE) or op.has_trait(Trait.TERMINATOR) or op.block is None:
        return False
    return not any(result.has_uses for result in op.results)
