"""Results are the same bits whatever the number of threads: chunk borders are seen by nobody."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tests.fuzz.pool import Judge
from tests.fuzz.search import Tally, search
from tests.threads.pool_support import compiling_with, pool_of

Program = Callable[[Any], Any]
VECTORS: dict[str, Program] = {
    "map": lambda x: tc.exp(x) * 2 + x,
    "long": lambda x: [x.sum(), x.max(), (x * x).mean()],
    "places": lambda x: [x[::-1] + x, tc.concatenate([x, x[::2]]), tc.where(x > 0, x, 0.0)],
    "gradient": lambda x: tc.grad((tc.exp(x) * x).sum(), x),
}
MATRICES: dict[str, Program] = {
    "rows": lambda m: [tc.nn.softmax(m, axis=1), m.sum(axis=1), m.argmax(axis=1)],
    "columns": lambda m: [m.sum(axis=0), m.max(axis=0), m.argmax(axis=0), m.var(axis=0)],
    "all": lambda m: [m.sum(), (m - m.mean(axis=0)).std()],
    "turned": lambda m: [m.T * 2, m.T @ m, m[:, :1] + m],
    "gradient": lambda m: tc.grad((tc.nn.log_softmax(m, axis=1) ** 2).sum(), m),
}
HELPED = ("map", "places", "gradient", "rows", "turned", "narrow")
"""Programs with a loop that other threads must be asked to help with, in every mode."""


def narrow(name: str) -> Any:
    return tc.tensor(name, shape=(None, 5))


CASES = [
    *((name, program, tc.vector, [(n,) for n in (1, 63, 1025, 30_000)]) for name, program in VECTORS.items()),
    *(
        (name, program, tc.matrix, [(2, 1), (1, 3000), (3, 700), (130, 70), (1500, 3)])
        for name, program in MATRICES.items()
    ),
    ("narrow", lambda x: [x.mean(axis=0), x.max(axis=0)], narrow, [(3, 5), (2049, 5), (20_000, 5)]),
]


def bits(result: Any) -> list[bytes]:
    return [np.asarray(r).tobytes() for r in (result if isinstance(result, list) else [result])]


def imports(function: Any) -> set[str]:
    return {name for body in function.machine.bodies.values() for name in body.object_code.imports}


@pytest.mark.parametrize("mode", ["O0", "O2"])
@pytest.mark.parametrize(
    ("name", "program", "symbol", "shapes"), CASES, ids=[c[0] + c[2].__name__ for c in CASES]
)
def test_bits(name: str, program: Program, symbol: Any, shapes: list[tuple[int, ...]], mode: str) -> None:
    x = symbol("x")
    with compiling_with(None):
        alone = tc.function([x], program(x), mode=mode)
    with compiling_with(0):
        shared = tc.function([x], program(x), mode=mode)
    assert "tensorc_loop" not in imports(alone)
    assert name not in HELPED or "tensorc_loop" in imports(shared)
    for shape in shapes:
        values = np.random.default_rng(sum(shape)).standard_normal(shape)
        expected = bits(alone(values))
        for count in (1, 2, 3, 7):
            with pool_of(count, unit=3000) as pool:
                assert bits(shared(values)) == expected, (shape, count)
                assert pool.workers() <= count - 1


def test_parts_of_a_long_function_share_their_loops() -> None:
    """A function too long for LLVM is split; its parts ask for help as it would itself."""
    x = tc.vector("x")
    y = x
    for k in range(30):
        y = (y + float(k)) * 0.75
    with compiling_with(None):
        alone = tc.function([x], y, mode="O0")
    with compiling_with(0):
        shared = tc.function([x], y, mode="O0")
        text = shared.source("llvm")
    parts = re.findall(r"define internal .*@main_part\d+\(.*ptr %record\)", text)
    assert len(parts) > 1
    assert re.search(r"call .*@tensorc_loop\(ptr .*%record, ptr .*@main_part", text)
    values = np.random.default_rng(1).standard_normal(5000)
    with pool_of(3, unit=3000):
        assert bits(shared(values)) == bits(alone(values))


def test_random_programs_agree_when_every_loop_is_shared() -> None:
    tally = Tally()
    with Judge(plant="tests.threads.pool_support:everywhere") as judging:
        search(judging, 6, 77, tally)
    assert not tally.findings, [(f.kind, f.detail, f.case.text) for f in tally.findings]
    assert tally.programs >= 6
    assert tally.compared > 0
