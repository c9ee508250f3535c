"""`vectorize` changes no bit: the interpreter before, the interpreter after, and machine code agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from codegen_llvm.emitter_support import build, compile_module, same
from tensorc.interp import loops
from tensorc.ir.attributes import UNIT
from tensorc.ir.builtin import functions
from tensorc.ir.clone import clone_op
from tensorc.ir.core import Operation, Value
from tensorc.ir.parser import parse_module
from tensorc.ir.printer import print_op
from tensorc.ir.types import (
    MemRefType,
    StridedLayout,
    Type,
    VectorType,
    f32,
    f64,
    i1,
    i8,
    i16,
    i32,
    i64,
    index,
)
from tensorc.ir.verifier import check
from tensorc.ops.loops import LoopBuilder, math, memref, vector
from tensorc.ops.loops.base import width
from tensorc.ops.loops.fold import constant_value
from tensorc.ops.loops.nests import LANES, STREAM
from tensorc.passes.expand_math import ExpandMath
from tensorc.passes.lanes import AHEAD
from tensorc.passes.quotients import LIMITS
from tensorc.passes.vectorize import Vectorize

COUNTS = (0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 300)
F32, F64, I64, I32, I8 = (MemRefType((None,), t) for t in (f32, f64, i64, i32, i8))
DTYPES = {f32: "f4", f64: "f8", i64: "i8", i32: "i4", i8: "i1", i16: "i2"}
Make = Callable[..., None]


def lanes_loop(b: LoopBuilder, lower: Any, upper: Any, body: Callable[[Value], None]) -> None:
    with b.for_(lower, upper) as loop:
        loop.op.set_attribute(LANES, UNIT)
        body(loop.iv)


def over(body: Callable[..., Value]) -> Make:
    """out[i] = body(b, i, in[i]...) for all i."""

    def make(b: LoopBuilder, *buffers: Value) -> None:
        *ins, out = buffers
        lanes_loop(
            b,
            0,
            b.dim(out, 0),
            lambda i: b.store(body(b, i, *[b.load(v, [i]) for v in ins]), out, [i]),
        )

    return make


def agree(types: Sequence[Type], make: Make, arrays: Sequence[np.ndarray[Any, Any]]) -> Operation:
    """The last array is written. Gives the module with vectors."""
    before = build(types, make)
    check(before)
    after = clone_op(before)
    Vectorize().run(after)
    check(after)
    assert print_op(parse_module(print_op(after), "vectors.mlir")) == print_op(after)
    results = []
    for module in (before, after):
        given = [a.copy(order="K") for a in arrays]
        loops.LoopInterpreter(module).call("f", given)
        results.append(given[-1])
    given = [a.copy(order="K") for a in arrays]
    compile_module(after, vector_width=512).call("f", given, types)
    results.append(given[-1])
    assert all(same(results[0], r) for r in results[1:]), results
    return after


def is_vector(module: Operation) -> bool:
    return any(op.name.startswith("vector.") for op in module.walk())


def sample(type: MemRefType, count: int, seed: int = 0) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    dtype = np.dtype(DTYPES[type.element])  # type: ignore[index]
    if dtype.kind == "f":
        found = rng.standard_normal(count).astype(dtype)
        found[::5] = [np.nan, np.inf, -0.0, 1e30, -np.inf][seed % 5]
        return found
    return rng.integers(-100, 100, count).astype(dtype)


LIGHT: dict[str, tuple[list[Type], Make]] = {
    "sum of f32": ([F32, F32, F32], over(lambda b, i, x, y: b.addf(x, y))),
    "f64 and f32": ([F32, F64, F64], over(lambda b, i, x, y: b.mulf(b.extf(x, f64), y))),
    "to f32": ([F64, F32], over(lambda b, i, x: b.truncf(x, f32))),
    "i64 to f32": ([I64, F32], over(lambda b, i, x: b.sitofp(x, f32))),
    "bool": ([F64, F64, I8], over(lambda b, i, x, y: b.extui(b.cmpf("ult", x, y), i8))),
    "i8": ([I8, I8, I8], over(lambda b, i, x, y: b.muli(b.addi(x, y), y))),
    "select": ([I8, F64, F64], over(lambda b, i, c, x: b.select(b.to_bool(c), x, b.negf(x)))),
    "maximum": ([F32, F32, F32], over(lambda b, i, x, y: b.maximumf(x, b.minimumf(y, x)))),
    "guarded division": (
        [I64, I64, I64],
        over(
            lambda b, i, x, y: b.floordivsi(
                x, b.select(b.cmpi("sgt", y, b.constant(0, i64)), y, b.constant(3, i64))
            )
        ),
    ),
    "remainder": ([F64, F64, F64], over(lambda b, i, x, y: b.remf(x, y))),
    "shift": (
        [I32, I32],
        over(lambda b, i, x: b.shrui(b.xori(x, b.constant(-1, i32)), b.constant(3, i32))),
    ),
    "its own number": ([F32, F32], over(lambda b, i, x: b.addf(x, b.sitofp(b.index_cast(i, i64), f32)))),
    "copy sign": ([F64, F64, F64], over(lambda b, i, x, y: b.copysign(b.sqrt(b.absf(x)), y))),
}


@pytest.mark.parametrize("name", LIGHT)
def test_every_count_of_iterations(name: str) -> None:
    types, make = LIGHT[name]
    for count in COUNTS:
        arrays = [sample(t, count, n) for n, t in enumerate(types)]  # type: ignore[arg-type]
        assert is_vector(agree(types, make, arrays))


def heavy(b: LoopBuilder, i: Value, x: Value) -> Value:
    for k in range(60):
        x = b.addf(b.mulf(x, b.constant(0.5 + k, f64)), b.constant(1.0, f64))
    return x


@pytest.mark.parametrize(("ops", "registers"), [(4, 4), (12, 2), (40, 1), (120, 2), (400, 1)])
def test_how_many_registers_the_lanes_take(ops: int, registers: int) -> None:
    def chain(b: LoopBuilder, i: Value, x: Value) -> Value:
        for _ in range(ops):
            x = b.addf(x, b.constant(1.0, f64))
        return x

    module = agree([F64, F64], over(chain), [sample(F64, 37), np.zeros(37)])
    sums = [op.result.type for op in module.walk() if op.name == "arith.addf"]
    assert max(kind.shape[0] for kind in sums if isinstance(kind, VectorType)) == 8 * registers


@pytest.mark.parametrize("count", [0, 1, 8, 9, 16, 17, 40])
def test_a_heavy_body_is_written_once(count: int) -> None:
    module = agree([F64, F64], over(heavy), [sample(F64, count), np.zeros(count)])
    assert sum(op.name == "arith.mulf" for op in module.walk()) == 60


@pytest.mark.parametrize("body", [heavy, lambda b, i, x: b.negf(x)], ids=["heavy", "light"])
@pytest.mark.parametrize(("count", "masks"), [(1600, 0), (1601, 1)])
def test_whole_vectors_need_no_mask(body: Callable[..., Value], count: int, masks: int) -> None:
    def make(b: LoopBuilder, x: Value, out: Value) -> None:
        lanes_loop(b, 0, count, lambda i: b.store(body(b, i, b.load(x, [i])), out, [i]))

    module = agree([F64, F64], make, [sample(F64, count), np.zeros(count)])
    assert sum(op.isa(vector.CreateMask) for op in module.walk()) == masks


STRIDED = MemRefType((None, None), f32, StridedLayout((None, None), None))


@pytest.mark.parametrize("turn", [(1, 1), (1, -1), (-1, 1), (2, 3)])
@pytest.mark.parametrize("axis", [0, 1])
def test_places_that_are_no_neighbours(axis: int, turn: tuple[int, int]) -> None:
    def make(b: LoopBuilder, x: Value, out: Value) -> None:
        with b.for_(0, b.dim(x, 1 - axis)) as other:
            def body(i: Value) -> None:
                at = [i, other.iv] if axis == 0 else [other.iv, i]
                b.store(b.negf(b.load(x, at)), out, at)

            lanes_loop(b, 0, b.dim(x, axis), body)

    whole = np.arange(40 * 40, dtype="f4").reshape(40, 40)
    x = whole[:: turn[0], :: turn[1]][:20, :13]
    out = np.full((20, 13), -1.0, "f4")
    module = build([STRIDED, STRIDED], make)
    before = clone_op(module)
    Vectorize().run(module)
    check(module)
    assert any(op.name == "vector.gather" for op in module.walk())
    for found in (before, module):
        got = out.copy()
        loops.LoopInterpreter(found).call("f", [x, got])
        assert same(got, -x)
    got = out.copy()
    compile_module(module, vector_width=512).call("f", [x, got], [STRIDED, STRIDED])
    assert same(got, -x)


def test_places_from_data() -> None:
    def body(b: LoopBuilder, i: Value, at: Value) -> Value:
        return b.load(table[0], [b.index_cast(at, index)])

    table: list[Value] = []

    def make(b: LoopBuilder, source: Value, at: Value, out: Value) -> None:
        table[:] = [source]
        over(body)(b, at, out)

    at = np.random.default_rng(3).integers(0, 50, 77)
    agree([F64, I64, F64], make, [sample(F64, 50), at, np.zeros(77)])


def test_every_other_element_backwards() -> None:
    def make(b: LoopBuilder, x: Value, out: Value) -> None:
        n = b.dim(out, 0)

        def body(i: Value) -> None:
            place = b.subi(b.index(n), b.addi(i, b.constant(1, index)))
            b.store(b.load(x, [b.muli(place, b.constant(2, index))]), out, [i])

        lanes_loop(b, 0, n, body)

    agree([F32, F32], make, [np.arange(100, dtype="f4"), np.zeros(50, "f4")])


def test_calls_and_branches_run_lane_by_lane() -> None:
    def body(b: LoopBuilder, i: Value, x: Value) -> Value:
        rare = b.cmpf("ogt", b.absf(x), b.constant(1.0, f64))
        with b.if_(rare, [f64]) as branch:
            branch.yield_(b.divf(b.call("sin", [x], f64), x))
        with branch.else_():
            branch.yield_(x)
        return b.addf(branch.results[0], b.call("cos", [x], f64))

    for count in COUNTS[:9]:
        module = agree([F64, F64], over(body), [sample(F64, count), np.zeros(count)])
        assert any(op.name == "vector.reduction" for op in module.walk())


def test_inner_loops_and_stores_in_branches() -> None:
    def make(b: LoopBuilder, x: Value, out: Value) -> None:
        def body(i: Value) -> None:
            value = b.load(x, [i])
            with b.while_([value]) as loop:
                loop.condition(b.cmpi("sgt", loop.args[0], b.constant(3, i64)), *loop.args)
                with loop.do() as (v,):
                    loop.yield_(b.shrsi(v, b.constant(1, i64)))
            with b.if_(b.cmpi("sgt", value, b.constant(0, i64))):
                b.store(loop.results[0], out, [i])

        lanes_loop(b, 0, b.dim(x, 0), body)

    for count in (0, 1, 9, 33):
        agree([I64, I64], make, [sample(I64, count), np.zeros(count, "i8")])


@pytest.mark.parametrize("most", [1, 3, 8, 16, 64, 100])
def test_few_iterations_are_straight_line(most: int) -> None:
    def make(b: LoopBuilder, x: Value, out: Value) -> None:
        upper = b.minimum(b.dim(x, 0), most)
        lanes_loop(b, 0, upper, lambda i: b.store(b.addf(b.load(x, [i]), b.load(out, [i])), out, [i]))

    for count in (0, 1, most - 1, most, most + 5):
        module = agree([F64, F64], make, [sample(F64, count), np.ones(count)])
        assert not any(op.name == "scf.for" for op in module.walk())


def test_many_iterations_that_compute_nothing_stay_a_loop() -> None:
    many = 1 << 40

    def make(b: LoopBuilder, out: Value) -> None:
        zero = b.constant(0.0, f64)
        lanes_loop(b, 0, many, lambda i: b.store(zero, out, [i]))

    module = build([MemRefType((many,), f64)], make)
    Vectorize().run(module)
    assert sum(op.name == "scf.for" for op in module.walk()) == 1


def test_a_loop_that_is_not_known_stays() -> None:
    def everywhere(b: LoopBuilder, x: Value, out: Value) -> None:
        lanes_loop(b, 0, b.dim(x, 0), lambda i: b.store(b.load(x, [i]), out, [b.constant(0, index)]))

    module = build([F64, F64], everywhere)
    text = print_op(module)
    Vectorize().run(module)
    assert print_op(module) == text


def test_accumulators_in_memory_become_registers() -> None:
    """What lowerings rely on: a small buffer read and written at known places only leaves no trace."""

    def make(b: LoopBuilder, x: Value, out: Value) -> None:
        part = b.alloca(f64, [64])
        zero = b.constant(0.0, f64)
        lanes_loop(b, 0, 64, lambda i: b.store(zero, part, [i]))
        with b.for_(0, b.dim(x, 0), 64) as row:
            left = b.minimum(b.sub(b.dim(x, 0), row.iv), 64)

            def add(i: Value) -> None:
                b.store(b.addf(b.load(part, [i]), b.load(x, [b.addi(row.iv, i)])), part, [i])

            lanes_loop(b, 0, left, add)
        lanes_loop(b, 0, 64, lambda i: b.store(b.load(part, [i]), out, [i]))

    module = agree([F64, F64], make, [sample(F64, 200, 2), np.zeros(64)])
    assert "alloca" not in compile_module(module, vector_width=512).optimised


@pytest.mark.parametrize("kind", [F32, F64, I8])
def test_what_streams_in_is_asked_for_ahead(kind: MemRefType) -> None:
    """Each line of a whole vector once, `AHEAD` bytes on; nothing for what is not marked, or at the end."""

    def make(b: LoopBuilder, x: Value, y: Value, out: Value) -> None:
        def body(i: Value) -> None:
            near, far = b.load(x, [i]), b.load(y, [i])
            far.owner.set_attribute(STREAM, UNIT)  # type: ignore[union-attr]
            b.store(far if kind is I8 else b.addf(near, far), out, [i])

        lanes_loop(b, 0, b.dim(out, 0), body)

    for count in (0, 3, 64, 300):
        module = agree([kind] * 3, make, [sample(kind, count, k) for k in range(3)])
    asked = [op for op in module.walk() if op.isa(memref.Prefetch)]
    vectors = [op.result.type for op in module.walk() if op.isa(vector.Load)]
    size = width(kind.element) // 8
    assert len(asked) == max(1, vectors[0].shape[0] * size // 64)  # type: ignore[attr-defined]
    assert len({op.operands[1] for op in asked}) == len(asked)
    assert {op.operands[0] for op in asked} == {next(functions(module)).regions[0].block.args[1]}
    starts = [constant_value(op.operands[1].owner.operands[1]) for op in asked]  # type: ignore[union-attr]
    assert starts == [(AHEAD + 64 * k) // size for k in range(len(asked))]


@pytest.mark.parametrize("kind", [F32, F64])
def test_dividing_by_one_number_is_dividing(kind: MemRefType) -> None:
    """Bit for bit, at the ends of the ranges within which it is done by multiplying, and beyond."""
    count = 300

    def make(b: LoopBuilder, s: Value, x: Value, out: Value) -> None:
        with b.for_(0, b.dim(s, 0)) as row:
            divisor, start = b.load(s, [row.iv]), b.mul(row.iv, count)

            def body(i: Value) -> None:
                at = b.add(start, i)
                b.store(b.divf(b.load(x, [at]), divisor), out, [at])

            lanes_loop(b, 0, count, body)

    dtype = np.dtype(DTYPES[kind.element])  # type: ignore[index]
    info, rng = np.finfo(dtype), np.random.default_rng(5)
    size, small, large = LIMITS[kind.element]  # type: ignore[index]
    edges = np.ldexp(1.0, [-small, -small - 1, 1 - small, large, large - 1])
    special = [0, np.inf, np.nan, info.max, info.tiny, info.smallest_subnormal]
    near_two = [2 - k * float(info.eps) for k in (1, 2, 3)]
    near = [1.0, 3.0, 0.1, 2.0**size, 2.0 ** (size + 1), 2.0**-size, 0.9 * 2.0**-size]
    divisors = np.array([*near_two, *near, *edges, *special, -3, -0.0], dtype)
    x = rng.standard_normal((len(divisors), count)) * np.exp(rng.uniform(-9, 9, (len(divisors), count)))
    with np.errstate(all="ignore"):
        x[:, :100] *= divisors[:, None].astype("f8")
        x[::2, ::7] *= np.exp(rng.uniform(-700, 700, x[::2, ::7].shape))
        x[::3, ::5] = rng.choice([*edges, 0.9 * edges[2], *special], x[::3, ::5].shape)
        x[::2, 1::9] = 0
        x = np.copysign(x, rng.standard_normal(x.shape)).astype(dtype).reshape(-1)
        module = agree([kind] * 3, make, [divisors, x, np.zeros_like(x)])
    assert any(op.isa(math.Fma) for op in module.walk())


def test_bool_lanes() -> None:
    def body(b: LoopBuilder, i: Value, x: Value, y: Value) -> Value:
        a, c = b.to_bool(x), b.to_bool(y)
        return b.from_bool(b.select(a, c, b.xori(c, b.constant(True, i1))))

    for count in COUNTS:
        agree([I8, I8, I8], over(body), [sample(I8, count, 1), sample(I8, count, 2), np.zeros(count, "i1")])


@pytest.mark.parametrize("count", [3, 8, 100])
def test_a_rare_function_is_called_where_a_lane_needs_it(count: int) -> None:
    def body(b: LoopBuilder, i: Value, x: Value) -> Value:
        return b.mulf(b.sin(x), x)

    def make(b: LoopBuilder, *buffers: Value) -> None:
        over(body)(b, *buffers)
        ExpandMath().run(b._module())

    given = sample(F64, count)
    given[1] = 1e200
    module = agree([F64, F64], make, [given, np.zeros(count)])
    assert is_vector(module)
    guarded = [op for op in module.walk() if op.name == "scf.if"]
    calls = [op for op in module.walk() if op.name == "func.call"]
    assert calls
    assert all(any(call in set(branch.walk()) for branch in guarded) for call in calls)
