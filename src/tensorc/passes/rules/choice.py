"""Logic and choice: `where`, and, or, not, comparisons."""

from __future__ import annotations

from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import OpDefinition
from tensorc.ir.rewriter import Rewriter, pattern
from tensorc.ops.comparison import Eq, Ne, Where
from tensorc.ops.logical import BitwiseAnd, BitwiseOr, LogicalAnd, LogicalNot, LogicalOr
from tensorc.passes.fold import uniform
from tensorc.passes.rules.match import operand_of, replace, same


def _truth(value: Value) -> bool | None:
    number = uniform(value)
    return None if number is None else bool(number)


@pattern(
    Where, law="where(true, x, y) = x, where(false, x, y) = y", example="where(full_like(x > y, true), x, y)"
)
def where_constant(op: Operation, rewriter: Rewriter) -> None:
    c, x, y = op.operands
    known = _truth(c)
    if known is not None:
        replace(op, rewriter, x if known else y)


@pattern(Where, law="where(c, x, x) = x", example="where(y > 0.0, x, x)")
def where_equal(op: Operation, rewriter: Rewriter) -> None:
    _, x, y = op.operands
    if same(x, y):
        replace(op, rewriter, x)


@pattern(Where, law="where(not c, x, y) = where(c, y, x)", example="where(~(x > 0.0), x, y)")
def where_negated(op: Operation, rewriter: Rewriter) -> None:
    c, x, y = op.operands
    inner = operand_of(c, LogicalNot)
    if inner is not None:
        rewriter.set_operands(op, [inner, y, x])


@pattern(
    Where,
    law="where(c, where(c, a, b), d) = where(c, a, d), and so on the other side",
    example="where(x > 0.0, where(x > 0.0, x, y), -y)",
)
def where_of_where(op: Operation, rewriter: Rewriter) -> None:
    c, x, y = op.operands
    first, second = x.defining(Where), y.defining(Where)
    if first is not None and same(first.operands[0], c) and first.operands[1].type == x.type:
        rewriter.set_operands(op, [c, first.operands[1], y])
    elif second is not None and same(second.operands[0], c) and second.operands[2].type == y.type:
        rewriter.set_operands(op, [c, x, second.operands[2]])


@pattern(LogicalNot, law="not not c = c", example="where(~(~(x > 0.0)), x, y)")
def not_twice(op: Operation, rewriter: Rewriter) -> None:
    inner = operand_of(op.operands[0], LogicalNot)
    if inner is not None:
        replace(op, rewriter, inner)


# not (x < y) is not x >= y: both are false where one is NaN.
_COMPLEMENT: dict[type[OpDefinition], type[OpDefinition]] = {Eq: Ne, Ne: Eq}


@pattern(LogicalNot, law="not (x = y) is x != y", example="where(~(x == y), x, 0.0 * y)")
def not_equal(op: Operation, rewriter: Rewriter) -> None:
    inner = op.operands[0].owner
    complement = (
        _COMPLEMENT.get(inner.definition) if inner is not None and inner.definition is not None else None
    )
    if inner is not None and complement is not None:
        rewriter.replace_op(op, complement, inner.operands)


@pattern(
    LogicalAnd,
    LogicalOr,
    BitwiseAnd,
    BitwiseOr,
    law="c and c = c, c or c = c",
    example="where((x > y) & (x > y), x, y)",
)
def idempotent(op: Operation, rewriter: Rewriter) -> None:
    if same(*op.operands):
        replace(op, rewriter, op.operands[0])


@pattern(
    LogicalAnd,
    LogicalOr,
    law="c and true = c, c and false = false, and so for or",
    example="where((x > y) & full_like(x > y, true), x, y)",
)
def logic_with_constant(op: Operation, rewriter: Rewriter) -> None:
    c, other = op.operands
    known = _truth(other)
    if known is not None:
        replace(op, rewriter, c if known == (op.definition is LogicalAnd) else other)


PATTERNS = (
    where_constant,
    where_equal,
    where_negated,
    where_of_where,
    not_twice,
    not_equal,
    idempotent,
    logic_with_constant,
)
