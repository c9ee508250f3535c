"""What rules look for: numbers, signs and sums through the forms in which programs write them. Nothing here
changes the IR, but for `negate`.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import OpDefinition
from tensorc.ir.rewriter import Rewriter
from tensorc.ir.types import FloatType, ScalarType, TensorType
from tensorc.ops import emit
from tensorc.ops.arithmetic import Add, Div, Mul, Neg, Square, Sub
from tensorc.ops.comparison import Ge
from tensorc.ops.gradients import ChainMul
from tensorc.ops.transcendental import Exp, Pow
from tensorc.passes.dce import is_dead
from tensorc.passes.fold import uniform


def element(value: Value) -> ScalarType:
    """The element type of a tensor."""
    return cast(TensorType, value.type).element


def is_float(value: Value) -> bool:
    """Whether a value is a tensor of floats."""
    return isinstance(value.type, TensorType) and isinstance(value.type.element, FloatType)


def is_number(value: Value, wanted: float) -> bool:
    """Whether every element of `value` is known to be `wanted`; -0.0 is not 0.0."""
    number = uniform(value)
    if number is None or number.dtype == np.bool_ or number != wanted:
        return False
    return bool(wanted != 0 or np.signbit(number) == np.signbit(wanted))


def is_zero(value: Value) -> bool:
    """Whether every element of `value` is known to be 0.0, -0.0 or 0."""
    number = uniform(value)
    return number is not None and number.dtype != np.bool_ and bool(number == 0)


def replace(op: Operation, rewriter: Rewriter, value: Value) -> None:
    """Let `value` stand for `op`'s result, unless it knows its shape less or better: then forget it."""
    if value.type == op.result.type:
        rewriter.replace_with(op, [value])
        return
    # Nothing was rewritten: what was built for it goes uncounted, or the driver would come back for ever.
    before = rewriter.changes
    unused = [value]
    while unused:
        made = unused.pop().owner
        if made is None or made.block is None or not is_dead(made):
            continue
        operands = list(made.operands)
        rewriter.erase(made)
        unused.extend(operands)
    rewriter.changes = before


def operand_of(value: Value, definition: type[OpDefinition]) -> Value | None:
    """x if `value` is definition(x), else None."""
    op = value.defining(definition)
    return None if op is None else op.operands[0]


def inside(value: Value, definition: type[OpDefinition]) -> Value | None:
    """x if `value` is definition(x) up to the sign of a zero, else None."""
    return operand_of(but_for_sign_of_zero(value), definition)


def but_for_sign_of_zero(value: Value) -> Value:
    """x if `value` is x + 0.0, which differs from x for -0.0 only; else `value`."""
    op = value.defining(Add)
    return op.operands[0] if op is not None and is_number(op.operands[1], 0.0) else value


def unsigned_zero(rewriter: Rewriter, x: Value) -> Value:
    """x with 0.0 in place of -0.0.

    For functions that keep the sign of a zero where what was written loses it: 1 + x is 1 for both.
    """
    return emit.plus(rewriter, x, 0.0)


def pairs(op: Operation) -> tuple[tuple[Value, Value], tuple[Value, Value]]:
    """The operands of a binary op, both ways round."""
    x, y = op.operands
    return (x, y), (y, x)


def negated(value: Value) -> Value | None:
    """x if `value` is -x, written as `-x`, `x * -1`, or `0 - x` (whose zero has another sign)."""
    op = value.owner
    if op is None:
        return None
    if op.definition is Neg:
        return op.operands[0]
    if op.definition is Mul:
        return next((x for x, y in pairs(op) if is_number(y, -1)), None)
    return op.operands[1] if op.definition is Sub and is_zero(op.operands[0]) else None


def plus_one(value: Value) -> Value | None:
    """x if `value` is 1 + x, else None."""
    op = value.owner
    if op is None or not is_float(value):
        return None
    if op.definition is Add:
        return next((x for x, y in pairs(op) if is_number(y, 1)), None)
    return op.operands[0] if op.definition is Sub and is_number(op.operands[1], -1) else None


def minus_one(value: Value) -> Value | None:
    """x if `value` is x - 1, else None."""
    op = value.owner
    if op is None or not is_float(value):
        return None
    if op.definition is Add:
        return next((x for x, y in pairs(op) if is_number(y, -1)), None)
    return op.operands[0] if op.definition is Sub and is_number(op.operands[1], 1) else None


def one_minus(value: Value) -> Value | None:
    """x if `value` is 1 - x, also written as `-x + 1` or `-(x - 1)`."""
    op = value.owner
    if op is None or not is_float(value):
        return None
    if op.definition is Sub and is_number(op.operands[0], 1):
        return op.operands[1]
    added = plus_one(value)
    if added is not None:
        return negated(added)
    inner = negated(value)
    return None if inner is None else minus_one(inner)


def quotient(value: Value) -> tuple[Value | None, Value] | None:
    """(a, b) if `value` is a / b; (None, b) for 1 / b and b**-1."""
    op = value.owner
    if op is None or not is_float(value):
        return None
    if op.definition is Div:
        a, b = op.operands
        return (None if is_number(a, 1) else a), b
    if op.definition is Pow and is_number(op.operands[1], -1):
        return None, op.operands[0]
    return None


def squared(value: Value) -> Value | None:
    """x if `value` is x*x, square(x) or x**2."""
    op = value.owner
    if op is None:
        return None
    if op.definition is Square:
        return op.operands[0]
    if op.definition in (Mul, ChainMul) and op.operands[0] is op.operands[1]:
        return op.operands[0]
    return op.operands[0] if op.definition is Pow and is_number(op.operands[1], 2) else None


def exponent(value: Value) -> Value | None:
    """x if `value` is exp(x)."""
    return inside(value, Exp)


def opposite(x: Value, y: Value) -> bool:
    """Whether y is written as -x, or x as -y."""
    return same(negated(y), x) or same(negated(x), y)


def same(x: Value | None, y: Value | None) -> bool:
    """Whether two values are one, or the same op on the same operands."""
    if x is None or y is None:
        return False
    if x is y:
        return True
    p, q = x.owner, y.owner
    if p is None or q is None or p.definition is not q.definition or p.regions or p.definition is None:
        return False
    return list(p.operands) == list(q.operands) and p.attributes == q.attributes


def negate(rewriter: Rewriter, x: Value) -> Value:
    """-x up to the sign of zero, without piling up signs: y for x = -y, b - a for a - b, a + b for -a - b."""
    inner = negated(x)
    if inner is not None:
        return inner
    difference = x.defining(Sub)
    if difference is None:
        return emit.neg(rewriter, x)
    a, b = difference.operands
    first = negated(a)
    result = emit.add(rewriter, first, b) if first is not None else emit.sub(rewriter, b, a)
    return result if result.type == x.type else emit.neg(rewriter, x)


def number_like(rewriter: Rewriter, x: Value, number: Any) -> Value:
    """A tensor of one number with the shape and element type of `x`."""
    return emit.full_like(rewriter, x, number)


def at_least(rewriter: Rewriter, x: Value, least: float) -> Value:
    """x >= least, elementwise."""
    return rewriter.create(Ge, [x, number_like(rewriter, x, least)])[0]


def nan_unless(rewriter: Rewriter, condition: Value, x: Value) -> Value:
    """x where the condition holds, NaN elsewhere."""
    return emit.where(rewriter, condition, x, number_like(rewriter, x, np.nan))
