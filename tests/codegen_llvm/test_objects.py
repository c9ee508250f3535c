"""Object code as bytes: what was written is read back, anything else is refused."""

from __future__ import annotations

import hashlib
import random

import pytest

from codegen_llvm.entry_bodies import make, plus_one, signature
from tensorc.codegen_llvm.native import NativeBody, compile_object
from tensorc.codegen_llvm.objects import FRAME, ObjectCode, frame, unframe

CODE = ObjectCode(bytes(range(256)) * 3, ("f.packed", "größe"), ("erf", "tensorc_alloc"))


@pytest.mark.parametrize(
    "code",
    [CODE, ObjectCode(b"", (), ()), ObjectCode(b"\0", ("",), ()), ObjectCode(b"x" * 100_000, ("a",), ())],
)
def test_round_trip(code: ObjectCode) -> None:
    assert ObjectCode.from_bytes(code.to_bytes()) == code


def test_compiled_code_survives_the_round_trip() -> None:
    code = compile_object("f", plus_one(), signature(1, 1), level=1)
    assert NativeBody(ObjectCode.from_bytes(code.to_bytes())).object_code == code


def test_every_truncation_is_refused() -> None:
    data = CODE.to_bytes()
    for length in range(len(data)):
        with pytest.raises(ValueError, match=r"few|announced"):
            ObjectCode.from_bytes(data[:length])
    with pytest.raises(ValueError, match="announced"):
        ObjectCode.from_bytes(data + b"\0")


def test_every_flipped_byte_is_refused() -> None:
    data = CODE.to_bytes()
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= random.Random(place).randrange(1, 256)
        with pytest.raises(ValueError, match=r"."):
            ObjectCode.from_bytes(bytes(damaged))


def test_kind_and_version_are_checked() -> None:
    with pytest.raises(ValueError, match="object"):
        unframe("object", frame("entry", b"content"))
    data = bytearray(frame("object", b"content"))
    data[16] += 1  # the version, with a checksum that is right
    data[28:FRAME] = hashlib.sha256(data[:28] + b"content").digest()
    with pytest.raises(ValueError, match="version 2"):
        unframe("object", bytes(data))


def test_lists_of_symbols_that_do_not_end_are_refused() -> None:
    """Behind a checksum that is right."""
    content = CODE.to_bytes()[FRAME:]
    symbols = len(content) - len(CODE.data)
    for length in range(symbols):
        with pytest.raises(ValueError, match="cut off"):
            ObjectCode.from_bytes(frame("object", content[:length]))
    generator = random.Random(1)
    for _ in range(2000):
        mutated = bytearray(content[:symbols])
        for _ in range(generator.randrange(1, 4)):
            mutated[generator.randrange(symbols)] = generator.randrange(256)
        try:
            ObjectCode.from_bytes(frame("object", bytes(mutated)))
        except ValueError:
            continue


def test_code_that_lacks_its_symbols_is_not_loaded() -> None:
    from tensorc.ir.errors import InternalError

    code = compile_object("f", plus_one(), signature(1, 1), level=0)
    assert make(plus_one(), signature(1, 1)) is not None
    with pytest.raises(InternalError):
        NativeBody(ObjectCode(code.data, ("g.packed", "f.packed"), code.imports))
    with pytest.raises(InternalError):
        NativeBody(ObjectCode(b"not an object file", code.exports, ()))
    with pytest.raises(InternalError, match="no library"):
        NativeBody(ObjectCode(code.data, code.exports, ("tensorc_no_such_thing",)))
