"""Variants for vectors of functions of scalars, for loops that LLVM's vectoriser makes (`scalar_loops.py`).

A rare function (`passes/math/rare.py`) gives its second argument back unless the first one is farther from 0
than a bound. In LLVM's words a scalar function `@f` gets variants `@f.lanes<n>`, which the loop vectoriser
finds in an attribute of the call. A variant compares; if any lane is beyond the bound, all go through `@f`
one by one, from memory: what the pass `vectorize` does in the compiler itself.
"""

from __future__ import annotations

from tensorc.codegen_llvm.emitter_values import literal, llvm_type
from tensorc.ir.attributes import FloatAttr
from tensorc.ir.types import FloatType

SCALAR = "noinline willreturn memory(none)"
"""The attributes of the function itself."""

LANES = (2, 4, 8, 16)
MARK = ".lanes"
"""In the name of every variant."""


def call_flags(symbol: str) -> str:
    """The attributes of a call of `@symbol` by which a vectoriser finds the variants."""
    names = ",".join(f"_ZGV_LLVM_N{n}vv_{symbol}({symbol}{MARK}{n})" for n in LANES)
    return f'nounwind willreturn memory(none) "vector-function-abi-variant"="{names}"'


def declarations(kind: FloatType) -> dict[str, str]:
    """What variants call, by name."""
    vectors = {f"llvm.fabs.v{n}{kind}": f"<{n} x {llvm_type(kind)}>" for n in LANES}
    return {symbol: f"declare {vector} @{symbol}({vector})" for symbol, vector in vectors.items()}


def variants(symbol: str, kind: FloatType, bound: float, attributes: str) -> str:
    """Definitions of the variants of `kind @symbol(kind, kind)`."""
    name = llvm_type(kind)
    parts = [_one_by_one(symbol, name, attributes)]
    parts += [_variant(symbol, name, kind, n, bound, attributes) for n in LANES]
    return "\n".join(parts)


def _variant(symbol: str, name: str, kind: FloatType, lanes: int, bound: float, attributes: str) -> str:
    vector = f"<{lanes} x {name}>"
    return f"""define {vector} @{symbol}{MARK}{lanes}({vector} %x, {vector} %y) alwaysinline {attributes} {{
entry:
  %px = alloca {vector}
  %py = alloca {vector}
  %size = call {vector} @llvm.fabs.v{lanes}{kind}({vector} %x)
  %far = fcmp ogt {vector} %size, splat ({literal(FloatAttr(bound, kind))})
  %bits = bitcast <{lanes} x i1> %far to i{lanes}
  %any = icmp ne i{lanes} %bits, 0
  br i1 %any, label %again, label %done
again:
  store {vector} %x, ptr %px
  store {vector} %y, ptr %py
  call void @{symbol}.each(ptr %px, ptr %py, i64 {lanes})
  %other = load {vector}, ptr %py
  br label %done
done:
  %result = phi {vector} [ %y, %entry ], [ %other, %again ]
  ret {vector} %result
}}"""


def _one_by_one(symbol: str, name: str, attributes: str) -> str:
    return f"""define internal void @{symbol}.each(ptr %px, ptr %py, i64 %n) cold noinline {attributes} {{
entry:
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %following, %next ]
  %p = getelementptr {name}, ptr %px, i64 %i
  %q = getelementptr {name}, ptr %py, i64 %i
  %x = load {name}, ptr %p
  %y = load {name}, ptr %q
  %result = call {name} @{symbol}({name} %x, {name} %y)
  store {name} %result, ptr %q
  %following = add i64 %i, 1
  %more = icmp ult i64 %following, %n
  br i1 %more, label %next, label %done
done:
  ret void
}}"""
