"""Extents: the `index` ops of tensor functions, and helpers that fold what is known.

Helpers take and return `int | V`: an integer where the extent is known, otherwise a value of type `index` (or
`i1` for conditions, `bool` when known).
They never create an op when the answer is at hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tensorc.ir.attributes import BoolAttr, IntegerAttr
from tensorc.ir.core import Value
from tensorc.ir.definition import NO_ATTRS, Attrs
from tensorc.ir.types import IndexType, TensorType, Type, f64, i1, i64, index
from tensorc.ops import checks, dtypes
from tensorc.ops.attrs import AxisAttrs
from tensorc.ops.base import Creator, ErrorSample, Fact, OpDef, Sample, V, register
from tensorc.ops.faults import fault
from tensorc.ops.loops import arith

LARGEST: Final = (1 << 63) - 1
_PREDICATES = {"eq": 0, "ne": 1, "slt": 2, "sle": 3, "sgt": 4, "sge": 5}


class IndexOp(OpDef):
    """Base of the ops on extents: no tensor result, no gradient."""

    not_differentiable = "an extent is an integer"

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        return []


def _indices(name: str, operands: Sequence[Type], wanted: int) -> None:
    checks.count(name, operands, wanted)
    if not all(isinstance(t, IndexType) for t in operands):
        checks.type_error(
            name, f"needs index operands, got {checks.types_text(operands)}", checks.EXTENT_OPERANDS, "C1"
        )


@register
class Dim(IndexOp):
    """The extent of a tensor along an axis, as an index.

    C1: `axis` is in 0..rank-1.
    """

    name = "tensorc.dim"
    attrs_type = AxisAttrs
    accepts = dtypes.ALL

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        assert isinstance(attrs, AxisAttrs)
        (x,) = checks.tensors(cls.name, operands, 1)
        checks.axis(cls.name, attrs.axis, x.rank, "C1")
        return (index,)

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        assert isinstance(attrs, AxisAttrs)
        return int(operands[0].shape[attrs.axis])

    @classmethod
    def vjp(cls, b: Any, op: Any, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        return (None,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for element in dtypes.ALL:
            yield Sample((np.zeros((2, 0, 3), dtypes.to_dtype(element)),), AxisAttrs(2), differentiable=False)

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        yield ErrorSample((TensorType((2, 3), i64),), AxisAttrs(2), checks.AXIS, "C1")
        yield ErrorSample((index,), AxisAttrs(0), checks.NOT_TENSOR)


@register
class BroadcastExtents(IndexOp):
    """The extent two axes broadcast to: `a` if `b` is 1, `b` if `a` is 1, either if they are equal; otherwise
    a run-time error at this op.

    C1: both operands are indices.
    """

    name = "tensorc.broadcast_extents"
    traits = frozenset()

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        _indices(cls.name, operands, 2)
        return (index,)

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        a, c = operands
        if a != c and a != 1 and c != 1:
            raise fault("broadcast", cls.name, a, c)
        return a if c == 1 else c

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for a, c in ((3, 3), (3, 1), (1, 3), (1, 1), (0, 1), (1, 0), (0, 0)):
            yield Sample((a, c), differentiable=False)

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        yield ErrorSample((index, i64), code=checks.EXTENT_OPERANDS, match="C1")


@register
class ToIndex(IndexOp):
    """The value of a 0-d integer tensor as an index (unsigned 64-bit values are taken modulo 2**64).

    C1: the operand is a 0-d tensor of integers.
    """

    name = "tensorc.to_index"
    accepts = dtypes.INTEGERS

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        (x,) = checks.tensors(cls.name, operands, 1)
        if x.rank != 0:
            checks.value_error(cls.name, f"needs a 0-d integer tensor, got {x}", checks.RANK, "C1")
        checks.accepted(cls.name, x, dtypes.INTEGERS, "C1")
        return (index,)

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        return int(np.asarray(operands[0]).astype(np.int64))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for element in dtypes.INTEGERS:
            yield Sample((np.array(7, dtypes.to_dtype(element)),), differentiable=False)
        yield Sample((np.array(-3, np.int8),), differentiable=False)

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        yield ErrorSample((TensorType((1,), i64),), code=checks.RANK, match="C1")
        yield ErrorSample((TensorType((), f64),), code=checks.ELEMENT, match="C1")


@register
class FromIndex(OpDef):
    """An index as a 0-d `i64` tensor.

    C1: the operand is an index.
    """

    name = "tensorc.from_index"
    accepts = (i64,)
    not_differentiable = "an extent is an integer"

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        _indices(cls.name, operands, 1)
        return (TensorType((), i64),)

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        return [[]]

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        return np.array(operands[0], np.int64)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample((5,), differentiable=False)
        yield Sample((-1,), differentiable=False)

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        yield ErrorSample((TensorType((), i64),), code=checks.EXTENT_OPERANDS, match="C1")


@dataclass(frozen=True)
class RequireAttrs(Attrs):
    kind: str
    axis: int | None = None


@register
class Require(IndexOp):
    """A checked shape fact: if `cond` is false the call fails with the fault `kind` (`ops/faults.py`), worded
    with the two values.

    Operands: cond, a, b. C1: `cond` is `i1`, the values are indices.
    """

    name = "tensorc.require"
    attrs_type = RequireAttrs
    traits = frozenset()

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        _condition_and_indices(cls.name, operands, 3)
        return ()

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        assert isinstance(attrs, RequireAttrs)
        if not operands[0]:
            raise fault(
                attrs.kind, cls.name, operands[1], operands[2], -1 if attrs.axis is None else attrs.axis
            )
        return ()

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample((True, 3, 3), RequireAttrs("equal"), differentiable=False)
        yield Sample((True, -3, 4), RequireAttrs("reshape", 0), differentiable=False)

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        yield ErrorSample((index, index, index), RequireAttrs("equal"), checks.EXTENT_OPERANDS, "C1")


@register
class Assume(IndexOp):
    """A fact this specialised body of a function rests on: if `cond` is false nothing is written and the
    generic body answers.

    C1: the operand is `i1`.
    """

    name = "tensorc.assume"
    traits = frozenset()

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        _condition_and_indices(cls.name, operands, 1)
        return ()

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        if not operands[0]:
            raise fault("assumption", cls.name, 0, 1)
        return ()

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample((True,), differentiable=False)

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        yield ErrorSample((index,), code=checks.EXTENT_OPERANDS, match="C1")


def _condition_and_indices(name: str, operands: Sequence[Type], wanted: int) -> None:
    checks.count(name, operands, wanted)
    if operands[0] != i1 or not all(isinstance(t, IndexType) for t in operands[1:]):
        needed = "i1" + ", index" * (wanted - 1)
        checks.type_error(
            name,
            f"needs operands ({needed}), got {checks.types_text(operands)}",
            checks.EXTENT_OPERANDS,
            "C1",
        )


# --- helpers ------------------------------------------------------------------------------------------------
# -------------------------


def shaped(x: Any) -> TensorType:
    """The type of a tensor value."""
    type = x.type
    assert isinstance(type, TensorType), type
    return type


def dim(b: Creator[V], x: V, axis: int) -> int | V:
    """The extent of `x` along `axis`: an integer when static."""
    extent = shaped(x).shape[axis]
    return extent if extent is not None else b.create(Dim, [x], AxisAttrs(axis))[0]


def extents_of(b: Creator[V], x: V) -> list[int | V]:
    """All extents of `x`."""
    return [dim(b, x, axis) for axis in range(shaped(x).rank)]


def value(b: Creator[V], x: int | V) -> V:
    """`x` as an `index` value, a constant if it is an integer."""
    if isinstance(x, int):
        return b.create(arith.Constant, [], arith.ConstantAttrs(IntegerAttr(x, index)))[0]
    return x


def truth(b: Creator[V], x: bool | V) -> V:
    """`x` as an `i1` value."""
    if isinstance(x, bool):
        return b.create(arith.Constant, [], arith.ConstantAttrs(BoolAttr(x)))[0]
    return x


def _binary(b: Creator[V], definition: Any, x: int | V, y: int | V) -> V:
    return b.create(definition, [value(b, x), value(b, y)], NO_ATTRS)[0]


def add(b: Creator[V], x: int | V, y: int | V) -> int | V:
    if isinstance(x, int) and isinstance(y, int):
        return x + y
    if x == 0 and isinstance(x, int):
        return y
    if y == 0 and isinstance(y, int):
        return x
    return _binary(b, arith.AddI, x, y)


def sub(b: Creator[V], x: int | V, y: int | V) -> int | V:
    if isinstance(x, int) and isinstance(y, int):
        return x - y
    if isinstance(y, int) and y == 0:
        return x
    return 0 if x is y else _binary(b, arith.SubI, x, y)


def mul(b: Creator[V], x: int | V, y: int | V) -> int | V:
    if isinstance(x, int) and isinstance(y, int):
        return x * y
    for known, other in ((x, y), (y, x)):
        if isinstance(known, int) and known in (0, 1):
            return other if known == 1 else 0
    return _binary(b, arith.MulI, x, y)


def floordiv(b: Creator[V], x: int | V, y: int) -> int | V:
    """Quotient by a non-zero known divisor, rounded down."""
    if isinstance(x, int):
        return x // y
    return x if y == 1 else _binary(b, arith.FloorDivSI, x, y)


def product(b: Creator[V], xs: Iterable[int | V]) -> int | V:
    result: int | V = 1
    for x in xs:
        result = mul(b, result, x)
    return result


def total(b: Creator[V], xs: Iterable[int | V]) -> int | V:
    result: int | V = 0
    for x in xs:
        result = add(b, result, x)
    return result


def maximum(b: Creator[V], x: int | V, y: int | V) -> int | V:
    if isinstance(x, int) and isinstance(y, int):
        return max(x, y)
    return x if x is y else _binary(b, arith.MaxSI, x, y)


def minimum(b: Creator[V], x: int | V, y: int | V) -> int | V:
    if isinstance(x, int) and isinstance(y, int):
        return min(x, y)
    return x if x is y else _binary(b, arith.MinSI, x, y)


def compare(b: Creator[V], predicate: str, x: int | V, y: int | V) -> bool | V:
    """`predicate` is one of eq ne slt sle sgt sge."""
    if isinstance(x, int) and isinstance(y, int):
        return {"eq": x == y, "ne": x != y, "slt": x < y, "sle": x <= y, "sgt": x > y, "sge": x >= y}[
            predicate
        ]
    if x is y:
        return predicate in ("eq", "sle", "sge")
    attrs = arith.PredicateAttrs(_PREDICATES[predicate])
    return b.create(arith.CmpI, [value(b, x), value(b, y)], attrs)[0]


def both(b: Creator[V], x: bool | V, y: bool | V) -> bool | V:
    for known, other in ((x, y), (y, x)):
        if isinstance(known, bool):
            return other if known else False
    return _logic(b, arith.AndI, x, y)


def either(b: Creator[V], x: bool | V, y: bool | V) -> bool | V:
    for known, other in ((x, y), (y, x)):
        if isinstance(known, bool):
            return True if known else other
    return _logic(b, arith.OrI, x, y)


def _logic(b: Creator[V], definition: Any, x: bool | V, y: bool | V) -> V:
    return b.create(definition, [truth(b, x), truth(b, y)], NO_ATTRS)[0]


def select(b: Creator[V], condition: bool | V, x: int | V, y: int | V) -> int | V:
    if isinstance(condition, bool):
        return x if condition else y
    if x is y:
        return x
    return b.create(arith.Select, [condition, value(b, x), value(b, y)], NO_ATTRS)[0]


def broadcast(b: Creator[V], x: int | V, y: int | V) -> int | V:
    """What two extents broadcast to. Raises the `broadcast` fault when both are known and do not match."""
    if isinstance(x, int) and isinstance(y, int):
        return int(BroadcastExtents.reference(NO_ATTRS, x, y))
    if x is y or (isinstance(y, int) and y == 1):
        return x
    if isinstance(x, int) and x == 1:
        return y
    return _binary(b, BroadcastExtents, x, y)


def require(
    b: Creator[V], kind: str, condition: bool | V, x: int | V, y: int | V, axis: int | None = None
) -> None:
    """Check `condition` at run time, unless it is known to hold."""
    if condition is not True:
        b.create(Require, [truth(b, condition), value(b, x), value(b, y)], RequireAttrs(kind, axis))


def fact(
    b: Creator[V], kind: str, condition: bool | V, x: int | V, y: int | V, axis: int = -1
) -> list[Fact[V]]:
    """A `Fact` for `OpDef.facts`: none when the condition is known to hold."""
    return [] if condition is True else [Fact(kind, truth(b, condition), x, y, axis)]


def equal_shapes(
    b: Creator[V], operands: Sequence[V], kind: str = "equal", skip: Iterable[int] = ()
) -> list[Fact[V]]:
    """The facts that operands of one rank have equal extents, except on the axes in `skip`."""
    found: list[Fact[V]] = []
    skipped = frozenset(skip)
    for other in operands[1:]:
        if other is operands[0]:
            continue
        for axis in range(shaped(other).rank):
            if axis not in skipped:
                x, y = dim(b, operands[0], axis), dim(b, other, axis)
                found += fact(b, kind, compare(b, "eq", x, y), x, y, axis)
    return found


def common_extents(b: Creator[V], operands: Sequence[V]) -> list[int | V]:
    """Extents of equal-shaped operands: a static one where any operand has it, else the first operand's."""
    found: list[int | V] = []
    for axis in range(shaped(operands[0]).rank):
        known = [e for e in (shaped(x).shape[axis] for x in operands) if e is not None]
        found.append(known[0] if known else dim(b, operands[0], axis))
    return found


def entries(extents: Sequence[int | V]) -> tuple[tuple[int, ...], list[V]]:
    """The `shape` attribute of some extents (-1 for unknown) and the operands that give the unknown ones."""
    shape = tuple(e if isinstance(e, int) else -1 for e in extents)
    return shape, [e for e in extents if not isinstance(e, int)]


def merge(shape: Sequence[int], operands: Sequence[V]) -> list[int | V]:
    """The inverse of `entries`."""
    given = iter(operands)
    return [e if e != -1 else next(given) for e in shape]


def reference_shape(shape: Sequence[int], operands: Sequence[Any]) -> tuple[int, ...]:
    """`merge` for the reference implementations, where index operands are integers; negative extents fail."""
    merged = tuple(int(e) for e in merge(shape, operands))
    for e in merged:
        if e < 0:
            raise fault("extent", "shape", e, 0)
    return merged


def no_wrap(b: Creator[V], extents: Iterable[int | V]) -> bool | V:
    """Whether the product of extents that are not negative fits 63 bits; by division, which never wraps."""
    product: int | V = 1
    fits: bool | V = True
    for extent in sorted(extents, key=lambda e: not isinstance(e, int)):  # what is known first
        least = maximum(b, product, 1)
        most = LARGEST // least if isinstance(least, int) else _binary(b, arith.FloorDivSI, LARGEST, least)
        fits = both(b, fits, compare(b, "sle", extent, most))
        product = mul(b, product, extent)
    return fits


def not_negative(b: Creator[V], extents: Iterable[int | V]) -> list[Fact[V]]:
    """The facts that extents given as operands are not negative."""
    found: list[Fact[V]] = []
    for e in extents:
        found += fact(b, "extent", compare(b, "sge", e, 0), e, 0)
    return found
