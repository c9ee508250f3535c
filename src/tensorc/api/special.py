"""`tc.special`: special functions under SciPy's names."""

from __future__ import annotations

from typing import Any

from tensorc.api import elementwise, functions
from tensorc.api.expr import TensorLike
from tensorc.api.functions import logsumexp
from tensorc.api.suggestions import no_function

__all__ = ["erf", "erfc", "expit", "log1mexp", "log1p", "log_softmax", "logsumexp", "softmax"]


def erf(x: TensorLike) -> Any:
    """The error function 2/√π ∫₀ˣ exp(−t²) dt."""
    return elementwise.call("erf", x)


def erfc(x: TensorLike) -> Any:
    """1 − erf(x), accurate for large x."""
    return elementwise.call("erfc", x)


def expit(x: TensorLike) -> Any:
    """The logistic function 1 / (1 + exp(−x))."""
    return elementwise.call("sigmoid", x)


def log1mexp(x: TensorLike) -> Any:
    """log(1 − exp(x)) for x ≤ 0."""
    return elementwise.call("log1mexp", x)


def log1p(x: TensorLike) -> Any:
    """log(1 + x), accurate near 0."""
    return elementwise.call("log1p", x)


def softmax(x: TensorLike, axis: Any = None) -> Any:
    """exp(x) / sum(exp(x)) over `axis`, by default all, as scipy.special.softmax (`tc.nn.softmax`: over
    the last).
    """
    return functions.softmax(x, axis)


def log_softmax(x: TensorLike, axis: Any = None) -> Any:
    """x − logsumexp(x) over `axis`, by default all (scipy.special.log_softmax)."""
    return functions.log_softmax(x, axis)


def __getattr__(name: str) -> Any:
    raise no_function("tc.special", name)
