"""Generate the constants of `src/tensorc/passes/math/circular_constants.py`: sin, cos and tan.

    python tools/minimax_circular.py            print the module
    python tools/minimax_circular.py --check    exit 1 unless the committed module is what this script prints
    python tools/minimax_circular.py --write    replace the committed module

The polynomials are fitted as in `tools/minimax.py`.
"""

from __future__ import annotations

from pathlib import Path

import mpmath
from minimax import Row, below, fit, hexed, run, to_format, with_tables
from mpmath import mpf

TARGET = Path(__file__).resolve().parent.parent / "src/tensorc/passes/math/circular_constants.py"
DIGITS = 39
PAD = 63


def sine_tail(z: mpf) -> mpf:
    """(sin r - r) / r^3 as a function of z = r^2."""
    if z < mpf("1e-20"):
        return mpf(-1) / 6 + z / 120
    r = mpmath.sqrt(z)
    return (mpmath.sin(r) - r) / (r * z)


def rows() -> list[Row]:
    """The polynomials in use. Intervals are a hair wider than the reduction needs: it rounds, too."""
    half = (mpmath.pi / 2 * (1 + mpf(2) ** -8)) ** 2

    def sine_weight(z: mpf) -> mpf:
        r = mpmath.sqrt(z)
        return z if z < mpf("1e-20") else r * z / mpmath.sin(r)

    sine = "(sin r - r) / r^3 in z = r^2 for |r| <= pi/2, error relative to sin r"
    return [
        Row("SIN_F32", sine, sine_tail, sine_weight, mpf(0), half, 3, True),
        Row("SIN_F64", sine, sine_tail, sine_weight, mpf(0), half, 7, False),
    ]


def parts(value: mpf, single: bool, count: int) -> str:
    """An unevaluated sum of `count` numbers of the format, largest first, the first two above 0."""
    found = [below(value, single)]
    while len(found) < count:
        value -= mpf(found[-1])
        found.append(to_format(value, single))
    return "\n".join(["(", *(f"    {hexed(part)}," for part in found), ")"])


def constant_lines() -> list[str]:
    """Parts of pi, and the bits of its reciprocal."""
    lines = ["# pi = high + middle + low, rounded to the format, high below pi; 1 / pi, rounded to it"]
    for tag, single in (("F32", True), ("F64", False)):
        lines.append(f"PI_{tag} = {parts(mpmath.pi, single, 3)}")
        lines.append(f"INVERSE_PI_{tag} = {hexed(to_format(1 / mpmath.pi, single))}")
    with mpmath.workprec(32 * DIGITS + 64):
        bits = int(mpmath.floor(mpmath.ldexp(1 / mpmath.pi, 32 * DIGITS - PAD)))
    lines += ["", f"# {PAD} zeros and then the binary places of 1 / pi, 32 each"]
    lines.append("INVERSE_PI_BITS = (")
    for n in range(DIGITS):
        lines.append(f"    0x{bits >> 32 * (DIGITS - 1 - n) & 0xFFFFFFFF:08X},")
    return [*lines, ")"]


def module_text() -> str:
    """The whole module."""
    out = [
        '"""Constants of sin and cos, lowest order first. Made by tools/minimax_circular.py."""',
        "",
        "# fmt: off",
        *constant_lines(),
    ]
    return with_tables(out, rows(), fit)


if __name__ == "__main__":
    raise SystemExit(run(TARGET, module_text, __doc__ or ""))
