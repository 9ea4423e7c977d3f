"""From an answer to the array of its records, where they are no array or lack what stands beside them.

A value keeps its exact bytes; what is put into a record comes first. A record that has such a field already, with
another value, then has it twice: the gate refuses it and says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from ingot.contract import Contract
from ingot.errors import PayloadBroken
from ingot.fetch.envelope import Field, Records
from ingot.gate.split import members, split
from ingot.request import Moment
from ingot.sources import Stream

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Cut = Callable[[bytes], tuple[bytes, bytes]]


def records_of(stream: Stream) -> Cut:
    """What takes an answer apart: the array of its records, and an answer in which all else can be read.

    It raises PayloadBroken if there are none at their place, or not what they need beside them.
    """
    cut = Records(stream.records, keyed=bool(stream.keyed_by)).cut
    if not stream.keyed_by and not stream.beside:
        return cut
    beside = {name: _beside(name, at, stream.contract) for name, at in stream.beside.items()}

    def cut_out(body: bytes) -> tuple[bytes, bytes]:
        found, envelope = cut(body)
        common = {name: read(envelope) for name, read in beside.items()}
        records = _keyed(found, stream) if stream.keyed_by else (({}, record) for record in split(found))
        return b"[" + b",".join(_with({**common, **own}, record) for own, record in records) + b"]", envelope

    return cut_out


def _keyed(found: bytes, stream: Stream) -> Iterator[tuple[dict[str, bytes], bytes]]:
    """What is to be put into each record of an object, and the record."""
    entries = members(found)
    if stream.keys:
        by_key = dict(entries)
        if lacking := [key for key in stream.keys if key not in by_key]:
            raise PayloadBroken(
                f"The source's answer has no {', '.join(lacking)} at {stream.records or 'its top'}.",
                hint="ask the source by hand; if it no longer has them, change keys in source.yaml",
            )
        entries = [(key, value) for key, value in entries if key in stream.keys]
    numeric = _is_numeric(stream.keyed_by, stream.contract)
    for key, value in entries:
        own = {stream.keyed_by: _key(key, numeric=numeric)}
        if stream.value_as:
            yield {**own, stream.value_as: value}, b"{}"
        else:
            yield own, value


def _key(text: str, *, numeric: bool) -> bytes:
    """A key as JSON: a name is always text, and stands for a number where the contract has one."""
    return text.encode() if numeric and _NUMBER.fullmatch(text) else msgspec.json.encode(text)


def _is_numeric(name: str, contract: Contract) -> bool:
    return any(p.name == name and p.logical_type in ("integer", "number") for p in contract.properties)


def _with(fields: dict[str, bytes], record: bytes) -> bytes:
    """A record with these fields before its own. What is no object stays as it is: the gate says so."""
    record = record.strip()
    if record[:1] != b"{":
        return record
    try:
        own = _OBJECT.decode(record)
    except (ValueError, RecursionError):
        own = {}
    put = {name: value for name, value in fields.items() if name not in own or not _same(own[name], value)}
    parts = [msgspec.json.encode(name) + b":" + value for name, value in put.items()]
    rest = record[1:].lstrip()
    if not parts:
        return record
    return b"{" + b",".join(parts) + (b"" if rest == b"}" else b",") + rest


def _same(one: bytes, other: bytes) -> bool:
    """Whether two values are the same, or a key and what it stands for: ``"7"`` and 7."""
    return _spelt(one) == _spelt(other)


def _spelt(raw: bytes) -> str:
    raw = bytes(raw).strip()
    return msgspec.json.decode(raw, type=str) if raw[:1] == b'"' else raw.decode("utf-8", "replace")


def _beside(name: str, at: str | Moment, contract: Contract) -> Callable[[bytes], bytes]:
    """What reads a field from the answer around the records, as JSON."""
    if isinstance(at, str):
        return Field(at).raw
    field, unit = Field(at.epoch_seconds or at.epoch_millis), timedelta(seconds=1 if at.epoch_seconds else 0.001)
    dated = any(p.name == name and p.logical_type == "date" for p in contract.properties)

    def read(envelope: bytes) -> bytes:
        try:
            moment = _EPOCH + msgspec.json.decode(field.raw(envelope), type=int) * unit
        except (ValueError, OverflowError):
            raise PayloadBroken(
                f"The source's answer has no moment at {field.path}.",
                hint="ask the source by hand; if it changed its shape, change with in source.yaml",
            ) from None
        return msgspec.json.encode(moment.date() if dated else moment)

    return read
