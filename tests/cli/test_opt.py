"""`tensorc opt`: passes with options, what it prints, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.support import ELEMENTWISE, INTEGERS, PROGRAMS, call, wrong

COST = """\
"func.func"() ({
^bb0(%x: tensor<?xf64>, %y: tensor<?xf64>):
  %p = "tensorc.mul"(%x, %y) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  %c = "tensorc.sum"(%p) {axes = array<i64: 0>} : (tensor<?xf64>) -> tensor<f64>
  "func.return"(%c) : (tensor<f64>) -> ()
}) {sym_name = "f", function_type = (tensor<?xf64>, tensor<?xf64>) -> tensor<f64>} : () -> ()
"""
TWICE = """\
"func.func"() ({
^bb0(%x: tensor<?xf64>):
  %a = "tensorc.exp"(%x) : (tensor<?xf64>) -> tensor<?xf64>
  %b = "tensorc.exp"(%x) : (tensor<?xf64>) -> tensor<?xf64>
  %c = "tensorc.sub"(%a, %b) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  "func.return"(%c) : (tensor<?xf64>) -> ()
}) {sym_name = "f", function_type = (tensor<?xf64>) -> tensor<?xf64>} : () -> ()
"""


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_output_is_read_back(name: str) -> None:
    once = call("opt", "-", stdin=PROGRAMS[name].encode())
    assert once.status == 0
    assert once.err == ""
    again = call("opt", "-", stdin=once.out.encode())
    assert again.out == once.out


def test_a_pass_changes_the_text() -> None:
    plain, merged = (call("opt", "-", "-p", p, stdin=TWICE.encode()) for p in ("", "cse"))
    assert plain.out.count("tensorc.exp") == 2
    assert merged.out.count("tensorc.exp") == 1


def test_a_pass_takes_options() -> None:
    one, both = (
        call("opt", "-", "-p", f"autodiff{{wrt={wrt}}}", stdin=COST.encode()).out for wrt in ("0", "0,1")
    )
    assert "-> (tensor<f64>, tensor<?xf64>)," in one
    assert "-> (tensor<f64>, tensor<?xf64>, tensor<?xf64>)," in both


def test_print_after_all_shows_every_pass() -> None:
    found = call("opt", "-", "-p", "cse,dce", "--print-after-all", stdin=TWICE.encode())
    assert found.status == 0
    assert found.err.index("after cse") < found.err.index("after dce")
    assert "after" not in found.out
    assert found.err.count('"tensorc.exp"') == 1, "dce changed nothing, its text is not repeated"


def test_timing_names_every_pass() -> None:
    found = call("opt", "-", "-p", "cse,dce,canonicalize", "--timing", stdin=TWICE.encode())
    rows = [line.split() for line in found.err.splitlines()]
    assert [row[0] for row in rows] == ["cse", "dce", "canonicalize", "total"]
    assert all(row[-1] == "ms" and float(row[1]) >= 0 for row in rows)


def test_statistics_count_rules() -> None:
    found = call("opt", "-", "-p", "cse", "--statistics", stdin=TWICE.encode())
    assert found.err.split()[0] == "1"


def test_bisect_limit_stops_rewriting() -> None:
    texts = [call("opt", "-", "-p", "cse", "--bisect-limit", n, stdin=TWICE.encode()).out for n in ("0", "1")]
    assert [text.count("tensorc.exp") for text in texts] == [2, 1]


def test_verify_each_accepts_a_sound_pipeline() -> None:
    found = call("opt", "-", "-p", "canonicalize,stabilise", "--verify-each", stdin=ELEMENTWISE.encode())
    assert (found.status, found.err) == (0, "")


def test_output_file(tmp_path: Path) -> None:
    target = tmp_path / "out.mlir"
    found = call("opt", "-", "-o", str(target), stdin=COST.encode())
    assert (found.status, found.out) == (0, "")
    assert target.read_text() == call("opt", "-", stdin=COST.encode()).out


def test_locations_name_lines_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "in.mlir"
    path.write_text(COST)
    assert f'loc("{path}":3:3)' in call("opt", str(path), "--locations").out


def test_list_passes_names_each_with_its_options() -> None:
    found = call("opt", "--list-passes")
    assert found.status == 0
    lines = found.out.splitlines()
    assert {"canonicalize", "cse", "autodiff", "O0", "O3"} <= set(lines)
    assert any(line.strip().startswith("wrt:") for line in lines)


def test_standard_input_is_quoted_in_errors() -> None:
    text = COST.replace('"tensorc.sum"(%p)', '"tensorc.sum"(%q)')
    found = wrong(
        "opt", "-", stdin=text.encode(), says=["%q is not defined here", "<stdin>:4:22", "4 |   %c ="]
    )
    assert found.out == ""


def test_the_verifier_reports_once_with_notes() -> None:
    text = COST.replace("tensorc.mul", "tensorc.mull").replace("tensorc.sum", "tensorc.summ")
    wrong("opt", "-", stdin=text.encode(), says=["TC0120", "<stdin>:3:3", "note: also at line 4"])


def test_deep_nesting_is_answered() -> None:
    wrong("opt", "-", stdin=b"// x\n" + b"[" * 100_000, says=["TC0101"])
    attribute = '"builtin.module"() ({}) {a.b = ' + "[" * 5000 + "]" * 5000 + "} : () -> ()"
    wrong("opt", "-", stdin=attribute.encode(), says=["TC0107"])
    regions = '"scf.if"(%c) ({\n' * 3000
    text = '"func.func"() ({\n^bb0(%c: i1):\n' + regions
    wrong("opt", "-", stdin=text.encode(), says=["TC0101"])


def test_calls_are_checked_and_kept() -> None:
    found = call("opt", "-", stdin=INTEGERS.encode())
    assert '"func.call"' in found.out
    wrong("opt", "-", stdin=INTEGERS.replace("@shift", "@nobody").encode(), says=["@nobody"])


def test_an_empty_input_is_an_empty_module() -> None:
    found = call("opt", "-", stdin=b"")
    assert found.status == 0
    assert "builtin.module" in found.out


def test_rules_are_listed_with_class_place_and_law() -> None:
    outcome = call("opt", "--rules")
    assert outcome.status == 0
    line = next(x for x in outcome.out.splitlines() if " small_power " in x)
    assert "rounding 1 ulp" in line
    assert "passes/rules/arithmetic.py:" in line
    assert line.endswith("x**2 = x*x, x**-1 = 1/x, on floats")


def test_rules_of_a_run_are_counted_on_stderr() -> None:
    outcome = call("opt", "-", "-p", "cse", "--rules", stdin=TWICE.encode())
    assert outcome.status == 0
    assert '"tensorc.exp"' in outcome.out
    assert outcome.err.splitlines()[0] == "1 rewrites by 1 rules"
    assert outcome.err.split()[5:7] == ["1", "cse"]
    assert call("opt", "-", "--rules", stdin=TWICE.encode()).err == "no rule applied\n"
