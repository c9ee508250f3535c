"""The exceptions a user can meet. Each carries a stable code, the location of the expression at fault, and
what to do about it.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tensorc.ir.location import Location


_TRACEBACK = BaseException.__dict__["__traceback__"]


class TensorcError(Exception):
    """Something the user wrote is wrong.

    `code` is stable (`TC0203`), `location` the expression at fault (or None), `help` what to write instead,
    `notes` further facts. An error of a running program has in `call` the call that failed; its `location` is
    where the expression was built. Kinds also derive from `TypeError`, `ValueError`, `IndexError` or
    `AttributeError`.
    """

    call: Location | None = None
    constraint = ""
    """The number of the op's constraint that does not hold, as in its specification: `C2`."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "TC0000",
        location: Location | None = None,
        help: str | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.location = location
        self.help = help
        self.notes = notes
        from tensorc.ir.tracebacks import hide_from_pytest

        hide_from_pytest(sys._getframe(1))

    def at(self, location: Location | None) -> TensorcError:
        """This error with `location` filled in, if it had none."""
        if self.location is None:
            self.location = location
        return self

    def during(self, call: Location) -> TensorcError:
        """This error as one of a running program, which was called there."""
        self.call = call
        return self

    @property
    def full_traceback(self) -> TracebackType | None:
        """The traceback as Python keeps it, with the frames of this package."""
        tb: TracebackType | None = _TRACEBACK.__get__(self, type(self))
        return tb

    @property
    def __traceback__(self) -> TracebackType | None:
        """The traceback without the frames of this package: what the `traceback` module shows."""
        from tensorc.ir.tracebacks import trimmed

        return trimmed(self.full_traceback)

    @__traceback__.setter
    def __traceback__(self, tb: TracebackType | None) -> None:
        _TRACEBACK.__set__(self, tb)

    def _render_traceback_(self) -> list[str]:
        """What IPython and notebooks show instead of their own traceback."""
        from tensorc.ir.tracebacks import report

        return report(self).splitlines()

    def __str__(self) -> str:
        from tensorc.ir.diagnostics import render

        return render(self)


class TensorcTypeError(TensorcError, TypeError):
    """Wrong dtype, rank or kind of value."""


class TensorcValueError(TensorcError, ValueError):
    """Right type, wrong value or shape."""


class TensorcOverflowError(TensorcValueError, OverflowError):
    """A Python integer that does not fit the dtype it meets, where NumPy raises OverflowError."""


class TensorcIndexError(TensorcError, IndexError):
    """An index outside its axis."""


class TensorcAttributeError(TensorcError, AttributeError):
    """A name that is not there."""


class ParseError(TensorcValueError):
    """IR text that does not parse; `source` is the text, for the excerpt in the message."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "TC0101",
        location: Location | None = None,
        help: str | None = None,
        notes: tuple[str, ...] = (),
        source: str = "",
    ) -> None:
        super().__init__(message, code=code, location=location, help=help, notes=notes)
        self.source = source


class InternalError(Exception):
    """A defect of the compiler itself; `reproducer` names the file written for the bug report, if any."""

    def __init__(self, message: str, reproducer: str | None = None) -> None:
        super().__init__(message if reproducer is None else f"{message}\nreproducer written to {reproducer}")
        self.reproducer = reproducer


for _kind in (
    TensorcError,
    TensorcTypeError,
    TensorcValueError,
    TensorcOverflowError,
    TensorcIndexError,
    TensorcAttributeError,
    InternalError,
):
    _kind.__module__ = __name__.split(".", 1)[0]  # as users write them, in tracebacks and pickles
