"""Modes: which pipeline compiles a function. Numbers do not change with it, speed and compile time do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tensorc.api.suggestions import keyword
from tensorc.ir.errors import TensorcValueError
from tensorc.ir.location import caller_location

STAGES: Final = ("tensor", "fused", "loops", "llvm", "asm", "ptx")
"""The forms a compiled function can be shown in, from expression to machine code."""
PIPELINE_OF: Final = {"fast": "O3", "compile-fast": "O1", "O0": "O0", "O1": "O1", "O2": "O2", "O3": "O3"}


@dataclass(frozen=True)
class Mode:
    """`pipeline` names one of the lists in `passes/pipelines.py`."""

    pipeline: str = "O3"

    def __post_init__(self) -> None:
        if self.pipeline not in PIPELINE_OF.values():
            raise TensorcValueError(
                f"unknown pipeline {self.pipeline!r}",
                code="TC0401",
                location=caller_location(),
                help=f"one of {', '.join(dict.fromkeys(PIPELINE_OF.values()))}",
            )

    @property
    def level(self) -> int:
        """LLVM's optimisation level."""
        return int(self.pipeline[1])


def as_mode(mode: Mode | str | None) -> Mode:
    """The mode meant by a name, a `Mode`, or None (`fast`)."""
    if isinstance(mode, Mode):
        return mode
    name = "fast" if mode is None else mode
    if not isinstance(name, str) or name not in PIPELINE_OF:
        raise TensorcValueError(
            f"unknown mode {mode!r}{keyword(mode, list(PIPELINE_OF)) if isinstance(mode, str) else ''}",
            code="TC0402",
            location=caller_location(),
            help=f"one of {', '.join(PIPELINE_OF)}",
        )
    return Mode(PIPELINE_OF[name])
