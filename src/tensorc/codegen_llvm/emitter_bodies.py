"""How the text of a function divides into bodies of loops: where nearly all of it is in long straight-line
ones, most of LLVM's passes have nothing to find (`jit.py`).

Such bodies come from `vectorize` as they are to be: values are in SSA form and computed once. What does not
change in them is a few constants, which the code generator moves out of loops by itself; the same work in
LLVM's passes took longer than all of ours on a graph of thousands of operations.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

LONG: Final = 96
"""Lines of a loop's own body, without those of loops inside, from which on it is long."""
SHARE: Final = 4
"""How many lines of long bodies there must be to one of other loops."""


@dataclass
class Bodies:
    """The loops of one function, as they are emitted."""

    straight: bool = False
    """Whether that is so of the loops that have ended: most lines are in long bodies, and no other loop lies
    deeper, where it would run more often.
    """
    _open: list[int] = field(default_factory=list)
    """Of every open loop, the lines of the loops inside."""
    _long: int = 0
    _other: int = 0
    _least: int = 1 << 30
    """The depth of the outermost long body."""
    _most: int = 0
    """The depth of the innermost other one."""

    def enter(self) -> None:
        """A loop begins."""
        self._open.append(0)

    def leave(self, lines: int, lane_by_lane: bool = False) -> None:
        """A loop of so many lines ends. One that goes through the lanes of a vector belongs to the body
        around it: it is for arguments that hardly ever come."""
        inside, depth = self._open.pop(), len(self._open)
        if lane_by_lane and self._open:
            return
        own = lines - inside
        if own >= LONG:
            self._long += own
            self._least = min(self._least, depth)
        else:
            self._other += own
            self._most = max(self._most, depth)
        if self._open:
            self._open[-1] += lines
        self.straight = self._long >= SHARE * self._other and self._most <= self._least
