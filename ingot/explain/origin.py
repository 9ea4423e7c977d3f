"""The part of a walk that lies in Bronze: from a row's batch and line to the object, the line in it and the request."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
import zstandard

from ingot.batch import parse_batch
from ingot.errors import IntegrityError
from ingot.fetch.landed import line_of
from ingot.manifest import Landed, Manifest, Part, Request, read_manifest
from ingot.naming import failed_prefix
from ingot.quarantine import batch_of, read_as_lines, read_rejects
from ingot.storage import ObjectStore

_RESTORE = "restore the object's version before"


class Asked(msgspec.Struct, frozen=True):
    """A request to the source, as the manifest recorded it.

    Attributes:
        seconds: from asking to the last byte.
        tries: how often it was asked.
    """

    url: str
    status: int
    seconds: float
    tries: int


class LandedAt(msgspec.Struct, frozen=True):
    """An object that landed, and the record's place in it.

    Attributes:
        object: where it landed.
        record: which of its records it is, from 1.
        records: how many it has.
        line: its line, from 1, as ``sed -n`` counts what is decompressed, or its row; None if it has none, or if the
            object is not there any more as it was.
        modified: when it was put there.
        part: the file in it, if it is an archive.
    """

    object: str
    record: int
    records: int
    line: int | None
    modified: datetime
    part: str = ""


class Refused(msgspec.Struct, frozen=True):
    """A batch and an object of the quarantine that held the record until it was replayed."""

    batch_id: str
    object: str


class Origin(msgspec.Struct, frozen=True):
    """Where one row of Bronze comes from.

    Attributes:
        line: its place in the batch, from 0, as in the column ``_line``.
        as_of: the time that the batch stands for.
        deleted: it is a tombstone: what is there is the key of a record that was not.
        object: the object in S3 that holds it.
        object_line: its line in that object, from 1, as ``sed -n`` counts.
        object_lines: how many there are.
        replayed_from: where it was refused before, the last time first.
        extracted_at: when the batch that the source was asked for began.
        requests: the one that brought it. Of a tombstone all of the batch's: none of them brought it. All of them,
            too, if the manifest is of a version that did not record which.
        record: its stored bytes, if they were asked for.
        landed: the object that brought it, if no request did.
    """

    batch_id: str
    line: int
    as_of: datetime
    record_hash: str
    deleted: bool
    object: str
    object_line: int
    object_lines: int
    replayed_from: list[Refused]
    extracted_at: datetime
    requests: list[Asked]
    record: str | None
    landed: LandedAt | None = None


@dataclass
class Origins:
    """Looks origins up, and every manifest once.

    Args:
        records: read the records themselves, too.
    """

    bronze: ObjectStore
    records: bool = False
    _manifests: dict[str, Manifest] = field(default_factory=dict)

    def of(
        self, source: str, stream: str, batch_id: str, line: int, as_of: datetime, record_hash: str, deleted: bool
    ) -> Origin:
        """The origin of one row of a stream's Bronze table, from its lineage columns.

        Raises:
            BatchMissing: there is no manifest of its batch, or no object.
            IntegrityError: the manifest has no such line, or the record is not the one that was loaded.
        """
        manifest = self._manifest(source, stream, batch_id)
        part, number = _place(manifest, line, deleted)
        position, path, first = self._refusals(manifest, record_hash)
        return Origin(
            batch_id=batch_id,
            line=line,
            as_of=as_of,
            record_hash=record_hash,
            deleted=deleted,
            object=self._uri(part.key),
            object_line=number + 1,
            object_lines=part.records,
            replayed_from=path,
            extracted_at=first.started_at,
            requests=[
                Asked(request.url, request.status, request.seconds, request.tries)
                for request in requests_of(first, line, position, deleted)
            ],
            record=self._record(part, number, record_hash) if self.records else None,
            landed=self._landing(first, line, position) if first.landed else None,
        )

    def _manifest(self, source: str, stream: str, batch_id: str) -> Manifest:
        if batch_id not in self._manifests:
            self._manifests[batch_id] = read_manifest(self.bronze, parse_batch(source, stream, batch_id))
        return self._manifests[batch_id]

    def _refusals(self, manifest: Manifest, record_hash: str) -> tuple[int | None, list[Refused], Manifest]:
        """Of a replayed record: its place in what the source sent, where it was refused, and the batch that asked."""
        path: list[Refused] = []
        position = None
        while manifest.resolves is not None:
            resolved = manifest.resolves
            path.append(Refused(resolved.batch_id, self._uri(resolved.key)))
            batch = batch_of(resolved.key)
            replay, manifest = manifest, self._manifest(batch.source, batch.stream, resolved.batch_id)
            if position is None:
                position = self._position(manifest, record_hash, replay.redacted)
        return position, path, manifest

    def _position(self, holder: Manifest, record_hash: str, redacted: tuple[str, ...]) -> int:
        # What became a secret after it was refused was cut when it was replayed.
        for reject, line in read_as_lines(self.bronze, holder, redacted):
            if hashlib.sha256(line).hexdigest() == record_hash:
                return reject.position
        raise IntegrityError(
            "The record was replayed from an object of the quarantine that does not hold it.",
            batch=holder.batch_id,
            key=holder.rejects.key if holder.rejects else None,
            hint=_RESTORE,
        )

    def _landing(self, manifest: Manifest, line: int, position: int | None) -> LandedAt:
        """The landed object of a line, or of what stood at a position in all that the batch took."""
        if position is None:
            # A refused record knows how many lines the batch had before it.
            before = (reject.line for reject in read_rejects(self.bronze, manifest))
            position = line + sum(lines is not None and lines <= line for lines in before)
        for landed in manifest.landed:
            if position < landed.records:
                part, number = self._landed_line(manifest, landed, position)
                return LandedAt(self._uri(landed.key), position + 1, landed.records, number, landed.modified, part)
            position -= landed.records
        raise IntegrityError("Its manifest names no object that brought it.", batch=manifest.batch_id, hint=_RESTORE)

    def _landed_line(self, manifest: Manifest, landed: Landed, record: int) -> tuple[str, int | None]:
        body = self.bronze.find(landed.key)
        if body is None or hashlib.sha256(body).hexdigest() != landed.sha256:
            return "", None
        enveloped = landed.key.startswith(failed_prefix(manifest.source, manifest.stream))
        return line_of(landed, record, io.BytesIO(body), enveloped=enveloped)

    def _record(self, part: Part, number: int, record_hash: str) -> str:
        """The stored line, held to the hash of its object and to the row's.

        Raises:
            IntegrityError: it is another one; it is not shown then.
        """
        content, found = hashlib.sha256(), b""
        try:
            stored = io.BytesIO(self.bronze.get(part.key))
            with zstandard.ZstdDecompressor().stream_reader(stored) as reader:
                for index, line in enumerate(io.BufferedReader(reader)):
                    content.update(line)
                    if index == number:
                        found = line.removesuffix(b"\n")
        except zstandard.ZstdError as error:
            raise IntegrityError(f"The object cannot be read: {error}.", key=part.key, hint=_RESTORE) from error
        if content.hexdigest() != part.sha256:
            raise IntegrityError("The object is not what its manifest recorded.", key=part.key, hint=_RESTORE)
        if hashlib.sha256(found).hexdigest() != record_hash:
            raise IntegrityError(
                f"Line {number + 1} is not the record that the warehouse was loaded with.",
                key=part.key,
                hint="load the batch again: the row was changed in the warehouse",
            )
        return found.decode()

    def _uri(self, key: str) -> str:
        return f"s3://{self.bronze.bucket}/{key}"


def _place(manifest: Manifest, line: int, deleted: bool) -> tuple[Part, int]:
    """The object of a line, and the line in it, from 0. Tombstones follow the records."""
    rest = line
    for part in (*manifest.parts, *([manifest.deletes] if manifest.deletes else [])):
        if rest < part.records:
            if (part is manifest.deletes) is deleted:
                return part, rest
            break
        rest -= part.records
    raise IntegrityError(
        f"Its manifest has no {'tombstone' if deleted else 'record'} with the number {line}.",
        batch=manifest.batch_id,
        hint="load the batch again: what was loaded was another version of it",
    )


def requests_of(manifest: Manifest, line: int, position: int | None, deleted: bool) -> tuple[Request, ...]:
    """Which requests brought a line, or what stood at a position in what the source sent."""
    if not deleted:
        rest = line if position is None else position
        for request in manifest.requests:
            count = request.accepted if position is None else request.records
            if rest < count:
                return (request,)
            rest -= count
    return manifest.requests
