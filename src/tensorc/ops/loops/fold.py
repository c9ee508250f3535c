"""Constant folding and identities of scalar loop ops, exact in every bit; never folds what LLVM would make
poison or undefined.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorc.ir.attributes import Attribute
from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import OpDefinition
from tensorc.ir.types import IntegerType, i1
from tensorc.ops.loops import arith
from tensorc.ops.loops.base import ScalarOp, lane, width

WIDEST = 64
"""Bits of the widest integers that are computed with."""


def constant_value(value: Value) -> Any:
    """The NumPy scalar of a value made by `arith.constant`, or None."""
    owner = value.owner
    if owner is None or owner.definition is not arith.Constant:
        return None
    attrs = owner.attrs
    assert isinstance(attrs, arith.ConstantAttrs)
    return arith.attribute_value(attrs.value)


def fold(op: Operation) -> Attribute | None:
    """The constant a `ScalarOp` computes when all its operands are constants; None if not constant or not
    defined.
    """
    definition = op.definition
    if definition is None or not issubclass(definition, ScalarOp) or definition is arith.Constant:
        return None
    values = []
    for operand in op.operands:
        value = constant_value(operand)
        if value is None:
            return None
        values.append(value)
    result = op.result.type
    if isinstance(lane(result), IntegerType) and width(result) > WIDEST:
        return None
    with np.errstate(all="ignore"):
        if not definition.defined(op.attrs, result, *values):
            return None
        return arith.scalar_attribute(definition.evaluate(op.attrs, result, *values), result)


_NEUTRAL_RIGHT: dict[type[OpDefinition] | None, int] = {
    arith.AddI: 0,
    arith.SubI: 0,
    arith.MulI: 1,
    arith.DivSI: 1,
    arith.DivUI: 1,
    arith.FloorDivSI: 1,
    arith.CeilDivSI: 1,
    arith.OrI: 0,
    arith.XOrI: 0,
    arith.AndI: -1,
    arith.ShLI: 0,
    arith.ShRSI: 0,
    arith.ShRUI: 0,
}
_IDEMPOTENT = (arith.MaxSI, arith.MinSI, arith.MaxUI, arith.MinUI, arith.AndI, arith.OrI)


def identity(op: Operation) -> Value | None:
    """An operand equal to the result of an integer op or select: `x + 0`, `x * 1`, `x / 1`, `max(x, x)`,
    `select(c, x, x)`.

    Neutral elements are looked for on the right, where canonicalisation puts constants.
    """
    definition = op.definition
    if definition is arith.Select:
        return _select_identity(op)
    if definition in _IDEMPOTENT and op.operands[0] is op.operands[1]:
        return op.operands[0]
    neutral = _NEUTRAL_RIGHT.get(definition)
    if neutral is None or op.result.type == i1:
        return None
    right = constant_value(op.operands[1])
    return op.operands[0] if right is not None and int(right) == neutral else None


def _select_identity(op: Operation) -> Value | None:
    condition, yes, no = op.operands
    if yes is no:
        return yes
    known = constant_value(condition)
    return None if known is None else (yes if known else no)
