"""Bodies written by hand in LLVM IR, for the tests of the native entry: what the emitter would give, cut to
the bone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tensorc.codegen_llvm import entry_layout
from tensorc.codegen_llvm.abi import ArraySpec, ResultForm, Signature
from tensorc.codegen_llvm.entry import FunctionBase
from tensorc.codegen_llvm.entry_layout import make_native
from tensorc.codegen_llvm.native import GIL_BYTES, NativeBody, compile_body, link_native

F64 = np.dtype(np.float64)


def vector(name: str = "", dtype: Any = F64) -> ArraySpec:
    return ArraySpec(np.dtype(dtype), (None,), name)


def fields(array: str, rank: int = 1) -> str:
    """`%A.data`, and `%A.nK`, `%A.sK` for every axis of the descriptor `%A`."""
    wanted = [("data", "ptr", 8)]
    wanted += [(f"n{k}", "i64", 24 + 8 * k) for k in range(rank)]
    wanted += [(f"s{k}", "i64", 24 + 8 * (rank + k)) for k in range(rank)]
    return "".join(
        f"  %{array}.{name}.p = getelementptr i8, ptr %{array}, i64 {offset}\n"
        f"  %{array}.{name} = load {kind}, ptr %{array}.{name}.p\n"
        for name, kind, offset in wanted
    )


def put_extents(*extents: str) -> str:
    lines = "  %extents.p = getelementptr i8, ptr %extents, i64 8\n"
    lines += "  %extents.data = load ptr, ptr %extents.p\n"
    for k, extent in enumerate(extents):
        lines += f"  %e{k} = getelementptr i64, ptr %extents.data, i64 {k}\n  store i64 {extent}, ptr %e{k}\n"
    return lines


def fail(*cell: str) -> str:
    """Record an error and return 1."""
    lines = "  %err.p = getelementptr i8, ptr %err, i64 8\n  %err.data = load ptr, ptr %err.p\n"
    for k, word in enumerate(cell):
        lines += f"  %fail.{k} = getelementptr i64, ptr %err.data, i64 {k}\n"
        lines += f"  store i64 {word}, ptr %fail.{k}\n"
    return lines + "  ret i32 1\n"


def loop(inputs: Sequence[str], outputs: Sequence[str], code: str) -> str:
    """For all i below %n: `code` computes `%v.OUT` from `%v.IN`, strided vectors of doubles. Ends at block
    `exit`.
    """
    text = "  br label %head\nhead:\n  %i = phi i64 [ 0, %start ], [ %i.next, %body ]\n"
    text += "  %go = icmp slt i64 %i, %n\n  br i1 %go, label %body, label %exit\nbody:\n"
    for a in (*inputs, *outputs):
        text += f"  %at.{a} = mul i64 %i, %{a}.s0\n"
        text += f"  %p.{a} = getelementptr double, ptr %{a}.data, i64 %at.{a}\n"
    text += "".join(f"  %v.{a} = load double, ptr %p.{a}, align 8\n" for a in inputs) + code + "\n"
    text += "".join(f"  store double %v.{a}, ptr %p.{a}, align 8\n" for a in outputs)
    return text + "  %i.next = add i64 %i, 1\n  br label %head\nexit:\n"


def plus_one() -> str:
    """y = x + 1, any stride."""
    return f"""
define i32 @f_shapes(ptr %x, ptr %err, ptr %extents) {{
{fields("x")}{put_extents("%x.n0")}  ret i32 0
}}
define i32 @f(ptr %x, ptr %y, ptr %err) {{
{fields("x")}{fields("y")}  br label %start
start:
  %n = add i64 %x.n0, 0
{loop(["x"], ["y"], "  %v.y = fadd double %v.x, 1.0")}  ret i32 0
}}
"""


def plus_one_fast(added: str = "1.0") -> str:
    """The same for contiguous x; declines when x has exactly three elements."""
    return f"""
define i32 @f_shapes(ptr %x, ptr %err, ptr %extents) {{
{fields("x")}{put_extents("%x.n0")}  ret i32 0
}}
define i32 @f(ptr %x, ptr %y, ptr %err) {{
{fields("x")}{fields("y")}  %three = icmp eq i64 %x.n0, 3
  br i1 %three, label %decline, label %start
decline:
  ret i32 2
start:
  %n = add i64 %x.n0, 0
{loop(["x"], ["y"], f"  %v.y = fadd double %v.x, {added}")}  ret i32 0
}}
"""


def add_checked() -> str:
    """c = a + b, with an error (site 7, index 0, the two extents) if they differ."""
    return f"""
define i32 @f_shapes(ptr %a, ptr %b, ptr %err, ptr %extents) {{
{fields("a")}{fields("b")}{put_extents("%a.n0")}  %same = icmp eq i64 %a.n0, %b.n0
  br i1 %same, label %ok, label %bad
ok:
  ret i32 0
bad:
{fail("7", "0", "%a.n0", "%b.n0")}}}
define i32 @f(ptr %a, ptr %b, ptr %c, ptr %err) {{
{fields("a")}{fields("b")}{fields("c")}  br label %start
start:
  %n = add i64 %a.n0, 0
{loop(["a", "b"], ["c"], "  %v.c = fadd double %v.a, %v.b")}  ret i32 0
}}
"""


def accumulate() -> str:
    """(x) with cells w, u: returns w + x; w becomes w + x, u becomes u + 1. An error (site 3) at the end,
    everything computed, if x starts with a negative number.
    """
    code = "  %v.r = fadd double %v.w, %v.x\n  %v.w2 = fadd double %v.w, %v.x\n"
    code += "  %v.u2 = fadd double %v.u, 1.0\n"
    return f"""
define i32 @f_shapes(ptr %x, ptr %w, ptr %u, ptr %err, ptr %extents) {{
{fields("x")}{put_extents("%x.n0", "%x.n0", "%x.n0")}  ret i32 0
}}
define i32 @f(ptr %x, ptr %w, ptr %u, ptr %r, ptr %w2, ptr %u2, ptr %err) {{
{"".join(fields(a) for a in ("x", "w", "u", "r", "w2", "u2"))}  br label %start
start:
  %n = add i64 %x.n0, 0
{loop(["x", "w", "u"], ["r", "w2", "u2"], code)}  %some = icmp sgt i64 %n, 0
  br i1 %some, label %look, label %fine
look:
  %x0 = load double, ptr %x.data, align 8
  %negative = fcmp olt double %x0, 0.0
  br i1 %negative, label %bad, label %fine
fine:
  ret i32 0
bad:
{fail("3", "0", "-1", "0")}}}
"""


def swap() -> str:
    """() with cells a, b: exchanges them, returns nothing."""
    code = "  %v.a2 = fadd double %v.b, 0.0\n  %v.b2 = fadd double %v.a, 0.0\n"
    return f"""
define i32 @f_shapes(ptr %a, ptr %b, ptr %err, ptr %extents) {{
{fields("a")}{fields("b")}{put_extents("%b.n0", "%a.n0")}  ret i32 0
}}
define i32 @f(ptr %a, ptr %b, ptr %a2, ptr %b2, ptr %err) {{
{"".join(fields(a) for a in ("a", "b", "a2", "b2"))}  br label %start
start:
  %n = add i64 %a.n0, 0
{loop(["a", "b"], ["a2", "b2"], code)}  ret i32 0
}}
"""


def returning(code: int, *, extent: str = "0") -> str:
    """No inputs, one vector of `extent` elements that nothing fills; the body returns `code`."""
    return f"""
define i32 @f_shapes(ptr %err, ptr %extents) {{
{put_extents(extent)}  ret i32 0
}}
define i32 @f(ptr %y, ptr %err) {{
  ret i32 {code}
}}
"""


def scalar_square() -> str:
    """0-d."""
    return f"""
define i32 @f_shapes(ptr %x, ptr %err, ptr %extents) {{
  ret i32 0
}}
define i32 @f(ptr %x, ptr %y, ptr %err) {{
{fields("x", 0)}{fields("y", 0)}  %v = load double, ptr %x.data
  %w = fmul double %v, %v
  store double %w, ptr %y.data
  ret i32 0
}}
"""


def matmul() -> str:
    """c = a @ b through BLAS, row-major: the transposes are multiplied in Fortran's order."""
    numbers = ("n", "m", "k")
    sources = {"n": "%b.n1", "m": "%a.n0", "k": "%a.n1"}
    slots = "".join(
        f"  %{x}.slot = alloca i32\n  %{x}.short = trunc i64 {sources[x]} to i32\n"
        f"  store i32 %{x}.short, ptr %{x}.slot\n"
        for x in numbers
    )
    return f"""
@letter = internal constant [1 x i8] c"N"
@one = internal constant double 1.0
@zero = internal constant double 0.0
declare void @tensorc_blas_dgemm(ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr)
define i32 @f_shapes(ptr %a, ptr %b, ptr %err, ptr %extents) {{
{fields("a", 2)}{fields("b", 2)}{put_extents("%a.n0", "%b.n1")}  ret i32 0
}}
define i32 @f(ptr %a, ptr %b, ptr %c, ptr %err) {{
{fields("a", 2)}{fields("b", 2)}{fields("c", 2)}{slots}  call void @tensorc_blas_dgemm(
    ptr @letter, ptr @letter, ptr %n.slot, ptr %m.slot, ptr %k.slot, ptr @one, ptr %b.data, ptr %n.slot,
    ptr %a.data, ptr %k.slot, ptr @zero, ptr %c.data, ptr %n.slot)
  ret i32 0
}}
"""


class Recorded(Exception):
    """What `raise_recorded` raises."""


def raise_recorded(site: int, index: int, value: int, extra: int) -> None:
    raise Recorded(site, index, value, extra)


def as_double(direct: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A slow path: anything NumPy makes an array of, by position or as keyword x."""
    if len(args) + len(kwargs) != 1:
        raise TypeError("f() takes one argument: x")
    (value,) = [*args, *kwargs.values()]
    return direct(make_native(np.asarray(value), F64))


def no_slow(direct: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Where every call should be native; the Python entry has nothing else, so there the arguments must be
    native.
    """
    assert entry_layout.unsupported(), f"the slow path was taken for {args} {kwargs}"
    assert not kwargs
    return direct(*args)


_compiled: dict[tuple[str, Signature, int], NativeBody] = {}


def body(text: str, signature: Signature, level: int = 1) -> NativeBody:
    """Compiled once for all tests of a process."""
    key = text, signature, level
    if key not in _compiled:
        _compiled[key] = compile_body("f", text, signature, level=level)
    return _compiled[key]


def signature(
    inputs: int,
    outputs: int,
    *,
    cells: int = 0,
    constants: int = 0,
    updates: Any = (),
    result: ResultForm = "one",
) -> Signature:
    """All vectors of doubles."""
    numbers = {"x": inputs, "y": outputs, "w": cells, "c": constants}
    groups = [tuple(vector(f"{letter}{k}") for k in range(n)) for letter, n in numbers.items()]
    return Signature(groups[0], groups[1], groups[2], groups[3], tuple(updates), result)


def make(text: str, signature: Signature, *, base: type[FunctionBase] = FunctionBase, **options: Any) -> Any:
    options.setdefault("slow", no_slow)
    options.setdefault("on_error", raise_recorded)
    options.setdefault("gil_bytes", GIL_BYTES)
    return link_native("f", body(text, signature), signature, base=base, **options)
