"""Virtual environments of the peers, one for each lock file in `benchmarks/envs`, made from exactly the
versions there.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.harness.client import ROOT

LOCKS = ROOT / "benchmarks" / "envs"
DEFAULT = ROOT / ".venv-bench"
STAMP = "installed-from"
# PyPI's wheels of torch for Linux are built for CUDA; its own index has those for the processor alone.
FALLBACK = {"torch": ["--index-url", "https://download.pytorch.org/whl/cpu"]}
CHECKS = {
    "numpy": "import numpy, numba, numexpr, scipy, threadpoolctl",
    "jax": "import jax.numpy, threadpoolctl",
    "torch": "import torch",
    "pytensor": "import pytensor, threadpoolctl",
    "onnxruntime": "import onnxruntime, onnx",
}
LIMIT = 1800


class Absent(Exception):
    """An environment that cannot be had; the text says why."""


def names() -> list[str]:
    return sorted(p.stem for p in LOCKS.glob("*.lock"))


def interpreter(name: str, folder: Path) -> Path:
    """The Python of an installed environment. Raises Absent where it is not there or of another lock file."""
    if not name:
        return Path(sys.executable)
    python = folder / name / "bin" / "python"
    if not python.exists():
        raise Absent(f"environment {name} is not installed: run with --install")
    stamp = folder / name / STAMP
    if not stamp.exists() or stamp.read_text() != digest(name):
        raise Absent(f"environment {name} is not of {name}.lock: run with --install")
    return python


def digest(name: str) -> str:
    return hashlib.sha256((LOCKS / f"{name}.lock").read_bytes()).hexdigest()


def install(name: str, folder: Path) -> None:
    """Make the environment unless it is there already. Raises Absent with pip's last words."""
    try:
        interpreter(name, folder)
        return
    except Absent:
        pass
    base = folder / name
    run([sys.executable, "-m", "venv", "--clear", str(base)], name)
    # The lock holds every package, so nothing is resolved and nothing else comes along.
    pip = [
        str(base / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]
    run([*pip, "-r", str(LOCKS / f"{name}.lock")], name)
    check = [str(base / "bin" / "python"), "-c", CHECKS[name]]
    if name in FALLBACK and subprocess.run(check, capture_output=True).returncode:
        package = next(
            line for line in (LOCKS / f"{name}.lock").read_text().splitlines() if line.startswith(name)
        )
        run([*pip, "--force-reinstall", *FALLBACK[name], package], name)
    run(check, name)
    (base / STAMP).write_text(digest(name))


def run(command: list[str], name: str) -> None:
    nice = [] if os.name == "nt" else ["nice"]
    try:
        done = subprocess.run([*nice, *command], capture_output=True, text=True, timeout=LIMIT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Absent(f"environment {name}: {error}") from None
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        raise Absent(f"environment {name}: {words[-1][:200]}")


def install_all(folder: Path, wanted: list[str]) -> dict[str, str]:
    """Install; the result names what could not be had, and why."""
    missing = {}
    for name in wanted:
        try:
            install(name, folder)
        except Absent as reason:
            missing[name] = str(reason)
    return missing
