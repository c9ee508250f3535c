"""`tc.jit` from many threads and in child processes."""

from __future__ import annotations

import contextlib
import os
import signal
import threading

import numpy as np

import tensorc as tc
from tests.api.jit_support import assert_same


def test_a_child_process_goes_on():
    f = tc.jit(lambda x: x + 1)
    f(np.ones(2))
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            good = f(np.ones(3))[0] == f(np.ones((2, 2)))[0, 0] == f(1) == tc.jit(lambda x: x * 2)(1.0)
            os._exit(0 if good else 1)
        os._exit(2)
    assert os.waitpid(child, 0)[1] == 0


def test_a_child_does_not_wait_for_a_trace_of_its_parent():
    inside, leave = threading.Event(), threading.Event()

    @tc.jit
    def f(x):
        if threading.current_thread() is not threading.main_thread():
            inside.set()
            leave.wait(30)
        return x + 1

    thread = threading.Thread(target=f, args=(np.ones(2),))
    thread.start()
    inside.wait(30)
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            signal.alarm(30)
            os._exit(0 if f(np.ones(2))[0] == 2 else 1)
        os._exit(2)
    leave.set()
    thread.join(30)
    assert os.waitpid(child, 0)[1] == 0


def together(count, action):
    """`action(i)` in many threads at once; their results, or the first exception."""
    barrier = threading.Barrier(count)
    results: list[object] = [None] * count

    def run(i):
        barrier.wait()
        try:
            results[i] = action(i)
        except BaseException as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return results


def test_first_calls_at_once_trace_once_for_each_form():
    traced = []

    @tc.jit
    def f(x):
        traced.append(x.dtype)
        return x * 2

    for i, found in enumerate(together(16, lambda i: f(np.full(i, i, ["f4", "f8"][i % 2])))):
        assert_same(found, np.full(i, 2 * i, ["f4", "f8"][i % 2]))
    assert len(traced) == 2
    assert f.stats()["traces"] == 2


def test_failures_at_once_are_everybodys():
    @tc.jit
    def f(x):
        raise KeyError("never")

    assert all(isinstance(found, KeyError) for found in together(8, lambda i: f(np.ones(2))))
    assert f.stats()["traces"] == 0


def test_two_traces_that_need_each_other_do_not_wait_for_ever():
    """Each of two threads traces one function, which computes with the other: both are being traced then."""
    meet = threading.Barrier(2, timeout=30)
    outermost = threading.local()

    def body(x, other):
        if not hasattr(outermost, "seen"):
            outermost.seen = True
            meet.wait()
            return x + other(np.ones(2))
        return x + 1

    f = tc.jit(lambda x: body(x, g))
    g = tc.jit(lambda x: body(x, f))
    for found in together(2, lambda i: (f, g)[i](np.ones(2))):
        assert isinstance(found, np.ndarray)  # its value depends on which thread was first


def test_clearing_while_others_call():
    f = tc.jit(lambda x: tc.exp(x).sum())
    big = np.zeros(1 << 15)  # enough to release the GIL
    stop = threading.Event()

    def act(i):
        if i == 0:
            for _ in range(5):
                f.clear()
            stop.set()
            return 0
        while not stop.is_set():
            assert f(big) == len(big)
        return 0

    assert together(4, act) == [0] * 4
