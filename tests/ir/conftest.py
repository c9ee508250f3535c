"""The IR tests' own ops are registered during each of their tests only."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ir.support import registered


@pytest.fixture(autouse=True)
def _test_ops() -> Iterator[None]:
    with registered():
        yield
