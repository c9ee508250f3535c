"""Every line of the table: values, dtypes, shapes and refusals, by the interpreter and by machine code."""

from __future__ import annotations

from typing import Any

import pytest

import tensorc as tc
from tests.array_api.arrays import DTYPES, operand
from tests.array_api.engine import run, symbol
from tests.array_api.entries import Entry
from tests.array_api.table import ALIASES, TABLE


@pytest.mark.parametrize("name", TABLE)
def test_line(name: str) -> None:
    problems = run(TABLE[name])
    assert not problems, f"{len(problems)} differences:\n" + "\n".join(problems[:20])


def program(function: Any, entry: Entry, dtype: str) -> str:
    """What a function builds in the first form of a line, as text."""
    first = entry.forms[0]
    symbols = [symbol(operand(text, dtype)) for text in first.operands]
    try:
        result = first.call(function, *symbols)
    except tc.TensorcError as error:
        return str(error.code)
    return str(tc.function(symbols, result, mode="O0", on_unused_input="ignore").source("tensor"))


@pytest.mark.parametrize("name", ALIASES)
def test_alias_builds_the_same_program(name: str) -> None:
    entry, alias = TABLE[ALIASES[name]], tc
    for part in name.split("."):
        alias = getattr(alias, part)
    for dtype in ("float64", "int8", "bool"):
        assert dtype in DTYPES
        assert program(alias, entry, dtype) == program(entry.ours, entry, dtype)
