"""What is known of the run-time extents of a function's tensors: one canonical `index` value (or integer) an
extent.

`Extents` walks a straight-line L0/L1 function once, in order. It numbers index arithmetic by value, so that
two computations of the same extent are one SSA value, and keeps a union of extents that a check made equal.
Everything computed after a check runs only if the check held, so an equality holds from its check on.
"""

from __future__ import annotations

from collections.abc import Sequence

from tensorc.ir.attributes import ArrayAttr, BoolAttr, IntegerAttr, StringAttr
from tensorc.ir.builder import Builder
from tensorc.ir.builtin import Call, arg_attributes, body
from tensorc.ir.core import BlockArgument, Operation, OpResult, Value
from tensorc.ir.definition import NO_ATTRS, Attrs, OpDefinition, Trait
from tensorc.ir.errors import TensorcTypeError
from tensorc.ir.location import Location
from tensorc.ir.types import TensorType, i1, index
from tensorc.ops.attrs import AxisAttrs
from tensorc.ops.base import OpDef
from tensorc.ops.index import Assume, Dim, Require, ToIndex
from tensorc.ops.kernel import Kernel, kernel_extents
from tensorc.ops.loops.arith import CmpI, Constant, PredicateAttrs

Extent = int | Value
Shape = tuple[Extent, ...]
_SCALARS = (index, i1)
_AT_LEAST = PredicateAttrs(CmpI.predicates.index("sge"))


class Extents:
    """Extents of every tensor of `function`, built up by `visit`ing its ops in order (or `visit_all`)."""

    def __init__(self, function: Operation) -> None:
        self.block = body(function)
        self._shapes: dict[Value, Shape] = {}
        self._parent: dict[Extent, Extent] = {}
        self._numbers: dict[object, Value] = {}
        self._constants: dict[Value, int] = {}
        self._order: dict[Value, int] = {}
        self._late: set[Value] = set()
        self._held: set[Value] = set()
        first = self.block.first
        assert first is not None
        self._entry = Builder(self.block, first, function.location)
        self.declared: list[tuple[Value, Value, Location]] = []
        """Pairs of argument extents that the signature declares equal under one name."""
        self._enter_arguments(function)

    def _enter_arguments(self, function: Operation) -> None:
        named: dict[str, Extent] = {}
        for arg in self.block.args:
            if not isinstance(arg.type, TensorType):
                continue
            declared = arg_attributes(function, arg.index).get("tensorc.dims")
            names = declared.elements if isinstance(declared, ArrayAttr) else [None] * arg.type.rank
            shape: list[Extent] = []
            for axis, (extent, name) in enumerate(zip(arg.type.shape, names, strict=True)):
                found: Extent = extent if extent is not None else self._argument_dim(arg, axis)
                shape.append(found)
                if isinstance(name, StringAttr):
                    self._declare(named, name.value, found, arg.location)
                if isinstance(name, IntegerAttr) and isinstance(found, Value):
                    constant = self._entry.create(
                        Constant, [], Constant.attrs_type(IntegerAttr(name.value, index))
                    )[0]
                    self._constants[constant] = name.value
                    self.declared.append((found, constant, arg.location))
            self._shapes[arg] = tuple(shape)

    def _declare(self, named: dict[str, Extent], name: str, found: Extent, location: Location) -> None:
        first = named.setdefault(name, found)
        if first is found or first == found:
            return
        if isinstance(first, int):
            first, found = found, first
        assert isinstance(first, Value)
        other = found if isinstance(found, Value) else self.value(found, self._entry)
        self.declared.append((first, other, location))

    def _argument_dim(self, arg: BlockArgument, axis: int) -> Value:
        value = self._entry.create(Dim, [arg], AxisAttrs(axis))[0]
        self._order[value] = len(self._order)
        self._numbers[Dim, (id(arg),), axis] = value
        return value

    # equality

    def rep(self, extent: Extent) -> Extent:
        """The representative of an extent: an integer wherever one is known."""
        if isinstance(extent, Value):
            known = self._constants.get(extent)
            if known is not None:
                return known
        root = extent
        while (up := self._parent.get(root)) is not None:
            root = up
        while (up := self._parent.get(extent)) is not None:
            self._parent[extent] = root
            extent = up
        return root

    def same(self, a: Extent, b: Extent) -> bool:
        """Whether two extents are known to be equal."""
        return self.rep(a) == self.rep(b)

    def learn(self, condition: Value) -> None:
        """A condition that was checked: if it compares two extents for equality, they are one from here on.

        Not if it depends on data: such a check stands behind computations, for which it does not hold yet.
        """
        self._held.add(condition)
        pair = compared(condition)
        if pair is not None and not any(v in self._late for v in pair):
            self._equate(*pair)

    def holds(self, condition: Value) -> bool:
        """Whether a condition is known to hold."""
        if condition in self._held:
            return True
        constant = condition.defining(Constant)
        if constant is not None:
            return constant.attributes["value"] == BoolAttr(True)
        pair = compared(condition)
        return self.same(*pair) if pair is not None else self._is_extent(condition)

    def _is_extent(self, condition: Value) -> bool:
        """Whether a condition is that a number is not negative which is the extent of some tensor."""
        op = condition.defining(CmpI)
        if op is None or op.attrs != _AT_LEAST or self.rep(op.operands[1]) != 0:
            return False
        found = self.rep(op.operands[0])
        return found >= 0 if isinstance(found, int) else found.defining(Dim) is not None

    def _equate(self, a: Extent, b: Extent) -> None:
        """The representative is an integer if there is one, otherwise the value that was there first."""
        a, b = self.rep(a), self.rep(b)
        if a == b or (isinstance(a, int) and isinstance(b, int)):
            return
        if isinstance(a, int) or (isinstance(b, Value) and self._rank(a) < self._rank(b)):
            a, b = b, a
        self._parent[a] = b

    def _rank(self, value: Value) -> int:
        return self._order.setdefault(value, len(self._order))

    def of(self, value: Value) -> Shape:
        """The canonical extents of a tensor already visited."""
        return tuple(self.rep(e) for e in self._shapes[value])

    def set(self, value: Value, shape: Sequence[Extent]) -> None:
        """Say what the extents of a new tensor are."""
        self._shapes[value] = tuple(shape)

    def is_late(self, value: Value) -> bool:
        """Whether an index or condition depends on data."""
        return value in self._late

    def value(self, extent: Extent, b: Builder) -> Value:
        """An extent as an `index` value."""
        if isinstance(extent, Value):
            return extent
        constant: Value = b.create(Constant, [], Constant.attrs_type(IntegerAttr(extent, index)))[0]
        self._constants[constant] = extent
        return constant

    # the walk

    def visit_all(self) -> None:
        for op in self.block:
            self.visit(op)

    def visit(self, op: Operation) -> None:
        """Learn the extents of `op`'s results, what a check or assumption says; number index arithmetic."""
        if op.isa(Require) or op.isa(Assume):
            self.learn(op.operands[0])
            return
        if op.isa(ToIndex) or any(v in self._late for v in op.operands):
            self._late.update(r for r in op.results if not isinstance(r.type, TensorType))
        if op.isa(Kernel):
            for result, shape in zip(op.results, kernel_extents(op), strict=True):
                self._shapes[result] = tuple(self.rep(e) for e in shape)
            return
        if not any(isinstance(r.type, TensorType) for r in op.results):
            self._number(op)
            return
        definition = op.definition
        if definition is None or not issubclass(definition, OpDef):
            raise TensorcTypeError(
                f"{op.name}: the extents of its results are unknown here",
                code="TC0503",
                location=op.location,
                help="run the pass inline first" if op.isa(Call) else None,
            )
        b = ExtentBuilder(self, op)
        shapes = definition.extents(b, op.operands, op.attrs)
        for result, shape in zip(op.results, shapes, strict=True):
            self._set(result, shape)

    def _set(self, result: OpResult, shape: Sequence[Extent]) -> None:
        if not isinstance(result.type, TensorType):
            return
        known = zip(result.type.shape, shape, strict=True)
        self._shapes[result] = tuple(self.rep(e) if s is None else s for s, e in known)

    def _number(self, op: Operation) -> None:
        """Enter a pure index op into the numbering; a `dim` or a repetition is replaced by what is known."""
        if len(op.results) != 1 or op.result.type not in _SCALARS:
            return
        self._rank(op.result)
        if op.isa(Constant):
            attribute = op.attributes["value"]
            if isinstance(attribute, IntegerAttr):
                self._constants[op.result] = attribute.value
            return
        if op.isa(Dim):
            self._replace_dim(op)
            return
        if not op.has_trait(Trait.PURE) or any(v.type not in _SCALARS for v in op.operands):
            return
        found = self._numbers.setdefault(self.key(op.definition, op.operands, op.attrs), op.result)
        if found is not op.result:
            op.result.replace_all_uses_with(found)

    def _replace_dim(self, op: Operation) -> None:
        attrs = op.attrs
        assert isinstance(attrs, AxisAttrs)
        if self._numbers.get((Dim, (id(op.operands[0]),), attrs.axis)) is op.result:
            return
        extent = self.of(op.operands[0])[attrs.axis]
        op.result.replace_all_uses_with(self.value(extent, Builder.before(op)))

    def key(self, definition: type[OpDefinition] | None, operands: Sequence[Value], attrs: Attrs) -> object:
        reps = (self.rep(v) for v in operands)
        return definition, tuple(r if isinstance(r, int) else id(r) for r in reps), attrs

    def numbered(
        self, definition: type[OpDefinition], operands: Sequence[Value], attrs: Attrs, b: Builder
    ) -> Value:
        """An index op with these operands: an existing one, or a new one at `b`."""
        key = self.key(definition, operands, attrs)
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = b.create(definition, operands, attrs)[0]
            self._rank(found)
            if any(v in self._late for v in operands):
                self._late.add(found)
        return found


class ExtentBuilder(Builder):
    """A builder for `OpDef.extents`: answers `dim` from what is known and never makes the same index op
    twice.
    """

    def __init__(self, extents: Extents, op: Operation) -> None:
        assert op.block is not None
        super().__init__(op.block, op, op.location)
        self._extents = extents

    def create(  # type: ignore[override]
        self, definition: type[OpDefinition], operands: Sequence[Value], attrs: Attrs = NO_ATTRS
    ) -> tuple[Value, ...]:
        if definition is Dim:
            assert isinstance(attrs, AxisAttrs)
            return (self._extents.value(self._extents.of(operands[0])[attrs.axis], _plain(self)),)
        if definition is Constant or any(v.type not in _SCALARS for v in operands):
            made = super().create(definition, operands, attrs)
            if definition is Constant and isinstance(attrs.value, IntegerAttr):  # type: ignore[attr-defined]
                self._extents._constants[made[0]] = attrs.value.value  # type: ignore[attr-defined]
            return made
        return (self._extents.numbered(definition, operands, attrs, _plain(self)),)


def compared(condition: Value) -> tuple[Value, Value] | None:
    """The two values whose equality `condition` is."""
    op = condition.defining(CmpI)
    if op is None or op.attrs != PredicateAttrs(0) or op.operands[0].type != index:
        return None
    return op.operands[0], op.operands[1]


def _plain(b: Builder) -> Builder:
    return Builder(b.block, b.anchor, b.location)
