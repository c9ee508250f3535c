"""Loops in several threads: a parallel loop becomes a function of its own,

    define internal i32 @NAME.loopN(ptr %captures, i64 %lower, i64 %upper)

which runs some of the iterations and returns 0, or `NO_MEMORY`. What it reads from outside lies in a
block of the caller's frame, `%captures`. The caller estimates the work of the whole loop from the extents:
with little work `tensorc_loop` (`bodies.ll`) calls that function, more goes to `tensorc_parallel`
(`threads.ll`), which divides it among the threads of the pool, looks up between chunks, and gives the
function's code or `INTERRUPTED`.

Work is counted in units of one scalar operation on one byte; the numbers are rough and measured (see
`COSTS`), they decide only where the work is done.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tensorc.codegen_llvm import emitter_exits, emitter_polls, emitter_streams
from tensorc.codegen_llvm.emitter_values import Buffer, Scalar, Scopes, byte_width, i64
from tensorc.codegen_llvm.parallel_loops import ParallelLoop, parallel_loops
from tensorc.ir.builtin import Call, CallAttrs, body, lookup
from tensorc.ir.core import Block, Operation, Value
from tensorc.ir.definition import OpDefinition
from tensorc.ir.types import FloatType, IntegerType, MemRefType, VectorType
from tensorc.ops.loops import arith, math, memref, scf, vector
from tensorc.ops.loops.base import lane
from tensorc.ops.loops.fold import constant_value
from tensorc.ops.loops.memref import view_parts
from tensorc.ops.loops.nests import APART, ELEMENTWISE, OF_LIBRARY, PRODUCT, REST, ROUNDS

if TYPE_CHECKING:
    from tensorc.codegen_llvm.emitter import Emitter, Steps

THRESHOLD = 1 << 22
"""Work from which a loop asks for help."""

COSTS: dict[type[OpDefinition], int] = {
    arith.DivF: 6,
    arith.RemF: 60,
    arith.DivSI: 12,
    arith.DivUI: 12,
    arith.RemSI: 12,
    arith.RemUI: 12,
    math.Sqrt: 8,
    Call: 32,
    **dict.fromkeys((memref.Load, vector.Load, vector.MaskedLoad), 4),
    **dict.fromkeys((memref.Store, vector.Store, vector.MaskedStore), 4),
    **dict.fromkeys((vector.Gather, vector.Scatter), 16),
}
"""Times the cost of an addition of that type. Calls of the C library cost `LIBRARY`."""
LIBRARY = 200
FREE: frozenset[type[OpDefinition]] = frozenset(
    (
        arith.Constant,
        memref.Dim,
        memref.Cast,
        memref.ReinterpretCast,
        memref.ExtractStridedMetadata,
        memref.Alloc,
        memref.Alloca,
        memref.Dealloc,
        memref.Prefetch,
        scf.Yield,
        scf.Condition,
    )
)
DEPTH = 12
"""Steps back from a bound that are looked at."""
LARGEST_TILE = 1 << 16
"""A number up to which the smaller of two bounds is taken for that of a full tile."""
GUESS = 16
"""Iterations of a loop inside whose number cannot be told before."""

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
    weight = _weight(emitter, op)
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


# ----------------------------------------------------------------------------------------------------- work


def _weight(emitter: Emitter, loop: Operation) -> Scalar:
    """The work of one iteration, computed from what is known outside the loop."""
    costs: dict[Scalar, list[Scalar]] = {}
    trips: dict[tuple[Value, ...], Scalar] = {}
    todo: list[tuple[Block, Scalar]] = [(loop.regions[0].block, i64(1))]
    while todo:
        block, times = todo.pop()
        cost = 0
        found = costs.setdefault(times, [])
        for op in block:
            if not op.regions:
                if op.isa(Call):
                    found.append(_cost_of_call(emitter, op))
                else:
                    cost += _cost(op)
                continue
            inside = times
            if op.isa(scf.For):
                bounds = tuple(op.operands[:3])
                if bounds not in trips:
                    trips[bounds] = _trips(emitter, op)
                inside = emitter.mul(times, trips[bounds])
            elif op.isa(scf.While):
                inside = emitter.mul(times, i64(GUESS))
            todo += [(b, inside) for region in op.regions for b in region.blocks]
        found.append(i64(cost))
    total = i64(0)
    for times, found in costs.items():
        total = emitter.add(total, emitter.mul(times, _sum(emitter, found)))
    return total


def _sum(emitter: Emitter, numbers: Sequence[Scalar]) -> Scalar:
    known = sum(n.constant for n in numbers if n.constant is not None)
    total = i64(known)
    for number in numbers:
        if number.constant is None:
            total = emitter.add(total, number)
    return total


def _cost(op: Operation) -> int:
    factor = 0 if op.definition is None else _factor(op.definition)
    if factor == 0:
        return 0
    stored = isinstance(op.operands[0].type, MemRefType) if op.operands else False
    values = op.results or (op.operands[-1:] if stored else op.operands[:1])
    if not values or isinstance(values[0].type, MemRefType):
        return 8
    kind = values[0].type
    lanes = (kind.shape[0] or 1) if isinstance(kind, VectorType) else 1
    scalar = lane(kind)
    width = scalar.width if isinstance(scalar, IntegerType | FloatType) else 64
    return factor * lanes * max(1, width // 8)


def _factor(definition: type[OpDefinition]) -> int:
    if definition in FREE:
        return 0
    if issubclass(definition, math.MathOp) and definition.symbol is not None:
        return LIBRARY
    return COSTS.get(definition, 1)


def _cost_of_call(emitter: Emitter, op: Operation) -> Scalar:
    """That of a matrix product, of what an elementwise function computes, or of an unknown one."""
    if PRODUCT in op.attributes:
        return _cost_of_product(emitter, op)
    attrs = op.attrs
    assert isinstance(attrs, CallAttrs)
    callee = lookup(emitter.unit.module, attrs.callee.name)
    if callee is None or ELEMENTWISE not in callee.attributes:
        return i64(_cost(op))
    costs = emitter.unit.costs
    if attrs.callee.name not in costs:
        block = body(callee)
        costs[attrs.callee.name] = 0
        inner = (_cost_of_call(emitter, o).constant if o.isa(Call) else _cost(o) for o in block)
        costs[attrs.callee.name] = sum(n or 0 for n in inner)
    return i64(costs[attrs.callee.name])


def _cost_of_product(emitter: Emitter, op: Operation) -> Scalar:
    x, *_, out = op.operands
    assert isinstance(x.type, MemRefType)
    cost = i64(byte_width(x.type.element))
    for matrix, axis in ((out, 0), (out, 1), (x, 1)):
        cost = emitter.mul(cost, _extent(emitter, _size(emitter, matrix, axis)))
    return cost


def _size(emitter: Emitter, buffer: Value, axis: int) -> int | Value | Scalar | None:
    """An extent of a buffer, as far as it can be told."""
    found, owner = emitter.values.get(buffer), buffer.owner
    if isinstance(found, Buffer):
        return found.sizes[axis]
    assert isinstance(buffer.type, MemRefType)
    extent = buffer.type.shape[axis]
    if extent is not None or owner is None:
        return extent
    if owner.isa(memref.ReinterpretCast):
        return view_parts(owner)[1][axis]
    if owner.isa(memref.Cast):
        return _size(emitter, owner.operands[0], axis)
    if owner.isa(memref.Alloc):
        return owner.operands[sum(n is None for n in buffer.type.shape[:axis])]
    return None


def _extent(emitter: Emitter, extent: int | Value | Scalar | None) -> Scalar:
    """An extent, or what it is in a full block."""
    if isinstance(extent, Scalar):
        return extent
    if not isinstance(extent, Value):
        return i64(GUESS if extent is None else extent)
    owner = extent.owner
    if owner is not None and owner.isa(memref.ExtractStridedMetadata) and _known(emitter, extent) is None:
        axis = owner.results.index(extent) - 2
        rank = (len(owner.results) - 2) // 2
        return _extent(emitter, _size(emitter, owner.operands[0], axis) if 0 <= axis < rank else None)
    bounds = owner.operands if owner is not None and owner.isa(arith.MinSI) else ()
    known = (_known(emitter, v) for v in (extent, *bounds))
    return next((v for v in known if v is not None), None) or _full(emitter, extent) or i64(GUESS)


def _trips(emitter: Emitter, op: Operation) -> Scalar:
    """How often a loop inside runs, as far as it can be told."""
    if ROUNDS in op.attributes or REST in op.attributes:
        return i64(1)
    span, step = _span(emitter, op.operands[1], op.operands[0]), _full(emitter, op.operands[2])
    if span is None or step is None or step.constant is None:
        return i64(GUESS)
    if span.constant is not None:  # 0: what does not fill a vector
        return i64(max(1, -(-span.constant // step.constant)))
    if step.constant <= 1:
        return span
    rounded = emitter.add(span, i64(step.constant - 1))
    return emitter.let("i64", f"sdiv {rounded}, {step.constant}")


def _span(emitter: Emitter, upper: Value, lower: Value, depth: int = DEPTH) -> Scalar | None:
    """How far it is from one bound to another, in a full tile, also where neither is known outside."""
    if upper is lower:
        return i64(0)
    if depth == 0:
        return None
    depth -= 1
    begin, owner, base = _full(emitter, lower, depth), upper.owner, lower.owner
    if begin is not None and begin.constant == 0:
        return _full(emitter, upper, depth)
    if owner is not None and _known(emitter, upper) is None:
        if owner.isa(arith.AddI) and lower in owner.operands:
            return _full(emitter, owner.operands[owner.operands[0] is lower], depth)
        if owner.isa(arith.MinSI):
            spans = (_span(emitter, v, lower, depth) or _full(emitter, v, depth) for v in owner.operands)
            least = _least(*spans)
            if least is not None:
                return least
    if begin is None and base is not None and base.isa(arith.AddI):
        from_base = _span(emitter, upper, base.operands[0], depth)
        return _minus(emitter, from_base, _full(emitter, base.operands[1], depth))
    return _minus(emitter, _full(emitter, upper, depth), begin)


def _minus(emitter: Emitter, x: Scalar | None, y: Scalar | None) -> Scalar | None:
    if x is None or y is None:
        return None
    if x.text == y.text:
        return i64(0)
    if x.constant is not None and y.constant is not None:
        return i64(x.constant - y.constant)
    return emitter.let("i64", f"sub {x}, {y.text}")


def _known(emitter: Emitter, value: Value) -> Scalar | None:
    found = emitter.values.get(value)
    if isinstance(found, Scalar):
        return found
    constant = constant_value(value)
    return None if constant is None else i64(int(constant))


def _full(emitter: Emitter, value: Value, depth: int = DEPTH) -> Scalar | None:
    """What a bound computed inside is in a full tile, for the whole vectors of a row."""
    known, owner = _known(emitter, value), value.owner
    if known is not None or owner is None or depth == 0:
        return known
    if owner.isa(arith.Select):
        return _full(emitter, owner.operands[1], depth - 1)
    if owner.isa(arith.AndI) and (constant_value(owner.operands[1]) or 0) < 0:  # rounded to vectors
        return _full(emitter, owner.operands[0], depth - 1)
    if owner.isa(arith.SubI):
        x, y = owner.operands
        return _span(emitter, x, y, depth - 1) or _full(emitter, x, depth - 1)
    if owner.definition not in (arith.MinSI, arith.MaxSI, arith.AddI):
        return None
    first, second = (_full(emitter, v, depth - 1) for v in owner.operands[:2])
    if owner.isa(arith.MinSI):
        return _least(first, second)
    if first is None or second is None:
        return None
    if owner.isa(arith.AddI):
        return emitter.add(first, second)
    return _greatest(first, second)


def _least(a: Scalar | None, b: Scalar | None) -> Scalar | None:
    """A tile is full: the number, where one is known that can be a tile's."""
    known = [n for n in (a, b) if n is not None]
    tiles = [n for n in known if n.constant is not None and n.constant <= LARGEST_TILE]
    if tiles:
        return min(tiles, key=lambda n: n.constant or 0)
    return next((n for n in known if n.constant is None), known[0] if known else None)


def _greatest(a: Scalar, b: Scalar) -> Scalar:
    if a.constant is not None and b.constant is not None:
        return max(a, b, key=lambda n: n.constant or 0)
    return b if a.constant is not None else a
