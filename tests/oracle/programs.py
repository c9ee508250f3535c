"""Whole programs for the oracles, as the compiler prints them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tensorc as tc


def logistic_regression(mode: str) -> Any:
    x, y = tc.matrix("x"), tc.vector("y")
    w, b = tc.shared(np.zeros(784), name="w"), tc.shared(0.0, name="b")
    p = 1 / (1 + tc.exp(-tc.dot(x, w) - b))
    cost = (-y * tc.log(p) - (1 - y) * tc.log(1 - p)).mean() + 0.01 * (w**2).sum()
    gw, gb = tc.grad(cost, [w, b])
    return tc.function([x, y], cost, updates=[(w, w - 0.1 * gw), (b, b - 0.1 * gb)], mode=mode, name="train")


def network(mode: str) -> Any:
    x, y = tc.matrix("x", dtype="float32"), tc.lvector("y")
    w1 = tc.shared(np.zeros((64, 32), np.float32), name="w1")
    w2 = tc.shared(np.zeros((32, 10), np.float32), name="w2")
    p = tc.nn.softmax(tc.tanh(x @ w1) @ w2)
    cost = -tc.mean(tc.log(p)[tc.arange(y.shape[0]), y])
    updates = [(v, v - 0.1 * g) for v, g in zip([w1, w2], tc.grad(cost, [w1, w2]), strict=True)]
    return tc.function([x, y], [cost, tc.argmax(p, axis=1)], updates=updates, mode=mode)


def indexing(mode: str) -> Any:
    x, i = tc.tensor3("x"), tc.lvector("i")
    n = x.shape[0]
    changed = x[1:n, ::-1].set(0.5)
    return tc.function([x, i], [changed, x[i], tc.concatenate([x, x[i]], axis=0)], mode=mode)


def integers_and_bools(mode: str) -> Any:
    i, u = tc.lvector("i"), tc.vector("u", dtype="uint8")
    return tc.function([i, u], [i // 3 % (i + 1), u << 3, tc.where(i > 2, i, -i), (i > u).any()], mode=mode)


PROGRAMS: list[Callable[[str], Any]] = [logistic_regression, network, indexing, integers_and_bools]
