"""Tables from records. A ratio is ours over theirs: below 1 we are faster. Losses stand first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.harness.columns import COLUMNS

OURS = tuple(name for name, c in COLUMNS.items() if c.ours)
PEERS = tuple(name for name, c in COLUMNS.items() if not c.ours)
LEGEND = (
    "Bold: the best peer. `!`: wrong, `?`: not compared, `'`: fewer threads than the row, `-`: no program, "
    "`x`: failed."
)


@dataclass(frozen=True)
class Line:
    """One row of the table, for one of our columns."""

    row: str
    threads: int
    ours: str
    seconds: float | None
    best: str | None
    best_seconds: float | None
    floor: float | None
    cells: Mapping[str, Mapping[str, Any]]
    why: str

    @property
    def ratio(self) -> float | None:
        """Ours over the best peer's."""
        if self.seconds is None or not self.best_seconds:
            return None
        return self.seconds / self.best_seconds

    @property
    def over_floor(self) -> float | None:
        return self.seconds / self.floor if self.seconds and self.floor else None


def comparable(cell: Mapping[str, Any]) -> bool:
    """Whether a recorded time counts: measured, verified, and not refused. An absent thread count refuses."""
    if any(k in cell for k in ("skip", "failure", "wrong", "refused")):
        return False
    return bool(cell.get("threads")) and "median_s" in cell


def why_not(cell: Mapping[str, Any]) -> str:
    """Why a cell does not count, in one phrase."""
    for kind in ("skip", "failure", "wrong", "refused"):
        if kind in cell:
            return f"{kind}: {cell[kind]}"
    return "" if comparable(cell) else "thread count not recorded"


def line_of(record: Mapping[str, Any], ours: str) -> Line:
    cells = record["cells"]
    mine = cells.get(ours, {"skip": "not in the run"})
    versions = record.get("versions", {})
    rivals = {n: c["median_s"] for n, c in cells.items() if n in PEERS and comparable(c) and versions.get(n)}
    best = min(rivals, key=rivals.__getitem__) if rivals else None
    counts = comparable(mine) and versions.get(ours)
    floor = record["floor"]["seconds"] if record.get("floor") else None
    return Line(
        record["row"],
        record["threads"],
        ours,
        mine["median_s"] if counts else None,
        best,
        rivals[best] if best else None,
        floor,
        cells,
        why_not(mine),
    )


def lines_of(records: Iterable[Mapping[str, Any]], ours: str = "tensorc", busy: bool = False) -> list[Line]:
    """The table of one of our columns: largest ratio first, rows without a ratio last."""
    rows = [r for r in records if r["kind"] == "row" and bool(r.get("busy")) == busy and ours in r["cells"]]
    found = [line_of(r, ours) for r in rows]
    return sorted(found, key=lambda x: -(x.ratio if x.ratio is not None else -1.0))


def geometric_mean(values: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan


def readable(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def shown(cell: Mapping[str, Any] | None, best: bool, asked: int) -> str:
    """A cell of the table: `!` wrong, `?` refused, `-` skipped, `x` failed, `'` fewer threads than asked
    for.
    """
    if cell is None:
        return ""
    if "skip" in cell:
        return "-"
    if "failure" in cell:
        return "x"
    mark = "!" if "wrong" in cell else "" if comparable(cell) else "?"
    fewer = "'" if max(cell.get("threads", {"": asked}).values()) < asked else ""
    text = readable(cell["median_s"]) + mark + fewer
    return f"**{text}**" if best else text


def ratio_text(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def markdown(lines: Sequence[Line]) -> str:
    """The whole table."""
    names = [n for n in PEERS if any(n in line.cells for line in lines)]
    head = [
        "row",
        "threads",
        lines[0].ours if lines else "",
        "min",
        "ratio to best",
        "× floor",
        *names,
        "build + first call",
    ]
    rows = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for line in lines:
        mine = line.cells[line.ours]
        built = mine["build_s"] + mine["first_s"] if "first_s" in mine else None
        values = [
            line.row,
            str(line.threads),
            shown(mine, False, line.threads),
            readable(mine.get("min_s")),
            ratio_text(line.ratio),
            ratio_text(line.over_floor),
            *(shown(line.cells.get(n), n == line.best, line.threads) for n in names),
            readable(built),
        ]
        rows.append(f"| {' | '.join(values)} |")
    return "\n".join(rows)


def per_column(lines: Sequence[Line], text: Callable[[Mapping[str, Any]], str]) -> str:
    """A table of one figure of every cell, in the order of the rows' names."""
    names = [n for n in (*OURS, *PEERS) if any(n in line.cells for line in lines)]
    rows = [f"| {' | '.join(['row', 'threads', *names])} |", f"|{'---|' * (len(names) + 2)}"]
    for line in sorted(lines, key=lambda x: (x.row, x.threads)):
        texts = (text(line.cells.get(n, {})) for n in names)
        rows.append(f"| {' | '.join([line.row, str(line.threads), *texts])} |")
    return "\n".join(rows)


def first_calls(lines: Sequence[Line]) -> str:
    """Build plus first call of every cell, in workers that have compiled before."""
    return per_column(lines, lambda c: readable(c["build_s"] + c["first_s"]) if "first_s" in c else "")


def memory(lines: Sequence[Line]) -> str:
    """By how many MiB the largest resident set of each worker grew while it built and first called."""
    return per_column(lines, lambda c: f"{c['rss_mb']:.0f}" if "rss_mb" in c else "")


def summary(lines: Sequence[Line]) -> str:
    ratios = [line.ratio for line in lines if line.ratio is not None]
    if not ratios:
        return "no row has a ratio"
    behind = sum(r > 1 for r in ratios)
    mean = geometric_mean(ratios)
    return f"{len(ratios)} rows with a ratio, {behind} behind the best peer, geometric mean {mean:.3f}"


def remarks(lines: Sequence[Line]) -> list[str]:
    """Everything that is missing from the table, with its reason; the same reason once."""
    found: dict[str, list[str]] = {}
    for line in lines:
        for name, cell in line.cells.items():
            if (said := why_not(cell)) and said != "skip: no program":
                found.setdefault(f"{name}: {said}", []).append(f"{line.row}@{line.threads}")
    return [f"{said} ({', '.join(dict.fromkeys(rows))})" for said, rows in found.items()]


def states_table(records: Iterable[Mapping[str, Any]]) -> str:
    """Build plus first call of each peer in its states, and ours over theirs."""
    found = [r for r in records if r["kind"] == "state"]
    by = {(r["row"], r["state"], r["peer"]): r for r in found}
    states, peers = (list(dict.fromkeys(r[k] for r in found)) for k in ("state", "peer"))
    pairs = [(ours, theirs) for ours in peers if ours in OURS for theirs in peers if theirs not in OURS]
    head = ["program"]
    for state in states:
        head += [*(f"{peer}, {state}" for peer in peers), *(f"{ours}/{theirs}" for ours, theirs in pairs)]
    rows = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in dict.fromkeys(r["row"] for r in found):
        texts = [row]
        for state in states:
            cells = {peer: by.get((row, state, peer), {}) for peer in peers}
            texts += [state_text(cells[peer]) for peer in peers]
            texts += [ratio_text(quotient(cells[ours], cells[theirs])) for ours, theirs in pairs]
        rows.append(f"| {' | '.join(texts)} |")
    return "\n".join(rows)


def state_text(cell: Mapping[str, Any]) -> str:
    if "median_s" in cell:
        return readable(cell["median_s"])
    return "x" if "failure" in cell else "-" if cell else ""


def quotient(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> float | None:
    """Ours over theirs, where both were measured."""
    if "median_s" in ours and "median_s" in theirs:
        return float(ours["median_s"] / theirs["median_s"])
    return None


def imports_table(records: Iterable[Mapping[str, Any]]) -> str:
    rows = ["| import of | s | resident MiB |", "|---|---|---|"]
    found = [r for r in records if r["kind"] == "import"]
    return "\n".join([*rows, *(f"| {r['peer']} | {r['seconds']:.3f} | {r['rss_mb']:.0f} |" for r in found)])
