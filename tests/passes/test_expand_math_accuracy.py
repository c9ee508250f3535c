"""The math expansions hold the errors they promise, compiled as loops: `benchmarks/accuracy.py` in short."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

from benchmarks import accuracy
from benchmarks.scalar_loops import compile_loop, scalar_text
from tensorc.ir.types import FloatType, f32, f64, i32
from tensorc.passes.math import EXPANSIONS
from tensorc.passes.math.exponential import exp

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = list(EXPANSIONS)
UNARY = [name for name in FUNCTIONS if EXPANSIONS[name].operands == 1]
BINARY = [name for name in FUNCTIONS if EXPANSIONS[name].operands == 2]
BITS = {np.dtype(np.float32): f32, np.dtype(np.float64): f64}
POISON = "nsw|nuw|exact|fast|nnan|ninf|contract|fptosi|fptoui|sdiv|udiv"
INF, NAN, PI = np.inf, np.nan, np.pi


@pytest.mark.parametrize("name", FUNCTIONS)
def test_double_is_within_its_bound_of_the_exact_value(name: str) -> None:
    arguments = accuracy.points_of(name, np.float64, 8000, seed=1)
    # Every fifth boundary is enough here: the benchmark takes them all, and more random points.
    arguments = tuple(a[1::5] for a in arguments)
    worst = accuracy.Worst()
    accuracy.check_exact(name, compile_loop(name, f64), arguments, worst)
    assert worst.wrong == 0, worst.example
    assert 0 < worst.ulp <= EXPANSIONS[name].ulp, worst


@pytest.mark.parametrize("name", UNARY)
def test_single_is_within_its_bound_on_a_million_points(name: str) -> None:
    worst = accuracy.Worst()
    loop = compile_loop(name, f32)
    (points,) = accuracy.points_of(name, np.float32, 200_000, seed=2)
    every = np.arange(0, 1 << 32, 5003, dtype=np.uint64).astype(np.uint32).view(np.float32)
    with np.errstate(all="ignore"):
        accuracy.check_single(name, loop, np.concatenate([points, every]), worst)
    assert worst.count > 1_000_000
    assert worst.wrong == 0, worst.example
    assert 0 < worst.ulp <= EXPANSIONS[name].ulp, worst


@pytest.mark.parametrize("name", BINARY)
def test_single_of_two_operands_is_within_its_bound(name: str) -> None:
    worst = accuracy.Worst()
    arguments = tuple(a[::5] for a in accuracy.points_of(name, np.float32, 40_000))
    accuracy.check_exact(name, compile_loop(name, f32), arguments, worst)
    assert worst.wrong == 0, worst.example
    assert 0 < worst.ulp <= EXPANSIONS[name].ulp, worst


# Pairs and not a dictionary: 0.0 and -0.0 would be one key.
SPECIAL = {
    "exp": [(INF, INF), (-INF, 0.0), (0.0, 1.0), (-0.0, 1.0), (NAN, NAN), (1e30, INF), (-1e30, 0.0)],
    "exp2": [
        (INF, INF),
        (-INF, 0.0),
        (0.0, 1.0),
        (-0.0, 1.0),
        (NAN, NAN),
        (10.0, 1024.0),
        (-149.0, 2.0**-149),
    ],
    "expm1": [(INF, INF), (-INF, -1.0), (0.0, 0.0), (-0.0, -0.0), (NAN, NAN), (-1e30, -1.0)],
    "log": [(INF, INF), (-INF, NAN), (0.0, -INF), (-0.0, -INF), (-1.0, NAN), (1.0, 0.0), (NAN, NAN)],
    "log1p": [(INF, INF), (-INF, NAN), (0.0, 0.0), (-0.0, -0.0), (-1.0, -INF), (-1.5, NAN), (NAN, NAN)],
    "log2": [
        (INF, INF),
        (-INF, NAN),
        (0.0, -INF),
        (-0.0, -INF),
        (-1.0, NAN),
        (8.0, 3.0),
        (0.125, -3.0),
        (NAN, NAN),
    ],
    "log10": [
        (INF, INF),
        (-INF, NAN),
        (0.0, -INF),
        (-0.0, -INF),
        (-1.0, NAN),
        (1.0, 0.0),
        (1000.0, 3.0),
        (NAN, NAN),
    ],
    "sinh": [(INF, INF), (-INF, -INF), (0.0, 0.0), (-0.0, -0.0), (1e30, INF), (-1e30, -INF), (NAN, NAN)],
    "cosh": [(INF, INF), (-INF, INF), (0.0, 1.0), (-0.0, 1.0), (1e30, INF), (-1e30, INF), (NAN, NAN)],
    "asinh": [(INF, INF), (-INF, -INF), (0.0, 0.0), (-0.0, -0.0), (NAN, NAN)],
    "acosh": [(INF, INF), (-INF, NAN), (1.0, 0.0), (0.5, NAN), (-0.0, NAN), (-2.0, NAN), (NAN, NAN)],
    "atanh": [(1.0, INF), (-1.0, -INF), (0.0, 0.0), (-0.0, -0.0), (2.0, NAN), (-INF, NAN), (NAN, NAN)],
    "asin": [(1.0, PI / 2), (-1.0, -PI / 2), (0.0, 0.0), (-0.0, -0.0), (2.0, NAN), (-INF, NAN), (NAN, NAN)],
    "acos": [(1.0, 0.0), (-1.0, PI), (0.0, PI / 2), (-0.0, PI / 2), (2.0, NAN), (-INF, NAN), (NAN, NAN)],
    "atan": [(INF, PI / 2), (-INF, -PI / 2), (0.0, 0.0), (-0.0, -0.0), (NAN, NAN)],
    "cbrt": [(INF, INF), (-INF, -INF), (0.0, 0.0), (-0.0, -0.0), (-27.0, -3.0), (1000.0, 10.0), (NAN, NAN)],
    "tanh": [(INF, 1.0), (-INF, -1.0), (0.0, 0.0), (-0.0, -0.0), (50.0, 1.0), (-50.0, -1.0), (NAN, NAN)],
    "erf": [(INF, 1.0), (-INF, -1.0), (0.0, 0.0), (-0.0, -0.0), (1e30, 1.0), (-6.0, -1.0), (NAN, NAN)],
    "erfc": [(INF, 0.0), (-INF, 2.0), (0.0, 1.0), (-0.0, 1.0), (1e30, 0.0), (-1e30, 2.0), (NAN, NAN)],
    "sigmoid": [(INF, 1.0), (-INF, 0.0), (0.0, 0.5), (-0.0, 0.5), (1e30, 1.0), (-1e30, 0.0), (NAN, NAN)],
    "softplus": [(INF, INF), (-INF, 0.0), (1e30, 1e30), (-1e30, 0.0), (NAN, NAN)],
    "sin": [(INF, NAN), (-INF, NAN), (0.0, 0.0), (-0.0, -0.0), (np.pi / 2, 1.0), (NAN, NAN)],
    "cos": [(INF, NAN), (-INF, NAN), (0.0, 1.0), (-0.0, 1.0), (1e-9, 1.0), (np.pi, -1.0), (NAN, NAN)],
    "tan": [(INF, NAN), (-INF, NAN), (0.0, 0.0), (-0.0, -0.0), (5e-324, 5e-324), (NAN, NAN)],
    "log1mexp": [(-INF, -0.0), (0.0, -INF), (-0.0, -INF), (1.0, NAN), (INF, NAN), (NAN, NAN)],
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", UNARY)
def test_special_values(name: str, dtype: type) -> None:
    x, want = np.array(SPECIAL[name], dtype).T.copy()
    got = compile_loop(name, BITS[np.dtype(dtype)])(x)
    np.testing.assert_array_equal(got, want)
    number = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got[number]), np.signbit(want[number]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["atan2", "hypot"])
def test_special_pairs_are_numpys(name: str, dtype: type) -> None:
    ends = np.finfo(dtype).max, np.finfo(dtype).tiny
    values = np.array([0.0, -0.0, 1.0, -1.0, INF, -INF, NAN, *ends], dtype)
    x, y = (a.ravel() for a in np.meshgrid(values, values))
    got = compile_loop(name, BITS[np.dtype(dtype)])(x, y)
    with np.errstate(all="ignore"):
        want = accuracy.REFERENCES[name].numpy(x, y)
    number = ~np.isnan(want)
    np.testing.assert_array_equal(number, ~np.isnan(got))
    finite = np.isfinite(want)
    np.testing.assert_array_almost_equal_nulp(got[finite], want[finite], 1)
    np.testing.assert_array_equal(np.signbit(got[number]), np.signbit(want[number]))
    special = ~finite | np.isin(np.abs(x), [0, 1, INF]) & np.isin(np.abs(y), [0, INF])
    np.testing.assert_array_equal(got[special], want[special])


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_next_to_multiples_of_half_pi_the_reduction_keeps_every_digit(name: str) -> None:
    """There nothing is left of x but what three parts of pi and the rounding of the second one make."""
    turns = np.unique(np.exp2(np.random.default_rng(6).uniform(0, 39.3, 400)).astype(np.int64))
    with mpmath.workprec(200):
        near = np.array([float(int(n) * mpmath.pi / 2) for n in turns])
    worst = accuracy.Worst()
    points = np.concatenate([near, -np.nextafter(near, 0)])
    accuracy.check_exact(name, compile_loop(name, f64), (points,), worst)
    assert worst.wrong == 0, worst.example
    assert 0 < worst.ulp <= EXPANSIONS[name].ulp, worst


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers_of_ten_and_cubes_are_exact(dtype: type) -> None:
    element = BITS[np.dtype(dtype)]
    k = np.arange(0, 11 if dtype is np.float32 else 23).astype(dtype)
    powers = np.array([10.0**int(n) for n in k], dtype)
    np.testing.assert_array_equal(compile_loop("log10", element)(powers), k)
    roots = np.concatenate([np.arange(1.0, 200.0), 2.0 ** np.arange(-40, 40)]).astype(dtype)
    np.testing.assert_array_equal(compile_loop("cbrt", element)(-(roots**3)), -roots)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers_of_two_are_exact(dtype: type) -> None:
    info = np.finfo(dtype)
    k: Any = np.arange(info.minexp - info.nmant, info.maxexp).astype(dtype)
    powers = np.ldexp(dtype(1), k.astype(int))
    element = BITS[np.dtype(dtype)]
    np.testing.assert_array_equal(compile_loop("exp2", element)(k), powers)
    np.testing.assert_array_equal(compile_loop("log2", element)(powers), k)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logaddexp_of_infinities_and_nan_is_numpys(dtype: type) -> None:
    most = np.finfo(dtype).max
    values: Any = np.array([INF, -INF, NAN, 0.0, -0.0, 3.0, -3.0, most, -most], dtype)
    x, y = (a.ravel() for a in np.meshgrid(values, values))
    with np.errstate(all="ignore"):
        want = np.logaddexp(x, y)
    got = compile_loop("logaddexp", BITS[np.dtype(dtype)])(x, y)
    np.testing.assert_allclose(got, want, rtol=4 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers_of_special_values_are_numpys_and_others_near_overflow_are_close(dtype: type) -> None:
    info = np.finfo(dtype)
    values = [0, 1, 2, 0.5, 3, 2.5, 1 / 3, info.max, info.tiny, info.smallest_subnormal, INF, NAN, 2.0**53]
    every: Any = np.array([*values, *(-v for v in values)], dtype)
    x, y = (a.ravel() for a in np.meshgrid(every, every))
    with np.errstate(all="ignore"):
        want = np.power(x, y)
    got = compile_loop("powf", BITS[np.dtype(dtype)])(x, y)
    np.testing.assert_allclose(got, want, rtol=2 * float(info.eps), atol=float(info.smallest_subnormal))
    number = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got[number]), np.signbit(want[number]))
    bases = np.exp2(np.random.default_rng(3).uniform(info.minexp, info.maxexp, 4000))
    ends = np.random.default_rng(4).uniform(info.minexp - info.nmant - 2, info.maxexp + 1, 4000)
    points = bases.astype(dtype), (ends / np.log2(bases)).astype(dtype)
    worst = accuracy.Worst()
    accuracy.check_exact("powf", compile_loop("powf", BITS[np.dtype(dtype)]), points, worst)
    assert worst.wrong == 0
    assert 0 < worst.ulp <= EXPANSIONS["powf"].ulp, worst


@pytest.mark.parametrize("element", [f32, f64], ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_loop_vectorises_without_calls_or_gathers(name: str, element: object) -> None:
    loop = compile_loop(name, element, width=256, features="+avx2,+fma")  # type: ignore[arg-type]
    if not re.search("%[xyz]mm", loop.assembly):
        pytest.skip("not an x86-64 machine")
    assert "ymm" in loop.assembly
    assert "gather" not in loop.assembly
    assert loop.imports == ()
    assert element in (f32, f64)
    assert len(re.findall(r"v(?:fn?m\w+|add|mul|sqrt)p[sd]\t.*%[yz]mm", loop.assembly)) > 5


@pytest.mark.parametrize("name", ["exp", "log", "tanh"])
def test_results_do_not_depend_on_the_instruction_set(name: str) -> None:
    """fma is the C library's where the machine has none: the same bits, slower."""
    x = np.concatenate([np.linspace(-30, 30, 1001), np.array(accuracy.SPECIAL)])
    wide = compile_loop(name, f64)(x)
    if not re.search("%[xyz]mm", compile_loop(name, f64).assembly):
        pytest.skip("not an x86-64 machine")
    narrow = compile_loop(name, f64, features="-fma,-fma4,-avx,-avx2,-avx512f")
    assert re.search(r"\bfma\b", narrow.assembly)
    np.testing.assert_array_equal(narrow(x).view(np.int64), wide.view(np.int64))


@pytest.mark.parametrize("element", [f32, f64], ids=str)
@pytest.mark.parametrize("name", ["exp", "erfc", "log10", "log1p", "logaddexp"])
def test_steps_that_are_instructions_give_the_same_bits(name: str, element: FloatType) -> None:
    """Against code for AVX2, which has none of them; a NaN is a NaN, whatever its bits."""
    wide = compile_loop(name, element)
    if not re.search("vscalef|vgetexp", wide.assembly):
        pytest.skip("this machine lacks AVX-512")
    arguments = accuracy.points_of(name, np.float32 if element == f32 else np.float64, 8000, seed=5)
    want = compile_loop(name, element, width=256, features="+avx2,+fma")(*arguments)
    got = wide(*arguments)
    np.testing.assert_array_equal(got, want)
    number = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got[number]), np.signbit(want[number]))


def test_nothing_emitted_can_be_poison() -> None:
    shifts: list[tuple[str, str]] = []
    for name in FUNCTIONS:
        for element in (f32, f64):
            for text in scalar_text(name, element).split("define "):
                assert not re.search(f"\\b({POISON})\\b", text)
                found = re.findall(r"= (?:shl|lshr) i(\d+) \S+, (\S+)", text)
                shifts += found
                for width, amount in found:
                    # 32 minus a number below 32, in the window of the bits of 1/pi
                    safe = re.search(rf"{amount} = sub i64 32, (\S+)\n", text)
                    masked = safe and re.search(rf"{safe[1]} = and i64 \S+, 31\n", text)
                    assert masked if amount.startswith("%") else int(amount) < int(width)
    assert shifts


def test_other_types_are_refused() -> None:
    class Integer:
        type = i32

    with pytest.raises(TypeError, match="no expansion for i32"):
        exp(None, Integer())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "script",
    ["minimax.py", "minimax_circular.py", "minimax_erf.py", "minimax_inverse.py", "minimax_power.py"],
)
def test_coefficients_are_what_the_script_computes(script: str) -> None:
    command = [sys.executable, str(ROOT / "tools" / script), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
