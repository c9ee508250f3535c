"""Registration, dtypes, index helpers and short forms: what the op classes stand on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tensorc.interp.tensor import run
from tensorc.ir import builtin
from tensorc.ir.builder import Builder
from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import REGISTRY
from tensorc.ir.errors import TensorcError
from tensorc.ir.types import FloatType, TensorType, f32, f64, i1, ui64
from tensorc.ir.types import index as index_type
from tensorc.ops import emit, faults, index
from tensorc.ops.attrs import ShapeAttrs
from tensorc.ops.base import OpDef, register
from tensorc.ops.dtypes import ALL, from_dtype, integer_range, to_dtype
from tensorc.ops.families import Composite, Opaque, Pointwise, Reduction, View
from tensorc.ops.gradients import ChainDiv, ChainMul
from tests.ops.harness import OPS, label


def slots(**changed: Any) -> dict[str, Any]:
    given = {
        "__doc__": "Meaning.",
        "name": "tensorc.trial_of_registration",
        **{
            slot: classmethod(lambda cls: None)
            for slot in ("infer", "extents", "reference", "samples", "vjp")
        },
    }
    return {key: value for key, value in {**given, **changed}.items() if value is not None}


@pytest.mark.parametrize("slot", ["infer", "extents", "reference", "samples", "vjp", "__doc__"])
def test_registration_refuses_a_missing_slot(slot: str) -> None:
    with pytest.raises(TypeError, match=r"missing|vjp|docstring"):
        register(type("Trial", (OpDef,), slots(**{slot: None})))
    assert "tensorc.trial_of_registration" not in REGISTRY


@pytest.mark.parametrize(
    ("family", "wanted"),
    [
        (Pointwise, ["scalar", "ufunc", "partials"]),
        (View, ["view"]),
        (Reduction, ["initial", "combine"]),
        (Composite, ["decompose"]),
        (Opaque, ["lower"]),
    ],
)
def test_families_ask_for_their_slots(family: type[OpDef], wanted: list[str]) -> None:
    given = slots()
    if family is Pointwise:
        given = {key: given[key] for key in ("__doc__", "name")}
    with pytest.raises(TypeError, match="missing") as caught:
        register(type("Trial", (family,), given))
    assert all(f"`{slot}`" in str(caught.value) for slot in wanted)


def test_registration_accepts_a_reasoned_refusal() -> None:
    try:
        register(type("Trial", (OpDef,), slots(vjp=None, not_differentiable="integers")))
        with pytest.raises(ValueError, match="twice"):
            register(type("Trial", (OpDef,), slots()))
    finally:
        REGISTRY.pop("tensorc.trial_of_registration", None)


def test_public_names_are_taken_once() -> None:
    names = [name for op in OPS for name in ([op.public, *op.aliases] if op.public else [])]
    assert len(names) == len(set(names))


def test_documented_constraints_have_numbers_in_order() -> None:
    for op in OPS:
        words = (op.__doc__ or "").split()
        numbers = [int(w[1:-1]) for w in words if w[:1] == "C" and w[1:-1].isdigit() and w.endswith(":")]
        assert numbers == sorted(numbers), label(op)


@pytest.mark.parametrize("element", ALL, ids=str)
def test_dtypes_go_both_ways(element: Any) -> None:
    assert from_dtype(to_dtype(element)) == element
    assert from_dtype(to_dtype(element).newbyteorder()) == element


def test_dtypes_without_an_element() -> None:
    for dtype in (object, np.complex128, np.float16, "U3", "M8[s]"):
        with pytest.raises(TypeError, match="not supported"):
            from_dtype(dtype)
    with pytest.raises(TypeError, match="no NumPy dtype"):
        to_dtype(FloatType("bf16", 16))
    assert integer_range(ui64) == (0, 2**64 - 1)
    assert integer_range(i1) == (0, 1)


BINARY = {
    "add": lambda a, c: a + c,
    "sub": lambda a, c: a - c,
    "mul": lambda a, c: a * c,
    "maximum": max,
    "minimum": min,
}
SMALL = st.integers(-5, 5)


@given(st.sampled_from(sorted(BINARY)), SMALL, SMALL, st.booleans(), st.booleans())
def test_index_helpers_compute(name: str, a: int, c: int, known_a: bool, known_c: bool) -> None:
    function = builtin.new_function("f", [index_type, index_type], [index_type])
    x, y = builtin.body(function).args
    b = Builder.at_end(builtin.body(function))
    made = getattr(index, name)(b, a if known_a else x, c if known_c else y)
    if known_a and known_c:
        assert made == BINARY[name](a, c)
        assert builtin.body(function).first is None, "known operands need no op"
    b.create_op(builtin.Return, [index.value(b, made)])
    assert run(function, [a, c]) == [BINARY[name](a, c)]


@given(
    st.sampled_from(["eq", "ne", "slt", "sle", "sgt", "sge"]),
    SMALL,
    SMALL,
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_index_conditions(predicate: str, a: int, c: int, known: bool, negated: bool, other: bool) -> None:
    function = builtin.new_function("f", [index_type, index_type], [index_type])
    x, y = builtin.body(function).args
    b = Builder.at_end(builtin.body(function))
    condition = index.compare(b, predicate, a if known else x, y)
    condition = index.either(b, index.both(b, condition, other), negated)
    b.create_op(builtin.Return, [index.value(b, index.select(b, condition, x, -7))])
    truth = {"eq": a == c, "ne": a != c, "slt": a < c, "sle": a <= c, "sgt": a > c, "sge": a >= c}[predicate]
    assert run(function, [a, c]) == [a if (truth and other) or negated else -7]


@given(st.integers(0, 4), st.integers(0, 4), st.booleans())
def test_broadcast_extents(a: int, c: int, known: bool) -> None:
    function = builtin.new_function("f", [index_type, index_type], [index_type])
    x, y = builtin.body(function).args
    b = Builder.at_end(builtin.body(function))
    b.create_op(builtin.Return, [index.value(b, index.broadcast(b, a if known else x, y))])
    if a == c or 1 in (a, c):
        assert run(function, [a, c]) == [c if a == 1 else a]
        return
    with pytest.raises(TensorcError, match=f"extents {a} and {c} do not broadcast"):
        run(function, [a, c])


def test_the_same_value_is_equal_to_itself() -> None:
    function = builtin.new_function("f", [index_type], [])
    (x,) = builtin.body(function).args
    b = Builder.at_end(builtin.body(function))
    assert index.compare(b, "eq", x, x) is True
    assert index.compare(b, "slt", x, x) is False
    assert index.sub(b, x, x) == 0
    assert index.broadcast(b, x, x) is x
    assert builtin.body(function).first is None


def vector(n: int | None = None) -> tuple[Builder, Value, Operation]:
    function = builtin.new_function("f", [TensorType((n,), f64)], [])
    block = builtin.body(function)
    return Builder.at_end(block), block.args[0], function


def test_broadcasting_to_the_same_static_shape_is_nothing() -> None:
    b, x, _ = vector(3)
    assert emit.broadcast(b, x, [3]) is x
    b, x, _ = vector()
    assert emit.broadcast(b, x, [3]) is not x


def test_chain_of_finite_constants_is_a_product() -> None:
    b, x, _ = vector()
    for number in (2.0, -0.5, 0.0):
        assert emit.chain_mul(b, x, emit.full_like(b, x, number)).defining(ChainMul) is None
    assert emit.chain_mul(b, x, emit.ones_like(b, x)) is x
    assert emit.chain_mul(b, x, x).defining(ChainMul) is not None
    for number in (np.inf, np.nan):
        assert emit.chain_mul(b, x, emit.full_like(b, x, number)).defining(ChainMul) is not None
    assert emit.chain_div(b, x, emit.full_like(b, x, 2)).defining(ChainDiv) is None
    assert emit.chain_div(b, x, emit.full_like(b, x, 0)).defining(ChainDiv) is not None


def test_constants_are_found_through_broadcasts() -> None:
    b, x, _ = vector()
    assert emit.constant_of(emit.constant(b, f32, 0.5)) == 0.5
    assert emit.constant_of(emit.full_like(b, x, -3)) == -3
    assert emit.constant_of(x) is None
    wide = emit.op(b, "broadcast_to", x, attrs=ShapeAttrs((2, 3)))
    assert emit.constant_of(wide) is None


def test_faults_are_worded() -> None:
    for kind in faults.FAULTS:
        error = faults.fault(kind, "tensorc.trial", 3, 4, 1)
        assert error.code.startswith("TC02")
        about_a_number = kind in ("slice", "gather", "narrow")  # what users wrote
        assert error.message.startswith(("index 3 ", "integer 3 ") if about_a_number else "trial: ")
    assert "mine does not hold: 3 and 4" in faults.fault("mine", "tensorc.require", 3, 4).message
    codes = [row.code for row in faults.FAULTS.values()]
    assert len(codes) == len(set(codes))
