"""The copy into staging: what jsonb refuses is said plainly and leaves nothing; memory does not follow the batch."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingot.batch import Batch
from ingot.contract import load_contract
from ingot.contract.arrow import arrow_schema
from ingot.errors import IntegrityError
from ingot.manifest import Manifest
from ingot.warehouse import Endpoint, load_warehouse

if TYPE_CHECKING:
    from ingot.warehouse import Warehouse

ROOT = Path(__file__).resolve().parents[3]
START = datetime(2020, 1, 1, tzinfo=UTC)
BATCH = Batch(source="x", stream="s", interval_start=START, interval_end=START + timedelta(days=1))
TEXT = """
{apiVersion: v3.1.0, kind: DataContract, id: x, version: 1.0.0, status: active, schema: [{name: s, properties: [
  {name: id, logicalType: integer, physicalType: bigint, primaryKey: true, required: true},
  {name: lines, logicalType: array, physicalType: array, items:
    {name: l, logicalType: object, physicalType: object, properties: [
      {name: amount, logicalType: number, physicalType: "decimal(15,4)"},
      {name: tag, logicalType: string, physicalType: varchar(99)}]}}]}]}
"""
CONTRACT = load_contract(TEXT, origin="a test")
CHILD = """
import sys
from pathlib import Path

import msgspec

from ingot.warehouse import Endpoint, load_warehouse
from tests.integration.ingot.test_load_copy import CONTRACT, manifest

warehouse = load_warehouse(msgspec.json.decode(sys.stdin.buffer.read(), type=Endpoint))
warehouse.load(manifest(int(sys.argv[2])), CONTRACT, Path(sys.argv[1]))
print()
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""


def manifest(rows: int) -> Manifest:
    return Manifest(
        batch_id=BATCH.id, source="x", stream="s", mode="interval", interval_start=START,
        interval_end=BATCH.interval_end, as_of=START, accepted=rows, rejected=0, parts=(), rejects=None,
        reject_rules={}, requests=(), contract_id="x", contract_version="1.0.0", code_version="0", redacted=(),
        drift=(), watermark=None, started_at=START, committed_at=START, seconds=0,
    )  # fmt: skip


def refined(to: Path, lines: list[Any]) -> Path:
    """The Parquet of as many records, each with its lines."""
    rows = [
        {"id": n, "lines": each, "_batch_id": BATCH.id, "_line": n, "_ingested_at": START, "_record_hash": f"{n:064}",
         "_deleted": False}
        for n, each in enumerate(lines)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, arrow_schema(CONTRACT)), to)
    return to


@pytest.fixture
def warehouse(warehouse_endpoint: Endpoint) -> Warehouse:
    return load_warehouse(warehouse_endpoint)


def test_json_is_what_the_parquet_has(warehouse: Warehouse, tmp_path: Path) -> None:
    tag = 'a"\\\x01\x7f\u2028\U0001f600'
    amount = Decimal("99999999999.9999")
    lines: list[Any] = [None, [], [None], [{"amount": amount, "tag": tag}, {"amount": None, "tag": None}]]
    warehouse.load(manifest(4), CONTRACT, refined(tmp_path / "x", lines))

    rows = warehouse.query("select lines is null, lines::text from bronze.x_s order by id").rows
    assert [row[0] for row in rows] == [True, False, False, False]
    found = [json.loads(text, parse_float=Decimal) for _, text in rows[1:]]
    assert found == [[], [None], [{"amount": amount, "tag": tag}, {"amount": None, "tag": None}]]


def test_a_table_has_its_indexes_with_its_first_rows(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.load(manifest(1), CONTRACT, refined(tmp_path / "x", [[]]))

    found = warehouse.query(
        "select indexrelid::regclass::text, pg_get_indexdef(indexrelid, 1, false) from pg_index "
        "where indrelid = 'bronze.x_s'::regclass and indisvalid order by 1"
    )
    assert found.rows == [
        ("bronze.x_s_batch", "_batch_id"), ("bronze.x_s_key", "id"), ("bronze.x_s_load", "_load_id")
    ]  # fmt: skip


def test_to_ask_the_warehouse_needs_no_arrow(warehouse_endpoint: Endpoint) -> None:
    asked = (
        "import sys, msgspec; from ingot.warehouse import Endpoint, load_warehouse\n"
        "found = load_warehouse(msgspec.json.decode(sys.stdin.buffer.read(), type=Endpoint)).query('select 1')\n"
        "print(found.rows, sorted({'pyarrow', 'duckdb', 'pandas'} & sys.modules.keys()))"
    )
    given = msgspec.json.encode(warehouse_endpoint)
    done = subprocess.run([sys.executable, "-c", asked], input=given, capture_output=True, check=True, cwd=ROOT)
    assert done.stdout.decode().strip() == "[(1,)] []"


def test_what_jsonb_refuses_fails_the_load_and_leaves_what_was_there(warehouse: Warehouse, tmp_path: Path) -> None:
    good = refined(tmp_path / "good", [[{"amount": None, "tag": "a"}]])
    warehouse.load(manifest(1), CONTRACT, good)
    bad = refined(tmp_path / "bad", [[{"amount": None, "tag": "Geheim"}]] * 20_000 + [[{"tag": "Geheim\x00"}]])
    with pytest.raises(IntegrityError, match="22P05") as failure:
        warehouse.load(manifest(20_001), CONTRACT, bad)
    assert "Geheim" not in str(failure.value)
    assert warehouse.query("select count(*) from bronze.x_s").rows == [(1,)]
    tables = "select count(*) from pg_tables where tablename like 'incoming%'"
    sessions = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    assert warehouse.query(tables).rows == warehouse.query(sessions).rows == [(0,)]
    assert warehouse.load(manifest(1), CONTRACT, good).rows == 1


@pytest.mark.skipif(sys.platform != "linux", reason="what is measured is Linux's")
def test_memory_does_not_follow_the_batch(warehouse_endpoint: Endpoint, tmp_path: Path) -> None:
    lines = [[{"amount": Decimal(n), "tag": f"tag {n}"}] * (1 + n % 4) for n in range(3000)]
    some = pq.read_table(refined(tmp_path / "some", lines))
    pq.write_table(pa.concat_tables([some] * 100), tmp_path / "x", row_group_size=122_880)
    command = [sys.executable, "-c", CHILD, str(tmp_path / "x"), str(100 * len(lines))]
    done = subprocess.run(command, input=msgspec.json.encode(warehouse_endpoint), capture_output=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr.decode()
    most = int(done.stdout.split()[-1])  # before it DuckDB may tell how far it is
    assert most < 256 * 1024, f"{most // 1024} MiB"
