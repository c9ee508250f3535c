"""PyTorch: eager, and with variant `compile` through `torch.compile` in its default mode. No gradients are
recorded where none are asked for. Loops stay in Python, as they must; the LSTM is `torch.lstm`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.harness.adapter import BasePeer, Program, Programs, Skip
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

    def __init__(self, threads: int, variant: str = "") -> None:
        super().__init__(threads, variant)
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)

    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__, "mode": self.variant or "eager"}

    def threads(self) -> dict[str, int]:
        return {"intra_op": torch.get_num_threads()}

    def put(self, array: Array) -> Any:
        return torch.from_numpy(np.array(array))

    def get(self, output: Any) -> list[Array]:
        if isinstance(output, torch.Tensor):
            return [output.detach().numpy()]
        return super().get(output)

    def ready(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """`f`, or what torch.compile makes of it."""
        if self.variant != "compile":
            return f
        torch._dynamo.reset()
        return torch.compile(f)


def stepping(peer: Peer, cost: Callable[..., Any], rate: float, state: Sequence[Array]) -> Program:
    """Descent in place: value and gradients compiled, then the update as an optimiser's `foreach` kernel."""
    parameters = [torch.from_numpy(np.array(a)).requires_grad_() for a in state]
    value = peer.ready(cost)

    def call(*inputs: Any) -> Any:
        with torch.enable_grad():
            result = value(parameters, *inputs)
            found = torch.autograd.grad(result, parameters)
        torch._foreach_add_(parameters, found, alpha=-rate)
        return result

    return held(call, parameters, state)


def held(call: Callable[..., Any], parameters: Sequence[Any], state: Sequence[Array]) -> Program:
    def reset() -> None:
        for p, a in zip(parameters, state, strict=True):
            p.copy_(torch.from_numpy(a))

    return Program(call, state=lambda: [p.detach().numpy() for p in parameters], reset=reset)


def vjp(peer: Peer, f: Callable[..., Any], wrt: int) -> Any:
    """The vjp of `f` for its first `wrt` inputs; the last input is the cotangent."""
    ready = peer.ready(f)

    def call(*inputs: Any) -> Any:
        *values, g = inputs
        leaves = [v.detach().requires_grad_() for v in values[:wrt]]
        with torch.enable_grad():
            out = ready(*leaves, *values[wrt:])
            return torch.autograd.grad(out, leaves, g)

    return call


@PROGRAMS("call_add1")
def call_add1(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return peer.ready(lambda x: x + 1)


@PROGRAMS("call_tree")
def call_tree(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return peer.ready(tree_call(tree_step))


@PROGRAMS("call_fma")
def call_fma(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return peer.ready(lambda x, y, z: torch.addcmul(z, x, y))


@PROGRAMS("axpy")
def axpy(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return peer.ready(lambda a, x, y: a * x + y)


@PROGRAMS("elem12")
def elem12(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def f(x: Any) -> Any:
        a = torch.exp(x * x * -0.5)
        b = torch.log(torch.abs(x) + 1.5)
        return torch.tanh(a * b + x) * 0.5 - torch.sqrt(a)

    return peer.ready(f)


@PROGRAMS("black_scholes")
def black_scholes(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def normal(d: Any) -> Any:
        return 0.5 * (1.0 + torch.erf(d * 2**-0.5))

    def f(spot: Any, strike: Any, years: Any) -> Any:
        spread = VOLATILITY * torch.sqrt(years)
        d1 = (torch.log(spot / strike) + (INTEREST + VOLATILITY**2 / 2) * years) / spread
        return spot * normal(d1) - strike * torch.exp(-INTEREST * years) * normal(d1 - spread)

    return peer.ready(f)


@PROGRAMS("variance")
def variance(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return peer.ready(lambda x: torch.var(x, correction=0))


@PROGRAMS(*(f"{op}_{where}" for op in ("sum", "max", "argmax") for where in AXES))
def reduction(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    op, where = case.workload.split("_")
    f, axis = {"sum": torch.sum, "max": torch.amax, "argmax": torch.argmax}[op], AXES[where]
    return peer.ready((lambda x: f(x)) if axis is None else (lambda x: f(x, dim=axis)))


@PROGRAMS("outer_exp_sum")
def outer_exp_sum(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return peer.ready(lambda x, y: torch.exp(x[:, None] + y[None, :]).sum(1))


@PROGRAMS("transpose_add")
def transpose_add(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return peer.ready(lambda x: x.T + x)


@PROGRAMS("logsumexp")
def logsumexp(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return peer.ready(lambda x: torch.logsumexp(x, 1))


@PROGRAMS("logsumexp_vjp")
def logsumexp_vjp(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return vjp(peer, lambda x: torch.logsumexp(x, 1), 1)


@PROGRAMS("softmax")
def softmax(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return peer.ready(lambda x: F.softmax(x, 1))


@PROGRAMS("softmax_vjp")
def softmax_vjp(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return vjp(peer, lambda x: F.softmax(x, 1), 1)


def layer_norm(x: Any, weight: Any, bias: Any) -> Any:
    return F.layer_norm(x, (x.shape[-1],), weight, bias, EPSILON)


@PROGRAMS("layernorm")
def layernorm(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return peer.ready(layer_norm)


@PROGRAMS("layernorm_vjp")
def layernorm_vjp(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return vjp(peer, layer_norm, 3)


@PROGRAMS("gemm")
def gemm(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return peer.ready(torch.mm)


@PROGRAMS("bmm")
def bmm(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return peer.ready(torch.bmm)


@PROGRAMS("gemm_bias_relu")
def gemm_bias_relu(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return peer.ready(lambda a, b, bias: torch.relu(torch.addmm(bias, a, b)))


@PROGRAMS("mlp_step")
def mlp_step(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def cost(p: Any, x: Any, labels: Any) -> Any:
        h = torch.tanh(torch.addmm(p[1], x, p[0]))
        h = torch.tanh(torch.addmm(p[3], h, p[2]))
        return F.cross_entropy(torch.addmm(p[5], h, p[4]), labels)

    return stepping(peer, cost, RATE, state)


@PROGRAMS("logreg_step")
def logreg_step(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def cost(p: Any, x: Any, y: Any) -> Any:
        return F.binary_cross_entropy_with_logits(x @ p[0] + p[1], y)

    return stepping(peer, cost, RATE, state)


def eager_only(peer: Peer) -> None:
    if peer.variant == "compile":
        raise Skip("a Python loop: compiling unrolls it")


@PROGRAMS("rnn")
def rnn(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    eager_only(peer)

    def f(xs: Any, w: Any) -> Any:
        h, out = torch.zeros_like(w), torch.empty_like(xs)
        for t, x in enumerate(xs.unbind()):
            h = torch.tanh(torch.addcmul(x, w, h))
            out[t] = h
        return out

    return f


def lstm_states(x: Any, wx: Any, wh: Any, b: Any) -> Any:
    """torch.lstm takes transposed weights and two biases."""
    zero = x.new_zeros((1, x.shape[1], x.shape[2]))
    weights = [wx.T.contiguous(), wh.T.contiguous(), b, torch.zeros_like(b)]
    return torch.lstm(x, (zero, zero), weights, True, 1, 0.0, torch.is_grad_enabled(), False, False)[0]


@PROGRAMS("lstm")
def lstm(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    eager_only(peer)
    return lstm_states


@PROGRAMS("lstm_grad")
def lstm_grad(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    eager_only(peer)

    def f(x: Any, *weights: Any) -> Any:
        leaves = [w.detach().requires_grad_() for w in weights]
        with torch.enable_grad():
            return torch.autograd.grad(torch.mean(lstm_states(x, *leaves) ** 2), leaves)

    return f


@PROGRAMS("newton")
def newton(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    eager_only(peer)

    def f(a: Any) -> Any:
        x, step = torch.ones((), dtype=a.dtype), torch.ones((), dtype=a.dtype)
        while step.abs() > NEWTON_TOLERANCE:
            e = torch.exp(x)
            step = (x * e - a) / (e * (x + 1))
            x = x - step
        return x

    return f


@PROGRAMS("gather")
def gather(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return peer.ready(lambda table, ids: table.index_select(0, ids))


@PROGRAMS("scatter_add")
def scatter_add(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return peer.ready(lambda table, ids, rows: table.index_add(0, ids, rows))


@PROGRAMS("embed_sgd")
def embed_sgd(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    table = torch.from_numpy(np.array(state[0]))

    def step(table: Any, ids: Any, target: Any) -> Any:
        d = table.index_select(0, ids) - target
        table.index_add_(0, ids, d, alpha=-EMBEDDING_RATE)
        return 0.5 * torch.sum(d * d)

    ready = peer.ready(step)
    return held(lambda ids, target: ready(table, ids, target), [table], state)


@PROGRAMS("gp_lml")
def gp_lml(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def value(x: Any, y: Any, hyper: Any) -> Any:
        squares = ((x[:, None] - x[None]) ** 2).sum(-1) * torch.exp(-2 * hyper[0])
        k = torch.exp(hyper[1] - 0.5 * squares) + torch.exp(hyper[2]) * torch.eye(len(x), dtype=x.dtype)
        lower = torch.linalg.cholesky(k)
        alpha = torch.cholesky_solve(y[:, None], lower)[:, 0]
        logdet = torch.log(torch.diagonal(lower)).sum()
        return -0.5 * y @ alpha - logdet - 0.5 * len(x) * np.log(2 * np.pi)

    ready = peer.ready(value)

    def f(x: Any, y: Any, hyper: Any) -> Any:
        leaf = hyper.detach().requires_grad_()
        with torch.enable_grad():
            result = ready(x, y, leaf)
            return result, torch.autograd.grad(result, leaf)[0]

    return f


@PROGRAMS("jacobi")
def jacobi(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def sweep(a: Any, b: Any) -> Any:
        b[1:-1, 1:-1] = 0.25 * (a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:])

    ready = peer.ready(sweep)

    def f(u: Any) -> Any:
        a, b = u.clone(), u.clone()
        for _ in range(sweeps(case)):
            ready(a, b)
            a, b = b, a
        return a

    return f


@PROGRAMS("kmeans")
def kmeans(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return peer.ready(lambda x, c: torch.argmin((c * c).sum(1) - 2 * (x @ c.T), 1))


@PROGRAMS("nbody")
def nbody(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def f(position: Any, mass: Any) -> Any:
        d = position[None] - position[:, None]
        pull = mass * ((d * d).sum(2) + SOFTENING) ** -1.5
        return (d * pull[:, :, None]).sum(1)

    return peer.ready(f)


@PROGRAMS("mandelbrot")
def mandelbrot(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def body(zr: Any, zi: Any, count: Any, cr: Any, ci: Any) -> Any:
        zr, zi = zr * zr - zi * zi + cr, 2 * zr * zi + ci
        return zr, zi, count + (zr * zr + zi * zi <= 4.0)

    ready = peer.ready(body)

    def f(re: Any, im: Any) -> Any:
        cr, ci = torch.broadcast_tensors(re[None, :], im[:, None])
        zr = zi = count = torch.zeros_like(cr)
        for _ in range(ITERATIONS):
            zr, zi, count = ready(zr, zi, count, cr, ci)
        return count

    return f


def block(x: Any, *parameters: Any) -> Any:
    p = dict(zip(PARAMETERS, parameters, strict=True))
    batch, time, d = x.shape

    def heads(a: Any) -> Any:
        return a.view(batch, time, HEADS, d // HEADS).transpose(1, 2)

    q, k, v = (heads(a) for a in (x @ p["wqkv"] + p["bqkv"]).chunk(3, -1))
    mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, time, d)
    y = layer_norm(x + mixed @ p["wo"] + p["bo"], p["g1"], p["c1"])
    h = torch.relu(y @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"]
    return layer_norm(y + h, p["g2"], p["c2"])


@PROGRAMS("transformer")
def transformer(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return peer.ready(block)


@PROGRAMS("transformer_grad")
def transformer_grad(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    def cost(x: Any, *parameters: Any) -> Any:
        return torch.mean(block(x, *parameters) ** 2)

    ready = peer.ready(cost)

    def f(x: Any, *parameters: Any) -> Any:
        leaves = [p.detach().requires_grad_() for p in parameters]
        with torch.enable_grad():
            return torch.autograd.grad(ready(x, *leaves), leaves)

    return f


@PROGRAMS("conv2d")
def conv2d(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return peer.ready(lambda x, w: F.conv2d(x, w, padding=1))


@PROGRAMS("maxpool")
def maxpool(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return peer.ready(lambda x: F.max_pool2d(x, 2))


@PROGRAMS("graph")
def graph(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return peer.ready(lambda x: chain(x, length(case), torch.tanh))
