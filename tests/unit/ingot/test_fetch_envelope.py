"""Where records, cursors and totals sit: found to the byte, or said to be missing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingot.errors import PayloadBroken
from ingot.fetch.envelope import Field, Records, _span_of
from ingot.gate.split import split

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
_LETTERS = st.characters(codec="utf-8", exclude_characters='"\\', exclude_categories=["Cc"])
_NAMES = st.lists(st.text(_LETTERS, min_size=1, max_size=6), min_size=1, max_size=3)


def nested(names: list[str], value: Any, beside: dict[str, Any]) -> Any:
    """A value below names, with other members before and behind it on every level."""
    for name in reversed(names):
        before = {key: other for key, other in beside.items() if key != name and len(key) % 2}
        behind = {key: other for key, other in beside.items() if key != name and not len(key) % 2}
        value = {**before, name: value, **behind}
    return value


@settings(max_examples=60, deadline=None)
@given(
    names=_NAMES,
    records=st.lists(_VALUES, max_size=4),
    beside=st.dictionaries(st.text(max_size=6), _VALUES, max_size=3),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
)
def test_records_are_cut_out_to_the_byte_in_both_ways(
    names: list[str], records: list[Any], beside: dict[str, Any], indent: int | None, ascii_only: bool
) -> None:
    envelope = nested(names, records, beside)
    body = json.dumps(envelope, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    path = ".".join(name.replace(".", "\\.") for name in names)
    array, rest = Records(path).cut(body)
    assert json.loads(array) == records
    assert array in body
    assert rest == body
    start, end = _span_of(names, body, b"[") or (0, 0)
    assert body[start:end] == array


@pytest.mark.parametrize("space", ["", " ", "\n  "])
def test_a_malformed_record_leaves_the_others_and_the_cursor(space: str) -> None:
    body = (
        f'{{"data":{space}{{"n":{{"items":1}},"items":{space}[{{"a":1}},{{"a":!}},{{"a":[3]}}]}},"next":"x"}}'.encode()
    )
    array, envelope = Records("data.items").cut(body)
    assert split(array) == [b'{"a":1}', b'{"a":!}', b'{"a":[3]}']
    assert Field("next").text(envelope) == "x"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"data":null}',
        b'{"data":[{"items":[]}]}',
        b'{"data":{"item":[]}}',
        b'{"data":{"items":[1,2',
        b'{"data":{"items":{"a":!}}}',
        b'{"x":{"data":{"items":[!]}}}',
        b'{"data":{"x":{"items":[!]}}}',
        b"]]]]",
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_what_is_not_there_is_not_found_elsewhere(body: bytes) -> None:
    with pytest.raises(PayloadBroken, match=r"no records at data\.items"):
        Records("data.items").cut(body)


def test_records_that_are_no_array_are_told_by_what_they_are() -> None:
    array, _ = Records("data").cut(b'{"data": {"id": 1}}')
    with pytest.raises(PayloadBroken, match="an object where an array"):
        split(array)


@pytest.mark.parametrize(
    ("envelope", "cursor"),
    [
        (b'{"meta":{"next":"abc"}}', "abc"),
        (b'{"meta":{"next":"\\u00e9\\n"}}', "é\n"),
        (b'{"meta":{"next":12345678901234567890}}', "12345678901234567890"),
        (b'{"meta":{"next":1700000000.10}}', "1700000000.10"),
        (b'{"meta":{"next":null}}', ""),
        (b'{"meta":{"next":""}}', ""),
        (b'{"meta":{"next":false}}', ""),
        (b'{"meta":{"next":0}}', ""),
        (b'{"meta":{}}', ""),
        (b'{"meta":null}', ""),
        (b"{}", ""),
    ],
)
def test_a_cursor_is_taken_as_it_is_spelt(envelope: bytes, cursor: str) -> None:
    assert Field("meta.next").text(envelope) == cursor


@pytest.mark.parametrize("value", ["true", "{}x", '{"a":1}', "[1]", '["a"]'])
def test_what_is_no_cursor_is_not_taken_for_one(value: str) -> None:
    with pytest.raises(PayloadBroken):
        Field("next").text(f'{{"next":{value}}}'.encode())


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"next":'])
def test_an_answer_that_cannot_be_read_is_not_the_last_one(body: bytes) -> None:
    with pytest.raises(PayloadBroken):
        Field("next").text(body)


@pytest.mark.parametrize(("value", "number"), [("7", 7), ('"7"', 7), ("0", 0)])
def test_a_total_is_a_number_however_it_is_quoted(value: str, number: int) -> None:
    assert Field("total").count(f'{{"total":{value}}}'.encode()) == number


@pytest.mark.parametrize("value", ["null", '"many"', "1.5", "[]", "true"])
def test_what_is_no_number_is_no_total(value: str) -> None:
    with pytest.raises(PayloadBroken, match="no number at total"):
        Field("total").count(f'{{"total":{value}}}'.encode())


def test_a_dot_in_a_name_is_escaped() -> None:
    assert Field(r"@odata\.nextLink").text(b'{"@odata.nextLink":"https://x"}') == "https://x"
