"""`carry` changes no bit: the interpreter before, the interpreter after, and machine code agree."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

import tensorc as tc
from codegen_llvm.emitter_support import build, compile_module, same
from tensorc.interp import loops
from tensorc.ir.attributes import UNIT
from tensorc.ir.clone import clone_op
from tensorc.ir.core import Operation, Value
from tensorc.ir.parser import parse_module
from tensorc.ir.printer import print_op
from tensorc.ir.types import MemRefType, VectorType, f64, i64, index
from tensorc.ir.verifier import check
from tensorc.ops.loops import LoopBuilder, memref, scf, vector
from tensorc.ops.loops.nests import PARALLEL
from tensorc.passes.carry import Carry

F64 = MemRefType((None,), f64)
TYPES = [F64, F64]
X = np.array([0.5, -0.0, 3.0, np.inf, -7.25, 1e300, np.nan, 2.0, 5e-324, -1.0, 11.0, 0.125])


class Stack:
    """A buffer on the stack of a function that is being built."""

    def __init__(self, b: LoopBuilder, size: int = 8, buffer: Value | None = None) -> None:
        self.b, self.buffer = b, b.alloca(f64, [size]) if buffer is None else buffer
        for n in range(size):
            self.put(n, b.constant(float(n), f64))

    def get(self, at: int | Value, lanes: int = 0) -> Value:
        if lanes == 0:
            return self.b.load(self.buffer, [at])
        operands, kind = [self.buffer, self.b.index(at)], VectorType((lanes,), f64)
        return self.b.create_op(vector.Load, operands, results=[kind]).result

    def put(self, at: int | Value, value: Value) -> None:
        if not isinstance(value.type, VectorType):
            self.b.store(value, self.buffer, [at])
            return
        self.b.create_op(vector.Store, [value, self.buffer, self.b.index(at)])


def carried(make: Callable[[LoopBuilder, Value, Stack], None], count: int = len(X)) -> Operation:
    """The module after the pass, of a function whose `make` fills a buffer that is then its output."""

    def body(b: LoopBuilder, x: Value, out: Value) -> None:
        stack = Stack(b)
        make(b, x, stack)
        with b.for_(0, 8) as loop:
            b.store(stack.get(loop.iv), out, [loop.iv])

    return compared(build(TYPES, body), count)


def compared(before: Operation, count: int = len(X)) -> Operation:
    """The module after the pass, which gives what it gave before."""
    check(before)
    after = clone_op(before)
    Carry().run(after)
    check(after)
    assert print_op(parse_module(print_op(after), "carried.mlir")) == print_op(after)
    results = []
    for module in (before, after):
        out = np.zeros(8)
        loops.LoopInterpreter(module).call("f", [X[:count].copy(), out])
        results.append(out)
    out = np.zeros(8)
    compile_module(after).call("f", [X[:count].copy(), out], TYPES)
    assert all(same(results[0], r) for r in (results[1], out)), [*results, out]
    return after


def accesses(module: Operation) -> list[str]:
    """Names of loads and stores inside loops, but for the copy at the end."""
    first, *_ = (op for op in module.walk() if op.isa(scf.For))
    return [op.name for op in first.walk() if op.definition in (memref.Load, memref.Store, vector.Load)]


@pytest.mark.parametrize("count", [0, 1, len(X)])
def test_an_accumulator_is_a_value_of_the_loop(count: int) -> None:
    def sums(b: LoopBuilder, x: Value, stack: Stack) -> None:
        with b.for_(0, b.dim(x, 0)) as loop:
            stack.put(3, b.addf(stack.get(3), b.load(x, [loop.iv])))

    assert accesses(carried(sums, count)) == ["memref.load"]  # of x


def test_vectors_are_carried_and_their_parts_are_taken_from_them() -> None:
    def sums(b: LoopBuilder, x: Value, stack: Stack) -> None:
        with b.for_(0, b.index(8), 4) as loop:
            kind = VectorType((4,), f64)
            found = b.create_op(vector.Load, [x, loop.iv], results=[kind]).result
            stack.put(4, b.addf(stack.get(4, 4), found))
        stack.put(4, b.addf(stack.get(4, 2), stack.get(6, 2)))
        stack.put(0, b.addf(stack.get(4), stack.get(5)))
        stack.put(1, stack.get(7))

    module = carried(sums)
    assert accesses(module) == ["vector.load"]
    names = [op.name for op in module.walk()]
    assert names.count("vector.extract_strided_slice") == 2
    assert names.count("vector.extract") == 2  # the rest of what was half overwritten is read again


def test_places_exchanged_in_every_iteration() -> None:
    def exchange(b: LoopBuilder, x: Value, stack: Stack) -> None:
        with b.for_(0, b.dim(x, 0)):
            first, second = stack.get(1), stack.get(2)
            stack.put(1, second)
            stack.put(2, first)

    assert accesses(carried(exchange, 3)) == []


def test_nested_loops_and_places_that_are_only_read() -> None:
    def nested(b: LoopBuilder, x: Value, stack: Stack) -> None:
        with b.for_(0, b.dim(x, 0)) as outer:
            stack.put(5, b.constant(0.0, f64))
            with b.for_(0, outer.iv) as inner:
                stack.put(5, b.addf(stack.get(5), b.mulf(b.load(x, [inner.iv]), stack.get(6))))
            stack.put(7, b.addf(stack.get(7), stack.get(5)))

    assert accesses(carried(nested)) == ["memref.load", "memref.store"]  # x; 5, which the output reads


@pytest.mark.parametrize("what", ["index", "overlap", "branch", "parallel"])
def test_what_is_no_value_of_a_loop(what: str) -> None:
    def odd(b: LoopBuilder, x: Value, stack: Stack) -> None:
        with b.for_(0, b.minimum(b.dim(x, 0), 6)) as loop:
            if what == "index":
                stack.put(loop.iv, b.addf(stack.get(2), stack.get(loop.iv)))
            elif what == "overlap":
                stack.put(1, stack.get(2, 2))
                stack.put(2, b.addf(stack.get(1, 2), stack.get(3, 2)))
            elif what == "branch":
                value = stack.get(2)
                with b.if_(b.cmpf("olt", value, b.constant(9.0, f64))):
                    stack.put(2, b.addf(value, b.load(x, [loop.iv])))
            else:
                loop.op.set_attribute(PARALLEL, UNIT)
                stack.put(2, b.addf(stack.get(2), b.load(x, [loop.iv])))

    assert {"memref.load", "vector.load"} & {*accesses(carried(odd))}


def test_a_buffer_that_is_seen_from_elsewhere_is_left_alone() -> None:
    def viewed(b: LoopBuilder, x: Value, stack: Stack) -> None:
        view = b.reinterpret_cast(stack.buffer, 1, [4], [1])
        with b.for_(0, b.minimum(b.dim(x, 0), 4)) as loop:
            stack.put(2, b.addf(stack.get(2), b.load(x, [loop.iv])))
            b.store(b.constant(1.0, f64), view, [1])

    assert accesses(carried(viewed)).count("memref.load") == 2


@pytest.mark.parametrize("seed", range(40))
def test_any_nest_of_loops_and_accesses(seed: int) -> None:
    chance = random.Random(seed)

    def block(b: LoopBuilder, x: Value, stack: Stack, depth: int, seen: list[Value]) -> None:
        for _ in range(chance.randrange(2, 7)):
            kind, at = chance.choice("gggpppvwlib"), chance.randrange(7)
            if kind == "g":
                seen.append(stack.get(at))
            elif kind == "p":
                stack.put(at, b.addf(chance.choice(seen), chance.choice(seen)))
            elif kind == "v":
                stack.put(chance.randrange(7), b.addf(stack.get(at, 2), stack.get(chance.randrange(7), 2)))
            elif kind == "w":
                stack.put(b.addi(b.index(at), b.index(0)), chance.choice(seen))  # a place nobody knows
            elif kind == "i" and depth:
                with b.if_(b.cmpf("olt", seen[-1], seen[0])):
                    block(b, x, stack, depth + 1, [*seen])
            elif kind in "lb" and depth < 3:
                with b.for_(0, b.index(chance.randrange(3))) as loop:
                    inner = [*seen, b.sitofp(b.index_cast(loop.iv, i64), f64)]
                    block(b, x, stack, depth + 1, inner)

    carried(lambda b, x, stack: block(b, x, stack, 0, [b.load(x, [2]), b.load(x, [0])]))


@pytest.mark.parametrize("outside", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_what_is_written_last_is_forgotten_where_iterations_begin_anew(seed: int, outside: bool) -> None:
    chance = random.Random(seed)

    def body(b: LoopBuilder, x: Value, out: Value) -> None:
        buffer = b.alloca(f64, [8]) if outside else None
        with b.for_(0, 8) as loop:
            stack = Stack(b, buffer=buffer)
            for _ in range(chance.randrange(5)):
                stack.put(chance.randrange(7), b.addf(stack.get(chance.randrange(7)), b.load(x, [loop.iv])))
            with b.for_(0, b.index(chance.randrange(3))) as inner:
                stack.put(inner.iv, stack.get(b.addi(inner.iv, b.index(1))))
            b.store(stack.get(b.index_cast(b.index_cast(loop.iv, i64), index)), out, [loop.iv])
            for at in range(7):
                stack.put(at, stack.b.constant(-1.0, f64))

    text = print_op(compared(build(TYPES, body)))
    if not outside:
        assert text.count('"memref.store"') <= 8 + 5 + 1 + 1  # without the seven


def test_what_an_iteration_leaves_for_the_next_one_stays() -> None:
    def body(b: LoopBuilder, x: Value, out: Value) -> None:
        buffer = b.alloca(f64, [2])
        b.store(b.constant(0.0, f64), buffer, [0])
        b.store(b.constant(0.0, f64), buffer, [1])
        with b.for_(0, 8) as loop:
            b.store(b.load(x, [loop.iv]), buffer, [0])  # but not all of it
            with b.if_(b.cmpf("olt", b.load(buffer, [0]), b.load(buffer, [1]))):
                b.store(b.load(buffer, [1]), out, [loop.iv])
            b.store(b.load(buffer, [0]), buffer, [1])

    compared(build(TYPES, body))


@pytest.mark.parametrize("mode", ["O2", "O3"])
def test_sums_of_rows_keep_their_accumulators_in_values(mode: str) -> None:
    x = tc.matrix("x")
    f = tc.function([x], tc.sum(x * x, axis=1), mode=mode)
    module = f.module("loops")
    stack = {op.result for op in module.walk() if op.isa(memref.Alloca)}
    vectors = [op for op in module.walk() if op.isa(vector.Load)]
    assert vectors
    assert not any(op.operands[0] in stack for op in vectors)
    assert any(isinstance(r.type, VectorType) for op in module.walk() if op.isa(scf.For) for r in op.results)
