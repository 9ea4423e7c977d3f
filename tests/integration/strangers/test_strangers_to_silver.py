"""Each stranger becomes a source by ``ingot source new`` alone, and each of its records a row of silver.

One process, and one run of dbt for all of them: a fixture takes them together, and the tests look at what it left.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from recorded_source.guards import API_KEY
from recorded_source.source import RecordedSource

from ingot.attempt import attempt
from ingot.batch import Batch
from ingot.discover.silver import key_of
from ingot.errors import IngotError
from ingot.request import LinkHeader, NextCursor, NextUrl, Offset, PageNumber, Pagination
from ingot.sources import Stream, load_source
from ingot.steps.extract import extract
from ingot.steps.load import load
from ingot.steps.refine import refine
from ingot.storage import ObjectStore
from ingot.warehouse import Endpoint, Warehouse, load_warehouse
from tests.integration.dbt.warehouse import dbt_process
from tests.integration.strangers.rows import STRANGERS, expected, plain, recording

if TYPE_CHECKING:
    from click.testing import Result
    from laptop.services import Laptop

ROOT = Path(__file__).resolve().parents[3]
AS_OF = datetime(2024, 6, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Way:
    """How a stranger is asked for, and what has to be found out about it.

    Attributes:
        url: behind its name.
        options: the answers that cannot be inferred.
        pagination: how its pages follow each other.
        records, keyed_by: where its records are.
        key: what tells them apart.
        forms: by field, how its values are written where that is not as their type is.
    """

    url: str
    pagination: Pagination | None
    options: tuple[str, ...] = ()
    records: str = ""
    keyed_by: str = ""
    key: str = "id"
    forms: tuple[tuple[str, str], ...] = ()


WAYS = {
    "tracker": Way("/rest/api/2/search", Offset("startAt", total_records="total"), records="issues"),
    "pipelines": Way(
        "/_apis/build/builds?$top=20",
        NextCursor(param="continuationToken", header="X-Ms-Continuationtoken"),
        records="value",
    ),
    "contacts": Way("/crm/v3/objects/contacts", NextUrl(next="paging.next.link"), records="results"),
    "storefront": Way(
        "/admin/api/2024-04/products.json?limit=50",
        LinkHeader(),
        ("--auth", "api_key:header=X-Shopify-Access-Token"),
        records="products",
    ),
    "repository": Way("/repos/acme/shop/issues?per_page=30", PageNumber()),
    "till": Way(
        "/wp-json/wc/v3/products?per_page=25",
        PageNumber(),
        forms=tuple(
            (name, "textOrNumber") for name in ("id", "sku", "price", "weight", "stock_quantity", "average_rating")
        ),
    ),
    "trades": Way("/api/v3/myTrades", None, forms=(("time", "epochMillis"),)),
    "devices": Way("/devices.json", None, keyed_by="id"),
}


@dataclass
class Taken:
    """All of them, as they are in the warehouse."""

    streams: dict[str, Stream]
    warehouse: Warehouse
    problems: list[str]

    def rows(self, table: str, columns: list[str], order: str) -> list[dict[str, Any]]:
        names = ", ".join(f'"{name}"' for name in columns)
        found = self.warehouse.query(f"SELECT {names} FROM {table} ORDER BY {order}")
        return [dict(zip(columns, row, strict=True)) for row in found.rows]

    def columns(self, schema: str, table: str) -> list[str]:
        where = f"table_schema = '{schema}' AND table_name = '{table}'"
        found = self.warehouse.query(f"SELECT column_name FROM information_schema.columns WHERE {where}")
        return [str(name) for (name,) in found.rows]


def new(source: RecordedSource, name: str, *options: str) -> Result:
    from typer.testing import CliRunner

    from ingot.cli.app import app

    target = f"{source.url}/{name}{WAYS[name].url}"
    told = ("--name", name, "--requests-per-second", "1000", "--yes", *options)
    return CliRunner().invoke(app, ["source", "new", target, *told])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkout without any source, with dbt's macros, generic tests and words on lineage; the working directory."""
    folder = tmp_path_factory.mktemp("project")
    for part in ("macros", "tests/generic"):
        shutil.copytree(ROOT / "dbt" / part, folder / "dbt" / part)
    for file in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(ROOT / "dbt" / file, folder / "dbt")
    (folder / "dbt/models").mkdir(exist_ok=True)
    shutil.copy(ROOT / "dbt/models/lineage.md", folder / "dbt/models")
    (folder / "sources").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def recorded_strangers() -> Iterator[RecordedSource]:
    with RecordedSource(apis=[STRANGERS]) as source:
        yield source


@pytest.fixture(scope="module")
def endpoint(laptop: Laptop) -> Endpoint:
    from psycopg import sql

    laptop.postgres.start()
    name, password = f"strangers_{uuid.uuid4().hex[:12]}", secrets.token_urlsafe(12)
    with laptop.postgres.connect("postgres") as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    laptop.postgres.ensure_role(name, password, owner_of=name)
    return Endpoint("postgres", laptop.postgres.host, laptop.postgres.port, name, password, name)


@pytest.fixture(scope="module")
def taken(cloud: str, endpoint: Endpoint, project: Path, recorded_strangers: RecordedSource) -> Iterator[Taken]:
    """Every stranger made a source, taken to the warehouse, and all of them through dbt."""
    import boto3

    bronze, lake = (f"{purpose}-{uuid.uuid4().hex[:12]}" for purpose in ("bronze", "lake"))
    for bucket in (bronze, lake):
        boto3.client("s3").create_bucket(Bucket=bucket)
    stores = ObjectStore(bronze), ObjectStore(lake)
    secret = f"storefront-{bronze}"
    boto3.client("secretsmanager").create_secret(Name=secret, SecretString=json.dumps({"api_key": API_KEY}))
    warehouse = load_warehouse(endpoint)
    streams = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INGOT_SOURCE_SECRET", json.dumps({"api_key": API_KEY}))
        for name, way in WAYS.items():
            result = new(recorded_strangers, name, *way.options)
            assert result.exit_code == 0, f"{name}: {result.output} {result.exception!r}"
            source = load_source(project / "sources" / name)
            (streams[name],) = source.streams.values()
            _take(source, streams[name], stores, warehouse, secret)
    with ExitStack() as stack:
        state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ingot-dbt-")))
        environment = {
            "INGOT_WAREHOUSE_HOST": endpoint.host,
            "INGOT_WAREHOUSE_PORT": str(endpoint.port),
            "INGOT_WAREHOUSE_USER": endpoint.username,
            "INGOT_WAREHOUSE_PASSWORD": endpoint.password,
            "INGOT_WAREHOUSE_DBNAME": endpoint.dbname,
        }
        python = Path(os.environ.get("DBT_EXECUTABLE", ROOT / ".venv-dbt" / "bin" / "dbt")).with_name("python")
        dbt = stack.enter_context(dbt_process(python, "postgres", state, environment, project / "dbt"))
        yield Taken(streams, warehouse, dbt("build"))


def _take(
    source: Any, stream: Stream, stores: tuple[ObjectStore, ObjectStore], warehouse: Warehouse, secret: str
) -> None:
    bronze, lake = stores
    begin = datetime(2024, 5, 31, tzinfo=UTC)
    batch = Batch(source=source.name, stream=stream.name, interval_start=begin, interval_end=AS_OF)
    with attempt(bronze, batch, "extract") as record:
        secret_of = secret if source.auth is not None else None
        manifest = extract(batch, source=source, bronze=bronze, as_of=AS_OF, record=record, secret=secret_of)
    assert manifest.rejected == 0
    with attempt(bronze, batch, "refine") as record:
        refine(batch, contract=stream.contract, bronze=bronze, lake=lake, record=record)
    with attempt(bronze, batch, "load") as record:
        load(batch, contract=stream.contract, bronze=bronze, lake=lake, warehouse=warehouse, record=record)


def wanted(taken: Taken, name: str) -> list[dict[str, Any]]:
    """The rows that the recording stands for; the key of an object's records is the field that takes it."""
    contract = taken.streams[name].contract
    rows = recording(name)
    if field := WAYS[name].keyed_by:
        rows = [{field: row["key"], **{n: value for n, value in row.items() if n != "key"}} for row in rows]
    lists = [column.name for column in contract.columns if column.property.logical_type == "array"]
    return [_plain_lists(expected(contract, row), lists) for row in rows]


def _plain_lists(row: dict[str, Any], lists: list[str]) -> dict[str, Any]:
    values = {n: json.loads(row[n]) if isinstance(row[n], str) else row[n] for n in lists if n in row}
    return row | {name: plain(value) for name, value in values.items()}


def test_dbt_builds_all_and_its_tests_hold(taken: Taken) -> None:
    assert taken.problems == []


@pytest.mark.parametrize("name", WAYS)
def test_what_can_be_seen_is_inferred(taken: Taken, name: str) -> None:
    stream, way = taken.streams[name], WAYS[name]
    assert (stream.pagination, stream.records, stream.keyed_by) == (way.pagination, way.records, way.keyed_by)
    assert stream.contract.primary_key == (way.key,)
    forms = {prop.name: prop.source_form for prop in stream.contract.properties if prop.source_form}
    assert forms == dict(way.forms)


@pytest.mark.parametrize("name", WAYS)
def test_no_recorded_value_is_left_out(taken: Taken, name: str) -> None:
    """Of the contract: what is null in every record, and tells no type, is no value."""
    known = {column.path for column in taken.streams[name].contract.columns}
    seen = {path for row in recording(name) for path in _paths(row, ())}
    assert {("id",) if path == ("key",) and WAYS[name].keyed_by else path for path in seen} <= known


def _paths(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _paths(inner, (*path, name))
    elif value is not None:
        yield path


@pytest.mark.parametrize("name", WAYS)
def test_staging_holds_every_value_that_was_recorded(taken: Taken, name: str) -> None:
    stream = taken.streams[name]
    names = [column.name for column in stream.contract.columns]
    lists = [column.name for column in stream.contract.columns if column.property.logical_type == "array"]
    rows = taken.rows(f"staging.stg_{name}__{stream.name}", names, "_line")
    assert [_plain_lists(row, lists) for row in rows] == wanted(taken, name)


@pytest.mark.parametrize("name", WAYS)
def test_silver_holds_every_record_once_and_no_personal_value(taken: Taken, name: str) -> None:
    stream = taken.streams[name]
    key, table = key_of(stream.name, stream.contract), f"{name}_{stream.name}"
    contracts = {column.name: column for column in stream.contract.columns}
    there = taken.columns("silver", table)
    renamed = {key.name: key.columns[0]}
    shared = [column for column in there if renamed.get(column, column) in contracts]
    lists = [column for column in shared if contracts[renamed.get(column, column)].property.logical_type == "array"]
    rows = [_plain_lists(row, lists) for row in taken.rows(f"silver.{table}", shared, "_line")]
    assert rows == [{column: row[renamed.get(column, column)] for column in shared} for row in wanted(taken, name)]
    assert len({row[key.name] for row in rows}) == len(recording(name))
    personal = {n for n, column in contracts.items() if column.property.classification == "personal"}
    assert set(contracts) - {renamed.get(column, column) for column in shared} <= personal | _around(stream, personal)
    assert not personal & set(shared)


def _around(stream: Stream, personal: set[str]) -> set[str]:
    """Columns that hold something personal inside of them, or stand in something that is."""
    found = set()
    for column in stream.contract.columns:
        inner = list(column.property.items.properties) if column.property.items else []
        around, parts = stream.contract.properties, []
        for name in column.path:
            parts.append(next(prop for prop in around if prop.name == name))
            around = parts[-1].properties
        if any(prop.classification == "personal" for prop in (*parts, *inner)):
            found.add(column.name)
    return found | personal


def test_what_cannot_be_seen_is_asked_with_what_was_seen(
    project: Path, recorded_strangers: RecordedSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = new(recorded_strangers, "storefront", "--dry-run")
    assert isinstance(closed.exception, IngotError)
    assert "401" in str(closed.exception)
    assert "--auth" in str(closed.exception)
