"""What a line of the table says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.array_api.arrays import DTYPES


@dataclass(frozen=True)
class Tolerance:
    """Floats agree within `ulps` of the result, or `ulps` of the largest operand where `relative_to` says so;
    NaN and infinities stand in the same places; zeros have the same sign where `zeros`.
    """

    ulps: float = 0
    scaled: bool = False
    zeros: bool = True


EXACT = Tolerance()
ROUNDED = Tolerance(4)
CANCELLING = Tolerance(4, scaled=True)
SUMMED = Tolerance(64, scaled=True, zeros=False)


@dataclass(frozen=True)
class Form:
    """One way to call a function: `call(f, *operands)`, where f is ours or the reference.

    `operands` in the language of `arrays.py`; `dtypes` are tried one after the other.
    """

    label: str
    call: Callable[..., Any]
    operands: tuple[str, ...]
    dtypes: tuple[str, ...] = DTYPES
    skip: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One name: ours, the reference, the forms, and where both may differ, with the reason."""

    name: str
    ours: Callable[..., Any]
    reference: Callable[..., Any]
    forms: tuple[Form, ...]
    tolerance: Tolerance = EXACT
    refused: Mapping[str, str] = field(default_factory=dict)
    """Label, dtype, or "label dtype" of what we refuse and the reference does not -> why."""
    allowed: Mapping[str, str] = field(default_factory=dict)
    """The same for what the reference refuses and we do not."""
    binary: bool = False
    """Whether all pairs of dtypes are tried for the result's dtype."""
    alias_of: str = ""
    """The name that builds the very same program: then that is all that is checked."""


def form(label: str, call: Callable[..., Any], *operands: str, **more: Any) -> Form:
    return Form(label, call, operands, **more)


def same(f: Callable[..., Any], *xs: Any) -> Any:
    return f(*xs)


def unary_forms(values: str = "") -> tuple[Form, ...]:
    v = f"/{values}" if values else ""
    return (
        form("matrix", same, f"nm{v}"),
        form("vector", same, f"n{v}", dtypes=("float64",)),
        form("scalar", same, f"{v}", dtypes=("int64", "float32")),
        form("cube", same, f"nmk{v}", dtypes=("float32",)),
    )


def binary_forms(left: str = "", right: str = "", scalars: bool = True) -> tuple[Form, ...]:
    a, b = (f"/{v}" if v else "" for v in (left, right))
    numbers: Sequence[str] = ("float64", "int64")
    found = [
        form("matrices", same, f"nm{a}", f"nm{b}"),
        form("row", same, f"nm{a}", f"1m{b}", dtypes=numbers),
        form("column on the left", same, f"n1{a}", f"nm{b}", dtypes=("float32",)),
        form("outer", same, f"n1{a}", f"1m{b}", dtypes=("float64",)),
        form("vector", same, f"nm{a}", f"m{b}", dtypes=("int32",)),
        form("0-d", same, f"{a}", f"nm{b}", dtypes=("float32", "uint8")),
        form("both 0-d", same, f"{a}", f"{b}", dtypes=numbers),
        form("1 by 1", same, f"11{a}", f"nm{b}", dtypes=("float64",)),
        form("cube and column", same, f"nmk{a}", f"m1{b}", dtypes=("float64",)),
        form("does not broadcast", same, f"nm{a}", f"mm{b}", dtypes=("float64",), skip=("one", "no columns")),
    ]
    if scalars:
        found += [
            form("Python int", lambda f, x: f(x, 2), f"nm{a}"),
            form("Python int on the left", lambda f, x: f(3, x), f"nm{b}"),
            form("Python float", lambda f, x: f(x, 1.5), f"n{a}"),
            form("Python bool", lambda f, x: f(x, True), f"n{a}"),
            form("too large an int", lambda f, x: f(x, 300), f"n{a}"),
            form("negative int", lambda f, x: f(x, -1), f"n{a}"),
            form("NumPy scalar", lambda f, x: f(x, np.float32(2)), f"n{a}", dtypes=("int32", "float64")),
            form("0-d array", lambda f, x: f(x, np.array(2, "int8")), f"n{a}", dtypes=("uint8", "float32")),
            form("list", lambda f, x: f(x, [1, 2, 3, 4]), f"n4{a}", dtypes=("float32", "int64")),
        ]
    return tuple(found)


def reduction_forms(
    values: str = "", dtypes: tuple[str, ...] = DTYPES, tuples: bool = True
) -> tuple[Form, ...]:
    v = f"/{values}" if values else ""
    few = tuple(d for d in ("int64", "float64") if d in dtypes)
    found = [
        form("axis 0", lambda f, x: f(x, axis=0), f"nm{v}", dtypes=dtypes),
        form("all", same, f"nm{v}", dtypes=few),
        form("last axis, kept", lambda f, x: f(x, axis=-1, keepdims=True), f"nm{v}", dtypes=few),
        form("all kept", lambda f, x: f(x, keepdims=True), f"nm{v}", dtypes=("float32",)),
        form("middle of three", lambda f, x: f(x, axis=-2), f"nmk{v}", dtypes=few),
        form("0-d", same, f"{v}", dtypes=few),
        form("vector", lambda f, x: f(x, 0), f"m{v}", dtypes=few),
        form("axis too large", lambda f, x: f(x, axis=2), f"nm{v}", dtypes=few),
        form("axis too small", lambda f, x: f(x, axis=-3), f"nm{v}", dtypes=few),
        form("axis of 0-d", lambda f, x: f(x, axis=1), f"{v}", dtypes=few),
        form("axis no integer", lambda f, x: f(x, axis=1.5), f"nm{v}", dtypes=few),
        form("axis a text", lambda f, x: f(x, axis="rows"), f"nm{v}", dtypes=few),
    ]
    if tuples:
        found += [
            form("two of three", lambda f, x: f(x, axis=(0, -1)), f"nmk{v}", dtypes=few),
            form("two, kept", lambda f, x: f(x, axis=(2, 1), keepdims=True), f"nmk{v}", dtypes=few),
            form("no axis", lambda f, x: f(x, axis=()), f"nm{v}", dtypes=few),
            form("an axis twice", lambda f, x: f(x, axis=(0, 0)), f"nm{v}", dtypes=few),
            form("an axis twice, once negative", lambda f, x: f(x, axis=(1, -1)), f"nm{v}", dtypes=few),
        ]
    return tuple(found)
