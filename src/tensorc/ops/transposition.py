"""The transpose of a tile, as a function that all compiled code shares: `tensorc_transpose_TYPE(x, out)` for
x [m, n] and out of at least [n, m], each extent rounded up to whole blocks; both with dense rows. TYPE is the
element in memory. What lies in out beyond [n, m] is undefined afterwards.

A block of as many rows as a vector has lanes is loaded, transposed in registers, and stored. Interleaving the
lanes of vectors k and k + N/2 moves the first bit of a row's number behind the last one of its column's:
after log2(N) rounds the two have changed places (the perfect shuffle: Stone, IEEE Trans. Comp. C-20(2),
1971).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

from tensorc.ir.attributes import UNIT
from tensorc.ir.builtin import (
    Return,
    body,
    new_function,
    new_module,
)
from tensorc.ir.core import Operation, Value
from tensorc.ir.types import FloatType, IntegerType, MemRefType, ScalarType, StridedLayout, VectorType
from tensorc.ops import dtypes
from tensorc.ops.loops import vector
from tensorc.ops.loops.base import memory_type, width
from tensorc.ops.loops.builder import Index, LoopBuilder
from tensorc.ops.loops.nests import OF_LIBRARY, WRITES_LAST
from tensorc.ops.shared import call_shared

MOST_LANES: Final = 16
"""Of a block: registers hold so many vectors twice where they are widest."""


def symbol_of(kind: ScalarType) -> str:
    """The function for elements of this memory type."""
    return f"tensorc_transpose_{kind}"


@cache
def symbols() -> dict[str, ScalarType]:
    """Every function, and its element."""
    return {symbol_of(kind): kind for kind in map(memory_type, dtypes.ALL)}


def arguments(kind: ScalarType) -> list[MemRefType]:
    """Types of x and out."""
    return [MemRefType((None, None), kind, StridedLayout((None, 1), None))] * 2


def call(b: LoopBuilder, x: Value, out: Value) -> None:
    """Call the function for two matrices of one memory type; declare it where it is not."""
    kind = x.type
    assert isinstance(kind, MemRefType)
    types = arguments(kind.element)
    op = call_shared(b, symbol_of(kind.element), types, [b.cast(v, types[0]) for v in (x, out)])
    op.set_attribute(WRITES_LAST, UNIT)


def lanes_of(kind: ScalarType, bits: int) -> int:
    """Rows and columns of a block, on a machine with registers of so many bits."""
    return min(MOST_LANES, bits // width(kind))


def module_of(symbol: str, bits: int = 512) -> Operation:
    """A module that defines this one of `symbols()`."""
    kind = symbols()[symbol]
    assert isinstance(kind, FloatType | IntegerType)
    module = new_module()
    function = new_function(symbol, arguments(kind), [])
    function.set_attribute(OF_LIBRARY, UNIT)
    module.regions[0].block.append(function)
    b = LoopBuilder(body(function))
    _transpose(b, kind, lanes_of(kind, bits), *body(function).args)
    b.create_op(Return, [])
    return module


def _transpose(b: LoopBuilder, kind: ScalarType, lanes: int, x: Value, out: Value) -> None:
    """Whole blocks of columns; the rest element by element. Rows beyond the last are the last one again."""
    m, n = b.dims(x)
    last = b.sub(m, 1)
    whole = b.sub(n, b.andi(b.index(n), b.index(lanes - 1)))
    with b.for_(0, m, lanes) as rows, b.for_(0, whole, lanes) as columns:
        block = [
            _load(b, VectorType((lanes,), kind), x, [b.minimum(b.add(rows.iv, k), last), columns.iv])
            for k in range(lanes)
        ]
        for k, v in enumerate(_transposed(b, block)):
            b.create_op(vector.Store, [v, out, b.index(b.add(columns.iv, k)), rows.iv])
    with b.for_(whole, n) as column, b.for_(0, m) as row:
        b.store(b.load(x, [row.iv, column.iv]), out, [column.iv, row.iv])


def _load(b: LoopBuilder, kind: VectorType, buffer: Value, at: Sequence[Index]) -> Value:
    return b.create_op(vector.Load, [buffer, *map(b.index, at)], results=[kind]).result


def _transposed(b: LoopBuilder, rows: Sequence[Value]) -> list[Value]:
    count, found = len(rows), list(rows)
    half = count // 2
    for _ in range(count.bit_length() - 1):
        pairs = [b.create_op(vector.Interleave, [found[k], found[k + half]]).result for k in range(half)]
        found = [_lanes(b, pair, first, count) for pair in pairs for first in (0, count)]
    return found


def _lanes(b: LoopBuilder, source: Value, first: int, count: int) -> Value:
    return b.create_op(vector.ExtractStridedSlice, [source], vector.SliceAttrs.of(first, count)).result
