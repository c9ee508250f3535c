"""Object code placed in memory by LLVM, through llvmlite: what `loading.py` does not do itself."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tensorc.codegen_llvm import jit
from tensorc.ir.errors import InternalError

LIBRARIES_PER_ENGINE: Final = 64
"""An engine keeps about 9 KiB of every library it ever held, until it is closed itself; making one takes half
a millisecond and 120 KiB.
"""


class _Engines:
    """The engine that new libraries go to. Every library keeps its engine, which is closed with the last one,
    so that functions made and dropped leave no memory behind.
    """

    def __init__(self) -> None:
        self._engine: Any = None
        self._names = itertools.count()
        self._room = 0

    def link(self, builder: Any) -> Any:
        """The tracker of the library, linked. Raises RuntimeError."""
        if self._room == 0:
            self._engine = jit.llvm().create_lljit_compiler(
                jit.target_machine(2), use_jit_link=sys.platform != "win32"
            )
            self._room = LIBRARIES_PER_ENGINE
        self._room -= 1
        tracker = builder.link(self._engine, f"tensorc.{next(self._names)}")
        tracker.engine = self._engine  # an object's attributes go after its own memory has been given back
        return tracker


_engines = _Engines()


def load(
    files: Sequence[bytes], bound: Mapping[str, int], exports: Sequence[str]
) -> tuple[object, dict[str, int]]:
    """What owns the code of these object files, and the addresses of `exports`; `bound` are those of what the
    code needs. Raises InternalError.
    """
    with jit.compiling():
        builder = jit.llvm().JITLibraryBuilder()
        for data in files:
            builder.add_object_img(data)
        builder.add_current_process()  # memcpy and the like, which only the code generator asks for
        for name, address in bound.items():
            builder.import_symbol(name, address)
        for name in exports:
            builder.export_symbol(name)
        try:
            tracker = _engines.link(builder)
        except RuntimeError as error:
            raise InternalError(f"loading compiled code failed: {error}") from error
    return tracker, {name: int(tracker[name]) for name in exports}
