"""The mistakes of `mistakes.md`: each is answered by exactly that text, and its remedy runs."""

from __future__ import annotations

import contextlib
import io
import linecache
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import tensorc as tc
from tensorc.ir.tracebacks import report

ROOT = Path(__file__).parent.parent.parent
CATALOGUE = Path(__file__).parent / "mistakes.md"
FILE = "model.py"
HEAD = "import numpy as np\nimport tensorc as tc\n"
IN_A_PROCESS = (
    "A matrix product whose shapes do not fit",
    "Shapes that do not fit when the program runs",
    "`if` on a symbol",
    "A misspelt function",
)
_CASE = re.compile(
    r"^## (?P<title>[^\n]*)\n```python\n(?P<bad>.*?)\n```\n"
    r"```text\n(?P<said>.*?)```\n```python\n(?P<good>.*?)\n```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Case:
    title: str
    bad: str
    said: str
    good: str

    def text(self, said: str) -> str:
        return (
            f"## {self.title}\n```python\n{self.bad}\n```\n```text\n{said}```\n```python\n{self.good}\n```"
        )


CASES = [Case(**match.groupdict()) for match in _CASE.finditer(CATALOGUE.read_text(encoding="utf-8"))]


def execute(program: str, monkeypatch: pytest.MonkeyPatch) -> BaseException | None:
    """Runs a program as if it stood in `model.py`; the error that ended it, with the program's frames."""
    source = HEAD + program + "\n"
    monkeypatch.setitem(linecache.cache, FILE, (len(source), None, source.splitlines(True), FILE))
    code = compile(source, FILE, "exec")
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            exec(code, {"__name__": "__main__"})
        except Exception as error:
            whole = error.full_traceback if isinstance(error, tc.TensorcError) else error.__traceback__
            assert whole is not None
            return error.with_traceback(whole.tb_next)
    return None


def test_the_catalogue_is_read_to_its_end() -> None:
    titles = re.findall(r"^## (.*)$", CATALOGUE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [case.title for case in CASES] == titles
    assert len(set(titles)) == len(titles) >= 40
    assert set(IN_A_PROCESS) <= set(titles)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_what_is_said(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    error = execute(case.bad, monkeypatch)
    assert error is not None, "no error"
    said = report(error)
    if os.environ.get("TENSORC_BLESS"):
        page = CATALOGUE.read_text(encoding="utf-8")
        CATALOGUE.write_text(page.replace(case.text(case.said), case.text(said)), encoding="utf-8")
        return
    assert said == case.said


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_it_can_be_read_by_a_beginner(case: Case) -> None:
    """One error of ours with code, place, marks and remedy; no frame, op name or constraint of the inside."""
    lines = case.said.splitlines()
    marked = re.compile(r"tensorc\.Tensorc\w+: error\[TC\d{4}\]: ")
    first = next(i for i, line in enumerate(lines) if marked.match(line))
    assert all(line.startswith(("Traceback", "  ")) for line in lines[:first])
    assert any(re.search(rf"--> {FILE}:\d+:\d+$", line) for line in lines)
    assert any(re.fullmatch(r"\s*\|\s*\^+", line) for line in lines)
    assert sum("= help: " in line for line in lines) == 1
    assert not re.search(r"tensorc\.[a-z]|\(C\d|operand \d|src/|<\w+: tensor|= help: None", case.said)
    assert max(map(len, lines)) <= 200


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_the_remedy_runs(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    error = execute(case.good, monkeypatch)
    assert error is None, report(error)


@pytest.mark.parametrize("title", IN_A_PROCESS)
def test_a_script_says_the_same(title: str, tmp_path: Path) -> None:
    (case,) = (c for c in CASES if c.title == title)
    (tmp_path / FILE).write_text(HEAD + case.bad + "\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, FILE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.replace(str(tmp_path) + os.sep, "") == case.said
