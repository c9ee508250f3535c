"""`tc.nn`: functions of neural networks."""

from __future__ import annotations

from typing import Any

from tensorc.api import convert, elementwise
from tensorc.api.expr import TensorLike
from tensorc.api.functions import log_softmax, softmax
from tensorc.api.suggestions import no_function

__all__ = ["log_softmax", "relu", "sigmoid", "softmax", "softplus"]


def relu(x: TensorLike) -> Any:
    """max(x, 0); NaN stays NaN."""
    return elementwise.call("maximum", x, 0)


def sigmoid(x: TensorLike) -> Any:
    """1 / (1 + exp(−x)), without overflow."""
    return elementwise.call("sigmoid", convert.asarray(x))


def softplus(x: TensorLike) -> Any:
    """log(1 + exp(x)), without overflow."""
    return elementwise.call("softplus", convert.asarray(x))


def __getattr__(name: str) -> Any:
    raise no_function("tc.nn", name)
