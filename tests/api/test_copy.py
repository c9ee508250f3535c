"""`f.copy`: the same program over other state."""

import numpy as np
import pytest

import tensorc as tc


def test_swapped_state_is_read_and_updated():
    x = tc.scalar("x")
    w, v = tc.shared(1.0, "w"), tc.shared(100.0, "v")
    f = tc.function([x], {"old": w, "new": w + x}, updates=[(w, w + x)], name="f")
    g = f.copy(swap={w: v}, name="g")
    assert {k: float(a) for k, a in g(x=1.0).items()} == {"old": 100.0, "new": 101.0}
    assert [float(w.get_value()), float(v.get_value())] == [1.0, 101.0]
    assert (f.name, g.name) == ("f", "g")
    assert {k: float(a) for k, a in f(1.0).items()} == {"old": 1.0, "new": 2.0}


def test_two_variables_change_places():
    w, v = tc.shared(1.0), tc.shared(10.0)
    f = tc.function([], w - v, updates={w: w + v})
    g = f.copy(swap={w: v, v: w})
    assert g() == 9.0
    assert [float(w.get_value()), float(v.get_value())] == [1.0, 11.0]


def test_updates_can_be_left_out():
    w, n = tc.shared(np.zeros(2)), tc.shared(0)
    n.default_update = n + 1
    x = tc.vector("x")
    f = tc.function([x], [w + x, n], updates={w: w + x})
    g = f.copy(delete_updates=True)
    g(np.ones(2)), g(np.ones(2))
    np.testing.assert_array_equal(w.get_value(), np.zeros(2))
    assert n.get_value() == 0
    f(np.ones(2))
    assert n.get_value() == 1


def test_givens_and_inputs_with_options_stay():
    x, y, s = tc.scalars("x", "y", "s")
    w, v = tc.shared(2.0), tc.shared(3.0)
    f = tc.function(
        [tc.In(x, value=5.0), tc.In(s, value=0.0, update=s + w)], x * w + s * y, givens={y: w * 10}
    )
    g = f.copy(swap={w: v})
    assert [float(g()), float(g(x=1.0)), float(g(s=1.0))] == [15.0, 3.0 + 3 * 30.0, 15.0 + 30.0]


def test_what_cannot_be_swapped():
    w, v = tc.shared(1.0, "w"), tc.shared(2.0, "v")
    f = tc.function([], w + 0, updates={w: w + 1, v: v + 1})
    unused, single = tc.shared(1.0, "unused"), tc.shared(np.float32(1), "single")
    for swap, words in [
        ({w: 1.0}, "shared variables"),
        ({w: single}, "one type"),
        ({w: tc.scalar("x")}, "shared variables"),
        ({unused: w}, "does not use"),
        ({w: v}, "twice"),
        ([(w, v)], "dictionary"),
    ]:
        with pytest.raises(tc.TensorcError, match=words) as caught:
            f.copy(swap=swap)
        assert "test_copy.py" in str(caught.value)
    f()
    assert [float(w.get_value()), float(v.get_value())] == [2.0, 3.0]
