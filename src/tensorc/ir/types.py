"""Types of the IR: frozen values that print as MLIR types.

`iN` is a signed integer at the tensor level and signless at the loop level, `uiN` is unsigned, `i1` is bool.
An unknown extent is `None` and prints as `?`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

DYNAMIC: Final = None
Extent = int | None


class Type:
    """Base of all types. Types are immutable, hashable, and compare by value."""

    __slots__ = ()


class ScalarType(Type):
    """A type that can be the element of a tensor, memref or vector."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class IntegerType(ScalarType):
    """`i<width>` or, when `unsigned`, `ui<width>`; `i1` is bool."""

    width: int
    unsigned: bool = False

    def __str__(self) -> str:
        return f"{'u' if self.unsigned else ''}i{self.width}"


@dataclass(frozen=True, slots=True)
class FloatType(ScalarType):
    """An IEEE (or bfloat16) floating-point type: `f16 bf16 f32 f64`."""

    name: str
    width: int

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class ComplexType(ScalarType):
    element: FloatType

    def __str__(self) -> str:
        return f"complex<{self.element}>"


@dataclass(frozen=True, slots=True)
class IndexType(ScalarType):
    """An extent or a loop index: 64 bits, signed arithmetic."""

    def __str__(self) -> str:
        return "index"


@dataclass(frozen=True, slots=True)
class NoneType(Type):
    def __str__(self) -> str:
        return "none"


def _dims(shape: tuple[Extent, ...]) -> str:
    return "".join(f"{'?' if extent is None else extent}x" for extent in shape)


class ShapedType(Type):
    """Common face of tensor, memref and vector types."""

    __slots__ = ()
    shape: tuple[Extent, ...]
    element: ScalarType

    @property
    def rank(self) -> int:
        return len(self.shape)


@dataclass(frozen=True, slots=True)
class TensorType(ShapedType):
    shape: tuple[Extent, ...]
    element: ScalarType

    def __str__(self) -> str:
        return f"tensor<{_dims(self.shape)}{self.element}>"


@dataclass(frozen=True, slots=True)
class VectorType(ShapedType):
    shape: tuple[Extent, ...]
    element: ScalarType

    def __str__(self) -> str:
        return f"vector<{_dims(self.shape)}{self.element}>"


@dataclass(frozen=True, slots=True)
class StridedLayout:
    """`strided<[s0, s1], offset: o>` in elements; `None` is dynamic."""

    strides: tuple[int | None, ...]
    offset: int | None = 0

    def __str__(self) -> str:
        strides = ", ".join("?" if s is None else str(s) for s in self.strides)
        offset = "" if self.offset == 0 else f", offset: {'?' if self.offset is None else self.offset}"
        return f"strided<[{strides}]{offset}>"


@dataclass(frozen=True)
class MemRefType(ShapedType):
    """A buffer. `layout=None` is row-major contiguous; `space` is MLIR's integer memory space (0 =
    default).
    """

    shape: tuple[Extent, ...]
    element: ScalarType
    layout: StridedLayout | None = None
    space: int = 0

    @cached_property
    def strides(self) -> tuple[int | None, ...]:
        """Strides in elements; `None` where they are known at run time only."""
        if self.layout is not None:
            return self.layout.strides
        strides: list[int | None] = []
        step: int | None = 1
        for extent in reversed(self.shape):
            strides.append(step)
            step = None if step is None or extent is None else step * extent
        return tuple(reversed(strides))

    @property
    def offset(self) -> int | None:
        return 0 if self.layout is None else self.layout.offset

    def __str__(self) -> str:
        layout = "" if self.layout is None else f", {self.layout}"
        space = f", {self.space}" if self.space else ""
        return f"memref<{_dims(self.shape)}{self.element}{layout}{space}>"


@dataclass(frozen=True, slots=True)
class FunctionType(Type):
    inputs: tuple[Type, ...]
    results: tuple[Type, ...]

    def __str__(self) -> str:
        inputs = ", ".join(map(str, self.inputs))
        return f"({inputs}) -> {results_text(self.results)}"


def results_text(results: tuple[Type, ...]) -> str:
    """The result list of a function type: bare for one non-function type, in parentheses otherwise."""
    if len(results) == 1 and not isinstance(results[0], FunctionType):
        return str(results[0])
    return f"({', '.join(map(str, results))})"


i1: Final = IntegerType(1)
i8: Final = IntegerType(8)
i16: Final = IntegerType(16)
i32: Final = IntegerType(32)
i64: Final = IntegerType(64)
ui8: Final = IntegerType(8, True)
ui16: Final = IntegerType(16, True)
ui32: Final = IntegerType(32, True)
ui64: Final = IntegerType(64, True)
f16: Final = FloatType("f16", 16)
bf16: Final = FloatType("bf16", 16)
f32: Final = FloatType("f32", 32)
f64: Final = FloatType("f64", 64)
index: Final = IndexType()
none: Final = NoneType()


def is_float(t: Type) -> bool:
    return isinstance(t, FloatType)


def is_bool(t: Type) -> bool:
    return t == i1


def is_integer(t: Type) -> bool:
    """True for signed and unsigned integers, not for bool or index."""
    return isinstance(t, IntegerType) and t.width > 1


def is_unsigned(t: Type) -> bool:
    return isinstance(t, IntegerType) and t.unsigned


def element_of(t: Type) -> ScalarType:
    """The element of a shaped type, or the scalar type itself."""
    if isinstance(t, ShapedType):
        return t.element
    if isinstance(t, ScalarType):
        return t
    raise TypeError(f"{t} has no element type")
