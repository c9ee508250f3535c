"""PyTensor: its default (Numba) linker, and with variant `CVM` the virtual machine with C code that Theano
had.

Inputs are passed with `borrow`, updates stay in shared variables. It has no convolution or pooling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt

from benchmarks.harness.adapter import BasePeer, Program, Programs, blas_threads
from benchmarks.harness.case import Array, Case
from benchmarks.workloads.elementwise import RATE as INTEREST
from benchmarks.workloads.elementwise import VOLATILITY
from benchmarks.workloads.graphs import chain, length
from benchmarks.workloads.indexing import RATE as EMBEDDING_RATE
from benchmarks.workloads.loops import NEWTON_TOLERANCE
from benchmarks.workloads.neural import HEADS, PARAMETERS
from benchmarks.workloads.reductions import AXES
from benchmarks.workloads.rows import EPSILON
from benchmarks.workloads.science import ITERATIONS, SOFTENING, sweeps
from benchmarks.workloads.steps import RATE

PROGRAMS = Programs()


class Peer(BasePeer):
    programs = PROGRAMS

    def versions(self) -> dict[str, str]:
        return {"pytensor": pytensor.__version__, "mode": self.variant or "NUMBA", "numpy": np.__version__}

    def threads(self) -> dict[str, int]:
        return {"kernels": 1, **blas_threads()}

    def compiled(self, inputs: Sequence[Any], outputs: Any, updates: Any = None) -> Any:
        mode = self.variant or None
        ins = [pytensor.In(v, borrow=True) for v in inputs]
        return pytensor.function(ins, outputs, updates=updates, mode=mode, trust_input=True)


def symbols(example: Sequence[Array]) -> list[Any]:
    return [pt.tensor(f"input{i}", dtype=str(a.dtype), shape=(None,) * a.ndim) for i, a in enumerate(example)]


def built(peer: Peer, expression: Callable[..., Any], example: Sequence[Array]) -> Any:
    inputs = symbols(example)
    return peer.compiled(inputs, expression(*inputs))


def real(value: float, like: Any) -> Any:
    """A constant of the row's dtype."""
    return np.asarray(value, dtype=like.dtype)


@PROGRAMS("call_add1")
def call_add1(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return built(peer, lambda x: x + 1, example)


@PROGRAMS("call_fma", "axpy")
def call_fma(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return built(peer, lambda x, y, z: x * y + z, example)


@PROGRAMS("elem12")
def elem12(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def f(x: Any) -> Any:
        a = pt.exp(x * x * real(-0.5, x))
        b = pt.log(abs(x) + real(1.5, x))
        return pt.tanh(a * b + x) * real(0.5, x) - pt.sqrt(a)

    return built(peer, f, example)


@PROGRAMS("black_scholes")
def black_scholes(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def f(spot: Any, strike: Any, years: Any) -> Any:
        def normal(d: Any) -> Any:
            return real(0.5, d) * (real(1.0, d) + pt.erf(d * real(2**-0.5, d)))

        spread = real(VOLATILITY, years) * pt.sqrt(years)
        d1 = (pt.log(spot / strike) + real(INTEREST + VOLATILITY**2 / 2, years) * years) / spread
        return spot * normal(d1) - strike * pt.exp(real(-INTEREST, years) * years) * normal(d1 - spread)

    return built(peer, f, example)


@PROGRAMS("variance")
def variance(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return built(peer, lambda x: pt.var(x), example)


@PROGRAMS(*(f"{op}_{where}" for op in ("sum", "max", "argmax") for where in AXES))
def reduction(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    op, where = case.workload.split("_")
    return built(peer, lambda x: getattr(pt, op)(x, axis=AXES[where]), example)


@PROGRAMS("outer_exp_sum")
def outer_exp_sum(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return built(peer, lambda x, y: pt.exp(x[:, None] + y[None, :]).sum(axis=1), example)


@PROGRAMS("transpose_add")
def transpose_add(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return built(peer, lambda x: x.T + x, example)


@PROGRAMS("logsumexp")
def logsumexp(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return built(peer, lambda x: pt.logsumexp(x, axis=1), example)


@PROGRAMS("logsumexp_vjp")
def logsumexp_vjp(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return built(peer, lambda x, g: pt.grad(pt.sum(pt.logsumexp(x, axis=1) * g), x), example)


@PROGRAMS("softmax")
def softmax(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return built(peer, lambda x: pt.special.softmax(x, axis=1), example)


@PROGRAMS("softmax_vjp")
def softmax_vjp(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return built(peer, lambda x, g: pt.grad(pt.sum(pt.special.softmax(x, axis=1) * g), x), example)


def mean(x: Any) -> Any:
    """pt.mean widens float32 by the division with an int64 count."""
    return pt.sum(x, axis=-1, keepdims=True) / pt.cast(x.shape[-1], x.dtype)


def layer_norm(x: Any, weight: Any, bias: Any) -> Any:
    centred = x - mean(x)
    return centred / pt.sqrt(mean(centred * centred) + real(EPSILON, x)) * weight + bias


@PROGRAMS("layernorm")
def layernorm(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return built(peer, layer_norm, example)


@PROGRAMS("layernorm_vjp")
def layernorm_vjp(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def f(x: Any, weight: Any, bias: Any, g: Any) -> Any:
        return pt.grad(pt.sum(layer_norm(x, weight, bias) * g), [x, weight, bias])

    return built(peer, f, example)


@PROGRAMS("gemm", "bmm")
def gemm(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return built(peer, pt.matmul, example)


@PROGRAMS("gemm_bias_relu")
def gemm_bias_relu(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return built(peer, lambda a, b, bias: pt.maximum(pt.dot(a, b) + bias, real(0, a)), example)


def held(f: Any, shared: Sequence[Any], state: Sequence[Array]) -> Program:
    def reset() -> None:
        for p, a in zip(shared, state, strict=True):
            p.set_value(a)

    return Program(f, state=lambda: [p.get_value() for p in shared], reset=reset)


def stepping(peer: Peer, example: Sequence[Array], state: Sequence[Array], cost: Any, rate: float) -> Program:
    inputs = symbols(example)
    shared = [pytensor.shared(a, f"p{i}") for i, a in enumerate(state)]
    value = cost(inputs, shared)
    found = pt.grad(value, shared)
    updates = [(p, p - real(rate, p) * g) for p, g in zip(shared, found, strict=True)]
    return held(peer.compiled(inputs, value, updates), shared, state)


@PROGRAMS("mlp_step")
def mlp_step(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def cost(inputs: list[Any], p: list[Any]) -> Any:
        x, labels = inputs
        h = pt.tanh(pt.dot(x, p[0]) + p[1])
        h = pt.tanh(pt.dot(h, p[2]) + p[3])
        logp = pt.special.log_softmax(pt.dot(h, p[4]) + p[5], axis=1)
        picked = logp[pt.arange(logp.shape[0]), labels]
        return -pt.sum(picked) / pt.cast(picked.shape[0], picked.dtype)

    return stepping(peer, example, state, cost, RATE)


@PROGRAMS("logreg_step")
def logreg_step(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def cost(inputs: list[Any], p: list[Any]) -> Any:
        x, y = inputs
        z = pt.dot(x, p[0]) + p[1]
        return pt.sum(pt.softplus(z) - y * z) / pt.cast(z.shape[0], z.dtype)

    return stepping(peer, example, state, cost, RATE)


@PROGRAMS("rnn")
def rnn(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def f(xs: Any, w: Any) -> Any:
        return pytensor.scan(
            lambda x, h, w: pt.tanh(w * h + x),
            sequences=xs,
            outputs_info=pt.zeros_like(w),
            non_sequences=w,
            return_updates=False,
        )

    return built(peer, f, example)


def lstm_states(x: Any, wx: Any, wh: Any, b: Any) -> Any:
    hidden = wh.shape[0]

    def step(zx: Any, h: Any, c: Any, wh: Any) -> Any:
        z = zx + pt.dot(h, wh)
        i, f, g, o = (z[:, k * hidden : (k + 1) * hidden] for k in range(4))
        c = pt.sigmoid(f) * c + pt.sigmoid(i) * pt.tanh(g)
        return pt.sigmoid(o) * pt.tanh(c), c

    zero = pt.zeros_like(x[0])
    products = pt.dot(x.reshape((-1, x.shape[2])), wx).reshape((x.shape[0], x.shape[1], 4 * hidden))
    return pytensor.scan(
        step, sequences=products + b, outputs_info=[zero, zero], non_sequences=wh, return_updates=False
    )[0]


@PROGRAMS("lstm")
def lstm(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return built(peer, lstm_states, example)


@PROGRAMS("lstm_grad")
def lstm_grad(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def f(x: Any, *weights: Any) -> Any:
        h = lstm_states(x, *weights)
        return pt.grad(pt.sum(h * h) / pt.cast(h.size, h.dtype), list(weights))

    return built(peer, f, example)


@PROGRAMS("newton")
def newton(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    from pytensor.scan.utils import until

    def f(a: Any) -> Any:
        def step(x: Any, a: Any) -> Any:
            e = pt.exp(x)
            change = (x * e - a) / (e * (x + 1))
            return x - change, until(pt.le(abs(change), NEWTON_TOLERANCE))

        one = pt.as_tensor(np.float64(1.0))
        return pytensor.scan(step, outputs_info=one, non_sequences=a, n_steps=100, return_updates=False)[-1]

    return built(peer, f, example)


@PROGRAMS("gather")
def gather(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return built(peer, lambda table, ids: table[ids], example)


@PROGRAMS("scatter_add")
def scatter_add(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return built(peer, lambda table, ids, rows: pt.inc_subtensor(table[ids], rows), example)


@PROGRAMS("embed_sgd")
def embed_sgd(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    ids, target = symbols(example)
    table = pytensor.shared(state[0], "table")
    rows = table[ids]
    cost = real(0.5, rows) * pt.sum((rows - target) ** 2)
    update = pt.inc_subtensor(rows, real(-EMBEDDING_RATE, rows) * pt.grad(cost, rows))
    return held(peer.compiled([ids, target], cost, [(table, update)]), [table], state)


@PROGRAMS("gp_lml")
def gp_lml(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def f(x: Any, y: Any, hyper: Any) -> Any:
        squares = ((x[:, None] - x[None]) ** 2).sum(-1) * pt.exp(-2 * hyper[0])
        k = pt.exp(hyper[1] - 0.5 * squares) + pt.exp(hyper[2]) * pt.eye(x.shape[0])
        lower = pt.linalg.cholesky(k)
        alpha = pt.linalg.cho_solve((lower, True), y, b_ndim=1)
        logdet = pt.sum(pt.log(pt.diagonal(lower)))
        value = -0.5 * pt.dot(y, alpha) - logdet - 0.5 * x.shape[0] * np.log(2 * np.pi)
        return [value, pt.grad(value, hyper)]

    return built(peer, f, example)


@PROGRAMS("jacobi")
def jacobi(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def f(u: Any) -> Any:
        def sweep(u: Any) -> Any:
            inner = real(0.25, u) * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:])
            return pt.set_subtensor(u[1:-1, 1:-1], inner)

        return pytensor.scan(sweep, outputs_info=u, n_steps=sweeps(case), return_updates=False)[-1]

    return built(peer, f, example)


@PROGRAMS("kmeans")
def kmeans(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return built(peer, lambda x, c: pt.argmin((c * c).sum(1) - real(2, x) * pt.dot(x, c.T), axis=1), example)


@PROGRAMS("nbody")
def nbody(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def f(position: Any, mass: Any) -> Any:
        d = position[None] - position[:, None]
        pull = mass * ((d * d).sum(2) + SOFTENING) ** -1.5
        return (d * pull[:, :, None]).sum(1)

    return built(peer, f, example)


@PROGRAMS("mandelbrot")
def mandelbrot(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def f(re: Any, im: Any) -> Any:
        zero = pt.zeros((im.shape[0], re.shape[0]))

        def body(zr: Any, zi: Any, count: Any, re: Any, im: Any) -> Any:
            zr, zi = zr * zr - zi * zi + re[None, :], 2 * zr * zi + im[:, None]
            return zr, zi, count + pt.cast(pt.le(zr * zr + zi * zi, 4.0), "float64")

        return pytensor.scan(
            body, outputs_info=[zero] * 3, non_sequences=[re, im], n_steps=ITERATIONS, return_updates=False
        )[2][-1]

    return built(peer, f, example)


def block(x: Any, *parameters: Any) -> Any:
    p = dict(zip(PARAMETERS, parameters, strict=True))
    batch, time, d = x.shape[0], x.shape[1], x.shape[2]
    width = d // HEADS

    def project(a: Any, w: Any) -> Any:
        """One large product instead of a batch of small ones."""
        return pt.dot(a.reshape((batch * time, a.shape[2])), w).reshape((batch, time, w.shape[1]))

    qkv = (project(x, p["wqkv"]) + p["bqkv"]).reshape((batch, time, 3, HEADS, width))
    q, k, v = (qkv[:, :, i].dimshuffle(0, 2, 1, 3) for i in range(3))
    scale = pt.cast(width, "float32") ** real(-0.5, x)
    scores = pt.special.softmax(pt.matmul(q, k.dimshuffle(0, 1, 3, 2)) * scale, axis=-1)
    mixed = pt.matmul(scores, v).dimshuffle(0, 2, 1, 3).reshape((batch, time, d))
    y = layer_norm(x + project(mixed, p["wo"]) + p["bo"], p["g1"], p["c1"])
    h = pt.maximum(project(y, p["w1"]) + p["b1"], real(0, x))
    return layer_norm(y + project(h, p["w2"]) + p["b2"], p["g2"], p["c2"])


@PROGRAMS("transformer")
def transformer(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return built(peer, block, example)


@PROGRAMS("transformer_grad")
def transformer_grad(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def f(x: Any, *parameters: Any) -> Any:
        out = block(x, *parameters)
        return pt.grad(pt.sum(out * out) / pt.cast(out.size, out.dtype), list(parameters))

    return built(peer, f, example)


@PROGRAMS("graph")
def graph(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return built(peer, lambda x: chain(x, length(case), pt.tanh), example)
