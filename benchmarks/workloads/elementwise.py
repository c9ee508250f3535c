"""Calls, elementwise chains, Black-Scholes, a*x + y."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator

from benchmarks.harness.case import Array, Arrays, Case, Workload, workload

TRANSCENDENTAL = 20
RATE, VOLATILITY = 0.02, 0.3
TREE_RATE = 0.125


def normal(case: Case, rng: Generator, count: int) -> list[Array]:
    return [rng.standard_normal(case.dims).astype(case.dtype) for _ in range(count)]


def fma_reference(case: Case, inputs: Arrays, state: Arrays) -> tuple[list[Array], Arrays]:
    x, y, z = inputs
    return [x * y + z], ()


def tree_reference(case: Case, inputs: Arrays, state: Arrays) -> tuple[list[Array], Arrays]:
    w, b, x, y = inputs
    return [w - TREE_RATE * x, b - TREE_RATE * y], ()


def tree_call(step: Callable[..., Any]) -> Callable[..., list[Any]]:
    """Calls a step from a dictionary to a dictionary, with a number by name."""

    def call(w: Any, b: Any, x: Any, y: Any) -> list[Any]:
        new = step({"w": w, "b": b}, x, y, rate=TREE_RATE)
        return [new["w"], new["b"]]

    return call


def tree_step(p: dict[str, Any], x: Any, y: Any, *, rate: float) -> dict[str, Any]:
    """A step of gradient descent, the gradients given."""
    return {"w": p["w"] - rate * x, "b": p["b"] - rate * y}


def elem12(x: Array) -> Array:
    """Twelve operations, three of them transcendental and a square root."""
    a = np.exp(x * x * -0.5)
    b = np.log(np.abs(x) + 1.5)
    c = np.tanh(a * b + x)
    return c * 0.5 - np.sqrt(a)


def black_scholes_inputs(case: Case, rng: Generator) -> list[Array]:
    spot = rng.uniform(10, 100, case.dims)
    strike = rng.uniform(10, 100, case.dims)
    years = rng.uniform(0.1, 2, case.dims)
    return [a.astype(case.dtype) for a in (spot, strike, years)]


def black_scholes(case: Case, inputs: Arrays, state: Arrays) -> tuple[list[Array], Arrays]:
    """The price of a European call (Black and Scholes 1973, equation 13)."""
    from scipy.special import ndtr

    spot, strike, years = inputs
    spread = VOLATILITY * np.sqrt(years)
    d1 = (np.log(spot / strike) + (RATE + VOLATILITY**2 / 2) * years) / spread
    d2 = d1 - spread
    return [spot * ndtr(d1) - strike * np.exp(-RATE * years) * ndtr(d2)], ()


def axpy_inputs(case: Case, rng: Generator) -> list[Array]:
    return [np.asarray(rng.standard_normal(), case.dtype), *normal(case, rng, 2)]


workload(
    Workload(
        "call_add1",
        sizes=((8,),),
        tiny=(8,),
        short=(8,),
        dtypes=("float64",),
        threads=(1,),
        inputs=lambda case, rng: normal(case, rng, 1),
        reference=lambda case, inputs, state: ([inputs[0] + 1.0], ()),
        traffic=lambda case: 2 * case.elements * case.itemsize,
        flops=lambda case: case.elements,
    )
)
workload(
    Workload(
        "call_fma",
        sizes=((8,),),
        tiny=(8,),
        dtypes=("float64",),
        threads=(1,),
        inputs=lambda case, rng: normal(case, rng, 3),
        reference=fma_reference,
        traffic=lambda case: 4 * case.elements * case.itemsize,
        flops=lambda case: 2 * case.elements,
    )
)
workload(
    Workload(
        "call_tree",
        sizes=((8,),),
        tiny=(8,),
        short=(8,),
        dtypes=("float64",),
        threads=(1,),
        inputs=lambda case, rng: normal(case, rng, 4),
        reference=tree_reference,
        traffic=lambda case: 6 * case.elements * case.itemsize,
        flops=lambda case: 4 * case.elements,
    )
)
workload(
    Workload(
        "elem12",
        sizes=((10_000,), (1_000_000,), (10_000_000,)),
        tiny=(1000,),
        short=(1_000_000,),
        inputs=lambda case, rng: normal(case, rng, 1),
        reference=lambda case, inputs, state: ([elem12(inputs[0])], ()),
        traffic=lambda case: 2 * case.elements * case.itemsize,
        flops=lambda case: (3 * TRANSCENDENTAL + 9) * case.elements,
    )
)
workload(
    Workload(
        "black_scholes",
        sizes=((1_000_000,),),
        tiny=(1000,),
        short=(1_000_000,),
        inputs=black_scholes_inputs,
        reference=black_scholes,
        traffic=lambda case: 4 * case.elements * case.itemsize,
        flops=lambda case: (4 * TRANSCENDENTAL + 15) * case.elements,
    )
)
workload(
    Workload(
        "axpy",
        sizes=((10_000_000,),),
        tiny=(1000,),
        short=(10_000_000,),
        inputs=axpy_inputs,
        reference=fma_reference,
        traffic=lambda case: 3 * case.elements * case.itemsize,
        flops=lambda case: 2 * case.elements,
    )
)
