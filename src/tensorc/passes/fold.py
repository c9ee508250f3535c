"""Constant folding: an op whose operands are constants becomes the constant it computes.

Values come from `OpDef.fold`, by default the NumPy reference. Results above 16 elements are not folded, nor
is what raises: the error belongs to the run. A uniform constant is written as `broadcast_to` of a 0-d one,
whatever its size and also where the extents are unknown; ops on uniform constants stay uniform.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from tensorc.ir.attributes import DenseAttr, IntegerAttr
from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import Trait
from tensorc.ir.errors import TensorcError
from tensorc.ir.rewriter import Rewriter, pattern
from tensorc.ir.types import IndexType, TensorType
from tensorc.ops import emit
from tensorc.ops.attrs import ConstantAttrs
from tensorc.ops.base import Array, OpDef
from tensorc.ops.creation import LARGEST_CONSTANT, Constant, Iota
from tensorc.ops.families import Pointwise
from tensorc.ops.index import FromIndex, ToIndex
from tensorc.ops.loops import arith
from tensorc.ops.loops.base import ScalarOp
from tensorc.ops.loops.fold import constant_value, fold, identity
from tensorc.ops.views import BroadcastTo, ExpandDims, Reshape, Transpose
from tensorc.passes.shapes import constant_index


def dense(value: Value) -> Array | None:
    """The array of a value made by `tensorc.constant`."""
    made = value.defining(Constant)
    return None if made is None else cast(ConstantAttrs, made.attrs).value.value


def uniform(value: Value) -> Any:
    """The number every element of `value` is known to be, as a NumPy scalar, or None: a constant seen
    through broadcasts and other views.
    """
    owner = value.owner
    while owner is not None and owner.definition in (BroadcastTo, ExpandDims, Reshape, Transpose):
        value = owner.operands[0]
        owner = value.owner
    array = dense(value)
    if array is None or array.size == 0:
        return None
    if array.size > 1 and array.tobytes() != array.ravel()[0].tobytes() * array.size:
        return None
    return array.ravel()[0]


def literal(value: Value) -> Any:
    """The array (or the `int` of an index) of a value that is constant and small, else None."""
    if isinstance(value.type, IndexType):
        known = constant_value(value)
        return None if known is None else int(known)
    array = dense(value)
    if array is not None or not isinstance(value.type, TensorType):
        return array
    number = uniform(value)
    if number is None or not _small(value.type):
        return None
    return np.full(cast(tuple[int, ...], value.type.shape), number)


def _small(type: TensorType) -> bool:
    shape = type.shape
    return (
        None not in shape and int(np.prod(cast(tuple[int, ...], shape), dtype=np.int64)) <= LARGEST_CONSTANT
    )


def constant(rewriter: Rewriter, array: Any, type: TensorType) -> Value:
    """A small constant; uniform ones as a broadcast of a 0-d one."""
    if type.rank and array.size and array.tobytes() == array.ravel()[0].tobytes() * array.size:
        return emit.full(rewriter, type.element, cast(tuple[int, ...], type.shape), array.ravel()[0])
    return rewriter.create(Constant, [], ConstantAttrs(DenseAttr(type, array)))[0]


def evaluate(op: Operation, operands: Sequence[Any]) -> Any:
    """What a pure op with one tensor result gives for these operands, or None where it raises or says
    nothing.
    """
    definition = op.definition
    assert definition is not None
    assert issubclass(definition, OpDef)
    try:
        with np.errstate(all="ignore"):
            return np.asarray(definition.fold(op.attrs, *operands))
    except (TensorcError, NotImplementedError):
        return None


@pattern(
    OpDef,
    law="an op on constants is the constant it computes",
    example="exp(constant([0.0, 1.0])) + constant([1.0, 2.0])",
)
def fold_constants(op: Operation, rewriter: Rewriter) -> None:
    if (
        not op.operands
        or len(op.results) != 1
        or not op.has_trait(Trait.PURE)
        or op.regions
        or op.isa(BroadcastTo)
    ):
        return
    type = op.result.type
    if not isinstance(type, TensorType) or not _small(type) or op.isa(Iota):
        return
    operands = []
    for v in op.operands:
        known = literal(v)
        if known is None:
            return
        operands.append(known)
    array = evaluate(op, operands)
    if array is not None and array.shape == type.shape:
        rewriter.replace_with(op, [constant(rewriter, array, type)])


@pattern(
    Pointwise,
    law="f of uniform tensors is uniform",
    example="x + sqrt(full_like(x, 2.0) * full_like(x, 8.0))",
)
def fold_uniform(op: Operation, rewriter: Rewriter) -> None:
    numbers = []
    for v in op.operands:  # for most ops the first one is not: nothing more is asked
        number = uniform(v)
        if number is None:
            return
        numbers.append(number)
    if not op.has_trait(Trait.PURE):
        return
    type = cast(TensorType, op.result.type)
    broadcasts = [
        v.defining(BroadcastTo) for v in op.operands if cast(TensorType, v.type).shape == type.shape
    ]
    shaped = next((made for made in broadcasts if made is not None), None)
    if shaped is None:
        return
    array = evaluate(op, [np.asarray(n) for n in numbers])
    if array is None or array.ndim:
        return
    number = rewriter.create(Constant, [], ConstantAttrs(DenseAttr(TensorType((), type.element), array)))[0]
    rewriter.replace_op(op, BroadcastTo, [number, *shaped.operands[1:]], shaped.attrs)


@pattern(
    Constant,
    law="a uniform constant is a broadcast of one number",
    example="x * broadcast_to(constant([2.0, 2.0, 2.0]), n, 3)",
)
def spread_constant(op: Operation, rewriter: Rewriter) -> None:
    array = dense(op.result)
    assert array is not None
    if array.ndim and uniform(op.result) is not None:
        rewriter.replace_with(op, [constant(rewriter, array, cast(TensorType, op.result.type))])


@pattern(ScalarOp, law="arithmetic on constants", example="from_index(index(3) * index(4))")
def fold_scalar(op: Operation, rewriter: Rewriter) -> None:
    attribute = fold(op)
    if attribute is not None:
        rewriter.replace_op(op, arith.Constant, [], arith.ConstantAttrs(attribute))


@pattern(
    ScalarOp, law="x + 0 = x and its like, on integers; select of equal values", example="from_index(n + 0)"
)
def scalar_identity(op: Operation, rewriter: Rewriter) -> None:
    same = identity(op)
    if same is not None:
        rewriter.replace_with(op, [same])


@pattern(ScalarOp, law="constants stand on the right of commutative ops", example="from_index(2 + n)")
def scalar_constant_right(op: Operation, rewriter: Rewriter) -> None:
    if not op.has_trait(Trait.COMMUTATIVE) or len(op.operands) < 2:
        return
    first, second, *rest = op.operands
    if constant_value(first) is not None and constant_value(second) is None:
        rewriter.set_operands(op, [second, first, *rest])


@pattern(arith.AddI, law="(x + a) + b = x + (a + b), wrapping", example="from_index((n + 1) + 2)")
def merge_added_constants(op: Operation, rewriter: Rewriter) -> None:
    inner = op.operands[0].defining(arith.AddI)
    if inner is None or constant_value(op.operands[1]) is None or constant_value(inner.operands[1]) is None:
        return
    total = rewriter.create(arith.AddI, [inner.operands[1], op.operands[1]])[0]
    rewriter.replace_op(op, arith.AddI, [inner.operands[0], total])


@pattern(FromIndex, law="a known index as a tensor is a constant", example="from_index(index(3))")
def fold_from_index(op: Operation, rewriter: Rewriter) -> None:
    number = constant_value(op.operands[0])
    if number is not None:
        rewriter.replace_with(op, [emit.constant(rewriter, emit.element(op.result), int(number))])


@pattern(
    ToIndex,
    law="to_index undoes from_index; of a constant it is a constant",
    example="from_index(to_index(from_index(n)))",
)
def fold_to_index(op: Operation, rewriter: Rewriter) -> None:
    source = op.operands[0]
    inner = source.defining(FromIndex)
    if inner is not None:
        rewriter.replace_with(op, [inner.operands[0]])
        return
    number = uniform(source)
    if number is not None:
        rewriter.replace_with(op, [constant_index(rewriter, int(np.asarray(number).astype(np.int64)))])


PATTERNS = (
    fold_scalar,
    scalar_identity,
    scalar_constant_right,
    merge_added_constants,
    fold_from_index,
    fold_to_index,
    spread_constant,
    fold_constants,
    fold_uniform,
)

__all__ = ["PATTERNS", "IntegerAttr", "constant", "dense", "literal", "uniform"]
