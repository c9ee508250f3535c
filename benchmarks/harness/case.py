"""What is measured: a `Workload` and its `Case`s. Imported by the parent and by every worker, so NumPy
only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Arrays = tuple[Array, ...]
SHORT = {"float32": "f32", "float64": "f64"}
MODULES = (
    "elementwise",
    "reductions",
    "rows",
    "products",
    "steps",
    "loops",
    "indexing",
    "science",
    "neural",
    "graphs",
)


@dataclass(frozen=True)
class Case:
    """One row: a workload at one size and element type."""

    workload: str
    dims: tuple[int, ...]
    dtype: str

    @property
    def name(self) -> str:
        return f"{self.workload}/{SHORT[self.dtype]}/{'x'.join(map(extent, self.dims))}"

    @property
    def itemsize(self) -> int:
        return np.dtype(self.dtype).itemsize

    @property
    def elements(self) -> int:
        return math.prod(self.dims)


def extent(n: int) -> str:
    """10000 as 1e4: the sizes of elementwise rows are powers of ten."""
    power = round(math.log10(n)) if n > 0 else 0
    return f"1e{power}" if power >= 4 and n == 10**power else str(n)


@dataclass(frozen=True)
class Reference:
    """What is right, in float64: the outputs of the calls in order, and the state after them."""

    outputs: list[list[Array]]
    state: list[Array] = field(default_factory=list)


@dataclass(frozen=True)
class Workload:
    """A computation. `inputs` gives one random set of inputs; calls rotate between several sets.

    `reference(case, inputs, state)` returns outputs and new state, computed in float64. `traffic` is the
    bytes a call cannot avoid reading and writing, `flops` what it cannot avoid computing, an exp, log, tanh,
    erf, sin or cos counted as 20. `mismatch` is the share of elements of an integer-like result that may
    differ.
    """

    name: str
    sizes: tuple[tuple[int, ...], ...]
    tiny: tuple[int, ...]
    inputs: Callable[[Case, np.random.Generator], Sequence[Array]]
    reference: Callable[[Case, Arrays, Arrays], tuple[Sequence[Any], Sequence[Any]]]
    traffic: Callable[[Case], float]
    flops: Callable[[Case], float]
    dtypes: tuple[str, ...] = ("float32", "float64")
    state: Callable[[Case, np.random.Generator], Sequence[Array]] | None = None
    rtol: dict[str, float] = field(default_factory=dict)
    mismatch: float = 0.0
    threads: tuple[int, ...] = (1, 2)
    short: tuple[int, ...] | None = None

    def cases(self, quick: bool = False) -> list[Case]:
        sizes = (self.tiny,) if quick else self.sizes
        return [Case(self.name, dims, dtype) for dims in sizes for dtype in self.dtypes]


WORKLOADS: dict[str, Workload] = {}


def workload(w: Workload) -> Workload:
    """Enter a workload into the list."""
    assert w.name not in WORKLOADS, w.name
    WORKLOADS[w.name] = w
    return w


def load() -> dict[str, Workload]:
    """All workloads, in the order of the table."""
    from importlib import import_module

    for module in MODULES:
        import_module(f"benchmarks.workloads.{module}")
    return WORKLOADS


def wide(arrays: Sequence[Array]) -> Arrays:
    """The same values in float64; integers stay."""
    return tuple(a.astype(np.float64) if a.dtype.kind == "f" else a for a in arrays)


def references(w: Workload, case: Case, variants: Sequence[Arrays], state: Arrays) -> Reference:
    """Replay the calls a worker makes when it prepares: one with every set of inputs, in order."""
    outputs, current = [], wide(state)
    for arrays in variants:
        result, current = w.reference(case, wide(arrays), tuple(current))
        outputs.append([np.asarray(a) for a in result])
    return Reference(outputs, [np.asarray(a) for a in current])


def draw(w: Workload, case: Case, sets: int, seed: int = 0) -> tuple[list[Arrays], Arrays]:
    """`sets` random sets of inputs, and the initial state."""
    rng = np.random.default_rng(seed)
    variants = [tuple(np.asarray(a) for a in w.inputs(case, rng)) for _ in range(sets)]
    return variants, tuple(w.state(case, rng)) if w.state else ()
