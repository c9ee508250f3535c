"""Row kernels with their gradients: logsumexp, softmax, layer norm over axis 1."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from benchmarks.harness.case import Array, Arrays, Case, Workload, workload
from benchmarks.workloads.elementwise import TRANSCENDENTAL, normal

SIZE, TINY = (4096, 1024), (8, 24)
EPSILON = 1e-5


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def logsumexp(x: Array) -> Array:
    largest = x.max(axis=1, keepdims=True)
    return (largest + np.log(np.exp(x - largest).sum(axis=1, keepdims=True)))[:, 0]


def softmax_vjp(x: Array, g: Array) -> Array:
    p = softmax(x)
    return p * (g - (p * g).sum(axis=1, keepdims=True))


def normalised(x: Array) -> tuple[Array, Array]:
    """The rows with mean 0 and variance 1, and the reciprocal deviations."""
    centred = x - x.mean(axis=1, keepdims=True)
    r = 1 / np.sqrt((centred * centred).mean(axis=1, keepdims=True) + EPSILON)
    return centred * r, r


def layernorm_vjp(x: Array, weight: Array, bias: Array, g: Array) -> list[Array]:
    n, r = normalised(x)
    d = g * weight
    dx = r * (d - d.mean(axis=1, keepdims=True) - n * (d * n).mean(axis=1, keepdims=True))
    return [dx, (g * n).sum(axis=0), g.sum(axis=0)]


def layernorm_inputs(case: Case, rng: Generator) -> list[Array]:
    weight, bias = (rng.standard_normal(case.dims[1]).astype(case.dtype) for _ in range(2))
    return [*normal(case, rng, 1), weight, bias]


def layernorm(case: Case, inputs: Arrays, state: Arrays) -> tuple[list[Array], Arrays]:
    x, weight, bias = inputs
    return [normalised(x)[0] * weight + bias], ()


workload(
    Workload(
        "logsumexp",
        sizes=(SIZE,),
        tiny=TINY,
        short=SIZE,
        inputs=lambda case, rng: normal(case, rng, 1),
        reference=lambda case, inputs, state: ([logsumexp(inputs[0])], ()),
        traffic=lambda case: case.elements * case.itemsize,
        flops=lambda case: (TRANSCENDENTAL + 3) * case.elements,
    )
)
workload(
    Workload(
        "logsumexp_vjp",
        sizes=(SIZE,),
        tiny=TINY,
        inputs=lambda case, rng: [
            *normal(case, rng, 1),
            rng.standard_normal(case.dims[0]).astype(case.dtype),
        ],
        reference=lambda case, inputs, state: ([softmax(inputs[0]) * inputs[1][:, None]], ()),
        traffic=lambda case: 2 * case.elements * case.itemsize,
        flops=lambda case: (TRANSCENDENTAL + 5) * case.elements,
    )
)
workload(
    Workload(
        "softmax",
        sizes=(SIZE,),
        tiny=TINY,
        short=SIZE,
        inputs=lambda case, rng: normal(case, rng, 1),
        reference=lambda case, inputs, state: ([softmax(inputs[0])], ()),
        traffic=lambda case: 2 * case.elements * case.itemsize,
        flops=lambda case: (TRANSCENDENTAL + 4) * case.elements,
    )
)
workload(
    Workload(
        "softmax_vjp",
        sizes=(SIZE,),
        tiny=TINY,
        inputs=lambda case, rng: normal(case, rng, 2),
        reference=lambda case, inputs, state: ([softmax_vjp(*inputs)], ()),
        traffic=lambda case: 3 * case.elements * case.itemsize,
        flops=lambda case: (TRANSCENDENTAL + 8) * case.elements,
    )
)
workload(
    Workload(
        "layernorm",
        sizes=(SIZE,),
        tiny=TINY,
        short=SIZE,
        inputs=layernorm_inputs,
        reference=layernorm,
        traffic=lambda case: 2 * case.elements * case.itemsize,
        flops=lambda case: 8 * case.elements,
    )
)
workload(
    Workload(
        "layernorm_vjp",
        sizes=(SIZE,),
        tiny=TINY,
        inputs=lambda case, rng: [*layernorm_inputs(case, rng), *normal(case, rng, 1)],
        reference=lambda case, inputs, state: (layernorm_vjp(*inputs), ()),
        traffic=lambda case: 3 * case.elements * case.itemsize,
        flops=lambda case: 18 * case.elements,
    )
)
