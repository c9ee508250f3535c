"""Random programs: the interpreter and machine code agree. `make fuzz` runs many more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.fuzz.case import Argument, Case, load
from tests.fuzz.coverage import table
from tests.fuzz.judge import judge
from tests.fuzz.pool import Judge
from tests.fuzz.recipes import CELLS, short
from tests.fuzz.search import Tally, search

BATCH, BATCHES = 25, 4
TOGETHER, GROUPS = 6, 8
REGRESSIONS = sorted((Path(__file__).parent / "regressions").glob("*.mlir"))
GROUPED = [CELLS[k : k + TOGETHER] for k in range(0, len(CELLS), TOGETHER)]


@pytest.fixture(scope="module")
def judging() -> Iterator[Judge]:
    with Judge() as found:
        yield found


def explain(tally: Tally) -> str:
    return "\n\n".join(
        f"{f.kind}: {f.detail}\n{f.case.text}\nreplay: python benchmarks/fuzz.py --replay {f.path}"
        for f in tally.findings
    )


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_programs_agree(judging: Judge, batch: int) -> None:
    tally = Tally()
    search(judging, BATCH, batch, tally)
    assert not tally.findings, explain(tally)
    assert tally.programs >= BATCH
    assert tally.compared > 0


@pytest.mark.parametrize("part", range(GROUPS))
def test_every_op_agrees_on_every_element_type(judging: Judge, part: int) -> None:
    tally = Tally()
    groups = GROUPED[part::GROUPS]
    for number, group in enumerate(groups):
        search(judging, 2, number, tally, focus=group)
    assert not tally.findings, explain(tally)
    wanted = {(short(op), str(element)) for group in groups for op, element in group}
    assert wanted <= set(tally.cells), f"never compared:\n{sorted(wanted - set(tally.cells))}"
    assert table(tally.cells).count("\n") > 50


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda p: p.stem)
def test_what_was_found_once_agrees(judging: Judge, path: Path) -> None:
    verdict = judging(load(path))
    assert verdict.kind == "", verdict.detail
    assert verdict.compared > 0


IDENTITY = """
"func.func"() ({
^bb0(%x: tensor<?xf64>):
  %y = "tensorc.neg"(%x) : (tensor<?xf64>) -> tensor<?xf64>
  "func.return"(%y) : (tensor<?xf64>) -> ()
}) {function_type = (tensor<?xf64>) -> tensor<?xf64>, sym_name = "main"} : () -> ()
"""


def test_a_case_survives_its_file(tmp_path: Path) -> None:
    values = np.array([np.nan, -0.0, 5e-324, 1.0])
    case = Case(IDENTITY, ((Argument(values, "reversed"),), (Argument(values[:0]),)))
    path = case.save("a reason\nin two lines", tmp_path)
    again = load(path)
    assert [a.layout for call in again.calls for a in call] == ["reversed", "C"]
    assert again.calls[0][0].values.tobytes() == values.tobytes()
    assert again.calls[1][0].values.shape == (0,)
    assert judge(again).kind == ""


def test_the_judge_sees_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter made wrong by one bit in one place: seen, and the sign of zero too."""
    from tensorc.ops.arithmetic import Neg

    case = Case(IDENTITY, ((Argument(np.array([1.0, 2.0, 0.0])),),))
    assert judge(case).kind == ""
    monkeypatch.setattr(Neg, "reference", classmethod(lambda cls, attrs, x: np.nextafter(-x, 9)))
    assert judge(case).kind == "value"
    monkeypatch.setattr(Neg, "reference", classmethod(lambda cls, attrs, x: 0 - x))
    assert judge(case).kind == "sign of zero"
    monkeypatch.setattr(Neg, "reference", classmethod(lambda cls, attrs, x: np.where(x == 2, np.nan, -x)))
    assert judge(case).kind == "NaN or inf"


def test_a_process_that_dies_is_a_finding() -> None:
    with Judge(plant="tests.fuzz.plants:segmentation_fault") as judging:
        verdict = judging(Case(IDENTITY, ((Argument(np.zeros(3)),),)))
        assert verdict.kind == "process dies: SIGSEGV"
