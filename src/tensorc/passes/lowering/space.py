"""What a kernel is to its emitters: iteration extents, stages, buffers; where results of stages are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from tensorc.ir.core import Value
from tensorc.ir.types import ScalarType
from tensorc.ops.loops.base import memory_type
from tensorc.passes.lowering.nest import Access, Index, Lowerer, load, store
from tensorc.passes.lowering.sums import Combiner

Body = Callable[[Lowerer, Sequence[Index], Sequence[Value]], list[Value]]


@dataclass(frozen=True)
class Earlier:
    """An input that is the result of an earlier stage."""

    stage: int
    result: int


@dataclass(frozen=True)
class Result:
    """`combiner` None: one value an iteration. `out`: where it is stored, if the kernel yields it. `kept`: a
    later stage reads it.
    """

    element: ScalarType
    combiner: Combiner | None = None
    out: Access | None = None
    kept: bool = False


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

    def kept_tiles(self) -> list[tuple[int, int, Result]]:
        """Results with inner axes that a later stage reads: stage, number, result."""
        return [
            (number, k, result)
            for number, stage in enumerate(self.space.stages)
            for k, result in enumerate(stage.results)
            if stage.full and result.combiner is None and result.kept
        ]

    def needs_scratch(self) -> bool:
        return any(result.out is None for _, _, result in self.kept_tiles())

    def make_tiles(self, width: list[int]) -> None:
        """Buffers for results with inner axes that a later stage reads: the output itself, or scratch, for
        as many lanes as `width` says.
        """
        outer, rank = self.space.outer, len(self.space.extents)
        for number, k, result in self.kept_tiles():
            if result.out is not None:
                self.tiles[number, k] = result.out
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


def combiners_of(stage: Stage) -> list[Combiner]:
    return [r.combiner for r in stage.results if r.combiner is not None]


def combined(stage: Stage, values: Sequence[Value]) -> list[Value]:
    """Of a body's values, those that are combined."""
    return [v for r, v in zip(stage.results, values, strict=True) if r.combiner is not None]
