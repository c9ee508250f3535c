"""Every op class covers every element type it claims with a sample; `pytest -s tests/ops/test_coverage.py`
prints the table.
"""

from __future__ import annotations

from tensorc.ir.types import ScalarType
from tensorc.ops.base import OpDef
from tensorc.ops.dtypes import ALL, from_dtype
from tests.ops.harness import OPS, label


def sampled_elements(op: type[OpDef]) -> set[ScalarType]:
    """The element types of all operands and results of the op's samples."""
    found: set[ScalarType] = set()
    for sample in op.samples():
        arrays = [x for x in sample.operands if not isinstance(x, int)]
        produced = op.reference(sample.attrs, *sample.operands)
        made = produced if isinstance(produced, tuple) else (produced,)
        found |= {from_dtype(x.dtype) for x in [*arrays, *(m for m in made if not isinstance(m, int))]}
    return found


def table() -> list[tuple[str, list[str]]]:
    """One row an op, one cell an element type: `x` sampled, `-` not claimed, empty if claimed and not
    sampled.
    """
    rows = []
    for op in OPS:
        sampled = sampled_elements(op)
        cells = ["-" if e not in op.accepts else "x" if e in sampled else "" for e in ALL]
        rows.append((label(op), cells))
    return rows


def test_no_cell_is_empty() -> None:
    rows = table()
    print(f"\n{'op':20}" + "".join(f"{e!s:>6}" for e in ALL))
    for name, cells in rows:
        print(f"{name:20}" + "".join(f"{c:>6}" for c in cells))
    assert [name for name, cells in rows if "" in cells] == []


def test_no_tensor_op_claims_nothing() -> None:
    nothing = [label(op) for op in OPS if not op.accepts]
    assert nothing == ["assume", "broadcast_extents", "require"]
