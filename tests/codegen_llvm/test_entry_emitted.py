"""From L2 text through the emitter to calls: the two halves agree about the ABI."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from codegen_llvm.entry_bodies import F64, as_double, raise_recorded
from tensorc.codegen_llvm.abi import ArraySpec, Signature
from tensorc.codegen_llvm.emitter import emit
from tensorc.codegen_llvm.native import compile_native
from tensorc.ir.parser import parse_module

LEVELS = [0, 1, 2, 3]


def module(shapes: str, body: str, arguments: str, types: str) -> str:
    """`@f_shapes` and `@f` around their contents; both return 0 as `%zero`."""
    out_arguments, out_types = ", %y: memref<?x?xf64>", ", memref<?x?xf64>"
    err, err_type = ", %err: memref<4xi64>", ", memref<4xi64>"
    head = '%zero = "arith.constant"() {value = 0 : i32} : () -> i32\n'
    head += '%c0 = "arith.constant"() {value = 0 : index} : () -> index\n'
    head += '%c1 = "arith.constant"() {value = 1 : index} : () -> index\n'
    tail = '"func.return"(%zero) : (i32) -> ()\n'
    extents, extents_type = ", %extents: memref<?xindex>", ", memref<?xindex>"
    return f"""
"builtin.module"() ({{
"func.func"() ({{
^bb0({arguments}{err}{extents}):
{head}{shapes}{tail}}}) {{
  sym_name = "f_shapes", function_type = ({types}{err_type}{extents_type}) -> i32}} : () -> ()
"func.func"() ({{
^bb0({arguments}{out_arguments}{err}):
{head}{body}{tail}}}) {{sym_name = "f", function_type = ({types}{out_types}{err_type}) -> i32}} : () -> ()
}}) : () -> ()
"""


def transpose_plus_one(x_type: str) -> str:
    """y = x.T + 1 by way of a buffer of n * `huge` elements."""
    dims = f"""
%n = "memref.dim"(%x, %c0) : ({x_type}, index) -> index
%m = "memref.dim"(%x, %c1) : ({x_type}, index) -> index
"""
    shapes = f"""{dims}
"memref.store"(%m, %extents, %c0) : (index, memref<?xindex>, index) -> ()
"memref.store"(%n, %extents, %c1) : (index, memref<?xindex>, index) -> ()
"""
    nest = """"scf.for"(%c0, %n, %c1) ({{
^bb0(%i: index):
  "scf.for"(%c0, %m, %c1) ({{
  ^bb0(%j: index):
{0}
    "scf.yield"() : () -> ()
  }}) : (index, index, index) -> ()
  "scf.yield"() : () -> ()
}}) : (index, index, index) -> ()
"""
    copy = f"""    %v = "memref.load"(%x, %i, %j) : ({x_type}, index, index) -> f64
    "memref.store"(%v, %t, %j, %i) : (f64, memref<?x?xf64>, index, index) -> ()"""
    add = """    %v = "memref.load"(%t, %j, %i) : (memref<?x?xf64>, index, index) -> f64
    %w = "arith.addf"(%v, %one) : (f64, f64) -> f64
    "memref.store"(%w, %y, %j, %i) : (f64, memref<?x?xf64>, index, index) -> ()"""
    body = f"""{dims}
%one = "arith.constant"() {{value = 1.0 : f64}} : () -> f64
%huge = "arith.constant"() {{value = 1099511627776 : index}} : () -> index
%square = "arith.muli"(%n, %m) : (index, index) -> index
%limit = "arith.constant"() {{value = 100 : index}} : () -> index
%many = "arith.cmpi"(%square, %limit) {{predicate = 4 : i64}} : (index, index) -> i1
%rows = "arith.select"(%many, %huge, %m) : (i1, index, index) -> index
%t = "memref.alloc"(%rows, %n) : (index, index) -> memref<?x?xf64>
{nest.format(copy)}{nest.format(add)}
"memref.dealloc"(%t) : (memref<?x?xf64>) -> ()
"""
    return module(shapes, body, f"%x: {x_type}", x_type)


def compiled(x_type: str, level: int) -> Any:
    matrix = ArraySpec(F64, (None, None), "x")
    text = emit(parse_module(transpose_plus_one(x_type)))
    spec = Signature((matrix,), (matrix,), result="one")
    return compile_native("f", text, spec, level=level, slow=as_double, on_error=raise_recorded)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "x",
    [
        np.arange(12.0).reshape(3, 4),
        np.arange(12.0).reshape(3, 4).T,
        np.arange(24.0).reshape(4, 6)[::-1, ::2],
        np.zeros((0, 5)),
        np.ones((1, 7)),
        np.ones((1, 1)),
        np.broadcast_to(3.0, (2, 3)),
    ],
    ids=lambda x: f"{x.shape}{x.strides}",
)
def test_strided_arguments(x: np.ndarray[Any, Any], level: int) -> None:
    f = compiled("memref<?x?xf64, strided<[?, ?], offset: ?>>", level)
    y = f.direct(x)
    assert y.shape == x.T.shape
    assert np.array_equal(y, x.T + 1)


def test_contiguous_arguments() -> None:
    x = np.arange(12.0).reshape(3, 4)
    assert np.array_equal(compiled("memref<?x?xf64>", 3)(x), x.T + 1)


@pytest.mark.parametrize("level", [0, 3])
def test_scratch_memory_that_cannot_be_had_is_a_memory_error(level: int) -> None:
    f = compiled("memref<?x?xf64, strided<[?, ?], offset: ?>>", level)
    for _ in range(3):
        with pytest.raises(MemoryError):
            f(np.ones((20, 20)))
    assert np.array_equal(f(np.ones((2, 2))), np.full((2, 2), 2.0))
