"""The comparison must be awake before its silence counts: planted defects of every kind are found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tests.array_api.arrays import SIZES
from tests.array_api.engine import difference, run
from tests.array_api.entries import EXACT, ROUNDED, SUMMED, Entry, form, same

MATRIX = (form("matrix", same, "nm", dtypes=("float64", "int8")),)
FLOATS = (form("matrix", same, "nm", dtypes=("float64",)),)


def refuse(x: Any) -> Any:
    raise ValueError("no error of ours")


PLANTED: dict[str, tuple[Callable[..., Any], Callable[..., Any], Any, str]] = {
    "another value": (lambda x: x + 1, lambda x: x, MATRIX, "reference"),
    "another dtype": (lambda x: x.astype("float32"), lambda x: x, MATRIX, "float32"),
    "another shape": (lambda x: x.T, lambda x: x, MATRIX, "shape"),
    "another rank": (lambda x: x[None], lambda x: x, MATRIX, "rank"),
    "a lost sign of zero": (lambda x: x + 0.0, lambda x: x, FLOATS, "special"),
    "a lost NaN": (lambda x: tc.where(tc.isnan(x), 0.0, x), lambda x: x, FLOATS, "nan"),
    "a lost infinity": (lambda x: tc.clip(x, -1e308, 1e308), lambda x: x, FLOATS, "inf"),
    "wrong rounding": (lambda x: x * (1 + 1e-14), lambda x: x * 1.0, FLOATS, "reference"),
    "a foreign error": (refuse, lambda x: x, FLOATS, "no TensorcError"),
    "a refusal": (lambda x: tc.reshape(x, (-1, -1)), lambda x: x, FLOATS, "refuses"),
    "a missing refusal": (lambda x: x, refuse, FLOATS, "raises"),
    "an error of another kind": (lambda x: x[1.5], lambda x: x + "a", FLOATS, "where the reference raises"),
    "only in a strided view": (
        lambda x: x,
        lambda x: x if x.flags.c_contiguous else x + 1,
        FLOATS,
        "fortran",
    ),
    "only where it is empty": (lambda x: x, lambda x: x if x.size else x.astype("int8"), FLOATS, "no rows"),
    "only where it should raise": (lambda x: x, lambda x: x[np.newaxis][[0][: x.size]][0], FLOATS, "no rows"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_defect_is_found(name: str) -> None:
    ours, reference, forms, word = PLANTED[name]
    problems = run(Entry(name, ours, reference, forms, EXACT))
    assert any(word in p for p in problems), problems


def test_what_agrees_is_silent() -> None:
    assert run(Entry("itself", lambda x: x, lambda x: x, MATRIX)) == []
    assert {"plain", "special", "one", "no rows", "no columns"} == set(SIZES)


def test_tolerances() -> None:
    one = np.array([1.0, -0.0, np.nan, np.inf])
    apart = np.array([1.0 + 8e-16, -0.0, np.nan, np.inf])
    assert difference(one, one, EXACT, []) is None
    assert difference(apart, one, EXACT, []) is not None
    assert difference(apart, one, ROUNDED, []) is None
    assert difference(apart * (1 + 1e-14), one, ROUNDED, []) is not None
    assert difference(np.abs(one), one, EXACT, []) is not None
    assert difference(np.abs(one), one, SUMMED, []) is None
    assert difference(one + 1e-10, one, SUMMED, []) is not None
