"""Expressions: immutable nodes of the symbolic graph a user builds.

An expression uses the very op classes of `ops/`: `infer` runs when it is built, which is where a user's
mistakes surface, and `extents` at once after,
so that shapes are known without walking the graph. There are no use lists and no blocks; Python's collector
frees what nobody holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tensorc.ir.definition import NO_ATTRS, Attrs, OpDefinition
from tensorc.ir.errors import TensorcError
from tensorc.ir.location import Location, caller_location
from tensorc.ir.types import IndexType, TensorType, Type
from tensorc.ops.attrs import AxisAttrs
from tensorc.ops.base import OpDef
from tensorc.ops.dtypes import to_dtype
from tensorc.ops.index import Dim

TensorLike = Any
"""What functions of the api accept as an array: expressions, arrays, numbers, nested lists."""


class Node:
    """One application of an op class."""

    __slots__ = ("attrs", "definition", "location", "operands", "types")

    def __init__(
        self,
        definition: type[OpDefinition],
        operands: tuple[Expr, ...],
        attrs: Attrs,
        types: tuple[Type, ...],
        location: Location,
    ) -> None:
        self.definition = definition
        self.operands = operands
        self.attrs = attrs
        self.types = types
        self.location = location


class Expr:
    """A value of a symbolic expression: the result `index` of `node`, or a leaf (node None).

    `extents` has one entry an axis: an `int`, or an expression of type `index` evaluated at run time.
    `weak` marks values that promote as Python scalars do (symbolic extents): None, "int" or "float".
    """

    __slots__ = ("__weakref__", "extents", "index", "name", "node", "type", "weak")
    __array_priority__ = 1000.0

    node: Node | None
    index: int
    type: Type
    name: str | None
    weak: str | None
    extents: tuple[Any, ...]

    def __init__(self, type: Type, node: Node | None = None, index: int = 0, name: str | None = None) -> None:
        self.type = type
        self.node = node
        self.index = index
        self.name = name
        self.weak = None
        self.extents = type.shape if isinstance(type, TensorType) else ()

    @property
    def location(self) -> Location | None:
        return None if self.node is None else self.node.location

    @property
    def tensor_type(self) -> TensorType:
        assert isinstance(self.type, TensorType), f"an expression of type {self.type} is not a tensor"
        return self.type

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.extents)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of the elements."""
        return to_dtype(self.tensor_type.element)

    def __hash__(self) -> int:
        return id(self)

    def __reduce__(self) -> Any:
        from tensorc.api.pickling import reduce_expr

        return reduce_expr(self)


class ExprBuilder:
    """Builds expression nodes; offers the `create` that op rules use, like the IR's `Builder`."""

    def create(
        self, definition: type[OpDefinition], operands: Sequence[Expr], attrs: Attrs = NO_ATTRS
    ) -> tuple[Expr, ...]:
        """The results of one new node. Raises the TensorcError of the violated constraint, at the caller's
        line.
        """
        if definition is Dim and isinstance(attrs, AxisAttrs):  # an expression knows its extents
            extent = operands[0].extents[attrs.axis]
            if isinstance(extent, Expr):
                return (extent,)
        return make(definition, tuple(operands), attrs, caller_location())


def make(
    definition: type[OpDefinition], operands: tuple[Expr, ...], attrs: Attrs, location: Location
) -> tuple[Expr, ...]:
    """The results of one new node at a given location."""
    try:
        types = definition.infer([o.type for o in operands], attrs)
        assert types is not None, f"{definition.name} cannot be built as an expression"
        node = Node(definition, operands, attrs, types, location)
        results = tuple([new_expr(t, node, i) for i, t in enumerate(types)])
        _fill_extents(definition, operands, attrs, results)
    except TensorcError as error:
        from tensorc.api.advice import explained

        raise explained(error, operands).at(location) from None
    return results


def new_expr(type: Type, node: Node, index: int) -> Expr:
    """A node's result: a `Tensor` with NumPy's operators, or a plain expression for an extent."""
    from tensorc.api.methods import Tensor

    return Tensor(type, node, index) if isinstance(type, TensorType) else Expr(type, node, index)


def _fill_extents(
    definition: type[OpDefinition], operands: tuple[Expr, ...], attrs: Attrs, results: tuple[Expr, ...]
) -> None:
    """Run-time extents of results whose type leaves some open."""
    if all(isinstance(r.type, IndexType) or None not in r.extents for r in results):
        return
    assert issubclass(definition, OpDef)
    for result, extents in zip(results, definition.extents(BUILDER, operands, attrs), strict=True):
        result.extents = tuple(extents)


BUILDER = ExprBuilder()


def apply(definition: type[OpDefinition], *operands: Expr, attrs: Attrs = NO_ATTRS) -> Expr:
    """The only result of one op."""
    (result,) = BUILDER.create(definition, operands, attrs)
    return result
