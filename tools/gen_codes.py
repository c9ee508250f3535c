"""The page of all error codes, read from the sources: printed, and put into the site by `build_site.py`.

A code names one mistake. Where several places of the source raise the same one, it is a family and has its
meaning in `MEANINGS`, as have codes whose message is made elsewhere; every other code must occur once
(tests/test_codes.py), and its meaning is its message.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "tensorc"
NONE = "TC0000"
"""What an error has that nobody gave a code."""
_CODE = re.compile(r"TC\d{4}")

MEANINGS = {
    "TC0101": "another token was expected",
    "TC0102": "a value is used but not visible",
    "TC0103": "a name is defined twice",
    "TC0104": "number or types of operands or results disagree with the signature",
    "TC0105": "malformed type",
    "TC0106": "malformed attribute or literal",
    "TC0108": "resource missing or malformed",
    "TC0109": "location malformed or undefined",
    "TC0122": "a declared attribute is missing or of the wrong kind",
    "TC0124": "a block does not end in its only terminator",
    "TC0125": "result types are not what inference says",
    "TC0126": "a further rule of an op does not hold",
    "TC0129": "a call does not match its callee",
    "TC0200": "wrong number of operands",
    "TC0201": "shapes differ",
    "TC0202": "element types differ",
    "TC0203": "element type not accepted",
    "TC0204": "not a tensor",
    "TC0205": "axis wrong",
    "TC0206": "rank wrong",
    "TC0207": "reduction without a value over an empty axis",
    "TC0208": "number of elements differs, constant too large",
    "TC0209": "slice outside its axis",
    "TC0210": "contracted extents differ",
    "TC0211": "wrong index operands",
    "TC0212": "malformed attribute",
    "TC0213": "index maps of a kernel that do not fit",
    "TC0280": "there is no such function to interpret",
    "TC0281": "wrong number of arguments, or of their types, for a function of a module",
    "TC0282": "the arguments of a function of a module have extents that it does not take",
    "TC0304": "Python integer out of bounds for every integer dtype",
    "TC0324": "len() of an expression",
    "TC0325": "iteration over an expression",
    "TC0327": "a NumPy function that has no symbolic form",
    "TC0354": "an extent that is no integer",
    "TC0404": "wrong use of debugprint",
    "TC0436": "the cost of a gradient does not depend on what it is taken for",
    "TC0452": "an input that nothing uses",
    "TC0413": "tc.shared got an expression, or a name that is no string",
    "TC0464": "a call with too many arguments, or an argument given twice",
    "TC0470": "not a saved function",
    "TC0471": "a saved function from another version, or with a damaged table of contents",
    "TC0472": "a saved function with damaged contents",
    "TC0473": "a saved function with damaged parts",
    "TC0474": "a saved function that needs what is not there",
    "TC0476": "a function that cannot be saved",
    "TC0487": "static arguments that name no parameter, or cannot be static",
    "TC0489": "a traced value used outside its function, or before it has one",
    "TC0492": "a variant of a jitted function cannot be chosen by symbols",
    "TC0501": "the text of a pipeline does not parse",
    "TC0510": "no such argument, result or seed to differentiate",
    "TC0511": "a gradient of what is no floating-point scalar",
    "TC0604": "architecture of a GPU not known",
    "TC0611": "malformed attribute of a loop-level op",
    "TC0901": "a file cannot be read, written or understood",
    "TC0902": "out of memory",
    "TC0904": "a function of a module of loops failed",
    "TC0906": "a compiled module does not fit its arguments",
}


@dataclass(frozen=True)
class Use:
    """One place of the source where a code stands, and the message given with it."""

    code: str
    file: str
    line: int
    message: str | None


def uses() -> list[Use]:
    """Every code in the sources, in order; docstrings and comparisons with a code do not count."""
    found: list[Use] = []
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        name = path.relative_to(SOURCE).as_posix()
        found += [Use(code, name, line, text) for code, line, text in _codes(tree)]
    return sorted(found, key=lambda use: (use.code, use.file, use.line))


def _codes(tree: ast.AST) -> Iterator[tuple[str, int, str | None]]:
    raised: set[int] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        for value in [*node.args, *[k.value for k in node.keywords if k.arg != "message"]]:
            if _code(value) is not None and id(value) not in raised:
                raised.add(id(value))
                yield str(_code(value)), value.lineno, _message(node)
    for node in ast.walk(tree):
        plain = [node.value] if isinstance(node, ast.Assign | ast.AnnAssign | ast.Return) else []
        if isinstance(node, ast.arguments):
            plain = [*node.defaults, *node.kw_defaults]
        for value in plain:
            if value is not None and _code(value) not in (None, NONE):
                yield str(_code(value)), value.lineno, None


def _code(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and _CODE.fullmatch(node.value):
        return node.value
    return None


def _message(call: ast.Call) -> str | None:
    """The text given with a code, its variable parts as `…`."""
    for value in call.args:
        text = _text(value)
        if text and not _CODE.fullmatch(text):
            return re.sub(r"(…\W*)+…", "…", " ".join(text.split()))
    return None


def _text(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant):
        return re.sub(r"\{\w+\}", "…", node.value) if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(str(p.value) if isinstance(p, ast.Constant) else "…" for p in node.values)
    return None


def page() -> str:
    """The text of the page."""
    meanings: dict[str, str] = {}
    for use in uses():
        meanings.setdefault(use.code, MEANINGS.get(use.code) or use.message or "see the message")
    rows = [f"| `{code}` | {text.replace('|', chr(92) + '|')} |" for code, text in sorted(meanings.items())]
    return "\n".join(
        [
            "# Error codes",
            "",
            "What each code of a [`tc.TensorcError`](errors.md) means; `…` stands for what differs from case",
            "to case. Codes are stable: a message may get better words, its code stays.",
            "",
            "| code | meaning |",
            "|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    print(page(), end="")
