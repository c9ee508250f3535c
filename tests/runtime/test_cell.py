"""Cells by themselves; `codegen_llvm/test_entry_cells.py` has them in compiled functions."""

from __future__ import annotations

import ctypes
import gc
import pickle
import weakref

import numpy as np

from tensorc.runtime.cell import Cell


def test_a_cell_is_a_list_of_one() -> None:
    value = np.ones(3)
    cell = Cell(value)
    assert len(cell) == 1
    assert cell[0] is cell.get() is value
    cell.set(np.zeros(2))
    assert cell.get().tolist() == [0, 0]
    assert repr(cell) == "Cell(array([0., 0.]))"


def test_identity() -> None:
    a, b = Cell(np.ones(1)), Cell(np.ones(1))
    assert a != b
    assert a == a
    assert len({a, b, a}) == 2
    assert a.box != b.box


def test_pickle_makes_a_new_cell() -> None:
    cell = Cell(np.arange(3))
    copy = pickle.loads(pickle.dumps(cell))
    assert copy.get().tolist() == [0, 1, 2]
    assert copy.box != cell.box
    copy.set(np.zeros(1))
    assert cell.get().tolist() == [0, 1, 2]


def test_setting_from_within_setting() -> None:
    """The array that is replaced is dropped last, when everything is in order."""
    cell = Cell(np.ones(1))

    class Memory(ctypes.c_double * 1):  # type: ignore[misc]
        def __del__(self) -> None:
            seen.append(cell.get().tolist())
            cell.set(np.full(1, 3.0))

    seen: list[list[float]] = []
    cell.set(np.frombuffer(Memory(), np.float64))
    cell.set(np.full(1, 2.0))
    assert seen == [[2]]
    assert cell.get().tolist() == [3]


def test_cells_are_freed() -> None:
    cell = Cell(np.ones(1))
    gone = weakref.ref(cell)
    del cell
    gc.collect()
    assert gone() is None
