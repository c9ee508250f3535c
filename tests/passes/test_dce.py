"""Removing what nobody uses."""

from __future__ import annotations

from passes.rule_examples import build
from passes.test_canonicalize import chain, names
from tensorc.ir.builder import Builder
from tensorc.ir.core import Value
from tensorc.ir.types import f64
from tensorc.ops import emit
from tensorc.passes import manager


def test_dead_chains_go_in_one_walk() -> None:
    def beside(b: Builder, x: Value, number: int) -> Value:
        emit.exp(b, emit.exp(b, x))
        return emit.neg(b, x)

    module = chain(20, beside)
    report = manager.run(module, "dce")
    assert report.rules["dce"] == 40
    assert names(module) == ["neg"] * 20 + ["return"]


def test_checks_stay() -> None:
    module = build("require(true, x)", f64)
    manager.run(module, "dce")
    assert "require" in names(module)
    assert names(module).count("constant") == 2
