"""The command as a process: pipes that close early, full disks, `python -m tensorc`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.support import COUNT_LINES, chain


def command(root: Path, line: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    return subprocess.run(
        ["bash", "-c", line.replace("tensorc", f"{sys.executable} -m tensorc")],
        capture_output=True,
        env=environment,
        timeout=120,
        check=False,
        **options,  # type: ignore[call-overload]
    )


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("streams") / "large.mlir"
    path.write_text(chain(COUNT_LINES))
    return str(path)


@pytest.mark.skipif(os.name != "posix", reason="a shell is needed")
def test_a_closed_pipe_is_no_error(root: Path, large: str) -> None:
    done = command(root, f"set -o pipefail; tensorc opt {large} | head -1")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b'"builtin.module"() ({\n'


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_diagnostic(root: Path, large: str) -> None:
    done = command(root, f"tensorc opt {large} > /dev/full")
    assert done.returncode == 1
    assert done.stderr.startswith(b"error[TC0901]")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.skipif(os.name != "posix", reason="a shell is needed")
def test_standard_input_and_an_ascii_terminal(root: Path) -> None:
    text = '"builtin.module"() ({}) {a.b = "é"} : () -> ()'
    done = command(root, "PYTHONIOENCODING=ascii tensorc opt -", input=text.encode())
    assert done.returncode == 1, "a module's region holds one block"
    done = command(root, "PYTHONIOENCODING=ascii tensorc opt nö.mlir")
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="a shell is needed")
def test_the_demo_ends_when_its_reader_does(root: Path) -> None:
    pytest.importorskip("sklearn", reason="needs the demo extra")
    pytest.importorskip("rich", reason="needs the demo extra")
    done = command(root, "set -o pipefail; tensorc demo | head -1")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"digits: 1437 training images")


def test_as_a_module(root: Path) -> None:
    done = command(root, "tensorc --version")
    assert done.returncode == 0
    assert done.stdout.startswith(b"tensorc ")
    assert command(root, "tensorc").returncode == 2


def test_a_missing_stdin(root: Path) -> None:
    done = command(root, "tensorc opt - <&-")
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
