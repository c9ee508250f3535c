"""Short forms for the rules of ops and passes: one function an op, on values of equal shape unless it says
otherwise.

Float constants are given as Python numbers and take the element type and shape of a neighbour (`full_like`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorc.ir.attributes import DenseAttr
from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import NO_ATTRS, REGISTRY, Attrs, OpDefinition
from tensorc.ir.types import ScalarType, TensorType
from tensorc.ops import dtypes, index
from tensorc.ops.attrs import (
    AxesAttrs,
    CastAttrs,
    ConstantAttrs,
    IotaAttrs,
    PermAttrs,
    RecurrenceAttrs,
    ShapeAttrs,
    SliceAttrs,
    UpdateSliceAttrs,
)

if TYPE_CHECKING:
    from tensorc.ir.builder import Builder


def op(b: Builder, name: str, *operands: Value, attrs: Attrs = NO_ATTRS) -> Value:
    """The only result of one op `tensorc.<name>`.

    By name, because the op classes' own rules are written with this module.
    """
    return b.create(definition(name), operands, attrs)[0]


def definition(name: str) -> type[OpDefinition]:
    """The op class `tensorc.<name>`."""
    return REGISTRY[f"tensorc.{name}"]


def element(x: Value) -> ScalarType:
    return index.shaped(x).element


# --- constants and shapes
# ----------------------------------------------------------------------------------------------------------


def constant(b: Builder, element: ScalarType, number: Any) -> Value:
    """A 0-d constant; an integer beyond the element's range wraps."""
    array = np.asarray(number).astype(dtypes.to_dtype(element))
    return op(b, "constant", attrs=ConstantAttrs(DenseAttr(TensorType((), element), array)))


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
    if len(extents) == index.shaped(x).rank and all(
        e is not None and e == f for e, f in zip(index.shaped(x).shape, extents, strict=True)
    ):
        return x
    shape, operands = index.entries(extents)
    return op(b, "broadcast_to", x, *operands, attrs=ShapeAttrs(shape))


def broadcast_like(b: Builder, x: Value, like: Value) -> Value:
    """`x` (right-aligned) with the shape of `like`."""
    return broadcast(b, x, index.extents_of(b, like))


def sum_to(b: Builder, x: Value, extents: Sequence[int | Value]) -> Value:
    shape, operands = index.entries(extents)
    return op(b, "sum_to", x, *operands, attrs=ShapeAttrs(shape))


def sum_to_like(b: Builder, x: Value, like: Value) -> Value:
    return sum_to(b, x, index.extents_of(b, like))


def reshape(b: Builder, x: Value, extents: Sequence[int | Value]) -> Value:
    shape, operands = index.entries(extents)
    return op(b, "reshape", x, *operands, attrs=ShapeAttrs(shape))


def reshape_like(b: Builder, x: Value, like: Value) -> Value:
    return reshape(b, x, index.extents_of(b, like))


def transpose(b: Builder, x: Value, perm: Sequence[int]) -> Value:
    if tuple(perm) == tuple(range(len(perm))):
        return x
    return op(b, "transpose", x, attrs=PermAttrs(tuple(perm)))


def expand_dims(b: Builder, x: Value, axes: Sequence[int]) -> Value:
    """New axes of extent 1 at the positions `axes` of the result."""
    return op(b, "expand_dims", x, attrs=AxesAttrs(tuple(axes))) if axes else x


def squeeze(b: Builder, x: Value, axes: Sequence[int]) -> Value:
    return op(b, "squeeze", x, attrs=AxesAttrs(tuple(axes))) if axes else x


def spread(b: Builder, reduced: Value, axes: Sequence[int], like: Value) -> Value:
    """A value reduced over `axes` of `like`, broadcast back to the shape of `like`."""
    return broadcast_like(b, expand_dims(b, reduced, axes), like)


# --- arithmetic ---------------------------------------------------------------------------------------------
# ---------------------------


def add(b: Builder, x: Value, y: Value) -> Value:
    return op(b, "add", x, y)


def sub(b: Builder, x: Value, y: Value) -> Value:
    return op(b, "sub", x, y)


def mul(b: Builder, x: Value, y: Value) -> Value:
    return op(b, "mul", x, y)


def div(b: Builder, x: Value, y: Value) -> Value:
    return op(b, "div", x, y)


def neg(b: Builder, x: Value) -> Value:
    return op(b, "neg", x)


def scale(b: Builder, x: Value, number: float) -> Value:
    return mul(b, x, full_like(b, x, number))


def plus(b: Builder, x: Value, number: float) -> Value:
    return add(b, x, full_like(b, x, number))


def one_minus_square(b: Builder, x: Value) -> Value:
    """(1 - x)(1 + x), which keeps its digits where x is close to ±1."""
    ones = ones_like(b, x)
    return mul(b, sub(b, ones, x), add(b, ones, x))


def sqrt(b: Builder, x: Value) -> Value:
    return op(b, "sqrt", x)


def pow(b: Builder, x: Value, y: Value) -> Value:
    return op(b, "pow", x, y)


def exp(b: Builder, x: Value) -> Value:
    return op(b, "exp", x)


def log(b: Builder, x: Value) -> Value:
    return op(b, "log", x)


def sigmoid(b: Builder, x: Value) -> Value:
    return op(b, "sigmoid", x)


def chain_mul(b: Builder, g: Value, p: Value) -> Value:
    """Cotangent times partial derivative, 0 where the cotangent is 0 (`"chain_mul"`); a plain product for a
    finite constant.
    """
    number = constant_of(p)
    if number is not None and math.isfinite(number):
        return g if number == 1 else mul(b, g, p)
    return op(b, "chain_mul", g, p)


def chain_both(b: Builder, x: Value, y: Value) -> Value:
    """The product of two cotangents, 0 where either is 0 (`gradients.ChainBoth`)."""
    return op(b, "chain_both", x, y)


def chain_div(b: Builder, g: Value, d: Value) -> Value:
    """Cotangent divided by `d`, 0 where the cotangent is 0 (`"chain_div"`); a plain quotient for a non-zero
    constant.
    """
    number = constant_of(d)
    if number is not None and number != 0 and not math.isnan(number):
        return div(b, g, d)
    return op(b, "chain_div", g, d)


def constant_of(x: Value) -> float | None:
    """The number of a 0-d constant or of one broadcast, else None."""
    owner: Operation | None = x.defining(definition("broadcast_to"))
    source = owner.operands[0] if owner is not None else x
    made = source.defining(definition("constant"))
    if made is None or index.shaped(source).rank != 0:
        return None
    attrs = made.attrs
    assert isinstance(attrs, ConstantAttrs)
    return float(attrs.value.value[()])


# --- comparison, logic, choice
# -----------------------------------------------------------------------------------------------------------


def eq(b: Builder, x: Value, y: Value) -> Value:
    return op(b, "eq", x, y)


def ne(b: Builder, x: Value, y: Value) -> Value:
    return op(b, "ne", x, y)


def lt(b: Builder, x: Value, y: Value) -> Value:
    return op(b, "lt", x, y)


def gt(b: Builder, x: Value, y: Value) -> Value:
    return op(b, "gt", x, y)


def isnan(b: Builder, x: Value) -> Value:
    return op(b, "isnan", x)


def isfinite(b: Builder, x: Value) -> Value:
    return op(b, "isfinite", x)


def both(b: Builder, x: Value, y: Value) -> Value:
    return op(b, "logical_and", x, y)


def either(b: Builder, x: Value, y: Value) -> Value:
    return op(b, "logical_or", x, y)


def negate(b: Builder, x: Value) -> Value:
    return op(b, "logical_not", x)


def where(b: Builder, condition: Value, x: Value, y: Value) -> Value:
    return op(b, "where", condition, x, y)


def cast(b: Builder, x: Value, to: ScalarType) -> Value:
    return x if element(x) == to else op(b, "cast", x, attrs=CastAttrs(to))


# --- reductions ---------------------------------------------------------------------------------------------
# -------------------------------


def sum(b: Builder, x: Value, axes: Sequence[int]) -> Value:
    return op(b, "sum", x, attrs=AxesAttrs(tuple(axes)))


def max(b: Builder, x: Value, axes: Sequence[int]) -> Value:
    return op(b, "max", x, attrs=AxesAttrs(tuple(axes)))


def peak(b: Builder, x: Value, axes: Sequence[int]) -> Value:
    """`max`, and -inf for no element."""
    return op(b, "peak", x, attrs=AxesAttrs(tuple(axes)))


def size(b: Builder, x: Value, axes: Sequence[int], element: ScalarType) -> Value:
    """The number of elements of `x` along `axes`, as a 0-d tensor of `element`."""
    extent = index.product(b, [index.dim(b, x, axis) for axis in axes])
    if isinstance(extent, int):
        return constant(b, element, extent)
    return cast(b, op(b, "from_index", extent), element)


def iota(b: Builder, element: ScalarType, extents: Sequence[int | Value], axis: int) -> Value:
    shape, operands = index.entries(extents)
    return op(b, "iota", *operands, attrs=IotaAttrs(shape, axis, element))


# --- parts ---------------------------------------------------------------------------------------------


def slice(
    b: Builder,
    x: Value,
    starts: Sequence[int | Value],
    sizes: Sequence[int | Value],
    steps: Sequence[int],
) -> Value:
    static_starts, first = index.entries(starts)
    static_sizes, second = index.entries(sizes)
    attrs = SliceAttrs(static_starts, static_sizes, tuple(steps))
    return op(b, "slice", x, *first, *second, attrs=attrs)


def update_slice(
    b: Builder,
    x: Value,
    update: Value,
    starts: Sequence[int | Value],
    steps: Sequence[int],
    add: bool = False,
) -> Value:
    static_starts, operands = index.entries(starts)
    return op(
        b, "update_slice", x, update, *operands, attrs=UpdateSliceAttrs(static_starts, tuple(steps), add)
    )


def matmul(b: Builder, x: Value, y: Value) -> Value:
    return op(b, "matmul", x, y)


def swap_last(b: Builder, x: Value) -> Value:
    """x with its last two axes exchanged."""
    rank = index.shaped(x).rank
    return transpose(b, x, (*range(rank - 2), rank - 1, rank - 2))


def recurrence(b: Builder, coefficients: Value, inputs: Value, axis: int, reverse: bool = False) -> Value:
    return op(b, "recurrence", coefficients, inputs, attrs=RecurrenceAttrs(axis, reverse))
