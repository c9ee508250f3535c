"""Which buffer each tensor of a straight-line function lives in: aliases through views, results straight into
outputs, reuse of dead buffers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from tensorc.ir.core import BlockArgument, Operation, Value
from tensorc.ir.types import ScalarType, TensorType
from tensorc.ops.base import OpDef
from tensorc.ops.families import Pointwise, View
from tensorc.ops.index import Require
from tensorc.ops.kernel import GenericAttrs, Kernel, combiner_names, product_of, stages
from tensorc.passes.extents import Extent, Extents

Key = tuple[ScalarType, tuple[Extent, ...]]


@dataclass(eq=False)
class Slot:
    """One allocation, used by tensors of one element type and shape one after the other, as long as no other
    is made while it holds none: so that it never adds to the most that is allocated at a time. Positions
    number the ops of the function.
    """

    element: ScalarType
    shape: tuple[Extent, ...]
    first: int
    last: int
    held: list[Value] = field(default_factory=list)
    """The tensors that live in it, in order."""


@dataclass
class Plan:
    """`slot`: the allocation of a computed tensor; `output`: the output argument it is written into instead;
    `over`: the operand whose buffer a result overwrites; `copies`: outputs that must be copied at the end,
    with the tensor they hold.
    """

    slot: dict[Value, Slot] = field(default_factory=dict)
    output: dict[Value, int] = field(default_factory=dict)
    over: dict[Value, Value] = field(default_factory=dict)
    copies: list[tuple[int, Value]] = field(default_factory=list)
    frees: dict[int, list[Slot]] = field(default_factory=dict)


def is_view(op: Operation | None) -> bool:
    return op is not None and op.definition is not None and issubclass(op.definition, View)


def plan(
    ops: Sequence[Operation],
    outputs: Sequence[Value],
    extents: Extents,
    claimed: Collection[int] = (),
    through: Mapping[Value, int] | None = None,
    late: AbstractSet[Value] = frozenset(),
) -> Plan:
    """The buffers of the tensors that `ops` compute, where `outputs` are returned; those that are `claimed`
    (`passes/claims.py`) have no memory before they are written, first by the values `through` which they go.
    Scalars that are `late` depend on data: what is allocated before a check of them is freed with the
    function. Linear in the number of uses.
    """
    roots = roots_of(ops)
    found = Plan()
    _bind_outputs(outputs, roots, found, claimed)
    for value, number in (through or {}).items():
        (user,) = value.users
        found.output[value] = number
        found.over[user.result] = value
    held = {roots[v] for _, v in found.copies if v in roots}
    last = _last_uses(ops, roots)
    _assign(ops, roots, last, held, extents, found, claimed, late)
    for slot in dict.fromkeys(found.slot.values()):
        found.frees.setdefault(slot.last, []).append(slot)
    return found


def roots_of(ops: Sequence[Operation]) -> dict[Value, Value]:
    """For every tensor the one whose buffer it reads; arguments are their own."""
    roots: dict[Value, Value] = {}
    for op in ops:
        for operand in op.operands:
            if isinstance(operand, BlockArgument):
                roots[operand] = operand
        for result in op.results:
            if isinstance(result.type, TensorType):
                roots[result] = roots[op.operands[0]] if is_view(op) else result
    return roots


def binding_order(outputs: Sequence[Value], first: Collection[int]) -> list[tuple[int, Value]]:
    """Outputs with their numbers: what several are is computed into the first; the others are copies."""
    return sorted(enumerate(outputs), key=lambda pair: pair[0] not in first)


def _bind_outputs(
    outputs: Sequence[Value], roots: dict[Value, Value], found: Plan, claimed: Collection[int]
) -> None:
    for number, value in binding_order(outputs, claimed):
        root = whole(value)
        if isinstance(root, BlockArgument) or is_view(root.owner) or root in found.output:
            found.copies.append((number, value))
        else:
            found.output[root] = number


def whole(value: Value) -> Value:
    """The tensor whose elements, in the same order, `value` holds: back through reshapes."""
    while (op := value.owner) is not None and op.name == "tensorc.reshape":
        value = op.operands[0]
    return value


def _last_uses(ops: Sequence[Operation], roots: dict[Value, Value]) -> dict[Value, int]:
    last: dict[Value, int] = {}
    for position, op in enumerate(ops):
        for value in (*op.operands, *op.results):
            root = roots.get(value)
            if root is not None:
                last[root] = position
    return last


def _assign(
    ops: Sequence[Operation],
    roots: dict[Value, Value],
    last: dict[Value, int],
    held: set[Value],
    extents: Extents,
    found: Plan,
    claimed: Collection[int],
    late: AbstractSet[Value],
) -> None:
    free: dict[Key, list[Slot]] = {}
    pinned = 0
    for position, op in enumerate(ops):
        if op.isa(Require) and not late.isdisjoint(op.operands):
            pinned = position
        read = dict.fromkeys(roots[v] for v in op.operands if v in roots)  # in order, the same always
        dying = [r for r in read if last[r] == position and r not in held]
        early = [r for r in dying if in_place(op, r, roots)]
        _overwrite_outputs(op, early, extents, found, claimed)
        early = [r for r in early if r not in found.output]
        _release(early, found, free)
        fresh = False
        for result in op.results:
            if (
                not isinstance(result.type, TensorType)
                or roots[result] is not result
                or result in found.output
            ):
                continue
            key = (result.type.element, extents.of(result))
            waiting = free.get(key)
            slot = waiting.pop() if waiting else Slot(*key, position, position)
            fresh |= slot.first == position
            slot.last = max(slot.last, len(ops) if result in held else last[result])
            slot.held.append(result)
            found.slot[result] = slot
            for root in early:
                if found.slot.get(root) is slot:
                    found.over[result] = root
        if fresh:
            _stop_waiting(free, pinned)
        unused = [r for r in op.results if last.get(r) == position and r not in held]
        _release([*(r for r in dying if r not in early), *unused], found, free)


def _overwrite_outputs(
    op: Operation, early: Sequence[Value], extents: Extents, found: Plan, claimed: Collection[int]
) -> None:
    """Where an op may write over a temporary and its result goes to an output, the temporary lives in that
    output already, with all that lived in its buffer before.
    """
    taken: set[Value] = set()
    for result in op.results:
        number = found.output.get(result)
        if number is None or number in claimed:
            continue
        assert isinstance(result.type, TensorType)
        key = (result.type.element, extents.of(result))
        for root in sorted(early, key=lambda v: found.slot[v].first if v in found.slot else -1):
            slot = found.slot.get(root)
            if slot is None or (slot.element, slot.shape) != key or root in taken:
                continue
            taken.add(root)
            for value in slot.held:
                found.output[value] = number
                del found.slot[value]
            found.over[result] = root
            break


def readers_first(ops: Sequence[Operation]) -> list[Operation]:
    """The ops with neighbouring kernels exchanged where the second reads, for the last time, what the first
    could then write over: one buffer less goes through the caches.
    """
    roots, order = roots_of(ops), list(ops)
    last = _last_uses(order, roots)
    for place in range(len(order) - 1):
        first, second = order[place : place + 2]
        if first.definition is not Kernel or second.definition is not Kernel:
            continue
        own, other = ({roots[v] for v in (*op.operands, *op.results) if v in roots} for op in (first, second))
        dying = [r for r in own & other if r.owner is not None and last[r] == place + 1]
        if other.intersection(first.results) or not _gains(first, second, dying, roots):
            continue
        order[place : place + 2] = second, first
        last.update({r: place for r in other - own if last[r] == place + 1})
        last.update({r: place + 1 for r in own if last[r] == place})
    return order


def _gains(first: Operation, second: Operation, dying: Sequence[Value], roots: dict[Value, Value]) -> bool:
    """Whether the first of two kernels could write over one of these values, and the second could not."""
    return any(in_place(first, r, roots) and not in_place(second, r, roots) for r in dying)


def _release(values: Sequence[Value], found: Plan, free: dict[Key, list[Slot]]) -> None:
    for value in sorted(values, key=lambda v: found.slot[v].first if v in found.slot else -1):
        slot = found.slot.get(value)
        if slot is not None:
            free.setdefault((slot.element, slot.shape), []).append(slot)


def _stop_waiting(free: dict[Key, list[Slot]], pinned: int) -> None:
    """Memory has been asked for: what waits for a tensor of its own shape is freed instead, unless it was
    allocated before the last late check.
    """
    for key, slots in list(free.items()):
        free[key] = [slot for slot in slots if slot.first < pinned]
        if not free[key]:
            del free[key]


def in_place(op: Operation, root: Value, roots: dict[Value, Value]) -> bool:
    """Whether an op may write over `root`: it reads each element of it just before it writes that element, or
    changes a part of it and reads no other.
    """
    definition = op.definition
    uses = [n for n, v in enumerate(op.operands) if roots.get(v) is root]
    if definition is None or any(op.operands[n] is not root for n in uses):
        return False
    if definition is Kernel:  # a product is written before anything is read
        return product_of(op) is None and reads_in_place(op, root)
    if issubclass(definition, OpDef) and definition.overwrites:
        return uses == [0]
    return issubclass(definition, Pointwise)


def reads_in_place(kernel: Operation, root: Value) -> bool:
    """Whether a kernel writes results of the rank of `root`, and reads its elements only at the place where
    it writes each of these, and not after that.
    """
    arguments = {a for a, v in zip(kernel.regions[0].block.args, kernel.operands, strict=True) if v is root}
    last, found, places = 0, stages(kernel), set[tuple[int, ...]]()
    for number, stage in enumerate(found):
        for value, axes in zip(stage.operands[_rank(stage) :], _maps(stage), strict=False):
            if value in arguments:
                last = number
                places.add(axes)
                if sorted(axes) != list(range(_rank(stage))):
                    return False
    written = False
    given = set(kernel.regions[0].block.terminator.operands)
    for number, stage in enumerate(found):
        maps = _maps(stage)[len(stage.operands) - _rank(stage) :]
        for value, axes, combiner in zip(stage.results, maps, combiner_names(_attrs(stage)), strict=True):
            if value not in given or len(axes) != _rank_of(root):
                continue
            if combiner or number < last or places - {axes} or sorted(axes) != list(range(_rank(stage))):
                return False
            written = True
    return written


def _attrs(stage: Operation) -> GenericAttrs:
    assert isinstance(stage.attrs, GenericAttrs)
    return stage.attrs


def _rank(stage: Operation) -> int:
    """How many axes a stage iterates over; so many extents come before its tensors."""
    return _attrs(stage).rank


def _maps(stage: Operation) -> tuple[tuple[int, ...], ...]:
    return _attrs(stage).maps


def _rank_of(value: Value) -> int:
    assert isinstance(value.type, TensorType)
    return value.type.rank
