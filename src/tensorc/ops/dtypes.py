"""Element types and NumPy dtypes: one table, both ways."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tensorc.ir.types import (
    FloatType,
    IntegerType,
    ScalarType,
    f32,
    f64,
    i1,
    i8,
    i16,
    i32,
    i64,
    ui8,
    ui16,
    ui32,
    ui64,
)

FLOATS: Final = (f32, f64)
SIGNED: Final = (i8, i16, i32, i64)
UNSIGNED: Final = (ui8, ui16, ui32, ui64)
INTEGERS: Final = SIGNED + UNSIGNED
NUMBERS: Final = INTEGERS + FLOATS
ALL: Final = (i1, *NUMBERS)

_DTYPES: Final[dict[ScalarType, np.dtype[Any]]] = {
    i1: np.dtype(np.bool_),
    i8: np.dtype(np.int8),
    i16: np.dtype(np.int16),
    i32: np.dtype(np.int32),
    i64: np.dtype(np.int64),
    ui8: np.dtype(np.uint8),
    ui16: np.dtype(np.uint16),
    ui32: np.dtype(np.uint32),
    ui64: np.dtype(np.uint64),
    f32: np.dtype(np.float32),
    f64: np.dtype(np.float64),
}
_ELEMENTS: Final = {dtype: element for element, dtype in _DTYPES.items()}


def to_dtype(element: ScalarType) -> np.dtype[Any]:
    """The NumPy dtype of a tensor element. Raises TypeError where there is none (`index`, `bf16`, ...)."""
    dtype = _DTYPES.get(element)
    if dtype is None:
        raise TypeError(f"{element} has no NumPy dtype here; supported: {', '.join(map(str, _DTYPES))}")
    return dtype


def from_dtype(dtype: npt.DTypeLike) -> ScalarType:
    """The element type of a NumPy dtype, in native byte order. Raises TypeError where there is none (object,
    complex, strings, ...).
    """
    found = np.dtype(dtype)
    element = _ELEMENTS.get(found.newbyteorder("="))
    if element is None:
        raise TypeError(f"dtype {found} is not supported; supported: {', '.join(map(str, _ELEMENTS))}")
    return element


def with_own_dtype(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array, or a view of it, whose dtype is the very object `to_dtype` gives.

    NumPy has others that compare equal (of unpickled arrays, `longlong`, with metadata), and the native entry
    compares by identity. Raises TypeError for a dtype without element type.
    """
    own = to_dtype(from_dtype(array.dtype))
    return array if array.dtype is own or not array.dtype.isnative else array.view(own)


def integer_range(element: IntegerType) -> tuple[int, int]:
    """Least and greatest value of an integer element; bool is 0 and 1."""
    if element.width == 1:
        return 0, 1
    if element.unsigned:
        return 0, (1 << element.width) - 1
    return -(1 << (element.width - 1)), (1 << (element.width - 1)) - 1


def signless(element: ScalarType) -> ScalarType:
    """The register type of an element in scalar bodies: `ui32` becomes `i32`, everything else stays."""
    if isinstance(element, IntegerType):
        return IntegerType(element.width)
    return element


def is_signed_integer(element: ScalarType) -> bool:
    return isinstance(element, IntegerType) and element.width > 1 and not element.unsigned


def is_floating(element: ScalarType) -> bool:
    return isinstance(element, FloatType)
