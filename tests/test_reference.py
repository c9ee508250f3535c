"""The API reference: every public name is in it, and says something."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

import tensorc as tc
from tensorc.api.methods import Tensor
from tests.documents import missing_names
from tools import gen_reference


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return gen_reference.pages()


def public_objects() -> dict[str, Any]:
    """Every public name with what it stands for: functions, classes, their methods and properties."""
    found: dict[str, Any] = {f"tc.{n}": getattr(tc, n) for n in tc.__all__}
    for space in ("nn", "special"):
        module = found.pop(f"tc.{space}")
        found |= {f"tc.{space}.{n}": getattr(module, n) for n in module.__all__}
    classes = {n: v for n, v in found.items() if inspect.isclass(v)} | {"Tensor": Tensor}
    for name, value in classes.items():
        for member, item in vars(value).items():
            if not member.startswith("_") and (inspect.isfunction(item) or isinstance(item, property)):
                found[f"{name}.{member}"] = item
    return {n: v for n, v in found.items() if callable(v) or isinstance(v, property)}


def test_every_public_name_is_in_the_reference(pages: dict[str, str]) -> None:
    text = "\n".join(pages.values())
    entered = set(re.findall(r"\{py:\w+\} ([\w.]+)", text)) | set(re.findall(r"`(tc\.\w+)`", text))
    objects = public_objects()
    assert len(objects) > 300
    assert sorted(set(objects) - entered) == []


def test_nothing_is_in_the_reference_twice(pages: dict[str, str]) -> None:
    entered = re.findall(r"\{py:\w+\} ([\w.]+)", "\n".join(pages.values()))
    assert sorted({n for n in entered if entered.count(n) > 1}) == []


def says_something(doc: str) -> bool:
    """More than a pointer to NumPy, and more than a formula."""
    return len(re.findall(r"[A-Za-z]{2,}", re.sub(r"numpy\.\w+", "", doc))) >= 2


def test_every_public_name_says_something() -> None:
    silent = [n for n, value in public_objects().items() if not says_something(inspect.getdoc(value) or "")]
    assert silent == []


def test_a_pointer_to_numpy_says_nothing() -> None:
    assert not says_something("numpy.sum.")
    assert not says_something("e**x.")
    assert says_something("numpy.sum: integers are summed in int64.")


def test_what_docstrings_speak_of_exists(pages: dict[str, str]) -> None:
    # Entries are fenced, so each is looked at by itself.
    entries = [e for text in pages.values() for e in re.split(r"^`{3,}.*$", text, flags=re.MULTILINE)]
    assert sorted({name for e in entries for name in missing_names(e)}) == []


def test_commands_are_in_the_reference(pages: dict[str, str]) -> None:
    from tensorc.cli.entry import COMMANDS

    assert re.findall(r"^## tensorc (\w+)", pages["commands.md"], re.MULTILINE) == [
        c.__name__.rpartition(".")[2] for c in COMMANDS
    ]
