"""What a job's arguments ask to be importable: wheels and archives on S3, and packages by name.

Nothing is downloaded from an index. An archive of wheels (`.gluewheels.zip`) is installed as Glue's pip does it with
`--no-index`: what the interpreter has in a wheel's version is left alone, and the other wheels come first on the path.
"""

from __future__ import annotations

import atexit
import io
import json
import shutil
import subprocess
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

WHEELS = ".gluewheels.zip"
INSTALLER_OPTION = "--python-modules-installer-option"
_INSTALLED = Path(__file__).with_name("installed.py")


class JobSetupError(Exception):
    """What a run needs is not there. The message is the run's ErrorMessage."""


def fetch(uri: str, s3: Any) -> bytes:
    """The object at an s3:// URI, by a client of the job's role; raises JobSetupError."""
    body: bytes = _get(uri, s3)["Body"].read()
    return body


def _get(uri: str, s3: Any, **condition: str) -> dict[str, Any]:
    """S3's answer; empty if `IfNoneMatch` is what the object still is."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        answer: dict[str, Any] = s3.get_object(Bucket=bucket, Key=key, **condition)
    except s3.exceptions.ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 304:
            return {}
        reason = error.response["Error"]["Code"]
        raise JobSetupError(f"{uri} cannot be read ({reason}): upload it, or correct the job's arguments") from error
    return answer


def install(arguments: dict[str, str], *, folder: Path, python: str, s3: Any) -> list[Path]:
    """Unpack what is on S3 below `folder` and check what is not; returns the folders for PYTHONPATH.

    `s3` is a client of the job's role.

    Raises JobSetupError for an object that is missing or no archive, and for a package that the
    interpreter has not, or a wheel that does not fit it.
    """
    if "--extra-jars" in arguments:
        raise JobSetupError("The local cloud has no JVM and cannot load --extra-jars")
    if (option := arguments.get(INSTALLER_OPTION, "--no-index")) != "--no-index":
        raise JobSetupError(
            f"The local cloud installs from no index: {INSTALLER_OPTION} can be --no-index, not {option}"
        )
    paths, names = [], []
    for item in _items(arguments, "--additional-python-modules") + _items(arguments, "--extra-py-files"):
        if item.endswith(WHEELS):
            paths.append(_wheels.install(item, python, s3))
        elif item.startswith("s3://"):
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
    packages = _installed(python, [requirement.name for requirement in requirements])["packages"]
    for requirement in requirements:
        package = packages[requirement.name]
        if package is None:
            raise JobSetupError(f"--additional-python-modules: {requirement} is not installed in {python}: install it")
        if not requirement.specifier.contains(package["version"], prereleases=True):
            raise JobSetupError(
                f"--additional-python-modules: {requirement} is wanted, {python} has {package['version']}"
            )


def _installed(python: str, names: list[str]) -> dict[str, Any]:
    command = [python, str(_INSTALLED), *names]
    answer: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    return answer


class _Wheels:
    """Archives of wheels, each unpacked once and again when it changes; gone when this process ends."""

    def __init__(self) -> None:
        self._unpacked: dict[tuple[str, str], tuple[str, Path]] = {}  # (URI, interpreter) -> ETag, folder
        self._lock = Lock()

    def install(self, uri: str, python: str, s3: Any) -> Path:
        """The folder for PYTHONPATH. The object is asked for each time: the job's role must be allowed to read it."""
        with self._lock:
            etag, folder = self._unpacked.get((uri, python), ("", Path()))
            if answer := _get(uri, s3, **({"IfNoneMatch": etag} if etag else {})):
                # The folder of before stays: jobs that run have it on their path.
                folder = Path(tempfile.mkdtemp(dir=_folder()))
                _unpack_wheels(uri, answer["Body"].read(), python, folder)
                self._unpacked[uri, python] = answer["ETag"], folder
            return folder


_wheels = _Wheels()


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="glue-modules-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _unpack_wheels(uri: str, content: bytes, python: str, folder: Path) -> None:
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except zipfile.BadZipFile as error:
        raise JobSetupError(f"{uri} is no zip: {error}") from error
    names = [name for name in archive.namelist() if name.startswith("wheels/") and name.endswith(".whl")]
    if not names or "wheels/requirements.txt" not in archive.namelist():
        raise JobSetupError(f"{uri} has no wheels/ with wheels and a requirements.txt")
    wheels = {name: parse_wheel_filename(name.removeprefix("wheels/")) for name in names}
    there = _installed(python, [package for package, *_ in wheels.values()])
    fitting = _tags(*there["python"])
    for name, (package, version, _, tags) in wheels.items():
        has = there["packages"][package]
        if has and has["released"] and has["version"] == str(version):
            continue
        if not tags & fitting:
            raise JobSetupError(
                f"{uri}: {name} is for another Python than {python}, which has "
                f"{has['version'] if has else 'none'}: install {package}=={version} there"
            )
        _unpack_wheel(name, archive.read(name), folder)


def _tags(major: int, minor: int) -> frozenset[Tag]:
    """What a wheel may be made for that such a Python runs on this machine."""
    version = (major, minor)
    return frozenset([*cpython_tags(version), *compatible_tags(version, f"cp{major}{minor}")])


def _unpack_wheel(name: str, content: bytes, folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        if any(".data/" in path for path in wheel.namelist()):
            raise JobSetupError(f"{name} has a .data folder, which the local cloud does not install")
        wheel.extractall(folder)
