"""The table: every name that `tc` exports, its reference, and how it is called. What is no function of arrays
stands in `EXEMPT`, with the reason.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import tensorc as tc
from tests.array_api.entries import (
    CANCELLING,
    EXACT,
    ROUNDED,
    SUMMED,
    Entry,
    Tolerance,
    binary_forms,
    form,
    reduction_forms,
    unary_forms,
)
from tests.array_api.table_functions import FUNCTIONS
from tests.array_api.table_methods import METHODS, OPERATORS


def unary(name: str, reference: Any, tolerance: Tolerance = EXACT, values: str = "", **more: Any) -> Entry:
    return Entry(name, getattr(tc, name), reference, unary_forms(values), tolerance, **more)


def binary(name: str, reference: Any, tolerance: Tolerance = EXACT, **more: Any) -> Entry:
    forms = binary_forms(more.pop("left", ""), more.pop("right", ""))
    return Entry(name, getattr(tc, name), reference, forms, tolerance, binary=True, **more)


def reduction(name: str, reference: Any, tolerance: Tolerance = EXACT, **more: Any) -> Entry:
    forms = reduction_forms(more.pop("values", ""), tuples=more.pop("tuples", True)) + more.pop("extra", ())
    return Entry(name, getattr(tc, name), reference, forms, tolerance, **more)


UNARY = [
    unary("absolute", np.absolute),
    unary("negative", np.negative),
    unary("sign", np.sign),
    unary("floor", np.floor),
    unary("ceil", np.ceil),
    unary("trunc", np.trunc),
    unary("rint", np.rint),
    unary("square", np.square),
    unary("sqrt", np.sqrt),
    unary("isnan", np.isnan),
    unary("isinf", np.isinf),
    unary("isfinite", np.isfinite),
    unary("logical_not", np.logical_not),
    unary("bitwise_invert", np.bitwise_invert),
    unary("exp", np.exp, ROUNDED),
    unary("exp2", np.exp2, ROUNDED),
    unary("expm1", np.expm1, ROUNDED),
    unary("log", np.log, ROUNDED),
    unary("log2", np.log2, ROUNDED),
    unary("log10", np.log10, ROUNDED),
    unary("log1p", np.log1p, ROUNDED),
    unary("sin", np.sin, ROUNDED),
    unary("cos", np.cos, ROUNDED),
    unary("tan", np.tan, ROUNDED),
    unary("sinh", np.sinh, ROUNDED),
    unary("cosh", np.cosh, ROUNDED),
    unary("tanh", np.tanh, ROUNDED),
    unary("arcsinh", np.arcsinh, ROUNDED),
    unary("arccosh", np.arccosh, ROUNDED),
    unary("arctanh", np.arctanh, ROUNDED),
    unary("arcsin", np.arcsin, ROUNDED),
    unary("arccos", np.arccos, ROUNDED),
    unary("arctan", np.arctan, ROUNDED),
    unary("cbrt", np.cbrt, ROUNDED),
]

BINARY = [
    binary("add", np.add),
    binary("subtract", np.subtract),
    binary("multiply", np.multiply),
    binary("divide", np.divide),
    binary("floor_divide", np.floor_divide),
    binary("remainder", np.remainder),
    binary("power", np.power, ROUNDED, right="pos"),
    binary("maximum", np.maximum),
    binary("minimum", np.minimum),
    binary("logaddexp", np.logaddexp, CANCELLING),
    binary("arctan2", np.arctan2, ROUNDED),
    binary("hypot", np.hypot, ROUNDED),
    binary("equal", np.equal),
    binary("not_equal", np.not_equal),
    binary("less", np.less),
    binary("less_equal", np.less_equal),
    binary("greater", np.greater),
    binary("greater_equal", np.greater_equal),
    binary("logical_and", np.logical_and),
    binary("logical_or", np.logical_or),
    binary("logical_xor", np.logical_xor),
    binary("bitwise_and", np.bitwise_and),
    binary("bitwise_or", np.bitwise_or),
    binary("bitwise_xor", np.bitwise_xor),
    binary("left_shift", np.left_shift),
    binary("right_shift", np.right_shift),
]

_FLOAT32 = ("float32", "int8", "bool")
DTYPE_FORMS = (
    form("to float32", lambda f, x: f(x, axis=0, dtype="float32"), "nm/mild", dtypes=_FLOAT32),
    form("to int16", lambda f, x: f(x, axis=0, dtype=np.int16), "nm", dtypes=("int8", "int64")),
)
DDOF_FORMS = (
    form("ddof 1", lambda f, x: f(x, axis=1, ddof=1), "nm/unit", dtypes=("float64", "int32")),
    form("ddof 0.5", lambda f, x: f(x, ddof=0.5), "nm/unit", dtypes=("float32",)),
    form("correction", lambda f, x: f(x, axis=1, correction=1), "nm/unit", dtypes=("float64",)),
    form("ddof too large", lambda f, x: f(x, axis=0, ddof=7), "nm/unit", dtypes=("float64",)),
)
REDUCTIONS = [
    reduction("sum", np.sum, SUMMED, values="mild", extra=DTYPE_FORMS),
    reduction("prod", np.prod, SUMMED, values="mild", extra=DTYPE_FORMS),
    reduction("max", np.max),
    reduction("min", np.min),
    reduction("any", np.any),
    reduction("all", np.all),
    reduction("mean", np.mean, SUMMED, values="mild", extra=DTYPE_FORMS[:1]),
    reduction("var", np.var, SUMMED, values="unit", extra=DDOF_FORMS),
    reduction("std", np.std, SUMMED, values="unit", extra=DDOF_FORMS),
    reduction("argmax", np.argmax, tuples=False),
    reduction("argmin", np.argmin, tuples=False),
]

ALIASES = {
    "abs": "absolute",
    "neg": "negative",
    "sqr": "square",
    "bitwise_not": "bitwise_invert",
    "invert": "bitwise_invert",
    "sub": "subtract",
    "mul": "multiply",
    "true_divide": "divide",
    "div": "divide",
    "mod": "remainder",
    "pow": "power",
    "acos": "arccos",
    "acosh": "arccosh",
    "asin": "arcsin",
    "asinh": "arcsinh",
    "atan": "arctan",
    "atan2": "arctan2",
    "atanh": "arctanh",
    "eq": "equal",
    "neq": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "bitwise_left_shift": "left_shift",
    "bitwise_right_shift": "right_shift",
    "amax": "max",
    "amin": "min",
    "concat": "concatenate",
    "permute_dims": "transpose",
    "switch": "where",
    "disconnected_grad": "stop_gradient",
    "nn.sigmoid": "sigmoid",
    "nn.softplus": "softplus",
    "special.erf": "erf",
    "special.erfc": "erfc",
    "special.expit": "sigmoid",
    "special.log1mexp": "log1mexp",
    "special.log1p": "log1p",
    "special.logsumexp": "logsumexp",
}
"""Name -> the line of the table whose program it builds as well."""

TABLE: dict[str, Entry] = {
    entry.name: entry for entry in (*UNARY, *BINARY, *REDUCTIONS, *FUNCTIONS, *METHODS, *OPERATORS)
}
