"""``docs/how-to/add-a-source.md`` as a newcomer follows it: its commands, edits and files, and what it says they print.

Only three things are not as the page has them. The checkout is a copy. The port of the recorded source is a free one.
And ``make up`` is not run: in its place an environment of this test's own gets, from the copy, what the stacks put
there: the sources, a secret, and the jobs of each source. That the stacks make these, and Airflow a DAG, is shown by
the end-to-end tests, and what the page says of ``cdk deploy`` by ``tests/unit/infra/test_source_added.py``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import msgspec
import pytest

from ingot.naming import Names
from tests.integration.cli.conftest import create_jobs
from tests.integration.docs.page import Command, Edit, Shell, Written, steps
from tests.ports import free_port

if TYPE_CHECKING:
    from ingot.warehouse import Endpoint

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # half a minute, and many times that on a busy machine

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/how-to/add-a-source.md"
PORT = "8090"
COPIED = ("dbt", "docs", "localstack", "sources", "tests/strangers")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy with all that the page touches, committed, so that git says what was added."""
    folder = tmp_path / "ingot"
    for part in COPIED:
        left_out = shutil.ignore_patterns("__pycache__", "target", "logs", ".user.yml")
        shutil.copytree(ROOT / part, folder / part, ignore=left_out)
    for file in (".gitignore", "pyproject.toml"):
        shutil.copy(ROOT / file, folder)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "core.excludesFile=")
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "As it was"]):
        subprocess.run([*git, *command], cwd=folder, check=True)
    return folder


@pytest.fixture
def make_up(cloud: str, warehouse_endpoint: Endpoint, checkout: Path) -> Callable[[], None]:
    """What ``make up`` leaves: the environment, with the jobs of each source that the checkout did not come with."""
    account = boto3.client("sts").get_caller_identity()["Account"]
    names = Names(environment=f"t{uuid.uuid4().hex[:8]}", account=account, region="us-east-1")
    s3 = boto3.client("s3")
    known = {folder.name for folder in (checkout / "sources").iterdir()}

    def deploy() -> None:
        if not (checkout / ".ingot").exists():
            for bucket in (names.bronze_bucket, names.lake_bucket, names.artifacts_bucket):
                s3.create_bucket(Bucket=bucket)
            boto3.client("secretsmanager").create_secret(
                Name=names.warehouse_secret, SecretString=msgspec.json.encode(warehouse_endpoint).decode()
            )
            (checkout / ".ingot").mkdir()
            variables = {"INGOT_ENVIRONMENT": names.environment, "DBT_EXECUTABLE": ROOT / ".venv-dbt/bin/dbt"}
            (checkout / ".ingot/env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
        for file in (checkout / "sources").glob("*/*.yaml"):
            key = f"sources/{file.relative_to(checkout / 'sources')}"
            s3.put_object(Bucket=names.artifacts_bucket, Key=key, Body=file.read_bytes())
        for source in {folder.name for folder in (checkout / "sources").iterdir()} - known:
            create_jobs(names, source)
            known.add(source)

    return deploy


@pytest.fixture
def shell(checkout: Path, tmp_path: Path) -> Iterator[Shell]:
    environment = {n: value for n, value in os.environ.items() if n not in ("PYTHONPATH", "VIRTUAL_ENV")}
    opened = Shell(checkout, tmp_path, environment)
    yield opened
    opened.close()


def test_a_newcomer_can_follow_it(
    checkout: Path, shell: Shell, make_up: Callable[[], None], warehouse_endpoint: Endpoint
) -> None:
    page = PAGE.read_text(encoding="utf-8").replace(PORT, str(free_port()))
    for step in steps(page):
        where = f"{PAGE.name}, line {step.line}"
        match step:
            case Written() | Edit():
                step.do_in(checkout)
            case Command(text="make up"):
                make_up()
            case Command(text=text, answers=answers):
                code, printed = shell.run(text, answers)
                assert code == 0, f"{where}: {text} ends with {code}:\n{printed}"
                assert step.fits(printed), f"{where}: {text} prints otherwise:\n{printed}"
    _every_issue_is_in_silver(warehouse_endpoint)


def _every_issue_is_in_silver(endpoint: Endpoint) -> None:
    from ingot.warehouse import load_warehouse

    recorded = json.loads((ROOT / "tests/strangers/repository/recorded/issues.json").read_text(encoding="utf-8"))
    found = load_warehouse(endpoint).query("select issue_id, title, comments from silver.github_issues order by 1")
    assert [tuple(row) for row in found.rows] == sorted((r["id"], r["title"], r["comments"]) for r in recorded)
