"""Imported by the fork server: compiles once, so that every process made from it starts warm."""

from __future__ import annotations

import numpy as np

from tests.fuzz.case import Argument, Case
from tests.fuzz.judge import judge

_TEXT = """
"func.func"() ({
^bb0(%x: tensor<?xf64>):
  %y = "tensorc.exp"(%x) : (tensor<?xf64>) -> tensor<?xf64>
  "func.return"(%y) : (tensor<?xf64>) -> ()
}) {function_type = (tensor<?xf64>) -> tensor<?xf64>, sym_name = "main"} : () -> ()
"""
VERDICT = judge(Case(_TEXT, ((Argument(np.zeros(3)),),)))
