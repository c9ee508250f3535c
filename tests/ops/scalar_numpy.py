"""Runs scalar bodies on NumPy arrays and refuses what LLVM would leave undefined.

A value is an array with a mask of poisoned elements. Poison flows through every instruction except the
operand `select` does not take. An
instruction that would trap (a division) must not even meet a forbidden operand.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorc.ir.definition import NO_ATTRS
from tensorc.ir.types import FloatType, Type, i1
from tensorc.ops import scalar
from tensorc.ops.loops import arith, casts, math
from tensorc.ops.loops.base import ScalarOp, numpy_dtype

_TRAPS = {"divsi", "divui", "remsi", "remui"}


class Lane:
    """A scalar value, for many elements at once."""

    def __init__(self, type: Type, data: Any, poison: Any) -> None:
        self.type = type
        self.data = data
        self.poison = poison


def _classes() -> dict[str, type[ScalarOp]]:
    found = {}
    for module in (arith, casts, math):
        for c in vars(module).values():
            if isinstance(c, type) and issubclass(c, ScalarOp) and "name" in vars(c):
                found[c.name.split(".", 1)[1]] = c
    return found


_CLASSES = _classes()
_CASTS = {name for name, c in _CLASSES.items() if c.__module__ == casts.__name__}


class NumpyScalars:
    """A `ScalarBuilder` that computes."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.count = 0

    def lane(self, data: Any, type: Type) -> Lane:
        return Lane(type, np.asarray(data), np.zeros(self.shape, bool))

    def constant(self, value: Any, type: Type) -> Lane:
        attribute = arith.attribute_value(arith.scalar_attribute(value, type))
        return self.lane(np.full(self.shape, attribute), type)

    def call(self, symbol: str, args: list[Lane], result: Type) -> Lane:
        prefix, name, suffix = symbol.split("_")
        assert prefix == "tensorc"
        assert suffix == str(result)
        assert isinstance(result, FloatType)
        poison = np.logical_or.reduce([a.poison for a in args])
        value = scalar.FUNCTIONS[name].reference(*[a.data for a in args])
        return Lane(result, np.asarray(value, numpy_dtype(result)), poison)

    def select(self, condition: Lane, a: Lane, b: Lane) -> Lane:
        assert condition.type == i1
        assert a.type == b.type
        poison = condition.poison | np.where(condition.data, a.poison, b.poison)
        return Lane(a.type, np.where(condition.data, a.data, b.data), poison)

    def cmpf(self, predicate: str, a: Lane, b: Lane) -> Lane:
        number = arith.CmpF.predicates.index(predicate)
        return self._run("cmpf", [a, b], i1, arith.PredicateAttrs(number))

    def cmpi(self, predicate: str, a: Lane, b: Lane) -> Lane:
        number = arith.CmpI.predicates.index(predicate)
        return self._run("cmpi", [a, b], i1, arith.PredicateAttrs(number))

    def _run(self, name: str, xs: list[Lane], result: Type, attrs: Any = NO_ATTRS) -> Lane:
        self.count += 1
        definition = _CLASSES[name]
        if name not in _CASTS:
            assert definition.infer([x.type for x in xs], attrs) == (result,), name
        data = [x.data for x in xs]
        poison = np.logical_or.reduce([x.poison for x in xs])
        bad = ~np.broadcast_to(definition.defined(attrs, result, *data), self.shape)
        if name in _TRAPS:
            assert not (bad | poison).any(), f"{name} traps on {[d[bad | poison] for d in data]}"
        return Lane(result, np.asarray(definition.evaluate(attrs, result, *data)), poison | bad)

    def __getattr__(self, name: str) -> Any:
        if name not in _CLASSES:
            raise AttributeError(name)
        if name in _CASTS:
            return lambda x, type: self._run(name, [x], type)
        return lambda *xs: self._run(name, list(xs), xs[0].type)
