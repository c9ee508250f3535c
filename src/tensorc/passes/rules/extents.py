"""Extents: every `tensorc.dim` becomes a number or an extent of an argument; checks that are known to hold
go.
"""

from __future__ import annotations

from tensorc.ir.core import Operation, OpResult, Value
from tensorc.ir.rewriter import Rewriter, pattern
from tensorc.ops.attrs import AxisAttrs
from tensorc.ops.base import OpDef
from tensorc.ops.index import Assume, BroadcastExtents, Dim, Require
from tensorc.ops.loops.fold import constant_value
from tensorc.passes.shapes import constant_index, shapes_of


@pattern(
    Dim, law="an extent of a result is found from the operands' extents", example="from_index(dim(exp(x), 0))"
)
def dim_of_result(op: Operation, rewriter: Rewriter) -> None:
    attrs = op.attrs
    assert isinstance(attrs, AxisAttrs)
    x, axis = op.operands[0], attrs.axis
    symbol = shapes_of(rewriter).extents(x)[axis]
    if symbol.number is not None:
        rewriter.replace_with(op, [constant_index(rewriter, symbol.number)])
        return
    if symbol.root == (x, axis) and symbol.value is None:
        return
    found = shapes_of(rewriter).materialise(symbol, rewriter) or _one_step(x, axis, rewriter)
    if found is not None:
        rewriter.replace_with(op, [found])


def _one_step(x: Value, axis: int, rewriter: Rewriter) -> Value | None:
    """The extent by `x`'s own rule, when it is an expression of other extents."""
    owner = x.owner
    if owner is None or owner.definition is None or not issubclass(owner.definition, OpDef):
        return None
    try:
        extents = owner.definition.extents(rewriter, owner.operands, owner.attrs)
    except NotImplementedError:
        return None
    assert isinstance(x, OpResult)
    found = extents[x.index][axis]
    return constant_index(rewriter, found) if isinstance(found, int) else found


@pattern(
    BroadcastExtents,
    law="equal extents broadcast to themselves, 1 to the other",
    example="broadcast_to(x, broadcast_extents(n, n), 3)",
)
def broadcast_of_known(op: Operation, rewriter: Rewriter) -> None:
    a, b = op.operands
    shapes = shapes_of(rewriter)
    x, y = shapes.index(a), shapes.index(b)
    if x.key == y.key or y.number == 1:
        rewriter.replace_with(op, [a])
    elif x.number == 1:
        rewriter.replace_with(op, [b])


@pattern(Require, Assume, law="a check of something true is nothing", example="require(true, x)")
def check_holds(op: Operation, rewriter: Rewriter) -> None:
    known = constant_value(op.operands[0])
    if known is not None and bool(known):
        rewriter.erase(op)


PATTERNS = (dim_of_result, broadcast_of_known, check_holds)
