"""Bits and text of floats, against NumPy at the widths it has and exact arithmetic for bf16."""

from __future__ import annotations

import math
import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tensorc.ir.floats import bits_of, from_bits, round_to, text_of
from tensorc.ir.types import FloatType, bf16, f16, f32, f64

WIDTHS = [f16, bf16, f32, f64]
NUMPY = {"f16": np.float16, "f32": np.float32, "f64": np.float64}


def same(a: float, b: float) -> bool:
    return struct.pack("<d", a) == struct.pack("<d", b)


@given(st.floats(allow_nan=False))
@pytest.mark.parametrize("type", [f16, f32, f64])
def test_rounding_is_numpys(type: FloatType, value: float) -> None:
    assert same(round_to(value, type), float(NUMPY[type.name](value)))


@given(st.floats(allow_nan=False, allow_infinity=False, width=64))
def test_bf16_rounds_to_the_nearest(value: float) -> None:
    got = round_to(value, bf16)
    if math.isinf(got):
        assert abs(value) >= (2 - 2**-8) * 2.0**127
        return
    bits = bits_of(abs(got), bf16)
    around = [from_bits(b, bf16) for b in (max(bits - 1, 0), bits, bits + 1)]
    distances = [abs(Fraction(n) - Fraction(abs(value))) for n in around if math.isfinite(n)]
    assert abs(Fraction(abs(got)) - Fraction(abs(value))) == min(distances)


@pytest.mark.parametrize("type", [f16, bf16])
def test_every_pattern_of_a_narrow_type_survives(type: FloatType) -> None:
    for bits in range(1 << 16):
        value = from_bits(bits, type)
        assert bits_of(value, type) == bits
        assert same(round_to(value, type), value)
        text = text_of(value, type)
        again = from_bits(int(text, 16), type) if text.startswith("0x") else round_to(float(text), type)
        assert same(again, value)


@given(st.integers(0, 2**32 - 1))
def test_f32_patterns_survive(bits: int) -> None:
    value = from_bits(bits, f32)
    assert bits_of(value, f32) == bits
    text = text_of(value, f32)
    assert same(from_bits(int(text, 16), f32) if text.startswith("0x") else round_to(float(text), f32), value)


@given(st.floats())
def test_f64_text_survives(value: float) -> None:
    text = text_of(value, f64)
    assert same(from_bits(int(text, 16), f64) if text.startswith("0x") else float(text), value)
    assert text.startswith("0x") == (not math.isfinite(value))


@pytest.mark.parametrize(
    ("value", "type", "text"),
    [
        (0.1, f64, "0.1"),
        (-0.0, f64, "-0.0"),
        (1e22, f64, "1.0e+22"),
        (1.0, f32, "1.0"),
        (math.inf, f64, "0x7FF0000000000000"),
        (math.nan, f32, "0x7FC00000"),
        (-math.inf, f16, "0xFC00"),
    ],
)
def test_text(value: float, type: FloatType, text: str) -> None:
    assert text_of(round_to(value, type), type) == text
