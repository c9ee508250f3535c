"""A third party's opinion of our IR text: MLIR's own parser and verifier, from whichever installation is at
hand.

Choices, in order: `mlir-opt-19` or `mlir-opt` on the path (Debian package mlir-19-tools); jaxlib's MLIR
bindings in the
interpreter named by `TENSORC_JAXLIB_PYTHON`; jaxlib in this interpreter. The dialects are registered *and
loaded*: a context
that does not know `arith` checks almost nothing, which is why the test first shows the oracle rejecting
planted errors.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache

TIMEOUT = 120
_ERROR = re.compile(r"^.*?:(\d+):(\d+): error: (.*)$", re.MULTILINE)

# Runs in the interpreter that has jaxlib. Reads {"texts": [...], "unregistered": bool}, writes one list of
# errors a text.
_JAXLIB_PROGRAM = r"""
import json, sys
from jaxlib.mlir import ir
try:
    from jaxlib.mlir._mlir_libs._jax_mlir_ext import register_dialects
except ImportError:
    from jaxlib.mlir._mlir_libs.register_jax_dialects import register_dialects

NEEDED = ("func.func", "arith.addf", "math.exp", "scf.for", "memref.load", "gpu.thread_id", "vector.load")

def verify(text, unregistered):
    with ir.Context() as context:
        registry = ir.DialectRegistry()
        register_dialects(registry)
        context.append_dialect_registry(registry)
        context.load_all_available_dialects()
        context.allow_unregistered_dialects = unregistered
        missing = [name for name in NEEDED if not context.is_registered_operation(name)]
        if missing:
            raise SystemExit(f"this jaxlib does not register {missing}")
        try:
            module = ir.Module.parse(text)
            return [] if module.operation.verify() else ["the verifier rejects the module"]
        except ir.MLIRError as error:
            return [f"{d.location}: {d.message}" for d in error.error_diagnostics] or [str(error)]

request = json.load(sys.stdin)
json.dump([verify(text, request["unregistered"]) for text in request["texts"]], sys.stdout)
"""


class OracleMissing(Exception):
    """No MLIR is installed; the message says how to get one."""


@dataclass(frozen=True)
class Oracle:
    """Where the opinion comes from: `kind` is "mlir-opt" or "jaxlib", `program` the executable that is run.
    """

    kind: str
    program: str


@cache
def find() -> Oracle:
    """The best oracle at hand. Raises OracleMissing where there is none."""
    for name in ("mlir-opt-19", "mlir-opt"):
        if path := shutil.which(name):
            return Oracle("mlir-opt", path)
    if python := os.environ.get("TENSORC_JAXLIB_PYTHON"):
        return Oracle("jaxlib", python)
    if importlib.util.find_spec("jaxlib") is not None:
        return Oracle("jaxlib", sys.executable)
    raise OracleMissing(
        "no MLIR verifier: install Debian's mlir-19-tools, or jaxlib (`pip install '.[oracle]'`)"
    )


def verify(text: str, *, unregistered: bool = False, oracle: Oracle | None = None) -> list[str]:
    """What MLIR objects to in `text` (a module in generic form); empty means it parsed and verified.

    `unregistered` lets ops of unknown dialects pass unexamined (the tensor level's own), the rest is checked
    all the same.
    """
    return verify_all([text], unregistered=unregistered, oracle=oracle)[0]


def verify_all(
    texts: list[str], *, unregistered: bool = False, oracle: Oracle | None = None
) -> list[list[str]]:
    """`verify` for many modules; as long as all are accepted, one process serves them all."""
    chosen = oracle or find()
    if chosen.kind == "jaxlib":
        return _jaxlib(chosen.program, texts, unregistered)
    joined = "\n// -----\n".join(texts)
    if len(texts) > 1 and not _mlir_opt(chosen.program, joined, unregistered):
        return [[] for _ in texts]
    return [_mlir_opt(chosen.program, text, unregistered) for text in texts]


def _mlir_opt(program: str, text: str, unregistered: bool) -> list[str]:
    command = [program, "--split-input-file", "-o", os.devnull]
    command += ["--allow-unregistered-dialect"] if unregistered else []
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if done.returncode == 0:
        return []
    errors = [f"{line}:{column}: {message}" for line, column, message in _ERROR.findall(done.stderr)]
    return errors or [done.stderr.strip() or f"{program} ended with status {done.returncode}"]


def _jaxlib(python: str, texts: list[str], unregistered: bool) -> list[list[str]]:
    request = json.dumps({"texts": texts, "unregistered": unregistered})
    command = [python, "-c", _JAXLIB_PROGRAM]
    done = subprocess.run(
        command, input=request, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{python} could not act as oracle:\n{done.stderr}")
    answer: list[list[str]] = json.loads(done.stdout)
    return answer
