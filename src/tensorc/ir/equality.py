"""Structural equality: two operations are equal when their texts without locations are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tensorc.ir.attributes import ArrayAttr, Attribute, DenseResourceAttr, DictAttr
from tensorc.ir.core import Block, Operation, Region, Value


def equal(a: Operation, b: Operation) -> bool:
    """Same names, types, attributes, nesting and wiring. Values defined outside both must be identical;
    locations do not count.
    """
    return difference(a, b) is None


def difference(a: Operation, b: Operation) -> str | None:
    """The first difference in words, or None."""
    same: dict[Value, Value] = {}
    todo: list[tuple[Operation, Operation]] = [(a, b)]
    while todo:
        x, y = todo.pop()
        found = _operations(x, y, same) or _regions(x.regions, y.regions, same)
        if found is not None:
            return f"{x.name}: {found}"
        nested: list[tuple[Operation, Operation]] = []
        for r, s in zip(x.regions, y.regions, strict=True):
            for p, q in zip(r.blocks, s.blocks, strict=True):
                nested.extend(zip(p, q, strict=True))
        todo.extend(reversed(nested))
    return None


def _operations(x: Operation, y: Operation, same: dict[Value, Value]) -> str | None:
    if x.name != y.name:
        return f"the other operation is {y.name}"
    if len(x.operands) != len(y.operands) or any(
        same.get(v, v) is not w for v, w in zip(x.operands, y.operands, strict=True)
    ):
        return "operands differ"
    types = [v.type for v in x.results], [v.type for v in y.results]
    if types[0] != types[1]:
        return f"result types differ: {', '.join(map(str, types[0]))} and {', '.join(map(str, types[1]))}"
    if x.attributes.keys() != y.attributes.keys():
        return f"attributes differ: {sorted(x.attributes.keys() ^ y.attributes.keys())}"
    for name, value in x.attributes.items():
        if not same_attribute(value, y.attributes[name]):
            return f"attribute {name} differs"
    same.update(zip(x.results, y.results, strict=True))
    return None


def _regions(xs: Sequence[Region], ys: Sequence[Region], same: dict[Value, Value]) -> str | None:
    if len(xs) != len(ys) or any(len(r.blocks) != len(s.blocks) for r, s in zip(xs, ys, strict=True)):
        return "regions or blocks differ in number"
    for r, s in zip(xs, ys, strict=True):
        for p, q in zip(r.blocks, s.blocks, strict=True):
            if [v.type for v in p.args] != [v.type for v in q.args]:
                return "block arguments differ"
            if _length(p) != _length(q):
                return "blocks differ in length"
            same.update(zip(p.args, q.args, strict=True))
    return None


def _length(block: Block) -> int:
    return sum(1 for _ in block)


def same_attribute(a: Attribute, b: Attribute) -> bool:
    """Equality by content, that of large constants included (their own `==` is identity of the array)."""
    if isinstance(a, DenseResourceAttr) and isinstance(b, DenseResourceAttr):
        return a.type == b.type and (a.value is b.value or _same_bits(a.value, b.value))
    if isinstance(a, ArrayAttr) and isinstance(b, ArrayAttr):
        return len(a.elements) == len(b.elements) and all(map(same_attribute, a.elements, b.elements))
    if isinstance(a, DictAttr) and isinstance(b, DictAttr):
        return [k for k, _ in a.entries] == [k for k, _ in b.entries] and all(
            same_attribute(v, w) for (_, v), (_, w) in zip(a.entries, b.entries, strict=True)
        )
    return type(a) is type(b) and a == b


def _same_bits(a: npt.NDArray[np.generic], b: npt.NDArray[np.generic]) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
