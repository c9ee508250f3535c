"""`f.save` and `tc.load`: what comes back is the function, without being compiled again, and its state."""

from __future__ import annotations

import io
import os
import pickle
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from api.saving_support import checksummed, manifest, members, packed, saved, with_manifest
from tensorc.api.build import Build
from tensorc.api.function import Function
from tensorc.codegen_llvm import jit
from tensorc.ops.dtypes import ALL, to_dtype
from tensorc.passes import manager


@pytest.fixture(autouse=True)
def own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for the key that seals machine code."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("TENSORC_CACHE_DIR", str(folder))
    return folder


@contextmanager
def no_compiling() -> Iterator[None]:
    """No pass and no optimiser may run."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("something is compiled")

    tc.function([], [])()  # the native entry itself is made once a process
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manager, "run", refuse)
        patch.setattr(jit, "compile_text", refuse)
        yield


def model() -> Function:
    """State, a default value, a large constant, a dict of results."""
    w = tc.shared(np.array([1.0, np.nan, -0.0]), "w")
    x, n = tc.matrix("x"), tc.iscalar("n")
    table = np.arange(40.0).reshape(20, 2)
    y = x[1:] * w + table[:2].sum()
    outputs = {"y": y, "g": tc.asarray(table).sum() * n}
    return tc.function([x, tc.In(n, value=3, name="times")], outputs, updates={w: w + 1}, name="model")


def reload(function: Function, **options: Any) -> Function:
    return tc.load(saved(function), **options)


def same_bits(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())


X = np.random.default_rng(0).normal(size=(4, 3))


def test_it_computes_the_same_and_goes_on_with_its_state() -> None:
    f = model()
    f(X)
    f(X[::-1, ::-1])  # makes the generic body too
    file = saved(f)
    with no_compiling():
        g = tc.load(file)
        assert g.name == "model"
        assert repr(g) == repr(f)
        for argument in (X, X[::-1, ::-1], X.T.copy().T):
            expected, found = f(argument), g(argument)
            assert list(found) == ["y", "g"]
            assert all(same_bits(expected[k], found[k]) for k in expected)
        assert same_bits(g.shared["w"].get_value(), f.shared["w"].get_value())
        assert same_bits(f(X, times=5)["g"], g(X, times=5)["g"])
        assert g.build.origins == {"fast": "stored", "generic": "stored"}
        again = reload(g)
        assert same_bits(again(X)["y"], g(X)["y"])


def test_its_state_is_its_own() -> None:
    f = model()
    g = reload(f)
    g(X)
    assert same_bits(f.shared["w"].get_value(), [1.0, np.nan, -0.0])
    g.shared["w"].set_value(np.zeros(3))
    assert (g(X)["y"] == 6).all()  # the first rows of the table
    assert same_bits(g.shared["w"].get_value(), np.ones(3))


def test_state_is_bit_for_bit() -> None:
    values = {
        "nan": np.array([0x7FF8000000001234, 0xFFF0000000000001, 1 << 63], np.uint64).view(np.float64),
        "nan32": np.array([0x7FC01234, 0x80000000], np.uint32).view(np.float32),
        "empty": np.zeros((0, 3)),
        "scalar": np.array(-0.0),
    }
    values |= {str(to_dtype(e)): np.array([[1, 0, 1]]).astype(to_dtype(e)) for e in ALL}
    variables = {name: tc.shared(value, name) for name, value in values.items()}
    f = tc.function([], list(variables.values()))
    g = reload(f)
    assert list(g.shared) == list(values)
    for name, value in values.items():
        assert same_bits(g.shared[name].get_value(), value), name
    assert all(same_bits(a, b) for a, b in zip(g(), f(), strict=True))


def test_a_fresh_process_runs_no_pass_and_no_optimiser(tmp_path: Path) -> None:
    path = tmp_path / "f.tc"
    f = model()
    f.save(path)
    program = f"""
import sys
from tensorc.codegen_llvm import entry, jit
import numpy as np, tensorc as tc
entry.library()
def refuse(*a, **k): raise SystemExit("compiled")
jit.compile_text = refuse
f = tc.load({str(path)!r})
print(f.build.origins, "tensorc.passes.manager" in sys.modules)
print(f(np.load({str(tmp_path / "x.npy")!r}))["y"].tobytes().hex())
"""
    np.save(tmp_path / "x.npy", X)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first == "{'fast': 'stored'} False"
    assert second == f(X)["y"].tobytes().hex()


def test_numpy_reads_the_parameters(tmp_path: Path) -> None:
    path = tmp_path / "f.tc"
    model().save(path)
    with np.load(path) as parts:
        assert same_bits(parts["state/w"], [1.0, np.nan, -0.0])
        assert same_bits(parts["constants/0"], np.arange(40.0).reshape(20, 2))
        assert same_bits(parts["defaults/1"], np.int32(3))


NAMES: list[tuple[list[str | None], list[str], list[str]]] = [
    (["w", "w", "W", None, None], ["w", "w.1", "W", "3", "4"], ["w", "w.1", "W", "3", "4"]),
    (["3", None, "w.1", "w", "w"], ["3", "1", "w.1", "w", "w.2"], ["3", "1", "w.1", "w", "w.2"]),
    (["l/w", "../w", "a/../b", "/w", "a//b"], ["l/w", "../w", "a/../b", "/w", "a//b"], ["l/w", *"1234"]),
    (["naïve", "a\\b:c", "x\0y", "", "-"], ["naïve", "a\\b:c", "x\0y", "3", "-"],
     ["naïve", "a%5Cb%3Ac", "x%00y", "3", "-"]),
    (["n" * 500, "[0]", "a b", "a%20b", "."], ["n" * 500, "[0]", "a b", "a%20b", "."],
     ["0", "[0]", "a b", "a%2520b", "4"]),
]  # fmt: skip


@pytest.mark.parametrize(("names", "keys", "paths"), NAMES)
def test_names_of_state(names: list[str | None], keys: list[str], paths: list[str]) -> None:
    variables = [tc.shared(np.float64(i), name) for i, name in enumerate(names)]
    f = tc.function([], variables, mode="O0")
    file = saved(f)
    with np.load(file) as parts:
        assert [float(parts[f"state/{path}"]) for path in paths] == [0, 1, 2, 3, 4]
    file.seek(0)
    g = tc.load(file)
    assert list(f.shared) == list(g.shared) == keys
    assert all(a is b for a, b in zip(f.shared.values(), variables, strict=True))
    assert [v.name for v in g.shared.values()] == names


def test_the_file_appears_complete_and_with_the_users_mode(tmp_path: Path) -> None:
    path = tmp_path / "f.tc"
    path.write_bytes(b"before")
    f = model()
    broken = tc.function([], tc.shared(np.ones(2), "v"))
    broken.program.traced.shared[0].cell[0] = np.array([object()])
    with pytest.raises(ValueError, match="allow_pickle"):
        broken.save(path)
    assert path.read_bytes() == b"before"
    old = os.umask(0o027)
    try:
        f.save(path)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert sorted(os.listdir(tmp_path)) == ["cache", "f.tc"]
    link = tmp_path / "link"
    link.symlink_to(path)
    f.save(link)
    assert link.is_symlink()
    assert tc.load(link).name == "model"


def test_errors_name_the_line_of_the_program() -> None:
    f = model()
    g = reload(f)
    for function in (f, g):
        with pytest.raises(tc.TensorcError) as caught:
            function(np.ones((3, 5)))
        assert caught.value.code == "TC0252"
        assert "y = x[1:] * w" in str(caught.value)


def test_sources_and_modules_are_those_of_the_function() -> None:
    f = model()
    g = reload(f)
    for stage in ("tensor", "fused", "loops", "llvm"):
        assert g.source(stage) == f.source(stage)


def test_copies_exchange_and_drop_state() -> None:
    g = reload(model())
    v = tc.shared(np.zeros(3), "v")
    h = g.copy(swap={g.shared["w"]: v})
    h(X)
    assert same_bits(v.get_value(), np.ones(3))
    frozen = g.copy(delete_updates=True)
    frozen(X)
    assert same_bits(g.shared["w"].get_value(), [1.0, np.nan, -0.0])


def test_options_of_inputs() -> None:
    x, y = tc.fvector("x"), tc.vector("y")
    held = tc.shared(np.arange(3.0), "held")
    total = tc.scalar("total")
    inputs = [
        tc.In(x, strict=True),
        tc.In(y, value=held, name="why"),
        tc.In(total, value=10.0, update=total + x.sum(), name="total"),
    ]
    f = tc.function(inputs, [x * 2, y + total], allow_input_downcast=True)
    g = reload(f)
    x32 = np.ones(3, np.float32)
    for _ in range(2):
        assert all(same_bits(a, b) for a, b in zip(f(x32), g(x32), strict=True))
        assert all(same_bits(a, b) for a, b in zip(f(x32, total=1), g(x32, total=1), strict=True))
    with pytest.raises(tc.TensorcTypeError, match="strict"):
        g([1.0, 2.0, 3.0])
    g.shared["held"].set_value(np.zeros(2))
    assert g(x32)[1].shape == (2,)
    assert list(g.shared) == list(f.shared) == ["total", "held"]


def test_state_that_is_used_by_itself_too() -> None:
    w, x = tc.shared(2.0, "w"), tc.scalar("x")
    f = tc.function([tc.In(x, value=w, update=x + w)], [x * 10, w * 100])
    g = reload(f)
    for kwargs in ({}, {"x": 7.0}, {}):
        assert [float(v) for v in f(**kwargs)] == [float(v) for v in g(**kwargs)]


def test_givens_keep_their_checks() -> None:
    x, y = tc.matrix("x"), tc.matrix("y")
    h = x * 2
    f = tc.function([x, y], (h + x).sum(0), givens={h: y})
    g = reload(f)
    assert g.build.origins == {"fast": "stored"}
    with pytest.raises(tc.TensorcError) as expected:
        f(np.ones((2, 3)), np.ones((3, 3)))
    with pytest.raises(tc.TensorcError) as found:
        g(np.ones((2, 3)), np.ones((3, 3)))
    assert (found.value.code, found.value.message) == (expected.value.code, expected.value.message)


@pytest.mark.parametrize("outputs", [None, "one", [], ["a"], ("a", "a"), {}, {"k": "a", "": "b"}])
@pytest.mark.parametrize("mode", ["O0", "compile-fast", "O2", "fast"])
def test_forms_of_results_and_modes(outputs: Any, mode: str) -> None:
    x = tc.vector("x")

    def form(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: x + i for i, k in enumerate(value)}
        return type(value)(x + i for i, _ in enumerate(value)) if isinstance(value, list | tuple) else x * 2

    f = tc.function([x], None if outputs is None else form(outputs), mode=mode, on_unused_input="ignore")
    g = reload(f)
    a, b = f(np.arange(3.0)), g(np.arange(3.0))
    assert type(a) is type(b)
    assert str(a) == str(b)
    assert g.mode == f.mode
    assert "stored" in g.build.origins.values()


def test_saving_is_deterministic() -> None:
    f = model()
    assert saved(f).getvalue() == saved(f).getvalue()


def test_state_is_read_together() -> None:
    a, b = tc.shared(np.zeros(2000), "a"), tc.shared(np.zeros(2000), "b")
    step = tc.function([], [], updates={a: a + 1, b: b + 1})
    read = tc.function([], [a[0], b[0]])
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            step()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        for _ in range(50):
            with np.load(saved(read)) as parts:
                assert same_bits(parts["state/a"], parts["state/b"])
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("wrong", [None, 3, object(), io.StringIO(), b"bytes"])
def test_what_is_no_file(wrong: Any) -> None:
    with pytest.raises(tc.TensorcTypeError) as caught:
        model().save(wrong)
    assert caught.value.code == "TC0476"
    with pytest.raises(tc.TensorcTypeError) as caught:
        tc.load(wrong)
    assert caught.value.code == "TC0476"


def test_a_missing_file_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        tc.load(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        model().save(tmp_path / "none" / "f.tc")


def origin(file: io.BytesIO, **options: Any) -> str:
    """Where the fast body of the function in a file comes from."""
    file.seek(0)
    return tc.load(file, **options).build.origins["fast"]


def test_code_without_our_seal_is_compiled_again(own_key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = saved(model())
    assert origin(file) == "stored"
    assert stat.S_IMODE((own_key / "key").stat().st_mode) == 0o600
    assert stat.S_IMODE(own_key.stat().st_mode) == 0o700
    monkeypatch.setenv("TENSORC_CACHE_DIR", str(own_key / "other"))
    assert origin(file) == "compiled"
    assert origin(file, trust_code=True) == "stored"
    assert not (own_key / "other").exists()  # nothing is made by reading


def test_a_seal_is_for_one_program() -> None:
    x = tc.vector("x")
    two, three = saved(tc.function([x], x * 2)), saved(tc.function([x], x * 3))
    other = members(three)
    parts = {**members(two), "code/fast": other["code/fast"]}
    table = manifest(parts) | {"code": manifest(other)["code"]}
    mixed = packed(checksummed(with_manifest(parts, table)))
    assert origin(mixed) == "compiled"
    mixed.seek(0)
    assert (tc.load(mixed)(np.ones(2)) == 2).all()


def test_code_that_a_programs_own_rules_made_is_not_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    f = model()
    monkeypatch.setattr(Build, "_key", lambda *_: None)
    file = saved(f)
    assert not any(name.startswith("code/") for name in members(file))
    assert origin(file) == "compiled"
    assert pickle.loads(pickle.dumps(f)).build.origins == {"fast": "compiled"}


@pytest.mark.parametrize("field", ["triple", "cpu", "features", "python", "numpy", "llvm", "sources"])
def test_another_machine_compiles_again(field: str) -> None:
    file = saved(model())
    parts = members(file)
    table = manifest(parts)
    group = table["target"] if field in table["target"] else table["target"]["environment"]
    group[field] += "x"
    changed = packed(with_manifest(parts, table))
    assert origin(changed) == "compiled"
    assert origin(changed, trust_code=True) == "compiled"


def loosen(key: Path) -> None:
    (key / "key").chmod(0o640)


def open_folder(key: Path) -> None:
    key.chmod(0o770)


def shorten(key: Path) -> None:
    (key / "key").write_bytes(b"k")


def link(key: Path) -> None:
    (key / "key").rename(key / "real")
    (key / "key").symlink_to("real")


def pipe(key: Path) -> None:
    (key / "key").unlink()
    os.mkfifo(key / "key")


@pytest.mark.parametrize("spoil", [loosen, open_folder, shorten, link, pipe])
def test_a_key_that_others_may_know_seals_nothing(own_key: Path, spoil: Callable[[Path], None]) -> None:
    file = saved(model())
    spoil(own_key)
    assert origin(file) == "compiled"
    unsealed = saved(model())
    assert manifest(members(unsealed))["code"]["fast"]["seal"] is None
    assert origin(unsealed) == "compiled"


def test_without_a_folder_for_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TENSORC_CACHE_DIR", str(tmp_path / "file" / "cache"))
    file = saved(model())
    assert origin(file) == "compiled"
    assert origin(file, trust_code=True) == "stored"


def test_sixteen_savers_agree_on_one_key() -> None:
    f = model()
    files: list[io.BytesIO] = []
    threads = [threading.Thread(target=lambda: files.append(saved(f))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [origin(file) for file in files] == ["stored"] * 16
