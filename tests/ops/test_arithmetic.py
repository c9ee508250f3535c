"""What the loops of `ops/arithmetic.py` make of constants."""

from __future__ import annotations

import numpy as np
import pytest

import tensorc as tc

NUMBERS = [-0.0, 0.0, 0.125, -2.0, np.inf, -np.inf, np.nan, -np.nan, 5e-324, 1e-45]


@pytest.mark.parametrize("name", ["maximum", "minimum"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extremes_with_a_constant_are_those_with_a_variable_bit_for_bit(dtype: str, name: str) -> None:
    """A constant that is not NaN takes fewer comparisons: signs of zeros and of NaN must not show it."""
    x, y = tc.vector("x", dtype=dtype), tc.scalar("y", dtype=dtype)
    values = np.array(NUMBERS * 5, dtype)
    extreme = getattr(tc, name)
    general = tc.function([x, y], [extreme(x, y), extreme(y, x)])
    constants = [tc.constant(np.array(number, dtype)) for number in NUMBERS[:7]]
    special = tc.function([x], [part for c in constants for part in (extreme(x, c), extreme(c, x))])
    wanted = [part for number in NUMBERS[:7] for part in general(values, np.array(number, dtype))]
    for got, want in zip(special(values), wanted, strict=True):
        assert got.tobytes() == want.tobytes()


def test_a_maximum_with_a_number_is_one_instruction() -> None:
    x = tc.vector("x")
    f = tc.function([x], tc.maximum(x, 0.125))
    f(np.ones(3))
    text = f.source("asm")
    if "%zmm" not in text and "%ymm" not in text:
        pytest.skip("not an x86-64 machine")
    assert "vmaxpd" in text
    assert "vcmpunordpd" not in text
