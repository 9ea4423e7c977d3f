"""A batch is loaded into Redshift by COPY, over the Data API: the same rows as in Postgres, whole or not at all."""

from __future__ import annotations

import json
import uuid

import boto3
import msgspec
import psycopg
import pyarrow.parquet as pq
import pytest
from psycopg import sql

from ingot.attempt import attempt
from ingot.errors import BatchMissing, ConfigurationError, IntegrityError
from ingot.steps.load import load
from ingot.warehouse import load_warehouse, read_endpoint


@pytest.fixture
def redshift_endpoint(cloud, laptop, warehouse_endpoint):
    """Another database of the same owner, described by a secret as Redshift's is."""
    name = f"redshift_{uuid.uuid4().hex[:12]}"
    with laptop.postgres.connect("postgres") as admin:
        owner = sql.Identifier(warehouse_endpoint.username)
        admin.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(name), owner))
    fields = {n: getattr(warehouse_endpoint, n) for n in ("host", "port", "username", "password")}
    secret = {**fields, "engine": "redshift", "dbname": name, "namespaceName": "ingot-test"}
    boto3.client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(secret))
    yield read_endpoint(name)
    with laptop.postgres.connect("postgres") as admin:
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def redshift(world, redshift_endpoint):
    """`world`, whose batches go to Redshift."""
    return _On(world, redshift_endpoint)


class _On:
    def __init__(self, world, endpoint):
        self.world, self.endpoint = world, endpoint
        self.warehouse = load_warehouse(endpoint, lake=world.lake.bucket)

    def load(self, batch):
        world = self.world
        contract = world.source.stream(batch.stream).contract
        with attempt(world.bronze, batch, "load") as record:
            return load(
                batch,
                contract=contract,
                bronze=world.bronze,
                lake=world.lake,
                warehouse=self.warehouse,
                record=record,
            )

    def execute(self, statement):
        at = self.endpoint
        with psycopg.connect(
            host=at.host, port=at.port, user=at.username, password=at.password, dbname=at.dbname
        ) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


AUDIT = """
    SELECT batch_id, state, accepted, rejected, bytes, seconds, as_of, contract_version, committed_at, load_id,
           manifest_key, manifest_sha256, error, mode, unchanged, deleted, rejects_key, interval_start, interval_end
    FROM audit.batches ORDER BY batch_id
"""


def test_both_warehouses_hold_the_same_rows(world, redshift):
    for stream in ("products", "carts", "users"):
        batch = world.batch(stream)
        world.run(batch)
        loaded = redshift.load(batch)
        assert (loaded.load_id, loaded.already) == (1, False)
        rows = f"SELECT * FROM bronze.fakestore_{stream} ORDER BY _line"
        expected = world.rows(rows)
        assert expected
        assert redshift.execute(rows) == expected
    assert redshift.execute(AUDIT) == world.rows(AUDIT)


def test_a_load_again_changes_nothing_and_a_repair_gets_a_new_number(world, redshift):
    batch = world.batch("products")
    world.run(batch)
    redshift.load(batch)
    rows = "SELECT * FROM bronze.fakestore_products ORDER BY _line"
    before = redshift.execute(rows)
    assert redshift.load(batch).already
    assert redshift.execute(rows) == before
    redshift.execute("DELETE FROM bronze.fakestore_products WHERE id < 5")
    repaired = redshift.load(batch)
    assert (repaired.load_id, repaired.already) == (2, False)
    assert [row[:-1] for row in redshift.execute(rows)] == [row[:-1] for row in before]
    assert redshift.execute("SELECT state, load_id FROM audit.batches") == [("LOADED", 2)]


def test_a_load_that_fails_leaves_what_was_there(world, redshift, tmp_path):
    batch = world.batch("products")
    manifest = world.run(batch)
    redshift.load(batch)
    redshift.execute("DELETE FROM bronze.fakestore_products WHERE id = 1")
    before = redshift.execute("SELECT * FROM bronze.fakestore_products ORDER BY _line")
    parquet = tmp_path / "short.parquet"
    world.lake.download(manifest.parquet_key, parquet)
    pq.write_table(pq.read_table(parquet).slice(1), parquet)
    world.lake.upload(manifest.parquet_key, parquet)
    with pytest.raises(IntegrityError, match="has not the 20 rows of its manifest"):
        redshift.load(batch)
    assert redshift.execute("SELECT * FROM bronze.fakestore_products ORDER BY _line") == before
    assert redshift.execute("SELECT load_id FROM audit.batches") == [(1,)]


def test_columns_are_sized_in_bytes_and_others_than_the_contracts_are_refused(world, redshift):
    batch = world.batch("products")
    world.run(batch)
    redshift.load(batch)
    sizes = redshift.execute(
        "SELECT character_maximum_length FROM information_schema.columns "
        "WHERE table_schema = 'bronze' AND column_name = 'title'"
    )
    assert sizes == [(1024,)]  # 256 characters
    redshift.execute("ALTER TABLE bronze.fakestore_products ALTER COLUMN title TYPE varchar(100)")
    with pytest.raises(IntegrityError, match=r"Column title .* is varchar\(100\), the contract says varchar\(1024\)"):
        redshift.load(batch)


def test_what_is_not_done_on_redshift_is_an_error(redshift, redshift_endpoint):
    for call in (
        lambda: redshift.warehouse.query("SELECT 1"),
        lambda: redshift.warehouse.known_attempts("fakestore"),
        lambda: redshift.warehouse.record({}, [], {}),
        lambda: redshift.warehouse.rebuilding("fakestore", ["carts"]),
    ):
        with pytest.raises(ConfigurationError, match="on Redshift yet"):
            call()
    with pytest.raises(ConfigurationError, match="names no workgroup"):
        load_warehouse(msgspec.structs.replace(redshift_endpoint, workgroup=""))
    with pytest.raises(BatchMissing):
        redshift.load(redshift.world.batch("carts"))
