"""Training steps of small models: an MLP, and logistic regression. The parameters are the state."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.random import Generator

from benchmarks.harness.case import Array, Arrays, Case, Workload, workload

LAYERS = (784, 512, 512, 10)
FEATURES = 784
RATE = 0.01


def mlp_inputs(case: Case, rng: Generator) -> list[Array]:
    batch = case.dims[0]
    return [rng.random((batch, LAYERS[0])).astype(case.dtype), rng.integers(0, LAYERS[-1], batch)]


def mlp_state(case: Case, rng: Generator) -> list[Array]:
    """Weights and biases in turns."""
    pairs = itertools.pairwise(LAYERS)
    shapes = [shape for n, m in pairs for shape in ((n, m), (m,))]
    return [
        (rng.standard_normal(s) * (s[0] ** -0.5 if len(s) == 2 else 0)).astype(case.dtype) for s in shapes
    ]


def mlp_step(case: Case, inputs: Arrays, state: Arrays) -> tuple[list[Array], list[Array]]:
    """One step of gradient descent on the mean cross-entropy; tanh between the layers."""
    x, labels = inputs
    w1, b1, w2, b2, w3, b3 = state
    h1 = np.tanh(x @ w1 + b1)
    h2 = np.tanh(h1 @ w2 + b2)
    logits = h2 @ w3 + b3
    shifted = logits - logits.max(axis=1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(x))
    cost = -logp[rows, labels].mean()
    d3 = np.exp(logp)
    d3[rows, labels] -= 1
    d3 /= len(x)
    d2 = (d3 @ w3.T) * (1 - h2 * h2)
    d1 = (d2 @ w2.T) * (1 - h1 * h1)
    gradients = [x.T @ d1, d1.sum(0), h1.T @ d2, d2.sum(0), h2.T @ d3, d3.sum(0)]
    return [cost], [p - RATE * g for p, g in zip(state, gradients, strict=True)]


def mlp_flops(case: Case) -> float:
    """Forward, and both gradients but the one for the inputs."""
    products = [2 * case.dims[0] * n * m for n, m in itertools.pairwise(LAYERS)]
    return 3 * sum(products) - products[0]


def mlp_traffic(case: Case) -> float:
    parameters = sum(n * m + m for n, m in itertools.pairwise(LAYERS))
    return (2 * parameters + case.dims[0] * LAYERS[0]) * case.itemsize


def logistic_step(case: Case, inputs: Arrays, state: Arrays) -> tuple[list[Array], list[Array]]:
    x, y = inputs
    w, b = state
    z = x @ w + b
    cost = np.mean(np.logaddexp(0, z) - y * z)
    d = (1 / (1 + np.exp(-z)) - y) / len(x)
    return [cost], [w - RATE * (x.T @ d), b - RATE * d.sum()]


def logistic_inputs(case: Case, rng: Generator) -> list[Array]:
    x = rng.random(case.dims).astype(case.dtype)
    return [x, (rng.random(case.dims[0]) < 0.5).astype(case.dtype)]


workload(
    Workload(
        "mlp_step",
        sizes=((128,),),
        tiny=(4,),
        short=(128,),
        inputs=mlp_inputs,
        state=mlp_state,
        reference=mlp_step,
        traffic=mlp_traffic,
        flops=mlp_flops,
        rtol={"float32": 1e-3, "float64": 1e-8},
    )
)
workload(
    Workload(
        "logreg_step",
        sizes=((64, FEATURES),),
        tiny=(4, 12),
        short=(64, FEATURES),
        inputs=logistic_inputs,
        state=lambda case, rng: [np.zeros(case.dims[1], case.dtype), np.zeros((), case.dtype)],
        reference=logistic_step,
        traffic=lambda case: case.elements * case.itemsize,
        flops=lambda case: 4 * case.elements,
        rtol={"float32": 1e-3, "float64": 1e-8},
    )
)
