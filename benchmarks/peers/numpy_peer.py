"""NumPy as its experts write it, without `out=` gymnastics. BLAS threads by OPENBLAS_NUM_THREADS, the rest
has one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.harness.adapter import BasePeer, Program, Programs, blas_threads
from benchmarks.harness.case import WORKLOADS, Case, load
from benchmarks.workloads import elementwise, reductions

PROGRAMS = Programs()
load()


class Peer(BasePeer):
    programs = PROGRAMS

    def versions(self) -> dict[str, str]:
        return {"numpy": np.__version__}

    def threads(self) -> dict[str, int]:
        return {"ufuncs": 1, **blas_threads()}


@PROGRAMS("call_add1")
def call_add1(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return Program(np.add, extra=(1.0,))


@PROGRAMS("call_tree")
def call_tree(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return elementwise.tree_call(elementwise.tree_step)


@PROGRAMS("call_fma", "axpy")
def call_fma(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return lambda x, y, z: x * y + z


@PROGRAMS("elem12")
def elem12(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return elementwise.elem12


@PROGRAMS("variance")
def variance(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return np.var


@PROGRAMS(*(f"{op}_{where}" for op in ("sum", "max", "argmax") for where in reductions.AXES))
def reduction(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    op, where = case.workload.split("_")
    f, axis = reductions.REDUCTIONS[op], reductions.AXES[where]
    return lambda x: f(x, axis=axis)


@PROGRAMS("gemm", "bmm")
def gemm(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return np.matmul


@PROGRAMS("mlp_step", "logreg_step", "embed_sgd")
def step(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    reference = WORKLOADS[case.workload].reference
    now = list(state)

    def call(*inputs: Any) -> Any:
        nonlocal now
        outputs, now = reference(case, inputs, tuple(now))  # type: ignore[assignment]
        return outputs

    def reset() -> None:
        nonlocal now
        now = list(state)

    return Program(call, state=lambda: now, reset=reset)


@PROGRAMS("mandelbrot", "nbody")
def no_loops(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return {"mandelbrot": _mandelbrot, "nbody": _nbody}[case.workload]


def _mandelbrot(re: Any, im: Any) -> Any:
    from benchmarks.workloads.science import ITERATIONS

    zr = zi = count = np.zeros((len(im), len(re)))
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(ITERATIONS):
            zr, zi = zr * zr - zi * zi + re, 2 * zr * zi + im[:, None]
            count = count + (zr * zr + zi * zi <= 4.0)
    return count


def _nbody(position: Any, mass: Any) -> Any:
    from benchmarks.workloads.science import SOFTENING

    d = position[None] - position[:, None]
    pull = mass * ((d * d).sum(2) + SOFTENING) ** -1.5
    return (d * pull[:, :, None]).sum(1)


@PROGRAMS(
    *[
        "black_scholes",
        "logsumexp",
        "logsumexp_vjp",
        "softmax",
        "softmax_vjp",
        "layernorm",
        "layernorm_vjp",
        "outer_exp_sum",
        "transpose_add",
        "gemm_bias_relu",
        "rnn",
        "lstm",
        "lstm_grad",
        "newton",
        "gather",
        "scatter_add",
        "gp_lml",
        "jacobi",
        "kmeans",
        "transformer",
        "transformer_grad",
        "conv2d",
        "maxpool",
        "graph",
    ]
)
def as_the_reference(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    """The reference is written the NumPy way; here it computes in the dtype of the row."""
    reference = WORKLOADS[case.workload].reference
    return lambda *inputs: reference(case, inputs, ())[0]
