"""Logic on bools, bit operations and shifts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from tensorc.ir.types import ScalarType, i1
from tensorc.ops import dtypes, guards
from tensorc.ops.arithmetic import COMMUTATIVE
from tensorc.ops.base import register
from tensorc.ops.dtypes import is_signed_integer
from tensorc.ops.families import Pointwise

_NO_GRADIENT = "bools and integers have no gradient"


class _Bits(Pointwise):
    """Both operands of one type to that type, by one instruction."""

    arity = 2
    accepts: ClassVar[tuple[ScalarType, ...]] = (i1, *dtypes.INTEGERS)
    traits = COMMUTATIVE
    not_differentiable = _NO_GRADIENT
    instruction: ClassVar[str]

    @classmethod
    def scalar(cls, s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        return getattr(s, cls.instruction)(*xs)


@register
class LogicalAnd(_Bits):
    """x and y, on bools."""

    name = "tensorc.logical_and"
    public = "logical_and"
    accepts = (i1,)
    ufunc = np.logical_and
    instruction = "andi"


@register
class LogicalOr(_Bits):
    """x or y, on bools."""

    name = "tensorc.logical_or"
    public = "logical_or"
    accepts = (i1,)
    ufunc = np.logical_or
    instruction = "ori"


@register
class LogicalXor(_Bits):
    """Whether just one of x and y holds, on bools."""

    name = "tensorc.logical_xor"
    public = "logical_xor"
    accepts = (i1,)
    ufunc = np.logical_xor
    instruction = "xori"


@register
class LogicalNot(Pointwise):
    """not x, on bools."""

    name = "tensorc.logical_not"
    public = "logical_not"
    accepts = (i1,)
    ufunc = np.logical_not
    not_differentiable = _NO_GRADIENT

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        return s.xori(xs[0], s.constant(1, i1))


@register
class BitwiseAnd(_Bits):
    """The bits set in both."""

    name = "tensorc.bitwise_and"
    public = "bitwise_and"
    ufunc = np.bitwise_and
    instruction = "andi"


@register
class BitwiseOr(_Bits):
    """The bits set in either."""

    name = "tensorc.bitwise_or"
    public = "bitwise_or"
    ufunc = np.bitwise_or
    instruction = "ori"


@register
class BitwiseXor(_Bits):
    """The bits set in just one."""

    name = "tensorc.bitwise_xor"
    public = "bitwise_xor"
    ufunc = np.bitwise_xor
    instruction = "xori"


@register
class BitwiseNot(Pointwise):
    """Every bit flipped."""

    name = "tensorc.bitwise_not"
    public = "bitwise_invert"
    aliases = ("invert", "bitwise_not")
    accepts = (i1, *dtypes.INTEGERS)
    ufunc = np.invert
    not_differentiable = _NO_GRADIENT

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        ones = s.constant(1 if elements[0] == i1 else -1, xs[0].type)
        return s.xori(xs[0], ones)


class _Shift(Pointwise):
    arity = 2
    accepts = dtypes.INTEGERS
    not_differentiable = _NO_GRADIENT


@register
class LeftShift(_Shift):
    """x times 2**y, wrapping; 0 where y, read as unsigned, reaches the width."""

    name = "tensorc.left_shift"
    public = "bitwise_left_shift"
    aliases = ("left_shift",)
    ufunc = np.left_shift

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        return guards.shift(s, "shli", *xs)


@register
class RightShift(_Shift):
    """x shifted right by y, keeping the sign; 0, or -1 for negative x, where y, read as unsigned, reaches the
    width.
    """

    name = "tensorc.right_shift"
    public = "bitwise_right_shift"
    aliases = ("right_shift",)
    ufunc = np.right_shift

    @staticmethod
    def scalar(s: Any, elements: Sequence[ScalarType], *xs: Any) -> Any:
        return guards.shift(s, "shrsi" if is_signed_integer(elements[0]) else "shrui", *xs)
