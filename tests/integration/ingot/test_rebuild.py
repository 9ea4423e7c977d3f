"""The warehouse comes back from Bronze: the same rows under the same numbers, with the source switched off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
import pytest

from ingot.contract import Contract
from ingot.errors import IntegrityError, WarehouseUnavailable
from ingot.manifest import Manifest
from ingot.steps.rebuild import rebuild
from ingot.warehouse import Endpoint, Warehouse
from ingot.warehouse.base import Loaded

if TYPE_CHECKING:
    from conftest import World

    from ingot.steps.rebuild import Rebuilt

JANUARY, FEBRUARY = ("2020-01-01", "2020-02-01"), ("2020-02-01", "2020-03-01")
MARCH = ("2020-03-01", "2020-04-01")
TABLES = ("bronze.fakestore_carts", "bronze.fakestore_products")
# All but the time of the load, and the attempts, of which a rebuild is some.
AUDIT = "audit.batches", "audit.rejects"
INDEXES = "select indexdef from pg_indexes where schemaname = 'bronze' order by 1"


@pytest.fixture
def history(world: World, warehouse_endpoint: Endpoint) -> World:
    """Intervals out of order and loaded anew (which leaves holes in the numbers), snapshots, a deletion, a discard."""
    for interval in (FEBRUARY, JANUARY):
        world.run(world.batch("carts", *interval))
    with psycopg.connect(uri(warehouse_endpoint), autocommit=True) as connection:
        connection.execute("delete from bronze.fakestore_carts")
    world.load(world.batch("carts", *FEBRUARY))
    world.load(world.batch("carts", *JANUARY))
    world.recorded.misbehave("/carts", set_field={"id": 3, "field": "products.0.quantity", "value": 0})
    world.change("carts", contract=tolerant(world.source.stream("carts").contract))
    refused = world.run(world.batch("carts", *MARCH))
    assert refused.rejects is not None
    resolved = world.resolve(refused.rejects.key, action="discard", reason="a test order")
    assert resolved.manifest is not None
    world.refine(resolved.manifest.batch)
    world.load(resolved.manifest.batch)
    world.run(world.batch("products", *JANUARY))
    world.recorded.misbehave("/products", patch={"id": 3, "merge": {"price": 1}})
    world.run(world.batch("products", *FEBRUARY))
    world.recorded.misbehave("/products", status=200, body="[]")
    world.change("products", max_delete_rate=1.0)
    deleted = world.run(world.batch("products", *MARCH))
    assert deleted.deleted == 20
    world.recorded.misbehave("/users", status=404)
    with pytest.raises(Exception, match="404"):
        world.run(world.batch("users", *JANUARY))
    world.audit()
    world.recorded.forget_requests()
    world.recorded.misbehave("*", status=500)
    return world


def test_a_rebuild_gives_the_same_rows_under_the_same_numbers_without_a_request(history: World) -> None:
    before, indexes = everything(history), history.rows(INDEXES)
    assert len(indexes) == 3 * len(TABLES)
    numbers = {row["_load_id"] for row in before["bronze.fakestore_carts"]}
    assert min(numbers) > 2, "carts were loaded anew: their first numbers are gone"

    done = again(history)

    assert everything(history) == before
    assert history.rows(INDEXES) == indexes
    assert (done.batches, done.refined) == (7, 0)
    assert history.recorded.requests == []
    (attempts,) = history.rows("select count(*) from audit.attempts where state = 'FAILED' and stream = 'users'")
    assert attempts == (1,), "failures are told of again too"


def test_a_warehouse_that_is_wholly_new_and_parquet_that_is_gone_are_made_again(
    history: World, warehouse_endpoint: Endpoint
) -> None:
    import boto3

    before = everything(history)
    with psycopg.connect(uri(warehouse_endpoint), autocommit=True) as connection:
        connection.execute("drop schema bronze cascade")
        connection.execute("drop schema audit cascade")
    boto3.resource("s3").Bucket(history.lake.bucket).objects.filter(Prefix="bronze/fakestore/carts/").delete()

    done = again(history)

    assert everything(history) == before
    assert (done.batches, done.refined) == (7, 4)


def test_a_rebuild_that_fails_leaves_the_tables_and_the_next_load_gets_the_next_number(history: World) -> None:
    before = everything(history)
    (newest,) = history.rows("select max(load_id) from audit.batches where stream = 'carts'")
    with pytest.raises(WarehouseUnavailable):
        again(history, Gone(history.warehouse, loads=2))
    assert everything(history) == before
    assert history.rows("select nspname from pg_namespace where nspname like 'rebuilding%'") == []

    again(history)

    assert everything(history) == before
    history.recorded.behave()
    april = history.batch("carts", "2020-04-01", "2020-05-01")
    history.run(april)
    assert history.rows(f"select load_id from audit.batches where batch_id = '{april.id}'") == [(newest[0] + 1,)]


def test_batches_of_an_older_contract_are_rebuilt_with_the_columns_of_the_present_one(world: World) -> None:
    present = world.source.stream("carts").contract
    fewer = tuple(prop for prop in present.properties if prop.name != "__v")
    world.change("carts", contract=msgspec.structs.replace(present, properties=fewer, version="0.9.0"))
    world.run(world.batch("carts", *MARCH))
    assert "v" not in {name for row in rows_of(world, "bronze.fakestore_carts") for name in row}
    world.change("carts", contract=present)

    done = again(world)

    assert done.refined == 1
    assert [row["v"] for row in rows_of(world, "bronze.fakestore_carts")] == [0] * 5


def test_no_number_is_given_twice_where_a_lost_warehouse_counted_from_1_again(
    world: World, warehouse_endpoint: Endpoint
) -> None:
    world.run(world.batch("carts", *JANUARY))
    world.run(world.batch("carts", *FEBRUARY))
    with psycopg.connect(uri(warehouse_endpoint), autocommit=True) as connection:
        connection.execute("drop schema bronze cascade")
        connection.execute("drop schema audit cascade")
    world.run(world.batch("carts", *MARCH))

    for _ in range(2):
        again(world)

        numbers = world.rows("select interval_start::date::text, load_id from audit.batches order by load_id")
        assert numbers == [("2020-01-01", 1), ("2020-03-01", 2), ("2020-02-01", 3)]


def retyped(name: str, logical: str, physical: str, **options: Any) -> Callable[[Contract], Contract]:
    """The contract's next major version, which has a field of another type."""

    def change(contract: Contract) -> Contract:
        fields = tuple(
            msgspec.structs.replace(
                prop,
                logical_type=logical,
                physical_type=physical,
                logical_type_options=type(prop.logical_type_options)(**options),
            )
            if prop.name == name
            else prop
            for prop in contract.properties
        )
        return msgspec.structs.replace(contract, version="2.0.0", properties=fields)

    return change


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        pytest.param(retyped("category", "integer", "integer"), "accepted by contract 1.0.0: go back", id="refine"),
        pytest.param(retyped("title", "string", "varchar(5)", max_length=5), "22001.*version before", id="load"),
    ],
)
def test_a_contract_that_older_batches_do_not_fit_costs_no_table_and_is_not_tried_again(
    world: World, change: Callable[[Contract], Contract], hint: str
) -> None:
    first = world.batch("products", *JANUARY)
    world.run(first)
    world.audit()
    before = everything(world, "bronze.fakestore_products")
    present = world.source.stream("products").contract
    world.change("products", contract=change(present))

    with pytest.raises(IntegrityError, match=hint) as failure:
        again(world)

    assert (failure.value.transient, failure.value.batch) == (False, first.id)
    assert everything(world, "bronze.fakestore_products") == before
    world.change("products", contract=present)
    world.recorded.misbehave("/products", patch={"id": 3, "merge": {"price": 1}})
    world.run(world.batch("products", *FEBRUARY))
    assert world.rows("select distinct _load_id from bronze.fakestore_products order by 1") == [(1,), (2,)]


def test_a_rebuild_with_the_older_contract_again_refines_what_the_newer_one_refined(world: World) -> None:
    world.run(world.batch("products", *JANUARY))
    world.audit()
    before = everything(world, "bronze.fakestore_products")
    first = world.source.stream("products").contract
    world.change("products", contract=retyped("price", "string", "varchar(20)", max_length=20)(first))
    assert again(world).refined == 1
    assert world.rows("select price from bronze.fakestore_products where id = 1") == [("109.95",)]
    assert again(world).refined == 0, "they are of this contract, whatever the manifests say"
    world.change("products", contract=first)

    assert again(world).refined == 1
    assert everything(world, "bronze.fakestore_products") == before


def test_a_batch_that_was_loaded_during_the_rebuild_is_not_lost(world: World) -> None:
    world.run(world.batch("carts", *JANUARY))
    march, present = world.batch("carts", *MARCH), world.warehouse

    class Late(Gone):
        @contextmanager
        def rebuilding(self, source: str, streams: list[str]) -> Iterator[Any]:
            with present.rebuilding(source, streams) as tables:
                yield tables
                world.run(march)

    with pytest.raises(WarehouseUnavailable, match="loaded while"):
        again(world, Late(present, loads=0))
    assert world.rows("select count(distinct _batch_id) from bronze.fakestore_carts") == [(2,)]
    assert again(world).batches == 2


def test_two_rebuilds_at_once_do_not_meet(world: World) -> None:
    world.run(world.batch("carts", *JANUARY))
    with world.warehouse.rebuilding("fakestore", []), pytest.raises(WarehouseUnavailable, match="under way"):
        again(world)
    assert again(world).batches == 1


class Gone:
    """A warehouse that goes away after some loads of a rebuild."""

    def __init__(self, warehouse: Warehouse, loads: int) -> None:
        self._warehouse, self._left = warehouse, loads

    def __getattr__(self, name: str) -> Any:
        return getattr(self._warehouse, name)

    @contextmanager
    def rebuilding(self, source: str, streams: list[str]) -> Iterator[Any]:
        with self._warehouse.rebuilding(source, streams) as self._tables:
            yield self

    def load(self, manifest: Manifest, contract: Contract, parquet: Path, *, load_id: int | None = None) -> Loaded:
        if not self._left:
            raise WarehouseUnavailable("gone")
        self._left -= 1
        return self._tables.load(manifest, contract, parquet, load_id=load_id)


def again(world: World, warehouse: Any = None) -> Rebuilt:
    return rebuild(world.source, bronze=world.bronze, lake=world.lake, warehouse=warehouse or world.warehouse)


def everything(world: World, *tables: str) -> dict[str, list[dict[str, object]]]:
    """Every row of Bronze, and of the audit what does not tell the time of a load."""
    return {table: sorted(rows_of(world, table), key=repr) for table in (*(tables or TABLES), *AUDIT)}


def rows_of(world: World, table: str) -> Iterator[dict[str, object]]:
    found = world.warehouse.query(f"select * from {table}")
    for row in found.rows:
        yield {name: value for name, value in zip(found.columns, row, strict=True) if name != "loaded_at"}


def tolerant(contract: Contract) -> Contract:
    return msgspec.structs.replace(contract, max_reject_rate=0.9)


def uri(endpoint: Endpoint) -> str:
    return f"postgresql://{endpoint.username}:{endpoint.password}@{endpoint.host}:{endpoint.port}/{endpoint.dbname}"
