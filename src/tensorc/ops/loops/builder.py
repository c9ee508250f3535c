"""`LoopBuilder`: one method per scalar mnemonic, integer sugar for index arithmetic, and `with` blocks for
control flow.

It satisfies the `ScalarBuilder` protocol of scalar bodies. Wherever an `Index` (`int | Value`) is taken,
integers stay integers as long as possible and become `arith.constant` ops only when an op needs them, so that
static extents end up in types and attributes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tensorc.ir.attributes import SymbolRefAttr
from tensorc.ir.builder import Builder
from tensorc.ir.builtin import Call, CallAttrs, Module, Return, function_type, lookup, new_declaration
from tensorc.ir.core import Block, Operation, Region, Value
from tensorc.ir.definition import NO_ATTRS, Attrs, OpDefinition
from tensorc.ir.types import FunctionType, MemRefType, ScalarType, StridedLayout, Type, i8, index
from tensorc.ops.loops import arith, casts, math, memref, scf
from tensorc.ops.loops.base import is_terminated
from tensorc.ops.loops.memref import DYNAMIC, memref_type, segments

Index = int | Value


class Loop:
    """An `scf.for` being built: induction variable, carried values, and results once the `with` block is
    left.
    """

    def __init__(self, b: Builder, op: Operation) -> None:
        self._b = b
        self.op = op
        block = op.regions[0].block
        self.iv: Value = block.args[0]
        self.args: list[Value] = list(block.args[1:])
        self.results = op.results

    def yield_(self, *values: Value) -> None:
        self._b.create_op(scf.Yield, values)


class Branch:
    """An `scf.if` being built."""

    def __init__(self, b: Builder, op: Operation) -> None:
        self._b = b
        self.op = op
        self.results = op.results

    def yield_(self, *values: Value) -> None:
        self._b.create_op(scf.Yield, values)

    @contextmanager
    def else_(self) -> Iterator[None]:
        region = self.op.regions[1]
        block = region.add_block(Block()) if not region.blocks else region.block
        with _inside(self._b, block):
            yield


class WhileLoop:
    """An `scf.while` being built: the condition region first, then `with loop.do() as args:`."""

    def __init__(self, b: Builder, op: Operation) -> None:
        self._b = b
        self.op = op
        self.args: list[Value] = list(op.regions[0].block.args)
        self.results = op.results

    def condition(self, go_on: Value, *values: Value) -> None:
        self._b.create_op(scf.Condition, [go_on, *values])

    def yield_(self, *values: Value) -> None:
        self._b.create_op(scf.Yield, values)

    @contextmanager
    def do(self) -> Iterator[list[Value]]:
        block = self.op.regions[1].block
        with _inside(self._b, block):
            yield list(block.args)


@contextmanager
def _inside(b: Builder, block: Block, terminator: type[OpDefinition] = scf.Yield) -> Iterator[None]:
    """Build in `block`; on leaving, end it with an empty terminator if it has none."""
    with b.at(block):
        yield
        if block.last is None or not is_terminated(block.last):
            b.create_op(terminator, [])


class _Scalars(Builder):
    """The scalar mnemonics."""

    def _op(self, definition: type[OpDefinition], *operands: Value, attrs: Attrs = NO_ATTRS) -> Value:
        return self.create_op(definition, operands, attrs).result

    def _cast(self, definition: type[OpDefinition], x: Value, type: Type) -> Value:
        return self.create_op(definition, [x], results=[type]).result

    def constant(self, value: Any, type: Type) -> Value:
        """A scalar constant: integers wrap to the width, floats round to it, anything truthy is true for
        `i1`.
        """
        return self._op(arith.Constant, attrs=arith.ConstantAttrs(arith.scalar_attribute(value, type)))

    def addf(self, a: Value, b: Value) -> Value:
        return self._op(arith.AddF, a, b)

    def subf(self, a: Value, b: Value) -> Value:
        return self._op(arith.SubF, a, b)

    def mulf(self, a: Value, b: Value) -> Value:
        return self._op(arith.MulF, a, b)

    def divf(self, a: Value, b: Value) -> Value:
        return self._op(arith.DivF, a, b)

    def remf(self, a: Value, b: Value) -> Value:
        return self._op(arith.RemF, a, b)

    def negf(self, a: Value) -> Value:
        return self._op(arith.NegF, a)

    def maximumf(self, a: Value, b: Value) -> Value:
        return self._op(arith.MaximumF, a, b)

    def minimumf(self, a: Value, b: Value) -> Value:
        return self._op(arith.MinimumF, a, b)

    def addi(self, a: Value, b: Value) -> Value:
        return self._op(arith.AddI, a, b)

    def subi(self, a: Value, b: Value) -> Value:
        return self._op(arith.SubI, a, b)

    def muli(self, a: Value, b: Value) -> Value:
        return self._op(arith.MulI, a, b)

    def divsi(self, a: Value, b: Value) -> Value:
        return self._op(arith.DivSI, a, b)

    def divui(self, a: Value, b: Value) -> Value:
        return self._op(arith.DivUI, a, b)

    def floordivsi(self, a: Value, b: Value) -> Value:
        return self._op(arith.FloorDivSI, a, b)

    def ceildivsi(self, a: Value, b: Value) -> Value:
        return self._op(arith.CeilDivSI, a, b)

    def remsi(self, a: Value, b: Value) -> Value:
        return self._op(arith.RemSI, a, b)

    def remui(self, a: Value, b: Value) -> Value:
        return self._op(arith.RemUI, a, b)

    def maxsi(self, a: Value, b: Value) -> Value:
        return self._op(arith.MaxSI, a, b)

    def minsi(self, a: Value, b: Value) -> Value:
        return self._op(arith.MinSI, a, b)

    def maxui(self, a: Value, b: Value) -> Value:
        return self._op(arith.MaxUI, a, b)

    def minui(self, a: Value, b: Value) -> Value:
        return self._op(arith.MinUI, a, b)

    def andi(self, a: Value, b: Value) -> Value:
        return self._op(arith.AndI, a, b)

    def ori(self, a: Value, b: Value) -> Value:
        return self._op(arith.OrI, a, b)

    def xori(self, a: Value, b: Value) -> Value:
        return self._op(arith.XOrI, a, b)

    def shli(self, a: Value, b: Value) -> Value:
        return self._op(arith.ShLI, a, b)

    def shrsi(self, a: Value, b: Value) -> Value:
        return self._op(arith.ShRSI, a, b)

    def shrui(self, a: Value, b: Value) -> Value:
        return self._op(arith.ShRUI, a, b)

    def cmpi(self, predicate: str, a: Value, b: Value) -> Value:
        number = arith.CmpI.predicates.index(predicate)
        return self._op(arith.CmpI, a, b, attrs=arith.PredicateAttrs(number))

    def cmpf(self, predicate: str, a: Value, b: Value) -> Value:
        number = arith.CmpF.predicates.index(predicate)
        return self._op(arith.CmpF, a, b, attrs=arith.PredicateAttrs(number))

    def select(self, condition: Value, yes: Value, no: Value) -> Value:
        return self._op(arith.Select, condition, yes, no)

    def extsi(self, x: Value, type: Type) -> Value:
        return self._cast(casts.ExtSI, x, type)

    def extui(self, x: Value, type: Type) -> Value:
        return self._cast(casts.ExtUI, x, type)

    def trunci(self, x: Value, type: Type) -> Value:
        return self._cast(casts.TruncI, x, type)

    def extf(self, x: Value, type: Type) -> Value:
        return self._cast(casts.ExtF, x, type)

    def truncf(self, x: Value, type: Type) -> Value:
        return self._cast(casts.TruncF, x, type)

    def sitofp(self, x: Value, type: Type) -> Value:
        return self._cast(casts.SIToFP, x, type)

    def uitofp(self, x: Value, type: Type) -> Value:
        return self._cast(casts.UIToFP, x, type)

    def fptosi(self, x: Value, type: Type) -> Value:
        return self._cast(casts.FPToSI, x, type)

    def fptoui(self, x: Value, type: Type) -> Value:
        return self._cast(casts.FPToUI, x, type)

    def bitcast(self, x: Value, type: Type) -> Value:
        return self._cast(casts.Bitcast, x, type)

    def index_cast(self, x: Value, type: Type) -> Value:
        return self._cast(casts.IndexCast, x, type)

    def index_castui(self, x: Value, type: Type) -> Value:
        return self._cast(casts.IndexCastUI, x, type)

    def exp(self, x: Value) -> Value:
        return self._op(math.Exp, x)

    def exp2(self, x: Value) -> Value:
        return self._op(math.Exp2, x)

    def expm1(self, x: Value) -> Value:
        return self._op(math.ExpM1, x)

    def log(self, x: Value) -> Value:
        return self._op(math.Log, x)

    def log2(self, x: Value) -> Value:
        return self._op(math.Log2, x)

    def log10(self, x: Value) -> Value:
        return self._op(math.Log10, x)

    def log1p(self, x: Value) -> Value:
        return self._op(math.Log1p, x)

    def sin(self, x: Value) -> Value:
        return self._op(math.Sin, x)

    def cos(self, x: Value) -> Value:
        return self._op(math.Cos, x)

    def tan(self, x: Value) -> Value:
        return self._op(math.Tan, x)

    def asin(self, x: Value) -> Value:
        return self._op(math.Asin, x)

    def acos(self, x: Value) -> Value:
        return self._op(math.Acos, x)

    def atan(self, x: Value) -> Value:
        return self._op(math.Atan, x)

    def sinh(self, x: Value) -> Value:
        return self._op(math.Sinh, x)

    def cosh(self, x: Value) -> Value:
        return self._op(math.Cosh, x)

    def tanh(self, x: Value) -> Value:
        return self._op(math.Tanh, x)

    def asinh(self, x: Value) -> Value:
        return self._op(math.Asinh, x)

    def acosh(self, x: Value) -> Value:
        return self._op(math.Acosh, x)

    def atanh(self, x: Value) -> Value:
        return self._op(math.Atanh, x)

    def cbrt(self, x: Value) -> Value:
        return self._op(math.Cbrt, x)

    def erf(self, x: Value) -> Value:
        return self._op(math.Erf, x)

    def sqrt(self, x: Value) -> Value:
        return self._op(math.Sqrt, x)

    def rsqrt(self, x: Value) -> Value:
        return self._op(math.Rsqrt, x)

    def absf(self, x: Value) -> Value:
        return self._op(math.AbsF, x)

    def floor(self, x: Value) -> Value:
        return self._op(math.Floor, x)

    def ceil(self, x: Value) -> Value:
        return self._op(math.Ceil, x)

    def trunc(self, x: Value) -> Value:
        return self._op(math.Trunc, x)

    def round(self, x: Value) -> Value:
        return self._op(math.Round, x)

    def roundeven(self, x: Value) -> Value:
        return self._op(math.RoundEven, x)

    def copysign(self, x: Value, sign: Value) -> Value:
        return self._op(math.CopySign, x, sign)

    def atan2(self, y: Value, x: Value) -> Value:
        return self._op(math.Atan2, y, x)

    def powf(self, x: Value, y: Value) -> Value:
        return self._op(math.PowF, x, y)

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        return self._op(math.Fma, a, b, c)

    def absi(self, x: Value) -> Value:
        return self._op(math.AbsI, x)

    def ctpop(self, x: Value) -> Value:
        return self._op(math.CtPop, x)

    def ctlz(self, x: Value) -> Value:
        return self._op(math.CtLz, x)

    def cttz(self, x: Value) -> Value:
        return self._op(math.CtTz, x)


class LoopBuilder(_Scalars):
    """Builds loop-level functions."""

    # index arithmetic on `int | Value`

    def index(self, n: Index) -> Value:
        """An index value; a `Value` passes through."""
        return self.constant(n, index) if isinstance(n, int) else n

    def add(self, a: Index, b: Index) -> Index:
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        if a == 0 or b == 0:
            return b if a == 0 else a
        return self.addi(self.index(a), self.index(b))

    def sub(self, a: Index, b: Index) -> Index:
        if isinstance(a, int) and isinstance(b, int):
            return a - b
        return a if b == 0 else self.subi(self.index(a), self.index(b))

    def mul(self, a: Index, b: Index) -> Index:
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        if a == 0 or b == 0:
            return 0
        if a == 1 or b == 1:
            return b if a == 1 else a
        return self.muli(self.index(a), self.index(b))

    def ceildiv(self, a: Index, b: int) -> Index:
        """a / b rounded up, for a positive static b."""
        if b < 1:
            raise ValueError(f"ceildiv by {b}")
        if isinstance(a, int):
            return -(-a // b)
        return a if b == 1 else self.ceildivsi(a, self.index(b))

    def minimum(self, a: Index, b: Index) -> Index:
        if isinstance(a, int) and isinstance(b, int):
            return min(a, b)
        return self.minsi(self.index(a), self.index(b))

    def maximum(self, a: Index, b: Index) -> Index:
        if isinstance(a, int) and isinstance(b, int):
            return max(a, b)
        return self.maxsi(self.index(a), self.index(b))

    def product(self, factors: Sequence[Index]) -> Index:
        total: Index = 1
        for factor in factors:
            total = self.mul(total, factor)
        return total

    # bool between registers (`i1`) and memory (`i8`)

    def to_bool(self, x: Value) -> Value:
        """`i8` from memory → `i1`: anything but 0 is true."""
        return self.cmpi("ne", x, self.constant(0, i8))

    def from_bool(self, x: Value) -> Value:
        """`i1` → `i8` for memory: 0 or 1."""
        return self.extui(x, i8)

    # control flow

    @contextmanager
    def for_(self, lower: Index, upper: Index, step: Index = 1, init: Sequence[Value] = ()) -> Iterator[Loop]:
        """`with b.for_(0, n, init=[zero]) as loop:` ... `loop.yield_(next)`; then `loop.results`."""
        bounds = [self.index(lower), self.index(upper), self.index(step)]
        body = Block([bounds[0].type, *(v.type for v in init)])
        op = self.create_op(scf.For, [*bounds, *init], regions=[Region([body])])
        with _inside(self, body):
            yield Loop(self, op)

    @contextmanager
    def parallel(self, uppers: Sequence[Index]) -> Iterator[list[Value]]:
        """A parallel nest from 0 to `uppers` in steps of 1; yields the induction variables. Of rank 0: once,
        no loop.
        """
        if not uppers:
            yield []
            return
        bounds = [self.index(n) for n in (*[0] * len(uppers), *uppers, *[1] * len(uppers))]
        rank = len(uppers)
        body = Block([index] * rank)
        attrs = scf.ParallelAttrs(segments(rank, rank, rank, 0))
        self.create_op(scf.Parallel, bounds, attrs, regions=[Region([body])])
        with _inside(self, body, scf.Reduce):
            yield list(body.args)

    @contextmanager
    def if_(self, condition: Value, results: Sequence[Type] = ()) -> Iterator[Branch]:
        """`with b.if_(c, [f64]) as branch: branch.yield_(x)`, `with branch.else_(): branch.yield_(y)`; then
        `branch.results`.
        """
        then = Block()
        op = self.create_op(scf.If, [condition], results=results, regions=[Region([then]), Region()])
        with _inside(self, then):
            yield Branch(self, op)

    @contextmanager
    def while_(self, init: Sequence[Value], passed: Sequence[Type] | None = None) -> Iterator[WhileLoop]:
        """The condition region of an `scf.while`; `passed` are the types it hands to the body (default: those
        of `init`).
        """
        types = [v.type for v in init]
        results = types if passed is None else list(passed)
        before, after = Block(types), Block(results)
        op = self.create_op(scf.While, init, results=results, regions=[Region([before]), Region([after])])
        with self.at(before):
            yield WhileLoop(self, op)

    def return_(self, *values: Value) -> None:
        self.create_op(Return, values)

    # buffers

    def load(self, buffer: Value, indices: Sequence[Index] = ()) -> Value:
        return self._op(memref.Load, buffer, *map(self.index, indices))

    def store(self, value: Value, buffer: Value, indices: Sequence[Index] = ()) -> None:
        self.create_op(memref.Store, [value, buffer, *map(self.index, indices)])

    def alloc(self, element: ScalarType, extents: Sequence[Index], alignment: int = 64) -> Value:
        """A fresh row-major buffer of any extents."""
        dynamic = [n for n in extents if isinstance(n, Value)]
        kind = memref_type(element, [n if isinstance(n, int) else None for n in extents])
        attrs = memref.AllocAttrs(segments(len(dynamic), 0), alignment)
        return self.create_op(memref.Alloc, dynamic, attrs, results=[kind]).result

    def alloca(self, element: ScalarType, extents: Sequence[int]) -> Value:
        """A buffer of static extents on the stack."""
        attrs = memref.AllocAttrs(segments(0, 0))
        return self.create_op(memref.Alloca, [], attrs, results=[memref_type(element, extents)]).result

    def dealloc(self, buffer: Value) -> None:
        self.create_op(memref.Dealloc, [buffer])

    def copy(self, source: Value, target: Value) -> None:
        """Nothing where both are one buffer."""
        if source is not target:
            self.create_op(memref.Copy, [source, target])

    def cast(self, buffer: Value, type: MemRefType) -> Value:
        return buffer if buffer.type == type else self._cast(memref.Cast, buffer, type)

    def dim(self, buffer: Value, axis: int) -> Index:
        """An extent: an integer where the type tells it."""
        kind = _memref(buffer)
        extent = kind.shape[axis]
        return extent if extent is not None else self._op(memref.Dim, buffer, self.index(axis))

    def dims(self, buffer: Value) -> list[Index]:
        return [self.dim(buffer, axis) for axis in range(_memref(buffer).rank)]

    def metadata(self, buffer: Value) -> tuple[Value, Index, list[Index], list[Index]]:
        """Rank-0 base of the allocation, offset, sizes, strides; integers where the type tells them."""
        kind = _memref(buffer)
        base, offset, *rest = self.create_op(memref.ExtractStridedMetadata, [buffer]).results
        static = [kind.offset, *kind.shape, *kind.strides]
        parts: list[Index] = [v if n is None else n for n, v in zip(static, [offset, *rest], strict=True)]
        return base, parts[0], parts[1 : 1 + kind.rank], parts[1 + kind.rank :]

    def reinterpret_cast(
        self, buffer: Value, offset: Index, sizes: Sequence[Index], strides: Sequence[Index]
    ) -> Value:
        """A view of the allocation `buffer` lies in; `offset` counts elements from the start of the
        allocation.
        """
        # MLIR refuses a stride of 0 in a type, so the stride of a broadcast axis is always a run-time value.
        steps_given = [self.index(0) if isinstance(s, int) and s == 0 else s for s in strides]
        groups: tuple[Sequence[Index], ...] = ([offset], sizes, steps_given)
        static = [tuple(n if isinstance(n, int) else DYNAMIC for n in group) for group in groups]
        dynamic = [[n for n in group if isinstance(n, Value)] for group in groups]
        shape, steps = ([n if isinstance(n, int) else None for n in group] for group in groups[1:])
        kind = memref_type(_memref(buffer).element, shape, steps, offset if isinstance(offset, int) else None)
        attrs = memref.ReinterpretCastAttrs(segments(1, *map(len, dynamic)), *static)
        operands = [buffer, *(v for group in dynamic for v in group)]
        return self.create_op(memref.ReinterpretCast, operands, attrs, results=[kind]).result

    # calls

    def pointer(self, buffer: Value) -> Value:
        """The rank-0 view of a buffer's first element, always of type `memref<T, strided<[], offset: ?>>`:
        how external functions take buffers.
        """
        kind = _memref(buffer)
        anywhere = MemRefType((), kind.element, StridedLayout((), None))
        if kind == anywhere:
            return buffer
        _, offset, _, _ = self.metadata(buffer)
        return self.reinterpret_cast(buffer, self.index(offset), [], [])

    def call(self, symbol: str, args: Sequence[Value], result: Type) -> Value:
        """Call a function of one result, declaring it private in the module if it is not there; see
        `call_void`.
        """
        return self._call(symbol, args, [result]).result

    def call_void(self, symbol: str, args: Sequence[Value]) -> None:
        """Call a function without result. Buffers go to functions without a body as `pointer(buffer)`, so
        that one declaration fits all calls.
        """
        self._call(symbol, args, [])

    def _call(self, symbol: str, args: Sequence[Value], results: Sequence[Type]) -> Operation:
        module = self._module()
        callee = lookup(module, symbol)
        if callee is None or not callee.regions[0].blocks:
            args = [self.pointer(v) if isinstance(v.type, MemRefType) else v for v in args]
        inputs = [v.type for v in args]
        if callee is None:
            module.regions[0].block.append(new_declaration(symbol, inputs, results))
        elif function_type(callee) != FunctionType(tuple(inputs), tuple(results)):
            raise ValueError(f"@{symbol} is declared as {function_type(callee)}")
        return self.create_op(Call, args, CallAttrs(SymbolRefAttr(symbol)), results=results)

    def _module(self) -> Operation:
        region = self.block.region
        op = None if region is None else region.parent
        while op is not None and not op.isa(Module):
            op = op.parent
        if op is None:
            raise ValueError("calls can be built only inside a module")
        return op


def _memref(buffer: Value) -> MemRefType:
    kind = buffer.type
    if not isinstance(kind, MemRefType):
        raise TypeError(f"{kind} is not a memref")
    return kind
