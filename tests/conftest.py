"""What every test shares: hypothesis profiles, and no leakage of the user's own settings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parent.parent

# Two processes share the machine with whatever else runs: a deadline would test the machine.
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "search", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

for _name in ("TENSORC_FLAGS", "TENSORC_CACHE_DIR", "TENSORC_CACHE_SIZE", "TENSORC_KEPT_MEMORY"):
    os.environ.pop(_name, None)
os.environ["TENSORC_CACHE"] = "0"  # what is tested is the compiler, not what it once made


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root folder."""
    return ROOT
