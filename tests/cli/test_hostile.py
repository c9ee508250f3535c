"""Well-formed text with extremes in it: extents no memory holds, ranks, names, types without machine code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.cli.support import Outcome, call, chain, wrong

VECTOR = "tensor<?xf64>"
HUGE = 4611686018427387904


def function(body: str, parameters: dict[str, str], results: dict[str, str], name: str = "main") -> str:
    """One function, from value names to types."""
    ins, outs = ", ".join(parameters.values()), ", ".join(results.values())
    arguments = ", ".join(f"{n}: {t}" for n, t in parameters.items())
    values = ", ".join(results)
    return (
        f'"func.func"() ({{\n^bb0({arguments}):\n{body}\n  "func.return"({values}) : ({outs}) -> ()\n'
        f'}}) {{sym_name = "{name}", function_type = ({ins}) -> ({outs})}} : () -> ()\n'
    )


def iota(*shape: int) -> str:
    type = f"tensor<{'x'.join(map(str, shape))}xi64>"
    attributes = f"{{axis = 0 : i64, element = i64, shape = array<i64: {', '.join(map(str, shape))}>}}"
    return function(f'  %t = "tensorc.iota"() {attributes} : () -> {type}', {}, {"%t": type})


def same(type: str, name: str = "main") -> str:
    """The function that returns its argument."""
    return function("", {"%x": type}, {"%x": type}, name)


def run(text: str, mode: str, folder: Path, *arrays: np.ndarray) -> Outcome:
    (folder / "in.mlir").write_text(text, newline="")
    names = []
    for number, array in enumerate(arrays):
        names.append(str(folder / f"{number}.npy"))
        np.save(names[-1], array)
    return call("run", str(folder / "in.mlir"), "--mode", mode, "--args", *names)


@pytest.mark.parametrize("mode", ["interp", "O0", "fast"])
@pytest.mark.parametrize("shape", [(99_999_999_999_999,), (HUGE, 4), (HUGE, HUGE, HUGE)])
def test_extents_no_memory_holds(shape: tuple[int, ...], mode: str, tmp_path: Path) -> None:
    found = run(iota(*shape), mode, tmp_path)
    assert found.status == 1
    assert found.err.startswith("error[TC0902]"), found.err
    assert len(found.diagnostics()) == 1


@pytest.mark.parametrize("passes", ["", "O0", "O2"])
def test_more_axes_than_arrays_have(passes: str) -> None:
    wrong("opt", "-", "-p", passes, stdin=iota(*[1] * 65).encode(), says=["TC0105", "65 axes"])


@pytest.mark.parametrize("mode", ["interp", "O0", "fast"])
@pytest.mark.parametrize("name", ["a b", "", "x\\22y", "line\\0Abreak", "é", "9", "main.1"])
def test_any_name_runs(name: str, mode: str, tmp_path: Path) -> None:
    found = run(same("tensor<f64>", name), mode, tmp_path, np.array(2.5))
    assert (found.status, found.out) == (0, "# result 0: float64 []\n2.5\n"), found.err


@pytest.mark.parametrize(
    "type", ["index", "i1", "tensor<3xf16>", "tensor<3xindex>", "tensor<3xcomplex<f64>>"]
)
def test_types_machine_code_has_not(type: str, tmp_path: Path) -> None:
    found = run(same(type), "fast", tmp_path, np.ones(3))
    assert found.status == 1
    assert "TC0906" in found.err


@pytest.mark.parametrize("type", ["index", "i1", "memref<3xf64>"])
def test_results_that_are_no_tensors_are_not_bufferised(type: str) -> None:
    wrong("opt", "-", "-p", "O0", stdin=same(type).encode(), says=["TC0504", type])


@pytest.mark.parametrize("mode", ["interp", "O0", "fast"])
def test_an_assumption_in_text_is_not_trusted(mode: str, tmp_path: Path) -> None:
    body = """\
  %n = "tensorc.dim"(%x) {axis = 0 : i64} : (tensor<?xf64>) -> index
  %c = "arith.constant"() {value = 7 : index} : () -> index
  %e = "arith.cmpi"(%n, %c) {predicate = 0 : i64} : (index, index) -> i1
  "tensorc.assume"(%e) : (i1) -> ()"""
    found = run(function(body, {"%x": VECTOR}, {"%x": VECTOR}), mode, tmp_path, np.ones(3))
    assert found.status == 1
    assert ("TC0250" if mode == "interp" else "TC0906") in found.err


@pytest.mark.parametrize("mode", ["interp", "O0", "fast"])
@pytest.mark.parametrize("change", [lambda t: t.replace("\n", "\r\n"), lambda t: "\ufeff" + t])
def test_line_ends_and_byte_order_marks(change, mode: str, tmp_path: Path) -> None:
    found = run(change(same("tensor<f64>")), mode, tmp_path, np.array(2.5))
    assert found.status == 0, found.err


@pytest.mark.parametrize("mode", ["interp", "fast"])
def test_results_alias_nothing(mode: str, tmp_path: Path) -> None:
    found = run(function("", {"%x": VECTOR}, {"%x": VECTOR, "%x ": VECTOR}), mode, tmp_path, np.ones(2))
    assert found.out == "# result 0: float64 [2]\n[1., 1.]\n# result 1: float64 [2]\n[1., 1.]\n", found.err


@pytest.mark.parametrize("passes", ["canonicalize,cse,dce", "O2"])
def test_ten_thousand_ops(passes: str) -> None:
    found = call("opt", "-", "-p", passes, stdin=chain(10_001).encode())
    assert found.status == 0, found.err
