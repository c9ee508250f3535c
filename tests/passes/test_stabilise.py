"""Stabilisation: probe values where the naive form fails, gradients there, and what must be left alone."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from passes.rule_examples import build, names_in, real_value
from passes.test_rules import SPECIAL, run, same_bits, special_inputs
from tensorc.ir import builtin
from tensorc.ir.builder import Builder
from tensorc.ir.core import Operation
from tensorc.ir.types import f32, f64
from tensorc.ops import emit
from tensorc.ops.index import shaped
from tensorc.passes import manager
from tensorc.passes.autodiff import gradient_function

NUMBERS = "inline,canonicalize,stabilise,canonicalize"
P = "(1.0 / (1.0 + exp(-x)))"
Q = "(1.0 / (1.0 + exp(-1.0 * x - broadcast_to(s, n, 3))))"

# row of the list of named rewrites, expression, x (rows of three)
ELEMENTWISE = [
    ("1", "log(1.0 + x)", [1e-20, -1e-20, 3.0]),
    ("1", "log(x + 1.0)", [1e-20, 1e-9, 1e300]),
    ("1", "log(1.0 - x)", [1e-20, -1e-20, 0.5]),
    ("1", "log(-x + 1.0)", [1e-20, -1e-20, 0.5]),
    ("2", "exp(x) - 1.0", [1e-12, -1e-12, 1.0]),
    ("2", "-1.0 + exp(x)", [1e-12, -1e-12, 1.0]),
    ("2", "1.0 - exp(x)", [1e-12, -1e-12, 1.0]),
    ("3", "exp(x) / (1.0 + exp(x))", [1000.0, -1000.0, 0.5]),
    ("3", "exp(-x) / (exp(-x) + 1.0)", [1000.0, -1000.0, 0.5]),
    ("3", "2.5 / (1.0 + exp(x))", [1000.0, -1000.0, 0.5]),
    ("4", "1.0 / (1.0 + exp(x))", [1000.0, -1000.0, 0.5]),
    ("4", "1.0 / (exp(-x) + 1.0)", [1000.0, -1000.0, 0.5]),
    ("4", "(1.0 + exp(-x)) ** -1.0", [1000.0, -1000.0, 0.5]),
    ("5", "exp(x) * sigmoid(-x)", [800.0, -800.0, 0.5]),
    ("5", "sigmoid(x) * exp(-x)", [800.0, -700.0, 0.5]),
    ("6", "1.0 - sigmoid(x)", [40.0, 700.0, -3.0]),
    ("6", "-sigmoid(x) + 1.0", [40.0, 700.0, -3.0]),
    ("6", "-(sigmoid(x) - 1.0)", [40.0, 700.0, -3.0]),
    ("7", "log(sigmoid(x))", [-1000.0, 1000.0, 40.0]),
    ("7", f"log({P})", [-1000.0, 1000.0, 40.0]),
    ("8", "log(1.0 - sigmoid(x))", [1000.0, -1000.0, -40.0]),
    ("8", f"log(1.0 - {P})", [1000.0, -1000.0, -40.0]),
    ("8", f"log(-{P} + 1.0)", [1000.0, -1000.0, -40.0]),
    ("9", "log1p(-sigmoid(x))", [1000.0, -1000.0, -40.0]),
    ("10", "log1p(exp(x))", [1000.0, -1000.0, 0.5]),
    ("10", "log(1.0 + exp(x))", [1000.0, -1000.0, 0.5]),
    ("11", "log1p(-exp(x))", [-1e-10, -1.0, -700.0]),
    ("11", "log(1.0 - exp(x))", [-1e-10, -1.0, -700.0]),
    ("12", "log(-expm1(x))", [-1e-10, -1.0, -700.0]),
    ("14", "log(exp(x) + exp(y))", [1000.0, -1000.0, 3.0]),
    ("14", "log(exp(x) + exp(y) + exp(2.0 * y))", [1000.0, -1000.0, 3.0]),
    ("14", "log(exp(x) + 5.0)", [1000.0, -1000.0, 3.0]),
    ("25", "1.0 - erf(x)", [10.0, 1.0, -2.0]),
    ("25", "1.0 + erf(x)", [-10.0, 1.0, 2.0]),
    ("25", "1.0 - erfc(x)", [1e-20, 1.0, 2.0]),
    ("25", "erf(x) - 1.0", [10.0, 1.0, -2.0]),
    ("25", "0.5 * (1.0 + erf(x / 2.0))", [-10.0, 1.0, 2.0]),
    ("28", "where(abs(x) < 1e-4, full_like(x, 1.0), sin(x) / x)", [0.0, 1.0, -2.0]),
    ("28", "where(abs(x) < 1e-4, full_like(x, 1.0), (sin(x) / x) * (sin(x) / x))", [0.0, 1.0, -2.0]),
    ("29", "log(exp(x))", [1000.0, -1000.0, 0.5]),
    ("29", "exp(log(x))", [0.0, 1.0, 700.0]),
    ("29", "log1p(expm1(x))", [1000.0, -1000.0, 1e-20]),
    ("29", "expm1(log1p(x))", [1e-20, 1.0, 700.0]),
    ("29", "exp(softplus(x))", [-40.0, 1.0, 300.0]),
    ("30", "sqrt(x * x)", [1e200, -3.0, 1e-200]),
    ("30", "sqrt(x ** 2.0)", [1e200, -3.0, 1e-200]),
    ("30", "sqrt(x) * sqrt(x)", [0.0, 3.0, 1e-300]),
    ("31", "log(sqrt(x))", [1e-320, 1.0, 1e300]),
    ("31", "log(1.0 / x)", [1e-320, 1.0, 1e300]),
    ("37", "x / abs(x)", [1e-200, -3.0, 1e200]),
    ("37", "abs(x) * abs(y)", [-3.0, 2.0, 5.0]),
    ("38", f"-(y * log({P})) - (1.0 - y) * log(1.0 - {P})", [1000.0, -1000.0, 0.5]),
    ("38", f"-y * log({Q}) - (1.0 - y) * log(1.0 - {Q})", [1000.0, -1000.0, 0.5]),
]

KEPT = "broadcast_to(expand_dims({}, 1), n, 3)"
ROWS = [
    ("15", "log(sum(exp(x), 1))", [1000.0, 1000.0, 999.0]),
    ("15", f"log({KEPT.format('sum(exp(x), 1)')})", [1000.0, 1000.0, 999.0]),
    ("16", f"exp(x) / {KEPT.format('sum(exp(x), 1)')}", [1000.0, 998.0, 999.0]),
    ("16", "exp(x) / broadcast_to(sum(exp(x), 0), n, 3)", [1000.0, 998.0, 999.0]),
    ("16", f"exp(x) / {'broadcast_to(reshape(sum(exp(x), 1), n, 1), n, 3)'}", [1000.0, 998.0, 999.0]),
    ("17", "log(softmax(x, 1))", [0.0, 1000.0, -1000.0]),
    ("17", f"log(exp(x) / {KEPT.format('sum(exp(x), 1)')})", [0.0, 1000.0, -1000.0]),
    ("17", "log(transpose(softmax(x, 1), 1, 0))", [0.0, 1000.0, -1000.0]),
    ("18", f"x - {KEPT.format('logsumexp(x, 1)')}", [0.0, 1000.0, -1000.0]),
    ("18", f"x - {KEPT.format('log(sum(exp(x), 1))')}", [0.0, 1000.0, -1000.0]),
    ("18", "exp(log_softmax(x, 1))", [1000.0, 998.0, 999.0]),
    ("24", "-amax(-x, 1)", [1.0, -3.0, 2.0]),
    ("36", "prod(x, 1)", [0.0, 2.0, 3.0]),
    ("36", "prod(x, 1)", [0.0, 0.0, 3.0]),
]


def inputs_of(expression: str, row: list[float]) -> dict[str, Any]:
    x = np.array([row, row[::-1]])
    known = {"x": x, "y": np.where(np.abs(x) == 1000, x, 0.25), "s": np.array(0.5)}
    if "exp(2.0" not in expression and "exp(y)" not in expression:
        known["y"] = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.25]])
    return {n: known[n] for n in known if n in names_in(expression)}


def in_order(inputs: dict[str, Any]) -> list[Any]:
    return [inputs[n] for n in ("x", "y", "s") if n in inputs]


def summed(expression: str) -> Operation:
    """The example with the sum of all elements as its result."""
    module = build(expression, f64)
    function = next(builtin.functions(module))
    returned = builtin.body(function).terminator
    value = returned.operands[0]
    b = Builder.before(returned)
    returned.set_operands([emit.sum(b, value, range(shaped(value).rank))])
    arguments = [a.type for a in builtin.body(function).args]
    builtin.set_signature(function, arguments, [returned.operands[0].type])
    return module


def near(found: Any, truth: Any, ulps: float, least: float = 0) -> bool:
    """Equal to the rounded truth within some ulps of it, or of the least normal number, or of `least`."""
    with np.errstate(all="ignore"):
        nearest = np.array([float(t) for t in np.ravel(truth)]).reshape(np.shape(found))
        allowed = ulps * np.spacing(np.maximum(np.abs(nearest), max(np.finfo(float).tiny, least)))
        return bool(np.all((found == nearest) | (np.abs(found - nearest) <= allowed)))


def derivative(expression: str, inputs: dict[str, Any]) -> Any:
    """d(sum of the expression)/dx by central differences in real arithmetic."""
    x = inputs["x"]
    result = np.empty(x.shape, object)
    with mpmath.workprec(9000):
        step = mpmath.mpf(2) ** -2500
        for position in np.ndindex(x.shape):
            values = []
            for sign in (1, -1):
                moved = x.astype(object)
                moved[position] = mpmath.mpf(x[position]) + sign * step
                values.append(np.sum(real_value(expression, {**inputs, "x": moved}, 9000)))
            result[position] = (values[0] - values[1]) / (2 * step)
    return result


@pytest.mark.parametrize(("row", "expression", "x"), ELEMENTWISE + ROWS)
def test_probe_value(row: str, expression: str, x: list[float]) -> None:
    inputs = inputs_of(expression, x)
    module = build(expression, f64)
    manager.run(module, NUMBERS, manager.Options(verify_each=True))
    truth = real_value(expression, inputs, 9000)
    assert near(run(module, in_order(inputs)), truth, 16), (row, expression)


# At 0 these have no derivative in reals: only that of the branch taken, or the right-hand one.
ONE_SIDED = {"exp(log(x))": 1.0, "sqrt(x) * sqrt(x)": 1.0}


@pytest.mark.parametrize(("row", "expression", "x"), ELEMENTWISE + ROWS)
def test_gradient_at_the_probe(row: str, expression: str, x: list[float]) -> None:
    inputs = inputs_of(expression, x)
    function = next(builtin.functions(summed(expression)))
    derived = gradient_function(function, [0])
    assert derived.connected == (True,)
    found = run(_module(derived.func), in_order(inputs))
    truth = derivative(expression, inputs)
    if expression in ONE_SIDED:
        truth = np.where(inputs["x"] == 0, ONE_SIDED[expression], truth)
    # A row's gradient cancels between elements, and shares are rounded relative to the greatest input.
    coupled = (row, expression, x) in ROWS
    assert near(found, truth, 4096 if coupled else 64, 1 if coupled else 0), (
        row,
        expression,
        found,
        truth.astype(float),
    )


def _module(function: Operation) -> Operation:
    module = builtin.new_module()
    module.regions[0].block.append(function)
    return module


@pytest.mark.parametrize("function", ["exp", "tanh", "sigmoid", "softplus", "expm1", "exp2"])
def test_argmax_looks_through_increasing_functions(function: str) -> None:
    module = build(f"argmax({function}(x), 1)", f64)
    manager.run(module, NUMBERS)
    assert function not in {op.name.removeprefix("tensorc.") for op in module.walk()}
    assert run(module, [np.array([[1000.0, 1001.0, -5.0], [-2000.0, -1999.0, -2001.0]])]).tolist() == [1, 1]


@pytest.mark.parametrize("function", ["log", "log1p", "log2"])
def test_argmax_of_a_logarithm_finds_the_first_nan(function: str) -> None:
    module = build(f"argmax({function}(x), 1)", f64)
    manager.run(module, NUMBERS)
    assert run(module, [np.array([[1.0, 2.0, -5.0], [3.0, 2.0, 1.0]])]).tolist() == [2, 0]


def test_argmax_of_softmax_along_another_axis_stays() -> None:
    module = build("argmax(softmax(x, 0), 1)", f64)
    manager.run(module, NUMBERS)
    assert "tensorc.softmax" in {op.name for op in module.walk()}


# What IEEE arithmetic says stays said.
LEFT_ALONE = [
    "x * 0.0",
    "0.0 / x",
    "0.0 * x + y",
    "x - x",
    "x / x",
    "(x * y) / y",
    "(x / y) * y",
    "(x + y) - x",
    "(x - y) + y",
    "x + 0.0",
    "0.0 - x",
    "0.0 + x * -1.0",
    "-(x - y)",
    "x * x - y * y",
    "x * y + x * (y + 1.0)",
    "x / 3.0",
    "(x * 3.0) / 3.0",
    "(x + 1.0) - 1.0",
    "1.0 / (1.0 / x)",
    "where(x > 0.0, x, y * 0.0)",
    "where(x == x, x, y)",
    "x * where(y > 0.0, full_like(x, 0.0), y)",
    "abs(x) / abs(y)",
    "maximum(x, y) - minimum(x, y)",
    "log(2.0 + x)",
    "log(x * y)",
    "log(x / y)",
    "sqrt(x * y)",
    "exp(x) / exp(y)",
    "exp(x + y)",
    "1.0 - tanh(x)",
    "sum(x, 1) * 0.0",
    "x / broadcast_to(expand_dims(sum(x, 1), 1), n, 3)",
    "exp(x) / broadcast_to(sum(exp(y), 0), n, 3)",
]


@pytest.mark.parametrize("element", [f32, f64], ids=str)
@pytest.mark.parametrize("expression", LEFT_ALONE)
def test_ieee_arithmetic_is_left_alone(expression: str, element: Any) -> None:
    inputs = special_inputs(np.dtype("f4" if element == f32 else "f8"), SPECIAL)
    args = [inputs[n] for n in ("x", "y", "v", "s") if n in names_in(expression)]
    module = build(expression, element)
    before = run(module, args)
    manager.run(module, NUMBERS)
    assert same_bits(before, run(module, args))


def test_stop_gradient_is_a_boundary() -> None:
    module = build("log(stop_gradient(1.0 + exp(x)))", f64)
    manager.run(module, NUMBERS)
    assert "tensorc.softplus" not in {op.name for op in module.walk()}


def test_square_matrices_are_not_taken_for_softmax() -> None:
    """sum(e, 1) broadcast along rows without its axis put back divides column j by the sum of row j."""
    from tensorc.ir.parser import parse_module

    text = """
    "func.func"() ({
    ^bb0(%x: tensor<3x3xf64>):
      %e = "tensorc.exp"(%x) : (tensor<3x3xf64>) -> tensor<3x3xf64>
      %s = "tensorc.sum"(%e) {axes = array<i64: 1>} : (tensor<3x3xf64>) -> tensor<3xf64>
      %b = "tensorc.broadcast_to"(%s) {shape = array<i64: 3, 3>} : (tensor<3xf64>) -> tensor<3x3xf64>
      %d = "tensorc.div"(%e, %b) : (tensor<3x3xf64>, tensor<3x3xf64>) -> tensor<3x3xf64>
      "func.return"(%d) : (tensor<3x3xf64>) -> ()
    }) {sym_name = "f", function_type = (tensor<3x3xf64>) -> tensor<3x3xf64>} : () -> ()
    """
    module = parse_module(text)
    x = np.arange(9.0).reshape(3, 3)
    manager.run(module, NUMBERS)
    assert np.allclose(run(module, [x]), np.exp(x) / np.exp(x).sum(1))
