"""Where an operation came from.

A location stores the code object and instruction when an op is built (cheap) and resolves file, line and
columns only when it is printed or raised.
"""

from __future__ import annotations

import linecache
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from types import CodeType, FrameType

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
    """One-based line and column (in characters); `end_line`/`end_column` (one past the last character) are
    kept in memory only, MLIR's `loc` has no place for them.
    """

    file: str
    line: int
    column: int
    end_line: int | None = None
    end_column: int | None = None


class FrameLocation(Location):
    """An instruction of a code object, resolved lazily."""

    __slots__ = ("_resolved", "code", "instruction")

    def __init__(self, code: CodeType, instruction: int) -> None:
        # Not a dataclass: one of these is made for every op a user builds, and a frozen dataclass takes three
        # times as long.
        self.code = code
        self.instruction = instruction
        self._resolved: FileLocation | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FrameLocation):
            return False
        return self.code is other.code and self.instruction == other.instruction

    def __hash__(self) -> int:
        return hash((id(self.code), self.instruction))

    def __repr__(self) -> str:
        return f"FrameLocation({self.code.co_filename!r}, {self.code.co_name!r}, {self.instruction})"

    def __reduce__(self) -> tuple[object, ...]:
        """Code objects do not pickle (errors cross process borders): the resolved position stands for it."""
        at = self.resolved
        return FileLocation, (at.file, at.line, at.column, at.end_line, at.end_column)

    @property
    def resolved(self) -> FileLocation:
        if self._resolved is None:
            self._resolved = _resolve(self.code, self.instruction)
        return self._resolved


def _resolve(code: CodeType, instruction: int) -> FileLocation:
    line, end_line, column, end_column = next(
        islice(code.co_positions(), max(instruction, 0) // 2, None), (None, None, None, None)
    )
    file = code.co_filename
    first = line or code.co_firstlineno
    if column is None or end_column is None or end_line is None:  # python -X no_debug_ranges
        text = linecache.getline(file, first).rstrip()
        start = len(text) - len(text.lstrip()) + 1
        return FileLocation(file, first, start, first, max(len(text), start) + 1)
    return FileLocation(
        file,
        first,
        _characters(file, first, column) + 1,
        end_line,
        _characters(file, end_line, end_column) + 1,
    )


def _characters(file: str, line: int, offset: int) -> int:
    """`co_positions` counts bytes of UTF-8; users and editors count characters."""
    text = linecache.getline(file, line)
    if text.isascii():
        return offset
    return len(text.encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "ignore"))


@dataclass(frozen=True, slots=True)
class NamedLocation(Location):
    """A transform applied to an expression: `loc("vjp(exp)"(child))`."""

    name: str
    child: Location


@dataclass(frozen=True, slots=True)
class FusedLocation(Location):
    parts: tuple[Location, ...]


UNKNOWN = UnknownLocation()
MOST_PARTS = 8
"""Rewriting chains fuses locations again and again; a fused location keeps the first few distinct parts,
so it stays readable and small.
"""


def fuse(locations: Iterable[Location]) -> Location:
    """One location for several: flat, without repeats and unknowns, at most `MOST_PARTS` parts."""
    parts: dict[Location, None] = {}
    for location in locations:
        for part in location.parts if isinstance(location, FusedLocation) else (location,):
            if not isinstance(part, UnknownLocation):
                parts[part] = None
            if len(parts) == MOST_PARTS:
                return FusedLocation(tuple(parts))
    if len(parts) < 2:
        return next(iter(parts), UNKNOWN)
    return FusedLocation(tuple(parts))


_OURS: dict[object, bool] = {}


def is_ours(module: object) -> bool:
    """Whether a module of this name belongs to the package, and not to its user."""
    name = module if isinstance(module, str) else ""
    ours = (name == _PACKAGE or name.startswith(_PACKAGE + ".")) and not name.startswith(_USER_SIDE)
    _OURS[name] = ours
    return ours


def caller_location() -> Location:
    """The location of the innermost frame outside this package (the demo counts as outside: it is user
    code).
    """
    frame: FrameType | None = sys._getframe(1)
    known = _OURS
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        ours = known.get(module)
        if ours is None:
            ours = is_ours(module)
        if not ours:
            return FrameLocation(frame.f_code, frame.f_lasti)
        frame = frame.f_back
    return UNKNOWN


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """A warning at the line of the innermost frame outside this package."""
    depth, frame = 1, sys._getframe()
    while frame.f_back is not None and is_ours(frame.f_globals.get("__name__", "")):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(message, category, stacklevel=depth)


def file_location(location: Location | None) -> FileLocation | None:
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


def transform_names(location: Location | None) -> list[str]:
    """Names of the transforms wrapped around the first file position, outermost first."""
    names = []
    current = location
    while isinstance(current, NamedLocation | FusedLocation):
        if isinstance(current, NamedLocation):
            names.append(current.name)
            current = current.child
        else:
            current = current.parts[0] if current.parts else None
    return names
