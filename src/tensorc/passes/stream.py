"""`stream`: stores of results that nobody reads again need not go through the caches.

A store of a whole cache line first reads the line, unless it is said to be `nontemporal`. For results that
are larger than the caches this is a quarter of the traffic of `a*x + y`, and what they push out was of more
use. How large they are is known in the call only: the code generator asks there (`emitter_streams.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from tensorc.ir.attributes import BoolAttr, StringAttr
from tensorc.ir.builtin import Func, arg_attributes
from tensorc.ir.core import Operation, Value
from tensorc.ops.loops import memref, scf, vector
from tensorc.ops.loops.nests import PARALLEL

_WRITES: Final = (memref.Store, vector.Store, vector.MaskedStore, vector.Scatter)


@dataclass(frozen=True)
class Stream:
    """Marks vector stores in parallel loops, into outputs from which nothing is loaded."""

    name: ClassVar[str] = "stream"

    def run(self, module: Operation) -> None:
        """Set attributes of the module's ops."""
        for function in module.walk():
            if function.isa(Func) and function.regions[0].blocks:
                for number, arg in enumerate(function.regions[0].block.args):
                    if arg_attributes(function, number).get("tensorc.kind") == StringAttr("output"):
                        _mark(arg)


def _mark(output: Value) -> None:
    users = set(output.users)
    if not all(user.definition in _WRITES or user.isa(memref.Dim) for user in users):
        return
    for user in users:
        if user.isa(vector.Store) and _in_parallel(user):
            user.set_attribute("nontemporal", BoolAttr(True))


def _in_parallel(op: Operation) -> bool:
    outer = op.parent
    while outer is not None:
        if outer.isa(scf.For) and PARALLEL in outer.attributes:
            return True
        outer = outer.parent
    return False
