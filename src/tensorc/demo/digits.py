"""Softmax regression and a two-layer network on scikit-learn's handwritten digits (1,797 images of 8×8),
written as one would in Theano.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import tensorc as tc

Array = np.ndarray[Any, np.dtype[Any]]
BATCH = 32


@dataclass(frozen=True)
class Digits:
    """Images as rows of 64 values in [0, 1], labels 0 to 9, split once into training and held-out parts."""

    train_x: Array
    train_y: Array
    test_x: Array
    test_y: Array


@dataclass(frozen=True)
class Model:
    """Ready to train: `train(x, y)` takes one step and returns the cost, `predict(x)` gives labels."""

    name: str
    train: Callable[[Array, Array], Array]
    predict: Callable[[Array], Array]
    compile_ms: float


@dataclass(frozen=True)
class Outcome:
    """What training gave."""

    model: str
    parameters: int
    compile_ms: float
    seconds: float
    steps: int
    cost: float
    accuracy: float


def load(seed: int = 0) -> Digits:
    """The digits, shuffled, 20 % held out. Imports scikit-learn, which the `demo` extra installs."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(labels))
    x, y = images[order] / 16.0, labels[order].astype(np.int64)
    border = len(y) * 4 // 5
    return Digits(x[:border], y[:border], x[border:], y[border:])


def softmax_regression(rate: float = 0.5) -> Model:
    """One linear layer; the cost is the naive −log(softmax), which the compiler makes stable."""
    x, y = tc.matrix("x"), tc.lvector("y")
    w = tc.shared(np.zeros((64, 10)), name="w")
    b = tc.shared(np.zeros(10), name="b")
    p = tc.nn.softmax(tc.dot(x, w) + b)
    return _model("softmax regression", x, y, p, [w, b], rate)


def two_layer_network(hidden: int = 128, rate: float = 0.2, seed: int = 1) -> Model:
    """64 → tanh → 10."""
    rng = np.random.default_rng(seed)
    x, y = tc.matrix("x"), tc.lvector("y")
    w1 = tc.shared(rng.normal(0, 64**-0.5, (64, hidden)), name="w1")
    b1 = tc.shared(np.zeros(hidden), name="b1")
    w2 = tc.shared(rng.normal(0, hidden**-0.5, (hidden, 10)), name="w2")
    b2 = tc.shared(np.zeros(10), name="b2")
    h = tc.tanh(tc.dot(x, w1) + b1)
    p = tc.nn.softmax(tc.dot(h, w2) + b2)
    return _model("two-layer network", x, y, p, [w1, b1, w2, b2], rate)


def _model(name: str, x: Any, y: Any, p: Any, parameters: list[Any], rate: float) -> Model:
    cost = -tc.mean(tc.log(p)[tc.arange(y.shape[0]), y])
    gradients = tc.grad(cost, parameters)
    updates = [(v, v - rate * g) for v, g in zip(parameters, gradients, strict=True)]
    start = time.perf_counter()
    train = tc.function([x, y], cost, updates=updates, name="train")
    predict = tc.function([x], tc.argmax(p, axis=1), name="predict")
    return Model(name, train, predict, (time.perf_counter() - start) * 1e3)


def fit(model: Model, data: Digits, epochs: int, tick: Callable[[float], None], seed: int = 2) -> Outcome:
    """Stochastic gradient descent over `epochs` passes; `tick(cost)` after every pass."""
    rng = np.random.default_rng(seed)
    start, steps, cost = time.perf_counter(), 0, float("nan")
    for _ in range(epochs):
        order = rng.permutation(len(data.train_y))
        for first in range(0, len(order), BATCH):
            batch = order[first : first + BATCH]
            cost = float(model.train(data.train_x[batch], data.train_y[batch]))
            steps += 1
        tick(cost)
    seconds = time.perf_counter() - start
    accuracy = float(np.mean(model.predict(data.test_x) == data.test_y))
    parameters = 64 * 10 + 10 if model.name.startswith("softmax") else 64 * 128 + 128 + 128 * 10 + 10
    return Outcome(model.name, parameters, model.compile_ms, seconds, steps, cost, accuracy)


def _advance(progress: Any, task: Any, cost: float) -> None:
    progress.update(task, advance=1, cost=cost)


def main(epochs: int = 30) -> int:
    """Train both models with a progress bar and print a summary table; returns the exit status."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Table

    console = Console()
    data = load()
    console.print(
        f"digits: {len(data.train_y)} training images, {len(data.test_y)} held out, 8×8 pixels, 10 classes"
    )
    columns = (
        TextColumn("{task.description:20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("cost {task.fields[cost]:.4f}"),
    )
    outcomes = []
    with Progress(*columns, console=console) as progress:
        for build in (softmax_regression, two_layer_network):
            model = build()
            task = progress.add_task(model.name, total=epochs, cost=float("nan"))
            tick = partial(_advance, progress, task)
            outcomes.append(fit(model, data, epochs, tick))
    table = Table(title="tensorc on handwritten digits")
    for heading in ("model", "weights", "compile ms", "train s", "step µs", "last cost", "held out"):
        table.add_column(heading, justify="left" if heading == "model" else "right")
    for o in outcomes:
        table.add_row(
            o.model,
            f"{o.parameters:,}",
            f"{o.compile_ms:.0f}",
            f"{o.seconds:.2f}",
            f"{o.seconds / o.steps * 1e6:.0f}",
            f"{o.cost:.4f}",
            f"{o.accuracy:.3f}",
        )
    console.print(table)
    return 0
