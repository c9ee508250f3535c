"""Gradients of functions: disconnected, zero, undefined; seeds; forward mode; long chains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from passes.rule_examples import build
from passes.test_canonicalize import chain, names
from passes.test_rules import run
from passes.test_stabilise import summed
from tensorc.interp import tensor
from tensorc.ir import builtin
from tensorc.ir.builder import Builder
from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import Attrs
from tensorc.ir.errors import TensorcTypeError, TensorcValueError
from tensorc.ir.location import FileLocation, NamedLocation
from tensorc.ir.types import Type, f32, f64
from tensorc.ir.verifier import check
from tensorc.ops import emit, index
from tensorc.ops.base import Creator, OpDef, V
from tensorc.passes import manager
from tensorc.passes.autodiff import gradient_function, jvp
from tensorc.passes.canonicalize import Canonicalize

X = np.array([[0.5, -1.0, 2.0], [3.0, 0.25, -0.75]])


def scalar(expression: str) -> Operation:
    return next(builtin.functions(summed(expression)))


def test_gradient_of_a_product() -> None:
    derived = gradient_function(scalar("x * y * x"), [0, 1])
    assert derived.connected == (True, True)
    dx, dy = tensor.run(derived.func, [X, X + 1])
    assert np.allclose(dx, 2 * X * (X + 1))
    assert np.allclose(dy, X * X)


def test_the_original_is_left_as_it_is() -> None:
    function = scalar("exp(x)")
    before = len(list(function.walk()))
    gradient_function(function, [0])
    assert len(list(function.walk())) == before


@pytest.mark.parametrize(
    ("expression", "connected"),
    [
        ("y * 2.0 + full_like(x, 0.0) * 0.0", False),  # only the shape of x
        ("y + stop_gradient(x)", False),
        ("y + zero_grad(x)", True),
        ("where(x > 0.0, y, -y)", True),
        ("y + cast(cast(x, i32), f64)", True),
        ("y + floor(x)", True),
    ],
)
def test_disconnected_is_not_zero(expression: str, connected: bool) -> None:
    derived = gradient_function(scalar(expression), [0, 1])
    assert derived.connected == (connected, True)
    results = tensor.run(derived.func, [X, X])
    assert len(results) == 1 + connected
    if connected:
        assert np.array_equal(results[0], np.zeros_like(X))


class Opaque(OpDef):
    """An op that has no gradient."""

    name = "test.opaque"
    not_differentiable = "nobody has worked it out"

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        return (operands[0],)

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        return [index.extents_of(b, operands[0])]


def opaque_function(of_wrt: bool) -> Operation:
    function = scalar("exp(x) * y")
    returned = builtin.body(function).terminator
    product = next(op for op in function.walk() if op.name == "tensorc.mul")
    b = Builder.before(product)
    b.location = FileLocation("model.py", 7, 3)
    number = 0 if of_wrt else 1
    product.set_operand(number, b.create(Opaque, [product.operands[number]])[0])
    assert returned.operands
    return function


def test_an_op_without_gradient_is_an_error_at_its_place() -> None:
    with pytest.raises(TensorcTypeError, match="TC0512") as error:
        gradient_function(opaque_function(True), [0])
    assert "nobody has worked it out" in str(error.value)
    assert "stop_gradient" in str(error.value)
    assert error.value.location == FileLocation("model.py", 7, 3)


def test_an_op_without_gradient_off_the_way_does_not_matter() -> None:
    assert gradient_function(opaque_function(False), [0]).connected == (True,)


def test_a_branch_not_taken_contributes_nothing() -> None:
    function = scalar("where(x > 0.0, log(x), sqrt(x) / (x - x))")
    (dx,) = tensor.run(gradient_function(function, [0]).func, [np.array([[1.0, 2.0, 4.0]])])
    assert dx.tolist() == [[1.0, 0.5, 0.25]]


def test_pass_appends_gradients_in_the_order_asked_for() -> None:
    module = summed("x * y * y")
    manager.run(module, "autodiff{wrt=1,0}", manager.Options(verify_each=True))
    function = next(builtin.functions(module))
    cost, dy, dx = tensor.run(function, [X, X + 1])
    assert np.allclose(cost, np.sum(X * (X + 1) ** 2))
    assert np.allclose(dy, 2 * X * (X + 1))
    assert np.allclose(dx, (X + 1) ** 2)


def test_cotangents_as_arguments() -> None:
    module = build("exp(x)", f64)
    manager.run(module, "autodiff{seed=argument only=true},canonicalize", manager.Options(verify_each=True))
    assert np.allclose(run(module, [X, 2 * X]), 2 * X * np.exp(X))


def test_the_gradient_of_an_argument_returned_is_the_seed() -> None:
    module = build("s", f64)
    manager.run(module, "autodiff", manager.Options(verify_each=True))
    assert tensor.run(next(builtin.functions(module)), [np.array(3.0)])[1] == 1


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ("{wrt=5}", "TC0510"),
        ("{results=3}", "TC0510"),
        ("{seed=two}", "TC0510"),
        ("", "TC0511"),  # the result is no scalar
    ],
)
def test_wrong_use(options: str, code: str) -> None:
    with pytest.raises((TensorcValueError, TensorcTypeError), match=code):
        manager.run(build("exp(x)", f64), f"autodiff{options}")


def test_integer_arguments_and_results_are_refused() -> None:
    module = build("cast(s, i32)", f64)
    with pytest.raises(TensorcTypeError, match="0 float results"):
        manager.run(module, "autodiff")
    with pytest.raises(TensorcTypeError, match="not a float tensor"):
        manager.run(module, "autodiff{results=0}")


def test_derived_ops_say_what_they_derive_from() -> None:
    module = summed("sin(x)")
    function = next(builtin.functions(module))
    sine = next(op for op in function.walk() if op.name == "tensorc.sin")
    sine.location = FileLocation("model.py", 12, 5)
    manager.run(module, "autodiff")
    cosine = next(op for op in function.walk() if op.name == "tensorc.cos")
    assert cosine.location == NamedLocation("vjp(sin)", FileLocation("model.py", 12, 5))


@pytest.mark.parametrize(
    "expression", ["sin(x) * y", "exp(x) / y", "log(1.0 + exp(x))", "softmax(x, 1) * y", "sum(x * y, 1)", "x"]
)
def test_forward_mode_is_the_directional_derivative(expression: str) -> None:
    function = next(builtin.functions(build(expression, f64)))
    has_y = len(builtin.body(function).args) == 2
    forward = jvp(function, [0, 1] if has_y else [0])
    module = builtin.new_module()
    module.regions[0].block.append(forward)
    check(module)
    Canonicalize().run(module)
    check(module)
    y, tx, ty = X + 2, np.cos(X), np.sin(X)
    tangent = run(module, [X, y, tx, ty] if has_y else [X, tx])
    h = 1e-6

    def at(step: float) -> np.ndarray:
        return tensor.run(function, [X + step * tx, y + step * ty] if has_y else [X + step * tx])[0]

    assert np.allclose(tangent, (at(h) - at(-h)) / (2 * h), atol=1e-7)


def test_gradients_of_gradients() -> None:
    first = gradient_function(scalar("x * x * x"), [0])
    returned = builtin.body(first.func).terminator
    b = Builder.before(returned)
    total = emit.sum(b, returned.operands[0], (0, 1))
    returned.set_operands([total])
    inputs = [a.type for a in builtin.body(first.func).args]
    builtin.set_signature(first.func, inputs, [total.type])
    (second,) = tensor.run(gradient_function(first.func, [0]).func, [X])
    assert np.allclose(second, 6 * X)


def test_float32_stays_float32() -> None:
    module = build("sum(log(1.0 + exp(x)), 0, 1)", f32)
    derived = gradient_function(next(builtin.functions(module)), [0])
    (dx,) = tensor.run(derived.func, [X.astype(np.float32)])
    assert dx.dtype == np.float32
    assert np.allclose(dx, 1 / (1 + np.exp(-X)), atol=1e-6)


def test_a_chain_of_ten_thousand_ops() -> None:
    def step(b: Builder, x: Value, number: int) -> Value:
        return emit.op(b, "sin", x)

    module = chain(10_000, step)
    function = next(builtin.functions(module))
    derived = gradient_function(function, [0], seeded=True)
    check_module = builtin.new_module()
    check_module.regions[0].block.append(derived.func)
    assert names(check_module).count("cos") == 10_000
