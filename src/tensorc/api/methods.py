"""`Tensor`: an expression with NumPy's operators, methods and indexing.

This module is imported before the ones that build expressions (they need `Tensor`), so it reaches them
through the package at call time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NoReturn, Self

import numpy as np

from tensorc.api.expr import Expr
from tensorc.ir.errors import TensorcError, TensorcTypeError
from tensorc.ir.location import Location, caller_location
from tensorc.ir.source import narrowed

Axis = int | tuple[int, ...] | None


def _binary(name: str) -> Callable[[Any, object], Any]:
    def method(self: Any, other: object) -> Any:
        return _elementwise(name, self, other)

    return method


def _reflected(name: str) -> Callable[[Any, object], Any]:
    def method(self: Any, other: object) -> Any:
        return _elementwise(name, other, self)

    return method


def _elementwise(name: str, *operands: object) -> Any:
    from tensorc.api import elementwise

    if any(o is None or isinstance(o, str | dict | set) for o in operands):
        _no_operand(name, operands)
    return elementwise.call(name, *operands)


def _no_operand(name: str, operands: tuple[object, ...]) -> NoReturn:
    """Things that look like a slip: None from a function that returns nothing, text that is no number."""
    other = next(o for o in operands if o is None or isinstance(o, str | dict | set))
    what = "None" if other is None else f"the {type(other).__name__} {str(other)[:40]!r}"
    met = next((_named(o) for o in operands if isinstance(o, Expr)), "an expression")
    _refuse(
        f"{name}: {met} meets {what}, which is neither a number nor an array",
        _OPERAND_HELP.get(type(other), "convert it first: np.asarray(value, dtype='float64')"),
        "TC0346",
    )


_OPERAND_HELP = {
    type(None): "a function without a return statement gives None",
    str: "make a number of the text: float(text)",
    dict: "take its arrays one by one: d['name']",
}


def _refuse(message: str, help: str, code: str, location: Location | None = None) -> NoReturn:
    raise TensorcTypeError(message, code=code, location=location or caller_location(), help=help)


def _advice() -> ModuleType:
    from tensorc.api import advice  # remedies are put into words only when something went wrong

    return advice


def _named(x: Expr) -> str:
    text: str = _advice().quoted(x)
    return text


def _no_number(x: Expr, kind: str) -> NoReturn:
    location = caller_location()
    _refuse(f"{_named(x)} has no {kind} value yet", _advice().number(location, kind, x), "TC0322", location)


class Tensor(Expr):
    """A symbolic array. Operators and methods are NumPy's; nothing is computed until a compiled function is
    called.
    """

    __slots__ = ()
    __array_priority__ = 1000.0

    __add__, __radd__ = _binary("add"), _reflected("add")
    __sub__, __rsub__ = _binary("subtract"), _reflected("subtract")
    __mul__, __rmul__ = _binary("multiply"), _reflected("multiply")
    __truediv__, __rtruediv__ = _binary("divide"), _reflected("divide")
    __floordiv__, __rfloordiv__ = _binary("floor_divide"), _reflected("floor_divide")
    __mod__, __rmod__ = _binary("remainder"), _reflected("remainder")
    __pow__, __rpow__ = _binary("power"), _reflected("power")
    __and__, __rand__ = _binary("bitwise_and"), _reflected("bitwise_and")
    __or__, __ror__ = _binary("bitwise_or"), _reflected("bitwise_or")
    __xor__, __rxor__ = _binary("bitwise_xor"), _reflected("bitwise_xor")
    __lshift__, __rlshift__ = _binary("left_shift"), _reflected("left_shift")
    __rshift__, __rrshift__ = _binary("right_shift"), _reflected("right_shift")
    __lt__, __le__ = _binary("less"), _binary("less_equal")
    __gt__, __ge__ = _binary("greater"), _binary("greater_equal")

    def __eq__(self, other: object) -> Any:
        return _compare("equal", self, other)

    def __ne__(self, other: object) -> Any:
        return _compare("not_equal", self, other)

    __hash__ = Expr.__hash__

    def __divmod__(self, other: object) -> tuple[Any, Any]:
        return self // other, self % other

    def __rdivmod__(self, other: object) -> tuple[Any, Any]:
        return other // self, other % self

    def __matmul__(self, other: object) -> Any:
        from tensorc.api import functions

        return functions.matmul(self, other)

    def __rmatmul__(self, other: object) -> Any:
        from tensorc.api import functions

        return functions.matmul(other, self)

    def __neg__(self) -> Any:
        return _elementwise("negative", self)

    def __pos__(self) -> Self:
        return self

    def __abs__(self) -> Any:
        return _elementwise("absolute", self)

    def __invert__(self) -> Any:
        return _elementwise("bitwise_invert", self)

    def __round__(self, ndigits: int | None = None) -> Any:
        from tensorc.api import functions

        return functions.round(self, ndigits or 0)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: object, **kwargs: object) -> Any:
        from tensorc.api import numpy_protocol

        return numpy_protocol.ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(
        self,
        function: Callable[..., object],
        types: object,
        args: tuple[object, ...],
        kwargs: dict[str, object],
    ) -> Any:
        from tensorc.api import numpy_protocol

        return numpy_protocol.function(function, args, kwargs)

    def __getitem__(self, key: object) -> Any:
        from tensorc.api import indexing

        return indexing.getitem(self, key)

    def __setitem__(self, key: object, value: object) -> NoReturn:
        location = caller_location()
        _refuse(
            f"expressions are immutable, items of {_named(self)} cannot be assigned",
            _advice().item_assignment(location),
            "TC0320",
            location,
        )

    def __delitem__(self, key: object) -> NoReturn:
        _refuse(
            f"expressions are immutable, items of {_named(self)} cannot be deleted",
            "join the parts to keep: tc.concatenate([x[:i], x[i + 1:]])",
            "TC0329",
        )

    def __bool__(self) -> bool:
        location = narrowed(caller_location())
        _refuse(
            f"whether {_named(self)} is true is known only when the program runs",
            _advice().truth(location),
            "TC0321",
            location,
        )

    def __float__(self) -> NoReturn:
        _no_number(self, "float")

    def __int__(self) -> NoReturn:
        _no_number(self, "int")

    def __complex__(self) -> NoReturn:
        _no_number(self, "complex")

    def __index__(self) -> NoReturn:
        _refuse(
            f"{_named(self)} has no value yet, and Python needs an int here",
            _advice().index(self),
            "TC0328",
        )

    def __format__(self, spec: str) -> str:
        if not spec:
            return str(self)
        _refuse(
            f"{_named(self)} has no value yet that the format {spec!r} could show",
            _advice().while_traced(self)
            or "format the result of a compiled function, or of x.eval({input: value})",
            "TC0342",
        )

    def __array__(self, dtype: object = None, copy: object = None) -> NoReturn:
        _refuse(
            f"{_named(self)} has no values yet, it cannot become a NumPy array",
            _advice().array(self),
            "TC0323",
        )

    def __len__(self) -> int:
        if not self.extents:
            _refuse(f"len() of {_named(self)}, which has no axes", "use x.size", "TC0324")
        if isinstance(self.extents[0], int):
            return self.extents[0]
        _refuse(
            f"len() of {_named(self)}: the first extent is known at run time only",
            "use x.shape[0], a symbolic integer",
            "TC0324",
        )

    def __iter__(self) -> Iterator[Any]:
        if not self.extents:
            _refuse(
                f"{_named(self)} has no axes, it cannot be iterated over",
                "use the expression itself",
                "TC0325",
            )
        if not isinstance(self.extents[0], int):
            location = caller_location()
            _refuse(
                f"cannot iterate over {_named(self)}: the first extent is known at run time only",
                _advice().iteration(location, self),
                "TC0325",
                narrowed(location),
            )
        return iter([self[i] for i in range(self.extents[0])])

    def __contains__(self, item: object) -> NoReturn:
        _refuse(
            f"whether something is in {_named(self)} is known only when the program runs",
            "use tc.any(x == value), an expression",
            "TC0326",
        )

    def __getattr__(self, name: str) -> NoReturn:
        from tensorc.api import suggestions

        raise suggestions.no_method(self, name)

    @property
    def shape(self) -> tuple[Any, ...]:
        """Extents: an int where known, else a symbolic integer that promotes like a Python int."""
        from tensorc.api import shapes

        return tuple(shapes.extent_as_tensor(e) for e in self.extents)

    @property
    def size(self) -> Any:
        """Number of elements: an int where known, else a symbolic integer."""
        from tensorc.api import shapes

        return shapes.extent_as_tensor(shapes.product(self.extents))

    @property
    def T(self) -> Any:
        """All axes reversed."""
        return self.transpose()

    @property
    def mT(self) -> Any:
        """The last two axes exchanged."""
        return self.swapaxes(-1, -2)

    def transpose(self, *axes: Any) -> Any:
        """Axes permuted; reversed without arguments (numpy.ndarray.transpose)."""
        from tensorc.api import shapes

        order = (
            axes[0]
            if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], tuple | list))
            else axes or None
        )
        return shapes.transpose(self, order)

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        """Two axes exchanged (numpy.swapaxes)."""
        from tensorc.api import shapes

        return shapes.swapaxes(self, axis1, axis2)

    def reshape(self, *shape: Any) -> Any:
        """The elements in row-major order under another shape; one extent may be -1 (numpy.reshape)."""
        from tensorc.api import shapes

        return shapes.reshape(self, shape[0] if len(shape) == 1 else shape)

    def ravel(self) -> Any:
        """The elements as one axis."""
        return self.reshape(-1)

    def flatten(self, ndim: int = 1) -> Any:
        """The elements with at most `ndim` axes: the trailing ones are joined (Theano's flatten)."""
        from tensorc.api import shapes

        return shapes.flatten(self, ndim)

    def squeeze(self, axis: Axis = None) -> Any:
        """Without axes of extent 1 (numpy.squeeze)."""
        from tensorc.api import shapes

        return shapes.squeeze(self, axis)

    def dimshuffle(self, *pattern: Any) -> Any:
        """Axes permuted, dropped (extent 1) and inserted ('x'), as in Theano."""
        from tensorc.api import shapes

        return shapes.dimshuffle(
            self, pattern[0] if len(pattern) == 1 and isinstance(pattern[0], tuple | list) else pattern
        )

    def astype(self, dtype: object, copy: bool = True) -> Any:
        """The elements converted to `dtype`, as numpy.ndarray.astype does."""
        from tensorc.api import convert

        return convert.astype(self, convert.checked_dtype(dtype))

    def copy(self) -> Self:
        """The expression itself: expressions are immutable."""
        return self

    def sum(self, axis: Axis = None, dtype: object = None, keepdims: bool = False) -> Any:
        """numpy.sum: see `tc.sum`."""
        return _reduction("sum", self, axis, keepdims, dtype)

    def prod(self, axis: Axis = None, dtype: object = None, keepdims: bool = False) -> Any:
        """numpy.prod: see `tc.prod`."""
        return _reduction("prod", self, axis, keepdims, dtype)

    def mean(self, axis: Axis = None, dtype: object = None, keepdims: bool = False) -> Any:
        """numpy.mean: see `tc.mean`."""
        from tensorc.api import functions

        return functions.mean(self, axis, dtype, keepdims)

    def var(
        self,
        axis: Axis = None,
        ddof: float = 0,
        keepdims: bool = False,
        *,
        correction: float | None = None,
    ) -> Any:
        """numpy.var: see `tc.var`."""
        from tensorc.api import functions

        return functions.var(self, axis, ddof=ddof, keepdims=keepdims, correction=correction)

    def std(
        self,
        axis: Axis = None,
        ddof: float = 0,
        keepdims: bool = False,
        *,
        correction: float | None = None,
    ) -> Any:
        """numpy.std: see `tc.std`."""
        from tensorc.api import functions

        return functions.std(self, axis, ddof=ddof, keepdims=keepdims, correction=correction)

    def max(self, axis: Axis = None, keepdims: bool = False) -> Any:
        """numpy.max: NaN where a NaN is seen."""
        return _reduction("max", self, axis, keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False) -> Any:
        """numpy.min: NaN where a NaN is seen."""
        return _reduction("min", self, axis, keepdims)

    def any(self, axis: Axis = None, keepdims: bool = False) -> Any:
        """numpy.any: see `tc.any`."""
        return _reduction("any", self, axis, keepdims)

    def all(self, axis: Axis = None, keepdims: bool = False) -> Any:
        """numpy.all: see `tc.all`."""
        return _reduction("all", self, axis, keepdims)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """numpy.argmax: the first position of the maximum (of a NaN, if there is one)."""
        from tensorc.api import functions

        return functions.argmax(self, axis, keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """numpy.argmin: the first position of the minimum (of a NaN, if there is one)."""
        from tensorc.api import functions

        return functions.argmin(self, axis, keepdims)

    def dot(self, other: object) -> Any:
        """numpy.dot: see `tc.dot`."""
        from tensorc.api import functions

        return functions.dot(self, other)

    def take(self, indices: object, axis: int | None = None) -> Any:
        """numpy.take: see `tc.take`."""
        from tensorc.api import functions

        return functions.take(self, indices, axis)

    def clip(self, min: object = None, max: object = None) -> Any:
        """numpy.clip: see `tc.clip`."""
        from tensorc.api import functions

        return functions.clip(self, min, max)

    def round(self, decimals: int = 0) -> Any:
        """numpy.round: half to even."""
        from tensorc.api import functions

        return functions.round(self, decimals)

    def set(self, value: object) -> Any:
        """For `x[i].set(v)`: x with that part replaced by v; x itself is unchanged."""
        from tensorc.api import indexing

        return indexing.set_subtensor(self, value)

    def add(self, value: object) -> Any:
        """For `x[i].add(v)`: x with v added to that part; repeated indices add up."""
        from tensorc.api import indexing

        return indexing.inc_subtensor(self, value)

    def eval(self, inputs: dict[Any, object] | None = None) -> Any:
        """The value for given inputs (symbol → array); compiled once per set of inputs."""
        from tensorc.api.function import evaluate

        return evaluate(self, {} if inputs is None else inputs)

    def _repr_latex_(self) -> str | None:
        """What a notebook shows: the formula, if it is not too large to be read."""
        from tensorc.api.pretty import latex_of_small

        return latex_of_small(self)

    def __repr__(self) -> str:
        if self.name:
            return f"<{self.name}: {self.type}>"
        what = (
            self.node.definition.name.removeprefix("tensorc.") if self.node else type(self).__name__.lower()
        )
        return f"<{what}: {self.type}>"


def _reduction(name: str, x: Any, axis: Axis, keepdims: bool, dtype: object = None) -> Any:
    from tensorc.api import functions

    return functions.reduce_by_name(name, x, axis, keepdims, dtype)


class Compared(Tensor):
    """The result of `a == b` or `a != b`: elementwise, but its truth value is identity when both sides are
    symbols.

    That is what makes `in`, `list.index` and dictionaries of symbols work, as in Theano.
    """

    __slots__ = ("same",)

    same: bool | None

    def __bool__(self) -> bool:
        if self.same is None:
            return super().__bool__()
        return self.same


class Incomparable:
    """`a == b` of two symbols whose shapes cannot meet: it only answers whether they are the same object."""

    def __init__(self, same: bool) -> None:
        self._same = same

    def __bool__(self) -> bool:
        return self._same


def _compare(name: str, a: Tensor, b: object) -> Any:
    if b is None or isinstance(b, str | dict | set):
        return NotImplemented
    truth = (a is b) == (name == "equal")
    try:
        result = _elementwise(name, a, b)
    except TensorcError:
        if isinstance(b, Expr):
            return Incomparable(truth)
        raise
    compared = Compared(result.type, result.node, result.index)
    compared.extents = result.extents
    compared.same = truth if isinstance(b, Expr) else None
    return compared
