"""`lower-to-loops`: destination-passing ops become loops over buffers (L2); buffers get their signless memory
types.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from tensorc.ir.builtin import arg_attributes, body, functions, set_signature
from tensorc.ir.core import Operation, Value
from tensorc.ir.errors import InternalError
from tensorc.ir.types import MemRefType, Type, i32
from tensorc.ops.creation import Constant, Iota
from tensorc.ops.families import Opaque, Pointwise, Reduction
from tensorc.ops.index import FromIndex, ToIndex
from tensorc.ops.kernel import Kernel
from tensorc.ops.loops.base import memory_type
from tensorc.ops.loops.memref import Copy
from tensorc.ops.loops.scf import If
from tensorc.ops.views import SumTo
from tensorc.passes.bufferize import BUFFERS
from tensorc.passes.lowering import families
from tensorc.passes.lowering.claimed import allocate_before_claims
from tensorc.passes.lowering.nest import Lowerer
from tensorc.passes.outline import split

Lowering = Callable[[Lowerer, Operation, Sequence[Type]], None]
_BY_OP: Final[dict[str, Lowering]] = {
    Kernel.name: families.kernel,
    Constant.name: families.constant,
    Iota.name: families.iota,
    FromIndex.name: families.from_index,
    SumTo.name: families.sum_to,
}


@dataclass(frozen=True)
class LowerToLoops:
    """Destination-passing tensor ops to loops."""

    name: ClassVar[str] = "lower-to-loops"

    def run(self, module: Operation) -> None:
        for function in list(functions(module)):
            if function.regions[0].blocks and BUFFERS in function.attributes:
                ends = lower_function(function)
                allocate_before_claims(function)
                split(function, ends)


def lower_function(function: Operation) -> set[Operation]:
    """Lower every op; returns the last op of the code of each."""
    found = [(op, [v.type for v in op.operands]) for op in _tensor_ops(function)]
    _retype(function)
    b = Lowerer(function)
    ends: set[Operation] = set()
    for op, kinds in found:
        b.move(op)
        if op.isa(ToIndex):
            op.result.replace_all_uses_with(families.to_index(b, op, kinds))
        else:
            _lowering(op)(b, op, kinds)
        if op.prev is not None:
            ends.add(op.prev)
        op.erase()
    for op in _strided_copies(function):
        b.move(op)
        families.copy(b, op)
        if op.prev is not None:
            ends.add(op.prev)
        op.erase()
    return ends


def _strided_copies(function: Operation) -> list[Operation]:
    """Copies outside loops that are not copies of bytes: loops like others, in vector code and by threads."""
    return _found(
        function,
        lambda op: op.isa(Copy) and any(_has_layout(v.type) for v in op.operands),
        lambda op: op.isa(If),
    )


def _has_layout(type: Type) -> bool:
    return isinstance(type, MemRefType) and type.layout is not None


def _tensor_ops(function: Operation) -> list[Operation]:
    """Destination-passing ops, not looking into kernels."""
    return _found(function, lambda op: op.name.startswith("tensorc."), lambda op: True)


def _found(
    function: Operation, wanted: Callable[[Operation], bool], inside: Callable[[Operation], bool]
) -> list[Operation]:
    """The ops that are wanted, in order; other ops are looked into if `inside` says so."""
    found = []
    todo = [iter(body(function))]
    while todo:
        op = next(todo[-1], None)
        if op is None:
            todo.pop()
        elif wanted(op):
            found.append(op)
        elif inside(op):
            todo.extend(iter(block) for region in reversed(op.regions) for block in region.blocks)
    return found


def _lowering(op: Operation) -> Lowering:
    definition = op.definition
    if op.name in _BY_OP:
        return _BY_OP[op.name]
    if definition is not None and issubclass(definition, Pointwise):
        return families.pointwise
    if definition is not None and issubclass(definition, Reduction):
        return families.reduction
    if definition is not None and issubclass(definition, Opaque):
        return definition.lower
    raise InternalError(f"{op.name} has no lowering to loops")


def _retype(function: Operation) -> None:
    """Memory types: bool is `i8`, integers are signless. Types inside kernels stay: they speak of elements.
    """
    todo = [body(function)]
    while todo:
        block = todo.pop()
        for arg in block.args:
            _retype_value(arg)
        for op in block:
            for result in op.results:
                _retype_value(result)
            if not op.isa(Kernel):
                todo.extend(inner for region in op.regions for inner in region.blocks)
    args = body(function).args
    given = [arg_attributes(function, a.index) for a in args]
    set_signature(function, [a.type for a in args], [i32], given)


def _retype_value(value: Value) -> None:
    if isinstance(value.type, MemRefType):
        value.type = replace(value.type, element=memory_type(value.type.element))
