"""Which updates are written over the memory of their cells, which results over that of mutable arguments, and
by which ops, last of all.

An update may be, if one op computes it that reads every element of the cell just before it writes that
element, or changes a part of it; if all others that read the cell come before; and if from the first such
write on nothing can fail. So these ops go to the end of the function, in an order of their own, behind a
claim (`ops/loops/claims.py`), which decides in every call whether the cell's memory is free to be written. A
result goes over an argument on the same terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tensorc.ir.attributes import ArrayAttr, IntegerAttr
from tensorc.ir.builtin import Return, body
from tensorc.ir.core import BlockArgument, Operation, Value
from tensorc.ir.types import TensorType
from tensorc.ops.base import OpDef
from tensorc.ops.families import Pointwise
from tensorc.ops.index import shaped
from tensorc.ops.kernel import (
    GenericAttrs,
    Kernel,
    KernelAttrs,
    Yield,
    combiner_names,
    product_of,
    stages,
)
from tensorc.passes import sites
from tensorc.passes.buffers import binding_order, in_place, is_view, reads_in_place, roots_of, whole


@dataclass(frozen=True)
class Claims:
    """`first` and `last`: the ops of the function, reordered; `over`: for the number of an output, that of
    the argument over which it may be written; `through`: values that lie in such an output before it is
    finished, with its number.
    """

    first: list[Operation]
    last: list[Operation] = field(default_factory=list)
    over: dict[int, int] = field(default_factory=dict)
    through: dict[Value, int] = field(default_factory=dict)

    def checked(self) -> list[Operation]:
        """Ops of `last` that must look for faults in their data before the claim."""
        return [op for op in self.last if sites.SITE in op.attributes]


def claims(function: Operation, ops: Sequence[Operation], returned: Sequence[Value]) -> Claims:
    """What can be claimed of `function`, of whose ops `ops` are needed. Linear in the number of uses, as long
    as no updates wait for each other.
    """
    pairs, mutable = _pairs(function), _numbers(function, sites.MUTABLE)
    if not (pairs or mutable):
        return Claims(list(ops))
    roots, cells = roots_of(ops), body(function).args
    chosen = _candidates(pairs, mutable, returned, roots, cells)
    _drop_products(chosen, ops, returned, roots)
    order: list[Operation] = []
    while chosen:
        _drop_read(chosen)
        order = _order(chosen, [op for op in ops if op in chosen], roots, cells)
        if len(order) == len(chosen):
            break
        kept = set(order)
        for op in [op for op in chosen if op not in kept]:
            _drop(op, chosen)
    over = {number: argument for op in order for argument, number in chosen[op].pairs}
    through: dict[Value, int] = {op.result: number for op in order for number in chosen[op].through}
    return Claims([op for op in ops if op not in chosen], order, over, through)


def _pairs(function: Operation) -> list[tuple[int, int]]:
    """For every update the number of the cell's argument and of the result."""
    numbers = _numbers(function, sites.UPDATES)
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _numbers(function: Operation, name: str) -> list[int]:
    listed = function.attributes.get(name)
    elements = listed.elements if isinstance(listed, ArrayAttr) else ()
    return [n.value for n in elements if isinstance(n, IntegerAttr)]


@dataclass
class Choice:
    """What one of the last ops writes: over which arguments which outputs; or, if it is not the last that
    writes an output, which one. `chain`: the ops that write it, all of which or none are chosen.
    """

    pairs: list[tuple[int, int]] = field(default_factory=list)
    through: list[int] = field(default_factory=list)
    chain: list[Operation] = field(default_factory=list)


Chosen = dict[Operation, Choice]


def _candidates(
    pairs: Sequence[tuple[int, int]],
    mutable: Sequence[int],
    returned: Sequence[Value],
    roots: dict[Value, Value],
    cells: Sequence[Value],
) -> Chosen:
    """Ops that compute updates and results, each of which it could write over the cell or argument."""
    updates = {number for _, number in pairs}
    holder: dict[Value, int] = {}
    for number, value in binding_order(returned, updates):
        holder.setdefault(whole(value), number)
    found: Chosen = {}

    def choose(argument: int, number: int) -> bool:
        value, cell = returned[number], cells[argument]
        if holder.get(value) != number or _other_type(value, cell):
            return False
        chain = _chain(value, cell, roots, holder)
        if not chain or (len(chain) > 1 and any(op in found for op in chain)):
            return False
        for op in chain:
            choice = found.setdefault(op, Choice())
            choice.chain += chain
            if op is not chain[-1]:
                choice.through.append(number)
        found[chain[0]].pairs.append((argument, number))
        return True

    for argument, number in pairs:
        choose(argument, number)
    free = [number for number in range(len(returned)) if number not in updates]
    for argument in mutable:
        taken = next((n for n in free if _reads(returned[n], cells[argument]) and choose(argument, n)), None)
        free = [n for n in free if n != taken]
    return found


def _chain(value: Value, cell: Value, roots: dict[Value, Value], holder: dict[Value, int]) -> list[Operation]:
    """The ops that can write `value` over a cell, in order: one that reads the cell, and others that change
    parts of what it has written; none if that cannot be.
    """
    op = value.owner
    if op is None or not all(r in holder for r in op.results):
        return []
    chain = [op]
    while not _may_write(op, cell, roots):
        if len(op.results) != 1 or not _changes_part(op, roots):
            return []
        before = op.operands[0]
        op = before.owner
        if op is None or len(op.results) != 1 or before in holder or before.users != chain[:1]:
            return []
        chain.insert(0, op)
    return chain


def _changes_part(op: Operation, roots: dict[Value, Value]) -> bool:
    """Whether an op may write over its first operand, a computed tensor, by changing a part of it."""
    definition = op.definition
    if definition is None or not (issubclass(definition, OpDef) and definition.overwrites):
        return False
    return in_place(op, op.operands[0], roots)


def _other_type(value: Value, cell: Value) -> bool:
    """Whether a value has another element type or rank than what it would be written over."""
    kind, memory = value.type, cell.type
    assert isinstance(kind, TensorType) and isinstance(memory, TensorType)
    return kind.element != memory.element or kind.rank != memory.rank


def _reads(value: Value, argument: Value) -> bool:
    return value.owner is not None and argument in value.owner.operands


def _may_write(op: Operation, cell: Value, roots: dict[Value, Value]) -> bool:
    """Whether an op may write over a cell, and does nothing that fails but for looking at indices."""
    definition = op.definition
    if definition is Kernel and product_of(op) is not None:
        return _may_write_product(op, cell, roots)
    if definition is None or not in_place(op, cell, roots):
        return False
    if definition is Kernel or issubclass(definition, Pointwise):
        lean = definition is not Kernel or _is_lean(op, shaped(cell).rank)
        return sites.SITE not in op.attributes and lean
    return issubclass(definition, OpDef) and definition.overwrites


def _may_write_product(kernel: Operation, cell: Value, roots: dict[Value, Value]) -> bool:
    """Whether a kernel that begins with a product may write over a cell: what follows is elementwise, has the
    product's type, and the cell is no factor.
    """
    product, (stage, *more) = product_of(kernel), stages(kernel)
    assert product is not None and isinstance(stage.attrs, GenericAttrs)
    of_argument = dict(zip(kernel.regions[0].block.args, kernel.operands, strict=True))
    factors = {roots[of_argument[v]] for v in product.operands if isinstance(v, BlockArgument)}
    uses = [v for v in kernel.operands if roots.get(v) is cell]
    if more or stage.attrs.rank != 2 or any(combiner_names(stage.attrs)) or cell in factors:
        return False
    if sites.SITE in kernel.attributes or any(v is not cell for v in uses):
        return False
    maps = stage.attrs.maps[len(stage.operands) - 2 :]
    place = stage.attrs.maps[stage.operands.index(product.result) - 2]
    plain = all(axes == (0, 1) for axes in (*maps, place)) and 1 not in shaped(product.result).shape
    kinds = {shaped(v).element for v in (product.result, *kernel.results)}
    return plain and len(kinds) == 1 and reads_in_place(kernel, cell)


def _is_lean(kernel: Operation, rank: int) -> bool:
    """Whether a kernel goes through no more than what it writes, of so many axes, and has no stages that read
    what others computed along whole rows, which may need memory.
    """
    assert isinstance(kernel.attrs, KernelAttrs)
    for stage in stages(kernel):
        attrs = stage.attrs
        assert isinstance(attrs, GenericAttrs)
        if attrs.rank > rank:
            return False
        for result, combiner in zip(stage.results, combiner_names(attrs), strict=True):
            read = any(not user.isa(Yield) for user in result.users)
            if attrs.rank > kernel.attrs.outer and not combiner and read:
                return False
    return True


def _drop_products(
    chosen: Chosen, ops: Sequence[Operation], returned: Sequence[Value], roots: dict[Value, Value]
) -> None:
    """Take out kernels that begin with products, if what they read would have to wait for them while more is
    computed, or if there is more to claim than vectors: where a product turns out to be large, nothing is
    written over its cell.
    """
    products = {op for op in chosen if op.isa(Kernel) and product_of(op) is not None}
    others = any(shaped(r).rank > 1 for op in chosen if op not in products for r in op.results)
    given, more = set(returned), False
    for op in reversed(ops):
        if op in products:
            read = [roots[v] for v in op.operands if v in roots]
            if others or (more and any(root.owner is not None for root in read)):
                _drop(op, chosen)
        elif op not in chosen and not is_view(op):
            more |= any(isinstance(r.type, TensorType) and r not in given for r in op.results)


def _drop_read(chosen: Chosen) -> None:
    """Take out ops whose results are read by what comes before the claim: other ops, and those that look at
    indices.
    """
    todo = list(chosen)
    while todo:
        op = todo.pop()
        if op not in chosen or all(_comes_behind(user, op, chosen) for r in op.results for user in r.users):
            continue
        dropped = _drop(op, chosen)
        todo += [v.owner for each in dropped for v in each.operands if v.owner is not None]


def _comes_behind(user: Operation, op: Operation, chosen: Chosen) -> bool:
    if user.isa(Return) or user not in chosen:
        return user.isa(Return)
    return sites.SITE not in user.attributes or user in chosen[op].chain


def _drop(op: Operation, chosen: Chosen) -> list[Operation]:
    """Take out an op and what writes the same outputs; gives what is taken out."""
    todo, dropped = [op], list[Operation]()
    while todo:
        each = todo.pop()
        choice = chosen.pop(each, None)
        if choice is not None:
            dropped.append(each)
            todo += choice.chain
    return dropped


def _order(
    chosen: Chosen, ops: Sequence[Operation], roots: dict[Value, Value], cells: Sequence[Value]
) -> list[Operation]:
    """The ops, each after those whose results it reads and those that read the old value of what it writes;
    without those that wait for each other.
    """
    args: dict[Value, list[Operation]] = {}
    waits: dict[Operation, int] = dict.fromkeys(ops, 0)
    then: dict[Operation, list[Operation]] = {op: [] for op in ops}

    def before(a: Operation, b: Operation) -> None:
        then[a].append(b)
        waits[b] += 1

    for op in ops:
        for root in dict.fromkeys(roots[v] for v in op.operands if isinstance(v.type, TensorType)):
            args.setdefault(root, []).append(op)
            if root.owner in chosen:
                assert root.owner is not None
                before(root.owner, op)
    for op in ops:
        for argument, _ in chosen[op].pairs:
            for reader in args.get(cells[argument], ()):
                if reader is not op:
                    before(reader, op)
    ready = [op for op in reversed(ops) if not waits[op]]
    order: list[Operation] = []
    while ready:
        op = ready.pop()
        order.append(op)
        for following in reversed(then[op]):
            waits[following] -= 1
            if not waits[following]:
                ready.append(following)
    return order
