"""Whatever our loop-level op classes accept, MLIR's own verifier accepts: names, operand order, attributes,
types.

Every combination of operand types that inference takes is printed in one module and handed to the oracle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import pytest

from oracle.mlir_oracle import OracleMissing, find, verify
from tensorc.ir.attributes import UNIT, IntegerAttr
from tensorc.ir.builtin import new_function, new_module
from tensorc.ir.core import Operation
from tensorc.ir.definition import NO_ATTRS, REGISTRY, Attrs, OpDefinition
from tensorc.ir.errors import TensorcError
from tensorc.ir.printer import print_op
from tensorc.ir.types import MemRefType, StridedLayout, Type, f32, f64, i1, i8, i32, i64, index
from tensorc.ops import transposition
from tensorc.ops.loops import LoopBuilder, arith, memref, vector
from tensorc.ops.loops.nests import LANES
from tensorc.passes.vectorize import Vectorize

SCALARS: tuple[Type, ...] = (i1, i8, i32, i64, index, f32, f64)
NAMES = sorted(n for n in REGISTRY if n.startswith(("arith.", "math.")) and n != "arith.constant")


@pytest.fixture(autouse=True)
def _oracle() -> None:
    try:
        find()
    except OracleMissing as missing:
        pytest.skip(str(missing))


def attribute_choices(definition: type[OpDefinition]) -> Sequence[Attrs]:
    predicates = getattr(definition, "predicates", ())
    return [arith.PredicateAttrs(k) for k in range(len(predicates))] or [NO_ATTRS]


def accepted(definition: type[OpDefinition]) -> Iterator[tuple[tuple[Type, ...], Attrs, Type | None]]:
    """Operand types, attributes and (where it must be stated) the result type that our class takes."""
    for count, attrs in product((1, 2, 3), attribute_choices(definition)):
        for operands in product(SCALARS, repeat=count):
            try:
                results = definition.infer(operands, attrs)
            except TensorcError:
                continue
            if results is not None:
                yield operands, attrs, None
                continue
            yield from ((operands, attrs, t) for t in SCALARS if takes(definition, operands, attrs, t))


def takes(definition: type[OpDefinition], operands: Sequence[Type], attrs: Attrs, result: Type) -> bool:
    module = new_module()
    function = one_use("probe", definition, operands, attrs, result)
    module.regions[0].block.append(function)
    op = function.regions[0].block.first
    assert op is not None
    return definition.verify(op) == []


def one_use(
    name: str, definition: type[OpDefinition], operands: Sequence[Type], attrs: Attrs, result: Type | None
) -> Operation:
    """A function whose body is one op on the arguments."""
    function = new_function(name, operands, [])
    block = function.regions[0].block
    b = LoopBuilder(block)
    b.create_op(definition, block.args, attrs, results=None if result is None else [result])
    b.return_()
    return function


@pytest.mark.parametrize("name", NAMES)
def test_scalar_op(name: str) -> None:
    definition = REGISTRY[name]
    module = new_module()
    uses = list(accepted(definition))
    for number, (operands, attrs, result) in enumerate(uses):
        module.regions[0].block.append(one_use(f"f{number}", definition, operands, attrs, result))
    assert uses, f"{name} takes no scalar operands at all"
    assert verify(print_op(module)) == []


def test_constants() -> None:
    module = new_module()
    function = new_function("f", [], [])
    module.regions[0].block.append(function)
    b = LoopBuilder(function.regions[0].block)
    for kind in SCALARS:
        for value in (0, 1, -1, 2**31):
            b.constant(value, kind)
    for kind in (f32, f64):
        for number in (0.1, -0.0, float("nan"), float("inf"), float("-inf"), 5e-324, 1e-45, 3.4e38, 1.7e308):
            b.constant(number, kind)
    b.return_()
    assert verify(print_op(module)) == []


def test_control_flow_and_buffers() -> None:
    module = new_module()
    strided = MemRefType((None, 3), f64, StridedLayout((None, None), None))
    function = new_function("f", [strided, MemRefType((None,), f64), i1, index], [i32])
    module.regions[0].block.append(function)
    block = function.regions[0].block
    source, target, condition, n = block.args
    b = LoopBuilder(block)
    zero = b.constant(0.0, f64)
    with b.for_(0, b.dim(source, 0)) as rows:
        with b.for_(0, 3, init=[zero]) as columns:
            columns.yield_(b.addf(columns.args[0], b.load(source, [rows.iv, columns.iv])))
        b.store(columns.results[0], target, [rows.iv])
    with b.if_(condition, [f64]) as branch:
        branch.yield_(zero)
        with branch.else_():
            branch.yield_(b.exp(zero))
    with b.if_(condition):
        b.store(branch.results[0], target, [0])
    with b.while_([n]) as loop:
        loop.condition(b.cmpi("sgt", loop.args[0], b.index(0)), loop.args[0])
        with loop.do() as (count,):
            loop.yield_(b.subi(count, b.index(1)))
    with b.parallel([n, 4]) as (i, _):
        b.store(zero, target, [i])
    _, offset, sizes, strides = b.metadata(source)
    view = b.reinterpret_cast(source, offset, [sizes[1], sizes[0]], [strides[1], 0])
    b.call_void("external", [view, target])
    b.call("cosine", [zero], f64)
    scratch = b.alloc(f32, [n, 8])
    b.copy(scratch, b.alloc(f32, [n, 8]))
    b.store(b.constant(1, i8), b.alloca(i8, [4]), [0])
    b.create_op(memref.Prefetch, [source, n, n], memref.PrefetchAttrs(False, IntegerAttr(3, i32), True))
    b.dealloc(scratch)
    b.return_(b.constant(0, i32))
    assert verify(print_op(module)) == []


def test_vectors() -> None:
    """Every op that `vectorize` makes: loads and stores, masked, gathered, scattered, lane by lane; and what
    `carry` takes of a vector.
    """
    strided = MemRefType((None, None), f64, StridedLayout((None, None), None))
    plain = MemRefType((None,), f64)
    function = new_function("f", [strided, plain, plain], [])
    module = new_module()
    module.regions[0].block.append(function)
    block = function.regions[0].block
    table, x, out = block.args
    b = LoopBuilder(block)
    with b.for_(0, b.dim(x, 0)) as loop:
        loop.op.set_attribute(LANES, UNIT)
        value = b.addf(b.load(x, [loop.iv]), b.load(table, [loop.iv, 0]))
        with b.if_(b.cmpf("olt", value, b.constant(1.0, f64)), [f64]) as branch:
            branch.yield_(b.call("cosine", [value], f64))
        with branch.else_():
            branch.yield_(value)
        b.store(b.sitofp(b.index_cast(loop.iv, i64), f64), table, [0, loop.iv])
        b.store(branch.results[0], out, [loop.iv])
    b.return_()
    Vectorize().run(module)
    whole = next(op for op in module.walk() if op.isa(vector.Load))
    assert whole.block is not None
    after = LoopBuilder(whole.block, whole.next)
    after.create_op(vector.ExtractStridedSlice, whole.results, vector.SliceAttrs.of(2, 4))
    after.create_op(vector.Interleave, [whole.result] * 2)
    names = {op.name for op in module.walk() if op.name.startswith("vector.")}
    assert names == {n for n in REGISTRY if n.startswith("vector.")}
    assert verify(print_op(module)) == []


def test_transposes_of_tiles() -> None:
    assert verify(print_op(transposition.module_of("tensorc_transpose_i8"))) == []
