"""A case: a program as IR text and the arguments to run it on; kept in one `.mlir` file that replays."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.strategies import Array, laid_out

_MARK = "// argument "
FAILURES = Path(__file__).parent / "failures"


@dataclass(frozen=True)
class Argument:
    """An array as values and the memory layout it is passed in."""

    values: Array
    layout: str = "C"

    def array(self) -> Array:
        return laid_out(self.values, self.layout)


@dataclass(frozen=True)
class Case:
    """One program and the argument lists it is called with, and in which modes it is compiled."""

    text: str
    calls: tuple[tuple[Argument, ...], ...]
    modes: tuple[str, ...] = ("O0", "O3")
    gradient: bool = False

    def save(self, why: str, folder: Path = FAILURES) -> Path:
        """Write the case with the finding and the command that replays it."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{hashlib.sha256(self.text.encode()).hexdigest()[:12]}.mlir"
        lines = [f"// replay: python benchmarks/fuzz.py --replay {path}"]
        lines += [f"// {line}" for line in why.splitlines()]
        for number, call in enumerate(self.calls):
            lines += [_MARK + json.dumps(_encoded(number, argument)) for argument in call]
        path.write_text("\n".join([*lines, self.text]), encoding="utf-8")
        return path


def _encoded(call: int, argument: Argument) -> dict[str, Any]:
    values = argument.values
    shown = np.array2string(values, threshold=60)
    return {
        "call": call,
        "dtype": str(values.dtype),
        "shape": list(values.shape),
        "layout": argument.layout,
        "bytes": values.tobytes().hex(),
        "shown": " ".join(shown.split()),
    }


def load(path: Path) -> Case:
    """The case of a saved file."""
    calls: dict[int, list[Argument]] = {}
    text = path.read_text(encoding="utf-8")
    for line in text.splitlines():
        if not line.startswith(_MARK):
            continue
        entry = json.loads(line.removeprefix(_MARK))
        flat = np.frombuffer(bytes.fromhex(entry["bytes"]), entry["dtype"])
        argument = Argument(flat.reshape(entry["shape"]).copy(), entry["layout"])
        calls.setdefault(entry["call"], []).append(argument)
    listed = tuple(tuple(calls[number]) for number in sorted(calls)) or ((),)
    return Case(text, listed, ("O0", "O1", "O2", "O3"))
