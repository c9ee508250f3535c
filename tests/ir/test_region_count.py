"""An op has as many regions as its class says; an op of values has none."""

from __future__ import annotations

import pytest

import tensorc.ops  # noqa: F401  registers the op classes
from tensorc.ir.parser import parse_module
from tensorc.ir.verifier import verify

BODY = """"builtin.module"() ({{
  "func.func"() ({{
  ^bb0(%arg0: tensor<3xf64>):
    {op}
    "func.return"(%0) : (tensor<3xf64>) -> ()
  }}) {{function_type = (tensor<3xf64>) -> tensor<3xf64>, sym_name = "f"}} : () -> ()
}}) : () -> ()
"""
ONE_TOO_MANY = '%0 = "tensorc.exp"(%arg0) ({ "func.return"() : () -> () }) : (tensor<3xf64>) -> tensor<3xf64>'
NONE = '%0 = "tensorc.kernel"(%arg0) {outer = 0 : i64} : (tensor<3xf64>) -> tensor<3xf64>'


@pytest.mark.parametrize("op", [ONE_TOO_MANY, NONE], ids=["one too many", "none"])
def test_the_number_of_regions_is_checked(op: str) -> None:
    assert "TC0132" in [d.code for d in verify(parse_module(BODY.format(op=op)))]


def test_an_op_of_values_may_have_none() -> None:
    good = '%0 = "tensorc.exp"(%arg0) : (tensor<3xf64>) -> tensor<3xf64>'
    assert verify(parse_module(BODY.format(op=good))) == []
