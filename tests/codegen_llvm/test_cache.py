"""The object cache: what finds an entry and what does not; that nothing that happens to its files matters."""

from __future__ import annotations

import os
import random
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tensorc as tc
from codegen_llvm.cache_support import (
    entries,
    environment,
    finish,
    leftovers,
    make,
    origin,
    program,
    run,
    settle,
    start,
    use,
)
from tensorc.api.function import Function
from tensorc.codegen_llvm import cache, folder, jit, sources
from tensorc.codegen_llvm.cache import Entry
from tensorc.codegen_llvm.folder import Unusable
from tensorc.codegen_llvm.objects import ObjectCode, frame
from tensorc.passes import manager

pytestmark = pytest.mark.skipif(not folder.SUPPORTED, reason="no cache on a platform without dir_fd")
ROOT = os.name == "posix" and os.geteuid() == 0


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for this process."""
    use(monkeypatch, tmp_path / "cache")
    return tmp_path / "cache"


# ------------------------------------------------------------------------------------------------------- hits


def test_a_second_function_is_found(place: Path) -> None:
    assert origin() == "compiled"
    assert len(entries(place)) == 1
    assert origin() == "cached"
    assert origin(2.0) == "compiled"
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(p.stat().st_mode) == 0o600 for p in entries(place))


def test_a_hit_runs_no_pass_and_no_llvm(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    f = make()
    a, b = np.arange(6.0)[::2], np.ones(1)
    expected = f(a, a), f(a, b)  # the generic body
    for module, name in ((manager, "run"), (jit, "_optimised"), (jit, "compile_text")):
        monkeypatch.setattr(module, name, None)
    g = make()
    assert [g(a, a).tobytes(), g(a, b).tobytes()] == [e.tobytes() for e in expected]
    assert g.origins == {"fast": "cached", "generic": "cached"}


def test_a_hit_imports_no_compiler(place: Path) -> None:
    """Neither LLVM, passes nor emitter, nor OpenSSL: importing them takes longer than the whole hit."""
    code = (
        program()
        + """
import sys
slow = ("hashlib", "secrets", "sysconfig", "llvmlite")
print(*sorted(m for m in sys.modules if m.startswith("tensorc.passes.") or "emitter" in m or m in slow))
"""
    )
    first = set(run(code, environment(place)).split())
    second = set(run(code, environment(place)).split())
    assert {"tensorc.passes.manager", "tensorc.codegen_llvm.emitter", "tensorc.passes.fuse"} < first
    assert second == {"cached", "tensorc.passes.pipelines", "tensorc.passes.sites"}


def test_an_error_from_cached_code_names_its_own_line(place: Path) -> None:
    def add() -> Function:
        x, y = tc.vector("x"), tc.vector("y")
        return tc.function([x, y], x + y)

    def add_again() -> Function:
        first, second = tc.vector("first"), tc.vector("second")
        return tc.function([first, second], first + second)

    messages = []
    for function in (add(), add_again()):
        with pytest.raises(tc.TensorcError) as error:
            function(np.ones(2), np.ones(3))
        messages.append(str(error.value))
    assert function.origins["fast"] == "cached"
    assert "x + y" in messages[0]
    assert "first + second" in messages[1]


def test_large_constants_and_state_are_not_in_the_code(place: Path) -> None:
    def shifted(value: float) -> Function:
        x, w = tc.vector("x"), tc.shared(np.full(3, value))
        return tc.function([x], x + np.full(100, value) + w.sum(), updates={w: w * 2})

    assert shifted(1.0)(np.zeros(100))[0] == 4
    g = shifted(2.0)
    assert g.origins["fast"] == "cached"
    assert g(np.zeros(100))[0] == 8
    assert g(np.zeros(100))[0] == 14


def test_another_process_finds_it(place: Path) -> None:
    """Whatever its addresses and hash seed, and however its user writes the program."""
    others = [
        (program(), environment(place), []),
        (program(before="# a comment\n\nunused = [1, 2]"), environment(place, PYTHONHASHSEED="1"), []),
        (program().replace('"x"', '"left"'), environment(place, PYTHONHASHSEED="random"), []),
    ]
    probe = shutil.which("setarch")
    if probe and subprocess.run([probe, "-R", "true"], check=False, capture_output=True).returncode == 0:
        others.append((program(), environment(place), [probe, "-R"]))
    assert run(program(), environment(place, PYTHONHASHSEED="0")) == "compiled"
    processes = [start(*other) for other in others]
    assert [finish(p) for p in processes] == ["cached"] * len(others)
    assert len(entries(place)) == 2  # the function and the native entry


def test_the_cache_is_used_by_default_and_can_be_switched_off(tmp_path: Path) -> None:
    home = environment(None, HOME=str(tmp_path))
    assert run(program(), {**home, "TENSORC_CACHE": "0"}) == "compiled"
    assert list(tmp_path.iterdir()) == []
    assert run(program(), home) == "compiled"
    assert len(entries(tmp_path / ".cache" / "tensorc")) == 2
    assert run(program(), home) == "cached"


# -------------------------------------------------------------------------------------------------- the key


def digest(**changes: str) -> str:
    """The key of some texts in this environment, with changes."""
    found = {**cache.environment(), **changes}
    return cache.key_of(["text"], "\n".join(f"{k} {v}" for k, v in found.items()), b"s" * 32)


def test_the_key_changes_with_every_part_of_the_environment() -> None:
    names = list(cache.environment())
    assert {"python", "numpy", "scipy", "llvmlite", "llvm", "triple", "cpu", "features"} <= set(names)
    keys = [digest(), *(digest(**{name: "other"}) for name in names)]
    assert len(set(keys)) == len(keys)
    text = "\n".join(f"{k} {v}" for k, v in cache.environment().items())
    assert cache.key_of(["text"], text, b"s" * 32) == digest()
    assert cache.key_of(["text"], text, b"t" * 32) != digest()
    assert cache.key_of(["tex", "t"], text, b"s" * 32) != digest()
    assert cache.key_of(["text", ""], text, b"s" * 32) != digest()


def programs() -> dict[str, Callable[[], Function]]:
    x, y, z = tc.vector("x"), tc.vector("y"), tc.fvector("z")
    w = tc.shared(np.zeros(3), name="w")
    return {
        "base": lambda: tc.function([x, y], x * y),
        "order of arguments": lambda: tc.function([y, x], tc.exp(x) * y),
        "another order": lambda: tc.function([x, y], tc.exp(x) * y),
        "dtype": lambda: tc.function([x, z], x * z),
        "rank": lambda: tc.function([x, y], (x * y).sum()),
        "two outputs": lambda: tc.function([x, y], [x * y, x * y]),
        "shared": lambda: tc.function([x], x * w),
        "known extent": lambda: (
            tc.function([x], x * tc.tensor("k", shape=(3,)), givens={}, on_unused_input="ignore")
            if False
            else tc.function([k := tc.tensor("k", shape=(3,)), x], k * x)
        ),
        "a constant": lambda: tc.function([x, y], x * y * 2),
        "another constant": lambda: tc.function([x, y], x * y * 3),
        "minus zero": lambda: tc.function([x, y], x * y + np.array([-0.0])),
        "zero": lambda: tc.function([x, y], x * y + np.array([0.0])),
        "update": lambda: tc.function([x], x * w, updates={w: w * 2}),
        "O1": lambda: tc.function([x, y], x * y, mode="O1"),
        "O2": lambda: tc.function([x, y], x * y, mode="O2"),
        "O0": lambda: tc.function([x, y], x * y, mode="O0"),
    }


def test_the_key_changes_with_the_program(place: Path) -> None:
    seen = 0
    for name, compile in programs().items():
        assert set(compile().origins.values()) == {"compiled"}, name
        seen += 1
        assert len(entries(place)) == seen, name
    for name, compile in programs().items():
        assert set(compile().origins.values()) == {"cached"}, name
    f = programs()["base"]()
    f(np.ones(4)[::2], np.ones(2))
    assert f.origins == {"fast": "cached", "generic": "compiled"}
    assert len(entries(place)) == seen + 1


def test_the_key_changes_with_the_vector_width(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorc.api import build

    assert origin() == "compiled"
    monkeypatch.setattr(build, "_vector_width", lambda: 128)
    assert origin() == "compiled"
    assert origin() == "cached"


# ------------------------------------------------------------------------- a compiler that a program changes


@pytest.mark.parametrize("where", ["rules", "canonicalize", "stabilise"])
@pytest.mark.parametrize("name", ["CANONICAL", "STABLE"])
def test_rules_entered_by_hand_neither_meet_nor_leave_entries(
    place: Path, monkeypatch: pytest.MonkeyPatch, where: str, name: str
) -> None:
    from tensorc.passes import canonicalize, rules, stabilise

    module = {"rules": rules, "canonicalize": canonicalize, "stabilise": stabilise}[where]
    make(1.0)
    with monkeypatch.context() as m:
        m.setattr(module, name, rules.SHIPPED[name][:-1], raising=False)
        assert origin(1.0) == "compiled"
        assert origin(2.0) == "compiled"
    assert origin(1.0) == "cached"
    assert origin(2.0) == "compiled"


def test_passes_entered_by_hand(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorc.passes import pipelines

    assert origin(1.0) == "compiled"
    with monkeypatch.context() as m:
        m.setitem(pipelines.PIPELINES, "O3", f"{pipelines.O3},cse,dce")
        assert origin(1.0) == "compiled"
        assert origin(1.0) == "cached"  # the names of passes are part of the key
        m.setitem(pipelines.PASSES, "cse", "my_passes:Cse")
        assert not pipelines.own_sources("O3")
        assert pipelines.own_sources("O1")
    assert origin(1.0) == "cached"


FOREIGN_OP = """
from tensorc.ops import dtypes
from tensorc.ops.base import register
from tensorc.ops.families import Pointwise

@register
class Triple(Pointwise):
    \"\"\"FACTOR x.\"\"\"
    name = "tensorc.triple"
    public = "triple"
    accepts = dtypes.FLOATS
    not_differentiable = "triple: not needed"

    @classmethod
    def reference(cls, attrs, x):
        return x * FACTOR

    @staticmethod
    def scalar(s, elements, x):
        return s.mulf(x, s.constant(FACTOR, x.type))

import numpy as np
import tensorc as tc
from tensorc.api.expr import make
from tensorc.ir.definition import NO_ATTRS
from tensorc.ir.location import UNKNOWN
x = tc.vector("x")
(y,) = make(Triple, (x,), NO_ATTRS, UNKNOWN)
f = tc.function([x], y)
assert f(np.ones(2)).tolist() == [FACTOR] * 2
print(f.origins["fast"])
"""


def test_an_op_of_the_program_is_compiled_every_time(place: Path) -> None:
    """Its lowering is in a file that no key knows."""
    for factor in ("3.0", "4.0"):
        assert run(FOREIGN_OP.replace("FACTOR", factor), environment(place)) == "compiled"
    assert len(entries(place)) == 1  # the native entry


def test_the_key_does_not_change_with_names(place: Path) -> None:
    def function(argument: str, state: str, name: str) -> Function:
        x = tc.vector(argument)
        return tc.function([x], x + tc.shared(np.ones(2), name=state), name=name)

    assert function("x", "w", "f").origins["fast"] == "compiled"
    for names in (("y", "w", "f"), ("x", "v", "f"), ("x", "w", "g"), ("größe", "w w", "größe")):
        assert function(*names).origins["fast"] == "cached", names


# ---------------------------------------------------------------------------------------------- the sources


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A small package to digest."""
    (tmp_path / "package" / "inner").mkdir(parents=True)
    (tmp_path / "package" / "__pycache__").mkdir()
    for name in ("a.py", "inner/b.py", "inner/c.ll", "notes.txt", "__pycache__/a.pyc"):
        (tmp_path / "package" / name).write_text(name)
    return tmp_path / "package"


def listed(package: Path) -> bytes:
    return sources._listing(package, float("inf"))


def content(package: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.setattr(sources, "PACKAGE", package)
    return sources.content(listed(package))


def test_the_digest_is_of_names_and_contents(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = content(package, monkeypatch)
    shutil.copytree(package, package.parent / "copy")
    assert content(package.parent / "copy", monkeypatch) == first
    (package / "notes.txt").write_text("other")
    (package / "__pycache__" / "a.pyc").write_text("other")
    assert content(package, monkeypatch) == first
    (package / "inner" / "c.ll").write_text("other")
    second = content(package, monkeypatch)
    (package / "inner" / "c.ll").rename(package / "inner" / "d.ll")
    third = content(package, monkeypatch)
    (package / "new.py").write_text("")
    assert len({first, second, third, content(package, monkeypatch)}) == 4


def test_a_change_that_keeps_size_and_time_is_seen(package: Path) -> None:
    file = package / "a.py"
    before, status = listed(package), file.stat()
    file.write_text("A.py")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file.stat().st_size == status.st_size
    assert listed(package) != before


def test_sources_that_changed_after_the_process_began_are_not_trusted(
    place: Path, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert origin() == "compiled"
    monkeypatch.setattr(sources, "LOADED", 0.0)
    with pytest.raises(Unusable, match="changed after"):
        cache.contents()
    assert origin(7.0) == "compiled"  # the key is known, but this code may be made by other sources
    assert len(entries(place)) == 1
    assert origin() == "cached"
    cache._listing.cache_clear()
    cache._sources.cache_clear()
    assert origin() == "compiled"


def test_the_digest_is_remembered_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make()
    (remembered,) = place.glob("??/*.src")
    settle(monkeypatch)
    with monkeypatch.context() as m:
        m.setattr(sources, "content", None)
        assert origin() == "cached"
    remembered.write_bytes(remembered.read_bytes()[:-1])
    settle(monkeypatch)
    assert origin() == "cached"
    remembered.write_bytes(frame("sources", b"short"))
    settle(monkeypatch)
    assert origin() == "cached"


# --------------------------------------------------------------------------------------------- damaged files

PARTS = (ObjectCode(b"first", ("a",), ()), ObjectCode(b"second", (), ("b", "c")))
KEY = "1f" * 32


def test_an_entry_as_bytes() -> None:
    entry = Entry(KEY, "f", "fast body, O3", PARTS)
    assert Entry.from_bytes(KEY, entry.to_bytes()) == entry
    assert cache.title(entry.to_bytes()[:4096]) == ("f", "fast body, O3")
    strange = Entry(KEY, "ä\n\x1b[31m\ud800" * 100, "", ()).to_bytes()
    name, _ = cache.title(strange)
    assert name.isascii()
    assert name.isprintable()


def test_every_truncation_and_every_flipped_byte_is_refused() -> None:
    data = Entry(KEY, "f", "", PARTS).to_bytes()
    for length in range(len(data)):
        with pytest.raises(ValueError, match=r"."):
            Entry.from_bytes(KEY, data[:length])
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= random.Random(position).randrange(1, 256)
        with pytest.raises(ValueError, match=r"."):
            Entry.from_bytes(KEY, bytes(damaged))


def test_entries_with_a_checksum_but_nonsense_inside_are_refused_or_read() -> None:
    """Whoever makes checksums is believed; what does not fit together is not."""
    data = Entry(KEY, "f", "", PARTS).to_bytes()
    content = data[cache.FRAME :]
    generator = random.Random(2)
    for _ in range(3000):
        mutated = bytearray(content)
        for _ in range(generator.randrange(1, 4)):
            mutated[generator.randrange(len(mutated))] = generator.randrange(256)
        if generator.random() < 0.3:
            del mutated[generator.randrange(len(mutated)) :]
        try:
            entry = Entry.from_bytes(KEY, frame("entry", bytes(mutated)))
        except ValueError:
            continue
        assert sum(len(part.content()) for part in entry.parts) < len(mutated)


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif how == "flipped":
        path.write_bytes(data[:-100] + bytes([data[-100] ^ 1]) + data[-99:])
    elif how == "garbage":
        path.write_bytes(os.urandom(len(data)))
    elif how == "version":
        path.write_bytes(data[:16] + b"\xff" + data[17:])


@pytest.mark.parametrize("how", ["empty", "cut", "flipped", "garbage", "version"])
def test_a_damaged_entry_is_replaced(place: Path, how: str) -> None:
    make()
    (path,) = entries(place)
    damage(path, how)
    assert origin() == "compiled"
    assert origin() == "cached"


def test_a_damaged_entry_is_removed_where_nothing_takes_its_place(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    (path,) = entries(place)
    damage(path, "cut")
    monkeypatch.setattr(folder, "write", lambda *_: None)
    assert origin() == "compiled"
    assert entries(place) == []


def test_an_entry_under_another_key_is_not_taken(place: Path) -> None:
    make(1.0)
    (first,) = entries(place)
    make(2.0)
    (second,) = set(entries(place)) - {first}
    shutil.copy(second, first)
    assert origin(1.0) == "compiled"  # `make` compares the result


@pytest.mark.parametrize("wrong", ["exports", "object", "imports", "parts"])
def test_an_entry_that_cannot_be_loaded_is_replaced(place: Path, wrong: str) -> None:
    make()
    (path,) = entries(place)
    entry = Entry.from_bytes(path.stem, path.read_bytes())
    (code,) = entry.parts
    parts = {
        "exports": (ObjectCode(code.data, ("a", "b"), code.imports),),
        "object": (ObjectCode(b"\x7fELF", code.exports, code.imports),),
        "imports": (ObjectCode(code.data, code.exports, ("tensorc_no_such_thing",)),),
        "parts": (code, code),
    }[wrong]
    path.write_bytes(Entry(entry.key, "f", "", parts).to_bytes())
    assert origin() == "compiled"
    assert origin() == "cached"


# --------------------------------------------------------------------------------------------------- writers


def test_eight_writers_at_once(place: Path) -> None:
    processes = [start(program(), environment(place)) for _ in range(8)]
    assert {finish(p) for p in processes} <= {"compiled", "cached"}
    assert len(entries(place)) == 2
    assert leftovers(place) == []
    assert run(program(), environment(place)) == "cached"


KILLED = """
import os, random, signal, sys
from pathlib import Path
from tensorc.codegen_llvm import folder
from tensorc.codegen_llvm.cache import Entry
from tensorc.codegen_llvm.objects import ObjectCode
entry = Entry("ab" * 32, "f", "", (ObjectCode(os.urandom(1 << 20), (), ()),)).to_bytes()
with folder.opened(Path(sys.argv[1]), create=True) as root:
    for attempt in range(int(sys.argv[2])):
        child = os.fork()
        if not child:
            while True:
                folder.write(root, "ab", "ab" * 32 + ".o", entry)
        import time
        time.sleep(random.uniform(0.001, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = folder.read(root, "ab", "ab" * 32 + ".o", 1 << 30)
        if found is not None:
            Entry.from_bytes("ab" * 32, found)
"""


def test_killed_while_writing(place: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(place), "80"],  # one in six is killed inside of a write
        env=environment(place),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert len(entries(place)) == 1
    assert leftovers(place)
    for path in leftovers(place):
        os.utime(path, (0, 0))
    make()
    assert leftovers(place) == []


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failing_write_leaves_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    class Failing:
        def __init__(self, descriptor: int, *_: object) -> None:
            self.descriptor = descriptor

        def __enter__(self) -> Failing:
            os.write(self.descriptor, b"part")
            raise error

        def __exit__(self, *_: object) -> None: ...

    make(1.0)  # the digest of the sources is there
    with monkeypatch.context() as m:
        m.setattr(os, "replace", lambda *a, **k: (_ for _ in ()).throw(error))
        if isinstance(error, KeyboardInterrupt):
            with pytest.raises(KeyboardInterrupt):
                make(2.0)
        else:
            assert origin(2.0) == "compiled"
    assert leftovers(place) == []
    assert len(entries(place)) == 1


def test_a_limit_on_file_size(place: Path) -> None:
    """What a full disk does, without one."""
    before = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
    assert run(program(before=before), environment(place)) == "compiled"
    assert entries(place) == leftovers(place) == []


def test_cleared_while_others_load(place: Path) -> None:
    loop = """
import numpy as np, tensorc as tc
x = tc.vector("x")
for i in range(30):
    assert tc.function([x], x + i % 3)(np.zeros(2)).tolist() == [i % 3] * 2
"""
    processes = [start(loop, environment(place)) for _ in range(2)]
    while any(p.poll() is None for p in processes):
        for path in [*entries(place), *place.glob("??")]:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    for process in processes:
        finish(process)
