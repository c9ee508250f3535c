"""`tc.function(..., profile=)`: how long a function took to make, and how long its calls take."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from tensorc.api.function import Function
from tensorc.ir.errors import TensorcTypeError
from tensorc.ir.location import Location


@dataclass
class Measured:
    """The figures of one function; times in seconds of wall clock."""

    function: Function = field(repr=False)
    compile_time: float
    calls: int = 0
    failed: int = 0
    call_time: float = 0.0


class Profile:
    """Figures of one function or of several that share it. `functions` has an entry for each."""

    def __init__(self, name: str | None = None) -> None:
        self.name = name
        self.functions: list[Measured] = []
        self._lock = threading.Lock()

    @property
    def calls(self) -> int:
        """Calls so far, those that raised included."""
        return sum(m.calls for m in self.functions)

    @property
    def call_time(self) -> float:
        """Seconds spent in calls: conversion of arguments, waiting for locks and the computation."""
        return sum(m.call_time for m in self.functions)

    @property
    def compile_time(self) -> float:
        """Seconds `tc.function` took after its checks: passes and code generation, or finding the code in
        the cache. Bodies compiled later, by the call that first needs them, count as part of that call.
        """
        return sum(m.compile_time for m in self.functions)

    def summary(self) -> str:
        """The figures as text, a paragraph for each function."""
        lines = [f"profile {self.name}"] if self.name else []
        for m in self.functions:
            counts, each = m.function.stats(), m.call_time / m.calls if m.calls else 0.0
            origins = ", ".join(f"{kind} {how}" for kind, how in m.function.build.origins.items())
            lines += [
                f"{m.function.name}: {m.calls} calls in {m.call_time:.6f} s, {each * 1e6:.2f} us each"
                + (f"; {m.failed} raised" if m.failed else ""),
                f"  made in {m.compile_time:.6f} s ({origins})",
                f"  bodies: {counts['fast']} fast, {counts['generic']} generic; {counts['slow']} with "
                "converted arguments",
            ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<profile of {len(self.functions)} functions: {self.calls} calls, {self.call_time:.6f} s>"

    def watch(self, function: Function, compile_time: float) -> Function:
        """The function, with its calls measured here. Measuring takes about a microsecond a call, and calls
        no longer go straight from the interpreter to machine code.
        """
        measured = Measured(function, compile_time)
        with self._lock:
            self.functions.append(measured)
        return ProfiledFunction(function, self, measured)

    def add(self, measured: Measured, seconds: float, failed: bool) -> None:
        """One more call."""
        with self._lock:
            measured.calls += 1
            measured.failed += failed
            measured.call_time += seconds


class ProfiledFunction(Function):
    """A compiled function whose calls are measured."""

    profile: Profile
    _function: Function
    _measured: Measured

    def __init__(self, function: Function, profile: Profile, measured: Measured) -> None:
        self.name, self.program = function.name, function.program
        self.mode, self.build = function.mode, function.build
        self.profile = profile
        self._function, self._measured = function, measured
        self._state, self._direct = function.machine, function.direct
        self.companions = function.companions

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        failed = True
        start = perf_counter()
        try:
            result = self._function(*args, **kwargs)
            failed = False
            return result
        finally:
            self.profile.add(self._measured, perf_counter() - start, failed)


def as_profile(profile: object, location: Location) -> Profile | None:
    """What `profile=` means: nothing, a new profile (perhaps with a name), or one shared with others."""
    if profile is None or profile is False:
        return None
    if isinstance(profile, Profile):
        return profile
    if profile is True or isinstance(profile, str):
        return Profile(profile if isinstance(profile, str) else None)
    raise TensorcTypeError(
        f"function: profile={profile!r}",
        code="TC0405",
        location=location,
        help="True, a name for the profile, a tc.Profile that several functions share, or None",
    )
