"""Runs scalar bodies on NumPy arrays and refuses what LLVM would leave undefined, even where nobody uses it:
a body must be safe as it stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tensorc.ir.definition import NO_ATTRS
from tensorc.ir.types import FloatType, Type, i1
from tensorc.ops import scalar
from tensorc.ops.loops import arith, casts, math
from tensorc.ops.loops.base import ScalarOp, numpy_dtype


@dataclass(frozen=True)
class Lane:
    """A scalar value, for many elements at once."""

    type: Type
    data: Any


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

    def lane(self, data: Any, type: Type) -> Lane:
        return Lane(type, np.asarray(data))

    def constant(self, value: Any, type: Type) -> Lane:
        attribute = arith.attribute_value(arith.scalar_attribute(value, type))
        return self.lane(np.full(self.shape, attribute), type)

    def call(self, symbol: str, args: list[Lane], result: Type) -> Lane:
        prefix, name, suffix = symbol.split("_")
        assert prefix == "tensorc"
        assert suffix == str(result)
        table = scalar.FUNCTIONS if isinstance(result, FloatType) else scalar.INTEGER_FUNCTIONS
        value = table[name].reference(*[a.data for a in args])
        return Lane(result, np.asarray(value, numpy_dtype(result)))

    def select(self, condition: Lane, a: Lane, b: Lane) -> Lane:
        assert condition.type == i1
        assert a.type == b.type
        return Lane(a.type, np.where(condition.data, a.data, b.data))

    def cmpf(self, predicate: str, a: Lane, b: Lane) -> Lane:
        number = arith.CmpF.predicates.index(predicate)
        return self._run("cmpf", [a, b], i1, arith.PredicateAttrs(number))

    def cmpi(self, predicate: str, a: Lane, b: Lane) -> Lane:
        number = arith.CmpI.predicates.index(predicate)
        return self._run("cmpi", [a, b], i1, arith.PredicateAttrs(number))

    def _run(self, name: str, xs: list[Lane], result: Type, attrs: Any = NO_ATTRS) -> Lane:
        definition = _CLASSES[name]
        if name not in _CASTS:
            assert definition.infer([x.type for x in xs], attrs) == (result,), name
        data = [x.data for x in xs]
        bad = ~np.broadcast_to(definition.defined(attrs, result, *data), self.shape)
        assert not bad.any(), f"{name} is undefined for {[d[bad][:5] for d in data]}"
        return Lane(result, np.asarray(definition.evaluate(attrs, result, *data)))

    def __getattr__(self, name: str) -> Any:
        if name not in _CLASSES:
            raise AttributeError(name)
        if name in _CASTS:
            return lambda x, type: self._run(name, [x], type)
        return lambda *xs: self._run(name, list(xs), xs[0].type)
