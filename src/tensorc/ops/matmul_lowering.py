"""The matrix product in loops: BLAS for float matrices that are worth a call, plain loops for the rest.

BLAS is column-major (Dongarra et al., A Set of Level 3 Basic Linear Algebra Subprograms, ACM TOMS 16(1),
1990): the row-major C = A B is asked for as C' = B' A'. A matrix goes in as it lies if one of its strides is
1 and the other a leading dimension; else as a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tensorc.ir.core import Value
from tensorc.ir.types import FloatType, MemRefType, ScalarType, i1, i8, i32
from tensorc.ops.buffer_views import is_contiguous
from tensorc.ops.loops.builder import LoopBuilder
from tensorc.ops.loops.nests import Index, nest

SMALL = 4096
"""Multiplications up to which loops are used, provided that each sum is short."""
SHORT = 64
LARGEST = (1 << 31) - 1


def matmul(b: LoopBuilder, x: Value, y: Value, out: Value, kind: ScalarType) -> None:
    """[b..., m, k] by [b..., k, n] into [b..., m, n]. `kind`: the tensor-level element type."""
    m, k = b.dims(x)[-2:]
    n = b.dims(out)[-1]
    with nest(b, b.dims(out)[:-2], parallel=True) as batch:
        left, right, target = (_matrix(b, v, batch) for v in (x, y, out))
        if not isinstance(kind, FloatType):
            _loops(b, left, right, target, (m, n, k), kind)
            return
        _floats(b, left, right, target, (m, n, k), kind)


def _matrix(b: LoopBuilder, buffer: Value, batch: Sequence[Index]) -> Value:
    """One matrix of a batch."""
    if not batch:
        return buffer
    _, offset, sizes, strides = b.metadata(buffer)
    for at, stride in zip(batch, strides, strict=False):
        offset = b.add(offset, b.mul(at, stride))
    return b.reinterpret_cast(buffer, offset, sizes[-2:], strides[-2:])


def _floats(
    b: LoopBuilder, x: Value, y: Value, out: Value, extents: tuple[Index, Index, Index], kind: ScalarType
) -> None:
    m, n, k = extents
    if isinstance(m, int) and isinstance(n, int) and isinstance(k, int):
        small = k <= SHORT and m * n * k <= SMALL
        if small or max(m, n, k) > LARGEST:
            _loops(b, x, y, out, extents, kind)
        else:
            _blas(b, x, y, out, extents, kind)
        return
    few = b.cmpi("sle", b.index(b.product([m, n, k])), b.index(SMALL))
    small_one = b.andi(few, b.cmpi("sle", b.index(k), b.index(SHORT)))
    largest = b.index(b.maximum(b.maximum(m, n), k))
    by_loops = b.ori(small_one, b.cmpi("sgt", largest, b.index(LARGEST)))
    with b.if_(by_loops) as branch:
        _loops(b, x, y, out, extents, kind)
    with branch.else_():
        _blas(b, x, y, out, extents, kind)


def _loops(
    b: LoopBuilder, x: Value, y: Value, out: Value, extents: tuple[Index, Index, Index], kind: ScalarType
) -> None:
    """Row by row: the row of the result collects multiples of rows of y."""
    m, n, k = extents
    memory = out.type
    assert isinstance(memory, MemRefType)
    with nest(b, [m], parallel=True) as (i,):
        with nest(b, [n]) as (j,):
            b.store(b.constant(0, memory.element), out, [i, j])
        with nest(b, [k]) as (p,):
            factor = b.load(x, [i, p])
            with nest(b, [n]) as (j,):
                term = _step(b, kind, b.load(out, [i, j]), factor, b.load(y, [p, j]))
                b.store(term, out, [i, j])


def _step(b: LoopBuilder, kind: ScalarType, total: Value, x: Value, y: Value) -> Value:
    """total + x y on values as they lie in memory."""
    if isinstance(kind, FloatType):
        return b.addf(total, b.mulf(x, y))
    if kind == i1:
        both = b.andi(b.to_bool(x), b.to_bool(y))
        return b.from_bool(b.ori(b.to_bool(total), both))
    return b.addi(total, b.muli(x, y))


@dataclass(frozen=True)
class _Operand:
    """How a row-major matrix goes to BLAS: transpose flag, leading dimension, and whether it can (True: known
    to).
    """

    buffer: Value
    flag: Value
    leading: Value
    fits: Value | bool


def _blas(
    b: LoopBuilder, x: Value, y: Value, out: Value, extents: tuple[Index, Index, Index], kind: ScalarType
) -> None:
    m, n, k = extents
    left, right = _operand(b, x, m, k), _operand(b, y, k, n)
    if left.fits is True and right.fits is True:
        _call(b, left, right, out, extents, kind)
        return
    conditions = [b.constant(o.fits, i1) if isinstance(o.fits, bool) else o.fits for o in (left, right)]
    with b.if_(b.andi(*conditions)) as branch:
        _call(b, left, right, out, extents, kind)
    with branch.else_():
        copies = [_copied(b, v) for v in (x, y)]
        _call(b, _operand(b, copies[0], m, k), _operand(b, copies[1], k, n), out, extents, kind)
        for copy in copies:
            b.dealloc(copy)


def _copied(b: LoopBuilder, matrix: Value) -> Value:
    assert isinstance(matrix.type, MemRefType)
    copy = b.alloc(matrix.type.element, b.dims(matrix))
    b.copy(matrix, copy)
    return copy


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


def _call(
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
