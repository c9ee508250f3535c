"""Processes made by fork, while other threads call, and pools of them."""

from __future__ import annotations

import os

import pytest

from tests.threads.process import run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
both = pytest.mark.parametrize("entry", ["native", "python"])


@both
def test_a_fork_in_the_middle_of_other_threads_calls(entry: str) -> None:
    """The child finds the variables as they were committed last, and free."""
    run(
        f"if {entry == 'python'}:\n    python_entry()\n"
        + """
x = tc.vector("x")
a, b = tc.shared(np.zeros(50_000)), tc.shared(np.zeros(50_000))
f = tc.function([x], (a + x).sum(), updates=[(a, a + x), (b, b + x)])
look = tc.function([], [a, b])
one = np.ones(50_000)
f(one)
stop = threading.Event()
def work():
    while not stop.is_set():
        f(one)
threads = [threading.Thread(target=work, daemon=True) for _ in range(3)]
for thread in threads:
    thread.start()
for round in range(8):
    time.sleep(0.003 * (round % 4))
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        p, q = look()
        good = (p == q).all() and (p == p[0]).all()
        f(one)
        good &= (a.get_value() == p + 1).all()
        a.set_value(np.zeros(3))
        b.set_value(np.zeros(3))
        good &= f(np.ones(3)) == 3
        together(*[lambda: f(np.ones(3))] * 4)
        good &= a.get_value()[0] == 5
        if os.fork() == 0:
            os._exit(0 if f(np.ones(3)) == 18 else 1)
        good &= os.wait()[1] == 0
        os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0, round
stop.set()
for thread in threads:
    thread.join()
p, q = look()
assert (p == q).all()
""",
        timeout=100,
    )


@both
def test_a_pool_of_forked_processes(entry: str) -> None:
    run(
        f"if {entry == 'python'}:\n    python_entry()\n"
        + """
import multiprocessing
x = tc.vector("x")
w = tc.shared(np.array(0.0))
f = tc.function([x], x.sum() + w, updates={w: w + 1})
def job(k):
    first = f(np.full(4, k))
    y = tc.vector("y")
    return float(first - w.get_value()), float(tc.function([y], tc.exp(y).sum() * float(k))(np.zeros(2)))
with multiprocessing.get_context("fork").Pool(2) as pool:
    found = pool.map(job, range(6))
assert found == [(4 * k - 1.0, 2.0 * k) for k in range(6)], found
assert w.get_value() == 0
""",
        timeout=100,
    )
