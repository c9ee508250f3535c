"""Changing IR: the `Rewriter`, rewrite patterns, and the worklist driver that applies them.

A pattern is a function `(op, rewriter)` that either returns having done nothing, or replaces, erases or
changes operations through the rewriter. What it did is observed, not returned:

    @pattern(Log, law="log(exp(x)) = x", example="log(exp(3.0))", kind="stable")
    def log_of_exp(op, rewriter):
        inner = op.operands[0].defining(Exp)
        if inner is None:
            return
        rewriter.replace_with(op, [inner.operands[0]])

The driver visits operations in order, then again whatever a rewrite touched: the new operations, the users of
replaced values (two levels, for patterns that look that deep) and the producers that may have lost their last
user. When the worklist is empty a further sweep makes sure that nothing was missed.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal, Protocol

from tensorc.ir.attributes import Attribute
from tensorc.ir.builder import Builder
from tensorc.ir.core import Block, Operation, OpResult, Region, Value
from tensorc.ir.definition import NO_ATTRS, Attrs, OpDefinition, Trait
from tensorc.ir.errors import InternalError
from tensorc.ir.location import UNKNOWN, Location, fuse
from tensorc.ir.types import Type

Kind = Literal["exact", "rounding", "stable"]
Rule = Callable[[Operation, "Rewriter"], object]
MOST_SWEEPS: Final = 10


class Listener(Protocol):
    """Who wants to know what a rewriter does."""

    def inserted(self, op: Operation) -> None: ...

    def changed(self, op: Operation) -> None: ...

    def erased(self, op: Operation) -> None:
        """Called just before, with operands still in place."""
        ...


class Rewriter(Builder):
    """A builder that also replaces, changes and erases, and tells its listener.

    New operations get the location of the operation being rewritten; `covering` names further ones that they
    stand for.
    """

    def __init__(
        self,
        block: Block,
        anchor: Operation | None = None,
        location: Location = UNKNOWN,
        listener: Listener | None = None,
    ) -> None:
        super().__init__(block, anchor, location)
        self.changes = 0
        self._listener = listener

    def go_before(self, op: Operation) -> None:
        """Insert before `op` from now on, with its location."""
        assert op.block is not None
        self.block, self.anchor, self.location = op.block, op, op.location

    def go_after(self, op: Operation) -> None:
        """Insert after `op` from now on, with its location."""
        assert op.block is not None
        self.block, self.anchor, self.location = op.block, op.next, op.location

    def covering(self, *ops: Operation) -> None:
        """What is created from now on stands for all of `ops`: their locations are fused."""
        self.location = fuse(op.location for op in ops)

    def create_op(
        self,
        definition: type[OpDefinition],
        operands: Sequence[Value],
        attrs: Attrs = NO_ATTRS,
        *,
        results: Sequence[Type] | None = None,
        regions: Sequence[Region] = (),
        discardable: Mapping[str, Attribute] | None = None,
    ) -> Operation:
        op = super().create_op(
            definition, operands, attrs, results=results, regions=regions, discardable=discardable
        )
        if self._listener is not None:
            self._listener.inserted(op)
        return op

    def insert(self, op: Operation) -> None:
        """Insert a detached operation (a clone) here."""
        self.block.insert_before(op, self.anchor)
        if self._listener is not None:
            for inner in op.walk():
                self._listener.inserted(inner)

    def replace_op(
        self,
        op: Operation,
        definition: type[OpDefinition],
        operands: Sequence[Value],
        attrs: Attrs = NO_ATTRS,
        *,
        results: Sequence[Type] | None = None,
    ) -> tuple[OpResult, ...]:
        """Create an operation before `op`, let its results replace those of `op`, and erase `op`."""
        with self.at(op.block or self.block, op):
            new = self.create_op(definition, operands, attrs, results=results)
        self.replace_with(op, new.results)
        return new.results

    def replace_with(self, op: Operation, values: Sequence[Value]) -> None:
        """Let `values` replace the results of `op`, one each and of the same type, and erase `op`."""
        if len(values) != len(op.results):
            raise InternalError(f"{op.name} has {len(op.results)} results, replaced by {len(values)} values")
        for result, value in zip(op.results, values, strict=True):
            if value.type != result.type:
                raise InternalError(
                    f"{op.name} of type {result.type} replaced by a value of type {value.type} [TC0141]"
                )
            self.replace_uses(result, value)
        self.erase(op)

    def replace_uses(self, old: Value, new: Value) -> None:
        """Let every user of `old` use `new`."""
        users = old.users
        old.replace_all_uses_with(new)
        self.changes += 1
        if self._listener is not None:
            for user in users:
                self._listener.changed(user)

    def erase(self, op: Operation) -> None:
        """Remove `op` and everything inside it; its results must be unused."""
        if self.anchor is op:
            self.anchor = op.next
        if self._listener is not None:
            self._listener.erased(op)
        op.erase()
        self.changes += 1

    def set_operand(self, op: Operation, number: int, value: Value) -> None:
        op.set_operand(number, value)
        self.modified(op)

    def set_operands(self, op: Operation, values: Sequence[Value]) -> None:
        op.set_operands(values)
        self.modified(op)

    def set_attribute(self, op: Operation, name: str, value: Attribute | None) -> None:
        op.set_attribute(name, value)
        self.modified(op)

    def modified(self, op: Operation) -> None:
        """Tell that `op` was changed in place by other means."""
        self.changes += 1
        if self._listener is not None:
            self._listener.changed(op)

    def move_before(self, op: Operation, anchor: Operation) -> None:
        """Move `op` in front of `anchor`, which may stand in another block."""
        if self.anchor is op:
            self.anchor = op.next
        op.detach()
        assert anchor.block is not None
        anchor.block.insert_before(op, anchor)
        self.modified(op)


@dataclass(frozen=True, eq=False)
class Pattern:
    """A rewrite rule with its law, an example and its class.

    - `exact`: bit-equal, NaN, inf and signed zeros included.
    - `rounding`: within `ulp` units in the last place, same NaN and inf.
    - `stable`: at least as close to the mathematical value as before.
    """

    name: str
    definitions: tuple[type[OpDefinition], ...]
    function: Rule
    law: str
    example: str
    kind: Kind
    ulp: float | None
    file: str
    line: int

    def __call__(self, op: Operation, rewriter: Rewriter) -> None:
        self.function(op, rewriter)

    def matches(self, definition: type[OpDefinition]) -> bool:
        """Whether the rule is rooted at this op class (or a base of it)."""
        return issubclass(definition, self.definitions)


def pattern(
    *definitions: type[OpDefinition],
    law: str,
    example: str = "",
    kind: Kind = "exact",
    ulp: float | None = None,
) -> Callable[[Rule], Pattern]:
    """Make a `Pattern` rooted at the given op classes (or families of them) out of a function `(op,
    rewriter)`.

    Raises ValueError when no op class is given, or `ulp` does not go with the kind.
    """
    if not definitions:
        raise ValueError("a pattern names the op classes it is rooted at")
    if (kind == "rounding") != (ulp is not None):
        raise ValueError("a pattern of kind `rounding`, and only such a one, states its `ulp`")

    def make(function: Rule) -> Pattern:
        code = inspect.unwrap(function).__code__
        return Pattern(
            function.__name__,
            definitions,
            function,
            law,
            example,
            kind,
            ulp,
            code.co_filename,
            code.co_firstlineno,
        )

    return make


@dataclass
class Statistics:
    """What a driver run did. `exhausted`: the budget ran out before a fixed point; `limited`: `limit` was
    reached.
    """

    rewrites: dict[str, int] = field(default_factory=dict)
    visited: int = 0
    created: int = 0
    erased: int = 0
    sweeps: int = 0
    exhausted: bool = False
    limited: bool = False

    @property
    def total(self) -> int:
        """Rewrites applied, dead code not counted."""
        return sum(self.rewrites.values())

    def add(self, other: Statistics) -> None:
        """Add the counts of another run."""
        for name, count in other.rewrites.items():
            self.rewrites[name] = self.rewrites.get(name, 0) + count
        self.visited += other.visited
        self.created += other.created
        self.erased += other.erased
        self.sweeps += other.sweeps
        self.exhausted |= other.exhausted
        self.limited |= other.limited


def rewrite(
    root: Operation,
    patterns: Iterable[Pattern],
    *,
    budget: int | None = None,
    limit: int | None = None,
    observer: Callable[[Pattern, Operation], None] | None = None,
) -> Statistics:
    """Apply `patterns` to everything inside `root` until none applies; dead pure operations are erased on the
    way.

    The earlier pattern in the list wins. `budget` bounds rewrites plus created operations (default: 10,000
    plus twenty for every operation); when it runs out the IR is valid, but not at a fixed point, and
    `exhausted` is set. `limit` stops after that many rewrites, for bisection. `observer` is called with a
    rule and the operation before the rule is tried.
    """
    driver = _Driver(root, tuple(patterns), budget, limit, observer)
    driver.run()
    return driver.statistics


class _Driver:
    """The worklist: a queue and the set of its live entries. Listens to its own rewriter."""

    def __init__(
        self,
        root: Operation,
        patterns: tuple[Pattern, ...],
        budget: int | None,
        limit: int | None,
        observer: Callable[[Pattern, Operation], None] | None,
    ) -> None:
        self.statistics = Statistics()
        self._root = root
        self._rules = _rules_of(patterns)
        self._queue: deque[Operation] = deque()
        self._queued: set[Operation] = set()
        self._gone: set[Operation] = set()  # erased since the last rewrite
        self._limit = limit
        self._observer = observer
        self._fill()
        self._budget = 10_000 + 20 * len(self._queue) if budget is None else budget
        self._rewriter = Rewriter(Block(), listener=self)

    def run(self) -> None:
        while self.statistics.sweeps < MOST_SWEEPS:
            before = self._rewriter.changes
            self._drain()
            self.statistics.sweeps += 1
            if self._stopped() or self._rewriter.changes == before:
                return
            self._fill()
        self.statistics.exhausted = True

    def _fill(self) -> None:
        for op in self._root.walk():
            if op is not self._root:
                self._push(op)

    def _push(self, op: Operation) -> None:
        if op not in self._queued and op is not self._root:
            self._queued.add(op)
            self._queue.append(op)

    def _stopped(self) -> bool:
        return self.statistics.exhausted or self.statistics.limited

    def _drain(self) -> None:
        queue, queued, rules = self._queue, self._queued, self._rules
        while queue:
            op = queue.popleft()
            if op not in queued:
                continue
            queued.discard(op)
            self.statistics.visited += 1
            definition = op.definition
            if definition is None:
                continue
            if _is_dead(op, definition):
                self._rewriter.erase(op)
                continue
            found = rules.get(definition)
            if found is None:
                found = rules.enter(definition)
            if found:
                self._apply(op, found)
                if self._stopped():
                    return

    def _apply(self, op: Operation, rules: Sequence[Pattern]) -> None:
        rewriter = self._rewriter
        before = rewriter.changes
        for rule in rules:
            if self._limit is not None and self.statistics.total >= self._limit:
                self.statistics.limited = True
                return
            rewriter.go_before(op)
            if self._observer is not None:
                self._observer(rule, op)
            rule.function(op, rewriter)
            if rewriter.changes != before:
                self._count(rule)
                if op not in self._gone:
                    self._push(op)
                self._gone.clear()
                return

    def _count(self, rule: Pattern) -> None:
        rewrites = self.statistics.rewrites
        rewrites[rule.name] = rewrites.get(rule.name, 0) + 1
        if self.statistics.total + self.statistics.created > self._budget:
            self.statistics.exhausted = True

    # -- the listener's part

    def inserted(self, op: Operation) -> None:
        self.statistics.created += 1
        self._push(op)

    def changed(self, op: Operation) -> None:
        self._push(op)
        for result in op.results:
            for user, _ in result.uses:
                self._push(user)

    def erased(self, op: Operation) -> None:
        going = list(op.walk())
        self.statistics.erased += len(going)
        for inner in going:
            for value in inner.operands:
                if value.owner is not None:
                    self._push(value.owner)
        # After the loop: producers inside `op` go with it.
        self._queued.difference_update(going)
        self._gone.update(going)


class _Rules(dict[type[OpDefinition], tuple[Pattern, ...]]):
    """The rules rooted at each op class met so far."""

    def __init__(self, patterns: tuple[Pattern, ...]) -> None:
        super().__init__()
        self._patterns = patterns

    def enter(self, definition: type[OpDefinition]) -> tuple[Pattern, ...]:
        found = self[definition] = tuple(p for p in self._patterns if p.matches(definition))
        return found


@lru_cache(maxsize=16)
def _rules_of(patterns: tuple[Pattern, ...]) -> _Rules:
    """One table for all runs with the same rules: there are few such lists, and many short runs."""
    return _Rules(patterns)


_PURE: Final = Trait.PURE


def _is_dead(op: Operation, definition: type[OpDefinition]) -> bool:
    if not op.results or _PURE not in definition.traits:
        return False
    return not any([result._uses for result in op.results])
