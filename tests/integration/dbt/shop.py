"""The recorded shop, taken, loaded and modelled once: with a record that was replayed and a product that vanished."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import httpx
import msgspec
import psycopg
import pytest

from ingot.landing import land, landing_key
from ingot.naming import Names, landing_prefix
from ingot.sources import load_source
from ingot.storage import ObjectStore
from ingot.warehouse import Endpoint, load_warehouse
from tests.integration.dbt.warehouse import Warehouse
from tests.integration.ingot.conftest import World

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Answer:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.out)


@dataclass(frozen=True)
class Shop:
    """An environment that the CLI finds, and the steps that filled it."""

    world: World
    names: Names
    connection: psycopg.Connection[Any]
    requests: dict[str, list[str]]
    """What the source was asked, in order, by stream: whole URLs."""

    def explain(self, *arguments: str) -> Answer:
        """Call the CLI as its `main` does."""
        from typer.testing import CliRunner

        from ingot.cli.app import app
        from ingot.errors import IngotError

        result = CliRunner().invoke(app, ["explain", *arguments])
        if isinstance(result.exception, IngotError):
            return Answer(1, result.stdout, f"{result.stderr}{type(result.exception).__name__} {result.exception}")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    def tree(self, *arguments: str) -> Any:
        """What `--json` answers."""
        answer = self.explain(*arguments, "--json")
        assert answer.code == 0, answer.err
        return answer.json


@contextmanager
def open_shop(warehouse: Warehouse, home: Path) -> Iterator[Shop]:
    """Fill an environment of its own, with the warehouse that dbt is connected to; while it is open, the CLI finds it.

    Args:
        home: where the CLI is to look for what runs, in place of this checkout.
    """
    from recorded_source.source import RecordedSource

    account = boto3.client("sts").get_caller_identity()["Account"]
    names = Names(environment=f"x{uuid.uuid4().hex[:8]}", account=account, region="us-east-1")
    for bucket in (names.bronze_bucket, names.lake_bucket, names.dags_bucket):
        boto3.client("s3").create_bucket(Bucket=bucket)
    for schema in ("bronze", "staging", "silver", "gold", "audit"):
        warehouse.connection.execute(f"drop schema if exists {schema} cascade")
    info = warehouse.connection.info
    endpoint = Endpoint("postgres", info.host, info.port, info.user, info.password, info.dbname)
    boto3.client("secretsmanager").create_secret(
        Name=names.warehouse_secret, SecretString=msgspec.json.encode(endpoint).decode()
    )
    with RecordedSource() as recorded, pytest.MonkeyPatch.context() as patch:
        patch.setenv("INGOT_ENVIRONMENT", names.environment)
        patch.setenv("INGOT_HOME", str(home))
        patch.setenv("INGOT_SOURCE_URL_FAKESTORE", recorded.url)
        patch.setenv("INGOT_SOURCE_URL_FX", f"{recorded.url}/fx")
        patch.chdir(ROOT)
        world = World(
            source=load_source(ROOT / "sources" / "fakestore"),
            bronze=ObjectStore(names.bronze_bucket),
            lake=ObjectStore(names.lake_bucket),
            warehouse=load_warehouse(endpoint),
            recorded=recorded,
        )
        _fill(world)
        currencies = replace(world, source=load_source(ROOT / "sources" / "fx"))
        currencies.run(currencies.batch("rates"))
        _land_an_event(replace(world, source=load_source(ROOT / "sources" / "orders_stream")))
        _land_the_price_lists(replace(world, source=load_source(ROOT / "sources" / "suppliers")))
        requests: dict[str, list[str]] = {}
        for request in recorded.requests:
            query = f"?{request.query}" if request.query else ""
            requests.setdefault(request.path.strip("/"), []).append(f"{recorded.url}{request.path}{query}")
        assert warehouse.dbt("seed") == []
        assert warehouse.dbt("run") == []
        yield Shop(world, names, warehouse.connection, requests)


def _land_an_event(world: World) -> None:
    """Order 7 as the API has it, said once more by an event from after the API was asked."""
    event = {
        "order_id": 7,
        "event_id": str(uuid.UUID(int=7)),
        "type": "changed",
        "occurred_at": "2020-04-01T12:00:00Z",
        "placed_at": "2020-03-01T00:00:00Z",
        "user_id": 8,
        "lines": [{"product_id": 18, "quantity": 1}],
    }
    world.bronze.put(f"{landing_prefix('orders_stream', 'orders')}event", msgspec.json.encode(event))
    assert world.run(world.batch("orders", "2020-04-01", "2020-04-02")).accepted == 1


def _land_the_price_lists(world: World) -> None:
    """Those of the demo, as `ingot land` puts them."""
    costs = world.source.stream("costs")
    for file in sorted((ROOT / "sources" / "suppliers" / "recorded" / "landing" / "costs").iterdir()):
        with file.open("rb") as content:
            assert land(landing_key(costs, file.name), content, bronze=world.bronze) == "new"
    assert world.run(world.batch("costs")).accepted == 27


def _fill(world: World) -> None:
    """Two days of products: on the first, product 3 is refused and replayed; on the second, product 20 is gone."""
    recorded = world.recorded
    products = httpx.get(f"{recorded.url}/products").json()
    recorded.forget_requests()
    recorded.misbehave("/products", set_field={"id": 3, "field": "rating.rate", "value": 7.5})
    refused = world.run(world.batch("products", "2020-01-01", "2020-01-02"))
    assert refused.rejects is not None
    contract = world.source.stream("products").contract
    done = world.resolve(refused.rejects.key, contract=_out_of_ten(contract))
    assert done.manifest is not None
    world.refine(done.manifest.batch)
    world.load(done.manifest.batch)
    recorded.behave()
    products[2]["rating"]["rate"] = 7.5  # refused again, and so nothing new
    recorded.misbehave("/products", status=200, body=products[:-1], headers={"Content-Type": "application/json"})
    assert world.run(world.batch("products", "2020-01-02", "2020-01-03")).deleted == 1
    recorded.behave()
    for stream in ("users", "carts"):
        world.run(world.batch(stream))


def _out_of_ten(contract: Any) -> Any:
    def mend(prop: Any) -> Any:
        if prop.name == "rate":
            options = msgspec.structs.replace(prop.logical_type_options, maximum=10)
            return msgspec.structs.replace(prop, logical_type_options=options)
        return msgspec.structs.replace(prop, properties=tuple(map(mend, prop.properties)))

    return msgspec.structs.replace(contract, properties=tuple(map(mend, contract.properties)))
