"""The exceptions a user can meet. Each carries a stable code, the location of the expression at fault, and
what to do about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tensorc.ir.location import Location


class TensorcError(Exception):
    """Something the user wrote is wrong.

    `code` is stable (`TC0203`), `location` the expression at fault (or None), `help` what to write instead,
    `notes` further facts. Kinds also derive from `TypeError`, `ValueError` or `IndexError`.
    """

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

    def at(self, location: Location | None) -> TensorcError:
        """This error with `location` filled in, if it had none."""
        if self.location is None:
            self.location = location
        return self

    def __str__(self) -> str:
        from tensorc.ir.diagnostics import render

        return render(self)


class TensorcTypeError(TensorcError, TypeError):
    """Wrong dtype, rank or kind of value."""


class TensorcValueError(TensorcError, ValueError):
    """Right type, wrong value or shape."""


class TensorcIndexError(TensorcError, IndexError):
    """An index outside its axis."""


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
