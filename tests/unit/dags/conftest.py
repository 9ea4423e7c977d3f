"""The DAG folder as it is uploaded, parsed once in this process and once with only what MWAA has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.bundle import build_bundle
from infra.settings import load_settings

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import DAG

ROOT = Path(__file__).resolve().parents[3]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Airflow warns of its own use of what its dependencies deprecated; that is not ours to mend."""
    if Path(__file__).parent in item.path.parents:
        item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning"))


@pytest.fixture(scope="session")
def uploaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lies in the DAG bucket: ``setup/`` and ``dags/``."""
    settings = load_settings("local", {"INGOT_WAREHOUSE_HOST": "127.0.0.1", "INGOT_WAREHOUSE_PORT": "5432"})
    return build_bundle(tmp_path_factory.mktemp("bucket") / "bundle", ROOT, settings)


@pytest.fixture(scope="session")
def folder(uploaded: Path) -> Path:
    """The uploaded ``dags/``."""
    return uploaded / "dags"


@dataclass(frozen=True)
class MwaaParse:
    """What came out of a parse in a process that can import only what MWAA would have installed."""

    dags: dict[str, list[str]]
    """File to ids."""
    errors: dict[str, str]
    seconds: dict[str, float]
    """File to the quickest of a few parses."""
    modules: list[str]
    """Every top-level module that the parse loaded."""
    unpinned: dict[str, str]
    """Installed distributions whose version is not the one of MWAA's constraints, with both."""


@pytest.fixture(scope="session")
def mwaa(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> MwaaParse:
    home = tmp_path_factory.mktemp("airflow")
    script = Path(__file__).with_name("parse_as_mwaa.py")
    # Cold bytecode would be measured too, and an image's PYTHONDONTWRITEBYTECODE keeps it cold for ever.
    environment = {**os.environ, "AIRFLOW_HOME": str(home), "PYTHONDONTWRITEBYTECODE": ""}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-P", str(script), str(folder)], cwd=home, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return MwaaParse(**json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="session")
def dag_bag(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagBag]:
    """The folder parsed in this process, for tests that look at DAGs as objects."""
    patch = pytest.MonkeyPatch()
    patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
    patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    patch.setenv("AIRFLOW__COSMOS__ENABLE_TELEMETRY", "False")
    patch.syspath_prepend(str(folder))
    from airflow.dag_processing.dagbag import DagBag

    yield DagBag(dag_folder=str(folder), bundle_path=folder, bundle_name="test")
    patch.undo()


@pytest.fixture(scope="session")
def ingest(dag_bag: DagBag) -> DAG:
    return _dag(dag_bag, "ingest_fakestore")


@pytest.fixture(scope="session")
def transform(dag_bag: DagBag) -> DAG:
    return _dag(dag_bag, "transform")


def _dag(bag: DagBag, dag_id: str) -> Any:
    assert not bag.import_errors
    return bag.dags[dag_id]
