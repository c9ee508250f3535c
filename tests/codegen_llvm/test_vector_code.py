"""Hot loops are vector code of the chosen width, by structure: no loop computes one float at a time, and none
calls the C library. Without the pass `vectorize` the same checks fail.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

import tensorc as tc
from codegen_llvm.assembly_loops import Loop, innermost
from tensorc.codegen_llvm.host import host
from tensorc.ir.definition import REGISTRY
from tensorc.ops.families import Pointwise
from tensorc.passes import pipelines

RARE = "tensorc_rare"
"""What the few lanes that need it call, one by one, in a loop of their own."""
OURS = ("tensorc_", "main.", "memcpy")
"""Runtime, parts of the function itself, and copies."""
SCALAR_OPS = {
    "tensorc.remainder": "fmod is a library function of the processor's scalar unit",
    "tensorc.fmod": "the same",
}


@pytest.fixture(autouse=True)
def _x86() -> None:
    if not host().triple.startswith(("x86_64", "amd64")):
        pytest.skip("the assembly of another processor is not read here")


def register() -> str:
    """The letter of the widest registers that are preferred."""
    features = host().features.split(",")
    return "z" if "+avx512f" in features else "y" if "+avx" in features else "x"


def loops_of(build: Callable[..., Any], *shapes: int, dtype: str = "float32") -> list[Loop]:
    symbols = [tc.tensor(f"x{n}", dtype=dtype, shape=(None,) * rank) for n, rank in enumerate(shapes)]
    f = tc.function(symbols, build(*symbols))
    return innermost(f.source("asm"))


def problems(loops: list[Loop]) -> list[str]:
    """What is wrong with the loops of a function that computes with floats."""
    rare = [loop for loop in loops if any(RARE in call for call in loop.calls)]
    hot = [loop for loop in loops if loop not in rare]
    found = [f"call of {call}" for loop in hot for call in loop.calls if not call.startswith(OURS)]
    found += [line for loop in hot for line in loop.scalar if not _joins(loop)]
    if not any(register() in loop.packed for loop in hot):
        found.append("no packed arithmetic of the chosen width")
    return found


def _joins(loop: Loop) -> bool:
    """Whether the scalar arithmetic of a loop only joins the results of blocks, or of the last lanes."""
    return len(loop.scalar) <= 1 or (register() in loop.packed and len(loop.scalar) < loop.packed_lines)


def row_statistics(x: Any) -> Any:
    centred = x - tc.mean(x, axis=1, keepdims=True)
    return centred / tc.sqrt(tc.mean(centred * centred, axis=1, keepdims=True) + 1e-5)


PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "chain": (lambda x: tc.sqrt(tc.exp(x * x * -0.5) + abs(x)) / (1.5 + tc.maximum(x, 0.125)), (1,)),
    "a x + y": (lambda x, y: x * 2.5 + y, (1, 1)),
    "rows of a bias": (lambda x, v: tc.maximum(x + v, 0), (2, 1)),
    "sum": (lambda x: tc.sum(x), (1,)),
    "sum of rows": (lambda x: tc.sum(x, axis=1), (2,)),
    "sum of columns": (lambda x: tc.sum(x, axis=0), (2,)),
    "largest": (lambda x: tc.max(x), (1,)),
    "largest of rows": (lambda x: tc.max(x, axis=1), (2,)),
    "least of columns": (lambda x: tc.min(x, axis=0), (2,)),
    "variance": (lambda x: tc.mean((x - tc.mean(x)) ** 2), (1,)),
    "softmax": (lambda x: tc.nn.softmax(x, axis=1), (2,)),
    "logsumexp": (lambda x: tc.logsumexp(x, axis=1), (2,)),
    "gradient of logsumexp": (lambda x: tc.grad(tc.sum(tc.logsumexp(x, axis=1)), x), (2,)),
    "layer norm": (row_statistics, (2,)),
    "outer sum": (lambda x, y: tc.sum(tc.exp(x[:, None] + y[None, :]), axis=1), (1, 1)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_hot_loops_are_vector_code(name: str, dtype: str) -> None:
    build, shapes = PROGRAMS[name]
    assert problems(loops_of(build, *shapes, dtype=dtype)) == []


@pytest.mark.parametrize("name", ["max", "min"])
def test_a_step_of_an_extreme_is_little_more_than_a_comparison(name: str) -> None:
    """NaN is looked for in pairs, signs of zeros are settled at the end: five halves of an instruction."""
    loops = loops_of(lambda x: getattr(tc, name)(x), 1)
    compares = re.compile(rf"^\s+v{name}ps\s.*%{register()}mm", re.MULTILINE)
    main = max(loops, key=lambda loop: len(compares.findall(loop.text)))
    lines = [line for line in main.text.splitlines() if f"%{register()}mm" in line and "(%r" not in line]
    assert len(lines) <= 2.5 * len(compares.findall(main.text))


UNARY = sorted(
    name.removeprefix("tensorc.")
    for name, definition in REGISTRY.items()
    if issubclass(definition, Pointwise)
    and name not in SCALAR_OPS
    and getattr(tc, name.removeprefix("tensorc."), None) is not None
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_function_of_one_number_calls_the_library(dtype: str) -> None:
    """All at once: each result is an output of one function."""
    x = tc.vector("x", dtype=dtype)
    outputs = []
    for name in UNARY:
        try:
            outputs.append(getattr(tc, name)(x))
        except (TypeError, ValueError):  # takes two arguments, or integers
            continue
    assert len(outputs) > 30
    calls = [c for loop in innermost(tc.function([x], outputs).source("asm")) for c in loop.calls]
    assert [c for c in calls if not c.startswith(OURS)] == []


def test_the_check_sees_what_is_not_vector_code(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, passes in list(pipelines.PIPELINES.items()):
        monkeypatch.setitem(pipelines.PIPELINES, name, passes.replace(",vectorize", ""))
    for name in ("chain", "sum of rows", "sum of columns", "softmax"):
        build, shapes = PROGRAMS[name]
        assert problems(loops_of(build, *shapes)) != [], name
