"""The probes of stabilisation in compiled code, in every mode, with their gradients, also in float32."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import mpmath
import numpy as np
import pytest

import tensorc as tc
from passes.rule_examples import real_value
from passes.test_stabilise import ELEMENTWISE, ONE_SIDED, ROWS, derivative, inputs_of
from tensorc.api import functions

MODES = ["O0", "O1", "O2", "O3"]
PROBES = [*ELEMENTWISE, *ROWS]


def names(symbols: dict[str, Any]) -> dict[str, Any]:
    """What the words of an example mean in the public API."""
    over = {n: getattr(tc, n) for n in ("sum", "prod", "max", "logsumexp")}
    plain = ("exp", "log", "log1p", "expm1", "sqrt", "abs", "sin", "erf", "erfc", "where")
    known: dict[str, Any] = {n: getattr(tc, n) for n in plain}
    known |= {n: partial(_along, f) for n, f in over.items()}
    known |= {
        "amax": known["max"],
        "sigmoid": tc.nn.sigmoid,
        "softplus": tc.nn.softplus,
        "softmax": lambda x, axis: tc.nn.softmax(x, axis=axis),
        "log_softmax": lambda x, axis: tc.nn.log_softmax(x, axis=axis),
        "transpose": lambda x, *perm: tc.transpose(x, perm),
        "expand_dims": tc.expand_dims,
        "reshape": lambda x, *shape: tc.reshape(x, shape),
        "broadcast_to": lambda x, *shape: tc.broadcast_to(x, shape),
        "full_like": functions.full_like,
    }
    return known | symbols


def _along(reduction: Any, x: Any, *axes: int) -> Any:
    return reduction(x, axis=axes)


def compiled(expression: str, inputs: dict[str, Any], mode: str, dtype: str = "float64") -> list[Any]:
    """The value of an expression and the gradient of its sum with respect to `x`."""
    symbols = {n: tc.tensor(n, dtype, (None, 3) if a.ndim else ()) for n, a in inputs.items()}
    extra = {"n": symbols["x"].shape[0]}
    value = eval(expression, {"__builtins__": {}}, names({**symbols, **extra}))
    gradient = tc.grad(tc.sum(value), symbols["x"])
    function = tc.function(list(symbols.values()), [value, gradient], mode=mode)
    return list(function(*[a.astype(dtype) for a in inputs.values()]))


def close(found: Any, truth: Any, ulps: float, least: float) -> bool:
    """Equal to the rounded truth, or within so many ulps of it, of the least normal number or of `least`."""
    dtype = found.dtype
    with np.errstate(all="ignore"), mpmath.workprec(100):
        nearest = np.array([float(t) for t in np.ravel(truth)]).reshape(found.shape).astype(dtype)
        size = np.maximum(np.abs(nearest), max(np.finfo(dtype).tiny, least)).astype(dtype)
        return bool(np.all((found == nearest) | (np.abs(found - nearest) <= ulps * np.spacing(size))))


@cache
def truth(expression: str, x: tuple[float, ...], dtype: str) -> tuple[Any, Any]:
    """The real value and gradient at the probe rounded to `dtype`."""
    inputs = {n: a.astype(dtype).astype(float) for n, a in inputs_of(expression, list(x)).items()}
    slope = derivative(expression, inputs)
    if expression in ONE_SIDED:
        slope = np.where(inputs["x"] == 0, ONE_SIDED[expression], slope)
    return real_value(expression, inputs, 9000), slope


def failures(mode: str, dtype: str, probes: list[tuple[str, str, list[float]]]) -> list[Any]:
    found = []
    for row, expression, x in probes:
        value, gradient = compiled(expression, inputs_of(expression, x), mode, dtype)
        true_value, true_gradient = truth(expression, tuple(x), dtype)
        coupled = (row, expression, x) in ROWS
        least = 1 if coupled or "38" in row else 0
        if not close(value, true_value, 32, 0):
            found.append((row, expression, "value", value))
        if not close(gradient, true_gradient, 4096 if coupled else 128, least):
            found.append((row, expression, "gradient", gradient))
    return found


@pytest.mark.parametrize("mode", MODES)
def test_probes_in_every_mode(mode: str) -> None:
    assert not failures(mode, "float64", PROBES)


def test_probes_in_float32() -> None:
    inside = [p for p in PROBES if all(v == 0 or 1e-37 < abs(v) < 1e37 for v in p[2])]
    assert len(inside) > 50
    assert not failures("O3", "float32", inside)
