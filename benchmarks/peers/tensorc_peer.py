"""tensorc: programs in its public names only. A name that does not exist yet skips its row.

Variant `out`: results are written into arrays given with `out=`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import llvmlite
import numpy as np

import tensorc as tc
from benchmarks.harness.adapter import BasePeer, Program, Programs, Skip, blas_threads
from benchmarks.harness.case import Array, Case
from benchmarks.workloads.elementwise import RATE as INTEREST
from benchmarks.workloads.elementwise import VOLATILITY, tree_call, tree_step
from benchmarks.workloads.graphs import chain, length
from benchmarks.workloads.indexing import RATE as EMBEDDING_RATE
from benchmarks.workloads.loops import NEWTON_TOLERANCE
from benchmarks.workloads.neural import HEADS, PARAMETERS
from benchmarks.workloads.reductions import AXES
from benchmarks.workloads.rows import EPSILON
from benchmarks.workloads.science import ITERATIONS, SOFTENING, sweeps
from benchmarks.workloads.steps import RATE

PROGRAMS = Programs()
WITH_OUT = ("elem12", "axpy", "transpose_add", "black_scholes", "softmax", "layernorm")


class Peer(BasePeer):
    programs = PROGRAMS

    def versions(self) -> dict[str, str]:
        versions = {"tensorc": tc.__version__, "llvmlite": llvmlite.__version__, "numpy": np.__version__}
        return {**versions, "cache": os.environ.get("TENSORC_CACHE", "on")}

    def threads(self) -> dict[str, int]:
        return {"kernels": kernel_threads(), **blas_threads()}

    def build(self, case: Case, state: Sequence[Any], example: Sequence[Any]) -> Program:
        if self.variant == "out" and case.workload not in WITH_OUT:
            raise Skip("no program")
        program = super().build(case, state, example)
        return Program(with_out(program.call, program.call(*example))) if self.variant == "out" else program

    def missing(self, error: Exception) -> str | None:
        return str(error).splitlines()[0] if isinstance(error, AttributeError) else None


def kernel_threads() -> int:
    """How many threads kernels have run on: the caller and the workers of the pool, if it has been needed."""
    try:
        from tensorc.runtime import threads
    except ImportError:
        return 1
    pool = threads.pool()
    return 1 + int(pool.workers()) if pool else 1


def with_out(f: Any, result: Array) -> Any:
    out = np.empty_like(result)

    def call(*arguments: Any) -> Any:
        return f(*arguments, out=out)

    return call


def symbols(example: Sequence[Array]) -> list[Any]:
    """Inputs of the examples' ranks and dtypes, their extents unknown."""
    return [tc.tensor(f"a{i}", dtype=str(a.dtype), shape=(None,) * a.ndim) for i, a in enumerate(example)]


def compiled(expression: Any, example: Sequence[Array]) -> Any:
    """`expression` of symbols for the inputs, as a function."""
    inputs = symbols(example)
    return tc.function(inputs, expression(*inputs))


def stepping(example: Sequence[Array], state: Sequence[Array], cost: Any, rate: float) -> Program:
    """A step of gradient descent on `cost(inputs, parameters)`; parameters are shared variables."""
    inputs = symbols(example)
    shared = [tc.shared(a, f"p{i}") for i, a in enumerate(state)]
    value = cost(inputs, shared)
    updates = [(p, p - rate * g) for p, g in zip(shared, tc.grad(value, shared), strict=True)]
    return held(tc.function(inputs, value, updates=updates), shared, state)


def held(f: Any, shared: Sequence[Any], state: Sequence[Array]) -> Program:
    def reset() -> None:
        for p, a in zip(shared, state, strict=True):
            p.set_value(a)

    return Program(f, state=lambda: [p.get_value() for p in shared], reset=reset)


@PROGRAMS("call_add1")
def call_add1(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return compiled(lambda x: x + 1, example)


@PROGRAMS("call_tree")
def call_tree(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return tree_call(tc.jit(tree_step))


@PROGRAMS("call_fma", "axpy")
def call_fma(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return compiled(lambda x, y, z: x * y + z, example)


@PROGRAMS("elem12")
def elem12(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def expression(x: Any) -> Any:
        a = tc.exp(x * x * -0.5)
        b = tc.log(abs(x) + 1.5)
        c = tc.tanh(a * b + x)
        return c * 0.5 - tc.sqrt(a)

    return compiled(expression, example)


@PROGRAMS("black_scholes")
def black_scholes(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def normal(d: Any) -> Any:
        return 0.5 * (1.0 + tc.erf(d * 2**-0.5))

    def expression(spot: Any, strike: Any, years: Any) -> Any:
        spread = VOLATILITY * tc.sqrt(years)
        d1 = (tc.log(spot / strike) + (INTEREST + VOLATILITY**2 / 2) * years) / spread
        return spot * normal(d1) - strike * tc.exp(-INTEREST * years) * normal(d1 - spread)

    return compiled(expression, example)


@PROGRAMS("variance")
def variance(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return compiled(lambda x: tc.mean((x - tc.mean(x)) ** 2), example)


@PROGRAMS(*(f"{op}_{where}" for op in ("sum", "max", "argmax") for where in AXES))
def reduction(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    op, where = case.workload.split("_")
    return compiled(lambda x: getattr(tc, op)(x, axis=AXES[where]), example)


@PROGRAMS("outer_exp_sum")
def outer_exp_sum(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return compiled(lambda x, y: tc.sum(tc.exp(x[:, None] + y[None, :]), axis=1), example)


@PROGRAMS("transpose_add")
def transpose_add(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return compiled(lambda x: x.T + x, example)


@PROGRAMS("logsumexp")
def logsumexp(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return compiled(lambda x: tc.logsumexp(x, axis=1), example)


@PROGRAMS("logsumexp_vjp")
def logsumexp_vjp(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return compiled(lambda x, g: tc.grad(tc.sum(tc.logsumexp(x, axis=1) * g), x), example)


@PROGRAMS("softmax")
def softmax(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return compiled(lambda x: tc.nn.softmax(x, axis=1), example)


@PROGRAMS("softmax_vjp")
def softmax_vjp(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return compiled(lambda x, g: tc.grad(tc.sum(tc.nn.softmax(x, axis=1) * g), x), example)


def normalised(x: Any) -> Any:
    centred = x - tc.mean(x, axis=-1, keepdims=True)
    return centred / tc.sqrt(tc.mean(centred * centred, axis=-1, keepdims=True) + EPSILON)


@PROGRAMS("layernorm")
def layernorm(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return compiled(lambda x, weight, bias: normalised(x) * weight + bias, example)


@PROGRAMS("layernorm_vjp")
def layernorm_vjp(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def expression(x: Any, weight: Any, bias: Any, g: Any) -> Any:
        return tc.grad(tc.sum((normalised(x) * weight + bias) * g), [x, weight, bias])

    return compiled(expression, example)


@PROGRAMS("gemm", "bmm")
def gemm(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return compiled(lambda a, b: a @ b, example)


@PROGRAMS("gemm_bias_relu")
def gemm_bias_relu(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return compiled(lambda a, b, bias: tc.nn.relu(a @ b + bias), example)


@PROGRAMS("mlp_step")
def mlp_step(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def cost(inputs: list[Any], p: list[Any]) -> Any:
        x, labels = inputs
        h = tc.tanh(x @ p[0] + p[1])
        h = tc.tanh(h @ p[2] + p[3])
        logp = tc.nn.log_softmax(h @ p[4] + p[5], axis=1)
        return -tc.mean(logp[tc.arange(logp.shape[0]), labels])

    return stepping(example, state, cost, RATE)


@PROGRAMS("logreg_step")
def logreg_step(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def cost(inputs: list[Any], p: list[Any]) -> Any:
        x, y = inputs
        z = x @ p[0] + p[1]
        return tc.mean(tc.softplus(z) - y * z)

    return stepping(example, state, cost, RATE)


@PROGRAMS("rnn")
def rnn(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def expression(xs: Any, w: Any) -> Any:
        outputs, _ = tc.scan(
            lambda x, h, w: tc.tanh(w * h + x), sequences=xs, outputs_info=tc.zeros_like(w), non_sequences=w
        )
        return outputs

    return compiled(expression, example)


def lstm_states(x: Any, wx: Any, wh: Any, b: Any) -> Any:
    """All h; the product with the inputs is taken once for all steps."""

    def step(zx: Any, h: Any, c: Any, wh: Any) -> list[Any]:
        z = tc.reshape(zx + h @ wh, (zx.shape[0], 4, wh.shape[0]))
        i, f, g, o = (z[:, k] for k in range(4))
        c = tc.sigmoid(f) * c + tc.sigmoid(i) * tc.tanh(g)
        return [tc.sigmoid(o) * tc.tanh(c), c]

    zero = tc.zeros_like(x[0])
    (h, _), _ = tc.scan(step, sequences=x @ wx + b, outputs_info=[zero, zero], non_sequences=wh)
    return h


@PROGRAMS("lstm")
def lstm(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return compiled(lstm_states, example)


@PROGRAMS("lstm_grad")
def lstm_grad(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def expression(x: Any, wx: Any, wh: Any, b: Any) -> Any:
        return tc.grad(tc.mean(tc.square(lstm_states(x, wx, wh, b))), [wx, wh, b])

    return compiled(expression, example)


@PROGRAMS("newton")
def newton(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def expression(a: Any) -> Any:
        def body(carry: Any) -> Any:
            x, _ = carry
            e = tc.exp(x)
            step = (x * e - a) / (e * (x + 1))
            return x - step, step

        one = tc.constant(1.0)
        x, _ = tc.while_loop(lambda carry: abs(carry[1]) > NEWTON_TOLERANCE, body, (one, one))
        return x

    return compiled(expression, example)


@PROGRAMS("gather")
def gather(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return compiled(lambda table, ids: table[ids], example)


@PROGRAMS("scatter_add")
def scatter_add(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return compiled(lambda table, ids, rows: table[ids].add(rows), example)


@PROGRAMS("embed_sgd")
def embed_sgd(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    ids, target = symbols(example)
    table = tc.shared(state[0], "table")
    rows = table[ids]
    cost = 0.5 * tc.sum(tc.square(rows - target))
    update = tc.inc_subtensor(rows, -EMBEDDING_RATE * tc.grad(cost, rows))
    return held(tc.function([ids, target], cost, updates=[(table, update)]), [table], state)


@PROGRAMS("gp_lml")
def gp_lml(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def expression(x: Any, y: Any, hyper: Any) -> Any:
        squares = tc.sum(tc.square(x[:, None] - x[None]), axis=-1) * tc.exp(-2 * hyper[0])
        k = tc.exp(hyper[1] - 0.5 * squares) + tc.exp(hyper[2]) * tc.eye(case.dims[0])
        lower = tc.linalg.cholesky(k)
        alpha = tc.linalg.cho_solve(lower, y)
        logdet = 2 * tc.sum(tc.log(tc.linalg.diagonal(lower)))
        value = -0.5 * (y @ alpha + logdet + case.dims[0] * np.log(2 * np.pi))
        return [value, tc.grad(value, hyper)]

    return compiled(expression, example)


@PROGRAMS("jacobi")
def jacobi(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def sweep(i: Any, u: Any) -> Any:
        return u[1:-1, 1:-1].set(0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]))

    return compiled(lambda u: tc.fori_loop(0, sweeps(case), sweep, u), example)


@PROGRAMS("kmeans")
def kmeans(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return compiled(lambda x, c: tc.argmin(tc.sum(c * c, axis=1) - 2 * (x @ c.T), axis=1), example)


@PROGRAMS("nbody")
def nbody(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def expression(position: Any, mass: Any) -> Any:
        # Component by component: one kernel over the pairs, no array of three for each.
        apart = [position[:, k][None, :] - position[:, k][:, None] for k in range(3)]
        square = apart[0] * apart[0] + apart[1] * apart[1] + apart[2] * apart[2]
        pull = mass * (square + SOFTENING) ** -1.5
        return tc.stack([tc.sum(d * pull, axis=1) for d in apart], axis=1)

    return compiled(expression, example)


@PROGRAMS("mandelbrot")
def mandelbrot(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def expression(re: Any, im: Any) -> Any:
        cr = tc.broadcast_to(re[None, :], (im.shape[0], re.shape[0]))
        ci = tc.broadcast_to(im[:, None], (im.shape[0], re.shape[0]))

        def body(i: Any, carry: Any) -> Any:
            zr, zi, count = carry
            zr, zi = zr * zr - zi * zi + cr, 2 * zr * zi + ci
            return zr, zi, count + tc.astype(zr * zr + zi * zi <= 4.0, "float64")

        zero = tc.zeros_like(cr)
        return tc.fori_loop(0, ITERATIONS, body, (zero, zero, zero))[2]

    return compiled(expression, example)


def block(x: Any, *parameters: Any) -> Any:
    p = dict(zip(PARAMETERS, parameters, strict=True))
    batch, time, d = x.shape

    qkv = tc.reshape(x @ p["wqkv"] + p["bqkv"], (batch, time, 3, HEADS, d // HEADS))
    q, k, v = (tc.swapaxes(qkv[:, :, i], 1, 2) for i in range(3))
    scores = tc.nn.softmax(q @ tc.matrix_transpose(k) * tc.astype(d // HEADS, "float32") ** -0.5, axis=-1)
    mixed = tc.reshape(tc.swapaxes(scores @ v, 1, 2), (batch, time, d))
    y = normalised(x + mixed @ p["wo"] + p["bo"]) * p["g1"] + p["c1"]
    h = tc.nn.relu(y @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"]
    return normalised(y + h) * p["g2"] + p["c2"]


@PROGRAMS("transformer")
def transformer(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return compiled(block, example)


@PROGRAMS("transformer_grad")
def transformer_grad(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def expression(x: Any, *parameters: Any) -> Any:
        return tc.grad(tc.mean(tc.square(block(x, *parameters))), list(parameters))

    return compiled(expression, example)


@PROGRAMS("conv2d")
def conv2d(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return compiled(lambda x, w: tc.nn.conv2d(x, w, padding=1), example)


@PROGRAMS("maxpool")
def maxpool(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return compiled(lambda x: tc.nn.max_pool2d(x, 2), example)


@PROGRAMS("graph")
def graph(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return compiled(lambda x: chain(x, length(case), tc.tanh), example)
