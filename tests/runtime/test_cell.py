"""Cells by themselves; `codegen_llvm/test_entry_cells.py` has them in compiled functions."""

from __future__ import annotations

import gc
import pickle
import threading
import weakref

import numpy as np

from tensorc.runtime.cell import Cell, locked


def test_a_cell_is_a_list_of_one() -> None:
    value = np.ones(3)
    cell = Cell(value)
    assert len(cell) == 1
    assert cell[0] is cell.get() is value
    cell.set(np.zeros(2))
    assert cell.get().tolist() == [0, 0]
    assert repr(cell) == "Cell(array([0., 0.]))"


def test_identity_and_order() -> None:
    a, b = Cell(np.ones(1)), Cell(np.ones(1))
    assert a != b
    assert a == a
    assert len({a, b, a}) == 2
    assert a.number < b.number
    assert a.lock_box != b.lock_box


def test_pickle_makes_a_new_cell() -> None:
    cell = Cell(np.arange(3))
    copy = pickle.loads(pickle.dumps(cell))
    assert copy.get().tolist() == [0, 1, 2]
    assert copy.number > cell.number
    copy.set(np.zeros(1))


def test_locked_excludes_and_releases_on_errors() -> None:
    a, b = Cell(np.zeros(1)), Cell(np.zeros(1))
    inside, most = [0], [0]

    def work(first: Cell, second: Cell) -> None:
        for _ in range(300):
            try:
                with locked([first, second]):
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    inside[0] -= 1
                    raise KeyError
            except KeyError:
                pass

    threads = [threading.Thread(target=work, args=pair, daemon=True) for pair in ((a, b), (b, a), (a, b))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert most == [1]
    a.set(np.ones(1))


def test_cells_are_freed() -> None:
    cell = Cell(np.ones(1))
    gone = weakref.ref(cell)
    del cell
    gc.collect()
    assert gone() is None
