"""Leaves of expressions, whatever arrays they are made from."""

from __future__ import annotations

import gc
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tensorc.ir.errors import TensorcTypeError
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


def test_dropped_variables_free_their_arrays_without_the_collector() -> None:
    """The extents of a leaf hold it, not the other way round: weights are large and collections rare."""
    gc.collect()
    gc.disable()
    try:
        w, x = tc.shared(np.zeros((3, 4)), "w"), tc.matrix("x")
        held, freed = w.extents[0], weakref.ref(w)
        assert w.extents[0] is held  # the same expression as long as somebody has it
        cost = tc.sum(x @ w) * w.shape[0]
        f = tc.function([x], cost, updates=[(w, w * 0.5)], mode="O0")
        assert f(np.ones((2, 3))) == 0
        del w, held, cost, f
        assert freed() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("held", "given"),
    [
        (np.zeros(3, dtype="float32"), [5, 6, 7]),
        (np.zeros(3, dtype="float32"), (0.1, 2, np.inf)),
        (np.zeros((1, 2), dtype="int8"), [[127, -128]]),
        (np.zeros(2, dtype="int32"), []),
        (np.float32(1), 0.1),
    ],
)
def test_python_numbers_take_the_dtype_of_a_shared_variable(held: Any, given: Any) -> None:
    s = tc.shared(held)
    s.set_value(given)
    wanted = np.asarray(given, dtype=held.dtype)
    np.testing.assert_array_equal(s.get_value(), wanted)
    assert s.get_value().dtype == held.dtype


@pytest.mark.parametrize(
    ("held", "given"),
    [
        (np.zeros(2, dtype="int8"), [1, 128]),
        (np.zeros(2, dtype="int64"), [1.0, 2.0]),
        (np.zeros(2, dtype="uint8"), [-1, 2]),
        (np.zeros(2, dtype=bool), [0, 1]),
        (np.zeros(2, dtype="float32"), ["1", "2"]),
        (np.zeros(2, dtype="float32"), np.ones(2)),
    ],
)
def test_what_a_shared_variable_cannot_hold_changes_nothing(held: Any, given: Any) -> None:
    s = tc.shared(held)
    with pytest.raises(TensorcTypeError, match="the shared variable"):
        s.set_value(given)
    np.testing.assert_array_equal(s.get_value(), held)
