"""What the image of dbt is built from: its Dockerfile, dbt's lock and the dbt project."""

from __future__ import annotations

import shutil
from pathlib import Path

from infra.files import IGNORED, empty_folder, required

DOCKERFILE = Path(__file__).parent / "images" / "dbt" / "Dockerfile"


def build_context(destination: Path, root: Path) -> Path:
    """Assembles the folder that the image is built from: small, so that only what is in the image changes it.

    Args:
        destination: the folder to make; what was there is removed.
        root: the checkout.

    Returns:
        The destination.

    Raises:
        ConfigurationError: the lock or the dbt project is not there.
    """
    lock = required(root / "requirements/dbt.txt", hint="run `make lock`")
    project = required(root / "dbt", hint="the image holds the dbt project")
    empty_folder(destination)
    shutil.copyfile(DOCKERFILE, destination / "Dockerfile")
    (destination / "requirements").mkdir()
    shutil.copyfile(lock, destination / "requirements" / lock.name)
    shutil.copytree(
        project, destination / "dbt", ignore=lambda folder, names: IGNORED(folder, names) | ({"target"} & set(names))
    )
    return destination
