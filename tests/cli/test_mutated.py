"""Damaged text never ends in a traceback, a crash, a hang or two diagnostics: `opt` and `run` say what is
wrong or do their work.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import FrameType

import numpy as np
import pytest

from tests.cli.mutations import mutate
from tests.cli.support import PROGRAMS, Outcome, arguments, call

LEVELS = {
    "tensor": "",
    "fused": "inline,canonicalize,decompose,fuse",
    "loops": "O0",
    "fast-loops": "O2",
}
PIPELINES = ("canonicalize,cse,dce", "stabilise,canonicalize", "O0", "O2", "")
MODES = {
    "tensor": ("interp", "O0", "fast"),
    "fused": ("interp",),
    "loops": ("interp",),
    "fast-loops": ("interp",),
}
PER_CASE = 42  # 3 programs at 4 levels: 504 files
SLOWEST = 120
MOST_STEPS = "20000"


@pytest.fixture(scope="module")
def dumps() -> dict[tuple[str, str], str]:
    """The programs at every level."""
    found = {}
    for name, text in PROGRAMS.items():
        for level, passes in LEVELS.items():
            outcome = call("opt", "-", "-p", passes, stdin=text.encode())
            assert outcome.status == 0, outcome.err
            found[name, level] = outcome.out
    return found


@pytest.fixture(autouse=True)
def _bounded() -> Iterator[None]:
    """A hang fails the test; memory beyond 6 GB is refused, as on a small machine."""
    resource = pytest.importorskip("resource", reason="limits are Unix")

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"a command line took more than {SLOWEST} s")

    limits = resource.getrlimit(resource.RLIMIT_AS)
    previous = signal.signal(signal.SIGALRM, late)
    in_use = (
        int(Path("/proc/self/statm").read_text().split()[0]) * 4096 if Path("/proc").exists() else 1 << 33
    )
    resource.setrlimit(resource.RLIMIT_AS, (in_use + (6 << 30), limits[1]))
    signal.alarm(SLOWEST)
    yield
    signal.alarm(0)
    resource.setrlimit(resource.RLIMIT_AS, limits)
    signal.signal(signal.SIGALRM, previous)


def judge(outcome: Outcome, what: str) -> None:
    """Done, or exactly one diagnostic that is not a confession of our own."""
    assert outcome.status in (0, 1), f"{what}: status {outcome.status}\n{outcome.err}"
    assert "Traceback" not in outcome.err, f"{what}\n{outcome.err}"
    assert "TC0900" not in outcome.err, f"{what}: a defect of ours\n{outcome.err}"
    wanted = outcome.status
    assert len(outcome.diagnostics()) == wanted, f"{what}: {wanted} diagnostics expected\n{outcome.err}"


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_mutated_files(name: str, level: str, dumps: dict[tuple[str, str], str], tmp_path: Path) -> None:
    random = Random(f"{name} {level}")
    files = []
    for number, array in enumerate(arguments(name)):
        files.append(str(tmp_path / f"{number}.npy"))
        np.save(files[-1], array)
    survivors = 0
    for number in range(PER_CASE):
        path = tmp_path / f"{number}.mlir"
        path.write_bytes(mutate(dumps[name, level], random))
        what = f"{name}, {level}, mutation {number}: {path}"
        survivors += _check_opt(path, random.choice(PIPELINES), what)
        mode = random.choice(MODES[level])
        ran = call("run", str(path), "--mode", mode, "--max-steps", MOST_STEPS, "--args", *files)
        judge(ran, f"{what}, run --mode {mode}")
    assert survivors, "mutations that break every file test only the parser"


def _check_opt(path: Path, passes: str, what: str) -> bool:
    """Whether the file went through `opt`; what came out is then read again."""
    outcome = call("opt", str(path), "-p", passes)
    judge(outcome, f"{what}, opt -p {passes!r}")
    if outcome.status == 0:
        again = call("opt", "-", stdin=outcome.out.encode())
        assert (again.status, again.out) == (0, outcome.out), f"{what}: the output of opt does not parse back"
    return outcome.status == 0


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_undamaged_files_run(
    name: str, level: str, dumps: dict[tuple[str, str], str], tmp_path: Path
) -> None:
    path = tmp_path / "whole.mlir"
    path.write_text(dumps[name, level])
    args = []
    for number, array in enumerate(arguments(name)):
        args.append(str(tmp_path / f"{number}.npy"))
        np.save(args[-1], array)
    texts = set()
    for mode in MODES[level]:
        target = tmp_path / f"{mode}.npz"
        outcome = call("run", str(path), "--mode", mode, "--args", *args, "-o", str(target))
        assert outcome.status == 0, outcome.err
        found = [np.load(target)[k] for k in np.load(target).files]
        texts.add(str([np.round(a.astype(np.float64), 5).tolist() for a in found]))
    assert len(texts) == 1, "modes disagree"


def test_a_few_in_processes_of_their_own(dumps: dict[tuple[str, str], str], root: Path) -> None:
    random = Random(99)
    for (name, level), text in list(dumps.items())[::3]:
        command = [sys.executable, "-m", "tensorc", "opt", "-", "-p", "O0"]
        done = subprocess.run(
            command,
            input=mutate(text, random),
            capture_output=True,
            cwd=root / "src",
            timeout=SLOWEST,
            check=False,
        )
        judge(Outcome(done.returncode, done.stdout.decode(), done.stderr.decode()), f"{name}, {level}")


def test_the_judge_sees_a_traceback() -> None:
    with pytest.raises(AssertionError, match="Traceback"):
        judge(Outcome(1, "", "Traceback (most recent call last):\nerror[TC0101]: x\n"), "planted")
    with pytest.raises(AssertionError, match="diagnostics"):
        judge(Outcome(1, "", "error[TC0101]: x\nerror[TC0102]: y\n"), "planted")
