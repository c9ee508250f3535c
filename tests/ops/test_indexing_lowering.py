"""Rows of large tables, which are asked for before they are read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tensorc as tc

RNG = np.random.default_rng(3)


def check(table: Any, index: Any, at: Any) -> None:
    """`table[index(at)]`, and the same places added to and set, against NumPy."""
    x, i = tc.tensor("x", str(table.dtype), (None,) * table.ndim), tc.tensor("i", "int64", (None,) * at.ndim)
    f = tc.function([x, i], [x[index(i)], x[index(i)].add(1), x[index(i)].set(2)])
    rows, added, changed = f(table, at)
    np.testing.assert_array_equal(rows, table[index(at)])
    wanted = table.copy()
    np.add.at(wanted, index(at), 1)
    np.testing.assert_array_equal(added, wanted)
    wanted[index(at)] = 2
    np.testing.assert_array_equal(np.where(wanted == 2, 2, table), changed)


@pytest.mark.parametrize("dtype", ["float32", "int8"])
@pytest.mark.parametrize("width", [1, 5, 700])
def test_rows_of_a_large_table(width: int, dtype: str) -> None:
    table = RNG.integers(3, 50, (270_000 // width + 1, width)).astype(dtype)
    n = table.shape[0]
    for at in (np.array([0, -1, 3, 3, n - 1, -n]), RNG.integers(-n, n, 40), np.zeros(0, np.int64)):
        check(table, lambda i: i, at)
    check(table, lambda i: i, RNG.integers(-n, n, (5, 3)))
    check(np.asfortranarray(table), lambda i: i, RNG.integers(-n, n, 20))
    check(table[::-1], lambda i: i, RNG.integers(-n, n, 20))


def test_rows_within_other_axes() -> None:
    table = RNG.standard_normal((3, 300, 400))
    check(table, lambda i: (slice(None), i), RNG.integers(-300, 300, 30))
    check(table, lambda i: (i, i), RNG.integers(-3, 3, 30))


def test_only_rows_of_large_tables_are_asked_for() -> None:
    i = tc.lvector("i")
    for rows, wanted in ((1000, 0), (5000, 1)):
        x = tc.tensor("x", "float32", (rows, 64))
        assert tc.function([x, i], x[i]).source("loops").count('"memref.prefetch"') == wanted
    column = tc.tensor("x", "float32", (500_000,))
    assert "memref.prefetch" not in tc.function([column, i], column[i]).source("loops")
