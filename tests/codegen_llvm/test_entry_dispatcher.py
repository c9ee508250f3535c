"""The callable that has several bodies: what it tries first, and that this may be exchanged while it runs."""

from __future__ import annotations

import functools
import gc
import sys
import threading
import weakref
from typing import Any

import numpy as np
import pytest

from codegen_llvm.entry_bodies import make, plus_one, signature
from tensorc.codegen_llvm import entry, entry_layout
from tensorc.codegen_llvm.entry import DispatcherBase

ONE = signature(1, 1)


class Face(DispatcherBase):
    pass


@pytest.fixture(params=["native", "python"], autouse=True)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "python":
        monkeypatch.setattr(entry_layout, "unsupported", lambda: "switched off by the test")
    return str(request.param)


def test_an_empty_slot_leads_to_the_slow_path() -> None:
    face = entry.new_dispatcher(Face, lambda *args, **kwargs: (args, kwargs))
    assert face(1, k=2) == ((1,), {"k": 2})
    assert face() == ((), {})
    assert isinstance(face, Face)


def test_the_first_call_hands_over_to_machine_code(kind: str) -> None:
    if kind == "python":
        pytest.skip("there is no machine code to hand over to")
    face = entry.new_dispatcher(Face, lambda *args: args)
    code = DispatcherBase.__call__.__code__
    frames: list[Any] = []
    sys.setprofile(lambda frame, event, _: frames.append(frame.f_code))
    try:
        results = face(1), face(2), face(*(3,)), functools.partial(face, 4)()
    finally:
        sys.setprofile(None)
    assert results == ((1,), (2,), (3,), (4,))
    assert frames.count(code) == 2  # its call and its return
    assert face.__call__(5) == (5,)


def test_the_function_in_the_slot_is_tried_first(kind: str) -> None:
    seen: list[Any] = []

    def slow(direct: Any, args: Any, kwargs: Any) -> str:
        seen.append((args, kwargs))
        return "slow"

    face = entry.new_dispatcher(Face, lambda *args, **kwargs: "empty")
    inner = make(plus_one(), ONE, slow=slow)
    x = np.ones(3)
    face._direct = inner
    if kind == "python":
        assert face(x) == "empty"
    else:
        assert np.array_equal(face(x), x + 1)
        assert face([1, 2]) == "slow"
        assert face(x, k=1) == "slow"
        assert seen == [(([1, 2],), {}), ((x,), {"k": 1})]
    del face._direct
    assert face(x) == "empty"


def test_the_slot_may_be_emptied_during_the_call(kind: str) -> None:
    """By the slow path of the very function that is called, which then has no other owner."""
    held: list[Any] = []

    def slow(direct: Any, args: Any, kwargs: Any) -> Any:
        del face._direct
        held.clear()
        gc.collect()
        return direct(np.asarray(args[0], "f8"))

    face = entry.new_dispatcher(Face, lambda *args: "empty")
    held.append(make(plus_one(), ONE, slow=slow))
    face._direct = held[0]
    gone = weakref.ref(held[0])
    found = face([1, 2])
    if kind == "python":  # it has its own way to the slow path, and no slot to try first
        assert found == "empty"
        return
    assert np.array_equal(found, [2, 3])
    assert gone() is None


def test_exchanging_while_other_threads_call() -> None:
    face = entry.new_dispatcher(Face, lambda x: x + 1)
    x, stop, wrong = np.zeros(1 << 16), threading.Event(), []

    def call() -> None:
        while not stop.is_set():
            if face(x)[0] != 1:
                wrong.append("value")

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        face._direct = make(plus_one(), ONE, slow=lambda direct, args, kwargs: direct(*args))
        gc.collect()
    stop.set()
    for thread in threads:
        thread.join(30)
    assert not wrong
