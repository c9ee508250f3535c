"""Arrays whose dtype equals NumPy's own without being that object: unpickled ones, `longlong`, metadata."""

import pickle

import numpy as np
import pytest

import tensorc as tc


def unpickled(array):
    found = pickle.loads(pickle.dumps(array))
    assert found.dtype is not array.dtype
    return found


@pytest.mark.parametrize("mode", ["O0", "fast"])
def test_everywhere_an_array_can_go(mode):
    x = tc.vector("x")
    w = tc.shared(unpickled(np.arange(3.0)), "w")
    c = tc.constant(unpickled(np.arange(40.0)))
    f = tc.function([x], [x + w + c.sum(), x], updates={w: w + 1}, mode=mode)
    np.testing.assert_array_equal(f(unpickled(np.ones(3)))[0], np.arange(3) + 781)
    w.set_value(unpickled(np.zeros(3)), borrow=True)
    np.testing.assert_array_equal(f(np.ones(3))[0], np.ones(3) * 781)
    assert w.get_value().dtype is np.dtype("float64")


def test_kinds_of_foreign_dtypes():
    i = tc.vector("i", dtype="int64")
    f = tc.function([i], i + 1, mode="O0")
    np.testing.assert_array_equal(f(np.arange(3, dtype=np.longlong)), [1, 2, 3])
    tagged = np.arange(3).view(np.dtype("int64", metadata={"unit": "m"}))
    np.testing.assert_array_equal(f(tagged), [1, 2, 3])
    np.testing.assert_array_equal(f(np.arange(3).astype(">i8")), [1, 2, 3])
