"""A transformer encoder block forward and with gradient; a convolution and a pooling layer."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from benchmarks.harness.case import Array, Arrays, Case, Workload, workload
from benchmarks.workloads.rows import EPSILON

HEADS, WIDEN = 4, 4
PARAMETERS = ("wqkv", "bqkv", "wo", "bo", "g1", "c1", "w1", "b1", "w2", "b2", "g2", "c2")


def parameter_shapes(d: int) -> list[tuple[int, ...]]:
    """Shapes of PARAMETERS, d the width of the model."""
    return [
        (d, 3 * d),
        (3 * d,),
        (d, d),
        (d,),
        (d,),
        (d,),
        (d, WIDEN * d),
        (WIDEN * d,),
        (WIDEN * d, d),
        (d,),
        (d,),
        (d,),
    ]


def block_inputs(case: Case, rng: Generator) -> list[Array]:
    shapes = parameter_shapes(case.dims[2])
    parameters = [rng.standard_normal(s) * (s[0] ** -0.5 if len(s) == 2 else 0.1) for s in shapes]
    return [a.astype(case.dtype) for a in (rng.standard_normal(case.dims), *parameters)]


def heads_of(a: Array) -> Array:
    """(batch, time, d) as (batch, head, time, d / HEADS)."""
    batch, time, d = a.shape
    return a.reshape(batch, time, HEADS, d // HEADS).swapaxes(1, 2)


def joined(a: Array) -> Array:
    batch, _, time, width = a.shape
    return a.swapaxes(1, 2).reshape(batch, time, HEADS * width)


def norm(x: Array) -> tuple[Array, Array]:
    centred = x - x.mean(-1, keepdims=True)
    r = 1 / np.sqrt((centred**2).mean(-1, keepdims=True) + EPSILON)
    return centred * r, r


def norm_back(d: Array, n: Array, r: Array) -> Array:
    return r * (d - d.mean(-1, keepdims=True) - n * (d * n).mean(-1, keepdims=True))


def block(x: Array, *parameters: Array) -> dict[str, Array]:
    """Post-norm encoder block with relu (Vaswani et al. 2017, section 3); all that its gradient needs."""
    p = dict(zip(PARAMETERS, parameters, strict=True))
    q, k, v = (heads_of(a) for a in np.split(x @ p["wqkv"] + p["bqkv"], 3, axis=-1))
    scores = q @ k.swapaxes(-1, -2) * q.shape[-1] ** -0.5
    e = np.exp(scores - scores.max(-1, keepdims=True))
    a = e / e.sum(-1, keepdims=True)
    mixed = joined(a @ v)
    n1, r1 = norm(x + mixed @ p["wo"] + p["bo"])
    y = n1 * p["g1"] + p["c1"]
    h = np.maximum(y @ p["w1"] + p["b1"], 0)
    n2, r2 = norm(y + h @ p["w2"] + p["b2"])
    out = n2 * p["g2"] + p["c2"]
    return {
        **p,
        "q": q,
        "k": k,
        "v": v,
        "a": a,
        "mixed": mixed,
        "n1": n1,
        "r1": r1,
        "y": y,
        "h": h,
        "n2": n2,
        "r2": r2,
        "out": out,
    }


def over(a: Array, b: Array) -> Array:
    """The sum over batch and time of outer products."""
    return a.reshape(-1, a.shape[-1]).T @ b.reshape(-1, b.shape[-1])


def block_gradient(case: Case, inputs: Arrays, state: Arrays) -> tuple[list[Array], Arrays]:
    """Gradients of the mean of the squares of the output, for all parameters."""
    x = inputs[0]
    s = block(*inputs)
    flat = (0, 1)
    d = 2 * s["out"] / s["out"].size
    dg2, dc2 = (d * s["n2"]).sum(flat), d.sum(flat)
    d = norm_back(d * s["g2"], s["n2"], s["r2"])
    dw2, db2 = over(s["h"], d), d.sum(flat)
    dh = (d @ s["w2"].T) * (s["h"] > 0)
    dw1, db1 = over(s["y"], dh), dh.sum(flat)
    d = d + dh @ s["w1"].T
    dg1, dc1 = (d * s["n1"]).sum(flat), d.sum(flat)
    d = norm_back(d * s["g1"], s["n1"], s["r1"])
    dwo, dbo = over(s["mixed"], d), d.sum(flat)
    dm = heads_of(d @ s["wo"].T)
    dv, da = s["a"].swapaxes(-1, -2) @ dm, dm @ s["v"].swapaxes(-1, -2)
    ds = s["a"] * (da - (da * s["a"]).sum(-1, keepdims=True)) * s["q"].shape[-1] ** -0.5
    dq, dk = ds @ s["k"], ds.swapaxes(-1, -2) @ s["q"]
    dqkv = np.concatenate([joined(dq), joined(dk), joined(dv)], axis=-1)
    return [over(x, dqkv), dqkv.sum(flat), dwo, dbo, dg1, dc1, dw1, db1, dw2, db2, dg2, dc2], ()


def block_flops(case: Case) -> float:
    batch, time, d = case.dims
    products = 2 * batch * time * d * d * (3 + 1 + 2 * WIDEN)
    return products + 4 * batch * time * time * d + 25 * batch * HEADS * time * time


def block_traffic(case: Case) -> float:
    parameters = sum(int(np.prod(s)) for s in parameter_shapes(case.dims[2]))
    return (2 * case.elements + parameters) * case.itemsize


CHANNELS_OUT = 64


def conv_inputs(case: Case, rng: Generator) -> list[Array]:
    channels = case.dims[1]
    kernel = rng.standard_normal((channels, channels, 3, 3)) * (9 * channels) ** -0.5
    return [rng.standard_normal(case.dims).astype(case.dtype), kernel.astype(case.dtype)]


def conv(case: Case, inputs: Arrays, state: Arrays) -> tuple[list[Array], Arrays]:
    """Cross-correlation with 3x3 kernels, padded by 1 so that the extents stay."""
    x, w = inputs
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    return [np.tensordot(windows, w, ((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)], ()


def maxpool(case: Case, inputs: Arrays, state: Arrays) -> tuple[list[Array], Arrays]:
    x = inputs[0]
    n, c, h, w = x.shape
    return [x.reshape(n, c, h // 2, 2, w // 2, 2).max((3, 5))], ()


workload(
    Workload(
        "transformer",
        sizes=((4, 128, 256),),
        tiny=(2, 6, 16),
        dtypes=("float32",),
        inputs=block_inputs,
        reference=lambda case, inputs, state: ([block(*inputs)["out"]], ()),
        traffic=block_traffic,
        flops=block_flops,
        rtol={"float32": 1e-3},
    )
)
workload(
    Workload(
        "transformer_grad",
        sizes=((4, 128, 256),),
        tiny=(2, 6, 16),
        dtypes=("float32",),
        inputs=block_inputs,
        reference=block_gradient,
        traffic=lambda case: 2 * block_traffic(case),
        flops=lambda case: 3 * block_flops(case),
        rtol={"float32": 3e-3},
    )
)
workload(
    Workload(
        "conv2d",
        sizes=((8, 64, 56, 56),),
        tiny=(1, 2, 6, 6),
        dtypes=("float32",),
        inputs=conv_inputs,
        reference=conv,
        traffic=lambda case: 2 * case.elements * case.itemsize,
        flops=lambda case: 2 * 9 * case.dims[1] * case.elements,
        rtol={"float32": 1e-3},
    )
)
workload(
    Workload(
        "maxpool",
        sizes=((8, 64, 56, 56),),
        tiny=(1, 2, 6, 6),
        dtypes=("float32",),
        inputs=lambda case, rng: [rng.standard_normal(case.dims).astype(case.dtype)],
        reference=maxpool,
        traffic=lambda case: 1.25 * case.elements * case.itemsize,
        flops=lambda case: 0.75 * case.elements,
    )
)
