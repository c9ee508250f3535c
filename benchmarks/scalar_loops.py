"""Compile one scalar expansion into a vectorised loop over arrays, straight from LLVM text.

This stands apart from the compiler on purpose: it measures what `tensorc.passes.math` emits and nothing else.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import numpy.typing as npt

from benchmarks import lanewise
from tensorc.ir.types import FloatType, Type, f32, f64, i1
from tensorc.passes.math import EXPANSIONS, RARE

Array = npt.NDArray[Any]
LLVM_NAMES = {"f32": "float", "f64": "double"}


@dataclass(frozen=True)
class Register:
    """An SSA name or a literal."""

    text: str
    type: Type


def llvm_type(t: Type) -> str:
    """The LLVM spelling of a scalar type."""
    return LLVM_NAMES.get(str(t), str(t))


def literal(value: float | int, t: Type) -> str:
    """A constant; floating ones by their bits (LLVM writes `float` as the double of the same value)."""
    if isinstance(t, FloatType):
        exact = float(np.float32(value)) if t == f32 else float(value)
        return f"0x{struct.unpack('<Q', struct.pack('<d', exact))[0]:016X}"
    return str(int(value))


@dataclass
class LlvmText:
    """`ScalarBuilder` whose back end is a list of lines of LLVM IR."""

    lines: list[str] = field(default_factory=list)
    intrinsics: set[str] = field(default_factory=set)
    rare: set[str] = field(default_factory=set)

    def emit(self, text: str, t: Type) -> Register:
        name = f"%v{len(self.lines)}"
        self.lines.append(f"  {name} = {text}")
        return Register(name, t)

    def binary(self, mnemonic: str, a: Register, b: Register) -> Register:
        assert a.type == b.type, (mnemonic, a, b)
        return self.emit(f"{mnemonic} {llvm_type(a.type)} {a.text}, {b.text}", a.type)

    def intrinsic(self, name: str, *xs: Register) -> Register:
        t = llvm_type(xs[0].type)
        full = f"{t} @llvm.{name}.{xs[0].type}"
        self.intrinsics.add(f"declare {full}({', '.join(t for _ in xs)})")
        return self.emit(f"call {full}({', '.join(f'{t} {x.text}' for x in xs)})", xs[0].type)

    def constant(self, value: float | int, type: Type) -> Register:
        return Register(literal(value, type), type)

    def addf(self, a: Register, b: Register) -> Register:
        return self.binary("fadd", a, b)

    def subf(self, a: Register, b: Register) -> Register:
        return self.binary("fsub", a, b)

    def mulf(self, a: Register, b: Register) -> Register:
        return self.binary("fmul", a, b)

    def divf(self, a: Register, b: Register) -> Register:
        return self.binary("fdiv", a, b)

    def negf(self, a: Register) -> Register:
        return self.emit(f"fneg {llvm_type(a.type)} {a.text}", a.type)

    def fma(self, a: Register, b: Register, c: Register) -> Register:
        return self.intrinsic("fma", a, b, c)

    def absf(self, a: Register) -> Register:
        return self.intrinsic("fabs", a)

    def sqrt(self, a: Register) -> Register:
        return self.intrinsic("sqrt", a)

    def trunc(self, a: Register) -> Register:
        return self.intrinsic("trunc", a)

    def copysign(self, a: Register, b: Register) -> Register:
        return self.intrinsic("copysign", a, b)

    def cmpf(self, predicate: str, a: Register, b: Register) -> Register:
        return self.emit(f"fcmp {predicate} {llvm_type(a.type)} {a.text}, {b.text}", i1)

    def select(self, condition: Register, a: Register, b: Register) -> Register:
        assert a.type == b.type
        t = llvm_type(a.type)
        return self.emit(f"select i1 {condition.text}, {t} {a.text}, {t} {b.text}", a.type)

    def addi(self, a: Register, b: Register) -> Register:
        return self.binary("add", a, b)

    def subi(self, a: Register, b: Register) -> Register:
        return self.binary("sub", a, b)

    def andi(self, a: Register, b: Register) -> Register:
        return self.binary("and", a, b)

    def ori(self, a: Register, b: Register) -> Register:
        return self.binary("or", a, b)

    def shli(self, a: Register, b: Register) -> Register:
        return self.binary("shl", a, b)

    def shrui(self, a: Register, b: Register) -> Register:
        return self.binary("lshr", a, b)

    def muli(self, a: Register, b: Register) -> Register:
        return self.binary("mul", a, b)

    def xori(self, a: Register, b: Register) -> Register:
        return self.binary("xor", a, b)

    def shrsi(self, a: Register, b: Register) -> Register:
        return self.binary("ashr", a, b)

    def cmpi(self, predicate: str, a: Register, b: Register) -> Register:
        return self.emit(f"icmp {predicate} {llvm_type(a.type)} {a.text}, {b.text}", i1)

    def cast(self, mnemonic: str, a: Register, type: Type) -> Register:
        return self.emit(f"{mnemonic} {llvm_type(a.type)} {a.text} to {llvm_type(type)}", type)

    def bitcast(self, a: Register, type: Type) -> Register:
        return self.cast("bitcast", a, type)

    def sitofp(self, a: Register, type: Type) -> Register:
        return self.cast("sitofp", a, type)

    def extf(self, a: Register, type: Type) -> Register:
        return self.cast("fpext", a, type)

    def truncf(self, a: Register, type: Type) -> Register:
        return self.cast("fptrunc", a, type)

    def call(self, symbol: str, args: Sequence[Register], result: Type) -> Register:
        """A rare function's call, as the compiler would emit it."""
        self.rare.add(symbol)
        t = llvm_type(result)
        values = ", ".join(f"{t} {x.text}" for x in args)
        return self.emit(f"call {t} @{symbol}({values}) {lanewise.call_flags(symbol)}", result)


def rare_text(symbol: str, attributes: str) -> tuple[str, set[str]]:
    """The definition of a rare function with its variants for vectors, and the intrinsics it declares."""
    row = RARE[symbol]
    t = llvm_type(row.type)
    body = LlvmText()
    x = Register("%x", row.type)
    bound = Register(literal(row.bound, row.type), row.type)
    beyond = body.cmpf("ogt", body.absf(x), bound)
    body.lines += [f"  br i1 {beyond.text}, label %far, label %near", "far:"]
    value = row.value(body, x)
    lines = [
        f"define internal {t} @{symbol}({t} %x, {t} %near.value) {lanewise.SCALAR} {attributes} {{",
        "entry:",
        *body.lines,
        f"  ret {t} {value.text}",
        "near:",
        f"  ret {t} %near.value",
        "}",
        lanewise.variants(symbol, row.type, row.bound, attributes),
    ]
    return "\n".join(lines), body.intrinsics | set(lanewise.declarations(row.type).values())


def loop_text(name: str, element: FloatType, operands: int, width: int) -> str:
    """LLVM IR of `void loop(n, in..., out)` applying the expansion `name` to every element."""
    t = llvm_type(element)
    body = LlvmText()
    xs = [Register(f"%x{i}", element) for i in range(operands)]
    result = EXPANSIONS[name].expand(body, *xs)
    ins = ", ".join(f"ptr noalias %in{i}" for i in range(operands))
    loads = []
    for i in range(operands):
        loads.append(f"  %p{i} = getelementptr {t}, ptr %in{i}, i64 %i")
        loads.append(f"  %x{i} = load {t}, ptr %p{i}")
    attributes = f'nounwind "prefer-vector-width"="{width}"'
    rare = [rare_text(symbol, attributes) for symbol in sorted(body.rare)]
    lines = [
        *sorted(body.intrinsics.union(*(intrinsics for _, intrinsics in rare))),
        *(text for text, _ in rare),
        f"define void @loop(i64 %n, {ins}, ptr noalias %out) #0 {{",
        "entry:",
        "  %any = icmp sgt i64 %n, 0",
        "  br i1 %any, label %body, label %done",
        "body:",
        "  %i = phi i64 [ 0, %entry ], [ %following, %body ]",
        *loads,
        *body.lines,
        f"  %q = getelementptr {t}, ptr %out, i64 %i",
        f"  store {t} {result.text}, ptr %q",
        "  %following = add i64 %i, 1",
        "  %more = icmp slt i64 %following, %n",
        "  br i1 %more, label %body, label %done",
        "done:",
        "  ret void",
        "}",
        f"attributes #0 = {{ {attributes} }}",
    ]
    return "\n".join(lines) + "\n"


@dataclass
class Loop:
    """A compiled loop: call it on arrays of one dtype and one size; `assembly` is what LLVM made of it, and
    `imports` are the functions that are not in it.
    """

    dtype: np.dtype[Any]
    assembly: str
    imports: tuple[str, ...]
    call: Callable[..., None]
    engine: Any

    def __call__(self, *arrays: Array, out: Array | None = None) -> Array:
        inputs = [np.ascontiguousarray(a, self.dtype) for a in arrays]
        result = np.empty(inputs[0].shape, self.dtype) if out is None else out
        assert all(a.size == result.size for a in inputs)
        self.call(result.size, *(a.ctypes.data for a in inputs), result.ctypes.data)
        return result


def inline_variants(module: Any, builder: Any) -> None:
    """Inline what the loop vectoriser has called, and erase the rest (`lanewise.py`)."""
    for function in module.functions:
        if lanewise.MARK in function.name:
            function.linkage = "internal"
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, builder)


def compile_loop(name: str, element: FloatType = f64, width: int = 512, features: str | None = None) -> Loop:
    """Compile the expansion for this machine (or for `features`, LLVM's +a,-b list)."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    if features is None:
        features = llvm.get_host_cpu_features().flatten()
    operands = EXPANSIONS[name].operands
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=3, jit=True)
    module = llvm.parse_assembly(loop_text(name, element, operands, width))
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    options.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    inline_variants(module, builder)
    assembly = machine.emit_assembly(module)
    outside = [f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")]
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * (operands + 1))
    call = prototype(engine.get_function_address("loop"))
    dtype = np.dtype(np.float32 if element == f32 else np.float64)
    return Loop(dtype, assembly, tuple(outside), call, engine)
