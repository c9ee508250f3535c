"""Cases are judged in another process, so that one that kills or hangs the process is a finding like others.

The processes come from a fork server that has compiled something already: a new one costs milliseconds.
"""

from __future__ import annotations

import importlib
import multiprocessing
import signal
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Final

from tests.fuzz.case import Case
from tests.fuzz.judge import Verdict, judge

SECONDS: Final = 60
"""A case that takes longer hangs."""
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.fuzz.judge", "tests.fuzz.warm"])


def _serve(connection: Connection, plant: str | None) -> None:
    """Judge what arrives. `plant` names a function, `module:name`, that is called first: a planted bug."""
    if plant is not None:
        module, _, name = plant.partition(":")
        getattr(importlib.import_module(module), name)()
    while True:
        try:
            case = connection.recv()
        except EOFError:
            return
        connection.send(judge(case))


class Judge:
    """A process that judges; replaced by a new one when it dies."""

    def __init__(self, plant: str | None = None) -> None:
        self.plant = plant
        self._process: Any = None
        self._connection: Any = None

    def __enter__(self) -> Judge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._process is not None:
            self._connection.close()
            self._process.kill()
            self._process.join()
            self._process = None

    def __call__(self, case: Case) -> Verdict:
        """The verdict on a case."""
        if self._process is None:
            self._connection, theirs = _CONTEXT.Pipe()
            self._process = _CONTEXT.Process(target=_serve, args=(theirs, self.plant), daemon=True)
            self._process.start()
            theirs.close()
        try:
            self._connection.send(case)
            if not self._connection.poll(SECONDS):
                self.close()
                return Verdict("hangs", f"no verdict after {SECONDS} s")
            verdict: Verdict = self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            self.close()
            name = signal.Signals(-code).name if code < 0 else f"exit {code}"
            return Verdict(f"process dies: {name}", f"the process that ran the case ended with {name}")
        return verdict
