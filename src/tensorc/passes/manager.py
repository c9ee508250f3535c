"""The pass manager: pipeline text, and running passes with verifying, printing, timing, bisection and
statistics.

A pass is a frozen dataclass with a class variable `name` and a method `run(self, module)`; its fields are its
options. A pass made of countable rewrites derives from `RewritePass`, so that `--bisect-limit` can stop it
after the first N and statistics can be kept a rule.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from tensorc.ir.clone import clone_op
from tensorc.ir.core import Operation
from tensorc.ir.errors import InternalError, TensorcError
from tensorc.ir.printer import print_op
from tensorc.ir.verifier import verify
from tensorc.passes.text import format_pass, format_pipeline, parse_pipeline


class Pass(Protocol):
    """What the manager runs: changes the module in place; raises a TensorcError kind for what the user did
    wrong.
    """

    @property
    def name(self) -> str: ...

    def run(self, module: Operation) -> None: ...


@dataclass
class Budget:
    """Counts rewrites and says when to stop: only the first `limit` are made (None: all)."""

    limit: int | None = None
    counts: Counter[str] = field(default_factory=Counter)
    used: int = 0

    def take(self, rule: str) -> bool:
        """Whether one more rewrite may be made; if so it is counted under the name of its rule."""
        if self.limit is not None and self.used >= self.limit:
            return False
        self.used += 1
        self.counts[rule] += 1
        return True

    def add(self, rule: str, count: int) -> None:
        """Count rewrites that a driver made within `remaining`."""
        self.used += count
        self.counts[rule] += count

    @property
    def remaining(self) -> int | None:
        """How many rewrites may still be made; None for any number."""
        return None if self.limit is None else max(self.limit - self.used, 0)


class RewritePass(ABC):
    """A pass made of rewrites that can be counted and stopped one by one."""

    name: ClassVar[str]
    rewrites: ClassVar[Mapping[str, str]] = {}
    """Rewrites that are no patterns of `rules/`: the names they are counted under, and their laws."""
    settles: ClassVar[bool] = False
    """Whether a second run right after the first does nothing: it need not be made."""

    def run(self, module: Operation) -> None:
        self.rewrite(module, Budget())

    @abstractmethod
    def rewrite(self, module: Operation, budget: Budget) -> None:
        """Rewrite in place, asking `budget` before every single change."""


Check = Callable[[Pass, Operation, Operation], None]
"""Called after a pass with the pass, a copy of the module before it and the module after it; raises when
they do not mean the same.
"""


@dataclass(frozen=True)
class Options:
    """How to run a pipeline.

    verify_each      verify the module after every pass
    print_after_all  write the module after every pass that changed it
    bisect_limit     make only the first N rewrites of the whole pipeline
    checks           callbacks that compare the module before and after a pass (debug mode's interpreter, for
                     one)
    write            where printing goes
    reproducer       on a defect, write the module the pipeline began with to a file
    """

    verify_each: bool = False
    print_after_all: bool = False
    bisect_limit: int | None = None
    checks: tuple[Check, ...] = ()
    write: Callable[[str], object] = sys.stderr.write
    reproducer: bool = True


DEFAULT = Options()


@dataclass
class Report:
    """What a run did: seconds a pass in order, and how often each rule was applied."""

    seconds: list[tuple[str, float]] = field(default_factory=list)
    rules: Counter[str] = field(default_factory=Counter)

    def timing(self) -> str:
        """A table of the passes and their times."""
        total = sum(s for _, s in self.seconds)
        rows = [*self.seconds, ("total", total)]
        width = max(len(name) for name, _ in rows)
        return "".join(f"{name:<{width}}  {seconds * 1e3:9.3f} ms\n" for name, seconds in rows)

    def statistics(self) -> str:
        """A table of the rules that were applied, most often first."""
        return "".join(f"{count:7}  {rule}\n" for rule, count in self.rules.most_common())


def run(module: Operation, pipeline: str | Sequence[Pass], options: Options = DEFAULT) -> Report:
    """Run a pipeline, given as text or as passes, on a module in place.

    Raises TensorcError kinds that passes raise, TensorcValueError for malformed pipeline text, and
    InternalError, with the name of a file that reproduces it, when a pass fails otherwise or leaves an
    invalid module.
    """
    passes = parse_pipeline(pipeline) if isinstance(pipeline, str) else pipeline
    report, budget = Report(), Budget(options.bisect_limit)
    start = clone_op(module) if options.reproducer else None
    settled: list[Pass] = []
    for one in passes:
        if one in settled:
            report.seconds.append((one.name, 0.0))
            if options.print_after_all:
                _show("", "", one, options)
            continue
        used = budget.used
        before = clone_op(module) if options.checks else module
        text = print_op(module) if options.print_after_all else ""
        try:
            with no_collection():
                _run_one(module, one, budget, report)
            if options.verify_each and (found := verify(module)):
                listing = "\n".join(map(str, found))
                raise InternalError(f"pass {one.name} left an invalid module:\n{listing}")
        except InternalError as error:
            raise with_reproducer(error, start, passes) from error
        settled = _settled(settled, one, budget.used == used)
        if options.print_after_all:
            _show(text, print_op(module), one, options)
        for check in options.checks:
            check(one, before, module)
    report.rules = budget.counts
    return report


def _settled(before: Sequence[Pass], one: Pass, unchanged: bool) -> list[Pass]:
    """The passes that would find nothing to do now that `one` has run."""
    if isinstance(one, RewritePass):
        return [*before, one] if unchanged else [one] if one.settles else []
    return []


@contextmanager
def no_collection() -> Iterator[None]:
    """IR is full of cycles and grows while a pass runs: collecting it over and over took most of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _run_one(module: Operation, one: Pass, budget: Budget, report: Report) -> None:
    start = time.perf_counter()
    try:
        if isinstance(one, RewritePass):
            one.rewrite(module, budget)
        else:
            one.run(module)
    except (TensorcError, InternalError):
        raise
    except Exception as error:
        raise InternalError(f"pass {one.name} failed: {type(error).__name__}: {error}") from error
    report.seconds.append((one.name, time.perf_counter() - start))


def _show(before: str, after: str, one: Pass, options: Options) -> None:
    changed = "" if before != after else " (no change)"
    options.write(f"// ----- after {format_pass(one)}{changed}\n{after if not changed else ''}")


def with_reproducer(error: InternalError, start: Operation | None, passes: Sequence[Pass]) -> InternalError:
    """The error with the name of a file that holds the module the pipeline began with, and the command; the
    error alone where no file can be written.
    """
    if start is None or error.reproducer is not None:
        return error
    message = str(error)
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="tensorc-", suffix=".mlir", delete=False, encoding="utf-8"
        ) as file:
            file.write(f"// tensorc opt {file.name} -p '{format_pipeline(passes)}'\n")
            file.write("".join(f"// {line}\n" for line in message.splitlines()))
            file.write(print_op(start))
    except OSError:
        return error
    return InternalError(message, file.name)
