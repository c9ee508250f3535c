"""Elementwise functions: NumPy promotion, broadcasting, then one `Pointwise` op. Every Pointwise op with a
public name is a function of `tc` through this module.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tensorc.api import advice, convert
from tensorc.api.broadcast import broadcast_together
from tensorc.api.expr import apply
from tensorc.api.leaves import Constant
from tensorc.ir.definition import REGISTRY
from tensorc.ir.errors import TensorcTypeError, TensorcValueError
from tensorc.ir.location import caller_location
from tensorc.ops.families import Pointwise

_UFUNCS = {"round": np.rint, "pow": np.power, "logical_xor": np.logical_xor, "bitwise_invert": np.invert}
_BOOLEAN_FORMS = {
    "add": "logical_or",
    "multiply": "logical_and",
    "maximum": "logical_or",
    "minimum": "logical_and",
    "bitwise_and": "logical_and",
    "bitwise_or": "logical_or",
    "bitwise_xor": "logical_xor",
    "bitwise_invert": "logical_not",
}
_OPERATORS = frozenset(
    {"add", "subtract", "multiply", "divide", "floor_divide", "remainder", "pow", "negative", "absolute"}
    | {"bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_invert"}
    | {"bitwise_left_shift", "bitwise_right_shift", "stop_gradient", "zero_grad"}
)
"""What Python computes on its own numbers, with a result as weak as they are. A function gives an array."""
_IDENTITY_ON_INTEGERS = frozenset({"floor", "ceil", "trunc", "round"})
_FLIPPED = {
    "less": "greater",
    "less_equal": "greater_equal",
    "greater": "less",
    "greater_equal": "less_equal",
}
_COMPARISONS = frozenset({"equal", "not_equal", *_FLIPPED})
_FALSE_ON_INTEGERS = {"isnan": False, "isinf": False, "isfinite": True}


def _table() -> dict[str, type[Pointwise]]:
    found: dict[str, type[Pointwise]] = {}
    for definition in REGISTRY.values():
        if issubclass(definition, Pointwise) and definition.public is not None:
            for name in (definition.public, *definition.aliases):
                found[name] = definition
    return found


OPS = _table()


def call(name: str, *operands: object) -> Any:
    """The elementwise function `name` of the operands, promoted and broadcast as NumPy 2 would."""
    definition = OPS[name]
    exprs = [convert.asarray(o) for o in operands]
    canonical = definition.public or name
    ufunc = _UFUNCS.get(canonical) or getattr(np, canonical, None)
    if len(exprs) != (definition.arity if not isinstance(ufunc, np.ufunc) else ufunc.nin):
        raise TensorcTypeError(
            f"tc.{name} takes {_arrays(definition.arity)}, got {len(exprs)}",
            code="TC0340",
            location=caller_location(),
            help=f"write tc.{name}({', '.join('xyz'[: definition.arity])})",
        )
    if not isinstance(ufunc, np.ufunc):
        return _apply(name, definition, exprs, _dtypes_without_ufunc(definition, exprs))
    if canonical == "pow":
        _refuse_negative_powers(exprs)
    decided = _decided(name, canonical, exprs)
    if decided is not None:
        return decided
    *dtypes, out = convert.resolve(ufunc, exprs)
    if canonical.startswith("logical_"):
        dtypes = [np.dtype(bool)] * len(exprs)
    elif all(d.kind == "b" for d in dtypes) and canonical in _BOOLEAN_FORMS:
        return call(_BOOLEAN_FORMS[canonical], *exprs)
    elif all(d.kind == "b" for d in dtypes) and canonical == "absolute":
        return exprs[0]
    if len(dtypes) == 2 and dtypes[0] != dtypes[1]:
        return (
            _mixed_comparison(canonical, exprs)
            if out.kind == "b"
            else _apply(name, definition, exprs, [out, out])
        )
    return _apply(name, definition, exprs, dtypes)


def _arrays(count: int) -> str:
    return "one array" if count == 1 else f"{count} arrays"


def _decided(name: str, canonical: str, exprs: Sequence[Any]) -> Any:
    """The value where the dtypes decide it, else None."""
    if canonical in _COMPARISONS:
        return _beyond_range(canonical, exprs)
    # numpy.rint gives floats for integers, numpy.round leaves them: one op, two functions
    return None if name == "rint" else _integer_special(canonical, exprs)


def _dtypes_without_ufunc(definition: type[Pointwise], exprs: Sequence[Any]) -> Sequence[np.dtype[Any]]:
    """For functions that NumPy has not: as they are, if the op takes them, else those of exp and arctan2."""
    if len(exprs) == 1 and exprs[0].type.element in definition.accepts:
        return [exprs[0].dtype]
    return [convert.resolve(np.exp if len(exprs) == 1 else np.arctan2, exprs)[0]] * len(exprs)


def _apply(
    name: str, definition: type[Pointwise], exprs: Sequence[Any], dtypes: Sequence[np.dtype[Any]]
) -> Any:
    operands = [convert.cast(e, d) for e, d in zip(exprs, dtypes, strict=True)]
    result = apply(definition, *broadcast_together(operands, name))
    if definition.public in _OPERATORS and all(e.weak for e in exprs) and result.dtype.kind in "if":
        result.weak = "float" if result.dtype.kind == "f" else "int"
    return result


def _integer_special(name: str, exprs: Sequence[Any]) -> Any:
    """Functions whose value on integers and booleans needs no computation."""
    if exprs[0].dtype.kind not in "iub":
        return None
    if name in _IDENTITY_ON_INTEGERS and (name != "round" or exprs[0].dtype.kind != "b"):
        return exprs[0]
    if name in _FALSE_ON_INTEGERS:
        from tensorc.api import functions

        return functions.full_like(exprs[0], _FALSE_ON_INTEGERS[name], dtype="bool")
    return None


def _beyond_range(name: str, exprs: Sequence[Any]) -> Any:
    """A comparison with a Python integer that the other side's dtype cannot hold is decided, as in NumPy."""
    a, b = exprs
    if a.weak == "int" and b.weak is None:
        return _beyond_range(_FLIPPED.get(name, name), (b, a))
    known = a.dtype.kind in "iu" and a.weak is None and b.weak == "int" and isinstance(b, Constant)
    if not known:
        return None
    bounds, value = np.iinfo(a.dtype), int(b.value)
    if bounds.min <= value <= bounds.max:
        return None
    from tensorc.api import functions

    holds = name == "not_equal" or name.startswith("less" if value > bounds.max else "greater")
    return functions.full_like(a, holds, dtype="bool")


def _refuse_negative_powers(exprs: Sequence[Any]) -> None:
    """Integers to known negative powers: NumPy refuses them. An unknown one gives 0, 1 or -1."""
    base, power = exprs
    known = isinstance(power, Constant) and power.dtype.kind == "i" and bool((power.value < 0).any())
    if known and base.dtype.kind in "iub":
        raise TensorcValueError(
            f"power: integers to negative integer powers ({advice.listed([base, power], ' ** ')})",
            code="TC0341",
            location=caller_location(),
            help=f"make one of them a float: {advice.label(base) or 'x'} ** {float(power.value.min())}",
        )


def _mixed_comparison(name: str, exprs: Sequence[Any]) -> Any:
    """Comparison of int64 with uint64, exact as in NumPy 2: a negative number is below every unsigned one."""
    a, b = exprs
    if a.dtype.kind == "u":
        return _mixed_comparison(_FLIPPED.get(name, name), (b, a))
    a, b = convert.cast(a, np.dtype("int64")), convert.cast(b, np.dtype("uint64"))
    negative = call("less", a, 0)
    compared = call(name, convert.astype(a, np.dtype("uint64")), b)
    if name in ("less", "less_equal", "not_equal"):
        return call("logical_or", negative, compared)
    return call("logical_and", call("logical_not", negative), compared)


def public_functions() -> dict[str, Callable[..., Any]]:
    """One function for every public name of a Pointwise op."""
    return {name: _function(name, definition) for name, definition in OPS.items()}


def _unknown_option(name: str, arity: int, options: Mapping[str, object]) -> TensorcTypeError:
    what = {
        "out": "results are new expressions; a compiled function takes out=",
        "where": "use tc.where(condition, a, b) for masks",
        "dtype": f"write tc.{name}(...).astype(dtype)",
    }
    known = [what[o] for o in options if o in what]
    return TensorcTypeError(
        f"tc.{name} takes {_arrays(arity)} and no option {', '.join(f'{o}=' for o in options)}",
        code="TC0345",
        location=caller_location(),
        help="; ".join(known) or None,
    )


def _function(name: str, definition: type[Pointwise]) -> Callable[..., Any]:
    def function(*operands: object, **options: object) -> Any:
        if options:
            raise _unknown_option(name, definition.arity, options)
        return call(name, *operands)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = definition.__doc__
    # `help` and the reference show what a call looks like; `call` itself reports a wrong number.
    names = ("x", "y", "z")[: definition.arity]
    parameters = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_ONLY) for n in names]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return function
