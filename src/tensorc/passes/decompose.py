"""`decompose`: replace composite ops (softmax, logsumexp, ...) by their definitions, so that fusion sees
plain ops.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tensorc.ir.builder import Builder
from tensorc.ir.builtin import functions
from tensorc.ir.core import Operation


@dataclass(frozen=True)
class Decompose:
    """Composite ops into their definitions, in program order; definitions may hold composites again."""

    name: ClassVar[str] = "decompose"

    def run(self, module: Operation) -> None:
        for function in functions(module):
            if function.regions[0].blocks:
                _decompose(function)


def _decompose(function: Operation) -> None:
    op = function.regions[0].block.first
    while op is not None:
        rule = getattr(op.definition, "decompose", None)
        if rule is None:
            op = op.next
            continue
        before = op.prev
        replacements = rule(Builder.before(op), op)
        for result, value in zip(op.results, replacements, strict=True):
            result.replace_all_uses_with(value)
        op.erase()
        op = before.next if before is not None else function.regions[0].block.first
