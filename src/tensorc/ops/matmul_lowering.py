"""The matrix product in loops: calls of the functions of `product_library.py`. Blocks and batches are shared
among threads.
"""

from __future__ import annotations

from tensorc.ir.core import Value
from tensorc.ir.types import ScalarType
from tensorc.ops.loops.builder import LoopBuilder
from tensorc.ops.product_kernels import Matrix
from tensorc.ops.product_library import Product, Truth, call_library, in_blocks, is_large


def matmul(b: LoopBuilder, x: Value, y: Value, out: Value, kind: ScalarType) -> None:
    """[b..., m, k] by [b..., k, n] into [b..., m, n]. `kind`: the tensor-level element type."""
    p = Product(Matrix.of(b, x), Matrix.of(b, y), Matrix.of(b, out), kind)
    if len(b.dims(out)) == 2:
        call_library(b, p)
        return
    large: Truth = is_large(b, p.x, p.y, kind)
    strides = b.metadata(out)[3]
    with in_blocks(b, x, y, kind, large=large) as (at, rows, columns, compute):
        compute(p.out.moved(b, at, strides).part(b, 0, *rows).part(b, 1, *columns))
