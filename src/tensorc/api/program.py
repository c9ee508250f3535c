"""A program: the traced function behind a compiled one, and what its arguments and results stand for.
Everything needed to compile it again in another way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from tensorc.api import convert, leaves
from tensorc.api.arguments import MISSING, In, Out, Parameter
from tensorc.api.expr import Expr
from tensorc.api.leaves import Shared, Symbol
from tensorc.api.trace import Traced, trace
from tensorc.ir.errors import TensorcError, TensorcTypeError, TensorcValueError
from tensorc.ir.location import Location
from tensorc.ops.dtypes import to_dtype


@dataclass(frozen=True)
class Outputs:
    """The form of a call's result: "none", "one", "tuple", "list", or "dict" with its keys."""

    form: Literal["none", "one", "tuple", "list", "dict"]
    keys: tuple[str, ...] = ()

    def assemble(self, values: Sequence[Any]) -> Any:
        """The user's form from the flat values."""
        if self.form == "none":
            return None
        if self.form == "one":
            return values[0]
        if self.form == "dict":
            return dict(zip(self.keys, values, strict=True))
        return list(values) if self.form == "list" else tuple(values)

    def flatten(self, result: Any) -> list[Any]:
        """The flat values of a result in the user's form."""
        if self.form == "none":
            return []
        if self.form == "one":
            return [result]
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
    """Outputs and new values as expressions, for `f.copy`."""
    givens: Mapping[Expr, Expr]


def make_program(
    inputs: Sequence[Any],
    outputs: Any,
    updates: Any,
    givens: Any,
    name: str | None,
    on_unused_input: str,
    allow_input_downcast: bool | None,
    no_default_updates: Any,
    location: Location,
) -> Program:
    """Checks everything a user can get wrong in `tc.function` and traces the program."""
    ins = [_as_input(i, position, location) for position, i in enumerate(inputs)]
    form, flat = _flatten_outputs(outputs, location)
    replaced = _givens(givens, location)
    new_values = _updates(updates, location)
    ins, state = _stateful_inputs(ins, new_values, location)
    replaced.update(state)
    variables = [i.variable for i in ins]
    _check_inputs(variables, location)
    _default_updates([*flat, *new_values.values()], new_values, replaced, variables, no_default_updates)
    exprs = (*flat, *new_values.values())
    state_written = tuple(new_values)
    traced = trace(exprs, variables, state_written, name=name or "main", givens=replaced, free_symbols=True)
    _check_missing(traced, variables, location)
    _check_unused(traced, ins, new_values, on_unused_input, location)
    parameters = tuple(
        Parameter(
            i.name or i.variable.name,
            i.variable.tensor_type,
            i.value,
            i.strict,
            allow_input_downcast if i.allow_downcast is None else i.allow_downcast,
            i.variable,
        )
        for i in ins
    )
    return Program(name or "main", parameters, form, len(flat), tuple(new_values), traced, exprs, replaced)


def retrace(program: Program, replaced: Mapping[Expr, Expr], keep_updates: bool, name: str | None) -> Program:
    """The same program with some leaves exchanged and, unless `keep_updates`, without updates."""
    givens = {**program.givens, **replaced}
    flat = program.exprs[: program.output_count]
    news = program.exprs[program.output_count :] if keep_updates else ()
    updated = tuple(cast(Shared, replaced.get(v, v)) for v in program.updated) if keep_updates else ()
    variables = [p.expr for p in program.parameters if p.expr is not None]
    traced = trace((*flat, *news), variables, updated, name=name or program.name, givens=givens)
    return replace(
        program,
        name=name or program.name,
        updated=updated,
        traced=traced,
        exprs=(*flat, *news),
        givens=givens,
    )


def _as_input(item: Any, position: int, location: Location) -> In:
    found = item if isinstance(item, In) else In(item)
    variable = found.variable
    if isinstance(variable, Shared):
        raise TensorcTypeError(
            f"function: input {position} is the shared variable {variable!r}; its value is read at every "
            "call without being an input",
            code="TC0440",
            location=location,
            help="remove it from inputs; to replace it in one function use givens={shared: symbol}",
        )
    if not isinstance(variable, Symbol):
        what = (
            "an expression that is computed" if isinstance(variable, Expr) else f"{type(variable).__name__}"
        )
        raise TensorcTypeError(
            f"function: input {position} is {what}, not a symbol",
            code="TC0441",
            location=location,
            help=(
                "inputs are symbols such as tc.matrix('x'); to feed a computed expression use "
                "givens={expression: symbol}"
            ),
        )
    return found


def _check_inputs(variables: Sequence[Expr], location: Location) -> None:
    for position, variable in enumerate(variables):
        first = next(i for i, v in enumerate(variables) if v is variable)
        if first != position:
            raise TensorcValueError(
                f"function: {variable!r} is input {first} and input {position}",
                code="TC0442",
                location=location,
            )
    names = [v.name for v in variables if v.name]
    for name in names:
        if names.count(name) > 1:
            return  # two symbols of one name are allowed; they cannot be passed by name


def _flatten_outputs(outputs: Any, location: Location) -> tuple[Outputs, list[Any]]:
    def expr(value: Any) -> Any:
        return convert.asarray(value.variable if isinstance(value, Out) else value)

    if outputs is None:
        return Outputs("none"), []
    if isinstance(outputs, dict):
        if not all(isinstance(k, str) for k in outputs):
            raise TensorcTypeError(
                "function: the keys of dictionary outputs are strings", code="TC0443", location=location
            )
        return Outputs("dict", tuple(outputs)), [expr(v) for v in outputs.values()]
    if isinstance(outputs, list | tuple):
        return Outputs("list" if isinstance(outputs, list) else "tuple"), [expr(v) for v in outputs]
    return Outputs("one"), [expr(outputs)]


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
        ) from None


def _givens(givens: Any, location: Location) -> dict[Expr, Expr]:
    found: dict[Expr, Expr] = {}
    for key, value in _pairs(givens, "givens", location):
        if not isinstance(key, Expr):
            raise TensorcTypeError(
                f"function: givens replaces expressions, got {type(key).__name__}",
                code="TC0445",
                location=location,
            )
        if key in found:
            raise TensorcValueError(f"function: givens names {key!r} twice", code="TC0445", location=location)
        found[key] = _fitting(value, key, "givens", location)
    return found


def _updates(updates: Any, location: Location) -> dict[Shared, Expr]:
    found: dict[Shared, Expr] = {}
    for key, value in _pairs(updates, "updates", location):
        if not isinstance(key, Shared):
            raise TensorcTypeError(
                f"function: updates assigns to shared variables, got {key!r}",
                code="TC0446",
                location=location,
                help="make it one with tc.shared(value)",
            )
        if key in found:
            raise TensorcValueError(
                f"function: updates assigns to {key!r} twice", code="TC0447", location=location
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
                f"function: {what} gives {target!r} a value of type {expr.type}",
                code="TC0448",
                location=location,
                help=f"the types must agree: use .astype('{wanted}')"
                if dtype != wanted
                else "the ranks must agree",
            )
    except TensorcError as error:
        raise error.at(location) from None
    for axis, (mine, theirs) in enumerate(zip(target.tensor_type.shape, expr.tensor_type.shape, strict=True)):
        if mine is not None and theirs is not None and mine != theirs:
            raise TensorcTypeError(
                f"function: {what} gives {target!r} a value of type {expr.type}: extents {mine} and "
                f"{theirs} on axis {axis}",
                code="TC0448",
                location=location,
            )
    return convert.cast(expr, wanted)


def _stateful_inputs(
    ins: Sequence[In], new_values: dict[Shared, Expr], location: Location
) -> tuple[list[In], dict[Expr, Expr]]:
    """`In(x, value=v, update=e)` becomes a hidden shared variable that stands for x."""
    kept: list[In] = []
    state: dict[Expr, Expr] = {}
    for item in ins:
        if item.update is None:
            kept.append(item)
            continue
        if item.value is MISSING:
            raise TensorcTypeError(
                f"function: In({item.variable!r}) has an update but no value to start from",
                code="TC0449",
                location=location,
                help="In(x, value=..., update=...)",
            )
        start = Parameter(item.variable.name, item.variable.tensor_type).convert(item.value, "In", 0)
        cell = leaves.Shared(
            start.copy(), item.name or item.variable.name, location, item.variable.tensor_type.shape
        )
        state[item.variable] = cell
        new_values[cell] = _fitting(item.update, cell, "In(update=)", location)
    return kept, state


def _default_updates(
    exprs: Sequence[Expr],
    new_values: dict[Shared, Expr],
    givens: Mapping[Expr, Expr],
    variables: Sequence[Expr],
    refused: Any,
) -> None:
    """Adds the default updates of shared variables that are read, unless refused; an update may itself read
    more of them.
    """
    from tensorc.api.trace import postorder

    if refused is True:
        return
    excluded = set(refused) if isinstance(refused, list | tuple | set) else set()
    todo = list(exprs)
    cut = dict.fromkeys(variables)
    while todo:
        reached = [e for e in postorder(todo, cut, givens) if isinstance(e, Shared)]
        todo = []
        for leaf in reached:
            if leaf.default_update is not None and leaf not in new_values and leaf not in excluded:
                new_values[leaf] = leaf.default_update
                todo.append(leaf.default_update)


def _check_missing(traced: Traced, variables: Sequence[Expr], location: Location) -> None:
    missing = traced.inputs[len(variables) :]
    if missing:
        names = ", ".join(repr(m) for m in missing)
        raise TensorcValueError(
            f"function: the outputs need {names}, which {'is' if len(missing) == 1 else 'are'} not among "
            "the inputs",
            code="TC0450",
            location=missing[0].location or location,
            help="add it to inputs, or give it a value with givens={symbol: value}",
        )


def _check_unused(
    traced: Traced, ins: Sequence[In], new_values: Mapping[Shared, Expr], policy: str, location: Location
) -> None:
    if policy not in ("raise", "warn", "ignore"):
        raise TensorcValueError(
            f"function: on_unused_input={policy!r}",
            code="TC0451",
            location=location,
            help="one of raise, warn, ignore",
        )
    unused = [u for u in traced.unused if policy != "ignore"]
    if not unused:
        return
    names = ", ".join(repr(u) for u in unused)
    message = f"function: {names} {'is' if len(unused) == 1 else 'are'} not used by the outputs or updates"
    if policy == "raise":
        raise TensorcValueError(
            message,
            code="TC0452",
            location=location,
            help="remove it from inputs, or pass on_unused_input='ignore'",
        )
    import warnings

    warnings.warn(message, stacklevel=4)
