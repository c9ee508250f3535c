"""The pool: callers, forks, signals, failures, and its beginning and end."""

from __future__ import annotations

import os

import pytest

from tests.threads.process import run

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

POOL = """
os.environ["TENSORC_NUM_THREADS"] = "3"
from tests.threads.pool_support import compiling_with
from tensorc.codegen_llvm import entry
from tensorc.runtime import threads
entry.library()
pool = threads.pool()
pool.tune(1000)
x = tc.vector("x")
with compiling_with(0):
    f = tc.function([x], tc.exp(x) * 2 + x)
values = np.linspace(-1, 1, 20_000)
expected = np.exp(values) * 2 + values
def check(n=20_000):
    assert np.allclose(f(values[:n]), expected[:n], rtol=1e-14)
"""


def program(text: str, timeout: int = 60, status: int = 0) -> str:
    return run(POOL + text, timeout=timeout, status=status)


def test_no_thread_before_a_loop_wants_one() -> None:
    program(
        """
with compiling_with(1 << 23):
    g = tc.function([x], x + 1)
g(values)
assert pool.state == threads.UNKNOWN
check()
assert pool.state == threads.READY and pool.workers() == 2
"""
    )


def test_eight_callers_share_the_pool() -> None:
    """Who finds it taken runs alone; nobody's chunks are mixed up with another's."""
    program(
        """
sizes = [3, 500, 4000, 20_000]
def work(k):
    rng = np.random.default_rng(k)
    for i in range(150):
        n = sizes[rng.integers(4)]
        scale = float(k * 1000 + i)
        v = np.full(n, scale)
        r = g(v)
        assert r.shape == (n,) and (r == scale * 3 + 1).all(), (k, i, n)
with compiling_with(0):
    g = tc.function([x], x * 3 + 1)
together(*[lambda k=k: work(k) for k in range(8)])
check()
""",
        timeout=120,
    )


@forks
def test_forks_while_loops_run() -> None:
    """Both processes go on, from any thread: workers end before a fork and begin again when they are
    wanted."""
    program(
        """
stop = threading.Event()
def work():
    while not stop.is_set():
        check()
workers = [threading.Thread(target=work, daemon=True) for _ in range(2)]
for thread in workers:
    thread.start()
for round in range(6):
    time.sleep(0.002 * round)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        check()
        assert pool.workers() == 2
        if os.fork() == 0:
            check()
            os._exit(0)
        os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
    assert os.waitpid(child, 0)[1] == 0, round
stop.set()
for thread in workers:
    thread.join()
check()
""",
        timeout=100,
    )


@forks
def test_a_fork_in_the_middle_of_a_loop() -> None:
    """A signal handler forks while its own thread runs a loop: parent and child both finish it."""
    program(
        """
y = x
for _ in range(8):
    y = tc.exp(tc.sin(y))
with compiling_with(0):
    heavy = tc.function([x], y)
pool.tune(1 << 18)
big = np.linspace(-1, 1, 6_000_000)
expected_big = heavy(big)
children, running = [], [False]
def split(*_):
    assert running[0]
    children.append(os.fork())
signal.signal(signal.SIGALRM, split)
signal.setitimer(signal.ITIMER_REAL, 0.01)
running[0] = True
found = heavy(big)
running[0] = False
assert np.array_equal(found, expected_big)
check()
if children and children[0] == 0:
    os._exit(0)
assert len(children) == 1 and os.waitpid(children[0], 0)[1] == 0
""",
        timeout=100,
    )


@pytest.mark.skipif(os.name == "nt", reason="os.kill ends a process on Windows")
def test_what_a_signal_handler_raises_ends_a_loop_in_threads() -> None:
    program(
        """
y = x
for _ in range(8):
    y = tc.exp(tc.sin(y))
with compiling_with(0):
    heavy = tc.function([x], y)
pool.tune(1 << 18)
big = np.zeros(20_000_000)
class Late(Exception):
    pass
def late(*_):
    raise Late
signal.signal(signal.SIGALRM, late)
for _ in range(3):
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    try:
        heavy(big)
    except Late:
        pass
    else:
        raise SystemExit("the call ended")
    check()
    assert pool.workers() == 2
"""
    )


def test_no_memory_for_what_a_thread_needs() -> None:
    """Scratch of a thread that cannot be had is a MemoryError of the call, and everything is freed."""
    program(
        """
import resource
m = tc.matrix("m")
with compiling_with(0):
    g = tc.function([m], tc.nn.softmax(tc.exp(m), axis=1))
rows = np.zeros((6, 1000))
good = g(rows)
wide = np.zeros((1, 60_000_000))  # 480 MB of scratch a row
now = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGESIZE")
resource.setrlimit(resource.RLIMIT_AS, (now + (600 << 20), now + (600 << 20)))
for _ in range(2):
    try:
        g(wide)
    except MemoryError:
        pass
    else:
        raise SystemExit("no error")
    assert np.array_equal(g(rows), good)
"""
    )


@pytest.mark.parametrize(("text", "workers"), [("1", 0), (" 2 ", 1), ("", None)])
def test_the_number_of_threads(text: str, workers: int | None) -> None:
    program(
        f"""
os.environ["TENSORC_NUM_THREADS"] = {text!r}
check()
expected_workers = {workers!r} if {workers!r} is not None else threads.available() - 1
assert pool.workers() == expected_workers, pool.workers()
assert pool.state == (threads.READY if expected_workers else threads.ALONE)
"""
    )


@pytest.mark.parametrize("text", ["0", "two", "99999"])
def test_a_number_of_threads_that_is_none(text: str) -> None:
    """One warning that names the variable; the loop runs. As an error, it ends the call, not the process."""
    program(
        f"""
import warnings
os.environ["TENSORC_NUM_THREADS"] = {text!r}
with warnings.catch_warnings():
    warnings.simplefilter("error")
    try:
        check()
    except UserWarning as warning:
        assert "TENSORC_NUM_THREADS" in str(warning) and {text!r} in str(warning)
    else:
        raise SystemExit("no warning")
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    check(), check()
assert len(seen) == 1, seen
assert pool.workers() == threads.available() - 1
"""
    )


def test_a_system_without_threads() -> None:
    program(
        """
def refuse(*_):
    raise RuntimeError("can't start new thread")
threads._thread = type("Module", (), {"start_new_thread": staticmethod(refuse)})
check()
assert pool.state == threads.ALONE
"""
    )


def test_the_process_ends_while_loops_run() -> None:
    program(
        """
def work():
    while True:
        check()
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
import atexit
atexit.register(check)
class Last:
    def __del__(self, check=check, f=f, values=values):
        f(values)
last = Last()
time.sleep(0.3)
"""
    )


def test_long_copies_are_shared() -> None:
    program(
        """
import ctypes
def word(field):
    return ctypes.c_int64.from_address(pool._pool + threads.POOL[field])
with compiling_with(0):
    g = tc.function([x], x[1:3].set(x[:2] * 2))
check()
for n in (131_071, 131_072, 131_073, 131_072 + 8192, 1_000_003):
    v = np.arange(n, dtype=float)
    w = v.copy()
    w[1:3] = v[:2] * 2
    word("REST").value = 0  # whatever the machine did to the loop before
    before = word("TICKET").value >> 32
    assert g(v).tobytes() == w.tobytes(), n
    assert (word("TICKET").value >> 32 > before) == (n >= 131_072), n
"""
    )
