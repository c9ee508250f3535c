"""Programs as text, and calling the command line in this process."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from tensorc.cli import main

_USAGE = re.compile(r"tensorc( \w+)?: error: ")


@dataclass(frozen=True)
class Outcome:
    """What a command line gave."""

    status: int
    out: str
    err: str

    def diagnostics(self) -> list[str]:
        """First lines of the diagnostics on stderr."""
        return [line for line in self.err.splitlines() if line.startswith("error[") or _USAGE.match(line)]


def call(*argv: str, stdin: bytes = b"") -> Outcome:
    """`tensorc ARGV...` in this process."""
    with pytest.MonkeyPatch.context() as patch:
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8"))
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        status = main(argv)
        texts = [stream.buffer.getvalue().decode("utf-8") for stream in (out, err)]  # type: ignore[attr-defined]
    return Outcome(status, *texts)


def wrong(*argv: str, says: Sequence[str] = (), status: int = 1, stdin: bytes = b"") -> Outcome:
    """A command line that must fail with one diagnostic that contains all of `says`."""
    found = call(*argv, stdin=stdin)
    assert found.status == status, found.err
    assert len(found.diagnostics()) == 1, found.err
    assert "Traceback" not in found.err, found.err
    assert "TC0900" not in found.err, found.err
    for words in says:
        assert words in found.err, f"{words!r} is missing in:\n{found.err}"
    return found


ELEMENTWISE = """\
"func.func"() ({
^bb0(%x: tensor<?x3xf64>, %y: tensor<?x3xf64>):
  %one = "tensorc.constant"() {value = dense<[1.0, 0.5, -2.0]> : tensor<3xf64>} : () -> tensor<3xf64>
  %n = "tensorc.dim"(%x) {axis = 0 : i64} : (tensor<?x3xf64>) -> index
  %w = "tensorc.broadcast_to"(%one, %n) {shape = array<i64: -1, 3>}
    : (tensor<3xf64>, index) -> tensor<?x3xf64>
  %s = "tensorc.mul"(%x, %w) : (tensor<?x3xf64>, tensor<?x3xf64>) -> tensor<?x3xf64>
  %t = "tensorc.tanh"(%s) : (tensor<?x3xf64>) -> tensor<?x3xf64>
  %u = "tensorc.add"(%t, %y) : (tensor<?x3xf64>, tensor<?x3xf64>) -> tensor<?x3xf64>
  %v = "tensorc.sum"(%u) {axes = array<i64: 1>} : (tensor<?x3xf64>) -> tensor<?xf64>
  "func.return"(%u, %v) : (tensor<?x3xf64>, tensor<?xf64>) -> ()
}) {sym_name = "main", function_type =
  (tensor<?x3xf64>, tensor<?x3xf64>) -> (tensor<?x3xf64>, tensor<?xf64>)} : () -> ()
"""

SOFTMAX = """\
"func.func"() ({
^bb0(%x: tensor<4x3xf32>, %w: tensor<3x5xf32>, %i: tensor<2xi64>):
  %p = "tensorc.matmul"(%x, %w) : (tensor<4x3xf32>, tensor<3x5xf32>) -> tensor<4x5xf32>
  %q = "tensorc.softmax"(%p) {axes = array<i64: 1>} : (tensor<4x5xf32>) -> tensor<4x5xf32>
  %t = "tensorc.transpose"(%q) {perm = array<i64: 1, 0>} : (tensor<4x5xf32>) -> tensor<5x4xf32>
  %m = "tensorc.argmax"(%t) {axis = 0 : i64} : (tensor<5x4xf32>) -> tensor<4xi64>
  %g = "tensorc.gather"(%t, %i) {axis = 0 : i64} : (tensor<5x4xf32>, tensor<2xi64>) -> tensor<2x4xf32>
  "func.return"(%g, %m) : (tensor<2x4xf32>, tensor<4xi64>) -> ()
}) {sym_name = "main", function_type =
  (tensor<4x3xf32>, tensor<3x5xf32>, tensor<2xi64>) -> (tensor<2x4xf32>, tensor<4xi64>)} : () -> ()
"""

INTEGERS = """\
"builtin.module"() ({
  "func.func"() ({
  ^bb0(%x: tensor<?xi32>, %y: tensor<?xi32>):
    %q = "tensorc.floor_div"(%x, %y) : (tensor<?xi32>, tensor<?xi32>) -> tensor<?xi32>
    %r = "func.call"(%q, %y) {callee = @shift} : (tensor<?xi32>, tensor<?xi32>) -> tensor<?xi32>
    %b = "tensorc.lt"(%r, %x) : (tensor<?xi32>, tensor<?xi32>) -> tensor<?xi1>
    %c = "tensorc.where"(%b, %q, %r) : (tensor<?xi1>, tensor<?xi32>, tensor<?xi32>) -> tensor<?xi32>
    %e = "tensorc.max"(%c) {axes = array<i64: 0>} : (tensor<?xi32>) -> tensor<i32>
    "func.return"(%c, %e) : (tensor<?xi32>, tensor<i32>) -> ()
  }) {sym_name = "main", function_type =
  (tensor<?xi32>, tensor<?xi32>) -> (tensor<?xi32>, tensor<i32>)} : () -> ()
  "func.func"() ({
  ^bb0(%x: tensor<?xi32>, %y: tensor<?xi32>):
    %s = "tensorc.left_shift"(%x, %y) : (tensor<?xi32>, tensor<?xi32>) -> tensor<?xi32>
    "func.return"(%s) : (tensor<?xi32>) -> ()
  }) {sym_name = "shift", sym_visibility = "private", function_type =
  (tensor<?xi32>, tensor<?xi32>) -> tensor<?xi32>} : () -> ()
}) : () -> ()
"""

PROGRAMS = {"elementwise": ELEMENTWISE, "softmax": SOFTMAX, "integers": INTEGERS}


def arguments(name: str) -> list[np.ndarray]:
    """Arguments that fit a program."""
    rng = np.random.default_rng(3)
    if name == "elementwise":
        return [rng.normal(size=(4, 3)), rng.normal(size=(4, 3))]
    if name == "softmax":
        a, b = rng.normal(size=(4, 3)), rng.normal(size=(3, 5))
        return [a.astype(np.float32), b.astype(np.float32), np.array([1, 0])]
    least = np.iinfo(np.int32).min
    return [np.array([7, -7, least, 5, 0], np.int32), np.array([2, 2, -1, 0, 40], np.int32)]


COUNT_LINES = 3000


def chain(count: int) -> str:
    """`count` dependent ops in one function."""
    lines = ['"func.func"() ({', "^bb0(%v0: tensor<?xf64>):"]
    lines += [f'  %v{k + 1} = "tensorc.neg"(%v{k}) : (tensor<?xf64>) -> tensor<?xf64>' for k in range(count)]
    lines.append(f'  "func.return"(%v{count}) : (tensor<?xf64>) -> ()')
    lines.append('}) {sym_name = "main", function_type = (tensor<?xf64>) -> tensor<?xf64>} : () -> ()')
    return "\n".join(lines) + "\n"
