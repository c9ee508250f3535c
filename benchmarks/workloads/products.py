"""Matrix products: plain, with bias and relu, batched."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from benchmarks.harness.case import Array, Arrays, Case, Workload, workload


def square_inputs(case: Case, rng: Generator) -> list[Array]:
    n = case.dims[0]
    return [rng.standard_normal((n, n)).astype(case.dtype) for _ in range(2)]


def bias_relu(case: Case, inputs: Arrays, state: Arrays) -> tuple[list[Array], Arrays]:
    a, b, bias = inputs
    return [np.maximum(a @ b + bias, 0)], ()


# The tolerance is relative to the largest element; terms of both signs cancel in a product.
RTOL = {"float32": 1e-3, "float64": 1e-9}

workload(
    Workload(
        "gemm",
        sizes=((64,), (512,), (2048,)),
        tiny=(24,),
        short=(512,),
        inputs=square_inputs,
        reference=lambda case, inputs, state: ([inputs[0] @ inputs[1]], ()),
        traffic=lambda case: 3 * case.dims[0] ** 2 * case.itemsize,
        flops=lambda case: 2 * case.dims[0] ** 3,
        rtol=RTOL,
    )
)
workload(
    Workload(
        "gemm_bias_relu",
        sizes=((512,),),
        tiny=(24,),
        inputs=lambda case, rng: [
            *square_inputs(case, rng),
            rng.standard_normal(case.dims[0]).astype(case.dtype),
        ],
        reference=bias_relu,
        traffic=lambda case: 3 * case.dims[0] ** 2 * case.itemsize,
        flops=lambda case: 2 * case.dims[0] ** 3 + 2 * case.dims[0] ** 2,
        rtol=RTOL,
    )
)
workload(
    Workload(
        "bmm",
        sizes=((64, 64, 64),),
        tiny=(3, 16, 16),
        inputs=lambda case, rng: [rng.standard_normal(case.dims).astype(case.dtype) for _ in range(2)],
        reference=lambda case, inputs, state: ([inputs[0] @ inputs[1]], ()),
        traffic=lambda case: 3 * case.elements * case.itemsize,
        flops=lambda case: 2 * case.elements * case.dims[-1],
        rtol=RTOL,
    )
)
