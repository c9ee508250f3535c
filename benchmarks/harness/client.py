"""The parent's side of a worker: start it, ask it with a time limit, stop it while others are measured."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT = 180.0


class WorkerFailure(Exception):
    """A worker answered with an error, did not answer in time, or ended."""


class Client:
    """One worker process. Between requests it is stopped (SIGSTOP): pools that spin while they wait would
    take the processor from whoever is measured next.
    """

    def __init__(
        self, name: str, command: Sequence[str], environ: dict[str, str], freeze: bool = True
    ) -> None:
        self.name, self.freeze = name, freeze
        self.log = tempfile.TemporaryFile()  # noqa: SIM115  (it lives as long as the worker)
        path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env={**os.environ, **environ, "PYTHONPATH": path},
            cwd=ROOT,
        )
        self.buffer = b""
        self.info: dict[str, Any] = self.ask(START_LIMIT, do="hello")

    def ask(self, limit: float, **request: Any) -> dict[str, Any]:
        """Send a request and wait for the answer. After a failure other than an error the worker is dead."""
        if self.process.poll() is not None:
            raise WorkerFailure(f"the worker has ended ({self.process.returncode}){self.last_words()}")
        assert self.process.stdin
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the end is noticed by the read
        answer: dict[str, Any] = json.loads(self.read_line(limit, str(request["do"])))
        if self.freeze:
            self.process.send_signal(signal.SIGSTOP)
        if "error" in answer:
            raise WorkerFailure(answer["error"])
        return answer

    def read_line(self, limit: float, what: str) -> bytes:
        assert self.process.stdout
        end = time.monotonic() + limit
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while b"\n" not in self.buffer:
                if not selector.select(max(0.0, end - time.monotonic())):
                    self.kill()
                    raise WorkerFailure(f"no answer to {what} within {limit:g} s")
                chunk = os.read(self.process.stdout.fileno(), 1 << 16)
                if not chunk:
                    code = self.process.wait()
                    raise WorkerFailure(f"the worker ended ({code}) during {what}{self.last_words()}")
                self.buffer += chunk
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def last_words(self) -> str:
        if self.log.closed:
            return ""
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines()
        return f": {lines[-1][:200]}" if lines else ""

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """End the process; it may be stopped."""
        if self.alive:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self.log.close()
