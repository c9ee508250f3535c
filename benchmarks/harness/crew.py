"""The workers of one thread count: started when first needed, started again when they died."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.harness.client import Client, WorkerFailure
from benchmarks.harness.columns import COLUMNS, Column
from benchmarks.harness.environments import Absent, interpreter
from benchmarks.harness.floors import Floor, Floors
from benchmarks.harness.schedule import Cell, Row

PROBE_LIMIT = 60.0
BURN = "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass"


def processors(threads: int) -> list[int]:
    """Where workers may run: the last ones this process may use, as many as there are threads."""
    return sorted(os.sched_getaffinity(0))[-threads:]


def start(
    column: Column, envs: Path, threads: int, folder: str, environ: dict[str, str] | None = None
) -> Client:
    """A worker of a column. Raises Absent or WorkerFailure."""
    python = interpreter(column.environment, envs)
    module = f"benchmarks.peers.{column.adapter}"
    return launch(
        column.name,
        python,
        module,
        column.variant,
        threads,
        {**column.environ(threads, folder), **(environ or {})},
    )


def launch(
    name: str, python: Path, module: str, variant: str, threads: int, environ: dict[str, str]
) -> Client:
    cpus = ",".join(map(str, processors(threads)))
    command = [str(python), "-m", "benchmarks.harness.worker", module, variant, str(threads), cpus]
    return Client(name, command, environ)


class Crew:
    """Workers, the probe of the machine, and the process that keeps a core busy where one is asked for."""

    def __init__(
        self, envs: Path, columns: list[str], threads: int, busy: bool, budget: float | None = None
    ) -> None:
        self.envs, self.columns, self.threads, self.busy = envs, columns, threads, busy
        self.end = None if budget is None else time.monotonic() + budget
        self.clients: dict[str, Client] = {}
        self.absent: dict[str, str] = {}
        self.bound: Floor | None = None
        self.folder = tempfile.TemporaryDirectory()
        self.floors = Floors(self.probe)

    def __enter__(self) -> Crew:
        if len(processors(self.threads)) < self.threads:
            raise SystemExit(f"{self.threads} threads need {self.threads} processors")
        self.clients["probe"] = launch(
            "probe", Path(sys.executable), "benchmarks.harness.probe", "", self.threads, {}
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self.clients.values():
            client.kill()
        self.folder.cleanup()

    @property
    def out_of_time(self) -> bool:
        return self.end is not None and time.monotonic() > self.end

    def workers(self) -> dict[str, Client]:
        """Those that can be had, in the order of the columns."""
        for name in self.columns:
            if name in self.absent or (name in self.clients and self.clients[name].alive):
                continue
            own = Path(self.folder.name) / name
            own.mkdir(exist_ok=True)
            try:
                self.clients[name] = start(COLUMNS[name], self.envs, self.threads, str(own))
            except (Absent, WorkerFailure) as reason:
                self.absent[name] = str(reason)
                print(f"absent: {name}: {reason}", flush=True)
        return {
            name: self.clients[name]
            for name in self.columns
            if name in self.clients and name not in self.absent
        }

    def absent_cells(self) -> dict[str, Cell]:
        return {name: Cell(name, skip=f"absent: {why}") for name, why in self.absent.items()}

    @contextmanager
    def around(self, row: Row) -> Iterator[None]:
        """Measure what the machine allows, while it is quiet; then keep a core busy if one is to be."""
        self.bound = self.floor(row)
        burner = subprocess.Popen([sys.executable, "-c", BURN]) if self.busy else None
        try:
            yield
        finally:
            if burner:
                burner.kill()
                burner.wait()

    def probe(self, footprint: int, dtype: str) -> dict[str, Any]:
        return self.clients["probe"].ask(PROBE_LIMIT, do="probe", footprint=footprint, dtypes=[dtype])

    def floor(self, row: Row) -> Floor | None:
        """What the machine allows for a row; measured on the quiet machine, also where a core is to be
        busy.
        """
        w, case = row.workload, row.case
        try:
            return self.floors.of(w.traffic(case), w.flops(case), row.footprint, case.dtype)
        except WorkerFailure as failure:
            print(f"no floor for {case.name}: {failure}", flush=True)
            return None
