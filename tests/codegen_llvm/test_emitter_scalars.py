"""Every scalar op at every type it takes: machine code = loop interpreter, bit for bit (C library functions:
a few ulp).
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tensorc.codegen_llvm.emitter import emit
from tensorc.interp.loops import LoopInterpreter
from tensorc.ir.builtin import new_module
from tensorc.ir.definition import NO_ATTRS, REGISTRY
from tensorc.ir.errors import TensorcError
from tensorc.ir.types import FloatType, IndexType, f32, f64, i1, i8, i16, i32, i64, index
from tensorc.ops.loops import LoopBuilder, arith, casts, math
from tensorc.ops.loops.base import ScalarOp, memory_type, numpy_dtype
from tensorc.ops.loops.memref import memref_type
from tests.codegen_llvm.emitter_support import add_function, compile_module, same

TYPES = (i1, i8, i16, i32, i64, index, f32, f64)
FIXED = [d for d in REGISTRY.values() if issubclass(d, ScalarOp) and d is not arith.Constant]


def values(kind):
    dtype = numpy_dtype(kind)
    if isinstance(kind, FloatType):
        info = np.finfo(dtype)
        special = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.5, 127.9, -128.9, 255.0, 1e9, -3e18, np.pi]
        special += [np.inf, -np.inf, np.nan, info.max, info.tiny, info.smallest_subnormal]
        return np.array(special, dtype)
    if kind == i1:
        return np.array([0, 1], np.bool_)
    info = np.iinfo(dtype)
    return np.array(
        [0, 1, -1, 2, 3, 7, -7, info.bits, info.bits - 1, info.min, info.min + 1, info.max], dtype
    )


def forms(definition):
    """(operand types, attributes, result type) of every use of an op class."""
    if issubclass(definition, casts.CastOp):
        pairs = itertools.product(TYPES, TYPES)
        return [((a,), NO_ATTRS, b) for a, b in pairs if definition.legal(a, b)]
    predicates = [NO_ATTRS]
    if definition in (arith.CmpI, arith.CmpF):
        predicates = [arith.PredicateAttrs(n) for n in range(len(definition.predicates))]
    found = []
    for kind, attrs in itertools.product(TYPES, predicates):
        operands = (
            (i1, kind, kind) if definition is arith.Select else (kind,) * getattr(definition, "arity", 2)
        )
        try:
            (result,) = definition.infer(operands, attrs)
        except TensorcError:
            continue
        found.append((operands, attrs, result))
    return found


def operands_of(definition, types, attrs, result):
    """All combinations of special values where the op is defined."""
    columns = [values(t) for t in types]
    grid = [g.ravel().copy() for g in np.meshgrid(*columns, indexing="ij")]
    with np.errstate(all="ignore"):
        keep = np.broadcast_to(definition.defined(attrs, result, *grid), grid[0].shape)
    return [g[keep] for g in grid]


def elementwise(definition, types, attrs, result):
    def make(b, *buffers):
        *sources, target = buffers
        with b.for_(0, b.dim(target, 0)) as loop:
            xs = [b.load(source, [loop.iv]) for source in sources]
            xs = [b.to_bool(x) if t == i1 else x for x, t in zip(xs, types, strict=True)]
            stated = [result] if issubclass(definition, casts.CastOp) else None
            y = b.create_op(definition, xs, attrs, results=stated).result
            b.store(b.from_bool(y) if result == i1 else y, target, [loop.iv])

    return make


def memory(array):
    return array.view(np.int8) if array.dtype == np.bool_ else array


CASES = [pytest.param(definition, id=definition.name) for definition in sorted(FIXED, key=lambda d: d.name)]


@pytest.mark.parametrize("definition", CASES)
def test_machine_code_agrees_with_the_interpreter(definition):
    module, runs = new_module(), []
    for number, (types, attrs, result) in enumerate(forms(definition)):
        buffers = [memref_type(memory_type(t), [None]) for t in (*types, result)]
        add_function(module, f"f{number}", buffers, elementwise(definition, types, attrs, result))
        runs.append((buffers, operands_of(definition, types, attrs, result), result))
    assert runs, f"{definition.name} takes none of the types"
    native, interpreter = compile_module(module), LoopInterpreter(module)
    inexact = issubclass(definition, math.MathOp) and definition.symbol is not None
    for number, (buffers, operands, result) in enumerate(runs):
        arrays = [memory(x) for x in operands]
        outs = [np.zeros(len(arrays[0]), numpy_dtype(memory_type(result))) for _ in range(2)]
        assert native.call(f"f{number}", [*arrays, outs[0]], buffers) == 0
        assert interpreter.call(f"f{number}", [*arrays, outs[1]]) == 0
        if inexact:
            rtol = 8 * np.finfo(outs[0].dtype).eps
            np.testing.assert_allclose(outs[0], outs[1], rtol=rtol, atol=0, err_msg=str(result))
        else:
            wrong = [n for n in range(len(outs[0])) if not same(outs[0][n : n + 1], outs[1][n : n + 1])]
            shown = [(*[x[n] for x in arrays], outs[0][n], outs[1][n]) for n in wrong[:5]]
            assert not wrong, f"{definition.name} -> {result}: (operands, native, interpreter) {shown}"


def test_every_scalar_op_is_tried_at_every_kind_it_accepts():
    tried = {d: {str(t) for types, _, _ in forms(d) for t in types} for d in FIXED}
    assert tried[arith.AddI] == {"i1", "i8", "i16", "i32", "i64", "index"}
    assert tried[arith.AddF] == {"f32", "f64"}
    assert all(tried.values())


def test_float_literals_are_exact():
    numbers = [0.1, -0.0, np.inf, -np.inf, np.nan, 5e-324, np.float64(np.float32(0.1))]

    def make(b: LoopBuilder, out):
        for n, x in enumerate(numbers):
            b.store(b.constant(x, f64), out, [n])

    buffer = memref_type(f64, [None])
    module = new_module()
    add_function(module, "f", [buffer], make)
    out = np.zeros(len(numbers))
    compile_module(module).call("f", [out], [buffer])
    assert same(out, np.array(numbers))


def test_index_is_64_bits_and_no_flag_is_emitted():
    module = new_module()
    buffer = memref_type(f64, [None])
    add_function(module, "f", [buffer], lambda b, x: b.store(b.fma(*[b.load(x, [0])] * 3), x, [0]))
    text = emit(module)
    assert not any(word in text for word in (" fast", " nnan", " reassoc", " contract", " inbounds", " nuw"))
    assert isinstance(index, IndexType)
