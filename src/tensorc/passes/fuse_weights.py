"""What ops cost, in units of one addition an element: 16 a math function, 6 a division or square root, 1 the
rest. Loads and stores count nothing here: how often something is computed is weighed against them.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from tensorc.ir.builtin import body, new_function, new_module
from tensorc.ir.core import Operation
from tensorc.ir.types import ScalarType
from tensorc.ops.families import Pointwise
from tensorc.ops.index import shaped
from tensorc.ops.loops.base import register_type
from tensorc.ops.loops.builder import LoopBuilder

_MATH: Final = 16
_SLOW: Final = 6
_SLOW_OPS: Final = (
    "arith.divf",
    "arith.remf",
    "arith.divsi",
    "arith.divui",
    "arith.remsi",
    "arith.remui",
    "math.sqrt",
)
_FREE_OPS: Final = ("arith.constant", "arith.bitcast")
_CHEAP_MATH: Final = (
    "math.absf",
    "math.floor",
    "math.ceil",
    "math.trunc",
    "math.roundeven",
    "math.copysign",
    "math.fma",
)


@cache
def weight(definition: type[Pointwise], elements: tuple[ScalarType, ...]) -> int:
    """What one element of a pointwise op costs, from its scalar body."""
    module = new_module()
    probe = new_function("probe", [register_type(e) for e in elements[:-1]], [])
    module.regions[0].block.append(probe)
    definition.scalar(LoopBuilder(body(probe)), elements, *body(probe).args)
    return sum(op_weight(op.name) for op in body(probe))


def op_weight(name: str) -> int:
    """What a scalar op costs."""
    if name in _FREE_OPS:
        return 0
    if name in _SLOW_OPS:
        return _SLOW
    heavy = name == "func.call" or (name.startswith("math.") and name not in _CHEAP_MATH)
    return _MATH if heavy else 1


def elements_of(op: Operation) -> tuple[ScalarType, ...]:
    return tuple(shaped(v).element for v in (*op.operands, op.result))


def weight_of(op: Operation) -> int:
    """What one element of an op of the family Pointwise costs."""
    definition = op.definition
    assert definition is not None
    assert issubclass(definition, Pointwise)
    return weight(definition, elements_of(op))  # type: ignore[arg-type]
