"""What a kernel is to its emitters: iteration extents, stages, buffers; where results of stages are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Final

from tensorc.ir.core import Value
from tensorc.ir.types import ScalarType
from tensorc.ops.loops.base import memory_type
from tensorc.passes.lowering.nest import Access, Index, Lowerer, load, store
from tensorc.passes.lowering.sums import Combiner

SHORT: Final = 8
LIGHT: Final = 6
"""The weight of a body that is worth writing out several times for several values at a time."""
Body = Callable[[Lowerer, Sequence[Index], Sequence[Value]], list[Value]]


@dataclass(frozen=True)
class Earlier:
    """An input that is the result of an earlier stage."""

    stage: int
    result: int


@dataclass(frozen=True)
class Result:
    """`combiner` None: one value an iteration. `out`: where it is stored, if the kernel yields it. `kept`: a
    later stage reads it. `across`: combined over the outer iterations instead of the inner ones.
    """

    element: ScalarType
    combiner: Combiner | None = None
    out: Access | None = None
    kept: bool = False
    across: bool = False


@dataclass(frozen=True)
class Stage:
    """`full`: iterates over outer and inner axes, otherwise over the outer axes alone. `indexed`: the body
    uses the iteration indices. `weight`: about how many instructions the body is.
    """

    full: bool
    inputs: tuple[Access | Earlier, ...]
    body: Body
    results: tuple[Result, ...]
    indexed: bool = False
    weight: int = 1

    def accesses(self) -> list[Access]:
        outs = [r.out for r in self.results if r.out is not None]
        return [a for a in self.inputs if isinstance(a, Access)] + outs


@dataclass
class Space:
    """Iteration extents, the first `outer` of them parallel, and the stages over them."""

    extents: list[Index]
    outer: int
    stages: list[Stage] = field(default_factory=list)

    @property
    def inner(self) -> list[Index]:
        return self.extents[self.outer :]


def with_accesses(stage: Stage, change: Callable[[Access], Access]) -> Stage:
    inputs = tuple(change(a) if isinstance(a, Access) else a for a in stage.inputs)
    results = tuple(r if r.out is None else replace(r, out=change(r.out)) for r in stage.results)
    return replace(stage, inputs=inputs, results=results)




class Emitter:
    """What all forms share: where the results of stages are kept."""

    def __init__(self, b: Lowerer, space: Space) -> None:
        self.b = b
        self.space = space
        self.tiles: dict[tuple[int, int], Access] = {}
        self.scratch: list[Value] = []
        self.hosts = self._hosts()

    def kept_tiles(self) -> list[tuple[int, int, Result]]:
        """Results with inner axes that a later stage reads: stage, number, result."""
        return [
            (number, k, result)
            for number, stage in enumerate(self.space.stages)
            for k, result in enumerate(stage.results)
            if stage.full and result.combiner is None and result.kept
        ]

    def _hosts(self) -> dict[tuple[int, int], Access]:
        """Where results with inner axes are kept without scratch: in the output itself, or in one that is
        written, element by element, by the last stage that reads them, or later.
        """
        hosts: dict[tuple[int, int], Access] = {}
        for number, k, result in self.kept_tiles():
            found = result.out or self._free_output(number, k, result, list(hosts.values()))
            if found is not None:
                hosts[number, k] = found
        return hosts

    def _free_output(self, number: int, k: int, result: Result, taken: list[Access]) -> Access | None:
        stages, everywhere = self.space.stages, list(range(len(self.space.extents)))
        last = max(s for s, stage in enumerate(stages) if Earlier(number, k) in stage.inputs)
        for stage in stages[last:]:
            for other in stage.results:
                out = other.out
                if not stage.full or other.combiner is not None or out is None or out in taken:
                    continue
                if any(reads(later, out) for later in stages[number + 1 :]):
                    continue
                if other.element == result.element and sorted(out.axes) == everywhere:
                    return out
        return None

    def needs_scratch(self) -> bool:
        return any((number, k) not in self.hosts for number, k, _ in self.kept_tiles())

    def make_tiles(self, width: list[int]) -> None:
        """Buffers for results with inner axes that a later stage reads: an output, or scratch, for as many
        lanes as `width` says.
        """
        outer, rank = self.space.outer, len(self.space.extents)
        for number, k, result in self.kept_tiles():
            if (number, k) in self.hosts:
                self.tiles[number, k] = self.hosts[number, k]
                continue
            buffer = self.b.alloc(memory_type(result.element), [*self.space.inner, *width])
            self.scratch.append(buffer)
            axes = (*range(outer, rank), *([rank] if width else []))
            self.tiles[number, k] = Access(buffer, axes, result.element)

    def drop_tiles(self) -> None:
        for buffer in self.scratch:
            self.b.dealloc(buffer)

    def register(self, place: Earlier, indices: Sequence[Index]) -> Value:
        raise NotImplementedError

    def input(self, x: Access | Earlier, indices: Sequence[Index]) -> Value:
        if isinstance(x, Access):
            return load(self.b, x, indices)
        tile = self.tiles.get((x.stage, x.result))
        return self.register(x, indices) if tile is None else load(self.b, tile, indices)

    def store_all(self, value: Value, targets: Sequence[Access | None], indices: Sequence[Index]) -> None:
        """Store a value wherever it is wanted, once."""
        for target in {id(t): t for t in targets if t is not None}.values():
            store(self.b, value, target, indices)


def reads(stage: Stage, out: Access) -> bool:
    """Whether a stage reads the memory that an output is written to."""
    return any(isinstance(x, Access) and x.memory is out.memory for x in stage.inputs)


def is_short(row: Sequence[object]) -> bool:
    """Whether the extents of a row say that neighbouring rows make better lanes than the row."""
    extents = [n for n in row if isinstance(n, int)]
    return len(extents) == len(row) and prod(extents) <= SHORT


def combiners_of(stage: Stage) -> list[Combiner]:
    """Of the results that are combined over the inner iterations."""
    return [r.combiner for r in stage.results if r.combiner is not None and not r.across]


def combined(stage: Stage, values: Sequence[Value]) -> list[Value]:
    """Of a body's values, those that are combined over the inner iterations."""
    results = zip(stage.results, values, strict=True)
    return [v for r, v in results if r.combiner is not None and not r.across]


def across(space: Space) -> list[tuple[int, int, Result]]:
    """Results that are combined over the outer iterations: stage, number, result."""
    return [
        (number, k, result)
        for number, stage in enumerate(space.stages)
        for k, result in enumerate(stage.results)
        if result.across
    ]
