"""A fuzzer on the way from a page to its refined rows, with an oracle that shares no code with the gate.

Records are made from good ones by changing their tokens and their bytes, or of bytes alone. Whatever comes: each is
accepted or refused with a path, a rule and a reason, none is lost, what is accepted is what a slow and plain reading
of the bytes allows, and its refined values are what that reading says. In CI the examples are the same every time;
`make fuzz MINUTES=10` draws new ones and prints their seeds.

Hypothesis finds and shrinks; coverage-guided fuzzing (Atheris) was looked at: what can go wrong here is in meaning and
not in memory, the parsers are compiled (it would not see into them), and it has no wheel for the Python of Glue.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import duckdb
import hypothesis
import pytest
from hypothesis import strategies as st

from ingot.batch import Batch
from ingot.bronze import PartWriter, RejectWriter, read_lines, read_reject_object
from ingot.contract import load_contract
from ingot.errors import PayloadBroken
from ingot.gate import Gate
from ingot.gate.split import split
from ingot.manifest import Manifest, Part
from ingot.steps.refine import _Block, _Reader
from ingot.storage import ObjectStore

MINUTES = float(os.environ.get("FUZZ_MINUTES", "0"))
MOMENT = datetime(2020, 1, 1, tzinfo=UTC)
BATCH = Batch(source="x", stream="s", interval_start=MOMENT, interval_end=MOMENT + timedelta(days=1))
CONTRACT = load_contract(
    """
    {apiVersion: v3.1.0, kind: DataContract, id: x, version: 1.0.0, status: active, schema: [{name: s, properties: [
      {name: id, logicalType: integer, physicalType: bigint, primaryKey: true, required: true},
      {name: small, logicalType: integer, physicalType: smallint},
      {name: amount, logicalType: number, physicalType: "decimal(15,4)"},
      {name: ratio, logicalType: number, physicalType: double},
      {name: text, logicalType: string, physicalType: varchar(20)},
      {name: code, logicalType: string, physicalType: varchar(8), logicalTypeOptions: {pattern: "^[a-z]+$"}},
      {name: at, logicalType: timestamp, physicalType: timestamptz},
      {name: day, logicalType: date, physicalType: date},
      {name: flag, logicalType: boolean, physicalType: boolean},
      {name: inner, logicalType: object, physicalType: object, properties: [
        {name: deepValue, logicalType: string, physicalType: varchar(9), required: true}]},
      {name: lines, logicalType: array, physicalType: array, logicalTypeOptions: {maxItems: 3}, items:
        {name: l, logicalType: object, physicalType: object, properties: [
          {name: unitPrice, logicalType: number, physicalType: "decimal(6,2)", required: true},
          {name: tag, logicalType: string, physicalType: varchar(5)}]}}]}]}
    """,
    origin="a test",
)
SECRETIVE = load_contract(
    """
    {apiVersion: v3.1.0, kind: DataContract, id: x, version: 1.0.0, status: active, schema: [{name: s, properties: [
      {name: id, logicalType: integer, physicalType: bigint, primaryKey: true, required: true},
      {name: text, logicalType: string, physicalType: varchar(4096)},
      {name: password, logicalType: string, physicalType: varchar(64), classification: secret}]}]}
    """,
    origin="a test",
)


# The oracle: json of the standard library, told to be strict, and the contract's rules written out by hand.


class Refused(Exception):
    """The plain reading does not allow the record."""


@dataclass(frozen=True)
class Number:
    """A number as it is written."""

    text: str


def parse(raw: bytes) -> Any:
    try:
        value = json.loads(
            raw.decode(), parse_int=_int, parse_float=_float, parse_constant=_no, object_pairs_hook=_pairs
        )
    except (ValueError, RecursionError):
        raise Refused from None
    if _depth(value) > 64:
        raise Refused
    for text in _texts(value):
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise Refused
    return value


def _int(text: str) -> Number:
    if len(text.lstrip("-")) > 4300:
        raise Refused
    return Number(text)


def _float(text: str) -> Number:
    if abs(float(text)) == float("inf"):
        raise Refused
    return Number(text)


def _no(_: str) -> None:
    raise Refused


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise Refused
    return dict(pairs)


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(text for inner in value.values() for text in _texts(inner))]
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner)]
    return [value] if isinstance(value, str) else []


def allow(condition: object) -> None:
    if not condition:
        raise Refused


def integer(value: Any, bits: int) -> int:
    allow(isinstance(value, Number) and re.fullmatch(r"-?\d+", value.text))
    number = int(value.text)
    allow(-(2 ** (bits - 1)) <= number < 2 ** (bits - 1))
    return number


def decimal(value: Any, precision: int, scale: int) -> Decimal:
    allow(isinstance(value, Number) and len(value.text) <= 1000)
    allow(re.fullmatch(r".*?([eE][+-]?\d{1,3})?", value.text) and not re.search(r"[eE][+-]?\d{4}", value.text))
    number = Decimal(value.text)
    mantissa, _, exponent = value.text.lower().partition("e")
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits, point = whole + fraction, len(whole) + int(exponent or 0)
    significant = digits.strip("0")
    if significant:
        first, last = digits.index(significant), digits.index(significant) + len(significant)
        allow(last - point <= scale)
        allow(point - first <= precision - scale)
    return number


def double(value: Any) -> float:
    allow(isinstance(value, Number))
    number = float(value.text)
    allow(abs(number) != float("inf"))
    return number


def text(value: Any, most: int) -> str:
    allow(isinstance(value, str) and len(value) <= most and "\x00" not in value)
    return cast(str, value)


def code(value: Any) -> str:
    allow(re.fullmatch("[a-z]+", text(value, 8)))
    return cast(str, value)


def moment(value: Any) -> datetime:
    allow(isinstance(value, str))
    match = re.fullmatch(
        r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?([Zz]|[+-][0-9]{2}:?[0-9]{2})",
        value,
    )
    allow(match)
    assert match is not None
    micros = int((match[3] or "")[:6].ljust(6, "0"))
    allow(not (value.startswith("9999-12-31") and len(match[3] or "") > 6))  # may be rounded out of the calendar
    zone = match[4].upper().replace(":", "")
    hours, minutes = (0, 0) if zone == "Z" else (int(zone[1:3]), int(zone[3:5]))
    allow(hours < 24 and minutes < 60)
    offset = timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)
    try:
        return (datetime.fromisoformat(f"{match[1]}T{match[2]}") - offset).replace(microsecond=micros, tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Refused from None


def day(value: Any) -> date:
    allow(isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value))
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise Refused from None


def flag(value: Any) -> bool:
    allow(isinstance(value, bool))
    return cast(bool, value)


def line(value: Any) -> dict[str, Any]:
    allow(isinstance(value, dict) and value.get("unitPrice") is not None)
    tag = value.get("tag")
    return {"unit_price": decimal(value["unitPrice"], 6, 2), "tag": None if tag is None else text(tag, 5)}


def row(raw: bytes) -> dict[str, Any]:
    """What a record becomes; raises Refused."""
    record = parse(raw)
    allow(isinstance(record, dict) and record.get("id") is not None)
    leaves: dict[str, Callable[[Any], Any]] = {
        "id": lambda v: integer(v, 64), "small": lambda v: integer(v, 16), "amount": lambda v: decimal(v, 15, 4),
        "ratio": double, "text": lambda v: text(v, 20), "code": code, "at": moment, "day": day, "flag": flag,
    }  # fmt: skip
    found = {name: None if record.get(name) is None else read(record[name]) for name, read in leaves.items()}
    inner, lines = record.get("inner"), record.get("lines")
    allow(inner is None or (isinstance(inner, dict) and inner.get("deepValue") is not None))
    found["inner_deep_value"] = None if inner is None else text(inner["deepValue"], 9)
    allow(lines is None or (isinstance(lines, list) and len(lines) <= 3))
    found["lines"] = None if lines is None else [line(value) for value in lines]
    return found


# What is sent.

GOOD = [
    b'{"id":1}',
    b'{"id":-9223372036854775808,"small":32767,"amount":99999999999.9999,"ratio":1.7976931348623157e308}',
    b'{"id":3,"text":"\\ud83d\\ude00 \\u00e9\\"\\\\","code":"abc","at":"2020-02-29T23:59:59.999999+14:00"}',
    b'{"id":4,"flag":true,"inner":{"deepValue":"x","more":[1,{"a":null}]},"lines":[{"unitPrice":1.50,"tag":"t"}]}',
    b'{"id":5,"new":{"a":[{"b":"c"}],"d":1e5},"lines":[],"amount":-0.5,"at":"0001-01-01t00:00:00z","day":"9999-12-31"}',
]
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|[a-z]+|.', re.DOTALL)
NASTY = [
    *b"{ } [ ] , : \" ' \\ / - + . 0 1 -0 1e5 1E2 1.0 -0.0 0.1 1e400 -1e400 1e-400 5e-324 01 1. .5 0x1".split(),
    *b"NaN Infinity -Infinity null true false nul True 2147483648 9223372036854775808 0e0".split(),
    *b"-9223372036854775809 0e999 1e0001".split(),
    *b"12345678901.23456 99999999999.99990 123456789012 0.00001 1000.001 9999.99 10000 1e-4 1e11 1e10".split(),
    b"9" * 400, b"1" + b"0" * 309, b"0." + b"0" * 400 + b"1", b"1." + b"0" * 990, b"1." + b"0" * 1000, b"9" * 4301,
    b"[" * 64, b"]" * 64, b"[" * 62 + b"]" * 62, b"[" * 70 + b"]" * 70, b'{"a":' * 3 + b"1" + b"}" * 3,
    b" ", b"\t", b"\n", b"\r", b"\x0b", b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xef\xbb\xbf",
    b"\xc2\xa0", b"\xe2\x80\xa8", b"\xf4\x90\x80\x80", b'""', b'"id"', b'"i\\u0064"', b'"small"', b'"amount"',
    b'"ratio"', b'"text"', b'"code"', b'"at"', b'"day"', b'"flag"', b'"inner"', b'"lines"', b'"unitPrice"', b'"tag"',
    b'"new"',
    b'"ID"', b'"record"', b'"line"', b'"a.b"', b'"a\\nb"', b'"\\u0000"', b'"\\ud800"', b'"\\udc00\\ud800"',
    b'"\\ud83d\\ude00"', b'"x\\"\\u003a"', b'"\\":"', b'"\\u0022:"', b'"abc\\n"', b'"ABC"',
    b'"' + b"a" * 20 + b'"', b'"' + b"a" * 21 + b'"',
    b'"' + "é".encode() * 20 + b'"', b'"' + "e\u0301".encode() * 10 + b'"', b'"' + "\U0001f600".encode() * 20 + b'"',
    b'"2020-02-30"', b'"2021-02-29"', b'"0000-01-01"', b'"0001-01-01"', b'"9999-12-31"', b'"10000-01-01"',
    b'"2020-1-1"',
    b'"2020-02-03T00:00:00"', b'"2016-12-31T23:59:60Z"', b'"2020-01-01T24:00:00Z"', b'"2020-01-01T00:00:00+24:00"',
    b'"2020-01-01T00:00:00-23:59"', b'"2020-01-01 00:00:00.1234567Z"', b'"0001-01-01T00:00:00+00:01"',
    b'"000\\u0031-01-01T00:00:00+14:00"', b'"9999-12-31T23:59:59-00:01"', b'"9999-12-31T23:59:59.999999Z"',
    b'"2020-01-01T00:00:00.Z"', b'"2020-02-29"', b'"2020-02-29T01:02:03.5Z"',
    b'"2020-01-01T00:00:00+0100"', b'"2020-01-01T00:00:00-00:00"',
    b'"1969-12-31T23:59:59.9999995Z"',
    b'"id":2', b',"id":2', b'"small":null', b',"new":1,"new":2', b',"amount":1.0', b',"inner":null', b',"lines":null',
]  # fmt: skip


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """A good record with up to four tokens replaced, inserted, doubled, swapped or removed, and at times a byte."""
    tokens = TOKEN.findall(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(tokens) - 1))
        match draw(st.sampled_from(["replace", "replace", "insert", "double", "swap", "remove"])):
            case "replace":
                tokens[place] = draw(st.sampled_from(NASTY))
            case "insert":
                tokens.insert(place, draw(st.sampled_from(NASTY)))
            case "double":
                tokens.insert(place, tokens[place])
            case "swap":
                other = draw(st.integers(0, len(tokens) - 1))
                tokens[place], tokens[other] = tokens[other], tokens[place]
            case "remove" if len(tokens) > 1:
                del tokens[place]
    raw = bytearray(b"".join(tokens))
    if raw and draw(st.integers(0, 3)) == 0:
        raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
    return bytes(raw)


NUMBERS = [value for value in NASTY if re.fullmatch(rb"-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?", value)]
TEXTS = [value for value in NASTY if value[:1] == b'"' and value[-1:] == b'"' and len(value) > 1]
VALUES = st.sampled_from([*NUMBERS, *TEXTS, b"null", b"true", b"false", b"[" * 62 + b"]" * 62])
TIMES = [text for text in TEXTS if text[1:2].isdigit()]
KINDS = {b"id": NUMBERS, b"small": NUMBERS, b"amount": NUMBERS, b"ratio": NUMBERS, b"at": TIMES, b"day": TIMES}
KINDS |= {b"text": TEXTS, b"code": TEXTS}
KINDS |= {b"flag": [b"true", b"false", b"null"], b"inner": [b'{"deepValue":""}'], b"lines": [b"[]"], b"new": TEXTS}


@st.composite
def valued(draw: st.DrawFn) -> bytes:
    """A record of good shape with any value anywhere: most of the rules are about these."""
    members = {b"id": b"1"}
    for name in draw(st.lists(st.sampled_from([*KINDS]), min_size=1, max_size=3)):
        members[name] = draw(st.sampled_from(KINDS[name]) if draw(st.booleans()) else VALUES)
    if draw(st.booleans()):
        members[b"lines"] = b'[{"unitPrice":%s,"tag":%s}]' % (draw(st.sampled_from(NUMBERS)), draw(VALUES))
    return b"{" + b",".join(b'"%s":%s' % pair for pair in members.items()) + b"}"


RECORDS = mutants() | mutants() | valued() | valued() | st.binary(max_size=12)


class Memory:
    """A bucket that is a dict: thousands of examples a minute."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}

    def put(self, key: str, body: bytes) -> None:
        self._objects[key] = body

    def get(self, key: str) -> bytes:
        return self._objects[key]


def run(holds: Callable[[], None], examples: int) -> None:
    """Examples that are always the same, or new ones for as long as was asked for."""
    holds = hypothesis.settings(
        max_examples=examples, deadline=None, derandomize=not MINUTES, database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )(holds)  # fmt: skip
    if not MINUTES:
        holds()
    until = time.monotonic() + MINUTES * 60 / 3
    while time.monotonic() < until:
        seed = secrets.randbits(32)
        print(f"seed {seed}", flush=True)
        hypothesis.seed(seed)(holds)()


@pytest.mark.timeout(300 + MINUTES * 60)
def test_each_record_is_accepted_as_it_should_be_or_refused_with_a_reason(tmp_path: Path) -> None:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    manifest = Manifest(
        batch_id="b", source="x", stream="s", mode="snapshot", interval_start=MOMENT, interval_end=MOMENT,
        as_of=MOMENT, accepted=0, rejected=0, parts=(), rejects=None, reject_rules={}, requests=(), contract_id="x",
        contract_version="1.0.0", code_version="0", redacted=(), drift=(), watermark=None, started_at=MOMENT,
        committed_at=MOMENT, seconds=0,
    )  # fmt: skip

    @hypothesis.given(st.lists(RECORDS, min_size=1, max_size=6), st.integers(1, 2))
    def holds(records: list[bytes], pages: int) -> None:
        gate = Gate(CONTRACT)
        store = cast(ObjectStore, Memory())
        body = b"[" + b",".join(records) + b"]"
        try:
            records = split(body)
        except PayloadBroken as error:
            assert error.hint  # noqa: PT017 - a page that is no array is refused whole, and asked for again
            # Nor does the gate itself need records that a parser found.
        parts: list[Part] = []
        for _ in range(pages):  # the second time, what was new is known
            verdict = gate.check(b"[" + b",".join(records) + b"]", records)
            expected, good = [], []
            for record in records:
                try:
                    expected.append(row(record))
                    good.append(record)
                except Refused:
                    pass
            bad = [record for record in records if record not in good]
            assert verdict.accepted == [r.replace(b"\n", b" ").replace(b"\r", b" ") for r in good]
            assert [r.record for r in verdict.refused] == bad
            for refusal in verdict.refused:
                assert refusal.violations
                assert all(v.path.startswith("$") and v.rule and v.reason for v in refusal.violations)
            writer = PartWriter(store, lambda number, digest: f"data/{number}-{digest}")
            writer.write(verdict.accepted)
            parts = list(writer.close())
            assert [r for part in parts for r in read_lines(store, part)] == verdict.accepted
            quarantine = RejectWriter(store, BATCH)
            quarantine.write(verdict.refused)
            kept = quarantine.close()
            for refusal, stored in zip(
                verdict.refused, read_reject_object(store, kept.key) if kept else [], strict=True
            ):
                assert refusal.record is not None
                assert stored["record"].encode(stored["record_encoding"]) == refusal.record
                assert [v["rule"] for v in stored["violations"]] == [v.rule for v in refusal.violations]
            if verdict.accepted:
                part = Part(key="part", records=0, bytes=0, stored_bytes=0, sha256="")
                lines = b"\n".join(verdict.accepted) + b"\n"
                table = _Reader(connection, manifest, CONTRACT, tmp_path).read(_Block(part, 0, lines))
                rows = table.to_pylist()
                assert [{k: v for k, v in r.items() if not k.startswith("_")} for r in rows] == expected

    run(holds, 300)


@st.composite
def secretive(draw: st.DrawFn) -> bytes:
    """A record with a secret somewhere, its name spelt somehow, and one byte of the rest at times another."""
    name = "".join(draw(st.sampled_from([c, c, c.upper(), f"_{c}", f"{c}-", f"\\u{ord(c):04x}"])) for c in "password")
    value = draw(
        st.sampled_from(['"geheim"', '["geheim"]', '{"geheim":1}', '{"a":{"geheim":1,"geheim":2}}', '"\\ngeheim"'])
    )
    member = f'"{name}":{value}'
    if draw(st.booleans()):
        member += f',"{draw(st.sampled_from(["password", "PassWord"]))}":{value}'
    secret = "{" + member + "}"
    for _ in range(draw(st.integers(0, 3))):
        match draw(st.sampled_from(["list", "object", "text"])):
            case "list":
                secret = f"[1,{secret}]"
            case "object":
                secret = f'{{"a":{secret}}}'
            case "text":
                secret = json.dumps(secret)
    place = draw(st.sampled_from(["new", "text", "id"]))
    record = f'{{"id":7,"{place}":{secret},"z":[1,"x"]}}'.encode()
    if draw(st.booleans()):
        record = f'{{"id":7,{member},"{place}":{secret}}}'.encode()
    if draw(st.booleans()):  # of a byte that belongs to neither a secret nor its name
        outside = [0, len(record) - 1, record.index(b"7"), record.index(b","), *range(1, 6)]
        at = draw(st.sampled_from(outside))
        record = record[:at] + draw(st.binary(max_size=2)) + record[at + 1 :]
    return record


@pytest.mark.timeout(300 + MINUTES * 60)
def test_a_secret_never_leaves_the_gate(caplog: pytest.LogCaptureFixture) -> None:
    @hypothesis.given(st.lists(secretive(), min_size=1, max_size=3))
    def holds(records: list[bytes]) -> None:
        gate = Gate(SECRETIVE)
        body = b"[" + b",".join([b'{"id":1}', *records]) + b"]"
        try:
            records = split(body)
        except PayloadBroken as error:
            assert "geheim" not in str(error)  # noqa: PT017
        for _ in range(2):
            verdict = gate.check(b"[" + b",".join(records) + b"]", records)
            assert len(verdict.accepted) + len(verdict.refused) == len(records)
            for told in (verdict, list(gate.differences)):
                assert "geheim" not in repr(told)

    run(holds, 300)
    assert "geheim" not in caplog.text


@pytest.mark.timeout(300 + MINUTES * 60)
def test_any_bytes_are_records_or_a_broken_page() -> None:
    @hypothesis.given(st.binary(max_size=40) | st.lists(st.sampled_from(NASTY), max_size=12).map(b"".join))
    def holds(body: bytes) -> None:
        for sent in (body, b"[" + body + b"]", b'[{"id":1},' + body + b"]"):
            try:
                records = split(sent)
            except PayloadBroken as error:
                assert error.hint  # noqa: PT017
                # What the standard library takes for an array is never called broken.
                with pytest.raises((ValueError, Refused, AssertionError)):
                    assert isinstance(json.loads(sent.decode(), parse_constant=_no), list)
                continue
            verdict = Gate(CONTRACT).check(sent, records)
            assert len(verdict.accepted) + len(verdict.refused) == len(records)

    run(holds, 300)
