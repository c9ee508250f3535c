"""JAX: `jax.jit`, arrays kept on its device, `block_until_ready`; training steps donate their parameters.

Threads: the CPU client makes as many as the environment variable NPROC says and the affinity allows; what is
recorded is the number of its threads that there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np

from benchmarks.harness.adapter import BasePeer, Program, Programs, named_threads
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


class Peer(BasePeer):
    programs = PROGRAMS

    def versions(self) -> dict[str, str]:
        cache = "on" if jax.config.jax_enable_compilation_cache else "0"
        return {"jax": jax.__version__, "jaxlib": jaxlib.__version__, "cache": cache}

    def threads(self) -> dict[str, int]:
        return {"client": named_threads("tf_XLA")}

    def put(self, array: Array) -> Any:
        return jax.device_put(array)


def jitted(f: Callable[..., Any]) -> Any:
    compiled = jax.jit(f)
    return lambda *arguments: compiled(*arguments).block_until_ready()


def jitted_tree(f: Callable[..., Any]) -> Any:
    compiled = jax.jit(f)
    return lambda *arguments: jax.block_until_ready(compiled(*arguments))


def stepping(step: Callable[..., Any], state: Sequence[Array]) -> Program:
    """`step(parameters, *inputs)` gives the cost and new parameters; the old ones are donated."""
    compiled = jax.jit(step, donate_argnums=0)
    now = [jax.device_put(a) for a in state]

    def call(*inputs: Any) -> Any:
        nonlocal now
        cost, now = compiled(now, *inputs)
        return cost.block_until_ready()

    def reset() -> None:
        nonlocal now
        now = [jax.device_put(a) for a in state]

    return Program(call, state=lambda: now, reset=reset)


def descent(cost: Callable[..., Any], rate: float, state: Sequence[Array]) -> Program:
    def step(parameters: Any, *inputs: Any) -> Any:
        value, gradients = jax.value_and_grad(cost)(parameters, *inputs)
        return value, [p - rate * g for p, g in zip(parameters, gradients, strict=True)]

    return stepping(step, state)


@PROGRAMS("call_add1")
def call_add1(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return jitted(lambda x: x + 1)


@PROGRAMS("call_tree")
def call_tree(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    compiled = tree_call(jax.jit(tree_step))
    return lambda *arguments: jax.block_until_ready(compiled(*arguments))


@PROGRAMS("call_fma", "axpy")
def call_fma(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return jitted(lambda x, y, z: x * y + z)


@PROGRAMS("elem12")
def elem12(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def f(x: Any) -> Any:
        a = jnp.exp(x * x * -0.5)
        b = jnp.log(jnp.abs(x) + 1.5)
        return jnp.tanh(a * b + x) * 0.5 - jnp.sqrt(a)

    return jitted(f)


@PROGRAMS("black_scholes")
def black_scholes(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def normal(d: Any) -> Any:
        return 0.5 * (1.0 + jax.lax.erf(d * 2**-0.5))

    def f(spot: Any, strike: Any, years: Any) -> Any:
        spread = VOLATILITY * jnp.sqrt(years)
        d1 = (jnp.log(spot / strike) + (INTEREST + VOLATILITY**2 / 2) * years) / spread
        return spot * normal(d1) - strike * jnp.exp(-INTEREST * years) * normal(d1 - spread)

    return jitted(f)


@PROGRAMS("variance")
def variance(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return jitted(jnp.var)


@PROGRAMS(*(f"{op}_{where}" for op in ("sum", "max", "argmax") for where in AXES))
def reduction(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    op, where = case.workload.split("_")
    return jitted(lambda x: getattr(jnp, op)(x, axis=AXES[where]))


@PROGRAMS("outer_exp_sum")
def outer_exp_sum(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return jitted(lambda x, y: jnp.exp(x[:, None] + y[None, :]).sum(axis=1))


@PROGRAMS("transpose_add")
def transpose_add(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return jitted(lambda x: x.T + x)


@PROGRAMS("logsumexp")
def logsumexp(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return jitted(lambda x: jax.nn.logsumexp(x, axis=1))


@PROGRAMS("logsumexp_vjp")
def logsumexp_vjp(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return jitted(lambda x, g: jax.vjp(lambda x: jax.nn.logsumexp(x, axis=1), x)[1](g)[0])


@PROGRAMS("softmax")
def softmax(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return jitted(lambda x: jax.nn.softmax(x, axis=1))


@PROGRAMS("softmax_vjp")
def softmax_vjp(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return jitted(lambda x, g: jax.vjp(lambda x: jax.nn.softmax(x, axis=1), x)[1](g)[0])


def layer_norm(x: Any, weight: Any, bias: Any) -> Any:
    centred = x - x.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt((centred * centred).mean(-1, keepdims=True) + EPSILON) * weight + bias


@PROGRAMS("layernorm")
def layernorm(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return jitted(layer_norm)


@PROGRAMS("layernorm_vjp")
def layernorm_vjp(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return jitted_tree(lambda x, weight, bias, g: jax.vjp(layer_norm, x, weight, bias)[1](g))


@PROGRAMS("gemm", "bmm")
def gemm(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return jitted(jnp.matmul)


@PROGRAMS("gemm_bias_relu")
def gemm_bias_relu(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return jitted(lambda a, b, bias: jnp.maximum(a @ b + bias, 0))


@PROGRAMS("mlp_step")
def mlp_step(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def cost(p: Any, x: Any, labels: Any) -> Any:
        h = jnp.tanh(x @ p[0] + p[1])
        h = jnp.tanh(h @ p[2] + p[3])
        logp = jax.nn.log_softmax(h @ p[4] + p[5], axis=1)
        return -jnp.mean(jnp.take_along_axis(logp, labels[:, None], axis=1))

    return descent(cost, RATE, state)


@PROGRAMS("logreg_step")
def logreg_step(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def cost(p: Any, x: Any, y: Any) -> Any:
        z = x @ p[0] + p[1]
        return jnp.mean(jax.nn.softplus(z) - y * z)

    return descent(cost, RATE, state)


@PROGRAMS("rnn")
def rnn(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def f(xs: Any, w: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            h = jnp.tanh(w * h + x)
            return h, h

        return jax.lax.scan(step, jnp.zeros_like(w), xs)[1]

    return jitted(f)


def lstm_states(x: Any, wx: Any, wh: Any, b: Any) -> Any:
    def step(carry: Any, zx: Any) -> Any:
        h, c = carry
        i, f, g, o = jnp.split(zx + h @ wh, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zero = jnp.zeros_like(x[0])
    return jax.lax.scan(step, (zero, zero), x @ wx + b)[1]


@PROGRAMS("lstm")
def lstm(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return jitted(lstm_states)


@PROGRAMS("lstm_grad")
def lstm_grad(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def cost(x: Any, *weights: Any) -> Any:
        return jnp.mean(lstm_states(x, *weights) ** 2)

    return jitted_tree(jax.grad(cost, argnums=(1, 2, 3)))


@PROGRAMS("newton")
def newton(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def f(a: Any) -> Any:
        def body(carry: Any) -> Any:
            x, _ = carry
            e = jnp.exp(x)
            step = (x * e - a) / (e * (x + 1))
            return x - step, step

        return jax.lax.while_loop(
            lambda c: jnp.abs(c[1]) > NEWTON_TOLERANCE, body, (jnp.ones(()), jnp.ones(()))
        )[0]

    return jitted(f)


@PROGRAMS("gather")
def gather(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return jitted(lambda table, ids: table[ids])


@PROGRAMS("scatter_add")
def scatter_add(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return jitted(lambda table, ids, rows: table.at[ids].add(rows))


@PROGRAMS("embed_sgd")
def embed_sgd(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def step(parameters: Any, ids: Any, target: Any) -> Any:
        (table,) = parameters
        cost, g = jax.value_and_grad(lambda rows: 0.5 * jnp.sum((rows - target) ** 2))(table[ids])
        return cost, [table.at[ids].add(-EMBEDDING_RATE * g)]

    return stepping(step, state)


@PROGRAMS("gp_lml")
def gp_lml(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def value(hyper: Any, x: Any, y: Any) -> Any:
        squares = ((x[:, None] - x[None]) ** 2).sum(-1) * jnp.exp(-2 * hyper[0])
        k = jnp.exp(hyper[1] - 0.5 * squares) + jnp.exp(hyper[2]) * jnp.eye(len(x))
        lower = jnp.linalg.cholesky(k)
        alpha = jax.scipy.linalg.cho_solve((lower, True), y)
        return -0.5 * y @ alpha - jnp.log(jnp.diagonal(lower)).sum() - 0.5 * len(x) * np.log(2 * np.pi)

    return jitted_tree(lambda x, y, hyper: jax.value_and_grad(value)(hyper, x, y))


@PROGRAMS("jacobi")
def jacobi(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def sweep(i: Any, u: Any) -> Any:
        return u.at[1:-1, 1:-1].set(0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]))

    return jitted(lambda u: jax.lax.fori_loop(0, sweeps(case), sweep, u))


@PROGRAMS("kmeans")
def kmeans(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return jitted(lambda x, c: jnp.argmin((c * c).sum(1) - 2 * (x @ c.T), axis=1))


@PROGRAMS("nbody")
def nbody(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def f(position: Any, mass: Any) -> Any:
        d = position[None] - position[:, None]
        pull = mass * ((d * d).sum(2) + SOFTENING) ** -1.5
        return (d * pull[:, :, None]).sum(1)

    return jitted(f)


@PROGRAMS("mandelbrot")
def mandelbrot(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def f(re: Any, im: Any) -> Any:
        cr, ci = jnp.broadcast_arrays(re[None, :], im[:, None])

        def body(i: Any, carry: Any) -> Any:
            zr, zi, count = carry
            zr, zi = zr * zr - zi * zi + cr, 2 * zr * zi + ci
            return zr, zi, count + (zr * zr + zi * zi <= 4.0)

        zero = jnp.zeros_like(cr)
        return jax.lax.fori_loop(0, ITERATIONS, body, (zero, zero, zero))[2]

    return jitted(f)


def block(x: Any, *parameters: Any) -> Any:
    p = dict(zip(PARAMETERS, parameters, strict=True))
    batch, time, d = x.shape

    def heads(a: Any) -> Any:
        return a.reshape(batch, time, HEADS, d // HEADS).swapaxes(1, 2)

    q, k, v = (heads(a) for a in jnp.split(x @ p["wqkv"] + p["bqkv"], 3, axis=-1))
    scores = jax.nn.softmax(q @ k.swapaxes(-1, -2) * (d // HEADS) ** -0.5, axis=-1)
    mixed = (scores @ v).swapaxes(1, 2).reshape(batch, time, d)
    y = layer_norm(x + mixed @ p["wo"] + p["bo"], p["g1"], p["c1"])
    h = jnp.maximum(y @ p["w1"] + p["b1"], 0) @ p["w2"] + p["b2"]
    return layer_norm(y + h, p["g2"], p["c2"])


@PROGRAMS("transformer")
def transformer(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return jitted(block)


@PROGRAMS("transformer_grad")
def transformer_grad(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def cost(x: Any, *parameters: Any) -> Any:
        return jnp.mean(block(x, *parameters) ** 2)

    return jitted_tree(jax.grad(cost, argnums=tuple(range(1, len(PARAMETERS) + 1))))


@PROGRAMS("conv2d")
def conv2d(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return jitted(lambda x, w: jax.lax.conv(x, w, (1, 1), "SAME"))


@PROGRAMS("maxpool")
def maxpool(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    window = (1, 1, 2, 2)
    return jitted(lambda x: jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID"))


@PROGRAMS("graph")
def graph(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return jitted(lambda x: chain(x, length(case), jnp.tanh))
