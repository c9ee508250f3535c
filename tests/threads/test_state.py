"""Shared variables that many threads read, update and set; errors, signals and finalizers in between."""

from __future__ import annotations

import pytest

from tests.threads.process import run

both = pytest.mark.parametrize("entry", ["native", "python"])


def program(entry: str, text: str, timeout: int = 60) -> str:
    return run(("python_entry()\n" if entry == "python" else "") + text, timeout=timeout)


TRANSFERS = """
n = {size}
a, b = tc.shared(np.full(n, 1000.0)), tc.shared(np.zeros(n))
x = tc.scalar("x")
there = tc.function([x], updates=[(a, a - x), (b, b + x)])
back = tc.function([x], updates=[(b, b - x), (a, a + x)])
look = tc.function([], [a, b, (a + b).sum()])
reset = tc.function([], a + b, updates={{a: a + b, b: b * 0}})
done, torn = threading.Event(), []

def move(f, rounds):
    for k in range(rounds):
        f(float(k % 7))

def read():
    while not done.is_set():
        p, q, total = look()
        if not ((p + q == 1000).all() and total == 1000 * n and (p == p[0]).all()):
            torn.append((p, q, total))
    assert not torn, torn[0]

readers = [threading.Thread(target=read, daemon=True) for _ in range(2)]
for thread in readers:
    thread.start()
movers = [lambda f=f: move(f, {rounds}) for f in (there, back) * 3]
together(*movers, *[lambda: [reset() for _ in range(10)]] * 2)
done.set()
for thread in readers:
    thread.join()
assert not torn, torn[0]
p, q, total = look()
assert total == 1000 * n and (p + q == 1000).all(), (p, q)
"""


@both
@pytest.mark.parametrize("size", [3, 40_000], ids=["gil-held", "gil-released"])
def test_transfers_between_two_variables_are_never_torn(entry: str, size: int) -> None:
    program(entry, TRANSFERS.format(size=size, rounds=200 if entry == "native" else 40), timeout=120)


@both
def test_many_threads_call_one_function_while_another_sets_its_variable(entry: str) -> None:
    """Every result fits exactly one value of the variable."""
    threads, calls = (32, 1000) if entry == "native" else (8, 60)
    program(
        entry,
        f"""
w = tc.shared(np.array(0.0))
x = tc.vector("x")
f = tc.function([x], [x * 2 + w, x.sum()])
done = threading.Event()

def work(k):
    rng = np.random.default_rng(k)
    for i in range({calls}):
        n = int(rng.choice([0, 1, 2, 7, 100, 40_000], p=[0.05, 0.1, 0.15, 0.3, 0.395, 0.005]))
        value = float(k * 1000 + i)
        kind = i % 4
        x = np.full((n, 2), value)[:, 0] if kind == 1 else np.full(n, value)
        y, total = f(x.tolist() if kind == 2 else x) if kind != 3 else f(x=x.astype(np.float32))
        assert y.shape == (n,) and total == value * n, (n, value, total)
        if n:
            added = y[0] - 2 * value
            assert added in (0.0, 1.0, 2.0, 3.0) and (y == y[0]).all(), y

def change():
    k = 0
    while not done.is_set():
        k += 1
        w.set_value(float(k % 4))
        time.sleep(0)

setter = threading.Thread(target=change, daemon=True)
setter.start()
together(*[lambda k=k: work(k) for k in range({threads})])
done.set()
setter.join()
""",
        timeout=200,
    )


@both
def test_sets_and_updates_in_one_order(entry: str) -> None:
    """A counter that one thread adds to and another sets: no addition to a value that was set is lost."""
    program(
        entry,
        """
w = tc.shared(np.zeros(20_000))
add = tc.function([], w[0], updates={w: w + 1})
done = threading.Event()
seen = []

def count():
    for _ in range(300):
        seen.append(float(add()))
    done.set()

def set():
    k = 0
    while not done.is_set():
        k += 1
        w.set_value(np.full(20_000, k * 1000.0))
        time.sleep(0.0005)

together(count, set)
for old, new in zip(seen, seen[1:]):  # what a call read: the value after the one before, or one that was set
    assert new == old + 1 or new % 1000 == 0, (old, new)
assert (w.get_value() == w.get_value()[0]).all()
""",
    )


FAILURES = """
import resource
from tensorc.ir.errors import TensorcError
i, x = tc.lscalar("i"), tc.vector("x")
a, b = tc.shared(np.arange(4.0)), tc.shared(np.arange(4.0) + 10)
index = tc.function([i], a[i], updates=[(a, a + 1), (b, b * 2)])
shape = tc.function([x], (b + x).sum(), updates=[(a, a + 1), (b, b + x)])
big = tc.function([i], updates=[(a, a + 1), (b, tc.zeros((i,)) + 1)])

def same(call, kinds):
    olds = a.cell.get(), b.cell.get()
    for _ in range(3):
        try:
            call()
        except kinds:
            pass
        else:
            raise SystemExit(f"no error from {call}")
        assert a.cell.get() is olds[0] and b.cell.get() is olds[1]

same(lambda: index(9), IndexError)
same(lambda: index(i=9), IndexError)
same(lambda: shape(np.ones(3)), TensorcError)
same(lambda: shape(np.ones(6)[::2]), TensorcError)
same(lambda: shape([1.0, 2.0, 3.0]), TensorcError)
same(lambda: shape(np.ones(4, complex)), TensorcError)
same(lambda: shape(np.ones((4, 4))), TensorcError)
same(lambda: shape("no"), TensorcError)
same(lambda: shape(), TensorcError)
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
same(lambda: big(1 << 40), (MemoryError, TensorcError, ValueError))
same(lambda: big(2 << 30), (MemoryError, TensorcError, ValueError))
gate = threading.Thread(target=lambda: (index(1), shape(np.ones(4))))  # nothing is held: another thread can
gate.start(), gate.join()
assert a.get_value().tolist() == [2, 3, 4, 5] and b.get_value().tolist() == [21, 23, 25, 27]
"""


@both
def test_an_error_in_the_middle_leaves_everything_as_it_was(entry: str) -> None:
    program(entry, FAILURES)


@both
def test_dropping_functions_and_variables_during_their_calls(entry: str) -> None:
    program(
        entry,
        """
import weakref
x = tc.vector("x")
big = np.zeros(300_000)
for k in range(12):
    w = tc.shared(np.array(float(k)))
    f = tc.function([x], tc.exp(x) + w, updates={w: w + 1})
    f.me = f  # a garbage cycle
    box, started, answers = [f], threading.Event(), []
    gone = weakref.ref(f)
    def call():
        started.set()
        answers.append(box.pop()(big))
    thread = threading.Thread(target=call)
    thread.start()
    started.wait()
    if k % 3 == 0:
        f.me = None
    del f, w
    gc.collect()
    thread.join()
    assert answers[0][-1] == k + 1, answers
    gc.collect()
    assert gone() is None
""",
    )


@both
def test_calls_from_finalizers_callbacks_and_signal_handlers(entry: str) -> None:
    """The handler comes at any point of a call of the same function, updates and sets the same variables: no
    call is lost and none waits for itself.
    """
    program(
        entry,
        """
import weakref
x = tc.vector("x")
w, u, v = (tc.shared(np.array(0.0)) for _ in range(3))
f = tc.function([x], x.sum() + w, updates=[(w, w + 1), (u, u + 1), (v, v - 1)])
look = tc.function([], [w, u])
one, many = np.zeros(3), np.zeros(40_000)
calls = [0]

def call(*_):
    f(one)
    calls[0] += 1
    p, q = look()
    assert p == q, (p, q)
    if calls[0] % 5 == 0:
        v.set_value(float(calls[0]))

class Caller:
    def __del__(self):
        call()

signal.signal(signal.SIGALRM, call)
call(), f([1.0])
signal.setitimer(signal.ITIMER_REAL, 0.004, 0.004)
for _ in range(60):
    call()
    f(many)
    f(many.tolist()[:4])
    cycle = Caller()
    cycle.me = cycle
    del cycle
    held = Caller()
    watch = weakref.ref(held, call)
    del held
    v.set_value(0.0)
    gc.collect()
signal.setitimer(signal.ITIMER_REAL, 0, 0)
f(one)
p, q = look()
assert p == q > 300, (p, q)
together(lambda: f(one))
""",
    )


@both
def test_the_interpreter_ends_while_threads_call(entry: str) -> None:
    program(
        entry,
        """
x = tc.vector("x")
w = tc.shared(np.zeros(1))
f = tc.function([x], x * 2 + w[0], updates={w: w + 1})
big = np.zeros(200_000)
def work():
    while True:
        f(big), f(big[:5]), f(big[::2])
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
class Last:
    def __del__(self, f=f):
        f(np.ones(2))
last = Last()
time.sleep(0.3)
""",
    )
