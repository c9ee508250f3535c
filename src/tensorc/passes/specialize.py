"""`specialize`: the fast body of a function. Arguments are taken to be C-contiguous, and extents that meet in
`broadcast_extents` to be equal.

Every assumption on extents becomes a `tensorc.assume`; where one fails the function returns 2, nothing is
written, and the generic body answers. An extent that is 1 by its type is no assumption. Extents that depend
on data are left alone: they are known only after something was computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tensorc.ir.attributes import UnitAttr
from tensorc.ir.builder import Builder
from tensorc.ir.builtin import functions
from tensorc.ir.core import Operation, Value
from tensorc.ir.types import index
from tensorc.ops.index import Assume, BroadcastExtents, ToIndex
from tensorc.ops.loops import arith
from tensorc.ops.loops.fold import constant_value

CONTIGUOUS = "tensorc.contiguous"
"""Function attribute: the body takes arguments to be C-contiguous."""


@dataclass(frozen=True)
class Specialize:
    """Assume contiguous arguments and equal extents."""

    name: ClassVar[str] = "specialize"

    def run(self, module: Operation) -> None:
        for function in functions(module):
            if function.regions[0].blocks:
                function.set_attribute(CONTIGUOUS, UnitAttr())
                _assume_equal(function)


def _assume_equal(function: Operation) -> None:
    data: set[Value] = set()
    """Indices that depend on data, and tensors of which some extent does."""
    for op in function.regions[0].block:
        depends = op.isa(ToIndex) or any(v in data for v in op.operands)
        if op.isa(BroadcastExtents) and not depends:
            _assume(op)
        elif depends:
            data.update(op.results)


def _assume(op: Operation) -> None:
    a, c = op.operands
    kept = a
    if _constant(a) == 1:
        kept = c
    elif a is not c and _constant(c) != 1:
        b = Builder.before(op)
        b.create(Assume, [b.create(arith.CmpI, [a, c], arith.PredicateAttrs(0))[0]])
        kept = c if _constant(c) is not None else a
    op.result.replace_all_uses_with(kept)
    op.erase()


def _constant(value: Value) -> int | None:
    """The integer an index value is known to be: a constant."""
    known = constant_value(value) if value.type == index else None
    return None if known is None else int(known)
