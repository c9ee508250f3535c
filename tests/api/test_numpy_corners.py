"""Corners where NumPy's answer is not the obvious one, found by the table of tests/array_api."""

from __future__ import annotations

import numpy as np
import pytest

import tensorc as tc


def value(expression, *pairs):
    return tc.function([s for s, _ in pairs], expression, mode="O0")(*[a for _, a in pairs])


@pytest.mark.parametrize("name", ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"])
@pytest.mark.parametrize("number", [300, -1, 255, 0])
def test_comparing_with_an_integer_out_of_range_is_decided(name, number):
    x, a = tc.vector(dtype="uint8"), np.array([0, 7, 255], "uint8")
    np.testing.assert_array_equal(value(getattr(tc, name)(x, number), (x, a)), getattr(np, name)(a, number))
    np.testing.assert_array_equal(value(getattr(tc, name)(number, x), (x, a)), getattr(np, name)(number, a))


def test_rounding_leaves_integers_and_rint_makes_floats():
    i, b = tc.vector(dtype="int32"), tc.vector(dtype="bool")
    assert tc.round(i).dtype == np.round(np.zeros(1, "int32")).dtype
    assert tc.rint(i).dtype == np.rint(np.zeros(1, "int32")).dtype
    assert np.rint(i).dtype == np.float64
    assert tc.floor(b).dtype == tc.ceil(b).dtype == tc.trunc(b).dtype == np.bool_


def test_square_of_bools_counts():
    b = tc.vector(dtype="bool")
    got = value(tc.square(b), (b, np.array([True, False])))
    assert got.dtype == np.int8
    np.testing.assert_array_equal(got, [1, 0])


@pytest.mark.parametrize("mode", ["O0", "fast"])
def test_extremum_of_no_bools_is_an_error(mode):
    b = tc.matrix(dtype="bool")
    f = tc.function([b], [b.max(axis=0), b.min()], mode=mode)
    np.testing.assert_array_equal(f(np.array([[True, False], [False, False]]))[0], [True, False])
    with pytest.raises(tc.TensorcError, match="empty"):
        f(np.zeros((0, 2), bool))


def test_clip_ignores_bounds_beyond_the_dtype():
    x, a = tc.vector(dtype="int8"), np.array([-128, 5, 127], "int8")
    for low, high in ((-300, 3), (0, 300), (None, 300)):
        np.testing.assert_array_equal(value(tc.clip(x, low, high), (x, a)), np.clip(a, low, high))
    with pytest.raises(tc.TensorcError):
        tc.clip(x, 300, 400)


def test_divmod_from_both_sides():
    x, a = tc.vector(dtype="int64"), np.array([-7, 3, 5])
    for ours, theirs in (
        (divmod(x, 2), divmod(a, 2)),
        (divmod(9, x), divmod(9, a)),
        (np.divmod(a, x), divmod(a, a)),
        (np.divmod(x, 2, dtype="int64"), divmod(a, 2)),
    ):
        for our, their in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(value(our, (x, a)), their)


def test_a_mask_must_have_the_shape_of_its_axes():
    mask = np.array([True, False, True])
    known = tc.tensor("known", "float64", (4, 3))
    with pytest.raises(tc.TensorcIndexError, match="mask of extent 3"):
        known[mask]
    x = tc.matrix("x")
    f = tc.function([x], [x[mask], x[mask].set(0)], mode="O0")
    a = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(f(a)[0], a[mask])
    for rows in (2, 4):
        with pytest.raises(tc.TensorcError):
            f(np.ones((rows, 2)))


def test_zero_grad_keeps_integers():
    assert tc.zero_grad(tc.vector(dtype="int8")).dtype == np.int8


def test_bools_to_a_negative_power_are_refused():
    with pytest.raises(tc.TensorcValueError, match="negative"):
        tc.vector(dtype="bool") ** -1


def test_broadcast_to_a_negative_extent_is_refused():
    with pytest.raises(tc.TensorcValueError, match="negative extent"):
        tc.broadcast_to(tc.vector(), (-1, 4))


def test_special_softmax_is_over_all_axes():
    x, a = tc.matrix(), np.array([[1.0, 2.0], [3.0, 4.0]])
    assert value(tc.special.softmax(x), (x, a)).sum() == pytest.approx(1)
    assert value(tc.nn.softmax(x), (x, a)).sum() == pytest.approx(2)


@pytest.mark.parametrize("mode", ["O0", "fast"])
@pytest.mark.parametrize("extents", [(2**32, 2**32), (2**62, 4), (2**31, 2**33)])
def test_extents_whose_product_wraps_round_to_zero(extents: tuple[int, int], mode: str) -> None:
    """An empty array has no such shape: reading it would read what lies beside."""
    x, n, m = tc.vector("x"), tc.lscalar("n"), tc.lscalar("m")
    f = tc.function([x, n, m], x.reshape((n, m))[0, :4].sum(), mode=mode)
    assert f(np.ones(12), 3, 4) == 4
    with pytest.raises(tc.TensorcValueError) as caught:
        f(np.zeros(0), *extents)
    assert caught.value.code == "TC0265"
    g = tc.function([x, n], x.reshape((n, 4))[:1].sum(), mode=mode)
    with pytest.raises(tc.TensorcValueError) as caught:
        g(np.zeros(0), 2**62)
    assert caught.value.code == "TC0265"


@pytest.mark.parametrize("index", [-9, 9, np.int64(-6), np.int8(-6), 5])
@pytest.mark.parametrize("read", [lambda x, i: x[i], lambda x, i: x[i].set(0.0)])
def test_an_index_outside_is_named_as_it_was_given(read, index):
    wanted = f"index {index} is out of bounds for axis 0 with extent 5"
    with pytest.raises(tc.TensorcIndexError, match=wanted):
        tc.jit(read)(np.ones(5), index)


def test_a_constant_index_outside_is_named_as_it_was_given():
    with pytest.raises(tc.TensorcIndexError, match="index -9 is out of bounds for axis 0 with extent 5"):
        tc.jit(lambda x: x[-9])(np.ones(5))


def test_parts_of_an_unknown_extent_are_refused_with_the_reason():
    with pytest.raises(tc.TensorcValueError, match="known at run time only") as caught:
        tc.jit(lambda x: tc.split(x, 3))(np.ones(6))
    assert "n = x.shape[0] // 3" in str(caught.value)

    def thirds(x):
        n = x.shape[0] // 3
        return tc.split(x, [n, 2 * n])

    for given, wanted in zip(tc.jit(thirds)(np.arange(6.0)), np.split(np.arange(6.0), 3), strict=True):
        np.testing.assert_array_equal(given, wanted)


def test_the_two_names_of_ddof_exclude_each_other():
    x = tc.vector("x")
    assert x.var(correction=1).eval({x: [1.0, 2.0]}) == np.var([1.0, 2.0], ddof=1)
    assert x.std(correction=0.5).eval({x: [1.0, 2.0]}) == np.std([1.0, 2.0], ddof=0.5)
    with pytest.raises(tc.TensorcValueError, match="two names"):
        tc.std(x, ddof=1, correction=1)


def test_checks_of_extents_that_depend_on_data_keep_their_place() -> None:
    """A product of reshaped products: the second reshape checks an extent that the first one computed."""
    x = tc.tensor3("x", dtype="float32")
    w, v = tc.matrices("w", "v")
    batch, time, width = x.shape
    first = tc.reshape(x @ w, (batch * 2, time, width // 2))
    f = tc.function([x, w, v], tc.reshape(first @ v, (batch, time, width)))
    rng = np.random.default_rng(0)
    a, b, c = rng.standard_normal((2, 6, 16)).astype("f4"), rng.random((16, 16)), rng.random((8, 8))
    np.testing.assert_allclose(f(a, b, c), ((a @ b).reshape(4, 6, 8) @ c).reshape(2, 6, 16), rtol=1e-12)
    with pytest.raises(tc.TensorcError):
        f(a, b, c[:7, :7])
