"""Pipeline text, running, verifying, printing, bisection, statistics, reproducers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from passes.rule_examples import build
from tensorc.ir.core import Operation
from tensorc.ir.errors import InternalError, TensorcValueError
from tensorc.ir.parser import parse_module
from tensorc.ir.printer import print_op
from tensorc.ir.types import f64
from tensorc.passes import manager, pipelines
from tensorc.passes.autodiff import Autodiff
from tensorc.passes.canonicalize import Canonicalize
from tensorc.passes.text import format_pipeline, parse_pipeline


@pytest.mark.parametrize(
    "text",
    [
        "",
        "canonicalize",
        "canonicalize,cse,dce",
        "autodiff{wrt=0,1 only=true}",
        "autodiff{wrt=2 seed=argument}",
        "cse,expand-math{calls=false},dce",
    ],
)
def test_text_reads_back(text: str) -> None:
    assert format_pipeline(parse_pipeline(text)) == text


def test_blanks_commas_and_flags_are_read() -> None:
    (one,) = parse_pipeline(" autodiff { wrt = 0 , 1 only } ")
    assert one == Autodiff(wrt=(0, 1), only=True)
    assert parse_pipeline("cse{}") == parse_pipeline("cse")


@pytest.mark.parametrize("level", pipelines.PIPELINES)
def test_levels_are_lists_of_passes_and_begin_alike(level: str) -> None:
    text = format_pipeline(parse_pipeline(level))
    assert format_pipeline(parse_pipeline(text)) == text
    assert text.startswith("inline,canonicalize,stabilise,canonicalize,")
    assert text.split(",")[-1] in ("expand-math", "simplify", "stream")


def test_every_name_stands_for_a_pass_of_that_name() -> None:
    for name in pipelines.PASSES:
        assert pipelines.load(name).name == name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("canonicalise", "did you mean canonicalize"),
        ("cse,", "ends in a comma"),
        (",cse", "column 1"),
        ("cse dce", "malformed pipeline"),
        ("cse{", "malformed pipeline"),
        ("cse}{", "malformed pipeline"),
        ("cse{x=1}", "takes no options"),
        ("autodiff{wtr=0}", "did you mean wrt"),
        ("autodiff{wrt=a}", "integers"),
        ("autodiff{wrt=}", "needs a value"),
        ("autodiff{only=7}", "not true or false"),
        ("autodiff{wrt=0 wrt=1}", "given twice"),
        ("autodiff{==}", "malformed options"),
        ("O4", "known: inline"),
    ],
)
def test_wrong_text_is_told_clearly(text: str, words: str) -> None:
    with pytest.raises(TensorcValueError, match="TC0501") as error:
        parse_pipeline(text)
    assert words in str(error.value)


def module() -> Operation:
    return build("log(1.0 + exp(x)) + x * 1.0", f64)


@dataclass(frozen=True)
class Crash:
    name: ClassVar[str] = "crash"

    def run(self, module: Operation) -> None:
        raise KeyError("lost")


@dataclass(frozen=True)
class Break:
    """Leaves a use before its definition."""

    name: ClassVar[str] = "break"

    def run(self, module: Operation) -> None:
        first = next(op for op in module.walk() if op.name == "tensorc.exp")
        last = next(op for op in module.walk() if op.name == "tensorc.log")
        first.set_operand(0, last.result)


@pytest.mark.parametrize(("culprit", "words"), [(Crash(), "KeyError"), (Break(), "left an invalid module")])
def test_a_defect_writes_a_reproducer(culprit: manager.Pass, words: str) -> None:
    before = print_op(module())
    cse = parse_pipeline("cse")
    with pytest.raises(InternalError, match=words) as error:
        manager.run(module(), [*cse, culprit], manager.Options(verify_each=True))
    assert error.value.reproducer is not None
    path = Path(error.value.reproducer)
    text = path.read_text(encoding="utf-8")
    path.unlink()
    assert f"-p 'cse,{culprit.name}'" in text.splitlines()[0]
    assert print_op(parse_module(text)) == before


def test_no_reproducer_where_none_is_wanted() -> None:
    with pytest.raises(InternalError) as error:
        manager.run(module(), [Crash()], manager.Options(reproducer=False))
    assert error.value.reproducer is None


def test_printing_shows_what_changed() -> None:
    written: list[str] = []
    manager.run(module(), "stabilise,stabilise", manager.Options(print_after_all=True, write=written.append))
    first, second = written
    assert first.startswith("// ----- after stabilise\n")
    assert "softplus" in first
    assert second == "// ----- after stabilise (no change)\n"


def test_report_names_passes_and_rules() -> None:
    report = manager.run(module(), "canonicalize,stabilise,dce")
    assert [name for name, _ in report.seconds] == ["canonicalize", "stabilise", "dce"]
    assert report.rules["log1p_of_power"] == 1
    assert report.rules["multiply_by_one"] == 1
    assert "log1p_of_power" in report.statistics()
    assert "total" in report.timing()


def test_bisection_stops_after_so_many_rewrites() -> None:
    total = sum(manager.run(module(), "canonicalize,stabilise").rules.values())
    texts = []
    for limit in range(total + 1):
        one = module()
        options = manager.Options(bisect_limit=limit, verify_each=True)
        report = manager.run(one, "canonicalize,stabilise", options)
        assert sum(report.rules.values()) == limit
        manager.run(one, "dce")
        texts.append(print_op(one))
    original = module()
    manager.run(original, "dce")
    assert texts[0] == print_op(original)
    whole = module()
    manager.run(whole, "canonicalize,stabilise")
    assert texts[-1] == print_op(whole)
    assert len(set(texts)) >= total


def test_checks_see_the_module_before_and_after() -> None:
    seen: list[tuple[str, bool]] = []

    def compare(one: manager.Pass, before: Operation, after: Operation) -> None:
        seen.append((one.name, print_op(before) == print_op(after)))

    checks: tuple[Callable[[manager.Pass, Operation, Operation], None], ...] = (compare,)
    manager.run(module(), "stabilise,stabilise", manager.Options(checks=checks))
    assert seen == [("stabilise", False), ("stabilise", True)]


@pytest.mark.parametrize(
    ("source", "pipeline", "runs"),
    [
        ("exp(x) + 1.0", "canonicalize,stabilise,canonicalize", 1),
        ("log(exp(x)) + 1.0", "canonicalize,stabilise,canonicalize", 2),  # stabilise finds something
        ("exp(x) + 1.0", "canonicalize,decompose,canonicalize", 2),  # who knows what it did
        ("exp(x) + 1.0", "cse,canonicalize,dce,canonicalize", 1),
    ],
)
def test_what_would_find_nothing_to_do_is_not_run_again(
    source: str, pipeline: str, runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite, started = Canonicalize.rewrite, []
    monkeypatch.setattr(Canonicalize, "rewrite", lambda *args: (started.append(1), rewrite(*args)))
    module, shown = build(source, f64), list[str]()
    report = manager.run(module, pipeline, manager.Options(print_after_all=True, write=shown.append))
    assert len(started) == runs
    assert [name for name, _ in report.seconds] == pipeline.split(",")
    assert "".join(shown).count("// ----- after") == len(report.seconds)
    twice = build(source, f64)
    for one in parse_pipeline(pipeline):
        one.run(twice)
    assert print_op(module) == print_op(twice)
