"""Calls of compiled functions: arguments, results, errors, bodies. Everything runs through the native entry
and the Python one.
"""

from __future__ import annotations

import functools
import gc
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codegen_llvm.entry_bodies import (
    F64,
    Recorded,
    add_checked,
    as_double,
    body,
    make,
    matmul,
    plus_one,
    plus_one_fast,
    returning,
    scalar_square,
    signature,
)
from tensorc.codegen_llvm import entry_layout
from tensorc.codegen_llvm.abi import ArraySpec, Signature
from tensorc.codegen_llvm.entry import FunctionBase
from tensorc.ir.errors import InternalError

ONE = signature(1, 1)


@pytest.fixture(params=["native", "python"], autouse=True)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "python":
        monkeypatch.setattr(entry_layout, "unsupported", lambda: "switched off by the test")
    return str(request.param)


def unaligned(n: int) -> np.ndarray[Any, Any]:
    return np.zeros(8 * n + 1, np.uint8)[1:].view(F64)


class Sub(np.ndarray[Any, Any]):
    pass


def test_this_interpreter_has_the_native_entry(kind: str) -> None:
    assert (entry_layout.unsupported() is None) == (kind == "native")


@pytest.mark.parametrize("n", [0, 1, 2, 3, 17, 1000])
def test_contiguous(n: int) -> None:
    x = np.linspace(-3, 3, n)
    y = make(plus_one(), ONE, slow=as_double)(x)
    assert type(y) is np.ndarray
    assert y.dtype is F64
    assert y.flags.c_contiguous
    assert y.flags.owndata
    assert np.array_equal(y, x + 1)


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[::-1],
        lambda a: a[::3],
        lambda a: a[5:1:-2],
        lambda a: a[4:5][::7],
        lambda a: np.broadcast_to(a[2], (6,)),
    ],
)
def test_strides_are_read_in_place(view: Callable[..., Any]) -> None:
    f = make(plus_one(), ONE, slow=as_double)
    x = view(np.arange(20.0))
    direct = f.direct(x)
    assert np.array_equal(direct, x + 1)
    assert np.array_equal(f(x), x + 1)


def test_the_native_path_is_taken(kind: str) -> None:
    f = make(plus_one(), ONE, slow=as_double)
    for x in (np.ones(4), np.ones(8)[::2], np.ones(0), np.ones(1)):
        f(x)
    assert f.counts()["generic"] == 4
    assert f.counts()["slow"] == 0
    f([1.0, 2.0])
    assert f.counts()["slow"] == (1 if kind == "native" else 0)


@pytest.mark.parametrize(
    "value",
    [
        [1, 2, 3],
        3.5 * np.ones(4, np.float32),
        np.ones(4, ">f8"),
        np.zeros((3, 4))[:, 1].view(Sub),
        np.ma.masked_array([1.0, 2.0], [True, False]),
        np.ones(2, np.dtype("f8", metadata={"a": 1})),
        unaligned(5),
        np.zeros(3, [("a", "i2"), ("b", "f8")])["b"],
        np.zeros(4, [("a", "i4"), ("b", "f8"), ("c", "i1")])[::2]["b"],
        np.ones(4, np.longlong),
        range(5),
        memoryview(np.arange(3.0)),
    ],
    ids=lambda v: f"{type(v).__name__}-{getattr(v, 'dtype', '')}",
)
def test_everything_else_goes_to_the_slow_path(value: Any) -> None:
    f = make(plus_one(), ONE, slow=as_double)
    with pytest.raises(TypeError, match="native form"):
        f.direct(value)
    assert np.array_equal(f(value), np.asarray(value) + 1.0)
    assert np.array_equal(f(x=value), np.asarray(value) + 1.0)


@pytest.mark.parametrize("x", [np.ones((2, 2)), np.array(1.0), np.ones(3, np.int64)])
def test_direct_refuses_other_ranks_and_dtypes(x: np.ndarray[Any, Any]) -> None:
    with pytest.raises(TypeError, match=r"f: .*native form"):
        make(plus_one(), ONE).direct(x)


def test_wrong_numbers_of_arguments_reach_the_slow_path() -> None:
    f = make(plus_one(), ONE, slow=as_double)
    x = np.ones(3)
    for args, kwargs in (((), {}), ((x, x), {}), ((x,), {"x": x})):
        with pytest.raises(TypeError, match="takes one argument"):
            f(*args, **kwargs)
    with pytest.raises(TypeError):
        f.direct()
    with pytest.raises(TypeError):
        f.direct(x, x)


def test_the_slow_path_sees_what_was_passed_and_returns_as_it_is() -> None:
    seen = []
    f = make(plus_one(), ONE, slow=lambda direct, args, kwargs: seen.append((args, kwargs)) or "answer")
    assert f(1, 2, a=3, b=4) == "answer"
    assert seen == [((1, 2), {"a": 3, "b": 4})]


def test_stride_of_a_size_one_axis_is_ignored() -> None:
    x = np.lib.stride_tricks.as_strided(np.array([5.0]), shape=(1,), strides=(3,))
    assert x.strides == (3,)
    assert make(plus_one(), ONE)(x) == [6.0]


def test_static_extents() -> None:
    spec = Signature((ArraySpec(F64, (4,), "x"),), (ArraySpec(F64, (4,)),), result="one")
    f = make(plus_one(), spec, slow=as_double)
    assert np.array_equal(f(np.ones(4)), np.full(4, 2.0))
    with pytest.raises(TypeError):
        f(np.ones(5))


def test_zero_dimensional() -> None:
    spec = Signature((ArraySpec(F64, (), "x"),), (ArraySpec(F64, ()),), result="one")
    y = make(scalar_square(), spec)(np.array(3.0))
    assert type(y) is np.ndarray
    assert y.shape == ()
    assert y == 9


@pytest.mark.parametrize("shapes", [((5, 3), (3, 4)), ((1, 1), (1, 1)), ((7, 2), (2, 1))])
def test_blas(shapes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=s) for s in shapes)
    matrix = ArraySpec(F64, (None, None))
    f = make(matmul(), Signature((matrix, matrix), (matrix,), result="one"))
    assert np.allclose(f(a, b), a @ b, rtol=1e-14)


# results


@pytest.mark.parametrize(
    ("form", "wrap", "expected"),
    [
        ("tuple", None, lambda y: isinstance(y, tuple) and len(y) == 1 and y[0].tolist() == [2, 2]),
        ("list", None, lambda y: isinstance(y, list) and len(y) == 1 and y[0].tolist() == [2, 2]),
        ("one", lambda y: {"y": y}, lambda y: y["y"].tolist() == [2, 2]),
        ("tuple", lambda y: dict(zip("y", y, strict=True)), lambda y: y["y"].tolist() == [2, 2]),
    ],
)
def test_result_forms(form: Any, wrap: Any, expected: Callable[[Any], bool]) -> None:
    f = make(plus_one(), signature(1, 1, result=form), wrap=wrap)
    assert expected(f(np.ones(2)))


def test_a_failing_wrapper_raises_its_error() -> None:
    f = make(plus_one(), ONE, wrap=lambda y: {}[y.size])
    with pytest.raises(KeyError, match="2"):
        f(np.ones(2))


# errors


def test_a_recorded_error_reaches_the_callback() -> None:
    f = make(add_checked(), signature(2, 1))
    assert f(np.ones(2), np.ones(2)).tolist() == [2, 2]
    with pytest.raises(Recorded) as caught:
        f(np.ones(2), np.ones(5))
    assert caught.value.args == (7, 0, 2, 5)


def test_a_callback_that_does_not_raise_is_an_error() -> None:
    f = make(add_checked(), signature(2, 1), on_error=lambda *cell: None)
    with pytest.raises(SystemError, match="f: the error callback returned"):
        f(np.ones(2), np.ones(5))


@pytest.mark.parametrize(("code", "error"), [(3, MemoryError), (2, SystemError), (-5, SystemError)])
def test_other_codes(code: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        make(returning(code), signature(0, 1))()


@pytest.mark.parametrize(
    ("extent", "error"), [(str(1 << 50), MemoryError), (str(1 << 62), ValueError), ("-1", ValueError)]
)
def test_outputs_that_cannot_be_allocated(extent: str, error: type[Exception]) -> None:
    f = make(returning(0, extent=extent), signature(0, 1))
    for _ in range(3):
        with pytest.raises(error):
            f()


# bodies


def test_fast_and_generic_bodies() -> None:
    compiled = []

    def generic() -> Any:
        compiled.append(1)
        return body(plus_one(), ONE)

    f = make(plus_one_fast(), ONE, generic=generic)
    x = np.arange(6.0)
    assert np.array_equal(f(x), x + 1)
    assert not compiled
    assert f.counts() == {"fast": 1, "generic": 0, "slow": 0}
    assert np.array_equal(f(x[::2][:2]), x[::2][:2] + 1)
    assert np.array_equal(f(x[:3]), x[:3] + 1)
    assert np.array_equal(f(x[::-1]), x[::-1] + 1)
    assert np.array_equal(f(x), x + 1)
    assert compiled == [1]
    assert f.counts() == {"fast": 2, "generic": 3, "slow": 0}
    assert sorted(f.machine.bodies) == ["fast", "generic"]


@pytest.mark.parametrize("x", [np.ones(3), np.ones(8)[::2]], ids=["assumption", "strides"])
def test_a_failing_compile_of_the_generic_body_is_reported_and_tried_again(x: np.ndarray[Any, Any]) -> None:
    outcomes = [InternalError("no luck"), body(plus_one(), ONE)]

    def generic() -> Any:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    f = make(plus_one_fast(), ONE, generic=generic)
    with pytest.raises(InternalError, match="no luck"):
        f(x)
    assert np.array_equal(f(x), x + 1)
    assert not outcomes


def test_constants() -> None:
    bias = np.array([10.0, 20.0])
    f = make(add_checked(), signature(1, 1, constants=1), constants=[bias])
    assert f(np.ones(2)).tolist() == [11, 21]
    with pytest.raises(TypeError, match="not C-contiguous"):
        make(add_checked(), signature(1, 1, constants=1), constants=[np.ones(4)[::2]])
    with pytest.raises(TypeError, match="native form"):
        make(add_checked(), signature(1, 1, constants=1), constants=[np.ones(4, np.int32)])
    with pytest.raises(ValueError, match="do not fit"):
        make(add_checked(), signature(1, 1, constants=1))


def test_thousands_of_arguments() -> None:
    n = 3000
    args = [np.full(2, float(k)) for k in range(n)]
    text = f"""
define i32 @f_shapes({", ".join(f"ptr %x{k}" for k in range(n))}, ptr %err, ptr %extents) {{
  %p = getelementptr i8, ptr %extents, i64 8
  %d = load ptr, ptr %p
  store i64 1, ptr %d
  ret i32 0
}}
define i32 @f({", ".join(f"ptr %x{k}" for k in range(n))}, ptr %y, ptr %err) {{
  %xp = getelementptr i8, ptr %x{n - 1}, i64 8
  %xd = load ptr, ptr %xp
  %v = load double, ptr %xd
  %yp = getelementptr i8, ptr %y, i64 8
  %yd = load ptr, ptr %yp
  store double %v, ptr %yd
  ret i32 0
}}
"""
    f = make(text, signature(n, 1))
    assert f(*args).tolist() == [n - 1]
    with pytest.raises((AssertionError, TypeError), match=r"slow path|native form"):
        f(*args[1:], "wrong")


# the Python object


class Named(FunctionBase):
    """What the api would derive."""

    label = "named"

    def __init__(self) -> None:
        raise AssertionError("functions are made without __init__")

    def twice(self, x: Any) -> Any:
        return self(self(x))


def test_it_is_a_python_object() -> None:
    f = make(plus_one(), ONE, base=Named, slow=as_double)
    assert isinstance(f, Named)
    assert type(f).__name__ == "Named"
    assert callable(f)
    f.note = "text"
    assert f.note == "text"
    assert f.label == "named"
    assert f.twice(np.zeros(2)).tolist() == [2, 2]
    assert list(map(f, [np.zeros(1), [1.0]])) == [[1.0], [2.0]]
    assert functools.partial(f, np.zeros(1))() == [1.0]
    assert f.__call__(np.zeros(1)) == [1.0]
    assert f(*[np.zeros(1)], **{}) == [1.0]
    assert weakref.ref(f)() is f
    with pytest.raises(AttributeError):
        f.missing  # noqa: B018


def test_an_unfinished_function_cannot_crash(kind: str) -> None:
    made = type(make(plus_one(), ONE))
    with pytest.raises(TypeError if kind == "native" else AttributeError):
        made.__new__(made)(np.ones(2))


def test_references_are_balanced() -> None:
    f = make(
        add_checked(),
        signature(2, 1),
        slow=lambda direct, args, kwargs: direct(*map(np.ascontiguousarray, args)),
    )
    good, other = np.ones(4), np.ones(5)
    watched: list[Any] = [good, other, F64, np.ndarray, f]

    def counts() -> list[int]:
        return [sys.getrefcount(w) for w in watched]

    def calls() -> None:
        f(good, good)
        for args in ((good, other), (good, [1.0]), (good,)):
            with pytest.raises((Recorded, TypeError, ValueError)):
                f(*args)

    calls()
    gc.collect()
    before = counts()
    for _ in range(50):
        calls()
    gc.collect()
    assert counts() == before
    y = f(good, good)
    assert sys.getrefcount(y) == 2


def test_memory_stays_flat(kind: str) -> None:
    statm = Path("/proc/self/statm")
    if not statm.exists() or kind == "python":
        pytest.skip("needs /proc and the native entry")
    f = make(add_checked(), signature(2, 1), gil_bytes=100)
    small, large = np.ones(3), np.ones(64)
    for _ in range(1000):
        f(small, small)
    before = int(statm.read_text().split()[1])
    for _ in range(500_000):
        f(small, small)
    for _ in range(100_000):
        f(large, large)
    assert int(statm.read_text().split()[1]) - before < 100


# lives


def test_dropping_a_function_frees_its_machine() -> None:
    f = make(plus_one(), ONE, slow=as_double)
    machine = weakref.ref(f.machine)
    f(np.ones(2))
    f([1.0])
    del f
    assert machine() is None


def test_cycles_are_collected() -> None:
    def machine_of_a_cycle() -> Any:
        holder: list[Any] = []
        f = make(plus_one(), ONE, slow=lambda *call: holder, on_error=lambda *cell: holder)
        f.itself = f
        holder.append(f)
        return weakref.ref(f.machine)

    machine = machine_of_a_cycle()
    assert machine() is not None
    gc.collect()
    assert machine() is None


def test_a_finalizer_in_a_cycle_can_still_call() -> None:
    answers = []

    class Model:
        def __init__(self) -> None:
            self.f = make(plus_one(), ONE, slow=lambda direct, args, kwargs: self.convert(direct, args))

        def convert(self, direct: Any, args: Any) -> Any:
            return direct(np.asarray(args[0]))

        def __del__(self) -> None:
            answers.append((self.f(np.ones(1)).tolist(), self.f([2.0]).tolist()))

    for _ in range(20):
        Model()
    gc.collect()
    assert answers == [([2.0], [3.0])] * 20


def test_a_function_can_drop_itself_during_a_call() -> None:
    box: list[Any] = []

    def slow(direct: Any, args: Any, kwargs: Any) -> Any:
        box.clear()
        gc.collect()
        return direct(np.asarray(args[0]))

    box.append(make(plus_one(), ONE, slow=slow))
    assert box[0]([1.0]).tolist() == [2.0]
    assert not box
