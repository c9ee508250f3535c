"""Long chains and deep nesting work everywhere: nothing recurses, nothing is quadratic."""

from __future__ import annotations

import pytest

from effort import effort
from ir.support import VECTOR, Around, Neg, Yield, chain, finish, function
from ir.test_rewriter import double_negation
from tensorc.ir.builder import Builder
from tensorc.ir.builtin import body, functions
from tensorc.ir.clone import clone_op
from tensorc.ir.core import Block, Operation, Region
from tensorc.ir.equality import equal
from tensorc.ir.location import UNKNOWN, NamedLocation
from tensorc.ir.parser import parse_module
from tensorc.ir.printer import location_text, print_op
from tensorc.ir.rewriter import rewrite
from tensorc.ir.verifier import check, verify

LONG = 10_000


@pytest.fixture(scope="module")
def long_chain() -> Operation:
    return chain(LONG)


def deep(levels: int) -> Operation:
    b, (x,) = function()
    at = b
    for _ in range(levels):
        inner = Block()
        at.create_op(Around, [], regions=[Region([inner])], results=[])
        at.create_op(Yield, []) if at is not b else None
        assert at.block.first is not None
        at = Builder.at_end(inner)
    at.create_op(Neg, [x])
    at.create_op(Yield, [])
    return finish(b, x)


def test_a_long_chain_goes_through_everything(long_chain: Operation) -> None:
    check(long_chain)
    text = print_op(long_chain, locations=True)
    again = parse_module(text)
    assert equal(long_chain, again)
    copy = clone_op(again)
    assert equal(copy, again)
    assert rewrite(copy, [double_negation]).rewrites == {"double_negation": LONG // 2}
    assert [op.name for op in body(next(functions(copy)))] == ["func.return"]


def test_deep_nesting_goes_through_everything() -> None:
    module = deep(3000)
    check(module)
    again = parse_module(print_op(module))
    assert equal(module, again)
    copy = clone_op(again)
    rewrite(copy, [double_negation])
    assert not verify(copy)


def test_deep_locations_print() -> None:
    location: NamedLocation = NamedLocation("vjp", UNKNOWN)
    for _ in range(LONG):
        location = NamedLocation("vjp", location)
    assert location_text(location).count("vjp") == LONG + 1


def test_many_users_of_one_value() -> None:
    b, (x,) = function()
    (shared,) = b.create(Neg, b.create(Neg, [x]))
    for _ in range(LONG):
        b.create(Neg, [shared])
    module = finish(b, shared)
    rewrite(module, [double_negation])
    assert [op.name for op in b.block] == ["func.return"]


@pytest.mark.parametrize("what", ["parse", "verify", "rewrite"])
def test_work_grows_with_length_only(what: str) -> None:
    """Ten times the ops take about ten times the work, not a hundred times."""

    def work(length: int) -> int:
        module = chain(length)
        text = print_op(module)
        action = {
            "parse": lambda: parse_module(text),
            "verify": lambda: verify(module),
            "rewrite": lambda: rewrite(module, [double_negation]),
        }[what]
        return effort(action)

    assert work(10_000) < 13 * work(1000)


def test_block_argument_types(long_chain: Operation) -> None:
    assert [a.type for a in body(next(functions(long_chain))).args] == [VECTOR]
