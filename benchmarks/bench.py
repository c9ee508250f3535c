"""tensorc beside its peers: `python benchmarks/bench.py [--all] [ROW ...]`; `make bench` and `make
bench-all` run it.

A row is a workload at one size and dtype, with one and with two threads. Every implementation runs in a
process of its own, in an environment of its own; calls take turns; outputs are compared with NumPy's in
float64. Printed are medians and minima, ratios to the best peer and to what the machine allows. ROW is a
name or the beginning of one: `softmax`, `elem12/f32`, `gemm/f64/512`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.harness import environments, record, report
from benchmarks.harness.case import Case, Workload, load
from benchmarks.harness.client import ROOT
from benchmarks.harness.columns import COLUMNS
from benchmarks.harness.crew import Crew
from benchmarks.harness.locks import Locks
from benchmarks.harness.schedule import Plan, Row
from benchmarks.harness.states import measure_imports, measure_states

SHORT = Plan(rounds=5, turn=0.02, build_limit=60)
LONG = Plan()
SHORT_COLUMNS = ["tensorc", "numpy", "numba", "jax", "torch", "torch_compile", "pytensor", "ort"]
QUICK = Plan(rounds=1, turn=1e-3, block=1e-5)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", help="rows, by the beginning of their names (default: a dozen)")
    parser.add_argument("--all", action="store_true", help="every row, and compile and import times")
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes and one round: whether everything works"
    )
    parser.add_argument(
        "--peers",
        default="",
        help="columns, separated by commas (default: all; without --all and rows the main ones)",
    )
    parser.add_argument("--threads", default="1,2", help="thread counts (1,2)")
    parser.add_argument("--busy", action="store_true", help="with another process that burns one core")
    parser.add_argument(
        "--states", action="store_true", help="compile plus first call in three states, and imports"
    )
    parser.add_argument("--install", action="store_true", help="make the environments that are missing first")
    parser.add_argument("--envs", type=Path, default=environments.DEFAULT, help="where the environments are")
    parser.add_argument(
        "--out", type=Path, help="JSON lines to append to (default: build/bench.jsonl, begun anew)"
    )
    parser.add_argument(
        "--budget", type=float, default=None, help="seconds after which no further row begins"
    )
    parser.add_argument(
        "--locks",
        default="",
        help="GATE:LOCK, files that other heavy work takes part in: none of it while calls are timed",
    )
    parser.add_argument("--list", action="store_true", help="only name the rows")
    return parser.parse_args()


def chosen(workloads: dict[str, Workload], args: argparse.Namespace) -> list[tuple[Workload, Case]]:
    """The cases the command line asks for, in the order of the table."""
    cases = [(w, c) for w in workloads.values() for c in w.cases(args.quick)]
    if args.rows:
        found = [(w, c) for w, c in cases if any(matches(c.name, r) for r in args.rows)]
        unknown = [r for r in args.rows if not any(matches(c.name, r) for _, c in cases)]
        if unknown:
            raise SystemExit(f"no row begins with {', '.join(unknown)}; --list names them")
        return found
    if args.all or args.quick:
        return cases
    return [(w, c) for w, c in cases if c.dims == w.short and c.dtype == w.dtypes[0]]


def matches(name: str, wanted: str) -> bool:
    """Whole parts: `max` is not the beginning of `max_axis0`, `softmax` not of `softmax_vjp`."""
    parts, asked = name.split("/"), wanted.split("/")
    return parts[: len(asked)] == asked


def missing_environments(args: argparse.Namespace, columns: list[str]) -> None:
    """Install what is asked for, and name what is not to be had."""
    wanted = sorted({COLUMNS[c].environment for c in columns} - {""})
    if not args.install:
        return
    for name, why in environments.install_all(args.envs, wanted).items():
        print(f"absent: {name}: {why}", flush=True)


def main() -> int:
    args = arguments()
    workloads = load()
    cases = chosen(workloads, args)
    if args.list:
        print("\n".join(c.name for _, c in cases))
        return 0
    short = not (args.all or args.rows or args.quick or args.states)
    columns = [c for c in args.peers.split(",") if c] or (SHORT_COLUMNS if short else list(COLUMNS))
    if unknown := set(columns) - set(COLUMNS):
        raise SystemExit(f"no column {', '.join(sorted(unknown))}; there are {', '.join(COLUMNS)}")
    missing_environments(args, columns)
    out = args.out or ROOT / "build" / "bench.jsonl"
    if not args.out:
        out.unlink(missing_ok=True)
    record.append(out, record.machine(args.busy))
    plan = QUICK if args.quick else LONG if args.all or args.rows else SHORT
    if not args.states or args.rows:
        measure_rows(args, cases, columns, plan, out)
    if args.states or (args.all and not args.busy):
        measure_states(args.envs, columns, out, args.quick, Locks(args.locks))
        measure_imports(args.envs, columns, out, args.quick, Locks(args.locks))
    show(out)
    return 0


def measure_rows(
    args: argparse.Namespace, cases: list[tuple[Workload, Case]], columns: list[str], plan: Plan, out: Path
) -> None:
    """Rows of one thread count after the other: workers live as long as their count."""
    locks = Locks(args.locks)
    for threads in (int(n) for n in args.threads.split(",")):
        asked = [(w, c) for w, c in cases if threads in w.threads]
        with Crew(args.envs, columns, threads, args.busy, args.budget) as crew:
            for w, case in asked:
                if crew.out_of_time:
                    print(f"out of time before {case.name}", flush=True)
                    break
                with locks.shared():
                    row = Row(w, case, threads, plan)
                    workers = crew.workers()
                crew.bound = None
                cells = row.run(workers, locks, crew.around(row))
                found = record.row(
                    case, threads, args.busy, {**crew.absent_cells(), **cells}, crew.bound, row.rounds
                )
                record.append(out, found)
                print(progress(found), flush=True)


def progress(found: record.Record) -> str:
    """A line as soon as a row is measured."""
    line = report.line_of(found, "tensorc")
    cells = "  ".join(f"{n} {report.shown(c, False, line.threads)}" for n, c in line.cells.items())
    return f"{line.row}@{line.threads}: ratio {report.ratio_text(line.ratio) or '-'} | {cells}"


def show(out: Path) -> None:
    """The tables of a file."""
    records = record.load([out])
    for busy in (False, True):
        for ours in report.OURS:
            if lines := report.lines_of(records, ours, busy):
                print(f"\n## {ours}{' with a busy core' if busy else ''}: {report.summary(lines)}\n")
                print(report.markdown(lines))
    if lines := report.lines_of(records):
        print("\nBuild and first call\n\n" + report.first_calls(lines))
        print("\nMiB by which the resident set grew then\n\n" + report.memory(lines))
    print("\n".join(["", *report.remarks(report.lines_of(records) + report.lines_of(records, busy=True))]))
    if any(r["kind"] == "state" for r in records):
        print("\n" + report.states_table(records))
    if any(r["kind"] == "import" for r in records):
        print("\n" + report.imports_table(records))


if __name__ == "__main__":
    raise SystemExit(main())
