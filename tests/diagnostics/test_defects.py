"""A defect of the compiler is shown whole, and leaves a file that reproduces it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tensorc as tc
from tensorc.api import build
from tensorc.codegen_llvm import emitter
from tensorc.ir.parser import parse_module
from tensorc.ir.tracebacks import concerns_us, trimmed
from tensorc.passes import canonicalize

ROOT = Path(__file__).parent.parent.parent


def fails(*arguments: object, **options: object) -> object:
    raise AssertionError("planted")


def garbage(*arguments: object, **options: object) -> str:
    return "define nonsense"


def planted_in_a_pass(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(canonicalize.Canonicalize, "run", fails, raising=False)
    patch.setattr(canonicalize.Canonicalize, "rewrite", fails, raising=False)


def planted_in_the_emitter(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(emitter, "emit", fails)


def planted_before_llvm(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(emitter, "emit", garbage)


def program() -> tuple[list[object], object]:
    x = tc.vector("x")
    return [x], (x * 3 + np.arange(100.0)[:4]).sum()


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (planted_in_a_pass, "pass canonicalize failed: AssertionError: planted"),
        (planted_in_the_emitter, "compiling failed: AssertionError: planted"),
        (planted_before_llvm, "LLVM rejects the generated code"),
    ],
)
def test_a_defect_leaves_a_reproducer(
    plant: Callable[[pytest.MonkeyPatch], None],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(build.cache, "obtain", lambda key, name, what, make, load: (load(make()), False))
    plant(monkeypatch)
    with pytest.raises(tc.InternalError, match=words) as info:
        tc.function(*program())
    (file,) = tmp_path.glob("*.mlir")
    assert info.value.reproducer == str(file)
    assert f"reproducer written to {file}" in str(info.value)
    text = file.read_text(encoding="utf-8")
    assert text.startswith(f"// tensorc opt {file} -p '")
    assert words in text
    parse_module(text)
    assert not concerns_us(info.value)
    assert trimmed(info.value.__traceback__) is not None
    names = []
    tb = info.value.__traceback__
    while tb is not None:
        names.append(tb.tb_frame.f_code.co_name)
        tb = tb.tb_next
    assert "_compile" in names, "every frame is shown"


def test_the_command_in_the_file_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(build.cache, "obtain", lambda key, name, what, make, load: (load(make()), False))
    planted_before_llvm(monkeypatch)
    with pytest.raises(tc.InternalError):
        tc.function(*program())
    (file,) = tmp_path.glob("*.mlir")
    pipeline = file.read_text(encoding="utf-8").splitlines()[0].split("'")[1]
    done = subprocess.run(
        [sys.executable, "-m", "tensorc", "opt", str(file), "-p", pipeline],
        cwd=ROOT / "src",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "func.func" in done.stdout


def test_no_room_for_a_reproducer_hides_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    monkeypatch.setattr(build.cache, "obtain", lambda key, name, what, make, load: (load(make()), False))
    planted_in_the_emitter(monkeypatch)
    with pytest.raises(tc.InternalError, match="planted") as info:
        tc.function(*program())
    assert info.value.reproducer is None
