"""`mlir-opt --irdl-file` as an oracle for the tensor dialect: what it says of modules whose ops the file
describes.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from oracle.mlir_oracle import TIMEOUT, OracleMissing, find

SPLIT = "\n// -----\n"
_ERROR = re.compile(r"^within split at <stdin>:(\d+) offset :\d+:\d+: error: (.*)$", re.MULTILINE)


def program() -> str:
    """The path of `mlir-opt`. Raises OracleMissing; jaxlib's bindings cannot load an IRDL file."""
    oracle = find()
    if oracle.kind != "mlir-opt":
        raise OracleMissing("IRDL needs mlir-opt: install Debian's mlir-19-tools")
    return oracle.program


def refusals(dialect: str, texts: Sequence[str]) -> list[list[str]]:
    """What MLIR, knowing its own dialects and `dialect` (IRDL text), objects to in each text; one process for
    all. Ops of other dialects pass, those of `dialect` that it does not describe do not.
    """
    starts, joined = [], ""
    for text in texts:
        starts.append(joined.count("\n") + 1)
        joined += text.rstrip("\n") + SPLIT
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "dialect.irdl")
        file.write_text(dialect, encoding="utf-8")
        command = [program(), f"--irdl-file={file}", "--split-input-file"]
        command += ["--allow-unregistered-dialect", "-o", os.devnull]
        done = subprocess.run(
            command, input=joined, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    found: list[list[str]] = [[] for _ in texts]
    for line, message in _ERROR.findall(done.stderr):
        place = max(k for k, start in enumerate(starts) if start <= int(line) + 1)
        found[place].append(message)
    if (done.returncode != 0) != any(found):
        raise RuntimeError(f"mlir-opt ended with status {done.returncode}:\n{done.stderr[:2000]}")
    return found
