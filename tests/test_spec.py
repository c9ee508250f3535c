"""The generated pages under docs/spec say what the op classes say now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_pages_are_current() -> None:
    command = [sys.executable, str(ROOT / "tools" / "gen_spec.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"stale pages (run `make spec`):\n{done.stdout}{done.stderr}"
