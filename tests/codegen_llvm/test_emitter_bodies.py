"""Which functions are marked as long straight-line code, and that they lose nothing by it."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tensorc as tc
from tensorc.codegen_llvm import jit
from tensorc.codegen_llvm.emitter_bodies import LONG, Bodies


def seen(nest: list, bodies: Bodies | None = None) -> Bodies:
    """Loops as `[own lines, inner loop, inner loop, ...]`, entered and left as the emitter does."""
    found = bodies or Bodies()
    found.enter()
    for inner in nest[1:]:
        seen(inner, found)
    found.leave(total(nest))
    return found


def total(nest: list) -> int:
    return nest[0] + sum(total(inner) for inner in nest[1:])


@pytest.mark.parametrize(
    ("nest", "straight"),
    [
        ([LONG], True),
        ([LONG - 1], False),
        ([10, [LONG]], True),
        ([10, [4 * LONG], [30]], True),
        ([10, [LONG], [90]], False),  # too much of it is elsewhere
        ([4 * LONG, [10]], False),  # a loop inside runs more often
        ([10, [400], [5, [6]]], False),  # and one beside it, deeper
        ([LONG // 2, [LONG // 2]], False),  # lines of loops inside do not count
    ],
)
def test_what_is_straight(nest: list, straight: bool) -> None:
    assert seen(nest).straight is straight


def test_no_loop_is_not_straight() -> None:
    assert not Bodies().straight


def test_a_loop_over_lanes_belongs_to_the_body_around_it() -> None:
    bodies = Bodies()
    bodies.enter()
    bodies.enter()
    bodies.leave(20, lane_by_lane=True)
    bodies.leave(LONG + 20)
    assert bodies.straight


def test_long_kernels_are_marked_and_short_ones_are_not() -> None:
    x, m = tc.vector("x"), tc.matrix("m")
    long = tc.tanh(tc.sin(x) * tc.exp(-x) + tc.erf(x))
    assert jit.STRAIGHT in tc.function([x], long).source("llvm")
    for light in (tc.function([x], x * 2 + 1), tc.function([m], m.sum(axis=1)), tc.function([m], m @ m)):
        assert jit.STRAIGHT not in light.source("llvm")


def test_few_passes_give_the_numbers_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN, infinities, rare arguments of sin, more and fewer elements than a vector has."""
    monkeypatch.setenv("TENSORC_CACHE", "0")
    x = tc.vector("x")
    y = tc.tanh(tc.sin(x) * tc.exp(-x) + tc.erf(x))
    few = tc.function([x], y)
    monkeypatch.setattr(jit, "_is_straight", lambda function: False)
    every = tc.function([x], y)
    values = np.array([0.0, -0.0, 1e300, -3e9, np.inf, -np.inf, np.nan, 5e-324, *np.linspace(-9, 9, 97)])
    for n in (0, 1, 7, 8, 9, len(values)):
        np.testing.assert_array_equal(few(values[:n]).view(np.int64), every(values[:n]).view(np.int64))


def test_a_long_loop_is_tidy_machine_code() -> None:
    """One address a buffer and iteration, no stack traffic for its counter, one jump a round."""
    x = tc.vector("x")
    y = x
    for _ in range(40):
        y = (y * 0.5 + x) * y - 0.25
    text = tc.function([x], y).source("llvm")
    loop = next(b for b in re.split(r"\n\n", text) if "masked.store" in b)
    assert loop.count("getelementptr") == 2
    assert len(re.findall(r"^  br ", loop, re.MULTILINE)) == 1
    assert "alloca" not in text[text.index(".loop0(ptr noalias") :].split("\n}")[0]
