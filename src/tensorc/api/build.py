"""Compiling a program: L0 function → pipeline → LLVM text → native code, and the words of its run-time
errors.

A function has up to two bodies (docs/design/architecture.md, section 7): the fast one, compiled at once, and
the generic one, compiled on the first call that needs it. Stages asked for by `f.source` are made again, not
kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from itertools import takewhile
from typing import Any, Final, NoReturn, TypeVar

from tensorc.api.modes import Mode
from tensorc.api.program import Program
from tensorc.codegen_llvm import emitter, jit
from tensorc.codegen_llvm.abi import ArraySpec, ResultForm, Signature
from tensorc.codegen_llvm.entry import FunctionBase
from tensorc.codegen_llvm.native import NativeBody, compile_body, compile_native
from tensorc.ir.attributes import IntegerAttr
from tensorc.ir.builtin import function_type, new_module
from tensorc.ir.clone import clone_op
from tensorc.ir.core import Operation
from tensorc.ir.errors import InternalError
from tensorc.ir.location import caller_location
from tensorc.ir.printer import print_op
from tensorc.ir.types import TensorType, Type
from tensorc.ops.dtypes import to_dtype
from tensorc.passes import manager, pipelines, sites
from tensorc.passes.text import parse_pipeline

_STAGE_ENDS: Final = {"tensor": ("specialize", "decompose"), "fused": ("bufferize",), "loops": ()}
_OPTIONS: Final = manager.Options(reproducer=False)
_GENERIC_SITES: Final = 1 << 20
F = TypeVar("F", bound=FunctionBase)
Slow = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]


@dataclass
class Build:
    """How a program is compiled in a mode."""

    program: Program
    mode: Mode
    sites: dict[int, sites.Site] = field(default_factory=dict)

    @property
    def has_fast_body(self) -> bool:
        return self.mode.pipeline != "O0"

    def native(self, base: type[F], slow: Slow) -> F:
        """The callable: the first body compiled, the other to come when needed."""
        program = self.program
        return compile_native(
            program.name,
            self._llvm_text(generic=not self.has_fast_body),
            self._signature(),
            level=self.mode.level,
            slow=slow,
            on_error=self._fail,
            cells=[v.cell for v in program.traced.shared],
            constants=[c.value for c in program.traced.constants],
            generic=self._generic_body if self.has_fast_body else None,
            wrap=program.outputs.assemble if program.outputs.form == "dict" else None,
            base=base,
        )

    def module(self, stage: str, generic: bool = False) -> Operation:
        """The IR at `tensor` (stabilised), `fused` (kernels) or `loops`."""
        ends = _STAGE_ENDS[stage]
        passes = parse_pipeline(pipelines.PIPELINES["O0" if generic else self.mode.pipeline])
        module = new_module()
        function = clone_op(self.program.traced.func)
        if generic:
            function.set_attribute(sites.FIRST, IntegerAttr(_GENERIC_SITES))
        module.regions[0].block.append(function)
        manager.run(module, list(takewhile(lambda p: p.name not in ends, passes)), _OPTIONS)
        return module

    def source(self, stage: str, arch: str = "sm_90") -> str:
        """The text at a stage; `arch` is for `ptx`."""
        if stage == "ptx":
            from tensorc.codegen_cuda import ptx

            return str(ptx(self.module("loops"), arch))
        if stage in _STAGE_ENDS:
            return print_op(self.module(stage))
        text = emitter.emit(self.module("loops"), _emitter_options())
        show = jit.optimised_text if stage == "llvm" else jit.assembly
        return show(text, level=self.mode.level)

    def _llvm_text(self, generic: bool) -> str:
        module = self.module("loops", generic)
        self.sites.update({site.number: site for site in sites.collect(module)})
        return emitter.emit(module, _emitter_options())

    def _generic_body(self) -> NativeBody:
        text = self._llvm_text(generic=True)
        return compile_body(self.program.name, text, self._signature(), level=self.mode.level)

    def _fail(self, number: int, a: int, b: int, axis: int) -> NoReturn:
        """Raises the error of a failed check."""
        site = self.sites.get(number)
        if site is None:
            raise InternalError(f"{self.program.name}: unknown site {number} ({a}, {b}, {axis})")
        raise site.error(a, b, axis).during(caller_location())

    def _signature(self) -> Signature:
        program = self.program
        kind = function_type(program.traced.func)
        inputs = len(program.parameters)
        cells = program.traced.shared
        form: ResultForm = "tuple" if program.outputs.form == "dict" else program.outputs.form
        names = [v.name or f"shared {i}" for i, v in enumerate(cells)]
        return Signature(
            tuple(
                _spec(t, p.name or "") for t, p in zip(kind.inputs[:inputs], program.parameters, strict=True)
            ),
            tuple(_spec(t) for t in kind.results),
            tuple(_spec(v.type, n) for v, n in zip(cells, names, strict=True)),
            tuple(_spec(t) for t in kind.inputs[inputs + len(cells) :]),
            tuple((cells.index(v), program.output_count + i) for i, v in enumerate(program.updated)),
            form,
        )


def _spec(type: Type, name: str = "") -> ArraySpec:
    assert isinstance(type, TensorType)
    return ArraySpec(to_dtype(type.element), type.shape, name)


@cache
def _emitter_options() -> emitter.EmitterOptions:
    """512-bit vectors where the machine has them: LLVM prefers 256 by default, which measured slower."""
    return emitter.EmitterOptions(512 if "+avx512f" in jit.host()[2].split(",") else None)
