"""What a user sees of an error that nobody caught: the user's own frames, then the diagnostic.

The frames of this package lead nowhere for somebody whose program is wrong, so they are left out wherever
Python lets us: by hooks for the interpreter and for threads, by `_render_traceback_` in notebooks, by
`__tracebackhide__` under pytest, and by `error.__traceback__` for the `traceback` module. An `InternalError`,
which is our own mistake, keeps every frame.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from itertools import dropwhile
from types import FrameType, TracebackType
from typing import Any, Final, TextIO

from tensorc.ir.diagnostics import render, shown_path
from tensorc.ir.errors import TensorcError
from tensorc.ir.location import FileLocation, file_location, is_ours

_SHELLS: Final = ("IPython", "ipykernel")
_CAUSE: Final = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT: Final = "\nDuring handling of the above exception, another exception occurred:\n\n"
Hook = Callable[[type[BaseException], BaseException, TracebackType | None], Any]
Remark = Callable[[BaseException, TracebackType | None], str | None]


def frames(tb: TracebackType | None) -> Iterator[TracebackType]:
    """The entries of a traceback, outermost first."""
    while tb is not None:
        yield tb
        tb = tb.tb_next


def trimmed(tb: TracebackType | None) -> TracebackType | None:
    """A copy of a traceback without the frames of this package, and without those of the notebook around the
    program; None when nothing else was in it.
    """
    kept: TracebackType | None = None
    modules = [(str(e.tb_frame.f_globals.get("__name__", "")), e) for e in frames(tb)]
    users = dropwhile(lambda item: item[0].partition(".")[0] in _SHELLS, modules)
    for entry in reversed([e for name, e in users if not is_ours(name)]):
        kept = TracebackType(kept, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return kept


def report(error: BaseException, color: bool = False) -> str:
    """The text for an uncaught error, with what it came from before it; ends in a newline."""
    parts: list[str] = []
    current: BaseException | None = error
    seen: set[int] = set()
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        parts.append(_own(current, color))
        cause, context = current.__cause__, current.__context__
        if cause is not None:
            parts.append(_CAUSE)
        elif context is not None and not current.__suppress_context__:
            parts.append(_CONTEXT)
        else:
            break
        current = cause or context
    if parts[-1] in (_CAUSE, _CONTEXT):
        parts.pop()
    return "".join(reversed(parts))


def _own(error: BaseException, color: bool) -> str:
    """One error of a chain, without what it came from."""
    if not isinstance(error, TensorcError):
        return "".join(traceback.TracebackException.from_exception(error).format(chain=False))
    stack = traceback.TracebackException(type(error), error, error.__traceback__).stack
    shown = [p for p in (file_location(error.location), file_location(error.call)) if p is not None]
    while stack and any(_covers(place, stack[-1]) for place in shown):
        stack.pop()  # the diagnostic shows this line itself
    for frame in stack:
        shown_as = shown_path(frame.filename)
        if shown_as.startswith("Cell "):
            frame.filename = shown_as
    lines = ["Traceback (most recent call last):\n", *stack.format()] if stack else []
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    notes = [f"{note}\n" for note in getattr(error, "__notes__", ())]
    return "".join([*lines, f"{name}: {render(error, color)}\n", *notes])


def _covers(place: FileLocation, frame: traceback.FrameSummary) -> bool:
    last = place.end_line or place.line
    return frame.filename == place.file and place.line <= (frame.lineno or 0) <= last


def wants_color(stream: TextIO | None) -> bool:
    """Whether to colour what goes to `stream`: a terminal, unless NO_COLOR (no-color.org) is set."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def concerns_us(error: BaseException | None) -> bool:
    """Whether an error, or something it came from, is a `TensorcError`."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, TensorcError):
            return True
        if isinstance(error, BaseExceptionGroup) and any(map(concerns_us, error.exceptions)):
            return True
        seen.add(id(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return False


def _write(error: BaseException, before: str = "") -> bool:
    """Writes the report to `sys.stderr`; False when there is none, or it cannot show the text."""
    if sys.stderr is None:
        return False
    text = before + report(error, wants_color(sys.stderr))
    try:
        sys.stderr.write(text)
    except UnicodeEncodeError:
        encoding = getattr(sys.stderr, "encoding", None) or "ascii"
        sys.stderr.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stderr.flush()
    return True


def _excepthook(previous: Hook, remark: Remark) -> Hook:
    def hook(kind: type[BaseException], value: BaseException, tb: TracebackType | None) -> None:
        if concerns_us(value) and _write(value):
            return
        previous(kind, value, tb)
        added = remark(value, tb)
        if added is not None and sys.stderr is not None:
            sys.stderr.write(f"  = help: {added}\n")

    return hook


def _threadhook(previous: Callable[[threading.ExceptHookArgs], Any]) -> Callable[..., None]:
    def hook(args: threading.ExceptHookArgs) -> None:
        value, thread = args.exc_value, args.thread
        name = thread.name if thread is not None else threading.get_ident()
        if value is None or not (concerns_us(value) and _write(value, f"Exception in thread {name}:\n")):
            previous(args)

    return hook


def install(remark: Remark) -> None:
    """Chains the hooks for uncaught errors: errors that are not ours go to the hooks that were there, and
    below them stands what `remark` has to say of them.
    """
    sys.excepthook = _excepthook(sys.excepthook, remark)
    threading.excepthook = _threadhook(threading.excepthook)


def hide_from_pytest(frame: FrameType | None) -> None:
    """Marks the modules of this package that are on the stack, so that pytest leaves their frames out of the
    traceback of a `TensorcError`.
    """
    while frame is not None:
        if is_ours(frame.f_globals.get("__name__", "")):
            frame.f_globals.setdefault("__tracebackhide__", _about_a_user)
        frame = frame.f_back


def _about_a_user(info: Any) -> bool:
    return isinstance(info.value, TensorcError)
