"""Relocatable ELF files of 64-bit little-endian machines, as LLVM writes them, taken apart.

Every offset and count is checked, so that no content leads beyond the file. What a file may hold besides what
our code needs (thread-local memory, indirect functions, constructors, groups) is `Unknown` rather than
guessed: another loader may do better. Source: the System V ABI, chapters 4 (object files) of its generic
part.
"""

from __future__ import annotations

import struct
from typing import Final, NoReturn

X86_64: Final = 62
AARCH64: Final = 183

_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_IDENT: Final = (b"\x7fELF\x02\x01\x01\x00\x00", b"\x7fELF\x02\x01\x01\x03\x00")
"""64 bits, little-endian, version 1; of no system in particular, or GNU's."""
_RELOCATABLE: Final = 1
_SECTION: Final = struct.Struct("<IIQQQQIIQQ")
_SYMBOL: Final = struct.Struct("<IBBHQQ")
RELOCATION: Final = struct.Struct("<QIIq")
"""Offset, kind, number of the symbol, addend."""

_PROGBITS, _SYMTAB, _RELA, _NOTE, _NOBITS, _REL = 1, 2, 4, 7, 8, 9
_CONSTRUCTORS: Final = (14, 15, 16)
_UNWIND: Final = 0x70000001
"""How x86-64 calls the section of unwind tables; elsewhere it is told by its name."""
_UNWIND_NAME: Final = b".eh_frame"
_WRITE, _ALLOC, _EXEC = 1, 2, 4
_HARMLESS: Final = _WRITE | _ALLOC | _EXEC | 0x10 | 0x20
"""And those of constants that a linker may merge, which is not done here."""
_UNDEFINED: Final = 0
_RESERVED: Final = 0xFF00
"""Numbers of sections from here on mean something else."""
_GLOBAL: Final = 1
_SYMBOL_KINDS: Final = frozenset(binding << 4 | kind for binding in (0, _GLOBAL) for kind in range(5))
"""Local and global ones; of no type, objects, functions, sections, files."""
_MOST_ALIGNED: Final = 4096
MOST: Final = 1 << 30
"""Bytes a section may take in memory."""


class Malformed(Exception):
    """No relocatable file of such a machine, or one whose numbers do not fit together."""


class Unknown(Exception):
    """Something that a relocatable file may hold, but is not known here."""


class Section:
    """A part of the file that is to lie in memory: `content` and zeros, `size` bytes together.
    `relocations` are the records that change it.
    """

    __slots__ = ("align", "content", "executable", "number", "relocations", "size", "writable")

    def __init__(self, number: int, flags: int, align: int, size: int, content: memoryview) -> None:
        self.number, self.align, self.size, self.content = number, max(align, 1), size, content
        self.writable, self.executable = bool(flags & _WRITE), bool(flags & _EXEC)
        self.relocations: list[memoryview] = []


Symbol = tuple[str, int | None, int]
"""A name, and a place: the number of a section and bytes into it; None for what another file, or a library,
defines. Symbols of nothing that lies in memory have neither name nor section.
"""


class Object:
    """A file: its machine, the sections that lie in memory, by number, and its table of symbols."""

    __slots__ = ("machine", "sections", "symbols")

    def __init__(self, machine: int, sections: dict[int, Section], symbols: list[Symbol]) -> None:
        self.machine, self.sections, self.symbols = machine, sections, symbols


def read(data: bytes) -> Object:
    """Take a relocatable file apart. Raises Malformed, and Unknown for what it holds beyond this module."""
    return _Reader(data).object()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        if len(data) < _HEADER.size or not data.startswith(_IDENT):
            raise Malformed("not a 64-bit little-endian ELF file")
        _, kind, self._machine, _, _, _, table, _, _, _, _, entry, count, names = _HEADER.unpack_from(data)
        if kind != _RELOCATABLE or entry != _SECTION.size or not 0 < count < _RESERVED:
            raise Malformed("not a relocatable ELF file with sections")
        self._headers = list(_SECTION.iter_unpack(self._part(table, count * entry)))
        self._names = bytes(self._content(names))

    def object(self) -> Object:
        """All of it."""
        sections = {
            number: self._section(number, header)
            for number, header in enumerate(self._headers)
            if header[2] & _ALLOC and not self._skipped(header)
        }
        for header in self._headers:
            self._relocations(header, sections)
        tables = [number for number, header in enumerate(self._headers) if header[1] == _SYMTAB]
        if len(tables) > 1:
            raise Malformed("two tables of symbols")
        symbols = self._symbols(tables[0], sections) if tables else []
        return Object(self._machine, sections, symbols)

    def _part(self, offset: int, size: int) -> memoryview:
        if offset + size > len(self._data):
            raise Malformed(f"{size} bytes at {offset} are beyond the end of the file")
        return self._data[offset : offset + size]

    def _content(self, number: int) -> memoryview:
        if number >= len(self._headers):
            raise Malformed(f"there is no section {number}")
        header = self._headers[number]
        return self._part(header[4], header[5])

    def _skipped(self, header: tuple[int, ...]) -> bool:
        """Whether the code works without it: nothing unwinds our frames (README), notes are for linkers."""
        return header[1] in (_UNWIND, _NOTE) or _text(self._names, header[0]) == _UNWIND_NAME

    def _section(self, number: int, header: tuple[int, ...]) -> Section:
        _, kind, flags, _, offset, size, _, _, align, _ = header
        if kind in _CONSTRUCTORS:
            _unknown("constructors")
        if kind not in (_PROGBITS, _NOBITS) or flags & ~_HARMLESS:
            _unknown(f"a section of type {kind:#x} with flags {flags:#x}")
        if flags & _WRITE and flags & _EXEC:
            _unknown("code that may be written to")
        if size > MOST or align > _MOST_ALIGNED or align & (align - 1):
            raise Malformed(f"a section of {size} bytes aligned to {align}")
        content = self._part(offset, size if kind == _PROGBITS else 0)
        return Section(number, flags, align, size, content)

    def _relocations(self, header: tuple[int, ...], sections: dict[int, Section]) -> None:
        _, kind, _, _, offset, size, _, target, _, entry = header
        if target not in sections or kind not in (_RELA, _REL):
            return  # of what is not loaded, such as tables for debuggers
        if kind == _REL:
            _unknown("relocations without addends")
        if entry != RELOCATION.size or size % entry:
            raise Malformed("relocations of another size")
        sections[target].relocations.append(self._part(offset, size))

    def _symbols(self, number: int, sections: dict[int, Section]) -> list[Symbol]:
        header = self._headers[number]
        table, names = self._content(number), bytes(self._content(header[6]))
        if header[9] != _SYMBOL.size or len(table) % _SYMBOL.size:
            raise Malformed("symbols of another size")
        symbols: list[Symbol] = []
        for name, info, visibility, section, value, _ in _SYMBOL.iter_unpack(table):
            if visibility or info not in _SYMBOL_KINDS:
                _unknown(f"a symbol of type {info & 15}, binding {info >> 4} and visibility {visibility}")
            text = _text(names, name).decode("utf-8", "surrogateescape") if info >> 4 == _GLOBAL else ""
            if section in sections:
                if value > sections[section].size:
                    raise Malformed("a symbol beyond its section")
                symbols.append((text, section, value))
            elif section == _UNDEFINED:
                symbols.append((text, None, 0))
            elif text:
                _unknown(f"the symbol {text} of section {section}, which is not loaded")
            else:
                symbols.append(("", None, 0))
        return symbols


def _text(table: bytes, start: int) -> bytes:
    """The text that begins there and ends with a zero."""
    end = table.find(b"\0", start)
    if end < 0:
        raise Malformed("a name does not end")
    return table[start:end]


def _unknown(what: str) -> NoReturn:
    raise Unknown(f"object code with {what}")
