"""How much work an iteration of a loop is, computed from what is known outside the loop.

Work is counted in units of one scalar operation on one byte; the numbers are rough and measured (see
`COSTS`), they decide only where the work is done. Loops inside are taken to be those of a full tile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from tensorc.codegen_llvm.emitter_values import Buffer, Scalar, byte_width, i64
from tensorc.ir.builtin import Call, CallAttrs, body, lookup
from tensorc.ir.core import Block, Operation, Value
from tensorc.ir.definition import OpDefinition
from tensorc.ir.types import FloatType, IntegerType, MemRefType, VectorType
from tensorc.ops.loops import arith, math, memref, scf, vector
from tensorc.ops.loops.base import lane
from tensorc.ops.loops.fold import constant_value
from tensorc.ops.loops.memref import view_parts
from tensorc.ops.loops.nests import ELEMENTWISE, PRODUCT, REST, ROUNDS

if TYPE_CHECKING:
    from tensorc.codegen_llvm.emitter import Emitter

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
MOST_STEPS: Final = 200
"""Values looked at on the way back from bounds: those of one loop after another are made of each other."""
LARGEST_TILE = 1 << 17
"""A number up to which the smaller of two bounds is taken for that of a full tile."""
GUESS = 16
"""Iterations of a loop inside whose number cannot be told before."""


class Work:
    """Of one loop. What is computed for it is written before the loop."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter = emitter
        self._fulls: dict[Value, Scalar | None] = {}
        self._spans: dict[tuple[Value, Value], Scalar | None] = {}

    def of_iteration(self, loop: Operation) -> Scalar:
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
                        found.append(self._cost_of_call(op))
                    else:
                        cost += _cost(op)
                    continue
                inside = times
                if op.isa(scf.For):
                    bounds = tuple(op.operands[:3])
                    if bounds not in trips:
                        trips[bounds] = self._trips(op)
                    inside = self.emitter.mul(times, trips[bounds])
                elif op.isa(scf.While):
                    inside = self.emitter.mul(times, i64(GUESS))
                todo += [(b, inside) for region in op.regions for b in region.blocks]
            found.append(i64(cost))
        total = i64(0)
        for times, found in costs.items():
            total = self.emitter.add(total, self.emitter.mul(times, self._sum(found)))
        return total

    def _sum(self, numbers: Sequence[Scalar]) -> Scalar:
        known = sum(n.constant for n in numbers if n.constant is not None)
        total = i64(known)
        for number in numbers:
            if number.constant is None:
                total = self.emitter.add(total, number)
        return total

    def _cost_of_call(self, op: Operation) -> Scalar:
        """That of a matrix product, of what an elementwise function computes, or of an unknown one."""
        if PRODUCT in op.attributes:
            return self._cost_of_product(op)
        attrs = op.attrs
        assert isinstance(attrs, CallAttrs)
        callee = lookup(self.emitter.unit.module, attrs.callee.name)
        if callee is None or ELEMENTWISE not in callee.attributes:
            return i64(_cost(op))
        costs = self.emitter.unit.costs
        if attrs.callee.name not in costs:
            block = body(callee)
            costs[attrs.callee.name] = 0
            inner = (self._cost_of_call(o).constant if o.isa(Call) else _cost(o) for o in block)
            costs[attrs.callee.name] = sum(n or 0 for n in inner)
        return i64(costs[attrs.callee.name])

    def _cost_of_product(self, op: Operation) -> Scalar:
        x, *_, out = op.operands
        assert isinstance(x.type, MemRefType)
        cost = i64(byte_width(x.type.element))
        for matrix, axis in ((out, 0), (out, 1), (x, 1)):
            cost = self.emitter.mul(cost, self._extent(self._size(matrix, axis)))
        return cost

    def _size(self, buffer: Value, axis: int) -> int | Value | Scalar | None:
        """An extent of a buffer, as far as it can be told."""
        found, owner = self.emitter.values.get(buffer), buffer.owner
        if isinstance(found, Buffer):
            return found.sizes[axis]
        assert isinstance(buffer.type, MemRefType)
        extent = buffer.type.shape[axis]
        if extent is not None or owner is None:
            return extent
        if owner.isa(memref.ReinterpretCast):
            return view_parts(owner)[1][axis]
        if owner.isa(memref.Cast):
            return self._size(owner.operands[0], axis)
        if owner.isa(memref.Alloc):
            return owner.operands[sum(n is None for n in buffer.type.shape[:axis])]
        return None

    def _extent(self, extent: int | Value | Scalar | None) -> Scalar:
        """An extent, or what it is in a full block."""
        if isinstance(extent, Scalar):
            return extent
        if not isinstance(extent, Value):
            return i64(GUESS if extent is None else extent)
        owner = extent.owner
        if owner is not None and owner.isa(memref.ExtractStridedMetadata) and self._known(extent) is None:
            axis = owner.results.index(extent) - 2
            rank = (len(owner.results) - 2) // 2
            return self._extent(self._size(owner.operands[0], axis) if 0 <= axis < rank else None)
        bounds = owner.operands if owner is not None and owner.isa(arith.MinSI) else ()
        known = (self._known(v) for v in (extent, *bounds))
        return next((v for v in known if v is not None), None) or self._full(extent) or i64(GUESS)

    def _trips(self, op: Operation) -> Scalar:
        """How often a loop inside runs, as far as it can be told."""
        if ROUNDS in op.attributes or REST in op.attributes:
            return i64(1)
        span, step = self._span(op.operands[1], op.operands[0]), self._full(op.operands[2])
        if span is None or step is None or step.constant is None:
            return i64(GUESS)
        if span.constant is not None:  # 0: what does not fill a vector
            return i64(max(1, -(-span.constant // step.constant)))
        if step.constant <= 1:
            return span
        rounded = self.emitter.add(span, i64(step.constant - 1))
        return self.emitter.let("i64", f"sdiv {rounded}, {step.constant}")

    def _span(self, upper: Value, lower: Value) -> Scalar | None:
        """How far it is from one bound to another, in a full tile, also where neither is known outside."""
        if upper is lower:
            return i64(0)
        if (upper, lower) not in self._spans:
            self._spans[upper, lower] = None
            self._spans[upper, lower] = self._found_span(upper, lower)
        return self._spans[upper, lower]

    def _found_span(self, upper: Value, lower: Value) -> Scalar | None:
        begin, owner, base = self._full(lower), upper.owner, lower.owner
        if begin is not None and begin.constant == 0:
            return self._full(upper)
        if owner is not None and self._known(upper) is None:
            if owner.isa(arith.AddI) and lower in owner.operands:
                return self._full(owner.operands[owner.operands[0] is lower])
            if owner.isa(arith.MinSI):
                spans = (self._span(v, lower) or self._full(v) for v in owner.operands)
                least = _least(*spans)
                if least is not None:
                    return least
        if begin is None and base is not None and base.isa(arith.AddI):
            from_base = self._span(upper, base.operands[0])
            return self._minus(from_base, self._full(base.operands[1]))
        return self._minus(self._full(upper), begin)

    def _minus(self, x: Scalar | None, y: Scalar | None) -> Scalar | None:
        if x is None or y is None:
            return None
        if x.text == y.text:
            return i64(0)
        if x.constant is not None and y.constant is not None:
            return i64(x.constant - y.constant)
        return self.emitter.let("i64", f"sub {x}, {y.text}")

    def _known(self, value: Value) -> Scalar | None:
        found = self.emitter.values.get(value)
        if isinstance(found, Scalar):
            return found
        constant = constant_value(value)
        return None if constant is None else i64(int(constant))

    def _full(self, value: Value) -> Scalar | None:
        """What a bound computed inside is in a full tile, for the whole vectors of a row."""
        known = self._known(value)
        if known is not None or value.owner is None or len(self._fulls) > MOST_STEPS:
            return known
        if value not in self._fulls:
            self._fulls[value] = None
            self._fulls[value] = self._found_full(value.owner)
        return self._fulls[value]

    def _found_full(self, owner: Operation) -> Scalar | None:
        if owner.isa(arith.Select):
            return self._full(owner.operands[1])
        if owner.isa(arith.AndI) and (constant_value(owner.operands[1]) or 0) < 0:  # rounded to vectors
            return self._full(owner.operands[0])
        if owner.isa(arith.SubI):
            x, y = owner.operands
            return self._span(x, y) or self._full(x)
        if owner.definition not in (arith.MinSI, arith.MaxSI, arith.AddI, arith.MulI, arith.ShRUI):
            return None
        first, second = (self._full(v) for v in owner.operands[:2])
        if owner.isa(arith.MinSI):
            return _least(first, second)
        if first is None or second is None:
            return None
        if owner.isa(arith.AddI):
            return self.emitter.add(first, second)
        if owner.isa(arith.MulI):
            return self.emitter.mul(first, second)
        if owner.isa(arith.ShRUI):
            return _halved(first, second)
        return _greatest(first, second)


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


def _halved(x: Scalar, times: Scalar) -> Scalar | None:
    """Only what is known: a number of steps of strands."""
    if x.constant is None or times.constant is None:
        return None
    return i64(x.constant >> times.constant)
