"""A warehouse in an embedded Postgres, and one dbt process for all tests that use it."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from ingot.files.detect import form_of
from ingot.files.reader import Reader
from ingot.sources import load_source
from tests.integration.dbt.bronze import Bronze
from tests.integration.dbt.warehouse import Warehouse, dbt_process

if TYPE_CHECKING:
    from laptop.services import Laptop

REPOSITORY = Path(__file__).parents[3]
RECORDINGS = REPOSITORY / "localstack" / "recorded_source" / "recordings" / "fakestore"


@pytest.fixture(scope="session")
def recordings() -> dict[str, list[dict[str, Any]]]:
    """What Fakestore answered, by name of the recording."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(RECORDINGS.glob("*.json"))}


@pytest.fixture(scope="session")
def rates() -> list[dict[str, Any]]:
    """The European Central Bank's rates from December 2019 to April 2020."""
    file = REPOSITORY / "sources" / "fx" / "recorded" / "rates.json"
    return [rate for rate in json.loads(file.read_text()) if rate["quote"] != "EUR"]  # which nobody asks for


@pytest.fixture(scope="session")
def costs() -> list[dict[str, Any]]:
    """The records of the suppliers' price lists, as the library reads the files that land in the demo."""
    folder = REPOSITORY / "sources" / "suppliers"
    stream = load_source(folder).stream("costs")
    found = []
    for file in sorted((folder / "recorded" / "landing" / "costs").iterdir()):
        with file.open("rb") as content:
            form = form_of(content, file.name, stream.contract, stream.files)
            found += [json.loads(each.record) for each in Reader(content, form, stream.contract, stream.files)]
    return found


@pytest.fixture(scope="session")
def dbt_python() -> Path:
    """The interpreter beside the dbt that DBT_EXECUTABLE names."""
    return Path(os.environ.get("DBT_EXECUTABLE", REPOSITORY / ".venv-dbt" / "bin" / "dbt")).with_name("python")


@pytest.fixture(scope="session")
def warehouse(dbt_python: Path, laptop: Laptop) -> Iterator[Warehouse]:
    """An empty warehouse and a dbt process that is connected to it."""
    laptop.postgres.start()
    name, password = f"dbt_{uuid.uuid4().hex[:12]}", secrets.token_urlsafe(12)
    with laptop.postgres.connect("postgres") as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    laptop.postgres.ensure_role(name, password, owner_of=name)
    environment = {
        "INGOT_WAREHOUSE_HOST": laptop.postgres.host,
        "INGOT_WAREHOUSE_PORT": str(laptop.postgres.port),
        "INGOT_WAREHOUSE_USER": name,
        "INGOT_WAREHOUSE_PASSWORD": password,
        "INGOT_WAREHOUSE_DBNAME": name,
    }
    address = {"host": laptop.postgres.host, "port": laptop.postgres.port, "user": name, "password": password}
    with (
        tempfile.TemporaryDirectory(prefix="ingot-dbt-") as state,
        psycopg.connect(**address, dbname=name, autocommit=True) as connection,
        dbt_process(dbt_python, "postgres", Path(state), environment) as dbt,
    ):
        yield Warehouse(connection, dbt)


@pytest.fixture
def bronze(warehouse: Warehouse) -> Bronze:
    """Empty bronze tables, and nothing else in the warehouse."""
    return Bronze(warehouse.connection)
