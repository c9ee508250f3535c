"""Creating operations: an insertion point, the current location, and inference when an op is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Self

from tensorc.ir.attributes import Attribute
from tensorc.ir.core import Block, Operation, OpResult, Region, Value
from tensorc.ir.definition import NO_ATTRS, Attrs, OpDefinition, encode
from tensorc.ir.errors import TensorcError
from tensorc.ir.location import UNKNOWN, Location
from tensorc.ir.types import Type


class Builder:
    """Inserts operations before `anchor` in `block` (at the end when `anchor` is None)."""

    def __init__(self, block: Block, anchor: Operation | None = None, location: Location = UNKNOWN) -> None:
        self.block = block
        self.anchor = anchor
        self.location = location

    @classmethod
    def before(cls, op: Operation) -> Self:
        assert op.block is not None
        return cls(op.block, op, op.location)

    @classmethod
    def at_end(cls, block: Block, location: Location = UNKNOWN) -> Self:
        return cls(block, None, location)

    def create_op(
        self,
        definition: type[OpDefinition],
        operands: Sequence[Value],
        attrs: Attrs = NO_ATTRS,
        *,
        results: Sequence[Type] | None = None,
        regions: Sequence[Region] = (),
        discardable: Mapping[str, Attribute] | None = None,
    ) -> Operation:
        """Create an op. Result types come from inference unless `results` states them (ops that cannot
        infer).

        Raises the TensorcError of the violated constraint, with the current location.
        """
        try:
            inferred = definition.infer([v.type for v in operands], attrs)
        except TensorcError as error:
            error.at(self.location)
            raise
        types = results if inferred is None else inferred
        if types is None:
            raise ValueError(f"{definition.name} does not infer its results: pass results=")
        attributes = encode(attrs)
        if discardable:
            attributes.update(discardable)
        op = Operation(
            definition.name, definition, operands, types, attributes, regions, self.location, attrs
        )
        self.block.insert_before(op, self.anchor)
        return op

    def create(
        self, definition: type[OpDefinition], operands: Sequence[Value], attrs: Attrs = NO_ATTRS
    ) -> tuple[OpResult, ...]:
        """`create_op(...)`'s results: the face that ops' own rules use (api expressions offer the same)."""
        return self.create_op(definition, operands, attrs).results

    @contextmanager
    def at(self, block: Block, anchor: Operation | None = None) -> Iterator[None]:
        """Insert elsewhere for a while."""
        saved = self.block, self.anchor
        self.block, self.anchor = block, anchor
        try:
            yield
        finally:
            self.block, self.anchor = saved

    @contextmanager
    def located(self, location: Location) -> Iterator[None]:
        saved = self.location
        self.location = location
        try:
            yield
        finally:
            self.location = saved
