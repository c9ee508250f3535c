"""What random tests draw from: element types, extents, values and memory layouts of arrays.

Arrays are drawn as a few small numbers (kind, seed, layout) and made from those, so that hypothesis draws
quickly and shrinks to plain values, small extents and C order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

EXTENTS: Final = (3, 1, 0, 2, 17, 5)
"""Extents of axes: the neutral ones, one that is no multiple of a vector, and small ones that meet often."""

VALUES: Final = ("plain", "special", "ordinary", "positive")
LAYOUTS: Final = (
    "C",
    "Fortran",
    "transposed",
    "reversed",
    "every other",
    "offset",
    "unaligned",
    "repeated",
    "read-only",
)


@dataclass(frozen=True)
class Content:
    """How to fill an array: `kind` is a row of `VALUES`, or `given` numbers, or indices below `limit`."""

    kind: str = "plain"
    seed: int = 0
    limit: int = 0
    given: tuple[int, ...] = ()


def make_array(dtype: np.dtype[Any], shape: Sequence[int], content: Content) -> Array:
    """A C-ordered array of these values; the same for the same arguments."""
    rng = np.random.default_rng(content.seed)
    if content.kind == "given":
        return np.array(content.given, np.int64).astype(dtype).reshape(shape)
    if content.kind == "index":
        low = -content.limit if dtype.kind == "i" else 0
        drawn = rng.integers(low, max(content.limit, low + 1), shape)
        return np.clip(drawn, *_range(dtype)).astype(dtype)
    ordinary = _ordinary(rng, dtype, tuple(shape), content.kind)
    if content.kind != "special":
        return ordinary
    chosen = rng.choice(special_values(dtype), shape)
    return np.where(rng.random(shape) < 0.5, chosen, ordinary).astype(dtype)


def _ordinary(rng: np.random.Generator, dtype: np.dtype[Any], shape: tuple[int, ...], kind: str) -> Array:
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind == "f":
        if kind == "plain":
            return (rng.integers(-8, 9, shape) / 4).astype(dtype)
        drawn = rng.normal(size=shape)
        return (np.abs(drawn) + 0.125 if kind == "positive" else drawn * 2).astype(dtype)
    least = 0 if dtype.kind == "u" or kind == "positive" else -9
    drawn = rng.integers(least, 10, shape)
    wide = rng.integers(*_range(dtype), shape, dtype=np.uint64 if dtype == np.uint64 else np.int64)
    found = np.where(rng.random(shape) < 0.3, wide, drawn) if kind == "ordinary" else drawn
    return found.astype(dtype)


def _range(dtype: np.dtype[Any]) -> tuple[int, int]:
    if dtype.kind == "b":
        return 0, 1
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


def special_values(dtype: np.dtype[Any]) -> Array:
    """Where arithmetic has edges: zeros, ones, extremes, widths, NaN, infinities, subnormals, thresholds."""
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind != "f":
        least, most = _range(dtype)
        bits = 8 * dtype.itemsize
        wanted = [0, 1, -1, 2, least, least + 1, most, most - 1, bits, bits - 1, bits + 1, -bits]
        return np.array([w for w in wanted if least <= w <= most], dtype)
    info = np.finfo(dtype)
    around_exp = [88.7, -87.4, -103.9] if dtype == np.float32 else [709.7, -708.5, -745.0]
    positive = [0.0, 1.0, 0.5, info.max, info.tiny, info.smallest_subnormal, info.eps, np.inf, 1e10, 1e-10]
    integers = [2.0, 3.0, 2.5, 127.5, 2.0**31, 2.0**63, 2.0**64]
    both = [*positive, *(-p for p in positive), *integers, *(-i for i in integers)]
    with np.errstate(all="ignore"):
        return np.array([*both, *around_exp, np.nan, np.nan], dtype)


def laid_out(base: Array, layout: str) -> Array:
    """The values of a C-ordered array under another memory layout; what a layout cannot do stays in C order.

    `repeated` makes the first axis one row seen again and again (stride 0), so it changes values.
    """
    rank = base.ndim
    if layout == "Fortran":
        return np.asfortranarray(base)
    if layout == "transposed" and rank > 1:
        return np.ascontiguousarray(np.moveaxis(base, 0, -1)).transpose(rank - 1, *range(rank - 1))
    if layout == "reversed" and rank:
        flip = (slice(None, None, -1),) * rank
        return np.ascontiguousarray(base[flip])[flip]
    if layout == "every other" and rank:
        room = np.full([2 * n + 1 for n in base.shape], 77, base.dtype)
        view = room[(slice(1, None, 2),) * rank]
        view[...] = base
        return view
    if layout in ("offset", "unaligned"):
        skip = base.itemsize if layout == "offset" else 1
        memory = np.zeros(base.nbytes + skip + base.itemsize, np.uint8)
        view = np.ndarray(base.shape, base.dtype, memory.data, offset=skip)
        view[...] = base
        return view
    if layout == "repeated" and rank and base.shape[0]:
        return np.broadcast_to(base[:1], base.shape)
    copy = base.copy()
    copy.setflags(write=layout != "read-only")
    return copy
