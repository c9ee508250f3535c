"""Greatest, least and where: they depend on the order of elements only, which increasing functions and
reversal keep.

Max and argmax of one input are two ops here, which fusion computes in one pass; an unused one is dead code.
No rule is needed for either.
"""

from __future__ import annotations

from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import OpDefinition
from tensorc.ir.rewriter import Rewriter, pattern
from tensorc.ops.arithmetic import Maximum, Minimum, Neg
from tensorc.ops.attrs import AxesAttrs, AxisAttrs
from tensorc.ops.composite import LogSoftmax, Softmax
from tensorc.ops.hyperbolic import Arcsinh, Sinh
from tensorc.ops.inverse_trigonometric import Arctan
from tensorc.ops.reductions import ArgMax, ArgMin, Max, Min
from tensorc.ops.roots import Cbrt
from tensorc.ops.transcendental import Exp, Exp2, Expm1, Log, Log1p, Log2, Log10, Sigmoid, Softplus, Tanh
from tensorc.ops.views import BroadcastTo, ExpandDims, Reshape, Squeeze, Transpose
from tensorc.passes.rules.match import (
    at_least,
    but_for_sign_of_zero,
    is_float,
    nan_unless,
    operand_of,
    replace,
)

_OPPOSITE: dict[type[OpDefinition], type[OpDefinition]] = {
    Max: Min,
    Min: Max,
    Maximum: Minimum,
    Minimum: Maximum,
}
_VIEWS = (BroadcastTo, ExpandDims, Squeeze, Reshape, Transpose)
_INCREASING = (Exp, Exp2, Expm1, Sigmoid, Softplus, Tanh, Sinh, Arcsinh, Arctan, Cbrt)
_FROM: dict[type[OpDefinition], int] = {Log: 0, Log2: 0, Log10: 0, Log1p: -1}
"""Logarithms, increasing from here on, NaN below."""
MOST_VIEWS = 8


def _peel(value: Value) -> tuple[list[Operation], Value]:
    """The views a value is seen through, outermost first, and what is seen."""
    views: list[Operation] = []
    while len(views) < MOST_VIEWS and value.owner is not None and value.owner.definition in _VIEWS:
        views.append(value.owner)
        value = value.owner.operands[0]
    return views, value


def _seen_through(rewriter: Rewriter, views: list[Operation], value: Value) -> Value:
    for view in reversed(views):
        assert view.definition is not None
        value = rewriter.create(view.definition, [value, *view.operands[1:]], view.attrs)[0]
    return value


@pattern(Neg, law="-max(-x) = min(x), -maximum(-x, -y) = minimum(x, y), on floats", example="-amax(-x, 1)")
def negated_extreme(op: Operation, rewriter: Rewriter) -> None:
    if not is_float(op.result):  # the least integer is its own negative
        return
    views, core = _peel(op.operands[0])
    extreme = core.owner
    opposite = None if extreme is None or extreme.definition is None else _OPPOSITE.get(extreme.definition)
    if extreme is None or opposite is None:
        return
    inner = [operand_of(v, Neg) for v in extreme.operands]
    operands = [v for v in inner if v is not None]
    if len(operands) == len(inner):
        result = rewriter.create(opposite, operands, extreme.attrs)[0]
        replace(op, rewriter, _seen_through(rewriter, views, result))


@pattern(
    ArgMax,
    ArgMin,
    law="argmax(f(x)) = argmax(x) for increasing f, NaN where f is",
    example="argmax(tanh(x), 1)",
    kind="stable",
)
def position_under_function(op: Operation, rewriter: Rewriter) -> None:
    views, core = _peel(op.operands[0])
    function = but_for_sign_of_zero(core).owner
    if function is None or function.definition is None or op.definition is None:
        return
    x = function.operands[0] if function.operands else None
    if function.definition in _FROM and x is not None:
        x = nan_unless(rewriter, at_least(rewriter, x, _FROM[function.definition]), x)
    elif function.definition in (Softmax, LogSoftmax):
        attrs = op.attrs
        assert isinstance(attrs, AxisAttrs)
        assert isinstance(function.attrs, AxesAttrs)
        # Along its own axes only; elsewhere the rows have sums of their own.
        if views or attrs.axis not in function.attrs.axes:
            return
    elif function.definition not in _INCREASING:
        return
    assert x is not None
    rewriter.replace_op(op, op.definition, [_seen_through(rewriter, views, x)], op.attrs)


PATTERNS = (negated_extreme, position_under_function)
