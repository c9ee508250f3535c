"""Pickling, copying, and functions in other processes."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import pickletools
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tensorc.api.function import Function

X = np.arange(6.0).reshape(2, 3)


def again(value: Any, protocol: int = pickle.HIGHEST_PROTOCOL) -> Any:
    return pickle.loads(pickle.dumps(value, protocol))


def pair() -> tuple[Function, Function, tc.Shared]:
    """Two functions over one variable: one changes it, one reads it."""
    w = tc.shared(np.array([1.0, np.nan, -0.0]), "w")
    x, n = tc.matrix("x"), tc.scalar("n")
    big = tc.asarray(np.arange(60.0).reshape(20, 3))
    train = tc.function([x], (x * w).sum(0), updates={w: w + 1}, name="train")
    predict = tc.function([x, tc.In(n, value=2.5)], {"y": x * w * n + big[:2]}, name="predict")
    return train, predict, w


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_functions_pickled_together_share_their_state(protocol: int) -> None:
    train, predict, w = pair()
    train_2, predict_2, w_2 = again((train, predict, w), protocol)
    assert train_2.shared["w"] is predict_2.shared["w"] is w_2
    train_2(X)
    assert w_2.get_value().tobytes() == np.array([2.0, np.nan, 1.0]).tobytes()
    assert w.get_value().tobytes() == np.array([1.0, np.nan, -0.0]).tobytes()
    w.set_value(w_2.get_value())
    assert predict_2(X)["y"].tobytes() == predict(X)["y"].tobytes()
    assert predict_2(X, n=1)["y"].tobytes() == predict(X, n=1)["y"].tobytes()


def test_code_travels_along() -> None:
    train, _, _ = pair()
    train(X[::-1])
    found = again(train)
    found(X[::-1])
    assert found.build.origins == {"fast": "stored", "generic": "stored"}


def test_code_for_another_machine_is_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from tensorc.api import saving
    from tensorc.codegen_llvm.target import target

    data = pickle.dumps(pair()[0])
    monkeypatch.setattr(saving, "target", lambda: replace(target(), tensorc="0"))
    assert pickle.loads(data).build.origins == {"fast": "compiled"}


def test_large_arrays_travel_out_of_band() -> None:
    v = tc.shared(np.arange(1e5), "v")
    f = tc.function([], (v * np.arange(1e5)).sum())
    buffers: list[pickle.PickleBuffer] = []
    data = pickle.dumps(f, 5, buffer_callback=buffers.append)
    assert len(data) < 100_000
    assert len(buffers) == 2
    found = pickle.loads(data, buffers=buffers)
    assert found() == f()
    found.shared["v"].set_value(np.zeros(3 * 100_000)[:100_000])
    assert v.get_value()[-1] == 1e5 - 1  # the memory is not shared


def test_read_only_buffers() -> None:
    f = pair()[0]
    buffers: list[pickle.PickleBuffer] = []
    data = pickle.dumps(f, 5, buffer_callback=buffers.append)
    found = pickle.loads(data, buffers=[bytes(b.raw()) for b in buffers])
    assert found.shared["w"].cell.get().flags.owndata
    found(X)


def test_a_copy_shares_its_state_and_a_deep_copy_does_not() -> None:
    train, predict, w = pair()
    near = copy.copy(train)
    assert near is not train
    assert near.shared["w"] is w
    a, b = copy.deepcopy([train, predict])
    assert a.shared["w"] is b.shared["w"] is not w
    a(X)
    assert b.shared["w"].get_value()[0] == 2
    assert w.get_value()[0] == 1


def test_default_updates_come_along_and_lead_to_the_new_variable() -> None:
    s = tc.shared(0, "s")
    s.default_update = s + 1
    for found in (again(s), copy.deepcopy(s), again(s.default_update).node.operands[0]):
        f = tc.function([], found)
        assert [int(f()) for _ in range(3)] == [0, 1, 2]
    assert s.get_value() == 0


def test_a_copied_variable_has_a_value_of_its_own() -> None:
    s = tc.shared(np.zeros(2), "s")
    for twin in (copy.copy(s), copy.deepcopy(s), again(s)):
        twin.set_value(np.ones(2))
        assert twin.name == "s"
    assert not s.get_value().any()


def test_symbols_and_expressions_keep_what_they_share() -> None:
    x, w = tc.matrix("x"), tc.shared(np.ones(3), "w")
    y = tc.exp(x) * w + np.arange(30.0).reshape(10, 3)[:1]
    x2, y2, w2 = again((x, y, w))
    assert (x2.name, x2.type) == ("x", x.type)
    f = tc.function([x2], [y2, tc.grad(y2.sum(), x2), tc.grad(y2.sum(), w2)])
    for found, expected in zip(f(X), tc.function([x], [y, *tc.grad(y.sum(), [x, w])])(X), strict=True):
        assert found.tobytes() == expected.tobytes()


def test_extents_and_literals() -> None:
    x = tc.vector("x")
    x2, n2, k2, name2 = again((x, x.shape[0], tc.constant(3), (x + 1).sum()))
    assert tc.function([x2], [n2 * k2, name2])(np.arange(4.0)) == [12, 10.0]
    y = x + 1
    y.name = "y"
    assert again(y).name == "y"


def test_an_expression_of_ten_thousand_ops() -> None:
    x = tc.vector("x")
    y = x
    for _ in range(10_000):
        y = tc.tanh(y)
    depth, node = 0, again(y).node
    while node is not None:
        depth, node = depth + 1, node.operands[0].node
    assert depth == 10_000


def test_what_stands_for_an_argument_is_copied_as_itself_and_not_pickled() -> None:
    @tc.jit
    def f(parts: dict[str, Any]) -> Any:
        copied = copy.deepcopy({**parts, "z": parts["x"] * 2})
        assert copy.copy(parts["x"]) is copied["x"] is parts["x"]
        return copied["x"] + copied["z"]

    assert (f({"x": np.ones(2)}) == 3).all()

    @tc.jit
    def g(x: Any) -> Any:
        return pickle.dumps(x * 2)

    with pytest.raises(tc.TensorcTypeError, match="TC0477"):
        g(np.ones(2))
    h = again(jitted)
    assert h is jitted


@tc.jit
def jitted(x: Any) -> Any:
    return x + 1


def test_reading_a_changed_pickle_is_an_error_of_ours() -> None:
    data = pickle.dumps(pair()[0])
    with pytest.raises(tc.TensorcValueError) as caught:
        pickle.loads(data.replace(b"tensorc.mul", b"tensorc.mux"))
    assert caught.value.code == "TC0472"


def test_a_pickle_names_functions_of_ours_only() -> None:
    operations = pickletools.genops(pickle.dumps(pair(), 2))
    found = [str(argument).split()[0] for opcode, argument, _ in operations if opcode.name == "GLOBAL"]
    names = {name.split(".")[0] for name in found}
    assert names == {"tensorc", "numpy", "_codecs"}


def call(function: Callable[..., Any]) -> Any:
    """What a worker does: (its result, whose code it ran)."""
    return function(X), function.build.origins["fast"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_functions_travel_to_processes(method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this platform cannot start processes by {method}")
    train, predict, w = pair()
    expected = copy.deepcopy(train)(X)
    with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
        for result, origin in pool.map(call, [train] * 4):
            assert result.tobytes() == expected.tobytes()
            assert origin == "stored"
    assert w.get_value()[0] == 1
    assert predict(X) is not None


def test_a_pickle_is_read_by_another_process(tmp_path: Path) -> None:
    train, _, _ = pair()
    path = tmp_path / "f.pickle"
    path.write_bytes(pickle.dumps(train))
    program = (
        "import pickle, sys, numpy as np\n"
        "f = pickle.load(open(sys.argv[1], 'rb'))\n"
        "assert 'tensorc.passes.manager' not in sys.modules\n"
        "print(f(np.arange(6.0).reshape(2, 3)).tobytes().hex())\n"
    )
    environment = {**os.environ, "HOME": str(tmp_path / "none")}
    command = [sys.executable, "-W", "error::UserWarning", "-c", program, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == train(X).tobytes().hex()
