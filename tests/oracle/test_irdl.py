"""MLIR enforces the tensor dialect from the IRDL file that the op classes give: it takes every op's samples,
every text test and whole programs, and refuses planted violations of every op.
"""

from __future__ import annotations

import runpy
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from oracle.irdl_support import program, refusals
from oracle.mlir_oracle import OracleMissing
from oracle.programs import PROGRAMS
from tensorc.ir import builtin
from tensorc.ir.attributes import UNIT
from tensorc.ir.core import Operation, Region, Value
from tensorc.ir.definition import encode
from tensorc.ir.errors import TensorcError
from tensorc.ir.parser import parse_module
from tensorc.ir.printer import print_op
from tensorc.ir.types import TensorType, Type, f64, i8, index
from tensorc.ir.verifier import verify
from tensorc.ops.base import OpDef
from tests.ops.harness import OPS, function_of, label, type_of
from tools import gen_irdl

ROOT = Path(__file__).parent.parent.parent
TENSOR = TensorType((2, 5), f64)
Counts = dict[str, set[tuple[int, int]]]


@pytest.fixture
def _mlir() -> None:
    try:
        program()
    except OracleMissing as missing:
        pytest.skip(str(missing))


def judged(texts: list[str], more: Counts | None = None) -> list[list[str]]:
    """What MLIR objects to in dumps of ours, the dialect being described for the ops they hold."""
    counts: Counts = dict(more or {})
    renamed = []
    for text in texts:
        found, here = gen_irdl.unrolled(text)
        renamed.append(found)
        for name, pairs in here.items():
            counts[name] = counts.get(name, set()) | pairs
    return refusals(gen_irdl.dialect(counts), renamed)


def objections(texts: dict[str, str]) -> dict[str, list[str]]:
    answers = judged(list(texts.values()))
    return {title: errors for title, errors in zip(texts, answers, strict=True) if errors}


def test_the_file_is_current() -> None:
    command = [sys.executable, str(ROOT / "tools" / "gen_irdl.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"stale (run `make spec`): {done.stdout}{done.stderr}"


@pytest.mark.usefixtures("_mlir")
def test_mlir_reads_the_file_as_it_stands() -> None:
    text = module_text(function_of(*first_use("tensorc.exp")))
    assert refusals(gen_irdl.FILE.read_text("utf-8"), [text]) == [[]]


def first_use(name: str) -> tuple[type[OpDef], Any]:
    (definition,) = (d for d in OPS if d.name == name)
    return definition, next(iter(definition.samples()))


def module_text(function: Operation) -> str:
    module = builtin.new_module()
    module.regions[0].block.append(function)
    return print_op(module)


@pytest.mark.usefixtures("_mlir")
def test_every_sample_is_accepted() -> None:
    texts = {}
    for op in OPS:
        seen = set()
        for number, sample in enumerate(op.samples()):
            for dynamic in (False, True):
                types = tuple(type_of(x, dynamic) for x in sample.operands)
                if (types, sample.attrs) not in seen:
                    seen.add((types, sample.attrs))
                    texts[f"{op.name} {number} {dynamic}"] = module_text(function_of(op, sample, dynamic))
    assert len(texts) > 2 * len(OPS)
    assert objections(texts) == {}


def sound_modules() -> Iterator[tuple[str, str]]:
    """Every module of the text tests that our own verifier takes, expectations included."""
    for path in sorted((ROOT / "tests" / "filetests").rglob("*.mlir")):
        pieces = path.read_text("utf-8").replace("// ---- expect", "// -----").split("// -----")
        for number, piece in enumerate(pieces):
            try:
                module = parse_module(piece)
                if not verify(module):
                    yield f"{path.name} {number}", print_op(module)
            except TensorcError:
                continue


def known_to_mlir(text: str) -> bool:
    """Files about the syntax alone use dialects and buffers of no meaning."""
    return '"t.' not in text and '"test.' not in text and "memref" not in text


@pytest.mark.usefixtures("_mlir")
def test_the_text_tests_are_accepted() -> None:
    texts = {title: text for title, text in sound_modules() if known_to_mlir(text)}
    assert len(texts) > 20
    assert objections(texts) == {}


@pytest.mark.usefixtures("_mlir")
def test_whole_programs_are_accepted() -> None:
    texts = {}
    for make in PROGRAMS:
        for mode in ("O0", "O2"):
            f = make(mode)
            texts |= {f"{make.__name__} {mode} {stage}": f.source(stage) for stage in ("tensor", "fused")}
    assert any("tensorc.generic" in text for text in texts.values())
    assert objections(texts) == {}


@pytest.mark.usefixtures("_mlir")
def test_the_digits_example_is_accepted() -> None:
    pytest.importorskip("sklearn", reason="the example reads scikit-learn's digits")
    names = runpy.run_path(str(ROOT / "examples" / "digits.py"), run_name="digits")
    texts = {f"{n} {s}": names[n].source(s) for n in ("train", "predict") for s in ("tensor", "fused")}
    assert objections(texts) == {}


# -- planted violations


@dataclass(frozen=True)
class Use:
    """An op to be printed, right or wrong."""

    definition: type[OpDef]
    operands: tuple[Type, ...]
    results: tuple[Type, ...]
    attributes: dict[str, Any]
    regions: int = 0

    def text(self) -> str:
        function = builtin.new_function("f", self.operands, [])
        block = builtin.body(function)
        args: list[Value] = list(block.args)
        regions = [Region() for _ in range(self.regions)]
        name = self.definition.name
        block.append(Operation(name, self.definition, args, self.results, dict(self.attributes), regions))
        block.append(Operation("func.return", builtin.Return, [], [], {}))
        return module_text(function)


def right_use(definition: type[OpDef]) -> Use:
    """The sample with the fewest operands."""
    sample = min(definition.samples(), key=lambda s: len(s.operands))
    operands = tuple(type_of(x) for x in sample.operands)
    results = definition.infer(operands, sample.attrs)
    assert results is not None
    return Use(definition, operands, results, dict(encode(sample.attrs)))


def changed(use: Use, **slots: Any) -> Use:
    return Use(**{**use.__dict__, **slots})


def other_kind(type: Type) -> Type:
    return index if isinstance(type, TensorType) else TENSOR


def wrong_uses(use: Use) -> Iterator[tuple[str, Use]]:
    """One violation each, of everything the dialect's file promises to hold."""
    sign = gen_irdl.signature_of(use.definition)
    operands, results = use.operands, use.results
    for k, kinds in enumerate(sign.operands):
        wrong = other_kind(operands[k])
        if gen_irdl.kind(wrong) not in kinds:
            yield f"operand {k} is {wrong}", changed(use, operands=(*operands[:k], wrong, *operands[k + 1 :]))
    if operands:
        yield "one operand less", changed(use, operands=operands[:-1])
    for extra in (TENSOR, index):
        if gen_irdl.kind(extra) not in sign.tail:
            yield f"{extra} as one operand more", changed(use, operands=(*operands, extra))
    yield "one result more", changed(use, results=(*results, TENSOR))
    for k, type in enumerate(results):
        wrong_results = (*results[:k], other_kind(type), *results[k + 1 :])
        yield f"result {k} is of another kind", changed(use, results=wrong_results)
    for group in sign.same:
        if len(operands) in group:
            yield "result of another element type", changed(use, results=(TensorType((2, 3, 4, 5), i8),))
    for name, _ in sign.attributes:
        without = {n: a for n, a in use.attributes.items() if n != name}
        yield f"no attribute {name}", changed(use, attributes=without)
        yield f"attribute {name} of another kind", changed(use, attributes={**without, name: UNIT})
    yield "a region", changed(use, regions=1)


@pytest.mark.usefixtures("_mlir")
def test_planted_violations_are_refused() -> None:
    """Each op used rightly is taken, each single violation is not; what MLIR lets pass is listed."""
    titles, texts = [], []
    counts: Counts = {}
    for op in OPS:
        use = right_use(op)
        name = op.name
        if gen_irdl.signature_of(op).segmented:
            count = (len(use.operands), len(use.results))
            counts[name] = {count}
            name = f"tensorc.{gen_irdl.unrolled_name(label(op), count)}"
        for title, wrong in [("as it should be", use), *wrong_uses(use)]:
            titles.append((label(op), title))
            texts.append(wrong.text().replace(f'"{op.name}"', f'"{name}"'))
    answers = refusals(gen_irdl.dialect(counts), texts)
    found = dict(zip(titles, answers, strict=True))
    assert len(found) > 5 * len(OPS)
    assert {t: e for t, e in found.items() if t[1] == "as it should be" and e} == {}
    assert [t for t, e in found.items() if t[1] != "as it should be" and not e] == []


@pytest.mark.usefixtures("_mlir")
def test_unknown_ops_and_damaged_kernels_are_refused() -> None:
    kernel = PROGRAMS[1]("O2").source("fused")
    damage = {
        "an unknown op": ('"tensorc.kernel"', '"tensorc.colonel"'),
        "a kernel without its attribute": ("{outer = ", "{inner = "),
        "a stage without a rank": ("rank = ", "rang = "),
        "maps that are no array": ("maps = [", "maps = 5 : i64, x = ["),
    }
    texts = [kernel.replace(*pair, 1) for pair in damage.values()]
    assert all(text != kernel for text in texts)
    answers = judged([kernel, *texts])
    assert answers[0] == []
    assert [title for title, errors in zip(damage, answers[1:], strict=True) if not errors] == []
