"""IR to text: MLIR's generic form, deterministic, such that parsing the text gives an equal module.

Numbering restarts in a function or module, and values of sibling regions reuse numbers. It goes on in
isolated ops of our own dialect: no other parser knows them as isolated, and would take a number for the outer
value.
Attributes are sorted by name. Nothing here recurses on the nesting of regions or locations.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from tensorc.ir.attributes import (
    ArrayAttr,
    Attribute,
    BoolAttr,
    DenseArrayAttr,
    DenseAttr,
    DenseResourceAttr,
    DictAttr,
    FloatAttr,
    IntegerAttr,
    OpaqueAttr,
    StringAttr,
    SymbolRefAttr,
    TypeAttr,
    UnitAttr,
)
from tensorc.ir.core import Block, Operation, Region, Value
from tensorc.ir.definition import Trait
from tensorc.ir.floats import text_of
from tensorc.ir.location import FileLocation, FrameLocation, FusedLocation, Location, NamedLocation
from tensorc.ir.types import ComplexType, FloatType, FunctionType, ScalarType, Type, i1

LARGEST_LIST: Final = 100
"""`dense<>` constants of more elements print as one hexadecimal string."""
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_$.]*")
_NOT_BARE = re.compile(r"[^A-Za-z0-9_$.]")
_RESOURCE_ALIGNMENT = (64).to_bytes(4, "little")


def print_op(
    op: Operation, locations: bool = False, notes: Mapping[Operation, list[str]] | None = None
) -> str:
    """The text of an operation and everything inside it, ending in a newline.

    `locations` appends `loc(...)` to every op and block argument. `notes` are comment lines printed under the
    line of an op.
    """
    return _Printer(locations, notes or {}).print(op)


def attribute_text(attribute: Attribute) -> str:
    """One attribute; a large constant appears by its handle only."""
    return _Printer(False, {}).attribute(attribute)


def location_text(location: Location) -> str:
    """`loc(...)`."""
    return f"loc({_location(location)})"


def quoted(text: str) -> str:
    """A string literal; bytes outside printable ASCII are written as two hexadecimal digits."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    data = text.encode("utf-8", "surrogatepass")
    return '"' + "".join(chr(c) if 32 <= c < 127 and c not in b'"\\' else f"\\{c:02X}" for c in data) + '"'


def _name(text: str) -> str:
    return text if _BARE.fullmatch(text) else quoted(text)


def _atom(location: Location) -> str | None:
    """The text of a location without children."""
    if isinstance(location, FrameLocation):
        location = location.resolved
    if isinstance(location, FileLocation):
        return f"{quoted(location.file)}:{location.line}:{location.column}"
    return None if isinstance(location, NamedLocation | FusedLocation) else "unknown"


def _location(location: Location) -> str:
    out: list[str] = []
    todo: list[Location | str] = [location]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            out.append(item)
        elif isinstance(item, NamedLocation):
            out.append(f"{quoted(item.name)}(")
            todo += (")", item.child)
        elif isinstance(item, FusedLocation):
            out.append("fused[")
            todo.append("]")
            for number, part in reversed(list(enumerate(item.parts))):
                todo.append(part)
                if number:
                    todo.append(", ")
        else:
            out.append(_atom(item) or "")
    return "".join(out)


class _Names:
    """Numbers every value under the outermost op that encloses `op`, so that one op printed alone reads as
    in the full text.
    """

    def __init__(self, op: Operation) -> None:
        self.names: dict[Value, str] = {}
        top = op
        while not _restarts(top) and top.parent is not None:
            top = top.parent
        # (op or region to enter) and (counters to restore) entries; regions restore so that siblings reuse
        # numbers.
        todo: list[Operation | Region | tuple[int, int]] = [top]
        self._results = self._arguments = 0
        while todo:
            item = todo.pop()
            if isinstance(item, tuple):
                self._results, self._arguments = item
            elif isinstance(item, Region):
                self._enter_region(item, todo)
            else:
                self._enter_op(item, todo)

    def _enter_op(self, op: Operation, todo: list[Operation | Region | tuple[int, int]]) -> None:
        if op.results:
            name = f"%{self._results}"
            self._results += 1
            if len(op.results) == 1:
                self.names[op.results[0]] = name
            else:
                self.names.update((result, f"{name}#{i}") for i, result in enumerate(op.results))
        if not op.regions:
            return
        todo.append((self._results, self._arguments))
        if _restarts(op):
            self._results = self._arguments = 0
        inside = self._results, self._arguments
        for region in reversed(op.regions):
            todo += (region, inside)

    def _enter_region(self, region: Region, todo: list[Operation | Region | tuple[int, int]]) -> None:
        for block in region.blocks:
            for arg in block.args:
                self.names[arg] = f"%arg{self._arguments}"
                self._arguments += 1
        for block in reversed(region.blocks):
            todo.extend(reversed(block))

    def __getitem__(self, value: Value) -> str:
        # Only broken IR has a value from outside; it must still print, for the verifier's report.
        return self.names.setdefault(value, f"%outside{len(self.names)}")


def _indent(depth: int) -> str:
    # Bounded, or the text of deeply nested regions would grow with the square of the depth.
    return "  " * min(depth, 40)


def _restarts(op: Operation) -> bool:
    return op.has_trait(Trait.ISOLATED) and not op.name.startswith("tensorc.")


class _Printer:
    def __init__(self, locations: bool, notes: Mapping[Operation, list[str]]) -> None:
        self._locations = locations
        self._notes = notes
        self._out: list[str] = []
        self._types: dict[int, tuple[Type, str]] = {}
        self._resources: dict[str, npt.NDArray[np.generic]] = {}
        self._handles: dict[int, str] = {}

    def print(self, op: Operation) -> str:
        self._names = _Names(op)
        self._operations(op)
        return "".join(self._out) + self._resource_section()

    # -- operations and regions

    def _operations(self, root: Operation) -> None:
        """Pre-order walk with an explicit stack: an entry is an op to print, or a text that closes
        something.
        """
        todo: list[tuple[int, Operation | Block | str]] = [(0, root)]
        while todo:
            depth, item = todo.pop()
            if isinstance(item, str):
                self._out.append(item)
            elif isinstance(item, Block):
                self._label(item, depth)
            else:
                self._operation(item, depth, todo)

    def _operation(self, op: Operation, depth: int, todo: list[tuple[int, Operation | Block | str]]) -> None:
        indent = _indent(depth)
        names = self._names
        results = ""
        if op.results:
            name, _, _ = names[op.results[0]].partition("#")
            results = f"{name} = " if len(op.results) == 1 else f"{name}:{len(op.results)} = "
        operands = ", ".join([names[v] for v in op.operands])
        head = f"{indent}{results}{quoted(op.name)}({operands})"
        tail = self._tail(op)
        notes = "".join(
            f"{indent}// {line}\n" for note in self._notes.get(op, ()) for line in note.split("\n")
        )
        if not op.regions:
            self._out.append(f"{head}{tail}\n{notes}")
            return
        self._out.append(f"{head} ({{\n{notes}")
        todo.append((0, f"{indent}}}){tail}\n"))
        for number, region in reversed(list(enumerate(op.regions))):
            for block in reversed(region.blocks):
                todo.extend((depth + 1, inner) for inner in reversed(block))
                if block is not region.blocks[0] or block.args or block.first is None:
                    todo.append((depth, block))
            if number:
                todo.append((0, f"{indent}}}, {{\n"))

    def _label(self, block: Block, depth: int) -> None:
        number = 0 if block.region is None else block.region.blocks.index(block)
        args = ", ".join(
            f"{self._names[a]}: {self._type(a.type)}"
            + (f" {location_text(a.location)}" if self._locations else "")
            for a in block.args
        )
        self._out.append(f"{_indent(depth)}^bb{number}{f'({args})' if args else ''}:\n")

    def _tail(self, op: Operation) -> str:
        text = f" {{{self._entries(sorted(op.attributes.items()))}}}" if op.attributes else ""
        inputs = ", ".join([self._type(v.type) for v in op.operands])
        results = ", ".join([self._type(v.type) for v in op.results])
        if len(op.results) != 1 or isinstance(op.results[0].type, FunctionType):
            results = f"({results})"
        text += f" : ({inputs}) -> {results}"
        return f"{text} {location_text(op.location)}" if self._locations else text

    def _type(self, type: Type) -> str:
        # Keyed by identity because hashing a type costs as much as printing it; the entry keeps the type
        # alive.
        entry = self._types.get(id(type))
        if entry is None:
            entry = self._types[id(type)] = type, str(type)
        return entry[1]

    # -- attributes

    def _entries(self, entries: list[tuple[str, Attribute]] | tuple[tuple[str, Attribute], ...]) -> str:
        return ", ".join(
            [_name(k) if isinstance(v, UnitAttr) else f"{_name(k)} = {self.attribute(v)}" for k, v in entries]
        )

    def attribute(self, attribute: Attribute) -> str:
        return _ATTRIBUTES[type(attribute)](self, attribute)

    def _array(self, attribute: ArrayAttr) -> str:
        return f"[{', '.join(map(self.attribute, attribute.elements))}]"

    def _dictionary(self, attribute: DictAttr) -> str:
        return f"{{{self._entries(attribute.entries)}}}"

    def _resource(self, attribute: DenseResourceAttr) -> str:
        return f"dense_resource<{self._handle(attribute)}> : {attribute.type}"

    def _handle(self, attribute: DenseResourceAttr) -> str:
        """The attribute's handle as an identifier (MLIR takes no other keys), unique in this text."""
        known = self._handles.get(id(attribute.value))
        if known is not None:
            return known
        base = _NOT_BARE.sub("_", attribute.handle)
        base = base if _BARE.match(base) else f"_{base}"
        handle = base
        suffix = 0
        while handle in self._resources:
            suffix += 1
            handle = f"{base}_{suffix}"
        self._resources[handle] = attribute.value
        self._handles[id(attribute.value)] = handle
        return handle

    def _resource_section(self) -> str:
        if not self._resources:
            return ""
        # The first four bytes of a blob are its alignment (MLIR, AsmResourceBlob).
        entries = ",\n".join(
            f'      {handle}: "0x{(_RESOURCE_ALIGNMENT + _little_endian(value)).hex().upper()}"'
            for handle, value in self._resources.items()
        )
        return f"\n{{-#\n  dialect_resources: {{\n    builtin: {{\n{entries}\n    }}\n  }}\n#-}}\n"


def _little_endian(value: npt.NDArray[np.generic]) -> bytes:
    return value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes()


def _integer(value: int, type: object) -> str:
    return ("true" if value else "false") if type == i1 else str(int(value))


def _dense_array(attribute: DenseArrayAttr) -> str:
    if isinstance(attribute.type, FloatType):
        values = [text_of(v, attribute.type) for v in attribute.values]
    else:
        values = [_integer(int(v), attribute.type) for v in attribute.values]
    return f"array<{attribute.type}{': ' if values else ''}{', '.join(values)}>"


def _dense(attribute: DenseAttr) -> str:
    value = attribute.value
    element = attribute.type.element
    if value.size == 0:
        body = ""
    elif _is_splat(value):
        body = _element_texts(value.reshape(-1)[:1], element)[0]
    elif value.size > LARGEST_LIST and element != i1:
        body = f'"0x{_little_endian(value).hex().upper()}"'
    else:
        body = _nested(_element_texts(value.reshape(-1), element), value.shape)
    return f"dense<{body}> : {attribute.type}"


def _is_splat(value: npt.NDArray[np.generic]) -> bool:
    """All elements have the same bits."""
    data = value.reshape(-1).view(np.uint8).reshape(value.size, value.itemsize)
    return bool((data == data[0]).all())


def _nested(texts: list[str], shape: tuple[int, ...]) -> str:
    for extent in reversed(shape):
        texts = [f"[{', '.join(texts[i : i + extent])}]" for i in range(0, len(texts), extent)]
    return texts[0]


def _element_texts(flat: npt.NDArray[np.generic], element: ScalarType) -> list[str]:
    if isinstance(element, ComplexType):
        parts = _float_texts(flat.view(f"f{element.element.width // 8}"), element.element)
        return [f"({re}, {im})" for re, im in zip(parts[::2], parts[1::2], strict=True)]
    if isinstance(element, FloatType):
        return _float_texts(flat, element)
    return [_integer(int(v), element) for v in flat.tolist()]


def _float_texts(flat: npt.NDArray[np.generic], type: FloatType) -> list[str]:
    # Bits are taken from the array: widening a signalling NaN to a Python float would change it.
    bits = flat.view(f"u{flat.itemsize}").tolist()
    return [
        text_of(v, type) if v == v else f"0x{b:0{type.width // 4}X}"
        for v, b in zip(flat.tolist(), bits, strict=True)
    ]


def _number_attribute(attribute: IntegerAttr) -> str:
    return f"{int(attribute.value)} : {attribute.type}"


_ATTRIBUTES: Final[dict[type[Attribute], Callable[[_Printer, object], str]]] = {
    UnitAttr: lambda _, a: "unit",
    BoolAttr: lambda _, a: "true" if a.value else "false",  # type: ignore[attr-defined]
    IntegerAttr: lambda _, a: _number_attribute(a),  # type: ignore[arg-type]
    FloatAttr: lambda _, a: f"{text_of(a.value, a.type)} : {a.type}",  # type: ignore[attr-defined]
    StringAttr: lambda _, a: quoted(a.value),  # type: ignore[attr-defined]
    SymbolRefAttr: lambda _, a: f"@{_name(a.name)}",  # type: ignore[attr-defined]
    TypeAttr: lambda _, a: str(a.value),  # type: ignore[attr-defined]
    ArrayAttr: lambda p, a: p._array(a),  # type: ignore[arg-type]
    DictAttr: lambda p, a: p._dictionary(a),  # type: ignore[arg-type]
    DenseArrayAttr: lambda _, a: _dense_array(a),  # type: ignore[arg-type]
    DenseAttr: lambda _, a: _dense(a),  # type: ignore[arg-type]
    DenseResourceAttr: lambda p, a: p._resource(a),  # type: ignore[arg-type]
    OpaqueAttr: lambda _, a: f"#{a.text}",  # type: ignore[attr-defined]
}
