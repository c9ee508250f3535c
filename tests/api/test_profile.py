"""`profile=`: what is counted and to whom."""

import numpy as np
import pytest

import tensorc as tc


def test_calls_are_counted_and_answered():
    x = tc.vector("x")
    f = tc.function([x], x + 1, name="f", profile=True)
    np.testing.assert_array_equal(f(np.zeros(2)), np.ones(2))
    np.testing.assert_array_equal(f(x=[0, 0]), np.ones(2))
    with pytest.raises(TypeError):
        f("text")
    assert f.profile.calls == 3
    assert f.profile.functions[0].failed == 1
    assert f.profile.call_time > 0
    assert f.profile.compile_time > 0
    summary = f.profile.summary()
    assert "f: 3 calls" in summary
    assert "1 raised" in summary
    assert "2 fast, 0 generic; 2 with" in summary


def test_it_is_a_function_like_any_other():
    x, w = tc.vector("x"), tc.shared(1.0, "w")
    f = tc.function([x], x * w, updates={w: w + 1}, profile="steps")
    assert isinstance(f, tc.Function)
    assert f.profile.name == "steps"
    assert f.profile.summary().startswith("profile steps\n")
    out = np.empty(2)
    assert f(np.ones(2), out=out) is out
    assert f.variants == ("fast",)
    assert f.stats()["fast"] == 1
    assert "tensorc.mul" in f.source()
    other = f.copy(delete_updates=True)
    assert other.profile is None
    np.testing.assert_array_equal(other(np.ones(2)), [2.0, 2.0])
    np.testing.assert_array_equal(f.direct(np.ones(2)), [2.0, 2.0])


def test_several_functions_share_one():
    x, both = tc.scalar("x"), tc.Profile("both")
    f = tc.function([x], x + 1, name="f", profile=both)
    g = tc.function([x], x + 2, name="g", profile=both)
    f(1.0), g(1.0), g(2.0)
    assert both.calls == 3
    assert [m.calls for m in both.functions] == [1, 2]
    assert f.profile is g.profile is both


def test_none_and_nonsense():
    x = tc.scalar("x")
    assert tc.function([x], x).profile is None
    assert tc.function([x], x, profile=False).profile is None
    with pytest.raises(tc.TensorcTypeError, match="profile=5") as caught:
        tc.function([x], x, profile=5)
    assert "test_profile.py" in str(caught.value)
