"""Pickling and copying functions and expressions: what `__reduce__` of `Function`, `Shared`, `Constant`,
`Symbol` and computed expressions return.

A function is pickled as it is saved, but for its arrays: shared variables and constants are objects of the
pickle. So functions pickled together keep sharing them, and they travel out of band where the pickler does
that. An expression is pickled as the text of its graph, with its leaves as objects: graphs of any depth pass,
and expressions pickled together keep the symbols they have in common, but not the nodes between.

Reading a pickle runs what its author wants in any case: the code in one is used without a seal, if it is for
this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from tensorc.api.expr import Expr
    from tensorc.api.function import Function
    from tensorc.api.leaves import Constant, Shared, Symbol
    from tensorc.ir.location import Location
    from tensorc.ir.types import TensorType

Array = np.ndarray[Any, np.dtype[Any]]
Reduced = tuple[Callable[..., Any], tuple[Any, ...]]
_LOCATION: Final = "the pickle"


def reduce_function(function: Function) -> Reduced:
    """The function over the same shared variables; they are pickled with it."""
    from tensorc.api.manifest import SavedArray
    from tensorc.api.saved_program import opened, text_of
    from tensorc.api.saving import codes_of, default_arrays, manifest_of, saved_shared

    program = function.program
    form = opened(program)
    shared = saved_shared(program, form)
    defaults = default_arrays(program)
    manifest = manifest_of(
        function,
        [SavedArray(v.name, None) for v in shared],
        [SavedArray(c.name, None) for c in form.constants],
        {i: "" for i in defaults},
    )
    keyed = {k: c for k, c in codes_of(function).items() if function.build.made_from(k) is not None}
    codes = {kind: code.to_bytes() for kind, code in keyed.items()}
    text = text_of(form.function, locations=True)
    constants = tuple(c.value for c in form.constants)
    return restore_function, (manifest.to_json(), text, shared, constants, defaults, codes)


def restore_function(
    manifest: bytes,
    text: str,
    shared: tuple[Shared, ...],
    constants: tuple[Array, ...],
    defaults: Mapping[int, Array],
    codes: Mapping[str, bytes],
) -> Function:
    """What `reduce_function` describes. Raises TensorcValueError where it is wrong."""
    from tensorc.api.manifest import Manifest
    from tensorc.api.saved_program import parsed
    from tensorc.api.saving import assemble, read_codes

    found = Manifest.from_json(manifest)
    function = parsed(text, _LOCATION)
    values = [_own(constant) for constant in constants]
    return assemble(function, found, shared, values, defaults, read_codes(codes), None)


def reduce_symbol(symbol: Symbol) -> Reduced:
    """An input symbol: equal to no other, except those of the same pickle that were the same."""
    return restore_symbol, (symbol.tensor_type, symbol.name, symbol.location)


def restore_symbol(type: TensorType, name: str | None, location: Location) -> Symbol:
    from tensorc.api.leaves import Symbol

    return Symbol(type, name, location)


def reduce_constant(constant: Constant) -> Reduced:
    return restore_constant, (constant.value, constant.location, constant.name, constant.weak)


def restore_constant(value: Array, location: Location, name: str | None, weak: str | None) -> Constant:
    from tensorc.api.leaves import Constant

    return Constant(_own(value), location, name, weak)


def reduce_shared(shared: Shared) -> tuple[Any, ...]:
    """A new variable that holds the same. Its default update may lead back to it, so that comes after."""
    made = (shared.cell.get(), shared.name, shared.location, shared.tensor_type.shape)
    if shared.default_update is None:
        return restore_shared, made
    return restore_shared, made, (None, {"default_update": shared.default_update})


def restore_shared(
    value: Array, name: str | None, location: Location, shape: tuple[int | None, ...]
) -> Shared:
    from tensorc.api.leaves import Shared

    # An array out of band may be read-only, or lie in memory that others write to.
    return Shared(np.array(_own(value), order="C", copy=True), name, location, shape)


def _own(value: Array) -> Array:
    """Unpickled arrays have a dtype object of their own, native code knows dtypes by identity."""
    from tensorc.ops.dtypes import with_own_dtype

    return with_own_dtype(np.asarray(value))


def reduce_expr(expr: Expr) -> Reduced:
    """A computed expression, as a function of the leaves it is made from."""
    from tensorc.api.saved_program import text_of
    from tensorc.api.trace import trace

    traced = trace([expr], (), free_symbols=True)
    needed = (*traced.inputs, *traced.shared, *traced.constants)
    return restore_expr, (text_of(traced.func, locations=True), needed, expr.name, expr.weak)


def restore_expr(text: str, needed: tuple[Expr, ...], name: str | None, weak: str | None) -> Expr:
    from tensorc.api.saved_program import parsed
    from tensorc.api.trace import inline

    (expr,) = inline(parsed(text, _LOCATION), needed)
    expr.name, expr.weak = name, weak
    return expr
