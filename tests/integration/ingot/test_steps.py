"""A batch through extract, refine and load, on the local cloud and a real Postgres."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pyarrow.parquet as pq
import pytest

from ingot.attempt import list_attempts
from ingot.bronze import read_lines, read_reject_object
from ingot.cli import reports
from ingot.contract import Contract
from ingot.contract.arrow import arrow_schema
from ingot.contract.model import Property
from ingot.cost import RunCost, load_prices
from ingot.errors import (
    BatchMissing,
    IntegrityError,
    PayloadBroken,
    RejectRateExceeded,
    SourceUnavailable,
    StorageUnavailable,
)
from ingot.manifest import find_manifest, read_manifest
from ingot.quarantine import list_objects
from ingot.steps.audit import audit

if TYPE_CHECKING:
    from ingot.warehouse import Endpoint

    from .conftest import World

AS_OF = datetime(2020, 4, 2, 6, tzinfo=UTC)
PASSWORDS = ("m38rmF$", "83r5^_", "kev02937@")


def test_bronze_holds_the_bytes_that_the_source_sent(world: World) -> None:
    manifest = world.extract(world.batch("products"))
    (part,) = manifest.parts
    lines = list(read_lines(world.bronze, part))
    assert b"[" + b",".join(lines) + b"]" == _body(world, "/products")
    assert (manifest.accepted, manifest.rejected, part.records) == (20, 0, 20)


def test_the_manifest_tells_request_interval_and_contract(world: World) -> None:
    manifest = world.extract(world.batch("carts"))
    (request,) = manifest.requests
    assert request.url.endswith("/carts?startdate=2020-01-01&enddate=2020-04-01")
    assert (request.status, request.records, request.tries) == (200, 7, 1)
    assert manifest.contract_version == "1.0.0"
    assert manifest.watermark == datetime(2020, 4, 1, tzinfo=UTC)
    assert read_manifest(world.bronze, world.batch("carts")) == manifest


def test_an_interval_takes_what_falls_in_it_and_nothing_else(world: World) -> None:
    assert world.extract(world.batch("carts", "2020-01-01", "2020-02-01")).accepted == 2
    assert world.extract(world.batch("carts", "2020-03-01", "2020-03-02")).accepted == 4


def test_a_committed_batch_is_not_asked_for_again(world: World) -> None:
    first = world.extract(world.batch("products"))
    asked = len(world.recorded.requests)
    assert world.extract(world.batch("products")) == first
    assert len(world.recorded.requests) == asked


def test_no_password_reaches_bronze_and_the_manifest_says_what_was_cut(world: World) -> None:
    manifest = world.extract(world.batch("users"))
    assert manifest.redacted == ("password",)
    (part,) = manifest.parts
    lines = list(read_lines(world.bronze, part))
    assert len(lines) == 10
    for line in lines:
        assert "password" not in json.loads(line)
        assert not any(password.encode() in line for password in PASSWORDS)


def test_parquet_has_the_contracts_types_and_lineage(world: World) -> None:
    batch = world.batch("carts")
    world.extract(batch)
    key = world.refine(batch)
    assert key == f"bronze/fakestore/carts/ingest_date=2020-04-01/{batch.id}.parquet"
    table = pq.read_table(io.BytesIO(world.lake.get(key)))
    contract = world.source.stream("carts").contract
    assert table.schema.equals(arrow_schema(contract))
    assert table.schema.metadata == {
        b"ingot.contract_id": contract.id.encode(),
        b"ingot.contract_version": contract.version.encode(),
    }
    assert table["_line"].to_pylist() == list(range(7))
    assert set(table["_batch_id"].to_pylist()) == {batch.id}
    assert table["products"][0].as_py()[0] == {"product_id": 1, "quantity": 4}
    assert sum(line["quantity"] for row in table["products"].to_pylist() for line in row) == 42


def test_refining_again_gives_the_same_bytes(world: World) -> None:
    batch = world.batch("products")
    world.extract(batch)
    first = world.lake.get(world.refine(batch))
    assert world.lake.get(world.refine(batch)) == first


def test_the_warehouse_has_every_row_once_however_often_it_is_loaded(world: World) -> None:
    batch = world.batch("carts")
    world.run(batch)
    world.load(batch)
    world.run(batch)
    assert world.rows("select count(*), sum(_load_id) from bronze.fakestore_carts") == [(7, 7)]
    price = "select price, rating_rate from bronze.fakestore_products where id = 1"
    world.run(world.batch("products"))
    assert world.rows(price) == [(Decimal("109.95"), Decimal("3.9"))]
    lines = "select sum((l ->> 'quantity')::int) from bronze.fakestore_carts, jsonb_array_elements(products) l"
    assert world.rows(lines) == [(42,)]


def test_loads_are_numbered_without_gaps_in_the_order_in_which_they_appear(world: World) -> None:
    world.run(world.batch("carts", "2020-03-01", "2020-04-01"))
    world.run(world.batch("carts", "2020-01-01", "2020-02-01"))
    rows = world.rows("select _load_id, count(*) from bronze.fakestore_carts group by 1 order by 1")
    assert rows == [(1, 5), (2, 2)]


def test_a_batch_that_comes_again_changed_gets_a_new_load_number_even_if_it_was_the_last(world: World) -> None:
    import msgspec

    from ingot.manifest import encode

    batch = world.batch("carts")
    manifest = world.run(batch)
    world.bronze.put(batch.manifest_key, encode(msgspec.structs.replace(manifest, code_version="later")))
    world.load(batch)
    assert world.rows("select distinct _load_id, count(*) over () from bronze.fakestore_carts") == [(2, 7)]
    # Come back empty, it leaves no number in the table; the next one is new all the same.
    empty = msgspec.structs.replace(manifest, parts=(), accepted=0)
    world.bronze.put(batch.manifest_key, encode(empty))
    world.refine(batch)
    world.load(batch)
    world.run(world.batch("carts", "2020-01-01", "2020-02-01"))
    assert world.rows("select distinct _load_id from bronze.fakestore_carts") == [(4,)]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 502}, SourceUnavailable),
        ({"hang": True}, SourceUnavailable),
        ({"cut_off": 200}, PayloadBroken),
        ({"reset": True}, SourceUnavailable),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_source_that_is_down_publishes_nothing_says_failed_and_the_next_run_recovers(
    world: World, fault: dict[str, object], error: type[Exception]
) -> None:
    batch = world.batch("carts")
    world.recorded.misbehave("/carts", **fault)
    with pytest.raises(error):
        world.extract(batch)
    assert find_manifest(world.bronze, batch) is None
    assert not list(world.bronze.keys("data/"))
    world.audit()
    ((state, reason),) = world.rows("select state, reason from audit.batches")
    assert state == "FAILED"
    assert "/carts" in str(reason)

    world.recorded.behave()
    world.run(batch)
    world.audit()
    assert world.rows("select state, accepted, reason from audit.batches") == [("LOADED", 7, None)]
    assert world.rows("select count(*) from audit.attempts where state = 'FAILED'") == [(1,)]


def test_one_failure_is_tried_again_within_the_step(world: World) -> None:
    world.recorded.misbehave("/carts", status=503, times=1)
    assert world.extract(world.batch("carts")).requests[0].tries == 2


def test_a_bad_record_goes_to_the_quarantine_whole_and_the_others_are_loaded(world: World) -> None:
    world.recorded.misbehave("/users", patch={"id": 3, "merge": {"email": 7, "address": {"number": "x"}}})
    manifest = world.run(world.batch("users"))
    assert (manifest.accepted, manifest.rejected) == (9, 1)
    assert manifest.rejects is not None
    (reject,) = read_reject_object(world.bronze, manifest.rejects.key)
    assert (reject["key"], reject["position"]) == ("3", 2)
    assert {(v["path"], v["rule"]) for v in reject["violations"]} == {
        ("$.email", "type"),
        ("$.address.number", "type"),
    }
    assert "kev02937@" not in json.dumps(reject)
    assert "kevinryan" in reject["record"]
    world.audit()
    assert world.rows("select count(*) from bronze.fakestore_users where id = 3") == [(0,)]
    assert world.rows("select count(*) from audit.rejects") == [(2,)]


def test_a_record_that_is_no_json_costs_only_itself(world: World) -> None:
    world.recorded.misbehave("/products", malformed={"record": 4})
    manifest = world.run(world.batch("products"))
    assert (manifest.accepted, manifest.rejected) == (19, 1)
    assert manifest.reject_rules == {"json": 1}


def test_too_many_rejects_stop_the_batch_before_anything_is_published(world: World) -> None:
    for identifier in (1, 2, 3):
        world.recorded.misbehave("/products", patch={"id": identifier, "merge": {"price": -1}})
    batch = world.batch("products")
    with pytest.raises(RejectRateExceeded, match=r"3 of 20 records were refused \(15.0%\).*allows 10.0%"):
        world.extract(batch)
    assert find_manifest(world.bronze, batch) is None
    world.audit()
    assert world.rows("select state, rejected from audit.batches") == [("FAILED", 3)]
    assert world.rows("select count(*) from audit.rejects") == [(3,)]


def test_a_new_field_is_kept_and_reported(world: World) -> None:
    world.recorded.misbehave("/products", patch={"id": 5, "merge": {"stock": {"left": 3}}})
    manifest = world.extract(world.batch("products"))
    (drift,) = manifest.drift
    assert (drift.kind, drift.path, drift.old, drift.first_position) == ("new", "$.stock", None, 4)
    assert b'"left"' in b"".join(read_lines(world.bronze, manifest.parts[0]))


def test_steps_refuse_to_work_on_what_was_never_committed(world: World) -> None:
    with pytest.raises(BatchMissing, match="run extract"):
        world.refine(world.batch("carts"))
    world.extract(world.batch("carts"))
    with pytest.raises(BatchMissing, match="run refine"):
        world.load(world.batch("carts"))


@pytest.mark.parametrize("damage", ["lost", "changed", "cut"])
def test_bronze_that_lost_or_changed_a_record_is_found_out(world: World, damage: str) -> None:
    import zstandard

    batch = world.batch("carts")
    manifest = world.extract(batch)
    lines = list(read_lines(world.bronze, manifest.parts[0]))
    kept = lines[1:] if damage == "lost" else [lines[0].replace(b'"userId":1', b'"userId":9'), *lines[1:]]
    stored = zstandard.compress(b"\n".join(kept) + b"\n")
    world.bronze.put(manifest.parts[0].key, stored[:-20] if damage == "cut" else stored)
    with pytest.raises(IntegrityError, match=r"not what its manifest recorded|cannot be read"):
        world.refine(batch)


def test_two_attempts_at_once_leave_one_batch(world: World) -> None:
    from concurrent.futures import ThreadPoolExecutor

    batch = world.batch("carts")
    moments = [datetime(2020, 4, 1, hour, tzinfo=UTC) for hour in range(4)]
    with ThreadPoolExecutor(4) as pool:
        manifests = list(pool.map(lambda as_of: world.extract(batch, as_of), moments))
    assert len({manifest.as_of for manifest in manifests}) == 1
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: world.refine(batch), range(4)))
        list(pool.map(lambda _: world.load(batch), range(4)))
    assert world.rows("select count(*) from bronze.fakestore_carts") == [(7,)]


def test_an_attempt_that_was_killed_shows_and_is_failed_once_a_later_one_began(world: World) -> None:
    import msgspec

    batch = world.batch("carts")
    manifest = world.extract(batch)
    (attempt,) = list_attempts(world.bronze, "fakestore", "carts")
    # The clock of the machine of the attempt that was killed was an hour ahead: its number says that it came first.
    killed = msgspec.structs.replace(attempt, state="RUNNING", ended_at=None)
    killed.started_at = attempt.started_at + timedelta(hours=1)
    killed.number = 0
    key = batch.attempt_key("extract", killed.number, killed.started_at, "dead")
    world.bronze.put(key, msgspec.json.encode(killed))
    world.audit()
    assert world.rows("select state, error from audit.attempts order by number") == [
        ("FAILED", "Killed"),
        ("SUCCEEDED", None),
    ]
    assert world.rows("select state from audit.batches") == [("COMMITTED",)]
    assert manifest.accepted == 7


def test_the_audit_of_a_run_says_what_it_cost_and_how_that_compares(world: World) -> None:
    def run(start: str, end: str, *, tries: int = 1) -> RunCost | None:
        batch = world.batch("carts", start, end)
        for _ in range(tries - 1):
            world.recorded.misbehave("/carts", status=502)
            with pytest.raises(SourceUnavailable):
                world.extract(batch)
            world.recorded.behave()
        world.run(batch)
        over = (batch.interval_start, batch.interval_end)
        return audit("fakestore", bronze=world.bronze, warehouse=world.warehouse, over=over).cost

    days = [f"2020-02-{day:02}" for day in range(1, 9)]
    usual = [run(start, end) for start, end in pairwise(days[:6])]
    dear = run(days[6], days[7], tries=2)

    # Three steps of which each is billed a minute of two DPUs.
    minute = 2 * load_prices()["glue-dpu"].usd / 60
    for each in usual:
        assert each is not None
        assert (float(each.usd), each.percent) == (pytest.approx(float(3 * minute)), None), "too few to say"
    assert dear is not None
    assert float(dear.usd) == pytest.approx(float(4 * minute))
    assert float(dear.percent or 0) == pytest.approx(400 / 3)
    assert audit("fakestore", bronze=world.bronze, warehouse=world.warehouse).cost is None


def test_a_killed_attempt_is_failed_once_the_orchestrator_says_that_the_interval_is_over(world: World) -> None:
    import msgspec

    batch = world.batch("carts")
    world.recorded.misbehave("/carts", status=502)
    with pytest.raises(SourceUnavailable):
        world.extract(batch)
    (attempt,) = list_attempts(world.bronze, "fakestore", "carts")
    (key,) = world.bronze.keys("attempts/")
    left = msgspec.structs.replace(attempt, state="RUNNING", ended_at=None, error=None, reason=None)
    world.bronze.put(key, msgspec.json.encode(left))
    world.audit()
    assert world.rows("select state from audit.batches") == [("RUNNING",)]
    audit("fakestore", bronze=world.bronze, warehouse=world.warehouse, over=(batch.interval_start, batch.interval_end))
    assert world.rows("select state, error from audit.batches") == [("FAILED", "Killed")]
    world.audit()  # of another interval, which says nothing of this one
    assert world.rows("select state, error from audit.batches") == [("FAILED", "Killed")]
    # It was alive after all: what it says at its end counts.
    world.bronze.put(key, msgspec.json.encode(attempt))
    world.audit()
    assert world.rows("select state, error from audit.batches") == [("FAILED", "SourceUnavailable")]


def test_a_column_that_the_contract_widened_is_never_cut_to_the_old_size(world: World) -> None:
    batch = world.batch("products")
    world.run(batch)
    contract = world.source.stream("products").contract
    wider = with_physical_type(contract, "price", "decimal(12,4)")
    later = world.batch("products", "2020-04-01", "2020-05-01")
    world.extract(later)
    world.refine(later, wider)
    with pytest.raises(IntegrityError, match=r"price .*numeric\(10,2\), the contract says numeric\(12,4\).*ALTER"):
        world.load(later, wider)
    assert world.rows("select count(*) from bronze.fakestore_products") == [(20,)]


def with_physical_type(contract: Contract, name: str, physical: str) -> Contract:
    import msgspec

    changed = tuple(
        msgspec.structs.replace(p, physical_type=physical) if p.name == name else p for p in contract.properties
    )
    return msgspec.structs.replace(contract, properties=changed)


def test_a_refused_record_with_a_nul_in_its_keys_does_not_stop_the_audit(world: World) -> None:
    cart = b'{"a\\u0000":1,"a\\u0000":2}'
    world.recorded.misbehave("/products", raw_record={"id": 1, "raw": cart.decode()})
    assert world.run(world.batch("products")).rejected == 1
    world.audit()
    assert world.rows("select rule from audit.rejects") == [("duplicate_key",)]


def test_all_refused_records_are_in_the_object_that_the_manifest_names(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingot import bronze
    from ingot.gate import Refusal, Violation

    monkeypatch.setattr(bronze, "_PART_RECORDS", 10_000)
    refused = [Refusal(i, str(i), [Violation("$", "type", "x")], b"{}", None) for i in range(25_000)]
    writer = bronze.RejectWriter(world.bronze, world.batch("carts"))
    writer.write(refused)
    part = writer.close()
    assert part is not None
    assert (writer.records, writer.rules) == (25_000, {"type": 25_000})
    assert len(list(read_reject_object(world.bronze, part.key))) == part.records == 25_000


def test_the_audit_takes_refused_records_one_after_the_other(world: World) -> None:
    import tracemalloc

    from ingot.bronze import RejectWriter
    from ingot.gate import Refusal, Violation

    violation = Violation("$", "type", "x" * 500)
    writer = RejectWriter(world.bronze, world.batch("carts"))
    writer.write(Refusal(i, str(i), [violation], b"{}", None) for i in range(20_000))
    part = writer.close()
    assert part is not None
    world.audit()  # what is imported and made on first use
    tracemalloc.start()
    world.warehouse.record({}, [], [(part.key, read_reject_object(world.bronze, part.key))])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert world.rows("select count(*), count(distinct position) from audit.rejects") == [(20_000, 20_000)]
    assert most < 4_000_000  # the reasons alone are 10 MB


def test_an_object_that_cannot_be_written_from_a_file_is_our_error(world: World, tmp_path: Path) -> None:
    from ingot.errors import ConfigurationError
    from ingot.storage import ObjectStore

    file = tmp_path / "x"
    file.write_bytes(b"x")
    with pytest.raises(ConfigurationError, match="NoSuchBucket"):
        ObjectStore("no-such-bucket-here").upload("key", file)


def test_a_batch_of_which_all_was_refused_again_is_no_batch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.recorded.misbehave("/products", set_field={"id": 3, "field": "price", "value": -1})
    refused = world.run(world.batch("products"))
    assert refused.rejects is not None
    with monkeypatch.context() as patch:
        patch.setattr(import_module("ingot.steps.resolve"), "read_rejects", _down)
        with pytest.raises(StorageUnavailable):
            world.resolve(refused.rejects.key)
    world.audit()
    assert world.rows("select state from audit.batches order by 1") == [("FAILED",), ("LOADED",)]

    assert world.resolve(refused.rejects.key).manifest is None
    world.audit()
    assert world.rows("select state from audit.batches") == [("LOADED",)]


def test_a_batch_that_another_committed_is_committed_and_waits_for_its_load(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (world.batch("products", f"2020-04-0{n}", f"2020-04-0{n + 1}") for n in (1, 2))
    world.recorded.misbehave("/products", set_field={"id": 3, "field": "price", "value": -1})
    with monkeypatch.context() as patch:
        patch.setattr("ingot.sequence.commit", _down)
        with pytest.raises(StorageUnavailable):
            world.extract(first)
    world.audit()
    assert world.rows("select state from audit.batches") == [("FAILED",)]

    world.run(second, as_of=AS_OF + timedelta(days=1))
    world.audit()

    states = "select state, reason from audit.batches order by batch_id"
    assert world.rows(states) == [("COMMITTED", None), ("LOADED", None)]
    assert world.rows("select distinct record_key from audit.open_rejects") == [("3",)]
    assert [found.state for found in list_objects(world.bronze, "fakestore")] == ["OPEN"]
    table, healthy = reports.status(world.warehouse)
    assert (healthy, [row[table.columns.index("not_loaded")] for row in table.rows]) == (False, [1])
    world.refine(first)
    world.load(first)
    world.audit()
    assert reports.status(world.warehouse)[1]


def test_status_forgives_what_failed_once_a_batch_of_a_longer_time_brought_it(world: World) -> None:
    world.recorded.misbehave("/carts", drop_field={"field": "userId"})
    with pytest.raises(RejectRateExceeded):
        world.extract(world.batch("carts", "2020-03-02", "2020-03-03"))
    world.audit()
    assert not reports.status(world.warehouse)[1]

    world.recorded.behave()
    world.run(world.batch("carts", "2020-03-01", "2020-03-03"))
    world.audit()
    table, healthy = reports.status(world.warehouse)
    assert (healthy, [row[table.columns.index("state")] for row in table.rows]) == (True, ["LOADED"])

    world.recorded.misbehave("/carts", drop_field={"field": "userId"})
    with pytest.raises(RejectRateExceeded):
        world.extract(world.batch("carts", "2020-03-02", "2020-03-04"))
    world.audit()
    assert not reports.status(world.warehouse)[1], "its last day is in no other batch"


def test_status_says_nothing_of_a_batch_that_a_run_is_at(world: World, warehouse_endpoint: Endpoint) -> None:
    world.run(world.batch("carts", "2020-01-01", "2020-02-01"))
    at_work = world.batch("carts", "2020-03-01", "2020-04-01")
    world.extract(at_work)
    world.audit()
    assert reports.status(world.warehouse)[1]
    with psycopg.connect(uri(warehouse_endpoint), autocommit=True) as connection:
        connection.execute("update audit.batches set committed_at = now() - interval '3 hours' where load_id is null")
    assert not reports.status(world.warehouse)[1], "no run takes so long"
    with psycopg.connect(uri(warehouse_endpoint), autocommit=True) as connection:
        connection.execute("update audit.attempts set state = 'RUNNING' where batch_id = %s", [at_work.id])
    assert reports.status(world.warehouse)[1]


def test_values_that_do_not_fit_are_not_tried_again_and_leave_no_table(world: World) -> None:
    batch = world.batch("products")
    world.extract(batch)
    shorter = with_physical_type(world.source.stream("products").contract, "title", "varchar(5)")
    world.refine(batch, shorter)
    with pytest.raises(IntegrityError, match="22001") as failure:
        world.load(batch, shorter)
    assert "Backpack" not in str(failure.value)
    assert world.rows("select tablename from pg_tables where tablename like 'incoming%'") == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [("older", r"Column stock of the Parquet is missing"), ("retyped", "Column price .*decimal"), ("cut", "be read")],
)
def test_parquet_that_is_not_of_the_contract_is_to_be_refined_again(world: World, damage: str, message: str) -> None:
    import msgspec

    batch = world.batch("products")
    world.extract(batch)
    contract = world.source.stream("products").contract
    if damage == "retyped":
        key, contract = world.refine(batch), with_physical_type(contract, "price", "decimal(12,4)")
    else:
        key = world.refine(batch)
        stock = Property(name="stock", logical_type="integer", physical_type="integer")
        contract = msgspec.structs.replace(contract, properties=(*contract.properties, stock))
    if damage == "cut":
        world.lake.put(key, world.lake.get(key)[:-20])
    with pytest.raises(IntegrityError, match=f"{message}.*refine again"):
        world.load(batch, contract)
    assert world.rows("select tablename from pg_tables where tablename like 'incoming%'") == []

    world.refine(batch, contract)
    assert world.load(batch, contract).rows == 20


def _down(*_: object) -> None:
    raise StorageUnavailable("S3 is down")


def uri(endpoint: Endpoint) -> str:
    return f"postgresql://{endpoint.username}:{endpoint.password}@{endpoint.host}:{endpoint.port}/{endpoint.dbname}"


def _body(world: World, path: str) -> bytes:
    import httpx

    return httpx.get(world.recorded.url + path).content
