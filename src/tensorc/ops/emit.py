"""Short forms for the rules of ops and passes: one function an op, on values of equal shape unless it says otherwise.

Float constants are given as Python numbers and take the element type and shape of a neighbour (`full_like`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorc.ir.attributes import DenseAttr
from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import NO_ATTRS, Attrs
from tensorc.ir.types import ScalarType, TensorType, i1, i64
from tensorc.ops import arithmetic, comparison, creation, dtypes, families, gradients, index, logical, reductions, transcendental, views

if TYPE_CHECKING:
    from tensorc.ir.builder import Builder
    from tensorc.ops.base import OpDef


def op(b: Builder, definition: type[OpDef], *operands: Value, attrs: Attrs = NO_ATTRS) -> Value:
    """The only result of one op."""
    return b.create(definition, operands, attrs)[0]


def element(x: Value) -> ScalarType:
    return index.shaped(x).element


# --- constants and shapes ----------------------------------------------------------------------------------------------------------


def constant(b: Builder, element: ScalarType, number: Any) -> Value:
    """A 0-d constant; an integer beyond the element's range wraps."""
    array = np.asarray(number).astype(dtypes.to_dtype(element))
    return op(b, creation.Constant, attrs=creation.ConstantAttrs(DenseAttr(TensorType((), element), array)))


def full(b: Builder, element: ScalarType, extents: Sequence[int | Value], number: Any) -> Value:
    """A tensor of one number."""
    return broadcast(b, constant(b, element, number), extents)


def full_like(b: Builder, x: Value, number: Any, element: ScalarType | None = None) -> Value:
    """A tensor of one number with the shape of `x`, and its element type unless another is given."""
    return full(b, element or index.shaped(x).element, index.extents_of(b, x), number)


def zeros_like(b: Builder, x: Value) -> Value:
    return full_like(b, x, 0)


def ones_like(b: Builder, x: Value) -> Value:
    return full_like(b, x, 1)


def broadcast(b: Builder, x: Value, extents: Sequence[int | Value]) -> Value:
    """`broadcast_to`, or `x` itself where it has these extents already."""
    if len(extents) == index.shaped(x).rank and all(e is not None and e == f for e, f in zip(index.shaped(x).shape, extents, strict=True)):
        return x
    shape, operands = index.entries(extents)
    return op(b, views.BroadcastTo, x, *operands, attrs=views.ShapeAttrs(shape))


def broadcast_like(b: Builder, x: Value, like: Value) -> Value:
    """`x` (right-aligned) with the shape of `like`."""
    return broadcast(b, x, index.extents_of(b, like))


def sum_to(b: Builder, x: Value, extents: Sequence[int | Value]) -> Value:
    shape, operands = index.entries(extents)
    return op(b, views.SumTo, x, *operands, attrs=views.ShapeAttrs(shape))


def sum_to_like(b: Builder, x: Value, like: Value) -> Value:
    return sum_to(b, x, index.extents_of(b, like))


def reshape(b: Builder, x: Value, extents: Sequence[int | Value]) -> Value:
    shape, operands = index.entries(extents)
    return op(b, views.Reshape, x, *operands, attrs=views.ShapeAttrs(shape))


def reshape_like(b: Builder, x: Value, like: Value) -> Value:
    return reshape(b, x, index.extents_of(b, like))


def transpose(b: Builder, x: Value, perm: Sequence[int]) -> Value:
    if tuple(perm) == tuple(range(len(perm))):
        return x
    return op(b, views.Transpose, x, attrs=views.PermAttrs(tuple(perm)))


def expand_dims(b: Builder, x: Value, axes: Sequence[int]) -> Value:
    """New axes of extent 1 at the positions `axes` of the result."""
    return op(b, views.ExpandDims, x, attrs=families.AxesAttrs(tuple(axes))) if axes else x


def squeeze(b: Builder, x: Value, axes: Sequence[int]) -> Value:
    return op(b, views.Squeeze, x, attrs=families.AxesAttrs(tuple(axes))) if axes else x


def spread(b: Builder, reduced: Value, axes: Sequence[int], like: Value) -> Value:
    """A value reduced over `axes` of `like`, broadcast back to the shape of `like`."""
    return broadcast_like(b, expand_dims(b, reduced, axes), like)


# --- arithmetic ------------------------------------------------------------------------------------------------------------------------


def add(b: Builder, x: Value, y: Value) -> Value:
    return op(b, arithmetic.Add, x, y)


def sub(b: Builder, x: Value, y: Value) -> Value:
    return op(b, arithmetic.Sub, x, y)


def mul(b: Builder, x: Value, y: Value) -> Value:
    return op(b, arithmetic.Mul, x, y)


def div(b: Builder, x: Value, y: Value) -> Value:
    return op(b, arithmetic.Div, x, y)


def neg(b: Builder, x: Value) -> Value:
    return op(b, arithmetic.Neg, x)


def scale(b: Builder, x: Value, number: float) -> Value:
    return mul(b, x, full_like(b, x, number))


def plus(b: Builder, x: Value, number: float) -> Value:
    return add(b, x, full_like(b, x, number))


def sqrt(b: Builder, x: Value) -> Value:
    return op(b, arithmetic.Sqrt, x)


def pow(b: Builder, x: Value, y: Value) -> Value:
    return op(b, transcendental.Pow, x, y)


def exp(b: Builder, x: Value) -> Value:
    return op(b, transcendental.Exp, x)


def log(b: Builder, x: Value) -> Value:
    return op(b, transcendental.Log, x)


def sigmoid(b: Builder, x: Value) -> Value:
    return op(b, transcendental.Sigmoid, x)


def chain_mul(b: Builder, g: Value, p: Value) -> Value:
    """Cotangent times partial derivative, 0 where the cotangent is 0 (`gradients.ChainMul`); a plain product for a finite constant."""
    number = constant_of(p)
    if number is not None and math.isfinite(number):
        return g if number == 1 else mul(b, g, p)
    return op(b, gradients.ChainMul, g, p)


def chain_div(b: Builder, g: Value, d: Value) -> Value:
    """Cotangent divided by `d`, 0 where the cotangent is 0 (`gradients.ChainDiv`); a plain quotient for a non-zero constant."""
    number = constant_of(d)
    if number is not None and number != 0 and not math.isnan(number):
        return div(b, g, d)
    return op(b, gradients.ChainDiv, g, d)


def constant_of(x: Value) -> float | None:
    """The number of a 0-d constant or of one broadcast, else None."""
    owner: Operation | None = x.defining(views.BroadcastTo)
    source = owner.operands[0] if owner is not None else x
    made = source.defining(creation.Constant)
    if made is None or index.shaped(source).rank != 0:
        return None
    attrs = made.attrs
    assert isinstance(attrs, creation.ConstantAttrs)
    return float(attrs.value.value[()])


# --- comparison, logic, choice -----------------------------------------------------------------------------------------------------------


def eq(b: Builder, x: Value, y: Value) -> Value:
    return op(b, comparison.Eq, x, y)


def ne(b: Builder, x: Value, y: Value) -> Value:
    return op(b, comparison.Ne, x, y)


def lt(b: Builder, x: Value, y: Value) -> Value:
    return op(b, comparison.Lt, x, y)


def gt(b: Builder, x: Value, y: Value) -> Value:
    return op(b, comparison.Gt, x, y)


def isnan(b: Builder, x: Value) -> Value:
    return op(b, comparison.IsNan, x)


def isfinite(b: Builder, x: Value) -> Value:
    return op(b, comparison.IsFinite, x)


def both(b: Builder, x: Value, y: Value) -> Value:
    return op(b, logical.LogicalAnd, x, y)


def either(b: Builder, x: Value, y: Value) -> Value:
    return op(b, logical.LogicalOr, x, y)


def negate(b: Builder, x: Value) -> Value:
    return op(b, logical.LogicalNot, x)


def where(b: Builder, condition: Value, x: Value, y: Value) -> Value:
    return op(b, comparison.Where, condition, x, y)


def cast(b: Builder, x: Value, to: ScalarType) -> Value:
    return x if element(x) == to else op(b, arithmetic.Cast, x, attrs=arithmetic.CastAttrs(to))


# --- reductions ----------------------------------------------------------------------------------------------------------------------------


def sum(b: Builder, x: Value, axes: Sequence[int]) -> Value:
    return op(b, reductions.Sum, x, attrs=families.AxesAttrs(tuple(axes)))


def max(b: Builder, x: Value, axes: Sequence[int]) -> Value:
    return op(b, reductions.Max, x, attrs=families.AxesAttrs(tuple(axes)))


def size(b: Builder, x: Value, axes: Sequence[int], element: ScalarType) -> Value:
    """The number of elements of `x` along `axes`, as a 0-d tensor of `element`."""
    extent = index.product(b, [index.dim(b, x, axis) for axis in axes])
    if isinstance(extent, int):
        return constant(b, element, extent)
    return cast(b, op(b, index.FromIndex, extent), element)


def iota(b: Builder, element: ScalarType, extents: Sequence[int | Value], axis: int) -> Value:
    shape, operands = index.entries(extents)
    return op(b, creation.Iota, *operands, attrs=creation.IotaAttrs(shape, axis, element))


BOOL = i1
INDEX = i64
