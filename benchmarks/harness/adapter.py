"""What a file in `benchmarks/peers/` provides: a class `Peer`, and programs entered by `@PROGRAMS(...)`.

A program is a function of the case, the initial state and an example of the inputs (already `put`); it
returns what is called with the inputs, or a `Program` where there is more to say.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.case import Array, Case


class Skip(Exception):
    """This peer has no program for the case; the text says why."""


@dataclass
class Program:
    """`call` and what belongs to it. `extra` are further arguments, the same at every call; `state` gives the
    present state as arrays, in the order of the workload's; `reset` makes it the initial one again. `result`
    gives the outputs where a call does not return them.
    """

    call: Callable[..., Any]
    extra: tuple[Any, ...] = ()
    state: Callable[[], Sequence[Any]] | None = None
    reset: Callable[[], None] | None = None
    result: Callable[[], Any] | None = None


Builder = Callable[..., Any]


class Programs(dict[str, Builder]):
    """Programs by the name of their workload."""

    def __call__(self, *names: str) -> Callable[[Builder], Builder]:
        def enter(builder: Builder) -> Builder:
            for name in names:
                assert name not in self, name
                self[name] = builder
            return builder

        return enter


class BasePeer:
    """A peer whose values are NumPy arrays; others override what differs."""

    programs: Programs

    def __init__(self, threads: int, variant: str = "") -> None:
        self.asked, self.variant = threads, variant

    def versions(self) -> dict[str, str]:
        """Name and version of what computes."""
        raise NotImplementedError

    def threads(self) -> dict[str, int]:
        """Pools and how many threads each of them says it has, the caller's included."""
        raise NotImplementedError

    def put(self, array: Array) -> Any:
        return array

    def get(self, output: Any) -> list[Array]:
        """Outputs as a flat list of arrays."""
        if output is None:
            return []
        if isinstance(output, tuple | list):
            return [a for part in output for a in self.get(part)]
        return [np.asarray(output)]

    def build(self, case: Case, state: Sequence[Any], example: Sequence[Any]) -> Program:
        """Compile the program of a case."""
        builder = self.programs.get(case.workload)
        if builder is None:
            raise Skip("no program")
        made = builder(self, case, state, example)
        return made if isinstance(made, Program) else Program(made)

    def missing(self, error: Exception) -> str | None:
        """Whether the error says that the peer has no such operation: its words, or None."""
        return None


def blas_threads() -> dict[str, int]:
    """What the BLAS libraries loaded in this process say."""
    from threadpoolctl import threadpool_info

    pools = [p for p in threadpool_info() if p["user_api"] == "blas"]
    return {f"blas{i or ''}": int(p["num_threads"]) for i, p in enumerate(pools)}


def named_threads(prefix: str) -> int:
    """How many threads of this process carry a name that begins with `prefix`."""
    tasks = Path(f"/proc/{os.getpid()}/task")
    return sum((task / "comm").read_text().startswith(prefix) for task in tasks.iterdir())
