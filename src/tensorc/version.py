"""The version, in the one place that packaging, the command line and cache keys read."""

import time

__version__ = "0.1.0"

LOADED = time.time()
"""When this process began to load the package: sources that change later are not all what it runs."""
