"""`memref.copy`: the C library's where both buffers are contiguous, by several threads if it is long, else a
loop nest.

An output that may be written over a cell (`ops/loops/claims.py`) may be what is copied from: then there is
nothing to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tensorc.codegen_llvm import emitter_claims, emitter_exits
from tensorc.codegen_llvm.emitter_values import Buffer, Scalar, byte_width, i64
from tensorc.ir.core import Operation

if TYPE_CHECKING:
    from tensorc.codegen_llvm.emitter import Emitter

SHARED = 1 << 20
"""Bytes from which on copying them may want several threads."""


def copy(emitter: Emitter, op: Operation) -> None:
    """Emit a copy."""
    source, target = (emitter.buffer(v) for v in op.operands)
    if emitter.claims.over.get(op.operands[1]) is not op.operands[0]:
        _copy(emitter, source, target)
        return
    # The same memory is the same extents and strides: only contiguous cells are written over.
    elsewhere = emitter_claims.elsewhere(emitter, target)
    assert elsewhere is not None
    apart, done = emitter.new_label("apart"), emitter.new_label("done")
    emitter.branch_if(elsewhere, apart, done)
    emitter.place(apart)
    before = emitter.mark
    _copy(emitter, source, target)
    emitter.forget(before)
    emitter.branch(done)
    emitter.place(done)


def _copy(emitter: Emitter, source: Buffer, target: Buffer) -> None:
    if source.type.layout is None and target.type.layout is None:
        _copy_bytes(emitter, source, target)
        return
    loops = [emitter.open_loop(i64(0), size) for size in target.sizes]
    indices = [loop.phis[0] for loop in loops]
    value = emitter.load_element(source, emitter.address(source, indices))
    emitter.store_element(value, target, emitter.address(target, indices))
    for loop in reversed(loops):
        emitter.close_loop(loop, i64(1))


def _copy_bytes(emitter: Emitter, source: Buffer, target: Buffer) -> None:
    count = i64(byte_width(target.type.element))
    for size in target.sizes:
        count = emitter.mul(count, size)
    places = [Scalar("ptr", target.start), Scalar("ptr", source.start)]
    record, few = emitter.record, count.constant is not None and count.constant < SHARED
    if record is None or emitter.depth or few or emitter.unit.options.parallel_work is None:
        emitter.call("llvm.memcpy.p0.p0.i64", [*places, count, Scalar("i1", "false")], "void")
        return
    emitter.declare("tensorc_copy", "declare i32 @tensorc_copy(ptr, ptr, ptr, i64, i64) nounwind")
    operands = ", ".join(str(v) for v in (Scalar("ptr", record.pointer), *places, count, i64(SHARED)))
    emitter_exits.leave_on(emitter, emitter.let("i32", f"call i32 @tensorc_copy({operands})"))
