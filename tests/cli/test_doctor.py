"""`tensorc doctor` and `tensorc demo`: what they say when all is well, and when something is missing."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from tensorc.cli import demo, doctor
from tests.cli.support import call, wrong


def without(patch: pytest.MonkeyPatch, *missing: str) -> None:
    """Have modules look uninstalled."""
    real = importlib.util.find_spec
    for module in (demo, doctor):
        patch.setattr(module, "find_spec", lambda name, *rest: None if name in missing else real(name, *rest))


def test_a_sound_installation() -> None:
    found = call("doctor")
    assert found.status == 0, found.out
    assert found.err == ""
    assert "FAILED" not in found.out
    for what in (
        "tensorc",
        "Python",
        "numpy",
        "llvmlite",
        "scipy",
        "CPU",
        "LLVM",
        "BLAS",
        "entry",
        "self-test",
    ):
        assert any(line.startswith(f"ok      {what} ") for line in found.out.splitlines()), what


def test_absent_extras_come_with_the_line_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "rich", "numba_cuda", "cupy")
    found = call("doctor")
    assert found.status == 0, "extras are optional"
    assert "absent  extra demo     rich: pip install 'tensorc[demo]'" in found.out
    assert "absent  extra cuda     numba-cuda, cupy: pip install 'tensorc[cuda]'" in found.out


def test_a_broken_part_is_named_and_the_rest_still_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise OSError("no such library\nat all")

    monkeypatch.setitem(doctor._CHECKS, "BLAS", broken)
    found = call("doctor")
    assert found.status == 1
    assert "FAILED  BLAS           OSError: no such library at all\n" in found.out
    assert "ok      self-test" in found.out


@pytest.mark.parametrize(("oldest", "state"), [("999", "FAILED"), ("0.1", "ok")])
def test_old_versions_are_refused(oldest: str, state: str) -> None:
    assert doctor._package("numpy", oldest).state == state


def test_a_missing_requirement() -> None:
    found = doctor._package("no-such-package-here", "1")
    assert (found.state, found.text) == ("FAILED", "not installed: pip install 'no-such-package-here>=1'")


@pytest.mark.parametrize(
    ("missing", "named"), [(["sklearn"], "scikit-learn"), (["rich", "sklearn"], "and rich")]
)
def test_the_demo_without_its_extra(missing: list[str], named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, *missing)
    wrong("demo", says=[named, "pip install 'tensorc[demo]'"])


def test_the_demo_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    digits: Any = pytest.importorskip("tensorc.demo.digits", reason="needs the demo extra")
    monkeypatch.setattr(digits, "main", lambda: 0)
    assert call("demo").status == 0
