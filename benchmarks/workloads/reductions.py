"""Variance in two passes; sum, max and argmax over axis 0, axis 1 and all; outer sum; transpose."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from benchmarks.harness.case import Array, Arrays, Case, Workload, workload
from benchmarks.workloads.elementwise import TRANSCENDENTAL, normal

AXES: dict[str, int | None] = {"axis0": 0, "axis1": 1, "all": None}
REDUCTIONS: dict[str, Callable[..., Array]] = {"sum": np.sum, "max": np.max, "argmax": np.argmax}

SHORT = (("sum", "axis0"), ("max", "all"), ("argmax", "axis0"))
"""Those of the short run: where peers are furthest apart."""


def outer_exp_sum(case: Case, inputs: Arrays, state: Arrays) -> tuple[list[Array], Arrays]:
    x, y = inputs
    return [np.exp(x[:, None] + y[None, :]).sum(axis=1)], ()


workload(
    Workload(
        "variance",
        sizes=((10_000_000,),),
        tiny=(1000,),
        short=(10_000_000,),
        inputs=lambda case, rng: [a + 3 for a in normal(case, rng, 1)],
        reference=lambda case, inputs, state: ([np.mean((inputs[0] - np.mean(inputs[0])) ** 2)], ()),
        traffic=lambda case: 2 * case.elements * case.itemsize,  # two passes over more than the caches hold
        flops=lambda case: 4 * case.elements,
    )
)


def reduced(case: Case, rng: Generator) -> list[Array]:
    """Positive terms: a sum near zero would make every relative error large. (Not for argmax: float32 has so
    few numbers below 1 that the largest would occur twice.)
    """
    return [rng.random(case.dims).astype(case.dtype)]


def reduction(op: str, where: str) -> None:
    axis = AXES[where]
    workload(
        Workload(
            f"{op}_{where}",
            sizes=((4096, 4096),),
            tiny=(32, 48),
            short=(4096, 4096) if (op, where) in SHORT else None,
            inputs=reduced if op == "sum" else lambda case, rng: normal(case, rng, 1),
            reference=lambda case, inputs, state: ([REDUCTIONS[op](inputs[0], axis=axis)], ()),
            traffic=lambda case: case.elements * case.itemsize,
            flops=lambda case: case.elements,
        )
    )


for _op in REDUCTIONS:
    for _where in AXES:
        reduction(_op, _where)

workload(
    Workload(
        "outer_exp_sum",
        sizes=((4096, 4096),),
        tiny=(16, 24),
        inputs=lambda case, rng: [rng.standard_normal(n).astype(case.dtype) for n in case.dims],
        reference=outer_exp_sum,
        traffic=lambda case: (2 * case.dims[0] + case.dims[1]) * case.itemsize,
        flops=lambda case: (TRANSCENDENTAL + 2) * case.elements,
    )
)
workload(
    Workload(
        "transpose_add",
        sizes=((4096, 4096),),
        tiny=(48, 48),
        short=(4096, 4096),
        inputs=lambda case, rng: normal(case, rng, 1),
        reference=lambda case, inputs, state: ([inputs[0].T + inputs[0]], ()),
        traffic=lambda case: 2 * case.elements * case.itemsize,
        flops=lambda case: case.elements,
    )
)
