"""In which order a straight-line function computes: what is finished is computed while its operands live.

Programs are traced from their outputs back, and fused where the last of what belongs together stands. So an
update that is computed from an activation and its gradient may stand far behind both, at the end of the
function, and all of them would live until then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tensorc.ir.builtin import Return
from tensorc.ir.core import Operation, Value
from tensorc.ir.types import TensorType
from tensorc.ops.index import Assume, Require
from tensorc.passes import sites
from tensorc.passes.buffers import in_place, is_view, roots_of

Sizes = Callable[[Value], Sequence[Value]]


def results_early(ops: Sequence[Operation], sizes: Sizes) -> list[Operation]:
    """The ops, with those that compute nothing but results of the function behind the last op that computes
    something for them, and the views that they need. They have the memory of the outputs, so no other value
    lives longer for that; but one that such an op could write over waits for the others that read that
    value. None passes a check, or may fail itself. `sizes`: the index values that the extents of a tensor
    are. Linear in the number of uses.
    """
    places = _Places({op: number for number, op in enumerate(ops)}, roots_of(ops), sizes)
    for op in ops:
        if op.isa(Require) or op.isa(Assume):
            places.last_check = places.of[op]
        elif is_view(op):
            places.earliest[op] = places.needed(op)
        else:
            if _only_gives(op):
                places.move(op)
            places.read(op)
    return sorted(ops, key=places.of.__getitem__)


def _only_gives(op: Operation) -> bool:
    """Whether an op computes tensors that are results, which no other op reads, and cannot fail."""
    if sites.SITE in op.attributes or not op.results:
        return False
    return all(
        isinstance(r.type, TensorType) and r.users and all(user.isa(Return) for user in r.users)
        for r in op.results
    )


@dataclass
class _Places:
    """`of`: behind which op, by its number, each op comes; `earliest`: that for views, which compute nothing,
    as far as operands decide; `last_read`: the place of the last op that reads a value.
    """

    of: dict[Operation, int]
    roots: dict[Value, Value]
    sizes: Sizes
    last_check: int = -1
    earliest: dict[Operation, int] = field(default_factory=dict)
    last_read: dict[Value, int] = field(default_factory=dict)

    def needed(self, op: Operation) -> int:
        """The place of the last op that computes something for `op`."""
        values = [*op.operands, *(n for r in op.results for n in self.sizes(r))]
        owners = [v.owner for v in values if v.owner in self.of]
        return max((self.earliest.get(o, self.of[o]) for o in owners if o is not None), default=-1)

    def read(self, op: Operation) -> None:
        for root in self._read_by(op):
            self.last_read[root] = max(self.of[op], self.last_read.get(root, -1))

    def move(self, op: Operation) -> None:
        """As far to the front as operands, the last check and other readers allow, with the views it
        reads.
        """
        mine = [r for r in self._read_by(op) if r.owner is not None and in_place(op, r, self.roots)]
        behind = max((self.last_read.get(r, -1) for r in mine), default=-1)
        self.of[op] = max(self.last_check, self.needed(op), behind)
        todo = [op]
        while todo:
            each = todo.pop()
            for owner in [v.owner for v in each.operands]:
                if owner in self.earliest and self.of[owner] > self.of[each]:
                    self.of[owner] = max(self.last_check, self.earliest[owner])
                    todo.append(owner)

    def _read_by(self, op: Operation) -> dict[Value, None]:
        return dict.fromkeys(self.roots[v] for v in op.operands if v in self.roots)
