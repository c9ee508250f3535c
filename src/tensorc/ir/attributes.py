"""Attributes: frozen compile-time values attached to operations, printed as MLIR attributes."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from tensorc.ir.floats import round_to
from tensorc.ir.types import (
    FloatType,
    FunctionType,
    IndexType,
    IntegerType,
    ScalarType,
    TensorType,
    Type,
    VectorType,
    f64,
    i64,
)


class Attribute:
    """Base of all attributes. Attributes are immutable, hashable, and compare by value."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class UnitAttr(Attribute):
    pass


@dataclass(frozen=True, slots=True)
class BoolAttr(Attribute):
    value: bool


@dataclass(frozen=True, slots=True)
class IntegerAttr(Attribute):
    """`value : type`; the type is an integer type or `index`."""

    value: int
    type: IntegerType | IndexType = i64


@dataclass(frozen=True, slots=True, eq=False)
class FloatAttr(Attribute):
    """`value : type`, rounded to the width of the type when made.

    Equality is equality of bits, so that NaN equals itself and -0.0 differs from 0.0.
    """

    value: float
    type: FloatType = f64

    def __post_init__(self) -> None:
        if self.type.name != "f64":
            object.__setattr__(self, "value", round_to(self.value, self.type))

    def _key(self) -> tuple[bytes, FloatType]:
        return struct.pack("<d", self.value), self.type

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FloatAttr) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


@dataclass(frozen=True, slots=True)
class StringAttr(Attribute):
    value: str


@dataclass(frozen=True, slots=True)
class SymbolRefAttr(Attribute):
    """`@name`."""

    name: str


@dataclass(frozen=True, slots=True)
class TypeAttr(Attribute):
    value: Type | FunctionType


@dataclass(frozen=True, slots=True)
class ArrayAttr(Attribute):
    """`[a, b, c]`."""

    elements: tuple[Attribute, ...]

    def __iter__(self) -> Iterator[Attribute]:
        return iter(self.elements)


@dataclass(frozen=True, slots=True, eq=False)
class DenseArrayAttr(Attribute):
    """`array<i64: 1, 2>`: a flat list of integers or floats of one type; floats compare by bits."""

    type: IntegerType | FloatType
    values: tuple[int, ...] | tuple[float, ...]

    def __post_init__(self) -> None:
        if isinstance(self.type, FloatType):
            object.__setattr__(self, "values", tuple(round_to(v, self.type) for v in self.values))

    def _key(self) -> tuple[Type, object]:
        if isinstance(self.type, FloatType):
            return self.type, struct.pack(f"<{len(self.values)}d", *self.values)
        return self.type, self.values

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DenseArrayAttr) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


@dataclass(frozen=True, slots=True)
class DictAttr(Attribute):
    """`{a = x, b = y}`; kept sorted by name. Raises ValueError when a name occurs twice."""

    entries: tuple[tuple[str, Attribute], ...]

    def __post_init__(self) -> None:
        entries = tuple(sorted(self.entries, key=lambda entry: entry[0]))
        if len({name for name, _ in entries}) != len(entries):
            raise ValueError("a name occurs twice in a dictionary attribute")
        object.__setattr__(self, "entries", entries)

    def as_dict(self) -> dict[str, Attribute]:
        return dict(self.entries)


@dataclass(frozen=True, slots=True, eq=False)
class DenseAttr(Attribute):
    """`dense<...> : tensor<...>`: a small array constant; frozen when made; compares by bits.

    The array has the static shape and the storage dtype (`storage_dtype`) of the type; ValueError otherwise.
    """

    type: TensorType | VectorType
    value: npt.NDArray[np.generic]

    def __post_init__(self) -> None:
        frozen = np.array(self.value, order="C", copy=True)
        if frozen.shape != self.type.shape or frozen.dtype != storage_dtype(self.type.element):
            raise ValueError(f"{frozen.dtype} array of shape {frozen.shape} given for {self.type}")
        frozen.setflags(write=False)
        object.__setattr__(self, "value", frozen)

    def _key(self) -> tuple[Type, bytes]:
        return self.type, self.value.tobytes()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DenseAttr) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


@dataclass(frozen=True, slots=True, eq=False)
class DenseResourceAttr(Attribute):
    """`dense_resource<handle> : tensor<...>`: a large array kept out of the text body, printed in the file's
    resource section.

    Compares by identity of the array: comparing large constants by value would cost more than it saves.
    """

    handle: str
    type: TensorType
    value: npt.NDArray[np.generic]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DenseResourceAttr) and self.value is other.value and self.type == other.type

    def __hash__(self) -> int:
        return id(self.value)


@dataclass(frozen=True, slots=True)
class OpaqueAttr(Attribute):
    """`#dialect.mnemonic<...>`: an attribute of a foreign dialect, kept as its text (after the `#`)."""

    text: str


_STORAGE: Final[dict[str, str]] = {
    "i1": "bool", "i8": "int8", "i16": "int16", "i32": "int32", "i64": "int64", "index": "int64",
    "ui8": "uint8", "ui16": "uint16", "ui32": "uint32", "ui64": "uint64",
    "f16": "float16", "f32": "float32", "f64": "float64",
    "complex<f32>": "complex64", "complex<f64>": "complex128",
}  # fmt: skip


def storage_dtype(element: ScalarType) -> np.dtype[np.generic] | None:
    """The NumPy dtype that holds constants of an element type; None where NumPy has none (bf16, odd
    widths).
    """
    name = _STORAGE.get(str(element))
    return None if name is None else np.dtype(name)


UNIT: Final = UnitAttr()
Attributes = Mapping[str, Attribute]
