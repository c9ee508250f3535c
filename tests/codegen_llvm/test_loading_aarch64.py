"""Code for AArch64, on whatever machine: instructions against the manual, and programs in an emulator."""

from __future__ import annotations

import ctypes
import struct
from typing import Any

import pytest

from codegen_llvm.test_loading import EXPORTS, KINDS
from tensorc.codegen_llvm import elf, loading, relocations
from tensorc.codegen_llvm.elf import Malformed, Unknown

pytestmark = pytest.mark.skipif(loading.native_machine() is None, reason="LLVM's loader serves this platform")
AT = 0x7F0000001000


@pytest.mark.parametrize(
    ("code", "kind", "aim", "wanted"),
    [
        (0x94000000, 283, AT + 8, 0x94000002),  # bl .+8
        (0x94000000, 283, AT - 4, 0x97FFFFFF),  # bl .-4
        (0x14000000, 282, AT + 4, 0x14000001),  # b .+4
        (0x14000000, 282, AT - (1 << 27), 0x16000000),  # b, as far back as it goes
        (0x90000000, 275, AT + 0x1000, 0xB0000000),  # adrp x0, the next page
        (0x90000000, 275, AT - 1, 0xF0FFFFE0),  # adrp x0, the page before
        (0x90000008, 275, AT + 0x5FFF, 0xB0000028),  # adrp x8, five pages on
        (0x91000000, 277, 0x123, 0x91048C00),  # add x0, x0, #0x123
        (0x39400000, 278, 0xFFF, 0x397FFC00),  # ldrb w0, [x0, #0xfff]
        (0xF9400000, 286, AT + 0x128, 0xF9409400),  # ldr x0, [x0, #0x128]
        (0x3DC00000, 299, AT + 0x120, 0x3DC04800),  # ldr q0, [x0, #0x120]
    ],
)
def test_instructions_are_the_manuals(code: int, kind: int, aim: int, wanted: int) -> None:
    assert relocations._arm_instruction(code, kind, AT, aim, 0) == wanted


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(Unknown, match="reach"):
        relocations._arm_instruction(0x94000000, 283, AT, AT + (1 << 27), 0)
    assert relocations._arm_instruction(0x94000000, 283, AT, AT + (1 << 27), AT + 4) == 0x94000001
    with pytest.raises(Unknown, match="reach"):
        relocations._arm_instruction(0x90000000, 275, AT, AT + (1 << 32), 0)
    with pytest.raises(Malformed, match="aligned"):
        relocations._arm_instruction(0xF9400000, 286, AT, AT + 0x124, 0)
    with pytest.raises(Unknown, match="relocation 999"):
        relocations._arm_instruction(0, 999, AT, AT, 0)


def compiled(level: int) -> bytes:
    llvm = pytest.importorskip("llvmlite.binding")
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    triple = "aarch64-unknown-linux-gnu"
    machine = llvm.Target.from_triple(triple).create_target_machine(opt=level, reloc="pic", codemodel="small")
    module = llvm.parse_assembly(KINDS)
    module.triple, module.data_layout = triple, str(machine.target_data)
    return bytes(machine.emit_object(module))


OUTSIDE = {
    "imaxabs": (0xF100001F, 0xDA80A400, 0xD65F03C0),  # cmp x0, #0; cneg x0, x0, lt; ret
    "PyErr_Occurred": (0xD2800000, 0xD65F03C0),  # mov x0, #0; ret
    "fmod": (0x1E7F1000, 0xD65F03C0),  # fmov d0, #-1.5; ret
}
"""What the programs call, in place of the libraries' own."""
FAR = 0x100000000000
"""Where functions and data of libraries lie: calls of them go through stubs."""
STACK, END = 0x200000000000, 0x300000000000


class Emulated:
    """Machine code that was placed for AArch64, run by Unicorn."""

    def __init__(self, data: bytes, unicorn: Any) -> None:
        from unicorn import arm64_const

        self._registers = arm64_const
        bound = {name: FAR + 64 * n for n, name in enumerate((*OUTSIDE, "Py_OptimizeFlag"))}
        self.memory, self.found = loading.place([data], elf.AARCH64, bound)
        self._machine = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        base = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self._machine.mem_map(base, len(self.memory))
        self._machine.mem_write(base, bytes(self.memory))
        for place in (FAR, STACK - 65536, END):
            self._machine.mem_map(place, 65536)
        for name, code in OUTSIDE.items():
            self._machine.mem_write(bound[name], struct.pack(f"<{len(code)}I", *code))
        self._machine.mem_write(bound["Py_OptimizeFlag"], struct.pack("<i", 40))

    def __call__(self, name: str, *arguments: int, real: float = 0.0) -> tuple[int, float]:
        r, machine = self._registers, self._machine
        for register, value in zip((r.UC_ARM64_REG_X0, r.UC_ARM64_REG_X1), arguments, strict=False):
            machine.reg_write(register, value & (1 << 64) - 1)
        machine.reg_write(r.UC_ARM64_REG_CPACR_EL1, 3 << 20)  # floating point is allowed
        machine.reg_write(r.UC_ARM64_REG_D0, struct.unpack("<Q", struct.pack("<d", real))[0])
        machine.reg_write(r.UC_ARM64_REG_SP, STACK - 4096)
        machine.reg_write(r.UC_ARM64_REG_LR, END)
        machine.emu_start(self.found[name], END, count=10_000)
        assert machine.reg_read(r.UC_ARM64_REG_PC) == END
        whole = machine.reg_read(r.UC_ARM64_REG_X0)
        bits = machine.reg_read(r.UC_ARM64_REG_D0)
        return whole - (whole >> 63 << 64), struct.unpack("<d", struct.pack("<Q", bits))[0]


@pytest.mark.parametrize("level", [0, 2])
def test_programs_in_an_emulator(level: int) -> None:
    """Tables of addresses, zeros, data, jump tables, constants, functions and data of libraries far away."""
    unicorn = pytest.importorskip("unicorn", reason="Unicorn emulates AArch64; it is in the extra 'oracle'")
    run = Emulated(compiled(level), unicorn)
    assert set(EXPORTS) <= set(run.found)
    assert [run("through", n, -7)[0] for n in (0, 1)] == [7, -21]
    assert [run("count", n)[0] for n in (3, 3, 63)] == [5, 10, 5]
    assert run("outside")[0] == 41
    chosen = [run("choose", k, real=-4.5)[1] for k in range(6)]
    assert chosen == [1.5, 20.25, 4.5, -1.5, 2.5e300, -1.0]
