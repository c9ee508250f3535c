"""Every rewrite rule: its example makes it fire, and keeps what its class promises on ordinary and special
inputs.
"""

from __future__ import annotations

import itertools
from typing import Any

import mpmath
import numpy as np
import pytest

from passes.rule_examples import build, names_in, real_value
from tensorc.interp import tensor
from tensorc.ir import builtin
from tensorc.ir.clone import clone_op
from tensorc.ir.core import Operation
from tensorc.ir.rewriter import Pattern, rewrite
from tensorc.ir.types import FloatType, f32, f64
from tensorc.ir.verifier import check
from tensorc.passes.cse import Cse
from tensorc.passes.rules import CANONICAL, STABLE

RULES = (*CANONICAL, *STABLE)
SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.0, np.inf, -np.inf, np.nan, 0.5, -3.25, 1e-30, -1e-30, 1e-45, 3e38]
"""Values for bit-exact rules; also in float32."""


def special_inputs(dtype: np.dtype[Any], values: list[float], most: int = 1000) -> dict[str, Any]:
    """`x` and `y` run through pairs of values (equal ones, then at most so many) and some random ones."""
    rng = np.random.default_rng(7)
    pairs = np.array(list(itertools.product(values, values)))
    equal = np.array([(v, v) for v in values])
    pairs = np.concatenate([equal, pairs[rng.permutation(len(pairs))[:most]]])
    drawn = rng.normal(size=(len(pairs) // 2, 2)) * rng.choice([1e-3, 1, 30], size=(len(pairs) // 2, 1))
    both = np.concatenate([pairs, drawn])
    both = np.concatenate([both, np.ones((-len(both) % 3, 2))])
    with np.errstate(all="ignore"):
        x, y = (both[:, k].reshape(-1, 3).astype(dtype) for k in (0, 1))
    v = np.array([0.5, -0.0, np.nan], dtype)
    return {"x": x, "y": y, "v": v, "s": np.array(-1.5, dtype), "e": np.zeros((0, 3), dtype)}


def arguments(rule: Pattern, inputs: dict[str, Any]) -> list[Any]:
    return [inputs[n] for n in ("x", "y", "v", "s", "e") if n in names_in(rule.example)]


def run(module: Operation, args: list[Any]) -> Any:
    return tensor.run(next(builtin.functions(module)), args)[0]


WITH = {"log_of_view": "log_of_softmax"}
"""Rules that only prepare for another one are judged together with it."""


def before_and_after(rule: Pattern, element: FloatType) -> tuple[Operation, Operation]:
    """The example without repetitions, and what this rule alone makes of it."""
    before = build(rule.example, element)
    Cse().run(before)
    check(before)
    after = clone_op(before)
    counts = rewrite(after, [r for r in RULES if r is rule or r.name == WITH.get(rule.name)]).rewrites
    check(after)
    assert counts.get(rule.name), f"{rule.name} does not fire on {rule.example}"
    return before, after


def test_names_and_laws_are_given_once() -> None:
    assert len({r.name for r in RULES}) == len(RULES)
    assert all(r.law and r.example for r in RULES)


def same_bits(a: Any, b: Any) -> bool:
    """Equal in every bit, NaNs being alike."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    nan = np.isnan(a) & np.isnan(b)
    return bool(np.all(nan | ((a == b) & (np.signbit(a) == np.signbit(b)))))


EXACT = [r for r in RULES if r.kind == "exact"]
ROUNDING = [r for r in RULES if r.kind == "rounding"]
STABLE_RULES = [r for r in RULES if r.kind == "stable"]


@pytest.mark.parametrize("element", [f32, f64], ids=str)
@pytest.mark.parametrize("rule", EXACT, ids=lambda r: r.name)
def test_exact_rules_keep_every_bit(rule: Pattern, element: FloatType) -> None:
    before, after = before_and_after(rule, element)
    inputs = special_inputs(np.dtype("f4" if element == f32 else "f8"), SPECIAL)
    args = arguments(rule, inputs)
    assert same_bits(run(before, args), run(after, args))


@pytest.mark.parametrize("element", [f32, f64], ids=str)
@pytest.mark.parametrize("rule", ROUNDING, ids=lambda r: r.name)
def test_rounding_rules_stay_within_their_ulps(rule: Pattern, element: FloatType) -> None:
    before, after = before_and_after(rule, element)
    args = arguments(rule, special_inputs(np.dtype("f4" if element == f32 else "f8"), SPECIAL))
    old, new = run(before, args), run(after, args)
    finite = np.isfinite(old)
    assert same_bits(np.where(finite, 0, old), np.where(finite, 0, new))
    assert rule.ulp is not None
    with np.errstate(all="ignore"):
        spacing = np.spacing(np.abs(np.where(finite, old, 1)))
        assert np.all(np.where(finite, np.abs(new - old), 0) <= rule.ulp * spacing)


def magnitudes(example: str, dtype: np.dtype[Any]) -> tuple[list[float], int]:
    """Inputs that the truth can be computed for, and the bits it takes: e**-2000 beside 1 takes 3,000."""
    near = [0.0, 1e-20, -1e-20, 1e-9, -1e-9, 1e-3, -1e-3, 0.5, -0.5, 1.0, -1.0, 2.0, -3.0, 9.0, -9.0]
    if "erf" in example:
        return [*near, 5.0, -5.0, 12.0, -12.0, 26.0, -26.0], 2500
    if any(word in example for word in ("exp", "softmax", "sigmoid", "softplus")):
        return [
            *near,
            40.0,
            -40.0,
            87.0,
            -87.0,
            100.0,
            -100.0,
            710.0,
            -710.0,
            745.0,
            -745.0,
            1999.0,
            -1999.0,
        ], 6500
    huge = (
        [1e30, -1e30, 1e38, -1e-38, 1e-42] if dtype == np.float32 else [1e200, -1e200, 1e-200, 1e-320, 1e308]
    )
    return [*near, *huge], 3000


@pytest.mark.parametrize("element", [f32, f64], ids=str)
@pytest.mark.parametrize("rule", STABLE_RULES, ids=lambda r: r.name)
def test_stable_rules_come_no_further_from_the_truth(rule: Pattern, element: FloatType) -> None:
    before, after = before_and_after(rule, element)
    dtype = np.dtype("f4" if element == f32 else "f8")
    values, precision = magnitudes(rule.example, dtype)
    inputs = special_inputs(dtype, values, most=60)
    args = arguments(rule, inputs)
    old, new = run(before, args), run(after, args)
    if new.dtype.kind != "f":
        assert_positions(args[0], new)
        return
    used = {n: inputs[n] for n in names_in(rule.example) if n in inputs}
    truth = np.asarray(real_value(rule.example, used, precision), object)
    failures = []
    for position in np.ndindex(new.shape):
        one = float(new[position]) if rule.name in ("quotient_is_softmax", "power_of_log_softmax") else 1.0
        slack = spread(rule.example, used, position) * one * np.finfo(dtype).eps
        problem = compare(truth[position], old[position], new[position], abs(slack))
        if problem:
            failures.append((position, problem))
    assert not failures, failures[:5]


def assert_positions(x: Any, found: Any) -> None:
    """argmax of an increasing function is that of its argument."""
    assert np.array_equal(found, np.argmax(x, axis=1))


def spread(example: str, inputs: dict[str, Any], position: tuple[int, ...]) -> float:
    """Greatest input of a row that is reduced, or of a sum of powers.

    Subtracting it rounds: the result is the true one of inputs an ulp away, which in logarithms is an
    absolute error and in powers a relative one, of this many ulps of 1.
    """
    if "softmax" in example or "sum" in example:
        row = position[0] if "transpose" not in example else position[-1]
        return 2 + float(np.max(np.abs(inputs["x"][row])))
    if "exp(x) + exp(y)" in example:
        return 2 + float(max(abs(inputs[n][position]) for n in "xy"))
    return 0.0


def compare(truth: Any, old: Any, new: Any, slack: float) -> str | None:
    """What is wrong with `new`, given the true value, what the program gave as written, and an error that
    is allowed.
    """
    if mpmath.isnan(truth):
        same = np.isnan(new) or new == old
        return None if same else f"true value undefined, was {old}, is {new}"
    with mpmath.workprec(200), np.errstate(all="ignore"):
        nearest = type(new)(truth) if mpmath.isfinite(truth) else type(new)(float(truth))
    if not np.isfinite(nearest):
        return None if new == nearest else f"true value {nearest}, was {old}, is {new}"
    if not np.isfinite(new):
        return f"true value {nearest}, was {old}, is {new}"
    with mpmath.workprec(4000):
        error = abs(mpmath.mpf(float(new)) - truth)
        allowed = abs(mpmath.mpf(float(old)) - truth) if np.isfinite(old) else mpmath.inf
        slack = 6 * mpmath.mpf(float(np.spacing(abs(nearest)))) + slack
        return None if error <= max(allowed, slack) else f"true {nearest}, was {old}, is {new}"


@pytest.mark.parametrize("element", [f32, f64], ids=str)
@pytest.mark.parametrize("rule", STABLE_RULES, ids=lambda r: r.name)
def test_stable_rules_let_nan_through(rule: Pattern, element: FloatType) -> None:
    before, after = before_and_after(rule, element)
    dtype = np.dtype("f4" if element == f32 else "f8")
    args = arguments(rule, {**special_inputs(dtype, [0.25, np.nan]), "v": np.full(3, np.nan, dtype)})
    old, new = run(before, args), run(after, args)
    if new.dtype.kind == "f":
        assert np.array_equal(np.isnan(old), np.isnan(new))


@pytest.mark.parametrize("rule", STABLE_RULES, ids=lambda r: r.name)
def test_stable_rules_agree_at_infinity_where_the_program_has_a_value(rule: Pattern) -> None:
    before, after = before_and_after(rule, f64)
    args = arguments(rule, special_inputs(np.dtype("f8"), [np.inf, -np.inf, 1.0]))
    old, new = run(before, args), run(after, args)
    if new.dtype.kind == "f":
        valued = ~np.isnan(old)
        assert np.allclose(old[valued], new[valued], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("element", [f32, f64], ids=str)
@pytest.mark.parametrize("rule", STABLE_RULES, ids=lambda r: r.name)
def test_stable_rules_keep_the_signs_of_zeros(rule: Pattern, element: FloatType) -> None:
    """A later division can tell: 1 / log(1 + x) is inf for either zero."""
    before, after = before_and_after(rule, element)
    dtype = np.dtype("f4" if element == f32 else "f8")
    inputs = {**special_inputs(dtype, [1.0]), "x": np.array([[0.0, -0.0, 1.0]], dtype)}
    inputs["y"] = np.array([[0.0, -0.0, -1.0]], dtype)
    args = arguments(rule, inputs)
    old, new = run(before, args), run(after, args)
    zero = (old == 0) & (new == 0)
    assert np.array_equal(np.signbit(old)[zero], np.signbit(new)[zero])
