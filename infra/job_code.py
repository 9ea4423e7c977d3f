"""What Glue jobs run: their scripts, and the library with what it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from infra.files import empty_folder, required, write_archive
from infra.job_modules import build_modules, locked_wheels
from ingot.errors import ConfigurationError
from ingot.naming import JOBS

# Any fixed time will do (1 February 2020): with it the same code gives the same wheel, byte for byte
# (https://reproducible-builds.org/specs/source-date-epoch/), and a deployment changes with the code only.
_SOURCE_DATE_EPOCH = "1580515200"


@dataclass(frozen=True, kw_only=True)
class Code:
    """What goes to the artifacts bucket, and the keys of what is in it.

    Attributes:
        archive: of ``jobs/`` and ``wheels/``. A zip of ours, which is the same bytes each time and is not compressed
            again: the wheels are.
        modules: the key of the archive that Glue's pip installs from.
    """

    archive: Path
    modules: str

    def script(self, step: str) -> str:
        """The key of one step's script."""
        return f"jobs/{step}.py"


def build_code(destination: Path, root: Path) -> Code:
    """Builds the library, puts it with what it needs into one archive, and the scripts beside it.

    Args:
        destination: the folder to make; what was there is removed.
        root: the checkout.

    Raises:
        ConfigurationError: a job has no script, the wheel cannot be built, or what it needs cannot be fetched.
    """
    empty_folder(destination)
    scripts = {
        f"jobs/{step}.py": required(root / "glue_jobs" / f"{step}.py", hint="every job has a script") for step in JOBS
    }
    modules = build_modules(destination, build_wheel(destination / "wheel", root), locked_wheels(root))
    code = Code(archive=destination / "code.zip", modules=f"wheels/{modules.name}")
    write_archive(code.archive, {**scripts, code.modules: modules})
    return code


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
