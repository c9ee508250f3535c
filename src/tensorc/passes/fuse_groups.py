"""Which ops share a kernel.

Ops are visited from the last to the first; a producer joins its consumers' group. Every group and every op
outside groups has a height, larger than the heights of all other groups and ops that read its results: so
groups never depend on each other in a circle, and heights in descending order are an order of execution.
Groups of equal height can be merged.

A group has kernel axes; `inner` are the axes its reductions combine. A value's place gives the kernel axis of
each of its axes (-1: extent 1). A value in a group has all kernel axes ("full") or exactly the outer ones
("row").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tensorc.ir.core import Operation, Value
from tensorc.ir.types import TensorType
from tensorc.ops.families import Pointwise, Reduction, axes_of
from tensorc.passes.extents import Extent, Extents
from tensorc.passes.fuse_refs import UNIT, Map, Refs


@dataclass(eq=False)
class Group:
    height: int
    axes: list[Extent]
    inner: frozenset[int] | None = None
    members: list[Operation] = field(default_factory=list)  # last first
    place: dict[Value, Map] = field(default_factory=dict)
    operand_place: dict[Operation, Map] = field(default_factory=dict)
    """Of a reduction: the place of its operand's axes."""

    @property
    def outer(self) -> list[int]:
        return [a for a in range(len(self.axes)) if self.inner is None or a not in self.inner]


@dataclass(frozen=True)
class Use:
    """A read of a root by `op`, through a map."""

    op: Operation
    map: Map


def is_pointwise(op: Operation) -> bool:
    return op.definition is not None and issubclass(op.definition, Pointwise)


def is_reduction(op: Operation) -> bool:
    return op.definition is not None and issubclass(op.definition, Reduction)


class Grouping:
    """Groups the fusible ops of one segment of a function."""

    def __init__(self, extents: Extents, refs: Refs, max_ops: int) -> None:
        self.extents = extents
        self.refs = refs
        self.max_ops = max_ops
        self.group: dict[Operation, Group] = {}
        self.height: dict[Operation, int] = {}
        self.uses: dict[Value, list[Use]] = {}
        self._from_reduction: set[Value] = set()
        self._moved: dict[Group, Group] = {}

    def run(self, ops: Sequence[Operation], fusible: set[Operation], views: set[Operation]) -> None:
        """`ops` in order; `views` among them are read through, so they count as neither readers nor results.
        """
        for op in ops:
            if op not in views:
                for operand in op.operands:
                    self._note(op, operand)
            if op in fusible:
                self._mark(op)
        for op in reversed(ops):
            if op in views:
                continue
            readers = [use for r in op.results for use in self.uses.get(r, ())]
            if op in fusible and readers_or_escapes(op, readers):
                self._place(op, readers)
            else:
                self.height[op] = max((self._height(use.op) + 1 for use in readers), default=0)

    def groups(self) -> list[Group]:
        return list(dict.fromkeys(self.find(g) for g in self.group.values()))

    def find(self, group: Group) -> Group:
        """The group that a merged group became part of."""
        root = group
        while root in self._moved:
            root = self._moved[root]
        while group is not root:
            self._moved[group], group = root, self._moved[group]
        return root

    def _note(self, op: Operation, operand: Value) -> None:
        if isinstance(operand.type, TensorType):
            ref = self.refs.of(operand)
            self.uses.setdefault(ref.root, []).append(Use(op, ref.map))
        else:
            self.uses.setdefault(operand, []).append(Use(op, ()))

    def _mark(self, op: Operation) -> None:
        """Values that a reduction made, or pointwise ops of the same shape on them."""
        shape = self.extents.of(op.result)
        roots = (self.refs.of(v).root for v in op.operands)
        if is_reduction(op) or any(r in self._from_reduction and self.extents.of(r) == shape for r in roots):
            self._from_reduction.add(op.result)

    def _height(self, op: Operation) -> int:
        group = self.group.get(op)
        return self.height[op] if group is None else self.find(group).height

    # joining

    def _place(self, op: Operation, readers: Sequence[Use]) -> None:
        """Put `op` into its readers' group if it fits there, else into a new one."""
        top = max((self._height(use.op) for use in readers), default=0)
        highest = [use for use in readers if self._height(use.op) == top]
        groups = list(dict.fromkeys(self.find(self.group[u.op]) for u in highest if u.op in self.group))
        if groups and all(u.op in self.group for u in highest):
            target = self._merged(op, groups, highest)
            if target is not None and self._join(op, target, [u for u in readers if self._in(u, target)]):
                return
        below = max((self._height(use.op) + 1 for use in readers), default=0)
        self._start(op, below)

    def _in(self, use: Use, group: Group) -> bool:
        found = self.group.get(use.op)
        return found is not None and self.find(found) is group

    def _start(self, op: Operation, height: int) -> None:
        shape = self.extents.of(op.operands[0] if is_reduction(op) else op.result)
        axes = [e for e in shape if e != 1]
        group = Group(height, list(axes))
        numbers = iter(range(len(axes)))
        place = tuple(UNIT if e == 1 else next(numbers) for e in shape)
        if is_reduction(op):
            reduced = axes_of(op.attrs)
            group.inner = frozenset(place[a] for a in reduced if place[a] != UNIT)
            group.operand_place[op] = place
            place = tuple(p for a, p in enumerate(place) if a not in reduced)
        self._enter(op, group, place)

    def _enter(self, op: Operation, group: Group, place: Map) -> None:
        group.members.append(op)
        group.place[op.result] = place
        self.group[op] = group

    def _read_place(self, group: Group, use: Use) -> Map:
        """The place of a root as one member reads it."""
        seen = group.operand_place[use.op] if is_reduction(use.op) else group.place[use.op.result]
        return tuple(UNIT if a == UNIT else seen[a] for a in use.map)

    def _join(self, op: Operation, group: Group, readers: Sequence[Use]) -> bool:
        places = {self._read_place(group, use) for use in readers}
        if len(places) != 1 or len(group.members) >= self.max_ops:
            return False
        (place,) = places
        moving = [p for p in place if p != UNIT]
        if len(set(moving)) != len(moving) or not self._extents_fit(op, place, group):
            return False
        if is_reduction(op):
            return self._join_reduction(op, group, place)
        full, row = set(moving) == set(range(len(group.axes))), sorted(moving) == group.outer
        if not full and not row and group.inner is None and op.result in self._from_reduction:
            group.inner = frozenset(range(len(group.axes))) - set(moving)
            if not self._consistent(group):
                group.inner = None
                return False
            row = True
        if not (full or row):
            return False
        self._enter(op, group, place)
        return True

    def _extents_fit(self, op: Operation, place: Map, group: Group) -> bool:
        shape = self.extents.of(op.result)
        return all(e == (1 if p == UNIT else group.axes[p]) for e, p in zip(shape, place, strict=True))

    def _consistent(self, group: Group) -> bool:
        """Every value is full or row."""
        everything, outer = set(range(len(group.axes))), set(group.outer)
        return all({p for p in place if p != UNIT} in (everything, outer) for place in group.place.values())

    def _join_reduction(self, op: Operation, group: Group, place: Map) -> bool:
        """The kept axes are placed; the reduced ones become, or match, the inner axes."""
        shape, reduced = self.extents.of(op.operands[0]), axes_of(op.attrs)
        wanted = [shape[a] for a in reduced if shape[a] != 1]
        used = {p for p in place if p != UNIT}
        before = list(group.axes), group.inner
        if group.inner is None and used == set(range(len(group.axes))):
            group.inner = frozenset(range(len(group.axes), len(group.axes) + len(wanted)))
            group.axes += wanted
        elif group.inner is None:
            group.inner = frozenset(range(len(group.axes))) - used
        inner = sorted(group.inner)
        fits = bool(inner) and used == set(group.outer) and [group.axes[a] for a in inner] == wanted
        if not fits or not self._consistent(group):
            group.axes, group.inner = before
            return False
        kept, left = iter(place), iter(inner)
        group.operand_place[op] = tuple(
            (UNIT if shape[a] == 1 else next(left)) if a in reduced else next(kept) for a in range(len(shape))
        )
        self._enter(op, group, place)
        return True

    # merging

    def _merged(self, op: Operation, groups: list[Group], readers: Sequence[Use]) -> Group | None:
        """One group out of the groups that read `op`, or None."""
        target = groups[0]
        for other in groups[1:]:
            pairs: dict[int, int] = {}
            ours = {self._read_place(target, u) for u in readers if self._in(u, target)}
            theirs = {self._read_place(other, u) for u in readers if self._in(u, other)}
            if len(ours) != 1 or len(theirs) != 1:
                return None
            for mine, its in zip(ours.pop(), theirs.pop(), strict=True):
                if (mine == UNIT) != (its == UNIT) or pairs.get(its, mine) != mine:
                    return None
                if its != UNIT:
                    pairs[its] = mine
            if not self.merge(target, other, pairs):
                return None
        return target

    def merge(self, target: Group, other: Group, pairs: dict[int, int]) -> bool:
        """Make `other` part of `target`, where `pairs` gives some of its axes as axes of `target`."""
        if target.height != other.height or len(target.members) + len(other.members) > self.max_ops:
            return False
        moved = self._complete(target, other, pairs)
        if moved is None:
            return False
        inner = target.inner
        if other.inner is not None:
            theirs = frozenset(moved[a] for a in other.inner)
            if inner is not None and inner != theirs:
                return False
            inner = theirs
        places = {v: tuple(UNIT if p == UNIT else moved[p] for p in at) for v, at in other.place.items()}
        trial = Group(target.height, target.axes, inner, place={**target.place, **places})
        if not self._consistent(trial):
            return False
        target.inner, target.place = inner, trial.place
        for reduction, at in other.operand_place.items():
            target.operand_place[reduction] = tuple(UNIT if p == UNIT else moved[p] for p in at)
        target.members += other.members
        self._moved[other] = target
        return True

    def _complete(self, target: Group, other: Group, pairs: dict[int, int]) -> dict[int, int] | None:
        """A place in `target` for every axis of `other`: by `pairs`, the rest in order by extent."""
        if len(set(pairs.values())) != len(pairs):
            return None
        if any(other.axes[a] != target.axes[b] for a, b in pairs.items()):
            return None
        rest = [a for a in range(len(other.axes)) if a not in pairs]
        free = [b for b in range(len(target.axes)) if b not in pairs.values()]
        if rest and [other.axes[a] for a in rest] != [target.axes[b] for b in free]:
            return None
        return pairs | dict(zip(rest, free, strict=False))


def readers_or_escapes(op: Operation, readers: Sequence[Use]) -> bool:
    """Whether anything uses the op's results, here or in a later part of the function."""
    return bool(readers) or any(r.has_uses for r in op.results)
