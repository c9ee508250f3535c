"""The loop-level op classes: inference, verification, folding, and the builder's sugar."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from tensorc.ir.attributes import BoolAttr, FloatAttr, IntegerAttr
from tensorc.ir.builtin import body, new_function, new_module
from tensorc.ir.core import Block, Region
from tensorc.ir.errors import TensorcTypeError, TensorcValueError
from tensorc.ir.parser import parse_module
from tensorc.ir.printer import print_op
from tensorc.ir.types import MemRefType, StridedLayout, f32, f64, i1, i8, i32, i64, index, ui8
from tensorc.ir.verifier import check, verify
from tensorc.ops.loops import LoopBuilder, arith, casts, math, memref, scf
from tensorc.ops.loops.fold import fold, identity
from tensorc.ops.loops.memref import memref_type, segments
from tensorc.ops.scalar import ScalarBuilder


@pytest.fixture
def b():
    module = new_module()
    function = new_function("f", [f64, i32, index, i1, memref_type(f64, [None, 4])], [])
    module.regions[0].block.append(function)
    return LoopBuilder.at_end(body(function))


@pytest.mark.parametrize(
    ("definition", "types", "attrs"),
    [
        (arith.AddF, [f64, f32], None),
        (arith.AddF, [i32, i32], None),
        (arith.AddF, [f64], None),
        (arith.AddI, [ui8, ui8], None),
        (arith.AddI, [i32, index], None),
        (arith.Select, [i8, f64, f64], None),
        (arith.Select, [i1, f64, f32], None),
        (arith.CmpI, [f64, f64], arith.PredicateAttrs(0)),
        (arith.CmpF, [i32, i32], arith.PredicateAttrs(0)),
        (math.Fma, [f64, f64], None),
        (math.CtPop, [f64], None),
        (memref.Load, [memref_type(f64, [3])], None),
        (memref.Load, [memref_type(f64, [3]), i32], None),
        (memref.Store, [f32, memref_type(f64, [3]), index], None),
        (memref.Copy, [memref_type(f64, [3]), memref_type(f64, [4])], None),
        (memref.Dim, [f64, index], None),
        (memref.Alloc, [i32], memref.AllocAttrs(segments(1, 0))),
        (scf.For, [index, index, i32], None),
        (scf.If, [i8], None),
        (scf.Condition, [f64], None),
    ],
)
def test_wrong_operand_types_are_refused(definition, types, attrs):
    with pytest.raises(TensorcTypeError, match="TC0610") as caught:
        definition.infer(types, attrs)
    assert definition.name in str(caught.value)


@pytest.mark.parametrize("attrs", [arith.PredicateAttrs(-1), arith.PredicateAttrs(10)])
def test_unknown_predicates_are_refused(attrs):
    with pytest.raises(TensorcValueError, match="no predicate"):
        arith.CmpI.infer([i32, i32], attrs)


@pytest.mark.parametrize("value", [128, -129, 256])
def test_constants_must_fit(value):
    if value == 128:
        assert arith.Constant.infer([], arith.ConstantAttrs(IntegerAttr(value, i8))) == (i8,)
        return
    with pytest.raises(TensorcValueError, match=f"{value} does not fit i8"):
        arith.Constant.infer([], arith.ConstantAttrs(IntegerAttr(value, i8)))


def messages(b):
    function = b.block.region.parent
    b.return_()
    return "\n".join(d.message for d in verify(function.parent))


def test_casts_state_their_result(b):
    x, n, i, c, _ = b.block.args
    b.sitofp(n, f64), b.index_cast(i, i32), b.extui(c, i64), b.bitcast(n, f32)
    b.create_op(casts.ExtF, [x], results=[f32])
    b.create_op(casts.TruncI, [n], results=[i64])
    b.create_op(casts.IndexCast, [n], results=[i64])
    b.create_op(casts.Bitcast, [n], results=[f64])
    found = messages(b)
    for text in (
        "f64 to f32 by arith.extf",
        "i32 to i64 by arith.trunci",
        "arith.index_cast",
        "arith.bitcast",
    ):
        assert text in found


def test_regions_are_checked(b):
    x, n, i, c, _ = b.block.args
    with b.for_(0, i, init=[x]) as loop:
        loop.yield_(loop.iv)
    b.create_op(scf.For, [i, i, i], regions=[Region([Block([i32])])])
    with b.if_(c, [f64]) as branch:
        branch.yield_(x)
    with b.while_([n], [f64]) as w:
        w.condition(c, n)
        with w.do():
            w.yield_(n)
    found = messages(b)
    assert "types (index) where (f64) are needed" in found
    assert "must take (index)" in found
    assert "must have an else region" in found
    assert "types (i32) where (f64) are needed" in found


def test_memref_views_are_checked(b):
    *_, i, _, m = b.block.args
    b.create_op(memref.Cast, [m], results=[memref_type(f64, [None, 5])])
    b.create_op(memref.Alloc, [i], memref.AllocAttrs(segments(1, 0)), results=[memref_type(f64, [3])])
    attrs = memref.ReinterpretCastAttrs(segments(1, 0, 0, 0), (0,), (2,), (1,))
    b.create_op(memref.ReinterpretCast, [m], attrs, results=[memref_type(f64, [3])])
    found = messages(b)
    for text in ("no cast from", "needs 0 extents, 1 given", "sizes [2] do not agree with memref<3xf64>"):
        assert text in found


def constants(b, values, kinds):
    return [b.constant(v, t) for v, t in zip(values, kinds, strict=True)]


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda b: b.addi(b.index(2), b.index(3)), IntegerAttr(5, index)),
        (lambda b: b.addi(b.constant(127, i8), b.constant(1, i8)), IntegerAttr(-128, i8)),
        (lambda b: b.floordivsi(b.index(-7), b.index(2)), IntegerAttr(-4, index)),
        (lambda b: b.ceildivsi(b.index(-7), b.index(2)), IntegerAttr(-3, index)),
        (lambda b: b.divsi(b.index(-7), b.index(2)), IntegerAttr(-3, index)),
        (lambda b: b.remsi(b.index(-7), b.index(2)), IntegerAttr(-1, index)),
        (lambda b: b.cmpi("ult", b.constant(-1, i8), b.constant(1, i8)), BoolAttr(False)),
        (lambda b: b.cmpf("uno", b.constant(np.nan, f64), b.constant(1, f64)), BoolAttr(True)),
        (lambda b: b.subf(b.constant(-0.0, f64), b.constant(0.0, f64)), FloatAttr(-0.0, f64)),
        (lambda b: b.truncf(b.constant(1e300, f64), f32), FloatAttr(np.inf, f32)),
        (lambda b: b.extui(b.constant(-1, i8), i32), IntegerAttr(255, i32)),
        (lambda b: b.maximumf(b.constant(-0.0, f32), b.constant(0.0, f32)), FloatAttr(0.0, f32)),
    ],
)
def test_folding_is_exact(b, build, expected):
    assert fold(build(b).owner) == expected


@pytest.mark.parametrize(
    "build",
    [
        lambda b: b.divsi(b.index(1), b.index(0)),
        lambda b: b.remsi(b.constant(-128, i8), b.constant(-1, i8)),
        lambda b: b.shli(b.constant(1, i8), b.constant(8, i8)),
        lambda b: b.fptosi(b.constant(np.nan, f64), i64),
        lambda b: b.fptosi(b.constant(2.0**63, f64), i64),
        lambda b: b.addf(b.constant(1, f64), b.block.args[0]),
    ],
)
def test_what_is_undefined_or_unknown_is_not_folded(b, build):
    assert fold(build(b).owner) is None


def test_identities(b):
    x, _, i, c, _ = b.block.args
    zero, one = b.index(0), b.index(1)
    for made in (b.addi(i, zero), b.muli(i, one), b.divsi(i, one), b.maxsi(i, i), b.select(c, i, i)):
        assert identity(made.owner) is i
    assert identity(b.addf(x, b.constant(0, f64)).owner) is None
    assert identity(b.subi(zero, i).owner) is None
    assert identity(b.select(b.constant(1, i1), i, zero).owner) is i


def test_integers_stay_integers(b):
    *_, i, _, m = b.block.args
    before = b.block.last
    assert b.add(2, 3) == 5
    assert b.product([2, 3, 4]) == 24
    assert b.mul(i, 0) == 0
    assert b.mul(i, 1) is i
    assert b.add(0, i) is i
    assert b.sub(i, 0) is i
    assert b.ceildiv(7, 2) == 4
    assert b.minimum(2, 3) == 2
    assert b.dim(m, 1) == 4
    assert b.block.last is before
    with pytest.raises(ValueError, match="ceildiv by 0"):
        b.ceildiv(i, 0)


def test_views_know_what_is_static(b):
    *_, i, _, m = b.block.args
    assert b.reinterpret_cast(m, 0, [2, 4], [4, 1]).type == MemRefType((2, 4), f64)
    strided = b.reinterpret_cast(m, i, [i, 2], [4, 2]).type
    assert strided == MemRefType((None, 2), f64, StridedLayout((4, 2), None))
    assert b.reinterpret_cast(m, 0, [3], [0]).type == MemRefType((3,), f64, StridedLayout((None,), 0))
    assert b.metadata(m)[1] == 0
    assert b.pointer(m).type == MemRefType((), f64, StridedLayout((), None))


def test_everything_built_verifies_and_round_trips(b):
    x, _, i, c, m = b.block.args
    scratch = b.alloc(f64, [i, 4])
    with b.parallel([i, 4]) as (r, k):
        b.store(b.exp(b.load(m, [r, k])), scratch, [r, k])
    with b.for_(0, i, 2, init=[x]) as loop:
        with b.if_(c, [f64]) as branch:
            branch.yield_(b.addf(loop.args[0], b.load(scratch, [loop.iv, 0])))
            with branch.else_():
                branch.yield_(loop.args[0])
        loop.yield_(branch.results[0])
    b.call("erf", [loop.results[0]], f64)
    b.dealloc(scratch)
    b.return_()
    module = b.block.region.parent.parent
    check(module)
    assert print_op(parse_module(print_op(module))) == print_op(module)


def test_calls_must_agree_with_the_declaration(b):
    x = b.block.args[0]
    b.call("g", [x], f64)
    with pytest.raises(ValueError, match="@g is declared as"):
        b.call("g", [x, x], f64)
    with pytest.raises(ValueError, match="only inside a module"):
        LoopBuilder.at_end(Block()).call("g", [x], f64)


def test_the_builder_offers_all_that_scalar_bodies_use():
    protocol = {name for name in vars(ScalarBuilder) if not name.startswith("_")}
    assert len(protocol) > 40
    assert {name for name in protocol if not callable(getattr(LoopBuilder, name, None))} == set()
    for name in sorted(protocol):
        wanted = list(inspect.signature(getattr(ScalarBuilder, name)).parameters)
        offered = list(inspect.signature(getattr(LoopBuilder, name)).parameters)
        assert len(wanted) == len(offered), name
