"""Import time, and build plus first call in three states: a process that has compiled one unrelated function
(disk cache off), a cold process (cache off), a cold process that finds its code on disk.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.harness import record
from benchmarks.harness.case import WORKLOADS, Case, draw
from benchmarks.harness.client import ROOT, Client, WorkerFailure
from benchmarks.harness.columns import COLUMNS
from benchmarks.harness.crew import start
from benchmarks.harness.environments import Absent, interpreter
from benchmarks.harness.locks import Locks

ROUNDS = 5
LIMIT = 60.0
UNRELATED = Case("call_fma", (8,), "float64")
PROGRAMS = ("elem12", "softmax", "layernorm_vjp", "logreg_step", "mlp_step", "transformer_grad")
GRAPHS = (10, 100, 1000, 10_000)
WARM, COLD, HIT = "warm process", "cold process", "cold process, disk hit"
# How a peer keeps compiled code on disk; `{cache}` is a folder.
CACHES = {
    "tensorc": {"TENSORC_CACHE": "1", "TENSORC_CACHE_DIR": "{cache}"},
    "jax": {
        "JAX_ENABLE_COMPILATION_CACHE": "1",
        "JAX_COMPILATION_CACHE_DIR": "{cache}",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    },
}


def cases(quick: bool) -> list[Case]:
    """Programs at sizes so small that the first call costs nothing beside the compiler, in their first
    dtype.
    """
    found = []
    for name in PROGRAMS:
        w = WORKLOADS[name]
        found.append(Case(name, w.tiny, w.dtypes[0]))
    return found + [Case("graph", (1000, n), "float64") for n in (GRAPHS[:1] if quick else GRAPHS)]


def first_call(client: Client, case: Case) -> dict[str, Any]:
    """Build and call once in this worker."""
    with tempfile.TemporaryDirectory() as folder:
        variants, state = draw(WORKLOADS[case.workload], case, 1)
        np.savez(Path(folder) / "inputs0.npz", *variants[0])
        np.savez(Path(folder) / "state.npz", *state)
        place = {"folder": folder, "sets": 1, "tag": "first"}
        return client.ask(LIMIT, do="prepare", case=[case.workload, list(case.dims), case.dtype], **place)


def in_state(peer: str, state: str, case: Case, envs: Path) -> dict[str, Any]:
    """One measurement, in fresh processes."""
    with tempfile.TemporaryDirectory() as folder:
        cache = {k: v.format(cache=folder) for k, v in CACHES[peer].items()} if state == HIT else {}
        for fills in (True, False) if state == HIT else (False,):
            client = start(COLUMNS[peer], envs, 1, folder, cache)
            try:
                if state == WARM:
                    first_call(client, UNRELATED)
                answer = first_call(client, case)
            finally:
                client.kill()
            if not fills:
                return answer
    raise AssertionError("unreachable")


def measure_states(envs: Path, columns: list[str], out: Path, quick: bool, locks: Locks) -> None:
    """Peers and states in turns, `ROUNDS` times; medians."""
    cells = [(peer, state) for state in (WARM, COLD, HIT) for peer in CACHES if peer in columns]
    for case in cases(quick):
        answers: dict[tuple[str, str], list[dict[str, Any]]] = {cell: [] for cell in cells}
        failures: dict[tuple[str, str], str] = {}
        for _ in range(1 if quick else rounds_of(case)):
            for peer, state in cells:
                if (peer, state) in failures:
                    continue
                try:
                    with locks.alone():
                        answers[peer, state].append(in_state(peer, state, case, envs))
                except (Absent, WorkerFailure) as reason:
                    failures[peer, state] = str(reason)
        for peer, state in cells:
            found = record_of(case, peer, state, answers[peer, state], failures.get((peer, state)))
            record.append(out, found)
            said = next((found[k] for k in ("failure", "skip", "median_s") if k in found), "")
            print(f"{case.name} {peer} {state}: {said}", flush=True)


def rounds_of(case: Case) -> int:
    return 1 if case.workload == "graph" and case.dims[1] >= 10_000 else ROUNDS


def record_of(
    case: Case, peer: str, state: str, answers: list[dict[str, Any]], failure: str | None
) -> record.Record:
    base = {"kind": "state", "row": case.name, "peer": peer, "state": state, "when": record.now()}
    if failure:
        return {**base, "failure": failure}
    if skipped := [a["skip"] for a in answers if "skip" in a]:
        return {**base, "skip": skipped[0]}
    seconds = [a["build_s"] + a["first_s"] for a in answers]
    grown = median(a["rss_mb"] for a in answers)
    return {
        **base,
        "median_s": median(seconds),
        "min_s": min(seconds),
        "samples": len(seconds),
        "rss_mb": grown,
    }


def measure_imports(envs: Path, columns: list[str], out: Path, quick: bool, locks: Locks) -> None:
    """What importing each peer costs in a fresh interpreter that has imported nothing else, in turns."""
    found: dict[str, list[tuple[float, float]]] = {}
    for _ in range(1 if quick else ROUNDS):
        for name in ("bare", *columns):
            with locks.alone():
                measured = one_import(name, envs)
            if measured is not None:
                found.setdefault(name, []).append(measured)
    for name, pairs in found.items():
        seconds, resident = (median(column) for column in zip(*pairs, strict=True))
        record.append(
            out,
            {"kind": "import", "peer": name, "seconds": seconds, "rss_mb": resident, "when": record.now()},
        )


IMPORTS = {
    "bare": ("", "pass"),
    "tensorc": ("", "import tensorc"),
    "numpy": ("numpy", "import numpy"),
    "numexpr": ("numpy", "import numexpr"),
    "numba": ("numpy", "import numba"),
    "jax": ("jax", "import jax.numpy"),
    "torch": ("torch", "import torch"),
    "pytensor": ("pytensor", "import pytensor.tensor"),
    "ort": ("onnxruntime", "import onnxruntime"),
}


def one_import(name: str, envs: Path) -> tuple[float, float] | None:
    """Seconds and resident MiB, or None where there is no such environment."""
    if name not in IMPORTS:
        return None
    environment, statement = IMPORTS[name]
    text = (
        f"import time; start = time.perf_counter(); {statement}; took = time.perf_counter() - start\n"
        "lines = open('/proc/self/status').read().splitlines()\n"
        "print(took, int(next(line for line in lines if line.startswith('VmRSS')).split()[1]) / 1024)"
    )
    try:
        python = interpreter(environment, envs)
    except Absent:
        return None
    path = {"PYTHONPATH": str(ROOT / "src"), "PATH": ""}
    done = subprocess.run([str(python), "-c", text], env=path, capture_output=True, text=True)
    if done.returncode:
        return None
    seconds, resident = map(float, done.stdout.split())
    return seconds, resident
