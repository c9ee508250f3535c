"""Loops in chunks: the same results as whole loops, and text that polls where it should."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tensorc.api import build
from tensorc.codegen_llvm.emitter import EmitterOptions
from tensorc.codegen_llvm.emitter_polls import FLAT_CHUNK

Programs = dict[str, Callable[[Any], Any]]
VECTORS: Programs = {
    "map": lambda x: tc.exp(x) * 2 + x,
    "sum": lambda x: x.sum(),
    "two": lambda x: [x.max(), (x * x).sum(), x[::-1] + x],
    "copy": lambda x: tc.concatenate([x, x[::2], x]),
}
MATRICES: Programs = {
    "rows": lambda m: tc.nn.softmax(m, axis=1),
    "columns": lambda m: m.sum(axis=0),
    "turned": lambda m: m.T * 2,
    "product": lambda m: m @ m.T,
}


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Compiles without polls."""

    def compile(inputs: Any, outputs: Any, mode: str) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(build, "_emitter_options", lambda: EmitterOptions(None))
            patch.setenv("TENSORC_CACHE", "0")
            return tc.function(inputs, outputs, mode=mode)

    return compile


def bits(result: Any) -> list[bytes]:
    return [np.asarray(r).tobytes() for r in (result if isinstance(result, list) else [result])]


@pytest.mark.parametrize("mode", ["O0", "O2"])
@pytest.mark.parametrize("name", VECTORS)
def test_chunks_of_vectors(name: str, mode: str, whole: Callable[..., Any]) -> None:
    x = tc.vector("x")
    f, g = tc.function([x], VECTORS[name](x), mode=mode), whole([x], VECTORS[name](x), mode)
    for n in (1, FLAT_CHUNK - 1, FLAT_CHUNK, FLAT_CHUNK + 1, 9 * FLAT_CHUNK, 9 * FLAT_CHUNK + 3, 200_000):
        values = np.random.default_rng(n).standard_normal(n)
        assert bits(f(values)) == bits(g(values)), n
        assert bits(f(np.repeat(values, 2)[::2])) == bits(g(values)), n


@pytest.mark.parametrize("mode", ["O0", "O2"])
@pytest.mark.parametrize("name", MATRICES)
def test_chunks_of_rows(name: str, mode: str, whole: Callable[..., Any]) -> None:
    m = tc.matrix("m")
    f, g = tc.function([m], MATRICES[name](m), mode=mode), whole([m], MATRICES[name](m), mode)
    for shape in ((0, 5), (1, 30_000), (9, 3_000), (10, 2), (65, 3), (700, 30), (1, 1)):
        values = np.random.default_rng(sum(shape)).standard_normal(shape)
        assert bits(f(values)) == bits(g(values)), shape


def test_only_outermost_loops_poll_and_free_what_they_hold() -> None:
    m = tc.matrix("m")
    build_of = tc.function([m], [tc.exp(m @ m).sum(axis=0) @ m, m.sum()]).build
    from tensorc.codegen_llvm import emitter

    text = emitter.emit(build_of.module("loops"), EmitterOptions(None, polls=True))
    body = text[text.index("@main(") :]
    assert "call i64 @tensorc_poll" in body
    assert body.count("failed:") == 1
    end = body[body.index("failed:") :]
    assert re.search(r"phi i32.*\[ 4, .*\n.*@tensorc_drop_all.*\n  ret i32", end)
    shapes = text[text.index("@main_shapes(") : text.index("@main(")]
    assert "poll" not in shapes
    assert "tensorc_poll" not in emitter.emit(build_of.module("loops"))


def test_the_work_of_a_loop_counts_what_its_functions_compute() -> None:
    """A tile of additions is thousands of steps, one of a function tens of times that."""
    x = tc.vector("x")
    added, several, functions = (works([x], y)[0] for y in (x + 1, (x + 1) * x - 3, tc.tanh(x)))
    assert 4096 * 8 <= added < several < 2 * added
    assert functions > 3 * added


def test_equal_loops_are_one_function() -> None:
    from tensorc.codegen_llvm import emitter, libraries

    draw = np.random.default_rng(0)
    weights = [tc.shared(draw.standard_normal((8, 8))) for _ in range(5)]
    x = tc.matrix("x")
    layer = x
    for w in weights:
        layer = tc.tanh(layer @ w)
    f = tc.function([x], layer)
    text = emitter.emit(f.build.module("loops"), libraries.host_options())
    calls = re.findall(r"call i32 @tensorc_loop\(ptr %\w+, ptr @([\w.]+)", text)
    defined = re.findall(r"^define internal i32 @([\w.]+)\(ptr noalias", text, re.MULTILINE)
    assert len(calls) == 5
    assert set(calls) == set(defined)
    assert len(defined) <= 3  # the first reads an argument, the last writes one
    given = draw.standard_normal((700, 8))
    expected = given
    for w in weights:
        expected = np.tanh(expected @ w.get_value())
    np.testing.assert_allclose(f(given), expected, rtol=1e-12, atol=1e-13)


def works(inputs: list[Any], output: Any) -> list[int]:
    """The work of an iteration of every loop that threads may share, where it is a number."""
    from tensorc.codegen_llvm import emitter, libraries

    text = emitter.emit(tc.function(inputs, output).build.module("loops"), libraries.host_options())
    return [int(n) for n in re.findall(r"@tensorc_loop\(.*, i64 (\d+), i64 \d+\)", text)]


@pytest.mark.parametrize("reduction", [tc.sum, tc.max, tc.argmax])
def test_the_work_of_a_part_of_a_reduction_is_that_of_its_elements(reduction: Callable[..., Any]) -> None:
    x = tc.vector("x", dtype="float32")
    (work,) = works([x], reduction(x))
    assert 16 <= work / 65536 <= 64


def test_the_work_of_an_arrays_argmax_along_an_axis_is_that_of_the_axis() -> None:
    """Its parts are of 2^30 elements."""
    x = tc.tensor("x", dtype="float32", shape=(None, 100))
    assert max(works([x], tc.argmax(x, axis=1))) < 1 << 20


def test_a_products_work_does_not_depend_on_what_follows_it() -> None:
    x, y = (tc.tensor(name, dtype="float32", shape=(512, 512)) for name in "xy")
    work = works([x, y], tc.maximum(x @ y, 0))[-1]
    rows = 512 / round(4 * 512**3 / work)  # of a block
    assert 10 < rows < 300
