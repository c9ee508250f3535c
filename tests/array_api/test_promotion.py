"""Result dtypes of all pairs of dtypes: NumPy 2's, or a TypeError where NumPy has one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tests.array_api.arrays import DTYPES
from tests.array_api.table import TABLE

PAIRED = [name for name, entry in TABLE.items() if entry.binary]


def numpys(reference: Any, left: str, right: str) -> np.dtype[Any] | None:
    try:
        found = reference(np.ones(1, left), np.ones(1, right)).dtype
    except TypeError:
        return None
    return np.dtype("float32") if found == np.float16 else found


@pytest.mark.parametrize("name", PAIRED)
def test_all_pairs(name: str) -> None:
    entry = TABLE[name]
    wrong = []
    for left in DTYPES:
        for right in DTYPES:
            wanted = numpys(entry.reference, left, right)
            try:
                found = entry.ours(tc.vector(dtype=left), tc.vector(dtype=right)).dtype
            except tc.TensorcError as error:
                found = None if isinstance(error, TypeError) else type(error)
            if found != wanted:
                wrong.append((left, right, found, wanted))
    assert wrong == []
