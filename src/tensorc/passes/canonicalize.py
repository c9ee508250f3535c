"""`canonicalize`: one form for what is the same: constants folded and on the right, extents traced back to
arguments, no view of a view, nothing twice, nothing dead. Values stay what they are (rules of kind `exact`
and `rounding`). Works on tensors and on loops.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from tensorc.ir.core import Operation
from tensorc.ir.errors import InternalError
from tensorc.ir.rewriter import Pattern, rewrite
from tensorc.passes.cse import Cse
from tensorc.passes.dce import Dce
from tensorc.passes.manager import Budget, RewritePass
from tensorc.passes.rules import CANONICAL

ROUNDS = 4
"""Merging equal ops can make rules apply and the other way round; rarely more than once."""


@dataclass(frozen=True)
class Canonicalize(RewritePass):
    """Rules, common subexpressions and dead code, until nothing changes."""

    name: ClassVar[str] = "canonicalize"
    settles: ClassVar[bool] = True

    def rewrite(self, module: Operation, budget: Budget) -> None:
        for _ in range(ROUNDS):
            apply(module, CANONICAL, budget)
            before = budget.counts["cse"]
            Cse().rewrite(module, budget)
            if budget.counts["cse"] == before:
                break
        Dce().rewrite(module, budget)


def apply(module: Operation, rules: Iterable[Pattern], budget: Budget) -> int:
    """Rewrite by `rules` until none applies; returns how often one did. Raises InternalError if they never
    end.
    """
    statistics = rewrite(module, rules, limit=budget.remaining)
    for rule, count in statistics.rewrites.items():
        budget.add(rule, count)
    if statistics.exhausted:
        often = sorted(statistics.rewrites.items(), key=lambda entry: -entry[1])[:3]
        listed = ", ".join(f"{name} ({count} times)" for name, count in often)
        raise InternalError(f"rewriting does not end; most often applied: {listed}")
    return statistics.total
