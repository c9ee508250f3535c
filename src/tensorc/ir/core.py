"""Values, operations, blocks, regions: mutable SSA with use lists.

Only `Builder` and `Rewriter` create, change or erase operations; everything else reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tensorc.ir.attributes import Attribute
from tensorc.ir.definition import Attrs, OpDefinition, Trait, decode
from tensorc.ir.location import UNKNOWN, Location
from tensorc.ir.types import Type


class Value:
    """An SSA value: an `OpResult` or a `BlockArgument`. Compares and hashes by identity."""

    __slots__ = ("_uses", "type")

    def __init__(self, type: Type) -> None:
        self.type = type
        self._uses: dict[tuple[Operation, int], None] = {}

    @property
    def uses(self) -> Iterable[tuple[Operation, int]]:
        """(user, operand number) pairs in the order they were made. Copy before changing uses."""
        return self._uses.keys()

    @property
    def users(self) -> list[Operation]:
        """Distinct users, in order."""
        return list(dict.fromkeys(op for op, _ in self._uses))

    @property
    def has_uses(self) -> bool:
        return bool(self._uses)

    @property
    def has_one_use(self) -> bool:
        return len(self._uses) == 1

    @property
    def owner(self) -> Operation | None:
        """The operation that defines this value; None for a block argument."""
        return None

    def defining(self, definition: type[OpDefinition]) -> Operation | None:
        """The operation that defines this value if it is of that op class."""
        owner = self.owner
        return owner if owner is not None and owner.definition is definition else None

    def replace_all_uses_with(self, other: Value) -> None:
        if other is self:
            return
        for op, number in list(self._uses):
            op.set_operand(number, other)


class OpResult(Value):
    __slots__ = ("index", "op")

    def __init__(self, type: Type, op: Operation, index: int) -> None:
        # Not through the base: this runs for every operation.
        self.type = type
        self._uses = {}
        self.op = op
        self.index = index

    @property
    def owner(self) -> Operation | None:
        return self.op


class BlockArgument(Value):
    __slots__ = ("block", "index", "location")

    def __init__(self, type: Type, block: Block, index: int, location: Location = UNKNOWN) -> None:
        super().__init__(type)
        self.block = block
        self.index = index
        self.location = location


class Operation:
    """One operation. `definition` is its op class, or None for an op nobody registered."""

    __slots__ = (
        "_attrs",
        "_operands",
        "attributes",
        "block",
        "definition",
        "location",
        "name",
        "next",
        "prev",
        "regions",
        "results",
    )

    def __init__(
        self,
        name: str,
        definition: type[OpDefinition] | None,
        operands: Sequence[Value],
        result_types: Sequence[Type],
        attributes: dict[str, Attribute],
        regions: Sequence[Region] = (),
        location: Location = UNKNOWN,
        attrs: Attrs | None = None,
    ) -> None:
        self.name = name
        self.definition = definition
        self._operands: list[Value] = [*operands]
        for number, value in enumerate(self._operands):
            value._uses[self, number] = None
        self.results: tuple[OpResult, ...] = (
            (OpResult(result_types[0], self, 0),)
            if len(result_types) == 1
            else tuple([OpResult(t, self, i) for i, t in enumerate(result_types)])
        )
        self.attributes = attributes
        self._attrs = attrs
        self.regions: list[Region] = [*regions]
        for region in self.regions:
            region.parent = self
        self.location = location
        self.block: Block | None = None
        self.prev: Operation | None = None
        self.next: Operation | None = None

    @property
    def operands(self) -> Sequence[Value]:
        return self._operands

    @property
    def result(self) -> OpResult:
        """The only result."""
        (result,) = self.results
        return result

    @property
    def attrs(self) -> Attrs:
        """The typed attributes, decoded once. Raises ValueError on malformed attributes, TypeError on an
        unregistered op.
        """
        if self._attrs is None:
            if self.definition is None:
                raise TypeError(f"{self.name} is not a registered op")
            self._attrs = decode(self.definition, self.attributes)
        return self._attrs

    def set_attribute(self, name: str, value: Attribute | None) -> None:
        """Set an attribute, or remove it with None."""
        self._attrs = None
        if value is None:
            self.attributes.pop(name, None)
        else:
            self.attributes[name] = value

    def set_operand(self, number: int, value: Value) -> None:
        del self._operands[number]._uses[self, number]
        self._operands[number] = value
        value._uses[self, number] = None

    def set_operands(self, values: Sequence[Value]) -> None:
        self.drop_operands()
        self._operands = list(values)
        for number, value in enumerate(self._operands):
            value._uses[self, number] = None

    def drop_operands(self) -> None:
        for number, value in enumerate(self._operands):
            del value._uses[self, number]
        self._operands = []

    def has_trait(self, trait: Trait) -> bool:
        return self.definition is not None and trait in self.definition.traits

    def isa(self, definition: type[OpDefinition]) -> bool:
        return self.definition is definition

    @property
    def parent(self) -> Operation | None:
        """The operation whose region holds this one."""
        if self.block is None or self.block.region is None:
            return None
        return self.block.region.parent

    def walk(self) -> Iterator[Operation]:
        """This op and all nested ops, outer first, in order; the tree may be changed below the op just
        yielded, not above.
        """
        stack: list[Iterator[Operation]] = [iter((self,))]
        while stack:
            for op in stack[-1]:
                yield op
                if op.regions:
                    blocks = [block for region in op.regions for block in region.blocks]
                    stack += [iter(list(block)) for block in reversed(blocks)]
                    break
            else:
                stack.pop()

    def detach(self) -> None:
        """Take this op out of its block; operands stay."""
        block = self.block
        if block is None:
            return
        if self.prev is None:
            block.first = self.next
        else:
            self.prev.next = self.next
        if self.next is None:
            block.last = self.prev
        else:
            self.next.prev = self.prev
        self.block = self.prev = self.next = None

    def erase(self) -> None:
        """Remove this op and everything inside it. Its results must have no uses left outside it."""
        for op in list(self.walk()):
            op.drop_operands()
        for result in self.results:
            if result._uses:
                raise ValueError(
                    f"erasing {self.name}: its result {result.index} is still used by {result.users[0].name}"
                )
        self.detach()


class Block:
    """A list of operations with arguments; iterate to get the operations (safe when the current one is
    erased).
    """

    __slots__ = ("args", "first", "last", "region")

    def __init__(self, arg_types: Sequence[Type] = (), locations: Sequence[Location] | None = None) -> None:
        places = locations if locations is not None else [UNKNOWN] * len(arg_types)
        self.args: list[BlockArgument] = [
            BlockArgument(t, self, i, place)
            for i, (t, place) in enumerate(zip(arg_types, places, strict=True))
        ]
        self.first: Operation | None = None
        self.last: Operation | None = None
        self.region: Region | None = None

    def __iter__(self) -> Iterator[Operation]:
        op = self.first
        while op is not None:
            following = op.next
            yield op
            op = following

    def __reversed__(self) -> Iterator[Operation]:
        op = self.last
        while op is not None:
            preceding = op.prev
            yield op
            op = preceding

    def add_argument(self, type: Type, location: Location = UNKNOWN) -> BlockArgument:
        arg = BlockArgument(type, self, len(self.args), location)
        self.args.append(arg)
        return arg

    def erase_argument(self, index: int) -> None:
        if self.args[index].has_uses:
            raise ValueError(f"erasing block argument {index}, which is still used")
        del self.args[index]
        for i, arg in enumerate(self.args):
            arg.index = i

    def append(self, op: Operation) -> None:
        self.insert_before(op, None)

    def insert_before(self, op: Operation, anchor: Operation | None) -> None:
        """Insert before `anchor`, or at the end when it is None."""
        assert op.block is None, f"{op.name} is already in a block"
        op.block = self
        op.next = anchor
        op.prev = self.last if anchor is None else anchor.prev
        if op.prev is None:
            self.first = op
        else:
            op.prev.next = op
        if anchor is None:
            self.last = op
        else:
            anchor.prev = op

    @property
    def terminator(self) -> Operation:
        if self.last is None:
            raise ValueError("block has no terminator")
        return self.last


class Region:
    __slots__ = ("blocks", "parent")

    def __init__(self, blocks: Sequence[Block] = ()) -> None:
        self.blocks: list[Block] = []
        self.parent: Operation | None = None
        for block in blocks:
            self.add_block(block)

    def add_block(self, block: Block) -> Block:
        block.region = self
        self.blocks.append(block)
        return block

    @property
    def block(self) -> Block:
        """The only block."""
        (block,) = self.blocks
        return block
