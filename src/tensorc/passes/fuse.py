"""`fuse`: pointwise ops, reductions and views with known index maps become kernels (`ops/kernel.py`).

`fuse_refs.py` reads through views, `fuse_groups.py` decides which ops share a kernel, `fuse_kernel.py` writes
it. What other ops, or later parts of the function, read is a result of a kernel; all else lives in registers
or scratch. Checks that depend on data split the function into segments, and nothing moves from one to
another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tensorc.ir.builtin import functions
from tensorc.ir.core import Operation, Value
from tensorc.ir.types import TensorType
from tensorc.ops import emit
from tensorc.ops.creation import Constant, Iota
from tensorc.ops.index import Assume, Dim, Require
from tensorc.ops.loops.builder import LoopBuilder
from tensorc.ops.views import BroadcastTo, SumTo
from tensorc.passes.check_shapes import check_function
from tensorc.passes.extents import Extents
from tensorc.passes.fuse_groups import Group, Grouping, is_pointwise, is_reduction
from tensorc.passes.fuse_kernel import KernelWriter
from tensorc.passes.fuse_refs import Refs


@dataclass(frozen=True)
class Fuse:
    """Kernels of at most `max_ops` ops each."""

    name: ClassVar[str] = "fuse"
    max_ops: int = 64

    def run(self, module: Operation) -> None:
        for function in functions(module):
            if function.regions[0].blocks:
                check_function(function)
                _resolve_sums(function)
                _Fusion(function, self.max_ops).run()
                _drop_unread(function)


def _drop_unread(function: Operation) -> None:
    """Extents are asked for freely; those that no kernel needed go."""
    for op in reversed(list(function.regions[0].block)):
        if op.isa(Dim) and not op.result.has_uses:
            op.erase()


def _resolve_sums(function: Operation) -> None:
    """`sum_to` whose summed axes are known becomes `sum`."""
    extents = Extents(function)
    for op in list(extents.block):
        extents.visit(op)
        if not op.isa(SumTo):
            continue
        source, target = extents.of(op.operands[0]), extents.of(op.result)
        lead = len(source) - len(target)
        if not all(t in (s, 1) for s, t in zip(source[lead:], target, strict=True)):
            continue
        axes = [k for k in range(len(source)) if k < lead or (target[k - lead] == 1 and source[k] != 1)]
        b = LoopBuilder(extents.block, op, op.location)
        found = emit.sum(b, op.operands[0], axes) if axes else op.operands[0]
        kept = [a - lead for a in axes if a >= lead]
        found = emit.expand_dims(b, found, kept) if kept else found
        if found.type != op.result.type:  # known extents stay known
            found = b.create(BroadcastTo, [found, *op.operands[1:]], op.attrs)[0]
        for made in _between(op.operands[0], found):
            extents.visit(made)
        op.result.replace_all_uses_with(found)
        op.erase()


def _between(source: Value, found: Value) -> list[Operation]:
    """The ops that lead from `source` to `found`."""
    made: list[Operation] = []
    while found is not source and found.owner is not None:
        made.insert(0, found.owner)
        found = found.owner.operands[0]
    return made


class _Fusion:
    def __init__(self, function: Operation, max_ops: int) -> None:
        self.max_ops = max_ops
        self.extents = Extents(function)
        self.extents.visit_all()
        self.refs = Refs(self.extents)
        self.block = self.extents.block

    def run(self) -> None:
        segment: list[Operation] = []
        for op in list(self.block):
            checks = op.isa(Require) or op.isa(Assume)
            late_check = checks and any(self.extents.is_late(v) for v in op.operands)
            if not late_check and op is not self.block.last:
                segment.append(op)
                continue
            self._segment(segment, op)
            segment = []

    def _segment(self, ops: Sequence[Operation], end: Operation) -> None:
        """Group the ops of a segment and put it in its new order before `end`."""
        tensor = [op for op in ops if self._moves(op)]
        views = {op for op in tensor if self.refs.enter(op)}
        leaves = {op for op in tensor if op.isa(Constant) or op.isa(Iota)}
        fusible = {op for op in tensor if op not in views and op not in leaves and self._fusible(op)}
        grouping = Grouping(self.extents, self.refs, self.max_ops)
        grouping.run([op for op in tensor if op not in leaves], fusible, views)
        position = {op: number for number, op in enumerate(tensor)}
        _Scheduler(self, grouping, position, views, leaves).run(tensor, end)

    def _moves(self, op: Operation) -> bool:
        """Index arithmetic and checks that no data decides stay in front."""
        return any(isinstance(r.type, TensorType) or self.extents.is_late(r) for r in op.results)

    def _fusible(self, op: Operation) -> bool:
        if not (is_pointwise(op) or is_reduction(op)):
            return False
        shapes = [self.extents.of(v) for v in (*op.operands, op.result)]
        return not any(isinstance(e, Value) and self.extents.is_late(e) for s in shapes for e in s)


class _Scheduler:
    """Puts kernels and other ops in order of descending height, views and constants right before what reads
    them.
    """

    def __init__(
        self,
        fusion: _Fusion,
        grouping: Grouping,
        position: dict[Operation, int],
        views: set[Operation],
        leaves: set[Operation],
    ) -> None:
        self.fusion = fusion
        self.grouping = grouping
        self.position = position
        self.free = views | leaves

    def run(self, ops: Sequence[Operation], end: Operation) -> None:
        grouping = self.grouping
        steps: list[tuple[int, int, Group | Operation]] = []
        grouped: dict[Group, list[Operation]] = {}
        for op in ops:
            if op in self.free:
                continue
            groups = grouping.groups_of(op)
            if not groups:
                steps.append((-grouping.height[op], self.position[op], op))
            for group in groups:
                grouped.setdefault(group, []).append(op)
        for group, members in grouped.items():
            steps.append((-group.height, self.position[members[0]], group))
        extents, refs = self.fusion.extents, self.fusion.refs
        writers = {g: KernelWriter(g, grouping, self.position, extents, refs) for g in grouped}
        for op in ops:
            op.detach()
        self.placed: set[Operation] = set()
        for _, _, step in sorted(steps, key=lambda s: s[:2]):
            if isinstance(step, Group):
                self._kernel(writers[step], end)
            else:
                self._bring(step, end)
        for members in grouped.values():
            _forget(members)
        for op in reversed(ops):
            if op in self.free and op not in self.placed and not any(r.has_uses for r in op.results):
                op.drop_operands()
            elif op in self.free:
                self._bring(op, end)

    def _bring(self, op: Operation, end: Operation) -> None:
        """Put an op before `end`, and first the views and constants it reads."""
        todo = [op]
        while todo:
            current = todo[-1]
            missing = [
                v.owner for v in current.operands if v.owner in self.free and v.owner not in self.placed
            ]
            if missing:
                todo.extend(m for m in missing if m is not None)
                continue
            todo.pop()
            if current not in self.placed:
                self.placed.add(current)
                self.fusion.block.insert_before(current, end)

    def _kernel(self, writer: KernelWriter, end: Operation) -> None:
        for value in writer.read():
            if value.owner in self.free and value.owner is not None:
                self._bring(value.owner, end)
        if not writer.outputs:
            return
        b = LoopBuilder(self.fusion.block, end, writer.members[-1].location)
        kernel = writer.write(b)
        for op, value in zip(writer.outputs, kernel.results, strict=True):
            self.fusion.extents.set(value, self.fusion.extents.of(op.result))
            self.fusion.refs.rename(op.result, value)
            op.result.replace_all_uses_with(value)


def _forget(members: Sequence[Operation]) -> None:
    """Erase the ops that a kernel replaced; they read one another."""
    for op in reversed(members):
        op.drop_operands()
