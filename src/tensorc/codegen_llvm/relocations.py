"""How addresses are written into machine code: the kinds of relocation that LLVM makes of
position-independent code in the small code model, for x86-64 and AArch64.

A symbol is `(address, slot, stub)`: where it is; where its address stands in memory, or 0; and code that
jumps to it, for calls that do not reach it, or 0. Sources: the x86-64 psABI, section 4.4; the ELF for the Arm
64-bit architecture, section 5.7; the Arm architecture reference manual for the instructions.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from mmap import mmap
from typing import Final, Protocol

from tensorc.codegen_llvm.elf import AARCH64, RELOCATION, X86_64, Malformed, Unknown

Symbols = Sequence[tuple[int, int, int] | None]
STUB: Final = 16
"""Bytes that a stub takes."""
_WORD: Final = struct.Struct("<i")
_UNSIGNED: Final = struct.Struct("<I")
_LONG: Final = struct.Struct("<Q")
_ALL: Final = (1 << 64) - 1


class Relocate(Protocol):
    """Change a section of `size` bytes that lies at `at` in memory and will run at `address`. Raises
    Malformed where a record leads beyond it, Unknown for other kinds and for distances that are too long.
    """

    def __call__(
        self, memory: mmap, at: int, address: int, size: int, records: memoryview, symbols: Symbols
    ) -> None: ...


class Stub(Protocol):
    """Code at `address` that jumps to where the word at `slot` says."""

    def __call__(self, address: int, slot: int) -> bytes: ...


class Machine:
    """One kind of processor."""

    __slots__ = ("relocate", "stub")

    def __init__(self, relocate: Relocate, stub: Stub) -> None:
        self.relocate, self.stub = relocate, stub


def _symbol(symbols: Symbols, number: int, offset: int, width: int, size: int) -> tuple[int, int, int]:
    """The symbol of a record that changes `width` bytes."""
    if number >= len(symbols) or offset + width > size:
        raise Malformed("a relocation beyond its section or its symbols")
    symbol = symbols[number]
    if symbol is None:
        raise Unknown("a relocation against what is not loaded")
    return symbol


def _known(slot: int) -> int:
    if slot == 0:
        raise Unknown("the word of a local symbol")
    return slot


def _fits(distance: int) -> bool:
    return -(1 << 31) <= distance < 1 << 31


def _too_far() -> Unknown:
    return Unknown("a distance that the code does not reach")


# ---------------------------------------------------------------------------------------------------- x86-64

_64, _PC32, _PLT32, _PC64 = 1, 2, 4, 24
_GOTPCREL: Final = (9, 41, 42)


def _x86(memory: mmap, at: int, address: int, size: int, records: memoryview, symbols: Symbols) -> None:
    for offset, kind, number, addend in RELOCATION.iter_unpack(records):
        wide = kind in (_64, _PC64)
        target, slot, stub = _symbol(symbols, number, offset, 8 if wide else 4, size)
        place = address + offset
        if wide:
            base = place if kind == _PC64 else 0
            _LONG.pack_into(memory, at + offset, (target + addend - base) & _ALL)
            continue
        if kind in _GOTPCREL:
            target = _known(slot)
        elif kind not in (_PC32, _PLT32):
            raise Unknown(f"relocation {kind} of x86-64")
        value = target + addend - place
        if not _fits(value) and kind == _PLT32 and stub:
            value = stub + addend - place
        if not _fits(value):
            raise _too_far()
        _WORD.pack_into(memory, at + offset, value)


def _x86_stub(address: int, slot: int) -> bytes:
    return b"\xff\x25" + _WORD.pack(slot - address - 6)  # jmp *slot(%rip)


# --------------------------------------------------------------------------------------------------- AArch64

_A_ABS64, _A_PREL64, _A_PREL32, _A_PAGE, _A_GOT_PAGE = 257, 260, 261, 275, 311
_A_LOW: Final = {277: 0, 278: 0, 284: 1, 285: 2, 286: 3, 299: 4, 312: 3}
"""The low twelve bits of an address in an instruction, as multiples of its access (a power of two)."""
_A_GOT: Final = (_A_GOT_PAGE, 312)
_A_JUMPS: Final = (282, 283)
_FIELD12: Final = 0xFFF << 10
_FIELD26: Final = (1 << 26) - 1
_FIELD_PAGE: Final = 3 << 29 | 0x7FFFF << 5


def _arm(memory: mmap, at: int, address: int, size: int, records: memoryview, symbols: Symbols) -> None:
    for offset, kind, number, addend in RELOCATION.iter_unpack(records):
        wide = kind in (_A_ABS64, _A_PREL64)
        target, slot, stub = _symbol(symbols, number, offset, 8 if wide else 4, size)
        place, aim = address + offset, (_known(slot) if kind in _A_GOT else target) + addend
        if wide:
            _LONG.pack_into(memory, at + offset, (aim - (place if kind == _A_PREL64 else 0)) & _ALL)
        elif kind == _A_PREL32:
            if not _fits(aim - place):
                raise _too_far()
            _WORD.pack_into(memory, at + offset, aim - place)
        else:
            (code,) = _UNSIGNED.unpack_from(memory, at + offset)
            _UNSIGNED.pack_into(memory, at + offset, _arm_instruction(code, kind, place, aim, stub + addend))


def _arm_instruction(code: int, kind: int, place: int, aim: int, stub: int) -> int:
    """An instruction with an address in it."""
    if kind in _A_LOW:
        low, shift = aim & 0xFFF, _A_LOW[kind]
        if low & ((1 << shift) - 1):
            raise Malformed("an access to what is not aligned")
        return code & ~_FIELD12 | low >> shift << 10
    if kind in (_A_PAGE, _A_GOT_PAGE):
        return _arm_page(code, place, aim)
    if kind not in _A_JUMPS:
        raise Unknown(f"relocation {kind} of AArch64")
    for goal in (aim, stub):
        distance = goal - place
        if -(1 << 27) <= distance < 1 << 27 and not distance & 3:
            return code & ~_FIELD26 | distance >> 2 & _FIELD26
    raise _too_far()


def _arm_page(code: int, place: int, aim: int) -> int:
    """`adrp`: the distance in pages of 4 KiB."""
    pages = (aim >> 12) - (place >> 12)
    if not -(1 << 20) <= pages < 1 << 20:
        raise _too_far()
    return code & ~_FIELD_PAGE | (pages & 3) << 29 | (pages >> 2 & 0x7FFFF) << 5


def _arm_stub(address: int, slot: int) -> bytes:
    adrp = _arm_page(0x90000010, address, slot)
    load = 0xF9400210 | (slot & 0xFFF) >> 3 << 10
    return struct.pack("<III", adrp, load, 0xD61F0200)  # adrp x16, slot; ldr x16, [x16, :lo12:slot]; br x16


MACHINES: Final = {X86_64: Machine(_x86, _x86_stub), AARCH64: Machine(_arm, _arm_stub)}
