"""Gaussian-process likelihood with gradient, Jacobi stencil, k-means assignment, n-body, Mandelbrot."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from benchmarks.harness.case import Array, Arrays, Case, Workload, workload
from benchmarks.workloads.elementwise import TRANSCENDENTAL

FEATURES = 8
SWEEPS, TINY_SWEEPS = 100, 3
ITERATIONS = 50
SOFTENING = 1e-2


def sweeps(case: Case) -> int:
    return SWEEPS if case.dims[0] > 100 else TINY_SWEEPS


def gp_inputs(case: Case, rng: Generator) -> list[Array]:
    """x, y, and log length scale, log variance, log noise."""
    n = case.dims[0]
    hyper = rng.uniform(-0.5, 0.5, 3) + np.array([0.5, 0.0, -2.0])
    return [a.astype(case.dtype) for a in (rng.standard_normal((n, FEATURES)), rng.standard_normal(n), hyper)]


def gp_lml(case: Case, inputs: Arrays, state: Arrays) -> tuple[list[Array], Arrays]:
    """Log marginal likelihood of a squared-exponential kernel and its gradient for the three logarithms
    (Rasmussen and Williams 2006, equations 5.8 and 5.9).
    """
    x, y, (length, variance, noise) = inputs
    squares = ((x[:, None] - x[None]) ** 2).sum(-1) / np.exp(2 * length)
    kernel = np.exp(variance) * np.exp(-0.5 * squares)
    k = kernel + np.exp(noise) * np.eye(len(x))
    inverse = np.linalg.inv(k)
    alpha = inverse @ y
    value = -0.5 * y @ alpha - 0.5 * np.linalg.slogdet(k)[1] - 0.5 * len(x) * np.log(2 * np.pi)
    inner = np.outer(alpha, alpha) - inverse
    parts = [kernel * squares, kernel, np.exp(noise) * np.eye(len(x))]
    return [value, np.array([0.5 * np.sum(inner * p) for p in parts])], ()


def jacobi(case: Case, inputs: Arrays, state: Arrays) -> tuple[list[Array], Arrays]:
    """Each inner point the mean of its four neighbours; the border stays."""
    u = inputs[0].copy()
    for _ in range(sweeps(case)):
        u[1:-1, 1:-1] = 0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:])
    return [u], ()


def kmeans(case: Case, inputs: Arrays, state: Arrays) -> tuple[list[Array], Arrays]:
    """The nearest centre of every point."""
    x, centres = inputs
    return [np.argmin((centres * centres).sum(1) - 2 * x @ centres.T, axis=1)], ()


def kmeans_inputs(case: Case, rng: Generator) -> list[Array]:
    points, features, centres = case.dims
    return [rng.standard_normal((n, features)).astype(case.dtype) for n in (points, centres)]


def nbody(case: Case, inputs: Arrays, state: Arrays) -> tuple[list[Array], Arrays]:
    """Accelerations under gravity, softened."""
    position, mass = inputs
    out = np.empty_like(position)
    for i, p in enumerate(position):
        d = position - p
        out[i] = (d * (mass * ((d * d).sum(1) + SOFTENING) ** -1.5)[:, None]).sum(0)
    return [out], ()


def nbody_inputs(case: Case, rng: Generator) -> list[Array]:
    n = case.dims[0]
    return [rng.standard_normal((n, 3)).astype(case.dtype), rng.uniform(0.5, 1.5, n).astype(case.dtype)]


def mandelbrot_inputs(case: Case, rng: Generator) -> list[Array]:
    """Real and imaginary parts of the points, moved a little from set to set."""
    n = case.dims[0]
    dx, dy = rng.uniform(-0.01, 0.01, 2)
    return [np.linspace(-2.2 + dx, 0.8 + dx, n), np.linspace(-1.5 + dy, 1.5 + dy, n)]


def mandelbrot(case: Case, inputs: Arrays, state: Arrays) -> tuple[list[Array], Arrays]:
    """In how many of the first ITERATIONS iterates z -> z^2 + c stays within 2."""
    re, im = inputs
    c = re[None, :] + 1j * im[:, None]
    z, count = np.zeros_like(c), np.zeros(c.shape)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(ITERATIONS):
            z = z * z + c
            count += z.real**2 + z.imag**2 <= 4.0
    return [count], ()


workload(
    Workload(
        "gp_lml",
        sizes=((256,),),
        tiny=(12,),
        dtypes=("float64",),
        inputs=gp_inputs,
        reference=gp_lml,
        traffic=lambda case: case.dims[0] * (FEATURES + 1) * case.itemsize,
        flops=lambda case: case.dims[0] ** 3 + case.dims[0] ** 2 * (TRANSCENDENTAL + 3 * FEATURES + 12),
        rtol={"float64": 1e-7},
    )
)
workload(
    Workload(
        "jacobi",
        sizes=((1024, 1024),),
        tiny=(12, 16),
        dtypes=("float32",),
        inputs=lambda case, rng: [rng.standard_normal(case.dims).astype(case.dtype)],
        reference=jacobi,
        traffic=lambda case: 2 * sweeps(case) * case.elements * case.itemsize,
        flops=lambda case: 4 * sweeps(case) * case.elements,
        rtol={"float32": 1e-3},
    )
)
workload(
    Workload(
        "kmeans",
        sizes=((10_000, 64, 100),),
        tiny=(20, 4, 3),
        dtypes=("float32",),
        inputs=kmeans_inputs,
        reference=kmeans,
        traffic=lambda case: (case.dims[0] + case.dims[2]) * case.dims[1] * case.itemsize + 8 * case.dims[0],
        flops=lambda case: 2 * case.elements,
        mismatch=1e-3,
    )
)
workload(
    Workload(
        "nbody",
        sizes=((1000,),),
        tiny=(12,),
        dtypes=("float64",),
        inputs=nbody_inputs,
        reference=nbody,
        traffic=lambda case: 7 * case.dims[0] * case.itemsize,
        flops=lambda case: 20 * case.dims[0] ** 2,
        rtol={"float64": 1e-8},
    )
)
workload(
    Workload(
        "mandelbrot",
        sizes=((512,),),
        tiny=(16,),
        dtypes=("float64",),
        inputs=mandelbrot_inputs,
        reference=mandelbrot,
        traffic=lambda case: case.dims[0] ** 2 * case.itemsize,
        flops=lambda case: 10 * case.dims[0] ** 2,  # one iteration: most points leave early
        mismatch=1e-3,
    )
)
