"""`math`: functions of one or a few floats or integers.

`symbol` is the C library's double-precision name (float: with an `f` appended) of a function that is neither
an LLVM intrinsic everywhere nor expanded by the pass `expand-math`.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any, ClassVar

import numpy as np

from tensorc.ir.definition import Attrs, register
from tensorc.ir.types import Type
from tensorc.ops.loops.base import FloatOp, SignedOp, unsigned, width, wrap


class MathOp(FloatOp):
    """One float operand unless `arity` says otherwise."""

    arity = 1
    symbol: ClassVar[str | None] = None


@cache
def _scipy(name: str) -> Any:
    import scipy.special

    return getattr(scipy.special, name)


@register
class Exp(MathOp):
    """`math.exp`."""

    name = "math.exp"
    function = np.exp
    symbol = "exp"


@register
class Exp2(MathOp):
    """`math.exp2`."""

    name = "math.exp2"
    function = np.exp2
    symbol = "exp2"


@register
class ExpM1(MathOp):
    """`math.expm1`: exp(x) - 1."""

    name = "math.expm1"
    function = np.expm1
    symbol = "expm1"


@register
class Log(MathOp):
    """`math.log`: natural logarithm; -inf at ±0, NaN below."""

    name = "math.log"
    function = np.log
    symbol = "log"


@register
class Log2(MathOp):
    """`math.log2`."""

    name = "math.log2"
    function = np.log2
    symbol = "log2"


@register
class Log10(MathOp):
    """`math.log10`."""

    name = "math.log10"
    function = np.log10
    symbol = "log10"


@register
class Log1p(MathOp):
    """`math.log1p`: log(1 + x)."""

    name = "math.log1p"
    function = np.log1p
    symbol = "log1p"


@register
class Sin(MathOp):
    """`math.sin`."""

    name = "math.sin"
    function = np.sin
    symbol = "sin"


@register
class Cos(MathOp):
    """`math.cos`."""

    name = "math.cos"
    function = np.cos
    symbol = "cos"


@register
class Tan(MathOp):
    """`math.tan`."""

    name = "math.tan"
    function = np.tan
    symbol = "tan"


@register
class Asin(MathOp):
    """`math.asin`."""

    name = "math.asin"
    function = np.arcsin
    symbol = "asin"


@register
class Acos(MathOp):
    """`math.acos`."""

    name = "math.acos"
    function = np.arccos
    symbol = "acos"


@register
class Atan(MathOp):
    """`math.atan`."""

    name = "math.atan"
    function = np.arctan
    symbol = "atan"


@register
class Sinh(MathOp):
    """`math.sinh`."""

    name = "math.sinh"
    function = np.sinh
    symbol = "sinh"


@register
class Cosh(MathOp):
    """`math.cosh`."""

    name = "math.cosh"
    function = np.cosh
    symbol = "cosh"


@register
class Tanh(MathOp):
    """`math.tanh`."""

    name = "math.tanh"
    function = np.tanh
    symbol = "tanh"


@register
class Asinh(MathOp):
    """`math.asinh`."""

    name = "math.asinh"
    function = np.arcsinh
    symbol = "asinh"


@register
class Acosh(MathOp):
    """`math.acosh`."""

    name = "math.acosh"
    function = np.arccosh
    symbol = "acosh"


@register
class Atanh(MathOp):
    """`math.atanh`."""

    name = "math.atanh"
    function = np.arctanh
    symbol = "atanh"


@register
class Cbrt(MathOp):
    """`math.cbrt`: cube root."""

    name = "math.cbrt"
    function = np.cbrt
    symbol = "cbrt"


def _erf(x: Any) -> Any:
    return _scipy("erf")(x)


@register
class Erf(MathOp):
    """`math.erf`: the error function (DLMF 7.2.1)."""

    name = "math.erf"
    function = staticmethod(_erf)
    symbol = "erf"


@register
class Sqrt(MathOp):
    """`math.sqrt`: correctly rounded; -0 at -0, NaN below."""

    name = "math.sqrt"
    function = np.sqrt


def _rsqrt(x: Any) -> Any:
    return x.dtype.type(1) / np.sqrt(x)


@register
class Rsqrt(MathOp):
    """`math.rsqrt`: 1 / sqrt(x), the quotient and the root each rounded."""

    name = "math.rsqrt"
    function = staticmethod(_rsqrt)


@register
class AbsF(MathOp):
    """`math.absf`: clears the sign bit."""

    name = "math.absf"
    function = np.abs


@register
class Floor(MathOp):
    """`math.floor`."""

    name = "math.floor"
    function = np.floor


@register
class Ceil(MathOp):
    """`math.ceil`."""

    name = "math.ceil"
    function = np.ceil


@register
class Trunc(MathOp):
    """`math.trunc`: towards zero."""

    name = "math.trunc"
    function = np.trunc


def _round_away(x: Any) -> Any:
    whole = np.trunc(x)
    step = np.where(np.abs(x - whole) >= 0.5, np.copysign(x.dtype.type(1), x), x.dtype.type(0))
    return np.where(np.isfinite(x), np.copysign(whole + step, x), x)[()].astype(x.dtype)


@register
class Round(MathOp):
    """`math.round`: to nearest, halves away from zero."""

    name = "math.round"
    function = staticmethod(_round_away)


@register
class RoundEven(MathOp):
    """`math.roundeven`: to nearest, halves to even."""

    name = "math.roundeven"
    function = np.rint


@register
class CopySign(MathOp):
    """`math.copysign`: the first operand with the sign of the second."""

    name = "math.copysign"
    arity = 2
    function = np.copysign


@register
class Atan2(MathOp):
    """`math.atan2`."""

    name = "math.atan2"
    arity = 2
    function = np.arctan2
    symbol = "atan2"


def _pow(x: Any, y: Any) -> Any:
    # NumPy takes a square root for a scalar exponent 0.5, which is NaN at -inf; on arrays it calls C's pow.
    return np.power(np.atleast_1d(x), np.atleast_1d(y)).reshape(np.shape(x))[()]


@register
class PowF(MathOp):
    """`math.powf`: C's `pow`."""

    name = "math.powf"
    arity = 2
    function = staticmethod(_pow)
    symbol = "pow"


def _fma32(a: Any, b: Any, c: Any) -> Any:
    """Exact product in double, the sum rounded to odd, then to float (Boldo & Melquiond 2008, Theorem 3: 53
    >= 2*24 + 2 bits).
    """
    product = a.astype(np.float64) * b.astype(np.float64)
    addend = c.astype(np.float64)
    total = product + addend
    part = total - product
    error = (product - (total - part)) + (addend - part)
    even = (total.view(np.int64) & 1) == 0
    inexact = np.isfinite(total) & (error != 0) & even
    toward = np.where((error > 0) == (total > 0), 1, -1)
    odd = (np.asarray(total).view(np.int64) + np.where(inexact, toward, 0)).view(np.float64)
    return odd[()].astype(np.float32)


def _fma64_one(a: float, b: float, c: float) -> float:
    naive = a * b + c
    if not (np.isfinite(a) and np.isfinite(b)):
        return naive
    if not np.isfinite(c):
        return c
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    if exact == 0:
        return 0.0 if a != 0 and b != 0 else naive
    try:
        return float(exact)
    except OverflowError:
        return float("inf") if exact > 0 else float("-inf")


def _fma(a: Any, b: Any, c: Any) -> Any:
    if a.dtype == np.float32:
        return _fma32(a, b, c)
    if a.ndim == 0:
        return np.float64(_fma64_one(float(a), float(b), float(c)))
    return np.array([_fma64_one(*row) for row in zip(a.flat, b.flat, c.flat, strict=True)]).reshape(a.shape)


@register
class Fma(MathOp):
    """`math.fma`: a*b + c rounded once."""

    name = "math.fma"
    arity = 3
    function = staticmethod(_fma)


class _IntegerMathOp(SignedOp):
    arity = 1


@register
class AbsI(_IntegerMathOp):
    """`math.absi`: INT_MIN stays INT_MIN."""

    name = "math.absi"
    function = np.abs


@register
class CtPop(_IntegerMathOp):
    """`math.ctpop`: the number of one bits."""

    name = "math.ctpop"

    @classmethod
    def evaluate(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        return wrap(result, np.bitwise_count(unsigned(xs[0])))


def _bit_length(x: Any) -> Any:
    length = np.zeros(np.shape(x), np.int64)
    for shift in range(x.dtype.itemsize * 8):
        length = np.where((x >> x.dtype.type(shift)) != 0, shift + 1, length)
    return length[()]


@register
class CtLz(_IntegerMathOp):
    """`math.ctlz`: the number of leading zero bits; the width at 0."""

    name = "math.ctlz"

    @classmethod
    def evaluate(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        return wrap(result, width(result) - _bit_length(unsigned(xs[0])))


@register
class CtTz(_IntegerMathOp):
    """`math.cttz`: the number of trailing zero bits; the width at 0."""

    name = "math.cttz"

    @classmethod
    def evaluate(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        bits = unsigned(xs[0])
        lowest = bits & (~bits + bits.dtype.type(1))
        return wrap(result, np.where(bits == 0, width(result), _bit_length(lowest) - 1)[()])
