"""Small op classes for the tests of the IR layer, which knows no tensor ops. Not in the registry: see
`registered`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tensorc.ir.builder import Builder
from tensorc.ir.builtin import Return, body, new_function, new_module
from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import REGISTRY, Attrs, OpDefinition, Trait
from tensorc.ir.errors import TensorcTypeError
from tensorc.ir.types import MemRefType, TensorType, Type, f64

VECTOR = TensorType((None,), f64)


class Neg(OpDefinition):
    name = "t.neg"
    traits = frozenset({Trait.PURE})

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        (x,) = operands
        if isinstance(x, MemRefType):
            raise TensorcTypeError("t.neg: takes tensors", code="TC0299")
        return (x,)


class Add(OpDefinition):
    name = "t.add"
    traits = frozenset({Trait.PURE, Trait.COMMUTATIVE})

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        x, y = operands
        if x != y:
            raise TensorcTypeError(
                f"t.add: operand types differ, {x} and {y}", code="TC0201", help="cast one of them"
            )
        if isinstance(x, MemRefType):
            raise TensorcTypeError("t.add: takes tensors", code="TC0299")
        return (x,)


@dataclass(frozen=True)
class AxisAttrs(Attrs):
    axis: int
    keep: bool | None = None
    label: str | None = None
    axes: tuple[int, ...] | None = None
    rows: tuple[tuple[int, ...], ...] | None = None
    scale: float | None = None
    to: TensorType | None = None


class Pick(OpDefinition):
    name = "t.pick"
    attrs_type = AxisAttrs
    traits = frozenset({Trait.PURE})

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        return (operands[0],)

    @classmethod
    def verify(cls, op: Operation) -> list[str]:
        return ["axis is out of range"] if op.attrs.axis > 3 else []  # type: ignore[attr-defined]


class Effect(OpDefinition):
    """Not pure: never dead."""

    name = "t.effect"

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        return (VECTOR,)


class Around(OpDefinition):
    """Has regions, which see outer values; results are stated."""

    name = "t.around"
    regions = None

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> None:
        return None


class Cell(Around):
    """Like `Around`, isolated from above."""

    name = "t.cell"
    traits = frozenset({Trait.ISOLATED})


class Yield(OpDefinition):
    name = "t.yield"
    traits = frozenset({Trait.TERMINATOR})

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        return ()


ALL: tuple[type[OpDefinition], ...] = (Neg, Add, Pick, Effect, Around, Cell, Yield)


@contextmanager
def registered() -> Iterator[None]:
    """The test ops in the registry for a while; the contract tests read the registry, so they must not
    stay.
    """
    missing = {definition.name: definition for definition in ALL if definition.name not in REGISTRY}
    REGISTRY.update(missing)
    try:
        yield
    finally:
        for name in missing:
            del REGISTRY[name]


def function(
    inputs: Sequence[Type] = (VECTOR,), results: Sequence[Type] = (VECTOR,)
) -> tuple[Builder, list[Value]]:
    """A builder at the end of a fresh `@f`, and its arguments."""
    block = body(new_function("f", inputs, results))
    return Builder.at_end(block), list(block.args)


def finish(b: Builder, *results: Value) -> Operation:
    """Return `results` and wrap the function in a module."""
    b.create_op(Return, results)
    module = new_module()
    parent = b.block.region.parent if b.block.region is not None else None
    assert parent is not None
    module.regions[0].block.append(parent)
    return module


def chain(length: int) -> Operation:
    """A module with one function of `length` negations."""
    b, (x,) = function()
    for _ in range(length):
        (x,) = b.create(Neg, [x])
    return finish(b, x)
