"""`In`, `Out`, state, default values, and what `borrow` may not do."""

import threading
import warnings

import numpy as np
import pytest

import tensorc as tc
from tests.effort import effort

X = np.arange(3.0)


def test_theanos_defaults_and_keywords():
    x, w, y = tc.scalars("x", "w", "y")
    f = tc.function([x, tc.In(y, value=1), tc.In(w, value=2, name="w_by_name")], (x + y) * w)
    assert f(33) == 68
    assert f(33, 2) == 70
    assert f(33, 0, 1) == 33
    assert f(33, w_by_name=1) == 34
    assert f(33, w_by_name=1, y=0) == 33
    with pytest.raises(TypeError, match="no parameter 'w'"):
        f(33, w=1)


def test_parameters_may_have_any_name():
    for name in ("self", "args", "direct", "out", "value with spaces"):
        symbol = tc.vector(name)
        np.testing.assert_array_equal(tc.function([symbol], symbol + 1)(**{name: X}), X + 1)


def test_a_default_before_a_required_input():
    x, y = tc.vectors("x", "y")
    f = tc.function([tc.In(x, value=X), y], x - y)
    np.testing.assert_array_equal(f(y=X), X - X)
    with pytest.raises(TypeError, match="without 'y'"):
        f(X)


def test_a_default_is_taken_when_the_function_is_made():
    x, value = tc.vector("x"), np.zeros(3)
    f = tc.function([tc.In(x, value=value)], x + 1)
    value[:] = 99
    first = f()
    first[:] = 99
    np.testing.assert_array_equal(f(), np.ones(3))
    for wrong in ("text", 2.0, np.ones((2, 2)), [1, "a"]):
        with pytest.raises(tc.TensorcError, match=r"In\(x") as caught:
            tc.function([tc.In(x, value=wrong)], x + 1)
        assert "test_inputs.py" in str(caught.value)


def test_a_shared_variable_as_default_is_read_at_the_call():
    x, w = tc.vector("x"), tc.shared(X, "w")
    f = tc.function([tc.In(x, value=w)], x * 2)
    np.testing.assert_array_equal(f(), X * 2)
    w.set_value(np.ones(5))
    np.testing.assert_array_equal(f(), np.full(5, 2.0))
    np.testing.assert_array_equal(f(X), X * 2)
    v = tc.shared(X + 1)
    np.testing.assert_array_equal(f.copy(swap={w: v})(), (X + 1) * 2)
    with pytest.raises(tc.TensorcError, match="another type"):
        tc.function([tc.In(x, value=tc.shared(1.0))], x)


def test_state_starts_from_a_value_and_can_be_passed_by_name():
    x, total = tc.scalars("x", "total")
    f = tc.function([x, tc.In(total, value=10, update=total + x)], total)
    assert [float(f(5.0)), float(f(5.0)), float(f(x=1.0))] == [10.0, 15.0, 20.0]
    assert float(f(2.0, total=100.0)) == 100.0
    assert float(f(0.0)) == 102.0
    assert "total: tensor<f64> (state)" in repr(f)
    assert f.stats()["fast"] == 5
    with pytest.raises(TypeError, match="takes 1 argument, got 2"):
        f(1.0, 2.0)
    with pytest.raises(TypeError, match="'total'"):
        f(1.0, total="text")
    assert float(f(0.0)) == 102.0


def test_state_in_a_shared_variable_is_that_variable():
    x, n = tc.scalar("x"), tc.shared(1.0, "n")
    f = tc.function([tc.In(x, value=n, update=x * 2)], x + n)
    assert [float(f()), float(f())] == [2.0, 4.0]
    assert n.get_value() == 4.0
    assert float(f(x=10.0)) == 14.0
    assert n.get_value() == 20.0
    with pytest.raises(tc.TensorcError, match="updated twice"):
        tc.function([tc.In(x, value=n, update=x)], x, updates={n: n + 1})


def test_strict_and_allow_downcast_are_of_one_input():
    x, y = tc.fvector("x"), tc.fvector("y")
    f = tc.function([tc.In(x, strict=True), tc.In(y, allow_downcast=True)], x + y)
    f(np.ones(2, "f"), np.ones(2))
    with pytest.raises(TypeError, match="strict"):
        f([1.0, 2.0], np.ones(2))
    with pytest.raises(TypeError, match="strict"):
        f(np.ones(2), np.ones(2))
    g = tc.function([x, tc.In(y, allow_downcast=False)], x + y, allow_input_downcast=True)
    g(np.ones(2), np.ones(2, "f"))
    with pytest.raises(TypeError, match="float64"):
        g(np.ones(2), np.ones(2))


def test_permission_to_alias_is_never_used():
    x = tc.vector("x")
    w = tc.shared(X)
    given = X.copy()
    f = tc.function(
        [tc.In(x, borrow=True)],
        [tc.Out(x, borrow=True), tc.Out(x * 2, borrow=True), tc.Out(w, borrow=True)],
    )
    first, second = f(given), f(given)
    np.testing.assert_array_equal(given, X)
    for a, b in zip(first, second, strict=True):
        assert not np.shares_memory(a, b)
        assert not np.shares_memory(a, given)
        a[:] = -1
        assert (b != -1).all()
    np.testing.assert_array_equal(w.get_value(), X)


def test_a_mutable_argument_may_become_the_result():
    x, y = tc.vector("x"), tc.vector("y")
    f = tc.function([tc.In(x, mutable=True), y], x * 2 + y)
    a, b = np.arange(5.0), np.ones(5)
    assert f(a, b) is a
    np.testing.assert_array_equal(a, [1, 3, 5, 7, 9])
    np.testing.assert_array_equal(b, np.ones(5))
    view = np.arange(9.0)[2:7]
    assert f(view, b) is view
    np.testing.assert_array_equal(view.base, [0, 1, 5, 7, 9, 11, 13, 7, 8])
    both = tc.function([tc.In(x, mutable=True)], [x, x[::-1].sum(), tc.exp(x * 0) + x])
    given = a.copy()
    old, total, new = both(given)
    np.testing.assert_array_equal(old, a)
    np.testing.assert_array_equal(new, a + 1)
    assert total == 25
    assert not np.shares_memory(old, new)


def test_what_is_left_of_a_mutable_argument_where_it_cannot_be_the_result():
    """One that others read, too, of other extents, strided, read-only, of another dtype, given as `out=`."""
    x, y, i = tc.vector("x"), tc.vector("y"), tc.lvector("i")
    f = tc.function([tc.In(x, mutable=True), y], x * 2 + y[::-1])
    frozen, whole = np.arange(4.0), np.arange(8.0)
    frozen.setflags(write=False)
    for a, b in [
        (whole[:4], whole[2:6]),
        (whole[:4], whole[:4]),
        (whole[3::-1], np.ones(4)),
        (whole[::2], np.ones(4)),
        (frozen, np.ones(4)),
        (np.ones(1), np.arange(4.0)),
        (np.arange(4), np.ones(4)),
        ([1.0, 2.0], np.ones(2)),
    ]:
        before = np.array(a, copy=True)
        np.testing.assert_array_equal(f(a, b), before * 2 + b[::-1])
        np.testing.assert_array_equal(a, before)
    a, out = np.arange(4.0), np.empty(4)
    assert f(a, np.ones(4), out=out) is out
    np.testing.assert_array_equal(a, np.arange(4.0))
    fails = tc.function([tc.In(x, mutable=True), i], [x + 1, y[:0].sum() + x[i].sum()], givens={y: x})
    with pytest.raises(IndexError):
        fails(a, np.array([0, 4]))
    np.testing.assert_array_equal(a, np.arange(4.0))


def test_defaults_and_shared_variables_are_never_mutable():
    x, w = tc.vector("x"), tc.shared(X)
    f = tc.function([tc.In(x, value=X, mutable=True)], x + 1)
    g = tc.function([tc.In(x, value=w, mutable=True)], x + 1)
    for _ in range(2):
        np.testing.assert_array_equal(f(), X + 1)
        np.testing.assert_array_equal(g(), X + 1)
    h = tc.function([tc.In(x, mutable=True)], x + w, updates={w: w + x})
    given = np.ones(X.shape)
    assert h(given) is given
    np.testing.assert_array_equal(given, X + 1)
    np.testing.assert_array_equal(w.get_value(), X + 1)


@pytest.mark.parametrize(
    "options", [{"name": 5}, {"mutable": "yes"}, {"borrow": 2}, {"strict": "no"}, {"allow_downcast": "no"}]
)
def test_options_of_the_wrong_kind(options):
    with pytest.raises(tc.TensorcError, match="In: " + next(iter(options))) as caught:
        tc.In(tc.vector("x"), **options)
    assert "test_inputs.py" in str(caught.value)


def test_borrowing_never_lets_a_later_write_through():
    value = X.copy()
    w = tc.shared(value, borrow=True)
    f = tc.function([], w + 0)
    value[:] = 99
    np.testing.assert_array_equal(f(), X)
    w.set_value(value, borrow=True)
    value[:] = -1
    np.testing.assert_array_equal(f(), np.full(3, 99.0))
    view = value.view()
    view.setflags(write=False)  # read-only, but what it views is not
    w.set_value(view, borrow=True)
    value[:] = 7
    np.testing.assert_array_equal(f(), np.full(3, -1.0))


def test_borrowing_copies_nothing_where_nobody_can_write():
    value = X.copy()
    value.setflags(write=False)
    for w in (tc.shared(value, borrow=True), tc.shared(X)):
        w.set_value(value, borrow=True)
        assert np.shares_memory(w.get_value(borrow=True), value)
    assert not np.shares_memory(tc.shared(value).get_value(borrow=True), value)
    frozen = np.frombuffer(X.tobytes())
    assert np.shares_memory(tc.shared(frozen, borrow=True).get_value(borrow=True), frozen)
    reversed_ = value[::-1]
    np.testing.assert_array_equal(tc.shared(reversed_, borrow=True).get_value(), X[::-1])


def test_a_borrowed_value_is_read_only_and_stays_as_it_was():
    w = tc.shared(X, "w")
    step = tc.function([], None, updates={w: w + 1})
    seen = w.get_value(borrow=True)
    step()
    w.set_value(np.zeros(2))
    np.testing.assert_array_equal(seen, X)
    with pytest.raises(ValueError, match="read-only"):
        seen[0] = 1
    own = w.get_value()
    own[0] = 1
    np.testing.assert_array_equal(w.get_value(), np.zeros(2))


def test_writing_to_a_borrowed_array_does_not_tear_a_running_call():
    size = 200_000
    value = np.zeros(size)
    w = tc.shared(value, borrow=True)
    f = tc.function([], [w.min(), w.max()])
    stop = threading.Event()

    def write() -> None:
        number = 0.0
        while not stop.is_set():
            number += 1.0
            value[:] = number
            w.set_value(value, borrow=True)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        pairs = [f() for _ in range(100)]
    finally:
        stop.set()
        writer.join()
    assert all(least == greatest for least, greatest in pairs)


def test_a_shared_variable_starts_from_an_array():
    w = tc.shared(X)
    for wrong in (lambda: tc.shared(w), lambda: tc.shared(tc.vector()), lambda: tc.shared(X, name=5)):
        with pytest.raises(tc.TensorcTypeError, match=r"tc\.shared: ") as caught:
            wrong()
        assert "test_inputs.py" in str(caught.value)


def test_default_updates_are_refused_all_or_one_by_one():
    a, b = tc.shared(0, "a"), tc.shared(0, "b")
    a.default_update, b.default_update = a + 1, b + a
    both = tc.function([], [a, b])
    both(), both()
    assert [int(a.get_value()), int(b.get_value())] == [2, 1]
    tc.function([], [a, b], no_default_updates=[b])()
    assert [int(a.get_value()), int(b.get_value())] == [3, 1]
    tc.function([], [a, b], no_default_updates=True)()
    tc.function([], a, updates={a: a * 10})()
    assert [int(a.get_value()), int(b.get_value())] == [30, 1]
    tc.function([], b)()  # reads a only by the update
    assert [int(a.get_value()), int(b.get_value())] == [31, 31]
    for wrong in (5, "no", [1], [X]):
        with pytest.raises(tc.TensorcTypeError, match="no_default_updates"):
            tc.function([], a, no_default_updates=wrong)
    a.default_update = tc.shared(1.5)
    with pytest.raises(tc.TensorcTypeError, match=r"default_update.*f64"):
        tc.function([], a)


def test_a_warning_shows_the_users_line():
    x, y = tc.vectors("x", "y")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tc.function([x, y], x, on_unused_input="warn")
        tc.grad(x.sum(), [y], disconnected_inputs="warn")
    assert [w.filename for w in caught] == [__file__, __file__]
    assert [w.lineno for w in caught] == [caught[0].lineno, caught[0].lineno + 1]


def test_calls_by_name_do_little_work():
    x, y, s = tc.vector("x"), tc.vector("y"), tc.scalar("s")
    f = tc.function([x, y, tc.In(s, value=1.0)], x * s + y)
    f(x=X, y=X)
    assert effort(lambda: f(x=X, y=X)) < 25
    assert effort(lambda: f(x=X, y=X, s=2.0)) < 45


def test_an_array_that_does_not_fit_leaves_all_state_as_it_was():
    x, y, n = tc.vector("x"), tc.vector("y"), tc.shared(0.0, "n")
    f = tc.function([x, y], [x + y, x.sum()], updates={n: n + 1})
    wrong, total = np.full(4, -1.0), np.full((), -1.0)
    for args in ((X, X), (X, X[:1]), (X[::-1], X)):
        with pytest.raises(tc.TensorcValueError, match="out") as caught:
            f(*args, out=(wrong, total))
        assert "test_inputs.py" in str(caught.value)
    with pytest.raises(ValueError, match=r"3 and 2|2 and 3"):
        f(X, X[:2], out=(np.empty(3), total))
    assert n.get_value() == 0
    assert (wrong == -1).all()
    assert total == -1
    out = (np.empty(3), total)
    result = f(X, X[:1], out=out)
    assert result[0] is out[0]
    np.testing.assert_array_equal(out[0], X)
    assert total == 3.0
    assert n.get_value() == 1
