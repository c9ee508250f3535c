"""A program as text and plain data, and back.

The text is the traced function with its locations. What is read is not used as it stands: it is verified, may
hold only what tracing makes, becomes expressions again, and these are traced anew. So a text from elsewhere,
whatever it says, is compiled as if its author had written it with `tc`, with every check that such a program
gets.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, cast

import numpy as np

from tensorc.api.archive import refusal
from tensorc.api.arguments import MISSING, Parameter
from tensorc.api.expr import Expr
from tensorc.api.leaves import Constant, Shared, Symbol
from tensorc.api.manifest import Manifest, SavedParameter
from tensorc.api.program import Outputs, Program, retraced
from tensorc.api.trace import Extent, Traced, inline
from tensorc.ir import equality, verifier
from tensorc.ir.attributes import IntegerAttr
from tensorc.ir.builtin import Func, Return, arg_attributes, function_type, set_signature
from tensorc.ir.clone import clone_op
from tensorc.ir.core import BlockArgument, Operation, Value
from tensorc.ir.errors import ParseError, TensorcError
from tensorc.ir.location import UNKNOWN, FileLocation, FusedLocation, Location, NamedLocation
from tensorc.ir.parser import parse_module
from tensorc.ir.printer import print_op
from tensorc.ir.types import IndexType, TensorType, Type, i1
from tensorc.ops.dtypes import to_dtype
from tensorc.ops.index import Require
from tensorc.ops.loops import arith

Array = np.ndarray[Any, np.dtype[Any]]
_VALUE: Final = "tensorc.value"
_EXTENTS: Final = (
    arith.Constant, arith.AddI, arith.SubI, arith.MulI, arith.MaxSI, arith.MinSI, arith.CmpI, arith.Select,
    arith.AndI, arith.OrI, arith.FloorDivSI, arith.CeilDivSI,
)  # fmt: skip
"""What the api computes extents with."""
_DIVISIONS: Final = (arith.FloorDivSI, arith.CeilDivSI)
_NOT_TRACED: Final = ("tensorc.assume",)
_MOST_AXES: Final = 32
_LARGEST_SOURCE: Final = 1 << 24


@dataclass(frozen=True)
class Opened:
    """A program's function as it is saved: `state` symbols are inputs too, after the parameters, then come
    `shared` and `constants`.
    """

    function: Operation
    shared: tuple[Shared, ...]
    constants: tuple[Constant, ...]


def opened(program: Program) -> Opened:
    """The function in which state is not yet replaced by the variables that hold it."""
    if program.state:
        program = retraced(replace(program, parameters=_all_parameters(program), state=()))
    traced = program.traced
    return Opened(traced.func, traced.shared, traced.constants)


def _all_parameters(program: Program) -> tuple[Parameter, ...]:
    return (*program.parameters, *[parameter for parameter, _ in program.state])


def text_of(function: Operation, locations: bool) -> str:
    """A traced function as text, without the values of its large constants."""
    return print_op(_portable(function), locations=locations)


def _portable(function: Operation) -> Operation:
    copy = clone_op(function)
    kind = function_type(copy)
    attributes = [
        {k: v for k, v in arg_attributes(copy, i).items() if k != _VALUE} for i in range(len(kind.inputs))
    ]
    set_signature(copy, kind.inputs, kind.results, attributes)
    return copy


def parsed(text: str, file: str) -> Operation:
    """The one function of a text, found to be such as `trace` makes. Raises TensorcValueError (TC0472)."""
    try:
        module = parse_module(text, file, plain=True)
        verifier.check(module)
    except TensorcError as error:
        place = (
            f"line {error.location.line}: "
            if isinstance(error, ParseError) and isinstance(error.location, FileLocation)
            else ""
        )
        first = error.message.partition("\n")[0]
        raise refusal(f"the program is malformed: {place}{first}", "TC0472") from None
    operations = list(module.regions[0].block)
    if len(operations) != 1 or not operations[0].isa(Func) or not operations[0].regions[0].blocks:
        raise refusal("the program is not one function", "TC0472")
    function = operations[0]
    for value in function.regions[0].block.args:
        if not isinstance(value.type, TensorType):
            raise refusal(f"the program takes a {value.type}", "TC0472")
        _check_type(value.type)
    for op in function.regions[0].block:
        _check_op(op)
    return function


def _check_op(op: Operation) -> None:
    definition = op.definition
    known = definition in _EXTENTS or op.isa(Return) or op.name.startswith("tensorc.")
    if not known or definition is None or op.regions or op.name in _NOT_TRACED:
        raise refusal(f"the program contains {op.name}, which no expression makes", "TC0472")
    for value in (*op.results, *op.operands):
        _check_type(value.type)
    if definition in _EXTENTS and not all(isinstance(r.type, IndexType) or r.type == i1 for r in op.results):
        raise refusal(f"{op.name} computes something else than an extent", "TC0472")
    if definition in _DIVISIONS and not _positive(op.operands[1]):
        raise refusal(f"{op.name} divides by what may be zero", "TC0472")


def _check_type(kind: Type) -> None:
    if kind == i1 or isinstance(kind, IndexType):
        return
    if not isinstance(kind, TensorType) or kind.rank > _MOST_AXES:
        raise refusal(f"the program has a value of type {kind!s:.80}", "TC0472")
    try:
        to_dtype(kind.element)
    except TypeError:
        raise refusal(f"the program has a value of type {kind!s:.80}", "TC0472") from None


def _positive(value: Value) -> bool:
    """Whether an extent is known to be at least 1: a constant, or the maximum of something and one."""
    op = value.owner
    if op is None:
        return False
    if op.isa(arith.MaxSI):
        return any((_constant(operand) or 0) > 0 for operand in op.operands)
    return (_constant(value) or 0) > 0


def rebuilt(
    function: Operation, manifest: Manifest, shared: Sequence[Shared], values: Sequence[Array]
) -> tuple[Program, bool]:
    """The program of a saved function over these shared variables and large constants, without the default
    values of parameters; and whether the function came out as it was saved.

    Raises TensorcValueError (TC0472) if the parts do not fit the function.
    """
    arguments = function.regions[0].block.args
    saved = (*manifest.parameters, *[s.parameter for s in manifest.state])
    inputs, used = len(saved), len(arguments) - len(saved) - len(values)
    if not 0 <= used <= len(shared):
        raise refusal("the program does not take what the manifest says", "TC0472")
    cells = tuple(shared[:used])
    constants = tuple(
        Constant(value, harmless(argument.location), c.name)
        for value, argument, c in zip(values, arguments[inputs + used :], manifest.constants, strict=True)
    )
    for leaf, argument in zip((*cells, *constants), arguments[inputs:], strict=True):
        _check_fit(leaf, argument.type)
    parameters = [_parameter(p, a) for p, a in zip(saved, arguments, strict=False)]
    symbols = [p.expr for p in parameters if p.expr is not None]
    exprs, equal = _inlined(function, [*symbols, *cells, *constants])
    program = retraced(
        Program(
            name=manifest.name,
            parameters=tuple(parameters),
            outputs=Outputs(manifest.outputs.form, manifest.outputs.keys),
            output_count=manifest.outputs.count,
            updated=_updated(manifest, cells, exprs),
            traced=cast(Traced, None),
            exprs=tuple(exprs),
            equal=tuple(equal),
        )
    )
    if program.traced.shared != cells or program.traced.constants != constants:
        raise refusal("the program has arguments that it does not use", "TC0472")
    same = equality.equal(_portable(function), _portable(program.traced.func))
    return _with_state(program, manifest, shared), same


def _parameter(saved: SavedParameter, argument: BlockArgument) -> Parameter:
    kind = cast(TensorType, argument.type)
    symbol = Symbol(kind, saved.symbol, harmless(argument.location))
    mutable = saved.mutable and not isinstance(saved.default, int)  # never a shared variable's own array
    return Parameter(saved.name, kind, MISSING, saved.strict, saved.allow_downcast, symbol, mutable)


def _with_state(program: Program, manifest: Manifest, shared: Sequence[Shared]) -> Program:
    if not manifest.state:
        return program
    count = len(manifest.parameters)
    numbers = [s.cell for s in manifest.state]
    if len(set(numbers)) != len(numbers) or not all(n in manifest.updated for n in numbers):
        raise refusal("an input with an update has no variable that is updated", "TC0472")
    pairs = list(zip(program.parameters[count:], [shared[n] for n in numbers], strict=True))
    for parameter, cell in pairs:
        _check_fit(cell, parameter.type)
    return retraced(replace(program, parameters=program.parameters[:count], state=tuple(pairs)))


def _check_fit(leaf: Expr, kind: Type) -> None:
    wanted = cast(TensorType, kind)
    held = leaf.tensor_type
    fits = held.element == wanted.element and held.rank == wanted.rank
    if not fits or any(b is not None and a != b for a, b in zip(held.shape, wanted.shape, strict=True)):
        raise refusal(f"the array of {leaf.name!r:.80} has type {held}, the program takes {wanted}", "TC0472")


def _inlined(function: Operation, leaves: Sequence[Expr]) -> tuple[list[Expr], list[tuple[Extent, Extent]]]:
    """The results as expressions, and the extents that the function requires to be equal."""
    block = function.regions[0].block
    for op in block:
        op.location = harmless(op.location)
    required = [op for op in block if op.isa(Require)]
    checked = [value for op in required for value in op.operands[1:]]
    try:
        results = inline(function, leaves, checked)
    except Exception as error:  # rules of ops meet texts that their authors did not think of
        raise refusal(f"the program cannot be rebuilt: {error}", "TC0472") from None
    exprs, extents = results[: len(results) - len(checked)], results[len(results) - len(checked) :]
    for expr in exprs:
        if not isinstance(expr.type, TensorType):
            raise refusal(f"the program returns a {expr.type}", "TC0472")
    known = [_constant(value) for value in checked]
    flat = [e if n is None else n for n, e in zip(known, extents, strict=True)]
    return exprs, list(zip(flat[::2], flat[1::2], strict=True))


def _constant(value: Value) -> int | None:
    """The number a value is known to be."""
    op = value.owner
    attribute = op.attributes.get("value") if op is not None and op.isa(arith.Constant) else None
    return attribute.value if isinstance(attribute, IntegerAttr) else None


def all_shared(program: Program) -> tuple[Shared, ...]:
    """The shared variables of a program: those it computes with, then those that hold defaults."""
    defaults = [p.default for p in program.parameters if isinstance(p.default, Shared)]
    return tuple(dict.fromkeys([*program.traced.shared, *defaults]))


def _updated(manifest: Manifest, shared: Sequence[Shared], exprs: Sequence[Expr]) -> tuple[Shared, ...]:
    numbers, outputs = manifest.updated, manifest.outputs
    if len(set(numbers)) != len(numbers) or any(n >= len(shared) for n in numbers):
        raise refusal("the updates do not name distinct shared variables", "TC0472")
    if outputs.count + len(numbers) != len(exprs):
        raise refusal(f"the program has {len(exprs)} results, not {outputs.count + len(numbers)}", "TC0472")
    wanted = {"none": 0, "one": 1, "dict": len(outputs.keys)}.get(outputs.form, outputs.count)
    if wanted != outputs.count or len(set(outputs.keys)) != len(outputs.keys):
        raise refusal("the form of the outputs does not fit their number", "TC0472")
    updated = tuple(shared[n] for n in numbers)
    for cell, new in zip(updated, exprs[outputs.count :], strict=True):
        old, value = cell.tensor_type, new.tensor_type
        clash = any(None not in (a, b) and a != b for a, b in zip(old.shape, value.shape, strict=False))
        if old.element != value.element or old.rank != value.rank or clash:
            raise refusal(f"the update of {cell.name!r:.80} has type {value}, not {old}", "TC0472")
    return updated


def harmless(location: Location) -> Location:
    """The location without files that are no source files: an error shows the line that a location names, and
    nothing but source text must be opened for that.
    """
    if isinstance(location, FileLocation):
        return location if _is_source(location.file) else UNKNOWN
    if isinstance(location, NamedLocation):
        return replace(location, child=harmless(location.child)) if location.name.isprintable() else UNKNOWN
    if isinstance(location, FusedLocation):
        return FusedLocation(tuple(harmless(part) for part in location.parts))
    return location


@cache
def _is_source(file: str) -> bool:
    if not file.isprintable() or file.startswith(("//", "\\\\", "/dev/", "/proc/", "/sys/")):
        return False
    try:
        found = os.stat(file)
    except (OSError, ValueError):
        return True  # a name only: `<stdin>`, or a file of the machine where the function was made
    return stat.S_ISREG(found.st_mode) and found.st_size <= _LARGEST_SOURCE
