"""Sums, products, signs: identities that IEEE arithmetic and wrapping integers keep to the bit.

What is not here is left out on purpose: x*0, 0/x, x-x, (a*b)/b, (x+y)-x, x+0.0 (which turns -0.0 into 0.0)
and 0.0-x are not identities of floats.
"""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import Trait
from tensorc.ir.rewriter import Rewriter, pattern
from tensorc.ir.types import FloatType, IntegerType, ScalarType, f32
from tensorc.ops import emit
from tensorc.ops.arithmetic import Abs, Add, Cast, Div, Mul, Neg, Square, Sub
from tensorc.ops.attrs import CastAttrs
from tensorc.ops.dtypes import is_signed_integer
from tensorc.ops.families import Pointwise
from tensorc.ops.gradients import ChainDiv, ChainMul
from tensorc.ops.transcendental import Erfc, Exp, Exp2, Pow, Sigmoid, Softplus
from tensorc.passes.fold import uniform
from tensorc.passes.rules.match import element, is_float, is_number, is_zero, operand_of, replace


@pattern(Pointwise, law="c op x = x op c for commutative op, c constant", example="2.0 * x")
def constant_right(op: Operation, rewriter: Rewriter) -> None:
    if not op.has_trait(Trait.COMMUTATIVE) or len(op.operands) != 2:
        return
    x, y = op.operands
    if uniform(x) is not None and uniform(y) is None:
        rewriter.set_operands(op, [y, x])


@pattern(Sub, law="x - c = x + (-c) for a constant c", example="x - 3.0")
def subtract_constant(op: Operation, rewriter: Rewriter) -> None:
    x, c = op.operands
    if uniform(c) is not None and uniform(x) is None and not _is_bool(x):
        rewriter.replace_op(op, Add, [x, emit.neg(rewriter, c)])


@pattern(Add, law="x + (-0.0) = x; for integers x + 0 = x", example="x + (-0.0)")
def add_nothing(op: Operation, rewriter: Rewriter) -> None:
    x, c = op.operands
    if is_number(c, -0.0 if is_float(c) else 0):
        replace(op, rewriter, x)


@pattern(
    Add, law="f(x) + 0.0 = f(x) where f never gives -0.0, as e**x, |x| or y + 0.0", example="exp(x) + 0.0"
)
def add_zero_to_unsigned(op: Operation, rewriter: Rewriter) -> None:
    x, c = op.operands
    if not is_float(x) or not is_number(c, 0.0) or x.owner is None:
        return
    unsigned = x.owner.definition in _UNSIGNED
    if unsigned or (x.owner.definition is Add and is_number(x.owner.operands[1], 0.0)):
        replace(op, rewriter, x)


_UNSIGNED = (Abs, Square, Exp, Exp2, Sigmoid, Softplus, Erfc)


@pattern(Mul, law="x * 1 = x", example="x * 1.0")
def multiply_by_one(op: Operation, rewriter: Rewriter) -> None:
    if is_number(op.operands[1], 1):
        replace(op, rewriter, op.operands[0])


@pattern(Mul, law="x * 0 = 0 for integers", example="cast(x, i32) * full_like(cast(x, i32), 0)")
def multiply_integer_by_zero(op: Operation, rewriter: Rewriter) -> None:
    if isinstance(element(op.result), IntegerType) and is_zero(op.operands[1]):
        replace(op, rewriter, op.operands[1])


@pattern(Mul, law="x * -1 = -x", example="x * -1.0")
def multiply_by_minus_one(op: Operation, rewriter: Rewriter) -> None:
    if is_number(op.operands[1], -1) and op.operands[0].type == op.result.type:
        rewriter.replace_op(op, Neg, [op.operands[0]])


@pattern(Div, law="x / 1 = x", example="x / 1.0")
def divide_by_one(op: Operation, rewriter: Rewriter) -> None:
    if is_number(op.operands[1], 1):
        replace(op, rewriter, op.operands[0])


@pattern(Div, law="x / c = x * (1/c) for a power of two", example="x / 4.0")
def divide_by_power_of_two(op: Operation, rewriter: Rewriter) -> None:
    x, c = op.operands
    number = uniform(c)
    if number is None or uniform(x) is not None or not _has_exact_reciprocal(number):
        return
    rewriter.replace_op(op, Mul, [x, emit.div(rewriter, emit.ones_like(rewriter, c), c)])


def _has_exact_reciprocal(number: Any) -> bool:
    if not np.isfinite(number) or number == 0 or abs(math.frexp(float(number))[0]) != 0.5:
        return False
    with np.errstate(all="ignore"):
        inverse = 1 / number
    # The reciprocal of a large power of two is subnormal; it is exact, but slow on some processors, and that
    # of a small one overflows.
    return bool(np.isfinite(inverse) and abs(inverse) >= np.finfo(number.dtype).tiny)


@pattern(Neg, law="-(-x) = x", example="-(-x)")
def negate_twice(op: Operation, rewriter: Rewriter) -> None:
    inner = operand_of(op.operands[0], Neg)
    if inner is not None:
        replace(op, rewriter, inner)


@pattern(Sub, law="-0.0 - x = -x; for integers 0 - x = -x", example="(-0.0) - x")
def subtract_from_nothing(op: Operation, rewriter: Rewriter) -> None:
    c, x = op.operands
    if is_number(c, -0.0 if is_float(c) else 0) and x.type == op.result.type:
        rewriter.replace_op(op, Neg, [x])


@pattern(Add, law="a + (-b) = a - b", example="x + (-y)")
def add_negated(op: Operation, rewriter: Rewriter) -> None:
    for a, b in ((op.operands[0], op.operands[1]), (op.operands[1], op.operands[0])):
        inner = operand_of(b, Neg)
        if inner is not None:
            rewriter.replace_op(op, Sub, [a, inner])
            return


@pattern(Sub, law="a - (-b) = a + b", example="x - (-y)")
def subtract_negated(op: Operation, rewriter: Rewriter) -> None:
    a, b = op.operands
    inner = operand_of(b, Neg)
    if inner is not None:
        rewriter.replace_op(op, Add, [a, inner])


@pattern(Mul, Div, law="(-a) * (-b) = a * b, and so for quotients", example="(-x) * (-y)")
def signs_cancel(op: Operation, rewriter: Rewriter) -> None:
    a, b = (operand_of(v, Neg) for v in op.operands)
    if a is not None and b is not None:
        rewriter.set_operands(op, [a, b])


@pattern(Mul, Div, law="(-a) * c = a * (-c) for a constant c, and so for quotients", example="(-x) * 3.0")
def negate_constant(op: Operation, rewriter: Rewriter) -> None:
    a, c = op.operands
    for x, number, order in ((a, c, 1), (c, a, -1)):
        inner = operand_of(x, Neg)
        if inner is not None and uniform(number) is not None:
            rewriter.set_operands(op, [inner, emit.neg(rewriter, number)][::order])
            return


@pattern(Mul, Div, law="(-a) * b = -(a * b), and so for quotients and the other side", example="(-x) * y + x")
def hoist_sign(op: Operation, rewriter: Rewriter) -> None:
    operands = list(op.operands)
    for number, value in enumerate(operands):
        inner = operand_of(value, Neg)
        if inner is None or op.definition is None:
            continue
        operands[number] = inner
        product = rewriter.create(op.definition, operands)[0]
        rewriter.replace_op(op, Neg, [product])
        return


@pattern(Neg, law="-(a * c) = a * (-c) for a constant c", example="-(x * 3.0)")
def negate_scaled(op: Operation, rewriter: Rewriter) -> None:
    scaled = op.operands[0].defining(Mul)
    if scaled is not None and uniform(scaled.operands[1]) is not None:
        a, c = scaled.operands
        rewriter.replace_op(op, Mul, [a, emit.neg(rewriter, c)])


@pattern(Abs, law="||x|| = |x|; |-x| = |x| but for unsigned integers", example="abs(-x)")
def absolute_of_signed(op: Operation, rewriter: Rewriter) -> None:
    inner = op.operands[0].owner
    if inner is None or inner.definition not in (Neg, Abs):
        return
    # -x of an unsigned integer is 2**w - x, and |x| is x.
    if inner.definition is Abs or is_float(op.result) or is_signed_integer(element(op.result)):
        rewriter.replace_op(op, Abs, [inner.operands[0]])


@pattern(Mul, Div, law="|a| * |b| = |a * b|, |a| / |b| = |a / b|, on floats", example="abs(x) * abs(y)")
def merge_absolutes(op: Operation, rewriter: Rewriter) -> None:
    a, b = (operand_of(v, Abs) for v in op.operands)
    if a is None or b is None or not is_float(a) or op.definition is None:
        return
    inside = rewriter.create(op.definition, [a, b])[0]
    rewriter.replace_op(op, Abs, [inside])


@pattern(Pow, law="x**2 = x*x, x**-1 = 1/x, on floats", example="x ** 2.0", kind="rounding", ulp=1)
def small_power(op: Operation, rewriter: Rewriter) -> None:
    x, c = op.operands
    if not is_float(x) or x.type != op.result.type:
        return
    if is_number(c, 2):
        rewriter.replace_op(op, Square, [x])
    elif is_number(c, -1):
        rewriter.replace_op(op, Div, [emit.ones_like(rewriter, x), x])


@pattern(Pow, law="x**1 = x, x**0 = 1", example="x ** 1.0")
def trivial_power(op: Operation, rewriter: Rewriter) -> None:
    x, c = op.operands
    if is_number(c, 1):
        replace(op, rewriter, x)
    elif is_zero(c):
        replace(op, rewriter, emit.ones_like(rewriter, c))


@pattern(
    ChainMul,
    law="chain_mul(c, p) = c * p for a constant c that is not 0",
    example="chain_mul(full_like(x, 3.0), x)",
)
def chain_mul_of_constant(op: Operation, rewriter: Rewriter) -> None:
    g, p = op.operands
    number = uniform(g)
    if number is not None and number != 0:
        rewriter.replace_op(op, Mul, [g, p])


@pattern(
    ChainDiv,
    law="chain_div(c, d) = c / d for a constant c that is not 0",
    example="chain_div(full_like(x, 3.0), x)",
)
def chain_div_of_constant(op: Operation, rewriter: Rewriter) -> None:
    g, d = op.operands
    number = uniform(g)
    if number is not None and number != 0:
        rewriter.replace_op(op, Div, [g, d])


@pattern(
    ChainMul,
    ChainDiv,
    law="chain_mul(0, p) = 0, chain_div(0, d) = 0",
    example="chain_mul(full_like(x, 0.0), x)",
)
def chain_of_zero(op: Operation, rewriter: Rewriter) -> None:
    if is_zero(op.operands[0]):
        replace(op, rewriter, emit.zeros_like(rewriter, op.operands[0]))


@pattern(Cast, law="cast to the same type is nothing", example="cast(x, f64)")
def cast_to_same(op: Operation, rewriter: Rewriter) -> None:
    replace(op, rewriter, op.operands[0])


@pattern(
    Cast,
    law="a cast through a type that holds every value is the cast itself",
    example="cast(cast(cast(x, i16), i32), i8)",
)
def cast_of_cast(op: Operation, rewriter: Rewriter) -> None:
    inner = op.operands[0].defining(Cast)
    if inner is None:
        return
    x = inner.operands[0]
    source, middle, target = element(x), element(inner.result), element(op.result)
    # From a float to an integer the values out of range differ between float types, so that only a way back
    # is shortened.
    safe = holds(middle, source) and (isinstance(source, IntegerType) or source == target)
    if safe and (
        not isinstance(middle, FloatType) or not isinstance(target, IntegerType) or holds(target, source)
    ):
        rewriter.replace_op(op, Cast, [x], CastAttrs(target))


def holds(wide: ScalarType, narrow: ScalarType) -> bool:
    """Whether every value of `narrow` is a value of `wide`."""
    if wide == narrow:
        return True
    if isinstance(narrow, FloatType):
        return isinstance(wide, FloatType) and wide.width >= narrow.width
    assert isinstance(narrow, IntegerType)
    bits = narrow.width if narrow.unsigned or narrow.width == 1 else narrow.width - 1
    if isinstance(wide, FloatType):
        return bits <= (24 if wide == f32 else 53)
    signed = not narrow.unsigned and narrow.width > 1
    target = cast(IntegerType, wide)
    if target.width == 1 or (signed and target.unsigned):
        return False
    return bits <= (target.width if target.unsigned else target.width - 1)


def _is_bool(x: Value) -> bool:
    found = element(x)
    return isinstance(found, IntegerType) and found.width == 1


PATTERNS = (
    constant_right,
    subtract_constant,
    add_nothing,
    add_zero_to_unsigned,
    multiply_by_one,
    multiply_integer_by_zero,
    multiply_by_minus_one,
    divide_by_one,
    divide_by_power_of_two,
    negate_twice,
    subtract_from_nothing,
    add_negated,
    subtract_negated,
    signs_cancel,
    negate_constant,
    hoist_sign,
    negate_scaled,
    absolute_of_signed,
    merge_absolutes,
    small_power,
    trivial_power,
    chain_mul_of_constant,
    chain_div_of_constant,
    chain_of_zero,
    cast_to_same,
    cast_of_cast,
)
