"""The library on the package versions of Glue's own image, in an environment of its own (requirements/glue.txt).

Of the image's packages the environment holds those that the library's dependencies lead to. pip touches no other when a
job starts and ``--additional-python-modules`` is installed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from infra.job_code import build_wheel

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ROOT / ".venv-glue" / "bin" / "python"
SHIM = ROOT / "localstack" / "localcloud" / "glue" / "shim"

# What the image lacks: with the wheel, pip fetches these from an index when a job starts.
LACKING = {
    "adbc-driver-manager", "adbc-driver-postgresql", "anyio", "duckdb", "h11", "httpcore", "httpx", "msgspec",
    "psycopg", "psycopg-binary", "stamina",
}  # fmt: skip
TOOLS = {"hypothesis", "sortedcontainers"}
"""Of the tests; the image has pytest itself."""

# Of what is only for people at a terminal (the extra `cli`), of a tool with an environment of its own, and one by moto.
ELSEWHERE = (
    "test_cost.py",
    "test_warehouse_secret.py",
    "test_contract_compiled.py",
    "test_contract_evolve.py",
    "test_schedule.py",
    "test_contract_compatibility.py",
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


def glue_python(*arguments: str, path: str = "", cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    assert PYTHON.exists(), "run `make .venv-glue/.made`, as `make test` does"
    return subprocess.run(
        [str(PYTHON), *arguments],
        env={**os.environ, "PYTHONPATH": path, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_CONFIG_FILE": os.devnull},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def image() -> dict[str, str]:
    """Package to version, as the image has them."""
    lines = (ROOT / "requirements" / "glue-6.0.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {name.lower().replace("_", "-"): version for name, version in pairs}


@pytest.fixture(scope="module")
def installed() -> dict[str, str]:
    done = glue_python("-m", "pip", "list", "--format", "json")
    assert done.returncode == 0, done.stderr
    return {one["name"].lower().replace("_", "-"): one["version"] for one in json.loads(done.stdout)}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``--additional-python-modules`` names."""
    return build_wheel(tmp_path_factory.mktemp("wheel"), ROOT)


def test_the_environment_has_the_images_versions_and_what_the_image_lacks(
    image: dict[str, str], installed: dict[str, str]
) -> None:
    shared = installed.keys() & image.keys()
    assert {name: installed[name] for name in shared} == {name: image[name] for name in shared}
    assert {"boto3", "pyarrow", "pyyaml", "zstandard"} <= shared
    assert installed.keys() - shared == LACKING | TOOLS


def test_the_wheel_installs_there_and_changes_nothing(wheel: Path, installed: dict[str, str]) -> None:
    """By the image's own pip, from no index: a dependency that is not met there is an error."""
    assert "ingot" not in installed
    done = glue_python("-m", "pip", "install", "--quiet", "--dry-run", "--no-index", "--report", "-", str(wheel))
    assert done.returncode == 0, done.stderr
    assert [one["metadata"]["name"] for one in json.loads(done.stdout)["install"]] == ["ingot"]


def test_every_job_finds_all_that_it_imports(wheel: Path) -> None:
    scripts = sorted(map(str, (ROOT / "glue_jobs").glob("*.py")))
    # A wheel of Python alone can be imported as it is. Not from the checkout, which has the library too.
    done = glue_python("-c", IMPORT_SCRIPTS, *scripts, path=f"{wheel}{os.pathsep}{SHIM}", cwd=wheel.parent)
    assert done.returncode == 0, done.stderr
    *reached, library = done.stdout.splitlines()
    assert reached == scripts
    assert library.startswith(str(wheel))


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
