"""Which ops were compared on which element types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from tensorc.ir import builtin
from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import Trait
from tensorc.ir.types import TensorType
from tensorc.ops.base import OpDef
from tensorc.ops.dtypes import ALL
from tensorc.ops.families import Pointwise
from tests.fuzz.recipes import CELLS, OPS, short

Cell = tuple[str, str]
"""An op's short name and an element type's."""
EVERY: frozenset[Cell] = frozenset((short(op), str(element)) for op, element in CELLS)


def cells_of(function: Operation) -> Iterator[Cell]:
    """The cells of the ops that results depend on, and of checks."""
    live: set[Value] = set()
    for op in reversed(list(builtin.body(function))):
        if op.isa(builtin.Return) or not op.has_trait(Trait.PURE) or any(r in live for r in op.results):
            live.update(op.operands)
            yield from _cell(op)


def _cell(op: Operation) -> Iterator[Cell]:
    definition = op.definition
    if definition is None or not issubclass(definition, OpDef):
        return
    tensors = [v for v in op.operands if isinstance(v.type, TensorType)] or list(op.results)
    deciding = tensors[-1 if issubclass(definition, Pointwise) else 0]
    if isinstance(deciding.type, TensorType) and deciding.type.element in definition.accepts:
        yield short(definition), str(deciding.type.element)


def table(counts: Mapping[Cell, int]) -> str:
    """How often each op was compared on each element type; `-` where the op does not accept it."""
    lines = [f"{'op':18}" + "".join(f"{e!s:>7}" for e in ALL)]
    for op in OPS:
        cells = [str(counts.get((short(op), str(e)), "")) if e in op.accepts else "-" for e in ALL]
        if op.accepts:
            lines.append(f"{short(op):18}" + "".join(f"{c:>7}" for c in cells))
    return "\n".join(lines)


def empty(counts: Counter[Cell]) -> list[Cell]:
    """Cells without a comparison."""
    return sorted(cell for cell in EVERY if not counts[cell])
