"""Integer powers by repeated squaring, in a loop that ends with the exponent's last bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tensorc.ir.core import Value
from tensorc.ops.loops.builder import LoopBuilder


def upow(b: LoopBuilder, x: Value, y: Value) -> Value:
    """x**y modulo 2**width, y read as unsigned (Knuth, TAOCP 2, section 4.6.3, algorithm A)."""
    kind = x.type
    zero, one = b.constant(0, kind), b.constant(1, kind)
    with b.while_([one, x, y]) as loop:
        result, square, rest = loop.args
        loop.condition(b.cmpi("ne", rest, zero), result, square, rest)
    with loop.do() as (result, square, rest):
        odd = b.cmpi("ne", b.andi(rest, one), zero)
        further = b.select(odd, b.muli(result, square), result)
        loop.yield_(further, b.muli(square, square), b.shrui(rest, one))
    return loop.results[0]


def ipow(b: LoopBuilder, x: Value, y: Value) -> Value:
    """x**y modulo 2**width; for negative y, 1 / x**-y rounded towards zero: ±1 for x = ±1, otherwise 0."""
    kind = x.type
    zero, one, minus = b.constant(0, kind), b.constant(1, kind), b.constant(-1, kind)
    negative = b.cmpi("slt", y, zero)
    power = upow(b, x, b.select(negative, zero, y))
    alternating = b.select(b.cmpi("ne", b.andi(y, one), zero), minus, one)
    unit = b.select(b.cmpi("eq", x, minus), alternating, b.select(b.cmpi("eq", x, one), one, zero))
    return b.select(negative, unit, power)


INTEGER_EXPANSIONS: Final[dict[str, Callable[[LoopBuilder, Value, Value], Value]]] = {
    "ipow": ipow,
    "upow": upow,
}
"""Called as `@tensorc_<name>_<iN>` before `expand-math`; the rows of `ops.scalar.INTEGER_FUNCTIONS`."""
