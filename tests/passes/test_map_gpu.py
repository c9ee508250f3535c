"""`map-gpu`: the mapped kernel, run thread by thread, gives what loops give; races and overruns are found."""

from __future__ import annotations

import numpy as np
import pytest

from tensorc.interp.loop_memory import LoopError
from tensorc.interp.loops import LoopInterpreter, run
from tensorc.ir.builtin import body, lookup
from tensorc.ir.clone import clone_op
from tensorc.ir.errors import TensorcValueError
from tensorc.ir.types import f64
from tensorc.ir.verifier import check
from tensorc.ops.loops import LoopBuilder, gpu, scf
from tensorc.ops.loops.memref import memref_type
from tensorc.passes.map_gpu import MapGpu
from tests.codegen_cuda import kernels


def mapped(module, block=4):
    copy = clone_op(module)
    MapGpu(block).run(copy)
    check(copy)
    return copy


def same_as_loops(module, inputs, out, block=4):
    loops, grid = np.copy(out), np.copy(out)
    assert run(module, "f", inputs, [loops])[0] == 0
    assert run(mapped(module, block), "f", inputs, [grid])[0] == 0
    assert np.array_equal(loops, grid, equal_nan=True)
    return grid


@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 17])
def test_elementwise(n):
    rng = np.random.default_rng(n)
    x, w = (rng.standard_normal(n).astype(np.float32) for _ in range(2))
    y = same_as_loops(kernels.elementwise(), [x, w], np.zeros(n, np.float32))
    np.testing.assert_allclose(y, w / (1 + np.exp(-x)), rtol=1e-5)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), (6, 5)])
def test_row_reduction(shape):
    x = np.random.default_rng(0).standard_normal((shape[0] * 2, shape[1]))[::-2]
    y = same_as_loops(kernels.row_reduction(), [x], np.zeros(shape[0]))
    if x.size:
        largest = x.max(axis=1)
        np.testing.assert_allclose(y, largest + np.exp(x - largest[:, None]).sum(axis=1), rtol=1e-14)


@pytest.mark.parametrize("shape", [(0, 2), (2, 0), (1, 7), (5, 3)])
def test_a_nest_becomes_one_grid_and_stack_buffers_private(shape):
    module = kernels.nested()
    x = np.arange(float(shape[0] * shape[1])).reshape(shape[1], shape[0])
    y = same_as_loops(module, [x], np.zeros(shape), block=3)
    assert np.array_equal(y, x.T)
    grid = mapped(module)
    assert sum(op.isa(gpu.Launch) for op in grid.walk()) == 1
    assert not any(op.isa(scf.For) for op in grid.walk())


@pytest.mark.parametrize("n", [0, 1, 9])
def test_a_fused_elementwise_kernel_of_the_compiler(n):
    x = np.linspace(-3, 3, n, dtype=np.float32)
    y = same_as_loops(kernels.silu(), [x], np.zeros(n, np.float32))
    np.testing.assert_allclose(y, x / (1 + np.exp(-x)), rtol=1e-6)


@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (6, 5), (3, 40)])
def test_a_row_reduction_of_the_compiler(shape):
    x = np.random.default_rng(0).standard_normal(shape)
    y = same_as_loops(kernels.softmax(), [x], np.zeros(shape))
    e = np.exp(x - x.max(axis=1, keepdims=True)) if x.size else x
    np.testing.assert_allclose(y, e / e.sum(axis=1, keepdims=True), rtol=1e-13)


def test_a_race_is_found():
    x, y = np.ones(5, np.float32), np.ones(1, np.float32)
    assert run(kernels.racing(), "f", [x, y], [])[0] == 0
    with pytest.raises(LoopError, match="race: thread 1 and thread 0 touch element 0, and one writes it"):
        run(mapped(kernels.racing()), "f", [x, y], [])


def test_a_missing_guard_is_found():
    module = mapped(kernels.elementwise())
    guard = next(op for op in module.walk() if op.isa(scf.If))
    always = LoopBuilder.before(guard).constant(1, guard.operands[0].type)
    guard.set_operand(0, always)
    x = np.ones(5, np.float32)
    with pytest.raises(LoopError, match="index 5 on axis 0 is outside extent 5"):
        run(module, "f", [x, x], [x.copy()])


def test_an_empty_grid_is_refused_by_the_interpreter():
    module = mapped(kernels.elementwise())
    launch = next(op for op in module.walk() if op.isa(gpu.Launch))
    launch.set_operand(0, LoopBuilder.before(launch).index(0))
    x = np.ones(1, np.float32)
    with pytest.raises(LoopError, match="every size must be positive"):
        run(module, "f", [x, x], [x.copy()])


def test_only_parallel_loops_are_mapped():
    module = kernels.function([memref_type(f64, [None])], sequential)
    MapGpu().run(module)
    assert not any(op.isa(gpu.Launch) for op in module.walk())
    x = np.zeros(3)
    LoopInterpreter(module).call("f", [x, np.zeros(4, np.int64)])
    assert x.tolist() == [1, 1, 1]


def sequential(b, x):
    with b.for_(0, b.dim(x, 0)) as loop:
        b.store(b.constant(1, f64), x, [loop.iv])


def test_a_stack_buffer_used_outside_too_is_refused():
    module = kernels.nested()
    block = body(lookup(module, "f"))
    scratch = next(op for op in block if op.name == "memref.alloca")
    b = LoopBuilder(block, block.last)
    b.load(scratch.result, [0])
    with pytest.raises(TensorcValueError, match="TC0603"):
        MapGpu().run(module)


def test_scratch_that_cannot_be_shared_out_is_refused():
    def make(b, x):
        scratch = b.alloc(f64, [2])
        manager, loop = kernels.parallel(b, b.dim(x, 0))
        b.store(b.load(b.reinterpret_cast(scratch, 0, [2], [1]), [0]), x, [loop.iv])
        manager.__exit__(None, None, None)
        b.dealloc(scratch)

    with pytest.raises(TensorcValueError, match=r"used by memref\.reinterpret_cast"):
        MapGpu().run(kernels.function([memref_type(f64, [None])], make))


@pytest.mark.parametrize("block", [0, -1, 1025])
def test_a_block_has_1_to_1024_threads(block):
    with pytest.raises(TensorcValueError, match="TC0602"):
        MapGpu(block).run(kernels.elementwise())
