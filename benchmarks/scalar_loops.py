"""Compile one scalar expansion into a vectorised loop over arrays, straight from LLVM text.

This stands apart from the compiler on purpose: it measures what `tensorc.passes.math` emits and nothing else.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import numpy.typing as npt

from tensorc.ir.types import FloatType, Type, f32, f64, i1
from tensorc.passes.math import EXPANSIONS

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

    def bitcast(self, a: Register, type: Type) -> Register:
        return self.emit(f"bitcast {llvm_type(a.type)} {a.text} to {llvm_type(type)}", type)


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
    lines = [
        *sorted(body.intrinsics),
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
        f'attributes #0 = {{ nounwind "prefer-vector-width"="{width}" }}',
    ]
    return "\n".join(lines) + "\n"


@dataclass
class Loop:
    """A compiled loop: call it on arrays of one dtype and one size; `assembly` is what LLVM made of it."""

    dtype: np.dtype[Any]
    assembly: str
    call: Callable[..., None]
    engine: Any

    def __call__(self, *arrays: Array, out: Array | None = None) -> Array:
        inputs = [np.ascontiguousarray(a, self.dtype) for a in arrays]
        result = np.empty(inputs[0].shape, self.dtype) if out is None else out
        assert all(a.size == result.size for a in inputs)
        self.call(result.size, *(a.ctypes.data for a in inputs), result.ctypes.data)
        return result


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
    assembly = machine.emit_assembly(module)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * (operands + 1))
    call = prototype(engine.get_function_address("loop"))
    return Loop(np.dtype(np.float32 if element == f32 else np.float64), assembly, call, engine)
