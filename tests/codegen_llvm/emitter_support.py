"""Compile L2 modules with llvmlite alone (no entry points) and call them over MLIR descriptors."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from tensorc import codegen_llvm
from tensorc.codegen_llvm.emitter import EmitterOptions, emit
from tensorc.codegen_llvm.runtime_symbols import address_of
from tensorc.ir.builtin import body, new_function, new_module
from tensorc.ir.core import Operation, Value
from tensorc.ir.types import MemRefType, Type, i32, i64
from tensorc.ops.loops import LoopBuilder

ALLOCATOR = """
@tensorc_live = global i64 0
declare ptr @malloc(i64)
declare void @free(ptr)
define void @count(i64 %change) {
  %live = load i64, ptr @tensorc_live
  %now = add i64 %live, %change
  store i64 %now, ptr @tensorc_live
  ret void
}
define ptr @tensorc_alloc(i64 %n) noinline {
  %p = call ptr @malloc(i64 %n)
  %ok = icmp ne ptr %p, null
  %one = zext i1 %ok to i64
  call void @count(i64 %one)
  ret ptr %p
}
define i64 @tensorc_poll(ptr %record, i64 %chunk) {
  ret i64 %chunk
}
define i32 @tensorc_parallel(ptr %r, ptr %body, ptr %captures, i64 %lower, i64 %upper, i64 %weight) {
  %code = call i32 %body(ptr %captures, i64 %lower, i64 %upper)
  ret i32 %code
}
define void @tensorc_free(ptr %p) noinline {
  %held = icmp ne ptr %p, null
  %minus = sext i1 %held to i64
  call void @count(i64 %minus)
  call void @free(ptr %p)
  ret void
}
"""

BODIES = Path(codegen_llvm.__file__).with_name("bodies.ll")

ERR = MemRefType((4,), i64)


def machine(level: int = 2) -> llvm.TargetMachine:
    """A fresh one each time: an execution engine takes possession of its own."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    features = llvm.get_host_cpu_features().flatten()
    return target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=level)


class Native:
    """A compiled module; `call(name, args)` passes arrays as descriptors and numbers directly."""

    def __init__(self, text: str, level: int = 2) -> None:
        target = machine(level)
        self.text = text
        module = llvm.parse_assembly(text)
        module.verify()
        for part in (ALLOCATOR, BODIES.read_text(encoding="utf-8")):
            module.link_in(llvm.parse_assembly(part))
        options = llvm.create_pipeline_tuning_options(speed_level=level)
        options.loop_vectorization = options.slp_vectorization = level >= 2
        passes = llvm.create_pass_builder(target, options)
        passes.getModulePassManager().run(module, passes)
        self.optimised = str(module)
        # What is not found now would be called at address 0.
        for name in [f.name for f in module.functions if f.is_declaration]:
            if name.startswith("tensorc_"):
                llvm.add_symbol(name, address_of(name))
        self.engine = llvm.create_mcjit_compiler(module, target)
        self.engine.finalize_object()

    @property
    def live(self) -> int:
        """Buffers allocated and not freed."""
        return ctypes.c_int64.from_address(self.engine.get_global_value_address("tensorc_live")).value

    def call(self, name: str, args: Sequence[Any], types: Sequence[Type]) -> int:
        native = [_argument(a, t) for a, t in zip(args, types, strict=True)]
        function = ctypes.CFUNCTYPE(ctypes.c_int32, *[type(a) for a in native])(
            self.engine.get_function_address(name)
        )
        return int(function(*native))


def _argument(arg: Any, type: Type) -> Any:
    if not isinstance(type, MemRefType):
        return ctypes.c_double(arg) if str(type) == "f64" else ctypes.c_int64(arg)
    numbers = [0, *arg.shape, *(s // arg.itemsize for s in arg.strides)]
    fields = (ctypes.c_int64 * (2 + len(numbers)))(arg.ctypes.data, arg.ctypes.data, *numbers)
    pointer = ctypes.cast(fields, ctypes.c_void_p)
    pointer._keep = fields
    return pointer


def build(types: Sequence[Type], make: Callable[..., None], name: str = "f") -> Operation:
    """A module of one function `@name(types...) -> i32` whose body `make(b, *args)` builds; it returns 0."""
    module = new_module()
    add_function(module, name, types, make)
    return module


def add_function(module: Operation, name: str, types: Sequence[Type], make: Callable[..., None]) -> None:
    function = new_function(name, list(types), [i32])
    module.regions[0].block.append(function)
    block = body(function)
    b = LoopBuilder.at_end(block)
    arguments: list[Value] = list(block.args)
    make(b, *arguments)
    b.return_(b.constant(0, i32))


def compile_module(module: Operation, level: int = 2, vector_width: int | None = None) -> Native:
    return Native(emit(module, EmitterOptions(vector_width)), level)


def same(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    """Bit-equal, except that one NaN is as good as another."""
    if a.dtype.kind != "f":
        return bool((a == b).all())
    bits = f"i{a.itemsize}"
    return bool(((a.view(bits) == b.view(bits)) | (np.isnan(a) & np.isnan(b))).all())
