"""The loop-level interpreter: runs L2 functions on NumPy buffers, exactly, and catches what machine code
would not.

A function is flattened once into a list of instructions with jumps (no recursion on nesting), then run on a
frame of values. Scalars are NumPy scalars of the exact width. Raised as `LoopError`, naming the op and its
line: an index outside an extent, a view outside its allocation, a read of an element never written, a use
after `memref.dealloc`, a leak, and any op whose result would be undefined or poison in LLVM
(`ScalarOp.defined`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np

from tensorc.interp.loop_externals import external
from tensorc.interp.loop_memory import Allocation, LoopError, View, Watch, argument_view
from tensorc.interp.loop_vectors import VECTOR_HANDLERS
from tensorc.ir.builtin import Call, CallAttrs, Return, body, functions, lookup, symbol_name
from tensorc.ir.core import Block, Operation, Value
from tensorc.ir.definition import OpDefinition
from tensorc.ir.types import MemRefType, Type, VectorType, i1, i64, index
from tensorc.ops import product_library, transposition
from tensorc.ops.loops import arith, gpu, math, memref, scf
from tensorc.ops.loops.base import FloatOp, ScalarOp, SignedOp, UnsignedOp, lane, numpy_dtype
from tensorc.ops.loops.memref import view_parts

Frame = list[Any]
Instruction = Callable[[Frame], int | None]
"""Changes the frame; gives the number of the next instruction, or None for the following one."""

DONE = -1

ERROR_CELL = MemRefType((4,), i64)


def run(
    module: Operation,
    name: str,
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    *,
    externals: Mapping[str, Callable[..., Any]] | None = None,
) -> tuple[int, np.ndarray[Any, np.dtype[np.int64]]]:
    """Call `@name(inputs..., outputs..., err)`; returns its code and the error cell `[site, index, value,
    extra]`.

    Arrays are passed as they are, any strides; outputs are written in place. Raises LoopError on a defect of
    the code, ValueError on an argument that does not fit its declared type.
    """
    cell = np.zeros(4, np.int64)
    code = LoopInterpreter(module, externals=externals).call(name, [*inputs, *outputs, cell], len(inputs))
    return int(code), cell


def shapes(module: Operation, name: str, inputs: Sequence[Any], extents: int) -> tuple[int, Any, list[int]]:
    """Call `@name_shapes(inputs..., err, extents)`; returns its code, the error cell and the extents."""
    cell, found = np.zeros(4, np.int64), np.zeros(extents, np.int64)
    code = LoopInterpreter(module).call(f"{name}_shapes", [*inputs, cell, found], len(inputs))
    return int(code), cell, found.tolist()


class LoopInterpreter:
    """Interprets the functions of one module; programs are kept between calls."""

    def __init__(
        self,
        module: Operation,
        *,
        externals: Mapping[str, Callable[..., Any]] | None = None,
        max_steps: int = 200_000_000,
    ) -> None:
        self.module = module
        self.externals = dict(externals or {})
        self.max_steps = max_steps
        self._programs: dict[str, Program] = {}

    def call(self, name: str, args: Sequence[Any], read_only: int | None = None) -> Any:
        """Call a function with NumPy arrays and numbers.

        The first `read_only` arguments (default: all) hold defined values; of the others only the error cell,
        `memref<4xi64>`, does. Returns the function's result, or None.
        """
        program = self.program(name)
        values: list[Any] = []
        for number, (arg, parameter) in enumerate(zip(args, program.parameters, strict=True)):
            defined = read_only is None or number < read_only or parameter == ERROR_CELL
            values.append(_argument(name, number, arg, parameter, defined))
        with np.errstate(all="ignore"):
            return self.invoke(program, values)

    def program(self, name: str) -> Program:
        found = self._programs.get(name)
        if found is None:
            function = lookup(self.module, name)
            if function is None or not function.regions[0].blocks:
                known = ", ".join(f"@{symbol_name(f)}" for f in functions(self.module))
                raise ValueError(f"no function @{name} with a body; the module has {known or 'none'}")
            found = self._programs[name] = Program(self, function)
        return found

    def invoke(self, program: Program, values: Sequence[Any]) -> Any:
        frame = program.frame(values)
        pc = resume(program, frame, 0, self.max_steps)
        assert pc == DONE
        for allocation in frame[1]:
            if allocation.live:
                raise LoopError(
                    f"a buffer of {allocation.flat.size} elements is never deallocated", allocation.origin_op
                )
        return frame[0]

    def function(self, symbol: str) -> Callable[..., Any]:
        """What `func.call @symbol` runs: one of our functions, a given external, or one of the known library
        functions.
        """
        callee = lookup(self.module, symbol)
        if callee is not None and callee.regions[0].blocks:
            return lambda *args: self.invoke(self.program(symbol), args)
        found = self.externals.get(symbol) or external(symbol) or self._library(symbol)
        if found is None:
            raise LoopError(f"the interpreter does not know @{symbol}", None)
        return found

    def _library(self, symbol: str) -> Callable[..., Any] | None:
        """A function that compiled code shares, interpreted, too."""
        key = product_library.symbols().get(symbol)
        if key is not None:
            module = product_library.module_of(key)
        elif symbol in transposition.symbols():
            module = transposition.module_of(symbol)
        else:
            return None
        library = LoopInterpreter(module, max_steps=self.max_steps)
        return lambda *args: library.invoke(library.program(symbol), args)


def resume(program: Program, frame: Frame, pc: int, budget: int) -> int:
    """Run from instruction `pc` until the function returns; gives DONE."""
    code = program.code
    for _ in range(budget):
        following = code[pc](frame)
        pc = pc + 1 if following is None else following
        if pc < 0:
            return pc
    raise LoopError(f"@{program.name} did not end within {budget} steps", None)


def _argument(name: str, number: int, arg: Any, parameter: Type, defined: bool) -> Any:
    if not isinstance(parameter, MemRefType):
        return numpy_dtype(parameter).type(arg)
    if not isinstance(arg, np.ndarray):
        raise ValueError(f"argument {number} of @{name} must be an array, got {type(arg).__name__}")
    return argument_view(arg, parameter, f"argument {number} of @{name}", defined)


class Program:
    """One function as a list of instructions. Slot 0 of a frame is the result, slot 1 the list of
    allocations.
    """

    def __init__(self, interpreter: LoopInterpreter, function: Operation) -> None:
        self.interpreter = interpreter
        self.name = symbol_name(function) or ""
        block = body(function)
        self.parameters = [arg.type for arg in block.args]
        self.code: list[Instruction] = []
        self._slots: dict[Value, int] = {}
        for arg in block.args:
            self.slot(arg)
        self._flatten(block)

    def frame(self, values: Sequence[Any]) -> Frame:
        frame: Frame = [None] * (2 + len(self._slots))
        frame[1] = []
        frame[2 : 2 + len(values)] = values
        return frame

    def slot(self, value: Value) -> int:
        return self._slots.setdefault(value, 2 + len(self._slots))

    def slots(self, values: Sequence[Value]) -> list[int]:
        return [self.slot(v) for v in values]

    def spare(self) -> int:
        """A slot that belongs to no value."""
        return self.slot(Value(index))

    def append(self, instruction: Instruction) -> int:
        self.code.append(instruction)
        return len(self.code) - 1

    # flattening: generators on an explicit stack, so that nesting costs no Python stack

    def _flatten(self, block: Block) -> None:
        stack = [self._block(block)]
        while stack:
            nested = next(stack[-1], None)
            if nested is None:
                stack.pop()
            else:
                stack.append(nested)

    def _block(self, block: Block) -> Any:
        for op in block:
            definition = op.definition
            if definition in _REGION_OPS:
                yield getattr(self, _REGION_OPS[definition])(op)
            elif definition in _HANDLERS:
                self.append(_HANDLERS[definition](self, op))
            elif definition in VECTOR_HANDLERS:
                self.append(VECTOR_HANDLERS[definition](op, self.slots(op.operands), self.slots(op.results)))
            elif definition is not None and issubclass(definition, ScalarOp):
                self.append(_scalar(self, op, definition))
            elif definition not in _TERMINATORS:
                raise LoopError(f"{op.name} is not an op of the loop level", op)

    def _move(self, targets: Sequence[Value], sources: Sequence[Value]) -> None:
        """Copy values between slots all at once."""
        if not targets:
            return
        to, of = self.slots(targets), self.slots(sources)

        def move(frame: Frame) -> None:
            values = [frame[s] for s in of]
            for t, value in zip(to, values, strict=True):
                frame[t] = value

        self.append(move)

    def jump(self, target: int) -> None:
        self.append(lambda frame: target)

    def _for(self, op: Operation) -> Any:
        block = op.regions[0].block
        _, upper, step = self.slots(op.operands[:3])
        iv = self.slot(block.args[0])
        self._move(op.results, op.operands[3:])
        self._move(block.args[:1], op.operands[:1])
        head = self.append(lambda frame: None)
        self._move(block.args[1:], op.results)
        yield self._block(block)
        self._move(op.results, block.terminator.operands)

        def following(frame: Frame) -> int:
            frame[iv] = frame[iv] + frame[step]
            return head

        self.append(following)
        end = len(self.code)

        def test(frame: Frame) -> int | None:
            if frame[step] <= 0:
                raise LoopError(f"scf.for with step {frame[step]}", op)
            return None if frame[iv] < frame[upper] else end

        self.code[head] = test

    def _if(self, op: Operation) -> Any:
        condition = self.slot(op.operands[0])
        test = self.append(lambda frame: None)
        then, other = op.regions
        yield self._block(then.block)
        self._move(op.results, then.block.terminator.operands)
        skip = self.append(lambda frame: None)
        start = len(self.code)
        self.code[test] = lambda frame: None if frame[condition] else start
        if other.blocks:
            yield self._block(other.block)
            self._move(op.results, other.block.terminator.operands)
        end = len(self.code)
        self.code[skip] = lambda frame: end

    def _while(self, op: Operation) -> Any:
        before, after = (region.block for region in op.regions)
        self._move(before.args, op.operands)
        head = len(self.code)
        yield self._block(before)
        condition = self.slot(before.terminator.operands[0])
        self._move(op.results, before.terminator.operands[1:])
        test = self.append(lambda frame: None)
        self._move(after.args, op.results)
        yield self._block(after)
        self._move(before.args, after.terminator.operands)
        self.jump(head)
        end = len(self.code)
        self.code[test] = lambda frame: None if frame[condition] else end

    def _parallel(self, op: Operation) -> Any:
        """The iterations one after the other, in row-major order."""
        block = op.regions[0].block
        rank = len(block.args)
        lowers, uppers, steps = (
            self.slots(op.operands[part * rank : (part + 1) * rank]) for part in range(3)
        )
        slots = list(zip(lowers, uppers, steps, strict=True))
        ivs, points = self.slots(block.args), self.spare()

        def start(frame: Frame) -> None:
            bounds = [(int(frame[a]), int(frame[b]), int(frame[c])) for a, b, c in slots]
            if any(step <= 0 for _, _, step in bounds):
                raise LoopError(f"scf.parallel with steps {[step for _, _, step in bounds]}", op)
            frame[points] = _lattice([range(*bound) for bound in bounds])

        self.append(start)
        head = self.append(lambda frame: None)
        yield self._block(block)
        self.jump(head)
        end = len(self.code)

        def following(frame: Frame) -> int | None:
            point = next(frame[points], None)
            if point is None:
                return end
            for iv, n in zip(ivs, point, strict=True):
                frame[iv] = np.int64(n)
            return None

        self.code[head] = following

    def _launch(self, op: Operation) -> Any:
        """Every thread of the grid on a frame of its own. Without barriers any order will do, if no two
        threads touch an element that one of them writes: `Watch` sees to that, so that the order chosen here
        cannot matter.
        """
        block = op.regions[0].block
        sizes, ids = self.slots(op.operands), self.slots(block.args)
        head = self.append(lambda frame: None)
        yield self._block(block)
        self.append(lambda frame: DONE)
        end = len(self.code)

        def launch(frame: Frame) -> int:
            grid = [int(frame[s]) for s in sizes]
            if min(grid) < 1:
                raise LoopError(f"gpu.launch of {grid}: every size must be positive", op)
            views = [value for value in frame if isinstance(value, View)]
            watch = Watch([view.allocation for view in views])
            for number, place in enumerate(_lattice([range(n) for n in grid])):
                thread = list(frame)
                for slot, n in zip(ids, (*place, *grid), strict=True):
                    thread[slot] = np.int64(n)
                watch.thread = number
                resume(self, thread, head + 1, self.interpreter.max_steps)
            watch.end()
            return end

        self.code[head] = launch


def _lattice(axes: Sequence[range]) -> Iterator[tuple[int, ...]]:
    """Row-major points of a product of ranges, one at a time: `itertools.product` would store every range."""
    if not all(axes):
        return
    point = [axis.start for axis in axes]
    while True:
        yield tuple(point)
        for k in reversed(range(len(axes))):
            point[k] += axes[k].step
            if point[k] < axes[k].stop:
                break
            point[k] = axes[k].start
        else:
            return


_REGION_OPS: dict[type[OpDefinition] | None, str] = {
    scf.For: "_for",
    scf.If: "_if",
    scf.While: "_while",
    scf.Parallel: "_parallel",
    gpu.Launch: "_launch",
}
_TERMINATORS = (scf.Yield, scf.Condition, scf.Reduce, gpu.Terminator)


# scalars

_PLAIN: dict[Callable[..., Any], Callable[..., Any]] = {
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.divide: operator.truediv,
    np.negative: operator.neg,
    np.bitwise_and: operator.and_,
    np.bitwise_or: operator.or_,
    np.bitwise_xor: operator.xor,
}
"""NumPy functions whose Python operator does the same on NumPy scalars, several times faster."""


_COMPARE: dict[str, Callable[..., Any]] = {
    **{"eq": operator.eq, "slt": operator.lt, "sle": operator.le, "sgt": operator.gt, "sge": operator.ge},
    **{"oeq": operator.eq, "olt": operator.lt, "ole": operator.le, "ogt": operator.gt, "oge": operator.ge},
    **{"ne": operator.ne, "une": operator.ne},
}
"""Predicates that Python's operators have too: false on NaN, and `!=` true."""


def _scalar(p: Program, op: Operation, definition: type[ScalarOp]) -> Instruction:
    if definition is arith.Constant:
        return _constant(p, op)
    result, slots = p.slot(op.result), p.slots(op.operands)
    function = _function(op, definition)
    if definition.defined.__func__ is not ScalarOp.defined.__func__:  # type: ignore[attr-defined]
        return _checked(op, definition, function, result, slots)
    if len(slots) == 1:
        (a,) = slots
        return lambda frame: frame.__setitem__(result, function(frame[a]))
    if len(slots) == 2:
        a, b = slots
        return lambda frame: frame.__setitem__(result, function(frame[a], frame[b]))
    a, b, c = slots
    return lambda frame: frame.__setitem__(result, function(frame[a], frame[b], frame[c]))


def _function(op: Operation, definition: type[ScalarOp]) -> Callable[..., Any]:
    """The op as a function of its operands alone."""
    kind, attrs = op.result.type, op.attrs
    if definition is arith.Select:
        return np.where if isinstance(kind, VectorType) else lambda c, yes, no: yes if c else no
    if isinstance(attrs, arith.PredicateAttrs) and lane(op.operands[0].type) != i1:
        plain_word = _COMPARE.get(definition.predicate_name(attrs))  # type: ignore[attr-defined]
        if plain_word is not None:
            return plain_word
    same = issubclass(definition, FloatOp) or (issubclass(definition, SignedOp) and lane(kind) != i1)
    if (
        same
        and not issubclass(definition, UnsignedOp)
        and definition not in (math.CtPop, math.CtLz, math.CtTz)
    ):
        plain = cast("Callable[..., Any]", definition.function)  # type: ignore[attr-defined]
        return _PLAIN.get(plain, plain)
    evaluate = definition.evaluate
    return lambda *xs: evaluate(attrs, kind, *xs)


def _checked(
    op: Operation, definition: type[ScalarOp], function: Callable[..., Any], result: int, slots: Sequence[int]
) -> Instruction:
    kind, attrs, defined = op.result.type, op.attrs, definition.defined

    def check(frame: Frame) -> None:
        xs = [frame[s] for s in slots]
        if not np.all(defined(attrs, kind, *xs)):
            shown = ", ".join(map(str, xs))
            raise LoopError(f"{op.name} of {shown} is undefined or poison: its operands need a guard", op)
        frame[result] = function(*xs)

    return check


def _constant(p: Program, op: Operation) -> Instruction:
    attrs = op.attrs
    assert isinstance(attrs, arith.ConstantAttrs)
    value, result = arith.attribute_value(attrs.value), p.slot(op.result)
    return lambda frame: frame.__setitem__(result, value)


# calls and buffers


def _call(p: Program, op: Operation) -> Instruction:
    attrs = op.attrs
    assert isinstance(attrs, CallAttrs)
    symbol, slots = attrs.callee.name, p.slots(op.operands)
    results = [(p.slot(r), numpy_dtype(r.type)) for r in op.results]
    interpreter = p.interpreter

    def call(frame: Frame) -> None:
        try:
            value = interpreter.function(symbol)(*[frame[s] for s in slots])
        except LoopError as error:
            raise error.at_op(op) from None
        for slot, dtype in results:
            frame[slot] = dtype.type(value)

    return call


def _return(p: Program, op: Operation) -> Instruction:
    slots = p.slots(op.operands)

    def leave(frame: Frame) -> int:
        frame[0] = frame[slots[0]] if slots else None
        return DONE

    return leave


def _allocate(p: Program, op: Operation) -> Instruction:
    kind, result, slots = op.result.type, p.slot(op.result), p.slots(op.operands)
    assert isinstance(kind, MemRefType)
    dtype, shape, on_heap = numpy_dtype(kind.element), kind.shape, op.isa(memref.Alloc)

    def allocate(frame: Frame) -> None:
        dynamic = iter(slots)
        sizes = [n if n is not None else int(frame[next(dynamic)]) for n in shape]
        if min(sizes, default=0) < 0:
            raise LoopError(f"{op.name} of extents {sizes}", op)
        allocation = Allocation.fresh(dtype, int(np.prod(sizes, dtype=object)), op)
        if on_heap:
            frame[1].append(allocation)
        frame[result] = View.row_major(allocation, sizes)

    return allocate


def _dealloc(p: Program, op: Operation) -> Instruction:
    slot = p.slot(op.operands[0])

    def free(frame: Frame) -> None:
        allocation = frame[slot].allocation
        if allocation not in frame[1]:
            raise LoopError("memref.dealloc of a buffer that memref.alloc did not give, or twice", op)
        frame[1].remove(allocation)
        allocation.live = False

    return free


def _load(p: Program, op: Operation) -> Instruction:
    result, (buffer, *indices) = p.slot(op.result), p.slots(op.operands)

    def load(frame: Frame) -> None:
        frame[result] = frame[buffer].read([frame[i] for i in indices], op)

    return load


def _store(p: Program, op: Operation) -> Instruction:
    value, buffer, *indices = p.slots(op.operands)

    def store(frame: Frame) -> None:
        frame[buffer].write([frame[i] for i in indices], frame[value], op)

    return store


def _dim(p: Program, op: Operation) -> Instruction:
    result, (buffer, axis) = p.slot(op.result), p.slots(op.operands)

    def dim(frame: Frame) -> None:
        sizes = frame[buffer].sizes
        if not 0 <= frame[axis] < len(sizes):
            raise LoopError(f"memref.dim of axis {frame[axis]} at rank {len(sizes)}", op)
        frame[result] = np.int64(sizes[frame[axis]])

    return dim


def _reinterpret_cast(p: Program, op: Operation) -> Instruction:
    offset, sizes, strides = view_parts(op)
    result, source = p.slot(op.result), p.slot(op.operands[0])
    readers = [[_number(p, n) for n in group] for group in ([offset], sizes, strides)]

    def view(frame: Frame) -> None:
        (start,), shape, steps = ([n(frame) for n in group] for group in readers)
        if min(shape, default=0) < 0:
            raise LoopError(f"memref.reinterpret_cast to extents {shape}", op)
        frame[result] = View(frame[source].allocation, start, tuple(shape), tuple(steps))

    return view


def _number(p: Program, n: int | Value) -> Callable[[Frame], int]:
    if isinstance(n, int):
        return lambda frame: n
    slot = p.slot(n)
    return lambda frame: int(frame[slot])


def _metadata(p: Program, op: Operation) -> Instruction:
    source, (base, *numbers) = p.slot(op.operands[0]), p.slots(op.results)

    def extract(frame: Frame) -> None:
        view = frame[source]
        frame[base] = View(view.allocation, 0, (), ())
        for slot, n in zip(numbers, (view.offset, *view.sizes, *view.strides), strict=True):
            frame[slot] = np.int64(n)

    return extract


def _cast(p: Program, op: Operation) -> Instruction:
    result, source, kind = p.slot(op.result), p.slot(op.operands[0]), op.result.type
    assert isinstance(kind, MemRefType)
    promised = (kind.offset, *kind.shape, *kind.strides)

    def cast(frame: Frame) -> None:
        view = frame[source]
        actual = (view.offset, *view.sizes, *view.strides)
        if any(want is not None and want != got for want, got in zip(promised, actual, strict=True)):
            raise LoopError(
                f"memref.cast to {kind} of a buffer with sizes {view.sizes}, strides {view.strides}", op
            )
        frame[result] = view

    return cast


def _copy(p: Program, op: Operation) -> Instruction:
    source, target = p.slots(op.operands)

    def copy(frame: Frame) -> None:
        a, b = frame[source], frame[target]
        if a.sizes != b.sizes:
            raise LoopError(f"memref.copy from extents {a.sizes} to {b.sizes}", op)
        for point in np.ndindex(*a.sizes):
            b.write(point, a.read(point, op), op)

    return copy


def _prefetch(p: Program, op: Operation) -> Instruction:
    """It tells the machine about time, nothing else."""
    return lambda frame: None


_HANDLERS: dict[type[OpDefinition] | None, Callable[[Program, Operation], Instruction]] = {
    Call: _call,
    Return: _return,
    memref.Alloc: _allocate,
    memref.Alloca: _allocate,
    memref.Dealloc: _dealloc,
    memref.Load: _load,
    memref.Store: _store,
    memref.Prefetch: _prefetch,
    memref.Dim: _dim,
    memref.ReinterpretCast: _reinterpret_cast,
    memref.ExtractStridedMetadata: _metadata,
    memref.Cast: _cast,
    memref.Copy: _copy,
}
