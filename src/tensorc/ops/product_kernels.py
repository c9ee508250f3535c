"""Matrix products in vector code: private functions of a module, made once a kind of product and element.

A tile of the result is kept in registers while its sums run over k. Two ways to put k, m and n on lanes:

- `rows` (y has unit steps along n): lanes are neighbouring columns of y and of the result; elements of x are
  broadcast. `turned`: the same, with an x that has unit steps along m.
- `dots` (x and y have unit steps along k): lanes are neighbouring terms of one sum, halved at its end.

Sums run in blocks of `BLOCK` steps, the blocks one after the other; products are added by fused
multiply-add. The order depends on the extents and on which of the two kinds it is, not on the tile: a tile
that would go beyond the last row or column starts earlier or takes a row twice, and computes some elements
again, to the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Final

from tensorc.ir.attributes import UNIT, IntegerAttr, StringAttr, SymbolRefAttr
from tensorc.ir.builtin import Call, CallAttrs, Return, body, lookup, new_function
from tensorc.ir.core import Value
from tensorc.ir.types import FloatType, IntegerType, ScalarType, VectorType, i1, i8
from tensorc.ops.loops import vector
from tensorc.ops.loops.base import memory_type
from tensorc.ops.loops.builder import Index, LoopBuilder
from tensorc.ops.loops.nests import PRODUCT, ROLLED, rolled

BYTES: Final = 64
"""Of one vector."""
BLOCK: Final = 256
"""Steps of a sum, or of a lane of it, before it meets the total."""


@dataclass(frozen=True)
class Tile:
    """`rows` of the result by `vectors` vectors of columns, or for `dots` by as many columns."""

    rows: int
    vectors: int


WIDE: Final = Tile(1, 8)
"""One row: as many chains of additions as two units of four cycles want."""
STREAM: Final = 64
"""Vectors of a row of y that are read in one go where there are so many: a page of memory."""
STEPS: Final = 8
"""Rows of y that are read side by side then."""
HEIGHT: Final = 8
"""Rows of a tile of the kernel `rows`, at most."""


@dataclass(frozen=True)
class Tiles:
    """What fits the registers of a machine: for rows of two vectors and of one; for sums along k; for panels
    (`product_panels.py`), where there are many rows and for the last ones. No bit of a result depends on it.
    """

    rows: Tile
    narrow: Tile
    dots: Tile
    column: Tile
    panels: tuple[Tile, Tile]


REGISTERS: Final = "tensorc.registers"
"""Attribute of a module: how many vectors of `BYTES` the machine's registers hold."""
TILES: Final = {
    32: Tiles(Tile(HEIGHT, 2), Tile(HEIGHT, 1), Tile(4, 4), Tile(8, 1), (Tile(14, 2), Tile(4, 2))),
    8: Tiles(Tile(3, 2), Tile(6, 1), Tile(2, 2), Tile(4, 1), (Tile(3, 2), Tile(1, 2))),
}


def lanes_of(kind: ScalarType) -> int:
    """Elements of a vector of this tensor-level element."""
    element = memory_type(kind)
    assert isinstance(element, FloatType | IntegerType)
    return BYTES * 8 // element.width


@dataclass(frozen=True)
class Matrix:
    """A matrix somewhere in the allocation of `buffer`."""

    buffer: Value
    offset: Index
    sizes: tuple[Index, Index]
    strides: tuple[Index, Index]

    @classmethod
    def of(cls, b: LoopBuilder, buffer: Value) -> Matrix:
        """The first matrix of an array of matrices."""
        _, offset, sizes, strides = b.metadata(buffer)
        return cls(buffer, offset, (sizes[-2], sizes[-1]), (strides[-2], strides[-1]))

    def moved(self, b: LoopBuilder, steps: Sequence[Index], strides: Sequence[Index]) -> Matrix:
        """The matrix so many steps further."""
        offset = self.offset
        for step, stride in zip(steps, strides, strict=False):
            offset = b.add(offset, b.mul(step, stride))
        return replace(self, offset=offset)

    @property
    def turned(self) -> Matrix:
        """Its transpose."""
        (m, n), (row, column) = self.sizes, self.strides
        return replace(self, sizes=(n, m), strides=(column, row))

    def part(self, b: LoopBuilder, axis: int, start: Index, size: Index) -> Matrix:
        """Some of its rows (axis 0) or columns."""
        moved = self.moved(b, [start], [self.strides[axis]])
        return replace(moved, sizes=(size, self.sizes[1]) if axis == 0 else (self.sizes[0], size))

    def view(self, b: LoopBuilder, last: int | None = None) -> Value:
        """A buffer whose type tells nothing but its last stride, if it is to be known."""
        steps = [b.index(self.strides[0]), b.index(self.strides[1]) if last is None else last]
        return b.reinterpret_cast(self.buffer, b.index(self.offset), [b.index(n) for n in self.sizes], steps)


def call(b: LoopBuilder, name: str, kind: ScalarType, x: Matrix, y: Matrix, out: Matrix) -> None:
    """Call the kernel `name` of `KERNELS`, making it if the module has none yet."""
    build, inner = KERNELS[name]
    symbol = f"tensorc_product_{name}_{kind}"
    operands = [v.view(b, last) for v, last in zip((x, y, out), inner, strict=True)]
    make_function(b, symbol, operands, lambda inside, *args: build(Kernel(inside, kind), *args))
    call_product(b, symbol, operands)


def call_product(b: LoopBuilder, symbol: str, operands: Sequence[Value]) -> None:
    """Call a function of (x, y, out) that the module has."""
    op = b.create_op(Call, operands, CallAttrs(SymbolRefAttr(symbol)), results=[])
    op.set_attribute(PRODUCT, UNIT)


def make_function(b: LoopBuilder, symbol: str, operands: Sequence[Value], build: Callable[..., None]) -> None:
    """A private function of such operands, which `build(b, *args)` fills, if the module has none yet."""
    module = b._module()
    if lookup(module, symbol) is not None:
        return
    function = new_function(symbol, [v.type for v in operands], [])
    function.set_attribute("sym_visibility", StringAttr("private"))
    block = module.regions[0].block
    block.insert_before(function, block.first)
    inside = LoopBuilder(body(function))
    build(inside, *body(function).args)
    inside.create_op(Return, [])


class Kernel:
    """Vector arithmetic of one element type."""

    def __init__(self, b: LoopBuilder, kind: ScalarType) -> None:
        self.b = b
        self.kind = kind
        self.memory = memory_type(kind)
        self.lanes = lanes_of(kind)
        self.type = VectorType((self.lanes,), self.memory)
        self.zero = self.spread(b.constant(0, self.memory))
        known = b._module().attributes.get(REGISTERS)
        self.tiles = TILES[known.value if isinstance(known, IntegerAttr) else max(TILES)]

    def spread(self, x: Value) -> Value:
        type = VectorType((self.lanes,), x.type)  # type: ignore[arg-type]
        return self.b.create_op(vector.Broadcast, [x], results=[type]).result

    def mask(self, active: Index) -> Value:
        type = VectorType((self.lanes,), i1)
        return self.b.create_op(vector.CreateMask, [self.b.index(active)], results=[type]).result

    def load(self, buffer: Value, indices: Sequence[Index], mask: Value | None) -> Value:
        at = [self.b.index(n) for n in indices]
        if mask is None:
            return self.b.create_op(vector.Load, [buffer, *at], results=[self.type]).result
        return self.b.create_op(vector.MaskedLoad, [buffer, *at, mask, self.zero]).result

    def store(self, value: Value, buffer: Value, indices: Sequence[Index], mask: Value | None) -> None:
        at = [self.b.index(n) for n in indices]
        if mask is None:
            self.b.create_op(vector.Store, [value, buffer, *at])
        else:
            self.b.create_op(vector.MaskedStore, [buffer, *at, mask, value])

    def step(self, total: Value, x: Value, y: Value) -> Value:
        """total + x y."""
        b = self.b
        if isinstance(self.kind, FloatType):
            return b.fma(x, y, total)
        if self.kind == i1:
            return b.ori(total, b.andi(x, y))
        return b.addi(total, b.muli(x, y))

    def join(self, a: Value, x: Value) -> Value:
        """a + x."""
        b = self.b
        if isinstance(self.kind, FloatType):
            return b.addf(a, x)
        return b.ori(a, x) if self.kind == i1 else b.addi(a, x)

    def truth(self, x: Value) -> Value:
        """Bools in memory are anything but 0; sums of products want 0 or 1."""
        if self.kind != i1:
            return x
        b = self.b
        nothing = self.zero if isinstance(x.type, VectorType) else b.constant(0, i8)
        flags = b.cmpi("ne", x, nothing)
        return b.extui(flags, x.type)

    def summed(
        self, count: int, k: Index, step: int, terms: Callable[[Value, list[Value]], list[Value]]
    ) -> list[Value]:
        """`count` sums: `terms(p, sums)` adds the terms at p, p = 0, step, ... below k."""
        b = self.b
        zeros = [self.zero] * count
        with b.for_(0, k, BLOCK * step, init=zeros) as blocks:
            end = b.minimum(b.add(blocks.iv, BLOCK * step), k)
            with b.for_(blocks.iv, end, step, init=zeros) as loop:
                loop.op.set_attribute(ROLLED, UNIT)
                loop.yield_(*terms(loop.iv, loop.args))
            blocks.yield_(*(self.join(a, s) for a, s in zip(blocks.args, loop.results, strict=True)))
        return list(blocks.results)


Builder = Callable[[Kernel, Value, Value, Value], None]


def last(b: LoopBuilder, start: Index, count: int, extent: Index) -> list[Index]:
    """`count` places from `start` on, the last one of the axis instead of those beyond."""
    end = b.sub(extent, 1)
    return [b.minimum(b.add(start, n), end) for n in range(count)]


# ------------------------------------------------------------------------------------------ lanes on columns


def _rows(turned: bool, e: Kernel, x: Value, y: Value, out: Value) -> None:
    """Panels of two vectors of columns; the rest is one such panel that starts earlier, or masked vectors.
    `turned`: x is [k, m].
    """
    b = e.b
    n, panel = b.index(b.dim(out, 1)), b.index(2 * e.lanes)
    whole = b.muli(b.divsi(n, panel), panel)
    rest = b.subi(n, whole)
    again = b.andi(b.cmpi("sgt", rest, b.index(e.lanes)), b.cmpi("sgt", whole, b.index(0)))
    covered = b.select(again, n, whole)
    run = _turned_panel if turned else _panel
    with b.for_(0, covered, panel) as loop:
        run(e, (x, y, out), b.minsi(loop.iv, b.subi(n, panel)), e.tiles.rows, None)
    with b.for_(covered, n, e.lanes) as loop:
        run(e, (x, y, out), loop.iv, e.tiles.narrow, e.mask(b.sub(n, loop.iv)))


Operands = tuple[Value, Value, Value]


def _panel(e: Kernel, operands: Operands, j: Value, tile: Tile, mask: Value | None) -> None:
    """One panel of columns; in the last tile the last row is there several times."""
    b, (x, _, out) = e.b, operands
    m = b.dim(out, 0)
    with b.for_(0, m, tile.rows) as loop:
        rows = last(b, loop.iv, tile.rows, m)
        _tile(e, operands, rows, (j, tile.vectors), mask, partial(_row_by_row, b, x, rows))


def _row_by_row(b: LoopBuilder, x: Value, rows: Sequence[Index], p: Value) -> list[Value]:
    return [b.load(x, [row, p]) for row in rows]


def _turned_panel(e: Kernel, operands: Operands, j: Value, tile: Tile, mask: Value | None) -> None:
    """The same of x [k, m], which has the rows of a tile at least: the last tile starts earlier, so that one
    address serves for all rows.
    """
    b, (x, _, out) = e.b, operands
    m = b.index(b.dim(out, 0))
    with b.for_(0, m, tile.rows) as loop:
        first = b.minsi(loop.iv, b.subi(m, b.index(tile.rows)))
        rows = [b.add(first, r) for r in range(tile.rows)]
        _tile(e, operands, rows, (j, tile.vectors), mask, partial(_side_by_side, b, x, rows))


def _side_by_side(b: LoopBuilder, x: Value, rows: Sequence[Index], p: Value) -> list[Value]:
    return [b.load(x, [p, row]) for row in rows]


def _tile(
    e: Kernel,
    operands: Operands,
    rows: Sequence[Index],
    vectors: tuple[Value, int],
    mask: Value | None,
    column_of: Callable[[Value], list[Value]],
) -> None:
    """Some rows by `vectors` of columns: where they begin, and how many. `column_of`: these rows' elements of
    a column of x.
    """
    b, (_, y, out) = e.b, operands
    columns = [b.add(vectors[0], v * e.lanes) for v in range(vectors[1])]
    k, places = b.dim(y, 0), list(product(rows, columns))
    with b.for_(0, b.maximum(k, 1), BLOCK) as part:
        end = b.minimum(b.add(part.iv, BLOCK), k)
        with b.for_(part.iv, end, init=[e.zero] * len(places)) as loop:
            loop.op.set_attribute(ROLLED, UNIT)
            ys = [e.truth(e.load(y, [loop.iv, column], mask)) for column in columns]
            xs = [e.spread(e.truth(found)) for found in column_of(loop.iv)]
            loop.yield_(*(e.step(s, *pair) for s, pair in zip(loop.args, product(xs, ys), strict=True)))
        settle(e, loop.results, out, places, [mask] * len(places), part.iv)


def settle(
    e: Kernel,
    sums: Sequence[Value],
    out: Value,
    places: Sequence[tuple[Index, Index]],
    masks: Sequence[Value | None],
    begun: Value,
) -> None:
    """The sums of a block of steps into a tile, or added to it where steps have `begun`."""
    b = e.b
    with b.if_(b.cmpi("eq", begun, b.index(0))) as first:
        for total, place, mask in zip(sums, places, masks, strict=True):
            e.store(total, out, place, mask)
    with first.else_():
        # All of the tile is read before any of it is written: a row may be there several times.
        before = [e.load(out, place, mask) for place, mask in zip(places, masks, strict=True)]
        for old, total, place, mask in zip(before, sums, places, masks, strict=True):
            e.store(e.join(old, total), out, place, mask)


def _row(e: Kernel, x: Value, y: Value, out: Value) -> None:
    """One row by a matrix."""
    b = e.b
    n, panel = b.index(b.dim(out, 1)), WIDE.vectors * e.lanes
    with b.if_(b.cmpi("eq", n, b.index(STREAM * e.lanes))) as stream:
        _stream(e, x, y, out)
    with stream.else_(), b.if_(b.cmpi("sge", n, b.index(panel))) as wide:
        with b.for_(0, n, panel) as loop:
            # The last panel starts earlier instead of going beyond the end.
            _row_panel(e, x, y, out, b.minsi(loop.iv, b.subi(n, b.index(panel))), masked=False)
        with wide.else_():
            _row_panel(e, x, y, out, b.index(0), masked=True)


def _stream(e: Kernel, x: Value, y: Value, out: Value) -> None:
    """`STREAM` vectors of columns, their sums in memory: y comes from far away, and does so in long runs."""
    b, width = e.b, STREAM * e.lanes
    k, sums = b.index(b.dim(x, 1)), b.alloca(e.memory, [width])
    with rolled(b, 0, width, e.lanes) as j:
        e.store(e.zero, out, [0, j], None)
    with b.for_(0, k, BLOCK) as block:
        end = b.index(b.minimum(b.add(block.iv, BLOCK), k))
        whole = b.subi(end, b.remsi(b.subi(end, block.iv), b.index(STEPS)))
        with rolled(b, 0, width, e.lanes) as j:
            e.store(e.zero, sums, [j], None)
        for start, stop, count in ((block.iv, whole, STEPS), (whole, end, 1)):
            with b.for_(start, stop, count) as loop:
                _add_rows(e, x, y, sums, [b.add(loop.iv, step) for step in range(count)])
        with rolled(b, 0, width, e.lanes) as j:
            total = e.join(e.load(out, [0, j], None), e.load(sums, [j], None))
            e.store(total, out, [0, j], None)


def _add_rows(e: Kernel, x: Value, y: Value, sums: Value, rows: Sequence[Index]) -> None:
    """Add some rows of y, each times its element of x."""
    b = e.b
    factors = [e.spread(e.truth(b.load(x, [0, p]))) for p in rows]
    with rolled(b, 0, STREAM * e.lanes, e.lanes) as j:
        total = e.load(sums, [j], None)
        for factor, p in zip(factors, rows, strict=True):
            total = e.step(total, factor, e.truth(e.load(y, [p, j], None)))
        e.store(total, sums, [j], None)


def _row_panel(e: Kernel, x: Value, y: Value, out: Value, j: Value, masked: bool) -> None:
    b = e.b
    columns = [b.add(j, v * e.lanes) for v in range(WIDE.vectors)]
    masks = [e.mask(b.sub(b.dim(out, 1), column)) if masked else None for column in columns]

    def terms(p: Value, sums: list[Value]) -> list[Value]:
        factor = e.spread(e.truth(b.load(x, [0, p])))
        found = [e.truth(e.load(y, [p, c], mask)) for c, mask in zip(columns, masks, strict=True)]
        return [e.step(s, factor, v) for s, v in zip(sums, found, strict=True)]

    sums = e.summed(WIDE.vectors, b.dim(x, 1), 1, terms)
    for total, column, mask in zip(sums, columns, masks, strict=True):
        e.store(total, out, [0, column], mask)


# --------------------------------------------------------------------------------------------- lanes on terms


def _dots(column: bool, e: Kernel, x: Value, y: Value, out: Value) -> None:
    """x and y by rows: out[i, j] is the sum of x[i, p] y[j, p]. `column`: there is one column."""
    b, tile = e.b, e.tiles.column if column else e.tiles.dots
    m, n = b.dims(out)
    with b.for_(0, m, tile.rows) as down, b.for_(0, n, tile.vectors) as across:
        lefts, rights = last(b, down.iv, tile.rows, m), last(b, across.iv, tile.vectors, n)
        for total, (i, j) in zip(_tile_of_dots(e, x, y, lefts, rights), product(lefts, rights), strict=True):
            b.store(_lanes_summed(e, total), out, [i, j])


def _tile_of_dots(
    e: Kernel, x: Value, y: Value, lefts: Sequence[Index], rights: Sequence[Index]
) -> list[Value]:
    b = e.b
    k = b.index(b.dim(x, 1))
    rest = b.remsi(k, b.index(e.lanes))
    whole = b.subi(k, rest)

    def terms(p: Value, sums: list[Value], mask: Value | None = None) -> list[Value]:
        xs = [e.truth(e.load(x, [i, p], mask)) for i in lefts]
        ys = [e.truth(e.load(y, [j, p], mask)) for j in rights]
        return [e.step(s, *pair) for s, pair in zip(sums, product(xs, ys), strict=True)]

    sums = e.summed(len(lefts) * len(rights), whole, e.lanes, terms)
    return terms(whole, sums, e.mask(rest))


def _lanes_summed(e: Kernel, x: Value) -> Value:
    """The lanes of a vector by halves, through a buffer that becomes registers."""
    b = e.b
    scratch = b.alloca(e.memory, [e.lanes])
    width = e.lanes
    while width > 1:
        b.create_op(vector.Store, [x, scratch, b.index(0)])
        width //= 2
        type = VectorType((width,), e.memory)
        low, high = (
            b.create_op(vector.Load, [scratch, b.index(n)], results=[type]).result for n in (0, width)
        )
        x = e.join(low, high)
    b.create_op(vector.Store, [x, scratch, b.index(0)])
    return b.load(scratch, [0])


KERNELS: Final[dict[str, tuple[Builder, tuple[int | None, int | None, int | None]]]] = {
    "rows": (partial(_rows, False), (1, 1, 1)),
    "turned": (partial(_rows, True), (1, 1, 1)),
    "row": (_row, (None, 1, 1)),
    "dots": (partial(_dots, False), (1, 1, None)),
    "column": (partial(_dots, True), (1, 1, None)),
}
"""How each is built, and the last strides of x, y and the result where they must be known."""
