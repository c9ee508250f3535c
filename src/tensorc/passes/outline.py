"""Splitting long functions: LLVM's loop analyses take time that grows with the square, or worse, of the
number of loops that follow one another in a function.

A block with many loops is cut into parts of a few, each a private function of what it reads. Views are made
again inside a part from the buffers they lie in, so that the part knows which of its buffers are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tensorc.ir.attributes import UNIT, Attribute, IntegerAttr, StringAttr, SymbolRefAttr
from tensorc.ir.builtin import Call, CallAttrs, Func, Return, arg_attributes, body, new_function, symbol_name
from tensorc.ir.clone import clone_op
from tensorc.ir.core import Block, BlockArgument, Operation, Value
from tensorc.ir.definition import Trait
from tensorc.ir.types import MemRefType
from tensorc.ops.loops import memref, scf
from tensorc.ops.loops.builder import LoopBuilder
from tensorc.ops.loops.claims import CLAIMED, OVER, behind_claim, is_claim
from tensorc.ops.loops.nests import APART

PART: Final = 16
MANY: Final = 40
_LOOPS = (scf.For, scf.While, scf.Parallel, memref.Copy)
_VIEWS = (memref.ReinterpretCast, memref.Cast)


def split(function: Operation, ends: set[Operation]) -> None:
    """Cut every block of `function` that has more than `MANY` loops; parts end with one of `ends`."""
    todo = [body(function)]
    while todo:
        block = todo.pop()
        loops = 0
        for op in block:
            loops += op.definition in _LOOPS
            if op.isa(scf.If):
                todo += [inner for region in op.regions for inner in region.blocks]
                loops += 1
        if loops > MANY:
            _Splitter(function, block, ends).run()


@dataclass
class _Splitter:
    function: Operation
    block: Block
    ends: set[Operation]
    ops: list[Operation] = field(default_factory=list)
    loops: int = 0

    def run(self) -> None:
        for op in list(self.block):
            if _stays(op):
                self._flush()
                continue
            # Allocations come before the part, the others go behind it.
            if not (op.isa(memref.Alloc) or op.isa(memref.Dealloc)):
                self.ops.append(op)
                self.loops += op.definition in _LOOPS or op.isa(scf.If)
            if self.loops >= PART and op in self.ends:
                self._flush()
        self._flush()

    def _flush(self) -> None:
        ops, loops, self.ops, self.loops = self.ops, self.loops, [], 0
        if loops > 1:
            _Part(self, ops).cut()


def _stays(op: Operation) -> bool:
    """Ops that end a part: terminators, claims and what is behind them, and what holds an allocation, whose
    failure only the function itself can report.
    """
    if op.has_trait(Trait.TERMINATOR) or is_claim(op):
        return True
    if op.isa(scf.If) and behind_claim(op.regions[0].block):
        return True
    return bool(op.regions) and any(inner.isa(memref.Alloc) for inner in op.walk())


class _Part:
    """A run of ops that may become a function."""

    def __init__(self, splitter: _Splitter, ops: Sequence[Operation]) -> None:
        self.splitter = splitter
        self.inside = set(ops)
        self.ops = ops
        self.arguments: dict[Value, None] = {}
        self.views: dict[Operation, None] = {}

    def cut(self) -> None:
        moved = self._moved()
        if moved is None:
            return
        copied = [op for op in self.ops if op in moved or self._is_free(op)]
        self._collect(copied)
        function = self._write(copied)
        last = self.ops[-1]
        assert last.block is not None
        b = LoopBuilder(last.block, last.next, last.location)
        callee = CallAttrs(SymbolRefAttr(symbol_name(function) or ""))
        b.create_op(Call, list(self.arguments), callee, results=[])
        for op in list(self._between_deallocs()):
            following = last.next
            op.detach()
            assert following is not None
            last.block.insert_before(op, following.next)
        for op in reversed([op for op in self.ops if op in moved]):
            op.erase()

    def _is_free(self, op: Operation) -> bool:
        return op.has_trait(Trait.PURE) and not op.regions

    def _moved(self) -> set[Operation] | None:
        """Ops that leave the block: effects, and what depends on them. None if a later op needs a result."""
        moved: set[Operation] = set()
        for op in self.ops:
            if not self._is_free(op) or any(v.owner in moved for v in op.operands):
                moved.add(op)
        for op in moved:
            for result in op.results:
                if any(self._holder(user) not in self.inside for user in result.users):
                    return None
        return moved

    def _holder(self, op: Operation) -> Operation:
        """The op of the split block that `op` is, or is nested in."""
        while op.block is not self.splitter.block:
            parent = op.parent
            assert parent is not None
            op = parent
        return op

    def _between_deallocs(self) -> list[Operation]:
        found = []
        op: Operation | None = self.ops[0]
        while op is not None and op is not self.ops[-1]:
            if op.isa(memref.Dealloc):
                found.append(op)
            op = op.next
        return found

    def _collect(self, copied: Sequence[Operation]) -> None:
        """What the part reads from outside: scalars and whole buffers as arguments, views made again."""
        own = {inner for op in copied for inner in op.walk()}
        for op in copied:
            for inner in op.walk():
                for value in inner.operands:
                    self._read(value, own)

    def _read(self, value: Value, own: set[Operation]) -> None:
        todo = [value]
        order: list[Operation] = []
        while todo:
            current = todo.pop()
            owner = current.owner
            if owner in own or owner in self.views or self._is_block_argument_inside(current, own):
                continue
            if owner is not None and owner.definition in _VIEWS and isinstance(current.type, MemRefType):
                order.append(owner)
                todo += owner.operands
            else:
                self.arguments[current] = None
        for view in reversed(order):
            self.views[view] = None

    def _is_block_argument_inside(self, value: Value, own: set[Operation]) -> bool:
        if not isinstance(value, BlockArgument):
            return False
        region = value.block.region
        return region is not None and region.parent in own

    def _roles(self) -> list[dict[str, Attribute]]:
        """Which arguments may be the memory of others, as the function says of its own."""
        function, place = self.splitter.function, {v: n for n, v in enumerate(self.arguments)}
        arguments = body(function).args
        roles: list[dict[str, Attribute]] = [{} for _ in place]
        for value, number in place.items():
            if not isinstance(value, BlockArgument) or value.block is not body(function):
                continue
            over = arg_attributes(function, value.index).get(OVER)
            if isinstance(over, IntegerAttr) and arguments[over.value] in place:
                roles[number][OVER] = IntegerAttr(place[arguments[over.value]])
        return roles

    def _write(self, copied: Sequence[Operation]) -> Operation:
        splitter = self.splitter
        module_block = splitter.function.block
        assert module_block is not None
        splitter_name = symbol_name(splitter.function)
        number = sum(1 for op in module_block if op.isa(Func))
        types = [v.type for v in self.arguments]
        name = f"{splitter_name}_part{number}"
        part = new_function(name, types, [], self._roles(), location=self.ops[0].location)
        part.set_attribute("sym_visibility", StringAttr("private"))
        part.set_attribute(APART, UNIT)
        if behind_claim(splitter.block):
            part.set_attribute(CLAIMED, UNIT)
        module_block.insert_before(part, splitter.function)
        mapping: dict[Value, Value] = dict(zip(self.arguments, body(part).args, strict=True))
        for op in [*self.views, *copied]:
            body(part).append(clone_op(op, mapping))
        LoopBuilder(body(part)).create_op(Return, [])
        return part
