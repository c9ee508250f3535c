"""The arguments of a traced function: binding them to its parameters, and what of them a trace depends on.

A *form* of call is the structure of its arguments (static values included) and the kind of every leaf: dtype
and rank of an array, "int" or "float" for a Python number. One trace serves all calls of one form.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import Any, Final, NamedTuple

import numpy as np

from tensorc.api import convert, pytree
from tensorc.api.expr import Expr
from tensorc.codegen_llvm.abi import canonical
from tensorc.codegen_llvm.entry_layout import make_native
from tensorc.ir.errors import TensorcOverflowError, TensorcTypeError, TensorcValueError
from tensorc.ir.location import caller_location
from tensorc.ops.dtypes import from_dtype, with_own_dtype

Array = np.ndarray[Any, np.dtype[Any]]
P = inspect.Parameter
_BY_POSITION: Final = (P.POSITIONAL_ONLY, P.POSITIONAL_OR_KEYWORD)


class Kind(NamedTuple):
    """What a trace knows of a leaf. `weak` marks a Python number."""

    dtype: np.dtype[Any]
    rank: int = 0
    weak: str | None = None

    def __str__(self) -> str:
        if self.weak:
            return self.weak
        return f"tensor<{'?x' * self.rank}{from_dtype(self.dtype)}>"


INT, FLOAT = Kind(canonical(np.dtype(int)), 0, "int"), Kind(canonical(np.dtype(float)), 0, "float")
BIG_INT = Kind(canonical(np.dtype("uint64")), 0, "int")
"""A Python integer from 2**63 on, which only uint64 holds."""
_ARRAY: Final = frozenset({np.ndarray})
BOOL = Kind(np.dtype(bool))
_ARRAYS: Final[dict[tuple[np.dtype[Any], int], Kind]] = {
    (dtype, rank): Kind(canonical(dtype), rank) for dtype in convert.NUMPY_DTYPES for rank in range(5)
}


class Call:
    """One call's arguments, bound and taken apart."""

    __slots__ = ("leaves", "plain", "structure")

    def __init__(self, leaves: list[Any], structure: pytree.Structure, plain: bool) -> None:
        self.leaves, self.structure = leaves, structure
        self.plain = plain
        """Whether the leaves are the arguments as they were given, all of them arrays by position."""


def kinds_of(call: Call, paths: Callable[[], Sequence[str]]) -> list[Kind] | None:
    """The kind of every leaf, or None if one is symbolic; the leaves become normal. Raises a TensorcError for
    one that is neither array nor number; `paths()` names them.
    """
    kinds: list[Kind] = []
    symbolic = False
    for position, leaf in enumerate(call.leaves):
        kind = _quick(leaf)
        if kind is None:
            leaf = call.leaves[position] = normal(leaf, partial(_item, paths, position))
            if isinstance(leaf, Expr):
                symbolic = True
                continue
            kind = kind_of(leaf)
        kinds.append(kind)
    return None if symbolic else kinds


def _item(paths: Callable[[], Sequence[str]], position: int) -> str:
    return paths()[position]


def _quick(leaf: Any) -> Kind | None:
    """The kind of an everyday leaf, which is normal."""
    found = type(leaf)
    if found is np.ndarray:
        return _ARRAYS.get((leaf.dtype, leaf.ndim))
    if found is int and -(2**63) <= leaf < 2**63:
        return INT
    return FLOAT if found is float else BOOL if found is bool else None


def normal(leaf: Any, where: Callable[[], str]) -> Any:
    """A leaf as an array the compiler takes, or as the Python number it is. Raises TensorcTypeError for
    anything else, with `where()` in the message.
    """
    kind = type(leaf)
    if kind is float or kind is bool or isinstance(leaf, Expr):
        return leaf
    if isinstance(leaf, int):
        if not -(2**63) <= leaf < 2**64:
            raise TensorcOverflowError(
                f"{where()}: Python integer {leaf} is out of bounds for every integer dtype",
                code="TC0304",
                location=caller_location(),
                help="float(value) rounds it to a float",
            )
        return int(leaf)
    if isinstance(leaf, np.ndarray | np.generic) or _array_like(leaf):
        return convert.checked_array(leaf, where())
    raise TensorcTypeError(
        f"{where()} is {_a(kind.__name__)}, which is not an array or a number",
        code="TC0485",
        location=caller_location(),
        help=_remedy(leaf),
    )


def _array_like(leaf: Any) -> bool:
    return any(hasattr(leaf, name) for name in ("__array__", "__array_interface__", "__dlpack__"))


def _a(noun: str) -> str:
    return f"{'an' if noun[:1] in 'aeiouAEIOU' else 'a'} {noun}"


def _remedy(leaf: Any) -> str:
    if isinstance(leaf, complex):
        return "complex numbers are not supported: pass the real and the imaginary part"
    if isinstance(leaf, tuple | list | dict):
        name = type(leaf).__name__
        return f"a subclass of a container is registered first: tc.register_pytree_node({name}, ...)"
    if isinstance(leaf, str | bytes):
        return "text can only be a static argument: tc.jit(fn, static_argnames='mode')"
    if isinstance(leaf, set | frozenset):
        return "a set has no order: pass a tuple, or make the argument static with static_argnames="
    if callable(leaf):
        return "functions and classes can only be static arguments: tc.jit(fn, static_argnames='activation')"
    name = type(leaf).__name__
    return (
        "make the argument static with static_argnames= if it only steers the program; if it holds arrays, "
        f"make {name} a dataclass or register it: tc.register_pytree_node({name}, flatten, unflatten)"
    )


def kind_of(leaf: Any) -> Kind:
    """The kind of a normal leaf that is no expression."""
    if isinstance(leaf, np.ndarray):
        rank = leaf.ndim
        return _ARRAYS.get((leaf.dtype, rank)) or Kind(canonical(leaf.dtype), rank)
    if type(leaf) is float:
        return FLOAT
    if type(leaf) is bool:
        return BOOL
    return INT if leaf < 2**63 else BIG_INT


def native(leaf: Any, kind: Kind) -> Array:
    """A normal leaf as an array that machine code takes as it is."""
    if not isinstance(leaf, np.ndarray):
        return np.array(leaf, kind.dtype)
    flags = leaf.flags
    if type(leaf) is np.ndarray and leaf.dtype is kind.dtype and flags.c_contiguous and flags.aligned:
        return leaf
    array = with_own_dtype(leaf)
    whole = array.flags.c_contiguous or not any(s % array.itemsize for s in array.strides)
    if type(array) is np.ndarray and array.flags.aligned and whole:
        return array
    return make_native(array, kind.dtype)


class Static:
    """A static argument on its way through a pytree: no leaf, and part of the structure."""

    __slots__ = ("key",)

    def __init__(self, key: pytree.StaticKey) -> None:
        self.key = key


pytree.register_pytree_node(Static, lambda s: ((), s.key), lambda key, children: key.value)


class Binder:
    """The parameters of a Python function, and which of them are static."""

    def __init__(self, function: Callable[..., Any], name: str, argnums: Any, argnames: Any) -> None:
        self.name = name
        try:
            self.signature = inspect.signature(function)
        except (ValueError, TypeError):  # some built-in functions do not tell
            self.signature = inspect.Signature([P("args", P.VAR_POSITIONAL)])
        parameters = list(self.signature.parameters.values())
        self._parameters = parameters
        closed = all(p.kind in _BY_POSITION for p in parameters)
        self._least = sum(p.default is P.empty for p in parameters)
        self._most = len(parameters) if closed else -1
        self._names_in_order = [p.name for p in parameters if p.kind is P.POSITIONAL_OR_KEYWORD]
        self._simple = len(self._names_in_order) == len(parameters)
        self.names = frozenset(_names(argnames))
        self.positions = frozenset(self._position(n) for n in _numbers(argnums))
        self._spread()

    @property
    def _positional(self) -> list[str]:
        return [p.name for p in self._parameters if p.kind in _BY_POSITION]

    @property
    def _varargs(self) -> bool:
        return any(p.kind is P.VAR_POSITIONAL for p in self._parameters)

    def _position(self, number: int) -> int:
        count = len(self._positional)
        if (number < 0 and (self._varargs or -number > count)) or (number >= count and not self._varargs):
            raise TensorcValueError(
                f"jit: static_argnums={number}, and {self.name} has {count} positional parameters",
                code="TC0487",
                location=caller_location(),
                help=f"its parameters are {self.name}{self.signature}",
            )
        return number if number >= 0 else number + count

    def _spread(self) -> None:
        """A parameter that can be given by position and by name is static in both ways."""
        positional = self._positional
        others = {p.name for p in self._parameters if p.kind is P.KEYWORD_ONLY}
        open_ended = any(p.kind is P.VAR_KEYWORD for p in self._parameters)
        unknown = [
            n for n in sorted(self.names) if n not in positional and n not in others and not open_ended
        ]
        if unknown:
            raise TensorcValueError(
                f"jit: static_argnames names {unknown[0]!r}, which is no parameter of {self.name}",
                code="TC0487",
                location=caller_location(),
                help=f"its parameters are {self.name}{self.signature}",
            )
        self.positions |= {positional.index(n) for n in self.names if n in positional}
        self.names |= {
            n for i, n in enumerate(positional) if i in self.positions and n in self._names_in_order
        }

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """The call's arguments, by position as far as they go, taken apart. A default that is not overridden
        is no argument: the function sees it as it is. Raises TensorcTypeError as the function itself would
        raise TypeError.
        """
        count, plain = len(args), not kwargs and {*map(type, args)} <= _ARRAY
        if kwargs or not self._least <= count <= self._most:
            args, kwargs = self._by_name(args, kwargs) or self._bound(args, kwargs)
        if self.positions or self.names:
            args, kwargs = self._marked(args, kwargs)
        elif not kwargs and {*map(type, args)} <= pytree.LEAVES:
            return Call(list(args), _flat(len(args)), plain)
        leaves, structure = pytree.flatten((args, kwargs or None))
        return Call(leaves, structure, plain and len(leaves) == count)

    def _by_name(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Arguments in order, then those after a gap by name, for functions without special parameters; None
        if they do not fit.
        """
        if not self._simple or len(args) > len(self._names_in_order):
            return None
        values, rest = [*args], dict(kwargs)
        for name in self._names_in_order[len(args) :]:
            if name not in rest:
                break
            values.append(rest.pop(name))
        if len(values) < self._least or not rest.keys() <= {*self._names_in_order[len(values) :]}:
            return None
        return tuple(values), rest

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TensorcTypeError(
                f"{self.name}: {error}",
                code="TC0486",
                location=caller_location(),
                help=f"its parameters are {self.name}{self.signature}",
            ) from None
        return bound.args, bound.kwargs

    def _marked(self, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        marked = [
            self._static(value, self.label(i)) if i in self.positions else value
            for i, value in enumerate(args)
        ]
        return tuple(marked), {
            name: self._static(value, name) if name in self.names else value for name, value in kwargs.items()
        }

    def _static(self, value: Any, label: str) -> Static:
        if isinstance(value, Expr):
            raise TensorcTypeError(
                f"{self.name}: the static argument {label!r} is symbolic: {value!r}",
                code="TC0488",
                location=caller_location(),
                help="a static argument is a Python value that is known while the program is built",
            )
        return Static(pytree.static(value, f"{self.name}: the argument {label!r}"))

    def label(self, position: int) -> str:
        """What the positional argument is called in messages."""
        names = self._positional
        if position < len(names):
            return names[position]
        variadic = next(p.name for p in self._parameters if p.kind is P.VAR_POSITIONAL)
        return f"{variadic}[{position - len(names)}]"

    def paths(self, structure: pytree.Structure) -> list[str]:
        """How the function's author would write each leaf: `params['w']`."""
        return [self._named(path) for path in pytree.paths(structure)]

    def _named(self, path: str) -> str:
        """`[0][2].w`, the third positional argument, begins with its parameter's name instead; `[1]['k']`
        with k.
        """
        which, rest = path[:3], path[4:]
        head, _, tail = rest.partition("]")
        return (self.label(int(head)) if which == "[0]" else head.strip("'")) + tail

    def statics(self, structure: pytree.Structure) -> Iterable[str]:
        """`n=3` for every static argument."""
        found: list[str] = []
        stack = [""]
        for token in structure:
            path = stack.pop()
            if token is pytree.LEAF:
                continue
            kind, count, rest = token
            if kind is Static:
                text = repr(rest.value)
                found.append(f"{self._named(path)}={text if len(text) <= 40 else text[:37] + '...'}")
                continue
            known = pytree.handler(kind)
            assert known is not None
            stack.extend(reversed([path + label for label in known.labels(rest, count)]))
        return found


@cache
def _flat(count: int) -> pytree.Structure:
    """The structure of so many arguments by position without containers."""
    return pytree.flatten(((0,) * count, None))[1]


def _names(given: Any) -> list[str]:
    names = [] if given is None else [given] if isinstance(given, str) else list(given)
    if not all(isinstance(name, str) for name in names):
        raise TensorcTypeError(
            f"jit: static_argnames takes names, got {given!r}",
            code="TC0487",
            location=caller_location(),
            help="static_argnames='mode', or a list of names",
        )
    return names


def _numbers(given: Any) -> list[int]:
    numbers = [] if given is None else [given] if isinstance(given, int) else list(given)
    if not all(isinstance(n, int) and not isinstance(n, bool) for n in numbers):
        raise TensorcTypeError(
            f"jit: static_argnums takes positions, got {given!r}",
            code="TC0487",
            location=caller_location(),
            help="static_argnums=1, or a list of positions",
        )
    return numbers
