"""Records that are JSON already: lines of it (NDJSON), or one document with an array of them."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator
from json import JSONDecoder
from typing import IO

import msgspec

from ingot.errors import PayloadBroken
from ingot.files.declared import Form
from ingot.files.model import MOST_KEPT, FileRecord, Unreadable
from ingot.files.offsets import offset
from ingot.gate import Violation
from ingot.gate.limits import MOST_BYTES
from ingot.gate.split import split

MOST_DOCUMENT = 256 * 2**20
"""Of a JSON document, which is read as a whole. Lines have no such limit."""

_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r"
_VALUE = JSONDecoder(parse_float=str, parse_int=str)


class _Envelope(msgspec.Struct, frozen=True):
    raw: str = msgspec.field(name="rawData")


_ENVELOPE = msgspec.json.Decoder(_Envelope)


def lines(content: IO[bytes], form: Form) -> Iterator[FileRecord]:
    """A record a line, as its exact bytes; empty lines are none."""
    content.seek(0)
    number = 0
    while line := content.readline(MOST_BYTES + 2):
        number += 1
        if number == 1:
            line = line.removeprefix(_BOM)
        if len(line) == MOST_BYTES + 2 and not line.endswith(b"\n"):
            while (rest := content.readline(2**20)) and not rest.endswith(b"\n"):
                pass
            fault = Violation("$", "size", f"Larger than {MOST_BYTES // 2**20} MiB")
            yield FileRecord(line[:MOST_KEPT], number, fault)
            continue
        for record in _opened(line).split(b"\n") if form.enveloped else (line.removesuffix(b"\n"),):
            if record := record.strip(_SPACE):
                yield FileRecord(record, number)


def document(content: IO[bytes], form: Form) -> Iterator[FileRecord]:
    """The elements of the array that a document is, or holds where it is declared; an object is one record.

    Raises:
        Unreadable: it is no JSON, too large, or holds no records there.
    """
    content.seek(0)
    body = content.read(MOST_DOCUMENT + 1).removeprefix(_BOM)
    if len(body) > MOST_DOCUMENT:
        most = MOST_DOCUMENT // 2**20
        raise Unreadable(f"A JSON document of more than {most} MiB: a record a line (NDJSON) has no such limit")
    above = 0
    if form.records:
        body, above = _inside(body, form.records)
    elif body.lstrip().startswith(b"{"):
        begin = len(body) - len(body.lstrip())
        yield FileRecord(body.strip(), body.count(b"\n", 0, begin) + 1, _no_json(body))
        return
    try:
        records = split(body)
    except PayloadBroken as error:
        raise Unreadable(f"No array of records: {error.message}", rule="json") from None
    # Each stands behind the one before, with nothing but signs between them: it is found where it begins.
    place, line = 0, above
    for record in records:
        begin = body.index(record, place)
        line += body.count(b"\n", place, begin)
        yield FileRecord(record, line + 1)
        line += record.count(b"\n")
        place = begin + len(record)


def _inside(body: bytes, path: str) -> tuple[bytes, int]:
    """The array at a place of a document, and how many lines stand above it."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise Unreadable("Not UTF-8", rule="encoding", line=line) from None
    begin = offset(text, [*path.split(".")])
    if begin is None:
        raise Unreadable(f"No JSON with an array at {path} (files.records)")
    before = text[:begin]
    try:
        _, end = _VALUE.raw_decode(text, begin)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"Not JSON: {str(error)[:200]}", rule="json") from None
    return text[begin:end].encode(), before.count("\n")


def _no_json(body: bytes) -> Violation | None:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError) as error:
        return Violation("$", "json", f"Not JSON: {str(error)[:200]}")
    return None


def _opened(line: bytes) -> bytes:
    """What Firehose was sent, if the line is an envelope of its; else the line."""
    try:
        return b64decode(_ENVELOPE.decode(line).raw, validate=True)
    except (msgspec.MsgspecError, NotBase64, ValueError):
        return line
