"""`bufferize`: from tensors to buffers. `@f` becomes `@f_shapes` and `@f` with the ABI of
docs/design/architecture.md, section 6.

Tensor ops become the same ops on memrefs with their outputs appended (destination-passing); views become
memref views. Index arithmetic and shape checks that depend on arguments' extents only stand first; all that
computes stands in `scf.if` of their conjunction. Checks that depend on data open a further `scf.if`. What may
be written over the memory of cells comes last, behind a claim (`passes/claims.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from tensorc.ir.attributes import Attribute, DictAttr, IntegerAttr, StringAttr, UnitAttr
from tensorc.ir.builtin import (
    Return,
    arg_attributes,
    body,
    function_type,
    functions,
    new_function,
    symbol_name,
)
from tensorc.ir.clone import clone_region
from tensorc.ir.core import Operation, Value
from tensorc.ir.errors import TensorcTypeError
from tensorc.ir.types import MemRefType, StridedLayout, TensorType, Type, i1, i32, i64, index
from tensorc.ops.base import OpDef
from tensorc.ops.buffer_views import contiguous
from tensorc.ops.families import View
from tensorc.ops.faults_lowering import ERROR
from tensorc.ops.index import Assume, Dim, Require, ToIndex, shaped
from tensorc.ops.indexing import UpdateSlice
from tensorc.ops.indexing_lowering import CHECK, STEP, WRITE
from tensorc.ops.kernel import Kernel, product_of, stages
from tensorc.ops.loops import arith, memref
from tensorc.ops.loops.builder import Branch, LoopBuilder
from tensorc.ops.loops.claims import CLAIM, OVER
from tensorc.ops.product_library import without_memory
from tensorc.passes import sites
from tensorc.passes.buffers import Plan, Slot, is_view, plan, readers_first, whole
from tensorc.passes.check_shapes import check_function
from tensorc.passes.claims import Claims, claims
from tensorc.passes.extents import Extent, Extents
from tensorc.passes.order import results_early
from tensorc.passes.specialize import CONTIGUOUS

BUFFERS = "tensorc.buffers"
"""Function attribute: this function is bufferised."""
FAILED, ASSUMPTION = 1, 2
"""What a body returns when a check fails, and when an assumption does not hold (`codegen_llvm/abi.py`)."""
STEPS, MOST_STEPS, TOO_MUCH = 16, 1 << 24, 1 << 40
"""Steps of a product's sum that take the time of an element; how many are counted; more work than is ever
done behind a claim.
"""
Index = int | Value
_DIVISIONS = (arith.DivSI, arith.FloorDivSI, arith.CeilDivSI, arith.RemSI)


@dataclass(frozen=True)
class Bufferize:
    """Tensors to buffers; every function becomes two."""

    name: ClassVar[str] = "bufferize"

    def run(self, module: Operation) -> None:
        for function in list(functions(module)):
            if function.regions[0].blocks and BUFFERS not in function.attributes:
                _bufferize(module, function)


def _bufferize(module: Operation, function: Operation) -> None:
    check_function(function)
    extents = Extents(function)
    extents.visit_all()
    ops = list(body(function))
    returned = list(ops.pop().operands)
    strange = [v.type for v in returned if not isinstance(v.type, TensorType)]
    if strange:
        raise TensorcTypeError(
            f"bufferize: @{symbol_name(function)} returns {strange[0]}; a compiled function returns tensors",
            code="TC0504",
            location=function.location,
            help="tensorc.from_index makes a tensor of an index",
        )
    sizes = [e for v in returned for e in _values(extents, v)]
    live = results_early(_live(ops, [*returned, *sizes], extents, True), partial(_values, extents))
    claimed = claims(function, readers_first(live), returned)
    shapes = _Writer(module, function, extents, _live(ops, sizes, extents, False), shapes_only=True)
    if sites.UPDATES in function.attributes:
        sure = 0 if _fails_late(live) else sites.NOTE_SURE
        shapes.notes = sure | (sites.NOTE_CLAIMS if claimed.over else 0)
        shapes.over = claimed.over
    shapes.write(returned)
    _Writer(module, function, extents, claimed.first, shapes_only=False, claimed=claimed).write(returned)
    function.erase()


def _live(
    ops: Sequence[Operation], roots: Sequence[Value], extents: Extents, faults: bool
) -> list[Operation]:
    """The ops that `roots`, checks, assumptions and, if asked, faults in data need, in order."""
    needed = set(roots)
    kept: list[Operation] = []
    for op in reversed(ops):
        checks = op.isa(Require) or op.isa(Assume) or (faults and sites.SITE in op.attributes)
        if not checks and not any(r in needed for r in op.results):
            continue
        kept.append(op)
        needed.update(op.operands)
        for value in (*op.operands, *op.results):
            if isinstance(value.type, TensorType):
                needed.update(_values(extents, value))
    return kept[::-1]


def _fails_late(ops: Sequence[Operation]) -> bool:
    """Whether something that depends on data may fail when outputs have been written already."""
    late: set[Value] = set()
    for op in ops:
        check = op.isa(Require) or op.isa(Assume)
        decided = not any(v in late for v in op.operands)
        if (check and not decided) or (not check and sites.SITE in op.attributes):
            return True
        if not _is_scalar(op) or not decided:
            late.update(r for r in op.results if not isinstance(r.type, TensorType))
    return False


def _values(extents: Extents, value: Value) -> list[Value]:
    return [e for e in extents.of(value) if isinstance(e, Value)]


@dataclass
class _Check:
    condition: Value
    op: Operation
    a: Value
    b: Value


@dataclass
class _Segment:
    """An open `scf.if`, the code that its else branch gives, and the buffers to free at its end."""

    context: AbstractContextManager[Branch]
    branch: Branch
    checks: list[_Check]
    otherwise: int | Value
    frees: list[Value] = field(default_factory=list)


class _Writer:
    """Writes one of the two functions."""

    def __init__(
        self,
        module: Operation,
        function: Operation,
        extents: Extents,
        ops: list[Operation],
        shapes_only: bool,
        claimed: Claims | None = None,
    ) -> None:
        self.function = function
        self.extents = extents
        self.claimed = claimed or Claims(ops)
        self.ops = [*ops, *self.claimed.last]
        self.shapes_only = shapes_only
        self.map: dict[Value, Value] = {}
        self.buffers: dict[Slot, Value] = {}
        self.segments: list[_Segment] = []
        self.late: set[Value] = set()
        self.places = {op: number for number, op in enumerate(self.ops)}
        self.copied: dict[int, list[Value]] = {}
        self.top_frees: list[Value] = []
        self.notes: int | None = None
        self.over: dict[int, int] = {}
        self.new = self._declare()
        assert function.block is module.regions[0].block
        module.regions[0].block.insert_before(self.new, function)
        self.b = LoopBuilder(body(self.new), None, function.location)
        self._enter()

    # signature

    def _declare(self) -> Operation:
        kind = function_type(self.function)
        inputs = [self._argument_type(t) for t in kind.inputs]
        outputs: list[Type] = [
            MemRefType(t.shape, t.element) for t in kind.results if isinstance(t, TensorType)
        ]
        error = MemRefType((4,), i64)
        given = [arg_attributes(self.function, i) for i in range(len(inputs))]
        roles: list[Mapping[str, Attribute]] = [{"tensorc.kind": StringAttr("output")} for _ in outputs]
        error_attrs: Mapping[str, Attribute] = {"tensorc.kind": StringAttr(ERROR)}
        name = symbol_name(self.function)
        if self.shapes_only:
            types = [*inputs, error, MemRefType((None,), index)]
            attrs = [*given, error_attrs, {"tensorc.kind": StringAttr("extents")}]
            new = new_function(f"{name}_shapes", types, [i32], attrs, location=self.function.location)
        else:
            for output, argument in self.claimed.over.items():
                roles[output] = {**roles[output], OVER: IntegerAttr(argument)}
            types = [*inputs, *outputs, error]
            new = new_function(
                f"{name}", types, [i32], [*given, *roles, error_attrs], location=self.function.location
            )
        for key, value in self.function.attributes.items():
            if "." in key and not isinstance(value, DictAttr):
                new.set_attribute(key, value)
        new.set_attribute(BUFFERS, UnitAttr())
        return new

    def _argument_type(self, kind: Type) -> Type:
        if not isinstance(kind, TensorType):
            return kind
        if CONTIGUOUS in self.function.attributes or kind.rank == 0:
            return MemRefType(kind.shape, kind.element)
        return MemRefType(kind.shape, kind.element, StridedLayout((None,) * kind.rank, None))

    def _enter(self) -> None:
        old, new = body(self.function).args, body(self.new).args
        self.map.update(zip(old, new, strict=False))
        self.outputs: list[Value] = [] if self.shapes_only else list(new[len(old) : -1])
        self.error: Value = new[len(old)] if self.shapes_only else new[-1]
        self.result_extents: Value | None = new[-1] if self.shapes_only else None

    # the walk

    def write(self, returned: Sequence[Value]) -> None:
        self.returned = returned
        outputs = [] if self.shapes_only else returned
        early = self._prologue()
        self.plan: Plan = plan(
            self.ops, outputs, self.extents, self.claimed.over, self.claimed.through, self.late
        )
        self._begin(early)
        fault = any(sites.SITE in op.attributes and not op.isa(Require) for op in self.ops)
        if fault:
            self.b.store(self.b.constant(0, i64), self.error, [0])
        for position, op in enumerate(self.ops):
            if self.claimed.last and op is self.claimed.last[0]:
                self._claim(fault)
            with self.b.located(op.location):
                self._op(position, op)
        self._finish(returned, fault and not self.claimed.last)

    def _prologue(self) -> list[_Check]:
        """Index arithmetic and checks that no data decides; assumptions become the outermost `scf.if`."""
        checks: list[_Check] = []
        assumed: list[Value] = []
        for op in self.ops:
            if not _is_scalar(op) or any(v in self.late for v in op.operands):
                self.late.update(r for r in op.results if not isinstance(r.type, TensorType))
                continue
            with self.b.located(op.location):
                if op.isa(Require):
                    checks.append(self._check(op))
                elif op.isa(Assume):
                    assumed.append(self.map[op.operands[0]])
                else:
                    self._scalar(op)
        if assumed:
            self._open(self._all(assumed), [], ASSUMPTION)
        return checks

    def _begin(self, checks: list[_Check]) -> None:
        if checks:
            self._open(self._all([c.condition for c in checks]), checks, FAILED)

    def _all(self, conditions: Sequence[Value]) -> Value:
        total, *rest = dict.fromkeys(conditions)
        for condition in rest:
            total = self.b.andi(total, condition)
        return total

    def _open(self, condition: Value, checks: list[_Check], otherwise: int | Value) -> None:
        context = self.b.if_(condition, [i32])
        self.segments.append(_Segment(context, context.__enter__(), checks, otherwise))

    def _check(self, op: Operation) -> _Check:
        condition, a, b = (self.map[v] for v in op.operands)
        return _Check(condition, op, a, b)

    def _op(self, position: int, op: Operation) -> None:
        if _is_scalar(op):
            if op.isa(Require) and any(v in self.late for v in op.operands):
                check = self._check(op)
                self._open(check.condition, [check], FAILED)
            elif any(r in self.late for r in op.results):
                self._scalar(op)
        elif op.isa(ToIndex):
            self.map[op.result] = self._insert(op, [self.map[op.operands[0]]], [index]).result
        elif is_view(op):
            self.map[op.result] = self._view(op)
        else:
            self._destination_passing(position, op)
        for slot in self.plan.frees.get(position, ()):
            self._free(self.buffers.get(slot))
        for buffer in self.copied.pop(position, ()):
            self._free(buffer)

    # scalars

    def _scalar(self, op: Operation) -> None:
        if op.isa(Dim):
            buffer = self.map[op.operands[0]]
            self.map[op.result] = self.b.index(self.b.dim(buffer, op.attrs.axis))  # type: ignore[attr-defined]
            return
        operands = [self.map[v] for v in op.operands]
        if op.definition in _DIVISIONS:
            operands[1] = self._divisor(*operands)
        assert op.definition is not None
        made = self.b.create_op(op.definition, operands, op.attrs, results=[r.type for r in op.results])
        self.map.update(zip(op.results, made.results, strict=True))

    def _divisor(self, a: Value, divisor: Value) -> Value:
        """A divisor that makes no division undefined: 1 in place of 0, and of -1 under the least integer."""
        b = self.b
        constant = divisor.defining(arith.Constant)
        if constant is not None and constant.attributes["value"].value not in (0, -1):  # type: ignore[attr-defined]
            return divisor
        zero = b.cmpi("eq", divisor, b.index(0))
        overflow = b.andi(b.cmpi("eq", divisor, b.index(-1)), b.cmpi("eq", a, b.index(-(1 << 63))))
        return b.select(b.ori(zero, overflow), b.index(1), divisor)

    def _extent(self, extent: Extent) -> Index:
        return extent if isinstance(extent, int) else self.map[extent]

    def _shape(self, value: Value) -> list[Index]:
        """Extents in the new function. A 0 that the type does not tell stays out of memref types: where a
        check forbids it, inference would refuse the code behind the check.
        """
        assert isinstance(value.type, TensorType)
        known = zip(value.type.shape, self.extents.of(value), strict=True)
        return [self.b.index(0) if s is None and e == 0 else self._extent(e) for s, e in known]

    # tensors

    def _view(self, op: Operation) -> Value:
        definition = op.definition
        assert definition is not None and issubclass(definition, View)
        source = op.operands[0]
        operands = [self.map[v] for v in op.operands]
        sizes, shape = self._shape(source), self._shape(op.result)
        found = definition.view(self.b, op.attrs, operands, sizes, shape)
        if found is None:
            copied = self._temporary(source)
            self.copied.setdefault(self._last_use(op), []).append(copied)
            self.b.copy(operands[0], copied)
            found = definition.view(self.b, op.attrs, [copied, *operands[1:]], sizes, shape)
            assert found is not None, f"{op.name} gives no view of a contiguous buffer"
        return found

    def _last_use(self, view: Operation) -> int:
        """The place of the last op that reads a view, or a view of it; behind all ops if it is returned."""
        places, last, todo = self.places, 0, [view]
        while todo:
            op = todo.pop()
            last = max(last, len(self.ops) if op.isa(Return) else places.get(op, 0))
            todo += op.result.users if is_view(op) else ()
        return last

    def _temporary(self, value: Value) -> Value:
        """A fresh contiguous buffer like `value`, freed at the end of the segment."""
        assert isinstance(value.type, TensorType)
        buffer = self.b.alloc(value.type.element, self._shape(value))
        self._frees().append(buffer)
        return buffer

    def _frees(self) -> list[Value]:
        return self.segments[-1].frees if self.segments else self.top_frees

    def _destination_passing(self, position: int, op: Operation) -> None:
        targets = [self._target(r) for r in op.results]
        made = self._insert(op, [*(self.map[v] for v in op.operands), *targets], [])
        if sites.SITE in op.attributes and op in self.claimed.last:
            made.set_attribute(STEP, WRITE)
        self.map.update(zip(op.results, targets, strict=True))

    def _target(self, value: Value) -> Value:
        """The buffer a computed tensor is written to."""
        over = self.plan.over.get(value)
        if over is not None:
            return self.map[over]
        number = self.plan.output.get(value)
        if number is not None:
            return self._output(number, value)
        slot = self.plan.slot[value]
        if slot not in self.buffers:
            assert isinstance(value.type, TensorType)
            self.buffers[slot] = self.b.alloc(slot.element, self._shape(value))
            self._frees().append(self.buffers[slot])
        return self.buffers[slot]

    def _output(self, number: int, value: Value) -> Value:
        """An output argument in the shape of `value`, which holds its elements in order."""
        target = self.outputs[number]
        shape = self._shape(value)
        itself = value is self.returned[number] or value in self.claimed.through
        return target if itself else contiguous(self.b, target, shape)

    def _free(self, buffer: Value | None) -> None:
        """Free a buffer at its last use, if that lies in the segment that allocated it."""
        if buffer is not None and buffer in self._frees():
            self._frees().remove(buffer)
            self.b.dealloc(buffer)

    def _insert(self, op: Operation, operands: Sequence[Value], results: Sequence[Type]) -> Operation:
        """The same op on buffers: inference speaks of tensors, so the op is made as it is."""
        regions = [clone_region(r) for r in op.regions]
        new = Operation(op.name, op.definition, operands, results, dict(op.attributes), regions, op.location)
        self.b.block.insert_before(new, self.b.anchor)
        return new

    # the claim

    def _claim(self, fault: bool) -> None:
        """Everything that may fail, and everything that reads what the cells hold, comes before."""
        b = self.b
        for op in self.claimed.checked():
            with b.located(op.location):
                # Of what it will change only the extents matter, and they are those of the cell.
                number = self.claimed.through.get(op.operands[0])
                x = op.operands[0] if number is None else body(self.function).args[self.claimed.over[number]]
                operands = [self.map[v] for v in (x, *op.operands[1:], x)]
                self._insert(op, operands, []).set_attribute(STEP, CHECK)
        written = {r for op in self.claimed.last for r in op.results}
        late = [(number, value) for number, value in self.plan.copies if whole(value) in written]
        self._copy_outputs([pair for pair in self.plan.copies if pair not in late])
        self.plan.copies[:] = late
        if fault:
            sound = b.cmpi("eq", b.load(self.error, [0]), b.constant(0, i64))
            self._open(sound, [], FAILED)
        work: Index = 0
        for op in self.claimed.last:
            work = b.add(work, self._work(op))
        code = b.call(CLAIM, [b.index(work)], i32)
        self._open(b.cmpi("eq", code, b.constant(0, i32)), [], code)

    def _work(self, op: Operation) -> Index:
        """About how many elements' time an op takes that is claimed; too much for any claim if it may ask for
        memory.
        """
        b, elements = self.b, self.b.product(self._iterated(op))
        product = product_of(op) if op.isa(Kernel) else None
        if product is None:
            return elements
        of_argument: dict[Value, Value] = dict(zip(op.regions[0].block.args, op.operands, strict=False))
        x, y = (self.map[of_argument[v]] for v in product.operands)
        free = without_memory(b, x, y, shaped(product.result).element)
        steps = b.add(b.minimum(b.dim(x, 1), MOST_STEPS), STEPS)
        work = b.mul(elements, b.divsi(b.index(steps), b.index(STEPS)))
        if isinstance(free, bool):
            return work if free else TOO_MUCH
        return b.select(free, b.index(work), b.index(TOO_MUCH))

    def _iterated(self, op: Operation) -> Sequence[Index]:
        """Extents of as many elements as an op that is claimed goes through."""
        assert op.definition is not None
        if op.isa(Kernel):
            widest = max((s.operands[: s.attrs.rank] for s in stages(op)), key=len)  # type: ignore[attr-defined]
            of_argument: dict[Value, Value] = dict(zip(op.regions[0].block.args, op.operands, strict=False))
            return [self.map[of_argument[v]] for v in widest]
        if not issubclass(op.definition, OpDef) or not op.definition.overwrites:
            return self._shape(op.results[0])
        return self._shape(op.operands[1] if op.isa(UpdateSlice) else op.operands[-1])

    def _copy_outputs(self, copies: Sequence[tuple[int, Value]]) -> None:
        for number, value in copies:
            self.b.copy(self.map[value], self.outputs[number])

    # the end

    def _finish(self, returned: Sequence[Value], fault: bool) -> None:
        b = self.b
        if self.result_extents is not None:
            flat = [e for v in returned for e in self._shape(v)]
            for place, extent in enumerate(flat):
                b.store(b.index(extent), self.result_extents, [place])
            if self.notes is not None:
                b.store(b.index(self.notes), self.result_extents, [len(flat)])
            for number in range(len(returned)) if self.over else ():
                b.store(b.index(self.over.get(number, -1)), self.result_extents, [len(flat) + 1 + number])
        self._copy_outputs(self.plan.copies)
        code = b.constant(0, i32)
        if fault:
            failed = b.cmpi("ne", b.load(self.error, [0]), b.constant(0, i64))
            code = b.select(failed, b.constant(FAILED, i32), code)
        while self.segments:
            code = self._close(self.segments.pop(), code)
        for buffer in self.top_frees:
            b.dealloc(buffer)
        b.return_(code)

    def _close(self, segment: _Segment, code: Value) -> Value:
        b = self.b
        for buffer in segment.frees:
            b.dealloc(buffer)
        segment.branch.yield_(code)
        segment.context.__exit__(None, None, None)
        with segment.branch.else_():
            for check in reversed(segment.checks):  # the first that fails is stored last
                self._record(check)
            other = segment.otherwise
            segment.branch.yield_(b.constant(other, i32) if isinstance(other, int) else other)
        return segment.branch.results[0]

    def _record(self, check: _Check) -> None:
        b = self.b
        with b.located(check.op.location), b.if_(b.xori(check.condition, b.constant(True, i1))):
            number = sites.number_of(check.op)
            values = [
                b.constant(number, i64),
                b.index_cast(check.a, i64),
                b.index_cast(check.b, i64),
                b.constant(0, i64),
            ]
            for place, value in enumerate(values):
                store = b.create_op(memref.Store, [value, self.error, b.index(place)])
                for key, attribute in sites.of(check.op).items() if place == 0 else ():
                    store.set_attribute(key, attribute)


def _is_scalar(op: Operation) -> bool:
    """Whether an op works on extents and conditions alone."""
    if op.isa(Dim) or op.isa(Require) or op.isa(Assume):
        return True
    values = [*op.operands, *op.results]
    return not op.regions and all(v.type in (index, i1) for v in values)
