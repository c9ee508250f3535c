"""Every sample of every tensor op goes through canonicalisation unchanged, on arguments and on constants."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tensorc.ops  # noqa: F401  registers the op classes
from passes.lowering_support import function, of_op
from passes.test_rules import run, same_bits
from tensorc.ir.attributes import DenseAttr, IntegerAttr
from tensorc.ir.definition import REGISTRY
from tensorc.ir.errors import TensorcError
from tensorc.ir.types import TensorType
from tensorc.ir.types import index as index_type
from tensorc.ir.verifier import check
from tensorc.ops.attrs import ConstantAttrs
from tensorc.ops.base import OpDef, Sample
from tensorc.ops.creation import LARGEST_CONSTANT, Constant
from tensorc.ops.dtypes import from_dtype
from tensorc.ops.loops import arith
from tensorc.passes import manager

NUMBERS = "canonicalize,stabilise,canonicalize"
OPS = [d for d in REGISTRY.values() if issubclass(d, OpDef)]


def tensor_samples(definition: type[OpDef]) -> list[Sample]:
    """Samples whose operands are tensors and extents and whose results are tensors."""
    found = []
    for sample in definition.samples():
        if any(isinstance(x, bool) for x in sample.operands):
            continue
        module = of_op(definition, sample.operands, sample.attrs)
        types = next(op for op in module.walk() if op.definition is definition).results
        if types and all(isinstance(r.type, TensorType) for r in types):
            found.append(sample)
    return found


@pytest.mark.parametrize("definition", OPS, ids=lambda d: d.name)
def test_samples_keep_their_values(definition: type[OpDef]) -> None:
    for sample in tensor_samples(definition):
        for dynamic in (True, False):
            module = of_op(definition, sample.operands, sample.attrs, dynamic)
            before = run(module, list(sample.operands))
            manager.run(module, NUMBERS, manager.Options(verify_each=True))
            assert same_bits(before, run(module, list(sample.operands))), sample


@pytest.mark.parametrize("definition", OPS, ids=lambda d: d.name)
def test_samples_fold_to_their_values(definition: type[OpDef]) -> None:
    for sample in tensor_samples(definition):
        if any(not isinstance(x, int) and x.size > LARGEST_CONSTANT for x in sample.operands):
            continue
        module = function([], lambda b, s=sample: b.create(definition, constants(b, s.operands), s.attrs))
        check(module)
        before = run(module, [])
        manager.run(module, NUMBERS, manager.Options(verify_each=True))
        assert same_bits(before, run(module, [])), sample


def constants(b: Any, operands: tuple[Any, ...]) -> list[Any]:
    made = []
    for x in operands:
        if isinstance(x, int):
            attrs: Any = arith.ConstantAttrs(IntegerAttr(x, index_type))
            made.append(b.create(arith.Constant, [], attrs)[0])
            continue
        x = np.asarray(x)
        attrs = ConstantAttrs(DenseAttr(TensorType(x.shape, from_dtype(x.dtype)), x))
        made.append(b.create(Constant, [], attrs)[0])
    return made


@pytest.mark.parametrize("definition", OPS, ids=lambda d: d.name)
def test_run_time_errors_stay_errors(definition: type[OpDef]) -> None:
    """An op whose operands do not fit at run time fails before and after, unless its result is not used."""
    for sample in tensor_samples(definition)[:3]:
        shaped = [x for x in sample.operands if not isinstance(x, int) and x.ndim]
        if len(shaped) < 2:
            continue
        module = of_op(definition, sample.operands, sample.attrs)
        wrong = [x if isinstance(x, int) or not x.ndim else np.tile(x, 3) for x in sample.operands]
        wrong[0] = sample.operands[0]
        try:
            run(module, wrong)
        except TensorcError as error:
            manager.run(module, NUMBERS)
            with pytest.raises(type(error)):
                run(module, wrong)
