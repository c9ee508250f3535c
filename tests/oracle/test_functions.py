"""Whole programs, as `f.source(...)` prints them, verified by MLIR at every level."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from oracle.mlir_oracle import OracleMissing, find, verify
from oracle.programs import PROGRAMS

LEVELS = ("O0", "O1", "O2", "O3")


@pytest.fixture(autouse=True)
def _oracle() -> None:
    try:
        find()
    except OracleMissing as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_program(program: Callable[[str], Any], level: str) -> None:
    f = program(level)
    assert verify(f.source("loops")) == []
    assert verify(f.source("tensor"), unregistered=True) == []
