"""`tc.function`: from expressions to a callable; `x.eval`.

A compiled function is an object of the native entry's type: a call goes from the interpreter straight into
machine code. What the fast path does not take (keywords, lists, other dtypes, wrong arguments) comes to
`slow_call`, is converted, and goes back to the same body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorc.api import advice
from tensorc.api.arguments import DEFAULT_NAME, MISSING, Parameter
from tensorc.api.build import Build, Kind, Slow
from tensorc.api.expr import Expr
from tensorc.api.leaves import Argument, Shared, Symbol
from tensorc.api.modes import STAGES, Mode, as_mode
from tensorc.api.program import Program, exposed, make_program, sized, swapped
from tensorc.api.suggestions import keyword
from tensorc.api.trace import postorder
from tensorc.codegen_llvm.entry import FunctionBase
from tensorc.ir.core import Operation
from tensorc.ir.errors import TensorcError, TensorcTypeError, TensorcValueError
from tensorc.ir.location import caller_location
from tensorc.ir.types import TensorType
from tensorc.ops.dtypes import to_dtype
from tensorc.ops.faults import FAULTS

if TYPE_CHECKING:
    from tensorc.api.profile import Profile
    from tensorc.api.saving import File
    from tensorc.codegen_llvm.objects import ObjectCode

Array = np.ndarray[Any, np.dtype[Any]]


class Function(FunctionBase):
    """A compiled function. Call it with arrays, in order or by name; `out=` takes the results."""

    name: str
    program: Program
    mode: Mode
    build: Build
    companions: Sequence[Function] = ()
    """The same program compiled again for calls that pass state by name, or `out=` when there are updates."""
    profile: Profile | None = None
    """Figures of its calls, if it was made with `profile=`."""

    def copy(
        self,
        swap: Mapping[Shared, Shared] | None = None,
        delete_updates: bool = False,
        name: str | None = None,
    ) -> Function:
        """The same program under another `name`, with the shared variables in `swap` exchanged for others of
        their type, and without updates if asked.

        Raises TensorcTypeError for a swap of other things or types, TensorcValueError for a variable that
        the function does not use, or an exchange after which it would update one variable twice.
        """
        changes = _checked_swap(self, {} if swap is None else swap)
        return compile_program(swapped(self.program, changes, not delete_updates, name), self.mode)

    def module(self, stage: str = "tensor") -> Operation:
        """The IR at a stage: `tensor`, `fused` or `loops`."""
        return self.build.module(_checked_stage(stage, STAGES[:3]))

    def source(self, stage: str = "tensor", **options: str) -> str:
        """The program's text at a stage: `tensor fused loops llvm asm ptx` (`arch="sm_90"` for the last)."""
        return self.build.source(_checked_stage(stage, STAGES), **options)

    def save(self, file: File) -> None:
        """Write the function to a file, a path or one open for writing bytes, for `tc.load`: its program, the
        values of its shared variables now, its constants and the machine code there is.

        A path gets its content when that is complete; until then, an existing file stays as it is. The file
        is a zip of plain parts; `numpy.load(path)["state/NAME"]` is the array of the shared variable NAME.
        """
        from tensorc.api.saving import save

        save(self, file)

    def __reduce__(self) -> Any:
        """Pickling, and `copy`: a copy has the same shared variables, a deep copy has copies of them."""
        from tensorc.api.pickling import reduce_function

        return reduce_function(self)

    @property
    def shared(self) -> dict[str, Shared]:
        """The shared variables that it reads or updates, by name: `f.shared["w"].get_value()`. One without a
        name has its number in their order; of several with one name, the later ones have numbers (`w.1`).
        """
        from tensorc.api.saving import shared_names

        return {name: variable for variable, name in shared_names(self.program).items()}

    @property
    def variants(self) -> tuple[str, ...]:
        """The bodies compiled so far: `fast` (contiguous arguments, equal extents), `generic`; and those for
        inputs with short last axes, which were made when their calls took time: `fast (tensor<?x3xf64>)`.
        """
        return (*self.machine.bodies, *self.build.special)

    @property
    def origins(self) -> dict[str, str]:
        """Where the code of each of these bodies came from: `compiled` here, `cached` by another process, or
        `stored` in a file that was loaded.
        """
        return dict(self.build.origins)

    def stats(self) -> dict[str, int]:
        """Calls answered by the `fast` and the `generic` body; `slow` of them had converted arguments."""
        counts = self.counts()
        for other in self.companions:  # their calls came here first, so they are among the slow ones
            for body in ("fast", "generic"):
                counts[body] += other.counts()[body]
        return counts

    def __repr__(self) -> str:
        return f"<tensorc function {self.name}({_signature(self.program)})>"


def _checked_swap(function: Function, swap: Mapping[Shared, Shared]) -> dict[Shared, Shared]:
    location, program = caller_location(), function.program
    if not isinstance(swap, Mapping):
        raise TensorcTypeError(
            f"copy: swap is a dictionary of shared variables, got {type(swap).__name__}",
            code="TC0460",
            location=location,
            help="f.copy(swap={old: new})",
        )
    for old, new in swap.items():
        if not isinstance(old, Shared) or not isinstance(new, Shared) or old.type != new.type:
            raise TensorcTypeError(
                f"copy: swap exchanges shared variables of one type, got {old!r} for {new!r}",
                code="TC0468",
                location=location,
                help="give the new one the dtype and rank of the old one",
            )
        defaults = [p.default for p in program.parameters]
        if not any(old is v for v in (*program.traced.shared, *program.updated, *defaults)):
            raise TensorcValueError(
                f"copy: {program.name} does not use {advice.quoted(old)}",
                code="TC0461",
                location=location,
                help=f"it uses {', '.join(map(advice.quoted, program.traced.shared)) or 'none'}",
            )
    written = [swap.get(v, v) for v in program.updated]
    for position, variable in enumerate(written):
        if variable in written[:position]:
            raise TensorcValueError(
                f"copy: {program.name} would update {variable!r} twice",
                code="TC0467",
                location=location,
                help="swap the other one too, or pass delete_updates=True",
            )
    return dict(swap)


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
    profile: Any = None,
    trust_input: bool = False,
) -> Function:
    """Compile `inputs -> outputs` to native code.

    `inputs` are symbols, or `In(symbol, ...)` for one with a default value, state, or another option.
    `outputs` is None, an expression, a list or tuple of them, or a dict with string keys; the result of a
    call has that form. `updates` maps shared variables to their new values (a dict or pairs): all right-hand
    sides see the old values, all are written together after the call succeeded. Shared variables that are
    read get their `default_update`, except those in `no_default_updates` (True: all).

    `givens` (a dict or pairs) replaces any expressions: symbols, shared variables, computed ones. The value
    of one may contain others, and itself, which is then the original. A computed expression is replaced
    wherever that very object is used, also below gradients, as far as their simplification left it there.

    `on_unused_input` is "raise", "warn" or "ignore". `allow_input_downcast` True converts arguments at the
    price of precision, False refuses even Python floats for float32; the default allows those. `profile`
    (True, a name, or a `tc.Profile` that several share) measures compilation and calls, shown by
    `f.profile.summary()`.
    `trust_input` is there for Theano's programs: the checks are part of the native entry and always made.

    Raises a TensorcError kind at the caller's line for unused or missing inputs, updates of another type, and
    whatever else is wrong with the program; compile errors surface here, not at the first call.
    """
    location = caller_location()
    if not isinstance(inputs, list | tuple):
        raise TensorcTypeError(
            f"function: inputs is a list of symbols, got {_kind(inputs)}",
            code="TC0463",
            location=location,
            help="put it into brackets: tc.function([x], ...)",
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
    if profile is None or profile is False:
        return compile_program(program, as_mode(mode))
    from tensorc.api.profile import as_profile

    measured, start = as_profile(profile, location), perf_counter()
    compiled = compile_program(program, as_mode(mode))
    return compiled if measured is None else measured.watch(compiled, perf_counter() - start)


def compile_program(
    program: Program,
    mode: Mode,
    slow: Slow | None = None,
    stored: Mapping[Kind, ObjectCode] | None = None,
) -> Function:
    """The callable of a program in a mode. `slow` answers calls the native entry does not take, in place of
    the conversion of arguments. Bodies that are among `stored` are not compiled again.
    """
    build = Build(program, mode, stored or {})
    converting = _SlowCall(program, mode)
    compiled: Function = build.native(Function, slow or converting, by_name=slow is None)
    compiled.name = program.name
    compiled.program = program
    compiled.mode = mode
    compiled.build = build
    compiled.companions = converting.companions
    return compiled


class _SlowCall:
    """Binds and converts the arguments of a call that the native fast path did not take."""

    def __init__(self, program: Program, mode: Mode) -> None:
        self.program, self.mode = program, mode
        self.positions: dict[str | None, int | None] = {}
        for position, parameter in enumerate(program.parameters):
            taken = parameter.name in self.positions
            self.positions[parameter.name] = None if taken else position
        self.defaults = tuple(p.default for p in program.parameters)
        self.state = frozenset(p.name for p, _ in program.state if p.name)
        self.exposed: dict[tuple[str, ...], Function] = {}
        self.checked: Function | None = None
        self.companions: list[Function] = []

    def __call__(self, direct: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Converts the arguments, calls the native body with them, and delivers into `out=` if that was
        given.
        """
        if not self.state.isdisjoint(kwargs):
            return self._with_state(args, kwargs)
        out = None if "out" in self.positions else kwargs.pop("out", None)
        try:
            arrays = self._bind(args, kwargs)
            for position, parameter in enumerate(self.program.parameters):
                if not parameter.takes(arrays[position]):
                    arrays[position] = self._convert(parameter, arrays[position], position)
        except TensorcError as error:
            raise error.at(caller_location()) from None
        if out is None:
            return direct(*arrays)
        return self._deliver(direct, arrays, out)

    def _convert(self, parameter: Parameter, value: object, position: int) -> Array:
        if value is parameter.default and isinstance(value, Shared):
            return value.cell.get()
        return parameter.convert(value, self.program.name, position)

    def _companion(self, program: Program) -> Function:
        made = compile_program(program, self.mode)
        self.companions.append(made)
        return made

    def _with_state(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call that passes state: a body that takes it as an argument, made when the first such call
        comes.
        """
        names = tuple(sorted(self.state.intersection(kwargs)))
        if names not in self.exposed:
            self.exposed[names] = self._companion(exposed(self.program, names))
        return self.exposed[names](*args, **kwargs)

    def _deliver(self, direct: Callable[..., Any], arguments: list[Array], out: Any) -> Any:
        """`out=` as NumPy's ufuncs have it: an array, or a tuple of one for every output; the arrays are
        returned.
        """
        program = self.program
        targets = out if isinstance(out, tuple) else (out,)
        types = [e.tensor_type for e in program.exprs[: program.output_count]]
        problem = _out_problem(targets, types)
        if problem is not None:
            raise _out_error(problem, types)
        call = self._sized(targets, types) if program.updated else direct
        results = program.outputs.flatten(call(*arguments))
        for position, (target, result) in enumerate(zip(targets, results, strict=True)):
            if target.shape != result.shape:
                raise _out_error(
                    f"array {position + 1} has shape {target.shape}, the result {result.shape}", types
                )
        for target, result in zip(targets, results, strict=True):
            target[...] = result
        return program.outputs.assemble(targets)

    def _sized(self, targets: Sequence[Array], types: Sequence[TensorType]) -> Callable[..., Any]:
        """The program with the shapes of `targets` among its checks: when it turns out after a call that an
        array does not fit, the updates have been made.
        """
        if self.checked is None:
            self.checked = self._companion(sized(self.program))
        body = self.checked
        extents = [n for t, kind in zip(targets, types, strict=True) for n in _unknown(t, kind)]

        def call(*arguments: Array) -> Any:
            try:
                return body(*arguments, *extents)
            except TensorcError as error:
                if error.code != FAULTS["replaced"].code or self.program.equal:
                    raise
                shapes = ", ".join(str(t.shape) for t in targets)
                raise _out_error(f"the shapes {shapes} are not those of the results", types) from None

        return call

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        given, takes = len(args), len(self.defaults)
        if given > takes:
            raise self._count_error(f"takes {takes} argument{'s' * (takes != 1)}, got {given}")
        values = [*args, *self.defaults[given:]]
        for name, value in kwargs.items():
            position = self.positions.get(name)
            if position is None:
                raise self._name_error(name)
            if position < given:
                raise self._count_error(f"got {name!r} by position and by name")
            values[position] = value
        if any(value is MISSING for value in values[given:]):
            names = [p.name or f"argument {i + 1}" for i, p in enumerate(self.program.parameters)]
            missing = [repr(n) for n, value in zip(names, values, strict=True) if value is MISSING]
            raise self._count_error(f"is called without {', '.join(missing)}", "TC0495")
        return values

    def _name_error(self, name: str) -> TensorcError:
        if name in self.positions:
            count = sum(p.name == name for p in self.program.parameters)
            return self._count_error(f"has {count} parameters named {name!r}: pass them by position")
        near = keyword(name, [n for n in self.positions if n])
        return self._count_error(f"has no parameter {name!r}{near}", "TC0496")

    def _count_error(self, message: str, code: str = "TC0464") -> TensorcError:
        name = self.program.name
        shown, called = ("the function", "f") if name == DEFAULT_NAME else (name, name)
        return TensorcTypeError(
            f"{shown} {message}", code=code, help=f"its parameters are {called}({_signature(self.program)})"
        )


def _signature(program: Program) -> str:
    required = [f"{p.name or '_'}: {p.type}" for p in program.parameters]
    return ", ".join([*required, *[f"{p.name or '_'}: {p.type} (state)" for p, _ in program.state]])


def _kind(value: object) -> str:
    return advice.quoted(value) if isinstance(value, Expr) else f"a {type(value).__name__}"


def _out_error(problem: str, types: Sequence[TensorType]) -> TensorcError:
    wanted = [f"np.empty(shape, {to_dtype(t.element).name!r})" for t in types]
    given = wanted[0] if len(wanted) == 1 else f"({', '.join(wanted)})"
    return TensorcValueError(
        f"out=: {problem}",
        code="TC0466",
        location=caller_location(),
        help=f"pass out={given} with the shape of the result, or leave it away",
    )


def _out_problem(targets: Sequence[Any], types: Sequence[TensorType]) -> str | None:
    """What is wrong with the arrays given as `out=`, as far as the types tell."""
    if len(targets) != len(types):
        return f"{len(targets)} arrays for {len(types)} outputs"
    for position, (target, wanted) in enumerate(zip(targets, types, strict=True)):
        if not isinstance(target, np.ndarray) or not target.flags.writeable:
            return f"item {position + 1} is not a writable array"
        if target.dtype != to_dtype(wanted.element) or target.ndim != wanted.rank:
            has = f"dtype {target.dtype} and {target.ndim} axes"
            return f"array {position + 1} has {has}, the result is {wanted}"
        for axis, (extent, wants) in enumerate(zip(target.shape, wanted.shape, strict=True)):
            if wants not in (None, extent):
                return f"array {position + 1} has extent {extent} on axis {axis}, the result is {wanted}"
        if any(np.shares_memory(target, other) for other in targets[:position]):
            return f"array {position + 1} shares memory with another"
    return None


def _unknown(target: Array, kind: TensorType) -> list[Array]:
    """The extents of an array where its type leaves them open."""
    return [np.array(n) for n, known in zip(target.shape, kind.shape, strict=True) if known is None]


def load(file: File, trust_code: bool = False) -> Function:
    """The function in a file that `f.save` wrote: a path, or a file open for reading.

    It is complete: it can be called, copied, saved, pickled, its `source` and `module` shown; errors still
    name the lines of the program it was made from. Its shared variables are new ones with the values they
    had; get and set them through `f.shared["name"]`. Where the file was saved on a machine of this kind, by
    this version and by this user, nothing is compiled; elsewhere the program in the file is compiled again.

    Files from others are safe to load: everything in a file is data, which is checked and refused if anything
    is wrong with it, but for machine code, which could do anything. That is used only if its seal shows that
    this user's own tensorc made it (an HMAC under the key in the folder of the object cache), unless
    `trust_code` says that you trust whoever wrote the file as you would trust a program of theirs. Running
    the function is as safe as running any other: it computes, and reads and writes nothing but its arrays.

    Raises TensorcValueError (TC0470 to TC0474) for a file that is no saved function, or is damaged, or was
    written by a later version; OSError if it cannot be read.
    """
    from tensorc.api import saving  # imported by the first file

    return saving.load(file, trust_code)


def evaluate(expr: Expr, inputs: Any) -> Any:
    """`expr.eval(inputs)`: inputs by symbol, by name, or by any other expression whose value is then taken as
    given. The compiled function is kept while few are in use.
    """
    location = caller_location()
    if not isinstance(inputs, Mapping):
        raise TensorcTypeError(
            f"eval: the inputs are a dictionary, got {type(inputs).__name__}",
            code="TC0497",
            location=location,
            help="x.eval({y: value})",
        )
    symbols = [e for e in postorder([expr]) if isinstance(e, Symbol)]
    values: dict[Expr, Any] = {}
    for key, value in inputs.items():
        found = [key] if isinstance(key, Expr) else [s for s in symbols if s.name == key]
        if len(found) != 1 or (isinstance(key, Symbol) and key not in symbols):
            shown = advice.quoted(key) if isinstance(key, Expr) else repr(key)
            what = f"{len(found)} inputs are named {shown}" if len(found) > 1 else f"{shown} is not an input"
            raise TensorcValueError(
                f"eval: {what} of this expression",
                code="TC0465",
                location=location,
                help=f"its inputs are {advice.listed(symbols)}" if symbols else "it has no inputs",
            )
        values[found[0]] = value
    missing = [s for s in symbols if s not in values]
    traced = any(isinstance(s, Argument) for s in missing)  # that has an error of its own
    if missing and not traced and all(key in symbols for key in values):  # others may stand before symbols
        raise TensorcValueError(
            f"eval: no value for {', '.join(map(advice.quoted, missing))}",
            code="TC0498",
            location=location,
            help="x.eval({" + ", ".join(f"{advice.label(s) or 'symbol'}: value" for s in symbols) + "})",
        )
    try:
        return _evaluator(expr, tuple(values))(*values.values())
    except TensorcError as error:
        raise error.at(location) from None


_EVALUATORS: dict[tuple[int, ...], tuple[Any, Function]] = {}
_EVALUATOR_LIMIT = 128


def _evaluator(expr: Expr, given: tuple[Expr, ...]) -> Function:
    """The function of an expression, compiled once while few are in use; the entry keeps its expressions
    alive.
    """
    key = (id(expr), *map(id, given))
    found = _EVALUATORS.get(key)
    if found is None:
        inputs = [e if isinstance(e, Symbol) else _stand_in(e) for e in given]
        replaced = {e: i for e, i in zip(given, inputs, strict=True) if e is not i}
        compiled = function(
            inputs, expr, givens=replaced, name="eval", on_unused_input="ignore", mode="compile-fast"
        )
        for oldest in list(_EVALUATORS)[: max(0, len(_EVALUATORS) - _EVALUATOR_LIMIT + 1)]:
            _EVALUATORS.pop(oldest, None)  # another thread may have done so
        found = _EVALUATORS.setdefault(key, ((expr, given), compiled))
    return found[1]


def _stand_in(expr: Expr) -> Symbol:
    """An input for the value of a computed expression."""
    return Symbol(expr.tensor_type, expr.name, expr.location or caller_location())
