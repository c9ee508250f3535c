"""Attributes are values: frozen, compared by bits; typed attributes encode and decode without loss."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ir.support import AxisAttrs, Neg, Pick
from tensorc.ir.attributes import (
    UNIT,
    ArrayAttr,
    Attribute,
    BoolAttr,
    DenseArrayAttr,
    DenseAttr,
    DenseResourceAttr,
    DictAttr,
    FloatAttr,
    IntegerAttr,
    StringAttr,
    TypeAttr,
)
from tensorc.ir.definition import (
    NO_ATTRS,
    REGISTRY,
    Attrs,
    OpDefinition,
    decode,
    encode,
    known_attribute_names,
    register,
)
from tensorc.ir.types import TensorType, bf16, f32, f64, i1, i64


def test_floats_compare_by_bits() -> None:
    assert FloatAttr(math.nan) == FloatAttr(math.nan)
    assert FloatAttr(0.0) != FloatAttr(-0.0)
    assert FloatAttr(1.0) != FloatAttr(1.0, f32)
    assert FloatAttr(0.1, f32).value == float(np.float32(0.1))
    assert FloatAttr(3.14, bf16).value == 3.140625
    assert DenseArrayAttr(f64, (math.nan,)) == DenseArrayAttr(f64, (math.nan,))
    assert DenseArrayAttr(f64, (0.0,)) != DenseArrayAttr(f64, (-0.0,))
    assert hash(DenseArrayAttr(f32, (0.1,))) == hash(DenseArrayAttr(f32, (float(np.float32(0.1)),)))


def test_dense_constants_are_frozen_copies() -> None:
    value = np.array([1.0, 2.0])
    attribute = DenseAttr(TensorType((2,), f64), value)
    value[0] = 5
    assert attribute.value[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        attribute.value[0] = 3
    assert attribute == DenseAttr(TensorType((2,), f64), np.array([1.0, 2.0]))
    assert attribute != DenseAttr(TensorType((2,), f64), np.array([1.0, -2.0]))


@pytest.mark.parametrize("value", [np.zeros(3), np.zeros(2, "float32"), np.zeros((1, 2))])
def test_dense_constants_match_their_type(value: np.ndarray) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match="given for tensor<2xf64>"):
        DenseAttr(TensorType((2,), f64), value)


def test_resources_compare_by_identity() -> None:
    value = np.zeros(2)
    type = TensorType((2,), f64)
    assert DenseResourceAttr("a", type, value) == DenseResourceAttr("b", type, value)
    assert DenseResourceAttr("a", type, value) != DenseResourceAttr("a", type, value.copy())


def test_dictionaries_are_sorted_and_have_distinct_names() -> None:
    assert DictAttr((("b", UNIT), ("a", UNIT))) == DictAttr((("a", UNIT), ("b", UNIT)))
    with pytest.raises(ValueError, match="twice"):
        DictAttr((("a", UNIT), ("a", UNIT)))


@given(
    st.builds(
        AxisAttrs,
        st.integers(-(2**63), 2**63 - 1),
        st.one_of(st.none(), st.booleans()),
        st.one_of(st.none(), st.text()),
        st.one_of(st.none(), st.lists(st.integers(-9, 9)).map(tuple)),
        st.one_of(st.none(), st.lists(st.lists(st.integers(0, 9)).map(tuple)).map(tuple)),
        st.one_of(st.none(), st.floats(allow_nan=False)),
        st.one_of(st.none(), st.just(TensorType((None,), f64))),
    )
)
def test_typed_attributes_survive(attrs: AxisAttrs) -> None:
    assert decode(Pick, encode(attrs)) == attrs


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("axis", StringAttr("1")),
        ("axis", BoolAttr(True)),
        ("axis", FloatAttr(1.0)),
        ("keep", IntegerAttr(1, i64)),
        ("label", IntegerAttr(1)),
        ("axes", IntegerAttr(1)),
        ("axes", DenseArrayAttr(f64, (1.0,))),
        ("rows", ArrayAttr((IntegerAttr(1),))),
        ("scale", IntegerAttr(1)),
        ("to", TypeAttr(f64)),
        ("to", StringAttr("f64")),
    ],
)
def test_attributes_of_the_wrong_kind_are_refused(name: str, wrong: Attribute) -> None:
    with pytest.raises(ValueError, match=f"attribute `{name}` has the wrong kind"):
        decode(Pick, {"axis": IntegerAttr(1), name: wrong})


def test_missing_attributes_and_defaults() -> None:
    with pytest.raises(ValueError, match="`axis` is missing"):
        decode(Pick, {})
    assert decode(Pick, {"axis": IntegerAttr(1), "keep": IntegerAttr(1, i1)}) == AxisAttrs(1, True)
    assert decode(Neg, {"x.y": UNIT}) is NO_ATTRS
    assert encode(NO_ATTRS) == {}
    assert known_attribute_names(Pick)["axis"] is False
    assert known_attribute_names(Pick)["label"] is True


def test_a_field_without_encoding_is_refused() -> None:
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Odd(Attrs):
        what: complex

    with pytest.raises(TypeError, match="no attribute encoding"):
        encode(Odd(1j))


def test_a_name_is_registered_once() -> None:
    class Twice(OpDefinition):
        name = "t.neg"

    assert REGISTRY["t.neg"] is Neg
    with pytest.raises(ValueError, match="registered twice"):
        register(Twice)
