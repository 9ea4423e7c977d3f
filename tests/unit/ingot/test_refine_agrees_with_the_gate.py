"""What the gate accepts, refine can read, and reads with the same values."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from ingot.contract import load_contract
from ingot.gate import Gate
from ingot.gate.split import split
from ingot.manifest import Manifest, Part
from ingot.steps.refine import _Block, _Reader

CONTRACT = load_contract(
    """
    {apiVersion: v3.1.0, kind: DataContract, id: x, version: 1.0.0, status: active, schema: [{name: s, properties: [
      {name: id, logicalType: integer, physicalType: bigint, primaryKey: true, required: true},
      {name: small, logicalType: integer, physicalType: smallint},
      {name: amount, logicalType: number, physicalType: "decimal(15,4)"},
      {name: ratio, logicalType: number, physicalType: double},
      {name: text, logicalType: string, physicalType: varchar(20)},
      {name: at, logicalType: timestamp, physicalType: timestamptz},
      {name: day, logicalType: date, physicalType: date},
      {name: flag, logicalType: boolean, physicalType: boolean},
      {name: inner, logicalType: object, physicalType: object, properties: [
        {name: deepValue, logicalType: string, physicalType: varchar(9), required: true}]},
      {name: lines, logicalType: array, physicalType: array, items:
        {name: l, logicalType: object, physicalType: object, properties: [
          {name: unitPrice, logicalType: number, physicalType: "decimal(6,2)", required: true},
          {name: tag, logicalType: string, physicalType: varchar(5)}]}}]}]}
    """,
    origin="a test",
)
_MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(lambda t: t.replace(tzinfo=UTC))
_SAFE_TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=20)
_OPTIONAL = {
    "small": st.integers(-(2**15), 2**15 - 1),
    "amount": st.decimals(-(10**10), 10**10, places=4, allow_nan=False),
    "ratio": st.floats(allow_nan=False, allow_infinity=False),
    "text": _SAFE_TEXT,
    "at": _MOMENTS,
    "day": st.dates(),
    "flag": st.booleans(),
    "inner": st.fixed_dictionaries({"deepValue": st.text("abc", max_size=9)}),
    "lines": st.lists(
        st.fixed_dictionaries(
            {"unitPrice": st.decimals(0, 9999, places=2, allow_nan=False)}, optional={"tag": st.text("xyz", max_size=5)}
        ),
        max_size=3,
    ),
}
RECORDS = st.lists(
    st.fixed_dictionaries({"id": st.integers(-(2**63), 2**63 - 1)}, optional=_OPTIONAL), min_size=1, max_size=8
)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, Decimal):
        return float(value)  # written with the same digits, up to fifteen of them
    if isinstance(value, datetime):  # small letters and large ones by turns: RFC 3339 allows both
        text = value.isoformat().replace("+00:00", "Z")
        return text.lower() if value.second % 2 else text
    return value if isinstance(value, str | int | float | bool) else value.isoformat()


def test_accepted_records_come_out_of_parquet_as_they_went_in(tmp_path: Path) -> None:
    moment = datetime(2020, 1, 1, tzinfo=UTC)
    manifest = Manifest(
        batch_id="b", source="x", stream="s", mode="snapshot", interval_start=moment, interval_end=moment,
        as_of=moment, accepted=0, rejected=0, parts=(), rejects=None, reject_rules={}, requests=(), contract_id="x",
        contract_version="1.0.0", code_version="0", redacted=(), drift=(), watermark=None, started_at=moment,
        committed_at=moment, seconds=0,
    )  # fmt: skip
    part = Part(key="part", records=0, bytes=0, stored_bytes=0, sha256="")
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")

    @settings(max_examples=150, deadline=None)
    @given(RECORDS)
    def holds(records: list[dict[str, Any]]) -> None:
        body = json.dumps(_plain(records)).encode()
        verdict = Gate(CONTRACT).check(body, split(body))
        assert not verdict.refused
        lines = b"\n".join(verdict.accepted) + b"\n"
        table = _Reader(connection, manifest, CONTRACT, tmp_path).read(_Block(part, 0, lines))
        rows = table.to_pylist()
        assert [row["_line"] for row in rows] == list(range(len(records)))
        for record, row, line in zip(records, rows, verdict.accepted, strict=True):
            assert row["_record_hash"] == hashlib.sha256(line).hexdigest()
            for name in ("id", "small", "amount", "ratio", "text", "at", "day", "flag"):
                assert row[name] == record.get(name), name
            assert row["inner_deep_value"] == record.get("inner", {}).get("deepValue")
            lines = record.get("lines")
            expected = None if lines is None else [{"unit_price": i["unitPrice"], "tag": i.get("tag")} for i in lines]
            assert row["lines"] == expected

    holds()
