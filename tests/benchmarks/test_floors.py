"""What the machine allows: the arithmetic, and when it is measured again."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.harness.floors import FRESH, Floors, floor
from benchmarks.harness.probe import MEMORY, Peer, module_text


def test_the_larger_of_moving_and_computing() -> None:
    moving = floor(traffic=8e6, flops=1e6, bandwidth=2e9, peak=1e9)
    assert (moving.seconds, moving.by) == (4e-3, "memory")
    computing = floor(traffic=8e6, flops=1e7, bandwidth=2e9, peak=1e9)
    assert (computing.seconds, computing.by) == (1e-2, "arithmetic")


@pytest.mark.parametrize(("bandwidth", "peak"), [(0.0, 1.0), (1.0, 0.0)])
def test_no_floor_from_what_was_not_measured(bandwidth: float, peak: float) -> None:
    with pytest.raises(ValueError, match="not measured"):
        floor(1, 1, bandwidth, peak)


def test_measured_again_after_a_minute_for_another_footprint_and_dtype() -> None:
    asked: list[tuple[int, str]] = []
    clock = [0.0]

    def ask(footprint: int, dtype: str) -> dict[str, Any]:
        asked.append((footprint, dtype))
        return {"bandwidth": {"read": 1e9, "copy": 4e9, "triad": 2e9}, "peak": {dtype: 1e12}}

    floors = Floors(ask, clock=lambda: clock[0])
    assert floors.of(4e6, 1, 1 << 20, "float32").seconds == pytest.approx(1e-3)  # the best kernel counts
    floors.of(4e6, 1, (1 << 20) + 4096, "float32")
    assert len(asked) == 1
    floors.of(4e6, 1, 1 << 21, "float32")
    floors.of(4e6, 1, 1 << 20, "float64")
    assert asked[1:] == [(1 << 21, "float32"), (1 << 20, "float64")]
    clock[0] = FRESH + 1
    floors.of(4e6, 1, 1 << 20, "float32")
    assert len(asked) == 4


def test_the_probe_moves_and_computes_what_it_counts() -> None:
    """By structure: a block of 256 bytes is read once from every source, and written once, at every width."""
    for bits in (128, 256, 512):
        bodies = module_text(bits).split("define ")
        for name, (reads, writes, _) in MEMORY.items():
            body = next(b for b in bodies if f"@{name}(" in b)
            assert body.count(" = load ") * bits // 8 == reads * 256
            assert body.count("store ") * bits // 8 == writes * 256


def test_the_probe_measures_something() -> None:
    probe = Peer(1)
    found = probe.bandwidth(1 << 14, seconds=0.0)
    assert set(found) == set(MEMORY)
    assert min(found.values()) > 0
    assert probe.peak("float64", seconds=0.0) > 0
