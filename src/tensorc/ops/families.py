"""The families of op classes: each derives most slots of `OpDef` from a few."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import NO_ATTRS, Attrs
from tensorc.ir.types import FloatType, IntegerType, ScalarType, TensorType, Type, f32, f64, i64
from tensorc.ops import checks, dtypes, emit, index
from tensorc.ops.accumulators import Accumulator
from tensorc.ops.attrs import AxesAttrs
from tensorc.ops.base import Array, Creator, ErrorSample, Fact, OpDef, Sample, V, defines

if TYPE_CHECKING:
    from tensorc.ir.builder import Builder
    from tensorc.ops.loops.builder import LoopBuilder


class Pointwise(OpDef):
    """Elementwise on operands of one shape; by default also of one element type.

    C1: all operands have the same shape. C2: all operands have the same element type. C3: that type is in
    `accepts`.
    """

    arity: ClassVar[int] = 1
    ufunc: ClassVar[Callable[..., Any] | None] = None
    """The NumPy function that is the reference, when it is the same for every element type."""
    domain: ClassVar[tuple[float, float]] = (-2.0, 2.0)
    """Where samples of float operands are drawn from."""
    bounded: ClassVar[bool] = False
    """True when the partial derivatives are finite wherever the operands are finite: then the gradient needs
    no masking.
    """

    @classmethod
    def missing(cls) -> list[str]:
        found = super().missing() + open_slots(cls, Pointwise, "scalar")
        if cls.ufunc is None and not defines(cls, "reference", Pointwise):
            found.append("`ufunc` or slot `reference`")
        differentiable = defines(cls, "partials", Pointwise) or defines(cls, "vjp", Pointwise)
        if not differentiable and cls.not_differentiable is None:
            found.append("`partials`, a `vjp`, or the reason why there is none in `not_differentiable`")
        return found

    @classmethod
    def result_element(cls, elements: Sequence[ScalarType]) -> ScalarType:
        """The result's element type, given the operands'."""
        return elements[-1]

    @classmethod
    def operand_elements(cls, element: ScalarType) -> tuple[ScalarType, ...]:
        """The operands' element types when the op's own is `element`."""
        return (element,) * cls.arity

    @classmethod
    def check_elements(cls, types: Sequence[TensorType], attrs: Attrs) -> ScalarType:
        """Checks C2 and C3; gives the result's element type."""
        checks.same_elements(cls.name, types, "C2")
        checks.accepted(cls.name, types[0], cls.accepts, "C3")
        return cls.result_element([t.element for t in types])

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        types = checks.tensors(cls.name, operands, cls.arity)
        element = cls.check_elements(types, attrs)
        return (TensorType(checks.unify(cls.name, types, "C1"), element),)

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        return [index.common_extents(b, operands)]

    @classmethod
    def facts(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[Fact[V]]:
        return index.equal_shapes(b, operands)

    @classmethod
    def reference(cls, attrs: Attrs, *operands: Any) -> Any:
        assert cls.ufunc is not None, cls.name
        return cls.ufunc(*operands)

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        """The body on one element, written with the `ScalarBuilder` `s`. `elements` are the operands' element
        types, then the result's.
        """
        raise NotImplementedError

    @classmethod
    def partials(cls, b: Builder, xs: Sequence[Value], y: Value) -> Sequence[Value | None]:
        """The partial derivatives of the result with respect to each operand, tensors of the result's shape;
        None where it does not depend on it.
        """
        raise NotImplementedError(cls.name)

    @classmethod
    def vjp(cls, b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
        (g,) = cotangents
        times = emit.mul if cls.bounded else emit.chain_mul
        return [None if p is None else times(b, g, p) for p in cls.partials(b, op.operands, op.result)]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for element in cls.accepts:
            operands = [cls.sample_operand(e, k) for k, e in enumerate(cls.operand_elements(element))]
            yield Sample(tuple(operands), differentiable=isinstance(element, FloatType))

    @classmethod
    def sample_operand(cls, element: ScalarType, number: int) -> Array:
        """A 2x3 operand inside the domain; integers include the extremes and zero."""
        return sample_array(f"{cls.name}{number}", element, (2, 3), cls.domain)

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        good = cls.operand_elements(cls.accepts[-1])
        yield ErrorSample(tuple(TensorType((2,), e) for e in (*good, f64)), code=checks.COUNT)
        if cls.arity > 1:
            shapes = [(2, 3)] * (cls.arity - 1) + [(2, 4)]
            yield ErrorSample(tuple(map(TensorType, shapes, good)), code=checks.SHAPES, match="C1")
            ranks = [(3,)] * (cls.arity - 1) + [(2, 3)]
            yield ErrorSample(tuple(map(TensorType, ranks, good)), code=checks.SHAPES, match="C1")
            mixed = (*good[:-1], f32 if good[-1] == i64 else i64)
            yield ErrorSample(
                tuple(TensorType((2,), e) for e in mixed), code=checks.ELEMENTS_DIFFER, match="C2"
            )
        refused = next((e for e in dtypes.ALL if e not in cls.accepts), None)
        if refused is not None:
            wrong = cls.operand_elements(refused)
            yield ErrorSample(tuple(TensorType((2,), e) for e in wrong), code=checks.ELEMENT, match="C3")


def open_slots(cls: type[OpDef], family: type[OpDef], *slots: str) -> list[str]:
    """Those of the family's slots that a class leaves open."""
    return [f"slot `{slot}`" for slot in slots if not defines(cls, slot, family)]


def sample_array(
    seed: str, element: ScalarType, shape: tuple[int, ...], domain: tuple[float, float] = (-2.0, 2.0)
) -> Array:
    """A reproducible operand: floats uniform in `domain`; integers small, with the extremes and zero among
    them; bools mixed.
    """
    rng = np.random.default_rng(zlib.crc32(f"{seed}{element}".encode()))
    dtype = dtypes.to_dtype(element)
    if isinstance(element, FloatType):
        return rng.uniform(*domain, shape).astype(dtype)
    assert isinstance(element, IntegerType)
    least, greatest = dtypes.integer_range(element)
    drawn = rng.integers(max(least, -9), min(greatest, 9), shape, endpoint=True).astype(dtype)
    if drawn.size > 3 and element.width > 1:
        drawn.flat[:3] = np.array([least, greatest, 0], dtype)
    return drawn


class View(OpDef):
    """The result reads the buffer of its first operand through other extents and strides; it is linear."""

    accepts = dtypes.ALL

    @classmethod
    def missing(cls) -> list[str]:
        return super().missing() + open_slots(cls, View, "view")

    @classmethod
    def view(
        cls,
        b: LoopBuilder,
        attrs: Attrs,
        operands: Sequence[Value],
        sizes: Sequence[int | Value],
        shape: Sequence[int | Value],
    ) -> Value | None:
        """The result's buffer, made from the operand's (`ops/buffer_views.py` helps); None where only a copy
        has such a view.

        `operands[0]` is a memref, index operands stay what they are; `sizes` and `shape` are the operand's
        and the result's extents.
        """
        raise NotImplementedError(cls.name)


class Reduction(OpDef):
    """Combines the elements along `axes`, which the result drops; the result keeps the element type.

    C1: `axes` are ascending, unique and within the rank. C2: the element type is in `accepts`.
    C3 (where `nonempty`): no reduced axis is empty; a run-time error where the extent is unknown.
    """

    attrs_type = AxesAttrs
    nonempty: ClassVar[bool] = False
    combiner: ClassVar[str]
    """Name of the combination in `tensorc.generic`: add mul maximum minimum or and."""

    @classmethod
    def missing(cls) -> list[str]:
        return super().missing() + open_slots(cls, Reduction, "initial", "combine")

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        return (reduced_type(cls, operands, attrs, nonempty=cls.nonempty),)

    @classmethod
    def extents(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[list[int | V]]:
        return [reduced_extents(b, operands[0], axes_of(attrs))]

    @classmethod
    def facts(cls, b: Creator[V], operands: Sequence[V], attrs: Attrs) -> list[Fact[V]]:
        return nonempty_facts(b, operands[0], axes_of(attrs)) if cls.nonempty else []

    @classmethod
    def initial(cls, element: ScalarType) -> Any:
        """The neutral element as a NumPy scalar."""
        raise NotImplementedError(cls.name)

    @staticmethod
    def combine(s: Any, element: ScalarType, acc: Any, x: Any) -> Any:
        """One step on scalars."""
        raise NotImplementedError

    @classmethod
    def accumulator(cls, element: ScalarType) -> Accumulator:
        """What many steps keep, if that is more than one value."""
        return Accumulator(cls, element)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        return reduction_samples(cls)

    @classmethod
    def error_samples(cls) -> Iterable[ErrorSample]:
        return reduction_error_samples(cls)


def axes_of(attrs: Attrs) -> tuple[int, ...]:
    assert isinstance(attrs, AxesAttrs)
    return attrs.axes


def reduced_type(cls: type[OpDef], operands: Sequence[Type], attrs: Attrs, *, nonempty: bool) -> TensorType:
    """The type left after dropping `axes`; checks C1, C2 and, where asked, C3."""
    (x,) = checks.tensors(cls.name, operands, 1)
    axes = checks.axes(cls.name, axes_of(attrs), x.rank, "C1")
    checks.accepted(cls.name, x, cls.accepts, "C2")
    if nonempty:
        check_nonempty(cls.name, x, axes)
    return TensorType(tuple(e for axis, e in enumerate(x.shape) if axis not in axes), x.element)


def check_nonempty(name: str, x: TensorType, axes: Sequence[int]) -> None:
    """C3: no axis of `axes` is statically empty (as in NumPy, also where the result has no element)."""
    for axis in axes:
        if x.shape[axis] == 0:
            message = f"no value for the empty axis {axis} of {x}"
            checks.value_error(name, message, checks.EMPTY, "C3", "check the extent first, or use sum/prod")


def nonempty_facts(b: Creator[V], x: V, axes: Sequence[int]) -> list[Fact[V]]:
    """C3 for unknown extents."""
    found: list[Fact[V]] = []
    for axis in axes:
        extent = index.dim(b, x, axis)
        found += index.fact(b, "empty-reduction", index.compare(b, "sgt", extent, 0), extent, 1, axis)
    return found


def reduced_extents(b: Creator[V], x: V, axes: Sequence[int]) -> list[int | V]:
    return [index.dim(b, x, axis) for axis in range(index.shaped(x).rank) if axis not in axes]


def reduction_samples(cls: type[OpDef]) -> Iterable[Sample]:
    """Every choice of axes for every element type, and an empty operand."""
    nonempty = getattr(cls, "nonempty", False)
    for element in cls.accepts:
        x = sample_array(cls.name, element, (2, 3, 4))
        differentiable = isinstance(element, FloatType)
        for axes in ((0,), (1,), (2,), (0, 2), (0, 1, 2), ()):
            yield Sample((x,), AxesAttrs(axes), differentiable=differentiable)
        empty = x[:0] if nonempty else x[:, :0]
        yield Sample((empty,), AxesAttrs((1,)), differentiable=differentiable, label="empty")
        yield Sample((np.array(x[0, 0, 0]),), AxesAttrs(()), differentiable=differentiable, label="0-d")


def reduction_error_samples(cls: type[OpDef]) -> Iterable[ErrorSample]:
    element = cls.accepts[-1]
    yield ErrorSample((TensorType((2, 3), element),), AxesAttrs((2,)), checks.AXIS, "C1")
    yield ErrorSample((TensorType((2, 3), element),), AxesAttrs((1, 0)), checks.AXIS, "C1")
    yield ErrorSample((TensorType((2, 3), element),), AxesAttrs((-1,)), checks.AXIS, "C1")
    yield ErrorSample((), AxesAttrs(()), checks.COUNT)
    refused = next((e for e in dtypes.ALL if e not in cls.accepts), None)
    if refused is not None:
        yield ErrorSample((TensorType((2, 3), refused),), AxesAttrs((0,)), checks.ELEMENT, "C2")
    if getattr(cls, "nonempty", False):
        yield ErrorSample((TensorType((2, 0), element),), AxesAttrs((1,)), checks.EMPTY, "C3")


class Composite(OpDef):
    """Defined by a decomposition into other ops, but kept whole for rewriting and for its own, stable
    gradient.
    """

    @classmethod
    def missing(cls) -> list[str]:
        return super().missing() + open_slots(cls, Composite, "decompose")

    @classmethod
    def decompose(cls, b: Builder, op: Operation) -> Sequence[Value]:
        """Replacement values for the op's results, built with `b`."""
        raise NotImplementedError(cls.name)


class Opaque(OpDef):
    """Everything explicit."""

    @classmethod
    def missing(cls) -> list[str]:
        return super().missing() + open_slots(cls, Opaque, "lower")

    @classmethod
    def lower(cls, b: LoopBuilder, op: Operation, types: Sequence[Type]) -> None:
        """Emit loops at `b` for the destination-passing op: its operands are memrefs (an `index` stays one),
        the outputs last.

        `types` are the operands' types with tensor-level elements, which tell signedness and bool; memory
        types do not.
        """
        raise NotImplementedError(cls.name)


__all__ = [
    "NO_ATTRS",
    "AxesAttrs",
    "Composite",
    "Opaque",
    "Pointwise",
    "Reduction",
    "View",
    "axes_of",
    "sample_array",
]
