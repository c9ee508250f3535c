"""Exponentials against logarithms: what overflows or loses its digits in between.

Where the written program is NaN because a logarithm or root has no value, the new form is NaN too.
"""

from __future__ import annotations

import math

from tensorc.ir.core import Operation
from tensorc.ir.definition import OpDefinition
from tensorc.ir.rewriter import Rewriter, pattern
from tensorc.ops import emit
from tensorc.ops.arithmetic import Add, Neg, Sqrt, Sub
from tensorc.ops.transcendental import Exp, Exp2, Expm1, Log, Log1p, Log2
from tensorc.passes.rules.match import (
    at_least,
    but_for_sign_of_zero,
    exponent,
    inside,
    minus_one,
    nan_unless,
    negated,
    number_like,
    one_minus,
    plus_one,
    quotient,
    replace,
    unsigned_zero,
)


@pattern(Log, law="log(1 + x) = log1p(x), log(1 - x) = log1p(-x)", example="log(1.0 + x)", kind="stable")
def log_of_one_plus(op: Operation, rewriter: Rewriter) -> None:
    x = plus_one(op.operands[0])
    if x is not None and x.type == op.result.type:
        replace(op, rewriter, unsigned_zero(rewriter, emit.op(rewriter, "log1p", x)))
        return
    x = one_minus(op.operands[0])
    if x is not None and x.type == op.result.type:
        logarithm = emit.op(rewriter, "log1p", emit.neg(rewriter, x))
        replace(op, rewriter, unsigned_zero(rewriter, logarithm))


@pattern(Sub, Add, law="e**x - 1 = expm1(x)", example="exp(x) - 1.0", kind="stable")
def power_minus_one(op: Operation, rewriter: Rewriter) -> None:
    value = minus_one(op.result)
    x = None if value is None else exponent(value)
    if x is not None:
        replace(op, rewriter, unsigned_zero(rewriter, emit.op(rewriter, "expm1", x)))


@pattern(Sub, Add, Neg, law="1 - e**x = 0 - expm1(x)", example="1.0 - exp(x)", kind="stable")
def one_minus_power(op: Operation, rewriter: Rewriter) -> None:
    """0 - y in place of -y: at x = 0 the difference is +0 as written, and may be divided by."""
    value = one_minus(op.result)
    x = None if value is None else exponent(value)
    if x is None:
        return
    power = emit.op(rewriter, "expm1", x)
    replace(op, rewriter, emit.sub(rewriter, number_like(rewriter, power, 0), power))


@pattern(Log1p, law="log1p(-e**x) = log1mexp(x)", example="log1p(-exp(x))", kind="stable")
def log1p_of_negated_power(op: Operation, rewriter: Rewriter) -> None:
    value = negated(op.operands[0])
    x = None if value is None else exponent(value)
    if x is not None:
        replace(op, rewriter, emit.op(rewriter, "log1mexp", x))


@pattern(Log, law="log(-expm1(x)) = log1mexp(x)", example="log(-expm1(x))", kind="stable")
def log_of_negated_expm1(op: Operation, rewriter: Rewriter) -> None:
    value = negated(op.operands[0])
    x = None if value is None else inside(value, Expm1)
    if x is not None:
        replace(op, rewriter, emit.op(rewriter, "log1mexp", x))


# outer(inner(x)) = x for every x.
_UNDONE: dict[type[OpDefinition], type[OpDefinition]] = {Log: Exp, Log1p: Expm1, Log2: Exp2}


@pattern(
    Log,
    Log1p,
    Log2,
    law="log(e**x) = x, log1p(expm1(x)) = x, log2(2**x) = x",
    example="log(exp(x))",
    kind="stable",
)
def log_of_power(op: Operation, rewriter: Rewriter) -> None:
    assert op.definition is not None
    x = inside(op.operands[0], _UNDONE[op.definition])
    if x is not None:
        # log1p and expm1 both keep -0.0, e**-0.0 is 1.
        replace(op, rewriter, x if op.definition is Log1p else unsigned_zero(rewriter, x))


# (outer, inner): from where on outer(inner(x)) has a value, and what it is x plus.
_POWER_OF_LOG: dict[tuple[type[OpDefinition], type[OpDefinition]], tuple[int, int]] = {
    (Exp, Log): (0, 0),
    (Exp, Log1p): (-1, 1),
    (Expm1, Log): (0, -1),
    (Expm1, Log1p): (-1, 0),
    (Exp2, Log2): (0, 0),
}


@pattern(
    Exp,
    Expm1,
    Exp2,
    law="e**log(x) = x for x >= 0, else NaN; so for expm1, log1p and base 2",
    example="exp(log(x))",
    kind="stable",
)
def power_of_log(op: Operation, rewriter: Rewriter) -> None:
    inner = but_for_sign_of_zero(op.operands[0]).owner
    if inner is None or inner.definition is None or op.definition is None:
        return
    found = _POWER_OF_LOG.get((op.definition, inner.definition))
    if found is None:
        return
    least, shift = found
    x = inner.operands[0]
    keeps_sign = op.definition is Expm1 and not shift
    value = x if keeps_sign else emit.plus(rewriter, x, shift)
    replace(op, rewriter, nan_unless(rewriter, at_least(rewriter, x, least), value))


@pattern(Log, law="log(sqrt(x)) = log(x) / 2", example="log(sqrt(x))", kind="stable")
def log_of_root(op: Operation, rewriter: Rewriter) -> None:
    x = inside(op.operands[0], Sqrt)
    if x is not None:
        replace(op, rewriter, emit.scale(rewriter, emit.log(rewriter, x), 0.5))


@pattern(Log, law="log(1/x) = 0 - log(x) where 1/x > 0", example="log(1.0 / x)", kind="stable")
def log_of_reciprocal(op: Operation, rewriter: Rewriter) -> None:
    """Where 1/x is not positive the program as written is right: -inf for a zero of either sign, else NaN."""
    found = quotient(op.operands[0])
    if found is None or found[0] is not None:
        return
    reciprocal, logarithm = op.operands[0], emit.log(rewriter, found[1])
    zero = emit.zeros_like(rewriter, logarithm)
    infinite = emit.where(
        rewriter,
        emit.op(rewriter, "eq", reciprocal, zero),
        emit.full_like(rewriter, zero, -math.inf),
        emit.full_like(rewriter, zero, math.nan),
    )
    positive = emit.op(rewriter, "gt", reciprocal, zero)
    replace(op, rewriter, emit.where(rewriter, positive, emit.sub(rewriter, zero, logarithm), infinite))


PATTERNS = (
    log_of_power,
    log_of_one_plus,
    power_minus_one,
    one_minus_power,
    log1p_of_negated_power,
    log_of_negated_expm1,
    power_of_log,
    log_of_root,
    log_of_reciprocal,
)
