"""Updates written over the memory of the cells themselves, at loop level.

`func.call @tensorc_claim(work) -> i32` stands before the first write. Until it answers 0, an output that is
marked `OVER` has extents and no memory; then it has either that of the argument the mark names, whose
elements it replaces one by one, or memory of its own. What follows the claim cannot fail, asks for no memory,
and reads the argument at places that it has not written. `work` is the number of elements that it writes.

Any other answer is what the function returns.
"""

from __future__ import annotations

from typing import Final

from tensorc.ir.builtin import Call, CallAttrs
from tensorc.ir.core import Block, Operation

CLAIM: Final = "tensorc_claim"
OVER: Final = "tensorc.over"
"""Attribute of an argument of a `func.func`, an output: the number of the argument it is written over."""
CLAIMED: Final = "tensorc.claimed"
"""Attribute of a `func.func` that was split off behind a claim: its outputs have their memory."""


def is_claim(op: Operation) -> bool:
    """Whether an op is the call that claims."""
    return op.isa(Call) and isinstance(op.attrs, CallAttrs) and op.attrs.callee.name == CLAIM


def behind_claim(block: Block) -> bool:
    """Whether a block is the one, of an `scf.if`, that is run when a claim has answered 0."""
    region = block.region
    op = None if region is None else region.parent
    earlier = None if op is None else op.prev
    while earlier is not None and not is_claim(earlier):
        earlier = earlier.prev
    return earlier is not None
