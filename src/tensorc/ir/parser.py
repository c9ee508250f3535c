"""Text to IR: MLIR's generic form, what our printer writes and what MLIR prints for the same ops.

Every malformed text gives a `ParseError` with line and column, never another exception. Codes:

- TC0101 another token was expected        - TC0105 malformed type
- TC0102 a value is used but not visible   - TC0106 malformed attribute or literal
- TC0103 a name is defined twice           - TC0107 nested too deep
- TC0104 number or types of operands or    - TC0108 resource missing or malformed
  results disagree with the signature      - TC0109 location malformed or undefined

Regions are read with an explicit stack, so nesting is bounded by memory only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, NoReturn

from tensorc.ir.attributes import Attribute, OpaqueAttr
from tensorc.ir.builtin import Func, Module, new_module
from tensorc.ir.core import Block, Operation, Region, Value
from tensorc.ir.definition import REGISTRY, OpDefinition, Trait
from tensorc.ir.location import Location
from tensorc.ir.parse_attributes import AttributeParser
from tensorc.ir.types import FunctionType, Type

_RESULT = re.compile(r"%([A-Za-z0-9_$.-]+)(?:[ \t]*:[ \t]*(\d{1,6}))?")
_VALUE = re.compile(r"%([A-Za-z0-9_$.-]+)(?:#(\d{1,6}))?")
_LABEL = re.compile(r"\^([A-Za-z0-9_$.-]+)")
_ALIAS_DEFINITION = re.compile(r"([#!])([A-Za-z_][A-Za-z0-9_$]*)\s*=")
_MOST_RESULTS: Final = 10_000
# MLIR always prints these properties; their default says nothing.
_UPSTREAM_DEFAULTS: Final = {
    ("fastmath", OpaqueAttr("arith.fastmath<none>")),
    ("overflowFlags", OpaqueAttr("arith.overflow<none>")),
}


def parse_module(text: str, filename: str = "<string>", *, plain: bool = False) -> Operation:
    """The module of a text: one `builtin.module`, or functions, which are wrapped in a module.

    Ops without `loc(...)` get their position in the text as location. Nothing is verified beyond what is
    needed to build the ops: call `verifier.check`. A `plain` text defines no aliases and repeats no element
    in more than a few places, so that its module is not much larger than itself: for texts from elsewhere.
    Raises ParseError.
    """
    return _Parser(text, filename, plain).module()


@dataclass
class _Open:
    """An operation whose regions are being read."""

    pos: int
    results: list[tuple[str, int]]
    name: str
    operands: list[Value]
    attributes: dict[str, Attribute]
    isolated: bool
    outer_values: dict[str, tuple[Value, ...]]
    outer_defined: list[str]
    outer_block: Block | None
    regions: list[Region] = field(default_factory=list)


class _Parser(AttributeParser):
    def __init__(self, text: str, file: str, plain: bool) -> None:
        super().__init__(text, file, plain)
        self._values: dict[str, tuple[Value, ...]] = {}
        self._defined: list[str] = []  # names defined in the current region, forgotten at its end
        self._block: Block | None = None
        self._stack: list[_Open] = []
        self._top: list[Operation] = []
        self._top_start = 0
        self._labels: set[tuple[Region, str]] = set()

    def module(self) -> Operation:
        end = self.resource_section_start()
        while self.pos < end:
            if not self._alias_definition():
                self._operation_tree()
        if self.pos > end:
            self.error("the resource section begins inside an operation", end, code="TC0108")
        if end < len(self.text) and self._resource_bytes is None:
            self._resource_bytes = self._read_resources()
        if len(self._top) == 1 and self._top[0].isa(Module):
            return self._top[0]
        module = new_module(self.location(0))
        for op in self._top:
            module.regions[0].block.append(op)
        return module

    def _alias_definition(self) -> bool:
        if not self.at("#") and not self.at("!"):
            return False
        start = self.pos
        self.no_alias()
        match = self.accept_match(_ALIAS_DEFINITION)
        if match is None:
            self.expected("an alias definition (`#name = ...` or `!name = ...`)")
        sigil, name = match.groups()
        if sigil == "!":
            if name in self._type_aliases:
                self.error(f"type alias !{name} is defined twice", start, code="TC0103")
            self._type_aliases[name] = self.type()
        elif self.peek_word() == "loc":
            self._location_aliases[name] = self.location_attribute()
        else:
            if name in self._attribute_aliases:
                self.error(f"attribute alias #{name} is defined twice", start, code="TC0103")
            self._attribute_aliases[name] = self.attribute()
        return True

    # -- operations

    def _operation_tree(self) -> None:
        """One top-level operation with everything inside it."""
        self._header()
        while self._stack:
            if self.at("}"):
                self._close_region()
            elif self.at("^"):
                self._open_block()
            else:
                self._header()
        op = self._top[-1]
        several_modules = len(self._top) > 1 and any(other.isa(Module) for other in self._top[-2:])
        if several_modules or not (op.isa(Module) or op.isa(Func)):
            message = f"expected one module or functions at the top level, found {op.name}"
            self.error(message, self._top_start, code="TC0101")

    def _header(self) -> None:
        """`%r = "name"(%operands) <{properties}>`, then either regions are opened or the op is finished."""
        start = self.pos
        if not self._stack:
            self._top_start = start
        results = self._result_names()
        if not self.at('"'):
            what = 'an operation in generic form (`"dialect.op"(%operands) ...`)'
            what += ", or `}` to close the region" if self._stack and not results else ""
            pretty = self.peek_word() != "" and not results
            self.expected(what, help="mlir-opt prints it with --mlir-print-op-generic" if pretty else None)
        name = self.string("an operation name")
        operands = self._operands()
        if self.at("["):
            self.error("successors are not supported: control flow is structured", self.pos, code="TC0101")
        properties = self._properties()
        if self.accept("("):
            self._open_op(_Open(start, results, name, operands, properties, *self._scope(name)))
        else:
            self._finish(start, results, name, operands, properties, [])

    def _result_names(self) -> list[tuple[str, int]]:
        results: list[tuple[str, int]] = []
        total = 0
        while self.at("%"):
            start = self.pos
            match = self.accept_match(_RESULT)
            if match is None:
                self.expected("a result name")
            count = int(match.group(2) or 1)
            total += count
            if count < 1 or total > _MOST_RESULTS:
                self.error(f"an operation has 1 to {_MOST_RESULTS} results here", start, code="TC0104")
            results.append((match.group(1), count))
            if not self.accept(","):
                break
        if results:
            self.expect("=", " after the result names")
        return results

    def _operands(self) -> list[Value]:
        self.expect("(", " before the operands")
        operands: list[Value] = []
        while not self.accept(")"):
            if operands and not self.accept(","):
                self.expected("`,` or `)` in the operand list")
            operands.append(self._value())
        return operands

    def _value(self) -> Value:
        start = self.pos
        match = self.accept_match(_VALUE)
        if match is None:
            self.expected("an operand (`%name`)")
        name, number = match.groups()
        values = self._values.get(name)
        if values is None:
            self._undefined(name, start)
        if number is None and len(values) != 1:
            self.error(
                f"%{name} names {len(values)} results: write %{name}#0",
                start,
                code="TC0102",
                length=len(name) + 1,
            )
        if int(number or 0) >= len(values):
            message = (
                f"%{name} has {len(values)} result{'s' if len(values) > 1 else ''}, there is no #{number}"
            )
            self.error(message, start, code="TC0102", length=len(match.group()))
        return values[int(number or 0)]

    def _undefined(self, name: str, pos: int) -> NoReturn:
        later = re.compile(rf"%{re.escape(name)}(?![A-Za-z0-9_$.-])[ \t]*(?:=|:[ \t]*\d+[ \t]*=)").search(
            self.text, pos
        )
        earlier = re.compile(rf"%{re.escape(name)}(?![A-Za-z0-9_$.-])[ \t]*(?:=|:)").search(self.text, 0, pos)
        help = None
        if later is not None:
            line = self.location(later.start()).line
            help = f"%{name} is defined at line {line}: a value must be defined before its use"
        elif earlier is not None:
            line = self.location(earlier.start()).line
            help = f"%{name} of line {line} belongs to a region that this one cannot see"
        self.error(f"%{name} is not defined here", pos, code="TC0102", length=len(name) + 1, help=help)

    def _properties(self) -> dict[str, Attribute]:
        if not self.accept("<"):
            return {}
        properties = self.dictionary()
        self.expect(">", " to close the properties")
        return {k: v for k, v in properties.items() if (k, v) not in _UPSTREAM_DEFAULTS}

    def _finish(
        self,
        start: int,
        results: list[tuple[str, int]],
        name: str,
        operands: list[Value],
        attributes: dict[str, Attribute],
        regions: list[Region],
    ) -> None:
        """The rest of an operation: attributes, signature, location."""
        if self.at("{"):
            at = self.pos
            more = self.dictionary()
            for key in more.keys() & attributes.keys():
                self.error(f"attribute `{key}` is also a property", at, code="TC0106")
            attributes.update(more)
        self.expect(":", " and the signature of the operation")
        at = self.pos
        type = self.function_type()
        self._match_operands(operands, type, at)
        if sum(count for _, count in results) not in (0, len(type.results)):
            named = sum(count for _, count in results)
            self.error(f"{name} has {len(type.results)} results, {named} are named", start, code="TC0104")
        location = self.location_attribute() if self.peek_word() == "loc" else self.location(start)
        op = Operation(name, REGISTRY.get(name), operands, type.results, attributes, regions, location)
        self._define_results(results, op, start)
        if self._block is None:
            self._top.append(op)
        else:
            self._block.append(op)

    def _match_operands(self, operands: list[Value], type: FunctionType, pos: int) -> None:
        if len(operands) != len(type.inputs):
            message = f"the signature has {len(type.inputs)} operands, the operation {len(operands)}"
            self.error(message, pos, code="TC0104")
        for number, (operand, stated) in enumerate(zip(operands, type.inputs, strict=True)):
            if operand.type is not stated and operand.type != stated:
                message = f"operand {number} has type {operand.type}, the signature says {stated}"
                self.error(message, pos, code="TC0104")

    def _define_results(self, results: list[tuple[str, int]], op: Operation, pos: int) -> None:
        first = 0
        for name, count in results:
            self._define(name, op.results[first : first + count], pos)
            first += count

    def _define(self, name: str, values: tuple[Value, ...], pos: int) -> None:
        if name in self._values:
            self.error(f"%{name} is already defined", pos, code="TC0103", length=len(name) + 1)
        self._values[name] = values
        self._defined.append(name)

    # -- regions

    def _scope(self, name: str) -> tuple[bool, dict[str, tuple[Value, ...]], list[str], Block | None]:
        definition: type[OpDefinition] | None = REGISTRY.get(name)
        isolated = definition is not None and Trait.ISOLATED in definition.traits
        return isolated, self._values, self._defined, self._block

    def _open_op(self, op: _Open) -> None:
        self._stack.append(op)
        self._open_region()

    def _open_region(self) -> None:
        op = self._stack[-1]
        self.expect("{", " to open a region")
        op.regions.append(Region())
        self._defined = []
        if op.isolated:
            self._values = {}
        # A region without label and operations has no block; the first operation makes one.
        self._block = None
        if not self.at("}") and not self.at("^"):
            self._block = op.regions[-1].add_block(Block())

    def _open_block(self) -> None:
        start = self.pos
        match = self.accept_match(_LABEL)
        if match is None:
            self.expected("a block label")
        types: list[Type] = []
        locations: list[Location] = []
        names: list[tuple[str, int]] = []
        if self.accept("("):
            while not self.accept(")"):
                if names and not self.accept(","):
                    self.expected("`,` or `)` in the block arguments")
                self._argument(names, types, locations)
        self.expect(":", " after the block label")
        block = Block(types, locations)
        self._block = self._stack[-1].regions[-1].add_block(block)
        for (name, at), arg in zip(names, block.args, strict=True):
            self._define(name, (arg,), at)
        label = self._stack[-1].regions[-1], match.group(1)
        if label in self._labels:
            self.error(f"block ^{label[1]} is defined twice", start, code="TC0103")
        self._labels.add(label)

    def _argument(self, names: list[tuple[str, int]], types: list[Type], locations: list[Location]) -> None:
        start = self.pos
        match = self.accept_match(_VALUE)
        if match is None or match.group(2) is not None:
            self.pos = start
            self.expected("a block argument (`%name: type`)")
        self.expect(":", " and a type after a block argument")
        types.append(self.type())
        locations.append(self.location_attribute() if self.peek_word() == "loc" else self.location(start))
        names.append((match.group(1), start))

    def _close_region(self) -> None:
        op = self._stack[-1]
        self.expect("}")
        if not op.isolated:
            for name in self._defined:
                del self._values[name]
        if self.accept(","):
            self._values = op.outer_values
            self._open_region()
            return
        self.expect(")", " or `,` after a region")
        self._stack.pop()
        self._values, self._defined, self._block = op.outer_values, op.outer_defined, op.outer_block
        self._finish(op.pos, op.results, op.name, op.operands, op.attributes, op.regions)
