"""Where the object cache is and what it may take, as the environment has it.

| variable | meaning |
|---|---|
| `TENSORC_CACHE` | `0` switches the cache off |
| `TENSORC_CACHE_DIR` | the folder; else `$XDG_CACHE_HOME/tensorc`, else `~/.cache/tensorc` |
| `TENSORC_CACHE_SIZE` | what the files may take, in bytes or as `100M`, `2G`; 512 MiB |
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final, NamedTuple

from tensorc.codegen_llvm.folder import Unusable

DEFAULT_SIZE: Final = 512 << 20
_OFF: Final = ("0", "off", "no", "false")
_SIZE: Final = r"(\d+)\s*([kmgt]?)(?:i?b)?"


class Settings(NamedTuple):
    """Where the cache is and what it may take."""

    path: Path
    limit: int


def settings() -> Settings:
    """From the environment as it is now. Raises Unusable if the cache is switched off or has no place."""
    if os.environ.get("TENSORC_CACHE", "").strip().lower() in _OFF:
        raise Unusable(f"switched off by TENSORC_CACHE={os.environ['TENSORC_CACHE']}")
    limit = _limit(os.environ.get("TENSORC_CACHE_SIZE", ""))
    if limit == 0:
        raise Unusable("switched off by TENSORC_CACHE_SIZE=0")
    return Settings(folder_path(), limit)


def folder_path() -> Path:
    """The folder of the cache, whether it is switched on or not. Raises Unusable where there is no place."""
    named = os.environ.get("TENSORC_CACHE_DIR")
    if named:
        return Path(named)
    shared = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(shared):  # others must be ignored, says the XDG base directory specification
        return Path(shared, "tensorc")
    home = os.path.expanduser("~")
    if not os.path.isabs(os.environ.get("HOME", home)) or not os.path.isdir(home):
        raise Unusable("there is no home folder; TENSORC_CACHE_DIR can name another place")
    return Path(home, ".cache", "tensorc")


def _limit(text: str) -> int:
    if not text.strip():
        return DEFAULT_SIZE
    match = re.fullmatch(_SIZE, text.strip(), re.IGNORECASE)
    if match is None:
        raise Unusable(f"TENSORC_CACHE_SIZE={text} is no size: write bytes, or 100M, 2G")
    return int(match[1]) << {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}[match[2].lower()]
