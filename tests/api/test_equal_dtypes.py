"""NumPy has dtype objects that compare equal and are not the same: unpickled, with metadata, `longlong`.
Users see no difference.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import pytest

import tensorc as tc

MAKERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "unpickled": lambda a: pickle.loads(pickle.dumps(a)),
    "reordered": lambda a: a.astype(a.dtype.newbyteorder("=")),
    "metadata": lambda a: a.astype(np.dtype(a.dtype, metadata={"unit": "m"})),
}


@pytest.fixture(params=MAKERS)
def array(request: pytest.FixtureRequest) -> np.ndarray:
    made = MAKERS[request.param](np.arange(40.0))
    assert made.dtype is not np.dtype(float), "the probe must not be the common dtype object"
    return made


def test_as_argument_and_out(array: np.ndarray) -> None:
    x = tc.vector("x")
    f = tc.function([x], x * 2)
    np.testing.assert_array_equal(f(array), array * 2)
    f(array[::2], out=array[:20])
    np.testing.assert_array_equal(array[:20], np.arange(0.0, 80, 4))


def test_as_constant_and_shared(array: np.ndarray) -> None:
    x, s = tc.vector("x"), tc.shared(array)
    f = tc.function([x], x * array + s, updates={s: s + 1})
    np.testing.assert_array_equal(f(np.ones(40)), array * 2)
    np.testing.assert_array_equal(s.get_value(), array + 1)
    for borrow in (False, True):
        s.set_value(array, borrow=borrow)
        np.testing.assert_array_equal(f(np.zeros(40)), array)
    array.setflags(write=False)
    borrowed = tc.shared(array, borrow=True)
    assert np.shares_memory(borrowed.get_value(borrow=True), array)
    np.testing.assert_array_equal(tc.function([], borrowed * 3)(), array * 3)


def test_longlong() -> None:
    x = tc.lvector("x")
    values = np.arange(4, dtype=np.longlong)
    np.testing.assert_array_equal(tc.function([x], x + values)(values), values + values)
