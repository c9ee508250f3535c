"""Kernels as NVVM IR text: the LLVM emitter with typed pointers, libdevice functions and the kernel
convention.

Typed pointers (LLVM 7 syntax), because libNVVM takes opaque ones from sm_100 on only. Of every value a kernel
uses from outside, constants are written again; scalars are parameters; a buffer is a pointer into global
memory followed by those of its numbers that its type does not tell. Instructions LLVM 7 lacks (`fneg`,
integer and IEEE minimum and maximum) are spelled out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from tensorc.codegen_llvm.emitter import Emitter, EmitterOptions, result_type
from tensorc.codegen_llvm.emitter_values import Buffer, Scalar, byte_width, i64, literal, llvm_type
from tensorc.codegen_llvm.function_text import ModuleText
from tensorc.ir.builtin import Call, CallAttrs, body, functions, lookup, symbol_name
from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import OpDefinition
from tensorc.ir.errors import InternalError
from tensorc.ir.types import MemRefType, ScalarType
from tensorc.ops.loops import arith, gpu, math, memref

GLOBAL = " addrspace(1)"

LIBRARY = {
    "sqrt": "sqrt",
    "fabs": "fabs",
    "floor": "floor",
    "ceil": "ceil",
    "trunc": "trunc",
    "round": "round",
    "roundeven": "rint",
    "copysign": "copysign",
    "fma": "fma",
}
"""LLVM intrinsics → libdevice (each correctly rounded, CUDA Math API)."""

_CIRCULAR = "acos acosh asin asinh atan atan2 atanh cos cosh sin sinh tan tanh"
_OTHERS = "cbrt erf erfc exp exp10 exp2 expm1 fmod hypot lgamma log log10 log1p log2 pow tgamma"
EXTERNAL = frozenset(f"{_CIRCULAR} {_OTHERS}".split())
"""C library functions that libdevice has too, as `__nv_<name>` and `__nv_<name>f`."""

_IDS = ("ctaid", "tid", "nctaid", "ntid")


def emit_kernels(module: Operation, data_layout: str) -> str:
    """NVVM IR text with one kernel, `<function>_kernel<n>`, for every `gpu.launch` of an L2 module."""
    unit = ModuleText(module, EmitterOptions())
    kernels, notes = [], []
    called: dict[str, Operation] = {}
    for function in functions(module):
        launches = [op for op in function.walk() if op.isa(gpu.Launch)]
        for number, launch in enumerate(launches):
            kernel = CudaEmitter(unit, f"{symbol_name(function)}_kernel{number}")
            text, types = kernel.kernel(launch)
            kernels.append(text)
            notes.append(f'!{{void ({", ".join(types)})* @{kernel.name}, !"kernel", i32 1}}')
            called |= kernel.called
    kernels += _device_functions(unit, called)
    numbered = [f"!{n} = {note}" for n, note in enumerate(notes)]
    listed = ", ".join(f"!{n}" for n in range(len(notes)))
    return "\n".join(
        [
            'target triple = "nvptx64-nvidia-cuda"',
            f'target datalayout = "{data_layout}"',
            *kernels,
            *unit.declarations.values(),
            *numbered,
            f"!nvvm.annotations = !{{{listed}}}",
            f"!nvvmir.version = !{{!{len(notes)}}}",
            f"!{len(notes)} = !{{i32 2, i32 0}}",
            "",
        ]
    )


def _device_functions(unit: ModuleText, called: dict[str, Operation]) -> list[str]:
    """The definitions of functions of ours, and of those that these call."""
    found = {**called}
    definitions: list[str] = []
    while len(definitions) < len(found):
        name, function = list(found.items())[len(definitions)]
        emitter = CudaEmitter(unit, name)
        definitions.append(emitter.device_function(function))
        found |= emitter.called
    return definitions


class CudaEmitter(Emitter):
    """Emits the regions of `gpu.launch`. Allocation and calls of our own functions are not for kernels."""

    handlers: ClassVar[dict[type[OpDefinition], str]] = {
        **{k: v for k, v in Emitter.handlers.items() if k not in (memref.Alloc, memref.Dealloc)},
        gpu.Terminator: "_nothing",
        Call: "_external_call",
        arith.NegF: "_negate",
        arith.RemF: "_remainder",
        arith.MaximumF: "_maximum",
        arith.MinimumF: "_minimum",
        arith.MaxSI: "_integer_extreme",
        arith.MinSI: "_integer_extreme",
        arith.MaxUI: "_integer_extreme",
        arith.MinUI: "_integer_extreme",
        math.AbsI: "_absolute",
    }

    def __init__(self, unit: ModuleText, name: str = "") -> None:
        super().__init__(unit, name)
        self.called: dict[str, Operation] = {}
        """Functions of ours that it calls."""
        self.global_pointers: set[str] = set()

    def kernel(self, launch: Operation) -> tuple[str, list[str]]:
        """The definition, and its parameter types."""
        parameters: list[Scalar] = []
        for value in captured(launch):
            self._parameters_of(value, parameters)
        block = launch.regions[0].block
        for n, arg in enumerate(block.args):
            if arg.has_uses:
                self.values[arg] = self._special_register(f"{_IDS[n // 3]}.{'xyz'[n % 3]}")
        self.run(block)
        self.line("ret void")
        head = f"define void @{self.name}({', '.join(map(str, parameters))}) nounwind"
        return self.text(head), [p.type for p in parameters]

    def device_function(self, function: Operation) -> str:
        """The definition of a function of scalars that kernels call."""
        parameters = [Scalar(llvm_type(arg.type), f"%a{n}") for n, arg in enumerate(body(function).args)]
        self.values.update(zip(body(function).args, parameters, strict=True))
        self.run(body(function))
        listed = ", ".join(map(str, parameters))
        return self.text(f"define internal {result_type(function)} @{self.name}({listed}) nounwind")

    def _parameters_of(self, value: Value, parameters: list[Scalar]) -> None:
        def parameter(type: str) -> Scalar:
            parameters.append(Scalar(type, f"%p{len(parameters)}"))
            return parameters[-1]

        kind = value.type
        owner = value.owner
        if owner is not None and owner.isa(arith.Constant):
            attrs = owner.attrs
            assert isinstance(attrs, arith.ConstantAttrs)
            self.values[value] = literal(attrs.value)
        elif not isinstance(kind, MemRefType):
            self.values[value] = parameter(llvm_type(kind))
        else:
            base = parameter(f"{llvm_type(kind.element)}{GLOBAL}*")
            self.global_pointers.add(base.text)
            offset = parameter("i64") if kind.offset is None else i64(kind.offset)
            sizes = [parameter("i64") if n is None else i64(n) for n in kind.shape]
            if kind.layout is None:
                strides = self.row_major(kind, sizes)
            else:
                strides = [parameter("i64") if n is None else i64(n) for n in kind.strides]
            self.values[value] = self.make_buffer(kind, base.text, offset, sizes, strides, None)

    def _special_register(self, name: str) -> Scalar:
        narrow = self.call(f"llvm.nvvm.read.ptx.sreg.{name}", [], "i32", pure=True)
        return self.let("i64", f"zext {narrow} to i64")

    # pointers carry their element type and address space

    def pointer_type(self, element: ScalarType, pointer: str) -> str:
        return f"{llvm_type(element)}{GLOBAL if pointer in self.global_pointers else ''}*"

    def element_pointer(self, element: ScalarType, base: str, index: Scalar) -> str:
        if index.constant == 0:
            return base
        kind, pointer = llvm_type(element), self.pointer_type(element, base)
        place = self.let(pointer, f"getelementptr {kind}, {pointer} {base}, {index}").text
        if base in self.global_pointers:
            self.global_pointers.add(place)
        return place

    def load_element(self, buffer: Buffer, pointer: str) -> Scalar:
        element = buffer.type.element
        kind = llvm_type(element)
        typed = f"{self.pointer_type(element, pointer)} {pointer}"
        return self.let(kind, f"load {kind}, {typed}, align {byte_width(element)}")

    def store_element(self, value: Scalar, buffer: Buffer, pointer: str) -> None:
        element = buffer.type.element
        typed = f"{self.pointer_type(element, pointer)} {pointer}"
        self.line(f"store {value}, {typed}, align {byte_width(element)}")

    def frame_buffer(self, element: ScalarType, count: int) -> str:
        kind, name = llvm_type(element), f"%s{len(self.entry)}"
        self.entry.append(f"  {name}.array = alloca [{count} x {kind}], align 16")
        self.entry.append(f"  {name} = bitcast [{count} x {kind}]* {name}.array to {kind}*")
        return name

    # functions

    def opaque(self, at: Scalar) -> Scalar:
        """libNVVM's passes are left as they are."""
        return at

    def declaration_flags(self, pure: bool) -> str:
        return " nounwind readnone" if pure else " nounwind"

    def intrinsic(
        self, name: str, overload: str, args: Sequence[Scalar], result: str | None = None
    ) -> Scalar:
        if name in LIBRARY:
            return self.library(LIBRARY[name], args)
        return super().intrinsic(name, overload, args, result)

    def library(self, symbol: str, args: Sequence[Scalar]) -> Scalar:
        return super().library(f"__nv_{symbol}", args)

    def _external_call(self, op: Operation) -> None:
        attrs = op.attrs
        assert isinstance(attrs, CallAttrs)
        symbol = attrs.callee.name
        args = [self.values[v] for v in op.operands]
        own = lookup(self.unit.module, symbol)
        if own is not None and own.regions[0].blocks:
            self.called[symbol] = own
            result = llvm_type(op.result.type)
            self.values[op.result] = self.let(result, f"call {result} @{symbol}({', '.join(map(str, args))})")
            return
        name = symbol if symbol in EXTERNAL else symbol.removesuffix("f")
        scalars = [a for a in args if isinstance(a, Scalar)]
        if name not in EXTERNAL or len(scalars) != len(args):
            raise InternalError(f"a kernel calls @{symbol}, which has no counterpart on the GPU")
        self.values[op.result] = self.library(name, scalars)

    # what LLVM 7 lacks

    def _negate(self, op: Operation) -> None:
        x = self.scalar(op.operands[0])
        self.values[op.result] = self._minus(x)

    def _minus(self, x: Scalar) -> Scalar:
        return self.let(x.type, f"fsub {x.type} -0.0, {x.text}")

    def _remainder(self, op: Operation) -> None:
        self.values[op.result] = self.library("fmod", [self.scalar(v) for v in op.operands])

    def _maximum(self, op: Operation) -> None:
        a, b = (self.scalar(v) for v in op.operands)
        self.values[op.result] = self._extreme(a, b, "ogt", lambda: self._sum(a, b))

    def _minimum(self, op: Operation) -> None:
        a, b = (self.scalar(v) for v in op.operands)
        minus = [self._minus(x) for x in (a, b)]
        self.values[op.result] = self._extreme(a, b, "olt", lambda: self._minus(self._sum(*minus)))

    def _extreme(self, a: Scalar, b: Scalar, word: str, of_zeros: Callable[[], Scalar]) -> Scalar:
        """IEEE 754-2019 maximum or minimum: NaN wins, and of two zeros `of_zeros` (±0 + ±0 is -0 for two -0
        only).
        """
        first = self.let("i1", f"fcmp {word} {a}, {b.text}")
        larger = self.let(a.type, f"select {first}, {a}, {b}")
        zeros = [self.let("i1", f"fcmp oeq {x}, 0.0") for x in (a, b)]
        both = self.let("i1", f"and {zeros[0]}, {zeros[1].text}")
        ordered = self.let(a.type, f"select {both}, {of_zeros()}, {larger}")
        unordered = self.let("i1", f"fcmp uno {a}, {b.text}")
        return self.let(a.type, f"select {unordered}, {self._sum(a, b)}, {ordered}")

    def _sum(self, a: Scalar, b: Scalar) -> Scalar:
        return self.let(a.type, f"fadd {a}, {b.text}")

    def _integer_extreme(self, op: Operation) -> None:
        a, b = (self.scalar(v) for v in op.operands)
        word = {"arith.maxsi": "sgt", "arith.minsi": "slt", "arith.maxui": "ugt", "arith.minui": "ult"}[
            op.name
        ]
        first = self.let("i1", f"icmp {word} {a}, {b.text}")
        self.values[op.result] = self.let(a.type, f"select {first}, {a}, {b}")

    def _absolute(self, op: Operation) -> None:
        x = self.scalar(op.operands[0])
        minus = self.let(x.type, f"sub {x.type} 0, {x.text}")
        negative = self.let("i1", f"icmp slt {x}, 0")
        self.values[op.result] = self.let(x.type, f"select {negative}, {minus}, {x}")


def captured(launch: Operation) -> list[Value]:
    """Values a launch uses from outside, in order of first use."""
    defined: set[Value] = set()
    found: dict[Value, None] = {}
    for op in launch.walk():
        if op is not launch:
            found.update((v, None) for v in op.operands if v not in defined)
        defined.update(op.results)
        defined.update(arg for region in op.regions for block in region.blocks for arg in block.args)
    return list(found)
