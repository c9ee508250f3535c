"""Numba as an expert writes it: fused loops by hand (`numba_kernels.py`), `prange` where there are two
threads, reassociation allowed. Variant `out`: the same kernels into a result that is reused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from benchmarks.harness.adapter import BasePeer, Program, Programs, Skip, blas_threads
from benchmarks.harness.case import Array, Case
from benchmarks.peers import numba_kernels as kernels
from benchmarks.workloads.graphs import chain, length
from benchmarks.workloads.indexing import RATE as EMBEDDING_RATE
from benchmarks.workloads.loops import NEWTON_TOLERANCE
from benchmarks.workloads.reductions import AXES
from benchmarks.workloads.science import ITERATIONS, SOFTENING, sweeps
from benchmarks.workloads.steps import RATE

PROGRAMS = Programs()
# Neither NaN nor infinity is assumed away: that would change results.
FAST = {"reassoc", "contract", "nsz"}


class Peer(BasePeer):
    programs = PROGRAMS

    def __init__(self, threads: int, variant: str = "") -> None:
        super().__init__(threads, variant)
        numba.set_num_threads(threads)

    def versions(self) -> dict[str, str]:
        import llvmlite

        return {"numba": numba.__version__, "llvmlite": llvmlite.__version__, "numpy": np.__version__}

    def threads(self) -> dict[str, int]:
        return {"numba": int(numba.get_num_threads()), **blas_threads()}

    def put(self, array: Array) -> Any:
        return array[()] if array.ndim == 0 else array

    def jit(self, f: Callable[..., Any], fast: Any = None) -> Any:
        return numba.njit(f, parallel=self.asked > 1, fastmath=FAST if fast is None else fast)

    def build(self, case: Case, state: Any, example: Any) -> Program:
        if self.variant == "out" and case.workload not in WITH_OUT:
            raise Skip("no program")
        return super().build(case, state, example)


WITH_OUT = ("elem12", "axpy", "transpose_add", "black_scholes", "softmax", "layernorm")


def fresh(kernel: Any, arity: int, like: int) -> Any:
    """`kernel` with a new result a call, of the shape of argument `like`, allocated in compiled code."""
    if arity == 1:

        def call1(x: Any) -> Any:
            out = np.empty_like(x)
            kernel(x, out)
            return out

        return numba.njit(call1)

    def call_first(x: Any, y: Any, z: Any) -> Any:
        out = np.empty_like(x)
        kernel(x, y, z, out)
        return out

    def call_last(x: Any, y: Any, z: Any) -> Any:
        out = np.empty_like(z)
        kernel(x, y, z, out)
        return out

    return numba.njit(call_first if like == 0 else call_last)


@PROGRAMS(*WITH_OUT)
def elementwise(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    kernel = peer.jit(getattr(kernels, case.workload))
    like = 2 if case.workload == "axpy" else 0  # its first argument is a scalar
    if peer.variant == "out":
        out = np.empty_like(example[like])
        return Program(kernel, extra=(out,), result=lambda: out)
    return fresh(kernel, len(example), like)


@PROGRAMS(
    *(f"{op}_{where}" for op in ("sum", "max", "argmax") for where in AXES),
    *[
        "variance",
        "outer_exp_sum",
        "logsumexp",
        "logsumexp_vjp",
        "softmax_vjp",
        "gemm",
        "gemm_bias_relu",
        "bmm",
    ],
    *["rnn", "lstm", "gather", "scatter_add", "kmeans", "maxpool"],
)
def plain(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return peer.jit(getattr(kernels, case.workload))


@PROGRAMS("call_add1", "call_fma")
def call(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return numba.njit(kernels.add1 if case.workload == "call_add1" else kernels.fma)


@PROGRAMS("layernorm_vjp", "newton", "jacobi", "nbody", "mandelbrot")
def with_constants(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    extra = {
        "layernorm_vjp": peer.asked,
        "newton": NEWTON_TOLERANCE,
        "jacobi": sweeps(case),
        "nbody": SOFTENING,
        "mandelbrot": ITERATIONS,
    }
    return Program(peer.jit(getattr(kernels, case.workload)), extra=(extra[case.workload],))


def held(call: Callable[..., Any], now: list[Array], state: list[Array]) -> Program:
    """A program that changes the arrays `now` in place."""

    def reset() -> None:
        for p, a in zip(now, state, strict=True):
            p[...] = a

    return Program(call, state=lambda: now, reset=reset)


@PROGRAMS("mlp_step")
def mlp_step(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    """BLAS for the products, hand loops between; parameters change in place."""
    w1, b1, w2, b2, w3, b3 = now = [a.copy() for a in state]
    names = ("tanh_bias", "tanh_back", "descend", "descend_bias", "cross_entropy_back")
    tanh_bias, tanh_back, descend, descend_bias, cross_entropy = (
        peer.jit(getattr(kernels, n)) for n in names
    )
    rate = w1.dtype.type(RATE)

    def step(x: Any, labels: Any, w1: Any, b1: Any, w2: Any, b2: Any, w3: Any, b3: Any) -> Any:
        h1 = np.dot(x, w1)
        tanh_bias(h1, b1)
        h2 = np.dot(h1, w2)
        tanh_bias(h2, b2)
        d3 = np.dot(h2, w3)
        cost = cross_entropy(d3, b3, labels)
        d2 = np.dot(d3, w3.T)
        tanh_back(d2, h2)
        d1 = np.dot(d2, w2.T)
        tanh_back(d1, h1)
        descend(w3, np.dot(h2.T, d3), rate)
        descend(w2, np.dot(h1.T, d2), rate)
        descend(w1, np.dot(x.T, d1), rate)
        descend_bias(b3, d3, rate)
        descend_bias(b2, d2, rate)
        descend_bias(b1, d1, rate)
        return cost

    compiled = numba.njit(step)
    return held(lambda x, labels: compiled(x, labels, w1, b1, w2, b2, w3, b3), now, state)


@PROGRAMS("logreg_step")
def logreg_step(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    """The sum over the rows is a chain: one thread."""
    w, b = state[0].copy(), state[1].copy()
    flat, rate = b.reshape(1), w.dtype.type(RATE)
    step = numba.njit(kernels.logreg_step, fastmath=FAST)
    return held(lambda x, y: step(x, y, w, flat, rate), [w, b], state)


@PROGRAMS("embed_sgd")
def embed_sgd(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    table = state[0].copy()
    step, rate = peer.jit(kernels.embed_sgd), table.dtype.type(EMBEDDING_RATE)
    return held(lambda ids, target: step(ids, target, table, rate), [table], state)


@PROGRAMS("graph")
def graph(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    """The straight-line text of the chain, one scalar a line, in one loop."""
    lines: list[str] = []
    chain(Line("v", lines), length(case), lambda line: line.made(f"math.tanh({line.name})"))
    text = "def kernel(x):\n    out = np.empty_like(x)\n    for i in range(x.size):\n        v = x[i]\n"
    text += "".join(f"        {line}\n" for line in lines)
    text += f"        out[i] = {lines[-1].split(' ')[0]}\n    return out\n"
    import math

    space: dict[str, Any] = {"np": np, "math": math}
    exec(text, space)
    return numba.njit(space["kernel"])


class Line:
    """A value of the chain as a line of Python."""

    def __init__(self, name: str, lines: list[str]) -> None:
        self.name, self.lines = name, lines

    def made(self, text: str) -> Line:
        name = f"t{len(self.lines)}"
        self.lines.append(f"{name} = {text}")
        return Line(name, self.lines)

    def binary(self, sign: str, other: Any) -> Line:
        return self.made(f"{self.name} {sign} {other.name if isinstance(other, Line) else other}")

    def __add__(self, other: Any) -> Line:
        return self.binary("+", other)

    def __sub__(self, other: Any) -> Line:
        return self.binary("-", other)

    def __mul__(self, other: Any) -> Line:
        return self.binary("*", other)
