"""`tc.function`: from expressions to a callable; `x.eval`.

A compiled function is an object of the native entry's type: a call goes from the interpreter straight into
machine code. What the fast path does not take (keywords, lists, other dtypes, wrong arguments) comes to
`slow_call`, is converted, and goes back to the same body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tensorc.api.arguments import MISSING
from tensorc.api.expr import Expr
from tensorc.api.leaves import Shared, Symbol
from tensorc.api.modes import Mode, as_mode
from tensorc.api.program import Program, make_program, retrace
from tensorc.api.trace import postorder
from tensorc.codegen_llvm.entry import FunctionBase
from tensorc.ir.core import Operation
from tensorc.ir.errors import TensorcError, TensorcTypeError, TensorcValueError
from tensorc.ir.location import caller_location
from tensorc.ir.types import TensorType
from tensorc.ops.dtypes import to_dtype

if TYPE_CHECKING:
    from tensorc.api.build import Build

Array = np.ndarray[Any, np.dtype[Any]]
STAGES: Final = ("tensor", "fused", "loops", "llvm", "asm", "ptx")


class Function(FunctionBase):
    """A compiled function. Call it with arrays, in order or by name; `out=` takes the results."""

    name: str
    program: Program
    mode: Mode
    build: Build

    def copy(
        self,
        swap: Mapping[Shared, Shared] | None = None,
        delete_updates: bool = False,
        name: str | None = None,
    ) -> Function:
        """The same program with shared variables exchanged for others of their type, and without updates if
        asked.
        """
        exchanged: dict[Expr, Expr] = {}
        for old, new in (swap or {}).items():
            if not isinstance(old, Shared) or not isinstance(new, Shared) or old.type != new.type:
                raise TensorcTypeError(
                    f"copy: swap exchanges shared variables of one type, got {old!r} for {new!r}",
                    code="TC0460",
                    location=caller_location(),
                )
            if old not in self.program.traced.shared and old not in self.program.updated:
                raise TensorcValueError(
                    f"copy: {self.name} does not use {old!r}", code="TC0461", location=caller_location()
                )
            exchanged[old] = new
        return compile_program(retrace(self.program, exchanged, not delete_updates, name), self.mode)

    def module(self, stage: str = "tensor") -> Operation:
        """The IR at a stage: `tensor`, `fused` or `loops`."""
        return self.build.module(_checked_stage(stage, STAGES[:3]))

    def source(self, stage: str = "tensor", **options: str) -> str:
        """The program's text at a stage: `tensor fused loops llvm asm ptx` (`arch="sm_90"` for the last)."""
        return self.build.source(_checked_stage(stage, STAGES), **options)

    @property
    def variants(self) -> tuple[str, ...]:
        """The bodies compiled so far: `fast` (contiguous arguments, equal extents), `generic`."""
        return tuple(self.machine.bodies)

    def stats(self) -> dict[str, int]:
        """Calls answered by the `fast` and the `generic` body; `slow` of them had converted arguments."""
        return self.counts()

    def __repr__(self) -> str:
        parameters = ", ".join(f"{p.name or '_'}: {p.type}" for p in self.program.parameters)
        return f"<tensorc function {self.name}({parameters})>"


def _checked_stage(stage: str, allowed: Sequence[str]) -> str:
    if stage not in allowed:
        raise TensorcValueError(
            f"unknown stage {stage!r}",
            code="TC0462",
            location=caller_location(),
            help=f"one of {', '.join(allowed)}",
        )
    return stage


def function(
    inputs: Sequence[Any],
    outputs: Any = None,
    updates: Any = None,
    givens: Any = None,
    mode: Mode | str | None = None,
    name: str | None = None,
    on_unused_input: str = "raise",
    allow_input_downcast: bool | None = None,
    no_default_updates: Any = False,
    trust_input: bool = False,
) -> Function:
    """Compile `inputs -> outputs` to native code.

    `outputs` is None, an expression, a list or tuple of them, or a dict with string keys; the result of a
    call has that form. `updates` maps shared variables to their new values: all right-hand sides see the old
    values, all are written together after the call succeeded. `givens` replaces expressions by others.
    `allow_input_downcast` True converts arguments at the price of precision, False refuses even Python floats
    for float32; the default allows those. `trust_input` is there for Theano's programs: the checks are
    part of the native entry and are always made.

    Raises a TensorcError kind at the caller's line for unused or missing inputs, updates of another type, and
    whatever else is wrong with the program; compile errors surface here, not at the first call.
    """
    location = caller_location()
    if not isinstance(inputs, list | tuple):
        raise TensorcTypeError(
            f"function: inputs is a list of symbols, got {type(inputs).__name__}",
            code="TC0463",
            location=location,
            help="tc.function([x, y], x + y)",
        )
    try:
        program = make_program(
            inputs,
            outputs,
            updates,
            givens,
            name,
            on_unused_input,
            allow_input_downcast,
            no_default_updates,
            location,
        )
    except TensorcError as error:
        raise error.at(location) from None
    return compile_program(program, as_mode(mode))


def compile_program(program: Program, mode: Mode) -> Function:
    """The callable of a program in a mode."""
    from tensorc.api.build import Build  # the passes and the emitter are imported by the first compile

    build = Build(program, mode)
    compiled: Function = build.native(Function, _SlowCall(program))
    compiled.name = program.name
    compiled.program = program
    compiled.mode = mode
    compiled.build = build
    return compiled


class _SlowCall:
    """Binds and converts the arguments of a call that the native fast path did not take."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.names = [p.name for p in program.parameters]

    def __call__(self, direct: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Converts the arguments, calls the native body with them, and delivers into `out=` if that was
        given.
        """
        location = caller_location()
        out = kwargs.pop("out", None)
        try:
            values = self._bind(args, kwargs)
            converted = [
                parameter.convert(value, self.program.name, position)
                for position, (parameter, value) in enumerate(
                    zip(self.program.parameters, values, strict=True)
                )
            ]
        except TensorcError as error:
            raise error.at(location) from None
        if out is None:
            return direct(*converted)
        return self._deliver(direct, converted, out)

    def _deliver(self, direct: Callable[..., Any], arguments: list[Array], out: Any) -> Any:
        """`out=` as NumPy's ufuncs have it: an array, or a tuple of one for every output; the arrays are
        returned.
        """
        program = self.program
        targets = out if isinstance(out, tuple) else (out,)
        types = [e.tensor_type for e in program.exprs[: program.output_count]]
        problem = _out_problem(targets, types)
        if problem is not None:
            raise TensorcValueError(
                f"{program.name}: out: {problem}", code="TC0466", location=caller_location()
            )
        results = program.outputs.flatten(direct(*arguments))
        for position, (target, result) in enumerate(zip(targets, results, strict=True)):
            if target.shape != result.shape:
                raise TensorcValueError(
                    f"{program.name}: out: array {position} has shape {target.shape}, the result "
                    f"{result.shape}",
                    code="TC0466",
                    location=caller_location(),
                )
        for target, result in zip(targets, results, strict=True):
            target[...] = result
        return program.outputs.assemble(targets)

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        parameters = self.program.parameters
        if len(args) > len(parameters):
            raise self._count_error(f"takes {len(parameters)} arguments, got {len(args)}")
        values = [*args, *[p.default for p in parameters[len(args) :]]]
        for name, value in kwargs.items():
            position = self._position(name)
            if position < len(args):
                raise self._count_error(f"got {name!r} by position and by name")
            values[position] = value
        missing = [p.name or f"argument {i}" for i, p in enumerate(parameters) if values[i] is MISSING]
        if missing:
            raise self._count_error(f"missing {', '.join(map(repr, missing))}")
        return values

    def _position(self, name: str) -> int:
        found = [i for i, n in enumerate(self.names) if n == name]
        if not found:
            raise self._count_error(f"has no parameter {name!r}")
        if len(found) > 1:
            raise self._count_error(f"has {len(found)} parameters named {name!r}: pass them by position")
        return found[0]

    def _count_error(self, message: str) -> TensorcError:
        parameters = ", ".join(
            f"{n or '_'}: {p.type}" for n, p in zip(self.names, self.program.parameters, strict=True)
        )
        name = self.program.name
        return TensorcTypeError(
            f"{name} {message}", code="TC0464", help=f"its parameters are {name}({parameters})"
        )


def _out_problem(targets: Sequence[Any], types: Sequence[TensorType]) -> str | None:
    """What is wrong with the arrays given as `out=`, as far as the types tell."""
    if len(targets) != len(types):
        return f"{len(targets)} arrays for {len(types)} outputs"
    for position, (target, wanted) in enumerate(zip(targets, types, strict=True)):
        if not isinstance(target, np.ndarray) or not target.flags.writeable:
            return f"item {position} is not a writable array"
        if target.dtype != to_dtype(wanted.element) or target.ndim != wanted.rank:
            return f"array {position} has dtype {target.dtype} and rank {target.ndim}, the result is {wanted}"
        if any(np.shares_memory(target, other) for other in targets[:position]):
            return f"array {position} shares memory with another"
    return None


def evaluate(expr: Expr, inputs: Mapping[Any, Any]) -> Any:
    """`expr.eval(inputs)`: inputs by symbol or by name. The compiled function is kept on the expression's
    inputs.
    """
    symbols = [e for e in postorder([expr], {}, {}) if isinstance(e, Symbol)]
    values: dict[Symbol, Any] = {}
    for key, value in inputs.items():
        matches = [s for s in symbols if s is key or (isinstance(key, str) and s.name == key)]
        if not matches:
            raise TensorcValueError(
                f"eval: {key!r} is not an input of this expression", code="TC0465", location=caller_location()
            )
        values[matches[0]] = value
    compiled = _evaluators(expr, tuple(values))
    return compiled(*values.values())


_EVALUATORS: dict[tuple[int, ...], tuple[Any, Function]] = {}
_EVALUATOR_LIMIT = 128


def _evaluators(expr: Expr, inputs: tuple[Expr, ...]) -> Function:
    """The function of an expression, compiled once while few are in use; the entry keeps its expressions
    alive.
    """
    key = (id(expr), *map(id, inputs))
    if key not in _EVALUATORS:
        if len(_EVALUATORS) >= _EVALUATOR_LIMIT:
            _EVALUATORS.pop(next(iter(_EVALUATORS)))
        compiled = function(list(inputs), expr, name="eval", on_unused_input="ignore", mode="compile-fast")
        _EVALUATORS[key] = ((expr, inputs), compiled)
    return _EVALUATORS[key][1]
