"""Shared variables: updates all or nothing, locks, threads, fork."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from codegen_llvm.entry_bodies import Recorded, accumulate, add_checked, make, plus_one, signature, swap
from tensorc.codegen_llvm import entry_layout
from tensorc.codegen_llvm.abi import ArraySpec, Signature
from tensorc.runtime.cell import Cell

ACCUMULATE = signature(1, 3, cells=2, updates=[(0, 1), (1, 2)], result="one")
SWAP = signature(0, 2, cells=2, updates=[(0, 0), (1, 1)], result="none")


@pytest.fixture(params=["native", "python"], autouse=True)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "python":
        monkeypatch.setattr(entry_layout, "unsupported", lambda: "switched off by the test")
    return str(request.param)


def to_direct(direct: Any, args: Any, kwargs: Any) -> Any:
    return direct(*map(np.ascontiguousarray, args))


def together(*jobs: Callable[[], Any]) -> None:
    """Run all in threads, started together; the first error is raised here."""
    errors: list[BaseException] = []
    gate = threading.Barrier(len(jobs))

    def run(job: Callable[[], Any]) -> None:
        gate.wait()
        try:
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "deadlock"
    if errors:
        raise errors[0]


def test_updates_and_results() -> None:
    w, u = Cell(np.zeros(2)), Cell(np.ones(2))
    before = w.get()
    f = make(accumulate(), ACCUMULATE, cells=[w, u])
    first = f(np.array([1.0, 2.0]))
    assert first.tolist() == [1, 2]
    assert w.get().tolist() == [1, 2]
    assert u.get().tolist() == [2, 2]
    assert w.get() is not first
    assert before.tolist() == [0, 0]
    assert f(np.array([1.0, 2.0])).tolist() == [2, 4]
    assert first.tolist() == [1, 2]


def test_an_error_changes_nothing() -> None:
    w, u = Cell(np.zeros(2)), Cell(np.ones(2))
    old = w.get(), u.get()
    f = make(accumulate(), ACCUMULATE, cells=[w, u])
    for _ in range(3):
        with pytest.raises(Recorded):
            f(np.array([-1.0, 2.0]))
    assert w.get() is old[0]
    assert u.get() is old[1]
    assert f(np.ones(2)).tolist() == [1, 1]


def test_all_updates_read_the_old_values() -> None:
    a, b = Cell(np.array([1.0])), Cell(np.array([2.0]))
    f = make(swap(), SWAP, cells=[a, b])
    assert f() is None
    assert (a.get().tolist(), b.get().tolist()) == ([2], [1])
    a.set(np.array([5.0]))
    f()
    assert (a.get().tolist(), b.get().tolist()) == ([1], [5])


def test_a_cell_may_change_its_extents_and_strides() -> None:
    w = Cell(np.ones(3))
    f = make(add_checked(), signature(1, 1, cells=1), cells=[w])
    assert f(np.ones(3)).tolist() == [2, 2, 2]
    w.set(np.arange(8.0)[::-4])
    assert f(np.ones(2)).tolist() == [8, 4]
    with pytest.raises(Recorded):
        f(np.ones(3))


@pytest.mark.parametrize("held", [np.ones(3, np.float32), np.ones((3, 1)), [1.0, 2.0, 3.0]])
def test_a_cell_with_something_else_is_refused(held: Any) -> None:
    w = Cell(np.ones(3))
    f = make(add_checked(), signature(1, 1, cells=1), cells=[w], slow=to_direct)
    w[0] = held
    with pytest.raises(TypeError, match="native form"):
        f(np.ones(3))
    w[0] = np.ones(3)
    assert f(np.ones(3)).tolist() == [2, 2, 2]


def test_references_of_cells_are_balanced() -> None:
    w, u = Cell(np.zeros(2)), Cell(np.ones(2))
    f = make(accumulate(), ACCUMULATE, cells=[w, u])
    x = np.array([1.0, 2.0])
    for value in (1.0, -1.0, 1.0):
        x[0] = value
        try:
            f(x)
        except Recorded:
            assert value < 0
        held = w.get()
        assert sys.getrefcount(held) == 3  # the cell, `held`, the argument
        del held
    assert sys.getrefcount(x) == 2


def test_what_does_not_fit_is_refused() -> None:
    w = Cell(np.zeros(2))
    with pytest.raises(ValueError, match="twice"):
        make(swap(), SWAP, cells=[w, w])
    with pytest.raises(TypeError, match="native form"):
        make(swap(), SWAP, cells=[w, Cell(np.zeros(2, np.int8))])
    with pytest.raises(TypeError, match="Cell"):
        make(add_checked(), signature(1, 1, cells=1), cells=[(np.zeros(2),)])
    for updates in ([(0, 0), (0, 1)], [(2, 0), (1, 1)], [(0, 0)], [(0, 0), (1, 0)]):
        with pytest.raises(ValueError, match="updates"):
            signature(0, 2, cells=2, updates=updates, result="none")
    matrix = ArraySpec(np.dtype(np.float64), (None, None))
    with pytest.raises(ValueError, match="rank"):
        Signature((), (matrix,), signature(0, 0, cells=1, result="none").cells, (), ((0, 0),), "none")


# threads


@pytest.mark.parametrize("gil_bytes", [0, 1 << 30], ids=["released", "held"])
def test_no_update_is_lost(gil_bytes: int) -> None:
    w, u = Cell(np.zeros(4)), Cell(np.zeros(4))
    f = make(accumulate(), ACCUMULATE, cells=[w, u], gil_bytes=gil_bytes)
    x = np.ones(4)

    def work() -> None:
        for _ in range(1000):
            f(x)

    together(*[work] * 8)
    assert w.get().tolist() == [8000] * 4
    assert u.get().tolist() == [8000] * 4


def test_two_functions_with_the_same_cells_in_opposite_order_do_not_deadlock() -> None:
    a, b = Cell(np.array([1.0])), Cell(np.array([2.0]))
    f = make(swap(), SWAP, cells=[a, b], gil_bytes=0)
    g = make(swap(), SWAP, cells=[b, a], gil_bytes=0)

    def work(h: Any) -> Callable[[], None]:
        def run() -> None:
            for _ in range(1000):
                h()

        return run

    together(*[work(f), work(g)] * 3)
    assert (a.get().tolist(), b.get().tolist()) == ([1], [2])


def test_set_and_calls_wait_for_a_running_update() -> None:
    """Another thread has the cells: its mark is in the box of each."""
    w, u = Cell(np.zeros(1)), Cell(np.zeros(1))
    f = make(accumulate(), ACCUMULATE, cells=[w, u], gil_bytes=0)
    seen: list[str] = []

    def call() -> None:
        f(np.ones(1))
        seen.append("call")

    def set() -> None:
        w.set(np.full(1, 7.0))
        seen.append("set")

    w._box[0] = 1
    threads = [threading.Thread(target=job) for job in (call, set)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    assert not seen
    w._box[0] = 0
    for thread in threads:
        thread.join(10)
    assert sorted(seen) == ["call", "set"]
    assert w.get().tolist() in ([7], [8])
    assert w._box[1] == u._box[1] == 0


def test_readers_see_updates_that_belong_together() -> None:
    a, b = Cell(np.zeros(64)), Cell(np.zeros(64))
    f = make(accumulate(), ACCUMULATE, cells=[a, b], gil_bytes=0)
    difference = make(add_checked(), signature(0, 1, cells=2), cells=[a, b])
    x = np.ones(64)
    stop = threading.Event()

    def write() -> None:
        for _ in range(2000):
            f(x)
        stop.set()

    def read() -> None:
        while not stop.is_set():
            total = difference()
            assert total[0] % 2 == 0

    together(write, read, read)
    assert a.get()[0] == b.get()[0] == 2000


def test_plain_calls_in_many_threads() -> None:
    f = make(plus_one(), signature(1, 1), gil_bytes=0)

    def work() -> None:
        for k in range(1000):
            assert f(np.full(5, float(k)))[4] == k + 1

    together(*[work] * 8)


def test_dropping_a_function_during_its_call_in_another_thread() -> None:
    for _ in range(20):
        box = [make(plus_one(), signature(1, 1), gil_bytes=0)]
        x = np.zeros(2_000_000)
        answers: list[Any] = []
        started = threading.Event()

        def call(box: Any = box, x: Any = x, answers: Any = answers, started: Any = started) -> None:
            started.set()
            answers.append(box.pop()(x))

        thread = threading.Thread(target=call)
        thread.start()
        started.wait()
        del box
        thread.join(30)
        assert answers[0][-1] == 1.0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_cells_are_free_in_the_child_of_a_fork() -> None:
    w, u = Cell(np.zeros(1)), Cell(np.zeros(1))
    f = make(accumulate(), ACCUMULATE, cells=[w, u])
    for cell in (w, u):
        cell._box[0], cell._box[1] = 1, 3  # another thread has it, and three wait
    child = os.fork()
    if child == 0:
        os._exit(0 if f(np.ones(1)).tolist() == [1] else 1)
    deadline = time.monotonic() + 20
    done = status = 0
    while not done and time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.01)
    if not done:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert done
    assert os.waitstatus_to_exitcode(status) == 0
