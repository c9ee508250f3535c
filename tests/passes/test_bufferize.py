"""Where buffers are reused: what dies is written over, and lives in the output from the start."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tensorc.api.trace import Traced, trace
from tensorc.ir.builtin import new_module
from tensorc.ir.clone import clone_op
from tensorc.ir.printer import print_op
from tensorc.passes import manager
from tensorc.passes.text import parse_pipeline

RNG = np.random.default_rng(11)
ARRAYS = {
    "m": RNG.random((5, 5)),
    "k": RNG.random((5, 5)),
    "x": RNG.random(6),
    "i": np.array([1, 3, 3, 0]),
    "n": RNG.random((4, 5)),
}


def symbols() -> dict[str, Any]:
    m, k, n = tc.matrices("m", "k", "n")
    return {"m": m, "k": k, "n": n, "x": tc.vector("x"), "i": tc.lvector("i")}


def allocations(f: Any) -> int:
    """Temporaries of the function, before ops are lowered, which may need memory of their own."""
    return _bufferized(f.program.traced).count('"memref.alloc"')


def _bufferized(traced: Traced) -> str:
    module, passes = new_module(), parse_pipeline("O3")
    module.regions[0].block.append(clone_op(traced.func))
    last = next(n for n, p in enumerate(passes) if p.name == "bufferize")
    manager.run(module, passes[: last + 1])
    return print_op(module)


Build = Callable[[Any], Any]
PROGRAMS: dict[str, tuple[Build, int]] = {
    "what a product gives is finished in the output": (lambda s: tc.exp(s["m"] @ s["k"]) + 1, 0),
    "so is what is finished first": (lambda s: tc.exp((s["m"] @ s["k"]) + 1) @ s["k"] * 2, 1),
    "parts are set one after the other": (
        lambda s: s["x"][s["i"]].set(0.0)[2:].set(1.0)[:1].add(5.0),
        1,
    ),
    "a transposed reader needs the old values": (lambda s: (s["m"] @ s["k"]).T + s["m"] @ s["k"], 1),
    "who can write over what is read twice comes last": (
        lambda s: [
            tc.exp(s["n"][s["i"]] - s["n"]).sum(axis=0) * 2,
            s["n"][s["i"]].add((s["n"][s["i"]] - s["n"]) * 2),
        ],
        1,
    ),
    "two results of one product": (lambda s: [tc.exp(s["m"] @ s["k"]), (s["m"] @ s["k"]) + 1], 0),
    "one that is also a result": (lambda s: [s["m"] @ s["k"], tc.exp(s["m"] @ s["k"])], 0),
}


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_buffers_of_a_program(name: str) -> None:
    build, wanted = PROGRAMS[name]
    given = symbols()
    outputs = build(given)
    f, plain = (
        tc.function(list(given.values()), outputs, mode=mode, on_unused_input="ignore")
        for mode in ("fast", "O0")
    )
    before = {key: value.copy() for key, value in ARRAYS.items()}
    for found, right in zip(_listed(f(**ARRAYS)), _listed(plain(**ARRAYS)), strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-13)
    assert all(np.array_equal(ARRAYS[key], value) for key, value in before.items())
    assert allocations(f) == wanted


def test_setting_parts_of_a_temporary_copies_nothing_else() -> None:
    x, i = tc.vector("x"), tc.lvector("i")
    f = tc.function([x, i], tc.exp(x)[i].set(0.0)[2:].set(i[0] + 1.0)[:1].add(5.0))
    text = f.source("loops")
    assert '"memref.copy"' not in text
    # A kernel each: exp, the value that is set first, the part that is set, what is added.
    assert len(re.findall(r'}\) \{tensorc.parallel\}', text)) == 4


def _listed(result: Any) -> list[Any]:
    return result if isinstance(result, list) else [result]


def test_sources_of_an_update_are_not_overwritten_by_it() -> None:
    """Each reads what it changes through another operand, or somebody reads the old value later."""
    x, i = tc.vector("x"), tc.lvector("i")
    y = tc.exp(x)
    cases = [
        y[i].set(y[i]),
        y[1:4].set(y[2:5]),
        y[1:4].add(y[::-1][1:4]),
        y[i].add(y[: i.shape[0]]) + y[0],
        tc.where(y[::-1] > 1.5, y[1:4].set(0.0), y),
        y[tc.astype(y, "int64") % 6].add(y),
    ]
    f = tc.function([x, i], cases)
    value, at = ARRAYS["x"], ARRAYS["i"]
    e = np.exp(value)

    def changed(change: Callable[[Any], None]) -> Any:
        copy = e.copy()
        change(copy)
        return copy

    right = [
        changed(lambda c: c.__setitem__(at, e[at])),
        changed(lambda c: c.__setitem__(slice(1, 4), e[2:5])),
        changed(lambda c: c.__setitem__(slice(1, 4), e[1:4] + e[::-1][1:4])),
        changed(lambda c: np.add.at(c, at, e[:4])) + e[0],
        np.where(e[::-1] > 1.5, changed(lambda c: c.__setitem__(slice(1, 4), 0.0)), e),
        changed(lambda c: np.add.at(c, e.astype(int) % 6, e)),
    ]
    for found, wanted in zip(f(value, at), right, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-13)
    for position, case in enumerate(cases):
        single = tc.function([x, i], case, on_unused_input="ignore")
        np.testing.assert_allclose(single(value, at), right[position], rtol=1e-13)


def test_a_fault_after_parts_were_set_changes_no_argument() -> None:
    x, i = tc.vector("x"), tc.lvector("i")
    f = tc.function([x, i], (x * 2)[i].set(1.0)[i + 1].add(1.0))
    value = ARRAYS["x"].copy()
    with pytest.raises(IndexError):
        f(value, np.array([0, 5]))
    assert np.array_equal(value, ARRAYS["x"])
    f(value, np.array([0, 4]))
    assert np.array_equal(value, ARRAYS["x"])


def test_where_objects_lie_in_memory_decides_nothing() -> None:
    """Kernels with several results that die together: which of their buffers serves next."""
    x = tc.vector("x")
    texts, kept = set(), []
    for n in range(6):
        y, earlier = x, x
        for k in range(150):
            kept.append([bytearray(16 * ((n + 1) * k % 37)) for _ in range(n)])  # other addresses
            y, earlier = (y * 0.5 + earlier if k % 3 else tc.tanh(y) * earlier - x), y
        texts.add(_bufferized(trace([y], [x])))
    assert len(texts) == 1
