"""What the emitter knows of a value while it writes text: typed scalars, exploded buffer descriptors, alias
scopes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tensorc.ir.attributes import Attribute, BoolAttr, FloatAttr, IntegerAttr
from tensorc.ir.errors import InternalError
from tensorc.ir.types import FloatType, IndexType, IntegerType, MemRefType, ScalarType, Type, VectorType


@dataclass(frozen=True, slots=True)
class Scalar:
    """An LLVM first-class value: `type text`, for example `i64 %7` or `double 0x3FF0000000000000`."""

    type: str
    text: str

    def __str__(self) -> str:
        return f"{self.type} {self.text}"

    @property
    def constant(self) -> int | None:
        """The value of an integer literal, else None."""
        text = self.text
        return (
            int(text)
            if text[0] == "-" or (text[0].isdigit() and "x" not in text and "." not in text)
            else None
        )


@dataclass(frozen=True, slots=True)
class Buffer:
    """A memref value: a pointer to the first element of the allocation's aligned part, and numbers in
    elements.
    """

    type: MemRefType
    base: str
    start: str
    offset: Scalar
    sizes: tuple[Scalar, ...]
    strides: tuple[Scalar, ...]
    root: int | None
    """Which allocation it lies in, as an alias scope; None when nothing is known."""


def i64(value: int) -> Scalar:
    return Scalar("i64", str(value))


def llvm_type(type: Type) -> str:
    """The LLVM type of a loop-level scalar or vector type. Raises InternalError for types that have none."""
    if isinstance(type, VectorType) and len(type.shape) == 1:
        return f"<{type.shape[0]} x {llvm_type(type.element)}>"
    if isinstance(type, IntegerType) and not type.unsigned:
        return f"i{type.width}"
    if isinstance(type, IndexType):
        return "i64"
    if isinstance(type, FloatType) and type.name in ("f32", "f64"):
        return "float" if type.width == 32 else "double"
    raise InternalError(f"no machine type for {type}")


def overload_name(kind: str) -> str:
    """An LLVM type as it appears in the names of intrinsics: `<16 x float>` is `v16f32`."""
    if not kind.startswith("<"):
        return {"float": "f32", "double": "f64", "ptr": "p0"}.get(kind, kind)
    count, element = kind[1:-1].split(" x ")
    return f"v{count}{overload_name(element)}"


def byte_width(element: ScalarType) -> int:
    """Bytes of one element in memory. Raises InternalError for `i1`, which has no place in memory."""
    if isinstance(element, IndexType):
        return 8
    if isinstance(element, IntegerType | FloatType) and element.width % 8 == 0:
        return element.width // 8
    raise InternalError(f"{element} cannot be an element in memory")


def literal(value: Attribute) -> Scalar:
    """The literal of a scalar attribute. Floats are written as the bits of a double, exact for NaN and
    infinities too.
    """
    if isinstance(value, BoolAttr):
        return Scalar("i1", "true" if value.value else "false")
    if isinstance(value, IntegerAttr):
        if value.type == IntegerType(1):
            return Scalar("i1", "true" if value.value & 1 else "false")
        return Scalar(llvm_type(value.type), str(_signed(value)))
    if isinstance(value, FloatAttr):
        bits = struct.unpack("<Q", struct.pack("<d", value.value))[0]
        return Scalar(llvm_type(value.type), f"0x{bits:016X}")
    raise InternalError(f"no literal for {value}")


def _signed(value: IntegerAttr) -> int:
    bits = 64 if isinstance(value.type, IndexType) else value.type.width
    wrapped = value.value & ((1 << bits) - 1)
    return wrapped - (1 << bits) if wrapped >> (bits - 1) else wrapped


@dataclass
class Scopes:
    """Alias scopes of one function: which allocations are known to be distinct. Every function numbers its
    own from 0, so that equal functions have equal texts; the nodes of metadata are the module's.

    Scope lists are quadratic in the number of scopes, so only the first `LIMIT` allocations of a function get
    one.
    """

    LIMIT = 48

    count: int = 0

    def new(self) -> int | None:
        if self.count == self.LIMIT:
            return None
        self.count += 1
        return self.count - 1


def scope_suffix(root: int | None) -> str:
    """What to append to a load or store in `root`."""
    return "" if root is None else f", !alias.scope !{3 * root + 2}, !noalias !{3 * root + 3}"


def scope_nodes(count: int) -> list[str]:
    """Metadata: the domain, then for each scope the scope, its singleton list, and the list of the others."""
    if count == 0:
        return []
    lines = ["!0 = distinct !{!0}"]
    for root in range(count):
        others = ", ".join(f"!{3 * other + 1}" for other in range(count) if other != root)
        lines.append(f"!{3 * root + 1} = distinct !{{!{3 * root + 1}, !0}}")
        lines.append(f"!{3 * root + 2} = !{{!{3 * root + 1}}}")
        lines.append(f"!{3 * root + 3} = !{{{others}}}")
    return lines
