"""Every rewrite that a pass makes and counts: what `tensorc opt --rules` lists.

Rules are the patterns of `rules/`; the rest are the rewrites of whole passes, such as merging equal ops,
which a subclass of `RewritePass` names in `rewrites`. Lowerings are no rewrites: they change the level of a
program, not its form.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tensorc.ir.rewriter import Kind, Pattern
from tensorc.passes import pipelines
from tensorc.passes.manager import RewritePass

_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Entry:
    """A rewrite: what it claims, where it is written, and the passes that make it."""

    name: str
    kind: Kind
    ulp: float | None
    law: str
    passes: tuple[str, ...]
    place: str

    @property
    def promise(self) -> str:
        """The class in a word, with the ulps where there are some."""
        return self.kind if self.ulp is None else f"{self.kind} {self.ulp:g} ulp"


def entries() -> tuple[Entry, ...]:
    """All of them, in the order in which they are tried."""
    from tensorc.passes.rules import CANONICAL, STABLE

    found = [_of_pattern(rule, ("stabilise",)) for rule in STABLE]
    found += [_of_pattern(rule, ("canonicalize", "stabilise")) for rule in CANONICAL]
    for name in pipelines.PASSES:
        cls = pipelines.load(name)
        if issubclass(cls, RewritePass):
            found += [_of_pass(cls, rewrite, law) for rewrite, law in cls.rewrites.items()]
    return tuple(found)


def _of_pattern(rule: Pattern, passes: tuple[str, ...]) -> Entry:
    return Entry(rule.name, rule.kind, rule.ulp, rule.law, passes, f"{_relative(rule.file)}:{rule.line}")


def _of_pass(cls: type[RewritePass], name: str, law: str) -> Entry:
    place = f"{_relative(inspect.getfile(cls))}:{inspect.getsourcelines(cls)[1]}"
    return Entry(name, "exact", None, law, (cls.name,), place)


def _relative(file: str) -> str:
    """Within the package; a rule entered by hand keeps the file it is in."""
    path = Path(file)
    return path.relative_to(_ROOT).as_posix() if path.is_relative_to(_ROOT) else file


def listing() -> str:
    """Every rule under the passes that make it, in columns."""
    known = entries()
    lines = []
    for passes in dict.fromkeys(entry.passes for entry in known):
        group = [entry for entry in known if entry.passes == passes]
        lines += [f"{' and '.join(passes)}: {len(group)}", *_columns([_row(entry) for entry in group]), ""]
    return "\n".join(lines[:-1]) + "\n"


def applied(counts: Counter[str]) -> str:
    """What a run did: times, rule, class, law and place, most often first."""
    known = {entry.name: entry for entry in entries()}
    rows = []
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        entry = known.get(name)
        rows.append((str(count), *(_row(entry) if entry is not None else (name,))))
    if not rows:
        return "no rule applied\n"
    return "\n".join([f"{counts.total()} rewrites by {len(rows)} rules", *_columns(rows)]) + "\n"


def _row(entry: Entry) -> tuple[str, ...]:
    return entry.name, entry.promise, entry.place, entry.law


def _columns(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Rows with their cells in columns, numbers to the right."""
    table = list(rows)
    widths = [max(len(row[k]) for row in table if k < len(row)) for k in range(max(map(len, table)))]

    def cell(text: str, width: int) -> str:
        return text.rjust(width) if text.isdigit() else text.ljust(width)

    return ["  " + "  ".join(map(cell, row, widths)).rstrip() for row in table]
