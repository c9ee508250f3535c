"""Parsing types. A whole type is one token, parsed once for each spelling: programs repeat few types many
times.
"""

from __future__ import annotations

import re
from typing import Final

from tensorc.ir.scanner import Scanner
from tensorc.ir.types import (
    ComplexType,
    FloatType,
    FunctionType,
    IntegerType,
    MemRefType,
    ScalarType,
    StridedLayout,
    TensorType,
    Type,
    VectorType,
    bf16,
    f16,
    f32,
    f64,
    index,
    none,
)

WIDEST_INTEGER: Final = 1 << 24
MOST_AXES: Final = 64
"""NumPy's limit."""
_SHAPED = re.compile(r"(tensor|memref|vector|complex)\s*<((?:[^<>{}\"\n]|<[^<>{}\"\n]*>)*)>")
_PLAIN = re.compile(r"(?:u|s)?i\d+\b|b?f\d+\b|index\b|none\b")
_INTEGER = re.compile(r"(u|s)?i(\d+)")
_DIMENSIONS = re.compile(r"\s*((?:(?:\?|\d+)x)*)")
_LAYOUT = re.compile(r"strided\s*<\s*\[([^\[\]<>]*)\]\s*(?:,\s*offset\s*:\s*(-?\d+|\?)\s*)?>")
_NAMED: Final[dict[str, Type]] = {
    "f16": f16,
    "bf16": bf16,
    "f32": f32,
    "f64": f64,
    "index": index,
    "none": none,
}
_ALIAS = re.compile(r"!([A-Za-z_][A-Za-z0-9_$]*)")
_KNOWN = "tensor<>, memref<>, vector<>, complex<>, index, iN, uiN, f16, bf16, f32, f64 or a function type"


class TypeParser(Scanner):
    def __init__(self, text: str, file: str) -> None:
        super().__init__(text, file)
        self._types: dict[str, Type] = {}
        self._type_aliases: dict[str, Type] = {}

    def type(self) -> Type:
        """A type, a function type included."""
        match = _SHAPED.match(self.text, self.pos) or _PLAIN.match(self.text, self.pos)
        if match is not None:
            spelling = match.group()
            known = self._types.get(spelling)
            if known is None:
                known = self._types[spelling] = self._token(match)
            self.pos = self._skip(match.end())
            return known
        if self.at("("):
            return self.function_type()
        if self.at("!"):
            return self._aliased()
        return self.expected("a type", help=f"types are {_KNOWN}")

    def types(self, where: str) -> tuple[Type, ...]:
        """`(t, t, ...)`."""
        self.expect("(", where)
        types: list[Type] = []
        while not self.accept(")"):
            if types and not self.accept(","):
                self.expected("`,` or `)` in a list of types")
            types.append(self.type())
        return tuple(types)

    def function_type(self) -> FunctionType:
        """`(t, ...) -> t` or `(t, ...) -> (t, ...)`."""
        with self.nested():
            inputs = self.types(" before the input types")
            self.expect("->", " between input and result types")
            results = self.types("") if self.at("(") else (self.type(),)
        return FunctionType(inputs, results)

    def _aliased(self) -> Type:
        match = _ALIAS.match(self.text, self.pos)
        if match is None or match.group(1) not in self._type_aliases:
            self.expected("a type", code="TC0105", help=f"types are {_KNOWN}")
        self.pos = self._skip(match.end())
        return self._type_aliases[match.group(1)]

    def _token(self, match: re.Match[str]) -> Type:
        if match.re is _PLAIN:
            return none if match.group() == "none" else self._scalar(match.group(), match.start())
        kind, body, at = match.group(1), match.group(2), match.start(2)
        if kind == "complex":
            return self._complex(body, at)
        return self._shaped(kind, body, at)

    def _bad(self, message: str, pos: int, length: int = 1, help: str | None = None) -> Type:
        self.error(message, pos, code="TC0105", length=length, help=help)

    def _scalar(self, text: str, pos: int) -> ScalarType:
        named = _NAMED.get(text)
        if isinstance(named, ScalarType):
            return named
        match = _INTEGER.fullmatch(text)
        if match is not None and match.group(1) != "s":
            width = int(match.group(2)) if len(match.group(2)) < 9 else WIDEST_INTEGER + 1
            if 1 <= width <= WIDEST_INTEGER:
                return IntegerType(width, match.group(1) == "u")
            self._bad(f"an integer type has 1 to {WIDEST_INTEGER} bits", pos, len(text))
        complex_element = _SHAPED.fullmatch(text)
        if complex_element is not None and complex_element.group(1) == "complex":
            return self._complex(complex_element.group(2), pos + len("complex<"))
        shown = text if len(text) <= 40 else text[:40] + "..."
        help = "write iN for signed integers" if match is not None else f"types are {_KNOWN}"
        self.error(f"`{shown}` is not a scalar type", pos, code="TC0105", length=len(text), help=help)

    def _complex(self, body: str, pos: int) -> ComplexType:
        element = _NAMED.get(body.strip())
        if not isinstance(element, FloatType):
            self.error("a complex type has a floating-point element", pos, code="TC0105", length=len(body))
        return ComplexType(element)

    def _shaped(self, kind: str, body: str, pos: int) -> Type:
        dims = _DIMENSIONS.match(body)
        assert dims is not None
        shape = tuple(self._extent(text, pos) for text in dims.group(1).split("x")[:-1])
        if len(shape) > MOST_AXES:
            self._bad(f"{len(shape)} axes; there are arrays of at most {MOST_AXES}", pos, dims.end())
        rest = body[dims.end() :]
        element_text, _, tail = _split_top(rest)
        element = self._scalar(element_text.strip(), pos + dims.end())
        if kind == "memref":
            return self._memref(shape, element, tail.strip(), pos + len(body) - len(tail))
        if tail:
            self._bad(
                f"a {kind} type has a shape and an element type only", pos + len(body) - len(tail), len(tail)
            )
        if kind == "vector":
            if not shape or None in shape or 0 in shape:
                self._bad("a vector type has positive, static extents", pos, len(body))
            return VectorType(shape, element)
        return TensorType(shape, element)

    def _extent(self, text: str, pos: int) -> int | None:
        if text == "?":
            return None
        if len(text) > 19 or int(text) >= 2**63:
            self._bad("the extent is too large", pos, len(text))
        return int(text)

    def _memref(self, shape: tuple[int | None, ...], element: ScalarType, tail: str, pos: int) -> MemRefType:
        layout = None
        match = _LAYOUT.match(tail)
        if match is not None:
            strides = (
                tuple(self._stride(s, pos) for s in match.group(1).split(","))
                if match.group(1).strip()
                else ()
            )
            if len(strides) != len(shape):
                self._bad(f"{len(strides)} strides for {len(shape)} extents", pos, len(tail))
            layout = StridedLayout(strides, self._stride(match.group(2) or "0", pos))
            tail = tail[match.end() :].lstrip()
            if not tail:
                return MemRefType(shape, element, layout)
            if not tail.startswith(","):
                self._bad("expected `,` or `>` after the layout", pos, len(tail))
            tail = tail[1:].strip()
        elif not tail:
            return MemRefType(shape, element)
        if not tail.isascii() or not tail.isdigit() or len(tail) > 9:
            help = "a layout is strided<[s0, s1], offset: o>, a memory space an integer"
            self._bad("expected a strided layout or a memory space", pos, len(tail), help)
        return MemRefType(shape, element, layout, int(tail))

    def _stride(self, text: str, pos: int) -> int | None:
        text = text.strip()
        if text == "?":
            return None
        if not re.fullmatch(r"-?[0-9]{1,19}", text) or abs(int(text)) >= 2**63:
            self._bad("a stride or offset is an integer below 2**63 or `?`", pos)
        return int(text)


def _split_top(text: str) -> tuple[str, str, str]:
    """Split at the first comma outside angle brackets."""
    depth = 0
    for i, c in enumerate(text):
        if c == "," and depth == 0:
            return text[:i], ",", text[i + 1 :]
        depth += (c == "<") - (c == ">")
    return text, "", ""
