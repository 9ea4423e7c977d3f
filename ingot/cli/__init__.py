"""The command line: `ingot --help`."""

from ingot.cli.app import main

__all__ = ["main"]
