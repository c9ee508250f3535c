"""Innermost loops of x86-64 assembly, and what they compute with."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LABEL = re.compile(r"^(\.L\w+):")
_JUMP = re.compile(r"^\s+j\w+\s+(\.L\w+)")
_PACKED = re.compile(r"^\s+v\w*(?:add|sub|mul|div|max|min|sqrt)\w*p[sd]\s.*%([xyz])mm", re.MULTILINE)
_SCALAR = re.compile(r"^\s+v?(?:f(?:n?m)(?:add|sub)\w*|add|sub|mul|div|max|min|sqrt)s[sd]\s", re.MULTILINE)
_CALL = re.compile(r"^\s+call\w*\s+\*?\(?([^\s@(]+)", re.MULTILINE)


@dataclass(frozen=True)
class Loop:
    """The lines between a label and the last jump back to it."""

    text: str

    @property
    def packed(self) -> set[str]:
        """The registers of packed float arithmetic: x, y, z."""
        return set(_PACKED.findall(self.text))

    @property
    def packed_lines(self) -> int:
        """Lines of packed float arithmetic."""
        return len(_PACKED.findall(self.text))

    @property
    def scalar(self) -> list[str]:
        """Lines of scalar float arithmetic."""
        return [line.strip() for line in self.text.splitlines() if _SCALAR.match(line)]

    @property
    def calls(self) -> list[str]:
        return _CALL.findall(self.text)


def innermost(text: str) -> list[Loop]:
    """The innermost loops of a module's assembly."""
    lines = text.splitlines()
    labels = {m[1]: n for n, line in enumerate(lines) if (m := _LABEL.match(line))}
    spans: dict[int, int] = {}
    for n, line in enumerate(lines):
        jump = _JUMP.match(line)
        start = n + 1 if jump is None else labels.get(jump[1], n + 1)
        if start <= n:
            spans[start] = n
    inner = [
        (a, b)
        for a, b in spans.items()
        if not any(a <= c and d <= b and (c, d) != (a, b) for c, d in spans.items())
    ]
    return [Loop("\n".join(lines[a : b + 1])) for a, b in inner]
