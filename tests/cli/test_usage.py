"""Wrong command lines and wrong files: exit 2 or 1, one diagnostic, nothing on stdout."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tensorc.version import __version__
from tests.cli.support import ELEMENTWISE, call, wrong

# {good} is a valid file, {x} a fitting argument, {dir} an empty folder.
USAGE = [
    "",
    "nonsense",
    "op {good}",
    "--nonsense",
    "-x",
    "opt",
    "opt {good} {good}",
    "opt {good} -p",
    "opt {good} -p nope",
    "opt {good} -p cse,nope",
    "opt {good} -p cse,,dce",
    "opt {good} -p cse,",
    "opt {good} -p ,cse",
    "opt {good} -p cse{",
    "opt {good} -p cse}",
    "opt {good} -p cse{{}}",
    "opt {good} -p cse{nope=1}",
    "opt {good} -p autodiff{wrt=a}",
    "opt {good} -p autodiff{wrt=0|wrt=1}",
    "opt {good} -p autodiff{wrt=}",
    "opt {good} -p cse;dce",
    "opt {good} --passes",
    "opt {good} --verify",
    "opt {good} --bisect-limit",
    "opt {good} --bisect-limit x",
    "opt {good} --bisect-limit -1",
    "opt {good} --bisect-limit 1.5",
    "opt {good} --bisect-limit 99999999999999999999",
    "opt {good} -o",
    "opt -p cse",
    "dump",
    "dump {good} --stage",
    "dump {good} --stage nope",
    "dump {good} --stage llvm --arch sm_90",
    "dump {good} --mode nope",
    "dump {good} {good}",
    "run",
    "run {good} --mode",
    "run {good} --mode nope",
    "run {good} --max-steps x",
    "run {good} --max-steps -5",
    "run {good} --entry",
    "run {good} {good}",
    "run {good} --arg {x} {x}",
    "run {good} --mode interp --args {x} {x} -o a.npy",
    "run {good} --mode interp --args {x} {x} -o a.npy -o b.npy -o c.npy",
    "doctor {good}",
    "doctor --fix",
    "demo 3",
    "demo --epochs",
]
INPUT = [
    ("opt {dir}/none.mlir", "no such file"),
    ("opt {dir}", "is a directory"),
    ("opt {x}", "binary"),
    ("opt {latin}", "not UTF-8: byte 0xe9 on line 2"),
    ("opt {good}/more", "not a directory"),
    ("opt {good} -o {dir}", "cannot write"),
    ("opt {good} -o {dir}/none/out.mlir", "no such file"),
    ("opt {python}", "expected"),
    ("opt {good} -p autodiff{wrt=7}", ""),
    ("run {empty}", "no function @main"),
    ("run {dir}/none.mlir", "no such file"),
    ("run {good} --entry nope --args {x} {x}", "no function @nope"),
    ("run {good} --mode interp", "takes 2 arguments, --args gives 0"),
    ("run {good} --mode interp --args {x} {x} {x}", "--args gives 3"),
    ("run {good} --mode interp --args {x} {dir}", "is a directory"),
    ("run {good} --mode interp --args {x} {dir}/none.npy", "no such file"),
    ("run {good} --mode interp --args {x} {good}", "not a .npy file"),
    ("run {good} --mode interp --args {x} {archive}", "not a .npy file"),
    ("run {good} --mode interp --args {x} {cut}", "damaged .npy"),
    ("run {good} --mode interp --args {x} {objects}", "damaged .npy"),
    ("run {good} --mode interp --args {x} {giant}", "giant"),
    ("run {good} --mode interp --args {x} {f32}", "needs tensor<?x3xf64>, got float32"),
    ("run {good} --mode interp --args {x} {rank}", "got float64 of shape [3]"),
    ("run {good} --mode interp --args {x} {wide}", "got float64 of shape [2, 4]"),
    ("run {good} --mode interp --args {x} {long}", "shapes differ"),
    ("run {good} --mode interp --args {x} {text}", "got <U1"),
    ("run {good} --mode interp --args {x} {x} -o {dir}/none/a.npz", "cannot write"),
    ("dump {dir}/none.py:f", "no such file"),
    ("dump {dir}/none.mlir --stage llvm", "no such file"),
    ("dump {good}:nope --stage llvm", "no function @nope"),
]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files of every kind, by the name the command lines use."""
    folder = tmp_path_factory.mktemp("usage")
    found = {k: folder / k for k in ("dir", "empty", "python", "latin", "archive", "cut", "objects", "giant")}
    found["dir"].mkdir()
    found["empty"].write_text("")
    found["python"].write_text("import numpy\n")
    found["latin"].write_bytes(b"// caf\xc3\xa9\n// caf\xe9\n")
    found["good"] = folder / "good.mlir"
    found["good"].write_text(ELEMENTWISE)
    arrays = {
        "x": np.ones((2, 3)),
        "f32": np.ones((2, 3), np.float32),
        "rank": np.ones(3),
        "wide": np.ones((2, 4)),
        "long": np.ones((5, 3)),
        "text": np.array([["a", "b", "c"]]),
    }
    for name, array in arrays.items():
        found[name] = folder / f"{name}.npy"
        np.save(found[name], array)
    np.savez(found["archive"].with_suffix(".npz"), a=np.ones(3))
    found["archive"] = found["archive"].with_suffix(".npz")
    data = found["x"].read_bytes()
    found["cut"].write_bytes(data[:-5])
    found["giant"].write_bytes(data.replace(b"(2, 3), }           ", b"(2, 99999999999999)}"))
    assert found["giant"].read_bytes() != data
    with found["objects"].open("wb") as file:
        np.save(file, np.array([[{}, None]], object), allow_pickle=True)
    return {name: str(path) for name, path in found.items()}


def arguments(line: str, names: dict[str, str]) -> list[str]:
    words = line.split()
    for name, path in names.items():
        words = [word.replace(f"{{{name}}}", path) for word in words]
    return [word.replace("|", " ") for word in words]


@pytest.mark.parametrize("line", USAGE)
def test_wrong_usage(
    line: str, names: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = call(*arguments(line, names))
    assert found.status == 2, found.err
    assert found.out == ""
    assert "Traceback" not in found.err
    assert len(found.diagnostics()) == (1 if line else 0), found.err
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("line", "says"), INPUT)
def test_wrong_input(line: str, says: str, names: dict[str, str]) -> None:
    assert wrong(*arguments(line, names), says=[says]).out == ""


def test_there_are_fifty() -> None:
    assert len(set(USAGE)) >= 50


def test_a_null_character_in_a_name() -> None:
    wrong("opt", "a\0b", says=["cannot read"])


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "secret.mlir"
    path.write_text(ELEMENTWISE)
    path.chmod(0)
    wrong("opt", str(path), says=["permission denied"])


def test_version() -> None:
    found = call("--version")
    assert (found.status, found.out, found.err) == (0, f"tensorc {__version__}\n", "")


@pytest.mark.parametrize(
    "line", ["--help", "opt --help", "dump --help", "run --help", "doctor --help", "demo --help"]
)
def test_help(line: str) -> None:
    found = call(*line.split())
    assert found.status == 0
    assert found.out.startswith("usage: tensorc")
    assert found.err == ""
