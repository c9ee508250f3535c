"""On a machine that others compute on: keep them out while calls are timed, if they take part in two lock
files.

Heavy work passes the gate and holds the lock shared; a measurement holds the gate and then the lock alone.
Whoever waits to measure stands in the gate, so that heavy work that comes later waits behind.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path


class Locks:
    """`Locks("GATE:LOCK")`, or `Locks("")` where the machine is ours."""

    def __init__(self, paths: str = "") -> None:
        self.paths = [Path(p) for p in paths.split(":") if p]
        if len(self.paths) not in (0, 2):
            raise ValueError(f"locks are two files, GATE:LOCK; got {paths!r}")

    @contextmanager
    def shared(self) -> Iterator[None]:
        """While computing what is not timed."""
        if not self.paths:
            yield
            return
        gate, lock = self.paths
        with locked(gate, fcntl.LOCK_EX):
            pass
        with locked(lock, fcntl.LOCK_SH):
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While timing."""
        with ExitStack() as stack:
            for path in self.paths:
                stack.enter_context(locked(path, fcntl.LOCK_EX))
            yield


@contextmanager
def locked(path: Path, how: int) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, how)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
