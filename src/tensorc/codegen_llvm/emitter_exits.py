"""How a function ends early: there is one exit, at which what it holds is freed.

The pointers are in an array in memory, not in registers: phis of all of them at every failing edge would be
quadratic.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tensorc.codegen_llvm.abi import NO_MEMORY
from tensorc.codegen_llvm.emitter_values import Scalar

if TYPE_CHECKING:
    from tensorc.codegen_llvm.emitter import Emitter

FAILED = "failed"
SMALL = 64
"""Bytes that lie in the frame: what has no axes, for the most part."""
FRAME = 1 << 16
"""Bytes of a frame beyond which nothing more is laid there without need."""


@dataclass
class Exits:
    """The early ends of a function."""

    places: dict[str, str] = field(default_factory=dict)
    """Of every pointer it holds or may hold, the place in the array."""
    framed: set[str] = field(default_factory=set)
    """Pointers to what lies in the frame."""
    edges: list[tuple[str, str]] = field(default_factory=list)
    """Codes that it may end with, and the blocks in which that shows."""


def leave_if(emitter: Emitter, condition: Scalar, code: int | Scalar) -> None:
    """End the function with a code if a condition holds."""
    emitter.exits.edges.append((code.text if isinstance(code, Scalar) else str(code), emitter.label))
    go_on = emitter.new_label("good")
    emitter.branch_if(condition, FAILED, go_on)
    emitter.place(go_on)


def leave_on(emitter: Emitter, code: Scalar) -> None:
    """End the function with a code that it was given, unless that is 0."""
    leave_if(emitter, emitter.let("i1", f"icmp ne {code}, 0"), code)


def hold(emitter: Emitter, size: Scalar) -> str:
    """Memory that the function holds from now on: a pointer."""
    emitter.declare("tensorc_hold", "declare ptr @tensorc_hold(ptr, i64) nounwind")
    count = len(emitter.exits.places)
    place = f"%slot{count}" if count else "%slots"
    base = emitter.let("ptr", f"call ptr @tensorc_hold(ptr {place}, {size})")
    emitter.exits.places[base.text] = place
    leave_if(emitter, emitter.let("i1", f"icmp eq {base}, null"), NO_MEMORY)
    return base.text


def keep(emitter: Emitter, size: Scalar) -> str | None:
    """Memory in the frame, if that is known to be enough: a pointer."""
    if size.constant is None or not 0 <= size.constant <= SMALL or emitter.stack > FRAME:
        return None
    base = emitter.frame(max(size.constant, 8), 64 if size.constant > 8 else 8)
    emitter.exits.framed.add(base)
    return base


def drop(emitter: Emitter, base: str) -> None:
    """Free what the function holds, or what it was given."""
    if base in emitter.exits.framed:
        return
    place = emitter.exits.places.get(base)
    if place is None:
        emitter.call("tensorc_free", [Scalar("ptr", base)], "void")
    else:
        emitter.call("tensorc_drop", [Scalar("ptr", place), Scalar("ptr", base)], "void")


def finish(emitter: Emitter) -> None:
    """The exit that the others lead to, behind the function's own code, and the array of what it holds."""
    if not emitter.exits.edges:
        return
    emitter.place(FAILED)
    incoming = ", ".join(f"[ {code}, %{label} ]" for code, label in emitter.exits.edges)
    code = emitter.let("i32", f"phi i32 {incoming}")
    count = len(emitter.exits.places)
    if count:
        emitter.call("tensorc_drop_all", [Scalar("ptr", "%slots"), Scalar("i64", str(count))], "void")
        emitter.entry.append(f"  %slots = alloca [{count} x ptr], align 8")
        for n in range(1, count):
            emitter.entry.append(f"  %slot{n} = getelementptr ptr, ptr %slots, i64 {n}")
        emitter.entry.append(
            f"  call void @llvm.memset.p0.i64(ptr align 8 %slots, i8 0, i64 {8 * count}, i1 false)"
        )
        emitter.declare("llvm.memset", "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
    emitter.line(f"ret {code}")
