"""Arguments for the table: arrays of every dtype in every layout, with the values that bite.

An operand is described by a text: letters are extents (`"nm"` is a matrix, `""` is 0-d, `"1m"` one row),
which the program does not know, or with `!` knows where they are digits (`"1m!"`). After a colon stands a
fixed dtype (`"n:int64"`; without one the operand has the dtype the test is about), after a slash the values:
`pos` (positive), `unit` (in [-1, 1]), `index` (integers in -2..1), `small` (0 to 7), `neg`, `mild` (no huge
floats).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

DTYPES = (
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float32",
    "float64",
)
INTS = DTYPES[1:9]
FLOATS = ("float32", "float64")
NUMBERS = DTYPES[1:]

SIZES = {
    "plain": {"n": 3, "m": 4, "k": 2},
    "special": {"n": 7, "m": 9, "k": 5},
    "one": {"n": 1, "m": 1, "k": 1},
    "no rows": {"n": 0, "m": 4, "k": 2},
    "no columns": {"n": 3, "m": 0, "k": 2},
}
LAYOUTS = ("reversed", "transposed", "fortran", "every second")
VARIANTS = (*SIZES, *LAYOUTS)


@dataclass(frozen=True)
class Operand:
    """One operand of a form, its dtype decided."""

    extents: str
    dtype: str
    values: str
    known: bool = False

    @property
    def rank(self) -> int:
        return len(self.extents)


def operand(text: str, dtype: str) -> Operand:
    """What `text` describes, where the test is about `dtype`."""
    text, _, values = text.partition("/")
    extents, _, fixed = text.partition(":")
    return Operand(extents.rstrip("!"), fixed or dtype, values, extents.endswith("!"))


def draw(spec: Operand, variant: str, slot: int) -> Array:
    """The array for an operand in a variant; the same for the same question."""
    sizes = SIZES.get(variant, SIZES["plain"])
    shape = tuple(int(e) if e.isdigit() else sizes[e] for e in spec.extents)
    rng = np.random.default_rng(zlib.crc32(f"{spec}{variant}{slot}".encode()))
    special = variant == "special"
    if variant == "transposed":
        return _filled(rng, spec, shape[::-1], special).T
    if variant == "fortran":
        return np.array(_filled(rng, spec, shape, special), order="F")
    if variant == "every second":
        wide = _filled(rng, spec, tuple(2 * e for e in shape), special)
        return wide[tuple(slice(1, None, 2) if e else slice(None) for e in shape)]
    array = _filled(rng, spec, shape, special)
    return array[(slice(None, None, -1),) * array.ndim] if variant == "reversed" else array


def _filled(rng: np.random.Generator, spec: Operand, shape: Sequence[int], special: bool) -> Array:
    dtype = np.dtype(spec.dtype)
    if dtype.kind == "b":
        return np.asarray(rng.integers(0, 2, shape)).astype(bool)
    drawn = _integers(rng, spec, dtype, shape) if dtype.kind in "iu" else _floats(rng, spec, dtype, shape)
    if special and spec.values in ("", "mild"):
        pool = SPECIAL[spec.values or "all", dtype.kind](dtype)
        drawn = np.where(
            _most(rng, shape), rng.permutation(np.resize(pool, drawn.size)).reshape(shape), drawn
        )
    return np.asarray(drawn).astype(dtype)


def _most(rng: np.random.Generator, shape: Sequence[int]) -> Array:
    return np.asarray(rng.random(shape) < 0.8)


def _integers(rng: np.random.Generator, spec: Operand, dtype: np.dtype[Any], shape: Sequence[int]) -> Array:
    low, high = {"pos": (1, 9), "unit": (0, 1), "index": (-2, 1), "small": (0, 7), "neg": (-9, -1)}.get(
        spec.values, (-9, 9)
    )
    bounds = np.iinfo(dtype)
    low, high = max(low, bounds.min), max(high, bounds.min)
    return np.asarray(rng.integers(low, high, shape, endpoint=True)).astype(dtype)


def _floats(rng: np.random.Generator, spec: Operand, dtype: np.dtype[Any], shape: Sequence[int]) -> Array:
    low, high = {"pos": (0.1, 9.0), "unit": (-1.0, 1.0), "neg": (-9.0, -0.1)}.get(spec.values, (-4.0, 4.0))
    return np.asarray(rng.uniform(low, high, shape)).astype(dtype)


def _all_floats(dtype: np.dtype[Any]) -> Array:
    info = np.finfo(dtype)
    edge = [info.max, -info.max, info.tiny, -info.tiny, info.smallest_subnormal, info.eps]
    return np.array([*edge, *_MILD, 1e-9, 1e9, 88.0, -88.0, 700.0, 2.5, -2.5, 0.49999997], dtype)


def _all_integers(dtype: np.dtype[Any]) -> Array:
    info = np.iinfo(dtype)
    found = [info.min, info.max, 0, 1, 2, 7, info.max - 1, info.max // 2]
    return np.array(found if info.min == 0 else [*found, -1, -2, info.min + 1], dtype)


_MILD = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, np.nan, np.inf, -np.inf)
SPECIAL = {
    ("all", "f"): _all_floats,
    ("mild", "f"): lambda dtype: np.array(_MILD, dtype),
    ("all", "i"): _all_integers,
    ("all", "u"): _all_integers,
    ("mild", "i"): _all_integers,
    ("mild", "u"): _all_integers,
}
