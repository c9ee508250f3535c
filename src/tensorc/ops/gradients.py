"""Ops that exist for gradients: links of the chain rule, and boundaries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorc.ir.core import Operation, Value
from tensorc.ir.types import FloatType, ScalarType
from tensorc.ops import dtypes, emit
from tensorc.ops.arithmetic import COMMUTATIVE
from tensorc.ops.base import Sample, register
from tensorc.ops.families import Pointwise

if TYPE_CHECKING:
    from tensorc.ir.builder import Builder


@register
class ChainMul(Pointwise):
    """One link of the chain rule: cotangent g times partial derivative p, and 0 where g is 0, whatever p is.

    So a branch that `where` did not take contributes nothing even where its derivative is infinite or NaN.
    """

    name = "tensorc.chain_mul"
    arity = 2
    accepts = dtypes.FLOATS

    @classmethod
    def reference(cls, attrs: Any, *operands: Any) -> Any:
        g, p = operands
        return np.where(g == 0, np.zeros((), np.asarray(g).dtype), g * p)

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        g, p = xs
        none = s.constant(0.0, g.type)
        return s.select(s.cmpf("oeq", g, none), none, s.mulf(g, p))

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        (c,), (g, p) = cotangents, op.operands
        return emit.chain_mul(b, c, p), emit.chain_both(b, c, g)


@register
class ChainBoth(Pointwise):
    """The product of two cotangents in a second derivative: 0 where either is 0."""

    name = "tensorc.chain_both"
    arity = 2
    accepts = dtypes.FLOATS
    traits = COMMUTATIVE

    @classmethod
    def reference(cls, attrs: Any, *operands: Any) -> Any:
        x, y = operands
        return np.where((x == 0) | (y == 0), np.zeros((), np.asarray(x).dtype), x * y)

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        x, y = xs
        none = s.constant(0.0, x.type)
        either = s.ori(s.cmpf("oeq", x, none), s.cmpf("oeq", y, none))
        return s.select(either, none, s.mulf(x, y))

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        (c,), (x, y) = cotangents, op.operands
        return emit.chain_both(b, c, y), emit.chain_both(b, c, x)


@register
class ChainDiv(Pointwise):
    """One link of the chain rule: cotangent g divided by d, and 0 where g is 0, whatever d is."""

    name = "tensorc.chain_div"
    arity = 2
    accepts = dtypes.FLOATS
    domain = (0.5, 3.0)

    @classmethod
    def reference(cls, attrs: Any, *operands: Any) -> Any:
        g, d = operands
        return np.where(g == 0, np.zeros((), np.asarray(g).dtype), g / d)

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        g, d = xs
        none = s.constant(0.0, g.type)
        return s.select(s.cmpf("oeq", g, none), none, s.divf(g, d))

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        dg = emit.chain_div(b, cotangents[0], op.operands[1])
        return dg, emit.neg(b, emit.chain_both(b, dg, op.result))


class _Boundary(Pointwise):
    """The identity, with a gradient of its own."""

    accepts = dtypes.ALL

    @classmethod
    def reference(cls, attrs: Any, *operands: Any) -> Any:
        return np.array(operands[0], copy=True)

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        return xs[0]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        """Left out of the comparison with finite differences: that these gradients differ from the identity's
        is their point.
        """
        for sample in super().samples():
            yield Sample(sample.operands, differentiable=False)


@register
class StopGradient(_Boundary):
    """x; no gradient flows back: what lies behind is disconnected."""

    name = "tensorc.stop_gradient"
    public = "stop_gradient"
    aliases = ("disconnected_grad",)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        return (None,)


@register
class ZeroGrad(_Boundary):
    """x; the gradient that flows back is zero."""

    name = "tensorc.zero_grad"
    public = "zero_grad"

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        x = op.operands[0]
        return (emit.zeros_like(b, x) if isinstance(emit.element(x), FloatType) else None,)
