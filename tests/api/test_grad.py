"""`tc.grad`: values against finite differences, boundaries, known gradients, and what it refuses."""

import numpy as np
import pytest

import tensorc as tc

RNG = np.random.default_rng(1)


def compiled(cost, symbols, wrt=None, mode="O0", **options):
    gradients = tc.grad(cost, symbols if wrt is None else wrt, **options)
    return tc.function(list(symbols), [cost, *gradients], mode=mode, on_unused_input="ignore")


def finite_differences(f, arrays, step=1e-6):
    gradients = []
    for k, array in enumerate(arrays):
        gradient = np.zeros_like(array)
        for position in np.ndindex(array.shape):
            up, down = [a.copy() for a in arrays], [a.copy() for a in arrays]
            up[k][position] += step
            down[k][position] -= step
            gradient[position] = (f(*up)[0] - f(*down)[0]) / (2 * step)
        gradients.append(gradient)
    return gradients


M, N, V = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 3)), RNG.normal(size=4)
COSTS = {
    "arithmetic": (lambda a, v: ((a + v) * a / (2 + v * v) - v).sum(), (M, V)),
    "power": (lambda a: (abs(a) ** 1.5 + a**3).sum(), (M,)),
    "exponentials": (lambda a: (tc.exp(a) + tc.expm1(a) + tc.exp2(a)).sum(), (M,)),
    "logarithms": (lambda a: (tc.log(abs(a)) + tc.log1p(a * a) + tc.log2(abs(a) + 1)).sum(), (M,)),
    "trigonometry": (lambda a: (tc.sin(a) * tc.cos(a) + tc.tanh(a)).sum(), (M,)),
    "logistic": (lambda a: (tc.sigmoid(a) + tc.softplus(a) * tc.erf(a) + tc.erfc(a)).sum(), (M,)),
    "choice": (lambda a, v: (tc.maximum(a, v) * tc.where(a > 0, a, 2 * v) + abs(a)).sum(), (M, V)),
    "logaddexp": (lambda a, v: tc.logaddexp(a, v).sum(), (M, V)),
    "reductions": (lambda a: (a.sum(0) * a.mean(0) + a.max(0) - a.min(0)).sum() * a.prod(1).sum(), (M,)),
    "variance": (lambda a: a.var(axis=1).sum(), (M,)),
    "softmax": (lambda a: (tc.nn.softmax(a) * a).sum(), (M,)),
    "log softmax": (lambda a: (tc.nn.log_softmax(a, axis=0) * a).sum(), (M,)),
    "logsumexp": (lambda a: (tc.logsumexp(a, axis=1) ** 2).sum(), (M,)),
    "products": (lambda a, b, v: (tc.tanh(a @ b) @ a @ v).sum(), (M, N, V)),
    "batched product": (lambda a, b: (tc.stack([a, a * a]) @ b).prod(), (M[:2], N[:, :2])),
    "shapes": (lambda a: (a.reshape(2, 6) @ a.T.reshape(6, 2)).sum(), (M,)),
    "concatenation": (lambda a, b: (tc.concatenate([a, b.T * a]) ** 2)[1:5, ::-2].sum(), (M, N)),
    "slices": (lambda a: (a[1:, ::-1] * a[:-1, :] + a[0]).sum(), (M,)),
    "gather": (lambda a: (a[np.array([0, 2, 0, -1]), np.array([1, 1, 1, 3])] ** 2).sum(), (M,)),
    "set": (lambda a, v: (a[1].set(v * v) * a).sum(), (M, V)),
    "add": (lambda a, v: (a[np.array([0, 0, 2])].add(v) ** 2).sum(), (M, V)),
    "broadcast": (lambda a, v: (tc.broadcast_to(v, (3, 4)) * a * a.sum(1, keepdims=True)).sum(), (M, V)),
}


@pytest.mark.parametrize("mode", ["O0", "fast"])
@pytest.mark.parametrize("name", COSTS)
def test_gradients_against_finite_differences(name, mode):
    cost, arrays = COSTS[name]
    symbols = [tc.tensor(f"x{i}", "float64", (None,) * a.ndim) for i, a in enumerate(arrays)]
    f = compiled(cost(*symbols), symbols, mode=mode)
    _, *gradients = f(*arrays)
    for got, expected in zip(gradients, finite_differences(f, arrays), strict=True):
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-7)


def test_second_order():
    x = tc.scalar("x")
    first = tc.grad(tc.sin(x) * x**2, x)
    f = tc.function([x], tc.grad(first, x))
    v = 0.7
    assert f(v) == pytest.approx(-(v**2) * np.sin(v) + 4 * v * np.cos(v) + 2 * np.sin(v), rel=1e-12)


def test_wrt_may_be_computed_and_the_result_has_its_form():
    x = tc.vector("x")
    y = tc.exp(x)
    cost = (y**2).sum()
    assert isinstance(tc.grad(cost, (y,)), tuple)
    f = tc.function([x], tc.grad(cost, [y])[0])
    np.testing.assert_allclose(f(V), 2 * np.exp(V))


def test_consider_constant_and_stop_gradient():
    x = tc.vector("x")
    y = x * x
    np.testing.assert_allclose(tc.grad((y * x).sum(), x, consider_constant=[y]).eval({x: V}), V * V)
    np.testing.assert_allclose(tc.grad((tc.stop_gradient(y) * x).sum(), x).eval({x: V}), V * V)


def test_known_grads():
    x = tc.vector("x")
    y = tc.exp(x)
    f = tc.function([x], tc.grad(None, x, known_grads={y: tc.ones_like(y) * 3}))
    np.testing.assert_allclose(f(V), 3 * np.exp(V))
    g = tc.function([x], tc.grad((y**2).sum(), x, known_grads={y: tc.ones_like(y)}))
    np.testing.assert_allclose(g(V), np.exp(V))


def test_disconnected_inputs():
    x, y = tc.vector("x"), tc.vector("y")
    with pytest.raises(ValueError, match="does not depend"):
        tc.grad(x.sum(), y)
    with pytest.warns(UserWarning, match="does not depend"):
        tc.grad(x.sum(), y, disconnected_inputs="warn")
    zero = tc.grad(x.sum(), y, disconnected_inputs="ignore")
    np.testing.assert_array_equal(tc.function([y], zero)(V), np.zeros(4))
    through_shape = (x * 0 + y.shape[0]).sum()
    with pytest.raises(ValueError, match="does not depend"):
        tc.grad(through_shape, y)


def test_zero_is_not_disconnected():
    x = tc.vector("x")
    np.testing.assert_array_equal(
        tc.grad((x > 0).astype("float64").sum() + x.sum() * 0, x).eval({x: V}), V * 0
    )


def test_through_a_shared_variable_and_a_large_constant():
    w = tc.shared(M, name="w")
    c = tc.constant(np.arange(12.0).reshape(3, 4))
    f = tc.function([], tc.grad((w * w * tc.exp(c / 10) * c).sum(), w))
    np.testing.assert_allclose(f(), 2 * M * np.exp(c.value / 10) * c.value)


def test_masked_branches_do_not_leak_nan():
    x = tc.vector("x")
    y = tc.where(x > 0, tc.log(x), 0.0)
    g = tc.function([x], tc.grad(y.sum(), x))
    np.testing.assert_array_equal(g(np.array([2.0, 0.0, -1.0])), [0.5, 0.0, 0.0])
    z = tc.where(abs(x) < 1e-8, 1.0, tc.sin(x) / x)
    h = tc.function([x], tc.grad(z.sum(), x))
    assert h(np.array([0.0]))[0] == 0.0


def test_product_with_zeros():
    x = tc.vector("x")
    f = tc.function([x], tc.grad(x.prod(), x))
    np.testing.assert_array_equal(f([0, 2, 3]), [6, 0, 0])
    np.testing.assert_array_equal(f([0, 0, 3]), [0, 0, 0])


@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (1, 3), (3, 1)])
def test_gradients_at_empty_and_unit_extents(shape):
    a, b = tc.matrix("a"), tc.matrix("b")
    cost = (tc.nn.softmax(a * b) * a).sum() + (a @ b.T).sum()
    f = compiled(cost, [a, b], mode="fast")
    x, y = RNG.normal(size=shape), RNG.normal(size=shape)
    _, *gradients = f(x, y)
    for got, expected in zip(gradients, finite_differences(f, [x, y]), strict=True):
        assert got.shape == shape
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)


def test_ten_thousand_ops_differentiate():
    x = tc.scalar("x")
    y = x
    for i in range(10_000):
        y = y * 1.0001 if i % 2 else y + 0.001
    f = tc.function([x], tc.grad(y, x), mode="O0", on_unused_input="ignore")
    assert f(1.0) == pytest.approx(1.0001**5000, rel=1e-10)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([np.inf, 0.0], [np.nan, 0.0]),
        ([np.nan, 0.0], [np.nan, np.nan]),
        ([-np.inf, 0.0], [0.0, 1.0]),
        ([-np.inf, -np.inf], [0.0, 0.0]),
    ],
)
@pytest.mark.parametrize("form", [tc.logsumexp, lambda x: tc.log(tc.sum(tc.exp(x)))])
@pytest.mark.parametrize("mode", ["O0", "fast"])
def test_logsumexp_has_the_gradient_softmax_where_something_is_not_finite(form, given, wanted, mode):
    x = tc.vector("x")
    f = tc.function([x], tc.grad(form(x), x), mode=mode)
    np.testing.assert_array_equal(f(np.array(given)), wanted)
