"""What follows a matrix product, computed block by block: the same bits as after the whole product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tests.threads.pool_support import compiling_with, pool_of

SHAPES = [
    (3, 4, 5),
    (70, 30, 90),
    (130, 300, 300),
    (1, 5, 7),
    (7, 5, 1),
    (0, 3, 4),
    (4, 0, 3),
    (600, 40, 1100),
]


def causal(p: Any) -> Any:
    rows, columns = tc.arange(p.shape[-2]), tc.arange(p.shape[-1])
    return tc.nn.softmax(tc.where(rows[:, None] >= columns[None, :], p * 0.1, -1e30), axis=-1)


def norm(p: Any) -> Any:
    return (p - tc.mean(p, axis=-1, keepdims=True)) / tc.sqrt(tc.var(p, axis=-1, keepdims=True) + 1e-5)


FUSED: dict[str, Callable[[Any, Any], Any]] = {
    "relu": lambda p, e: tc.maximum(p, 0),
    "bias": lambda p, e: tc.tanh(p + e[..., :1, :]),
    "residual": lambda p, e: p + e,
    "two results": lambda p, e: [tc.exp(p * 0.01), p > 0],
    "row and full": lambda p, e: [tc.sum(p, axis=-1), p * e],
    "softmax": lambda p, e: tc.nn.softmax(p * 0.1, axis=-1),
    "causal": lambda p, e: causal(p),
    "norm": lambda p, e: norm(p + e),
    "transposed": lambda p, e: tc.exp(tc.swapaxes(p, -1, -2)) + 1,
    "cast": lambda p, e: (p * 3).astype("float32"),
    "sums alone": lambda p, e: tc.sum(p * p, axis=-1),
}
APART: dict[str, Callable[[Any, Any], Any]] = {
    "returned, too": lambda p, e: [p, p + 1],
    "columns combined": lambda p, e: tc.sum(p, axis=-2),
    "all combined": lambda p, e: tc.sum(p),
    "read twice, in two ways": lambda p, e: p + tc.swapaxes(p, -1, -2),
}


def is_inside(f: Any) -> bool:
    """Whether a product stands in a kernel: its line is indented once more."""
    lines = [line for line in f.source("fused").splitlines() if '"tensorc.matmul"' in line]
    return any(line.startswith("      ") for line in lines)


def listed(results: Any) -> list[Any]:
    return list(results) if isinstance(results, list | tuple) else [results]


def sample(rng: Any, dtype: str, batch: tuple[int, ...], *shape: int) -> Any:
    return rng.standard_normal((*batch, *shape)).astype(dtype)


@pytest.mark.parametrize(("batch", "dtype"), [((), "float32"), ((), "float64"), ((3,), "float64")])
@pytest.mark.parametrize("name", FUSED)
def test_bits_are_those_of_separate_kernels(name: str, batch: tuple[int, ...], dtype: str) -> None:
    x, y, e, p = (tc.tensor(n, dtype=dtype, shape=(None,) * (len(batch) + 2)) for n in "xyep")
    after = FUSED[name]
    f = tc.function([x, y, e], after(x @ y, e), on_unused_input="ignore")
    assert is_inside(f)
    product = tc.function([x, y], x @ y)
    rest = tc.function([p, e], after(p, e), on_unused_input="ignore")
    rng = np.random.default_rng(1)
    for m, k, n in SHAPES[: 5 if batch else None]:
        a, b = sample(rng, dtype, batch, m, k), sample(rng, dtype, batch, k, n)
        beside = sample(rng, dtype, batch, m, n)
        expected, found = rest(product(a, b), beside), f(a, b, beside)
        for one, other in zip(listed(found), listed(expected), strict=True):
            np.testing.assert_array_equal(one, other, f"{m} {k} {n}")


@pytest.mark.parametrize("name", APART)
def test_what_needs_more_than_a_block_stays_apart(name: str) -> None:
    x, y, e, p = (tc.matrix(n) for n in "xyep")
    after = APART[name]
    f = tc.function([x, y, e], after(x @ y, e), on_unused_input="ignore")
    assert not is_inside(f)
    rest = tc.function([p, e], after(p, e), on_unused_input="ignore")
    a, b, c = np.random.default_rng(2).standard_normal((3, 40, 40))
    for one, other in zip(listed(f(a, b, c)), listed(rest(tc.function([x, y], x @ y)(a, b), c)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_bit_depends_on_threads() -> None:
    x, y = tc.tensor3("x"), tc.tensor3("y")
    value = [tc.nn.softmax(x @ y, axis=-1)]
    with compiling_with(0):
        shared = tc.function([x, y], value)
    with compiling_with(None):
        alone = tc.function([x, y], value)
    rng = np.random.default_rng(3)
    for batch, m, k, n in ((1, 300, 200, 280), (5, 130, 20, 70), (3, 17, 1100, 40)):
        a, b = rng.standard_normal((batch, m, k)), rng.standard_normal((batch, k, n))
        with pool_of(3):
            np.testing.assert_array_equal(shared(a, b)[0], alone(a, b)[0])


def test_a_chain_of_layers_is_one_kernel_each() -> None:
    x, v, w = (tc.matrix(n) for n in "xvw")
    hidden = tc.maximum(x @ v, 0)
    f = tc.function([x, v, w], tc.tanh(hidden @ w) + hidden)
    text = f.source("fused")
    assert text.count('"tensorc.kernel"') == text.count(' = "tensorc.matmul"(') == 2
    a, b, c = np.random.default_rng(5).standard_normal((3, 50, 50))
    h = np.maximum(a @ b, 0)
    np.testing.assert_allclose(f(a, b, c), np.tanh(h @ c) + h, rtol=1e-9, atol=1e-9)


def test_an_operand_is_not_written_over_before_it_is_read() -> None:
    x, w = tc.matrix("x"), tc.matrix("w")
    inner = tc.exp(x * 0.01)
    f = tc.function([x, w], inner + inner @ w)
    a, b = np.random.default_rng(4).standard_normal((2, 90, 90))
    expected = np.exp(a * 0.01) + np.exp(a * 0.01) @ b
    np.testing.assert_allclose(f(a, b), expected, rtol=1e-12)
