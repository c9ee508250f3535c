"""Rules on integers, truth values and extents, proved for every input by Z3: widths 8 to 64, signed and
unsigned, `index` as 64 bits. What an op means is written down a second time in `terms.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passes.rule_examples import build
from tensorc.ir import builtin
from tensorc.ir.attributes import IntegerAttr
from tensorc.ir.clone import clone_op
from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import NO_ATTRS, REGISTRY
from tensorc.ir.errors import TensorcTypeError
from tensorc.ir.rewriter import Pattern, Rewriter, pattern, rewrite
from tensorc.ir.types import IndexType, IntegerType, ScalarType, TensorType, Type, i1, i8, i32, ui8, ui32
from tensorc.ops import dtypes
from tensorc.ops.arithmetic import Abs, Add, Mul, Neg, Sub
from tensorc.ops.attrs import CastAttrs
from tensorc.ops.dtypes import to_dtype
from tensorc.ops.families import Pointwise
from tensorc.ops.loops import arith
from tensorc.ops.loops.builder import LoopBuilder
from tensorc.passes import fold
from tensorc.passes.cse import Cse
from tensorc.passes.rules import CANONICAL, STABLE
from tensorc.passes.rules.match import operand_of

z3 = pytest.importorskip("z3", reason="proofs need Z3: pip install z3-solver (extra `dev`)")

from passes import terms  # noqa: E402  imports z3

RULES = {rule.name: rule for rule in (*CANONICAL, *STABLE)}
ELEMENTS: tuple[ScalarType, ...] = (i1, *dtypes.INTEGERS)
INTEGERS: tuple[ScalarType, ...] = dtypes.INTEGERS
SIGNED = tuple(e for e in INTEGERS if dtypes.is_signed_integer(e))

EXAMPLES = {
    "fold_constants": "x + broadcast_to(constant([5.0, 5.0, 5.0]) * constant([77.0, 77.0, 77.0]), n, 3)",
    "fold_uniform": "x + full_like(x, 100.0) * full_like(x, 77.0)",
    "dim_of_result": "from_index(dim(transpose(expand_dims(x, 1), 2, 1, 0), 2))",
    "pointwise_of_broadcasts": "broadcast_to(v, n, 3) * broadcast_to(v * v, n, 3) + x",
}
"""Where the rule's own example is of floats only."""

MORE = {
    "scalar_identity": ["from_index(n * 1)", "from_index(n - 0)"],
    "scalar_constant_right": ["from_index(3 * n)"],
    "merge_added_constants": ["from_index((n + 9223372036854775807) + 2)"],
    "dim_of_result": ["from_index(dim(broadcast_to(s, n + 1, 3), 0))"],
    "broadcast_of_known": [
        "broadcast_to(s, broadcast_extents(n, index(1)))",
        "broadcast_to(s, broadcast_extents(index(1), n))",
        "broadcast_to(s, broadcast_extents(n, broadcast_extents(n, n)))",
    ],
    "view_to_same_shape": ["reshape(x, n, 3)"],
    "broadcast_of_broadcast": ["broadcast_to(broadcast_to(v, n, 3), 5, n, 3)"],
    "reshape_of_reshape": ["reshape(reshape(x, 3, n), 1, n, 3)", "reshape(expand_dims(x, 1), 3, n)"],
    "reshape_of_unit_axes": ["reshape(expand_dims(x, 1), n, 3)"],
    "where_of_where": ["where(x > y, y, where(x > y, x, x))"],
    "absolute_of_signed": ["abs(abs(x))"],
    "trivial_power": ["x ** 0.0"],
    "reduce_nothing": ["sum(x)", "prod(x)"],
    "idempotent": ["bitwise_and(x, x)", "bitwise_or(x, x)", "logical_or(x > y, x > y)"],
    "logic_with_constant": ["logical_or(x > y, full_like(x > y, 0.0))"],
    "add_negated": ["(-x) + y", "(-x) + (-y)"],
    "negate_constant": ["3.0 * (-x)"],
    "hoist_sign": ["x * (-y)"],
}

NEVER_ON_INTEGERS = {
    "add_zero_to_unsigned",
    "divide_by_one",
    "divide_by_power_of_two",
    "merge_absolutes",
    "chain_mul_of_constant",
    "chain_div_of_constant",
    "chain_of_zero",
    "negated_extreme",
}
"""Exact rules of floats: on integers they do not type, or do not fire."""


def rewritten(rule: Pattern, example: str, element: ScalarType) -> tuple[Operation, Operation] | None:
    """The functions before and after, or None where the rule does not fire or the example does not type."""
    try:
        before = build(example, element)
    except TensorcTypeError:
        return None
    Cse().run(before)
    after = clone_op(before)
    if not rewrite(after, [rule]).rewrites.get(rule.name):
        return None
    return next(builtin.functions(before)), next(builtin.functions(after))


def proved_on(rule: Pattern, examples: Sequence[str]) -> set[str]:
    """The elements the rule fires and is right on. Fails with a counterexample."""
    found = set()
    for example, element in itertools.product(examples, ELEMENTS):
        functions = rewritten(rule, example, element)
        if functions is not None:
            wrong = terms.counterexample(*functions)
            assert wrong is None, f"{rule.name} is wrong on {example} of {element}: {wrong}"
            found.add(str(element))
    return found


EXACT = [rule for rule in RULES.values() if rule.kind == "exact"]


@pytest.mark.parametrize("rule", EXACT, ids=lambda r: r.name)
def test_exact_rules_hold_for_all_integers(rule: Pattern) -> None:
    found = proved_on(rule, [EXAMPLES.get(rule.name, rule.example), *MORE.get(rule.name, [])])
    assert bool(found) == (rule.name not in NEVER_ON_INTEGERS), f"fires on {found}"
    if found and rule.name not in ("multiply_by_minus_one", "absolute_of_signed"):
        assert {str(e) for e in INTEGERS} <= found


def test_other_rules_do_not_fire_on_integers() -> None:
    for rule in RULES.values():
        for element in ELEMENTS if rule.kind != "exact" else ():
            assert rewritten(rule, rule.example, element) is None, rule.name


def test_casts_are_merged_rightly_for_all_types() -> None:
    fired = 0
    for source, middle, target in itertools.product(ELEMENTS, repeat=3):
        before = _cast_chain(source, middle, target)
        after = clone_op(before)
        if rewrite(after, [RULES["cast_of_cast"]]).total:
            fired += 1
            assert terms.counterexample(before, after) is None, (str(source), str(middle), str(target))
    assert fired > 100


def _cast_chain(*elements: ScalarType) -> Operation:
    function, b = _function([TensorType((), elements[0])])
    value: Value = builtin.body(function).args[0]
    for element in elements[1:]:
        value = b.create(REGISTRY["tensorc.cast"], [value], CastAttrs(element))[0]
    return _returning(function, b, value)


def _function(types: Sequence[Type]) -> tuple[Operation, LoopBuilder]:
    function = builtin.new_function("f", types, [])
    return function, LoopBuilder.at_end(builtin.body(function))


def _returning(function: Operation, b: LoopBuilder, *values: Value) -> Operation:
    b.create_op(builtin.Return, values)
    builtin.set_signature(function, [a.type for a in builtin.body(function).args], [v.type for v in values])
    return function


# --- loops: arith -------------------------------------------------------------------------------------------

SCALARS: tuple[Type, ...] = (i1, i8, IntegerType(16), i32, IntegerType(64), IndexType())
BINARY = [REGISTRY[f"arith.{name}"] for name in terms.ARITH]


def special_numbers(type: Type) -> list[int]:
    if type == i1:
        return [0, 1]
    low = -(1 << (terms.width(type) - 1))
    return [0, 1, -1, 2, 3, -3, terms.width(type), low, low + 1, -low - 1]


def _number(b: LoopBuilder, value: int, type: Type) -> Value:
    return b.constant(value, type)


@pytest.mark.parametrize("type", SCALARS, ids=str)
def test_identities_of_scalars_hold_for_all_values(type: Type) -> None:
    """x op c, c op x and x op x for every op and every constant that a rule could look for."""
    fired = set()
    numbers = (0, 1, -1, 2) if type != i1 else (0, 1)
    for definition, c, form in itertools.product(BINARY, numbers, range(3)):
        function, b = _function([type])
        x: Value = builtin.body(function).args[0]
        other = _number(b, c, type)
        operands = [(x, other), (other, x), (x, x)][form]
        if type == i1 and definition.name not in ("arith.andi", "arith.ori", "arith.xori"):
            continue  # a truth value of Z3 is no number
        before = _returning(function, b, b.create(definition, operands)[0])
        after = clone_op(before)
        counts = rewrite(after, fold.PATTERNS).rewrites
        fired |= set(counts)
        if counts:
            wrong = terms.counterexample(before, after)
            assert wrong is None, f"{definition.name} {form} with {c} of {type}: {wrong}"
    assert {"scalar_identity", "scalar_constant_right"} <= fired


@pytest.mark.parametrize("type", SCALARS[1:], ids=str)
def test_folded_scalars_are_what_arith_says(type: Type) -> None:
    """And nothing undefined is folded: x / 0, INT_MIN / -1, shifts over the width."""
    refused = 0
    for definition, a, c in itertools.product(BINARY, special_numbers(type), special_numbers(type)):
        _, b = _function([])
        op = b.create_op(definition, [_number(b, a, type), _number(b, c, type)])
        name = definition.name.removeprefix("arith.")
        x, y = terms.number(a, type), terms.number(c, type)
        attribute = fold.fold(op)
        undefined = z3.is_true(z3.simplify(terms.undefined(name, x, y)))
        assert (attribute is None) == undefined, (name, a, c)
        refused += undefined
        if attribute is not None:
            assert isinstance(attribute, IntegerAttr)
            expected = z3.simplify(terms.ARITH[name](x, y))
            assert attribute.value % (1 << terms.width(type)) == expected.as_long(), (name, a, c)
    assert refused > 20


@st.composite
def loop_programs(draw: Any) -> Operation:
    """Index arithmetic as loops do it: sums, products, extremes, comparisons and choices."""
    index = IndexType()
    function, b = _function([index, index])
    values = [*builtin.body(function).args, *[_number(b, n, index) for n in (0, 1, 2, -1)]]
    names = ("addi", "addi", "subi", "maxsi", "minsi", "andi", "ori", "xori", "muli")
    for _ in range(draw(st.integers(1, 8))):
        x, y, c = (draw(st.sampled_from(values)) for _ in range(3))
        if draw(st.booleans()):
            values.append(b.create(REGISTRY[f"arith.{draw(st.sampled_from(names))}"], [x, y])[0])
        else:
            less = b.create(arith.CmpI, [x, y], arith.PredicateAttrs(draw(st.integers(0, 9))))[0]
            values.append(b.create(arith.Select, [less, c, x])[0])
    return _returning(function, b, *values[-2:])


@given(loop_programs())
def test_random_index_arithmetic_keeps_its_value(program: Operation) -> None:
    after = clone_op(program)
    rewrite(after, CANONICAL)
    try:
        wrong = terms.counterexample(program, after, milliseconds=500)
    except terms.Unsupported:  # products of products: no answer in time
        return
    assert wrong is None


# --- constants and lowering ---------------------------------------------------------------------------------

ON_INTEGERS = [name for name in terms.TENSOR if name not in ("where", "pow")]


@pytest.mark.parametrize("name", ON_INTEGERS)
def test_folding_of_tensors_is_what_the_terms_say(name: str) -> None:
    """NumPy at the corners of every type: folding is by the reference, which is NumPy."""
    definition: Any = REGISTRY[f"tensorc.{name}"]
    for element in (e for e in definition.accepts if e in ELEMENTS):
        numbers = special_numbers(IntegerType(element.width))
        corners = np.array(numbers).astype(to_dtype(element))
        operands = [a.ravel() for a in np.meshgrid(*[corners] * definition.arity)]
        with np.errstate(all="ignore"):
            folded = np.asarray(definition.fold(NO_ATTRS, *operands))
        result = definition.result_element([element] * definition.arity)
        for position in range(folded.size):
            xs = [terms.number(a[position], element) for a in operands]
            term = z3.simplify(terms.elementwise(name, [element], result, *xs))
            value = z3.is_true(term) if z3.is_bool(term) else term.as_long()
            got = int(folded[position]) % (1 << result.width)
            assert got == value, f"{name} of {[a[position] for a in operands]} in {element}"


@pytest.mark.parametrize("name", [*ON_INTEGERS, "where"])
def test_scalar_bodies_are_what_the_terms_say(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an op is lowered to, for all inputs: guarded against zero divisors, INT_MIN / -1 and long shifts,
    so that nothing undefined is ever reached. Wide divisions are proved for any function in their place.
    """
    definition: Any = REGISTRY[f"tensorc.{name}"]
    for element in sorted((e for e in definition.accepts if e in ELEMENTS), key=lambda e: e.width):
        if element.width > 8:
            monkeypatch.setattr(terms, "divide", terms.any_divide)
            monkeypatch.setattr(terms, "rest", terms.any_rest)
        wrong = lowered_differs(definition, element)
        assert wrong is None, f"{name} of {element}: {wrong}"


def lowered_differs(definition: type[Pointwise], element: ScalarType) -> str | None:
    elements = definition.operand_elements(element)
    name = definition.name.removeprefix("tensorc.")
    registers = [dtypes.signless(e) for e in elements]
    function, b = _function(registers)
    body = definition.scalar(b, elements, *builtin.body(function).args)
    meaning = terms.Reader().read(_returning(function, b, body))
    xs = [terms.variable(f"arg{k}", e) for k, e in enumerate(registers)]
    expected = terms.elementwise(name, elements, definition.result_element(elements), *xs)
    solver = z3.Solver()
    solver.set("timeout", 60_000)
    solver.add(z3.Or(*meaning.undefined, meaning.results[0] != expected))
    answer = solver.check()
    assert answer != z3.unknown, f"{name} of {element}: no proof and no counterexample"
    return None if answer == z3.unsat else str(solver.model())


# --- awake: wrong rules are refuted -------------------------------------------------------------------------


@pattern(Sub, law="x - y = x + y", example="x - y")
def wrong_sign(op: Operation, rewriter: Rewriter) -> None:
    rewriter.replace_op(op, Add, op.operands)


@pattern(Mul, law="|x| * |y| = |x * y|, wrong where it wraps", example="abs(x) * abs(y)")
def wrong_absolutes(op: Operation, rewriter: Rewriter) -> None:
    a, b = (operand_of(v, Abs) for v in op.operands)
    if a is not None and b is not None:
        inside = rewriter.create(Mul, [a, b])[0]
        rewriter.replace_op(op, Abs, [inside])


@pattern(Abs, law="|-x| = |x|, wrong on unsigned", example="abs(-x)")
def wrong_absolute(op: Operation, rewriter: Rewriter) -> None:
    inner = operand_of(op.operands[0], Neg)
    if inner is not None:
        rewriter.replace_op(op, Abs, [inner])


@pytest.mark.parametrize(
    ("rule", "element", "shown"),
    [(wrong_sign, i32, "before"), (wrong_absolutes, i8, "arg1"), (wrong_absolute, ui32, "after")],
    ids=["sign", "absolutes", "unsigned"],
)
def test_a_wrong_rule_is_refuted_with_a_counterexample(rule: Any, element: ScalarType, shown: str) -> None:
    functions = rewritten(rule, rule.example, element)
    assert functions is not None
    wrong = terms.counterexample(*functions)
    assert wrong is not None
    assert "arg0" in wrong
    assert shown in wrong


def test_a_rule_that_is_wrong_for_one_number_only_is_refuted() -> None:
    """`x >= -127` is true of every 8-bit integer but one."""

    @pattern(REGISTRY["tensorc.ge"], law="x >= -127", example="where(ge(x, full_like(x, -127.0)), x, y)")
    def almost_always(op: Operation, rewriter: Rewriter) -> None:
        x = op.operands[0]
        rewriter.replace_op(op, REGISTRY["tensorc.eq"], [x, x])

    functions = rewritten(almost_always, almost_always.example, i8)
    assert functions is not None
    wrong = terms.counterexample(*functions)
    assert wrong is not None
    assert "= 128" in wrong  # the bits of -128


def test_a_dropped_check_is_refuted() -> None:
    @pattern(REGISTRY["tensorc.broadcast_extents"], law="no check", example="")
    def drop(op: Operation, rewriter: Rewriter) -> None:
        rewriter.replace_with(op, [op.operands[0]])

    example = "broadcast_to(s, broadcast_extents(n, index(7)))"
    functions = rewritten(drop, example, ui8)
    assert functions is not None
    wrong = terms.counterexample(*functions)
    assert wrong is not None
    assert "before an error" in wrong
