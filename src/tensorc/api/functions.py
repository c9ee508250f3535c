"""Functions of `tc` that are not elementwise ops by themselves: reductions, products, creation, selection."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from tensorc.api import advice, convert, elementwise
from tensorc.api import extents as extents_
from tensorc.api.broadcast import broadcast_extents, broadcast_together
from tensorc.api.broadcast import broadcast_to as broadcast_to_extents
from tensorc.api.expr import BUILDER, Expr, TensorLike, apply
from tensorc.api.shapes import (
    as_extent,
    extent_as_tensor,
    fail,
    insert_axes,
    normalize_axes,
    normalize_axis,
    product,
    ravel,
    reshape_extents,
    transpose,
)
from tensorc.ir.definition import REGISTRY
from tensorc.ir.errors import TensorcTypeError, TensorcValueError
from tensorc.ops import index as ix
from tensorc.ops.attrs import AxesAttrs, AxisAttrs, IotaAttrs
from tensorc.ops.composite import LogSoftmax, LogSumExp, Softmax
from tensorc.ops.creation import Iota
from tensorc.ops.dtypes import from_dtype
from tensorc.ops.indexing import Gather
from tensorc.ops.linalg import Matmul

__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "arange",
    "argmax",
    "argmin",
    "clip",
    "disconnected_grad",
    "dot",
    "eye",
    "full",
    "full_like",
    "logsumexp",
    "matmul",
    "max",
    "mean",
    "min",
    "ones",
    "ones_like",
    "outer",
    "prod",
    "round",
    "sqr",
    "square",
    "std",
    "stop_gradient",
    "sum",
    "switch",
    "take",
    "tensordot",
    "var",
    "where",
    "zeros",
    "zeros_like",
]

UFUNC_REDUCTIONS = {
    "add": "sum",
    "multiply": "prod",
    "maximum": "max",
    "minimum": "min",
    "logical_and": "all",
    "logical_or": "any",
}
FLOAT64 = np.dtype("float64")
INT64 = np.dtype("int64")
UINT8 = np.dtype("uint8")
BOOL = np.dtype("bool")


def reduce_by_name(name: str, x: TensorLike, axis: object, keepdims: bool, dtype: object = None) -> Any:
    """A reduction over `axis` (None: all): `sum prod max min any all`, with NumPy's result dtype."""
    x = convert.asarray(x)
    axes = normalize_axes(axis, x.ndim, name)
    if x.dtype == BOOL and name in ("max", "min"):
        found = _reduced(REGISTRY[f"tensorc.{name}"], convert.cast(x, UINT8), axes, keepdims)
        return convert.cast(found, BOOL)
    if name in ("any", "all"):
        return _logical_reduction(name, convert.cast(x, BOOL), axes, keepdims)
    if name in ("sum", "prod"):
        x = convert.cast(x, _accumulator(x.dtype) if dtype is None else convert.checked_dtype(dtype))
    return _reduced(REGISTRY[f"tensorc.{name}"], x, axes, keepdims)


def _logical_reduction(name: str, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    return _reduced(REGISTRY[f"tensorc.{name}"], x, axes, keepdims)


def _accumulator(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """NumPy's dtype of a sum: small integers add up in 64 bits."""
    if dtype.kind in "bi":
        return INT64
    return np.dtype("uint64") if dtype.kind == "u" else dtype


def _reduced(definition: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    result = apply(definition, x, attrs=AxesAttrs(axes)) if axes else x
    return insert_axes(result, axes) if keepdims and axes else result


def sum(x: TensorLike, axis: object = None, dtype: object = None, keepdims: bool = False) -> Any:
    """numpy.sum: integers narrower than 64 bits are added in 64; 0 for no elements.

    Floats are added in pairwise blocks whose borders depend on sizes only.
    """
    return reduce_by_name("sum", x, axis, keepdims, dtype)


def prod(x: TensorLike, axis: object = None, dtype: object = None, keepdims: bool = False) -> Any:
    """numpy.prod: integers narrower than 64 bits are multiplied in 64; 1 for no elements."""
    return reduce_by_name("prod", x, axis, keepdims, dtype)


def max(x: TensorLike, axis: object = None, keepdims: bool = False) -> Any:
    """numpy.max: NaN where a NaN is seen."""
    return reduce_by_name("max", x, axis, keepdims)


def min(x: TensorLike, axis: object = None, keepdims: bool = False) -> Any:
    """numpy.min: NaN where a NaN is seen."""
    return reduce_by_name("min", x, axis, keepdims)


def any(x: TensorLike, axis: object = None, keepdims: bool = False) -> Any:
    """numpy.any: whether some element along the axes is true (not zero); false for no elements."""
    return reduce_by_name("any", x, axis, keepdims)


def all(x: TensorLike, axis: object = None, keepdims: bool = False) -> Any:
    """numpy.all: whether every element along the axes is true (not zero); true for no elements."""
    return reduce_by_name("all", x, axis, keepdims)


amax, amin = max, min


def mean(x: TensorLike, axis: object = None, dtype: object = None, keepdims: bool = False) -> Any:
    """numpy.mean: integers are averaged in float64; NaN for no elements."""
    x = convert.asarray(x)
    axes = normalize_axes(axis, x.ndim, "mean")
    wanted = (
        convert.checked_dtype(dtype) if dtype is not None else (x.dtype if x.dtype.kind == "f" else FLOAT64)
    )
    return _reduced(REGISTRY["tensorc.mean"], convert.cast(x, wanted), axes, keepdims)


def _count(x: Any, axes: Sequence[int], dtype: np.dtype[Any]) -> Any:
    count = extent_as_tensor(product([x.extents[a] for a in axes]))
    return convert.cast(convert.asarray(count), dtype)


def var(
    x: TensorLike,
    axis: object = None,
    dtype: object = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    correction: float | None = None,
) -> Any:
    """numpy.var: mean squared distance from the mean, in two passes. `ddof` is subtracted from the number of
    elements; `correction` is the Array API's name for it.

    Raises TensorcValueError when both are given.
    """
    x = convert.asarray(x)
    ddof = _ddof(ddof, correction)
    axes = normalize_axes(axis, x.ndim, "var")
    wanted = (
        convert.checked_dtype(dtype) if dtype is not None else (x.dtype if x.dtype.kind == "f" else FLOAT64)
    )
    x = convert.cast(x, wanted)
    centred = x - mean(x, axes, keepdims=True)
    total = sum(centred * centred, axes, keepdims=keepdims)
    count = _count(x, axes, wanted)
    return total / (elementwise.call("maximum", count - ddof, 0) if ddof else count)


def std(
    x: TensorLike,
    axis: object = None,
    dtype: object = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    correction: float | None = None,
) -> Any:
    """numpy.std: the square root of the variance, with the same arguments."""
    return elementwise.call("sqrt", var(x, axis, dtype, ddof, keepdims, correction=correction))


def _ddof(ddof: float, correction: float | None) -> float:
    if correction is None:
        return ddof
    if ddof:
        raise fail(
            TensorcValueError,
            f"ddof={ddof!r} and correction={correction!r} are two names for one argument",
            "TC0395",
            "pass one of them",
        )
    return correction


def argmax(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Any:
    """numpy.argmax: the first position of the maximum (of a NaN, if there is one)."""
    return _arg_reduction("tensorc.argmax", x, axis, keepdims)


def argmin(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Any:
    """numpy.argmin: the first position of the minimum (of a NaN, if there is one)."""
    return _arg_reduction("tensorc.argmin", x, axis, keepdims)


def _arg_reduction(name: str, x: TensorLike, axis: int | None, keepdims: bool) -> Any:
    x = convert.asarray(x)
    if axis is None:
        result = apply(REGISTRY[name], ravel(x), attrs=AxisAttrs(0))
        return insert_axes(result, range(x.ndim)) if keepdims else result
    number = normalize_axis(axis, x.ndim, name.removeprefix("tensorc."))
    result = apply(REGISTRY[name], x, attrs=AxisAttrs(number))
    return insert_axes(result, [number]) if keepdims else result


def matmul(a: TensorLike, b: TensorLike) -> Any:
    """numpy.matmul: the product of matrices over the last two axes; leading axes broadcast; a vector counts
    as one row or column.
    """
    a, b = convert.asarray(a), convert.asarray(b)
    if not a.ndim or not b.ndim:
        raise fail(
            TensorcValueError,
            f"matmul: a scalar has no matrix product ({advice.listed([a, b])})",
            "TC0370",
            "use * for scalars",
        )
    _check_contraction(a, b)
    dtype = convert.resolve(np.matmul, [a, b])[0]
    a, b = convert.cast(a, dtype), convert.cast(b, dtype)
    row, column = a.ndim == 1, b.ndim == 1
    a = insert_axes(a, [0]) if row else a
    b = insert_axes(b, [1]) if column else b
    batch = broadcast_extents([a.extents[:-2], b.extents[:-2]], [a, b], "matmul")
    a = broadcast_to_extents(a, (*batch, *a.extents[-2:]))
    b = broadcast_to_extents(b, (*batch, *b.extents[-2:]))
    product_ = apply(Matmul, a, b)
    kept = [*batch, *([] if row else [a.extents[-2]]), *([] if column else [b.extents[-1]])]
    return reshape_extents(product_, kept) if row or column else product_


def _check_contraction(a: Any, b: Any) -> None:
    left, right = a.extents[-1], b.extents[-2:][0]
    if isinstance(left, int) and isinstance(right, int) and left != right:
        raise fail(
            TensorcValueError,
            f"matmul: rows of {left} elements on the left meet columns of {right} on the right "
            f"({advice.listed([a, b], ' @ ')})",
            "TC0371",
            _contraction_help(a, b, left, right),
        )


def _contraction_help(a: Any, b: Any, left: int, right: int) -> str:
    """Which operand to transpose, if that is all that is wrong."""
    if b.ndim == 2 and b.extents[1] == left:
        return f"transpose the right operand: {advice.label(b) or 'b'}.T"
    if a.ndim == 2 and a.extents[0] == right:
        return f"transpose the left operand: {advice.label(a) or 'a'}.T"
    return "the last axis of the left operand must be as long as the next-to-last of the right one"


def dot(a: TensorLike, b: TensorLike) -> Any:
    """numpy.dot: sum of products over the last axis of `a` and the next-to-last of `b`."""
    a, b = convert.asarray(a), convert.asarray(b)
    if not a.ndim or not b.ndim:
        return elementwise.call("multiply", a, b)
    if a.ndim <= 2 and b.ndim <= 2:
        return matmul(a, b)
    return tensordot(a, b, ([a.ndim - 1], [b.ndim - 2 if b.ndim > 1 else 0]))


def tensordot(a: TensorLike, b: TensorLike, axes: Any = 2) -> Any:
    """numpy.tensordot: sums of products over pairs of axes, as one matrix product."""
    a, b = convert.asarray(a), convert.asarray(b)
    if isinstance(axes, int):
        axes = (list(range(a.ndim - axes, a.ndim)), list(range(axes)))
    left, right = [[e] if isinstance(e, int) else list(e) for e in axes]
    left = [normalize_axis(e, a.ndim, "tensordot") for e in left]
    right = [normalize_axis(e, b.ndim, "tensordot") for e in right]
    if len(left) != len(right):
        raise fail(
            TensorcValueError,
            f"tensordot: {len(left)} axes of the left array meet {len(right)} of the right one",
            "TC0372",
            "axes=([1], [0]) pairs axis 1 of the left array with axis 0 of the right one",
        )
    free_a = [i for i in range(a.ndim) if i not in left]
    free_b = [i for i in range(b.ndim) if i not in right]
    out = [a.extents[i] for i in free_a] + [b.extents[i] for i in free_b]
    rows, columns = product([a.extents[i] for i in free_a]), product([b.extents[i] for i in free_b])
    matrix_a = reshape_extents(transpose(a, free_a + left), [rows, product([a.extents[i] for i in left])])
    matrix_b = reshape_extents(
        transpose(b, right + free_b), [product([b.extents[i] for i in right]), columns]
    )
    return reshape_extents(matmul(matrix_a, matrix_b), out)


def outer(a: TensorLike, b: TensorLike) -> Any:
    """numpy.outer: the products of all pairs of elements, as a matrix; arguments are flattened."""
    a, b = ravel(a), ravel(b)
    return elementwise.call("multiply", insert_axes(a, [1]), insert_axes(b, [0]))


def where(condition: TensorLike, x: TensorLike, y: TensorLike) -> Any:
    """numpy.where: elements of `x` where the condition holds, of `y` elsewhere (Theano's switch)."""
    condition, x, y = convert.asarray(condition), convert.asarray(x), convert.asarray(y)
    weak = None if x.weak is None or y.weak is None else ("float" if "float" in (x.weak, y.weak) else "int")
    dtype = convert.common_dtype([x, y])
    operands = [convert.cast(condition, BOOL), convert.cast(x, dtype), convert.cast(y, dtype)]
    result = apply(REGISTRY["tensorc.where"], *broadcast_together(operands, "where"))
    result.weak = weak if weak and result.ndim == 0 else None
    return result


switch = where


def clip(x: TensorLike, min: TensorLike = None, max: TensorLike = None) -> Any:
    """numpy.clip; the bounds promote weakly when they are Python numbers."""
    result = convert.asarray(x)
    low, high = _reached(min, result.dtype, above=False), _reached(max, result.dtype, above=True)
    if low is not None:
        result = elementwise.call("maximum", result, low)
    return result if high is None else elementwise.call("minimum", result, high)


def _reached(bound: object, dtype: np.dtype[Any], above: bool) -> Any:
    """A bound of `clip`; None for a Python integer that lies beyond everything `dtype` holds."""
    if dtype.kind not in "iu" or type(bound) is not int:
        return bound
    limits = np.iinfo(dtype)
    return None if (bound > limits.max if above else bound < limits.min) else bound


def round(x: TensorLike, decimals: int = 0) -> Any:
    """numpy.round: half to even."""
    x = convert.asarray(x)
    if decimals == 0 or (x.dtype.kind in "iu" and decimals > 0):
        return elementwise.call("round", x)
    scale = 10.0 ** abs(decimals)
    if decimals > 0:
        return elementwise.call("round", x * scale) / scale
    return convert.cast(elementwise.call("round", x / scale) * scale, x.dtype)


def full(shape: Any, value: TensorLike, dtype: object = None) -> Any:
    """numpy.full; extents may be symbolic integers."""
    fill = convert.asarray(value)
    fill = convert.cast(fill, fill.dtype if dtype is None else convert.checked_dtype(dtype))
    extents = tuple(as_extent(e, "full") for e in (shape if isinstance(shape, tuple | list) else (shape,)))
    if builtins.any(isinstance(e, int) and e < 0 for e in extents):
        raise fail(TensorcValueError, f"full: negative extent in {shape}", "TC0373", "extents are 0 or more")
    return broadcast_to_extents(fill, extents)


def zeros(shape: Any, dtype: object = "float64") -> Any:
    """numpy.zeros: extents may be symbolic integers."""
    return full(shape, 0, dtype)


def ones(shape: Any, dtype: object = "float64") -> Any:
    """numpy.ones: extents may be symbolic integers."""
    return full(shape, 1, dtype)


def full_like(x: TensorLike, value: TensorLike, dtype: object = None) -> Any:
    """numpy.full_like: an array of the shape of `x`, and of its dtype unless one is given."""
    x = convert.asarray(x)
    fill = convert.cast(convert.asarray(value), x.dtype if dtype is None else convert.checked_dtype(dtype))
    return broadcast_to_extents(fill, x.extents)


def zeros_like(x: TensorLike, dtype: object = None) -> Any:
    """numpy.zeros_like: zeros of the shape of `x`, and of its dtype unless one is given."""
    return full_like(x, 0, dtype)


def ones_like(x: TensorLike, dtype: object = None) -> Any:
    """numpy.ones_like: ones of the shape of `x`, and of its dtype unless one is given."""
    return full_like(x, 1, dtype)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: object = None) -> Any:
    """numpy.arange of integers (symbolic bounds allowed) or of Python floats."""
    if stop is None:
        start, stop = 0, start
    if builtins.any(isinstance(v, float) for v in (start, stop, step)):
        return convert.asarray(np.arange(start, stop, step), dtype)
    if isinstance(step, int) and step == 0:
        raise fail(TensorcValueError, "arange: step is 0", "TC0374", "tc.full((n,), start) repeats one value")
    if builtins.all(isinstance(v, int | np.integer) for v in (start, stop, step)):
        length: Any = len(range(int(start), int(stop), int(step)))
    else:
        low, high, by = (as_extent(v, "arange") for v in (start, stop, step))
        if not isinstance(by, int):
            raise fail(
                TensorcTypeError,
                "arange: a symbolic step is not supported",
                "TC0376",
                "multiply tc.arange(n) by the step",
            )
        span = ix.sub(BUILDER, high, low) if by > 0 else ix.sub(BUILDER, low, high)
        length = ix.maximum(BUILDER, extents_.ceildiv(span, builtins.abs(by)), 0)
    wanted = INT64 if dtype is None else convert.checked_dtype(dtype)
    dynamic = [length] if isinstance(length, Expr) else []
    shape = (length if isinstance(length, int) else -1,)
    counter = apply(Iota, *dynamic, attrs=IotaAttrs(shape, 0, from_dtype(INT64)))
    if not (isinstance(step, int) and step == 1):
        counter = counter * convert.cast(convert.asarray(step), INT64)
    if not (isinstance(start, int) and start == 0):
        counter = counter + convert.cast(convert.asarray(start), INT64)
    return convert.cast(counter, wanted)


def eye(n: Any, m: Any = None, k: int = 0, dtype: object = "float64") -> Any:
    """numpy.eye: ones on the `k`-th diagonal of an n × m matrix, zeros elsewhere."""
    rows, columns = insert_axes(arange(n), [1]), insert_axes(arange(n if m is None else m), [0])
    return elementwise.call("equal", rows + k, columns).astype(dtype)


def take(x: TensorLike, indices: TensorLike, axis: int | None = None) -> Any:
    """numpy.take: slices of `x` at integer positions along an axis; an index outside is a run-time error at
    this line.
    """
    x, indices = convert.asarray(x), convert.asarray(indices)
    if axis is None:
        x, axis = ravel(x), 0
    number = normalize_axis(axis, x.ndim, "take")
    if indices.dtype.kind not in "iu":
        raise fail(
            TensorcTypeError,
            f"take: indices must be integers, got {advice.listed([indices])}",
            "TC0375",
            "use .astype('int64'), or a comparison with tc.where",
        )
    return apply(Gather, x, convert.cast(indices, INT64), attrs=AxisAttrs(number))


def softmax(x: TensorLike, axis: Any = -1) -> Any:
    """exp(x) / sum(exp(x)) along `axis`, computed from x − max(x)."""
    return _composite(Softmax, x, axis)


def log_softmax(x: TensorLike, axis: Any = -1) -> Any:
    """x − logsumexp(x) along `axis`."""
    return _composite(LogSoftmax, x, axis)


def _composite(definition: Any, x: TensorLike, axis: Any) -> Any:
    expr = floating(x)
    return apply(
        definition,
        expr,
        attrs=AxesAttrs(normalize_axes(axis, expr.ndim, definition.name.removeprefix("tensorc."))),
    )


def floating(x: TensorLike) -> Any:
    """`x` in the float dtype that NumPy's `exp` would compute in."""
    expr = convert.asarray(x)
    return convert.cast(expr, convert.resolve(np.exp, [expr])[0])


def logsumexp(x: TensorLike, axis: object = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) computed from x − max(x) (scipy.special.logsumexp)."""
    expr = floating(x)
    return _reduced(LogSumExp, expr, normalize_axes(axis, expr.ndim, "logsumexp"), keepdims)


def square(x: TensorLike) -> Any:
    """x · x, elementwise; integers wrap; of booleans as int8, as numpy.square."""
    expr = convert.asarray(x)
    expr = convert.cast(expr, np.dtype("int8")) if expr.dtype == BOOL else expr
    return elementwise.call("multiply", expr, expr)


sqr = square


def stop_gradient(x: TensorLike) -> Any:
    """x, through which no gradient flows (Theano's disconnected_grad)."""
    return apply(REGISTRY["tensorc.stop_gradient"], convert.asarray(x))


disconnected_grad = stop_gradient
