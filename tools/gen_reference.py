"""The API reference as Markdown, written from the live module: `reference(folder)` writes its pages there.

Read at build time and not from the sources, because half of the names come from the op classes when
`tensorc` is imported. Every entry is a directive of Sphinx's Python domain, so that it can be searched for
and linked to.
"""

from __future__ import annotations

import argparse
import inspect
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

import tensorc as tc  # noqa: E402
from tensorc.api import elementwise, symbols  # noqa: E402
from tensorc.api.methods import Tensor  # noqa: E402
from tensorc.cli.entry import make_parser  # noqa: E402

INTRODUCTION = {
    "symbols": ("Symbols and literals", "Inputs that have no value yet, and values that are written out."),
    "functions": ("Functions and state", "Compiling expressions, calling what was compiled, state."),
    "tensor": ("Methods of expressions", "What every expression can do, beside operators and indexing."),
    "elementwise": (
        "Elementwise functions",
        "Each broadcasts and promotes its arguments as NumPy does, and takes symbols, arrays and numbers.",
    ),
    "arrays": ("Array functions", "Creation, shapes, indexing, reductions, products."),
    "derivatives": ("Derivatives", "See [How gradients work](../gradients.md)."),
    "nn": ("tc.nn", "Functions of neural networks."),
    "special": ("tc.special", "Special functions under SciPy's names."),
    "errors": ("Errors", "See [Errors](../errors.md) for what a message says."),
    "commands": ("Commands", "See [The command line](../command_line.md) for examples."),
}
PAGE_OF_MODULE = {
    "tensorc.api.symbols": "symbols",
    "tensorc.api.convert": "symbols",
    "tensorc.api.functions": "arrays",
    "tensorc.api.shapes": "arrays",
    "tensorc.api.indexing": "arrays",
    "tensorc.api.grad": "derivatives",
}
"""Where the public names of a module go; those of any other module go to "functions"."""
NAMESPACES = {"nn": tc.nn, "special": tc.special}


@dataclass(frozen=True)
class Entry:
    """One documented object: the names it has, the first of which is the main one."""

    names: tuple[str, ...]
    value: Any
    note: str = ""


def documented() -> dict[str, list[Entry]]:
    """Page -> its entries, sorted by name; the letters and plurals of symbols are not among them."""
    pages: dict[str, list[Entry]] = {page: [] for page in INTRODUCTION}
    tabled = set(letter_names())
    seen: dict[Any, tuple[str, list[str]]] = {}
    for name in tc.__all__:
        value = getattr(tc, name)
        if inspect.ismodule(value) or name in tabled:
            continue
        page, key = page_and_key(name, value)
        seen.setdefault((page, key), (name, []))[1].append(name)
    for (page, _), (name, names) in seen.items():
        ordered = sorted(names, key=lambda n: n != main_name(name))
        pages[page].append(
            Entry(tuple(f"tc.{n}" for n in ordered), getattr(tc, ordered[0]), specification(name))
        )
    for page, module in NAMESPACES.items():
        pages[page] += [Entry((f"tc.{page}.{n}",), getattr(module, n)) for n in module.__all__]
    return pages


def page_and_key(name: str, value: Any) -> tuple[str, Any]:
    """The page of a public name, and what its aliases have in common."""
    if name in elementwise.OPS and value.__module__ == elementwise.__name__:
        return "elementwise", elementwise.OPS[name]
    if inspect.isclass(value) and issubclass(value, Exception):
        return "errors", value
    return PAGE_OF_MODULE.get(getattr(value, "__module__", ""), "functions"), value


def main_name(name: str) -> str:
    definition = elementwise.OPS.get(name)
    return definition.public or name if definition else getattr(getattr(tc, name), "__name__", name)


def specification(name: str) -> str:
    """A link to the specification of the op behind an elementwise function."""
    definition = elementwise.OPS.get(name)
    if definition is None or getattr(tc, name).__module__ != elementwise.__name__:
        return ""
    page = definition.__module__.removeprefix("tensorc.ops.")
    return f"Specification: [{definition.name}](../spec/{page}.md#{definition.name.replace('.', '')})"


def letter_names() -> list[str]:
    """`dmatrix`, `fvectors`, …: the names that one table explains."""
    plain = {n for kind, plural in symbols.PLURALS.items() for n in (kind, plural)}
    return [n for n in symbols.constructors() if n not in plain]


def directive(kind: str, signature: str, body: str, depth: int = 3) -> str:
    """A directive of the Python domain: how it is called, and what is said of it."""
    fence = "`" * depth
    return f"{fence}{{{kind}}} {signature}\n\n{body}\n{fence}\n"


def signature(name: str, value: Any) -> str:
    """The call as it is written: parameters and defaults, without the annotations."""
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return f"{name}()"
    parameters = [
        p.replace(annotation=inspect.Parameter.empty)
        for p in found.parameters.values()
        if p.name != "self" and not p.name.startswith("_")
    ]
    shown = str(found.replace(parameters=parameters, return_annotation=inspect.Signature.empty))
    return name + re.sub(r"<[^>]*>|\bMISSING\b", "...", shown).replace(", /", "").replace("\\", "\\\\")


def prose(value: Any) -> str:
    """A docstring as Markdown: what is not between backticks is text."""
    pieces = re.split(r"(`[^`]*`)", inspect.getdoc(value) or "")
    return "".join(p if p.startswith("`") else re.sub(r"([*<\[])", r"\\\1", p) for p in pieces)


def entry(item: Entry) -> str:
    also = f"Also {', '.join(f'`{n}`' for n in item.names[1:])}." if item.names[1:] else ""
    body = "\n\n".join(filter(None, [prose(item.value), also, item.note]))
    if inspect.isclass(item.value):
        kind = "py:exception" if issubclass(item.value, Exception) else "py:class"
        return directive(kind, class_signature(item.names[0], item.value), class_body(item, body), 4)
    return directive("py:function", signature(item.names[0], item.value), body)


def aliases(entries: list[Entry]) -> Iterator[str]:
    """The other names, so that they can be searched for and linked to."""
    found = sorted([(n, e) for e in entries for n in e.names[1:]], key=lambda pair: pair[0])
    if found:
        yield "## Other names\n"
    for name, e in found:
        yield directive("py:function", signature(name, e.value), f"The same as `{e.names[0]}`.")


def class_signature(name: str, value: type) -> str:
    made_by_users = not (issubclass(value, Exception | Tensor) or value is tc.Function)
    return signature(name, value) if made_by_users else name


def class_body(item: Entry, body: str) -> str:
    return "\n".join([body, "", *members(item.names[0], item.value)])


def members(name: str, value: type) -> Iterator[str]:
    """Entries of the public methods and properties that a class itself defines."""
    for member, found in sorted(vars(value).items()):
        if member.startswith("_"):
            continue
        if isinstance(found, property):
            yield directive("py:property", f"{name}.{member}", prose(found))
        elif inspect.isfunction(found):
            yield directive("py:method", signature(f"{name}.{member}", found), prose(found))


def letters() -> str:
    """The table of Theano's letters and plurals."""
    lines = ["## Letters and plurals", ""]
    lines += ["A letter in front is another dtype, as in `tc.fmatrix('x')`. A plural makes several symbols"]
    lines += ["at once, as in `tc.matrices('x', 'y')` and `tc.dvectors(2)`.", ""]
    lines += ["| kind | shape | names |", "|---|---|---|"]
    for kind, shape in symbols.RANKS.items():
        names = [kind, *[letter + kind for letter in symbols.LETTERS]]
        names += [symbols.PLURALS[kind], *[letter + symbols.PLURALS[kind] for letter in symbols.LETTERS]]
        lines.append(f"| {kind} | `{shape}` | {', '.join(f'`tc.{n}`' for n in names)} |")
    dtypes = ", ".join(f"`{letter}` {dtype}" for letter, dtype in symbols.LETTERS.items())
    return "\n".join([*lines, "", f"Letters: {dtypes}.", ""])


def commands() -> Iterator[str]:
    """The help of the command and of each of its subcommands."""
    parser = make_parser()
    parser.prog = "tensorc"
    found = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    for name, command in found.choices.items():
        yield f"## tensorc {name}\n\n```text\n{command.format_help().rstrip()}\n```\n"


def page(name: str, entries: list[Entry]) -> str:
    title, introduction = INTRODUCTION[name]
    parts = [f"# {title}\n", f"{introduction}\n"]
    if name == "tensor":
        parts += members("Tensor", Tensor)
    elif name == "commands":
        parts += commands()
    parts += [entry(e) for e in sorted(entries, key=lambda e: e.names[0].lower())]
    parts += aliases(entries)
    if name == "symbols":
        parts.append(letters())
    return "\n".join(parts)


def pages() -> dict[str, str]:
    """File name -> text of every page of the reference."""
    os.environ["COLUMNS"] = "100"  # argparse wraps its help to the terminal
    entries = documented()
    rows = "\n".join(f"| [{title}]({name}.md) | {said} |" for name, (title, said) in INTRODUCTION.items())
    names = "\n".join(INTRODUCTION)
    index = (
        "# Reference\n\nEvery public name, from its docstring. What each operation means to the last bit is "
        f"in the [specification](../spec/README.md).\n\n| | |\n|---|---|\n{rows}\n\n"
        f"```{{toctree}}\n:hidden:\n\n{names}\n```\n"
    )
    return {"index.md": index, **{f"{name}.md": page(name, found) for name, found in entries.items()}}


def reference(folder: Path) -> None:
    """Write the pages."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    reference(Path(sys.argv[1]))
