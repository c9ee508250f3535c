"""Draws cases, has them judged, shrinks and saves what is wrong, and counts."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.case import FAILURES, Case
from tests.fuzz.coverage import Cell
from tests.fuzz.draw import Cell as OpCell
from tests.fuzz.draw import cases
from tests.fuzz.judge import Verdict
from tests.fuzz.pool import Judge

PER_KIND = 2
"""So many findings of a kind are shrunk and saved; more are only counted."""
SHRINKING = 60.0
"""Seconds given to shrinking a finding."""


@dataclass
class Finding:
    kind: str
    detail: str
    case: Case
    path: Path | None
    programs: int
    """How many programs had been judged when it was found."""


@dataclass
class Tally:
    """What a search has seen."""

    programs: int = 0
    gradients: int = 0
    reductions: int = 0
    compared: int = 0
    undetermined: int = 0
    raised: int = 0
    cells: Counter[Cell] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        for name in ("programs", "gradients", "reductions", "compared", "undetermined", "raised"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.cells.update(other.cells)
        self.kinds.update(other.kinds)
        self.findings += other.findings

    def count(self, case: Case, verdict: Verdict) -> None:
        self.programs += 1
        self.gradients += case.gradient
        self.reductions += verdict.reduces
        self.compared += verdict.compared
        self.undetermined += verdict.undetermined
        self.raised += verdict.raised
        self.cells.update(verdict.cells)
        if verdict.kind:
            self.kinds[verdict.kind] += 1


@cache
def _exception(kind: str) -> type[AssertionError]:
    """An exception class a kind: hypothesis shrinks within a class, so a bug does not slip into another."""
    return type(f"Found({kind})", (AssertionError,), {})


def _key(case: Case) -> object:
    return case.text, case.modes, tuple((a.values.tobytes(), a.layout) for call in case.calls for a in call)


def search(
    judge: Judge,
    programs: int,
    number: int,
    tally: Tally,
    focus: Sequence[OpCell] = (),
    shrink: bool = True,
    folder: Path = FAILURES,
) -> Finding | None:
    """Judge so many programs of the random stream `number`; the finding that ended it early, shrunk and
    saved, if any.
    """
    last: list[tuple[Verdict, Case]] = []
    raised: dict[object, Verdict] = {}
    found_after, until = 0, float("inf")

    def body(case: Case) -> None:
        nonlocal found_after, until
        known = raised.get(_key(case))
        if known is None and time.monotonic() > until:
            return  # no time left to shrink: what is not known to fail counts as good
        verdict = known or judge(case)
        if not last:
            tally.count(case, verdict)
        if not verdict.kind or (tally.kinds[verdict.kind] > PER_KIND and not last):
            return
        if not last:
            found_after, until = tally.programs, time.monotonic() + SHRINKING
        last.append((verdict, case))
        raised[_key(case)] = verdict
        raise _exception(verdict.kind)(verdict.detail)

    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]
    configured = settings(
        max_examples=programs,
        phases=phases,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        seed(number)(configured(given(cases(focus=tuple(focus)))(body)))()
    except AssertionError:
        verdict, case = last[-1]
        path = case.save(f"{verdict.kind}\n{verdict.detail}", folder)
        finding = Finding(verdict.kind, verdict.detail, case, path, found_after)
        tally.findings.append(finding)
        return finding
    except Exception as error:  # no case was drawn: autodiff, say, has failed
        tally.kinds[f"while drawing: {type(error).__name__}"] += 1
        finding = Finding("while drawing", traceback.format_exc(), Case("", ()), None, tally.programs)
        tally.findings.append(finding)
        return finding
    return None
