"""The forms of kernels at their borders: compiled code against NumPy and against exactly rounded sums."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

import tensorc as tc

EDGES = (0, 1, 2, 8, 9, 15, 17, 63, 64, 65, 127, 129, 1023, 1025)
DTYPES = ("float32", "float64", "int8", "uint16", "int64", "bool")
RNG = np.random.default_rng(7)


@cache
def compiled(name: str, axis: int | tuple[int, ...] | None, dtype: str, rank: int) -> Callable[..., Any]:
    x = tc.tensor("x", dtype=dtype, shape=(None,) * rank)
    return tc.function([x], getattr(tc, name)(x, axis=axis))


def sample(shape: tuple[int, ...], dtype: str) -> Any:
    """Few different values, so that there are ties; of floats the special ones, too."""
    x = RNG.integers(-3, 4, shape).astype(dtype)
    if dtype.startswith("float"):
        at = RNG.random(shape)
        x = np.where(at < 0.02, np.array(-0.0, dtype), x)
        x = np.where((at > 0.5) & (at < 0.51), np.array(np.inf, dtype), x)
        x = np.where(at > 0.995, np.array(np.nan, dtype), x)
    return x


def check(name: str, axis: Any, x: Any) -> None:
    want = getattr(np, name)(x, axis=axis)
    got = compiled(name, axis, str(x.dtype), x.ndim)(x)
    np.testing.assert_array_equal(got, want, err_msg=f"{name} along {axis} of {x.dtype}{x.shape}")


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(name, dtype) for name in ("max", "argmax", "argmin") for dtype in DTYPES[:5]]
    + [(name, "bool") for name in ("any", "all", "argmax")],
)
def test_order_cannot_be_seen(name: str, dtype: str) -> None:
    for n in EDGES:
        for shape in ((n, 3), (3, n), (2, 300), (300, 2)):
            x = sample(shape, dtype)
            for axis in (0, 1, None):
                reduced = x.size if axis is None else shape[axis]
                if reduced:
                    check(name, axis, x)
                    check(name, axis, x[::-1, ::-1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["max", "min"])
def test_zeros_have_signs_and_nan_is_found_wherever_it_lies(name: str, dtype: str) -> None:
    worse, better = (-0.0, 0.0) if name == "max" else (0.0, -0.0)
    for shape in ((1, 17), (200, 3), (3, 200), (9, 64), (257, 300)):
        x = np.full(shape, worse, dtype)
        x[RNG.random(shape) < 0.5] = -np.inf if name == "max" else np.inf
        at = tuple(int(RNG.integers(n)) for n in shape)
        for axis in (0, 1, None):
            for special in (worse, better, np.nan, -np.nan):
                x[at] = special
                got = np.asarray(compiled(name, axis, dtype, 2)(x))
                zero = np.signbit(worse) ^ (x == 0).any(axis) & (np.signbit(x) != np.signbit(worse)).any(axis)
                np.testing.assert_array_equal(got, getattr(np, name)(x, axis=axis))
                np.testing.assert_array_equal(np.signbit(got)[got == 0], np.asarray(zero)[got == 0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("axis", [0, 1, None])
def test_sums_are_near_the_exact_ones(dtype: str, axis: int | None) -> None:
    """Of positive numbers, the relative error of pairwise sums stays within a few units in the last place."""
    for shape in [(n, 3) for n in EDGES] + [(3, n) for n in EDGES] + [(70_001, 2), (2, 70_001), (517, 1030)]:
        x = RNG.random(shape).astype(dtype) + np.array(0.5, dtype)
        got = compiled("sum", axis, dtype, 2)(x)
        rows = [x.ravel()] if axis is None else list(x.T if axis == 0 else x)
        want = np.array([math.fsum(row) for row in rows]).reshape(np.shape(got))
        error = np.abs(np.asarray(got, np.float64) - want)
        assert (error <= 8 * np.finfo(dtype).eps * want).all(), (shape, axis, (error / want).max())


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_one_long_row_is_read_in_strands_whatever_its_length(dtype: str) -> None:
    """Every element is taken once: whole numbers, whose sums are exact in any order, and one that stands out.
    In one row, with every second element, and in rows that cannot be merged.
    """
    for n in (1024, 2047, 3071, 4095, 4096, 4097, 5 * 1024 + 1, 66_559, 66_560, 66_561, 2 * 66_560 + 1100):
        x = RNG.integers(-4, 5, 2 * n).astype(dtype)
        for y in (x[:n], x[::2], x[::-1].reshape(2, n)[:, 1:]):
            at = tuple(int(RNG.integers(e)) for e in y.shape)
            y[at] = 99
            assert compiled("sum", None, dtype, y.ndim)(y) == y.sum(dtype="float64"), n
            assert compiled("max", None, dtype, y.ndim)(y) == 99, n
            y[at] = 3
            if dtype != "int32":
                y[at] = np.nan
                assert np.isnan(compiled("min", None, dtype, y.ndim)(y)), n
                y[at] = 0


@pytest.mark.parametrize("columns", [3, 17, 40, 100, 1024, 1100])
def test_short_rows_of_a_strided_matrix_have_accumulators_enough(columns: int) -> None:
    """Everything combined, where rows are of known length and cannot be merged."""
    x = tc.tensor("x", dtype="float32", shape=(None, columns))
    f = tc.function([x], [tc.max(x), tc.min(x), tc.sum(x), tc.sum(x, axis=1)])
    y = RNG.integers(-9, 10, (14, columns)).astype(np.float32)
    for z in (y, np.asfortranarray(y), y[::-1, ::-1], y[::2]):
        for got, want in zip(f(z), (z.max(), z.min(), z.sum(), z.sum(axis=1)), strict=True):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
def test_few_columns_of_many_rows_are_one_threads_work_no_longer(dtype: str) -> None:
    """Parts of 2,048 rows, each of which is taken once; one value that stands out; nothing at all."""
    x = tc.tensor("x", dtype=dtype, shape=(None, 5))
    if dtype == "bool":
        f = tc.function([x], [tc.any(x, axis=0), tc.all(x, axis=0)])
    else:
        f = tc.function([x], [tc.sum(x, axis=0), tc.max(x, axis=0), 1 + tc.sum(x * x, axis=0)])
    for rows in (1, 2047, 2048, 2049, 3 * 2048, 70_001):
        y = RNG.integers(-4, 5, (rows, 5)).astype(dtype) if dtype != "bool" else np.zeros((rows, 5), "bool")
        y[RNG.integers(rows), 2] = 9
        for z in (y, y[::-1, ::-1]):
            found = f(z)
            if dtype == "bool":
                want = [z.any(axis=0), z.all(axis=0)]
            else:
                want = [z.sum(axis=0, dtype="int64"), z.max(axis=0), 1 + (z * z).sum(axis=0, dtype="int64")]
            for one, other in zip(found, want, strict=True):
                np.testing.assert_array_equal(one, other)
    if dtype == "float32":
        y[RNG.integers(rows), 1] = np.nan
        np.testing.assert_array_equal(np.isnan(f(y)[1]), [False, True, False, False, False])
        assert f.source("loops").count("tensorc.parallel") > 0
        np.testing.assert_array_equal(tc.function([x], tc.sum(x, axis=0))(y[:0]), np.zeros(5))


def test_strands_are_for_one_long_row_and_light_bodies() -> None:
    x = tc.matrix("x")

    def most_loads(value: Any) -> int:
        """Of the argument, between the beginnings of two loops."""
        parts = tc.function([x], value).source("loops").split('"scf.for"')
        return max(len(re.findall(r'"vector\.load".*\(memref<\?', part)) for part in parts)

    assert most_loads(tc.sum(x)) == 8
    assert most_loads(tc.min(x * x)) == 16  # more operations: one register at a time, twice
    assert max(most_loads(tc.sum(x, axis=1)), most_loads(tc.sum(tc.exp(x)))) <= 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_across_rows_are_near_the_exact_ones(dtype: str) -> None:
    """Those that a kernel makes beside what it does along its rows."""
    x = tc.matrix("x", dtype=dtype)
    f = tc.function([x], [tc.sum(x, axis=0), x / tc.sum(x, axis=1, keepdims=True)])
    assert f.source("fused").count('"tensorc.kernel"') == 1
    for shape in [(n, 3) for n in EDGES[1:]] + [(70_001, 2), (517, 1030)]:
        values = RNG.random(shape).astype(dtype) + np.array(0.5, dtype)
        want = np.array([math.fsum(column) for column in values.T])
        got, shares = f(values)
        assert (np.abs(got.astype(np.float64) - want) <= 8 * np.finfo(dtype).eps * want).all(), shape
        np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("axes", [(0, 1), (0, 2), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("shape", [(0, 3, 4), (3, 0, 4), (5, 1, 7), (40, 9, 70), (9, 130, 3), (300, 5, 1025)])
def test_several_axes_of_strided_arrays(shape: tuple[int, int, int], axes: tuple[int, ...]) -> None:
    """Whole numbers, whose sums are exact in any order, in an order of axes that cannot be merged."""
    x = RNG.integers(-9, 10, shape[::-1]).astype(np.float32).transpose(2, 1, 0)[::-1, :, ::-1]
    check("sum", axes, x)
    check("sum", axes, np.ascontiguousarray(x))
    if x.size:
        check("max", axes, x)


@pytest.mark.parametrize("shape", [(0, 5), (5, 1), (3, 64), (300, 65), (65, 300)])
@pytest.mark.parametrize("axis", [0, 1])
def test_stages_that_keep_values(shape: tuple[int, int], axis: int) -> None:
    x = RNG.standard_normal(shape)
    symbol = tc.matrix("x")
    found = tc.function([symbol], [tc.nn.softmax(symbol, axis=axis), tc.var(symbol, axis=axis)])
    if not x.size:
        assert found(x)[0].shape == shape
        return
    soft, variance = found(x)
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    np.testing.assert_allclose(soft, e / e.sum(axis=axis, keepdims=True), rtol=1e-13)
    np.testing.assert_allclose(variance, x.var(axis=axis), rtol=1e-13, atol=1e-300)


@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (1, 70), (70, 1), (63, 17), (65, 16), (129, 333)])
def test_buffers_in_rows_and_in_columns(shape: tuple[int, int]) -> None:
    f = _turned(2)
    x = RNG.standard_normal(shape)
    for y in (x, x[::-1, ::-1], np.asfortranarray(x)):
        for got, want in zip(f(y, y.T), (y.T + 1, 2 * y.T), strict=True):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("shape", [(0, 3, 2), (5, 1, 7), (17, 65, 9), (66, 3, 70)])
def test_three_axes_turned(shape: tuple[int, int, int]) -> None:
    x = RNG.standard_normal(shape)
    for order, got in zip(ORDERS, _turned(3)(x), strict=True):
        np.testing.assert_array_equal(got, x.transpose(order) * 2)


def test_turned_buffers_are_walked_in_tiles() -> None:
    """Bands of rows; tiles of a band, transposed first; rows of a tile; their vectors, and what is left."""
    text = _turned(2).source("loops")
    depths = [(len(line) - len(line.lstrip())) // 2 for line in text.splitlines() if '"scf.for"' in line]
    assert [d - min(depths) for d in depths] == [0, 1, 2, 3, 3]
    assert text.count('"func.call"') == 1


def test_what_streams_in_is_asked_for_once() -> None:
    """By the first stage that reads it; not what every row reads again, nor what is known to be small."""
    x, g = tc.matrix("x"), tc.vector("g")
    y = (x - tc.mean(x, axis=1, keepdims=True)) * g
    f = tc.function([x, g], tc.sum(y * y, axis=1))
    lines = [line for line in f.source("loops").splitlines() if "memref.prefetch" in line]
    assert len({line.split("(")[1].split(",")[0] for line in lines}) == 1
    assert "memref.prefetch" in tc.function([x], tc.argmax(x, axis=1)).source("loops")
    small = tc.tensor("x", shape=(30, 40))
    assert "prefetch" not in tc.function([small], tc.sum(small, axis=1)).source("loops")


ORDERS = ((2, 0, 1), (1, 0, 2), (2, 1, 0))


@cache
def _turned(rank: int) -> Callable[..., Any]:
    x = tc.tensor("x", dtype="float64", shape=(None,) * rank)
    if rank == 3:
        return tc.function([x], [tc.transpose(x, order) * 2 for order in ORDERS])
    y = tc.matrix("y")
    return tc.function([x, y], [x.T + 1, x.T + y])
