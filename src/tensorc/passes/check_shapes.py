"""`check-shapes`: make every shape fact explicit, once, and number the places that can fail.

Before: ops whose operands must agree at run time, `broadcast_extents`. After: `tensorc.require` ops on
`index` values only (facts known to hold, or checked before, are left out), extents computed from the
arguments' extents wherever they do not depend on data, every site numbered. Code for the function then checks
all facts that depend on arguments' extents before it computes anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tensorc.ir.attributes import IntegerAttr
from tensorc.ir.builder import Builder
from tensorc.ir.builtin import functions
from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import NO_ATTRS
from tensorc.ops.base import Fact, OpDef
from tensorc.ops.index import Assume, BroadcastExtents, Dim, Require, RequireAttrs
from tensorc.ops.loops import arith
from tensorc.passes import sites
from tensorc.passes.extents import ExtentBuilder, Extents


@dataclass(frozen=True)
class CheckShapes:
    """Explicit, deduplicated, numbered run-time checks."""

    name: ClassVar[str] = "check-shapes"

    def run(self, module: Operation) -> None:
        for function in functions(module):
            if function.regions[0].blocks:
                check_function(function)


def check_function(function: Operation) -> None:
    """Add what is missing; a function that has all its checks stays as it is."""
    extents = Extents(function)
    _declared(function, extents)
    for op in list(extents.block):
        if op.isa(BroadcastExtents):
            _expand_broadcast(op, extents)
        elif op.isa(Require) or op.isa(Assume):
            _learn(op, extents)
        else:
            _facts(op, extents)
            extents.visit(op)
    _drop_unused(function)
    _number(function)


def _declared(function: Operation, extents: Extents) -> None:
    """Arguments that the signature gives equal extents."""
    for a, b, location in extents.declared:
        anchor = extents.block.first
        while anchor is not None and (anchor.isa(Dim) or anchor.isa(arith.Constant)):
            anchor = anchor.next
        at = Builder(extents.block, anchor, location)
        condition = at.create(arith.CmpI, [a, b], arith.PredicateAttrs(0))[0]
        _require(at, function, Fact("declared", condition, a, b), extents)


def _facts(op: Operation, extents: Extents) -> None:
    definition = op.definition
    if definition is None or not issubclass(definition, OpDef):
        return
    b = ExtentBuilder(extents, op)
    for fact in definition.facts(b, op.operands, op.attrs):
        implied = fact.implied_by is not None and extents.holds(fact.implied_by)
        if not implied and not extents.holds(fact.condition):
            _require(b, op, fact, extents)


def _require(b: Builder, op: Operation, fact: Fact[Value], extents: Extents) -> None:
    values = [fact.condition, extents.value(fact.a, b), extents.value(fact.b, b)]
    attrs = RequireAttrs(fact.kind, None if fact.axis < 0 else fact.axis)
    b.create_op(Require, values, attrs, discardable=sites.describe(fact.kind, op, fact.axis))
    extents.learn(fact.condition)


def _learn(op: Operation, extents: Extents) -> None:
    """A `require` or `assume` that is there already."""
    condition = op.operands[0]
    if extents.holds(condition):
        op.erase()
        return
    if op.isa(Require) and "tensorc.kind" not in op.attributes:
        attrs = op.attrs
        assert isinstance(attrs, RequireAttrs)
        for key, value in sites.describe(attrs.kind, op, -1 if attrs.axis is None else attrs.axis).items():
            op.set_attribute(key, value)
    extents.learn(condition)


def _expand_broadcast(op: Operation, extents: Extents) -> None:
    """`broadcast_extents(a, b)` → `select(b == 1, a, b)` and a check."""
    a, c = op.operands
    known = {extents.rep(a), extents.rep(c)}
    b = ExtentBuilder(extents, op)
    if len(known) == 1 or 1 in known:
        kept = a if extents.rep(c) == 1 or len(known) == 1 else c
        op.result.replace_all_uses_with(kept)
        op.erase()
        return
    one = extents.value(1, b)
    a_is_one, b_is_one, equal = (
        b.create(arith.CmpI, pair, arith.PredicateAttrs(0))[0] for pair in ([a, one], [c, one], [a, c])
    )
    fits = b.create(arith.OrI, [b.create(arith.OrI, [a_is_one, b_is_one])[0], equal])[0]
    chosen = extents.numbered(arith.Select, [b_is_one, a, c], NO_ATTRS, Builder.before(op))
    _require(b, op, Fact("broadcast", fits, a, c), extents)
    op.result.replace_all_uses_with(chosen)
    op.erase()


def _drop_unused(function: Operation) -> None:
    for op in reversed(list(function.regions[0].block)):
        scalar = op.definition is not None and op.definition.name.startswith("arith.")
        if (scalar or op.isa(Dim)) and not any(r.has_uses for r in op.results):
            op.erase()


def _number(function: Operation) -> None:
    """Sites in program order; those that have a number keep it.

    Numbers start at 1, or where the function says: so two bodies of one program number theirs apart.
    """
    block = function.regions[0].block
    first = function.attributes.get(sites.FIRST)
    start = first.value - 1 if isinstance(first, IntegerAttr) else 0
    number = max((sites.number_of(op) for op in block if sites.SITE in op.attributes), default=start)
    for op in block:
        if sites.SITE in op.attributes:
            continue
        definition = op.definition
        fault = definition.data_fault if definition is not None and issubclass(definition, OpDef) else None
        if not op.isa(Require) and fault is None:
            continue
        number += 1
        op.set_attribute(sites.SITE, IntegerAttr(number))
        if fault is not None:
            for key, value in sites.describe(fault, op, getattr(op.attrs, "axis", -1)).items():
                op.set_attribute(key, value)
