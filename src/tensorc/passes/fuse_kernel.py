"""From a group of ops to a `tensorc.kernel`: which stage computes what, what is stored and what is computed
again.

A reduction ends a stage: what depends on its result comes in a later one. A value with inner axes that a
later stage reads is computed again there if that costs at most `STORE_ABOVE` (the sum of op weights back to
what is in memory: 16 for a math function, 6 for a division or square root, 1 for the rest), otherwise it is
stored: in the kernel's output, if it is one, else in scratch for one outer iteration.

What was decided stands on the kernel, each op with its weight: `tensorc.stored` what is kept for later
stages, `tensorc.again` what later stages compute again, `tensorc.copied` what other kernels compute, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tensorc.ir.attributes import ArrayAttr, StringAttr
from tensorc.ir.core import Block, Operation, Region, Value
from tensorc.ir.types import IntegerType, ScalarType, i64, index
from tensorc.ops.attrs import ConstantAttrs, IotaAttrs
from tensorc.ops.creation import Constant, Iota
from tensorc.ops.families import Pointwise, Reduction
from tensorc.ops.index import shaped
from tensorc.ops.kernel import Generic, GenericAttrs, Kernel, KernelAttrs, Yield
from tensorc.ops.linalg import Matmul
from tensorc.ops.loops.base import register_type
from tensorc.ops.loops.builder import LoopBuilder
from tensorc.passes.extents import Extents
from tensorc.passes.fuse_groups import Group, Grouping, is_reduction
from tensorc.passes.fuse_refs import UNIT, Map, Refs
from tensorc.passes.fuse_weights import elements_of, weight_of

STORE_ABOVE: Final = 8


@dataclass
class _Stage:
    """What one stage computes: values to yield, in order."""

    full: bool
    results: list[Operation] = field(default_factory=list)


class KernelWriter:
    """Writes the kernel of one group before `anchor`'s place in `block`."""

    def __init__(
        self, group: Group, grouping: Grouping, position: dict[Operation, int], extents: Extents, refs: Refs
    ) -> None:
        self.group = group
        self.grouping = grouping
        self.product = group.product
        members = (op for op in group.members if op is not group.product)
        self.members = sorted(members, key=position.__getitem__)
        self.extents = extents
        self.refs = refs
        outer = group.outer
        inner = sorted(group.inner or ())
        self.order = outer + inner
        self.number = {axis: k for k, axis in enumerate(self.order)}
        self.outer = len(outer)
        self.inside: dict[Value, Operation] = {op.result: op for op in self.members}
        self._reader_table = self._table_of_readers()
        self.outputs = [op for op in self.members if self._escapes(op)]
        self.stage: dict[Value, int] = {}
        self.stored: set[Value] = set()
        self.cost: dict[Value, int] = {}

    def write(self, b: LoopBuilder) -> Operation:
        """The kernel op, built at `b`; its results are in the order of `outputs`."""
        self._assign_stages()
        self._decide_stores()
        return _Emission(self, b).emit()

    def _escapes(self, op: Operation) -> bool:
        """Whether anything reads the result that does not lie in groups which compute it themselves."""
        return any(not self.grouping.computes(user, op) for user in self.refs.readers(op))

    def read(self) -> list[Value]:
        """What comes from outside: roots, and what the product reads as it is."""
        made = None if self.product is None else self.product.result
        roots = [self.reading(op, v)[0] for op in self.members for v in op.operands]
        found = [v for v in roots if v not in self.inside and v is not made and not inlined(v)]
        return list(dict.fromkeys([*found, *(self.product.operands if self.product else ())]))

    # places and stages

    def place(self, value: Value) -> Map:
        """Iteration axes of a member's result, in the kernel's order of axes."""
        return tuple(UNIT if p == UNIT else self.number[p] for p in self.group.place[value])

    def reading(self, op: Operation, operand: Value) -> tuple[Value, Map]:
        """The root of an operand and the iteration axes of the root's axes."""
        ref = self.refs.of(operand)
        at = self.group.operand_place[op] if is_reduction(op) else self.group.place[op.result]
        seen = tuple(UNIT if a == UNIT else at[a] for a in ref.map)
        return ref.root, tuple(UNIT if p == UNIT else self.number[p] for p in seen)

    def is_full(self, op: Operation) -> bool:
        """Whether a member's own iteration has inner axes; a reduction iterates over its operand."""
        if is_reduction(op):
            return True
        return self.group.inner is not None and self._moving(op.result) == len(self.order)

    def _moving(self, value: Value) -> int:
        return sum(p != UNIT for p in self.group.place[value])

    def inputs(self, op: Operation) -> list[Value]:
        """The members whose results `op` reads."""
        roots = (self.refs.of(v).root for v in op.operands)
        return [r for r in roots if r in self.inside]

    def _assign_stages(self) -> None:
        """For a full value the stage that first can compute it; for a row value the stage from which on it is
        there.
        """
        for op in self.members:
            earliest = max((self.available(v) for v in self.inputs(op)), default=0)
            self.stage[op.result] = earliest

    def available(self, value: Value) -> int:
        """The first stage that can read a member's result."""
        return self.stage[value] + is_reduction(self.inside[value])

    def _decide_stores(self) -> None:
        output = {op.result for op in self.outputs}
        for op in self.members:
            value = op.result
            if is_reduction(op) or not self.is_full(op):
                self.cost[value] = 0
                continue
            below = sum(0 if v in self.stored else self.cost[v] for v in dict.fromkeys(self.inputs(op)))
            self.cost[value] = weight_of(op) + below
            if value in output or (self.cost[value] > STORE_ABOVE and self._read_later(value)):
                self.stored.add(value)

    def decisions(self) -> dict[str, list[str]]:
        """What is stored, computed again, and computed in other kernels too, with weights."""
        plain = [op for op in self.members if not is_reduction(op) and self.is_full(op)]
        later = [op for op in plain if self._read_later(op.result)]
        found = {
            "tensorc.stored": [op for op in later if op.result in self.stored],
            "tensorc.again": [op for op in later if op.result not in self.stored],
            "tensorc.copied": [op for op in plain if len(self.grouping.groups_of(op)) > 1],
        }
        return {
            name: [f"{op.name.removeprefix('tensorc.')} {self.cost[op.result]}" for op in ops]
            for name, ops in found.items()
            if ops
        }

    def _read_later(self, value: Value) -> bool:
        """Whether a later stage may want a full value: some full reader, or reader of a reader, lies in one.
        """
        todo, seen = [value], {value}
        while todo:
            for reader in self._readers(todo.pop()):
                if self.stage[reader.result] > self.stage[value]:
                    return True
                if reader.result not in seen and not is_reduction(reader):
                    seen.add(reader.result)
                    todo.append(reader.result)
        return False

    def _readers(self, value: Value) -> list[Operation]:
        """The members that read a member's result."""
        return self._reader_table.get(value, [])

    def _table_of_readers(self) -> dict[Value, list[Operation]]:
        table: dict[Value, list[Operation]] = {}
        for op in self.members:
            for v in dict.fromkeys(self.inputs(op)):
                table.setdefault(v, []).append(op)
        return table

    def stages(self) -> list[_Stage]:
        """Row values that a stage can read come before it; every row value and stored value is a result."""
        found: list[_Stage] = []
        last = max(self.stage[op.result] for op in self.members)
        wanted = self.stored | {op.result for op in self.outputs}
        by_stage: list[list[Operation]] = [[] for _ in range(last + 1)]
        for op in self.members:
            by_stage[self.stage[op.result]].append(op)
        for ops in by_stage:
            rows = [op for op in ops if not self.is_full(op)]
            kept = [op for op in ops if self.is_full(op) and (is_reduction(op) or op.result in wanted)]
            if rows:
                found.append(_Stage(False, [op for op in rows if self._row_is_read(op)]))
            if kept:
                found.append(_Stage(True, kept))
        return [s for s in found if s.results]

    def _row_is_read(self, op: Operation) -> bool:
        """Whether a row value is needed outside its own stage (within it, bodies compute it in passing)."""
        if op in self.outputs:
            return True
        stage = self.stage[op.result]
        return any(self.is_full(r) or self.stage[r.result] > stage for r in self._readers(op.result))


class _Emission:
    """The text of one kernel, stage by stage."""

    def __init__(self, writer: KernelWriter, b: LoopBuilder) -> None:
        self.w = writer
        self.b = b
        self.externals: dict[Value, int] = {}
        self.stage_results: dict[Value, Value] = {}
        self.made: dict[Value, Value] = {}
        """The product."""

    def emit(self) -> Operation:
        w, b = self.w, self.b
        plans = w.stages()
        extents = [w.extents.value(w.group.axes[a], b) for a in w.order]
        self.externals = {value: number for number, value in enumerate(w.read())}
        operands = [*extents, *self.externals]
        region = Region([Block([v.type for v in operands])])
        types = [op.result.type for op in w.outputs]
        attrs = KernelAttrs(w.outer)
        kernel = b.create_op(Kernel, operands, attrs, results=types, regions=[region])
        for name, ops in w.decisions().items():
            kernel.set_attribute(name, ArrayAttr(tuple(StringAttr(text) for text in ops)))
        self.args = region.block.args
        with b.at(region.block):
            if w.product is not None:
                pair = [self.external(v) for v in w.product.operands]
                self.made[w.product.result] = b.create(Matmul, pair)[0]
            for stage in plans:
                self._stage(stage)
            b.create_op(Yield, [self.stage_results[op.result] for op in w.outputs])
        return kernel

    def _stage(self, stage: _Stage) -> None:
        w, b = self.w, self.b
        rank = len(w.order) if stage.full else w.outer
        body = _Body(self, stage, rank)
        body.build()
        extents = list(self.args[:rank])
        maps = [*body.maps, *(self._result_map(op) for op in stage.results)]
        combiners = ArrayAttr(tuple(StringAttr(combiner(op)) for op in stage.results))
        types = [op.result.type for op in stage.results]
        attrs = GenericAttrs(rank, tuple(maps), combiners)
        made = b.create_op(Generic, [*extents, *body.operands], attrs, results=types, regions=[body.region])
        for op, value in zip(stage.results, made.results, strict=True):
            self.stage_results[op.result] = value

    def _result_map(self, op: Operation) -> Map:
        return self.w.place(op.result)

    def external(self, root: Value) -> Value:
        made = self.made.get(root)
        return self.args[len(self.w.order) + self.externals[root]] if made is None else made


def combiner(op: Operation) -> str:
    definition = op.definition
    return definition.combiner if definition is not None and issubclass(definition, Reduction) else ""


def inlined(root: Value) -> bool:
    """Constants of one number and counting are part of bodies, not read from memory."""
    op = root.owner
    if op is None:
        return False
    return op.isa(Iota) or splat(op) is not None


def splat(op: Operation) -> object | None:
    """The number a constant holds everywhere (bit for bit), if there is one."""
    if not op.isa(Constant):
        return None
    attrs = op.attrs
    assert isinstance(attrs, ConstantAttrs)
    array = attrs.value.value.reshape(-1)
    if array.size == 0 or any(x.tobytes() != array[0].tobytes() for x in array):
        return None
    number: object = array[0]
    return number


class _Body:
    """The scalar body of a stage: members of the stage, and whatever is computed again."""

    def __init__(self, emission: _Emission, stage: _Stage, rank: int) -> None:
        self.e = emission
        self.w = emission.w
        self.stage = stage
        self.rank = rank
        self.region = Region([Block([index] * rank)])
        self.operands: list[Value] = []
        self.maps: list[Map] = []
        self.scalars: dict[Value, Value] = {}
        self._loaded: dict[tuple[Value, Map], Value] = {}

    def build(self) -> None:
        b, block = self.e.b, self.region.block
        needed = self._needed()
        # The body is built where calls can find the module, then moved into its region.
        for op in needed:
            for operand in op.operands:
                self._prepare(op, operand)
        holder = self.e.b.block
        with b.at(holder):
            before = holder.last
            for op in needed:
                with b.located(op.location):
                    self._compute(op)
            yielded = [self._yielded(op) for op in self.stage.results]
            _move_after(holder, before, block)
        with b.at(block):
            b.create_op(Yield, yielded)

    def _needed(self) -> list[Operation]:
        """Members this body computes, in order: an iterative walk back from the stage's results."""
        found: set[Operation] = set()
        todo = list(self.stage.results)
        while todo:
            op = todo.pop()
            if op in found:
                continue
            found.add(op)
            todo.extend(self.w.inside[v] for v in self.w.inputs(op) if not self._is_given(v))
        return [op for op in self.w.members if op in found]

    def _is_given(self, value: Value) -> bool:
        """Whether an earlier stage has a value as its result."""
        return value in self.e.stage_results

    def _prepare(self, op: Operation, operand: Value) -> None:
        """Make the block argument for what is read from memory or from an earlier stage."""
        root, at = self.w.reading(op, operand)
        given = root in self.w.inside and self._is_given(root)
        if (root in self.w.inside and not given) or inlined(root) or (root, at) in self._loaded:
            return
        self.operands.append(self.e.stage_results[root] if given else self.e.external(root))
        self.maps.append(at)
        self._loaded[root, at] = self.region.block.add_argument(register_type(shaped(root).element))

    def _scalar(self, op: Operation, operand: Value) -> Value:
        root, at = self.w.reading(op, operand)
        loaded = self._loaded.get((root, at))
        if loaded is not None:
            return loaded
        if root in self.scalars:
            return self.scalars[root]
        assert root.owner is not None
        return self._leaf(root.owner, at)

    def _leaf(self, op: Operation, at: Map) -> Value:
        b = self.e.b
        kind = shaped(op.result).element
        number = splat(op)
        if number is not None:
            return b.constant(number, register_type(kind))
        attrs = op.attrs
        assert isinstance(attrs, IotaAttrs)
        axis = at[attrs.axis]
        if axis == UNIT:
            return b.constant(0, register_type(kind))
        return count(b, self.region.block.args[axis], kind)

    def _compute(self, op: Operation) -> None:
        definition = op.definition
        assert definition is not None
        xs = [self._scalar(op, v) for v in op.operands]
        if issubclass(definition, Pointwise):
            self.scalars[op.result] = definition.scalar(self.e.b, elements_of(op), *xs)
        else:
            self.scalars[op.result] = xs[0]

    def _yielded(self, op: Operation) -> Value:
        return self.scalars[op.result]


def count(b: LoopBuilder, position: Value, kind: ScalarType) -> Value:
    """An iteration index as an element: integers wrap, floats are rounded."""
    wide = b.index_cast(position, i64)
    if not isinstance(kind, IntegerType):
        return b.sitofp(wide, kind)
    return wide if kind.width == 64 else b.trunci(wide, register_type(kind))


def _move_after(holder: Block, before: Operation | None, target: Block) -> None:
    op = holder.first if before is None else before.next
    while op is not None:
        following = op.next
        op.detach()
        target.append(op)
        op = following
