"""Copies are equal, independent, and rewired by the mapping."""

from __future__ import annotations

import pytest

from ir.support import VECTOR, Add, Neg, chain, finish, function
from ir.test_text import nested_module
from tensorc.ir.attributes import SymbolRefAttr
from tensorc.ir.builder import Builder
from tensorc.ir.builtin import Call, CallAttrs, Return, body, lookup, new_declaration, new_function
from tensorc.ir.clone import clone_into, clone_op, clone_region, inline_call
from tensorc.ir.core import Value
from tensorc.ir.equality import equal
from tensorc.ir.location import UNKNOWN, NamedLocation
from tensorc.ir.printer import print_op
from tensorc.ir.types import f32
from tensorc.ir.verifier import check


def test_a_copy_is_equal_and_independent() -> None:
    module = nested_module()
    before = print_op(module, locations=True)
    copy = clone_op(module)
    check(copy)
    assert equal(module, copy)
    assert print_op(copy, locations=True) == before
    originals = set(module.walk())
    assert all(op not in originals for op in copy.walk())
    for op in list(copy.walk()):
        op.drop_operands()
    assert print_op(module, locations=True) == before
    check(module)


def test_operands_are_mapped() -> None:
    b, (x, y) = function([VECTOR, VECTOR])
    op = b.create_op(Add, [x, y])
    mapping: dict[Value, Value] = {x: y}
    copy = clone_op(op, mapping)
    assert list(copy.operands) == [y, y]
    assert mapping[op.result] is copy.result


def test_a_region_is_copied_with_its_arguments() -> None:
    module = nested_module()
    function_op = module.regions[0].block.first
    assert function_op is not None
    copy = clone_region(function_op.regions[0])
    assert copy.parent is None
    assert [a.type for a in copy.block.args] == [VECTOR]
    assert copy.block.args[0].has_uses


def test_inlining_a_call() -> None:
    module = chain(3)
    f = lookup(module, "f")
    assert f is not None
    caller = new_function("g", [VECTOR], [VECTOR])
    module.regions[0].block.append(caller)
    b = Builder.at_end(body(caller))
    call = b.create_op(Call, body(caller).args, CallAttrs(SymbolRefAttr("f")), results=[VECTOR])
    b.create_op(Return, [call.result])
    inline_call(call, f)
    check(module)
    assert [op.name for op in body(caller)] == ["t.neg"] * 3 + ["func.return"]
    assert [op.name for op in body(f)] == ["t.neg"] * 3 + ["func.return"]


def test_returned_arguments_are_mapped() -> None:
    b, (_, y) = function([VECTOR, VECTOR])
    identity, (z,) = function()
    finish(identity, z)
    assert clone_into(identity.block, [y], b.block) == [y]


def test_copies_can_be_named() -> None:
    b, (x,) = function()
    source, (z,) = function()
    finish(source, source.create(Neg, [z])[0])
    (value,) = clone_into(source.block, [x], b.block, named="vjp")
    assert value.owner is not None
    assert value.owner.location == NamedLocation("vjp", UNKNOWN)


def test_wrong_arguments_are_refused() -> None:
    b, _ = function([f32])
    source, (z,) = function()
    finish(source, z)
    with pytest.raises(ValueError, match="types of the block's arguments"):
        clone_into(source.block, b.block.args, b.block)


def test_a_declaration_cannot_be_inlined() -> None:
    b, (x,) = function()
    call = b.create_op(Call, [x], CallAttrs(SymbolRefAttr("e")), results=[])
    with pytest.raises(ValueError, match="declaration"):
        inline_call(call, new_declaration("e", [VECTOR], []))
