"""The logistic function and its logarithm: 1/(1 + e**-x), log(1 + e**x), and what they are written as.

s is the sigmoid, s(x) = 1/(1 + e**-x); 1 - s(x) = s(-x); softplus(x) = log(1 + e**x) = -log s(-x).
"""

from __future__ import annotations

from tensorc.ir.core import Operation, Value
from tensorc.ir.rewriter import Rewriter, pattern
from tensorc.ops import emit
from tensorc.ops.arithmetic import Add, Div, Mul, Neg, Sub
from tensorc.ops.gradients import ChainDiv, ChainMul
from tensorc.ops.transcendental import Exp, Log, Log1p, Sigmoid, Softplus
from tensorc.passes.rules.match import (
    exponent,
    inside,
    is_number,
    minus_one,
    negate,
    negated,
    one_minus,
    opposite,
    pairs,
    plus_one,
    replace,
    same,
)


def _softplus(rewriter: Rewriter, x: Value) -> Value:
    return emit.op(rewriter, "softplus", x)


@pattern(
    Div,
    ChainDiv,
    law="e**x / (1 + e**x) = s(x), c / (1 + e**x) = c s(-x)",
    example="exp(x) / (1.0 + exp(x))",
    kind="stable",
)
def quotient_is_sigmoid(op: Operation, rewriter: Rewriter) -> None:
    numerator, denominator = op.operands
    power = plus_one(denominator)
    x = None if power is None else exponent(power)
    if x is None or x.type != denominator.type:
        return
    if same(numerator, power):
        replace(op, rewriter, emit.sigmoid(rewriter, x))
        return
    share = emit.sigmoid(rewriter, negate(rewriter, x))
    if is_number(numerator, 1):
        replace(op, rewriter, share)  # at once, so that users met next see the sigmoid
    else:
        rewriter.replace_op(op, Mul if op.definition is Div else ChainMul, [numerator, share])


@pattern(Mul, law="e**x s(-x) = s(x)", example="exp(x) * sigmoid(-x)", kind="stable")
def power_times_sigmoid(op: Operation, rewriter: Rewriter) -> None:
    for first, second in pairs(op):
        x, y = exponent(first), inside(second, Sigmoid)
        if x is not None and y is not None and opposite(x, y):
            replace(op, rewriter, emit.sigmoid(rewriter, x))
            return


@pattern(Sub, Add, Neg, law="1 - s(x) = s(-x)", example="1.0 - sigmoid(x)", kind="stable")
def one_minus_sigmoid(op: Operation, rewriter: Rewriter) -> None:
    value = one_minus(op.result)
    x = None if value is None else inside(value, Sigmoid)
    if x is not None:
        replace(op, rewriter, emit.sigmoid(rewriter, negate(rewriter, x)))


@pattern(Sub, Add, law="s(x) - 1 = -s(-x)", example="sigmoid(x) - 1.0", kind="stable")
def sigmoid_minus_one(op: Operation, rewriter: Rewriter) -> None:
    value = minus_one(op.result)
    x = None if value is None else inside(value, Sigmoid)
    if x is not None:
        replace(op, rewriter, emit.neg(rewriter, emit.sigmoid(rewriter, negate(rewriter, x))))


@pattern(Log, law="log s(x) = -softplus(-x)", example="log(sigmoid(x))", kind="stable")
def log_of_sigmoid(op: Operation, rewriter: Rewriter) -> None:
    x = inside(op.operands[0], Sigmoid)
    if x is not None:
        replace(op, rewriter, emit.neg(rewriter, _softplus(rewriter, negate(rewriter, x))))


@pattern(Log1p, law="log1p(-s(x)) = -softplus(x)", example="log1p(-sigmoid(x))", kind="stable")
def log1p_of_negated_sigmoid(op: Operation, rewriter: Rewriter) -> None:
    value = negated(op.operands[0])
    x = None if value is None else inside(value, Sigmoid)
    if x is not None:
        replace(op, rewriter, emit.neg(rewriter, _softplus(rewriter, x)))


@pattern(Log1p, law="log1p(e**x) = softplus(x)", example="log1p(exp(x))", kind="stable")
def log1p_of_power(op: Operation, rewriter: Rewriter) -> None:
    x = exponent(op.operands[0])
    if x is not None:
        replace(op, rewriter, _softplus(rewriter, x))


@pattern(
    Exp, law="e**softplus(x) = 1 + e**x, e**-softplus(x) = s(-x)", example="exp(-softplus(x))", kind="stable"
)
def power_of_softplus(op: Operation, rewriter: Rewriter) -> None:
    x = inside(op.operands[0], Softplus)
    if x is not None:
        replace(op, rewriter, emit.plus(rewriter, emit.exp(rewriter, x), 1))
        return
    value = negated(op.operands[0])
    x = None if value is None else inside(value, Softplus)
    if x is not None:
        replace(op, rewriter, emit.sigmoid(rewriter, negate(rewriter, x)))


PATTERNS = (
    quotient_is_sigmoid,
    power_times_sigmoid,
    one_minus_sigmoid,
    sigmoid_minus_one,
    log_of_sigmoid,
    log1p_of_negated_sigmoid,
    log1p_of_power,
    power_of_softplus,
)
