"""One row of the table: every worker prepares and is verified, then they take turns, round by round."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import numpy as np

from benchmarks.harness.case import Array, Case, Workload, draw, references
from benchmarks.harness.client import WorkerFailure
from benchmarks.harness.locks import Locks
from benchmarks.harness.verify import refused_threads, refused_versions, wrong_arrays
from benchmarks.harness.worker import read


class Asked(Protocol):
    """What the scheduler needs of a worker; tests give others."""

    name: str
    info: dict[str, Any]

    def ask(self, limit: float, **request: Any) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Plan:
    """How long a row may take. `turn` is the seconds of one turn of one worker, `block` of one timed block:
    calls shorter than that are timed together.
    """

    rounds: int = 7
    turn: float = 0.03
    block: float = 2e-4
    build_limit: float = 180.0
    run_limit: float = 60.0
    row_limit: float = 40.0
    sets: int = 3


@dataclass
class Cell:
    """What one worker did in one row."""

    name: str
    seconds: list[float] = field(default_factory=list)
    prepared: dict[str, Any] = field(default_factory=dict)
    threads: dict[str, int] | None = None
    versions: dict[str, str] = field(default_factory=dict)
    skip: str | None = None
    failure: str | None = None
    wrong: str | None = None
    refused: str | None = None

    @property
    def running(self) -> bool:
        return self.skip is None and self.failure is None

    @property
    def comparable(self) -> bool:
        return self.running and bool(self.seconds) and not self.wrong and not self.refused

    def record(self) -> dict[str, Any]:
        timed = {"median_s": median(self.seconds), "min_s": min(self.seconds)} if self.seconds else {}
        told = {
            k: getattr(self, k)
            for k in ("skip", "failure", "wrong", "refused", "threads")
            if getattr(self, k)
        }
        return {**timed, "samples": len(self.seconds), **self.prepared, **told}


def orders(names: Sequence[str], rounds: int) -> Iterator[list[str]]:
    """Who follows whom: every round begins one further, and every other round goes backwards, so that nobody
    always follows the same neighbour.
    """
    for r in range(rounds):
        shift = r % len(names) if names else 0
        order = [*names[shift:], *names[:shift]]
        yield order if r % 2 == 0 else order[::-1]


def turn_of(seconds: float, plan: Plan) -> dict[str, int]:
    """How many calls a block, and how many blocks a turn, for calls that take `seconds`."""
    calls = max(1, min(100_000, round(plan.block / max(seconds, 1e-9))))
    blocks = max(1, min(50, round(plan.turn / max(seconds * calls, 1e-9))))
    warm = 0 if seconds > 0.2 else max(1, calls // 4)
    return {"calls": calls, "blocks": blocks, "warm": warm}


class Row:
    """One case at one thread count, over several workers."""

    def __init__(self, w: Workload, case: Case, threads: int, plan: Plan) -> None:
        self.workload, self.case, self.threads, self.plan = w, case, threads, plan
        self.variants, self.state = draw(w, case, self.sets())
        self.reference = references(w, case, self.variants, self.state)
        self.cells: dict[str, Cell] = {}
        self.rounds = 0

    def sets(self) -> int:
        """Fewer sets of inputs where they are large: beyond the caches two are as good as three."""
        return min(2, self.plan.sets) if self.case.elements * self.case.itemsize > 1 << 24 else self.plan.sets

    @property
    def footprint(self) -> int:
        """Bytes the calls go through: every set of inputs, the state and one result."""
        inputs = sum(a.nbytes for arrays in self.variants for a in arrays)
        size = self.case.itemsize
        outputs = sum(a.size * size for a in self.reference.outputs[0])
        return int(inputs + outputs + sum(a.nbytes for a in self.state))

    def run(
        self,
        workers: Mapping[str, Asked],
        locks: Locks | None = None,
        around: AbstractContextManager[Any] | None = None,
    ) -> dict[str, Cell]:
        """Prepare, verify, measure, verify again, let go. `around` is entered while the machine is ours
        alone.
        """
        locks = locks or Locks()
        with tempfile.TemporaryDirectory() as folder:
            with locks.shared():
                self.write(Path(folder))
                for name, worker in workers.items():
                    self.cells[name] = self.prepare(worker, Path(folder))
            if any(c.running for c in self.cells.values()):
                with locks.alone(), around or nullcontext():
                    self.measure(workers)
            with locks.shared():
                for name, worker in workers.items():
                    self.check(worker, self.cells[name], Path(folder))
        return self.cells

    def measure(self, workers: Mapping[str, Asked]) -> None:
        """The rounds. A row that takes too long ends early, after a whole round."""
        end = time.monotonic() + self.plan.row_limit
        turns = {n: self.calibrate(workers[n], c) for n, c in self.cells.items() if c.running}
        names = [n for n in turns if self.cells[n].running]
        for order in orders(names, self.plan.rounds):
            for name in order:
                self.take_turn(workers[name], self.cells[name], turns[name])
            self.rounds += 1
            if time.monotonic() > end:
                break

    def write(self, folder: Path) -> None:
        for i, arrays in enumerate(self.variants):
            np.savez(folder / f"inputs{i}.npz", *arrays)
        np.savez(folder / "state.npz", *self.state)

    def asked(self, worker: Asked, cell: Cell, limit: float, **request: Any) -> dict[str, Any] | None:
        """The answer; a failure is this cell's alone."""
        try:
            return worker.ask(limit, **request)
        except WorkerFailure as failure:
            cell.failure = str(failure)
            return None

    def prepare(self, worker: Asked, folder: Path) -> Cell:
        case = self.case
        cell = Cell(worker.name, versions=worker.info.get("versions", {}))
        answer = self.asked(
            worker,
            cell,
            self.plan.build_limit,
            do="prepare",
            case=[case.workload, list(case.dims), case.dtype],
            folder=str(folder),
            sets=len(self.variants),
            tag=worker.name,
        )
        if answer is None:
            return cell
        if "skip" in answer:
            cell.skip = answer["skip"]
            return cell
        cell.threads = answer.pop("threads", None)
        cell.prepared = answer
        cell.wrong = self.wrong(folder, worker.name)
        return cell

    def wrong(self, folder: Path, tag: str) -> str | None:
        """What is wrong with the outputs of the preparing calls or with the state they left."""
        for i, expected in enumerate(self.reference.outputs):
            if said := self.judged(folder / f"{tag}.outputs{i}.npz", expected):
                return f"call {i}, {said}"
        said = self.judged(folder / f"{tag}.state.npz", self.reference.state)
        return f"state, {said}" if said else None

    def judged(self, path: Path, expected: list[Array]) -> str | None:
        said = wrong_arrays(self.workload, self.case, read(path), expected)
        path.unlink()
        return said

    def calibrate(self, worker: Asked, cell: Cell) -> dict[str, int]:
        """The size of a turn, from two short tries."""
        seconds = 0.0
        for calls in (1, None):
            size = (
                {"calls": 1, "blocks": 1, "warm": 1}
                if calls
                else turn_of(seconds, Plan(block=1e-3, turn=1e-3))
            )
            answer = self.asked(worker, cell, self.plan.run_limit, do="run", **size)
            if answer is None:
                return {}
            seconds = min(answer["seconds"])
        return turn_of(seconds, self.plan)

    def take_turn(self, worker: Asked, cell: Cell, size: dict[str, int]) -> None:
        if not cell.running:
            return
        answer = self.asked(worker, cell, self.plan.run_limit, do="run", **size)
        if answer is not None:
            cell.seconds += answer["seconds"]

    def check(self, worker: Asked, cell: Cell, folder: Path) -> None:
        """Verify once more after the timing, look at the threads, and let the program go."""
        if not cell.running:
            return
        answer = self.asked(
            worker, cell, self.plan.run_limit, do="check", folder=str(folder), tag=worker.name
        )
        if answer is None:
            return
        cell.threads = answer.get("threads") or None
        if not cell.wrong and not self.reference.state:
            said = self.judged(folder / f"{worker.name}.check.npz", self.reference.outputs[0])
            cell.wrong = f"after the timing, {said}" if said else None
        cell.refused = refused_threads(cell.threads, self.threads) or refused_versions(cell.versions)
        self.asked(worker, cell, self.plan.run_limit, do="release")
