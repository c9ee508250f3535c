"""`stabilise`: the one licensed change of numbers. Expressions that overflow, cancel or lose digits become
forms of the same real function that do not.

Runs in every pipeline, so that all modes agree, and before differentiation, so that gradients are of the
stable form. Only the patterns of `rules/` are looked for; what IEEE arithmetic gives for anything else, x*0
or x-x included, is left alone. Function arguments and `stop_gradient` are boundaries: no rule looks through
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tensorc.ir.core import Operation
from tensorc.passes.canonicalize import apply
from tensorc.passes.cse import Cse
from tensorc.passes.manager import Budget, RewritePass
from tensorc.passes.rules import CANONICAL, STABLE


@dataclass(frozen=True)
class Stabilise(RewritePass):
    """Stable rules, with the canonical ones that keep their patterns in the forms they look for."""

    name: ClassVar[str] = "stabilise"

    def rewrite(self, module: Operation, budget: Budget) -> None:
        # Equal powers are one value afterwards, so that e**x / sum(e**x) is recognised however it was
        # written.
        Cse().rewrite(module, budget)
        apply(module, (*STABLE, *CANONICAL), budget)
