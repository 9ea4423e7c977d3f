"""An archive of wheels, as the local cloud installs it: as Glue's pip, with no index."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boto3
import pytest
from localcloud.glue.modules import JobSetupError, install

Archive = dict[str, dict[str, str]]


def zipped(files: dict[str, str | bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def archive(wheels: Archive) -> bytes:
    packed = {f"wheels/{name}": zipped({**files}) for name, files in wheels.items()}
    return zipped({"wheels/requirements.txt": "", **packed})


@pytest.fixture
def uri(cloud: str) -> str:
    """Where the archive of a test goes."""
    bucket = f"wheels-{uuid.uuid4().hex[:12]}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    return f"s3://{bucket}/wheels/library-1.0.gluewheels.zip"


@pytest.fixture
def installed(uri: str, tmp_path: Path) -> Callable[..., str]:
    """``installed(wheels)``: puts the archive there and installs it; the path for the job."""

    def run(wheels: Archive | bytes | None = None, **more: str) -> str:
        if wheels is not None:
            body = wheels if isinstance(wheels, bytes) else archive(wheels)
            bucket, _, key = uri.removeprefix("s3://").partition("/")
            boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
        arguments = {"--additional-python-modules": uri, "--python-modules-installer-option": "--no-index"}
        paths = install({**arguments, **more}, folder=tmp_path, python=sys.executable, s3=boto3.client("s3"))
        return ":".join(map(str, paths))

    return run


def imported(name: str, path: str) -> Any:
    code = f"import json, {name}; print(json.dumps([{name}.__file__, getattr({name}, 'origin', None)]))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_a_wheel_comes_before_what_is_installed_in_another_version(installed: Callable[..., str]) -> None:
    path = installed({"h11-0.0.1-py3-none-any.whl": {"h11/__init__.py": "origin = 'the archive'"}})

    assert imported("h11", path)[1] == "the archive"


def test_what_is_installed_in_that_version_is_left_alone(installed: Callable[..., str]) -> None:
    """As pip does; and so a wheel for Glue's Python is no matter where this Python has the same version."""
    name = f"msgspec-{version('msgspec')}-cp313-cp313-manylinux_2_17_x86_64.whl"

    path = installed({name: {"msgspec/__init__.py": "origin = 'the archive'"}})

    assert imported("msgspec", path)[1] is None


def test_the_library_is_the_archives_and_not_the_checkouts_of_the_same_version(installed: Callable[..., str]) -> None:
    name = f"ingot-{version('ingot')}-py3-none-any.whl"

    path = installed({name: {"ingot/__init__.py": "origin = 'the archive'"}})

    assert imported("ingot", path)[1] == "the archive"


@pytest.mark.parametrize(
    ("wheel", "has"),
    [
        ("msgspec-0.0.1-cp39-cp39-manylinux_2_17_x86_64.whl", version("msgspec")),
        ("unheard-1-cp39-cp39-any.whl", "none"),
    ],
)
def test_a_wheel_for_another_python_asks_for_that_version_to_be_installed(
    installed: Callable[..., str], wheel: str, has: str
) -> None:
    package, number = wheel.split("-")[:2]

    with pytest.raises(JobSetupError, match=rf"another Python .* has {has}: install {package}=={number} there"):
        installed({wheel: {}})


def test_it_is_unpacked_again_only_when_it_changes(installed: Callable[..., str]) -> None:
    wheel = "h11-0.0.1-py3-none-any.whl"
    first = installed({wheel: {"h11/__init__.py": "origin = 1"}})
    again = installed()
    changed = installed({wheel: {"h11/__init__.py": "origin = 2"}})

    assert again == first
    assert (imported("h11", first)[1], imported("h11", changed)[1]) == (1, 2)  # what runs keeps what it began with


def test_a_role_that_may_not_read_it_does_not_get_what_another_unpacked(
    installed: Callable[..., str], uri: str, tmp_path: Path
) -> None:
    installed({"h11-0.0.1-py3-none-any.whl": {}})
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    boto3.client("s3").delete_object(Bucket=bucket, Key=key)

    with pytest.raises(JobSetupError, match="cannot be read"):
        installed()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"text", "no zip"),
        (zipped({"h11-0.0.1-py3-none-any.whl": ""}), "has no wheels/ with wheels"),
        (zipped({"wheels/h11-0.0.1-py3-none-any.whl": ""}), r"and a requirements\.txt"),
        (archive({"h11-0.0.1-py3-none-any.whl": {"h11-0.0.1.data/scripts/h11": ""}}), r"\.data folder"),
    ],
)
def test_an_archive_of_another_form_fails_the_run(installed: Callable[..., str], content: bytes, reason: str) -> None:
    with pytest.raises(JobSetupError, match=reason):
        installed(content)


def test_an_option_that_pip_would_need_an_index_for_is_refused(installed: Callable[..., str]) -> None:
    with pytest.raises(JobSetupError, match="installs from no index"):
        installed({"h11-0.0.1-py3-none-any.whl": {}}, **{"--python-modules-installer-option": "--upgrade"})
