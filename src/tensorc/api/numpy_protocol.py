"""NumPy on the left: `np.exp(x)`, `arr + x`, `np.where(c, x, 0)` build expressions through NumPy's dispatch
protocols (NEP 13, NEP 18).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tensorc.api import elementwise, suggestions
from tensorc.ir.errors import TensorcTypeError
from tensorc.ir.location import caller_location

_UFUNC_NAMES = {"invert": "bitwise_invert", "true_divide": "divide", "conjugate": "positive"}


def ufunc(function: np.ufunc, method: str, inputs: Sequence[object], kwargs: dict[str, object]) -> Any:
    """`function(*inputs)` as an expression; `add.reduce` and its kin become reductions."""
    from tensorc.api import functions

    name = _UFUNC_NAMES.get(function.__name__, function.__name__)
    if kwargs.pop("out", None) is not None:
        raise _refusal(
            f"np.{function.__name__}(out=...) cannot write into an array while a program is being built",
            "leave out= away",
        )
    if method == "reduce" and name in functions.UFUNC_REDUCTIONS:
        (x,) = inputs
        return functions.reduce_by_name(
            functions.UFUNC_REDUCTIONS[name],
            x,
            kwargs.get("axis", 0),
            bool(kwargs.get("keepdims", False)),
            kwargs.get("dtype"),
        )
    if method != "__call__":
        called = f"{function.__name__}.{method}"
        raise _refusal(f"np.{called} has no symbolic form", _instead("np", called))
    dtype = kwargs.pop("dtype", None)
    if kwargs:
        raise _refusal(
            f"np.{function.__name__} with {', '.join(kwargs)}= has no symbolic form", "use tc.where for masks"
        )
    if name == "matmul":
        result = functions.matmul(*inputs)
    elif name == "positive":
        (result,) = inputs
    elif name == "divmod":
        result = elementwise.call("floor_divide", *inputs), elementwise.call("remainder", *inputs)
        return result if dtype is None else tuple(part.astype(dtype) for part in result)
    elif name in elementwise.OPS:
        result = elementwise.call(name, *inputs)
    else:
        raise _refusal(f"np.{function.__name__} has no symbolic form", _instead("np", function.__name__))
    return result if dtype is None else result.astype(dtype)


def function(original: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]) -> Any:
    """A NumPy function whose namesake exists in `tc`."""
    import tensorc

    name = original.__name__
    ours = getattr(tensorc, name, None)
    if ours is None or getattr(np, name, None) is not original:
        where = original.__module__.replace("numpy", "np", 1)
        raise _refusal(f"{where}.{name} has no symbolic form", _instead(where, name))
    try:
        inspect.signature(ours).bind(*args, **kwargs)
    except TypeError as error:
        raise _refusal(
            f"np.{name} on expressions is tc.{name}: {error}", f"it is tc.{name}{_signature(ours)}"
        ) from None
    return ours(*args, **kwargs)


def _signature(function: Callable[..., object]) -> str:
    parameters = inspect.signature(function).parameters.values()
    return f"({', '.join(str(p.replace(annotation=p.empty)) for p in parameters)})"


def _instead(where: str, name: str) -> str:
    instead = suggestions.known("tc", name) if where == "np" else None
    apply = f"apply {where}.{name} to the result of a compiled function"
    return apply if instead is None else f"{instead}; or {apply}"


def _refusal(message: str, help: str) -> TensorcTypeError:
    return TensorcTypeError(message, code="TC0327", location=caller_location(), help=help)
