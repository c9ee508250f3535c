"""What shares a kernel, and that kernels compute what the ops did."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from passes import lowering_support as support
from tensorc.ir.builtin import functions
from tensorc.ir.core import Operation
from tensorc.ir.errors import TensorcError
from tensorc.ir.parser import parse_module
from tensorc.ir.types import TensorType, f64
from tensorc.ir.verifier import check
from tensorc.ops import composite, emit, index
from tensorc.ops.attrs import AxesAttrs
from tensorc.ops.kernel import Kernel, stages
from tensorc.passes.fuse import Fuse

MATRIX = TensorType((None, None), f64)
VECTOR = TensorType((None,), f64)


def kernels(module: Operation) -> list[Operation]:
    """The kernels of `@f` after fusing its fast body."""
    fused = support.lower(module, support.FAST[: support.FAST.index(Fuse()) + 1])
    return [op for op in next(functions(fused)).regions[0].block if op.isa(Kernel)]


def test_softmax_is_one_kernel() -> None:
    module = support.function([MATRIX], lambda b, x: b.create(composite.Softmax, [x], AxesAttrs((1,))))
    (kernel,) = kernels(module)
    assert [stage.attrs.rank for stage in stages(kernel)] == [2, 1, 2, 1, 2]


def test_layer_norm_and_its_statistics_are_one_kernel() -> None:
    def build(b: Any, x: Any) -> Any:
        n = emit.size(b, x, (1,), f64)
        mean = emit.div(b, emit.sum(b, x, (1,)), emit.broadcast_like(b, n, emit.sum(b, x, (1,))))
        d = emit.sub(b, x, emit.spread(b, mean, (1,), x))
        spread = emit.sum(b, emit.mul(b, d, d), (1,))
        return [mean, emit.div(b, d, emit.spread(b, emit.sqrt(b, spread), (1,), x))]

    module = support.function([MATRIX], build)
    over_rows = [k for k in kernels(module) if any(stage.attrs.rank == 2 for stage in stages(k))]
    assert len(over_rows) == 1
    x = np.random.default_rng(0).standard_normal((5, 70))
    support.assert_same(module, support.lower(module, support.FAST), [x], ulps=256)


def test_a_chain_is_one_stage() -> None:
    def build(b: Any, x: Any, y: Any) -> Any:
        return [emit.exp(b, emit.mul(b, emit.add(b, x, y), emit.sub(b, x, y)))]

    (kernel,) = kernels(support.function([VECTOR, VECTOR], build))
    assert len(stages(kernel)) == 1


def test_a_cheap_value_is_computed_again_and_a_dear_one_is_stored() -> None:
    def build(function: Any) -> Any:
        def inner(b: Any, x: Any) -> Any:
            y = function(b, x)
            return [emit.sub(b, emit.neg(b, y), emit.spread(b, emit.sum(b, y, (1,)), (1,), x))]

        return inner

    def kept(function: Any) -> list[int]:
        (kernel,) = kernels(support.function([MATRIX], build(function)))
        return [len(stage.results) for stage in stages(kernel)]

    assert kept(emit.neg) == [1, 1]
    assert kept(emit.exp) == [2, 1]


def test_a_product_between_keeps_kernels_apart() -> None:
    def build(b: Any, x: Any) -> Any:
        y = emit.exp(b, x)
        return [emit.add(b, emit.matmul(b, y, y), y)]

    assert len(kernels(support.function([MATRIX], build))) == 2


def test_at_most_max_ops_in_a_kernel() -> None:
    def build(b: Any, x: Any) -> Any:
        for _ in range(10):
            x = emit.neg(b, x)
        return [x]

    module = support.function([VECTOR], build)
    fused = support.lower(module, [Fuse(max_ops=4)])
    assert sum(op.isa(Kernel) for op in next(functions(fused)).regions[0].block) == 3


def _program(seed: int) -> Any:
    """A random function of two matrices: broadcasts, reductions, transposes, softmax."""

    def build(b: Any, *args: Any) -> Any:
        r = random.Random(seed)
        pool = list(args)
        for _ in range(r.randint(4, 12)):
            pool.append(_step(b, r, pool))
        return pool[-2:]

    return build


def _step(b: Any, r: random.Random, pool: list[Any]) -> Any:
    x = r.choice(pool[-4:])
    rank = index.shaped(x).rank
    axes = tuple(a for a in range(rank) if r.random() < 0.6)
    pick = r.random()
    if pick < 0.3:
        return emit.op(b, r.choice(["tanh", "neg", "abs", "sigmoid"]), x)
    if pick < 0.5:
        return emit.add(b, x, emit.spread(b, emit.sum(b, x, axes), axes, x))
    if pick < 0.65:
        return emit.max(b, x, axes)
    if pick < 0.8:
        return emit.transpose(b, x, list(reversed(range(rank))))
    if pick < 0.9 and rank:
        return b.create(composite.Softmax, [x], AxesAttrs((r.randrange(rank),)))[0]
    return emit.mul(b, x, r.choice([x, emit.neg(b, x)]))


@pytest.mark.parametrize("seed", range(30))
def test_random_programs(seed: int) -> None:
    module = support.function([MATRIX, MATRIX], _program(seed))
    rng = np.random.default_rng(seed)
    args = [rng.standard_normal((int(rng.integers(1, 20)), int(rng.integers(1, 20)))) for _ in range(2)]
    for passes in (support.FAST, support.FUSED):
        try:
            support.expected(module, args)
        except TensorcError:
            pytest.fail("the program must be valid")
        support.assert_same(module, support.lower(module, passes), args, ulps=1 << 16)


REDUCED_OUTER = """
"func.func"() ({
^bb0(%x: tensor<?x3xf64>, %n: index, %m: index):
  %r = "tensorc.kernel"(%n, %m, %x) ({
  ^bb0(%i: index, %j: index, %t: tensor<?x3xf64>):
    %s = "tensorc.generic"(%i, %j, %t) ({
    ^bb0(%p: index, %q: index, %v: f64):
      "tensorc.yield"(%v) : (f64) -> ()
    }) {combiners = ["add"], maps = [array<i64: 0, 1>, array<i64: AXIS>], rank = 2 : i64}
      : (index, index, tensor<?x3xf64>) -> tensor<?xf64>
    READER
    "tensorc.yield"(%s) : (tensor<?xf64>) -> ()
  }) {outer = 1 : i64} : (index, index, tensor<?x3xf64>) -> tensor<?xf64>
  "func.return"(%r) : (tensor<?xf64>) -> ()
}) {function_type = (tensor<?x3xf64>, index, index) -> tensor<?xf64>, sym_name = "f"} : () -> ()
"""
READER = """
    %u = "tensorc.generic"(%i, %j, %s) ({
    ^bb0(%p: index, %q: index, %v: f64):
      "tensorc.yield"(%v) : (f64) -> ()
    }) {combiners = [""], maps = [array<i64: AXIS>, array<i64: 0, 1>], rank = 2 : i64}
      : (index, index, tensor<?xf64>) -> tensor<?x?xf64>
"""


def test_no_stage_reads_what_a_kernel_combines_over_its_parallel_axes() -> None:
    plain, read = REDUCED_OUTER.replace("READER", ""), REDUCED_OUTER.replace("READER", READER)
    for text in (plain.replace("AXIS", "0"), plain.replace("AXIS", "1"), read.replace("AXIS", "0")):
        check(parse_module(text))
    with pytest.raises(TensorcError, match="leaves out one of the 1 outer axes"):
        check(parse_module(read.replace("AXIS", "1")))
