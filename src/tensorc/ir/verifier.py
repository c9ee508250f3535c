"""Whether IR is well formed. Checked, all errors collected:

1. TC0120  every op is registered (`allow_unregistered` lifts this).
2. TC0121  undotted attributes are ones the op class declares; dotted ones are anybody's.
3. TC0122  declared attributes are present and of the declared kind.
4. TC0123  an operand is defined before its use, in the same region or one around it, and no isolated op lies
           between.
5. TC0124  a block ends in its only terminator (blocks of symbol tables have none).
6. TC0125  result types equal what inference says; inference's own constraint errors keep their code. For a
           destination-passing op (no results, buffers as operands) inference runs on the leading operands
           read as tensors, and the trailing buffers must be of the inferred types.
7. TC0126  the op class's further rules (`verify`), among them: a function's entry block and `return` agree
           with its signature.
8. TC0128  symbols are strings and unique in their module.
9. TC0129  a call matches the type of its callee, which exists in the enclosing module (not checked when there
           is no enclosing module).
10. TC0130 a region has at most one block; control flow is structured.
11. TC0132 an op has as many regions as its class says.
12. TC0131 use lists agree with operands: a defect of whatever changed the IR.

One walk with an explicit stack, linear in the size of the IR.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from tensorc.ir.attributes import StringAttr
from tensorc.ir.builtin import Call, CallAttrs, Func, function_type
from tensorc.ir.core import Block, BlockArgument, Operation, OpResult, Region, Value
from tensorc.ir.definition import Attrs, OpDefinition, Trait, known_attribute_names
from tensorc.ir.diagnostics import Diagnostic
from tensorc.ir.errors import TensorcError, TensorcValueError
from tensorc.ir.printer import print_op
from tensorc.ir.types import MemRefType, TensorType, Type

LONGEST_LISTING: Final = 400
AROUND: Final = 4


def verify(op: Operation, *, allow_unregistered: bool = False) -> list[Diagnostic]:
    """All errors in `op` and everything inside it, in the order of the text."""
    verifier = _Verifier(allow_unregistered)
    verifier.run(op)
    return verifier.found


def check(op: Operation, *, allow_unregistered: bool = False) -> None:
    """Raises TensorcValueError, whose text is the IR with each error under its line, unless `op` is well
    formed. Of a long listing only the surroundings of errors are shown.
    """
    found = verify(op, allow_unregistered=allow_unregistered)
    if not found:
        return
    notes: dict[Operation, list[str]] = {}
    for diagnostic in found:
        if diagnostic.op is not None:
            notes.setdefault(diagnostic.op, []).append(f"^ {diagnostic}")
    count = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    first = found[0]
    listing = _excerpt(print_op(op, notes=notes).rstrip().split("\n"))
    message = f"{first.message}{count}\nthe IR with its errors:\n{listing}"
    raise TensorcValueError(message, code=first.code, location=first.location, help=first.help)


# What indexing and unpacking raise when an op has fewer operands, regions or blocks than its class expects.
_AUTHOR_SLIPS = (ValueError, TypeError, AttributeError, IndexError, KeyError, ArithmeticError)
_Step = Operation | Region | set[Value] | list[Value] | tuple[OpResult, ...]


def _excerpt(lines: list[str]) -> str:
    """The listing; of a long one only the lines around errors."""
    if len(lines) <= LONGEST_LISTING:
        return "\n".join(lines)
    near = {0, len(lines) - 1}
    for number, line in enumerate(lines):
        if line.lstrip().startswith("// ^ error["):
            near.update(range(max(number - AROUND, 0), min(number + AROUND, len(lines) - 1) + 1))
    shown: list[str] = []
    last = -1
    for number in sorted(near):
        if number > last + 1:
            shown.append(f"// ... {number - last - 1} lines")
        shown.append(lines[number])
        last = number
    return "\n".join(shown)


class _Verifier:
    def __init__(self, allow_unregistered: bool) -> None:
        self.found: list[Diagnostic] = []
        self._allow_unregistered = allow_unregistered
        self._visible: set[Value] = set()
        self._symbols: dict[Operation, dict[str, Operation]] = {}

    def run(self, root: Operation) -> None:
        """Pre-order. A list hides the values of a finished region, a set restores what an isolated op hid,
        a tuple shows an op's results.
        """
        todo: list[_Step] = [root]
        self._visible = set(root.operands)  # what lies around `root` is not checked
        while todo:
            item = todo.pop()
            if isinstance(item, set):
                self._visible = item
            elif isinstance(item, list):
                self._visible.difference_update(item)
            elif isinstance(item, tuple):
                self._visible.update(item)
            elif isinstance(item, Region):
                self._enter(item, todo)
            else:
                self._operation(item, todo)

    def report(self, op: Operation, code: str, message: str, help: str | None = None) -> None:
        self.found.append(Diagnostic(code, f"{op.name}: {message}", op, op.location, help))

    # -- structure

    def _enter(self, region: Region, todo: list[_Step]) -> None:
        owner = cast(Operation, region.parent)
        if len(region.blocks) > 1:
            self.report(
                owner,
                "TC0130",
                f"a region has {len(region.blocks)} blocks",
                "control flow is structured: one block",
            )
        defined: list[Value] = []
        inside: list[Operation] = []
        for block in region.blocks:
            self._visible.update(block.args)
            defined += block.args
            for op in block:
                inside.append(op)
                defined += op.results
            self._terminator(block, owner)
        todo.append(defined)
        todo.extend(reversed(inside))

    def _terminator(self, block: Block, owner: Operation) -> None:
        if owner.definition is None or owner.has_trait(Trait.SYMBOL_TABLE):
            return
        last = block.last
        if last is None:
            self.report(owner, "TC0124", "a block is empty and needs a terminator")
        elif last.definition is not None and not last.has_trait(Trait.TERMINATOR):
            self.report(last, "TC0124", "is the last op of its block but no terminator")

    def _operation(self, op: Operation, todo: list[_Step]) -> None:
        self._operands(op)
        if op.has_trait(Trait.TERMINATOR) and op.next is not None:
            self.report(op, "TC0124", "is a terminator but not the last op of its block")
        if op.has_trait(Trait.SYMBOL_TABLE):
            self._symbol_table(op)
        if op.definition is not None:
            self._semantics(op, op.definition)
        elif not self._allow_unregistered:
            self.report(op, "TC0120", "is not a registered op")
        if not op.regions:
            self._visible.update(op.results)
            return
        todo.append(op.results)
        if op.has_trait(Trait.ISOLATED):
            todo.append(self._visible)
            self._visible = set()
        todo.extend(reversed(op.regions))

    def _operands(self, op: Operation) -> None:
        for number, value in enumerate(op.operands):
            if (op, number) not in value._uses:
                self.report(op, "TC0131", f"operand {number} does not list this use")
            if value not in self._visible:
                self.report(op, "TC0123", f"operand {number} {_why_invisible(op, value)}")

    # -- meaning

    def _semantics(self, op: Operation, definition: type[OpDefinition]) -> None:
        known = known_attribute_names(definition)
        for name in op.attributes:
            if name not in known and "." not in name:
                expected = f"it has {', '.join(known)}" if known else "it has none"
                self.report(
                    op, "TC0121", f"unknown attribute `{name}`", f"{expected}; names with a dot are free"
                )
        try:
            attrs = op.attrs
        except ValueError as error:
            self.report(op, "TC0122", str(error))
            return
        if definition.regions is not None and len(op.regions) != definition.regions:
            self.report(op, "TC0132", f"has {len(op.regions)} regions, must have {definition.regions}")
            return
        if self._inference(op, definition, attrs):
            for message in _further_rules(definition, op):
                self.report(op, "TC0126", message)
        if op.isa(Call):
            self._call(op)

    def _inference(self, op: Operation, definition: type[OpDefinition], attrs: Attrs) -> bool:
        operands = [v.type for v in op.operands]
        if not op.results and any(isinstance(t, MemRefType) for t in operands):
            return self._destination_passing(op, definition, attrs, operands)
        inferred = _infer(definition, operands, attrs)
        if isinstance(inferred, TensorcError):
            self._constraint(op, inferred)
            return False
        stated = tuple([v.type for v in op.results])
        if inferred is None or inferred == stated:
            return True
        self.report(op, "TC0125", f"results are ({_list(stated)}), inference says ({_list(inferred)})")
        return False

    def _constraint(self, op: Operation, error: TensorcError) -> None:
        message = error.message if error.message.startswith(op.name) else f"{op.name}: {error.message}"
        self.found.append(Diagnostic(error.code, message, op, op.location, error.help, error.notes))

    def _destination_passing(
        self, op: Operation, definition: type[OpDefinition], attrs: Attrs, operands: list[Type]
    ) -> bool:
        """Loop-level ops (`memref.store`) infer on buffers as they are; tensor ops on what the buffers
        hold.
        """
        as_written = _infer(definition, operands, attrs)
        if as_written is None or as_written == ():
            return True
        tensors = [_held(t) for t in operands]
        first_error: TensorcError | None = as_written if isinstance(as_written, TensorcError) else None
        for count in range(1, len(operands) + 1):
            inferred = _infer(definition, tensors[:-count], attrs)
            if isinstance(inferred, TensorcError):
                first_error = inferred if count == 1 else first_error
            elif inferred is not None and len(inferred) == count:
                if _agree(inferred, tensors[-count:]):
                    return True
                message = f"outputs are ({_list(operands[-count:])}), inference says ({_list(inferred)})"
                self.report(op, "TC0125", message)
                return False
        self._constraint(
            op, first_error or TensorcValueError("outputs do not fit the operands", code="TC0125")
        )
        return False

    # -- symbols

    def _symbol_table(self, op: Operation) -> None:
        names: dict[str, Operation] = {}
        for inner in (inner for region in op.regions for block in region.blocks for inner in block):
            name = inner.attributes.get("sym_name")
            if isinstance(name, StringAttr) and name.value in names:
                self.report(inner, "TC0128", f"symbol @{name.value} is defined twice")
            elif isinstance(name, StringAttr):
                names[name.value] = inner
        self._symbols[op] = names

    def _call(self, op: Operation) -> None:
        table = op.parent
        while table is not None and not table.has_trait(Trait.SYMBOL_TABLE):
            table = table.parent
        if table is None:
            return
        if table not in self._symbols:
            self._symbol_table(table)
        name = cast(CallAttrs, op.attrs).callee.name
        callee = self._symbols[table].get(name)
        if callee is None or not callee.isa(Func):
            self.report(op, "TC0129", f"there is no function @{name}")
            return
        try:
            type = function_type(callee)
        except ValueError:
            return  # reported at the function
        operands, results = tuple(v.type for v in op.operands), tuple(v.type for v in op.results)
        if operands != type.inputs:
            self.report(op, "TC0129", f"@{name} takes ({_list(type.inputs)}), given ({_list(operands)})")
        if results != type.results:
            self.report(op, "TC0129", f"@{name} returns ({_list(type.results)}), stated ({_list(results)})")


def _infer(
    definition: type[OpDefinition], operands: Sequence[Type], attrs: Attrs
) -> tuple[Type, ...] | TensorcError | None:
    try:
        inferred = definition.infer(operands, attrs)
    except TensorcError as error:
        return error
    except _AUTHOR_SLIPS as error:
        # Text can give an op any number and kind of operands; inference unpacks and reads them as the op's
        # authors expect.
        return TensorcValueError(f"does not accept operands ({_list(operands)}): {error}", code="TC0125")
    return None if inferred is None else tuple(inferred)


def _further_rules(definition: type[OpDefinition], op: Operation) -> list[str]:
    try:
        return definition.verify(op)
    except _AUTHOR_SLIPS as error:
        return [f"is malformed: {error}"]


def _held(type: Type) -> Type:
    return TensorType(type.shape, type.element) if isinstance(type, MemRefType) else type


def _agree(inferred: Sequence[Type], outputs: Sequence[Type]) -> bool:
    """Equal up to extents that one side does not know."""
    return all(
        isinstance(a, TensorType)
        and isinstance(b, TensorType)
        and a.element == b.element
        and len(a.shape) == len(b.shape)
        and all(x is None or y is None or x == y for x, y in zip(a.shape, b.shape, strict=True))
        for a, b in zip(inferred, outputs, strict=True)
    )


def _list(types: Sequence[Type]) -> str:
    return ", ".join(map(str, types))


def _why_invisible(op: Operation, value: Value) -> str:
    block = (
        value.block
        if isinstance(value, BlockArgument)
        else value.op.block
        if isinstance(value, OpResult)
        else None
    )
    owner = value.owner
    source = "a block argument" if owner is None else f"the result of {owner.name}"
    if block is None:
        return f"({source}) is not part of this program"
    if block is op.block:
        return f"({source}) is used before it is defined"
    around: Operation | None = op
    barrier: Operation | None = None
    while around is not None and around.block is not block:
        around = around.parent
        if around is not None and around.has_trait(Trait.ISOLATED):
            barrier = around
    if around is None:
        return f"({source}) is defined in a region that this op cannot see"
    if barrier is not None:
        return f"({source}) is defined outside {barrier.name}, which is isolated from above"
    return f"({source}) is used before it is defined"
