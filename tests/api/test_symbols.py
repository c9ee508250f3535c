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
