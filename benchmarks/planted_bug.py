"""How many random programs it takes to find a bug planted on purpose: `python benchmarks/planted_bug.py`.

Each row plants one off-by-one in one lowering (`tests/fuzz/plants.py`) and searches until it is found, then
shrinks the program. The bug must be found within 500 programs; exit status 1 otherwise.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tests.fuzz.plants import PLANTS  # noqa: E402
from tests.fuzz.pool import Judge  # noqa: E402
from tests.fuzz.search import Finding, Tally, search  # noqa: E402

MOST = 500


def hunt(name: str, seed: int, folder: Path) -> Finding | None:
    """The finding that the planted bug causes."""
    with Judge(plant=f"tests.fuzz.plants:{name}") as judge:
        return search(judge, MOST, seed, Tally(), folder=folder)


def main() -> int:
    os.environ["TENSORC_CACHE"] = "0"  # code with bugs in it must not outlive this process
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("plants", nargs="*", default=[p.__name__ for p in PLANTS])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in options.plants:
            found = hunt(name, options.seed, Path(folder))
            missed += found is None
            if found is None:
                print(f"{name}: not found in {MOST} programs", flush=True)
                continue
            ops = found.case.text.count("tensorc.")
            print(f"{name}: found by program {found.programs}, shrunk to {ops} ops: {found.kind}", flush=True)
            print("  " + found.detail.strip().splitlines()[-1][:200])
            print(found.case.text)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
