"""Embeddings: gather, scatter-add, and a step of SGD that touches only the rows used."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from benchmarks.harness.case import Array, Arrays, Case, Workload, workload

IDS, TINY_IDS = 4096, 12
RATE = 0.01


def count(case: Case) -> int:
    return IDS if case.dims[0] > 1000 else TINY_IDS


def ids(case: Case, rng: Generator) -> Array:
    return rng.integers(0, case.dims[0], count(case))


def table(case: Case, rng: Generator) -> Array:
    return rng.standard_normal(case.dims).astype(case.dtype)


def rows(case: Case, rng: Generator) -> Array:
    return rng.standard_normal((count(case), case.dims[1])).astype(case.dtype)


def scatter_add(case: Case, inputs: Arrays, state: Arrays) -> tuple[list[Array], Arrays]:
    """A new table: the old one with rows added, repeated ids as often as they occur."""
    old, where, values = inputs
    new = old.copy()
    np.add.at(new, where, values)
    return [new], ()


def embed_sgd(case: Case, inputs: Arrays, state: Arrays) -> tuple[list[Array], list[Array]]:
    """A step on the sum of (row - target)^2 / 2."""
    where, target = inputs
    new = state[0].copy()
    difference = state[0][where] - target
    np.add.at(new, where, -RATE * difference)
    return [0.5 * np.sum(difference * difference)], [new]


def touched(case: Case) -> float:
    return count(case) * case.dims[1] * case.itemsize


workload(
    Workload(
        "gather",
        sizes=((50_000, 64),),
        tiny=(20, 8),
        short=(50_000, 64),
        dtypes=("float32",),
        inputs=lambda case, rng: [table(case, rng), ids(case, rng)],
        reference=lambda case, inputs, state: ([inputs[0][inputs[1]]], ()),
        traffic=lambda case: 2 * touched(case) + 8 * count(case),
        flops=lambda case: 0,
    )
)
workload(
    Workload(
        "scatter_add",
        sizes=((50_000, 64),),
        tiny=(20, 8),
        dtypes=("float32",),
        inputs=lambda case, rng: [table(case, rng), ids(case, rng), rows(case, rng)],
        reference=scatter_add,
        traffic=lambda case: 2 * case.elements * case.itemsize + touched(case) + 8 * count(case),
        flops=lambda case: count(case) * case.dims[1],
    )
)
workload(
    Workload(
        "embed_sgd",
        sizes=((50_000, 64),),
        tiny=(20, 8),
        dtypes=("float32",),
        inputs=lambda case, rng: [ids(case, rng), rows(case, rng)],
        state=lambda case, rng: [table(case, rng)],
        reference=embed_sgd,
        traffic=lambda case: 3 * touched(case) + 8 * count(case),
        flops=lambda case: 5 * count(case) * case.dims[1],
        rtol={"float32": 1e-3},
    )
)
