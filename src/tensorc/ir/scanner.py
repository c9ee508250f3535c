"""Reading text: positions, white space, expected tokens, errors with line and column. The parser's lowest
part.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

from tensorc.ir.errors import ParseError
from tensorc.ir.location import FileLocation

DEEPEST: Final = 100
"""Attributes, types and locations may be nested this deep; regions without bound."""

_SPACE = re.compile(r"(?:[ \t\r\n]+|//[^\n]*)*")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_$.]*")
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_ESCAPE = re.compile(rb"\\([0-9A-Fa-f]{2}|[nt\"\\]|.?)", re.DOTALL)
_DECIMAL = re.compile(r"\d+")
_FOUND = re.compile(r'[%^@#!]?[A-Za-z0-9_$.#-]+|"[^"\n]*"?|->|\S')
_SIMPLE_ESCAPES = {b"n": b"\n", b"t": b"\t", b'"': b'"', b"\\": b"\\"}


class Scanner:
    """A position in a text. Every method that consumes also skips the white space and comments that
    follow.
    """

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self._depth = 0
        self._lines = [0]
        self._lines.extend(m.end() for m in re.finditer("\n", text))
        self.pos = self._skip(0)

    def _skip(self, pos: int) -> int:
        match = _SPACE.match(self.text, pos)
        assert match is not None
        return match.end()

    def location(self, pos: int) -> FileLocation:
        line = bisect_right(self._lines, pos)
        return FileLocation(self.file, line, pos - self._lines[line - 1] + 1)

    # -- errors

    def error(
        self, message: str, pos: int, *, code: str, length: int = 1, help: str | None = None
    ) -> NoReturn:
        start = self.location(pos)
        end = FileLocation(self.file, start.line, start.column, start.line, start.column + max(length, 1))
        raise ParseError(message, code=code, location=end, help=help, source=self.text)

    def expected(self, what: str, *, code: str = "TC0101", help: str | None = None) -> NoReturn:
        found = _FOUND.match(self.text, self.pos)
        text = "the end of the text" if found is None else f"`{found.group()[:40]}`"
        self.error(
            f"expected {what}, found {text}",
            self.pos,
            code=code,
            length=len(found.group()) if found else 1,
            help=help,
        )

    @contextmanager
    def nested(self) -> Iterator[None]:
        """Guard one level of nesting of an attribute, a type or a location."""
        if self._depth >= DEEPEST:
            self.error(f"nested deeper than {DEEPEST} levels", self.pos, code="TC0107")
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    # -- tokens

    def at(self, literal: str) -> bool:
        return self.text.startswith(literal, self.pos)

    def accept(self, literal: str) -> bool:
        """Consume punctuation if it comes next."""
        if not self.text.startswith(literal, self.pos):
            return False
        self.pos = self._skip(self.pos + len(literal))
        return True

    def expect(self, literal: str, where: str = "") -> None:
        if not self.accept(literal):
            self.expected(f"`{literal}`{where}")

    def accept_match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.text, self.pos)
        if match is not None:
            self.pos = self._skip(match.end())
        return match

    def peek_word(self) -> str:
        match = _WORD.match(self.text, self.pos)
        return "" if match is None else match.group()

    def accept_word(self, word: str) -> bool:
        if self.peek_word() != word:
            return False
        self.pos = self._skip(self.pos + len(word))
        return True

    def word(self, what: str) -> str:
        match = self.accept_match(_WORD)
        if match is None:
            self.expected(what)
        return match.group()

    def natural(self, what: str) -> int:
        """A decimal number below 2**63."""
        start = self.pos
        match = self.accept_match(_DECIMAL)
        if match is None:
            self.expected(what)
        if len(match.group()) > 19 or int(match.group()) >= 2**63:
            self.error(f"{what} is too large", start, code="TC0106", length=len(match.group()))
        return int(match.group())

    def string(self, what: str) -> str:
        """A string literal, decoded."""
        start = self.pos
        match = self.accept_match(_STRING)
        if match is None:
            if self.at('"'):
                self.error("the string is not terminated on its line", start, code="TC0106")
            self.expected(what)
        body = match.group(1)
        return body if "\\" not in body else self._unescape(body, start)

    def _unescape(self, body: str, start: int) -> str:
        def character(match: re.Match[bytes]) -> bytes:
            escape = match.group(1)
            if len(escape) == 2:
                return bytes.fromhex(escape.decode())
            if escape not in _SIMPLE_ESCAPES:
                self.error(
                    "unknown escape in a string",
                    start,
                    code="TC0106",
                    length=len(body) + 2,
                    help='use \\n, \\t, \\", \\\\ or a backslash and two hexadecimal digits',
                )
            return _SIMPLE_ESCAPES[escape]

        try:
            return _ESCAPE.sub(character, body.encode("utf-8", "surrogatepass")).decode(
                "utf-8", "surrogatepass"
            )
        except UnicodeDecodeError:
            self.error("the string is not UTF-8", start, code="TC0106", length=len(body) + 2)

    def name(self, what: str) -> str:
        """A bare identifier or a string."""
        return self.string(what) if self.at('"') else self.word(what)
