"""Damaging IR text: byte flips, deletions, duplications, borrowed tokens, hostile numbers, truncation."""

from __future__ import annotations

import re
from random import Random

_TOKEN = re.compile(rb'"[^"\n]*"|[%^@#!]?[A-Za-z0-9_$.]+|->|[^\sA-Za-z0-9]')
_NUMBER = re.compile(rb"(?<![A-Za-z_%])-?\d+")
_USE = re.compile(rb"(?<=[(,] )%[A-Za-z0-9_]+|(?<=\()%[A-Za-z0-9_]+")
_HOSTILE = (
    b"0",
    b"-1",
    b"1",
    b"2",
    b"7",
    b"64",
    b"-9223372036854775808",
    b"9223372036854775807",
    b"99999999999999999999",
)
# Extents between these would not fail at once, and eat the memory of the machine.
_SMALL, _HUGE = 10**6, 2**45


def mutate(text: str, random: Random) -> bytes:
    """A damaged copy: one to three mutations, never of a size that could be allocated and fill the memory."""
    while True:
        data = text.encode()
        kinds = random.choice((_MUTATIONS, _STRUCTURAL))
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            data = random.choice(kinds)(data, random)
        new = set(_NUMBER.findall(data)).difference(_NUMBER.findall(text.encode()))
        if not any(_SMALL < abs(int(n)) < _HUGE for n in new if len(n) < 25):
            return data


def _flip(data: bytes, random: Random) -> bytes:
    if not data:
        return b"x"
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << random.randrange(8))]) + data[at + 1 :]


def _span(data: bytes, random: Random) -> tuple[int, int]:
    start = random.randrange(len(data) + 1)
    return start, min(len(data), start + random.choice((1, 2, 5, 20, 80, 400)))


def _delete(data: bytes, random: Random) -> bytes:
    start, end = _span(data, random)
    return data[:start] + data[end:]


def _duplicate(data: bytes, random: Random) -> bytes:
    start, end = _span(data, random)
    return data[:end] + data[start:end] + data[end:]


def _truncate(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _line(data: bytes, random: Random) -> bytes:
    """Delete, repeat or exchange whole lines: the text mostly stays well formed."""
    lines = data.splitlines(keepends=True) or [b""]
    a, b = random.randrange(len(lines)), random.randrange(len(lines))
    what = random.randrange(3)
    if what == 0:
        del lines[a]
    elif what == 1:
        lines.insert(b, lines[a])
    else:
        lines[a], lines[b] = lines[b], lines[a]
    return b"".join(lines)


def _borrow(data: bytes, random: Random) -> bytes:
    """One token becomes another of the text, of its own kind if there is one."""
    tokens = list(_TOKEN.finditer(data))
    if not tokens:
        return data
    at = random.choice(tokens)
    same = [t for t in tokens if t.group()[:1] == at.group()[:1]]
    other = random.choice(same if random.random() < 0.8 else tokens)
    return data[: at.start()] + other.group() + data[at.end() :]


def _number(data: bytes, random: Random) -> bytes:
    numbers = list(_NUMBER.finditer(data))
    if not numbers:
        return data
    at = random.choice(numbers)
    return data[: at.start()] + random.choice(_HOSTILE) + data[at.end() :]


def _type(data: bytes, random: Random) -> bytes:
    """An element type becomes another, everywhere or once."""
    names = [b"f64", b"f32", b"i64", b"i32", b"i1", b"index", b"ui8", b"f16", b"i128", b"complex<f64>"]
    old, new = random.choice(names[:6]), random.choice(names)
    return data.replace(old, new, random.choice((-1, 1, 3)))


def _same_type(data: bytes, random: Random) -> bytes:
    """One operand becomes another used nearby: often still valid."""
    uses = list(_USE.finditer(data))
    if not uses:
        return data
    at = random.choice(uses)
    near = [u for u in uses if u.start() <= at.start()][-12:]
    return data[: at.start()] + random.choice(near).group() + data[at.end() :]


_MUTATIONS = (_flip, _delete, _duplicate, _truncate, _line, _borrow, _number, _type)
_STRUCTURAL = (_borrow, _borrow, _number, _same_type)
