"""Values that the source writes in another form than their type's: judged, read and told apart by what they mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingot.contract import Contract, load_contract
from ingot.contract.arrow import arrow_schema
from ingot.contract.compatibility import compare
from ingot.contract.glue import glue_columns
from ingot.contract.page import accepts
from ingot.contract.postgres import column_types
from ingot.drift import observe
from ingot.errors import ConfigurationError
from ingot.files.declared import Files
from ingot.files.values import converter
from ingot.gate import Gate
from ingot.gate.split import split
from ingot.known import Known, key_form
from ingot.manifest import Manifest, Part
from ingot.sources import Cursor, Stream
from ingot.steps.refine import _Block, _Reader
from ingot.steps.resolve import _key
from ingot.storage import ObjectStore

TYPES = {
    "at": ("timestamp", "timestamptz", "epochMillis"),
    "changed": ("timestamp", "timestamptz", "epochSeconds"),
    "day": ("date", "date", "epochSeconds"),
    "id": ("integer", "bigint", "textOrNumber"),
    "price": ("number", "decimal(12,4)", "textOrNumber"),
    "ratio": ("number", "double", "textOrNumber"),
    "code": ("string", "varchar(20)", "textOrNumber"),
}


def contract(key: str = "id", version: str = "1.0.0", **changed: Any) -> Contract:
    properties = []
    for name, (logical, physical, form) in TYPES.items():
        prop = {"name": name, "logicalType": logical, "physicalType": physical}
        prop |= {"customProperties": [{"property": "sourceForm", "value": form}]} if form else {}
        prop |= {"required": True, "primaryKey": True, "primaryKeyPosition": 1} if name == key else {}
        properties.append({**prop, **changed.get(name, {})})
    document = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": "x",
        "version": version,
        "status": "active",
        "schema": [{"name": "s", "properties": properties}],
    }
    return load_contract(json.dumps(document), origin="a test")


def checked(record: str, **changed: Any) -> list[tuple[str, str]]:
    """Which rules a record breaks, where; also beside a record that is right, as both passes must agree."""
    found = []
    for body in (f"[{record}]".encode(), b'[{"id":1},%b]' % record.encode()):
        verdict = Gate(contract(**changed)).check(body, split(body))
        found.append([(v.path, v.rule) for refusal in verdict.refused for v in refusal.violations])
    assert found[0] == found[1]
    return found[0]


@pytest.fixture(scope="module")
def refined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[bytes], list[dict[str, Any]]]]:
    """What refine reads from accepted records, without its lineage."""
    folder = tmp_path_factory.mktemp("refined")
    moment = datetime(2020, 1, 1, tzinfo=UTC)
    manifest = Manifest(
        batch_id="b", source="x", stream="s", mode="snapshot", interval_start=moment, interval_end=moment,
        as_of=moment, accepted=0, rejected=0, parts=(), rejects=None, reject_rules={}, requests=(), contract_id="x",
        contract_version="1.0.0", code_version="0", redacted=(), drift=(), watermark=None, started_at=moment,
        committed_at=moment, seconds=0,
    )  # fmt: skip
    part = Part(key="part", records=0, bytes=0, stored_bytes=0, sha256="")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")

        def read(body: bytes) -> list[dict[str, Any]]:
            verdict = Gate(contract()).check(body, split(body))
            assert not verdict.refused
            lines = b"\n".join(verdict.accepted) + b"\n"
            table = _Reader(connection, manifest, contract(), folder).read(_Block(part, 0, lines))
            return [{name: row[name] for name in TYPES} for row in table.to_pylist()]

        yield read


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)).map(lambda t: t.replace(tzinfo=UTC))
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
_NUMBERS = st.integers(-(10**19), 10**19) | st.decimals(-99999, 99999, places=3, allow_nan=False).map(float)


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_what_the_gate_accepts_is_read_with_its_value(
    refined: Callable[[bytes], list[dict[str, Any]]], data: st.DataObject
) -> None:
    at, changed, day = (data.draw(_MOMENTS) for _ in range(3))
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    changed = changed.replace(microsecond=0)
    price = data.draw(st.decimals(-(10**7), 10**7, places=4, allow_nan=False))
    ratio = data.draw(st.floats(allow_nan=False, allow_infinity=False))
    number, code = data.draw(st.integers(-(2**63), 2**63 - 1)), data.draw(_TEXT | _NUMBERS)
    quoted = data.draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))
    spelt = [f'"{v}"' if q else f"{v}" for v, q in zip((number, f"{price:f}", repr(ratio)), quoted, strict=True)]
    code_spelt = json.dumps(code)
    if not isinstance(code, str) and code_spelt == "-0.0":
        code = "-0.0"
    record = (
        f'{{"at": {(at - _EPOCH) // timedelta(milliseconds=1)},'
        f'"changed": {(changed - _EPOCH) // timedelta(seconds=1)},'
        f'"day": {(day - _EPOCH) // timedelta(seconds=1)}, "id": {spelt[0]}, "price": {spelt[1]}, "ratio": {spelt[2]},'
        f'"code": {code_spelt} }}'
    )
    assert refined(f"[{record}]".encode()) == [
        {
            "at": at,
            "changed": changed,
            "day": day.date(),
            "id": number,
            "price": price,
            "ratio": ratio,
            "code": code if isinstance(code, str) else code_spelt,
        }
    ]


def test_all_but_the_key_may_be_missing(refined: Callable[[bytes], list[dict[str, Any]]]) -> None:
    empty = dict.fromkeys(TYPES)
    assert refined(b'[{"id":1},{"id":"2","at":null,"price":null,"ratio":null,"code":null,"day":null}]') == [
        empty | {"id": 1},
        empty | {"id": 2},
    ]


@pytest.mark.parametrize(
    ("record", "broken"),
    [
        ('{"id":1,"at":"2020-01-01T00:00:00Z"}', [("$.at", "type")]),
        ('{"id":1,"at":1.5}', [("$.at", "type")]),
        ('{"id":1,"at":253402300800000}', [("$.at", "maximum")]),
        ('{"id":1,"day":-62135596801}', [("$.day", "minimum")]),
        ('{"id":1.0}', [("$.id", "type")]),
        ('{"id":"1.0"}', [("$.id", "type")]),
        ('{"id":" 1"}', [("$.id", "type")]),
        ('{"id":"01"}', [("$.id", "type")]),
        ('{"id":""}', [("$.id", "type")]),
        ('{"id":null}', [("$.id", "type")]),
        ('{"id":"9223372036854775808"}', [("$.id", "maximum")]),
        ('{"id":true}', [("$.id", "type")]),
        ('{"id":1,"price":"12,5"}', [("$.price", "type")]),
        ('{"id":1,"price":"0.00001"}', [("$.price", "scale")]),
        ('{"id":1,"price":123456789}', [("$.price", "precision")]),
        ('{"id":1,"price":[1]}', [("$.price", "type")]),
        ('{"id":1,"ratio":"NaN"}', [("$.ratio", "type")]),
        ('{"id":1,"code":1.50}', [("$.code", "spelling")]),
        ('{"id":1,"code":1e3}', [("$.code", "spelling")]),
        ('{"id":1,"code":-0}', [("$.code", "spelling")]),
        ('{"id":1,"code":123456789012345678901}', [("$.code", "max_length")]),
        ('{"id":1,"code":{}}', [("$.code", "type")]),
        ('{"id":1,"code":"a\\u0000"}', [("$.code", "nul")]),
    ],
)
def test_what_means_no_value_of_its_type_is_refused(record: str, broken: list[tuple[str, str]]) -> None:
    assert checked(record) == broken


def test_bounds_and_patterns_hold_for_both_spellings() -> None:
    limits = {"price": {"logicalTypeOptions": {"minimum": 1}}, "code": {"logicalTypeOptions": {"pattern": "^[0-9]+$"}}}
    assert checked('{"id":1,"price":"1","code":7}', **limits) == []
    assert checked('{"id":1,"price":"0.5"}', **limits) == [("$.price", "minimum")]
    assert checked('{"id":1,"price":0.5}', **limits) == [("$.price", "minimum")]
    assert checked('{"id":1,"code":-7}', **limits) == [("$.code", "pattern")]
    assert checked('{"id":1,"code":"seven"}', **limits) == [("$.code", "pattern")]


def test_a_file_holds_them_too() -> None:
    cells = {"at": "1585267351001", "changed": "1585267351", "id": "7", "price": "12.50", "code": "007"}
    properties = {prop.name: prop for prop in contract().properties}
    found = {name: converter(properties[name], Files(format="csv"))(cell) for name, cell in cells.items()}
    assert found == {**{name: cell.encode() for name, cell in cells.items()}, "code": b'"007"'}
    record = b"{" + b",".join(b'"%b":%b' % (name.encode(), value or b"") for name, value in found.items()) + b"}"
    assert checked(record.decode()) == []


def test_everything_else_knows_the_type_alone() -> None:
    plain = {name: {"customProperties": []} for name in TYPES}
    for compiled in (arrow_schema, glue_columns, column_types):
        assert compiled(contract()) == compiled(contract(**plain))
    properties = {prop.name: prop for prop in contract().properties}
    assert accepts(properties["at"]) == "timestamp as whole milliseconds since 1970"
    assert accepts(properties["id"]) == "whole number; sent as text or as a number"


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("at", {"customProperties": [{"property": "sourceForm", "value": "epochHours"}]}, "epochHours"),
        ("at", {"customProperties": [{"property": "sourceForm", "value": "textOrNumber"}]}, "timestamp"),
        ("code", {"customProperties": [{"property": "sourceForm", "value": "epochMillis"}]}, "string"),
        ("code", {"logicalType": "boolean", "physicalType": "boolean"}, "boolean"),
    ],
)
def test_a_form_that_does_not_fit_the_type_is_no_contract(name: str, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        contract(**{name: change})


def test_another_form_reads_the_sources_values_otherwise() -> None:
    none = {"customProperties": []}
    changes = {name: list(compare(contract(**{name: none}), contract())) for name in TYPES}
    assert {name: [change.kind for change in found] for name, found in changes.items()} == {
        "at": ["breaking"],
        "changed": ["breaking"],
        "day": ["breaking"],
        "id": ["compatible"],
        "price": ["compatible"],
        "ratio": ["compatible"],
        "code": ["compatible"],
    }
    assert [change.kind for change in compare(contract(), contract(price=none))] == ["breaking"]


def test_a_value_of_another_form_is_drift_that_names_it() -> None:
    body = b'[{"id":1,"at":"2020-01-01T00:00:00Z"}]'
    gate = Gate(contract())
    gate.check(body, split(body))
    (drift,) = (one for one in observe(gate) if one.kind == "retyped")
    assert (drift.path, drift.new) == ("$.at", "timestamp")


def stream(key: str, cursor: Cursor | None = None) -> Stream:
    mode: Any = "cursor" if cursor else "snapshot"
    changed = {cursor.field: {"required": True}} if cursor else {}
    params = {"since": "{cursor:epochMillis}"} if cursor else {}
    return Stream("x", "s", "/", mode, params, contract(key, **changed), cursor)


@pytest.mark.parametrize(
    ("key", "one", "same", "other"),
    [
        ("id", b'{"id":7}', b'{"id":"7"}', b'{"id":8}'),
        ("code", b'{"code":"7"}', b'{"code":7}', b'{"code":"07"}'),
        ("day", b'{"day":86400}', b'{"day":90000}', b'{"day":86399}'),
    ],
)
def test_two_spellings_are_one_key(tmp_path: Path, key: str, one: bytes, same: bytes, other: bytes) -> None:
    known = Known(stream(key), None, ObjectStore("none"))
    assert [known.is_new(line) for line in (one, one, same, same, other)] == [True, False, True, False, True]
    assert len(known._now) == 2
    keys = {_key(line, stream(key).contract.key_properties) for line in (one, same, other)}  # of what is replayed
    assert len(keys) == 2
    assert key_form(stream(key)) != key_form(
        Stream("x", "s", "/", "snapshot", {}, contract(key, **{key: {"customProperties": []}}))
    )


@pytest.mark.parametrize(
    ("field", "line", "watermark"),
    [
        ("at", b'{"id":1,"at":1585267351001}', datetime(2020, 3, 27, 0, 2, 31, 1000, tzinfo=UTC)),
        ("changed", b'{"id":1,"changed":1585267351}', datetime(2020, 3, 27, 0, 2, 31, tzinfo=UTC)),
        ("day", b'{"id":1,"day":1585267351}', datetime(2020, 3, 27, tzinfo=UTC)),
    ],
)
def test_a_watermark_is_a_moment_and_is_asked_for_as_a_number(field: str, line: bytes, watermark: datetime) -> None:
    cursor = Cursor(field, "1d")
    known = Known(stream("id", cursor), None, ObjectStore("none"))
    known.is_new(line)
    known.move(datetime(2021, 1, 1, tzinfo=UTC))
    assert known.watermark == watermark
    since = stream("id", cursor).since(known.watermark, date(2020, 1, 1))
    bounds = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC)
    asked = stream("id", cursor).query(*bounds, since)
    assert asked == {"since": str((watermark - timedelta(days=1) - _EPOCH) // timedelta(milliseconds=1))}


def test_a_bound_that_seconds_cannot_say_is_an_error() -> None:
    params = {"from": "{interval_start:epochSeconds}", "to": "{interval_end:epochMillis}"}
    asked = Stream("x", "s", "/", "interval", params, contract())
    half = timedelta(milliseconds=500)
    assert asked.query(_EPOCH, _EPOCH + half) == {"from": "0", "to": "500"}
    with pytest.raises(ConfigurationError, match="from"):
        asked.query(_EPOCH + half, _EPOCH + 2 * half)


def test_decimals_of_both_spellings_are_exact(refined: Callable[[bytes], list[dict[str, Any]]]) -> None:
    rows = refined(b'[{"id":1,"price":"12345678.1000"},{"id":2,"price":12345678.1},{"id":3,"price":"1E-3"}]')
    assert [row["price"] for row in rows] == [Decimal("12345678.1"), Decimal("12345678.1"), Decimal("0.001")]
