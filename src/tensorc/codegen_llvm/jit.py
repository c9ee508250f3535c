"""LLVM IR text to object code for this process, through llvmlite (0.47 or later), which is imported at the
first compile.

The code holds no absolute addresses: what it calls are symbols bound when it is loaded (`loading.py`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from tensorc.codegen_llvm.host import host
from tensorc.codegen_llvm.objects import ObjectCode
from tensorc.ir.errors import InternalError

PASSES: Final = {1: ("simplify_cfg", "instruction_combine")}
"""LLVM's passes at a level; from 2 on there are none. Loops come folded, merged, in vectors, tested behind
their bodies, and carrying what they add to (`passes/`, `function_text`): `loop_rotate` and `instcombine` made
the same machine code, in a tenth of the time of a compile.
"""

_lock = threading.RLock()  # LLVM's target machines and tables are shared by all compiles


@contextmanager
def compiling() -> Iterator[None]:
    """What only one thread does at a time. Re-entrant: a signal handler or a finalizer may compile, too."""
    with _lock:
        yield


def _before_fork() -> None:
    """No compile is in progress when a process forks, for its other threads are not there to end it."""
    _lock.acquire()
    if llvm.cache_info().currsize:
        llvm().ffi.lib._lock.__enter__()


def _after_fork() -> None:
    if llvm.cache_info().currsize:
        llvm().ffi.lib._lock.__exit__()
    _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


@cache
def llvm() -> Any:
    """llvmlite's binding, ready for this machine."""
    import llvmlite.binding as binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding


@cache
def target_machine(level: int) -> Any:
    """What generates code for this machine, at a level of the code generator."""
    machine = host()
    return (
        llvm()
        .Target.from_triple(machine.triple)
        .create_target_machine(
            cpu=machine.cpu, features=machine.features, opt=level, reloc="pic", codemodel="small"
        )
    )


@cache
def _pass_builder() -> Any:
    """One for all compiles: of each it would keep a little."""
    return llvm().create_pass_builder(target_machine(2), llvm().create_pipeline_tuning_options())


def _run_passes(module: Any, level: int) -> None:
    """What LLVM does beside generating code."""
    passes = llvm().create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_global_dead_code_eliminate_pass()
    for name in PASSES.get(level, ()):
        getattr(passes, f"add_{name}_pass")()
    _run(passes, module)


def _run(passes: Any, module: Any) -> None:
    from llvmlite.binding.newpassmanagers import NewPassManager

    try:
        passes.run(module, _pass_builder())
    finally:
        # Its close() finds an empty method first (llvmlite 0.47 to 0.50) and leaves 90 KiB of passes and
        # analyses behind, for ever.
        if type(passes)._dispose is not NewPassManager._dispose:
            NewPassManager._dispose(passes)
            passes.detach()


def _optimised(text: str | Sequence[str], level: int, exports: Sequence[str] | None) -> Any:
    """An optimised module in an LLVM context of its own. With `exports`, every other function is internal."""
    texts = [text] if isinstance(text, str) else text
    if level not in (0, 1, 2, 3):
        raise ValueError(f"optimisation level {level} is not 0, 1, 2 or 3")
    context = llvm().create_context()
    module = None
    try:
        module = llvm().parse_assembly(texts[0], context)
        for other in texts[1:]:
            module.link_in(llvm().parse_assembly(other, context))
        module.triple = host().triple
        module.data_layout = str(target_machine(level).target_data)
        if exports is not None:
            _internalise(module, exports)
        module.verify()
    except (RuntimeError, InternalError) as error:
        if module is not None:
            module.close()  # before its context goes: the garbage collector keeps to no order
        if isinstance(error, InternalError):
            raise
        raise InternalError(f"LLVM rejects the generated code: {error}") from error
    _run_passes(module, level)
    return module


def _internalise(module: Any, exports: Sequence[str]) -> None:
    defined = {f.name: f for f in module.functions if not f.is_declaration}
    missing = [name for name in exports if name not in defined]
    if missing:
        raise InternalError(f"the generated code does not define {', '.join(missing)}")
    for name, function in defined.items():
        if name not in exports:
            function.linkage = "internal"


def compile_text(
    text: str | Sequence[str],
    *,
    level: int,
    exports: Sequence[str] | None = None,
    machine_level: int | None = None,
) -> ObjectCode:
    """Compile LLVM IR for this machine, one text or several together, at level 0 to 3, keeping the functions
    `exports`, or all. `machine_level` is the code generator's level, if it is to differ.

    Raises InternalError if LLVM rejects a text or none defines an export.
    """
    with _lock:
        module = _optimised(text, level, exports)
        data = target_machine(level if machine_level is None else machine_level).emit_object(module)
        symbols = [item for items in (module.functions, module.global_variables) for item in items]
        defined = {item.name for item in symbols if not item.is_declaration}
        needed = [item.name for item in symbols if item.is_declaration and not item.name.startswith("llvm.")]
        return ObjectCode(data, tuple(sorted(defined) if exports is None else exports), tuple(needed))


def optimised_text(text: str, *, level: int, exports: Sequence[str] | None = None) -> str:
    """The LLVM IR that becomes machine code."""
    with _lock:
        return str(_optimised(text, level, exports))


def assembly(text: str, *, level: int, exports: Sequence[str] | None = None) -> str:
    """The assembly of this machine."""
    with _lock:
        return str(target_machine(level).emit_assembly(_optimised(text, level, exports)))
