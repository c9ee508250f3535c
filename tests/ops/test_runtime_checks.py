"""What inference refuses with known extents, code refuses at run time with unknown ones: same facts, checked
before anything is computed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tensorc.interp import loops
from tensorc.ir import builtin
from tensorc.ir.builder import Builder
from tensorc.ir.core import Operation
from tensorc.ir.errors import TensorcError
from tensorc.ir.types import TensorType, Type
from tensorc.ir.types import index as index_type
from tensorc.ops import index
from tensorc.ops.attrs import SliceAttrs, UpdateSliceAttrs
from tensorc.ops.base import ErrorSample, OpDef, Sample
from tensorc.ops.dtypes import to_dtype
from tensorc.ops.indexing import Slice, UpdateSlice
from tensorc.passes import manager
from tensorc.passes.pipelines import PIPELINES
from tests.ops.harness import OPS, evaluate, function_of, label


def loosened(type: Type) -> Type:
    return TensorType((None,) * type.rank, type.element) if isinstance(type, TensorType) else type


def late_errors() -> list[Any]:
    """Error samples that only the extents make wrong: with unknown extents inference accepts them."""
    found = []
    for op in OPS:
        for number, wrong in enumerate(op.error_samples()):
            if not all(isinstance(t, TensorType) and None not in t.shape for t in wrong.operands):
                continue
            try:
                op.infer([loosened(t) for t in wrong.operands], wrong.attrs)
            except TensorcError:
                continue
            found.append(pytest.param(op, wrong, id=f"{label(op)}-{number}"))
    return found


def sample_of(wrong: ErrorSample) -> Sample:
    arrays = [np.zeros(t.shape, to_dtype(t.element)) for t in wrong.operands if isinstance(t, TensorType)]  # type: ignore[arg-type]
    return Sample(tuple(arrays), wrong.attrs)


def facts_of(op: type[OpDef], types: list[Type], attrs: Any) -> Operation:
    """A function that checks the op's facts and returns nothing."""
    function = builtin.new_function("f", types, [])
    block = builtin.body(function)
    b = Builder.at_end(block)
    for fact in op.facts(b, block.args, attrs):
        index.require(b, fact.kind, fact.condition, fact.a, fact.b, fact.axis)
    b.create_op(builtin.Return, [])
    return function


def lowered(function: Operation, pipeline: str) -> Operation:
    module = builtin.new_module()
    module.regions[0].block.append(function)
    manager.run(module, PIPELINES[pipeline], manager.Options(reproducer=False))
    return module


@pytest.mark.parametrize(("op", "wrong"), late_errors())
def test_unknown_extents_are_checked_at_run_time(op: type[OpDef], wrong: ErrorSample) -> None:
    sample = sample_of(wrong)
    with pytest.raises(TensorcError):
        evaluate(function_of(op, sample, dynamic=True), sample.operands)
    with pytest.raises(TensorcError):
        evaluate(facts_of(op, [loosened(t) for t in wrong.operands], wrong.attrs), sample.operands)
    for pipeline in ("O0", "O3"):
        module = lowered(function_of(op, sample, dynamic=True), pipeline)
        results = op.infer([loosened(t) for t in wrong.operands], wrong.attrs)
        rank = sum(t.rank for t in results if isinstance(t, TensorType))  # type: ignore[union-attr]
        code, cell, _ = loops.shapes(module, "f", sample.operands, rank)
        assert code == 1, pipeline
        assert cell[0] > 0


def test_there_are_such_errors() -> None:
    assert len(late_errors()) >= 30


POSITIONS = st.sampled_from([0, 1, 2, 3, 4, 5, 6, -1, -2, 2**31, 2**62, -(2**62), 2**63 - 1, -(2**63)])


@given(POSITIONS, POSITIONS, st.sampled_from([1, 2, 3, -1, -2, 2**40, -(2**62)]), st.integers(0, 5))
def test_slices_are_refused_exactly_when_they_leave_the_axis(
    start: int, size: int, step: int, extent: int
) -> None:
    attrs = SliceAttrs((-1,), (-1,), (step,))
    vector = TensorType((None,), to_element())
    checked = facts_of(Slice, [vector, index_type, index_type], attrs)
    operands = [np.arange(float(extent)), start, size]
    last = start + (size - 1) * step
    legal = size == 0 or (size > 0 and 0 <= start < extent and 0 <= last < extent)
    function = function_of(Slice, Sample(tuple(operands), attrs), dynamic=True)
    if legal:
        assert evaluate(checked, operands) == []
        (found,) = evaluate(function, operands)
        assert found.tolist() == [float(start + k * step) for k in range(size)]
        return
    with pytest.raises(TensorcError):
        evaluate(checked, operands)
    with pytest.raises(TensorcError):
        evaluate(function, operands)


@given(POSITIONS, st.integers(0, 5), st.sampled_from([1, 2, -1, -2, 2**62]), st.integers(0, 5), st.booleans())
def test_updates_are_refused_exactly_when_they_leave_the_axis(
    start: int, size: int, step: int, extent: int, add: bool
) -> None:
    attrs = UpdateSliceAttrs((-1,), (step,), add)
    vector = TensorType((None,), to_element())
    checked = facts_of(UpdateSlice, [vector, vector, index_type], attrs)
    operands = [np.arange(float(extent)), np.full(size, 9.0), start]
    last = start + (size - 1) * step
    if size == 0 or (0 <= start < extent and 0 <= last < extent):
        assert evaluate(checked, operands) == []
        return
    with pytest.raises(TensorcError):
        evaluate(checked, operands)
    with pytest.raises(TensorcError):
        evaluate(function_of(UpdateSlice, Sample(tuple(operands), attrs), dynamic=True), operands)


def to_element() -> Any:
    from tensorc.ir.types import f64

    return f64
