"""Matrix products as functions that all compiled code shares: a call costs its caller a few instructions, and
the vector code is compiled once.

| symbol | what |
|---|---|
| `tensorc_product_TYPE` | our own vector code (`product_kernels.py`), in blocks that threads take |
| `tensorc_matmul_TYPE` | for floats: BLAS where the right side is large, else the former |

All are (x [m, k], y [k, n], out [m, n]) of any strides. TYPE is the element in memory, `i1` for bool.

BLAS is column-major (Dongarra et al., A Set of Level 3 Basic Linear Algebra Subprograms, ACM TOMS 16(1),
1990): the row-major C = A B is asked for as C' = B' A'. A matrix goes in as it lies if one of its strides is
1 and the other a leading dimension; else as a copy. BLAS has threads of its own, so it is not called from
ours: see `matmul_lowering.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Final

from tensorc.ir.attributes import UNIT, StringAttr
from tensorc.ir.builtin import Return, body, lookup, new_declaration, new_function, new_module
from tensorc.ir.core import Operation, Value
from tensorc.ir.types import FloatType, MemRefType, ScalarType, StridedLayout, i1, i8, i32
from tensorc.ops import dtypes
from tensorc.ops.loops.base import memory_type
from tensorc.ops.loops.builder import Index, LoopBuilder
from tensorc.ops.loops.nests import OF_LIBRARY, PARALLEL
from tensorc.ops.product_kernels import STREAM, WIDE, Matrix, call, call_product, lanes_of

CACHED: Final = 1 << 17
"""Bytes of a right side up to which our code, on one thread and without copies, was the faster."""
TURNED: Final = 1 << 12
"""The same for a right side that is dense along k, where sums end in additions across lanes."""
THIN: Final = 16
"""Rows or columns up to which memory is the limit, not arithmetic."""
LARGEST: Final = (1 << 31) - 1
LINES: Final = 64
"""Rows of a block, or columns where the terms of sums are on lanes."""
PANELS: Final = 2 * WIDE.vectors
"""Vectors of a block of columns."""
Truth = Value | bool


@dataclass(frozen=True)
class Product:
    """x [m, k] by y [k, n] into out [m, n] of one element type."""

    x: Matrix
    y: Matrix
    out: Matrix
    kind: ScalarType

    @property
    def turned(self) -> Product:
        """The same product, out' = y' x'."""
        return Product(self.y.turned, self.x.turned, self.out.turned, self.kind)


Builder = Callable[[LoopBuilder, Product], None]


def call_library(b: LoopBuilder, p: Product, *, blas: bool) -> None:
    """Call the library for a product, with `blas` the one that may use BLAS; declare it where it is not."""
    kind = _stored(p.kind)
    symbol = f"tensorc_{'matmul' if blas else 'product'}_{kind}"
    module = b._module()
    if lookup(module, symbol) is None:
        declaration = new_declaration(symbol, [_argument(kind)] * 3, [])
        declaration.set_attribute(OF_LIBRARY, UNIT)
        module.regions[0].block.append(declaration)
    call_product(b, symbol, [v.view(b) for v in (p.x, p.y, p.out)])


def _stored(kind: ScalarType) -> ScalarType:
    return kind if kind == i1 else memory_type(kind)


def _argument(kind: ScalarType) -> MemRefType:
    return MemRefType((None, None), memory_type(kind), StridedLayout((None, None), None))


@cache
def symbols() -> dict[str, tuple[ScalarType, Builder]]:
    """Every function of the library: the element type, and what builds it."""
    kinds = {_stored(kind): None for kind in dtypes.ALL}
    ours = {f"tensorc_product_{kind}": (kind, _inline) for kind in kinds}
    floats = (kind for kind in kinds if isinstance(kind, FloatType))
    return {**ours, **{f"tensorc_matmul_{kind}": (kind, _with_blas) for kind in floats}}


def module_of(symbol: str) -> Operation:
    """A module that defines this one of `symbols()`."""
    kind, build = symbols()[symbol]
    module = new_module()
    function = new_function(symbol, [_argument(kind)] * 3, [])
    module.regions[0].block.append(function)
    _fill(function, kind, build)
    return module


def _fill(function: Operation, kind: ScalarType, build: Builder) -> None:
    function.set_attribute(OF_LIBRARY, UNIT)
    b = LoopBuilder(body(function))
    x, y, out = (Matrix.of(b, v) for v in body(function).args)
    build(b, Product(x, y, out, kind))
    b.create_op(Return, [])


def _with_blas(b: LoopBuilder, p: Product) -> None:
    choose(b, is_large(b, p), partial(_blas, b, p), partial(call_library, b, p, blas=False))


# ------------------------------------------------------------------------------------------------- conditions


def is_large(b: LoopBuilder, p: Product) -> Truth:
    """Whether BLAS, which copies both sides into an order of its own, is worth a call."""
    if not isinstance(p.kind, FloatType):
        return False
    (m, k), n = p.x.sizes, p.y.sizes[1]
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


def never_large(p: Product) -> bool:
    """Whether it is known that BLAS is not worth a call."""
    (m, k), n = p.x.sizes, p.y.sizes[1]
    thin = any(isinstance(extent, int) and extent <= THIN for extent in (m, n))
    if thin or not isinstance(p.kind, FloatType):
        return True
    limit = CACHED if p.y.strides[1] == 1 else TURNED
    return isinstance(k, int) and isinstance(n, int) and k * n * p.kind.width // 8 <= limit


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


def choose(b: LoopBuilder, condition: Truth, yes: Callable[[], None], no: Callable[[], None]) -> None:
    """One of two pieces of code, or both where the condition is not known."""
    if isinstance(condition, bool):
        (yes if condition else no)()
        return
    with b.if_(condition) as branch:
        yes()
    with branch.else_():
        no()


def _dense(b: LoopBuilder, matrix: Matrix, axis: int) -> Truth:
    """Whether neighbours along an axis are neighbours in memory."""
    extent = _compare(b, "sle", matrix.sizes[axis], 1)
    stride = _compare(b, "eq", matrix.strides[axis], 1)
    if extent is True or stride is True:
        return True
    if isinstance(extent, bool) or isinstance(stride, bool):
        return stride if extent is False else extent
    return b.ori(extent, stride)


# --------------------------------------------------------------------------------------------- our own code


def _inline(b: LoopBuilder, p: Product) -> None:
    one_column = _compare(b, "eq", p.out.sizes[1], 1)
    choose(b, one_column, partial(_column, b, p), partial(_columns, b, p))


def _column(b: LoopBuilder, p: Product) -> None:
    """A matrix by a column. A strided column is cheap to copy."""
    by_rows = partial(_with_dense_y, b, p, partial(_dots, b))
    by_columns = partial(_row, b, p.turned)

    def copied() -> None:
        copy, x = _copy(b, p.x)
        _with_dense_y(b, replace(p, x=x), partial(_dots, b))
        b.dealloc(copy)

    choose(b, _dense(b, p.x, 1), by_rows, lambda: choose(b, _dense(b, p.x, 0), by_columns, copied))


def _with_dense_y(b: LoopBuilder, p: Product, run: Callable[[Product], None]) -> None:
    choose(b, _dense(b, p.y, 0), partial(run, p), partial(_with_copied_y, b, p, run))


def _with_copied_y(b: LoopBuilder, p: Product, run: Callable[[Product], None]) -> None:
    copy, y = _copy(b, p.y)
    run(replace(p, y=y))
    b.dealloc(copy)


def _columns(b: LoopBuilder, p: Product) -> None:
    """A matrix by a matrix of several columns."""
    # A sum across lanes costs as much as some terms: with few of them, turning y round is cheaper.
    long = _compare(b, "sgt", p.x.sizes[1], p.x.sizes[0])
    dots = _all(b, _dense(b, p.y, 0), _dense(b, p.x, 1), long)
    copied = partial(_with_copied_y, b, p, partial(_rows, b))
    choose(
        b,
        _dense(b, p.y, 1),
        partial(_rows, b, p),
        lambda: choose(b, dots, partial(_dots, b, p), copied),
    )


def _copy(b: LoopBuilder, matrix: Matrix) -> tuple[Value, Matrix]:
    source = matrix.view(b)
    assert isinstance(source.type, MemRefType)
    copy = b.alloc(source.type.element, matrix.sizes)
    b.copy(source, copy)
    return copy, Matrix.of(b, copy)


def _rows(b: LoopBuilder, p: Product) -> None:
    """y is dense along n."""
    one = _compare(b, "eq", p.out.sizes[0], 1)
    choose(b, one, partial(_row, b, p), partial(_in_blocks, b, "rows", p))


def _row(b: LoopBuilder, p: Product) -> None:
    """One row, and y is dense along n."""
    _in_blocks(b, "row", p)


def _dots(b: LoopBuilder, p: Product) -> None:
    """Both sides are dense along k: the kernels take y by columns."""
    m, n = p.out.sizes
    one_row = partial(_in_blocks, b, "column", replace(p.turned, y=p.x))
    one_column = partial(_in_blocks, b, "column", replace(p, y=p.y.turned))
    many = partial(_in_blocks, b, "dots", replace(p, y=p.y.turned))
    several = partial(choose, b, _compare(b, "eq", m, 1), one_row, many)
    choose(b, _compare(b, "eq", n, 1), one_column, several)


def _in_blocks(b: LoopBuilder, name: str, p: Product) -> None:
    """Call what runs a kernel on blocks of the result in any order, making it if the module has none yet."""
    symbol = f"tensorc_product_{name}_blocks_{p.kind}"
    module = b._module()
    if lookup(module, symbol) is None:
        function = new_function(symbol, [_argument(p.kind)] * 3, [])
        function.set_attribute("sym_visibility", StringAttr("private"))
        module.regions[0].block.append(function)
        _fill(function, p.kind, partial(_blocks, name))
    call_product(b, symbol, [v.view(b) for v in (p.x, p.y, p.out)])


def _blocks(name: str, b: LoopBuilder, p: Product) -> None:
    """One block of columns after the other, so that what is read of y stays in the cache."""
    dots = name in ("dots", "column")
    (m, n), vectors = p.out.sizes, STREAM if name == "row" else PANELS
    width = LINES if dots else vectors * lanes_of(p.kind)
    down, across = b.index(b.ceildiv(m, LINES)), b.ceildiv(n, width)
    most = b.minimum(m, LINES), b.minimum(n, width)
    with b.for_(0, b.mul(down, across)) as loop:
        loop.op.set_attribute(PARALLEL, UNIT)
        i, j = b.mul(b.remsi(loop.iv, down), LINES), b.mul(b.divsi(loop.iv, down), width)
        rows, columns = b.minimum(most[0], b.sub(m, i)), b.minimum(most[1], b.sub(n, j))
        x, y = p.x.part(b, 0, i, rows), p.y.part(b, 0 if dots else 1, j, columns)
        call(b, name, p.kind, x, y, p.out.part(b, 0, i, rows).part(b, 1, j, columns))


# ---------------------------------------------------------------------------------------------------- BLAS


@dataclass(frozen=True)
class _Operand:
    """How a row-major matrix goes to BLAS: transpose flag, leading dimension, and whether it can."""

    matrix: Matrix
    flag: Value
    leading: Value
    fits: Value


def _blas(b: LoopBuilder, p: Product) -> None:
    left, right = _operand(b, p.x), _operand(b, p.y)

    def copied() -> None:
        (x, left), (y, right) = (_copy(b, v) for v in (p.x, p.y))
        _gemm(b, _operand(b, left), _operand(b, right), p)
        b.dealloc(x)
        b.dealloc(y)

    choose(b, b.andi(left.fits, right.fits), partial(_gemm, b, left, right, p), copied)


def _operand(b: LoopBuilder, matrix: Matrix) -> _Operand:
    plain, turned = b.constant(ord("N"), i8), b.constant(ord("T"), i8)
    by_rows, row_leading = _lies(b, matrix)
    by_columns, column_leading = _lies(b, matrix.turned)
    flag = b.select(by_rows, plain, turned)
    return _Operand(matrix, flag, b.select(by_rows, row_leading, column_leading), b.ori(by_rows, by_columns))


def _lies(b: LoopBuilder, matrix: Matrix) -> tuple[Value, Value]:
    """Whether rows are contiguous and a step between them is at least a whole one; the leading dimension."""
    (rows, columns), (row_step, column_step) = matrix.sizes, matrix.strides
    one = b.index(1)
    one_column = b.cmpi("sle", b.index(columns), one)
    one_row = b.cmpi("sle", b.index(rows), one)
    least = b.index(b.maximum(columns, 1))
    step = b.index(row_step)
    dense = b.ori(b.cmpi("eq", b.index(column_step), one), one_column)
    whole = b.andi(b.cmpi("sge", step, least), b.cmpi("sle", step, b.index(LARGEST)))
    return b.andi(dense, b.ori(whole, one_row)), b.select(one_row, least, step)


def _gemm(b: LoopBuilder, left: _Operand, right: _Operand, p: Product) -> None:
    assert isinstance(p.kind, FloatType)
    (m, k), n = p.x.sizes, p.y.sizes[1]
    rows, columns, terms = (b.index_cast(b.index(e), i32) for e in (m, n, k))
    leading = b.index_cast(b.index(b.maximum(n, 1)), i32)
    one, zero = b.constant(1, p.kind), b.constant(0, p.kind)
    operands = [v for side in (right, left) for v in (side.matrix.view(b), b.index_cast(side.leading, i32))]
    flags = [right.flag, left.flag, columns, rows, terms, one]
    symbol = f"tensorc_blas_{'d' if p.kind.width == 64 else 's'}gemm"
    b.call_void(symbol, [*flags, *operands, zero, p.out.view(b), leading])
