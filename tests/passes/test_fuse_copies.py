"""What several kernels read: computed in each of them where that is cheap, by the first of them otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from passes import lowering_support as support
from passes.test_fuse import MATRIX, kernels
from tensorc.ir.core import Operation
from tensorc.ir.types import TensorType, f64
from tensorc.ops import emit
from tensorc.ops.kernel import stages
from tensorc.ops.linalg import Matmul
from tensorc.passes.fuse_groups import COPY_BELOW

VECTOR = TensorType((None,), f64)
X = np.random.default_rng(0).standard_normal((37, 21))


def words(kernel: Operation, name: str) -> list[str]:
    found = kernel.attributes.get(f"tensorc.{name}")
    return [] if found is None else [str(text.value) for text in found]  # type: ignore[attr-defined]


def sums_of(function: Any) -> Any:
    """Rows and columns summed, and the columns' sums made something of: two kernels that read one value."""

    def build(b: Any, x: Any, y: Any) -> Any:
        value = function(b, x, y)
        return [emit.neg(b, emit.sum(b, value, (0,))), emit.sum(b, value, (1,))]

    return build


def test_a_cheap_value_is_computed_in_both_kernels() -> None:
    module = support.function([MATRIX, MATRIX], sums_of(lambda b, x, y: emit.mul(b, emit.add(b, x, y), y)))
    both = kernels(module)
    assert len(both) == 2
    assert all(len(k.results) == 1 and words(k, "copied") == ["add 1", "mul 2"] for k in both)
    support.assert_same(module, support.lower(module, support.FAST), [X, X + 1], ulps=64)


def test_a_dear_value_is_computed_once() -> None:
    module = support.function([MATRIX, MATRIX], sums_of(lambda b, x, y: emit.exp(b, emit.mul(b, x, y))))
    first, second = kernels(module)
    assert sorted((len(first.results), len(second.results))) == [1, 2]
    assert not words(first, "copied")
    support.assert_same(module, support.lower(module, support.FAST), [X, X + 1], ulps=64)


def test_a_long_chain_of_cheap_ops_is_not_copied_whole() -> None:
    def chain(b: Any, x: Any, y: Any) -> Any:
        for _ in range(3 * COPY_BELOW):
            x = emit.add(b, emit.neg(b, x), y)
        return x

    module = support.function([MATRIX, MATRIX], sums_of(chain))
    copied = {len(words(k, "copied")) for k in kernels(module)}
    assert max(copied) <= COPY_BELOW
    support.assert_same(module, support.lower(module, support.FAST), [X, X + 1], ulps=1024)


def test_a_value_that_is_returned_is_not_computed_again() -> None:
    def build(b: Any, x: Any, y: Any) -> Any:
        value = emit.add(b, x, y)
        return [value, emit.sum(b, value, (0,)), emit.sum(b, value, (1,))]

    module = support.function([MATRIX, MATRIX], build)
    assert not any(words(k, "copied") for k in kernels(module))
    support.assert_same(module, support.lower(module, support.FAST), [X, X + 1], ulps=64)


def test_reductions_of_the_same_rows_are_one_kernel() -> None:
    def build(b: Any, x: Any) -> Any:
        return [emit.sum(b, x, (1,)), emit.max(b, x, (1,)), emit.sum(b, emit.mul(b, x, x), (1,))]

    module = support.function([MATRIX], build)
    (kernel,) = kernels(module)
    assert [len(stage.results) for stage in stages(kernel)] == [3]
    support.assert_same(module, support.lower(module, support.FAST), [X], ulps=64)


SHAPES = ((1, 21), (0, 21), (37, 0), (37, 1), (33, 300), (200, 3))


@pytest.mark.parametrize("combine", [emit.sum, emit.max])
def test_reductions_of_rows_and_of_columns_read_what_they_read_once(combine: Any) -> None:
    def build(b: Any, x: Any) -> Any:
        return [emit.sum(b, x, (1,)), combine(b, x, (0,)), emit.sum(b, x, (0,)), emit.neg(b, x)]

    module = support.function([MATRIX], build)
    (kernel,) = kernels(module)
    assert len(stages(kernel)) == 1
    for shape in SHAPES:
        if shape[0] == 0 and combine is emit.max:
            continue
        x = np.resize(X, shape)
        for passes in support.PIPELINES.values():
            support.assert_same(module, support.lower(module, passes), [x], ulps=512)


def test_three_axes_combined_across_two() -> None:
    """In the generic body, whose axes do not merge, and in the fast one, where two do."""

    def build(b: Any, x: Any) -> Any:
        scale = emit.spread(b, emit.sum(b, emit.mul(b, x, x), (2,)), (2,), x)
        y = emit.div(b, x, scale)
        return [y, emit.sum(b, y, (0, 1)), emit.sum(b, x, (0, 1))]

    module = support.function([TensorType((None, None, None), f64)], build)
    assert len(kernels(module)) == 1
    for shape in ((2, 3, 5), (1, 40, 7), (40, 1, 7), (7, 11, 3), (3, 33, 1), (0, 3, 4), (3, 0, 4)):
        for passes in support.PIPELINES.values():
            support.assert_same(module, support.lower(module, passes), [np.resize(X, shape) + 3], ulps=512)


@pytest.mark.parametrize("made", [True, False])
def test_sums_come_early_where_what_they_read_is_at_hand(made: bool) -> None:
    """Rows that a product waits for take sums along that nobody waits for; sums of the product wait."""

    def build(b: Any, x: Any, w: Any) -> Any:
        y = emit.exp(b, x) if made else x
        scale = emit.spread(b, emit.sum(b, emit.mul(b, y, y), (1,)), (1,), y)
        rows = emit.div(b, y, scale)
        z = b.create(Matmul, [rows, w])[0]
        sums = [emit.sum(b, v, (0,)) for v in (y, emit.mul(b, y, y), emit.neg(b, z))]
        return [z, *sums]

    module = support.function([MATRIX, MATRIX], build)
    first, second = kernels(module)
    assert (len(first.results), len(second.results)) == (3, 1)
    support.assert_same(module, support.lower(module, support.FAST), [X, X.T.copy()], ulps=1 << 14)


def test_what_is_made_of_sums_of_columns_keeps_them_apart() -> None:
    def build(b: Any, x: Any) -> Any:
        total = emit.sum(b, x, (0,))
        return [emit.sum(b, x, (1,)), emit.sub(b, x, emit.spread(b, total, (0,), x))]

    module = support.function([MATRIX], build)
    assert len(kernels(module)) == 2
    support.assert_same(module, support.lower(module, support.FAST), [X], ulps=1 << 14)


def test_statistics_of_rows_stay_with_the_rows() -> None:
    """Layer norm and its gradient: what is summed over rows is made where the rows are."""

    def build(b: Any, x: Any, c: Any) -> Any:
        mean = emit.expand_dims(b, emit.sum(b, x, (1,)), (1,))
        d = emit.sub(b, x, emit.broadcast_like(b, mean, x))
        scale = emit.expand_dims(b, emit.sqrt(b, emit.sum(b, emit.mul(b, d, d), (1,))), (1,))
        unit = emit.mul(b, d, emit.broadcast_like(b, scale, x))
        return [emit.mul(b, unit, c), emit.sum(b, emit.mul(b, unit, c), (0,)), emit.sum(b, c, (0,))]

    module = support.function([MATRIX, MATRIX], build)
    (kernel,) = [k for k in kernels(module) if any(stage.attrs.rank == 2 for stage in stages(k))]
    assert len(kernel.results) == 3
    support.assert_same(module, support.lower(module, support.FAST), [X, X[::-1].copy()], ulps=4096)


def test_what_stages_keep_stands_on_the_kernel() -> None:
    def build(b: Any, x: Any) -> Any:
        y, z = emit.exp(b, x), emit.neg(b, x)
        total = emit.spread(b, emit.sum(b, emit.add(b, y, z), (1,)), (1,), x)
        return [emit.mul(b, emit.mul(b, y, z), total)]

    (kernel,) = kernels(support.function([MATRIX], build))
    assert words(kernel, "stored") == ["exp 16"]
    assert "neg 1" in words(kernel, "again")


def test_what_could_not_be_copied_is_made_by_one_of_its_readers() -> None:
    """A value that one reader could have taken in and another could not, and a third one computes from."""

    def build(b: Any, v: Any, x: Any) -> Any:
        total = emit.sum(b, x, (1,))
        mean = emit.div(b, total, emit.broadcast_like(b, emit.size(b, x, (1,), f64), total))
        shifted = emit.add(b, emit.add(b, emit.op(b, "abs", v), mean), mean)
        column = emit.expand_dims(b, shifted, (1,))
        spread = emit.broadcast_like(b, column, x)
        return [
            emit.mul(b, mean, v),
            emit.broadcast_like(b, emit.neg(b, column), x),
            emit.sum(b, spread, (0, 1)),
        ]

    module = support.function([VECTOR, MATRIX], build)
    support.assert_same(module, support.lower(module, support.FAST), [X[:, 0].copy(), X], ulps=1024)
