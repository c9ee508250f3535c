"""Symbolic inputs: `tensor`, the named ranks, Theano's letters and plurals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tensorc.api.convert import checked_dtype
from tensorc.api.leaves import Symbol
from tensorc.ir.errors import TensorcTypeError, TensorcValueError
from tensorc.ir.location import caller_location
from tensorc.ir.types import TensorType
from tensorc.ops.dtypes import from_dtype

MAX_RANK = 32
LETTERS = {"b": "int8", "w": "int16", "i": "int32", "l": "int64", "f": "float32", "d": "float64"}
RANKS: dict[str, tuple[int | None, ...]] = {
    "scalar": (),
    "vector": (None,),
    "row": (1, None),
    "col": (None, 1),
    "matrix": (None, None),
    "tensor3": (None,) * 3,
    "tensor4": (None,) * 4,
    "tensor5": (None,) * 5,
}
PLURALS = {
    "scalar": "scalars",
    "vector": "vectors",
    "row": "rows",
    "col": "cols",
    "matrix": "matrices",
    "tensor3": "tensor3s",
    "tensor4": "tensor4s",
    "tensor5": "tensor5s",
}


def tensor(
    name: str | None = None, dtype: object = "float64", shape: Sequence[int | None] | None = None
) -> Symbol:
    """A symbolic input of the given dtype and shape; `None` in `shape` is an extent known at run time only.

    Raises TensorcTypeError for a dtype or shape that is not one, TensorcValueError for a negative extent.
    """
    if name is not None and not isinstance(name, str):
        raise TensorcTypeError(
            f"a name is a string, got {name!r}",
            code="TC0330",
            location=caller_location(),
            help="tc.tensor('x', dtype='float32', shape=(None,))",
        )
    if shape is None:
        raise TensorcTypeError(
            "tc.tensor needs a shape",
            code="TC0331",
            location=caller_location(),
            help=(
                "tc.tensor('x', shape=(None, 784)); None stands for an unknown extent; tc.matrix('x') "
                "for two of them"
            ),
        )
    if not isinstance(shape, int | Sequence) or isinstance(shape, str):
        raise TensorcTypeError(
            f"a shape is a tuple of ints and None, got {shape!r}",
            code="TC0336",
            location=caller_location(),
            help="shape=(None, 784); None stands for an unknown extent",
        )
    extents = (shape,) if isinstance(shape, int) else tuple(shape)
    for extent in extents:
        if extent is not None and (isinstance(extent, bool) or not isinstance(extent, int)):
            raise TensorcTypeError(
                f"an extent is an int or None, got {extent!r}",
                code="TC0332",
                location=caller_location(),
                help="shape=(None, 784); None stands for an unknown extent",
            )
        if extent is not None and extent < 0:
            raise TensorcValueError(
                f"negative extent {extent}",
                code="TC0333",
                location=caller_location(),
                help="extents are 0 or more; None stands for an unknown one",
            )
    if len(extents) > MAX_RANK:
        raise TensorcValueError(
            f"rank {len(extents)}: at most {MAX_RANK} axes are supported",
            code="TC0334",
            location=caller_location(),
            help="join axes with reshape",
        )
    return Symbol(TensorType(extents, from_dtype(checked_dtype(dtype))), name, caller_location())


def _constructor(kind: str, default: str) -> Callable[..., Symbol]:
    shape = RANKS[kind]

    def make(name: str | None = None, dtype: object = default) -> Symbol:
        return tensor(name, dtype, shape)

    make.__name__ = make.__qualname__ = kind
    make.__doc__ = f"A symbolic {kind} (shape {shape}) of dtype {default} unless `dtype` says otherwise."
    return make


def _plural(kind: str, default: str) -> Callable[..., list[Symbol]]:
    shape = RANKS[kind]

    def make(*names: Any, dtype: object = default) -> list[Symbol]:
        return [tensor(name, dtype, shape) for name in _names(names, PLURALS[kind])]

    make.__name__ = make.__qualname__ = PLURALS[kind]
    make.__doc__ = (
        f'Several symbols of kind {kind}: `{PLURALS[kind]}("a", "b")`, `{PLURALS[kind]}("ab")`, '
        f"`{PLURALS[kind]}(2)` for nameless ones. Raises TensorcTypeError for anything else."
    )
    return make


def _names(given: tuple[Any, ...], plural: str) -> Sequence[str | None]:
    """The names meant by: several names, one string of letters or of words, a list, a count."""
    if len(given) == 1:
        (only,) = given
        if isinstance(only, int) and not isinstance(only, bool) and only >= 0:
            return [None] * only
        if isinstance(only, str):
            return only.split() if " " in only else list(only)
        if isinstance(only, list | tuple):
            given = tuple(only)
    if not given or not all(name is None or (isinstance(name, str) and name) for name in given):
        raise TensorcTypeError(
            f"tc.{plural}: names or a count, got {', '.join(map(repr, given)) or 'nothing'}",
            code="TC0335",
            location=caller_location(),
            help=f'tc.{plural}("x", "y") or tc.{plural}(2)',
        )
    return given


def constructors() -> dict[str, Callable[..., Any]]:
    """`scalar … tensor5`, their plurals, and both with Theano's dtype letters (`dmatrix`, `fvectors`, …)."""
    table: dict[str, Callable[..., Any]] = {}
    for kind, plural in PLURALS.items():
        table[kind] = _constructor(kind, "float64")
        table[plural] = _plural(kind, "float64")
        for letter, dtype in LETTERS.items():
            table[letter + kind] = _constructor(kind, dtype)
            table[letter + plural] = _plural(kind, dtype)
    return table
