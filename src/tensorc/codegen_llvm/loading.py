"""Object code placed in memory, and what it needs bound.

Linux: one mapping for all parts, with a loader of our own (`elf.py`, `relocations.py`), because LLVM is of no
other use to a process that finds its code in the cache: loading it takes longer than all else. What that
loader does not know, and other systems, are left to LLVM's (`llvm_loader.py`), which takes the same bytes.

No page is ever writable and executable at once: a mapping is filled, then tables become read-only, then code
becomes executable. Frames of our code are not registered for unwinding: nothing throws through them, and a
thread that ends in C is not stopped by frames without tables.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from tensorc.codegen_llvm import elf
from tensorc.codegen_llvm.elf import Malformed, Unknown
from tensorc.codegen_llvm.objects import ObjectCode
from tensorc.codegen_llvm.relocations import MACHINES, STUB
from tensorc.codegen_llvm.runtime_symbols import address_of
from tensorc.ir.errors import InternalError

_WORD: Final = struct.Struct("<Q")
_READ, _EXECUTE = 1, 4
_TABLES, _CODE, _DATA = 0, 1, 2
"""The order of what lies in a mapping, by what may be done with it."""


class Code:
    """Machine code in memory. The addresses are valid as long as this object lives, which owns the memory."""

    __slots__ = ("_owner", "addresses")

    def __init__(self, owner: object, addresses: dict[str, int]) -> None:
        self._owner = owner
        self.addresses = addresses

    def __getitem__(self, name: str) -> int:
        return self.addresses[name]


def load(*parts: ObjectCode, exports: Sequence[str] | None = None) -> Code:
    """Place object code in memory and bind what it needs; parts may call one another. Gives the addresses of
    `exports`, or of all.

    Raises InternalError if a symbol cannot be found, or the code is damaged.
    """
    provided = {name for part in parts for name in part.exports}
    bound = {name: address_of(name) for part in parts for name in part.imports if name not in provided}
    wanted = tuple(provided if exports is None else exports)
    machine = native_machine()
    if machine is not None:
        try:
            owner, found = place([part.data for part in parts], machine, bound)
            return Code(owner, _wanted(found, wanted))
        except (Unknown, OSError):
            pass
        except Malformed as error:
            raise InternalError(f"loading compiled code failed: {error}") from None
    from tensorc.codegen_llvm import llvm_loader

    return Code(*llvm_loader.load([part.data for part in parts], bound, wanted))


def _wanted(found: Mapping[str, int], names: Sequence[str]) -> dict[str, int]:
    missing = [name for name in names if name not in found]
    if missing:
        raise InternalError(f"loading compiled code failed: it does not define {', '.join(missing)}")
    return {name: found[name] for name in names}


@cache
def native_machine() -> int | None:
    """This machine's number in ELF files, if the loader of this module serves here."""
    if sys.platform != "linux" or sys.byteorder != "little" or sys.maxsize < 1 << 32:
        return None
    number = {"x86_64": elf.X86_64, "aarch64": elf.AARCH64}.get(os.uname().machine)
    return None if number == elf.AARCH64 and _flush() is None else number


def place(files: Sequence[bytes], machine: int, bound: Mapping[str, int]) -> tuple[mmap.mmap, dict[str, int]]:
    """Object files in one new mapping, ready to run, and where their global symbols are. They find each
    other's symbols, those in `bound`, and what else they need by `address_of`.

    Raises Malformed, Unknown, InternalError for a symbol that nobody has, and OSError without memory or
    rights.
    """
    image = _Image([elf.read(data) for data in files], machine)
    image.fill({name: bound.get(name) or address_of(name) for name in image.missing})
    image.protect()
    return image.memory, image.defined


def place_code(code: bytes) -> Code:
    """A few bytes of machine code that need nothing, as `code`. Raises OSError where that is not allowed."""
    memory = mmap.mmap(-1, len(code), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory[:] = code
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    _allow(address, len(code), _READ | _EXECUTE)
    return Code(memory, {"code": address})


class _Image:
    """Sections of object files, where they lie in one mapping: tables, code, data. Behind the tables comes a
    word for every global symbol, which holds its address; behind the code, a stub for every one from
    elsewhere.
    """

    def __init__(self, objects: Sequence[elf.Object], machine: int) -> None:
        if any(o.machine != machine for o in objects):
            raise Malformed("code of another machine")
        self._objects, self._machine = objects, MACHINES[machine]
        names = {name for o in objects for name, _, _ in o.symbols if name}
        here = [
            (name, k, section, value)
            for k, o in enumerate(objects)
            for name, section, value in o.symbols
            if name and section is not None
        ]
        self.missing = sorted(names.difference(name for name, *_ in here))
        if len(names) != len(here) + len(self.missing):
            raise Malformed("the same symbol twice")
        self._starts = self._lay_out(len(names))
        self.memory = mmap.mmap(-1, self._starts[-1], flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._base = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.defined = {name: self._base + self._at[k, section] + value for name, k, section, value in here}

    def _lay_out(self, names: int) -> tuple[int, int, int, int]:
        """Give every section its place; where tables, code, data, and nothing more begin."""
        self._at: dict[tuple[int, int], int] = {}
        place, starts = 0, [0]
        for kind in (_TABLES, _CODE, _DATA):
            for k, o in enumerate(self._objects):
                for section in o.sections.values():
                    if _kind(section) == kind:
                        place = _up(place, section.align)
                        self._at[k, section.number] = place
                        place += section.size
            if kind == _TABLES:
                self._slots = place = _up(place, _WORD.size)
                place += _WORD.size * names
            elif kind == _CODE:
                self._stubs = place = _up(place, STUB)
                place += STUB * len(self.missing)
            place = _up(place, mmap.PAGESIZE)
            starts.append(place)
        if place > elf.MOST:
            raise Malformed(f"code that takes {place} bytes")
        return starts[0], starts[1], starts[2], max(place, mmap.PAGESIZE)

    def fill(self, elsewhere: Mapping[str, int]) -> None:
        """Write the contents of the sections, and all addresses in them."""
        reached = self._tables(elsewhere)
        for k, o in enumerate(self._objects):
            symbols = [self._symbol(k, s, reached) for s in o.symbols]
            for section in o.sections.values():
                at = self._at[k, section.number]
                self.memory[at : at + len(section.content)] = section.content
                for records in section.relocations:
                    self._machine.relocate(self.memory, at, self._base + at, section.size, records, symbols)

    def _tables(self, elsewhere: Mapping[str, int]) -> dict[str, tuple[int, int, int]]:
        """Write words and stubs; by name, where a symbol is, its word, and its stub, if it has one."""
        reached = {}
        for n, (name, address) in enumerate([*elsewhere.items(), *self.defined.items()]):
            slot, stub = self._slots + _WORD.size * n, 0
            _WORD.pack_into(self.memory, slot, address)
            if n < len(elsewhere):
                at = self._stubs + STUB * n
                stub = self._base + at
                jump = self._machine.stub(stub, self._base + slot)
                self.memory[at : at + len(jump)] = jump
            reached[name] = address, self._base + slot, stub
        return reached

    def _symbol(
        self, k: int, symbol: elf.Symbol, reached: Mapping[str, tuple[int, int, int]]
    ) -> tuple[int, int, int] | None:
        name, section, value = symbol
        if name:
            return reached[name]
        return None if section is None else (self._base + self._at[k, section] + value, 0, 0)

    def protect(self) -> None:
        """Take away what nobody needs: writing to tables and code, running anything but code."""
        tables, code, data, _ = self._starts
        for start, end, rights in ((tables, code, _READ), (code, data, _READ | _EXECUTE)):
            if end > start:
                _allow(self._base + start, end - start, rights)
        flush = _flush()
        if flush is not None:
            flush(self._base + code, self._base + data)


def _kind(section: elf.Section) -> int:
    return _DATA if section.writable else _CODE if section.executable else _TABLES


def _up(place: int, align: int) -> int:
    return -(-place // align) * align


def _allow(address: int, size: int, rights: int) -> None:
    """What may be done with pages. Raises OSError."""
    if _c().mprotect(address, size, rights) != 0:
        raise OSError(ctypes.get_errno(), f"no rights for machine code: {os.strerror(ctypes.get_errno())}")


@cache
def _c() -> Any:
    library = ctypes.CDLL(None, use_errno=True)
    library.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return library


@cache
def _flush() -> Callable[[int, int], object] | None:
    """What makes an AArch64 processor see new instructions; None where there is none, and on x86-64."""
    if os.uname().machine != "aarch64":
        return None
    try:
        clear = ctypes.CDLL("libgcc_s.so.1").__clear_cache
    except (OSError, AttributeError):
        return None
    clear.argtypes, clear.restype = (ctypes.c_void_p, ctypes.c_void_p), None
    return clear
