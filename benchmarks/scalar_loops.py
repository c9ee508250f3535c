"""Compile one expansion of `tensorc.passes.math` into a loop of vector code over arrays, as the compiler
does, without anything around it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import numpy.typing as npt

from tensorc.codegen_llvm.emitter import EmitterOptions, emit
from tensorc.ir.builtin import body, new_function, new_module
from tensorc.ir.core import Operation, Value
from tensorc.ir.types import FloatType, MemRefType, Type, f32, f64
from tensorc.ops.loops import LoopBuilder
from tensorc.ops.loops.nests import lanes
from tensorc.passes.expand_math import ExpandMath
from tensorc.passes.math import EXPANSIONS
from tensorc.passes.vectorize import Vectorize

Array = npt.NDArray[Any]


def scalar_text(name: str, element: FloatType) -> str:
    """LLVM IR of `element f(element...)`, the expansion `name`."""
    module, function = _function("f", [element] * EXPANSIONS[name].operands, [element])
    b = LoopBuilder.at_end(body(function))
    b.return_(_expansion(b, name, list(body(function).args)))
    ExpandMath().run(module)
    return emit(module)


def loop_module(name: str, element: FloatType, width: int) -> Operation:
    """`@loop(in..., out)` applies the expansion `name` to every element of buffers without stride, in vectors
    of `width` bits.
    """
    buffer = MemRefType((None,), element)
    module, function = _function("loop", [buffer] * (EXPANSIONS[name].operands + 1), [])
    *sources, target = body(function).args
    b = LoopBuilder.at_end(body(function))
    with lanes(b, b.dim(target, 0)) as at:
        b.store(_expansion(b, name, [b.load(source, [at]) for source in sources]), target, [at])
    b.return_()
    ExpandMath().run(module)
    Vectorize(width).run(module)
    return module


def _function(name: str, types: list[Type], results: list[Type]) -> tuple[Operation, Operation]:
    module, function = new_module(), new_function(name, types, results)
    module.regions[0].block.append(function)
    return module, function


def _expansion(b: LoopBuilder, name: str, xs: list[Value]) -> Value:
    return b.call(f"tensorc_{name}_{xs[0].type}", xs, xs[0].type)


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
        self.bind(*inputs, result)()
        return result

    def bind(self, *arrays: Array) -> Callable[[], None]:
        """The call for contiguous arrays, the last of which takes the result."""
        numbers = [(a.ctypes.data, a.ctypes.data, 0, a.size, 1) for a in arrays]
        descriptors = [(ctypes.c_int64 * 5)(*five) for five in numbers]
        return lambda: self.call(*descriptors)


def compile_loop(name: str, element: FloatType = f64, width: int = 512, features: str | None = None) -> Loop:
    """Compile the expansion for this machine (or for `features`, LLVM's +a,-b list)."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    if features is None:
        features = llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=3, jit=True)
    options = EmitterOptions(width, avx512=width == 512 and "+avx512f" in features.split(","))
    module = llvm.parse_assembly(emit(loop_module(name, element, width), options))
    module.verify()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=1))
    builder.getModulePassManager().run(module, builder)
    assembly = machine.emit_assembly(module)
    outside = [f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")]
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (EXPANSIONS[name].operands + 1))
    call = prototype(engine.get_function_address("loop"))
    dtype = np.dtype(np.float32 if element == f32 else np.float64)
    return Loop(dtype, assembly, tuple(outside), call, engine)
