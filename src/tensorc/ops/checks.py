"""What inference checks, and how it words a violation: short op name, operand types, the constraint's number.

Codes: see the table in README.md. Every function raises a `TensorcTypeError` or `TensorcValueError`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import NoReturn

from tensorc.ir.errors import TensorcTypeError, TensorcValueError
from tensorc.ir.types import Extent, IndexType, IntegerType, ScalarType, TensorType, Type

COUNT = "TC0200"
SHAPES = "TC0201"
ELEMENTS_DIFFER = "TC0202"
ELEMENT = "TC0203"
NOT_TENSOR = "TC0204"
AXIS = "TC0205"
RANK = "TC0206"
EMPTY = "TC0207"
SIZE = "TC0208"
RANGE = "TC0209"
CONTRACTED = "TC0210"
EXTENT_OPERANDS = "TC0211"
ATTRIBUTE = "TC0212"


def short(name: str) -> str:
    """`tensorc.add` as the user knows it: `add`."""
    return name.removeprefix("tensorc.")


def types_text(types: Iterable[Type]) -> str:
    listed = [str(t) for t in types]
    if not listed:
        return "nothing"
    if len(listed) == 1:
        return listed[0]
    return f"{', '.join(listed[:-1])} and {listed[-1]}"


def type_error(name: str, message: str, code: str, constraint: str = "", help: str | None = None) -> NoReturn:
    error = TensorcTypeError(_worded(name, message, constraint), code=code, help=help)
    error.constraint = constraint
    raise error


def value_error(
    name: str, message: str, code: str, constraint: str = "", help: str | None = None
) -> NoReturn:
    error = TensorcValueError(_worded(name, message, constraint), code=code, help=help)
    error.constraint = constraint
    raise error


def _worded(name: str, message: str, constraint: str) -> str:
    return f"{short(name)}: {message}" + (f" ({constraint})" if constraint else "")


def count(name: str, operands: Sequence[Type], wanted: int) -> None:
    if len(operands) != wanted:
        type_error(name, f"takes {wanted} operands, got {len(operands)}: {types_text(operands)}", COUNT)


def at_least(name: str, operands: Sequence[Type], wanted: int) -> None:
    if len(operands) < wanted:
        type_error(
            name, f"takes at least {wanted} operands, got {len(operands)}: {types_text(operands)}", COUNT
        )


def tensor(name: str, operand: Type) -> TensorType:
    if not isinstance(operand, TensorType):
        type_error(name, f"needs a tensor, got {operand}", NOT_TENSOR)
    return operand


def tensors(name: str, operands: Sequence[Type], wanted: int) -> list[TensorType]:
    """Exactly `wanted` operands, all tensors."""
    count(name, operands, wanted)
    return [tensor(name, t) for t in operands]


def same_elements(name: str, types: Sequence[TensorType], constraint: str) -> ScalarType:
    if any(t.element != types[0].element for t in types):
        type_error(
            name,
            f"element types differ: {types_text(types)}",
            ELEMENTS_DIFFER,
            constraint,
            "cast one operand, as in x.astype(...)",
        )
    return types[0].element


def accepted(name: str, type: TensorType, elements: Iterable[ScalarType], constraint: str) -> None:
    allowed = tuple(elements)
    if type.element not in allowed:
        type_error(
            name,
            f"not defined for {type}; elements may be {', '.join(map(str, allowed))}",
            ELEMENT,
            constraint,
        )


def unify(name: str, types: Sequence[TensorType], constraint: str) -> tuple[Extent, ...]:
    """The common shape of equal-shaped operands: a static extent wins over `?`."""
    rank = types[0].rank
    if any(t.rank != rank for t in types):
        value_error(
            name,
            f"operands have different ranks: {types_text(types)}",
            SHAPES,
            constraint,
            "broadcast first: broadcast_to(x, shape)",
        )
    shape: list[Extent] = []
    for axis in range(rank):
        known = {t.shape[axis] for t in types} - {None}
        if len(known) > 1:
            listed = " and ".join(
                str(e) for e in dict.fromkeys(t.shape[axis] for t in types) if e is not None
            )
            value_error(
                name, f"shapes differ on axis {axis}: {listed} in {types_text(types)}", SHAPES, constraint
            )
        shape.append(known.pop() if known else None)
    return tuple(shape)


def axes(name: str, values: Sequence[int], rank: int, constraint: str) -> tuple[int, ...]:
    """Sorted, unique, non-negative axes below `rank`."""
    found = tuple(values)
    if any(not 0 <= a < rank for a in found) or any(a >= b for a, b in itertools.pairwise(found)):
        value_error(
            name,
            f"axes {list(found)} must be ascending, unique and in 0..{rank - 1} for rank {rank}",
            AXIS,
            constraint,
        )
    return found


def axis(name: str, value: int, rank: int, constraint: str) -> int:
    if not 0 <= value < rank:
        value_error(name, f"axis {value} is outside 0..{rank - 1} for rank {rank}", AXIS, constraint)
    return value


def extent_operands(name: str, operands: Sequence[Type], entries: Sequence[int], constraint: str) -> None:
    """One `index` operand for every -1 of `entries`; other entries are non-negative."""
    if any(e < -1 for e in entries):
        value_error(
            name,
            f"extents {list(entries)} must be -1 (given as an operand) or non-negative",
            ATTRIBUTE,
            constraint,
        )
    wanted = sum(e == -1 for e in entries)
    if len(operands) != wanted or not all(isinstance(t, IndexType) for t in operands):
        type_error(
            name,
            f"needs {wanted} index operands for {list(entries)}, got {types_text(operands)}",
            EXTENT_OPERANDS,
            constraint,
        )


def static_shape(entries: Sequence[int]) -> tuple[Extent, ...]:
    return tuple(None if e == -1 else e for e in entries)


def index_tensor(name: str, type: TensorType, constraint: str) -> None:
    if not (isinstance(type.element, IntegerType) and type.element.width > 1):
        type_error(name, f"indices must be integers, got {type}", ELEMENT, constraint)
