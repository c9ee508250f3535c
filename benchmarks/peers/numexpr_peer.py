"""numexpr: elementwise rows, and sums of elementwise expressions, compiled once (`NumExpr`). Threads by
`set_num_threads`.
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


def evaluated(text: str, names: str, dtype: str) -> Any:
    """`text` over inputs called `names`, compiled once."""
    kind = {"float32": float, "float64": np.double}[dtype]  # numexpr's own names for them
    return numexpr.NumExpr(text, [(name, kind) for name in names.split()], truediv=True)


@PROGRAMS("call_add1")
def call_add1(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return evaluated("x + 1", "x", case.dtype)


@PROGRAMS("call_fma", "axpy")
def call_fma(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    return evaluated("x * y + z", "x y z", case.dtype)


@PROGRAMS("elem12")
def elem12(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    # numexpr finds the common subexpression itself.
    call = evaluated(
        "tanh(exp(x * x * m) * log(abs(x) + q) + x) * h - sqrt(exp(x * x * m))", "x m q h", case.dtype
    )
    m, q, h = (np.asarray(v, case.dtype) for v in (-0.5, 1.5, 0.5))
    return lambda x: call(x, m, q, h)


@PROGRAMS("variance")
def variance(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    total = evaluated("sum(x)", "x", case.dtype)
    squares = evaluated("sum((x - m) * (x - m))", "x m", case.dtype)

    def call(x: Any) -> Any:
        mean = (total(x) / x.size).astype(x.dtype)
        return (squares(x, mean) / x.size).astype(x.dtype)

    return call
