"""Matrix products as functions that all compiled code shares: a call costs its caller a few instructions, and
the vector code is compiled once.

| symbol | of | what |
|---|---|---|
| `tensorc_product_TYPE` | x, y, out | the product, in blocks that threads take |
| `tensorc_vector_TYPE` | x, y, out | the same for one row or one column: a fraction of the code |
| `tensorc_matmul_TYPE` | x, y, out | the same; a large right side is packed before |
| `tensorc_pack_TYPE` | y, packed | packs a right side into panels; nothing if `packed` is empty |
| `tensorc_block_TYPE` | x, y, packed, out | a block of the result: x and y are its rows and columns |

Matrices are x [m, k], y [k, n], out [m, n] of any strides. TYPE is the element in memory, `i1` for bool; the
last three are there for floats alone. The `packed` of a block begins with its panels, or is empty.

The kernels are `product_kernels.py`, for products that stay in the caches, and `product_panels.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Final

from tensorc.ir.attributes import UNIT, IntegerAttr, StringAttr, SymbolRefAttr
from tensorc.ir.builtin import (
    Call,
    CallAttrs,
    Return,
    body,
    lookup,
    new_declaration,
    new_function,
    new_module,
)
from tensorc.ir.core import Operation, Value
from tensorc.ir.types import FloatType, MemRefType, ScalarType, StridedLayout, i1, i32
from tensorc.ops import dtypes, product_panels
from tensorc.ops.loops.base import memory_type
from tensorc.ops.loops.builder import Index, LoopBuilder
from tensorc.ops.loops.nests import OF_LIBRARY, PRODUCT, nest, parallel
from tensorc.ops.product_kernels import (
    HEIGHT,
    REGISTERS,
    STREAM,
    TILES,
    WIDE,
    Matrix,
    call,
    call_product,
    lanes_of,
)

CACHED: Final = 1 << 17
"""Bytes of a right side up to which it is read as it lies: to pack it gained nothing."""
TURNED: Final = 1 << 12
"""The same for a right side that is dense along k, where sums end in additions across lanes."""
THIN: Final = 16
"""Rows or columns up to which memory is the limit, not arithmetic."""
LINES: Final = 64
"""Rows of a block, or columns where the terms of sums are on lanes."""
PACKED: Final = 1 << 26
"""Bytes of panels that one product has at a time, about."""
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

    @property
    def matrices(self) -> tuple[Matrix, Matrix, Matrix]:
        return self.x, self.y, self.out


Body = Callable[[LoopBuilder, ScalarType, Sequence[Value]], None]


def call_library(b: LoopBuilder, p: Product, *, large: bool) -> None:
    """Call the library for a product, with `large` the function that looks whether it is."""
    thin = any(extent == 1 for extent in p.out.sizes)
    _call(b, "matmul" if large else "vector" if thin else "product", p.kind, [v.view(b) for v in p.matrices])


def _call(b: LoopBuilder, name: str, kind: ScalarType, operands: Sequence[Value]) -> None:
    """Call a function of the library; declare it where it is not."""
    symbol = f"tensorc_{name}_{_stored(kind)}"
    module = b._module()
    if lookup(module, symbol) is None:
        declaration = new_declaration(symbol, _arguments(name, kind), [])
        declaration.set_attribute(OF_LIBRARY, UNIT)
        module.regions[0].block.append(declaration)
    op = b.create_op(Call, operands, CallAttrs(SymbolRefAttr(symbol)), results=[])
    if name != "pack":
        op.set_attribute(PRODUCT, UNIT)


def _stored(kind: ScalarType) -> ScalarType:
    return kind if kind == i1 else memory_type(kind)


def _arguments(name: str, kind: ScalarType) -> list[MemRefType]:
    matrix = MemRefType((None, None), memory_type(kind), StridedLayout((None, None), None))
    packed = MemRefType((None,), memory_type(kind), StridedLayout((1,), None))
    return {"pack": [matrix, packed], "block": [matrix, matrix, packed, matrix]}.get(name, [matrix] * 3)


@cache
def symbols() -> dict[str, tuple[str, ScalarType, Body]]:
    """Every function of the library: its name, the element type, and what builds it."""
    kinds = {_stored(kind): None for kind in dtypes.ALL}
    floats = [kind for kind in kinds if isinstance(kind, FloatType)]
    bodies: dict[str, Body] = {"matmul": _matmul, "pack": _pack, "block": _block}
    shapes: dict[str, Body] = {"product": _product, "vector": _vector}
    ours = {f"tensorc_{n}_{kind}": (n, kind, build) for n, build in shapes.items() for kind in kinds}
    return ours | {f"tensorc_{n}_{kind}": (n, kind, build) for n, build in bodies.items() for kind in floats}


def module_of(symbol: str, registers: int = max(TILES)) -> Operation:
    """A module that defines this one of `symbols()`, for a machine whose registers hold so many vectors: one
    of `TILES`.
    """
    name, kind, build = symbols()[symbol]
    module = new_module()
    module.set_attribute(REGISTERS, IntegerAttr(registers, i32))
    function = new_function(symbol, _arguments(name, kind), [])
    module.regions[0].block.append(function)
    _fill(function, kind, build)
    return module


def _fill(function: Operation, kind: ScalarType, build: Body) -> None:
    function.set_attribute(OF_LIBRARY, UNIT)
    b = LoopBuilder(body(function))
    build(b, kind, body(function).args)
    b.create_op(Return, [])


def _of(b: LoopBuilder, kind: ScalarType, args: Sequence[Value]) -> Product:
    x, y, out = (Matrix.of(b, v) for v in args)
    return Product(x, y, out, kind)


# ------------------------------------------------------------------------------------------ large right sides


def _matmul(b: LoopBuilder, kind: ScalarType, args: Sequence[Value]) -> None:
    p = _of(b, kind, args)
    assert isinstance(kind, FloatType)

    def packed() -> None:
        # As many columns at a time as the memory for panels allows.
        k, n = p.y.sizes
        group = product_panels.GROUPS[0] * product_panels.width_of(kind)
        most = b.divsi(b.index(PACKED // (kind.width // 8)), b.index(b.maximum(k, 1)))
        width = b.maxsi(b.muli(b.divsi(most, b.index(group)), b.index(group)), b.index(group))
        with b.for_(0, n, width) as loop:
            columns = loop.iv, b.minimum(width, b.sub(n, loop.iv))
            views = [p.x.view(b), p.y.part(b, 1, *columns).view(b), p.out.part(b, 1, *columns).view(b)]
            _call_part(b, f"tensorc_matmul_columns_{kind}", "matmul", kind, _columns_packed, views)

    choose(b, is_large(b, p.x, p.y, kind), packed, partial(call_library, b, p, large=False))


def _columns_packed(b: LoopBuilder, kind: ScalarType, args: Sequence[Value]) -> None:
    x, y, out = args
    target = Matrix.of(b, out)
    with in_blocks(b, x, y, kind, large=True) as (_, rows, columns, compute):
        compute(target.part(b, 0, *rows).part(b, 1, *columns))


def _call_part(
    b: LoopBuilder, symbol: str, name: str, kind: ScalarType, build: Body, operands: Sequence[Value]
) -> None:
    """Call a private function of the library with loops that threads share, making it if there is none yet;
    its arguments are those of the library's function `name`.
    """
    module = b._module()
    if lookup(module, symbol) is None:
        function = new_function(symbol, _arguments(name, kind), [])
        function.set_attribute("sym_visibility", StringAttr("private"))
        module.regions[0].block.append(function)
        _fill(function, kind, build)
    call_product(b, symbol, operands)


Range = tuple[Index, Index]
"""Where something begins, and how long it is."""
Block = tuple[list[Index], Range, Range, Callable[[Matrix], None]]


@contextmanager
def in_blocks(
    b: LoopBuilder, x: Value, y: Value, kind: ScalarType, *, large: Truth, whole_rows: bool = False
) -> Iterator[Block]:
    """A parallel loop over blocks of the products of x [b..., m, k] by y [b..., k, n]; `large`: the right
    sides are packed before. Gives where in the batch a block is, its rows, its columns (all, with
    `whole_rows`), and `compute(out)`, which writes it to a matrix of its size.
    """
    batch = b.dims(x)[:-2]
    first, second = Matrix.of(b, x), Matrix.of(b, y)
    steps, others = b.metadata(x)[3], b.metadata(y)[3]
    k, n = second.sizes
    size: Index = 0
    packed: Value | None = None
    different: list[Index] = []
    if large is not False:
        size = product_panels.packed_size(b, kind, second)
        if isinstance(large, Value):
            size = b.select(large, b.index(size), b.index(0))
        # Of a right side that is the same for some axes of the batch there is one.
        different = [1 if step == 0 else n for step, n in zip(others, batch, strict=False)]
        packed = b.alloc(memory_type(kind), [b.mul(b.product(different), size)])
        there = b.select(large, b.index(1), b.index(0)) if isinstance(large, Value) else 1
        with nest(b, [b.mul(there, n) for n in different]) as at:
            begin = b.index(b.mul(_flat(b, at, different), size))
            part = b.reinterpret_cast(packed, begin, [b.index(size)], [1])
            _call(b, "pack", kind, [second.moved(b, at, others).view(b), part])
    height, width = _block_sizes(b, first.sizes[0], n, kind, large, whole_rows)
    down, across = b.ceildivsi(b.index(first.sizes[0]), height), b.ceildivsi(b.index(n), width)
    each = b.mul(down, across)
    with parallel(b, b.mul(b.product(batch), each)) as number:
        at = _unflat(b, b.divsi(number, b.index(each)), batch) if batch else []
        place = b.index(b.remsi(number, b.index(each)) if batch else number)
        i, j = b.mul(b.remsi(place, down), height), b.mul(b.divsi(place, down), width)
        rows = i, b.minimum(height, b.sub(first.sizes[0], i))
        columns = j, b.minimum(width, b.sub(n, j))

        def compute(out: Matrix) -> None:
            left = first.moved(b, at, steps).part(b, 0, *rows).view(b)
            right = second.moved(b, at, others).part(b, 1, *columns).view(b)
            if packed is None:
                _call(b, "product", kind, [left, right, out.view(b)])
                return
            begin = b.mul(j, k)
            start = b.add(b.mul(_flat(b, at, different), size), begin)
            length = b.maximum(b.sub(size, begin), 0)
            panels = b.reinterpret_cast(packed, b.index(start), [b.index(length)], [1])
            _call(b, "block", kind, [left, right, panels, out.view(b)])

        yield at, rows, columns, compute
    if packed is not None:
        b.dealloc(packed)


def _flat(b: LoopBuilder, at: Sequence[Index], extents: Sequence[Index]) -> Index:
    """The number of a place in a box; places along axes of extent 1 do not count."""
    found: Index = 0
    for place, extent in zip(at, extents, strict=True):
        found = found if extent == 1 else b.add(b.mul(found, extent), place)
    return found


def _unflat(b: LoopBuilder, number: Value, extents: Sequence[Index]) -> list[Index]:
    at: list[Index] = []
    for extent in reversed(extents[1:]):
        at.insert(0, b.remsi(number, b.index(extent)))
        number = b.divsi(number, b.index(extent))
    return [number, *at]


def _block_sizes(
    b: LoopBuilder, m: Index, n: Index, kind: ScalarType, large: Truth, whole_rows: bool
) -> tuple[Value, Value]:
    """Rows and columns of a block: by the extents alone, all about equally high."""
    *heights, low = product_panels.HEIGHTS
    most, unit = b.index(low), b.index(product_panels.UNIT_HEIGHT)
    for height in reversed(heights):
        many = b.cmpi("sge", b.index(m), b.index(product_panels.MANY * height))
        most = b.select(many, b.index(height), most)
    if large is not True:
        yes = b.constant(False, i1) if large is False else large
        most, unit = b.select(yes, most, b.index(LINES)), b.select(yes, unit, b.index(HEIGHT))
    count = b.maxsi(b.ceildivsi(b.index(m), most), b.index(1))
    each = b.muli(b.ceildivsi(b.ceildivsi(b.index(m), count), unit), unit)
    each = b.maxsi(each, unit)
    if whole_rows:
        return each, b.maxsi(b.index(n), b.index(1))
    down = b.ceildivsi(b.index(m), each)
    wide, narrow = (panels * product_panels.width_of(kind) for panels in product_panels.GROUPS)
    return each, b.select(b.cmpi("sge", down, b.index(product_panels.MANY)), b.index(wide), b.index(narrow))


def _pack(b: LoopBuilder, kind: ScalarType, args: Sequence[Value]) -> None:
    y, packed = args
    with b.if_(b.cmpi("ne", b.index(b.dim(packed, 0)), b.index(0))):
        product_panels.pack(b, kind, Matrix.of(b, y), packed)


def _block(b: LoopBuilder, kind: ScalarType, args: Sequence[Value]) -> None:
    x, y, packed, out = args
    p = _of(b, kind, [x, y, out])
    with b.if_(b.cmpi("eq", b.index(b.dim(packed, 0)), b.index(0))) as direct:
        call_library(b, p, large=False)
    with direct.else_():
        product_panels.block(b, kind, p.x, packed, p.out)


# ------------------------------------------------------------------------------------------------- conditions


def is_large(b: LoopBuilder, x: Matrix, y: Matrix, kind: ScalarType) -> Truth:
    """Whether packing the right side is worth its while."""
    if not isinstance(kind, FloatType):
        return False
    (m, k), n = x.sizes, y.sizes[1]
    size = b.mul(b.mul(k, n), kind.width // 8)
    lies = _dense(b, y, 1)
    if isinstance(lies, bool):
        limit: Index = CACHED if lies else TURNED
    else:
        limit = b.select(lies, b.index(CACHED), b.index(TURNED))
    thin = [_compare(b, "sgt", extent, THIN) for extent in (m, n)]
    return _all(b, *thin, _compare(b, "sgt", size, limit))


def _compare(b: LoopBuilder, predicate: str, x: Index, y: Index) -> Truth:
    if isinstance(x, int) and isinstance(y, int):
        return {"eq": x == y, "sle": x <= y, "sgt": x > y, "sge": x >= y}[predicate]
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


def _product(b: LoopBuilder, kind: ScalarType, args: Sequence[Value]) -> None:
    p = _of(b, kind, args)
    column = replace(p, y=_thin(p.y, 1), out=_thin(p.out, 1))
    one_column = _compare(b, "eq", p.out.sizes[1], 1)
    choose(b, one_column, partial(_column, b, column), partial(_columns, b, p))


def _vector(b: LoopBuilder, kind: ScalarType, args: Sequence[Value]) -> None:
    """What `_product` chooses where the result has one column, or one row."""
    p = _of(b, kind, args)
    column = replace(p, y=_thin(p.y, 1), out=_thin(p.out, 1))
    row = replace(p, x=_thin(p.x, 0), out=_thin(p.out, 0))
    one_column = _compare(b, "eq", p.out.sizes[1], 1)
    choose(b, one_column, partial(_column, b, column), partial(_columns, b, row))


def _thin(matrix: Matrix, axis: int) -> Matrix:
    """The matrix, whose extent along an axis is 1."""
    return replace(matrix, sizes=(1, matrix.sizes[1]) if axis == 0 else (matrix.sizes[0], 1))


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
    choose(b, one, partial(_row, b, p), partial(_several_rows, b, p))


def _several_rows(b: LoopBuilder, p: Product) -> None:
    def copied() -> None:
        copy, x = _copy(b, p.x)
        _in_blocks(b, "rows", replace(p, x=x))
        b.dealloc(copy)

    def other() -> None:
        high = _compare(b, "sge", p.out.sizes[0], HEIGHT)
        turned = partial(_in_blocks, b, "turned", p)
        choose(b, _all(b, high, _dense(b, p.x, 0)), turned, copied)

    choose(b, _dense(b, p.x, 1), partial(_in_blocks, b, "rows", p), other)


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
    operands = [v.view(b) for v in p.matrices]
    _call_part(b, f"tensorc_product_{name}_blocks_{p.kind}", name, p.kind, partial(_blocks, name), operands)


def _blocks(name: str, b: LoopBuilder, kind: ScalarType, args: Sequence[Value]) -> None:
    """One block of columns after the other, so that what is read of y stays in the cache."""
    p = _of(b, kind, args)
    dots, turned = name in ("dots", "column"), name == "turned"
    (m, n), vectors = p.out.sizes, STREAM if name == "row" else PANELS
    width = LINES if dots else vectors * lanes_of(p.kind)
    down, across = b.index(b.ceildiv(m, LINES)), b.ceildiv(n, width)
    if turned:  # whose last rows are part of the block before, so that every block has a tile's
        down = b.maxsi(b.divsi(b.index(m), b.index(LINES)), b.index(1))
    most = b.minimum(m, 2 * LINES if turned else LINES), b.minimum(n, width)
    with parallel(b, b.mul(down, across)) as number:
        i, j = b.mul(b.remsi(number, down), LINES), b.mul(b.divsi(number, down), width)
        left = b.index(b.sub(m, i))
        if turned:
            left = b.select(b.cmpi("slt", left, b.index(2 * LINES)), left, b.index(LINES))
        rows, columns = b.minimum(most[0], left), b.minimum(most[1], b.sub(n, j))
        x, y = p.x.part(b, 0, i, rows), p.y.part(b, 0 if dots else 1, j, columns)
        out = p.out.part(b, 0, i, rows).part(b, 1, j, columns)
        call(b, name, p.kind, x.turned if turned else x, y, out)
