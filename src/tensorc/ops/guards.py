"""Scalar code that is defined on every input: division, shifts and float-to-integer conversion with
NumPy's values on x86-64.

Every function takes the `ScalarBuilder` `s` and register values. The guard selects a harmless operand
*before* the instruction that would
trap or give poison, and selects the wanted value after it.
"""

from __future__ import annotations

from typing import Any

from tensorc.ir.types import FloatType, IntegerType, ScalarType, f32, f64, i1, i32, i64
from tensorc.ops.dtypes import is_floating, is_signed_integer, signless


def zero(s: Any, x: Any) -> Any:
    return s.constant(0, x.type)


def is_zero(s: Any, x: Any) -> Any:
    return s.cmpi("eq", x, zero(s, x))


def divide_floor(s: Any, x: Any, y: Any, signed: bool) -> tuple[Any, Any]:
    """Quotient rounded down and remainder with the divisor's sign; both 0 for a zero divisor; INT_MIN // -1
    wraps to INT_MIN, remainder 0.
    """
    none, one = zero(s, x), s.constant(1, x.type)
    by_zero = is_zero(s, y)
    if not signed:
        d = s.select(by_zero, one, y)
        return s.select(by_zero, none, s.divui(x, d)), s.select(by_zero, none, s.remui(x, d))
    by_minus_one = s.cmpi("eq", y, s.constant(-1, x.type))
    d = s.select(s.ori(by_zero, by_minus_one), one, y)
    q, r = s.divsi(x, d), s.remsi(x, d)
    uneven = s.cmpi("ne", r, none)
    opposed = s.cmpi("slt", s.xori(r, y), none)
    down = s.andi(uneven, opposed)
    q = s.select(down, s.subi(q, one), q)
    r = s.select(down, s.addi(r, y), r)
    q = s.select(by_minus_one, s.subi(none, x), q)
    return s.select(by_zero, none, q), s.select(by_zero, none, r)


def float_divide_floor(s: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """floor(x / y) and the remainder with the divisor's sign, as NumPy computes them from `fmod`
    (`npy_divmod` in its documentation).

    A zero divisor gives x / 0 and NaN.
    """
    none, one, half = s.constant(0.0, x.type), s.constant(1.0, x.type), s.constant(0.5, x.type)
    r = s.remf(x, y)
    q = s.divf(s.subf(x, r), y)
    uneven = s.cmpf("une", r, none)
    opposed = s.xori(s.cmpf("olt", y, none), s.cmpf("olt", r, none))
    down = s.andi(uneven, opposed)
    q = s.select(down, s.subf(q, one), q)
    r = s.select(uneven, s.select(down, s.addf(r, y), r), s.copysign(none, y))
    whole = s.floor(q)
    whole = s.select(s.cmpf("ogt", s.subf(q, whole), half), s.addf(whole, one), whole)
    direct = s.divf(x, y)
    q = s.select(s.cmpf("une", q, none), whole, s.copysign(none, direct))
    by_zero = s.cmpf("oeq", y, none)
    return s.select(by_zero, direct, q), s.select(by_zero, s.remf(x, y), r)


def shift(s: Any, kind: str, x: Any, amount: Any) -> Any:
    """`kind` is shli, shrui or shrsi; an amount that, read as unsigned, reaches the width gives 0, or the
    sign for shrsi.
    """
    width = x.type.width
    inside = s.cmpi("ult", amount, s.constant(width, amount.type))
    safe = s.select(inside, amount, zero(s, amount))
    shifted = getattr(s, kind)(x, safe)
    if kind == "shrsi":
        return s.select(inside, shifted, s.shrsi(x, s.constant(width - 1, x.type)))
    return s.select(inside, shifted, zero(s, x))


def truncate(s: Any, x: Any, to: IntegerType) -> Any:
    """Float to signed integer of `to`'s width, like the x86 instruction: NaN and what does not fit give the
    least integer.
    """
    bound = s.constant(2.0 ** (to.width - 1), x.type)
    # -2**(w-1) itself fits, and so do floats that truncate to it; only f64 can hold those for w = 32.
    below = s.constant(-(2.0 ** (to.width - 1)) - (1.0 if _holds(x.type, to.width) else 0.0), x.type)
    low = s.cmpf("ogt" if _holds(x.type, to.width) else "oge", x, below)
    fits = s.andi(low, s.cmpf("olt", x, bound))
    safe = s.select(fits, x, s.constant(0.0, x.type))
    return s.select(fits, s.fptosi(safe, to), s.constant(-(1 << (to.width - 1)), to))


def _holds(type: FloatType, width: int) -> bool:
    """Whether -2**(width-1) - 1 is exact in the float type."""
    return {f32: 24, f64: 53}[type] >= width


def truncate_unsigned(s: Any, x: Any, to: IntegerType) -> Any:
    """Float to `ui64` as NumPy on x86-64: what reaches half the range goes through `truncate` shifted down by
    it.

    Negative numbers wrap, NaN gives 2**63, too large ones 0.
    """
    half = s.constant(2.0 ** (to.width - 1), x.type)
    big = s.cmpf("oge", x, half)
    converted = truncate(s, s.select(big, s.subf(x, half), x), to)
    return s.xori(converted, s.select(big, s.constant(-(1 << (to.width - 1)), to), s.constant(0, to)))


def float_to_integer(s: Any, x: Any, target: IntegerType) -> Any:
    """A float as the integer element `target`, with NumPy's values on x86-64 for every input."""
    register = IntegerType(target.width)
    if target.width < 32:
        return s.trunci(truncate(s, x, i32), register)
    if target.unsigned and target.width == 32:  # as C compilers do; NumPy's vector loops differ out of range
        return s.trunci(truncate(s, x, i64), register)
    if target.unsigned:
        return truncate_unsigned(s, x, register)
    return truncate(s, x, register)


def convert(s: Any, x: Any, source: ScalarType, target: ScalarType) -> Any:
    """`x` of element type `source` as `target`: NumPy's `astype`."""
    if source == target:
        return x
    if target == i1:
        return (
            s.cmpf("une", x, s.constant(0.0, x.type)) if is_floating(source) else s.cmpi("ne", x, zero(s, x))
        )
    if is_floating(source):
        return _from_float(s, x, source, target)
    signed = is_signed_integer(source)
    if is_floating(target):
        return s.sitofp(x, target) if signed else s.uitofp(x, target)
    return _between_integers(s, x, signed, signless(target))


def _from_float(s: Any, x: Any, source: ScalarType, target: ScalarType) -> Any:
    if isinstance(target, IntegerType):
        return float_to_integer(s, x, target)
    assert isinstance(source, FloatType)
    assert isinstance(target, FloatType)
    return s.extf(x, target) if target.width > source.width else s.truncf(x, target)


def _between_integers(s: Any, x: Any, signed: bool, register: ScalarType) -> Any:
    assert isinstance(register, IntegerType)
    if register.width == x.type.width:
        return x
    if register.width < x.type.width:
        return s.trunci(x, register)
    return s.extsi(x, register) if signed else s.extui(x, register)
