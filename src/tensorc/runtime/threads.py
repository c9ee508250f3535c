"""The pool of threads that parallel loops share: how many, started when, ended how. What they do is machine
code (`codegen_llvm/threads.ll`).

`TENSORC_NUM_THREADS` says how many threads may work on one loop, the caller's included; without it, as many
as there are CPUs this process may use. With 1 no thread is ever started. It is read when a loop first is
large enough to want help; then workers are started, which hold no lock and no reference and never need the
GIL. Before a fork they end, and both processes start their own when they need them. On Linux a worker keeps
off the CPU that its caller runs on, where the process may use others (`threads_linux.ll`). Results do not
depend on any of this.
"""

from __future__ import annotations

import _thread
import atexit
import ctypes
import os
from collections.abc import Mapping
from typing import Final

from tensorc.ir.location import warn_user

VARIABLE: Final = "TENSORC_NUM_THREADS"
MOST: Final = 1024
"""The largest number of threads that the variable may ask for."""

_WORD: Final = 8
LINE: Final = 128
"""Bytes that processors exchange at once, at most."""
UNKNOWN, ALONE, READY = 0, 1, 2
"""State of a process: nobody has asked yet how many threads there are; there is one; there is a pool."""

CONTROL: Final = {name: _WORD * n for n, name in enumerate(("STATE", "POOL", "STARTER", "UNIT", "ALONE"))}
"""Fields of `@tensorc_threads`: the state, the pool, the Python function that makes it, the least work of a
chunk, the work of the first chunk of a loop that runs without the pool.
"""

POOL: Final = {
    **{
        name: _WORD * n
        for n, name in enumerate(
            (
                *("BUSY", "EPOCH", "ALIVE", "WORKERS", "JOIN_LOCK", "CLOSED_LOCK", "SPIN", "JOIN_SPIN"),
                *("JOIN_LOOK", "LAST", "DEBT", "NEED", "REST", "PENALTY"),
            )
        )
    },
    "TICKET": 128,
    **{name: 256 + _WORD * n for n, name in enumerate(("FINISHED", "SKIPPED", "CODE", "WAITING"))},
    **{
        name: 384 + _WORD * n
        for n, name in enumerate(
            ("BODY", "CAPTURES", "LOWER", "UPPER", "CHUNK", "CHUNKS", "SHARE", "MOST", "HOME")
        )
    },
    "SLOTS": 512,
}
"""Fields of a pool; what several threads write lies in lines of its own."""
SLOT: Final = {
    **{"SLEEPING": 0, "LOCK": 8},
    **{name: 128 + _WORD * n for n, name in enumerate(("WORKING", "THREAD", "USED", "LENT"))},
    "ALLOWED": 256,
}
"""Fields of a worker; `ALLOWED` is where it may run, 1,024 bits."""
SLOT_BYTES: Final = 384

UNIT: Final = 1 << 20
"""The least work that is worth handing over, in units of `emitter_parallel.py`: some microseconds."""
FIRST_ALONE: Final = 1 << 24
"""The work after which a loop that runs without the pool first looks up."""
SPIN: Final = 150_000
"""Nanoseconds that a worker stays awake after its last chunk, for the next loop."""
JOIN_LOOK: Final = 10_000
"""Nanoseconds after which a caller that waits for others' chunks looks whether these have a CPU."""
JOIN_SPIN: Final = 200_000
"""Nanoseconds that a caller stays awake for chunks which others are at."""
NEED: Final = 32
"""Waking a thread takes tens of microseconds of the caller's time on some machines. Loops of fewer `UNIT`s
wait until so many have come together, one soon after the other; meanwhile only threads that are awake help.
"""
REST: Final = 50_000_000
"""Nanoseconds for which a pool that cost more than it gave is left alone, at most."""
PENALTY: Final = (1, 16)
"""How many times what was lost the pool is left alone: after a loss that is rare, and where all CPUs are busy
and losses are the rule.
"""
PAUSE: Final = 200_000
"""Nanoseconds without a loop after which it counts anew."""

_api = ctypes.pythonapi
_worker_type = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
_retire_type = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def names() -> dict[str, int | str]:
    """Everything `threads.ll` refers to by name, but for the machine's own."""
    return {
        "CONTROL_WORDS": len(CONTROL),
        **{f"CONTROL_{name}": at for name, at in CONTROL.items()},
        **{f"POOL_{name}": at for name, at in POOL.items()},
        **{f"SLOT_{name}": at for name, at in SLOT.items()},
        "SLOT_BYTES": SLOT_BYTES,
        "THREADS_UNKNOWN": UNKNOWN,
        "THREADS_READY": READY,
        "PAUSE_BETWEEN": PAUSE,
        "REST_LONGEST": REST,
        "PENALTY_LEAST": PENALTY[0],
        "PENALTY_MOST": PENALTY[1],
    }


def wanted() -> int:
    """How many threads may work on one loop, by the variable and the machine. Warns of a value that is
    none."""
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return available()
    if text.isascii() and text.isdigit() and 1 <= int(text) <= MOST:
        return int(text)
    warn_user(
        f"{VARIABLE}={text} is no number of threads (1 to {MOST}): it is ignored, {available()} are used"
    )
    return available()


def available() -> int:
    """The CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Pool:
    """The pool of this process. Its memory is never freed: a caller may be in the middle of a loop when a
    fork makes the child begin again with another.
    """

    def __init__(self, addresses: Mapping[str, int]) -> None:
        self._control = addresses["tensorc_threads"]
        self._work = _worker_type(addresses["tensorc_worker"])
        self._retire = _retire_type(addresses["tensorc_retire"])
        self._blocks: list[ctypes.Array[ctypes.c_char]] = []
        self._pool = 0
        self._slots = 0
        self._need = NEED
        self._ending = 0
        self._starting = False
        self._starter = self.start  # machine code borrows it
        self._set("STARTER", id(self._starter))
        self._set("UNIT", UNIT)
        self._set("ALONE", FIRST_ALONE)

    def _word(self, address: int) -> ctypes.c_int64:
        return ctypes.c_int64.from_address(address)

    def _set(self, field: str, value: int) -> None:
        self._word(self._control + CONTROL[field]).value = value

    @property
    def state(self) -> int:
        return self._word(self._control + CONTROL["STATE"]).value

    def tune(self, unit: int) -> int:
        """Change the least work of a chunk; gives what it was. For tests: below `UNIT`, every loop wakes
        sleepers.
        """
        self._need = 0 if unit < UNIT else NEED
        if self._pool:
            self._word(self._pool + POOL["NEED"]).value = self._need
        field = self._word(self._control + CONTROL["UNIT"])
        old, field.value = field.value, unit
        return old

    def workers(self) -> int:
        """How many threads there are besides the callers."""
        return self._word(self._pool + POOL["WORKERS"]).value if self.state == READY else 0

    def start(self) -> None:
        """Called by the first loop that wants help, from whatever thread, also in a signal handler."""
        if self._ending or self._starting or self.state != UNKNOWN:
            return
        self._starting = True
        try:
            count = wanted() - 1
            started = self._start(count) if count else 0
            self._set("STATE", READY if started else ALONE)
        finally:
            self._starting = False

    def _start(self, count: int) -> int:
        """Start that many workers; gives how many the system allowed."""
        if count > self._slots:
            self._make(count)
        pool = self._pool  # a signal handler may fork in here, and the child goes on
        self._retire(pool)  # whom an exception has left behind
        epoch = self._word(pool + POOL["EPOCH"]).value
        started = 0
        for number in range(count):
            try:
                _thread.start_new_thread(self._work, (pool, number, epoch))
            except RuntimeError:  # the system has no more, or the interpreter is ending
                break
            started += 1
        self._pool, self._slots = pool, max(count, self._slots)
        self._word(pool + POOL["WORKERS"]).value = started
        self._word(pool + POOL["REST"]).value = 0
        self._set("POOL", pool)
        return started

    def _make(self, slots: int) -> None:
        block = ctypes.create_string_buffer(POOL["SLOTS"] + SLOT_BYTES * slots + LINE)
        self._blocks.append(block)
        first = ctypes.addressof(block)
        self._pool, self._slots = first + -first % LINE, slots
        for field in ("JOIN_LOCK", "CLOSED_LOCK"):
            self._word(self._pool + POOL[field]).value = closed_lock()
        self._word(self._pool + POOL["SPIN"]).value = SPIN
        self._word(self._pool + POOL["JOIN_SPIN"]).value = JOIN_SPIN
        self._word(self._pool + POOL["JOIN_LOOK"]).value = JOIN_LOOK
        self._word(self._pool + POOL["NEED"]).value = self._need
        self._word(self._pool + POOL["PENALTY"]).value = PENALTY[0]
        for number in range(slots):
            slot = self._pool + POOL["SLOTS"] + SLOT_BYTES * number
            self._word(slot + SLOT["LOCK"]).value = closed_lock()

    def end(self) -> None:
        """Have the workers finish what they have begun and end; none is started until `allow`."""
        self._ending += 1
        ready = self.state == READY
        self._set("STATE", UNKNOWN)
        if ready:
            self._retire(self._pool)

    def allow(self) -> None:
        """Workers may be started again."""
        self._ending -= 1

    def renew(self) -> None:
        """In the child of a fork: the pool's memory belongs to a loop of a thread that is gone, perhaps."""
        self._ending, self._starting = 0, False
        self._pool = self._slots = 0
        self._set("STATE", UNKNOWN)


_pool: list[_Pool] = []


def closed_lock() -> int:
    """A lock that somebody has."""
    allocate, acquire = _api.PyThread_allocate_lock, _api.PyThread_acquire_lock
    allocate.restype, allocate.argtypes = ctypes.c_void_p, []
    acquire.restype, acquire.argtypes = ctypes.c_int, [ctypes.c_void_p, ctypes.c_int]
    lock = allocate()
    if not lock:
        raise MemoryError("no memory for a lock")
    acquire(lock, 0)
    return int(lock)


def use(addresses: Mapping[str, int]) -> None:
    """Take the machine code of the native entry's library, once a process."""
    pool = _Pool(addresses)
    _pool[:] = [pool]
    atexit.register(pool.end)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=pool.end, after_in_parent=pool.allow, after_in_child=pool.renew)


def pool() -> _Pool | None:
    """The pool of this process, if compiled code has been loaded."""
    return _pool[0] if _pool else None
