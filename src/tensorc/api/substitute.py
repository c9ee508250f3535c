"""Expressions with some of their parts replaced: what `givens` and `f.copy(swap=)` mean.

Nodes above a replaced part are built again, at the location they had, so that types follow; everything else
stays the very object it was. Nothing is recursive on the depth of a graph or of a chain of replacements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tensorc.api.expr import BUILDER, Expr, Node, make
from tensorc.ir.errors import TensorcValueError
from tensorc.ops import index as ix
from tensorc.ops.index import FromIndex

Key = tuple[int, int]
Extent = Any
"""An int, or an expression of type `index`."""


def key_of(expr: Expr) -> Key:
    """What identifies a value: `a == b` makes two objects of one result, `x.shape[0]` a node each time."""
    if expr.node is None:
        return id(expr), -1
    if expr.node.definition is FromIndex:
        place, index = key_of(expr.node.operands[0])
        return place, -2 - index
    return id(expr.node), expr.index


class Substitution:
    """Replaces expressions by others.

    A replacement may contain other replaced expressions, in any order; where it contains what it replaces,
    the original is meant, so that `{h: tc.clip(h, 0, 1)}` clips `h` wherever it is used. With `chained` False
    replacements are final, which is how two leaves change places.

    `aliases` belong to an entry: an extent that stands for an extent of the replacement, outside of the
    replacement itself. Raises TensorcValueError when replacements contain each other in a circle.
    """

    def __init__(self, replaced: Mapping[Expr, Expr], chained: bool = True) -> None:
        self._chained = chained
        self._values: dict[Key, Expr] = {}
        self._owner: dict[Key, Key] = {}
        self._groups: dict[Key, dict[Key, Expr]] = {}
        self._known: dict[tuple[Key | None, Key], Expr] = {}
        self._entered: dict[Key, None] = {}
        self._contexts: dict[Key, Key | None] = {}
        self._held: list[Expr] = []  # keys are addresses: what they are of must live as long
        for old, new in replaced.items():
            self._enter(key_of(old), old, new)

    def alias(self, entry: Expr, old: Expr, new: Extent) -> None:
        """The extent `old` of the replaced expression `entry` becomes `new`, unless it stands for another
        already.
        """
        if key_of(old) not in self._values:
            self._enter(key_of(entry), old, ix.value(BUILDER, new))

    def _enter(self, owner: Key, old: Expr, new: Expr) -> None:
        key = key_of(old)
        self._values[key], self._owner[key] = new, owner
        self._groups.setdefault(owner, {})[key] = old

    def __call__(self, exprs: Sequence[Expr]) -> list[Expr]:
        """The expressions with every replacement made."""
        if not self._values:
            return list(exprs)
        for expr in exprs:
            self._held.append(expr)
            self._run(expr)
        return [self._known[None, key_of(e)] for e in exprs]

    def _run(self, root: Expr) -> None:
        """Depth first. `inside` is the owner whose replacement is being built: there it stands for itself."""
        stack: list[tuple[Expr, Key | None, bool]] = [(root, None, False)]
        while stack:
            expr, inside, ready = stack.pop()
            key = key_of(expr)
            if (inside, key) in self._known:
                continue
            replaced = key in self._values and self._owner[key] != inside
            if not replaced and expr.node is None:
                self._known[inside, key] = expr
                continue
            if not ready:
                stack.append((expr, inside, True))
                stack += self._needs(expr, inside, replaced)
            elif replaced:
                self._entered.pop(key, None)
                value = self._values[key]
                done = value if not self._chained else self._known[self._within(key), key_of(value)]
                self._known[inside, key] = self._known[None, key] = done
            else:
                assert expr.node is not None
                self._rebuild(expr, expr.node, inside)

    def _needs(self, expr: Expr, inside: Key | None, replaced: bool) -> list[tuple[Expr, Key | None, bool]]:
        if not replaced:
            assert expr.node is not None
            return [(operand, inside, False) for operand in reversed(expr.node.operands)]
        key = key_of(expr)
        if not self._chained:
            return []
        if key in self._entered:
            raise self._circle(key)
        self._entered[key] = None
        return [(self._values[key], self._within(key), False)]

    def _within(self, key: Key) -> Key | None:
        """The context of a replacement: its own if it contains what it replaces, else the common one."""
        if key not in self._contexts:
            owner = self._owner[key]
            self._contexts[key] = owner if self._reaches(self._values[key], owner) else None
        return self._contexts[key]

    def _reaches(self, root: Expr, owner: Key) -> bool:
        """Whether an expression contains what `owner` replaces, not counting what other replacements hide."""
        stack, seen = [root], set[Key]()
        while stack:
            expr = stack.pop()
            key = key_of(expr)
            if key in self._groups[owner]:
                return True
            if key not in seen and key not in self._values and expr.node is not None:
                stack.extend(expr.node.operands)
            seen.add(key)
        return False

    def _rebuild(self, expr: Expr, node: Node, inside: Key | None) -> None:
        operands = tuple([self._known[inside, key_of(e)] for e in node.operands])
        if all(new is old for new, old in zip(operands, node.operands, strict=True)):
            self._known[inside, key_of(expr)] = expr
            return
        results = make(node.definition, operands, node.attrs, node.location)
        for index, result in enumerate(results):
            self._known[inside, (id(node), index)] = result
        self._known[inside, key_of(expr)] = results[expr.index]

    def _circle(self, key: Key) -> TensorcValueError:
        keys = list(self._entered)
        circle = [self._groups[self._owner[k]][k] for k in [*keys[keys.index(key) :], key]]
        return TensorcValueError(
            f"function: givens replace each other in a circle: {' -> '.join(map(repr, circle))}",
            code="TC0453",
            help="give one of them a value that does not depend on the others, such as a new symbol",
        )
