"""Runs a case through the interpreter and compiled in its modes, and says where they disagree.

The reference is the interpreter on the IR directly after `stabilise`. The rule of comparison, per element:

- integers and bools are equal; shapes and dtypes are equal;
- a float has the same class: NaN, +inf, -inf, finite;
- a finite float differs by no more than 4 times what shaken runs of the reference (`shake.py`) differ, plus
  2 ulp; where they do not differ by more than the sign of zero it has the bits of one of them;
- an element whose class (or, for integers, value) differs between shaken runs is undetermined and is not
  compared; such elements are counted.

Before that, the reference itself is held against the interpreter on the program as written, within what
rounding anywhere, overflow and underflow can do there; NaN and infinities as written may become finite.

An apparent disagreement is judged again with 64 shaken runs before it is reported. Either all sides raise an
error or none does. Arguments must come out of a call unchanged, results must not share memory with them.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tensorc.cli.compiled import compile_function
from tensorc.interp import tensor
from tensorc.ir.builtin import functions
from tensorc.ir.core import Operation
from tensorc.ir.errors import TensorcError
from tensorc.ir.parser import parse_module
from tensorc.ops.base import OpDef
from tensorc.passes import manager
from tests.fuzz.case import Argument, Case
from tests.fuzz.coverage import Cell, cells_of
from tests.fuzz.recipes import is_reduction
from tests.fuzz.shake import RoughShaker, Shaker
from tests.strategies import Array

REFERENCE = "inline,canonicalize,stabilise"
RUNS, MORE_RUNS = 5, 64
SPREADS, ULPS = 4, 2
_OPTIONS = manager.Options(reproducer=False, verify_each=True)


@dataclass
class Verdict:
    """`kind` is empty when all agree; else what is wrong, with one paragraph on it."""

    kind: str = ""
    detail: str = ""
    compared: int = 0
    undetermined: int = 0
    raised: int = 0
    reduces: bool = False
    cells: list[Cell] = field(default_factory=list)


Outcome = list[Array] | TensorcError


class Disagreement(Exception):
    """Two witnesses differ."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


def judge(case: Case) -> Verdict:
    """Run a case; never raises."""
    verdict = Verdict()
    try:
        _judge(case, verdict)
    except Disagreement as found:
        verdict.kind, verdict.detail = found.kind, str(found)
    except Exception as error:
        trace = traceback.extract_tb(error.__traceback__)[-1]
        verdict.kind = f"{type(error).__name__} at {trace.name}:{trace.lineno}"
        verdict.detail = traceback.format_exc()
    return verdict


def _main(text: str) -> tuple[Operation, Operation]:
    module = parse_module(text)
    return module, next(iter(functions(module)))


def _judge(case: Case, verdict: Verdict) -> None:
    module, function = _main(case.text)
    _, written = _main(case.text)
    cells, ops = list(cells_of(function)), {op.definition for op in function.walk()}
    manager.run(module, REFERENCE, _OPTIONS)
    function = next(iter(functions(module)))
    compiled: dict[str, Any] = {}
    for mode in case.modes:
        parsed, main = _main(case.text)
        compiled[mode] = compile_function(parsed, main, mode)
    for number, call in enumerate(case.calls):
        reference = Reference(function, call)
        _compare_rewritten(f"call {number}, rewritten", Reference(written, call, RoughShaker), reference)
        for mode, f in compiled.items():
            _compare(f"call {number}, {mode}", reference, f, verdict)
    verdict.cells = cells
    verdict.reduces = any(d is not None and issubclass(d, OpDef) and is_reduction(d) for d in ops)


def _outcome(run: Any) -> Outcome:
    try:
        return [np.asarray(r) for r in run()]
    except TensorcError as error:
        return error


class Reference:
    """What the interpreter says of one call: as it is, and shaken."""

    def __init__(self, function: Operation, call: Sequence[Argument], shaker: type[Shaker] = Shaker) -> None:
        self.function, self.call, self.shaker = function, call, shaker
        self.expected = self._run(None)
        self._shaken: dict[int, list[list[Array]] | None] = {}

    def _run(self, after: Shaker | None) -> Outcome:
        return _outcome(lambda: tensor.run(self.function, [a.array() for a in self.call], after))

    def shaken(self, runs: int) -> list[list[Array]] | None:
        """The results of shaken runs; None where an error or a shape depends on rounding."""
        if runs not in self._shaken:
            found = [self._run(self.shaker(seed)) for seed in range(runs)]
            good = [f for f in found if not isinstance(f, TensorcError)]
            shapes = {tuple(r.shape for r in f) for f in good}
            self._shaken[runs] = good if len(good) == runs and len(shapes) == 1 else None
        return self._shaken[runs]


def _compare_rewritten(where: str, written: Reference, reference: Reference) -> None:
    """Canonicalising and stabilising kept what the program as written says, where that says anything."""
    before, after = written.expected, reference.expected
    if isinstance(before, TensorcError):
        return  # a check in dead code is dead
    if isinstance(after, TensorcError):
        if written.shaken(MORE_RUNS) is not None:
            raise Disagreement("rewritten: error", f"{where}: only then it raises: {after}")
        return
    for runs in (RUNS, MORE_RUNS):
        shaken = written.shaken(runs)
        if shaken is None:
            return
        wrong = [
            _wrong(b, a, [s[k] for s in shaken]) for k, (b, a) in enumerate(zip(before, after, strict=True))
        ]
        # NaN or infinity as written may become the finite value that was meant.
        judged = [
            bad & np.isfinite(b) if b.dtype.kind == "f" else bad
            for b, (bad, _) in zip(before, wrong, strict=True)
        ]
        if not any(bad.any() for bad in judged):
            return
    k = next(k for k, bad in enumerate(judged) if bad.any())
    text = _explain(f"{where}, result {k}", before[k], after[k], [s[k] for s in shaken], judged[k])
    raise Disagreement(f"rewritten: {_kind(before[k], after[k], judged[k])}", text)


def _compare(where: str, reference: Reference, compiled: Any, verdict: Verdict) -> None:
    expected = reference.expected
    arrays = [a.array() for a in reference.call]
    before = [a.tobytes() for a in arrays]
    got = _outcome(lambda: compiled(*arrays))
    if [a.tobytes() for a in arrays] != before:
        raise Disagreement("argument changed", f"{where}: a call changed its argument")
    if isinstance(got, TensorcError) or isinstance(expected, TensorcError):
        _compare_errors(where, reference, got)
        verdict.raised += 1
        return
    for number, (e, g) in enumerate(zip(expected, got, strict=True)):
        if e.dtype != g.dtype or e.shape != g.shape:
            detail = f"{where}, result {number}: {g.dtype}{list(g.shape)} for {e.dtype}{list(e.shape)}"
            raise Disagreement("shape or dtype", detail)
        if any(np.shares_memory(g, a) for a in arrays):
            raise Disagreement("aliasing", f"{where}, result {number} shares memory with an argument")
    _compare_values(where, reference, expected, got, verdict)


def _compare_errors(where: str, reference: Reference, got: Outcome) -> None:
    """An error that rounding decides (an index made from floats) is no disagreement."""
    expected = reference.expected
    if isinstance(got, TensorcError) and isinstance(expected, TensorcError):
        return
    if isinstance(got, TensorcError) and reference.shaken(MORE_RUNS) is None:
        return
    side, error = ("compiled", got) if isinstance(got, TensorcError) else ("interpreted", expected)
    raise Disagreement("error on one side", f"{where}: only {side} it raises {type(error).__name__}: {error}")


def _compare_values(
    where: str, reference: Reference, expected: list[Array], got: list[Array], verdict: Verdict
) -> None:
    for runs in (RUNS, MORE_RUNS):
        shaken = reference.shaken(runs)
        if shaken is None:
            return
        spread = [[s[k] for s in shaken] for k in range(len(expected))]
        wrong = [_wrong(e, g, s) for e, g, s in zip(expected, got, spread, strict=True)]
        if not any(bad.any() for bad, _ in wrong):
            verdict.compared += sum(e.size for e in expected)
            verdict.undetermined += sum(int(u.sum()) for _, u in wrong)
            return
    k = next(k for k, (bad, _) in enumerate(wrong) if bad.any())
    bad = wrong[k][0]
    text = _explain(f"{where}, result {k}", expected[k], got[k], spread[k], bad)
    raise Disagreement(_kind(expected[k], got[k], bad), text)


def _classes(x: Array) -> Array:
    return np.where(np.isnan(x), 2, np.where(np.isinf(x), np.sign(np.nan_to_num(x)), 0))


def _wrong(expected: Array, got: Array, runs: Sequence[Array]) -> tuple[Array, Array]:
    """(which elements disagree, which are undetermined)."""
    if expected.dtype.kind != "f":
        undetermined = np.logical_or.reduce([np.asarray(r != expected) for r in runs])
        return np.asarray((got != expected) & ~undetermined), np.asarray(undetermined)
    with np.errstate(all="ignore"):
        classes = _classes(expected)
        undetermined = np.logical_or.reduce([np.asarray(_classes(r) != classes) for r in runs])
        reach = np.maximum.reduce([np.abs(r.astype(np.float64) - expected) for r in runs])
        distance = np.abs(got.astype(np.float64) - expected)
        allowed = SPREADS * reach + ULPS * np.spacing(np.abs(expected)).astype(np.float64)
        same = np.logical_or.reduce([_same_bits(r, got) for r in (expected, *runs)])
        near = np.where(reach == 0, same, distance <= allowed)
    fine = np.where(classes == 0, (_classes(got) == 0) & near, _classes(got) == classes)
    return np.asarray(~fine & ~undetermined), np.asarray(undetermined)


def _same_bits(a: Array, b: Array) -> Array:
    return np.asarray((a == b) & (np.signbit(a) == np.signbit(b)))


def _kind(expected: Array, got: Array, bad: Array) -> str:
    e, g = expected[bad].flat[0], got[bad].flat[0]
    if expected.dtype.kind != "f":
        return "integers differ"
    if np.isnan(e) != np.isnan(g) or np.isinf(e) != np.isinf(g) or (np.isinf(e) and e != g):
        return "NaN or inf"
    return "sign of zero" if e == g else "value"


def _explain(where: str, expected: Array, got: Array, runs: Sequence[Array], bad: Array) -> str:
    place = tuple(int(i) for i in np.argwhere(bad)[0])
    e, g = expected[place], got[place]
    others = sorted({str(r[place]) for r in runs})[:4]
    return (
        f"{where}: {int(bad.sum())} of {bad.size} elements differ, the first at {list(place)}: "
        f"{g!r}, the interpreter has {e!r}, shaken {', '.join(others)}"
    )
