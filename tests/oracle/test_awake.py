"""The oracle must be awake before its silence counts: it rejects planted errors of every kind we rely on."""

from __future__ import annotations

import pytest

from oracle.mlir_oracle import OracleMissing, find, verify


@pytest.fixture(autouse=True)
def _oracle() -> None:
    try:
        find()
    except OracleMissing as missing:
        pytest.skip(str(missing))


def function(
    body: str, arguments: str = "%a: f32, %b: f64, %m: memref<?xf32>, %i: index", result: str = "f32"
) -> str:
    types = ", ".join(a.split(": ")[1] for a in arguments.split(", "))
    return (
        f'"builtin.module"() ({{\n"func.func"() ({{\n^bb0({arguments}):\n{body}\n}}) '
        f'{{sym_name = "f", function_type = ({types}) -> {result}}} : () -> ()\n}}) : () -> ()\n'
    )


GOOD = function('%0 = "arith.addf"(%a, %a) : (f32, f32) -> f32\n"func.return"(%0) : (f32) -> ()')

PLANTED = {
    "use before definition": (
        '%0 = "arith.addf"(%1, %a) : (f32, f32) -> f32\n%1 = "arith.mulf"(%a, %a) : (f32, f32) -> f32\n'
        '"func.return"(%0) : (f32) -> ()',
        "does not dominate",
    ),
    "operand types differ": (
        '%0 = "arith.addf"(%a, %b) : (f32, f64) -> f32\n"func.return"(%0) : (f32) -> ()',
        "same type",
    ),
    "float addition of integers": (
        '%0 = "arith.addf"(%i, %i) : (index, index) -> index\n"func.return"(%a) : (f32) -> ()',
        "floating-point-like",
    ),
    "load with too few indices": (
        '%0 = "memref.load"(%m) : (memref<?xf32>) -> f32\n"func.return"(%0) : (f32) -> ()',
        "ind",
    ),
    "return type differs": ('"func.return"(%b) : (f64) -> ()', "type"),
    "no terminator": ('%0 = "arith.addf"(%a, %a) : (f32, f32) -> f32', "terminator"),
    "unknown op": ('"nosuch.op"() : () -> ()\n"func.return"(%a) : (f32) -> ()', "unregistered"),
    "call of nothing": (
        '%0 = "func.call"(%a) {callee = @absent} : (f32) -> f32\n"func.return"(%0) : (f32) -> ()',
        "absent",
    ),
}


def test_it_accepts_a_correct_module() -> None:
    assert verify(GOOD) == []


@pytest.mark.parametrize("name", PLANTED)
def test_it_rejects(name: str) -> None:
    body, expected = PLANTED[name]
    errors = verify(function(body))
    assert errors, f"the oracle sleeps: {name}"
    assert any(expected in error for error in errors), errors


def test_with_unregistered_ops_allowed_the_rest_is_still_checked() -> None:
    opaque = '%0 = "tensorc.anything"(%a) : (f32) -> f32\n"func.return"(%0) : (f32) -> ()'
    assert verify(function(opaque)) != []
    assert verify(function(opaque), unregistered=True) == []
    assert verify(function(PLANTED["use before definition"][0]), unregistered=True) != []
