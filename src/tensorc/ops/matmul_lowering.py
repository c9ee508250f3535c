"""The matrix product in loops: calls of the functions of `product_library.py`.

The matrices of a batch are shared among threads; large ones are computed one after the other, and their
blocks are shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tensorc.ir.core import Value
from tensorc.ir.types import ScalarType
from tensorc.ops.loops.builder import Index, LoopBuilder
from tensorc.ops.loops.nests import nest
from tensorc.ops.product_kernels import Matrix
from tensorc.ops.product_library import Product, call_library, choose, is_large, never_large


def matmul(b: LoopBuilder, x: Value, y: Value, out: Value, kind: ScalarType) -> None:
    """[b..., m, k] by [b..., k, n] into [b..., m, n]. `kind`: the tensor-level element type."""
    batch = b.dims(out)[:-2]
    first = Product(Matrix.of(b, x), Matrix.of(b, y), Matrix.of(b, out), kind)
    strides = [b.metadata(v)[3][:-2] for v in (x, y, out)]
    if never_large(first):
        _each(b, first, batch, strides, large=False)
    elif not batch:
        call_library(b, first, large=True)
    else:
        large, small = (partial(_each, b, first, batch, strides, large=large) for large in (True, False))
        choose(b, is_large(b, first), large, small)


def _each(
    b: LoopBuilder, first: Product, batch: Sequence[Index], strides: Sequence[Sequence[Index]], *, large: bool
) -> None:
    """Every product of a batch that begins with `first`."""
    with nest(b, batch, parallel=not large) as at:
        matrices = (first.x, first.y, first.out)
        x, y, out = (v.moved(b, at, steps) for v, steps in zip(matrices, strides, strict=True))
        call_library(b, Product(x, y, out, first.kind), large=large)
