"""`unroll` writes short loops out and changes nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from codegen_llvm.emitter_support import build
from tensorc.interp import loops
from tensorc.ir.attributes import UNIT
from tensorc.ir.clone import clone_op
from tensorc.ir.core import Operation, Value
from tensorc.ir.types import MemRefType, f64
from tensorc.ir.verifier import check
from tensorc.ops.loops import LoopBuilder
from tensorc.ops.loops.nests import LANES, PARALLEL, ROLLED
from tensorc.passes.unroll import Unroll

F64 = MemRefType((None,), f64)


def sum_of(lower: int, upper: int, step: int, mark: str | None = None) -> Any:
    def make(b: LoopBuilder, x: Value, out: Value) -> None:
        with b.for_(lower, upper, step, init=[b.constant(0.0, f64)]) as loop:
            if mark is not None:
                loop.op.set_attribute(mark, UNIT)
            loop.yield_(b.addf(loop.args[0], b.load(x, [loop.iv])))
        b.store(loop.results[0], out, [0])

    return make


def loops_left(module: Operation) -> int:
    return sum(op.name == "scf.for" for op in module.walk())


def same_result(before: Operation, after: Operation) -> None:
    check(after)
    x = np.arange(40.0) + 0.1
    found = []
    for module in (before, after):
        out = np.zeros(1)
        loops.LoopInterpreter(module).call("f", [x, out])
        found.append(out[0])
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("bounds", "left"), [((0, 3, 1), 0), ((2, 17, 2), 0), ((5, 5, 1), 0), ((7, 2, 1), 0), ((0, 9, 1), 1)]
)
def test_few_known_iterations(bounds: tuple[int, int, int], left: int) -> None:
    before = build([F64, F64], sum_of(*bounds))
    after = clone_op(before)
    Unroll().run(after)
    assert loops_left(after) == left
    same_result(before, after)


@pytest.mark.parametrize("mark", [LANES, PARALLEL, ROLLED])
def test_marked_loops_stay(mark: str) -> None:
    module = build([F64, F64], sum_of(0, 3, 1, mark))
    Unroll().run(module)
    assert loops_left(module) == 1


def test_inner_loops_first_and_not_too_much() -> None:
    def make(b: LoopBuilder, x: Value, out: Value) -> None:
        with b.for_(0, 6, init=[b.constant(0.0, f64)]) as outer:
            with b.for_(0, 5, init=[outer.args[0]]) as inner:
                at = b.add(b.mul(outer.iv, 5), inner.iv)
                inner.yield_(b.addf(b.mulf(inner.args[0], inner.args[0]), b.load(x, [at])))
            outer.yield_(inner.results[0])
        b.store(outer.results[0], out, [0])

    before = build([F64, F64], make)
    for ops, left in ((1000, 0), (60, 1), (4, 2)):
        after = clone_op(before)
        Unroll(ops=ops).run(after)
        assert loops_left(after) == left
        same_result(before, after)
