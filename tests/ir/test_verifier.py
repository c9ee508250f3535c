"""Every row of the verifier's checklist: wrong IR gives its code at the right op, and all errors are
collected.
"""

from __future__ import annotations

import pytest

from ir.support import VECTOR, Add, Around, Cell, Neg, Pick, Yield, chain, finish, function
from ir.test_text import nested_module
from tensorc.ir.attributes import UNIT, FloatAttr, IntegerAttr, StringAttr
from tensorc.ir.builder import Builder
from tensorc.ir.builtin import (
    Call,
    CallAttrs,
    Return,
    body,
    lookup,
    new_declaration,
    new_function,
    new_module,
)
from tensorc.ir.core import Block, Operation, Region
from tensorc.ir.definition import OpDefinition
from tensorc.ir.errors import TensorcValueError
from tensorc.ir.parser import parse_module
from tensorc.ir.types import MemRefType, TensorType, Type, f32, f64
from tensorc.ir.verifier import check, verify


def codes(op: Operation) -> list[str]:
    return [d.code for d in verify(op)]


def op(
    definition: type[OpDefinition] | str,
    operands: list,
    results: list[Type],
    attributes: dict | None = None,  # type: ignore[type-arg]
) -> Operation:
    """An operation made without inference, so that it may be wrong."""
    named = definition if isinstance(definition, str) else definition.name
    return Operation(
        named, None if isinstance(definition, str) else definition, operands, results, attributes or {}
    )


def test_good_ir_has_no_errors() -> None:
    assert verify(nested_module()) == []
    check(chain(5))


def test_unregistered_ops_are_errors_unless_allowed() -> None:
    b, (x,) = function()
    b.block.append(op("t.nobody", [x], []))
    module = finish(b, x)
    assert codes(module) == ["TC0120"]
    assert verify(module, allow_unregistered=True) == []


def test_attributes() -> None:
    b, (x,) = function()
    for attributes in (
        {"axis": IntegerAttr(1), "other": UNIT},
        {},
        {"axis": FloatAttr(1.0)},
        {"axis": IntegerAttr(1), "axes": StringAttr("1")},
        {"axis": IntegerAttr(9)},
        {"axis": IntegerAttr(1), "any.thing": UNIT},
    ):
        b.block.append(op(Pick, [x], [VECTOR], attributes))  # type: ignore[arg-type]
    found = verify(finish(b, x))
    assert [d.code for d in found] == ["TC0121", "TC0122", "TC0122", "TC0122", "TC0126"]
    assert "unknown attribute `other`" in found[0].message
    assert "`axis` is missing" in found[1].message
    assert "axis is out of range" in found[4].message


def test_use_before_definition() -> None:
    b, (x,) = function()
    late = op(Neg, [x], [VECTOR])
    early = op(Neg, [late.result], [VECTOR])
    b.block.append(early)
    b.block.append(late)
    (found,) = verify(finish(b, x))
    assert (found.code, found.op) == ("TC0123", early)
    assert "used before it is defined" in found.message


def test_an_op_does_not_see_its_own_results_inside() -> None:
    b, (x,) = function()
    inner = Block()
    around = b.create_op(Around, [], results=[VECTOR], regions=[Region([inner])])
    Builder.at_end(inner).create_op(Yield, [around.result])
    assert codes(finish(b, x)) == ["TC0123"]


def test_values_of_another_region_and_isolation() -> None:
    b, (x,) = function()
    first, second, isolated = Block(), Block(), Block()
    b.create_op(Around, [], regions=[Region([first]), Region([second])], results=[])
    (hidden,) = Builder.at_end(first).create(Neg, [x])
    for block, value in ((first, x), (second, hidden), (isolated, x)):
        Builder.at_end(block).create_op(Yield, [value])
    b.create_op(Cell, [], regions=[Region([isolated])], results=[])
    found = verify(finish(b, x))
    assert [d.code for d in found] == ["TC0123", "TC0123"]
    assert "region that this op cannot see" in found[0].message
    assert "outside t.cell, which is isolated" in found[1].message


def test_a_value_of_an_erased_op_is_named_as_such() -> None:
    b, (x,) = function()
    gone = op(Neg, [x], [VECTOR])
    b.block.append(op(Neg, [gone.result], [VECTOR]))
    (found,) = verify(finish(b, x))
    assert "is not part of this program" in found.message


def test_terminators() -> None:
    b, (x,) = function()
    b.create_op(Return, [x])
    b.create_op(Around, [], regions=[Region([Block()])], results=[])
    unended = Block()
    Builder.at_end(unended).create_op(Neg, [x])
    b.create_op(Around, [], regions=[Region([unended])], results=[])
    assert codes(finish(b, x)) == ["TC0124", "TC0124", "TC0124"]


def test_inference_is_the_judge_of_result_types() -> None:
    b, (x,) = function()
    b.block.append(op(Neg, [x], [TensorType((3,), f64)]))
    b.block.append(op(Neg, [], [VECTOR]))
    b.block.append(op(Add, [x, x], []))
    found = verify(finish(b, x))
    assert [d.code for d in found] == ["TC0125"] * 3
    assert "results are (tensor<3xf64>), inference says (tensor<?xf64>)" in found[0].message
    assert "does not accept operands ()" in found[1].message


def test_inferences_own_error_keeps_its_code() -> None:
    b, (x, y) = function([VECTOR, TensorType((None,), f32)])
    b.block.append(op(Add, [x, y], [VECTOR]))
    (found,) = verify(finish(b, x))
    assert (found.code, found.help) == ("TC0201", "cast one of them")
    assert found.message == "t.add: operand types differ, tensor<?xf64> and tensor<?xf32>"


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (MemRefType((None,), f64), []),
        (MemRefType((3,), f64), []),
        (MemRefType((None,), f32), ["TC0125"]),
        (MemRefType((None, None), f64), ["TC0125"]),
    ],
)
def test_destination_passing(output: MemRefType, expected: list[str]) -> None:
    buffer = MemRefType((None,), f64)
    b, (x, out) = function([buffer, output], [])
    b.block.append(op(Neg, [x, out], []))
    b.block.append(op(Add, [x, x, out], []))
    assert codes(finish(b)) == expected * 2


def test_destination_passing_reports_the_constraint() -> None:
    b, (x, y) = function([MemRefType((None,), f64), MemRefType((None,), f32)], [])
    b.block.append(op(Add, [x, y, x], []))
    (found,) = verify(finish(b))
    assert found.code == "TC0201"


def test_functions_and_returns() -> None:
    module = parse_module(
        '"func.func"() ({^bb0(%x: f64): "func.return"() : () -> ()}) '
        '{sym_name = "f", function_type = (f32) -> f32, arg_attrs = [{}, {}]} : () -> ()'
        '"func.func"() ({}) {sym_name = "g", function_type = () -> ()} : () -> ()'
        '"func.func"() ({"t.yield"() : () -> ()}) {sym_name = "h", function_type = () -> ()} : () -> ()'
    )
    messages = [d.message for d in verify(module)]
    assert [d.code for d in verify(module)] == ["TC0126"] * 5
    assert "arg_attrs has 2 entries for 1 values" in messages[0]
    assert "the entry block takes (f64), function_type says (f32)" in messages[1]
    assert "returns (), the function declares (f32)" in messages[2]
    assert "needs sym_visibility" in messages[3]
    assert "ends in func.return, found t.yield" in messages[4]


def test_symbols_and_calls() -> None:
    module = new_module()
    block = module.regions[0].block
    for name in ("f", "g", "g"):
        made = new_function(name, [VECTOR], [VECTOR])
        Builder.at_end(body(made)).create_op(Return, body(made).args)
        block.append(made)
    block.append(new_declaration("ext", [VECTOR], []))
    f = lookup(module, "f")
    assert f is not None
    b = Builder.before(body(f).terminator)
    x = body(f).args[0]
    from tensorc.ir.attributes import SymbolRefAttr

    for callee, results in (("g", [VECTOR]), ("ext", []), ("ext", [VECTOR]), ("nobody", [])):
        b.create_op(Call, [x], CallAttrs(SymbolRefAttr(callee)), results=results)
    b.create_op(Call, [], CallAttrs(SymbolRefAttr("ext")), results=[])
    found = verify(module)
    assert [d.code for d in found] == ["TC0128", "TC0129", "TC0129", "TC0129"]
    assert "@ext returns (), stated (tensor<?xf64>)" in found[1].message
    assert "there is no function @nobody" in found[2].message
    assert "@ext takes (tensor<?xf64>), given ()" in found[3].message


def test_more_blocks_than_one() -> None:
    module = parse_module(
        '"func.func"() ({"func.return"() : () -> () ^b: "func.return"() : () -> ()}) '
        '{sym_name = "f", function_type = () -> ()} : () -> ()'
    )
    assert codes(module) == ["TC0130"]


def test_broken_use_lists_are_found() -> None:
    b, (x,) = function()
    made = b.create_op(Neg, [x])
    x._uses.clear()
    module = finish(b, made.result)
    assert codes(module) == ["TC0131"]


def test_check_shows_each_error_under_its_line() -> None:
    b, (x, y) = function([VECTOR, TensorType((None,), f32)])
    b.block.append(op(Add, [x, y], [VECTOR]))
    b.block.append(op("t.nobody", [x], []))
    with pytest.raises(TensorcValueError) as caught:
        check(finish(b, x))
    text = str(caught.value).splitlines()
    assert text[0] == (
        "error[TC0201]: t.add: operand types differ, tensor<?xf64> and tensor<?xf32> (and 1 more)"
    )
    at = next(i for i, line in enumerate(text) if '"t.add"' in line)
    assert text[at + 1].strip().startswith("// ^ error[TC0201]: t.add: operand types differ")
    at = next(i for i, line in enumerate(text) if '"t.nobody"' in line)
    assert text[at + 1].strip() == "// ^ error[TC0120]: t.nobody: is not a registered op"


def test_the_listing_parses() -> None:
    """Errors are comments, so that the listing of wrong IR can be edited and fed back."""
    b, (x,) = function()
    b.block.append(op("t.nobody", [x], []))
    module = finish(b, x)
    with pytest.raises(TensorcValueError) as caught:
        check(module)
    listing = str(caught.value).split("the IR with its errors:\n")[1].split("\n  -->")[0]
    assert codes(parse_module(listing)) == ["TC0120"]


def test_long_listings_show_the_surroundings_of_errors() -> None:
    module = chain(2000)
    block = body(lookup(module, "f"))  # type: ignore[arg-type]
    middle = list(block)[1000]
    block.insert_before(op("t.nobody", [], []), middle)
    with pytest.raises(TensorcValueError) as caught:
        check(module)
    lines = str(caught.value).splitlines()
    assert len(lines) < 30
    assert any('"t.nobody"() : () -> ()' in line for line in lines)
    assert sum("// ... " in line for line in lines) == 2
