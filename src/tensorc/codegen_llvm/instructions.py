"""Steps of math functions (`passes/math/steps.py`) as instructions of AVX-512.

The instructions are those for registers of 512 bits; longer vectors are cut into those, shorter ones filled
up with zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from tensorc.codegen_llvm.emitter_values import Scalar, llvm_type
from tensorc.ir.attributes import StringAttr
from tensorc.ir.builtin import CallAttrs
from tensorc.ir.core import Operation
from tensorc.ops.loops.nests import ELEMENTWISE

if TYPE_CHECKING:
    from tensorc.codegen_llvm.emitter import Emitter

REGISTER: Final = {"float": 16, "double": 8}
"""Elements of a register."""


POSITIVE: Final = Scalar("i32", "12")
"""Significands from 1 up to 2, of negative numbers NaN."""


def call(e: Emitter, op: Operation, callee: Operation) -> Scalar:
    """A call of an elementwise function: an instruction of the machine, or the function itself."""
    args = [e.scalar(v) for v in op.operands]
    name = callee.attributes[ELEMENTWISE]
    assert isinstance(name, StringAttr)
    if e.unit.options.avx512 and name.value in _STEPS and args[0].type.startswith("<"):
        return _instruction(e, name.value, args)
    assert isinstance(op.attrs, CallAttrs)
    symbol, kind = op.attrs.callee.name, llvm_type(op.result.type)
    e.unit.elementwise[symbol] = callee
    return e.let(kind, f"call {kind} @{symbol}({', '.join(map(str, args))})")


def _instruction(e: Emitter, name: str, args: Sequence[Scalar]) -> Scalar:
    """The step `name` of vectors."""
    lanes, element = args[0].type[1:-1].split(" x ")
    count, whole = int(lanes), REGISTER[element]
    if count == whole:
        return _STEPS[name](e, args)
    if count < whole:
        filled = [_lanes(e, a, 0, whole) for a in args]
        return _lanes(e, _STEPS[name](e, filled), 0, count)
    parts = [_STEPS[name](e, [_lanes(e, a, at, whole) for a in args]) for at in range(0, count, whole)]
    while len(parts) > 1:
        parts = [_joined(e, a, b) for a, b in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


def _lanes(e: Emitter, vector: Scalar, first: int, count: int) -> Scalar:
    """`count` lanes from `first` on, zeros beyond the last."""
    lanes, element = vector.type[1:-1].split(" x ")
    mask = ", ".join(f"i32 {min(n, int(lanes))}" for n in range(first, first + count))
    text = f"shufflevector {vector}, {vector.type} zeroinitializer, <{count} x i32> <{mask}>"
    return e.let(f"<{count} x {element}>", text)


def _joined(e: Emitter, a: Scalar, b: Scalar) -> Scalar:
    lanes, element = a.type[1:-1].split(" x ")
    count = 2 * int(lanes)
    mask = ", ".join(f"i32 {n}" for n in range(count))
    return e.let(f"<{count} x {element}>", f"shufflevector {a}, {b}, <{count} x i32> <{mask}>")


def _call(e: Emitter, name: str, args: Sequence[Scalar], *numbers: Scalar) -> Scalar:
    """An intrinsic with neither a mask nor a rounding mode of its own; `numbers` are of the instruction."""
    kind = args[0].type
    single = kind.endswith("float>")
    everywhere = Scalar("i16" if single else "i8", "-1")
    rounding = Scalar("i32", "4")
    symbol = f"llvm.x86.avx512.mask.{name}.{'ps' if single else 'pd'}.512"
    none = Scalar(kind, "zeroinitializer")
    return e.call(symbol, [*args, *numbers, none, everywhere, rounding], kind, pure=True)


_STEPS: Final[dict[str, Callable[[Emitter, Sequence[Scalar]], Scalar]]] = {
    "scaled": lambda e, args: _call(e, "scalef", args),
    "exponent": lambda e, args: _call(e, "getexp", args),
    "significand": lambda e, args: _call(e, "getmant", args, POSITIVE),
}
