"""From expressions to a function and back.

`trace` copies the reachable graph into a fresh `func.func`, iteratively: passes only ever see functions.
`inline` goes the other way: it rebuilds the body of a
function as expressions, which is how the results of transforms (gradients) return to the user.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

from tensorc.api.expr import Expr, Node, make
from tensorc.api.leaves import Constant, Shared
from tensorc.ir.attributes import Attribute, DenseAttr, DenseResourceAttr, StringAttr
from tensorc.ir.builder import Builder
from tensorc.ir.builtin import Return, new_function, set_signature
from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import Attrs, OpDefinition
from tensorc.ir.location import UNKNOWN
from tensorc.ops import index as ix
from tensorc.ops.attrs import ConstantAttrs
from tensorc.ops.creation import Constant as ConstantOp
from tensorc.passes import sites

Extent = Any
"""An int, or an expression of type `index`."""
INLINE_CONSTANT_LIMIT = 16
"""Constants of more elements become function arguments, so that their values are neither in code nor in cache
keys.
"""


@dataclass(frozen=True)
class Traced:
    """A `func.func` and what its arguments stand for, in order: inputs, then shared variables, then large
    constants.
    """

    func: Operation
    inputs: tuple[Expr, ...]
    shared: tuple[Shared, ...]
    constants: tuple[Constant, ...]
    unused: tuple[Expr, ...] = ()


def postorder(outputs: Sequence[Expr], stop: Container[Expr] = ()) -> list[Node | Expr]:
    """Nodes and leaves reachable from `outputs`, operands first, each once; does not look behind what is in
    `stop`.
    """
    order: list[Node | Expr] = []
    seen: set[int] = set()
    stack: list[tuple[Expr, bool]] = [(e, False) for e in reversed(outputs)]
    while stack:
        expr, ready = stack.pop()
        key = id(expr) if expr.node is None or expr in stop else id(expr.node)
        if ready:
            order.append(expr if expr.node is None or expr in stop else expr.node)
            continue
        if key in seen:
            continue
        seen.add(key)
        stack.append((expr, True))
        if expr.node is not None and expr not in stop:
            stack.extend((operand, False) for operand in reversed(expr.node.operands))
    return order


def trace(
    outputs: Sequence[Expr],
    inputs: Sequence[Expr],
    written: Sequence[Shared] = (),
    *,
    name: str = "main",
    free_symbols: bool = False,
    equal: Sequence[tuple[Extent, Extent]] = (),
) -> Traced:
    """The function `inputs -> outputs`.

    `written` shared variables are arguments even if nothing reads them. An input may be any expression: the
    graph is cut there. Shared variables and large constants become further arguments. A symbol that is
    reachable and no input is returned as an extra input when `free_symbols`, otherwise it must not occur (the
    caller checks with `missing_inputs`). The function checks that the extents paired in `equal` are.
    """
    cut = dict.fromkeys(inputs)
    checked = [e for pair in equal for e in pair if isinstance(e, Expr)]
    order = postorder([*outputs, *checked], cut)
    leaves = [item for item in order if isinstance(item, Expr)]
    free = (
        [e for e in leaves if e not in cut and not isinstance(e, Constant | Shared)] if free_symbols else []
    )
    read = [e for e in leaves if isinstance(e, Shared) and e not in cut]
    shared = tuple(dict.fromkeys([*read, *written]))
    constants = tuple(
        e for e in leaves if isinstance(e, Constant) and e.value.size > INLINE_CONSTANT_LIMIT and e not in cut
    )
    arguments = (*inputs, *free, *shared, *constants)
    reached = set(leaves)
    builder = _Copier(name, arguments, len(inputs) + len(free))
    for item in order:
        builder.copy(item)
    for a, b in equal:
        builder.require_equal(a, b)
    func = builder.finish(outputs)
    unused = tuple(e for e in inputs if e not in reached)
    return Traced(func, (*inputs, *free), shared, constants, unused)


class _Copier:
    """Copies nodes into the body of a new function, in the order given."""

    def __init__(self, name: str, arguments: Sequence[Expr], input_count: int) -> None:
        self.types = [e.type for e in arguments]
        self.attributes = [_argument_attributes(e, i, i < input_count) for i, e in enumerate(arguments)]
        places = [e.location or UNKNOWN for e in arguments]
        self.func = new_function(name, self.types, [], self.attributes, argument_locations=places)
        self.block = self.func.regions[0].block
        self.builder = Builder.at_end(self.block)
        self.arguments: dict[Expr, Value] = dict(zip(arguments, self.block.args, strict=True))
        self.results: dict[Node, Sequence[Value]] = {}

    def value(self, expr: Expr) -> Value:
        if expr in self.arguments:
            return self.arguments[expr]
        assert expr.node is not None
        return self.results[expr.node][expr.index]

    def copy(self, item: Node | Expr) -> None:
        if isinstance(item, Expr):
            if isinstance(item, Constant) and item not in self.arguments:
                self.arguments[item] = self._constant(item)
            return
        self.builder.location = item.location
        operands = [self.value(e) for e in item.operands]
        self.results[item] = self.builder.create(item.definition, operands, item.attrs)

    def require_equal(self, a: Extent, b: Extent) -> None:
        """A check that two extents agree, worded as one of `givens`."""
        x, y = (e if isinstance(e, int) else self.value(e) for e in (a, b))
        if (equal := ix.compare(self.builder, "eq", x, y)) is True:
            return
        operands = [ix.truth(self.builder, equal), ix.value(self.builder, x), ix.value(self.builder, y)]
        op = self.builder.create_op(ix.Require, operands, ix.RequireAttrs("replaced"))
        for key, value in {**sites.describe("replaced", op), "tensorc.op": StringAttr("givens")}.items():
            op.set_attribute(key, value)

    def _constant(self, leaf: Constant) -> Value:
        self.builder.location = leaf.location or UNKNOWN
        attrs: Attrs = ConstantAttrs(DenseAttr(leaf.tensor_type, leaf.value))
        return self.builder.create(ConstantOp, (), attrs)[0]

    def finish(self, outputs: Sequence[Expr]) -> Operation:
        values = [self.value(e) for e in outputs]
        self.builder.location = UNKNOWN
        self.builder.create_op(Return, values)
        set_signature(self.func, self.types, [v.type for v in values], self.attributes)
        return self.func


def _argument_attributes(expr: Expr, position: int, is_input: bool) -> dict[str, Attribute]:
    kind = "input" if is_input else "cell" if isinstance(expr, Shared) else "constant"
    entries: dict[str, Attribute] = {
        "tensorc.kind": StringAttr(kind),
        "tensorc.name": StringAttr(expr.name or f"arg{position}"),
    }
    if kind == "constant" and isinstance(expr, Constant):
        entries["tensorc.value"] = DenseResourceAttr(f"c{position}", expr.tensor_type, expr.value)
    return entries


def inline(
    func: Operation, arguments: Sequence[Expr], further: Sequence[Value] = (), known: Sequence[Expr] = ()
) -> list[Expr]:
    """The results of `func` applied to `arguments`, and `further` values of its body, as expressions that
    carry the locations of the function's ops. What is also computed in the graph of `known` is not built
    again but that very expression.
    """
    block = func.regions[0].block
    there = _applications(known, frozenset(arguments))
    values: dict[Value, Expr] = dict(zip(block.args, arguments, strict=True))
    for op in block:
        if op.isa(Return):
            return [values[v] for v in (*op.operands, *further)]
        assert op.definition is not None
        operands = tuple([values[v] for v in op.operands])
        results = there.get((op.definition, op.attrs, operands), ())
        if len(results) != len(op.results):
            results = make(op.definition, operands, op.attrs, op.location)
        values.update(zip(op.results, results, strict=True))
    raise AssertionError("a function ends in func.return")


Application = tuple[type[OpDefinition], Attrs, tuple[Expr, ...]]


def _applications(outputs: Sequence[Expr], stop: Container[Expr]) -> dict[Application, tuple[Expr, ...]]:
    """The nodes of a graph by what they are: their results, as far as something in the graph uses them."""
    results: dict[Node, dict[int, Expr]] = {}
    order = postorder(outputs, stop)
    for expr in [*outputs, *[e for item in order if isinstance(item, Node) for e in item.operands]]:
        if expr.node is not None:
            results.setdefault(expr.node, {}).setdefault(expr.index, expr)
    found: dict[Application, tuple[Expr, ...]] = {}
    for item in order:
        if isinstance(item, Node) and len(results[item]) == len(item.types):
            used = tuple(results[item][index] for index in range(len(item.types)))
            found.setdefault((item.definition, item.attrs, item.operands), used)
    return found
