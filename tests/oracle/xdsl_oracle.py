"""A second opinion of our IR text: xDSL, an implementation of MLIR in Python, with its own parser, printer
and verifiers.

It runs in the interpreter named by `TENSORC_XDSL_PYTHON`, or in this one where xdsl is installed. Of our
dialect it knows nothing; ops with regions are made known as ops of any operands and results, because xDSL
takes an unknown op with a region for a symbol table.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from oracle.mlir_oracle import OracleMissing

TIMEOUT = 300
WITH_REGIONS = ("tensorc.kernel", "tensorc.generic")

# Reads {"texts": [...], "unregistered": bool, "regions": [...]}, writes [error or null, printed text] a text.
_PROGRAM = r"""
import io, json, sys
from xdsl.context import Context
from xdsl.dialects import arith, builtin, func, math, memref, scf
from xdsl.ir import Dialect
from xdsl.irdl import IRDLOperation, irdl_op_definition, var_operand_def, var_region_def, var_result_def
from xdsl.parser import Parser
from xdsl.printer import Printer

def anything(name):
    slots = {"name": name, "ins": var_operand_def(), "outs": var_result_def(), "inner": var_region_def()}
    return irdl_op_definition(type(name.replace(".", "_"), (IRDLOperation,), slots))

request = json.load(sys.stdin)
known = [builtin.Builtin, func.Func, arith.Arith, math.Math, memref.MemRef, scf.Scf]

def context():
    made = Context(allow_unregistered=request["unregistered"])
    for dialect in known:
        made.load_dialect(dialect)
    for op in ops if request["unregistered"] else ():
        made.load_op(op)
    return made

def answer(text):
    try:
        module = Parser(context(), text).parse_module()
        module.verify()
    except Exception as error:
        return [str(error).strip() or type(error).__name__, ""]
    out = io.StringIO()
    Printer(stream=out, print_generic_format=True).print_op(module)
    return [None, out.getvalue()]

ops = [anything(name) for name in request["regions"]]
json.dump([answer(text) for text in request["texts"]], sys.stdout)
"""


@dataclass(frozen=True)
class Answer:
    """What xDSL objects to (None: nothing), and its print of the module, in generic form."""

    error: str | None
    text: str


@cache
def interpreter() -> str:
    """The Python that has xDSL. Raises OracleMissing where there is none."""
    if python := os.environ.get("TENSORC_XDSL_PYTHON"):
        return python
    if importlib.util.find_spec("xdsl") is not None:
        return sys.executable
    raise OracleMissing("no xDSL: install it beside the tests and name its Python in TENSORC_XDSL_PYTHON")


def ask(texts: Sequence[str], *, unregistered: bool = False) -> list[Answer]:
    """Each text parsed, verified and printed by xDSL, in one process; `unregistered` lets ops of dialects
    that it does not know pass.
    """
    request = json.dumps({"texts": list(texts), "unregistered": unregistered, "regions": WITH_REGIONS})
    command = [interpreter(), "-c", _PROGRAM]
    done = subprocess.run(
        command, input=request, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{interpreter()} could not act as oracle:\n{done.stderr[-2000:]}")
    return [Answer(error, text) for error, text in json.loads(done.stdout)]
