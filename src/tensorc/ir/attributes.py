"""Attributes: frozen compile-time values attached to operations, printed as MLIR attributes."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from tensorc.ir.types import FloatType, FunctionType, IndexType, IntegerType, TensorType, Type, VectorType, f64, i64


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
    """`value : type`. Equality is equality of bits, so that NaN equals itself and -0.0 differs from 0.0."""

    value: float
    type: FloatType = f64

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


@dataclass(frozen=True, slots=True)
class DenseArrayAttr(Attribute):
    """`array<i64: 1, 2>`: a flat list of integers or floats of one type."""

    type: IntegerType | FloatType
    values: tuple[int, ...] | tuple[float, ...]


@dataclass(frozen=True, slots=True)
class DictAttr(Attribute):
    entries: tuple[tuple[str, Attribute], ...]

    def as_dict(self) -> dict[str, Attribute]:
        return dict(self.entries)


@dataclass(frozen=True, slots=True, eq=False)
class DenseAttr(Attribute):
    """`dense<...> : tensor<...>`: a small array constant; frozen when made; compares by bits."""

    type: TensorType | VectorType
    value: npt.NDArray[np.generic]

    def __post_init__(self) -> None:
        frozen = np.array(self.value, order="C", copy=True)
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
    """`dense_resource<handle> : tensor<...>`: a large array kept out of the text body, printed in the file's resource section.

    Compares by identity of the array: comparing large constants by value would cost more than it saves.
    """

    handle: str
    type: TensorType
    value: npt.NDArray[np.generic]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DenseResourceAttr) and self.value is other.value and self.type == other.type

    def __hash__(self) -> int:
        return id(self.value)


UNIT: Final = UnitAttr()
Attributes = Mapping[str, Attribute]
