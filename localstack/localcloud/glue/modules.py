"""What a job's arguments ask to be importable: wheels and archives on S3, and packages by name."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

# Run by the job's own interpreter, which need not be this one.
_VERSIONS = """
import importlib.metadata, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        found[name] = None
print(json.dumps(found))
"""


class JobSetupError(Exception):
    """What a run needs is not there. The message is the run's ErrorMessage."""


def fetch(uri: str, s3: Any) -> bytes:
    """The object at an s3:// URI, by a client of the job's role; raises JobSetupError."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        body: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except s3.exceptions.ClientError as error:
        reason = error.response["Error"]["Code"]
        raise JobSetupError(f"{uri} cannot be read ({reason}): upload it, or correct the job's arguments") from error
    return body


def install(arguments: dict[str, str], *, folder: Path, python: str, s3: Any) -> list[Path]:
    """Unpack what is on S3 below `folder` and check what is not; returns the folders for PYTHONPATH.

    `s3` is a client of the job's role.

    Raises JobSetupError for an object that is missing or no archive, and for a package that the
    interpreter has not: nothing is downloaded from an index.
    """
    if "--extra-jars" in arguments:
        raise JobSetupError("The local cloud has no JVM and cannot load --extra-jars")
    paths, names = [], []
    for item in _items(arguments, "--additional-python-modules") + _items(arguments, "--extra-py-files"):
        if item.startswith("s3://"):
            paths.append(_unpack(item, folder / f"module-{len(paths)}", s3))
        else:
            names.append(item)
    _require(names, python)
    return paths


def _items(arguments: dict[str, str], name: str) -> list[str]:
    return [item.strip() for item in arguments.get(name, "").split(",") if item.strip()]


def _unpack(uri: str, folder: Path, s3: Any) -> Path:
    content = fetch(uri, s3)
    folder.mkdir(parents=True)
    file = folder / uri.rsplit("/", 1)[-1]
    file.write_bytes(content)
    if file.suffix == ".py":
        return folder
    try:
        with zipfile.ZipFile(file) as archive:
            archive.extractall(folder)
    except zipfile.BadZipFile as error:
        raise JobSetupError(f"{uri} is no wheel, zip or .py file: {error}") from error
    file.unlink()
    return folder


def _require(names: list[str], python: str) -> None:
    if not names:
        return
    try:
        requirements = [Requirement(name) for name in names]
    except InvalidRequirement as error:
        raise JobSetupError(
            f"--additional-python-modules: {error}; the local cloud takes s3:// wheels and package names"
        ) from error
    command = [python, "-c", _VERSIONS, *(requirement.name for requirement in requirements)]
    versions = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    for requirement in requirements:
        version = versions[requirement.name]
        if version is None:
            raise JobSetupError(f"--additional-python-modules: {requirement} is not installed in {python}: install it")
        if not requirement.specifier.contains(version, prereleases=True):
            raise JobSetupError(f"--additional-python-modules: {requirement} is wanted, {python} has {version}")
