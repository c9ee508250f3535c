"""The scalar ops as LLVM instructions, intrinsics and C library calls.

No instruction here carries a fast-math flag, `nsw`, `nuw` or `exact`. Integer division, shifts and
float-to-integer conversion are emitted as they are: whoever builds them guards their operands, and the loop
interpreter raises where a guard is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from tensorc.codegen_llvm.emitter_values import Scalar, llvm_type
from tensorc.ir.core import Operation
from tensorc.ir.definition import OpDefinition
from tensorc.ops.loops import arith, casts, math
from tensorc.ops.loops.base import width

if TYPE_CHECKING:
    from tensorc.codegen_llvm.emitter import Emitter

INSTRUCTIONS: dict[type[OpDefinition], str] = {
    arith.AddF: "fadd",
    arith.SubF: "fsub",
    arith.MulF: "fmul",
    arith.DivF: "fdiv",
    arith.RemF: "frem",
    arith.NegF: "fneg",
    arith.SubI: "sub",
    arith.DivSI: "sdiv",
    arith.DivUI: "udiv",
    arith.RemSI: "srem",
    arith.RemUI: "urem",
    arith.AndI: "and",
    arith.OrI: "or",
    arith.XOrI: "xor",
    arith.ShLI: "shl",
    arith.ShRSI: "ashr",
    arith.ShRUI: "lshr",
}

INTRINSICS: dict[type[OpDefinition], str] = {
    arith.MaxSI: "smax",
    arith.MinSI: "smin",
    arith.MaxUI: "umax",
    arith.MinUI: "umin",
    math.Sqrt: "sqrt",
    math.AbsF: "fabs",
    math.Floor: "floor",
    math.Ceil: "ceil",
    math.Trunc: "trunc",
    math.Round: "round",
    math.RoundEven: "roundeven",
    math.CopySign: "copysign",
    math.Fma: "fma",
    math.CtPop: "ctpop",
}

# Intrinsics with a trailing `i1`: "poison at INT_MIN" or "poison at zero", never asked for.
FLAGGED_INTRINSICS: dict[type[OpDefinition], str] = {math.AbsI: "abs", math.CtLz: "ctlz", math.CtTz: "cttz"}

CONVERSIONS: dict[type[OpDefinition], str] = {
    casts.ExtSI: "sext",
    casts.ExtUI: "zext",
    casts.TruncI: "trunc",
    casts.ExtF: "fpext",
    casts.TruncF: "fptrunc",
    casts.SIToFP: "sitofp",
    casts.UIToFP: "uitofp",
    casts.FPToSI: "fptosi",
    casts.FPToUI: "fptoui",
    casts.Bitcast: "bitcast",
}


def emit_scalar(e: Emitter, op: Operation) -> Scalar | None:
    """The result of a scalar op, its instructions appended; None if the op is not of this table."""
    definition = op.definition
    if definition is None:
        return None
    special = SPECIAL.get(definition)
    if special is not None:
        return special(e, op)
    xs = [e.scalar(v) for v in op.operands]
    if definition in INSTRUCTIONS:
        return e.let(xs[0].type, f"{INSTRUCTIONS[definition]} {xs[0].type} {_texts(xs)}")
    if definition in INTRINSICS:
        return e.intrinsic(INTRINSICS[definition], xs[0].type, xs)
    if definition in FLAGGED_INTRINSICS:
        return e.intrinsic(FLAGGED_INTRINSICS[definition], xs[0].type, [xs[0], Scalar("i1", "false")])
    if definition in CONVERSIONS:
        target = llvm_type(op.result.type)
        return e.let(target, f"{CONVERSIONS[definition]} {xs[0]} to {target}")
    if issubclass(definition, math.MathOp) and definition.symbol is not None:
        return e.library(definition.symbol, xs)
    return None


def _texts(xs: list[Scalar]) -> str:
    return ", ".join(x.text for x in xs)


_MIRROR: Final = str.maketrans("gl", "lg")
"""`a > b` is `b < a`."""


def _compare(e: Emitter, op: Operation) -> Scalar:
    attrs = op.attrs
    assert isinstance(attrs, arith.PredicateAttrs)
    integers = op.isa(arith.CmpI)
    word = (arith.CmpI if integers else arith.CmpF).predicate_name(attrs)
    a, b = (e.scalar(v) for v in op.operands)
    if a.text.startswith("splat") and b.text.startswith("%"):  # the machine reads its second operand in place
        a, b, word = b, a, word if word == "false" else word.translate(_MIRROR)
    truth = llvm_type(op.result.type)
    if a.type == truth and word in ("eq", "ne"):  # of truth values: there is no such comparison of masks
        differ = e.let(truth, f"xor {a}, {b.text}")
        flip = "true" if truth == "i1" else "splat (i1 true)"
        return differ if word == "ne" else e.let(truth, f"xor {differ}, {flip}")
    return e.let(truth, f"{'icmp' if integers else 'fcmp'} {word} {a}, {b.text}")


def _select(e: Emitter, op: Operation) -> Scalar:
    condition, yes, no = (e.scalar(v) for v in op.operands)
    return e.let(yes.type, f"select {condition}, {yes}, {no}")


def _index_add(e: Emitter, op: Operation) -> Scalar:
    """Of numbers that are known, or 0, nothing is left to compute: vector code counts from such."""
    a, b = (e.scalar(v) for v in op.operands)
    return e.add(a, b) if a.type == "i64" else e.let(a.type, f"add {a}, {b.text}")


def _index_multiply(e: Emitter, op: Operation) -> Scalar:
    a, b = (e.scalar(v) for v in op.operands)
    return e.mul(a, b) if a.type == "i64" else e.let(a.type, f"mul {a}, {b.text}")


def _floor_divide(e: Emitter, op: Operation) -> Scalar:
    """The quotient towards zero, less one where it was negative and inexact."""
    a, b = (e.scalar(v) for v in op.operands)
    bits = _power_of_two(b)
    if bits is not None:
        return e.let(a.type, f"ashr {a}, {bits}")
    down = _signs_differ(e, a, b)
    return _adjusted_quotient(e, a, b, down, "sub")


def _ceil_divide(e: Emitter, op: Operation) -> Scalar:
    """The quotient towards zero, plus one where it was positive and inexact."""
    a, b = (e.scalar(v) for v in op.operands)
    bits = _power_of_two(b)
    if bits is not None:
        down, rest = e.let(a.type, f"ashr {a}, {bits}"), e.let(a.type, f"and {a}, {(1 << bits) - 1}")
        inexact = e.let("i1", f"icmp ne {rest}, 0")
        return e.let(a.type, f"add {down}, {e.let(a.type, f'zext {inexact} to {a.type}').text}")
    down = _signs_differ(e, a, b)
    up = e.let(down.type, f"xor {down}, {_ones(down.type)}")
    return _adjusted_quotient(e, a, b, up, "add")


def _extremum(e: Emitter, op: Operation) -> Scalar:
    """IEEE 754-2019 maximum or minimum: the second operand where it is better or NaN, else the first; where
    they are equal, their common bits, or all bits of either: of two zeros +0 is the greater. The first one,
    an accumulator as a rule, waits for two instructions only; LLVM's own form is a chain twice as long.
    """
    greatest = op.isa(arith.MaximumF)
    a, b = (e.scalar(v) for v in op.operands)
    truth, bits = _truth(a.type), _bits(a.type)
    better = e.let(truth, f"fcmp {'ogt' if greatest else 'olt'} {b}, {a.text}")
    chosen = e.let(a.type, f"select {better}, {b}, {a}")
    first, second = (e.let(bits, f"bitcast {x} to {bits}") for x in (a, b))
    joined = e.let(bits, f"{'and' if greatest else 'or'} {first}, {second.text}")
    zeros = e.let(a.type, f"bitcast {joined} to {a.type}")
    equal = e.let(truth, f"fcmp oeq {a}, {b.text}")
    ordered = e.let(a.type, f"select {equal}, {zeros}, {chosen}")
    nan = e.let(truth, f"fcmp uno {b}, {b.text}")
    return e.let(a.type, f"select {nan}, {b}, {ordered}")


def _bits(kind: str) -> str:
    """The LLVM type of the bits of floats of type `kind`."""
    return kind.replace("float", "i32").replace("double", "i64")


def _truth(kind: str) -> str:
    """The LLVM type of a comparison of values of type `kind`."""
    return f"{kind[: kind.index(' x ')]} x i1>" if kind.startswith("<") else "i1"


def _ones(kind: str) -> str:
    """The literal that is true, everywhere."""
    return "splat (i1 true)" if kind.startswith("<") else "true"


def _signs_differ(e: Emitter, a: Scalar, b: Scalar) -> Scalar:
    truth = _truth(a.type)
    if b.constant is not None and b.constant > 0:
        return e.let(truth, f"icmp slt {a}, 0")
    signs = [e.let(truth, f"icmp slt {x}, {_zero(x.type)}") for x in (a, b)]
    return e.let(truth, f"xor {signs[0]}, {signs[1].text}")


def _zero(kind: str) -> str:
    if kind.startswith("<"):
        return "zeroinitializer"
    return "false" if kind == "i1" else "0"


def _adjusted_quotient(e: Emitter, a: Scalar, b: Scalar, when: Scalar, how: str) -> Scalar:
    quotient = e.let(a.type, f"sdiv {a}, {b.text}")
    product = e.let(a.type, f"mul {quotient}, {b.text}")
    inexact = e.let(when.type, f"icmp ne {product}, {a.text}")
    adjust = e.let(when.type, f"and {inexact}, {when.text}")
    step = adjust if a.type == when.type else e.let(a.type, f"zext {adjust} to {a.type}")
    return e.let(a.type, f"{how} {quotient}, {step.text}")


def _rsqrt(e: Emitter, op: Operation) -> Scalar:
    x = e.scalar(op.operands[0])
    root = e.intrinsic("sqrt", x.type, [x])
    one = f"splat ({x.type[1:-1].split(' x ')[1]} 1.0)" if x.type.startswith("<") else "1.0"
    return e.let(x.type, f"fdiv {x.type} {one}, {root.text}")


def _index_cast(e: Emitter, op: Operation) -> Scalar:
    x = e.scalar(op.operands[0])
    target = llvm_type(op.result.type)
    if x.type == target:
        return x
    if width(op.result.type) < width(op.operands[0].type):
        return e.let(target, f"trunc {x} to {target}")
    return e.let(target, f"{'sext' if op.isa(casts.IndexCast) else 'zext'} {x} to {target}")


def _power_of_two(divisor: Scalar) -> int | None:
    """The exponent of a known power of two that is positive in its type."""
    n = divisor.constant
    return n.bit_length() - 1 if n is not None and n > 0 and n & (n - 1) == 0 else None


SPECIAL: dict[type[OpDefinition], Callable[[Emitter, Operation], Scalar]] = {
    arith.MaximumF: _extremum,
    arith.MinimumF: _extremum,
    arith.AddI: _index_add,
    arith.MulI: _index_multiply,
    arith.CmpI: _compare,
    arith.CmpF: _compare,
    arith.Select: _select,
    arith.FloorDivSI: _floor_divide,
    arith.CeilDivSI: _ceil_divide,
    math.Rsqrt: _rsqrt,
    casts.IndexCast: _index_cast,
    casts.IndexCastUI: _index_cast,
}
