"""A program: the traced function behind a compiled one, and what its arguments and results stand for.
Everything needed to compile it again in another way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from tensorc.api import advice, convert, leaves, pytree
from tensorc.api.arguments import DEFAULT_NAME, MISSING, In, Out, Parameter
from tensorc.api.escaped import escaped
from tensorc.api.expr import Expr, apply
from tensorc.api.leaves import Argument, Constant, Shared, Symbol
from tensorc.api.substitute import Extent, Substitution
from tensorc.api.trace import Traced, postorder, trace
from tensorc.codegen_llvm.abi import ResultForm
from tensorc.ir.errors import TensorcError, TensorcTypeError, TensorcValueError
from tensorc.ir.location import UNKNOWN, Location, warn_user
from tensorc.ir.types import TensorType, i64
from tensorc.ops.dtypes import to_dtype
from tensorc.ops.index import ToIndex

Shapes = Mapping[int, tuple[int | None, ...]]
"""New types of inputs, by position."""


@dataclass(frozen=True)
class Outputs:
    """The form of a call's result: "none", "one", "tuple", "list", "dict" with its keys, or "tree" with its
    structure (`api.pytree`).
    """

    form: Literal["none", "one", "tuple", "list", "dict", "tree"]
    keys: tuple[str, ...] = ()
    structure: pytree.Structure = ()

    @property
    def native(self) -> ResultForm:
        """What the native entry returns."""
        return "tuple" if self.form == "tree" else self.form

    @property
    def wrapped(self) -> bool:
        """Whether `assemble` has to make the result of that."""
        return self.native != self.form

    def assemble(self, values: Sequence[Any]) -> Any:
        """The user's form from the flat values."""
        if self.form == "none":
            return None
        if self.form == "one":
            return values[0]
        if self.form == "dict":
            return dict(zip(self.keys, values, strict=True))
        if self.form == "tree":
            return pytree.unflatten(self.structure, values)
        return list(values) if self.form == "list" else tuple(values)

    def flatten(self, result: Any) -> list[Any]:
        """The flat values of a result in the user's form."""
        if self.form == "none":
            return []
        if self.form == "one":
            return [result]
        if self.form == "tree":
            return pytree.flatten(result)[0]
        return [result[k] for k in self.keys] if self.form == "dict" else list(result)


@dataclass(frozen=True)
class Program:
    """`traced` computes the outputs, then one new value for every updated shared variable."""

    name: str
    parameters: tuple[Parameter, ...]
    outputs: Outputs
    output_count: int
    updated: tuple[Shared, ...]
    traced: Traced
    exprs: tuple[Expr, ...]
    """Outputs and new values as expressions with `givens` applied, for `f.copy`."""
    equal: tuple[tuple[Extent, Extent], ...] = ()
    """Extents of replaced expressions and of their replacements, which the code compares."""
    state: tuple[tuple[Parameter, Shared], ...] = ()
    """Inputs with an update, and the hidden shared variables that stand for them in `traced`."""


def make_program(
    inputs: Sequence[Any],
    outputs: Any,
    updates: Any,
    givens: Any,
    name: str | None,
    on_unused_input: str | None,
    allow_input_downcast: bool | None,
    no_default_updates: Any,
    location: Location,
) -> Program:
    """Checks everything a user can get wrong in `tc.function` and traces the program."""
    _check_options(name, on_unused_input, allow_input_downcast, location)
    ins = [_as_input(i, position, location) for position, i in enumerate(inputs)]
    _check_inputs([i.variable for i in ins], location)
    form, flat = _flatten_outputs(outputs, location)
    new_values = _updates(updates, location)
    state = _state(ins, new_values, location)
    replaced = _givens(givens, location)
    substitution = Substitution(replaced)
    equal = _extents(replaced, substitution, [i.variable for i in ins])
    _default_updates(flat, new_values, substitution, no_default_updates, location)
    exprs = substitution([*flat, *new_values.values()])
    pairs = [(substitution([a])[0], b) for a, b in equal]
    parameters = [_parameter(i, allow_input_downcast) for i in ins]
    program = retraced(
        Program(
            name or DEFAULT_NAME,
            tuple(p for i, p in zip(ins, parameters, strict=True) if i.update is None),
            form,
            len(flat),
            tuple(new_values),
            cast(Traced, None),
            tuple(exprs),
            tuple(pairs),
            tuple(
                (p, state[i.variable]) for i, p in zip(ins, parameters, strict=True) if i.variable in state
            ),
        )
    )
    _check_missing(program, location)
    _check_unused(program.traced.unused, replaced, on_unused_input or "raise", location)
    return program


def retraced(program: Program) -> Program:
    """The program with its function made from its expressions."""
    state = Substitution({_symbol(p): cell for p, cell in program.state}, chained=False)
    equal = [(_extent(state, a), _extent(state, b)) for a, b in program.equal]
    traced = trace(
        state(program.exprs),
        [_symbol(p) for p in program.parameters],
        program.updated,
        name=program.name,
        free_symbols=True,
        equal=equal,
    )
    return replace(program, traced=traced)


def _symbol(parameter: Parameter) -> Expr:
    assert parameter.expr is not None
    return parameter.expr


def _extent(substitution: Substitution, extent: Extent) -> Extent:
    return extent if isinstance(extent, int) else substitution([extent])[0]


def swapped(program: Program, swap: Mapping[Shared, Shared], keep_updates: bool, name: str | None) -> Program:
    """The same program with some shared variables exchanged and, unless `keep_updates`, without updates."""
    count = len(program.exprs) if keep_updates else program.output_count
    substitution = Substitution({old: new for old, new in swap.items()}, chained=False)
    parameters = tuple(
        replace(p, default=swap.get(p.default, p.default)) if isinstance(p.default, Shared) else p
        for p in program.parameters
    )
    return retraced(
        replace(
            program,
            name=name or program.name,
            parameters=parameters,
            updated=tuple(swap.get(v, v) for v in program.updated) if keep_updates else (),
            exprs=tuple(substitution(program.exprs[:count])),
            equal=tuple((_extent(substitution, a), _extent(substitution, b)) for a, b in program.equal),
            state=tuple((p, swap.get(cell, cell)) for p, cell in program.state),
        )
    )


def exposed(program: Program, names: Sequence[str]) -> Program:
    """The same program with the state of these names taken from the caller; the updates stay."""
    shown = tuple(p for p, _ in program.state if p.name in names)
    hidden = tuple((p, cell) for p, cell in program.state if p.name not in names)
    return retraced(replace(program, parameters=(*program.parameters, *shown), state=hidden))


def sized(program: Program) -> Program:
    """The same program with one more input for every unknown extent of its outputs, in order: a call fails,
    before anything is written, unless they are what the outputs have.
    """
    extras: list[Parameter] = []
    equal = list(program.equal)
    for extent in unknown_extents(program):
        given = Symbol(TensorType((), i64), f"extent {len(extras)}", UNKNOWN)
        extras.append(Parameter(given.name, given.tensor_type, expr=given))
        equal.append((extent, apply(ToIndex, given)))
    return retraced(replace(program, parameters=(*program.parameters, *extras), equal=tuple(equal)))


def with_shapes(program: Program, shapes: Shapes) -> Program:
    """The same program for inputs of these more special types."""
    parameters = list(program.parameters)
    replaced: dict[Expr, Expr] = {}
    for position, shape in shapes.items():
        parameter = parameters[position]
        old = _symbol(parameter)
        kind = TensorType(shape, parameter.type.element)
        new = Symbol(kind, parameter.name, old.location or UNKNOWN)
        replaced[old] = new
        parameters[position] = replace(parameter, type=kind, expr=new)
    substitution = Substitution(replaced, chained=False)
    for leaf, special in replaced.items():
        for mine, theirs in zip(leaf.extents, special.extents, strict=True):
            if not isinstance(mine, int) and isinstance(theirs, int):
                substitution.alias(leaf, mine, theirs)
    return retraced(
        replace(
            program,
            parameters=tuple(parameters),
            exprs=tuple(substitution(program.exprs)),
            equal=tuple((_extent(substitution, a), _extent(substitution, b)) for a, b in program.equal),
        )
    )


def unknown_extents(program: Program) -> list[Expr]:
    """The extents of the outputs that only a call decides."""
    outputs = program.exprs[: program.output_count]
    return [extent for e in outputs for extent in e.extents if isinstance(extent, Expr)]


def _check_options(
    name: object, on_unused_input: object, allow_input_downcast: object, location: Location
) -> None:
    if name is not None and not (isinstance(name, str) and name.isprintable() and not {*name} & {*'"\\'}):
        raise TensorcTypeError(
            f"function: the name is {name!r}; a name is printable text without quotes and backslashes",
            code="TC0454",
            location=location,
            help="name='loss'",
        )
    if on_unused_input not in (None, "raise", "warn", "ignore"):
        raise TensorcValueError(
            f"function: on_unused_input={on_unused_input!r}",
            code="TC0451",
            location=location,
            help="one of 'raise', 'warn', 'ignore'",
        )
    if allow_input_downcast not in (None, True, False):
        raise TensorcTypeError(
            f"function: allow_input_downcast={allow_input_downcast!r}",
            code="TC0455",
            location=location,
            help="one of None, True, False",
        )


def _as_input(item: Any, position: int, location: Location) -> In:
    found = item if isinstance(item, In) else In(item)
    variable = found.variable
    if isinstance(variable, Shared):
        raise TensorcTypeError(
            f"function: input {position + 1} is the shared variable {advice.quoted(variable)}, which is read "
            "at every call without being an input",
            code="TC0440",
            location=location,
            help="remove it from inputs; to replace it in one function use givens={shared: symbol}",
        )
    if not isinstance(variable, Symbol):
        what = (
            f"the expression {advice.quoted(variable)}"
            if isinstance(variable, Expr)
            else f"of type {type(variable).__name__}"
        )
        raise TensorcTypeError(
            f"function: input {position + 1} is {what}, not a symbol",
            code="TC0441",
            location=location,
            help=(
                "inputs are symbols such as tc.matrix('x'); to feed a computed expression use "
                "givens={expression: symbol}"
            ),
        )
    return found


def _check_inputs(variables: Sequence[Expr], location: Location) -> None:
    first: dict[Expr, int] = {}
    for position, variable in enumerate(variables):
        if first.setdefault(variable, position) != position:
            raise TensorcValueError(
                f"function: {advice.quoted(variable)} is both input {first[variable] + 1} and input "
                f"{position + 1}",
                code="TC0442",
                location=location,
                help="name each input once",
            )


def _parameter(item: In, allow_input_downcast: bool | None) -> Parameter:
    variable = item.variable
    allow = allow_input_downcast if item.allow_downcast is None else item.allow_downcast
    parameter = Parameter(
        item.name or variable.name,
        variable.tensor_type,
        MISSING,
        item.strict,
        allow,
        variable,
        bool(item.mutable) and not isinstance(item.value, Shared),
    )
    if item.value is None or item.update is not None:
        return parameter
    if isinstance(item.value, Shared):
        _check_holder(item)
        return replace(parameter, default=item.value)
    default = parameter.convert(item.value, f"In({variable.name or '...'}, value=)", None).copy()
    default.setflags(write=False)
    return replace(parameter, default=default)


def _check_holder(item: In) -> None:
    """The shared variable given as the value of an input must hold what the input takes."""
    held, wanted = item.value.tensor_type, item.variable.tensor_type
    if held != wanted:
        raise TensorcTypeError(
            f"function: In({item.variable!r}) takes its value from {item.value!r}, which has another type",
            code="TC0456",
            help="the types must agree, known extents included",
        )


def _flatten_outputs(outputs: Any, location: Location) -> tuple[Outputs, list[Any]]:
    def expr(value: Any, where: str) -> Any:
        value = value.variable if isinstance(value, Out) else value
        if value is None or isinstance(value, Mapping | set | frozenset | Iterator):
            raise TensorcTypeError(
                f"function: {where} is {'None' if value is None else f'a {type(value).__name__}'}, not an "
                "expression",
                code="TC0443",
                location=location,
                help="outputs are an expression, a list or tuple of them, a dict of them, or None",
            )
        return convert.asarray(value)

    if outputs is None:
        return Outputs("none"), []
    if isinstance(outputs, Mapping):
        if not all(isinstance(k, str) for k in outputs):
            raise TensorcTypeError(
                "function: the keys of dictionary outputs are strings",
                code="TC0459",
                location=location,
                help="tc.function([x], {'loss': loss, 'norm': norm})",
            )
        return Outputs("dict", tuple(outputs)), [expr(v, f"output {k!r}") for k, v in outputs.items()]
    if isinstance(outputs, list | tuple):
        form: Literal["list", "tuple"] = "list" if isinstance(outputs, list) else "tuple"
        return Outputs(form), [expr(v, f"output {i}") for i, v in enumerate(outputs)]
    return Outputs("one"), [expr(outputs, "the output")]


def _pairs(given: Any, what: str, location: Location) -> list[tuple[Any, Any]]:
    if given is None:
        return []
    try:
        items = list(given.items()) if isinstance(given, Mapping) else [tuple(pair) for pair in given]
        return [(key, value) for key, value in items]
    except (TypeError, ValueError):
        raise TensorcTypeError(
            f"function: {what} is a dictionary or a list of pairs, got {type(given).__name__}",
            code="TC0444",
            location=location,
            help=f"{what}={{variable: expression}}",
        ) from None


def _givens(givens: Any, location: Location) -> dict[Expr, Expr]:
    found: dict[Expr, Expr] = {}
    for key, value in _pairs(givens, "givens", location):
        if not isinstance(key, Expr):
            raise TensorcTypeError(
                f"function: givens replaces expressions, got a {type(key).__name__}",
                code="TC0445",
                location=location,
                help="givens={expression: replacement}",
            )
        if key in found:
            raise TensorcValueError(
                f"function: givens names {advice.quoted(key)} twice",
                code="TC0469",
                location=location,
                help="keep one of its replacements",
            )
        found[key] = _fitting(value, key, "givens", location)
    return found


def _updates(updates: Any, location: Location) -> dict[Shared, Expr]:
    found: dict[Shared, Expr] = {}
    for key, value in _pairs(updates, "updates", location):
        if not isinstance(key, Shared):
            raise TensorcTypeError(
                "function: updates assigns to shared variables, got "
                f"{advice.quoted(key) if isinstance(key, Expr) else f'a {type(key).__name__}'}",
                code="TC0446",
                location=location,
                help="make it one with tc.shared(value), which needs no place among the inputs",
            )
        if key in found:
            raise TensorcValueError(
                f"function: updates assigns to {advice.quoted(key)} twice",
                code="TC0447",
                location=location,
                help="keep one of its new values",
            )
        found[key] = _fitting(value, key, "updates", location)
    return found


def _fitting(value: Any, target: Expr, what: str, location: Location) -> Any:
    """`value` with the dtype of `target`, if its rank agrees and its dtype converts safely."""
    expr = convert.asarray(value)
    wanted = to_dtype(target.tensor_type.element)
    try:
        dtype = convert.common_dtype([target, expr])
        if dtype != wanted or expr.ndim != target.ndim:
            raise TensorcTypeError(
                f"function: {what} gives {advice.quoted(target)} a value of another "
                f"{'dtype' if dtype != wanted else 'rank'}: {advice.listed([expr])}",
                code="TC0448",
                location=location,
                help=_fitting_help(target, expr, dtype == wanted),
            )
    except TensorcError as error:
        raise error.at(location) from None
    for axis, (mine, theirs) in enumerate(zip(target.tensor_type.shape, expr.tensor_type.shape, strict=True)):
        if mine is not None and theirs is not None and mine != theirs:
            raise TensorcTypeError(
                f"function: {what} gives {advice.quoted(target)} a value of another shape: "
                f"{advice.listed([expr])}, extents {mine} and {theirs} on axis {axis}",
                code="TC0439",
                location=location,
                help="the extents must agree; make the shared variable with shape=None for any",
            )
    return convert.cast(expr, wanted)


def _fitting_help(target: Expr, expr: Expr, fits: bool) -> str:
    if not fits:
        name = advice.label(expr)
        shown = "the value" if name is None else name if name.isidentifier() else f"({name})"
        return f"convert it: {shown}.astype('{target.dtype}')"
    if expr.ndim > target.ndim:
        return "reduce it over the axis that is too many, for example with .sum(axis=0) or .mean(axis=0)"
    return "add the axis that is missing: value[None, :]"


def _state(ins: Sequence[In], new_values: dict[Shared, Expr], location: Location) -> dict[Expr, Shared]:
    """`In(x, value=v, update=e)`: a hidden shared variable that stands for x, or v itself if it is one."""
    state: dict[Expr, Shared] = {}
    for item in ins:
        if item.update is None:
            continue
        cell = _holder(item, location)
        if cell in new_values:
            raise TensorcValueError(
                f"function: {advice.quoted(cell)} is updated twice, once as the state of "
                f"In({item.variable.name or '...'})",
                code="TC0438",
                location=location,
                help="keep one of the updates",
            )
        state[item.variable] = cell
        new_values[cell] = _fitting(item.update, cell, "In(update=)", location)
    return state


def _holder(item: In, location: Location) -> Shared:
    variable = item.variable
    if item.value is None:
        raise TensorcTypeError(
            f"function: In({variable.name or '...'}) has an update but no value to start from",
            code="TC0449",
            location=location,
            help="In(x, value=..., update=...)",
        )
    if isinstance(item.value, Shared):
        _check_holder(item)
        return item.value
    start = Parameter(variable.name, variable.tensor_type, MISSING, item.strict, item.allow_downcast)
    value = start.convert(item.value, f"In({variable.name or '...'}, value=)", None)
    return leaves.Shared(value.copy(), item.name or variable.name, location, variable.tensor_type.shape)


def _extents(
    replaced: Mapping[Expr, Expr], substitution: Substitution, variables: Sequence[Expr]
) -> list[tuple[Expr, Extent]]:
    """Makes sizes follow where a computed expression is replaced.

    A program asks the inputs of an expression for its size, and these may not exist any more: then the
    replacement is asked. Where they do exist, both sizes must agree, or one program would see two; those
    pairs are returned.
    """
    pairs: list[tuple[Expr, Extent]] = []
    present = {*variables, *replaced}
    for old, new in replaced.items():
        if old.node is None:
            continue
        for mine, theirs in zip(old.extents, new.extents, strict=True):
            if isinstance(mine, int) or mine is theirs:
                continue
            sources = [e for e in postorder([mine], present) if isinstance(e, Expr)]
            if all(e in present or isinstance(e, Shared | Constant) for e in sources):
                pairs.append((mine, theirs))
            else:
                substitution.alias(old, mine, theirs)
    return pairs


def _default_updates(
    flat: Sequence[Expr],
    new_values: dict[Shared, Expr],
    substitution: Substitution,
    refused: Any,
    location: Location,
) -> None:
    """Adds the default updates of shared variables that are read, unless refused; an update may itself read
    more of them.
    """
    if refused is True:
        return
    excluded = _refused(refused, location)
    todo = [*flat, *new_values.values()]
    while todo:
        reached = [e for e in postorder(substitution(todo)) if isinstance(e, Shared)]
        todo = []
        for leaf in reached:
            if leaf.default_update is not None and leaf not in new_values and leaf not in excluded:
                new_values[leaf] = _fitting(leaf.default_update, leaf, "default_update", location)
                todo.append(new_values[leaf])


def _refused(refused: Any, location: Location) -> set[Shared]:
    found = refused if isinstance(refused, list | tuple | set | frozenset) else ()
    if (found is refused or refused in (False, None)) and all(isinstance(v, Shared) for v in found):
        return set(found)
    raise TensorcTypeError(
        f"function: no_default_updates={refused!r}",
        code="TC0457",
        location=location,
        help="True, False, or a list of the shared variables that keep their values",
    )


def _check_missing(program: Program, location: Location) -> None:
    missing = program.traced.inputs[len(program.parameters) :]
    if missing:
        traced_elsewhere = [m for m in missing if isinstance(m, Argument)]
        if traced_elsewhere:
            raise escaped(traced_elsewhere[0], program.exprs)
        names = ", ".join(advice.quoted(m) for m in missing)
        raise TensorcValueError(
            f"function: the outputs need {names}, which {'is' if len(missing) == 1 else 'are'} not among "
            "the inputs",
            code="TC0450",
            location=missing[0].location or location,
            help=f"{'add it' if len(missing) == 1 else 'add them'} to inputs, or give a value with "
            "givens={symbol: value}",
        )


def _check_unused(
    unused: Sequence[Expr], replaced: Mapping[Expr, Expr], policy: str, location: Location
) -> None:
    if policy == "ignore" or not unused:
        return
    names = ", ".join(advice.quoted(u) for u in unused)
    message = (
        f"function: {names} {'is' if len(unused) == 1 else 'are'} not used by the outputs or updates"
        f"{', because givens replaces it' if any(u in replaced for u in unused) else ''}"
    )
    if policy == "raise":
        raise TensorcValueError(
            message,
            code="TC0452",
            location=location,
            help="remove it from inputs, or pass on_unused_input='ignore'",
        )
    warn_user(message)
