"""Tables and records: losses first, a later row replaces an earlier one, and what is missing is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import page
from benchmarks.harness import plots, record, report


def cell(seconds: float, **more: Any) -> dict[str, Any]:
    return {"median_s": seconds, "min_s": seconds, "samples": 3, "threads": {"pool": 1}, **more}


def row(name: str, threads: int = 1, **cells: dict[str, Any]) -> dict[str, Any]:
    versions = {n: {"v": "1"} for n in cells}
    kind = {"kind": "row", "row": name, "threads": threads, "busy": False}
    return {**kind, "floor": {"seconds": 0.5}, "cells": cells, "versions": versions}


def test_losses_first_and_rows_without_a_ratio_last() -> None:
    rows = [
        row("won", tensorc=cell(1.0), numpy=cell(4.0)),
        row("skipped", tensorc={"skip": "tc has no 'scan'"}, numpy=cell(1.0)),
        row("lost", tensorc=cell(3.0), numpy=cell(2.0), jax=cell(1.0)),
    ]
    lines = report.lines_of(rows)
    assert [(x.row, x.ratio, x.best) for x in lines] == [
        ("lost", 3.0, "jax"),
        ("won", 0.25, "numpy"),
        ("skipped", None, "numpy"),
    ]
    assert lines[0].over_floor == 6.0
    text = report.markdown(lines).splitlines()
    assert text[2].startswith("| lost | 1 | 3 s | 3 s | 3.00 | 6.00 | 2 s | **1 s** |")
    assert text[4].startswith("| skipped | 1 | - |")
    assert "2 rows with a ratio, 1 behind the best peer, geometric mean 0.866" in report.summary(lines)


def test_our_own_columns_are_no_peers() -> None:
    line = report.line_of(row("r", tensorc=cell(2.0), tensorc_out=cell(1.0), numpy=cell(4.0)), "tensorc")
    assert (line.best, line.ratio) == ("numpy", 0.5)


@pytest.mark.parametrize("kind", ["wrong", "refused", "failure", "skip"])
def test_a_cell_that_does_not_count(kind: str) -> None:
    line = report.line_of(
        row("r", tensorc=cell(2.0), jax=cell(0.1, **{kind: "for a reason"}), numpy=cell(4.0)), "tensorc"
    )
    assert line.best == "numpy"
    assert report.remarks([line]) == [f"jax: {kind}: for a reason (r@1)"]


def test_fewer_threads_than_asked_for_are_marked() -> None:
    line = report.line_of(row("r", 2, tensorc=cell(2.0), numpy=cell(4.0)), "tensorc")
    assert report.shown(line.cells["numpy"], False, 2) == "4 s'"


def test_records_in_pieces(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "results.jsonl"
    for r in (row("a", numpy=cell(1.0)), row("a", 2, numpy=cell(2.0)), row("a", numpy=cell(3.0))):
        record.append(file, r)
    found = record.load([file])
    assert [(r["threads"], r["cells"]["numpy"]["median_s"]) for r in found] == [(1, 3.0), (2, 2.0)]


def test_states_table() -> None:
    def state(row: str, peer: str, **found: Any) -> dict[str, Any]:
        return {"kind": "state", "row": row, "peer": peer, "state": "cold process", **found}

    states = [
        state("softmax", "tensorc", median_s=0.01),
        state("softmax", "jax", median_s=0.04),
        state("graph", "tensorc", median_s=0.01),
        state("graph", "jax", failure="no answer"),
    ]
    text = report.states_table(states).splitlines()
    assert text[0] == "| program | tensorc, cold process | jax, cold process | tensorc/jax |"
    assert text[2:] == ["| softmax | 10 ms | 40 ms | 0.25 |", "| graph | 10 ms | x |  |"]


def test_first_calls_and_memory_of_every_cell() -> None:
    told = {"build_s": 0.01, "first_s": 0.02, "rss_mb": 7.4}
    lines = report.lines_of(
        [row("b", tensorc=cell(1.0, **told), jax={"skip": "no"}), row("a", tensorc=cell(1.0))]
    )
    assert report.first_calls(lines).splitlines()[2:] == ["| a | 1 |  |  |", "| b | 1 | 30 ms |  |"]
    assert report.memory(lines).splitlines()[2:] == ["| a | 1 |  |  |", "| b | 1 | 7 |  |"]


def records_of_a_run() -> list[dict[str, Any]]:
    machine = {"kind": "machine", "processor": "Abacus", "cpus": 2, "python": "3.11.7", "commit": "abc"}
    states = [
        {"kind": "state", "row": f"graph/f64/1000x{n}", "peer": "jax", "state": "cold process", "median_s": s}
        for n, s in (("10", 0.1), ("1e4", 9.0))
    ]
    rows = [
        row("lost", tensorc=cell(3.0), numpy=cell(2.0)),
        row("won", 2, tensorc=cell(1.0), numpy=cell(2.0)),
    ]
    return [machine, *rows, *states]


def test_page_gets_its_section_between_the_marks() -> None:
    section = page.measured(records_of_a_run())
    assert "Abacus, 2 processors, Python 3.11.7, commit abc." in section
    assert "1 thread: 1 rows with a ratio, 1 behind the best peer, geometric mean 1.500." in section
    text = page.inserted(f"before\n{page.BEGIN}\nstale\n{page.END}\nafter\n", section)
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "stale" not in text
    assert page.inserted(text, section) == text
    assert page.PAGE.read_text(encoding="utf-8").count(page.BEGIN) == 1


def test_curves_are_the_same_from_the_same_records(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="curves need matplotlib, of the extra `dev`")
    records = records_of_a_run()
    drawn = []
    for _ in range(2):
        plots.ratios(report.lines_of(records), tmp_path / "ratios.svg")
        plots.compile_curves(records, tmp_path / "compile.svg")
        drawn.append([(tmp_path / name).read_bytes() for name in ("ratios.svg", "compile.svg")])
    assert drawn[0] == drawn[1]
    assert b"lost" in drawn[0][0]
    assert plots.operations("graph/f64/1000x1e4") == 10_000
