"""What a processor says of itself: all that LLVM reads to name it and its features.

x86-64: the answers of `cpuid`, and which registers the system keeps (`xgetbv`), through a few bytes of
machine code. Source: Intel's Software Developer's Manual, volume 2, and LLVM's `TargetParser/Host.cpp` for
the leaves. AArch64: what Linux tells of its processors, which is where LLVM looks, too.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from functools import cache
from typing import Final

from tensorc.codegen_llvm import elf, loading

_ROW: Final = struct.Struct("<6I")
"""Leaf, subleaf, then the four registers of the answer."""
_CPUID: Final = bytes.fromhex(
    "53"  # push rbx
    "4885f6 741c"  # 1: test rsi, rsi; je 2
    "8b07 8b4f04 0fa2"  # mov eax, [rdi]; mov ecx, [rdi + 4]; cpuid
    "894708 895f0c 894f10 895714"  # mov [rdi + 8], eax; ... ebx; ... ecx; ... edx
    "4883c718 48ffce ebdf"  # add rdi, 24; dec rsi; jmp 1
    "5bc3"  # 2: pop rbx; ret
)
"""`uint64 (rows, count)`, whose result means nothing."""
_XGETBV: Final = bytes.fromhex("31c9 0f01d0 48c1e220 4809d0 c3")
"""`uint64 (nothing, nothing)`: xor ecx, ecx; xgetbv; shl rdx, 32; or rax, rdx; ret."""
_XGETBV_AT: Final = 64
_LEAVES: Final = (
    *((1, 0), (7, 0), (7, 1), (0xD, 1), (0x14, 0), (0x19, 0), (0x1E, 1), (0x24, 0)),
    *((0x80000001, 0), (0x80000008, 0)),
)
"""What LLVM asks for. An answer takes ten microseconds on a virtual machine."""
_EXTENDED: Final = 0x80000000
_REGISTERS: Final = 0xFFFFFFFF
"""In place of a leaf: the answer of `xgetbv`."""
_KEEPS_REGISTERS: Final = 1 << 27
_TOLD: Final = ("CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision", "Features")


@cache
def identity() -> bytes | None:
    """Equal where the processor is; None where there is no telling."""
    machine = loading.native_machine()
    try:
        if machine == elf.X86_64:
            return _x86()
        return _arm() if machine == elf.AARCH64 else None
    except OSError:
        return None


def _x86() -> bytes:
    code = loading.place_code(_CPUID.ljust(_XGETBV_AT, b"\xcc") + _XGETBV)
    kind = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_size_t)
    ask, kept = kind(code["code"]), kind(code["code"] + _XGETBV_AT)

    def answers(leaves: list[tuple[int, int]]) -> list[tuple[int, ...]]:
        rows = bytearray(b"".join(_ROW.pack(*leaf, 0, 0, 0, 0) for leaf in leaves))
        ask(ctypes.addressof(ctypes.c_char.from_buffer(rows)), len(leaves))
        return list(_ROW.iter_unpack(rows))

    basic, extended = answers([(0, 0), (_EXTENDED, 0)])
    known = [leaf for leaf in _LEAVES if leaf[0] <= (extended[2] if leaf[0] >= _EXTENDED else basic[2])]
    rows = [basic, extended, *map(_steady, answers(known))]
    if any(row[0] == 1 and row[4] & _KEEPS_REGISTERS for row in rows):
        rows.append((_REGISTERS, 0, 0, 0, *divmod(kept(None, 0), 1 << 32)))
    return b"".join(_ROW.pack(*row) for row in rows)


def _steady(row: tuple[int, ...]) -> tuple[int, ...]:
    """Without what differs between the cores of a processor, or with what the system does at the moment: the
    number of the core, and the room that registers take.
    """
    leaf, part, a, b, c, d = row
    if leaf == 1:
        return leaf, part, a, b & 0xFFFFFF, c, d
    return (leaf, part, a, 0, 0, 0) if leaf == 0xD else row


def _arm() -> bytes | None:
    with open("/proc/cpuinfo", "rb") as file:
        lines = file.read().decode("ascii", "replace").splitlines()
    told = sorted({line for line in lines if line.startswith(_TOLD)})
    return "\n".join([sys.platform, *told]).encode() if told else None
