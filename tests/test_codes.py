"""One code, one mistake: every code of an error is raised in one place, or is a family with a meaning."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import gen_codes  # noqa: E402

sys.path.remove(str(ROOT / "tools"))


@pytest.fixture(scope="module")
def uses() -> list[gen_codes.Use]:
    return gen_codes.uses()


def test_a_code_that_is_no_family_stands_in_one_place(uses: list[gen_codes.Use]) -> None:
    places: dict[str, list[str]] = {}
    for use in uses:
        places.setdefault(use.code, []).append(f"{use.file}:{use.line}")
    twice = {c: p for c, p in places.items() if len(p) > 1 and c not in gen_codes.MEANINGS}
    assert twice == {}, "take an unused code for the new mistake, or give the family a meaning"


def test_meanings_are_of_codes_that_exist(uses: list[gen_codes.Use]) -> None:
    counted = Counter(use.code for use in uses)
    assert {code for code in gen_codes.MEANINGS if not counted[code]} == set()


def test_every_code_has_a_meaning(uses: list[gen_codes.Use]) -> None:
    bare = [use for use in uses if use.code not in gen_codes.MEANINGS and not use.message]
    assert bare == []


def test_the_page_lists_each_code_once(uses: list[gen_codes.Use]) -> None:
    rows = [line for line in gen_codes.page().splitlines() if line.startswith("| `TC")]
    assert [row[3:9] for row in rows] == sorted({use.code for use in uses})
    assert all(len(row) > len("| `TC0000` |  |") for row in rows)


def test_every_error_of_the_api_says_what_to_do() -> None:
    """What a user wrote gets a remedy; `fail` takes it as its fourth argument."""
    silent = []
    for path in sorted((ROOT / "src" / "tensorc" / "api").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if not isinstance(node, ast.Call) or not re.fullmatch(r"fail|Tensorc\w*Error", name):
                continue
            helped = any(k.arg == "help" for k in node.keywords) or (name == "fail" and len(node.args) > 3)
            if not helped:
                silent.append(f"{path.name}:{node.lineno}")
    assert silent == []


def test_no_error_is_raised_without_a_code() -> None:
    """`TC0000` is what an error has that nobody gave one."""
    found = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "src").rglob("*.py"))
        if "TC0000" in path.read_text(encoding="utf-8")
    ]
    assert found == ["src/tensorc/ir/errors.py"]
