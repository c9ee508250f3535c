"""Random well-typed programs, with arguments: the strategy `cases`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import assume, reject
from hypothesis import strategies as st

from tensorc.ir import builtin
from tensorc.ir.core import Operation
from tensorc.ir.errors import TensorcError
from tensorc.ir.printer import print_op
from tensorc.ir.types import FloatType, ScalarType, f64
from tensorc.ops import dtypes, emit
from tensorc.ops.arithmetic import Mul
from tensorc.ops.base import OpDef
from tensorc.ops.families import Pointwise
from tensorc.passes.autodiff import gradient_function
from tests.fuzz.case import Argument, Case
from tests.fuzz.recipes import CELLS, apply, is_reduction, short
from tests.fuzz.sketch import LARGEST, Parameter, Sketch, Tensor
from tests.strategies import EXTENTS, Content, make_array

Cell = tuple[type[OpDef], ScalarType]
REDUCTIONS = [c for c in CELLS if is_reduction(c[0])]
STRUCTURAL = [c for c in CELLS if not is_reduction(c[0]) and not issubclass(c[0], Pointwise)]
FLOATING = [c for c in CELLS if isinstance(c[1], FloatType) and c[0].not_differentiable is None]
MOST_RESULTS = 4


@st.composite
def cases(draw: Any, focus: Sequence[Cell] = ()) -> Case:
    """A program of a few ops with the arguments of two calls, the second with other extents.

    With `focus` the program applies these ops on these element types; otherwise it is drawn: a third of the
    ops are reductions, a third are structural, a quarter of the programs are gradients.
    """
    s = Sketch(draw)
    gradient = not focus and s.chance(4)
    steps = focus or [_cell(s, gradient) for _ in range(s.number(1, 7))]
    for op, element in steps:
        _step(s, op, element)
    assume(s.tensors)
    text = _gradient(s) if gradient else _forward(s, None if focus else MOST_RESULTS)
    modes = ("O0", "O3", *(("O1", "O2")[k] for k in (0, 1) if s.chance(8)))
    first = tuple(_argument(p, {}) for p in s.parameters)
    renamed = _resized(s)
    second = tuple(_argument(p, renamed, 1) for p in s.parameters)
    return Case(text, (first, second), modes, gradient)


def _cell(s: Sketch, gradient: bool) -> Cell:
    among = s.pick((CELLS, REDUCTIONS, REDUCTIONS, STRUCTURAL, STRUCTURAL, CELLS))
    if gradient:
        among = [c for c in among if c in FLOATING]
    elif s.tensors and s.chance(3):
        among = [c for c in among if c[1] == s.tensors[-1].element] or among
    op = s.pick(sorted({c[0] for c in among}, key=short))
    return op, s.pick([element for o, element in among if o is op])


def _step(s: Sketch, op: type[OpDef], element: ScalarType) -> None:
    try:
        made = apply(s, op, element)
    except TensorcError:
        return  # wrong by the types already: what was built for it stays unused
    if made is not None:
        s.tensors.append(made)


def _forward(s: Sketch, most: int | None) -> str:
    results = s.sinks()[:most]
    s.finish([t.value for t in results])
    return _text(s.function)


def _gradient(s: Sketch) -> str:
    """The gradients of a weighted sum of all float results, with respect to the float arguments it depends
    on.
    """
    floats = [t for t in s.sinks() if isinstance(t.element, FloatType)][:MOST_RESULTS]
    assume(floats)
    s.finish([_weighted_sum(s, floats)])
    wrt = [k for k, p in enumerate(s.parameters) if isinstance(p.type.element, FloatType)]
    assume(wrt)
    try:
        derived = gradient_function(s.function, wrt)
    except TensorcError:  # extents that folding found out to be wrong
        reject()
    assume(any(derived.connected))
    return _text(derived.func)


def _weighted_sum(s: Sketch, results: Sequence[Tensor]) -> Any:
    total = None
    for t in results:
        values, _ = s.same_shape([t, s.partner(t.element, t.shape)])
        product = s.b.create(Mul, values)[0]
        rank = len(product.type.shape)  # type: ignore[attr-defined]
        part = emit.cast(s.b, emit.sum(s.b, product, range(rank)), f64)
        total = part if total is None else emit.add(s.b, total, part)
    return total


def _text(function: Operation) -> str:
    module = builtin.new_module()
    function.detach()
    module.regions[0].block.append(function)
    return print_op(module)


def _resized(s: Sketch) -> dict[int, int]:
    """Other extents for the second call: one becomes another, everywhere."""
    if s.chance(3):
        return {}
    renamed = {s.pick((3, 1, 17, 2, 0)): s.pick(EXTENTS)}
    sizes = [np.prod([renamed.get(e, e) for e in p.shape], dtype=int) for p in s.parameters]
    return renamed if max(sizes, default=0) < LARGEST else {}


def _argument(parameter: Parameter, renamed: dict[int, int], reseed: int = 0) -> Argument:
    shape = tuple(
        renamed.get(e, e) if static is None else e
        for e, static in zip(parameter.shape, parameter.type.shape, strict=True)
    )
    content = parameter.content
    given = tuple(renamed.get(g, g) for g in content.given)
    limit = renamed.get(content.limit, content.limit)
    values = make_array(
        dtypes.to_dtype(parameter.type.element),
        shape,
        Content(content.kind, content.seed + 1000 * reseed, limit, given),
    )
    return Argument(np.ascontiguousarray(values).reshape(shape), parameter.layout)
