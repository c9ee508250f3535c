"""The version, in the one place that packaging, the command line and cache keys read."""

__version__ = "0.1.0"
