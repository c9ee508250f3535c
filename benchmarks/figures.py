"""The figures we quote, each beside NumPy's in the same run: `make bench`, or `python benchmarks/figures.py
[NAME ...]`.

Columns: what is measured, tensorc's time, NumPy's time for the same result, and their ratio (above 1: tensorc
is faster). A time is the median of many rounds in which the two take turns, so that a busy machine
disturbs both alike. Results are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

import tensorc as tc

ROUNDS = 31
SOURCE = Path(__file__).resolve().parent.parent / "src"
Action = Callable[[], object]


@dataclass(frozen=True)
class Figure:
    """One row: times in seconds; `numpy` is None where NumPy has no counterpart."""

    name: str
    tensorc: float
    numpy: float | None


def time_of(action: Action, loops: int) -> float:
    """Seconds a call, over one batch of `loops` calls."""
    start = time.perf_counter()
    for _ in range(loops):
        action()
    return (time.perf_counter() - start) / loops


def side_by_side(name: str, ours: Action, theirs: Action, loops: int) -> Figure:
    """Time two actions in turns; the median of ROUNDS batches each."""
    pairs = [(time_of(ours, loops), time_of(theirs, loops)) for _ in range(ROUNDS)]
    return Figure(name, median(p[0] for p in pairs), median(p[1] for p in pairs))


def call() -> Figure:
    """What a call costs: `x + 1` on 8 float64."""
    x = tc.vector("x")
    f = tc.function([x], x + 1)
    a = np.arange(8.0)
    np.testing.assert_array_equal(f(a), a + 1.0)
    return side_by_side("call of x + 1, 8 float64", lambda: f(a), lambda: a + 1.0, 20_000)


def chain_of(x: object, m: object) -> object:
    """Twelve elementwise operations."""
    y = m.exp(x * x * -0.5) + x * 0.25
    return m.sqrt(y * y + abs(x)) / (1.5 + m.maximum(x, 0.125))


def chain() -> Figure:
    """What fusion buys: 12 elementwise operations on a million float64."""
    x = tc.vector("x")
    f = tc.function([x], chain_of(x, tc))
    a = np.random.default_rng(0).standard_normal(1_000_000)
    np.testing.assert_allclose(f(a), chain_of(a, np), rtol=1e-13, atol=1e-14)
    return side_by_side("12-op elementwise chain, 10^6 float64", lambda: f(a), lambda: chain_of(a, np), 3)


HIDDEN = 128


def network_parameters() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {
        "w1": rng.standard_normal((64, HIDDEN)) * 0.1,
        "b1": np.zeros(HIDDEN),
        "w2": rng.standard_normal((HIDDEN, 10)) * 0.1,
        "b2": np.zeros(10),
    }


def compiled_step() -> tuple[Callable[..., object], dict[str, object]]:
    """One step of gradient descent on a two-layer network, in the style of Theano; and its parameters."""
    x, t = tc.matrix("x"), tc.matrix("t")
    shared = {name: tc.shared(value, name) for name, value in network_parameters().items()}
    hidden = tc.tanh(x @ shared["w1"] + shared["b1"])
    logits = hidden @ shared["w2"] + shared["b2"]
    cost = -tc.mean(tc.sum(t * tc.nn.log_softmax(logits), axis=1))
    gradients = tc.grad(cost, list(shared.values()))
    updates = [(p, p - 0.1 * g) for p, g in zip(shared.values(), gradients, strict=True)]
    return tc.function([x, t], cost, updates=updates), shared


def numpy_step(p: dict[str, np.ndarray], x: np.ndarray, t: np.ndarray) -> float:
    """The same step by hand."""
    hidden = np.tanh(x @ p["w1"] + p["b1"])
    logits = hidden @ p["w2"] + p["b2"]
    shifted = logits - logits.max(axis=1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    cost = -np.mean((t * logp).sum(axis=1))
    d_logits = (np.exp(logp) * t.sum(axis=1, keepdims=True) - t) / len(x)
    d_hidden = (d_logits @ p["w2"].T) * (1 - hidden * hidden)
    gradients = {
        "w1": x.T @ d_hidden,
        "b1": d_hidden.sum(axis=0),
        "w2": hidden.T @ d_logits,
        "b2": d_logits.sum(axis=0),
    }
    for name, gradient in gradients.items():
        p[name] = p[name] - 0.1 * gradient
    return float(cost)


def step() -> Figure:
    """What training costs: one step of a 64-128-10 network on a batch of 128 (the shape of the digits demo).
    """
    rng = np.random.default_rng(2)
    x, t = rng.random((128, 64)), np.eye(10)[rng.integers(0, 10, 128)]
    train, shared = compiled_step()
    mine = network_parameters()
    for _ in range(5):
        np.testing.assert_allclose(train(x, t), numpy_step(mine, x, t), rtol=1e-10)
    for name, value in mine.items():
        np.testing.assert_allclose(shared[name].get_value(), value, rtol=1e-8, atol=1e-12)
    return side_by_side(
        "training step, 64-128-10 on 128", lambda: train(x, t), lambda: numpy_step(mine, x, t), 20
    )


def compile_and_call() -> Figure:
    """What the compiler costs: expression to first result of the 12-op chain, after a warming-up compile."""
    a = np.random.default_rng(0).standard_normal(1000)

    def once() -> None:
        x = tc.vector("x")
        tc.function([x], chain_of(x, tc))(a)

    once()
    seconds = median(time_of(once, 1) for _ in range(ROUNDS))
    return Figure("compile the 12-op chain and call it", seconds, None)


def compile_gradient() -> Figure:
    """The same for the training step with its gradient."""
    compiled_step()
    return Figure("compile the training step", median(time_of(compiled_step, 1) for _ in range(5)), None)


def import_time() -> Figure:
    """What `import` costs in a fresh interpreter, its start-up taken off."""

    def run(statement: str) -> float:
        start = time.perf_counter()
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        subprocess.run([sys.executable, "-c", statement], check=True, env=environment)
        return time.perf_counter() - start

    rounds = [(run("pass"), run("import numpy"), run("import tensorc")) for _ in range(ROUNDS)]
    bare, numpy, ours = (median(column) for column in zip(*rounds, strict=True))
    return Figure("import", ours - bare, numpy - bare)


FIGURES: dict[str, Callable[[], Figure]] = {
    "call": call,
    "chain": chain,
    "step": step,
    "compile": compile_and_call,
    "compile-gradient": compile_gradient,
    "import": import_time,
}


def readable(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def main() -> int:
    os.environ["TENSORC_CACHE"] = "0"  # compile times are those of the compiler
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help=f"which figures, of {', '.join(FIGURES)} (default: all)")
    names = parser.parse_args().names or list(FIGURES)
    if unknown := set(names) - set(FIGURES):
        parser.error(f"no figure {', '.join(sorted(unknown))}")
    print(f"{'':40} {'tensorc':>10} {'NumPy':>10} {'ratio':>7}")
    for name in names:
        figure = FIGURES[name]()
        ratio = "-" if figure.numpy is None else f"{figure.numpy / figure.tensorc:.2f}"
        print(
            f"{figure.name:40} {readable(figure.tensorc):>10} {readable(figure.numpy):>10} {ratio:>7}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
