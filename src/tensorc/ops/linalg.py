"""Linear algebra."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import Attrs
from tensorc.ir.types import FloatType, TensorType, Type, f32, f64
from tensorc.ops import checks, dtypes, emit, index, indexing_lowering, matmul_lowering
from tensorc.ops.attrs import PermAttrs
from tensorc.ops.base import Creator, ErrorSample, Fact, Sample, V, register
from tensorc.ops.families import Opaque, sample_array

if TYPE_CHECKING:
    from tensorc.ir.builder import Builder
    from tensorc.ops.loops.builder import LoopBuilder


def added_over_batch(b: Builder, product: Value) -> Value | None:
    """x' @ g added up over all batch axes, as the one product of x and g with these axes and k as one axis;
    None if `product` is no such product. It is the gradient of a matrix that a batch has in common.
    """
    op = product.defining(Matmul)
    rank = index.shaped(product).rank
    turned = None if op is None or rank == 2 else op.operands[0].owner
    if op is None or turned is None or turned.name != "tensorc.transpose":
        return None
    assert isinstance(turned.attrs, PermAttrs)
    if turned.attrs.perm != (*range(rank - 2), rank - 1, rank - 2):
        return None
    flat = []
    for value in (turned.operands[0], op.operands[1]):
        extents = index.extents_of(b, value)
        flat.append(emit.reshape(b, value, [index.product(b, extents[:-1]), extents[-1]]))
    return emit.matmul(b, emit.swap_last(b, flat[0]), flat[1])


@register
class Matmul(Opaque):
    """The matrix product over the last two axes, [b..., m, k] by [b..., k, n] to [b..., m, n]; leading axes
    are batches.

    Integers wrap; bools are or-ed products; an empty k gives zeros. Floats are added by fused multiply-add,
    in blocks, in an order that depends on the extents and the strides. The caller broadcasts batches and adds
    axes to vectors.
    C1: both ranks are equal and at least 2. C2: one element type: bool, an integer, f32 or f64. C3: batch
    extents are equal.
    C4: the contracted extents are equal (C3, C4: at run time an error where unknown).
    """

    name = "tensorc.matmul"
    accepts = dtypes.ALL

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        x, y = checks.tensors(cls.name, operands, 2)
        if x.rank < 2 or x.rank != y.rank:
            checks.value_error(
                cls.name,
                f"needs equal ranks of at least 2, got {checks.types_text([x, y])}",
                checks.RANK,
                "C1",
            )
        checks.accepted(cls.name, x, cls.accepts, "C2")
        checks.same_elements(cls.name, [x, y], "C2")
        batches = [TensorType(t.shape[:-2], t.element) for t in (x, y)]
        shape = checks.unify(cls.name, batches, "C3")
        k, other = x.shape[-1], y.shape[-2]
        if k is not None and other is not None and k != other:
            checks.value_error(
                cls.name,
                f"contracted extents differ, {k} and {other}, in {checks.types_text([x, y])}",
                checks.CONTRACTED,
                "C4",
            )
        return (TensorType((*shape, x.shape[-2], y.shape[-1]), x.element),)

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        x, y = operands
        rank = index.shaped(x).rank
        found: list[int | V] = []
        for axis in range(rank - 2):
            known = index.shaped(y).shape[axis]
            found.append(index.dim(b, x, axis) if known is None else known)
        return [[*found, index.dim(b, x, rank - 2), index.dim(b, y, rank - 1)]]

    @classmethod
    def facts(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[Fact[V]]:
        x, y = operands
        rank = index.shaped(x).rank
        found = [] if x is y else index.equal_shapes(b, operands, skip=(rank - 2, rank - 1))
        k, other = index.dim(b, x, rank - 1), index.dim(b, y, rank - 2)
        return found + index.fact(b, "contracted", index.compare(b, "eq", k, other), k, other)

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        # Of arrays with other strides NumPy sums naively: the error grows with the length.
        return np.matmul(*map(np.ascontiguousarray, operands))

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        (x, y), (g,) = op.operands, cotangents
        return emit.matmul(b, g, emit.swap_last(b, y)), emit.matmul(b, emit.swap_last(b, x), g)

    @classmethod
    def lower(cls, b: LoopBuilder, op: Operation, types: Sequence[Type]) -> None:
        x, y, out = op.operands
        matmul_lowering.matmul(b, x, y, out, indexing_lowering.element(types[0]))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for element in dtypes.ALL:
            for left, right in (((2, 3), (3, 4)), ((2, 2, 3), (2, 3, 2))):
                x, y = sample_array("x", element, left), sample_array("y", element, right)
                yield Sample((x, y), differentiable=isinstance(element, FloatType))
        for left, right in (
            ((2, 0), (0, 3)),
            ((0, 3), (3, 2)),
            ((1, 1), (1, 1)),
            ((0, 2, 3), (0, 3, 2)),
            ((2, 3), (3, 0)),
            ((1, 5), (5, 1)),
        ):
            for element in (f64, dtypes.SIGNED[2]):
                x, y = sample_array("x", element, left), sample_array("y", element, right)
                yield Sample((x, y), differentiable=element == f64)

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        x = TensorType((2, 3), f64)
        yield ErrorSample((x, TensorType((3,), f64)), code=checks.RANK, match="C1")
        yield ErrorSample((TensorType((3,), f64),) * 2, code=checks.RANK, match="C1")
        yield ErrorSample((x, TensorType((3, 4), f32)), code=checks.ELEMENTS_DIFFER, match="C2")
        yield ErrorSample(
            (TensorType((2, 2, 3), f64), TensorType((3, 3, 2), f64)), code=checks.SHAPES, match="C3"
        )
        yield ErrorSample((x, x), code=checks.CONTRACTED, match="C4")
