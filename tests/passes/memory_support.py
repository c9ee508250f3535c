"""What a bufferised function asks of memory: every allocation in bytes, and how long its contents are needed.

The function is walked as it stands, all checks taken to hold, with arguments of given extents.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from typing import Any

from tensorc.api.trace import Traced
from tensorc.ir.builtin import body, functions, new_module, symbol_name
from tensorc.ir.clone import clone_op
from tensorc.ir.core import Block, Operation, Value
from tensorc.ir.types import MemRefType
from tensorc.ops.kernel import Kernel
from tensorc.ops.loops import arith, memref, scf
from tensorc.ops.loops.base import width
from tensorc.ops.loops.memref import view_parts
from tensorc.passes import manager
from tensorc.passes.text import parse_pipeline

_ARITHMETIC: dict[Any, Callable[[int, int], int]] = {
    arith.AddI: operator.add,
    arith.SubI: operator.sub,
    arith.MulI: operator.mul,
    arith.DivSI: operator.floordiv,
    arith.FloorDivSI: operator.floordiv,
    arith.CeilDivSI: lambda a, b: -(-a // b),
    arith.RemSI: operator.mod,
    arith.MaxSI: max,
    arith.MinSI: min,
}


@dataclass
class Buffer:
    """`uses`: for every op that touches it, when, and whether it reads what was there before."""

    size: int
    begin: int
    end: int = -1
    uses: list[tuple[int, bool]] = field(default_factory=list)

    def needed(self) -> set[int]:
        """The times at which its contents will be read, or are written."""
        found = {time for time, _ in self.uses}
        for (start, _), (end, reads) in pairwise(self.uses):
            found.update(range(start, end) if reads else ())
        return found


class Memory:
    """The allocations of `main`, for arguments of these shapes, in order."""

    def __init__(self, traced: Traced, shapes: Sequence[Sequence[int]], pipeline: str = "O3") -> None:
        module, passes = new_module(), parse_pipeline(pipeline)
        module.regions[0].block.append(clone_op(traced.func))
        last = next(n for n, p in enumerate(passes) if p.name == "bufferize")
        manager.run(module, passes[: last + 1])
        main = next(f for f in functions(module) if not (symbol_name(f) or "").endswith("_shapes"))
        self.buffers: list[Buffer] = []
        self.time = 0
        self._numbers: dict[Value, int] = {}
        self._of: dict[Value, Buffer] = {}
        self._shapes: dict[Value, Sequence[int]] = dict(zip(body(main).args, shapes, strict=False))
        self._walk(body(main))

    def peak(self) -> int:
        """Most bytes allocated at a time."""
        return self._most(lambda b: set(range(b.begin, b.end + 1)))

    def bound(self) -> int:
        """Most bytes at a time whose contents are needed."""
        return self._most(Buffer.needed)

    def _most(self, times: Callable[[Buffer], set[int]]) -> int:
        held = [0] * (self.time + 1)
        for buffer in self.buffers:
            for time in times(buffer):
                held[time] += buffer.size
        return max(held)

    def _walk(self, block: Block) -> None:
        for op in block:
            if op.isa(scf.If):
                self._walk(op.regions[0].blocks[0])
            else:
                self._take(op)

    def _take(self, op: Operation) -> None:
        if op.isa(memref.Alloc):
            kind = op.result.type
            assert isinstance(kind, MemRefType)
            extents = [self._numbers[v] for v in op.operands]
            dynamic = iter(extents)
            shape = [next(dynamic) if n is None else n for n in kind.shape]
            self._shapes[op.result] = shape
            self._of[op.result] = Buffer(prod(shape) * width(kind.element) // 8, self.time + 1)
            self.buffers.append(self._of[op.result])
        elif op.isa(memref.Dealloc):
            self._of[op.operands[0]].end = self.time
        elif op.isa(memref.Dim):
            axis = self._numbers[op.operands[1]]
            self._numbers[op.result] = self._shapes.get(op.operands[0], ())[axis]
        elif op.isa(arith.Constant):
            value = op.attributes["value"]
            self._numbers[op.result] = getattr(value, "value", 0)
        elif op.definition in _ARITHMETIC:
            a, b = (self._numbers.get(v) for v in op.operands)
            if a is not None and b is not None:
                self._numbers[op.result] = _ARITHMETIC[op.definition](a, b)
        elif op.name.startswith("tensorc.") or op.isa(memref.Copy):
            self._use(op)
        elif op.isa(memref.ReinterpretCast) or op.isa(memref.Cast) or op.isa(memref.ExtractStridedMetadata):
            self._view(op)

    def _view(self, op: Operation) -> None:
        source, shape = op.operands[0], self._shapes.get(op.operands[0], ())
        if op.isa(memref.ReinterpretCast):
            sizes = view_parts(op)[1]
            shape = [n if isinstance(n, int) else self._numbers.get(n, -1) for n in sizes]
        if op.isa(memref.ExtractStridedMetadata):
            rank = len(shape)
            self._numbers.update(zip(op.results[2 : 2 + rank], shape, strict=True))
        self._shapes[op.results[0]] = shape
        if source in self._of:
            self._of[op.results[0]] = self._of[source]

    def _use(self, op: Operation) -> None:
        self.time += 1
        outputs = len(op.regions[0].block.terminator.operands) if op.isa(Kernel) else 1
        read = {id(self._of[v]) for v in op.operands[:-outputs] if v in self._of}
        for value in op.operands:
            buffer = self._of.get(value)
            if buffer is not None and (not buffer.uses or buffer.uses[-1][0] != self.time):
                buffer.uses.append((self.time, id(buffer) in read))
