"""Rows: who is measured when, what counts, and that a failure stays in its cell."""

from __future__ import annotations

import fcntl
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import fake_workers
from benchmarks.fake_workers import CASE, WORKLOAD, FakeWorker
from benchmarks.harness import record, report
from benchmarks.harness.floors import floor
from benchmarks.harness.locks import Locks
from benchmarks.harness.schedule import Cell, Plan, Row, orders, turn_of

PLAN = Plan(rounds=4, turn=0.02)
Journal = list[tuple[str, str]]


def run(*workers: FakeWorker) -> dict[str, Cell]:
    return Row(WORKLOAD, CASE, 1, PLAN).run({w.name: w for w in workers})


def recorded(cells: dict[str, Cell]) -> report.Line:
    """The line of the table that the record of these cells gives."""
    return report.line_of(record.row(CASE, 1, False, cells, floor(32, 4, 1e9, 1e9), 4), "tensorc")


def test_workers_take_turns() -> None:
    journal: Journal = []
    run(*(FakeWorker(name, journal) for name in ("tensorc", "numpy", "jax")))
    runs = [name for name, do in journal if do == "run"][6:]  # two runs each to find the size of a turn
    assert [runs[i : i + 3] for i in range(0, 12, 3)] == list(orders(["tensorc", "numpy", "jax"], 4))
    assert {frozenset(runs[i : i + 3]) for i in range(0, 12, 3)} == {frozenset(("tensorc", "numpy", "jax"))}


def test_nobody_always_follows_the_same_neighbour() -> None:
    found = list(orders(["a", "b", "c"], 6))
    assert {order[0] for order in found} == {"a", "b", "c"}
    follows = [(x, y) for order in found for x, y in itertools.pairwise(order)]
    assert {y for x, y in follows if x == "a"} == {"b", "c"}


@pytest.mark.parametrize(
    ("seconds", "calls", "blocks"),
    [(1e-7, 2000, 50), (1e-3, 1, 30), (0.05, 1, 1), (10.0, 1, 1), (0.0, 100_000, 50)],
)
def test_size_of_a_turn(seconds: float, calls: int, blocks: int) -> None:
    size = turn_of(seconds, Plan(turn=0.03, block=2e-4))
    assert (size["calls"], size["blocks"]) == (calls, blocks)


def test_a_wrong_output_is_seen_and_does_not_count_as_the_best() -> None:
    def off(inputs: Any) -> Any:
        return [inputs[0] * np.float32(2.01)]

    journal: Journal = []
    fast = FakeWorker("jax", journal, compute=off, seconds=1e-3)
    line = recorded(run(FakeWorker("tensorc", journal), fast, FakeWorker("numpy", journal, seconds=0.02)))
    assert line.best == "numpy"
    assert line.ratio == pytest.approx(0.5)
    assert report.shown(line.cells["jax"], False, 1) == "1 ms!"


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (lambda a: [a[0].astype(np.float64) * 2], "dtype float64"),
        (lambda a: [a[0][:3] * 2], "shape (3,)"),
        (lambda a: [a[0] * 2, a[0]], "2 arrays instead of 1"),
        (lambda a: [a[0] * np.float32(np.nan)], "100.00% of the elements"),
        (lambda a: [np.where(np.arange(4) == 3, np.float32(np.inf), a[0] * 2)], "25.00% of the elements"),
    ],
)
def test_what_is_wrong_with_an_output(output: Any, said: str) -> None:
    cell = run(FakeWorker("numpy", [], compute=output))["numpy"]
    assert cell.wrong is not None
    assert said in cell.wrong


def test_an_output_wrong_only_after_the_timing_is_seen() -> None:
    cell = run(FakeWorker("numpy", [], later=lambda a: [a[0] * np.float32(3)]))["numpy"]
    assert cell.wrong is not None
    assert cell.wrong.startswith("after the timing")


@pytest.mark.parametrize("threads", [None, {}, {"pool": 2}, {"pool": 1, "blas": 8}])
def test_ratio_is_refused_without_the_right_threads(threads: dict[str, int] | None) -> None:
    journal: Journal = []
    quick = FakeWorker("jax", journal, threads=threads, seconds=1e-3)
    line = recorded(run(FakeWorker("tensorc", journal), quick, FakeWorker("numpy", journal, seconds=0.02)))
    assert line.best == "numpy"
    assert report.shown(line.cells["jax"], False, 1).startswith("1 ms?")
    ours = recorded(run(FakeWorker("tensorc", journal, threads=threads), FakeWorker("numpy", journal)))
    assert ours.ratio is None


def test_ratio_is_refused_without_versions() -> None:
    journal: Journal = []
    nameless = FakeWorker("numpy", journal, info={})
    cells = run(FakeWorker("tensorc", journal), nameless)
    assert cells["numpy"].refused == "versions not recorded"
    assert recorded(cells).ratio is None


def test_a_missing_name_skips_its_cell_visibly() -> None:
    journal: Journal = []
    missing = FakeWorker("tensorc", journal, skip="tc has no 'scan'")
    line = recorded(run(missing, FakeWorker("numpy", journal)))
    assert (line.ratio, line.why) == (None, "skip: tc has no 'scan'")
    assert ("tensorc", "run") not in journal
    assert line.cells["numpy"]["samples"] > 0
    assert report.remarks([line]) == ["tensorc: skip: tc has no 'scan' (double/f32/4@1)"]


@pytest.mark.parametrize("moment", ["prepare", "run", "check"])
def test_a_crash_is_one_cell_s_failure(moment: str) -> None:
    journal: Journal = []
    cells = run(FakeWorker("jax", journal, dies_at=moment), FakeWorker("numpy", journal))
    assert "ended (-11)" in (cells["jax"].failure or "")
    assert not cells["jax"].comparable
    assert cells["numpy"].comparable


def test_large_inputs_come_in_fewer_sets_and_count_in_the_footprint() -> None:
    row = Row(WORKLOAD, CASE, 1, PLAN)
    assert (len(row.variants), row.footprint) == (3, 3 * 16 + 16)
    assert len({a[0].tobytes() for a in row.variants}) == 3
    assert fake_workers.CASE.name == "double/f32/4"


def test_a_long_row_ends_after_a_whole_round() -> None:
    row = Row(WORKLOAD, CASE, 1, Plan(rounds=4, row_limit=-1.0))
    cells = row.run({name: FakeWorker(name, []) for name in ("numpy", "jax")})
    assert row.rounds == 1
    assert cells["numpy"].comparable
    assert len(cells["numpy"].seconds) == len(cells["jax"].seconds)


def test_the_machine_is_ours_alone_only_while_calls_are_timed(tmp_path: Path) -> None:
    gate, lock = tmp_path / "gate", tmp_path / "lock"
    seen: dict[str, set[bool]] = {}

    class Watching(FakeWorker):
        def ask(self, limit: float, **request: Any) -> dict[str, Any]:
            with lock.open() as file:  # whether heavy work could begin now
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    free = True
                except BlockingIOError:
                    free = False
            seen.setdefault(request["do"], set()).add(free)
            return super().ask(limit, **request)

    Row(WORKLOAD, CASE, 1, PLAN).run({"numpy": Watching("numpy", [])}, Locks(f"{gate}:{lock}"))
    assert seen == {"prepare": {True}, "run": {False}, "check": {True}, "release": {True}}
    with pytest.raises(ValueError, match="GATE:LOCK"):
        Locks("only-one")
