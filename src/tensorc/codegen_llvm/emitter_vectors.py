"""The `vector` ops as LLVM instructions and intrinsics. Vectors wider than the machine's registers are split
by LLVM's code generator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from tensorc.codegen_llvm import emitter_streams
from tensorc.codegen_llvm.emitter_values import Buffer, Scalar, byte_width, i64, llvm_type, overload_name
from tensorc.ir.core import BlockArgument, Operation, Value
from tensorc.ir.definition import OpDefinition
from tensorc.ops.loops import arith, memref, scf, vector
from tensorc.ops.loops.fold import constant_value
from tensorc.ops.loops.vector import lanes

if TYPE_CHECKING:
    from tensorc.codegen_llvm.emitter import Emitter

Result = Scalar | None


def broadcast(e: Emitter, value: Scalar, count: int) -> Scalar:
    """`value` in `count` lanes."""
    kind = f"<{count} x {value.type}>"
    if not value.text.startswith("%"):
        return Scalar(kind, f"splat ({value})")
    first = e.pure(kind, f"insertelement {kind} poison, {value}, i64 0")
    return e.pure(kind, f"shufflevector {first}, {kind} poison, <{count} x i32> zeroinitializer")


def _broadcast(e: Emitter, op: Operation) -> Result:
    return broadcast(e, e.scalar(op.operands[0]), lanes(op.result.type))


def _numbers(count: int) -> Scalar:
    return Scalar(f"<{count} x i64>", f"<{', '.join(f'i64 {n}' for n in range(count))}>")


def _step(e: Emitter, op: Operation) -> Result:
    return _numbers(lanes(op.result.type))


def _create_mask(e: Emitter, op: Operation) -> Result:
    """Lane numbers are compared in 32 bits: as many as fit a register with the lanes of most vectors."""
    count, kind = lanes(op.result.type), llvm_type(op.result.type)
    active = e.scalar(op.operands[0])
    if active.constant is not None:
        known = ", ".join(f"i1 {'true' if n < active.constant else 'false'}" for n in range(count))
        return Scalar(kind, f"<{known}>")
    if not _is_rest(op.operands[0]):
        active = e.intrinsic("smax", "i64", [active, i64(0)])
    if not _is_at_most(op.operands[0], count):
        active = e.intrinsic("smin", "i64", [active, i64(count)])
    narrow = e.pure("i32", f"trunc {active} to i32")
    limit = broadcast(e, narrow, count)
    steps = f"<{', '.join(f'i32 {n}' for n in range(count))}>"
    return e.pure(kind, f"icmp ugt {limit}, {steps}")


def _is_rest(value: Value) -> bool:
    """Whether a number is what is left of a loop in its body: at least one."""
    op = value.defining(arith.SubI)
    if op is None or not isinstance(op.operands[1], BlockArgument):
        return False
    region = op.operands[1].block.region
    loop = None if region is None else region.parent
    if loop is None or not loop.isa(scf.For):
        return False
    return op.operands[1].index == 0 and loop.operands[1] is op.operands[0]


def _is_at_most(value: Value, count: int) -> bool:
    op = value.defining(arith.MinSI)
    known = [] if op is None else [constant_value(v) for v in op.operands]
    return any(n is not None and int(n) <= count for n in known)


def _place(e: Emitter, buffer: Value, indices: Sequence[Value]) -> tuple[Buffer, Scalar, int]:
    found = e.buffer(buffer)
    pointer = e.address(found, [e.scalar(v) for v in indices])
    return found, Scalar("ptr", pointer), byte_width(found.type.element)


def _load(e: Emitter, op: Operation) -> Result:
    buffer, pointer, align = _place(e, op.operands[0], op.operands[1:])
    kind = llvm_type(op.result.type)
    return e.let(kind, f"load {kind}, {pointer}, align {align}{e.scope_suffix(buffer)}")


def _store(e: Emitter, op: Operation) -> Result:
    value, target, *indices = op.operands
    buffer, pointer, align = _place(e, target, indices)
    stored, how = e.scalar(value), f"align {align}{e.scope_suffix(buffer)}"
    if target in e.streams and lanes(value.type) * align >= emitter_streams.LEAST:
        emitter_streams.store(e, stored, pointer, how, e.streams[target])
        return None
    e.line(f"store {stored}, {pointer}, {how}")
    return None


def _prefetch(e: Emitter, op: Operation) -> Result:
    _, pointer, _ = _place(e, op.operands[0], op.operands[1:])
    attrs = op.attrs
    assert isinstance(attrs, memref.PrefetchAttrs)
    flags = (attrs.isWrite, attrs.localityHint.value, attrs.isDataCache)
    args = [pointer, *(Scalar("i32", str(int(flag))) for flag in flags)]
    e.line(_declared(e, "llvm.prefetch.p0", "void", args, ""))
    return None


def _declared(e: Emitter, name: str, result: str, args: list[Scalar], suffix: str) -> str:
    types = ", ".join(a.type for a in args)
    e.declare(name, f"declare {result} @{name}({types})")
    return f"call {result} @{name}({', '.join(map(str, args))}){suffix}"


def _masked_load(e: Emitter, op: Operation) -> Result:
    source, *indices, mask, other = op.operands
    buffer, pointer, align = _place(e, source, indices)
    kind = llvm_type(op.result.type)
    args = [pointer, Scalar("i32", str(align)), e.scalar(mask), e.scalar(other)]
    name = f"llvm.masked.load.{overload_name(kind)}.p0"
    return e.let(kind, _declared(e, name, kind, args, e.scope_suffix(buffer)))


def _masked_store(e: Emitter, op: Operation) -> Result:
    target, *indices, mask, value = op.operands
    buffer, pointer, align = _place(e, target, indices)
    stored = e.scalar(value)
    args = [stored, pointer, Scalar("i32", str(align)), e.scalar(mask)]
    name = f"llvm.masked.store.{overload_name(stored.type)}.p0"
    e.line(_declared(e, name, "void", args, e.scope_suffix(buffer)))
    return None


def _pointers(e: Emitter, op: Operation, buffer: Value, indices: Sequence[Value], places: Value) -> Scalar:
    found, pointer, _ = _place(e, buffer, indices)
    element, offsets = llvm_type(found.type.element), e.scalar(places)
    kind = f"<{lanes(places.type)} x ptr>"
    return e.let(kind, f"getelementptr {element}, {pointer}, {offsets}")


def _gather(e: Emitter, op: Operation) -> Result:
    source, *indices, places, mask, other = op.operands
    pointers = _pointers(e, op, source, indices, places)
    buffer, kind = e.buffer(source), llvm_type(op.result.type)
    align = Scalar("i32", str(byte_width(buffer.type.element)))
    name = f"llvm.masked.gather.{overload_name(kind)}.{overload_name(pointers.type)}"
    args = [pointers, align, e.scalar(mask), e.scalar(other)]
    return e.let(kind, _declared(e, name, kind, args, e.scope_suffix(buffer)))


def _scatter(e: Emitter, op: Operation) -> Result:
    target, *indices, places, mask, value = op.operands
    pointers = _pointers(e, op, target, indices, places)
    buffer, stored = e.buffer(target), e.scalar(value)
    align = Scalar("i32", str(byte_width(buffer.type.element)))
    name = f"llvm.masked.scatter.{overload_name(stored.type)}.{overload_name(pointers.type)}"
    e.line(_declared(e, name, "void", [stored, pointers, align, e.scalar(mask)], e.scope_suffix(buffer)))
    return None


def _extract(e: Emitter, op: Operation) -> Result:
    source, at = (e.scalar(v) for v in op.operands)
    return e.let(llvm_type(op.result.type), f"extractelement {source}, {at}")


def _insert(e: Emitter, op: Operation) -> Result:
    value, target, at = (e.scalar(v) for v in op.operands)
    return e.let(target.type, f"insertelement {target}, {value}, {at}")


def _slice(e: Emitter, op: Operation) -> Result:
    source, attrs = e.scalar(op.operands[0]), op.attrs
    assert isinstance(attrs, vector.SliceAttrs)
    first, count = attrs.span() or (0, 0)
    chosen = ", ".join(f"i32 {n}" for n in range(first, first + count))
    kind = llvm_type(op.result.type)
    return e.let(kind, f"shufflevector {source}, {source.type} poison, <{count} x i32> <{chosen}>")


def _interleave(e: Emitter, op: Operation) -> Result:
    first, second = (e.scalar(v) for v in op.operands)
    count = lanes(op.operands[0].type)
    chosen = ", ".join(f"i32 {n}, i32 {n + count}" for n in range(count))
    kind = llvm_type(op.result.type)
    return e.let(kind, f"shufflevector {first}, {second}, <{2 * count} x i32> <{chosen}>")


def _any(e: Emitter, op: Operation) -> Result:
    mask = e.scalar(op.operands[0])
    return e.intrinsic("vector.reduce.or", mask.type, [mask], "i1")


VECTOR_OPS: Final[dict[type[OpDefinition], Callable[[Emitter, Operation], Result]]] = {
    vector.Broadcast: _broadcast,
    vector.Step: _step,
    vector.CreateMask: _create_mask,
    vector.Load: _load,
    vector.Store: _store,
    memref.Prefetch: _prefetch,
    vector.MaskedLoad: _masked_load,
    vector.MaskedStore: _masked_store,
    vector.Gather: _gather,
    vector.Scatter: _scatter,
    vector.Extract: _extract,
    vector.Insert: _insert,
    vector.ExtractStridedSlice: _slice,
    vector.Interleave: _interleave,
    vector.Reduction: _any,
}
