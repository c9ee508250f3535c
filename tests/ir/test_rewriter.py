"""The rewriter and the worklist driver."""

from __future__ import annotations

import pytest

from ir.support import VECTOR, Add, Around, Effect, Neg, Pick, Yield, chain, finish, function
from tensorc.ir.attributes import IntegerAttr
from tensorc.ir.builder import Builder
from tensorc.ir.builtin import body
from tensorc.ir.core import Block, Operation, Region
from tensorc.ir.definition import OpDefinition
from tensorc.ir.errors import InternalError
from tensorc.ir.location import FileLocation, FusedLocation, file_location
from tensorc.ir.printer import print_op
from tensorc.ir.rewriter import Pattern, Rewriter, pattern, rewrite
from tensorc.ir.types import TensorType, f64
from tensorc.ir.verifier import check


@pattern(Neg, law="-(-x) = x", example="-(-3.0)")
def double_negation(op: Operation, rewriter: Rewriter) -> None:
    inner = op.operands[0].defining(Neg)
    if inner is not None:
        rewriter.replace_with(op, [inner.operands[0]])


@pattern(Add, law="x + x = -(-(x + x))", kind="rounding", ulp=1)
def grow(op: Operation, rewriter: Rewriter) -> None:
    (x,) = rewriter.create(Neg, [op.operands[0]])
    rewriter.replace_op(op, Add, [x, x])


@pattern(Pick, law="counts down")
def count_down(op: Operation, rewriter: Rewriter) -> None:
    axis = op.attributes["axis"]
    assert isinstance(axis, IntegerAttr)
    if axis.value > 0:
        rewriter.set_attribute(op, "axis", IntegerAttr(axis.value - 1))


def ops(module: Operation) -> list[str]:
    return [op.name for op in body(module.regions[0].block.first)]  # type: ignore[arg-type]


def test_a_chain_collapses() -> None:
    module = chain(101)
    statistics = rewrite(module, [double_negation])
    assert ops(module) == ["t.neg", "func.return"]
    assert statistics.rewrites == {"double_negation": 50}
    assert statistics.erased == 100
    assert not statistics.exhausted
    check(module)


def test_dead_pure_ops_go_and_effects_stay() -> None:
    b, (x,) = function()
    (a,) = b.create(Neg, [x])
    b.create(Add, [a, a])
    b.create(Effect, [])
    module = finish(b, x)
    rewrite(module, [])
    assert ops(module) == ["t.effect", "func.return"]


def test_dead_ops_inside_regions_go() -> None:
    b, (x,) = function()
    inner = Block()
    b.create_op(Around, [x], regions=[Region([inner])], results=[])
    inside = Builder.at_end(inner)
    inside.create(Neg, inside.create(Neg, [x]))
    inside.create_op(Yield, [])
    module = finish(b, x)
    assert rewrite(module, []).erased == 2
    check(module)


def test_the_earlier_pattern_wins() -> None:
    tried: list[str] = []

    def named(name: str) -> Pattern:
        def rule(op: Operation, rewriter: Rewriter) -> None:
            tried.append(name)
            rewriter.replace_with(op, op.operands)

        return pattern(Neg, law=name)(rule)

    rewrite(chain(1), [named("first"), named("second")])
    assert tried == ["first"]


def test_a_pattern_on_a_family_matches_its_members() -> None:
    seen: list[str] = []

    @pattern(OpDefinition, law="none")
    def look(op: Operation, rewriter: Rewriter) -> None:
        seen.append(op.name)

    rewrite(chain(1), [look])
    assert seen == ["func.func", "t.neg", "func.return"]


def test_in_place_changes_are_seen_again() -> None:
    b, (x,) = function()
    pick = Operation(Pick.name, Pick, [x], [VECTOR], {"axis": IntegerAttr(3)})
    b.block.append(pick)
    module = finish(b, pick.result)
    assert rewrite(module, [count_down]).rewrites == {"count_down": 3}
    assert pick.attributes["axis"] == IntegerAttr(0)
    assert pick.attrs.axis == 0  # type: ignore[attr-defined]


def test_limit_stops_after_that_many() -> None:
    module = chain(20)
    statistics = rewrite(module, [double_negation], limit=3)
    assert statistics.total == 3
    assert statistics.limited
    check(module)
    unlimited = rewrite(chain(20), [double_negation], limit=10)
    assert unlimited.total == 10


def test_an_endless_rule_exhausts_the_budget_and_leaves_valid_ir() -> None:
    b, (x,) = function()
    module = finish(b, b.create(Add, [x, x])[0])
    statistics = rewrite(module, [grow], budget=50)
    assert statistics.exhausted
    assert 50 < statistics.total + statistics.created < 60
    check(module)


def test_a_pattern_that_looks_two_levels_deep_is_not_missed() -> None:
    """-(x + (inner)) depends on an op two below its root, which another rule makes."""

    @pattern(Neg, law="none")
    def two_below(op: Operation, rewriter: Rewriter) -> None:
        add = op.operands[0].defining(Add)
        if add is not None and add.operands[0].defining(Effect) is not None:
            rewriter.replace_with(op, [add.operands[0]])

    @pattern(Pick, law="none")
    def make_effect(op: Operation, rewriter: Rewriter) -> None:
        rewriter.replace_op(op, Effect, [])

    b, (x,) = function()
    pick = Operation(Pick.name, Pick, [x], [VECTOR], {"axis": IntegerAttr(3)})
    b.block.append(pick)
    (a,) = b.create(Add, [pick.result, x])
    module = finish(b, b.create(Neg, [a])[0])
    rewrite(module, [two_below, make_effect])
    assert ops(module) == ["t.effect", "func.return"]


def test_new_ops_carry_the_location_of_what_they_replace() -> None:
    one, two = FileLocation("m.py", 1, 1), FileLocation("m.py", 2, 1)

    @pattern(Neg, law="none")
    def to_add(op: Operation, rewriter: Rewriter) -> None:
        inner = op.operands[0].defining(Neg)
        if inner is not None:
            rewriter.covering(op, inner)
            rewriter.replace_op(op, Add, [inner.operands[0], inner.operands[0]])

    b, (x,) = function()
    b.location = one
    (a,) = b.create(Neg, [x])
    b.location = two
    module = finish(b, b.create(Neg, [a])[0])
    rewrite(module, [to_add])
    add = body(module.regions[0].block.first).first  # type: ignore[arg-type]
    assert add is not None
    assert add.location == FusedLocation((two, one))
    assert file_location(add.location) == two


def test_fused_locations_stay_small() -> None:
    b, (x,) = function()
    rewriter = Rewriter(b.block)
    for line in range(1000):
        b.location = rewriter.location
        first = b.create_op(Neg, [x])
        b.location = FileLocation("m.py", line, 1)
        rewriter.covering(first, b.create_op(Neg, [x]))
    assert isinstance(rewriter.location, FusedLocation)
    assert len(rewriter.location.parts) <= 8


def test_changing_a_type_is_refused() -> None:
    b, (x, y) = function([VECTOR, TensorType((3,), f64)])
    op = b.create_op(Neg, [x])
    with pytest.raises(InternalError, match="replaced by a value of type tensor<3xf64>"):
        Rewriter(b.block).replace_with(op, [y])


def test_erasing_a_used_op_is_refused() -> None:
    b, (x,) = function()
    op = b.create_op(Neg, [x])
    b.create_op(Neg, [op.result])
    with pytest.raises(ValueError, match=r"still used by t\.neg"):
        Rewriter(b.block).erase(op)


def test_a_rule_may_erase_around_itself() -> None:
    @pattern(Yield, law="none")
    def drop_parent(op: Operation, rewriter: Rewriter) -> None:
        if op.parent is not None and op.parent.isa(Around):
            rewriter.erase(op.parent)

    b, (x,) = function()
    inner = Block()
    Builder.at_end(inner).create_op(Yield, [])
    b.create_op(Around, [], regions=[Region([inner])], results=[])
    module = finish(b, x)
    rewrite(module, [drop_parent])
    assert ops(module) == ["func.return"]


def test_runs_are_deterministic() -> None:
    def run() -> tuple[str, object]:
        b, (x,) = function()
        for i in range(30):
            (x,) = b.create(Neg, [x]) if i % 3 else b.create(Add, [x, x])
        module = finish(b, x)
        statistics = rewrite(module, [double_negation, grow], budget=100)
        return print_op(module), statistics

    assert run() == run()


def test_pattern_declarations() -> None:
    assert double_negation.name == "double_negation"
    assert double_negation.file == __file__
    assert double_negation.line > 1
    with pytest.raises(ValueError, match="op classes"):
        pattern(law="x")
    with pytest.raises(ValueError, match="ulp"):
        pattern(Neg, law="x", kind="rounding")
    with pytest.raises(ValueError, match="ulp"):
        pattern(Neg, law="x", kind="exact", ulp=1)


def test_the_observer_sees_rules_before_they_run() -> None:
    seen: list[tuple[str, str]] = []
    rewrite(chain(2), [double_negation], observer=lambda rule, op: seen.append((rule.name, op.name)))
    assert seen[:2] == [("double_negation", "t.neg"), ("double_negation", "t.neg")]
