"""The user's source text at a location: what was written there, and inside of what.

Only errors ask, so nothing here has to be fast; where there is no source (`python -c`, the interactive
prompt, code made by `exec`) every answer is None.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Sequence
from typing import Final

from tensorc.ir.location import FileLocation, Location, file_location

_LONGEST: Final = 48


def text_at(location: Location | None, longest: int = _LONGEST) -> str | None:
    """The expression at a location, if it stands on one line and is short."""
    place = file_location(location)
    if place is None or place.end_column is None or place.end_line not in (None, place.line):
        return None
    text = linecache.getline(place.file, place.line)[place.column - 1 : place.end_column - 1].strip()
    return text if 0 < len(text) <= longest else None


class Fragment:
    """A syntax node of the user's source, and the nodes around it, innermost first."""

    def __init__(self, source: str, node: ast.AST, around: Sequence[ast.AST]) -> None:
        self._source = source
        self.node = node
        self.around = around

    @property
    def parent(self) -> ast.AST | None:
        return self.around[0] if self.around else None

    def text(self, node: ast.AST, longest: int = _LONGEST) -> str | None:
        """A part as the user wrote it, None when it is long or goes over several lines."""
        found = ast.get_source_segment(self._source, node)
        return found if found is not None and len(found) <= longest and "\n" not in found else None

    def texts(self, *nodes: ast.AST) -> list[str] | None:
        """All of the parts, or None when one of them is too long to quote."""
        found = [self.text(node) for node in nodes]
        return None if None in found else [t for t in found if t is not None]


def fragment(location: Location | None) -> Fragment | None:
    """The syntax node that begins and ends exactly at a location."""
    place = file_location(location)
    if place is None or place.end_column is None or place.end_line is None:
        return None
    lines = linecache.getlines(place.file)
    source = "".join(lines)
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    wanted = _span(place, lines)
    return None if wanted is None else _find(source, tree, wanted)


_Span = tuple[int, int, int, int]


def _span(place: FileLocation, lines: Sequence[str]) -> _Span | None:
    """Line and column of both ends, columns in bytes of UTF-8, as `ast` counts them."""
    assert place.end_line is not None and place.end_column is not None
    if not 1 <= place.line <= place.end_line <= len(lines):
        return None
    start = len(lines[place.line - 1][: place.column - 1].encode("utf-8", "surrogatepass"))
    end = len(lines[place.end_line - 1][: place.end_column - 1].encode("utf-8", "surrogatepass"))
    return place.line, start, place.end_line, end


def _find(source: str, tree: ast.AST, wanted: _Span) -> Fragment | None:
    """The outermost node with exactly this span that is no mere wrapper (`ast.Expr`)."""
    around: list[ast.AST] = []
    node: ast.AST | None = tree
    while node is not None:
        if not isinstance(node, ast.Expr) and _span_of(node) == wanted:
            return Fragment(source, node, around[::-1])
        around.append(node)
        node = next((child for child in _children(node) if _holds(child, wanted)), None)
    return None


def _children(node: ast.AST) -> list[ast.AST]:
    """Child nodes; those without a position (`comprehension`, `arguments`) give way to their children."""
    found: list[ast.AST] = []
    for child in ast.iter_child_nodes(node):
        found.extend([child] if _span_of(child) is not None else _children(child))
    return found


def _span_of(node: ast.AST) -> _Span | None:
    span = [getattr(node, name, None) for name in ("lineno", "col_offset", "end_lineno", "end_col_offset")]
    return None if None in span else (span[0], span[1], span[2], span[3])  # type: ignore[return-value]


def _holds(node: ast.AST, wanted: _Span) -> bool:
    span = _span_of(node)
    return span is not None and span[:2] <= wanted[:2] and wanted[2:] <= span[2:]


def narrowed(location: Location) -> Location:
    """A location that is a whole `for`, `if`, `while` or comprehension cut down to what it asks for first."""
    found = fragment(location)
    if found is None:
        return location
    if isinstance(found.node, ast.For | ast.AsyncFor):
        over = found.node.iter
    elif isinstance(found.node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        over = found.node.generators[0].iter
    elif isinstance(found.node, ast.If | ast.While):
        over = found.node.test
    else:
        return location
    place = file_location(location)
    assert place is not None
    text = linecache.getline(place.file, over.lineno).encode("utf-8", "surrogatepass")
    if over.end_lineno != over.lineno or over.end_col_offset is None:
        return FileLocation(place.file, place.line, place.column)
    start = len(text[: over.col_offset].decode("utf-8", "ignore"))
    end = len(text[: over.end_col_offset].decode("utf-8", "ignore"))
    return FileLocation(place.file, over.lineno, start + 1, over.lineno, end + 1)
