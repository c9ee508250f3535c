"""How much memory the temporaries of a call take at a time, and that no order changes what is computed."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from passes.memory_support import Memory
from tensorc.api.trace import trace

SIZES = (40, 30, 20, 10)


def layers(widths: list[int]) -> tuple[list[Any], list[Any]]:
    """The inputs of a chain of layers, and updated weights and biases, first to last."""
    given: list[Any] = [tc.matrix("x"), tc.matrix("y")]
    weights: list[Any] = []
    h = given[0]
    for n in range(len(widths) - 1):
        weights += [tc.matrix(f"w{n}"), tc.vector(f"b{n}")]
        h = tc.tanh(h @ weights[-2] + weights[-1])
    steps = tc.grad(tc.sum((h - given[1]) ** 2), weights)
    return given + weights, [w - 0.1 * step for w, step in zip(weights, steps, strict=True)]


def of_layers(widths: list[int], rows: int) -> Memory:
    given, new = layers(widths)
    of_weights: list[tuple[int, ...]] = []
    for n, m in pairwise(widths):
        of_weights += [(n, m), (m,)]
    shapes: list[tuple[int, ...]] = [(rows, widths[0]), (rows, widths[-1]), *of_weights]
    return Memory(trace(new, given), shapes)


@pytest.mark.parametrize("widths", [[50] * 21, list(range(70, 49, -1)), [60, 30] * 10], ids=str)
def test_gradients_of_layers_do_not_wait_for_the_end(widths: list[int]) -> None:
    """What every layer gives is kept for its gradient; besides that there are two layers' gradients, not
    all.
    """
    memory = of_layers(widths, 64)
    activations = sum(64 * n * 8 for n in widths[1:])
    assert memory.peak() <= activations + 3 * 64 * max(widths) * 8
    assert memory.peak() == memory.bound()


def tree(seed: int) -> tuple[list[Any], list[tuple[int, int]], Any]:
    """Products of matrices of various shapes, some of them read again later."""
    choose = random.Random(seed)
    symbols: list[Any] = []
    shapes: list[tuple[int, int]] = []

    def matrix(rows: int, columns: int) -> Any:
        symbols.append(tc.matrix(f"m{len(symbols)}"))
        shapes.append((rows, columns))
        return symbols[-1]

    rows, columns = choose.choice(SIZES), choose.choice(SIZES)
    value, kept = matrix(rows, columns), list[tuple[Any, int]]()
    for _ in range(choose.randrange(6, 16)):
        before, columns = columns, choose.choice(SIZES)
        value = tc.tanh(value @ matrix(before, columns))
        kept.append((value, columns))
        if choose.random() < 0.5:
            earlier, width = choose.choice(kept)
            value = value + earlier @ matrix(width, columns)
        if choose.random() < 0.3:
            kept.pop(choose.randrange(len(kept)))
    return symbols, shapes, value


@pytest.mark.parametrize("seed", range(6))
def test_memory_of_temporaries_is_what_is_needed_at_a_time(seed: int) -> None:
    symbols, shapes, value = tree(seed)
    for outputs in ([value], list(tc.grad(tc.sum(value * value), symbols))):
        memory = Memory(trace(outputs, symbols), shapes)
        assert memory.buffers
        assert memory.peak() <= 1.1 * memory.bound()


def test_attention_takes_little_more() -> None:
    """Heads are turned, which takes a copy of what has been computed."""
    heads, x, w = 4, tc.tensor3("x"), [tc.matrix(f"w{n}") for n in range(4)]

    def split(y: Any) -> Any:
        return y.reshape((y.shape[0], y.shape[1], heads, 8)).transpose(0, 2, 1, 3)

    q, k, v = (split(x @ each) for each in w[:3])
    scores = tc.nn.softmax(q @ k.transpose(0, 1, 3, 2), axis=-1)
    y = x + (scores @ v).transpose(0, 2, 1, 3).reshape(x.shape) @ w[3]
    steps = tc.grad(tc.sum(y * y), w)
    memory = Memory(trace(list(steps), [x, *w]), [(3, 16, 32), *[(32, 32)] * 4])
    assert memory.peak() <= 1.1 * memory.bound()


def test_what_comes_early_reads_the_same() -> None:
    """Numbers and errors: results in between, checks that depend on data, values written over."""
    x, n, i = tc.vector("x"), tc.lscalar("n"), tc.lvector("i")
    m = tc.outer(tc.exp(x), x)
    part = m[: n + 1]
    outputs = [m.sum(axis=0), m @ x, tc.exp(m), part.sum(), x[i] * 2, (m * 2).T + 1, part * 3, x[::-1]]
    f, plain = (tc.function([x, n, i], outputs, mode=mode) for mode in ("fast", "O0"))
    for given in (np.linspace(-1, 1, 7), np.zeros(0), np.array([np.nan, -0.0]), np.arange(24.0)[::-3]):
        for stop in (0, 1, 30):
            places = np.arange(len(given))[::-1]
            for found, right in zip(f(given, stop, places), plain(given, stop, places), strict=True):
                np.testing.assert_allclose(found, right, rtol=1e-12)
        with pytest.raises(IndexError, match="index"):
            f(given, 1, np.array([len(given)]))
