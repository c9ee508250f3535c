"""The exits of a function that ends early: what it holds is freed.

The pointers are in an array in memory, not in registers: phis of all of them at every failing edge would be
quadratic.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tensorc.codegen_llvm.abi import NO_MEMORY

if TYPE_CHECKING:
    from tensorc.codegen_llvm.emitter import Emitter
    from tensorc.codegen_llvm.emitter_values import Scalar

FAILED = "failed"

FREE_ALL = """define internal void @tensorc_free_all(ptr %slots, i64 %count) cold noinline nounwind {
entry:
  br label %next
next:
  %n = phi i64 [ 0, %entry ], [ %following, %next ]
  %slot = getelementptr ptr, ptr %slots, i64 %n
  %buffer = load ptr, ptr %slot, align 8
  call void @tensorc_free(ptr %buffer)
  %following = add i64 %n, 1
  %done = icmp eq i64 %following, %count
  br i1 %done, label %end, label %next
end:
  ret void
}"""


@dataclass
class Exits:
    """The exits a function needs."""

    slots: dict[str, int] = field(default_factory=dict)
    """Of every pointer it holds or may hold, the place in the array."""
    failed: bool = False
    """Something it calls may give a code other than 0."""
    interrupted: bool = False
    """It looks up (`emitter_polls.py`)."""


def free_all(emitter: Emitter) -> None:
    """Free what the function holds."""
    if emitter.exits.slots:
        emitter.line(f"call void @tensorc_free_all(ptr %slots, i64 {len(emitter.exits.slots)})")


def fail(emitter: Emitter, code: Scalar) -> None:
    """End the function, and the current block, with a code that it was given."""
    emitter.line(f"store {code}, ptr %failure, align 4")
    emitter.branch(FAILED)
    emitter.exits.failed = True


def finish_failures(emitter: Emitter) -> None:
    """The exit that `fail` takes."""
    if not emitter.exits.failed:
        return
    emitter.place(FAILED)
    free_all(emitter)
    emitter.line("%failed.code = load i32, ptr %failure, align 4")
    emitter.line("ret i32 %failed.code")
    emitter.entry.append("  %failure = alloca i32, align 4")


def finish_allocations(emitter: Emitter) -> None:
    """The exit taken when an allocation fails."""
    if not emitter.exits.slots:
        return
    count = len(emitter.exits.slots)
    emitter.place("out_of_memory")
    free_all(emitter)
    emitter.line(f"ret i32 {NO_MEMORY}")
    emitter.entry.append(f"  %slots = alloca [{count} x ptr], align 8")
    emitter.entry.append(
        f"  call void @llvm.memset.p0.i64(ptr align 8 %slots, i8 0, i64 {8 * count}, i1 false)"
    )
    emitter.declare("tensorc_free", "declare void @tensorc_free(ptr) nounwind")
    emitter.declare("llvm.memset", "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
    emitter.declare("tensorc_free_all", FREE_ALL)
