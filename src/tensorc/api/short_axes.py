"""Bodies for short axes: points of three coordinates, colours of four channels, two classes.

A loop along an axis of three elements fills three of the lanes of a vector, if the extent is known only in
the call. Known when the program is compiled, such loops are written out, and the vectors lie along the next
axis: five to fifty times as fast. So when calls with large arrays that end in a short axis take time, the
program is compiled once more with those extents (docs/performance.md). The numbers are the same, bit for bit:
sums over so few terms have one order in both.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from tensorc.api.program import Program, Shapes, with_shapes
from tensorc.codegen_llvm import entry_layout
from tensorc.codegen_llvm.entry import FunctionBase
from tensorc.codegen_llvm.native import prefer
from tensorc.ir.errors import InternalError, TensorcError
from tensorc.ir.location import warn_user
from tensorc.ir.types import TensorType
from tensorc.ops.families import Pointwise
from tensorc.ops.index import IndexOp

SHORT: Final = range(2, 5)
"""Extents for which sums have the order that they have in the loop."""
ELEMENTS: Final = 1024
"""Arrays of fewer do not take long."""
SECONDS: Final = 0.02
"""What the calls since the program was last asked must have taken of this thread's time."""
MOST: Final = 4
"""Bodies of one function."""


def watch_of(program: Program) -> Watch | None:
    """What to ask now and then whether a body for short axes would pay; None if it never would."""
    if entry_layout.unsupported() or not any(_is_open(p.type) for p in program.parameters):
        return None
    kinds = {op.definition for op in program.traced.func.walk()}
    flat = all(d is None or issubclass(d, Pointwise | IndexOp) or d.name in _FLAT for d in kinds)
    return None if flat else Watch(program)


_FLAT: Final = frozenset({"func.func", "func.return", "tensorc.constant", "tensorc.reshape", "tensorc.cast"})
"""Ops besides elementwise ones that leave a program one loop over all elements."""


def _is_open(kind: TensorType) -> bool:
    return kind.rank > 1 and kind.shape[-1] is None


class Watch:
    """Asked with the arguments of some calls; compiles a body for their short axes when that pays."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.tried: set[tuple[object, ...]] = set()
        self._since: tuple[float, float] | None = None
        self._function: weakref.ref[FunctionBase] | None = None
        self._build: Any = None

    def over(self, function: FunctionBase, build: Any) -> None:
        """Say which function it watches, and how that is built: `build(program)` gives another one."""
        self._function, self._build = weakref.ref(function), build

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        function = None if self._function is None else self._function()
        shapes = short_shapes(self.program, self._in_order(args, kwargs))
        key = tuple(sorted(shapes.items()))
        if function is None or not shapes or key in self.tried or len(self.tried) >= MOST:
            return
        if not self._has_taken_time():
            return
        self.tried.add(key)
        sibling = self._sibling(shapes)
        if sibling is not None:
            prefer(function, sibling)

    def _in_order(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        """The arguments of a call as the inputs stand, None for those that are not passed."""
        parameters = self.program.parameters
        places = {p.name: place for place, p in enumerate(parameters)}
        found = [*args, *[None] * (len(parameters) - len(args))]
        for name, value in kwargs.items():
            if name in places:  # `out` need not be
                found[places[name]] = value
        return found

    def _has_taken_time(self) -> bool:
        """Whether this thread has computed for long enough since it last asked; other threads begin anew."""
        now = time.monotonic(), time.thread_time()
        before, self._since = self._since, now
        return before is not None and min(b - a for a, b in zip(before, now, strict=True)) > SECONDS

    def _sibling(self, shapes: Shapes) -> FunctionBase | None:
        try:
            made: FunctionBase = self._build(with_shapes(self.program, shapes))
        except InternalError as error:
            warn_user(f"{self.program.name} was not compiled for short axes, and works as it is: {error}")
            return None
        except (TensorcError, MemoryError):  # the program works as it is
            return None
        return made


def short_shapes(program: Program, args: Sequence[Any]) -> dict[int, tuple[int | None, ...]]:
    """For every input that is given a large array with short axes at its end, its type with these known."""
    found: dict[int, tuple[int | None, ...]] = {}
    for position, (parameter, array) in enumerate(zip(program.parameters, args, strict=False)):
        if type(array) is not np.ndarray or array.size < ELEMENTS or not _is_open(parameter.type):
            continue
        shape = list(parameter.type.shape)
        if array.ndim != len(shape):
            continue
        axis = len(shape) - 1
        while axis > 0 and shape[axis] is None and array.shape[axis] in SHORT:
            shape[axis] = array.shape[axis]
            axis -= 1
        if shape[-1] is not None:
            found[position] = tuple(shape)
    return found
