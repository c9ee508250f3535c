"""L2 to LLVM IR text.

One typed emitter: every SSA value becomes a `Scalar` or a `Buffer` (an exploded memref descriptor whose
static numbers are literals). Functions follow MLIR's `_mlir_ciface_` convention: a memref argument is a
pointer to `{ptr, ptr, i64, [r x i64], [r x i64]}`, everything else is passed directly. External functions
take a buffer as the plain pointer to its first element; those of `BY_REFERENCE` (Fortran libraries) take
scalars by address too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from tensorc.codegen_llvm import (
    emitter_claims,
    emitter_copies,
    emitter_exits,
    emitter_indices,
    emitter_parallel,
    emitter_polls,
    instructions,
)
from tensorc.codegen_llvm.emitter_scalar import emit_scalar
from tensorc.codegen_llvm.emitter_values import Buffer, Scalar, byte_width, i64, literal, llvm_type
from tensorc.codegen_llvm.emitter_vectors import VECTOR_OPS
from tensorc.codegen_llvm.function_text import FunctionText, ModuleText
from tensorc.codegen_llvm.parallel_loops import ParallelLoop, stores
from tensorc.ir.builtin import (
    Call,
    CallAttrs,
    Func,
    FuncAttrs,
    Return,
    body,
    function_type,
    functions,
    lookup,
    symbol_name,
)
from tensorc.ir.core import Block, Operation, Value
from tensorc.ir.definition import OpDefinition
from tensorc.ir.errors import InternalError
from tensorc.ir.types import MemRefType
from tensorc.ops.loops import arith, memref, scf
from tensorc.ops.loops.claims import CLAIM
from tensorc.ops.loops.memref import view_parts
from tensorc.ops.loops.nests import (
    APART,
    CALLED,
    ELEMENTWISE,
    HIDDEN,
    LANEWISE,
    OF_LIBRARY,
    PRODUCT,
    UNLIKELY,
)

Steps = Iterator["Steps"]
"""A region op's handler is a generator that yields the emission of its blocks: nesting costs no Python stack.
"""

BY_REFERENCE = ("tensorc_blas_", "tensorc_lapack_")
RARE = "willreturn memory(none)"
"""What is known of rare functions and their calls (`passes/math/rare.py`)."""


@dataclass(frozen=True)
class EmitterOptions:
    """`vector_width` is the preferred vector register width in bits, None for LLVM's own choice; with
    `polls`, long computations answer signals (`emitter_polls.py`); loops of `parallel_work` or more run in
    several threads (`emitter_parallel.py`), None: no loop does. That needs `polls`. With `avx512`, its
    instructions may be used by name (`instructions.py`). With `shared`, rare functions are those that all
    code of the process calls (`libraries.py`), whatever the module defines.
    """

    vector_width: int | None = None
    polls: bool = False
    parallel_work: int | None = None
    avx512: bool = False
    shared: bool = False


def emit(module: Operation, options: EmitterOptions | None = None) -> str:
    """The LLVM IR text of an L2 module. Raises InternalError on an op or type that is not L2."""
    unit = ModuleText(module, options or EmitterOptions())
    definitions = [
        Emitter(unit, symbol_name(f) or "").definition(f)
        for f in functions(module)
        if f.regions[0].blocks and ELEMENTWISE not in f.attributes and not is_shared(unit, f)
    ]
    done = 0
    while done < len(unit.elementwise):  # they call one another
        name, function = list(unit.elementwise.items())[done]
        definitions.append(Emitter(unit, name).definition(function))
        done += 1
    return unit.text(definitions)


def is_shared(unit: ModuleText, function: Operation) -> bool:
    """Whether a function is a rare one that code of its own stands for."""
    return LANEWISE in function.attributes and unit.options.shared


class Emitter(FunctionText):
    """Emits one function. Handlers are found by op class in `handlers`; subclasses change how functions
    are called.
    """

    handlers: ClassVar[dict[type[OpDefinition], str]] = {
        arith.Constant: "_constant",
        Call: "_call",
        Return: "_return",
        memref.Alloc: "alloc",
        memref.Alloca: "alloca",
        memref.Dealloc: "_dealloc",
        memref.Load: "_load",
        memref.Store: "_store",
        memref.Dim: "_dim",
        memref.ReinterpretCast: "_reinterpret_cast",
        memref.ExtractStridedMetadata: "_metadata",
        memref.Cast: "_cast",
        memref.Copy: "_copy",
        scf.For: "_for",
        scf.If: "_if",
        scf.While: "_while",
        scf.Parallel: "_parallel",
        scf.Yield: "_nothing",
        scf.Condition: "_nothing",
        scf.Reduce: "_nothing",
    }

    def __init__(self, unit: ModuleText, name: str = "") -> None:
        super().__init__(unit, name)
        self.values: dict[Value, Scalar | Buffer] = {}
        self.depth = 0
        """Loops around the op that is being emitted."""
        self.record: emitter_polls.Record | None = None
        self.claims = emitter_claims.Claims()
        self.parallel: dict[Operation, ParallelLoop] = {}
        self.elsewhere: set[Operation] = set()
        """Allocations that every thread makes for itself, where its part of the loop begins."""
        self.emitted: set[Operation] = set()
        """Ops that stand before the loop in whose body they were."""
        self.streams: dict[Value, Scalar] = {}
        """Whether outputs are large, for those that are stored to past the caches where they are."""
        self.captured = 0
        """Bytes of the frame for what loops of several threads read."""
        self.nothing = "void"
        """What a return without values returns."""

    # values

    def scalar(self, value: Value) -> Scalar:
        found = self.values[value]
        if not isinstance(found, Scalar):
            raise InternalError(f"a scalar is expected where there is a {value.type}")
        return found

    def buffer(self, value: Value) -> Buffer:
        found = self.values[value]
        if not isinstance(found, Buffer):
            raise InternalError(f"a memref is expected where there is a {value.type}")
        return found

    def number(self, n: int | Value) -> Scalar:
        return i64(n) if isinstance(n, int) else self.scalar(n)

    # functions

    def definition(self, function: Operation) -> str:
        """The text of a `func.func`."""
        attrs = function.attrs
        assert isinstance(attrs, FuncAttrs)
        block = body(function)
        self.claims = emitter_claims.of(function)
        roots = self._argument_roots(block)
        parameters = [self._parameter(n, arg, roots[arg]) for n, arg in enumerate(block.args)]
        cell = emitter_polls.error_cell(function) if self.unit.options.polls else None
        if cell is not None:
            aligned = self.buffer(block.args[cell]).base
            self.record = emitter_polls.find_record(self, f"%a{cell}", aligned)
            emitter_parallel.find(self, block)
        kind = result_type(function)
        if emitter_parallel.is_part(function):
            parameters.append(emitter_parallel.begin_part(self, block))
            kind = "i32"
        self.run(block)
        self._finish(kind)
        linkage = "internal " if attrs.sym_visibility == "private" else ""
        head = f"define {linkage}{kind} @{self.name}({', '.join(parameters)})"
        flags = self.function_attributes()
        if LANEWISE in function.attributes:
            flags = f"noinline {RARE} {flags}"
        elif ELEMENTWISE in function.attributes:
            flags = f"{f'noinline {RARE}' if CALLED in function.attributes else 'alwaysinline'} {flags}"
        elif APART in function.attributes:
            flags = f"noinline {flags}"
        return self.text(f"{head} {flags}")

    def _finish(self, kind: str) -> None:
        """What stands behind a function's own code."""
        if self.exits.edges and kind != "i32":
            raise InternalError("what may fail needs a function that returns an i32 code")
        emitter_exits.finish(self)
        emitter_parallel.finish(self)

    def run(self, block: Block) -> None:
        """Emit a block and everything nested in it."""
        stack: list[Steps] = [self.emit_block(block)]
        while stack:
            nested = next(stack[-1], None)
            if nested is None:
                stack.pop()
            else:
                stack.append(nested)

    def emit_block(self, block: Block) -> Steps:
        handlers, mark = self.handlers, self.mark
        for op in block:
            if op in self.emitted:
                continue
            name = handlers.get(op.definition) if op.definition is not None else None
            if name is None:
                self._scalar_op(op)
                continue
            nested = getattr(self, name)(op)
            if nested is not None:
                yield nested
        self.forget(mark)

    def opaque(self, at: Scalar) -> Scalar:
        """The index of a loop, as a number of which LLVM's passes know nothing."""
        self.declare("llvm.expect.i64", "declare i64 @llvm.expect.i64(i64, i64)")
        return self.let("i64", f"call i64 @llvm.expect.i64({at}, i64 0)")

    def emit_now(self, op: Operation) -> None:
        """Emit a scalar op before its block."""
        self.emitted.add(op)
        if op.isa(arith.Constant):
            self._constant(op)
        else:
            self._scalar_op(op)

    def _scalar_op(self, op: Operation) -> None:
        vector = None if op.definition is None else VECTOR_OPS.get(op.definition)
        if vector is not None:
            made = vector(self, op)
            if made is not None:
                self.values[op.result] = made
            return
        result = emit_scalar(self, op)
        if result is None:
            raise InternalError(f"{op.name} has no machine code")
        self.values[op.result] = result

    def _argument_roots(self, block: Block) -> dict[Value, int | None]:
        """The alias scope of each memref argument: its own if stored to, else the inputs' common one."""
        source: dict[Value, Value] = {arg: arg for arg in block.args}
        written: set[Value] = set()
        for parent in block:
            for op in parent.walk():
                if op.definition in _VIEWS:
                    source[op.results[0]] = source.get(op.operands[0], op.operands[0])
                written.update(source.get(target, target) for target, _ in stores(op))
        roots: dict[Value, int | None] = {}
        inputs = self.scopes.new()
        for arg in block.args:
            roots[arg] = self.scopes.new() if arg in written else inputs
        for output, cell in self.claims.over.items():
            roots[cell] = roots[output]
        return roots

    def _parameter(self, number: int, arg: Value, root: int | None) -> str:
        name = f"%a{number}"
        if not isinstance(arg.type, MemRefType):
            self.values[arg] = Scalar(llvm_type(arg.type), name)
            return f"{llvm_type(arg.type)} {name}"
        base = None if self.claims.has_memory(arg) else emitter_claims.NO_MEMORY_YET
        self.values[arg] = self.load_descriptor(arg.type, name, root, base)
        return f"ptr {name}"

    def load_descriptor(
        self, type: MemRefType, pointer: str, root: int | None, base: str | None = None
    ) -> Buffer:
        """Read the numbers of a descriptor that the type does not tell, and where the data is, if not at
        `base`.
        """
        rank = type.rank
        base = base or self.let("ptr", f"load ptr, ptr {self._field(pointer, 8)}, align 8").text
        offset = i64(0) if type.offset is not None else self._read(pointer, 16)
        sizes = [
            i64(n) if n is not None else self._read(pointer, 24 + 8 * k) for k, n in enumerate(type.shape)
        ]
        if type.layout is None:
            strides = self.row_major(type, sizes)
        else:
            strides = [
                i64(n) if n is not None else self._read(pointer, 24 + 8 * (rank + k))
                for k, n in enumerate(type.strides)
            ]
        return self.make_buffer(type, base, offset, sizes, strides, root)

    def _field(self, pointer: str, offset: int) -> str:
        return self.let("ptr", f"getelementptr i8, ptr {pointer}, i64 {offset}").text

    def _read(self, pointer: str, offset: int) -> Scalar:
        return self.let("i64", f"load i64, ptr {self._field(pointer, offset)}, align 8")

    def store_descriptor(self, buffer: Buffer) -> Scalar:
        """Write a descriptor into the frame, for a call of one of our own functions."""
        pointer = self.frame(24 + 16 * buffer.type.rank, 8)
        fields = [Scalar("ptr", buffer.base), Scalar("ptr", buffer.base), buffer.offset]
        for n, value in enumerate([*fields, *buffer.sizes, *buffer.strides]):
            self.line(f"store {value}, ptr {self._field(pointer, 8 * n)}, align 8")
        return Scalar("ptr", pointer)

    # handlers: scalars and calls

    def _nothing(self, op: Operation) -> None:
        """A terminator: the op that owns the region reads its operands."""

    def _constant(self, op: Operation) -> None:
        attrs = op.attrs
        assert isinstance(attrs, arith.ConstantAttrs)
        self.values[op.result] = literal(attrs.value)

    def _return(self, op: Operation) -> None:
        values = [self.scalar(v) for v in op.operands]
        self.line(f"ret {values[0]}" if values else f"ret {self.nothing}")

    def _call(self, op: Operation) -> None:
        attrs = op.attrs
        assert isinstance(attrs, CallAttrs)
        symbol = attrs.callee.name
        if symbol == CLAIM:
            self.values[op.result] = emitter_claims.claim(self, self.scalar(op.operands[0]))
            return
        callee = lookup(self.unit.module, symbol)
        if callee is None or not callee.isa(Func):
            raise InternalError(f"call of @{symbol}, which the module does not declare")
        external = not callee.regions[0].blocks or is_shared(self.unit, callee)
        shared = OF_LIBRARY in callee.attributes
        convert = self._external_argument if external and not shared else self._own_argument
        by_reference = external and symbol.startswith(BY_REFERENCE)
        args = [convert(v, by_reference) for v in op.operands]
        pure = external and not any(isinstance(v.type, MemRefType) for v in op.operands)
        result = result_type(callee)
        if ELEMENTWISE in callee.attributes:
            self.values[op.result] = instructions.call(self, op, callee)
            return
        rare = LANEWISE in callee.attributes
        if by_reference or shared or (not external and not rare):
            emitter_polls.look_up(self)
        if emitter_parallel.is_part(callee):
            emitter_parallel.call_part(self, symbol, args, declare=external)
            return
        if external:
            value = self.call(symbol, args, result, pure=pure and result != "void")
        else:
            # Kernels of products are called from several places, and long.
            flags = "noinline" if PRODUCT in op.attributes else RARE if rare else ""
            value = self._own_call(symbol, args, result, flags)
        if op.results:
            self.values[op.result] = value

    def _own_call(self, symbol: str, args: Sequence[Scalar], result: str, flags: str) -> Scalar:
        text = f"call {result} @{symbol}({', '.join(map(str, args))}) {flags}"
        if result != "void":
            return self.let(result, text)
        self.line(text)
        return Scalar("void", "")

    def _own_argument(self, value: Value, by_reference: bool) -> Scalar:
        found = self.values[value]
        return self.store_descriptor(found) if isinstance(found, Buffer) else found

    def _external_argument(self, value: Value, by_reference: bool) -> Scalar:
        found = self.values[value]
        if isinstance(found, Buffer):
            return Scalar("ptr", found.start)
        if not by_reference:
            return found
        slot = self.frame(8, 8)
        self.line(f"store {found}, ptr {slot}, align 8")
        return Scalar("ptr", slot)

    # handlers: buffers

    def alloc(self, op: Operation) -> None:
        if op in self.elsewhere:
            return
        if self.claims.made:
            raise InternalError("memory is asked for behind a claim, where nothing may fail")
        kind = op.result.type
        assert isinstance(kind, MemRefType)
        dynamic = iter(op.operands)
        sizes = [i64(n) if n is not None else self.scalar(next(dynamic)) for n in kind.shape]
        size = self.saturated_product([i64(byte_width(kind.element)), *sizes])
        base = emitter_exits.keep(self, size) or emitter_exits.hold(self, size)
        self.values[op.result] = self.make_buffer(
            kind, base, i64(0), sizes, self.row_major(kind, sizes), self.scopes.new()
        )

    def saturated_product(self, factors: Sequence[Scalar]) -> Scalar:
        """The product, or 2**64 - 1 where it does not fit: an allocation that must fail instead of being too
        small.
        """
        total = i64(1)
        for factor in factors:
            if total.constant is not None and factor.constant is not None:
                total = i64(total.constant * factor.constant)
                continue
            if total.constant == 1:
                total = factor
                continue
            total = self.call("tensorc_times", [total, factor], "i64", pure=True)
        return total if total.constant is None or total.constant < 1 << 63 else i64(-1)

    def alloca(self, op: Operation) -> None:
        kind = op.result.type
        assert isinstance(kind, MemRefType)
        sizes = [i64(n or 0) for n in kind.shape]
        base = self.frame_buffer(kind.element, max(1, prod(n.constant or 0 for n in sizes)))
        self.values[op.result] = self.make_buffer(
            kind, base, i64(0), sizes, self.row_major(kind, sizes), self.scopes.new()
        )

    def _dealloc(self, op: Operation) -> None:
        if op.operands[0].owner not in self.elsewhere:
            emitter_exits.drop(self, self.buffer(op.operands[0]).base)

    def _load(self, op: Operation) -> None:
        buffer = self.buffer(op.operands[0])
        pointer = self.address(buffer, [self.scalar(v) for v in op.operands[1:]])
        self.values[op.result] = self.load_element(buffer, pointer)

    def _store(self, op: Operation) -> None:
        buffer = self.buffer(op.operands[1])
        pointer = self.address(buffer, [self.scalar(v) for v in op.operands[2:]])
        self.store_element(self.scalar(op.operands[0]), buffer, pointer)

    def _dim(self, op: Operation) -> None:
        sizes = self.buffer(op.operands[0]).sizes
        axis = self.scalar(op.operands[1])
        if axis.constant is not None:
            self.values[op.result] = sizes[axis.constant]
            return
        found = sizes[0]
        for n, size in enumerate(sizes[1:], 1):
            here = self.let("i1", f"icmp eq {axis}, {n}")
            found = self.let("i64", f"select {here}, {size}, {found}")
        self.values[op.result] = found

    def _reinterpret_cast(self, op: Operation) -> None:
        source = self.buffer(op.operands[0])
        kind = op.result.type
        assert isinstance(kind, MemRefType)
        offset, sizes, strides = view_parts(op)
        self.values[op.result] = self.make_buffer(
            kind,
            source.base,
            self.number(offset),
            [self.number(n) for n in sizes],
            [self.number(n) for n in strides],
            source.root,
        )

    def _metadata(self, op: Operation) -> None:
        source = self.buffer(op.operands[0])
        kind = op.results[0].type
        assert isinstance(kind, MemRefType)
        self.values[op.results[0]] = self.make_buffer(kind, source.base, i64(0), [], [], source.root)
        numbers = [source.offset, *source.sizes, *source.strides]
        self.values.update(zip(op.results[1:], numbers, strict=True))

    def _cast(self, op: Operation) -> None:
        source = self.buffer(op.operands[0])
        kind = op.result.type
        assert isinstance(kind, MemRefType)
        self.values[op.result] = self.make_buffer(
            kind, source.base, source.offset, source.sizes, source.strides, source.root
        )

    def _copy(self, op: Operation) -> None:
        emitter_copies.copy(self, op)

    # handlers: control flow

    def _for(self, op: Operation) -> Steps:
        weight = emitter_parallel.work_of(self, op)
        if weight is not None:
            yield from emitter_parallel.run(self, op, weight)
            return
        lower, upper, step, *inits = (self.scalar(v) for v in op.operands)
        block = op.regions[0].block
        chunks = emitter_polls.open_chunks(self, op, lower, upper, step, inits)
        if chunks is not None:
            lower, upper, inits = chunks.lower, chunks.limit, chunks.carried
        innermost = emitter_indices.is_innermost(block)
        if innermost:
            emitter_indices.hoist(self, block)
        loop = self.open_loop(lower, upper, inits)
        self.values.update(zip(block.args, loop.phis, strict=True))
        if innermost and (HIDDEN in op.attributes or emitter_indices.has_known_steps(self, block)):
            self.values[block.args[0]] = self.opaque(loop.phis[0])
        self.depth += 1
        yield self.emit_block(block)
        self.depth -= 1
        carried = [self.scalar(v) for v in block.terminator.operands]
        ends = self.close_loop(loop, step, carried, index=chunks is not None)
        if chunks is not None:
            ends = emitter_polls.close_chunks(self, chunks, ends)
        self.values.update(zip(op.results, ends, strict=True))

    def _if(self, op: Operation) -> Steps:
        condition = self.scalar(op.operands[0])
        then, other, done = (self.new_label(hint) for hint in ("then", "else", "done"))
        has_else = bool(op.regions[1].blocks)
        self.branch_if(condition, then, other if has_else else done, UNLIKELY in op.attributes)
        arms = []
        for region, label in zip(op.regions, (then, other), strict=True):
            if not region.blocks:
                continue
            self.place(label)
            yield self.emit_block(region.block)
            arms.append((self.label, [self.scalar(v) for v in region.block.terminator.operands]))
            self.branch(done)
        self.place(done)
        for n, result in enumerate(op.results):
            kind = arms[0][1][n].type
            incoming = ", ".join(f"[ {values[n].text}, %{label} ]" for label, values in arms)
            self.values[result] = self.let(kind, f"phi {kind} {incoming}")

    def _while(self, op: Operation) -> Steps:
        inits = [self.scalar(v) for v in op.operands]
        before, after = (region.block for region in op.regions)
        head, inside, done = (self.new_label(hint) for hint in ("head", "body", "done"))
        entered = self.label
        self.branch(head)
        self.place(head)
        first = len(self.lines)
        phis = [self.let(v.type, f"phi {v.type} [ {v.text}, %{entered} ]") for v in inits]
        self.values.update(zip(before.args, phis, strict=True))
        self.depth += 1
        yield self.emit_block(before)
        go_on, *passed = (self.scalar(v) for v in before.terminator.operands)
        self.branch_if(go_on, inside, done)
        self.values.update(zip(after.args, passed, strict=True))
        self.place(inside)
        yield self.emit_block(after)
        self.depth -= 1
        self.complete_phis(first, [self.scalar(v) for v in after.terminator.operands])
        self.branch(head)
        self.place(done)
        self.values.update(zip(op.results, passed, strict=True))

    def _parallel(self, op: Operation) -> Steps:
        """A sequential nest: any order is allowed."""
        block = op.regions[0].block
        rank = len(block.args)
        bounds = [self.scalar(v) for v in op.operands]
        loops = [self.open_loop(bounds[axis], bounds[rank + axis]) for axis in range(rank)]
        self.values.update((arg, loop.phis[0]) for arg, loop in zip(block.args, loops, strict=True))
        self.depth += 1
        yield self.emit_block(block)
        self.depth -= 1
        for loop, step in reversed(list(zip(loops, bounds[2 * rank :], strict=True))):
            self.close_loop(loop, step)


_VIEWS = (memref.ReinterpretCast, memref.Cast, memref.ExtractStridedMetadata)


def result_type(function: Operation) -> str:
    """The LLVM type a `func.func` gives. Raises InternalError if there are several."""
    results = function_type(function).results
    if len(results) > 1:
        raise InternalError("a loop-level function returns at most one value")
    return llvm_type(results[0]) if results else "void"
