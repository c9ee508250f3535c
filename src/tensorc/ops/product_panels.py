"""Large matrix products in vector code: the right side is packed into panels, which rows of the left side
pass by.

A panel holds the rows of a few vectors of columns one after the other, [k, width], with zeros beyond the last
column; panel q of y [k, n] begins at element q k width of a flat buffer. A block of the result takes the left
side `DEPTH` columns at a time, copied into rows that begin in different places of the cache, to one panel
after the other, tile by tile; a tile of the result stays in registers meanwhile (K. Goto, R. van de Geijn,
Anatomy of high-performance matrix multiplication, ACM TOMS 34(3), 2008).

Sums are those of `rows` of `product_kernels.py`, bit for bit: blocks of `BLOCK` steps, one after
the other, whatever the tile, the block and the panel.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Final

from tensorc.ir.attributes import UNIT, IntegerAttr
from tensorc.ir.core import Value
from tensorc.ir.types import ScalarType, i32
from tensorc.ops.loops import memref
from tensorc.ops.loops.base import memory_type
from tensorc.ops.loops.builder import Index, LoopBuilder
from tensorc.ops.loops.nests import ROLLED, parallel, rolled
from tensorc.ops.product_kernels import (
    BLOCK,
    Kernel,
    Matrix,
    call_product,
    lanes_of,
    last,
    make_function,
    settle,
)

VECTORS: Final = 2
"""Of a row of a panel."""
UNIT_HEIGHT: Final = 14
"""Rows of a tile where there are many registers: all but four of them."""
DEPTH: Final = 1024
"""Columns of the left side at a time: rows of a page or less are read slowly from far away."""
GROUPS: Final = (64, 16)
"""Panels of a block, where there are many blocks and where there are few."""
HEIGHTS: Final = (9 * UNIT_HEIGHT, 4 * UNIT_HEIGHT, 2 * UNIT_HEIGHT)
"""Rows of a block, at most, where that makes `MANY` blocks one above the other; the last in any case."""
MANY: Final = 8
CHUNK: Final = 64
"""Rows of the right side that are packed at a time."""
_FETCH: Final = memref.PrefetchAttrs(isWrite=False, localityHint=IntegerAttr(2, i32), isDataCache=True)


def width_of(kind: ScalarType) -> int:
    """Columns of a panel."""
    return VECTORS * lanes_of(kind)


def _panels(b: LoopBuilder, kind: ScalarType, y: Matrix, packed: Value) -> Value:
    """All panels as [panels, k, width]."""
    (k, n), width, offset = y.sizes, width_of(kind), b.metadata(packed)[1]
    return b.reinterpret_cast(packed, offset, [b.ceildiv(n, width), k, width], [b.mul(k, width), width, 1])


# ---------------------------------------------------------------------------------------------------- packing


def packed_size(b: LoopBuilder, kind: ScalarType, y: Matrix) -> Index:
    """Elements of all panels."""
    (k, n), width = y.sizes, width_of(kind)
    return b.mul(b.mul(b.ceildiv(n, width), width), k)


def pack(b: LoopBuilder, kind: ScalarType, y: Matrix, packed: Value) -> None:
    """Write all panels of y [k, n] of any strides."""
    with b.if_(b.cmpi("eq", b.index(y.strides[1]), b.index(1))) as dense:
        _pack_rows(Kernel(b, kind), y, packed)
    with dense.else_():
        _pack_columns(Kernel(b, kind), y, packed)


def _pack_rows(e: Kernel, y: Matrix, packed: Value) -> None:
    """Rows of several panels at once: they are read as they lie."""
    b = e.b
    (k, n), width = y.sizes, width_of(e.kind)
    count, across = b.ceildiv(n, width), b.index(b.ceildiv(n, GROUPS[1] * width))
    source, panels = y.view(b, 1), _panels(b, e.kind, y, packed)
    with parallel(b, b.mul(b.ceildiv(k, CHUNK), across)) as chunk:
        start, first = b.mul(b.divsi(chunk, across), CHUNK), b.mul(b.remsi(chunk, across), GROUPS[1])
        end, past = b.minimum(b.add(start, CHUNK), k), b.minimum(b.add(first, GROUPS[1]), count)
        with b.for_(start, end) as p, b.for_(first, past) as panel:
            for v in range(VECTORS):
                column = b.add(b.mul(panel.iv, width), v * e.lanes)
                found = e.truth(e.load(source, [p.iv, column], e.mask(b.sub(n, column))))
                e.store(found, panels, [panel.iv, p.iv, v * e.lanes], None)


def _pack_columns(e: Kernel, y: Matrix, packed: Value) -> None:
    """Panel by panel: what is read lies together along k, if at all."""
    b = e.b
    (k, n), (row, column), width = y.sizes, y.strides, width_of(e.kind)
    panels = _panels(b, e.kind, y, packed)
    with parallel(b, b.ceildiv(n, width)) as panel:
        for v in range(VECTORS):
            start = b.add(b.mul(panel, width), v * e.lanes)
            begin = b.add(y.offset, b.mul(start, column))
            gather = e.gather(y.buffer, column, e.mask(b.sub(n, start)))
            with rolled(b, 0, k) as p:
                found = e.truth(gather(b.add(begin, b.mul(p, row))))
                e.store(found, panels, [panel, p, v * e.lanes], None)


# --------------------------------------------------------------------------------------------------- products


def block(b: LoopBuilder, kind: ScalarType, x: Matrix, packed: Value, out: Matrix, begun: Index) -> None:
    """x [m, k] by the panels of a right side into out [m, n], or added to it where steps have `begun`; k is
    not 0.
    """
    (m, k), n, width = x.sizes, out.sizes[1], width_of(kind)
    e = Kernel(b, kind)
    pitch, tile, offset = DEPTH + lanes_of(kind), e.tiles.panels[0].rows, b.metadata(packed)[1]
    rows = b.alloc(memory_type(kind), [b.mul(b.ceildiv(m, tile), tile), pitch])
    with b.for_(0, k, DEPTH) as steps:
        size = b.minimum(b.sub(k, steps.iv), DEPTH)
        _copy_rows(e, x.part(b, 1, steps.iv, size), rows)
        with b.for_(0, b.ceildiv(n, width)) as panel:
            column = b.mul(panel.iv, width)
            start = b.add(b.add(offset, b.mul(column, k)), b.mul(steps.iv, width))
            y = b.reinterpret_cast(packed, start, [b.index(size), width], [width, 1])
            ahead = b.reinterpret_cast(packed, b.add(start, b.mul(k, width)), [1], [1])
            target = out.part(b, 1, column, b.minimum(b.sub(n, column), width))
            _call_panel(b, kind, [rows, y, ahead, b.index(b.add(begun, steps.iv)), target.view(b, 1)])
    b.dealloc(rows)


def _copy_rows(e: Kernel, x: Matrix, rows: Value) -> None:
    """Some columns of x; what fills the last tile is its last row once more."""
    b = e.b
    (m, k), (row, column) = x.sizes, x.strides
    end = b.dim(rows, 0)
    with b.if_(b.cmpi("eq", b.index(column), b.index(1))) as dense:
        source = x.view(b, 1)
        with b.for_(0, end) as line, rolled(b, 0, k, e.lanes) as p:
            found = e.truth(e.load(source, [b.minimum(line.iv, b.sub(m, 1)), p], e.mask(b.sub(k, p))))
            e.store(found, rows, [line.iv, p], None)
    with dense.else_(), b.for_(0, k, e.lanes) as p:
        begin = b.add(x.offset, b.mul(p.iv, column))
        gather = e.gather(x.buffer, column, e.mask(b.sub(k, p.iv)))
        with rolled(b, 0, end) as line:
            found = e.truth(gather(b.add(begin, b.mul(b.minimum(line, b.sub(m, 1)), row))))
            e.store(found, rows, [line, p.iv], None)


def _call_panel(b: LoopBuilder, kind: ScalarType, operands: Sequence[Value]) -> None:
    symbol = f"tensorc_product_panel_{kind}"
    make_function(b, symbol, operands, partial(_panel, kind))
    call_product(b, symbol, operands)


def _panel(
    kind: ScalarType, b: LoopBuilder, x: Value, y: Value, ahead: Value, begun: Value, out: Value
) -> None:
    """Rows by one panel, into the result or, where sums have begun, added to it. The panel `ahead` is the
    next.
    """
    e = Kernel(b, kind)
    n = b.dim(out, 1)
    masks = [e.mask(b.sub(n, v * e.lanes)) for v in range(VECTORS)]
    many, few = e.tiles.panels
    m = b.index(b.dim(out, 0))
    tiles = b.maxsi(b.divsi(m, b.index(many.rows)), b.index(1))
    share = b.ceildivsi(b.index(width_of(kind)), tiles)
    rest = b.remsi(m, b.index(many.rows))
    whole = b.cmpi("sgt", rest, b.index(2 * few.rows))
    rows = b.select(whole, m, b.subi(m, rest))
    with b.for_(0, rows, many.rows) as loop:
        start = b.mul(b.mul(b.divsi(loop.iv, b.index(many.rows)), b.dim(y, 0)), share)
        _tile(e, x, y, out, (loop.iv, many.rows), masks, begun, (ahead, start, share))
    with b.for_(rows, m, few.rows) as loop:
        _tile(e, x, y, out, (loop.iv, few.rows), masks, begun)


def _tile(
    e: Kernel,
    x: Value,
    y: Value,
    out: Value,
    lines: tuple[Value, int],
    masks: Sequence[Value],
    begun: Value,
    fetched: tuple[Value, Index, Index] | None = None,
) -> None:
    """`lines`: the first row, and how many. `fetched`: what is brought into the cache meanwhile, from
    where on, and how many elements a step.
    """
    b = e.b
    (row, count), k = lines, b.dim(y, 0)
    columns = [v * e.lanes for v in range(VECTORS)]
    rows = last(b, row, count, b.dim(out, 0))
    places = list(product(rows, columns))
    with b.for_(0, k, BLOCK) as part:
        end = b.minimum(b.add(part.iv, BLOCK), k)
        with b.for_(part.iv, end, init=[e.zero] * len(places)) as loop:
            loop.op.set_attribute(ROLLED, UNIT)
            if fetched is not None:
                place = b.index(b.add(fetched[1], b.mul(loop.iv, fetched[2])))
                b.create_op(memref.Prefetch, [fetched[0], place], _FETCH)
            ys = [e.load(y, [loop.iv, column], None) for column in columns]
            xs = [e.spread(b.load(x, [b.add(row, r), loop.iv])) for r in range(count)]
            loop.yield_(*(e.step(s, *pair) for s, pair in zip(loop.args, product(xs, ys), strict=True)))
        settle(e, loop.results, out, places, [*masks] * count, b.addi(begun, part.iv))
