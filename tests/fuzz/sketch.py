"""A program being drawn: a function under construction together with the actual extents of its values.

Types may have unknown extents, but every value's actual shape (for the arguments of the first call) is known
while drawing, so that most programs are valid where it matters: at run time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tensorc.ir import builtin
from tensorc.ir.attributes import DenseAttr
from tensorc.ir.builder import Builder
from tensorc.ir.core import Value
from tensorc.ir.types import ScalarType, TensorType, i64
from tensorc.ops import dtypes, emit, index
from tensorc.ops.attrs import ConstantAttrs
from tensorc.ops.creation import Constant
from tensorc.ops.index import ToIndex
from tests.strategies import EXTENTS, LAYOUTS, VALUES, Content, make_array

LARGEST = 8_000
LONG = (67, 1030)
"""Extents past the blocks that sums are made of."""


@dataclass(frozen=True)
class Tensor:
    """A value with its actual shape; `variable` says whether the arguments' values decide it."""

    value: Value
    shape: tuple[int, ...]

    @property
    def element(self) -> ScalarType:
        assert isinstance(self.value.type, TensorType)
        return self.value.type.element


@dataclass(frozen=True)
class Parameter:
    """How an argument is made: its actual shape in the first call, and its values."""

    type: TensorType
    shape: tuple[int, ...]
    content: Content
    layout: str


@dataclass
class Sketch:
    """The function drawn so far. `draw` is hypothesis'."""

    draw: Any
    function: Any = field(default_factory=lambda: builtin.new_function("main", [], []))
    tensors: list[Tensor] = field(default_factory=list)
    parameters: list[Parameter] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.block = builtin.body(self.function)
        self.b = Builder.at_end(self.block)

    # --- drawing ---
    def number(self, low: int, high: int) -> int:
        return int(self.draw(st.integers(low, high)))

    def chance(self, one_in: int) -> bool:
        """True once in so many; the shrunk answer is False."""
        return self.number(0, one_in - 1) == one_in - 1

    def pick(self, options: Sequence[Any]) -> Any:
        return options[self.number(0, len(options) - 1)]

    def some(self, options: Sequence[Any]) -> list[Any]:
        """A subset, in order."""
        if not options:
            return []
        mask = self.number(0, (1 << len(options)) - 1)
        return [o for k, o in enumerate(options) if mask >> k & 1]

    # --- shapes ---
    def shape(self, least_rank: int = 0) -> tuple[int, ...]:
        rank = max(least_rank, self.pick((2, 1, 3, 0, 2, 1, 4)))
        found: list[int] = []
        for _ in range(rank):
            extent = self.pick(LONG) if self.chance(16) else self.pick(EXTENTS)
            found.append(extent if np.prod(found, dtype=int) * extent < LARGEST // 4 else 3)
        return tuple(found)

    def relative(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """A shape that broadcasts with `shape`."""
        lead = self.number(1, len(shape)) if shape and self.chance(5) else 0
        return tuple(1 if self.chance(4) else e for e in shape[lead:])

    # --- leaves ---
    def argument(self, element: ScalarType, shape: tuple[int, ...], content: Content | None = None) -> Tensor:
        """A new argument; a quarter of its extents are static."""
        static = tuple(e if self.chance(4) else None for e in shape)
        if content is None:
            content = Content(self.pick((*VALUES, "special")), self.number(0, 255))
        layout = self.pick(LAYOUTS) if self.chance(2) else "C"
        type = TensorType(static, element)
        self.parameters.append(Parameter(type, shape, content, layout))
        return Tensor(self.block.add_argument(type), shape)

    def constant(self, element: ScalarType, shape: tuple[int, ...]) -> Tensor:
        content = Content(self.pick(VALUES), self.number(0, 255))
        values = make_array(dtypes.to_dtype(element), shape, content)
        attrs = ConstantAttrs(DenseAttr(TensorType(shape, element), values))
        return Tensor(self.b.create(Constant, [], attrs)[0], shape)

    def fresh(self, element: ScalarType, shape: tuple[int, ...] | None = None) -> Tensor:
        """An argument or, where small, once in a while a constant."""
        wanted = self.shape() if shape is None else shape
        if np.prod(wanted, dtype=int) <= 16 and self.chance(6):
            return self.constant(element, wanted)
        return self.argument(element, wanted)

    # --- operands ---
    def operand(self, element: ScalarType, least_rank: int = 0) -> Tensor:
        """A value of this element type: a recent one, one cast to it, or a new argument."""
        recent = [t for t in reversed(self.tensors) if len(t.shape) >= least_rank]
        fitting = [t for t in recent if t.element == element]
        if fitting and not self.chance(4):
            return fitting[min(self.number(0, 3), len(fitting) - 1)]
        if recent and self.chance(3):
            chosen = recent[0]
            return Tensor(emit.cast(self.b, chosen.value, element), chosen.shape)
        return self.argument(element, self.shape(least_rank))

    def partner(self, element: ScalarType, like: tuple[int, ...]) -> Tensor:
        """A value whose shape broadcasts with `like`."""
        if not self.chance(3):
            for t in reversed(self.tensors[-6:]):
                if t.element == element and _broadcasts(t.shape, like) and not self.chance(3):
                    return t
        return self.fresh(element, self.relative(like))

    def same_shape(self, tensors: Sequence[Tensor]) -> tuple[list[Value], tuple[int, ...]]:
        """The operands broadcast to one shape, as the api does it; left alone where they agree already, half
        of the time.
        """
        shape = np.broadcast_shapes(*[t.shape for t in tensors])
        values = [t.value for t in tensors]
        if all(t.shape == shape for t in tensors) and not self.chance(2):
            return values, shape
        extents: list[int | Value] = []
        for axis in range(-len(shape), 0):
            extent: int | Value = 1
            for t in tensors:
                if -axis <= len(t.shape):
                    extent = index.broadcast(self.b, extent, index.dim(self.b, t.value, len(t.shape) + axis))
            extents.append(extent)
        return [emit.broadcast(self.b, v, extents) for v in values], shape

    # --- extents ---
    def extent(self, number: int) -> int | Value:
        """`number` as a known integer, the extent of some value, or the value of an argument."""
        how = self.number(0, 3)
        if how in (1, 2):
            for t in reversed(self.tensors[-6:]):
                for axis, e in enumerate(t.shape):
                    if e == number and t.value.type.shape[axis] is None:  # type: ignore[attr-defined]
                        return index.dim(self.b, t.value, axis)
        if how == 3:
            return self.counted(number)
        return number

    def counted(self, number: int, element: ScalarType = i64) -> Value:
        """`number` read from a 0-d integer argument."""
        given = self.argument(element, (), Content("given", 0, 0, (number,)))
        return self.b.create(ToIndex, [given.value])[0]

    # --- the end ---
    def finish(self, results: Sequence[Value]) -> None:
        self.b.create_op(builtin.Return, results)
        inputs = [a.type for a in self.block.args]
        builtin.set_signature(self.function, inputs, [r.type for r in results])

    def sinks(self) -> list[Tensor]:
        """What nothing uses yet, the last first."""
        return [t for t in reversed(self.tensors) if not t.value.has_uses]


def _broadcasts(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    pairs = zip(reversed(a), reversed(b), strict=False)
    fits = all(x == y or 1 in (x, y) for x, y in pairs)
    return fits and np.prod(np.broadcast_shapes(a, b), dtype=int) < LARGEST if fits else False
