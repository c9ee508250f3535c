"""The error for values of a trace that are used outside it, and where they were made."""

from __future__ import annotations

import linecache
from collections.abc import Sequence
from types import CodeType
from typing import Final

from tensorc.api.expr import Expr, Node
from tensorc.api.leaves import Argument
from tensorc.api.trace import postorder
from tensorc.ir.errors import TensorcError, TensorcTypeError, TensorcValueError
from tensorc.ir.location import FileLocation, FrameLocation, Location, file_location

_MOST_DECORATORS: Final = 50


def escaped(argument: Argument, outputs: Sequence[Expr]) -> TensorcError:
    """The error for a value of a trace that is used outside it."""
    name = argument.origin.function
    place = _made(argument, outputs)
    at = file_location(place)
    line = f" at line {at.line}" if at is not None else ""
    if argument.origin.open:
        return TensorcTypeError(
            f"a value of {name}, made{line}, is needed now, but {argument.name} has none while {name} is "
            "traced",
            code="TC0489",
            location=place,
            help=f"return it from {name}: inside, only expressions can be built",
        )
    return TensorcValueError(
        f"a traced value of {name}, made{line}, is used after {name} has returned",
        code="TC0489",
        location=place,
        help=f"return it from {name} instead of keeping it: what was kept depends on {argument.name}, which "
        "has no value any more",
    )


def _made(argument: Argument, outputs: Sequence[Expr]) -> Location | None:
    """Where the traced function built what escaped: its last expression that depends on the argument."""
    own = _codes(argument.origin.code)
    depends: set[Node | Expr] = {argument}
    last: Location | None = argument.location
    for item in postorder(outputs):
        if not isinstance(item, Node) or not any((e.node or e) in depends for e in item.operands):
            continue
        depends.add(item)
        if isinstance(item.location, FrameLocation) and item.location.code in own:
            last = item.location
    return last


def _codes(code: CodeType | None) -> set[CodeType]:
    """A function's code and that of the functions defined in it."""
    found: set[CodeType] = set()
    todo = [] if code is None else [code]
    while todo:
        current = todo.pop()
        found.add(current)
        todo.extend(c for c in current.co_consts if isinstance(c, CodeType))
    return found


def definition(code: CodeType) -> Location:
    """The line of a function's `def`, which comes after its decorators."""
    file, first = code.co_filename, code.co_firstlineno
    for line in range(first, first + _MOST_DECORATORS):
        text = linecache.getline(file, line)
        begins = len(text) - len(text.lstrip())
        if text.lstrip().startswith(("def ", "async def ")):
            return FileLocation(file, line, begins + 1, line, len(text.rstrip()) + 1)
        if not text or "lambda" in text:
            break
    return FrameLocation(code, 0)
