"""What every loop-level op shares: signless types, NumPy evaluation on exact widths, and the meaning of
"defined". A scalar op works on vectors of one axis, too, lane by lane.

A `ScalarOp` has two slots beside inference: `evaluate`, its value on NumPy scalars or arrays of the operand
types, and `defined`, false where LLVM's instruction would be undefined or poison. Constant folding refuses,
and the loop interpreter raises, where `defined` is false.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from tensorc.ir.core import Operation, Region
from tensorc.ir.definition import Attrs, OpDefinition, Trait
from tensorc.ir.errors import TensorcTypeError
from tensorc.ir.types import (
    FloatType,
    IndexType,
    IntegerType,
    MemRefType,
    ScalarType,
    Type,
    VectorType,
    i1,
    i8,
)

PURE = frozenset({Trait.PURE})
COMMUTATIVE = frozenset({Trait.PURE, Trait.COMMUTATIVE})
TERMINATOR = frozenset({Trait.TERMINATOR})

_DTYPES: dict[Type, np.dtype[Any]] = {
    IntegerType(1): np.dtype(np.bool_),
    IntegerType(8): np.dtype(np.int8),
    IntegerType(16): np.dtype(np.int16),
    IntegerType(32): np.dtype(np.int32),
    IntegerType(64): np.dtype(np.int64),
    IndexType(): np.dtype(np.int64),
    FloatType("f32", 32): np.dtype(np.float32),
    FloatType("f64", 64): np.dtype(np.float64),
}
_UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


def lane(type: Type) -> Type:
    """The type of one lane of a vector; any other type is its own."""
    return type.element if isinstance(type, VectorType) and len(type.shape) == 1 else type


def like(type: Type, element: ScalarType) -> Type:
    """`element`, in as many lanes as `type` has."""
    return VectorType(type.shape, element) if isinstance(type, VectorType) else element


def same_lanes(a: Type, b: Type) -> bool:
    """Whether both are scalars, or vectors of as many lanes."""
    shapes = [t.shape if isinstance(t, VectorType) else None for t in (a, b)]
    return shapes[0] == shapes[1]


def numpy_dtype(type: Type) -> np.dtype[Any]:
    """The NumPy dtype that holds values of a loop-level scalar type, or lanes of a vector. Raises TypeError
    for a type that has none.
    """
    dtype = _DTYPES.get(lane(type))
    if dtype is None:
        raise TypeError(f"{type} is not a loop-level scalar type")
    return dtype


def register_type(element: ScalarType) -> ScalarType:
    """The loop-level type of a tensor element held in a register: signless, bool stays `i1`."""
    if isinstance(element, IntegerType):
        return IntegerType(element.width)
    return element


def memory_type(element: ScalarType) -> ScalarType:
    """The loop-level type of a tensor element in memory: signless, bool is `i8`."""
    return i8 if element == i1 else register_type(element)


def power_of_two(n: int) -> int:
    """The least power of two from `n` on."""
    return 1 << (n - 1).bit_length() if n > 1 else 1


def width(type: Type) -> int:
    """Bits of an integer, index or float type, or of one lane."""
    type = lane(type)
    if isinstance(type, IntegerType | FloatType):
        return type.width
    if isinstance(type, IndexType):
        return 64
    raise TypeError(f"{type} has no width")


def is_int(type: Type) -> bool:
    """A signless integer or `index`."""
    return isinstance(type, IndexType) or (isinstance(type, IntegerType) and not type.unsigned)


def signed(x: Any) -> Any:
    """An integer value as NumPy signed integers; `i1` true is -1."""
    return -(x.astype(np.int8)) if x.dtype == np.bool_ else x


def unsigned(x: Any) -> Any:
    """An integer value as NumPy unsigned integers; `i1` true is 1."""
    return x.astype(np.uint8) if x.dtype == np.bool_ else x.view(_UNSIGNED[x.dtype.itemsize])


def wrap(type: Type, x: Any) -> Any:
    """Integers reduced modulo the width of `type`."""
    if lane(type) == i1:
        return (x & x.dtype.type(1)).astype(np.bool_)
    return x.astype(numpy_dtype(type))


def wrong_types(name: str, wanted: str, types: Sequence[Type]) -> TensorcTypeError:
    got = ", ".join(map(str, types)) or "no operands"
    return TensorcTypeError(f"{name}: expects {wanted}, got {got}", code="TC0610")


def single_block(region: Region, arg_types: Sequence[Type], terminator: str, what: str) -> list[str]:
    """Messages about a region that must be one block with these arguments and this terminator."""
    if len(region.blocks) != 1:
        return [f"{what} must have one block, has {len(region.blocks)}"]
    block = region.block
    messages = []
    found = [arg.type for arg in block.args]
    if found != list(arg_types):
        messages.append(f"{what} must take ({_listed(arg_types)}), takes ({_listed(found)})")
    if block.last is None or block.last.name != terminator:
        messages.append(f"{what} must end in {terminator}")
    return messages


def terminator_types(region: Region) -> list[Type]:
    last = region.block.last
    return [] if last is None else [v.type for v in last.operands]


def same_types(found: Sequence[Type], wanted: Sequence[Type], what: str) -> list[str]:
    if list(found) == list(wanted):
        return []
    return [f"{what}: types ({_listed(found)}) where ({_listed(wanted)}) are needed"]


def _listed(types: Sequence[Type]) -> str:
    return ", ".join(map(str, types))


class LoopOp(OpDefinition):
    """Base of the loop-level ops: names, operand order and attributes are upstream MLIR's."""


class ScalarOp(LoopOp):
    """A pure op on scalars."""

    traits = PURE

    @classmethod
    def evaluate(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        """The value for NumPy scalars or equal-shaped arrays; `result` is the result type. Caller silences
        floating-point warnings.
        """
        raise NotImplementedError(cls.name)

    @classmethod
    def defined(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        """True, or a bool array: where the instruction is neither undefined nor poison."""
        return True


class SameTypeOp(ScalarOp):
    """`arity` operands of one type, result of that type."""

    arity: ClassVar[int]
    wanted: ClassVar[str]
    function: ClassVar[Callable[..., Any]]

    @classmethod
    def accepts(cls, type: Type) -> bool:
        raise NotImplementedError(cls.name)

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        first = operands[0] if operands else None
        if (
            len(operands) != cls.arity
            or first is None
            or not cls.accepts(lane(first))
            or any([t is not first and t != first for t in operands])
        ):
            raise wrong_types(cls.name, f"{cls.arity} x {cls.wanted} of one type", operands)
        return (first,)


class FloatOp(SameTypeOp):
    arity = 2
    wanted = "float"

    @classmethod
    def accepts(cls, type: Type) -> bool:
        return isinstance(type, FloatType)

    @classmethod
    def evaluate(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        return cls.function(*xs)


class SignedOp(SameTypeOp):
    """An integer op whose bits do not depend on signedness, or which reads its operands as signed."""

    arity = 2
    wanted = "signless integer or index"

    @classmethod
    def accepts(cls, type: Type) -> bool:
        return is_int(type)

    @classmethod
    def evaluate(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        if lane(result) == i1:
            return wrap(i1, cls.function(*map(signed, xs)))
        return cls.function(*xs)


class UnsignedOp(SignedOp):
    """An integer op which reads its operands as unsigned."""

    @classmethod
    def evaluate(cls, attrs: Attrs, result: Type, *xs: Any) -> Any:
        return wrap(result, cls.function(*map(unsigned, xs)))


def check_memref(name: str, type: Type) -> MemRefType:
    if not isinstance(type, MemRefType):
        raise wrong_types(name, "a memref", [type])
    return type


def is_terminated(op: Operation) -> bool:
    return op.has_trait(Trait.TERMINATOR)
