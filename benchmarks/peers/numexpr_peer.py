"""numexpr: elementwise rows, and sums of elementwise expressions; its strings are parsed at every call, as
its users do it. Threads by `set_num_threads`.
"""

from __future__ import annotations

from typing import Any

import numexpr
import numpy as np

from benchmarks.harness.adapter import BasePeer, Programs
from benchmarks.harness.case import Case

PROGRAMS = Programs()


class Peer(BasePeer):
    programs = PROGRAMS

    def __init__(self, threads: int, variant: str = "") -> None:
        super().__init__(threads, variant)
        numexpr.set_num_threads(threads)

    def versions(self) -> dict[str, str]:
        return {"numexpr": numexpr.__version__, "numpy": np.__version__}

    def threads(self) -> dict[str, int]:
        return {"numexpr": int(numexpr.get_num_threads())}


def evaluated(text: str, names: str) -> Any:
    """`text` over the inputs called `names`; float literals are written so that they do not widen float32."""
    keys = names.split()

    def call(*arrays: Any) -> Any:
        return numexpr.evaluate(text, dict(zip(keys, arrays, strict=True)), {}, truediv=True)

    return call


@PROGRAMS("call_add1")
def call_add1(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return evaluated("x + 1", "x")


@PROGRAMS("call_fma", "axpy")
def call_fma(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return evaluated("x * y + z", "x y z")


@PROGRAMS("elem12")
def elem12(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    # numexpr finds the common subexpression itself.
    call = evaluated("tanh(exp(x * x * m) * log(abs(x) + q) + x) * h - sqrt(exp(x * x * m))", "x m q h")
    m, q, h = (np.asarray(v, case.dtype) for v in (-0.5, 1.5, 0.5))
    return lambda x: call(x, m, q, h)


@PROGRAMS("variance")
def variance(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    total = evaluated("sum(x)", "x")
    squares = evaluated("sum((x - m) * (x - m))", "x m")

    def call(x: Any) -> Any:
        mean = (total(x) / x.size).astype(x.dtype)
        return (squares(x, mean) / x.size).astype(x.dtype)

    return call
