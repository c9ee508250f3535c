"""Random programs, many: `make fuzz`, or `python benchmarks/fuzz.py [N]`; `--replay FILE` judges a saved one.

Prints what was found, how the time went, the shares of reductions and gradients, and how often each op was
compared on each element type. Exit status 1 if something was found, or if an op was never compared on an
element type it accepts.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tests.fuzz import coverage  # noqa: E402
from tests.fuzz.case import load  # noqa: E402
from tests.fuzz.pool import Judge  # noqa: E402
from tests.fuzz.recipes import CELLS, short  # noqa: E402
from tests.fuzz.search import Tally, search  # noqa: E402

BATCH = 200
TRIES = 4


def batch(number: int, programs: int, until: float) -> Tally:
    """Judge one stretch of the random stream; goes on after a finding with another stretch."""
    tally = Tally()
    with Judge() as judge:
        for part in range(programs):
            left = programs - tally.programs
            if left <= 0 or time.time() > until:
                break
            search(judge, left, number * 1_000_003 + part, tally)
    return tally


def fill(tally: Tally) -> None:
    """Programs for the cells that chance left out."""
    missing = set(coverage.empty(tally.cells))
    with Judge() as judge:
        for op, element in CELLS:
            for number in range(TRIES):
                if (short(op), str(element)) in missing and not tally.cells[short(op), str(element)]:
                    search(judge, 2, number, tally, focus=[(op, element)])


def report(tally: Tally, seconds: float) -> str:
    n = max(tally.programs, 1)
    lines = [
        coverage.table(tally.cells),
        "",
        f"programs {tally.programs}: with reductions {tally.reductions / n:.0%}, "
        f"gradients {tally.gradients / n:.0%}",
        f"elements compared {tally.compared}, undetermined {tally.undetermined}; "
        f"calls that raise {tally.raised}",
        f"seconds {seconds:.0f}, programs a second {tally.programs / seconds:.1f}",
        f"cells without a comparison: {coverage.empty(tally.cells) or 'none'}",
        f"findings: {dict(tally.kinds) or 'none'}",
    ]
    lines += [f"  {f.kind}: {f.path}\n    {f.detail.strip().splitlines()[-1][:300]}" for f in tally.findings]
    return "\n".join(lines)


def run(programs: int, jobs: int, seed: int, limit: float) -> Tally:
    """All batches, over `jobs` processes."""
    total, until = Tally(), time.time() + limit
    sizes = [min(BATCH, programs - k) for k in range(0, programs, BATCH)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        waiting = [pool.submit(batch, seed * 100_000 + k, size, until) for k, size in enumerate(sizes)]
        for done in as_completed(waiting):
            total.add(done.result())
            for f in done.result().findings:
                print(f"{f.kind}: {f.path}\n  {f.detail.strip().splitlines()[-1][:300]}", flush=True)
            if done.result().programs:
                print(f"{total.programs} programs, {sum(total.kinds.values())} findings", flush=True)
    return total


def replay(path: Path) -> int:
    """Judge a saved case; 0 if all agree now."""
    with Judge() as judge:
        verdict = judge(load(path))
    print(f"{verdict.kind or 'all agree'}\n{verdict.detail}")
    return 1 if verdict.kind else 0


def main() -> int:
    os.environ["TENSORC_CACHE"] = "0"  # what is tried is the compiler, not what it once made
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("programs", type=int, nargs="?", default=20_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="another stream of programs")
    parser.add_argument("--seconds", type=float, default=1e9, help="start no program after so long")
    parser.add_argument("--replay", type=Path, help="judge a saved case instead")
    options = parser.parse_args()
    if options.replay is not None:
        return replay(options.replay)
    start = time.time()
    tally = run(options.programs, options.jobs, options.seed, options.seconds)
    fill(tally)
    print(report(tally, time.time() - start))
    return 1 if tally.kinds or coverage.empty(tally.cells) else 0


if __name__ == "__main__":
    sys.exit(main())
