"""How far two correct evaluations of a program may lie apart: stochastic arithmetic.

The reference runs once as it is and several times shaken: after every op whose result may differ between
correct implementations, the result is moved by a few units in the last place, at random. What then differs
between the runs is what rounding can do to this program on these values (Parker, "Monte Carlo arithmetic",
1997); no bound has to be carried through the ops by hand. An op moves

- by the stated ulps of both sides, for functions of the scalar table;
- as its operands moved by the rounding errors of a sum of that length, for sums and products of many;
- not at all, for everything IEEE 754 or integer arithmetic determines.

The sign of a zero from `sum_to` is random: where no axis is stretched the sum is of one term, which
specialised code takes as it is, while -0 summed from +0 is +0.

An element whose partial results may overflow or underflow in one order of summation and not in another is
replaced by NaN, an infinity or the result, at random: what depends on it is then seen to be undetermined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tensorc.ir.core import Operation
from tensorc.ir.definition import OpDefinition
from tensorc.ops import (
    arithmetic,
    composite,
    gradients,
    indexing,
    linalg,
    products,
    reductions,
    transcendental,
    views,
)
from tensorc.ops.attrs import AxesAttrs
from tensorc.ops.base import OpDef
from tensorc.ops.scalar import FUNCTIONS
from tests.strategies import Array

REFERENCE_ULP = 4
"""What NumPy and SciPy may be off."""
Rng = np.random.Generator


class Shaker:
    """The `after` hook of `interp.tensor.run` for one shaken run."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def __call__(self, op: Operation, operands: Sequence[Any], results: Sequence[Any]) -> Sequence[Any]:
        rule = None if op.definition is None else _rule(op.definition)
        if rule is None or not isinstance(results[0], np.ndarray) or results[0].dtype.kind != "f":
            return results
        return [rule(self.rng, op, operands, results[0])]


class RoughShaker(Shaker):
    """For a program as it was written: what rounding anywhere, overflow and underflow can do to it. A rewrite
    may change all that for the better, so nothing more can be asked of it than to stay within.
    """

    def __call__(self, op: Operation, operands: Sequence[Any], results: Sequence[Any]) -> Sequence[Any]:
        results = super().__call__(op, operands, results)
        y = results[0] if results else None
        if (
            not isinstance(y, np.ndarray)
            or y.dtype.kind != "f"
            or not issubclass(op.definition or object, _ROUNDED)
        ):
            return results
        info = np.finfo(y.dtype)
        made_inf = np.isinf(y) & np.all(_all_finite(operands, y.shape), axis=0)
        y = _drawn(self.rng, moved(self.rng, y, 2), made_inf, [np.inf, info.max / 2, -info.max / 2, -np.inf])
        small = np.abs(y) < info.tiny
        return [_drawn(self.rng, y, small, [0.0, info.tiny, -info.tiny])]


def _all_finite(operands: Sequence[Any], shape: tuple[int, ...]) -> list[Array]:
    """Per float operand whether its elements are finite; all of it, where it has another shape."""
    arrays = [x for x in operands if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
    found = [np.isfinite(x) if x.shape == shape else np.full(shape, np.isfinite(x).all()) for x in arrays]
    return [*found, np.ones(shape, bool)]


def _drawn(rng: Rng, x: Array, where: Array, values: Sequence[float]) -> Array:
    """x with random ones of `values` (or x) in the places `where`."""
    other = rng.choice(np.array(values, x.dtype), x.shape)
    return np.where(where & (rng.random(x.shape) < 0.7), other, x).astype(x.dtype)


Rule = Callable[[Rng, Operation, Sequence[Any], Array], Array]


def _rule(definition: type[OpDefinition]) -> Rule | None:
    return next((rule for kind, rule in _RULES if issubclass(definition, kind)), None)


def moved(rng: Rng, x: Array, ulps: float) -> Array:
    """x with every finite, non-zero element moved by between ulps/4 and ulps, either way."""
    info = np.finfo(x.dtype)
    size = rng.uniform(0.25, 1.0, x.shape) * rng.choice([-1.0, 1.0], x.shape) * ulps
    # In double the product of a float32 is exact enough; for float64, eps * size is.
    shifted = (x * (1 + size * float(info.eps))).astype(x.dtype)
    small = np.abs(x) < info.tiny * 4
    tiny = x + (np.rint(size) * float(info.smallest_subnormal)).astype(x.dtype)
    found = np.where(small, tiny, shifted)
    return np.where(np.isfinite(x) & (x != 0), found, x).astype(x.dtype)


def _table(rng: Rng, op: Operation, operands: Sequence[Any], result: Array) -> Array:
    definition = op.definition
    row = getattr(definition, "row", "pow")
    return moved(rng, result, FUNCTIONS[row].ulp + REFERENCE_ULP)


def _tensor(definition: Any) -> type[OpDef]:
    assert issubclass(definition, OpDef)
    return definition


def _again(op: Operation, operands: Sequence[Any]) -> Array:
    return np.asarray(_tensor(op.definition).reference(op.attrs, *operands))


def _log2(n: float) -> float:
    return 2 + np.log2(max(n, 1))


def _undetermined(rng: Rng, result: Array, where: Array) -> Array:
    """Any class of value in the places `where`."""
    wild = rng.choice(np.array([np.nan, np.inf, -np.inf, 0.0], result.dtype), result.shape)
    keep = rng.random(result.shape) < 0.3
    return np.where(where & ~keep, wild, result).astype(result.dtype)


def _finite(x: Array) -> Array:
    return np.where(np.isfinite(x), np.abs(x), 0).astype(x.dtype)


def _sum(rng: Rng, op: Operation, operands: Sequence[Any], result: Array) -> Array:
    x, rest = operands[0], operands[1:]
    length = x.size / max(result.size, 1)
    again = _again(op, [moved(rng, x, _log2(length)), *rest])
    total = _again(op, [_finite(x), *rest])
    if op.definition is reductions.Mean:
        total = total * length
        again = moved(rng, again, 1)
    if op.definition is views.SumTo:
        again = np.where(again == 0, np.copysign(again, rng.choice([-1.0, 1.0], again.shape)), again)
    return _undetermined(rng, again.astype(x.dtype), np.isinf(total) & (length > 1))


def _prod(rng: Rng, op: Operation, operands: Sequence[Any], result: Array) -> Array:
    (x,) = operands
    attrs = op.attrs
    assert isinstance(attrs, AxesAttrs)
    length = x.size / max(result.size, 1)
    again = _again(op, [moved(rng, x, 2)])
    size = np.log2(np.where(np.isfinite(x) & (x != 0), np.abs(x), 1).astype(np.float64))
    info = np.finfo(x.dtype)
    over = np.add.reduce(np.maximum(size, 0), axis=attrs.axes) >= np.log2(float(info.max)) - 1
    under = np.add.reduce(np.minimum(size, 0), axis=attrs.axes) <= np.log2(float(info.tiny)) + 1
    return _undetermined(rng, again, np.asarray(over | under) & (length > 1))


def _matmul(rng: Rng, op: Operation, operands: Sequence[Any], result: Array) -> Array:
    x, y = operands
    length = x.shape[-1]
    again = _again(op, [moved(rng, x, _log2(length)), moved(rng, y, 1)])
    info = np.finfo(x.dtype)
    # Terms that are alike are rounded alike: moved operands average out what such a sum does not.
    size = np.float64(info.eps) * np.sqrt(length) * _again(op, [np.abs(_finite(x)), np.abs(_finite(y))])
    error = rng.uniform(-1, 1, again.shape) * (size + length * info.smallest_subnormal)
    again = again + error.astype(x.dtype)
    total = _again(op, [_finite(x), _finite(y)])
    return _undetermined(rng, again, np.isinf(total))


def _softened(rng: Rng, op: Operation, operands: Sequence[Any], result: Array) -> Array:
    """Softmax and relatives: the exponentials are moved, which moves logarithms of their sums absolutely."""
    (x,) = operands
    again = moved(rng, _again(op, [moved(rng, x, 2)]), 16)
    if op.definition is composite.Softmax:
        return again
    absolute = rng.uniform(-16, 16, again.shape) * float(np.finfo(x.dtype).eps)
    return np.where(np.isfinite(again), again + absolute, again).astype(x.dtype)


_ROUNDED: tuple[type[OpDefinition], ...] = (
    arithmetic.Add,
    arithmetic.Sub,
    arithmetic.Mul,
    arithmetic.Div,
    arithmetic.FloorDiv,
    arithmetic.Mod,
    arithmetic.Square,
    arithmetic.Sqrt,
    arithmetic.Cast,
    gradients.ChainMul,
    gradients.ChainDiv,
    indexing.ScatterAdd,
    indexing.UpdateSlice,
    linalg.Matmul,
    products.Prod,
    products.Recurrence,
    reductions.Mean,
    reductions.Sum,
    transcendental.Pow,
    transcendental.TableFunction,
    views.SumTo,
    composite.Softmax,
    composite.LogSoftmax,
    composite.LogSumExp,
)
_RULES: tuple[tuple[type[OpDefinition], Rule], ...] = (
    (transcendental.TableFunction, _table),
    (transcendental.Pow, _table),
    (reductions.Sum, _sum),
    (reductions.Mean, _sum),
    (views.SumTo, _sum),
    (products.Prod, _prod),
    (linalg.Matmul, _matmul),
    (composite.Softmax, _softened),
    (composite.LogSoftmax, _softened),
    (composite.LogSumExp, _softened),
)
