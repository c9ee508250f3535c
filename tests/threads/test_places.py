"""Where workers run: apart from their caller, and on its CPU if that is what the caller waits for."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tensorc.codegen_llvm import entry, entry_layout, jit, loading
from tensorc.runtime.threads import SLOT, SLOT_BYTES

pytestmark = pytest.mark.skipif(
    "threads_linux.ll" not in entry.FILES, reason="workers are told where to run on Linux only"
)


class Places:
    """A copy of the functions, and one worker's slot."""

    def __init__(self) -> None:
        path = Path(entry.__file__).with_name("threads_linux.ll")
        text = entry.expand(path.read_text(encoding="utf-8"), entry_layout.names(entry.FunctionBase))
        names = ("arrive", "part", "lend", "place")
        self.code = loading.load(
            jit.compile_text(text, level=0), exports=tuple(f"threads_{name}" for name in names)
        )
        self.slot = ctypes.create_string_buffer(SLOT_BYTES)
        self.place = ctypes.CFUNCTYPE(ctypes.c_int64)(self.code["threads_place"])
        self._arrive = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self.code["threads_arrive"])
        self._part = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(self.code["threads_part"])
        self._lend = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p)(self.code["threads_lend"])

    def arrive(self) -> None:
        self._arrive(ctypes.addressof(self.slot))

    def part(self, home: int) -> None:
        self._part(ctypes.addressof(self.slot), home)

    def lend(self) -> bool:
        return bool(self._lend(ctypes.addressof(self.slot)))

    def word(self, field: str) -> int:
        return ctypes.c_int64.from_buffer(self.slot, SLOT[field]).value


class Worker:
    """A thread that sleeps between the jobs it is given."""

    def __init__(self) -> None:
        self.jobs: list[Callable[[], object]] = []
        self.begin, self.done = threading.Semaphore(0), threading.Semaphore(0)
        self.thread = threading.Thread(target=self._work)
        self.thread.start()

    def _work(self) -> None:
        while self.begin.acquire() and self.jobs:
            self.jobs.pop()()
            self.done.release()

    def run(self, job: Callable[[], object]) -> None:
        self.jobs.append(job)
        self.begin.release()
        assert self.done.acquire(timeout=20)

    def may(self) -> set[int]:
        assert self.thread.native_id is not None
        return os.sched_getaffinity(self.thread.native_id)


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker()
    yield made
    made.begin.release()
    made.thread.join()


def asleep(thread: int) -> None:
    """Wait until the thread computes no more."""
    clock, last = (~thread << 3) | 6, -1
    while (now := time.clock_gettime_ns(clock)) != last:
        last = now
        time.sleep(0.02)


def test_a_worker_keeps_off_its_callers_cpu(worker: Worker) -> None:
    places, all_cpus = Places(), os.sched_getaffinity(0)
    worker.run(places.arrive)
    assert places.word("THREAD") == worker.thread.native_id
    for home in (-1, 5000):  # nobody knows where the caller is
        worker.run(lambda home=home: places.part(home))
        assert worker.may() == all_cpus
    here = min(all_cpus)

    def meet() -> None:
        os.sched_setaffinity(0, {here})
        places.part(here)

    worker.run(meet)
    assert worker.may() == (all_cpus - {here} or {here})


def test_who_waits_lends_its_cpu_to_a_worker_that_has_none(worker: Worker) -> None:
    places, all_cpus = Places(), os.sched_getaffinity(0)
    worker.run(places.arrive)
    assert worker.thread.native_id is not None
    asleep(worker.thread.native_id)
    assert places.lend()  # it has computed since nobody asked
    assert worker.may() == all_cpus
    here = max(all_cpus)
    os.sched_setaffinity(0, {here})  # of this thread
    try:
        assert not places.lend()
    finally:
        os.sched_setaffinity(0, all_cpus)
    assert worker.may() == {here}
    assert places.word("LENT") == 1
    worker.run(lambda: places.part(here))
    assert worker.may() == (all_cpus - {here} or {here})
    assert places.word("LENT") == 0


def test_a_thread_that_is_gone_is_no_error() -> None:
    places = Places()
    thread = threading.Thread(target=places.arrive)
    thread.start()
    thread.join()
    while os.path.exists(f"/proc/self/task/{thread.native_id}"):
        time.sleep(0.001)
    assert places.lend()
    assert places.lend()
    assert places.word("LENT") == 0
