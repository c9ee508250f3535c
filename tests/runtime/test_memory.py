"""The allocator: what is kept, how much, and for whom. Counted by its own figures, on a copy of its own."""

from __future__ import annotations

import ctypes
import os
import pickle
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tensorc.codegen_llvm import entry, entry_layout, jit, loading
from tensorc.runtime import memory
from tests.threads.process import run

MIB = 1 << 20


class Allocator:
    """A copy of the allocator with a table of its own."""

    def __init__(self, system: str) -> None:
        names = entry_layout.names(entry.FunctionBase)
        folder = Path(entry.__file__).parent
        texts = [entry.expand((folder / f).read_text(encoding="utf-8"), names) for f in ("memory.ll", system)]
        exports = [name for name in entry.EXPORTS if "memory" in name or name.endswith(("alloc", "free"))]
        self.code = loading.load(*(jit.compile_text(text, level=0) for text in texts), exports=exports)
        self.alloc = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int64)(self.code["tensorc_alloc"])
        self.free = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self.code["tensorc_free"])
        self.release = ctypes.CFUNCTYPE(None)(self.code["tensorc_memory_release"])
        self.hold = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int32)(self.code["tensorc_memory_hold"])
        words = (ctypes.c_int64 * len(memory.FIGURES)).from_address(self.code["tensorc_memory_figures"])
        self.words = words
        self.words[0] = 64 * MIB

    def __getattr__(self, name: str) -> int:
        return int(self.words[memory.FIGURES.index(name)])


@pytest.fixture(params=["memory_linux.ll", "memory_plain.ll"])
def heap(request: pytest.FixtureRequest) -> Iterator[Allocator]:
    if request.param == "memory_linux.ll" and "memory_linux.ll" not in entry.FILES:
        pytest.skip("mappings of huge pages are used on Linux only")
    made = Allocator(request.param)
    yield made
    made.release()
    assert made.kept == 0


SIZES = [0, 1, 63, 64, 65535, 65536, 65537, MIB, 2 * MIB - 1, 2 * MIB, 2 * MIB + 1, 5 * MIB + 12345]


@pytest.mark.parametrize("size", SIZES)
def test_blocks_are_aligned_their_own_and_come_back(heap: Allocator, size: int) -> None:
    blocks = [heap.alloc(size) for _ in range(3)]
    for number, block in enumerate(blocks):
        assert block % 64 == 0
        ctypes.memset(block, number, size)
    for number, block in enumerate(blocks):
        assert ctypes.string_at(block, size) == bytes([number]) * size
    for block in blocks:
        heap.free(block)
    large = size >= memory.KEEP_FROM
    assert heap.fresh == (3 if large else 0)
    assert (heap.kept >= 3 * size) == (large or size == 0)
    if large:
        assert heap.alloc(size) == blocks[-1]  # the one whose content the caches may still hold
        heap.free(blocks[-1])
        assert (heap.fresh, heap.reused) == (3, 1)


def test_what_no_machine_has_is_refused(heap: Allocator) -> None:
    heap.free(heap.alloc(MIB))
    for size in (-1, -(1 << 63), (1 << 63) - 1, 1 << 55):
        assert heap.alloc(size) is None
    assert heap.kept == 0  # given back before the last of these was refused
    heap.free(None)


def test_what_is_kept_stays_below_the_limit_and_the_oldest_goes_first(heap: Allocator) -> None:
    sizes = [(10 + n) * MIB for n in range(10)]
    blocks = [heap.alloc(size) for size in sizes]
    for block in blocks:
        heap.free(block)
        assert heap.kept <= 64 * MIB
    assert heap.kept >= (19 + 18 + 17) * MIB
    assert heap.alloc(sizes[-1]) == blocks[-1]
    heap.free(blocks[-1])
    too_large = heap.alloc(65 * MIB)
    heap.free(too_large)
    assert heap.kept <= 64 * MIB
    heap.words[0] = 0
    heap.free(heap.alloc(MIB))
    heap.release()
    assert heap.kept == 0


def test_many_blocks_of_many_sizes_overflow_the_table_in_order(heap: Allocator) -> None:
    blocks = [heap.alloc(65536 + 40960 * n) for n in range(memory.SLOTS + 40)]
    for block in blocks:
        heap.free(block)
    assert heap.clock == memory.SLOTS + 40
    before = heap.reused
    again = [heap.alloc(65536 + 40960 * n) for n in range(memory.SLOTS + 40)]
    assert 0 < heap.reused - before <= memory.SLOTS
    for block in again:
        heap.free(block)


def test_a_block_is_not_wasted_on_something_much_smaller(heap: Allocator) -> None:
    heap.free(heap.alloc(40 * MIB))
    small = heap.alloc(30 * MIB)
    assert heap.reused == 0
    nearly = heap.alloc(36 * MIB)
    assert heap.reused == 1
    heap.free(small)
    heap.free(nearly)


def test_a_table_that_somebody_holds_costs_a_reuse_and_nothing_else(heap: Allocator) -> None:
    heap.free(heap.alloc(3 * MIB))
    assert heap.hold(1) == 1
    assert heap.hold(1) == 0
    block = heap.alloc(3 * MIB)
    ctypes.memset(block, 1, 3 * MIB)
    heap.free(block)
    assert (heap.fresh, heap.reused) == (2, 0)
    heap.hold(0)
    heap.free(heap.alloc(3 * MIB))
    assert (heap.fresh, heap.reused) == (2, 1)


def test_threads_never_share_a_block(heap: Allocator) -> None:
    wrong: list[int] = []

    def work(me: int) -> None:
        rng = np.random.default_rng(me)
        for size in rng.integers(60_000, 3 * MIB, 200).tolist():
            block = heap.alloc(size)
            ctypes.memset(block, me, size)
            ends = ctypes.string_at(block, 8) + ctypes.string_at(block + size - 8, 8)
            if ends != bytes([me]) * 16:
                wrong.append(me)
            heap.free(block)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert heap.reused > 100


# ------------------------------------------------------------------------------------------------- results


def _function() -> Any:
    x = tc.vector("x")
    return tc.function([x], x + 1)


def test_a_loop_takes_fresh_memory_once() -> None:
    f, x = _function(), np.random.default_rng(0).random(300_001)
    memory.release()
    f(x)
    before = memory.figures()
    for _ in range(20):
        y = f(x)
        del y
    after = memory.figures()
    assert after["fresh"] == before["fresh"]
    assert after["reused"] == before["reused"] + 20


@pytest.mark.parametrize("n", [8191, 8192, 262_144, 300_001])
def test_a_large_result_is_an_array_like_any_other(n: int) -> None:
    f, x = _function(), np.random.default_rng(n).random(n)
    y = f(x)
    assert type(y) is np.ndarray
    assert y.base is None
    assert y.flags.num == np.empty(n).flags.num
    assert np.array_equal(pickle.loads(pickle.dumps(y)), x + 1)
    view = y[1:]
    y = f(x + 1)
    assert np.array_equal(view, x[1:] + 1)
    del view
    for size in (n + 1000, 10, n, 3 * n, 1):
        head = y[: min(size, y.size)].copy()
        y.resize(size)
        assert np.array_equal(y[: head.size], head)
        assert not y[head.size :].any()


def test_matrices_scalars_and_several_results() -> None:
    m = tc.matrix("m", dtype="float32")
    f = tc.function([m], {"t": m.T + 1, "s": m.sum(), "b": m > 0.5})
    a = np.random.default_rng(1).random((300, 500), np.float32)
    for _ in range(3):
        found = f(a)
        assert np.array_equal(found["t"], a.T + 1)
        assert np.array_equal(found["b"], a > 0.5)
        assert all(v.flags.num == np.empty(v.shape, v.dtype).flags.num for v in found.values())


def test_tracemalloc_sees_large_results() -> None:
    f, x = _function(), np.zeros(500_000)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        y = f(x)
        held = tracemalloc.get_traced_memory()[0] - before
        del y
        left = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert held >= 4_000_000
    assert left < 100_000


def test_a_size_no_machine_has_is_one_memory_error() -> None:
    n = tc.scalar("n", dtype="int64")
    f = tc.function([n], tc.zeros((n,)))
    for size in (1 << 45, 1 << 60):
        with pytest.raises((MemoryError, ValueError), match=r"allocate|too (big|large)"):
            f(np.array(size))


def test_results_outlive_their_function_and_the_interpreter() -> None:
    run("""
    import atexit
    x = tc.vector("x")
    f = tc.function([x], x + 1)
    kept = [f(np.zeros(400_000)) for _ in range(3)]
    sys.kept = f(np.zeros(400_000))
    atexit.register(lambda f=tc.function([x], x + 2): print(f(np.zeros(400_000)).sum()))
    class Late:
        def __init__(self, array): self.array = array
        def __del__(self): self.array.resize(10); del self.array
    late = Late(f(np.zeros(400_000)))
    del f
    gc.collect()
    assert all((k == 1).all() for k in kept)
    """)


@pytest.mark.parametrize(
    ("text", "limit"),
    [("0", 0), ("4096", 4096), ("3M", 3 * MIB), ("1g", 1024 * MIB), ("2GB", 2048 * MIB), ("much", None)],
)
def test_the_limit_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, text: str, limit: int | None
) -> None:
    monkeypatch.delenv("TENSORC_KEPT_MEMORY", raising=False)
    default = memory._limit()
    assert 0 < default <= 256 * MIB
    monkeypatch.setenv("TENSORC_KEPT_MEMORY", text)
    assert memory._limit() == (default if limit is None else limit)


def test_the_limit_can_be_set() -> None:
    f, x = _function(), np.zeros(200_000)
    before = memory.set_limit(0)
    try:
        assert memory.figures()["kept"] == 0
        f(x)
        assert memory.figures()["kept"] == 0
    finally:
        memory.set_limit(before)
    with pytest.raises(ValueError, match="-1"):
        memory.set_limit(-1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_child_keeps_memory_whatever_other_threads_were_doing() -> None:
    out = run("""
    from tensorc.runtime import memory
    x = tc.vector("x")
    f, one, stop = tc.function([x], x * 2), np.ones(30_000), threading.Event()
    def work():
        while not stop.is_set():
            f(one)
    threads = [threading.Thread(target=work, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            f(one)
            before = memory.figures()
            f(one)
            after = memory.figures()
            os._exit(after["reused"] - before["reused"] != 1 or after["fresh"] != before["fresh"])
        assert os.waitpid(child, 0)[1] == 0
    stop.set()
    for thread in threads:
        thread.join()
    print("done")
    """)
    assert out == "done\n"
