"""MLIR accepts the grids that `map-gpu` makes."""

from __future__ import annotations

import pytest

from oracle.mlir_oracle import OracleMissing, find, verify
from tensorc.ir.printer import print_op
from tensorc.passes.map_gpu import MapGpu
from tests.codegen_cuda import kernels


@pytest.mark.parametrize("make", [kernels.elementwise, kernels.row_reduction, kernels.nested])
def test_mapped_kernels_are_upstream_mlir(make):
    module = make()
    MapGpu().run(module)
    text = print_op(module)
    try:
        oracle = find()
    except OracleMissing as missing:
        pytest.skip(str(missing))
    if oracle.kind != "mlir-opt":
        pytest.skip("the operand groups of gpu.launch change with MLIR's version: checked with mlir-opt 19")
    assert verify(text) == []
    wrong = text.replace('"gpu.terminator"() : () -> ()', '"scf.yield"() : () -> ()')
    assert verify(wrong) != []
