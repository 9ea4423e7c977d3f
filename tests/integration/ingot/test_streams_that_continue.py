"""Snapshots write what is new and say what vanished; cursors look back; neither loses or doubles when runs collide."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from ingot.bronze import read_lines
from ingot.errors import BatchOvertaken, DeleteRateExceeded, RejectRateExceeded, StorageUnavailable
from ingot.known import Known
from ingot.manifest import Manifest, find_manifest
from ingot.sequence import claim, find_head
from ingot.sources import Cursor

if TYPE_CHECKING:
    from ingot.batch import Batch

    from .conftest import World

DAY = timedelta(days=1)
FIRST_DAY = datetime(2020, 4, 1, tzinfo=UTC)


def day(world: World, stream: str, number: int) -> Batch:
    start = FIRST_DAY + number * DAY
    return world.batch(stream, start.date().isoformat(), (start + DAY).date().isoformat())


def take(world: World, stream: str, number: int) -> Manifest:
    """The whole pipeline for one day; each day's run stands for six in the morning after it."""
    return world.run(day(world, stream, number), as_of=FIRST_DAY + (number + 1) * DAY + timedelta(hours=6))


def serve(world: World, path: str, records: list[dict[str, Any]] | str) -> None:
    world.recorded.behave()
    world.recorded.misbehave(path, status=200, body=records, headers={"Content-Type": "application/json"})


def products(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [
        {"id": n, "title": f"Product {n}", "price": 10 + n, "description": "", "category": "things"} | changes
        for n in range(1, count + 1)
    ]


def current(world: World, table: str, *columns: str) -> list[tuple[object, ...]]:
    """The latest version of each key as Silver would see it."""
    return world.rows(
        f"select id, {', '.join(columns)} from (select *, row_number() over (partition by id order by _ingested_at "
        f"desc, _batch_id desc, _line desc) as place from bronze.fakestore_{table}) as versions "
        "where place = 1 and not _deleted order by id"
    )


def test_a_snapshot_of_what_is_known_writes_nothing(world: World) -> None:
    first, second = take(world, "products", 0), take(world, "products", 1)
    assert (first.accepted, first.unchanged, first.number, first.previous) == (20, 0, 1, None)
    assert (second.accepted, second.unchanged, second.deleted, second.number) == (0, 20, 0, 2)
    assert second.previous == first.batch_id
    assert world.rows("select count(*) from bronze.fakestore_products") == [(20,)]


def test_a_record_that_changed_without_any_date_is_seen_by_its_content(world: World) -> None:
    take(world, "products", 0)
    world.recorded.misbehave("/products*", replace_with="products_2025")
    changed = take(world, "products", 1)
    assert (changed.accepted, changed.unchanged) == (20, 0)
    assert world.rows("select count(*), count(distinct image) from bronze.fakestore_products where id = 1") == [(2, 2)]
    assert take(world, "products", 2).accepted == 0


def test_a_key_that_vanished_is_written_as_deleted_and_comes_back_to_life(world: World) -> None:
    serve(world, "/products", products(3))
    take(world, "products", 0)
    serve(world, "/products", products(2))
    gone = take(world, "products", 1)
    assert (gone.accepted, gone.deleted, gone.rows) == (0, 1, 1)
    assert gone.deletes is not None
    assert [json.loads(line) for line in read_lines(world.bronze, gone.deletes)] == [{"id": 3}]
    assert world.rows(
        "select id, title, price, _deleted, _batch_id, _line from bronze.fakestore_products where _deleted"
    ) == [(3, None, None, True, gone.batch_id, 0)]
    assert [row[0] for row in current(world, "products", "title")] == [1, 2]
    assert take(world, "products", 2).deleted == 0  # said once
    serve(world, "/products", products(3))
    assert take(world, "products", 3).accepted == 1
    assert [row[0] for row in current(world, "products", "title")] == [1, 2, 3]


def test_deleted_keys_stand_behind_the_records_of_their_batch(world: World) -> None:
    serve(world, "/products", products(3))
    take(world, "products", 0)
    serve(world, "/products", [*products(2), products(4)[3]])
    manifest = take(world, "products", 1)
    table = pq.read_table(io.BytesIO(world.lake.get(manifest.parquet_key)))
    assert table.select(["id", "_line", "_deleted"]).to_pylist() == [
        {"id": 4, "_line": 0, "_deleted": False},
        {"id": 3, "_line": 1, "_deleted": True},
    ]


def test_an_empty_answer_is_taken_for_an_outage(world: World) -> None:
    take(world, "products", 0)
    serve(world, "/products", [])
    with pytest.raises(DeleteRateExceeded, match=r"100.0% of the known keys.*allows 50.0%"):
        take(world, "products", 1)
    assert find_manifest(world.bronze, day(world, "products", 1)) is None
    world.recorded.behave()
    assert take(world, "products", 2).unchanged == 20


def test_a_refused_record_is_not_deleted_nor_quarantined_twice(world: World) -> None:
    serve(world, "/products", products(20))
    take(world, "products", 0)
    bad = [p | {"price": "free"} if p["id"] == 7 else p for p in products(20)]
    serve(world, "/products", bad)
    first, second = take(world, "products", 1), take(world, "products", 2)
    assert (first.rejected, first.deleted, first.rejected_again) == (1, 0, 0)
    assert (second.rejected, second.deleted, second.rejected_again, second.rejects) == (0, 0, 1, None)
    assert len(list(world.bronze.keys("quarantine/"))) == 1
    serve(world, "/products", products(20))
    healed, after = take(world, "products", 3), take(world, "products", 4)
    # It is again what it was, and yet news: what was refused in between may be replayed, and has to stand behind it.
    assert (healed.accepted, healed.deleted) == (1, 0)
    assert (after.accepted, after.unchanged) == (0, 20)


def test_the_reject_rate_is_of_all_that_was_sent(world: World) -> None:
    serve(world, "/products", products(20))
    take(world, "products", 0)
    serve(world, "/products", [p | {"price": "free"} if p["id"] <= 2 else p for p in products(20)])
    assert take(world, "products", 1).rejected == 2  # 2 of 20, though nothing else is new
    serve(world, "/products", [p | {"price": "free"} if p["id"] <= 3 else p for p in products(20)])
    with pytest.raises(RejectRateExceeded, match="3 of 20"):
        take(world, "products", 2)


def test_nothing_is_said_to_be_deleted_when_a_refused_record_hides_its_key(world: World) -> None:
    serve(world, "/products", products(20))
    take(world, "products", 0)
    twice = '{"id": 20, "id": 99, "title": "x", "price": 1, "description": "", "category": "x"}'
    hidden = ['{"title": "no key"}', json.dumps(products(1)[0] | {"id": "20"}), twice]
    for number, record in enumerate(hidden, 1):
        serve(world, "/products", f"[{','.join(map(json.dumps, products(19)))},{record}]")
        manifest = take(world, "products", number)
        assert (manifest.rejected, manifest.deleted) == (1, 0)
    serve(world, "/products", products(19))
    assert take(world, "products", 4).deleted == 1


def test_a_refused_record_that_may_have_been_replayed_is_said_to_be_gone(world: World) -> None:
    serve(world, "/products", [*products(19), products(20)[19] | {"price": "free"}])
    take(world, "products", 0)
    serve(world, "/products", products(19))
    gone = take(world, "products", 1)
    assert gone.deletes is not None
    assert list(read_lines(world.bronze, gone.deletes)) == [b'{"id":20}']


def test_a_key_that_stands_twice_is_compared_with_its_last_record(world: World) -> None:
    one, other = products(1), products(1, price=99)
    serve(world, "/products", [*one, *other])
    assert take(world, "products", 0).accepted == 2
    assert [float(str(row[1])) for row in current(world, "products", "price")] == [99.0]
    serve(world, "/products", [*other, *one])
    take(world, "products", 1)
    assert [float(str(row[1])) for row in current(world, "products", "price")] == [11.0]


def test_as_of_never_goes_back_in_a_stream_that_continues(world: World) -> None:
    serve(world, "/products", products(1))
    first = world.run(day(world, "products", 0), as_of=FIRST_DAY + 30 * DAY)
    serve(world, "/products", products(1, price=99))
    second = world.run(day(world, "products", 1), as_of=FIRST_DAY)
    assert second.as_of == first.as_of + timedelta(microseconds=1)
    assert [float(str(row[1])) for row in current(world, "products", "price")] == [99.0]


def test_of_two_snapshots_at_once_one_starts_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reverted change between them would be lost if both were published on the same base."""
    serve(world, "/products", products(2))
    take(world, "products", 0)
    overtaken = day(world, "products", 2)
    write = Known.write

    def slow(known: Known, *arguments: Any) -> Any:
        monkeypatch.setattr(Known, "write", write)
        serve(world, "/products", products(2, price=99))
        take(world, "products", 1)
        serve(world, "/products", products(2))
        return write(known, *arguments)

    monkeypatch.setattr(Known, "write", slow)
    with pytest.raises(BatchOvertaken):
        world.extract(overtaken)
    assert find_manifest(world.bronze, overtaken) is None
    take(world, "products", 2)
    assert [float(str(row[1])) for row in current(world, "products", "price")] == [11.0, 12.0]


def test_many_runs_at_once_make_one_chain(world: World) -> None:
    def patient(number: int) -> Manifest:
        while True:
            try:
                return world.extract(day(world, "products", number))
            except BatchOvertaken:
                continue

    with ThreadPoolExecutor(6) as pool:
        manifests = list(pool.map(patient, [0, 1, 2, 0, 1, 2]))
    chain = sorted({(m.number, m.batch_id, m.previous) for m in manifests})
    assert [number for number, _, _ in chain] == [1, 2, 3]
    assert [previous for _, _, previous in chain] == [None, *[batch for _, batch, _ in chain[:-1]]]
    assert sum(m.accepted for m in {m.batch_id: m for m in manifests}.values()) == 20


def test_a_batch_that_was_claimed_and_then_killed_has_happened(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = day(world, "products", 0)
    with monkeypatch.context() as patch:
        patch.setattr("ingot.sequence.commit", _killed)
        with pytest.raises(KeyboardInterrupt):
            world.extract(killed)
    assert find_manifest(world.bronze, killed) is None
    asked = len(world.recorded.requests)
    later = world.extract(day(world, "products", 1))
    assert (later.number, later.previous, later.accepted) == (2, killed.id, 0)
    again = world.extract(killed)
    assert (again.number, again.accepted) == (1, 20)
    assert len(world.recorded.requests) == asked + 1


def test_a_claim_whose_answer_was_lost_is_ones_own(world: World) -> None:
    manifest = world.extract(day(world, "products", 0))
    assert claim(world.bronze, manifest) == manifest


@pytest.fixture
def orders(world: World) -> World:
    """Carts as a stream with a cursor: their date, of which the API can be asked for all from a day on."""
    world.change(
        "carts", mode="cursor", cursor=Cursor(field="date", lookback="45d"), params={"startdate": "{cursor:%Y-%m-%d}"}
    )
    return world


def test_a_cursor_reads_on_from_its_watermark_less_the_lookback(orders: World) -> None:
    first, second = take(orders, "carts", 0), take(orders, "carts", 1)
    assert first.requests[0].url.endswith("/carts?startdate=2020-01-01")
    assert (first.accepted, first.watermark) == (7, datetime(2020, 3, 2, tzinfo=UTC))
    assert second.requests[0].url.endswith("/carts?startdate=2020-01-17")
    assert (second.accepted, second.unchanged, second.watermark) == (0, 5, first.watermark)
    assert find_head(orders.bronze, "fakestore", "carts") == second


def test_an_order_that_changed_after_thirty_days_is_seen_by_the_lookback(orders: World) -> None:
    take(orders, "carts", 0)
    # Cart 5 is of 1 March, the watermark of 2 March: an order 30 days on moves it, and cart 5 changes later still.
    orders.recorded.misbehave("/carts*", set_field={"id": 1, "field": "date", "value": "2020-04-05T00:00:00.000Z"})
    assert take(orders, "carts", 5).watermark == datetime(2020, 4, 5, tzinfo=UTC)
    orders.recorded.misbehave("/carts*", set_field={"id": 5, "field": "products.0.quantity", "value": 77})
    changed = take(orders, "carts", 6)
    assert changed.requests[0].url.endswith("/carts?startdate=2020-02-20")
    assert changed.accepted == 1
    assert dict(current(orders, "carts", "products -> 0 ->> 'quantity'"))[5] == "77"
    assert take(orders, "carts", 7).accepted == 0


def test_a_cursor_batch_that_published_nothing_does_not_move_the_watermark(orders: World) -> None:
    take(orders, "carts", 0)
    orders.recorded.misbehave("/carts*", drop_field={"field": "userId"})
    with pytest.raises(RejectRateExceeded):
        take(orders, "carts", 1)
    orders.recorded.behave()
    after = take(orders, "carts", 2)
    assert (after.number, after.watermark) == (2, datetime(2020, 3, 2, tzinfo=UTC))


def test_a_record_that_is_refused_every_day_is_quarantined_once(orders: World) -> None:
    orders.change("carts", contract=_lenient(orders))
    orders.recorded.misbehave("/carts*", set_field={"id": 6, "field": "products.0.quantity", "value": "four"})
    days = [take(orders, "carts", number) for number in range(3)]
    assert [(m.rejected, m.rejected_again) for m in days] == [(1, 0), (0, 1), (0, 1)]


def test_an_order_dated_in_the_future_does_not_end_the_stream(orders: World) -> None:
    orders.recorded.misbehave("/carts*", set_field={"id": 2, "field": "date", "value": "2099-01-01T00:00:00.000Z"})
    first = take(orders, "carts", 0)
    assert (first.accepted, first.watermark) == (7, first.as_of)
    orders.recorded.misbehave("/carts*", set_field={"id": 5, "field": "products.0.quantity", "value": 77})
    assert take(orders, "carts", 1).accepted == 1


@pytest.mark.parametrize("lookback", ["12h", "0s"])
def test_a_parameter_that_asks_for_too_much_doubles_nothing(orders: World, lookback: str) -> None:
    for cart in range(1, 8):
        late = f"2020-03-02T0{cart}:00:00.123Z"
        orders.recorded.misbehave("/carts*", set_field={"id": cart, "field": "date", "value": late})
    orders.change("carts", cursor=Cursor(field="date", lookback=lookback))
    days = [take(orders, "carts", number) for number in range(4)]
    assert [m.accepted for m in days] == [7, 0, 0, 0]
    assert sum(m.unchanged for m in days[1:]) > 0


def test_a_stream_of_which_nothing_was_accepted_yet_quarantines_once(orders: World) -> None:
    import msgspec

    orders.change("carts", contract=msgspec.structs.replace(_lenient(orders), max_reject_rate=1.0))
    orders.recorded.misbehave("/carts*", drop_field={"field": "userId"})
    days = [take(orders, "carts", number) for number in range(2)]
    assert [(m.rejected, m.rejected_again, m.watermark) for m in days] == [(7, 0, None), (0, 7, None)]


def test_what_was_published_by_another_mode_is_not_held_against_what_was_known_before(world: World) -> None:
    serve(world, "/products", products(2))
    take(world, "products", 0)
    serve(world, "/products", products(2, price=99))
    world.change("products", mode="interval")
    assert take(world, "products", 1).number == 2
    serve(world, "/products", products(2))
    world.change("products", mode="snapshot")
    assert take(world, "products", 2).accepted == 2
    assert [float(str(row[1])) for row in current(world, "products", "price")] == [11.0, 12.0]


def test_another_kind_of_cursor_begins_at_the_beginning(orders: World) -> None:
    take(orders, "carts", 0)
    orders.change("carts", cursor=Cursor(field="id", lookback=2), params={"limit": "{cursor}"})
    again = take(orders, "carts", 1)
    assert (again.requests[0].url.rpartition("?")[2], again.watermark) == ("limit=0", 7)
    assert take(orders, "carts", 2).requests[0].url.endswith("limit=5")


def test_keys_of_another_form_are_all_new_and_nothing_is_said_to_be_deleted(world: World) -> None:
    import msgspec

    take(world, "products", 0)
    contract = world.source.stream("products").contract
    by_title = tuple(
        msgspec.structs.replace(p, primary_key=p.name == "title", required=p.required) for p in contract.properties
    )
    world.change("products", contract=msgspec.structs.replace(contract, properties=by_title))
    manifest = world.extract(day(world, "products", 1))
    assert (manifest.accepted, manifest.deleted) == (20, 0)


def test_a_claim_that_another_run_commits_is_heard_of_by_the_audit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = day(world, "products", 0)
    with monkeypatch.context() as patch:
        patch.setattr("ingot.sequence.commit", _down)
        with pytest.raises(StorageUnavailable):
            world.extract(failed)
    world.audit()
    assert world.rows("select state from audit.batches") == [("FAILED",)]
    world.extract(day(world, "products", 1))
    world.audit()
    assert world.rows("select state, accepted from audit.batches order by batch_id") == [
        ("COMMITTED", 20),
        ("COMMITTED", 0),
    ]


def _down(*_: object) -> None:
    raise StorageUnavailable("S3 failed.")


def _lenient(world: World) -> Any:
    import msgspec

    return msgspec.structs.replace(world.source.stream("carts").contract, max_reject_rate=0.5)


def _killed(*_: object) -> None:
    raise KeyboardInterrupt
