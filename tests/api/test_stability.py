"""Expressions as people write them, at the points where the naive form fails: value and gradient, in every
mode.

The expected values come from mpmath, evaluating the formula as written with 60 digits.
"""

import mpmath
import numpy as np
import pytest

import tensorc as tc

MODES = ["fast", "compile-fast", "O0", "O1", "O2", "O3"]
mpmath.mp.dps = 60


def sigmoid(m, x):
    return 1 / (1 + m.exp(-x))


# name -> (formula over a module `m` with exp, log, ..., the points at which the naive form fails)
SCALAR = {
    "log(1+x)": (lambda m, x: m.log(1 + x), [1e-20, -1e-20, 3.0]),
    "log(1-x)": (lambda m, x: m.log(1 - x), [1e-20, 0.5]),
    "exp(x)-1": (lambda m, x: m.exp(x) - 1, [1e-12, -1e-20, 2.0]),
    "exp/(1+exp)": (lambda m, x: m.exp(x) / (1 + m.exp(x)), [1000.0, -1000.0, 0.3]),
    "3/(1+exp)": (lambda m, x: 3 / (1 + m.exp(x)), [1000.0, -1000.0]),
    "1/(1+exp(-x))": (sigmoid, [1000.0, -700.0, 0.1]),
    "exp(x)*sigmoid(-x)": (lambda m, x: m.exp(x) * sigmoid(m, -x), [800.0, -800.0]),
    "1-sigmoid": (lambda m, x: 1 - sigmoid(m, x), [40.0, 700.0]),
    "log(sigmoid)": (lambda m, x: m.log(sigmoid(m, x)), [-1000.0, 40.0]),
    "log(1-sigmoid)": (lambda m, x: m.log(1 - sigmoid(m, x)), [1000.0, -40.0]),
    "log1p(-sigmoid)": (lambda m, x: m.log1p(-sigmoid(m, x)), [1000.0, -40.0]),
    "log1p(exp)": (lambda m, x: m.log1p(m.exp(x)), [1000.0, -700.0]),
    "log(1+exp)": (lambda m, x: m.log(1 + m.exp(x)), [1000.0, -700.0]),
    "1-erf": (lambda m, x: 1 - m.erf(x), [10.0]),
    "erfc-1": (lambda m, x: m.erfc(x) - 1, [1e-20]),
    "log(exp)": (lambda m, x: m.log(m.exp(x)), [1000.0, -1000.0]),
    "sqrt(x^2)": (lambda m, x: m.sqrt(x**2), [1e200, -3.0]),
    "log(sqrt)": (lambda m, x: m.log(m.sqrt(x)), [1e-320, 1e300]),
    "log(1/x)": (lambda m, x: m.log(1 / x), [1e-320, 5.0]),
    "-max(-x)": (lambda m, x: x if m is mpmath else -tc.max(-x[None]), [3.0, -1e308]),
    "cross-entropy of a sigmoid, target 0": (lambda m, x: -m.log(1 - sigmoid(m, x)), [1000.0, -1000.0]),
    "cross-entropy of a sigmoid, target 1": (lambda m, x: -m.log(sigmoid(m, x)), [1000.0, -1000.0]),
}


def exact(formula, value):
    x = mpmath.mpf(value)
    with mpmath.workdps(900):  # 1 - sigmoid(1000) needs hundreds of digits as written
        step = mpmath.mpf(10) ** -300 * (abs(x) if 0 < abs(x) < 1 else 1)
        slope = mpmath.diff(lambda t: formula(mpmath, t), x, h=step)
        return float(formula(mpmath, x)), float(slope)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SCALAR)
def test_value_and_gradient_at_the_probe(name, mode):
    formula, points = SCALAR[name]
    x = tc.scalar("x")
    y = formula(tc, x)
    f = tc.function([x], [y, tc.grad(y, x)], mode=mode)
    for point in points:
        value, gradient = f(point)
        wanted, slope = exact(formula, point)
        np.testing.assert_allclose(value, wanted, rtol=4e-15, atol=1e-323, err_msg=f"value at {point}")
        np.testing.assert_allclose(gradient, slope, rtol=1e-12, atol=1e-300, err_msg=f"gradient at {point}")


@pytest.mark.parametrize("mode", MODES)
def test_several_arguments(mode):
    x, y = tc.vector("x"), tc.vector("y")
    big = np.array([1000.0, -1000.0])
    add = tc.log(tc.exp(x) + tc.exp(y))
    f = tc.function([x, y], [add, *tc.grad(add.sum(), [x, y])], mode=mode)
    value, dx, dy = f(big, big)
    np.testing.assert_allclose(value, big + np.log(2), rtol=1e-15)
    np.testing.assert_allclose([dx, dy], 0.5)
    lse = tc.log(tc.exp(x).sum())
    g = tc.function([x], [lse, tc.grad(lse, x)], mode=mode)
    value, gradient = g(np.array([1000.0, 1000.0, -1000.0]))
    assert value == pytest.approx(1000 + np.log(2), rel=1e-15)
    np.testing.assert_allclose(gradient, [0.5, 0.5, 0.0])


@pytest.mark.parametrize("mode", MODES)
def test_rows(mode):
    x = tc.matrix("x")
    rows = np.array([[0.0, 1000.0], [-1000.0, 1000.0], [3.0, 3.0]])
    softmax = tc.exp(x) / tc.exp(x).sum(axis=1, keepdims=True)
    f = tc.function([x], softmax, mode=mode)
    np.testing.assert_allclose(f(rows), [[0, 1], [0, 1], [0.5, 0.5]])
    log_softmax = tc.log(softmax)
    picked = -log_softmax[np.arange(3), np.array([0, 1, 0])].mean()
    g = tc.function([x], [log_softmax, picked, tc.grad(picked, x)], mode=mode)
    value, loss, gradient = g(rows)
    np.testing.assert_allclose(value, [[-1000, 0], [-2000, 0], [-np.log(2)] * 2])
    assert loss == pytest.approx((1000 + 0 + np.log(2)) / 3)
    onehot = np.array([[1, 0], [0, 1], [1, 0]])
    np.testing.assert_allclose(gradient, (np.array([[0, 1], [0, 1], [0.5, 0.5]]) - onehot) / 3, atol=1e-300)
    subtracted = x - tc.logsumexp(x, axis=1, keepdims=True)
    h = tc.function([x], [subtracted, tc.argmax(softmax, axis=1)], mode=mode)
    value, best = h(rows)
    np.testing.assert_allclose(value, [[-1000, 0], [-2000, 0], [-np.log(2)] * 2])
    np.testing.assert_array_equal(best, [1, 1, 0])


def as_written(name, formula, points):
    return pytest.param(formula, points, id=name)


NAN, INF = np.nan, np.inf


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("formula", "points"),
    [
        as_written("x*0", lambda x, y: x * 0, [(1.0, 0), (-1.0, 0), (INF, 0), (NAN, 0)]),
        as_written("0/x", lambda x, y: 0 / x, [(0.0, 0), (-2.0, 0), (NAN, 0), (INF, 0)]),
        as_written("x-x", lambda x, y: x - x, [(INF, 0), (NAN, 0), (1.0, 0)]),
        as_written("(x*y)/y", lambda x, y: (x * y) / y, [(1.0, 0.0), (1e200, 1e200), (3.0, INF), (0.1, 3.0)]),
        as_written("(x+y)-x", lambda x, y: (x + y) - x, [(1e16, 1.0), (INF, 1.0), (0.1, 0.2)]),
        as_written("x+0.0", lambda x, y: x + 0.0, [(-0.0, 0), (NAN, 0)]),
        as_written("x-0.0", lambda x, y: x - 0.0, [(-0.0, 0), (0.0, 0)]),
        as_written("0.0-x", lambda x, y: 0.0 - x, [(0.0, 0), (-0.0, 0)]),
        as_written("-(x-y)", lambda x, y: -(x - y), [(1.0, 1.0), (0.0, -0.0)]),
        as_written("x/y*y", lambda x, y: x / y * y, [(1.0, 0.0), (1.0, 49.0), (INF, INF)]),
        as_written(
            "log(1/x)",
            lambda x, y: np.log(1 / x),
            [(-0.0, 0), (0.0, 0), (INF, 0), (-INF, 0), (-2.0, 0), (NAN, 0)],
        ),
        as_written("x*1", lambda x, y: x * 1.0, [(-0.0, 0), (NAN, 0)]),
        as_written("x**1", lambda x, y: x**1.0, [(-0.0, 0), (NAN, 0), (-5.0, 0)]),
        as_written("x==x", lambda x, y: 1.0 * (x <= x), [(NAN, 0), (1.0, 0)]),
        as_written("max(x,y)", lambda x, y: np.maximum(x, y), [(NAN, 1.0), (1.0, NAN), (2.0, 1.0)]),
        as_written("(x+y)+1", lambda x, y: (x + y) + 1.0, [(1e16, 1.0), (0.1, 0.2)]),
    ],
)
def test_what_ieee_gets_right_is_left_alone(formula, points, mode):
    x, y = tc.scalar("x"), tc.scalar("y")
    f = tc.function([x, y], formula(x, y), mode=mode, on_unused_input="ignore")
    for a, b in points:
        with np.errstate(all="ignore"):
            expected = formula(np.float64(a), np.float64(b))
        assert f(a, b).tobytes() == np.float64(expected).tobytes() or (
            np.isnan(expected) and np.isnan(f(a, b))
        )


@pytest.mark.parametrize("mode", MODES)
def test_integer_edge_cases_give_numpys_values(mode):
    for dtype in ("int8", "int32", "int64", "uint8", "uint64"):
        info = np.iinfo(dtype)
        values = np.array([info.min, info.max, 0, 1, 7], dtype)
        a, b = (v.ravel() for v in np.meshgrid(values, np.array([0, 1, 3, info.max, info.min], dtype)))
        if info.min < 0:
            a, b = np.append(a, np.array([info.min], dtype)), np.append(b, np.array([-1], dtype))
        x, y = tc.tensor("x", dtype, (None,)), tc.tensor("y", dtype, (None,))
        f = tc.function([x, y], [x // y, x % y, x << y, x >> y, x * y, -x if info.min < 0 else x], mode=mode)
        with np.errstate(all="ignore"):
            expected = [a // b, a % b, a << b, a >> b, a * b, -a if info.min < 0 else a]
        for got, wanted in zip(f(a, b), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("mode", ["O0", "fast"])
@pytest.mark.parametrize(
    "target", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"]
)
@pytest.mark.parametrize("source", ["float32", "float64"])
def test_float_to_integer_casts_as_numpy(source, target, mode):
    points = np.array(
        [
            0.0,
            -0.0,
            1.9,
            -1.9,
            127,
            128,
            300,
            -300,
            2**31,
            2**32,
            2**63,
            2**64,
            -(2.0**63),
            1e30,
            NAN,
            INF,
            -INF,
        ],
        source,
    )
    x = tc.tensor("x", source, (None,))
    f = tc.function([x], x.astype(target), mode=mode)
    with np.errstate(all="ignore"):
        # one at a time: NumPy's vector loops give other values out of range than its scalar ones
        expected = [points[i : i + 1].astype(target)[0] for i in range(points.size)]
        np.testing.assert_array_equal(f(points), expected)
