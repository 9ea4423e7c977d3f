"""Objects that landed in the Bronze bucket: which of them a batch takes, and the records in them.

An object is taken once. What was taken is kept beside each batch of the stream, a line an object: its key, its ETag
and the hash of its bytes, as long as it is there. The batch claims its number with it (:mod:`ingot.sequence`), so that
of two runs that took the same objects one is published.

Records are lines: NDJSON, plain or gzip, told by the bytes and not by the name, since Firehose names what it compresses
as it was told to. What Firehose could not partition lies below ``failed/``, each record in an envelope
(https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning-error-handling.html), and is taken out of it: the
gate says what is wrong with it, as with any other.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from ingot.batch import Batch
from ingot.bronze import read_lines, write_object
from ingot.manifest import Landed, Manifest, Part
from ingot.naming import failed_prefix, landing_prefix
from ingot.sources import Stream
from ingot.storage import ObjectStore, Stored

_PAGE_RECORDS = 2_000  # what is looked at one by one if one of them is wrong
_PAGE_BYTES = 4 * 2**20
_VALUES = msgspec.json.Decoder(msgspec.Raw)
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r"
# How tools name what they have not written to its end: rsync, browsers, Hadoop and Spark, editors.
_UNFINISHED_ENDS = (".tmp", ".part", ".partial", ".filepart", ".crdownload", ".inprogress")
_UNFINISHED_STARTS = ("_", ".")


@dataclass(frozen=True)
class LandedPage:
    """Some records of one object, as :meth:`ingot.gate.gate.Gate.check` takes them.

    Attributes:
        body: a JSON array of them; empty if one of them is no JSON value, and so each has to be looked at.
        records: each without its line end.
    """

    body: bytes
    records: list[bytes]


class _Taken(msgspec.Struct, frozen=True, array_like=True):
    key: str
    etag: str
    sha256: str


_TAKEN = msgspec.json.Decoder(_Taken)


class _Envelope(msgspec.Struct, frozen=True):
    raw: str = msgspec.field(name="rawData")


_ENVELOPE = msgspec.json.Decoder(_Envelope)


class Landing:
    """What lies below the landing prefix of one stream, and what a batch takes of it.

    Args:
        stream: whose records they are.
        previous: the batch that is continued, if there is one.
        bronze: the Bronze bucket.
    """

    def __init__(self, stream: Stream, previous: Manifest | None, bronze: ObjectStore) -> None:
        self._stream, self._bronze = stream, bronze
        continued = previous if previous is not None and previous.mode == stream.mode else None
        self._ledger = continued.taken if continued else None
        self._newest = continued.watermark if continued else None
        lines = read_lines(bronze, self._ledger) if self._ledger else ()
        self._before = {taken.key: taken for taken in map(_TAKEN.decode, lines)}
        self._now: dict[str, _Taken] = {}
        self._objects: list[Landed] = []

    def pages(self) -> Iterator[LandedPage]:
        """The records of all objects that are news, those that were put first before the others."""
        there = self._bronze.stored(landing_prefix(self._stream.source, self._stream.name))
        for stored in sorted(there, key=lambda each: (each.modified, each.key)):
            if _is_unfinished(stored.key):
                continue
            before = self._before.get(stored.key)
            if before is not None:
                self._now[stored.key] = before
                if before.etag == stored.etag:
                    continue
            body = self._bronze.get_version(stored.key, stored.etag)
            if body is None:
                continue  # somebody writes it just now: the next batch takes it
            digest = hashlib.sha256(body).hexdigest()
            self._now[stored.key] = _Taken(stored.key, stored.etag, digest)
            if before is None or before.sha256 != digest:
                yield from self._take(stored, body, digest)

    def count(self, page: LandedPage, accepted: int) -> None:
        """Note what became of a page, before the next one is asked for.

        Args:
            accepted: how many of its records became lines of the batch.
        """
        last = self._objects[-1]
        self._objects[-1] = msgspec.structs.replace(
            last, records=last.records + len(page.records), accepted=last.accepted + accepted
        )

    @property
    def objects(self) -> tuple[Landed, ...]:
        """Those that were taken, in the order in which they were."""
        return tuple(self._objects)

    @property
    def watermark(self) -> datetime | None:
        """When the newest object was put that was ever taken; None if there was none."""
        newest = [self._newest] if isinstance(self._newest, datetime) else []
        return max([*newest, *(each.modified for each in self._objects)], default=None)

    def write(self, batch: Batch) -> Part | None:
        """Put into the Bronze bucket what is taken with this batch; what was there before, if that is the same.

        An object that is not there any more is forgotten: nobody can take it again.
        """
        if self._ledger is not None and self._now == self._before:
            return self._ledger
        lines = (msgspec.json.encode(self._now[key]) for key in sorted(self._now))
        return write_object(self._bronze, batch.known_key, lines)

    def _take(self, stored: Stored, body: bytes, digest: str) -> Iterator[LandedPage]:
        self._objects.append(
            Landed(
                key=stored.key,
                etag=stored.etag,
                sha256=digest,
                modified=stored.modified,
                bytes=len(body),
                records=0,
                accepted=0,
            )
        )
        records: list[bytes] = []
        size = 0
        for _, record in records_of(self._stream.source, self._stream.name, stored.key, body):
            records.append(record)
            size += len(record)
            if len(records) == _PAGE_RECORDS or size >= _PAGE_BYTES:
                yield _page(records)
                records, size = [], 0
        if records:
            yield _page(records)


def records_of(source: str, stream: str, key: str, body: bytes) -> Iterator[tuple[int | None, bytes]]:
    """The records of one object, each with its line, from 1 as ``sed -n`` counts; empty lines are none.

    An object that says it is gzip and is not is one record, which no contract takes: it has no line.
    """
    if body.startswith(_GZIP):
        try:
            body = gzip.decompress(body)
        except (OSError, EOFError, zlib.error):
            yield None, body
            return
    enveloped = key.startswith(failed_prefix(source, stream))
    for number, line in enumerate(body.removeprefix(_BOM).split(b"\n"), 1):
        for record in _opened(line).split(b"\n") if enveloped else [line]:
            if record := record.strip(_SPACE):
                yield number, record


def _opened(line: bytes) -> bytes:
    """What Firehose was sent, if the line is an envelope of its; else the line."""
    try:
        return b64decode(_ENVELOPE.decode(line).raw, validate=True)
    except (msgspec.MsgspecError, NotBase64, ValueError):
        return line


def _page(records: list[bytes]) -> LandedPage:
    # Only if each line is one value may they be looked at together: `{"a": 1` and `"b": 2}` are no record, and joined
    # they are one.
    try:
        alone = [bytes(value) for value in _VALUES.decode_lines(b"\n".join(records))] == records
    except (msgspec.MsgspecError, RecursionError):
        alone = False
    return LandedPage(b"[" + b",\n".join(records) + b"]" if alone else b"", records)


def _is_unfinished(key: str) -> bool:
    name = key.rpartition("/")[2]
    return not name or name.startswith(_UNFINISHED_STARTS) or name.endswith(_UNFINISHED_ENDS)
