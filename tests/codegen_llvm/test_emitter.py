"""Control flow, buffers and calls: machine code = loop interpreter = NumPy."""

from __future__ import annotations

import ctypes
import re

import llvmlite.binding as llvm
import numpy as np
import pytest

from tensorc.codegen_llvm.emitter import emit
from tensorc.interp.loops import LoopInterpreter
from tensorc.ir.builtin import body, new_function, new_module
from tensorc.ir.core import Operation
from tensorc.ir.errors import InternalError
from tensorc.ir.types import MemRefType, StridedLayout, f64, i1, i8, i32, i64, index
from tensorc.ir.verifier import check
from tensorc.ops.loops import LoopBuilder
from tensorc.ops.loops.memref import memref_type
from tests.codegen_llvm.emitter_support import add_function, build, compile_module, same

VECTOR = memref_type(f64, [None])
MATRIX = memref_type(f64, [None, None], [None, None], None)


def both(module, args, types, outputs):
    """Run natively and interpreted on copies; the outputs must be bit-equal and are returned."""
    check(module)
    results = []
    for run in (compile_module(module).call, lambda name, xs, _: LoopInterpreter(module).call(name, xs)):
        fresh = [np.copy(a) if n in outputs else a for n, a in enumerate(args)]
        assert run("f", fresh, types) == 0
        results.append([fresh[n] for n in outputs])
    for native, interpreted in zip(*results, strict=True):
        assert same(native, interpreted)
    return results[0]


@pytest.mark.parametrize("n", [0, 1, 2, 17, 1000])
def test_loop_over_a_vector(n):
    def make(b, x, y):
        with b.parallel([b.dim(x, 0)]) as (i,):
            b.store(b.mulf(b.load(x, [i]), b.constant(3, f64)), y, [i])

    x = np.linspace(-1, 1, n)
    (y,) = both(build([VECTOR, VECTOR], make), [x, np.zeros(n)], [VECTOR, VECTOR], [1])
    assert same(y, x * 3)


def strided_cases():
    base = np.arange(60.0).reshape(6, 10)
    yield "contiguous", base.copy()
    yield "transposed", base.T
    yield "fortran", np.asfortranarray(base)
    yield "negative", base[::-1, ::-2]
    yield "broadcast", np.broadcast_to(base[0], (4, 10))
    yield "empty", base[:0]
    yield "one", base[2:3, 3:4]


@pytest.mark.parametrize(("label", "x"), list(strided_cases()), ids=lambda v: v if isinstance(v, str) else "")
def test_any_strides(label, x):
    def make(b, x, y):
        rows, columns = b.dims(x)
        with b.for_(0, rows) as i, b.for_(0, columns) as j:
            b.store(b.load(x, [i.iv, j.iv]), y, [j.iv, i.iv])

    out = MATRIX if label == "fortran" else memref_type(f64, [None, None])
    (y,) = both(build([MATRIX, out], make), [x, np.zeros(x.shape[::-1])], [MATRIX, out], [1])
    assert same(y, np.ascontiguousarray(x.T))


def test_scalar_buffer_of_rank_0():
    kind = memref_type(f64, [])
    module = build([kind, kind], lambda b, x, y: b.store(b.negf(b.load(x)), y))
    (y,) = both(module, [np.array(2.5), np.array(0.0)], [kind, kind], [1])
    assert y == -2.5


def test_carried_values_swap_and_zero_trips():
    def make(b, n, out):
        one, two = b.constant(1, f64), b.constant(2, f64)
        with b.for_(0, n, init=[one, two]) as loop:
            loop.yield_(loop.args[1], b.addf(loop.args[0], loop.args[1]))
        for k, value in enumerate(loop.results):
            b.store(value, out, [k])

    for n, expected in ((0, [1, 2]), (1, [2, 3]), (5, [13, 21]), (-3, [1, 2])):
        (out,) = both(build([index, VECTOR], make), [n, np.zeros(2)], [index, VECTOR], [1])
        assert out.tolist() == expected


def test_steps_and_bounds():
    def make(b, lower, upper, out):
        with b.for_(lower, upper, 3) as loop:
            place = b.divsi(b.subi(loop.iv, lower), b.index(3))
            b.store(b.sitofp(b.index_cast(loop.iv, i64), f64), out, [place])

    for lower, upper in ((0, 10), (-5, 5), (2, 2)):
        types = [index, index, VECTOR]
        expected = [float(v) for v in range(lower, upper, 3)]
        (out,) = both(build(types, make), [lower, upper, np.zeros(len(expected))], types, [2])
        assert out.tolist() == expected


def test_if_with_and_without_results():
    def make(b, x, y):
        with b.for_(0, b.dim(x, 0)) as loop:
            value = b.load(x, [loop.iv])
            with b.if_(b.cmpf("ogt", value, b.constant(0, f64)), [f64]) as branch:
                branch.yield_(b.sqrt(value))
                with branch.else_():
                    branch.yield_(value)
            b.store(branch.results[0], y, [loop.iv])
            with b.if_(b.cmpf("uno", value, value)):
                b.store(b.constant(-1, f64), y, [loop.iv])

    x = np.array([4.0, -4.0, 0.0, -0.0, np.nan, np.inf])
    (y,) = both(build([VECTOR, VECTOR], make), [x, np.zeros(6)], [VECTOR, VECTOR], [1])
    assert same(y, np.array([2.0, -4.0, 0.0, -0.0, -1.0, np.inf]))


def test_while_passes_other_values_than_it_takes():
    def make(b, n, out):
        with b.while_([n, b.index(0)], [index]) as loop:
            value, count = loop.args
            loop.condition(b.cmpi("sgt", value, b.index(1)), count)
            with loop.do() as (count,):
                loop.yield_(b.shrsi(n, b.addi(count, b.index(1))), b.addi(count, b.index(1)))
        b.store(b.sitofp(b.index_cast(loop.results[0], i64), f64), out, [0])

    for n in (0, 1, 2, 1000):
        (out,) = both(build([index, VECTOR], make), [n, np.zeros(1)], [index, VECTOR], [1])
        assert out[0] == max(n.bit_length() - 1, 0)


def test_allocations_views_and_copy():
    def make(b, x, y):
        rows, columns = b.dims(x)
        scratch = b.alloc(f64, [rows, columns])
        b.copy(x, scratch)
        flat = b.reinterpret_cast(scratch, 0, [columns, rows], [1, columns])
        b.copy(flat, y)
        small = b.alloca(i64, [2, 2])
        b.store(b.constant(7, i64), small, [1, 0])
        seven = b.sitofp(b.load(b.cast(small, memref_type(i64, [None, 2])), [1, 0]), f64)
        with b.if_(b.cmpi("sgt", b.index(rows), b.index(0))):
            b.store(seven, y, [0, 0])
        b.dealloc(scratch)

    x = np.arange(12.0).reshape(3, 4)[:, ::-1]
    (y,) = both(build([MATRIX, MATRIX], make), [x, np.zeros((4, 3))], [MATRIX, MATRIX], [1])
    expected = x.T.copy()
    expected[0, 0] = 7
    assert same(y, expected)


def test_reinterpret_cast_counts_from_the_allocation_and_strides_may_be_zero_or_negative():
    def make(b, x, y):
        base, offset, sizes, strides = b.metadata(x)
        back = b.reinterpret_cast(
            base, b.add(offset, b.mul(b.sub(sizes[0], 1), strides[0])), sizes, [b.mul(strides[0], -1)]
        )
        b.copy(back, y)
        b.copy(b.reinterpret_cast(base, offset, [2], [0]), b.reinterpret_cast(y, 0, [2], [1]))

    kind = memref_type(f64, [None], [None], None)
    x = np.arange(10.0)[1::3]
    (y,) = both(build([kind, VECTOR], make), [x, np.zeros(3)], [kind, VECTOR], [1])
    assert y.tolist() == [1, 1, 1]


def test_bool_is_a_byte_in_memory_and_any_nonzero_byte_is_true():
    kind = memref_type(i8, [None])

    def make(b, x, y):
        with b.for_(0, b.dim(x, 0)) as loop:
            b.store(b.from_bool(b.to_bool(b.load(x, [loop.iv]))), y, [loop.iv])

    x = np.array([0, 1, 2, 255], np.uint8)
    (y,) = both(build([kind, kind], make), [x, np.zeros(4, np.uint8)], [kind, kind], [1])
    assert y.tolist() == [0, 1, 1, 1]


def test_calls_of_own_and_library_functions():
    module = new_module()
    helper = new_function("twice", [memref_type(f64, [None]), f64], [f64])
    module.regions[0].block.append(helper)
    b = LoopBuilder.at_end(body(helper))
    buffer, scale = body(helper).args
    b.return_(b.mulf(b.load(buffer, [1]), scale))

    def make(b, x, y):
        b.store(b.call("erf", [b.call("twice", [x, b.constant(2, f64)], f64)], f64), y, [0])

    add_function(module, "f", [VECTOR, VECTOR], make)
    (y,) = both(module, [np.array([9.0, 0.25]), np.zeros(1)], [VECTOR, VECTOR], [1])
    assert y[0] == pytest.approx(0.5204998778130465, rel=1e-15)


def gemm(b, x, y, z):
    """z = x @ y, row-major, as column-major z' = y' x'."""
    (m, k), n = b.dims(x), b.dim(y, 1)
    m, n, k = (b.index_cast(b.index(v), i32) for v in (m, n, k))
    plain, one, zero = b.constant(ord("N"), i8), b.constant(1, f64), b.constant(0, f64)
    b.call_void("tensorc_blas_dgemm", [plain, plain, n, m, k, one, y, n, x, k, zero, z, n])


def test_blas_takes_everything_by_address():
    from scipy.linalg import cython_blas

    capsule = cython_blas.__pyx_capi__["dgemm"]
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    name = ctypes.pythonapi.PyCapsule_GetName
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    llvm.add_symbol("tensorc_blas_dgemm", get(capsule, name(capsule)))
    kind = memref_type(f64, [None, None])
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((3, 4)), rng.standard_normal((4, 5))
    module = build([kind] * 3, gemm)
    check(module)
    outs = [np.full((3, 5), np.nan) for _ in range(2)]
    compile_module(module).call("f", [x, y, outs[0]], [kind] * 3)
    LoopInterpreter(module).call("f", [x, y, outs[1]])
    for out in outs:
        np.testing.assert_allclose(out, x @ y, rtol=1e-13)


def test_an_allocation_too_large_for_64_bits_asks_for_the_impossible():
    huge = 1 << 40

    def make(b, n):
        b.dealloc(b.alloc(f64, [n, n]))

    text = emit(build([index], make))
    assert text.count("@tensorc_times(") == 3
    static = emit(build([], lambda b: b.dealloc(b.alloc(f64, [huge, huge]))))
    assert re.search(r"@tensorc_hold\(ptr \S+, i64 -1\)", static)


def test_out_of_memory_frees_what_is_held_and_returns_3():
    def make(b, n, x):
        first = b.alloc(f64, [4])
        second = b.alloc(f64, [8])
        b.dealloc(first)
        with b.if_(b.cmpi("sge", n, b.index(0))):
            third = b.alloc(f64, [n, n])
            b.store(b.constant(1, f64), x, [0])
            b.dealloc(third)
        b.dealloc(second)

    native = compile_module(build([index, VECTOR], make))
    for n, code in ((2, 0), (1 << 40, 3), (1 << 62, 3), (-1, 0)):
        x = np.zeros(1)
        assert native.call("f", [n, x], [index, VECTOR]) == code
        assert native.live == 0
        assert x[0] == (n == 2)


def chain(b, x, y):
    with b.parallel([b.dim(y, 0)]) as (i,):
        value = b.load(x, [i])
        for _ in range(3):
            value = b.addf(b.mulf(value, value), b.constant(0.5, f64))
        b.store(value, y, [i])


def test_contiguous_loops_vectorise_without_run_time_checks():
    optimised = compile_module(build([VECTOR, VECTOR], chain), vector_width=256).optimised
    assert re.search(r"fmul <\d+ x double>", optimised)
    assert "memcheck" not in optimised


def test_blocked_sums_vectorise_without_reassociation():
    def make(b, x, y):
        lanes = b.alloca(f64, [8])
        with b.for_(0, 8) as k:
            b.store(b.constant(0, f64), lanes, [k.iv])
        with b.for_(0, b.dim(x, 0), 8) as i, b.for_(0, 8) as k:
            total = b.addf(b.load(lanes, [k.iv]), b.load(x, [b.addi(i.iv, k.iv)]))
            b.store(total, lanes, [k.iv])
        with b.for_(0, 8, init=[b.constant(0, f64)]) as k:
            k.yield_(b.addf(k.args[0], b.load(lanes, [k.iv])))
        b.store(k.results[0], y, [0])

    module = build([VECTOR, VECTOR], make)
    (y,) = both(module, [np.arange(64.0), np.zeros(1)], [VECTOR, VECTOR], [1])
    assert y[0] == 2016
    assert re.search(r"fadd <\d+ x double>", compile_module(module, vector_width=512).optimised)


def test_ten_thousand_ops_and_deep_nesting_need_no_recursion():
    def make(b, x, y):
        value = b.load(x, [0])
        for _ in range(10_000):
            value = b.addf(value, b.constant(1, f64))
        b.store(value, y, [0])

    (y,) = both(build([VECTOR, VECTOR], make), [np.zeros(1), np.zeros(1)], [VECTOR, VECTOR], [1])
    assert y[0] == 10_000

    module = new_module()
    function = new_function("f", [i1], [i32])
    module.regions[0].block.append(function)
    block = body(function)
    b = LoopBuilder.at_end(block)
    b.return_(b.constant(0, i32))
    inner = block
    for _ in range(3_000):
        b = LoopBuilder(inner, inner.first)
        with b.if_(block.args[0]) as branch:
            pass
        inner = branch.op.regions[0].block
    assert emit(module).count("br i1") == 3_000
    assert LoopInterpreter(module).call("f", [True]) == 0


def test_what_is_not_loop_level_is_refused():
    module = new_module()
    function = new_function("f", [], [i32])
    module.regions[0].block.append(function)
    body(function).append(Operation("tensorc.add", None, [], [], {}))
    with pytest.raises(InternalError, match=r"tensorc\.add has no machine code"):
        emit(module)


def test_i1_has_no_place_in_memory():
    kind = MemRefType((None,), i1)
    with pytest.raises(InternalError, match="i1 cannot be an element in memory"):
        emit(build([kind], lambda b, x: b.store(b.constant(1, i1), x, [0])))


def test_a_frame_too_large_is_refused():
    with pytest.raises(InternalError, match=r"memref\.alloca beyond"):
        emit(build([], lambda b: b.alloca(f64, [1 << 16])))


def test_a_call_of_an_undeclared_function_is_refused():
    module = build([VECTOR], lambda b, x: b.call("nowhere", [b.load(x, [0])], f64))
    module.regions[0].block.last.erase()
    with pytest.raises(InternalError, match="@nowhere, which the module does not declare"):
        emit(module)


def test_declarations_are_shared_by_calls_of_differently_shaped_buffers():
    shapes = [
        memref_type(f64, [4]),
        MemRefType((None,), f64, StridedLayout((2,), None)),
        memref_type(f64, [2, 2]),
    ]
    module = build(shapes, lambda b, *xs: [b.call_void("touch", [x]) for x in xs])
    check(module)
    assert emit(module).count("call void @touch(ptr") == 3


def test_what_is_computed_already_is_not_computed_again_where_it_is_known():
    def make(b, n, x):
        def add_at(offset):
            at = b.add(b.mul(n, 3), offset)
            b.store(b.addf(b.load(x, [at]), b.constant(1, f64)), x, [at])

        with b.if_(b.cmpi("sge", n, b.index(1))):
            add_at(0)
            add_at(2)
        add_at(1)

    module = build([index, VECTOR], make)
    text = emit(module)
    assert len(re.findall(r"= mul i64 %a0, 3", text)) == 2
    inside = text[text.index("then") : text.index("done", text.index("then") + 40)]
    assert len(re.findall("getelementptr", inside)) == 2  # to the first element, and from there to the other
    x = np.zeros(9)
    compile_module(module).call("f", [2, x], [index, VECTOR])
    np.testing.assert_array_equal(x, [0, 0, 0, 0, 0, 0, 1, 1, 1])


def test_rows_are_found_before_a_loop_and_only_steps_that_are_not_known_are_llvms():
    rows = memref_type(f64, [None, None])

    def along(b, x, out):
        with b.for_(0, b.dim(x, 0)) as i, b.for_(0, b.dim(x, 1)) as j:
            b.store(b.load(x, [b.add(i.iv, 0), j.iv]), out, [i.iv, j.iv])

    def across(b, x, out):
        with b.for_(0, b.dim(x, 1)) as j, b.for_(0, b.dim(x, 0)) as i:
            b.store(b.load(x, [i.iv, j.iv]), out, [i.iv, j.iv])

    for make, hidden in ((along, True), (across, False)):
        module = build([rows, rows], make)
        text = emit(module)
        inner = re.findall(r"^body\d+:\n(.*?)br i1", text, re.MULTILINE | re.DOTALL)[-1]
        assert ("@llvm.expect.i64" in inner) == hidden
        assert ("mul" in inner) != hidden
        for shape in ((0, 3), (3, 0), (5, 7)):
            x, out = np.arange(float(np.prod(shape))).reshape(shape), np.zeros(shape)
            compile_module(module).call("f", [x, out], [rows, rows])
            np.testing.assert_array_equal(out, x)
