"""Curves of a run as SVG: our time over the best peer's, row by row; compile times over the size of the
graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.report import Line
from benchmarks.harness.states import HIT

AHEAD, BEHIND = "#2a6f97", "#c1442e"
MARKS = {1: "o", 2: "s"}
WIDTH, ROW_HEIGHT = 7.5, 0.17


def drawing(path: Path, width: float, height: float) -> Any:
    """A figure with one pair of axes, to be written to `path`; the same text and numbers give the same
    file.
    """
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": path.name, "font.size": 8, "svg.fonttype": "none"})
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height))


def write(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def ratios(lines: Sequence[Line], path: Path) -> None:
    """A mark a row and thread count, on a logarithmic axis; right of the line at 1 we are slower."""
    timed = [x for x in lines if x.ratio is not None]
    worst: dict[str, float] = {}
    for x in timed:
        worst[x.row] = max(worst.get(x.row, 0.0), x.ratio or 0.0)
    order = sorted(worst, key=worst.__getitem__)
    figure, axes = drawing(path, WIDTH, 1.0 + ROW_HEIGHT * len(order))
    for x in timed:
        assert x.ratio is not None
        color = BEHIND if x.ratio > 1 else AHEAD
        face = color if x.threads == 1 else "none"
        axes.plot(
            x.ratio, order.index(x.row), MARKS.get(x.threads, "^"), color=color, markerfacecolor=face, ms=4
        )
    axes.axvline(1.0, color="black", lw=0.8)
    axes.set_xscale("log")
    axes.set_yticks(range(len(order)), order)
    axes.set_ylim(-1, len(order))
    axes.grid(axis="x", which="both", lw=0.3)
    axes.set_xlabel("time of tensorc over time of the best peer (filled: 1 thread, open: 2 threads)")
    write(figure, path)


def compile_curves(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Seconds of build plus first call over the number of operations, a curve for every peer and state."""
    graphs = [
        r for r in records if r["kind"] == "state" and r["row"].startswith("graph/") and "median_s" in r
    ]
    figure, axes = drawing(path, 5.5, 3.5)
    for peer, state in dict.fromkeys((r["peer"], r["state"]) for r in graphs):
        points = sorted(
            (operations(r["row"]), r["median_s"]) for r in graphs if (r["peer"], r["state"]) == (peer, state)
        )
        color = AHEAD if peer == "tensorc" else BEHIND
        style = {"color": color, "linestyle": ":" if state == HIT else "--" if "cold" in state else "-"}
        axes.plot(*zip(*points, strict=True), marker=".", label=f"{peer}, {state}", **style)
    axes.set(xscale="log", yscale="log", xlabel="operations", ylabel="build and first call, s")
    axes.legend(fontsize=7)
    axes.grid(which="both", lw=0.3)
    write(figure, path)


def operations(row: str) -> int:
    """The number in `graph/f64/1000x1e4`."""
    return int(float(row.rsplit("x", 1)[1]))
