"""`expand-math`: math functions of L2 become polynomials, or calls of the C library where there is no
polynomial.

It rewrites `math.<fn>` and `func.call @tensorc_<fn>_<f32|f64>` (functions the `math` dialect lacks, unless
the module defines them) in one walk:

- functions of `passes.math.EXPANSIONS`, and `math.rsqrt`, become `arith` and `math` scalar ops at the call;
  some end in the call of a rare function (`passes/math/rare.py`) or call steps (`steps.py`), which are then
  defined in the module;
- integer powers become a loop at the call;
- those that the C library has (see `ops/scalar.py` or the op's class) become `func.call @sin` (f32: `@sinf`),
  declared in the module;
- `math` ops that are instructions (sqrt, absf, floor, fma, ...) stay.

With `calls=false` (GPU, whose back end has its own library) the second kind is left as it is. Types other
than f32 and f64 are left as they are too: nothing before this pass creates them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, cast

from tensorc.ir.attributes import UNIT, FloatAttr, StringAttr
from tensorc.ir.builtin import (
    Call,
    CallAttrs,
    body,
    function_type,
    functions,
    lookup,
    new_function,
    new_module,
    symbol_name,
)
from tensorc.ir.core import Block, Operation, Value
from tensorc.ir.definition import Trait
from tensorc.ir.errors import TensorcValueError
from tensorc.ir.types import FunctionType, Type, f32, f64
from tensorc.ops.loops.arith import Constant
from tensorc.ops.loops.builder import LoopBuilder
from tensorc.ops.loops.math import MathOp, Rsqrt
from tensorc.ops.loops.nests import CALLED, ELEMENTWISE, LANEWISE
from tensorc.ops.scalar import FUNCTIONS
from tensorc.passes.math import EXPANSIONS, RARE, STEPS
from tensorc.passes.math.half_power import HALVES, half_power
from tensorc.passes.math.integer_power import INTEGER_EXPANSIONS

SHARED: Final = 4
"""Uses of a function in one module beyond which it is code of its own that they call. A call costs about ten
instructions, which most functions exceed several times; written out that often, they cost more to compile
than everything else.
"""
SYMBOL: Final = re.compile(r"tensorc_([a-z0-9]+)_(f32|f64|i8|i16|i32|i64)")
"""How a function without a `math` op is called before this pass."""


@dataclass(frozen=True)
class Function:
    """What one op computes: the function's name, and its C symbol for f64 if the library has it."""

    name: str
    symbol: str | None


def function_of(op: Operation) -> Function | None:
    """The math function an op stands for; None for any other op, such as the instruction `math.sqrt`."""
    if len(op.results) != 1:
        return None
    if op.definition is Call:
        match = SYMBOL.fullmatch(cast(CallAttrs, op.attrs).callee.name)
        if match is None or str(op.result.type) != match[2]:
            return None
        row = FUNCTIONS.get(match[1])
        return Function(match[1], None) if row is None else Function(row.mlir or match[1], row.libm)
    if op.result.type not in (f32, f64) or op.definition is None or not issubclass(op.definition, MathOp):
        return None
    name, symbol = op.name.removeprefix("math."), op.definition.symbol
    return Function(name, symbol) if symbol is not None or name == "rsqrt" or name in EXPANSIONS else None


class Expander(LoopBuilder):
    """Builds before an op, and every constant once per function, in front of its entry block.

    An expansion is a third constants; sharing keeps the text short and takes them out of interpreted loops.
    """

    def __init__(self, op: Operation, entry: Block, constants: dict[tuple[object, Type], Value]) -> None:
        assert op.block is not None
        super().__init__(op.block, op, op.location)
        self._entry = entry
        self._constants = constants

    def constant(self, value: float | int, type: Type) -> Value:
        """The shared constant of these bits."""
        # 0.0 and -0.0 are equal as keys, their texts are not.
        key = (value.hex() if isinstance(value, float) else value, type)
        found = self._constants.get(key)
        if found is None:
            with self.at(self._entry, self._entry.first):
                found = self._constants[key] = super().constant(value, type)
        return found

    def call(self, symbol: str, args: Sequence[Value], result: Type) -> Value:
        """A call; the first one of a function of `passes/math/rare.py` or `steps.py` defines it."""
        make = rare_function if symbol in RARE else step_function if symbol in STEPS else None
        module = self._module()
        if make is not None and lookup(module, symbol) is None:
            module.regions[0].block.append(make(symbol))
        return super().call(symbol, args, result)


def rare_function(symbol: str) -> Operation:
    """The definition of a rare function: its second argument, unless the first is beyond the bound."""
    rare = RARE[symbol]
    function = new_function(symbol, [rare.type, rare.type], [rare.type])
    function.set_attribute("sym_visibility", StringAttr("private"))
    function.set_attribute(LANEWISE, FloatAttr(rare.bound, rare.type))
    b = LoopBuilder(body(function))
    x, fast = body(function).args
    beyond = b.cmpf("ogt", b.absf(x), b.constant(rare.bound, rare.type))
    with b.if_(beyond, [rare.type]) as branch:
        branch.yield_(rare.value(b, x))
    with branch.else_():
        branch.yield_(fast)
    b.return_(branch.results[0])
    return function


def rare_module(symbol: str) -> Operation:
    """A module that defines a rare function, and nothing else, for others to call. Raises KeyError for a name
    that is none.
    """
    module, function = new_module(), rare_function(symbol)
    function.set_attribute("sym_visibility", None)
    module.regions[0].block.append(function)
    return module


def step_function(symbol: str) -> Operation:
    """The definition of a step."""
    step = STEPS[symbol]
    function = new_function(symbol, [step.type] * step.operands, [step.type])
    function.set_attribute("sym_visibility", StringAttr("private"))
    function.set_attribute(ELEMENTWISE, StringAttr(step.name))
    b = LoopBuilder(body(function))
    b.return_(step.value(b, *body(function).args))
    return function


def shared_function(module: Operation, function: Function, op: Operation) -> str:
    """The symbol of an expansion as a function of the module, defined there if it is not. Raises
    TensorcValueError for another function of that name.
    """
    kind = op.result.type
    symbol = f"tensorc_math_{function.name}_{kind}"
    found = lookup(module, symbol)
    if found is not None and CALLED not in found.attributes:
        raise _wrong_use(op, f"@{symbol} is needed, but the module defines another function of that name")
    if found is not None:
        return symbol
    expansion = EXPANSIONS[function.name]
    made = new_function(symbol, [kind] * expansion.operands, [kind])
    made.set_attribute("sym_visibility", StringAttr("private"))
    made.set_attribute(ELEMENTWISE, StringAttr(function.name))
    made.set_attribute(CALLED, UNIT)
    module.regions[0].block.append(made)
    block = body(made)
    LoopBuilder(block).return_(block.args[0])
    end = block.terminator
    end.set_operands([expansion.expand(Expander(end, block, {}), *block.args)])
    return symbol


def entry_of(op: Operation) -> Block:
    """The entry block of the innermost function (or other isolated op) around an op."""
    block, owner = op.block, op.parent
    while owner is not None and not owner.has_trait(Trait.ISOLATED):
        block, owner = owner.block, owner.parent
    assert block is not None, f"{op.name} stands outside a function"
    assert block.region is not None
    return block.region.blocks[0]


@dataclass(frozen=True)
class ExpandMath:
    """Replace math functions by polynomials or, with `calls`, by calls of the C library."""

    name: ClassVar[str] = "expand-math"
    calls: bool = True

    def run(self, module: Operation) -> None:
        """Rewrite the module in place.

        Raises TensorcValueError for a call `@tensorc_<fn>_<type>` of an unknown function, for a wrong number
        of operands, and for a function of the module that has the name of the library function needed.
        """
        defined = {symbol_name(f) for f in functions(module) if f.regions[0].blocks}
        found = [(op, function) for op in module.walk() if (function := function_of(op)) is not None]
        often = {f for f, uses in Counter((f, op.result.type) for op, f in found).items() if uses > SHARED}
        called: set[str] = set()
        constants: dict[Block, dict[tuple[object, Type], Value]] = {}
        for op, function in found:
            if op.definition is Call and cast(CallAttrs, op.attrs).callee.name in defined:
                continue
            entry = entry_of(op)
            builder = Expander(op, entry, constants.setdefault(entry, {}))
            value = self._replacement(module, builder, op, function, (function, op.result.type) in often)
            if value is None:
                continue
            if op.definition is Call:
                called.add(cast(CallAttrs, op.attrs).callee.name)
            op.result.replace_all_uses_with(value)
            op.erase()
        _erase_declarations(module, called)

    def _replacement(
        self, module: Operation, builder: LoopBuilder, op: Operation, function: Function, shared: bool
    ) -> Value | None:
        if op.definition is Rsqrt:
            return builder.divf(builder.constant(1.0, op.result.type), builder.sqrt(op.operands[0]))
        integer = INTEGER_EXPANSIONS.get(function.name)
        if integer is not None:
            if len(op.operands) != 2 or any(v.type != op.result.type for v in op.operands):
                raise _wrong_use(op, f"{function.name} takes 2 x {op.result.type}")
            return integer(builder, *op.operands)
        half = _half(op) if function.name == "powf" else None
        if half is not None:
            return half_power(builder, op.operands[0], half)
        expansion = EXPANSIONS.get(function.name)
        if expansion is not None:
            if len(op.operands) != expansion.operands or any(v.type != op.result.type for v in op.operands):
                raise _wrong_use(op, f"{function.name} takes {expansion.operands} x {op.result.type}")
            if shared:
                symbol = shared_function(module, function, op)
                return builder.call(symbol, op.operands, op.result.type)
            return cast(Value, expansion.expand(builder, *op.operands))
        if function.symbol is not None:
            return self._library_call(module, builder, op, function.symbol) if self.calls else None
        if op.definition is Call:
            known = ", ".join(sorted(EXPANSIONS.keys() | FUNCTIONS.keys() | INTEGER_EXPANSIONS.keys()))
            raise _wrong_use(op, f"no function {function.name} is known; there are {known}")
        return None

    def _library_call(self, module: Operation, builder: LoopBuilder, op: Operation, symbol: str) -> Value:
        name = symbol if op.result.type == f64 else symbol + "f"
        wanted = FunctionType(tuple(v.type for v in op.operands), (op.result.type,))
        taken = lookup(module, name)
        if taken is not None and (taken.regions[0].blocks or function_type(taken) != wanted):
            raise _wrong_use(op, f"the C library's {name} is needed, but the module defines another @{name}")
        return builder.call(name, op.operands, op.result.type)


def _half(op: Operation) -> float | None:
    """The exponent of a power, if it is a constant with a form of its own."""
    exponent = op.operands[1].defining(Constant) if len(op.operands) == 2 else None
    number = None if exponent is None else exponent.attributes["value"].value  # type: ignore[attr-defined]
    return number if number in HALVES else None


def _erase_declarations(module: Operation, names: set[str]) -> None:
    """Erase the declarations of these functions that nothing calls any more."""
    if not names:
        return
    left = {cast(CallAttrs, op.attrs).callee.name for op in module.walk() if op.definition is Call}
    for function in list(functions(module)):
        if symbol_name(function) in names - left and not function.regions[0].blocks:
            function.erase()


def _wrong_use(op: Operation, message: str) -> TensorcValueError:
    return TensorcValueError(f"expand-math: {op.name}: {message}", code="TC0505", location=op.location)
