"""Forms of call and of results as the native entry reads them (`codegen_llvm/entry_tree.ll`), so that a call
with containers, names or Python numbers runs no Python code once it is known.

What the entry leaves to Python: dataclasses and registered classes, keys that are no text, leaves that are no
plain arrays and numbers, static arguments that are equal but another object.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from tensorc.api import pytree
from tensorc.api.jit_call import Binder, Kind
from tensorc.codegen_llvm.abi import Node, Words

DEEPEST: Final = 64
MOST_LEAVES: Final = 4096
"""Deeper and larger ones would need more of the stack than a call should take."""


def lasts(static: Any) -> bool:
    """Whether a static argument is likely to be the same object in the next call."""
    kind = type(static)
    if kind is int:
        return static in range(-5, 257)  # CPython makes these once
    return kind is str or kind is bool or static is None or callable(static)


class _Unfit(Exception):
    """Something the entry does not take apart."""


class _Mark:
    """Stands for a leaf while it is found out which place it has."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


def form_of_call(
    binder: Binder, args: tuple[Any, ...], kwargs: dict[str, Any], kinds: Sequence[Kind]
) -> Words | None:
    """The form of calls like this one, whose leaves are of these kinds; None if the entry cannot take them
    apart.
    """
    if len(kinds) > MOST_LEAVES:
        return None
    given = [*args, *kwargs.values()]
    fixed = [i in binder.positions for i in range(len(args))] + [name in binder.names for name in kwargs]
    form = _Form(kinds)
    form.words += [len(kinds), len(args), len(kwargs), *(form.hold(sys.intern(name)) for name in kwargs)]
    try:
        trees = [None if static else _checked(value) for value, static in zip(given, fixed, strict=True)]
        form.places = _places(binder, args, kwargs, trees)
        for value, tree in zip(given, trees, strict=True):
            if tree is None:
                form.words += [Node.STATIC, form.hold(value)]
            else:
                form.leaves = iter(tree[0])
                form.node(iter(tree[1]))
    except _Unfit:
        return None
    return Words(tuple(form.words), tuple(form.holds))


def _checked(value: Any) -> tuple[list[Any], pytree.Structure]:
    """A value taken apart. Raises _Unfit where a container's own code would have to run."""
    leaves, structure = pytree.flatten(value)
    for token in structure:
        if token is not pytree.LEAF and not _is_known(token[0]):
            raise _Unfit
    return leaves, structure


def _is_known(kind: type) -> bool:
    return kind in (tuple, list, dict, type(None)) or (issubclass(kind, tuple) and hasattr(kind, "_fields"))


def _places(
    binder: Binder, args: tuple[Any, ...], kwargs: dict[str, Any], trees: Sequence[Any]
) -> Iterator[int]:
    """Of each leaf, in the order of the call as it was written, the place among those of the bound call."""
    marked: list[Any] = []
    count = 0
    for value, tree in zip([*args, *kwargs.values()], trees, strict=True):
        if tree is None:
            marked.append(value)
            continue
        leaves, structure = tree
        marked.append(pytree.unflatten(structure, [_Mark(count + i) for i in range(len(leaves))]))
        count += len(leaves)
    positional = len(args)
    bound = binder.bind(tuple(marked[:positional]), dict(zip(kwargs, marked[positional:], strict=True)))
    places = {mark.number: place for place, mark in enumerate(bound.leaves)}
    return iter([places[number] for number in range(count)])


class _Form:
    """The words of a form, written in preorder."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self.kinds = kinds
        self.words: list[int] = []
        self.holds: list[object] = []
        self.places: Iterator[int] = iter(())
        self.leaves: Iterator[Any] = iter(())

    def hold(self, thing: object) -> int:
        """The address of an object that lives as long as the words."""
        self.holds.append(thing)
        return id(thing)

    def node(self, tokens: Iterator[Any], depth: int = 0) -> None:
        """The next container or leaf, with all that is in it."""
        token = next(tokens)
        if token is pytree.LEAF:
            self._leaf(next(self.leaves), next(self.places))
            return
        kind, count, rest = token
        if depth > DEEPEST:
            raise _Unfit
        if kind is type(None):
            self.words.append(Node.NONE)
        elif kind is list:
            self.words += [Node.LIST, count]
        elif kind is dict:
            self.words += [Node.DICT, count]
        else:
            self.words += [Node.TUPLE, self.hold(kind), count]
        keys = rest.ordered if kind is dict else (None,) * count
        for key in keys:
            if key is not None:
                self.words.append(self.hold(_text(key.value)))
            self.node(tokens, depth + 1)

    def _leaf(self, leaf: Any, place: int) -> None:
        kind = self.kinds[place]
        if type(leaf) is np.ndarray and leaf.dtype is kind.dtype:
            self.words += [Node.ARRAY, place, self.hold(kind.dtype), kind.rank]
        elif type(leaf) is float or type(leaf) is bool:
            self.words += [Node.NUMBER, place, id(type(leaf))]
        elif type(leaf) is int and -(2**63) <= leaf < 2**63:
            self.words += [Node.INT, place]
        else:
            raise _Unfit


def _text(key: Any) -> str:
    """A key that is compared and hashed without running Python code."""
    if type(key) is not str:
        raise _Unfit
    return key


def tree_of_results(structure: pytree.Structure) -> Words | None:
    """The nodes of a result's containers; None if the entry cannot build them."""
    words: list[int] = []
    holds: list[object] = []
    try:
        _result(iter(structure), iter(range(len(structure))), words, holds, 0)
    except _Unfit:
        return None
    return Words(tuple(words), tuple(holds))


def _result(
    tokens: Iterator[Any], outputs: Iterator[int], words: list[int], holds: list[object], depth: int
) -> None:
    token = next(tokens)
    if token is pytree.LEAF:
        words += [Node.ARRAY, next(outputs)]
        return
    kind, count, rest = token
    if depth > DEEPEST or kind not in (tuple, list, dict, type(None)):
        raise _Unfit
    if kind is type(None):
        words.append(Node.NONE)
        return
    words += [{tuple: Node.TUPLE, list: Node.LIST, dict: Node.DICT}[kind], count]
    children: list[list[int]] = []
    for _ in range(count):
        child: list[int] = []
        _result(tokens, outputs, child, holds, depth + 1)
        children.append(child)
    pairs = rest.restore(children) if kind is dict else [(None, child) for child in children]
    for key, child in pairs:
        if kind is dict:
            holds.append(_text(key))
            words.append(id(key))
        words += child
