"""Lines of the table for methods, attributes and operators of expressions: the same expression on arrays is
the reference.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.array_api.entries import EXACT, ROUNDED, SUMMED, Entry, Form, Tolerance, form, same
from tests.array_api.table_functions import F64, KEYS, TWO, dimshuffle, joined, replaced

Call = Callable[..., Any]


def method(name: str, *forms: Form, tolerance: Tolerance = EXACT, reference: Call | None = None) -> Entry:
    """`x.name(...)` on both sides, unless the reference is another."""

    def call(x: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(x, name)(*args, **kwargs)

    return Entry(f"Tensor.{name}", call, reference or call, forms, tolerance)


def attribute(name: str, *forms: Form, reference: Call | None = None) -> Entry:
    def call(x: Any) -> Any:
        return getattr(x, name)

    return Entry(
        f"Tensor.{name}", call, reference or call, forms or (form("matrix", same, "nm", dtypes=TWO),)
    )


_SOME_AXES = (
    form("all", same, "nm/mild", dtypes=TWO),
    form("by place", lambda f, x: f(x, 0), "nm/mild", dtypes=F64),
    form("kept", lambda f, x: f(x, axis=(0, 1), keepdims=True), "nmk/mild", dtypes=F64),
)
_ONE_AXIS = (
    form("all", same, "nm", dtypes=TWO),
    form("by place", lambda f, x: f(x, -1), "nm", dtypes=F64),
    form("kept", lambda f, x: f(x, axis=1, keepdims=True), "nm", dtypes=F64),
)

METHODS = [
    method("sum", *_SOME_AXES, tolerance=SUMMED),
    method("prod", *_SOME_AXES, tolerance=SUMMED),
    method("mean", *_SOME_AXES, tolerance=SUMMED),
    method("var", *_SOME_AXES, tolerance=SUMMED),
    method("std", *_SOME_AXES, tolerance=SUMMED),
    method("max", *_SOME_AXES),
    method("min", *_SOME_AXES),
    method("any", *_SOME_AXES),
    method("all", *_SOME_AXES),
    method("argmax", *_ONE_AXIS),
    method("argmin", *_ONE_AXIS),
    method("dot", form("matrices", same, "nm/mild", "mk/mild", dtypes=TWO), tolerance=SUMMED),
    method("take", form("rows", lambda f, x: f(x, [0, -1], axis=0), "nm", dtypes=TWO)),
    method("clip", form("bounds", lambda f, x: f(x, 1, 2), "nm", dtypes=TWO)),
    method("round", form("none", same, "nm", dtypes=TWO)),
    method(
        "transpose",
        form("none", same, "nmk", dtypes=F64),
        form("axes", lambda f, x: f(x, 1, 0, 2), "nmk", dtypes=F64),
        form("tuple", lambda f, x: f(x, (1, 0, 2)), "nmk", dtypes=F64),
    ),
    method("swapaxes", form("two", lambda f, x: f(x, 0, 1), "nm", dtypes=F64)),
    method(
        "reshape",
        form("extents", lambda f, x: f(x, 4, 3), "nm", dtypes=F64),
        form("tuple", lambda f, x: f(x, (2, -1)), "nm", dtypes=F64),
    ),
    method("ravel", form("matrix", same, "nm", dtypes=F64)),
    method("flatten", form("matrix", same, "nm", dtypes=F64), reference=joined),
    method("squeeze", form("axis", lambda f, x: f(x, 0), "1m", dtypes=F64)),
    method(
        "dimshuffle",
        form("axes", lambda f, x: f(x, "x", 1, 0), "nm", dtypes=F64),
        reference=lambda x, *pattern: dimshuffle(x, pattern),
    ),
    method("copy", form("matrix", same, "nm", dtypes=F64)),
    method(
        "astype",
        *(
            form(f"to {to}", lambda f, x, to=to: f(x, to), "nm", skip=("special",))
            for to in ("bool", "int8", "int32", "int64", "uint8", "uint64", "float32", "float64")
        ),
    ),
    attribute("T", form("cube", same, "nmk", dtypes=F64)),
    attribute("mT", form("cube", same, "nmk", dtypes=F64), form("vector", same, "n", dtypes=F64)),
    attribute("shape"),
    attribute("size"),
    attribute("ndim"),
]


def two(*dtypes: str, right: str = "") -> tuple[Form, ...]:
    v = f"/{right}" if right else ""
    return (
        form("both", same, "nm", f"m{v}", dtypes=dtypes or TWO),
        form("number", lambda f, x: f(x, 3), "nm", dtypes=dtypes or TWO),
        form("number on the left", lambda f, x: f(3, x), f"nm{v}", dtypes=dtypes or TWO),
        form(
            "array on the left",
            lambda f, x: f(np.arange(1, 5, dtype="int16"), x),
            f"n4{v}",
            dtypes=dtypes or TWO,
        ),
    )


def infix(name: str, forms: tuple[Form, ...] = (), tolerance: Tolerance = EXACT) -> Entry:
    function = getattr(operator, name)
    return Entry(f"operator.{name}", function, function, forms or two(), tolerance)


BITS = ("int64", "uint8", "bool")
INDEXED = tuple(
    form(label, lambda f, x, key=key: f(x, key), "nm", dtypes=TWO if label == "row" else F64)
    for label, key in {
        **KEYS,
        "new axis": (None, slice(None), None),
        "past the end": slice(1, 99),
        "empty": slice(2, 1),
        "far negative": slice(-99, 2),
        "from behind": slice(-1, None, -2),
        "grid": ([[0], [1]], [1, 0]),
        "array and slice": (slice(1, None), [0, 1]),
        "mask": (slice(None), np.array([True, False, True])),
        "too many": (0, 0, 0),
        "a float": 1.5,
        "a text": "x",
        "a step of 0": slice(None, None, 0),
        "two ellipses": (Ellipsis, Ellipsis),
        "outside": 99,
        "list outside": [0, 99],
        "floats": [0.5],
    }.items()
)

OPERATORS = [
    infix("add"),
    infix("sub"),
    infix("mul"),
    infix("truediv"),
    infix("floordiv"),
    infix("mod"),
    infix("pow", two("float32", "int64", right="small"), ROUNDED),
    infix("and_", two(*BITS)),
    infix("or_", two(*BITS)),
    infix("xor", two(*BITS)),
    infix("lshift", two("int64", "uint8", right="small")),
    infix("rshift", two("int64", "uint8", right="small")),
    infix("lt"),
    infix("le"),
    infix("gt"),
    infix("ge"),
    infix("eq"),
    infix("ne"),
    infix("matmul", (form("matrices", same, "nm/mild", "mk/mild", dtypes=TWO),), SUMMED),
    infix("neg", (form("matrix", same, "nm", dtypes=("int64", "float32", "bool", "uint8")),)),
    infix("pos", (form("matrix", same, "nm", dtypes=("int64", "float32")),)),
    infix("abs", (form("matrix", same, "nm", dtypes=("int64", "float32", "bool")),)),
    infix("invert", (form("matrix", same, "nm", dtypes=("int64", "float32", "bool")),)),
    infix("getitem", INDEXED),
    Entry("operator.divmod", divmod, divmod, two()),
    Entry("operator.round", round, np.round, (form("matrix", same, "nm", dtypes=TWO),)),
    Entry(
        "Tensor.set",
        lambda x, key, v: x[key].set(v),
        lambda x, key, v: replaced(x, key, v, False),
        (form("row", lambda f, x: f(x, 0, 5), "nm", dtypes=F64),),
    ),
    Entry(
        "Tensor.add",
        lambda x, key, v: x[key].add(v),
        lambda x, key, v: replaced(x, key, v, True),
        (form("row", lambda f, x: f(x, [0, 0], 5), "nm", dtypes=F64),),
    ),
]
