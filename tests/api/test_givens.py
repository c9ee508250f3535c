"""`givens`: what replaces what, and the sizes that go with it."""

import numpy as np
import pytest

import tensorc as tc
from tensorc.api.expr import Node
from tensorc.api.substitute import Substitution
from tensorc.api.trace import postorder
from tensorc.ops.arithmetic import Add

X = np.arange(3.0)


def test_replacements_may_use_each_other_in_any_order():
    x, y, z = tc.vectors("x", "y", "z")
    for givens in ({x: y * 2, y: z + 1}, {y: z + 1, x: y * 2}):
        np.testing.assert_array_equal(tc.function([z], x + y, givens=givens)(X), 3 * (X + 1))
    np.testing.assert_array_equal(tc.function([z], x, givens=[(x, y), (y, z)])(X), X)


def test_a_replacement_that_contains_what_it_replaces_means_the_original():
    x = tc.vector("x")
    hidden = x * x
    f = tc.function([x], hidden + 1, givens={hidden: tc.clip(hidden, 0, 1)})
    np.testing.assert_array_equal(f(X), np.minimum(X * X, 1) + 1)
    np.testing.assert_array_equal(tc.function([x], x + 1, givens={x: x * 2})(X), X * 2 + 1)


def test_both_at_once():
    x, z = tc.vectors("x", "z")
    a = x * 2
    b = a + 1
    f = tc.function([z], [a, b], givens={x: z, a: a * 10, b: b - a})
    found = f(X)
    np.testing.assert_array_equal(found[0], X * 20)
    np.testing.assert_array_equal(found[1], X * 20 + 1 - X * 20)


def test_a_circle_is_one_clear_error():
    x, y, z = tc.vectors("x", "y", "z")
    with pytest.raises(tc.TensorcError, match=r"circle: .*<x.* -> .*<y.* -> .*<z.* -> .*<x") as caught:
        tc.function([], x, givens={x: y + 1, y: z, z: x * 2})
    assert "test_givens.py" in str(caught.value)


def test_shared_variables_and_literals():
    x, w, v = tc.vector("x"), tc.shared(X, "w"), tc.shared(X + 1, "v")
    np.testing.assert_array_equal(tc.function([], w * 2, givens={w: v})(), (X + 1) * 2)
    np.testing.assert_array_equal(tc.function([], x + w, givens={x: [1, 2, 3], w: np.ones(3)})(), [2, 3, 4])
    f = tc.function([x], w, updates={w: w + x}, givens={w: x})
    np.testing.assert_array_equal(f(X + 5), X + 5)
    np.testing.assert_array_equal(w.get_value(), 2 * (X + 5))


def test_types_follow_the_replacement():
    x = tc.vector("x")
    f = tc.function([], tc.exp(x), givens={x: tc.constant(X)})
    assert "tensor<3xf64>" in f.source("tensor")
    with pytest.raises(tc.TensorcError, match=r"tensor<3xf64>.*4"):
        tc.function([], x + tc.ones(4), givens={x: tc.constant(X)})


def test_sizes_come_from_the_replacement_when_the_original_has_no_inputs_left():
    x, y = tc.vectors("x", "y")
    hidden = tc.exp(x)
    mean = hidden.sum() / hidden.shape[0]
    f = tc.function([y], [mean, tc.zeros_like(hidden)], givens={hidden: y})
    found, zeros = f(np.arange(7.0))
    assert found == 3.0
    assert zeros.shape == (7,)
    static = tc.function([], mean, givens={hidden: tc.constant(X)})
    assert static() == 1.0


def test_sizes_must_agree_when_both_are_there():
    x, y = tc.vectors("x", "y")
    hidden = tc.exp(x)
    f = tc.function([x, y], hidden.sum() / hidden.shape[0] + x.sum(), givens={hidden: y})
    assert f(np.zeros(3), X) == 1.0
    with pytest.raises(ValueError, match="givens: the value has extent 4, the expression it replaces has 3"):
        f(np.zeros(3), np.zeros(4))


def test_comparisons_and_sizes_can_be_replaced():
    x, y, k = tc.vector("x"), tc.vector("y"), tc.lscalar("k")
    same = x == y
    b = tc.tensor("b", "bool", (None,))
    f = tc.function([b, x], tc.where(same, x, -x), givens={same: b})
    np.testing.assert_array_equal(f([True, False, True], X), [0, -1, 2])
    np.testing.assert_array_equal(tc.function([x, k], x * x.shape[0], givens={x.shape[0]: k})(X, 10), X * 10)


def test_a_gradient_below_a_replacement_is_the_gradient_there():
    x, y = tc.vectors("x", "y")
    gradient = tc.grad((x**3).sum(), x)
    np.testing.assert_array_equal(tc.function([y], gradient, givens={x: y * 2})(X), 3 * (2 * X) ** 2)


def test_a_computed_expression_is_replaced_below_its_gradient_too():
    x = tc.vector("x")
    hidden = x * x
    gradient = tc.grad((hidden**3).sum(), x)
    f = tc.function([x], [hidden, gradient], givens={hidden: tc.clip(hidden, 0, 1)})
    clipped = np.minimum(X * X, 1)
    np.testing.assert_array_equal(f(X)[1], 3 * clipped**2 * 2 * X)
    assert len(postorder([(hidden**3).sum(), gradient])) < 40


def test_ten_thousand_deep():
    chain = [tc.vector() for _ in range(10_000)]
    deep = [tc.vector()]
    for _ in range(10_000):
        deep.append(deep[-1] + 1.0)
    links = {a: b + 1.0 for a, b in zip(chain, [*chain[1:], deep[-1]], strict=True)}
    (found,) = Substitution(links)([chain[0]])
    nodes = [item for item in postorder([found]) if isinstance(item, Node)]
    assert sum(node.definition is Add for node in nodes) == 20_000
    clipped = {e: tc.clip(e, 0.0, 1.0) for e in deep[1:]}
    (found,) = Substitution(clipped)([deep[-1]])
    assert found is not deep[-1]


@pytest.mark.parametrize(
    ("givens", "words"),
    [
        (lambda x, s: {x: s}, "another rank"),
        (lambda x, s: {x: x.astype("float32") > 0}, None),
        (lambda x, s: {tc.lscalar("k"): 1.5}, "int64"),
        (lambda x, s: {1: x}, "int"),
        (lambda x, s: [(x, x), (x, x)], "twice"),
        (lambda x, s: 5, "pairs"),
        (lambda x, s: [x], "pairs"),
        (lambda x, s: "ab", "pairs"),
        (lambda x, s: {x: "a"}, "dtype"),
    ],
)
def test_wrong_givens(givens, words):
    x, s = tc.vector("x"), tc.scalar("s")
    if words is None:  # a bool converts to float64 safely
        assert tc.function([x], x.sum(), givens=givens(x, s))(X) == 2.0
        return
    with pytest.raises(tc.TensorcError, match=words) as caught:
        tc.function([x], x, givens=givens(x, s))
    assert "test_givens.py" in str(caught.value)
