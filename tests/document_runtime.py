"""What a page's program calls while it runs: marks, console commands, rows of tables. See `documents.py`."""

from __future__ import annotations

import contextlib
import io
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background begins with it ignored

MARK = "\x1e"
_pending: list[tuple[str, str, Any, Any]] = []


def mark() -> None:
    """The next block begins."""
    print(MARK, end="")


def write(name: str, content: str) -> None:
    """A file that the page shows, in the folder where the page runs."""
    target = Path(name)
    assert not target.is_absolute()
    assert ".." not in target.parts
    target.write_text(content, encoding="utf-8")


def console(lines: list[str]) -> None:
    """Run the `$ ` lines of a block, printing each before its output. A failing command must be asked for its
    status by `echo $?` in the next line.
    """
    commands = [line[2:] for line in lines if line.startswith("$ ")]
    assert lines[0].startswith("$ "), "a console block begins with `$ command`"
    status = 0
    for position, command in enumerate(commands):
        print(f"$ {command}", flush=True)
        if command == "echo $?":
            print(status)
            status = 0
            continue
        status = _tensorc(command) if command.startswith("tensorc ") else _shell(command)
        asked = position + 1 < len(commands) and commands[position + 1] == "echo $?"
        assert status == 0 or asked, f"{command}: exit status {status}"


def _tensorc(command: str) -> int:
    """A `tensorc` command in this process, which has imported everything already; pipes go to a shell."""
    from tensorc.cli import main

    if any(c in command for c in "|<>;&$"):
        return _shell(command)
    with contextlib.redirect_stderr(sys.stdout):
        return main(shlex.split(command)[1:])


def _shell(command: str) -> int:
    function = f'tensorc() {{ {shlex.quote(sys.executable)} -m tensorc "$@"; }}; '
    function += f'python() {{ {shlex.quote(sys.executable)} "$@"; }}; '
    done = subprocess.run(
        ["bash", "-c", function + command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    print(done.stdout.decode(), end="", flush=True)
    return done.returncode


def execute(code: list[str], names: dict[str, Any]) -> None:
    """The code spans of a table's row, in order; a table has no room for what they print."""
    with contextlib.redirect_stdout(io.StringIO()):
        for span in code:
            exec(compile(span, f"<{span}>", "exec"), names)


def compare(left: str, right: str, names: dict[str, Any]) -> None:
    """A row of a table whose columns must have the same value: NumPy's is evaluated on the page's `values`,
    ours is compiled with all others at the end.
    """
    theirs = eval(left, {"np": np, **names["values"]})
    _pending.append((left, right, theirs, eval(right, names)))


def finish(names: dict[str, Any]) -> None:
    """Compile all compared expressions as one function, and compare."""
    if not _pending:
        return
    import tensorc as tc

    values = names["values"]
    symbols = [names[n] for n in values]
    compiled = tc.function(symbols, [ours for *_, ours in _pending], on_unused_input="ignore")
    for (left, right, theirs, _), ours in zip(_pending, compiled(*values.values()), strict=True):
        shown = f"{left} is {theirs!r}, {right} is {ours!r}"
        assert np.shape(theirs) == ours.shape, shown
        assert np.asarray(theirs).dtype == ours.dtype, shown
        assert np.allclose(theirs, ours, rtol=1e-12, atol=1e-12, equal_nan=True), shown
