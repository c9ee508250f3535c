"""Generate the constants of `src/tensorc/passes/math/power_constants.py`: pow.

    python tools/minimax_power.py            print the module
    python tools/minimax_power.py --check    exit 1 unless the committed module is what this script prints
    python tools/minimax_power.py --write    replace the committed module

The polynomials are fitted as in `tools/minimax.py`.
"""

from __future__ import annotations

from pathlib import Path

import mpmath
from minimax import Row, fit, hexed, run, to_format, with_tables
from mpmath import mpf

TARGET = Path(__file__).resolve().parent.parent / "src/tensorc/passes/math/power_constants.py"


def scale() -> mpf:
    """log2 m = scale atanh(s), s = (m - 1) / (m + 1)."""
    return 2 / mpmath.ln(2)


def series(z: mpf) -> mpf:
    """scale atanh(s) / s in z = s^2."""
    if z < mpf("1e-40"):
        return scale() * (1 + z / 3)
    s = mpmath.sqrt(z)
    return scale() * mpmath.atanh(s) / s


def tail(z: mpf) -> mpf:
    """(series(z) - scale - scale z / 3) / z^2."""
    if z < mpf("1e-12"):
        return scale() * (mpf(1) / 5 + z / 7 + z**2 / 9 + z**3 / 11 + z**4 / 13)
    return (series(z) - scale() - scale() * z / 3) / z**2


def rows() -> list[Row]:
    """The polynomials in use. Intervals are a hair wider than the reduction needs: it rounds, too."""
    end = (mpmath.sqrt(2) - 1) ** 2 / (mpmath.sqrt(2) + 1) ** 2 * (1 + mpf(2) ** -8)
    text = "log2(m) / s in z = s^2, s = (m - 1) / (m + 1), sqrt(1/2) <= m <= sqrt(2), relative error"
    tail_text = "(log2(m) / s - c - c z / 3) / z^2, c = 2 / ln 2, error relative to log2(m) / s"
    zero = mpf(0)
    return [
        Row("LOG2_SHORT", text, series, lambda z: 1 / series(z), zero, end, 4, False),
        Row("LOG2_TAIL", tail_text, tail, lambda z: z**2 / series(z), zero, end, 7, False),
    ]


def module_text() -> str:
    """The whole module."""
    out = [
        '"""Constants of pow; coefficients lowest order first. Made by tools/minimax_power.py."""',
        "",
        "# fmt: off",
        "# 2 / ln 2 and a third of it, high + low",
    ]
    for name, value in (("LOG2_FIRST", scale()), ("LOG2_THIRD", scale() / 3)):
        high = to_format(value, single=False)
        out.append(f"{name} = ({hexed(high)}, {hexed(to_format(value - mpf(high), single=False))})")
    return with_tables(out, rows(), fit)


if __name__ == "__main__":
    raise SystemExit(run(TARGET, module_text, __doc__ or ""))
