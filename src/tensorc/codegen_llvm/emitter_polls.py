"""Looking up from long computations: how a body lets other threads run and answers signals.

A loop that is not inside another runs in chunks; between them it calls `tensorc_poll` (`entry_rare.ll`),
which looks at the clock, and at the signals when it is time. The caller hands over a record for that, in the
place of the error cell's `allocated` pointer; without one (`allocated` equals `aligned`, as for any memref
that owns its memory) nothing is polled. Chunks grow as long as they are quick, so that short loops pay for a
comparison and vector code stays what it is; their borders cannot be seen in the results.

Calls of libraries are not interrupted: the function looks up before each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tensorc.codegen_llvm import emitter_exits
from tensorc.codegen_llvm.abi import INTERRUPTED, NO_POLL_CHUNK, POLL
from tensorc.codegen_llvm.emitter_values import Scalar, i64
from tensorc.ir.attributes import StringAttr
from tensorc.ir.builtin import arg_attributes, body
from tensorc.ir.core import Operation
from tensorc.ops.loops import scf
from tensorc.ops.loops.nests import REST

if TYPE_CHECKING:
    from tensorc.codegen_llvm.emitter import Emitter

FLAT_CHUNK = 4096
"""Iterations of a loop without loops inside before it polls for the first time: some microseconds."""

_EFFECTS = "memory(argmem: readwrite, inaccessiblemem: readwrite)"
_LOOPS = (scf.For, scf.While, scf.Parallel)


@dataclass(frozen=True)
class Record:
    """Where the function's poll record is."""

    pointer: str

    def chunk(self, emitter: Emitter) -> Scalar:
        """How many iterations of a nest of loops come before the first poll: the same all through a call."""
        return emitter.let("i64", f"load i64, ptr {self.pointer}, align 8")


@dataclass(frozen=True)
class Chunks:
    """A loop over chunks whose inner loop goes from `lower` to `limit`; its phis begin at line `first`."""

    head: str
    first: int
    lower: Scalar
    limit: Scalar
    upper: Scalar
    chunk: Scalar
    carried: list[Scalar]


def error_cell(function: Operation) -> int | None:
    """The number of the argument through which a poll record comes; None for a function that has none: shape
    functions, parts.
    """
    kinds = [arg_attributes(function, n).get("tensorc.kind") for n in range(len(body(function).args))]
    names = [kind.value if isinstance(kind, StringAttr) else "" for kind in kinds]
    return None if "extents" in names or "error" not in names else names.index("error")


def find_record(emitter: Emitter, descriptor: str, aligned: str) -> Record:
    """Find, at the function's start, where to poll; the error cell's `aligned` pointer is known."""
    allocated = emitter.let("ptr", f"load ptr, ptr {descriptor}, align 8")
    own = emitter.let("i1", f"icmp eq {allocated}, {aligned}")
    return Record(emitter.let("ptr", f"select {own}, ptr {no_record(emitter)}, {allocated}").text)


def no_record(emitter: Emitter) -> str:
    """The record of a function that nobody can interrupt."""
    words = ", ".join(["i64 " + str(NO_POLL_CHUNK), *["i64 0"] * (len(POLL) - 1)])
    emitter.declare("no_poll", f"@tensorc_no_poll = internal constant [{len(POLL)} x i64] [{words}]")
    return "@tensorc_no_poll"


def look_up(emitter: Emitter) -> None:
    """Poll before a library's or a part's work, if there is much data."""
    record = emitter.record
    if record is None or emitter.depth:
        return
    emitter.declare("tensorc_look_up", f"declare i1 @tensorc_look_up(ptr) nounwind {_EFFECTS}")
    stop = emitter.let("i1", f"call i1 @tensorc_look_up(ptr {record.pointer})")
    emitter_exits.leave_if(emitter, stop, INTERRUPTED)


def open_chunks(
    emitter: Emitter, op: Operation, lower: Scalar, upper: Scalar, step: Scalar, inits: list[Scalar]
) -> Chunks | None:
    """Begin the loop over chunks of a `scf.for`, if it is one that polls."""
    record = emitter.record
    if record is None or emitter.depth or step.constant is None or lower.type != "i64":
        return None
    if REST in op.attributes:
        return None
    nested = any(inner is not op and inner.definition in _LOOPS for inner in op.walk())
    if nested:
        look_up(emitter)
    if lower.constant is not None and upper.constant is not None:
        trips = (upper.constant - lower.constant) // step.constant
        if trips <= (1 if nested else FLAT_CHUNK):
            return None
    begin = record.chunk(emitter)
    if not nested:
        begin = emitter.intrinsic("umax", "i64", [begin, i64(FLAT_CHUNK)])
    head, before = emitter.new_label("chunks"), emitter.label
    emitter.branch(head)
    emitter.place(head)
    first = len(emitter.lines)
    starts = (lower, begin, *inits)
    phis = [emitter.let(v.type, f"phi {v.type} [ {v.text}, %{before} ]") for v in starts]
    span = emitter.mul(phis[1], step)
    left = emitter.let("i64", f"sub {upper}, {phis[0].text}")
    more = emitter.let("i1", f"icmp slt {span}, {left.text}")
    border = emitter.let("i64", f"add {phis[0]}, {span.text}")
    limit = emitter.let("i64", f"select {more}, {border}, {upper}")
    return Chunks(head, first, phis[0], limit, upper, phis[1], phis[2:])


def close_chunks(emitter: Emitter, chunks: Chunks, ends: list[Scalar]) -> list[Scalar]:
    """End the loop over chunks; the current block is where the inner loop has gone through one. `ends` are
    its index there and what it carried, which is returned.
    """
    record = emitter.record
    assert record is not None
    more = emitter.let("i1", f"icmp slt {ends[0]}, {chunks.upper.text}")
    poll, done = (emitter.new_label(hint) for hint in ("poll", "done"))
    emitter.branch_if(more, poll, done)
    emitter.place(poll)
    emitter.declare("tensorc_poll", f"declare i64 @tensorc_poll(ptr, i64) nounwind {_EFFECTS}")
    following = emitter.let("i64", f"call i64 @tensorc_poll(ptr {record.pointer}, {chunks.chunk})")
    emitter_exits.leave_if(emitter, emitter.let("i1", f"icmp eq {following}, 0"), INTERRUPTED)
    emitter.complete_phis(chunks.first, [ends[0], following, *ends[1:]])
    emitter.branch(chunks.head)
    emitter.place(done)
    return ends[1:]
