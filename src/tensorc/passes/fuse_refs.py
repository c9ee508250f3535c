"""Where a tensor's elements come from: back through views whose index map is known, to the tensor that is
computed.

A map gives, per axis of the root, the axis of the viewing tensor that moves it, or -1 where the root's extent
is 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tensorc.ir.core import Operation, Value
from tensorc.ir.types import TensorType
from tensorc.ops.attrs import PermAttrs
from tensorc.ops.families import axes_of
from tensorc.ops.views import BroadcastTo, ExpandDims, Reshape, Squeeze, Transpose
from tensorc.passes.extents import Extent, Extents

Map = tuple[int, ...]
UNIT = -1


@dataclass(frozen=True)
class Ref:
    root: Value
    map: Map


class Refs:
    """References of all tensors of a function, built in order by `enter`."""

    def __init__(self, extents: Extents) -> None:
        self._extents = extents
        self._refs: dict[Value, Ref] = {}
        self._renamed: dict[Value, Value] = {}
        self._entered: set[Operation] = set()

    def of(self, value: Value) -> Ref:
        found = self._refs.get(value)
        if found is None:
            assert isinstance(value.type, TensorType)
            found = self._refs[value] = Ref(value, tuple(range(value.type.rank)))
        renamed = self._renamed.get(found.root)
        return found if renamed is None else Ref(renamed, found.map)

    def rename(self, old: Value, new: Value) -> None:
        """`new` stands for `old` from here on."""
        self._renamed[old] = new

    def enter(self, op: Operation) -> bool:
        """Whether `op` is a view with a known map; if so its result refers to what its operand refers to."""
        step = self._map(op)
        if step is None:
            return False
        self._entered.add(op)
        source = self.of(op.operands[0])
        self._refs[op.result] = Ref(source.root, tuple(UNIT if a == UNIT else step[a] for a in source.map))
        return True

    def is_entered(self, op: Operation) -> bool:
        """Whether `op` is a view that is read through."""
        return op in self._entered

    def readers(self, op: Operation) -> Iterator[Operation]:
        """The ops that read the result of `op`, be it through views."""
        todo: list[Value] = [op.result]
        while todo:
            for user in todo.pop().users:
                if user.results and self.is_entered(user):
                    todo.append(user.result)
                else:
                    yield user

    def _map(self, op: Operation) -> Map | None:
        """Per axis of a view's operand the axis of its result."""
        if op.isa(Transpose):
            attrs = op.attrs
            assert isinstance(attrs, PermAttrs)
            return tuple(attrs.perm.index(a) for a in range(len(attrs.perm)))
        if op.isa(ExpandDims):
            added = axes_of(op.attrs)
            return tuple(a for a in range(len(self._shape(op.result))) if a not in added)
        if op.isa(Squeeze):
            return _numbered(a not in axes_of(op.attrs) for a in range(len(self._shape(op.operands[0]))))
        if op.isa(BroadcastTo):
            return self._broadcast(self._shape(op.operands[0]), self._shape(op.result))
        if op.isa(Reshape):
            return _unit_axes(self._shape(op.operands[0]), self._shape(op.result))
        return None

    def _shape(self, value: Value) -> tuple[Extent, ...]:
        return self._extents.of(value)

    def _broadcast(self, source: Sequence[Extent], target: Sequence[Extent]) -> Map | None:
        lead = len(target) - len(source)
        found: list[int] = []
        for axis, extent in enumerate(source):
            if extent == target[lead + axis]:
                found.append(lead + axis)
            elif extent == 1:
                found.append(UNIT)
            else:
                return None  # 1 or equal, known at run time only
        return tuple(found)


def _numbered(kept: Iterable[bool]) -> Map:
    number = -1
    found = []
    for keep in kept:
        number += keep
        found.append(number if keep else UNIT)
    return tuple(found)


def _unit_axes(source: Sequence[Extent], target: Sequence[Extent]) -> Map | None:
    """A reshape that only adds or drops axes of extent 1."""
    places = [k for k, extent in enumerate(target) if extent != 1]
    if [e for e in source if e != 1] != [target[k] for k in places]:
        return None
    left = iter(places)
    return tuple(UNIT if extent == 1 else next(left) for extent in source)
