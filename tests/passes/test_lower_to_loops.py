"""The lowering as a whole: every op's samples, in every pipeline, against the tensor interpreter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from passes import lowering_support as support
from tensorc.ir.builtin import functions
from tensorc.ir.definition import REGISTRY
from tensorc.ir.types import TensorType, f32, f64
from tensorc.ops import emit
from tensorc.ops.base import OpDef, Sample
from tensorc.ops.index import IndexOp
from tensorc.ops.loops.memref import Copy
from tensorc.passes import sites

OPS = sorted(n for n, d in REGISTRY.items() if issubclass(d, OpDef) and not issubclass(d, IndexOp))
VECTOR = TensorType((None,), f64)
MATRIX = TensorType((None, None), f64)


def _chosen(definition: type[OpDef]) -> Iterable[Sample]:
    """Samples of the first and last element types and every special one; the contract test has them all."""
    samples = list(definition.samples())
    return samples[:2] + samples[-4:] + [s for s in samples if s.label]


def _strided(x: Any) -> Any:
    """The same array with gaps, backwards along odd axes."""
    if not isinstance(x, np.ndarray) or not x.ndim:
        return x
    forward = np.zeros(tuple(2 * n for n in x.shape), x.dtype)
    view = forward[tuple(slice(None, None, -2 if axis % 2 else 2) for axis in range(x.ndim))]
    view[...] = x
    return view


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("dynamic", [True, False])
def test_samples(name: str, dynamic: bool) -> None:
    definition = REGISTRY[name]
    assert issubclass(definition, OpDef)
    for sample in _chosen(definition):
        operands = [np.array(x) if isinstance(x, np.generic) else x for x in sample.operands]
        module = support.of_op(definition, operands, sample.attrs, dynamic)
        for pipeline, passes in support.PIPELINES.items():
            lowered = support.lower(module, passes)
            packed = [np.array(x, order="C") if isinstance(x, np.ndarray) else x for x in operands]
            support.assert_same(module, lowered, packed, ulps=64)
            if pipeline != "fast":
                support.assert_same(module, lowered, [_strided(x) for x in operands], ulps=64)


@pytest.mark.parametrize("pipeline", support.PIPELINES)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), (1, 40), (17, 1), (5, 1500), (300, 3), (140, 70)])
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
def test_sums_over_block_borders(pipeline: str, shape: tuple[int, int], axes: tuple[int, ...]) -> None:
    def build(b: Any, x: Any) -> Any:
        return [emit.sum(b, x, axes), emit.sum(b, emit.exp(b, x), axes)]

    module = support.function([MATRIX], build)
    x = np.random.default_rng(0).random(shape)
    support.assert_same(module, support.lower(module, support.PIPELINES[pipeline]), [x], ulps=64)


def test_sums_are_no_worse_than_numpys() -> None:
    """float32 ones and small parts: a running sum would be off by thousands of ulp."""
    module = support.function([TensorType((None,), f32)], lambda b, x: [emit.sum(b, x, (0,))])
    lowered = support.lower(module, support.FAST)
    x = (np.random.default_rng(1).random(20_000) + 1).astype(np.float32)
    exact = x.astype(np.float64).sum()
    _, _, (got,) = support.run_lowered(module, lowered, [x])
    assert abs(float(got) - exact) <= max(2 * abs(float(x.sum()) - exact), np.spacing(np.float32(exact)))


@pytest.mark.parametrize("pipeline", support.PIPELINES)
def test_a_shape_fault_names_site_values_and_axis(pipeline: str) -> None:
    module = support.function([MATRIX, MATRIX], lambda b, x, y: [emit.add(b, x, y)])
    lowered = support.lower(module, support.PIPELINES[pipeline])
    code, cell, outs = support.run_lowered(module, lowered, [np.ones((2, 3)), np.ones((2, 4))])
    assert code == 1
    assert outs == []
    (site,) = [s for s in sites.collect(lowered) if s.number == cell[0]]
    assert (site.kind, site.op, site.axis) == ("equal", "tensorc.add", 1)
    assert cell[1:3].tolist() == [3, 4]
    assert "shapes differ on axis 1: 3 and 4" in str(site.error(3, 4))


def test_a_fact_is_checked_once() -> None:
    def build(b: Any, x: Any, y: Any) -> Any:
        return [emit.mul(b, emit.add(b, x, y), emit.sub(b, y, x))]

    module = support.function([VECTOR, VECTOR], build)
    lowered = support.lower(module, support.GENERIC)
    assert len(sites.collect(lowered)) == 1


@pytest.mark.parametrize("pipeline", support.PIPELINES)
def test_an_index_outside_reports_the_first_and_writes_zeros(pipeline: str) -> None:
    from tensorc.ir.types import i64

    types = [VECTOR, TensorType((None,), i64)]
    module = support.function(types, lambda b, x, i: [emit.op(b, "gather", x, i, attrs=_axis(0))])
    lowered = support.lower(module, support.PIPELINES[pipeline])
    code, cell, (out,) = support.run_lowered(module, lowered, [np.ones(4), np.array([0, -5, 9, 1])])
    assert code == 1
    assert cell[1:].tolist() == [-5, 4, 0]
    assert not out.any()


def _axis(axis: int) -> Any:
    from tensorc.ops.attrs import AxisAttrs

    return AxisAttrs(axis)


def test_the_fast_body_gives_up_where_extents_broadcast() -> None:
    from tensorc.ops import index

    def build(b: Any, x: Any, y: Any) -> Any:
        pairs = zip(index.extents_of(b, x), index.extents_of(b, y), strict=True)
        shape = [index.broadcast(b, p, q) for p, q in pairs]
        return [emit.add(b, emit.broadcast(b, x, shape), emit.broadcast(b, y, shape))]

    module = support.function([MATRIX, MATRIX], build)
    args = [np.ones((2, 1)), np.ones((2, 3))]
    code, _, _ = support.run_lowered(module, support.lower(module, support.FAST), args)
    assert code == 2
    support.assert_same(module, support.lower(module, support.GENERIC), args)


def test_outputs_alias_neither_inputs_nor_each_other() -> None:
    module = support.function([VECTOR], lambda b, x: [x, x, emit.neg(b, x)])
    support.assert_same(module, support.lower(module, support.GENERIC), [np.arange(3.0)])


def test_long_functions_are_cut_into_parts_that_compute_the_same() -> None:
    def build(b: Any, x: Any, y: Any) -> Any:
        z = x
        for step in range(200):
            z = (emit.mul, emit.sub)[step % 2](b, z, y)
        return [z]

    module = support.function([VECTOR, VECTOR], build)
    lowered = support.lower(module, support.GENERIC)
    assert sum(1 for f in functions(lowered) if "tensorc.apart" in f.attributes) > 5
    support.assert_same(module, lowered, [np.linspace(0, 1, 5), np.linspace(-1, 1, 5)])


def test_ten_thousand_ops() -> None:
    def build(b: Any, x: Any, y: Any) -> Any:
        z = x
        for step in range(10_000):
            z = (emit.add, emit.sub)[step % 2](b, z, y)
        return [z]

    module = support.function([VECTOR, VECTOR], build)
    support.assert_same(module, support.lower(module, support.FAST), [np.arange(3.0), np.ones(3)])


@pytest.mark.parametrize("dtype", ["bool", "int8", "float64"])
@pytest.mark.parametrize("mode", ["O0", "O2"])
def test_copies_with_gaps_are_kernels(dtype: str, mode: str) -> None:
    """Joining, setting a part, and flattening what is turned: loops that threads share, with the bits of
    their sources."""
    m, n = (tc.matrix(name, dtype=dtype) for name in "mn")
    outputs = [
        tc.concatenate([m, n], axis=1),
        m[1:, ::2].set(n[1:, ::2]),
        m[::-1].set(n),
        tc.reshape(m.T, (-1,)),
        tc.reshape(m[:, ::-1], (-1,)),
    ]
    f = tc.function([m, n], outputs, mode=mode)
    loops = f.build.module("loops")
    copies = [op for op in loops.walk() if op.isa(Copy)]
    assert all(v.type.layout is None for op in copies for v in op.operands)
    rng = np.random.default_rng(0)
    for shape in ((0, 3), (3, 0), (1, 1), (2, 1), (70, 33), (1, 200)):
        x, y = (rng.integers(0, 256, (*shape, 8), np.uint8).view(dtype)[..., 0] for _ in range(2))
        if dtype == "bool":
            x, y = (rng.integers(0, 2, shape).astype(bool) for _ in range(2))
        part, whole = x.copy(), x.copy()
        part[1:, ::2], whole[::-1] = y[1:, ::2], y
        expected = [np.concatenate([x, y], 1), part, whole, x.T.reshape(-1), x[:, ::-1].reshape(-1)]
        for args in ((x, y), (np.asfortranarray(x), np.asfortranarray(y)), (_strided(x), _strided(y))):
            for found, right in zip(f(*args), expected, strict=True):
                assert found.dtype == right.dtype
                assert found.tobytes() == right.tobytes(), shape
