"""Every text test under `tests/filetests`, and the runner's own ability to fail."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import filetest_runner as runner
from filetest_runner import Case, FileTestError
from tensorc.ir.errors import TensorcError

FOLDER = Path(__file__).parent / "filetests"
FILES = sorted(FOLDER.rglob("*.mlir"))
BLESS = os.environ.get("TENSORC_BLESS") == "1"


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(FOLDER)) for p in FILES])
def test_file(path: Path) -> None:
    if BLESS:
        runner.bless(path)
    for case in runner.read(path):
        got = runner.run(case)
        assert got is None or case.expected is not None, (
            f"{case.name} has no `// ---- expect`: run `make bless`"
        )
        runner.compare(case, got)


def test_there_are_text_tests() -> None:
    assert FILES


# -- the runner itself

SOURCE = """// test: roundtrip
// run: @f([1.0, -0.0]) == [-1.0, 0.0]
"func.func"() ({
^bb0(%x: tensor<2xf64>):
  %y = "tensorc.neg"(%x) : (tensor<2xf64>) -> tensor<2xf64>
  "func.return"(%y) : (tensor<2xf64>) -> ()
}) {sym_name = "f", function_type = (tensor<2xf64>) -> tensor<2xf64>} : () -> ()
"""


def case(tmp_path: Path, text: str) -> Case:
    path = tmp_path / "a.mlir"
    path.write_text(text, encoding="utf-8")
    (only,) = runner.read(path)
    return only


def test_blessing_makes_a_file_pass(tmp_path: Path) -> None:
    one = case(tmp_path, SOURCE + runner.EXPECT)
    with pytest.raises(FileTestError, match="make bless"):
        runner.compare(one, runner.run(one))
    runner.bless(one.path)
    (again,) = runner.read(one.path)
    assert again.expected is not None
    assert again.input == one.input
    runner.compare(again, runner.run(again))


@pytest.mark.parametrize("wrong", ["[-1.0, -0.0]", "[-1.0]", "[1.0, 0.0]", "[-1.0, nan]", "[-1.0, 0.0], 1"])
def test_a_wrong_result_is_found(tmp_path: Path, wrong: str) -> None:
    one = case(tmp_path, SOURCE.replace("[-1.0, 0.0]", wrong))
    with pytest.raises(FileTestError, match=r"the tensor interpreter|2 values"):
        runner.run(one)


def test_passes_are_run_and_both_sides_called(tmp_path: Path) -> None:
    negated = SOURCE.replace("roundtrip", "pass=cse").replace(
        '"func.return"(%y)', '%z = "tensorc.neg"(%x) : (tensor<2xf64>) -> tensor<2xf64>\n  "func.return"(%z)'
    )
    got = runner.run(case(tmp_path, negated + runner.EXPECT))
    assert got is not None
    assert got.count("tensorc.neg") == 1
    lowered = case(tmp_path, SOURCE.replace("roundtrip", "pass=O0"))
    assert runner.run(lowered) is None
    with_text = case(tmp_path, lowered.input + runner.EXPECT)
    assert "memref.load" in (runner.run(with_text) or "")
    with pytest.raises(FileTestError, match="the tensor interpreter"):
        runner.run(case(tmp_path, negated.replace("[-1.0, 0.0]", "[-1.0, 1.0]")))


def test_errors_of_passes_are_expected_on_their_line(tmp_path: Path) -> None:
    comment = "// error: TC0511 not a scalar"
    text = SOURCE.replace("roundtrip", "pass=autodiff{wrt=0}")
    marked = text.replace('  %y = "tensorc.neg"', f'  {comment}\n  %y = "tensorc.neg"')
    for wrong in (marked, text):
        with pytest.raises((FileTestError, TensorcError)):
            runner.run(case(tmp_path, wrong))
    right = text.replace("-> tensor<2xf64>\n", f"-> tensor<2xf64> {comment}\n", 1)
    assert runner.run(case(tmp_path, right)) is None
    with pytest.raises(FileTestError, match="succeeded"):
        runner.run(case(tmp_path, right.replace("autodiff{wrt=0}", "cse")))


BODYLESS = '"func.func"() ({}) {sym_name = "f", function_type = () -> ()} : () -> ()'


@pytest.mark.parametrize(
    "comment",
    [
        "// error: TC0999",
        "\n// error: TC0126",
        "// error: TC0126 no such words",
        "",
        "// error: TC0126 // error: TC0126",
    ],
)
def test_a_wrong_expectation_of_errors_is_found(tmp_path: Path, comment: str) -> None:
    with pytest.raises(FileTestError):
        runner.run(case(tmp_path, f"// test: verify\n{BODYLESS} {comment}"))
    runner.run(case(tmp_path, f"// test: verify\n{BODYLESS} // error: TC0126"))


def test_an_unknown_kind_of_test_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileTestError, match="unknown test"):
        runner.run(case(tmp_path, f"// test: nothing\n{BODYLESS}"))


def test_malformed_files_are_refused(tmp_path: Path) -> None:
    for text in ("", "// test: roundtrip\n// run: @f(1) = 2\n"):
        path = tmp_path / "b.mlir"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=r"header|malformed"):
            runner.read(path)
