"""Loops in one walk: nothing is left for `canonicalize`, which works more."""

from __future__ import annotations

from itertools import product

import pytest

import tensorc as tc
from tensorc.interp.loops import LoopInterpreter
from tensorc.ir.core import Operation
from tensorc.ir.parser import parse_module
from tensorc.ir.printer import print_op
from tensorc.ir.verifier import check
from tensorc.passes import manager, pipelines
from tests.effort import effort


def loops_of(outputs: object, inputs: list[tc.Expr]) -> Operation:
    """The loops of a program before the last pass."""
    f = tc.function(inputs, outputs)
    passes = pipelines.O2.partition("stabilise,canonicalize,")[2].partition(",simplify")[0]
    found = parse_module(f.source("tensor"))
    manager.run(found, passes)
    return found


def programs() -> dict[str, Operation]:
    x, y = tc.matrix("x"), tc.matrix("y", dtype="float32")
    n = tc.vector("n", dtype="int32")
    soft = tc.nn.softmax(y, axis=1)
    return {
        "chain": loops_of(tc.exp(x * 2.0 + 1.0) / (1.0 + tc.abs(x)), [x]),
        "softmax": loops_of([soft, tc.grad((soft * soft).sum(), y)], [y]),
        "integers": loops_of([(n // 3 + n % 7) ** 2, n.sum(), n.argmax()], [n]),
        "slices": loops_of([x[1:, ::2] + x[:-1, 1::2].T[:1], (x.T @ x)[0]], [x]),
    }


PROGRAMS = programs()


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_is_left_for_canonicalize(name: str) -> None:
    text = print_op(PROGRAMS[name])
    one, other = parse_module(text), parse_module(text)
    work = effort(lambda: manager.run(one, "simplify"))
    more = effort(lambda: manager.run(other, "canonicalize"))
    check(one)
    done = print_op(one)
    assert len(list(one.walk())) <= len(list(other.walk()))
    assert not manager.run(one, "canonicalize").rules
    assert print_op(one) == done != text
    assert 2 * work < more


CORNERS = """
"func.func"() ({
^bb0(%x: i64, %c: i1, %m: memref<4xi64>, %i: index):
  %0 = "arith.constant"() {value = 5 : i64} : () -> i64
  %1 = "arith.constant"() {value = -5 : i64} : () -> i64
  %2 = "arith.constant"() {value = 0 : i64} : () -> i64
  %3 = "arith.addi"(%0, %x) : (i64, i64) -> i64
  %4 = "arith.addi"(%1, %3) : (i64, i64) -> i64
  %5 = "arith.divsi"(%0, %2) : (i64, i64) -> i64
  %6 = "arith.muli"(%4, %5) : (i64, i64) -> i64
  %7 = "arith.select"(%c, %6, %6) : (i1, i64, i64) -> i64
  %8 = "arith.constant"() {value = true} : () -> i1
  %9 = "arith.ori"(%8, %c) : (i1, i1) -> i1
  %10 = "arith.select"(%9, %7, %0) : (i1, i64, i64) -> i64
  "memref.store"(%10, %m, %i) : (i64, memref<4xi64>, index) -> ()
  "func.return"() : () -> ()
}) {function_type = (i64, i1, memref<4xi64>, index) -> (), sym_name = "f"} : () -> ()
"""


def test_sums_that_cancel_undefined_divisions_and_truths() -> None:
    one, other = parse_module(CORNERS), parse_module(CORNERS)
    manager.run(one, "simplify")
    manager.run(other, "canonicalize")
    check(one)
    assert print_op(one) == print_op(other)
    assert "arith.addi" not in print_op(one)
    assert "arith.divsi" in print_op(one)


def test_every_prefix_of_its_rewrites_is_a_valid_program() -> None:
    counts = manager.run(parse_module(CORNERS), "simplify").rules
    for limit in range(counts.total() + 1):
        module = parse_module(CORNERS)
        report = manager.run(module, "simplify", manager.Options(bisect_limit=limit))
        check(module)
        assert report.rules.total() == limit


def decided(outer: str, inner: str) -> str:
    """What stands in the branch `outer` in the place of the branch `inner`: code, or a branch."""
    text = f"""
"builtin.module"() ({{
  "func.func"() ({{
  ^bb0(%a: index, %b: index, %c: i1, %d: i1):
    %t = "arith.constant"() {{value = true}} : () -> i1
    %one = "arith.constant"() {{value = 1 : i32}} : () -> i32
    %two = "arith.constant"() {{value = 2 : i32}} : () -> i32
    %same = "arith.cmpi"(%a, %b) {{predicate = 0 : i64}} : (index, index) -> i1
    %again = "arith.cmpi"(%b, %a) {{predicate = 0 : i64}} : (index, index) -> i1
    %other = "arith.cmpi"(%b, %a) {{predicate = 1 : i64}} : (index, index) -> i1
    %less = "arith.cmpi"(%a, %b) {{predicate = 2 : i64}} : (index, index) -> i1
    %more = "arith.cmpi"(%b, %a) {{predicate = 2 : i64}} : (index, index) -> i1
    %both = "arith.andi"(%same, %c) : (i1, i1) -> i1
    %either = "arith.ori"(%same, %c) : (i1, i1) -> i1
    %loose = "arith.ori"(%again, %d) : (i1, i1) -> i1
    %x = "scf.if"({outer}) ({{
      "scf.yield"(%one) : (i32) -> ()
    }}, {{
      "scf.yield"(%two) : (i32) -> ()
    }}) : (i1) -> i32
    %y = "scf.if"({outer}) ({{
      %z = "scf.if"({inner}) ({{
        %p = "arith.addi"(%x, %one) : (i32, i32) -> i32
        "scf.yield"(%p) : (i32) -> ()
      }}, {{
        %q = "arith.addi"(%x, %two) : (i32, i32) -> i32
        "scf.yield"(%q) : (i32) -> ()
      }}) : (i1) -> i32
      "scf.yield"(%z) : (i32) -> ()
    }}, {{
      "scf.yield"(%one) : (i32) -> ()
    }}) : (i1) -> i32
    "func.return"(%y) : (i32) -> ()
  }}) {{sym_name = "f", function_type = (index, index, i1, i1) -> i32}} : () -> ()
}}) : () -> ()
"""
    module = parse_module(text)
    check(module)
    manager.run(module, "simplify")
    check(module)
    before = parse_module(text)
    for args in product((3, 4), (3, 4), (0, 1), (0, 1)):
        results = [LoopInterpreter(m).call("f", list(args)) for m in (before, module)]
        assert results[0] == results[1]
    return "code" if print_op(module).count('"scf.if"') == 2 else "a branch"


@pytest.mark.parametrize(
    ("outer", "inner", "found"),
    [
        ("%same", "%same", "code"),
        ("%same", "%again", "code"),
        ("%same", "%other", "code"),
        ("%other", "%same", "code"),
        ("%both", "%again", "code"),
        ("%both", "%c", "code"),
        ("%both", "%loose", "code"),
        ("%both", "%d", "a branch"),
        ("%either", "%same", "a branch"),
        ("%less", "%more", "a branch"),
        ("%less", "%less", "code"),
        ("%same", "%t", "code"),
    ],
)
def test_a_branch_that_is_decided_is_the_code_that_runs(outer: str, inner: str, found: str) -> None:
    assert decided(outer, inner) == found
