"""The library on the package versions of Glue's own image, in an environment of its own (requirements/glue.txt).

Of the image's packages the environment holds those that the library's dependencies lead to. pip touches no other when a
job starts and ``--additional-python-modules`` is installed. The environment holds what the image lacks too, for the
library's own tests; the image itself is the environment without these.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from infra.job_code import build_wheel
from infra.job_modules import build_modules, locked_wheels

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ROOT / ".venv-glue" / "bin" / "python"
SHIM = ROOT / "localstack" / "localcloud" / "glue" / "shim"

TOOLS = {"hypothesis", "sortedcontainers"}
"""Of the tests; the image has pytest itself."""

# Of what is only for people at a terminal (the extra `cli`), of a tool with an environment of its own, one by moto, and
# of what is made before a deployment: dbt's lineage with sqlglot, alarms with their sources' schedules.
ELSEWHERE = (
    "test_cost.py",
    "test_warehouse_secret.py",
    "test_contract_compiled.py",
    "test_contract_evolve.py",
    "test_schedule.py",
    "test_contract_compatibility.py",
    "test_lineage.py",
    "test_metrics_names.py",
)
# What searches for seconds: it searches on the main environment's versions.
LONG = ("test_fuzz_gate.py", "test_bad_input_gate.py", "test_bad_input_split.py")

# Each script up to its first line of work, which asks for arguments that are not given: all that it imports.
IMPORT_SCRIPTS = """
import runpy, sys
import awsglue.utils, ingot
for script in sys.argv[1:]:
    try:
        runpy.run_path(script, run_name="__main__")
    except awsglue.utils.GlueArgumentError:
        print(script)
print(ingot.__file__)
"""


# What these packages put beside each other into site-packages.
ENTRIES = """
import importlib.metadata, json, sys
entries = {file.parts[0] for name in sys.argv[1:] for file in importlib.metadata.files(name)}
print(json.dumps(sorted(entries - {"..", "__pycache__"})))
"""


def glue_python(
    *arguments: str, python: Path = PYTHON, path: str = "", cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    assert python.exists(), "run `make .venv-glue/.made`, as `make test` does"
    return subprocess.run(
        [str(python), *arguments],
        env={**os.environ, "PYTHONPATH": path, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_CONFIG_FILE": os.devnull},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def pinned(file: Path) -> dict[str, str]:
    pairs = (line.split("==") for line in file.read_text().splitlines() if line and not line.startswith("#"))
    return {normal(name): version for name, version in pairs}


def packages_of(python: Path) -> dict[str, str]:
    done = glue_python("-m", "pip", "list", "--format", "json", python=python)
    assert done.returncode == 0, done.stderr
    return {normal(one["name"]): one["version"] for one in json.loads(done.stdout)}


def normal(name: str) -> str:
    return name.lower().replace("_", "-")


@pytest.fixture(scope="module")
def image() -> dict[str, str]:
    """Package to version, as the image has them."""
    return pinned(ROOT / "requirements" / "glue-6.0.txt")


@pytest.fixture(scope="module")
def installed() -> dict[str, str]:
    return packages_of(PYTHON)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``--additional-python-modules`` names, as Glue unpacks it: the folder that pip takes for its index."""
    folder = tmp_path_factory.mktemp("modules")
    archive = build_modules(folder, build_wheel(folder / "library", ROOT), locked_wheels(ROOT))
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    return folder / "wheels"


@pytest.fixture(scope="module")
def modules(wheels: Path) -> dict[str, str]:
    """Package to version, of the archive."""
    return pinned(wheels / "requirements.txt")


@pytest.fixture(scope="module")
def bare(image: dict[str, str], installed: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the image's packages and no more, before a job."""
    folder = tmp_path_factory.mktemp("image") / "python"
    done = glue_python("-m", "venv", "--without-pip", str(folder))
    assert done.returncode == 0, done.stderr
    entries = glue_python("-c", ENTRIES, *(name for name in installed if name in image))
    assert entries.returncode == 0, entries.stderr
    (source,), (target,) = ([*(place / "lib").glob("python3.*/site-packages")] for place in (PYTHON.parents[1], folder))
    for entry in json.loads(entries.stdout):
        (target / entry).symlink_to(source / entry)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def started(bare: Path, wheels: Path, modules: dict[str, str]) -> Path:
    """The same interpreter after what Glue does when a job starts, by the image's own pip and with no index."""
    install = (
        "-m",
        "pip",
        "install",
        "--no-index",
        "--find-links",
        str(wheels),
        "-r",
        str(wheels / "requirements.txt"),
    )
    told = glue_python(*install, "--quiet", "--dry-run", "--report", "-", python=bare)
    assert told.returncode == 0, told.stderr
    assert {normal(one["metadata"]["name"]) for one in json.loads(told.stdout)["install"]} == modules.keys()
    done = glue_python(*install, "--quiet", "--no-compile", python=bare)
    assert done.returncode == 0, done.stderr
    return bare


def test_the_environment_has_the_images_versions_and_what_the_image_lacks(
    image: dict[str, str], installed: dict[str, str], modules: dict[str, str]
) -> None:
    shared = installed.keys() & image.keys()
    assert {name: installed[name] for name in shared} == {name: image[name] for name in shared}
    assert {"boto3", "pyarrow", "pyyaml", "zstandard"} <= shared
    lacking = {name: version for name, version in installed.items() if name not in image and name not in TOOLS}
    assert {"ingot": modules["ingot"], **lacking} == modules


def test_the_archive_installs_there_and_changes_nothing(
    image: dict[str, str], modules: dict[str, str], started: Path
) -> None:
    packages = packages_of(started)

    assert {name: version for name, version in packages.items() if name in modules} == modules
    others = packages.keys() - modules.keys()
    assert {name: packages[name] for name in others} == {name: image[name] for name in others}
    # What each package says that it needs is there, in a version that it takes.
    check = glue_python("-m", "pip", "check", python=started)
    assert check.returncode == 0, check.stdout


def test_every_job_finds_all_that_it_imports(started: Path) -> None:
    scripts = sorted(map(str, (ROOT / "glue_jobs").glob("*.py")))
    done = glue_python("-c", IMPORT_SCRIPTS, *scripts, python=started, path=str(SHIM), cwd=started.parent)
    assert done.returncode == 0, done.stderr
    *reached, library = done.stdout.splitlines()
    assert reached == scripts
    assert Path(library).is_relative_to(started.parents[1])


def test_the_librarys_unit_tests_pass_there() -> None:
    ignored = [f"--ignore=tests/unit/ingot/{name}" for name in ELSEWHERE + LONG]
    done = glue_python(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not never_disagree", *ignored, "tests/unit/ingot",
        path=str(ROOT),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed[1]) > 300
