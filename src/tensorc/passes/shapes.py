"""Which extents are equal: every extent of every tensor as a symbol, so that equal symbols are equal extents.

A symbol is a number, an extent of an argument (equal names in `tensorc.dims` are one symbol), an extent of a
result whose op says nothing about it, or an operation on symbols. They are found with the op classes' own
`extents` rules, run on symbols instead of values. Nothing is created in the IR.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import cast
from weakref import WeakKeyDictionary

from tensorc.ir import builtin
from tensorc.ir.attributes import ArrayAttr, IntegerAttr, StringAttr
from tensorc.ir.core import BlockArgument, Operation, OpResult, Value
from tensorc.ir.definition import NO_ATTRS, Attrs, OpDefinition, Trait
from tensorc.ir.rewriter import Rewriter
from tensorc.ir.types import IndexType, TensorType, Type
from tensorc.ir.types import index as index_type
from tensorc.ops.attrs import AxisAttrs
from tensorc.ops.base import OpDef
from tensorc.ops.index import BroadcastExtents, Dim
from tensorc.ops.loops import arith


@dataclass(frozen=True, eq=False)
class Symbol:
    """An extent or a tensor in symbolic form; equal keys mean equal extents.

    `value` is the SSA value it was met as, `root` the tensor and axis it is an extent of, if any.
    """

    type: Type
    key: Hashable
    value: Value | None = None
    root: tuple[Value, int] | None = None

    @property
    def number(self) -> int | None:
        """The extent, when it is known."""
        return self.key[1] if isinstance(self.key, tuple) and self.key[0] == "number" else None


def _number(n: int) -> Symbol:
    return Symbol(index_type, ("number", n))


class Shapes:
    """The symbols met so far. Stays valid while rewrites replace values by equal ones."""

    def __init__(self) -> None:
        self._tensors: dict[Value, tuple[Symbol, ...]] = {}
        self._indices: dict[Value, Symbol] = {}
        self._interned: dict[Hashable, Symbol] = {}

    def extents(self, x: Value) -> tuple[Symbol, ...]:
        """The extents of a tensor."""
        self._resolve(x)
        return self._tensors[x]

    def index(self, x: Value) -> Symbol:
        """The symbol of an `index` value."""
        self._resolve(x)
        return self._indices[x]

    def same(self, x: Value, y: Value) -> bool:
        """Whether two tensors are known to have one shape."""
        return [e.key for e in self.extents(x)] == [e.key for e in self.extents(y)]

    # A worklist in place of recursion: chains are as long as programs.
    def _resolve(self, wanted: Value) -> None:
        stack = [wanted]
        while stack:
            value = stack[-1]
            if self._known(value):
                stack.pop()
                continue
            op = value.owner
            missing = [] if op is None else [v for v in op.operands if self._needed(v) and not self._known(v)]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            if op is None:
                self._enter_argument(cast(BlockArgument, value))
            else:
                self._enter_results(op)

    def _known(self, value: Value) -> bool:
        return value in self._tensors or value in self._indices

    @staticmethod
    def _needed(value: Value) -> bool:
        return isinstance(value.type, TensorType | IndexType)

    def _enter_argument(self, arg: BlockArgument) -> None:
        if not isinstance(arg.type, TensorType):
            self._indices[arg] = self._intern(("value", arg), arg)
            return
        names = _declared_names(arg)
        symbols = []
        for axis, extent in enumerate(arg.type.shape):
            name = names[axis] if axis < len(names) else None
            key: Hashable = (
                ("name", arg.block, name.value) if isinstance(name, StringAttr) else ("dim", arg, axis)
            )
            if isinstance(name, IntegerAttr) and extent is None:
                extent = name.value
            symbols.append(_number(extent) if extent is not None else self._intern(key, None, (arg, axis)))
        self._tensors[arg] = tuple(symbols)

    def _enter_results(self, op: Operation) -> None:
        shapes = self._extents_of_op(op)
        for result in op.results:
            if isinstance(result.type, TensorType):
                found = shapes[result.index] if shapes is not None else [None] * result.type.rank
                self._tensors[result] = self._with_static(result, found)
            else:
                self._indices[result] = self._index_result(op, result)

    def _with_static(self, result: OpResult, found: Sequence[Symbol | int | None]) -> tuple[Symbol, ...]:
        symbols = []
        for axis, (static, symbol) in enumerate(zip(cast(TensorType, result.type).shape, found, strict=True)):
            if static is not None:
                symbols.append(_number(static))
            elif isinstance(symbol, int):
                symbols.append(_number(symbol))
            else:
                symbols.append(symbol or self._intern(("dim", result, axis), None, (result, axis)))
        return tuple(symbols)

    def _extents_of_op(self, op: Operation) -> Sequence[Sequence[Symbol | int]] | None:
        definition = op.definition
        if definition is None or not issubclass(definition, OpDef):
            return None
        if not any(isinstance(r.type, TensorType) for r in op.results):
            return None
        operands = [self._indices[v] if v in self._indices else Symbol(v.type, None, v) for v in op.operands]
        return definition.extents(self, operands, op.attrs)

    def _index_result(self, op: Operation, result: OpResult) -> Symbol:
        if op.definition is Dim:
            return self._tensors[op.operands[0]][cast(AxisAttrs, op.attrs).axis]
        if op.definition is arith.Constant:
            value = cast(arith.ConstantAttrs, op.attrs).value
            return (
                _number(value.value)
                if isinstance(value, IntegerAttr)
                else self._intern(("value", result), result)
            )
        ordinary = op.has_trait(Trait.PURE) or op.definition is BroadcastExtents
        if not ordinary or not all(v in self._indices for v in op.operands):
            return self._intern(("value", result), result)
        key = (op.name, op.attrs, *[self._indices[v].key for v in op.operands])
        return self._intern(key, result)

    def _intern(
        self,
        key: Hashable,
        value: Value | None,
        root: tuple[Value, int] | None = None,
        kind: Type = index_type,
    ) -> Symbol:
        """The symbol of a key. Its own key is a number, so that keys of deep expressions stay small."""
        known = self._interned.get(key)
        if known is None:
            known = self._interned[key] = Symbol(kind, ("symbol", len(self._interned)), value, root)
        if value is not None and known.value is not value:
            return Symbol(kind, known.key, value, known.root)
        return known

    def create(
        self, definition: type[OpDefinition], operands: Sequence[Symbol], attrs: Attrs = NO_ATTRS
    ) -> Sequence[Symbol]:
        """The `Creator` the op classes' `extents` rules are run with."""
        if definition is Dim:
            assert operands[0].value is not None
            return (self._tensors[operands[0].value][cast(AxisAttrs, attrs).axis],)
        if definition is arith.Constant:
            value = cast(arith.ConstantAttrs, attrs).value
            if isinstance(value, IntegerAttr):
                return (_number(value.value),)
        types = definition.infer([o.type for o in operands], attrs)
        assert types is not None
        return (self._intern((definition.name, attrs, *[o.key for o in operands]), None, None, types[0]),)

    def materialise(self, symbol: Symbol, rewriter: Rewriter) -> Value | None:
        """The symbol as an `index` value at the rewriter's place, or None when it takes more than one op."""
        if symbol.number is not None:
            return constant_index(rewriter, symbol.number)
        if symbol.value is not None and _alive(symbol.value):
            return symbol.value
        if symbol.root is not None and _alive(symbol.root[0]):
            return rewriter.create(Dim, [symbol.root[0]], AxisAttrs(symbol.root[1]))[0]
        return None


def _declared_names(arg: BlockArgument) -> Sequence[object]:
    function = arg.block.region.parent if arg.block.region is not None else None
    if function is None or not function.isa(builtin.Func):
        return ()
    declared = builtin.arg_attributes(function, arg.index).get("tensorc.dims")
    return declared.elements if isinstance(declared, ArrayAttr) else ()


def _alive(value: Value) -> bool:
    return value.owner is None or value.owner.block is not None


def constant_index(rewriter: Rewriter, number: int) -> Value:
    """An `index` constant."""
    return rewriter.create(arith.Constant, [], arith.ConstantAttrs(IntegerAttr(number, index_type)))[0]


_SHAPES: WeakKeyDictionary[Rewriter, Shapes] = WeakKeyDictionary()


def shapes_of(rewriter: Rewriter) -> Shapes:
    """The analysis that goes with a driver run."""
    found = _SHAPES.get(rewriter)
    if found is None:
        found = _SHAPES[rewriter] = Shapes()
    return found
