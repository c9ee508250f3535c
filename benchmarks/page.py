"""Tables and curves of a run in the documentation: `python benchmarks/page.py RESULTS.jsonl ...`.

Rewrites what stands between the marks of docs/benchmarks.md and draws docs/benchmarks_*.svg. Needs
matplotlib.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.harness import plots, record, report  # noqa: E402

PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- measured: benchmarks/page.py writes from here -->", "<!-- measured: to here -->"


def measured(records: list[record.Record]) -> str:
    """The section of the page."""
    machines = [r for r in records if r["kind"] == "machine"]
    parts = ["## Measured", *sorted({machine_text(m) for m in machines})]
    lines = report.lines_of(records)
    for threads in sorted({x.threads for x in lines}):
        chosen = [x for x in lines if x.threads == threads]
        parts.append(f"{threads} thread{'s' if threads > 1 else ''}: {report.summary(chosen)}.")
    parts += [
        "![Ratio to the best peer of every row](benchmarks_ratios.svg)",
        report.markdown(lines),
        report.LEGEND,
    ]
    if busy := report.lines_of(records, busy=True):
        parts += [
            "### With another process burning one core",
            report.summary(busy) + ".",
            report.markdown(busy),
        ]
    if reused := report.lines_of(records, "tensorc_out"):
        parts += [
            "### Into results that are reused (`out=`)",
            report.summary(reused) + ".",
            report.markdown(reused),
        ]
    parts.append("### Build and first call")
    if any(r["kind"] == "state" for r in records):
        parts += ["![Seconds over operations](benchmarks_compile.svg)"] if curves(records) else []
        parts.append(report.states_table(records))
    parts += ["Of every row, in processes that have compiled other rows before:", report.first_calls(lines)]
    parts += ["### Peak memory", "MiB by which the largest resident set grew in build and first call:"]
    parts.append(report.memory(lines))
    if any(r["kind"] == "import" for r in records):
        parts += ["### Import", report.imports_table(records)]
    parts += ["### What is missing", *(f"- {said}" for said in report.remarks(lines))]
    return "\n\n".join(parts).replace("\n\n- ", "\n- ") + "\n"


def curves(records: list[record.Record]) -> bool:
    """Whether programs of several sizes were compiled."""
    return any(r["kind"] == "state" and r["row"].startswith("graph/") for r in records)


def machine_text(m: record.Record) -> str:
    """The machine of a run and what was measured."""
    return f"{m['processor']}, {m['cpus']} processors, Python {m['python']}, commit {m['commit']}."


def inserted(text: str, section: str) -> str:
    """The page with the section between its marks."""
    before, rest = text.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    return f"{before}{BEGIN}\n\n{section}\n{END}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "results", nargs="+", type=Path, help="JSON lines of benchmarks/bench.py; later rows count"
    )
    parser.add_argument("--page", type=Path, default=PAGE, help="the page, and the folder of the curves")
    options = parser.parse_args()
    records = record.load(options.results)
    text = options.page.read_text(encoding="utf-8")
    options.page.write_text(inserted(text, measured(records)), encoding="utf-8")
    plots.ratios(report.lines_of(records), options.page.parent / "benchmarks_ratios.svg")
    if curves(records):
        plots.compile_curves(records, options.page.parent / "benchmarks_compile.svg")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
