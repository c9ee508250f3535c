"""From anything a user may write to an expression of a wanted dtype: literals, arrays, nested lists; NumPy 2
promotion with weak Python scalars.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from typing import cast as cast_hint

import numpy as np
from numpy.typing import DTypeLike

from tensorc.api import leaves
from tensorc.api.expr import Expr, apply
from tensorc.ir.errors import TensorcOverflowError, TensorcTypeError
from tensorc.ir.location import caller_location
from tensorc.ops.arithmetic import Cast
from tensorc.ops.attrs import CastAttrs
from tensorc.ops.dtypes import ALL, from_dtype, to_dtype, with_own_dtype
from tensorc.ops.index import FromIndex, ToIndex
from tensorc.ops.narrow import Narrow

NUMPY_DTYPES = tuple(to_dtype(e) for e in ALL)
COMPUTED = ", ".join(d.name for d in NUMPY_DTYPES)


def checked_array(value: object, what: str) -> np.ndarray[Any, Any]:
    """`np.asarray(value)` in native byte order, if the compiler computes with its dtype; raises
    TensorcTypeError otherwise.
    """
    if isinstance(value, np.ma.MaskedArray):
        raise TensorcTypeError(
            f"{what}: masked arrays are not supported",
            code="TC0301",
            location=caller_location(),
            help="pass value.filled(fill_value), or the data and a boolean mask separately",
        )
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise TensorcTypeError(
            f"{what}: cannot make an array of {_describe(value)}: {str(error).split('. ', 1)[0]}",
            code="TC0302",
            location=caller_location(),
            help=RAGGED if "inhomogeneous" in str(error) else None,
        ) from None
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype not in NUMPY_DTYPES:
        raise TensorcTypeError(
            f"{what}: {_describe(value)} is no array of numbers (NumPy gives it dtype {array.dtype})",
            code="TC0303",
            location=caller_location(),
            help=dtype_help(array.dtype),
        )
    return with_own_dtype(array)


def dtype_help(dtype: np.dtype[Any]) -> str:
    """What to do with an array of a dtype that is not computed with."""
    if dtype.kind in "US":
        return "convert text first: float(text), or np.asarray(texts, dtype='float64')"
    if dtype.kind == "c":
        return "complex numbers are not supported: compute with value.real and value.imag"
    if dtype.kind == "O":
        return "np.asarray(value, dtype='float64') makes numbers of it, if it holds nothing else"
    return f"convert it to one of {COMPUTED}"


RAGGED = "the rows of a nested list must be equally long"


def _describe(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


def asarray(value: object, dtype: object = None, name: str | None = None) -> Any:
    """`value` as an expression: itself if it is one, else a literal; nested lists may contain expressions.

    Python numbers stay weak: they take the dtype of what they meet. With `dtype` the result has that dtype.
    """
    expr = _as_expr(value, name)
    return expr if dtype is None else cast(expr, checked_dtype(dtype))


def constant(value: object, name: str | None = None, dtype: object = None) -> Any:
    """A literal array with the dtype NumPy gives it (Python numbers: float64, int64, bool; not weak)."""
    array = checked_array(value, "tc.constant")
    if dtype is not None:
        array = array.astype(checked_dtype(dtype))
    return leaves.Constant(array, caller_location(), name)


def _as_expr(value: object, name: str | None = None) -> Any:
    if isinstance(value, Expr):
        return value
    if isinstance(value, bool):
        return leaves.Constant(np.asarray(value), caller_location(), name)
    if isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise TensorcOverflowError(
                f"Python integer {value} is out of bounds for every integer dtype",
                code="TC0304",
                location=caller_location(),
                help="float(value) rounds it to a float",
            )
        return leaves.Constant(np.asarray(value), caller_location(), name, weak="int")
    if type(value) is float:
        return leaves.Constant(np.asarray(value), caller_location(), name, weak="float")
    if isinstance(value, list | tuple) and _contains_expr(value):
        from tensorc.api.shapes import stack

        return stack([_as_expr(item) for item in value])
    return leaves.Constant(checked_array(value, "tc.asarray"), caller_location(), name)


def _contains_expr(value: Sequence[object]) -> bool:
    stack: list[object] = list(value)
    while stack:
        item = stack.pop()
        if isinstance(item, Expr):
            return True
        if isinstance(item, list | tuple):
            stack.extend(item)
    return False


def checked_dtype(dtype: object) -> np.dtype[Any]:
    """The NumPy dtype meant by a name, class or dtype, if the compiler computes with it."""
    wanted: np.dtype[Any] | None
    try:
        wanted = np.dtype(cast_hint(DTypeLike, dtype))
    except TypeError:
        wanted = None
    if wanted is None or wanted not in NUMPY_DTYPES:
        raise TensorcTypeError(
            f"dtype {dtype!r} is not supported{_near_dtype(dtype)}",
            code="TC0305",
            location=caller_location(),
            help=f"use one of {COMPUTED}",
        )
    return wanted


def _near_dtype(dtype: object) -> str:
    from tensorc.api.suggestions import keyword

    return keyword(dtype, [d.name for d in NUMPY_DTYPES]) if isinstance(dtype, str) else ""


def cast(expr: Any, dtype: np.dtype[Any]) -> Any:
    """`expr` with the given dtype; literals are converted now, others by `tensorc.cast`."""
    if expr.dtype == dtype and expr.weak is None:
        return expr
    if isinstance(expr, leaves.Constant):
        return leaves.Constant(_literal(expr, dtype), expr.location or caller_location(), expr.name)
    if expr.dtype == dtype:
        return expr
    if expr.weak == "int" and dtype.kind in "iu":
        return _narrowed(expr, dtype)
    return apply(Cast, expr, attrs=CastAttrs(from_dtype(dtype)))


def astype(expr: Any, dtype: np.dtype[Any]) -> Any:
    """`expr` converted on purpose: integers wrap, and what was a Python number is an array from here on."""
    if expr.weak is None or isinstance(expr, leaves.Constant):
        return cast(expr, dtype)
    return apply(Cast, expr, attrs=CastAttrs(from_dtype(dtype)))


def _narrowed(expr: Any, dtype: np.dtype[Any]) -> Any:
    """A Python integer whose value is known at run time only, checked then to fit what it meets."""
    if expr.dtype.kind == "u":  # it was at least 2**63 when the program was traced
        raise TensorcOverflowError(
            f"a Python integer of 2**63 or more is out of bounds for {dtype}",
            code="TC0308",
            location=caller_location(),
            help="use uint64 or a floating-point dtype",
        )
    known = expr.node is not None and expr.node.definition is FromIndex
    value = expr.node.operands[0] if known else apply(ToIndex, expr)
    return apply(Narrow, value, attrs=CastAttrs(from_dtype(dtype)))


def _literal(expr: Any, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    if expr.weak == "int" and dtype.kind in "iu":
        bounds = np.iinfo(dtype)
        if not bounds.min <= int(expr.value) <= bounds.max:
            raise TensorcOverflowError(
                f"Python integer {int(expr.value)} is out of bounds for {dtype}",
                code="TC0306",
                location=caller_location(),
                help=(
                    f"use a wider dtype, or np.asarray({int(expr.value)}).astype({dtype.name!r}) to "
                    "wrap on purpose"
                ),
            )
    with np.errstate(all="ignore"):
        return np.asarray(expr.value).astype(dtype)


_FLOAT16 = np.dtype("float16")
_WEAK: dict[str, type] = {"int": int, "float": float}
_COMPARISONS = frozenset({np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal})


def _fits(operand: Any, others: Sequence[Any]) -> bool:
    """Whether a weak operand is known to fit the dtypes of the others."""
    if operand.weak != "int" or any(o.dtype.kind not in "iu" for o in others):
        return True
    if not isinstance(operand, leaves.Constant):
        return False
    bounds = [np.iinfo(o.dtype) for o in others if o.weak is None]
    return all(b.min <= int(operand.value) <= b.max for b in bounds)


def resolve(ufunc: np.ufunc, operands: Sequence[Any]) -> tuple[np.dtype[Any], ...]:
    """The dtypes in which NumPy 2 would compute `ufunc` on these operands: inputs, then the output.

    Python scalars are weak (NEP 50). Where NumPy would compute in float16, float32 is used.
    Raises TensorcTypeError where NumPy has no loop.
    """
    kinds: list[Any] = [_WEAK.get(o.weak or "", o.dtype) for o in operands]
    if all(isinstance(k, type) for k in kinds) or (
        ufunc in _COMPARISONS and not all(_fits(o, operands) for o in operands)
    ):  # a comparison with a Python integer out of range is exact in NumPy, so it is made in a wider dtype
        kinds = [o.dtype for o in operands]
    try:
        found = ufunc.resolve_dtypes((*kinds, *([None] * ufunc.nout)))
    except TypeError:
        from tensorc.api.advice import listed

        described = listed(operands, " and ")
        raise TensorcTypeError(
            f"{ufunc.__name__}: not defined for {described}",
            code="TC0307",
            location=caller_location(),
            help=_no_loop_help(ufunc.__name__),
        ) from None
    return tuple(np.dtype(np.float32) if d == _FLOAT16 else d for d in found)


def _no_loop_help(name: str) -> str:
    if name in ("subtract", "negative"):
        return "for booleans use ^ (exclusive or) or ~ (not), or convert with .astype('int64')"
    if name in ("invert", "left_shift", "right_shift") or name.startswith("bitwise_"):
        return "it works on the bits of integers and booleans: convert with .astype('int64')"
    return "convert the operands with .astype(dtype) first"


def common_dtype(operands: Sequence[Any]) -> np.dtype[Any]:
    """NumPy 2's result dtype of the operands, Python scalars weak."""
    samples = [{"int": 0, "float": 0.0}.get(o.weak or "", o.dtype) for o in operands]
    return np.dtype(np.result_type(*samples))
