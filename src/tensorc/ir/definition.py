"""What the IR layer knows of an op class: name, attributes, traits, type inference. The classes themselves
live in `tensorc.ops`.

Op classes are never instantiated: every slot is a class variable, class method or static method.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar, TypeVar

from tensorc.ir.attributes import (
    ArrayAttr,
    Attribute,
    Attributes,
    BoolAttr,
    DenseArrayAttr,
    FloatAttr,
    IntegerAttr,
    StringAttr,
    TypeAttr,
)
from tensorc.ir.types import IntegerType, Type, i1, i64

if TYPE_CHECKING:
    from tensorc.ir.core import Operation


class Trait(enum.Enum):
    PURE = "pure"  # no effect: may be removed, merged, hoisted
    COMMUTATIVE = "commutative"
    TERMINATOR = "terminator"
    ISOLATED = "isolated-from-above"  # regions see no outer values
    CONSTANT = "constant-like"
    SYMBOL_TABLE = "symbol-table"  # the region holds symbols, in any order, and has no terminator

    # Members are singletons; enum's own hash is a Python function, and traits are asked for all the time.
    __hash__ = object.__hash__


@dataclass(frozen=True)
class Attrs:
    """Typed attributes of an op class: a frozen dataclass whose fields are encoded as MLIR attributes.

    Field types: `int bool float str`, `tuple[int, ...]`, `tuple[tuple[int, ...], ...]`, any `Type`, any
    `Attribute`, and `T | None` (left out when None).
    """


NO_ATTRS = Attrs()


class OpDefinition:
    """Base of op classes."""

    name: ClassVar[str]
    attrs_type: ClassVar[type[Attrs]] = Attrs
    traits: ClassVar[frozenset[Trait]] = frozenset()
    regions: ClassVar[int | None] = 0
    """How many regions an op has (None: any number); the verifier holds it."""

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...] | None:
        """Result types from operand types and attributes, or None where results are stated and checked by
        `verify`.

        Raises a TensorcError kind that names the violated constraint. Inference is also the verifier.
        """
        raise NotImplementedError(cls.name)

    @classmethod
    def verify(cls, op: Operation) -> list[str]:
        """Further rules, as messages; called after inference agreed."""
        return []


REGISTRY: dict[str, type[OpDefinition]] = {}
D = TypeVar("D", bound=type[OpDefinition])


def register(definition: D) -> D:
    """Enter an op class into the registry; a name is taken once."""
    if definition.name in REGISTRY:
        raise ValueError(f"op {definition.name} is registered twice")
    REGISTRY[definition.name] = definition
    return definition


Encoder = Callable[[object], Attribute]
Decoder = Callable[[Attribute], object]


def _ints(values: object) -> DenseArrayAttr:
    return DenseArrayAttr(i64, tuple(values))  # type: ignore[arg-type]


def _integer(attribute: Attribute) -> object:
    if not isinstance(attribute, IntegerAttr):
        raise TypeError
    return attribute.value


def _boolean(attribute: Attribute) -> object:
    if isinstance(attribute, IntegerAttr) and attribute.type == i1:
        return attribute.value != 0
    if not isinstance(attribute, BoolAttr):
        raise TypeError
    return attribute.value


def _integers(attribute: Attribute) -> tuple[int, ...]:
    if not (isinstance(attribute, DenseArrayAttr) and isinstance(attribute.type, IntegerType)):
        raise TypeError
    return typing.cast(tuple[int, ...], attribute.values)


def _rows(attribute: Attribute) -> object:
    if not isinstance(attribute, ArrayAttr):
        raise TypeError
    return tuple(_integers(row) for row in attribute.elements)


def _holder(kind: type[Attribute], held: type) -> Decoder:
    """A decoder for attributes of class `kind` whose `value` is a `held`."""

    def value(attribute: Attribute) -> object:
        held_value = getattr(attribute, "value", None) if isinstance(attribute, kind) else None
        if not isinstance(held_value, held):
            raise TypeError
        return held_value

    return value


def _itself(kind: type[Attribute]) -> Decoder:
    def same(attribute: Attribute) -> object:
        if not isinstance(attribute, kind):
            raise TypeError
        return attribute

    return same


_CODECS: dict[object, tuple[Encoder, Decoder]] = {
    bool: (lambda v: BoolAttr(bool(v)), _boolean),
    int: (lambda v: IntegerAttr(int(v)), _integer),  # type: ignore[call-overload]
    float: (lambda v: FloatAttr(float(v)), _holder(FloatAttr, float)),  # type: ignore[arg-type]
    str: (lambda v: StringAttr(str(v)), _holder(StringAttr, str)),
    tuple[int, ...]: (_ints, _integers),
    tuple[tuple[int, ...], ...]: (
        lambda v: ArrayAttr(tuple(_ints(row) for row in v)),  # type: ignore[attr-defined]
        _rows,
    ),
}


def _codec(hint: object) -> tuple[Encoder, Decoder]:
    if hint in _CODECS:
        return _CODECS[hint]
    if isinstance(hint, type) and issubclass(hint, Type):
        return lambda v: TypeAttr(v), _holder(TypeAttr, hint)
    if isinstance(hint, type) and issubclass(hint, Attribute):
        return lambda v: v, _itself(hint)
    raise TypeError(f"no attribute encoding for a field of type {hint}")


_FIELDS: dict[type[Attrs], tuple[tuple[str, bool, Encoder, Decoder], ...]] = {}


def _fields(attrs_type: type[Attrs]) -> tuple[tuple[str, bool, Encoder, Decoder], ...]:
    known = _FIELDS.get(attrs_type)
    if known is None:
        known = _FIELDS[attrs_type] = _read_fields(attrs_type)
    return known


def _read_fields(attrs_type: type[Attrs]) -> tuple[tuple[str, bool, Encoder, Decoder], ...]:
    hints = typing.get_type_hints(attrs_type)
    out = []
    for field in fields(attrs_type):
        hint = hints[field.name]
        optional = isinstance(hint, types.UnionType) and type(None) in typing.get_args(hint)
        if optional:
            (hint,) = (t for t in typing.get_args(hint) if t is not type(None))
        out.append((field.name, optional, *_codec(hint)))
    return tuple(out)


def encode(attrs: Attrs) -> dict[str, Attribute]:
    """The MLIR attributes of a typed attribute object."""
    if attrs is NO_ATTRS:
        return {}
    out = {}
    for name, _, to_attribute, _ in _fields(type(attrs)):
        value = getattr(attrs, name)
        if value is not None:
            out[name] = to_attribute(value)
    return out


def decode(definition: type[OpDefinition], attributes: Attributes) -> Attrs:
    """The typed attributes of an op; raises ValueError naming what is missing or of the wrong kind."""
    if definition.attrs_type is Attrs:
        return NO_ATTRS
    values: dict[str, object] = {}
    for name, optional, _, from_attribute in _fields(definition.attrs_type):
        if name not in attributes:
            if not optional:
                raise ValueError(f"attribute `{name}` is missing")
            values[name] = None
            continue
        try:
            values[name] = from_attribute(attributes[name])
        except TypeError:
            raise ValueError(f"attribute `{name}` has the wrong kind") from None
    return definition.attrs_type(**values)


def known_attribute_names(definition: type[OpDefinition]) -> Mapping[str, bool]:
    """Attribute names an op class declares -> whether optional."""
    return {name: optional for name, optional, _, _ in _fields(definition.attrs_type)}
