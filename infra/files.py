"""Copying what is deployed, and nothing else, into the folders and archives that become assets."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

from ingot.errors import ConfigurationError

IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", ".*_cache", ".DS_Store", ".user.yml", "logs", ".git")
"""Names that a tool leaves behind in a source folder; an asset that holds them changes without a change."""

RECORDED = "recorded"
"""The folder of a source whose recordings stand in for it where it is tried; it is not deployed."""


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


def write_archive(file: Path, entries: Mapping[str, Path | bytes]) -> None:
    """Writes a zip of these, name → file or content: the same bytes whenever and wherever it is written.

    Nothing is compressed: what is large is compressed already, and another zlib would give other bytes.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name)  # of 1980, as a zip's time begins
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, content if isinstance(content, bytes) else content.read_bytes())
