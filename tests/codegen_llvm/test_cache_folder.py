"""Which folders the object cache uses, where they are, and how much it keeps in them."""

from __future__ import annotations

import os
import random
import stat
from pathlib import Path

import pytest

from codegen_llvm.cache_support import (
    entries,
    environment,
    make,
    origin,
    program,
    run,
    settle,
    use,
)
from tensorc.codegen_llvm import cache, folder
from tensorc.codegen_llvm.cache import Entry, Settings
from tensorc.codegen_llvm.folder import Unusable
from tensorc.codegen_llvm.objects import ObjectCode

pytestmark = pytest.mark.skipif(not folder.SUPPORTED, reason="no cache on a platform without dir_fd")
ROOT = os.name == "posix" and os.geteuid() == 0


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for this process."""
    use(monkeypatch, tmp_path / "cache")
    return tmp_path / "cache"


def refused(path: Path, reason: str) -> None:
    """Nothing is read or written there, and the reason can be seen."""
    kept = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}
    assert origin(3.0) == "compiled"
    assert origin(3.0) == "compiled"
    assert {p: p.read_bytes() for p in path.rglob("*") if p.is_file()} == kept
    with pytest.raises(Unusable, match=reason):
        cache.contents()


def test_a_folder_others_can_write_to(place: Path) -> None:
    make()
    place.chmod(0o770)
    refused(place, "written by other users")
    place.chmod(0o702)
    refused(place, "written by other users")
    place.chmod(0o755)
    assert origin() == "cached"


def test_a_link_in_place_of_the_folder(place: Path) -> None:
    make()
    moved = place.rename(place.parent / "moved")
    place.symlink_to(moved)
    refused(place, "symbolic link")
    place.unlink()
    place.symlink_to(place.parent / "nowhere")
    refused(place, "symbolic link")


def test_a_file_in_place_of_the_folder(place: Path) -> None:
    place.write_text("hello")
    refused(place, "Not a directory")
    assert place.read_text() == "hello"


def test_a_parent_that_is_missing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENSORC_CACHE_DIR", str(place / "a" / "b" / "c"))
    assert origin() == "compiled"
    assert not place.exists()
    with pytest.raises(Unusable, match="No such file"):
        cache.contents()


def test_entries_that_are_not_ours_to_trust(place: Path) -> None:
    make()
    (path,) = entries(place)
    path.chmod(0o622)
    assert origin() == "compiled"  # and it is replaced
    (path,) = entries(place)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    moved = path.rename(place / "moved.o")
    path.symlink_to(moved)
    assert origin() == "compiled"
    assert not path.is_symlink()
    path.unlink()
    os.mkfifo(path)
    assert origin() == "compiled"
    path.unlink()
    path.mkdir()  # which cannot be replaced
    assert origin() == "compiled"
    assert origin() == "compiled"
    path.rmdir()
    assert origin() == "compiled"
    assert origin() == "cached"
    path.parent.chmod(0o777)
    assert origin() == "compiled"
    path.parent.chmod(0o700)
    moved_folder = path.parent.rename(place / "moved")
    path.parent.symlink_to(moved_folder)
    assert origin() == "compiled"


@pytest.mark.skipif(not ROOT, reason="only root can give files away")
def test_a_foreign_owner(place: Path) -> None:
    make()
    (path,) = entries(place)
    for one in (place, path.parent, path):
        os.chown(one, 12345, -1)
        if one == place:
            refused(place, "another user")
        else:
            assert origin() == "compiled"
            continue
        os.chown(one, os.geteuid(), -1)
        assert origin() == "cached"


@pytest.mark.skipif(not ROOT, reason="only root can be another user")
def test_root_leaves_nothing_in_a_users_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch)
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 12345, -1)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("TENSORC_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert origin() == "compiled"
    assert list(home.iterdir()) == []
    with pytest.raises(Unusable, match="home belongs to another user"):
        cache.contents()


def test_a_folder_that_cannot_be_written_still_answers(place: Path) -> None:
    make()
    (path,) = entries(place)
    for one in (path, path.parent, place):
        one.chmod(0o500)
    try:
        assert origin() == "cached"
        assert origin(4.0) == "compiled"
    finally:
        place.chmod(0o700)
        path.parent.chmod(0o700)


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"TENSORC_CACHE": "0"}, "switched off"),
        ({"TENSORC_CACHE": " Off "}, "switched off"),
        ({"TENSORC_CACHE_SIZE": "0"}, "switched off"),
        ({"TENSORC_CACHE_SIZE": "many"}, "no size"),
        ({"TENSORC_CACHE_SIZE": "-1"}, "no size"),
        ({"TENSORC_CACHE_SIZE": "1e3"}, "no size"),
        ({"TENSORC_CACHE_DIR": "", "HOME": "/no/such/home"}, "no home folder"),
        ({"TENSORC_CACHE_DIR": "", "HOME": "home"}, "no home folder"),
        ({"TENSORC_CACHE_DIR": "", "HOME": ""}, "no home folder"),
    ],
)
def test_why_there_is_none(
    place: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], reason: str
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Unusable, match=reason):
        cache.contents()
    assert origin(5.0) == "compiled"
    assert not place.exists()


def test_no_home_at_all(place: Path, tmp_path: Path) -> None:
    nobody = "import pwd\ndef none(_): raise KeyError\npwd.getpwuid = none"
    env = environment(None)
    env.pop("HOME", None)
    assert run(program(before=nobody), env) == "compiled"


@pytest.mark.parametrize(
    ("text", "limit"), [("", 512 << 20), ("1000", 1000), ("10k", 10240), ("2 MiB", 2 << 20), ("3gb", 3 << 30)]
)
def test_sizes(place: Path, monkeypatch: pytest.MonkeyPatch, text: str, limit: int) -> None:
    monkeypatch.setenv("TENSORC_CACHE_SIZE", text)
    assert cache.settings() == Settings(place, limit)


def test_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TENSORC_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable, value, wanted in (
        ("XDG_CACHE_HOME", "", tmp_path / ".cache" / "tensorc"),
        ("XDG_CACHE_HOME", "relative", tmp_path / ".cache" / "tensorc"),
        ("XDG_CACHE_HOME", str(tmp_path / "x"), tmp_path / "x" / "tensorc"),
        ("TENSORC_CACHE_DIR", str(tmp_path / "y"), tmp_path / "y"),
    ):
        monkeypatch.setenv(variable, value)
        assert cache.settings().path == wanted


# ------------------------------------------------------------------------------------------------------ size


def test_the_least_recently_used_go_first(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        make(float(number))
    total = cache.contents().size
    for age, path in enumerate(sorted(entries(place), key=lambda p: p.stat().st_mtime)):
        os.utime(path, (1_000_000 + age, 1_000_000 + age))
    assert origin(0.0) == "cached"  # which makes it the last one used
    monkeypatch.setenv("TENSORC_CACHE_SIZE", str(total))
    assert origin(9.0) == "compiled"
    assert cache.contents().size <= total
    assert origin(0.0) == "cached"
    assert origin(9.0) == "cached"
    assert origin(1.0) == "compiled"


def test_many_functions_stay_within_the_limit(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = 200_000
    monkeypatch.setenv("TENSORC_CACHE_SIZE", str(limit))
    content = os.urandom(9000)
    for number in range(300):
        key = f"{random.Random(number).randrange(256):02x}" + f"{number:062x}"
        cache._put(cache.settings(), Entry(key, "f", "", (ObjectCode(content, (), ()),)))
        assert cache.contents().size <= limit
    assert len(entries(place)) >= 0.7 * limit / 12288
    names = {int(p.stem[2:], 16) for p in entries(place)}
    assert 299 in names
    assert min(names) > 200
    cache._put(cache.settings(), Entry("00" * 32, "f", "", (ObjectCode(bytes(limit), (), ()),)))
    assert not (place / "00" / ("00" * 32 + ".o")).exists()  # larger than all that is allowed
    assert len(entries(place)) >= 0.7 * limit / 12288


def test_the_number_of_files_is_bounded_too(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MOST", 50)
    for number in range(200):
        key = f"{number % 256:02x}" + f"{number:062x}"
        monkeypatch.setattr(cache, "_room", cache._Room())  # as if each came from a process of its own
        cache._put(cache.settings(), Entry(key, "f", "", (ObjectCode(b"", (), ()),)))
        assert len(entries(place)) <= 50
    assert len(entries(place)) >= 40


def test_clocks_that_jump(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        make(float(number))
    for path in entries(place):
        os.utime(path, (4_000_000_000, 4_000_000_000))  # used in the year 2096
    assert origin(2.0) == "cached"
    monkeypatch.setenv("TENSORC_CACHE_SIZE", str(cache.contents().size))
    assert origin(9.0) == "compiled"
    assert origin(9.0) == "cached"
    assert origin(2.0) == "cached"


def test_clear_removes_what_is_ours(place: Path) -> None:
    make()
    git_object, entry = "c0ffee" * 6 + "ab", "ab" * 32 + ".o"
    kept = [
        *(place / "ab" / name for name in (git_object, f"{entry}.old", f"{git_object}.o", "ab" * 32)),
        *(place / name for name in ("key", f"zz/{entry}", f"ab/folder/{entry}", entry)),
    ]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    assert cache.clear() == 2  # the function and the digest; the native entry is compiled once a process
    assert all(path.read_text() == "mine" for path in kept)
    assert cache.contents().files == ()
    assert origin() == "compiled"
