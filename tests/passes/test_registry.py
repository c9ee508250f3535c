"""Every rewrite is known: what passes count, what `@pattern` marks and what drivers apply stands in the
registry, and every rule fires in the pass that it is listed under.
"""

from __future__ import annotations

import ast
import functools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tensorc
from effort import effort
from passes.rule_examples import build
from passes.test_rules import arguments, same_bits, special_inputs
from tensorc.ir.builder import Builder
from tensorc.ir.builtin import Return, body, functions, new_function, new_module, set_signature
from tensorc.ir.clone import clone_op
from tensorc.ir.core import Operation
from tensorc.ir.definition import REGISTRY
from tensorc.ir.errors import InternalError
from tensorc.ir.rewriter import Pattern, Rewriter, pattern
from tensorc.ir.types import f64
from tensorc.ops.arithmetic import Neg, Sub
from tensorc.ops.base import OpDef, Sample
from tensorc.passes import manager, registry
from tensorc.passes.canonicalize import apply
from tensorc.passes.manager import Budget
from tensorc.passes.rules import CANONICAL, STABLE

SOURCE = Path(tensorc.__file__).parent
LISTED = {entry.name: entry for entry in registry.entries()}


@functools.cache
def nodes() -> list[tuple[Path, ast.AST]]:
    """The syntax of the package, read once."""
    files = sorted(SOURCE.rglob("*.py"))
    trees = [(file.relative_to(SOURCE), ast.parse(file.read_text(encoding="utf-8"))) for file in files]
    return [(file, node) for file, tree in trees for node in ast.walk(tree)]


def calls(*names: str) -> Iterator[tuple[Path, ast.Call]]:
    """Calls of functions and methods of these names, anywhere in the package."""
    for file, node in nodes():
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in names:
            yield file, node


def test_every_pattern_of_the_source_is_listed() -> None:
    for file, node in nodes():
        marks = node.decorator_list if isinstance(node, ast.FunctionDef) else []
        if any("pattern(" in ast.unparse(mark) for mark in marks):
            assert isinstance(node, ast.FunctionDef)
            assert node.name in LISTED, f"{file}: {node.name} is entered nowhere"
            assert LISTED[node.name].place.startswith(file.as_posix() + ":")


def test_every_rewrite_that_is_counted_is_listed() -> None:
    counted = [(file, node.args[0]) for file, node in calls("take") if "budget" in ast.unparse(node.func)]
    assert len(counted) >= 3
    for file, name in counted:
        assert isinstance(name, ast.Constant), f"{file}: a rewrite is counted under a computed name"
        assert name.value in LISTED, f"{file}: {name.value} is listed nowhere"


def test_drivers_are_started_with_listed_rules_only() -> None:
    """The one call of the driver is `apply`, and what `apply` is given are the two lists."""
    assert [file.as_posix() for file, _ in calls("_Driver")] == ["ir/rewriter.py"]
    assert [file.as_posix() for file, _ in calls("Rewriter")] == ["ir/rewriter.py"]
    started = [file.as_posix() for file, node in calls("rewrite") if isinstance(node.func, ast.Name)]
    assert started == ["passes/canonicalize.py"]
    rules = {
        ast.unparse(node.args[1])
        for file, node in calls("apply")
        if file.parts[0] == "passes" and isinstance(node.func, ast.Name)
    }
    assert rules == {"CANONICAL", "(*STABLE, *CANONICAL)"}


LOWERINGS = {
    "autodiff", "specialize", "check_shapes", "decompose", "fuse", "fuse_kernel", "bufferize", "buffers",
    "lower_to_loops", "extents", "outline", "expand_math", "unroll", "vectorize", "carry",
    "map_gpu",
}  # fmt: skip
"""Files of passes that change the level of a program."""


def test_only_lowerings_change_programs_without_counting() -> None:
    changing = {
        file.stem
        for file, node in calls("replace_all_uses_with", "erase")
        if file.parts[0] == "passes" and "rewriter" not in ast.unparse(node.func)
    }
    assert changing - LOWERINGS == {"branches", "cse", "dce", "inline", "simplify"}


def test_entries_say_what_they_claim() -> None:
    names = [entry.name for entry in registry.entries()]
    assert len(names) == len(set(names))
    for entry in LISTED.values():
        assert entry.law
        assert entry.kind in ("exact", "rounding", "stable")
        file, _, line = entry.place.rpartition(":")
        text = (SOURCE / file).read_text(encoding="utf-8").splitlines()
        assert int(line) <= len(text)


# --- rules fire in their pass -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "passes"),
    [*[(r, "canonicalize") for r in CANONICAL], *[(r, "stabilise") for r in STABLE]],
    ids=lambda v: v.name if isinstance(v, Pattern) else "",
)
def test_every_rule_fires_in_its_pass(rule: Pattern, passes: str) -> None:
    """Beside all the others: a rule that another one always forestalls is dead."""
    assert manager.run(build(rule.example, f64), passes).rules[rule.name]


@pytest.mark.parametrize("name", ["cse", "dce", "inline"])
def test_rewrites_of_whole_passes_fire(name: str) -> None:
    text = "where((x + y) > (x + y), x, y)"
    module = build(text, f64)
    if name == "dce":
        function = next(functions(module))
        Builder(body(function), body(function).first).create(Neg, [body(function).args[0]])
    if name == "inline":
        module = with_call()
    assert manager.run(module, name).rules[name] == 1


def with_call() -> Operation:
    from tensorc.ir.parser import parse_module

    return parse_module(
        '"builtin.module"() ({"func.func"() ({^bb0(%x: tensor<f64>):\n'
        '"func.return"(%x) : (tensor<f64>) -> ()}) {sym_name = "g", '
        "function_type = (tensor<f64>) -> tensor<f64>} : () -> ()\n"
        '"func.func"() ({^bb0(%x: tensor<f64>):\n'
        '%y = "func.call"(%x) {callee = @g} : (tensor<f64>) -> tensor<f64>\n'
        '"func.return"(%y) : (tensor<f64>) -> ()}) {sym_name = "f", '
        "function_type = (tensor<f64>) -> tensor<f64>} : () -> ()\n"
        "}) : () -> ()"
    )


EXACT = [r for r in (*CANONICAL, *STABLE) if r.kind == "exact"]


@pytest.mark.parametrize("rule", EXACT, ids=lambda r: r.name)
def test_exact_rules_hold_together(rule: Pattern) -> None:
    """The whole pass on an example whose inner values are used twice, and by another op besides."""
    before = build(rule.example, f64)
    keep_inner_values(before)
    after = clone_op(before)
    manager.run(after, "canonicalize")
    inputs = special_inputs(np.dtype("f8"), [0.0, -0.0, 1.0, -2.5, np.inf, np.nan])
    args = arguments(rule, inputs)
    old, new = (all_results(m, args) for m in (before, after))
    assert all(same_bits(np.asarray(a), np.asarray(b)) for a, b in zip(old, new, strict=True))


def keep_inner_values(module: Operation) -> None:
    """Return every value of the function, so that no rule may drop one."""
    function = next(functions(module))
    last = body(function).last
    assert last is not None
    values = [v for op in body(function) for v in op.results]
    last.set_operands(values)
    set_signature(function, [a.type for a in body(function).args], [v.type for v in values])


def all_results(module: Operation, args: list[Any]) -> list[Any]:
    from tensorc.interp import tensor

    return list(tensor.run(next(functions(module)), args))


# --- families: folding and decomposition --------------------------------------------------------------------

FOLDABLE = [d for d in REGISTRY.values() if issubclass(d, OpDef) and d.name.startswith("tensorc.")]


def small_samples(definition: type[OpDef]) -> Iterator[Sample]:
    for sample in definition.samples():
        if all(isinstance(x, np.ndarray) and x.size <= 16 for x in sample.operands):
            yield sample


@pytest.mark.parametrize("definition", FOLDABLE, ids=lambda d: d.name.removeprefix("tensorc."))
def test_folding_gives_what_the_interpreter_gives(definition: type[OpDef]) -> None:
    from tensorc.ir.attributes import DenseAttr
    from tensorc.ir.types import TensorType
    from tensorc.ops.attrs import ConstantAttrs
    from tensorc.ops.creation import Constant
    from tensorc.ops.dtypes import from_dtype

    for sample in list(small_samples(definition))[:12]:
        module, function = new_module(), new_function("f", [], [])
        module.regions[0].block.append(function)
        b = Builder.at_end(body(function))
        arrays = [np.ascontiguousarray(x).reshape(x.shape) for x in sample.operands]
        dense = [DenseAttr(TensorType(x.shape, from_dtype(x.dtype)), x) for x in arrays]
        operands = [b.create(Constant, [], ConstantAttrs(d))[0] for d in dense]
        results = b.create(definition, operands, sample.attrs)
        b.create_op(Return, results)
        set_signature(function, [], [v.type for v in results])
        expected = all_results(module, [])
        manager.run(module, "canonicalize")
        got = all_results(module, [])
        assert all(same_bits(np.asarray(x), np.asarray(y)) for x, y in zip(expected, got, strict=True))


# --- rules that never end -----------------------------------------------------------------------------------


@pattern(Sub, law="a - b = -(b - a)", example="x - y")
def turn(op: Operation, rewriter: Rewriter) -> None:
    if not any(user.isa(Neg) for user in op.result.users):
        rewriter.replace_op(op, Neg, [rewriter.create(Sub, list(op.operands)[::-1])[0]])


@pattern(Neg, law="-(a - b) = b - a", example="-(x - y)")
def turn_back(op: Operation, rewriter: Rewriter) -> None:
    inner = op.operands[0].defining(Sub)
    if inner is not None:
        rewriter.replace_op(op, Sub, list(inner.operands)[::-1])


def test_two_rules_that_undo_each_other_are_named() -> None:
    """Within a budget that grows with the program, not with patience."""
    with pytest.raises(InternalError) as caught:
        apply(build("x - y", f64), [turn, turn_back], Budget())
    assert "turn" in str(caught.value)
    assert "turn_back" in str(caught.value)
    assert "does not end" in str(caught.value)
    module = build("x - y", f64)

    def endless() -> None:
        with pytest.raises(InternalError):
            apply(module, [turn, turn_back], Budget())

    assert effort(endless) < 3e6


def test_the_listing_has_a_line_for_every_rule() -> None:
    text = registry.listing()
    for entry in LISTED.values():
        line = next(x for x in text.splitlines() if x.split()[:1] == [entry.name])
        assert entry.place in line
        assert entry.law in line
        assert entry.promise in line


def test_counts_are_shown_most_often_first() -> None:
    text = registry.applied(Counter({"negate_twice": 2, "cse": 11, "entered_by_hand": 3}))
    lines = text.splitlines()
    assert lines[0] == "16 rewrites by 3 rules"
    first = [" ".join(line.split()[:2]) for line in lines[1:]]
    assert first == ["11 cse", "3 entered_by_hand", "2 negate_twice"]
    assert "-(-x) = x" in lines[3]
    assert registry.applied(Counter()) == "no rule applied\n"
