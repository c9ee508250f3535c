"""Matrix products at the head of kernels: what reads a product, element by element or row by row, is computed
for each block of it while the block is in the cache.

A group has one product at most. Its result has all axes of the group; reductions may combine the last one.
What the product reads is made before: no member computes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tensorc.ir.core import Operation, Value
from tensorc.ir.types import FloatType
from tensorc.ops.index import shaped
from tensorc.ops.linalg import Matmul
from tensorc.passes.fuse_refs import UNIT

if TYPE_CHECKING:
    from tensorc.passes.fuse_groups import Group, Grouping, Use


def is_product(op: Operation) -> bool:
    """Whether `op` is a product that kernels can begin with."""
    return op.isa(Matmul) and isinstance(shaped(op.result).element, FloatType)


def join(grouping: Grouping, op: Operation, readers: Sequence[Use]) -> bool:
    """Make a product a member of the group that reads it, if one group does, and nothing else."""
    if not is_product(op) or not readers or any(is_product(use.op) for use in readers):
        return False
    group = _only_group(grouping, op, readers)
    if group is None or group.product is not None or len(group.members) >= grouping.max_ops:
        return False
    places = {grouping.read_place(group, use) for use in readers}
    if len(places) != 1:
        return False
    (place,) = places
    extents = grouping.extents.of(op.result)
    if any(isinstance(e, Value) and grouping.extents.is_late(e) for e in extents):
        return False
    if not grouping.extents_fit(op, place, group):
        return False
    group.product, group.place[op.result] = op, place
    if not fits(group):
        group.product = None
        del group.place[op.result]
        return False
    grouping.enter(op, group, place)
    return True


def _only_group(grouping: Grouping, op: Operation, readers: Sequence[Use]) -> Group | None:
    """The group that all readers belong to, after those that can have become one."""
    if any(len(grouping.groups_of(reader)) != 1 for reader in grouping.refs.readers(op)):
        return None
    groups = list(dict.fromkeys(grouping.groups_of(use.op)[0] for use in readers))
    return groups[0] if len(groups) == 1 else grouping.merged(op, groups, readers)


def fits(group: Group) -> bool:
    """Whether a group's product, if it has one, has all axes, each once, and all rows are along its last."""
    if group.product is None:
        return True
    place = group.place[group.product.result]
    everything, outer = set(range(len(group.axes))), set(group.outer)
    if len(place) != len(everything) or set(place) != everything:
        return False
    if group.inner is not None and group.inner != frozenset(place[-1:]):
        return False
    return all({p for p in other if p != UNIT} in (everything, outer) for other in group.place.values())
