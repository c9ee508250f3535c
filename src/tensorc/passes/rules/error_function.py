"""erf and erfc = 1 - erf: each where the other loses its digits. erf is odd; erfc(-x) = 2 - erfc(x) = 1 +
erf(x).
"""

from __future__ import annotations

from tensorc.ir.core import Operation, Value
from tensorc.ir.rewriter import Rewriter, pattern
from tensorc.ops import emit
from tensorc.ops.arithmetic import Add, Neg, Sub
from tensorc.ops.transcendental import Erf, Erfc
from tensorc.passes.rules.match import (
    inside,
    is_number,
    minus_one,
    negate,
    negated,
    one_minus,
    plus_one,
    replace,
    unsigned_zero,
)


def _of(value: Value | None, definition: type[Erf] | type[Erfc]) -> Value | None:
    return None if value is None else inside(value, definition)


@pattern(
    Sub, Add, Neg, law="1 - erf(x) = erfc(x), 1 - erfc(x) = erf(x)", example="1.0 - erf(x)", kind="stable"
)
def one_minus_error(op: Operation, rewriter: Rewriter) -> None:
    inner = one_minus(op.result)
    x = _of(inner, Erf)
    if x is not None:
        replace(op, rewriter, emit.op(rewriter, "erfc", x))
        return
    x = _of(inner, Erfc)
    if x is not None:
        replace(op, rewriter, unsigned_zero(rewriter, emit.op(rewriter, "erf", x)))


@pattern(
    Sub, Add, law="erf(x) - 1 = 0 - erfc(x), erfc(x) - 1 = 0 - erf(x)", example="erf(x) - 1.0", kind="stable"
)
def error_minus_one(op: Operation, rewriter: Rewriter) -> None:
    inner = minus_one(op.result)
    for definition, result in ((Erf, "erfc"), (Erfc, "erf")):
        x = _of(inner, definition)
        if x is not None:
            value = emit.op(rewriter, result, x)
            replace(op, rewriter, emit.sub(rewriter, emit.zeros_like(rewriter, value), value))
            return


@pattern(Sub, Add, law="1 + erf(x) = erfc(-x)", example="1.0 + erf(x)", kind="stable")
def one_plus_error(op: Operation, rewriter: Rewriter) -> None:
    x = _of(plus_one(op.result), Erf)
    if x is not None:
        replace(op, rewriter, emit.op(rewriter, "erfc", negate(rewriter, x)))


@pattern(Sub, law="-1 - erf(x) = -erfc(-x)", example="-1.0 - erf(x)", kind="stable")
def minus_one_minus_error(op: Operation, rewriter: Rewriter) -> None:
    x = _of(op.operands[1], Erf)
    if x is not None and is_number(op.operands[0], -1):
        replace(op, rewriter, emit.neg(rewriter, emit.op(rewriter, "erfc", negate(rewriter, x))))


@pattern(Sub, Add, law="2 - erfc(x) = erfc(-x)", example="2.0 - erfc(x)", kind="stable")
def two_minus_complement(op: Operation, rewriter: Rewriter) -> None:
    a, b = op.operands
    if op.definition is Sub:
        x = _of(b, Erfc) if is_number(a, 2) else None
    else:
        x = _of(negated(a), Erfc) if is_number(b, 2) else None
    if x is not None:
        replace(op, rewriter, emit.op(rewriter, "erfc", negate(rewriter, x)))


PATTERNS = (one_minus_error, error_minus_one, one_plus_error, minus_one_minus_error, two_minus_complement)
