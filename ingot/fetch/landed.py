"""Objects that landed in the Bronze bucket: which of them a batch takes, and the records in them.

An object is taken once. What was taken is kept beside each batch of the stream, a line an object: its key, its ETag
and the hashes of its bytes and of the files in it, as long as it is there. The batch claims its number with it
(:mod:`ingot.sequence`), so that of two runs that took the same objects one is published.

What is in an object is read by :mod:`ingot.files`, as the stream declares. What Firehose could not partition lies below
``failed/``, each record in an envelope
(https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning-error-handling.html), and is taken out of it: the
gate says what is wrong with it, as with any other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import IO

import msgspec

from ingot.batch import Batch
from ingot.bronze import read_lines, write_object
from ingot.files.declared import Form
from ingot.files.detect import form_of
from ingot.files.model import FileRecord, Unreadable
from ingot.files.offsets import offset, steps_of
from ingot.files.reader import Reader, broken, places
from ingot.files.unpack import File, files_in, spool
from ingot.gate import InFile, Refusal, Violation
from ingot.manifest import Landed, LandedFile, Manifest, Part
from ingot.naming import failed_prefix, landing_prefix
from ingot.sources import Stream
from ingot.storage import ObjectStore, Stored

_PAGE_RECORDS = 2_000  # what is looked at one by one if one of them is wrong
_PAGE_BYTES = 4 * 2**20
_ANY_MB = 2**30  # what was taken was small enough
_VALUES = msgspec.json.Decoder(msgspec.Raw)
# How tools name what they have not written to its end: rsync, browsers, Hadoop and Spark, editors and office programs.
_UNFINISHED_ENDS = (".tmp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".inprogress", ".swp", "~")
_UNFINISHED_STARTS = ("_", ".", "~$")


@dataclass(frozen=True)
class LandedPage:
    """Some records of one file, as :meth:`ingot.gate.gate.Gate.check` takes them.

    Attributes:
        body: a JSON array of them; empty if one of them is no JSON value, and so each has to be looked at.
        records: each without its line end.
        faults: what is wrong with a record whatever the contract says, by its place among them.
        object: the object that they lie in.
        part: the file in it, if it is an archive.
        lines: where each begins.
        columns: where the values of a field stand, if the file has columns.
    """

    body: bytes
    records: list[bytes]
    faults: Mapping[int, Violation]
    object: str
    part: str
    lines: list[int | None]
    columns: Mapping[str, str]

    def locate(self, refusal: Refusal, place: int) -> Refusal:
        """A refusal with where its record stands, and in it what breaks a rule.

        Args:
            place: the record's among those of the page.
        """
        columns: dict[str, str] = {}
        for path in {violation.path: None for violation in refusal.violations}:
            steps = steps_of(path)
            if not steps or place in self.faults:
                continue
            if self.columns:
                if column := self.columns.get(str(steps[0])):
                    columns[path] = column
            elif (before := _before(refusal.record, steps)) is not None:
                columns[path] = f"character {before + 1}"
        return replace(refusal, file=InFile(self.object, self.part, self.lines[place], columns))


class _Taken(msgspec.Struct, frozen=True, array_like=True):
    """One object that was taken.

    Attributes:
        sha256: of its bytes.
        contents: of the files in it that were read, if it is packed.
        refused: of those that were refused whole.
        declared: what was declared then, if any was refused: they are read again once that is another.
    """

    key: str
    etag: str
    sha256: str
    contents: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    declared: str = ""

    def known(self, declared: str) -> tuple[str, ...]:
        """The hashes of what needs not be read again under a declaration."""
        if not self.refused:
            return self.contents or (self.sha256,)
        return self.contents + (self.refused if self.declared == declared else ())


_TAKEN = msgspec.json.Decoder(_Taken)


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
        declared = msgspec.json.encode((stream.files, stream.contract.id, stream.contract.version))
        self._declared = hashlib.sha256(declared).hexdigest()[:16]
        self._refused = {h for taken in self._before.values() if self._is_settled(taken) for h in taken.refused}
        self._known = {sha256: taken.key for taken in self._before.values() for sha256 in taken.known(self._declared)}

    def pages(self) -> Iterator[LandedPage]:
        """The records of all objects that are news, those that were put first before the others."""
        for stored in sorted(self._there, key=lambda each: (each.modified, each.key)):
            if is_unfinished(stored.key):
                continue
            before = self._before.get(stored.key)
            if before is not None:
                self._now[stored.key] = before
                if before.etag == stored.etag and self._is_settled(before):
                    continue
            with spool() as body:
                copied = _Hashed(body)
                if not self._bronze.read_version(stored.key, stored.etag, copied):
                    continue  # somebody writes it just now: the next batch takes it
                if before is not None and before.sha256 == copied.sha256 and self._is_settled(before):
                    self._now[stored.key] = msgspec.structs.replace(before, etag=stored.etag)
                    continue
                self._objects.append(
                    Landed(
                        key=stored.key,
                        etag=stored.etag,
                        sha256=copied.sha256,
                        modified=stored.modified,
                        bytes=copied.bytes,
                        records=0,
                        accepted=0,
                    )
                )
                same = before if before is not None and before.sha256 == copied.sha256 else None
                yield from self._take(body, _Taken(stored.key, stored.etag, copied.sha256), same)

    def count(self, page: LandedPage, accepted: int) -> None:
        """Note what became of a page, before the next one is asked for.

        Args:
            accepted: how many of its records became lines of the batch.
        """
        last = self._objects[-1]
        file = last.files[-1]
        counted = msgspec.structs.replace(file, records=file.records + len(page.records))
        self._objects[-1] = msgspec.structs.replace(
            last,
            records=last.records + len(page.records),
            accepted=last.accepted + accepted,
            files=(*last.files[:-1], counted),
        )

    def waiting(self) -> list[Stored]:
        """What a batch would take now, if it is not known by its bytes."""
        taken = {each.key: each.etag for each in self._before.values() if self._is_settled(each)}
        return [each for each in self._there if not is_unfinished(each.key) and taken.get(each.key) != each.etag]

    def waited(self, now: datetime) -> float:
        """How many seconds the oldest of these has waited; 0 if there is none."""
        return max(((now - each.modified).total_seconds() for each in self.waiting()), default=0.0)

    @cached_property
    def _there(self) -> list[Stored]:
        """What lies there, as it was when it was first asked for."""
        return list(self._bronze.stored(landing_prefix(self._stream.source, self._stream.name)))

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

    def _take(self, body: IO[bytes], taken: _Taken, before: _Taken | None) -> Iterator[LandedPage]:
        """The records of one object; `before` is what was taken of these very bytes under its name."""
        declared = self._stream.files
        contents: list[str] = []
        refused: list[str] = []
        known = self._known
        if declared.once == "name":
            known = dict.fromkeys(before.known(self._declared), taken.key) if before is not None else {}
        for file in files_in(body, taken.key.rpartition("/")[2], max_mb=declared.max_unpacked_mb):
            earlier = known.get(file.sha256)
            self._begin(file, earlier)
            if earlier is not None:
                (refused if file.sha256 in self._refused else contents).append(file.sha256)
                continue
            begun = False
            try:
                for page in self._read(taken.key, file):
                    begun = True
                    yield page
                contents.append(file.sha256)
            except Unreadable as error:
                if begun:
                    contents.append(file.sha256)  # what was read of it counts: read again, it would count twice
                else:
                    refused.append(file.sha256)
                    self._refused.add(file.sha256)
                yield from self._pages(taken.key, file.part, [broken(file.content, error)], {})
            self._known.setdefault(file.sha256, taken.key)
        if contents == [taken.sha256]:
            contents = []
        self._now[taken.key] = msgspec.structs.replace(
            taken,
            contents=tuple(contents),
            refused=tuple(refused),
            declared=self._declared if refused else "",
        )
        last = self._objects[-1]
        if [(file.part, file.form and file.form.format, file.same_as) for file in last.files] == [("", "ndjson", None)]:
            # That is what an object is if nothing is said; of events there are thousands.
            self._objects[-1] = msgspec.structs.replace(last, files=())

    def _is_settled(self, taken: _Taken) -> bool:
        """Whether it would be read now as it was then."""
        return taken.declared in ("", self._declared)

    def _begin(self, file: File, earlier: str | None) -> None:
        last = self._objects[-1]
        begun = LandedFile(part=file.part, sha256=file.sha256, bytes=file.bytes, records=0, same_as=earlier)
        self._objects[-1] = msgspec.structs.replace(last, files=(*last.files, begun))

    def _read(self, key: str, file: File) -> Iterator[LandedPage]:
        if file.fault is not None:
            raise file.fault
        enveloped = key.startswith(failed_prefix(self._stream.source, self._stream.name))
        contract, declared = self._stream.contract, self._stream.files
        form = form_of(file.content, file.name, contract, declared, enveloped=enveloped)
        last = self._objects[-1]
        told = msgspec.structs.replace(last.files[-1], form=form)
        self._objects[-1] = msgspec.structs.replace(last, files=(*last.files[:-1], told))
        reader = Reader(file.content, form, contract, declared)
        yield from self._pages(key, file.part, reader, reader.columns)

    def _pages(
        self, key: str, part: str, records: Iterable[FileRecord], columns: Mapping[str, str]
    ) -> Iterator[LandedPage]:
        some: list[FileRecord] = []
        size = 0
        failure: Unreadable | None = None
        try:
            for record in records:
                some.append(record)
                size += len(record.record)
                if len(some) == _PAGE_RECORDS or size >= _PAGE_BYTES:
                    yield _page(key, part, some, columns)
                    some, size = [], 0
        except Unreadable as error:
            failure = error
        if some:
            yield _page(key, part, some, columns)
        if failure is not None:
            raise failure


def line_of(landed: Landed, record: int, body: IO[bytes], *, enveloped: bool) -> tuple[str, int | None]:
    """Where in an object one of its records stands: the file, if it is an archive, and the line, if it has one.

    Args:
        record: its place among all that the object had when it was taken, from 0.
        body: the object's bytes, which are those that were taken.
        enveloped: it is one of Firehose's error objects.
    """
    unpacked = files_in(body, landed.key.rpartition("/")[2], max_mb=_ANY_MB)
    # No files are named if there is one, of lines.
    lines = Form("ndjson", enveloped=enveloped)
    named = landed.files or (LandedFile(part="", sha256="", bytes=0, records=landed.records, form=lines),)
    for file, taken in zip(unpacked, named, strict=False):
        if record < taken.records:
            if taken.form is None or file.fault is not None:
                return file.part, None
            try:
                return file.part, next(islice(places(file.content, taken.form), record, None), None)
            except Unreadable:
                return file.part, None
        record -= taken.records
    return "", None


class _Hashed:
    """Counts and hashes what is written into a file."""

    def __init__(self, into: IO[bytes]) -> None:
        self._into, self._digest = into, hashlib.sha256()
        self.bytes = 0

    def write(self, block: bytes) -> int:
        self._digest.update(block)
        self.bytes += len(block)
        return self._into.write(block)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def _page(key: str, part: str, some: list[FileRecord], columns: Mapping[str, str]) -> LandedPage:
    # Only if each line is one value may they be looked at together: `{"a": 1` and `"b": 2}` are no record, and joined
    # they are one.
    records = [each.record for each in some]
    faults = {place: each.fault for place, each in enumerate(some) if each.fault is not None}
    try:
        alone = not faults and all(map(_VALUES.decode, records))
    except (msgspec.MsgspecError, RecursionError):
        alone = False
    body = b"[" + b",\n".join(records) + b"]" if alone else b""
    return LandedPage(body, records, faults, key, part, [each.line for each in some], columns)


def _before(record: bytes | None, steps: list[str | int]) -> int | None:
    try:
        return offset(record.decode(), steps) if record is not None else None
    except UnicodeDecodeError:
        return None


def is_unfinished(key: str) -> bool:
    """Whether an object is passed over for its name: so tools name what they have not written to its end."""
    name = key.rpartition("/")[2]
    return not name or name.startswith(_UNFINISHED_STARTS) or name.endswith(_UNFINISHED_ENDS)
