"""Updates written over the memory of their shared variables: the same numbers, and nobody sees it happen."""

from __future__ import annotations

import io
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorc as tc

RNG = np.random.default_rng(7)
SHAPE = (6, 5)
DTYPES = ["float32", "float64", "int8", "int32", "int64", "uint8", "uint64", "bool"]
Symbols = dict[str, Any]
FORMS: dict[str, tuple[Callable[[Symbols], Any], bool]] = {
    "each element": (lambda s: tc.where(s["x"] > s["w"], s["x"], s["w"]), True),
    "twice": (lambda s: tc.maximum(s["w"], tc.minimum(s["w"], s["x"])), True),
    "without the old value": (lambda s: tc.maximum(s["x"], s["x"][::-1]), True),
    "a row of x": (lambda s: tc.minimum(s["w"], s["x"][1]), True),
    "rows set": (lambda s: s["w"][s["i"]].set(s["x"][:4]), True),
    "rows of its own": (lambda s: s["w"][s["i"]].set(s["w"][s["i"][::-1]]), True),
    "places set": (lambda s: s["w"][s["i"], s["i"]].set(s["x"][0, :4]), True),
    "a slice set": (lambda s: s["w"][1:3, ::-2].set(s["x"][:2, :3]), True),
    "a part of its own": (lambda s: s["w"][1:3].set(s["w"][2:4]), False),
    "reversed": (lambda s: tc.maximum(s["w"], s["w"][::-1]), False),
    "turned": (lambda s: tc.maximum(s["w"], s["w"][:5, :5].T.sum().astype(s["w"].dtype)), True),
    "rows added": (lambda s: s["w"][s["i"]].add(s["x"][:4]), True),
    "a slice added": (lambda s: s["w"][::3].add(s["x"][:2]), True),
    "parts of a step": (lambda s: tc.maximum(s["w"], s["x"])[s["i"]].set(s["x"][:4])[0].set(s["x"][2]), True),
    "parts of another": (lambda s: s["x"][::-1][s["i"]].set(s["w"][:4]), False),
    "rows by what was set": (
        lambda s: s["w"][0].set(s["x"][0])[s["i"]].set(s["w"][0].set(s["x"][0])[1:5]),
        False,
    ),
    "by its sum": (lambda s: s["w"] + s["w"].sum(), True),
    "by sums of its rows": (lambda s: s["w"] - s["w"].sum(axis=1, keepdims=True), True),
    "by sums of its columns": (lambda s: s["w"] * 2 - s["w"].sum(axis=0) + s["w"].max(), True),
    "by sums alone": (lambda s: s["w"].sum(axis=0) + s["w"].max(axis=1)[:, None], True),
    "by rows of others": (lambda s: tc.maximum(s["w"], (s["x"] * s["w"]).sum(axis=1)[:, None]), True),
    "one after the other": (lambda s: s["w"][s["i"]].add(s["x"][:4])[1:2].set(s["x"][:1]), True),
}
SOME = {"each element", "rows set", "rows added", "a slice set"}


def case(form: str, dtype: str) -> tuple[Any, Any, Any]:
    """A shared variable, and two functions that update it, optimised and not."""
    w = tc.shared(value(dtype))
    given = {"w": w, "x": tc.matrix("x", dtype=dtype), "i": tc.lvector("i")}
    new = FORMS[form][0](given)
    f, plain = (
        tc.function([given["x"], given["i"]], [], updates={w: new}, mode=mode, on_unused_input="ignore")
        for mode in ("fast", "O0")
    )
    return w, f, plain


def value(dtype: str) -> Any:
    return RNG.integers(0, 2 if dtype == "bool" else 100, SHAPE).astype(dtype)


def address(w: Any) -> int:
    return int(w.cell.get().ctypes.data)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_numbers_wherever_they_are_written(dtype: str) -> None:
    for form in FORMS if dtype == "float64" else SOME - ({"rows added"} if dtype == "bool" else set()):
        claimed = FORMS[form][1]
        w, f, plain = case(form, dtype)
        x, i = value(dtype), np.array([1, 3, 3, -1])
        layouts = (w.get_value(), np.asfortranarray(w.get_value()), np.tile(w.get_value(), 2)[::-1, ::-2])
        for start in layouts:
            results = []
            for g, held in ((f, False), (f, True), (plain, False), (plain, True)):
                w.cell.set(start if start.base is not None else start.copy(order="K"))
                kept = w.get_value(borrow=True) if held else None
                before, where = w.get_value(), address(w)
                g(x, i)
                stayed = address(w) == where
                contiguous = start.flags.c_contiguous and start.base is None
                if kept is not None:
                    np.testing.assert_array_equal(kept, before)
                    assert not stayed, form
                elif g is f or not contiguous:
                    assert stayed == (claimed and contiguous), (form, contiguous)
                del kept
                results.append(w.get_value().tobytes())
            assert len(set(results)) == 1, form


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_along_products_of_any_size(dtype: str) -> None:
    """One function for all: where blocks of the product ask for no memory, they are written over the cell."""
    x, g, rate = tc.matrix("x", dtype=dtype), tc.matrix("g", dtype=dtype), tc.scalar("rate", dtype=dtype)
    w, b = tc.shared(np.zeros((1, 1), dtype), name="w"), tc.shared(np.zeros(1, dtype), name="b")
    step = {w: w - rate * (x.T @ g), b: b - rate * g.sum(axis=0)}
    f, plain = (tc.function([x, g, rate], (w * w).sum(), updates=step, mode=m) for m in ("fast", "O0"))
    sizes = [(3, 5, 4), (4, 641, 70), (2, 1, 9), (1, 20, 2), (0, 3, 4), (3, 0, 4), (3, 4, 0), (64, 100, 33)]
    for k, m, n in [*sizes, (3, 9, 1), (300, 130, 130), (3, 8, 3000)]:
        start, xs = RNG.standard_normal((m, n)).astype(dtype), RNG.standard_normal((k, m)).astype(dtype)
        gs, large = RNG.standard_normal((k, n)).astype(dtype), k == 300
        found = []
        for call, held, given in ((f, 0, gs), (f, 1, gs), (f, 0, np.asfortranarray(gs)), (plain, 0, gs)):
            w.set_value(start)
            b.set_value(np.ones(n, dtype))
            kept, where = w.get_value(borrow=True) if held else None, address(w)
            call(xs, given, 0.25)
            if call is f and given is gs and n > 1:
                assert (address(w) == where) == (not held and not large), (k, m, n)
            assert kept is None or np.array_equal(kept, start)
            del kept
            found.append(w.get_value())
        assert found[0].tobytes() == found[1].tobytes(), (k, m, n)
        scale = np.finfo(dtype).eps * (k + 2) * (np.abs(xs).T @ np.abs(gs) + np.abs(start)).astype(float)
        for other in found[2:]:
            assert (np.abs(found[0] - other) <= scale).all(), (k, m, n)


def test_a_product_of_the_cell_itself_is_not_written_over_it() -> None:
    w, x = tc.shared(np.arange(9.0).reshape(3, 3)), tc.matrix("x")
    for new in (w - w @ x, w - w.T @ w, w + x @ w, w.T + x @ x, (x @ x) * w[::-1]):
        f, plain = (
            tc.function([x], updates={w: new}, mode=mode, on_unused_input="ignore")
            for mode in ("fast", "O0")
        )
        found = []
        for g in (f, plain):
            w.set_value(np.arange(9.0).reshape(3, 3))
            g(np.arange(9.0).reshape(3, 3) - 4)
            found.append(w.get_value())
        np.testing.assert_array_equal(*found)


def test_nothing_to_write() -> None:
    for shape in [(), (0,), (1,), (0, 3)]:
        w = tc.shared(np.ones(shape))
        f = tc.function([], w * 3, updates={w: w + 1})
        where = address(w)
        assert f().shape == shape
        assert np.array_equal(w.get_value(), np.full(shape, 2.0))
        assert address(w) == where


def test_special_values_survive() -> None:
    given = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 5e-324, 1.7e308])
    w, g = tc.shared(given), tc.vector("g")
    f = tc.function([g], updates={w: w * g})
    where = address(w)
    f(np.full(7, -1.0))
    assert w.get_value().tobytes() == (given * -1.0).tobytes()
    assert address(w) == where


Holder = Callable[[Any], Any]
HOLDERS: dict[str, Holder] = {
    "the array": lambda a: a,
    "a view": lambda a: a[2:],
    "a view of a view": lambda a: a[2:][::-1],
    "a memoryview": memoryview,
    "an iterator": lambda a: a.flat,
    "an interface": lambda a: np.asarray(a.__array_interface__ and type("A", (), {"a": a})().a),
    "a capsule": lambda a: a.__dlpack__(),
}


@pytest.mark.parametrize("name", list(HOLDERS))
def test_who_holds_the_array_keeps_what_it_holds(name: str) -> None:
    w = tc.shared(np.arange(9.0))
    f = tc.function([], updates={w: w + 1})
    f()
    held = HOLDERS[name](w.cell.get())
    where = address(w)
    f()
    assert address(w) != where
    if name not in ("a capsule", "an iterator"):
        assert set(np.asarray(held).tolist()) <= set(np.arange(1.0, 10.0))
    del held
    where = address(w)
    f()
    assert address(w) == where
    np.testing.assert_array_equal(w.get_value(), np.arange(9.0) + 3)


def test_who_watches_the_array_sees_it_go() -> None:
    w = tc.shared(np.arange(4.0))
    f = tc.function([], updates={w: w + 1})
    watcher = weakref.ref(w.cell.get())
    f()
    assert watcher() is None
    np.testing.assert_array_equal(w.get_value(), np.arange(4.0) + 1)


def test_memory_that_is_not_the_arrays_own_is_left_alone() -> None:
    """A view of other memory, one that nobody may write to, and one array in two variables."""
    outer = np.zeros(8)
    frozen = np.zeros(4)
    frozen.setflags(write=False)
    w, v = tc.shared(np.zeros(4)), tc.shared(np.zeros(4))
    f = tc.function([], updates={w: w + 1})
    w.cell.set(outer[:4])
    f()
    assert not outer.any()
    w.set_value(frozen, borrow=True)
    del frozen
    assert not w.cell.get().flags.writeable
    f()
    np.testing.assert_array_equal(w.get_value(), np.ones(4))
    v.cell.set(w.cell.get())
    f()
    np.testing.assert_array_equal(v.get_value(), np.ones(4))
    np.testing.assert_array_equal(w.get_value(), np.full(4, 2.0))


def test_arguments_that_are_the_variables_own_array() -> None:
    w, g = tc.shared(np.arange(6.0)), tc.vector("g")
    f = tc.function([g], g * 2, updates={w: w + g[::-1]})
    np.testing.assert_array_equal(f(w.get_value(borrow=True)), np.arange(6.0) * 2)
    np.testing.assert_array_equal(w.get_value(), np.full(6, 5.0))
    h = tc.function([tc.In(g, value=w)], updates={w: w + g[::-1]})
    h()
    np.testing.assert_array_equal(w.get_value(), np.full(6, 10.0))


def test_extents_that_change() -> None:
    w, x = tc.shared(np.zeros(3)), tc.vector("x")
    f = tc.function([x], updates={w: x * 2})
    for n in (3, 5, 0, 2, 2):
        f(np.ones(n))
        np.testing.assert_array_equal(w.get_value(), np.full(n, 2.0))


def test_an_index_outside_leaves_everything_as_it_is() -> None:
    i, x = tc.lvector("i"), tc.vector("x")
    for change in ("set", "add"):
        w, n = tc.shared(np.zeros(5)), tc.shared(0)
        f = tc.function([i, x], w.sum(), updates={w: getattr(w[i], change)(x), n: n + 1})
        f(np.array([1, 2]), np.ones(2))
        before, where = w.get_value(), address(w)
        for bad in ([1, 5], [-6, 0], [2**40, 0]):
            with pytest.raises(IndexError, match="out of bounds"):
                f(np.array(bad), np.full(2, 9.0))
        assert address(w) == where
        np.testing.assert_array_equal(w.get_value(), before)
        assert n.get_value() == 1
        f(np.array([0, -1]), np.ones(2))
        assert w.get_value().sum() == 4


def test_indices_that_another_update_changes() -> None:
    """What is looked at before the claim must be there before it."""
    w, at = tc.shared(np.zeros(6)), tc.shared(np.array([0, 2]))
    f = tc.function([], updates={at: at + 1, w: w[at + 1].add(1.0)})
    g = tc.function([], updates={at: at + 1, w: w[at].add(1.0)})
    f()
    np.testing.assert_array_equal(w.get_value(), [0, 1, 0, 1, 0, 0])
    g()
    np.testing.assert_array_equal(w.get_value(), [0, 2, 0, 2, 0, 0])
    np.testing.assert_array_equal(at.get_value(), [2, 4])


def test_updates_that_read_each_other() -> None:
    def run(make: Callable[[Any, Any], Any], calls: int = 2) -> list[Any]:
        a, b = tc.shared(np.arange(5.0)), tc.shared(np.arange(5.0) * 10)
        result, new = make(a, b)
        f = tc.function([], result, updates=new(a, b) if callable(new) else new)
        answers = [np.copy(f()) for _ in range(calls)]
        return [*answers, a.get_value(), b.get_value()]

    def check(make: Callable[[Any, Any], Any], step: Callable[[Any, Any], Any]) -> None:
        a, b = np.arange(5.0), np.arange(5.0) * 10
        wanted = []
        for _ in range(2):
            result, a, b = step(a, b)
            wanted.append(result)
        for found, right in zip(run(make), [*wanted, a, b], strict=True):
            np.testing.assert_array_equal(found, right)

    check(lambda a, b: (a + b, {a: b, b: a}), lambda a, b: (a + b, b, a))
    check(lambda a, b: (a, {a: a + b, b: b - a}), lambda a, b: (a, a + b, b - a))
    check(lambda a, b: (a[::-1], {a: a + b, b: b + a[::-1]}), lambda a, b: (a[::-1], a + b, b + a[::-1]))
    check(lambda a, b: (b, {b: b + a[::-1], a: a + 1}), lambda a, b: (b, a + 1, b + a[::-1]))
    check(lambda a, b: (b, {a: a + b[::-1], b: b + a[::-1]}), lambda a, b: (b, a + b[::-1], b + a[::-1]))
    check(
        lambda a, b: ((a + 1).sum(), {a: a + 1, b: b + (a + 1)}),
        lambda a, b: ((a + 1).sum(), a + 1, b + a + 1),
    )
    check(lambda a, b: (a + 1, {a: a + 1, b: (a + 1) * b}), lambda a, b: (a + 1, a + 1, (a + 1) * b))
    check(
        lambda a, b: (a, {a: a[1:3].set(b[:2]), b: b[1:3].set(a[:2])}),
        lambda a, b: (a, np.r_[a[0], b[:2], a[3:]], np.r_[b[0], a[:2], b[3:]]),
    )


def test_many_updates_in_a_function_that_is_split() -> None:
    """So many that the function is cut into parts behind the claim, too; one in the middle has new memory."""
    cells = [tc.shared(np.full(3 + k % 7, float(k))) for k in range(70)]
    x = tc.scalar("x")
    updates = {c: (c[::-1] if c is cells[40] else c) * 0.5 + x for c in cells}
    f = tc.function([x], cells[69] * 3, updates=updates)
    before = [c.get_value() for c in cells]
    places = [address(c) for c in cells]
    np.testing.assert_array_equal(f(2.0), before[69] * 3)
    assert [k for k, c in enumerate(cells) if address(c) != places[k]] == [40]
    for c, old in zip(cells, before, strict=True):
        np.testing.assert_array_equal(c.get_value(), old * 0.5 + 2)


def test_a_new_value_that_is_a_result_as_well() -> None:
    w = tc.shared(np.arange(3.0))
    f = tc.function([], [w * 2, w * 2], updates={w: w * 2})
    for k in range(3):
        where = address(w)
        first, second = f()
        assert address(w) == where
        first += 100
        np.testing.assert_array_equal(second, np.arange(3.0) * 2 ** (k + 1))
        np.testing.assert_array_equal(w.get_value(), second)


def test_results_into_given_arrays_beside_updates() -> None:
    w, x, out = tc.shared(np.zeros(3)), tc.vector("x"), np.empty(3)
    f = tc.function([x], x * 2, updates={w: w + x})
    where = address(w)
    for k in range(3):
        assert f(np.ones(3), out=out) is out
        np.testing.assert_array_equal(out, np.full(3, 2.0))
        np.testing.assert_array_equal(w.get_value(), np.full(3, k + 1.0))
    assert address(w) == where


def test_a_function_that_was_saved() -> None:
    w, i = tc.shared(np.zeros((5, 2)), name="w"), tc.lvector("i")
    f = tc.function([i], updates={w: w[i].add(1.0)})
    f(np.array([1, 1]))
    file = io.BytesIO()
    f.save(file)
    file.seek(0)
    g = tc.load(file)
    (copy,) = g.program.traced.shared
    g(np.array([0, 1]))  # an array that was read from a file is not its own memory's owner
    where = address(copy)
    g(np.array([0, 1]))
    assert address(copy) == where
    np.testing.assert_array_equal(copy.get_value()[:2], [[2, 2], [4, 4]])
    np.testing.assert_array_equal(w.get_value()[:2], [[0, 0], [2, 2]])


def test_much_work_is_written_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the GIL is held nobody else runs: not for long."""
    from tensorc.codegen_llvm.abi import CLAIM_LIMIT

    i = tc.lvector("i")
    w = tc.shared(np.zeros(CLAIM_LIMIT + 1, np.int8))
    whole = tc.function([], updates={w: w + np.int8(1)})
    part = tc.function([i], updates={w: w[i].add(1)})
    where = address(w)
    whole()
    assert address(w) != where
    where = address(w)
    part(np.array([3, 3]))
    assert address(w) == where
    assert w.get_value(borrow=True)[:5].tolist() == [1, 1, 1, 3, 1]
