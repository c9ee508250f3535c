"""The loop interpreter catches what machine code would get wrong or crash on."""

from __future__ import annotations

import numpy as np
import pytest

from tensorc.interp.loop_memory import LoopError
from tensorc.interp.loops import LoopInterpreter, run, shapes
from tensorc.ir.builtin import body, new_function, new_module
from tensorc.ir.location import FileLocation
from tensorc.ir.types import f32, f64, i8, i32, i64, index
from tensorc.ops.loops import LoopBuilder
from tensorc.ops.loops.memref import memref_type

VECTOR = memref_type(f64, [None])
ERR = memref_type(i64, [4])


def build(types, make, name="f"):
    module = new_module()
    function = new_function(name, list(types), [i32])
    module.regions[0].block.append(function)
    block = body(function)
    b = LoopBuilder.at_end(block, FileLocation("model.py", 7, 5))
    code = make(b, *block.args)
    b.return_(code if code is not None else b.constant(0, i32))
    return module


def fails(module, args, match):
    with pytest.raises(LoopError, match=match) as caught:
        LoopInterpreter(module).call("f", args)
    assert str(caught.value).startswith("model.py:7:5: ")


@pytest.mark.parametrize("n", [-1, 3, 1 << 40])
def test_an_index_outside_the_extent(n):
    module = build([VECTOR, index], lambda b, x, i: b.store(b.load(x, [i]), x, [0]))
    fails(module, [np.zeros(3), n], rf"memref.load: index {n} on axis 0 is outside extent 3")


def test_a_view_outside_its_allocation():
    def make(b, x):
        b.load(b.reinterpret_cast(x, 2, [4], [1]), [3])

    fails(build([VECTOR], make), [np.zeros(4)], "element 5 is outside an allocation of 4")


def test_a_read_before_any_write():
    def make(b):
        buffer = b.alloc(f32, [3])
        b.store(b.constant(1, f32), buffer, [0])
        b.load(buffer, [1])
        b.dealloc(buffer)

    fails(build([], make), [], r"element \[1\] is read before it is written")


def test_outputs_hold_nothing_until_written():
    module = build([VECTOR, VECTOR, ERR], lambda b, x, y, err: b.store(b.load(y, [0]), y, [1]))
    with pytest.raises(LoopError, match="read before it is written"):
        run(module, "f", [np.zeros(2)], [np.zeros(2)])


def test_use_after_free_double_free_and_leak():
    def after(b):
        buffer = b.alloc(f64, [1])
        b.dealloc(buffer)
        b.store(b.constant(0, f64), buffer, [0])

    def twice(b):
        buffer = b.alloc(f64, [1])
        b.dealloc(buffer)
        b.dealloc(buffer)

    fails(build([], after), [], "has been deallocated")
    fails(build([], twice), [], "or twice")
    fails(build([], lambda b: b.alloc(f64, [5]) and None), [], "5 elements is never deallocated")


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (lambda b, x: b.divsi(x, b.constant(0, i8)), "arith.divsi of -128, 0"),
        (lambda b, x: b.divsi(x, b.constant(-1, i8)), "arith.divsi of -128, -1"),
        (lambda b, x: b.remsi(x, b.constant(-1, i8)), "arith.remsi of -128, -1"),
        (lambda b, x: b.remui(x, b.constant(0, i8)), "arith.remui of -128, 0"),
        (lambda b, x: b.shli(x, b.constant(8, i8)), "arith.shli of -128, 8"),
        (lambda b, x: b.shrsi(x, b.constant(-1, i8)), "arith.shrsi of -128, -1"),
        (lambda b, x: b.fptosi(b.constant(np.nan, f64), i8), "arith.fptosi of nan"),
        (lambda b, x: b.fptosi(b.constant(128, f32), i8), "arith.fptosi of 128.0"),
        (lambda b, x: b.fptoui(b.constant(-1, f32), i8), "arith.fptoui of -1.0"),
    ],
)
def test_undefined_and_poison_results(make, shown):
    module = build([i8], lambda b, x: make(b, x) and None)
    fails(module, [-128], f"{shown} is undefined or poison")


def test_an_untrue_cast_a_bad_copy_and_a_bad_axis():
    fails(
        build([VECTOR], lambda b, x: b.cast(x, memref_type(f64, [3])) and None), [np.zeros(4)], "memref.cast"
    )
    fails(build([VECTOR, VECTOR], lambda b, x, y: b.copy(x, y)), [np.zeros(4), np.zeros(3)], "memref.copy")


def test_a_loop_that_does_not_advance():
    def make(b, step):
        with b.for_(0, 10, step):
            pass

    fails(build([index], make), [0], "step 0")


def test_a_loop_that_does_not_end():
    def make(b):
        with b.while_([]) as loop:
            loop.condition(b.constant(1, b.cmpi("eq", b.index(0), b.index(0)).type))
            with loop.do():
                pass

    with pytest.raises(LoopError, match="did not end within 1000 steps"):
        LoopInterpreter(build([], make), max_steps=1000).call("f", [])


def test_float32_is_computed_in_float32():
    kind = memref_type(f32, [None])

    def make(b, x, y):
        b.store(b.fma(b.load(x, [0]), b.load(x, [1]), b.load(x, [2])), y, [0])
        b.store(b.addf(b.mulf(b.load(x, [0]), b.load(x, [1])), b.load(x, [2])), y, [1])

    x = np.array([1 + 2**-13, 1 - 2**-13, -1], np.float32)
    y = np.zeros(2, np.float32)
    LoopInterpreter(build([kind, kind], make)).call("f", [x, y])
    assert y.tolist() == [-(2.0**-26), 0.0]


def test_codes_errors_and_shapes():
    def make(b, x, err, extents):
        n = b.dim(x, 0)
        b.store(b.addi(n, n), extents, [0])
        bad = b.cmpi("sgt", n, b.index(2))
        with b.if_(bad):
            b.store(b.constant(9, i64), err, [0])
            b.store(b.index_cast(n, i64), err, [2])
        return b.extui(bad, i32)

    module = build([VECTOR, ERR, memref_type(index, [None])], make, "g_shapes")
    assert shapes(module, "g", [np.zeros(2)], 1)[0] == 0
    code, err, extents = shapes(module, "g", [np.zeros(3)], 1)
    assert (code, err.tolist(), extents) == (1, [9, 0, 3, 0], [6])


def test_results_are_written_into_strided_outputs():
    strided = memref_type(f64, [None], [None], None)

    def make(b, x, y, err):
        with b.for_(0, b.dim(x, 0)) as loop:
            b.store(b.load(x, [loop.iv]), y, [loop.iv])

    store = np.zeros(10)
    code, _ = run(build([strided, strided, ERR], make), "f", [np.arange(5.0)[::-1]], [store[::-2]])
    assert code == 0
    assert store[::-2].tolist() == [4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (np.zeros(3, np.float32), "dtype float32"),
        (np.zeros((3, 1)), "rank 2"),
        (np.zeros(6)[::2], "strides .2,. for"),
        (np.zeros(3).astype(">f8"), "dtype >f8"),
        (5.0, "must be an array"),
    ],
)
def test_arguments_that_do_not_fit(array, match):
    module = build([VECTOR], lambda b, x: None)
    with pytest.raises(ValueError, match=match):
        LoopInterpreter(module).call("f", [array])


def test_an_unknown_function_is_named():
    module = build([VECTOR], lambda b, x: b.call("tensorc_nosuch_f64", [b.load(x, [0])], f64) and None)
    fails(module, [np.zeros(1)], "does not know @tensorc_nosuch_f64")
    given = LoopInterpreter(module, externals={"tensorc_nosuch_f64": np.sqrt})
    assert given.call("f", [np.zeros(1)]) == 0
    with pytest.raises(ValueError, match="no function @g with a body; the module has @f"):
        given.call("g", [])


def gemm(trans):
    def make(b, x, y, z):
        m, n, k = (b.constant(v, i32) for v in (3, 5, 4))
        flags = [b.constant(ord(c), i8) for c in trans]
        lda, ldb = (b.constant(v, i32) for v in ((3, 4) if trans == "NN" else (4, 5)))
        b.call_void(
            "tensorc_blas_dgemm",
            [*flags, m, n, k, b.constant(2, f64), x, lda, y, ldb, b.constant(0, f64), z, m],
        )

    return make


@pytest.mark.parametrize("trans", ["NN", "TT"])
def test_gemm_and_its_bounds(trans):
    rng = np.random.default_rng(1)
    x, y, z = rng.standard_normal(12), rng.standard_normal(20), np.full(15, np.nan)
    module = build([VECTOR] * 3, gemm(trans))
    LoopInterpreter(module).call("f", [x, y, z])
    a = x.reshape(3, 4, order="F") if trans == "NN" else x.reshape(4, 3, order="F").T
    b = y.reshape(4, 5, order="F") if trans == "NN" else y.reshape(5, 4, order="F").T
    np.testing.assert_allclose(z.reshape(3, 5, order="F"), 2 * a @ b, rtol=1e-14)
    fails(module, [x[:11].copy(), y, z], r"matrix at 0 is outside 11")
