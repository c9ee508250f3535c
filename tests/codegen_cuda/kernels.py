"""L2 functions with parallel loops, as the lowering writes them, for the tests of the GPU slice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorc.ir.attributes import UNIT
from tensorc.ir.builtin import body, new_function, new_module
from tensorc.ir.core import Operation
from tensorc.ir.types import TensorType, f32, f64, i32, i64
from tensorc.ops.arithmetic import Mul
from tensorc.ops.attrs import AxesAttrs
from tensorc.ops.composite import Softmax
from tensorc.ops.loops import LoopBuilder
from tensorc.ops.loops.memref import memref_type
from tensorc.ops.transcendental import Sigmoid
from tensorc.passes.expand_math import ExpandMath
from tensorc.passes.map_gpu import PARALLEL
from tests.passes.lowering_support import FAST, lower
from tests.passes.lowering_support import function as tensor_function

ERR = memref_type(i64, [4])
VECTOR = memref_type(f32, [None])
ROWS = memref_type(f64, [None, None], [None, 1], None)


def function(types, make: Callable[..., None]) -> Operation:
    module = new_module()
    found = new_function("f", [*types, ERR], [i32])
    module.regions[0].block.append(found)
    b = LoopBuilder.at_end(body(found))
    make(b, *body(found).args[:-1])
    b.return_(b.constant(0, i32))
    return module


def parallel(b: LoopBuilder, extent):
    """A loop marked parallel."""
    manager = b.for_(0, extent)
    loop = manager.__enter__()
    loop.op.set_attribute(PARALLEL, UNIT)
    return manager, loop


def elementwise() -> Operation:
    """y = 1 / (1 + exp(-x)) * w, fused, on float32 vectors."""

    def make(b, x, w, y):
        manager, loop = parallel(b, b.dim(y, 0))
        one = b.constant(1, f32)
        p = b.divf(one, b.addf(one, b.exp(b.negf(b.load(x, [loop.iv])))))
        b.store(b.mulf(p, b.load(w, [loop.iv])), y, [loop.iv])
        manager.__exit__(None, None, None)

    return function([VECTOR, VECTOR, VECTOR], make)


def row_reduction() -> Operation:
    """y[i] = max over j of x[i, j], plus the sum over j of exp(x[i, j] - max), on strided float64 rows."""

    def make(b, x, y):
        manager, row = parallel(b, b.dim(x, 0))
        columns = b.dim(x, 1)
        with b.for_(0, columns, init=[b.constant(float("-inf"), f64)]) as largest:
            largest.yield_(b.maximumf(largest.args[0], b.load(x, [row.iv, largest.iv])))
        with b.for_(0, columns, init=[b.constant(0, f64)]) as total:
            shifted = b.subf(b.load(x, [row.iv, total.iv]), largest.results[0])
            total.yield_(b.addf(total.args[0], b.exp(shifted)))
        b.store(b.addf(largest.results[0], total.results[0]), y, [row.iv])
        manager.__exit__(None, None, None)

    return function([ROWS, memref_type(f64, [None])], make)


def nested() -> Operation:
    """y[i, j] = x[j, i], two parallel loops, with a private stack buffer in between."""

    def make(b, x, y):
        scratch = b.alloca(f64, [2])
        outer, i = parallel(b, b.dim(y, 0))
        inner, j = parallel(b, b.dim(y, 1))
        b.store(b.load(x, [j.iv, i.iv]), scratch, [1])
        b.store(b.load(scratch, [1]), y, [i.iv, j.iv])
        inner.__exit__(None, None, None)
        outer.__exit__(None, None, None)

    plain = memref_type(f64, [None, None])
    return function([ROWS, plain], make)


def racing() -> Operation:
    """Every iteration adds to one element: not a parallel loop, marked as one."""

    def make(b, x, y):
        manager, loop = parallel(b, b.dim(x, 0))
        zero = b.index(0)
        b.store(b.addf(b.load(y, [zero]), b.load(x, [loop.iv])), y, [zero])
        manager.__exit__(None, None, None)

    return function([VECTOR, VECTOR], make)


def lowered(build: Callable[..., Any], *types: TensorType) -> Operation:
    """A tensor function through the fast pipeline, math functions expanded."""
    module = lower(tensor_function(types, build), FAST)
    ExpandMath().run(module)
    return module


def silu() -> Operation:
    """x * sigmoid(x) on a float32 vector: one fused elementwise kernel."""
    vector = TensorType((None,), f32)
    return lowered(lambda b, x: b.create(Mul, [x, b.create(Sigmoid, [x])[0]]), vector)


def softmax() -> Operation:
    """Softmax of float64 rows: two row reductions and what goes around them, one kernel."""
    matrix = TensorType((None, None), f64)
    return lowered(lambda b, x: b.create(Softmax, [x], AxesAttrs((1,))), matrix)
