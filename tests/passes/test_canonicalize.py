"""Canonicalisation: what it leaves, that it ends, and that it takes time in proportion."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tensorc as tc
from effort import effort
from passes.rule_examples import build
from passes.test_rules import run
from tensorc.ir import builtin
from tensorc.ir.builder import Builder
from tensorc.ir.core import Operation, Value
from tensorc.ir.errors import InternalError
from tensorc.ir.printer import print_op
from tensorc.ir.rewriter import Rewriter, pattern
from tensorc.ir.types import TensorType, f64
from tensorc.ir.verifier import check
from tensorc.ops import emit
from tensorc.ops.arithmetic import Neg, Sub
from tensorc.passes import manager
from tensorc.passes.canonicalize import apply
from tensorc.passes.manager import Budget
from tensorc.passes.text import parse_pipeline


def names(module: Operation) -> list[str]:
    body = builtin.body(next(builtin.functions(module)))
    return [op.name.split(".")[1] for op in body]


def chain(length: int, step: Any) -> Operation:
    """A function that applies `step` so often to its argument."""
    module = builtin.new_module()
    type = TensorType((None,), f64)
    function = builtin.new_function("f", [type], [type])
    module.regions[0].block.append(function)
    block = builtin.body(function)
    b = Builder.at_end(block)
    value: Value = block.args[0]
    for number in range(length):
        value = step(b, value, number)
    b.create_op(builtin.Return, [value])
    return module


def grow(b: Builder, x: Value, number: int) -> Value:
    """Asks for the extents of every value on the way, and uses every constant anew."""
    return emit.plus(b, emit.sub(b, x, emit.full_like(b, x, 0.25)), 1.5)


def work(module: Operation, pipeline: str) -> int:
    return effort(lambda: manager.run(module, pipeline, manager.Options(reproducer=False)))


@pytest.mark.parametrize("pipeline", ["canonicalize", "stabilise", "cse", "dce"])
def test_ten_thousand_ops_take_ten_times_the_work_of_a_thousand(pipeline: str) -> None:
    long = chain(2500, grow)
    assert sum(1 for _ in long.walk()) > 10_000
    assert work(long, pipeline) < 13 * work(chain(250, grow), pipeline)


def test_a_long_chain_keeps_its_value() -> None:
    module = chain(2500, grow)
    manager.run(module, "canonicalize")
    check(module)
    assert names(module).count("dim") == 1
    assert np.array_equal(run(module, [np.zeros(3)]), np.full(3, 2500 * 1.25))


def test_a_second_run_changes_nothing() -> None:
    module = build("log(2.0 * x + 0.5) / 4.0 - (-y) * 3.0 + broadcast_to(s, n, 3)", f64)
    manager.run(module, "canonicalize")
    text = print_op(module)
    assert not manager.run(module, "canonicalize").rules
    assert print_op(module) == text


def test_rules_that_never_end_are_a_defect() -> None:
    @pattern(Sub, law="a - b = -(b - a)", example="x - y")
    def back_and_forth(op: Operation, rewriter: Rewriter) -> None:
        swapped = rewriter.create(Sub, [op.operands[1], op.operands[0]])[0]
        rewriter.replace_op(op, Neg, [swapped])

    with pytest.raises(InternalError, match="back_and_forth"):
        apply(build("x - y", f64), [back_and_forth], Budget())


def test_a_failing_constant_is_left_to_the_run() -> None:
    module = build("constant([1.0, 2.0]) + constant([1.0, 2.0])", f64)
    manager.run(module, "canonicalize")
    assert names(module) == ["constant", "return"]


def test_loops_are_canonicalised_too() -> None:
    """What `simplify` leaves; `vectorize` and what follows make constants where they need them."""
    module = build("exp(x) + 1.0", f64)
    passes = [one for one in parse_pipeline("O2") if one.name not in ("vectorize", "carry", "stream")]
    manager.run(module, passes, manager.Options(verify_each=True))
    again = print_op(module)
    manager.run(module, "canonicalize", manager.Options(verify_each=True))
    assert print_op(module) == again


@pytest.mark.parametrize(
    ("function", "x", "expected"),
    [
        (lambda x: abs(-x), np.array([3], np.uint8), [253]),
        (lambda x: -tc.max(-x), np.array([-128, 5], np.int8), 5),
        (lambda x: -tc.max(-x), np.array([0, 1], np.uint8), 1),
    ],
    ids=["abs", "signed", "unsigned"],
)
def test_integers_wrap_where_signs_would_cancel(function: Any, x: Any, expected: Any) -> None:
    a = tc.tensor("a", shape=(None,), dtype=str(x.dtype))
    assert np.array_equal(tc.function([a], function(a))(x), np.asarray(expected))
