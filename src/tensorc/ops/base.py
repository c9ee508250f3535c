"""The op-class framework: what a tensor op says about itself.

An op class carries its name, semantics (docstring, with numbered constraints C1, C2, ...), typed attributes,
traits, inference, run-time extents, the NumPy reference, the gradient,
the lowering, samples and samples of wrong use. The families below derive most slots:

- `Pointwise`  scalar body and partial derivatives; everything else is derived.
- `View`       the result reads the operand's buffer through other extents and strides; linear.
- `Reduction`  combines elements along axes.
- `Composite`  defined by a decomposition into other ops, kept whole for rewriting and differentiation.
- `Opaque`     everything explicit.

A missing slot is a reasoned refusal (`not_differentiable = "argmax: integer result"`); `register` fails
without one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

import numpy.typing as npt

from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import NO_ATTRS, Attrs, OpDefinition, Trait
from tensorc.ir.definition import register as _register
from tensorc.ir.types import ScalarType, Type

if TYPE_CHECKING:
    from tensorc.ir.builder import Builder

Array = npt.NDArray[Any]


class TypedValue(Protocol):
    """What inference and extents need of a value: an IR `Value` or an api expression."""

    @property
    def type(self) -> Type: ...


V = TypeVar("V", bound=TypedValue)


class Creator(Protocol[V]):
    """What builds ops: an IR `Builder` (V = Value) or the api's expression builder (V = Expr)."""

    def create(
        self, definition: type[OpDefinition], operands: Sequence[V], attrs: Attrs = NO_ATTRS
    ) -> Sequence[V]: ...


@dataclass(frozen=True)
class Sample:
    """One valid use: operand arrays (an `int` operand is an `index`, a `bool` an `i1`) and attributes.

    `differentiable` False leaves the gradient check out at this point (a kink, an integer).
    """

    operands: tuple[Array | int, ...]
    attrs: Attrs = NO_ATTRS
    differentiable: bool = True
    label: str = ""


@dataclass(frozen=True)
class ErrorSample:
    """One wrong use: operand types, attributes, and the code and constraint its error must name."""

    operands: tuple[Type, ...]
    attrs: Attrs = NO_ATTRS
    code: str = ""
    match: str = ""


@dataclass(frozen=True)
class Fact(Generic[V]):
    """A shape fact that inference could not decide and that must hold at run time: `condition`, with two
    values for the message.

    `kind` is a row of `ops.faults.FAULTS`; `axis` is the axis it is about, -1 for none. Where `implied_by` is
    known to hold when the program is compiled, so does the fact.
    """

    kind: str
    condition: V
    a: int | V
    b: int | V
    axis: int = -1
    implied_by: V | None = None


class OpDef(OpDefinition):
    """Base of the tensor ops."""

    accepts: ClassVar[tuple[ScalarType, ...]] = ()
    """Element types of the tensor operands that share the op's element type; the coverage report shows one
    cell for each.
    """
    public: ClassVar[str | None] = None
    """Name in `tc` (and aliases in `aliases`) when the op is a function of its operands alone; None for ops
    the api wraps itself.
    """
    aliases: ClassVar[tuple[str, ...]] = ()
    data_fault: ClassVar[str | None] = None
    """Kind of the run-time fault (`ops.faults.FAULTS`) that operand values, not only shapes, can cause."""
    overwrites: ClassVar[bool] = False
    """Whether the lowering may get its first operand's own buffer as the output, and then changes that in
    place; it must read the other operands only.
    """
    not_differentiable: ClassVar[str | None] = None
    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.PURE})

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        """For each result, its extents as integers or `index` values, built with `b` from the operands'
        extents only.

        Static extents of the inferred type are integers. Must not create an op when the extent is already at
        hand.
        """
        raise NotImplementedError(cls.name)

    @classmethod
    def facts(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[Fact[V]]:
        """The shape facts that inference left open, built with `b`; none when every extent is static. Code
        checks them before it computes.
        """
        return []

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        """The NumPy reference, the truth all back ends are compared with; `index` operands are `int`."""
        raise NotImplementedError(cls.name)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        """One cotangent per operand (None: none flows there), given one per result. Forward mode is derived
        from this rule applied twice.
        """
        raise NotImplementedError(cls.name)

    @classmethod
    def fold(cls, attrs: Attrs, *operands: Any) -> Any:
        """Value for constant operands; by default the reference."""
        return cls.reference(attrs, *operands)

    @classmethod
    def missing(cls) -> list[str]:
        """The slots a registered class must have and this one has not; families add theirs."""
        slots = ("infer", "extents", "reference", "samples")
        found = [f"slot `{slot}`" for slot in slots if not defines(cls, slot, OpDef)]
        if not defines(cls, "vjp", OpDef) and cls.not_differentiable is None:
            found.append("a `vjp`, or the reason why there is none in `not_differentiable`")
        return found

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        raise NotImplementedError(cls.name)

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        return ()


OD = TypeVar("OD", bound=type[OpDef])


def register(definition: OD) -> OD:
    """Enter a tensor op. Raises TypeError for a class that leaves a slot open without a reason."""
    missing = definition.missing()
    if missing:
        raise TypeError(f"{definition.name}: missing {', '.join(missing)}")
    if not definition.__doc__ and sys.flags.optimize < 2:  # python -OO strips docstrings
        raise TypeError(f"{definition.name}: the docstring is the specification and is missing")
    return _register(definition)


def defines(definition: type[OpDef], slot: str, base: type[OpDef]) -> bool:
    """Whether a class, or one below the family `base`, defines a slot that the family leaves open."""
    owner = next(c for c in definition.__mro__ if slot in vars(c))
    return not issubclass(base, owner)
