"""The structural ops: `builtin.module`, `func.func`, `func.return`, `func.call`, and helpers that make and
find them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from tensorc.ir.attributes import ArrayAttr, Attribute, DictAttr, StringAttr, SymbolRefAttr
from tensorc.ir.core import Block, Operation, Region
from tensorc.ir.definition import Attrs, OpDefinition, Trait, encode, register
from tensorc.ir.location import UNKNOWN, Location
from tensorc.ir.types import FunctionType, Type


@dataclass(frozen=True)
class ModuleAttrs(Attrs):
    sym_name: str | None = None


@register
class Module(OpDefinition):
    """A list of functions with distinct names."""

    name = "builtin.module"
    attrs_type = ModuleAttrs
    traits = frozenset({Trait.ISOLATED, Trait.SYMBOL_TABLE})
    regions = 1

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        return ()

    @classmethod
    def verify(cls, op: Operation) -> list[str]:
        if op.operands or len(op.regions[0].blocks) != 1:
            return ["a module has no operands and one block"]
        return ["a module's block has no arguments"] if op.regions[0].block.args else []


@dataclass(frozen=True)
class FuncAttrs(Attrs):
    """`arg_attrs` has one dictionary an argument; `sym_visibility` is "private" on declarations."""

    sym_name: str
    function_type: FunctionType
    arg_attrs: ArrayAttr | None = None
    res_attrs: ArrayAttr | None = None
    sym_visibility: str | None = None


@register
class Func(OpDefinition):
    """A function: one region whose entry block has the arguments, or an empty region for a declaration
    (private).
    """

    name = "func.func"
    attrs_type = FuncAttrs
    traits = frozenset({Trait.ISOLATED})
    regions = 1

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        return ()

    @classmethod
    def verify(cls, op: Operation) -> list[str]:
        attrs = cast(FuncAttrs, op.attrs)
        if op.operands:
            return ["a function has no operands"]
        messages = _dictionaries("arg_attrs", attrs.arg_attrs, len(attrs.function_type.inputs))
        messages += _dictionaries("res_attrs", attrs.res_attrs, len(attrs.function_type.results))
        if not op.regions[0].blocks:
            if attrs.sym_visibility != "private":
                messages.append(
                    'a function without a body is a declaration and needs sym_visibility = "private"'
                )
            return messages
        return messages + _signature(op, attrs.function_type)


def _dictionaries(name: str, attribute: ArrayAttr | None, count: int) -> list[str]:
    if attribute is None:
        return []
    if len(attribute.elements) != count:
        return [f"{name} has {len(attribute.elements)} entries for {count} values"]
    if not all(isinstance(entry, DictAttr) for entry in attribute.elements):
        return [f"{name} must hold dictionaries"]
    return []


def _signature(op: Operation, type: FunctionType) -> list[str]:
    block = op.regions[0].blocks[0]
    arguments = tuple(arg.type for arg in block.args)
    messages = []
    if arguments != type.inputs:
        messages.append(
            f"the entry block takes ({_list(arguments)}), function_type says ({_list(type.inputs)})"
        )
    if block.last is not None and block.last.name != Return.name:
        messages.append(f"a function body ends in {Return.name}, found {block.last.name}")
    return messages


def _list(types: Sequence[Type]) -> str:
    return ", ".join(map(str, types))


@register
class Return(OpDefinition):
    """Ends a function; its operands are the function's results."""

    name = "func.return"
    traits = frozenset({Trait.TERMINATOR})

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        return ()

    @classmethod
    def verify(cls, op: Operation) -> list[str]:
        function = op.parent
        if function is None or not function.isa(Func):
            return ["stands outside a function"]
        declared = cast(FuncAttrs, function.attrs).function_type.results
        returned = tuple(value.type for value in op.operands)
        return (
            []
            if returned == declared
            else [f"returns ({_list(returned)}), the function declares ({_list(declared)})"]
        )


@dataclass(frozen=True)
class CallAttrs(Attrs):
    callee: SymbolRefAttr


@register
class Call(OpDefinition):
    """Calls a function of the enclosing module. Results are stated; the verifier compares them with the
    callee's type.
    """

    name = "func.call"
    attrs_type = CallAttrs

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> None:
        return None


def new_module(location: Location = UNKNOWN) -> Operation:
    """An empty module."""
    return Operation(Module.name, Module, (), (), {}, [Region([Block()])], location)


def new_function(
    name: str,
    inputs: Sequence[Type],
    results: Sequence[Type],
    arg_attrs: Sequence[Mapping[str, Attribute]] | None = None,
    *,
    location: Location = UNKNOWN,
    argument_locations: Sequence[Location] | None = None,
) -> Operation:
    """A detached function with an empty entry block; `arg_attrs` holds one mapping an argument."""
    attrs = FuncAttrs(name, FunctionType(tuple(inputs), tuple(results)), _encode(arg_attrs))
    return Operation(
        Func.name, Func, (), (), encode(attrs), [Region([Block(inputs, argument_locations)])], location, attrs
    )


def new_declaration(
    name: str, inputs: Sequence[Type], results: Sequence[Type], *, location: Location = UNKNOWN
) -> Operation:
    """A detached private function without a body."""
    attrs = FuncAttrs(name, FunctionType(tuple(inputs), tuple(results)), sym_visibility="private")
    return Operation(Func.name, Func, (), (), encode(attrs), [Region()], location, attrs)


def _encode(arg_attrs: Sequence[Mapping[str, Attribute]] | None) -> ArrayAttr | None:
    if arg_attrs is None:
        return None
    return ArrayAttr(tuple(DictAttr(tuple(entries.items())) for entries in arg_attrs))


def symbol_name(op: Operation) -> str | None:
    """The symbol an op defines, or None."""
    name = op.attributes.get("sym_name")
    return name.value if isinstance(name, StringAttr) else None


def functions(module: Operation) -> Iterator[Operation]:
    """The functions of a module, in order; safe when the current one is erased."""
    return (op for op in module.regions[0].block if op.isa(Func))


def lookup(module: Operation, name: str) -> Operation | None:
    """The function of that name, or None."""
    return next((op for op in module.regions[0].block if symbol_name(op) == name), None)


def body(function: Operation) -> Block:
    """The entry block of a function (ValueError on a declaration)."""
    if not function.regions[0].blocks:
        raise ValueError(f"function @{symbol_name(function)} is a declaration and has no body")
    return function.regions[0].blocks[0]


def function_type(function: Operation) -> FunctionType:
    return cast(FuncAttrs, function.attrs).function_type


def arg_attributes(function: Operation, index: int) -> dict[str, Attribute]:
    """The attributes of one argument, as a fresh dictionary."""
    attribute = cast(FuncAttrs, function.attrs).arg_attrs
    if attribute is None:
        return {}
    return cast(DictAttr, attribute.elements[index]).as_dict()


def set_signature(
    function: Operation,
    inputs: Sequence[Type],
    results: Sequence[Type],
    arg_attrs: Sequence[Mapping[str, Attribute]] | None = None,
) -> None:
    """Change the declared type and the argument attributes together (the entry block is the caller's to
    change).
    """
    old = cast(FuncAttrs, function.attrs)
    attrs = FuncAttrs(
        old.sym_name,
        FunctionType(tuple(inputs), tuple(results)),
        _encode(arg_attrs),
        None,
        old.sym_visibility,
    )
    for name in ("arg_attrs", "res_attrs"):
        function.set_attribute(name, None)
    for name, value in encode(attrs).items():
        function.set_attribute(name, value)
