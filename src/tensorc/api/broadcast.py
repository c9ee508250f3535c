"""Broadcasting, decided by code: explicit `broadcast_to` ops whose extents are values of the program.

Where extents are unknown the check happens at run time, at the user's line; no function is recompiled for a
new size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tensorc.api import advice
from tensorc.api.expr import Expr, apply, make
from tensorc.ir.definition import NO_ATTRS
from tensorc.ir.errors import TensorcValueError
from tensorc.ir.location import Location, NamedLocation, caller_location
from tensorc.ops.attrs import ShapeAttrs
from tensorc.ops.index import BroadcastExtents
from tensorc.ops.views import BroadcastTo

Extents = tuple[Any, ...]
MOST_MERGED = 64
"""How many merges of extents are looked through for one that was merged in before."""


def same_extent(a: Any, b: Any) -> bool:
    """Whether two extents (int or index expression) are known to be equal."""
    return a is b or (isinstance(a, int) and isinstance(b, int) and a == b)


def broadcast_extents(
    shapes: Sequence[Extents], describe: Sequence[Any] = (), what: str = "broadcast"
) -> Extents:
    """The extents that operands of these extents have together, aligned at the right as NumPy does."""
    rank = max((len(s) for s in shapes), default=0)
    columns = [[s[axis - rank + len(s)] for s in shapes if axis - rank + len(s) >= 0] for axis in range(rank)]
    return tuple([_merge(column, describe, what) for column in columns])


def _merge(column: Sequence[Any], describe: Sequence[Any], what: str) -> Any:
    static = {e for e in column if isinstance(e, int) and e != 1}
    if len(static) > 1:
        first, second = sorted(static)[:2]
        raise TensorcValueError(
            f"{what}: shapes do not fit together, extents {first} and {second} meet "
            f"({advice.listed(describe)})",
            code="TC0310",
            location=caller_location(),
            help=(
                "shapes are lined up at the right, and extents that meet must be equal or 1; add an axis "
                "where one is missing: x[:, None], x[None, :]"
            ),
        )
    if static:
        return static.pop()
    dynamic: list[Expr] = []
    for extent in column:
        if isinstance(extent, Expr) and not any(extent is d for d in dynamic):
            dynamic.append(extent)
    if not dynamic:
        return 1
    if len(dynamic) == 1:
        return dynamic[0]
    sources = {extent: _sources(extent) for extent in dynamic}
    merged = max(dynamic, key=lambda extent: len(sources[extent][0]))
    known = sources[merged][0]
    for extent in dynamic:
        found, complete = sources[extent]
        if extent is not merged and not (complete and found <= known):
            merged = make(BroadcastExtents, (merged, extent), NO_ATTRS, _named(what, describe))[0]
            known = known | found
    return merged


def _named(what: str, operands: Sequence[Any]) -> Location:
    """The caller's line, and for messages what was broadcast: `add(x: tensor<?xf64>, y: tensor<?xf64>)`."""
    types = ", ".join(f"{o.name}: {o.type}" if o.name else str(o.type) for o in operands)
    return NamedLocation(f"{what}({types})", caller_location())


def _sources(extent: Expr) -> tuple[frozenset[Expr], bool]:
    """The extents that were merged into this one, and whether these are all of them: few are looked at, so
    that long chains take time in proportion. Merging one in again changes nothing.
    """
    found: set[Expr] = set()
    seen: set[Expr] = set()
    todo = [extent]
    while todo and len(seen) < MOST_MERGED:
        current = todo.pop()
        if current in seen:
            continue
        seen.add(current)
        if current.node is not None and current.node.definition is BroadcastExtents:
            todo.extend(reversed(current.node.operands))
        else:
            found.add(current)
    return frozenset(found), not todo


def broadcast_to(x: Any, extents: Extents) -> Any:
    """`x` with the given extents; `x` itself when it has them already."""
    if len(x.extents) == len(extents) and all(map(same_extent, x.extents, extents)):
        return x
    shape = tuple(e if isinstance(e, int) else -1 for e in extents)
    dynamic = [e for e in extents if isinstance(e, Expr)]
    return apply(BroadcastTo, x, *dynamic, attrs=ShapeAttrs(shape))


def broadcast_together(operands: Sequence[Any], what: str) -> list[Any]:
    """The operands, each with the extents they have together."""
    extents = broadcast_extents([o.extents for o in operands], operands, what)
    return [broadcast_to(o, extents) for o in operands]
