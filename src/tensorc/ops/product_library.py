"""Matrix products as functions that all compiled code shares: a call costs its caller a few instructions, and
the vector code is compiled once.

| symbol | of | what |
|---|---|---|
| `tensorc_matmul_TYPE` | x, y, out | the product, in blocks that threads take |
| `tensorc_vector_TYPE` | x, y, out | the same for one column or one row: a fraction of the code |
| `tensorc_pack_TYPE` | y, packed | packs a right side into panels |
| `tensorc_block_TYPE` | x, y, packed, begun, out | a block of the result: x and y are its rows and columns |
| `tensorc_direct_TYPE` | x, y, out | the same, whose right side is not packed |

Matrices are x [m, k], y [k, n], out [m, n] of any strides, but columns of out are neighbours. TYPE is the
element in memory, `i1` for bool. The `packed` of a block begins with its panels, or is empty, or is too
short: then the block packs for itself, piece by piece. Sums to which `begun` steps have been added go on.

The vector code is in `product_kernels.py`, for what is read as it lies, and `product_panels.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Final

from tensorc.ir.attributes import UNIT, IntegerAttr, StringAttr
from tensorc.ir.builtin import (
    Return,
    body,
    new_function,
    new_module,
)
from tensorc.ir.core import Operation, Value
from tensorc.ir.types import MemRefType, ScalarType, StridedLayout, Type, i1, i32, index
from tensorc.ops import dtypes, product_panels
from tensorc.ops.loops.base import memory_type
from tensorc.ops.loops.builder import Index, LoopBuilder
from tensorc.ops.loops.nests import OF_LIBRARY, PRODUCT, nest, parallel, rolled
from tensorc.ops.product_kernels import (
    BYTES,
    FEW,
    HEIGHT,
    REGISTERS,
    STREAM,
    TILES,
    Kernel,
    Matrix,
    call_product,
    dots,
    few,
    gathered,
    lanes_of,
    make_function,
    rows,
)
from tensorc.ops.shared import call_shared

CACHED: Final = 1 << 17
"""Bytes of a right side up to which it is read as it lies: to pack it gained nothing."""
THIN: Final = 16
"""Rows or columns up to which memory is the limit, not arithmetic."""
OFTEN: Final = 32
"""Rows up to which a right side whose columns are neighbours is not read often enough to pack it."""
SHORT: Final = 8
"""Terms up to which a sum along k is not worth its additions across lanes."""
LINES: Final = 64
"""Rows of a block."""
LOW: Final = 4
"""Rows up to which a right side is read once even if it is in the cache,"""
FAR: Final = 1 << 20
"""and how many bytes it has where `FEW` rows are few enough."""
PACKED: Final = 1 << 24
"""Bytes of panels that a product has at a time, at most,"""
ALL_PACKED: Final = 1 << 26
"""and of those that a kernel or a batch has at once: of more, blocks pack what they need."""
PANELS: Final = 16
"""Vectors of a block of columns."""
UNPACKED: Final = 2 * max(LINES * PANELS, FEW * STREAM)
"""Vectors that a block has at most, if nothing is packed (`_block_sizes`; the last one has the rest, too)."""
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


def call_library(b: LoopBuilder, p: Product) -> None:
    """Call the library for a product."""
    thin = any(extent == 1 for extent in p.out.sizes)
    _call(b, "vector" if thin else "matmul", p.kind, [v.view(b) for v in p.matrices])


def _call(b: LoopBuilder, name: str, kind: ScalarType, operands: Sequence[Value]) -> None:
    """Call a function of the library; declare it where it is not."""
    op = call_shared(b, f"tensorc_{name}_{_stored(kind)}", _arguments(name, kind), operands)
    if name != "pack":
        op.set_attribute(PRODUCT, UNIT)


def _stored(kind: ScalarType) -> ScalarType:
    return kind if kind == i1 else memory_type(kind)


def _arguments(name: str, kind: ScalarType) -> list[Type]:
    matrix = MemRefType((None, None), memory_type(kind), StridedLayout((None, None), None))
    packed = MemRefType((None,), memory_type(kind), StridedLayout((1,), None))
    others: dict[str, list[Type]] = {
        "pack": [matrix, packed],
        "block": [matrix, matrix, packed, index, matrix],
        "part": [matrix, matrix, index, index, matrix],
    }
    return others.get(name, [matrix] * 3)


@cache
def symbols() -> dict[str, str]:
    """Every function of the library, and which of `objects()` it belongs to."""
    return {symbol: key for key in objects() for symbol in exports(key)}


@cache
def objects() -> dict[str, tuple[str, ScalarType]]:
    """What is compiled together: its kind, and the element type."""
    kinds = {_stored(kind): None for kind in dtypes.ALL}
    return {f"{name}-{kind}": (name, kind) for name in _SHARED for kind in kinds}


def exports(key: str) -> list[str]:
    """The functions of one of `objects()`."""
    of, kind = objects()[key]
    return [f"tensorc_{name}_{kind}" for name in _SHARED[of]]


def module_of(key: str, registers: int = max(TILES)) -> Operation:
    """A module that defines the functions of one of `objects()`, for a machine whose registers hold so many
    vectors: one of `TILES`.
    """
    of, kind = objects()[key]
    module = new_module()
    module.set_attribute(REGISTERS, IntegerAttr(registers, i32))
    bodies = _SHARED[of] | _PRIVATE[of]
    made = {name: new_function(f"tensorc_{name}_{kind}", _arguments(name, kind), []) for name in bodies}
    for name, function in made.items():
        module.regions[0].block.append(function)
        function.set_attribute(OF_LIBRARY, UNIT)
        if name in _PRIVATE[of]:
            function.set_attribute("sym_visibility", StringAttr("private"))
    for name, function in made.items():
        b = LoopBuilder(body(function))
        bodies[name](b, kind, body(function).args)
        b.create_op(Return, [])
    return module


def _of(b: LoopBuilder, kind: ScalarType, args: Sequence[Value]) -> Product:
    x, y, out = (Matrix.of(b, v) for v in args)
    return Product(x, y, out, kind)


# ---------------------------------------------------------------------------------------------------- blocks


def _matmul(b: LoopBuilder, kind: ScalarType, args: Sequence[Value]) -> None:
    """Of a large right side, as many rows and columns at a time as its panels may take memory."""
    p = _of(b, kind, args)
    (k, n), depth, width = p.y.sizes, product_panels.DEPTH, product_panels.width_of(kind)
    large = _value(b, is_large(b, p.x, p.y, kind))
    deep = b.select(large, b.index(depth), b.maxsi(b.index(k), b.index(1)))
    most = b.divsi(b.index(PACKED // (_bytes(kind) * width)), b.maxsi(b.minsi(deep, b.index(k)), b.index(1)))
    most = b.muli(b.maxsi(most, b.index(1)), b.index(width))
    wide = b.select(large, most, b.maxsi(b.index(n), b.index(1)))
    packs = b.select(large, b.index(1), b.index(0))
    with b.for_(0, n, wide) as columns, b.for_(0, b.maximum(k, 1), deep) as steps:
        across = columns.iv, b.minimum(wide, b.sub(n, columns.iv))
        down = steps.iv, b.minimum(deep, b.sub(k, steps.iv))
        x, y = p.x.part(b, 1, *down).view(b), p.y.part(b, 0, *down).part(b, 1, *across).view(b)
        _call(b, "part", kind, [x, y, packs, steps.iv, p.out.part(b, 1, *across).view(b)])


def _part(b: LoopBuilder, kind: ScalarType, args: Sequence[Value]) -> None:
    """Some columns and terms of a product. A function of its own: it has the loop that threads share."""
    x, y, packs, begun, out = args
    large, target = b.cmpi("ne", packs, b.index(0)), Matrix.of(b, out)
    with in_blocks(b, x, y, kind, large=large, begun=begun) as (_, rows, columns, compute):
        compute(target.part(b, 0, *rows).part(b, 1, *columns))


def _bytes(kind: ScalarType) -> int:
    """Of an element."""
    return BYTES // lanes_of(kind)


Range = tuple[Index, Index]
"""Where something begins, and how long it is."""
Block = tuple[list[Index], Range, Range, Callable[[Matrix], None]]


@contextmanager
def in_blocks(
    b: LoopBuilder,
    x: Value,
    y: Value,
    kind: ScalarType,
    *,
    large: Truth,
    whole_rows: bool = False,
    begun: Index = 0,
    direct: str = "direct",
) -> Iterator[Block]:
    """A parallel loop over blocks of the products of x [b..., m, k] by y [b..., k, n]; `large`: the right
    sides are packed before, unless their panels would take too much memory: then blocks do it. Gives where
    in the batch a block is, its rows, its columns (all, with `whole_rows`), and `compute(out)`, which writes
    it to a matrix of its size, or adds it where steps have `begun`. `direct`: the function for what is not
    packed.
    """
    batch = b.dims(x)[:-2]
    first, second = Matrix.of(b, x), Matrix.of(b, y)
    steps, others = b.metadata(x)[3], b.metadata(y)[3]
    k, n = second.sizes
    panels = _Panels.made(b, second, others[: len(batch)], batch, kind, large)
    apart = None if panels is None else panels.apart
    height, width = _block_sizes(b, first.sizes[0], n, kind, large, whole_rows, apart)
    down, across = (
        b.ceildivsi(b.index(first.sizes[0]), height),
        b.maxsi(b.divsi(b.index(n), width), b.index(1)),
    )
    each = b.mul(down, across)
    with parallel(b, b.mul(b.product(batch), each)) as number:
        at = _unflat(b, b.divsi(number, b.index(each)), batch) if batch else []
        place = b.index(b.remsi(number, b.index(each)) if batch else number)
        i, j = b.mul(b.remsi(place, down), height), b.mul(b.divsi(place, down), width)
        rows = i, b.minimum(height, b.sub(first.sizes[0], i))
        # The last one has the rest, too: no block has one column where others have more.
        rest = b.cmpi("slt", b.index(b.sub(n, j)), b.muli(width, b.index(2)))
        columns = j, b.select(rest, b.index(b.sub(n, j)), width)

        def compute(out: Matrix) -> None:
            left = first.moved(b, at, steps).part(b, 0, *rows).view(b)
            right = second.moved(b, at, others).part(b, 1, *columns).view(b)
            if panels is None:
                _call(b, direct, kind, [left, right, out.view(b)])
                return
            _call(b, "block", kind, [left, right, panels.of(b, at, j, k), b.index(begun), out.view(b)])

        yield at, rows, columns, compute
    if panels is not None:
        b.dealloc(panels.buffer)


@dataclass(frozen=True)
class _Panels:
    """The panels of the right sides of a batch: `size` elements each. `apart`: there would be too many, and
    blocks pack what they need.
    """

    buffer: Value
    size: Value
    different: list[Index]
    apart: Value

    @classmethod
    def made(
        cls,
        b: LoopBuilder,
        y: Matrix,
        strides: Sequence[Index],
        batch: Sequence[Index],
        kind: ScalarType,
        large: Truth,
    ) -> _Panels | None:
        """None if nothing is packed; of size 0 where that is found at run time, and of size 1 where there
        would be too many.
        """
        if large is False:
            return None
        # Of a right side that is the same for some axes of the batch there is one.
        different: list[Index] = [1 if step == 0 else n for step, n in zip(strides, batch, strict=True)]
        full = b.index(product_panels.packed_size(b, kind, y))
        all_of_them = b.index(b.mul(b.product(different), full))
        much = b.cmpi("sgt", all_of_them, b.index(ALL_PACKED // _bytes(kind)))
        size = b.select(much, b.index(1), full)
        if isinstance(large, Value):
            size = b.select(large, size, b.index(0))
        panels = cls(b.alloc(memory_type(kind), [b.mul(b.product(different), size)]), size, different, much)
        packs = b.select(b.cmpi("eq", size, full), b.index(1), b.index(0))
        with nest(b, [packs if n == 1 else b.mul(packs, n) for n in different or [1]]) as at:
            _call(b, "pack", kind, [y.moved(b, at[: len(strides)], strides).view(b), panels.of(b, at, 0, 0)])
        return panels

    def of(self, b: LoopBuilder, at: Sequence[Index], column: Index, k: Index) -> Value:
        """Those of a block that begins at a column."""
        begin = b.mul(column, k)
        start = b.add(b.mul(_flat(b, at[: len(self.different)], self.different), self.size), begin)
        few = b.cmpi("sle", self.size, b.index(1))
        length = b.select(few, self.size, b.subi(self.size, b.index(begin)))
        return b.reinterpret_cast(self.buffer, b.index(start), [length], [1])


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
    b: LoopBuilder,
    m: Index,
    n: Index,
    kind: ScalarType,
    large: Truth,
    whole_rows: bool,
    apart: Value | None,
) -> tuple[Value, Value]:
    """Rows and columns of a block: by the extents alone, all about equally high. Those that pack what they
    need are as high as may be.
    """
    *heights, low = product_panels.HEIGHTS
    most, unit = b.index(low), b.index(product_panels.UNIT_HEIGHT)
    for height in reversed(heights):
        many = b.cmpi("sge", b.index(m), b.index(product_panels.MANY * height))
        many = many if apart is None else b.ori(many, apart)
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
    many = b.cmpi("sge", down, b.index(product_panels.MANY))
    width = b.select(many, b.index(wide), b.index(narrow))
    if large is True:
        return each, width
    alone = b.cmpi("sle", b.index(m), b.index(FEW))
    unpacked = b.select(alone, b.index(STREAM * lanes_of(kind)), b.index(PANELS * lanes_of(kind)))
    return each, unpacked if large is False else b.select(large, width, unpacked)


def _pack(b: LoopBuilder, kind: ScalarType, args: Sequence[Value]) -> None:
    y, packed = args
    product_panels.pack(b, kind, Matrix.of(b, y), packed)


def _block(b: LoopBuilder, kind: ScalarType, args: Sequence[Value]) -> None:
    x, y, packed, begun, out = args
    p = _of(b, kind, [x, y, out])
    size = b.index(b.dim(packed, 0))
    full = b.cmpi("sge", size, b.index(product_panels.packed_size(b, kind, p.y)))
    with b.if_(b.cmpi("eq", size, b.index(0))) as direct:
        _call(b, "direct", kind, [x, y, out])
    with direct.else_(), b.if_(full) as whole:
        product_panels.block(b, kind, p.x, packed, p.out, begun)
        with whole.else_():
            _in_pieces(b, p, begun)


def _in_pieces(b: LoopBuilder, p: Product, begun: Value) -> None:
    """Of a block, some columns of some rows of the right side at a time, packed for it alone."""
    (k, n), width, depth = p.y.sizes, product_panels.GROUPS[1], product_panels.DEPTH
    width *= product_panels.width_of(p.kind)
    packed = b.alloc(memory_type(p.kind), [width * depth])
    with b.for_(0, k, depth) as steps, b.for_(0, n, width) as columns:
        deep = steps.iv, b.minimum(depth, b.sub(k, steps.iv))
        wide = columns.iv, b.minimum(width, b.sub(n, columns.iv))
        y = p.y.part(b, 0, *deep).part(b, 1, *wide).view(b)
        x, out = p.x.part(b, 1, *deep).view(b), p.out.part(b, 1, *wide).view(b)
        _call(b, "pack", p.kind, [y, packed])
        _call(b, "block", p.kind, [x, y, packed, b.addi(begun, steps.iv), out])
    b.dealloc(packed)


# ------------------------------------------------------------------------------------ right sides as they lie


def _vector(b: LoopBuilder, kind: ScalarType, args: Sequence[Value]) -> None:
    """What has one column, or one row."""
    x, y, out = args
    target = Matrix.of(b, out)
    with in_blocks(b, x, y, kind, large=False, direct="thin") as (_, rows, columns, compute):
        compute(target.part(b, 0, *rows).part(b, 1, *columns))


def _direct(b: LoopBuilder, kind: ScalarType, args: Sequence[Value]) -> None:
    """A right side that is dense along n, or two sides that are dense along k."""
    p = _of(b, kind, args)
    (m, n), k, e = p.out.sizes, p.x.sizes[1], Kernel(b, kind)
    most = b.select(
        _value(b, _compare(b, "sgt", b.mul(k, n), FAR // _bytes(kind))), b.index(FEW), b.index(LOW)
    )
    low = _all(b, _compare(b, "sle", m, most), _compare(b, "sgt", n, e.lanes))
    x, y, out = p.x.view(b), p.y.view(b, 1), p.out.view(b, 1)
    by_columns = partial(
        choose, b, low, partial(_kernel, b, "few", kind, [x, y, out]), partial(rows, e, x, y, out)
    )
    terms = p.x.view(b, 1), p.y.turned.view(b, 1), out
    several = partial(choose, b, _dense(b, p.y, 1), by_columns, partial(dots, e.tiles.dots, e, *terms))
    one = [_value(b, _compare(b, "eq", extent, 1)) for extent in (m, n)]
    choose(b, b.ori(*one), partial(_call, b, "thin", kind, args), several)


def _thin(b: LoopBuilder, kind: ScalarType, args: Sequence[Value]) -> None:
    """One column, or one row, of operands of any strides."""
    p = _of(b, kind, args)
    sides = [[v.view(b) for v in side.matrices] for side in (p, p.turned)]
    column, row = (partial(_call, b, "column", kind, side) for side in sides)
    choose(b, _compare(b, "eq", p.out.sizes[1], 1), column, row)


def _column(b: LoopBuilder, kind: ScalarType, args: Sequence[Value]) -> None:
    """A matrix by a column. A strided column is cheap to copy."""
    p = _of(b, kind, args)
    (m, k), column = p.x.sizes, replace(p.y, sizes=(p.y.sizes[0], 1))
    along = _all(b, _dense(b, p.x, 1), _compare(b, "sgt", k, SHORT))
    down = _all(b, _compare(b, "eq", p.x.strides[0], 1), _compare(b, "sgt", m, 1))
    x, row = p.x.view(b, 1), replace(p.out, sizes=(m, 1)).turned.view(b, 1)

    def by_terms() -> None:
        dense = _dense(b, column, 0)
        choose(b, dense, lambda: run(column.turned.view(b, 1)), copied)

    def run(y: Value) -> None:
        _kernel(b, "terms", kind, [x, y, replace(p.out, sizes=(m, 1)).view(b)])

    def copied() -> None:
        copy = b.alloc(memory_type(kind), [k])
        source = column.view(b)
        with rolled(b, 0, k) as place:
            b.store(b.load(source, [place, 0]), copy, [place])
        run(b.reinterpret_cast(copy, 0, [1, k], [k, 1]))
        b.dealloc(copy)

    def by_rows() -> None:
        turned = p.x.turned.view(b, 1)
        few = partial(_kernel, b, "few", kind, [column.turned.view(b), turned, row])
        choose(b, down, few, lambda: gathered(Kernel(b, kind), p.x, column.view(b), row))

    choose(b, along, by_terms, by_rows)


_KERNELS: Final[dict[str, Callable[..., None]]] = {
    "few": few,
    "terms": lambda e, *operands: dots(e.tiles.column, e, *operands),
}


def _kernel(b: LoopBuilder, name: str, kind: ScalarType, operands: Sequence[Value]) -> None:
    """Call one of `_KERNELS`, making it if the module has none yet."""
    symbol = f"tensorc_product_{name}_{_stored(kind)}"
    make_function(b, symbol, operands, lambda inside, *args: _KERNELS[name](Kernel(inside, kind), *args))
    call_product(b, symbol, operands)


_SHARED: Final[dict[str, dict[str, Body]]] = {
    "matmul": {"matmul": _matmul, "pack": _pack, "block": _block, "direct": _direct},
    "vector": {"vector": _vector},
}
"""What is compiled together: the functions of an object, and what builds them."""
_PRIVATE: Final[dict[str, dict[str, Body]]] = {
    "matmul": {"part": _part, "thin": _thin, "column": _column},
    "vector": {"thin": _thin, "column": _column},
}
"""Functions that an object has for itself."""


# ------------------------------------------------------------------------------------------------- conditions


def is_large(b: LoopBuilder, x: Matrix, y: Matrix, kind: ScalarType) -> Truth:
    """Whether the right side is packed: it is read often from far away, or lies as no vector wants it."""
    (m, k), n = x.sizes, y.sizes[1]
    size = b.mul(b.mul(k, n), _bytes(kind))
    often = _all(b, _compare(b, "sgt", m, OFTEN), _compare(b, "sgt", n, THIN))
    far = _all(b, often, _compare(b, "sgt", size, CACHED))
    by_terms = _all(b, _dense(b, y, 0), _dense(b, x, 1), _compare(b, "sle", m, THIN))
    several = _all(b, _compare(b, "sgt", m, 1), _compare(b, "sgt", k, 0))
    across = _all(b, several, _not(b, by_terms))
    lies = _dense(b, y, 1)
    if isinstance(lies, bool):
        return far if lies else across
    return b.select(lies, _value(b, far), _value(b, across))


def without_memory(b: LoopBuilder, x: Value, y: Value, kind: ScalarType) -> Truth:
    """Whether blocks of x @ y, of two axes each, are computed without asking for memory (`in_blocks`)."""
    first, second = Matrix.of(b, x), Matrix.of(b, y)
    several = _compare(b, "sgt", second.sizes[1], 1)
    # Of a single row `_column` may make a copy, where the right side is dense along k.
    both = _all(b, _compare(b, "eq", second.strides[0], 1), _compare(b, "sgt", second.sizes[0], SHORT))
    large = is_large(b, first, second, kind)
    return _all(b, several, _dense(b, second, 1), _not(b, both), _not(b, large))


def _value(b: LoopBuilder, truth: Truth) -> Value:
    return b.constant(truth, i1) if isinstance(truth, bool) else truth


def _not(b: LoopBuilder, truth: Truth) -> Truth:
    return not truth if isinstance(truth, bool) else b.xori(truth, b.constant(True, i1))


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
