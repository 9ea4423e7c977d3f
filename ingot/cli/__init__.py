"""The command line: `ingot --help`."""

import os

# Commands and the console work in threads that end. Where such a thread was the first to import pyarrow, its own
# allocator later ends the whole process (25.0.0, which MWAA's constraints name: github.com/apache/arrow/issues/50471).
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

from ingot.cli.app import main

__all__ = ["main"]
