"""`inline`: calls of functions that have a body are replaced by the body; what is private and no longer
called is removed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

from tensorc.ir.builtin import Call, CallAttrs, Func, FuncAttrs, functions, lookup, symbol_name
from tensorc.ir.clone import inline_call
from tensorc.ir.core import Operation
from tensorc.ir.errors import TensorcValueError
from tensorc.passes.manager import Budget, RewritePass


@dataclass(frozen=True)
class Inline(RewritePass):
    """Inline every call in the module, callees first, so that each body is copied complete.

    Raises TensorcValueError (TC0502) on recursion.
    """

    name: ClassVar[str] = "inline"
    rewrites: ClassVar[Mapping[str, str]] = {"inline": "a call is the body of the function called"}

    def rewrite(self, module: Operation, budget: Budget) -> None:
        inlined: set[str] = set()
        for function in _callees_first(module):
            for op in list(function.walk()):
                callee = _callee(module, op)
                if callee is not None and budget.take("inline"):
                    inline_call(op, callee)
                    inlined.add(symbol_name(callee) or "")
        _remove_unused(module, inlined)


def _callee(module: Operation, op: Operation) -> Operation | None:
    """The function with a body that `op` calls, or None."""
    if not op.isa(Call):
        return None
    found = lookup(module, cast(CallAttrs, op.attrs).callee.name)
    return found if found is not None and found.isa(Func) and found.regions[0].blocks else None


def _callees_first(module: Operation) -> list[Operation]:
    """Functions with bodies in an order in which callees precede callers. An explicit stack; a function met
    again on it is recursive.
    """
    order: list[Operation] = []
    done: set[Operation] = set()
    for root in functions(module):
        stack, open_ = [root], set[Operation]()
        while stack:
            function = stack[-1]
            if function in done:
                stack.pop()
                continue
            calls = [op for op in function.walk() if op.isa(Call)]
            callees = [(op, c) for op in calls if (c := _callee(module, op)) is not None and c not in done]
            if not callees:
                done.add(function)
                order.append(function)
                continue
            open_.add(function)
            for op, callee in callees:
                if callee in open_:
                    name = symbol_name(callee)
                    raise TensorcValueError(
                        f"@{name} calls itself",
                        code="TC0502",
                        location=op.location,
                        help="write the repetition as a loop",
                    )
                stack.append(callee)
    return order


def _remove_unused(module: Operation, inlined: set[str]) -> None:
    called = Counter(cast(CallAttrs, op.attrs).callee.name for op in module.walk() if op.isa(Call))
    for function in list(functions(module)):
        private = cast(FuncAttrs, function.attrs).sym_visibility == "private"
        if private and symbol_name(function) in inlined and not called[symbol_name(function) or ""]:
            function.erase()
