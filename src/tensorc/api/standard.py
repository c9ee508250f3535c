"""Functions and constants of the Array API standard that are written with others of `tc`."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from tensorc.api import convert, elementwise, functions, shapes
from tensorc.api.expr import TensorLike
from tensorc.ir.errors import TensorcValueError

__all__ = [
    "astype",
    "count_nonzero",
    "e",
    "flip",
    "inf",
    "nan",
    "newaxis",
    "pi",
    "positive",
    "reciprocal",
    "tril",
    "triu",
    "unstack",
    "vecdot",
]

e: Final = math.e
inf: Final = math.inf
nan: Final = math.nan
newaxis: Final = None
pi: Final = math.pi


def astype(x: TensorLike, dtype: object) -> Any:
    """The elements converted to `dtype`, as `x.astype(dtype)`."""
    return convert.asarray(x).astype(dtype)


def positive(x: TensorLike) -> Any:
    """x itself, a number. Raises TensorcTypeError for booleans, as numpy.positive."""
    expr = convert.asarray(x)
    convert.resolve(np.positive, [expr])
    return expr


def reciprocal(x: TensorLike) -> Any:
    """1 / x in the dtype of x; of integers rounded towards zero, and 0 for 0 (NumPy's value there varies)."""
    expr = convert.asarray(x)
    dtype = convert.resolve(np.reciprocal, [expr])[0]
    expr = convert.cast(expr, dtype)
    if dtype.kind == "f":
        return elementwise.call("divide", functions.ones_like(expr), expr)
    return functions.where(elementwise.call("absolute", expr) == 1, expr, functions.zeros_like(expr))


def count_nonzero(x: TensorLike, axis: object = None, keepdims: bool = False) -> Any:
    """How many elements along `axis` (None: all) are not 0, as int64; NaN counts."""
    return functions.sum(elementwise.call("not_equal", x, 0), axis, keepdims=keepdims)


def flip(x: TensorLike, axis: object = None) -> Any:
    """The elements in reverse order along `axis` (None: along all). numpy.flip."""
    expr = convert.asarray(x)
    axes = shapes.normalize_axes(axis, expr.ndim, "flip")
    backwards, as_it_is = slice(None, None, -1), slice(None)
    return expr[tuple(backwards if a in axes else as_it_is for a in range(expr.ndim))] if axes else expr


def unstack(x: TensorLike, axis: int = 0) -> tuple[Any, ...]:
    """The slices along `axis`, whose extent must be known. numpy.unstack.

    Raises TensorcValueError for an unknown extent, TensorcIndexError for an axis that is not there.
    """
    expr = convert.asarray(x)
    number = shapes.normalize_axis(axis, expr.ndim, "unstack")
    count = expr.extents[number]
    if not isinstance(count, int):
        raise shapes.fail(
            TensorcValueError,
            f"unstack: how many slices axis {number} of {expr.type} has is not known before the program runs",
            "TC0393",
            "state the extent: tc.tensor('x', shape=(3, None))",
        )
    before = (slice(None),) * number
    return tuple(expr[(*before, place)] for place in range(count))


def vecdot(a: TensorLike, b: TensorLike, axis: int = -1) -> Any:
    """Sums of products along `axis` of both; the other axes broadcast. numpy.vecdot of real numbers."""
    a, b = convert.asarray(a), convert.asarray(b)
    a, b = (shapes.moveaxis(v, shapes.normalize_axis(axis, v.ndim, "vecdot"), -1) for v in (a, b))
    product = functions.matmul(shapes.expand_dims(a, -2), shapes.expand_dims(b, -1))
    return shapes.squeeze(product, (-2, -1))


def tril(x: TensorLike, k: int = 0) -> Any:
    """The last two axes with zeros above diagonal `k`. numpy.tril of at least two axes."""
    return _triangle("tril", x, k)


def triu(x: TensorLike, k: int = 0) -> Any:
    """The last two axes with zeros below diagonal `k`. numpy.triu of at least two axes."""
    return _triangle("triu", x, k)


def _triangle(name: str, x: TensorLike, k: int) -> Any:
    expr = convert.asarray(x)
    if expr.ndim < 2:
        raise shapes.fail(
            TensorcValueError, f"{name}: needs at least two axes, got {expr.type}", "TC0394", "x[None, :]"
        )
    rows, columns = (functions.arange(extent) for extent in expr.shape[-2:])
    distance = shapes.expand_dims(columns, 0) - shapes.expand_dims(rows, 1)
    kept = distance <= k if name == "tril" else distance >= k
    return functions.where(kept, expr, functions.zeros_like(expr))
