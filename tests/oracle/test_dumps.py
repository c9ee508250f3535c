"""Every op's lowering, as text, verified by MLIR: the registry's own samples through each pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from oracle.mlir_oracle import OracleMissing, find, verify, verify_all
from tensorc.ir.builtin import new_module
from tensorc.ir.core import Operation
from tensorc.ir.printer import print_op
from tensorc.ir.types import TensorType
from tensorc.ops.base import OpDef, Sample
from tensorc.passes.manager import Options, run
from tensorc.passes.pipelines import PIPELINES
from tests.ops.harness import OPS, function_of, label, type_of

LEVELS = ("O0", "O2")  # the generic body op by op, the fast body in kernels; O1 is tried once for each op


def gives_tensors(definition: type[OpDef]) -> bool:
    """Whether the op can be a function's whole body: all its results are tensors."""
    sample = next(iter(definition.samples()), None)
    if sample is None:
        return False
    results = definition.infer([type_of(x, True) for x in sample.operands], sample.attrs)
    return bool(results) and all(isinstance(t, TensorType) for t in results or ())


TENSOR_OPS = [definition for definition in OPS if gives_tensors(definition)]
every_op = pytest.mark.parametrize("definition", TENSOR_OPS, ids=label)


@pytest.fixture(autouse=True)
def _oracle() -> None:
    try:
        find()
    except OracleMissing as missing:
        pytest.skip(str(missing))


@dataclass(frozen=True)
class Case:
    """One sample as a function, with unknown or known extents."""

    definition: type[OpDef]
    sample: Sample
    dynamic: bool

    @property
    def title(self) -> str:
        return f"{self.definition.name} {kind(self.sample)}, {'unknown' if self.dynamic else 'known'} extents"

    def module(self) -> Operation:
        module = new_module()
        module.regions[0].block.append(function_of(self.definition, self.sample, self.dynamic))
        return module

    def lowered(self, level: str) -> str:
        module = self.module()
        run(module, PIPELINES[level], Options(reproducer=False))
        return print_op(module)


def cases(definition: type[OpDef]) -> Iterator[Case]:
    """The first sample of every combination of dtypes and ranks, once with unknown and once with known
    extents.
    """
    seen = set()
    for sample in definition.samples():
        if (key := kind(sample)) not in seen:
            seen.add(key)
            yield from (Case(definition, sample, dynamic) for dynamic in (True, False))


def kind(sample: Sample) -> str:
    return " ".join(f"{x.dtype}:{x.ndim}" if hasattr(x, "dtype") else "index" for x in sample.operands)


@every_op
def test_lowered_samples_verify(definition: type[OpDef]) -> None:
    every = list(cases(definition))
    found = [(case, level) for case in every for level in LEVELS] + [(every[0], "O1")]
    errors = verify_all([case.lowered(level) for case, level in found])
    titles = [f"{case.title}, {level}" for case, level in found]
    assert {title: e for title, e in zip(titles, errors, strict=True) if e} == {}


@every_op
def test_tensor_level_parses(definition: type[OpDef]) -> None:
    texts = [print_op(case.module()) for case in cases(definition)]
    assert [e for e in verify_all(texts, unregistered=True) if e] == []


DAMAGE = {
    "a loop of another kind": ('"scf.for"', '"scf.while"'),
    "a function that ends like a loop": ('"func.return"', '"scf.yield"'),
    "a buffer of another rank": ("memref<?x?x", "memref<?x"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_dump_is_rejected(name: str) -> None:
    (definition,) = (d for d in TENSOR_OPS if d.name == "tensorc.exp")
    text = next(cases(definition)).lowered("O0")
    assert verify(text) == []
    before, after = DAMAGE[name]
    assert before in text
    assert verify(text.replace(before, after, 1)) != []
