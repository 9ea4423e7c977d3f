"""Records that are no array, or lack what stands around them: put together to the byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ingot.errors import ConfigurationError, PayloadBroken
from ingot.fetch.records import records_of
from ingot.gate import Gate
from ingot.gate.split import members, split
from ingot.sources import Stream, load_source

FIELDS = {
    "id": {"logicalType": "integer", "physicalType": "bigint", "required": True, "primaryKey": True},
    "code": {"logicalType": "string", "physicalType": "varchar(64)"},
    "rate": {"logicalType": "number", "physicalType": "decimal(12,6)"},
    "day": {"logicalType": "date", "physicalType": "date"},
    "at": {"logicalType": "timestamp", "physicalType": "timestamptz"},
}


def declared(folder: Path, **stream: Any) -> Stream:
    """A stream of this contract, as its source.yaml declares it."""
    key = {"primaryKeyPosition": 1}
    properties = [{"name": name, **kind, **(key if "primaryKey" in kind else {})} for name, kind in FIELDS.items()]
    contract = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": "urn:ingot:shop:items",
        "version": "1.0.0",
        "status": "active",
        "schema": [{"name": "items", "properties": properties}],
    }
    entry = {
        "name": "shop",
        "title": "A shop",
        "schedule": "@daily",
        "start_date": "2022-01-01",
        "base_url": "https://shop.example",
        "streams": {"items": {"path": "/items", "mode": "snapshot", **stream}},
    }
    (folder / "items.odcs.yaml").write_text(yaml.safe_dump(contract))
    (folder / "source.yaml").write_text(yaml.safe_dump(entry, sort_keys=False))
    return load_source(folder).stream("items")


def cut(stream: Stream, body: str) -> list[str]:
    array, _ = records_of(stream)(body.encode())
    return [record.decode() for record in split(array)]


def test_each_record_of_an_object_takes_its_key_first_and_keeps_its_bytes(tmp_path: Path) -> None:
    stream = declared(tmp_path, records="data.items", keyed_by="id")
    body = '{"data":{"n":2,"items":{"7":{"rate": 1.50 , "code":"\\u00fc"},  "12" : {}}}}'
    assert cut(stream, body) == ['{"id":7,"rate": 1.50 , "code":"\\u00fc"}', '{"id":12}']


def test_the_whole_answer_may_be_the_object_and_its_keys_text(tmp_path: Path) -> None:
    stream = declared(tmp_path, keyed_by="code")
    assert cut(stream, '{"7":{"id":1},"a\\"b":{"id":2}}') == ['{"code":"7","id":1}', '{"code":"a\\"b","id":2}']
    assert cut(stream, "{}") == cut(stream, " [ ] ") == []


def test_plain_values_become_a_field(tmp_path: Path) -> None:
    stream = declared(tmp_path, records="rates", keyed_by="code", value_as="rate")
    assert cut(stream, '{"rates":{"USD":1.10,"AED":null}}') == [
        '{"code":"USD","rate":1.10}',
        '{"code":"AED","rate":null}',
    ]


def test_only_the_keys_named_are_records_and_none_may_be_missing(tmp_path: Path) -> None:
    stream = declared(tmp_path, records="rates", keyed_by="code", value_as="rate", keys=["USD", "CHF"])
    assert cut(stream, '{"rates":{"CHF":2,"AED":3,"USD":1}}') == ['{"code":"CHF","rate":2}', '{"code":"USD","rate":1}']
    with pytest.raises(PayloadBroken, match="USD"):
        cut(stream, '{"rates":{"CHF":2}}')


def test_what_stands_around_the_records_comes_into_each(tmp_path: Path) -> None:
    beside = {"code": "meta.base", "day": {"epoch_seconds": "meta.time"}, "at": {"epoch_millis": "meta.millis"}}
    stream = declared(tmp_path, records="data", **{"with": beside})
    body = '{"meta":{"base":"E\\u0055R","time":1585267351,"millis":-1},"data":[{"id":1},{"id": 2}]}'
    common = '"code":"E\\u0055R","day":"2020-03-27","at":"1969-12-31T23:59:59.999000Z"'
    assert cut(stream, body) == [f'{{{common},"id":1}}', f'{{{common},"id": 2}}']
    for broken in ('{"data":[]}', '{"meta":{"base":"x","time":"noon","millis":1},"data":[{}]}'):
        with pytest.raises(PayloadBroken, match=r"meta\.(base|time)"):
            cut(stream, broken)


def test_a_field_that_is_there_already_is_left_or_refused(tmp_path: Path) -> None:
    stream = declared(tmp_path, keyed_by="id")
    array, _ = records_of(stream)(b'{"7":{"id": 7},"8":{"id":"8"},"9":{"id":10}}')
    records = split(array)
    assert records == [b'{"id": 7}', b'{"id":"8"}', b'{"id":9,"id":10}']
    (one, two) = Gate(stream.contract).check(array, records).refused
    assert [(violation.path, violation.rule) for violation in one.violations] == [("$.id", "type")]
    assert [(violation.path, violation.rule) for violation in two.violations] == [("$", "duplicate_key")]


def test_something_malformed_costs_its_own_record(tmp_path: Path) -> None:
    stream = declared(tmp_path, records="data", keyed_by="id")
    array, _ = records_of(stream)(b'{"data":{"1":{"rate":1},"2":{"rate":!2},"3":true,"4":{"rate":4}},"n":4}')
    verdict = Gate(stream.contract).check(array, split(array))
    assert verdict.accepted == [b'{"id":1,"rate":1}', b'{"id":4,"rate":4}']
    assert [refusal.violations[0].rule for refusal in verdict.refused] == ["json", "type"]


@pytest.mark.parametrize("body", ['{"1" 2}', '{"1":}', '{junk "1": 2}', '{"1":2 3}', '{3 "1"}'])
def test_a_member_that_is_none_is_no_record(tmp_path: Path, body: str) -> None:
    for value_as in ("rate", ""):
        stream = declared(tmp_path, keyed_by="id", **({"value_as": value_as} if value_as else {}))
        array, _ = records_of(stream)(body.encode())
        verdict = Gate(stream.contract).check(array, split(array))
        assert (verdict.accepted, [r.violations[0].rule for r in verdict.refused]) == ([], ["json"])


@pytest.mark.parametrize("body", ["[1]", "null", '{"a":1', '{"a":1}}', '{"a', "", '{"a":1]', '{"a\\ud800":1'])
def test_what_is_no_object_is_broken(body: str) -> None:
    with pytest.raises(PayloadBroken):
        members(body.encode())


@settings(max_examples=60, deadline=None)
@given(
    pairs=st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8")),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
                max_leaves=6,
            ),
        ),
        max_size=5,
    ),
    gap=st.sampled_from(["", " ", "\n\t"]),
)
def test_members_of_any_object_are_found_to_the_byte_twice_where_they_stand_twice(
    pairs: list[tuple[str, Any]], gap: str
) -> None:
    spelt = [(name, json.dumps(value)) for name, value in pairs]
    body = "{" + ",".join(f"{gap}{json.dumps(name)}{gap}:{gap}{value}{gap}" for name, value in spelt) + gap + "}"
    assert members(body.encode()) == [(name, value.encode()) for name, value in spelt]


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        ({"value_as": "rate"}, "keyed_by"),
        ({"keys": ["a"]}, "keyed_by"),
        ({"keyed_by": "code", "value_as": "code"}, "two values"),
        ({"keyed_by": "other"}, "none of its contract"),
        ({"with": {"code": "base"}}, "no records"),
        ({"records": "data", "with": {"code": {"epoch_seconds": "t"}}}, "no date"),
        ({"records": "data", "with": {"day": {"epoch_seconds": "t", "epoch_millis": "t"}}}, "one of the two"),
        ({"records": "data", "with": {"code": "a..b"}}, "leads nowhere"),
        ({"pagination": {"type": "cursor", "param": "c"}}, "one of next and header"),
        ({"pagination": {"type": "cursor", "param": "c", "next": "n", "header": "N"}}, "one of next and header"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path: Path, stream: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        declared(tmp_path, **stream)


def test_firehose_reads_no_day_from_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = {"logicalType": "timestamp", "physicalType": "timestamptz", "required": True}
    landed = {"mode": "landed", "path": "", "delivery": {"partition_by": "sent"}}
    monkeypatch.setitem(FIELDS, "sent", sent)
    assert declared(tmp_path, **landed).delivery is not None
    forms = [{"property": "sourceForm", "value": "epochMillis"}]
    monkeypatch.setitem(FIELDS, "sent", {**sent, "customProperties": forms})
    with pytest.raises(ConfigurationError, match="sourceForm"):
        declared(tmp_path, **landed)
