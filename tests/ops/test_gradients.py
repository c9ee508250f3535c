"""Gradients where they are delicate: kinks, zeros, infinities, branches not taken, ties, repeated indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from tensorc.interp.tensor import run
from tensorc.ir import builtin
from tensorc.ir.builder import Builder
from tensorc.ir.core import Value
from tensorc.ops import emit, index
from tensorc.ops.attrs import AxesAttrs, AxisAttrs
from tests.ops.harness import backward, type_of

INF, NAN = np.inf, np.nan
Build = Callable[..., Value]


def gradients(build: Build, *operands: Any, times: int = 1) -> list[Any]:
    """The gradient of the sum of `build(b, *operands)` with respect to the float operands; `times=2`: the
    gradient of the sum of that.
    """
    types = [type_of(np.asarray(x), dynamic=True) for x in operands]
    function = builtin.new_function("f", types, [])
    block = builtin.body(function)
    b = Builder.at_end(block)
    wrt = [a for a, x in zip(block.args, operands, strict=True) if np.asarray(x).dtype.kind == "f"]
    values: list[Value] = [build(b, *block.args)]
    for _ in range(times):
        seeds = {v: emit.ones_like(b, v) for v in values}
        cotangents = backward(b, list(block), seeds)
        values = [cotangents.get(a) or emit.zeros_like(b, a) for a in wrt]
    b.create_op(builtin.Return, values)
    builtin.set_signature(function, types, [v.type for v in values])
    return run(function, [np.asarray(x) for x in operands])


def check(build: Build, operands: Sequence[Any], wanted: Sequence[Any], times: int = 1) -> None:
    for got, want in zip(gradients(build, *operands, times=times), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


def below(b: Builder, x: Value, number: float) -> Value:
    return emit.lt(b, x, emit.full_like(b, x, number))


def unary(name: str) -> Build:
    return lambda b, *xs: emit.op(b, name, *xs)


def guarded(name: str, number: float) -> Build:
    """where(x < number, f(x) w, 0)."""

    def build(b: Builder, x: Value, w: Value) -> Value:
        taken = emit.mul(b, emit.op(b, name, x), w)
        return emit.where(b, below(b, x, number), taken, emit.zeros_like(b, x))

    return build


@pytest.mark.parametrize(
    ("name", "number", "outside"),
    [
        ("exp", 700, 1000.0),
        ("expm1", 700, 1000.0),
        ("exp2", 700, 1100.0),
        ("exp", 700, NAN),
        ("log", -INF, 0.0),
        ("log", -INF, -1.0),
        ("log1p", -INF, -1.0),
        ("log2", -INF, 0.0),
        ("log10", -INF, -3.0),
        ("sqrt", -INF, 0.0),
        ("sqrt", -INF, -1.0),
        ("log1mexp", -INF, 0.0),
        ("tan", -INF, INF),
        ("sinh", 700, 1000.0),
        ("arcsin", -INF, 1.0),
        ("arccos", -INF, 2.0),
        ("arccosh", -INF, 1.0),
        ("arctanh", -INF, -1.0),
        ("cbrt", -INF, 0.0),
        ("square", 1e100, 1e300),
    ],
)
def test_a_branch_not_taken_contributes_nothing(name: str, number: float, outside: float) -> None:
    found = gradients(guarded(name, number), np.array([outside]), np.array([2.0]))
    assert [f.tolist() for f in found] == [[0], [0]]
    found = gradients(guarded(name, number), np.array([outside]), np.array([2.0]), times=2)
    assert [f.tolist() for f in found] == [[0], [0]]


def test_large_arguments_of_inverse_functions_keep_their_gradients() -> None:
    x = np.array([1e200, -1e200, 1.5e308])
    check(unary("arcsinh"), [x], [1 / np.abs(x)])
    check(unary("arctan"), [x], [np.zeros(3)])
    check(unary("arccosh"), [np.abs(x)], [1 / np.abs(x)])
    check(unary("hypot"), [x, np.ones(3)], [np.sign(x), 1 / np.abs(x)])
    check(unary("arctan2"), [x, np.ones(3)], [np.zeros(3), -1 / x])


def test_hypot_at_the_origin_has_gradient_zero() -> None:
    check(unary("hypot"), [np.zeros(1), np.array([-0.0])], [[0], [0]])


def test_sinc() -> None:
    """where(|t| < eps, 1, sin(t) / t) at 0."""

    def build(b: Builder, t: Value) -> Value:
        near = below(b, emit.op(b, "abs", t), 1e-4)
        return emit.where(b, near, emit.ones_like(b, t), emit.div(b, emit.op(b, "sin", t), t))

    t = np.array([0.0, 1.0])
    check(build, [t], [[0, np.cos(1) - np.sin(1)]])


def test_division_and_power_in_branches() -> None:
    def build(b: Builder, x: Value, y: Value) -> Value:
        safe = emit.ne(b, y, emit.zeros_like(b, y))
        parts = emit.add(b, emit.div(b, x, y), emit.pow(b, y, emit.neg(b, emit.ones_like(b, x))))
        return emit.where(b, safe, parts, emit.zeros_like(b, x))

    check(build, [np.array([3.0, 3.0]), np.array([0.0, 2.0])], [[0, 0.5], [0, -0.75 - 0.25]])


def test_powers_at_zero() -> None:
    x, y = np.array([0.0, 0.0, 0.0, 2.0, 0.0]), np.array([2.0, 1.0, 0.0, 0.0, 0.5])
    dx, dy = gradients(unary("pow"), x, y)
    assert dx.tolist() == [0, 1, 0, 0, INF]
    np.testing.assert_allclose(dy, [0, 0, 0, np.log(2), 0])
    squared = gradients(lambda b, x: emit.pow(b, x, emit.full_like(b, x, 2)), np.array([-3.0, 0.0]))
    assert squared[0].tolist() == [-6, 0]
    negative = gradients(
        lambda b, x: emit.pow(b, x, emit.full_like(b, x, 3)), np.array([-3.0, -0.0]), times=2
    )
    assert negative[0].tolist() == [-18, 0]


def test_mixed_second_derivative_of_a_power_with_exponent_zero() -> None:
    """d²/dx dy x**y = x**(y-1) (1 + y log x), which is 1/x at y = 0."""

    def build(b: Builder, x: Value, y: Value) -> Value:
        return emit.pow(b, x, y)

    dx, dy = gradients(build, np.array([2.0]), np.array([0.0]), times=2)
    # Sums over both first derivatives: d(fx + fy)/dx = fxx + fxy, d(fx + fy)/dy = fxy + fyy.
    np.testing.assert_allclose(dx, [0.5])
    np.testing.assert_allclose(dy, [0.5 + np.log(2) ** 2])


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ([0.0, 2, 3], [6, 0, 0]),
        ([0.0, 0, 3], [0, 0, 0]),
        ([0.0, 0, 0], [0, 0, 0]),
        ([5.0], [1]),
        ([-2.0, 3, 4], [12, -8, -6]),
        ([1e200, 1e200], [1e200, 1e200]),
        ([1e-200, 0, 1e-200], [0, 0, 0]),
        ([INF, 0, 2], [0, INF, NAN]),
        ([], []),
    ],
)
def test_products(row: list[float], wanted: list[float]) -> None:
    (found,) = gradients(lambda b, x: emit.op(b, "prod", x, attrs=AxesAttrs((0,))), np.array(row))
    np.testing.assert_array_equal(found, np.array(wanted, float))


def test_second_derivative_of_a_product_with_zeros() -> None:
    (found,) = gradients(
        lambda b, x: emit.op(b, "prod", x, attrs=AxesAttrs((0,))), np.array([0.0, 2, 3]), times=2
    )
    # Rows of the Hessian summed: x3 + x2, x3 + x1, x2 + x1.
    assert found.tolist() == [5, 3, 2]


def test_extremes_share_among_ties() -> None:
    def build(name: str) -> Build:
        return lambda b, x: emit.op(b, name, x, attrs=AxesAttrs((1,)))

    x = np.array([[1.0, 3, 3, 0], [2, 2, 2, 2], [INF, 1, INF, 0], [NAN, 1, 2, 3]])
    (found,) = gradients(build("max"), x)
    assert found.tolist() == [[0, 0.5, 0.5, 0], [0.25] * 4, [0.5, 0, 0.5, 0], [1, 0, 0, 0]]
    (found,) = gradients(build("min"), -x)
    assert found.tolist() == [[0, 0.5, 0.5, 0], [0.25] * 4, [0.5, 0, 0.5, 0], [1, 0, 0, 0]]


def test_maximum_and_minimum() -> None:
    x, y = np.array([1.0, 2, 3, NAN, 1, INF]), np.array([2.0, 2, 1, 1, NAN, INF])
    found = gradients(unary("maximum"), x, y)
    assert [f.tolist() for f in found] == [[0, 0.5, 1, 1, 0, 0.5], [1, 0.5, 0, 0, 1, 0.5]]
    found = gradients(unary("minimum"), x, y)
    assert [f.tolist() for f in found] == [[1, 0.5, 0, 1, 0, 0.5], [0, 0.5, 1, 0, 1, 0.5]]


def test_kinks() -> None:
    assert gradients(unary("abs"), np.array([-2.0, -0.0, 0, 3]))[0].tolist() == [-1, 0, 0, 1]
    for name in ("sign", "floor", "ceil", "round", "trunc"):
        assert gradients(unary(name), np.array([-2.5, 0, 1.5]))[0].tolist() == [0, 0, 0]
    found = gradients(unary("mod"), np.array([7.5]), np.array([2.0]))
    assert [f.tolist() for f in found] == [[1], [-3]]
    found = gradients(unary("floor_div"), np.array([7.5]), np.array([2.0]))
    assert [f.tolist() for f in found] == [[0], [0]]


def test_saturating_functions_keep_their_digits() -> None:
    (found,) = gradients(unary("sigmoid"), np.array([-1000.0, -40, 40, 1000]))
    np.testing.assert_allclose(found, [0, np.exp(-40.0), np.exp(-40.0), 0], rtol=1e-12)
    (found,) = gradients(unary("tanh"), np.array([18.0, -18.0, 400]))
    np.testing.assert_allclose(found, [4 * np.exp(-36.0)] * 2 + [0], rtol=0.3)
    (found,) = gradients(unary("softplus"), np.array([-1000.0, 0, 1000]))
    assert found.tolist() == [0, 0.5, 1]
    found = gradients(unary("logaddexp"), np.array([-1000.0, -INF, INF]), np.array([1000.0, -INF, INF]))
    assert [f.tolist() for f in found] == [[0, 0.5, 0.5], [1, 0.5, 0.5]]
    (found,) = gradients(unary("log1mexp"), np.array([-1e-10, -800.0]))
    np.testing.assert_allclose(found, [-1e10, 0], rtol=1e-6)


def test_softmax_and_relatives() -> None:
    def build(name: str) -> Build:
        return lambda b, x: emit.op(b, name, x, attrs=AxesAttrs((1,)))

    def first(name: str) -> Build:
        def made(b: Builder, x: Value) -> Value:
            y = emit.op(b, name, x, attrs=AxesAttrs((1,)))
            return emit.slice(b, y, [0, 0], [index.dim(b, y, 0), 1], [1, 1])

        return made

    x = np.array([[1000.0, 0, -1000], [-INF, 0, 0]])
    (found,) = gradients(build("logsumexp"), x)
    assert found.tolist() == [[1, 0, 0], [0, 0.5, 0.5]]
    assert gradients(build("logsumexp"), np.full((1, 2), -INF))[0].tolist() == [[0, 0]]
    (found,) = gradients(first("log_softmax"), x[:1])
    assert found.tolist() == [[0, 0, 0]]
    (found,) = gradients(first("softmax"), x)
    assert found.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_repeated_indices() -> None:
    x, i, u = np.array([1.0, 2, 3]), np.array([2, 0, 2, -1]), np.array([5.0, 6, 7, 8])

    def weighted(name: str) -> Build:
        def build(b: Builder, x: Value, i: Value, u: Value) -> Value:
            y = emit.op(b, name, x, i, u, attrs=AxisAttrs(0))
            return emit.mul(b, y, emit.cast(b, emit.iota(b, emit.element(i), [3], 0), emit.element(x)))

        return build

    found = gradients(weighted("scatter_add"), x, i, u)
    assert [f.tolist() for f in found] == [[0, 1, 2], [2, 0, 2, 2]]
    found = gradients(weighted("scatter_set"), x, i, u)
    assert [f.tolist() for f in found] == [[0, 1, 0], [0, 0, 0, 2]]
    (found,) = gradients(lambda b, x, i: emit.op(b, "gather", x, i, attrs=AxisAttrs(0)), x, i)
    assert found.tolist() == [1, 0, 3]


def test_boundaries() -> None:
    def through(name: str) -> Build:
        return lambda b, x: emit.mul(b, x, emit.op(b, name, x))

    for name in ("stop_gradient", "zero_grad"):
        assert gradients(through(name), np.array([3.0]))[0].tolist() == [3]


def test_empty_and_scalar_operands() -> None:
    assert gradients(unary("exp"), np.zeros((0, 3)))[0].shape == (0, 3)
    assert gradients(unary("exp"), np.array(0.0))[0].tolist() == 1
    x, y = np.ones((2, 0)), np.ones((0, 3))
    assert [f.shape for f in gradients(unary("matmul"), x, y)] == [(2, 0), (0, 3)]
