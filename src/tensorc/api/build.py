"""Compiling a program: L0 function → pipeline → LLVM text → object code → native code, and the words of its
run-time errors.

A function has up to two bodies (docs/design/architecture.md, section 7): the fast one, there at once, and the
generic one, made on the first call that needs it. Object code that is at hand is loaded as it is; the passes
and the emitter are imported by the first body that must be compiled. Nothing but object code is kept: stages
asked for by `f.source` are made again, and so is the table of sites, by the first error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, TypeVar

import numpy as np

from tensorc.api.modes import Mode
from tensorc.api.native_forms import tree_of_results
from tensorc.api.program import Program
from tensorc.api.short_axes import watch_of
from tensorc.codegen_llvm import cache, jit, libraries
from tensorc.codegen_llvm.abi import ArraySpec, ResultForm, Signature
from tensorc.codegen_llvm.entry import Binding, FunctionBase
from tensorc.codegen_llvm.native import NativeBody, compile_object, exports_of, link_native
from tensorc.codegen_llvm.objects import ObjectCode
from tensorc.ir.attributes import ArrayAttr, IntegerAttr, StringAttr
from tensorc.ir.builtin import arg_attributes, function_type, new_module, set_signature
from tensorc.ir.clone import clone_op
from tensorc.ir.core import Operation
from tensorc.ir.errors import InternalError, TensorcError
from tensorc.ir.location import caller_location
from tensorc.ir.printer import print_op
from tensorc.ir.types import TensorType, Type
from tensorc.ops.dtypes import to_dtype
from tensorc.passes import pipelines, sites

if TYPE_CHECKING:
    from tensorc.codegen_llvm.emitter import EmitterOptions
    from tensorc.passes.manager import Pass

_STAGE_ENDS: Final = {
    **{"tensor": ("specialize", "decompose"), "fused": ("bufferize",), "loops": ()},
    "ptx": ("vectorize",),  # a thread of a GPU computes one element
}
_NUMBERS_LAST: Final = "bufferize"
"""The last pass that numbers sites: `decompose` may bring checks that `check-shapes` has not seen."""
_GENERIC_SITES: Final = 1 << 20
_FUSED: Final = ("O2", "O3", "fast")
"""Pipelines whose loops gain from extents that are known."""
NAME: Final = "main"
"""What every function is called in its object code."""
_NOT_IN_CODE: Final = ("tensorc.name", "tensorc.value", "tensorc.cell")
"""Attributes of arguments that machine code does not depend on."""

Kind = Literal["fast", "generic"]
F = TypeVar("F", bound=FunctionBase)
Slow = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]


@dataclass
class Build:
    """How a program is compiled in a mode. `stored` is object code of its bodies from elsewhere, made for
    this machine from the same program: what it has, and what can be loaded, is not compiled.
    """

    program: Program
    mode: Mode
    stored: Mapping[Kind, ObjectCode] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    """Where the bodies made so far came from: `compiled`, `cached`, `stored`."""
    special: list[str] = field(default_factory=list)
    """Fast bodies that were made later, for inputs of these types (`api/short_axes.py`)."""
    _sites: dict[Kind, dict[int, sites.Site]] = field(default_factory=dict)

    @property
    def has_fast_body(self) -> bool:
        return self.mode.pipeline != "O0"

    def native(self, base: type[F], slow: Slow, *, by_name: bool) -> F:
        """The callable: the first body loaded, the other to come when needed. Without `by_name`, what is
        not an array passed by position goes to `slow`.
        """
        program = self.program
        special = base is FunctionBase  # a sibling has none of its own
        watch = None if special or self.mode.pipeline not in _FUSED else watch_of(program)
        function = link_native(
            program.name,
            self.body("fast" if self.has_fast_body else "generic"),
            self._signature(numbers=by_name),
            slow=slow,
            on_error=self._fail,
            cells=[v.cell for v in program.traced.shared],
            constants=[c.value for c in program.traced.constants],
            generic=(lambda: self.body("generic")) if self.has_fast_body else None,
            wrap=program.outputs.assemble if program.outputs.wrapped else None,
            binding=self._binding() if by_name else None,
            tree=tree_of_results(program.outputs.structure) if program.outputs.wrapped else None,
            watch=watch,
            base=base,
        )
        if watch is not None:
            watch.over(function, lambda other: self._sibling(other, by_name=by_name))
        return function

    def _sibling(self, program: Program, *, by_name: bool) -> FunctionBase:
        """The fast body of a more special form of the program, for the entry to try before others."""
        build = replace(self, program=program, stored={}, origins={}, _sites={})
        made = build.native(FunctionBase, _never, by_name=by_name)
        self.special.append(f"fast ({', '.join(str(p.type) for p in program.parameters)})")
        return made

    def body(self, kind: Kind) -> NativeBody:
        """One body, loaded: from stored object code, from the cache, else compiled."""
        stored = _stored(self.stored.get(kind))
        if stored is not None:
            self.origins[kind] = "stored"
            return stored
        function = self._code_function(kind)
        body, found = cache.obtain(
            lambda: self._key(kind, function),
            self.program.name,
            f"{kind} body, {self.mode.pipeline}",
            lambda: (self._compile(kind, function),),
            _loaded,
        )
        self.origins[kind] = "cached" if found else "compiled"
        return body

    def module(self, stage: str) -> Operation:
        """The IR at `tensor` (stabilised), `fused` (kernels) or `loops`."""
        function = clone_op(self.program.traced.func)
        if stage == "loops" and (self.program.updated or any(p.mutable for p in self.program.parameters)):
            self._say_updates(function)
        return _run(function, takewhile(lambda p: p.name not in _STAGE_ENDS[stage], self._passes("fast")))

    def source(self, stage: str, arch: str = "sm_90") -> str:
        """The text at a stage; `arch` is for `ptx`."""
        if stage == "ptx":
            from tensorc.codegen_cuda import ptx

            return str(ptx(self.module("ptx"), arch))
        if stage in _STAGE_ENDS:
            return print_op(self.module(stage))
        from tensorc.codegen_llvm import emitter

        text = emitter.emit(self.module("loops"), _emitter_options())
        show = jit.optimised_text if stage == "llvm" else jit.assembly
        return show(text, level=self.mode.level)

    def _compile(self, kind: Kind, function: Operation) -> ObjectCode:
        from tensorc.codegen_llvm import emitter
        from tensorc.passes import manager

        passes = self._passes(kind)
        try:
            with manager.no_collection():
                text = emitter.emit(_run(function, passes), _emitter_options())
            return compile_object(NAME, text, self._signature(), level=self.mode.level)
        except (TensorcError, MemoryError):
            raise
        except Exception as error:  # a defect of ours, wherever it showed
            found = error if isinstance(error, InternalError) else InternalError(_defect(error))
            start = new_module()
            start.regions[0].block.append(self._code_function(kind))
            raise manager.with_reproducer(found, start, passes) from error

    def _pipeline(self, kind: Kind) -> str:
        return self.mode.pipeline if kind == "fast" else pipelines.GENERIC_OF[self.mode.pipeline]

    def _passes(self, kind: Kind) -> list[Pass]:
        from tensorc.passes.text import parse_pipeline

        return parse_pipeline(self._pipeline(kind))

    def made_from(self, kind: Kind) -> tuple[str, ...] | None:
        """What decides the code of a body but for our own sources and the machine; None if more does."""
        return self._key(kind, self._code_function(kind))

    def _key(self, kind: Kind, function: Operation) -> tuple[str, ...] | None:
        """All that decides the code of a body but for our own sources and the machine; None if something
        else does: ops, passes or rules that a program has added.
        """
        pipeline = self._pipeline(kind)
        definitions = {op.definition for op in function.walk()}
        if not pipelines.own_sources(pipeline) or not all(
            d is not None and d.__module__.startswith("tensorc.") for d in definitions
        ):
            return None
        width = str(_vector_width())
        return print_op(function), pipelines.description(pipeline), repr(self.mode), width

    def _code_function(self, kind: Kind) -> Operation:
        """What a body is compiled from: a copy of the function without what does not matter to its code."""
        function = clone_op(self.program.traced.func)
        kind_of = function_type(function)
        attributes = [
            {k: v for k, v in arg_attributes(function, i).items() if k not in _NOT_IN_CODE}
            for i in range(len(kind_of.inputs))
        ]
        set_signature(function, kind_of.inputs, kind_of.results, attributes)
        function.set_attribute("sym_name", StringAttr(NAME))
        self._say_updates(function)
        if kind == "generic":
            function.set_attribute(sites.FIRST, IntegerAttr(_GENERIC_SITES))
        return function

    def _say_updates(self, function: Operation) -> None:
        """Write on a function, for every update, the numbers of the argument that is the cell and of the
        result it becomes; and which arguments may be overwritten.
        """
        program = self.program
        first = len(program.parameters)
        numbers = tuple(IntegerAttr(n) for cell, out in self._updates() for n in (first + cell, out))
        function.set_attribute(sites.UPDATES, ArrayAttr(numbers))
        mutable = tuple(IntegerAttr(k) for k, p in enumerate(program.parameters) if p.mutable)
        if mutable:
            function.set_attribute(sites.MUTABLE, ArrayAttr(mutable))

    def _updates(self) -> list[tuple[int, int]]:
        """For every update the numbers of the cell and of the result it becomes."""
        program = self.program
        cells = {v: number for number, v in enumerate(program.traced.shared)}
        return [(cells[v], program.output_count + i) for i, v in enumerate(program.updated)]

    def _fail(self, number: int, a: int, b: int, axis: int) -> NoReturn:
        """Raises the error of a failed check."""
        site = self.sites("generic" if number >= _GENERIC_SITES else "fast").get(number)
        if site is None:
            raise InternalError(f"{self.program.name}: unknown site {number} ({a}, {b}, {axis})")
        raise site.error(a, b, axis).during(caller_location())

    def sites(self, kind: Kind) -> dict[int, sites.Site]:
        """The places of a body that can fail at run time, by number. Passes number them in the same way
        whenever they run, so that code needs no table of them, and locations are those of this program.
        """
        if kind not in self._sites:
            passes = self._passes(kind)
            last = next(i for i, p in enumerate(passes) if p.name == _NUMBERS_LAST)
            numbered = _run(self._code_function(kind), passes[: last + 1])
            self._sites[kind] = {site.number: site for site in sites.collect(numbered)}
        return self._sites[kind]

    def _binding(self) -> Binding:
        """Names that belong to one parameter, and defaults that are arrays."""
        parameters = self.program.parameters
        names = [p.name or "" for p in parameters]
        defaults = [p.default if isinstance(p.default, np.ndarray) else None for p in parameters]
        single = tuple(name if names.count(name) == 1 else "" for name in names)
        return Binding(single, tuple(defaults))

    def _signature(self, *, numbers: bool = False) -> Signature:
        program = self.program
        kind = function_type(program.traced.func)
        inputs = len(program.parameters)
        cells = program.traced.shared
        form: ResultForm = program.outputs.native
        names = [v.name or f"shared {i}" for i, v in enumerate(cells)]
        return Signature(
            tuple(
                _spec(t, p.name or "", p.weak or (numbers and p.takes_numbers))
                for t, p in zip(kind.inputs[:inputs], program.parameters, strict=True)
            ),
            tuple(_spec(t) for t in kind.results),
            tuple(_spec(v.type, n) for v, n in zip(cells, names, strict=True)),
            tuple(_spec(t) for t in kind.inputs[inputs + len(cells) :]),
            tuple(self._updates()),
            form,
            program.outputs.keys,
        )


def _never(direct: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    raise InternalError("a sibling's slow path was taken: its calls go back to the function it belongs to")


def _stored(code: ObjectCode | None) -> NativeBody | None:
    """The code in memory; None where it is no body of ours or does not fit this process."""
    try:
        return None if code is None else _loaded((code,))
    except (InternalError, ValueError):
        return None


def _loaded(parts: tuple[ObjectCode, ...]) -> NativeBody:
    (code,) = parts
    if code.exports != exports_of(NAME):
        raise ValueError(f"object code of {', '.join(code.exports)} is no body of a function")
    return NativeBody(code)


def _run(function: Operation, passes: Iterable[Pass]) -> Operation:
    """A module with the function after some passes."""
    from tensorc.passes import manager

    module = new_module()
    module.regions[0].block.append(function)
    manager.run(module, list(passes), manager.Options(reproducer=False))
    return module


def _defect(error: Exception) -> str:
    return f"compiling failed: {type(error).__name__}: {error}"


def _spec(type: Type, name: str = "", numbers: bool = False) -> ArraySpec:
    assert isinstance(type, TensorType)
    return ArraySpec(to_dtype(type.element), type.shape, name, numbers)


def _emitter_options() -> EmitterOptions:
    return libraries.host_options()


def _vector_width() -> int | None:
    return libraries.vector_width()
