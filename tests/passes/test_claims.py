"""What is written over the memory of cells, and that nothing which can fail comes after the claim."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tensorc.codegen_llvm import emitter, libraries
from tensorc.interp import loops
from tensorc.ir.builtin import Call, CallAttrs, arg_attributes, body, functions, symbol_name
from tensorc.ir.core import Operation
from tensorc.ops.loops import memref, scf
from tensorc.ops.loops.claims import OVER, behind_claim, is_claim

Cells = dict[str, Any]
Made = tuple[Any, dict[Any, Any]]
PROGRAMS: dict[str, tuple[Callable[[Cells], Made], str]] = {
    "a step": (lambda s: (None, {s["w"]: s["w"] - 0.1 * s["x"]}), "w"),
    "two in one kernel": (lambda s: (None, {s["w"]: s["w"] * 2, s["v"]: s["v"] * s["w"]}), "wv"),
    "momentum": (
        lambda s: (None, {s["v"]: s["v"] * 0.9 - s["x"], s["w"]: s["w"] + (s["v"] * 0.9 - s["x"])}),
        "wv",
    ),
    "a product, then a step": (lambda s: (None, {s["w"]: s["w"] - (s["m"] @ s["x"])}), "w"),
    "a product": (lambda s: (None, {s["w"]: s["m"] @ s["x"]}), ""),
    "in one kernel with a sum": (lambda s: (s["w"].sum(), {s["w"]: s["w"] + 1}), "w"),
    "by its own sum": (lambda s: (None, {s["w"]: s["w"] / (s["w"] * s["w"]).sum()}), "w"),
    "with a sum of rows": (
        lambda s: ((s["v"] * s["x"]).sum(), {s["v"]: s["v"] - s["x"], s["w"]: s["w"] - s["m"].sum(axis=0)}),
        "v",
    ),
    "along a product": (lambda s: (None, {s["t"]: s["t"] - (s["m"].T @ s["m"]) * s["x"]}), "t"),
    "along one of itself": (lambda s: (None, {s["t"]: s["t"] - s["m"] @ s["t"]}), ""),
    "along one, and what is no vector": (
        lambda s: (None, {s["t"]: s["t"] - s["m"].T @ s["m"], s["u"]: s["u"] + 1}),
        "u",
    ),
    "along the last of two": (
        lambda s: (None, {s["t"]: s["t"] - s["m"].T @ h, s["u"]: s["u"] - h.T @ tc.exp(h @ s["m"])})
        if (h := tc.tanh(s["m"] @ s["m"])) is not None
        else (None, {}),
        "u",
    ),
    "rows that are kept": (lambda s: (None, {s["w"]: tc.nn.softmax(s["w"])}), ""),
    "exchanged": (lambda s: (None, {s["w"]: s["v"], s["v"]: s["w"]}), ""),
    "in a circle": (lambda s: (None, {s["w"]: s["v"][::-1] + 1, s["v"]: s["w"][::-1] + 1}), ""),
    "one after the other": (lambda s: (None, {s["w"]: s["w"] + s["v"][::-1], s["v"]: s["v"] + 1}), "wv"),
    "backwards": (lambda s: (None, {s["w"]: s["w"] + s["w"][::-1]}), ""),
    "the new value is looked at": (lambda s: ((s["m"] @ (s["w"] + 1)).sum(), {s["w"]: s["w"] + 1}), ""),
    "the old value is given": (lambda s: (s["w"], {s["w"]: s["w"] + 1}), "w"),
    "part of it is given": (lambda s: (s["w"][1:], {s["w"]: s["w"] + 1}), "w"),
    "rows": (lambda s: (s["w"][s["i"]], {s["w"]: s["w"][s["i"]].add(1.0)}), "w"),
    "rows twice": (
        lambda s: (None, {s["w"]: s["w"][s["i"]].add(1.0), s["v"]: s["v"][s["i"]].set(0.0)}),
        "wv",
    ),
    "a slice": (lambda s: (None, {s["w"]: s["w"][2:].set(s["x"][2:])}), "w"),
    "its own indices": (lambda s: (None, {s["j"]: s["j"] + 1, s["w"]: s["w"][s["j"] + 1].set(0.0)}), "w"),
}


def made(name: str, mode: str = "fast") -> tuple[Any, Cells]:
    cells = {n: tc.shared(np.zeros(6), name=n) for n in "wv"}
    cells |= {n: tc.shared(np.zeros((6, 6)), name=n) for n in "tu"}
    cells["j"] = tc.shared(np.zeros(2, np.int64), name="j")
    given = {"x": tc.vector("x"), "m": tc.matrix("m"), "i": tc.lvector("i")}
    result, updates = PROGRAMS[name][0]({**cells, **given})
    f = tc.function(list(given.values()), result, updates, mode=mode, on_unused_input="ignore")
    return f, cells


def main_of(module: Operation) -> Operation:
    return next(f for f in functions(module) if symbol_name(f) == "main")


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_which_updates_are_claimed(name: str) -> None:
    f, _ = made(name)
    main = main_of(f.module("loops"))
    arguments = range(len(body(main).args))
    over = [arg_attributes(main, n).get(OVER) for n in arguments]
    numbers = [a.value for a in over if a is not None]  # type: ignore[attr-defined]
    names = [arg_attributes(main, n)["tensorc.name"].value for n in numbers]  # type: ignore[attr-defined]
    wanted = PROGRAMS[name][1]
    assert sorted(names) == sorted(wanted)
    assert sum(is_claim(op) for op in main.walk()) == bool(wanted)


@pytest.mark.parametrize("name", [n for n, (_, wanted) in PROGRAMS.items() if wanted])
def test_nothing_that_fails_follows_a_claim(name: str) -> None:
    """No memory, no error, no index that is looked at, no call of a library; and no output that is claimed is
    used before.
    """
    f, _ = made(name)
    main = main_of(f.module("loops"))
    error = body(main).args[-1]
    (claim,) = [op for op in main.walk() if is_claim(op)]
    assert claim.block is not None
    branch = next(op for op in claim.block if op.isa(scf.If) and behind_claim(op.regions[0].block))
    inside = [op for op in branch.walk() if op is not branch]
    assert inside
    for op in inside:
        assert not op.isa(memref.Alloc), op
        assert not op.isa(Call) or _answers_for_itself(op), op
        assert error not in op.operands, op
    outputs = [a for a in body(main).args if OVER in arg_attributes(main, a.index)]
    before = [op for op in main.walk() if op not in set(inside)]
    for op in before:
        assert op.isa(memref.Dim) or not any(v in outputs for v in op.operands), op

    text = emitter.emit(f.module("loops"), libraries.host_options())
    function = text[text.index("define i32 @main(") :]
    behind = function[re.search(r"call i32 @tensorc_claim", function).end() :]  # type: ignore[union-attr]
    assert "@tensorc_alloc(" not in behind.split("\n}\n")[0]


def _answers_for_itself(call: Operation) -> bool:
    """Whether a call is of a block of a product where nothing is packed, which asks for no memory, or stands
    where it is known that there was too much work to claim anything.
    """
    assert isinstance(call.attrs, CallAttrs)
    name = call.attrs.callee.name
    if name.startswith("tensorc_direct"):
        return True
    return name.startswith(("tensorc_block", "tensorc_pack")) and _is_otherwise(call)


def _is_otherwise(op: Operation) -> bool:
    while op.parent is not None and not op.parent.isa(scf.If):
        op = op.parent
    return op.parent is not None and op.block is op.parent.regions[1].block


@pytest.mark.parametrize("name", [n for n, (_, wanted) in PROGRAMS.items() if wanted])
def test_the_interpreter_gives_the_same(name: str) -> None:
    """It gives all outputs memory of their own, and answers every claim."""
    rng = np.random.default_rng(5)
    f, cells = made(name)
    for cell in cells.values():
        most, shape = (6, 2) if cell.dtype == "int64" else (9, (6,) * cell.ndim)
        cell.set_value(rng.integers(0, most, shape).astype(cell.dtype))
    x, m, i = rng.standard_normal(6), rng.standard_normal((6, 6)), np.array([1, 1, -2])
    module = f.module("loops")
    main = main_of(module)
    arguments, outputs = [], []
    for argument in body(main).args[:-1]:
        attributes = arg_attributes(main, argument.index)
        if "tensorc.name" in attributes:
            of = attributes["tensorc.name"].value  # type: ignore[attr-defined]
            arguments.append(cells[of].get_value() if of in cells else {"x": x, "m": m, "i": i}[of])
    updated = [v.name for v in f.program.updated]
    result = f(x, m, i)
    wanted = [*([] if result is None else [result]), *(cells[n].get_value() for n in updated)]
    outputs = [np.full_like(w, 7) for w in wanted]
    code, _ = loops.run(module, "main", arguments, outputs)
    assert code == 0
    for found, right in zip(outputs, wanted, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-13)


def test_a_dump_shows_the_claim() -> None:
    f, _ = made("rows")
    text = f.source("loops")
    assert text.count("callee = @tensorc_claim") == 1
    assert "tensorc.over = " in text
    assert text.index('"memref.copy"') > text.index("callee = @tensorc_claim")


def test_a_function_without_updates_claims_nothing() -> None:
    w = tc.shared(np.zeros(3))
    assert "tensorc_claim" not in tc.function([], w + 1).source("loops")
