"""Programs run in a process of their own: what may crash, hang or use up memory there fails only its test."""

from __future__ import annotations

import subprocess
import sys
import textwrap

PRELUDE = """
import faulthandler, gc, os, signal, sys, threading, time
faulthandler.dump_traceback_later(TIMEOUT, exit=True)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background begins with it ignored
import numpy as np
import tensorc as tc

def together(*jobs):
    \"\"\"Run all in threads, started together; the first error is raised here.\"\"\"
    errors, gate = [], threading.Barrier(len(jobs))
    def run(job):
        gate.wait()
        try:
            job()
        except BaseException as error:
            errors.append(error)
    threads = [threading.Thread(target=run, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]

def python_entry():
    \"\"\"From here on functions are called through the Python entry.\"\"\"
    from tensorc.codegen_llvm import entry_layout
    entry_layout.unsupported = lambda: "switched off by the test"
"""


def run(program: str, *, timeout: int = 60, status: int = 0) -> str:
    """The output of a program, which has `tc`, `np` and `together`; a deadlock shows all stacks."""
    text = PRELUDE.replace("TIMEOUT", str(timeout)) + textwrap.dedent(program)
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", text],
        capture_output=True,
        text=True,
        timeout=timeout + 30,
    )
    assert done.returncode == status, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout
