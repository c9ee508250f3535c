"""Symbols, and what they refuse: one error that says what to write instead."""

import numpy as np
import pytest

import tensorc as tc


def test_constructors_letters_and_plurals():
    assert tc.matrix("m").dtype == np.float64
    assert tc.matrix("m").ndim == 2
    assert tc.fvector().dtype == np.float32
    assert tc.lscalar("n").dtype == np.int64
    assert tc.row("r").shape[0] == 1
    assert [s.name for s in tc.matrices("x", "y")] == ["x", "y"]
    assert [s.name for s in tc.scalars("abc")] == ["a", "b", "c"]
    assert len(tc.dvectors(3)) == 3
    x = tc.tensor("x", dtype="float32", shape=(None, 784))
    assert x.shape[1] == 784
    assert str(x.type) == "tensor<?x784xf32>"


def test_plurals_take_names_letters_words_lists_and_counts():
    assert [s.name for s in tc.matrices("weights", "bias")] == ["weights", "bias"]
    assert [s.name for s in tc.vectors("weights bias")] == ["weights", "bias"]
    assert [s.name for s in tc.frows(["a", "b"])] == ["a", "b"]
    assert [s.name for s in tc.cols("r")] == ["r"]
    assert [s.name for s in tc.itensor3s(2)] == [None, None]
    assert tc.scalars(0) == []
    assert {s.dtype.name for s in tc.bvectors("a", "b")} == {"int8"}
    assert [str(tc.wmatrix().type), str(tc.wtensor4().type)] == ["tensor<?x?xi16>", "tensor<?x?x?x?xi16>"]
    for wrong in ((), (-1,), (True,), (1.5,), ("x", 5), ("x", ""), ({"a"},), (2, 3)):
        with pytest.raises(tc.TensorcTypeError, match=r'tc\.matrices\("x", "y"\)') as caught:
            tc.matrices(*wrong)
        assert "test_symbols.py" in str(caught.value)


def test_rows_and_columns_broadcast_and_hold_to_it():
    r, c, m = tc.row("r"), tc.col("c"), tc.matrix("m")
    assert str(c.T.type) == "tensor<1x?xf64>"
    f = tc.function([r, c, m], (r + c) * m)
    np.testing.assert_array_equal(f([[1, 2]], [[10], [20]], np.ones((2, 2))), [[11, 12], [21, 22]])
    with pytest.raises(ValueError, match=r"'r'.*axis 0"):
        f(np.ones((2, 2)), [[10], [20]], np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"'c'.*axis 1"):
        f([[1, 2]], np.ones((2, 2)), np.ones((2, 2)))


@pytest.mark.parametrize("name", ["zmatrix", "cscalar", "zvectors"])
def test_complex_symbols_are_refused_with_the_reason(name):
    with pytest.raises(tc.TensorcError, match="complex numbers are not supported"):
        getattr(tc, name)("z")


def test_identity_makes_containers_work():
    x, y = tc.vector("x"), tc.matrix("y")
    assert x in [y, x]
    assert [y, x].index(x) == 1
    assert {x: 1}[x] == 1
    assert bool(x == x)
    assert not bool(x != x)
    assert y not in [x]
    assert x != None  # noqa: E711
    assert x != "text"


REFUSALS = {
    "truth": lambda x: bool(x > 0),
    "if": lambda x: 1 if x.sum() > 0 else 2,
    "float": lambda x: float(x.sum()),
    "int": lambda x: int(x.sum()),
    "asarray": lambda x: np.asarray(x),
    "len": lambda x: len(x),
    "iteration": lambda x: list(x),
    "assignment": lambda x: x.__setitem__(0, 1),
    "range": lambda x: range(x.shape[0]),
    "mask": lambda x: x[x > 0],
    "float index": lambda x: x[1.5],
    "too many indices": lambda x: x[0, 0],
    "step": lambda x: x[::0],
    "object": lambda x: x + object(),
    "complex": lambda x: x + 1j,
    "shapes": lambda x: tc.tensor("a", "float64", (3,)) + tc.tensor("b", "float64", (4,)),
    "product": lambda x: tc.tensor("a", "float64", (2, 3)) @ tc.tensor("b", "float64", (4, 2)),
    "reshape": lambda x: tc.tensor("a", "float64", (2, 3)).reshape(4, -1),
    "axis": lambda x: x.sum(axis=3),
    "dtype": lambda x: x.astype("complex128"),
    "gradient of a vector": lambda x: tc.grad(x, x),
    "gradient for integers": lambda x: tc.grad(x.sum(), tc.lvector("i")),
    "disconnected": lambda x: tc.grad(x.sum(), tc.vector("other")),
    "bool minus": lambda x: (x > 0) - (x > 1),
    "out of range": lambda x: tc.tensor("a", "float64", (3,))[5],
    "weak overflow": lambda x: tc.tensor("a", "uint8", (3,)) + 300,
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_name_the_line(name):
    with pytest.raises((tc.TensorcError, TypeError)) as caught:
        REFUSALS[name](tc.vector("x"))
    if name in ("object", "complex"):
        return
    assert isinstance(caught.value, tc.TensorcError)
    text = str(caught.value)
    assert "test_symbols.py" in text
    assert caught.value.code.startswith("TC")


def test_integers_to_negative_powers_are_refused_as_numpy_does():
    k = tc.lvector("k")
    with pytest.raises(ValueError, match="negative integer powers"):
        k**-1
    np.testing.assert_array_equal(tc.function([k], k**-1.0)([2, -4]), [0.5, -0.25])


def test_extrema_of_booleans():
    b = tc.tensor("b", "bool", (None,))
    f = tc.function([b], [b.max(), b.min()])
    assert [bool(v) for v in f([True, False])] == [True, False]
