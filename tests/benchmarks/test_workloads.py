"""The list of workloads: each can be drawn and computed; no peer has a program under a name that is none."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness.case import Case, Workload, draw, load, references

PEERS = Path(__file__).parents[2] / "benchmarks" / "peers"
WORKLOADS = load()


@pytest.mark.parametrize("w", WORKLOADS.values(), ids=lambda w: w.name)
def test_workload_at_its_tiny_size(w: Workload) -> None:
    for case in w.cases(quick=True):
        variants, state = draw(w, case, 2)
        assert all(a.dtype == case.dtype for v in variants for a in v if a.dtype.kind == "f")
        assert any((x != y).any() for x, y in zip(*variants, strict=True)), "the sets are not all the same"
        found = references(w, case, variants, state)
        assert len(found.outputs) == 2
        assert all(np.isfinite(a).all() for a in [*found.outputs[0], *found.state])
        assert [a.shape for a in found.state] == [a.shape for a in state]
        assert w.traffic(case) > 0
        assert w.flops(case) >= 0
        assert np.result_type(*found.outputs[0]) in (np.float64, np.int64)


GRADIENTS = {
    "logsumexp_vjp": ("logsumexp", 1),
    "softmax_vjp": ("softmax", 1),
    "layernorm_vjp": ("layernorm", 3),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_reference_of_a_vjp_is_the_derivative(name: str) -> None:
    """<vjp(g), t> against a central difference of <f, g> along t."""
    forward, count = GRADIENTS[name]
    w, f = WORKLOADS[name], WORKLOADS[forward].reference
    case = Case(name, w.tiny, "float64")
    (inputs,), _ = draw(w, case, 1)
    *values, g = inputs
    found = w.reference(case, inputs, ())[0]
    rng, step = np.random.default_rng(5), 1e-6
    along = [rng.standard_normal(v.shape) for v in values[:count]]
    ends = [
        np.sum(
            np.asarray(f(case, tuple(v + s * t for v, t in zip(values, along, strict=True)), ())[0][0]) * g
        )
        for s in (step, -step)
    ]
    expected = sum(np.sum(np.asarray(d) * t) for d, t in zip(found, along, strict=True))
    assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("file", sorted(PEERS.glob("*_peer.py")), ids=lambda p: p.stem)
def test_programs_are_those_of_workloads(file: Path) -> None:
    """A misspelt name would only ever show as a skipped cell."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "PROGRAMS":
            names |= {a.value for a in node.args if isinstance(a, ast.Constant)}
            split = [
                n
                for n in ast.walk(node)
                if isinstance(n, ast.Call) and getattr(n.func, "attr", "") == "split"
            ]
            names |= {word for n in split for word in ast.literal_eval(n.func.value).split()}  # type: ignore[attr-defined]
    assert names
    assert names <= set(WORKLOADS)
