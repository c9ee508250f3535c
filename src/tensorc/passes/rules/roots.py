"""Roots, squares, absolute values: what overflows in between, and quotients that are only a sign."""

from __future__ import annotations

import numpy as np

from tensorc.ir.core import Operation, Value
from tensorc.ir.rewriter import Rewriter, pattern
from tensorc.ops import emit
from tensorc.ops.arithmetic import Abs, Div, Mul, Sqrt, Square
from tensorc.ops.transcendental import Pow
from tensorc.passes.rules.match import (
    at_least,
    inside,
    nan_unless,
    number_like,
    replace,
    same,
    squared,
    unsigned_zero,
)


@pattern(Sqrt, law="sqrt(x**2) = |x|", example="sqrt(x * x)", kind="stable")
def root_of_square(op: Operation, rewriter: Rewriter) -> None:
    x = squared(op.operands[0])
    if x is not None and x.type == op.result.type:
        rewriter.replace_op(op, Abs, [x])


@pattern(
    Mul, Square, Pow, law="sqrt(x)**2 = x for x >= 0, else NaN", example="sqrt(x) * sqrt(x)", kind="stable"
)
def square_of_root(op: Operation, rewriter: Rewriter) -> None:
    root = squared(op.result)
    x = None if root is None else inside(root, Sqrt)
    if x is None:
        return
    replace(op, rewriter, nan_unless(rewriter, at_least(rewriter, x, 0), unsigned_zero(rewriter, x)))


@pattern(Div, law="x / |x| = |x| / x = sign(x), NaN at 0", example="x / abs(x)", kind="stable")
def quotient_is_sign(op: Operation, rewriter: Rewriter) -> None:
    """0/0 stays NaN; the derivative, which is 0, no longer is a difference of quotients."""
    a, b = op.operands
    if same(inside(b, Abs), a):
        x: Value = a
    elif same(inside(a, Abs), b):
        x = b
    else:
        return
    nothing = emit.eq(rewriter, x, number_like(rewriter, x, 0))
    sign = emit.op(rewriter, "sign", x)
    replace(op, rewriter, emit.where(rewriter, nothing, number_like(rewriter, x, np.nan), sign))


PATTERNS = (root_of_square, square_of_root, quotient_is_sign)
