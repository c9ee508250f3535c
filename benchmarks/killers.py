"""Time and peak memory of compiling long programs, by their size n: `killer_programs.py` says which.

    python benchmarks/killers.py --sizes 250 500 1000 2000 --svg killers.svg

Columns: the program; n; seconds to write it down, to derive it, to trace it, and to run the tensor passes on
the gradient (canonicalize, stabilise, canonicalize); MiB at the peak of all this. LLVM is not in it.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import tensorc as tc
from benchmarks.killer_programs import PROGRAMS
from tensorc.api.trace import trace
from tensorc.ir import builtin
from tensorc.ir.core import Operation
from tensorc.ir.parser import parse_module
from tensorc.ir.printer import print_op
from tensorc.passes import manager

Stage = tuple[str, Callable[[], Any]]
QUIET = manager.Options(reproducer=False)


def module_of(inputs: list[Any], output: Any) -> Operation:
    """The traced function in a module of its own."""
    module = builtin.new_module()
    module.regions[0].block.append(trace([output], inputs).func)
    return module


def stages(name: str, n: int) -> Iterator[Stage]:
    """What is done with a program and its gradient, one stage after the other."""
    state: dict[str, Any] = {}

    def do(key: str, action: Callable[[], Any]) -> Callable[[], None]:
        return lambda: state.update({key: action()})

    yield "build", do("program", lambda: PROGRAMS[name](n))
    inputs, output = state["program"]
    yield "grad", do("gradient", lambda: tc.grad(output, inputs[0]))
    yield "trace", do("module", lambda: module_of(inputs, state["gradient"]))
    yield "print", do("text", lambda: print_op(state["module"]))
    yield "parse", do("again", lambda: parse_module(state["text"]))
    yield "cse", lambda: manager.run(state["again"], "cse", QUIET)
    yield "canonicalize", lambda: manager.run(state["module"], "canonicalize", QUIET)
    yield "stabilise", lambda: manager.run(state["module"], "stabilise,canonicalize", QUIET)


def measure(name: str, n: int) -> dict[str, float]:
    """Seconds a stage."""
    found = {}
    for stage, action in stages(name, n):
        start = time.perf_counter()
        action()
        found[stage] = time.perf_counter() - start
    return found


def peak(name: str, n: int) -> float:
    """MiB at the most, of what Python allocates. The cycles a stage leaves are cleared away at its end and
    never within it: when the collector comes by itself is chance.
    """
    collecting = gc.isenabled()
    gc.disable()
    gc.freeze()  # what was there before is not looked through at every stage
    tracemalloc.start()
    try:
        for _, action in stages(name, n):
            action()
            gc.collect()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()
        gc.unfreeze()
        if collecting:
            gc.enable()


def curves(rows: list[tuple[str, int, float, float]], path: Path) -> None:
    """Seconds over n, both logarithmic: a slope of 1 is time in proportion."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 5))
    for name in dict.fromkeys(row[0] for row in rows):
        points = [(n, seconds) for program, n, seconds, _ in rows if program == name]
        axes.loglog(*zip(*points, strict=True), marker="o", label=name)
    axes.set(xlabel="n", ylabel="seconds, without LLVM")
    axes.legend(fontsize=7)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[250, 500, 1000, 2000])
    parser.add_argument("--programs", nargs="+", choices=sorted(PROGRAMS), default=list(PROGRAMS))
    parser.add_argument("--svg", type=Path, help="draw the curves there (needs matplotlib, extra `dev`)")
    options = parser.parse_args()
    print("| program | n | build | grad | trace | passes | MiB |\n|---|---|---|---|---|---|---|")
    rows = []
    for name in options.programs:
        for n in options.sizes:
            seconds = measure(name, n)
            passes = seconds["canonicalize"] + seconds["stabilise"]
            memory = peak(name, n)
            shown = [f"{seconds[stage]:.2f}" for stage in ("build", "grad", "trace")]
            print(f"| {name} | {n} | {' | '.join(shown)} | {passes:.2f} | {memory:.0f} |", flush=True)
            rows.append((name, n, sum(seconds.values()), memory))
    if options.svg is not None:
        curves(rows, options.svg)


if __name__ == "__main__":
    main()
