"""Parsing attributes and locations."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from tensorc.ir.attributes import (
    UNIT,
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
    storage_dtype,
)
from tensorc.ir.floats import bits_of, from_bits, round_to
from tensorc.ir.location import UNKNOWN, FileLocation, FusedLocation, Location, NamedLocation
from tensorc.ir.parse_types import TypeParser
from tensorc.ir.types import (
    ComplexType,
    FloatType,
    IndexType,
    IntegerType,
    ScalarType,
    ShapedType,
    TensorType,
    VectorType,
    f64,
    i1,
    i64,
)

LARGEST_DENSE: Final = 1 << 20
"""Elements of one `dense<>`: a splat of a few bytes of text must not fill the memory."""
LARGEST_PLAIN: Final = 16
"""The same in a plain text, which may hold any number of them."""

_NUMBER = re.compile(r"-?(?:0x[0-9A-Fa-f]+|\d+\.\d*(?:[eE][-+]?\d+)?|\d+)")
_LITERAL = re.compile(rf"{_NUMBER.pattern}|true\b|false\b")
_OPAQUE = re.compile(r'#([A-Za-z_][A-Za-z0-9_$]*(?:\.[A-Za-z0-9_$.]+)(?:<(?:[^<>"\n]|<[^<>"\n]*>)*>)?)')
_ALIAS = re.compile(r"#([A-Za-z_][A-Za-z0-9_$]*)(?![A-Za-z0-9_$.<])")
_LOCATION_ALIAS = re.compile(r"^[ \t]*#(loc[0-9]*)[ \t]*=[ \t]*(?=loc\b)", re.MULTILINE)
_RESOURCE_ENTRY = re.compile(r'([A-Za-z_][A-Za-z0-9_$.]*|"(?:[^"\\\n]|\\.)*")\s*:\s*"(0x[0-9A-Fa-f]*)"')
_POSITION = re.compile(r":(\d{1,9}):(\d{1,9})(?: to (?:(\d{1,9}))?:(\d{1,9}))?")


@dataclass
class _Elements:
    """What stands inside `dense<...>`, before the type is known."""

    literals: list[tuple[str, int]] = field(default_factory=list)
    shape: tuple[int, ...] = ()
    pairs: bool = False


class AttributeParser(TypeParser):
    def __init__(self, text: str, file: str, plain: bool = False) -> None:
        super().__init__(text, file)
        self._plain = plain
        self._attribute_aliases: dict[str, Attribute] = {}
        self._resource_bytes: dict[str, bytes] | None = None
        self._resource_arrays: dict[tuple[str, TensorType], np.ndarray[Any, Any]] = {}
        self._location_texts: dict[str, int] | None = None
        self._location_aliases: dict[str, Location | None] = {}

    # -- attributes

    def attribute(self) -> Attribute:
        with self.nested():
            return self._attribute()

    def _attribute(self) -> Attribute:
        first = self.text[self.pos : self.pos + 1]
        if first == '"':
            return StringAttr(self.string("a string"))
        if first == "[":
            return ArrayAttr(self._list())
        if first == "{":
            return DictAttr(tuple(self.dictionary().items()))
        if first == "@":
            return SymbolRefAttr(self.symbol())
        if first == "#":
            return self._hash()
        if first.isdigit() or first == "-":
            return self._number()
        word = self.peek_word()
        keyword = _KEYWORDS.get(word)
        if keyword is not None:
            return keyword(self)
        if first in ("(", "!") or word:
            return TypeAttr(self.type())
        return self.expected("an attribute")

    def no_alias(self) -> None:
        """An error in a plain text: aliases of aliases stand for more than any memory holds."""
        if self._plain:
            self.error("aliases are not accepted here", self.pos, code="TC0101")

    def symbol(self) -> str:
        """`@name` or `@"any text"`."""
        if not self.at("@"):
            self.expected("a symbol (`@name`)")
        self.pos += 1
        return self.name("a symbol name after `@`")

    def _list(self) -> tuple[Attribute, ...]:
        self.expect("[")
        elements: list[Attribute] = []
        while not self.accept("]"):
            if elements and not self.accept(","):
                self.expected("`,` or `]` in an array attribute")
            elements.append(self.attribute())
        return tuple(elements)

    def dictionary(self) -> dict[str, Attribute]:
        """`{name = attribute, unit_name, ...}`."""
        self.expect("{", " to open a dictionary")
        entries: dict[str, Attribute] = {}
        while not self.accept("}"):
            if entries and not self.accept(","):
                self.expected("`,` or `}` in a dictionary")
            start = self.pos
            name = self.name("an attribute name")
            if name in entries:
                self.error(f"attribute `{name}` occurs twice", start, code="TC0106", length=self.pos - start)
            entries[name] = self.attribute() if self.accept("=") else UNIT
        return entries

    def _hash(self) -> Attribute:
        match = self.accept_match(_OPAQUE)
        if match is not None:
            return OpaqueAttr(match.group(1))
        start = self.pos
        alias = self.accept_match(_ALIAS)
        if alias is None:
            self.expected("an attribute")
        if alias.group(1) not in self._attribute_aliases:
            self.error(
                f"attribute alias #{alias.group(1)} is not defined above",
                start,
                code="TC0106",
                length=len(alias.group()),
            )
        return self._attribute_aliases[alias.group(1)]

    # -- numbers

    def _number(self) -> Attribute:
        start = self.pos
        match = self.accept_match(_NUMBER)
        if match is None:
            self.expected("a number")
        text = match.group()
        is_float = "." in text and not text.startswith(("0x", "-0x"))
        type = self.type() if self.accept(":") else (f64 if is_float else i64)
        if isinstance(type, FloatType):
            return FloatAttr(self._float(text, type, start), type)
        if isinstance(type, IntegerType | IndexType):
            return IntegerAttr(self._int(text, type, start), type)
        self.error(f"a number cannot have type {type}", start, code="TC0106", length=len(text))

    def _float(self, text: str, type: FloatType, pos: int) -> float:
        if text.startswith("0x"):
            if len(text) > 2 + 16 or int(text, 16) >> type.width:
                self.error(
                    f"{text[:40]} has more than {type.width} bits", pos, code="TC0106", length=len(text)
                )
            return from_bits(int(text, 16), type)
        if "." not in text:
            help = f"write {text[:20]}.0" if "0x" not in text else "write the bits without a sign"
            self.error("expected a floating-point literal", pos, code="TC0106", length=len(text), help=help)
        value = round_to(float(text), type)
        if math.isinf(value):
            help = f"infinity is written as its bits, 0x{bits_of(math.inf, type):X} : {type}"
            self.error(
                f"{text[:40]} is too large for {type}", pos, code="TC0106", length=len(text), help=help
            )
        return value

    def _int(self, text: str, type: ScalarType, pos: int) -> int:
        if text in ("true", "false"):
            if type != i1:
                self.error(f"{text} is an i1, the type says {type}", pos, code="TC0106", length=len(text))
            return int(text == "true")
        if "." in text and "0x" not in text:
            self.error(f"{text[:40]} is not an integer", pos, code="TC0106", length=len(text))
        width = type.width if isinstance(type, IntegerType) else 64
        unsigned = isinstance(type, IntegerType) and (type.unsigned or width == 1)
        # Digits are bounded before int(): Python refuses very long decimal strings with an error of its own.
        value = int(text, 16 if "0x" in text else 10) if len(text) < 4000 else 1 << width
        least = 0 if unsigned else -(1 << (width - 1))
        if not least <= value < 1 << width:
            if unsigned and value == -1 and width == 1:
                return 1
            self.error(f"{text[:40]} does not fit {type}", pos, code="TC0106", length=len(text))
        return value if unsigned or value < 1 << (width - 1) else value - (1 << width)

    # -- dense constants

    def dense_array(self) -> DenseArrayAttr:
        """`array<i64: 1, 2>`."""
        self.accept_word("array")
        self.expect("<", " after `array`")
        start = self.pos
        type = self.type()
        if not isinstance(type, IntegerType | FloatType):
            self.error(f"an array<...> holds integers or floats, not {type}", start, code="TC0106")
        values: list[Any] = []
        if not self.accept(">"):
            self.expect(":", " or `>` after the element type")
            values.append(self._array_value(type))
            while self.accept(","):
                values.append(self._array_value(type))
            self.expect(">", " to close `array<`")
        return DenseArrayAttr(type, tuple(values))

    def _array_value(self, type: IntegerType | FloatType) -> int | float:
        start = self.pos
        match = self.accept_match(_LITERAL)
        if match is None:
            self.expected("a number")
        return self._scalar_value(match.group(), type, start)

    def _scalar_value(self, text: str, type: ScalarType, pos: int) -> int | float:
        if isinstance(type, FloatType):
            if text in ("true", "false"):
                self.error("expected a floating-point literal", pos, code="TC0106", length=len(text))
            return self._float(text, type, pos)
        return self._int(text, type, pos)

    def dense(self) -> DenseAttr:
        """`dense<...> : type`."""
        start = self.pos
        self.accept_word("dense")
        self.expect("<", " after `dense`")
        elements: _Elements | bytes | None = None
        if not self.at(">"):
            elements = self._hex_string() if self.at('"') else self._elements()
        self.expect(">", " to close `dense<`")
        type = self._constant_type(start)
        shape = tuple(extent or 0 for extent in type.shape)
        size = math.prod(shape)
        largest = LARGEST_PLAIN if self._plain else LARGEST_DENSE
        if size > largest:
            help = "use dense_resource<...> for a large constant"
            self.error(
                f"dense<> holds at most {largest} elements, {type} has {size}",
                start,
                code="TC0106",
                help=help,
            )
        return DenseAttr(type, self._dense_value(elements, type, shape, start))

    def _constant_type(self, start: int) -> TensorType | VectorType:
        self.expect(":", " and a type after a constant")
        at = self.pos
        type = self.type()
        if not isinstance(type, TensorType | VectorType) or None in type.shape:
            self.error(f"a constant has a static tensor or vector type, not {type}", at, code="TC0106")
        if storage_dtype(type.element) is None:
            self.error(f"constants of element type {type.element} are not supported", at, code="TC0106")
        return type

    def _hex_string(self) -> bytes:
        start = self.pos
        text = self.string("a hexadecimal string")
        try:
            if not text.startswith("0x") or not text.isascii() or " " in text:
                raise ValueError
            return bytes.fromhex(text[2:])
        except ValueError:
            self.error('expected a string of bytes "0x..."', start, code="TC0106", length=len(text) + 2)

    def _elements(self) -> _Elements:
        elements = _Elements()
        elements.shape = self._nested_elements(elements)
        return elements

    def _nested_elements(self, into: _Elements) -> tuple[int, ...]:
        """Append the literals below the cursor to `into`; return the shape of the nest."""
        start = self.pos
        if not self.accept("["):
            self._literal_element(into)
            return ()
        inner: tuple[int, ...] | None = None
        count = 0
        with self.nested():
            while not self.accept("]"):
                if count and not self.accept(","):
                    self.expected("`,` or `]` in a dense constant")
                shape = self._nested_elements(into)
                if inner is not None and shape != inner:
                    self.error("rows of a dense constant differ in shape", start, code="TC0106")
                inner = shape
                count += 1
        return (count, *(inner or ()))

    def _literal_element(self, into: _Elements) -> None:
        pair = self.accept("(")
        into.pairs = into.pairs or pair
        for part in range(2 if pair else 1):
            if part:
                self.expect(",", " in a complex number")
            start = self.pos
            match = self.accept_match(_LITERAL)
            if match is None:
                self.expected("a number, `true` or `false`")
            into.literals.append((match.group(), start))
        if pair:
            self.expect(")", " after a complex number")

    def _dense_value(
        self,
        elements: _Elements | bytes | None,
        type: TensorType | VectorType,
        shape: tuple[int, ...],
        pos: int,
    ) -> np.ndarray[Any, Any]:
        dtype = storage_dtype(type.element)
        assert dtype is not None
        if elements is None:
            if math.prod(shape):
                self.error(f"dense<> without elements for {type}", pos, code="TC0106")
            return np.zeros(shape, dtype)
        if isinstance(elements, bytes):
            return self._from_bytes(elements, type, shape, dtype, pos)
        is_complex = isinstance(type.element, ComplexType)
        if elements.pairs != is_complex:
            self.error(f"the elements do not have type {type.element}", pos, code="TC0106")
        if elements.shape not in ((), shape):
            self.error(f"elements of shape {elements.shape} for {type}", pos, code="TC0106")
        scalar = type.element.element if isinstance(type.element, ComplexType) else type.element
        values = [self._scalar_value(text, scalar, at) for text, at in elements.literals]
        flat = _exact_array(values, elements.literals, scalar)
        if is_complex:
            if len(flat) != 2 * max(math.prod(elements.shape), 0):
                self.error("a complex constant holds pairs only", pos, code="TC0106")
            flat = flat.view(dtype)
        return np.broadcast_to(flat.reshape(elements.shape), shape)

    def _from_bytes(
        self, data: bytes, type: ShapedType, shape: tuple[int, ...], dtype: np.dtype[Any], pos: int
    ) -> np.ndarray[Any, Any]:
        size = math.prod(shape)
        if len(data) != size * dtype.itemsize:
            self.error(
                f"{len(data)} bytes for {type}, which needs {size * dtype.itemsize}", pos, code="TC0106"
            )
        if type.element == i1 and data.strip(b"\0\1"):
            self.error("bytes of an i1 constant are 00 or 01", pos, code="TC0106")
        array = np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(shape)
        array.setflags(write=False)
        return array

    # -- resources

    def dense_resource(self) -> DenseResourceAttr:
        """`dense_resource<handle> : tensor<...>`; the bytes stand in the section at the end of the text."""
        start = self.pos
        self.accept_word("dense_resource")
        self.expect("<", " after `dense_resource`")
        handle = self.name("a resource handle")
        self.expect(">", " to close `dense_resource<`")
        type = self._constant_type(start)
        if not isinstance(type, TensorType):
            self.error(f"a resource has a tensor type, not {type}", start, code="TC0108")
        array = self._resource_arrays.get((handle, type))
        if array is None:
            array = self._resource_arrays[handle, type] = self._resource(handle, type, start)
        return DenseResourceAttr(handle, type, array)

    def _resource(self, handle: str, type: TensorType, pos: int) -> np.ndarray[Any, Any]:
        if self._resource_bytes is None:
            self._resource_bytes = self._read_resources()
        if handle not in self._resource_bytes:
            section = '{-# dialect_resources: { builtin: { NAME: "0x..." } } #-}'
            help = f"resources are defined at the end of the text: {section}"
            self.error(f"resource {handle} is not defined", pos, code="TC0108", help=help)
        dtype = storage_dtype(type.element)
        assert dtype is not None
        shape = tuple(extent or 0 for extent in type.shape)
        return self._from_bytes(self._resource_bytes[handle], type, shape, dtype, pos)

    def resource_section_start(self) -> int:
        """Where the closing `{-# ... #-}` section begins; the length of the text when there is none."""
        start = self.text.rfind("{-#")
        return start if start >= 0 and self.text.rstrip().endswith("#-}") else len(self.text)

    def _read_resources(self) -> dict[str, bytes]:
        start = self.resource_section_start()
        saved, self.pos = self.pos, min(start, len(self.text))
        resources: dict[str, bytes] = {}
        if start < len(self.text):
            self._resource_section(resources)
        self.pos = saved
        return resources

    def _resource_section(self, resources: dict[str, bytes]) -> None:
        self.expect("{-#")
        for word in ("dialect_resources", "builtin"):
            if not self.accept_word(word):
                self.expected(f"`{word}` in the resource section", code="TC0108")
            self.expect(":")
            self.expect("{")
        while not self.accept("}"):
            if resources:
                self.expect(",", " or `}` in the resource section")
            start = self.pos
            match = self.accept_match(_RESOURCE_ENTRY)
            if match is None:
                self.expected('a resource (`name: "0x..."`)', code="TC0108")
            end, self.pos = self.pos, start
            name = self.name("a resource name")
            self.pos = end
            data = match.group(2)[2:]
            if len(data) % 2 or len(data) < 8 or name in resources:
                message = (
                    "needs whole bytes, the first four its alignment"
                    if name not in resources
                    else "occurs twice"
                )
                self.error(f"resource {name} {message}", start, code="TC0108")
            resources[name] = bytes.fromhex(data)[4:]
        self.expect("}", " to close `dialect_resources`")
        self.expect("#-}", " to close the resource section")
        if self.pos < len(self.text):
            self.expected("the end of the text after the resource section", code="TC0108")

    # -- locations

    def location_attribute(self) -> Location:
        """`loc(...)`."""
        if not self.accept_word("loc"):
            self.expected("`loc(...)`")
        self.expect("(", " after `loc`")
        location = self._location_body()
        self.expect(")", " to close `loc(`")
        return location

    def _location_body(self) -> Location:
        with self.nested():
            if self.at('"'):
                return self._file_or_named()
            if self.accept_word("unknown"):
                return UNKNOWN
            if self.accept_word("fused"):
                return self._fused()
            if self.at("#"):
                return self._location_reference()
            if self.accept_word("loc"):
                self.expect("(", " after `loc`")
                inner = self._location_body()
                self.expect(")", " to close `loc(`")
                return inner
        return self.expected(
            'a location ("file":line:column, "name"(...), fused[...] or unknown)', code="TC0109"
        )

    def _file_or_named(self) -> Location:
        name = self.string("a file or transform name")
        match = self.accept_match(_POSITION)
        if match is not None:
            line, column, end_line, end_column = match.groups()
            if end_column is None:
                return FileLocation(name, int(line), int(column))
            return FileLocation(name, int(line), int(column), int(end_line or line), int(end_column))
        if not self.accept("("):
            return NamedLocation(name, UNKNOWN)
        child = self._location_body()
        self.expect(")", " after the location inside a named location")
        return NamedLocation(name, child)

    def _fused(self) -> Location:
        self.expect("[", " after `fused`")
        parts: list[Location] = []
        while not self.accept("]"):
            if parts and not self.accept(","):
                self.expected("`,` or `]` in a fused location")
            parts.append(self._location_body())
        return FusedLocation(tuple(parts))

    def _location_reference(self) -> Location:
        """`#loc3`: MLIR defines these after their use, so the definition is looked up wherever it stands."""
        start = self.pos
        self.no_alias()
        match = self.accept_match(_ALIAS)
        if match is None:
            self.expected("a location")
        name = match.group(1)
        if self._location_texts is None:
            self._location_texts = {m.group(1): m.end() for m in _LOCATION_ALIAS.finditer(self.text)}
        if name not in self._location_texts:
            self.error(f"location #{name} is not defined", start, code="TC0109", length=len(name) + 1)
        if name not in self._location_aliases:
            self._location_aliases[name] = None
            saved, self.pos = self.pos, self._location_texts[name]
            self._location_aliases[name] = self.location_attribute()
            self.pos = saved
        location = self._location_aliases[name]
        if location is None:
            self.error(f"location #{name} refers to itself", start, code="TC0109", length=len(name) + 1)
        return location


def _exact_array(
    values: list[Any], literals: list[tuple[str, int]], type: ScalarType
) -> np.ndarray[Any, Any]:
    """The array of `values`; bit patterns go in as bits, because converting a signalling NaN would change
    it.
    """
    dtype = storage_dtype(type)
    assert dtype is not None
    flat = np.array(values, dtype)
    if not isinstance(type, FloatType):
        return flat
    bits = flat.view(f"u{dtype.itemsize}")
    for i, (text, _) in enumerate(literals):
        if text.startswith("0x"):
            bits[i] = int(text, 16)
    return flat


def _boolean(parser: AttributeParser) -> Attribute:
    return BoolAttr(parser.word("a boolean") == "true")


def _unit(parser: AttributeParser) -> Attribute:
    parser.word("unit")
    return UNIT


_KEYWORDS: Final = {
    "true": _boolean,
    "false": _boolean,
    "unit": _unit,
    "dense": AttributeParser.dense,
    "dense_resource": AttributeParser.dense_resource,
    "array": AttributeParser.dense_array,
}
