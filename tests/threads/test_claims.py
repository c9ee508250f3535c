"""Updates written over the memory of shared variables, while other threads, signals and forks come."""

from __future__ import annotations

import os

import pytest

from tests.threads.process import run

ROWS = """
rows, width = 30_000, 16
i = tc.lvector("i")
table, count = tc.shared(np.zeros((rows, width))), tc.shared(0)
add = tc.function([i], count, updates={table: table[i].add(1.0), count: count + 1})
look = tc.function([], [table, count])
def place():
    return table.cell.get().ctypes.data
def check(seen, n):
    \"\"\"Every call adds one to 64 rows.\"\"\"
    assert (seen.sum(axis=0) == 64.0 * n).all(), (seen.sum(axis=0), n)
rng = np.random.default_rng(1)
"""


def test_no_update_is_lost_or_torn() -> None:
    """Eight threads, 200 calls each; two look at both, one copies the table, one holds views of it."""
    out = run(
        ROWS
        + """
done, stayed = threading.Event(), []
def call():
    at = rng.integers(0, rows, (200, 64))
    for k in range(200):
        before = place()
        add(at[k])
        stayed.append(before == place())
def read():
    while not done.is_set():
        check(*look())
def copy():
    while not done.is_set():
        first = table.get_value()
        assert first.sum() % (64 * width) == 0
def hold():
    while not done.is_set():
        view = table.get_value(borrow=True)
        total = view.sum()
        time.sleep(0.002)
        assert view.sum() == total and total % (64 * width) == 0
others = [threading.Thread(target=job, daemon=True) for job in (read, read, copy, hold)]
failed = []
threading.excepthook = lambda args: failed.append(args)
for thread in others:
    thread.start()
together(*[call] * 8)
done.set()
for thread in others:
    thread.join()
assert not failed, failed
check(table.get_value(), 1600)
assert count.get_value() == 1600
for k in range(3):
    before = place()
    add(rng.integers(0, rows, 64))
    assert before == place()
print(sum(stayed))
""",
        timeout=100,
    )
    assert 0 <= int(out) <= 1600


@pytest.mark.skipif(os.name == "nt", reason="signals come through setitimer")
def test_signals_in_the_middle() -> None:
    """A handler looks, updates, sets, holds and raises; calls are long enough to meet hundreds of them."""
    run(
        ROWS
        + """
v = tc.shared(np.zeros(1_500_000))
x = tc.vector("x")
long = tc.function([x], tc.sin(x).sum(), updates={v: v + tc.exp(v * 0)})
held, calls, raised, armed = [], 0, 0, False
class Enough(Exception):
    pass
def handler(*_):
    global calls, armed
    if not armed:
        return
    armed = False
    calls += 1
    first = v.get_value()
    assert (first == first[0]).all()
    if held:
        assert (held[0] == held[1]).all()
    if calls % 3 == 0:
        long(x0)
    if calls % 5 == 0:
        v.set_value(first - 1)
    if calls % 7 == 0:
        held[:] = [v.get_value(borrow=True), v.get_value()]
    if calls % 9 == 0:
        held.clear()
    if calls % 4 == 0:
        raise Enough
    armed = True
x0 = np.linspace(0, 1, 2_000_000)
long(x0)
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.013)
end = time.monotonic() + 3
while time.monotonic() < end:
    armed = True
    try:
        long(x0)
    except Enough:
        raised += 1
    armed = False
signal.setitimer(signal.ITIMER_REAL, 0)
assert raised and calls > raised
value = v.get_value()
assert (value == value[0]).all()
held.clear()
del value
before = v.cell.get().ctypes.data
first = v.get_value()[0]
long(x0)
assert v.get_value()[-1] == first + 1 and before == v.cell.get().ctypes.data
""",
        timeout=100,
    )


def test_a_call_in_a_finalizer_or_a_callback() -> None:
    """They run where an array is dropped: the call that drops it has ended with the variables by then."""
    run(
        ROWS
        + """
import weakref
w = tc.shared(np.zeros(100))
f = tc.function([], updates={w: w + 1})
ran = []
for k in range(20):
    f()
    weakref.finalize(w.cell.get(), lambda: (f(), ran.append(float(w.get_value()[0]))))
    f()
assert len(ran) == 20 and ran == [3.0 * k + 3 for k in range(20)], ran
assert (w.get_value() == 60).all()
""",
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_fork_finds_whole_values() -> None:
    run(
        ROWS
        + """
stop = threading.Event()
def work():
    at = rng.integers(0, rows, 64)
    while not stop.is_set():
        add(at)
threads = [threading.Thread(target=work, daemon=True) for _ in range(3)]
for thread in threads:
    thread.start()
for round in range(10):
    time.sleep(0.002 * (round % 4))
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        seen, n = look()
        check(seen, n)
        del seen
        add(np.arange(64))
        check(*look())
        together(*[lambda: add(np.arange(64))] * 4)
        check(table.get_value(), n + 5)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, round
stop.set()
for thread in threads:
    thread.join()
check(*look())
""",
        timeout=100,
    )


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_loops_in_several_threads_write_the_same(threads: int) -> None:
    """The first loop that wants help is one behind a claim."""
    out = run(
        f"import os\nos.environ['TENSORC_NUM_THREADS'] = '{threads}'\n"
        + """
import hashlib
from tensorc.runtime import threads
w = tc.shared(np.linspace(0, 1, 3_000_001))
x = tc.scalar("x")
v = tc.shared(np.linspace(0, 1, 2_000_000).reshape(1000, 2000))
f = tc.function([x], v.sum(axis=0), updates={w: tc.sin(w) + w * x, v: v - v.mean(axis=1, keepdims=True) * x})
g = tc.function([x], (v * v).sum(), updates={v: v / tc.sqrt((v * v).sum()) + v.max(axis=0) * x})
y, z = tc.shared(np.linspace(-1, 1, 24_000).reshape(8, -1)), tc.shared(v.get_value()[:8])
u = tc.shared(np.zeros((3000, 2000)))
h = tc.function([x], updates={u: u * x - y.T @ z})
places = [s.cell.get().ctypes.data for s in (v, w, u)]
for k in range(4):
    sums = f(0.5 + k), g(0.5), h(0.25)
assert places == [s.cell.get().ctypes.data for s in (v, w, u)]
data = b"".join(a.tobytes() for a in (w.get_value(), v.get_value(), u.get_value(), *sums[:2]))
print(hashlib.sha256(data).hexdigest(), threads.pool().workers())
"""
    )
    digest, workers = out.split()
    assert int(workers) == threads - 1
    _DIGESTS.add(digest)
    assert len(_DIGESTS) == 1


_DIGESTS: set[str] = set()


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs to know the memory in use")
def test_memory_that_runs_out_at_the_claim() -> None:
    """The array is held, so that a new one is asked for, which there is no room for: nothing has changed."""
    run(
        """
import resource
w, n = tc.shared(np.zeros(8_000_000)), tc.shared(0)
f = tc.function([], updates={n: n + 1, w: w + 1})
f()
view = w.get_value(borrow=True)
from tensorc.runtime import memory
memory.release()
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
soft, hard = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (used + 20_000_000, hard))
for _ in range(3):
    try:
        f()
    except MemoryError:
        pass
    else:
        raise SystemExit("there was memory")
assert n.get_value() == 1
resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
assert (view == 1).all()
f()
assert n.get_value() == 2 and (view == 1).all() and (w.get_value() == 2).all()
"""
    )
