"""Running a tensor function through the lowering and the loop interpreter, beside the tensor interpreter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tensorc.interp import loops, tensor
from tensorc.ir.builder import Builder
from tensorc.ir.builtin import Return, body, functions, new_function, new_module
from tensorc.ir.clone import clone_op
from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import NO_ATTRS, Attrs
from tensorc.ir.types import TensorType, Type, index
from tensorc.ir.verifier import check
from tensorc.ops.base import OpDef
from tensorc.ops.dtypes import from_dtype, to_dtype
from tensorc.passes.bufferize import Bufferize
from tensorc.passes.check_shapes import CheckShapes
from tensorc.passes.decompose import Decompose
from tensorc.passes.fuse import Fuse
from tensorc.passes.lower_to_loops import LowerToLoops
from tensorc.passes.specialize import Specialize

GENERIC = (CheckShapes(), Decompose(), Bufferize(), LowerToLoops())
FUSED = (CheckShapes(), Decompose(), Fuse(), Bufferize(), LowerToLoops())
FAST = (Specialize(), *FUSED)
PIPELINES = {"generic": GENERIC, "fused": FUSED, "fast": FAST}


def function(types: Sequence[Type], build: Callable[..., Sequence[Value]]) -> Operation:
    """A module with `@f` of these argument types; `build(b, *args)` gives the results."""
    module = new_module()
    trial = new_function("f", types, [])
    results = build(Builder(body(trial)), *body(trial).args)
    found = new_function("f", types, [v.type for v in results])
    module.regions[0].block.append(found)
    results = build(Builder(body(found)), *body(found).args)
    Builder(body(found)).create(Return, results)
    check(module)
    return module


def of_op(
    definition: type[OpDef], operands: Sequence[Any], attrs: Attrs = NO_ATTRS, dynamic: bool = True
) -> Operation:
    """A module with one op on arguments like `operands`."""
    types = [type_of(x, dynamic) for x in operands]
    return function(types, lambda b, *args: b.create(definition, args, attrs))


def type_of(x: Any, dynamic: bool) -> Type:
    if isinstance(x, int):
        return index
    return TensorType(tuple(None if dynamic else n for n in x.shape), from_dtype(x.dtype))


def lower(module: Operation, passes: Sequence[Any]) -> Operation:
    """A lowered copy, verified after every pass."""
    copy = clone_op(module)
    for step in passes:
        step.run(copy)
        check(copy)
    return copy


def expected(module: Operation, args: Sequence[Any]) -> list[Any]:
    return tensor.run(next(functions(module)), list(args))


def run_lowered(module: Operation, lowered: Operation, args: Sequence[Any]) -> tuple[int, Any, list[Any]]:
    """Code, error cell and outputs of the lowered `@f`, with buffers of the extents `@f_shapes` gives."""
    results = [t for t in next(functions(module)).attrs.function_type.results if isinstance(t, TensorType)]
    total = sum(t.rank for t in results)
    code, cell, extents = loops.shapes(lowered, "f", args, total)
    if code:
        return code, cell, []
    outs = []
    for t in results:
        shape, extents = tuple(extents[: t.rank]), extents[t.rank :]
        outs.append(np.full(shape, 77).astype(to_dtype(t.element)))
    code, cell = loops.run(lowered, "f", args, outs)
    return code, cell, outs


def assert_same(module: Operation, lowered: Operation, args: Sequence[Any], ulps: float = 8) -> None:
    """The lowered function gives what the tensor interpreter gives: exactly, floats within `ulps` of the
    largest.
    """
    want = expected(module, args)
    code, cell, got = run_lowered(module, lowered, args)
    assert code == 0, cell
    for w, g in zip(want, got, strict=True):
        w = np.asarray(w)
        assert g.shape == w.shape
        assert g.dtype == w.dtype
        if w.dtype.kind == "f":
            eps = np.finfo(w.dtype).eps * ulps
            np.testing.assert_allclose(g, w, rtol=eps, atol=np.finfo(w.dtype).tiny)
        else:
            np.testing.assert_array_equal(g, w)
