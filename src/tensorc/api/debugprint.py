"""`tc.debugprint`: a graph as a tree, one line a node, in Theano's manner."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any, Final, TextIO

from tensorc.api import convert
from tensorc.api.expr import Expr
from tensorc.api.function import Function
from tensorc.api.jit import Jitted
from tensorc.api.leaves import Constant, Shared
from tensorc.api.pretty import attribute_text, literal_text
from tensorc.api.substitute import key_of
from tensorc.api.trace import inline
from tensorc.ir.errors import TensorcTypeError, TensorcValueError
from tensorc.ir.location import caller_location

IDS: Final = ("CHAR", "int", "")
MARGIN: Final = 40
"""A node this many levels down starts a tree of its own at the left margin: else the text of a chain would
grow with the square of its length.
"""


def debugprint(
    x: Any,
    depth: int | None = None,
    print_type: bool = False,
    file: TextIO | str | None = None,
    ids: str = "CHAR",
) -> str | None:
    """Prints the graph of an expression, of a list of them, or of a compiled function (after optimisation:
    what `f.source("tensor")` shows).

    Every node is one line, its operands the lines below, one level in. A node with operands is followed once;
    where it occurs again, `...` stands for its operands. `depth` is the number of levels shown (None or -1:
    all), `print_type` adds the types, `ids` names nodes by letters ("CHAR"), numbers ("int") or not at all
    (""). `file` is where the text goes, standard output by default; "str" returns it instead.

    Raises TensorcTypeError or TensorcValueError for something else, or for options that are none.
    """
    if ids not in IDS or not (depth is None or (isinstance(depth, int) and depth >= -1)):
        raise TensorcValueError(
            f"debugprint: ids={ids!r}, depth={depth!r}",
            code="TC0404",
            location=caller_location(),
            help="ids is 'CHAR', 'int' or ''; depth is None or the number of levels",
        )
    write = getattr(file, "write", None)
    if not (file is None or file == "str" or callable(write)):
        raise TensorcTypeError(
            f"debugprint: file={file!r}",
            code="TC0404",
            location=caller_location(),
            help="an open text file, None for standard output, or 'str' for the text as result",
        )
    levels = None if depth in (None, -1) else depth
    text = "".join(line + "\n" for line in _Tree(ids, print_type, levels).lines(_roots(x)))
    if file == "str":
        return text
    (sys.stdout.write if write is None else write)(text)
    return None


Root = tuple[str, Expr]
"""An expression, and what is said before it."""


def _roots(x: Any) -> list[Root]:
    if isinstance(x, Function):
        return _of_function(x)
    if isinstance(x, Jitted):
        return [(f"{v.form} = {said}", e) for v in x.variants for said, e in _of_function(v.function)]
    if isinstance(x, list | tuple):
        return [root for item in x for root in _roots(item)]
    return [("", convert.asarray(x))]


def _of_function(f: Function) -> list[Root]:
    """Outputs, then new values, of the optimised function, as expressions of the program's own leaves."""
    program, traced = f.program, f.program.traced
    module = f.module("tensor")
    results = inline(next(iter(module.regions[0].block)), [*traced.inputs, *traced.shared, *traced.constants])
    outputs, news = results[: program.output_count], results[program.output_count :]
    said = [f"{key!r}: " for key in program.outputs.keys] or [""] * len(outputs)
    named = [f"{v.name or 'shared'} <- " for v in program.updated]
    return list(zip([*said, *named], [*outputs, *news], strict=True))


class _Tree:
    def __init__(self, ids: str, types: bool, levels: int | None) -> None:
        self.ids, self.types, self.levels = ids, types, levels
        self.numbers: dict[tuple[int, int], int] = {}
        self.followed: set[tuple[int, int]] = set()
        self.held: list[Expr] = []

    def lines(self, roots: Sequence[Root]) -> Iterator[str]:
        """The lines of all trees, and of the parts that were moved to the margin."""
        moved: list[tuple[str, Expr, int]] = [(said, e, 0) for said, e in reversed(roots)]
        count = 0
        while moved:
            said, root, base = moved.pop()
            later: list[tuple[str, Expr, int]] = []
            stack: list[tuple[Expr, int]] = [(root, 0)]
            while stack:
                expr, level = stack.pop()
                line = (said if expr is root and not level else " |" * level) + self._label(expr)
                operands = () if expr.node is None else expr.node.operands
                if not operands or (self.levels is not None and base + level + 1 >= self.levels):
                    yield line
                elif key_of(expr) in self.followed:
                    yield line + " ..."
                elif level == MARGIN:
                    count += 1
                    yield f"{line} continued at {count}"
                    later.append((f"{count}: ", expr, base + level))
                else:
                    self.followed.add(key_of(expr))
                    yield line
                    stack.extend((operand, level + 1) for operand in reversed(operands))
            moved += reversed(later)

    def _label(self, expr: Expr) -> str:
        self.held.append(expr)
        number = self.numbers.setdefault(key_of(expr), len(self.numbers))
        label = _name(expr)
        if self.ids:
            label += f" [id {_letters(number) if self.ids == 'CHAR' else number}]"
        return label + (f" <{expr.type}>" if self.types else "")


def _name(expr: Expr) -> str:
    node = expr.node
    if node is None:
        if isinstance(expr, Constant) and not expr.name:
            return literal_text(expr.value)
        return expr.name or f"<{'shared' if isinstance(expr, Shared) else 'symbol'}>"
    name = node.definition.name.removeprefix("tensorc.")
    if name in ("constant", "arith.constant"):
        return literal_text(node.attrs.value.value) if hasattr(node.attrs, "value") else name
    shown = [f"{f.name}={attribute_text(getattr(node.attrs, f.name))}" for f in fields(node.attrs)]
    name += f"{{{', '.join(shown)}}}" if shown else ""
    name += f".{expr.index}" if len(node.types) > 1 else ""
    return f"{name} {expr.name!r}" if expr.name else name


def _letters(number: int) -> str:
    """A, B, …, Z, AA, AB, …"""
    letters = ""
    number += 1
    while number:
        number, digit = divmod(number - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return letters
