"""MLIR reads what our printer writes: attributes, locations, regions, resources, random modules."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

import filetest_runner as runner
from ir.test_text import attributes, with_attribute
from oracle.mlir_oracle import OracleMissing, find, verify
from tensorc.ir.attributes import Attribute
from tensorc.ir.printer import print_op

FOLDER = Path(__file__).parent.parent / "filetests" / "ir"
ROUNDTRIPS = [
    c for p in sorted(FOLDER.glob("*.mlir")) for c in runner.read(p) if c.test.startswith("roundtrip")
]


@pytest.fixture(autouse=True, scope="module")
def _oracle() -> None:
    try:
        find()
    except OracleMissing as missing:
        pytest.skip(str(missing))


def test_there_are_cases() -> None:
    assert len(ROUNDTRIPS) >= 5


@pytest.mark.parametrize("case", ROUNDTRIPS, ids=lambda case: case.name)
def test_printed_text_is_read(case: runner.Case) -> None:
    assert case.expected is not None
    assert verify(case.expected, unregistered=True) == []


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(attributes)
def test_random_attributes_are_read(attribute: Attribute) -> None:
    assert verify(print_op(with_attribute(attribute)), unregistered=True) == []
