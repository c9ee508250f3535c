"""The process one peer runs in: `python -m benchmarks.harness.worker ADAPTER VARIANT THREADS CPUS`.

Requests are JSON lines on standard input, answers JSON lines on what was standard output; whatever libraries
print goes to standard error. Arrays travel as files in a folder that the request names.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from itertools import cycle, islice
from pathlib import Path
from typing import Any

Request = dict[str, Any]
Answer = dict[str, Any]
PR_SET_PDEATHSIG = 1


def peak_rss() -> float:
    """The largest resident set since `forget_peak`, in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def forget_peak() -> None:
    """Let the kernel count the peak from now on; where it may not, the figure is an upper bound."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def timing_loop(arity: int) -> Callable[..., float]:
    """A loop that calls with `arity` arguments and nothing between: unpacking `*args` would cost more than
    some calls take.
    """
    names = ", ".join(f"a{i}" for i in range(arity))
    target = f"({names},)" if arity else "_"
    text = (
        "def loop(call, batch):\n    start = now()\n"
        f"    for {target} in batch:\n        call({names})\n    return now() - start\n"
    )
    space: dict[str, Any] = {"now": time.perf_counter}
    exec(text, space)
    found: Callable[..., float] = space["loop"]
    return found


class Worker:
    """Answers requests for one peer; holds one prepared program."""

    def __init__(self, peer: Any, import_s: float) -> None:
        self.peer, self.import_s = peer, import_s
        self.release({})

    def hello(self, request: Request) -> Answer:
        return {"versions": self.peer.versions(), "import_s": self.import_s, "pid": os.getpid()}

    def release(self, request: Request) -> Answer:
        self.program, self.arguments, self.loop = None, [], timing_loop(0)
        return {}

    def prepare(self, request: Request) -> Answer:
        """Build the program and call it once with every set of inputs; the outputs are left as files."""
        import numpy as np

        from benchmarks.harness.adapter import Skip
        from benchmarks.harness.case import Case

        self.release({})
        folder = Path(request["folder"])
        case = Case(request["case"][0], tuple(request["case"][1]), request["case"][2])
        sets = [read(folder / f"inputs{i}.npz") for i in range(request["sets"])]
        state = read(folder / "state.npz")
        inputs = [tuple(self.peer.put(a) for a in arrays) for arrays in sets]
        forget_peak()
        before, start = peak_rss(), time.perf_counter()
        try:
            program = self.peer.build(case, state, inputs[0])
            built = time.perf_counter()
            first = program.call(*inputs[0], *program.extra)
            called = time.perf_counter()
        except Skip as reason:
            return {"skip": str(reason)}
        except Exception as error:
            if said := self.peer.missing(error):
                return {"skip": said}
            raise
        grown = peak_rss() - before
        self.program = program
        self.arguments = [tuple(a) + tuple(program.extra) for a in inputs]
        self.loop = timing_loop(len(self.arguments[0]))
        outputs = [self.output(first)]
        del first
        outputs += [self.output(program.call(*a)) for a in self.arguments[1:]]
        for i, arrays in enumerate(outputs):
            np.savez(folder / f"{request['tag']}.outputs{i}.npz", *arrays)
        left = [np.asarray(a) for a in program.state()] if program.state else []
        np.savez(folder / f"{request['tag']}.state.npz", *left)
        times = {"build_s": built - start, "first_s": called - built, "rss_mb": grown}
        return {**times, "threads": self.peer.threads()}

    def output(self, returned: Any) -> list[Any]:
        """What a call gave, as arrays of our own: the next call may write where this one did."""
        given = self.program.result() if self.program.result else returned
        return [a.copy() for a in self.peer.get(given)]

    def run(self, request: Request) -> Answer:
        """Seconds a call, for `blocks` blocks of `calls` calls after `warm` calls that are not counted."""
        calls, call = request["calls"], self.program.call
        if self.program.reset:
            self.program.reset()
        rotation = cycle(self.arguments)
        self.loop(call, list(islice(rotation, request["warm"])))
        blocks = [list(islice(rotation, calls)) for _ in range(request["blocks"])]
        return {"seconds": [self.loop(call, batch) / calls for batch in blocks]}

    def check(self, request: Request) -> Answer:
        """One more call with the first inputs, after the timing; and the thread counts then."""
        import numpy as np

        folder = Path(request["folder"])
        if self.program.reset:
            self.program.reset()
        outputs = self.output(self.program.call(*self.arguments[0]))
        np.savez(folder / f"{request['tag']}.check.npz", *outputs)
        return {"threads": self.peer.threads()}

    def probe(self, request: Request) -> Answer:
        """Bandwidth and peak of the machine; only the probe has them."""
        kinds = request["dtypes"]
        return {
            "bandwidth": self.peer.bandwidth(request["footprint"]),
            "peak": {d: self.peer.peak(d) for d in kinds},
        }

    def answer(self, request: Request) -> Answer:
        try:
            result: Answer = getattr(self, request["do"])(request)
            return result
        except Exception as error:
            traceback.print_exc()
            lines = str(error).strip().splitlines() or [""]
            return {"error": f"{type(error).__name__}: {lines[0]}"[:300]}


def read(path: Path) -> list[Any]:
    """The arrays of an npz file in order."""
    import numpy as np

    with np.load(path) as file:
        return [file[f"arr_{i}"] for i in range(len(file.files))]


def end_with_parent() -> None:
    """Let the kernel kill this process when its parent dies: one that stands still would stay for ever."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> int:
    adapter, variant, threads, cpus = sys.argv[1:5]
    end_with_parent()
    os.sched_setaffinity(0, {int(c) for c in cpus.split(",")})
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    start = time.perf_counter()
    module = import_module(adapter)
    peer = module.Peer(int(threads), variant)
    worker = Worker(peer, time.perf_counter() - start)
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "quit":
            break
        print(json.dumps(worker.answer(request)), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
