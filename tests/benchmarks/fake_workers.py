"""Workers without a process: they compute a row's reference themselves, right or wrong in a chosen way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.case import Array, Case, Workload
from benchmarks.harness.client import WorkerFailure
from benchmarks.harness.worker import read

CASE = Case("double", (4,), "float32")
WORKLOAD = Workload(
    "double",
    sizes=((4,),),
    tiny=(4,),
    inputs=lambda case, rng: [rng.standard_normal(case.dims).astype(case.dtype)],
    reference=lambda case, inputs, state: ([inputs[0] * 2], ()),
    traffic=lambda case: 32,
    flops=lambda case: 4,
)


def right(inputs: Sequence[Array]) -> list[Array]:
    return [inputs[0] * np.float32(2)]


@dataclass
class FakeWorker:
    """`journal` is shared: who was asked for what. `seconds` is what every call takes. `dies_at` names a
    request at which it fails; `later` is what it computes after the timing.
    """

    name: str
    journal: list[tuple[str, str]]
    compute: Callable[[Sequence[Array]], list[Array]] = right
    later: Callable[[Sequence[Array]], list[Array]] | None = None
    seconds: float = 0.01
    threads: dict[str, int] | None = field(default_factory=lambda: {"pool": 1})
    info: dict[str, Any] = field(default_factory=lambda: {"versions": {"fake": "1"}})
    skip: str | None = None
    dies_at: str = ""

    def ask(self, limit: float, **request: Any) -> dict[str, Any]:
        do = request["do"]
        self.journal.append((self.name, do))
        if do == self.dies_at:
            raise WorkerFailure(f"the worker ended (-11) during {do}")
        answers: dict[str, Any] = {"prepare": self.prepare, "run": self.run, "check": self.check}
        return answers[do](request) if do in answers else {}

    def prepare(self, request: dict[str, Any]) -> dict[str, Any]:
        if self.skip:
            return {"skip": self.skip}
        folder = Path(request["folder"])
        for i in range(request["sets"]):
            np.savez(folder / f"{self.name}.outputs{i}.npz", *self.compute(read(folder / f"inputs{i}.npz")))
        np.savez(folder / f"{self.name}.state.npz")
        return {"build_s": 0.1, "first_s": 0.1, "rss_mb": 1.0, "threads": self.threads}

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"seconds": [self.seconds] * request["blocks"]}

    def check(self, request: dict[str, Any]) -> dict[str, Any]:
        folder = Path(request["folder"])
        compute = self.later or self.compute
        np.savez(folder / f"{self.name}.check.npz", *compute(read(folder / "inputs0.npz")))
        return {"threads": self.threads}
