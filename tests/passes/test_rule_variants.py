"""Variants of the rules' examples through the whole pass: other element types, operands of commutative ops
swapped, inner values with further users. Every bit must stay where all rules that fire are exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from passes.rule_examples import build, names_in
from passes.test_registry import all_results, keep_inner_values
from passes.test_rules import SPECIAL, same_bits
from tensorc.ir.builtin import body, functions
from tensorc.ir.clone import clone_op
from tensorc.ir.core import Operation
from tensorc.ir.definition import Trait
from tensorc.ir.errors import TensorcTypeError
from tensorc.ir.types import ScalarType, f32, f64, i1, i8, i32, ui8
from tensorc.ir.verifier import check
from tensorc.ops.dtypes import to_dtype
from tensorc.passes import manager
from tensorc.passes.rules import CANONICAL, STABLE

EXACT = [r for r in (*CANONICAL, *STABLE) if r.kind == "exact"]
SHAPES = {"x": (2, 3), "y": (2, 3), "v": (3,), "s": (), "e": (0, 3)}


def swap(module: Operation, choices: list[bool]) -> None:
    """Turn round the operands of some commutative ops."""
    for op, turned in zip(body(next(functions(module))), choices, strict=False):
        if turned and op.has_trait(Trait.COMMUTATIVE) and len(op.operands) == 2:
            op.set_operands(list(op.operands)[::-1])


def draw_inputs(data: st.DataObject, example: str, element: ScalarType) -> list[Any]:
    """Arrays of special values; integers wrap."""
    dtype = to_dtype(element)
    wide = "f8" if dtype.kind == "f" else "i8"
    values = st.sampled_from(SPECIAL) if dtype.kind == "f" else st.integers(-300, 300)
    arrays = []
    for name, shape in SHAPES.items():
        if name in names_in(example):
            size = int(np.prod(shape))
            drawn = data.draw(st.lists(values, min_size=size, max_size=size))
            with np.errstate(all="ignore"):
                arrays.append(np.array(drawn, wide).astype(dtype).reshape(shape))
    return arrays


@pytest.mark.parametrize("rule", EXACT, ids=lambda r: r.name)
@settings(max_examples=30, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.data(), st.sampled_from([f32, f64, i8, i32, ui8, i1]))
def test_variants_of_exact_rules_keep_every_bit(rule: Any, data: st.DataObject, element: ScalarType) -> None:
    try:
        before = build(rule.example, element)
    except TensorcTypeError:
        assume(False)
    swap(before, data.draw(st.lists(st.booleans(), max_size=8)))
    if data.draw(st.booleans()):
        keep_inner_values(before)
    check(before)
    after = clone_op(before)
    manager.run(after, "canonicalize")
    check(after)
    inputs = draw_inputs(data, rule.example, element)
    old, new = (all_results(module, inputs) for module in (before, after))
    for a, b in zip(old, new, strict=True):
        assert same_bits(np.asarray(a), np.asarray(b)), f"{rule.name}: {a} became {b}"
