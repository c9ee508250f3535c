"""Loops: a recurrence of 10,000 steps, an LSTM with its gradient, Newton's iteration for one number."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from benchmarks.harness.case import Array, Arrays, Case, Workload, workload
from benchmarks.workloads.elementwise import TRANSCENDENTAL

NEWTON_TOLERANCE = 1e-12


def rnn(case: Case, inputs: Arrays, state: Arrays) -> tuple[list[Array], Arrays]:
    """h = tanh(w * h + x_t) over the rows of x; all h."""
    xs, w = inputs
    h, out = np.zeros_like(w), np.empty_like(xs)
    for t, x in enumerate(xs):
        out[t] = h = np.tanh(w * h + x)
    return [out], ()


def rnn_inputs(case: Case, rng: Generator) -> list[Array]:
    return [
        rng.standard_normal(case.dims).astype(case.dtype),
        rng.uniform(-0.9, 0.9, case.dims[1]).astype(case.dtype),
    ]


def lstm_inputs(case: Case, rng: Generator) -> list[Array]:
    """x of shape (steps, batch, hidden), the weights of input and state (hidden, 4 hidden), the bias."""
    _, _, hidden = case.dims
    scale = hidden**-0.5
    weights = [rng.uniform(-scale, scale, (hidden, 4 * hidden)) for _ in range(2)]
    arrays = [rng.standard_normal(case.dims), *weights, rng.uniform(-scale, scale, 4 * hidden)]
    return [a.astype(case.dtype) for a in arrays]


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def lstm_trace(x: Array, wx: Array, wh: Array, b: Array) -> list[tuple[Array, ...]]:
    """(i, f, g, o, c before, h before, c, h) of every step; the gates in the order i, f, g, o."""
    h = c = np.zeros(x.shape[1:], x.dtype)
    steps = []
    for xt in x:
        z = np.split(xt @ wx + h @ wh + b, 4, axis=1)
        i, f, g, o = sigmoid(z[0]), sigmoid(z[1]), np.tanh(z[2]), sigmoid(z[3])
        c_next = f * c + i * g
        h_next = o * np.tanh(c_next)
        steps.append((i, f, g, o, c, h, c_next, h_next))
        c, h = c_next, h_next
    return steps


def lstm(case: Case, inputs: Arrays, state: Arrays) -> tuple[list[Array], Arrays]:
    return [np.stack([s[-1] for s in lstm_trace(*inputs)])], ()


def lstm_grad(case: Case, inputs: Arrays, state: Arrays) -> tuple[list[Array], Arrays]:
    """Gradients of the mean of the squares of all h, for both weights and the bias."""
    x, wx, wh, b = inputs
    steps = lstm_trace(x, wx, wh, b)
    dwx, dwh, db = np.zeros_like(wx), np.zeros_like(wh), np.zeros_like(b)
    dh_next = dc_next = np.zeros(x.shape[1:], x.dtype)
    for t in range(len(x) - 1, -1, -1):
        i, f, g, o, c_prev, h_prev, c, h = steps[t]
        dh = dh_next + 2 * h / x.size
        tc = np.tanh(c)
        dc = dc_next + dh * o * (1 - tc * tc)
        parts = [dc * g * i * (1 - i), dc * c_prev * f * (1 - f), dc * i * (1 - g * g), dh * tc * o * (1 - o)]
        dz = np.concatenate(parts, axis=1)
        dwx += x[t].T @ dz
        dwh += h_prev.T @ dz
        db += dz.sum(0)
        dh_next, dc_next = dz @ wh.T, dc * f
    return [dwx, dwh, db], ()


def lstm_flops(case: Case) -> float:
    steps, batch, hidden = case.dims
    return 2 * steps * batch * 8 * hidden * hidden + steps * batch * hidden * (5 * TRANSCENDENTAL + 10)


def newton(case: Case, inputs: Arrays, state: Arrays) -> tuple[list[Array], Arrays]:
    """x with x exp(x) = a, from x = 1, until a step is below the tolerance."""
    (a,) = inputs
    x, step = 1.0, 1.0
    while abs(step) > NEWTON_TOLERANCE:
        e = np.exp(x)
        step = (x * e - a) / (e * (x + 1))
        x -= step
    return [np.asarray(x)], ()


workload(
    Workload(
        "rnn",
        sizes=((10_000, 16),),
        tiny=(20, 4),
        inputs=rnn_inputs,
        reference=rnn,
        threads=(1,),
        traffic=lambda case: 2 * case.elements * case.itemsize,
        flops=lambda case: (TRANSCENDENTAL + 2) * case.elements,
    )
)
workload(
    Workload(
        "lstm",
        sizes=((128, 32, 128),),
        tiny=(3, 2, 8),
        dtypes=("float32",),
        inputs=lstm_inputs,
        reference=lstm,
        traffic=lambda case: (2 * case.elements + 8 * case.dims[2] ** 2) * case.itemsize,
        flops=lstm_flops,
        rtol={"float32": 1e-3},
    )
)
workload(
    Workload(
        "lstm_grad",
        sizes=((128, 32, 128),),
        tiny=(3, 2, 8),
        dtypes=("float32",),
        inputs=lstm_inputs,
        reference=lstm_grad,
        traffic=lambda case: (case.elements + 16 * case.dims[2] ** 2) * case.itemsize,
        flops=lambda case: 3 * lstm_flops(case),
        rtol={"float32": 2e-3},
    )
)
workload(
    Workload(
        "newton",
        sizes=((1,),),
        tiny=(1,),
        dtypes=("float64",),
        threads=(1,),
        inputs=lambda case, rng: [np.asarray(rng.uniform(5, 10), case.dtype)],
        reference=newton,
        traffic=lambda case: 2 * case.itemsize,
        flops=lambda case: 6 * (TRANSCENDENTAL + 8),
    )
)
