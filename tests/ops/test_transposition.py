"""Tiles transposed in registers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tensorc.codegen_llvm import libraries
from tensorc.interp.loops import LoopInterpreter
from tensorc.ir.definition import NO_ATTRS
from tensorc.ir.errors import TensorcTypeError
from tensorc.ir.types import VectorType, f32, f64
from tensorc.ops import transposition
from tensorc.ops.loops import vector
from tensorc.ops.loops.base import numpy_dtype

RNG = np.random.default_rng(8)
SHAPES = ((0, 4), (4, 0), (1, 1), (1, 16), (16, 16), (17, 33), (5, 70), (64, 31))


def bytes_of(shape: tuple[int, ...], dtype: Any) -> Any:
    return RNG.integers(0, 127, (*shape, np.dtype(dtype).itemsize), np.uint8).view(dtype)[..., 0]


@pytest.mark.parametrize("bits", [128, 256, 512])
@pytest.mark.parametrize("symbol", sorted(transposition.symbols()))
def test_the_interpreted_function(symbol: str, bits: int) -> None:
    """Rows apart, and more room than needed: nothing beyond whole blocks is written."""
    kind = transposition.symbols()[symbol]
    lanes, dtype = transposition.lanes_of(kind, bits), numpy_dtype(kind)
    program = LoopInterpreter(transposition.module_of(symbol, bits))
    for m, n in SHAPES[: 8 if bits == 512 else 6]:
        x = bytes_of((m, n + 3), dtype)[:, :n]
        rows = -(-m // lanes) * lanes
        out = bytes_of((n + 1, rows + 2), dtype)
        before = out.copy()
        program.call(symbol, [x, out])
        np.testing.assert_array_equal(out[:n, :m], x.T)
        np.testing.assert_array_equal(out[n:], before[n:])
        np.testing.assert_array_equal(out[:, rows:], before[:, rows:])


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int32", "float32", "int64", "float64"])
@pytest.mark.parametrize("shape", [*SHAPES, (513, 65), (66, 1030)])
def test_compiled_programs(shape: tuple[int, int], dtype: str) -> None:
    x = tc.matrix("x", dtype=dtype)
    f = tc.function([x], tc.where(x.T > 5, x.T, x.T))
    a = RNG.integers(0, 2 if dtype == "bool" else 100, shape).astype(dtype)
    for given in (a, a[::-1], a[:, ::-1], np.asfortranarray(a), np.repeat(a, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(f(given), given.T)


def test_nothing_is_gathered_and_large_results_are_streamed() -> None:
    x, y = tc.matrix("x"), tc.matrix("y")
    text = tc.function([x, y], x.T + y).source("llvm")
    assert "gather" not in text
    assert "!nontemporal" in text
    library = libraries.text_of("tensorc_transpose_f32")
    lanes = transposition.lanes_of(f32, libraries.vector_width() or 256)
    assert library.count(f"shufflevector <{lanes} x float>") == lanes // 2 * (lanes.bit_length() - 1)


@pytest.mark.parametrize(
    "types",
    [
        [VectorType((4,), f32), VectorType((8,), f32)],
        [VectorType((4,), f32), VectorType((4,), f64)],
        [VectorType((4,), f32)],
        [f32, f32],
    ],
)
def test_what_cannot_be_interleaved_is_refused(types: list[Any]) -> None:
    with pytest.raises(TensorcTypeError, match=r"vector\.interleave"):
        vector.Interleave.infer(types, NO_ATTRS)
