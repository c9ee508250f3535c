"""The error of the math expansions, in units in the last place of the exact result.

    python benchmarks/accuracy.py                      everything: minutes per function
    python benchmarks/accuracy.py --only exp,log --dtype float64 --points 100000
    python benchmarks/accuracy.py --speed              nanoseconds per element, next to NumPy and libmvec

float32 is exhaustive: all 2^32 inputs of the one-operand functions against NumPy's float64 function, whose
own error is 2^-27 of a float32 ulp at most. float64 takes stratified points and every boundary against mpmath
with 120 bits. An overflow is measured as the next power of two, NaN and infinities must match exactly.
logaddexp is measured in ulps of the largest of its result and its two terms, which cancel where the result
passes through zero.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from benchmarks.scalar_loops import Loop, compile_loop  # noqa: E402
from benchmarks.vector_library import library_loop  # noqa: E402
from tensorc.ir.types import f32, f64  # noqa: E402
from tensorc.passes.math import EXPANSIONS  # noqa: E402

Array = npt.NDArray[Any]
mp = mpmath.mp


def numpy_sigmoid(x: Array) -> Array:
    """The textbook form that does not overflow."""
    z = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, z) / (1 + z))


def numpy_softplus(x: Array) -> Array:
    return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


def numpy_log1mexp(x: Array) -> Array:
    far = np.log1p(-np.exp(x))
    return np.where(x > -np.log(x.dtype.type(2)), np.log(-np.expm1(x)), far)


def exact_log1mexp(x: Any) -> Any:
    """log(1 - e^x), in the form that keeps its bits."""
    if x < -1:
        return mpmath.log1p(-mpmath.exp(x))
    return mpmath.log(-mpmath.expm1(x))


def exact_softplus(x: Any) -> Any:
    return mpmath.log1p(mpmath.exp(x)) if x < 200 else x + mpmath.exp(-x)


def exact_logaddexp(x: Any, y: Any) -> Any:
    high, low = (x, y) if x > y else (y, x)
    return high + mpmath.log1p(mpmath.exp(low - high))


def special(name: str) -> Callable[[Array], Array]:
    """SciPy's function of that name."""

    def value(x: Array) -> Array:
        import scipy.special

        return np.asarray(getattr(scipy.special, name)(x))

    return value


def exact_cbrt(x: Any) -> Any:
    return mpmath.sign(x) * mpmath.cbrt(abs(x))


def exact_erfc(x: Any) -> Any:
    """0 where it is less than half of the smallest number: mpmath's does not go far."""
    return mpmath.erfc(x) if abs(x) < 100 else mpmath.mpf(0 if x > 0 else 2)


def finite_and_not_zero(x: Array, y: Array) -> Any:
    return np.isfinite(x) & np.isfinite(y) & (x != 0) & (y != 0)


def power_domain(x: Array, y: Array) -> Array:
    """Where x^y is a finite real number other than 0."""
    real = (x > 0) | (x < 0) & (np.trunc(y) == y)
    return np.isfinite(x) & np.isfinite(y) & real


@dataclass(frozen=True)
class Reference:
    """The same function in NumPy (any floating dtype) and in mpmath (finite arguments inside the domain)."""

    numpy: Callable[..., Array]
    exact: Callable[..., Any]
    domain: Callable[..., Any] = lambda x: np.isfinite(x)


REFERENCES: dict[str, Reference] = {
    "exp": Reference(np.exp, mpmath.exp),
    "exp2": Reference(np.exp2, lambda x: mpmath.power(2, x)),
    "expm1": Reference(np.expm1, mpmath.expm1),
    "log": Reference(np.log, mpmath.log, lambda x: np.isfinite(x) & (x > 0)),
    "log1p": Reference(np.log1p, mpmath.log1p, lambda x: np.isfinite(x) & (x > -1)),
    "log2": Reference(np.log2, lambda x: mpmath.log(x, 2), lambda x: np.isfinite(x) & (x > 0)),
    "log10": Reference(np.log10, mpmath.log10, lambda x: np.isfinite(x) & (x > 0)),
    "sinh": Reference(np.sinh, mpmath.sinh),
    "cosh": Reference(np.cosh, mpmath.cosh),
    "asinh": Reference(np.arcsinh, mpmath.asinh),
    "acosh": Reference(np.arccosh, mpmath.acosh, lambda x: np.isfinite(x) & (x >= 1)),
    "atanh": Reference(np.arctanh, mpmath.atanh, lambda x: np.abs(x) < 1),
    "asin": Reference(np.arcsin, mpmath.asin, lambda x: np.abs(x) <= 1),
    "acos": Reference(np.arccos, mpmath.acos, lambda x: np.abs(x) <= 1),
    "atan": Reference(np.arctan, mpmath.atan),
    "atan2": Reference(np.arctan2, mpmath.atan2, finite_and_not_zero),
    "cbrt": Reference(np.cbrt, exact_cbrt),
    "hypot": Reference(np.hypot, mpmath.hypot, lambda x, y: np.isfinite(x) & np.isfinite(y)),
    "tanh": Reference(np.tanh, mpmath.tanh),
    "sin": Reference(np.sin, mpmath.sin),
    "cos": Reference(np.cos, mpmath.cos),
    "tan": Reference(np.tan, mpmath.tan),
    "powf": Reference(np.power, mpmath.power, power_domain),
    "erf": Reference(special("erf"), mpmath.erf),
    "erfc": Reference(special("erfc"), exact_erfc),
    "sigmoid": Reference(numpy_sigmoid, lambda x: 1 / (1 + mpmath.exp(-x))),
    "softplus": Reference(numpy_softplus, exact_softplus),
    "log1mexp": Reference(numpy_log1mexp, exact_log1mexp, lambda x: np.isfinite(x) & (x < 0)),
    "logaddexp": Reference(np.logaddexp, exact_logaddexp, lambda x, y: np.isfinite(x) & np.isfinite(y)),
}

SPECIAL = (0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0)


def around(values: Array, dtype: npt.DTypeLike, steps: int = 4) -> Array:
    """The values and their neighbours, up to `steps` ulps on either side."""
    out = [values.astype(dtype)]
    below = above = out[0]
    infinity = np.asarray(np.inf, dtype)
    for _ in range(steps):
        below, above = np.nextafter(below, -infinity), np.nextafter(above, infinity)
        out += [below, above]
    return np.concatenate(out)


def boundaries(dtype: npt.DTypeLike) -> Array:
    """Every place where an expansion changes its mind, with neighbours: for all functions, in both signs."""
    info = np.finfo(np.dtype(dtype))
    digits, least, most = info.nmant, info.minexp, info.maxexp
    halves = np.arange(-1100, 1101) * 0.5
    powers = np.ldexp(1.0, np.arange(max(-1021, least), min(1023, most)))
    thresholds = [
        (least - digits) * np.log(2), (least - digits - 1) * np.log(2), least * np.log(2), most * np.log(2),
        least - digits, least - digits - 1, least, most, most - 1,
        (digits + 1) * np.log(2), (digits + 2) * np.log(2), (digits + 2) * np.log(2) / 2,
        10, 19.1, 20, 22, 40, 89, 104.5, 128.5, 151, 709.8, 746, 1024.5, 1076,
        np.sqrt(2) - 1, 1 - np.sqrt(0.5), 2.0 ** -(digits + 2), 2.0 ** -(digits + 1), 1, 2,
    ]  # fmt: skip
    tiny = np.concatenate([np.arange(1, 40), (1 << np.arange(0, digits + 2)) - 1, 1 << np.arange(0, digits)])
    subnormal = tiny.astype(np.int64) * float(info.smallest_subnormal)
    with np.errstate(all="ignore"):
        splits = [halves * np.log(2), halves, powers, powers * np.sqrt(0.5), 1 - powers]
        places = np.concatenate([*splits, np.array(thresholds, float), subnormal])
        both = around(np.concatenate([places, -places]), dtype)
        ends = np.array([info.max, info.tiny, info.smallest_subnormal, *SPECIAL], dtype)
        every = np.concatenate([both, ends, -ends])
    return np.unique(every.view(f"u{every.itemsize}")).view(every.dtype)


def stratified(dtype: npt.DTypeLike, count: int, rng: np.random.Generator) -> Array:
    """`count` random points: all bit patterns, magnitudes of all scales, the working ranges, and around 1."""
    kind = np.dtype(dtype)
    integer = np.dtype(f"u{kind.itemsize}")
    part = count // 8
    sign = rng.choice([-1.0, 1.0], part)
    pieces = [
        rng.integers(0, np.iinfo(integer).max, part, dtype=integer, endpoint=True).view(kind),
        sign * np.exp2(rng.uniform(-60, 12, part)),
        rng.uniform(-750, 712, part),
        rng.uniform(-110, 90, part),
        rng.uniform(-25, 25, part),
        rng.uniform(-1, 1, part),
        1 + sign * np.exp2(rng.uniform(-53, 0, part)),
        np.exp2(rng.uniform(-1074, 1024, count - 7 * part)),
    ]
    with np.errstate(over="ignore"):
        return np.concatenate([piece.astype(kind) for piece in pieces])


@dataclass
class Worst:
    """The largest error seen and where."""

    ulp: float = 0.0
    where: tuple[float, ...] = ()
    wrong: int = 0
    example: tuple[float, ...] = ()
    count: int = 0

    def enter(self, error: Array, wrong: Array, arguments: tuple[Array, ...]) -> None:
        self.count += error.size
        if error.size:
            place = int(np.argmax(error))
            if error[place] > self.ulp:
                self.ulp, self.where = float(error[place]), tuple(float(a[place]) for a in arguments)
        if wrong.any():
            self.wrong += int(wrong.sum())
            place = int(np.argmax(wrong))
            self.example = tuple(float(a[place]) for a in arguments)


def exact_parts(name: str, arguments: tuple[Array, ...]) -> tuple[Array, Array, Array]:
    """(n, f, e): the exact values are (n + f) 2^e, n an integer of the format or a power of two."""
    function = REFERENCES[name].exact
    size, kind = arguments[0].size, arguments[0].dtype
    info = np.finfo(kind)
    lowest = info.minexp - info.nmant
    rounded, remainder, ulp = np.empty(size), np.empty(size), np.empty(size)
    with mp.workprec(120):
        for i, point in enumerate(zip(*(a.tolist() for a in arguments), strict=True)):
            value = function(*map(mpmath.mpf, point))
            exponent = max((mpmath.frexp(value)[1] if value else lowest) - info.nmant - 1, lowest)
            exponent = min(exponent, info.maxexp - info.nmant - 1)
            units = mpmath.ldexp(value, -exponent)
            limit = mpmath.mpf(2) ** (info.nmant + 1)
            whole = max(min(mpmath.nint(units), limit), -limit)
            rounded[i], remainder[i], ulp[i] = float(whole), float(units - whole), exponent
    return rounded, remainder, ulp


def check_exact(name: str, loop: Loop, arguments: tuple[Array, ...], worst: Worst) -> None:
    """Enter the errors at these points: against mpmath inside the domain, NumPy's special values outside."""
    reference = REFERENCES[name]
    with np.errstate(all="ignore"):
        got = loop(*arguments)
        inside = reference.domain(*arguments)
        outside = ~inside
        special = reference.numpy(*arguments)[outside]
        # An infinity or NaN in the argument: the special value decides, and its sign where it is zero.
        found = got[outside]
        same = (found == special) & (np.signbit(found) == np.signbit(special))
        same |= np.isnan(found) & np.isnan(special)
        worst.enter(np.zeros(found.size), ~same, tuple(a[outside] for a in arguments))
        points = tuple(a[inside] for a in arguments)
        rounded, remainder, exponent = exact_parts(name, points)
        info = np.finfo(got.dtype)
        value = got[inside]
        limit = 2.0 ** (info.nmant + 1)
        # The value in units of the exact result's ulp, in two steps that stay inside the range.
        half = np.trunc(exponent / 2).astype(int)
        units = np.ldexp(np.ldexp(value.astype(float), -half), half - exponent.astype(int))
        units = np.where(np.isinf(value), np.copysign(limit, value), units)
        error = np.abs((units - rounded) - remainder)
        # Far beyond overflow the remainder is huge on both sides: both say infinity.
        error[np.isinf(value) & (rounded == np.copysign(limit, value))] = 0
        if name == "logaddexp":
            # Its promise is relative to the larger of its two terms: see its docstring.
            first = np.maximum(*points)
            larger = np.maximum(np.abs(first), np.abs(value - first)).astype(got.dtype)
            error *= np.minimum(1, np.ldexp(1.0, exponent.astype(int)) / np.spacing(larger))
        bad = np.isnan(value)
        worst.enter(np.where(bad, 0, error), bad, points)


def points_of(name: str, dtype: npt.DTypeLike, count: int, seed: int = 0) -> tuple[Array, ...]:
    """The stratified points and boundaries of a function, as its operands."""
    rng = np.random.default_rng(seed)
    x = np.concatenate([stratified(dtype, count, rng), boundaries(dtype)])
    if EXPANSIONS[name].operands == 1:
        return (x,)
    with np.errstate(all="ignore"):
        near = (x + stratified(dtype, x.size, rng)).astype(x.dtype)
        other = np.where(rng.random(x.size) < 0.5, near, rng.permutation(x))
    pairs = np.array(np.meshgrid(SPECIAL, SPECIAL), x.dtype).reshape(2, -1)
    return np.concatenate([x, pairs[0]]), np.concatenate([other, pairs[1]])


def all_floats(step: int) -> Iterator[Array]:
    """All 2^32 float32 values in blocks that stay in the second-level cache."""
    for start in range(0, 1 << 32, step):
        yield np.arange(start, start + step, dtype=np.uint64).astype(np.uint32).view(np.float32)


def check_single(name: str, loop: Loop, block: Array, worst: Worst) -> None:
    """Enter the errors of one block of float32 values against NumPy's float64 function."""
    got = loop(block)
    want = REFERENCES[name].numpy(block.astype(np.float64))
    ulp = (want.view(np.int64) & 0x7FF0_0000_0000_0000).view(np.float64)
    np.clip(ulp * 2.0**-23, 2.0**-149, 2.0**104, out=ulp)
    error = np.abs(got - want)
    error /= ulp
    odd = ~(error <= 1e6)
    wrong = np.zeros(1, bool)
    if odd.any():
        # NaN or an infinity somewhere: an overflow of the float32 result counts as 2^128.
        expected = want[odd].astype(np.float32)
        found = got[odd]
        wrong = np.zeros(block.size, bool)
        wrong[odd] = ~((found == expected) | np.isnan(found) & np.isnan(expected))
        error[odd] = 0
    worst.enter(error, wrong, (block,))


def exhaustive(name: str, worst: Worst) -> None:
    """All 2^32 float32 inputs."""
    loop = compile_loop(name, f32)
    with np.errstate(all="ignore"):
        for block in all_floats(1 << 16):
            check_single(name, loop, block, worst)


def measure(name: str, dtype: str, count: int) -> Worst:
    """The worst error of one function in one dtype."""
    worst = Worst()
    if dtype == "float32" and EXPANSIONS[name].operands == 1:
        exhaustive(name, worst)
        return worst
    loop = compile_loop(name, f32 if dtype == "float32" else f64)
    check_exact(name, loop, points_of(name, dtype, count), worst)
    return worst


WORKING: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("asin", "acos", "atanh"), (-0.99, 0.99)),
    **dict.fromkeys(("tanh", "erf", "erfc"), (-4, 4)),
    **dict.fromkeys(("sin", "cos", "tan", "exp"), (-20, 20)),
    "log1mexp": (-8, -0.1),
    "acosh": (1, 8),
}
"""Where times are measured; 0.1 to 8 for all others."""


def speed(names: list[str], size: int = 4096, rounds: int = 400) -> None:
    """Print nanoseconds per element of some in cache, with NumPy's own function and libmvec's next to it: the
    fastest of interleaved calls.
    """
    rng = np.random.default_rng(0)
    print(f"{'function':10} {'dtype':8} {'ns':>6} {'NumPy':>6} {'libmvec':>7}")
    for name in names:
        for dtype, element in (("float32", f32), ("float64", f64)):
            low, high = WORKING.get(name, (0.1, 8.0))
            operands = EXPANSIONS[name].operands
            arguments = [rng.uniform(low, high, size).astype(dtype) for _ in range(operands)]
            out = np.empty_like(arguments[0])
            calls: list[Callable[[], object]] = [
                compile_loop(name, element).bind(*arguments, out),
                partial(REFERENCES[name].numpy, *arguments),
            ]
            library = library_loop(name, element, operands)
            if library is not None:
                calls.append(partial(library, size, *(a.ctypes.data for a in (*arguments, out))))
            times = " ".join(f"{t / size * 1e9:6.3f}" for t in best_times(calls, rounds))
            print(f"{name:10} {dtype:8} {times}", flush=True)


def best_times(calls: list[Callable[[], object]], rounds: int) -> list[float]:
    """Seconds of the fastest call of each, in turns."""
    best = [float("inf")] * len(calls)
    for _ in range(rounds):
        for n, call in enumerate(calls):
            start = time.perf_counter()
            call()
            best[n] = min(best[n], time.perf_counter() - start)
    return best


def main() -> int:
    """Command line; exit status 1 when a function misses what its row promises."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", help="comma-separated functions")
    parser.add_argument("--dtype", choices=["float32", "float64"])
    parser.add_argument("--points", type=int, default=1_000_000, help="random points where not exhaustive")
    parser.add_argument("--speed", action="store_true", help="measure time instead")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else list(EXPANSIONS)
    if unknown := [name for name in names if name not in EXPANSIONS]:
        parser.error(f"no expansion named {unknown[0]}; there are {', '.join(EXPANSIONS)}")
    if options.speed:
        speed(names)
        return 0
    failed = False
    print(f"{'function':10} {'dtype':8} {'points':>11} {'max ulp':>8} {'bound':>6} {'wrong':>5}  where")
    for name in names:
        for dtype in [options.dtype] if options.dtype else ["float32", "float64"]:
            start = time.perf_counter()
            worst = measure(name, dtype, options.points)
            bound = EXPANSIONS[name].ulp
            failed |= worst.wrong > 0 or worst.ulp > bound
            where = worst.where if not worst.wrong else ("wrong at", *worst.example)
            print(
                f"{name:10} {dtype:8} {worst.count:11} {worst.ulp:8.3f} {bound:6.2f} {worst.wrong:5}  "
                f"{' '.join(map(repr, where))}  ({time.perf_counter() - start:.0f} s)",
                flush=True,
            )
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
