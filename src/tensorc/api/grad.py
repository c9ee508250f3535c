"""Derivatives: `grad` traces cost ← wrt, stabilises, differentiates, stabilises again, and returns the result
as expressions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tensorc.api import advice, convert, elementwise, functions, pytree
from tensorc.api.broadcast import same_extent
from tensorc.api.expr import Expr
from tensorc.api.leaves import Argument
from tensorc.api.trace import Traced, inline, trace
from tensorc.ir.errors import TensorcTypeError, TensorcValueError
from tensorc.ir.location import caller_location, warn_user

DISCONNECTED = ("raise", "warn", "ignore")


def grad(
    cost: Any,
    wrt: Any,
    consider_constant: Sequence[Any] | None = None,
    disconnected_inputs: str = "raise",
    known_grads: Mapping[Any, Any] | None = None,
) -> Any:
    """Gradients of the scalar `cost` with respect to `wrt`: one expression, or a list for a list, and so for
    tuples, dictionaries and every other pytree.

    `wrt` may hold any expressions; the graph is cut there. Nothing flows through `consider_constant`.
    `known_grads` maps expressions to gradients
    that are taken as given; `cost` may then be None. `disconnected_inputs` says what happens for a `wrt` the
    cost does not depend on: "raise"
    (default), "warn", or "ignore"; in the last two its gradient is zero.

    Raises TensorcTypeError for a cost that is no floating-point scalar, a `wrt` of integer dtype, or an op
    without a gradient on the way;
    TensorcValueError for a disconnected input.
    """
    targets, structure = pytree.flatten(wrt)
    _check(cost, targets, disconnected_inputs, known_grads)
    known = {k: convert.asarray(v) for k, v in (known_grads or {}).items()}
    constants = [c for c in (consider_constant or ()) if isinstance(c, Expr)]
    terms = [] if cost is None else [(cost, None)]
    terms += [(expr, seed) for expr, seed in known.items()]
    totals: list[Any] = [known.get(t) for t in targets]
    for output, seed in terms:
        boundaries = [e for e in (*constants, *known) if e is not output]
        for position, part in enumerate(_term(output, seed, targets, boundaries)):
            if part is not None and targets[position] not in known:
                totals[position] = (
                    part if totals[position] is None else elementwise.call("add", totals[position], part)
                )
    found = [_connected(t, g, disconnected_inputs) for t, g in zip(targets, totals, strict=True)]
    return pytree.unflatten(structure, found)


def _check(cost: Any, targets: Sequence[Any], disconnected: str, known: Mapping[Any, Any] | None) -> None:
    location = caller_location()
    if disconnected not in DISCONNECTED:
        raise TensorcValueError(
            f"grad: disconnected_inputs={disconnected!r}",
            code="TC0430",
            location=location,
            help=f"one of {', '.join(DISCONNECTED)}",
        )
    if cost is None and not known:
        raise TensorcTypeError(
            "grad: cost is None and no known_grads are given",
            code="TC0431",
            location=location,
            help="tc.grad(cost, wrt) with a scalar expression cost, for example a loss",
        )
    if cost is not None and not isinstance(cost, Expr):
        raise TensorcTypeError(
            f"grad: the cost is of type {type(cost).__name__}, not an expression",
            code="TC0437",
            location=location,
            help="tc.grad takes the expression itself, not a compiled function or its value",
        )
    if cost is not None and (cost.ndim or cost.dtype.kind != "f"):
        raise TensorcTypeError(
            f"grad: the cost must be one floating-point number, got {advice.quoted(cost)}",
            code="TC0432",
            location=location,
            help=_cost_help(cost),
        )
    for target in targets:
        if not isinstance(target, Expr):
            raise TensorcTypeError(
                f"grad: wrt holds a {type(target).__name__}, not an expression",
                code="TC0433",
                location=location,
                help="wrt is a symbol or shared variable, or a list of them: tc.grad(cost, [w, b])",
            )
        if target.dtype.kind != "f":
            raise TensorcTypeError(
                f"grad: no gradient with respect to {advice.quoted(target)}, which is not floating point",
                code="TC0434",
                location=location,
                help="pass it as a floating-point value (2.0, not 2), or leave it out of wrt"
                if isinstance(target, Argument)
                else f"declare it as one: dtype='float64' instead of '{target.dtype}'",
            )
    for expr, given in (known or {}).items():
        seed = convert.asarray(given)
        if seed.ndim != expr.ndim or not all(
            same_extent(a, b) or isinstance(a, Expr) or isinstance(b, Expr)
            for a, b in zip(seed.extents, expr.extents, strict=True)
        ):
            raise TensorcTypeError(
                f"grad: the known gradient of {advice.quoted(expr)} is of another shape: "
                f"{advice.listed([seed])}",
                code="TC0435",
                location=location,
                help="a gradient has the shape of what it belongs to",
            )


def _cost_help(cost: Any) -> str:
    name = advice.label(cost) or "cost"
    shown = name if name.isidentifier() else f"({name})"
    if cost.ndim:
        return f"make it one number: {shown}.sum() or {shown}.mean()"
    return f"convert it: {shown}.astype('float64')"


def _term(output: Any, seed: Any, targets: Sequence[Any], boundaries: Sequence[Any]) -> list[Any]:
    """Contributions of one output to the gradients of the targets; None where nothing flows."""
    cut = list(dict.fromkeys([*targets, *boundaries]))
    place = {t: number for number, t in enumerate(cut)}  # symbols compare as expressions: no list is searched
    if output in place:
        one = functions.ones_like(output) if seed is None else seed
        return [one if t is output else None for t in targets]
    from tensorc.passes.autodiff import gradient_function  # imported by the first gradient

    traced = trace([output], cut, name="gradient", free_symbols=True)
    wanted = list(dict.fromkeys(place[t] for t in targets))
    derived = gradient_function(traced.func, wanted, seeded=seed is not None)
    arguments = [*_arguments(traced), *([] if seed is None else [convert.cast(seed, output.dtype)])]
    parts = iter(inline(derived.func, arguments, known=[output]))
    by_index = {
        i: next(parts) if connected else None for i, connected in zip(wanted, derived.connected, strict=True)
    }
    return [by_index[place[t]] for t in targets]


def _arguments(traced: Traced) -> list[Any]:
    return [*traced.inputs, *traced.shared, *traced.constants]


def _connected(target: Any, gradient: Any, disconnected: str) -> Any:
    if gradient is not None:
        return gradient
    message = f"grad: the cost does not depend on {advice.quoted(target)}"
    if disconnected == "raise":
        raise TensorcValueError(
            message,
            code="TC0436",
            location=caller_location(),
            help="remove it from wrt, or pass disconnected_inputs='ignore' for a zero gradient",
        )
    if disconnected == "warn":
        warn_user(message)
    return functions.zeros_like(target)
