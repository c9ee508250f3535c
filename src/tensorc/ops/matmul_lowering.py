"""The matrix product in loops: our own vector code (`product_kernels.py`), and BLAS for float products whose
right side is large.

BLAS is column-major (Dongarra et al., A Set of Level 3 Basic Linear Algebra Subprograms, ACM TOMS 16(1),
1990): the row-major C = A B is asked for as C' = B' A'. A matrix goes in as it lies if one of its strides is
1 and the other a leading dimension; else as a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from tensorc.ir.core import Value
from tensorc.ir.types import FloatType, MemRefType, ScalarType, i8, i32
from tensorc.ops.buffer_views import is_contiguous
from tensorc.ops.loops.builder import LoopBuilder
from tensorc.ops.loops.nests import Index, nest
from tensorc.ops.product_kernels import call

CACHED: Final = 1 << 17
"""Bytes of a right side up to which our code, on one thread and without copies, was the faster."""
TURNED: Final = 1 << 12
"""The same for a right side that is dense along k, where sums end in additions across lanes."""
THIN: Final = 16
"""Rows or columns up to which memory is the limit, not arithmetic."""
LARGEST: Final = (1 << 31) - 1
Truth = Value | bool


@dataclass(frozen=True)
class Product:
    """x [m, k] by y [k, n] into a contiguous out [m, n]; `kind` is the tensor-level element type."""

    x: Value
    y: Value
    out: Value
    kind: ScalarType


def matmul(b: LoopBuilder, x: Value, y: Value, out: Value, kind: ScalarType) -> None:
    """[b..., m, k] by [b..., k, n] into [b..., m, n]. `kind`: the tensor-level element type."""
    with nest(b, b.dims(out)[:-2], parallel=True) as batch:
        one = Product(_matrix(b, x, batch), _matrix(b, y, batch), _matrix(b, out, batch), kind)
        _choose(b, _is_large(b, one), partial(_blas, b, one), partial(_inline, b, one))


def _matrix(b: LoopBuilder, buffer: Value, batch: Sequence[Index]) -> Value:
    """One matrix of a batch."""
    if not batch:
        return buffer
    _, offset, sizes, strides = b.metadata(buffer)
    for at, stride in zip(batch, strides, strict=False):
        offset = b.add(offset, b.mul(at, stride))
    return b.reinterpret_cast(buffer, offset, sizes[-2:], strides[-2:])


def _is_large(b: LoopBuilder, p: Product) -> Truth:
    """Whether BLAS, which copies both sides into an order of its own, is worth a call."""
    if not isinstance(p.kind, FloatType):
        return False
    (m, k), n = b.dims(p.x), b.dim(p.y, 1)
    size = b.mul(b.mul(k, n), p.kind.width // 8)
    lies = _dense(b, p.y, 1)
    if isinstance(lies, bool):
        limit: Index = CACHED if lies else TURNED
    else:
        limit = b.select(lies, b.index(CACHED), b.index(TURNED))
    return _all(
        b,
        _compare(b, "sgt", size, limit),
        _compare(b, "sgt", b.minimum(m, n), THIN),
        _compare(b, "sle", b.maximum(b.maximum(m, n), k), LARGEST),
    )


# ------------------------------------------------------------------------------------------------- conditions


def _compare(b: LoopBuilder, predicate: str, x: Index, y: Index) -> Truth:
    if isinstance(x, int) and isinstance(y, int):
        return {"eq": x == y, "sle": x <= y, "sgt": x > y}[predicate]
    return b.cmpi(predicate, b.index(x), b.index(y))


def _all(b: LoopBuilder, *conditions: Truth) -> Truth:
    found: Truth = True
    for condition in conditions:
        if found is False or condition is False:
            return False
        found = condition if found is True else found if condition is True else b.andi(found, condition)
    return found


def _choose(b: LoopBuilder, condition: Truth, yes: Callable[[], None], no: Callable[[], None]) -> None:
    """One of two pieces of code, or both where the condition is not known."""
    if isinstance(condition, bool):
        (yes if condition else no)()
        return
    with b.if_(condition) as branch:
        yes()
    with branch.else_():
        no()


def _dense(b: LoopBuilder, matrix: Value, axis: int) -> Truth:
    """Whether neighbours along an axis are neighbours in memory."""
    if is_contiguous(matrix) and axis == 1:
        return True
    _, _, sizes, strides = b.metadata(matrix)
    extent, stride = _compare(b, "sle", sizes[axis], 1), _compare(b, "eq", strides[axis], 1)
    if extent is True or stride is True:
        return True
    if isinstance(extent, bool) or isinstance(stride, bool):
        return stride if extent is False else extent
    return b.ori(extent, stride)


# --------------------------------------------------------------------------------------------- our own code


def _inline(b: LoopBuilder, p: Product) -> None:
    one_column = _compare(b, "eq", b.dim(p.out, 1), 1)
    _choose(b, one_column, partial(_column, b, p), partial(_columns, b, p))


def _column(b: LoopBuilder, p: Product) -> None:
    """A matrix by a column. A strided column is cheap to copy."""
    by_rows = partial(_with_dense_y, b, p, partial(_dots, b))
    by_columns = partial(_rows, b, _turned(b, p))

    def copied() -> None:
        copy = _copy(b, p.x)
        _with_dense_y(b, replace(p, x=copy), partial(_dots, b))
        b.dealloc(copy)

    _choose(b, _dense(b, p.x, 1), by_rows, lambda: _choose(b, _dense(b, p.x, 0), by_columns, copied))


def _with_dense_y(b: LoopBuilder, p: Product, run: Callable[[Product], None]) -> None:
    _choose(b, _dense(b, p.y, 0), partial(run, p), partial(_with_copied_y, b, p, run))


def _with_copied_y(b: LoopBuilder, p: Product, run: Callable[[Product], None]) -> None:
    copy = _copy(b, p.y)
    run(replace(p, y=copy))
    b.dealloc(copy)


def _columns(b: LoopBuilder, p: Product) -> None:
    """A matrix by a matrix of several columns."""
    dots = _all(b, _dense(b, p.y, 0), _dense(b, p.x, 1))
    copied = partial(_with_copied_y, b, p, partial(_rows, b))
    _choose(
        b,
        _dense(b, p.y, 1),
        partial(_rows, b, p),
        lambda: _choose(b, dots, partial(_dots, b, p), copied),
    )


def _copy(b: LoopBuilder, matrix: Value) -> Value:
    assert isinstance(matrix.type, MemRefType)
    copy = b.alloc(matrix.type.element, b.dims(matrix))
    b.copy(matrix, copy)
    return copy


def _transposed(b: LoopBuilder, matrix: Value) -> Value:
    _, offset, sizes, strides = b.metadata(matrix)
    return b.reinterpret_cast(matrix, offset, sizes[::-1], strides[::-1])


def _turned(b: LoopBuilder, p: Product) -> Product:
    """The same product, out' = y' x'."""
    return Product(_transposed(b, p.y), _transposed(b, p.x), _transposed(b, p.out), p.kind)


def _rows(b: LoopBuilder, p: Product) -> None:
    """y is dense along n."""
    arguments = (p.kind, p.x, p.y, p.out)
    _choose(
        b,
        _compare(b, "eq", b.dim(p.out, 0), 1),
        partial(call, b, "row", *arguments),
        partial(call, b, "rows", *arguments),
    )


def _dots(b: LoopBuilder, p: Product) -> None:
    """Both sides are dense along k."""
    t = _turned(b, p)
    one_row = partial(call, b, "column", p.kind, t.x, p.x, t.out)
    one_column = partial(call, b, "column", p.kind, p.x, t.x, p.out)
    many = partial(call, b, "dots", p.kind, p.x, t.x, p.out)
    several = partial(_choose, b, _compare(b, "eq", b.dim(p.out, 0), 1), one_row, many)
    _choose(b, _compare(b, "eq", b.dim(p.out, 1), 1), one_column, several)


# ---------------------------------------------------------------------------------------------------- BLAS


@dataclass(frozen=True)
class _Operand:
    """How a row-major matrix goes to BLAS: transpose flag, leading dimension, and whether it can (True: known
    to).
    """

    buffer: Value
    flag: Value
    leading: Value
    fits: Truth


def _blas(b: LoopBuilder, p: Product) -> None:
    (m, k), n = b.dims(p.x), b.dim(p.y, 1)
    left, right = _operand(b, p.x, m, k), _operand(b, p.y, k, n)

    def as_they_lie() -> None:
        _gemm(b, left, right, p.out, (m, n, k), p.kind)

    def copied() -> None:
        copies = [_copy(b, v) for v in (p.x, p.y)]
        _gemm(b, _operand(b, copies[0], m, k), _operand(b, copies[1], k, n), p.out, (m, n, k), p.kind)
        for copy in copies:
            b.dealloc(copy)

    _choose(b, _all(b, left.fits, right.fits), as_they_lie, copied)


def _operand(b: LoopBuilder, matrix: Value, rows: Index, columns: Index) -> _Operand:
    plain, turned = b.constant(ord("N"), i8), b.constant(ord("T"), i8)
    if is_contiguous(matrix):
        return _Operand(matrix, plain, b.index(b.maximum(columns, 1)), True)
    _, _, _, (row_step, column_step) = b.metadata(matrix)
    by_rows, row_leading = _lies(b, columns, column_step, rows, row_step)
    by_columns, column_leading = _lies(b, rows, row_step, columns, column_step)
    flag = b.select(by_rows, plain, turned)
    return _Operand(matrix, flag, b.select(by_rows, row_leading, column_leading), b.ori(by_rows, by_columns))


def _lies(
    b: LoopBuilder, inner: Index, inner_step: Index, outer: Index, outer_step: Index
) -> tuple[Value, Value]:
    """Whether the inner axis is contiguous and the outer one steps over whole inner ones; the leading
    dimension.
    """
    one = b.index(1)
    inner_one = b.cmpi("sle", b.index(inner), one)
    outer_one = b.cmpi("sle", b.index(outer), one)
    least = b.index(b.maximum(inner, 1))
    step = b.index(outer_step)
    dense = b.ori(b.cmpi("eq", b.index(inner_step), one), inner_one)
    whole = b.andi(b.cmpi("sge", step, least), b.cmpi("sle", step, b.index(LARGEST)))
    return b.andi(dense, b.ori(whole, outer_one)), b.select(outer_one, least, step)


def _gemm(
    b: LoopBuilder,
    left: _Operand,
    right: _Operand,
    out: Value,
    extents: tuple[Index, Index, Index],
    kind: ScalarType,
) -> None:
    m, n, k = (b.index_cast(b.index(e), i32) for e in extents)
    leading = b.index_cast(b.index(b.maximum(extents[1], 1)), i32)
    one, zero = b.constant(1, kind), b.constant(0, kind)
    symbol = f"tensorc_blas_{'d' if kind.width == 64 else 's'}gemm"  # type: ignore[attr-defined]
    first = [right.buffer, b.index_cast(right.leading, i32), left.buffer, b.index_cast(left.leading, i32)]
    b.call_void(symbol, [right.flag, left.flag, n, m, k, one, *first, zero, out, leading])
