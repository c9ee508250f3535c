"""Compiled gradients agree with interpreted ones, for every differentiable op class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tensorc.ir import builtin
from tensorc.ir.attributes import StringAttr
from tensorc.ir.core import Operation
from tensorc.ops.base import OpDef, Sample
from tensorc.passes import manager
from tensorc.passes.pipelines import PIPELINES
from tests.codegen_llvm.emitter_support import compile_module
from tests.ops.harness import DIFFERENTIABLE, Derivative, evaluate, label, random_like
from tests.ops.test_compiled import LEVELS, Machine
from tests.ops.test_compiled import blas as blas
from tests.ops.test_contract import gradient_samples, reference


def distinct(op: type[OpDef]) -> list[Sample]:
    """One sample for each set of types and attributes."""
    found: dict[Any, Sample] = {}
    for sample in gradient_samples(op):
        kinds = tuple((np.ndim(x), isinstance(x, int)) for x in sample.operands)
        found.setdefault((kinds, sample.attrs, sample.label), sample)
    return list(found.values())


@pytest.mark.parametrize("op", DIFFERENTIABLE, ids=label)
def test_compiled_gradients(op: type[OpDef]) -> None:
    module = builtin.new_module()
    calls = []
    for number, sample in enumerate(distinct(op)):
        function = Derivative(op, sample, dynamic=True).vjp()
        args = [*sample.operands, random_like(reference(op, sample)[0], 1)]
        calls.append((args, evaluate(function, args)))
        function.set_attribute("sym_name", StringAttr(f"f{number}"))
        module.regions[0].block.append(function)
    manager.run(module, PIPELINES["O3"], manager.Options(reproducer=False))
    native = compile_module(module, LEVELS["O3"])
    for number, (args, wanted) in enumerate(calls):
        compare(module, number, native, args, wanted)
    assert native.live == 0


def compare(module: Operation, number: int, native: Any, args: list[Any], wanted: list[Any]) -> None:
    outs = [np.full(w.shape, 77.0) for w in wanted]
    extents = Machine(module, number, native).call(args, outs)
    assert extents == [n for w in wanted for n in w.shape]
    for got, want in zip(outs, wanted, strict=True):
        scale = np.abs(want[np.isfinite(want)]).max(initial=1)
        np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-14 * scale)
