"""The pass `expand-math`: what it replaces and leaves, and that its IR computes what compiled loops do."""

from __future__ import annotations

import re
from typing import Any, cast

import numpy as np
import pytest

import tensorc as tc
from benchmarks.scalar_loops import compile_loop, loop_module
from oracle import mlir_oracle
from tensorc.interp.loops import LoopInterpreter
from tensorc.ir.builtin import (
    Call,
    CallAttrs,
    body,
    functions,
    lookup,
    new_function,
    new_module,
    symbol_name,
)
from tensorc.ir.core import Block, Operation, Value
from tensorc.ir.errors import TensorcValueError
from tensorc.ir.location import FileLocation
from tensorc.ir.parser import parse_module
from tensorc.ir.printer import print_op
from tensorc.ir.types import FloatType, Type, f32, f64
from tensorc.ir.verifier import verify
from tensorc.ops.loops import LoopBuilder
from tensorc.ops.loops.arith import attribute_value
from tensorc.ops.loops.base import ScalarOp
from tensorc.ops.scalar import FUNCTIONS
from tensorc.passes import expand_math
from tensorc.passes.expand_math import SHARED, Expander, ExpandMath, entry_of, function_of
from tensorc.passes.math import EXPANSIONS, RARE, STEPS

POINTS = [
    0.0,
    -0.0,
    np.inf,
    -np.inf,
    np.nan,
    1.0,
    -1.0,
    0.3,
    -0.3,
    7.5,
    -7.5,
    88.5,
    -104.0,
    700.5,
    -745.0,
    1e-310,
    5e-324,
    3e5,
    -1e22,
    3e38,
]
DIALECT = [name for name in EXPANSIONS if hasattr(LoopBuilder, name)]


def module_of(
    name: str, element: FloatType, operands: int = 1, dialect: bool = True
) -> tuple[Operation, Operation]:
    """A module with `@f(x...) = name(x...)`, and the op in question."""
    module = new_module()
    function = new_function("f", [element] * operands, [element])
    module.regions[0].block.append(function)
    b = LoopBuilder(body(function))
    args: list[Value] = list(body(function).args)
    y = getattr(b, name)(*args) if dialect else b.call(f"tensorc_{name}_{element}", args, element)
    b.return_(y)
    assert y.owner is not None
    return module, y.owner


def callees(module: Operation) -> list[str]:
    return [cast(CallAttrs, op.attrs).callee.name for op in module.walk() if op.definition is Call]


def declared(module: Operation) -> set[str | None]:
    return {symbol_name(f) for f in functions(module)}


def evaluate(function: Operation, *arguments: np.ndarray[Any, Any]) -> Any:
    """Run scalar ops on arrays, each by its own NumPy meaning; all of it must be defined, on both sides of a
    condition for all elements.
    """
    block = body(function)
    values: dict[Value, Any] = dict(zip(block.args, arguments, strict=True))
    with np.errstate(all="ignore"):
        return evaluate_block(block, values, arguments[0].shape)


def evaluate_block(block: Block, values: dict[Value, Any], shape: tuple[int, ...]) -> Any:
    for op in block:
        if op.name in ("func.return", "scf.yield"):
            return values[op.operands[0]]
        xs = [values[v] for v in op.operands]
        if op.name == "arith.constant":
            values[op.result] = np.full(shape, attribute_value(op.attributes["value"]))
        elif op.name == "scf.if":
            sides = [evaluate_block(region.block, values, shape) for region in op.regions]
            values[op.result] = np.where(xs[0], *sides)
        elif op.name == "func.call":
            module = op.parent.parent if op.parent is not None else None
            callee = lookup(cast(Operation, module), cast(CallAttrs, op.attrs).callee.name)
            values[op.result] = evaluate(cast(Operation, callee), *xs)
        else:
            definition = cast(type[ScalarOp], op.definition)
            assert np.all(definition.defined(op.attrs, op.result.type, *xs)), op.name
            values[op.result] = np.asarray(definition.evaluate(op.attrs, op.result.type, *xs))
    raise AssertionError("no return")


def text_of(module: Operation) -> str:
    text = print_op(module)
    assert print_op(parse_module(text)) == text
    return text


def dtype_of(element: Type) -> np.dtype[Any]:
    return np.dtype(np.float32 if element == f32 else np.float64)


@pytest.mark.parametrize("element", [f32, f64], ids=str)
@pytest.mark.parametrize("name", list(EXPANSIONS))
def test_the_expansion_in_ir_computes_the_bits_of_the_compiled_loop(name: str, element: FloatType) -> None:
    operands = EXPANSIONS[name].operands
    module, _ = module_of(name, element, operands, dialect=name in DIALECT)
    ExpandMath().run(module)
    assert declared(module) == {"f", *callees(module)}
    assert set(callees(module)) <= RARE.keys() | STEPS.keys()
    assert parse_module(text_of(module)) is not None
    assert all(function_of(op) is None for op in module.walk())
    grids = np.meshgrid(*[np.array(POINTS, dtype_of(element))] * operands)
    arguments = [g.ravel() for g in grids]
    got = evaluate(next(functions(module)), *arguments)
    want = compile_loop(name, element)(*arguments)
    np.testing.assert_array_equal(got, want)
    number = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got[number]), np.signbit(want[number]))


@pytest.mark.parametrize("name", DIALECT)
def test_a_call_and_the_op_of_the_dialect_expand_alike(name: str) -> None:
    counts = []
    for dialect in (True, False):
        module, _ = module_of(name, f64, EXPANSIONS[name].operands, dialect=dialect)
        ExpandMath().run(module)
        counts.append([op.name for op in module.walk()])
    assert counts[0] == counts[1]


@pytest.fixture
def no_error_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every function of the table has an expansion: take two away, one with an op and one without."""
    monkeypatch.delitem(EXPANSIONS, "erf")
    monkeypatch.delitem(EXPANSIONS, "erfc")


@pytest.mark.usefixtures("no_error_functions")
@pytest.mark.parametrize(("name", "dialect"), [("erf", True), ("erfc", False)])
def test_functions_without_expansion_become_library_calls(name: str, dialect: bool) -> None:
    for element, wanted in ((f64, name), (f32, name + "f")):
        module, _ = module_of(name, element, dialect=dialect)
        ExpandMath().run(module)
        assert callees(module) == [wanted]
        assert declared(module) == {"f", wanted}


@pytest.mark.usefixtures("no_error_functions")
def test_without_calls_library_functions_stay() -> None:
    module, op = module_of("erf", f64)
    ExpandMath(calls=False).run(module)
    assert op.block is not None
    assert callees(module) == []


@pytest.mark.parametrize("name", ["sqrt", "absf", "floor", "ceil", "trunc", "roundeven"])
def test_instructions_stay(name: str) -> None:
    module, op = module_of(name, f64)
    before = [o.name for o in module.walk()]
    ExpandMath().run(module)
    assert [o.name for o in module.walk()] == before
    assert op.block is not None


def test_rsqrt_is_a_root_and_a_quotient() -> None:
    module, _ = module_of("rsqrt", f64)
    ExpandMath().run(module)
    x = np.array([4.0, 0.25, 0.0, -0.0, -1.0, np.inf])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(evaluate(next(functions(module)), x), 1 / np.sqrt(x))


def test_a_function_the_module_defines_is_left_alone() -> None:
    module, call = module_of("sigmoid", f64, dialect=False)
    declaration = next(f for f in functions(module) if symbol_name(f) != "f")
    declaration.erase()
    own = new_function("tensorc_sigmoid_f64", [f64], [f64])
    LoopBuilder(body(own)).return_(body(own).args[0])
    module.regions[0].block.append(own)
    ExpandMath().run(module)
    assert call.block is not None
    assert callees(module) == ["tensorc_sigmoid_f64"]


def test_a_rare_function_is_defined_once_and_runs_in_the_loop_interpreter() -> None:
    module, op = module_of("sin", f64)
    assert op.block is not None
    again = LoopBuilder(op.block, op.block.last)
    op.block.last.set_operand(0, again.sin(again.cos(op.result)))  # type: ignore[union-attr]
    ExpandMath().run(module)
    assert verify(module) == []
    names = sorted(name for name in declared(module) if name in RARE)
    assert names == ["tensorc_rare_cos_f64", "tensorc_rare_sin_f64"]
    x = np.array([1e22, -3e300, 0.5, -0.0])
    want = compile_loop("sin", f64)(compile_loop("cos", f64)(compile_loop("sin", f64)(x)))
    interpreter = LoopInterpreter(module)
    got = [interpreter.call("f", [v]) for v in x]
    np.testing.assert_array_equal(np.array(got).ravel(), want)


def test_blas_calls_are_not_math() -> None:
    module, call = module_of("dgemm", f64, dialect=False)
    call.set_attribute("callee", type(call.attributes["callee"])("tensorc_blas_dgemm"))  # type: ignore[call-arg]
    ExpandMath().run(module)
    assert call.block is not None


def test_an_unknown_function_is_an_error_that_names_it() -> None:
    module, _ = module_of("frobnicate", f64, dialect=False)
    with pytest.raises(TensorcValueError) as caught:
        ExpandMath().run(module)
    assert caught.value.code == "TC0505"
    assert "frobnicate" in caught.value.message
    assert "softplus" in caught.value.message


def test_a_wrong_number_of_operands_is_an_error() -> None:
    module, _ = module_of("logaddexp", f64, operands=1, dialect=False)
    with pytest.raises(TensorcValueError) as caught:
        ExpandMath().run(module)
    assert "logaddexp takes 2 x f64" in caught.value.message


@pytest.mark.usefixtures("no_error_functions")
def test_a_function_named_like_the_library_function_is_an_error() -> None:
    module, _ = module_of("erf", f64)
    module.regions[0].block.append(new_function("erf", [f32], [f32]))
    with pytest.raises(TensorcValueError) as caught:
        ExpandMath().run(module)
    assert "another @erf" in caught.value.message


def test_constants_are_shared_per_function_across_loops() -> None:
    module = new_module()
    function = new_function("f", [f64], [f64])
    module.regions[0].block.append(function)
    b = LoopBuilder(body(function))
    x: Value = body(function).args[0]
    for _ in range(2):
        with b.for_(0, 10, init=[x]) as loop:
            loop.yield_(b.exp(b.tanh(loop.args[0])))
        x = loop.results[0]
    b.return_(x)
    ExpandMath().run(module)
    assert verify(module) == []
    everywhere = [op for op in function.walk() if op.name == "arith.constant" and op.result.type == f64]
    assert len({op.attributes["value"] for op in everywhere}) == len(everywhere)
    assert {op.block for op in everywhere} == {body(function)}


def test_both_zeros_are_constants_of_their_own() -> None:
    module, op = module_of("sin", f64)
    constants: dict[Any, Value] = {}
    b = Expander(op, entry_of(op), constants)
    assert b.constant(0.0, f64) is b.constant(0.0, f64)
    assert b.constant(0.0, f64) is not b.constant(-0.0, f64)
    assert b.constant(np.nan, f64) is b.constant(np.nan, f64)
    assert b.constant(1.0, f32) is not b.constant(1.0, f64)
    assert verify(module) == []


def test_many_functions_expand_in_linear_time_and_keep_locations() -> None:
    module = new_module()
    function = new_function("f", [f64], [f64])
    module.regions[0].block.append(function)
    b = LoopBuilder(body(function))
    x: Value = body(function).args[0]
    for line in range(1000):
        with b.located(FileLocation("model.py", line, 1)):
            x = b.exp2(x)
    b.return_(x)
    ExpandMath().run(module)
    assert verify(module) == []
    ops = list(body(function))
    assert "math.exp2" not in {op.name for op in ops}
    last = [op for op in ops if op.name == "func.call"][-1]
    assert last.location == FileLocation("model.py", 999, 1)


@pytest.mark.parametrize(("uses", "own"), [(SHARED, False), (SHARED + 1, True)])
def test_a_function_used_often_is_expanded_once(uses: int, own: bool) -> None:
    module = new_module()
    function = new_function("f", [f64], [f64])
    module.regions[0].block.append(function)
    b = LoopBuilder(body(function))
    x: Value = body(function).args[0]
    for _ in range(uses):
        x = b.sin(x)
    b.return_(b.tanh(x))
    ExpandMath().run(module)
    assert verify(module) == []
    calls = [op.attrs.callee.name for op in body(function) if isinstance(op.attrs, CallAttrs)]
    assert calls.count("tensorc_math_sin_f64") == (uses if own else 0)
    assert (lookup(module, "tensorc_math_sin_f64") is not None) is own
    assert "tensorc_math_tanh_f64" not in calls
    values = [LoopInterpreter(module).call("f", [v]) for v in (0.3, 1e22)]
    assert not np.isnan(values).any()


def test_another_function_of_the_name_of_a_shared_one_is_an_error() -> None:
    module = new_module()
    for name in ("tensorc_math_sin_f64", "f"):
        function = new_function(name, [f64], [f64])
        module.regions[0].block.append(function)
        b = LoopBuilder(body(function))
        x: Value = body(function).args[0]
        for _ in range(SHARED + 1 if name == "f" else 0):
            x = b.sin(x)
        b.return_(x)
    with pytest.raises(TensorcValueError, match="another function of that name") as caught:
        ExpandMath().run(module)
    assert caught.value.code == "TC0505"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_functions_used_often_compute_the_bits_of_those_written_out(
    dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = tc.vector("x", dtype=dtype)
    y = [tc.exp(x * k) + tc.sin(x + k) * abs(x) ** (x - k) - tc.erf(x - k) for k in range(SHARED + 1)]
    values = np.array([*(v for v in POINTS if abs(v) < 3e38), *np.linspace(-9, 9, 41)], dtype)
    shared = [f(values) for mode in ("O0", "O2") for f in [tc.function([x], y, mode=mode)]]
    names = set(re.findall(r'sym_name = "tensorc_math_(\w+)"', tc.function([x], y).source("loops")))
    assert {name.split("_")[0] for name in names} == {"exp", "sin", "powf", "erf"}
    assert any(re.fullmatch(r"sin_f\d\d_x\d+", name) for name in names)
    monkeypatch.setattr(expand_math, "SHARED", 1 << 30)
    inlined = tc.function([x], y)(values)
    for one in shared:
        for a, b in zip(one, inlined, strict=True):
            np.testing.assert_array_equal(a.view(np.uint8), b.view(np.uint8))


def test_mlir_accepts_every_expansion() -> None:
    try:
        mlir_oracle.find()
    except mlir_oracle.OracleMissing as missing:
        pytest.skip(str(missing))
    texts = []
    for element in (f32, f64):
        for name, row in EXPANSIONS.items():
            module, _ = module_of(name, element, row.operands, dialect=name in DIALECT)
            ExpandMath().run(module)
            texts.append(text_of(module))
        texts.append(text_of(loop_module("exp", element, 512)))
        for name in ("sin", "rsqrt"):
            module, _ = module_of(name, element)
            ExpandMath().run(module)
            texts.append(text_of(module))
    assert mlir_oracle.verify_all(texts) == [[]] * len(texts)


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_every_row_of_the_scalar_table_is_served(name: str) -> None:
    row = FUNCTIONS[name]
    for element in (f32, f64):
        module, op = module_of(row.mlir or name, element, row.arity, dialect=row.mlir is not None)
        ExpandMath().run(module)
        assert op.block is None
        expansion = EXPANSIONS.get(row.mlir or name)
        if expansion is None:
            assert callees(module) == [str(row.libm) + ("f" if element == f32 else "")]
        else:
            assert set(callees(module)) <= RARE.keys() | STEPS.keys()
            assert expansion.ulp <= row.ulp
