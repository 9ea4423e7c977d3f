"""Files that land, in every format: each content counts once, and what is refused says where it stands."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import time
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from ingot.attempt import attempt
from ingot.batch import Batch
from ingot.bronze import read_lines, write_object
from ingot.cli.quarantine import _where
from ingot.errors import RejectRateExceeded
from ingot.explain.origin import Origins
from ingot.fetch.landed import Landing
from ingot.manifest import Manifest
from ingot.naming import landing_prefix
from ingot.quarantine import Reject, read_rejects, resolving_batch
from ingot.sources import Source, load_source
from ingot.steps.audit import audit
from ingot.steps.extract import extract
from ingot.steps.resolve import resolve
from ingot.storage import ObjectStore
from ingot.warehouse import load_warehouse
from tests.unit.ingot.files.workbook import workbook

if TYPE_CHECKING:
    from conftest import Buckets

    from ingot.warehouse import Endpoint

SOURCE, STREAM = "prices", "costs"
BELOW = landing_prefix(SOURCE, STREAM)
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
FILES: dict[str, Any] = {"columns": {"EK": "cost"}}
FIELDS = [
    {"name": "sku", "logicalType": "string", "physicalType": "varchar(32)", "required": True, "primaryKey": True},
    {"name": "cost", "logicalType": "number", "physicalType": "decimal(10,2)", "required": True},
]


@dataclass
class Shore:
    """A bucket in which files land, and the extract step."""

    bronze: ObjectStore
    folder: Path
    source: Source

    def declare(self, files: dict[str, Any], *, rate: float = 0.9, secret: str = "") -> None:
        fields = FIELDS + ([{"name": secret, "logicalType": "string", "physicalType": "varchar(32)"}] if secret else [])
        described = [field | ({"classification": "secret"} if field["name"] == secret else {}) for field in fields]
        contract = {
            "apiVersion": "v3.1.0",
            "kind": "DataContract",
            "id": "urn:test:prices:costs",
            "version": "1.0.0",
            "customProperties": [{"property": "maxRejectRate", "value": rate}],
            "schema": [{"name": STREAM, "properties": described}],
        }
        streams = {STREAM: {"mode": "landed", "files": files}}
        source = {"name": SOURCE, "title": "x", "schedule": "@daily", "start_date": "2026-01-01", "streams": streams}
        (self.folder / "source.yaml").write_text(json.dumps(source))
        (self.folder / f"{STREAM}.odcs.yaml").write_text(json.dumps(contract))
        self.source = load_source(self.folder)

    def batch(self, number: int = 0) -> Batch:
        start = BEGIN + number * timedelta(days=1)
        return Batch(source=SOURCE, stream=STREAM, interval_start=start, interval_end=start + timedelta(days=1))

    def land(self, name: str, body: bytes | str) -> None:
        self.bronze.put(BELOW + name, body.encode() if isinstance(body, str) else body)

    def remove(self, name: str) -> None:
        self.bronze._s3.delete_object(Bucket=self.bronze.bucket, Key=BELOW + name)

    def take(self, number: int = 0) -> Manifest:
        batch = self.batch(number)
        with attempt(self.bronze, batch, "extract") as record:
            return extract(batch, source=self.source, bronze=self.bronze, as_of=batch.interval_end, record=record)

    def lines(self, manifest: Manifest) -> list[bytes]:
        return [line for part in manifest.parts for line in read_lines(self.bronze, part)]

    def costs(self, manifest: Manifest) -> list[tuple[str, float]]:
        return [(row["sku"], row["cost"]) for row in map(json.loads, self.lines(manifest))]

    def rejects(self, manifest: Manifest) -> list[Reject]:
        return list(read_rejects(self.bronze, manifest))

    def at(self, manifest: Manifest, line: int) -> tuple[str, str, int | None]:
        digest = hashlib.sha256(self.lines(manifest)[line]).hexdigest()
        landed = Origins(self.bronze).of(SOURCE, STREAM, manifest.batch_id, line, BEGIN, digest, False).landed
        assert landed is not None
        return landed.object.removeprefix(f"s3://{self.bronze.bucket}/{BELOW}"), landed.part, landed.line


@pytest.fixture
def shore(buckets: Buckets, tmp_path: Path) -> Shore:
    shore = Shore(ObjectStore(buckets.bronze), tmp_path, None)  # type: ignore[arg-type]
    shore.declare(FILES)
    return shore


def archive(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, body in members.items():
            opened.writestr(name, body)
    return file.getvalue()


def parquet(**columns: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def same_as(manifest: Manifest) -> dict[str, list[str | None]]:
    """By the object's name, under which name each file in it was taken before."""
    return {
        landed.key.removeprefix(BELOW): [file.same_as and file.same_as.removeprefix(BELOW) for file in landed.files]
        for landed in manifest.landed
    }


EVERY_KIND = {
    "1.csv": b"SKU;EK\na;1.50\nbad;x\nb;2\n",
    "2.tsv.gz": gzip.compress(b"\xef\xbb\xbfEK\tsku\n\n3\tc\n"),
    "3.zip": archive(
        **{"x.csv": b"sku,cost\nd,4\n", "y.json": b'[\n{"sku":"e","cost":5},\n{"sku":5},{"sku":"f","cost":6}]'}
    ),
    "4.xlsx": workbook({"Costs": [["sku", "cost"], [None, None], ["g", 7], ["h", "n/a"], ["i", 9.5]]}),
    "5.parquet": parquet(sku=["j", None, "k"], cost=[10.0, 1.0, 11.0]),
    "6.ndjson.zst": zstandard.ZstdCompressor().compress(b'{"sku":"l","cost":12}\nbroken\n\n{"sku":"m","cost":13}'),
}


def land_every_kind(shore: Shore) -> None:
    for name, body in EVERY_KIND.items():
        shore.land(name, body)


def test_files_of_every_kind_make_one_batch_and_each_row_leads_back_to_its_line(shore: Shore) -> None:
    land_every_kind(shore)
    manifest = shore.take()

    assert [sku for sku, _ in shore.costs(manifest)] == list("abcdefgijklm")
    assert shore.lines(manifest)[:3] == [
        b'{"sku":"a","cost":1.50}',
        b'{"sku":"b","cost":2}',
        b'{"sku":"c","cost":3}',
    ]
    assert [shore.at(manifest, line) for line in range(12)] == [
        ("1.csv", "", 2),
        ("1.csv", "", 4),
        ("2.tsv.gz", "", 3),
        ("3.zip", "x.csv", 2),
        ("3.zip", "y.json", 2),
        ("3.zip", "y.json", 3),
        ("4.xlsx", "", 3),
        ("4.xlsx", "", 5),
        ("5.parquet", "", 1),
        ("5.parquet", "", 3),
        ("6.ndjson.zst", "", 1),
        ("6.ndjson.zst", "", 4),
    ]
    assert [(each.key.removeprefix(BELOW), each.records, each.accepted) for each in manifest.landed] == [
        *[("1.csv", 3, 2), ("2.tsv.gz", 1, 1), ("3.zip", 4, 3)],
        *[("4.xlsx", 3, 2), ("5.parquet", 3, 2), ("6.ndjson.zst", 3, 2)],
    ]
    for landed in manifest.landed:
        name = landed.key.removeprefix(BELOW)
        assert (landed.sha256, landed.bytes) == (hashlib.sha256(EVERY_KIND[name]).hexdigest(), len(EVERY_KIND[name]))
        assert shore.bronze.get(landed.key) == EVERY_KIND[name]
    shore.land("1.csv", "sku,cost\nz,1\n")  # what is there now is another object
    assert shore.at(manifest, 1) == ("1.csv", "", None)


def test_what_is_declared_later_does_not_change_where_a_row_was(shore: Shore) -> None:
    land_every_kind(shore)
    manifest = shore.take()
    before = [shore.at(manifest, line) for line in range(12)]
    shore.declare({"delimiter": "|", "header": 3, "format": "csv"})

    assert [shore.at(manifest, line) for line in range(12)] == before


def test_a_refused_record_says_the_file_the_line_and_the_column(shore: Shore) -> None:
    land_every_kind(shore)
    shore.land("7.csv", "sku,cost\na,1,2\n\xfc,1\n".encode("latin-1"))
    found = [
        (_where(reject, reject.violations[0].path), reject.violations[0].rule) for reject in shore.rejects(shore.take())
    ]

    assert found == [
        (f"{SOURCE}/{STREAM}/1.csv line 3, column 2 (EK)", "type"),
        (f"{SOURCE}/{STREAM}/3.zip!y.json line 3, character 8", "type"),
        (f"{SOURCE}/{STREAM}/4.xlsx line 4, column 2 (cost)", "type"),
        (f"{SOURCE}/{STREAM}/5.parquet line 2, column 1 (sku)", "required"),
        (f"{SOURCE}/{STREAM}/6.ndjson.zst line 2", "json"),
        (f"{SOURCE}/{STREAM}/7.csv line 2", "cells"),
        (f"{SOURCE}/{STREAM}/7.csv line 3", "encoding"),
    ]


def test_the_warehouse_knows_the_place_of_what_was_refused(
    shore: Shore, buckets: Buckets, warehouse_endpoint: Endpoint
) -> None:
    shore.land("1.zip", archive(**{"a.csv": b"sku,cost\na,1\nb,x\n,3\n"}))
    shore.take()
    warehouse = load_warehouse(warehouse_endpoint)
    audit(SOURCE, bronze=shore.bronze, warehouse=warehouse)

    told = "select file, file_line, file_column, path, rule from audit.open_rejects order by 2"
    assert warehouse.query(told).rows == [
        (f"{BELOW}1.zip!a.csv", 3, "2 (cost)", "$.cost", "type"),
        (f"{BELOW}1.zip!a.csv", 4, "1 (sku)", "$.sku", "required"),
    ]


def test_a_record_over_several_lines_is_one_line_whatever_stands_beside_it(shore: Shore) -> None:
    shore.land("1.json", '[\n{"sku":"a",\n"cost":1},\n{"sku":"b",\r\n"cost":},\n{"sku":"c",\r\n"cost":3}\n]')
    manifest = shore.take()

    assert shore.lines(manifest) == [b'{"sku":"a", "cost":1}', b'{"sku":"c",  "cost":3}']
    assert [(reject.line, reject.violations[0].rule) for reject in shore.rejects(manifest)] == [(1, "json")]
    assert manifest.accepted == 2


def test_a_replayed_record_keeps_its_place(shore: Shore) -> None:
    shore.land("a.csv", "sku,cost\na,x\nb,0.125\nc,1\n")
    first = shore.take()
    assert first.rejects is not None
    contract = shore.source.stream(STREAM).contract
    finer = [
        msgspec.structs.replace(p, physical_type="decimal(10,3)") if p.name == "cost" else p
        for p in contract.properties
    ]
    with attempt(shore.bronze, resolving_batch(first.rejects.key), "replay") as record:
        resolved = resolve(
            first.rejects.key,
            action="replay",
            contract=msgspec.structs.replace(contract, properties=tuple(finer)),
            bronze=shore.bronze,
            record=record,
        )

    assert resolved.manifest is not None
    assert shore.costs(resolved.manifest) == [("b", 0.125)]
    assert shore.at(resolved.manifest, 0) == ("a.csv", "", 3)
    (left,) = shore.rejects(resolved.manifest)
    assert _where(left, "$.cost") == f"{SOURCE}/{STREAM}/a.csv line 2, column 2 (cost)"


CSV = b"sku,cost\na,1\nb,2\n"
SAME = {
    "copy.csv": CSV,
    "copy.csv.gz": gzip.compress(CSV),
    "copy.zst": zstandard.ZstdCompressor().compress(CSV),
    "copy.zip": archive(**{"inside/other.csv": CSV}),
}


def test_one_content_counts_once_in_a_batch_however_often_it_is_there(shore: Shore) -> None:
    shore.land("a.csv", CSV)
    for name, body in SAME.items():
        shore.land(name, body)
    manifest = shore.take()

    assert shore.costs(manifest) == [("a", 1), ("b", 2)]
    assert same_as(manifest) == {"a.csv": [None]} | {name: ["a.csv"] for name in SAME}
    assert (manifest.accepted, manifest.rejected, manifest.unchanged) == (2, 0, 0)


def test_one_content_counts_once_whenever_it_comes_again_as_long_as_a_copy_lies_there(shore: Shore) -> None:
    shore.land("a.csv", CSV)
    assert shore.costs(shore.take(0)) == [("a", 1), ("b", 2)]
    shore.land("b.csv.gz", SAME["copy.csv.gz"])
    second = shore.take(1)
    assert (shore.costs(second), same_as(second)) == ([], {"b.csv.gz": ["a.csv"]})
    shore.remove("a.csv")
    assert shore.take(2).landed == ()
    shore.land("c.csv", CSV)
    fourth = shore.take(3)
    assert (shore.costs(fourth), same_as(fourth)) == ([], {"c.csv": ["b.csv.gz"]})
    shore.remove("b.csv.gz")
    shore.land("d.zip", SAME["copy.zip"])  # as one goes
    assert shore.costs(shore.take(4)) == []
    for name in ("c.csv", "d.zip"):
        shore.remove(name)
    shore.take(5)
    shore.land("e.csv", CSV)

    assert shore.costs(shore.take(6)) == [("a", 1), ("b", 2)]


def test_a_file_that_is_written_over_counts_each_time_that_it_changes(shore: Shore) -> None:
    shore.land("list.csv", "sku,cost\na,1\n")
    first = shore.take(0)
    shore.land("list.csv", "sku,cost\na,2\n")
    second = shore.take(1)
    shore.land("list.csv", "sku,cost\na,1\n")  # the price goes back
    third = shore.take(2)

    assert [shore.costs(each) for each in (first, second, third)] == [[("a", 1)], [("a", 2)], [("a", 1)]]


def test_by_name_the_same_content_counts_under_another_one(shore: Shore) -> None:
    shore.declare(FILES | {"once": "name"})
    shore.land("march.csv", CSV)
    shore.land("april.csv", CSV)
    first = shore.take(0)
    shore.land("may.csv", CSV)

    assert len(shore.costs(first)) == 4
    assert len(shore.costs(shore.take(1))) == 2
    assert shore.take(2).landed == ()


def test_each_file_of_an_archive_counts_by_itself(shore: Shore) -> None:
    shore.land("jan.csv", CSV)
    shore.take(0)
    feb, mar = b"sku,cost\nc,3\nx,x\n", b"sku,cost\nd,4\n"
    shore.land("all.zip", archive(**{"jan.csv": CSV, "feb.csv": feb, "again.csv": feb, "mar.csv": mar}))
    second = shore.take(1)

    assert shore.costs(second) == [("c", 3), ("d", 4)]
    assert same_as(second) == {"all.zip": ["jan.csv", None, "all.zip", None]}
    assert [shore.at(second, line) for line in range(2)] == [("all.zip", "feb.csv", 2), ("all.zip", "mar.csv", 2)]
    shore.land("mar.csv", mar)
    assert shore.costs(shore.take(2)) == []


def test_what_an_older_version_took_is_known_by_its_content_too(shore: Shore) -> None:
    shore.land("a.csv", CSV)
    first = shore.take(0)
    assert first.taken is not None
    (line,) = read_lines(shore.bronze, first.taken)
    older = json.dumps(json.loads(line)[:3]).encode()  # key, ETag and hash
    taken = write_object(shore.bronze, lambda _: "known/older", iter([older]))
    shore.land("b.csv.gz", gzip.compress(CSV))

    landing = Landing(shore.source.stream(STREAM), msgspec.structs.replace(first, taken=taken), shore.bronze)

    assert list(landing.pages()) == []
    assert [landed.key for landed in landing.objects] == [f"{BELOW}b.csv.gz"]


def test_the_first_that_was_put_counts_and_objects_keep_their_order(shore: Shore) -> None:
    shore.land("z.csv", "sku,cost\na,1\n")
    time.sleep(1.1)  # S3 tells seconds
    shore.land("a.csv", "sku,cost\na,1\n")
    shore.land("b.csv", "sku,cost\na,2\n")
    manifest = shore.take()

    assert shore.costs(manifest) == [("a", 1), ("a", 2)]
    assert same_as(manifest) == {"z.csv": [None], "a.csv": ["z.csv"], "b.csv": [None]}


def test_a_file_that_cannot_be_read_is_refused_once_and_read_when_it_can_be(shore: Shore) -> None:
    shore.land("good.csv", "sku,cost\na,1\n")
    shore.land("strange.csv", "Artikel,Preis\nb,2\n")
    first = shore.take(0)
    (reject,) = shore.rejects(first)
    assert (shore.costs(first), reject.violations[0].rule, reject.record) == (
        [("a", 1)],
        "header",
        "Artikel,Preis\nb,2\n",
    )

    assert shore.take(1).landed == ()  # no endless retry
    shore.declare(FILES | {"columns": {"Artikel": "sku", "Preis": "cost"}})
    third = shore.take(2)

    assert shore.costs(third) == [("b", 2)]
    assert shore.at(third, 0) == ("strange.csv", "", 2)
    assert shore.take(3).landed == ()


def test_of_an_archive_only_what_could_not_be_read_is_read_again(shore: Shore) -> None:
    strange = b"Artikel,Preis\nb,2\n"
    shore.land("both.zip", archive(**{"good.csv": b"sku,cost\na,1\n", "strange.csv": strange}))
    shore.land("copy.csv", strange)
    first = shore.take(0)
    assert (shore.costs(first), first.rejected) == ([("a", 1)], 1)
    shore.land("late.csv", strange)
    assert shore.take(1).rejected == 0
    shore.declare(FILES | {"columns": {"Artikel": "sku", "Preis": "cost"}})

    assert shore.costs(shore.take(2)) == [("b", 2)]


def test_a_file_that_is_cut_off_stops_a_batch_that_may_refuse_nothing_until_it_is_whole(shore: Shore) -> None:
    shore.declare(FILES, rate=0.0)
    shore.land("cut.csv.gz", gzip.compress(CSV)[:-4])
    shore.land("good.csv", "sku,cost\nc,3\n")
    with pytest.raises(RejectRateExceeded):
        shore.take(0)
    shore.land("cut.csv.gz", gzip.compress(CSV))

    assert sorted(shore.costs(shore.take(1))) == [("a", 1), ("b", 2), ("c", 3)]


def test_a_secret_of_a_file_never_leaves_the_gate(shore: Shore) -> None:
    shore.declare(FILES, secret="password")
    shore.land("a.csv", "sku,cost,Pass_Word\na,1,hunter2\nb,x,hunter2\nc,3,hunter2,hunter2\n")
    manifest = shore.take()

    assert shore.lines(manifest) == [b'{"sku":"a","cost":1}']
    assert [(reject.record, reject.withheld) for reject in shore.rejects(manifest)] == [
        ('{"sku":"b","cost":"x"}', False),
        (None, True),
    ]


@pytest.mark.parametrize(
    "name", ["~$costs.xlsx", "costs.csv.part", "costs.csv.filepart", ".costs.csv.swp", "costs.csv~"]
)
def test_what_a_program_still_writes_is_left_alone(shore: Shore, name: str) -> None:
    shore.land(name, CSV)

    assert shore.take().landed == ()


def test_a_large_file_is_taken_in_pages(shore: Shore) -> None:
    count = 9_001
    shore.land("a.csv.gz", gzip.compress(b"sku,cost\n" + b"".join(b"%d,1\n" % n for n in range(count)) + b"x,\n"))
    manifest = shore.take()

    assert [sku for sku, _ in shore.costs(manifest)] == list(map(str, range(count)))
    assert (manifest.landed[0].records, manifest.landed[0].files[0].records) == (count + 1, count + 1)
    assert shore.at(manifest, count - 1) == ("a.csv.gz", "", count + 1)
    (reject,) = shore.rejects(manifest)
    assert reject.file is not None
    assert (reject.position, reject.file.line) == (count, count + 2)


def test_a_quarantine_of_an_older_version_is_still_read(shore: Shore) -> None:
    shore.land("a.csv", "sku,cost\na,x\nb,1\n")
    manifest = shore.take()
    assert manifest.rejects is not None
    (line,) = read_lines(shore.bronze, manifest.rejects)
    older = {name: value for name, value in json.loads(line).items() if name != "file"}
    part = write_object(shore.bronze, lambda _: manifest.rejects.key, iter([json.dumps(older).encode()]))
    (reject,) = shore.rejects(msgspec.structs.replace(manifest, rejects=part))

    assert reject.file is None
    assert _where(reject, "$.cost") is None
