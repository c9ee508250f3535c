"""Loops in several threads: a parallel loop becomes a function of its own,

    define internal i32 @NAME.loopN(ptr %captures, i64 %lower, i64 %upper)

which runs some of the iterations and returns 0, or `NO_MEMORY`. What it reads from outside lies in a
block of the caller's frame, `%captures`. The caller estimates the work of the whole loop from the extents:
with little work `tensorc_loop` (`bodies.ll`) calls that function, more goes to `tensorc_parallel`
(`threads.ll`), which divides it among the threads of the pool, looks up between chunks, and gives the
function's code or `INTERRUPTED`.

How much work an iteration is, tells `emitter_work.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tensorc.codegen_llvm import emitter_exits, emitter_polls, emitter_streams
from tensorc.codegen_llvm.emitter_values import Buffer, Scalar, Scopes, i64
from tensorc.codegen_llvm.emitter_work import Work
from tensorc.codegen_llvm.parallel_loops import ParallelLoop, parallel_loops
from tensorc.ir.core import Block, Operation, Value
from tensorc.ops.loops import memref
from tensorc.ops.loops.nests import APART, OF_LIBRARY

if TYPE_CHECKING:
    from tensorc.codegen_llvm.emitter import Emitter, Steps

THRESHOLD = 1 << 22
"""Work from which a loop asks for help."""

_CAPTURE = re.compile(r"%c\d+\b")


@dataclass
class Captures:
    """What a loop's function reads from its caller: registers of the caller, renamed `%cN`."""

    names: dict[str, str] = field(default_factory=dict)
    scalars: list[Scalar] = field(default_factory=list)
    scopes: Scopes = field(default_factory=Scopes)
    """The function's own numbers of alias scopes, the caller's being `roots`."""
    roots: dict[int | None, int | None] = field(default_factory=lambda: {None: None})

    def scalar(self, value: Scalar) -> Scalar:
        if not value.text.startswith("%"):
            return value
        if value.text not in self.names:
            self.names[value.text] = f"%c{len(self.names)}"
            self.scalars.append(value)
        return Scalar(value.type, self.names[value.text])

    def pointer(self, text: str) -> str:
        return self.scalar(Scalar("ptr", text)).text

    def value(self, value: Scalar | Buffer) -> Scalar | Buffer:
        if isinstance(value, Scalar):
            return self.scalar(value)
        if value.root not in self.roots:
            self.roots[value.root] = self.scopes.new()
        return Buffer(
            value.type,
            self.pointer(value.base),
            self.pointer(value.start),
            self.scalar(value.offset),
            tuple(self.scalar(n) for n in value.sizes),
            tuple(self.scalar(n) for n in value.strides),
            self.roots[value.root],
        )


def find(emitter: Emitter, block: Block) -> None:
    """Note which loops of a function's body may run in several threads, and which allocations they make."""
    if emitter.unit.options.parallel_work is None:
        return
    emitter.parallel = parallel_loops(block)
    private = (op for loop in emitter.parallel.values() for op in loop.private)
    emitter.elsewhere = {op for op in private if op.isa(memref.Alloc)}


def work_of(emitter: Emitter, op: Operation) -> Scalar | None:
    """The work of one iteration; None if the loop runs in order, or all is known now and too little."""
    loop = emitter.parallel.get(op)
    if loop is None:
        return None
    lower, upper = (emitter.scalar(v).constant for v in op.operands[:2])
    weight = Work(emitter).of_iteration(op)
    known = None if lower is None or upper is None or weight.constant is None else upper - lower
    small = known is not None and known * (weight.constant or 0) < (emitter.unit.options.parallel_work or 0)
    return None if small and not loop.private else weight


def run(emitter: Emitter, op: Operation, weight: Scalar) -> Steps:
    """Emit the function, and its call."""
    loop = emitter.parallel[op]
    lower, upper = (emitter.scalar(v) for v in op.operands[:2])
    captures = Captures()
    inner = type(emitter)(emitter.unit, f"{emitter.name}.loop{len(emitter.unit.bodies)}")
    inner.values = {v: captures.value(found) for v, found in _read(emitter, loop)}
    inner.scopes, inner.claims = captures.scopes, emitter.claims
    inner.streams = {v: captures.scalar(much) for v, much in emitter_streams.large(emitter, op).items()}
    inner.depth = 1
    yield from _iterations(inner, loop)
    text, used = _function(inner, captures)
    name = emitter.unit.loops.setdefault(text, inner.name)
    if name == inner.name:
        emitter.unit.bodies.append(f"define internal i32 @{name}{text}")
    _store(emitter, [c for k, c in enumerate(captures.scalars) if f"%c{k}" in used])
    _call(emitter, name, lower, upper, weight)


def _read(emitter: Emitter, loop: ParallelLoop) -> Iterator[tuple[Value, Scalar | Buffer]]:
    """The values of the function that the loop uses."""
    seen: set[Value] = set()
    for top in (loop.op, *loop.private):
        for op in top.walk():
            for value in op.operands:
                if value not in seen and value in emitter.values:
                    seen.add(value)
                    yield value, emitter.values[value]


def _iterations(emitter: Emitter, loop: ParallelLoop) -> Steps:
    for op in loop.private:
        (emitter.alloc if op.isa(memref.Alloc) else emitter.alloca)(op)
    block = loop.op.regions[0].block
    opened = emitter.open_loop(Scalar("i64", "%lower"), Scalar("i64", "%upper"))
    emitter.values[block.args[0]] = opened.phis[0]
    yield emitter.emit_block(block)
    emitter.close_loop(opened, i64(1))
    for op in loop.private:
        if op.isa(memref.Alloc):
            emitter_exits.drop(emitter, emitter.buffer(op.result).base)
    emitter_streams.finish(emitter)
    emitter.line("ret i32 0")
    emitter_exits.finish(emitter)


def _function(inner: Emitter, captures: Captures) -> tuple[str, set[str]]:
    """The function's text behind its name, and the captures it needs: those of a buffer's numbers that nobody
    asks for are left out. Equal loops have equal texts, and one function.
    """
    used = set(_CAPTURE.findall("\n".join([*inner.entry, *inner.lines])))
    loads: list[str] = []
    for k, scalar in enumerate(captures.scalars):
        if f"%c{k}" in used:
            loads.append(f"  %f{k} = getelementptr i8, ptr %captures, i64 {4 * len(loads)}")
            loads.append(f"  %c{k} = load {scalar.type}, ptr %f{k}, align 8")
    inner.entry[:0] = loads
    head = "(ptr noalias readonly %captures, i64 %lower, i64 %upper)"
    return inner.text(f"{head} noinline {inner.function_attributes()}"), used


def _store(emitter: Emitter, scalars: list[Scalar]) -> None:
    emitter.captured = max(emitter.captured, 8, 8 * len(scalars))
    for n, scalar in enumerate(scalars):
        place = emitter.let("ptr", f"getelementptr i8, ptr %captures, i64 {8 * n}") if n else None
        emitter.line(f"store {scalar}, ptr {place.text if place else '%captures'}, align 8")


def _call(emitter: Emitter, name: str, lower: Scalar, upper: Scalar, weight: Scalar) -> None:
    record = emitter.record
    assert record is not None
    emitter.declare("tensorc_loop", "declare i32 @tensorc_loop(ptr, ptr, ptr, i64, i64, i64, i64) nounwind")
    numbers = f"{lower}, {upper}, {weight}, i64 {emitter.unit.options.parallel_work}"
    call = f"call i32 @tensorc_loop(ptr {record.pointer}, ptr @{name}, ptr %captures, {numbers})"
    emitter_exits.leave_on(emitter, emitter.let("i32", call))


# ---------------------------------------------------------------------------------------------------- parts


def is_part(function: Operation) -> bool:
    """Whether a function is a part that was split off a long one, or a library's. It gets the poll record of
    its caller and returns a code, so that its loops look up and are shared as if they stood there.
    """
    return OF_LIBRARY in function.attributes or APART in function.attributes


def begin_part(emitter: Emitter, block: Block) -> str:
    """Prepare for the loops of a part; gives the parameter it has besides its arguments."""
    emitter.nothing = "i32 0"
    if emitter.unit.options.polls:
        emitter.record = emitter_polls.Record("%record")
        find(emitter, block)
    return "ptr %record"


def call_part(emitter: Emitter, symbol: str, args: Sequence[Scalar], *, declare: bool) -> None:
    """Call a part, and go on if it did."""
    record = emitter.record.pointer if emitter.record else emitter_polls.no_record(emitter)
    operands = [*args, Scalar("ptr", record)]
    if declare:
        types = ", ".join(v.type for v in operands)
        emitter.declare(symbol, f"declare i32 @{symbol}({types}) nounwind")
    listed = ", ".join(map(str, operands))
    emitter_exits.leave_on(emitter, emitter.let("i32", f"call i32 @{symbol}({listed})"))


def finish(emitter: Emitter) -> None:
    """The function's frame for captures."""
    if emitter.captured:
        emitter.entry.append(f"  %captures = alloca [{emitter.captured} x i8], align 8")
