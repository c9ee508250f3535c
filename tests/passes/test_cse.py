"""Merging equal ops."""

from __future__ import annotations

from passes.rule_examples import build
from tensorc.ir import builtin
from tensorc.ir.core import Operation
from tensorc.ir.parser import parse_module
from tensorc.ir.types import f64
from tensorc.ir.verifier import check
from tensorc.passes import manager


def count(module: Operation, name: str) -> int:
    return sum(op.name == name for op in module.walk())


def after(example: str) -> Operation:
    module = build(example, f64)
    manager.run(module, "cse")
    check(module)
    return module


def test_equal_ops_are_one() -> None:
    assert count(after("exp(x) * exp(x) + exp(x)"), "tensorc.exp") == 1


def test_commutative_operands_may_be_swapped_others_not() -> None:
    assert count(after("(x + y) * (y + x)"), "tensorc.add") == 1
    assert count(after("(x - y) * (y - x)"), "tensorc.sub") == 2


def test_attributes_and_zeros_count() -> None:
    assert count(after("sum(x, 0) * 1.0 + sum(x, 0)"), "tensorc.sum") == 1
    assert count(after("x * 0.0 + x * (-0.0)"), "tensorc.mul") == 2


def test_checks_merge_but_the_first_stays() -> None:
    one = "broadcast_to(s, broadcast_extents(n, n), 3)"
    module = after(f"{one} + {one}")
    assert count(module, "tensorc.broadcast_extents") == 1


NESTED = """
"func.func"() ({
^bb0(%c: i1, %m: memref<4xf64>, %i: index):
  %a = "arith.addi"(%i, %i) : (index, index) -> index
  "scf.if"(%c) ({
    %b = "arith.addi"(%i, %i) : (index, index) -> index
    %d = "arith.muli"(%i, %i) : (index, index) -> index
    %v = "memref.load"(%m, %b) : (memref<4xf64>, index) -> f64
    "memref.store"(%v, %m, %d) : (f64, memref<4xf64>, index) -> ()
    "scf.yield"() : () -> ()
  }, {
    %d = "arith.muli"(%i, %i) : (index, index) -> index
    %v = "memref.load"(%m, %d) : (memref<4xf64>, index) -> f64
    %w = "memref.load"(%m, %d) : (memref<4xf64>, index) -> f64
    "memref.store"(%v, %m, %a) : (f64, memref<4xf64>, index) -> ()
    "memref.store"(%w, %m, %a) : (f64, memref<4xf64>, index) -> ()
    "scf.yield"() : () -> ()
  }) : (i1) -> ()
  "func.return"() : () -> ()
}) {sym_name = "f", function_type = (i1, memref<4xf64>, index) -> ()} : () -> ()
"""


def test_outer_values_serve_inner_blocks_not_each_other_and_loads_stay() -> None:
    module = parse_module(NESTED)
    manager.run(module, "cse", manager.Options(verify_each=True))
    assert count(module, "arith.addi") == 1
    assert count(module, "arith.muli") == 2
    assert count(module, "memref.load") == 3


def test_functions_do_not_share() -> None:
    module = build("exp(x)", f64)
    other = build("exp(x)", f64)
    function = next(builtin.functions(other))
    function.detach()
    module.regions[0].block.append(function)
    manager.run(module, "cse")
    assert count(module, "tensorc.exp") == 2
