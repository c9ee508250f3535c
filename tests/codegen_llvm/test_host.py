"""What this machine is to LLVM, remembered: only where nothing has changed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import tensorc as tc
from codegen_llvm import cache_support
from codegen_llvm.cache_support import entries, environment, program, use
from tensorc.codegen_llvm import folder, host, loading, processor
from tensorc.codegen_llvm.objects import frame, pack
from tests.threads.process import run

pytestmark = pytest.mark.skipif(
    not folder.SUPPORTED or loading.native_machine() is None, reason="LLVM is asked on this platform"
)
LLVM_LOADED = "\nimport sys\nprint('llvmlite' in sys.modules)\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache for this process, which has forgotten what it knew of the machine, and does so again."""
    use(monkeypatch, tmp_path / "cache")
    host.host.cache_clear()
    yield tmp_path / "cache"
    host.host.cache_clear()
    cache_support.settle_environment()


def records(place: Path) -> list[Path]:
    return sorted(place.glob("??/*.cpu"))


def test_the_answer_is_llvms_and_is_remembered(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert host.host() == host.asked()
    assert len(records(place)) == 1
    host.host.cache_clear()
    known = host.asked()
    monkeypatch.setattr(host, "asked", None)
    assert host.host() == known


@pytest.mark.parametrize("damage", [b"", b"x" * 300, frame("host", pack(["a", "b"])), frame("other", b"")])
def test_a_damaged_record_is_made_again(place: Path, damage: bytes) -> None:
    known = host.host()
    (record,) = records(place)
    good = record.read_bytes()
    record.write_bytes(damage)
    host.host.cache_clear()
    assert host.host() == known
    assert record.read_bytes() == good


def test_another_processor_or_llvmlite_has_a_record_of_its_own(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.host()
    monkeypatch.setattr(processor, "identity", lambda: b"another")
    host.host.cache_clear()
    host.host()
    assert len(records(place)) == 2
    monkeypatch.setattr(host, "_FILES", ("__init__.py",))
    host.host.cache_clear()
    host.host()
    assert len(records(place)) == 3


@pytest.mark.parametrize("what", ["processor", "llvmlite"])
def test_llvm_is_asked_where_it_cannot_be_told(
    place: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    if what == "processor":
        monkeypatch.setattr(processor, "identity", lambda: None)
    else:
        monkeypatch.setattr(host, "_FILES", ("no such file",))
    assert host.host() == host.asked()
    assert records(place) == []


def test_a_record_that_is_wrong_leaves_no_code_behind(place: Path) -> None:
    """Its process runs what it has compiled for the machine in the record; others must not find that."""
    truth = host.host()
    (record,) = records(place)
    lie = truth._replace(features=truth.features + ",-nosuch")
    record.write_bytes(frame("host", pack(lie)))
    host.host.cache_clear()
    assert host.host() == lie
    cache_support.settle_environment()
    x = tc.vector("x")
    f = tc.function([x], x + 41.5)
    assert f.origins["fast"] == "compiled"
    assert entries(place) == []
    assert records(place) == []


def test_a_hit_loads_no_llvm(tmp_path: Path) -> None:
    env = environment(tmp_path / "cache")
    code = program() + LLVM_LOADED
    assert cache_support.run(code, env).split() == ["compiled", "True"]
    assert cache_support.run(code, env).split() == ["cached", "False"]


def test_a_saved_function_loads_no_llvm(tmp_path: Path) -> None:
    env, path = environment(tmp_path / "cache"), str(tmp_path / "f.tensorc")
    saving = program() + f"\nf.save({path!r})"
    loading_it = f"import numpy as np, tensorc as tc\nf = tc.load({path!r})\n"
    loading_it += "print(f(np.zeros(3), np.zeros(3)).tolist(), f.origins['fast'])" + LLVM_LOADED
    cache_support.run(saving, env)
    assert cache_support.run(loading_it, env).split() == ["[1.0,", "1.0,", "1.0]", "stored", "False"]


def test_the_processor_says_the_same_on_every_core_and_in_every_process(tmp_path: Path) -> None:
    known = processor.identity()
    out = run(
        """
        from tensorc.codegen_llvm import processor
        for core in sorted(os.sched_getaffinity(0)):
            os.sched_setaffinity(0, [core])
            processor.identity.cache_clear()
            print(processor.identity().hex())
        """
    )
    assert known is not None
    assert set(out.split()) == {known.hex()}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="cpuid is an instruction of x86-64")
def test_cpuid_says_what_linux_says() -> None:
    known = processor.identity() or b""
    rows = {(r[0], r[1]): r[2:] for r in processor._ROW.iter_unpack(known)}
    text = Path("/proc/cpuinfo").read_text()

    def told(name: str) -> str:
        found = re.search(rf"^{name}\t*: (.*)$", text, re.MULTILINE)
        assert found is not None
        return found[1]

    vendor = rows[0, 0]
    assert b"".join(n.to_bytes(4, "little") for n in (vendor[1], vendor[3], vendor[2])).decode() == told(
        "vendor_id"
    )
    signature = rows[1, 0][0]
    assert signature & 15 == int(told("stepping"))
    flags = told("flags").split()
    for flag, leaf, register, bit in (
        ("sse4_2", (1, 0), 2, 20),
        ("avx2", (7, 0), 1, 5),
        ("avx512f", (7, 0), 1, 16),
        ("fma", (1, 0), 2, 12),
    ):
        assert bool(rows[leaf][register] >> bit & 1) == (flag in flags), flag
