"""Write docs/spec from the op classes: one page a file of `ops/`, and an index. `--check` only says which
pages are stale.

The class is the source: name, docstring, attributes, traits, samples, samples of wrong use. Nothing is said
here that is not there.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
import typing
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

import tensorc.ops  # noqa: E402, F401  (registers every op)
from tensorc.ir.builder import Builder  # noqa: E402
from tensorc.ir.core import Block  # noqa: E402
from tensorc.ir.definition import REGISTRY, encode  # noqa: E402
from tensorc.ir.errors import TensorcError  # noqa: E402
from tensorc.ir.printer import attribute_text, print_op  # noqa: E402
from tensorc.ir.types import TensorType, Type, i1  # noqa: E402
from tensorc.ir.types import index as index_type  # noqa: E402
from tensorc.ops import dtypes  # noqa: E402
from tensorc.ops.base import ErrorSample, OpDef, Sample  # noqa: E402
from tensorc.ops.families import Composite, Opaque, Pointwise, Reduction, View  # noqa: E402

FAMILIES: tuple[type[OpDef], ...] = (Pointwise, View, Reduction, Composite, Opaque)

SPEC = ROOT / "docs" / "spec"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
HAND_WRITTEN = {"semantics.md"}
OVERVIEW = "README.md"


def definitions() -> dict[str, list[type[OpDef]]]:
    """Tensor op classes by the name of the file of `ops/` that holds them; both sorted by name."""
    pages: dict[str, list[type[OpDef]]] = {}
    for name in sorted(REGISTRY):
        definition = REGISTRY[name]
        if not issubclass(definition, OpDef) or not definition.__module__.startswith("tensorc.ops."):
            continue
        pages.setdefault(definition.__module__.removeprefix("tensorc.ops."), []).append(definition)
    return dict(sorted(pages.items()))


def source_of(module: str) -> str:
    return f"src/tensorc/ops/{module.replace('.', '/')}.py"


def page(module: str, ops: Sequence[type[OpDef]]) -> str:
    """The Markdown page of one file of `ops/`."""
    lines = [
        f"# {module}",
        "",
        first_paragraph(inspect.getdoc(sys.modules[f"tensorc.ops.{module}"]) or ""),
        "",
    ]
    lines += [f"Generated from `{source_of(module)}` by `make spec`; change the class.", ""]
    for definition in ops:
        lines += entry(definition)
    return "\n".join(lines).rstrip() + "\n"


def entry(definition: type[OpDef]) -> Iterator[str]:
    """The section of one op."""
    yield f"## `{definition.name}`"
    yield ""
    yield inspect.cleandoc(definition.__doc__ or "")
    yield ""
    if text := example(definition):
        yield f"```mlir\n{text}\n```"
        yield ""
    yield from facts(definition)
    yield from attributes(definition)
    yield from wrong_uses(definition)


def example(definition: type[OpDef]) -> str:
    """A sample as IR text, on float64 if there is one; empty where the op has no sample."""
    samples = list(definition.samples())
    if not samples:
        return ""
    sample = next((s for s in samples if on_float64(s)), samples[0])
    block = Block([operand_type(x) for x in sample.operands])
    op = Builder(block).create_op(definition, block.args, sample.attrs)
    return re.sub(r"%outside(\d+)", lambda m: f"%{LETTERS[int(m[1]) - 1]}", print_op(op).strip())


def on_float64(sample: Sample) -> bool:
    return any(isinstance(x, np.ndarray) and x.dtype == np.float64 for x in sample.operands)


def operand_type(operand: np.ndarray | int | bool) -> Type:
    """The type of a sample's operand; integers are indices, bools conditions."""
    if isinstance(operand, np.ndarray):
        return TensorType(operand.shape, dtypes.from_dtype(operand.dtype))
    return i1 if isinstance(operand, bool) else index_type


def facts(definition: type[OpDef]) -> Iterator[str]:
    if definition.public:
        names = ", ".join(f"`tc.{n}`" for n in (definition.public, *definition.aliases))
        yield f"- In Python: {names}"
    if name := family(definition):
        yield f"- Family: [{name}]({OVERVIEW}#{name.lower()})"
    if traits := ", ".join(sorted(t.value for t in definition.traits)):
        yield f"- Traits: {traits}"
    if reason := definition.not_differentiable:
        yield f"- Gradient: none ({reason.removeprefix(definition.name + ': ')})"
    else:
        yield "- Gradient: yes"
    if sampled := sampled_dtypes(definition):
        yield f"- Checked on: {', '.join(sampled)}"
    yield ""


def family(definition: type[OpDef]) -> str:
    """The family an op derives from; empty for none."""
    return next((c.__name__ for c in definition.__mro__ if c in FAMILIES), "")


def sampled_dtypes(definition: type[OpDef]) -> list[str]:
    found = {a.dtype for s in definition.samples() for a in s.operands if isinstance(a, np.ndarray)}
    return [str(d) for d in sorted(found, key=lambda d: ("buif".find(d.kind), d.itemsize))]


def attributes(definition: type[OpDef]) -> Iterator[str]:
    declared = fields(definition.attrs_type)
    if not declared:
        return
    hints = typing.get_type_hints(definition.attrs_type)
    yield "| attribute | type |"
    yield "|---|---|"
    for field in declared:
        yield f"| `{field.name}` | `{hint_text(hints[field.name])}` |"
    yield ""


def hint_text(hint: object) -> str:
    text = hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)
    for prefix in ("tensorc.ir.types.", "tensorc.ir.attributes."):
        text = text.replace(prefix, "")
    return text.replace("|", "or")


def wrong_uses(definition: type[OpDef]) -> Iterator[str]:
    """What each sample of wrong use is told, by running inference on it."""
    told = [
        (s, message) for s in definition.error_samples() if (message := refusal(definition, s)) is not None
    ]
    if not told:
        return
    yield "| wrong use | answer |"
    yield "|---|---|"
    for sample, message in told:
        yield f"| `{use_text(sample)}` | {message} |"
    yield ""


def use_text(sample: ErrorSample) -> str:
    """Operand types and attributes of a wrong use."""
    encoded = encode(sample.attrs)
    given = ", ".join(f"{name} = {attribute_text(value)}" for name, value in encoded.items())
    return f"({', '.join(map(str, sample.operands))})" + (f" {{{given}}}" if given else "")


def refusal(definition: type[OpDef], sample: ErrorSample) -> str | None:
    try:
        definition.infer(sample.operands, sample.attrs)
    except TensorcError as error:
        return f"{error.code}: {error.message}".replace("|", "\\|").replace("\n", " ")
    return None


def first_paragraph(text: str) -> str:
    return text.split("\n\n")[0].strip()


def overview(pages: dict[str, list[type[OpDef]]]) -> str:
    lines = ["# Specification", "", "[Semantics](semantics.md) comes first: what every program means.", ""]
    lines += ["Generated from the op classes by `make spec`.", "", "| page | ops |", "|---|---|"]
    for module, ops in pages.items():
        names = ", ".join(f"`{d.name.removeprefix('tensorc.')}`" for d in ops)
        lines.append(f"| [{module}]({file_name(module)}) | {names} |")
    lines += ["", "## Families", "", "Constraints of a family hold for each of its ops."]
    for kind in FAMILIES:
        lines += ["", f"### {kind.__name__}", "", inspect.cleandoc(kind.__doc__ or "")]
    return "\n".join(lines) + "\n"


def file_name(module: str) -> str:
    return module.replace(".", "_") + ".md"


def generate() -> dict[str, str]:
    """File name -> text of every generated page."""
    pages = definitions()
    return {OVERVIEW: overview(pages), **{file_name(m): page(m, ops) for m, ops in pages.items()}}


def stale(texts: dict[str, str]) -> list[str]:
    """Names of pages that are missing, differ, or belong to no op any more."""
    present = {p.name for p in SPEC.glob("*.md")} - HAND_WRITTEN
    differing = [n for n, t in texts.items() if not (SPEC / n).exists() or (SPEC / n).read_text("utf-8") != t]
    return sorted({*differing, *(present - set(texts))})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; status 1 and the names where pages are stale"
    )
    check = parser.parse_args().check
    texts = generate()
    names = stale(texts)
    if check:
        print("\n".join(names), end="\n" if names else "")
        return 1 if names else 0
    for name in names:
        if name in texts:
            (SPEC / name).write_text(texts[name], encoding="utf-8")
        else:
            (SPEC / name).unlink()
    print(f"docs/spec: {len(names)} of {len(texts)} pages written")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
