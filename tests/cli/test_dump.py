"""`tensorc dump`: compiled functions of the user's file, and of text, at every stage."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tensorc.cli import user_file
from tests.cli.support import ELEMENTWISE, INTEGERS, call, wrong

STAGES = {
    "tensor": "tensorc.",
    "fused": "tensorc.kernel",
    "loops": "memref.store",
    "llvm": "define ",
    "asm": ".text",
}

MODEL = '''\
"""A file as users write them."""
from dataclasses import dataclass

import numpy as np

import helper_of_user
import tensorc as tc

print("importing")
x = tc.matrix("x")
y = tc.exp(x) + helper_of_user.ONE
f = tc.function([x], y, name="f")


@dataclass
class Model:
    train: object


model = Model(f)
number = 3

if __name__ == "__main__":
    raise SystemExit("the guard does not hold")
'''


@pytest.fixture
def model(tmp_path: Path) -> str:
    (tmp_path / "helper_of_user.py").write_text("ONE = 1.0\n")
    (tmp_path / "model_of_user.py").write_text(MODEL)
    return str(tmp_path / "model_of_user.py")


@pytest.fixture(autouse=True)
def _forget_user_modules():
    yield
    for name in [name for name in sys.modules if name.endswith("of_user")]:
        del sys.modules[name]


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage(stage: str, model: str) -> None:
    found = call("dump", f"{model}:f", "--stage", stage)
    assert found.status == 0, found.err
    assert STAGES[stage] in found.out
    assert found.err == "importing\n", "what the file prints is not part of the dump"


@pytest.mark.parametrize("stage", ["tensor", "fused", "loops"])
def test_ir_stages_are_read_back(stage: str, model: str) -> None:
    text = call("dump", f"{model}:f", "--stage", stage).out
    assert call("opt", "-", stdin=text.encode()).out == text


def test_the_only_function_needs_no_name_and_attributes_are_followed(model: str) -> None:
    plain = call("dump", f"{model}:f").out
    assert call("dump", model).out == plain
    assert call("dump", f"{model}:model.train").out == plain


def test_a_mode_of_its_own(model: str) -> None:
    fast, plain = (call("dump", f"{model}:f", "--stage", "loops", *m).out for m in ([], ["--mode", "O0"]))
    assert fast != plain
    assert "strided" in plain, "the generic body takes any strides"


def test_output_file(model: str, tmp_path: Path) -> None:
    target = tmp_path / "out.mlir"
    found = call("dump", f"{model}:f", "-o", str(target))
    assert found.out == ""
    assert target.read_text() == call("dump", f"{model}:f").out


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nope", "compiled functions there: f"),
        ("model.nope", "has no 'model.nope'"),
        ("number", "number in"),
        ("y", "not a compiled function"),
        ("np", "is a module"),
    ],
)
def test_names_that_are_none(name: str, says: str, model: str) -> None:
    wrong("dump", f"{model}:{name}", says=[says])


def write_file(folder: Path, text: str) -> str:
    path = folder / "wrong_of_user.py"
    path.write_text(text)
    return f"{path}:f"


JITTED = """\
import tensorc as tc

@tc.jit
def f(x):
    return x + 1
"""


def test_a_jitted_function_shows_the_body_compiled_last(tmp_path: Path) -> None:
    wrong("dump", write_file(tmp_path, JITTED), says=["f in ", "has not been called yet"])
    found = call("dump", write_file(tmp_path, JITTED + "\nf(1.0)\nf(2)\n"))
    assert "tensor<i64>" in found.out, found.err
    generic = call("dump", write_file(tmp_path, JITTED + "\nf(1.0)\n"), "--mode", "O0", "--stage", "loops")
    assert "memref.store" in generic.out


def test_an_error_of_the_users_is_shown_as_python_shows_it(tmp_path: Path) -> None:
    found = call("dump", write_file(tmp_path, "def g():\n    return 1 / 0\n\ng()\n"))
    assert found.status == 1
    assert found.err.startswith("Traceback")
    assert found.err.endswith("ZeroDivisionError: division by zero\n")
    frames = [line for line in found.err.splitlines() if line.startswith("  File ")]
    assert len(frames) == 2
    assert all("wrong_of_user.py" in line for line in frames), "no frame of ours"


def test_a_syntax_error_of_the_users(tmp_path: Path) -> None:
    found = call("dump", write_file(tmp_path, "def f(:\n"))
    assert found.status == 1
    assert "SyntaxError" in found.err
    assert "tensorc" not in found.err.replace(str(tmp_path), "")


def test_an_error_of_the_compiler_names_the_users_line(tmp_path: Path) -> None:
    text = "import tensorc as tc\nx = tc.matrix('x')\n\nf = tc.function([x], tc.reshape(x, (2, 'a')))\n"
    wrong("dump", write_file(tmp_path, text), says=["wrong_of_user.py:4"])


def test_sys_exit_in_the_users_file(tmp_path: Path) -> None:
    wrong("dump", write_file(tmp_path, "import sys\nsys.exit(5)\n"), says=["sys.exit(5)", "__main__"])


def test_the_import_path_and_argv_are_restored(model: str) -> None:
    before = sys.path[:], sys.argv[:]
    call("dump", f"{model}:f")
    assert (sys.path, sys.argv) == before


def test_not_python(tmp_path: Path) -> None:
    path = tmp_path / "x_of_user.py"
    path.write_bytes(b"\x00\x01")
    wrong("dump", f"{path}:f", says=["binary"])


@pytest.mark.parametrize("stage", STAGES)
def test_text_is_compiled_from_its_entry(stage: str, tmp_path: Path) -> None:
    path = tmp_path / "in.mlir"
    path.write_text(INTEGERS)
    found = call("dump", str(path), "--stage", stage)
    assert found.status == 0, found.err
    assert STAGES[stage] in found.out
    assert "func.call" not in found.out
    assert "shift" in call("dump", f"{path}:shift", "--stage", "loops").out


def test_loops_go_on_from_where_they_are() -> None:
    loops = call("opt", "-", "-p", "O0", stdin=ELEMENTWISE.encode()).out.encode()
    assert "define " in call("dump", "-", "--stage", "llvm", stdin=loops).out
    assert call("dump", "-", "--stage", "loops", stdin=loops).out == loops.decode()
    wrong("dump", "-", "--stage", "fused", stdin=loops, says=["past the stage fused"])


def test_ptx_or_the_line_that_installs_it() -> None:
    line = ("dump", "-", "--stage", "ptx", "--arch", "sm_90")
    found = call(*line, stdin=ELEMENTWISE.encode())
    if found.status == 0:
        assert ".target sm_90" in found.out
    else:
        wrong(*line, stdin=ELEMENTWISE.encode(), says=['pip install "tensorc[cuda]"'])


def test_the_digits_example_at_every_stage(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn", reason="the example needs the demo extra")
    path = str(root / "examples" / "digits.py")
    loaded = user_file.load_user_file(path)
    monkeypatch.setattr(user_file, "load_user_file", lambda name: loaded)  # once: it compiles two functions
    for stage, word in STAGES.items():
        found = call("dump", f"{path}:train", "--stage", stage)
        assert found.status == 0, found.err
        assert word in found.out
    monkeypatch.delitem(sys.modules, "digits", raising=False)
