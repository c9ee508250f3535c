"""Calls of jitted functions with containers, names and numbers: no Python runs once a form is known, and any
other form goes to Python and is answered as ever.
"""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tensorc.codegen_llvm import entry_layout

pytestmark = pytest.mark.skipif(
    entry_layout.unsupported() is not None, reason="the native entry is not supported here"
)
Pair = namedtuple("Pair", "a b")
A, B, C = (np.arange(8.0) + k for k in range(3))


def python_calls(f: Any, *args: Any, **kwargs: Any) -> int:
    """How many Python functions a call runs."""
    frames: list[Any] = []
    sys.setprofile(lambda frame, event, _: frames.append(frame.f_code) if event == "call" else None)
    try:
        f(*args, **kwargs)
    finally:
        sys.setprofile(None)
    return len(frames)


def step(p: Any, x: Any, *, rate: Any = 0.5) -> Any:
    return {"w": p["w"] - rate * x, "rest": [p["rest"][0], (p["rest"][1] + x, None)]}


KNOWN: dict[str, tuple[Any, tuple[Any, ...], dict[str, Any]]] = {
    "a tree": (step, ({"w": A, "rest": [B, C]}, A), {}),
    "a keyword": (step, ({"w": A, "rest": [B, C]}, A), {"rate": 0.25}),
    "all by name": (lambda x, y: x - 2 * y, (), {"y": A, "x": B}),
    "a float": (lambda x, r: x * r, (A, 2.5), {}),
    "an int": (lambda x, n: x * n, (A, 7), {}),
    "None": (lambda x, y: x if y is None else x + y, (A, None), {}),
    "a named tuple": (lambda p: p.a - p.b, (Pair(A, B),), {}),
    "an empty list": (lambda x, rest: x * 2, (A, []), {}),
    "the same array twice": (lambda p: p[0] * p[1], ([A, A],), {}),
    "a nested dict": (lambda p: {"b": p["y"]["k"], "a": p["x"]}, ({"y": {"k": A}, "x": B},), {}),
    "a single list": (lambda p: [p[0] + 1], ([A],), {}),
}


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_form_runs_no_python(name: str) -> None:
    function, args, kwargs = KNOWN[name]
    f = tc.jit(function)
    first = f(*args, **kwargs)
    assert python_calls(f, *args, **kwargs) == 0
    second = f(*args, **kwargs)
    same(first, second)
    same(second, function(*args, **kwargs))


def same(a: Any, b: Any) -> None:
    """Equal in form, down to the order of keys, and in value."""
    assert type(a) is type(b) or isinstance(b, float | int)
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif a is not None:
        np.testing.assert_allclose(a, b)


def test_static_arguments_that_are_the_same_objects() -> None:
    f = tc.jit(lambda x, n, mode: x * n if mode == "times" else x + n, static_argnames=("n", "mode"))
    np.testing.assert_array_equal(f(A, 3, mode="times"), A * 3)
    assert python_calls(f, A, 3, mode="times") == 0
    np.testing.assert_array_equal(f(A, 3, mode="plus"), A + 3)
    np.testing.assert_array_equal(f(A, 4, mode="times"), A * 4)
    np.testing.assert_array_equal(f(A, True, mode="times"), A)
    np.testing.assert_array_equal(f(A, 3, mode="times"), A * 3)
    for n in range(300, 312):  # each a new object
        np.testing.assert_array_equal(f(A, n, mode="plus"), A + n)


OTHERS: list[Any] = [
    {"w": A, "v": [B]},
    {"w": A},
    {"w": A, "b": [B], "c": C},
    {"w": A, "b": (B,)},
    {"w": A, "b": [B, B]},
    {"w": A.astype("f4"), "b": [B]},
    {"w": A.reshape(2, 4), "b": [B[0]]},
    {"w": 2.0, "b": [B]},
    {"w": 2, "b": [B]},
    {"w": 2**63, "b": [B.astype("u8")]},
    {"w": True, "b": [B]},
    {"w": None, "b": [B]},
    {"w": np.float64(2), "b": [B]},
    {"b": [B], "w": A},
    OrderedDict(w=A, b=[B]),
    [A, [B]],
    {1: A, "b": [B]},
]


def total(p: Any) -> Any:
    leaves = tc_leaves(p)
    return sum(leaves[1:], leaves[0]) * 2


def tc_leaves(p: Any) -> list[Any]:
    if p is None:
        return []
    if isinstance(p, dict):
        return [leaf for key in sorted(p, key=str) for leaf in tc_leaves(p[key])]
    return [leaf for child in p for leaf in tc_leaves(child)] if isinstance(p, list | tuple) else [p]


def test_every_other_form_goes_to_python_and_back() -> None:
    f = tc.jit(total)
    known = {"w": A, "b": [B]}
    for other in OTHERS:
        for _ in range(2):
            np.testing.assert_allclose(f(known), (A + B) * 2)
            np.testing.assert_allclose(f(other), total(other))
    assert python_calls(f, known) == 0


def test_some_forms_are_known_at_once() -> None:
    f = tc.jit(step)
    tree = {"w": A, "rest": [B, C]}
    calls: list[Any] = [
        ((tree, A), {}),
        ((tree, A), {"rate": 2.0}),
        ((tree, 3), {}),
        ((tree, A), {"rate": B}),
    ]
    for args, kwargs in calls * 2:
        f(*args, **kwargs)
    for args, kwargs in calls:
        assert python_calls(f, *args, **kwargs) == 0
        same(f(*args, **kwargs), step(*args, **kwargs))
    plain = tc.jit(lambda x, r=2.0: x * r)
    plain(A)
    plain(A, 3.0)
    plain(A, r=3.0)
    assert python_calls(plain, A) == python_calls(plain, A, 3.0) == python_calls(plain, A, r=3.0) == 0


def test_arrays_in_any_layout() -> None:
    f = tc.jit(lambda p: p["x"] * 2)
    f({"x": A})
    wide = np.arange(64.0).reshape(8, 8)
    odd = np.frombuffer(bytes(1) + wide.tobytes(), np.uint8)[1:].view("f8")[:8]
    frozen = A.copy()
    frozen.setflags(write=False)
    for x in (wide[:, 3], wide[3, ::-1], A[:0], odd, frozen, A.astype(">f8"), wide[::2, 1]):
        np.testing.assert_array_equal(f({"x": x}), x * 2)


def test_text_keys_that_are_not_interned() -> None:
    f = tc.jit(lambda p, **more: p["key"] + more["other"])
    name, key = "".join(["oth", "er"]), "".join(["k", "ey"])
    for _ in range(3):
        np.testing.assert_array_equal(f({key: A}, **{name: B}), A + B)


def test_references_are_given_back() -> None:
    f = tc.jit(step)
    tree = {"w": A.copy(), "rest": [B.copy(), C.copy()]}
    f(tree, A)
    before = [sys.getrefcount(x) for x in (tree, tree["w"], tree["rest"], *tree["rest"], A, None)]
    for _ in range(100):
        f(tree, A)
        with pytest.raises(tc.TensorcError):
            f(tree, A[:3])
        f({"w": A[:1], "rest": [B[:1], C[:1]]}, 3.0)
        f(tree, A)
    after = [sys.getrefcount(x) for x in (tree, tree["w"], tree["rest"], *tree["rest"], A, None)]
    assert after[:-1] == before[:-1]
    result = f(tree, A)
    kept = weakref.ref(result["w"])
    del result
    assert kept() is None


def test_leaves_may_leave_their_containers_during_the_call() -> None:
    """The large ones are computed with while other threads run."""
    f = tc.jit(lambda p: tc.sum(tc.sin(p["x"][0]) + tc.cos(p["x"][1])))
    big = [np.linspace(0, 1, 2_000_000) + k for k in range(2)]
    want = float(f({"x": list(big)}))
    stop = threading.Event()
    tree: dict[str, Any] = {"x": [x.copy() for x in big]}

    def exchange() -> None:
        while not stop.is_set():
            tree["x"] = [x.copy() for x in big]
            tree["x"][0] = big[0].copy()

    other = threading.Thread(target=exchange)
    other.start()
    try:
        assert all(float(f(tree)) == want for _ in range(10))
    finally:
        stop.set()
        other.join()


class Rude:
    """A key that is hashed like a text and spoils the dictionary when it is compared."""

    def __init__(self, text: str, spoil: Any) -> None:
        self.hash, self.spoil = hash(text), spoil

    def __hash__(self) -> int:
        return self.hash

    def __eq__(self, other: object) -> bool:
        self.spoil()
        return False


def test_keys_that_run_python_code() -> None:
    f = tc.jit(lambda p: p["a"] + p["b"])
    f({"a": A, "b": B})

    def fail() -> None:
        raise ValueError("no")

    tree: dict[Any, Any] = {Rude("b", fail): A, "a": B.copy()}
    with pytest.raises((ValueError, tc.TensorcError)):
        f(tree)
    spoilt: dict[Any, Any] = {}
    armed: list[bool] = []
    spoilt[Rude("b", lambda: spoilt.clear() if armed else None)] = [B.copy()]
    spoilt["a"] = A.copy()
    armed.append(True)
    with pytest.raises((KeyError, RuntimeError, tc.TensorcError)):
        f(spoilt)
    np.testing.assert_array_equal(f({"a": A, "b": B}), A + B)


def test_deep_and_wide_trees() -> None:
    f = tc.jit(tc_leaves)
    deep: Any = A
    for _ in range(200):
        deep = [deep]
    wide = [A[:1]] * 300
    for tree in (deep, wide, deep, wide):
        for result, leaf in zip(f(tree), tc_leaves(tree), strict=True):
            np.testing.assert_array_equal(result, leaf)


def test_clear_and_collect_while_forms_are_known() -> None:
    f = tc.jit(step)
    tree = {"w": A, "rest": [B, C]}
    for _ in range(3):
        f(tree, A)
        f.clear()
        gc.collect()
        f(tree, A, rate=2.0)
    dead = weakref.ref(f)
    del f
    gc.collect()
    assert dead() is None


def test_several_threads_with_several_forms() -> None:
    f = tc.jit(lambda p, x: {"r": p["w"] * x})
    calls = [({"w": A}, B), ({"w": A.astype("f4")}, B.astype("f4")), ({"w": 2.0}, B), ({"w": A}, 3)]
    wrong: list[Any] = []

    def work(k: int) -> None:
        for n in range(200):
            p, x = calls[(k + n) % 4]
            if not np.allclose(f(p, x)["r"], np.multiply(p["w"], x)):
                wrong.append((k, n))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
