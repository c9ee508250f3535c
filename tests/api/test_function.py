"""`tc.function`: inputs, outputs, state, givens, checks, and what a compiled function accepts."""

import numpy as np
import pytest

import tensorc as tc


def test_result_takes_the_form_of_the_outputs():
    x = tc.vector("x")
    value = np.arange(3.0)
    assert tc.function([x], None, on_unused_input="ignore")(value) is None
    assert isinstance(tc.function([x], x + 1)(value), np.ndarray)
    as_list = tc.function([x], [x + 1, x * 2])(value)
    assert type(as_list) is list
    assert len(as_list) == 2
    assert type(tc.function([x], (x + 1,))(value)) is tuple
    as_dict = tc.function([x], {"a": x + 1, "b": x * 2})(value)
    assert list(as_dict) == ["a", "b"]
    np.testing.assert_array_equal(as_dict["b"], value * 2)


def test_scalars_give_0d_arrays():
    x = tc.scalar("x")
    result = tc.function([x], x + 1)(2.0)
    assert isinstance(result, np.ndarray)
    assert result.shape == ()
    assert result == 3.0


def test_outputs_never_alias_inputs_constants_or_each_other():
    x = tc.vector("x")
    w = tc.shared(np.arange(3.0))
    big = tc.constant(np.arange(100.0))
    value = np.arange(3.0)
    a, b, c, d = tc.function([x], [x, x, w, big])(value)
    for out in (a, b, c, d):
        assert not np.shares_memory(out, value)
        out += 1
    assert not np.shares_memory(a, b)
    np.testing.assert_array_equal(w.get_value(), np.arange(3.0))
    np.testing.assert_array_equal(tc.function([], big)(), np.arange(100.0))


def test_updates_see_old_values_and_commit_together():
    a, b = tc.shared(1.0), tc.shared(10.0)
    swap = tc.function([], [a, b], updates={a: b, b: a})
    assert [float(v) for v in swap()] == [1.0, 10.0]
    assert float(a.get_value()) == 10.0
    assert float(b.get_value()) == 1.0


def test_a_failed_call_changes_nothing():
    x, i = tc.vector("x"), tc.lvector("i")
    w, n = tc.shared(np.zeros(3)), tc.shared(0)
    f = tc.function([x, i], None, updates=[(w, w + x[i]), (n, n + 1)])
    f(np.ones(3), [0, 1, 2])
    with pytest.raises(IndexError):
        f(np.ones(3), [0, 1, 7])
    with pytest.raises(ValueError, match=r"3 and 2|2 and 3"):
        f(np.ones(3), [0, 1])
    np.testing.assert_array_equal(w.get_value(), np.ones(3))
    assert int(n.get_value()) == 1


def test_set_value_may_change_extents_not_rank_or_dtype():
    w = tc.shared(np.zeros(3), name="w")
    f = tc.function([], w.sum())
    w.set_value(np.ones(10))
    assert f() == 10
    with pytest.raises(TypeError, match="w"):
        w.set_value(np.ones((2, 2)))
    with pytest.raises(TypeError, match="float64"):
        w.set_value(np.ones(3, complex))
    assert w.get_value().shape == (10,)


def test_get_value_copies_unless_borrowed():
    value = np.zeros(3)
    w = tc.shared(value)
    value += 1
    w.get_value()[:] = 5
    np.testing.assert_array_equal(w.get_value(), np.zeros(3))
    assert np.shares_memory(w.get_value(borrow=True), w.get_value(borrow=True))


def test_default_update_and_its_refusal():
    counter = tc.shared(0)
    counter.default_update = counter + 1
    step = tc.function([], counter)
    assert [int(step()) for _ in range(3)] == [0, 1, 2]
    look = tc.function([], counter, no_default_updates=True)
    assert int(look()) == int(look()) == 3


def test_givens_replace_any_node():
    x, y = tc.scalar("x"), tc.scalar("y")
    inner = x * x
    f = tc.function([y], inner + 1, givens={inner: y * 10})
    assert f(2.0) == 21.0
    w = tc.shared(3.0)
    g = tc.function([y], w * 2, givens=[(w, y)])
    assert g(5.0) == 10.0


def test_in_default_name_and_update():
    x, w, y = tc.scalar("x"), tc.scalar("w"), tc.scalar("y")
    f = tc.function([x, tc.In(y, value=1), tc.In(w, value=2, name="w_by_name")], (x + y) * w)
    assert f(33) == 68
    assert f(33, 2) == 70
    assert f(33, w_by_name=1, y=0) == 33
    total = tc.function([x, tc.In(y, value=0.0, update=y + x)], y)
    assert [float(total(5.0)) for _ in range(3)] == [0.0, 5.0, 10.0]


def test_copy_swaps_state_and_drops_updates():
    w, v = tc.shared(1.0), tc.shared(100.0)
    f = tc.function([], w, updates={w: w + 1})
    g = f.copy(swap={w: v})
    assert float(g()) == 100.0
    assert float(v.get_value()) == 101.0
    assert float(w.get_value()) == 1.0
    h = f.copy(delete_updates=True)
    h()
    assert float(w.get_value()) == 1.0


def test_out_argument():
    x = tc.vector("x")
    f = tc.function([x], x + 1)
    out = np.empty(3)
    assert f(np.arange(3.0), out=out) is out
    np.testing.assert_array_equal(out, [1, 2, 3])
    with pytest.raises(ValueError, match="out"):
        f(np.arange(3.0), out=np.empty(4))
    overlapping = np.arange(4.0)
    f(overlapping[:3], out=overlapping[1:])
    np.testing.assert_array_equal(overlapping, [0, 1, 2, 3])


def test_eval():
    x, y = tc.scalar("x"), tc.vector("y")
    assert (x + 1).eval({x: 2}) == 3
    np.testing.assert_array_equal((x * y).eval({x: 2, "y": [1, 2]}), [2, 4])


@pytest.mark.parametrize(
    ("dtype", "value", "ok"),
    [
        ("float64", 3, True),
        ("float64", [1, 2.5], True),
        ("float32", 0.1, True),
        ("float32", np.float64(0.1), False),
        ("float64", np.float32(0.1), True),
        ("int64", 3.0, True),
        ("int64", 3.5, False),
        ("int64", np.int32(3), True),
        ("int8", 300, False),
        ("uint8", -1, False),
        ("bool", True, True),
        ("int64", True, True),
        ("float64", "text", False),
        ("float64", None, False),
        ("float64", 1j, False),
        ("float64", np.array("2020", "M8[Y]"), False),
        ("float64", np.ma.masked_array(1.0), False),
        ("float64", object(), False),
    ],
)
def test_what_converts(dtype, value, ok):
    rank = np.ndim(value) if isinstance(value, list) else 0
    x = tc.tensor("x", dtype, (None,) * rank)
    f = tc.function([x], x, name="f")
    if ok:
        result = f(value)
        assert result.dtype == dtype
        np.testing.assert_allclose(result, value, rtol=1e-7)
    else:
        with pytest.raises(TypeError, match="'x'"):
            f(value)


def test_calls_with_wrong_arguments_name_the_function_and_parameter():
    x, y = tc.vector("x"), tc.vector("y")
    f = tc.function([x, y], x + y, name="f")
    for args, kwargs in [
        ((), {}),
        ((np.ones(2),), {}),
        ((np.ones(2),) * 3, {}),
        ((np.ones(2),) * 2, {"z": 1}),
        ((np.ones(2),) * 2, {"y": 1}),
    ]:
        with pytest.raises(TypeError, match="f"):
            f(*args, **kwargs)
    with pytest.raises(TypeError, match=r"'y'.*1 axis.*2 axes"):
        f(np.ones(2), np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"3 and 4|4 and 3"):
        f(np.ones(3), np.ones(4))
    np.testing.assert_array_equal(f(y=np.ones(2), x=np.zeros(2)), np.ones(2))


def test_subclasses_and_foreign_memory():
    x = tc.vector("x")
    f = tc.function([x], x + 1)
    np.testing.assert_array_equal(f(np.arange(3.0).view(np.recarray)), [1, 2, 3])
    np.testing.assert_array_equal(f(np.arange(3.0).astype(">f8")), [1, 2, 3])
    unaligned = np.frombuffer(b"\0" + np.arange(3.0).tobytes(), dtype=np.uint8)[1:].view(np.float64)
    np.testing.assert_array_equal(f(unaligned), [1, 2, 3])
    np.testing.assert_array_equal(f(memoryview(np.arange(3.0))), [1, 2, 3])
    read_only = np.arange(3.0)
    read_only.setflags(write=False)
    np.testing.assert_array_equal(f(read_only), [1, 2, 3])
    np.testing.assert_array_equal(f(np.array([], float)), [])


MISTAKES = {
    "unused input": (lambda x, y, w: tc.function([x, y], x), "not used"),
    "missing input": (lambda x, y, w: tc.function([x], x + y), "not among the inputs"),
    "shared input": (lambda x, y, w: tc.function([w], w), "shared variable"),
    "computed input": (lambda x, y, w: tc.function([x + 1], x), "not a symbol"),
    "twice the same": (lambda x, y, w: tc.function([x, x], x), "input 0 and input 1"),
    "updates a symbol": (lambda x, y, w: tc.function([x], x, updates={x: x + 1}), "shared variables"),
    "update twice": (lambda x, y, w: tc.function([], w, updates=[(w, w), (w, w)]), "twice"),
    "update of another rank": (lambda x, y, w: tc.function([], w, updates={w: w.sum()}), "type"),
    "update of another dtype": (
        lambda x, y, w: tc.function([], w, updates={w: w.astype("complex64")}),
        "complex64",
    ),
    "unknown mode": (lambda x, y, w: tc.function([x], x, mode="quick"), "quick"),
    "outputs": (lambda x, y, w: tc.function([x], "x"), "str"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_errors_at_the_users_line(name):
    mistake, words = MISTAKES[name]
    x, y, w = tc.vector("x"), tc.vector("y"), tc.shared(np.zeros(2), name="w")
    with pytest.raises(tc.TensorcError, match=words) as caught:
        mistake(x, y, w)
    assert "test_function.py" in str(caught.value)


def test_ten_thousand_ops():
    x = tc.vector("x")
    y = x
    for i in range(10_000):
        y = y + 1.0 if i % 2 else y * 1.0001
    f = tc.function([x], y, mode="O0")
    expected = np.ones(2)
    for i in range(10_000):
        expected = expected + 1.0 if i % 2 else expected * 1.0001
    np.testing.assert_allclose(f(np.ones(2)), expected, rtol=1e-12)


def test_module_and_source():
    x = tc.vector("x")
    f = tc.function([x], tc.exp(x) + 1)
    assert f.module("tensor").name == "builtin.module"
    assert "tensorc.exp" in f.source("tensor")
    assert "tensorc.kernel" in f.source("fused")
    assert "scf.for" in f.source("loops")
    assert "define" in f.source("llvm")
    assert f.source("asm")
    with pytest.raises(ValueError, match="stage"):
        f.source("nonsense")


@pytest.mark.parametrize("mode", ["O0", "fast"])
def test_run_time_errors_name_the_operation_its_types_and_the_line(mode):
    x, y = tc.matrix("x"), tc.matrix("y")
    total = x + y
    f = tc.function([x, y], total * 2, name="f", mode=mode)
    with pytest.raises(ValueError, match=r"add: extents 3 and 4") as caught:
        f(np.ones((2, 3)), np.ones((2, 4)))
    assert "total = x + y" in str(caught.value)
    assert "add(x: tensor<?x?xf64>, y: tensor<?x?xf64>)" in str(caught.value)
    product = tc.function([x, y], x @ y, mode=mode)
    with pytest.raises(ValueError, match=r"rows of 3 elements on the left meet columns of 2") as caught:
        product(np.ones((2, 3)), np.ones((2, 3)))
    assert "tensor<?x?xf64>, tensor<?x?xf64>" in str(caught.value)


def test_variants_and_stats_show_what_was_compiled_and_used():
    x, y = tc.vector("x"), tc.vector("y")
    f = tc.function([x, y], x + y)
    a = np.arange(4.0)
    f(a, a)
    assert f.variants == ("fast",)
    assert f.stats() == {"fast": 1, "generic": 0, "slow": 0}
    f(a, a[::-1])
    f(a, a[:1])
    f([1, 2], y=[3, 4])
    assert f.variants == ("fast", "generic")
    assert f.stats() == {"fast": 2, "generic": 2, "slow": 1}
    assert tc.function([x, y], x + y, mode="O0").variants == ("generic",)
