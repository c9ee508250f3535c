"""What is shown of an uncaught error: the user's frames and the diagnostic, none of the package's frames."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
import threading
import traceback
from pathlib import Path

import pytest

import tensorc as tc
from tensorc.ir import tracebacks
from tensorc.ir.tracebacks import report, trimmed, wants_color

ROOT = Path(__file__).parent.parent.parent
PACKAGE = os.sep + os.path.join("src", "tensorc") + os.sep


def run(
    source: str, folder: Path, *options: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A user's script in a fresh process, in a folder of its own."""
    (folder / "model.py").write_text(source, encoding="utf-8")
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    environment = {
        **kept,
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8",
        **(env or {}),
    }
    return subprocess.run(
        [sys.executable, *options, "model.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


SCRIPT = """\
import numpy as np
import tensorc as tc

x, w = tc.matrices("x", "w")

def layer(a, b):
    return a @ b

f = tc.function([x, w], layer(x, w))

def main():
    f(np.zeros((3, 4)), np.zeros((5, 2)))

main()
"""

SHOWN = """\
Traceback (most recent call last):
  File "model.py", line 14, in <module>
    main()
tensorc.TensorcValueError: error[TC0258]: matmul: rows of 4 elements on the left """
SHOWN += "meet columns of 5 on the right\n"


def test_a_fault_of_a_running_script_shows_where_it_was_built_and_called(tmp_path: Path) -> None:
    done = run(SCRIPT, tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert PACKAGE not in done.stderr
    head, body = done.stderr.split("  --> ", 1)
    assert head.rstrip().replace(str(tmp_path) + os.sep, "") + "\n" == SHOWN
    assert body.splitlines()[:6] == [
        "model.py:7:12",
        " 7 |     return a @ b",
        "   |            ^^^^^",
        "   called at model.py:12:5",
        "12 |     f(np.zeros((3, 4)), np.zeros((5, 2)))",
        "   |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
    ]


def test_without_column_positions_the_whole_line_is_marked(tmp_path: Path) -> None:
    lines = run(SCRIPT, tmp_path, "-X", "no_debug_ranges").stderr.splitlines()
    assert lines[lines.index(" 7 |     return a @ b") + 1] == "   |     ^^^^^^^^^^^^"


def test_optimised_python_shows_the_same(tmp_path: Path) -> None:
    assert run(SCRIPT, tmp_path, "-OO").stderr == run(SCRIPT, tmp_path).stderr


def test_threads_show_it_too(tmp_path: Path) -> None:
    source = SCRIPT.replace(
        "\nmain()", "\nimport threading\nt = threading.Thread(target=main)\nt.start()\nt.join()"
    )
    done = run(source, tmp_path)
    assert done.returncode == 0
    assert done.stderr.startswith("Exception in thread Thread-1 (main):\n")
    assert PACKAGE not in done.stderr
    assert "called at model.py:12:5" in done.stderr


def test_a_terminal_that_cannot_show_a_character_still_gets_the_report(tmp_path: Path) -> None:
    source = "import tensorc as tc\nµ = tc.vector('x')\nµ['€']\n"
    done = run(source, tmp_path, env={"PYTHONIOENCODING": "ascii:strict"})
    assert "error[TC" in done.stderr
    assert r"\u20ac" in done.stderr


def test_a_hook_that_was_there_gets_the_other_errors(tmp_path: Path) -> None:
    source = (
        "import sys\n"
        "sys.excepthook = lambda kind, value, tb: sys.stderr.write('mine: ' + kind.__name__ + chr(10))\n"
        "import tensorc as tc\n"
        "raise {}\n"
    )
    assert run(source.format("KeyError(1)"), tmp_path).stderr == "mine: KeyError\n"
    assert run(source.format("tc.InternalError('x')"), tmp_path).stderr == "mine: InternalError\n"
    assert "mine" not in run(source.format("tc.TensorcError('x')"), tmp_path).stderr


def caught(action: object) -> tc.TensorcError:
    with pytest.raises(tc.TensorcError) as info:
        action()  # type: ignore[operator]
    return info.value


def bad() -> object:
    return tc.vector("x").sum(axis=3)


def files(error: BaseException) -> set[str]:
    return {frame.filename for frame in traceback.extract_tb(error.__traceback__)}


def test_the_traceback_module_sees_the_users_frames() -> None:
    error = caught(bad)
    assert files(error) == {__file__}
    assert any(PACKAGE in e.tb_frame.f_code.co_filename for e in tracebacks.frames(error.full_traceback))
    assert PACKAGE not in "".join(traceback.format_exception(error))


def test_users_frames_below_ours_stay() -> None:
    def deep() -> None:
        caller.f_code  # noqa: B018  (a frame is there)
        raise tc.TensorcTypeError("no", code="TC0000")

    caller = sys._getframe()
    error = caught(deep)
    assert [f.name for f in traceback.extract_tb(error.__traceback__)][-1] == "deep"


def test_a_traceback_of_ours_alone_is_none() -> None:
    error = caught(bad)
    inner = error.full_traceback
    while inner is not None and PACKAGE not in inner.tb_frame.f_code.co_filename:
        inner = inner.tb_next
    assert inner is not None
    assert trimmed(inner) is None


def test_setting_the_traceback_works_as_for_any_error() -> None:
    error = caught(bad)
    error.__traceback__ = None
    assert error.full_traceback is None
    again = caught(bad)
    assert error.with_traceback(again.full_traceback).__traceback__ is not None


def test_chained_errors_keep_their_order_and_notes() -> None:
    try:
        try:
            bad()
        except tc.TensorcError as error:
            error.add_note("while building the model")
            raise KeyError("layer") from error
    except KeyError as error:
        text = report(error)
    assert text.index("error[TC0352]") < text.index("while building the model")
    assert text.index("building the model") < text.index("direct cause") < text.index("KeyError: 'layer'")
    assert PACKAGE not in text


def test_a_cause_that_loops_ends() -> None:
    first, second = tc.TensorcError("a"), tc.TensorcError("b")
    first.__cause__, second.__cause__ = second, first
    assert report(first).count("error[TC0000]") == 2


def test_colours_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert wants_color(Terminal())
    assert not wants_color(io.StringIO())
    assert not wants_color(None)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_color(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not wants_color(Terminal())
    error = caught(bad)
    assert "\x1b[" in report(error, color=True)
    assert "\x1b[" not in report(error) + str(error)


def test_colours_add_nothing_but_colour() -> None:
    error = caught(bad)
    colored = report(error, color=True)
    for code in ("\x1b[1;31m", "\x1b[36m", "\x1b[0m"):
        colored = colored.replace(code, "")
    assert colored == report(error)


def test_errors_cross_processes_with_their_places() -> None:
    error = pickle.loads(pickle.dumps(caught(bad)))
    assert type(error) is tc.TensorcIndexError
    assert "return tc.vector" in str(error)


def test_pytest_hides_our_frames_of_a_users_error(tmp_path: Path) -> None:
    (tmp_path / "test_user.py").write_text(
        "import tensorc as tc\n\ndef test_it():\n    tc.vector('x').sum(axis=3)\n", encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_user.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "TC0352" in done.stdout
    assert PACKAGE not in done.stdout


def test_no_stderr_is_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    hook = tracebacks._excepthook(lambda *args: seen.append(args[1]), lambda *args: None)
    monkeypatch.setattr(sys, "stderr", None)
    error = caught(bad)
    hook(type(error), error, None)
    assert seen == [error]


def test_thread_hook_without_a_value_goes_on() -> None:
    seen: list[object] = []
    hook = tracebacks._threadhook(seen.append)
    args = threading.ExceptHookArgs((KeyError, None, None, None))
    hook(args)
    assert seen == [args]


def test_a_group_of_errors_shows_each_without_our_frames() -> None:
    group = ExceptionGroup("two", [caught(bad), KeyError("x")])
    assert tracebacks.concerns_us(group)
    assert not tracebacks.concerns_us(ExceptionGroup("one", [KeyError("x")]))
    text = report(group)
    assert "error[TC0352]" in text
    assert "KeyError: 'x'" in text
    assert PACKAGE not in text
