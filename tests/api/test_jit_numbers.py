"""`tc.jit`: Python numbers stay weak, static arguments are compared by type and value."""

from __future__ import annotations

import numpy as np
import pytest

import tensorc as tc
from tests.api.jit_support import DTYPES, assert_same


def test_a_strong_scalar_array_is_not_taken_for_a_weak_number():
    @tc.jit
    def f(x, n):
        return x * n

    a = np.ones(2, "f4")
    assert f(a, 2.0).dtype == "f4"
    assert f(a, np.array(2.0)).dtype == "f8"
    assert f(a, 2.0).dtype == "f4"
    assert f(a, np.float64(2)).dtype == "f8"
    assert f(a, np.array(2.0)).dtype == "f8"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("number", [2, 2.5, True, -1])
def test_python_numbers_are_weak_as_in_numpy(dtype, number):
    a = np.array([0, 1, 1], dtype)

    def program(m, x, n):
        yield from (x + n, x * n, m.maximum(x, n), (n * 3 + 2) * x)
        yield from (x < n, n == x, x * (n / 2), m.exp2(n) * x if not isinstance(n, bool) else x)

    f = tc.jit(lambda x, n: tuple(program(tc, x, n)))
    if isinstance(number, bool):  # bool is not weak: what Python computes with it is another matter
        number = np.bool_(number)
    try:
        wanted = tuple(program(np, a, number))
    except OverflowError:
        with pytest.raises(OverflowError):
            f(a, number)
        return
    for found, value in zip(f(a, number), wanted, strict=True):
        value = value.astype("f4") if value.dtype == "f2" else value
        if value.dtype.kind == "f":
            assert found.dtype == value.dtype
            np.testing.assert_allclose(found, value, rtol=1e-3 if dtype.endswith("8") else 1e-6)
        else:
            assert_same(found, value)


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint8", "uint64", "float32"])
def test_python_integers_at_the_edges_of_the_dtypes(dtype):
    a = np.array([0, 1, 100], dtype)
    add = tc.jit(lambda x, n: x + n, mode="O0")
    compare = tc.jit(lambda x, n: (x < n, x >= n, n == x), mode="O0")
    for n in (127, 128, -128, -129, 255, 256, 2**31 - 1, 2**31, 2**63 - 1, -(2**63), 2**63, 2**64 - 1):
        for found, value in zip(compare(a, n), (a < n, a >= n, n == a), strict=True):
            assert_same(found, value)
        try:
            wanted = a + n
        except OverflowError:
            with pytest.raises(tc.TensorcOverflowError, match="out of bounds"):
                add(a, n)
        else:
            assert_same(add(a, n), wanted)
    for f in (add, compare):
        assert f.stats()["traces"] <= 2  # below 2**63 and from there on


def test_an_integer_that_does_not_fit_is_an_error_at_the_line():
    f = tc.jit(lambda x, n: x * (n + 1))
    assert_same(f(np.ones(2, "i1"), 126), np.full(2, 127, "i1"))
    with pytest.raises(tc.TensorcOverflowError, match="integer 128 is out of bounds") as caught:
        f(np.ones(2, "i1"), 127)
    assert caught.value.code == "TC0264"
    assert "f = tc.jit(lambda x, n: x * (n + 1))" in str(caught.value)


def test_extents_are_weak_integers_too():
    f = tc.jit(lambda x: (x + x.shape[0], x < x.shape[0], x.shape[0].astype("i1") + x))
    a = np.ones(127, "i1")
    added, below, wrapped = f(a[:5])
    assert_same(added, np.full(5, 6, "i1"))
    assert_same(below, np.ones(5, bool))
    assert_same(wrapped, np.full(5, 6, "i1"))
    with pytest.raises(OverflowError, match="integer 128"):
        f(np.ones(128, "i1"))


def test_another_number_is_no_new_trace():
    f = tc.jit(lambda x, n: x * n)
    a = np.ones(3, "f4")
    for n in range(10):
        assert_same(f(a, n), a * n)
    for n in range(10):
        assert_same(f(a, n / 4), a * np.float32(n / 4))
    assert f.stats()["traces"] == 2


def test_numbers_index_slice_and_size():
    f = tc.jit(lambda x, n: (x[n], x[:n], tc.zeros((n, 2)), x.shape[0] * n))
    item, head, zeros, size = f(np.arange(5.0), 3)
    assert_same(item, np.array(3.0))
    assert_same(head, np.arange(3.0))
    assert_same(zeros, np.zeros((3, 2)))
    assert_same(size, np.array(15))


def test_static_arguments_steer_the_trace():
    @tc.jit(static_argnums=1, static_argnames="mode")
    def f(x, n, mode="up"):
        for _ in range(n):
            x = x + 1 if mode == "up" else x - 1
        return x

    a = np.zeros(2)
    assert_same(f(a, 3), a + 3)
    assert_same(f(a, 3, "down"), a - 3)
    assert_same(f(a, n=3, mode="down"), a - 3)
    assert_same(f(a, 0, mode="up"), a)
    assert f.stats()["traces"] == 3
    assert f.variants[1].form == "f(x: tensor<?xf64>, n=3, mode='down')"
    with pytest.raises(tc.TensorcTypeError, match="not hashable"):
        f(a, [1])
    with pytest.raises(tc.TensorcTypeError, match="symbolic"):
        f(a, tc.scalar("n"))


def test_static_values_differ_by_type():
    f = tc.jit(lambda x, n: x + type(n)(1), static_argnums=-1)
    a = np.ones(2, "i4")
    assert f(a, 1).dtype == "i4"
    assert f(a, 1.0).dtype == "f8"
    assert f(a, True).dtype == "i4"
    assert f.stats()["traces"] == 3
