"""Refine reads a batch in blocks: no line is lost or doubled at their edges, and memory does not follow the batch."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest
import zstandard

from ingot.attempt import attempt
from ingot.batch import Batch
from ingot.bronze import PartWriter, read_blocks
from ingot.contract import load_contract
from ingot.errors import IntegrityError
from ingot.manifest import Manifest, commit
from ingot.steps.refine import refine
from ingot.storage import ObjectStore

if TYPE_CHECKING:
    from conftest import Buckets

START = datetime(2020, 1, 1, tzinfo=UTC)
BATCH = Batch(source="x", stream="s", interval_start=START, interval_end=START + timedelta(days=1))
FAKESTORE = Path(__file__).resolve().parents[3] / "sources" / "fakestore"
MB = 2**20
TEXTS = load_contract(
    """
    {apiVersion: v3.1.0, kind: DataContract, id: x, version: 1.0.0, status: active, schema: [{name: s, properties: [
      {name: id, logicalType: integer, physicalType: bigint, primaryKey: true, required: true},
      {name: text, logicalType: string, physicalType: varchar(9)}]}]}
    """,
    origin="a test",
)
CHILD = """
import sys
from pathlib import Path

from ingot.attempt import attempt
from ingot.batch import parse_batch
from ingot.contract import read_contract
from ingot.steps.refine import refine
from ingot.storage import ObjectStore

bronze, lake, batch = ObjectStore(sys.argv[1]), ObjectStore(sys.argv[2]), parse_batch("x", "s", sys.argv[3])
with attempt(bronze, batch, "refine") as record:
    refine(batch, contract=read_contract(Path(sys.argv[4])), bronze=bronze, lake=lake, record=record)
# Not ru_maxrss, which begins with what the process had that made this one.
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""


def record(number: int, more: int = 1000) -> bytes:
    return b'{"id":%d,%b"text":"x"}' % (number, b" " * more)


def stored(bronze: ObjectStore, *parts: list[bytes]) -> Manifest:
    """A batch of these lines, as it is after the gate."""
    made = []
    for number, lines in enumerate(parts):
        writer = PartWriter(bronze, lambda _, sha256, number=number: BATCH.data_key(number, sha256), whole=True)  # type: ignore[misc]
        writer.write(lines)
        made += writer.close()
    manifest = Manifest(
        batch_id=BATCH.id, source="x", stream="s", mode="interval", interval_start=START,
        interval_end=BATCH.interval_end, as_of=START, accepted=sum(map(len, parts)), rejected=0, parts=tuple(made),
        rejects=None, reject_rules={}, requests=(), contract_id="x", contract_version="1.0.0", code_version="0",
        redacted=(), drift=(), watermark=None, started_at=START, committed_at=START, seconds=0,
    )  # fmt: skip
    return commit(bronze, manifest)


def refined(buckets: Buckets) -> list[tuple[int, str | None, int, str]]:
    bronze, lake = ObjectStore(buckets.bronze), ObjectStore(buckets.lake)
    with attempt(bronze, BATCH, "refine") as record:
        key = refine(BATCH, contract=TEXTS, bronze=bronze, lake=lake, record=record)
    table = pq.read_table(io.BytesIO(lake.get(key)), columns=["id", "text", "_line", "_record_hash"])
    return [tuple(row.values()) for row in table.to_pylist()]


def test_every_line_is_there_once_whatever_the_blocks(buckets: Buckets) -> None:
    exact = 4 * MB - len(record(1, 0)) - 1  # a line that is a block with its end
    parts = [
        [record(1, exact), record(2, exact), record(3, 1)],
        [record(4, 0), record(5, 9 * MB + 3), *(record(number, number % 7) for number in range(6, 150_000))],
        [record(150_000, MB)],
        [b'{"id":150001,"text":"a\\r\\n\\u2028\xe2\x80\xa8b"}', b'{"id":150002, "text":"c" }', b'{"id":150003}'],
    ]
    stored(ObjectStore(buckets.bronze), *parts)
    lines = [line for part in parts for line in part]
    due = [(each["id"], each.get("text")) for each in map(json.loads, lines)]

    rows = refined(buckets)
    assert [row[:2] for row in rows] == due
    assert [row[2:] for row in rows] == [(n, hashlib.sha256(line).hexdigest()) for n, line in enumerate(lines)]


def test_a_block_of_the_smallest_records_is_little_more_than_a_row_group(buckets: Buckets) -> None:
    lines = [b'{"id":%d}' % number for number in range(600_000)]  # 4 MiB hold far more of them
    bronze = ObjectStore(buckets.bronze)
    (part,) = stored(bronze, lines).parts
    blocks = list(read_blocks(io.BytesIO(bronze.get(part.key)), part))
    assert b"".join(block for block, _ in blocks) == b"\n".join(lines) + b"\n"
    assert [count for _, count in blocks] == [block.count(b"\n") for block, _ in blocks]
    assert max(count for _, count in blocks) < 1.2 * 122_880


def test_a_record_that_does_not_fit_is_said_to_be_one(buckets: Buckets) -> None:
    unfit = stored(ObjectStore(buckets.bronze), [b'{"id":"a"}', *map(record, range(40_000))])
    with pytest.raises(IntegrityError, match="does not fit contract") as failure:
        refined(buckets)
    assert failure.value.key == unfit.parts[0].key
    assert list(ObjectStore(buckets.lake).keys("")) == []


def test_a_record_without_its_key_does_not_fit(buckets: Buckets) -> None:
    stored(ObjectStore(buckets.bronze), [record(1), b'{"text":"a"}'])
    with pytest.raises(IntegrityError, match="does not fit contract"):
        refined(buckets)


def test_damage_behind_a_record_that_does_not_fit_is_what_is_said(buckets: Buckets) -> None:
    bronze = ObjectStore(buckets.bronze)
    lines = [b'{"id":"a"}', *map(record, range(40_000))]  # more blocks than are read ahead
    part = stored(bronze, lines).parts[0]
    bronze.put(part.key, zstandard.compress(b"\n".join([*lines[:-1], record(0)]) + b"\n", 1))
    with pytest.raises(IntegrityError, match="not what its manifest recorded"):
        refined(buckets)
    bronze.put(part.key, zstandard.compress(b"\n".join(lines) + b"\n", 1)[:-20])
    with pytest.raises(IntegrityError, match=r"not what its manifest recorded|cannot be read"):
        refined(buckets)
    assert list(ObjectStore(buckets.lake).keys("")) == []


def carts() -> tuple[Path, list[bytes]]:
    """Many small records of Fakestore."""
    cart = '{"id":%d,"userId":%d,"date":"2020-01-02T03:04:05.000Z","products":[%s],"__v":0}'
    line = '{"productId":%d,"quantity":%d}'
    orders = [
        (cart % (10**6 + n, n % 977, ",".join(line % (n * 7 % 19 + k, k + 1) for k in range(1 + n % 5)))).encode()
        for n in range(20_000)
    ]
    return FAKESTORE / "carts.odcs.yaml", orders * 20


def products() -> tuple[Path, list[bytes]]:
    """Fewer and larger ones: a row group by their number would be the batch."""
    product = (
        b'{"id":%d,"title":"a","price":1.5,"description":"%b","category":"b","image":"c","rating":{"rate":1,"count":1}}'
    )
    random = Random(1)
    made = [product % (n, random.randbytes(2_000).hex().encode()) for n in range(35_000)]
    return FAKESTORE / "products.odcs.yaml", made


@pytest.mark.skipif(sys.platform != "linux", reason="what is measured is Linux's")
@pytest.mark.parametrize("made", [carts, products])
def test_memory_does_not_follow_the_batch(buckets: Buckets, made: Callable[[], tuple[Path, list[bytes]]]) -> None:
    contract, lines = made()
    parts = stored(ObjectStore(buckets.bronze), lines).parts
    assert sum(part.bytes for part in parts) > 60 * MB

    command = [sys.executable, "-c", CHILD, buckets.bronze, buckets.lake, BATCH.id, str(contract)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(list(ObjectStore(buckets.lake).keys(""))) == 1
    assert int(done.stdout) < 400 * 1024, f"{int(done.stdout) // 1024} MiB"
