"""At which level a function stands, and bringing it down to loops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from tensorc.ir.attributes import Attribute, DenseResourceAttr, StringAttr
from tensorc.ir.builtin import Call, CallAttrs, arg_attributes, lookup, symbol_name
from tensorc.ir.errors import TensorcTypeError, TensorcValueError
from tensorc.ir.types import MemRefType, Type

if TYPE_CHECKING:
    from tensorc.ir.core import Operation

Level = Literal["tensor", "fused", "buffers", "loops"]


def level_of(function: Operation) -> Level:
    """`tensor`, `fused` (has kernels), `buffers` (bufferised, ops not expanded) or `loops`."""
    names = {op.name for op in function.walk()}
    buffered = any(isinstance(arg.type, MemRefType) for arg in function.regions[0].block.args)
    if buffered or any(n.startswith(("memref.", "scf.")) for n in names):
        return "buffers" if any(n.startswith("tensorc.") for n in names) else "loops"
    return "fused" if "tensorc.kernel" in names else "tensor"


def name_of(function: Operation) -> str:
    """The function's symbol."""
    return symbol_name(function) or ""


def parameter_name(function: Operation, number: int) -> str:
    """What a parameter is called, `_` when nothing."""
    found = arg_attributes(function, number).get("tensorc.name")
    return found.value if isinstance(found, StringAttr) else "_"


def bind(function: Operation, types: Sequence[Type], given: Sequence[Any]) -> list[Any]:
    """One array for each of the first `len(types)` parameters: the given ones in order; for constants what
    the file holds, unless the caller gives all.

    Raises TensorcTypeError for a wrong number.
    """
    stored = [_stored_value(arg_attributes(function, k)) for k in range(len(types))]
    if len(given) == len(types):
        return list(given)
    places = [k for k, value in enumerate(stored) if value is None]
    if len(given) != len(places):
        shown = ", ".join(f"{parameter_name(function, k)}: {types[k]}" for k in places)
        raise TensorcTypeError(
            f"@{name_of(function)} takes {len(places)} argument{'s' if len(places) != 1 else ''}, "
            f"--args gives {len(given)}",
            code="TC0281",
            help=f"its parameters are ({shown})" if shown else None,
        )
    for place, value in zip(places, given, strict=True):
        stored[place] = value
    return stored


def _stored_value(attributes: Mapping[str, Attribute]) -> Any:
    """The array a file holds for a parameter that is a constant, or None."""
    found = attributes.get("tensorc.value")
    return found.value if isinstance(found, DenseResourceAttr) else None


def lower(module: Operation, level: Level) -> None:
    """Lower a module in place to loops by the passes that follow its level."""
    from tensorc.passes import manager, pipelines
    from tensorc.passes.text import parse_pipeline

    passes = parse_pipeline(pipelines.PIPELINES["O0"])
    if level == "buffers":
        names = [p.name for p in passes]
        passes = passes[names.index("lower-to-loops") :]
    manager.run(module, passes)


def check_calls(module: Operation, function: Operation) -> None:
    """Raises TensorcValueError if a function calls itself, directly or through others: such a call never
    returns.
    """
    entered = {name_of(function)}
    path = [(name_of(function), _calls(function))]
    finished: set[str] = set()
    while path:
        call = next(path[-1][1], None)
        if call is None:
            finished.add(path.pop()[0])
            continue
        attrs = call.attrs
        assert isinstance(attrs, CallAttrs)
        name = attrs.callee.name
        if name in finished:
            continue
        if name in entered:
            raise TensorcValueError(
                f"func.call: @{name} calls itself, which never ends", code="TC0905", location=call.location
            )
        callee = lookup(module, name)
        if callee is not None:
            entered.add(name)
            path.append((name, _calls(callee)))


def _calls(function: Operation) -> Iterator[Operation]:
    return (op for op in function.walk() if op.isa(Call))
