"""What a reduction keeps while it combines many values.

Mostly the value so far. For the extremes of floats that is slow: the order of IEEE 754-2019, in which NaN is
the greatest and the least and -0 is less than +0, takes five instructions a step on machines that have none
for it. `Extremes` compares as machines do and keeps apart what that loses.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorc.ir.types import IntegerType, ScalarType
from tensorc.ops.loops.base import register_type

if TYPE_CHECKING:
    from tensorc.ops.families import Reduction


@dataclass(frozen=True)
class Accumulator:
    """The value so far. `parts`: the elements of what is kept; methods take and give register values, built
    with `s` (a `LoopBuilder`).
    """

    definition: type[Reduction]
    element: ScalarType

    @property
    def parts(self) -> tuple[ScalarType, ...]:
        return (self.element,)

    def start(self, s: Any) -> list[Any]:
        """What is kept of no values."""
        return [s.constant(self.definition.initial(self.element), register_type(self.element))]

    def take(self, s: Any, kept: Sequence[Any], xs: Sequence[Any]) -> list[Any]:
        """Several values more: pairwise among themselves, then with what is kept."""
        while len(xs) > 1:
            half = (len(xs) + 1) // 2
            pairs = zip(xs, xs[half:], strict=False)
            xs = [*(self._combine(s, x, y) for x, y in pairs), *(xs[half - 1 : half] if len(xs) % 2 else ())]
        return [self._combine(s, kept[0], xs[0])]

    def join(self, s: Any, one: Sequence[Any], other: Sequence[Any]) -> list[Any]:
        """What is kept of both."""
        return [self._combine(s, one[0], other[0])]

    def value(self, s: Any, kept: Sequence[Any]) -> Any:
        """The result."""
        return kept[0]

    def _combine(self, s: Any, x: Any, y: Any) -> Any:
        return self.definition.combine(s, self.element, x, y)


@dataclass(frozen=True)
class Extremes(Accumulator):
    """The greatest or least float: as `x > y ? x : y` gives it, and bits whose first one is the sign of the
    result if that is zero.

    A comparison with NaN is false, so that NaN stays where it is kept; two values are looked at at a time
    for one. A greatest value of zero is negative if all values have the sign bit, a least one if any has.
    """

    greatest: bool

    @property
    def parts(self) -> tuple[ScalarType, ...]:
        return (self.element, self._bits)

    @property
    def _bits(self) -> IntegerType:
        return IntegerType(self.element.width)  # type: ignore[attr-defined]

    def start(self, s: Any) -> list[Any]:
        return [*super().start(s), s.constant(-1 if self.greatest else 0, self._bits)]

    def take(self, s: Any, kept: Sequence[Any], xs: Sequence[Any]) -> list[Any]:
        best, signs = kept
        for x in xs:
            signs = self._signs(s, signs, s.bitcast(x, self._bits))
        pairs = list(zip(xs[::2], [*xs[1::2], xs[-1]], strict=False))
        odd = [s.cmpf("uno", x, y) for x, y in pairs]
        found = [x if x is y else self._better(s, x, y) for x, y in pairs]
        while len(found) > 1:
            rest = found[len(found) // 2 * 2 :]
            found = [*(self._better(s, x, y) for x, y in zip(found[::2], found[1::2], strict=False)), *rest]
        best = self._better(s, found[0], best)
        best = s.select(functools.reduce(s.ori, odd), self._nan(s), best)
        return [best, signs]

    def join(self, s: Any, one: Sequence[Any], other: Sequence[Any]) -> list[Any]:
        found = self._better(s, one[0], other[0])
        best = s.select(s.cmpf("uno", one[0], other[0]), self._nan(s), found)
        return [best, self._signs(s, one[1], other[1])]

    def value(self, s: Any, kept: Sequence[Any]) -> Any:
        best, signs = kept
        zero = s.constant(0.0, self.element)
        signed = s.copysign(zero, s.bitcast(signs, self.element))
        return s.select(s.cmpf("oeq", best, zero), signed, best)

    def _better(self, s: Any, x: Any, y: Any) -> Any:
        """`x` where it is better than `y`; the second operand where either is NaN, as of machines' own."""
        return s.select(s.cmpf("ogt" if self.greatest else "olt", x, y), x, y)

    def _signs(self, s: Any, one: Any, other: Any) -> Any:
        return s.andi(one, other) if self.greatest else s.ori(one, other)

    def _nan(self, s: Any) -> Any:
        return s.constant(np.nan, self.element)
