"""Values, use lists, operations, blocks, and the builder."""

from __future__ import annotations

import random

import pytest

from ir.support import VECTOR, Add, Around, Neg, Pick, Yield, chain, finish, function
from ir.test_text import nested_module
from tensorc.ir.attributes import IntegerAttr, StringAttr
from tensorc.ir.builder import Builder
from tensorc.ir.builtin import (
    Return,
    arg_attributes,
    body,
    function_type,
    functions,
    lookup,
    new_declaration,
    new_function,
    set_signature,
    symbol_name,
)
from tensorc.ir.core import Block, Operation, Region, Value
from tensorc.ir.errors import TensorcTypeError
from tensorc.ir.location import FileLocation
from tensorc.ir.types import TensorType, f32, f64
from tensorc.ir.verifier import check, verify


def test_use_lists_follow_every_change() -> None:
    b, (x, y) = function([VECTOR, VECTOR])
    add = b.create_op(Add, [x, x])
    neg = b.create_op(Neg, [add.result])
    assert list(x.uses) == [(add, 0), (add, 1)]
    assert x.users == [add]
    assert not x.has_one_use
    add.set_operand(1, y)
    assert (x.has_one_use, y.has_one_use) == (True, True)
    add.result.replace_all_uses_with(x)
    assert not add.result.has_uses
    assert neg.operands[0] is x
    x.replace_all_uses_with(x)
    assert x.users == [add, neg]
    add.set_operands([y])
    assert x.users == [neg]
    neg.drop_operands()
    assert not x.has_uses
    assert [d.code for d in verify(finish(b, y))] == ["TC0125", "TC0125"]  # one operand, and none


def test_random_changes_keep_use_lists_and_links_whole() -> None:
    draw = random.Random(3)
    module = chain(30)
    block = body(next(functions(module)))
    for _ in range(300):
        ops = list(block)[:-1]
        op = draw.choice(ops)
        before = [*block.args, *(o.result for o in ops[: ops.index(op)])]
        step = draw.randrange(4)
        if step == 0:
            op.set_operand(0, draw.choice(before))
        elif step == 1 and len(ops) > 3:
            op.result.replace_all_uses_with(draw.choice(before))
            op.erase()
        elif step == 2:
            block.insert_before(Operation(Neg.name, Neg, [draw.choice(before)], [VECTOR], {}), op)
        else:
            op.result.replace_all_uses_with(draw.choice([*before, op.result]))
        assert list(block) == list(reversed(list(reversed(block))))
    assert verify(module) == []


def test_defining_and_owner() -> None:
    b, (x,) = function()
    neg = b.create_op(Neg, [x])
    assert neg.result.defining(Neg) is neg
    assert neg.result.defining(Add) is None
    assert x.defining(Neg) is None
    assert (x.owner, neg.result.owner) == (None, neg)


def test_walk_is_outer_first_in_order() -> None:
    names = [op.name for op in nested_module().walk()]
    assert names == [
        "builtin.module", "func.func", "t.around", "t.neg", "t.yield", "t.yield", "t.cell", "t.neg",
        "t.yield", "t.add", "func.return",
    ]  # fmt: skip


def test_iteration_survives_erasing_the_current_op() -> None:
    b, (x,) = function()
    for _ in range(5):
        b.create(Neg, [x])
    for op in b.block:
        op.erase()
    assert b.block.first is None
    assert b.block.last is None


def test_erasing_takes_everything_inside() -> None:
    b, (x,) = function()
    inner = Block()
    around = b.create_op(Around, [], regions=[Region([inner])], results=[])
    inside = Builder.at_end(inner)
    inside.create_op(Yield, inside.create(Neg, [x]))
    around.erase()
    assert not x.has_uses


def test_block_arguments_are_renumbered() -> None:
    b, (x, y, z) = function([VECTOR] * 3)
    b.create(Neg, [x])
    b.block.erase_argument(1)
    assert [a.index for a in b.block.args] == [0, 1]
    assert b.block.args == [x, z]
    with pytest.raises(ValueError, match="still used"):
        b.block.erase_argument(0)
    assert b.block.add_argument(VECTOR).index == 2
    assert not y.has_uses


def test_the_builder_places_ops_and_restores_where_it_was() -> None:
    b, (x,) = function()
    first = b.create_op(Neg, [x])
    before = Builder.before(first)
    zeroth = before.create_op(Neg, [x])
    other = Block([VECTOR])
    with b.at(other), b.located(FileLocation("m.py", 7, 1)):
        inside = b.create_op(Neg, list(other.args))
    last = b.create_op(Neg, [x])
    assert list(b.block) == [zeroth, first, last]
    assert list(other) == [inside]
    assert inside.location == FileLocation("m.py", 7, 1)
    assert last.location == first.location


def test_an_inference_error_carries_the_builders_location() -> None:
    b, (x, y) = function([VECTOR, TensorType((None,), f32)])
    place = FileLocation("m.py", 7, 1)
    with b.located(place), pytest.raises(TensorcTypeError, match="operand types differ") as caught:
        b.create(Add, [x, y])
    assert caught.value.location is place
    assert b.block.first is None
    assert not x.has_uses


def test_ops_that_cannot_infer_need_results() -> None:
    b, _ = function()
    with pytest.raises(ValueError, match="pass results="):
        b.create_op(Around, [])


def test_typed_attributes_are_decoded_again_after_a_change() -> None:
    b, (x,) = function()
    op = Operation(Pick.name, Pick, [x], [VECTOR], {"axis": IntegerAttr(1)})
    b.block.append(op)
    assert op.attrs.axis == 1  # type: ignore[attr-defined]
    op.set_attribute("axis", IntegerAttr(2))
    op.set_attribute("label", StringAttr("l"))
    assert (op.attrs.axis, op.attrs.label) == (2, "l")  # type: ignore[attr-defined]
    op.set_attribute("axis", None)
    with pytest.raises(ValueError, match="`axis` is missing"):
        _ = op.attrs
    with pytest.raises(TypeError, match="not a registered op"):
        _ = Operation("t.nobody", None, [], [], {}).attrs


def test_functions_and_their_signatures() -> None:
    f = new_function("f", [VECTOR, f64], [VECTOR], [{"tensorc.name": StringAttr("x")}, {}])
    assert symbol_name(f) == "f"
    assert function_type(f).inputs == (VECTOR, f64)
    assert arg_attributes(f, 0) == {"tensorc.name": StringAttr("x")}
    assert arg_attributes(f, 1) == {}
    set_signature(f, [f64], [], [{"tensorc.kind": StringAttr("input")}])
    body(f).erase_argument(0)
    Builder.at_end(body(f)).create_op(Return, [])
    check(f)
    assert arg_attributes(f, 0) == {"tensorc.kind": StringAttr("input")}
    set_signature(f, [f64], [])
    assert arg_attributes(f, 0) == {}
    with pytest.raises(ValueError, match="declaration"):
        body(new_declaration("g", [], []))


def test_lookup() -> None:
    module = chain(1)
    assert lookup(module, "f") is module.regions[0].block.first
    assert lookup(module, "g") is None


def test_values_compare_by_identity() -> None:
    assert Value(VECTOR) != Value(VECTOR)
