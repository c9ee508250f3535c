"""The promise of docs/add_an_op.md, kept literally: one class in one new file of `ops/`, and nothing else,
gives the op everywhere.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from test_docs import ROOT, blocks

USE = """
import numpy as np
import tensorc as tc

def softsign(a):
    return a / (1 + np.abs(a))

for dtype in ("float32", "float64"):
    x, b = tc.matrix("x", dtype=dtype), tc.vector("b", dtype=dtype)
    y = tc.softsign(x + b)
    gradient = tc.grad((y * y).sum(), x)
    a = np.linspace(-3, 3, 12, dtype=dtype).reshape(4, 3)
    v = np.array([0.5, -1.0, 2.0], dtype=dtype)
    s = softsign(a + v)
    for mode in ("O0", "O1", "O2", "O3"):
        f = tc.function([x, b], [y, gradient], mode=mode)
        value, slope = f(a, v)
        assert value.dtype == slope.dtype == dtype
        np.testing.assert_allclose(value, s, rtol=4 * np.finfo(dtype).eps)
        np.testing.assert_allclose(slope, 2 * s * (1 - np.abs(s)) ** 2, rtol=32 * np.finfo(dtype).eps)
        assert np.array_equal(f(np.array([[np.inf, -np.inf, 0.0]], dtype), v * 0)[0], [[1, -1, 0]])
        assert f(a[:0], v)[0].shape == (0, 3)
try:
    tc.softsign(tc.matrix("k", dtype="int64").astype("bool"))
except tc.TensorcError as error:
    assert "softsign" in str(error)
print("everywhere")
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources with the document's class as a file of `ops/`."""
    folder = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    text = (ROOT / "docs" / "add_an_op.md").read_text(encoding="utf-8")
    source = next(b for b in blocks(text) if b.language == "python")
    body = "\n".join(source.lines)
    (folder / "src" / "tensorc" / "ops" / "softsign.py").write_text(
        f'"""Softsign."""\n\n{body}\n', encoding="utf-8"
    )
    return folder


def python(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "TENSORC_"))}
    environment = {**kept, "PYTHONPATH": str(tree / "src")}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_the_op_is_usable_in_every_mode(tree: Path) -> None:
    done = python(tree, "-W", "error", "-c", USE)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "everywhere\n"


def test_the_op_goes_through_the_contract(tree: Path) -> None:
    done = python(tree, "-m", "pytest", "tests/ops", "-q", "-k", "softsign", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
