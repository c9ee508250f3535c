"""`stream` says which stores of results nobody reads again; past the caches or not, every bit is the same."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tensorc.codegen_llvm import emitter_streams
from tensorc.codegen_llvm.host import host
from tensorc.ir.core import Operation
from tensorc.ir.parser import parse_module
from tensorc.ir.verifier import check


def module(f: Any) -> Operation:
    return parse_module(f.source("loops"))


def marked(f: Any) -> list[Operation]:
    return [op for op in module(f).walk() if emitter_streams.is_streamed(op)]


def test_results_that_are_only_written_are_streamed() -> None:
    x, y = tc.fvector("x"), tc.fvector("y")
    f = tc.function([x, y], x * 2.5 + y)
    check(module(f))
    (store,) = marked(f)
    assert store.attributes.get("nontemporal") is not None


def test_results_that_are_read_again_are_not() -> None:
    """Softmax keeps exponentials in its result until their sum is known."""
    x = tc.fmatrix("x")
    f = tc.function([x], tc.nn.softmax(x, axis=1))
    loops = f.source("loops")
    output = re.search(r"%(\w+): memref<\?x\?xf32>, %\w+: memref<4xi64>\):", loops.split("main_shapes")[1])
    assert output is not None
    read = f'load"(%{output.group(1)},' in loops.split("main_shapes")[1]
    assert read is not bool(marked(f))


@pytest.fixture
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emitter_streams, "LARGE", 0)
    monkeypatch.setenv("TENSORC_CACHE", "0")


def bodies(x: Any) -> dict[str, Any]:
    return {
        "light": x * 2.5,
        "two lines": tc.exp(x),
        "heavy": tc.exp(tc.tanh(x)) / (1 + x * x),
        "bool": x > 0.5,
    }


@pytest.mark.usefixtures("everything_is_large")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["light", "two lines", "heavy", "bool"])
def test_any_place_and_any_number_of_elements(name: str, dtype: str) -> None:
    """Arrays of the caller begin anywhere in a line, and what is beside them stays what it was."""
    x = tc.tensor("x", dtype=dtype, shape=(None,))
    streamed = tc.function([x], bodies(x)[name])
    plain = tc.function([x], bodies(x)[name], mode="O1")
    values = np.random.default_rng(0).standard_normal(9000).astype(dtype)
    for count in (0, 1, 15, 16, 64, 127, 128, 4095, 4096, 4097, 8900):
        for first in (0, 1, 3, 8, 16, 17):
            want = plain(values[:count])
            around = np.full(count + 64, 7).astype(want.dtype)
            streamed(values[:count], out=around[first : first + count])
            np.testing.assert_array_equal(around[first : first + count], want)
            assert (around[:first] == around[-1]).all()
            assert (around[first + count :] == around[-1]).all()


@pytest.mark.usefixtures("everything_is_large")
def test_the_code_has_a_fence_behind_streaming_stores() -> None:
    if not host().triple.startswith(("x86_64", "amd64")):
        pytest.skip("the assembly of another processor is not read here")
    x = tc.fvector("x")
    text = tc.function([x], x * 2.5).source("asm")
    assert "vmovntp" in text or "movntp" in text
    after = text[text.rindex("movntp") :]
    assert re.search(r"mfence|lock\s+or", after), after


def test_a_large_result_of_several_threads() -> None:
    x = tc.fmatrix("x")
    f = tc.function([x], [x * 2.5, tc.sum(x * 2.5, axis=1)])
    values = np.random.default_rng(1).standard_normal((1024, 2100)).astype("float32")
    for _ in range(3):
        product, sums = f(values)
        np.testing.assert_array_equal(product, values * np.float32(2.5))
        np.testing.assert_allclose(sums, product.sum(axis=1), rtol=1e-4)
