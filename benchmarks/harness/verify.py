"""Judges what a worker gave: its outputs against float64, its threads against what the row says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.harness.case import Array, Case, Workload

RTOL = {"float32": 2e-4, "float64": 1e-9}
"""Of each element, plus a tenth of it of the largest element: float32 sums of 10^7 terms differ by their
order.
"""


def wrong_arrays(w: Workload, case: Case, got: Sequence[Array], expected: Sequence[Array]) -> str | None:
    """What is wrong with a list of arrays, or None."""
    if len(got) != len(expected):
        return f"{len(got)} arrays instead of {len(expected)}"
    for i, (g, e) in enumerate(zip(got, expected, strict=True)):
        if said := wrong_array(w, case, g, e):
            return f"array {i}: {said}"
    return None


def wrong_array(w: Workload, case: Case, got: Array, expected: Array) -> str | None:
    """What is wrong with one array, or None. Shapes may differ by extents of 1 (a peer may keep them)."""
    if got.size != expected.size or squeezed(got) != squeezed(expected):
        return f"shape {got.shape} instead of {expected.shape}"
    g, e = got.reshape(expected.shape), expected
    if w.mismatch or e.dtype.kind in "iub":
        share = float(np.mean(g != e)) if e.size else 0.0
        return f"{share:.2%} of the elements differ" if share > w.mismatch else None
    # A single number may be a Python float, whose dtype says nothing; its digits still do.
    if g.dtype != case.dtype and g.ndim:
        return f"dtype {g.dtype} instead of {case.dtype}"
    g = g.astype(np.float64)
    rtol = w.rtol.get(case.dtype, RTOL[case.dtype])
    largest = float(np.max(np.abs(e), initial=0.0, where=np.isfinite(e)))
    with np.errstate(invalid="ignore"):
        near = np.abs(g - e) <= rtol * (np.abs(e) + 0.1 * largest)
    right = near | (g == e) | (np.isnan(g) & np.isnan(e))
    if right.all():
        return None
    worst = np.max(np.abs(g - e), initial=0.0, where=~right & np.isfinite(g) & np.isfinite(e))
    share = f"{np.mean(~right):.2%} of the elements are off"
    return f"{share}, by {worst:.2g} at most where the largest is {largest:.2g}"


def squeezed(a: Array) -> tuple[int, ...]:
    return tuple(n for n in a.shape if n != 1)


def refused_threads(threads: Mapping[str, int] | None, asked: int) -> str | None:
    """Why a time may not be compared: the peer did not say how many threads it has, or has more than the
    row.
    """
    if not threads:
        return "thread count not recorded"
    excess = {pool: n for pool, n in threads.items() if n > asked}
    return f"asked for {asked} threads, has {excess}" if excess else None


def refused_versions(versions: Mapping[str, str] | None) -> str | None:
    """Why a time may not be compared: nobody knows what computed it."""
    return None if versions else "versions not recorded"
