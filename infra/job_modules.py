"""What Glue installs before a job's script starts: the library and what Glue's image lacks, in one archive for its pip.

Without it pip would ask an index at every start of a job: other versions than were tested, and a way to the internet.
The archive is AWS's "zip of wheels", for Spark jobs of Glue 5.0 and newer: its name ends in ``.gluewheels.zip``, its
folder ``wheels/`` holds the wheels and a ``requirements.txt``, and pip takes it for its index when the job has
``--python-modules-installer-option --no-index``
(https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-python-libraries.html, appendix A).

``python -m infra.job_modules`` fetches the wheels, so that synthesising works offline from then on.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from packaging.utils import parse_wheel_filename

from infra.files import required, write_archive
from ingot.errors import ConfigurationError, IngotError

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".wheels"
"""Kept by ``make clean``, like the environments."""
LOCK = Path("requirements") / "glue-modules.txt"
SUFFIX = ".gluewheels.zip"
# Glue 6.0's Python, and what every wheel runs on that is meant for its Amazon Linux 2023 (glibc 2.34; appendix B).
_PYTHON = "3.13"
_PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64")


def locked_wheels(root: Path, cache: Path = CACHE) -> list[Path]:
    """The wheels of the lock, which is all that the library needs and Glue's image lacks; fetched once a lock.

    Args:
        root: the checkout, with the lock.
        cache: where fetched wheels are kept, in a folder a lock.

    Raises:
        ConfigurationError: they are not there and cannot be fetched; or one has not the hash that the lock has.
    """
    lock = required(root / LOCK, hint="run `make lock`")
    folder = cache / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    if not folder.exists():
        _fetch(lock, folder)
    return sorted(folder.glob("*.whl"))


def build_modules(destination: Path, library: Path, wheels: Iterable[Path]) -> Path:
    """Writes the archive, the same bytes for the same wheels.

    Args:
        destination: the folder that it is put into, named after the library's wheel: ``ingot-1.2.3.gluewheels.zip``.
        library: the library's own wheel.
        wheels: what it needs.
    """
    wheels = sorted([library, *wheels], key=lambda wheel: wheel.name)
    # Each by its version and none by its hash: with hashes pip asks for those of the image's own packages too.
    pins = "".join("{}=={}\n".format(*parse_wheel_filename(wheel.name)[:2]) for wheel in wheels)
    name, version = parse_wheel_filename(library.name)[:2]
    archive = destination / f"{name}-{version}{SUFFIX}"
    write_archive(archive, {"wheels/requirements.txt": pins.encode()} | {f"wheels/{w.name}": w for w in wheels})
    return archive


def _fetch(lock: Path, folder: Path) -> None:
    """By pip, from the index that it is configured for; into a folder that is renamed when it is complete."""
    print(f"The wheels that Glue jobs take: fetching those of {LOCK}", file=sys.stderr)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as name:
        fetched = Path(name) / "wheels"
        pip = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"),
                *("--retries", "2", "--require-hashes", "--no-deps", "--only-binary", ":all:"),
                *("--implementation", "cp", "--python-version", _PYTHON),
                *(word for platform in _PLATFORMS for word in ("--platform", platform)),
                *("--dest", str(fetched), "--requirement", str(lock)),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if pip.returncode != 0:
            reasons = [line.removeprefix("ERROR: ") for line in pip.stderr.splitlines() if line.startswith("ERROR: ")]
            raise ConfigurationError(
                f"The wheels of {LOCK} cannot be fetched: {(reasons or pip.stderr.splitlines() or ['no reason'])[0]}",
                hint="jobs take them with them: run `make modules` once with a package index in reach",
            )
        try:
            fetched.rename(folder)
        except OSError:
            if not folder.exists():  # else another process was first, with the same wheels
                raise


def main() -> None:
    """Fetches the wheels of this checkout's lock, if they are not there."""
    try:
        locked_wheels(ROOT)
    except IngotError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
