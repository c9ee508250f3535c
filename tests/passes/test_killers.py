"""Deep, wide, shared and nested programs, and their gradients: work and memory grow with the program.

Work is counted (`effort.py`) at n, 2n and 4n; compiling through LLVM is not in it.
"""

from __future__ import annotations

import pytest

import tensorc as tc
from benchmarks.killer_programs import PROGRAMS
from benchmarks.killers import module_of, peak, stages
from effort import effort
from tensorc.ir.printer import print_op

SIZE = 40
MOST_GROWTH = 2.3
"""For twice the program."""


def efforts(name: str, n: int) -> dict[str, int]:
    return {stage: effort(action) for stage, action in stages(name, n)}


@pytest.mark.parametrize("name", PROGRAMS)
def test_work_grows_with_the_program(name: str) -> None:
    counts = [efforts(name, n) for n in (SIZE, 2 * SIZE, 4 * SIZE)]
    for stage in counts[0]:
        small, middle, large = (c[stage] for c in counts)
        assert middle <= MOST_GROWTH * small, f"{stage}: {small}, {middle}, {large}"
        assert large <= MOST_GROWTH * middle, f"{stage}: {small}, {middle}, {large}"


@pytest.mark.parametrize("name", PROGRAMS)
def test_memory_grows_with_the_program(name: str) -> None:
    peak(name, 8)  # what is made once
    assert peak(name, 4 * SIZE) <= MOST_GROWTH * peak(name, 2 * SIZE)


def test_many_vectors_are_added_in_proportion() -> None:
    """Extents of their own each: what was merged already is looked for among a few."""

    def total(n: int) -> tc.Expr:
        result = tc.vector("x0")
        for k in range(1, n):
            result = result + tc.vector(f"x{k}")
        return result

    small, large = (effort(lambda n=n: total(n)) for n in (200, 400))
    assert large <= MOST_GROWTH * small


def test_extents_that_meet_again_are_merged_once() -> None:
    a, b = tc.vector("a"), tc.vector("b")
    text = print_op(module_of([a, b], (a + b) * (a - b) * (b + a)))
    assert text.count("tensorc.broadcast_extents") == 3  # one of each sum, none of their products


def test_counted_work_tells_a_quadratic_program() -> None:
    """The measure is awake."""

    def quadratic(n: int) -> None:
        for k in range(n):
            for _ in range(k):
                abs(k)

    small, large = (effort(lambda n=n: quadratic(n)) for n in (100, 200))
    assert large > MOST_GROWTH * small
