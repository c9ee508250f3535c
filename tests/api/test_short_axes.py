"""Bodies for short axes: made when they pay, the same numbers bit for bit, and nothing else changes."""

from __future__ import annotations

import gc
import pickle
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tensorc.api import short_axes
from tensorc.api.function import compile_program
from tensorc.codegen_llvm import entry_layout

pytestmark = pytest.mark.skipif(
    entry_layout.unsupported() is not None, reason="the native entry is not supported here"
)
CALLS = 9
"""After so many the question has been asked twice."""


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call takes time enough."""
    monkeypatch.setattr(short_axes, "SECONDS", -1.0)


def points(rows: int = 600, axes: int = 3, dtype: str = "float64") -> Any:
    return np.random.default_rng(rows).standard_normal((rows, axes)).astype(dtype)


def norms(p: Any) -> Any:
    return tc.sqrt(tc.sum(p * p, axis=1))


def expected(p: Any) -> Any:
    return np.sqrt((p * p).sum(axis=1))


def specialised(f: Any, *args: Any, **kwargs: Any) -> Any:
    for _ in range(CALLS):
        f(*args, **kwargs)
    return f.variants[1:]


def everything(p: Any) -> list[Any]:
    d = p[None, :, :] - p[:40, None, :]
    unit = p / tc.sqrt(tc.sum(p * p, axis=1, keepdims=True))
    return [
        norms(p),
        unit,
        tc.nn.softmax(p, axis=1),
        tc.logsumexp(p, axis=1),
        tc.mean(p, axis=0),
        tc.sum(p),
        tc.prod(p, axis=1),
        tc.max(p, axis=1),
        tc.argmax(p, axis=1),
        tc.mean((p - tc.mean(p, axis=1, keepdims=True)) ** 2, axis=1),
        tc.sum(d * ((tc.sum(d**2, axis=2) + 1e-3) ** -1.5)[:, :, None], axis=1),
        p.T @ p,
        p[:50] @ p[:50].T,
        tc.grad(tc.sum(tc.nn.softmax(p, axis=1) ** 2), p),
    ]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_numbers_are_the_same(dtype: str) -> None:
    p = tc.matrix("p", dtype=dtype)
    f = tc.function([p], everything(p))
    for axes in short_axes.SHORT:
        g = compile_program(short_axes.with_shapes(f.program, {0: (None, axes)}), f.mode)
        for rows in (1, 50, 701):
            values = points(rows, axes, dtype)
            for k, (one, other) in enumerate(zip(f(values), g(values), strict=True)):
                np.testing.assert_array_equal(one, other, err_msg=f"output {k}, {values.shape}")


def test_it_is_made_when_calls_have_taken_time_and_used_from_then_on() -> None:
    p = tc.matrix("p")
    f = tc.function([p], norms(p))
    values = points()
    assert specialised(f, values) == ("fast (tensor<?x3xf64>)",)
    np.testing.assert_allclose(f(values), expected(values))
    assert f.stats() == {"fast": CALLS + 1, "generic": 0, "slow": 0}
    for other in (points(600, 4), points(5), points(600, 7), values[::2], values[:0], points().T.copy().T):
        np.testing.assert_allclose(f(other), expected(other))
    with pytest.raises(tc.TensorcError):
        f(values.astype("float64").reshape(-1))


def test_calls_by_name_count_and_are_answered() -> None:
    p, q, s = tc.matrix("p"), tc.matrix("q"), tc.scalar("s")
    f = tc.function([p, tc.In(q, name="other"), tc.In(s, value=2.0)], norms(p) * s + tc.sum(q))
    values, others = points(), points(40, 9)
    assert specialised(f, other=others, p=values) == ("fast (tensor<?x3xf64>, tensor<?x?xf64>, tensor<f64>)",)
    for result in (f(values, others), f(values, other=others), f(s=2.0, other=others, p=values)):
        np.testing.assert_allclose(result, expected(values) * 2 + others.sum())
    with pytest.raises(TypeError):
        f(values, others, wrong=1.0)
    nameless = tc.function([x := tc.matrix(), tc.matrix(), p], norms(x) + p[0, 0], on_unused_input="ignore")
    assert specialised(nameless, values, values, p=np.zeros((2, 2)))


def test_calls_that_take_no_time_and_small_arrays_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    p = tc.matrix("p")
    f = tc.function([p], norms(p))
    assert specialised(f, points(20)) == ()
    monkeypatch.setattr(short_axes, "SECONDS", 1e9)
    assert specialised(tc.function([p], norms(p)), points()) == ()
    flat = tc.function([p], tc.exp(p) * 2)
    assert specialised(flat, points()) == ()
    assert specialised(tc.function([p], norms(p), mode="O0"), points()) == ()


def test_only_so_many_are_made() -> None:
    p, q = tc.matrices("p", "q")
    f = tc.function([p, q], [norms(p), norms(q)])
    shapes = [(a, b) for a in (2, 3, 4) for b in (2, 3, 9)]
    for a, b in shapes:
        x, y = points(600, a), points(600, b)
        for _ in range(40):
            f(x, y)
    assert len(f.variants) - 1 <= short_axes.MOST
    for a, b in shapes:
        x, y = points(600, a), points(600, b)
        for result, want in zip(f(x, y), (expected(x), expected(y)), strict=True):
            np.testing.assert_allclose(result, want)


def test_out_names_defaults_and_containers() -> None:
    p, s = tc.matrix("p"), tc.scalar("s")
    f = tc.function([p, tc.In(s, value=2.0)], norms(p) * s)
    values, room = points(), np.empty(600)
    assert specialised(f, values)
    assert f(values, out=room) is room
    np.testing.assert_allclose(room, expected(values) * 2)
    np.testing.assert_allclose(f(s=3, p=values), expected(values) * 3)
    np.testing.assert_allclose(f(values, 4.0), expected(values) * 4)
    g = tc.jit(lambda tree, k: {"n": norms(tree["p"]) * k})
    for _ in range(CALLS + 1):
        np.testing.assert_allclose(g({"p": values}, 2.0)["n"], expected(values) * 2)
    assert g.stats() == {"traces": 1, "calls": CALLS + 1, "inlined": 0}


def test_updates_are_made_once_and_errors_leave_them_alone() -> None:
    total, index = tc.shared(0.0), tc.iscalar("i")
    p = tc.matrix("p")
    f = tc.function([p, index], norms(p)[index], updates={total: total + tc.sum(p * p)})
    values = points()
    step = float((values * values).sum())
    assert specialised(f, values, 5)
    np.testing.assert_allclose(total.get_value(), step * CALLS)
    with pytest.raises(tc.TensorcError, match="600") as found:
        f(values, 600)
    assert "test_short_axes" in str(found.value)
    np.testing.assert_allclose(total.get_value(), step * CALLS)
    np.testing.assert_allclose(f(values, 7), expected(values)[7])
    np.testing.assert_allclose(total.get_value(), step * (CALLS + 1))


def test_what_is_raised_while_it_is_made_ends_the_call_before_it_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    total, p = tc.shared(0.0), tc.matrix("p")
    f = tc.function([p], norms(p), updates={total: total + 1.0})
    values = points()

    def interrupted(*args: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(short_axes, "with_shapes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        specialised(f, values)
    assert total.get_value() == CALLS - 1
    np.testing.assert_allclose(f(values), expected(values))
    assert f.variants == ("fast",)


def test_a_program_that_cannot_be_made_again_works_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*args: Any) -> Any:
        raise tc.TensorcError("no")

    monkeypatch.setattr(short_axes, "with_shapes", failing)
    p = tc.matrix("p")
    f = tc.function([p], norms(p))
    assert specialised(f, points()) == ()
    np.testing.assert_allclose(f(points()), expected(points()))


def test_a_defect_of_the_compiler_is_told_and_the_call_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*args: Any) -> Any:
        raise tc.InternalError("a defect")

    monkeypatch.setattr(short_axes, "with_shapes", failing)
    p = tc.matrix("p")
    f = tc.function([p], norms(p))
    with pytest.warns(UserWarning, match="works as it is: a defect"):
        assert specialised(f, points()) == ()
    np.testing.assert_allclose(f(points()), expected(points()))


def test_several_threads() -> None:
    p = tc.matrix("p")
    f = tc.function([p], norms(p))
    wrong: list[Any] = []

    def work(k: int) -> None:
        for n in range(60):
            values = points(600 + 10 * k, 2 + (k + n) % 4)
            if not np.allclose(f(values), expected(values)):
                wrong.append((k, n))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert f.stats()["fast"] == 360


def test_it_goes_with_its_function_and_does_not_travel(tmp_path: Path) -> None:
    p = tc.matrix("p")
    f = tc.function([p], norms(p))
    values = points()
    assert specialised(f, values)
    path = tmp_path / "f.tc"
    f.save(path)
    for other in (tc.load(path), pickle.loads(pickle.dumps(f)), f.copy()):
        assert other.variants == ("fast",)
        np.testing.assert_array_equal(other(values), f(values))
    direct = f.direct
    gone = weakref.ref(f)
    del f
    gc.collect()
    assert gone() is None
    np.testing.assert_allclose(direct(values), expected(values))


def test_shapes_of_several_short_axes() -> None:
    x = tc.tensor3("x")
    f = tc.function([x], tc.sum(x * x, axis=(1, 2)))
    values = np.random.default_rng(0).standard_normal((400, 3, 2))
    assert specialised(f, values) == ("fast (tensor<?x3x2xf64>)",)
    np.testing.assert_allclose(f(values), (values * values).sum(axis=(1, 2)))
