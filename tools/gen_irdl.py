"""Write docs/spec/tensorc.irdl, the dialect as IRDL (MLIR's language for dialect definitions), from the op
classes. `--check` only says whether the file is stale.

`mlir-opt --irdl-file=docs/spec/tensorc.irdl` then refuses what the file forbids. Nothing is said here that
the classes do not say: which operands and results an op has is asked of its `infer`, on its samples and on
damaged copies of them; attributes are the fields of its `Attrs`; regions are its `regions`.

IRDL's limits, as of MLIR 19: shapes and element types of tensors cannot be constrained, except that two
values have the same type; an optional attribute cannot be stated; and a variadic segment binds one type, so
that operands of several types in any number (`concatenate`) cannot be described by one definition. Such an op
is `segmented`: `dialect(counts)` describes it once for every number of operands and results that a text has,
under the names that `unrolled(text)` gives them. An op of the dialect cannot be a terminator: those are left
out, and `unrolled(text)` puts them into a dialect that MLIR does not know.
"""

from __future__ import annotations

import argparse
import itertools
import re
import sys
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

import tensorc.ops  # noqa: E402, F401  (registers every op)
from tensorc.ir.attributes import ArrayAttr, DenseArrayAttr, DenseAttr  # noqa: E402
from tensorc.ir.definition import (  # noqa: E402
    REGISTRY,
    Attrs,
    OpDefinition,
    Trait,
    known_attribute_names,
)
from tensorc.ir.errors import TensorcError  # noqa: E402
from tensorc.ir.types import (  # noqa: E402  # noqa: E402
    ScalarType,
    TensorType,
    Type,
    bf16,
    f16,
    f64,
    i1,
    i64,
    index,
)
from tensorc.ops import dtypes  # noqa: E402
from tensorc.ops.base import OpDef, Sample  # noqa: E402

FILE = ROOT / "docs" / "spec" / "tensorc.irdl"
DIALECT = "tensorc"
TENSOR = 'irdl.base "!builtin.tensor"'
PROBES: tuple[Type, ...] = (TensorType((), i64), TensorType((2,), f64), index, i1, f64)
SCALARS: tuple[ScalarType, ...] = (*dtypes.ALL, f16, bf16, index)

Counts = Mapping[str, set[tuple[int, int]]]
"""Op name -> the numbers of operands and results to describe it for."""


# -- what an op class says


@dataclass(frozen=True)
class Use:
    """Types and attributes that `infer` accepts, and the results it gives."""

    operands: tuple[Type, ...]
    attrs: Attrs
    results: tuple[Type, ...]


@dataclass(frozen=True)
class Signature:
    """What IRDL can say of an op. `tail`: the kinds of any number of further operands; empty for none.

    `same`: groups of value numbers (operands, then results) that always have one type.
    `segmented`: operands of different types in any number; `results` is None where results are stated.
    """

    operands: tuple[frozenset[str], ...]
    tail: frozenset[str]
    results: tuple[str, ...] | None
    same: tuple[tuple[int, ...], ...]
    attributes: tuple[tuple[str, str], ...]
    optional: tuple[str, ...]
    regions: int | None

    @property
    def segmented(self) -> bool:
        return self.results is None or bool(self.tail - {"index"})


def kind(type: Type) -> str:
    """`tensor` or the name of a scalar type."""
    return "tensor" if isinstance(type, TensorType) else str(type)


def ours() -> list[type[OpDefinition]]:
    return [d for name, d in sorted(REGISTRY.items()) if name.startswith(f"{DIALECT}.")]


def definitions() -> list[type[OpDefinition]]:
    """The op classes that IRDL can describe."""
    return [d for d in ours() if Trait.TERMINATOR not in d.traits]


def terminators() -> list[str]:
    return [d.name for d in ours() if Trait.TERMINATOR in d.traits]


def signature(definition: type[OpDefinition]) -> Signature:
    """The signature of an op class; of one without samples (the ops of kernels) only attributes and regions
    are known.
    """
    found = list(uses(definition)) if issubclass(definition, OpDef) else []
    attributes = tuple(attribute_constraints(definition, found))
    optional = tuple(n for n, left_out in known_attribute_names(definition).items() if left_out)
    if not found:
        return Signature((), frozenset({"any"}), None, (), attributes, optional, definition.regions)
    least = min(len(u.operands) for u in found)
    heads = tuple(frozenset(kind(u.operands[k]) for u in found) for k in range(least))
    tail = frozenset(kind(t) for u in found for t in u.operands[least:])
    results = {tuple(map(kind, u.results)) for u in found}
    if len(results) != 1:
        raise ValueError(f"{definition.name}: results of several kinds: {sorted(results)}")
    same = () if tail - {"index"} else equal_types(found, least)
    return Signature(heads, tail, results.pop(), same, attributes, optional, definition.regions)


def uses(definition: type[OpDef]) -> Iterator[Use]:
    """What inference accepts of the samples with known, unknown and partly known extents, and of copies with
    an operand of another kind, one less or one more.
    """
    seen = set()
    for sample in definition.samples():
        for operands in types_of(sample):
            for given in itertools.chain([operands], damaged(operands)):
                if (given, sample.attrs) in seen:
                    continue
                seen.add((given, sample.attrs))
                results = inferred(definition, given, sample.attrs)
                if results is not None:
                    yield Use(given, sample.attrs, results)


def types_of(sample: Sample) -> Iterator[tuple[Type, ...]]:
    """The operands' types with all extents known, none, and with those of one operand unknown."""
    known = tuple(operand_type(x, False) for x in sample.operands)
    unknown = tuple(operand_type(x, True) for x in sample.operands)
    yield known
    yield unknown
    for k in range(len(known)):
        yield (*known[:k], unknown[k], *known[k + 1 :])


def operand_type(operand: object, dynamic: bool) -> Type:
    """The type of a sample's operand; integers are indices, bools conditions."""
    if isinstance(operand, np.ndarray):
        shape = (None,) * operand.ndim if dynamic else operand.shape
        return TensorType(shape, dtypes.from_dtype(operand.dtype))
    return i1 if isinstance(operand, bool) else index


def damaged(operands: tuple[Type, ...]) -> Iterator[tuple[Type, ...]]:
    for k in range(len(operands)):
        yield from ((*operands[:k], probe, *operands[k + 1 :]) for probe in PROBES)
    if operands:
        yield operands[:-1]
    yield from ((*operands, probe) for probe in PROBES)


def inferred(
    definition: type[OpDefinition], operands: Sequence[Type], attrs: Attrs
) -> tuple[Type, ...] | None:
    try:
        return definition.infer(operands, attrs)
    except TensorcError:
        return None


def equal_types(found: Sequence[Use], least: int) -> tuple[tuple[int, ...], ...]:
    """Groups of values, operands first, that have one type in every use (and more than one type over all)."""
    rows = [(*u.operands[:least], *u.results) for u in found]
    if len({row[0] for row in rows if row}) < 2:
        return ()
    groups: dict[tuple[Type, ...], list[int]] = {}
    for k, column in enumerate(zip(*rows, strict=True)):
        if any(isinstance(t, TensorType) for t in column):
            groups.setdefault(column, []).append(k)
    return tuple(tuple(g) for g in groups.values() if len(g) > 1)


# -- attributes


def attribute_constraints(definition: type[OpDefinition], found: Sequence[Use]) -> Iterator[tuple[str, str]]:
    """Name and constraint of every attribute that is always there."""
    hints = typing.get_type_hints(definition.attrs_type)
    for field in fields(definition.attrs_type):
        if not isinstance(hints[field.name], types.UnionType):
            yield field.name, attribute_constraint(definition, field.name, hints[field.name], found)


def attribute_constraint(
    definition: type[OpDefinition], name: str, hint: object, found: Sequence[Use]
) -> str:
    if hint is bool:
        return any_of(["true", "false"])
    if hint is ScalarType and found:
        return any_of([str(t) for t in SCALARS if takes(definition, name, t, found)])
    if isinstance(hint, type) and issubclass(hint, Type):
        return base("type")
    if hint in _BASES:
        return base(_BASES[hint])
    raise ValueError(f"{definition.name}: no IRDL constraint for attribute `{name}` of type {hint}")


_BASES: dict[object, str] = {
    int: "integer",
    float: "float",
    str: "string",
    tuple[int, ...]: "dense_array",
    tuple[tuple[int, ...], ...]: "array",
    ArrayAttr: "array",
    DenseArrayAttr: "dense_array",
    DenseAttr: "dense_int_or_fp_elements",
}


def takes(definition: type[OpDefinition], name: str, type: ScalarType, found: Sequence[Use]) -> bool:
    """Whether some use stays valid with this element type as attribute."""
    return any(
        inferred(definition, u.operands, replace(u.attrs, **{name: type})) is not None for u in found[:50]
    )


def base(name: str) -> str:
    return f'irdl.base "#builtin.{name}"'


def any_of(values: Sequence[str]) -> str:
    return " | ".join(f"irdl.is {v}" for v in values)


# -- text


class _Body:
    """The lines of one `irdl.operation`."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._shared: dict[str, str] = {}

    def value(self, constraint: str, shared: str | None = None) -> str:
        """The SSA value of a constraint; one of the same `shared` key is used again, which in IRDL says that
        both uses are equal.
        """
        key = shared or (constraint if constraint.startswith("irdl.is") and "|" not in constraint else None)
        if key is not None and key in self._shared:
            return self._shared[key]
        parts = constraint.split(" | ")
        made = [self._line(p) for p in parts]
        found = made[0] if len(made) == 1 else self._line(f"irdl.any_of({', '.join(made)})")
        if key is not None:
            self._shared[key] = found
        return found

    def _line(self, constraint: str) -> str:
        name = f"%{sum(line.startswith('%') for line in self.lines)}"
        self.lines.append(f"{name} = {constraint}")
        return name


def constraint(kinds: frozenset[str]) -> str:
    if "any" in kinds:
        return "irdl.any"
    scalars = sorted(f"irdl.is {k}" for k in kinds if k != "tensor")
    return " | ".join(([TENSOR] if "tensor" in kinds else []) + scalars)


def operation(name: str, sign: Signature, count: tuple[int, int] | None = None) -> list[str]:
    """The lines of one op; of a segmented one for `count` operands and results."""
    body = _Body()
    heads: list[frozenset[str]] = list(sign.operands)
    results = [frozenset({k}) for k in sign.results or ()]
    if count is not None:
        heads += [sign.tail] * (count[0] - len(heads))
        results = results if sign.results is not None else [frozenset({"any"})] * count[1]
    groups = {k: f"group {number}" for number, group in enumerate(sign.same) for k in group}
    values = [body.value(constraint(k), groups.get(n)) for n, k in enumerate([*heads, *results])]
    operands = values[: len(heads)]
    if sign.tail and count is None:
        operands.append(f"variadic {body.value(constraint(sign.tail))}")
    stated = values[len(heads) :]
    if sign.results is None and count is None:
        stated.append(f"variadic {body.value('irdl.any')}")
    body.lines += [f"irdl.operands({', '.join(operands)})"] if operands else []
    body.lines += [f"irdl.results({', '.join(stated)})"] if stated else []
    if named := [f'"{n}" = {body.value(c)}' for n, c in sign.attributes]:
        body.lines.append(f"irdl.attributes {{{', '.join(named)}}}")
    if sign.regions:
        regions = [body.value("irdl.region with size 1") for _ in range(sign.regions)]
        body.lines.append(f"irdl.regions({', '.join(regions)})")
    return [f"  irdl.operation @{name} {{", *(f"    {line}" for line in body.lines), "  }"]


def dialect(counts: Counts | None = None) -> str:
    """The dialect as IRDL text; with `counts`, segmented ops as `unrolled` names them."""
    lines = [
        "// The tensor dialect as IRDL, for `mlir-opt --irdl-file`.",
        "// Generated from the op classes by `make spec`; change the class.",
        f"// Not described, because IRDL knows no terminators: {', '.join(terminators())}.",
        f"irdl.dialect @{DIALECT} {{",
    ]
    for definition in definitions():
        name = definition.name.removeprefix(f"{DIALECT}.")
        sign = signature(definition)
        lines += [f"  // `{a}` is an attribute that may be left out." for a in sign.optional]
        if sign.segmented and counts is not None:
            for count in sorted(counts.get(definition.name, ())):
                lines += operation(unrolled_name(name, count), sign, count)
            continue
        if sign.segmented:
            lines.append("  // Values of one segment may have different types, which MLIR 19 cannot say.")
        lines += operation(name, sign)
    return "\n".join([*lines, "}", ""])


def unrolled_name(name: str, count: tuple[int, int]) -> str:
    return f"{name}_{count[0]}_{count[1]}"


_OP = re.compile(rf'((?:%[\w#:]+(?:, )?)*)( = )?"{DIALECT}\.(\w+)"\(([^)]*)\)')


def unrolled(text: str) -> tuple[str, dict[str, set[tuple[int, int]]]]:
    """A dump with segmented ops named by their numbers of operands and results, and these numbers; and with
    terminators of no known dialect.
    """
    segmented = {d.name for d in definitions() if signature_of(d).segmented}
    ends = set(terminators())
    counts: dict[str, set[tuple[int, int]]] = {}

    def renamed(match: re.Match[str]) -> str:
        results, equals, short, operands = match.groups()
        name = f"{DIALECT}.{short}"
        if name in ends:
            return match.group(0).replace(f'"{DIALECT}.', '"end.')
        if name not in segmented:
            return match.group(0)
        count = (operands.count("%"), number_of_results(results))
        counts.setdefault(name, set()).add(count)
        return f'{results}{equals or ""}"{DIALECT}.{unrolled_name(short, count)}"({operands})'

    return _OP.sub(renamed, text), counts


def number_of_results(text: str) -> int:
    """Of the text left of `=`: `%0`, `%0:2` or `%0, %1`."""
    return sum(int(part.partition(":")[2] or 1) for part in text.split(", ") if part)


_SIGNATURES: dict[str, Signature] = {}


def signature_of(definition: type[OpDefinition]) -> Signature:
    """`signature`, worked out once."""
    if definition.name not in _SIGNATURES:
        _SIGNATURES[definition.name] = signature(definition)
    return _SIGNATURES[definition.name]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 where stale")
    check = parser.parse_args().check
    text = dialect()
    if FILE.exists() and FILE.read_text("utf-8") == text:
        return 0
    if check:
        print(FILE.name)
        return 1
    FILE.write_text(text, encoding="utf-8")
    print(f"{FILE.relative_to(ROOT)}: written")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
