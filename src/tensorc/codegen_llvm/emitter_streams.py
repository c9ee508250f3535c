"""Nontemporal stores: lines of large results go to memory without being read first.

Whether a result is large is asked once for each parallel loop, whether a vector lies in whole lines at each
store (arrays given by the caller lie anywhere). Such stores are weakly ordered, so the loop's function ends
with a fence: what reads the result next may be another thread. Results written over what was just read are
not streamed: their lines are in the caches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tensorc.codegen_llvm import emitter_claims
from tensorc.codegen_llvm.emitter_values import Buffer, Scalar, byte_width, i64
from tensorc.ir.attributes import BoolAttr
from tensorc.ir.core import Operation, Value
from tensorc.ops.loops import vector

if TYPE_CHECKING:
    from tensorc.codegen_llvm.emitter import Emitter

LARGE: Final = 1 << 23
"""Bytes of a result from which on it is streamed: some times what a core's second cache holds. Measured with
`2.5*x + y` and a sum of the result behind it: at half of this size streaming gains nothing, from here on
15 to 40 %, and below 2 MiB it takes twice the time.
"""
LINE: Final = 64
LEAST: Final = 2 * LINE
"""Bytes of a vector that is streamed. Single lines between which the processor computes take twice the time
of stores through the caches; pairs do not.
"""


def large(emitter: Emitter, loop: Operation) -> dict[Value, Scalar]:
    """Whether the outputs are large that a loop streams into."""
    targets = (op.operands[1] for op in loop.walk() if is_streamed(op))
    return {target: _is_large(emitter, emitter.buffer(target)) for target in dict.fromkeys(targets)}


def is_streamed(op: Operation) -> bool:
    """Whether a store says it is `nontemporal`."""
    return op.isa(vector.Store) and op.attributes.get("nontemporal") == BoolAttr(True)


def _is_large(emitter: Emitter, buffer: Buffer) -> Scalar:
    count = i64(byte_width(buffer.type.element))
    for size in buffer.sizes:
        count = emitter.mul(count, size)
    many = emitter.let("i1", f"icmp uge {count}, {LARGE}")
    elsewhere = emitter_claims.elsewhere(emitter, buffer)
    return many if elsewhere is None else emitter.let("i1", f"and {many}, {elsewhere.text}")


def store(emitter: Emitter, value: Scalar, pointer: Scalar, how: str, is_large: Scalar) -> None:
    """Store past the caches if the result is large and the vector begins a line."""
    address = emitter.let("i64", f"ptrtoint {pointer} to i64")
    within = emitter.let("i64", f"and {address}, {LINE - 1}")
    aligned = emitter.let("i1", f"icmp eq {within}, 0")
    past = emitter.let("i1", f"and {aligned}, {is_large.text}")
    streamed, cached, stored = (emitter.new_label(hint) for hint in ("streamed", "cached", "stored"))
    emitter.branch_if(past, streamed, cached)
    emitter.place(streamed)
    emitter.line(f"store {value}, {pointer}, align {LINE}, !nontemporal !{{i32 1}}")
    emitter.branch(stored)
    emitter.place(cached)
    emitter.line(f"store {value}, {pointer}, {how}")
    emitter.branch(stored)
    emitter.place(stored)


def finish(emitter: Emitter) -> None:
    """Have what was streamed be seen before what follows."""
    if not emitter.streams:
        return
    first, *others = emitter.streams.values()
    for other in others:
        first = emitter.let("i1", f"or {first}, {other.text}")
    fence, fenced = emitter.new_label("fence"), emitter.new_label("fenced")
    emitter.branch_if(first, fence, fenced)
    emitter.place(fence)
    emitter.line("fence seq_cst")
    emitter.branch(fenced)
    emitter.place(fenced)
