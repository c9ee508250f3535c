"""What the machine allows: the larger of compulsory bytes over bandwidth and flops over the FMA peak, both
measured in the same minute, the bandwidth at the footprint of the row.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

FRESH = 60.0
"""Seconds a measurement of the machine holds."""
STEP = 1.3
"""Footprints within this factor of each other share a measurement."""


@dataclass(frozen=True)
class Floor:
    """`seconds` is what no program can beat on one pass; `by` says what bounds it."""

    seconds: float
    by: str
    traffic: float
    flops: float
    bandwidth: float
    peak: float

    def record(self) -> dict[str, float | str]:
        return dict(vars(self))


def floor(traffic: float, flops: float, bandwidth: float, peak: float) -> Floor:
    """The arithmetic. Bandwidth in bytes a second, peak in flops a second."""
    if bandwidth <= 0 or peak <= 0:
        raise ValueError(f"bandwidth {bandwidth} and peak {peak} are not measured")
    moving, computing = traffic / bandwidth, flops / peak
    by = "memory" if moving >= computing else "arithmetic"
    return Floor(max(moving, computing), by, traffic, flops, bandwidth, peak)


@dataclass
class Floors:
    """Asks a probe, at most once a minute for the same footprint and dtype."""

    ask: Callable[[int, str], dict[str, Any]]
    clock: Callable[[], float] = time.monotonic
    measured: list[tuple[float, int, str, float, float]] = field(default_factory=list)

    def of(self, traffic: float, flops: float, footprint: int, dtype: str) -> Floor:
        """The floor of a row. The best of the memory kernels counts: the most demanding floor."""
        bandwidth, peak = self.machine(max(footprint, 1024), dtype)
        return floor(traffic, flops, bandwidth, peak)

    def machine(self, footprint: int, dtype: str) -> tuple[float, float]:
        now = self.clock()
        for when, size, of, bandwidth, peak in self.measured:
            near = size / STEP <= footprint <= size * STEP
            if now - when < FRESH and of == dtype and near:
                return bandwidth, peak
        answer = self.ask(footprint, dtype)
        bandwidth, peak = max(answer["bandwidth"].values()), answer["peak"][dtype]
        self.measured.append((now, footprint, dtype, bandwidth, peak))
        return bandwidth, peak
