"""Files that are read again, in part or as a whole: nothing of them counts twice, and nothing goes by in silence."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingot.attempt import attempt
from ingot.quarantine import resolving_batch
from ingot.steps.resolve import resolve
from ingot.storage import ObjectStore
from tests.integration.ingot.test_landed_files import FILES, Shore, archive

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Buckets


@pytest.fixture
def shore(buckets: Buckets, tmp_path: Path) -> Shore:
    shore = Shore(ObjectStore(buckets.bronze), tmp_path, None)  # type: ignore[arg-type]
    shore.declare(FILES)
    return shore


def test_of_an_archive_only_what_was_refused_is_read_again_though_names_count(shore: Shore) -> None:
    shore.declare({"once": "name"})
    shore.land("both.zip", archive(**{"good.csv": b"sku,cost\na,1\n", "bad.csv": b"sku2,EK\nb,2\n"}))
    assert shore.costs(shore.take()) == [("a", 1)]
    shore.declare({"once": "name", "columns": {"EK": "cost", "sku2": "sku"}})
    assert shore.costs(shore.take(1)) == [("b", 2)]


def test_rows_before_a_damage_count_once_whatever_is_declared_later(shore: Shore) -> None:
    file = io.BytesIO()
    count = 6000
    table = pa.table({"sku": [f"s{n}" for n in range(count)], "cost": [n + 0.5 for n in range(count)]})
    pq.write_table(table, file, row_group_size=2000, compression="none", use_dictionary=False)
    body = bytearray(file.getvalue())
    place = pq.ParquetFile(io.BytesIO(bytes(body))).metadata.row_group(2).column(0).data_page_offset
    body[place : place + 40] = b"\xff" * 40
    shore.land("damaged.parquet", bytes(body))
    first = shore.take()
    assert first.accepted
    assert first.rejected == 1
    shore.declare(FILES | {"nulls": ["n/a"]})
    assert shore.take(1).landed == ()


def test_each_damaged_member_of_an_archive_is_refused(shore: Shore) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as opened:
        opened.writestr("1.csv", b"sku,cost\naaaa,1\n")
        opened.writestr("2.csv", b"sku,cost\nbbbb,2\n")
        opened.writestr("3.csv", b"sku,cost\ncccc,3\n")
    shore.land("x.zip", file.getvalue().replace(b"aaaa", b"aaab").replace(b"bbbb", b"bbbc"))
    taken = shore.take()
    assert shore.costs(taken) == [("cccc", 3)]
    assert [each.file and each.file.part for each in shore.rejects(taken)] == ["1.csv", "2.csv"]


def test_a_file_that_was_refused_is_no_record_of_a_replay_and_counts_once_when_it_is_read(shore: Shore) -> None:
    shore.declare({"format": "csv"})
    shore.land("one.json", b'{"sku":"a","cost":1}\n')
    shore.land("two.csv", b"sku,cost\nb,2\n")
    first = shore.take()
    assert first.rejects is not None
    with attempt(shore.bronze, resolving_batch(first.rejects.key), "replay") as record:
        replayed = resolve(
            first.rejects.key,
            action="replay",
            contract=shore.source.streams["costs"].contract,
            bronze=shore.bronze,
            record=record,
        )
    assert (replayed.manifest, replayed.accepted, replayed.remaining_records) == (None, 0, 1)
    shore.declare({})
    assert shore.costs(shore.take(1)) == [("a", 1)]
