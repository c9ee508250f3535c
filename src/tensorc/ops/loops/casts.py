"""`arith`: conversions between scalar types. Result types are stated, not inferred."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tensorc.ir.core import Operation
from tensorc.ir.definition import Attrs, register
from tensorc.ir.types import FloatType, IndexType, IntegerType, Type
from tensorc.ops.loops.base import (
    ScalarOp,
    lane,
    numpy_dtype,
    same_lanes,
    signed,
    unsigned,
    width,
    wrap,
    wrong_types,
)


class CastOp(ScalarOp):
    """One operand, one stated result."""

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...] | None:
        if len(operands) != 1:
            raise wrong_types(cls.name, "one operand", operands)
        return None

    @classmethod
    def legal(cls, source: Type, target: Type) -> bool:
        raise NotImplementedError(cls.name)

    @classmethod
    def verify(cls, op: Operation) -> list[str]:
        source, target = op.operands[0].type, op.result.type
        legal = same_lanes(source, target) and cls.legal(lane(source), lane(target))
        return [] if legal else [f"no conversion from {source} to {target} by {cls.name}"]


def _integer(type: Type) -> bool:
    return isinstance(type, IntegerType) and not type.unsigned


def _wider_integer(source: Type, target: Type) -> bool:
    return _integer(source) and _integer(target) and width(source) < width(target)


def _index_and_integer(source: Type, target: Type) -> bool:
    return (isinstance(source, IndexType) and _integer(target)) or (
        _integer(source) and isinstance(target, IndexType)
    )


@register
class ExtSI(CastOp):
    """`arith.extsi`: to a wider integer, copying the sign bit (`i1` true is -1)."""

    name = "arith.extsi"
    legal = staticmethod(_wider_integer)

    @classmethod
    def evaluate(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        return signed(xs[0]).astype(numpy_dtype(result))


@register
class ExtUI(CastOp):
    """`arith.extui`: to a wider integer, filling with zeros."""

    name = "arith.extui"
    legal = staticmethod(_wider_integer)

    @classmethod
    def evaluate(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        return unsigned(xs[0]).astype(numpy_dtype(result))


@register
class TruncI(CastOp):
    """`arith.trunci`: to a narrower integer, keeping the low bits."""

    name = "arith.trunci"

    @classmethod
    def legal(cls, source: Type, target: Type) -> bool:
        return _wider_integer(target, source)

    @classmethod
    def evaluate(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        return wrap(result, xs[0])


class _FloatCast(CastOp):
    @classmethod
    def evaluate(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        return xs[0].astype(numpy_dtype(result))


@register
class ExtF(_FloatCast):
    """`arith.extf`: to a wider float, exact."""

    name = "arith.extf"

    @classmethod
    def legal(cls, source: Type, target: Type) -> bool:
        return isinstance(source, FloatType) and isinstance(target, FloatType) and source.width < target.width


@register
class TruncF(_FloatCast):
    """`arith.truncf`: to a narrower float, rounded to nearest even."""

    name = "arith.truncf"

    @classmethod
    def legal(cls, source: Type, target: Type) -> bool:
        return isinstance(source, FloatType) and isinstance(target, FloatType) and source.width > target.width


@register
class SIToFP(CastOp):
    """`arith.sitofp`: signed integer to float, rounded to nearest even."""

    name = "arith.sitofp"

    @classmethod
    def legal(cls, source: Type, target: Type) -> bool:
        return _integer(source) and isinstance(target, FloatType)

    @classmethod
    def evaluate(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        return signed(xs[0]).astype(numpy_dtype(result))


@register
class UIToFP(CastOp):
    """`arith.uitofp`: unsigned integer to float, rounded to nearest even."""

    name = "arith.uitofp"

    @classmethod
    def legal(cls, source: Type, target: Type) -> bool:
        return _integer(source) and isinstance(target, FloatType)

    @classmethod
    def evaluate(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        return unsigned(xs[0]).astype(numpy_dtype(result))


class _FloatToInteger(CastOp):
    @classmethod
    def legal(cls, source: Type, target: Type) -> bool:
        return isinstance(source, FloatType) and _integer(target)

    @classmethod
    def bounds(cls, bits: int) -> tuple[float, float]:
        """Smallest value, and the first value past the largest; both exact in either float type."""
        raise NotImplementedError(cls.name)

    @classmethod
    def defined(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        lowest, past = cls.bounds(width(result))
        whole = np.trunc(xs[0])
        return (whole >= lowest) & (whole < past)

    @classmethod
    def evaluate(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        inside = np.where(cls.defined(attrs, result, *xs), np.trunc(xs[0]), 0)
        wide = np.uint64 if cls is FPToUI else np.int64
        return wrap(result, inside.astype(wide)[()])


@register
class FPToSI(_FloatToInteger):
    """`arith.fptosi`: towards zero. Poison for NaN and for values outside the signed range: guard it."""

    name = "arith.fptosi"

    @classmethod
    def bounds(cls, bits: int) -> tuple[float, float]:
        return -(2.0 ** (bits - 1)), 2.0 ** (bits - 1)


@register
class FPToUI(_FloatToInteger):
    """`arith.fptoui`: towards zero. Poison for NaN and for values outside the unsigned range: guard it."""

    name = "arith.fptoui"

    @classmethod
    def bounds(cls, bits: int) -> tuple[float, float]:
        return 0.0, 2.0**bits


@register
class Bitcast(CastOp):
    """`arith.bitcast`: the same bits as another type of the same width."""

    name = "arith.bitcast"

    @classmethod
    def legal(cls, source: Type, target: Type) -> bool:
        plain = all(isinstance(t, FloatType) or _integer(t) for t in (source, target))
        return plain and width(source) == width(target)

    @classmethod
    def evaluate(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        return xs[0].view(numpy_dtype(result))


@register
class IndexCast(CastOp):
    """`arith.index_cast`: between `index` and an integer, sign-extending or truncating."""

    name = "arith.index_cast"
    legal = staticmethod(_index_and_integer)

    @classmethod
    def evaluate(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        return wrap(result, signed(xs[0]))


@register
class IndexCastUI(CastOp):
    """`arith.index_castui`: between `index` and an integer, zero-extending or truncating."""

    name = "arith.index_castui"
    legal = staticmethod(_index_and_integer)

    @classmethod
    def evaluate(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        return wrap(result, unsigned(xs[0]))
