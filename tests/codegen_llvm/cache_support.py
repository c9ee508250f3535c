"""Processes that use a cache of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tensorc.api.function import Function
from tensorc.codegen_llvm import cache, entry, sources

PROGRAM = """
import numpy as np
import tensorc as tc
{before}
x, y = tc.vector("x"), tc.vector("y")
f = tc.function([x, y], tc.exp(x) * y + {number})
a = np.linspace(0, 1, 5)
assert np.allclose(f(a, a), np.exp(a) * a + {number}, rtol=1e-14, atol=0), f(a, a)
print(f.origins["fast"])
"""


def program(number: float = 1.0, before: str = "") -> str:
    """A program that compiles one function, checks its result, and prints where its code came from."""
    return PROGRAM.format(number=number, before=before)


def environment(folder: Path | None, **variables: str) -> dict[str, str]:
    """That of this process, with a cache in `folder`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TENSORC_", "PYTEST_", "XDG_"))}
    place = {} if folder is None else {"TENSORC_CACHE_DIR": str(folder)}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONDONTWRITEBYTECODE": "1",
        **place,
        **variables,
    }


def start(code: str, env: Mapping[str, str], before: Sequence[str] = ()) -> subprocess.Popen[str]:
    """A new process that runs Python code."""
    return subprocess.Popen(
        [*before, sys.executable, "-W", "error", "-c", code],
        env=dict(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """What it printed; it must have ended well and complained of nothing."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert err == ""
    return out.strip()


def run(code: str, env: Mapping[str, str], before: Sequence[str] = ()) -> str:
    return finish(start(code, env, before))


def settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the sources for those this process has loaded, however lately they were written."""
    monkeypatch.setattr(sources, "LOADED", float("inf"))
    for memo in (cache._listing, cache._sources):
        memo.cache_clear()
    settle_environment()


def settle_environment() -> None:
    """Have the environment's part of keys made anew."""
    cache._environment.cache_clear()


def use(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Give this process a cache, without the native entry, which is made once a process."""
    entry.library()
    settle(monkeypatch)
    monkeypatch.setattr(cache, "_room", cache._Room())
    monkeypatch.delenv("TENSORC_CACHE", raising=False)
    monkeypatch.setenv("TENSORC_CACHE_DIR", str(folder))


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("??/*.o"))


def leftovers(folder: Path) -> list[Path]:
    return sorted(folder.glob("??/*.tmp"))


def make(number: float = 1.0, **options: Any) -> Function:
    """The function of `program`, its result checked."""
    x, y = tc.vector("x"), tc.vector("y")
    f = tc.function([x, y], tc.exp(x) * y + number, **options)
    a = np.linspace(0, 1, 5)
    assert np.allclose(f(a, a), np.exp(a) * a + number, rtol=1e-14, atol=0)
    return f


def origin(number: float = 1.0, **options: Any) -> str:
    """Where its code came from."""
    return make(number, **options).origins["fast"]
