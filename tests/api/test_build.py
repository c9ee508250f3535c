"""Linking stored object code, and errors from code that has no table of sites."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tensorc.api.build import NAME, Build, Kind
from tensorc.api.function import Function
from tensorc.api.methods import Tensor
from tensorc.codegen_llvm import jit
from tensorc.codegen_llvm.objects import ObjectCode
from tensorc.ir.errors import TensorcError
from tensorc.ir.location import UNKNOWN
from tensorc.passes import manager, sites

MODES = ("O0", "O1", "O3")


def programs() -> dict[str, Callable[[str], Function]]:
    x, y, m, i = tc.vector("x"), tc.vector("y"), tc.matrix("m"), tc.ivector("i")
    w = tc.shared(np.ones((3, 4)), name="w")
    stacked = tc.concatenate([m, m * 2], axis=1)
    return {
        "add": lambda mode: tc.function([x, y], x + y, mode=mode),
        "twice": lambda mode: tc.function([x, y], [x * y, tc.exp(x) / y], mode=mode),
        "gather": lambda mode: tc.function([x, i], x[i] + x[i[::-1]], mode=mode),
        "product": lambda mode: tc.function([m, x], tc.nn.softmax(stacked @ x[:, None] + m.sum()), mode=mode),
        "state": lambda mode: tc.function([m], tc.dot(m, w), updates={w: w + m.sum()}, mode=mode),
        "reshape": lambda mode: tc.function([m, y], m.reshape((2, -1)) + y.mean(), mode=mode),
        "none": lambda mode: tc.function([], None, mode=mode),
    }


def kinds(build: Build) -> tuple[Kind, ...]:
    return ("fast", "generic") if build.has_fast_body else ("generic",)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", programs())
def test_sites_are_those_of_the_code(name: str, mode: str) -> None:
    """The table made before the loops says of every site that is left in the loops the same."""
    build = programs()[name](mode).build
    for kind in kinds(build):
        module = _loops(build, kind)
        left = sites.collect(module)
        table = build.sites(kind)
        assert [table[site.number] for site in left] == left
        assert all((number >= 1 << 20) == (kind == "generic") for number in table)
        cannot_fail = name == "none" or (kind == "fast" and name in ("add", "twice"))
        assert bool(left) != cannot_fail


def _loops(build: Build, kind: Kind) -> Any:
    from tensorc.api import build as module

    return module._run(build._code_function(kind), build._passes(kind))


def test_sites_are_numbered_alike_every_time() -> None:
    make = programs()["gather"]
    for kind in ("fast", "generic"):
        first, second = (make("O3").build.sites(kind) for _ in range(2))
        assert list(first) == list(second)
        assert [(s.kind, s.op, s.axis) for s in first.values()] == [
            (s.kind, s.op, s.axis) for s in second.values()
        ]


def stored_code(f: Function) -> dict[Kind, ObjectCode]:
    """Through bytes, as from a file."""
    made = {kind: f.build.body(kind).object_code for kind in kinds(f.build)}
    return {kind: ObjectCode.from_bytes(code.to_bytes()) for kind, code in made.items()}


def relinked(f: Function, stored: dict[Kind, ObjectCode]) -> tuple[Function, Build]:
    build = Build(f.program, f.mode, stored)
    return build.native(Function, lambda direct, args, _: direct(*args), by_name=False), build


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("something was compiled")

    monkeypatch.setattr(manager, "run", refuse)
    monkeypatch.setattr(jit, "_optimised", refuse)


@pytest.mark.parametrize("mode", MODES)
def test_stored_code_answers_without_passes_or_llvm(mode: str, request: pytest.FixtureRequest) -> None:
    x, y = tc.matrix("x"), tc.matrix("y")
    f = tc.function([x, y], [tc.exp(x) + y, (x * y).sum()], mode=mode)
    stored = stored_code(f)
    a, b = np.linspace(0, 1, 12).reshape(3, 4), np.full((3, 1), 2.0)
    expected = [f(a, a), f(a, b), f(a.T, a.T)]
    request.getfixturevalue("no_compiler")
    g, build = relinked(f, stored)
    for want, got in zip(expected, [g(a, a), g(a, b), g(a.T, a.T)], strict=True):
        for u, v in zip(want, got, strict=True):
            assert u.tobytes() == v.tobytes()
    assert build.origins == dict.fromkeys(kinds(build), "stored")


def test_an_error_from_stored_code_names_the_line() -> None:
    x, y = tc.vector("x"), tc.vector("y")
    total = x + y
    line = inspect.currentframe().f_lineno - 1  # type: ignore[union-attr]
    f = tc.function([x, y], total)
    g, _ = relinked(f, stored_code(f))
    for arguments in ((np.ones(2), np.ones(3)), (np.ones(4)[::2], np.ones(3))):
        with pytest.raises(TensorcError) as first:
            f(*arguments)
        with pytest.raises(TensorcError) as second:
            g(*arguments)
        assert str(first.value.during(UNKNOWN)) == str(second.value.during(UNKNOWN))
        assert f"test_build.py:{line}:" in str(second.value)


@pytest.mark.parametrize("wrong", ["exports", "bytes", "symbol"])
def test_stored_code_that_cannot_be_loaded_is_compiled_instead(wrong: str) -> None:
    x = tc.vector("x")
    f = tc.function([x], x * 3)
    code = stored_code(f)["fast"]
    bad = {
        "exports": ObjectCode(code.data, ("f_shapes.packed", "f.packed"), code.imports),
        "bytes": ObjectCode(code.data[:100], code.exports, code.imports),
        "symbol": ObjectCode(code.data, code.exports, (*code.imports, "tensorc_nothing_of_that_name")),
    }[wrong]
    g, build = relinked(f, {"fast": bad})
    assert g(np.ones(2)).tolist() == [3, 3]
    assert build.origins == {"fast": "compiled"}


def test_code_does_not_depend_on_names_or_constants() -> None:
    def code(name: str, argument: str, value: float) -> ObjectCode:
        x = tc.vector(argument)
        return tc.function([x], x + np.full(100, value), name=name).machine.bodies["fast"].object_code

    assert code("f", "x", 1.0) == code("g", "other", 2.0)
    assert code("f", "x", 1.0).exports == (f"{NAME}_shapes.packed", f"{NAME}.packed")


def test_symbols_are_never_searched_in_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing them makes an expression, each time: a thousand variables would make half a million."""
    cells = [tc.shared(np.full(3, float(k))) for k in range(20)]
    cost = sum((c * c).sum() for c in cells)

    def refuse(self: Any, other: Any) -> Any:
        raise AssertionError("compared")

    monkeypatch.setattr(Tensor, "__eq__", refuse)
    steps = tc.grad(cost, cells)
    f = tc.function([], cost, updates={c: c - g for c, g in zip(cells, steps, strict=True)})
    monkeypatch.undo()
    f()
    assert all((c.get_value() == -k).all() for k, c in enumerate(cells))
