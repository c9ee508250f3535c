"""Bodies of loops, written for all lanes of a vector at once. Used by `vectorize`.

An index that grows by the same amount from lane to lane is kept as its value in the first lane and that
amount, so that a load or store at neighbouring places is one access, and places anywhere else are gathered.
What has no vector form (most calls, a branch, a loop) runs lane by lane; a branch that only some lanes take
is skipped if none does.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tensorc.ir.attributes import UNIT, Attribute, FloatAttr, IntegerAttr
from tensorc.ir.builtin import Call, CallAttrs, Module, body, lookup, new_function, symbol_name
from tensorc.ir.clone import clone_op
from tensorc.ir.core import Block, Operation, Value
from tensorc.ir.definition import Trait
from tensorc.ir.types import IndexType, MemRefType, ScalarType, Type, VectorType, i1, i32, index
from tensorc.ops.loops import arith, memref, scf, vector
from tensorc.ops.loops.base import ScalarOp, is_terminated, width
from tensorc.ops.loops.builder import Index, LoopBuilder
from tensorc.ops.loops.fold import constant_value, fold, identity
from tensorc.ops.loops.nests import CALLED, ELEMENTWISE, LANEWISE, PARTIAL, STREAM, UNLIKELY, rolled
from tensorc.passes.quotients import Divisor, divides

AHEAD: Final = 8192
"""Bytes from what is read to what is asked for, in the nearest cache. Measured: sums and variances of 64 MiB
become 1.1 to 1.3 times as fast, maxima, whose loops are longer, twice; sums of what lies in the second cache
gain a fifth. Between 4 and 16 KiB it makes no difference.
"""
LINE: Final = 64
_PREFETCH: Final = memref.PrefetchAttrs(isWrite=False, localityHint=IntegerAttr(3, i32), isDataCache=True)


class Kind(enum.Enum):
    """What a value of a loop's body is across iterations."""

    SAME = "the same"
    NEXT = "an index that grows by one"
    STEPS = "an index that grows by the same amount"
    VARYING = "anything"


def classify(loop: Operation) -> dict[Value, Kind] | None:
    """The kind of every value of the body of an `scf.for`; None if it cannot be written for lanes."""
    block = loop.regions[0].block
    if len(block.args) != 1 or block.args[0].type != index or constant_value(loop.operands[2]) != 1:
        return None
    kinds: dict[Value, Kind] = {block.args[0]: Kind.NEXT}
    for op in block:
        if is_terminated(op):
            continue
        kind = _kind(op, kinds)
        if kind is None:
            return None
        kinds.update(dict.fromkeys(op.results, kind))
    return kinds


def _kind(op: Operation, kinds: dict[Value, Kind]) -> Kind | None:
    definition = op.definition
    if op.regions or (definition is Call and _elementwise(op) is None):
        return _kind_lane_by_lane(op)
    found = [kinds.get(v, Kind.SAME) for v in op.operands]
    same = all([kind is Kind.SAME for kind in found])
    if definition is Call:
        return Kind.SAME if same else Kind.VARYING
    if definition is memref.Store:
        moves = any([kind is not Kind.SAME for kind in found[2:]])
        return Kind.VARYING if moves and found[1] is Kind.SAME else None
    if definition is memref.Load:
        if found[0] is not Kind.SAME:
            return None
        return Kind.SAME if same else Kind.VARYING
    if definition is None or Trait.PURE not in definition.traits:
        return None
    if same:
        return Kind.SAME
    if not issubclass(definition, ScalarOp):
        return None
    return _kind_of_index(op, found) if isinstance(op.result.type, IndexType) else Kind.VARYING


def _kind_lane_by_lane(op: Operation) -> Kind | None:
    """Calls and ops with regions: as they are, once a lane."""
    if any(inner.isa(memref.Alloc) or inner.isa(memref.Alloca) for inner in op.walk()):
        return None
    return Kind.VARYING if all(not isinstance(r.type, MemRefType) for r in op.results) else None


def _kind_of_index(op: Operation, found: Sequence[Kind]) -> Kind:
    if Kind.VARYING in found:
        return Kind.VARYING
    if op.isa(arith.AddI) or op.isa(arith.SubI):
        other = found[1] if found[0] is Kind.NEXT else found[0] if op.isa(arith.AddI) else None
        return Kind.NEXT if other is Kind.SAME and Kind.NEXT in found else Kind.STEPS
    return Kind.STEPS if op.isa(arith.MulI) and Kind.SAME in found else Kind.VARYING


def _reads(op: Operation) -> list[Value]:
    """What an op reads from outside itself."""
    if not op.regions:
        return list(op.operands)
    inside: set[Value] = set()
    for nested in op.walk():
        inside.update(nested.results)
        inside.update(a for region in nested.regions for block in region.blocks for a in block.args)
    return list(dict.fromkeys(v for nested in op.walk() for v in nested.operands if v not in inside))


def read_and_written(loop: Operation) -> set[Value]:
    """Stack buffers that a body both reads and writes."""
    block = loop.regions[0].block
    read = {op.operands[0] for op in block if op.isa(memref.Load)}
    written = {op.operands[1] for op in block if op.isa(memref.Store)}
    return {v for v in read & written if v.defining(memref.Alloca) is not None}


def _element(buffer: Value) -> Type:
    assert isinstance(buffer.type, MemRefType)
    return buffer.type.element


@dataclass
class VectorBody:
    """The body for `lanes` iterations; with `active`, of the first so many of them."""

    b: LoopBuilder
    kinds: dict[Value, Kind]
    lanes: int
    active: Index | None
    mask: Value | None = None
    """Which these are, if it is there already."""
    ahead: bool = False
    """Whether to ask ahead of time for what streams in."""
    divisors: dict[Value, Divisor] = field(default_factory=dict)
    """What is ready, in all lanes, of numbers that these are divided by."""
    _first: dict[Value, Value] = field(default_factory=dict)
    """Values that are the same in all lanes; of indices that grow, the value in the first lane."""
    _growth: dict[Value, Index] = field(default_factory=dict)
    _vectors: dict[Value, Value] = field(default_factory=dict)
    _chosen: dict[Value, Value] = field(default_factory=dict)
    """Conditions of the body where the mask holds."""
    _types: dict[ScalarType, VectorType] = field(default_factory=dict)

    def write(self, loop: Operation, first: Value) -> None:
        """Build the body of `loop`, whose first iteration here is `first`."""
        block = loop.regions[0].block
        self.both = read_and_written(loop)
        self._first[block.args[0]], self._growth[block.args[0]] = first, 1
        if self.active is not None and self.mask is None:
            self.mask = self._make(vector.CreateMask, [self.b.index(self.active)], i1)
        outside = self.b.location
        for op in block:
            if not is_terminated(op):
                self.b.location = op.location
                self._op(op)
        self.b.location = outside

    def write_function(self, source: Block, args: Sequence[Value]) -> None:
        """Build the body of a function of scalars for vectors `args`."""
        self.both, self._mask = set(), None
        self._vectors.update(zip(source.args, args, strict=True))
        for op in source:
            if not is_terminated(op):
                self._op(op)
        self.b.return_(*(self._vector(v) for v in source.terminator.operands))

    def _make(self, definition: type, operands: Sequence[Value], element: Type) -> Value:
        assert isinstance(element, ScalarType)
        return self.b.create_op(definition, operands, results=[self._type(element)]).result

    def _type(self, element: ScalarType) -> VectorType:
        """One object for each element type: comparing types is most of what inference does."""
        found = self._types.get(element)
        if found is None:
            found = self._types[element] = VectorType((self.lanes,), element)
        return found

    def _op(self, op: Operation) -> None:
        if op.isa(memref.Store):
            self._store(op)
            return
        callee = _elementwise(op) if op.isa(Call) else None
        if op.regions or (op.isa(Call) and callee is None):
            self._lane_by_lane(op)
            return
        kind = self.kinds[op.results[0]]
        if kind is Kind.SAME:
            self._copy(op)
        elif callee is not None:
            self._lanes_call(op, callee)
        elif kind is not Kind.VARYING:
            self._grow(op)
        elif op.isa(memref.Load):
            self._load(op)
        else:
            self._lanes_op(op)

    def _copy(self, op: Operation) -> None:
        copied = clone_op(op, self._first)
        known = _known(copied)
        if known is None:
            self.b.block.insert_before(copied, self.b.anchor)
            return
        if isinstance(known, Attribute):
            known = self.b.create_op(arith.Constant, [], arith.ConstantAttrs(known)).result
        copied.drop_operands()
        self._first[op.result] = known

    def _lanes_op(self, op: Operation) -> None:
        definition, kind = op.definition, op.result.type
        assert definition is not None and isinstance(kind, ScalarType)
        if divides(op, self.kinds) and op.operands[1] in self.divisors:
            divisor = self.divisors[op.operands[1]]
            self._vectors[op.result] = self._quotient(self._vector(op.operands[0]), divisor)
            return
        operands = [self._vectors.get(v) or self._vector(v) for v in op.operands]
        made = self.b.create_op(definition, operands, op.attrs, results=[self._type(kind)])
        self._vectors[op.result] = made.result

    def _quotient(self, x: Value, divisor: Divisor) -> Value:
        """x over a number: see `quotients.py`."""
        b = self.b
        found, odd = divisor.quotient(b, x)
        with b.if_(self._anywhere(odd), [found.type]) as branch:
            branch.op.set_attribute(UNLIKELY, UNIT)
            branch.yield_(b.divf(x, divisor.value))
        with branch.else_():
            branch.yield_(found)
        return branch.results[0]

    def _lanes_call(self, op: Operation, callee: Operation) -> None:
        """A call of an elementwise function: of its form for vectors, defined where it is missing."""
        kind = op.result.type
        assert isinstance(kind, ScalarType)
        symbol = f"{symbol_name(callee)}_x{self.lanes}"
        module = callee.parent
        assert module is not None
        if lookup(module, symbol) is None:
            _define_for_vectors(module, callee, symbol, self.lanes)
        operands = [self._vector(v) for v in op.operands]
        self._vectors[op.result] = self.b.call(symbol, operands, self._type(kind))

    # indices that grow

    def _grow(self, op: Operation) -> None:
        b = self.b
        self._copy(op)
        left, right = (self._growth.get(v, 0) for v in op.operands)
        if op.isa(arith.AddI):
            self._growth[op.result] = b.add(left, right)
        elif op.isa(arith.SubI):
            self._growth[op.result] = b.sub(left, right)
        else:
            factors = zip((left, right), reversed(op.operands), strict=True)
            self._growth[op.result] = next(b.mul(n, self._scalar(v)) for n, v in factors if n != 0)

    def _scalar(self, value: Value) -> Value:
        return self._first.get(value, value)

    def _vector(self, value: Value) -> Value:
        """A value in all lanes."""
        if value not in self._vectors:
            made: Value = self._make(vector.Broadcast, [self._scalar(value)], value.type)
            growth = self._growth.get(value, 0)
            if growth != 0:
                made = self.b.addi(made, self._steps(growth))
            self._vectors[value] = made
        return self._vectors[value]

    def _steps(self, growth: Index) -> Value:
        """0, growth, 2 growth, ..."""
        steps = self._make(vector.Step, [], index)
        if growth == 1:
            return steps
        return self.b.muli(steps, self._make(vector.Broadcast, [self.b.index(growth)], index))

    # memory

    def _load(self, op: Operation) -> None:
        buffer, *indices = op.operands
        place = self._neighbours(buffer, indices)
        element = op.result.type
        found: Value
        if place is None:
            other = self._zeros(element)
            operands = [*self._spread(buffer, indices), self._all(), other]
            found = self.b.create_op(vector.Gather, operands).result
        elif self.mask is None:
            found = self._make(vector.Load, [self._scalar(buffer), *place], element)
        elif self._accumulates(buffer, place):
            found = self._load_all(buffer, place)
        else:
            operands = [self._scalar(buffer), *place, self.mask, self._zeros(element)]
            found = self.b.create_op(vector.MaskedLoad, operands).result
        self._vectors[op.result] = found
        if self.ahead and STREAM in op.attributes and place is not None:
            self._prefetch(buffer, place, element)

    def _prefetch(self, buffer: Value, place: Sequence[Value], element: Type) -> None:
        """What lies `AHEAD` bytes behind a vector, line by line."""
        *outer, last = place
        size = -(-width(element) // 8)
        for start in range(AHEAD, AHEAD + self.lanes * size, LINE):
            at = self.b.index(self.b.add(last, start // size))
            self.b.create_op(memref.Prefetch, [self._scalar(buffer), *outer, at], _PREFETCH)

    def _store(self, op: Operation) -> None:
        value, buffer, *indices = op.operands
        place = self._neighbours(buffer, indices)
        stored = self._vector(value)
        if place is None:
            operands = [*self._spread(buffer, indices), self._all(), stored]
            self.b.create_op(vector.Scatter, operands)
        elif self.mask is None:
            self.b.create_op(vector.Store, [stored, self._scalar(buffer), *place])
        elif self._accumulates(buffer, place):
            kept = self._where_active(op, stored, self._load_all(buffer, place))
            self.b.create_op(vector.Store, [kept, self._scalar(buffer), *place])
        else:
            self.b.create_op(vector.MaskedStore, [self._scalar(buffer), *place, self.mask, stored])

    def _where_active(self, store: Operation, stored: Value, old: Value) -> Value:
        """What is stored where the mask holds, what was there elsewhere. If the body itself chooses between a
        value and what was there, both choices are one.
        """
        assert self.mask is not None
        value, *place = store.operands
        choice = value.defining(arith.Select)
        read = None if choice is None else choice.operands[2].defining(memref.Load)
        if choice is None or read is None or list(read.operands) != place or not _only_store(store):
            return self.b.select(self.mask, stored, old)
        condition = choice.operands[0]
        if condition not in self._chosen:
            self._chosen[condition] = self.b.andi(self.mask, self._vector(condition))
        return self.b.select(self._chosen[condition], self._vector(choice.operands[1]), old)

    def _load_all(self, buffer: Value, place: Sequence[Value]) -> Value:
        found = self._make(vector.Load, [self._scalar(buffer), *place], _element(buffer))
        assert found.owner is not None
        found.owner.set_attribute(PARTIAL, UNIT)
        return found

    def _accumulates(self, buffer: Value, place: Sequence[Value]) -> bool:
        """Whether all lanes may be read and written at a place of a stack buffer, whatever the mask: it is
        known and the body does both. Without masks LLVM keeps such a buffer in registers.
        """
        at = constant_value(place[-1])
        if buffer not in self.both or at is None or len(place) != 1:
            return False
        last = int(at) + self.lanes
        extent = buffer.type.shape[0]  # type: ignore[attr-defined]
        return extent is not None and last <= extent

    def _zeros(self, element: Type) -> Value:
        return self._make(vector.Broadcast, [self.b.constant(0, element)], element)

    def _all(self) -> Value:
        """The mask, or one that is true everywhere."""
        return self.mask or self._make(vector.Broadcast, [self.b.constant(True, i1)], i1)

    def _neighbours(self, buffer: Value, indices: Sequence[Value]) -> list[Value] | None:
        """Where the first lane's element lies, if the lanes' elements lie next to each other."""
        kind = buffer.type
        assert isinstance(kind, MemRefType)
        growth = [self._growth.get(v, 0) for v in indices]
        fixed = all(self.kinds.get(v, Kind.SAME) is Kind.SAME for v in indices[:-1])
        last = self.kinds.get(indices[-1], Kind.SAME)
        if not fixed or last is Kind.VARYING or growth[-1] != 1 or kind.strides[-1] != 1:
            return None
        return [self._scalar(v) for v in indices]

    def _spread(self, buffer: Value, indices: Sequence[Value]) -> list[Value]:
        """Buffer, index and places of a gather or scatter, in elements from the allocation's start."""
        b = self.b
        _, offset, _, strides = b.metadata(self._scalar(buffer))
        flat = b.reinterpret_cast(self._scalar(buffer), 0, [1], [1])
        start: Index = offset
        places: Value | None = None
        growth: Index = 0
        for at, stride in zip(indices, strides, strict=True):
            if self.kinds.get(at, Kind.SAME) is not Kind.VARYING:
                start = b.add(start, b.mul(self._scalar(at), stride))
                growth = b.add(growth, b.mul(self._growth.get(at, 0), stride))
                continue
            step = self._make(vector.Broadcast, [b.index(stride)], index)
            moved = b.muli(self._vectors[at], step)
            places = moved if places is None else b.addi(places, moved)
        base = self._make(vector.Broadcast, [b.index(start)], index)
        found = base if growth == 0 else b.addi(base, self._steps(growth))
        return [flat, b.index(0), found if places is None else b.addi(found, places)]

    # lane by lane

    def _lane_by_lane(self, op: Operation) -> None:
        bound = _bound(op)
        if bound is not None:
            taken = self._beyond(op.operands[0], bound)
            found = self._if_any(op, taken, [self._vector(op.operands[1])], unlikely=True)
        elif _rare(op):
            starts = [self._vector(v) for v in _else_values(op)]
            found = self._if_any(op, self._vector(op.operands[0]), starts)
        else:
            found = self._each_lane(op, [self._zeros(r.type) for r in op.results])
        self._vectors.update(zip(op.results, found, strict=True))

    def _beyond(self, x: Value, bound: FloatAttr) -> Value:
        """The lanes in which |x| is greater than a number."""
        limit = self._make(vector.Broadcast, [self.b.constant(bound.value, x.type)], x.type)
        return self.b.cmpf("ogt", self.b.absf(self._vector(x)), limit)

    def _if_any(
        self, op: Operation, taken: Value, starts: list[Value], unlikely: bool = False
    ) -> list[Value]:
        """An op that leaves its values alone in most lanes: look whether any lane is `taken`."""
        b = self.b
        with b.if_(self._anywhere(taken), [v.type for v in starts]) as branch:
            if unlikely:
                branch.op.set_attribute(UNLIKELY, UNIT)
            branch.yield_(*self._each_lane(op, starts))
        with branch.else_():
            branch.yield_(*starts)
        return list(branch.results)

    def _anywhere(self, taken: Value) -> Value:
        """Whether a lane is taken that is active."""
        if self.mask is not None:
            taken = self.b.andi(taken, self.mask)
        return self.b.create_op(vector.Reduction, [taken], vector.ReductionAttrs()).result

    def _each_lane(self, op: Operation, starts: list[Value]) -> list[Value]:
        b = self.b
        varying = [v for v in _reads(op) if self.kinds.get(v, Kind.SAME) is Kind.VARYING]
        growing = [v for v in _reads(op) if self._growth.get(v, 0) != 0]
        count: Index = self.lanes if self.active is None else b.minimum(self.active, self.lanes)
        if not starts:
            with rolled(b, 0, count) as at:
                self._one_lane(op, at, varying, growing)
            return []
        with b.for_(0, count, init=starts) as loop:
            made = self._one_lane(op, loop.iv, varying, growing)
            loop.yield_(
                *(
                    b.create_op(vector.Insert, [new, old, loop.iv], vector.PositionAttrs()).result
                    for new, old in zip(made, loop.args, strict=True)
                )
            )
        return list(loop.results)

    def _one_lane(
        self, op: Operation, at: Value, varying: Sequence[Value], growing: Sequence[Value]
    ) -> list[Value]:
        b = self.b
        mapping = dict(self._first)
        for v in varying:
            mapping[v] = b.create_op(vector.Extract, [self._vectors[v], at], vector.PositionAttrs()).result
        for v in growing:
            mapping[v] = b.index(b.add(self._first[v], b.mul(at, self._growth[v])))
        copied = clone_op(op, mapping)
        b.block.insert_before(copied, b.anchor)
        return list(copied.results)


def _known(op: Operation) -> Attribute | Value | None:
    """What a copy in the first lane gives, if it is a constant there or one of its operands."""
    definition = op.definition
    if definition is arith.Constant or definition is None or not issubclass(definition, ScalarOp):
        return None
    known = fold(op) if all([constant_value(v) is not None for v in op.operands]) else None
    return identity(op) if known is None else known


def _bound(op: Operation) -> FloatAttr | None:
    """The bound within which a call gives its second operand back, if it is a call of such a function."""
    callee = _callee(op)
    bound = None if callee is None else callee.attributes.get(LANEWISE)
    return bound if isinstance(bound, FloatAttr) else None


def _only_store(op: Operation) -> bool:
    """Whether nothing else in the body writes to the buffer that an op stores to."""
    assert op.block is not None
    return not any(
        inner is not op and inner.isa(memref.Store) and inner.operands[1] is op.operands[1]
        for other in op.block
        for inner in other.walk()
    )


def _elementwise(op: Operation) -> Operation | None:
    """The function of scalars that a call calls, if vectors may take their place."""
    callee = _callee(op)
    return callee if callee is not None and ELEMENTWISE in callee.attributes else None


def is_called(op: Operation) -> bool:
    """Whether an op calls an elementwise function that machine code calls, too."""
    callee = _elementwise(op) if op.isa(Call) else None
    return callee is not None and CALLED in callee.attributes


def is_step(op: Operation) -> bool:
    """Whether an op calls an elementwise function that machine code inlines."""
    callee = _elementwise(op) if op.isa(Call) else None
    return callee is not None and CALLED not in callee.attributes


def _callee(op: Operation) -> Operation | None:
    module = op.parent
    while module is not None and not module.isa(Module):
        module = module.parent
    if module is None or not isinstance(op.attrs, CallAttrs):
        return None
    return lookup(module, op.attrs.callee.name)


def _define_for_vectors(module: Operation, function: Operation, symbol: str, lanes: int) -> None:
    """The form for vectors of a function of scalars."""
    source = body(function)
    types = [VectorType((lanes,), v.type) for v in (*source.args, *source.terminator.operands)]  # type: ignore[arg-type]
    count = len(source.args)
    made = new_function(symbol, types[:count], types[count:], location=function.location)
    for name in ("sym_visibility", ELEMENTWISE, CALLED):
        made.set_attribute(name, function.attributes.get(name))
    module.regions[0].block.append(made)
    b = LoopBuilder(body(made))
    kinds: dict[Value, Kind] = dict.fromkeys(source.args, Kind.VARYING)
    for op in source:
        kind = None if is_terminated(op) else _kind(op, kinds)
        kinds.update(dict.fromkeys(op.results, kind or Kind.VARYING))
    VectorBody(b, kinds, lanes, None).write_function(source, body(made).args)


def _rare(op: Operation) -> bool:
    """Whether an op is a branch with values that computes nothing where its condition is false."""
    if not op.isa(scf.If) or not op.results:
        return False
    other = op.regions[1].block
    return other.first is other.last


def _else_values(op: Operation) -> list[Value]:
    return list(op.regions[1].block.terminator.operands)
