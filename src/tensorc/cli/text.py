"""IR text in and out: files or `-`, with one diagnostic for whatever a name may turn out to be."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tensorc.cli.errors import wrong_file
from tensorc.ir.errors import TensorcValueError
from tensorc.ir.location import FileLocation, file_location

if TYPE_CHECKING:
    from tensorc.ir.core import Operation
    from tensorc.ir.diagnostics import Diagnostic

STDIN: Final = "-"
_MOST_NOTES: Final = 8
_quoted: set[str] = set()


def read_text(name: str) -> str:
    """The text of a file, or of standard input for `-`."""
    try:
        data = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise wrong_file(f"cannot read {shown(name)}: {reason(error)}") from None
    if b"\0" in data[:4096]:
        raise wrong_file(f"{shown(name)} is a binary file, not IR text")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise wrong_file(
            f"{shown(name)} is not UTF-8: byte 0x{data[error.start]:02x} on line {line}"
        ) from None


def shown(name: str) -> str:
    """A file name as messages show it."""
    return "standard input" if name == STDIN else name


def reason(error: Exception) -> str:
    """Why an operation on a file failed, without the name, which the message has already."""
    found = error.strerror if isinstance(error, OSError) else None
    return (found or str(error) or type(error).__name__).lower()


def read_module(name: str) -> Operation:
    """The verified module of a file. Raises ParseError or TensorcValueError at a line of it."""
    import tensorc.ops  # noqa: F401  registers the op classes
    from tensorc.ir.parser import parse_module
    from tensorc.ir.verifier import verify

    text, label = read_text(name), "<stdin>" if name == STDIN else name
    # Later errors (of passes, at run time) quote lines of this text, standard input's too.
    _quoted.add(label)
    linecache.cache[label] = (len(text), None, text.splitlines(keepends=True), label)
    module = parse_module(text, label)
    found = verify(module)
    if found:
        raise _invalid(found)
    return module


def forget_texts() -> None:
    """No later error quotes the texts read so far."""
    while _quoted:
        linecache.cache.pop(_quoted.pop(), None)


def _invalid(found: list[Diagnostic]) -> TensorcValueError:
    """One error for all that the verifier found: the first at its line, the others as notes."""
    first, *others = found
    notes = tuple(f"also {_place(d)}{d.message} [{d.code}]" for d in others[:_MOST_NOTES])
    if len(others) > _MOST_NOTES:
        notes += (f"and {len(others) - _MOST_NOTES} more",)
    return TensorcValueError(
        first.message, code=first.code, location=first.location, help=first.help, notes=notes
    )


def _place(diagnostic: Diagnostic) -> str:
    at: FileLocation | None = file_location(diagnostic.location)
    return "" if at is None else f"at line {at.line}: "


def write_text(text: str, name: str | None = None) -> None:
    """Write UTF-8 to a file, or to standard output."""
    if name is None or name == STDIN:
        _to_stdout(text)
        return
    try:
        Path(name).write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
    except (OSError, ValueError) as error:
        raise wrong_file(f"cannot write {name}: {reason(error)}") from None


def _to_stdout(text: str) -> None:
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None:
        sys.stdout.write(text)
        return
    sys.stdout.flush()
    stream.write(text.encode("utf-8", "backslashreplace"))
    stream.flush()


def entry_function(module: Operation, name: str | None, file: str) -> Operation:
    """The function `@name` with a body; without a name `@main`, or the only function there is."""
    from tensorc.ir.builtin import functions, symbol_name

    bodies = {symbol_name(f) or "": f for f in functions(module) if f.regions[0].blocks}
    known = ", ".join(f"@{n}" for n in bodies)
    wanted = name or ("main" if "main" in bodies or len(bodies) != 1 else next(iter(bodies)))
    if wanted not in bodies:
        help = f"it has {known}; name one of them" if bodies else "it has no function with a body at all"
        raise wrong_file(f"{shown(file)} has no function @{wanted}", help)
    return bodies[wanted]
