"""Expressions without operands: symbolic inputs, literals, shared variables."""

from __future__ import annotations

import weakref
from types import CodeType
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorc.api import pickling
from tensorc.api.expr import Expr, make
from tensorc.api.methods import Tensor
from tensorc.ir.errors import TensorcTypeError
from tensorc.ir.location import Location, caller_location
from tensorc.ir.types import TensorType
from tensorc.ops.attrs import AxisAttrs
from tensorc.ops.dtypes import from_dtype, to_dtype, with_own_dtype
from tensorc.ops.index import Dim
from tensorc.runtime.cell import Cell

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Array = np.ndarray[Any, np.dtype[Any]]


class Leaf(Tensor):
    """An expression without operands; its dynamic extents are read from the array it stands for.

    An extent holds its leaf, so the leaf must not hold the extent: the array of a variable that nobody has
    any more is freed at once, without the garbage collector.
    """

    __slots__ = ("_dims", "_location")

    def __init__(self, type: TensorType, name: str | None, location: Location) -> None:
        super().__init__(type, None, 0, name)
        self._location = location
        self._dims: dict[int, weakref.ref[Expr]] = {}

    @property
    def extents(self) -> tuple[Any, ...]:
        """An `int` or an `index` expression for every axis; the same one as long as somebody holds it."""
        shape = self.tensor_type.shape
        if None not in shape:
            return shape
        return tuple([self._dim(axis) if extent is None else extent for axis, extent in enumerate(shape)])

    @extents.setter
    def extents(self, extents: tuple[Any, ...]) -> None:
        """What every expression begins with: here its type says it."""

    def _dim(self, axis: int) -> Expr:
        known = self._dims.get(axis)
        found = None if known is None else known()
        if found is None:
            found = make(Dim, (self,), AxisAttrs(axis), self._location)[0]
            self._dims[axis] = weakref.ref(found)
        return found

    @property
    def location(self) -> Location | None:
        return self._location


class Symbol(Leaf):
    """A symbolic input of a function."""

    __slots__ = ()

    def __reduce__(self) -> Any:
        return pickling.reduce_symbol(self)


class Argument(Symbol):
    """A symbol that stands for an argument of a Python function while that is traced."""

    __slots__ = ("origin",)

    origin: Origin

    def __init__(
        self, type: TensorType, name: str, location: Location, origin: Origin, weak: str | None
    ) -> None:
        super().__init__(type, name, location)
        self.origin = origin
        self.weak = weak

    def __copy__(self) -> Argument:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Argument:
        return self  # a copied container of arguments still holds the arguments

    def __reduce__(self) -> Any:
        raise TensorcTypeError(
            f"{self!r} stands for an argument while {self.origin.function} is traced: it cannot be pickled",
            code="TC0477",
            location=caller_location(),
            help="pickle the arrays that the compiled function returns",
        )


class Origin:
    """One run of a Python function on symbols: which function, and whether it is still running."""

    __slots__ = ("code", "function", "open")

    def __init__(self, function: str, code: CodeType | None) -> None:
        self.function = function
        self.code = code
        self.open = True


class Constant(Leaf):
    """A literal array, frozen when made."""

    __slots__ = ("value",)

    value: Array

    def __init__(
        self, value: Array, location: Location, name: str | None = None, weak: str | None = None
    ) -> None:
        super().__init__(TensorType(value.shape, from_dtype(value.dtype)), name, location)
        native = value.dtype.newbyteorder("=")
        frozen = with_own_dtype(np.array(value, dtype=native, order="C", copy=True))
        frozen.setflags(write=False)
        self.value = frozen
        self.weak = weak

    def __reduce__(self) -> Any:
        return pickling.reduce_constant(self)


class Shared(Leaf):
    """A variable that holds one array between calls; functions read it, and write it through `updates`.

    `set_value` may change extents, not rank or dtype. Updates and `set_value` replace the array inside, or
    write over it where nobody else has it: whoever has it, a running call or `get_value(borrow=True)`, keeps
    what it has. `borrow` is a permission to go without a copy, used only where nobody can tell: see the
    methods.
    """

    __slots__ = ("cell", "default_update")

    cell: Cell
    """Holds the one array: the native entry reads and replaces it there."""
    default_update: Expr | None

    def __init__(
        self, value: Array, name: str | None, location: Location, shape: tuple[int | None, ...]
    ) -> None:
        super().__init__(TensorType(shape, from_dtype(value.dtype)), name, location)
        self.cell = Cell(value)
        self.default_update = None

    def get_value(self, borrow: bool = False) -> Array:
        """The current array: a copy, or with `borrow` a read-only view of the array itself. Later calls and
        `set_value` replace the array and leave the view as it is.
        """
        value = self.cell.get()
        if not borrow:
            return value.copy()
        view = value.view()
        view.setflags(write=False)
        return view

    def set_value(self, value: ArrayLike, borrow: bool = False) -> None:
        """Replace the array, in one step for every other thread.

        The new one is a copy. With `borrow` an array that nobody can write to (it is read-only, and so is
        whatever it views) is kept as it is; any other is copied all the same, because a later write to it
        would change the value under a running call.

        Python numbers, and lists and tuples of them, take the variable's dtype where they are in its range;
        integers also become floating-point numbers, never the reverse.

        Raises TensorcTypeError when dtype or rank differ and no safe cast exists; nothing has changed then.
        """
        self.cell.set(self._checked(value, borrow))

    def _checked(self, value: ArrayLike, borrow: bool) -> Array:
        wanted = to_dtype(self.tensor_type.element)
        array = np.asarray(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            array = np.asarray(value, dtype=wanted) if _fits(value, wanted) else array
        elif isinstance(value, list | tuple) and _all_fit(array, wanted):
            array = array.astype(wanted)
        label = f"the shared variable {self.name!r}" if self.name else "the shared variable"
        if array.ndim != self.ndim or not np.can_cast(array.dtype, wanted, "safe"):
            raise TensorcTypeError(
                f"set_value: {label} is {self.type}, the new value has dtype {array.dtype} and shape "
                f"{array.shape}",
                code="TC0410",
                location=caller_location(),
                help=f"convert it: np.asarray(value, dtype={wanted.name!r})"
                if array.ndim == self.ndim
                else f"extents may change, the number of axes ({self.ndim}) may not",
            )
        for axis, (extent, actual) in enumerate(zip(self.tensor_type.shape, array.shape, strict=True)):
            if extent is not None and extent != actual:
                raise TensorcTypeError(
                    f"set_value: {label} is {self.type}, the new value has extent {actual} on axis {axis}",
                    code="TC0411",
                    location=caller_location(),
                    help="make it with shape=None instead, and its extents may change",
                )
        if array.dtype == wanted:
            array = with_own_dtype(array)
        return _held(array, wanted, borrow)

    def __copy__(self) -> Shared:
        twin = Shared(self.get_value(), self.name, self._location, self.tensor_type.shape)
        twin.default_update = self.default_update
        return twin

    def __reduce__(self) -> Any:
        return pickling.reduce_shared(self)


def _held(array: Array, wanted: np.dtype[Any], borrow: bool) -> Array:
    """The array to keep: itself if that is allowed and safe, else a copy in native form."""
    native = type(array) is np.ndarray and array.dtype is wanted and array.flags.c_contiguous
    if borrow and native and array.flags.aligned and _is_frozen(array):
        return array
    return np.array(array, dtype=wanted, order="C", copy=True)


def _is_frozen(array: Array) -> bool:
    """Whether nobody can write to the memory of an array: a read-only view of a writable one does not do."""
    held: object = array
    while isinstance(held, np.ndarray) and not held.flags.writeable:
        held = held.base
    return held is None or isinstance(held, bytes)


def _fits(value: float, wanted: np.dtype[Any]) -> bool:
    """Whether a Python number is of the dtype's kind, so that it converts as a literal would."""
    if isinstance(value, float):
        return wanted.kind == "f"
    if wanted.kind == "f":
        return True
    return wanted.kind in "iu" and np.iinfo(wanted).min <= value <= np.iinfo(wanted).max


def _all_fit(array: Array, wanted: np.dtype[Any]) -> bool:
    """Whether each element of an array that was a list converts as a Python number would."""
    if array.size == 0:
        return True
    if array.dtype.kind == "f":
        return wanted.kind == "f"
    return array.dtype.kind in "iu" and _fits(int(array.min()), wanted) and _fits(int(array.max()), wanted)


def shared(
    value: ArrayLike,
    name: str | None = None,
    borrow: bool = False,
    shape: tuple[int | None, ...] | None = None,
) -> Shared:
    """A shared variable holding `value`: its dtype and rank are fixed, its extents are not (fix some with
    `shape`).

    The value is copied; for `borrow` see `Shared.set_value`. Raises TensorcTypeError for dtypes the compiler
    does not compute with.
    """
    from tensorc.api.convert import checked_array

    location = caller_location()
    if isinstance(value, Expr) or not (name is None or isinstance(name, str)):
        raise TensorcTypeError(
            f"tc.shared: the value is the expression {value!r}"
            if isinstance(value, Expr)
            else f"tc.shared: a name is a string, got {name!r}",
            code="TC0413",
            location=location,
            help="a shared variable starts from an array: tc.shared(np.zeros(3), name='w'); that of another "
            "is its .get_value()",
        )
    array = checked_array(value, "tc.shared")
    held = _held(array, array.dtype, borrow)
    extents = (None,) * array.ndim if shape is None else tuple(shape)
    if len(extents) != array.ndim or any(
        e is not None and e != n for e, n in zip(extents, array.shape, strict=True)
    ):
        raise TensorcTypeError(
            f"tc.shared: the value has shape {array.shape}, which does not match shape={shape}",
            code="TC0412",
            location=location,
            help="None in shape allows any extent there; without shape all extents may change",
        )
    return Shared(held, name, location, extents)
