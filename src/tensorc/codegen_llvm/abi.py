"""What a compiled function takes and gives: plain data, shared by the entry, the api and the embedding.

A call passes arrays in the order inputs, cells (shared variables), constants, and gets outputs in the order
user outputs, then one new value per update. Every array travels as a pointer to an MLIR strided-memref
descriptor (`_mlir_ciface_` convention).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal, NamedTuple

import numpy as np

OK, FAILED, ASSUMPTION, NO_MEMORY, INTERRUPTED, OVERTAKEN = 0, 1, 2, 3, 4, 5
"""What a body returns: done; an error is recorded in the error cell; an assumption of this specialised body
does not hold and nothing was written; memory ran out and the body has freed what it held; a signal handler
raised, the Python exception is set, and the body has freed what it held; a cell was written meanwhile, the
call has to begin again.
"""

ERROR_CELL = ("site", "index", "value", "extra")

POLL = ("CHUNK", "LAST", "DUE", "HAS_GIL", "ARGS", "COUNT", "THREAD", "CONTEXT", "FRAME")
"""Words of a call's poll record (`emitter_polls.py`): iterations before a nest of loops first polls (1: there
is much data, poll before it, too); when it last polled and when it will look for signals; whether the GIL is
held; the arguments; the thread state while it is not held; the function's context and the call's frame, if
there is something to claim (`entry_claim.ll`).

`HAS_GIL`: 0 released, 1 held since the call began; with `GIL_KEPT` held to its end, because cells are being
written: no poll looks up.
"""

GIL_KEPT = 2

NO_POLL_CHUNK = 1 << 40
"""As `CHUNK`: never poll. Also the largest chunk."""

CLAIM_LIMIT = 1 << 26
"""Elements that a call may write into cells while it holds the GIL: some tens of milliseconds."""

THREADS_FROM = 1 << 18
"""Elements from which on writing them may want several threads."""

ResultForm = Literal["none", "one", "tuple", "list", "dict"]


class Node(IntEnum):
    """What stands in a container of arguments or results: see `entry_tree.ll`."""

    ARRAY, NUMBER, INT, TUPLE, LIST, DICT, NONE, STATIC = range(8)


class Words(NamedTuple):
    """Nodes as machine code reads them, and the objects whose addresses are among them."""

    words: tuple[int, ...]
    holds: tuple[object, ...]


def canonical(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The one dtype object of native byte order for that kind and size: of two C types of the same size, as
    `long` and `long long`, the one NumPy's own results have.
    """
    return np.dtype(f"{dtype.kind}{dtype.itemsize}")


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """One array: its dtype, an extent (or None for any) for every axis, and a name for messages. With
    `numbers`, an input without axes is also given as a Python number that keeps its value; a float rounds to
    float32.

    Raises TypeError for a dtype machine code cannot hold, ValueError for a negative extent.
    """

    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]
    name: str = ""
    numbers: bool = False

    def __post_init__(self) -> None:
        dtype = np.dtype(self.dtype)
        if dtype.kind not in "biufc" or dtype.itemsize not in (1, 2, 4, 8, 16) or dtype.char in "gG":
            raise TypeError(f"{self.name or 'array'}: {dtype} has no native form")
        if any(n is not None and n < 0 for n in self.shape):
            raise ValueError(f"{self.name or 'array'}: negative extent in {self.shape}")
        object.__setattr__(self, "dtype", canonical(dtype))
        object.__setattr__(self, "shape", tuple(self.shape))

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def descriptor_bytes(self) -> int:
        """The size of this array's memref descriptor."""
        return 24 + 16 * self.rank


@dataclass(frozen=True, slots=True)
class Signature:
    """All arrays of one function. `updates` pairs a cell's index with the index of the output that becomes
    its new value; these outputs come last. `result` is the form in which the other outputs are returned,
    `keys` are those of a dict. Raises ValueError if the parts do not fit together.
    """

    inputs: tuple[ArraySpec, ...]
    outputs: tuple[ArraySpec, ...]
    cells: tuple[ArraySpec, ...] = ()
    constants: tuple[ArraySpec, ...] = ()
    updates: tuple[tuple[int, int], ...] = ()
    result: ResultForm = "tuple"
    keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        targets = [cell for cell, _ in self.updates]
        if len(set(targets)) != len(targets) or any(not 0 <= c < len(self.cells) for c in targets):
            raise ValueError(f"updates {self.updates} do not name distinct cells of {len(self.cells)}")
        last = range(self.results, len(self.outputs))
        if sorted(out for _, out in self.updates) != list(last):
            raise ValueError(f"updates {self.updates} must use each of the last outputs {list(last)} once")
        for cell, out in self.updates:
            old, new = self.cells[cell], self.outputs[out]
            if old.dtype != new.dtype or old.rank != new.rank:
                raise ValueError(
                    f"the update of {old.name or cell} changes its dtype or rank: {old} to {new}"
                )
        if {"none": 0, "one": 1}.get(self.result, self.results) != self.results:
            raise ValueError(f"result form {self.result!r} does not fit {self.results} outputs")
        if len(self.keys) != (self.results if self.result == "dict" else 0):
            raise ValueError(f"{len(self.keys)} keys for {self.results} outputs as a {self.result}")

    @property
    def results(self) -> int:
        """How many outputs go to the caller."""
        return len(self.outputs) - len(self.updates)

    @property
    def arguments(self) -> tuple[ArraySpec, ...]:
        """Everything the body reads, in order."""
        return self.inputs + self.cells + self.constants
