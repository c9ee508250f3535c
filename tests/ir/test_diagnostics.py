"""How errors look: the user's line, underlined in terminal cells, and what to do."""

from __future__ import annotations

import linecache
import pickle
import sys
from pathlib import Path

import pytest

from tensorc.ir.diagnostics import render
from tensorc.ir.errors import InternalError, ParseError, TensorcTypeError, TensorcValueError
from tensorc.ir.location import (
    UNKNOWN,
    FileLocation,
    FrameLocation,
    FusedLocation,
    Location,
    NamedLocation,
    caller_location,
    file_location,
    fuse,
)


def calling_frame() -> FrameLocation:
    """Like `caller_location`, for the frame that called a method of `Thing` below: this file is no part of
    the package.
    """
    frame = sys._getframe(2)
    return FrameLocation(frame.f_code, frame.f_lasti)


def located(source: str, expression: str) -> FrameLocation:
    """The location that a call of `here()` inside `expression` has, in a file with that source."""
    name = f"<test {len(linecache.cache)}>"
    linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name
    found: list[Location] = []

    class Thing:
        def __add__(self, other: object) -> Thing:
            found.append(calling_frame())
            return self

        __sub__ = __add__

        def __call__(self, *args: object) -> Thing:
            found.append(calling_frame())
            return self

    namespace = {"__name__": "user", "x": Thing(), "é": Thing(), "f": Thing(), "世界": Thing()}
    exec(compile(source, name, "exec"), namespace)
    assert expression in source
    location = found[0]
    assert isinstance(location, FrameLocation)
    return location


def excerpt(source: str, expression: str) -> list[str]:
    error = TensorcValueError("no", code="TC0299", location=located(source, expression))
    return str(error).splitlines()[2:]


def test_the_whole_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "model.py"
    file.write_text("import x\n\ny = x.dot(a, b)\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    error = TensorcValueError(
        "matmul: contracted extents differ, 3 and 4",
        code="TC0203",
        location=NamedLocation("vjp(exp)", FileLocation(str(file), 3, 5, 3, 16)),
        help="transpose b\nor slice it",
        notes=("a has type tensor<2x3xf64>",),
    )
    assert str(error) == (
        "error[TC0203]: matmul: contracted extents differ, 3 and 4\n"
        "  --> model.py:3:5\n"
        "3 | y = x.dot(a, b)\n"
        "  |     ^^^^^^^^^^^\n"
        "  = in vjp(exp)\n"
        "  = note: a has type tensor<2x3xf64>\n"
        "  = help: transpose b\n"
        "          or slice it"
    )


@pytest.mark.parametrize(
    ("source", "expression", "shown"),
    [
        ("y = 1\nz = x + y\n", "x + y", ["2 | z = x + y", "  |     ^^^^^"]),
        ("if x:\n\tz = x + 1\n", "x + 1", ["2 |     z = x + 1", "  |         ^^^^^"]),
        ("z = ('é', é + 1)\n", "é + 1", ["1 | z = ('é', é + 1)", "  |           ^^^^^"]),
        ("z = ('世界', x + 1)\n", "x + 1", ["1 | z = ('世界', x + 1)", "  |              ^^^^^"]),
        ("z = 世界 + 1\n", "世界 + 1", ["1 | z = 世界 + 1", "  |     ^^^^^^^^"]),
        (
            "z = f(1,\n      2,\n   3)\n",
            "f(1",
            ["1 | z = f(1,", "  |     ^^^^", "2 |       2,", "  |       ^^", "3 |    3)", "  |    ^^"],
        ),
    ],
)
def test_excerpts(source: str, expression: str, shown: list[str]) -> None:
    assert excerpt(source, expression) == shown


def test_long_expressions_are_cut() -> None:
    source = "z = f(\n" + "    1,\n" * 50 + ")\n"
    lines = excerpt(source, "f(")
    assert len(lines) == 13
    assert lines[10].strip() == "| ..."
    assert lines[-2:] == ["52 | )", "   | ^"]


def test_long_lines_are_cut_around_the_expression() -> None:
    source = "z = (" + "1, " * 400 + "x + 1)\n"
    text, marks = excerpt(source, "x + 1")
    assert len(text) < 220
    start = marks.index("^")
    assert text[start : start + 5] == "x + 1"


def test_without_source_there_is_only_the_place() -> None:
    error = TensorcTypeError("no", code="TC0201", location=FileLocation("<stdin>", 1, 5))
    assert str(error) == "error[TC0201]: no\n  --> <stdin>:1:5"
    assert str(TensorcTypeError("no", location=UNKNOWN)) == "error[TC0000]: no"
    gone = TensorcTypeError("no", location=FileLocation("/nowhere/x.py", 7, 1))
    assert render(gone).splitlines()[1].endswith("x.py:7:1")


def test_a_line_beyond_the_source_does_no_harm() -> None:
    error = ParseError("no", location=FileLocation("x", 9, 4), source="one line")
    assert str(error).splitlines() == ["error[TC0101]: no", "  --> x:9:4"]
    beyond = ParseError("no", location=FileLocation("x", 1, 400), source="one line")
    assert "one line" in str(beyond)


def test_first_line_of_a_long_message() -> None:
    error = TensorcValueError("first\nsecond", code="TC0125")
    assert str(error).splitlines() == ["error[TC0125]: first", "second"]


def test_kinds_and_pickling() -> None:
    error = TensorcTypeError("no", code="TC0201", location=caller_location(), help="yes", notes=("n",))
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, TypeError)
    assert (again.code, again.help, again.notes, str(again)) == ("TC0201", "yes", ("n",), str(error))
    assert "reproducer written to r.mlir" in str(InternalError("no", "r.mlir"))


def test_the_location_of_the_caller_is_this_line() -> None:
    place = file_location(caller_location())
    assert place is not None
    text = linecache.getline(place.file, place.line)
    assert place.end_column is not None
    assert text[place.column - 1 : place.end_column - 1] == "caller_location()"


def test_fusing() -> None:
    a, b, c = (FileLocation("m.py", line, 1) for line in (1, 2, 3))
    assert fuse([]) == UNKNOWN
    assert fuse([a, UNKNOWN, a]) == a
    assert fuse([FusedLocation((a, b)), b, c]) == FusedLocation((a, b, c))
