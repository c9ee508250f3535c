"""Inlining calls of tensor functions."""

from __future__ import annotations

import numpy as np
import pytest

from passes.test_rules import run
from tensorc.ir import builtin
from tensorc.ir.errors import TensorcValueError
from tensorc.ir.parser import parse_module
from tensorc.ir.verifier import check
from tensorc.passes import manager

T = "tensor<?xf64>"


def function(name: str, body: str, visibility: str = "") -> str:
    private = ', sym_visibility = "private"' if visibility else ""
    return f"""
    "func.func"() ({{
    ^bb0(%x: {T}):
      {body}
      "func.return"(%r) : ({T}) -> ()
    }}) {{sym_name = "{name}", function_type = ({T}) -> {T}{private}}} : () -> ()
    """


def call(result: str, callee: str, x: str) -> str:
    return f'%{result} = "func.call"(%{x}) {{callee = @{callee}}} : ({T}) -> {T}'


def test_callees_are_inlined_through_several_levels() -> None:
    double = function("double", f'%r = "tensorc.add"(%x, %x) : ({T}, {T}) -> {T}', "private")
    four = function("four", f"{call('a', 'double', 'x')}\n{call('r', 'double', 'a')}", "private")
    main = function("f", f"{call('a', 'four', 'x')}\n{call('r', 'double', 'a')}")
    module = parse_module(main + four + double)
    manager.run(module, "inline", manager.Options(verify_each=True))
    assert [builtin.symbol_name(f) for f in builtin.functions(module)] == ["f"]
    assert run(module, [np.ones(2)]).tolist() == [8.0, 8.0]


def test_public_callees_stay() -> None:
    helper = function("helper", f'%r = "tensorc.neg"(%x) : ({T}) -> {T}')
    module = parse_module(function("f", call("r", "helper", "x")) + helper)
    manager.run(module, "inline")
    check(module)
    assert len(list(builtin.functions(module))) == 2
    assert not any(op.isa(builtin.Call) for op in module.walk())


def test_declarations_are_left_to_the_linker() -> None:
    declaration = f"""
    "func.func"() ({{}}) {{sym_name = "g", function_type = ({T}) -> {T}, sym_visibility = "private"}} : () ->
    ()
    """
    module = parse_module(function("f", call("r", "g", "x")) + declaration)
    manager.run(module, "inline")
    assert sum(op.isa(builtin.Call) for op in module.walk()) == 1


@pytest.mark.parametrize("pair", [("g", "g"), ("g", "f")])
def test_recursion_is_an_error(pair: tuple[str, str]) -> None:
    text = function("f", call("r", pair[0], "x")) + function("g", call("r", pair[1], "x"))
    with pytest.raises(TensorcValueError, match="TC0502"):
        manager.run(parse_module(text), "inline")
