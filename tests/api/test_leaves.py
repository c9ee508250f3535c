"""Leaves of expressions, whatever arrays they are made from."""

from __future__ import annotations

import pickle

import numpy as np

import tensorc as tc
from tensorc.ir.location import UNKNOWN


def test_a_constant_holds_the_dtype_object_that_compiled_code_knows() -> None:
    """NumPy makes new dtype objects when it unpickles; the native entry compares them by identity."""
    value = pickle.loads(pickle.dumps(np.arange(40.0)))
    assert value.dtype is not np.dtype("float64")
    for given in (value, value.astype(">f8"), value[::-1]):
        leaf = tc.api.leaves.Constant(given, UNKNOWN)
        assert leaf.value.dtype is np.dtype("float64")
        assert np.array_equal(tc.function([], leaf + 1)(), given + 1)
    assert np.array_equal(pickle.loads(pickle.dumps(tc.function([], leaf + 1)))(), given + 1)
