"""The text of one LLVM function while it is written: lines, names, labels, loops, memory.

A function that begins in the middle of another (the body of a loop for several threads) is another object:
what is common to all functions of a module is a `ModuleText`.

What lets LLVM move loads and stores: alias scopes. Every `memref.alloc`, every `memref.alloca` and every
argument that is stored to lies in a scope of its own, all other arguments share one: inputs may overlap one
another; by the ABI an output overlaps nothing but the input it may be written over, which shares its scope.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from tensorc.codegen_llvm.emitter_exits import Exits
from tensorc.codegen_llvm.emitter_values import (
    Buffer,
    Scalar,
    Scopes,
    byte_width,
    i64,
    llvm_type,
    overload_name,
    scope_nodes,
    scope_suffix,
)
from tensorc.ir.builtin import functions
from tensorc.ir.core import Operation
from tensorc.ir.errors import InternalError
from tensorc.ir.types import MemRefType, ScalarType
from tensorc.ops.loops.nests import OF_LIBRARY

if TYPE_CHECKING:
    from tensorc.codegen_llvm.emitter import EmitterOptions

STACK_LIMIT = 1 << 18
"""Bytes one function may take with `memref.alloca`."""


WEIGHTS = 1 << 20
"""The number of a metadata node beyond all others."""


@dataclass
class ModuleText:
    """What the functions of one module have in common."""

    module: Operation
    options: EmitterOptions
    declarations: dict[str, str] = field(default_factory=dict)
    """Of what is called from outside, and helpers of ours, by name."""
    scopes: int = 0
    """Alias scopes that its functions tell apart."""
    bodies: list[str] = field(default_factory=list)
    """Definitions of functions that others have begun."""
    loops: dict[str, str] = field(default_factory=dict)
    """The names of those, by what stands behind the name."""
    costs: dict[str, int] = field(default_factory=dict)
    """The work of a call of a function (`emitter_parallel.py`), for those that were asked about."""
    elementwise: dict[str, Operation] = field(default_factory=dict)
    """Elementwise functions that are called, by name (`instructions.py`)."""

    @cached_property
    def is_library(self) -> bool:
        """Whether it is machine code that other modules call."""
        return any(OF_LIBRARY in f.attributes and f.regions[0].blocks for f in functions(self.module))

    def text(self, definitions: Sequence[str]) -> str:
        parts = [*definitions, *self.bodies, *self.declarations.values(), *scope_nodes(self.scopes)]
        return "\n".join(parts) + "\n"


@dataclass(frozen=True)
class OpenLoop:
    """A loop whose body is being emitted, and tested behind it; its phis (the induction variable, carried
    values) begin at line `first`. `before` is the block that goes around it where nothing is to be done, None
    where something is.
    """

    inside: str
    done: str
    before: str | None
    first: int
    starts: Sequence[Scalar]
    upper: Scalar
    phis: list[Scalar]
    mark: int


class FunctionText:
    """One function; subclasses change how pointers are written."""

    def __init__(self, unit: ModuleText, name: str = "") -> None:
        self.unit = unit
        self.name = name
        self.lines: list[str] = []
        self.entry: list[str] = []
        self.label = "entry"
        self.names = 0
        self.stack = 0
        self.scopes = Scopes()
        self.exits = Exits()
        self._known: dict[str, Scalar] = {}
        self._sums: dict[str, tuple[Scalar, int]] = {}
        self._multiples: dict[str, tuple[Scalar, int]] = {}

    def text(self, head: str) -> str:
        """The definition; `head` is what stands before the brace."""
        return "\n".join([f"{head} {{", "entry:", *self.entry, *self.lines, "}"])

    def function_attributes(self) -> str:
        """Written out on each function: joined with other text, numbered groups could clash."""
        flags = ["nounwind", '"denormal-fp-math"="ieee,ieee"', '"no-trapping-math"="true"']
        if self.unit.options.vector_width is not None:
            flags.append(f'"prefer-vector-width"="{self.unit.options.vector_width}"')
        return " ".join(flags)

    def line(self, text: str) -> None:
        self.lines.append("  " + text)

    def let(self, type: str, text: str) -> Scalar:
        """Append `%n = text` and give the result."""
        name = f"%v{self.names}"
        self.names += 1
        self.lines.append(f"  {name} = {text}")
        return Scalar(type, name)

    def pure(self, type: str, text: str) -> Scalar:
        """The result of a computation without effects; the same is written once where it was already."""
        found = self._known.get(text)
        if found is None:
            found = self._known[text] = self.let(type, text)
        return found

    @property
    def mark(self) -> int:
        """How many computations `pure` knows of."""
        return len(self._known)

    def forget(self, mark: int) -> None:
        """What was computed since `mark` is not there for what follows."""
        for _ in range(len(self._known) - mark):
            self._known.popitem()

    def new_label(self, hint: str) -> str:
        self.names += 1
        return f"{hint}{self.names - 1}"

    def place(self, label: str) -> None:
        self.lines.append(f"{label}:")
        self.label = label

    def branch(self, target: str) -> None:
        self.line(f"br label %{target}")

    def branch_if(self, condition: Scalar, yes: str, no: str, unlikely: bool = False) -> None:
        """With `unlikely`, registers are not kept free for what lies beyond `yes`."""
        weights = ""
        if unlikely:
            self.declare("!unlikely", f'!{WEIGHTS} = !{{!"branch_weights", i32 1, i32 4095}}')
            weights = f", !prof !{WEIGHTS}"
        self.line(f"br {condition}, label %{yes}, label %{no}{weights}")

    def intrinsic(
        self, name: str, overload: str, args: Sequence[Scalar], result: str | None = None
    ) -> Scalar:
        """Call `llvm.<name>.<overload>`."""
        symbol, result = f"llvm.{name}.{overload_name(overload)}", result or overload
        self.declare(symbol, f"declare {result} @{symbol}({', '.join(a.type for a in args)}) nounwind")
        return self.pure(result, f"call {result} @{symbol}({', '.join(map(str, args))})")

    def library(self, symbol: str, args: Sequence[Scalar]) -> Scalar:
        """Call the C library's function of that double-precision name at the type of the arguments."""
        type = args[0].type
        return self.call(symbol + ("f" if type == "float" else ""), args, type, pure=True)

    def declare(self, name: str, text: str) -> None:
        """Say once a module what `name` is."""
        self.unit.declarations.setdefault(name, text)

    def call(self, symbol: str, args: Sequence[Scalar], result: str, *, pure: bool = False) -> Scalar:
        """Call a declared function; `pure` says it reads and writes nothing and returns."""
        types = ", ".join(a.type for a in args)
        self.declare(symbol, f"declare {result} @{symbol}({types}){self.declaration_flags(pure)}")
        text = f"call {result} @{symbol}({', '.join(map(str, args))})"
        if result == "void":
            self.line(text)
            return Scalar("void", "")
        return self.let(result, text)

    def declaration_flags(self, pure: bool) -> str:
        return " nounwind willreturn memory(none)" if pure else " nounwind"

    def add(self, a: Scalar, b: Scalar) -> Scalar:
        """i64 sum, literals folded."""
        if a.constant is not None and b.constant is not None:
            return i64(_wrapped(a.constant + b.constant))
        if a.constant == 0 or b.constant == 0:
            return b if a.constant == 0 else a
        if b.constant is not None and a.text in self._sums:
            a, more = self._sums[a.text]
            b = i64(_wrapped(b.constant + more))
            if b.constant == 0:
                return a
        total = self.pure("i64", f"add {a}, {b.text}")
        if b.constant is not None:
            self._sums[total.text] = (a, b.constant)
        return total

    def mul(self, a: Scalar, b: Scalar) -> Scalar:
        """i64 product, literals folded."""
        if a.constant is not None and b.constant is not None:
            return i64(_wrapped(a.constant * b.constant))
        if a.constant == 1 or b.constant == 1:
            return b if a.constant == 1 else a
        if a.constant == 0 or b.constant == 0:
            return i64(0)
        if b.constant is None:
            a, b = (b, a) if a.constant is not None else (a, b)
        if b.constant is not None and a.text in self._multiples:
            a, factor = self._multiples[a.text]
            b = i64(_wrapped(b.constant * factor))
        product = self.pure("i64", f"mul {a}, {b.text}")
        if b.constant is not None:
            self._multiples[product.text] = (a, b.constant)
        return product

    # memory, in terms a subclass can change

    def element_pointer(self, element: ScalarType, base: str, index: Scalar) -> str:
        if index.constant == 0:
            return base
        return self.pure("ptr", f"getelementptr {llvm_type(element)}, ptr {base}, {index}").text

    def load_element(self, buffer: Buffer, pointer: str) -> Scalar:
        kind, align = llvm_type(buffer.type.element), byte_width(buffer.type.element)
        return self.let(kind, f"load {kind}, ptr {pointer}, align {align}{self.scope_suffix(buffer)}")

    def store_element(self, value: Scalar, buffer: Buffer, pointer: str) -> None:
        align = byte_width(buffer.type.element)
        self.line(f"store {value}, ptr {pointer}, align {align}{self.scope_suffix(buffer)}")

    def scope_suffix(self, buffer: Buffer) -> str:
        if buffer.root is not None:
            self.unit.scopes = max(self.unit.scopes, buffer.root + 1)
        return scope_suffix(buffer.root)

    def address(self, buffer: Buffer, indices: Sequence[Scalar]) -> str:
        """The pointer to an element. Neighbours at known distances have one base."""
        if not indices:
            return buffer.start
        index, stride, distance = indices[-1], buffer.strides[-1], 0
        if stride.constant is not None and index.text in self._sums:
            index, more = self._sums[index.text]
            distance = more * stride.constant
        row = self.row(buffer, indices[:-1])
        start = self.element_pointer(buffer.type.element, row, self.mul(index, stride))
        return self.element_pointer(buffer.type.element, start, i64(distance))

    def row(self, buffer: Buffer, indices: Sequence[Scalar]) -> str:
        """The pointer to the beginning of a row along the last axis."""
        place = i64(0)
        for index, stride in zip(indices, buffer.strides, strict=False):
            place = self.add(place, self.mul(index, stride))
        return self.element_pointer(buffer.type.element, buffer.start, place)

    def make_buffer(
        self,
        type: MemRefType,
        base: str,
        offset: Scalar,
        sizes: Sequence[Scalar],
        strides: Sequence[Scalar],
        root: int | None,
    ) -> Buffer:
        """A buffer whose static numbers come from its type."""
        offset = i64(type.offset) if type.offset is not None else offset
        sizes = [n if k is None else i64(k) for n, k in zip(sizes, type.shape, strict=True)]
        strides = [n if k is None else i64(k) for n, k in zip(strides, type.strides, strict=True)]
        start = self.element_pointer(type.element, base, offset)
        return Buffer(type, base, start, offset, tuple(sizes), tuple(strides), root)

    def row_major(self, type: MemRefType, sizes: Sequence[Scalar]) -> list[Scalar]:
        """Strides of a contiguous buffer."""
        strides: list[Scalar] = []
        step = i64(1)
        for n in reversed(sizes):
            strides.append(step)
            step = self.mul(step, n)
        return strides[::-1]

    def frame_buffer(self, element: ScalarType, count: int) -> str:
        """A pointer to `count` elements in the frame."""
        return self.frame(count * byte_width(element), 64)

    def frame(self, size: int, align: int) -> str:
        """Bytes in the function's frame, the same for every execution of the op that asks."""
        self.stack += size
        if self.stack > STACK_LIMIT:
            raise InternalError(f"memref.alloca beyond {STACK_LIMIT} bytes in one function: use memref.alloc")
        name = f"%s{len(self.entry)}"
        self.entry.append(f"  {name} = alloca [{size} x i8], align {align}")
        return name

    def open_loop(self, lower: Scalar, upper: Scalar, inits: Sequence[Scalar] = ()) -> OpenLoop:
        """Begin `for iv = lower; iv < upper`, carrying values; what follows is the body."""
        inside, done = self.new_label("body"), self.new_label("done")
        before: str | None = self.label
        if lower.constant is not None and upper.constant is not None and lower.constant < upper.constant:
            self.branch(inside)
            before = None
        else:
            self.branch_if(self.let("i1", f"icmp slt {lower}, {upper.text}"), inside, done)
        starts, entered = (lower, *inits), self.label
        self.place(inside)
        first = len(self.lines)
        phis = [self.let(v.type, f"phi {v.type} [ {v.text}, %{entered} ]") for v in starts]
        return OpenLoop(inside, done, before, first, starts, upper, phis, self.mark)

    def close_loop(
        self, loop: OpenLoop, step: Scalar, carried: Sequence[Scalar] = (), index: bool = False
    ) -> list[Scalar]:
        """End the body; gives what the loop carried in the end, with `index` the induction variable before
        it. iv < upper inside, so iv + 1 cannot overflow; other steps might.
        """
        iv = loop.phis[0]
        following = self.let(iv.type, f"add{' nsw' if step.constant == 1 else ''} {iv}, {step.text}")
        again = self.let("i1", f"icmp slt {following}, {loop.upper.text}")
        self.forget(loop.mark)
        self.complete_phis(loop.first, [following, *carried])
        last = self.label
        self.branch_if(again, loop.inside, loop.done)
        self.place(loop.done)
        ends = list(zip(loop.starts, [following, *carried], strict=True))[0 if index else 1 :]
        if loop.before is None:
            return [end for _, end in ends]
        edges = f"%{loop.before}", f"%{last}"
        return [
            self.let(end.type, f"phi {end.type} [ {start.text}, {edges[0]} ], [ {end.text}, {edges[1]} ]")
            for start, end in ends
        ]

    def complete_phis(self, first: int, values: Sequence[Scalar]) -> None:
        """Add the edge from the current block to the phis that begin at line `first`."""
        for n, value in enumerate(values, first):
            self.lines[n] += f", [ {value.text}, %{self.label} ]"


def _wrapped(n: int) -> int:
    """The signed number of 64 bits that a result is."""
    return (n + (1 << 63)) % (1 << 64) - (1 << 63)
