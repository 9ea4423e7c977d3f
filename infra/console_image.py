"""What the image of the console is built from: its Dockerfile, its lock, the library and the sources."""

from __future__ import annotations

import shutil
from pathlib import Path

from infra.files import IGNORED, RECORDED, empty_folder, required

FOLDER = Path(__file__).parent / "images" / "console"
LOCK = "requirements/ui.txt"
PARTS = (LOCK, "ingot", "sources")
"""What the Dockerfile copies of the checkout, besides its own folder."""


def build_context(destination: Path, root: Path) -> Path:
    """Assembles the folder that the image is built from: small, so that only what is in the image changes it.

    Args:
        destination: the folder to make; what was there is removed.
        root: the checkout.

    Returns:
        The destination.

    Raises:
        ConfigurationError: a part is not there.
    """
    empty_folder(destination)
    shutil.copyfile(FOLDER / "Dockerfile", destination / "Dockerfile")
    copied = destination / "infra" / "images" / FOLDER.name
    copied.mkdir(parents=True)
    shutil.copyfile(FOLDER / "healthy.py", copied / "healthy.py")
    for part in PARTS:
        found = required(root / part, hint="run `make lock`")
        if found.is_file():
            (destination / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found, destination / part)
        else:
            shutil.copytree(found, destination / part, ignore=_without_what_is_made)
    return destination


def _without_what_is_made(folder: str, names: list[str]) -> set[str]:
    """What tools left behind, and what stands in for sources where they are tried."""
    return set(IGNORED(folder, names)) | ({RECORDED} & set(names))
