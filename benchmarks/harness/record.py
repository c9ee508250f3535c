"""Results as JSON lines: a `machine` line, then `row`, `state` and `import` lines. A later row of the same
name replaces an earlier one, so that a table can be measured in pieces.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.harness.case import Case
from benchmarks.harness.client import ROOT
from benchmarks.harness.floors import Floor
from benchmarks.harness.schedule import Cell

Record = dict[str, Any]


def machine(busy: bool) -> Record:
    """What the run was made on."""
    model = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].split(":", 1)[1].strip() if lines else ""
    return {
        "kind": "machine",
        "when": now(),
        "processor": model or platform.processor(),
        "cpus": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": platform.python_version(),
        "commit": commit(),
        "busy": busy,
    }


def now() -> str:
    return datetime.now().isoformat(timespec="seconds")


def commit() -> str:
    """The commit measured, with a + where the tree differs from it."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip()


def row(
    case: Case, threads: int, busy: bool, cells: Mapping[str, Cell], bound: Floor | None, rounds: int
) -> Record:
    return {
        "kind": "row",
        "row": case.name,
        "workload": case.workload,
        "threads": threads,
        "busy": busy,
        "when": now(),
        "rounds": rounds,
        "floor": bound.record() if bound else None,
        "cells": {name: cell.record() for name, cell in cells.items()},
        "versions": {name: cell.versions for name, cell in cells.items()},
    }


def append(path: Path, record: Record) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def load(paths: Iterable[Path]) -> list[Record]:
    """All records; of rows and states with the same name the last."""
    kept: dict[tuple[Any, ...], Record] = {}
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            kind = record["kind"]
            names = {
                "row": ("row", "threads", "busy"),
                "state": ("row", "peer", "state"),
                "import": ("peer",),
            }
            kept[(kind, *(record[n] for n in names.get(kind, ())))] = record
    return list(kept.values())
