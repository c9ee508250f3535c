"""Results of a row kernel that are combined over its rows, beside what happens along them: chunks of `CHUNK`
rows, one after the other into buffers as long as a row, which are then combined pairwise.

Chunks depend on extents only, and are what threads share.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from tensorc.ir.core import Value
from tensorc.ops.loops.base import memory_type
from tensorc.ops.loops.nests import lanes
from tensorc.passes.lowering.nest import Access, Index, Lowerer, nest, store
from tensorc.passes.lowering.space import Result, Space, across
from tensorc.passes.lowering.sums import Combiner, join_parts

CHUNK: Final = 32
"""Rows of a chunk. More of them make partial results fewer, and their sums less exact."""


class Across:
    """The partial results of all chunks; `chunk` says which one is worked on."""

    def __init__(self, b: Lowerer, space: Space) -> None:
        self.b = b
        self.space = space
        self.found = across(space)
        self.rows = b.product(space.extents[: space.outer]) if self.found else 0
        self.chunk: Index = 0
        self.buffers: dict[tuple[int, int], Value] = {}

    def make(self) -> None:
        """Buffers for partial results. The first one holds the result of no rows."""
        b = self.b
        self.parts = b.ceildiv(self.rows, CHUNK)
        shape = [b.maximum(self.parts, 1), *self.space.inner]
        for number, k, result in self.found:
            self.buffers[number, k] = b.alloc(memory_type(result.element), shape)
        self.begin(0)

    def begin(self, row: Index) -> None:
        """The chunk from a row on, that has no rows yet."""
        b = self.b
        chunk = self.chunk = row // CHUNK if isinstance(row, int) else b.divui(row, b.index(CHUNK))
        with self._elements() as at:
            for (number, k), buffer in self.buffers.items():
                combiner = self._combiner(number, k)
                combiner.write(b, combiner.identity(b), buffer, [chunk, *at])

    def take(self, number: int, k: int, value: Value, inner: Sequence[Index]) -> None:
        """The value of one iteration."""
        place = [self.chunk, *inner]
        self._combiner(number, k).accumulate(self.b, value, self.buffers[number, k], place)

    def finish(self) -> None:
        """All chunks together, into the outputs."""
        b, inner = self.b, self.space.inner
        long = b.product(inner)
        flat = [
            b.reinterpret_cast(buffer, 0, [b.maximum(self.parts, 1), long], [long, 1])
            for buffer in self.buffers.values()
        ]
        combiners = [self._combiner(number, k) for number, k, _ in self.found]
        join_parts(b, combiners, flat, b.index(self.parts))
        with self._elements() as at:
            for number, k, result in self.found:
                value = self._combiner(number, k).read(b, self.buffers[number, k], [0, *at])
                store(b, value, self._out(result), [*[0] * self.space.outer, *at])
        for buffer in self.buffers.values():
            b.dealloc(buffer)

    def _combiner(self, number: int, k: int) -> Combiner:
        found = self.space.stages[number].results[k].combiner
        assert found is not None
        return found

    def _out(self, result: Result) -> Access:
        assert result.out is not None
        return result.out

    @contextmanager
    def _elements(self) -> Iterator[list[Index]]:
        """Every inner iteration."""
        inner = self.space.inner
        with nest(self.b, inner[:-1]) as at, lanes(self.b, inner[-1]) as lane:
            yield [*at, lane]
