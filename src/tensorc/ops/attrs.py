"""Attribute classes that several op classes, or `emit.py`, share; the others stand beside their op."""

from __future__ import annotations

from dataclasses import dataclass

from tensorc.ir.attributes import DenseAttr
from tensorc.ir.definition import Attrs
from tensorc.ir.types import ScalarType


@dataclass(frozen=True)
class AxesAttrs(Attrs):
    """Ascending, unique, non-negative axes."""

    axes: tuple[int, ...]


@dataclass(frozen=True)
class AxisAttrs(Attrs):
    axis: int


@dataclass(frozen=True)
class ShapeAttrs(Attrs):
    """Extents; -1 stands for one given by an index operand, in order."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class PermAttrs(Attrs):
    """Axis k of the result is axis perm[k] of the operand."""

    perm: tuple[int, ...]


@dataclass(frozen=True)
class CastAttrs(Attrs):
    to: ScalarType


@dataclass(frozen=True)
class ConstantAttrs(Attrs):
    value: DenseAttr


@dataclass(frozen=True)
class IotaAttrs(Attrs):
    """`shape` as in `ShapeAttrs`; counting along `axis`."""

    shape: tuple[int, ...]
    axis: int
    element: ScalarType


@dataclass(frozen=True)
class SliceAttrs(Attrs):
    """Per axis: start and size (-1: given by an index operand, starts first), and a non-zero step."""

    starts: tuple[int, ...]
    sizes: tuple[int, ...]
    steps: tuple[int, ...]


@dataclass(frozen=True)
class UpdateSliceAttrs(Attrs):
    """As `SliceAttrs`, the sizes being the update's extents; `add` adds instead of replacing."""

    starts: tuple[int, ...]
    steps: tuple[int, ...]
    add: bool


@dataclass(frozen=True)
class RecurrenceAttrs(Attrs):
    axis: int
    reverse: bool
