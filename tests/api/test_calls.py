"""What a call costs in Python code, and where its results go: `out=`, keywords, defaults, Python numbers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tensorc.codegen_llvm import entry_layout

A = np.arange(3.0)


@pytest.fixture(params=["native", "python"])
def entry(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "python":
        monkeypatch.setattr(entry_layout, "unsupported", lambda: "switched off by the test")
    return str(request.param)


def frames(f: Callable[..., Any], *args: Any, **kwargs: Any) -> list[str]:
    """The Python functions that a call runs."""
    seen: list[str] = []
    sys.setprofile(lambda frame, event, _: seen.append(frame.f_code.co_name) if event == "call" else None)
    try:
        f(*args, **kwargs)
    finally:
        sys.setprofile(None)
    return seen


def _functions() -> dict[str, tuple[Any, tuple[Any, ...], dict[str, Any]]]:
    x, y = tc.vectors("x", "y")
    s, k, b = tc.scalar("s"), tc.scalar("k", dtype="int64"), tc.scalar("b", dtype="bool")
    h = tc.scalar("h", dtype="float32")
    w, n = tc.shared(np.zeros(3), name="w"), tc.shared(0, name="n")
    three = tc.function([x, tc.In(y, value=np.ones(3)), tc.In(s, value=2.0)], (x + y) * s)
    numbers = tc.function([s, k, b, h], tc.where(b, s * k, h))
    step = tc.function([x], x.sum(), updates=[(w, w + x), (n, n + 1)])
    several = {
        "tuple": tc.function([x], (x + 1, x.sum())),
        "list": tc.function([x], [x + 1, x.sum()]),
        "dict": tc.function([x], {"a": x + 1, "b": x.sum()}),
        "none": tc.function([x], updates={n: n + x.shape[0]}),
    }
    room = np.empty(3)
    jitted = tc.jit(lambda p, q: p * q + 1)
    return {
        "one": (tc.function([x], x + 1), (A,), {}),
        "three": (three, (A, A, np.array(1.0)), {}),
        "keywords": (three, (A,), {"s": np.array(3.0), "y": A}),
        "defaults": (three, (A,), {}),
        "out": (three, (A,), {"out": room}),
        "out of several": (several["tuple"], (A,), {"out": (room, np.empty(()))}),
        "numbers": (numbers, (1.5, 2, True, 0.5), {}),
        "updates": (step, (A,), {}),
        "updates and out": (step, (), {"x": A, "out": np.empty(())}),
        "jit": (jitted, (A, A), {}),
        **{form: (f, (A,), {}) for form, f in several.items()},
    }


def test_a_call_in_native_form_runs_no_python() -> None:
    for name, (f, args, kwargs) in _functions().items():
        f(*args, **kwargs)
        assert frames(f, *args, **kwargs) == [], name


# ------------------------------------------------------------------------------------------------ arguments


def test_keywords_defaults_and_positions_meet(entry: str) -> None:
    x, y, s = tc.scalars("x", "y", "s")
    f = tc.function([x, tc.In(y, value=10.0), tc.In(s, value=100.0, name="scale")], x + y * s)
    assert f(1.0) == 1001.0
    assert f(1.0, 2.0) == 201.0
    assert f(1.0, scale=3.0) == 31.0
    assert f(scale=2, y=3, x=4) == 10.0
    assert f(**{"".join(["sc", "ale"]): 1.0}, x=0.0) == 10.0  # a name that nobody interned
    for args, kwargs, code in [
        ((), {}, "TC0495"),
        ((1.0, 2.0), {"y": 1.0}, "TC0464"),
        ((1.0,), {"x": 1.0}, "TC0464"),
        ((1.0, 2.0, 3.0, 4.0), {}, "TC0464"),
        ((1.0,), {"s": 2.0}, "TC0496"),
        ((1.0, 2.0, 3.0), {"nothing": 1.0}, "TC0496"),
    ]:
        with pytest.raises(tc.TensorcError) as found:
            f(*args, **kwargs)
        assert found.value.code == code, (args, kwargs)


def test_parameters_of_one_name_are_passed_by_position(entry: str) -> None:
    f = tc.function([tc.scalar("x"), tc.scalar("x")], tc.constant(1.0), on_unused_input="ignore")
    assert f(1.0, 2.0) == 1.0
    with pytest.raises(tc.TensorcError, match="2 parameters named 'x'"):
        f(1.0, x=2.0)


def test_a_parameter_may_be_called_out(entry: str) -> None:
    out, x = tc.vector("out"), tc.vector("x")
    assert np.array_equal(tc.function([x, out], x - out)(A, out=2 * A), -A)


def test_a_default_that_is_shared_is_read_at_every_call(entry: str) -> None:
    x, y = tc.vectors("x", "y")
    held = tc.shared(A, name="held")
    f = tc.function([x, tc.In(y, value=held)], x + y)
    assert np.array_equal(f(A), 2 * A)
    held.set_value(np.zeros(3))
    assert np.array_equal(f(A), A)


def test_jit_goes_by_its_own_signature() -> None:
    @tc.jit
    def f(p: Any, /, q: Any = 2.0) -> Any:
        return p - q

    assert np.array_equal(f(A, A), 0 * A)
    assert np.array_equal(f(A, q=A), 0 * A)
    assert np.array_equal(f(A), A - 2)
    for kwargs in ({"p": A, "q": A}, {"q": A, "out": A}):
        with pytest.raises(TypeError):
            f(**kwargs)
    single = np.zeros((), np.float32)
    g = tc.jit(lambda p, q: p + q)
    assert g(np.array(1.0), single).dtype == np.float64
    assert g(1.0, single).dtype == np.float32


NUMBERS = [0, 1, -1, 3, 2**53, 2**53 + 1, -(2**53), 2**63 - 1, -(2**63), 2**63, 2**70, True, False]
NUMBERS += [0.0, -0.0, 1.5, 1e300, float("nan"), float("inf"), np.float64(0.1), np.float32(0.1), np.int64(7)]
NUMBERS += [np.bool_(True), np.int8(-3), 1j, "1", None]


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int32", "bool"])
def test_numbers_mean_what_they_mean_to_the_slow_path(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(**options: Any) -> list[Any]:
        x = tc.scalar("x", dtype=dtype)
        f = tc.function([tc.In(x, **options)], [tc.where(x == x, x, x), x == x], name="f", mode="O0")
        found: list[Any] = []
        for number in NUMBERS:
            try:
                value, same = f(number)
                found.append((value.dtype, value.tobytes(), same.tobytes()))
            except (TypeError, ValueError, OverflowError) as error:
                found.append((type(error), getattr(error, "code", "")))
        return found

    variations = [{}, {"strict": True}, {"allow_downcast": False}]
    native = [answers(**options) for options in variations]
    monkeypatch.setattr(entry_layout, "unsupported", lambda: "switched off by the test")
    assert native == [answers(**options) for options in variations]


# ------------------------------------------------------------------------------------------------------ out=

N = 24


def _targets() -> dict[str, Callable[[], np.ndarray[Any, Any]]]:
    return {
        "fresh": lambda: np.empty((4, 6)),
        "rows apart": lambda: np.empty((8, 6))[::2],
        "columns": lambda: np.empty((4, 12))[:, ::2],
        "backwards": lambda: np.empty((4, 6))[::-1, ::-1],
        "fortran": lambda: np.empty((4, 6), order="F"),
        "transposed": lambda: np.empty((6, 4)).T,
        "unaligned": lambda: np.empty(N * 8 + 1, np.uint8)[1:].view(np.float64).reshape(4, 6),
        "subclass": lambda: np.empty((4, 6)).view(np.matrix),
        "read backwards": lambda: np.empty(N)[::-1].reshape(4, 6),
    }


@pytest.mark.parametrize("target", list(_targets()))
def test_results_go_where_they_are_asked_to(target: str, entry: str) -> None:
    m = tc.matrix("m")
    f = tc.function([m], m.T.T * 2 + 1)
    value = np.random.default_rng(0).random((4, 6))
    out = _targets()[target]()
    assert f(value, out=out) is out
    assert np.array_equal(np.asarray(out), value * 2 + 1)
    pair = tc.function([m], [m + 1, m.sum(axis=0)])
    first, second = _targets()[target](), np.empty(6)
    found = pair(value, out=(first, second))
    assert type(found) is list
    assert found[0] is first
    assert found[1] is second
    assert np.array_equal(np.asarray(first), value + 1)
    assert np.allclose(second, value.sum(axis=0))


@pytest.mark.parametrize("shift", range(-3, 4))
@pytest.mark.parametrize("step", [1, 2, -1])
def test_results_may_overlap_what_they_are_computed_from(shift: int, step: int, entry: str) -> None:
    x, y = tc.vectors("x", "y")
    reverse = tc.function([x, y], x[::-1] + y)
    buffer = np.arange(40.0)
    given = buffer[10:30:step] if step > 0 else buffer[29:9:step]
    out = buffer[10 + shift : 10 + shift + len(given)]
    expected = given[::-1] + given
    assert reverse(given, given, out=out) is out
    assert np.array_equal(out, expected)


def test_a_result_beside_what_it_is_computed_from_needs_no_copy() -> None:
    x = tc.vector("x")
    f = tc.function([x], x + 1)
    buffer = np.zeros(20)
    assert frames(f, buffer[:10], out=buffer[10:]) == []
    assert f.stats()["slow"] == 0
    f(buffer[:10], out=buffer[9:19])
    assert f.stats()["slow"] == 1


@pytest.mark.parametrize(
    "out",
    [
        np.empty(4),
        np.empty(2),
        np.empty((3, 1)),
        np.empty(3, np.float32),
        np.empty(3, ">f8"),
        [0.0, 0.0, 0.0],
        (np.empty(3), np.empty(3)),
        (),
        3.0,
        np.broadcast_to(0.0, (3,)),
    ],
    ids=lambda out: type(out).__name__ + str(getattr(out, "shape", "")),
)
def test_arrays_that_do_not_fit_are_one_error(out: Any, entry: str) -> None:
    x = tc.vector("x")
    f = tc.function([x], x + 1)
    with pytest.raises(ValueError, match="out=") as found:
        f(A, out=out)
    assert found.value.code == "TC0466"  # type: ignore[attr-defined]
    assert np.array_equal(f(A, out=None), A + 1)


def test_two_results_cannot_go_to_one_place(entry: str) -> None:
    x = tc.vector("x")
    f = tc.function([x], [x + 1, x * 2])
    room = np.empty(5)
    with pytest.raises(ValueError, match="shares memory"):
        f(A, out=(room[:3], room[2:]))
    f(A, out=(room[:3], np.empty(3)))
    assert np.array_equal(room[:3], A + 1)


def test_empty_and_single_results_have_a_place_too(entry: str) -> None:
    x = tc.vector("x")
    f = tc.function([x], [x + 1, x.sum()])
    for n in (0, 1):
        first, total = np.empty(n), np.empty(())
        f(np.ones(n), out=(first, total))
        assert np.array_equal(first, np.full(n, 2.0))
        assert total == n


def test_a_fault_in_the_data_leaves_the_place_as_it_was(entry: str) -> None:
    x, i = tc.vector("x"), tc.lvector("i")
    w = tc.shared(np.zeros(3))
    f = tc.function([x, i], [x + 1, x[i]], updates=[(w, w + x)])
    first, second = np.full(3, 7.0), np.full(2, 7.0)
    with pytest.raises(IndexError):
        f(A, np.array([0, 3]), out=(first, second))
    assert (first == 7).all()
    assert (second == 7).all()
    assert not w.get_value().any()
    f(A, np.array([0, 2]), out=(first, second))
    assert np.array_equal(first, A + 1)
    assert np.array_equal(second, A[[0, 2]])
    assert np.array_equal(w.get_value(), A)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int32", "int64", "float32", "float64"])
def test_every_dtype_has_a_place(dtype: str, entry: str) -> None:
    m = tc.matrix("m", dtype=dtype)
    f = tc.function([m], m.T)
    value = np.arange(15).reshape(3, 5).astype(dtype)
    for out in (np.empty((5, 3), dtype), np.empty((3, 5), dtype).T, np.empty((5, 6), dtype)[:, ::-2]):
        assert f(value, out=out) is out
        assert np.array_equal(out, value.T)


def test_every_call_that_updates_and_has_a_place_counts_once(entry: str) -> None:
    n, x = tc.shared(0), tc.vector("x")
    f = tc.function([x], x + n, updates={n: n + 1})
    contiguous, strided = np.empty(3), np.empty(6)[::2]
    for k in range(3):
        assert np.array_equal(f(A, out=contiguous), A + 2 * k)
        assert np.array_equal(f(A, out=strided), A + 2 * k + 1)
    with pytest.raises(ValueError, match="out="):
        f(A, out=np.empty(4))
    assert n.get_value() == 6
