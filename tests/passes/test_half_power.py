"""Powers with an exponent of a half or three: within 2 ulp of the truth, special values as NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

import tensorc as tc
from tensorc.passes.math.half_power import HALVES, ULP


def arguments(dtype: type) -> np.ndarray:
    rng = np.random.default_rng(0)
    info = np.finfo(dtype)
    least, most = np.log2(float(info.smallest_subnormal)), np.log2(float(info.max))
    found = np.exp2(rng.uniform(least, most, 20_000)).astype(dtype)
    special = [0.0, -0.0, 1.0, np.inf, -np.inf, np.nan, -1.0, -1e-30, info.max, info.tiny]
    return np.concatenate([found, np.array([*special, info.smallest_subnormal], dtype)])


@pytest.mark.parametrize("exponent", HALVES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_within_two_ulp_over_the_whole_range(dtype: type, exponent: float) -> None:
    if np.finfo(np.longdouble).nmant < 60:
        pytest.skip("needs a long double wider than float64 to judge by")
    x = tc.vector("x", dtype=np.dtype(dtype).name)
    f = tc.function([x], x**exponent)
    assert "powf" not in f.source("loops")
    a = arguments(dtype)
    got = f(a)
    with np.errstate(all="ignore"):
        want = np.power(a.astype(np.longdouble), np.longdouble(exponent))
        rounded = want.astype(dtype)
    finite = np.isfinite(rounded) & np.isfinite(got)
    np.testing.assert_array_equal(got[~finite], np.power(a, np.full_like(a, exponent))[~finite])
    assert not np.signbit(got[finite & (got == 0)]).any()
    error = np.abs(got[finite].astype(np.longdouble) - want[finite]) / np.spacing(np.abs(rounded[finite]))
    assert error.max() <= ULP
