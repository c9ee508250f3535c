"""Few columns, as their type says, of many rows: parts of the rows are what threads share, since there is one
chunk of columns only. Partial results are combined pairwise before anything is made of them.

Parts depend on the number of rows only. Where the number of columns is open, there may be chunks enough, and
this form would be two thirds more code.
"""

from __future__ import annotations

from typing import ClassVar, Final

from tensorc.ir.core import Value
from tensorc.ops.loops.base import memory_type
from tensorc.ops.loops.nests import lanes, parallel
from tensorc.passes.lowering.columns import BLOCK, Columns, columns_at_a_time
from tensorc.passes.lowering.nest import Access, Index, load
from tensorc.passes.lowering.space import Space, combiners_of
from tensorc.passes.lowering.sums import join_parts

PART: Final = 2048
"""Rows of a part: what is written and read again of partial results is a thousandth of the matrix."""


def is_tall(space: Space) -> bool:
    """Whether there are few columns and maybe many rows, and nothing but their results is made of what is
    read.
    """
    first, *others = space.stages
    if space.outer != 1 or len(space.inner) != 1:
        return False
    columns, rows = space.extents
    narrow = isinstance(columns, int) and columns <= columns_at_a_time(space)
    many = not isinstance(rows, int) or rows > PART
    combined = first.full and len(combiners_of(first)) == len(first.results)
    return narrow and many and combined and not any(stage.full for stage in others)


class Tall(Columns):
    """Column form whose rows are divided."""

    levels: ClassVar[int] = (PART // BLOCK).bit_length()

    def emit(self) -> None:
        b, (self.width, rows) = self.b, self.space.extents
        parts = b.maximum(b.ceildiv(rows, PART), 1)
        combiners = combiners_of(self.space.stages[0])
        buffers = [b.alloc(memory_type(c.element), [parts, self.width]) for c in combiners]
        with parallel(b, parts) as part:
            start = b.mul(part, PART)
            self.span = (start, b.minimum(b.add(start, PART), rows))
            self.make_registers()
            self.combine(0, [])
            self._keep(buffers, part)
        join_parts(b, combiners, buffers, b.index(parts))
        self.make_registers(1)
        for k, (combiner, buffer) in enumerate(zip(combiners, buffers, strict=True)):
            self.registers[0, k] = Access(buffer, (-1, 0), combiner.element)
        self._finish()
        for buffer in buffers:
            b.dealloc(buffer)

    def _keep(self, buffers: list[Value], part: Index) -> None:
        """The results of a part, for later."""
        b, combiners = self.b, combiners_of(self.space.stages[0])
        with lanes(b, self.width) as lane:
            indices = self.at([], [0], lane)
            for k, (combiner, buffer) in enumerate(zip(combiners, buffers, strict=True)):
                value = load(b, self.registers[0, k], indices)
                combiner.write(b, value, buffer, [part, indices[0]])

    def _finish(self) -> None:
        """Everything that is made of the results of all rows."""
        self.store_results(0, [])
        for number, stage in enumerate(self.space.stages[1:], 1):
            if combiners_of(stage):
                self.reduction(number, [])
            else:
                self.plain(number, [])
