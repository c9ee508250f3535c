"""Calls of functions that all compiled code of a process shares (`OF_LIBRARY`)."""

from __future__ import annotations

from collections.abc import Sequence

from tensorc.ir.attributes import UNIT, SymbolRefAttr
from tensorc.ir.builtin import Call, CallAttrs, lookup, new_declaration
from tensorc.ir.core import Operation, Value
from tensorc.ir.types import Type
from tensorc.ops.loops.builder import LoopBuilder
from tensorc.ops.loops.nests import OF_LIBRARY


def call_shared(
    b: LoopBuilder, symbol: str, arguments: Sequence[Type], operands: Sequence[Value]
) -> Operation:
    """Call a shared function of `arguments`; declare it where it is not."""
    module = b._module()
    if lookup(module, symbol) is None:
        declaration = new_declaration(symbol, arguments, [])
        declaration.set_attribute(OF_LIBRARY, UNIT)
        module.regions[0].block.append(declaration)
    return b.create_op(Call, operands, CallAttrs(SymbolRefAttr(symbol)), results=[])
