"""Showing errors: one line with code and message, the place, the source line with the expression underlined,
and what to do.

error[TC0203]: matmul: contracted extents differ, 3 and 4
  --> model.py:12:9
   |
12 |     y = tc.dot(x, w)
   |         ^^^^^^^^^^^^
   = help: transpose w, or give it 3 rows
"""

from __future__ import annotations

import linecache
import os
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tensorc.ir.errors import ParseError, TensorcError
from tensorc.ir.location import FileLocation, Location, file_location, transform_names

if TYPE_CHECKING:
    from tensorc.ir.core import Operation

_TAB: Final = "    "
_MOST_LINES: Final = 6
_LONGEST_LINE: Final = 200
_RED: Final = "1;31"
_CYAN: Final = "36"


@dataclass(frozen=True)
class Diagnostic:
    """One finding about an operation: what the verifier collects."""

    code: str
    message: str
    op: Operation | None = None
    location: Location | None = None
    help: str | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        help = "" if self.help is None else f" (help: {self.help})"
        return f"error[{self.code}]: {self.message}{help}"


def render(error: TensorcError, color: bool = False) -> str:
    """The full text of an error; its first line holds code and message. `color` adds ANSI colours."""
    paint = _painted if color else _plain
    first, *rest = error.message.split("\n")
    lines = [f"{paint(f'error[{error.code}]', _RED)}: {first}", *rest]
    source = error.source.split("\n") if isinstance(error, ParseError) else None
    places = [(p, _excerpt(p, source)) for p in (file_location(error.location),) if p is not None]
    called = file_location(error.call)
    if called is not None and all(called != place for place, _ in places):
        places.append((called, _excerpt(called, None)))
    margin = max((len(number) for _, excerpt in places for number, _ in excerpt), default=1) + 1
    for arrow, (place, excerpt) in zip(("-->", "called at"), places, strict=False):
        lines.append(f"{' ' * margin}{arrow} {shown_path(place.file)}:{place.line}:{place.column}")
        lines += [_quoted(number, text, margin, paint) for number, text in excerpt]
    lines += [f"{' ' * margin}= in {name}" for name in transform_names(error.location)]
    lines += [_remark(margin, "note", note) for note in error.notes]
    if error.help is not None:
        lines.append(paint(_remark(margin, "help", error.help), _CYAN))
    return "\n".join(lines)


def _quoted(number: str, text: str, margin: int, paint: Callable[[str, str], str]) -> str:
    """A line of source, or (without a number) the marks below it."""
    return f"{number:>{margin - 1}} | {text if number else paint(text, _RED)}".rstrip()


def _painted(text: str, color: str) -> str:
    return f"\x1b[{color}m{text}\x1b[0m"


def _plain(text: str, color: str) -> str:
    return text


def _remark(margin: int, kind: str, text: str) -> str:
    head = f"{' ' * margin}= {kind}: "
    return head + text.replace("\n", "\n" + " " * len(head))


def shown_path(file: str) -> str:
    """Relative to the working directory when the file lies below it; names like `<stdin>` stay; a cell of a
    notebook is called as the notebook calls it, `Cell In[3]`.
    """
    if not os.path.isabs(file) or file.startswith("<ipython"):
        return _cell(file) or file
    if not os.path.exists(file):
        file = _cell(file) or file
    try:
        relative = os.path.relpath(file)
    except (ValueError, OSError):  # another drive, or the working directory is gone
        return file
    return file if relative.startswith(os.pardir) else relative


def _cell(file: str) -> str | None:
    """The name of the notebook cell that was compiled under a file name, if it was one."""
    interactive: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    try:
        return " ".join(interactive.compile.format_code_name(file))
    except (AttributeError, TypeError):  # no notebook, or no cell of it
        return None


def _excerpt(place: FileLocation, source: list[str] | None) -> list[tuple[str, str]]:
    """(line number, text) pairs: the expression's lines, each followed by its underline; empty when there
    is no source.
    """
    last = max(place.end_line or place.line, place.line)
    wanted = list(range(place.line, last + 1))
    skipped = len(wanted) > _MOST_LINES
    if skipped:
        wanted = [*wanted[: _MOST_LINES - 1], last]
    pairs: list[tuple[str, str]] = []
    for number in wanted:
        text = _source_line(place.file, number, source)
        if text is None:
            return pairs
        if skipped and number == last:
            pairs.append(("", "..."))
        start, end = _columns(place, number, last, text)
        shown, begin, width = _shown(text, start, end)
        pairs.append((str(number), shown))
        if width:
            pairs.append(("", " " * begin + "^" * width))
    return pairs


def _source_line(file: str, number: int, source: list[str] | None) -> str | None:
    if source is not None:
        return source[number - 1].rstrip("\r") if 1 <= number <= len(source) else None
    text = linecache.getline(file, number)
    return text.rstrip("\r\n") if text else None


def _columns(place: FileLocation, number: int, last: int, text: str) -> tuple[int, int]:
    """Zero-based start and end (exclusive) of the underlined part of one line."""
    indent = len(text) - len(text.lstrip())
    start = place.column - 1 if number == place.line else indent
    end = len(text.rstrip())
    if number == last and place.end_column is not None:
        end = place.end_column - 1
    elif place.end_line is None:
        end = start + 1
    return min(start, len(text)), max(end, min(start, len(text)) + (number == place.line))


def _shown(text: str, start: int, end: int) -> tuple[str, int, int]:
    """The line as displayed, and the display column and width of its part [start, end)."""
    dropped = 0
    if len(text) > _LONGEST_LINE:
        dropped = max(0, start - _LONGEST_LINE // 4)
        text = text[dropped : dropped + _LONGEST_LINE]
        end = min(end, dropped + len(text))
    before, marked = text[: start - dropped], text[start - dropped : end - dropped]
    width = _width(marked) if marked.strip() or not text else len(marked)
    return text.replace("\t", _TAB), _width(before), max(width, int(end > start))


def _width(text: str) -> int:
    """Terminal cells: wide characters take two, combining ones none."""
    return sum(
        len(_TAB)
        if c == "\t"
        else 0
        if unicodedata.combining(c)
        else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )
