"""`tc.jit`: what a call takes and gives, when it traces again, inlining, and what it refuses."""

from __future__ import annotations

import copy
import dataclasses
import gc
import pickle
import subprocess
import sys
import threading
import warnings
import weakref
from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tensorc as tc
from tensorc.api import pytree
from tensorc.codegen_llvm import entry_layout
from tests.api.jit_support import DTYPES, assert_same
from tests.effort import effort

State = namedtuple("State", ["position", "velocity"])


@dataclasses.dataclass
class Params:
    w: object
    b: object


def trees():
    leaves = st.sampled_from(
        [1, -2.5, np.float32(3), np.arange(3), np.ones((2, 0), "f4"), np.array(7, "u1"), np.arange(6.0)[::-2]]
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.tuples(inner, inner),
            st.dictionaries(st.sampled_from(["a", "b", 3, None, (1, 2)]), inner, max_size=3),
            st.builds(State, inner, inner),
            st.builds(Params, inner, inner),
            st.none(),
        ),
        max_leaves=6,
    )


# ---------------------------------------------------------------------------------- tracing and calling


def test_one_trace_serves_every_shape():
    seen = []

    @tc.jit
    def f(x, y):
        seen.append((x.shape, y.dtype))
        return x @ y + 1

    for n in (3, 1, 0, 17):
        a, b = np.ones((n, 2)), np.full((2, n), 0.5)
        assert_same(f(a, b), a @ b + 1)
        assert_same(f(np.asfortranarray(a), b[:, ::-1]), a @ b + 1)
    assert len(seen) == 1
    assert f.stats() == {"traces": 1, "calls": 8, "inlined": 0}


def test_rank_dtype_structure_and_weakness_make_a_new_trace():
    @tc.jit
    def f(x):
        return tc.exp(x[0] if isinstance(x, list) else x)

    calls = [1.0, np.float64(1), np.ones(2), np.ones((2, 2)), np.ones(2, "f4"), 1, [1.0], [np.ones(2)], True]
    for _ in range(3):
        for value in calls:
            f(value)
    assert f.stats()["traces"] == len(calls)
    assert f.stats()["calls"] == 3 * len(calls)
    assert [v.calls for v in f.variants] == [3] * len(calls)
    assert f.variants[0].form == "f(x: float)"
    assert f.variants[3].form == "f(x: tensor<?x?xf64>)"
    assert f.variants[7].form == "f(x[0]: tensor<?xf64>)"


@pytest.mark.parametrize("dtype", DTYPES)
def test_jit_is_function_is_numpy(dtype):
    a = np.array([[0, 1, 2], [1, 1, 0]], dtype)
    b = np.array([1, 0, 1], dtype)

    def program(x, y):
        return x * y + (x > y), x.sum(axis=0), x[:, 1:] == y[1:]

    x, y = tc.tensor("x", dtype, (None, None)), tc.tensor("y", dtype, (None,))
    for found, same, wanted in zip(
        tc.jit(program)(a, b), tc.function([x, y], program(x, y))(a, b), program(a, b), strict=True
    ):
        assert_same(found, wanted)
        assert_same(same, wanted)


def test_hostile_layouts():
    @tc.jit
    def f(x):
        return x * 2

    base = np.arange(24.0).reshape(4, 6)
    packed = np.zeros(5, dtype=[("a", "i1"), ("v", "f8")])["v"]
    big = np.arange(4.0).astype(">f8")
    read_only = np.arange(4.0)
    read_only.setflags(write=False)
    for value in (
        base.T,
        base[::-1, ::-2],
        base[:0],
        np.float64(2),
        np.array(2.0),
        np.broadcast_to(1.0, (3, 4)),
        packed,
        big,
        read_only,
        np.array([np.nan, np.inf, -0.0]),
        np.ones((1, 1, 1, 1, 1, 1)),
    ):
        found = f(value)
        assert_same(found, np.asarray(value).astype("f8") * 2)
        assert not np.shares_memory(found, value)


def test_the_fast_path_runs_no_python():
    @tc.jit
    def f(x, y):
        return x + y, x * y

    a, b = np.ones(3), np.ones(3)
    f(a, b)
    assert effort(lambda: f(a, b)) <= 2  # the lambda itself
    f(a.astype("f4"), b)
    assert effort(lambda: f(a.astype("f4"), b)) < effort(lambda: f(a, b))
    assert effort(lambda: f(a, b)) <= 2  # the last form of call is the fast one
    assert f.stats()["traces"] == 2


def test_the_python_entry_gives_the_same(monkeypatch):
    monkeypatch.setattr(entry_layout, "unsupported", lambda: "switched off by the test")
    f = tc.jit(lambda x, y: {"sum": x + y}, mode="O0")
    a = np.ones(3)
    for _ in range(2):
        assert_same(f(a, a)["sum"], a + a)
        assert_same(f(a.astype("f4"), 1)["sum"], np.full(3, 2, "f4"))
        assert_same(f(a[::2], y=np.ones((2, 1)))["sum"], np.full((2, 2), 2.0))
    assert f.stats() == {"traces": 3, "calls": 6, "inlined": 0}
    f.clear()
    assert_same(f(a, a)["sum"], a + a)


def test_slow_calls_do_little():
    f = tc.jit(lambda d, n=2: {"out": d["w"] * n})
    g = tc.jit(lambda x, n: x * n)
    d, a = {"w": np.ones(3)}, np.ones(3)
    for call, most in ((lambda: g(a, 2.0), 40), (lambda: g(a, n=2.0), 60), (lambda: f(d), 100)):
        call()
        assert effort(call) <= most


def test_defaults_keywords_and_variable_arguments():
    @tc.jit
    def f(x, /, y, *rest, scale=2.0, **more):
        total = x - y + sum(rest) * scale
        return total + sum(more.values())

    def plain(x, /, y, *rest, scale=2.0, **more):
        return x - y + sum(rest) * scale + sum(more.values())

    a, b = np.arange(3.0), np.arange(3.0) + 1
    for args, kwargs in [
        ((a, b), {}),
        ((a,), {"y": b}),
        ((a, b, a, b), {}),
        ((a, b), {"scale": 3}),
        ((a, b), {"scale": a, "k": b, "j": 2}),
        ((a, b), {"j": 2, "scale": a, "k": b}),
    ]:
        assert_same(f(*args, **kwargs), plain(*args, **kwargs))
    assert f.stats()["traces"] == 4


def test_fast_path_and_defaults_do_not_mix():
    @tc.jit
    def f(x, y=None):
        return x if y is None else x + y

    a = np.ones(2)
    for _ in range(2):
        assert_same(f(a), a)
        assert_same(f(a, a), a + a)
        assert_same(f(a, None), a)
        assert_same(f(a, y=a), a + a)
    assert f.stats()["traces"] == 3


def test_a_default_is_a_constant_until_it_is_overridden():
    @tc.jit(static_argnames="mode")
    def f(x, n=3, mode="up", scale=2.0):
        for _ in range(n) if isinstance(n, int) else ():
            x = x + 1 if mode == "up" else x - 1
        return x * scale + (0 if isinstance(n, int) else n)

    a = np.zeros(2, "f4")
    assert_same(f(a), a + 6)
    assert_same(f(a, scale=3.0), a + 9)
    assert_same(f(a, scale=3.0, mode="down"), a - 9)
    assert_same(f(a, mode="down"), a - 6)
    assert_same(f(a, 5), a + 5)
    assert_same(f(a, scale=1, n=5), a + 5)
    assert [v.form for v in f.variants][1:3] == [
        "f(x: tensor<?xf32>, scale: float)",
        "f(x: tensor<?xf32>, scale: float, mode='down')",
    ]
    assert effort(lambda: f(a)) <= 2  # the default is no obstacle to the native path


@pytest.mark.parametrize("function", [np.exp, np.sum, abs, lambda x: np.where(x > 1, x, 0)])
def test_functions_of_others(function):
    a = np.arange(4.0)
    np.testing.assert_allclose(tc.jit(function)(a), function(a), rtol=1e-14)
    assert_same(tc.jit(sum)([a, a]), a + a)


def test_no_arguments_and_no_result():
    assert_same(tc.jit(lambda: 3)(), np.array(3))
    assert tc.jit(lambda x: None)(np.ones(2)) is None
    assert tc.jit(lambda: ())() == ()
    assert tc.jit(lambda: {"a": [], "b": None})() == {"a": [], "b": None}


def test_results_keep_the_users_form():
    @tc.jit
    def f(x):
        return {"z": x, "a": [x + 1, (x * 2, None)], "s": State(x, 3), "p": Params(2.5, True)}

    a = np.ones(2)
    found = f(a)
    assert list(found) == ["z", "a", "s", "p"]
    assert_same(found["a"][0], a + 1)
    assert found["a"][1][1] is None
    assert isinstance(found["s"], State)
    assert_same(found["s"].velocity, np.array(3))
    assert_same(found["p"].w, np.array(2.5))
    assert_same(found["p"].b, np.array(True))
    assert not np.shares_memory(found["z"], a)
    assert isinstance(tc.jit(lambda x: [x])(a), list)
    assert isinstance(tc.jit(lambda x: (x,))(a), tuple)


@given(trees())
@settings(max_examples=20)
def test_any_tree_of_arrays_goes_through(tree):
    def doubled(t):
        leaves, structure = pytree.flatten(t)
        return pytree.unflatten(structure, [leaf + leaf for leaf in leaves])

    found, wanted = tc.jit(doubled, mode="O0")(tree), doubled(tree)
    leaves, structure = pytree.flatten(found)
    values, same = pytree.flatten(wanted)
    assert structure == same
    for leaf, value in zip(leaves, values, strict=True):
        assert_same(leaf, value)


def test_dictionaries_in_any_order_are_one_form():
    @tc.jit
    def f(d):
        return {k: v - 1 for k, v in d.items()}

    first = f({"b": np.ones(2), "a": np.zeros(3)})
    second = f({"a": np.zeros(3), "b": np.ones(2)})
    assert first.keys() == second.keys()
    assert_same(first["a"], np.full(3, -1.0))
    assert_same(second["a"], np.full(3, -1.0))
    assert f.stats()["traces"] == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"static_argnums": 5}, "2 positional parameters"),
        ({"static_argnums": -3}, "2 positional parameters"),
        ({"static_argnums": "x"}, "takes positions"),
        ({"static_argnames": "z"}, "no parameter of f"),
        ({"static_argnames": [1]}, "takes names"),
        ({"mode": "fastest"}, "unknown mode"),
        ({"name": 'a"b'}, "the name is"),
        ({"name": 3}, "the name is"),
    ],
)
def test_wrong_options_are_refused_at_once(options, words):
    def f(x, y):
        return x

    with pytest.raises(tc.TensorcError, match=words):
        tc.jit(f, **options)


def test_only_functions_can_be_compiled():
    for wrong in (3, "f", np.ones(2), int, tc.scalar("x")):
        with pytest.raises(tc.TensorcTypeError, match="jit takes a function"):
            tc.jit(wrong)


# ---------------------------------------------------------------------------------- symbols, gradients


def test_symbols_are_inlined():
    @tc.jit
    def f(p, k):
        return {"out": p["x"] * k, "k": k}

    x = tc.vector("x")
    found = f({"x": x}, 2)
    assert f.stats() == {"traces": 0, "calls": 0, "inlined": 1}
    assert_same(tc.function([x], found["out"])(np.ones(3)), np.full(3, 2.0))
    assert found["out"].location.code is f.__wrapped__.__code__
    half = tc.function([x], f({"x": x}, np.full(3, 0.5))["out"])
    assert_same(half(np.ones(3)), np.full(3, 0.5))
    y = tc.tensor("y", "float32", (None,))
    assert f({"x": y}, 2)["out"].dtype == "float32"


def test_jitted_functions_call_each_other():
    @tc.jit
    def square(x):
        return x * x

    @tc.jit
    def f(x):
        return square(x) + square(square(x))

    a = np.arange(3.0)
    assert_same(f(a), a**2 + a**4)
    assert square.stats() == {"traces": 0, "calls": 0, "inlined": 3}
    assert_same(square(a), a * a)


def test_a_closure_over_an_outer_argument_is_inlined():
    @tc.jit
    def outer(x):
        @tc.jit
        def inner(y):
            return x * y

        table = tc.jit(lambda v: v + 1)(np.ones(3))  # depends on nothing outside: computed now
        assert isinstance(table, np.ndarray)
        return inner(np.arange(3.0)) + inner(x) + table

    a = np.full(3, 2.0)
    assert_same(outer(a), a * np.arange(3.0) + a * a + 2)


def test_recursion_ends_by_a_static_argument():
    @tc.jit(static_argnames="n")
    def power(x, n):
        return tc.ones_like(x) if n == 0 else x * power(x, n - 1)

    assert_same(power(np.full(2, 2.0), 10), np.full(2, 1024.0))


def test_endless_recursion_is_said_to_be():
    @tc.jit
    def f(x):
        return f(x) + 1

    @tc.jit(static_argnums=1)
    def g(x, n):
        return g(x, n + 1)

    for call in (lambda: f(np.ones(2)), lambda: g(np.ones(2), 0)):
        with pytest.raises(tc.TensorcValueError, match="calls itself while it is traced"):
            call()
    assert f.stats()["traces"] == 0


def loss(p, x):
    hidden = tc.tanh(x @ p["w"] + p["b"][0])
    return (hidden * p["b"][1]).sum()


def test_gradients_of_pytrees_keep_their_structure():
    p = {"w": np.arange(6.0).reshape(3, 2) / 7, "b": [np.ones(2), np.full(2, 0.3)]}
    x = np.linspace(-1, 1, 12).reshape(4, 3)

    inside = tc.jit(lambda p, x: tc.grad(loss(p, x), p))
    nested = tc.jit(lambda p, x: tc.grad(tc.jit(loss)(p, x), p))
    twice = tc.jit(lambda p, x: tc.jit(lambda p: tc.grad(tc.jit(loss)(p, x), p))(p))
    found = inside(p, x)
    assert list(found) == ["w", "b"]
    assert isinstance(found["b"], list)
    w, b0, b1, v = tc.matrix("w"), tc.vector("b0"), tc.vector("b1"), tc.matrix("v")
    by_list = tc.function([w, b0, b1, v], tc.grad(loss({"w": w, "b": [b0, b1]}, v), [w, b0, b1]))
    wanted = by_list(p["w"], *p["b"], x)
    for result in (found, nested(p, x), twice(p, x)):
        for a, c in zip([result["w"], *result["b"]], wanted, strict=True):
            np.testing.assert_allclose(a, c, rtol=1e-14)
    step = 1e-6
    bumped = {"w": p["w"] + step * np.eye(3, 2), "b": p["b"]}
    value = tc.jit(loss)
    slope = (value(bumped, x) - value(p, x)) / step
    np.testing.assert_allclose(np.trace(found["w"][:2]), slope, rtol=1e-4)


def test_second_derivatives_nested_both_ways():
    a = np.array([0.3, -0.7, 1.1])

    @tc.jit
    def slope(x):
        return tc.grad(tc.sin(x).sum(), x)

    @tc.jit
    def curvature(x):
        return tc.grad(slope(x).sum(), x)

    @tc.jit
    def third(x):
        return tc.grad(tc.jit(lambda y: tc.grad(slope(y).sum(), y))(x).sum(), x)

    np.testing.assert_allclose(slope(a), np.cos(a), rtol=1e-14)
    np.testing.assert_allclose(curvature(a), -np.sin(a), rtol=1e-14)
    np.testing.assert_allclose(third(a), -np.cos(a), rtol=1e-14)


def test_gradient_with_respect_to_a_python_float():
    f = tc.jit(lambda x, k: tc.grad((x * k).sum(), k))
    assert_same(f(np.arange(3.0), 2.0), np.array(3.0))


def test_gradients_for_one_a_list_and_a_tuple_are_as_ever():
    x, y = tc.scalar("x"), tc.scalar("y")
    assert not isinstance(tc.grad(x * y, x), list | tuple)
    assert type(tc.grad(x * y, [x])) is list
    assert type(tc.grad(x * y, (x, y))) is tuple
    state = tc.grad(x * y, State(x, {"y": y}))
    assert isinstance(state, State)
    with pytest.raises(tc.TensorcTypeError, match="wrt holds a str"):
        tc.grad(x * y, {"x": "x"})


def test_shared_variables_are_read_at_every_call_and_updated():
    w = tc.shared(np.ones(2), name="w")
    n = tc.shared(0)
    n.default_update = n + 1
    f = tc.jit(lambda x: x * w + n)
    assert_same(f(np.ones(2)), np.ones(2))
    w.set_value(np.full(2, 5.0))
    assert_same(f(np.ones(2)), np.full(2, 6.0))
    assert_same(f(3), np.full(2, 17.0))
    assert int(n.get_value()) == 3
    x = tc.vector("x")
    assert_same(tc.function([x], f(x))(np.ones(2)), np.full(2, 8.0))
    assert int(n.get_value()) == 4


# ---------------------------------------------------------------------------------- what is refused


def test_escaped_values_name_the_function_and_the_line():
    kept = []

    @tc.jit
    def f(x):
        double = x * 2
        kept.append(double.sum())
        return double

    f(np.ones(2))
    line = f.__wrapped__.__code__.co_firstlineno + 3
    for use in (
        lambda: tc.function([], kept[0] + 1),
        lambda: (kept[0] + 1).eval(),
        lambda: tc.jit(lambda y: y + kept[0])(np.ones(2)),
    ):
        with pytest.raises(tc.TensorcValueError, match=rf"traced value of f, made at line {line}") as caught:
            use()
        assert caught.value.code == "TC0489"
        assert "kept.append(double.sum())" in str(caught.value)


def test_a_value_of_another_threads_trace_is_refused():
    inside, leave, caught = threading.Event(), threading.Event(), []
    held = []

    @tc.jit
    def f(x):
        held.append(x * 2)
        inside.set()
        leave.wait(30)
        return x

    thread = threading.Thread(target=f, args=(np.ones(2),))
    thread.start()
    inside.wait(30)
    try:
        tc.jit(lambda y: y + held[0])(np.ones(2))
    except tc.TensorcError as error:
        caught.append(error)
    leave.set()
    thread.join(30)
    assert caught[0].code == "TC0489"


def test_a_decision_on_a_traced_value_names_static_arguments():
    @tc.jit
    def f(x, n):
        return x + 1 if n > 2 else x

    with pytest.raises(tc.TensorcTypeError, match="only static arguments") as caught:
        f(np.ones(2), 3)
    assert "return x + 1 if n > 2 else x" in str(caught.value)
    assert "while tracing f(x: tensor<?xf64>, n: int)" in str(caught.value)


def test_values_are_not_known_while_tracing():
    @tc.jit
    def f(x):
        return (x + 1).eval()

    with pytest.raises(tc.TensorcTypeError, match="needed now, but x has none"):
        f(np.ones(2))


def test_a_foreign_symbol_in_a_result_is_refused():
    y = tc.vector("y")
    with pytest.raises(tc.TensorcValueError, match=r"needs <y: .*not an argument of f"):
        tc.jit(lambda x: x + y, name="f")(np.ones(2))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("a", "x is a str"),
        (2j, "x is a complex"),
        (np.array([1j]), "complex128"),
        (np.array(["a"]), "x: ndarray .* dtype <U1"),
        (np.array([object()], object), "x: ndarray .* dtype object"),
        ({1, 2}, "x is a set"),
        ({"a": [1, b"b"]}, r"x\['a'\]\[1\] is a bytes"),
        (np.ma.masked_array([1.0], [True]), "masked"),
        (object(), "x is an object"),
        (lambda: 1, "x is a function"),
        (2**64, "out of bounds for every integer dtype"),
    ],
)
def test_what_is_no_array_is_refused(value, words):
    f = tc.jit(lambda x: x)
    with pytest.raises(tc.TensorcError, match=words):
        f(value)
    assert f.stats()["traces"] == 0


@pytest.mark.parametrize("value", ["a", 2j, {1, 2}, object(), [1, {"k": "v"}]])
def test_results_are_arrays(value):
    with pytest.raises(tc.TensorcTypeError, match="its result"):
        tc.jit(lambda x: value)(1.0)


def test_wrong_arguments_are_worded_as_python_does():
    f = tc.jit(lambda x, y: x, name="f")
    for args, kwargs, words in [
        ((1,), {}, "missing a required argument: 'y'"),
        ((1, 2, 3), {}, "too many positional arguments"),
        ((1, 2), {"z": 3}, "unexpected keyword argument 'z'"),
        ((1,), {"x": 2, "y": 1}, "multiple values for argument 'x'"),
    ]:
        with pytest.raises(tc.TensorcTypeError, match=words):
            f(*args, **kwargs)


def test_errors_while_tracing_show_the_line_and_the_types():
    @tc.jit(static_argnames="n")
    def f(x, n=2):
        return x @ tc.ones((n, n, 2)).sum()

    with pytest.raises(tc.TensorcError) as caught:
        f(np.ones(3, "f4"), 2)
    assert "return x @ tc.ones((n, n, 2)).sum()" in str(caught.value)
    assert "while tracing f(x: tensor<?xf32>, n=2)" in str(caught.value)

    @tc.jit
    def g(x):
        return x.nothing

    with pytest.raises(AttributeError) as plain:
        g(np.ones(3))
    assert "while tracing g(x: tensor<?xf64>)" in str(plain.value)

    @tc.jit
    def h(x):
        return {}["missing"]

    with pytest.raises(KeyError) as plain:
        h(np.ones(3))
    assert plain.value.__notes__ == ["tensorc: while tracing h(x: tensor<?xf64>)"]
    assert f.stats()["traces"] == g.stats()["traces"] == 0


def test_a_failed_trace_leaves_nothing_behind():
    fail = [True]

    @tc.jit
    def f(x):
        if fail[0]:
            raise KeyError("not yet")
        return x + 1

    for _ in range(2):
        with pytest.raises(KeyError):
            f(np.ones(2))
    fail[0] = False
    assert_same(f(np.ones(2)), np.full(2, 2.0))
    assert f.stats() == {"traces": 1, "calls": 1, "inlined": 0}


# ---------------------------------------------------------------------------------- methods, identity, life


class Model:
    def __init__(self, k):
        self.k = k

    @tc.jit(static_argnums=0)
    def scaled(self, x):
        return x * self.k

    @tc.jit
    def plain(self, x):
        return x

    @staticmethod
    @tc.jit
    def free(x):
        return x + 1


@dataclasses.dataclass
class Affine:
    w: object
    b: object

    @tc.jit
    def __call__(self, x):
        return x * self.w + self.b


@tc.jit
def module_level(x):
    """Adds one."""
    return x + 1


unnamed = tc.jit(Model.free.__wrapped__, name="unnamed")


def test_methods():
    a = np.ones(2)
    two, three = Model(2), Model(3)
    for _ in range(2):
        assert_same(two.scaled(a), a * 2)
        assert_same(three.scaled(a), a * 3)
    assert Model.scaled.stats()["traces"] == 2
    assert_same(two.free(a), a + 1)
    with pytest.raises(tc.TensorcTypeError, match=r"self is a Model(.|\n)*register_pytree_node"):
        two.plain(a)
    assert_same(Affine(2.0, np.ones(2))(a), np.full(2, 3.0))
    assert_same(Affine(4.0, np.ones(2))(a), np.full(2, 5.0))
    assert Affine.__call__.stats()["traces"] == 1


def test_identity_is_the_functions():
    assert module_level.__name__ == "module_level"
    assert module_level.__doc__ == "Adds one."
    assert module_level.__wrapped__(1) == 2
    assert "module_level(x)" in repr(module_level)
    assert copy.copy(module_level) is module_level
    assert copy.deepcopy([module_level])[0] is module_level


def test_pickling_by_name_or_by_function():
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(module_level, protocol)) is module_level
    rebuilt = pickle.loads(pickle.dumps(tc.jit(np.linalg.norm, static_argnames="ord", name="norm")))
    assert rebuilt.__wrapped__ is np.linalg.norm
    assert pickle.loads(pickle.dumps(Model.scaled)) is Model.scaled


def test_a_function_of_a_script_travels_whole_with_cloudpickle(tmp_path):
    """The module `__main__` of another process has no such name."""
    pytest.importorskip("cloudpickle", reason="cloudpickle, which joblib and Dask bring, is not installed")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, cloudpickle, tensorc as tc\n"
        "@tc.jit(static_argnames='n')\n"
        "def f(x, n=2):\n    return x * n\n"
        "sys.stdout.buffer.write(cloudpickle.dumps([f, f]))\n"
    )
    written = subprocess.run([sys.executable, script], capture_output=True, check=True).stdout
    first, second = pickle.loads(written)
    assert first is second
    assert_same(first(np.ones(2), 3), np.full(2, 3.0))


def test_source_module_and_clear():
    f = tc.jit(lambda x: tc.tanh(x) * 2, name="f", mode="O1")
    a = np.ones(3)
    assert "tensorc.tanh" in f.source("tensor", a)
    assert "f32" in f.source("tensor", a.astype("f4"))
    assert "f32" in f.source()
    assert "tensor<?xf64>" in f.variants[0].source()
    assert f.module("loops", a).name == "builtin.module"
    assert f.stats() == {"traces": 2, "calls": 0, "inlined": 0}
    with pytest.raises(tc.TensorcTypeError, match="values, not symbols"):
        f.source("tensor", tc.vector("x"))
    f(a)
    f.clear()
    assert f.variants == ()
    assert f.stats() == {"traces": 0, "calls": 0, "inlined": 0}
    assert_same(f(a), np.tanh(a) * 2)


def test_debugprint_shows_every_trace():
    f = tc.jit(lambda x: x + 1, name="f")
    f(1.0)
    f(np.ones(3))
    text = tc.debugprint(f, file="str")
    assert text.count("= add") == 2
    assert "f(x: float) = add" in text


def test_many_traces_are_warned_of_once():
    f = tc.jit(lambda x, n: x + n, static_argnums=1, mode="O0")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for n in range(40):
            f(1.0, n)
    assert len(caught) == 1
    assert "traced 32 times" in str(caught[0].message)
    assert caught[0].filename == __file__


def test_functions_are_freed_without_the_collector():
    gc.collect()
    gc.disable()
    try:
        f = tc.jit(lambda x: x + 1)
        f(np.ones(2))
        f(2.0)
        gone = weakref.ref(f), weakref.ref(f.variants[0].function)
        del f
        assert [r() for r in gone] == [None, None]
    finally:
        gc.enable()


def test_the_gradient_for_an_integer_argument_says_what_to_pass():
    f = tc.jit(lambda w: tc.grad(tc.sum(w["a"] ** 2) * w["b"], w))
    with pytest.raises(tc.TensorcTypeError, match=r"w\['b'\].*not floating point") as caught:
        f({"a": np.ones(3), "b": 2})
    assert "2.0, not 2" in str(caught.value)
    assert f({"a": np.ones(3), "b": 2.0})["b"] == 3
