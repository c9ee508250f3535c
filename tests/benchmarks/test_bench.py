"""The command as a whole: a row of ours, with a peer that is not installed, and a core kept busy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import bench
from benchmarks.harness.case import load

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks" / "bench.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_row_with_an_absent_peer_and_a_busy_core(tmp_path: Path) -> None:
    out, envs = tmp_path / "r.jsonl", tmp_path / "none"
    asked = [
        "--quick",
        "--busy",
        "--threads",
        "1",
        "--peers",
        "tensorc,jax",
        "--envs",
        str(envs),
        "--out",
        str(out),
    ]
    done = run("call_add1", *asked)
    assert done.returncode == 0, done.stderr
    assert "absent: jax: environment jax is not installed: run with --install" in done.stdout
    machine, row = (json.loads(line) for line in out.read_text().splitlines())
    assert (machine["busy"], row["busy"], row["row"], row["threads"]) == (True, True, "call_add1/f64/8", 1)
    assert row["cells"]["tensorc"]["median_s"] > 0
    assert row["cells"]["tensorc"]["threads"]
    assert row["cells"]["jax"]["skip"].startswith("absent")
    assert row["versions"]["tensorc"]["tensorc"]
    assert row["floor"]["seconds"] > 0


def chosen(*rows: str, **options: Any) -> list[str]:
    args = {"rows": list(rows), "all": False, "quick": False, **options}
    return [c.name for _, c in bench.chosen(load(), type("Arguments", (), args)())]


def test_which_rows_are_measured() -> None:
    assert chosen("max_axis0") == ["max_axis0/f32/4096x4096", "max_axis0/f64/4096x4096"]
    assert chosen("gemm/f64/512", "gemm/f64/64") == ["gemm/f64/64", "gemm/f64/512"]
    assert chosen("graph") == [
        "graph/f64/1000x10",
        "graph/f64/1000x100",
        "graph/f64/1000x1000",
        "graph/f64/1000x1e4",
    ]
    assert 12 <= len(chosen()) <= 24
    assert set(chosen()) < set(chosen(all=True))
    with pytest.raises(SystemExit, match="no row begins with soft"):
        chosen("soft")
