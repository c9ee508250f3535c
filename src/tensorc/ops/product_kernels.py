"""Matrix products in vector code, where nothing is copied before. A tile of the result is kept in registers
while its sums run over k, except in `few`. Two ways to put k, m and n on lanes:

- `rows` and `few` (y has unit steps along n): lanes are neighbouring columns of y and of the result; elements
  of x, which may lie anywhere, are broadcast. `gathered`: the same for one column, its rows on lanes.
- `dots` (x and y have unit steps along k): lanes are neighbouring terms of one sum, halved at its end.

Sums run in blocks of `BLOCK` steps, the blocks one after the other; products are added by fused
multiply-add. The order depends on the extents and on which of the two ways it is, not on the tile: a tile
that would go beyond the last row takes a row twice, and computes some elements again, to the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

from tensorc.ir.attributes import UNIT, IntegerAttr, StringAttr, SymbolRefAttr
from tensorc.ir.builtin import Call, CallAttrs, Return, body, lookup, new_function
from tensorc.ir.core import Value
from tensorc.ir.types import FloatType, IntegerType, ScalarType, VectorType, i1, i8, index
from tensorc.ops.loops import vector
from tensorc.ops.loops.base import memory_type
from tensorc.ops.loops.builder import Index, LoopBuilder
from tensorc.ops.loops.nests import HIDDEN, PRODUCT, ROLLED, rolled

BYTES: Final = 64
"""Of one vector."""
BLOCK: Final = 256
"""Steps of a sum, or of a lane of it, before it meets the total."""


@dataclass(frozen=True)
class Tile:
    """`rows` of the result by `vectors` vectors of columns, or for `dots` by as many columns."""

    rows: int
    vectors: int


FEW: Final = 8
"""Rows up to which y is read in one go."""
STREAM: Final = 64
"""Vectors of a row of y that are read one after the other for a single row: a page of memory."""
AT_ONCE: Final = ((1, 8), (4, 4))
"""Rows of the result, and of y, that are added at once then: for a single row, and for several."""
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

    def gather(self, buffer: Value, stride: Index, mask: Value) -> Callable[[Index], Value]:
        """A function that gives the elements under a mask, so far apart, from a place of `buffer` on."""
        b = self.b
        flat = b.reinterpret_cast(buffer, 0, [1], [1])
        steps = b.create_op(vector.Step, [], results=[VectorType((self.lanes,), index)]).result
        places = b.muli(steps, self.spread(b.index(stride)))

        def gather(start: Index) -> Value:
            at = b.addi(places, self.spread(b.index(start)))
            return b.create_op(vector.Gather, [flat, b.index(0), at, mask, self.zero]).result

        return gather

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


def last(b: LoopBuilder, start: Index, count: int, extent: Index) -> list[Index]:
    """`count` places from `start` on, the last one of the axis instead of those beyond."""
    end = b.sub(extent, 1)
    return [b.minimum(b.add(start, n), end) for n in range(count)]


def settle(
    e: Kernel,
    sums: Sequence[Value],
    out: Value,
    places: Sequence[tuple[Index, Index]],
    masks: Sequence[Value | None],
    begun: Index,
) -> None:
    """The sums of a block of steps into a tile, or added to it where steps have `begun`."""
    b = e.b
    with b.if_(b.cmpi("eq", b.index(begun), b.index(0))) as first:
        for total, place, mask in zip(sums, places, masks, strict=True):
            e.store(total, out, place, mask)
    with first.else_():
        # All of the tile is read before any of it is written: a row may be there several times.
        before = [e.load(out, place, mask) for place, mask in zip(places, masks, strict=True)]
        for old, total, place, mask in zip(before, sums, places, masks, strict=True):
            e.store(e.join(old, total), out, place, mask)


# ------------------------------------------------------------------------------------------ lanes on columns


def rows(e: Kernel, x: Value, y: Value, out: Value) -> None:
    """Tiles of two vectors of columns, masked, the last of a row of them of one vector if that is enough; in
    the last row of tiles the last row is there several times. Rows of the result are written one tile after
    the other: where k is small, that is most of the work.
    """
    b = e.b
    m, n = b.dims(out)
    tiles, narrow = e.tiles.rows, e.tiles.narrow
    rest = b.remsi(b.index(n), b.index(2 * e.lanes))
    few = b.andi(b.cmpi("sgt", rest, b.index(0)), b.cmpi("sle", rest, b.index(e.lanes)))
    wide = b.subi(b.index(n), b.select(few, rest, b.index(0)))
    with b.for_(0, m, tiles.rows) as i:
        places = last(b, i.iv, tiles.rows, m)
        with b.for_(0, wide, 2 * e.lanes) as j:
            _tile(e, (x, y, out), places, [b.add(j.iv, v * e.lanes) for v in range(2)])
    with b.if_(few), b.for_(0, m, narrow.rows) as i:
        _tile(e, (x, y, out), last(b, i.iv, narrow.rows, m), [wide])


Operands = tuple[Value, Value, Value]


def _tile(e: Kernel, operands: Operands, rows: Sequence[Index], columns: Sequence[Index]) -> None:
    """Some rows by some vectors of columns."""
    b, (x, y, out) = e.b, operands
    masks = [e.mask(b.sub(b.dim(out, 1), column)) for column in columns]
    k, places = b.dim(y, 0), list(product(rows, columns))
    with b.for_(0, b.maximum(k, 1), BLOCK) as part:
        end = b.minimum(b.add(part.iv, BLOCK), k)
        with b.for_(part.iv, end, init=[e.zero] * len(places)) as loop:
            loop.op.set_attribute(ROLLED, UNIT)
            loop.op.set_attribute(HIDDEN, UNIT)
            ys = [e.truth(e.load(y, [loop.iv, c], mask)) for c, mask in zip(columns, masks, strict=True)]
            xs = [e.spread(e.truth(b.load(x, [row, loop.iv]))) for row in rows]
            loop.yield_(*(e.step(s, *pair) for s, pair in zip(loop.args, product(xs, ys), strict=True)))
        settle(e, loop.results, out, places, [*masks] * len(rows), part.iv)


def few(e: Kernel, x: Value, y: Value, out: Value) -> None:
    """`FEW` rows at most. The sums are in memory that stays in the nearest cache; y comes from far away, once
    and in long runs, some rows side by side.
    """
    b = e.b
    (m, n), k = b.dims(out), b.dim(y, 0)
    alone = b.cmpi("eq", b.index(m), b.index(1))
    width = b.select(alone, b.index(STREAM * e.lanes), b.index(STREAM // 2 * e.lanes))
    sums = b.alloca(e.memory, [FEW * STREAM // 2 * e.lanes])
    with b.for_(0, n, width) as columns, b.for_(0, b.maximum(k, 1), BLOCK) as part:
        count = b.minimum(width, b.sub(n, columns.iv))
        pitch = b.mul(b.ceildiv(count, e.lanes), e.lanes)
        end = b.index(b.minimum(b.add(part.iv, BLOCK), k))
        steps = b.select(alone, b.index(AT_ONCE[0][1]), b.index(AT_ONCE[1][1]))
        whole = b.subi(end, b.remsi(b.subi(end, part.iv), steps))
        with rolled(b, 0, b.mul(m, pitch), e.lanes) as zeroed:
            e.store(e.zero, sums, [zeroed], None)
        sides = x, y, (sums, pitch), (columns.iv, count)
        with b.if_(alone) as one:
            _add_rows(e, *sides, (part.iv, whole), AT_ONCE[0])
        with one.else_():
            _add_rows(e, *sides, (part.iv, whole), AT_ONCE[1])
        _add_rows(e, *sides, (whole, end), (AT_ONCE[1][0], 1))
        with b.for_(0, m) as row, rolled(b, 0, count, e.lanes) as j:
            total = e.load(sums, [b.add(b.mul(row.iv, pitch), j)], None)
            mask = e.mask(b.sub(count, j))
            settle(e, [total], out, [(row.iv, b.add(columns.iv, j))], [mask], part.iv)


def _add_rows(
    e: Kernel,
    x: Value,
    y: Value,
    sums: tuple[Value, Index],
    columns: tuple[Value, Index],
    steps: tuple[Value, Value],
    size: tuple[int, int],
) -> None:
    """Add to sums, whose rows begin so far apart, rows of y times elements of x: of so many rows of x as many
    at once as `size` says.
    """
    b, (buffer, pitch), (start, count), (height, depth) = e.b, sums, columns, size
    with b.for_(*steps, depth) as loop, b.for_(0, b.dim(x, 0), height) as first:
        rows = last(b, first.iv, height, b.dim(x, 0))
        terms = [b.add(loop.iv, p) for p in range(depth)]
        factors = [[e.spread(e.truth(b.load(x, [row, p]))) for p in terms] for row in rows]
        with rolled(b, 0, count, e.lanes) as j:
            mask, places = e.mask(b.sub(count, j)), [b.add(b.mul(row, pitch), j) for row in rows]
            found = [e.truth(e.load(y, [p, b.add(start, j)], mask)) for p in terms]
            # All are read before any is written: the last row may be there several times.
            totals = [e.load(buffer, [place], None) for place in places]
            for total, place, row in zip(totals, places, factors, strict=True):
                for factor, v in zip(row, found, strict=True):
                    total = e.step(total, factor, v)
                e.store(total, buffer, [place], None)


# ----------------------------------------------------------------------------------------------- one column


def gathered(e: Kernel, x: Matrix, y: Value, out: Value) -> None:
    """One column: lanes are neighbouring rows of x, whose elements may be anywhere."""
    b = e.b
    m, k = x.sizes
    with b.for_(0, m, e.lanes) as loop:
        mask, begin = e.mask(b.sub(m, loop.iv)), b.add(x.offset, b.mul(loop.iv, x.strides[0]))
        gather = e.gather(x.buffer, x.strides[0], mask)

        def terms(p: Value, sums: list[Value]) -> list[Value]:
            found = e.truth(gather(b.add(begin, b.mul(p, x.strides[1]))))
            return [e.step(sums[0], found, e.spread(e.truth(b.load(y, [p, 0]))))]

        (total,) = e.summed(1, k, 1, terms)
        e.store(total, out, [0, loop.iv], mask)


# --------------------------------------------------------------------------------------------- lanes on terms


def dots(tile: Tile, e: Kernel, x: Value, y: Value, out: Value) -> None:
    """x and y by rows: out[i, j] is the sum of x[i, p] y[j, p]."""
    b = e.b
    m, n = b.dims(out)
    sums = b.alloca(e.memory, [tile.rows * tile.vectors * e.lanes])
    with b.for_(0, m, tile.rows) as down, b.for_(0, n, tile.vectors) as across:
        lefts, rights = last(b, down.iv, tile.rows, m), last(b, across.iv, tile.vectors, n)
        for number, total in enumerate(_tile_of_dots(e, x, y, lefts, rights)):
            e.store(total, sums, [number * e.lanes], None)
        count = b.minimum(tile.rows, b.sub(m, down.iv)), b.minimum(tile.vectors, b.sub(n, across.iv))
        with rolled(b, 0, count[0]) as i, rolled(b, 0, count[1]) as j:
            place = b.mul(b.add(b.mul(i, tile.vectors), j), e.lanes)
            total = _lanes_summed(e, e.load(sums, [place], None))
            b.store(total, out, [b.add(down.iv, i), b.add(across.iv, j)])


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
