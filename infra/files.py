"""Copying what is deployed, and nothing else, into the folders that become assets."""

from __future__ import annotations

import shutil
from pathlib import Path

from ingot.errors import ConfigurationError

IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", ".*_cache", ".DS_Store", ".user.yml", "logs", ".git")
"""Names that a tool leaves behind in a source folder; an asset that holds them changes without a change."""


def empty_folder(folder: Path) -> Path:
    """Makes a folder, or empties the one that is there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def required(path: Path, hint: str) -> Path:
    """The path itself, if something is there.

    Raises:
        ConfigurationError: nothing is.
    """
    if not path.exists():
        raise ConfigurationError(f"{path} does not exist.", hint=hint)
    return path
