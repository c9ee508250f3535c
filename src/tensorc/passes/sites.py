"""Sites: the places of a function that can fail at run time, numbered from 1 in the op attribute
`tensorc.site`.

A site is numbered once, on the tensor level (`check-shapes`), and keeps its number, kind, op, types and
location on the loop-level store that records the fault, so that `collect` works on the module at every level.
`@f` and `@f_shapes` share numbers.

The error cell is `[site, a, b, axis]`: `a` and `b` as `ops/faults.py` words them for the kind. A site that
depends on data records its first fault in row-major order of the indices; the first site in program order
wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tensorc.ir.attributes import ArrayAttr, Attribute, IntegerAttr, StringAttr, TypeAttr
from tensorc.ir.core import Operation, Value
from tensorc.ir.errors import TensorcError
from tensorc.ir.location import Location, NamedLocation
from tensorc.ir.types import TensorType, Type
from tensorc.ops.faults import fault
from tensorc.ops.index import BroadcastExtents

SITE = "tensorc.site"
FIRST = "tensorc.first_site"
"""Function attribute: the number of its first site, 1 if absent."""
_KIND, _OP, _TYPES, _AXIS = "tensorc.kind", "tensorc.op", "tensorc.types", "tensorc.axis"
SITE_ATTRIBUTES = (SITE, _KIND, _OP, _TYPES, _AXIS)
UPDATES = "tensorc.updates"
"""Function attribute, there if the native entry is to call the function: for every update of a cell, the
number of the argument that is the cell, and of the result that is its new value.
"""
MUTABLE = "tensorc.mutable"
"""Function attribute: the numbers of the arguments whose memory a call may overwrite, if it succeeds."""
NOTE_SURE = 1
"""Bit of the word that the shape function of such a function writes after the extents: the body writes
nothing into its outputs before it is certain of success, unless memory runs out or a signal handler raises.
Behind this word there is one for every output.
"""
NOTE_CLAIMS = -1 << 63
"""Bit of that word: the body claims outputs (`passes/claims.py`). The words behind it are, for each of these,
the number of the argument over which it is written, and -1 for the others.
"""


@dataclass(frozen=True)
class Site:
    """One numbered check: its kind (a row of `ops.faults.FAULTS`), the op that asked for it, the axis (-1:
    none), operand types, location.
    """

    number: int
    kind: str
    op: str
    axis: int
    types: tuple[Type, ...]
    location: Location

    def error(self, a: int, b: int, axis: int = -1) -> TensorcError:
        """The error of a failed check, from the values of the error cell."""
        name, operands = self.op, ", ".join(str(t) for t in self.types if isinstance(t, TensorType))
        if self.op == BroadcastExtents.name and isinstance(self.location, NamedLocation):
            name = self.location.name.partition("(")[0]  # who broadcast the extents: `add(tensor<?xf64>, …)`
        error = fault(self.kind, name, a, b, axis if axis >= 0 else self.axis).at(self.location)
        if operands:
            error.notes = (f"operands: {operands}",)
        return error


def collect(module: Operation) -> list[Site]:
    """All sites of a module, by number."""
    found: dict[int, Site] = {}
    for op in module.walk():
        number = op.attributes.get(SITE)
        if isinstance(number, IntegerAttr) and number.value not in found:
            found[number.value] = _site(number.value, op)
    return [found[number] for number in sorted(found)]


def _site(number: int, op: Operation) -> Site:
    kind, name, types = (op.attributes.get(key) for key in (_KIND, _OP, _TYPES))
    axis = op.attributes.get(_AXIS)
    return Site(
        number,
        kind.value if isinstance(kind, StringAttr) else "",
        name.value if isinstance(name, StringAttr) else op.name,
        axis.value if isinstance(axis, IntegerAttr) else -1,
        tuple(t.value for t in types if isinstance(t, TypeAttr)) if isinstance(types, ArrayAttr) else (),
        op.location,
    )


def describe(kind: str, op: Operation, axis: int = -1) -> dict[str, Attribute]:
    """The discardable attributes of a site, but for its number."""
    types = ArrayAttr(tuple(TypeAttr(v.type) for v in _shown(op)))
    return {_KIND: StringAttr(kind), _OP: StringAttr(op.name), _TYPES: types, _AXIS: IntegerAttr(axis)}


def _shown(op: Operation) -> list[Value]:
    return list(op.operands)[:8]


def of(op: Operation) -> Mapping[str, Attribute]:
    """The site attributes an op carries, to be put on what it is lowered to."""
    return {key: op.attributes[key] for key in SITE_ATTRIBUTES if key in op.attributes}


def number_of(op: Operation) -> int:
    attribute = op.attributes[SITE]
    assert isinstance(attribute, IntegerAttr)
    return attribute.value


def axis_of(op: Operation) -> int:
    """The axis a site is about, -1 for none."""
    attribute = op.attributes.get(_AXIS)
    return attribute.value if isinstance(attribute, IntegerAttr) else -1
