"""Graphs of 10 to 10,000 operations: what compiling costs. Their calls are cheap on purpose."""

from __future__ import annotations

import numpy as np

from benchmarks.harness.case import Array, Case, Workload, workload
from benchmarks.workloads.elementwise import normal

ELEMENTS = 1000


def length(case: Case) -> int:
    """The number of operations: the last of the case's dimensions."""
    return case.dims[1]


def chain(x: Array, operations: int, tanh: object = np.tanh) -> Array:
    """Additions, products, tanh and maxima in turns; every step also uses a value from earlier on. `x` is
    anything with operators, `tanh` the function for it.
    """
    y, earlier = x, x
    for i in range(operations // 2):
        if i % 3 == 0:
            y, earlier = y * 0.5 + earlier, y
        elif i % 3 == 1:
            y = tanh(y) - 0.25  # type: ignore[operator]
        else:
            y, earlier = y * earlier - x, y
    return y


workload(
    Workload(
        "graph",
        sizes=tuple((ELEMENTS, n) for n in (10, 100, 1000, 10_000)),
        tiny=(16, 12),
        dtypes=("float64",),
        threads=(1,),
        inputs=lambda case, rng: [
            a[: case.dims[0], 0] for a in normal(Case("", (case.dims[0], 1), case.dtype), rng, 1)
        ],
        reference=lambda case, inputs, state: ([chain(inputs[0], length(case))], ()),
        traffic=lambda case: 2 * case.dims[0] * case.itemsize,
        flops=lambda case: case.dims[0] * length(case),
        rtol={"float64": 1e-6},
    )
)
