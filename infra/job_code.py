"""What Glue jobs run: their scripts, and the library as a wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from infra.files import empty_folder, required
from ingot.errors import ConfigurationError
from ingot.naming import JOBS

# Any fixed time will do (1 February 2020): with it the same code gives the same wheel, byte for byte
# (https://reproducible-builds.org/specs/source-date-epoch/), and a deployment changes with the code only.
_SOURCE_DATE_EPOCH = "1580515200"


@dataclass(frozen=True, kw_only=True)
class Code:
    """The folder that goes to the artifacts bucket as it is, and the keys of what is in it.

    Attributes:
        folder: holds ``jobs/`` and ``wheels/``.
        wheel: the library's key; the name is the wheel's own, as pip reads the version from it.
    """

    folder: Path
    wheel: str

    def script(self, step: str) -> str:
        """The key of one step's script."""
        return f"jobs/{step}.py"


def build_code(destination: Path, root: Path) -> Code:
    """Builds the wheel and puts the scripts beside it.

    Args:
        destination: the folder to make; what was there is removed.
        root: the checkout.

    Raises:
        ConfigurationError: a job has no script, or the wheel cannot be built.
    """
    jobs = empty_folder(destination) / "jobs"
    jobs.mkdir()
    for step in JOBS:
        script = required(root / "glue_jobs" / f"{step}.py", hint="every job has a script")
        shutil.copyfile(script, jobs / script.name)
    wheel = build_wheel(destination / "wheels", root)
    return Code(folder=destination, wheel=f"wheels/{wheel.name}")


def build_wheel(destination: Path, root: Path) -> Path:
    """Builds the library's wheel, in a process of its own since a build backend works on its folder.

    Raises:
        ConfigurationError: the build failed; the message holds the last of what it said.
    """
    build = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(destination.resolve())],
        cwd=root,
        env={**os.environ, "SOURCE_DATE_EPOCH": _SOURCE_DATE_EPOCH},
        capture_output=True,
        text=True,
        check=False,
    )
    if build.returncode != 0:
        raise ConfigurationError(
            f"The wheel cannot be built: {(build.stderr.splitlines() or ['no reason given'])[-1]}.",
            hint=f"run `{Path(sys.executable).name} -m hatchling build -t wheel` in {root}",
        )
    (wheel,) = destination.glob("*.whl")
    return wheel
