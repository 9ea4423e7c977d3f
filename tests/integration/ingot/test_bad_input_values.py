"""Values at the edge of what the gate accepts arrive in Postgres as the source meant them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ingot.bronze import PartWriter
from ingot.contract import load_contract
from ingot.gate import Gate
from ingot.gate.split import split
from ingot.manifest import Manifest, commit

if TYPE_CHECKING:
    from tests.integration.ingot.conftest import World

CONTRACT = load_contract(
    """
    {apiVersion: v3.1.0, kind: DataContract, id: x, version: 1.0.0, status: active, schema: [{name: edges, properties: [
      {name: id, logicalType: integer, physicalType: bigint, primaryKey: true, required: true},
      {name: small, logicalType: integer, physicalType: smallint},
      {name: amount, logicalType: number, physicalType: "decimal(15,4)"},
      {name: ratio, logicalType: number, physicalType: double},
      {name: text, logicalType: string, physicalType: varchar(8)},
      {name: at, logicalType: timestamp, physicalType: timestamptz},
      {name: day, logicalType: date, physicalType: date},
      {name: "odd 'name' $.a", logicalType: string, physicalType: varchar(8), physicalName: odd},
      {name: record, logicalType: object, physicalType: object, properties: [
        {name: id, logicalType: string, physicalType: varchar(8)}]},
      {name: line, logicalType: object, physicalType: object, properties: [
        {name: json, logicalType: string, physicalType: varchar(8)}]},
      {name: lines, logicalType: array, physicalType: array, items:
        {name: l, logicalType: object, physicalType: object, properties: [
          {name: unitPrice, logicalType: number, physicalType: "decimal(6,2)"},
          {name: tag, logicalType: string, physicalType: varchar(8)}]}}]}]}
    """,
    origin="a test",
)
EDGES: list[tuple[str, bytes, Any]] = [  # column, what the source sends as members, what has to arrive
    ("id", b'"id":9223372036854775807', 2**63 - 1),
    ("id", b'"id":-9223372036854775808', -(2**63)),
    ("id", b'"id":-0', 0),
    ("small", b'"small":-32768', -(2**15)),
    ("amount", b'"amount":99999999999.9999', Decimal("99999999999.9999")),
    ("amount", b'"amount":-99999999999.9999', Decimal("-99999999999.9999")),
    ("amount", b'"amount":1E2', Decimal(100)),
    ("amount", b'"amount":12345e-4', Decimal("1.2345")),
    ("amount", b'"amount":0.' + b"0" * 900 + b"1e900", Decimal("0.1")),
    ("amount", b'"amount":0e999', Decimal(0)),
    ("amount", b'"amount":-0.0', Decimal(0)),
    ("ratio", b'"ratio":1.7976931348623157e308', 1.7976931348623157e308),
    ("ratio", b'"ratio":5e-324', 5e-324),
    ("ratio", b'"ratio":1e-400', 0.0),
    ("ratio", b'"ratio":' + b"9" * 300, 1e300),
    ("ratio", b'"ratio":18446744073709551616', 2.0**64),
    ("ratio", b'"ratio":0.1' + b"0" * 400, 0.1),
    ("text", b'"text":"' + rb"\ud83d\ude00" * 8 + b'"', "\U0001f600" * 8),
    ("text", '"text":"e\u0301e\u0301e\u0301e\u0301"'.encode(), "e\u0301" * 4),
    ("text", rb'"text":"\u0001\n\t\r\"\\"', '\x01\n\t\r"\\'),
    ("text", rb'"text":"\u2028\uffff"', "\u2028\uffff"),
    ("text", b'"text":""', ""),
    ("text", b'"text":"\\\\N"', "\\N"),
    ("text", b'"text":" a "', " a "),
    ("at", b'"at":"0001-01-01T00:00:00Z"', datetime(1, 1, 1, tzinfo=UTC)),
    ("at", b'"at":"9999-12-31T23:59:59.999999z"', datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    ("at", b'"at":"2020-01-01 00:00:00.1234569-23:59"', datetime(2020, 1, 1, 23, 59, 0, 123456, tzinfo=UTC)),
    ("at", b'"at":"1969-12-31T23:59:59.9999999Z"', datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    ("day", b'"day":"0001-01-01"', date(1, 1, 1)),
    ("day", b'"day":"9999-12-31"', date(9999, 12, 31)),
    ("day", rb'"day":"2020\u002d02-29"', date(2020, 2, 29)),
    ("odd", b'"odd \'name\' $.a":"x"', "x"),
    ("record_id", b'"record":{"id":"inner"}', "inner"),
    ("line_json", b'"line":{"json":"inner"}', "inner"),
    ("lines", rb'"lines":[{"unitPrice":1.50,"tag":"\u0001\""},{"UNITPRICE":2}]',
     [{"unit_price": 1.5, "tag": '\x01"'}, {"unit_price": None, "tag": None}]),
    ("lines", b'"lines":[]', []),
    ("lines", b'"lines":null', None),
    ("text", b'"TEXT":"other"', None),
    ("id", rb'"a\u0000b":{"\n":[]},"":1,"id\u0000":7', None),
]  # fmt: skip


def test_edges_arrive_as_they_were_meant(world: World) -> None:
    records = [b"{%s}" % m if m.startswith(b'"id":') else b'{"id":%d,%s}' % (n, m) for n, (_, m, _) in enumerate(EDGES)]
    body = b"[" + b",".join(records) + b"]"
    gate = Gate(CONTRACT)
    verdict = gate.check(body, split(body))
    assert [(r.position, r.violations) for r in verdict.refused] == []

    batch = world.batch("edges")
    writer = PartWriter(world.bronze, batch.data_key)
    writer.write(verdict.accepted)
    moment = batch.interval_start
    commit(
        world.bronze,
        Manifest(
            batch_id=batch.id, source=batch.source, stream=batch.stream, mode="interval", interval_start=moment,
            interval_end=batch.interval_end, as_of=moment, accepted=len(records), rejected=0, parts=writer.close(),
            rejects=None, reject_rules={}, requests=(), contract_id="x", contract_version="1.0.0", code_version="0",
            redacted=(), drift=(), watermark=None, started_at=moment, committed_at=moment, seconds=0,
        ),
    )  # fmt: skip
    world.refine(batch, CONTRACT)
    world.load(batch, CONTRACT)

    columns = [column for column, _, _ in EDGES]
    names = sorted(set(columns))
    rows = world.rows(f"SELECT {', '.join(names)} FROM bronze.fakestore_edges ORDER BY _line")
    arrived = [dict(zip(names, row, strict=True)) for row in rows]
    assert len(arrived) == len(EDGES)
    for number, (column, members, expected) in enumerate(EDGES):
        if column == "id" and expected is None:
            expected = number
        value = arrived[number][column]
        assert value == expected, (members[:60], value)
        assert type(value) is type(expected), members[:60]
