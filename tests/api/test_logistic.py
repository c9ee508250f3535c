"""Theano's logistic-regression tutorial, written naively: the stabilisation must carry it in every mode."""

import numpy as np
import pytest

import tensorc as tc

MODES = ["fast", "compile-fast", "O0", "O1", "O2", "O3"]


def naive_logistic(mode):
    rng = np.random.RandomState(42)
    features = rng.randn(400, 784)
    labels = rng.randint(size=400, low=0, high=2)
    start = rng.randn(784)
    x, y = tc.matrix("x"), tc.vector("y")
    w, b = tc.shared(start, name="w"), tc.shared(0.0, name="b")
    p_1 = 1 / (1 + tc.exp(-tc.dot(x, w) - b))
    xent = -y * tc.log(p_1) - (1 - y) * tc.log(1 - p_1)
    cost = xent.mean() + 0.01 * (w**2).sum()
    gw, gb = tc.grad(cost, [w, b])
    train = tc.function([x, y], [p_1 > 0.5, xent], updates=((w, w - 0.1 * gw), (b, b - 0.1 * gb)), mode=mode)
    return train, features, labels.astype(float)


@pytest.mark.parametrize("mode", MODES)
def test_naive_logistic_regression_is_stable_in_every_mode(mode):
    train, features, labels = naive_logistic(mode)
    seen = {}
    for call in range(1, 1001):
        _, xent = train(features, labels)
        assert np.isfinite(xent).all(), f"call {call}"
        seen[call] = xent.mean()
    assert seen[1] == pytest.approx(12.208917, abs=5e-7)
    assert seen[100] == pytest.approx(2.835679, abs=5e-7)
    assert seen[1000] == pytest.approx(0.044751, abs=5e-7)
