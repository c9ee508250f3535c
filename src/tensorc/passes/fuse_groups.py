"""Which ops share a kernel.

Ops are visited from the last to the first; a producer joins its consumers' group. Every group and every op
outside groups has a height, larger than the heights of all other groups and ops that read its results: so
groups never depend on each other in a circle, and heights in descending order are an order of execution.
Groups of equal height can be merged, and are if they read the same tensor in the same way: it is read once.
Groups of reductions only, whose results are small, are given another one's height for that, if what they read
is made before.

A cheap op whose readers lie in several groups is a member of each of them: to compute it again is less than
to store it and to read it back (`COPY_BELOW`, in the weights of `fuse_kernel.py`, for all that is computed
again on the way to a reader).

A group has kernel axes; `inner` are the axes its reductions combine. A value's place gives the kernel axis of
each of its axes (-1: extent 1). A value in a group has all kernel axes ("full") or exactly the outer ones
("row"). Beside reductions of rows a group may have reductions `across` them, of what it computes for the rows
anyway: their results have exactly the inner axes, and no member reads them. A group without such may begin
with a matrix product, whose result is full (`fuse_products.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from tensorc.ir.core import Operation, Value
from tensorc.ir.types import TensorType
from tensorc.ops.families import Pointwise, Reduction, axes_of
from tensorc.passes import fuse_products
from tensorc.passes.extents import Extent, Extents
from tensorc.passes.fuse_refs import UNIT, Map, Refs
from tensorc.passes.fuse_weights import weight_of
from tensorc.passes.lowering.space import is_short

COPY_BELOW: Final = 8
"""What may be computed again in every group that reads it."""
MOST_COPIES: Final = 4
MOST_TRIED: Final = 4
"""With how many groups another one that reads the same tensor is tried to be merged."""

@dataclass(eq=False)
class Group:
    height: int
    axes: list[Extent]
    inner: frozenset[int] | None = None
    members: list[Operation] = field(default_factory=list)  # last first
    place: dict[Value, Map] = field(default_factory=dict)
    operand_place: dict[Operation, Map] = field(default_factory=dict)
    """Of a reduction: the place of its operand's axes."""
    across: frozenset[Operation] = frozenset()
    """Reductions that combine the outer axes instead, beside the others; nothing in the group reads them."""
    product: Operation | None = None

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
        self.groups: dict[Operation, list[Group]] = {}
        """The groups an op is a member of; see `groups_of`."""
        self.height: dict[Operation, int] = {}
        self.uses: dict[Value, list[Use]] = {}
        self._from_reduction: set[Value] = set()
        self._moved: dict[Group, Group] = {}
        self._again: dict[Operation, int] = {}
        """Of ops computed in several groups: the weight of what is, from the op to a reader."""

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
            elif not fuse_products.join(self, op, readers):
                self.height[op] = max((self._height(use.op) + 1 for use in readers), default=0)

        self._merge_siblings()

    def groups_of(self, op: Operation) -> list[Group]:
        """The groups an op is a member of: none, one, or several that each compute it."""
        return list(dict.fromkeys(self.find(g) for g in self.groups.get(op, ())))

    def find(self, group: Group) -> Group:
        """The group that a merged group became part of."""
        root = group
        while root in self._moved:
            root = self._moved[root]
        while group is not root:
            self._moved[group], group = root, self._moved[group]
        return root

    def computes(self, reader: Operation, op: Operation) -> bool:
        """Whether `reader` lies in groups only that compute `op` themselves."""
        groups, own = self.groups_of(reader), self.groups_of(op)
        return bool(groups) and all(g in own for g in groups)

    def _note(self, op: Operation, operand: Value) -> None:
        if isinstance(operand.type, TensorType):
            ref = self.refs.of(operand)
            self.uses.setdefault(ref.root, []).append(Use(op, ref.map))
        else:
            self.uses.setdefault(operand, []).append(Use(op, ()))

    def _mark(self, op: Operation) -> None:
        """Values that a reduction made, or pointwise ops on them that have as many elements."""
        size = self._size(op.result)
        roots = (self.refs.of(v).root for v in op.operands)
        if is_reduction(op) or any(r in self._from_reduction and self._size(r) == size for r in roots):
            self._from_reduction.add(op.result)

    def _size(self, value: Value) -> list[Extent]:
        return [e for e in self.extents.of(value) if e != 1]

    def _height(self, op: Operation) -> int:
        groups = self.groups_of(op)
        return max((g.height for g in groups), default=0) if groups else self.height[op]

    # joining

    def _place(self, op: Operation, readers: Sequence[Use]) -> None:
        """Put `op` into its readers' group if it fits there, else into a new one."""
        top = max((self._height(use.op) for use in readers), default=0)
        highest = [use for use in readers if self._height(use.op) == top]
        groups = list(dict.fromkeys(g for u in highest for g in self.groups_of(u.op) if g.height == top))
        if groups and all(self.groups_of(u.op) for u in highest):
            target = self.merged(op, groups, highest)
            if target is not None:
                self._take_sums(op, target, readers)
            if target is not None and self._join(op, target, [u for u in readers if self._in(u, target)]):
                self._copy(op, [target], readers)
                return
            if target is None and (self._copy(op, [], readers) or self._ahead(op, groups, readers)):
                return
        elif groups and self._ahead(op, groups, readers):
            return
        below = max((self._height(use.op) + 1 for use in readers), default=0)
        self._start(op, below)

    def _copy(self, op: Operation, done: list[Group], readers: Sequence[Use]) -> bool:
        """Make `op` a member of all its readers' groups, if that is cheap; in `done` it is already."""
        groups = list(dict.fromkeys(g for use in readers for g in self.groups_of(use.op)))
        others = [g for g in groups if g not in done]
        if not others or len(groups) > MOST_COPIES or not is_pointwise(op):
            return False
        if not all(self.groups_of(reader) for reader in self.refs.readers(op)):
            return False
        weight = weight_of(op) + max((self._again.get(use.op, 0) for use in readers), default=0)
        if weight > COPY_BELOW:
            return False
        before = [copy(g) for g in others]
        for other in others:
            if not self._join(op, other, [u for u in readers if self._in(u, other)]):
                self._restore(op, others, before)
                return False
        self._again[op] = weight
        return True

    def _restore(self, op: Operation, groups: Sequence[Group], before: Sequence[Group]) -> None:
        """Take `op` out of groups again."""
        for group, old in zip(groups, before, strict=True):
            if op in group.members:
                group.members.remove(op)
                group.place.pop(op.result)
                group.operand_place.pop(op, None)
                group.axes, group.inner, group.across = old.axes, old.inner, old.across
                self.groups[op].remove(group)

    def _ahead(self, op: Operation, groups: Sequence[Group], readers: Sequence[Use]) -> bool:
        """Let one of the groups of the same height that read `op` compute it, before its other readers."""
        for group in groups:
            height = group.height + 1
            if not all(self._may_rise(group, v, height) for m in group.members for v in m.operands):
                continue
            if self._join(op, group, [u for u in readers if self._in(u, group)]):
                group.height = height
                return True
        return False

    def _take_sums(self, op: Operation, target: Group, readers: Sequence[Use]) -> None:
        """Make other groups that read `op` and have reductions only part of `target`, which comes before."""
        others = dict.fromkeys(g for use in readers for g in self.groups_of(use.op))
        early = (g for g in others if self._may_come_early(g, target.height))
        for group in list(islice(early, MOST_TRIED)):
            before, group.height = group.height, target.height
            if self.merged(op, [target, group], readers) is None:
                group.height = before

    def _may_come_early(self, group: Group, height: int) -> bool:
        """Whether a group has reductions only, and all that it reads is made before groups of `height`."""
        if group.height >= height or not self._only_sums(group):
            return False
        return all(self._may_rise(group, v, height) for m in group.members for v in m.operands)

    def _may_rise(self, group: Group, operand: Value, height: int) -> bool:
        """Whether what `group` reads as `operand` is made before groups of `height`."""
        owner = self.refs.of(operand).root.owner if isinstance(operand.type, TensorType) else operand.owner
        if owner is None or group in self.groups_of(owner):
            return True
        placed = bool(self.groups_of(owner)) or owner in self.height
        return not placed or self._height(owner) > height

    def _in(self, use: Use, group: Group) -> bool:
        return group in self.groups_of(use.op)

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
        self.enter(op, group, place)

    def enter(self, op: Operation, group: Group, place: Map) -> None:
        """Make `op` a member."""
        group.members.append(op)
        group.place[op.result] = place
        self.groups.setdefault(op, []).append(group)

    def read_place(self, group: Group, use: Use) -> Map:
        """The place of a root as one member reads it, who is no product."""
        seen = group.operand_place[use.op] if is_reduction(use.op) else group.place[use.op.result]
        return tuple(UNIT if a == UNIT else seen[a] for a in use.map)

    def _join(self, op: Operation, group: Group, readers: Sequence[Use]) -> bool:
        if any(fuse_products.is_product(use.op) for use in readers):
            return False  # which reads all of a row, and of a column
        places = {self.read_place(group, use) for use in readers}
        if len(places) != 1 or len(group.members) >= self.max_ops:
            return False
        (place,) = places
        moving = [p for p in place if p != UNIT]
        if len(set(moving)) != len(moving) or not self.extents_fit(op, place, group):
            return False
        before = group.inner, group.across
        if group.inner == frozenset(moving) and op.result in self._from_reduction:
            self._turn(group)
        join = self._join_reduction if is_reduction(op) else self._join_pointwise
        joined = join(op, group, place)
        if not joined and before[1] != group.across:
            group.inner, group.across = before
        return joined

    def _turn(self, group: Group) -> None:
        """Make reductions of columns reductions across rows, if there is nothing else with columns' axes."""
        rows = frozenset(group.outer)
        taken = group.across or group.product is not None
        if not rows or not group.inner or taken or not self._only_sums(group):
            return
        if _along(rows, group.axes, [*group.place.values(), *group.operand_place.values()]):
            group.inner, group.across = rows, frozenset(op for op in group.members if is_reduction(op))

    def _join_pointwise(self, op: Operation, group: Group, place: Map) -> bool:
        moving = [p for p in place if p != UNIT]
        full, row = set(moving) == set(range(len(group.axes))), sorted(moving) == group.outer
        if not full and not row and group.inner is None and op.result in self._from_reduction:
            group.inner = frozenset(range(len(group.axes))) - set(moving)
            if not self._consistent(group):
                group.inner = None
                return False
            row = True
        if not (full or row):
            return False
        self.enter(op, group, place)
        return True

    def extents_fit(self, op: Operation, place: Map, group: Group) -> bool:
        shape = self.extents.of(op.result)
        return all(e == (1 if p == UNIT else group.axes[p]) for e, p in zip(shape, place, strict=True))

    def _consistent(self, group: Group) -> bool:
        """Every value is full or row, but for results across."""
        if not fuse_products.fits(group):
            return False
        everything, outer = set(range(len(group.axes))), set(group.outer)
        return all(
            {p for p in place if p != UNIT} in (everything, outer) or value.owner in group.across
            for value, place in group.place.items()
        )

    def _join_reduction(self, op: Operation, group: Group, place: Map) -> bool:
        """The kept axes are placed; the reduced ones become, or match, the inner axes."""
        shape, reduced = self.extents.of(op.operands[0]), axes_of(op.attrs)
        wanted = [shape[a] for a in reduced if shape[a] != 1]
        used = {p for p in place if p != UNIT}
        before = list(group.axes), group.inner
        if group.inner is None and used == set(range(len(group.axes))):
            group.inner = frozenset(range(len(group.axes), len(group.axes) + len(wanted)))
            group.axes = [*group.axes, *wanted]
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
        self.enter(op, group, place)
        return True

    # merging

    def merged(self, op: Operation, groups: list[Group], readers: Sequence[Use]) -> Group | None:
        """One group out of the groups that read `op`, or None."""
        if any(fuse_products.is_product(use.op) for use in readers):
            return None
        target = groups[0]
        for other in groups[1:]:
            pairs: dict[int, int] = {}
            ours = {self.read_place(target, u) for u in readers if self._in(u, target)}
            theirs = {self.read_place(other, u) for u in readers if self._in(u, other)}
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
        places = {v: tuple(UNIT if p == UNIT else moved[p] for p in at) for v, at in other.place.items()}
        if any(target.place.get(v, at) != at for v, at in places.items()):
            return False  # computed in both, for different elements
        roles = self._roles(target, other, moved)
        if roles is None or (target.product is not None and other.product is not None):
            return False
        inner, across = roles
        trial = Group(target.height, target.axes, inner, place={**target.place, **places}, across=across)
        trial.product = target.product or other.product
        if not self._consistent(trial):
            return False
        target.inner, target.place, target.across = inner, trial.place, across
        target.product = trial.product
        for reduction, at in other.operand_place.items():
            target.operand_place[reduction] = tuple(UNIT if p == UNIT else moved[p] for p in at)
        target.members = list(dict.fromkeys([*target.members, *other.members]))
        self._moved[other] = target
        return True

    def _roles(
        self, target: Group, other: Group, moved: dict[int, int]
    ) -> tuple[frozenset[int] | None, frozenset[Operation]] | None:
        """The inner axes of a merged group, and its reductions across; None if neither group can be a part of
        the other.
        """
        theirs = None if other.inner is None else frozenset(moved[a] for a in other.inner)
        across = target.across | other.across
        if target.inner is None or theirs is None or target.inner == theirs:
            return (theirs if target.inner is None else target.inner), across
        if not theirs or not target.inner or theirs != frozenset(target.outer):
            return None
        maps = [*target.place.values(), *target.operand_place.values()]
        for at in (*other.place.values(), *other.operand_place.values()):
            maps.append(tuple(UNIT if p == UNIT else moved[p] for p in at))
        for inner, rows, columns in ((target.inner, target, other), (theirs, other, target)):
            if not columns.across and self._only_sums(columns) and _along(inner, target.axes, maps):
                return inner, rows.across | frozenset(op for op in columns.members if is_reduction(op))
        return None

    def _only_sums(self, group: Group) -> bool:
        """Whether all that a group's reductions make leaves the group, and nothing else has their axes."""
        full = set(range(len(group.axes)))
        made = [op for op in group.members if is_reduction(op)]
        if any(not is_reduction(op) and set(group.place[op.result]) - {UNIT} != full for op in group.members):
            return False
        return not any(self._in(use, group) for op in made for use in self.uses.get(op.result, ()))

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


    def _merge_siblings(self) -> None:
        """Merge groups of equal height that read all elements of a tensor in the same way."""
        seen: dict[tuple[int, Value], list[tuple[Group, Map]]] = {}
        for root, uses in self.uses.items():
            for use in uses:
                for group in () if fuse_products.is_product(use.op) else self.groups_of(use.op):
                    if root.owner is None or group not in self.groups_of(root.owner):
                        place = self.read_place(group, use)
                        seen.setdefault((group.height, root), []).append((group, place))
        for found in seen.values():
            kept: list[tuple[Group, Map]] = []
            for group, place in found:
                near = kept[-MOST_TRIED:]
                if not any(self._merge_pair(first, its, group, place) for first, its in near):
                    kept.append((group, place))
        self._merge_sums([(root, *found) for (_, root), all_ in seen.items() for found in all_])

    def _merge_sums(self, reads: Sequence[tuple[Value, Group, Map]]) -> None:
        """Merge groups that have reductions only with others that read the same tensor, and come before."""
        seen: dict[Value, list[tuple[Group, Map]]] = {}
        for root, group, place in reads:
            seen.setdefault(root, []).append((self.find(group), place))
        for found in seen.values():
            early = sorted(found, key=lambda x: -x[0].height)[:MOST_TRIED]
            for late, its in found:
                for group, place in early:
                    low, first = self.find(late), self.find(group)
                    if not self._may_come_early(low, first.height):
                        continue
                    before, low.height = low.height, first.height
                    if self._merge_pair(first, place, low, its):
                        break
                    low.height = before

    def _merge_pair(self, first: Group, place: Map, other: Group, its: Map) -> bool:
        """One group out of two that read a tensor at these places; whether they are one now."""
        first, other = self.find(first), self.find(other)
        moving = [p for p in place if p != UNIT]
        if first is other:
            return True
        if not len(first.axes) == len(other.axes) == len(moving) == len(set(moving)):
            return False
        if [p == UNIT for p in place] != [p == UNIT for p in its] or len(set(its) - {UNIT}) != len(moving):
            return False
        return self.merge(first, other, {i: m for m, i in zip(place, its, strict=True) if m != UNIT})


def _along(inner: frozenset[int], axes: Sequence[Extent], places: Sequence[Map]) -> bool:
    """Whether the last axes of all values that have all axes are inner ones, and not known to be short:
    memory is read along rows.
    """
    if is_short([axes[a] for a in inner]):
        return False
    moving = [[p for p in place if p != UNIT] for place in places]
    return all(place[-1] in inner for place in moving if len(place) == len(axes))


def readers_or_escapes(op: Operation, readers: Sequence[Use]) -> bool:
    """Whether anything uses the op's results, here or in a later part of the function."""
    return bool(readers) or any(r.has_uses for r in op.results)
