"""What a compiled function accepts: `In`, `Out`, and the conversion of one argument on the slow path.

The native entry takes exact ndarrays of the right dtype, rank and layout; everything else comes here, is
converted under NumPy's `safe` rule, and goes back to the same body.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np

from tensorc.api import advice, convert
from tensorc.api.expr import Expr
from tensorc.ir.errors import TensorcTypeError, TensorcValueError
from tensorc.ir.location import caller_location
from tensorc.ir.types import TensorType, f64, i1, i64
from tensorc.ops.dtypes import to_dtype, with_own_dtype

Array = np.ndarray[Any, np.dtype[Any]]
_FLOAT64, _INT64 = to_dtype(f64), to_dtype(i64)
DEFAULT_NAME = "main"
"""The name of a function that was given none; messages do not show it."""
_EXACT: Final = {_FLOAT64: (float, np.float64), to_dtype(i1): (bool, np.bool_), _INT64: (np.int64,)}
"""Types of numbers that keep their value as an element of the dtype, whatever it is."""
_PYTHON: Final = (list, tuple, float, int, bool)
_PROTOCOLS: Final = ("__array__", "__array_interface__", "__dlpack__")
_ALIGNED, _CONTIGUOUS = 0x100, 0x101
"""NumPy's flags: aligned; aligned and C-contiguous."""
MISSING: Any = type("Missing", (), {"__repr__": lambda self: "MISSING"})()


@dataclass(frozen=True, eq=False)
class In:
    """An input with options.

    `name` is what it is passed by, the variable's name by default. `value` makes it optional: an array,
    converted and copied now, or a shared variable, whose value at the time of the call is used. `update`
    makes it state that starts from `value`: every call uses the stored value, unless one is passed by name,
    and stores `update`; the state of a shared variable is that variable.
    `strict` accepts no argument but an ndarray of the very dtype; `allow_downcast` is `allow_input_downcast`
    for this input. `mutable` permits the function to overwrite an array that is passed, contiguous and
    writable, and to return it as a result: use it no more, but for that. It does so where a result can be
    computed element by element in the place of the argument; after an error the argument is as it was.
    `borrow` is accepted and has no effect: a result is the argument only where that is `mutable`.

    Raises TensorcTypeError for an option of the wrong kind.
    """

    variable: Any
    name: str | None = None
    value: Any = None
    update: Any = None
    mutable: bool | None = None
    borrow: bool | None = None
    strict: bool = False
    allow_downcast: bool | None = None

    def __post_init__(self) -> None:
        flags = {f: getattr(self, f) for f in ("mutable", "borrow", "strict", "allow_downcast")}
        wrong = {f: v for f, v in flags.items() if v not in (None, True, False)}
        if self.name is not None and not isinstance(self.name, str):
            wrong["name"] = self.name
        for option, value in wrong.items():
            raise TensorcTypeError(
                f"In: {option}={value!r}",
                code="TC0458",
                location=caller_location(),
                help="tc.In(x, name='x', value=0.0, strict=False, allow_downcast=None)",
            )


@dataclass(frozen=True, eq=False)
class Out:
    """An output with options. `borrow`, which in Theano permits the result to be memory that a later call
    writes over, is accepted and has no effect: the memory of a result is used again when nobody holds it any
    more, which costs nothing, and no earlier. Results never alias state or each other, nor arguments that are
    not `mutable`.
    """

    variable: Any
    borrow: bool = False


def _exact(value: Any, wanted: np.dtype[Any]) -> bool:
    """Whether a number is sure to keep its value as an element of that dtype."""
    if type(value) is int:
        return (wanted is _FLOAT64 or wanted is _INT64) and -(2**53) <= value <= 2**53
    return type(value) in _EXACT.get(wanted, ())


class _Label(NamedTuple):
    """What an error calls an argument; a call that goes well never makes the text."""

    function: str
    position: int | None
    name: str | None

    def __format__(self, spec: str) -> str:
        if self.position is None:
            return self.function
        which = f"argument {self.name!r}" if self.name else f"argument {self.position + 1}"
        return which if self.function == DEFAULT_NAME else f"{which} of {self.function}"


@dataclass(frozen=True)
class Parameter:
    """One positional parameter of a compiled function. `default` is an array in native form, or a shared
    variable that is read at every call. What is passed for a `mutable` one may be overwritten.
    """

    name: str | None
    type: TensorType
    default: Any = MISSING
    strict: bool = False
    allow_downcast: bool | None = None
    expr: Expr | None = field(default=None, compare=False)
    mutable: bool = False

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The dtype object the native entry compares with."""
        return to_dtype(self.type.element)

    @cached_property
    def _rank(self) -> int | None:
        """The rank, if nothing but dtype, rank and layout decides whether an array fits; else None."""
        return self.type.rank if self.type.shape == (None,) * self.type.rank else None

    @property
    def weak(self) -> bool:
        """Whether it stands for a Python number of a traced call."""
        return self.expr is not None and self.expr.weak is not None

    @property
    def takes_numbers(self) -> bool:
        """Whether a Python number is a value for it that is not refused, nor known to lose anything but by
        rounding a float to float32.
        """
        narrow = self.dtype == np.float32 and self.allow_downcast is False
        return not self.type.shape and not self.strict and not narrow

    def takes(self, value: Any) -> bool:
        """Whether `value` is a contiguous array that goes to the native body as it is: what most calls by
        name pass. Others may be in native form too; `convert` finds out.
        """
        return (
            type(value) is np.ndarray
            and value.dtype is self.dtype
            and value.ndim == self._rank
            and value.flags.num & _CONTIGUOUS == _CONTIGUOUS
        )

    def convert(self, value: object, function: str, position: int | None) -> Array:
        """`value` as an aligned native ndarray of the parameter's dtype and rank; raises naming the
        parameter, both types, and the remedy.
        """
        wanted, label = self.dtype, _Label(function, position, self.name)
        array = self._array(value, wanted, label)
        if array.ndim != self.type.rank:
            raise TensorcTypeError(
                f"{label}: expected {self.type}, which has {_axes(self.type.rank)}, got an array of shape "
                f"{array.shape}, which has {_axes(array.ndim)}",
                code="TC0420",
                help=_rank_help(array.ndim, self.type.rank),
            )
        for axis, (extent, actual) in enumerate(zip(self.type.shape, array.shape, strict=True)):
            if extent is not None and extent != actual:
                raise TensorcValueError(
                    f"{label}: expected {self.type}, got shape {array.shape}: extent {actual} on axis "
                    f"{axis} instead of {extent}",
                    code="TC0421",
                    help="pass that extent, or declare the input with None there: it then takes any",
                )
        if array.dtype is not wanted:
            array = with_own_dtype(array)
        flags = array.flags.num
        whole = flags & 1 or not any(s % array.itemsize for s in array.strides)
        if array.dtype is wanted and flags & _ALIGNED and whole:
            return array
        return np.array(array, dtype=wanted, order="C", copy=True)

    def _array(self, value: object, wanted: np.dtype[Any], label: _Label) -> Array:
        if isinstance(value, Expr):
            raise TensorcTypeError(
                f"{label}: got the expression {advice.quoted(value)}, a compiled function takes values",
                code="TC0422",
                help=(
                    "pass an array; to combine expressions, build the larger expression first and "
                    "compile that"
                ),
            )
        if isinstance(value, np.ma.MaskedArray):
            raise TensorcTypeError(
                f"{label}: masked arrays are not supported",
                code="TC0423",
                help="pass value.filled(fill_value)",
            )
        if self.strict:
            return self._strict(value, wanted, label)
        if not self.type.shape and _exact(value, wanted):
            return np.array(value, wanted)
        if isinstance(value, np.ndarray | np.generic):
            return self._cast(np.asarray(value), wanted, label)
        try:
            array = np.asarray(value)
        except Exception as error:
            raise TensorcTypeError(
                f"{label}: expected {self.type}, cannot make an array of {_short(value)}: {_first(error)}",
                code="TC0424",
                help=convert.RAGGED if "inhomogeneous" in str(error) else "pass an array or nested list",
            ) from None
        if array.dtype.kind not in "biuf":
            raise TensorcTypeError(
                f"{label}: expected {self.type}, got {_short(value)}, of which NumPy makes an array of dtype "
                f"{array.dtype}",
                code="TC0428",
                help=convert.dtype_help(array.dtype),
            )
        if type(value) not in _PYTHON and any(hasattr(value, name) for name in _PROTOCOLS):
            return self._cast(array, wanted, label)
        return self._python(array, wanted, label)

    def _strict(self, value: object, wanted: np.dtype[Any], label: _Label) -> Array:
        if not isinstance(value, np.ndarray) or value.dtype != wanted:
            found = (
                f"an array of dtype {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
            )
            raise TensorcTypeError(
                f"{label}: strict, expected an ndarray of dtype {wanted}, got {found}",
                code="TC0425",
                help=f"pass np.asarray(value, dtype={wanted.name!r}), or make the input without strict=True",
            )
        return np.asarray(value)

    def _cast(self, array: Array, wanted: np.dtype[Any], label: _Label) -> Array:
        if array.dtype == wanted and array.dtype.isnative:
            return array
        if array.dtype.kind not in "biuf":
            raise TensorcTypeError(
                f"{label}: expected {self.type}, got an array of dtype {array.dtype}",
                code="TC0429",
                help=convert.dtype_help(array.dtype),
            )
        if np.can_cast(array.dtype, wanted, "safe"):
            return array.astype(wanted)
        if self.allow_downcast:
            with np.errstate(all="ignore"):
                return array.astype(wanted)
        raise TensorcTypeError(
            f"{label}: expected {self.type}, got an array of dtype {array.dtype}, which {wanted} cannot hold "
            "without loss",
            code="TC0426",
            help=f"pass value.astype({wanted.name!r}), or compile with allow_input_downcast=True",
        )

    def _python(self, array: Array, wanted: np.dtype[Any], label: _Label) -> Array:
        """Python numbers and lists: accepted where their values survive; a float also rounds to float32
        unless downcasting was refused.
        """
        if array.dtype == wanted:
            return array
        if array.size == 0:
            return array.astype(wanted)
        with np.errstate(all="ignore"):
            converted = array.astype(wanted)
            survives = np.array_equal(converted, array, equal_nan=array.dtype.kind == "f") and _same_sign(
                converted, array
            )
        to_float = wanted.kind == "f" and array.dtype.kind in "fiu" and self.allow_downcast is not False
        if survives or to_float or self.allow_downcast:
            return converted
        raise TensorcTypeError(
            f"{label}: expected {self.type}, and the given values do not survive the conversion from "
            f"{array.dtype} to {wanted}",
            code="TC0427",
            help=f"pass np.asarray(value, dtype={wanted.name!r}) to convert on purpose",
        )


def _same_sign(converted: Array, original: Array) -> bool:
    """False for a negative value that became unsigned: it must not pass by overflow."""
    return not (converted.dtype.kind == "u" and original.dtype.kind in "if" and bool((original < 0).any()))


def _axes(rank: int) -> str:
    return "no axes" if rank == 0 else f"{rank} ax{'i' if rank == 1 else 'e'}s"


def _short(value: object) -> str:
    text = repr(value)
    return f"the {type(value).__name__} {text if len(text) <= 40 else text[:37] + '...'}"


def _first(error: Exception) -> str:
    return str(error).split(". ", 1)[0]


def _rank_help(got: int, wanted: int) -> str:
    if got < wanted:
        return "add axes with value[None, ...] or value.reshape(...)"
    return "drop axes with value[0] or value.reshape(...), or declare the input with a higher rank"
