"""`tensorc cache ls|clear|size`."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import numpy as np
import pytest

import tensorc as tc
from codegen_llvm.cache_support import entries, use
from tensorc.cli import cache as command
from tensorc.codegen_llvm import folder
from tests.cli.support import call, wrong

pytestmark = pytest.mark.skipif(not folder.SUPPORTED, reason="no cache on a platform without dir_fd")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use(monkeypatch, tmp_path / "cache")
    return tmp_path / "cache"


def fill() -> None:
    x = tc.vector("x")
    for name in ("first", "second"):
        tc.function([x], x + len(name), name=name)(np.ones(2))
    tc.function([x], x * 7, name="third", mode="O0")


def test_ls_names_what_is_kept(place: Path) -> None:
    assert call("cache", "ls").out == ""
    fill()
    for age, path in enumerate(sorted(entries(place), key=lambda p: p.stat().st_mtime)):
        then = time.time() - (3, 2, 1)[age] * 3600 - 10
        os.utime(path, (then, then))
    before = [p.stat().st_mtime for p in entries(place)]
    lines = call("cache", "ls").out.splitlines()
    assert [re.sub(r"^ *[\d.]+ KiB", "SIZE", line) for line in lines] == [
        "SIZE      1 h  third  (generic body, O0)",
        "SIZE      2 h  second  (fast body, O3)",
        "SIZE      3 h  first  (fast body, O3)",
    ]
    assert [p.stat().st_mtime for p in entries(place)] == before


def test_ls_survives_damage(place: Path) -> None:
    fill()
    first, second, _ = entries(place)
    first.write_bytes(b"")
    second.write_bytes(os.urandom(5000))
    found = call("cache", "ls")
    assert found.status == 0
    assert found.out.count("(damaged)") in (1, 2)  # random bytes may look like a name
    assert len(found.out.splitlines()) == 3


def test_size_and_clear(place: Path) -> None:
    assert call("cache", "size").out == f"{place}: 0 entries, 0 B of 512 MiB\n"
    assert call("cache", "clear").out == f"removed 0 files from {place}\n"
    assert not place.exists()
    fill()
    assert re.fullmatch(
        rf"{re.escape(str(place))}: 3 entries, [\d.]+ KiB of 512 MiB\n", call("cache", "size").out
    )
    (place / "key").write_text("not ours to remove")
    assert call("cache", "clear").out == f"removed 4 files from {place}\n"  # and the digest of the sources
    assert [p.name for p in place.iterdir()] == ["key"]


def test_why_there_is_no_cache(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill()
    place.chmod(0o777)
    for action in ("ls", "size", "clear"):
        found = call("cache", action)
        assert (found.status, found.err) == (0, "")
        assert found.out == f"no cache: {place} can be written by other users\n"
    assert len(entries(place)) == 3
    line = next(line for line in call("doctor").out.splitlines() if " cache " in line)
    assert line.startswith("absent  cache ")
    assert "can be written by other users" in line
    place.chmod(0o700)
    line = next(line for line in call("doctor").out.splitlines() if " cache " in line)
    assert line.startswith("ok      cache ")
    monkeypatch.setenv("TENSORC_CACHE", "0")
    assert call("cache", "size").out == "no cache: switched off by TENSORC_CACHE=0\n"


@pytest.mark.parametrize("line", ["cache", "cache list", "cache ls more", "cache clear --all"])
def test_wrong_use(line: str) -> None:
    assert call(*line.split()).status == 2


def test_wrong_use_is_one_complaint() -> None:
    wrong("cache", "list", status=2, says=["ls", "clear", "size"])


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (1024 * 1024 - 1, "1.0 MiB"),
        (200 << 20, "200 MiB"),
        (512 << 20, "512 MiB"),
        (3 << 40, "3 TiB"),
        (5 << 50, "5120 TiB"),
    ],
)
def test_sizes_for_people(count: int, text: str) -> None:
    assert command.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (59.0, "59 s"),
        (61.0, "1 min"),
        (7200.0, "2 h"),
        (864000.0, "10 d"),
        (-1.0, "0 s"),
        (-1e9, "future"),
    ],
)
def test_ages_for_people(seconds: float, text: str) -> None:
    assert command.age(seconds) == text
