"""Files that `save` did not write: each is refused with one error or is a function like any other. Nothing in
them is executed or unpickled, and none takes memory that it does not have itself.

`TENSORC_MUTATIONS=1000` makes that many of each kind instead of a few.
"""

from __future__ import annotations

import io
import linecache
import os
import pickle
import random
import re
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy

import tensorc as tc
from api.saving_support import MANIFEST, Members, checksummed, manifest, members, packed, saved, with_manifest
from tensorc.api import saving
from tensorc.api.function import Function

COUNT = int(os.environ.get("TENSORC_MUTATIONS", "45"))
REFUSALS = {"TC0470", "TC0471", "TC0472", "TC0473", "TC0474"}
X = np.random.default_rng(0).normal(size=(4, 3))


@pytest.fixture(autouse=True)
def own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENSORC_CACHE_DIR", str(tmp_path / "cache"))


def program() -> Function:
    """Slices, broadcasting, a product, a gradient, indexing, state, a default, a large constant."""
    w = tc.shared(np.array([1.0, np.nan, -0.0]), "w")
    b = tc.shared(np.arange(3), "b")
    x, n = tc.matrix("x"), tc.iscalar("n")
    table = tc.asarray(np.arange(40.0).reshape(20, 2))
    y = tc.tanh(x[1:] * w + table[:2].sum())
    outputs = {"y": y @ x.T, "g": tc.grad(y.sum(), x)[b % 2] + n, "r": y.reshape(-1)[::2]}
    inputs = [x, tc.In(n, value=3, name="times")]
    return tc.function(inputs, outputs, updates={w: w + 1}, mode="O0", name="model")


class Original:
    """The file that is changed, and what the function in it gives."""

    def __init__(self) -> None:
        function = program()
        self.file = saved(function)
        self.data = self.file.getvalue()
        self.parts = members(self.file)
        self.code = self.parts["code/generic"]
        self.results = function(X)


@pytest.fixture
def original(own_key: None) -> Original:
    return Original()


def refused(error: tc.TensorcError) -> None:
    """One error of ours, with one of the promised codes."""
    assert error.code in REFUSALS, error
    assert str(error).count("error[") == 1


def load(data: bytes | io.BytesIO, original: Original) -> Function | None:
    """The function of a file, or None if it is refused as it should be."""
    try:
        function = tc.load(io.BytesIO(data) if isinstance(data, bytes) else data)
    except tc.TensorcError as error:
        return refused(error)
    if function.build.origins.get("generic") == "stored":
        assert function.machine.bodies["generic"].object_code.to_bytes() == original.code
    return function


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(a[k].tobytes() == b[k].tobytes() for k in a)


def call(function: Function) -> Any:
    """What a call gives, or the error it may end in."""
    try:
        return function(X)
    except (tc.TensorcError, MemoryError) as error:
        return error


def flip(data: bytes, r: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(r.choice((1, 1, 2, 8))):
        changed[r.randrange(len(changed))] ^= 1 << r.randrange(8)
    return bytes(changed)


def cut(data: bytes, r: random.Random) -> bytes:
    return data[: r.randrange(len(data))]


def drop(data: bytes, r: random.Random) -> bytes:
    a = r.randrange(len(data))
    return data[:a] + data[a + r.randrange(1, 50) :]


def insert(data: bytes, r: random.Random) -> bytes:
    a = r.randrange(len(data))
    return data[:a] + r.randbytes(r.randrange(1, 50)) + data[a:]


def exchange(data: bytes, r: random.Random) -> bytes:
    a, b, c = sorted(r.sample(range(len(data)), 3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


@pytest.mark.parametrize("change", [flip, cut, drop, insert, exchange])
def test_damaged_files(change: Callable[[bytes, random.Random], bytes], original: Original) -> None:
    r = random.Random(change.__name__)
    for _ in range(COUNT * 2):
        data = change(original.data, r)
        function = load(data, original)
        if function is not None:  # a date, say, or an attribute of the archive
            assert same(call(function), original.results)


def test_every_byte_of_the_manifest_counts(original: Original) -> None:
    text = original.parts[MANIFEST]
    r = random.Random(7)
    for _ in range(COUNT * 2):
        function = load(packed({**original.parts, MANIFEST: flip(text, r)}), original)
        if function is not None:
            call(function)


def test_members_exchanged_left_out_and_added(original: Original) -> None:
    names = list(original.parts)
    for a in names:
        for b in names:
            parts = {**original.parts, a: original.parts[b], b: original.parts[a]}
            for changed in (parts, checksummed(parts) if MANIFEST not in (a, b) or a == b else parts):
                function = load(packed(changed), original)
                assert a == b or function is None or {a, b} <= {"state/w.npy", "constants/0.npy"}
        left = {k: v for k, v in original.parts.items() if k != a}
        assert load(packed(left), original) is None
        assert a == MANIFEST or load(packed(checksummed(left)), original) is None
        more = {**original.parts, a + ".x": b"x"}
        assert load(packed(more), original) is None


def test_a_member_that_nothing_mentions_is_harmless(original: Original) -> None:
    function = load(packed(checksummed({**original.parts, "readme.txt": b"hello"})), original)
    assert function is not None
    assert same(call(function), original.results)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *[p for k, v in inner for p in places(v, (*path, k))]]


VALUES: list[Any] = [
    None, True, False, 0, 1, 2, -1, 7, 1.5, 2**31, 2**64, 10**400, -(10**30), "", "x", "w", "state/w.npy",
    "../../x", "/etc/passwd", "\0", "\ud800", "fast", "O3", "O9", "none", "one", "tuple", "a" * 20_000, [],
    {}, [[]], [0], [1], [0, 0], [0, 1], [None], ["x"], {"x": 1}, {"fast": None}, 1e308, float("nan"),
]  # fmt: skip


def test_manifests(original: Original) -> None:
    r = random.Random(3)
    for _ in range(COUNT * 8):
        table = manifest(original.parts)
        for _ in range(r.choice((1, 1, 2))):
            path = r.choice(places(table)[1:] or [()])
            target = table
            for step in path[:-1]:
                target = target[step]
            kind = r.randrange(4)
            if not path:
                continue
            if kind == 0 and isinstance(target, dict):
                del target[path[-1]]
            elif kind == 1 and isinstance(target, list):
                target.insert(path[-1], r.choice(VALUES))
            elif kind == 2 and isinstance(target, dict):
                target[r.choice(("x", "name", "code", "seal"))] = r.choice(VALUES)
            else:
                target[path[-1]] = r.choice(VALUES)
        function = load(packed(with_manifest(original.parts, table)), original)
        if function is not None:
            call(function)


def test_manifests_of_other_kinds(original: Original) -> None:
    texts = [
        b"", b"{", b"[]", b"null", b"1", b'"x"', b"{}", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000,
        b"1" * 10_000, b'{"format": "tensorc function", "version": 1}', b'{"format": NaN}',
        original.parts[MANIFEST].replace(b'"version": 1', b'"version": 1, "version": 1'),
        original.parts[MANIFEST].replace(b'"version": 1', b'"version": true'),
        original.parts[MANIFEST].replace(b'"version": 1', b'"version": 0'),
    ]  # fmt: skip
    for text in texts:
        assert load(packed({**original.parts, MANIFEST: text}), original) is None


def test_a_later_format_says_so(original: Original) -> None:
    table = manifest(original.parts) | {"version": 2, "tensorc": "9.1", "more": []}
    with pytest.raises(tc.TensorcValueError, match=r"TC0474.*\n(.*\n)*.*tensorc 9\.1"):
        tc.load(packed(with_manifest(original.parts, table)))


NUMBERS = ("0", "1", "-1", "7", "4294967296", "-9223372036854775808")
TOKENS = re.compile(r'%\w+|"[^"]*"|\w+|\S')


def ir_mutation(text: str, r: random.Random) -> str:
    """The text of a program with something exchanged, left out or repeated."""
    kind = r.randrange(6)
    if kind == 0:
        return flip(text.encode(), r).decode("utf-8", "replace")
    if kind == 1:
        lines = text.split("\n")
        a, b = r.randrange(len(lines)), r.randrange(len(lines))
        lines[a], lines[b] = r.choice(((lines[b], lines[a]), ("", lines[b]), (lines[b], lines[b])))
        return "\n".join(lines)
    tokens = list(TOKENS.finditer(text))
    a, b = r.choice(tokens), r.choice(tokens)
    if kind in (2, 3):  # a token of the same sort
        alike = [t for t in tokens if t.group()[0].isdigit() == a.group()[0].isdigit()]
        alike = [t for t in alike if (t.group()[0] == a.group()[0]) or t.group()[0].isalnum()]
        return text[: a.start()] + r.choice(alike or [b]).group() + text[a.end() :]
    if kind == 4 and a.group()[0].isdigit():
        return (
            text[: a.start()]
            + r.choice(("0", "1", "-1", "7", "4294967296", "-9223372036854775808"))
            + text[a.end() :]
        )
    return text[: a.start()] + b.group() + text[a.end() :]


def test_programs(original: Original) -> None:
    """Checksums are no protection: whatever the program says is verified."""
    text = original.parts[saving.PROGRAM].decode()
    r = random.Random(5)
    for _ in range(COUNT * 4):
        changed = text
        for _ in range(r.choice((1, 1, 1, 2, 4))):
            changed = ir_mutation(changed, r)
        parts = checksummed({**original.parts, saving.PROGRAM: changed.encode("utf-8", "replace")})
        function = load(packed(parts), original)
        if function is not None:
            result = call(function)
            assert function.build.origins["generic"] == "compiled" or same(result, original.results)


def npy_file(header: bytes, data: bytes, version: bytes = b"\1\0") -> bytes:
    length = struct.pack("<H" if version == b"\1\0" else "<I", len(header))
    return b"\x93NUMPY" + version + length + header + data


class Payload:
    """What leaves a trace if it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def head(descr: str, shape: str, fortran: str = "False") -> bytes:
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()


HEADERS = [
    head("'|O'", "(3,)"), head("'O'", "()"), head("'<U3'", "(2,)"), head("'<c16'", "(1,)"),
    head("'<f2'", "(12,)"), head("'>f8'", "(3,)"), head("'<M8[s]'", "(3,)"), head("'<f16'", "(1,)"),
    head("[('a', '<f8')]", "(3,)"), head("[('a', '|O')]", "(3,)"), head("('<f8', (3,))", "(1,)"),
    head("'<f8'", "(4,)"), head("'<f8'", "(2,)"), head("'<f8'", "(-3,)"), head("'<f8'", "(True, 3)"),
    head("'<f8'", "(1 << 60,)"), head("'<f8'", "(1152921504606846976,)"), head("'<f8'", "(2**40, 2**40)"),
    head("'<f8'", "(4611686018427387904, 4, 3)"), head("'<f8'", "(0, 10000000000000000000000)"),
    head("'<f8'", "(" + "1," * 70 + ")"), head("'<f8'", "[3]"), head("'<f8'", "3"), head("'<f8'", "(3.0,)"),
    head("'<f8'", "(3,)", "1"), head("'<f8'", "(3,)", "True"), 
    head("'<f8'", "(3, )").replace(b"}", b", 'x': 1}"),
    head("'<f8'", "__import__('os').mkdir('x')"), head("().__class__", "(3,)"), b"", b"{", b"None\n",
    head("'<f8'", "(3,)") + b" " * 60_000, b"(" * 4000, head("'<i8'", "(3,)"), head("'<f8'", "(3, 1)"),
    head("'<f4'", "(6,)"), head("'|b1'", "(24,)"), head("'<f8'", "(3L,)"),
]  # fmt: skip


def test_arrays(original: Original, tmp_path: Path) -> None:
    data = np.array([1.0, np.nan, -0.0]).tobytes()
    payload = pickle.dumps(Payload(tmp_path / "trace"))
    tracemalloc.start()
    try:
        for header in HEADERS:
            for content in (data, payload, b"", b"\x02" * 24):
                changed = {**original.parts, "state/w.npy": npy_file(header, content)}
                assert load(packed(checksummed(changed)), original) is None
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("version", [b"\2\0", b"\3\0", b"\0\0", b"\xff\xff"])
def test_other_versions_of_array_files(version: bytes, original: Original) -> None:
    content = npy_file(head("'<f8'", "(3,)"), bytes(24), version)
    assert load(packed(checksummed({**original.parts, "state/w.npy": content})), original) is None


def test_pickles_in_place_of_arrays(original: Original, tmp_path: Path) -> None:
    objects = np.array([Payload(tmp_path / "trace")], object)
    file = io.BytesIO()
    npy.write_array(file, objects, allow_pickle=True)
    for name in ("state/w.npy", "constants/0.npy", "defaults/1.npy"):
        for content in (file.getvalue(), pickle.dumps(Payload(tmp_path / "trace"))):
            assert load(packed(checksummed({**original.parts, name: content})), original) is None
    assert not (tmp_path / "trace").exists()


def test_arrays_that_fit_are_taken(original: Original) -> None:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    function = load(packed(checksummed({**original.parts, "state/w.npy": file.getvalue()})), original)
    assert function is not None
    assert not function.shared["w"].get_value().any()


def test_code_under_checksums_made_again_is_not_run(original: Original) -> None:
    r = random.Random(1)
    for _ in range(3):
        code = flip(original.code, r)
        assert load(packed(checksummed({**original.parts, "code/generic": code})), original) is None
    from tensorc.codegen_llvm.objects import ObjectCode

    found = ObjectCode.from_bytes(original.code)
    evil = ObjectCode(b"\x7fELF" + b"\xcc" * 200, found.exports, found.imports).to_bytes()
    function = load(packed(checksummed({**original.parts, "code/generic": evil})), original)
    assert function is not None
    assert function.build.origins["generic"] == "compiled"
    assert same(call(function), original.results)


def simple(body: str, takes: str = "%x: tensor<?xf64>", returns: str = "%y", **options: str) -> str:
    """The text of a function of one vector that returns one."""
    types = ", ".join(re.findall(r": (tensor<[^>]*>|index|memref<[^>]*>)", takes))
    result = options.get("result", "tensor<?xf64>")
    return f"""
"func.func"() ({{
^bb0({takes}):
  {body}
  "func.return"({returns}) : ({result}) -> ()
}}) {{function_type = ({types}) -> {result}, sym_name = "main"{options.get("attributes", "")}}} : () -> ()
"""


ADD = '%y = "tensorc.add"(%x, %x) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>'
SIZE = '%d = "tensorc.dim"(%x) {axis = 0 : i64} : (tensor<?xf64>) -> index'
ZERO = '%z = "arith.constant"() {value = 0 : index} : () -> index'
WIDE = (
    '%y = "tensorc.broadcast_to"(%x, %q) {shape = array<i64: -1>} : (tensor<?xf64>, index) -> tensor<?xf64>'
)


def computed(name: str, divisor: str = "%d") -> str:
    return f'{SIZE} {ZERO} %q = "arith.{name}"(%z, {divisor}) : (index, index) -> index {WIDE}'


TRUE = '%t = "arith.constant"() {value = true} : () -> i1'
LOOP = '"scf.for"(%d, %d, %d) ({^bb0(%i: index): "scf.yield"() : () -> ()}) : (index, index, index) -> ()'
MANY = '%c = "tensorc.constant"() {value = dense<1.0> : tensor<1048576xf64>} : () -> tensor<1048576xf64>'
WRONG_PROGRAMS = {
    "a division that traps": computed("divsi"),
    "a remainder that traps": computed("remsi", "%z"),
    "a shift": computed("shli"),
    "rounding down by zero": computed("floordivsi", "%z"),
    "rounding up by what may be zero": computed("ceildivsi"),
    "memory": f'{SIZE} %m = "memref.alloc"(%d) : (index) -> memref<?xf64> {ADD}',
    "an assumption": f'{TRUE} "tensorc.assume"(%t) : (i1) -> () {ADD}',
    "a call": f'%c = "func.call"(%x) {{callee = @main}} : (tensor<?xf64>) -> tensor<?xf64> {ADD}',
    "an unknown op": f'%c = "os.system"(%x) : (tensor<?xf64>) -> tensor<?xf64> {ADD}',
    "a scalar": f'%c = "arith.constant"() {{value = 1.0 : f64}} : () -> f64 {ADD}',
    "a number": f'%c = "arith.constant"() {{value = 1 : i64}} : () -> i64 {ADD}',
    "a loop": f"{SIZE} {LOOP} {ADD}",
    "a constant of many": f"{MANY} {ADD}",
    "a location alias": f"{ADD} loc(#loc1)",
}


def holding(text: str) -> io.BytesIO:
    """A file with that program, of one input and one result."""
    x = tc.vector("x")
    parts = members(saved(tc.function([x], x + x, mode="O0")))
    return packed(checksummed({**parts, saving.PROGRAM: text.encode()}))


def test_the_text_that_others_are_made_from_is_accepted() -> None:
    function = tc.load(holding(simple(ADD)))
    assert (function(np.ones(2)) == 2).all()
    assert function.build.origins == {"generic": "compiled"}  # names and locations are not those of the seal


@pytest.mark.parametrize("name", WRONG_PROGRAMS)
def test_programs_that_no_expression_makes(name: str) -> None:
    with pytest.raises(tc.TensorcValueError, match="TC0472"):
        tc.load(holding(simple(WRONG_PROGRAMS[name])))


NARROW = "tensor<?xbf16>"
TEXTS = [
    "",
    "module",
    simple(ADD) + simple(ADD),
    simple(ADD).replace("main", "other") + simple(ADD),
    simple(ADD, "%x: tensor<?xf64>, %u: tensor<?xf64>"),
    simple(ADD, "%x: index"),
    simple("", "%x: memref<?xf64>", "%x", result="memref<?xf64>"),
    simple(SIZE, returns="%d", result="index"),
    simple(ADD.replace("f64", "bf16"), f"%x: {NARROW}", result=NARROW),
    simple(ADD).replace("tensor<?x", "tensor<" + "?x" * 33),
    "#a = [1]\n" + simple(ADD),
    "#a0 = 1\n" + "".join(f"#a{i + 1} = [#a{i}, #a{i}]\n" for i in range(99)) + simple(ADD),
    "!t = tensor<?xf64>\n" + simple(ADD),
    "(" * 100_000,
    '"func.func"() ({}) {function_type = () -> (), sym_name = "f"} : () -> ()',
]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_texts_that_are_no_program(text: str) -> None:
    with pytest.raises(tc.TensorcValueError, match="TC0472"):
        tc.load(holding(text))


@pytest.mark.parametrize(
    "attributes",
    ["tensorc.contiguous", "tensorc.first_site = 7 : i64", 'arg_attrs = [{tensorc.dims = ["n"]}]', "x.y = 1"],
)
def test_what_a_function_claims_of_itself_is_not_believed(attributes: str) -> None:
    function = tc.load(holding(simple(ADD, attributes=f", {attributes}")))
    assert (function(np.ones(4)[::-2]) == 2).all()
    assert attributes not in function.source("tensor")


FILES = [
    "/dev/zero",
    "/dev/../dev/zero",
    "/proc/kcore",
    "//host/x.py",
    "\\\\\\\\host\\\\x.py",
    "/tmp",
    "x\\1B[2J",
]


@pytest.mark.parametrize("file", FILES)
def test_nothing_but_sources_is_opened_for_an_error(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    y = '%y = "tensorc.gather"(%x, %i) {axis = 0 : i64} : (tensor<?xf64>, tensor<1xi64>) -> tensor<1xf64>'
    i = '%i = "tensorc.constant"() {value = dense<9> : tensor<1xi64>} : () -> tensor<1xi64>'
    function = tc.load(holding(simple(f'{i} {y} loc("{file}":1:1)', result="tensor<1xf64>")))
    opened: list[str] = []
    monkeypatch.setattr(linecache, "getline", lambda name, *rest: opened.append(name) or "")
    with pytest.raises(tc.TensorcIndexError) as caught:
        function(np.ones(2))
    assert "\x1b" not in str(caught.value)
    assert set(opened) <= {__file__}


def archive(parts: Members, change: Callable[[zipfile.ZipInfo], None], compression: int = 0) -> io.BytesIO:
    """The members under headers that `change` has seen."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as made:
        for name, data in parts.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = compression
            change(entry)
            made.writestr(entry, data)
    file.seek(0)
    return file


def as_link(entry: zipfile.ZipInfo) -> None:
    if entry.filename.startswith("state"):
        entry.external_attr = 0o120777 << 16


def as_folder(entry: zipfile.ZipInfo) -> None:
    if entry.filename.startswith("state"):
        entry.external_attr = 0o040777 << 16


@pytest.mark.parametrize("change", [as_link, as_folder])
def test_members_that_are_no_files(change: Callable[[zipfile.ZipInfo], None], original: Original) -> None:
    assert load(archive(original.parts, change), original) is None


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_members(compression: int, original: Original) -> None:
    bomb = npy_file(head("'<f8'", "(2500000,)"), bytes(20_000_000)) if compression == 8 else b"x" * 1000
    parts = checksummed({**original.parts, "state/w.npy": bomb})
    file = archive(parts, lambda entry: None, compression)
    tracemalloc.start()
    try:
        assert load(file, original) is None
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_encrypted_members(original: Original) -> None:
    data = bytearray(original.data)
    place = data.rfind(b"PK\1\2")
    data[place + 8] |= 1
    assert load(bytes(data), original) is None


@pytest.mark.parametrize("name", ["state/w.npy", MANIFEST, saving.PROGRAM])
def test_two_members_of_one_name(name: str, original: Original) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for other, data in original.parts.items():
            made.writestr(other, data)
        with pytest.warns(UserWarning, match="Duplicate name"):
            made.writestr(name, original.parts[name])
    assert load(file, original) is None


@pytest.mark.parametrize(
    "name", ["../w.npy", "/w.npy", "state/../w.npy", "c:w.npy", "a\\w.npy", "state//w.npy", "."]
)
def test_names_that_lead_elsewhere(name: str, original: Original) -> None:
    parts = {k: v for k, v in original.parts.items() if k != "state/w.npy"} | {
        name: original.parts["state/w.npy"]
    }
    table = manifest(parts)
    table["cells"][0]["member"] = name
    assert load(packed(checksummed(with_manifest(parts, table))), original) is None


def test_members_that_overlap(original: Original) -> None:
    """One piece of the file as the content of many members: each is small, together they are not."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, data in original.parts.items():
            made.writestr(name, data)
        for i in range(2000):
            twin = zipfile.ZipInfo(f"twin{i}")
            first = made.getinfo("code/generic")
            for field in ("CRC", "file_size", "compress_size", "header_offset"):
                setattr(twin, field, getattr(first, field))
            made.filelist.append(twin)
    assert load(file, original) is None


def test_what_is_no_archive(tmp_path: Path, original: Original) -> None:
    for data in (b"", b"PK", b"PK\5\6" + bytes(18), b"\0" * 10_000, b"PK\3\4" * 1000, pickle.dumps([1])):
        assert load(data, original) is None
    (tmp_path / "some.tc").write_bytes(b"text")
    with pytest.raises(tc.TensorcValueError, match=r"TC0470.*some\.tc: not a saved function"):
        tc.load(tmp_path / "some.tc")
    with pytest.raises(OSError, match="directory"):
        tc.load(tmp_path)
