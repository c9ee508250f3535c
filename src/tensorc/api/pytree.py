"""Pytrees: nested containers of arrays, as arguments and results of traced functions.

A tree is flattened to its leaves and a *structure*: a flat tuple of tokens in preorder, one for every
container and every leaf. Structures are hashable and compare equal exactly for trees of one form, and hashing
one does not recurse, however deep the tree is. Containers are lists, tuples, named tuples, dictionaries
(`dict`, `OrderedDict`, `defaultdict`), dataclasses, None (which holds nothing), and what
`register_pytree_node` was told of.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np

from tensorc.ir.errors import TensorcTypeError, TensorcValueError
from tensorc.ir.location import caller_location

LEAF: Final = "leaf"
DEEPEST: Final = 1000
"""Containers nested deeper are refused: nobody writes them, but a list that contains itself has no end."""

Token = Any
"""`LEAF`, or (type, number of children, what else is needed to build the container again)."""
Structure = tuple[Token, ...]
Flatten = Callable[[Any], tuple[Iterable[Any], Hashable]]
Unflatten = Callable[[Any, Sequence[Any]], Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Handler:
    """How a kind of container is taken apart and built: `flatten(tree)` gives children and a hashable rest,
    `unflatten(type, rest, children)` the container, `labels(rest, n)` how a user writes the way to each
    child.
    """

    flatten: Flatten
    unflatten: Callable[[type, Any, Sequence[Any]], Any]
    labels: Callable[[Any, int], Iterable[str]]


class StaticKey:
    """A Python value that is part of a structure: equal to another if type and value are, all the way down,
    so that 1, 1.0 and True, or 0.0 and -0.0, are different.
    """

    __slots__ = ("_hash", "identity", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.identity = _identity(value)
        self._hash = hash(self.identity)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StaticKey) and bool(self.identity == other.identity)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return repr(self.value)


def _identity(value: Any) -> Hashable:
    kind = type(value)
    if kind in (tuple, frozenset):
        return kind, kind([_identity(item) for item in value])
    if kind is float:
        return kind, value.hex()
    if kind is complex:
        return kind, value.real.hex(), value.imag.hex()
    if isinstance(value, np.generic):
        return kind, value.dtype, value.tobytes()
    hash(value)
    return kind, value


class _Keys:
    """The keys of a dictionary: equal whatever the order of insertion, which `restore` brings back."""

    __slots__ = ("_hash", "_order", "inserted", "ordered")

    def __init__(self, keys: Iterable[Hashable]) -> None:
        self.inserted = tuple(map(StaticKey, keys))
        self._order = sorted(range(len(self.inserted)), key=lambda i: _place(self.inserted[i]))
        self.ordered = tuple([self.inserted[i] for i in self._order])
        self._hash = hash(self.ordered)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Keys) and self.ordered == other.ordered

    def __hash__(self) -> int:
        return self._hash

    def restore(self, children: Sequence[Any]) -> list[tuple[Any, Any]]:
        """(key, child) pairs in the order of insertion; the children come ordered."""
        pairs = sorted(zip(self._order, children, strict=True), key=lambda pair: pair[0])
        return [(key.value, child) for key, (_, child) in zip(self.inserted, pairs, strict=True)]


def _place(key: StaticKey) -> tuple[str, str]:
    """Keys of one dictionary need not be comparable; their types' names and texts are."""
    return type(key.value).__name__, key.value if type(key.value) is str else repr(key.value)


_WORDS: Final = frozenset({str})
_of_words = lru_cache(maxsize=1024)(_Keys)


def _dict_children(tree: dict[Any, Any]) -> tuple[list[Any], _Keys]:
    words = {*map(type, tree)} <= _WORDS  # others may be equal though their types differ
    keys = _of_words(tuple(tree)) if words else _Keys(tree)
    return [tree[key.value] for key in keys.ordered], keys


def _defaultdict_children(tree: defaultdict[Any, Any]) -> tuple[list[Any], Hashable]:
    children, keys = _dict_children(tree)
    return children, (tree.default_factory, keys)


def _positions(rest: Any, count: int) -> Iterable[str]:
    return [f"[{i}]" for i in range(count)]


def _dict_labels(keys: _Keys, count: int) -> Iterable[str]:
    return [f"[{key!r}]" for key in keys.ordered]


def _field_labels(rest: tuple[Any, ...], count: int) -> Iterable[str]:
    return [f".{name}" for name in rest[0]]


_HANDLERS: dict[type, Handler] = {
    type(None): Handler(lambda t: ((), None), lambda kind, rest, c: None, _positions),
    list: Handler(lambda t: (t, None), lambda kind, rest, c: list(c), _positions),
    tuple: Handler(lambda t: (t, None), lambda kind, rest, c: tuple(c), _positions),
    dict: Handler(_dict_children, lambda kind, keys, c: dict(keys.restore(c)), _dict_labels),
    OrderedDict: Handler(_dict_children, lambda kind, keys, c: OrderedDict(keys.restore(c)), _dict_labels),
    defaultdict: Handler(
        _defaultdict_children,
        lambda kind, rest, c: defaultdict(rest[0], rest[1].restore(c)),
        lambda rest, count: _dict_labels(rest[1], count),
    ),
}
_BUILT_IN: Final = frozenset(_HANDLERS)
LEAVES: Final = frozenset({np.ndarray, float, int, bool})
"""Types that need no closer look."""
_SEQUENCES: Final = frozenset({list, tuple})

_NAMEDTUPLE: Final = Handler(
    lambda t: (t, (t._fields,)), lambda kind, rest, c: tuple.__new__(kind, c), _field_labels
)


def _is_static(field: dataclasses.Field[Any]) -> bool:
    return bool(field.metadata.get("static", False))


def _dataclass_children(tree: Any) -> tuple[list[Any], Hashable]:
    fields = dataclasses.fields(tree)
    held = [f.name for f in fields if not _is_static(f)]
    fixed = [(f.name, static(getattr(tree, f.name), f"field {f.name!r}")) for f in fields if _is_static(f)]
    return [getattr(tree, name) for name in held], (tuple(held), tuple(fixed))


def _build_dataclass(kind: type, rest: Any, children: Sequence[Any]) -> Any:
    """Without `__init__` and `__post_init__`: these may want to look at values, and the children may be
    symbols.
    """
    held, fixed = rest
    tree: Any = object.__new__(kind)
    for name, value in [*zip(held, children, strict=True), *((n, key.value) for n, key in fixed)]:
        object.__setattr__(tree, name, value)
    return tree


_DATACLASS: Final = Handler(_dataclass_children, _build_dataclass, _field_labels)


def handler(kind: type) -> Handler | None:
    """How containers of a type are taken apart; None if its instances are leaves."""
    found = _HANDLERS.get(kind)
    if found is not None:
        return found
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _NAMEDTUPLE
    return _DATACLASS if dataclasses.is_dataclass(kind) else None


def register_pytree_node(cls: type, flatten: Flatten, unflatten: Unflatten) -> None:
    """Make instances of `cls` containers for `tc.jit` and `tc.grad`.

    `flatten(tree)` returns its children and whatever else is needed to build it again, which must be
    hashable; `unflatten(rest, children)` builds it, and must not look at the children: they may be symbols.
    Subclasses are registered by themselves. Raises TensorcTypeError for what is no class or no function,
    TensorcValueError for a class that is known already.
    """
    if not isinstance(cls, type) or not callable(flatten) or not callable(unflatten):
        raise TensorcTypeError(
            "register_pytree_node takes a class and two functions",
            code="TC0480",
            location=caller_location(),
            help="tc.register_pytree_node(Pair, lambda p: ((p.a, p.b), p.size), lambda size, c: Pair(*c))",
        )
    if cls in _HANDLERS:
        known = "is a container by itself" if cls in _BUILT_IN else "is registered already"
        raise TensorcValueError(
            f"register_pytree_node: {cls.__qualname__} {known}",
            code="TC0481",
            location=caller_location(),
            help="a subclass of it can be registered",
        )
    _HANDLERS[cls] = Handler(
        lambda tree: _checked_parts(cls, flatten(tree)), lambda kind, rest, c: unflatten(rest, c), _positions
    )


def _checked_parts(cls: type, parts: Any) -> tuple[Sequence[Any], Hashable]:
    try:
        children, rest = parts
        children = tuple(children)
        hash(rest)
    except (TypeError, ValueError) as error:
        raise TensorcTypeError(
            f"the flatten function registered for {cls.__qualname__} must return (children, rest), rest "
            f"hashable: {error}",
            code="TC0482",
            location=caller_location(),
            help="lambda pair: ((pair.a, pair.b), pair.size)",
        ) from None
    return children, rest


def static(value: Any, what: str) -> StaticKey:
    """A value that is compared, not traced. Raises TensorcTypeError if it is not hashable."""
    try:
        return StaticKey(value)
    except TypeError:
        raise TensorcTypeError(
            f"{what} is static, and {_described(value)} is not hashable",
            code="TC0483",
            location=caller_location(),
            help="static values choose the trace, so they must be hashable: use a tuple, or pass it as an "
            "ordinary argument",
        ) from None


def _described(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """The leaves of a tree, and its structure. Raises TensorcValueError for one without end."""
    leaves: list[Any] = []
    tokens: list[Token] = []
    stack: list[tuple[Any, int]] = [(tree, 0)]
    while stack:
        item, depth = stack.pop()
        kind = type(item)
        if kind in LEAVES:
            leaves.append(item)
            tokens.append(LEAF)
            continue
        if kind in _SEQUENCES and depth < DEEPEST:
            tokens.append((kind, len(item), None))
            depth += 1
            stack.extend([(child, depth) for child in reversed(item)])
            continue
        found = handler(kind)
        if found is None:
            leaves.append(item)
            tokens.append(LEAF)
            continue
        if depth > DEEPEST:
            raise TensorcValueError(
                f"a {kind.__name__} is nested more than {DEEPEST} deep, or contains itself",
                code="TC0484",
                location=caller_location(),
                help="put the arrays into a flatter container",
            )
        children, rest = found.flatten(item)
        listed = children if isinstance(children, list | tuple) else list(children)
        tokens.append((kind, len(listed), rest))
        depth += 1
        stack.extend([(child, depth) for child in reversed(listed)])
    return leaves, tuple(tokens)


def unflatten(structure: Structure, leaves: Sequence[Any]) -> Any:
    """The tree of that structure with these leaves."""
    rest = iter(reversed(leaves))
    built: list[Any] = []
    for token in reversed(structure):
        if token is LEAF:
            built.append(next(rest))
            continue
        kind, count, data = token
        children = [built.pop() for _ in range(count)]
        found = handler(kind)
        assert found is not None
        built.append(found.unflatten(kind, data, children))
    (tree,) = built
    return tree


def paths(structure: Structure, root: str = "") -> list[str]:
    """How a user would write each leaf, starting from `root`: `params['w'][0]`."""
    found: list[str] = []
    stack = [root]
    for token in structure:
        prefix = stack.pop()
        if token is LEAF:
            found.append(prefix)
            continue
        kind, count, data = token
        known = handler(kind)
        assert known is not None
        stack.extend(reversed([prefix + label for label in known.labels(data, count)]))
    return found
