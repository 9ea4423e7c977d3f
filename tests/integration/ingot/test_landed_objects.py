"""Objects that land are taken once: nothing is lost, nothing is there twice, whatever comes late, again or at once."""

from __future__ import annotations

import gzip
import hashlib
import json
import time
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ingot.attempt import attempt, list_attempts
from ingot.batch import Batch
from ingot.bronze import read_lines
from ingot.errors import BatchOvertaken, RejectRateExceeded, StorageUnavailable
from ingot.evidence import newest
from ingot.explain import LandedAt
from ingot.explain.origin import Origins
from ingot.manifest import Manifest, find_manifest
from ingot.naming import failed_prefix, landing_prefix
from ingot.quarantine import read_rejects, resolving_batch
from ingot.sources import Source, load_source
from ingot.steps.audit import audit
from ingot.steps.extract import extract
from ingot.steps.load import load
from ingot.steps.refine import refine
from ingot.steps.resolve import resolve
from ingot.storage import ObjectStore
from ingot.warehouse import load_warehouse

if TYPE_CHECKING:
    from conftest import Buckets

    from ingot.warehouse import Endpoint

SOURCE, STREAM = "simple_orders", "orders"
BELOW, FAILED = landing_prefix(SOURCE, STREAM), failed_prefix(SOURCE, STREAM)
DECLARED = Path(__file__).resolve().parents[2] / "sources" / SOURCE
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class Shore:
    """A bucket in which things land, and the extract step."""

    bronze: ObjectStore
    source: Source

    def batch(self, number: int = 0) -> Batch:
        start = BEGIN + number * timedelta(minutes=5)
        return Batch(source=SOURCE, stream=STREAM, interval_start=start, interval_end=start + timedelta(minutes=5))

    def land(self, name: str, *records: Any, below: str = BELOW, end: bytes = b"\n") -> bytes:
        """Put an object of lines; a bytes record is put as it is."""
        lines = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in records]
        body = b"".join(line + end for line in lines)
        self.bronze.put(f"{below}{name}", gzip.compress(body) if name.endswith(".gz") else body)
        return body

    def take(self, number: int = 0) -> Manifest:
        batch = self.batch(number)
        with attempt(self.bronze, batch, "extract") as record:
            return extract(batch, source=self.source, bronze=self.bronze, as_of=batch.interval_end, record=record)

    def lines(self, *manifests: Manifest) -> list[bytes]:
        return [line for each in manifests for part in each.parts for line in read_lines(self.bronze, part)]

    def orders(self, *manifests: Manifest) -> list[int]:
        return [json.loads(line)["order_id"] for line in self.lines(*manifests)]

    def landed_at(self, manifest: Manifest, line: int) -> LandedAt:
        digest = hashlib.sha256(self.lines(manifest)[line]).hexdigest()
        found = Origins(self.bronze).of(SOURCE, STREAM, manifest.batch_id, line, BEGIN, digest, False)
        assert found.landed is not None
        return found.landed


@pytest.fixture
def shore(buckets: Buckets) -> Shore:
    return Shore(ObjectStore(buckets.bronze), load_source(DECLARED))


def event(order_id: int, **changes: Any) -> dict[str, Any]:
    return {"order_id": order_id, "placed_at": "2026-03-01T00:00:00Z", "quantity": 1} | changes


def names(manifest: Manifest) -> list[str]:
    return [landed.key.removeprefix(BELOW) for landed in manifest.landed]


def test_plain_and_compressed_objects_are_taken_whatever_they_are_called(shore: Shore) -> None:
    shore.land("day=2026-03-01/a", event(1), event(2))
    shore.land("day=2026-03-01/b.gz", event(3))
    shore.bronze.put(f"{BELOW}c", gzip.compress(b'{"order_id":4,"placed_at":"2026-03-01T00:00:00Z","quantity":1}\n'))

    manifest = shore.take()

    assert sorted(shore.orders(manifest)) == [1, 2, 3, 4]
    assert sorted(names(manifest)) == ["c", "day=2026-03-01/a", "day=2026-03-01/b.gz"]
    assert all(landed.etag and len(landed.sha256) == 64 and landed.bytes for landed in manifest.landed)
    assert (manifest.requests, manifest.number, manifest.watermark) == ((), 1, max(o.modified for o in manifest.landed))


def test_records_are_kept_as_their_exact_bytes_without_what_is_around_them(shore: Shore) -> None:
    body = b'\xef\xbb\xbf{ "order_id":1, "placed_at":"2026-03-01T00:00:00Z","quantity":1 }\r\n\r\n  \n'
    last = b'{"quantity":2,"order_id":2,"placed_at":"2026-03-01T00:00:00Z"}'
    shore.bronze.put(f"{BELOW}a", body + last)

    lines = shore.lines(shore.take())

    assert lines == [b'{ "order_id":1, "placed_at":"2026-03-01T00:00:00Z","quantity":1 }', last]


def test_a_batch_takes_what_no_batch_before_it_took_and_a_late_object_is_news(shore: Shore) -> None:
    shore.land("day=2026-03-02/a", event(1))
    first = shore.take(0)
    shore.land("day=2026-03-01/late", event(2))  # before the other by its key, and by its day
    second, third = shore.take(1), shore.take(2)

    assert [shore.orders(each) for each in (first, second, third)] == [[1], [2], []]
    assert [each.number for each in (first, second, third)] == [1, 2, 3]
    assert third.watermark == second.watermark
    assert third.taken == second.taken  # nothing is written about nothing
    assert shore.take(1) == second


def test_a_retry_takes_what_there_is_and_a_committed_batch_nothing_more(
    shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> bool:
        raise StorageUnavailable("S3 is away")

    shore.land("a", event(1))
    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "put_new", fails)
        with pytest.raises(StorageUnavailable):
            shore.take()
    shore.land("b", event(2))
    retried = shore.take()
    shore.land("c", event(3))

    assert shore.orders(retried) == [1, 2]
    assert shore.take() == retried
    assert shore.orders(shore.take(1)) == [3]


def test_of_two_runs_at_once_one_publishes_and_the_other_goes_on_from_it(
    shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    shore.land("a", event(1))
    read_version, others = ObjectStore.read_version, []

    def overtaken(self: ObjectStore, key: str, etag: str, into: Any) -> bool:
        if not others:
            others.append(None)
            others[0] = shore.take(1)
        return read_version(self, key, etag, into)

    monkeypatch.setattr(ObjectStore, "read_version", overtaken)
    with pytest.raises(BatchOvertaken):
        shore.take(0)

    assert find_manifest(shore.bronze, shore.batch(0)) is None
    again = shore.take(0)
    assert shore.orders(others[0]) == [1]
    assert shore.orders(again) == []
    assert again.previous == others[0].batch_id


def test_two_runs_of_one_batch_are_one_batch(shore: Shore, monkeypatch: pytest.MonkeyPatch) -> None:
    shore.land("a", event(1))
    read_version, others = ObjectStore.read_version, []

    def beside(self: ObjectStore, key: str, etag: str, into: Any) -> bool:
        if not others:
            others.append(None)
            others[0] = shore.take(0)
        return read_version(self, key, etag, into)

    monkeypatch.setattr(ObjectStore, "read_version", beside)

    assert shore.take(0) == others[0]
    assert shore.orders(shore.take(1)) == []


def test_an_object_that_is_written_again_counts_by_its_content(shore: Shore) -> None:
    shore.land("same.gz", event(1))
    shore.land("other", event(2))
    first = shore.take(0)
    body = shore.bronze.get(f"{BELOW}same.gz")
    _upload_in_parts(shore, f"{BELOW}same.gz", body)  # another ETag
    shore.land("other", event(2, quantity=3))
    second, third = shore.take(1), shore.take(2)

    assert sorted(shore.orders(first)) == [1, 2]
    assert [json.loads(line) for line in shore.lines(second)] == [event(2, quantity=3)]
    assert names(second) == ["other"]
    assert third.landed == ()


def _upload_in_parts(shore: Shore, key: str, body: bytes) -> None:
    s3, where = shore.bronze._s3, {"Bucket": shore.bronze.bucket, "Key": key}
    upload = s3.create_multipart_upload(**where)["UploadId"]
    part = s3.upload_part(**where, UploadId=upload, PartNumber=1, Body=body)
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload=parts)


def test_a_run_says_how_long_the_oldest_object_had_waited_also_if_it_fails(shore: Shore) -> None:
    def waited() -> list[float | None]:
        found = list_attempts(shore.bronze, SOURCE, STREAM)
        return [each.waited_seconds for each in sorted(found, key=lambda each: each.started_at)]

    shore.take(0)  # nothing is there
    shore.land("a", event(1))
    time.sleep(1.1)  # S3 knows whole seconds
    shore.land("b", *[event(n, quantity="many") for n in range(9)])
    with pytest.raises(RejectRateExceeded):
        shore.take(1)
    nothing, first = waited()
    assert nothing == 0
    assert first is not None
    assert first > 1, "the oldest counts, not the newest"
    shore.bronze._s3.delete_object(Bucket=shore.bronze.bucket, Key=f"{BELOW}b")
    shore.take(2)
    shore.take(3)
    assert waited()[2:] == [pytest.approx(first, abs=30), 0], "and what was taken waits no longer"


def test_objects_are_taken_in_the_order_in_which_they_were_put(shore: Shore) -> None:
    shore.land("z", event(1), event(2))
    time.sleep(1.1)  # S3 tells seconds
    shore.land("a", event(2, quantity=2))

    assert names(shore.take()) == ["z", "a"]


def test_an_object_that_is_gone_is_remembered_no_longer(shore: Shore) -> None:
    for name in "abc":
        shore.land(name, event(1))
    first = shore.take(0)
    for name in "ab":
        shore.bronze._s3.delete_object(Bucket=shore.bronze.bucket, Key=f"{BELOW}{name}")
    second = shore.take(1)

    assert first.taken is not None
    assert second.taken is not None
    assert (first.taken.records, second.taken.records, second.landed) == (3, 1, ())


def test_what_is_being_written_is_left_alone(shore: Shore, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.tmp", "b.partial", "_temporary", ".hidden", "c/"):
        shore.land(name, event(1))
    s3 = shore.bronze._s3
    s3.create_multipart_upload(Bucket=shore.bronze.bucket, Key=f"{BELOW}upload")
    shore.land("d", event(4))
    read_version = ObjectStore.read_version

    def replaced(self: ObjectStore, key: str, etag: str, into: Any) -> bool:
        monkeypatch.undo()
        shore.land("d", event(5))  # between the listing and the reading
        return read_version(self, key, etag, into)

    monkeypatch.setattr(ObjectStore, "read_version", replaced)

    assert shore.orders(shore.take(0)) == []
    assert shore.orders(shore.take(1)) == [5]


def test_another_stream_whose_name_begins_the_same_is_left_alone(shore: Shore) -> None:
    shore.land("a", event(1), below="landing/simple_orders/orders2/")
    shore.land("a", event(2), below="landing/simple_orders2/orders/")

    assert shore.take().landed == ()


def test_each_line_is_looked_at_by_itself(shore: Shore) -> None:
    """Joined, the first four are two records; with the fifth, which is two, there would be as many as lines."""
    pieces = [
        b'{"order_id":1,"placed_at":"2026-03-01T00:00:00Z"',
        b'"quantity":1}',
        b'{"order_id":2,"placed_at":"2026-03-01T00:00:00Z"',
        b'"quantity":1}',
        b",".join([json.dumps(event(3)).encode()] * 3),
    ]
    shore.land("a", *pieces, *(event(n) for n in range(4, 20)))

    manifest = shore.take()

    assert shore.orders(manifest) == list(range(4, 20))
    assert [reject.refusal.record for reject in read_rejects(shore.bronze, manifest)] == pieces


def test_what_firehose_could_not_partition_comes_out_of_its_envelope(shore: Shore) -> None:
    broken, two = b'{"order_id": 1', json.dumps(event(2)).encode() + b"\n" + json.dumps(event(3)).encode()
    envelopes = [
        {"errorCode": "DynamicPartitioning.MetadataExtractionFailed", "rawData": b64encode(raw).decode()}
        for raw in (broken, two)
    ]
    shore.land("metadata-extraction-failed/2026/03/01/00/x", *envelopes, b"no envelope", below=FAILED)
    shore.land("day=2026-03-01/a", event(4), event(5))

    manifest = shore.take()

    assert sorted(shore.orders(manifest)) == [2, 3, 4, 5]
    assert [r.refusal.record for r in read_rejects(shore.bronze, manifest)] == [broken, b"no envelope"]
    line = shore.orders(manifest).index(3)
    at = shore.landed_at(manifest, line)
    assert (at.object.rpartition("/")[2], at.record, at.records, at.line) == ("x", 3, 4, 2)


def test_an_object_that_cannot_be_unpacked_is_one_refused_record(shore: Shore) -> None:
    cut = gzip.compress(json.dumps(event(1)).encode() * 50)[:-9]
    shore.bronze.put(f"{BELOW}cut.gz", cut)
    shore.land("good", event(2))

    manifest = shore.take()

    assert shore.orders(manifest) == [2]
    assert [reject.refusal.record for reject in read_rejects(shore.bronze, manifest)] == [cut]


def test_too_many_refused_publish_nothing_and_the_objects_come_again(shore: Shore) -> None:
    shore.land("a", b"no", b"nor this", event(1))
    with pytest.raises(RejectRateExceeded):
        shore.take(0)
    shore.land("b", event(2), event(3))

    assert sorted(shore.orders(shore.take(1))) == [1, 2, 3]


def test_a_record_leads_back_to_the_line_of_the_object_that_landed(shore: Shore) -> None:
    shore.land("a", b"", event(1), b"broken", b"", event(2), end=b"\n\n")
    shore.land("b.gz", event(3, quantity=0), event(4), event(5))
    manifest = shore.take()
    uri = f"s3://{shore.bronze.bucket}/{BELOW}"

    found = [shore.landed_at(manifest, line) for line in range(4)]

    where = [(each.object.removeprefix(uri), each.record, each.records, each.line) for each in found]
    assert where == [("a", 1, 3, 3), ("a", 3, 3, 9), ("b.gz", 2, 3, 2), ("b.gz", 3, 3, 3)]
    shore.land("a", event(9))  # what is there now is another object
    assert (shore.landed_at(manifest, 1).line, shore.landed_at(manifest, 1).record) == (None, 3)


def test_nothing_is_lost_or_doubled_whatever_happens(shore: Shore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects land between and during runs that fail anywhere, collide and are tried again."""
    random, sent, published = Random("landed objects"), [], []
    put_new, put = ObjectStore.put_new, ObjectStore.put

    def land(store: ObjectStore | None = None) -> None:
        sent.append(len(sent) + 1)
        name = f"day=2026-03-{random.randint(1, 28):02d}/{random.random()}{random.choice(['', '.gz'])}"
        body = json.dumps(event(sent[-1])).encode() + b"\n"
        put(shore.bronze, f"{BELOW}{name}", gzip.compress(body) if name.endswith(".gz") else body)

    def shaky(real: Any) -> Any:
        def call(self: ObjectStore, key: str, body: bytes) -> Any:
            chance = random.random()
            if chance < 0.03:
                raise StorageUnavailable("before")
            if chance < 0.10:
                land()
            answer = real(self, key, body)
            if chance > 0.97:
                raise StorageUnavailable("after")
            return answer

        return call

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "put_new", shaky(put_new))
        patch.setattr(ObjectStore, "put", shaky(put))
        for number in range(12):
            land()
            for _ in range(4):
                try:
                    shore.take(number)
                    break
                except (StorageUnavailable, BatchOvertaken):
                    continue
    shore.take(99)
    for number in (*range(12), 99):
        if manifest := find_manifest(shore.bronze, shore.batch(number)):
            published += shore.orders(manifest)

    assert sorted(published) == sent


def test_a_replayed_record_leads_back_to_its_line_too(shore: Shore) -> None:
    shore.land("a", event(1), event(2, quantity=0), event(3))
    first = shore.take()
    assert first.rejects is not None
    contract = shore.source.stream(STREAM).contract
    relaxed = [
        msgspec.structs.replace(p, logical_type_options=msgspec.structs.replace(p.logical_type_options, minimum=0))
        if p.name == "quantity"
        else p
        for p in contract.properties
    ]
    replay = resolving_batch(first.rejects.key)
    with attempt(shore.bronze, replay, "replay") as record:
        resolved = resolve(
            first.rejects.key,
            action="replay",
            contract=msgspec.structs.replace(contract, properties=tuple(relaxed)),
            bronze=shore.bronze,
            record=record,
        )

    assert resolved.manifest is not None
    at = shore.landed_at(resolved.manifest, 0)
    assert (at.object.rpartition("/")[2], at.record, at.line) == ("a", 2, 2)


def test_what_differs_from_the_contract_is_seen_in_what_landed(shore: Shore) -> None:
    shore.land("a", event(1), event(2, channel="web"))
    manifest = shore.take()
    assert [(d.kind, d.path) for d in manifest.drift] == [("new", "$.channel")]
    found = newest(shore.bronze, SOURCE, shore.source.stream(STREAM).contract)

    assert found is not None
    assert [json.loads(record)["order_id"] for record in found.records()] == [1, 2]


def test_landed_records_reach_the_warehouse(shore: Shore, buckets: Buckets, warehouse_endpoint: Endpoint) -> None:
    shore.land("a.gz", event(1), b"broken", event(2))
    shore.take(0)
    contract = shore.source.stream(STREAM).contract
    about = {"contract": contract, "bronze": shore.bronze, "lake": ObjectStore(buckets.lake)}
    warehouse = load_warehouse(warehouse_endpoint)
    with attempt(shore.bronze, shore.batch(), "refine") as record:
        refine(shore.batch(), record=record, **about)
    with attempt(shore.bronze, shore.batch(), "load") as record:
        load(shore.batch(), record=record, warehouse=warehouse, **about)

    rows = warehouse.query("select order_id, quantity from bronze.simple_orders_orders order by 1").rows

    assert rows == [(1, 1), (2, 1)]
    audit(SOURCE, bronze=shore.bronze, warehouse=warehouse)
    told = "select mode, accepted, rejected from audit.batches"
    assert warehouse.query(told).rows == [("landed", 2, 1)]


def test_a_stream_that_becomes_a_landed_one_begins_with_all_that_is_there(shore: Shore) -> None:
    shore.land("a", event(1))
    first = shore.take(0)
    assert first.taken is not None
    other = msgspec.structs.replace(first, mode="snapshot")

    from ingot.fetch.landed import Landing

    (page,) = Landing(shore.source.stream(STREAM), other, shore.bronze).pages()
    assert len(page.records) == 1
