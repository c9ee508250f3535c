"""Lines of the table for functions that are neither elementwise nor reductions: shapes, joining, selection,
products, creation, special functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import scipy.special

import tensorc as tc
from tests.array_api.arrays import DTYPES, FLOATS, NUMBERS
from tests.array_api.entries import (
    CANCELLING,
    EXACT,
    ROUNDED,
    SUMMED,
    Entry,
    Form,
    Tolerance,
    form,
    reduction_forms,
    same,
    unary_forms,
)

F64 = ("float64",)
TWO = ("float32", "int64")
ANY = ("float64", "uint8", "bool")
Call = Callable[..., Any]


def entry(
    name: str,
    reference: Call,
    *forms: Form,
    tolerance: Tolerance = EXACT,
    ours: Call | None = None,
    **more: Any,
) -> Entry:
    found: Any = tc
    for part in name.split("."):
        found = getattr(found, part)
    return Entry(name, ours or found, reference, forms, tolerance, **more)


# -- shapes


def dimshuffle(x: Any, pattern: Sequence[int | str]) -> Any:
    """Theano's, in NumPy's words."""
    kept = [int(p) for p in pattern if p != "x"]
    dropped = tuple(a for a in range(x.ndim) if a not in kept)
    order = [sorted(kept).index(a) for a in kept]
    moved = np.transpose(np.squeeze(x, dropped), order)
    return np.expand_dims(moved, tuple(i for i, p in enumerate(pattern) if p == "x"))


def joined(x: Any, ndim: int = 1) -> Any:
    """Theano's flatten: the trailing axes joined."""
    if ndim < 1 or ndim > max(x.ndim, 1):
        raise ValueError(ndim)
    if x.ndim == 0:
        return x.reshape(1)
    return x.reshape(*x.shape[: ndim - 1], int(np.prod(x.shape[ndim - 1 :])))


SHAPES = [
    entry(
        "reshape",
        np.reshape,
        form("4 by 3", lambda f, x: f(x, (4, 3)), "nm", dtypes=ANY),
        form("list", lambda f, x: f(x, [2, 6]), "nm", dtypes=F64),
        form("one axis", lambda f, x: f(x, 12), "nm", dtypes=F64),
        form("-1", lambda f, x: f(x, -1), "nmk", dtypes=TWO),
        form("-1 first", lambda f, x: f(x, (-1, 2)), "nmk", dtypes=F64),
        form("-1 with 0", lambda f, x: f(x, (0, -1)), "nm", dtypes=F64),
        form("0-d to 1 by 1", lambda f, x: f(x, (1, 1)), "", dtypes=TWO),
        form("0-d with -1", lambda f, x: f(x, -1), "", dtypes=F64),
        form("to 0-d", lambda f, x: f(x, ()), "11", dtypes=F64),
        form("its own shape", lambda f, x: f(x, (x.shape[1], x.shape[0])), "nm", dtypes=F64),
        form("does not fit", lambda f, x: f(x, (5, 5)), "34!", dtypes=F64),
        form("two -1", lambda f, x: f(x, (-1, -1)), "nm", dtypes=F64),
        form("negative", lambda f, x: f(x, (-2, 3)), "nm", dtypes=F64),
        form("a float", lambda f, x: f(x, (2.0, 6)), "nm", dtypes=F64),
        refused={"negative": "NumPy takes any negative extent for -1"},
    ),
    entry(
        "transpose",
        np.transpose,
        form("reversed", same, "nmk", dtypes=ANY),
        form("vector", same, "n", dtypes=F64),
        form("0-d", same, "", dtypes=F64),
        form("order", lambda f, x: f(x, (1, 2, 0)), "nmk", dtypes=TWO),
        form("negative axes", lambda f, x: f(x, (-1, 0, -2)), "nmk", dtypes=F64),
        form("too few", lambda f, x: f(x, (0, 1)), "nmk", dtypes=F64),
        form("twice", lambda f, x: f(x, (0, 0, 1)), "nmk", dtypes=F64),
        form("outside", lambda f, x: f(x, (0, 1, 3)), "nmk", dtypes=F64),
    ),
    entry(
        "matrix_transpose",
        np.matrix_transpose,
        form("matrix", same, "nm", dtypes=ANY),
        form("cube", same, "nmk", dtypes=F64),
        form("vector", same, "n", dtypes=F64),
    ),
    entry(
        "swapaxes",
        np.swapaxes,
        form("first and last", lambda f, x: f(x, 0, -1), "nmk", dtypes=ANY),
        form("the same", lambda f, x: f(x, 1, 1), "nm", dtypes=F64),
        form("outside", lambda f, x: f(x, 0, 2), "nm", dtypes=F64),
    ),
    entry(
        "moveaxis",
        np.moveaxis,
        form("one", lambda f, x: f(x, 0, -1), "nmk", dtypes=ANY),
        form("two", lambda f, x: f(x, (0, 1), (-1, 0)), "nmk", dtypes=F64),
        form("list", lambda f, x: f(x, [2], [0]), "nmk", dtypes=F64),
        form("uneven", lambda f, x: f(x, (0, 1), (0,)), "nmk", dtypes=F64),
        form("twice", lambda f, x: f(x, (0, 0), (0, 1)), "nmk", dtypes=F64),
        form("outside", lambda f, x: f(x, 3, 0), "nmk", dtypes=F64),
    ),
    entry(
        "ravel",
        np.ravel,
        form("cube", same, "nmk", dtypes=ANY),
        form("vector", same, "n", dtypes=F64),
        form("0-d", same, "", dtypes=F64),
    ),
    entry(
        "flatten",
        joined,
        form("all", same, "nmk", dtypes=ANY),
        form("two left", lambda f, x: f(x, 2), "nmk", dtypes=F64),
        form("as many", lambda f, x: f(x, 2), "nm", dtypes=F64),
        form("0-d", same, "", dtypes=F64),
        form("too many", lambda f, x: f(x, 3), "nm", dtypes=F64),
        form("none", lambda f, x: f(x, 0), "nm", dtypes=F64),
    ),
    entry(
        "expand_dims",
        np.expand_dims,
        form("first", lambda f, x: f(x, 0), "nm", dtypes=ANY),
        form("last", lambda f, x: f(x, -1), "nm", dtypes=F64),
        form("two", lambda f, x: f(x, (0, -1)), "nm", dtypes=F64),
        form("0-d", lambda f, x: f(x, 0), "", dtypes=F64),
        form("outside", lambda f, x: f(x, 3), "nm", dtypes=F64),
        form("twice", lambda f, x: f(x, (1, 1)), "nm", dtypes=F64),
    ),
    entry(
        "squeeze",
        np.squeeze,
        form("axis", lambda f, x: f(x, 0), "1m", dtypes=ANY),
        form("negative", lambda f, x: f(x, -1), "nm1", dtypes=F64),
        form("tuple", lambda f, x: f(x, (0, 2)), "1m1", dtypes=F64),
        form("known", same, "1n1!", dtypes=F64, skip=("one",)),
        form("0-d", same, "", dtypes=F64),
        form("not 1", lambda f, x: f(x, 1), "n2!", dtypes=F64),
        form("not 1 when called", lambda f, x: f(x, 0), "nm", dtypes=F64),
        form("outside", lambda f, x: f(x, 2), "1m", dtypes=F64),
    ),
    entry(
        "dimshuffle",
        dimshuffle,
        form("column", lambda f, x: f(x, (0, "x")), "n", dtypes=ANY),
        form("order", lambda f, x: f(x, (2, "x", 0, 1)), "nmk", dtypes=F64),
        form("dropped", lambda f, x: f(x, (1,)), "1m", dtypes=F64),
        form("0-d", lambda f, x: f(x, ("x", "x")), "", dtypes=F64),
    ),
    entry(
        "broadcast_to",
        np.broadcast_to,
        form("rows", lambda f, x: f(x, (5, 4)), "14", dtypes=ANY),
        form("0-d", lambda f, x: f(x, (2, 3)), "", dtypes=F64),
        form("an extent", lambda f, x: f(x, 4), "1", dtypes=F64),
        form("to none", lambda f, x: f(x, (0, 4)), "14", dtypes=F64),
        form("fewer axes", lambda f, x: f(x, (4,)), "n4", dtypes=F64),
        form("does not", lambda f, x: f(x, (3, 5)), "34!", dtypes=F64),
        form("does not when called", lambda f, x: f(x, (3, 4)), "nm", dtypes=F64),
        form("negative", lambda f, x: f(x, (-1, 4)), "14", dtypes=F64),
    ),
    entry(
        "broadcast_arrays",
        np.broadcast_arrays,
        form("two", same, "n1", "1m", dtypes=ANY),
        form("three", same, "nm", "m", "", dtypes=F64),
        form("does not", same, "nm", "mm", dtypes=F64, skip=("one", "no columns")),
    ),
]

JOINING = [
    entry(
        "concatenate",
        np.concatenate,
        form("rows", lambda f, x, y: f([x, y]), "nm", "km", dtypes=ANY),
        form("columns", lambda f, x, y: f([x, y], axis=-1), "nm", "nk", dtypes=F64),
        form("tuple of one", lambda f, x: f((x,)), "nm", dtypes=F64),
        form("flattened", lambda f, x, y: f([x, y], axis=None), "nm", "k", dtypes=F64),
        form("mixed dtypes", lambda f, x, y: f([x, y]), "n", "m:int8", dtypes=DTYPES),
        form("with a list", lambda f, x: f([x, [1, 2]]), "n", dtypes=TWO),
        form("three", lambda f, x, y, z: f([x, y, z]), "n", "m", "k", dtypes=F64),
        form("other rank", lambda f, x, y: f([x, y]), "nm", "m", dtypes=F64),
        form("0-d", lambda f, x: f([x, x]), "", dtypes=F64),
        form("none", lambda f, x: f([]), "", dtypes=F64),
        form("extents differ", lambda f, x, y: f([x, y]), "nm", "nn", dtypes=F64, skip=("one",)),
        form("outside", lambda f, x: f([x, x], axis=2), "nm", dtypes=F64),
    ),
    entry(
        "stack",
        np.stack,
        form("first", lambda f, x, y: f([x, y]), "nm", "nm", dtypes=ANY),
        form("last", lambda f, x, y: f([x, y], axis=-1), "nm", "nm", dtypes=F64),
        form("0-d", lambda f, x, y: f([x, y]), "", "", dtypes=F64),
        form("mixed dtypes", lambda f, x, y: f([x, y], 1), "n", "n:int16", dtypes=DTYPES),
        form("shapes differ", lambda f, x, y: f([x, y]), "nm", "mn", dtypes=F64, skip=("one",)),
        form("ranks differ", lambda f, x, y: f([x, y]), "nm", "m", dtypes=F64),
        form("none", lambda f, x: f([]), "", dtypes=F64),
        form("outside", lambda f, x: f([x, x], axis=2), "n", dtypes=F64),
    ),
    entry(
        "split",
        np.split,
        form("equal parts", lambda f, x: f(x, 2), "4m!", dtypes=ANY),
        form("positions", lambda f, x: f(x, [1, 3], axis=1), "nm", dtypes=F64),
        form("past the end", lambda f, x: f(x, [1, 99]), "n", dtypes=F64),
        form("negative", lambda f, x: f(x, [-1]), "n", dtypes=F64),
        form("uneven", lambda f, x: f(x, 3), "4m!", dtypes=F64),
        form("none", lambda f, x: f(x, 0), "4m!", dtypes=F64),
        form("outside", lambda f, x: f(x, 2, axis=2), "4m!", dtypes=F64),
    ),
]


# -- selection


SELECTION = [
    entry(
        "where",
        np.where,
        form("matrices", same, "nm:bool", "nm", "nm"),
        form("broadcast", same, "m:bool", "n1", "", dtypes=TWO),
        form("numbers as condition", same, "nm:int8", "nm", "nm", dtypes=F64),
        form("floats as condition", same, "nm:float64", "nm", "nm", dtypes=F64),
        form(
            "Python numbers", lambda f, c, x: f(c, x, 0), "nm:bool", "nm", dtypes=("float32", "uint8", "bool")
        ),
        form("Python float", lambda f, c, x: f(c, 0.5, x), "nm:bool", "nm", dtypes=("float32", "int32")),
        form("two Python numbers", lambda f, c: f(c, 1, 2.5), "nm:bool", dtypes=F64),
        form("mixed dtypes", same, "n:bool", "n", "n:uint32", dtypes=DTYPES),
        form("does not broadcast", same, "nm:bool", "mm", "nm", dtypes=F64, skip=("one", "no columns")),
    ),
    entry(
        "clip",
        np.clip,
        form("Python bounds", lambda f, x: f(x, 1, 5), "nm"),
        form("lower alone", lambda f, x: f(x, 2, None), "nm", dtypes=TWO),
        form("upper alone", lambda f, x: f(x, max=2), "nm", dtypes=TWO),
        form("float bounds", lambda f, x: f(x, -0.5, 0.5), "nm", dtypes=("float32", "int32")),
        form("array bounds", same, "nm", "m", "n1", dtypes=("float64", "int64")),
        form("bounds the wrong way", lambda f, x: f(x, 3, 1), "nm", dtypes=("float64", "int8")),
        form("no bounds", lambda f, x: f(x), "nm", dtypes=F64),
        form("too large a bound", lambda f, x: f(x, 0, 300), "n", dtypes=("int8", "uint8")),
    ),
    entry(
        "take",
        np.take,
        form("rows", lambda f, x, i: f(x, i, axis=0), "nm", "k:int64/index", dtypes=ANY),
        form("columns", lambda f, x, i: f(x, i, axis=-1), "nm", "k:int8/index", dtypes=F64),
        form("flat", lambda f, x, i: f(x, i), "nm", "nk:int32/index", dtypes=F64),
        form("one", lambda f, x, i: f(x, i, axis=1), "nm", ":int64/index", dtypes=F64),
        form("a Python int", lambda f, x: f(x, 1, axis=0), "nm", dtypes=F64),
        form("a list", lambda f, x: f(x, [0, -1], axis=1), "nm", dtypes=F64),
        form("unsigned", lambda f, x, i: f(x, i, axis=0), "n", "k:uint8/unit", dtypes=F64),
        form("floats", lambda f, x, i: f(x, i, axis=0), "nm", "k:float64", dtypes=F64),
        form("bools", lambda f, x, i: f(x, i, axis=0), "nm", "k:bool", dtypes=F64),
        form("out of range", lambda f, x: f(x, [0, 99], axis=0), "nm", dtypes=F64),
        form("axis outside", lambda f, x: f(x, [0], axis=2), "nm", dtypes=F64),
        refused={"bools": "NumPy takes bools as 0 and 1; a mask is more likely meant"},
    ),
]


def replaced(x: Any, key: Any, value: Any, add: bool) -> Any:
    found = np.array(x)
    if add:
        np.add.at(found, key, np.asarray(value).astype(found.dtype))
    else:
        found[key] = value
    return found


KEYS: dict[str, Any] = {
    "row": 1,
    "negative": -1,
    "slice": slice(1, None),
    "stepped": (slice(None), slice(None, None, 2)),
    "backwards": slice(None, None, -1),
    "list": [0, 1],
    "element": (0, -1),
    "column": (Ellipsis, 0),
}


def update_forms(name: str) -> tuple[Form, ...]:
    found = [
        form(label, lambda f, x, key=key: f(x, key, 7), "nm", dtypes=TWO if label == "row" else F64)
        for label, key in KEYS.items()
    ]
    found.append(form("an array", lambda f, x, v: f(x, slice(0, 2), v), "nm", "m", dtypes=TWO))
    found.append(form("repeated", lambda f, x: f(x, [0, 0, 1], 2), "nm", dtypes=F64))
    return tuple(found)


UPDATES = [
    Entry(
        "set_subtensor",
        lambda x, key, v: tc.set_subtensor(x[key], v),
        lambda x, key, v: replaced(x, key, v, False),
        update_forms("set"),
    ),
    Entry(
        "inc_subtensor",
        lambda x, key, v: tc.inc_subtensor(x[key], v),
        lambda x, key, v: replaced(x, key, v, True),
        update_forms("add"),
    ),
]


# -- products

PRODUCTS = [
    entry(
        "matmul",
        np.matmul,
        form("matrices", same, "nm/mild", "mk/mild"),
        form("vector on the right", same, "nm/mild", "m/mild", dtypes=TWO),
        form("vector on the left", same, "n/mild", "nm/mild", dtypes=TWO),
        form("vectors", same, "n/mild", "n/mild", dtypes=TWO),
        form("batches", same, "knm/mild", "kmn/mild", dtypes=TWO),
        form("batches broadcast", same, "knm/mild", "mn/mild", dtypes=F64),
        form("mixed dtypes", same, "nm/mild", "mk:int32/mild", dtypes=DTYPES),
        form("0-d", same, "", "nm", dtypes=F64),
        form("do not meet", same, "nm", "nm", dtypes=F64, skip=("one",)),
        form("do not meet, known", same, "23!", "24!", dtypes=F64),
        form("a list", lambda f, x: f(x, [[1.0], [2.0], [3.0], [4.0]]), "n4/mild", dtypes=F64),
        tolerance=SUMMED,
    ),
    entry(
        "dot",
        np.dot,
        form("matrices", same, "nm/mild", "mk/mild", dtypes=TWO),
        form("vectors", same, "n/mild", "n/mild", dtypes=TWO),
        form("0-d", same, "", "nm", dtypes=F64),
        form("cube by vector", same, "nmk/mild", "k/mild", dtypes=F64),
        form("cube by cube", same, "nmk/mild", "mkn/mild", dtypes=F64),
        form("Python number", lambda f, x: f(x, 2), "nm/mild", dtypes=F64),
        form("do not meet", same, "nm", "nm", dtypes=F64, skip=("one",)),
        tolerance=SUMMED,
    ),
    entry(
        "outer",
        np.outer,
        form("vectors", same, "n", "m"),
        form("flattened", same, "nm", "k", dtypes=F64),
        form("0-d", same, "", "k", dtypes=F64),
    ),
    entry(
        "tensordot",
        np.tensordot,
        form("two axes", same, "nmk/mild", "mkn/mild", dtypes=TWO),
        form("one axis", lambda f, x, y: f(x, y, 1), "nm/mild", "mk/mild", dtypes=F64),
        form("none", lambda f, x, y: f(x, y, 0), "n/mild", "m/mild", dtypes=F64),
        form("lists", lambda f, x, y: f(x, y, ([0, 2], [1, 0])), "nmk/mild", "kn/mild", dtypes=F64),
        form("negative", lambda f, x, y: f(x, y, (-1, -2)), "nm/mild", "mk/mild", dtypes=F64),
        form("uneven", lambda f, x, y: f(x, y, ([0], [0, 1])), "nm", "nm", dtypes=F64),
        form("outside", lambda f, x, y: f(x, y, ([5], [0])), "nm", "nm", dtypes=F64),
        form("do not meet", lambda f, x, y: f(x, y, ([0], [0])), "nm", "mn", dtypes=F64, skip=("one",)),
        tolerance=SUMMED,
    ),
]


# -- creation: the operand only carries extents and dtypes


CREATION = [
    entry(
        "zeros_like",
        np.zeros_like,
        form("matrix", same, "nm"),
        form("dtype", lambda f, x: f(x, dtype="int16"), "nm", dtypes=F64),
        form("0-d", same, "", dtypes=TWO),
    ),
    entry("ones_like", np.ones_like, form("matrix", same, "nm"), form("0-d", same, "", dtypes=TWO)),
    entry(
        "full_like",
        np.full_like,
        form("number", lambda f, x: f(x, 3), "nm"),
        form("dtype", lambda f, x: f(x, 2.5, dtype="float32"), "nm", dtypes=TWO),
        form("float into ints", lambda f, x: f(x, 2.5), "nm", dtypes=("int32",)),
        form("an array", same, "nm", "m", dtypes=F64),
    ),
    entry(
        "full",
        np.full,
        form("number", lambda f, x: f((2, 3), 7), "", dtypes=F64),
        form("float", lambda f, x: f(3, 0.5), "", dtypes=F64),
        form("bool", lambda f, x: f((2,), True), "", dtypes=F64),
        form("dtype", lambda f, x: f((2, 0), 7, dtype="uint8"), "", dtypes=F64),
        form("value", lambda f, x: f((2, 3), x), "", dtypes=DTYPES),
        form("row", lambda f, x: f((2, 4), x), "4", dtypes=F64),
        form("0-d", lambda f, x: f((), 3), "", dtypes=F64),
        form("extents", lambda f, x: f((x.shape[1], 2), 1.5), "nm", dtypes=F64),
        form("negative", lambda f, x: f((2, -1), 0), "", dtypes=F64),
        form("a float extent", lambda f, x: f((2.0,), 0), "", dtypes=F64),
    ),
    entry(
        "zeros",
        np.zeros,
        form("shape", lambda f, x: f((2, 3)), "", dtypes=F64),
        form("extents", lambda f, x: f(x.shape), "nm", dtypes=F64),
        form("dtype", lambda f, x: f(3, dtype="bool"), "", dtypes=F64),
        form("dtype by place", lambda f, x: f((), np.int8), "", dtypes=F64),
    ),
    entry(
        "ones",
        np.ones,
        form("shape", lambda f, x: f((2, 3)), "", dtypes=F64),
        form("extents", lambda f, x: f((x.shape[0],), "float32"), "nm", dtypes=F64),
    ),
    entry(
        "eye",
        np.eye,
        form("square", lambda f, x: f(3), "", dtypes=F64),
        form("wide", lambda f, x: f(2, 4), "", dtypes=F64),
        form("above", lambda f, x: f(3, 4, 1), "", dtypes=F64),
        form("below", lambda f, x: f(4, k=-2, dtype="int32"), "", dtypes=F64),
        form("extents", lambda f, x: f(x.shape[0], x.shape[1]), "nm", dtypes=F64),
        form("none", lambda f, x: f(0), "", dtypes=F64),
    ),
    entry(
        "arange",
        np.arange,
        form("stop", lambda f, x: f(5), "", dtypes=F64),
        form("start and stop", lambda f, x: f(2, 7), "", dtypes=F64),
        form("step", lambda f, x: f(1, 10, 3), "", dtypes=F64),
        form("backwards", lambda f, x: f(5, -4, -2), "", dtypes=F64),
        form("none", lambda f, x: f(5, 2), "", dtypes=F64),
        form("floats", lambda f, x: f(0.0, 1.0, 0.25), "", dtypes=F64),
        form("dtype", lambda f, x: f(4, dtype="float32"), "", dtypes=F64),
        form("extent", lambda f, x: f(x.shape[0]), "nm", dtypes=F64),
        form("from an extent", lambda f, x: f(1, x.shape[1] + 1, 2), "nm", dtypes=F64),
        form("down from an extent", lambda f, x: f(x.shape[1], 0, -1), "nm", dtypes=F64),
        form("step 0", lambda f, x: f(0, 3, 0), "", dtypes=F64),
    ),
    entry(
        "asarray",
        np.asarray,
        form("itself", same, "nm"),
        form("list", lambda f, x: f([[1, 2]]), "", dtypes=F64),
    ),
    entry(
        "constant",
        np.asarray,
        form("list", lambda f, x: f([[1, 2]]), "", dtypes=F64),
        form("number", lambda f, x: f(2.5), "", dtypes=F64),
        form("bool", lambda f, x: f(True), "", dtypes=F64),
        form("array", lambda f, x: f(np.arange(6, dtype=np.uint16).reshape(2, 3)), "", dtypes=F64),
        form("objects", lambda f, x: f(np.array([None])), "", dtypes=F64),
        refused={"objects": "no code computes with Python objects"},
    ),
]


# -- special functions


def log1mexp(x: Any) -> Any:
    x = np.asarray(x, np.result_type(x, np.float16))
    return np.where(x > -0.6931472, np.log(-np.expm1(x)), np.log1p(-np.exp(x))).astype(x.dtype)


def softplus(x: Any) -> Any:
    x = np.asarray(x)
    return np.logaddexp(np.zeros((), x.dtype), x)


def by_ufunc(f: Any) -> Call:
    """A SciPy ufunc in the dtype NumPy's exp would compute in, but not in float16."""

    def call(x: Any) -> Any:
        dtype = np.exp(np.zeros(1, x.dtype)).dtype
        return f(np.asarray(x, np.float32 if dtype == np.float16 else dtype))

    return call


_OVER_AXES = (
    form("last axis", same, "nm/unit"),
    form("infinities", same, "nm/mild", dtypes=FLOATS),
    form("first axis", lambda f, x: f(x, axis=0), "nm/mild", dtypes=FLOATS),
    form("two axes", lambda f, x: f(x, axis=(0, 2)), "nmk/unit", dtypes=F64),
    form("vector", lambda f, x: f(x, axis=-1), "m/unit", dtypes=F64),
    form("outside", lambda f, x: f(x, axis=2), "nm", dtypes=F64),
)


_OVER_ALL = (
    form("all", same, "nm/unit", dtypes=TWO),
    form("last axis", lambda f, x: f(x, axis=-1), "nm/mild", dtypes=F64),
)


# As written, because that is what we promise for infinities; SciPy gives NaN for a row that has one.


def quotient(x: Any, axis: Any = -1) -> Any:
    powers = np.exp(x)
    return powers / np.sum(powers, axis=axis, keepdims=True)


def log_quotient(x: Any, axis: Any = -1) -> Any:
    return x - np.log(np.sum(np.exp(x), axis=axis, keepdims=True))


def log_of_sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


SPECIAL = [
    entry("erf", by_ufunc(scipy.special.erf), *unary_forms(), tolerance=ROUNDED),
    entry("erfc", by_ufunc(scipy.special.erfc), *unary_forms(), tolerance=Tolerance(8)),  # SciPy's: 5 ulp
    entry("sigmoid", by_ufunc(scipy.special.expit), *unary_forms(), tolerance=ROUNDED),
    entry("softplus", by_ufunc(softplus), *unary_forms(), tolerance=ROUNDED),
    entry("log1mexp", by_ufunc(log1mexp), *unary_forms("neg"), tolerance=ROUNDED),
    entry("nn.relu", lambda x: np.maximum(x, 0), *unary_forms()),
    entry("stop_gradient", np.array, *unary_forms()),
    entry("zero_grad", np.array, *unary_forms()),
    entry(
        "round",
        np.round,
        *unary_forms(),
        form(
            "decimals", lambda f, x: f(x, 2), "nm", dtypes=("float32", "float64", "int8"), skip=("special",)
        ),
        form("tens", lambda f, x: f(x, -1), "nm", dtypes=("float64", "int32"), skip=("special",)),
        tolerance=ROUNDED,
    ),
    entry("nn.softmax", quotient, *_OVER_AXES, tolerance=SUMMED),
    entry("nn.log_softmax", log_quotient, *_OVER_AXES, tolerance=CANCELLING),
    entry("special.softmax", partial(quotient, axis=None), *_OVER_ALL, tolerance=SUMMED),
    entry("special.log_softmax", partial(log_quotient, axis=None), *_OVER_ALL, tolerance=CANCELLING),
    entry("logsumexp", log_of_sum, *reduction_forms("unit"), tolerance=CANCELLING),
]


def vecdot(a: Any, b: Any, axis: int = -1) -> Any:
    return np.vecdot(a, b, axis=axis)


STANDARD = [
    entry(
        "astype",
        np.astype,
        form("ints", lambda f, x: f(x, "int16"), "nm"),
        form("no dtype", lambda f, x: f(x, "rows"), "nm", dtypes=F64),
    ),
    entry("positive", np.positive, *unary_forms()),
    entry(
        "reciprocal",
        np.reciprocal,
        form("floats", same, "nm", dtypes=FLOATS),
        form("integers", same, "nm/pos", dtypes=NUMBERS[:8]),
        form("bools", same, "nm", dtypes=("bool",)),
        form("0-d", same, "/pos", dtypes=TWO),
        refused={"bools": "NumPy's answer is int8; a number is wanted"},
    ),
    entry("count_nonzero", np.count_nonzero, *reduction_forms()),
    entry(
        "flip",
        np.flip,
        form("all", same, "nm", dtypes=ANY),
        form("one", lambda f, x: f(x, 1), "nmk", dtypes=F64),
        form("two", lambda f, x: f(x, axis=(0, -1)), "nmk", dtypes=F64),
        form("0-d", same, "", dtypes=F64),
        form("outside", lambda f, x: f(x, 2), "nm", dtypes=F64),
    ),
    entry(
        "unstack",
        lambda x, axis=0: list(np.unstack(x, axis=axis)),
        form("rows", same, "3m!", dtypes=ANY),
        form("columns", lambda f, x: f(x, axis=-1), "n2!", dtypes=F64),
        form("outside", lambda f, x: f(x, axis=2), "n2!", dtypes=F64),
        form("0-d", same, "", dtypes=F64),
    ),
    entry(
        "vecdot",
        vecdot,
        form("last axis", same, "nm/mild", "nm/mild"),
        form("first axis", lambda f, x, y: f(x, y, 0), "nm/mild", "nm/mild", dtypes=TWO),
        form("broadcast", same, "knm/mild", "m/mild", dtypes=F64),
        form("vectors", same, "n/mild", "n/mild", dtypes=F64),
        form("do not meet", same, "nm", "nk", dtypes=F64, skip=("one",)),
        form("0-d", same, "", "m", dtypes=F64),
        tolerance=SUMMED,
    ),
    *(
        entry(
            name,
            getattr(np, name),
            form("matrix", same, "nm", dtypes=ANY),
            form("above", lambda f, x: f(x, 1), "nm", dtypes=F64),
            form("below", lambda f, x: f(x, k=-1), "knm", dtypes=F64),
            form("far", lambda f, x: f(x, 99), "nm", dtypes=F64),
            form("vector", same, "n", dtypes=F64),
            refused={"vector": "the standard wants a matrix; NumPy repeats the vector as rows"},
        )
        for name in ("tril", "triu")
    ),
]

FUNCTIONS = [*STANDARD, *SHAPES, *JOINING, *SELECTION, *UPDATES, *PRODUCTS, *CREATION, *SPECIAL]
