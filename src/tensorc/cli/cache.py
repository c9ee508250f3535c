"""`tensorc cache ls|clear|size`: what compiled code is kept, and where."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any, Final

from tensorc.cli.text import write_text

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_AGES: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def add(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "cache",
        help="list or clear compiled code that is kept between processes",
        description=(
            "Compiled code is kept in $TENSORC_CACHE_DIR, else $XDG_CACHE_HOME/tensorc, else "
            "~/.cache/tensorc. TENSORC_CACHE=0 switches this off; TENSORC_CACHE_SIZE (512M) bounds it: what "
            "was not used for longest goes first."
        ),
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    for name, (handler, text) in _ACTIONS.items():
        action = actions.add_parser(name, help=text, description=f"{text.capitalize()}.", allow_abbrev=False)
        action.set_defaults(handler=handler)


def show_entries(options: argparse.Namespace) -> int:
    """`ls`: a line for every entry, last used first."""
    from tensorc.codegen_llvm import cache
    from tensorc.codegen_llvm.folder import Unusable

    try:
        found = cache.contents()
    except Unusable as reason:
        return _absent(reason)
    titles = cache.titles(found)
    now = time.time()
    rows = [(size(f.size), age(now - f.used), *titles.get(f, ("(damaged)", ""))) for f in found.entries]
    write_text("".join(f"{a:>10}  {b:>7}  {c}{f'  ({d})' if d else ''}\n" for a, b, c, d in rows))
    return 0


def show_size(options: argparse.Namespace) -> int:
    """`size`: the folder, how much is in it, and how much may be."""
    from tensorc.codegen_llvm import cache
    from tensorc.codegen_llvm.folder import Unusable

    try:
        found = cache.contents()
    except Unusable as reason:
        return _absent(reason)
    write_text(f"{summary(found)}\n")
    return 0


def clear(options: argparse.Namespace) -> int:
    """`clear`: remove everything that is kept."""
    from tensorc.codegen_llvm import cache
    from tensorc.codegen_llvm.folder import Unusable

    try:
        found = cache.contents()
        removed = cache.clear() if found.files else 0
    except Unusable as reason:
        return _absent(reason)
    write_text(f"removed {removed} file{'' if removed == 1 else 's'} from {found.place.path}\n")
    return 0


def _absent(reason: Exception) -> int:
    write_text(f"no cache: {reason}\n")
    return 0


def summary(found: Any) -> str:
    """One line about what is in the cache."""
    entries = len(found.entries)
    what = f"{entries} entr{'y' if entries == 1 else 'ies'}, {size(found.size)} of {size(found.place.limit)}"
    return f"{found.place.path}: {what}"


def size(count: int) -> str:
    """A number of bytes for people: `1023 B`, `1.5 KiB`, `512 MiB`."""
    amount, unit = float(count), 0
    while amount >= 1023.95 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    digits = 0 if unit == 0 or amount >= 99.95 or amount == int(amount) else 1
    return f"{amount:.{digits}f} {_UNITS[unit]}"


def age(seconds: float) -> str:
    """A time span for people: `42 s`, `3 min`, `5 h`, `12 d`."""
    for unit, name in _AGES:
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name}"
    return "0 s" if seconds > -60 else "future"


_ACTIONS: Final[dict[str, tuple[Callable[[argparse.Namespace], int], str]]] = {
    "ls": (show_entries, "list what is kept: size, time since it was used, function, body and pipeline"),
    "clear": (clear, "remove everything that is kept"),
    "size": (show_size, "the folder, what is in it, and what may be"),
}
