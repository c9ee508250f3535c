"""Loop nests for lowerings written by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from tensorc.ir.attributes import UNIT
from tensorc.ir.core import Value
from tensorc.ops.loops.builder import LoopBuilder

Index = int | Value
PARALLEL = "tensorc.parallel"
"""Attribute of an `scf.for` whose iterations are independent."""
LANES = "tensorc.lanes"
"""Attribute of an innermost `scf.for` of step 1 without carried values whose iterations may run at the same
time: the pass `vectorize` makes vector code of it.
"""
TRANSPOSES = "tensorc.transposes"
"""Attribute of an `scf.for` around a loop of lanes that copies a matrix, in[i, j] to out[j, i]; both have
dense rows, and out has room for whole blocks (`ops/transposition.py`). `vectorize` transposes in registers.
"""
STREAM = "tensorc.stream"
"""Attribute of a `memref.load` of what is read in order, once, from far away: vector code asks for what comes
later ahead of time.
"""
PARTIAL = "tensorc.partial"
"""Attribute of a `vector.load` of a stack buffer some lanes of which may never have been written: what is in
them is not used.
"""
APART = "tensorc.apart"
"""Attribute of a `func.func` that machine code must not inline."""
OF_LIBRARY = "tensorc.library"
"""Attribute of a `func.func` that is machine code of its own, shared by all functions of a process; others
declare it. It can fail for want of memory or be interrupted, which ends its caller, too.
"""
PRODUCT = "tensorc.product"
"""Attribute of a `func.call` of (x, y, out), matrices: it writes every element of out, and nothing else, each
a sum over the columns of x.
"""
WRITES_LAST = "tensorc.writes_last"
"""Attribute of a `func.call` of buffers that writes to the last one, and to nothing else."""
LANEWISE = "tensorc.lanewise"
"""Attribute of a `func.func` of (x, y) that gives y back where |x| is at most the attribute's value, or NaN:
vector code calls it for all lanes of a vector at once.
"""
UNLIKELY = "tensorc.unlikely"
"""Attribute of an `scf.if` whose condition hardly ever holds."""
ELEMENTWISE = "tensorc.elementwise"
"""Attribute of a `func.func` of scalars without branches and memory: vector code calls the same function of
vectors. Its value names what a machine may have an instruction for (`codegen_llvm/instructions.py`); the body
says what that computes.
"""
CALLED = "tensorc.called"
"""Attribute of an elementwise function that many places use: machine code calls it and does not inline it."""
ROLLED = "tensorc.rolled"
"""Attribute of an `scf.for` that the pass `unroll` leaves alone: what that gains is not worth the compile
time.
"""
HIDDEN = "tensorc.hidden"
"""Attribute of an innermost `scf.for` whose index machine code takes as it is: many rows are read, at one
place each, by steps that are not known before the call.
"""
ROUNDS = "tensorc.rounds"
"""Attribute of an `scf.for` whose iterations divide the work of one among themselves."""

REST = "tensorc.rest"
"""Attribute of an `scf.for` over what does not fill a vector: it has few iterations."""

TILE = 4096
"""Elements of a tile: enough for vector code to get going, few enough for every core to have some."""


@contextmanager
def lanes(b: LoopBuilder, upper: Index) -> Iterator[Value]:
    """A loop whose iterations, `upper` of them, may run at the same time; gives its index."""
    with b.for_(0, upper) as loop:
        loop.op.set_attribute(LANES, UNIT)
        yield loop.iv


@contextmanager
def cells(b: LoopBuilder, extents: Sequence[Index]) -> Iterator[list[Index]]:
    """Every index of a box, in any order: lanes along the last axis that is not of known extent 1, in tiles
    if it is the only one, parallel loops around them. The body must be straight-line.
    """
    moving = [axis for axis, extent in enumerate(extents) if extent != 1]
    if not moving:
        yield [0] * len(extents)
        return
    last = moving[-1]
    rest = [0] * (len(extents) - last - 1)
    with ExitStack() as stack:
        leading = stack.enter_context(nest(b, extents[:last], parallel=True))
        if len(moving) > 1:
            yield [*leading, stack.enter_context(lanes(b, extents[last])), *rest]
            return
        start, width = stack.enter_context(tiles(b, extents[last]))
        lane = stack.enter_context(lanes(b, width))
        yield [*leading, b.add(start, lane), *rest]


@contextmanager
def tiles(b: LoopBuilder, extent: Index, size: int = TILE) -> Iterator[tuple[Index, Index]]:
    """A parallel loop over tiles of `size`; gives where each begins and how wide it is. No loop around a
    single one.
    """
    if isinstance(extent, int) and extent <= size:
        yield 0, extent
        return
    with b.for_(0, b.ceildiv(extent, size)) as loop:
        loop.op.set_attribute(PARALLEL, UNIT)
        start = b.mul(loop.iv, size)
        yield start, b.minimum(b.sub(extent, start), size)


@contextmanager
def parallel(b: LoopBuilder, count: Index) -> Iterator[Value]:
    """A loop of independent iterations; gives its index."""
    with b.for_(0, count) as loop:
        loop.op.set_attribute(PARALLEL, UNIT)
        yield loop.iv


@contextmanager
def rolled(
    b: LoopBuilder, lower: Index, upper: Index, step: Index = 1, *, rest: bool = False
) -> Iterator[Value]:
    """A loop that stays one, with `rest` over what does not fill a vector; gives its index."""
    with b.for_(lower, upper, step) as loop:
        loop.op.set_attribute(ROLLED, UNIT)
        if rest:
            loop.op.set_attribute(REST, UNIT)
        yield loop.iv


@contextmanager
def nest(b: LoopBuilder, extents: Sequence[Index], parallel: bool = False) -> Iterator[list[Index]]:
    """Loops from 0 to each extent, outermost first; an axis of known extent 1 needs no loop."""
    with ExitStack() as stack:
        indices: list[Index] = []
        for extent in extents:
            if isinstance(extent, int) and extent == 1:
                indices.append(0)
                continue
            loop = stack.enter_context(b.for_(0, extent))
            if parallel:
                loop.op.set_attribute(PARALLEL, UNIT)
            indices.append(loop.iv)
        yield indices


def fill(b: LoopBuilder, buffer: Value, value: Value) -> None:
    """One value (of the buffer's memory type) everywhere."""
    with cells(b, b.dims(buffer)) as indices:
        b.store(value, buffer, indices)
