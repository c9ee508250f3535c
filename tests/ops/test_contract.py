"""The contract of every op class, driven by the registry: no op is named here and none is left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tensorc.ir import builtin
from tensorc.ir.builder import Builder
from tensorc.ir.errors import TensorcError
from tensorc.ir.parser import parse_module
from tensorc.ir.printer import print_op
from tensorc.ir.types import TensorType
from tensorc.ir.verifier import check
from tensorc.ops import index
from tensorc.ops.base import OpDef, Sample
from tensorc.ops.dtypes import to_dtype
from tests.ops.harness import (
    DIFFERENTIABLE,
    OPS,
    Derivative,
    central,
    evaluate,
    function_of,
    label,
    random_like,
    type_of,
)

every_op = pytest.mark.parametrize("op", OPS, ids=label)
every_differentiable_op = pytest.mark.parametrize("op", DIFFERENTIABLE, ids=label)


def reference(op: type[OpDef], sample: Sample) -> tuple[Any, ...]:
    with np.errstate(all="ignore"):
        found = op.reference(sample.attrs, *sample.operands)
    return found if isinstance(found, tuple) else (found,)


def same(a: Any, b: Any) -> bool:
    return bool(np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f"))


@every_op
def test_inference_gives_the_references_shape_and_dtype(op: type[OpDef]) -> None:
    for sample in op.samples():
        for dynamic in (False, True):
            types = op.infer([type_of(x, dynamic) for x in sample.operands], sample.attrs)
            for type, content in zip(types, reference(op, sample), strict=True):  # type: ignore[arg-type]
                if not isinstance(type, TensorType):
                    assert isinstance(content, int)
                    continue
                assert content.dtype == to_dtype(type.element)
                assert len(type.shape) == content.ndim
                assert all(e in (None, have) for e, have in zip(type.shape, content.shape, strict=True))
                if not dynamic and not any(isinstance(x, int) for x in sample.operands):
                    assert None not in type.shape


@every_op
@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
def test_the_interpreter_gives_the_reference(op: type[OpDef], dynamic: bool) -> None:
    for sample in op.samples():
        function = function_of(op, sample, dynamic)
        got = evaluate(function, sample.operands)
        want = reference(op, sample)
        assert len(got) == len(want)
        assert all(same(g, w) for g, w in zip(got, want, strict=True))


@every_op
def test_extents_are_the_references_shape(op: type[OpDef]) -> None:
    for sample in op.samples():
        for dynamic in (False, True):
            types = [type_of(x, dynamic) for x in sample.operands]
            function = builtin.new_function("f", types, [])
            block = builtin.body(function)
            b = Builder.at_end(block)
            extents = [e for shape in op.extents(b, block.args, sample.attrs) for e in shape]
            values = [index.value(b, e) for e in extents]
            builtin.set_signature(function, types, [v.type for v in values])
            b.create_op(builtin.Return, values)
            want = [
                n for x in reference(op, sample) if isinstance(x, np.ndarray | np.generic) for n in x.shape
            ]
            assert evaluate(function, sample.operands) == want
            if not dynamic and not any(isinstance(x, int) for x in sample.operands):
                assert all(isinstance(e, int) for e in extents), "a static extent must not be computed"


@every_op
def test_the_facts_of_a_sample_hold(op: type[OpDef]) -> None:
    for sample in op.samples():
        for dynamic in (False, True):
            types = [type_of(x, dynamic) for x in sample.operands]
            function = builtin.new_function("f", types, [])
            block = builtin.body(function)
            b = Builder.at_end(block)
            for fact in op.facts(b, block.args, sample.attrs):
                index.require(b, fact.kind, fact.condition, fact.a, fact.b, fact.axis)
            b.create_op(builtin.Return, [])
            assert evaluate(function, sample.operands) == []


@every_op
def test_wrong_uses_give_the_promised_errors(op: type[OpDef]) -> None:
    promised = {e.match for e in op.error_samples()}
    stated = {
        word.rstrip(":.,)")
        for word in (op.__doc__ or "").replace("(", " ").split()
        if word[:1] == "C" and word[1:2].isdigit()
    }
    assert stated <= promised, f"no sample violates {sorted(stated - promised)}"
    for wrong in op.error_samples():
        with pytest.raises(TensorcError) as caught:
            op.infer(wrong.operands, wrong.attrs)
        assert caught.value.code == wrong.code
        assert wrong.match in caught.value.message
        assert label(op) in caught.value.message


@every_op
def test_samples_survive_text(op: type[OpDef]) -> None:
    for sample in op.samples():
        module = builtin.new_module()
        module.regions[0].block.append(function_of(op, sample, dynamic=True))
        check(module)
        text = print_op(module)
        assert print_op(parse_module(text)) == text


def scaled(f: Any) -> float:
    return 1.0 + max((float(np.max(np.abs(x))) for x in f if np.size(x)), default=0.0)


def gradient_samples(op: type[OpDef]) -> list[Sample]:
    found = []
    for sample in op.samples():
        floats = [x for x in sample.operands if not isinstance(x, int) and x.dtype.kind == "f"]
        if not sample.differentiable or not floats or any(x.dtype != np.float64 for x in floats):
            continue
        if all(y.dtype == np.float64 and np.isfinite(y).all() for y in reference(op, sample)):
            found.append(sample)
    return found


@every_differentiable_op
def test_first_derivatives(op: type[OpDef]) -> None:
    """jvp = finite differences, and <vjp(c), t> = <c, jvp(t)>."""
    for sample in gradient_samples(op):
        d = Derivative(op, sample)
        (y,) = evaluate(d.forward, sample.operands)
        c = random_like(y, 1)
        tangents = [random_like(sample.operands[k], 2 + k) for k in d.wrt]
        gradients = evaluate(d.vjp(), [*sample.operands, c])
        (jvp,) = evaluate(d.jvp(), [*sample.operands, c, *tangents])
        (at_zero,) = evaluate(d.jvp(), [*sample.operands, 0 * c, *tangents])
        np.testing.assert_allclose(
            at_zero, jvp, rtol=1e-14, err_msg="the vjp must be linear in the cotangent, also at 0"
        )
        (numeric,) = central(lambda xs, d=d: evaluate(d.forward, xs), sample.operands, d.wrt, tangents)  # type: ignore[misc]
        np.testing.assert_allclose(jvp, numeric, atol=1e-8 * scaled([numeric, y]))
        inner = sum(float(np.sum(g * t)) for g, t in zip(gradients, tangents, strict=True))
        assert inner == pytest.approx(float(np.sum(c * jvp)), rel=1e-10, abs=1e-10)


@every_differentiable_op
def test_second_derivatives(op: type[OpDef]) -> None:
    """The gradient of <vjp(x, c), t> with respect to x, against differences of the vjp."""
    for sample in gradient_samples(op):
        d = Derivative(op, sample)
        (y,) = evaluate(d.forward, sample.operands)
        c = random_like(y, 1)
        tangents = [random_like(sample.operands[k], 2 + k) for k in d.wrt]
        directions = [random_like(sample.operands[k], 9 + k) for k in d.wrt]
        found = evaluate(d.second(), [*sample.operands, c, *tangents])
        vjp = d.vjp()
        numeric = central(
            lambda xs, vjp=vjp, c=c: evaluate(vjp, [*xs, c]), sample.operands, d.wrt, directions
        )  # type: ignore[misc]
        left = sum(float(np.sum(f * v)) for f, v in zip(found, directions, strict=True))
        right = sum(float(np.sum(n * t)) for n, t in zip(numeric, tangents, strict=True))
        assert left == pytest.approx(right, rel=1e-6, abs=1e-7 * scaled(numeric))


@every_differentiable_op
def test_gradients_with_unknown_extents(op: type[OpDef]) -> None:
    for sample in gradient_samples(op):
        (y,) = reference(op, sample)
        c = random_like(y, 1)
        static = evaluate(Derivative(op, sample).vjp(), [*sample.operands, c])
        dynamic = evaluate(Derivative(op, sample, dynamic=True).vjp(), [*sample.operands, c])
        assert all(same(s, t) for s, t in zip(static, dynamic, strict=True))


def widened(operand: Any) -> Any:
    return operand if isinstance(operand, int) or operand.dtype.kind != "f" else operand.astype(np.float64)


@every_differentiable_op
def test_single_precision_gradients_agree_with_double(op: type[OpDef]) -> None:
    for sample in op.samples():
        floats = [x for x in sample.operands if not isinstance(x, int) and x.dtype.kind == "f"]
        if not sample.differentiable or not floats or any(x.dtype != np.float32 for x in floats):
            continue
        (y,) = reference(op, sample)
        wide = Sample(tuple(map(widened, sample.operands)), sample.attrs)
        if y.dtype != np.float32 or not np.isfinite(y).all() or reference(op, wide)[0].dtype != np.float64:
            continue
        c = random_like(y, 1)
        single = evaluate(Derivative(op, sample).vjp(), [*sample.operands, c.astype(np.float32)])
        double = evaluate(Derivative(op, wide).vjp(), [*wide.operands, c.astype(np.float32).astype(float)])
        for s, e in zip(single, double, strict=True):
            np.testing.assert_allclose(s, e, rtol=2e-5, atol=2e-6 * scaled([e]))
