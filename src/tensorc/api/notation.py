"""How ops are written as mathematics: operators with their binding strength, in Python's and LaTeX's manner.

An op without a row is written as a function of its public name, its attributes as keywords; so a new op needs
nothing here. Ops whose operands are not all shown (views, indexing) are in `pretty`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

COMPARISON, OR, XOR, AND, SHIFT, SUM, PRODUCT, UNARY, POWER, ATOM = range(4, 14)
"""Binding strengths, Python's order; what binds weaker than its place demands is put in parentheses."""


@dataclass(frozen=True)
class Text:
    """A piece of notation and how strongly its outermost operator binds."""

    text: str
    level: int = ATOM

    def at(self, level: int, latex: bool) -> str:
        """The text where at least `level` is needed."""
        if self.level >= level:
            return self.text
        return rf"\left({self.text}\right)" if latex else f"({self.text})"


@dataclass(frozen=True)
class Pattern:
    """A template with one hole an operand, the strength of the whole, and what each operand must have."""

    template: str
    level: int
    operands: tuple[int, ...]

    def fill(self, parts: Sequence[Text], latex: bool) -> Text:
        """The template with its operands, parenthesised where needed."""
        pieces = [p.at(least, latex) for p, least in zip(parts, self.operands, strict=True)]
        return Text(self.template.format(*pieces), self.level)


def infix(sign: str, level: int, latex: str | None = None) -> tuple[Pattern, Pattern]:
    """A binary operator that groups to the left; comparisons do not group at all."""
    operands = (level + (level == COMPARISON), level + 1)
    shown = sign if latex is None else latex
    return (
        Pattern(f"{{0}} {sign} {{1}}", level, operands),
        Pattern(f"{{0}} {shown} {{1}}", level, operands),
    )


def prefix(sign: str, latex: str) -> tuple[Pattern, Pattern]:
    """A unary operator."""
    return Pattern(f"{sign}{{0}}", UNARY, (UNARY,)), Pattern(f"{latex}{{0}}", UNARY, (UNARY,))


_QUOTIENT = (
    Pattern("{0} / {1}", PRODUCT, (PRODUCT, UNARY)),
    Pattern(r"\frac{{{0}}}{{{1}}}", PRODUCT, (0, 0)),
)
_WHERE = (
    Pattern("where({0}, {1}, {2})", ATOM, (0, 0, 0)),
    Pattern(
        r"\begin{{cases}} {1} & \text{{if }} {0} \\ {2} & \text{{otherwise}} \end{{cases}}", ATOM, (0, 0, 0)
    ),
)


def _function(name: str, latex: str) -> tuple[Pattern, Pattern]:
    return Pattern(f"{name}({{0}})", ATOM, (0,)), Pattern(latex, ATOM, (0,))


def _binary(name: str, latex: str) -> tuple[Pattern, Pattern]:
    return (
        Pattern(f"{name}({{0}}, {{1}})", ATOM, (0, 0)),
        Pattern(rf"{latex}\left({{0}}, {{1}}\right)", ATOM, (0, 0)),
    )


OPERATORS: Final[dict[str, tuple[Pattern, Pattern]]] = {
    "tensorc.add": infix("+", SUM),
    "tensorc.sub": infix("-", SUM),
    "tensorc.mul": infix("*", PRODUCT, r"\cdot"),
    "tensorc.div": _QUOTIENT,
    "tensorc.floor_div": (
        infix("//", PRODUCT)[0],
        Pattern(r"\left\lfloor\frac{{{0}}}{{{1}}}\right\rfloor", ATOM, (0, 0)),
    ),
    "tensorc.mod": infix("%", PRODUCT, r"\bmod"),
    "tensorc.matmul": infix("@", PRODUCT, r"\,"),
    "tensorc.pow": (
        Pattern("{0} ** {1}", POWER, (ATOM, UNARY)),
        Pattern("{{{0}}}^{{{1}}}", POWER, (ATOM, 0)),
    ),
    "tensorc.square": (Pattern("square({0})", ATOM, (0,)), Pattern("{{{0}}}^{{2}}", POWER, (ATOM,))),
    "tensorc.neg": prefix("-", "-"),
    "tensorc.bitwise_not": prefix("~", r"\sim "),
    "tensorc.logical_not": _function("logical_not", r"\neg \left({0}\right)"),
    "tensorc.bitwise_and": infix("&", AND, r"\mathbin{{\&}}"),
    "tensorc.bitwise_or": infix("|", OR, r"\mathbin{{|}}"),
    "tensorc.bitwise_xor": infix("^", XOR, r"\oplus"),
    "tensorc.left_shift": infix("<<", SHIFT, r"\ll"),
    "tensorc.right_shift": infix(">>", SHIFT, r"\gg"),
    "tensorc.lt": infix("<", COMPARISON),
    "tensorc.le": infix("<=", COMPARISON, r"\le"),
    "tensorc.gt": infix(">", COMPARISON),
    "tensorc.ge": infix(">=", COMPARISON, r"\ge"),
    "tensorc.eq": infix("==", COMPARISON, "="),
    "tensorc.ne": infix("!=", COMPARISON, r"\ne"),
    "tensorc.where": _WHERE,
    "tensorc.exp": _function("exp", "e^{{{0}}}"),
    "tensorc.sqrt": _function("sqrt", r"\sqrt{{{0}}}"),
    "tensorc.abs": _function("abs", r"\left|{0}\right|"),
    "tensorc.floor": _function("floor", r"\left\lfloor {0} \right\rfloor"),
    "tensorc.ceil": _function("ceil", r"\left\lceil {0} \right\rceil"),
    "tensorc.sigmoid": _function("sigmoid", r"\sigma\left({0}\right)"),
    "tensorc.chain_mul": infix("*", PRODUCT, r"\cdot"),
    "tensorc.chain_both": infix("*", PRODUCT, r"\cdot"),
    "tensorc.chain_div": _QUOTIENT,
    "arith.addi": infix("+", SUM),
    "arith.subi": infix("-", SUM),
    "arith.muli": infix("*", PRODUCT, r"\cdot"),
    "arith.floordivsi": infix("//", PRODUCT),
    "arith.ceildivsi": (
        Pattern("-(-{0} // {1})", UNARY, (UNARY, UNARY)),
        Pattern(r"\left\lceil\frac{{{0}}}{{{1}}}\right\rceil", ATOM, (0, 0)),
    ),
    "arith.minsi": _binary("minimum", r"\min"),
    "arith.maxsi": _binary("maximum", r"\max"),
    "arith.select": _WHERE,
}
"""Name of an op → its pattern in text and in LaTeX."""

LATEX_FUNCTIONS: Final = frozenset(
    ["arccos", "arcsin", "arctan", "cos", "cosh", "exp", "log", "max", "min", "sin", "sinh", "tan", "tanh"]
)
"""Functions that LaTeX has a command for."""

_GREEK: Final = frozenset(
    """alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi
    chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega""".split()  # noqa: SIM905
)
_ESCAPES: Final = str.maketrans(
    {
        **{c: "\\" + c for c in "_%$#&{}"},
        "~": r"\textasciitilde ",
        "^": r"\textasciicircum ",
        "\\": r"\textbackslash ",
    }
)


def latex_name(name: str) -> str:
    """A variable's name in LaTeX: `x1` has an index, `alpha` is the letter, anything long stands upright."""
    stem = name.rstrip("0123456789")
    index = name[len(stem) :]
    stem = stem.removesuffix("_") if index else stem
    if stem in _GREEK:
        shown = "\\" + stem
    elif len(stem) == 1 and stem.isalpha():
        shown = stem
    else:
        stem, index = name, ""
        shown = rf"\text{{{name.translate(_ESCAPES)}}}"
    return f"{shown}_{{{index}}}" if index else shown
