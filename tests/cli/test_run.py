"""`tensorc run`: the same numbers in every mode and at every level, errors at the line of the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.cli.support import COUNT_LINES, ELEMENTWISE, INTEGERS, PROGRAMS, arguments, call, chain, wrong

MODES = ("interp", "fast", "compile-fast", "O0", "O1", "O2", "O3")


OUTSIDE = """\
"func.func"() ({
^bb0(%x: memref<?xf64>, %err: memref<4xi64>, %extents: memref<?xindex>):
  %ok = "arith.constant"() {value = 0 : i32} : () -> i32
  "func.return"(%ok) : (i32) -> ()
}) {sym_name = "main_shapes", function_type =
  (memref<?xf64>, memref<4xi64>, memref<?xindex>) -> i32} : () -> ()
"func.func"() ({
^bb0(%x: memref<?xf64>, %y: memref<f64>, %err: memref<4xi64>):
  %far = "arith.constant"() {value = 7 : index} : () -> index
  %v = "memref.load"(%x, %far) : (memref<?xf64>, index) -> f64
  "memref.store"(%v, %y) : (f64, memref<f64>) -> ()
  %ok = "arith.constant"() {value = 0 : i32} : () -> i32
  "func.return"(%ok) : (i32) -> ()
}) {sym_name = "main", function_type =
  (memref<?xf64>, memref<f64>, memref<4xi64>) -> i32} : () -> ()
"""


def write(folder: Path, text: str, arrays: list[np.ndarray]) -> list[str]:
    """The file, `--args` and the arrays' files, as arguments of `run`."""
    (folder / "program.mlir").write_text(text)
    names = []
    for number, array in enumerate(arrays):
        names.append(str(folder / f"{number}.npy"))
        np.save(names[-1], array)
    return [str(folder / "program.mlir"), "--args", *names]


def elementwise(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    u = np.tanh(x * np.array([1, 0.5, -2])) + y
    return u, u.sum(axis=1)


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_gives_numpys_numbers(mode: str, tmp_path: Path) -> None:
    arrays = arguments("elementwise")
    target = tmp_path / "out.npz"
    found = call("run", *write(tmp_path, ELEMENTWISE, arrays), "--mode", mode, "-o", str(target))
    assert (found.status, found.out, found.err) == (0, "", "")
    with np.load(target) as results:
        for wanted, key in zip(elementwise(*arrays), results.files, strict=True):
            np.testing.assert_allclose(results[key], wanted, rtol=1e-14)


@pytest.mark.parametrize("mode", MODES)
def test_integers_wrap_and_divide_as_numpys(mode: str, tmp_path: Path) -> None:
    targets = [str(tmp_path / name) for name in ("a.npy", "b.npy")]
    line = write(tmp_path, INTEGERS, arguments("integers"))
    found = call("run", *line, "--mode", mode, "-o", targets[0], "-o", targets[1])
    assert found.status == 0, found.err
    x, y = arguments("integers")
    with np.errstate(all="ignore"):
        q = x // y
        r = np.where((y >= 0) & (y < 32), q << (y & 31), 0).astype(np.int32)
    wanted = np.where(r < x, q, r)
    np.testing.assert_array_equal(np.load(targets[0]), wanted)
    assert np.load(targets[1]) == wanted.max()


@pytest.mark.parametrize("passes", ["O0", "O2", "inline,canonicalize,decompose,fuse"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_lowered_text_gives_the_same(name: str, passes: str, tmp_path: Path) -> None:
    lowered = call("opt", "-", "-p", passes, stdin=PROGRAMS[name].encode())
    results = []
    for text in (PROGRAMS[name], lowered.out):
        target = tmp_path / "out.npz"
        found = call("run", *write(tmp_path, text, arguments(name)), "-o", str(target))
        assert found.status == 0, found.err
        with np.load(target) as file:
            results.append([file[key] for key in file.files])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("mode", ["interp", "O0", "fast"])
def test_a_run_time_error_names_the_line(mode: str, tmp_path: Path) -> None:
    arrays = [np.ones((4, 3)), np.ones((5, 3))]
    says = ["add: shapes differ on axis 0: 4 and 5", "program.mlir:9:3", "^"]
    wrong("run", *write(tmp_path, ELEMENTWISE, arrays), "--mode", mode, says=says)


def test_a_lowered_function_checks_too(tmp_path: Path) -> None:
    lowered = call("opt", "-", "-p", "O0", "--locations", stdin=ELEMENTWISE.encode())
    line = write(tmp_path, lowered.out, [np.ones((4, 3)), np.ones((5, 3))])
    wrong("run", *line, says=["shapes differ on axis 0: 4 and 5", "<stdin>:9:3"])


def test_lowered_functions_are_not_compiled(tmp_path: Path) -> None:
    lowered = call("opt", "-", "-p", "O0", stdin=ELEMENTWISE.encode())
    line = write(tmp_path, lowered.out, arguments("elementwise"))
    wrong("run", *line, "--mode", "O3", status=2, says=["only --mode interp"])


def test_loops_that_never_end_are_stopped(tmp_path: Path) -> None:
    lowered = call("opt", "-", "-p", "O0", stdin=ELEMENTWISE.encode())
    line = write(tmp_path, lowered.out, arguments("elementwise"))
    wrong("run", *line, "--max-steps", "50", says=["did not end within 50 steps"])


def test_an_access_outside_its_buffer_is_one_diagnostic(tmp_path: Path) -> None:
    line = write(tmp_path, OUTSIDE, [np.ones(3)])
    wrong("run", *line, says=["TC0904", "index 7 on axis 0 is outside extent 3", "program.mlir:10:3"])


def test_recursion_is_refused(tmp_path: Path) -> None:
    text = INTEGERS.replace('"tensorc.left_shift"(%x, %y)', '"func.call"(%x, %y) {callee = @shift}')
    for mode in ("interp", "fast"):
        line = write(tmp_path, text, arguments("integers"))
        wrong("run", *line, "--mode", mode, says=["calls itself"])


def test_entry_chooses_the_function(tmp_path: Path) -> None:
    line = write(tmp_path, INTEGERS, [np.array([1, 2], np.int32), np.array([3, 4], np.int32)])
    found = call("run", *line, "--entry", "shift")
    assert found.out == "# result 0: int32 [2]\n[ 8, 32]\n"


@pytest.mark.parametrize(
    ("x", "shown"),
    [
        (np.float64(-0.0), "float64 []\n0."),
        (np.zeros(0), "float64 [0]\n[]"),
        (np.array([np.nan, np.inf, 0.1]), "float64 [3]\n[ nan, -inf, -0.1]"),
    ],
)
def test_special_values_and_shapes(x: np.ndarray, shown: str, tmp_path: Path) -> None:
    type = "tensor<?xf64>" if np.ndim(x) else "tensor<f64>"
    text = chain(1).replace("tensor<?xf64>", type)
    for mode in ("interp", "fast"):
        found = call("run", *write(tmp_path, text, [x]), "--mode", mode)
        assert found.out == f"# result 0: {shown}\n", found.err


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda a: a[::-1], lambda a: a.astype(">f8")])
def test_any_layout_and_byte_order(layout, tmp_path: Path) -> None:
    x, y = arguments("elementwise")
    target = tmp_path / "out.npz"
    line = write(tmp_path, ELEMENTWISE, [layout(x), layout(y)])
    assert call("run", *line, "-o", str(target)).status == 0
    with np.load(target) as results:
        np.testing.assert_allclose(results["arr_0"], elementwise(layout(x), layout(y))[0], rtol=1e-14)


def test_ten_thousand_ops(tmp_path: Path) -> None:
    line = write(tmp_path, chain(10_000), [np.array([1.5])])
    found = call("run", *line, "--mode", "interp")
    assert found.out.endswith("[1.5]\n"), found.err


def test_constants_of_the_file_need_no_argument(tmp_path: Path) -> None:
    import tensorc as tc

    x, w = tc.vector("x"), np.linspace(0, 1, 40)
    f = tc.function([x], x * w)
    for stage in ("tensor", "loops"):
        found = call("run", *write(tmp_path, f.source(stage), [np.ones(40)]), "--entry", f.name)
        assert found.status == 0, found.err
        assert "0.02564102564102564" in found.out


def test_a_long_chain_compiles(tmp_path: Path) -> None:
    line = write(tmp_path, chain(COUNT_LINES), [np.array([1.5])])
    assert call("run", *line, "--mode", "O1").out.endswith("[1.5]\n")
