"""Whoever starts dbt for a warehouse takes the project as it was parsed beforehand; and what changed is parsed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.dbt_image import DOCKERFILE, build_context
from ingot.cli.transform import build
from ingot.warehouse import Endpoint
from tests.bench.contenders import dbt_ingot, whole_ingot
from tests.integration.dbt.test_dbt_turns import environment
from tests.integration.dbt.warehouse import PROJECT, Warehouse

ROOT = PROJECT.parent
PARSED = "Partial parsing enabled, no changes found, skipping parsing"
ELSEWHERE = {
    "INGOT_WAREHOUSE_HOST": "warehouse-with-a-name.cluster-of-one.eu-central-1.rds.amazonaws.example.com",
    "INGOT_WAREHOUSE_PORT": "6543",
    "INGOT_WAREHOUSE_USER": "O'Neill",
}
# Called as `dbt build`, it does all that comes before the warehouse, which here is called as one that is deployed.
LISTS = """#!/bin/sh
shift
INGOT_WAREHOUSE_DBNAME=ingot exec {dbt} ls --quiet --select orders "$@" --log-path {log}
"""


@pytest.fixture(scope="module")
def dbt(dbt_python: Path) -> Path:
    return dbt_python.with_name("dbt")


@pytest.fixture(scope="module")
def image(dbt: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as it lies in the image: parsed by the words of its Dockerfile."""
    folder = tmp_path_factory.mktemp("image")
    project = build_context(folder / "context", ROOT) / "dbt"
    runs = re.findall(r"^RUN (.+)$", re.sub(r"\\\n", "", DOCKERFILE.read_text(encoding="utf-8")), re.MULTILINE)
    (words,) = (run.split() for run in runs if " parse " in run)
    places = {"/opt/dbt/bin/dbt": dbt, "/opt/ingot/dbt": project, "/tmp/dbt": folder / "log"}
    subprocess.run([str(places.get(word, word)) for word in words], check=True)
    return project


@pytest.fixture
def lists(dbt: Path, tmp_path: Path) -> Path:
    file = tmp_path / "dbt"
    file.write_text(LISTS.format(dbt=dbt, log=tmp_path))
    file.chmod(0o755)
    return file


def started(dbt: Path, project: Path, state: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A dbt elsewhere, after `parsed.py`; it logs into the same folder."""
    to = {**os.environ, **ELSEWHERE, "DBT_TARGET": "postgres", **variables}
    subprocess.run([sys.executable, project / "parsed.py", state], env=to, check=True)
    places = ["--project-dir", project, "--profiles-dir", project, "--target-path", state, "--log-path", state]
    line = [dbt, "--quiet", *command, *places]
    return subprocess.run(line, env=to, capture_output=True, text=True, check=False)


def log(folder: Path) -> str:
    return (folder / "dbt.log").read_text(encoding="utf-8")


def test_ingot_transform_parses_nothing(warehouse: Warehouse, lists: Path, tmp_path: Path) -> None:
    info = warehouse.connection.info
    endpoint = Endpoint("postgres", info.host, info.port, info.user, info.password, info.dbname)

    assert build(str(lists), PROJECT, endpoint, []) == 0

    assert PARSED in log(tmp_path), "is `make manifest` done?"


def test_the_container_parses_nothing(
    warehouse: Warehouse, image: Path, dbt_python: Path, lists: Path, tmp_path: Path
) -> None:
    scratch = {"DBT_TARGET_PATH": str(tmp_path / "scratch/target"), **environment(warehouse)}
    line = [dbt_python, "turn.py", lists, "build", "--target", "postgres"]

    done = subprocess.run(line, cwd=image, env={**os.environ, **scratch}, check=False)

    assert done.returncode == 0
    assert PARSED in log(tmp_path)


@pytest.mark.parametrize("module", [dbt_ingot, whole_ingot], ids=["the stage dbt", "the stage whole"])
def test_the_benchmarks_parse_nothing(module: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INGOT_HOME", str(tmp_path))
    for name, value in ELSEWHERE.items():
        monkeypatch.setenv(name, value)
    if module is dbt_ingot:
        dbt_ingot.dbt("start")
    else:
        with pytest.raises(subprocess.CalledProcessError):  # there is no such warehouse: it was parsed before
            whole_ingot.transform()

    assert PARSED in log(tmp_path / "dbt")


def test_what_changed_is_parsed_again_and_nothing_else(dbt: Path, image: Path, tmp_path: Path) -> None:
    project = shutil.copytree(image, tmp_path / "dbt")
    model = project / "models/gold/monthly_products.sql"
    model.write_text(model.read_text() + "-- {{ config(tags='edited') }}\n")

    done = started(dbt, project, tmp_path / "state", "ls", "--select", "tag:edited", "--resource-type", "model")

    assert done.stdout.split() == ["ingot.gold.monthly_products"]
    assert "Partial parsing enabled: 0 files deleted, 0 files added, 1 files changed." in log(tmp_path / "state")


def test_what_was_parsed_for_another_database_is_not_taken(dbt: Path, image: Path, tmp_path: Path) -> None:
    """A model's table has the name of its database in it."""
    here = {"INGOT_WAREHOUSE_HOST": "localhost", "INGOT_WAREHOUSE_DBNAME": "shop"}

    done = started(dbt, image, tmp_path, "ls", "--select", "orders", **here)

    assert done.returncode == 0
    assert "Unable to do partial parsing because profile has changed" in log(tmp_path)


def test_a_port_that_is_none_is_for_dbt_to_tell(dbt: Path, image: Path, tmp_path: Path) -> None:
    done = started(dbt, image, tmp_path, "ls", INGOT_WAREHOUSE_PORT="none")

    assert done.returncode == 2
    assert "Could not convert value 'none'" in done.stdout


def test_what_was_parsed_for_this_machine_is_not_masked_elsewhere_without_a_salt(
    dbt: Path, image: Path, tmp_path: Path
) -> None:
    project = shutil.copytree(image, tmp_path / "dbt")
    offline = ["--no-introspect", "--no-populate-cache", "--vars", "as_increment: false"]
    places = ["--target", "postgres", "--project-dir", project, "--profiles-dir", project]
    subprocess.run([dbt, "--quiet", "parse", *offline[2:], *places], check=True)

    done = started(dbt, project, tmp_path / "state", "compile", "--select", "addresses", *offline)

    assert PARSED in log(tmp_path / "state")
    assert done.returncode != 0
    assert "INGOT_MASK_SALT is not set" in done.stdout
