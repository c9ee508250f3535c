"""glibc's vector library, libmvec, in loops like those of `scalar_loops.py`: one call for every 512 bits."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm

from tensorc.ir.types import FloatType, f32

OWN_NAMES = {"powf": "pow"}
"""Functions whose name there is another one."""


def library_loop(name: str, element: FloatType, operands: int) -> Callable[..., None] | None:
    """`call(n, in..., out)` on addresses, for an n that is a multiple of 16; None where there is no such
    function or no library. The engine that holds the code is its attribute.
    """
    lanes, kind, suffix = (16, "float", "f") if element == f32 else (8, "double", "")
    symbol = f"_ZGVeN{lanes}{'v' * operands}_{OWN_NAMES.get(name, name)}{suffix}"
    try:
        address = ctypes.cast(getattr(ctypes.CDLL("libmvec.so.1"), symbol), ctypes.c_void_p).value
    except (OSError, AttributeError):
        return None
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.add_symbol(symbol, address)
    features = llvm.get_host_cpu_features().flatten()
    if "+avx512f" not in features.split(","):
        return None
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=3, jit=True)
    module = llvm.parse_assembly(_text(symbol, kind, lanes, operands))
    module.verify()
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * (operands + 1))
    call: Any = prototype(engine.get_function_address("loop"))
    call.engine = engine
    return call  # type: ignore[no-any-return]


def _text(symbol: str, kind: str, lanes: int, operands: int) -> str:
    vector = f"<{lanes} x {kind}>"
    pointers = [f"%in{i}" for i in range(operands)]
    loads = [
        line
        for i, pointer in enumerate(pointers)
        for line in (
            f"  %p{i} = getelementptr {kind}, ptr {pointer}, i64 %i",
            f"  %x{i} = load {vector}, ptr %p{i}, align 4",
        )
    ]
    arguments = ", ".join(f"{vector} %x{i}" for i in range(operands))
    return "\n".join(
        [
            f"declare {vector} @{symbol}({', '.join([vector] * operands)})",
            f"define void @loop(i64 %n, {', '.join(f'ptr {p}' for p in pointers)}, ptr %out) {{",
            "entry:",
            "  br label %body",
            "body:",
            "  %i = phi i64 [ 0, %entry ], [ %following, %body ]",
            *loads,
            f"  %value = call {vector} @{symbol}({arguments})",
            f"  %q = getelementptr {kind}, ptr %out, i64 %i",
            f"  store {vector} %value, ptr %q, align 4",
            f"  %following = add i64 %i, {lanes}",
            "  %more = icmp slt i64 %following, %n",
            "  br i1 %more, label %body, label %done",
            "done:",
            "  ret void",
            "}",
        ]
    )
