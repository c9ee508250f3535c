"""Indices of innermost loops: what does not change is computed before the loop, and what does is kept from
LLVM's strength reduction.

A body comes with all its index arithmetic. Rows of buffers are found before the loop here, so that what is
left inside is an index along the row, and an access at a place of it is one instruction. LLVM's pass for
that takes a fifth of the time of a compile to find the same; of an index that passes through `llvm.expect` it
knows nothing, so it has nothing to do, and the code generator takes the index as it is. Only where steps are
not known before the call (columns of a matrix) is the pass of use: there the index stays plain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from tensorc.codegen_llvm.emitter_values import Buffer, Scalar
from tensorc.ir.builtin import Call
from tensorc.ir.core import Block, Operation, Value
from tensorc.ir.types import IndexType, MemRefType, index
from tensorc.ops.loops import arith, memref, vector

if TYPE_CHECKING:
    from tensorc.codegen_llvm.emitter import Emitter

_HARMLESS: Final = (arith.Constant, arith.AddI, arith.SubI, arith.MulI, arith.MinSI, arith.MaxSI)
"""Computations that may run where the loop would not."""
_LINEAR: Final = (arith.AddI, arith.SubI)


def hoist(emitter: Emitter, block: Block) -> None:
    """Emit, before a loop, the index arithmetic and the rows that its body does not change."""
    for op in block:
        if op.definition in _HARMLESS and isinstance(op.result.type, IndexType):
            if all(v in emitter.values for v in op.operands):
                emitter.emit_now(op)
            continue
        access = places(op)
        if access is not None and isinstance(found := emitter.values.get(access[0]), Buffer):
            outer = [emitter.values.get(v) for v in access[1][:-1]]
            if all(isinstance(v, Scalar) for v in outer):
                emitter.row(found, [v for v in outer if isinstance(v, Scalar)])


def is_innermost(block: Block) -> bool:
    return not any(op.regions for op in block)


def has_known_steps(emitter: Emitter, block: Block) -> bool:
    """Whether places that depend on a loop's index are at known distances from iteration to iteration. Not in
    libraries, where rows are many at once: LLVM finds registers for them better when it knows the index.
    """
    if emitter.unit.is_library or block.args[0].type != index:
        return False
    varying: set[Value] = {block.args[0]}
    for op in block:
        if varying.isdisjoint(op.operands):
            continue
        access = places(op)
        if access is not None:
            kind = access[0].type
            assert isinstance(kind, MemRefType)
            if any(v in varying and s is None for v, s in zip(access[1], kind.strides, strict=True)):
                return False
        elif op.results and isinstance(op.result.type, IndexType):
            if op.definition not in _LINEAR:
                return False
            varying.add(op.result)
        elif op.isa(Call):
            return False
    return True


def places(op: Operation) -> tuple[Value, Sequence[Value]] | None:
    """The buffer that an op reads or writes, and the indices."""
    if op.definition in (memref.Store, vector.Store):
        return op.operands[1], op.operands[2:]
    if op.definition in (memref.Load, memref.Prefetch, vector.Load):
        return op.operands[0], op.operands[1:]
    if op.definition in (vector.MaskedLoad, vector.MaskedStore):
        return op.operands[0], op.operands[1:-2]
    if op.definition in (vector.Gather, vector.Scatter):
        return op.operands[0], op.operands[1:-3]
    return None
