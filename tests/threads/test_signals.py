"""Ctrl-C and other signals during long calls."""

from __future__ import annotations

import os

import pytest

from tests.threads.process import run

pytestmark = pytest.mark.skipif(os.name == "nt", reason="os.kill ends a process on Windows")
both = pytest.mark.parametrize("entry", ["native", "python"])

LONG = """
if ENTRY == "python":
    python_entry()
x, m = tc.vector("x"), tc.matrix("m")
w = tc.shared(np.array(0.0))

def flat():
    y = x
    for _ in range(60):
        y = tc.exp(tc.sin(y))
    return x, y, np.linspace(0, 1, 20_000_000), np.ones(2)

def outer():  # much work on small arguments
    return x, tc.exp(tc.sin(x[:, None] * x[None, :])).sum(), np.ones(50_000), np.ones(2)

def rows():
    y = m
    for _ in range(30):
        y = tc.exp(tc.sin(y))
    return m, tc.nn.softmax(y, axis=1), np.ones((8_000, 5_000)), np.ones((2, 2))

def products():  # of matrices that are packed
    y = m
    for _ in range(30):
        y = y @ m
    return m, y, np.eye(1300), np.ones((2, 2))

symbol, result, argument, small = globals()[CASE]()
f = tc.function([symbol], result, updates={w: w + 1})
"""


@both
@pytest.mark.parametrize("case", ["flat", "outer", "rows", "products"])
def test_ctrl_c_ends_a_long_call(entry: str, case: str) -> None:
    """Each call would take seconds; the interrupt comes early, and is answered before the call is over."""
    run(
        f"ENTRY, CASE = {entry!r}, {case!r}\n"
        + LONG
        + """
f(small)
before = w.cell.get()
references = sys.getrefcount(argument)
for _ in range(2):
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        f(argument)
    except KeyboardInterrupt:
        pass
    else:
        raise SystemExit("the call ended")
    assert w.cell.get() is before
    assert sys.getrefcount(argument) == references
f(small)
assert w.get_value() == 2
together(lambda: f(small))  # nothing is held
""",
        timeout=100,
    )


@both
def test_what_a_handler_raises_and_does(entry: str) -> None:
    """A handler may raise something else, call the same function, and set its variables; the call that it
    came in begins again then.
    """
    run(
        f"ENTRY, CASE = {entry!r}, 'flat'\n"
        + LONG
        + """
argument = np.linspace(0, 1, 10_000_000)
expected = f(argument)
class Late(Exception):
    pass
def late(*_):
    raise Late
seen = []
def busy(*_):
    f(np.ones(2))
    seen.append(float(w.get_value()))
    if len(seen) == 2:
        w.set_value(100.0)
signal.signal(signal.SIGALRM, busy)
for k in range(3):
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    assert (f(argument) == expected).all()
signal.signal(signal.SIGALRM, late)
before = w.cell.get()
signal.setitimer(signal.ITIMER_REAL, 0.02)
try:
    f(np.tile(argument, 3))
except Late:
    pass
else:
    raise SystemExit("no error")
assert w.cell.get() is before
assert len(seen) == 3 and seen[:2] == [2, 4] and w.get_value() == 103, (seen, w.get_value())
""",
        timeout=100,
    )


def test_a_long_call_on_little_data_lets_other_threads_run() -> None:
    """It gives the GIL away when it turns out to take long: the other thread runs while it computes."""
    run(
        "ENTRY, CASE = 'native', 'outer'\n"
        + LONG
        + """
sys.setswitchinterval(1000)
running, ticks = threading.Event(), []
def call():
    running.set()
    try:
        f(argument)
    finally:
        ticks.append("over")
thread = threading.Thread(target=call, daemon=True)
thread.start()
running.wait()
for _ in range(3):
    time.sleep(0.01)
    ticks.append("tick")
assert ticks == ["tick"] * 3, ticks
os._exit(0)
""",
    )


@both
def test_ctrl_c_while_waiting_for_another_call(entry: str) -> None:
    run(
        f"ENTRY, CASE = {entry!r}, 'flat'\n"
        + LONG
        + """
f(np.ones(2))
threading.Thread(target=f, args=(argument,), daemon=True).start()
while not w.cell._box[0] and ENTRY == "native":
    time.sleep(0.001)
time.sleep(0.1)
for call in (lambda: f(np.ones(2)), lambda: [w.set_value(1.0), f(np.ones(2))]):
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        call()
    except KeyboardInterrupt:
        continue
    raise SystemExit("the call ended")
os._exit(0)
""",
    )
