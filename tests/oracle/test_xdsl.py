"""Our dumps through xDSL: it parses and verifies them, prints them, and our parser reads its print as the
module we had.
"""

from __future__ import annotations

import pytest

from oracle.mlir_oracle import OracleMissing
from oracle.programs import PROGRAMS
from oracle.test_awake import GOOD, PLANTED, function
from oracle.test_dumps import TENSOR_OPS, cases
from oracle.xdsl_oracle import ask, interpreter
from tensorc.ir.equality import difference
from tensorc.ir.parser import parse_module
from tensorc.ir.printer import print_op
from tensorc.passes import pipelines

LEVELS = ("O0", "O2")
UNSEEN = "use before definition"  # xDSL does not look at the order of definitions


@pytest.fixture(autouse=True)
def _oracle() -> None:
    try:
        interpreter()
    except OracleMissing as missing:
        pytest.skip(str(missing))


def disagreements(texts: dict[str, str], *, unregistered: bool) -> dict[str, str]:
    """What xDSL refuses, or gives back as another module than we printed."""
    found = {}
    for (title, text), answer in zip(
        texts.items(), ask(list(texts.values()), unregistered=unregistered), strict=True
    ):
        changed = answer.error or difference(parse_module(text), parse_module(answer.text))
        if changed:
            found[title] = changed
    return found


def test_it_is_awake() -> None:
    names = [name for name in PLANTED if name != UNSEEN]
    answers = ask([GOOD, *(function(PLANTED[name][0]) for name in names)])
    assert answers[0].error is None
    assert [name for name, answer in zip(names, answers[1:], strict=True) if answer.error is None] == []


def test_a_changed_module_is_told_apart() -> None:
    text = next(cases(TENSOR_OPS[0])).module()
    (answer,) = ask([print_op(text)], unregistered=True)
    other = answer.text.replace(TENSOR_OPS[0].name, "tensorc.exp", 1)
    assert difference(text, parse_module(answer.text)) is None
    assert difference(text, parse_module(other)) is not None


@pytest.mark.parametrize("stage", ["tensor", "fused"])
def test_programs_at_the_tensor_level(stage: str) -> None:
    texts = {f"{p.__name__} {level}": p(level).source(stage) for p in PROGRAMS for level in LEVELS}
    assert disagreements(texts, unregistered=True) == {}


@pytest.fixture
def without_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loops as they are before `vectorize`: xDSL's arith compares and selects scalars only, and it knows few
    ops of the dialect `vector`. MLIR's own verifier judges those (`test_loop_ops.py`, `test_dumps.py`).
    """
    for name, passes in list(pipelines.PIPELINES.items()):
        monkeypatch.setitem(pipelines.PIPELINES, name, passes.replace(",vectorize,carry,stream", ""))


@pytest.mark.usefixtures("without_vectors")
def test_programs_as_loops() -> None:
    texts = {f"{p.__name__} {level}": p(level).source("loops") for p in PROGRAMS for level in LEVELS}
    assert disagreements(texts, unregistered=False) == {}


def test_every_op_at_the_tensor_level() -> None:
    texts = {case.title: print_op(case.module()) for op in TENSOR_OPS for case in cases(op)}
    assert disagreements(texts, unregistered=True) == {}


@pytest.mark.usefixtures("without_vectors")
def test_every_op_as_loops() -> None:
    texts = {op.name: next(cases(op)).lowered("O2") for op in TENSOR_OPS}
    assert disagreements(texts, unregistered=False) == {}
