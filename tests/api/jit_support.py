"""What the tests of `tc.jit` share."""

from __future__ import annotations

import numpy as np

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
DTYPES = ["bool", *INTEGERS, "float32", "float64"]


def assert_same(found, wanted):
    wanted = np.asarray(wanted)
    assert isinstance(found, np.ndarray)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted, strict=True)
