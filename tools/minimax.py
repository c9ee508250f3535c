"""Generate the polynomial coefficients of `src/tensorc/passes/math/coefficients.py`.

    python tools/minimax.py            print the module
    python tools/minimax.py --check    exit 1 unless the committed module is what this script prints
    python tools/minimax.py --write    replace the committed module

Each row asks for the polynomial P of given degree that minimises max |w(x) (P(x) - F(x))| over an interval
(J.-M. Muller, Elementary Functions, 3rd ed., chapter 3). The weight turns the error of P into the relative
error of the function that is built from it; it vanishes at 0 for some rows, where Remez's exchange is not
defined (no Haar space), so the fit is C. L. Lawson's: least squares whose weights are multiplied by the error
until the peaks are level (J. R. Rice and K. H. Usow, The Lawson algorithm and extensions, 1968). Coefficients
are then rounded to the target format one at a time, lowest order first, and the rest is fitted again after
each rounding, so that later coefficients absorb the rounding of earlier ones (Muller, section 3.8).
"""

from __future__ import annotations

import argparse
import math
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import mpmath
from mpmath import mp, mpf

mp.prec = 200
TARGET = Path(__file__).resolve().parent.parent / "src/tensorc/passes/math/coefficients.py"
Real = Callable[[mpf], mpf]


@dataclass(frozen=True)
class Row:
    """One polynomial: approximate `function` on [low, high] to `degree`, the error weighed by `weight`."""

    name: str
    comment: str
    function: Real
    weight: Real
    low: mpf
    high: mpf
    degree: int
    single: bool
    fixed: tuple[float, ...] = ()


def to_format(value: mpf, single: bool) -> float:
    """The nearest double, or the nearest single held in a double."""
    if not single:
        return float(value)
    # By way of the double this rounds twice, which matters for exact ties only; none occur here.
    return float(struct.unpack("<f", struct.pack("<f", float(value)))[0])


def below(value: mpf, single: bool) -> float:
    """The largest number of the format that is not greater, for values above 0."""
    nearest = to_format(+value, single)
    return nearest - math.ldexp(nearest > value, math.frexp(nearest)[1] - (24 if single else 53))


def grid_of(row: Row, count: int) -> list[mpf]:
    """Chebyshev points of the interval, denser towards its ends."""
    middle, half = (row.low + row.high) / 2, (row.high - row.low) / 2
    return [middle - half * mpmath.cos(mpmath.pi * (2 * i + 1) / (2 * count)) for i in range(count)]


def least_squares(
    points: list[mpf], wanted: list[mpf], weights: list[mpf], first: int, count: int
) -> list[mpf]:
    """The weighted least-squares coefficients of x^first ..., by normal equations (200 bits forgive them)."""
    terms = [weight * x ** (2 * first) for x, weight in zip(points, weights, strict=True)]
    sides = [weight * x**first * y for x, y, weight in zip(points, wanted, weights, strict=True)]
    moments, right = [], mpmath.matrix(count, 1)
    for j in range(2 * count - 1):
        moments.append(mpmath.fsum(terms))
        terms = [t * x for t, x in zip(terms, points, strict=True)]
        if j < count:
            right[j] = mpmath.fsum(sides)
            sides = [t * x for t, x in zip(sides, points, strict=True)]
    system = mpmath.matrix(count, count)
    for i in range(count):
        for j in range(count):
            system[i, j] = moments[i + j]
    solution = mpmath.lu_solve(system, right)
    return [solution[j] for j in range(count)]


def lawson(row: Row, known: list[float], shares: list[mpf], rounds: int) -> list[mpf]:
    """Coefficients beyond `known`; `shares`, Lawson's weights, are updated in place for a warm start."""
    points = grid_of(row, len(shares))
    weights = [row.weight(x) for x in points]
    exact = [mpf(c) for c in known]
    wanted = [row.function(x) - mpmath.polyval(exact[::-1] or [0], x) for x in points]
    count = row.degree + 1 - len(known)
    rest: list[mpf] = []
    for _ in range(rounds):
        scaled = [share * weight**2 for share, weight in zip(shares, weights, strict=True)]
        rest = least_squares(points, wanted, scaled, len(known), count)
        whole = [mpf(0)] * len(known) + rest
        errors = [
            weight * abs(mpmath.polyval(whole[::-1], x) - y)
            for x, y, weight in zip(points, wanted, weights, strict=True)
        ]
        raised = [share * error for share, error in zip(shares, errors, strict=True)]
        total = mpmath.fsum(raised)
        shares[:] = [r / total for r in raised]
    return rest


def fit(row: Row) -> list[float]:
    """Coefficients of the row, lowest order first, each representable in the target format."""
    count = 24 * (row.degree + 2)
    shares = [mpf(1) / count] * count
    lawson(row, list(row.fixed), shares, 40)
    known = list(row.fixed)
    while len(known) <= row.degree:
        # Few rounds: the weights are nearly right already, and many would starve the grid down to the peaks.
        known.append(to_format(lawson(row, known, list(shares), 6)[0], row.single))
    return known


def worst(row: Row, coefficients: list[float]) -> mpf:
    """Largest weighted error on a grid."""
    size = 2000
    points = [row.low + (row.high - row.low) * i / size for i in range(size + 1)]
    exact = [mpf(c) for c in coefficients][::-1]
    return max(abs(row.weight(x) * (mpmath.polyval(exact, x) - row.function(x))) for x in points)


def exp_tail(r: mpf) -> mpf:
    """(e^r - 1 - r) / r^2."""
    if abs(r) < mpf("1e-15"):
        return mpf(1) / 2 + r / 6
    return (mpmath.expm1(r) - r) / r**2


def exp2_tail(r: mpf) -> mpf:
    """(2^r - 1 - r ln 2) / r^2."""
    return exp_tail(r * mpmath.ln(2)) * mpmath.ln(2) ** 2


def log_tail(f: mpf) -> mpf:
    """(log(1 + f) - f) / f^2."""
    if abs(f) < mpf("1e-15"):
        return mpf(-1) / 2 + f / 3
    return (mpmath.log1p(f) - f) / f**2


def atanh_tail(z: mpf) -> mpf:
    """(2 atanh(s) - 2 s) / s^3 as a function of z = s^2."""
    if z < mpf("1e-25"):
        return mpf(2) / 3 + 2 * z / 5
    s = mpmath.sqrt(z)
    return (2 * mpmath.atanh(s) - 2 * s) / (s * z)


def rows() -> list[Row]:
    """The polynomials in use. Intervals are a hair wider than the reduction needs: it rounds, too."""
    ln2 = mpmath.ln(2)
    half_ln2 = ln2 / 2 * (1 + mpf(2) ** -10)
    half = mpf("0.5") * (1 + mpf(2) ** -10)
    root = mpmath.sqrt(2)
    log_low, log_high = (1 / root - 1) * (1 + mpf(2) ** -10), (root - 1) * (1 + mpf(2) ** -10)
    z_high = (log_high / (2 + log_high)) ** 2 * (1 + mpf(2) ** -8)

    def expm1_weight(r: mpf) -> mpf:
        return abs(r) if abs(r) < mpf("1e-15") else r**2 / abs(mpmath.expm1(r))

    def exp2_weight(r: mpf) -> mpf:
        return r**2 / mpf(2) ** r

    def log_weight(f: mpf) -> mpf:
        return abs(f) if abs(f) < mpf("1e-15") else f**2 / abs(mpmath.log1p(f))

    exp_text = "(e^r - 1 - r) / r^2 for |r| <= ln(2)/2, error relative to expm1(r)"
    exp2_text = "(2^r - 1 - r ln 2) / r^2 for |r| <= 1/2, error relative to 2^r"
    log_text = "(log(1+f) - f) / f^2 for sqrt(1/2) <= 1+f <= sqrt(2), error relative to log(1+f)"
    atanh_text = "(2 atanh(s) - 2 s) / s^3 in z = s^2 for |s| <= (sqrt(2)-1)^2, error relative to 2 s"
    return [
        Row("EXP_F32", exp_text, exp_tail, expm1_weight, -half_ln2, half_ln2, 4, True, (0.5,)),
        Row("EXP_F64", exp_text, exp_tail, expm1_weight, -half_ln2, half_ln2, 9, False, (0.5,)),
        Row("EXP2_F32", exp2_text, exp2_tail, exp2_weight, -half, half, 4, True),
        Row("EXP2_F64", exp2_text, exp2_tail, exp2_weight, -half, half, 9, False),
        Row("LOG_F32", log_text, log_tail, log_weight, log_low, log_high, 8, True, (-0.5,)),
        Row("ATANH_F64", atanh_text, atanh_tail, lambda z: z / 2, mpf(0), z_high, 6, False),
    ]


def constant_lines() -> list[str]:
    """ln 2 and log2 e as unevaluated sums high + low in each format."""
    return split_constants({"LN2": mpmath.ln(2), "LN2_BELOW": mpmath.ln(2), "LOG2E": 1 / mpmath.ln(2)})


def split_constants(values: dict[str, mpf]) -> list[str]:
    """Lines NAME_F32 = (high, low) and NAME_F64: high is nearest; for a NAME_BELOW it is not greater."""
    lines = []
    for name, value in values.items():
        for tag, single in (("F32", True), ("F64", False)):
            high = below(value, single) if name.endswith("BELOW") else to_format(+value, single)
            low = to_format(value - mpf(high), single)
            lines.append(f"{name}_{tag} = ({hexed(high)}, {hexed(low)})")
    return lines


def hexed(value: float) -> str:
    """A literal that is exact and that a reader can check."""
    return f'float.fromhex("{value.hex()}")'


def with_tables(out: list[str], rows: Sequence[Row], fit: Callable[[Row], Sequence[float]]) -> str:
    """The lines of a module, and after them the coefficients of every row, each with its largest error."""
    for row in rows:
        coefficients = list(fit(row))
        bits = float(mpmath.log(worst(row, coefficients), 2))
        out += ["", f"# {row.comment}: 2^{bits:.1f}", f"{row.name} = ("]
        out += [f"    {hexed(c)}," for c in coefficients]
        out.append(")")
    return "\n".join(out) + "\n"


def module_text() -> str:
    """The whole module."""
    out = [
        '"""Minimax coefficients, lowest order first, and split constants. Made by tools/minimax.py."""',
        "",
        "# fmt: off",
        "# x = high + low, each rounded to the format",
        *constant_lines(),
    ]
    return with_tables(out, rows(), fit)


def run(target: Path, module_text: Callable[[], str], about: str) -> int:
    """Command line of a script that makes one module."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the committed module")
    parser.add_argument("--write", action="store_true", help="replace the committed module")
    options = parser.parse_args()
    text = module_text()
    if options.write:
        target.write_text(text)
        return 0
    if options.check:
        same = target.read_text() == text
        print(f"{target.name} {'is' if same else 'is not'} what {Path(sys.argv[0]).name} computes")
        return 0 if same else 1
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(TARGET, module_text, __doc__ or ""))
