"""`carry`: what a loop adds to on the stack becomes a value that the loop carries, and what was just written
there is not read again. Buffers that nobody reads any more go, with what is written to them.

Sums come from lowering as buffers of accumulators, so that one form of loop serves every reduction; after
`vectorize` an accumulator is a vector at a known place. LLVM finds the same, but by passes that look at
everything else, too: with registers made here, few of them are left to run (`codegen_llvm/jit.py`).

Only buffers of one axis, or none, that are read and written by loads and stores alone: no view of them can
hide an access.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, NamedTuple

from tensorc.ir.core import Block, Operation, Value
from tensorc.ir.types import MemRefType, Type, VectorType
from tensorc.ops.loops import memref, scf, vector
from tensorc.ops.loops.builder import LoopBuilder
from tensorc.ops.loops.fold import constant_value
from tensorc.ops.loops.nests import PARALLEL, PARTIAL

_LOADS: Final = (memref.Load, vector.Load, vector.MaskedLoad, vector.Gather)
_STORES: Final = (memref.Store, vector.Store, vector.MaskedStore, vector.Scatter)
_WHOLE: Final = (memref.Load, vector.Load, memref.Store, vector.Store)
"""Accesses to neighbours without a mask."""


class Place(NamedTuple):
    """Elements of a buffer, as a value of this type."""

    start: int
    size: int
    type: Type

    def apart(self, other: Place) -> bool:
        return self.start + self.size <= other.start or other.start + other.size <= self.start

    def covers(self, other: Place) -> bool:
        return self.start <= other.start and other.start + other.size <= self.start + self.size


@dataclass(frozen=True)
class Carry:
    """Places on the stack become values."""

    name: ClassVar[str] = "carry"

    def run(self, module: Operation) -> None:
        """Rewrite the module in place."""
        buffers: set[Value] = {
            op.result for op in module.walk() if op.isa(memref.Alloca) and _is_plain(op.result)
        }
        for block in _blocks(buffers):
            _forward(block, buffers)
            loop = None if block.region is None else block.region.parent
            if loop is not None and loop.isa(scf.For) and PARALLEL not in loop.attributes:
                _carry(loop, buffers)
        order = _Order()
        for buffer in buffers:
            if not _erase_unread(buffer):
                _erase_last(buffer, order)


def _is_plain(buffer: Value) -> bool:
    kind = buffer.type
    if not isinstance(kind, MemRefType) or kind.rank > 1 or kind.layout is not None:
        return False
    return all(
        (op.definition in _LOADS and number == 0) or (op.definition in _STORES and number == _target(op))
        for op, number in buffer.uses
    )


def _target(op: Operation) -> int:
    """Which operand of a store is the buffer."""
    return 1 if op.definition in _WHOLE else 0


def _blocks(buffers: Iterable[Value]) -> list[Block]:
    """The blocks with accesses, and those around them that see the buffer: the innermost first."""
    depths: dict[Block, int] = {}
    for buffer in buffers:
        assert buffer.owner is not None
        for user in buffer.users:
            block = user.block
            while block is not None and block not in depths:
                depths[block] = _depth(block)
                owner = None if block is buffer.owner.block or block.region is None else block.region.parent
                block = None if owner is None else owner.block
    return sorted(depths, key=lambda block: -depths[block])


def _depth(block: Block) -> int:
    depth, owner = 0, None if block.region is None else block.region.parent
    while owner is not None:
        depth, owner = depth + 1, owner.parent
    return depth


def _buffer(op: Operation, buffers: set[Value]) -> Value | None:
    """The buffer on the stack that an op reads or writes."""
    if op.definition in _LOADS:
        found = op.operands[0]
    elif op.definition in _STORES:
        found = op.operands[_target(op)]
    else:
        return None
    return found if found in buffers else None


def _place(op: Operation) -> Place | None:
    """The place of an access, if it is known and no mask hides a part of it."""
    if op.definition not in _WHOLE:
        return None
    is_store = op.definition in _STORES
    indices = op.operands[2:] if is_store else op.operands[1:]
    start = constant_value(indices[0]) if indices else 0
    kind = op.operands[0].type if is_store else op.result.type
    count = vector.lanes(kind) if isinstance(kind, VectorType) else 1
    return None if start is None else Place(int(start), count, kind)


@dataclass
class _Known:
    """What a block has written to a buffer, and the writes that nothing has read yet."""

    values: dict[Place, Value] = field(default_factory=dict)
    unread: dict[Place, Operation] = field(default_factory=dict)

    def write(self, op: Operation, place: Place | None) -> None:
        if place is None:  # one that may go anywhere, or nowhere
            self.values = {}
            return
        self.values = {p: v for p, v in self.values.items() if p.apart(place)}
        for over in [p for p in self.unread if place.covers(p)]:
            self.unread.pop(over).erase()
        self.values[place] = op.operands[0]
        self.unread[place] = op

    def inside(self, op: Operation) -> None:
        """An access in a loop or branch, which may or may not be made."""
        self.unread = {}
        if op.definition in _STORES:
            self.values = {}

    def read(self, place: Place | None) -> None:
        self.unread = {p: op for p, op in self.unread.items() if place is not None and p.apart(place)}


def _forward(block: Block, buffers: set[Value]) -> None:
    """Reads of what the block has written become the values written; what is overwritten unread goes."""
    known: dict[Value, _Known] = {}
    for op in block:
        if op.regions:
            for inner in op.walk() if known else ():
                at = _buffer(inner, buffers)
                if at is not None and at in known:
                    known[at].inside(inner)
            continue
        at = _buffer(op, buffers)
        if at is None:
            continue
        place, around = _place(op), known.setdefault(at, _Known())
        if op.definition in _STORES:
            around.write(op, place)
            continue
        value = None if place is None else _part(op, place, around.values)
        if value is None:
            around.read(place)
        else:
            op.result.replace_all_uses_with(value)
            op.erase()


def _part(op: Operation, place: Place, known: dict[Place, Value]) -> Value | None:
    """The value at a place, from what is known to be around it."""
    if place in known:
        return known[place]
    found = next(((p, v) for p, v in known.items() if p.covers(place)), None)
    if found is None or not isinstance(found[1].type, VectorType):
        return None
    (around, value), b = found, LoopBuilder.before(op)
    at = place.start - around.start
    same = value.defining(vector.Broadcast)
    if same is not None and isinstance(place.type, VectorType):
        return b.create_op(vector.Broadcast, [same.operands[0]], results=[place.type]).result
    if not isinstance(place.type, VectorType):
        return b.create_op(vector.Extract, [value, b.index(at)], vector.PositionAttrs()).result
    return b.create_op(vector.ExtractStridedSlice, [value], vector.SliceAttrs.of(at, place.size)).result


def _carry(loop: Operation, buffers: set[Value]) -> None:
    """Make of places that every iteration reads, and perhaps writes, values of the loop."""
    places = _carried(loop, buffers)
    if not places:
        return
    body, b = loop.regions[0].block, LoopBuilder.before(loop)
    inits: list[Value] = []
    written: dict[tuple[Value, Place], Operation] = {}
    for (buffer, place), ops in places.items():
        start = _read(b, buffer, place, ops)
        inside: Value = start
        stores = [op for op in ops if op.definition in _STORES]
        if stores:
            inits.append(start)
            inside = body.add_argument(place.type, loop.location)
            written[buffer, place] = stores[-1]
        for op in ops:
            if op.definition in _LOADS:
                op.result.replace_all_uses_with(inside)
    ends = [store.operands[0] for store in written.values()]  # now that none of them is a read any more
    for ops in places.values():
        for op in ops:
            op.erase()
    if inits:
        _write(_extended(loop, inits, ends), list(written))


def _carried(loop: Operation, buffers: set[Value]) -> dict[tuple[Value, Place], list[Operation]]:
    """The accesses to every place that the loop can carry: those to the buffer are all in its body, where
    they are the same place or apart. After `_forward`, what is read was there before the iteration.
    """
    body = loop.regions[0].block
    found: dict[Value, dict[Place, list[Operation]]] = {}
    spoiled = {buffer for op in body if op.regions for buffer in _touched_inside(op, buffers)}
    spoiled |= {op.result for op in body if op.isa(memref.Alloca)}
    for op in body:
        buffer = None if op.regions else _buffer(op, buffers)
        if buffer is None or buffer in spoiled:
            continue
        place = _place(op)
        around = found.setdefault(buffer, {})
        if place is None or any(p != place and not p.apart(place) for p in around):
            spoiled.add(buffer)
            continue
        around.setdefault(place, []).append(op)
    return {
        (buffer, place): ops
        for buffer, around in found.items()
        if buffer not in spoiled
        for place, ops in around.items()
        if any(op.definition in _LOADS for op in ops)
    }


def _touched_inside(op: Operation, buffers: set[Value]) -> set[Value]:
    return {b for inner in op.walk() if (b := _buffer(inner, buffers)) is not None}


def _read(b: LoopBuilder, buffer: Value, place: Place, ops: Sequence[Operation]) -> Value:
    """What is at a place before the loop; perhaps nothing was written there yet."""
    if not isinstance(place.type, VectorType):
        indices = [place.start] if buffer.type.rank else []  # type: ignore[attr-defined]
        return b.load(buffer, indices)
    op = b.create_op(vector.Load, [buffer, b.index(place.start)], results=[place.type])
    partial = next((o.attributes[PARTIAL] for o in ops if PARTIAL in o.attributes), None)
    if partial is not None:
        op.set_attribute(PARTIAL, partial)
    return op.result


def _extended(loop: Operation, inits: Sequence[Value], ends: Sequence[Value]) -> Operation:
    """The loop with more values, whose arguments its body has already."""
    b, region = LoopBuilder.before(loop), loop.regions[0]
    terminator = region.block.terminator
    terminator.set_operands([*terminator.operands, *ends])
    loop.regions = []
    made = b.create_op(scf.For, [*loop.operands, *inits], regions=[region], discardable=dict(loop.attributes))
    for old, new in zip(loop.results, made.results, strict=False):
        old.replace_all_uses_with(new)
    loop.erase()
    return made


def _write(loop: Operation, places: Sequence[tuple[Value, Place]]) -> None:
    """What the loop ends with goes where it was."""
    assert loop.block is not None
    b = LoopBuilder(loop.block, loop.next, loop.location)
    values = loop.results[len(loop.results) - len(places) :]
    for (buffer, place), value in zip(places, values, strict=True):
        if isinstance(place.type, VectorType):
            b.create_op(vector.Store, [value, buffer, b.index(place.start)])
        else:
            b.store(value, buffer, [place.start] if buffer.type.rank else [])  # type: ignore[attr-defined]


def _erase_unread(buffer: Value) -> bool:
    """Erase a buffer that is not read, with what is written to it; whether it is so."""
    users = buffer.users
    if any(op.definition in _LOADS for op in users):
        return False
    for op in users:
        op.erase()
    assert buffer.owner is not None
    buffer.owner.erase()
    return True


class _Order:
    """Where ops stand in their blocks."""

    def __init__(self) -> None:
        self._numbers: dict[Block, dict[Operation, int]] = {}

    def __call__(self, op: Operation) -> int:
        block = op.block
        assert block is not None
        if block not in self._numbers:
            self._numbers[block] = {inner: number for number, inner in enumerate(block)}
        return self._numbers[block][op]


def _erase_last(buffer: Value, order: _Order) -> None:
    """Erase what is written to a buffer after it has been read for the last time."""
    assert buffer.owner is not None and buffer.owner.block is not None
    block, users = buffer.owner.block, buffer.users
    while True:
        around = {_within(op, block) for op in users}
        loop = next(iter(around))
        if len(around) > 1 or not loop.isa(scf.For) or not _begins_anew(buffer, loop, order):
            break
        block = loop.regions[0].block
    last = max(order(_within(op, block)) for op in users if op.definition in _LOADS)
    for op in users:
        if op.block is block and op.definition in _STORES and order(op) > last:
            op.erase()


def _begins_anew(buffer: Value, loop: Operation, order: _Order) -> bool:
    """Whether every iteration writes all of a buffer before it does anything else with it."""
    block, done = loop.regions[0].block, 0
    extent = buffer.type.shape[0] if buffer.type.rank else 1  # type: ignore[attr-defined]
    for op in sorted((op for op in buffer.users if op.block is block), key=order):
        place = _place(op) if op.definition in _STORES else None
        if place is None or place.start != done:
            return False
        done += place.size
        if done == extent:
            return all(order(op) < order(_within(o, block)) for o in buffer.users if o.block is not block)
    return False


def _within(op: Operation, block: Block) -> Operation:
    """The op of a block in which an op is."""
    while op.block is not block:
        assert op.parent is not None
        op = op.parent
    return op
