"""Outputs that may be written over the memory of a cell (`ops/loops/claims.py`): the claim decides in every
call, and only then their descriptors say where they lie.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tensorc.codegen_llvm.emitter_values import Buffer, Scalar
from tensorc.ir.attributes import IntegerAttr
from tensorc.ir.builtin import arg_attributes, body
from tensorc.ir.core import Operation, Value
from tensorc.ir.types import MemRefType
from tensorc.ops.loops.claims import CLAIM, CLAIMED, OVER

if TYPE_CHECKING:
    from tensorc.codegen_llvm.emitter import Emitter

NO_MEMORY_YET: Final = "%unclaimed"
"""In place of the address of an output before the claim: a name that LLVM does not know."""


@dataclass
class Claims:
    """`over`: outputs of a function, and the argument each may be written over; `made`: whether the claim has
    been emitted.
    """

    over: dict[Value, Value] = field(default_factory=dict)
    made: bool = False

    def has_memory(self, argument: Value) -> bool:
        """Whether an argument's descriptor says where it lies."""
        return self.made or argument not in self.over


def of(function: Operation) -> Claims:
    """The claims of a function."""
    arguments = body(function).args
    over: dict[Value, Value] = {}
    for argument in arguments:
        number = arg_attributes(function, argument.index).get(OVER)
        if isinstance(number, IntegerAttr):
            over[argument] = arguments[number.value]
    return Claims(over, CLAIMED in function.attributes)


def claim(emitter: Emitter, work: Scalar) -> Scalar:
    """Ask for the outputs' memory, and read where it is. A function without a poll record does not ask: its
    caller has given memory to all outputs.
    """
    code = Scalar("i32", "0")
    if emitter.record is not None:
        emitter.declare(CLAIM, f"declare i32 @{CLAIM}(ptr, i64) nounwind")
        code = emitter.let("i32", f"call i32 @{CLAIM}(ptr {emitter.record.pointer}, {work})")
    emitter.claims.made = True
    for argument in emitter.claims.over:
        assert isinstance(argument.type, MemRefType)
        root = emitter.buffer(argument).root
        emitter.values[argument] = emitter.load_descriptor(argument.type, f"%a{argument.index}", root)  # type: ignore[attr-defined]
    return code


def elsewhere(emitter: Emitter, buffer: Buffer) -> Scalar | None:
    """Whether an output does not lie where its cell does; None for what is no such output."""
    for output, cell in emitter.claims.over.items():
        if emitter.buffer(output).base == buffer.base:
            return emitter.let("i1", f"icmp ne ptr {buffer.base}, {emitter.buffer(cell).base}")
    return None
