"""Where an operation came from.

A location stores the code object and instruction when an op is built (cheap) and resolves file, line and columns only when it is printed or raised.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from types import CodeType

_PACKAGE = __name__.split(".", 1)[0]
_USER_SIDE = (f"{_PACKAGE}.demo",)


class Location:
    """Base of all locations; immutable."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class UnknownLocation(Location):
    pass


@dataclass(frozen=True, slots=True)
class FileLocation(Location):
    """One-based line and column; `end_line`/`end_column` are kept in memory only, MLIR's `loc` has no place for them."""

    file: str
    line: int
    column: int
    end_line: int | None = None
    end_column: int | None = None


@dataclass(frozen=True)
class FrameLocation(Location):
    """An instruction of a code object, resolved lazily."""

    code: CodeType
    instruction: int

    @cached_property
    def resolved(self) -> FileLocation:
        for index, position in enumerate(self.code.co_positions()):
            if index == self.instruction // 2:
                line, end_line, column, end_column = position
                break
        else:
            line = end_line = column = end_column = None
        return FileLocation(
            self.code.co_filename,
            line or self.code.co_firstlineno,
            (column or 0) + 1,
            end_line,
            None if end_column is None else end_column + 1,
        )


@dataclass(frozen=True, slots=True)
class NamedLocation(Location):
    """A transform applied to an expression: `loc("vjp(exp)"(child))`."""

    name: str
    child: Location


@dataclass(frozen=True, slots=True)
class FusedLocation(Location):
    parts: tuple[Location, ...]


UNKNOWN = UnknownLocation()


def caller_location() -> Location:
    """The location of the innermost frame outside this package (the demo counts as outside: it is user code)."""
    frame = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if not (module == _PACKAGE or module.startswith(_PACKAGE + ".")) or module.startswith(_USER_SIDE):
            return FrameLocation(frame.f_code, frame.f_lasti)
        frame = frame.f_back  # type: ignore[assignment]
    return UNKNOWN


def file_location(location: Location) -> FileLocation | None:
    """The first file position inside a location, or None."""
    todo = [location]
    while todo:
        current = todo.pop()
        if isinstance(current, FileLocation):
            return current
        if isinstance(current, FrameLocation):
            return current.resolved
        if isinstance(current, NamedLocation):
            todo.append(current.child)
        if isinstance(current, FusedLocation):
            todo.extend(reversed(current.parts))
    return None
