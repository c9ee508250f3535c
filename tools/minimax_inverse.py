"""Generate the constants of `src/tensorc/passes/math/inverse_constants.py`: sinh, cosh, the cotangent, the
inverse trigonometric and hyperbolic functions, and the cube root.

    python tools/minimax_inverse.py            print the module
    python tools/minimax_inverse.py --check    exit 1 unless the committed module is what this script prints
    python tools/minimax_inverse.py --write    replace the committed module

The functions are analytic well beyond their intervals, so that least squares over Chebyshev points is within
a factor of two of the minimax polynomial (J.-M. Muller, Elementary Functions, 3rd ed., section 3.3), and much
cheaper. Coefficients are rounded one at a time, as in `tools/minimax.py`.
"""

from __future__ import annotations

from pathlib import Path

import mpmath
from minimax import Row, grid_of, least_squares, run, split_constants, to_format, with_tables
from mpmath import mpf

TARGET = Path(__file__).resolve().parent.parent / "src/tensorc/passes/math/inverse_constants.py"
SMALL = mpf("1e-20")


def fit(row: Row) -> list[float]:
    """Coefficients of the row, lowest order first, each representable in the target format."""
    points = grid_of(row, 3 * (row.degree + 2))
    weights = [row.weight(x) ** 2 for x in points]
    values = [row.function(x) for x in points]
    known = list(row.fixed)
    while len(known) <= row.degree:
        rest = [
            value - mpmath.polyval([mpf(c) for c in reversed(known)] or [0], x)
            for x, value in zip(points, values, strict=True)
        ]
        count = row.degree + 1 - len(known)
        known.append(to_format(least_squares(points, rest, weights, len(known), count)[0], row.single))
    return known


def tail(function: mpmath.mpf, first: mpf, second: mpf) -> mpmath.mpf:
    """(f(r) - r) / r^3 as a function of z = r^2, for an odd f = r + first r^3 + second r^5 + ..."""

    def value(z: mpf) -> mpf:
        if z < SMALL:
            return first + second * z
        r = mpmath.sqrt(z)
        return (function(r) - r) / (r * z)

    return value


def relative(function: mpmath.mpf) -> mpmath.mpf:
    """The weight that makes an error of (f(r) - r) / r^3 one relative to f(r)."""

    def weight(z: mpf) -> mpf:
        r = mpmath.sqrt(z)
        return z if z < SMALL else r * z / function(r)

    return weight


def cosh_tail(z: mpf) -> mpf:
    """(cosh r - 1) / r^2 as a function of z = r^2."""
    return mpf(1) / 2 + z / 24 if z < SMALL else (mpmath.cosh(mpmath.sqrt(z)) - 1) / z


def cot_tail(z: mpf) -> mpf:
    """(1 - r cot r) / r^2 as a function of z = r^2."""
    r = mpmath.sqrt(z)
    return mpf(1) / 3 + z / 45 if z < SMALL else (1 - r * mpmath.cot(r)) / z


def acosh_tail(d: mpf) -> mpf:
    """(acosh(1 + d) / sqrt(2 d) - 1) / d."""
    if d < SMALL:
        return mpf(-1) / 12 + 3 * d / 160
    return (mpmath.acosh(1 + d) / mpmath.sqrt(2 * d) - 1) / d


def rows() -> list[Row]:
    """The polynomials in use. Intervals are a hair wider than the reduction needs: it rounds, too."""
    zero, wider = mpf(0), 1 + mpf(2) ** -8
    half_ln2 = (mpmath.ln(2) / 2 * wider) ** 2
    quarter, half = mpf("0.25") * wider, mpf("0.5") * wider
    quarter_more = mpf("0.2735") ** 2
    root = mpmath.sqrt(2) * wider

    def odd(name: str, about: str, function: mpmath.mpf, high: mpf, degrees: tuple[int, int]) -> list[Row]:
        first, second = (mpmath.taylor(function, 0, 5)[n] for n in (3, 5))
        text = f"({name.lower()} r - r) / r^3 in z = r^2 for {about}, error relative to {name.lower()} r"
        value, weight = tail(function, first, second), relative(function)
        return [
            Row(f"{name}_F32", text, value, weight, zero, high, degrees[0], True),
            Row(f"{name}_F64", text, value, weight, zero, high, degrees[1], False),
        ]

    quarter_pi = (mpmath.pi / 4 * wider) ** 2
    cot = "(1 - r cot r) / r^2 in z = r^2 for |r| <= pi/4, error relative to cot r"
    cosh = "(cosh r - 1) / r^2 in z = r^2 for |r| <= ln(2)/2, error relative to cosh r"
    acosh = "(acosh(1 + d) / sqrt(2 d) - 1) / d for 0 <= d <= 1/2, error relative to acosh(1 + d)"
    cbrt = "m^(-1/3) for sqrt(1/2) <= m <= sqrt(2), relative error"

    def cosh_weight(z: mpf) -> mpf:
        return z / mpmath.cosh(mpmath.sqrt(z))

    def cot_weight(z: mpf) -> mpf:
        return z / (1 - z * cot_tail(z))

    def acosh_weight(d: mpf) -> mpf:
        return d / (1 + d * acosh_tail(d))

    def inverse_root(m: mpf) -> mpf:
        return 1 / mpmath.cbrt(m)

    return [
        *odd("SINH", "|r| <= ln(2)/2", mpmath.sinh, half_ln2, (2, 5)),
        Row("COSH_F32", cosh, cosh_tail, cosh_weight, zero, half_ln2, 2, True, (0.5,)),
        Row("COSH_F64", cosh, cosh_tail, cosh_weight, zero, half_ln2, 5, False, (0.5,)),
        Row("COT_F32", cot, cot_tail, cot_weight, zero, quarter_pi, 3, True),
        Row("COT_F64", cot, cot_tail, cot_weight, zero, quarter_pi, 8, False),
        *odd("ASINH", "|r| <= 1/2", mpmath.asinh, quarter, (4, 11)),
        Row("ACOSH_F32", acosh, acosh_tail, acosh_weight, zero, half, 4, True),
        Row("ACOSH_F64", acosh, acosh_tail, acosh_weight, zero, half, 11, False),
        *odd("ATANH", "|r| <= 0.273", mpmath.atanh, quarter_more, (3, 8)),
        *odd("ATAN", "|r| <= 1", mpmath.atan, mpf(1), (8, 19)),
        *odd("ASIN", "|r| <= 1/2", mpmath.asin, quarter, (4, 12)),
        Row("CBRT_F32", cbrt, inverse_root, mpmath.cbrt, 1 / root, root, 3, True),
        Row("CBRT_F64", cbrt, inverse_root, mpmath.cbrt, 1 / root, root, 6, False),
    ]


def constant_lines() -> list[str]:
    """Numbers as unevaluated sums high + low in each format."""
    ten = mpmath.ln(10)
    return split_constants(
        {"PI": +mpmath.pi, "HALF_PI": mpmath.pi / 2, "LOG10E": 1 / ten, "LOG10_2_BELOW": mpmath.log10(2)}
    )


def module_text() -> str:
    """The whole module."""
    out = [
        '"""Coefficients, lowest order first, and split constants. Made by tools/minimax_inverse.py."""',
        "",
        "# fmt: off",
        "# x = high + low, each rounded to the format",
        *constant_lines(),
    ]
    return with_tables(out, rows(), fit)


if __name__ == "__main__":
    raise SystemExit(run(TARGET, module_text, __doc__ or ""))
