"""Loops in threads where there is hardly any work: what tests need to see the pool at work on small
arrays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tensorc.api import build
from tensorc.codegen_llvm import entry
from tensorc.codegen_llvm.emitter import EmitterOptions
from tensorc.runtime import threads


@contextmanager
def compiling_with(work: int | None) -> Iterator[None]:
    """Functions compiled inside ask for help from that much work on; None: never. The object cache is off."""
    options, cache = build._emitter_options, os.environ.get("TENSORC_CACHE")
    build._emitter_options = lambda: EmitterOptions(build._vector_width(), polls=True, parallel_work=work)
    os.environ["TENSORC_CACHE"] = "0"
    try:
        yield
    finally:
        build._emitter_options = options
        os.environ.pop("TENSORC_CACHE")
        if cache is not None:
            os.environ["TENSORC_CACHE"] = cache


@contextmanager
def pool_of(count: int, unit: int = 1) -> Iterator[Any]:
    """A pool of `count` threads, made when it is first needed, for chunks of at least `unit` work."""
    entry.library()
    pool = threads.pool()
    assert pool is not None
    before = os.environ.get(threads.VARIABLE)
    pool.end()
    os.environ[threads.VARIABLE] = str(count)
    pool.allow()
    old = pool.tune(unit)
    try:
        yield pool
    finally:
        pool.end()
        os.environ.pop(threads.VARIABLE)
        if before is not None:
            os.environ[threads.VARIABLE] = before
        pool.tune(old)
        pool.allow()


def everywhere() -> None:
    """From here on three threads share every parallel loop of this process, an iteration at a time."""
    os.environ.update({"TENSORC_CACHE": "0", threads.VARIABLE: "3"})
    build._emitter_options = lambda: EmitterOptions(build._vector_width(), polls=True, parallel_work=0)
    entry.library()
    pool = threads.pool()
    assert pool is not None
    pool.tune(1)
